package dicom

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

// Attribute is an element of the file meta information, kept whole.
type Attribute struct {
	Tag   Tag
	VR    VR
	Value []byte
}

// Reader reads one file. It may be used again for another after [Reader.Reset]
// and by one goroutine at a time.
type Reader struct {
	in       input
	meta     []Attribute
	syntax   string
	order    binary.ByteOrder
	explicit bool
	preamble bool

	stack []frame
	cur   Element
	left  int64 // bytes of the current value not yet passed
	big   []byte
}

// frame is what the reader is inside of.
type frame struct {
	kind     Kind  // SequenceStart, ItemStart, PixelStart
	end      int64 // -1: by a delimiter
	tag      Tag
	vr       VR
	items    int
	implicit bool
	// outside is the syntax to go back to.
	outsideOrder    binary.ByteOrder
	outsideExplicit bool
}

// NewReader begins to read a file: its preamble and meta information.
func NewReader(at io.ReaderAt, size int64) (*Reader, error) {
	r := new(Reader)
	return r, r.Reset(at, size)
}

// Reset begins another file.
func (r *Reader) Reset(at io.ReaderAt, size int64) error {
	in, stack, big := r.in, r.stack[:0], r.big
	*r = Reader{in: in, stack: stack, big: big, order: binary.LittleEndian, explicit: true}
	r.in.reset(at, size)
	if err := r.readPreamble(); err != nil {
		return err
	}
	if err := r.readMeta(); err != nil {
		return err
	}
	r.syntax = strings.TrimRight(string(r.metaValue(TransferSyntax)), "\x00 ")
	return r.begin()
}

// Syntax is the UID of the transfer syntax: as the file names it, corrected
// where the data set shows that it is another.
func (r *Reader) Syntax() string { return r.syntax }

// Meta is the file meta information, without its group length.
func (r *Reader) Meta() []Attribute { return r.meta }

func (r *Reader) metaValue(t Tag) []byte {
	for _, a := range r.meta {
		if a.Tag == t {
			return a.Value
		}
	}
	return nil
}

// Looks says whether head, a file's first bytes, can be DICOM: with preamble,
// or a data set that begins as one does.
func Looks(head []byte) bool {
	if len(head) >= 132 && string(head[128:132]) == "DICM" || bytes.HasPrefix(head, []byte("DICM\x02\x00")) {
		return true
	}
	_, _, ok := sniff(head)
	return ok
}

func (r *Reader) readPreamble() error {
	head, err := r.in.peek(132)
	if err != nil {
		return err
	}
	switch {
	case len(head) == 132 && string(head[128:]) == "DICM":
		r.preamble = true
		return r.in.skip(132)
	case bytes.HasPrefix(head, []byte("DICM\x02\x00")):
		return r.in.skip(4)
	}
	if _, _, ok := sniff(head); !ok {
		return ErrNotDICOM
	}
	return nil
}

// readMeta keeps all of group 2, always explicit little endian.
func (r *Reader) readMeta() error {
	total := 0
	for {
		b, err := r.in.peek(8)
		if err != nil {
			return err
		}
		if len(b) < 8 || binary.LittleEndian.Uint16(b) != metaGroup {
			return nil
		}
		if err := r.header(); err != nil {
			return err
		}
		if r.cur.Kind != Value {
			return r.fail(r.cur.At, "a sequence in the file meta information")
		}
		v, err := r.Bytes()
		if err != nil {
			return err
		}
		if total += len(v); total > maxMeta {
			return r.fail(r.cur.At, "the file meta information is too long")
		}
		if r.cur.Tag != MetaLength {
			r.meta = append(r.meta, Attribute{r.cur.Tag, r.cur.VR, bytes.Clone(v)})
		}
		if err := r.pass(); err != nil {
			return err
		}
	}
}

// begin sets the syntax of the data set, by its name and by its look.
func (r *Reader) begin() error {
	if deflated(r.syntax) {
		r.in.inflate()
		return nil
	}
	named := r.syntax
	r.order, r.explicit = binary.LittleEndian, true
	switch named {
	case ImplicitLE, geImplicit:
		r.explicit = false
	case ExplicitBE:
		r.order = binary.BigEndian
	}
	head, err := r.in.peek(16)
	if err != nil || len(head) == 0 {
		return err
	}
	order, explicit, ok := sniff(head)
	if !ok || named != "" && order == r.order && explicit == r.explicit {
		return nil
	}
	return r.correct(order, explicit)
}

