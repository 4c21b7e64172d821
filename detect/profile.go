package detect

import (
	"encoding/base64"
	"encoding/json"
)

// profile says at which hours of the week somebody is at work: each of the 168
// hours counts the weeks in which it saw anything, and weighs half after four
// weeks.
type profile struct {
	hours [hoursOfWeek]uint8
	epoch int64
	// last is the latest hour counted.
	last int64
}

const (
	hoursOfWeek = 168
	profileUnit = 16
)

// see notes an event at a local time in ms.
func (p *profile) see(local int64) {
	hour := local / hourMS
	if hour <= p.last {
		return
	}
	p.last = hour
	if epoch := local / halfLife; epoch > p.epoch {
		for i := range p.hours {
			p.hours[i] >>= min(7, uint64(epoch-p.epoch))
		}
		p.epoch = epoch
	}
	h := &p.hours[hour%hoursOfWeek]
	*h = uint8(min(255, int(*h)+profileUnit))
}

// around is how many weeks know the hour of a local time, or that hour on any
// day of the week, an hour of slack on each side, older weeks counting less.
func (p *profile) around(local int64) float64 {
	hour, sum := local/hourMS, 0
	for d := range int64(7) {
		most := 0
		for _, slack := range [3]int64{-1, 0, 1} {
			most = max(most, int(p.hours[(hour+slack+24*d+hoursOfWeek)%hoursOfWeek]))
		}
		sum += most
	}
	return float64(sum) / profileUnit
}

type profileSnapshot struct {
	Hours string `json:"h,omitempty"`
	Epoch int64  `json:"e,omitempty"`
	Last  int64  `json:"l,omitempty"`
}

// MarshalJSON writes the hours as one string.
func (p profile) MarshalJSON() ([]byte, error) { return p.appendJSON(nil), nil }

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *profile) UnmarshalJSON(text []byte) error {
	var s profileSnapshot
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	b, err := base64.RawStdEncoding.DecodeString(s.Hours)
	if err != nil || len(b) != hoursOfWeek {
		return errSketch
	}
	*p = profile{epoch: s.Epoch, last: s.Last}
	copy(p.hours[:], b)
	return nil
}
