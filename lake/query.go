package lake

import "sort"

// find returns for each group the rows of a patient. Files of one day are
// sorted by patient; in others there may be several places.
func (d *decoder) findPatient(f *file, g int, patient string) ([]int32, error) {
	at := columnIndex(f.columns, textNames[textPatient])
	grp := &f.groups[g]
	c := &grp.chunks[at]
	var rows []int32
	for p, pg := range c.pages {
		if pg.nulls || patient < pg.min || beyond(patient, pg.max) {
			continue
		}
		if err := d.readPage(f.r, pg, kindText); err != nil {
			return nil, err
		}
		if len(d.page.ids) > 0 {
			if err := d.readDict(f.r, c, kindText); err != nil {
				return nil, err
			}
		}
		rows = d.matches(rows, pg.first, grp.end(c, p), patient)
	}
	return rows, nil
}

// beyond says that s is greater than every value of a page whose greatest
// value, perhaps cut off and then rounded up, is max.
func beyond(s, max string) bool { return s > max }

func columnIndex(list []column, name string) int {
	return sort.Search(len(list), func(i int) bool { return list[i].name >= name })
}

// matches appends the rows of the present page whose text is s.
func (d *decoder) matches(rows []int32, first, end int32, s string) []int32 {
	v := &d.page
	want := int32(-1)
	if len(v.ids) > 0 {
		for i := range len(d.dict.offsets) - 1 {
			if string(d.dict.text(i)) == s {
				want = int32(i)
				break
			}
		}
		if want < 0 {
			return rows
		}
	}
	pos := 0
	for row := first; row < end; row++ {
		if v.levels != nil && v.levels[row-first] == 0 {
			continue
		}
		if want >= 0 && v.ids[pos] == want || want < 0 && string(v.text(pos)) == s {
			rows = append(rows, row)
		}
		pos++
	}
	return rows
}
