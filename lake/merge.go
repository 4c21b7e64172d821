package lake

import (
	"cmp"
	"container/heap"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// A merge writes the rows of several files to new ones, in the file's order,
// with a bounded number of rows in memory.
type merge struct {
	lake *Lake
	ctx  context.Context
	keep func(*record) bool // nil: all rows

	waiting []*entry // not open yet, by first day
	open    stream
	batch   int32 // rows that a cursor decodes at once

	out   *output // nil: no file begun
	group table   // rows of the row group being filled
	day   int64   // of the last row
	inOut int64   // rows of out, group included

	files  []FileInfo
	folded []fold
	rows   int64
}

// A fold is a later explanation that now stands in a file.
type fold struct {
	uid     string
	version int64
}

func (m *merge) run(list []*entry) error {
	m.waiting = slices.SortedFunc(slices.Values(list), func(a, b *entry) int { return cmp.Compare(a.MinTime, b.MinTime) })
	m.batch = int32(max(256, min(pageRows, mergeRows/depth(m.waiting))))
	defer m.stop()
	var r record
	for {
		c, err := m.next()
		if err != nil || c == nil {
			return err
		}
		c.table.record(c.at, &r)
		if m.keep == nil || m.keep(&r) {
			if err := m.add(&r); err != nil {
				return err
			}
		}
		if err := m.advance(c); err != nil {
			return err
		}
	}
}

// depth is the greatest number of files on one day.
func depth(list []*entry) int {
	days, most := map[int64]int{}, 1
	for _, e := range list {
		for d := dayOf(e.MinTime); d <= dayOf(e.MaxTime); d++ {
			days[d]++
			most = max(most, days[d])
		}
	}
	return most
}

// next returns the stream with the next row, nil after the last row. Files
// are opened when their first day comes.
func (m *merge) next() (*source, error) {
	for len(m.waiting) > 0 && (len(m.open) == 0 || dayOf(m.waiting[0].MinTime) <= m.open[0].day) {
		e := m.waiting[0]
		m.waiting = m.waiting[1:]
		c, err := m.lake.openSource(m.ctx, e, m.batch)
		if err != nil {
			return nil, err
		}
		if c.table == nil { // a file without rows
			c.close()
			continue
		}
		heap.Push(&m.open, c)
	}
	if len(m.open) == 0 {
		return nil, m.finish()
	}
	return m.open[0], nil
}

func (m *merge) advance(c *source) error {
	if err := c.advance(); err != nil {
		return err
	}
	if c.table == nil {
		heap.Pop(&m.open)
		c.close()
		return m.ctx.Err()
	}
	heap.Fix(&m.open, 0)
	return nil
}

func (m *merge) stop() {
	for _, c := range m.open {
		c.close()
	}
	if m.out != nil {
		m.out.abort()
	}
}

// add takes a row into the present file, or begins the next one.
func (m *merge) add(r *record) error {
	if err := m.fold(r); err != nil {
		return err
	}
	day := dayOf(r.ints[intTime])
	if day != m.day && m.inOut >= minFileRows {
		if err := m.finish(); err != nil {
			return err
		}
	}
	m.day = day
	m.inOut++
	m.rows++
	m.group.append(r)
	if m.group.rows == groupRows {
		return m.flushGroup()
	}
	return nil
}

func (m *merge) flushGroup() error {
	if m.group.rows == 0 {
		return nil
	}
	if m.out == nil {
		out, err := m.lake.create()
		if err != nil {
			return err
		}
		m.out = out
	}
	err := m.out.write(&m.group, ascending(m.group.rows))
	m.group = table{}
	return err
}

// ascending are the row numbers 0 to n-1.
func ascending(n int) []int32 {
	rows := make([]int32, n)
	for i := range rows {
		rows[i] = int32(i)
	}
	return rows
}

func (m *merge) finish() error {
	if err := m.flushGroup(); err != nil || m.out == nil {
		return err
	}
	x, err := m.out.commit(m.ctx)
	m.out.abort()
	m.out, m.inOut = nil, 0
	if err != nil {
		return err
	}
	m.files = append(m.files, x)
	return nil
}

// fold replaces the explanation of a row by a later one.
func (m *merge) fold(r *record) error {
	uid := r.texts[textUID]
	if !m.lake.healed.has(uid) {
		return nil
	}
	return m.lake.db.View(m.ctx, func(tx *sql.Tx) error {
		x, version, err := correction(tx, uid)
		if err != nil || x == nil {
			return err
		}
		setExplanation(r, x)
		m.folded = append(m.folded, fold{strings.Clone(uid), version})
		return nil
	})
}

// A stream is a heap of sources by their next row.
type stream []*source

func (s stream) Len() int           { return len(s) }
func (s stream) Less(i, j int) bool { return s[i].before(s[j]) }
func (s stream) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *stream) Push(x any)        { *s = append(*s, x.(*source)) }
func (s *stream) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

// A source is one file of a merge.
type source struct {
	*cursor
	name   string
	handle *handle
	lake   *Lake
	table  *table // nil: no row left
	at     int
	day    int64 // of the row
}

func (l *Lake) openSource(ctx context.Context, e *entry, batch int32) (*source, error) {
	h, err := l.handles.get(ctx, &e.FileInfo)
	if err != nil {
		return nil, err
	}
	s := &source{cursor: newCursor(h.file, newDecoder(l.zstd), batch), name: e.Name, handle: h, lake: l, table: &table{}}
	if err := s.advance(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *source) close() { s.lake.handles.put(s.handle) }

func (s *source) advance() (err error) {
	s.at++
	if s.at >= s.table.rows {
		if s.table, err = s.cursor.next(); err != nil {
			return fmt.Errorf("lake file %s: %w", s.name, err)
		}
		s.at = 0
	}
	if s.table != nil {
		s.day = dayOf(s.table.int(intTime, s.at))
	}
	return nil
}

// before is the order of rows in a file.
func (s *source) before(o *source) bool {
	a, b := s.table, o.table
	return cmp.Or(cmp.Compare(s.day, o.day),
		cmp.Compare(a.text(textPatient, s.at), b.text(textPatient, o.at)),
		cmp.Compare(a.int(intTime, s.at), b.int(intTime, o.at)),
		cmp.Compare(a.int(intSeq, s.at), b.int(intSeq, o.at)),
		cmp.Compare(a.int(intIndex, s.at), b.int(intIndex, o.at))) < 0
}
