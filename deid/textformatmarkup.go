package deid

import (
	"bytes"
	"html"
	"strings"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/xmlscan"
)

// markup rewrites HTML or XML. The text of a block is searched as people see
// it: entities read, and over the tags that stand within a text.
func (v *textValues) markup(data []byte, xml bool) []byte {
	m := &markupCleaner{textValues: v, data: data, xml: xml, learning: true}
	m.walk()
	c := &markupCleaner{textValues: v, data: data, xml: xml}
	c.walk()
	return c.out
}

// tagMost is the longest tag; what is longer is text.
const tagMost = 16 << 20

// markupCleaner is one document on its way. A block is gathered in pieces and
// written when it ends.
type markupCleaner struct {
	*textValues
	data     []byte
	xml      bool
	learning bool
	out      []byte

	pieces []markupPiece
	text   []byte // of the block, as it is read
	open   []markupLevel
	before string // the text of the block before
	heads  []string
	column int
	row    int
	inCell bool
	isHead bool
}

// markupPiece is a part of a block: a tag, which stays where it is, a text, or
// an entity; from and to are places in the text of the block.
type markupPiece struct {
	src      []byte
	from, to int
	raw      bool // of CDATA
	entity   bool
}

type markupLevel struct {
	name, field string
	kind        classify.Kind
}

func (m *markupCleaner) walk() {
	at := 0
	for at < len(m.data) {
		if m.data[at] != '<' {
			n := bytes.IndexByte(m.data[at:], '<')
			if n < 0 {
				n = len(m.data) - at
			}
			m.texts(m.data[at : at+n])
			at += n
			continue
		}
		at += m.angle(m.data[at:])
	}
	m.end()
}

// angle takes what begins with "<" and says how long it is.
func (m *markupCleaner) angle(rest []byte) int {
	switch {
	case bytes.HasPrefix(rest, []byte("<!--")):
		n := through(rest, 4, "-->")
		m.gone(rest[:n])
		return n
	case bytes.HasPrefix(rest, []byte("<![CDATA[")):
		n := through(rest, 9, "]]>")
		m.piece(markupPiece{src: rest[:9], from: len(m.text), to: len(m.text)})
		body := bytes.TrimSuffix(rest[9:n], []byte("]]>"))
		m.piece(markupPiece{src: body, from: len(m.text), to: len(m.text) + len(body), raw: true})
		m.text = append(m.text, body...)
		m.piece(markupPiece{src: rest[9+len(body) : n], from: len(m.text), to: len(m.text)})
		return n
	case bytes.HasPrefix(rest, []byte("<?")):
		n := through(rest, 2, "?>")
		m.end()
		if bytes.HasPrefix(rest, []byte("<?xml")) {
			m.write(rest[:n])
		} else {
			m.gone(rest[:n])
		}
		return n
	case bytes.HasPrefix(rest, []byte("<!")):
		n := through(rest, 2, ">")
		m.end()
		m.write(rest[:n])
		return n
	}
	tag, ok := readTag(rest[:min(len(rest), tagMost)], m.xml)
	if !ok {
		m.texts(rest[:1])
		return 1
	}
	return m.tag(rest, tag)
}

// through is the length up to the end of what ends with a text.
func through(rest []byte, from int, end string) int {
	if i := bytes.Index(rest[min(from, len(rest)):], []byte(end)); i >= 0 {
		return from + i + len(end)
	}
	return len(rest)
}

func (m *markupCleaner) write(b []byte) {
	if !m.learning {
		m.out = append(m.out, b...)
	}
}

// gone counts what is left out: comments and programs, which nobody sees.
func (m *markupCleaner) gone(b []byte) {
	if !m.learning && len(b) > 0 {
		m.report.Count(Remove, classify.None)
		m.report.Note("comments and scripts were removed")
	}
}

func (m *markupCleaner) piece(p markupPiece) { m.pieces = append(m.pieces, p) }

