package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/ulikunitz/xz/lzma"

	"github.com/cordon-health/cordon/classify"
)

// The ids of a 7z header's parts, as its format names them.
const (
	sevenEnd = iota
	sevenHeader
	sevenProperties
	sevenAdditional
	sevenMain
	sevenFiles
	sevenPack
	sevenUnpack
	sevenSubstreams
	sevenSize
	sevenCRC
	sevenFolder
	sevenUnpackSize
	sevenNumStreams
	sevenEncoded = 0x17
)

// modest says whether the header of a 7z file asks for no more memory than its
// own length and the bound of a decoder allow: the library makes room for as
// many files and as large a dictionary as it is told, before it looks further.
func modest(src classify.Source) error {
	var start [32]byte
	if _, err := src.ReadAt(start[:], 0); err != nil {
		return classify.Truncated
	}
	le := binary.LittleEndian
	at, size := le.Uint64(start[12:]), le.Uint64(start[20:])
	if size == 0 {
		return nil
	}
	if size > directoryMost {
		return classify.TooLarge
	}
	if rest := uint64(max(src.Size()-32, 0)); at > rest || size > rest-at {
		return classify.Truncated
	}
	head := make([]byte, size)
	if _, err := src.ReadAt(head, int64(32+at)); err != nil && !errors.Is(err, io.EOF) {
		return classify.Truncated
	}
	for range 4 { // a packed header may be packed again
		h := &sevenWalk{b: head}
		id := h.byte()
		if id != sevenEncoded {
			h.header(id)
			return h.why
		}
		h.streams(h.byte())
		if h.why != nil {
			return h.why
		}
		var err error
		if head, err = h.unpack(src); err != nil {
			return err
		}
	}
	return classify.TooDeep
}

// sevenWalk walks over a header and holds each count to the header's length.
type sevenWalk struct {
	b   []byte
	why error

	packAt    uint64
	packSizes []uint64
	folders   []sevenCoders
	sizes     []uint64 // unpacked, of the first folder
}

// sevenCoders is one folder.
type sevenCoders struct {
	outs, digest int
	id, props    []byte // of the only coder
	coders       int
}

func (h *sevenWalk) fail(err error) {
	if h.why == nil {
		h.why = err
	}
	h.b = nil
}

func (h *sevenWalk) byte() byte {
	if len(h.b) == 0 {
		h.fail(classify.Damaged)
		return sevenEnd
	}
	c := h.b[0]
	h.b = h.b[1:]
	return c
}

func (h *sevenWalk) take(n uint64) []byte {
	if n > uint64(len(h.b)) {
		h.fail(classify.Damaged)
		return nil
	}
	out := h.b[:n]
	h.b = h.b[n:]
	return out
}

// num reads a number: the leading ones of its first byte say how many bytes
// follow.
func (h *sevenWalk) num() uint64 {
	first := h.byte()
	n := uint64(0)
	for i, mask := 0, byte(0x80); i < 8; i, mask = i+1, mask>>1 {
		if first&mask == 0 {
			return n | uint64(first&(mask-1))<<(8*i)
		}
		n |= uint64(h.byte()) << (8 * i)
	}
	return n
}

// count reads how many of something follow, each of which takes a byte or more
// of the header.
func (h *sevenWalk) count() int {
	n := h.num()
	if n > uint64(len(h.b)) {
		h.fail(classify.Damaged)
		return 0
	}
	return int(n)
}

func (h *sevenWalk) nums(n int) []uint64 {
	var all []uint64
	for range n {
		if h.why != nil {
			return nil
		}
		all = append(all, h.num())
	}
	return all
}

// digests passes over check sums.
func (h *sevenWalk) digests(n int) {
	defined := n
	if h.byte() == 0 {
		defined = 0
		for i, c := range h.take(uint64(n+7) / 8) {
			for bit := range min(8, n-8*i) {
				defined += int(c >> (7 - bit) & 1)
			}
		}
	}
	h.take(uint64(defined) * 4)
}

func (h *sevenWalk) header(id byte) {
	if id != sevenHeader {
		h.fail(classify.Damaged)
		return
	}
	id = h.byte()
	if id == sevenProperties {
		for h.byte() != sevenEnd && h.why == nil {
			h.take(h.num())
		}
		id = h.byte()
	}
	for id == sevenAdditional || id == sevenMain {
		h.streams(h.byte())
		id = h.byte()
	}
	if id == sevenFiles {
		h.count()
	}
}

// streams walks over what is packed where and how.
func (h *sevenWalk) streams(id byte) {
	for ; id != sevenEnd && h.why == nil; id = h.byte() {
		switch id {
		case sevenPack:
			h.pack()
		case sevenUnpack:
			h.unpackInfo()
		case sevenSubstreams:
			h.substreams()
		default:
			h.fail(classify.Damaged)
		}
	}
}

