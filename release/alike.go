package release

import "math/bits"

// alike groups rows by what they are in some columns: the class of each row,
// and how many rows each class has. It is what risks are counted with and what
// an anonymised table is counted again with, by other code than the search's.
func alike(columns []*Column, rows int) (of []uint32, sizes []uint32) {
	of = make([]uint32, rows)
	if rows == 0 {
		return of, nil
	}
	sizes = []uint32{uint32(rows)}
	for len(columns) > 0 {
		keys := make([]uint64, rows)
		used := bits.Len(uint(len(sizes) - 1))
		for i, class := range of {
			keys[i] = uint64(class)
		}
		for len(columns) > 0 {
			width := bits.Len(uint(len(columns[0].Values)))
			if used+width > 64 {
				break
			}
			for i, code := range columns[0].Cells {
				keys[i] |= uint64(code) << used
			}
			used, columns = used+width, columns[1:]
		}
		sizes = number64(keys, of)
	}
	return of, sizes
}

// number64 gives equal keys one number, in the order of their first.
func number64(keys []uint64, of []uint32) (sizes []uint32) {
	slots, firsts := make([]uint32, smallest), []uint64(nil)
	for i, key := range keys {
		at := hash(key) & uint64(len(slots)-1)
		for slots[at] != 0 && firsts[slots[at]-1] != key {
			at = (at + 1) & uint64(len(slots)-1)
		}
		if slots[at] == 0 {
			firsts, sizes = append(firsts, key), append(sizes, 0)
			slots[at] = uint32(len(firsts))
		}
		class := slots[at] - 1
		of[i] = class
		sizes[class]++
		if 2*len(firsts) > len(slots) {
			slots = rehash(firsts, 4*len(slots))
		}
	}
	return sizes
}

func rehash(keys []uint64, size int) []uint32 {
	slots := make([]uint32, size)
	for i, key := range keys {
		at := hash(key) & uint64(size-1)
		for slots[at] != 0 {
			at = (at + 1) & uint64(size-1)
		}
		slots[at] = uint32(i + 1)
	}
	return slots
}
