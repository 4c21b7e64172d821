package classify

import (
	"bytes"
	"maps"
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
}

// column is what is known of one.
type column struct {
	path, field string
	// kind is what most of its cells are, where the format does not say.
	kind    Kind
	decided bool
	sample  []sample
	nothing known
	sent    map[Kind]int64
	rests   map[Kind]*rest
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

// known remembers some short values of a column in which there was nothing:
// most columns say the same few words again and again.
type known struct {
	values map[string]struct{}
}

const (
	knownMost  = 256
	knownBytes = 48
)

func (k *known) has(text []byte) bool {
	_, ok := k.values[string(text)]
	return ok
}

func (k *known) put(text []byte) {
	if len(text) > knownBytes || len(k.values) >= knownMost {
		return
	}
	if k.values == nil {
		k.values = map[string]struct{}{}
	}
	k.values[string(text)] = struct{}{}
}

// of finds a part's column; nil beyond columnsMost.
func (t *table) of(p *Part) *column {
	if c := t.columns[p.Path]; c != nil {
		return c
	}
	if len(t.order) >= columnsMost {
		return nil
	}
	if t.columns == nil {
		t.columns = map[string]*column{}
	}
	c := &column{path: p.Path, field: p.Field, decided: p.Kind != None, sent: map[Kind]int64{}, rests: map[Kind]*rest{}, last: -1}
	t.columns[p.Path] = c
	t.order = append(t.order, c)
	return c
}

// cell searches one cell of a table.
func (s *sink) cell(p *Part) error {
	if len(bytes.TrimSpace(p.Text)) == 0 {
		return nil
	}
	col := s.table.of(p)
	if col != nil {
		col.count(p.Text)
		if p.Kind == None {
			p.Kind = col.kind
		}
	}
	in := s.in
	if col != nil && col.decided && col.nothing.has(p.Text) {
		return nil
	}
	in.spans = in.search(in.spans[:0], p, in.Mode)
	if col != nil && !col.decided {
		s.profile(col, p)
	} else if col != nil && len(in.spans) == 0 {
		col.nothing.put(p.Text)
	}
	if len(in.spans) > 0 && col != nil {
		col.known++
	}
	for _, sp := range in.spans {
		if err := s.foundIn(col, p, sp); err != nil {
			return err
		}
	}
	if col != nil && !col.decided && len(col.sample) >= profileCells {
		return s.decide(col)
	}
	return nil
}

// foundIn makes a finding of a span in a cell; beyond the cap of its column it
// is only counted.
func (s *sink) foundIn(col *column, p *Part, sp Span) error {
	if col == nil {
		return s.found(p, sp, nil)
	}
	if col.sent[sp.Kind]++; col.sent[sp.Kind] <= s.in.caps.Repeats {
		return s.found(p, sp, nil)
	}
	var f Finding
	s.know(&f, sp, p.Text[sp.Start:sp.End])
	if f.Honey {
		return s.found(p, sp, nil)
	}
	col.more(sp.Kind).take(&f, sp)
	return s.quiet(sp.Kind)
}

// rest is what a column has of a kind beyond its cap.
type rest struct {
	n          int64
	confidence int
	reason     Reason
	ours       numbers
}

func (r *rest) take(f *Finding, sp Span) {
	r.n++
	if c := int(sp.Confidence); c > r.confidence {
		r.confidence, r.reason = c, sp.Reason
	}
	if f.Patient {
		r.ours.add(f.who)
	}
}

func (c *column) more(k Kind) *rest {
	r := c.rests[k]
	if r == nil {
		r = &rest{}
		c.rests[k] = r
	}
	return r
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
		s.in.tally(f.Kind, f.Level)
		if err := s.in.send(f); err != nil {
			return err
		}
	}
	return nil
}

// whole is a finding about all of a column.
func (s *sink) whole(col *column, k Kind) *Finding {
	return &Finding{Member: s.member, Part: col.path, Field: col.field, Offset: -1, Decoded: true,
		Kind: s.in.Engine.KindName(k), Level: s.in.level(k)}
}

// tellRests sends one finding for all of a kind beyond the cap of a column.
// They are counted already.
func (s *sink) tellRests(col *column) error {
	for _, k := range slices.Sorted(maps.Keys(col.rests)) {
		r := col.rests[k]
		f := s.whole(col, k)
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