func (r *Reader) correct(order binary.ByteOrder, explicit bool) error {
	r.order, r.explicit = order, explicit
	switch {
	case order == binary.BigEndian:
		r.syntax = ExplicitBE
	case !explicit:
		r.syntax = ImplicitLE
	case r.syntax == "" || r.syntax == ImplicitLE || r.syntax == ExplicitBE || r.syntax == geImplicit:
		r.syntax = ExplicitLE
	}
	return nil
}

// sniff guesses byte order and explicitness by a data set's first element.
func sniff(head []byte) (order binary.ByteOrder, explicit, ok bool) {
	if len(head) < 8 {
		return nil, false, false
	}
	vr := VR(head[4])<<8 | VR(head[5])
	little, big := binary.LittleEndian.Uint16(head), binary.BigEndian.Uint16(head)
	if vr.letters() && vr.Known() {
		if firstGroup(little) {
			return binary.LittleEndian, true, true
		}
		return binary.BigEndian, true, firstGroup(big)
	}
	length := binary.LittleEndian.Uint32(head[4:])
	return binary.LittleEndian, false, firstGroup(little) && (length < 1<<20 || length == noLength) && length&1 == 0
}

// firstGroup is true for groups that a data set begins with.
func firstGroup(g uint16) bool { return g >= 2 && g <= 0x20 }

// Next goes to the next element, past whatever was not read of the last. At
// the end of the file it returns io.EOF. The element is valid until the next
// call.
func (r *Reader) Next() (*Element, error) {
	if err := r.pass(); err != nil {
		return nil, err
	}
	var err error
	if n := len(r.stack); n == 0 {
		err = r.nextInData(nil)
	} else if top := &r.stack[n-1]; top.end >= 0 && r.in.pos >= top.end {
		err = r.close(top)
	} else if top.kind == ItemStart {
		err = r.nextInData(top)
	} else {
		err = r.nextItem(top)
	}
	if err != nil {
		return nil, err
	}
	return &r.cur, nil
}

// pass skips what is left of the current value.
func (r *Reader) pass() error {
	if r.left == 0 {
		return nil
	}
	n := r.left
	r.left = 0
	return r.in.skip(n)
}

// close ends the innermost frame at its defined length.
func (r *Reader) close(top *frame) error {
	if r.in.pos > top.end {
		return r.failTag(r.in.pos, top.tag, "its content is longer than itself")
	}
	r.pop(r.in.pos)
	return nil
}

// pop gives the end element of the innermost frame.
func (r *Reader) pop(at int64) {
	top := r.stack[len(r.stack)-1]
	r.stack = r.stack[:len(r.stack)-1]
	kind := top.kind + 1 // the end of each kind follows its start
	if kind == Fragment {
		kind = PixelEnd
	}
	r.cur = Element{Kind: kind, Tag: top.tag, VR: top.vr, At: at, Offset: r.in.pos, Depth: r.depth(), Implicit: top.implicit, Item: top.items}
	r.order, r.explicit = top.outsideOrder, top.outsideExplicit
}

func (r *Reader) depth() int {
	n := 0
	for i := range r.stack {
		if r.stack[i].kind == SequenceStart {
			n++
		}
	}
	return n
}

func (r *Reader) implicitUN() bool {
	return len(r.stack) > 0 && r.stack[len(r.stack)-1].implicit
}

// nextItem reads an item or a delimiter of a sequence or of pixel data.
func (r *Reader) nextItem(top *frame) error {
	at := r.in.pos
	b, err := r.in.peek(8)
	if err != nil {
		return err
	}
	if len(b) < 8 {
		return r.failTag(at, top.tag, "the file ends within it")
	}
	tag, length := r.tag(b), r.order.Uint32(b[4:])
	if err := r.in.skip(8); err != nil {
		return err
	}
	switch {
	case tag == sequenceEnd && top.end < 0:
		r.pop(at)
		return nil
	case tag != itemTag:
		return r.failTag(at, top.tag, "an item was expected here")
	}
	top.items++
	if top.kind == PixelStart {
		return r.fragment(top, at, length)
	}
	return r.item(top, at, length)
}

