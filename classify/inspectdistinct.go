package classify

import (
	"math"
	"math/bits"
)

const (
	// distinctExact is up to how many values a count is exact.
	distinctExact = 512
	// distinctBits makes 2^14 registers: 16 KiB, and an error of 0.8 %.
	distinctBits = 14
)

// distinct counts different hashes in bounded memory: exactly while there are
// few, then by HyperLogLog.
type distinct struct {
	exact map[uint64]struct{}
	regs  []uint8
}

func (d *distinct) add(hash uint64) {
	if d.regs != nil {
		d.register(hash)
		return
	}
	if d.exact == nil {
		d.exact = map[uint64]struct{}{}
	}
	d.exact[hash] = struct{}{}
	if len(d.exact) <= distinctExact {
		return
	}
	d.regs = make([]uint8, 1<<distinctBits)
	for h := range d.exact {
		d.register(h)
	}
	d.exact = nil
}

// register keeps the longest run of zeros seen in the hash's register.
func (d *distinct) register(hash uint64) {
	i := hash >> (64 - distinctBits)
	zeros := uint8(bits.LeadingZeros64(hash<<distinctBits|1<<(distinctBits-1))) + 1
	d.regs[i] = max(d.regs[i], zeros)
}

func (d *distinct) count() int {
	if d.regs == nil {
		return len(d.exact)
	}
	const m = 1 << distinctBits
	sum, empty := 0.0, 0
	for _, r := range d.regs {
		sum += math.Ldexp(1, -int(r))
		if r == 0 {
			empty++
		}
	}
	estimate := 0.7213 / (1 + 1.079/m) * m * m / sum
	if estimate <= 2.5*m && empty > 0 {
		estimate = m * math.Log(float64(m)/float64(empty))
	}
	return int(estimate + 0.5)
}
