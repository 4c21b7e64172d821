package evtx

// A small writer of event logs, only as much as tests need: elements with
// attributes, templates with values, chunks with checksums.

import (
	"encoding/binary"
	"hash/crc32"
	"unicode/utf16"
)

// logWriter writes one chunk's worth of records into a file.
type logWriter struct {
	chunk []byte
	names map[string]int
	ids   []uint64
}

func newLog() *logWriter {
	return &logWriter{chunk: make([]byte, chunkHead), names: map[string]int{}}
}

func (w *logWriter) u8(b ...byte)    { w.chunk = append(w.chunk, b...) }
func (w *logWriter) u16(n int)       { w.chunk = binary.LittleEndian.AppendUint16(w.chunk, uint16(n)) }
func (w *logWriter) u32(n int)       { w.chunk = binary.LittleEndian.AppendUint32(w.chunk, uint32(n)) }
func (w *logWriter) u64(n uint64)    { w.chunk = binary.LittleEndian.AppendUint64(w.chunk, n) }
func (w *logWriter) put32(at, n int) { binary.LittleEndian.PutUint32(w.chunk[at:], uint32(n)) }

func wide(s string) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return out
}

// name refers to a name, and writes it the first time.
func (w *logWriter) name(s string) {
	if at, ok := w.names[s]; ok {
		w.u32(at)
		return
	}
	at := len(w.chunk) + 4
	w.names[s] = at
	w.u32(at)
	w.u32(0)
	w.u16(0)
	w.u16(len(utf16.Encode([]rune(s))))
	w.u8(wide(s)...)
	w.u16(0)
}

// place is where a value goes.
type place struct {
	slot int
	kind byte
}

// el is an element; its parts are texts, places and elements.
type el struct {
	name  string
	attrs []any // name, part, name, part ...
	parts []any
}

func (w *logWriter) part(p any, template bool) {
	switch p := p.(type) {
	case string:
		w.u8(tokenValue, kindString)
		w.u16(len(wide(p)) / 2)
		w.u8(wide(p)...)
	case place:
		w.u8(tokenOptional)
		w.u16(p.slot)
		w.u8(p.kind)
	case el:
		w.element(p, template)
	}
}

func (w *logWriter) element(e el, template bool) {
	token := byte(tokenOpen)
	if len(e.attrs) > 0 {
		token |= more
	}
	w.u8(token)
	if template {
		w.u16(0xffff)
	}
	w.u32(0)
	w.name(e.name)
	if len(e.attrs) > 0 {
		w.u32(0)
		for i := 0; i < len(e.attrs); i += 2 {
			w.u8(tokenAttribute)
			w.name(e.attrs[i].(string))
			w.part(e.attrs[i+1], template)
		}
	}
	if len(e.parts) == 0 {
		w.u8(tokenEmpty)
		return
	}
	w.u8(tokenContent)
	for _, p := range e.parts {
		w.part(p, template)
	}
	w.u8(tokenClose)
}

// val is a value for a place; nested ones are written in place as a fragment.
type val struct {
	kind   byte
	data   []byte
	nested func()
}

// instance writes a template, or refers to the one at a place, with its values.
func (w *logWriter) instance(at int, body el, vals ...val) int {
	w.u8(tokenFragment, 1, 1, 0, tokenInstance, 1)
	w.u32(1)
	if at == 0 {
		at = len(w.chunk) + 4
		w.u32(at)
		w.u8(make([]byte, 24)...)
		w.u8(tokenFragment, 1, 1, 0)
		w.element(body, true)
		w.u8(tokenEnd)
		w.put32(at+20, len(w.chunk)-at-24)
	} else {
		w.u32(at)
	}
	w.u32(len(vals))
	table := len(w.chunk)
	w.u8(make([]byte, 4*len(vals))...)
	for i, v := range vals {
		from := len(w.chunk)
		if v.nested != nil {
			v.nested()
		}
		w.u8(v.data...)
		binary.LittleEndian.PutUint16(w.chunk[table+4*i:], uint16(len(w.chunk)-from))
		w.chunk[table+4*i+2] = v.kind
	}
	return at
}

// record wraps what body writes.
func (w *logWriter) record(id uint64, body func()) {
	from := len(w.chunk)
	w.u32(0x00002a2a)
	w.u32(0)
	w.u64(id)
	w.u64(0)
	body()
	w.u8(tokenEnd)
	for len(w.chunk)%8 != 4 {
		w.u8(0)
	}
	w.u32(len(w.chunk) - from + 4)
	w.put32(from+4, len(w.chunk)-from)
	w.ids = append(w.ids, id)
}

// seal returns the chunk with its header, 64 KiB of it.
func (w *logWriter) seal() []byte {
	free := len(w.chunk)
	out := append(append([]byte(nil), w.chunk...), make([]byte, chunkSize-free)...)
	le := binary.LittleEndian
	copy(out, "ElfChnk\x00")
	le.PutUint64(out[8:], w.ids[0])
	le.PutUint64(out[16:], w.ids[len(w.ids)-1])
	le.PutUint64(out[24:], w.ids[0])
	le.PutUint64(out[32:], w.ids[len(w.ids)-1])
	le.PutUint32(out[0x28:], 128)
	le.PutUint32(out[0x30:], uint32(free))
	le.PutUint32(out[0x34:], crc32.ChecksumIEEE(out[chunkHead:free]))
	le.PutUint32(out[0x7c:], crc32.Update(crc32.ChecksumIEEE(out[:0x78]), crc32.IEEETable, out[0x80:chunkHead]))
	return out
}

// fileOf is an event log of chunks.
func fileOf(chunks ...[]byte) []byte {
	head := make([]byte, fileHeader)
	le := binary.LittleEndian
	copy(head, "ElfFile\x00")
	le.PutUint64(head[16:], uint64(len(chunks)-1))
	le.PutUint32(head[0x20:], 128)
	le.PutUint16(head[0x24:], 1)
	le.PutUint16(head[0x26:], 3)
	le.PutUint16(head[0x28:], fileHeader)
	le.PutUint16(head[0x2a:], uint16(len(chunks)))
	le.PutUint32(head[0x7c:], crc32.ChecksumIEEE(head[:0x78]))
	for _, c := range chunks {
		head = append(head, c...)
	}
	return head
}
