package classify

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"

	"github.com/cordon-health/cordon/internal/keyed"
)

// The file of an index: a line that names its form, numbers and arrays in
// little-endian order, and the HMAC-SHA256 of all of it under the site's key.
const patientsMagic = "cordon patients, version 1\n"

// Save writes the index.
func (p *Patients) Save(w io.Writer) error {
	seal := hmac.New(sha256.New, p.mac[:])
	b := bufio.NewWriterSize(io.MultiWriter(w, seal), 1<<16)
	out := patientsWriter{w: b}
	out.bytes([]byte(patientsMagic))
	f := &p.filter
	out.numbers(p.crowded, f.Seed, uint64(f.SegmentLength), uint64(f.SegmentLengthMask), uint64(f.SegmentCount), uint64(f.SegmentCountLength))
	out.array(f.Fingerprints)
	out.table(&p.first)
	out.table(&p.more)
	out.array(p.honey)
	if out.err == nil {
		out.err = b.Flush()
	}
	if out.err == nil {
		_, out.err = w.Write(seal.Sum(nil))
	}
	if out.err != nil {
		return fmt.Errorf("writing the index of patients: %w", out.err)
	}
	return nil
}

// patientsWriter writes until the first error.
type patientsWriter struct {
	w   *bufio.Writer
	err error
}

func (w *patientsWriter) bytes(b []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(b)
	}
}

func (w *patientsWriter) numbers(all ...uint64) {
	for _, n := range all {
		w.bytes(binary.LittleEndian.AppendUint64(nil, n))
	}
}

func (w *patientsWriter) array(b []byte) {
	w.numbers(uint64(len(b)))
	w.bytes(b)
}

func (w *patientsWriter) words(all []uint32) {
	w.numbers(uint64(len(all)))
	var b [4]byte
	for _, n := range all {
		binary.LittleEndian.PutUint32(b[:], n)
		w.bytes(b[:])
	}
}

func (w *patientsWriter) table(t *hashTable) {
	w.numbers(uint64(t.n), uint64(t.shift), uint64(t.kept), uint64(t.who), uint64(t.size))
	w.words(t.begins)
	w.array(t.offsets)
	w.array(t.entries)
}

// LoadPatients reads what Save wrote, under the same key. What is damaged, cut
// off or made with another key is refused, and costs no more memory than it
// has bytes.
func LoadPatients(key keyed.Key, r io.Reader) (*Patients, error) {
	p := newPatients(key)
	in := patientsReader{r: bufio.NewReaderSize(r, 1<<16), seal: hmac.New(sha256.New, p.mac[:])}
	if string(in.bytes(uint64(len(patientsMagic)))) != patientsMagic {
		return nil, errPatients
	}
	f := &p.filter
	p.crowded, f.Seed = in.number(), in.number()
	f.SegmentLength, f.SegmentLengthMask = uint32(in.number()), uint32(in.number())
	f.SegmentCount, f.SegmentCountLength = uint32(in.number()), uint32(in.number())
	f.Fingerprints = in.bytes(in.number())
	in.table(&p.first)
	in.table(&p.more)
	p.honey = in.bytes(in.number())
	want := in.seal.Sum(nil)
	var seal [sha256.Size]byte
	if in.err == nil {
		_, in.err = io.ReadFull(in.r, seal[:])
	}
	if in.err != nil || !hmac.Equal(want, seal[:]) {
		return nil, errPatients
	}
	return p, nil
}

// patientsReader reads until the first error.
type patientsReader struct {
	r    *bufio.Reader
	seal hash.Hash
	err  error
}

// bytes reads n bytes; memory grows with what is really there.
func (r *patientsReader) bytes(n uint64) []byte {
	if r.err != nil || n > 1<<34 {
		r.err = errPatients
		return nil
	}
	var b bytes.Buffer
	if n < 1<<20 {
		b.Grow(int(n))
	}
	if _, err := io.CopyN(io.MultiWriter(&b, r.seal), r.r, int64(n)); err != nil {
		r.err = err
		return nil
	}
	return bytes.Clone(b.Bytes())
}

func (r *patientsReader) number() uint64 {
	b := r.bytes(8)
	if len(b) != 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

func (r *patientsReader) words() []uint32 {
	n := r.number()
	if n > 1<<30 {
		r.err = errPatients
		return nil
	}
	b := r.bytes(4 * n)
	out := make([]uint32, 0, len(b)/4)
	for ; len(b) >= 4; b = b[4:] {
		out = append(out, binary.LittleEndian.Uint32(b))
	}
	return out
}

func (r *patientsReader) table(t *hashTable) {
	t.n, t.shift, t.kept, t.who = int(r.number()), uint(r.number()), uint(r.number()), uint(r.number())
	t.size = int(r.number())
	t.begins, t.offsets, t.entries = r.words(), r.bytes(r.number()), r.bytes(r.number())
}
