package incident

import (
	"cmp"
	"math"
	"slices"

	"github.com/cordon-health/cordon/ocsf"
)

// Weak findings add up less and less beyond the knee and never pass the cap,
// so that many of them still rank, one above the other, and never outrank what
// a strong detector is sure of.
const (
	weakKnee = 0.45
	weakCap  = 0.65
	// One weak detector alone stays below what a strong one begins with,
	// however often it speaks.
	aloneKnee = 0.42
	aloneCap  = 0.52
	// lift is what the lesser of strong and weak evidence adds to the other.
	lift = 0.4
)

// score is the risk of a case and what it is made of.
type score struct {
	risk  float64 // 0-100, calibrated
	raw   float64 // 0-100, as detectors see it
	parts []Part
}

// weigh sums findings: risks combine as independent chances ("noisy or"), each
// detector counting its strongest finding fully and repeats less and less, so
// that ten findings of one detector do not outrank two different ones.
func weigh(fs []ocsf.Finding, cal *Calibration, department string) score {
	by := map[string][]ocsf.Finding{}
	for _, f := range fs {
		by[f.Analytic] = append(by[f.Analytic], f)
	}
	var parts []Part
	for id, group := range by {
		parts = append(parts, partOf(id, group))
	}
	return combine(parts, cal, department)
}

// partOf is the share of one detector before calibration. It is weak or
// statistical when all its findings are, steady when one is.
func partOf(id string, group []ocsf.Finding) Part {
	slices.SortFunc(group, func(a, b ocsf.Finding) int {
		return cmp.Or(cmp.Compare(b.Risk, a.Risk), cmp.Compare(a.UID, b.UID))
	})
	p := Part{Analytic: id, Count: len(group), Weak: true, Statistical: true}
	miss := 1.0 // the chance that none of them is real
	for i, f := range group {
		share := math.Pow(0.5, float64(i))
		if f.Weak {
			share = math.Pow(0.85, float64(i))
		}
		miss *= 1 - share*clamp(f.Risk)/100
		p.Weak, p.Statistical, p.Steady = p.Weak && f.Weak, p.Statistical && f.Statistical, p.Steady || f.Steady
	}
	if p.Weak {
		miss = 1 - soften(-math.Log(miss), aloneKnee, aloneCap)
	}
	p.Risk = round(100 * (1 - miss))
	return p
}

// combine calibrates the parts and adds them up, the strong ones first. What
// each adds is what the sum grows by when it joins.
func combine(parts []Part, cal *Calibration, department string) score {
	parts = slices.Clone(parts)
	for i := range parts {
		parts[i] = cal.apply(parts[i], department)
	}
	slices.SortFunc(parts, func(a, b Part) int {
		return cmp.Or(cmp.Compare(truth(a.Weak), truth(b.Weak)), cmp.Compare(b.Local, a.Local), cmp.Compare(a.Analytic, b.Analytic))
	})
	var local, raw sum
	before := 0.0
	for i := range parts {
		raw.add(parts[i].Risk, parts[i].Weak)
		local.add(parts[i].Local, parts[i].Weak)
		now := round(local.total())
		parts[i].Adds, before = round(now-before), now
	}
	return score{risk: before, raw: round(raw.total()), parts: parts}
}

// sum collects chances, as the logarithm of their being wrong.
type sum struct{ strong, weak float64 }

func (s *sum) add(risk float64, weak bool) {
	h := -math.Log1p(-clamp(risk) / 100)
	if weak {
		s.weak += h
		return
	}
	s.strong += h
}

// total is 0 to 100 and grows with every finding.
func (s sum) total() float64 {
	a, b := -math.Expm1(-s.strong), soften(s.weak, weakKnee, weakCap)
	return 100 * (1 - (1-max(a, b))*(1-lift*min(a, b)))
}

// soften turns the sum of weak evidence into a chance: as it is up to the
// knee, from there on ever slower towards the cap.
func soften(h, knee, limit float64) float64 {
	x := -math.Expm1(-h)
	if x <= knee {
		return x
	}
	room := limit - knee
	t := (h + math.Log1p(-knee)) * (1 - knee) / room
	return knee + room*t/(1+t)
}

func clamp(r float64) float64 { return max(0, min(r, 99.9)) }

// round keeps two digits: cases that differ are not tied.
func round(r float64) float64 { return math.Round(r*100) / 100 }

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}
