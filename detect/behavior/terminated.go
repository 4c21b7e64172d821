package behavior

import (
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// terminated: an account works after its owner left.
type terminated struct{}

var _ detect.Detector = (*terminated)(nil)

// Info implements [detect.Detector].
func (*terminated) Info() detect.Info {
	return detect.Info{
		ID: "terminated-account", Group: detect.GroupHow, Steady: true,
		Title: ocsf.Text{EN: "Account of somebody who left in use", ZH: "离职人员账号仍在使用"},
		Why: ocsf.Text{
			EN: "The contract, rotation or internship had ended before the event. Either the person still gets in, or somebody else uses the account.",
			ZH: "合同、轮转或进修实习在事件发生前已结束。要么本人仍能进入系统，要么账号被他人使用。",
		},
		Advice: ocsf.Text{
			EN: "Suspend the account now; then find out who sat at the workstation.",
			ZH: "立即停用账号，再查明当时终端的使用者。",
		},
		Severity: ocsf.SeverityCritical, Risk: 84,
		References: []string{"GB/T 22239-2019 8.1.4.2", "国卫办医政函〔2025〕262号"},
	}
}

// Detect implements [detect.Detector].
func (*terminated) Detect(c *detect.Context, ev *ocsf.Event) {
	if len(ev.Care) > 0 || ev.StatusID == ocsf.StatusFailure || !c.Access() && ev.ClassUID != ocsf.Authentication || ev.ActivityID == ocsf.AuthLogoff && !c.Access() {
		return
	}
	p, ok := c.Person()
	if !ok || p.Ended == 0 || ev.Time < p.Ended {
		return
	}
	f := ocsf.Finding{
		Title: text("The account of %s was used after they left (%s)", "%s 已离职，其账号仍被使用（%s）", p.ID, c.Clock()),
		Why: text("The directory says that %s left on %s; the event is of %s.", "目录显示 %s 已于 %s 离职，而事件发生于 %s。",
			p.ID, c.At(p.Ended), c.Clock()),
	}
	if !c.Access() {
		f.Risk = 70
		f.Title = text("%s signed in after they left (%s)", "%s 离职后仍登录系统（%s）", p.ID, c.Clock())
	}
	c.Find(f)
}
