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

// sharedMost is how much of a workbook's shared strings is kept, in bytes, and
// sharedCount how many of them; what comes beyond is read without its place.
const sharedMost, sharedCount = 192 << 20, 16 << 20

// book is what a workbook keeps for all its sheets.
type book struct {
	text     []byte // of all shared strings
	ends     []uint32
	dates    []bool // by style
	from1904 bool
}

func (b *book) shared(i int) []byte {
	if i < 0 || i >= len(b.ends) {
		return nil
	}
	from := uint32(0)
	if i > 0 {
		from = b.ends[i-1]
	}
	return b.text[from:b.ends[i]]
}

// workbook gives the sheets of an XLSX file in their order.
func (d *document) workbook() error {
	b := &book{}
	targets := d.relations("xl/_rels/workbook.xml.rels", "xl/")
	sheets := d.sheets(b)
	b.dates = d.styles()
	if err := d.sharedStrings(b); err != nil {
		return err
	}
	for _, s := range sheets {
		f := d.files[targets[s.id]]
		if f == nil {
			d.out.Unread(s.name, classify.Damaged)
			continue
		}
		if err := d.sheet(f, s.name, b); err != nil {
			return err
		}
	}
	return nil
}

// each walks over a part's tags.
func (d *document) each(name string, fn func(s *markup.Scanner, k markup.Kind)) {
	f := d.files[name]
	if f == nil {
		return
	}
	r := d.open(f)
	if r == nil {
		return
	}
	defer r.Close()
	s := markup.New(r)
	for k := s.Next(); k != markup.None && d.ctx.Err() == nil; k = s.Next() {
		fn(s, k)
	}
	d.end(f, s.Err())
}

// relations reads which id stands for which part.
func (d *document) relations(name, folder string) map[string]string {
	targets := map[string]string{}
	d.each(name, func(s *markup.Scanner, k markup.Kind) {
		if k != markup.Start || string(s.Name()) != "Relationship" || len(targets) > columnsMost {
			return
		}
		id := string(s.Attr("Id"))
		to := string(s.Attr("Target"))
		if strings.HasPrefix(to, "/") {
			targets[id] = strings.TrimPrefix(to, "/")
			return
		}
		targets[id] = path.Join(folder, to)
	})
	return targets
}

// sheetEntry is a sheet as the workbook lists it.
type sheetEntry struct{ name, id string }

func (d *document) sheets(b *book) []sheetEntry {
	var all []sheetEntry
	d.each("xl/workbook.xml", func(s *markup.Scanner, k markup.Kind) {
		if k != markup.Start || len(all) >= columnsMost {
			return
		}
		switch string(s.Name()) {
		case "sheet":
			all = append(all, sheetEntry{string(s.Attr("name")), string(s.Attr("id"))})
		case "workbookPr":
			v := string(s.Attr("date1904"))
			b.from1904 = v == "1" || v == "true"
		}
	})
	return all
}

// styles reads which styles show dates.
func (d *document) styles() []bool {
	codes := map[int]string{}
	var dates []bool
	inCells := false
	d.each("xl/styles.xml", func(s *markup.Scanner, k markup.Kind) {
		switch name := string(s.Name()); {
		case name == "cellXfs":
			inCells = k == markup.Start
		case k != markup.Start:
		case name == "numFmt" && len(codes) < columnsMost:
			if id, err := strconv.Atoi(string(s.Attr("numFmtId"))); err == nil {
				codes[id] = string(s.Attr("formatCode"))
			}
		case name == "xf" && inCells && len(dates) < 1<<17:
			id, err := strconv.Atoi(string(s.Attr("numFmtId")))
			dates = append(dates, err == nil && dateFormat(id, codes[id]))
		}
	})
	return dates
}

// sharedStrings keeps the strings that cells point at.
func (d *document) sharedStrings(b *book) error {
	var failed error
	depth, keep, full := 0, false, false
	var text []byte
	d.each("xl/sharedStrings.xml", func(s *markup.Scanner, k markup.Kind) {
		switch k {
		case markup.Text:
			if keep && depth == 0 {
				text = append(text, s.Text()...)
			}
			return
		case markup.Start:
			switch string(s.Name()) {
			case "si":
				text = text[:0]
			case "t":
				keep = true
			case "rPh": // how it is read aloud
				depth++
			}
			return
		}
		switch string(s.Name()) {
		case "t":
			keep = false
		case "rPh":
			depth--
		case "si":
			if full || len(b.text)+len(text) > sharedMost || len(b.ends) >= sharedCount {
				full = true
				if failed == nil {
					failed = d.out.Part(classify.Part{Path: "sharedStrings", Offset: -1, Text: text})
				}
				return
			}
			b.text = append(b.text, text...)
			b.ends = append(b.ends, uint32(len(b.text)))
		}
	})
	return failed
}

