package dot11

import (
	"encoding/binary"
	"hash/fnv"
	"strings"
)

// The elements read here. Source: IEEE 802.11-2020, table 9-92.
const (
	elSSID      = 0
	elRates     = 1
	elDS        = 3
	elCountry   = 7
	elHT        = 45
	elRSN       = 48
	elMoreRates = 50
	elHTOp      = 61
	elVHT       = 191
	elRNR       = 201
	elVendor    = 221
	elExtension = 255
	extHE       = 35
)

// Cipher is a set of cipher suites, AKM one of key managements.
type (
	Cipher uint16
	AKM    uint16
)

// The cipher suites, weakest first.
const (
	WEP Cipher = 1 << iota
	TKIP
	CCMP
	GCMP
)

// The key managements.
const (
	PSK AKM = 1 << iota
	Dot1X
	SAE
	OWE
	SuiteB
)

// Elements is what the elements of a frame say.
type Elements struct {
	// SSID is the network's name; Hidden says that it is not told. Named says
	// that the element was there.
	SSID          string
	Named, Hidden bool
	Channel       uint8
	Country       string
	// RSN and WPA say that these elements are there.
	RSN, WPA                bool
	Group, Pairwise         Cipher
	Keys                    AKM
	PMF, PMFRequired        bool
	HT, VHT, HE, RNR, WPS   bool
	Microsoft, Apple, Cisco bool
	// Vendors are the OUIs of vendor elements in their order, without repeats.
	Vendors [8][3]byte
	NVendor int
	// Shape is a fingerprint of what an access point's make decides: which
	// elements there are in which order, rates and HT capabilities.
	Shape uint32
	// Cut says that the last element does not fit.
	Cut bool
}

// ReadElements reads the elements of a frame, as far as they go.
func ReadElements(b []byte, e *Elements) {
	*e = Elements{}
	shape := fnv.New32a()
	for len(b) >= 2 {
		id, n := b[0], int(b[1])
		if 2+n > len(b) {
			e.Cut = true
			break
		}
		v := b[2 : 2+n]
		e.read(id, v)
		switch id {
		case elRates, elMoreRates:
			_, _ = shape.Write(b[:2+n])
		case elHT:
			_, _ = shape.Write(v[:min(len(v), 2)])
		case elVendor, elExtension:
			_, _ = shape.Write(append([]byte{id}, v[:min(len(v), 4)]...))
		case elSSID, 5, 11, 42: // name, and what changes by the minute
		default:
			_, _ = shape.Write([]byte{id})
		}
		b = b[2+n:]
	}
	e.Shape = shape.Sum32()
}

func (e *Elements) read(id byte, v []byte) {
	switch id {
	case elSSID:
		e.ssid(v)
	case elDS:
		if len(v) >= 1 {
			e.Channel = v[0]
		}
	case elCountry:
		if len(v) >= 2 {
			e.Country = strings.ToValidUTF8(string(v[:2]), "?")
		}
	case elHTOp:
		if len(v) >= 1 && e.Channel == 0 {
			e.Channel = v[0]
		}
	case elHT:
		e.HT = true
	case elVHT:
		e.VHT = true
	case elRNR:
		e.RNR = true
	case elRSN:
		if len(v) >= 2 {
			e.RSN = true
			e.suites(v[2:], [3]byte{0, 0x0f, 0xac})
		}
	case elVendor:
		e.vendor(v)
	case elExtension:
		e.HE = e.HE || len(v) >= 1 && v[0] == extHE
	}
}

func (e *Elements) ssid(v []byte) {
	if e.Named || len(v) > 32 {
		return
	}
	e.Named, e.Hidden = true, true
	for _, c := range v {
		e.Hidden = e.Hidden && c == 0
	}
	if !e.Hidden {
		e.SSID = clean(v)
	}
}

// clean makes a name printable.
func clean(v []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '.'
		}
		return r
	}, strings.ToValidUTF8(string(v), "?"))
}

