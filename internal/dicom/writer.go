package dicom

import (
	"bufio"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
)

// Writer writes one file. Its errors stay: after one, every call returns it.
type Writer struct {
	out      *bufio.Writer
	deflate  *flate.Writer
	order    binary.ByteOrder
	explicit bool
	stack    []frame
	head     [12]byte
	err      error
}

// NewWriter writes preamble (zeros) and meta information, and makes ready for
// a data set in the given transfer syntax. The group's length and version are
// written by it; meta holds the rest, in order of tags.
func NewWriter(w io.Writer, syntax string, meta []Attribute) (*Writer, error) {
	out := &Writer{out: bufio.NewWriterSize(w, bufferSize)}
	return out, out.begin(syntax, meta)
}

// Reset begins another file.
func (w *Writer) Reset(to io.Writer, syntax string, meta []Attribute) error {
	w.out.Reset(to)
	return w.begin(syntax, meta)
}

func (w *Writer) begin(syntax string, meta []Attribute) error {
	w.stack, w.deflate, w.err = w.stack[:0], nil, nil
	w.order, w.explicit = binary.LittleEndian, true
	var preamble [132]byte
	copy(preamble[128:], "DICM")
	w.write(preamble[:])
	w.meta(meta)
	if deflated(syntax) {
		if w.err == nil {
			w.err = w.out.Flush()
		}
		w.deflate, _ = flate.NewWriter(w.out, flate.DefaultCompression) // the level is a constant: it cannot fail
	}
	w.explicit = syntax != ImplicitLE && syntax != geImplicit
	if syntax == ExplicitBE {
		w.order = binary.BigEndian
	}
	return w.err
}

func (w *Writer) meta(meta []Attribute) {
	length := 12 + 2
	for _, a := range meta {
		length += 8 + (len(a.Value)+1)&^1
		if a.VR.long() {
			length += 4
		}
	}
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(length))
	w.Value(MetaLength, UL, b[:])
	w.Value(MetaVersion, OB, []byte{0, 1})
	for _, a := range meta {
		w.Value(a.Tag, a.VR, a.Value)
	}
}

func (w *Writer) write(b []byte) {
	if w.err != nil {
		return
	}
	if w.deflate != nil {
		_, w.err = w.deflate.Write(b)
	} else {
		_, w.err = w.out.Write(b)
	}
	if w.err != nil {
		w.err = fmt.Errorf("writing DICOM: %w", w.err)
	}
}

// header writes tag, representation and length.
func (w *Writer) header(t Tag, vr VR, length uint32) {
	b := w.head[:8]
	w.order.PutUint16(b, uint16(t>>16))
	w.order.PutUint16(b[2:], uint16(t))
	switch {
	case !w.explicit || t.Group() == 0xFFFE:
		w.order.PutUint32(b[4:], length)
	case vr.long() || length > 0xFFFE:
		if !vr.long() {
			vr = UN // PS3.5 6.2.2: what is too long for its representation
		}
		b = w.head[:12]
		b[4], b[5], b[6], b[7] = byte(vr>>8), byte(vr), 0, 0
		w.order.PutUint32(b[8:], length)
	default:
		b[4], b[5] = byte(vr>>8), byte(vr)
		w.order.PutUint16(b[6:], uint16(length))
	}
	w.write(b)
}

// Value writes an element, padded to even length.
func (w *Writer) Value(t Tag, vr VR, value []byte) error {
	odd := len(value) & 1
	w.header(t, vr, uint32(len(value)+odd))
	w.write(value)
	if odd == 1 {
		w.write([]byte{vr.pad()})
	}
	return w.err
}

// Copy writes an element whose value of n bytes comes from r.
func (w *Writer) Copy(t Tag, vr VR, n int64, r io.Reader) error {
	if n < 0 || n >= noLength-1 {
		return fmt.Errorf("writing DICOM element %s: a value of %d bytes has no place in the format", t, n)
	}
	w.header(t, vr, uint32(n+n&1))
	w.stream(n, r)
	if n&1 == 1 {
		w.write([]byte{vr.pad()})
	}
	return w.err
}

