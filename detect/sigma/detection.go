package sigma

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// compiler turns the detections of one rule into nodes.
type compiler struct {
	fields *fieldNames
	// lists are the values of placeholders (%NAME%), by name in lower case and
	// without the percent signs.
	lists map[string][]string
	// waits are the placeholders the rule names that have no list: what asks
	// for them fits nothing.
	waits []string
	// programs is the size of the rule's regular expressions, file what all of
	// its file have so far.
	programs int
	file     *expressions
	// slots are where numbers of fields stand in what is compiled.
	slots []*int
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
	if n, ok := c.texts(field, m, vals); ok {
		return n, nil
	}
	each := make([]node, 0, len(vals))
	for _, v := range vals {
		x, err := c.value(field, m, deref(v))
		if err != nil {
			return nil, err
		}
		each = append(each, x)
	}
	n, err := c.join(m, each)
	if err == nil && m.neq {
		n = negate{n}
	}
	return n, err
}

// texts compiles what most rules ask: whether a field is, or has, one of some
// plain texts.
func (c *compiler) texts(field string, m modifiers, vals []*yaml.Node) (node, bool) {
	if field == "" || len(vals) == 0 || m.all || m.neq || m.expand || m.kind != "" || m.part != "" || len(m.encode) > 0 {
		return nil, false
	}
	for _, v := range vals {
		if v.Kind != yaml.ScalarNode || v.Tag != "!!str" || !isLiteral(v.Value) {
			return nil, false
		}
	}
	globs, ms := make([]glob, len(vals)), make([]matcher, len(vals))
	for i, v := range vals {
		globs[i].literal(v.Value, m.where, m.cased)
		ms[i] = &globs[i]
	}
	return c.oneOf(&oneOf{field: c.fields.add(field), ms: ms}), true
}

func (c *compiler) join(m modifiers, each []node) (node, error) {
	switch {
	case len(each) == 0:
		return nil, errors.New("no values")
	case len(each) == 1:
		return each[0], nil
	case m.all:
		return allOf(each), nil
	}
	return c.merge(each), nil
}

// merge joins values of one field into one look at it.
func (c *compiler) merge(each []node) node {
	out := &oneOf{}
	for i, n := range each {
		o, ok := n.(*oneOf)
		if !ok {
			return anyOf(each)
		}
		if i == 0 {
			out.field = o.field
		}
		out.ms = append(out.ms, o.ms...)
		out.null = out.null || o.null
	}
	return c.oneOf(out)
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
		return c.keyword(m, v)
	}
	n := c.fields.add(field)
	switch {
	case m.kind == "exists":
		x := &exists{field: n}
		c.slots = append(c.slots, &x.field)
		return x, x.wants(v)
	case m.kind == "fieldref":
		x := &sameAs{n, c.fields.add(v.Value), howOf(m.where), m.cased}
		c.slots = append(c.slots, &x.field, &x.other)
		return x, nil
	case v.Tag == "!!null":
		return c.oneOf(&oneOf{field: n, ms: []matcher{isNull{}}, null: true}), nil
	}
	ms, err := c.matchers(m, v)
	if err != nil || ms == nil {
		return never{}, err
	}
	return c.oneOf(&oneOf{field: n, ms: ms}), nil
}

func (c *compiler) oneOf(x *oneOf) *oneOf {
	c.slots = append(c.slots, &x.field)
	return x
}

func (x *exists) wants(v *yaml.Node) error {
	switch strings.ToLower(v.Value) {
	case "true", "yes", "1":
		x.want = true
	case "false", "no", "0":
	default:
		return errors.New("exists takes true or false")
	}
	return nil
}

// keyword compiles a text that is looked for anywhere in an event.
func (c *compiler) keyword(m modifiers, v *yaml.Node) (node, error) {
	if m.kind != "" && m.kind != "re" || m.part != "" {
		return nil, errors.New("this modifier needs a field")
	}
	if v.Tag == "!!null" {
		return nil, errors.New("null is no keyword")
	}
	if m.kind == "" {
		m.where = "contains"
	}
	ms, err := c.matchers(m, v)
	if err != nil || ms == nil {
		return never{}, err
	}
	return &words{ms}, nil
}

func deref(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}
