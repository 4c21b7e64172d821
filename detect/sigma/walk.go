package sigma

import (
	"bytes"

	"github.com/cordon-health/cordon/internal/jsonscan"
)

// maxLeaves bounds an event; values behind are not seen by rules.
const maxLeaves = 4096

// walk takes a JSON object apart, once per event: each value is kept as it
// stands, and noted with the fields it is.
type walk struct {
	s     jsonscan.Scanner
	stack []int32 // the pieces of the place
	name  []byte  // of an attribute, put together
}

// read takes an object apart; false when the text is not one JSON object.
func (l *look) read(data []byte) bool {
	w := &l.walk
	w.stack = w.stack[:0]
	w.s.Reset(data)
	if w.s.Kind() != jsonscan.Object {
		return false
	}
	l.object(nil)
	return w.s.End() == nil
}

// object reads the members of an object that is called name.
func (l *look) object(name []byte) {
	w := &l.walk
	if !w.s.Object() {
		return
	}
	for {
		member, ok := w.s.Member()
		if !ok {
			return
		}
		l.member(name, member)
	}
}

// member reads one member of the object called parent. Events that were XML
// have attributes and texts of elements under names that several converters
// made up.
func (l *look) member(parent, name []byte) {
	w := &l.walk
	n := len(w.stack)
	switch c := first(name); {
	case c == '#' && string(name) == "#attributes":
		l.attributes(parent, n-1)
	case c == '#' && string(name) == "#text":
		l.any(parent)
	case c == '@' && len(name) > 1 && n > 0 && l.e.paths.find(name) == 0:
		l.attribute(parent, name[1:], n-1)
	case c == 'D' && string(name) == "Data":
		l.data(name)
	case bytes.HasSuffix(name, attributesEnd) && w.s.Kind() == jsonscan.Object:
		l.attributes(name[:len(name)-len(attributesEnd)], n)
	default:
		w.stack = l.e.paths.push(w.stack, name)
		l.any(name)
	}
	w.stack = w.stack[:n]
}

var attributesEnd = []byte("_attributes")

func first(name []byte) byte {
	if len(name) == 0 {
		return 0
	}
	return name[0]
}

// attributes reads the attributes of an element whose piece stands at a place
// of the stack, or would: Name of Provider is Provider_Name.
func (l *look) attributes(element []byte, at int) {
	w := &l.walk
	if !w.s.Object() {
		return
	}
	for {
		name, ok := w.s.Member()
		if !ok {
			return
		}
		l.attribute(element, name, at)
	}
}

func (l *look) attribute(element, name []byte, at int) {
	w := &l.walk
	before, at := len(w.stack), max(at, 0)
	var kept int32
	if at < before {
		kept = w.stack[at]
	}
	w.name = append(append(append(w.name[:0], element...), '_'), name...)
	w.stack = l.e.paths.push(w.stack[:at], w.name)
	l.any(name)
	w.stack = w.stack[:before]
	if at < before {
		w.stack[at] = kept
	}
}

// data reads the Data elements of an event that was XML: those with a name are
// members of that name, the others stay Data.
func (l *look) data(name []byte) {
	w := &l.walk
	n := len(w.stack)
	if k := w.s.Kind(); k == jsonscan.Null || k != jsonscan.Array && k != jsonscan.Object {
		w.stack = l.e.paths.push(w.stack, name)
		l.any(name)
		return
	}
	for list := w.s.List(); w.s.More(&list); w.stack = w.stack[:n] {
		called, value, end, ok := named(w.s)
		if !ok {
			w.stack = l.e.paths.push(w.stack, name)
			l.any(name)
			continue
		}
		w.stack = l.e.paths.push(w.stack, called)
		w.s = value
		l.any(called)
		w.s = end
	}
}

// named looks at an object that is an element with an attribute Name and a
// text: its name, and the scanner before its text and behind it all.
func named(s jsonscan.Scanner) (name []byte, text, end jsonscan.Scanner, ok bool) {
	if s.Kind() != jsonscan.Object || !s.Object() {
		return nil, s, s, false
	}
	found := false
	for {
		member, more := s.Member()
		if !more {
			return name, text, s, found && len(name) > 0 && s.Err() == nil
		}
		switch string(member) {
		case "#attributes":
			name = nameOf(&s)
		case "@Name", "Name":
			name = s.Text()
		case "#text", "text", "content":
			text, found = s, true
			s.Skip()
		default:
			s.Skip()
		}
	}
}

// nameOf reads Name of an object.
func nameOf(s *jsonscan.Scanner) (name []byte) {
	if !s.Object() {
		return nil
	}
	for {
		member, more := s.Member()
		if !more {
			return name
		}
		if string(member) == "Name" {
			name = s.Text()
		} else {
			s.Skip()
		}
	}
}

// any reads a value; name is that of the member it is of.
func (l *look) any(name []byte) {
	w := &l.walk
	if len(l.leaves) >= maxLeaves {
		l.cut = true
		w.s.Skip()
		return
	}
	switch w.s.Kind() {
	case jsonscan.Object:
		l.note(-1)
		l.object(name)
	case jsonscan.Array:
		l.note(-1)
		for list := w.s.List(); w.s.More(&list); {
			l.any(name)
		}
	case jsonscan.Null:
		w.s.Skip()
		l.leaf(value{null: true})
	case jsonscan.String:
		raw, isPlain := w.s.Inside()
		v := value{text: view(raw)}
		if !isPlain {
			v.kind = escaped
		}
		l.leaf(v)
	case jsonscan.Number:
		l.leaf(value{text: view(w.s.Raw()), kind: number})
	default:
		l.leaf(value{text: view(w.s.Raw())})
	}
}

// leaf keeps a value that stands at the place of the stack.
func (l *look) leaf(v value) {
	l.leaves = append(l.leaves, v)
	l.note(len(l.leaves) - 1)
}

// note enters a value, or with -1 that there is something, for all fields that
// the place is.
func (l *look) note(leaf int) {
	w := &l.walk
	if len(w.stack) == 0 {
		return
	}
	last := w.stack[len(w.stack)-1]
	if last == 0 {
		return
	}
	fields := l.e.paths.pieces[last].fields
	for i := range fields {
		if rank, ok := fields[i].is(w.stack); ok {
			l.enter(fields[i].field, rank, leaf)
		}
	}
}
