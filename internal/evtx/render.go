package evtx

// From nodes to JSON.

import (
	"errors"
	"slices"
)

// renderer writes one event.
type renderer struct {
	c     *chunk
	out   []byte
	bound []bound // of all open elements, each behind its parent's
	texts []bound
}

// bound is a node with the values that go into it.
type bound struct {
	n      *node
	values []value
	key    string // of an element
}

// event writes the event that stands between pos and end.
func (c *chunk) event(pos, end int) ([]byte, error) {
	c.work = 0
	nodes, err := c.fragment(pos, end, 0, false)
	if err != nil {
		return nil, err
	}
	r := &c.r
	r.out, r.bound, r.texts = r.out[:0], r.bound[:0], r.texts[:0]
	if err := r.gather(nodes, nil, 0); err != nil {
		return nil, err
	}
	if len(r.bound) != 1 || r.bound[0].n.name != "Event" {
		return nil, errors.New("there is not one Event in it")
	}
	r.out = append(r.out, `{"Event":`...)
	if err := r.element(r.bound[0], 0); err != nil {
		return nil, err
	}
	r.out = append(r.out, '}')
	return r.out, nil
}

// gather collects the elements and texts of a content, those of templates and
// of fragments among the values included.
func (r *renderer) gather(nodes []node, values []value, depth int) error {
	if depth > mostDepth {
		return errors.New("it is nested too deep")
	}
	for i := range nodes {
		if r.c.work++; r.c.work > mostNodes {
			return errors.New("it holds too many elements")
		}
		n := &nodes[i]
		var err error
		switch n.kind {
		case isElement:
			err = r.child(n, values)
		case isText:
			r.texts = append(r.texts, bound{n: n})
		case isInstance:
			err = r.gather(n.nodes, n.values, depth+1)
		case isSlot:
			err = r.filled(n, values, depth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *renderer) child(n *node, values []value) error {
	if n.slot >= 0 && null(values, n.slot) {
		return nil
	}
	b := bound{n: n, values: values, key: n.name}
	if n.dataSet {
		b.key = r.dataName(n, values)
	}
	r.bound = append(r.bound, b)
	return nil
}

// dataName is the name that a Data element gives itself.
func (r *renderer) dataName(n *node, values []value) string {
	for i := range n.attrs {
		a := &n.attrs[i]
		if a.name != "Name" {
			continue
		}
		if len(a.nodes) == 1 && a.nodes[0].kind == isText {
			return a.nodes[0].text
		}
		if s := string(r.joined(nil, a.nodes, values)); s != "" {
			return s
		}
	}
	return n.name
}

// joined appends the plain text of pieces.
func (r *renderer) joined(dst []byte, nodes []node, values []value) []byte {
	for i := range nodes {
		switch n := &nodes[i]; {
		case n.kind == isText:
			dst = append(dst, n.text...)
		case n.kind == isSlot && !null(values, n.slot):
			dst = r.c.appendText(dst, values[n.slot])
		}
	}
	return dst
}

// filled takes the value at a place: a fragment is elements, all else is text.
func (r *renderer) filled(n *node, values []value, depth int) error {
	if null(values, n.slot) {
		return nil
	}
	v := values[n.slot]
	if v.kind != kindFragment {
		r.texts = append(r.texts, bound{n: n, values: values})
		return nil
	}
	inner, err := r.c.fragment(v.pos, v.end, depth+1, false)
	if err != nil {
		return err
	}
	return r.gather(inner, nil, depth+1)
}

func null(values []value, slot int) bool {
	return slot < 0 || slot >= len(values) || values[slot].kind == kindNull || values[slot].pos == values[slot].end
}

// element writes the value that an element has in JSON.
func (r *renderer) element(b bound, depth int) error {
	if depth > mostDepth {
		return errors.New("it is nested too deep")
	}
	if len(r.out) > mostJSON {
		return errors.New("it is too large")
	}
	from, text := len(r.bound), len(r.texts)
	if err := r.gather(b.n.nodes, b.values, depth); err != nil {
		return err
	}
	children, texts := r.bound[from:], r.texts[text:]
	attributes := r.attributes(b)
	var err error
	switch {
	case len(children) == 0 && !attributes:
		err = r.scalar(b, texts)
	default:
		err = r.object(b, attributes, children, texts, depth)
	}
	r.bound, r.texts = r.bound[:from], r.texts[:text]
	return err
}

// attributes says whether an element has attributes to be shown.
func (r *renderer) attributes(b bound) bool {
	for i := range b.n.attrs {
		if r.shown(b, &b.n.attrs[i]) {
			return true
		}
	}
	return false
}

func (r *renderer) shown(b bound, a *node) bool {
	if b.n.dataSet && a.name == "Name" {
		return false
	}
	for i := range a.nodes {
		if n := &a.nodes[i]; n.kind == isText || !null(b.values, n.slot) {
			return true
		}
	}
	return false
}

// scalar writes an element that is only text.
func (r *renderer) scalar(b bound, texts []bound) error {
	switch {
	case len(texts) > 0:
		return r.text(texts)
	case b.n.dataSet:
		r.out = append(r.out, `""`...)
	default:
		r.out = append(r.out, "null"...)
	}
	return nil
}

// text writes texts: one value in its own form, several as one string.
func (r *renderer) text(texts []bound) error {
	if t := texts[0]; len(texts) == 1 && t.n.kind == isSlot {
		var err error
		r.out, err = r.c.appendJSON(r.out, t.values[t.n.slot])
		return err
	}
	var all []byte
	for _, t := range texts {
		if t.n.kind == isText {
			all = append(all, t.n.text...)
		} else {
			all = r.c.appendText(all, t.values[t.n.slot])
		}
	}
	r.out = appendString(r.out, all)
	return nil
}

func (r *renderer) object(b bound, attributes bool, children, texts []bound, depth int) error {
	r.out = append(r.out, '{')
	if attributes {
		r.member("#attributes")
		r.out = append(r.out, '{')
		for i := range b.n.attrs {
			if a := &b.n.attrs[i]; r.shown(b, a) {
				r.member(a.name)
				if err := r.attribute(a, b.values); err != nil {
					return err
				}
			}
		}
		r.out = append(r.out, '}')
	}
	if err := r.children(children, depth); err != nil {
		return err
	}
	if len(texts) > 0 {
		r.member("#text")
		if err := r.text(texts); err != nil {
			return err
		}
	}
	r.out = append(r.out, '}')
	return nil
}

func (r *renderer) attribute(a *node, values []value) error {
	if len(a.nodes) == 1 && a.nodes[0].kind == isSlot {
		var err error
		r.out, err = r.c.appendJSON(r.out, values[a.nodes[0].slot])
		return err
	}
	r.out = appendString(r.out, r.joined(nil, a.nodes, values))
	return nil
}

// member writes a name, behind a comma where one is needed.
func (r *renderer) member(name string) {
	if r.out[len(r.out)-1] != '{' {
		r.out = append(r.out, ',')
	}
	r.out = appendString(r.out, name)
	r.out = append(r.out, ':')
}

// crowded is how many children are compared with each other without a map.
const crowded = 64

// children writes elements in the order of their first, those of one name
// together.
func (r *renderer) children(list []bound, depth int) error {
	var index map[string][]bound
	if len(list) > crowded {
		index = map[string][]bound{}
		for _, b := range list {
			index[b.key] = append(index[b.key], b)
		}
	}
	for i, b := range list {
		same, first := together(list, i, index)
		if !first {
			continue
		}
		if err := r.named(b.key, same, depth); err != nil {
			return err
		}
	}
	return nil
}

// together returns the elements that share the i-th one's name, and whether it
// is the first of them.
func together(list []bound, i int, index map[string][]bound) (same []bound, first bool) {
	if index != nil {
		same = index[list[i].key]
		delete(index, list[i].key)
		return same, same != nil
	}
	has := func(b bound) bool { return b.key == list[i].key }
	if slices.ContainsFunc(list[:i], has) {
		return nil, false
	}
	if !slices.ContainsFunc(list[i+1:], has) {
		return list[i : i+1], true
	}
	for _, b := range list[i:] {
		if has(b) {
			same = append(same, b)
		}
	}
	return same, true
}

// named writes a member: one element, or an array of several.
func (r *renderer) named(key string, list []bound, depth int) error {
	r.member(key)
	if len(list) == 1 {
		return r.element(list[0], depth+1)
	}
	r.out = append(r.out, '[')
	for i, b := range list {
		if i > 0 {
			r.out = append(r.out, ',')
		}
		if err := r.element(b, depth+1); err != nil {
			return err
		}
	}
	r.out = append(r.out, ']')
	return nil
}
