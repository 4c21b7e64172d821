package evidence

import (
	"iter"
	"slices"
)

// Place is where an event stands: the number of its batch and its index in it.
type Place struct {
	Seq   uint64
	Index uint32
}

func (p Place) less(o Place) int {
	switch {
	case p.Seq < o.Seq || p.Seq == o.Seq && p.Index < o.Index:
		return -1
	case p == o:
		return 0
	}
	return 1
}

// runsOf sorts places and joins neighbours: [seq, first index, last index].
func runsOf(places []Place) [][3]uint64 {
	slices.SortFunc(places, Place.less)
	var runs [][3]uint64
	for _, p := range places {
		if n := len(runs); n > 0 && runs[n-1][0] == p.Seq && runs[n-1][2]+1 >= uint64(p.Index) {
			runs[n-1][2] = uint64(p.Index)
			continue
		}
		runs = append(runs, [3]uint64{p.Seq, uint64(p.Index), uint64(p.Index)})
	}
	return runs
}

// Lost gives the places of the rows that are in old and not in kept.
func Lost(old, kept iter.Seq2[Row, error]) ([]Place, error) {
	before, err := places(old)
	if err != nil {
		return nil, err
	}
	after, err := places(kept)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(before, func(p Place) bool {
		_, found := slices.BinarySearchFunc(after, p, Place.less)
		return found
	}), nil
}

func places(rows iter.Seq2[Row, error]) ([]Place, error) {
	var list []Place
	for row, err := range rows {
		if err != nil {
			return nil, err
		}
		list = append(list, Place{row.Seq, row.Index})
	}
	slices.SortFunc(list, Place.less)
	return list, nil
}
