package office

import (
	"bytes"
	"context"
	"encoding/binary"
	"unicode/utf16"

	"github.com/cordon-health/cordon/classify"
)

// The special sectors of a compound file, and the bounds of what is kept of it.
const (
	oleMagic     = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
	oleEnd       = 0xfffffffe
	oleSectors   = 1 << 24 // of the allocation table
	oleEntries   = 1 << 16
	oleStreamMax = 256 << 20
)

// oleReader reads compound files: XLS, DOC, PPT and MSG, and says when one is
// an encrypted newer document.
type oleReader struct{}

var _ classify.Reader = oleReader{}

// Name is ole.
func (oleReader) Name() string { return "ole" }

// Claims goes by the first bytes.
func (oleReader) Claims(_ string, head []byte) bool { return bytes.HasPrefix(head, []byte(oleMagic)) }

// Read gives what the file's kind of document holds.
func (oleReader) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	c, err := openOLE(src)
	if err != nil {
		return err
	}
	o := &ole{ctx: ctx, compound: c, out: out}
	switch {
	case c.find("EncryptedPackage") >= 0:
		return classify.Encrypted
	case c.find("Workbook") >= 0:
		return o.xls("Workbook")
	case c.find("Book") >= 0:
		return o.xls("Book")
	case c.find("WordDocument") >= 0:
		return o.doc()
	case c.find("PowerPoint Document") >= 0:
		return o.ppt()
	case c.find("__properties_version1.0") >= 0:
		return o.msg()
	}
	return classify.Unsupported
}

type ole struct {
	ctx context.Context //nolint:containedctx // it lives as long as one Read
	*compound
	out classify.Sink
}

// compound is an open compound file.
type compound struct {
	src     classify.Source
	shift   uint
	fat     []uint32
	miniFAT []uint32
	mini    []byte
	cutoff  uint32
	entries []oleEntry
}

// oleEntry is a stream or a storage. Parent is the number of the storage it
// lies in.
type oleEntry struct {
	name               string
	kind               byte
	left, right, child uint32
	start              uint32
	size               uint64
	parent             int
}

var le = binary.LittleEndian

func openOLE(src classify.Source) (*compound, error) {
	head := make([]byte, 512)
	if _, err := src.ReadAt(head, 0); err != nil {
		return nil, classify.Truncated
	}
	c := &compound{src: src, shift: uint(le.Uint16(head[30:])), cutoff: le.Uint32(head[56:])}
	if c.shift != 9 && c.shift != 12 {
		return nil, classify.Damaged
	}
	if err := c.table(head); err != nil {
		return nil, err
	}
	var err error
	dir, err := c.chain(le.Uint32(head[48:]), oleEntries*128)
	if err != nil {
		return nil, err
	}
	c.directory(dir)
	if len(c.entries) == 0 {
		return nil, classify.Damaged
	}
	mini, err := c.chain(le.Uint32(head[60:]), oleSectors)
	if err != nil {
		return nil, err
	}
	c.miniFAT = numbers(mini)
	c.mini, err = c.chain(c.entries[0].start, min(int64(c.entries[0].size), oleStreamMax))
	return c, err
}

func numbers(b []byte) []uint32 {
	all := make([]uint32, len(b)/4)
	for i := range all {
		all[i] = le.Uint32(b[4*i:])
	}
	return all
}

// sector reads one.
func (c *compound) sector(n uint32) ([]byte, error) {
	b := make([]byte, 1<<c.shift)
	got, err := c.src.ReadAt(b, (int64(n)+1)<<c.shift)
	if got == 0 && err != nil {
		return nil, classify.Truncated
	}
	return b, nil
}

// table reads the allocation table: its first 109 sectors stand in the header,
// the rest in a chain.
func (c *compound) table(head []byte) error {
	list := numbers(head[76:512])
	most := int(c.src.Size()>>c.shift) + 1
	next := le.Uint32(head[68:])
	for next < oleEnd-4 && len(list) < most {
		b, err := c.sector(next)
		if err != nil {
			return err
		}
		n := numbers(b)
		list = append(list, n[:len(n)-1]...)
		next = n[len(n)-1]
	}
	for _, n := range list {
		if n >= oleEnd-4 {
			continue
		}
		if len(c.fat) >= min(most, oleSectors)+1<<c.shift {
			return nil
		}
		b, err := c.sector(n)
		if err != nil {
			return nil // what is missing is missed when it is asked for
		}
		c.fat = append(c.fat, numbers(b)...)
	}
	return nil
}

