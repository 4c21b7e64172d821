package classify

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/zeebo/xxh3"
)

const (
	// columnsMost is how many columns of one file are judged as a whole.
	columnsMost = 2048
	// profileCells is how many filled cells decide what a column is, and
	// profileFew how many do where the table ends before.
	profileCells, profileFew = 64, 8
	// profileShare is how many percent of them must be of one kind, and
	// profileKinds how many of them must differ: a column that says the same
	// three words everywhere is no column of names.
	profileShare, profileDiffer = 80, 5
	// profileBytes is the longest cell that may be a name or an address.
	profileBytes = 160
	// uniqueRows is how few rows say nothing about uniqueness.
	uniqueRows = 20
)

// table is what is known of the columns of one file.
type table struct {
	columns map[string]*column
	order   []*column
	next    int // the column after the one asked for last
}

// column is what is known of one.
type column struct {
	path, field string
	place       int
	// kind is what most of its cells are, where the format does not say.
	kind Kind
	// heading is what its field says.
	heading Kind
	decided bool
	sample  []sample
	sent    []sent
	// cells are those with content, coded those of them that look like codes,
	// known those in which something was found, counting those that are the
	// one before plus one.
	cells, coded, known, counting int64
	last                          int64
	seen                          distinct
}

// sample is a cell seen before its column was judged.
type sample struct {
	record, offset int64
	text           string
	kind           Kind // what it may be, in a column of such
	found          bool // it was found without
}

// of finds a part's column; nil beyond columnsMost.
func (t *table) of(p *Part) *column {
	if t.next >= len(t.order) {
		t.next = 0
	}
	if t.next < len(t.order) && t.order[t.next].path == p.Path {
		t.next++
		return t.order[t.next-1]
	}
	if c := t.columns[p.Path]; c != nil {
		t.next = c.place + 1
		return c
	}
	if len(t.order) >= columnsMost {
		return nil
	}
	if t.columns == nil {
		t.columns = map[string]*column{}
	}
	c := &column{path: p.Path, field: p.Field, place: len(t.order), decided: p.Kind != None, last: -1}
	t.next = c.place + 1
	t.columns[p.Path] = c
	t.order = append(t.order, c)
	return c
}

// cell searches one cell of a table.
func (s *sink) cell(p *Part) error {
	if len(bytes.TrimSpace(p.Text)) == 0 {
		return nil
	}
	in, col := s.in, s.table.of(p)
	if col == nil {
		for _, sp := range in.search(in.kindOf(p), p.Text, in.Mode) {
			if err := s.found(p, sp, nil); err != nil {
				return err
			}
		}
		return nil
	}
	col.count(p.Text)
	spans := in.search(s.cellKind(col, p), p.Text, in.Mode)
	if len(spans) > 0 {
		col.known++
	}
	if !col.decided {
		s.profile(col, p)
	}
	for _, sp := range spans {
		if err := s.foundIn(col, p, sp); err != nil {
			return err
		}
	}
	if !col.decided && len(col.sample) >= profileCells {
		return s.decide(col)
	}
	return nil
}

// cellKind is what a cell's format, its column or its heading say it is.
func (s *sink) cellKind(col *column, p *Part) Kind {
	switch {
	case p.Kind != None:
		return p.Kind
	case col.kind != None:
		return col.kind
	case p.Field != col.field || col.cells <= 1:
		col.field, col.heading = p.Field, s.in.kindOf(p)
	}
	return col.heading
}

// foundIn makes a finding of a span in a cell; beyond the cap of its column it
// is only counted.
func (s *sink) foundIn(col *column, p *Part, sp Span) error {
	sent := col.of(sp.Kind)
	if sent.n++; sent.n <= s.in.caps.Repeats {
		return s.found(p, sp, nil)
	}
	who, ours, honey := s.know(sp.Kind, p.Text[sp.Start:sp.End])
	if honey {
		return s.found(p, sp, nil)
	}
	sent.rest.take(sp, who, ours)
	return s.quiet(sp.Kind)
}

// sent is how much of a kind was found in a column, and what of it beyond the
// cap.
type sent struct {
	kind Kind
	n    int64
	rest rest
}

// of is what was sent of a kind, valid until the next call.
func (c *column) of(k Kind) *sent {
	for i := range c.sent {
		if c.sent[i].kind == k {
			return &c.sent[i]
		}
	}
	c.sent = append(c.sent, sent{kind: k})
	return &c.sent[len(c.sent)-1]
}

// rest is what a column has of a kind beyond its cap.
type rest struct {
	n          int64
	confidence int
	reason     Reason
	ours       numbers
}

func (r *rest) take(sp Span, who uint32, ours bool) {
	r.n++
	if c := int(sp.Confidence); c > r.confidence {
		r.confidence, r.reason = c, sp.Reason
	}
	if ours {
		r.ours.add(who)
	}
}

// count takes a cell into the column's statistics.
func (c *column) count(text []byte) {
	c.cells++
	if !looksCoded(text) {
		return
	}
	c.coded++
	c.seen.add(xxh3.Hash(text))
	n := wholeNumber(text)
	if n >= 0 && n == c.last+1 {
		c.counting++
	}
	c.last = n
}

