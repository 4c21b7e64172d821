package behavior

import (
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// reservedName: somebody uses a name that only Cordon's own tests may have.
type reservedName struct{}

var _ detect.Detector = (*reservedName)(nil)

// Info implements [detect.Detector].
func (*reservedName) Info() detect.Info {
	return detect.Info{
		ID: "reserved-name", Group: detect.GroupWho, Steady: true,
		Title: ocsf.Text{EN: "Somebody uses Cordon's reserved names", ZH: "有人使用 Cordon 的保留名称"},
		Why: ocsf.Text{
			EN: "Names that begin with cordon-planted- belong to the violations that Cordon plants to test the watch. This event is none of them: somebody chose the name, most likely to be taken for a test.",
			ZH: "以 cordon-planted- 开头的名称专用于 Cordon 自检时制造的测试违规。该事件并非自检所发，而是有人取用此名，很可能意在冒充测试。",
		},
		Advice: ocsf.Text{
			EN: "Find out who made the account or the patient number, lock the account, and look at everything done under it.",
			ZH: "查明该账号或患者编号由谁创建，停用账号，并检查其全部操作。",
		},
		Severity: ocsf.SeverityCritical, Risk: 94,
		References: []string{"GB/T 22239-2019 8.1.4.2", "MITRE ATT&CK T1036"},
	}
}

// Detect implements [detect.Detector].
func (*reservedName) Detect(c *detect.Context, ev *ocsf.Event) {
	name := reservedIn(ev)
	if name == "" {
		return
	}
	if known := c.World().Planted; known != nil && known(ev.Metadata.UID) {
		return
	}
	c.Find(ocsf.Finding{
		Title: ocsf.Text{EN: "Uses one of Cordon's reserved names", ZH: "使用 Cordon 的保留名称"},
		Why:   text("The event is under the name %s, and Cordon did not plant it.", "事件使用名称 %s，但并非 Cordon 所发。", name),
	})
}

// reservedIn is the reserved name that an event carries.
func reservedIn(ev *ocsf.Event) string {
	for _, name := range []string{ev.Actor.User.Account, ev.Actor.User.UID} {
		if detect.Reserved(name) {
			return name
		}
	}
	if ev.Patient != nil && detect.Reserved(ev.Patient.UID) {
		return ev.Patient.UID
	}
	return ""
}
