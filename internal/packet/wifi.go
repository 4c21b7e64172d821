package packet

import "encoding/binary"

// radio removes what a card wrote before an 802.11 frame.
func (f *Frame) radio(link int, b []byte) {
	switch link {
	case LinkRadiotap:
		f.radiotap(b)
		return
	case LinkPrism, LinkAVS:
		b = prism(b)
	case LinkPPI:
		if len(b) < 8 || binary.LittleEndian.Uint32(b[4:]) != LinkWiFi {
			return
		}
		b = b[min(len(b), int(binary.LittleEndian.Uint16(b[2:]))):]
	case LinkWiFi:
	default:
		return
	}
	f.wifi(b, false)
}

// prism skips the older headers, of which AVS says how long it is.
func prism(b []byte) []byte {
	if len(b) < 8 {
		return nil
	}
	n := 144
	if binary.BigEndian.Uint32(b)&0xfffff000 == 0x80211000 {
		n = int(min(binary.BigEndian.Uint32(b[4:]), 1<<16))
	}
	return b[min(len(b), n):]
}

func (f *Frame) radiotap(b []byte) {
	if len(b) < 8 || b[0] != 0 {
		f.Short = len(b) < 8
		return
	}
	n := int(binary.LittleEndian.Uint16(b[2:]))
	if n < 8 || n > len(b) {
		f.Short = true
		return
	}
	flags := radiotapFlags(b[:n])
	if flags&0x40 != 0 { // its checksum was wrong: what it says is noise
		return
	}
	f.wifi(b[n:], flags&0x20 != 0)
}

// radiotapFlags finds field 1, before which only the time stamp can stand.
func radiotapFlags(b []byte) byte {
	present := binary.LittleEndian.Uint32(b[4:])
	at := 8
	for ext := present; ext&(1<<31) != 0; at += 4 {
		if at+4 > len(b) {
			return 0
		}
		ext = binary.LittleEndian.Uint32(b[at:])
	}
	if present&1 != 0 {
		at = (at+7)&^7 + 8
	}
	if present&2 == 0 || at >= len(b) {
		return 0
	}
	return b[at]
}

// wifi reads data frames that are not encrypted; all others have no network
// layer to read. Source: IEEE 802.11-2020, 9.2 and 9.3.2.
func (f *Frame) wifi(b []byte, padded bool) {
	if len(b) < 24 {
		f.Short = len(b) < 10
		return
	}
	if b[0]&0x0c != 0x08 || b[0]&0x40 != 0 || b[1]&0x40 != 0 { // data; not null; not protected
		return
	}
	n := 24
	copy(f.Dst[:], b[4:])
	copy(f.Src[:], b[10:])
	switch b[1] & 3 {
	case 1: // to the distribution system
		copy(f.Dst[:], b[16:])
	case 2: // from it
		copy(f.Src[:], b[16:])
	case 3:
		copy(f.Dst[:], b[16:])
		copy(f.Src[:], b[24:])
		n = 30
	}
	if b[0]&0x80 != 0 { // QoS
		if n += 2; len(b) >= n && b[n-2]&0x80 != 0 { // several in one
			return
		}
		if b[1]&0x80 != 0 {
			n += 4
		}
	}
	if padded {
		n = (n + 3) &^ 3
	}
	if len(b) < n {
		f.Short = true
		return
	}
	f.llc(b[n:], 0)
}
