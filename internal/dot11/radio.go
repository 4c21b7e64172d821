package dot11

import (
	"encoding/binary"
	"math/bits"
)

// The link types with 802.11 frames. Source: www.tcpdump.org/linktypes.html.
const (
	LinkBare     = 105
	LinkPrism    = 119
	LinkRadiotap = 127
	LinkAVS      = 163
	LinkPPI      = 192
)

// Radio is what the receiver says about a frame.
type Radio struct {
	// TSF is the receiver's clock in µs, 0 unknown.
	TSF uint64
	// Frequency is in MHz, 0 unknown.
	Frequency uint16
	// Signal is in dBm, 0 unknown.
	Signal int8
	// Rate is in 500 kbit/s, 0 unknown.
	Rate uint8
	// Sent says that this machine sent the frame itself.
	Sent bool
}

// Strip takes the radio header off, and the checksum where the header says that
// there is one.
func Strip(link int, b []byte) (Radio, []byte, error) {
	switch link {
	case LinkBare:
		return Radio{}, b, nil
	case LinkRadiotap:
		return radiotap(b)
	case LinkPPI:
		return ppi(b)
	case LinkPrism:
		return prism(b)
	case LinkAVS:
		return avs(b)
	}
	return Radio{}, nil, ErrLink
}

// The fields of radiotap's default namespace: alignment and size, in order.
// Source: www.radiotap.org/fields/defined; TLVs (bit 28) end the walk.
var radiotapFields = [...]struct{ align, size uint8 }{
	{8, 8}, {1, 1}, {1, 1}, {2, 4}, {2, 2}, {1, 1}, {1, 1}, {2, 2}, {2, 2}, {2, 2}, {1, 1}, {1, 1}, {1, 1}, {1, 1},
	{2, 2}, {2, 2}, {1, 1}, {1, 1}, {4, 8}, {1, 3}, {4, 8}, {2, 12}, {8, 12}, {2, 12}, {2, 12}, {2, 6}, {1, 1}, {2, 4},
}

const (
	fieldTSFT    = 0
	fieldFlags   = 1
	fieldRate    = 2
	fieldChannel = 3
	fieldSignal  = 5
	fieldRxFlags = 14
	fieldTxFlags = 15

	flagFCS    = 0x10
	flagPad    = 0x20
	flagBadFCS = 0x40

	bitTLV    = 28
	bitOwn    = 29
	bitVendor = 30
	bitMore   = 31
	mostWords = 32
)

// tap walks through one radiotap header.
type tap struct {
	b      []byte // the header
	at     int
	radio  Radio
	flags  uint8
	pastPl bool // PLCP error
	seen   bool // the first flags and signal count: later ones are those of single antennas
}

func radiotap(b []byte) (Radio, []byte, error) {
	if len(b) < 8 {
		return Radio{}, nil, ErrShort
	}
	n := int(binary.LittleEndian.Uint16(b[2:]))
	if b[0] != 0 || n < 8 || n > len(b) {
		return Radio{}, nil, ErrShort
	}
	t := tap{b: b[:n]}
	words := 1
	for binary.LittleEndian.Uint32(t.b[4*words:])>>bitMore != 0 {
		if words++; words > mostWords || 4+4*words > n {
			return Radio{}, nil, ErrShort
		}
	}
	t.at = 4 + 4*words
	t.walk(words)
	return t.radio, t.body(b[n:]), t.err()
}

// walk goes through the present words; what does not fit ends it, and what was
// read stands.
func (t *tap) walk(words int) {
	vendor, base := false, 0
	for w := range words {
		present := binary.LittleEndian.Uint32(t.b[4+4*w:])
		if !vendor && !t.word(present&(1<<bitOwn-1), base) {
			return
		}
		base += 32
		switch {
		case present>>bitVendor&1 != 0:
			if !t.skipVendor() {
				return
			}
			vendor, base = true, 0
		case present>>bitOwn&1 != 0:
			vendor, base = false, 0
		}
	}
}

// word reads the fields of one word.
func (t *tap) word(present uint32, base int) bool {
	for present != 0 {
		bit := bits.TrailingZeros32(present)
		present &= present - 1
		i := base + bit
		if i >= len(radiotapFields) || bit == bitTLV {
			return false // of a length not known
		}
		f := radiotapFields[i]
		t.align(int(f.align))
		if t.at+int(f.size) > len(t.b) {
			return false
		}
		t.field(i, t.b[t.at:])
		t.at += int(f.size)
	}
	return true
}

func (t *tap) align(n int) { t.at = (t.at + n - 1) &^ (n - 1) }

