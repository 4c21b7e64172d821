package behavior

import (
	"time"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// silent: a source stopped sending.
type silent struct {
	rhythm detect.Memory[rhythm] // by source
}

// rhythm is how a source sends. Gaps and Squares are sums over about a week,
// in seconds.
type rhythm struct {
	First   int64  `json:"f"`
	Last    int64  `json:"l"`
	Gaps    fading `json:"g"`
	Squares fading `json:"q"`
	Count   fading `json:"n"`
}

var (
	_ detect.Detector = (*silent)(nil)
	_ detect.Stateful = (*silent)(nil)
	_ detect.Ticker   = (*silent)(nil)
)

func newSilent() *silent { return &silent{rhythm: detect.NewMemory[rhythm](2_000, 0)} }

// Snapshot implements [detect.Stateful].
func (d *silent) Snapshot() ([]byte, error) { return d.rhythm.Snapshot() }

// Restore implements [detect.Stateful].
func (d *silent) Restore(data []byte) error { return d.rhythm.Restore(data) }

// Info implements [detect.Detector].
func (*silent) Info() detect.Info {
	return detect.Info{
		ID: "silent-source", Group: detect.GroupMissing,
		Title: ocsf.Text{EN: "A source fell silent", ZH: "日志来源中断"},
		Why: ocsf.Text{
			EN: "The source has sent nothing for several times its usual interval. The usual interval is the one a moment of the last week fell into, so a source that rests every night may rest. Without its log nothing on it can be seen, and switching it off is the first step of whoever wants that.",
			ZH: "该来源的静默时间已达平常间隔的数倍。平常间隔按最近一周任一时刻所处的间隔计算，夜间例行静默不算。没有日志就看不到其上的任何行为，而关闭日志正是有意隐瞒者的第一步。",
		},
		Advice: ocsf.Text{
			EN: "Check the system, its audit setting and the network; find out who switched it off.",
			ZH: "检查该系统、其审计设置与网络；查明是谁关闭的。",
		},
		Severity: ocsf.SeverityHigh, Risk: 60,
		References: []string{"GB/T 22239-2019 8.1.4.3 d)", "国卫规划发〔2022〕29号"},
		Params: []detect.Param{
			{Name: "times", Default: 3, About: ocsf.Text{EN: "times the usual interval", ZH: "平常间隔的倍数"}},
			{Name: "least", Default: 15, About: ocsf.Text{EN: "minutes of silence that mean nothing", ZH: "可忽略的静默分钟数"}},
			{Name: "known", Default: 24, About: ocsf.Text{EN: "hours a source must be known to have a habit", ZH: "形成规律所需的已知小时数"}},
		},
	}
}

// Detect implements [detect.Detector]: it learns the rhythm, by the time of
// arrival.
func (d *silent) Detect(_ *detect.Context, ev *ocsf.Event) {
	at, name := ev.Metadata.LoggedTime, ev.Metadata.LogProvider
	if at == 0 || name == "" {
		return
	}
	r := d.rhythm.Keep(name, at)
	if r.First == 0 {
		r.First, r.Last = at, at
		return
	}
	gap := at - r.Last
	if gap < int64(time.Second/time.Millisecond) { // the same message or batch
		return
	}
	r.Last = at
	s := float64(gap) / 1000
	r.Gaps.add(at, week, s)
	r.Squares.add(at, week, s*s)
	r.Count.add(at, week, 1)
}

// usual is the length of the gap in which a moment of the last week lies.
func (r *rhythm) usual() time.Duration {
	if r.Gaps.N <= 0 {
		return 0
	}
	return time.Duration(r.Squares.N / r.Gaps.N * float64(time.Second))
}

// enoughGaps is how many gaps make a habit.
const enoughGaps = 20

// Tick implements [detect.Ticker].
func (d *silent) Tick(c *detect.Context, now int64) {
	sources := c.World().Sources
	if sources == nil {
		return
	}
	for _, s := range sources() {
		r := d.rhythm.Get(s.Name)
		if r == nil || r.Count.N < enoughGaps || r.Last-r.First < int64(c.Param("known"))*hour {
			continue
		}
		last := max(s.Last, r.Last)
		usual := r.usual()
		limit := max(int64(c.Param("times")*float64(usual.Milliseconds())), int64(c.Param("least"))*minute)
		if now-last <= limit {
			continue
		}
		c.Find(ocsf.Finding{
			UID: detect.UID("silent-source", s.Name, c.At(last)), Source: s.Name, Subject: "source:" + s.Name, Time: last + limit,
			Title: text("Source %s has been silent since %s", "来源 %s 自 %s 起无数据", s.Name, c.At(last)),
			Why: text("It usually sends every %s; %d times that have passed.", "平常间隔约 %s，现已超过 %d 倍。",
				usual.Round(time.Second), int((now-last)/max(1, usual.Milliseconds()))),
		})
	}
}
