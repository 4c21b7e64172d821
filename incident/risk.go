package incident

import (
	"cmp"
	"math"
	"slices"

	"github.com/cordon-health/cordon/ocsf"
)

const (
	weakMost  = 60 // all weak findings together
	weakBoost = 8  // what weak findings add to strong ones at most
)

// weigh sums findings: risks combine as independent chances ("noisy or"), each
// detector counting its strongest finding fully and repeats less and less, so
// that ten findings of one detector do not outrank two different ones.
func weigh(fs []ocsf.Finding) (risk float64, parts []Part) {
	by := map[string][]ocsf.Finding{}
	for _, f := range fs {
		by[f.Analytic] = append(by[f.Analytic], f)
	}
	strong, weak := 1.0, 1.0
	for id, group := range by {
		miss, isWeak := missOf(group)
		if isWeak {
			weak *= miss
		} else {
			strong *= miss
		}
		parts = append(parts, Part{Analytic: id, Risk: round(100 * (1 - miss)), Count: len(group), Weak: isWeak})
	}
	slices.SortFunc(parts, func(a, b Part) int {
		return cmp.Or(cmp.Compare(b.Risk, a.Risk), cmp.Compare(a.Analytic, b.Analytic))
	})
	s, w := 100*(1-strong), min(100*(1-weak), weakMost)
	if s == 0 {
		return round(w), parts
	}
	return round(min(s+w*weakBoost/weakMost, 100)), parts
}

// missOf is the chance that none of one detector's findings is real.
func missOf(group []ocsf.Finding) (miss float64, weak bool) {
	slices.SortFunc(group, func(a, b ocsf.Finding) int {
		return cmp.Or(cmp.Compare(b.Risk, a.Risk), cmp.Compare(a.UID, b.UID))
	})
	miss, weak = 1.0, true
	for i, f := range group {
		share := math.Pow(0.5, float64(i))
		if f.Weak {
			share = math.Pow(0.85, float64(i))
		}
		miss *= 1 - share*clamp(f.Risk)/100
		weak = weak && f.Weak
	}
	return miss, weak
}

func clamp(r float64) float64 { return max(0, min(r, 99.9)) }

func round(r float64) float64 { return math.Round(r*10) / 10 }