// chain reads the sectors that follow one another, up to a size.
func (c *compound) chain(at uint32, most int64) ([]byte, error) {
	var all []byte
	for steps := 0; at < oleEnd-4 && int64(len(all)) < most; steps++ {
		if int(at) >= len(c.fat) || steps > len(c.fat) {
			return all, classify.Damaged
		}
		b, err := c.sector(at)
		if err != nil {
			return all, err
		}
		all = append(all, b...)
		at = c.fat[at]
	}
	return all[:min(int64(len(all)), most)], nil
}

// directory reads the entries and finds out which storage each lies in.
func (c *compound) directory(b []byte) {
	for ; len(b) >= 128; b = b[128:] {
		n := min(int(le.Uint16(b[64:])), 64)
		e := oleEntry{kind: b[66], left: le.Uint32(b[68:]), right: le.Uint32(b[72:]), child: le.Uint32(b[76:]), start: le.Uint32(b[116:]), size: le.Uint64(b[120:]), parent: -1}
		if c.shift == 9 {
			e.size &= 0xffffffff
		}
		e.name = wideText(b[:max(n-2, 0)])
		c.entries = append(c.entries, e)
	}
	for i, e := range c.entries {
		if e.kind == 1 || e.kind == 5 {
			c.adopt(i, e.child)
		}
	}
}

// adopt marks a storage's tree of entries as its own.
func (c *compound) adopt(parent int, root uint32) {
	todo := []uint32{root}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if uint64(n) >= uint64(len(c.entries)) || n == 0 || c.entries[n].parent >= 0 {
			continue
		}
		c.entries[n].parent = parent
		todo = append(todo, c.entries[n].left, c.entries[n].right)
	}
}

// find is the number of a stream or storage in the root; -1 where there is none.
func (c *compound) find(name string) int { return c.findIn(0, name) }

func (c *compound) findIn(parent int, name string) int {
	for i, e := range c.entries {
		if e.parent == parent && e.name == name {
			return i
		}
	}
	return -1
}

// stream reads a stream.
func (c *compound) stream(i int) ([]byte, error) {
	if i < 0 {
		return nil, classify.Damaged
	}
	e := c.entries[i]
	if e.size > oleStreamMax {
		return nil, classify.TooLarge
	}
	if e.size >= uint64(c.cutoff) {
		b, err := c.chain(e.start, int64(e.size))
		if err == nil && uint64(len(b)) < e.size {
			err = classify.Truncated
		}
		return b, err
	}
	var all []byte
	at := e.start
	for steps := 0; at < oleEnd-4 && uint64(len(all)) < e.size; steps++ {
		if int(at) >= len(c.miniFAT) || steps > len(c.miniFAT) || (int(at)+1)*64 > len(c.mini)+63 || int(at)*64 > len(c.mini) {
			return all, classify.Damaged
		}
		all = append(all, c.mini[int(at)*64:min((int(at)+1)*64, len(c.mini))]...)
		at = c.miniFAT[at]
	}
	return all[:min(uint64(len(all)), e.size)], nil
}

// wideText decodes UTF-16LE.
func wideText(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = le.Uint16(b[2*i:])
	}
	return string(utf16.Decode(u))
}

// part reads a stream and says why it cannot.
func (o *ole) part(name string) []byte {
	b, err := o.stream(o.find(name))
	if err != nil {
		o.out.Unread(name, err)
	}
	return b
}

// ppt gives the texts of a PowerPoint file: records of text lie within records
// that hold others.
func (o *ole) ppt() error {
	b := o.part("PowerPoint Document")
	n := 0
	for len(b) >= 8 {
		if err := o.ctx.Err(); err != nil {
			return err
		}
		version, kind, size := le.Uint16(b)&0xf, le.Uint16(b[2:]), int64(le.Uint32(b[4:]))
		b = b[8:]
		if version == 0xf {
			continue // its records follow
		}
		size = min(size, int64(len(b)))
		text := ""
		switch kind {
		case 0x0fa0, 0x0fba:
			text = wideText(b[:size])
		case 0x0fa8:
			text = latin(b[:size])
		}
		b = b[size:]
		if n++; len(text) < 2 {
			continue
		}
		if err := o.out.Part(classify.Part{Path: "slides", Offset: -1, Text: bytes.ReplaceAll([]byte(text), []byte{'\r'}, []byte{'\n'})}); err != nil {
			return err
		}
	}
	return o.media("Pictures")
}

// media hands over what may hold images.
func (o *ole) media(name string) error {
	if i := o.find(name); i >= 0 {
		if b, err := o.stream(i); err == nil && len(b) > 0 {
			return o.out.Member(name, bytes.NewReader(b))
		}
	}
	return nil
}

// latin decodes bytes that are each a character.
func latin(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}
