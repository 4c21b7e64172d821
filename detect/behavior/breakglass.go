package behavior

import (
	"encoding/json"
	"math"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// breakGlass: the emergency button without an emergency.
type breakGlass struct {
	used    detect.Memory[fading] // by person, and by "department:" + name
	pending []override            // with a reason, in order of arrival; looked at again a day later
}

// override is a use of the emergency button that must show a visit within a day.
type override struct {
	UID     string `json:"u"`
	At      int64  `json:"t"`
	Person  string `json:"p"`
	Account string `json:"a"`
	Patient string `json:"q"`
}

const maxOverrides = 4096

var (
	_ detect.Detector = (*breakGlass)(nil)
	_ detect.Stateful = (*breakGlass)(nil)
)

func newBreakGlass() *breakGlass {
	return &breakGlass{used: detect.NewMemory[fading](20_000, 30*day)}
}

// Info implements [detect.Detector].
func (*breakGlass) Info() detect.Info {
	return detect.Info{
		ID: "break-glass", Group: detect.GroupWhy,
		Title: ocsf.Text{EN: "Emergency override without emergency", ZH: "无正当理由的紧急授权"},
		Why: ocsf.Text{
			EN: "The override opens any record. It was used without a reason that says something, or the patient was not here within a day of it, or the person uses it far more often than their department does.",
			ZH: "紧急授权可打开任何病历。本次未填写有意义的理由，或前后一天内患者并未就诊，或使用频次远高于本科室水平。",
		},
		Advice: ocsf.Text{
			EN: "Ask for the reason; tell the head of the department how the override is used there.",
			ZH: "询问理由；向科室负责人反馈紧急授权的使用情况。",
		},
		Severity: ocsf.SeverityHigh, Risk: 68,
		References: []string{"DICOM PS3.15 A.5 (110127)", "HL7 v3 ActReason ETREAT, BTG"},
		Params: []detect.Param{
			{Name: "weekly", Default: 5, About: ocsf.Text{
				EN: "uses per person and week from which the number is looked at",
				ZH: "每人每周使用次数达到此值时开始关注",
			}},
			{Name: "ratio", Default: 3, About: ocsf.Text{
				EN: "times the department's use per person",
				ZH: "相对本科室人均使用次数的倍数",
			}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *breakGlass) Detect(c *detect.Context, ev *ocsf.Event) {
	if len(d.pending) > 0 {
		d.settle(c)
	}
	if !c.Access() || ev.Access == nil || !ev.Access.BreakGlass || c.Who() == "" {
		return
	}
	x := ev.Explanation
	switch {
	case x == nil || !x.Explained:
		c.Find(ocsf.Finding{
			Title: opened(c, ev, "by emergency override without a reason", "紧急授权未说明理由"),
			Why: text("The override gives no reason that says something, and nothing else ties %s to patient %s.",
				"紧急授权未填写有意义的理由，且没有其他记录表明 %s 与患者 %s 有诊疗关系。", c.Who(), ev.Patient.UID),
			Unexplained: true,
		})
	case x.Kind == "break-glass":
		d.wait(override{ev.Metadata.UID, ev.Time, c.Who(), ev.Actor.User.Account, ev.Patient.UID})
	}
	d.often(c, ev)
}

func (d *breakGlass) wait(o override) {
	if len(d.pending) >= maxOverrides {
		d.pending = d.pending[1:]
	}
	d.pending = append(d.pending, o)
}

// settle looks again at overrides that are a day old. Two more hours are for
// messages on their way.
func (d *breakGlass) settle(c *detect.Context) {
	for len(d.pending) > 0 && c.Now() > d.pending[0].At+day+2*hour {
		o := d.pending[0]
		d.pending = d.pending[1:]
		if visited(c, o) {
			continue
		}
		c.Find(ocsf.Finding{
			UID: detect.UID("break-glass", "visit", o.UID), Person: o.Person, Account: o.Account, Patient: o.Patient,
			Time: o.At, Events: []string{o.UID}, Risk: 55,
			Title: text("%s used the emergency override for patient %s, who was not here (%s)", "%s 对未就诊的患者 %s 使用紧急授权（%s）", o.Person, o.Patient, c.At(o.At)),
			Why: text("No visit of patient %s within a day of the override.", "患者 %s 在紧急授权前后一天内没有就诊记录。",
				o.Patient),
		})
	}
}

func visited(c *detect.Context, o override) bool {
	p := c.Care().Patient(o.Patient)
	for i := range p.Encounters {
		v := &p.Encounters[i]
		if end := endOf(v); v.From <= o.At+day && (end == 0 || end >= o.At-day) {
			return true
		}
	}
	return false
}

const week = 7 * day

// often compares a person's uses with the department's.
func (d *breakGlass) often(c *detect.Context, ev *ocsf.Event) {
	own := d.used.Keep(c.Who(), ev.Time)
	n := own.add(ev.Time, week, 1)
	dept := c.Department()
	if dept == "" {
		return
	}
	all := d.used.Keep("department:"+dept, ev.Time).add(ev.Time, week, 1)
	if n < c.Param("weekly") {
		return
	}
	people := 0
	for p := range c.People().People() {
		if p.Department == dept {
			people++
		}
	}
	usual := (all - n) / math.Max(1, float64(people-1))
	if n < c.Param("ratio")*math.Max(usual, 0.5) {
		return
	}
	c.Find(ocsf.Finding{
		UID: detect.UID("break-glass", "often", c.Who(), ev.Metadata.UID), Risk: 45, Weak: true,
		Title: text("%s uses the emergency override often: about %.0f times in a week (%s)", "%s 频繁使用紧急授权：一周约 %.0f 次（%s）", c.Who(), n, c.Clock()),
		Why:   text("Colleagues of %s use it about %.1f times a week.", "%s 科室其他人员每周约 %.1f 次。", dept, usual),
	})
}

type breakGlassMemory struct {
	Used    json.RawMessage `json:"used"`
	Pending []override      `json:"pending"`
}

// Snapshot implements [detect.Stateful].
func (d *breakGlass) Snapshot() ([]byte, error) {
	used, err := d.used.Snapshot()
	if err != nil {
		return nil, err
	}
	return json.Marshal(breakGlassMemory{used, d.pending})
}

// Restore implements [detect.Stateful].
func (d *breakGlass) Restore(data []byte) error {
	var m breakGlassMemory
	if data != nil {
		if err := json.Unmarshal(data, &m); err != nil {
			return err
		}
	}
	d.pending = m.Pending
	return d.used.Restore(m.Used)
}
