// Package pcap reads capture files: pcap in every byte order and resolution,
// and pcapng with any number of sections and interfaces.
//
// What it guarantees. A record that cannot be right (longer than the file or
// than any frame, of an interface that was never described, cut off) is
// counted and recorded with its offset, and reading goes on at the next place
// where records make sense. So a file never ends before its last byte, and the
// work for any file grows with its length only. Memory is that of one record.
//
// What it does not do. It opens no files and unpacks nothing; comments, name
// resolution and decryption secrets of pcapng are passed over.
package pcap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrFormat says that something is no capture file at all.
var ErrFormat = errors.New("not a pcap or pcapng file; a capture begins with its magic number")

// most is the longest record that is believed. Source: MAXIMUM_SNAPLEN of
// libpcap; frames of USB, which may be longer, are not what is read here.
const most = 256 << 10

// Packet is one record.
type Packet struct {
	// At is when it was captured, in ns since 1970 UTC; where the file does not
	// say, that of the record before.
	At int64
	// Size is its length on the wire, at least that of Data.
	Size int
	// Link is the link type, see www.tcpdump.org/linktypes.html.
	Link int
	// Interface counts those of the section, from 0.
	Interface int
	// Data lives until the next record is read; for [Bytes] as long as those.
	Data []byte
	// Offset is where its record begins in the file.
	Offset int64
}

// Bad is a place in a file that could not be used as it is.
type Bad struct {
	Offset int64
	Reason Reason
}

// Reason says what is wrong there.
type Reason string

// The reasons.
const (
	Longer    Reason = "captured length above the length on the wire" // it is read all the same
	Absurd    Reason = "absurd record length"
	CutOff    Reason = "file ends within a record"
	Beyond    Reason = "packet longer than its block"
	Interface Reason = "interface not described"
	Broken    Reason = "damaged block"
)

const keptBad = 64

// Reader reads one capture.
type Reader struct {
	in   input
	next func(*Packet) bool

	order binary.ByteOrder
	// Of pcap.
	little, swapped bool
	header          int // of a record
	unit            int64
	link            int
	last            uint32 // seconds of the last good record
	// Of pcapng.
	interfaces []described

	at    int64
	bad   []Bad
	count int64
}

// NewReader reads the beginning of a capture that comes as a stream.
func NewReader(r io.Reader) (*Reader, error) {
	return begin(input{from: r})
}

// Bytes reads a capture that is in memory as a whole, without copying.
func Bytes(b []byte) (*Reader, error) {
	return begin(input{buf: b, ended: true})
}

func begin(in input) (*Reader, error) {
	r := &Reader{in: in}
	b := r.in.peek(4)
	if len(b) < 4 {
		return nil, errors.Join(ErrFormat, r.in.err)
	}
	var err error
	if binary.LittleEndian.Uint32(b) == sectionHeader {
		err = r.beginNG()
	} else {
		err = r.beginClassic()
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Next reads the next record; false at the end of the file.
func (r *Reader) Next(p *Packet) bool { return r.next(p) }

// Offset is how far reading has come.
func (r *Reader) Offset() int64 { return r.in.offset() }

// Bad returns how many records were bad, and the first of them.
func (r *Reader) Bad() (int64, []Bad) { return r.count, r.bad }

// Err is why the stream below could not be read on; nil at its end.
func (r *Reader) Err() error { return r.in.err }

func (r *Reader) note(offset int64, why Reason) {
	r.count++
	if len(r.bad) < keptBad {
		r.bad = append(r.bad, Bad{offset, why})
	}
}

// beginClassic reads the header of a pcap file.
func (r *Reader) beginClassic() error {
	b := r.in.peek(24)
	if len(b) < 24 {
		return fmt.Errorf("%w: its header is cut off", ErrFormat)
	}
	if !r.magic(b) {
		return ErrFormat
	}
	major, minor := r.order.Uint16(b[4:]), r.order.Uint16(b[6:])
	if major != 2 && !(major == 543 && minor == 0) {
		return fmt.Errorf("pcap version %d.%d is unknown; convert the file with editcap", major, minor)
	}
	// Before 2.4 some programs wrote the two lengths the other way round.
	r.swapped = major == 2 && minor < 4
	r.link = int(r.order.Uint32(b[20:]) & 0x03ffffff)
	r.in.skip(24)
	r.next = r.classic
	return nil
}

func (r *Reader) magic(b []byte) bool {
	r.order, r.little, r.unit, r.header = binary.BigEndian, false, 1000, 16
	m := binary.BigEndian.Uint32(b)
	switch m {
	case 0xd4c3b2a1, 0x4d3cb2a1, 0x34cdb2a1:
		r.order, r.little = binary.LittleEndian, true
		m = binary.LittleEndian.Uint32(b)
	}
	switch m {
	case 0xa1b2c3d4:
	case 0xa1b23c4d:
		r.unit = 1
	case 0xa1b2cd34: // Kuznetzov's: index, protocol and direction follow
		r.header = 24
	default:
		return false
	}
	return true
}

// record is the head of a record of a pcap file.
type record struct{ sec, fraction, kept, size uint32 }

func (r *Reader) read(b []byte) (h record) {
	_ = b[15]
	if r.little {
		h = record{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]),
			binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])}
	} else {
		h = record{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]),
			binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])}
	}
	if r.swapped && h.kept > h.size {
		h.kept, h.size = h.size, h.kept
	}
	return h
}

