package lake

import (
	"fmt"
	"io"
	"iter"
)

// ReadFile reads the rows of one lake file in the file's order. It needs
// neither store nor engine: the stand-alone verifier uses it. The iteration
// ends with the first error; one that is ErrDamaged says that the bytes are
// not what was written.
func ReadFile(r io.ReaderAt, size int64) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if err := readFile(r, size, yield); err != nil {
			yield(Row{}, fmt.Errorf("read lake file: %w", err))
		}
	}
}

func readFile(r io.ReaderAt, size int64, yield func(Row, error) bool) error {
	z, err := newInflater()
	if err != nil {
		return err
	}
	defer z.Close()
	d := newDecoder(z)
	f, err := openFile(r, size, d)
	if err != nil {
		return err
	}
	c := newCursor(f, d, pageRows)
	frame := newFrame()
	for {
		t, err := c.next()
		if err != nil || t == nil {
			return err
		}
		for i := range t.rows {
			row, err := t.row(frame, i)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrDamaged, err)
			}
			if !yield(row, nil) {
				return nil
			}
		}
	}
}

// A cursor reads a file from its first row to its last, some rows at a time.
type cursor struct {
	f     *file
	d     *decoder
	batch int32
	group int
	row   int32
	rows  []int32
}

func newCursor(f *file, d *decoder, batch int32) *cursor { return &cursor{f: f, d: d, batch: batch} }

// next returns the next rows, nil after the last.
func (c *cursor) next() (*table, error) {
	for c.group < len(c.f.groups) && c.row == c.f.groups[c.group].rows {
		c.group, c.row = c.group+1, 0
	}
	if c.group == len(c.f.groups) {
		return nil, nil
	}
	c.rows = c.rows[:0]
	for end := min(c.row+c.batch, c.f.groups[c.group].rows); c.row < end; c.row++ {
		c.rows = append(c.rows, c.row)
	}
	t := new(table)
	if err := c.d.load(c.f, c.group, c.rows, everything, t); err != nil {
		return nil, err
	}
	return t, nil
}
