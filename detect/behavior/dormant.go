package behavior

import (
	"time"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// dormant: an account wakes after months.
type dormant struct {
	// last use by person, in minutes since 1970
	seen detect.Memory[int64]
}

var (
	_ detect.Detector = (*dormant)(nil)
	_ detect.Stateful = (*dormant)(nil)
)

func newDormant() *dormant { return &dormant{seen: detect.NewMemory[int64](60_000, 0)} }

// Snapshot implements [detect.Stateful].
func (d *dormant) Snapshot() ([]byte, error) { return d.seen.Snapshot() }

// Restore implements [detect.Stateful].
func (d *dormant) Restore(data []byte) error { return d.seen.Restore(data) }

// Info implements [detect.Detector].
func (*dormant) Info() detect.Info {
	return detect.Info{
		ID:    "dormant-account",
		Title: ocsf.Text{EN: "Sleeping account woke up", ZH: "休眠账号突然启用"},
		Why: ocsf.Text{
			EN: "The account was not used for months and then read patient data. Forgotten accounts are the easiest to take over. At night it weighs more.",
			ZH: "账号数月未用后突然读取患者数据。被遗忘的账号最易被盗用，夜间更值得警惕。",
		},
		Advice: ocsf.Text{
			EN: "Ask the person (leave, return from rotation?); suspend the account if they cannot be reached.",
			ZH: "向本人核实（休假、轮转归来？）；联系不上则停用账号。",
		},
		Severity: ocsf.SeverityMedium, Risk: 58,
		References: []string{"GB/T 22239-2019 8.1.4.2"},
		Params: []detect.Param{
			{Name: "days", Default: 90, About: ocsf.Text{EN: "days asleep", ZH: "休眠天数"}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *dormant) Detect(c *detect.Context, ev *ocsf.Event) {
	if len(ev.Care) > 0 || ev.StatusID == ocsf.StatusFailure || !c.Access() && ev.ClassUID != ocsf.Authentication {
		return
	}
	who := c.Who()
	if who == "" {
		return
	}
	at := ev.Time / minute
	last := d.seen.Keep(who, ev.Time)
	before := *last
	*last = max(before, at)
	if before == 0 || at-before < int64(c.Param("days"))*(day/minute) {
		return
	}
	f := ocsf.Finding{
		Title: text("%s, asleep for %d days, was used again (%s)", "%s 的账号休眠 %d 天后再次使用（%s）", who, (at-before)*minute/day, c.Clock()),
		Why:   text("Last use before: %s.", "上次使用：%s。", c.At(before*minute)),
	}
	switch {
	case c.Access() && !c.Loose() && c.Duty().On: // back at work, with patients of their own
		f.Weak, f.Risk = true, 15
	case night(ev.Time, c.Zone()):
		f.Risk = 70
	}
	c.Find(f)
}

// night is from 22:00 to 6:00 of the site.
func night(at int64, zone *time.Location) bool {
	h := time.UnixMilli(at).In(zone).Hour()
	return h < 6 || h >= 22
}
