package behavior

import (
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// offDuty: somebody reads charts while not at work.
type offDuty struct{}

var _ detect.Detector = (*offDuty)(nil)

// Info implements [detect.Detector].
func (*offDuty) Info() detect.Info {
	return detect.Info{
		ID: "off-duty", Group: detect.GroupHow,
		Title: ocsf.Text{EN: "Record opened off duty", ZH: "非当班时间查看病历"},
		Why: ocsf.Text{
			EN: "The roster has the person off, two hours of slack included, and not on call, and nothing else explains the access. Where the roster says nothing about a person, their own hours stand in for it, once they are known; that is a weaker sign.",
			ZH: "排班表（含前后两小时余量）显示本人未当班也未听班，且没有其他解释。排班表未覆盖的人员，待掌握其惯常工作时间后按此判断，信号更弱。",
		},
		Advice: ocsf.Text{
			EN: "Check the roster for a swap first; then ask the person, or whether somebody else used the account.",
			ZH: "先核对是否换班；再询问本人，或是否他人使用了账号。",
		},
		Severity: ocsf.SeverityLow, Risk: 40, Weak: true, Unexplained: true,
		References: []string{"国卫办医政函〔2025〕262号（访问时限）"},
		Params: []detect.Param{
			{Name: "weeks", Default: 2, About: ocsf.Text{
				EN: "weeks in which somebody without a roster was at work at this hour, this time included, so that it is theirs",
				ZH: "未排班人员在该时段工作过的周数（含本次），达到即视为其惯常时间",
			}},
		},
	}
}

// Detect implements [detect.Detector].
func (*offDuty) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Loose() || !c.Deliberate() {
		return
	}
	d := c.Duty()
	if !d.Covered {
		ownHours(c, ev)
		return
	}
	if d.On || c.Attending() {
		return
	}
	f := ocsf.Finding{
		Title: opened(c, ev, "while off duty", "非当班时间"),
		Why:   text("The roster has %s neither on duty nor on call at %s.", "排班表显示 %s 在 %s 既未当班也未听班。", c.Who(), c.Clock()),
	}
	if night(ev.Time, c.Zone()) {
		f.Risk = 46
	}
	c.Find(f)
}
