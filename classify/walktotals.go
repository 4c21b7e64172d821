package classify

import (
	"context"
	"math"
	"math/bits"
	"slices"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"
)

// Totals is what a whole scan comes to.
type Totals struct {
	Objects   int64 `json:"objects"`
	Unchanged int64 `json:"unchanged"`
	Bytes     int64 `json:"bytes"`
	Findings  int64 `json:"findings"`
	// Level is the highest there is; Levels counts objects by their level,
	// index 0 is objects without findings.
	Level  int      `json:"level"`
	Levels [6]int64 `json:"levels"`
	// Kinds counts findings by kind.
	Kinds map[string]int64 `json:"kinds"`
	// Patients are the hospital's own, each counted once; Honey findings name
	// planted ones. Persons estimates distinct people where there is no index.
	Patients int   `json:"patients"`
	Honey    int64 `json:"honey"`
	Persons  int64 `json:"persons"`
	// Unread pieces could not be read, Failed objects not at all; Changed ones
	// changed while they were read; of Touched ones the system did not allow
	// to leave the access time.
	Unread  int64 `json:"unread"`
	Failed  int64 `json:"failed"`
	Changed int64 `json:"changed"`
	Touched int64 `json:"touched"`

	people []uint32 // the numbers behind Patients, sorted
}

// tally adds a scan up.
type tally struct {
	sum    Totals
	people bitmap
	crowds map[string]*crowd
}

func (t *tally) found(f *Finding) {
	t.sum.Findings++
	if f.Patient {
		t.people.set(f.who)
	}
	for _, n := range f.crowd {
		t.people.set(n)
	}
	if f.Honey {
		t.sum.Honey++
	}
	if f.Token != "" && identifies(f.Kind) {
		t.crowd(f.Kind).add(f.Token)
	}
}

func (t *tally) crowd(kind string) *crowd {
	if t.crowds == nil {
		t.crowds = map[string]*crowd{}
	}
	c := t.crowds[kind]
	if c == nil {
		c = new(crowd)
		t.crowds[kind] = c
	}
	return c
}

func (t *tally) done(r *Result) {
	s := &t.sum
	s.Objects++
	s.Bytes += r.Bytes
	s.Level = max(s.Level, r.Level)
	s.Levels[min(max(r.Level, 0), 5)]++
	s.Unread += r.Unread
	if s.Kinds == nil {
		s.Kinds = map[string]int64{}
	}
	for k, n := range r.Kinds {
		s.Kinds[k] += n
	}
	for counter, yes := range map[*int64]bool{&s.Failed: r.Failed != nil, &s.Changed: r.Changed, &s.Touched: r.Touched, &s.Unchanged: r.Unchanged} {
		if yes {
			*counter++
		}
	}
	if r.Unchanged {
		s.Findings += r.Findings
		s.Honey += int64(r.Honey)
		for _, n := range r.people {
			t.people.set(n)
		}
	}
}

func (t *tally) totals() Totals {
	s := t.sum
	s.people = t.people.list()
	s.Patients = len(s.people)
	for _, c := range t.crowds {
		s.Persons = max(s.Persons, c.estimate())
	}
	if s.Kinds == nil {
		s.Kinds = map[string]int64{}
	}
	return s
}

// identifies says that values of a kind stand for one person each.
func identifies(kind string) bool {
	k, ok := KindOf(kind)
	return ok && slices.Contains([]Kind{ResidentID, ResidentID15, ResidencePermit, HKID, Passport, MRN, SSN, MBI, NHS, SocialSecurity, Mobile, Phone, Email}, k)
}

// bitmap is a set of small numbers.
type bitmap []uint64

func (b *bitmap) set(n uint32) {
	for int(n/64) >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[n/64] |= 1 << (n % 64)
}

func (b bitmap) list() []uint32 {
	var out []uint32
	for i, w := range b {
		for ; w != 0; w &= w - 1 {
			out = append(out, uint32(i*64+bits.TrailingZeros64(w)))
		}
	}
	return out
}

func (b bitmap) count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// crowd estimates how many different tokens it was shown (HyperLogLog, about
// 2 percent off), without keeping any.
type crowd [crowdCells]uint8

