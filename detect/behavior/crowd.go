package behavior

import (
	"fmt"
	"slices"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// crowd: many people look at one patient.
type crowd struct {
	around detect.Memory[onlookers] // by patient
}

// onlookers are the people without a tie who opened a record within a day.
type onlookers struct {
	List  []onlooker `json:"l"`
	First string     `json:"f,omitempty"`
}

type onlooker struct {
	Person     string `json:"p"`
	Department string `json:"d"`
	UID        string `json:"u"`
	At         int64  `json:"t"`
}

const maxOnlookers = 64

var (
	_ detect.Detector = (*crowd)(nil)
	_ detect.Stateful = (*crowd)(nil)
)

func newCrowd() *crowd { return &crowd{around: detect.NewMemory[onlookers](10_000, 36*hour)} }

// Snapshot implements [detect.Stateful].
func (d *crowd) Snapshot() ([]byte, error) { return d.around.Snapshot() }

// Restore implements [detect.Stateful].
func (d *crowd) Restore(data []byte) error { return d.around.Restore(data) }

// Info implements [detect.Detector].
func (*crowd) Info() detect.Info {
	return detect.Info{
		ID: "crowd", Group: detect.GroupWhy,
		Title: ocsf.Text{EN: "Crowd around one record", ZH: "多人围观同一病历"},
		Why: ocsf.Text{
			EN: "Within a day many people of several departments opened one patient's record without any tie: the talk of the house, a case in the news. The case is about the record, not about one of them. Fewer people are a weak sign when far more than usual looked at the patient that day.",
			ZH: "一天内多个科室的多人无关系查看同一患者病历：多因院内传闻或新闻事件。案件针对该病历，而非其中某一人。人数较少但当天总访问人数远超该患者及其他患者的平常水平时，为弱信号。",
		},
		Advice: ocsf.Text{
			EN: "Seal the record; remind everybody; then ask those who have no tie.",
			ZH: "先封存病历并全院提醒，再逐一询问无关人员。",
		},
		Severity: ocsf.SeverityHigh, Risk: 72, Bare: true,
		References: []string{"国卫办医政函〔2025〕262号（舆情封存）", "Autoriteit Persoonsgegevens, HagaZiekenhuis (2019)"},
		Params: []detect.Param{
			{Name: "people", Default: 8, About: ocsf.Text{EN: "people without a tie within a day", ZH: "一天内的无关人员数"}},
			{Name: "departments", Default: 3, About: ocsf.Text{
				EN: "departments they come from (a new patient's ward is one)",
				ZH: "涉及的科室数（新患者的病区只算一个）",
			}},
			{Name: "few", Default: 5, About: ocsf.Text{EN: "people without a tie that are a weak sign on an unusual day", ZH: "异常日构成弱信号的无关人员数"}},
			{Name: "deviations", Default: 5, About: ocsf.Text{
				EN: "robust standard deviations above the people a patient's record usually sees in a day",
				ZH: "当日访问人数超出平常水平的稳健标准差倍数",
			}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *crowd) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Unexplained() || !c.Deliberate() {
		return
	}
	if _, ok := c.Person(); !ok {
		return
	}
	patient := c.Patient().ID
	o := d.around.Keep(patient, ev.Time)
	o.List = slices.DeleteFunc(o.List, func(x onlooker) bool { return x.At < ev.Time-day })
	if len(o.List) == 0 {
		o.First = ""
	}
	who := c.Who()
	if len(o.List) >= maxOnlookers || slices.ContainsFunc(o.List, func(x onlooker) bool { return x.Person == who }) {
		return
	}
	o.List = append(o.List, onlooker{who, c.Department(), ev.Metadata.UID, ev.Time})
	if !o.enough(c, "people") && !o.odd(c) {
		return
	}
	o.List = slices.DeleteFunc(o.List, func(x onlooker) bool {
		return x.Person != who && c.TiedFor(ocsf.User{UID: x.Person}, patient, x.At)
	})
	if o.enough(c, "people") || o.odd(c) {
		o.tell(c, patient)
	}
}

func (o *onlookers) enough(c *detect.Context, people string) bool {
	return len(o.List) >= int(c.Param(people)) && o.departments() >= int(c.Param("departments"))
}

// odd says that there are fewer, on a day on which far more people than usual
// looked at the patient.
func (o *onlookers) odd(c *detect.Context) bool {
	return o.enough(c, "few") && c.Onlookers().Z() >= c.Param("deviations")
}

func (o *onlookers) departments() int {
	var seen []string
	for i := range o.List {
		if !slices.Contains(seen, o.List[i].Department) {
			seen = append(seen, o.List[i].Department)
		}
	}
	return len(seen)
}

func (o *onlookers) tell(c *detect.Context, patient string) {
	if o.First == "" {
		o.First = o.List[0].UID
	}
	n := len(o.List)
	uids := make([]string, n)
	for i := range o.List {
		uids[i] = o.List[i].UID
	}
	f := ocsf.Finding{
		UID: detect.UID("crowd", patient, o.First), Events: uids, Subject: "patient:" + patient, Patient: patient,
		Title: text("%d people opened the record of patient %s without any tie, within a day (%s)", "一天内 %d 人无关系查看患者 %s 的病历（%s）", n, patient, c.Clock()),
		Why:   text("They come from %d departments.", "涉及 %d 个科室。", o.departments()),
		Risk:  min(70+float64(n), 90),
	}
	if now := c.Onlookers(); now.Known() {
		usual := now.Words()
		f.Why.EN += fmt.Sprintf(" %d people in all today; %s.", now.Now, usual.EN)
		f.Why.ZH += fmt.Sprintf("当天共 %d 人查看；%s。", now.Now, usual.ZH)
	}
	if !o.enough(c, "people") {
		f.Weak, f.Statistical, f.Risk = true, true, 34
	}
	c.Find(f)
}
