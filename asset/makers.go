package asset

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/internal/packet"
)

// makersFile is the table of makers of network cards: gzipped lines of a name,
// a tab, and hexadecimal prefixes of 6, 7 or 9 digits (IEEE MA-L, MA-M, MA-S).
const makersFile = "oui.txt.gz"

// makers finds who a MAC address was given to. Prefixes are sorted numbers, by
// their length.
type makers struct {
	names []string
	by    [3]prefixes // of 24, 28 and 36 bits
}

type prefixes struct {
	keys []uint64
	who  []uint32
}

func loadMakers(files fs.FS) (*makers, error) {
	m := &makers{}
	f, err := files.Open(makersFile)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	var pairs [3][][2]uint64
	for lines.Scan() {
		name, list, ok := strings.Cut(lines.Text(), "\t")
		if !ok {
			continue // a comment
		}
		for hex := range strings.SplitSeq(list, ",") {
			n, err := strconv.ParseUint(hex, 16, 64)
			i := slices.Index([]int{6, 7, 9}, len(hex))
			if err != nil || i < 0 {
				return nil, fmt.Errorf("%q is no prefix of 6, 7 or 9 hexadecimal digits", hex)
			}
			pairs[i] = append(pairs[i], [2]uint64{n, uint64(len(m.names))})
		}
		m.names = append(m.names, name)
	}
	for i := range pairs {
		m.by[i] = sorted(pairs[i])
	}
	return m, lines.Err()
}

func sorted(pairs [][2]uint64) prefixes {
	slices.SortFunc(pairs, func(a, b [2]uint64) int { return slices.Compare(a[:], b[:]) })
	p := prefixes{keys: make([]uint64, len(pairs)), who: make([]uint32, len(pairs))}
	for i, x := range pairs {
		p.keys[i], p.who[i] = x[0], uint32(x[1])
	}
	return p
}

// of names the maker of a network card by its address, the most special block
// first; "" for addresses that a device made up itself.
func (m *makers) of(mac packet.MAC) string {
	if private(mac) || m == nil {
		return ""
	}
	var n uint64
	for _, b := range mac {
		n = n<<8 | uint64(b)
	}
	for i := 2; i >= 0; i-- {
		bits := []int{24, 28, 36}[i]
		if at, ok := slices.BinarySearch(m.by[i].keys, n>>(48-bits)); ok {
			return m.names[m.by[i].who[at]]
		}
	}
	return ""
}

// Maker names who a MAC address's block belongs to; "" unknown.
func (k *Knowledge) Maker(mac packet.MAC) string { return k.makers.of(mac) }

// private says that an address was made up by its device (IEEE 802c, locally
// administered).
func private(mac packet.MAC) bool { return mac[0]&2 != 0 }

// group says that an address is no device's: broadcast and multicast.
func group(mac packet.MAC) bool { return mac[0]&1 != 0 }

// virtual names the protocol whose shared router address it is.
func virtual(mac packet.MAC) string {
	switch {
	case mac[0] == 0 && mac[1] == 0 && mac[2] == 0x5e && mac[3] == 0 && (mac[4] == 1 || mac[4] == 2):
		return "VRRP" // RFC 5798, 7.3
	case mac[0] == 0 && mac[1] == 0 && mac[2] == 0x0c && (mac[3] == 0x07 && mac[4] == 0xac || mac[3] == 0x9f && mac[4]&0xf0 == 0xf0):
		return "HSRP" // RFC 2281, and its version 2
	case mac[0] == 0 && mac[1] == 0x07 && mac[2] == 0xb4 && mac[3] == 0:
		return "GLBP"
	}
	return ""
}
