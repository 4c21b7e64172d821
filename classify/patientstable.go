package classify

import "math/bits"

// hashTable finds hashes among many, and the number that belongs to each. The
// top bits of a hash say its bucket, of the rest some bits are kept. Entries
// stand in the order of their hashes, so that a bucket is a run of them: where
// it begins is told by a number for each sixteen buckets and a byte for each.
type hashTable struct {
	n       int
	shift   uint // 64 less the bits of the bucket
	kept    uint // bits kept of the rest
	who     uint // bits of the number; 0: the entry's place is the number
	size    int  // bytes of an entry
	begins  []uint32
	offsets []uint8
	entries []byte // and eight bytes behind them
}

// Bits kept of a hash. With at most two hashes to a bucket of the first table,
// four of the second, and one of 256 strangers passing the filter, a stranger
// is taken for a patient once in 2^-8 * (2 * 2^-24 + 4 * 2^-27): 6e-10.
const (
	keptAlone = 24
	keptLeast = 27
)

// fill builds the table of sorted, different hashes.
func (t *hashTable) fill(hashes []hashOf, who int) {
	t.n, t.who, t.kept, t.size = len(hashes), uint(who), keptAlone, keptAlone/8
	load := 2
	if who > 0 {
		load = 4
		t.size = (who + keptLeast + 7) / 8
		t.kept = uint(8*t.size - who)
	}
	t.entries = make([]byte, t.n*t.size+8)
	for buckets := max(4, bits.Len(uint(t.n/load))); !t.index(hashes, buckets); buckets++ {
	}
	for i, h := range hashes {
		t.put(i, t.rest(h.hash)<<t.who|uint64(h.who)&(1<<t.who-1))
	}
}

// index lays out 2^buckets buckets; false if sixteen of them hold too many.
func (t *hashTable) index(hashes []hashOf, buckets int) bool {
	t.shift = uint(64 - buckets)
	t.begins = make([]uint32, 1<<(buckets-4)+1)
	t.offsets = make([]uint8, 1<<buckets)
	i := 0
	for b := range t.offsets {
		if b%16 == 0 {
			t.begins[b/16] = uint32(i)
		}
		n := i - int(t.begins[b/16])
		if n > 255 {
			return false
		}
		t.offsets[b] = uint8(n)
		for i < len(hashes) && hashes[i].hash>>t.shift == uint64(b) {
			i++
		}
	}
	t.begins[len(t.begins)-1] = uint32(i)
	return true
}

// rest are the bits kept of a hash.
func (t *hashTable) rest(h uint64) uint64 { return h << (64 - t.shift) >> (64 - t.kept) }

func (t *hashTable) put(i int, v uint64) {
	for k := range t.size {
		t.entries[i*t.size+k] = byte(v >> (8 * k))
	}
}

// bucket is where the entries of a hash's bucket stand.
func (t *hashTable) bucket(h uint64) (at, end uint32) {
	if t.n == 0 {
		return 0, 0
	}
	b := h >> t.shift
	begin := t.begins[b>>4]
	if b&15 == 15 {
		return begin + uint32(t.offsets[b]), t.begins[b>>4+1]
	}
	return begin + uint32(t.offsets[b]), begin + uint32(t.offsets[b+1])
}

// entry is the entry at a place; there is room behind the last.
func (t *hashTable) entry(at uint32) uint64 { return load(t.entries, int(at)*t.size) }

// find gives the number of a hash, whose bucket stands at at.
func (t *hashTable) find(h uint64, at, end uint32) (uint32, bool) {
	return t.findFrom(h, t.entry(at), at, end)
}

// findFrom is find where the first entry of the bucket is at hand.
func (t *hashTable) findFrom(h, entry uint64, at, end uint32) (uint32, bool) {
	rest, mask := t.rest(h), uint64(1)<<(8*uint(t.size))-1
	for ; at < end; entry = t.entry(at) {
		if v := entry & mask; v>>t.who == rest {
			if t.who == 0 {
				return at, true
			}
			return uint32(v & (1<<t.who - 1)), true
		}
		at++
	}
	return 0, false
}

func (t *hashTable) memory() int {
	return 4*len(t.begins) + len(t.offsets) + len(t.entries)
}
