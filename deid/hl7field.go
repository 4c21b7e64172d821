package deid

import (
	"bytes"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/hl7"
)

// field writes one field by a rule.
func (m *messageWriter) field(r rule, value []byte) error {
	switch r.method {
	case Keep:
		m.report.Count(Keep, r.kind)
		m.out = append(m.out, value...)
		return nil
	case Remove:
		m.report.Count(Remove, r.kind)
		return nil
	case Text:
		m.freeText(value)
		return nil
	}
	for {
		i := bytes.IndexByte(value, m.delims.Repetition)
		one := value
		if i >= 0 {
			one = value[:i]
		}
		if len(one) > 0 {
			if err := m.components(r, one); err != nil {
				return err
			}
		}
		if i < 0 {
			return nil
		}
		m.out = append(m.out, m.delims.Repetition)
		value = value[i+1:]
	}
}

// freeText cleans a field as it stands, separators and all. Where nothing is
// found not a byte changes.
func (m *messageWriter) freeText(value []byte) {
	if bytes.IndexByte(value, m.delims.Escape) < 0 {
		m.out = m.work.text(m.out, value)
		return
	}
	plain := m.plain(value)
	clean := m.work.text(nil, plain)
	if bytes.Equal(plain, clean) {
		m.out = append(m.out, value...)
		return
	}
	m.out = m.escaped(m.out, clean)
}

// plain is a value without its escapes; a line break is one.
func (m *messageWriter) plain(value []byte) []byte {
	if bytes.IndexByte(value, m.delims.Escape) < 0 {
		return value
	}
	e := string(m.delims.Escape)
	value = bytes.ReplaceAll(value, []byte(e+".br"+e), []byte("\n"))
	return hl7.AppendUnescaped(nil, value, m.delims)
}

// escape is a text as a value; mostly it is the text itself.
func (m *messageWriter) escape(text []byte) []byte {
	d := m.delims
	for _, c := range text {
		if c == d.Field || c == d.Component || c == d.Subcomponent || c == d.Repetition || c == d.Escape || c == '\n' || c == '\r' {
			return m.escaped(nil, text)
		}
	}
	return text
}

