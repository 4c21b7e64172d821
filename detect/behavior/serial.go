package behavior

import (
	"encoding/json"
	"math"
	"slices"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// serial: somebody looks at strangers now and then, over weeks.
type serial struct {
	people detect.Memory[habit]
	roles  detect.Memory[share] // what is usual for a role
}

// habit is one person's month.
type habit struct {
	share
	Role string     `json:"r,omitempty"`
	Seen []stranger `json:"s,omitempty"`
	// Since and First are when and with which event the finding began; a new
	// month makes a new finding.
	Since int64  `json:"b,omitempty"`
	First string `json:"f,omitempty"`
}

// share is how many of the accesses are unexplained.
type share struct {
	All     fading `json:"a"`
	Strange fading `json:"x"`
}

// stranger is a patient without a tie, by the first access to them.
type stranger struct {
	Patient string `json:"p"`
	UID     string `json:"u"`
	At      int64  `json:"t"`
}

const (
	month        = 30 * day
	maxStrangers = 32
)

var (
	_ detect.Detector = (*serial)(nil)
	_ detect.Stateful = (*serial)(nil)
)

func newSerial() *serial {
	return &serial{people: detect.NewMemory[habit](20_000, 45*day), roles: detect.NewMemory[share](1_000, 0)}
}

// Info implements [detect.Detector].
func (*serial) Info() detect.Info {
	return detect.Info{
		ID: "serial-snooping", Group: detect.GroupWhy,
		Title: ocsf.Text{EN: "Strangers' records, again and again", ZH: "长期多次查看无关患者病历"},
		Why: ocsf.Text{
			EN: "Within 30 days the person opened the records of several patients on several days without any tie to them, and clearly more of them than colleagues of the same role do among as many accesses. No single access would stand out.",
			ZH: "30 天内，该人员在多个日期查看了多名与其无任何关系的患者病历，且占比明显高于同岗位人员。单次访问并不显眼。",
		},
		Advice: ocsf.Text{
			EN: "Ask about all of them at once, in one case.",
			ZH: "合并为一案，一次性询问全部访问。",
		},
		Severity: ocsf.SeverityHigh, Risk: 55, Bare: true,
		References: []string{"Bluesight PrivacyPro, Multi-Incident Cases (2025)"},
		Params: []detect.Param{
			{Name: "patients", Default: 6, About: ocsf.Text{EN: "patients without a tie", ZH: "无关患者数"}},
			{Name: "days", Default: 4, About: ocsf.Text{EN: "days on which they were looked at", ZH: "涉及的天数"}},
			{Name: "ratio", Default: 2, About: ocsf.Text{EN: "times what is usual for the role", ZH: "相对同岗位常态的倍数"}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *serial) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Deliberate() {
		return
	}
	who := c.Who()
	h, role := d.people.Keep(who, ev.Time), d.roles.Keep(c.Role(), ev.Time)
	h.Role = c.Role()
	h.All.add(ev.Time, month, 1)
	role.All.add(ev.Time, month, 1)
	if !c.Unexplained() {
		return
	}
	patient := c.Patient().ID
	if slices.ContainsFunc(h.Seen, func(s stranger) bool { return s.Patient == patient }) {
		return
	}
	h.Strange.add(ev.Time, month, 1)
	role.Strange.add(ev.Time, month, 1)
	h.see(stranger{patient, ev.Metadata.UID, ev.Time})
	if len(h.Seen) < int(c.Param("patients")) {
		return
	}
	h.Seen = slices.DeleteFunc(h.Seen, func(s stranger) bool { return s.UID != ev.Metadata.UID && c.Tied(s.Patient, s.At) })
	d.weigh(c, ev, h, role)
}

// see keeps the newest of the month.
func (h *habit) see(s stranger) {
	i, _ := slices.BinarySearchFunc(h.Seen, s.At, func(a stranger, at int64) int { return int((a.At - at) / 1000) })
	h.Seen = slices.Insert(h.Seen, i, s)
	newest := h.Seen[len(h.Seen)-1].At
	h.Seen = slices.DeleteFunc(h.Seen, func(s stranger) bool { return s.At < newest-month })
	if over := len(h.Seen) - maxStrangers; over > 0 {
		h.Seen = slices.Delete(h.Seen, 0, over)
	}
}

func (d *serial) weigh(c *detect.Context, ev *ocsf.Event, h *habit, role *share) {
	n, days := len(h.Seen), h.days()
	if n < int(c.Param("patients")) || days < int(c.Param("days")) {
		return
	}
	usual := max(h.expected(role, ev.Time), d.peers(c.Who(), h.Role))
	if float64(n) < c.Param("ratio")*usual || atLeast(n, usual) > 0.01 {
		return
	}
	if h.First == "" || ev.Time-h.Since > month {
		h.Since, h.First = ev.Time, ev.Metadata.UID
	}
	c.Find(ocsf.Finding{
		UID: detect.UID("serial-snooping", c.Who(), h.First), Events: h.uids(),
		Title: text("%s opened the records of %d patients without any tie to them, on %d days", "%s 在 %[3]d 天内查看了 %[2]d 名无关患者的病历",
			c.Who(), n, days),
		Why: text("Among as many accesses, %.1f would be usual for the role. The list has the first access to each patient.",
			"按同岗位常态，相同访问量下约为 %.1f 名。所列为对每名患者的首次访问。", usual),
		Risk: min(50+4*(float64(n)-usual)/math.Sqrt(usual+1), 84),
	})
}

// peers is the number of strangers that three in four others of the same role
// stay below: people differ more than chance alone would have it (who helps out
// everywhere sees many).
func (d *serial) peers(who, role string) float64 {
	var counts []int
	d.people.Each(func(name string, h *habit) {
		if h.Role == role && name != who {
			counts = append(counts, len(h.Seen))
		}
	})
	slices.Sort(counts)
	if len(counts) == 0 {
		return 0
	}
	return float64(counts[len(counts)*3/4])
}

func (h *habit) days() int {
	n, last := 0, int64(-1)
	for _, s := range h.Seen {
		if d := s.At / day; d != last {
			n, last = n+1, d
		}
	}
	return n
}

func (h *habit) uids() []string {
	out := make([]string, len(h.Seen))
	for i, s := range h.Seen {
		out[i] = s.UID
	}
	return out
}

// expected is how many strangers the rest of the role would have seen among as
// many accesses. While little is known of the role, three in a hundred are
// taken as usual.
func (h *habit) expected(role *share, at int64) float64 {
	const prior, weight = 0.03, 200
	all := max(0, role.All.at(at, month)-h.All.at(at, month))
	strange := max(0, role.Strange.at(at, month)-h.Strange.at(at, month))
	return h.All.at(at, month) * (strange + prior*weight) / (all + weight)
}

// atLeast is the chance to see n or more where mean are expected (Poisson).
func atLeast(n int, mean float64) float64 {
	if mean <= 0 {
		return 0
	}
	term, below := math.Exp(-mean), 0.0
	for k := range n {
		below += term
		term *= mean / float64(k+1)
	}
	return max(0, 1-below)
}

type serialMemory struct {
	People json.RawMessage `json:"people"`
	Roles  json.RawMessage `json:"roles"`
}

// Snapshot implements [detect.Stateful].
func (d *serial) Snapshot() ([]byte, error) {
	people, err := d.people.Snapshot()
	if err != nil {
		return nil, err
	}
	roles, err := d.roles.Snapshot()
	if err != nil {
		return nil, err
	}
	return json.Marshal(serialMemory{people, roles})
}

// Restore implements [detect.Stateful].
func (d *serial) Restore(data []byte) error {
	var m serialMemory
	if data != nil {
		if err := json.Unmarshal(data, &m); err != nil {
			return err
		}
	}
	if err := d.people.Restore(m.People); err != nil {
		return err
	}
	return d.roles.Restore(m.Roles)
}