func (r *Reader) fragment(top *frame, at int64, length uint32) error {
	if length == noLength || int64(length) > r.room() {
		return r.failTag(at, top.tag, "a fragment goes beyond the end")
	}
	r.cur = Element{Kind: Fragment, Tag: top.tag, VR: top.vr, Length: int64(length), At: at, Offset: r.in.pos, Depth: r.depth(), Item: top.items}
	r.left = int64(length)
	return nil
}

func (r *Reader) item(top *frame, at int64, length uint32) error {
	end := int64(-1)
	if length != noLength {
		if int64(length) > r.room() {
			return r.failTag(at, top.tag, "an item goes beyond the end")
		}
		end = r.in.pos + int64(length)
	}
	r.cur = Element{Kind: ItemStart, Tag: top.tag, VR: top.vr, Length: int64(length), At: at, Offset: r.in.pos, Depth: r.depth(), Item: top.items, Implicit: top.implicit}
	r.push(frame{kind: ItemStart, end: end, tag: top.tag, vr: top.vr, items: top.items, implicit: top.implicit})
	return nil
}

func (r *Reader) push(f frame) {
	f.outsideOrder, f.outsideExplicit = r.order, r.explicit
	r.stack = append(r.stack, f)
}

// room is how many bytes fit into what encloses the position.
func (r *Reader) room() int64 {
	for i := len(r.stack) - 1; i >= 0; i-- {
		if r.stack[i].end >= 0 {
			return min(r.stack[i].end-r.in.pos, r.in.rest())
		}
	}
	return r.in.rest()
}

// nextInData reads the next element of the data set or of an item.
func (r *Reader) nextInData(item *frame) error {
	at := r.in.pos
	b, err := r.in.peek(8)
	if err != nil {
		return err
	}
	if len(b) == 0 && item == nil {
		return io.EOF
	}
	if len(b) == 8 && item != nil && r.tag(b) == itemEnd {
		if item.end >= 0 && item.end != at+8 {
			return r.failTag(at, item.tag, "a delimiter within an item that has a length")
		}
		err := r.in.skip(8)
		r.pop(at)
		return err
	}
	if item == nil && (len(b) < 8 || r.tag(b) == 0) && r.padding() {
		return io.EOF
	}
	return r.header()
}

// padding is true where nothing but zeros follows to the end of the file.
func (r *Reader) padding() bool {
	b, err := r.in.peek(bufferSize)
	return err == nil && len(b) < bufferSize && len(bytes.TrimLeft(b, "\x00")) == 0
}

func (r *Reader) tag(b []byte) Tag {
	return Tag(r.order.Uint16(b))<<16 | Tag(r.order.Uint16(b[2:]))
}

// header reads an element's tag, representation and length.
func (r *Reader) header() error {
	at := r.in.pos
	b, err := r.in.peek(12)
	if err != nil {
		return err
	}
	if len(b) < 8 {
		return r.fail(at, "the file ends within an element")
	}
	tag, n := r.tag(b), 8
	if tag.Group() == 0xFFFE {
		return r.failTag(at, tag, "an item or delimiter outside of a sequence")
	}
	vr, length := UN, uint32(0)
	switch {
	case !r.explicit:
		vr, length = Find(tag).VR, r.order.Uint32(b[4:])
	default:
		vr = VR(b[4])<<8 | VR(b[5])
		if !vr.letters() {
			return r.failTag(at, tag, "no value representation where one is due")
		}
		length = uint32(r.order.Uint16(b[6:]))
		if vr.long() {
			if n = 12; len(b) < n {
				return r.failTag(at, tag, "the file ends within its header")
			}
			length = r.order.Uint32(b[8:])
		}
	}
	if err := r.in.skip(int64(n)); err != nil {
		return err
	}
	r.cur = Element{Kind: Value, Tag: tag, VR: vr, Length: int64(length), At: at, Offset: r.in.pos, Depth: r.depth(), Implicit: r.implicitUN()}
	return r.content(length)
}

// content decides what the element just read holds.
func (r *Reader) content(length uint32) error {
	e := &r.cur
	if length == noLength {
		return r.undefined()
	}
	if e.Length > r.room() {
		return r.failTag(e.At, e.Tag, "its value goes beyond the end")
	}
	if e.VR == SQ || e.VR == UN && r.hiddenSequence() {
		return r.sequence(r.in.pos + e.Length)
	}
	r.left = e.Length
	return nil
}

