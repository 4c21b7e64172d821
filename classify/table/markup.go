package table

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/markup"
)

// depthMost is how deeply elements are followed by name.
const depthMost = 256

// xmlReader reads any XML: each text and attribute with its element's name.
type xmlReader struct{}

var _ classify.Reader = xmlReader{}

// Name is xml.
func (xmlReader) Name() string { return "xml" }

// Claims goes by the first characters.
func (xmlReader) Claims(name string, head []byte) bool {
	text := begins(head)
	if bytes.HasPrefix(text, []byte("<?xml")) {
		return true
	}
	return ends(name, ".xml", ".svg", ".xsl") && len(text) > 1 && text[0] == '<'
}

// Read gives texts and attributes. Elements of one name that follow one another
// under the outermost are records.
func (xmlReader) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	r, base, exact, err := classify.Text(src)
	if err != nil {
		return err
	}
	x := &xmlWalk{s: markup.New(r), out: out, base: base, exact: exact, names: map[string]string{}}
	for n := 0; ; n++ {
		if n%256 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		k := x.s.Next()
		if k == markup.None {
			return x.end()
		}
		if err := x.token(k); err != nil {
			return err
		}
	}
}

type xmlWalk struct {
	s      *markup.Scanner
	out    classify.Sink
	base   int64
	exact  bool
	path   []byte
	marks  []int // lengths of path before each open element
	fields []string
	deep   int
	said   bool
	record int64
	names  map[string]string
}

func (x *xmlWalk) end() error {
	switch err := x.s.Err(); {
	case errors.Is(err, markup.ErrTag):
		return classify.TooLarge
	case err != nil:
		return err
	case len(x.marks)+x.deep > 0:
		return classify.Truncated
	}
	return nil
}

func (x *xmlWalk) token(k markup.Kind) error {
	switch k {
	case markup.Start:
		x.start()
		return x.attributes()
	case markup.End:
		x.close()
		return nil
	}
	text := bytes.TrimSpace(x.s.Text())
	if len(text) == 0 || plainNumber(text) {
		return nil
	}
	p := x.part(text)
	if x.exact {
		p.Offset, p.Wide = x.base+x.s.Offset()+int64(bytes.Index(x.s.Text(), text[:1])), !x.s.Plain()
	}
	return x.out.Part(p)
}

func (x *xmlWalk) part(text []byte) classify.Part {
	p := classify.Part{Path: x.name(x.path), Record: x.record, Offset: -1, Text: text}
	if n := len(x.fields); n > 0 {
		p.Field = x.fields[n-1]
	}
	return p
}

func (x *xmlWalk) start() {
	if len(x.marks) >= depthMost {
		if x.deep++; !x.said {
			x.said = true
			x.out.Unread(string(x.path[:min(len(x.path), 256)]), classify.TooDeep)
		}
		return
	}
	if len(x.marks) == 1 {
		x.record++
	}
	name := x.name(x.s.Name())
	x.marks = append(x.marks, len(x.path))
	x.fields = append(x.fields, name)
	if len(x.path) > 0 {
		x.path = append(x.path, '/')
	}
	x.path = append(x.path, name...)
}

func (x *xmlWalk) close() {
	if x.deep > 0 {
		x.deep--
		return
	}
	if n := len(x.marks); n > 0 {
		x.path, x.marks, x.fields = x.path[:x.marks[n-1]], x.marks[:n-1], x.fields[:n-1]
	}
}

func (x *xmlWalk) attributes() error {
	var failed error
	x.s.EachAttr(func(name, value []byte) {
		if failed != nil || len(value) == 0 || plainNumber(value) || bytes.HasPrefix(name, []byte("xmlns")) {
			return
		}
		p := x.part(value)
		p.Path += "/@" + string(name)
		if f := string(name); f != "value" {
			p.Field = f
		}
		failed = x.out.Part(p)
	})
	return failed
}

func (x *xmlWalk) name(b []byte) string {
	if s, ok := x.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(x.names) < pathsMost {
		x.names[s] = s
	}
	return s
}

