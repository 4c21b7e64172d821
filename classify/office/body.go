package office

import (
	"archive/zip"
	"bytes"
	"path"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/markup"
)

// repeatMost is how often a repeated cell is counted on: enough to keep columns
// apart, and never enough to fill memory.
const repeatMost = columnsMost

// body gives the paragraphs and tables of a document's part. In OpenDocument
// every text within a paragraph counts, and its sheets are tables; elsewhere
// text stands in elements of its own.
func (d *document) body(f *zip.File, open bool) error {
	r := d.open(f)
	if r == nil {
		return nil
	}
	defer r.Close()
	where := strings.TrimSuffix(path.Base(f.Name), ".xml")
	if where == "document" || where == "content" {
		where = ""
	} else {
		where += " "
	}
	w := &bodyWalk{s: markup.New(r), out: d.out, open: open, where: where}
	for n := 0; ; n++ {
		if n%1024 == 0 {
			if err := d.ctx.Err(); err != nil {
				return err
			}
		}
		k := w.s.Next()
		if k == markup.None {
			break
		}
		if err := w.token(k); err != nil {
			return err
		}
	}
	d.end(f, w.s.Err())
	return w.paragraph()
}

type bodyWalk struct {
	s      *markup.Scanner
	out    classify.Sink
	open   bool
	where  string
	text   []byte
	inside int // t, or p in OpenDocument
	n      int // paragraphs
	tables int
	// table is the innermost open table; a table within a cell is read as
	// paragraphs of that cell.
	table  *grid
	nested int
	column int
	repeat int
	value  []byte // what a cell says it is worth
}

func (w *bodyWalk) token(k markup.Kind) error {
	switch k {
	case markup.Text:
		if w.inside > 0 && len(w.text) < paragraphMost {
			w.text = append(w.text, w.s.Text()...)
		}
		return nil
	case markup.Start:
		w.start(string(w.s.Name()))
		return nil
	}
	return w.stop(string(w.s.Name()))
}

func (w *bodyWalk) start(name string) {
	switch name {
	case "t", "delText", "instrText", "text":
		if !w.open {
			w.inside++
		}
	case "p", "h":
		if w.open {
			w.inside++
		}
	case "tab", "s":
		w.text = append(w.text, '\t')
	case "br", "cr", "line-break":
		w.text = append(w.text, '\n')
	case "tbl", "table":
		w.enter()
	case "tr", "table-row":
		if w.table != nil && w.nested == 0 {
			w.table.row++
			w.column = 0
		}
	case "tc", "table-cell", "covered-table-cell":
		w.cell()
	}
}

// times is how often something repeats, by an attribute.
func (w *bodyWalk) times(attr string) int {
	n, err := strconv.Atoi(string(w.s.Attr(attr)))
	if err != nil || n < 0 {
		return 0
	}
	return min(n, repeatMost)
}

func (w *bodyWalk) enter() {
	if w.table != nil {
		w.nested++
		return
	}
	w.tables++
	name := w.where + "table " + strconv.Itoa(w.tables)
	if sheet := w.s.Attr("name"); w.open && len(sheet) > 0 {
		name = string(sheet)
	}
	w.table = &grid{out: w.out, sheet: name}
}

func (w *bodyWalk) cell() {
	if w.table == nil || w.nested > 0 {
		return
	}
	w.repeat = max(1, w.times("number-columns-repeated"))
	w.value = w.value[:0]
	if v := w.s.Attr("date-value"); len(v) > 0 {
		w.value = append(w.value, v...)
	} else if v := w.s.Attr("value"); len(v) > 0 && w.open {
		w.value = append(w.value, v...)
	}
}

func (w *bodyWalk) stop(name string) error {
	switch name {
	case "t", "delText", "instrText", "text":
		if !w.open && w.inside > 0 {
			w.inside--
		}
	case "p", "h":
		if w.open && w.inside > 0 {
			w.inside--
		}
		if w.table != nil {
			w.text = append(w.text, '\n')
			return nil
		}
		return w.paragraph()
	case "tc", "table-cell", "covered-table-cell":
		w.cellEnds()
	case "tr", "table-row":
		if w.table != nil && w.nested == 0 {
			return w.row()
		}
	case "tbl", "table":
		return w.leave()
	}
	return nil
}

// cellEnds puts the cell into its row.
func (w *bodyWalk) cellEnds() {
	if w.table == nil || w.nested > 0 {
		return
	}
	text := bytes.TrimSpace(w.text)
	isText := true
	if len(w.value) > 0 && (len(text) < len(w.value) || w.open) {
		text, isText = w.value, bytes.IndexByte(w.value, '-') > 0
	}
	w.table.add(w.column, text, isText)
	w.column += w.repeat
	w.text = w.text[:0]
}

// row gives a row of a table. In a form labels stand beside their values, so
// rows without headings are given as one text too, unless they are a sheet.
func (w *bodyWalk) row() error {
	g := w.table
	if !w.open && !g.done && !g.heading(g.cells) || w.form(g) {
		var line []byte
		for _, c := range g.cells {
			line = append(append(line, g.room[c.from:c.to]...), '\t')
		}
		row := g.row
		g.cells, g.room = g.cells[:0], g.room[:0]
		if len(line) == 0 {
			return nil
		}
		return w.out.Part(classify.Part{Path: g.sheet, Record: row, Offset: -1, Text: line})
	}
	return g.flush()
}

// form says whether a row holds labels that end as labels do.
func (w *bodyWalk) form(g *grid) bool {
	for _, c := range g.cells {
		t := g.room[c.from:c.to]
		if len(t) < 48 && (bytes.HasSuffix(t, []byte(":")) || bytes.HasSuffix(t, []byte("："))) {
			return true
		}
	}
	return false
}

func (w *bodyWalk) leave() error {
	if w.nested > 0 {
		w.nested--
		return nil
	}
	if w.table == nil {
		return nil
	}
	err := w.table.flush()
	w.table = nil
	w.text = w.text[:0]
	return err
}

// paragraph gives the text gathered.
func (w *bodyWalk) paragraph() error {
	text := bytes.TrimSpace(w.text)
	w.text = w.text[:0]
	if len(text) == 0 {
		return nil
	}
	w.n++
	return w.out.Part(classify.Part{Path: w.where + "paragraph " + strconv.Itoa(w.n), Offset: -1, Text: text})
}
