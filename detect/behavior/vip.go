package behavior

import (
	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// vip: somebody outside the treating team opens the chart of a protected person.
type vip struct{}

var _ detect.Detector = (*vip)(nil)

// Info implements [detect.Detector].
func (*vip) Info() detect.Info {
	return detect.Info{
		ID: "vip", Group: detect.GroupWho, Steady: true,
		Title: ocsf.Text{EN: "Record of a protected person opened", ZH: "查看重点保护患者病历"},
		Why: ocsf.Text{
			EN: "The patient is on the VIP list, or marked VIP in the record, and the person belongs neither to the doctors nor to the team on duty. A weak explanation does not excuse it, and neither does an emergency override alone.",
			ZH: "患者在重点名单上或病历标记为 VIP，而查看者既非主管医师也非当班人员。较弱的解释或单凭紧急授权不能免除。",
		},
		Advice: ocsf.Text{
			EN: "Ask the person the same day; tell the head of the department that treats the patient.",
			ZH: "当日询问本人，并告知收治科室负责人。",
		},
		Severity: ocsf.SeverityHigh, Risk: 66,
		References: []string{"HL7 v2 PV1-16", "国卫办医政函〔2025〕262号"},
	}
}

// Detect implements [detect.Detector].
func (*vip) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Loose() && (ev.Explanation == nil || ev.Explanation.Kind != "break-glass") || !c.Access() {
		return
	}
	_, listed := c.Watched(care.WatchVIP)
	if !listed && !c.Patient().VIP || !c.Deliberate() || c.Attending() {
		return
	}
	f := ocsf.Finding{
		Title: opened(c, ev, "a protected person (VIP)", "系重点保护患者（VIP）"),
		Why: text("Patient %s is protected, and %s neither treats the patient nor was on duty where the patient is.",
			"患者 %s 受重点保护，%s 既非主管医师，也未在患者所在病区当班。", ev.Patient.UID, c.Who()),
		Unexplained: c.Loose(),
	}
	if likely(c, ev) {
		f.Weak, f.Risk = true, 30
	}
	c.Find(f)
}
