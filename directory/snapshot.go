package directory

import (
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// snapshot is one state of the directory. Once published it never changes; a
// writer clones it and replaces the entries it touches.
type snapshot struct {
	version uint64
	ids     []string // of people, ordered
	people  map[string]*entry
	byName  map[string]string // account in normal form -> person
	byKey   map[ocsf.Key][]string
	shifts  map[string]shifts
}

// entry is a person with what only the directory itself needs.
type entry struct {
	Person
	// left is the end of work as a staff list says; Person.Ended also counts
	// disabled accounts.
	left     int64
	accounts []account
	posts    []post // by since, never empty
}

type account struct {
	name     string
	source   string
	disabled int64 // ms since when, 0 enabled
}

type post struct {
	since            int64
	department, role string
}

func (e *entry) postAt(at int64) post {
	found := e.posts[0]
	for _, p := range e.posts[1:] {
		if p.since > at {
			break
		}
		found = p
	}
	return found
}

// settle derives Accounts, Ended, Department and Role from the parts.
func (e *entry) settle() {
	e.Accounts = make([]string, len(e.accounts))
	disabled := int64(0)
	enabled := len(e.accounts) == 0
	for i, a := range e.accounts {
		e.Accounts[i] = a.name
		disabled = max(disabled, a.disabled)
		enabled = enabled || a.disabled == 0
	}
	e.Ended = e.left
	if !enabled && (e.left == 0 || disabled < e.left) {
		e.Ended = disabled
	}
	now := e.posts[len(e.posts)-1]
	e.Department, e.Role = now.department, now.role
}

func (e *entry) clone() *entry {
	c := *e
	c.accounts = slices.Clone(e.accounts)
	c.posts = slices.Clone(e.posts)
	return &c
}

// shifts of one person, ordered by from; longest bounds how far back a shift
// that still runs may have begun.
type shifts []shift

type shift struct {
	from, until int64
	department  string
	oncall      bool
}

func (s shift) public(person string) Shift {
	kind := KindShift
	if s.oncall {
		kind = KindOnCall
	}
	return Shift{Person: person, Department: s.department, From: s.from, Until: s.until, Kind: kind}
}

// maxShift is the longest time on duty a roster may state, in ms: a whole
// fortnight on call. It lets a search stop early.
const maxShift = roundAbout

// first is the index of the first shift that may still run at a time.
func (s shifts) first(at int64) int {
	return sort.Search(len(s), func(i int) bool { return s[i].from >= at-maxShift })
}

func compareShifts(a, b shift) int {
	switch {
	case a.from != b.from:
		if a.from < b.from {
			return -1
		}
		return 1
	case a.oncall != b.oncall:
		if b.oncall {
			return -1
		}
		return 1
	}
	return 0
}

// add puts a shift in its place. It replaces one of the same kind with the
// same beginning, and reports whether anything changed.
//
// A published list is never written to: readers of an older snapshot see no
// further than its length, so only a shift at the end may share its memory.
func (s shifts) add(n shift) (shifts, bool) {
	if len(s) == 0 || compareShifts(s[len(s)-1], n) < 0 {
		return append(s, n), true
	}
	i, found := slices.BinarySearchFunc(s, n, compareShifts)
	if found {
		if s[i] == n {
			return s, false
		}
		out := slices.Clone(s)
		out[i] = n
		return out, true
	}
	out := make(shifts, 0, len(s)+1)
	out = append(append(append(out, s[:i]...), n), s[i:]...)
	return out, true
}

func empty() *snapshot {
	return &snapshot{people: map[string]*entry{}, byName: map[string]string{}, byKey: map[ocsf.Key][]string{}, shifts: map[string]shifts{}}
}

// next is a copy that may be changed entry by entry.
func (s *snapshot) next() *snapshot {
	n := *s
	n.version++
	n.people = maps.Clone(s.people)
	n.shifts = maps.Clone(s.shifts)
	return &n
}

// index rebuilds what is derived from people.
func (s *snapshot) index() {
	s.ids = slices.Sorted(maps.Keys(s.people))
	s.byName = make(map[string]string, len(s.people))
	s.byKey = make(map[ocsf.Key][]string, 4*len(s.people))
	for _, id := range s.ids {
		e := s.people[id]
		for _, a := range e.accounts {
			name := accountName(a.name)
			if holder, taken := s.byName[name]; !taken || s.yields(s.people[holder], e) {
				s.byName[name] = id
			}
		}
		for _, k := range e.Keys {
			s.byKey[k] = append(s.byKey[k], id)
		}
	}
}

// yields says whether the holder of an account has to yield it to another
// person: one who has left to one who has not, else the earlier to the later
// hired. Accounts are handed on, so two people with one are no error.
func (s *snapshot) yields(holder, other *entry) bool {
	if (holder.Ended == 0) != (other.Ended == 0) {
		return other.Ended == 0
	}
	return holder.Hired < other.Hired
}

func (s *snapshot) resolve(name string) (Person, bool) {
	if e, ok := s.people[s.find(name)]; ok {
		return e.Person, true
	}
	return Person{}, false
}

func (s *snapshot) find(name string) string {
	if id, ok := s.byName[name]; ok {
		return id
	}
	full := accountName(name)
	if id, ok := s.byName[full]; ok {
		return id
	}
	if _, ok := s.people[name]; ok {
		return name
	}
	if i := strings.LastIndexByte(full, '\\'); i >= 0 {
		full = full[i+1:]
	} else if i := strings.IndexByte(full, '@'); i > 0 {
		full = full[:i]
	} else {
		return ""
	}
	return s.byName[full]
}

func accountName(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