const (
	crowdBits  = 12
	crowdCells = 1 << crowdBits
)

func (c *crowd) add(token string) {
	h := xxh3.HashString(token)
	cell := h >> (64 - crowdBits)
	rank := uint8(bits.LeadingZeros64(h<<crowdBits|1<<(crowdBits-1)) + 1)
	c[cell] = max(c[cell], rank)
}

func (c *crowd) estimate() int64 {
	sum, empty := 0.0, 0
	for _, r := range c {
		sum += math.Ldexp(1, -int(r))
		if r == 0 {
			empty++
		}
	}
	const m = float64(crowdCells)
	e := 0.7213 / (1 + 1.079/m) * m * m / sum
	if e < 2.5*m && empty > 0 {
		e = m * math.Log(m/float64(empty))
	}
	return int64(math.Round(e))
}

// Progress is how far a scan is.
type Progress struct {
	Objects  int64 `json:"objects"`
	Bytes    int64 `json:"bytes"` // of objects done, and read of those under way
	Findings int64 `json:"findings"`
	Level    int   `json:"level"`
	Patients int   `json:"patients"`
	// AllObjects and AllBytes are those there are; Counting says that they are
	// still being counted.
	AllObjects int64 `json:"all_objects"`
	AllBytes   int64 `json:"all_bytes"`
	Counting   bool  `json:"counting"`
	// PerSecond is bytes a second since the beginning, Left what remains at
	// that rate, 0 where that is not known.
	PerSecond int64         `json:"per_second"`
	Left      time.Duration `json:"left"`
	Begun     time.Time     `json:"begun"`
}

// Share is how much is done, 0 to 1; 0 while it is being counted.
func (p Progress) Share() float64 {
	switch {
	case p.Counting || p.AllObjects == 0:
		return 0
	case p.AllBytes == 0:
		return float64(p.Objects) / float64(p.AllObjects)
	}
	return min(1, float64(p.Bytes)/float64(p.AllBytes))
}

// counted is how much there is to do, and how much was read.
type counted struct {
	objects, bytes atomic.Int64
	read, spared   atomic.Int64 // bytes read, and those of objects that need no reading
	all            atomic.Bool
}

// countAll lists everything a second time, beside the work, so that the share
// is known. It reads no content.
func (r *walking) countAll() {
	for _, o := range r.Origins {
		err := o.List(r.ctx, func(x Object) error {
			r.count.objects.Add(1)
			r.count.bytes.Add(x.Size)
			return r.ctx.Err()
		}, func(string, error) error { return nil })
		if err != nil {
			return // the listing that matters says so
		}
	}
	r.count.all.Store(true)
}

// tick tells the progress twice a second until ctx ends, and once more then.
func (r *walking) tick(ctx context.Context) <-chan struct{} {
	ended := make(chan struct{})
	if r.Progress == nil {
		close(ended)
		return ended
	}
	go func() {
		defer close(ended)
		t := time.NewTicker(500 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				r.Progress(r.progress())
				return
			case <-t.C:
				r.Progress(r.progress())
			}
		}
	}()
	return ended
}

func (r *walking) progress() Progress {
	r.mu.Lock()
	p := Progress{Objects: r.tally.sum.Objects, Findings: r.tally.sum.Findings, Level: r.tally.sum.Level, Patients: r.tally.people.count(), Begun: r.begun}
	r.mu.Unlock()
	p.AllObjects, p.AllBytes, p.Counting = r.count.objects.Load(), r.count.bytes.Load(), !r.count.all.Load()
	read := r.count.read.Load()
	p.Bytes = read + r.count.spared.Load()
	passed := r.Now().Sub(r.begun)
	if passed > 0 {
		p.PerSecond = int64(float64(read) / passed.Seconds())
	}
	if left := p.AllBytes - p.Bytes; !p.Counting && left > 0 && p.PerSecond > 0 {
		p.Left = time.Duration(float64(left) / float64(p.PerSecond) * float64(time.Second)).Round(time.Second)
	}
	return p
}