func (e *Elements) vendor(v []byte) {
	if len(v) < 4 {
		return
	}
	oui := [3]byte(v)
	switch {
	case oui == [3]byte{0, 0x50, 0xf2} && v[3] == 1:
		if len(v) >= 6 {
			e.WPA = true
			e.suites(v[6:], oui)
		}
	case oui == [3]byte{0, 0x50, 0xf2} && v[3] == 4:
		e.WPS = true
	case oui == [3]byte{0, 0x50, 0xf2}:
		e.Microsoft = true
	case oui == [3]byte{0, 0x17, 0xf2}:
		e.Apple = true
	case oui == [3]byte{0, 0x40, 0x96}:
		e.Cisco = true
	}
	for _, have := range e.Vendors[:e.NVendor] {
		if have == oui {
			return
		}
	}
	if e.NVendor < len(e.Vendors) {
		e.Vendors[e.NVendor] = oui
		e.NVendor++
	}
}

// suites reads group cipher, pairwise ciphers, key managements, and for RSN the
// capabilities. Source: IEEE 802.11-2020, 9.4.2.24.
func (e *Elements) suites(v []byte, oui [3]byte) {
	if len(v) < 4 {
		return
	}
	e.Group |= cipher(v, oui)
	v = v[4:]
	var ok bool
	if v, ok = list(v, func(s []byte) { e.Pairwise |= cipher(s, oui) }); !ok {
		return
	}
	if v, ok = list(v, func(s []byte) { e.Keys |= akm(s, oui) }); !ok || len(v) < 2 || oui != [3]byte{0, 0x0f, 0xac} {
		return
	}
	caps := binary.LittleEndian.Uint16(v)
	e.PMFRequired, e.PMF = caps&0x40 != 0, caps&0xc0 != 0
}

func list(v []byte, each func([]byte)) (rest []byte, ok bool) {
	if len(v) < 2 {
		return nil, false
	}
	n := int(binary.LittleEndian.Uint16(v))
	v = v[2:]
	if n > len(v)/4 {
		return nil, false
	}
	for i := range n {
		each(v[4*i : 4*i+4])
	}
	return v[4*n:], true
}

func cipher(s []byte, oui [3]byte) Cipher {
	if [3]byte(s) != oui {
		return 0
	}
	switch s[3] {
	case 1, 5:
		return WEP
	case 2:
		return TKIP
	case 4, 10:
		return CCMP
	case 8, 9:
		return GCMP
	}
	return 0
}

func akm(s []byte, oui [3]byte) AKM {
	if [3]byte(s) != oui {
		return 0
	}
	switch s[3] {
	case 1, 3, 5:
		return Dot1X
	case 2, 4, 6:
		return PSK
	case 8, 9, 24, 25:
		return SAE
	case 11, 12, 13:
		return SuiteB
	case 18:
		return OWE
	}
	return 0
}

// Security is how well a network is protected, in the order of strength.
type Security uint8

// The grades.
const (
	Open Security = iota
	GradeWEP
	GradeWPA  // TKIP
	GradeOWE  // encrypted, but with anybody
	GradeWPA2 // CCMP
	GradeWPA3 // SAE or Suite B, protected management frames
)

// String is the usual word.
func (s Security) String() string {
	return [...]string{"open", "wep", "wpa", "owe", "wpa2", "wpa3"}[min(s, GradeWPA3)]
}

// Grade is the weakest protection with which a station may join.
func (e *Elements) Grade(privacy bool) Security {
	switch {
	case !e.RSN && !e.WPA && !privacy:
		return Open
	case !e.RSN && !e.WPA:
		return GradeWEP
	case e.Pairwise&WEP != 0 || e.Pairwise == 0 && e.Group&WEP != 0:
		return GradeWEP
	case e.WPA && !e.RSN, e.Pairwise&TKIP != 0:
		return GradeWPA
	case e.Keys == OWE:
		return GradeOWE
	case e.Keys&(SAE|SuiteB) != 0 && e.Keys&(PSK|Dot1X) == 0, e.Keys == Dot1X && e.PMFRequired && e.Pairwise&GCMP != 0:
		return GradeWPA3
	}
	return GradeWPA2
}
