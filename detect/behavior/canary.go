package behavior

import (
	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// canary: somebody opens the record of a patient who does not exist.
type canary struct{}

var _ detect.Detector = (*canary)(nil)

// Info implements [detect.Detector].
func (*canary) Info() detect.Info {
	return detect.Info{
		ID: "canary", Group: detect.GroupWho, Steady: true,
		Title: ocsf.Text{EN: "Decoy record touched", ZH: "诱饵病历被触碰"},
		Why: ocsf.Text{
			EN: "The patient is invented and put there as a decoy. Nobody can have a reason to open it; whoever does is searching, or copies whole tables.",
			ZH: "该患者系虚构的诱饵。任何人都没有查看的理由；触碰者多在搜寻或整表拷贝。",
		},
		Advice: ocsf.Text{
			EN: "Ask the person; look at what else they and their workstation did that day.",
			ZH: "询问本人，并检查其账号与终端当日的其他操作。",
		},
		Severity: ocsf.SeverityCritical, Risk: 92,
		References: []string{"Spitzner, Honeypots: Catching the Insider Threat (ACSAC 2003)"},
	}
}

// Detect implements [detect.Detector].
func (*canary) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Access() {
		return
	}
	if _, ok := c.Watched(care.WatchCanary); !ok || c.Who() == "" || incidental(ev) {
		return
	}
	c.Find(ocsf.Finding{
		Title: opened(c, ev, "a decoy", "系诱饵病历"),
		Why: text("Patient %s does not exist: the record is a decoy of the watchlist.", "患者 %s 并不存在：该病历是重点名单中的诱饵。",
			ev.Patient.UID),
	})
}