// hiddenSequence is true for a UN that the dictionary knows as a sequence, and
// for any UN that begins as one: what is inside must be seen.
func (r *Reader) hiddenSequence() bool {
	if r.cur.Length < 8 || !r.cur.Tag.Private() && Find(r.cur.Tag).VR != SQ {
		return false
	}
	b, err := r.in.peek(8)
	if err != nil || len(b) < 8 || binary.LittleEndian.Uint32(b) != 0xE000FFFE {
		return false
	}
	n := binary.LittleEndian.Uint32(b[4:])
	return n == noLength || int64(n)+8 <= r.cur.Length
}

func (r *Reader) undefined() error {
	e := &r.cur
	e.Length = -1
	switch {
	case e.VR == SQ || e.VR == UN && e.Tag != PixelData:
		return r.sequence(-1)
	case e.VR == OB || e.VR == OW || e.Tag == PixelData:
		e.Kind = PixelStart
		r.push(frame{kind: PixelStart, end: -1, tag: e.Tag, vr: e.VR, implicit: e.Implicit})
		return nil
	}
	return r.failTag(e.At, e.Tag, "a value of undefined length that may not have one")
}

func (r *Reader) sequence(end int64) error {
	e := &r.cur
	if len(r.stack) >= 2*MaxDepth {
		return r.failTag(e.At, e.Tag, "sequences are nested too deep")
	}
	e.Kind = SequenceStart
	implicit := e.Implicit || e.VR == UN && r.explicit
	e.Implicit = implicit
	r.push(frame{kind: SequenceStart, end: end, tag: e.Tag, vr: e.VR, implicit: implicit})
	if implicit {
		r.order, r.explicit = binary.LittleEndian, false
	}
	return nil
}

// Bytes reads the current value whole. It is valid until the next call of the
// reader; one longer than [MaxValue] is an error, and can be passed over or
// copied.
func (r *Reader) Bytes() ([]byte, error) {
	n := r.left
	if n > MaxValue {
		return nil, r.failTag(r.cur.At, r.cur.Tag, "its value is too long to be held")
	}
	if n <= bufferSize {
		b, err := r.in.peek(int(n))
		if err == nil && int64(len(b)) < n {
			err = r.failTag(r.cur.At, r.cur.Tag, "the file ends within its value")
		}
		return b, err
	}
	return r.bigBytes(n)
}

// bigBytes grows with what is really there, not with what is claimed.
func (r *Reader) bigBytes(n int64) ([]byte, error) {
	r.big = r.big[:0]
	for int64(len(r.big)) < n {
		had := len(r.big)
		r.big = append(r.big, make([]byte, min(n-int64(had), int64(max(had, bufferSize))))...)
		m, err := io.ReadFull(r, r.big[had:])
		if err != nil {
			return nil, r.failTag(r.cur.At, r.cur.Tag, "the file ends within its value")
		}
		r.big = r.big[:had+m]
	}
	return r.big, nil
}

// Read reads on in the current value, to io.EOF at its end.
func (r *Reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.in.read(p)
	r.left -= int64(n)
	if errors.Is(err, io.EOF) && r.left > 0 {
		return n, r.failTag(r.cur.At, r.cur.Tag, "the file ends within its value")
	}
	return n, err
}

// NextFragment goes to the next fragment of encapsulated pixel data, past the
// offset table, and gives its length and bytes; after the last, and past the
// end of the pixel data, io.EOF.
func (r *Reader) NextFragment() (int64, io.Reader, error) {
	for {
		e, err := r.Next()
		switch {
		case err != nil:
			return 0, nil, err
		case e.Kind == PixelEnd:
			return 0, nil, io.EOF
		case e.Kind != Fragment:
			return 0, nil, r.failTag(e.At, e.Tag, "a fragment was expected here")
		case e.Item > 1:
			return e.Length, r, nil
		}
	}
}

// Explicit and BigEndian say how the values at this position are written.
func (r *Reader) Explicit() bool { return r.explicit }

// BigEndian is true where numbers have their high byte first.
func (r *Reader) BigEndian() bool { return r.order == binary.BigEndian }

// Order is the byte order of numbers at this position.
func (r *Reader) Order() binary.ByteOrder { return r.order }

func (r *Reader) fail(at int64, why string) error { return &Error{At: at, Why: why} }

func (r *Reader) failTag(at int64, t Tag, why string) error {
	return &Error{At: at, Tag: t, Why: why}
}
