package classify

import (
	_ "embed"
	"strings"
)

//go:embed region.txt
var regionText string

// regions knows the six-digit codes of places that resident identity numbers
// begin with.
type regions struct {
	city   [10000]uint16 // by the first four digits; 0 is none
	county [][2]uint64   // bits by the last two
}

// newRegions reads the embedded list.
func newRegions() *regions {
	r := &regions{county: make([][2]uint64, 1)}
	for line := range strings.Lines(regionText) {
		codes := strings.Fields(line)
		if len(codes) == 0 || codes[0] == "#" {
			continue
		}
		var bits [2]uint64
		for _, c := range codes[1:] {
			n := number([]byte(c))
			bits[n>>6] |= 1 << (n & 63)
		}
		r.city[number([]byte(codes[0]))] = uint16(len(r.county))
		r.county = append(r.county, bits)
	}
	return r
}

// has says whether the six digits are a place, at any time since 1980.
func (r *regions) has(six []byte) bool {
	n := number(six[4:6])
	return r.county[r.city[number(six[:4])]][n>>6]>>(n&63)&1 != 0
}

// number is the value of digits.
func number(digits []byte) (n int) {
	for _, c := range digits {
		n = n*10 + int(c-'0')
	}
	return n
}
