package classify

import (
	"time"
)

// Caps bound what one inspection may cost, whatever a file says about itself.
// The zero value means the usual caps. Each cap reached becomes a finding
// "could not be read because …", and what lies within it is still read.
type Caps struct {
	// Depth is how deeply files may lie within files; usually 12.
	Depth int `yaml:"depth"`
	// Members is how many files may lie in one file, at all depths together;
	// usually 100,000.
	Members int64 `yaml:"members"`
	// Unpacked is how many bytes all of them may have; usually 16 GiB.
	Unpacked int64 `yaml:"unpacked"`
	// Ratio is how many times the size of the whole file its members may have
	// together, beyond the first 64 MiB; usually 250.
	Ratio int64 `yaml:"ratio"`
	// Findings is how many findings one file may bring; usually 1,000,000.
	// The summary counts those beyond it.
	Findings int64 `yaml:"findings"`
	// Repeats is how many findings of one kind one column of a table may
	// bring; usually 1,000. The rest of them make one finding together.
	Repeats int64 `yaml:"repeats"`
	// Time is how long one file may take; usually without end.
	Time time.Duration `yaml:"time"`
}

// ratioFree is what may be unpacked of any file before its ratio counts.
const ratioFree = 64 << 20

// usual fills in what is not set.
func (c Caps) usual() Caps {
	set := func(v *int64, usual int64) {
		if *v <= 0 {
			*v = usual
		}
	}
	if c.Depth <= 0 {
		c.Depth = 12
	}
	set(&c.Members, 100_000)
	set(&c.Unpacked, 16<<30)
	set(&c.Ratio, 250)
	set(&c.Findings, 1_000_000)
	set(&c.Repeats, 1000)
	return c
}

// allowance is what is left of the caps while one file is inspected.
type allowance struct {
	caps     Caps
	members  int64
	unpacked int64
	most     int64 // of unpacked bytes, by size and ratio
	why      *Cause
}

func newAllowance(caps Caps, size int64) *allowance {
	a := &allowance{caps: caps, most: caps.Unpacked,
		why: capped("its members are larger than may be unpacked, in bytes", "解包后的字节数超过上限", caps.Unpacked)}
	if size < (caps.Unpacked-ratioFree)/caps.Ratio {
		a.most = ratioFree + size*caps.Ratio
		a.why = capped("its members are larger than may be unpacked, as a multiple of its size", "解包后的大小超过文件大小的倍数上限", caps.Ratio)
	}
	return a
}

// enter counts a member at a depth and says why it may not be read.
func (a *allowance) enter(depth int) *Cause {
	if a.members++; a.members > a.caps.Members {
		return capped("it holds more files than may be read", "包含的文件数超过上限", a.caps.Members)
	}
	if depth > a.caps.Depth {
		return capped("it lies deeper in other files than may be, in levels", "嵌套层数超过上限", a.caps.Depth)
	}
	return nil
}

// used says whether nothing more may be unpacked or entered.
func (a *allowance) used() bool {
	return a.members > a.caps.Members || a.unpacked > a.most
}

// meter is a reader that ends with a cause when the allowance is used up.
type meter struct {
	from interface{ Read([]byte) (int, error) }
	left *allowance
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.from.Read(p)
	if m.left.unpacked += int64(n); m.left.unpacked > m.left.most {
		return 0, m.left.why
	}
	return n, err
}
