package behavior

import (
	"time"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// dormant: an account wakes after months, or is first used when nobody begins
// to work.
type dormant struct {
	// last use by person, in minutes since 1970
	seen    detect.Memory[int64]
	sources detect.Memory[watch]
}

// watch is since when a source has sent without a long pause, when it last
// did, in minutes since 1970, and on how many days.
type watch struct {
	Since int64 `json:"s"`
	Last  int64 `json:"l"`
	Days  int64 `json:"d"`
}

// longPause is a pause after which nobody knows what a source would have told.
const longPause = 14 * day / minute

// see counts an event of the source.
func (w *watch) see(at int64) {
	switch {
	case w.Since == 0 || at-w.Last > longPause:
		*w = watch{Since: at, Last: at, Days: 1}
	case at > w.Last:
		if at*minute/day > w.Last*minute/day {
			w.Days++
		}
		w.Last = at
	}
}

// steady is for how many days the source has been watched; 0 where it sent on
// less than every other one of them.
func (w *watch) steady(at int64) int64 {
	days := (at - w.Since) / (day / minute)
	if 2*w.Days < days {
		return 0
	}
	return days
}

var (
	_ detect.Detector = (*dormant)(nil)
	_ detect.Stateful = (*dormant)(nil)
)

func newDormant() *dormant {
	return &dormant{seen: detect.NewMemory[int64](60_000, 0), sources: detect.NewMemory[watch](2_000, 0)}
}

// Snapshot implements [detect.Stateful].
func (d *dormant) Snapshot() ([]byte, error) { return together(&d.seen, &d.sources) }

// Restore implements [detect.Stateful].
func (d *dormant) Restore(data []byte) error { return apart(data, &d.seen, &d.sources) }

// Info implements [detect.Detector].
func (*dormant) Info() detect.Info {
	return detect.Info{
		ID: "dormant-account", Group: detect.GroupHow,
		Title: ocsf.Text{EN: "Sleeping account woke up", ZH: "休眠账号突然启用"},
		Why: ocsf.Text{
			EN: "The account was not used for months and then read patient data. Forgotten accounts are the easiest to take over. At night it weighs more. An account that was never used since its source is watched counts from then on; a first access at night, without a shift and a reason, is a weak sign sooner.",
			ZH: "账号数月未用后突然读取患者数据。被遗忘的账号最易被盗用，夜间更值得警惕。自来源接入以来从未使用的账号自接入时起算；未当班且无理由的夜间首次访问为较早的弱信号。",
		},
		Advice: ocsf.Text{
			EN: "Ask the person (leave, return from rotation?); suspend the account if they cannot be reached.",
			ZH: "向本人核实（休假、轮转归来？）；联系不上则停用账号。",
		},
		Severity: ocsf.SeverityMedium, Risk: 58,
		References: []string{"GB/T 22239-2019 8.1.4.2"},
		Params: []detect.Param{
			{Name: "days", Default: 90, About: ocsf.Text{EN: "days asleep", ZH: "休眠天数"}},
			{Name: "watched", Default: 30, About: ocsf.Text{
				EN: "days a source must be watched before a first access at night means anything",
				ZH: "夜间首次访问具有意义前来源须已接入的天数",
			}},
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
	source := d.sources.Keep(ev.Metadata.LogProvider, ev.Time)
	source.see(at)
	if before == 0 {
		d.first(c, ev, source)
		return
	}
	if at-before < int64(c.Param("days"))*(day/minute) {
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

// first tells of an account's first use, if the source has been watched
// steadily for long. A first night counts only where a roster says that it is
// not the person's.
func (d *dormant) first(c *detect.Context, ev *ocsf.Event, source *watch) {
	p, known := c.Person()
	watched := source.steady(ev.Time / minute)
	if !known || !c.Loose() || !c.Deliberate() || c.Duty().On {
		return
	}
	f := ocsf.Finding{
		Title: text("%s, never used in %d days, was used for the first time (%s)", "%s 的账号 %d 天内从未使用，首次启用（%s）", c.Who(), watched, c.Clock()),
		Why:   text("Source %s has been watched since %s.", "来源 %s 自 %s 起接入。", ev.Metadata.LogProvider, c.At(source.Since*minute)),
	}
	asleep := p.Hired != 0 && ev.Time-p.Hired >= int64(c.Param("days"))*day
	switch {
	case watched >= int64(c.Param("days")) && asleep && night(ev.Time, c.Zone()):
		f.Risk = 70
	case watched >= int64(c.Param("days")) && asleep:
	case watched >= int64(c.Param("watched")) && c.Duty().Covered && night(ev.Time, c.Zone()):
		f.Weak, f.Risk = true, 30
	default:
		return
	}
	c.Find(f)
}

// night is from 22:00 to 6:00 of the site.
func night(at int64, zone *time.Location) bool {
	h := time.UnixMilli(at).In(zone).Hour()
	return h < 6 || h >= 22
}
