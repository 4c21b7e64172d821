package sigma

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// modifiers are what follows a field's name.
type modifiers struct {
	all, cased, neq, expand bool
	kind                    string   // "", re, cidr, exists, fieldref, lt, lte, gt, gte
	part                    string   // minute, hour, ... of a time
	flags                   string   // of re
	encode                  []string // wide, base64, ... in order
	where                   string   // contains, startswith, endswith
}

// readModifiers reads modifiers and refuses what cannot go together.
func readModifiers(mods []string) (modifiers, error) {
	var m modifiers
	for _, mod := range mods {
		if err := m.read(mod); err != nil {
			return m, err
		}
	}
	return m, m.conflict()
}

func (m *modifiers) read(mod string) error {
	switch mod {
	case "all":
		m.all = true
	case "cased":
		m.cased = true
	case "neq":
		m.neq = true
	case "expand":
		m.expand = true
	case "contains", "startswith", "endswith":
		return only(&m.where, mod)
	case "re", "cidr", "exists", "fieldref", "lt", "lte", "gt", "gte":
		return only(&m.kind, mod)
	case "minute", "hour", "day", "week", "month", "year":
		return only(&m.part, mod)
	case "i", "ignorecase", "m", "multiline", "s", "dotall":
		if m.kind != "re" {
			return fmt.Errorf("the modifier %s belongs behind re", mod)
		}
		m.flags += map[string]string{"ignorecase": "i", "multiline": "m", "dotall": "s", "i": "i", "m": "m", "s": "s"}[mod]
	case "wide", "utf16le", "utf16be", "utf16", "base64", "base64offset", "windash":
		m.encode = append(m.encode, mod)
	default:
		return fmt.Errorf("the modifier %q is not known", mod)
	}
	return nil
}

func only(slot *string, mod string) error {
	if *slot != "" && *slot != mod {
		return fmt.Errorf("the modifiers %s and %s exclude each other", *slot, mod)
	}
	*slot = mod
	return nil
}

func (m modifiers) conflict() error {
	compares := m.kind == "lt" || m.kind == "lte" || m.kind == "gt" || m.kind == "gte"
	alone := m.kind != "" && m.kind != "fieldref" || m.part != ""
	switch {
	case alone && (m.where != "" || len(m.encode) > 0), m.kind == "fieldref" && len(m.encode) > 0:
		return fmt.Errorf("the modifier %s does not go with the others", m.kind+m.part)
	case m.part != "" && m.kind != "" && !compares:
		return fmt.Errorf("the modifiers %s and %s exclude each other", m.part, m.kind)
	case m.expand && (m.kind == "fieldref" || m.kind == "exists"):
		return fmt.Errorf("the modifiers expand and %s exclude each other", m.kind)
	}
	return nil
}

func howOf(where string) globHow {
	switch where {
	case "contains":
		return hasText
	case "startswith":
		return hasPrefix
	case "endswith":
		return hasSuffix
	}
	return isText
}

// matchers compiles a value; none and no error mean that it waits for a list.
func (c *compiler) matchers(m modifiers, v *yaml.Node) ([]matcher, error) {
	if !m.expand {
		return c.bounded(matchers(m, v))
	}
	texts, missing := c.filled(v.Value)
	if len(missing) > 0 {
		c.waits = append(c.waits, missing...)
		return nil, nil
	}
	out := []matcher{}
	for _, s := range texts {
		ms, err := c.bounded(matchers(m, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}))
		if err != nil {
			return nil, err
		}
		out = append(out, ms...)
	}
	return out, nil
}

// bounded counts regular expressions, and refuses those that are too many.
func (c *compiler) bounded(ms []matcher, err error) ([]matcher, error) {
	if err != nil || len(ms) != 1 {
		return ms, err
	}
	r, ok := ms[0].(*regex)
	if !ok {
		return ms, nil
	}
	if c.programs += r.size; c.programs > maxPrograms {
		return nil, errTooLong("its regular expressions are too large together")
	}
	if c.file == nil {
		c.file = &expressions{}
	}
	c.file.n, c.file.size = c.file.n+1, c.file.size+r.size
	if c.file.n > maxRegexes || c.file.size > maxFilePrograms {
		return nil, errors.New("its file has too many regular expressions, or too large ones; make several files of it")
	}
	return ms, nil
}

func matchers(m modifiers, v *yaml.Node) ([]matcher, error) {
	var one matcher
	var err error
	switch {
	case m.kind == "re":
		one, err = newRegex(v.Value, m.flags)
	case m.kind == "cidr":
		one, err = newNetwork(v.Value)
	case m.kind != "" || m.part != "":
		one, err = newCompare(m, v.Value)
	default:
		return globs(m, v)
	}
	if err != nil {
		return nil, err
	}
	return []matcher{one}, nil
}

func newCompare(m modifiers, text string) (matcher, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		if i, intErr := strconv.ParseInt(text, 0, 64); intErr == nil {
			n, err = float64(i), nil
		}
	}
	if err != nil || n != n {
		return nil, fmt.Errorf("%s takes a number", strings.TrimSpace(m.part+" "+m.kind))
	}
	return &compare{op: m.kind, n: n, part: m.part}, nil
}

// globs compiles a text, which encodings may have multiplied.
func globs(m modifiers, v *yaml.Node) ([]matcher, error) {
	if v.Tag == "!!str" && len(m.encode) == 0 && isLiteral(v.Value) {
		g := new(glob)
		g.literal(v.Value, m.where, m.cased)
		return []matcher{g}, nil
	}
	texts := spellings(v)
	var err error
	for _, e := range m.encode {
		if texts, err = encode(e, texts); err != nil {
			return nil, err
		}
	}
	ms := make([]matcher, len(texts))
	for i, parts := range texts {
		ms[i] = newGlob(around(parts, m.where), m.cased)
	}
	return ms, nil
}

