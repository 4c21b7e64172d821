package classify

import (
	"maps"
	"math/bits"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/cordon-health/cordon/internal/keyed"
)

const (
	// groupMost is how many findings wait for the end of their record, so that
	// a sensitive condition beside them raises them all. What comes before more
	// than that goes out at the level known by then.
	groupMost = 4096
	// groupNames and groupBirths bound the pairs of one record.
	groupNames, groupBirths = 4, 2
)

// group is one record, or one document, while it is read.
type group struct {
	record int64
	waits  []*Finding
	// quiet are findings that are counted and not sent.
	quiet []quietly
	// held are kinds that may raise the level of the whole.
	held          []Kind
	names, births []string
}

// quietly is a finding that is only counted, once its level is known.
type quietly struct {
	kind  Kind
	level int
}

// hold remembers a kind that the record has.
func (g *group) hold(k Kind) {
	if !slices.Contains(g.held, k) {
		g.held = append(g.held, k)
	}
}

// remember keeps names and birth dates for the pair they make.
func (g *group) remember(k Kind, value []byte) {
	switch {
	case k == Name && len(g.names) < groupNames:
		g.names = append(g.names, string(value))
	case k == BirthDate && len(g.births) < groupBirths:
		g.births = append(g.births, string(value))
	}
}

// keep puts a finding with those of its record.
func (s *sink) keep(f *Finding, k Kind) error {
	g := &s.group
	g.hold(k)
	g.waits = append(g.waits, f)
	if len(g.waits) < groupMost {
		return nil
	}
	return s.release()
}

// quiet counts a finding that is not sent.
func (s *sink) quiet(k Kind) error {
	g := &s.group
	g.hold(k)
	g.quiet = append(g.quiet, quietly{k, s.in.level(k)})
	if len(g.quiet) < groupMost {
		return nil
	}
	return s.release()
}

// release sends what waits, raised where the record has a marker.
func (s *sink) release() error {
	g := &s.group
	var raised [6]int
	for level := range raised {
		raised[level] = s.in.levels.Raise(level, g.held...)
	}
	for _, f := range g.waits {
		f.Level = raised[f.Level]
		s.in.tally(f.kind, f.Level)
		if err := s.in.send(f); err != nil {
			return err
		}
	}
	for _, q := range g.quiet {
		s.in.tally(q.kind, raised[q.level])
	}
	clear(g.waits)
	g.waits, g.quiet = g.waits[:0], g.quiet[:0]
	return nil
}

// flush ends a record.
func (s *sink) flush() error {
	g := &s.group
	if len(g.names) > 0 && len(g.births) > 0 {
		s.pair()
	}
	err := s.release()
	*g = group{waits: g.waits[:0], quiet: g.quiet[:0], held: g.held[:0], names: g.names[:0], births: g.births[:0]}
	return err
}

// pair counts the person whom a name and a birth date of one record make, and
// asks the index for her.
func (s *sink) pair() {
	g, in := &s.group, s.in
	in.people.pair(g.names[0], g.births[0])
	if in.Patients == nil {
		return
	}
	for _, birth := range g.births {
		for _, name := range g.names {
			who, honey, ok := in.Patients.MatchPerson([]byte(name), []byte(birth))
			if !ok {
				continue
			}
			in.people.own(who, honey)
			s.mark(who, honey)
		}
	}
}

// mark says of the names and birth dates that wait that they are a patient's.
func (s *sink) mark(who uint32, honey bool) {
	for _, f := range s.group.waits {
		if f.kind == Name || f.kind == BirthDate {
			f.who, f.Patient, f.Honey = who, true, f.Honey || honey
		}
	}
}

// close ends a file: its last record and what its columns come to.
func (s *sink) close() error {
	if s.in.stopped != nil {
		return s.in.stopped
	}
	if err := s.flush(); err != nil {
		return err
	}
	if err := s.table.close(s); err != nil {
		return err
	}
	return s.release()
}

// people counts patients of the hospital's own exactly, and other people by
// what tells them apart.
type people struct {
	ours, honey numbers
	// kinds are distinct values of each kind that names one person; pairs are
	// distinct names with birth dates.
	kinds [kinds]*distinct
	pairs distinct
}

func (p *people) own(who uint32, honey bool) {
	if honey {
		p.honey.add(who)
		return
	}
	p.ours.add(who)
}

// see counts a value of a kind that tells people apart.
func (p *people) see(k Kind, value []byte) {
	switch k {
	case ResidentID, ResidentID15, ResidencePermit:
		k = ResidentID
	case SSN, MBI, NHS, MRN, SocialSecurity, HKID, HealthPlan:
	default:
		return
	}
	d := p.kinds[k]
	if d == nil {
		d = &distinct{}
		p.kinds[k] = d
	}
	if k == ResidentID && !plainID(value) {
		d.add(xxh3.HashString(keyed.Normal(keyed.NationalID, string(value))))
		return
	}
	d.add(xxh3.Hash(value))
}

// plainID says whether a value is 18 digits, the last maybe X, not all the
// same: that is its normal form.
func plainID(value []byte) bool {
	if len(value) != 18 || digitsIn(value) < 17 || !digit(value[17]) && value[17] != 'X' {
		return false
	}
	for _, c := range value {
		if c != value[0] {
			return true
		}
	}
	return false
}

func (p *people) pair(name, birth string) {
	p.pairs.add(xxh3.HashString(keyed.Normal(keyed.Name, name) + "\x00" + birth))
}

// persons is the largest of the counts: most people have a number of one kind
// and not of every kind.
func (p *people) persons() int {
	most := p.pairs.count()
	for _, d := range p.kinds {
		if d != nil {
			most = max(most, d.count())
		}
	}
	return most
}

// numbers is a set of numbers that lie close together, in bits.
type numbers struct {
	pages map[uint32]*[64]uint64
	n     int
}

func (s *numbers) add(n uint32) {
	if s.pages == nil {
		s.pages = map[uint32]*[64]uint64{}
	}
	page := s.pages[n>>12]
	if page == nil {
		page = new([64]uint64)
		s.pages[n>>12] = page
	}
	word, bit := &page[n>>6&63], uint64(1)<<(n&63)
	if *word&bit == 0 {
		*word |= bit
		s.n++
	}
}

func (s *numbers) count() int { return s.n }

// list is the set in order.
func (s *numbers) list() []uint32 {
	var all []uint32
	for _, high := range slices.Sorted(maps.Keys(s.pages)) {
		for w, word := range s.pages[high] {
			for ; word != 0; word &= word - 1 {
				all = append(all, high<<12|uint32(w<<6|bits.TrailingZeros64(word)))
			}
		}
	}
	return all
}