// escaped appends a text as a value.
func (m *messageWriter) escaped(dst, text []byte) []byte {
	d := m.delims
	put := func(code string) { dst = append(append(append(dst, d.Escape), code...), d.Escape) }
	for _, c := range text {
		switch c {
		case d.Field:
			put("F")
		case d.Component:
			put("S")
		case d.Subcomponent:
			put("T")
		case d.Repetition:
			put("R")
		case d.Escape:
			put("E")
		case '\n', '\r':
			put(".br")
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// components writes one repetition: of each shape the components that the
// standard gives a meaning that is treated here, and no others.
func (m *messageWriter) components(r rule, value []byte) error {
	part, out := m.split(value)
	var err error
	switch r.shape {
	case person:
		m.person(part, out, 0)
		m.code(part, out, 7)
	case staff:
		err = m.one(rule{method: r.method, kind: classify.Licence}, part, out, 1)
		m.person(part, out, 1)
		m.code(part, out, 10)
		m.code(part, out, 13)
	case address:
		m.address(r, part, out)
	case contact:
		err = m.contact(r, part, out)
	case number:
		err = m.one(r, part, out, 1)
		m.code(part, out, 5)
	default:
		if isDate(r.kind) {
			err = m.dates(r, part, out)
			break
		}
		err = m.one(r, part, out, 1)
	}
	m.join(out)
	return err
}

// split parts a value into its components, with as many empty places for what
// is written; both are good until the next call.
func (m *messageWriter) split(value []byte) (part, out [][]byte) {
	m.part, m.made = m.part[:0], m.made[:0]
	for more := true; more; {
		i := bytes.IndexByte(value, m.delims.Component)
		one := value
		if more = i >= 0; more {
			one, value = value[:i], value[i+1:]
		}
		m.part, m.made = append(m.part, one), append(m.made, nil)
	}
	return m.part, m.made
}

// join writes components without the empty ones at the end.
func (m *messageWriter) join(part [][]byte) {
	for len(part) > 0 && len(part[len(part)-1]) == 0 {
		part = part[:len(part)-1]
	}
	for i, p := range part {
		if i > 0 {
			m.out = append(m.out, m.delims.Component)
		}
		m.out = append(m.out, p...)
	}
}

// one treats component n, and of it the first subcomponent.
func (m *messageWriter) one(r rule, part, out [][]byte, n int) error {
	if n > len(part) || len(part[n-1]) == 0 {
		return nil
	}
	first, _, _ := bytes.Cut(part[n-1], []byte{m.delims.Subcomponent})
	value, err := m.by(r, nil, m.plain(first))
	out[n-1] = m.escape(value)
	return err
}

// code keeps a component that is a short code.
func (m *messageWriter) code(part, out [][]byte, n int) {
	if n > len(part) || len(part[n-1]) > 6 {
		return
	}
	for _, c := range part[n-1] {
		if c < 'A' || c > 'Z' {
			return
		}
	}
	out[n-1] = part[n-1]
}

// person writes family, given and further names from component at+1 on. Where
// there is only one component, it may be the whole name.
func (m *messageWriter) person(part, out [][]byte, at int) {
	form := familyName
	if at+1 >= len(part) || len(part[at+1]) == 0 {
		form = fullName
	}
	var whole, stand []byte
	for i := at; i < at+3 && i < len(part); i++ {
		for j, sub := range bytes.Split(part[i], []byte{m.delims.Subcomponent}) {
			plain := m.plain(sub)
			value, _ := m.by(rule{method: Pseudonym, kind: classify.Name, form: form}, nil, plain)
			if j > 0 {
				out[i] = append(out[i], m.delims.Subcomponent)
			} else {
				whole, stand = append(whole, plain...), append(stand, value...)
			}
			out[i] = append(out[i], m.escaped(nil, value)...)
		}
		form = givenName
	}
	if hasHan(string(whole)) {
		m.known.add(classify.Name, whole, stand)
	}
}

// address keeps state, country and type, and makes the postal code coarse. Of
// a Chinese address in one piece the province is left.
func (m *messageWriter) address(r rule, part, out [][]byte) {
	m.report.Count(r.method, r.kind)
	if r.method != Generalise {
		value, _ := m.by(r, nil, m.plain(bytes.Join(part, []byte(" "))))
		out[0] = m.escaped(nil, value)
		return
	}
	var line []byte
	for i, p := range part {
		plain := m.plain(p)
		switch i {
		case 0, 1, 2, 8:
			m.known.add(classify.Address, plain, nil)
			if i == 0 {
				line = plain
			}
		case 3:
			if state := province(string(plain)); state != "" {
				out[i] = []byte(state)
			} else if len(plain) <= 3 {
				out[i] = p
			}
		case 4:
			out[i] = generaliseZIP(plain)
			m.known.add(classify.ZIP, plain, out[i])
		case 5:
			if len(plain) <= 6 {
				out[i] = p
			}
		case 6:
			m.code(part, out, 7)
		}
	}
	if len(out) > 3 && len(out[3]) == 0 || len(out) <= 3 {
		out[0] = []byte(province(string(line)))
	}
}

// contact writes telephones and mail addresses as one number in component 1;
// the codes for use and equipment stay.
func (m *messageWriter) contact(r rule, part, out [][]byte) error {
	if err := m.one(r, part, out, 1); err != nil {
		return err
	}
	m.code(part, out, 2)
	m.code(part, out, 3)
	if err := m.one(r, part, out, 4); err != nil {
		return err
	}
	if len(out[0]) > 0 || len(part) < 7 || len(part[6]) == 0 {
		return m.one(r, part, out, 12)
	}
	value, err := m.by(r, nil, append(bytes.Clone(m.plain(part[5])), m.plain(part[6])...))
	out[0] = m.escaped(nil, value)
	return err
}

// dates moves every component that is a date.
func (m *messageWriter) dates(r rule, part, out [][]byte) error {
	for i := range part {
		if _, ok := readDate(part[i]); !ok {
			continue
		}
		if err := m.one(r, part, out, i+1); err != nil {
			return err
		}
	}
	return nil
}
