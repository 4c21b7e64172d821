package office

import (
	"math"
	"strconv"
	"unicode/utf16"

	"github.com/cordon-health/cordon/classify"
)

// The records of an XLS workbook that hold text, as its format numbers them.
const (
	xlsFormula   = 0x0006
	xlsEOF       = 0x000a
	xlsPassword  = 0x002f
	xlsContinue  = 0x003c
	xlsSheet     = 0x0085
	xlsMulRK     = 0x00bd
	xlsShared    = 0x00fc
	xlsLabelSST  = 0x00fd
	xlsText      = 0x01b6
	xlsNumber    = 0x0203
	xlsLabel     = 0x0204
	xlsString    = 0x0207
	xlsRK        = 0x027e
	xlsBegin     = 0x0809
	xlsCellBytes = 6 // row, column, format
)

// xlsWalk reads the records of a workbook one after the other.
type xlsWalk struct {
	o      *ole
	b      []byte
	names  []string
	shared []string
	sheet  int // -1 in the globals
	g      *grid
	row    int64
	column int // of the last formula
}

// xls gives the cells of a workbook.
func (o *ole) xls(stream string) error {
	w := &xlsWalk{o: o, b: o.part(stream), sheet: -2}
	for n := 0; len(w.b) >= 4; n++ {
		if n%4096 == 0 {
			if err := o.ctx.Err(); err != nil {
				return err
			}
		}
		kind, size := le.Uint16(w.b), int(le.Uint16(w.b[2:]))
		if len(w.b) < 4+size {
			o.out.Unread(stream, classify.Truncated)
			break
		}
		body := w.b[4 : 4+size]
		w.b = w.b[4+size:]
		if kind == xlsPassword {
			return classify.Encrypted
		}
		if err := w.record(kind, body); err != nil {
			return err
		}
	}
	return w.flush()
}

func (w *xlsWalk) flush() error {
	if w.g == nil {
		return nil
	}
	w.g.row = w.row
	return w.g.flush()
}

func (w *xlsWalk) record(kind uint16, b []byte) error {
	switch kind {
	case xlsBegin:
		if err := w.flush(); err != nil {
			return err
		}
		w.begin(b)
	case xlsSheet:
		if len(b) > 8 {
			name, _ := shortString(b[6:])
			w.names = append(w.names, name)
		}
	case xlsShared:
		w.strings(b)
	case xlsText:
		return w.box()
	case xlsString:
		if s, _ := longString(b); w.g != nil && s != "" {
			w.g.add(w.column, []byte(s), true)
		}
	}
	if w.g == nil || len(b) < xlsCellBytes {
		return nil
	}
	return w.cells(kind, b)
}

// begin opens the globals or the next sheet.
func (w *xlsWalk) begin(b []byte) {
	if len(b) < 4 || le.Uint16(b[2:]) != 0x10 && w.sheet >= -1 {
		return // charts and macros within a sheet
	}
	if w.sheet++; w.sheet < 0 {
		return
	}
	name := "sheet " + strconv.Itoa(w.sheet+1)
	if w.sheet < len(w.names) {
		name = w.names[w.sheet]
	}
	w.g, w.row = &grid{out: w.o.out, sheet: name}, 0
}

// cells reads the records that hold values of a row.
func (w *xlsWalk) cells(kind uint16, b []byte) error {
	switch kind {
	case xlsLabelSST, xlsLabel, xlsNumber, xlsRK, xlsMulRK, xlsFormula:
	default:
		return nil
	}
	if row := int64(le.Uint16(b)) + 1; row != w.row {
		if err := w.flush(); err != nil {
			return err
		}
		w.row = row
	}
	column := int(le.Uint16(b[2:]))
	v := b[xlsCellBytes:]
	switch {
	case kind == xlsLabelSST && len(v) >= 4:
		if i := le.Uint32(v); uint64(i) < uint64(len(w.shared)) {
			w.g.add(column, []byte(w.shared[i]), true)
		}
	case kind == xlsLabel:
		s, _ := longString(v)
		w.g.add(column, []byte(s), true)
	case kind == xlsNumber && len(v) >= 8:
		w.number(column, math.Float64frombits(le.Uint64(v)))
	case kind == xlsFormula && len(v) >= 8:
		if w.column = column; le.Uint16(v[6:]) != 0xffff {
			w.number(column, math.Float64frombits(le.Uint64(v)))
		}
	case kind == xlsRK && len(v) >= 4:
		w.number(column, packedNumber(le.Uint32(v)))
	case kind == xlsMulRK:
		for v = b[4:]; len(v) >= 8; v, column = v[6:], column+1 {
			w.number(column, packedNumber(le.Uint32(v[2:])))
		}
	}
	return nil
}

