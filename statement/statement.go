// Package statement reads SQL for what it asks for: which tables and columns,
// of which kind of data, about one patient or about all, counted by whom.
//
// What it gives: [Reader.Read], which takes the text of one statement (or
// script) in one of four dialects and says in a [Reading] what it reads,
// what it makes (tables, views, procedures) and what it calls; a fingerprint
// that is the same for the same statement with other values; and [Mask], which
// takes the values that may name a person out of a text and leaves its meaning.
// What tables and columns mean is data: a [Catalog], read from content/tables
// and from the hospital's own files.
//
// How it works. A tokenizer per [Dialect] knows the quotes, comments and
// literals of Oracle, SQL Server, MySQL and PostgreSQL; comments that the
// database executes are read, the others are not. A tolerant parser cuts
// statements, blocks and clauses by their keywords and parentheses and follows
// columns through aliases, subqueries, common table expressions and set
// operations down to the tables. SQL inside of strings is put together
// (concatenation, char codes, hexadecimal, variables) and read as well. What an
// earlier statement made is known by name through [Known].
//
// What it guarantees: no input makes it panic or run for long (length, depth
// and number of tokens are bounded); the same text with the same catalog and
// the same known objects gives the same reading. A table that no catalog knows
// has no class: it is listed, not guessed at.
//
// What it does not do: it does not validate SQL, and it reads what it cannot
// follow (a name computed at run time) as nothing. It owns no tables and judges
// nobody: that is for detect/behavior.
package statement

import (
	"slices"
	"strings"

	"github.com/zeebo/xxh3"
)

const (
	// maxText is how much of a statement is read, in bytes.
	maxText = 256 << 10
	// maxDepth bounds nested blocks and nested dynamic SQL.
	maxDepth = 40
	maxInner = 3
	// maxCached is how many readings a Reader keeps.
	maxCached = 20_000
)

// Reading is what a statement does, as far as it could be followed.
type Reading struct {
	// Fingerprint is the same for statements that differ in values, letter
	// case, comments and spaces only.
	Fingerprint uint64
	// Verb is the first word: select, insert, create, exec, ...
	Verb string
	// Queries are the results that are handed out or stored, one for each
	// statement of a script and branch of a union.
	Queries []Facts
	// Tables are the tables that are read, in the order they are named.
	Tables []Use
	// Unmapped are names of tables no catalog knows.
	Unmapped []string
	// Makes are the objects created or filled from what was read.
	Makes []Object
	// Calls are the procedures called.
	Calls []string
	// Sets are the texts given to variables that live on in the session
	// (MySQL's @name), in the order of their names.
	Sets []Variable
	// Hidden says that SQL was found inside of strings.
	Hidden bool
	// Known says that an object made earlier was read.
	Known bool

	drugs, pages []int32 // tokens with literals
}

// Variable is a text kept in a session.
type Variable struct {
	Name string `json:"n"`
	Text string `json:"t"`
}

// Use is a table that is read.
type Use struct {
	// Name is lower case, without schema; Schema is what stood before it.
	Name, Schema string
	Kind         Kind
	Level        int
	// Made says that it is an object made from tables by an earlier statement.
	Made bool
}

// Facts are what one query hands out.
type Facts struct {
	Kinds Kinds `json:"k,omitempty"`
	// Shown are the classes of the columns of the result, Dims those it is
	// counted by, Filter those compared with values, Refs all that are named.
	Shown  Set `json:"s,omitempty"`
	Dims   Set `json:"d,omitempty"`
	Filter Set `json:"f,omitempty"`
	Refs   Set `json:"r,omitempty"`
	// Bound: it is about one patient, visit or prescription, or a few.
	Bound bool `json:"b,omitempty"`
	// Counted: it groups, counts, sums or ranks.
	Counted bool `json:"c,omitempty"`
	// Narrow: something beside joins limits the rows.
	Narrow bool `json:"n,omitempty"`
	// Number: it shows how many rows there are and nothing of them.
	Number bool `json:"o,omitempty"`
}

// Object is something that was made from tables: a table, temporary table,
// view or procedure.
type Object struct {
	Name string `json:"n"`
	// Columns in their order; a procedure has none.
	Columns []Column `json:"c,omitempty"`
	// Queries are what reading (or calling) it amounts to.
	Queries []Facts `json:"q,omitempty"`
	// From are the tables it was made from.
	From []string `json:"f,omitempty"`
	// Level is the highest of them.
	Level int `json:"l,omitempty"`
	// Same is the object's other name, where it is only another name.
	Same string `json:"s,omitempty"`
	// Routine: it is called, not selected from.
	Routine bool `json:"p,omitempty"`
}

// Column is a column of an object and what it shows.
type Column struct {
	Name string `json:"n"`
	Is   Set    `json:"c,omitempty"`
}

// Known finds objects made by earlier statements, by lower-case name.
type Known func(name string) (*Object, bool)

// Reader reads statements and remembers its latest readings. Not for
// concurrent use.
type Reader struct {
	catalog *Catalog
	known   Known
	// Session finds the texts that earlier statements of the same session
	// gave to variables; nil where sessions are not told apart.
	Session func(name string) (string, bool)
	cache   map[uint64]*Reading
	scan    scanner
	print   []byte
	exact   []byte
	// what the catalog answered
	tables  map[string]*Table
	columns map[columnKey]Class
	kinds   []*Table
}

