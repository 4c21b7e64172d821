package lake

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"
	"strings"

	"github.com/zeebo/xxh3"
)

// A bloom filter says for sure that a key is absent, and is wrong in one of a
// hundred cases when it says that it is present.
type bloom []uint64

const (
	bitsPerKey = 10
	bloomTries = 7
)

func newBloom(keys int) bloom { return make(bloom, (max(keys, 1)*bitsPerKey+63)/64) }

// bit is the place of the i-th bit of a key's hash.
func (b bloom) bit(h xxh3.Uint128, i uint64) (word uint64, mask uint64) {
	hi, _ := bits.Mul64(h.Hi+i*h.Lo, uint64(len(b))*64)
	return hi / 64, 1 << (hi % 64)
}

func (b bloom) add(h xxh3.Uint128) {
	for i := range uint64(bloomTries) {
		w, m := b.bit(h, i)
		b[w] |= m
	}
}

func (b bloom) has(h xxh3.Uint128) bool {
	for i := range uint64(bloomTries) {
		if w, m := b.bit(h, i); b[w]&m == 0 {
			return false
		}
	}
	return true
}

func hashKey(s string) xxh3.Uint128 {
	h := xxh3.HashString128(s)
	h.Lo |= 1 // so that no two tries of a key meet
	return h
}

// filters say whether a file may hold an event id, a patient or a person.
// They stand in a small blob beside the file and can be made again from it.
type filters struct {
	uids, patients, people bloom
}

const filterMagic = "CLF1"

func (f *filters) size() int64 { return int64(8 * (len(f.uids) + len(f.patients) + len(f.people))) }

// keys are what goes into the filters of a file being written.
type keys struct {
	uids             []xxh3.Uint128
	patients, people map[string]struct{}
}

func newKeys() keys {
	return keys{patients: map[string]struct{}{}, people: map[string]struct{}{}}
}

func (k *keys) collect(t *table, rows []int32) {
	collect(&t.texts[textPatient], rows, k.patients)
	collect(&t.texts[textPerson], rows, k.people)
	for _, row := range rows {
		k.uids = append(k.uids, hashKey(t.text(textUID, int(row))))
	}
}

func collect(c *texts, rows []int32, set map[string]struct{}) {
	seen := make([]bool, len(c.values))
	for _, row := range rows {
		if id := c.idAt(int(row)); id != 0 && !seen[id] {
			seen[id] = true
			set[strings.Clone(c.values[id])] = struct{}{}
		}
	}
}

func (k *keys) filters() *filters {
	f := &filters{uids: newBloom(len(k.uids)), patients: fromSet(k.patients), people: fromSet(k.people)}
	for _, h := range k.uids {
		f.uids.add(h)
	}
	return f
}

func fromSet(set map[string]struct{}) bloom {
	b := newBloom(len(set))
	for s := range set {
		b.add(hashKey(s))
	}
	return b
}

// encode: magic, three lengths in words, the words, CRC-32 of all before.
func (f *filters) encode() []byte {
	dst := []byte(filterMagic)
	for _, b := range []bloom{f.uids, f.patients, f.people} {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b)))
	}
	for _, b := range []bloom{f.uids, f.patients, f.people} {
		for _, w := range b {
			dst = binary.LittleEndian.AppendUint64(dst, w)
		}
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst))
}

func decodeFilters(data []byte) (*filters, error) {
	const head = 4 + 3*4
	if len(data) < head+4 || string(data[:4]) != filterMagic {
		return nil, errors.New("not a filter")
	}
	body, sum := data[:len(data)-4], data[len(data)-4:]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(sum) {
		return nil, errors.New("filter with a wrong checksum")
	}
	rest := body[head:]
	var list [3]bloom
	for i := range list {
		n := int(binary.LittleEndian.Uint32(body[4+4*i:]))
		if n == 0 || len(rest) < 8*n {
			return nil, fmt.Errorf("filter of %d words in %d bytes", n, len(rest))
		}
		list[i] = make(bloom, n)
		for j := range list[i] {
			list[i][j] = binary.LittleEndian.Uint64(rest[8*j:])
		}
		rest = rest[8*n:]
	}
	return &filters{uids: list[0], patients: list[1], people: list[2]}, nil
}
