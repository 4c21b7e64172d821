// Package dot11 reads frames of IEEE 802.11 and what capture adds before them
// (radiotap, PPI, AVS, Prism). It allocates nothing: slices point into the bytes
// it was given.
//
// What it guarantees: a frame that is cut short or lies about its lengths is an
// error without values in it, never a panic; a frame whose checksum the receiver
// found bad is [ErrDamaged]. What it does not do: it decrypts nothing, checks no
// checksum itself, and does not take aggregated frames apart.
package dot11

import (
	"encoding/binary"
	"errors"
)

// MAC is an EUI-48 address.
type MAC = [6]byte

// The errors.
var (
	ErrShort   = errors.New("802.11 frame is cut short")
	ErrDamaged = errors.New("802.11 frame was received damaged")
	ErrLink    = errors.New("not a link type of 802.11")
	ErrVersion = errors.New("802.11 version is not 0")
)

// Type is the kind of a frame: type in the upper, subtype in the lower four
// bits.
type Type uint8

// The types of frames. Source: IEEE 802.11-2020, table 9-1.
const (
	AssocReq   Type = 0x00
	AssocResp  Type = 0x01
	ReassocReq Type = 0x02
	ReassocRsp Type = 0x03
	ProbeReq   Type = 0x04
	ProbeResp  Type = 0x05
	Beacon     Type = 0x08
	Disassoc   Type = 0x0a
	Auth       Type = 0x0b
	Deauth     Type = 0x0c
	Action     Type = 0x0d
	ActionNoAk Type = 0x0e
)

// Management, Control and Data say what a frame is for.
func (t Type) Management() bool { return t>>4 == 0 }

// Control frames have one or two addresses and no body of interest.
func (t Type) Control() bool { return t>>4 == 1 }

// Data frames carry what stations say.
func (t Type) Data() bool { return t>>4 == 2 }

// Frame is what the header of a frame, and the fixed fields of a management
// frame, say.
type Frame struct {
	Type                                    Type
	ToDS, FromDS, Retry, Protected, MoreFrg bool
	// A1 receives, A2 transmits, A3 depends on the direction.
	A1, A2, A3 MAC
	Seq        uint16
	Fragment   uint8
	QoS        bool
	// EAPOL says that the body is a handshake of 802.1X.
	EAPOL bool

	// Of beacons and probe responses.
	Timestamp uint64 // TSF in µs
	Interval  uint16 // in units of 1,024 µs
	// Capability is also that of association frames.
	Capability uint16
	// Reason of a deauthentication or disassociation; Status of a response.
	Reason, Status uint16
	// Algorithm and Step of an authentication.
	Algorithm, Step uint16
	// Category of an action.
	Category uint8
	// Elements follow the fixed fields, unread; see [ReadElements].
	Elements []byte
	Body     []byte
}

// The bits of Capability. Source: IEEE 802.11-2020, 9.4.1.4.
const (
	CapESS     = 1 << 0
	CapIBSS    = 1 << 1
	CapPrivacy = 1 << 4
)

// BSSID is the access point of the frame, zero where the header does not say.
func (f *Frame) BSSID() MAC {
	switch {
	case f.Type.Management():
		return f.A3
	case !f.Type.Data() || f.ToDS && f.FromDS:
		return MAC{}
	case f.ToDS:
		return f.A1
	case f.FromDS:
		return f.A2
	}
	return f.A3
}

// Station is the end of a data frame that is not the access point; zero where
// there is none.
func (f *Frame) Station() MAC {
	switch {
	case !f.Type.Data() || f.ToDS == f.FromDS:
		return MAC{}
	case f.ToDS:
		return f.A2
	}
	return f.A1
}

// Parse reads a frame without its radio header.
func Parse(b []byte, f *Frame) error {
	*f = Frame{}
	if len(b) < 10 {
		return ErrShort
	}
	if b[0]&3 != 0 {
		return ErrVersion
	}
	f.Type = Type(b[0]>>2&3<<4 | b[0]>>4)
	f.ToDS, f.FromDS, f.MoreFrg = b[1]&1 != 0, b[1]&2 != 0, b[1]&4 != 0
	f.Retry, f.Protected = b[1]&8 != 0, b[1]&0x40 != 0
	f.A1 = MAC(b[4:10])
	if f.Type.Control() || f.Type>>4 == 3 {
		if len(b) >= 16 {
			f.A2 = MAC(b[10:16])
		}
		return nil
	}
	if len(b) < 24 {
		return ErrShort
	}
	f.A2, f.A3 = MAC(b[10:16]), MAC(b[16:22])
	f.Seq, f.Fragment = binary.LittleEndian.Uint16(b[22:])>>4, b[22]&15
	n := 24
	if f.Type.Data() {
		return f.data(b, n)
	}
	if b[1]&0x80 != 0 { // HT control
		n += 4
	}
	if len(b) < n {
		return ErrShort
	}
	f.Body = b[n:]
	if f.Protected && f.Type != Auth {
		return nil // encrypted (802.11w)
	}
	return f.management()
}

func (f *Frame) data(b []byte, n int) error {
	if f.ToDS && f.FromDS {
		n += 6
	}
	if f.QoS = f.Type&8 != 0; f.QoS {
		n += 2
		if b[1]&0x80 != 0 {
			n += 4
		}
	}
	if len(b) < n {
		return ErrShort
	}
	f.Body = b[n:]
	llc := f.Body
	f.EAPOL = !f.Protected && len(llc) >= 8 && [6]byte(llc[:6]) == [6]byte{0xaa, 0xaa, 3} && llc[6] == 0x88 && llc[7] == 0x8e
	return nil
}

// management reads the fixed fields. Source: IEEE 802.11-2020, 9.3.3.
func (f *Frame) management() error {
	b, fixed := f.Body, 0
	u16 := binary.LittleEndian.Uint16
	switch f.Type {
	case Beacon, ProbeResp:
		fixed = 12
	case AssocReq:
		fixed = 4
	case ReassocReq:
		fixed = 10
	case AssocResp, ReassocRsp, Auth:
		fixed = 6
	case Deauth, Disassoc:
		fixed = 2
	case Action, ActionNoAk:
		fixed = 1
	}
	if len(b) < fixed {
		return ErrShort
	}
	switch f.Type {
	case Beacon, ProbeResp:
		f.Timestamp, f.Interval, f.Capability = binary.LittleEndian.Uint64(b), u16(b[8:]), u16(b[10:])
	case AssocReq, ReassocReq:
		f.Capability = u16(b)
	case AssocResp, ReassocRsp:
		f.Capability, f.Status = u16(b), u16(b[2:])
	case Auth:
		f.Algorithm, f.Step, f.Status = u16(b), u16(b[2:]), u16(b[4:])
	case Deauth, Disassoc:
		f.Reason = u16(b)
	case Action, ActionNoAk:
		f.Category = b[0]
		return nil
	}
	f.Elements = b[fixed:]
	return nil
}