// looksCoded says whether a cell may be a code: one word with digits, neither
// a measured value nor a time.
func looksCoded(text []byte) bool {
	if len(text) < 4 || len(text) > 64 {
		return false
	}
	digits, letters, dots, dashes := 0, 0, 0, 0
	for _, c := range text {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			letters++
		case c == '.' || c == ',':
			dots++
		case c == '-' || c == '/' || c == '_' || c == '#':
			dashes++
		default: // a space, a colon, anything beyond ASCII
			return false
		}
	}
	if digits < 2 || dots > 0 && letters == 0 {
		return false
	}
	return letters > 0 || dashes == 0 || digits > 8
}

// wholeNumber is the number a short text of digits is, otherwise -2.
func wholeNumber(text []byte) int64 {
	if len(text) > 18 {
		return -2
	}
	n := int64(0)
	for _, c := range text {
		if c < '0' || c > '9' {
			return -2
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// profile asks what a cell would be if words around it were not needed, and
// remembers it until the column is judged.
func (s *sink) profile(col *column, p *Part) {
	text := bytes.TrimSpace(p.Text)
	one := sample{record: p.Record, offset: p.Offset}
	if len(text) <= profileBytes {
		one.text = string(text)
		found := s.in.spans
		for _, sp := range found {
			one.found = one.found || sp.Kind == Name || sp.Kind == Address
		}
		for _, sp := range s.in.Engine.Value(nil, None, "", text, Redact) {
			if (sp.Kind == Name || sp.Kind == Address) && (sp.End-sp.Start)*4 >= len(text)*3 {
				one.kind = sp.Kind
			}
		}
	}
	col.sample = append(col.sample, one)
}

// decide judges a column by its first cells. Where it is one of names or
// addresses, the cells that were passed over are found now.
func (s *sink) decide(col *column) error {
	sampled := col.sample
	col.decided, col.sample = true, nil
	kind := mostly(sampled)
	if kind == None {
		return nil
	}
	col.kind = kind
	for _, one := range sampled {
		if one.found || one.text == "" || one.kind == None {
			continue
		}
		p := Part{Path: col.path, Field: col.field, Kind: kind, Record: one.record, Column: true, Offset: one.offset, Wide: true, Text: []byte(one.text)}
		sp := Span{End: len(one.text), Kind: kind, Confidence: 70, Reason: ByStructure}
		if err := s.foundIn(col, &p, sp); err != nil {
			return err
		}
	}
	return nil
}

// mostly is the kind of most cells, None where there is none.
func mostly(cells []sample) Kind {
	for _, k := range [...]Kind{Name, Address} {
		n, differ := 0, map[string]bool{}
		for _, c := range cells {
			if c.kind == k {
				n++
				differ[c.text] = true
			}
		}
		if n*100 >= len(cells)*profileShare && len(differ) >= profileDiffer {
			return k
		}
	}
	return None
}

// close judges the columns whose table ended early, and finds those of unique
// codes.
func (t *table) close(s *sink) error {
	for _, col := range t.order {
		if !col.decided && len(col.sample) >= profileFew {
			if err := s.decide(col); err != nil {
				return err
			}
		}
		if err := s.tellRests(col); err != nil {
			return err
		}
		if !col.unique() {
			continue
		}
		f := s.whole(col, Unique)
		f.Confidence, f.Reason = 60, ByStructure.String()
		s.in.tally(Unique, f.Level)
		if err := s.in.send(f); err != nil {
			return err
		}
	}
	return nil
}

// whole is a finding about all of a column.
func (s *sink) whole(col *column, k Kind) *Finding {
	return &Finding{Member: s.member, Part: col.path, Field: col.field, Offset: -1, Decoded: true,
		Kind: s.in.about(k).name, Level: s.in.level(k), kind: k}
}

// tellRests sends one finding for all of a kind beyond the cap of a column.
// They are counted already.
func (s *sink) tellRests(col *column) error {
	slices.SortFunc(col.sent, func(a, b sent) int { return cmp.Compare(a.kind, b.kind) })
	for i := range col.sent {
		r := &col.sent[i].rest
		if r.n == 0 {
			continue
		}
		f := s.whole(col, col.sent[i].kind)
		f.Count, f.Confidence, f.Reason = r.n, r.confidence, r.reason.String()
		f.crowd = r.ours.list()
		f.Patient = len(f.crowd) > 0
		if f.Patient {
			f.who = f.crowd[0]
		}
		if err := s.in.send(f); err != nil {
			return err
		}
	}
	return nil
}

// unique says whether the values of a column hardly repeat, and are neither
// found otherwise nor the numbers of the rows.
func (c *column) unique() bool {
	return c.cells >= uniqueRows && c.coded*100 >= c.cells*95 && c.known*2 < c.cells &&
		c.counting*100 < c.cells*95 && int64(c.seen.count())*100 > c.cells*95
}
