package sigma

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// node is a piece of a rule that is true or false about an event.
type node interface{ eval(l *look) bool }

type (
	allOf  []node
	anyOf  []node
	negate struct{ node }
	never  struct{}
)

func (n allOf) eval(l *look) bool {
	for _, x := range n {
		if !x.eval(l) {
			return false
		}
	}
	return true
}

func (n anyOf) eval(l *look) bool {
	for _, x := range n {
		if x.eval(l) {
			return true
		}
	}
	return false
}

func (n negate) eval(l *look) bool { return !n.node.eval(l) }

func (never) eval(*look) bool { return false }

// oneOf is true when a value of the field fits one of the matchers.
type oneOf struct {
	field int
	ms    []matcher
	null  bool // a field that is not there fits too
}

func (n oneOf) eval(l *look) bool {
	vals := l.field(n.field)
	if len(vals) == 0 {
		return n.null
	}
	for i := range vals {
		for _, m := range n.ms {
			if m.match(&vals[i]) {
				return true
			}
		}
	}
	return false
}

type exists struct {
	field int
	want  bool
}

func (n exists) eval(l *look) bool { return (len(l.field(n.field)) > 0) == n.want }

// sameAs compares a field with another field.
type sameAs struct {
	field, other int
	how          globHow
	cased        bool
}

func (n sameAs) eval(l *look) bool {
	for _, a := range l.field(n.field) {
		for _, b := range l.field(n.other) {
			x, y := a.low, b.low
			if n.cased {
				x, y = a.text, b.text
			}
			if !a.null && !b.null && (glob{how: n.how, text: y, cased: true}).fits(x) {
				return true
			}
		}
	}
	return false
}

// words looks for texts anywhere in an event.
type words struct{ g glob }

func (n words) eval(l *look) bool {
	found := false
	l.rec.texts(func(s string) bool {
		if !n.g.cased {
			s = strings.ToLower(s)
		}
		found = n.g.fits(s)
		return !found
	})
	return found
}

// compiler turns the detections of one rule into nodes.
type compiler struct {
	fields *fieldNames
	// lists are the values of placeholders (%NAME%), by name in lower case and
	// without the percent signs.
	lists map[string][]string
	// waits are the placeholders the rule names that have no list: what asks
	// for them fits nothing.
	waits []string
}

// fieldNames numbers the names of fields over all rules.
type fieldNames struct {
	names  []string
	number map[string]int
}

func (f *fieldNames) add(name string) int {
	if n, ok := f.number[name]; ok {
		return n
	}
	n := len(f.names)
	f.names = append(f.names, name)
	f.number[name] = n
	return n
}

// selection compiles one named detection: a map (all of it), a list of maps or
// of keywords (any of it).
func (c *compiler) selection(n *yaml.Node) (node, error) {
	switch n = deref(n); n.Kind {
	case yaml.MappingNode:
		return c.fieldsOf(n)
	case yaml.SequenceNode:
		var any anyOf
		for _, e := range n.Content {
			x, err := c.selection(e)
			if err != nil {
				return nil, err
			}
			any = append(any, x)
		}
		if len(any) == 0 {
			return nil, errors.New("an empty list")
		}
		return any, nil
	case yaml.ScalarNode:
		return c.item("", nil, []*yaml.Node{n})
	}
	return nil, errors.New("a detection is a map or a list")
}

func (c *compiler) fieldsOf(n *yaml.Node) (node, error) {
	var all allOf
	for i := 0; i+1 < len(n.Content); i += 2 {
		mods := strings.Split(n.Content[i].Value, "|")
		vals := []*yaml.Node{deref(n.Content[i+1])}
		if v := vals[0]; v.Kind == yaml.SequenceNode {
			vals = v.Content
		}
		x, err := c.item(mods[0], mods[1:], vals)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Content[i].Value, err)
		}
		all = append(all, x)
	}
	if len(all) == 0 {
		return nil, errors.New("an empty detection")
	}
	return all, nil
}

