package detect

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Memory is what a detector remembers under names (of people, patients,
// sources): at most so many, at most so long, in the time of events. What is
// forgotten first does not depend on chance, so a replay remembers the same.
type Memory[T any] struct {
	most int
	age  int64 // ms
	all  map[string]*Memo[T]
	next int64 // when to look for what is too old
	size int   // of the latest snapshot written by hand
}

// Memo is one thing remembered; At is when it last mattered, in ms.
type Memo[T any] struct {
	At   int64 `json:"t"`
	What T     `json:"w"`
}

// NewMemory remembers at most most things for age ms after they last
// mattered; an age of 0 is for ever.
func NewMemory[T any](most int, age int64) Memory[T] {
	return Memory[T]{most: most, age: age, all: map[string]*Memo[T]{}}
}

// Get returns what is remembered under a name, nil for nothing.
func (m *Memory[T]) Get(name string) *T {
	if e, ok := m.all[name]; ok {
		return &e.What
	}
	return nil
}

// Keep returns what is remembered under a name, empty at first, and notes that
// it mattered at a time.
func (m *Memory[T]) Keep(name string, at int64) *T {
	if m.age > 0 && at >= m.next {
		m.expire(at)
	}
	e, ok := m.all[name]
	if !ok {
		m.makeRoom()
		e = &Memo[T]{}
		m.all[strings.Clone(name)] = e
	}
	e.At = max(e.At, at)
	return &e.What
}

// Len is how many things are remembered.
func (m *Memory[T]) Len() int { return len(m.all) }

// Forget drops one.
func (m *Memory[T]) Forget(name string) { delete(m.all, name) }

// Each visits everything, in the order of the names.
func (m *Memory[T]) Each(visit func(name string, what *T)) {
	names := make([]string, 0, len(m.all))
	for name := range m.all {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		visit(name, &m.all[name].What)
	}
}

// expire drops what is too old. It is called by the time of events, whether
// anything new came or not, so that a restored memory drops the same.
func (m *Memory[T]) expire(at int64) {
	m.next = at + m.age/8
	for name, e := range m.all {
		if e.At < at-m.age {
			delete(m.all, name)
		}
	}
}

// makeRoom drops the oldest quarter of a full memory.
func (m *Memory[T]) makeRoom() {
	if len(m.all) < m.most {
		return
	}
	type old struct {
		at   int64
		name string
	}
	list := make([]old, 0, len(m.all))
	for name, e := range m.all {
		list = append(list, old{e.At, name})
	}
	slices.SortFunc(list, func(a, b old) int { return cmp.Or(cmp.Compare(a.at, b.at), strings.Compare(a.name, b.name)) })
	for _, o := range list[:max(1, len(list)/4)] {
		delete(m.all, o.name)
	}
}

type memorySnapshot[T any] struct {
	Next int64               `json:"next,omitempty"`
	All  map[string]*Memo[T] `json:"all"`
}

// appender writes itself as the JSON that json.Marshal would make of it, much
// faster: the pipeline stands still while memories are taken.
type appender interface{ appendJSON([]byte) []byte }

// Snapshot is the memory as JSON, the same for the same memory.
func (m *Memory[T]) Snapshot() ([]byte, error) {
	if _, quick := any((*T)(nil)).(appender); quick {
		return m.append(), nil
	}
	return json.Marshal(memorySnapshot[T]{m.next, m.all})
}

func (m *Memory[T]) append() []byte {
	names := make([]string, 0, len(m.all))
	for name := range m.all {
		names = append(names, name)
	}
	slices.Sort(names)
	b := append(make([]byte, 0, m.size+m.size/8), '{')
	if m.next != 0 {
		b = append(strconv.AppendInt(append(b, `"next":`...), m.next, 10), ',')
	}
	b = append(b, `"all":{`...)
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		e := m.all[name]
		b = append(appendName(b, name), `:{"t":`...)
		b = append(strconv.AppendInt(b, e.At, 10), `,"w":`...)
		b = append(any(&e.What).(appender).appendJSON(b), '}')
	}
	b = append(b, "}}"...)
	m.size = len(b)
	return b
}

// appendName writes a name as JSON; most are plain.
func appendName(b []byte, name string) []byte {
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' || strings.IndexByte(`"\<>&`, c) >= 0 {
			text, _ := json.Marshal(name) // a string is never refused
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), name...), '"')
}

// Restore replaces the memory; nil empties it.
func (m *Memory[T]) Restore(data []byte) error {
	s := memorySnapshot[T]{}
	if data != nil {
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
	}
	m.next, m.all = s.Next, map[string]*Memo[T]{}
	for name, e := range s.All {
		if e != nil {
			m.all[name] = e
		}
	}
	return nil
}