// htmlReader reads the text of pages, tables cell by cell.
type htmlReader struct{}

var _ classify.Reader = htmlReader{}

// Name is html.
func (htmlReader) Name() string { return "html" }

// Claims goes by the first characters, or the name.
func (htmlReader) Claims(name string, head []byte) bool {
	text := bytes.ToLower(begins(head))
	if bytes.HasPrefix(text, []byte("<!doctype html")) || bytes.HasPrefix(text, []byte("<html")) {
		return true
	}
	return ends(name, ".html", ".htm", ".xhtml", ".shtml") && bytes.IndexByte(text, '<') >= 0
}

// Read gives each block of text, each cell with its column's heading, and the
// addresses that links lead to.
func (htmlReader) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	r, _, _, err := classify.Text(src)
	if err != nil {
		return err
	}
	h := &htmlWalk{s: markup.New(r), out: out}
	for n := 0; ; n++ {
		if n%256 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		k := h.s.Next()
		if k == markup.None {
			if err := h.flush(); err != nil {
				return err
			}
			if errors.Is(h.s.Err(), markup.ErrTag) {
				return classify.TooLarge
			}
			return h.s.Err()
		}
		if err := h.token(k); err != nil {
			return err
		}
	}
}

type htmlWalk struct {
	s     *markup.Scanner
	out   classify.Sink
	text  []byte
	table int
	row   int64
	col   int
	cell  string // "td" or "th" while in one
	heads []string
	rows  int64
}

func (h *htmlWalk) token(k markup.Kind) error {
	if k == markup.Text {
		h.text = append(h.text, h.s.Text()...)
		if len(h.text) > valueMost {
			return h.flush()
		}
		return nil
	}
	name := strings.ToLower(string(h.s.Name()))
	if inline(name) {
		return h.link(k)
	}
	if err := h.flush(); err != nil {
		return err
	}
	h.place(k, name)
	return nil
}

// inline says whether a tag stands within a text.
func inline(name string) bool {
	switch name {
	case "a", "b", "i", "u", "em", "strong", "span", "font", "small", "big", "sub", "sup", "code", "mark", "s", "o":
		return true
	}
	return false
}

// link gives what an inline tag leads to.
func (h *htmlWalk) link(k markup.Kind) error {
	if k != markup.Start {
		return nil
	}
	to := h.s.Attr("href")
	if len(to) == 0 {
		return nil
	}
	return h.out.Part(classify.Part{Path: "a/@href", Record: h.row, Offset: -1, Text: bytes.TrimPrefix(to, []byte("mailto:"))})
}

// place follows tables.
func (h *htmlWalk) place(k markup.Kind, name string) {
	start := k == markup.Start
	switch name {
	case "script", "style":
		if start {
			h.s.Raw()
		}
	case "table":
		h.heads, h.row = nil, 0
		if start {
			h.table++
		}
	case "tr":
		h.col, h.row = 0, 0
		if start {
			h.rows++
			h.row = h.rows
		}
	case "td", "th":
		h.cell = ""
		if start {
			h.cell = name
			h.col++
		}
	}
}

// flush gives the text gathered so far.
func (h *htmlWalk) flush() error {
	text := bytes.TrimSpace(h.text)
	h.text = h.text[:0]
	if len(text) == 0 {
		return nil
	}
	p := classify.Part{Record: h.row, Offset: -1, Text: text}
	if h.cell != "" && h.row > 0 && h.col <= fieldsMost {
		p.Path = "table " + strconv.Itoa(h.table) + " column " + strconv.Itoa(h.col)
		if h.cell == "th" || h.heads == nil && h.col == 1 && len(text) < 64 {
			for len(h.heads) < h.col {
				h.heads = append(h.heads, "")
			}
			h.heads[h.col-1] = string(text[:min(len(text), 96)])
		}
		if h.cell == "td" {
			p.Column = true
			if h.col <= len(h.heads) {
				p.Field = h.heads[h.col-1]
			}
		}
	}
	return h.out.Part(p)
}