// item compiles a field with its modifiers and values; without a field the
// values are keywords.
func (c *compiler) item(field string, mods []string, vals []*yaml.Node) (node, error) {
	m, err := readModifiers(mods)
	if err != nil {
		return nil, err
	}
	var each []node
	for _, v := range vals {
		x, err := c.value(field, m, deref(v))
		if err != nil {
			return nil, err
		}
		each = append(each, x)
	}
	switch {
	case len(each) == 0:
		return nil, errors.New("no values")
	case len(each) == 1:
		return each[0], nil
	case m.all:
		return allOf(each), nil
	}
	return merge(each), nil
}

// merge joins values of one field into one look at it.
func merge(each []node) node {
	var out oneOf
	for i, n := range each {
		o, ok := n.(oneOf)
		if !ok {
			return anyOf(each)
		}
		if i == 0 {
			out.field = o.field
		}
		out.ms = append(out.ms, o.ms...)
		out.null = out.null || o.null
	}
	return out
}

// modifiers are what follows a field's name.
type modifiers struct {
	all, cased bool
	kind       string   // "", re, cidr, exists, fieldref, lt, lte, gt, gte
	flags      string   // of re
	encode     []string // wide, base64, ... in order
	where      string   // contains, startswith, endswith
	expand     bool
}

// readModifiers reads modifiers and refuses what cannot go together.
func readModifiers(mods []string) (modifiers, error) {
	var m modifiers
	for _, mod := range mods {
		switch mod {
		case "all":
			m.all = true
		case "cased":
			m.cased = true
		case "contains", "startswith", "endswith":
			m.where = mod
		case "re", "cidr", "exists", "fieldref", "lt", "lte", "gt", "gte":
			if m.kind != "" {
				return m, fmt.Errorf("the modifiers %s and %s exclude each other", m.kind, mod)
			}
			m.kind = mod
		case "i", "ignorecase", "m", "multiline", "s", "dotall":
			if m.kind != "re" {
				return m, fmt.Errorf("the modifier %s belongs behind re", mod)
			}
			m.flags += map[string]string{"ignorecase": "i", "multiline": "m", "dotall": "s"}[mod]
			if len(mod) == 1 {
				m.flags += mod
			}
		case "wide", "utf16le", "utf16be", "utf16", "base64", "base64offset", "windash":
			m.encode = append(m.encode, mod)
		case "expand":
			m.expand = true
		default:
			return m, fmt.Errorf("the modifier %q is not known", mod)
		}
	}
	return m, m.conflict()
}

func (m modifiers) conflict() error {
	alone := m.kind != "" && m.kind != "fieldref"
	if alone && (m.where != "" || len(m.encode) > 0) {
		return fmt.Errorf("the modifier %s does not go with the others", m.kind)
	}
	return nil
}

// value compiles one value.
func (c *compiler) value(field string, m modifiers, v *yaml.Node) (node, error) {
	if v.Kind == yaml.MappingNode && field == "" && len(v.Content) > 0 {
		return c.fieldsOf(v)
	}
	if v.Kind != yaml.ScalarNode {
		return nil, errors.New("a value is a text, a number, true, false or null")
	}
	if field == "" {
		return keyword(m, v)
	}
	n := c.fields.add(field)
	switch m.kind {
	case "exists":
		want, err := strconv.ParseBool(v.Value)
		if err != nil {
			return nil, errors.New("exists takes true or false")
		}
		return exists{n, want}, nil
	case "fieldref":
		return sameAs{n, c.fields.add(v.Value), howOf(m.where), m.cased}, nil
	}
	if v.Tag == "!!null" {
		return oneOf{n, []matcher{isNull{}}, true}, nil
	}
	if m.expand {
		return c.expanded(n, m, v)
	}
	ms, err := matchers(m, v)
	return oneOf{field: n, ms: ms}, err
}

