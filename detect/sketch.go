package detect

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"math/bits"
	"slices"
	"time"
)

// Sketch is the distribution of a count, by which one can say what is usual:
// median, spread and, for what changed lately, an exponentially weighted mean.
// It holds at most 488 bins whatever it is shown: counts up to 15 exactly,
// larger ones to within an eighth. It forgets by the time of events: every four
// weeks what it holds weighs half. All of it is whole numbers, so the same
// observations give the same sketch on every machine; observations of the same
// four weeks may come in any order (Lately alone follows their order).
type Sketch struct {
	bins []bin
	// epoch numbers the four weeks of the newest observation.
	epoch int64
	// level is the mean of the latest observations, times 256.
	level int64
}

type bin struct {
	at     uint16
	weight uint32
}

const (
	halfLife = 28 * 24 * int64(time.Hour/time.Millisecond)
	// unit is the weight of a new observation; after eight epochs nothing is
	// left of it.
	unit      = 128
	exactly   = 16 // counts below have a bin each
	perDouble = 8
	levelUnit = 256
	levelPace = 8 // an observation moves the level by an eighth
	maxBins   = exactly + 59*perDouble
)

// Add notes an observation at a time in ms.
func (s *Sketch) Add(count int64, at int64) {
	count, epoch := max(0, count), max(0, at/halfLife)
	if len(s.bins) == 0 {
		s.epoch, s.level = epoch, count*levelUnit
	}
	weight := uint32(unit)
	if epoch >= s.epoch {
		s.age(epoch)
		s.level += (min(count, math.MaxInt64/levelUnit)*levelUnit - s.level) / levelPace
	} else {
		weight >>= min(31, uint64(s.epoch-epoch))
	}
	if weight == 0 {
		return
	}
	b := binOf(count)
	i, found := slices.BinarySearchFunc(s.bins, b, func(x bin, at uint16) int { return cmp.Compare(x.at, at) })
	if !found {
		s.bins = slices.Insert(s.bins, i, bin{at: b})
	}
	if sum := s.bins[i].weight + weight; sum >= weight { // does not wrap around
		s.bins[i].weight = sum
	}
}

// age lets what is held weigh half for each epoch that passed.
func (s *Sketch) age(epoch int64) {
	steps := min(31, uint64(epoch-s.epoch))
	s.epoch = epoch
	if steps == 0 {
		return
	}
	kept := s.bins[:0]
	for _, b := range s.bins {
		if b.weight >>= steps; b.weight > 0 {
			kept = append(kept, b)
		}
	}
	s.bins = kept
}

// binOf is the bin of a count: eight for each doubling from 16 on.
func binOf(count int64) uint16 {
	if count < exactly {
		return uint16(count)
	}
	k := bits.Len64(uint64(count)) - 1
	return uint16(exactly + (k-4)*perDouble + int(count>>(k-3))&(perDouble-1))
}

// middle is the count a bin stands for.
func (b bin) middle() float64 {
	if b.at < exactly {
		return float64(b.at)
	}
	k, part := int(b.at-exactly)/perDouble+4, int(b.at-exactly)%perDouble
	width := math.Ldexp(1, k-3)
	return width*float64(perDouble+part) + (width-1)/2
}

// N is how many observations it rests on, older ones counting less.
func (s *Sketch) N() float64 { return float64(s.total()) / unit }

func (s *Sketch) total() (sum uint64) {
	for _, b := range s.bins {
		sum += uint64(b.weight)
	}
	return sum
}

// Median is the middle of the observations, 0 without any.
func (s *Sketch) Median() float64 { return s.Quantile(0.5) }

// Quantile is the count that a share q of the observations do not exceed.
func (s *Sketch) Quantile(q float64) float64 {
	left := uint64(q * float64(s.total()))
	for _, b := range s.bins {
		if uint64(b.weight) > left {
			return b.middle()
		}
		left -= uint64(b.weight)
	}
	if len(s.bins) == 0 {
		return 0
	}
	return s.bins[len(s.bins)-1].middle()
}

// Spread is the median absolute deviation from the median.
func (s *Sketch) Spread() float64 {
	type gap struct {
		far    float64
		weight uint64
	}
	median, gaps := s.Median(), make([]gap, len(s.bins))
	for i, b := range s.bins {
		gaps[i] = gap{math.Abs(b.middle() - median), uint64(b.weight)}
	}
	slices.SortFunc(gaps, func(a, b gap) int { return cmp.Compare(a.far, b.far) })
	left := s.total() / 2
	for _, g := range gaps {
		if g.weight > left {
			return g.far
		}
		left -= g.weight
	}
	return 0
}

// Lately is the exponentially weighted mean of the latest observations.
func (s *Sketch) Lately() float64 { return float64(s.level) / levelUnit }

// MarshalJSON writes the sketch as one short string.
func (s Sketch) MarshalJSON() ([]byte, error) { return s.appendJSON(nil), nil }

var errSketch = errors.New("memory of what is usual is damaged")

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Sketch) UnmarshalJSON(text []byte) error {
	b, err := unquote(text)
	*s = Sketch{}
	if err != nil || len(b) == 0 {
		return err
	}
	var n int
	if s.epoch, n = binary.Varint(b); n <= 0 {
		return errSketch
	}
	b = b[n:]
	if s.level, n = binary.Varint(b); n <= 0 {
		return errSketch
	}
	b = b[n:]
	for last := uint64(0); len(b) > 0; {
		at, n := binary.Uvarint(b)
		weight, m := binary.Uvarint(b[max(n, 0):])
		if n <= 0 || m <= 0 || at > maxBins || last+at >= maxBins || weight == 0 || weight > math.MaxUint32 || at == 0 && len(s.bins) > 0 {
			return errSketch
		}
		last += at
		s.bins = append(s.bins, bin{uint16(last), uint32(weight)})
		b = b[n+m:]
	}
	return nil
}

// unquote reads a JSON string of base64.
func unquote(text []byte) ([]byte, error) {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, err
	}
	return base64.RawStdEncoding.DecodeString(s)
}