func (r *Reader) classic(p *Packet) bool {
	for {
		at := r.in.offset()
		b := r.in.peek(r.header)
		if len(b) < r.header {
			if len(b) > 0 {
				r.note(at, CutOff)
				r.in.skip(len(b))
			}
			return false
		}
		h := r.read(b)
		if h.kept > most {
			r.note(at, Absurd)
			r.search()
			continue
		}
		n := r.header + int(h.kept)
		if b = r.in.peek(n); len(b) < n {
			r.note(at, CutOff)
			r.search()
			continue
		}
		r.in.skip(n)
		r.last = h.sec
		r.fill(p, h, b[r.header:n], at)
		return true
	}
}

func (r *Reader) fill(p *Packet, h record, data []byte, at int64) {
	if h.kept > h.size {
		r.note(at, Longer)
		h.size = h.kept
	}
	r.at = int64(h.sec)*1e9 + int64(h.fraction)*r.unit
	p.At, p.Size, p.Link, p.Interface, p.Data, p.Offset = r.at, int(h.size), r.link, 0, data, at
}

// search goes on to the next place at which two records in a row make sense,
// or one that ends with the file.
func (r *Reader) search() {
	r.in.skip(1)
	for {
		b := r.in.peek(64 << 10)
		if len(b) < r.header {
			r.in.skip(len(b))
			return
		}
		for i := 0; i+r.header <= len(b); i++ {
			h := r.read(b[i:])
			if !r.plausible(h) {
				continue
			}
			r.in.skip(i)
			if r.follows(h) {
				return
			}
			i, b = 0, r.in.peek(64<<10) // begin again behind what misled
		}
		r.in.skip(len(b) - r.header + 1)
	}
}

// plausible is stricter than reading: it has to tell records from contents.
func (r *Reader) plausible(h record) bool {
	const span = 400 * 86400
	near := h.sec-r.last < span || r.last-h.sec < span || r.last == 0
	return near && h.kept >= 14 && h.kept <= h.size && h.size <= most && int64(h.fraction)*r.unit < 1e9
}

func (r *Reader) follows(h record) bool {
	n := r.header + int(h.kept)
	b := r.in.peek(n + r.header)
	if len(b) < n {
		return false
	}
	if len(b) < n+r.header {
		return len(b) == n
	}
	return r.plausible(r.read(b[n:]))
}

// input is a window on the file: all of it, or what a stream has given so far.
type input struct {
	from  io.Reader
	buf   []byte
	pos   int
	base  int64 // offset of buf[0]
	ended bool
	err   error
}

func (in *input) offset() int64 { return in.base + int64(in.pos) }

func (in *input) skip(n int) { in.pos += n }

// peek returns at least n bytes, or all that are left. They live until the
// next call.
func (in *input) peek(n int) []byte {
	if len(in.buf)-in.pos < n && !in.ended {
		in.more(n)
	}
	return in.buf[in.pos:]
}

// more reads until n bytes are there. The buffer has room for twice as many, so
// that moving what is left to its front is rare whatever lengths a file claims.
func (in *input) more(n int) {
	const window = 1 << 20
	if in.pos+n > cap(in.buf) {
		to := in.buf[:0]
		if cap(in.buf) < 2*n {
			to = make([]byte, 0, max(window, 2*n))
		}
		in.base += int64(in.pos)
		in.buf, in.pos = append(to, in.buf[in.pos:]...), 0
	}
	for empty := 0; len(in.buf)-in.pos < n; {
		got, err := in.from.Read(in.buf[len(in.buf):cap(in.buf)])
		in.buf = in.buf[:len(in.buf)+got]
		if empty++; got > 0 {
			empty = 0
		}
		if err == nil && empty == 100 {
			err = io.ErrNoProgress
		}
		if err != nil {
			in.ended = true
			if err != io.EOF {
				in.err = fmt.Errorf("read the capture: %w", err)
			}
			return
		}
	}
}
