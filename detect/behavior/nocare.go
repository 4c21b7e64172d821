package behavior

import (
	"strings"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// noCare: nothing explains the access at all.
type noCare struct {
	usual detect.Memory[often] // by person
}

var (
	_ detect.Detector = (*noCare)(nil)
	_ detect.Stateful = (*noCare)(nil)
)

func newNoCare() *noCare { return &noCare{usual: detect.NewMemory[often](20_000, 60*day)} }

// Snapshot implements [detect.Stateful].
func (d *noCare) Snapshot() ([]byte, error) { return d.usual.Snapshot() }

// Restore implements [detect.Stateful].
func (d *noCare) Restore(data []byte) error { return d.usual.Restore(data) }

// Info implements [detect.Detector].
func (*noCare) Info() detect.Info {
	return detect.Info{
		ID: "no-care-relationship", Group: detect.GroupWhy,
		Title: ocsf.Text{EN: "No care relationship", ZH: "无诊疗关系"},
		Why: ocsf.Text{
			EN: "No visit, order, appointment, shift, consult, task or approval leads from the person to the patient. Two or three in a hundred honest accesses look like this too, so it is weak: it ranks, by the distance between person and patient, and counts together with other signs.",
			ZH: "没有任何就诊、医嘱、预约、排班、会诊、任务或批准把查看者与患者联系起来。百分之二三的正当访问也会如此，故仅为弱信号：按人员与患者的距离排序，并与其他迹象合计。",
		},
		Advice: ocsf.Text{
			EN: "Ask the person; if there was a reason, the answer explains the access.",
			ZH: "询问本人；若有正当理由，其答复即为解释。",
		},
		Severity: ocsf.SeverityLow, Risk: 14, Weak: true, Bare: true,
		References: []string{"Fabbri & LeFevre, PVLDB 2011", "GB/T 39725-2020 (level 4)"},
		Params: []detect.Param{
			{Name: "away", Default: 14, About: ocsf.Text{EN: "added when the patient is not here now", ZH: "患者当前不在院时增加"}},
			{Name: "distant", Default: 6, About: ocsf.Text{EN: "added when the department never had the patient", ZH: "本科室从未收治该患者时增加"}},
			{Name: "office", Default: 6, About: ocsf.Text{EN: "added for roles that treat nobody", ZH: "非诊疗岗位时增加"}},
			{Name: "page", Default: 8, About: ocsf.Text{EN: "added for each further page, three times at most", ZH: "每多看一页增加，最多三次"}},
			{Name: "surname", Default: 3, About: ocsf.Text{EN: "added for the same surname, which alone means nothing", ZH: "同姓时增加，单独无意义"}},
			{Name: "usual", Default: 8, About: ocsf.Text{
				EN: "unexplained patients a month that halve the weight of one more: who helps out everywhere has many",
				ZH: "每月无解释患者达到此数时，再多一名的权重减半：四处支援者本就较多",
			}},
			{Name: "notes", Default: 5, About: ocsf.Text{EN: "added when notes were read, which tell most", ZH: "查看病程等文书时增加"}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *noCare) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Unexplained() || !c.Deliberate() {
		return
	}
	at := presenceOf(c, ev.Time)
	risk := c.Param("page")*min(float64(c.Pages()), 3) + 14
	why := []ocsf.Text{}
	if !at.here {
		risk += c.Param("away")
		why = append(why, ocsf.Text{EN: "the patient is not in the hospital", ZH: "患者不在院"})
	}
	if !at.mine {
		risk += c.Param("distant")
		why = append(why, ocsf.Text{EN: "the person's department never had the patient", ZH: "查看者所在科室从未收治该患者"})
	}
	if _, known := c.Person(); known && !clinical(c.Role()) {
		risk += c.Param("office")
		why = append(why, ocsf.Text{EN: "the person's role treats nobody", ZH: "查看者岗位不参与诊疗"})
	}
	if tiesOf(c, 0).surname {
		risk += c.Param("surname")
	}
	if telling(ev) {
		risk += c.Param("notes")
	}
	risk /= 1 + d.before(c, ev)/c.Param("usual")
	f := ocsf.Finding{Title: opened(c, ev, "without any tie to the patient", "无任何诊疗关系"), Risk: risk}
	f.Why = ocsf.Text{
		EN: "Nothing on record leads from " + c.Who() + " to patient " + ev.Patient.UID,
		ZH: "没有记录把 " + c.Who() + " 与患者 " + ev.Patient.UID + " 联系起来",
	}
	for _, w := range why {
		f.Why.EN += "; " + w.EN
		f.Why.ZH += "；" + w.ZH
	}
	f.Why.EN, f.Why.ZH = f.Why.EN+".", f.Why.ZH+"。"
	c.Find(f)
}

// often counts unexplained patients: those of about a month before today, and
// today's, which do not yet say what is usual.
type often struct {
	Past  fading `json:"p"`
	Today int64  `json:"n"`
	Day   int64  `json:"d"`
}

// before is how many unexplained patients of about a month the person had
// before today. Further pages of one chart count once.
func (d *noCare) before(c *detect.Context, ev *ocsf.Event) float64 {
	o := d.usual.Keep(c.Who(), ev.Time)
	if today := ev.Time / day; today > o.Day {
		if o.Today > 0 {
			o.Past.add(o.Day*day, month, float64(o.Today))
		}
		o.Day, o.Today = today, 0
	}
	if c.Pages() == 0 {
		o.Today++
	}
	return o.Past.at(ev.Time, month)
}

// telling says that a note or another document was read, not a value.
func telling(ev *ocsf.Event) bool {
	for i := range ev.WebResources {
		if t := ev.WebResources[i].Type; strings.HasPrefix(t, "Document") || t == "Composition" || t == "ClinicalImpression" {
			return true
		}
	}
	return false
}
