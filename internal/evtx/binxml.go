package evtx

// Binary XML: tokens that make elements, with templates whose values come with
// each event. A fragment is parsed into nodes once; a template is kept for as
// long as its chunk.

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The tokens of binary XML. Most may carry the bit more.
const (
	tokenEnd       = 0x00
	tokenOpen      = 0x01
	tokenContent   = 0x02
	tokenEmpty     = 0x03
	tokenClose     = 0x04
	tokenValue     = 0x05
	tokenAttribute = 0x06
	tokenCDATA     = 0x07
	tokenCharacter = 0x08
	tokenEntity    = 0x09
	tokenTarget    = 0x0a
	tokenData      = 0x0b
	tokenInstance  = 0x0c
	tokenSlot      = 0x0d
	tokenOptional  = 0x0e
	tokenFragment  = 0x0f

	more = 0x40
)

// The limits of what one chunk may cost.
const (
	mostNodes = 1 << 17 // of all templates of a chunk, and of one event
	mostDepth = 48      // elements, templates and fragments within each other
	mostJSON  = 4 << 20 // bytes of one event
)

// node is a piece of a fragment: an element, a text, a value to be put in, or a
// template with its values.
type node struct {
	kind    nodeKind
	name    string // of an element or attribute
	text    string
	slot    int // of a value; of an element, the value without which it is left out, or -1
	attrs   []node
	nodes   []node
	values  []value
	dataSet bool // a Data element with a Name, so that the name is the key
}

type nodeKind byte

const (
	isElement nodeKind = iota
	isText
	isSlot
	isInstance
)

// value is one value of a template's instance, at its place in the chunk.
type value struct {
	kind     byte
	pos, end int
}

// chunk is 64 KiB of records with what they share.
type chunk struct {
	data      []byte
	templates map[int][]node
	names     map[int]string
	kept      int // nodes of templates
	work      int // nodes of the event at hand
	r         renderer
}

func newChunk() *chunk {
	c := &chunk{data: make([]byte, chunkSize), templates: map[int][]node{}, names: map[int]string{}}
	c.r.c = c
	return c
}

func (c *chunk) reset() {
	clear(c.templates)
	clear(c.names)
	c.kept = 0
}

// cursor reads tokens. After an error it is at its end and reads zeros.
type cursor struct {
	c        *chunk
	pos, end int
	template bool // within a template's definition
	err      error
}

func (u *cursor) fail(reason string) {
	if u.err == nil {
		u.err = errors.New(reason)
	}
	u.pos = u.end
}

func (u *cursor) take(n int) []byte {
	if n < 0 || n > u.end-u.pos {
		u.fail("it ends in the middle")
		return make([]byte, min(max(n, 0), 32))
	}
	u.pos += n
	return u.c.data[u.pos-n : u.pos]
}

func (u *cursor) u8() byte    { return u.take(1)[0] }
func (u *cursor) u16() int    { return int(binary.LittleEndian.Uint16(u.take(2))) }
func (u *cursor) u32() uint32 { return binary.LittleEndian.Uint32(u.take(4)) }

// spend counts a node: those of templates for the chunk, which keeps them, the
// others for the event.
func (u *cursor) spend() {
	spent := &u.c.work
	if u.template {
		spent = &u.c.kept
	}
	if *spent++; *spent > mostNodes {
		u.fail("it holds too many elements")
	}
}

// peek is the next token without its bit more; the end when there is none.
func (u *cursor) peek() byte {
	if u.pos >= u.end {
		return tokenEnd
	}
	return u.c.data[u.pos] &^ more
}

// fragment parses what stands between pos and end.
func (c *chunk) fragment(pos, end, depth int, template bool) ([]node, error) {
	if pos < 0 || pos > end || end > len(c.data) {
		return nil, errors.New("a part lies outside of its chunk")
	}
	u := &cursor{c: c, pos: pos, end: end, template: template}
	nodes := u.content(depth)
	return nodes, u.err
}

// content parses up to a token that closes an element, or the end.
func (u *cursor) content(depth int) []node {
	var out []node
	if depth > mostDepth {
		u.fail("it is nested too deep")
	}
	for u.err == nil && u.pos < u.end {
		u.spend()
		switch u.peek() {
		case tokenEnd, tokenClose:
			return out
		case tokenFragment:
			u.take(4)
		case tokenOpen:
			out = append(out, u.element(depth))
		case tokenInstance:
			out = append(out, u.instance(depth))
		case tokenTarget:
			u.take(1)
			u.name()
		case tokenData:
			u.take(1)
			u.take(2 * u.u16())
		default:
			out = append(out, u.piece())
		}
	}
	return out
}

