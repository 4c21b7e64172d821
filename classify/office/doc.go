package office

import (
	"bytes"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/charmap"

	"github.com/cordon-health/cordon/classify"
)

// doc gives the paragraphs of a Word file. Its text lies in pieces, which a
// table in another stream puts in order.
func (o *ole) doc() error {
	b := o.part("WordDocument")
	if len(b) < 0x1aa {
		return classify.Truncated
	}
	flags := le.Uint16(b[10:])
	if flags&0x100 != 0 {
		return classify.Encrypted
	}
	tables := o.part(map[bool]string{false: "0Table", true: "1Table"}[flags&0x200 != 0])
	pieces, err := pieceTable(b, tables)
	if err != nil {
		return err
	}
	p := paragraphs{out: o.out}
	for _, piece := range pieces {
		if err := o.ctx.Err(); err != nil {
			return err
		}
		if err := p.add(piece); err != nil {
			return err
		}
	}
	if err := p.flush(); err != nil {
		return err
	}
	return o.media("Data")
}

// pieceTable finds the texts in order.
func pieceTable(b, tables []byte) ([]string, error) {
	at, size := uint64(le.Uint32(b[0x1a2:])), uint64(le.Uint32(b[0x1a6:]))
	if at+size > uint64(len(tables)) {
		return nil, classify.Truncated
	}
	clx := tables[at : at+size]
	for len(clx) > 3 && clx[0] == 1 { // formats of paragraphs
		n := 3 + int(le.Uint16(clx[1:]))
		if n > len(clx) {
			return nil, classify.Damaged
		}
		clx = clx[n:]
	}
	if len(clx) < 5 || clx[0] != 2 {
		return nil, classify.Damaged
	}
	plc := clx[5:]
	n := (len(plc) - 4) / 12
	var all []string
	for i := range n {
		from, to := le.Uint32(plc[4*i:]), le.Uint32(plc[4*i+4:])
		where := le.Uint32(plc[4*(n+1)+8*i+2:])
		if to < from {
			return all, nil
		}
		all = append(all, pieceText(b, where, uint64(to-from)))
	}
	return all, nil
}

// pieceText decodes a piece: bytes of Windows-1252, or UTF-16.
func pieceText(b []byte, where uint32, chars uint64) string {
	narrow := where&0x40000000 != 0
	at := uint64(where &^ 0x40000000)
	size := 2 * chars
	if narrow {
		at, size = at/2, chars
	}
	if at >= uint64(len(b)) {
		return ""
	}
	raw := b[at:min(at+size, uint64(len(b)))]
	if !narrow {
		return wideText(raw)
	}
	s, err := charmap.Windows1252.NewDecoder().Bytes(raw)
	if err != nil {
		return latin(raw)
	}
	return string(s)
}

// paragraphs cuts a text at Word's marks.
type paragraphs struct {
	out  classify.Sink
	text []byte
	n    int
}

func (p *paragraphs) add(s string) error {
	for _, r := range s {
		switch r {
		case '\r', 0x0c:
			if err := p.flush(); err != nil {
				return err
			}
		case 0x07: // the end of a cell
			p.text = append(p.text, '\t')
		case 0x0b:
			p.text = append(p.text, '\n')
		case 0x13, 0x14, 0x15, 0x01, 0x08: // fields, pictures
			p.text = append(p.text, ' ')
		default:
			p.text = append(p.text, string(r)...)
		}
		if len(p.text) > paragraphMost {
			if err := p.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *paragraphs) flush() error {
	text := bytes.TrimSpace(p.text)
	p.text = p.text[:0]
	if len(text) == 0 {
		return nil
	}
	p.n++
	return p.out.Part(classify.Part{Path: "paragraph " + strconv.Itoa(p.n), Offset: -1, Text: text})
}

// msg gives an Outlook message: its texts by their property, its attachments
// as members. Messages within it are storages of their own.
func (o *ole) msg() error {
	for i, e := range o.entries {
		if err := o.ctx.Err(); err != nil {
			return err
		}
		if e.kind != 2 || !strings.HasPrefix(e.name, "__substg1.0_") || len(e.name) != len("__substg1.0_")+8 {
			continue
		}
		if err := o.property(i, e.name[12:16], e.name[16:]); err != nil {
			return err
		}
	}
	return nil
}

// property gives one property of a message by its number and type.
func (o *ole) property(i int, id, kind string) error {
	e := o.entries[i]
	if id == "3701" && kind == "0102" {
		b, err := o.stream(i)
		if err != nil {
			o.out.Unread("attachment", err)
			return nil
		}
		return o.out.Member(o.attachmentName(e.parent), bytes.NewReader(b))
	}
	if kind == "0102" && id == "1013" { // HTML as bytes
		b, err := o.stream(i)
		if err != nil {
			return nil
		}
		return o.out.Member("body.html", bytes.NewReader(b))
	}
	if kind != "001F" && kind != "001E" {
		return nil
	}
	b, err := o.stream(i)
	if err != nil {
		o.out.Unread("property "+id, err)
		return nil
	}
	text := wideText(b)
	if kind == "001E" {
		t, _ := classify.TextBegins(b)
		text = string(t)
	}
	if len(strings.TrimSpace(text)) < 2 {
		return nil
	}
	field := msgField(id)
	return o.out.Part(classify.Part{Path: field, Field: field, Offset: -1, Text: []byte(text)})
}

func (o *ole) attachmentName(storage int) string {
	for _, id := range []string{"__substg1.0_3707001F", "__substg1.0_3704001F", "__substg1.0_3001001F"} {
		if b, err := o.stream(o.findIn(storage, id)); err == nil && len(b) > 0 {
			return wideText(b)
		}
	}
	return "attachment"
}

// msgField is what people call a property of a message.
func msgField(id string) string {
	switch id {
	case "0037":
		return "Subject"
	case "1000":
		return "Body"
	case "0C1A", "0042":
		return "From"
	case "0E04":
		return "To"
	case "0E03":
		return "Cc"
	case "007D":
		return "Headers"
	}
	return "property " + id
}
