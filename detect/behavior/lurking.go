package behavior

import (
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// lurking: somebody goes on reading the chart of a patient who left.
type lurking struct{}

var _ detect.Detector = (*lurking)(nil)

// Info implements [detect.Detector].
func (*lurking) Info() detect.Info {
	return detect.Info{
		ID: "lurking-after-discharge", Group: detect.GroupWhy,
		Title: ocsf.Text{EN: "Record read long after discharge", ZH: "出院后仍查看病历"},
		Why: ocsf.Text{
			EN: "The person's department once had the patient, who left days ago. Since then there is no new visit, appointment, order, coding, quality or billing task that would bring the person back to the record.",
			ZH: "该患者曾在查看者科室就诊，但已出院多日，此后没有新的就诊、预约、医嘱、编码、质控或结算任务使其需要再看病历。",
		},
		Advice: ocsf.Text{
			EN: "Ask the person. Learning from one's cases is the usual honest answer; teaching lists or a ticket make it visible.",
			ZH: "询问本人。复习自己经手的病例是常见的正当原因，可通过教学名单或批准单备案。",
		},
		Severity: ocsf.SeverityLow, Risk: 28, Weak: true, Unexplained: true,
		References: []string{"国卫办医政函〔2025〕262号（访问时限）"},
		Params: []detect.Param{
			{Name: "days", Default: 7, About: ocsf.Text{EN: "days after the patient left", ZH: "出院后的天数"}},
		},
	}
}

// Detect implements [detect.Detector].
func (*lurking) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Loose() || !c.Deliberate() {
		return
	}
	p := presenceOf(c, ev.Time)
	if p.here || !p.mine || p.left == 0 || ev.Time-p.left < int64(c.Param("days"))*day {
		return
	}
	f := ocsf.Finding{
		Title: opened(c, ev, "who left long ago", "出院已久"),
		Why: text("Patient %s left on %s; nothing since then brings %s back to the record.", "患者 %s 已于 %s 离院，此后没有记录表明 %s 需要再看病历。",
			ev.Patient.UID, c.At(p.left), c.Who()),
	}
	if c.Pages() > 0 {
		f.Risk = 36
	}
	c.Find(f)
}