// element parses an element with its attributes and content.
func (u *cursor) element(depth int) node {
	token := u.u8()
	n := node{kind: isElement, slot: -1}
	if u.template { // elsewhere this is left out
		if slot := u.u16(); slot != 0xffff {
			n.slot = slot
		}
	}
	u.u32() // length
	n.name = u.name()
	if token&more != 0 {
		u.u32() // length
		for u.err == nil && u.peek() == tokenAttribute {
			n.attribute(u)
		}
	}
	switch u.u8() {
	case tokenEmpty:
		return n
	case tokenContent:
	default:
		u.fail("the begin of an element does not end")
		return n
	}
	n.nodes = u.content(depth + 1)
	if u.err == nil && u.u8() != tokenClose {
		u.fail("an element is not closed")
	}
	return n
}

// attribute adds an attribute, unless it declares a namespace.
func (n *node) attribute(u *cursor) {
	u.u8()
	a := node{kind: isElement, slot: -1, name: u.name()}
	for u.err == nil {
		switch u.peek() {
		case tokenValue, tokenCharacter, tokenEntity, tokenSlot, tokenOptional:
			u.spend()
			a.nodes = append(a.nodes, u.piece())
			continue
		}
		break
	}
	if a.name == "xmlns" || len(a.name) > 6 && a.name[:6] == "xmlns:" {
		return
	}
	n.dataSet = n.dataSet || n.name == "Data" && a.name == "Name"
	n.attrs = append(n.attrs, a)
}

// piece parses a text or a value's place.
func (u *cursor) piece() node {
	token := u.u8() &^ more
	switch token {
	case tokenValue:
		if kind := u.u8(); kind != kindString {
			u.fail(fmt.Sprintf("a text of kind %#x", kind))
		}
		return node{kind: isText, text: utf16Text(u.take(2 * u.u16()))}
	case tokenCDATA:
		return node{kind: isText, text: utf16Text(u.take(2 * u.u16()))}
	case tokenCharacter:
		return node{kind: isText, text: string(rune(u.u16()))}
	case tokenEntity:
		return node{kind: isText, text: u.entity(u.name())}
	case tokenSlot, tokenOptional:
		slot := u.u16()
		u.u8() // the kind; the value itself has one too
		return node{kind: isSlot, slot: slot}
	}
	u.fail(fmt.Sprintf("token %#x is not known", token))
	return node{kind: isText}
}

func (u *cursor) entity(name string) string {
	switch name {
	case "amp":
		return "&"
	case "lt":
		return "<"
	case "gt":
		return ">"
	case "quot":
		return `"`
	case "apos":
		return "'"
	}
	u.fail("an entity that XML does not have")
	return ""
}

// name reads a name by its place in the chunk; there it stands the first time
// it is used.
func (u *cursor) name() string {
	at := int(u.u32())
	inline := at == u.pos
	if u.err != nil {
		return ""
	}
	if name, ok := u.c.names[at]; ok && !inline {
		return name
	}
	if at < 0 || at > len(u.c.data)-8 {
		u.fail("a name lies outside of its chunk")
		return ""
	}
	length := 2 * int(binary.LittleEndian.Uint16(u.c.data[at+6:]))
	if length > len(u.c.data)-at-8 {
		u.fail("a name is longer than its chunk")
		return ""
	}
	if inline {
		u.take(8 + length + 2)
	}
	name := utf16Text(u.c.data[at+8 : at+8+length])
	u.c.names[at] = name
	return name
}

// instance parses a template's values, and the template when it is new.
func (u *cursor) instance(depth int) node {
	n := node{kind: isInstance}
	if u.template {
		u.fail("a template within a template")
		return n
	}
	u.take(6) // token, version, id
	at := int(u.u32())
	inline := at == u.pos
	if u.err != nil {
		return n
	}
	body, end, err := u.c.template(at, depth)
	if err != nil {
		u.fail("its template: " + err.Error())
		return n
	}
	if inline {
		u.take(end - at)
	}
	n.nodes = body
	n.values = u.values()
	return n
}

// template parses the definition at a place in the chunk, once.
func (c *chunk) template(at, depth int) (body []node, end int, err error) {
	if at < 0 || at > len(c.data)-24 {
		return nil, 0, errors.New("it lies outside of its chunk")
	}
	length := int(binary.LittleEndian.Uint32(c.data[at+20:]))
	if length < 0 || length > len(c.data)-at-24 {
		return nil, 0, errors.New("it is longer than its chunk")
	}
	end = at + 24 + length
	if body, ok := c.templates[at]; ok {
		return body, end, nil
	}
	body, err = c.fragment(at+24, end, depth+1, true)
	if err == nil {
		c.templates[at] = body
	}
	return body, end, err
}

// values reads the table of an instance's values.
func (u *cursor) values() []value {
	count := int(u.u32())
	if count < 0 || count > (u.end-u.pos)/4 {
		u.fail("there are more values than room for them")
		return nil
	}
	out := make([]value, count)
	table := u.take(4 * count)
	for i := range out {
		size := int(binary.LittleEndian.Uint16(table[4*i:]))
		pos := u.pos
		u.take(size)
		out[i] = value{table[4*i+2], pos, pos + size}
	}
	if u.err != nil {
		return nil
	}
	return out
}