// sheet gives the cells of one sheet.
func (d *document) sheet(f *zip.File, name string, b *book) error {
	r := d.open(f)
	if r == nil {
		return nil
	}
	defer r.Close()
	w := &sheetWalk{book: b, s: markup.New(r), g: grid{out: d.out, sheet: name}}
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
	return w.g.flush()
}

// sheetWalk follows the tags of a sheet.
type sheetWalk struct {
	book   *book
	s      *markup.Scanner
	g      grid
	column int
	kind   byte // of the cell: s shared, n number, d date, t text, f formula's text
	inside bool // v or t
	value  []byte
	room   []byte
}

func (w *sheetWalk) token(k markup.Kind) error {
	switch k {
	case markup.Text:
		if w.inside {
			w.value = append(w.value, w.s.Text()...)
		}
		return nil
	case markup.Start:
		return w.start()
	}
	switch name := w.s.Name(); {
	case len(name) == 1 && (name[0] == 'v' || name[0] == 't'):
		w.inside = false
	case len(name) == 1 && name[0] == 'c':
		w.cell()
	case string(name) == "row":
		return w.g.flush()
	}
	return nil
}

func (w *sheetWalk) start() error {
	name := w.s.Name()
	switch {
	case len(name) == 1 && name[0] == 'c':
		w.begin()
	case len(name) == 1 && (name[0] == 'v' || name[0] == 't'):
		w.inside = true
	case string(name) == "row":
		w.column = -1
		if n, err := strconv.ParseInt(string(w.s.Attr("r")), 10, 64); err == nil && n > 0 {
			w.g.row = n
		} else {
			w.g.row++
		}
	case string(name) == "hyperlink", string(name) == "oddHeader", string(name) == "oddFooter":
		if to := w.s.Attr("tooltip"); len(to) > 0 {
			return w.g.out.Part(classify.Part{Path: w.g.sheet, Offset: -1, Text: to})
		}
	}
	return nil
}

// begin reads where a cell stands and what it holds.
func (w *sheetWalk) begin() {
	w.value = w.value[:0]
	ref, kind, style := cellAttributes(w.s)
	if c := columnOf(ref); c >= 0 {
		w.column = c
	} else {
		w.column++
	}
	w.kind = 'n'
	switch string(kind) {
	case "s":
		w.kind = 's'
	case "inlineStr", "str":
		w.kind = 't'
	case "b", "e":
		w.kind = 0
	case "d":
		w.kind = 't'
	case "", "n":
		if n, err := strconv.Atoi(string(style)); err == nil && n >= 0 && n < len(w.book.dates) && w.book.dates[n] {
			w.kind = 'd'
		}
	}
}

// cellAttributes reads the three that matter in one pass.
func cellAttributes(s *markup.Scanner) (ref, kind, style []byte) {
	s.EachAttr(func(name, value []byte) {
		if len(name) != 1 {
			return
		}
		switch name[0] {
		case 'r':
			ref = value
		case 't':
			kind = value
		case 's':
			style = value
		}
	})
	return ref, kind, style
}

// cell gives the cell that was read to the row.
func (w *sheetWalk) cell() {
	if len(w.value) == 0 {
		return
	}
	switch w.kind {
	case 's':
		if i, ok := index(bytes.TrimSpace(w.value)); ok {
			w.g.add(w.column, w.book.shared(i), true)
		}
	case 't':
		w.g.add(w.column, w.value, true)
	case 'd':
		w.room = day(w.room[:0], w.value, w.book.from1904)
		w.g.add(w.column, w.room, true)
	case 'n':
		w.room = whole(w.room[:0], w.value)
		w.g.add(w.column, w.room, false)
	}
	w.value = w.value[:0]
}

func index(b []byte) (int, bool) {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' || n > sharedCount {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, len(b) > 0
}