// NewReader makes a reader; known may be nil.
func NewReader(c *Catalog, known Known) *Reader {
	if c == nil {
		c = &Catalog{}
	}
	if known == nil {
		known = func(string) (*Object, bool) { return nil, false }
	}
	return &Reader{catalog: c, known: known, cache: map[uint64]*Reading{}}
}

// Values are the literals of one statement, of which its fingerprint knows
// nothing.
type Values struct {
	// All is a hash of all of them; Drugs are hashes of those that drugs are
	// compared with.
	All   uint64
	Drugs []uint64
	// Asked says that values stand elsewhere: bound, not written.
	Asked bool
	// Since is the earliest day among them, as 20260301; 0 without any.
	Since int64
	// From is the largest number in a limit, offset or row number: how far
	// into the result a page reaches; 0 without paging.
	From int64
	// Page is the smallest of these numbers: how many rows a page has.
	Page int64
}

// Read reads one statement or script.
func (r *Reader) Read(text string, d Dialect) (*Reading, Values) {
	text = Fold(text)
	r.scan.reset(text, d)
	toks := r.scan.all()
	print, exact := r.prints(toks)
	if got, ok := r.cache[exact]; ok {
		return got, valuesOf(got, toks)
	}
	p := &parser{reader: r, dialect: r.scan.d, toks: toks, reading: &Reading{Fingerprint: print}}
	p.run()
	got := p.reading
	if !p.dynamic && !got.Known && !p.strange && len(got.Makes) == 0 && len(got.Calls) == 0 && len(got.Sets) == 0 {
		r.keep(exact, got)
	}
	return got, valuesOf(got, toks)
}

// Table is the reading of a record that names a table and no statement: that it
// was read, and nothing of how.
func (r *Reader) Table(schema, name string) *Reading {
	got := &Reading{Verb: "select"}
	p := &parser{reader: r, reading: got}
	o := &origin{}
	o.table(p, strings.ToLower(name), strings.ToLower(schema), false)
	if k := o.kinds(); k != 0 {
		got.Queries = []Facts{{Kinds: k}}
	}
	return got
}

// keep remembers a reading. A full memory starts anew: what is usual is back
// at once.
func (r *Reader) keep(exact uint64, got *Reading) {
	if len(r.cache) >= maxCached {
		clear(r.cache)
	}
	r.cache[exact] = got
}

// Forget drops what was read of tables that no catalog knew: one of them may
// have become known.
func (r *Reader) Forget() {
	for k, got := range r.cache {
		if len(got.Unmapped) > 0 {
			delete(r.cache, k)
		}
	}
}

func valuesOf(got *Reading, toks []token) Values {
	var v Values
	h := uint64(14695981039346656037)
	for i := range toks {
		t := &toks[i]
		v.Asked = v.Asked || t.kind == paramTok && t.text[0] != '@'
		if t.kind == stringTok || t.kind == numberTok {
			h = (h ^ xxh3.HashString(t.text)) * 1099511628211
			if d := dayIn(t.text); d != 0 && (v.Since == 0 || d < v.Since) {
				v.Since = d
			}
		}
	}
	v.All = h
	for _, i := range got.drugs {
		if int(i) < len(toks) {
			v.Drugs = append(v.Drugs, xxh3.HashString(toks[i].text))
		}
	}
	for _, i := range got.pages {
		if int(i) < len(toks) {
			n := number(toks[i].text)
			if v.From = max(v.From, n); n > 0 && (v.Page == 0 || n < v.Page) {
				v.Page = n
			}
		}
	}
	return v
}

// dayIn is the day a text begins with: 2026-03-01, 2026/03/01, 2026-03 or
// 20260301, as 20260301; 0 for what is no day of this century.
func dayIn(s string) int64 {
	var n int64
	digits := 0
	for i := 0; i < len(s) && i < 10; i++ {
		switch c := s[i]; {
		case isDigit(c):
			n, digits = n*10+int64(c-'0'), digits+1
		case (c == '-' || c == '/') && (digits == 4 || digits == 6):
		default:
			i = len(s)
		}
	}
	if digits == 6 && len(s) == 7 { // a month
		n, digits = n*100+1, 8
	}
	if digits < 8 || n < 20000101 || n > 20991231 || n/100%100 < 1 || n/100%100 > 12 || n%100 < 1 || n%100 > 31 {
		return 0
	}
	return n
}

// mostSets bound what is kept of one statement's variables.
const (
	mostSets    = 8
	mostSetText = 4096
)

// sets notes the session's variables that a text has given values to.
func (p *parser) sets() {
	for name := range p.vars {
		if len(name) > 1 && name[0] == '@' && name[1] != '@' && p.dialect != SQLServer && len(p.vars[name]) <= mostSetText {
			p.reading.Sets = append(p.reading.Sets, Variable{name, p.vars[name]})
		}
	}
	slices.SortFunc(p.reading.Sets, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) })
	p.reading.Sets = p.reading.Sets[:min(len(p.reading.Sets), mostSets)]
}

// number reads a whole number, 0 for what is none.
func number(s string) int64 {
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || n > 1e15 {
			return 0
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n
}

// add joins tables, once each.
func (g *Reading) add(u Use) {
	if !slices.Contains(g.Tables, u) && len(g.Tables) < 200 {
		g.Tables = append(g.Tables, u)
	}
}

func addName(list []string, name string) []string {
	if slices.Contains(list, name) || len(list) >= 200 {
		return list
	}
	return append(list, name)
}
