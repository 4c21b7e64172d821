package console

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/zone"
)

// Sentences of the pages about zones and simulations.

// mostEffects is how many effects and pairs the page shows.
const (
	mostEffects = 200
	mostBlocked = 50
)

// more is how many effects are not shown.
func (m simulationFile) more() int {
	return max(0, len(m.Report.Effects)-mostEffects) + m.Report.More
}

func zoneTitleOf(p *page, z zone.Zone) string { return cmp.Or(p.In(z.Title), z.Name) }

func joined(list []string) string { return strings.Join(list, ", ") }

func mark(good bool) string {
	if good {
		return "✓"
	}
	return "✗"
}

func lifeChip(l zone.Life) string {
	switch l {
	case zone.Enforced:
		return "good"
	case zone.Staged, zone.Draft:
		return "accent"
	case zone.Waiting:
		return "warn"
	}
	return "quiet"
}

// deniedWord tells what was dropped from what would have been.
func deniedWord(l zone.Life) string {
	if l == zone.Staged || l == zone.Draft {
		return "would"
	}
	return "did"
}

func failed(list []api.Probe) int {
	n := 0
	for _, x := range list {
		if x.Want != x.Got {
			n++
		}
	}
	return n
}

func (p *page) probeText(x api.Probe) string {
	way := map[bool]string{true: "passes", false: "blocked"}
	return p.T("probe.text", p.T("probe."+way[x.Want]), p.T("probe."+way[x.Got]))
}

func (p *page) cellText(c cell) string {
	s := c.From + " → " + c.To + ": "
	if c.Same {
		return s + p.T("zones.cell.same")
	}
	return s + p.T("zones.cell.text", c.Conduits, p.Num(c.Sessions), p.Num(c.Denied))
}

// brief writes a count in few letters: 1.2k, 3M.
func (p *page) brief(n int64) string {
	switch {
	case n >= 1_000_000:
		return strconv.FormatFloat(float64(n)/1e6, 'f', 0, 64) + "M"
	case n >= 10_000:
		return strconv.FormatFloat(float64(n)/1e3, 'f', 0, 64) + "k"
	case n >= 1000:
		return strconv.FormatFloat(math.Floor(float64(n)/100)/10, 'f', 1, 64) + "k"
	}
	return strconv.FormatInt(n, 10)
}

// formText is what stands in the form: what was sent, or the policy shown.
func (m zonesFile) formText() string {
	if m.Text != "" || m.Shown == nil {
		return m.Text
	}
	text := m.Shown.Text
	if m.Next != nil && m.Next.Text != "" {
		text = m.Next.Text
	}
	if len(text) > mostText {
		return ""
	}
	return text
}

func verdictClass(m simulationFile) string {
	switch {
	case m.Life > 0 || slices.ContainsFunc(m.Report.Effects, func(e zone.Effect) bool { return e.Severity >= 5 }):
		return "critical"
	case len(m.Report.Effects) > 0:
		return "medium"
	}
	return "good"
}

// verdictText is the report in one sentence.
func (p *page) verdictText(m simulationFile) string {
	switch {
	case m.Life > 0:
		return p.N("sim.verdict.life", m.Life)
	case len(m.Report.Effects) > 0:
		return p.N("sim.verdict.effects", len(m.Report.Effects))
	}
	return p.T("sim.verdict.good")
}

func effectChip(e zone.Effect) string {
	switch severityClass(e) {
	case "critical", "high":
		return "bad"
	case "medium":
		return "warn"
	}
	return "quiet"
}

func (p *page) effectLine(m simulationFile, e zone.Effect) string {
	parts := []string{m.zoneTitle(e.FromZone) + " → " + m.zoneTitle(e.ToZone)}
	if e.From != "" || e.To != "" {
		parts = append(parts, e.From+" → "+e.To)
	}
	if e.Service != "" {
		parts = append(parts, p.serviceText(e.Service))
	}
	if e.PerDay > 0 {
		parts = append(parts, p.T("sim.perday", p.rate(e.PerDay)))
	}
	if e.Department != "" {
		parts = append(parts, e.Department)
	}
	if e.Last > 0 {
		parts = append(parts, p.T("sim.lasttime", p.Time(e.Last)))
	}
	return strings.Join(parts, " · ")
}

func (p *page) rate(f float64) string {
	if f < 10 {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return p.Num(int64(math.Round(f)))
}

// wholeShare is a part of one as a percentage that never rounds a loss away.
func (p *page) wholeShare(f float64) string {
	v := 100 * f
	if v < 100 && v > 99.9 {
		v = 99.9
	}
	return fmt.Sprintf("%.1f %%", math.Floor(v*10)/10)
}

// smallShare is a part of a whole that is told even when it is tiny.
func (p *page) smallShare(part, all int64) string {
	if part > 0 && part*1000 < all {
		return "< 0.1%"
	}
	return p.Percent(part, all)
}

func scoreClass(f float64) string {
	switch {
	case f >= 0.99:
		return "sure"
	case f >= 0.9:
		return "medium"
	}
	return "critical"
}

func clearChip(what string) string {
	if what == "patient" || what == "password" {
		return "bad"
	}
	return "warn"
}

// countdown is the time that is left, as a clock shows it.
func (p *page) countdown(v *api.PolicyVersion) string {
	left := p.left(v)
	return fmt.Sprintf("%d:%02d", left/60, left%60)
}

// alarmText names a kind of alarm.
func (p *page) alarmText(k asset.AlarmKind) string {
	if _, known := words["netalarm."+string(k)]; known {
		return p.T("netalarm." + string(k))
	}
	return string(k)
}

func (p *page) securityText(s string) string {
	switch s {
	case "", "open":
		return p.T("air.open")
	case "wep", "wpa", "wpa2", "wpa3", "owe":
		return strings.ToUpper(s)
	}
	return s
}

func (p *page) signal(dbm int) string {
	if dbm == 0 {
		return "–"
	}
	return strconv.Itoa(dbm) + " dBm"
}

func pointWish(x api.AccessPoint) string {
	if x.Ours {
		return "foreign"
	}
	return "ours"
}

func (p *page) sensorClass(s api.SensorState) string {
	class, _ := p.sensorState(s)
	return class
}

func (p *page) sensorWord(s api.SensorState) string {
	_, text := p.sensorState(s)
	return text
}

func (p *page) whereText(s api.SensorState) string {
	all := slices.Concat(s.Where, s.Zones)
	if s.Version != "" {
		all = append(all, s.Version)
	}
	if s.EventsOnly {
		all = append(all, p.T("sensor.events"))
	}
	return strings.Join(all, " · ")
}

// unless is a dash where a number is unknown.
func unless(unknown bool, text string) string {
	if unknown {
		return "–"
	}
	return text
}

func (p *page) sensorBytes(s api.SensorState) string {
	if s.EventsOnly {
		return ""
	}
	return p.bytes(s.Bytes)
}

func (p *page) dropShare(s api.SensorState) string {
	if s.Drops == 0 {
		return ""
	}
	return strconv.FormatFloat(100*float64(s.Drops)/float64(max(1, s.Drops+s.Packets)), 'g', 2, 64) + " %"
}
