package behavior

import (
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// selfAccess: a member of staff opens their own chart.
type selfAccess struct{}

var _ detect.Detector = (*selfAccess)(nil)

// Info implements [detect.Detector].
func (*selfAccess) Info() detect.Info {
	return detect.Info{
		ID: "self-access", Group: detect.GroupWho,
		Title: ocsf.Text{EN: "Own record opened", ZH: "查看本人病历"},
		Why: ocsf.Text{
			EN: "A member of staff used their work access for their own chart. Patients have a right to their data, but through the records office; work access can also change it.",
			ZH: "职工用工作权限打开了自己的病历。患者有权获取本人资料，但应经病案室办理；工作权限还可能被用来改动记录。",
		},
		Advice: ocsf.Text{
			EN: "Ask the person; point to the records office. If the hospital's policy allows it, switch this detector off.",
			ZH: "询问本人并告知应到病案室办理。若本院制度允许，可关闭此检测。",
		},
		Severity: ocsf.SeverityMedium, Risk: 72,
		References: []string{"国卫办医政函〔2025〕262号", "GB/T 39725-2020 §11.2"},
	}
}

// Detect implements [detect.Detector].
func (*selfAccess) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Access() || c.Patient().StaffPerson == "" || c.Patient().StaffPerson != c.Who() || !c.Deliberate() {
		return
	}
	c.Find(ocsf.Finding{
		Title: opened(c, ev, "which is their own", "系本人病历"),
		Why: text("Patient %[2]s and staff member %[1]s are the same person: same identity number, or same name and phone.",
			"患者 %[2]s 与职工 %[1]s 为同一人：身份证号相同，或姓名与电话均相同。", c.Who(), ev.Patient.UID),
	})
}
