package lake

import (
	"strings"
	"unicode/utf8"
)

// A table holds records column by column, in memory a tenth of what the
// events take. Values of a text column are numbered; number 0 is "". A column
// ends after its last value that is not zero, so unused ones take no memory.
type table struct {
	rows  int
	ints  [numInts][]int64
	texts [numTexts]texts
}

type texts struct {
	ids    []uint32
	values []string          // by id; [0] is ""
	index  map[string]uint32 // id by value; nil for columns whose values are unique
	last   uint32            // id of the value interned last; many columns never change
}

func (t *table) append(r *record) {
	row := t.rows
	t.rows++
	for i, v := range r.ints {
		if v != 0 {
			t.setInt(i, row, v)
		}
	}
	for i, s := range r.texts {
		if s != "" {
			t.texts[i].set(row, s, unique(i))
		}
	}
}

func (t *table) setInt(col, row int, v int64) { t.ints[col] = put(t.ints[col], row, v) }

// put sets list[row], making the list longer when needed.
func put[T any](list []T, row int, v T) []T {
	var zero T
	for len(list) < row {
		list = append(list, zero)
	}
	if row == len(list) {
		return append(list, v)
	}
	list[row] = v
	return list
}

func (c *texts) set(row int, s string, unique bool) { c.ids = put(c.ids, row, c.intern(s, unique)) }

// intern returns the number of s, giving it one if need be. Bytes that are
// not UTF-8 are replaced as the canonical JSON does; engines refuse a file
// with other bytes in a text.
func (c *texts) intern(s string, unique bool) uint32 {
	if unique {
		return c.add(strings.Clone(valid(s)))
	}
	if c.last != 0 && c.values[c.last] == s {
		return c.last
	}
	id, ok := c.index[s]
	if !ok {
		if !utf8.ValidString(s) {
			return c.intern(valid(s), false)
		}
		if c.index == nil {
			c.index = map[string]uint32{}
		}
		s = strings.Clone(s) // not the message it was cut from
		id = c.add(s)
		c.index[s] = id
	}
	c.last = id
	return id
}

func (c *texts) add(s string) uint32 {
	if len(c.values) == 0 {
		c.values = append(c.values, "")
	}
	c.values = append(c.values, s)
	return uint32(len(c.values) - 1)
}

func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// id returns the number of a value, 0 when no row has it.
func (c *texts) id(s string) uint32 {
	if c.index != nil || s == "" {
		return c.index[s]
	}
	for i, v := range c.values {
		if v == s {
			return uint32(i)
		}
	}
	return 0
}

// idAt returns the number of the value in a row.
func (c *texts) idAt(row int) uint32 {
	if row >= len(c.ids) {
		return 0
	}
	return c.ids[row]
}

func (t *table) int(col, row int) int64 {
	if row >= len(t.ints[col]) {
		return 0
	}
	return t.ints[col][row]
}

func (t *table) text(col, row int) string {
	c := &t.texts[col]
	if row >= len(c.ids) {
		return ""
	}
	return c.values[c.ids[row]]
}

// record fills r from a row.
func (t *table) record(row int, r *record) {
	for i := range r.ints {
		r.ints[i] = t.int(i, row)
	}
	for i := range r.texts {
		r.texts[i] = t.text(i, row)
	}
}
