package behavior

import (
	"slices"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// browsing: somebody goes through strangers' charts one after the other.
type browsing struct {
	seen detect.Memory[tour] // by person
}

// tour are the strangers of the last hour.
type tour struct {
	Seen  []stranger `json:"s"`
	First string     `json:"f,omitempty"`
}

var (
	_ detect.Detector = (*browsing)(nil)
	_ detect.Stateful = (*browsing)(nil)
)

func newBrowsing() *browsing { return &browsing{seen: detect.NewMemory[tour](5_000, 3*hour)} }

// Snapshot implements [detect.Stateful].
func (d *browsing) Snapshot() ([]byte, error) { return d.seen.Snapshot() }

// Restore implements [detect.Stateful].
func (d *browsing) Restore(data []byte) error { return d.seen.Restore(data) }

// Info implements [detect.Detector].
func (*browsing) Info() detect.Info {
	return detect.Info{
		ID: "browsing", Group: detect.GroupHow,
		Title: ocsf.Text{EN: "Strangers' records one after the other", ZH: "连续翻看无关患者病历"},
		Why: ocsf.Text{
			EN: "Within an hour the person read the records of many patients without any tie to them. So phone numbers are collected for sale, or data is copied by hand.",
			ZH: "一小时内连续查看了多名无关患者的病历。常见于搜集电话号码出售或手工抄录数据。",
		},
		Advice: ocsf.Text{
			EN: "Ask the person at once; see what the patients have in common (newborns, one disease, one drug).",
			ZH: "立即询问本人；查看这些患者的共同点（新生儿、同一疾病、同一药品）。",
		},
		Severity: ocsf.SeverityHigh, Risk: 66, Bare: true,
		References: []string{"国卫办医政函〔2025〕262号", "个人信息保护法 第十条"},
		Params: []detect.Param{
			{Name: "patients", Default: 6, About: ocsf.Text{EN: "patients without a tie within an hour", ZH: "一小时内的无关患者数"}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *browsing) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Unexplained() || !c.Deliberate() {
		return
	}
	t := d.seen.Keep(c.Who(), ev.Time)
	patient := c.Patient().ID
	if slices.ContainsFunc(t.Seen, func(s stranger) bool { return s.Patient == patient }) {
		return
	}
	t.Seen = slices.DeleteFunc(t.Seen, func(s stranger) bool { return s.At < ev.Time-hour })
	if len(t.Seen) == 0 {
		t.First = ""
	}
	if len(t.Seen) >= maxStrangers {
		t.Seen = slices.Delete(t.Seen, 0, 1)
	}
	t.Seen = append(t.Seen, stranger{patient, ev.Metadata.UID, ev.Time})
	most := int(c.Param("patients"))
	if len(t.Seen) < most {
		return
	}
	t.Seen = slices.DeleteFunc(t.Seen, func(s stranger) bool { return s.UID != ev.Metadata.UID && c.Tied(s.Patient, s.At) })
	if len(t.Seen) < most {
		return
	}
	if t.First == "" {
		t.First = t.Seen[0].UID
	}
	n := len(t.Seen)
	uids := make([]string, n)
	for i, s := range t.Seen {
		uids[i] = s.UID
	}
	f := ocsf.Finding{
		UID: detect.UID("browsing", c.Who(), t.First), Events: uids,
		Title: text("%s read the records of %d strangers within an hour (%s)", "%s 一小时内查看了 %d 名无关患者的病历（%s）", c.Who(), n, c.Clock()),
		Why:   text("None of these patients has a tie to %s.", "这些患者与 %s 均无诊疗关系。", c.Who()),
		Risk:  min(66+float64(n-most), 84),
	}
	if departmentTicket(c, ev.Time) {
		f.Weak, f.Risk = true, 30
	}
	c.Find(f)
}
