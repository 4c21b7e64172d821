package capture

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"
)

// dicomElements goes through a data set as far as it was kept, in sequences
// too; each gets tag and value of what is no sequence.
func dicomElements(b []byte, transfer string, depth int, each func(tag uint32, value []byte) bool) bool {
	var order binary.ByteOrder = binary.LittleEndian
	if transfer == "1.2.840.10008.1.2.2" {
		order = binary.BigEndian
	}
	for len(b) >= 8 && depth < 8 {
		tag := uint32(order.Uint16(b))<<16 | uint32(order.Uint16(b[2:]))
		n, head := dicomLength(b, transfer, tag, order)
		if head > len(b) {
			return true
		}
		b = b[head:]
		switch {
		case tag == 0xfffee000 || tag == 0xfffee00d || tag == 0xfffee0dd: // items and their ends: go on inside
			continue
		case n == 0xffffffff: // a sequence up to its end
			continue
		case uint64(n) > uint64(len(b)):
			n = uint32(len(b))
		}
		value := b[:n]
		b = b[n:]
		if len(value) >= 8 && order.Uint16(value) == 0xfffe && order.Uint16(value[2:]) == 0xe000 {
			if !dicomElements(value, transfer, depth+1, each) {
				return false
			}
		} else if !each(tag, value) {
			return false
		}
	}
	return true
}

// dicomLength is the length of an element's value and of what stands before it.
func dicomLength(b []byte, transfer string, tag uint32, order binary.ByteOrder) (n uint32, head int) {
	explicit := transfer != "1.2.840.10008.1.2" && tag>>16 != 0xfffe
	if transfer == "" { // not seen agreed upon: as it looks
		explicit = tag>>16 != 0xfffe && b[4] >= 'A' && b[4] <= 'Z' && b[5] >= 'A' && b[5] <= 'Z'
	}
	if !explicit {
		return order.Uint32(b[4:]), 8
	}
	switch string(b[4:6]) {
	case "OB", "OW", "OF", "OD", "OL", "OV", "SQ", "UC", "UR", "UT", "UN", "SV", "UV":
		if len(b) < 12 {
			return 0, 12
		}
		return order.Uint32(b[8:]), 12
	}
	return uint32(order.Uint16(b[6:])), 8
}

// dicomDeflated is the transfer syntax whose data sets are packed.
const dicomDeflated = "1.2.840.10008.1.2.1.99"

// dicomSweeps says whether the identifier of a C-FIND asks for everybody: no
// key narrows it down, where a wildcard alone, one letter before it, a
// modality, or a span of more than a month narrow nothing. A worklist is short
// by nature; there any key will do.
func dicomSweeps(b []byte, transfer, class string) bool {
	if transfer == dicomDeflated {
		return false
	}
	worklist := strings.HasPrefix(class, "1.2.840.10008.5.1.4.31") || strings.HasPrefix(class, "1.2.840.10008.5.1.4.32")
	narrow := false
	dicomElements(b, transfer, 0, func(tag uint32, value []byte) bool {
		narrow = dicomNarrows(tag, string(value), worklist)
		return !narrow
	})
	return !narrow
}

// dicomNarrows says whether a matching key narrows a question down. Values of
// 100 bytes and more are lists of UIDs.
func dicomNarrows(tag uint32, value string, worklist bool) bool {
	value = strings.Trim(value, " \x00")
	switch tag {
	case 0x00080005, 0x00080052, 0x00080053, 0x00080054, 0x00080201: // charset, level, view, where, zone
		return false
	case 0x00080060, 0x00080061, 0x00080062, 0x00080080: // modality, SOP classes, institution
		return worklist && strings.Trim(value, "*?") != ""
	case 0x00080020, 0x00080021, 0x00080022, 0x00080023, 0x00400002, 0x00400004, 0x00400244: // dates
		return value != "" && (worklist && strings.Trim(value, "*") != "" || dicomDays(value) <= 31)
	case 0x00080030, 0x00080031, 0x00080032, 0x00400003, 0x00400245, 0x00100040: // times, sex
		return false
	}
	if tag&0xffff == 0 { // group length
		return false
	}
	letters := len(strings.Trim(value, "*?^\\= "))
	wild := strings.ContainsAny(value, "*?")
	return letters > 1 || letters == 1 && !wild
}

// dicomDays is about how many days a date or a range of dates spans.
func dicomDays(value string) int {
	from, until, isRange := strings.Cut(value, "-")
	if !isRange {
		return 1
	}
	a, err := strconv.Atoi(from)
	b, err2 := strconv.Atoi(until)
	if err != nil || err2 != nil || b < a {
		return 1 << 20
	}
	days := func(n int) int { return n/10000*365 + n/100%100*30 + n%100 }
	return days(b) - days(a)
}

// dicomStudy is a number for the study a data set belongs to, 0 unknown. The
// UID itself is not kept.
func dicomStudy(b []byte, transfer string) (sum uint64) {
	if transfer == dicomDeflated {
		return 0
	}
	dicomElements(b, transfer, 0, func(tag uint32, value []byte) bool {
		if tag == 0x0020000d && len(value) > 0 {
			sum = xxh3.Hash(value)
		}
		return tag < 0x0020000d
	})
	return sum
}
