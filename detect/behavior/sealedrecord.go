package behavior

import (
	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// sealedRecord: somebody opens a record after it was sealed.
type sealedRecord struct{}

var _ detect.Detector = (*sealedRecord)(nil)

// Info implements [detect.Detector].
func (*sealedRecord) Info() detect.Info {
	return detect.Info{
		ID: "sealed-record", Group: detect.GroupWho, Steady: true,
		Title: ocsf.Text{EN: "Sealed record touched", ZH: "封存病历被查看"},
		Why: ocsf.Text{
			EN: "The record was sealed (public attention, dispute): after that nobody may view, record, copy or forward it. No explanation excuses it; only a ticket for this very patient does.",
			ZH: "该病历已封存（舆情、纠纷）：此后任何人不得查看、记录、复制、转发。任何解释均不能免除，仅针对该患者的批准单除外。",
		},
		Advice: ocsf.Text{
			EN: "Act at once: ask the person, keep the evidence, tell the medical affairs office and discipline inspection.",
			ZH: "立即处置：询问本人，保全证据，通知医务部门与纪检。",
		},
		Severity: ocsf.SeverityCritical, Risk: 90,
		References: []string{"国卫办医政函〔2025〕262号（舆情封存）"},
	}
}

// Detect implements [detect.Detector].
func (*sealedRecord) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Access() {
		return
	}
	seal, ok := c.Watched(care.WatchSealed)
	if !ok || c.Who() == "" || incidental(ev) {
		return
	}
	if t, ok := c.Care().Ticket(c.Who(), care.Scope{Patient: ev.Patient.UID}, ev.Time); ok && t.Scope.Patient != "" {
		return
	}
	f := ocsf.Finding{
		Title: opened(c, ev, "sealed", "病历已封存"),
		Why: text("The record of patient %s has been sealed since %s.", "患者 %s 的病历自 %s 起封存。",
			ev.Patient.UID, c.At(seal.From)),
	}
	if ev.StatusID == ocsf.StatusFailure {
		f.Risk = 60
		f.Title = opened(c, ev, "sealed; the system refused", "病历已封存，系统已拒绝")
	}
	c.Find(f)
}

// incidental says that the patient was not chosen: a line of a list that
// nobody exported.
func incidental(ev *ocsf.Event) bool {
	return ev.Access != nil && ev.Access.Incidental && ev.ActivityID != ocsf.AccessExport && ev.ActivityID != ocsf.AccessShare
}
