package asset

import (
	"math"
	"strings"
)

// cvss3 is the base score of a CVSS 3.0 or 3.1 vector; 0 where it is none.
// Source: FIRST, CVSS v3.1 specification, 7.1 and appendix A.
func cvss3(vector string) float64 {
	m := map[string]string{}
	for part := range strings.SplitSeq(strings.ToUpper(vector), "/") {
		if name, value, ok := strings.Cut(part, ":"); ok {
			m[name] = value
		}
	}
	if !strings.HasPrefix(m["CVSS"], "3") {
		return 0
	}
	weight := func(metric string, weights map[string]float64) float64 {
		w, ok := weights[m[metric]]
		if !ok {
			return math.NaN()
		}
		return w
	}
	changed := m["S"] == "C"
	pr := map[string]float64{"N": 0.85, "L": 0.62, "H": 0.27}
	if changed {
		pr = map[string]float64{"N": 0.85, "L": 0.68, "H": 0.5}
	}
	cia := map[string]float64{"H": 0.56, "L": 0.22, "N": 0}
	iss := 1 - (1-weight("C", cia))*(1-weight("I", cia))*(1-weight("A", cia))
	impact := 6.42 * iss
	if changed {
		impact = 7.52*(iss-0.029) - 3.25*math.Pow(iss-0.02, 15)
	}
	exploit := 8.22 * weight("AV", map[string]float64{"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2}) *
		weight("AC", map[string]float64{"L": 0.77, "H": 0.44}) * weight("PR", pr) * weight("UI", map[string]float64{"N": 0.85, "R": 0.62})
	total := impact + exploit
	if changed {
		total *= 1.08
	}
	if math.IsNaN(total) || impact <= 0 {
		return 0
	}
	return roundUp(min(total, 10))
}

// roundUp is the function of appendix A: up to one decimal, without the
// mistakes of binary fractions.
func roundUp(x float64) float64 {
	n := math.Round(x * 100000)
	if math.Mod(n, 10000) == 0 {
		return n / 100000
	}
	return (math.Floor(n/10000) + 1) / 10
}