// skipVendor steps over the data of a vendor's namespace, whose length is said.
func (t *tap) skipVendor() bool {
	t.align(2)
	if t.at+6 > len(t.b) {
		return false
	}
	t.at += 6 + int(binary.LittleEndian.Uint16(t.b[t.at+4:]))
	return t.at <= len(t.b)
}

func (t *tap) field(i int, v []byte) {
	switch i {
	case fieldTSFT:
		if t.radio.TSF == 0 {
			t.radio.TSF = binary.LittleEndian.Uint64(v)
		}
	case fieldFlags:
		if !t.seen {
			t.flags, t.seen = v[0], true
		}
	case fieldRate:
		t.radio.Rate = v[0]
	case fieldChannel:
		t.radio.Frequency = binary.LittleEndian.Uint16(v)
	case fieldSignal:
		if t.radio.Signal == 0 {
			t.radio.Signal = int8(v[0])
		}
	case fieldRxFlags:
		t.pastPl = v[0]&2 != 0
	case fieldTxFlags:
		t.radio.Sent = true
	}
}

// body is the frame without checksum, and without the pad between header and
// body that some cards insert.
func (t *tap) body(b []byte) []byte {
	if t.flags&flagFCS != 0 && len(b) >= 4 {
		b = b[:len(b)-4]
	}
	if t.flags&flagPad == 0 || len(b) < 26 || b[0]&0x0c != 8 {
		return b
	}
	n := 24
	if b[1]&3 == 3 {
		n += 6
	}
	if b[0]&0x80 != 0 {
		n += 2
	}
	if pad := -n & 3; pad != 0 && len(b) >= n+pad {
		return append(append(make([]byte, 0, len(b)), b[:n]...), b[n+pad:]...)
	}
	return b
}

func (t *tap) err() error {
	if t.flags&flagBadFCS != 0 || t.pastPl {
		return ErrDamaged
	}
	return nil
}

// ppi reads Per-Packet Information. Source: PPI Packet Header format 1.0.7.
func ppi(b []byte) (Radio, []byte, error) {
	if len(b) < 8 {
		return Radio{}, nil, ErrShort
	}
	n := int(binary.LittleEndian.Uint16(b[2:]))
	if n < 8 || n > len(b) || binary.LittleEndian.Uint32(b[4:]) != LinkBare {
		return Radio{}, nil, ErrShort
	}
	var r Radio
	body, h := b[n:], b[8:n]
	for len(h) >= 4 {
		kind, size := binary.LittleEndian.Uint16(h), int(binary.LittleEndian.Uint16(h[2:]))
		if 4+size > len(h) {
			break
		}
		if v := h[4:]; kind == 2 && size >= 20 { // 802.11-Common
			r.TSF, r.Rate = binary.LittleEndian.Uint64(v), v[10]
			r.Frequency, r.Signal = binary.LittleEndian.Uint16(v[12:]), int8(v[18])
			flags := binary.LittleEndian.Uint16(v[8:])
			if flags&1 != 0 && len(body) >= 4 {
				body = body[:len(body)-4]
			}
			if flags&0x0c != 0 {
				return r, body, ErrDamaged
			}
		}
		h = h[4+size:]
	}
	return r, body, nil
}

// prism reads the header of wlan-ng, or the AVS header that some drivers send
// under its number.
func prism(b []byte) (Radio, []byte, error) {
	if len(b) >= 4 && binary.BigEndian.Uint32(b)&0xfffff000 == 0x80211000 {
		return avs(b)
	}
	if len(b) < 8 {
		return Radio{}, nil, ErrShort
	}
	n := int(binary.LittleEndian.Uint32(b[4:]))
	if n < 24 || n > len(b) {
		return Radio{}, nil, ErrShort
	}
	return Radio{}, b[n:], nil
}

func avs(b []byte) (Radio, []byte, error) {
	if len(b) < 8 {
		return Radio{}, nil, ErrShort
	}
	n := int(binary.BigEndian.Uint32(b[4:]))
	if n < 8 || n > len(b) {
		return Radio{}, nil, ErrShort
	}
	return Radio{}, b[n:], nil
}

// Channel is the number of a frequency, 0 unknown.
func Channel(mhz uint16) int {
	f := int(mhz)
	switch {
	case f == 2484:
		return 14
	case f >= 2412 && f <= 2472 && (f-2407)%5 == 0:
		return (f - 2407) / 5
	case f >= 5955 && f <= 7115 && (f-5950)%5 == 0: // 6 GHz
		return (f - 5950) / 5
	case f >= 5160 && f <= 5885 && (f-5000)%5 == 0:
		return (f - 5000) / 5
	}
	return 0
}