// texts takes text with its entities.
func (m *markupCleaner) texts(src []byte) {
	for len(src) > 0 {
		n := bytes.IndexByte(src, '&')
		if n < 0 {
			n = len(src)
		}
		if n > 0 {
			m.piece(markupPiece{src: src[:n], from: len(m.text), to: len(m.text) + n})
			m.text = append(m.text, src[:n]...)
			src = src[n:]
			continue
		}
		n, value := entityAt(src)
		m.piece(markupPiece{src: src[:n], from: len(m.text), to: len(m.text) + len(value), entity: true})
		m.text = append(m.text, value...)
		src = src[n:]
	}
}

// entityAt reads the entity a text begins with; what is none is an ampersand.
func entityAt(src []byte) (n int, value string) {
	n = 1
	for n < len(src) && n < 40 && (src[n] == '#' && n == 1 || isDigit(src[n]) || src[n]|0x20 >= 'a' && src[n]|0x20 <= 'z') {
		n++
	}
	if n < len(src) && src[n] == ';' {
		n++
	}
	written := string(src[:n])
	value = html.UnescapeString(written)
	switch value {
	case written:
		return 1, "&"
	case "\u00a0", "\u2007", "\u202f":
		return n, " "
	case "\u00ad", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff":
		return n, ""
	case "\u2010", "\u2011", "\u2012", "\u2013", "\u2212":
		return n, "-"
	}
	return n, value
}

// markupTag is a tag as it stands.
type markupTag struct {
	name  string // local, in lower case outside of XML
	size  int
	end   bool
	empty bool
	attrs []xmlscan.Attr
}

// readTag reads a tag, forgivingly; ok is false where none begins.
func readTag(rest []byte, xml bool) (t markupTag, ok bool) {
	i := 1
	if i < len(rest) && rest[i] == '/' {
		t.end, i = true, 2
	}
	from := i
	for i < len(rest) && !isSpaceByte(rest[i]) && rest[i] != '>' && rest[i] != '/' && rest[i] != '<' {
		i++
	}
	full := rest[from:i]
	if len(full) == 0 || !xml && (full[0]|0x20 < 'a' || full[0]|0x20 > 'z') {
		return t, false
	}
	t.name = string(full[bytes.LastIndexByte(full, ':')+1:])
	if !xml {
		if t.name = strings.ToLower(t.name); !isHTML(t.name) {
			return t, false // john@example.org, and what else people put so
		}
	}
	for {
		for i < len(rest) && (isSpaceByte(rest[i]) || rest[i] == '/') {
			t.empty = rest[i] == '/'
			i++
		}
		if i >= len(rest) {
			return t, false
		}
		if rest[i] == '>' {
			t.size = i + 1
			return t, true
		}
		t.empty = false
		var a xmlscan.Attr
		if a, i, ok = readAttr(rest, i); !ok {
			return t, false
		}
		t.attrs = append(t.attrs, a)
	}
}