func (h *sevenWalk) pack() {
	h.packAt = h.num()
	n := h.count()
	for id := h.byte(); id != sevenEnd && h.why == nil; id = h.byte() {
		switch id {
		case sevenSize:
			h.packSizes = h.nums(n)
		case sevenCRC:
			h.digests(n)
		default:
			h.fail(classify.Damaged)
		}
	}
}

func (h *sevenWalk) unpackInfo() {
	h.folders, h.sizes = nil, nil
	for id := h.byte(); id != sevenEnd && h.why == nil; id = h.byte() {
		switch id {
		case sevenFolder:
			n := h.count()
			if h.byte() != 0 {
				h.fail(classify.Unsupported)
			}
			for range n {
				h.folder()
			}
		case sevenUnpackSize:
			for i, f := range h.folders {
				if sizes := h.nums(f.outs); i == 0 {
					h.sizes = sizes
				}
			}
		case sevenCRC:
			h.digests(len(h.folders))
			for i := range h.folders {
				h.folders[i].digest = 1
			}
		default:
			h.fail(classify.Damaged)
		}
	}
}

func (h *sevenWalk) folder() {
	var f sevenCoders
	ins := 0
	if f.coders = h.count(); f.coders > 32 {
		h.fail(classify.Unsupported)
	}
	for range f.coders {
		if h.why != nil {
			return
		}
		flags := h.byte()
		f.id = h.take(uint64(flags & 0xf))
		in, out := 1, 1
		if flags&0x10 != 0 {
			in, out = h.count(), h.count()
		}
		ins, f.outs = ins+in, f.outs+out
		f.props = nil
		if flags&0x20 != 0 {
			f.props = h.take(h.num())
		}
		if dictionary(f.id, f.props) > windowMost {
			h.fail(classify.TooLarge)
		}
	}
	if ins > 64 || f.outs > 64 || f.outs == 0 {
		h.fail(classify.Unsupported)
		return
	}
	h.nums(2 * (f.outs - 1))
	if packed := ins - (f.outs - 1); packed > 1 {
		h.nums(packed)
	}
	h.folders = append(h.folders, f)
}

// dictionary is the memory a coder asks for: LZMA, LZMA2, PPMd.
func dictionary(id, props []byte) uint64 {
	switch {
	case bytes.Equal(id, []byte{3, 1, 1}) && len(props) >= 5, bytes.Equal(id, []byte{3, 4, 1}) && len(props) >= 5:
		return uint64(binary.LittleEndian.Uint32(props[1:]))
	case bytes.Equal(id, []byte{0x21}) && len(props) == 1:
		return (2 | uint64(props[0])&1) << (props[0]/2 + 11)
	}
	return 0
}

func (h *sevenWalk) substreams() {
	per := make([]int, len(h.folders))
	for i := range per {
		per[i] = 1
	}
	for id := h.byte(); id != sevenEnd && h.why == nil; id = h.byte() {
		switch id {
		case sevenNumStreams:
			for i := range per {
				per[i] = h.count()
			}
		case sevenSize:
			for _, n := range per {
				h.nums(max(n-1, 0))
			}
		case sevenCRC:
			unknown := 0
			for i, n := range per {
				if n != 1 || h.folders[i].digest == 0 {
					unknown += n
				}
			}
			h.digests(unknown)
		default:
			h.fail(classify.Damaged)
		}
	}
}

// unpack gives the header that is packed.
func (h *sevenWalk) unpack(src classify.Source) ([]byte, error) {
	if len(h.folders) != 1 || len(h.packSizes) == 0 || len(h.sizes) == 0 {
		return nil, classify.Damaged
	}
	f, size, packed := h.folders[0], h.sizes[len(h.sizes)-1], h.packSizes[0]
	if size > directoryMost || packed > uint64(src.Size()) || h.packAt > uint64(src.Size()) {
		return nil, classify.TooLarge
	}
	in := io.NewSectionReader(src, int64(32+h.packAt), int64(packed))
	var r io.Reader
	var err error
	switch {
	case bytes.Equal(f.id, []byte{6, 0xf1, 7, 1}) || f.coders > 1:
		return nil, classify.Encrypted
	case bytes.Equal(f.id, []byte{0}):
		r = in
	case bytes.Equal(f.id, []byte{3, 1, 1}) && len(f.props) == 5:
		classic := binary.LittleEndian.AppendUint64(bytes.Clone(f.props), size)
		r, err = lzma.NewReader(io.MultiReader(bytes.NewReader(classic), in))
	case bytes.Equal(f.id, []byte{0x21}):
		r, err = lzma.NewReader2(in)
	default:
		return nil, classify.Unsupported
	}
	if err != nil {
		return nil, classify.Damaged
	}
	head := make([]byte, size)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, classify.Damaged
	}
	return head, nil
}