func (w *Writer) stream(n int64, r io.Reader) {
	if w.err != nil {
		return
	}
	to := io.Writer(w.out)
	if w.deflate != nil {
		to = w.deflate
	}
	done, err := io.CopyN(to, r, n)
	if err != nil {
		w.err = fmt.Errorf("copying a value of %d bytes after %d: %w", n, done, err)
	}
}

// Sequence begins a sequence of undefined length; implicit says that it was a
// UN whose content is implicit VR little endian. One that the dictionary knows
// becomes a plain sequence again; another stays what it is.
func (w *Writer) Sequence(t Tag, implicit bool) error {
	vr := SQ
	if w.order == binary.LittleEndian && Find(t).VR == SQ {
		implicit = false
	}
	if implicit && w.explicit {
		vr = UN
	}
	w.header(t, vr, noLength)
	w.push(frame{kind: SequenceStart, tag: t})
	if implicit {
		w.order, w.explicit = binary.LittleEndian, false
	}
	return w.err
}

// Item begins an item of the sequence just begun.
func (w *Writer) Item() error {
	w.header(itemTag, 0, noLength)
	w.push(frame{kind: ItemStart})
	return w.err
}

// Pixels begins encapsulated pixel data.
func (w *Writer) Pixels(t Tag, vr VR) error {
	w.header(t, vr, noLength)
	w.push(frame{kind: PixelStart})
	return w.err
}

// Fragment writes one fragment of n bytes from r.
func (w *Writer) Fragment(n int64, r io.Reader) error {
	if n < 0 || n >= noLength-1 {
		return fmt.Errorf("writing a fragment of DICOM pixel data: %d bytes have no place in the format", n)
	}
	w.header(itemTag, 0, uint32(n+n&1))
	w.stream(n, r)
	if n&1 == 1 {
		w.write([]byte{0})
	}
	return w.err
}

func (w *Writer) push(f frame) {
	f.outsideOrder, f.outsideExplicit = w.order, w.explicit
	w.stack = append(w.stack, f)
}

// End ends what was begun last: item, sequence or pixel data.
func (w *Writer) End() error {
	if len(w.stack) == 0 {
		panic("dicom: End without a beginning")
	}
	top := w.stack[len(w.stack)-1]
	w.stack = w.stack[:len(w.stack)-1]
	if top.kind == ItemStart {
		w.header(itemEnd, 0, 0)
	} else {
		w.header(sequenceEnd, 0, 0)
	}
	w.order, w.explicit = top.outsideOrder, top.outsideExplicit
	return w.err
}

// Close writes out what is buffered.
func (w *Writer) Close() error {
	if w.err == nil && len(w.stack) > 0 {
		w.err = fmt.Errorf("writing DICOM: %d sequences or items were not ended", len(w.stack))
	}
	if w.err == nil && w.deflate != nil {
		w.err = w.deflate.Close()
	}
	if w.err == nil {
		w.err = w.out.Flush()
	}
	return w.err
}

// Echo writes the reader's current element as it is. Group lengths are left
// out: they no longer say the truth.
func (w *Writer) Echo(r *Reader) error {
	e := &r.cur
	switch e.Kind {
	case Value:
		if e.Tag.GroupLength() {
			return w.err
		}
		return w.Copy(e.Tag, e.VR, e.Length, r)
	case SequenceStart:
		return w.Sequence(e.Tag, e.Implicit)
	case ItemStart:
		return w.Item()
	case PixelStart:
		return w.Pixels(e.Tag, e.VR)
	case Fragment:
		return w.Fragment(e.Length, r)
	default:
		return w.End()
	}
}

// Order is the byte order that numbers have to be written in here.
func (w *Writer) Order() binary.ByteOrder { return w.order }