// spellings are the ways in which events may write a value: a number as the
// rule writes it and as it is (0x1F is 31, 1.50 is 1.5).
func spellings(v *yaml.Node) [][]part {
	also := v.Value
	switch v.Tag {
	case "!!bool":
		return [][]part{{{text: strings.ToLower(v.Value)}}}
	case "!!int":
		if n, err := strconv.ParseInt(v.Value, 0, 64); err == nil {
			also = strconv.FormatInt(n, 10)
		}
	case "!!float":
		also = canonical(v.Value)
	}
	if also != v.Value {
		return [][]part{{{text: v.Value}}, {{text: also}}}
	}
	return [][]part{split(v.Value)}
}

// around puts the wildcards of contains, startswith and endswith.
func around(parts []part, where string) []part {
	star := part{wild: anyRun}
	if where == "contains" || where == "endswith" {
		if len(parts) == 0 || parts[0] != star {
			parts = slices.Concat([]part{star}, parts)
		}
	}
	if where == "contains" || where == "startswith" {
		if len(parts) == 0 || parts[len(parts)-1] != star {
			parts = append(slices.Clone(parts), star)
		}
	}
	return parts
}

// encode applies one encoding to all texts.
func encode(how string, texts [][]part) ([][]part, error) {
	var out [][]part
	for _, parts := range texts {
		if how == "windash" {
			out = append(out, dashed(parts)...)
			continue
		}
		s, ok := literal(parts)
		if !ok {
			return nil, fmt.Errorf("the modifier %s does not go with wildcards", how)
		}
		for _, x := range encodings(how, s) {
			out = append(out, []part{{text: x}})
		}
	}
	if len(out) == 0 {
		return nil, errors.New("there is nothing to encode")
	}
	return out, nil
}

func encodings(how, s string) []string {
	switch how {
	case "wide", "utf16le":
		return []string{toUTF16(s, false)}
	case "utf16be":
		return []string{toUTF16(s, true)}
	case "utf16": // with the mark of the byte order before it
		return []string{"\xff\xfe" + toUTF16(s, false)}
	case "base64":
		return []string{base64.StdEncoding.EncodeToString([]byte(s))}
	}
	return offsets(s)
}

func toUTF16(s string, bigEndian bool) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		if bigEndian {
			b.WriteByte(byte(u >> 8))
			b.WriteByte(byte(u))
		} else {
			b.WriteByte(byte(u))
			b.WriteByte(byte(u >> 8))
		}
	}
	return b.String()
}

// offsets are the three ways in which a text may stand inside base64: the
// characters at the edges, which mix with their neighbours, are left out.
func offsets(s string) []string {
	var out []string
	starts, ends := [3]int{0, 2, 3}, [3]int{0, -3, -2}
	for i := range 3 {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(" ", i) + s))
		if from, to := starts[i], len(text)+ends[(len(s)+i)%3]; from < to {
			out = append(out, text[from:to])
		}
	}
	return out
}

// dashes are what Windows takes for the beginning of an option.
var dashes = [...]string{"-", "/", "–", "—", "―"}

// maxDashed bounds how many texts one value with options becomes; beyond, it
// is one pattern in which each dash may be any.
const maxDashed = 25

// dashed writes the dash or slash of every option in all the ways, each
// independent of the others.
func dashed(parts []part) [][]part {
	var open []part
	n := 1
	for _, p := range parts {
		if p.wild != 0 {
			open = append(open, p)
			continue
		}
		for from := 0; ; {
			at, width := option(p.text, from)
			if at > from {
				open = append(open, part{text: p.text[from:at]})
			}
			if width == 0 {
				break
			}
			open = append(open, part{wild: anyDash})
			n = min(n*len(dashes), maxDashed+1)
			from = at + width
		}
	}
	if n > maxDashed {
		return [][]part{open}
	}
	return filledDashes(open)
}

func filledDashes(open []part) [][]part {
	out := [][]part{nil}
	for _, p := range open {
		if p.wild != anyDash {
			for i := range out {
				out[i] = joined(out[i], p)
			}
			continue
		}
		var more [][]part
		for _, head := range out {
			for _, dash := range dashes {
				more = append(more, joined(head, part{text: dash}))
			}
		}
		out = more
	}
	return out
}

// joined appends a part to a copy; texts side by side become one.
func joined(head []part, p part) []part {
	head = slices.Clone(head)
	if n := len(head) - 1; n >= 0 && head[n].wild == 0 && p.wild == 0 {
		head[n].text += p.text
		return head
	}
	return append(head, p)
}

// option finds the next dash or slash, from a position on, that begins an
// option: no word before it, a word behind it. Without one it is the end.
func option(s string, from int) (at, width int) {
	for i := from; i < len(s); i++ {
		w := dashWidth(s[i:])
		if w > 0 && (i == 0 || !wordBefore(s[:i])) && wordAfter(s[i+w:]) {
			return i, w
		}
	}
	return len(s), 0
}

func dashWidth(s string) int {
	for _, d := range dashes {
		if strings.HasPrefix(s, d) {
			return len(d)
		}
	}
	return 0
}

func wordBefore(s string) bool { r, _ := utf8.DecodeLastRuneInString(s); return isWord(r) }

func wordAfter(s string) bool { r, _ := utf8.DecodeRuneInString(s); return s != "" && isWord(r) }