// expanded fills the placeholders of a value.
func (c *compiler) expanded(field int, m modifiers, v *yaml.Node) (node, error) {
	texts, missing := c.filled(v.Value)
	if len(missing) > 0 {
		c.waits = append(c.waits, missing...)
		return never{}, nil
	}
	out := oneOf{field: field}
	for _, s := range texts {
		ms, err := matchers(m, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s})
		if err != nil {
			return nil, err
		}
		out.ms = append(out.ms, ms...)
	}
	return out, nil
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

func matchers(m modifiers, v *yaml.Node) ([]matcher, error) {
	var one matcher
	var err error
	switch m.kind {
	case "re":
		one, err = newRegex(v.Value, m.flags)
	case "cidr":
		one, err = newNetwork(v.Value)
	case "lt", "lte", "gt", "gte":
		var n float64
		if n, err = strconv.ParseFloat(v.Value, 64); err != nil {
			err = fmt.Errorf("%s takes a number", m.kind)
		}
		one = compare{m.kind, n}
	default:
		return globs(m, v)
	}
	if err != nil {
		return nil, err
	}
	return []matcher{one}, nil
}

// globs compiles a text, which encodings may have multiplied.
func globs(m modifiers, v *yaml.Node) ([]matcher, error) {
	texts := [][]part{split(v.Value)}
	if v.Tag == "!!int" { // 0x1F is written as 31 in events
		if n, err := strconv.ParseInt(v.Value, 0, 64); err == nil && strconv.FormatInt(n, 10) != v.Value {
			texts = append(texts, []part{{text: strconv.FormatInt(n, 10)}})
		}
	}
	if v.Tag == "!!bool" {
		texts = [][]part{{{text: strings.ToLower(v.Value)}}}
	}
	var err error
	cased := m.cased
	for _, e := range m.encode {
		if texts, err = encode(e, texts); err != nil {
			return nil, err
		}
		cased = cased || e != "windash"
	}
	ms := make([]matcher, len(texts))
	for i, parts := range texts {
		ms[i] = newGlob(around(parts, m.where), cased)
	}
	return ms, nil
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
		s, ok := plain(parts)
		if !ok {
			return nil, fmt.Errorf("the modifier %s does not go with wildcards", how)
		}
		var more []string
		switch how {
		case "wide", "utf16le":
			more = []string{toUTF16(s, false)}
		case "utf16be":
			more = []string{toUTF16(s, true)}
		case "utf16":
			more = []string{"\xff\xfe" + toUTF16(s, false), "\xfe\xff" + toUTF16(s, true)}
		case "base64":
			more = []string{base64.StdEncoding.EncodeToString([]byte(s))}
		case "base64offset":
			more = offsets(s)
		}
		for _, x := range more {
			out = append(out, []part{{text: x}})
		}
	}
	return out, nil
}

func dashed(parts []part) [][]part {
	out := make([][]part, len(dashes))
	for i := range out {
		out[i] = slices.Clone(parts)
	}
	for j, p := range parts {
		for i, s := range windash(p.text) {
			out[i][j].text = s
		}
	}
	return out
}

func keyword(m modifiers, v *yaml.Node) (node, error) {
	if m.kind != "" && m.kind != "re" {
		return nil, fmt.Errorf("the modifier %s needs a field", m.kind)
	}
	if m.kind == "re" {
		re, err := newRegex(v.Value, m.flags)
		if err != nil {
			return nil, err
		}
		return wordsLike{re}, nil
	}
	m.where = "contains"
	ms, err := globs(m, v)
	if err != nil {
		return nil, err
	}
	var any anyOf
	for _, x := range ms {
		any = append(any, words{x.(glob)})
	}
	return any, nil
}

// wordsLike looks for a regular expression anywhere in an event.
type wordsLike struct{ re matcher }

func (n wordsLike) eval(l *look) bool {
	found := false
	l.rec.texts(func(s string) bool {
		found = n.re.match(&value{text: s})
		return !found
	})
	return found
}

func deref(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