func isSpaceByte(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' }

func readAttr(rest []byte, i int) (a xmlscan.Attr, next int, ok bool) {
	a.At = i
	for i < len(rest) && !isSpaceByte(rest[i]) && rest[i] != '=' && rest[i] != '>' && rest[i] != '<' && (rest[i] != '/' || i == a.At) {
		i++
	}
	a.Full = rest[a.At:i]
	a.Name = a.Full[bytes.LastIndexByte(a.Full, ':')+1:]
	a.From, a.To = i, i
	at := i
	for at < len(rest) && isSpaceByte(rest[at]) {
		at++
	}
	if at >= len(rest) || rest[at] != '=' {
		return a, i, i > a.At
	}
	for at++; at < len(rest) && isSpaceByte(rest[at]); at++ {
	}
	if at < len(rest) && (rest[at] == '"' || rest[at] == '\'') {
		n := bytes.IndexByte(rest[at+1:], rest[at])
		if n < 0 {
			return a, i, false
		}
		a.From, a.To = at+1, at+1+n
		a.Value = rest[a.From:a.To]
		return a, a.To + 1, true
	}
	a.From = at
	for at < len(rest) && !isSpaceByte(rest[at]) && rest[at] != '>' {
		at++
	}
	a.To = at
	a.Value = rest[a.From:a.To]
	return a, at, true
}

// isInline says whether a tag stands within a text.
func isInline(name string) bool { return strings.Contains(inlineTags, " "+strings.ToLower(name)+" ") }

const inlineTags = " a b i u em strong span font small big sub sup code mark s o abbr acronym bdi bdo cite del dfn ins kbd nobr q samp strike time tt var wbr label data ruby rb rt rp "

const blockTags = " html head body title meta link base style script noscript template div p br hr h1 h2 h3 h4 h5 h6 table thead tbody tfoot tr td th caption col colgroup " +
	"ul ol li dl dt dd pre blockquote address article aside section header footer main nav figure figcaption form input textarea select option optgroup button fieldset legend " +
	"img picture source audio video track iframe embed object param canvas svg math map area center dir menu details summary dialog output meter progress frame frameset noframes plaintext xmp marquee "

func isHTML(name string) bool {
	return strings.Contains(inlineTags, " "+name+" ") || strings.Contains(blockTags, " "+name+" ")
}

// tag takes a tag and says how much of the text it took with it.
func (m *markupCleaner) tag(rest []byte, t markupTag) int {
	inline := isInline(t.name)
	if !inline {
		m.end()
	}
	written := m.attributes(rest[:t.size], t)
	if inline {
		m.piece(markupPiece{src: written, from: len(m.text), to: len(m.text)})
		return t.size
	}
	m.write(written)
	if !m.xml && !t.end && (t.name == "script" || t.name == "style") {
		return t.size + m.program(rest[t.size:], t.name)
	}
	m.place(t)
	return t.size
}

// program leaves out a script, and a style in which anything may be said.
func (m *markupCleaner) program(rest []byte, name string) int {
	n := 0
	for n < len(rest) {
		i := bytes.Index(rest[n:], []byte("</"))
		if i < 0 {
			n = len(rest)
			break
		}
		n += i
		if end := n + 2 + len(name); end <= len(rest) && strings.EqualFold(string(rest[n+2:end]), name) {
			break
		}
		n += 2
	}
	m.gone(rest[:n])
	return n
}

// place follows what is open, and the cells of tables.
func (m *markupCleaner) place(t markupTag) {
	switch {
	case t.end:
		m.close(t.name)
	case !t.empty && len(m.open) < xmlscan.MaxDepth && (m.xml || !isVoid(t.name)):
		m.push(t)
	}
	if m.xml {
		return
	}
	switch t.name {
	case "table":
		m.heads, m.row, m.column, m.inCell = nil, 0, 0, false
	case "tr":
		m.column, m.inCell = 0, false
		if !t.end {
			m.row++
		}
	case "td", "th":
		m.inCell, m.isHead = !t.end, t.name == "th"
		if !t.end {
			m.column++
		}
	}
}

func isVoid(name string) bool {
	return strings.Contains(" br hr img input meta link base col area embed source track param wbr ", " "+name+" ")
}

// push opens an element: its name is the field of its text, or what an
// attribute says it is.
func (m *markupCleaner) push(t markupTag) {
	level := markupLevel{name: t.name}
	if m.xml {
		level.field = t.name
		level.kind = m.heading(t.name)
		if n := len(m.open); n > 0 && level.kind == classify.None && passesDown(m.open[n-1].kind, m.open[n-1].field) {
			level.kind, level.field = m.open[n-1].kind, m.open[n-1].field
		}
		for _, a := range t.attrs {
			if level.kind == classify.None && isFieldKey(string(a.Name)) {
				level.kind = m.heading(html.UnescapeString(string(a.Value)))
			}
		}
	}
	m.open = append(m.open, level)
}

func (m *markupCleaner) close(name string) {
	for i := len(m.open) - 1; i >= 0; i-- {
		if m.open[i].name == name {
			m.open = m.open[:i]
			return
		}
	}
}

// end writes the block gathered so far.
func (m *markupCleaner) end() {
	if len(m.pieces) == 0 {
		return
	}
	kind, field := m.field()
	text := m.text
	if !blank(text) {
		if m.learning {
			m.learn(kind, bytes.TrimSpace(text))
			if kind == classify.MRN && m.patient == "" {
				m.about(text)
			}
		}
		m.before = strings.TrimSpace(string(text[:min(len(text), 97)]))
		m.remember()
	}
	if !m.learning {
		m.out = m.block(kind, field)
	}
	m.pieces, m.text = m.pieces[:0], m.text[:0]
}

// field is what is said of the block: by its element, its column, or the block
// before it.
func (m *markupCleaner) field() (classify.Kind, string) {
	if m.xml {
		if n := len(m.open); n > 0 {
			return m.open[n-1].kind, m.open[n-1].field
		}
		return classify.None, ""
	}
	if own := strings.TrimSpace(string(m.text[:min(len(m.text), 97)])); m.isHead && m.inCell || m.heading(own) != classify.None {
		return classify.None, ""
	}
	if i := m.column - 1; m.inCell && i >= 0 && i < len(m.heads) && m.heads[i] != "" {
		if kind := m.heading(m.heads[i]); kind != classify.None {
			return kind, m.heads[i]
		}
	}
	if kind := m.heading(m.before); kind != classify.None && len(bytes.TrimSpace(m.text)) <= 64 {
		return kind, m.before
	}
	return classify.None, ""
}

// remember keeps the headings of a table's columns.
func (m *markupCleaner) remember() {
	if !m.inCell || m.column > columnMost || !m.isHead && (m.row != 1 || m.heading(m.before) == classify.None) {
		return
	}
	for len(m.heads) < m.column {
		m.heads = append(m.heads, "")
	}
	m.heads[m.column-1] = m.before
}

// block writes a block with what was found in it replaced; the tags within
// stay.
func (m *markupCleaner) block(kind classify.Kind, field string) []byte {
	found := m.replaced(kind, field)
	dst := m.out
	for _, p := range m.pieces {
		if p.from == p.to && (!p.entity || !within1(found, p.from)) {
			dst = append(dst, p.src...)
			continue
		}
		dst = p.write(dst, m.text, found)
	}
	return dst
}

// within1 says whether a place lies inside one of the pieces.
func within1(found []pinned, at int) bool {
	for _, f := range found {
		if f.from < at && at < f.to {
			return true
		}
	}
	return false
}

// replaced is what stands for which part of the block.
func (m *markupCleaner) replaced(kind classify.Kind, field string) (all []pinned) {
	from, to := inner(m.text)
	if from == to {
		return nil
	}
	core := m.text[from:to]
	if m.whole(kind, core) || hasEncoded(core) || (core[0] == '{' || core[0] == '[') && m.isJSON(core) || m.xml && m.nested < mostNested && hasMarkup(core) {
		m.nested++
		out := m.clean(nil, kind, field, core)
		m.nested--
		if bytes.Equal(out, core) {
			return nil
		}
		return []pinned{{from, to, kind, out}}
	}
	for _, p := range m.find(classify.None, field, m.text) {
		p.stand = m.textValues.piece(nil, p, m.text[p.from:p.to])
		all = append(all, p)
	}
	return all
}

// write writes a text or entity, with what was found in its place.
func (p markupPiece) write(dst, text []byte, found []pinned) []byte {
	at, begun := p.from, len(dst)
	touched := false
	for _, f := range found {
		if f.to <= p.from || f.from >= p.to {
			continue
		}
		touched = true
		dst = p.copy(dst, text, at, max(f.from, p.from))
		if f.from >= p.from {
			dst = p.escape(dst, f.stand)
		}
		at = min(f.to, p.to)
	}
	if !touched {
		return append(dst, p.src...)
	}
	dst = p.copy(dst, text, at, p.to)
	if p.raw {
		body := bytes.ReplaceAll(dst[begun:], []byte("]]>"), []byte("]]]]><![CDATA[>"))
		dst = append(dst[:begun], body...)
	}
	return dst
}

// copy writes a part of the piece as it stood.
func (p markupPiece) copy(dst, text []byte, from, to int) []byte {
	switch {
	case from >= to:
		return dst
	case p.entity:
		return p.escape(dst, text[from:to])
	}
	return append(dst, p.src[from-p.from:to-p.from]...)
}

func (p markupPiece) escape(dst, text []byte) []byte {
	if p.raw {
		return append(dst, text...)
	}
	return xmlscan.AppendText(dst, text)
}

// attributes is a tag with the values of its attributes cleaned.
func (m *markupCleaner) attributes(tag []byte, t markupTag) []byte {
	if m.learning || t.end {
		return tag
	}
	said := m.said(t)
	var out []byte
	copied := 0
	for _, a := range t.attrs {
		value := []byte(html.UnescapeString(string(a.Value)))
		if a.Value == nil {
			value = a.Full
		}
		clean := m.attribute(a, value, said, t.name)
		if bytes.Equal(clean, value) {
			continue
		}
		from, to := a.From, a.To
		if a.Value == nil {
			from, to = a.At, a.At+len(a.Full)
		}
		out = append(out, tag[copied:from]...)
		out = appendAttr(out, clean, a, tag)
		copied = to
	}
	return append(out, tag[copied:]...)
}

// appendAttr writes a value, in quotes where it had none.
func appendAttr(dst, clean []byte, a xmlscan.Attr, tag []byte) []byte {
	quoted := a.Value != nil && a.From > 0 && (tag[a.From-1] == '"' || tag[a.From-1] == '\'')
	if quoted || a.Value == nil {
		return xmlscan.AppendText(dst, clean)
	}
	return append(xmlscan.AppendText(append(dst, '"'), clean), '"')
}

// said is the field that a tag's own attributes name.
func (m *markupCleaner) said(t markupTag) (field string) {
	for _, a := range t.attrs {
		switch strings.ToLower(string(a.Name)) {
		case "name", "id", "property", "key", "field", "label", "itemprop", "placeholder":
			if value := html.UnescapeString(string(a.Value)); m.heading(value) != classify.None {
				return value
			}
		}
	}
	if m.xml && m.heading(t.name) != classify.None {
		return t.name
	}
	return ""
}

func (m *markupCleaner) attribute(a xmlscan.Attr, value []byte, said, tag string) []byte {
	name := strings.ToLower(string(a.Name))
	field, kind := string(a.Name), classify.None
	switch {
	case len(value) == 0 || strings.HasPrefix(string(a.Full), "xmlns"):
		return value
	case bytes.HasPrefix(bytes.ToLower(bytes.TrimSpace(value)), []byte("data:")) && (name == "src" || name == "href" || name == "data" || name == "content"):
		m.gone(value)
		return nil
	case name == "value" || name == "content" || name == "extension":
		field, kind = said, m.heading(said)
	case isFieldKey(name) || name == "id" || name == "property" || name == "itemprop" || name == "placeholder":
		if m.heading(string(value)) != classify.None {
			return value
		}
		if m.xml {
			kind = m.heading(field)
		}
	case m.xml || strings.HasPrefix(name, "data-"):
		field = strings.TrimPrefix(field, "data-")
		kind = m.heading(field)
	case strings.Contains(" class style width height colspan rowspan align valign type rel charset http-equiv lang dir border color bgcolor method role target media for ", " "+name+" "):
		return m.textValues.key(nil, value)
	}
	if a.Value == nil {
		return m.textValues.key(nil, value)
	}
	return m.clean(nil, kind, field, value)
}

// hasMarkup says whether a text holds tags of HTML or entities.
func hasMarkup(text []byte) bool {
	for i := 0; i < len(text); i++ {
		next := bytes.IndexAny(text[i:], "<&")
		if next < 0 {
			return false
		}
		i += next
		if markupAt(text[i:]) {
			return true
		}
	}
	return false
}

// markupAt says whether a tag of HTML or an entity begins here.
func markupAt(text []byte) bool {
	if text[0] == '&' {
		n, value := entityAt(text[:min(len(text), 48)])
		return n > 2 && value != "&" && (text[n-1] == ';' || text[1] == '#') || n > 4 && value == "&"
	}
	if bytes.HasPrefix(text, []byte("<!--")) || bytes.HasPrefix(text, []byte("<![CDATA[")) {
		return true
	}
	_, ok := readTag(text[:min(len(text), 4096)], false)
	return ok
}