func (w *xlsWalk) number(column int, f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return
	}
	w.g.add(column, strconv.AppendFloat(nil, f, 'f', -1, 64), false)
}

// packedNumber is a number in 32 bits: whole or the top of a float, perhaps a
// hundredth.
func packedNumber(v uint32) float64 {
	f := math.Float64frombits(uint64(v&^3) << 32)
	if v&2 != 0 {
		f = float64(int32(v) >> 2)
	}
	if v&1 != 0 {
		f /= 100
	}
	return f
}

// shortString reads a string with its length in one byte.
func shortString(b []byte) (string, int) {
	if len(b) < 2 {
		return "", len(b)
	}
	return characters(b[2:], int(b[0]), b[1]&1 != 0)
}

// longString reads a string with its length in two bytes.
func longString(b []byte) (string, int) {
	if len(b) < 3 {
		return "", len(b)
	}
	return characters(b[3:], int(le.Uint16(b)), b[2]&1 != 0)
}

func characters(b []byte, n int, wide bool) (string, int) {
	if wide {
		n = min(2*n, len(b)&^1)
		return wideText(b[:n]), n
	}
	n = min(n, len(b))
	return latin(b[:n]), n
}

// strings reads the shared strings, which go on in the records that follow; a
// string cut there says its width again.
func (w *xlsWalk) strings(b []byte) {
	r := &continued{w: w, b: b}
	r.skip(8)
	kept := 0
	for !r.over() && len(w.shared) < sharedCount && kept < sharedMost {
		n := int(r.u16())
		flags := r.u8()
		runs, extra := 0, 0
		if flags&8 != 0 {
			runs = int(r.u16())
		}
		if flags&4 != 0 {
			extra = int(le.Uint32(r.take(4)))
		}
		s := r.text(n, flags&1 != 0)
		r.skip(4*runs + extra)
		kept += len(s) + 16
		w.shared = append(w.shared, s)
	}
}

// continued reads over the borders of records.
type continued struct {
	w   *xlsWalk
	b   []byte
	end bool
}

// more goes on to the next record, if it continues this one.
func (c *continued) more() bool {
	b := c.w.b
	if len(b) < 4 || le.Uint16(b) != xlsContinue || len(b) < 4+int(le.Uint16(b[2:])) {
		c.end = true
		return false
	}
	n := 4 + int(le.Uint16(b[2:]))
	c.b, c.w.b = b[4:n], b[n:]
	return true
}

func (c *continued) over() bool {
	for len(c.b) == 0 {
		if c.end || !c.more() {
			return true
		}
	}
	return false
}

// take gives so many bytes, zeros where there are none.
func (c *continued) take(n int) []byte {
	out := make([]byte, n)
	for at := 0; at < n && !c.over(); {
		k := copy(out[at:], c.b)
		at, c.b = at+k, c.b[k:]
	}
	return out
}

func (c *continued) u8() byte    { return c.take(1)[0] }
func (c *continued) u16() uint16 { return le.Uint16(c.take(2)) }

func (c *continued) skip(n int) {
	for n > 0 && !c.over() {
		k := min(n, len(c.b))
		n, c.b = n-k, c.b[k:]
	}
}

// text reads so many characters.
func (c *continued) text(n int, wide bool) string {
	var u []uint16
	for n > 0 {
		if len(c.b) == 0 {
			if c.end || !c.more() {
				break
			}
			wide = len(c.b) > 0 && c.b[0]&1 != 0
			c.b = c.b[min(1, len(c.b)):]
			continue
		}
		if !wide {
			k := min(n, len(c.b))
			for _, b := range c.b[:k] {
				u = append(u, uint16(b))
			}
			n, c.b = n-k, c.b[k:]
			continue
		}
		if len(c.b) < 2 {
			c.b = nil
			continue
		}
		u = append(u, le.Uint16(c.b))
		n, c.b = n-1, c.b[2:]
	}
	return string(utf16.Decode(u))
}

// box gives the text of a comment or a text box, in the record that follows.
func (w *xlsWalk) box() error {
	c := &continued{w: w}
	if !c.more() || len(c.b) < 2 {
		return nil
	}
	text, _ := characters(c.b[1:], len(c.b)-1, c.b[0]&1 != 0)
	if len(text) < 2 {
		return nil
	}
	return w.o.out.Part(classify.Part{Path: "comments", Offset: -1, Text: []byte(text)})
}
