package pcap

import (
	"encoding/binary"
	"io"
)

// Writer writes pcap with times in ns.
type Writer struct {
	to  io.Writer
	buf []byte
}

// NewWriter writes the header of a capture of one link type.
func NewWriter(w io.Writer, link int) (*Writer, error) {
	b := make([]byte, 24)
	binary.LittleEndian.PutUint32(b, 0xa1b23c4d)
	binary.LittleEndian.PutUint16(b[4:], 2)
	binary.LittleEndian.PutUint16(b[6:], 4)
	binary.LittleEndian.PutUint32(b[16:], most)
	binary.LittleEndian.PutUint32(b[20:], uint32(link))
	_, err := w.Write(b)
	return &Writer{to: w}, err
}

// Write writes one record; size is the length on the wire.
func (w *Writer) Write(at int64, size int, data []byte) error {
	b := append(w.buf[:0], make([]byte, 16)...)
	binary.LittleEndian.PutUint32(b, uint32(at/1e9))
	binary.LittleEndian.PutUint32(b[4:], uint32(at%1e9))
	binary.LittleEndian.PutUint32(b[8:], uint32(len(data)))
	binary.LittleEndian.PutUint32(b[12:], uint32(size))
	w.buf = append(b, data...)
	_, err := w.to.Write(w.buf)
	return err
}
