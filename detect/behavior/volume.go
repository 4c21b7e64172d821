package behavior

import (
	"fmt"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// volume: somebody goes through charts faster than anybody of their role, or
// sees more patients in an hour or a day than they and their peers usually do.
type volume struct {
	people detect.Memory[pace]
	roles  detect.Memory[speed]
}

// pace is a person's latest patients.
type pace struct {
	Last []glance `json:"l"`
	// Day is the last day they worked, Fast the last day they were fast, in
	// days since 1970.
	Day  int64 `json:"d"`
	Fast int64 `json:"f,omitempty"`
	// Spikes are the latest unusual hour and day.
	Spikes [2]spike `json:"s"`
}

// spike is an unusual hour or day: the event it was first told by, and the
// number of patients at which it is told again.
type spike struct {
	No    int64  `json:"n,omitempty"`
	First string `json:"f,omitempty"`
	Next  int    `json:"x,omitempty"`
}

// glance is a patient (as a hash) and the last time they were looked at.
type glance struct {
	Patient uint32 `json:"p"`
	At      int64  `json:"t"`
}

// speed is on how many days of work of a role somebody was fast.
type speed struct {
	Days fading `json:"d"`
	Fast fading `json:"f"`
}

var (
	_ detect.Detector = (*volume)(nil)
	_ detect.Stateful = (*volume)(nil)
)

func newVolume() *volume {
	return &volume{people: detect.NewMemory[pace](20_000, 2*day), roles: detect.NewMemory[speed](1_000, 0)}
}

// Info implements [detect.Detector].
func (*volume) Info() detect.Info {
	return detect.Info{
		ID: "volume-spike", Group: detect.GroupHow,
		Title: ocsf.Text{EN: "Many records within minutes", ZH: "短时间内大量查看病历"},
		Why: ocsf.Text{
			EN: "The person opened the records of many patients within minutes, which people of this role hardly ever do here; or of far more within an hour or a day than they themselves and their peers (role and department, else role, else everybody) usually do, measured robustly (median and median deviation). Phone numbers are collected that way, by people whose task explains each single access. Weak: there may be a new task, and numbers accuse nobody.",
			ZH: "该人员在数分钟内连续打开大量患者病历，而本院同岗位人员几乎从不如此；或一小时、一天内的患者数远超本人及同组（同岗同科，其次同岗，再次全院）的平常水平（按中位数与中位差稳健计算）。利用岗位便利搜集电话号码时，单次访问均有解释，唯有数量异常。可能只是新任务，数字不定罪，故为弱信号。",
		},
		Advice: ocsf.Text{
			EN: "Ask for the task; see what the patients have in common.",
			ZH: "询问是何任务；查看这些患者的共同点。",
		},
		Severity: ocsf.SeverityMedium, Risk: 36, Weak: true, Statistical: true,
		References: []string{"个人信息保护法 第十条", "国卫办医政函〔2025〕262号"},
		Params: []detect.Param{
			{Name: "patients", Default: 10, About: ocsf.Text{EN: "patients within the minutes", ZH: "时段内的患者数"}},
			{Name: "minutes", Default: 10, About: ocsf.Text{EN: "minutes", ZH: "时段长度（分钟）"}},
			{Name: "days", Default: 20, About: ocsf.Text{
				EN: "days of work by which a role must be known",
				ZH: "了解一个岗位所需的人日数",
			}},
			{Name: "rare", Default: 3, About: ocsf.Text{
				EN: "in a hundred days of work: what happens more often is usual for the role",
				ZH: "每百人日出现次数超过此值即视为该岗位常态",
			}},
			{Name: "hour", Default: 20, About: ocsf.Text{EN: "patients in an hour that nobody asks about", ZH: "一小时内不予过问的患者数"}},
			{Name: "day", Default: 60, About: ocsf.Text{EN: "patients in a day that nobody asks about", ZH: "一天内不予过问的患者数"}},
			{Name: "deviations", Default: 6, About: ocsf.Text{
				EN: "robust standard deviations above what is usual, of oneself and of peers",
				ZH: "超出本人及同组平常水平的稳健标准差倍数",
			}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *volume) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Deliberate() {
		return
	}
	p, r := d.people.Keep(c.Who(), ev.Time), d.roles.Keep(c.Role(), ev.Time)
	p.spike(c, ev)
	today := ev.Time / day
	if today > p.Day {
		p.Day = today
		r.Days.add(ev.Time, month, 1)
	}
	n := p.see(ev, int64(c.Param("minutes"))*minute)
	if n < int(c.Param("patients")) || p.Fast >= today {
		return
	}
	p.Fast = today
	days, fast := r.Days.at(ev.Time, month), r.Fast.at(ev.Time, month)
	r.Fast.add(ev.Time, month, 1)
	if days < c.Param("days") || 100*fast > c.Param("rare")*days || ticketed(c, ev) || departmentTicket(c, ev.Time) {
		return
	}
	c.Find(ocsf.Finding{
		UID: detect.UID("volume-spike", c.Who(), ev.Metadata.UID),
		Title: text("%s opened the records of %d patients within %d minutes (%s)", "%s 在 %[3]d 分钟内打开了 %[2]d 名患者的病历（%[4]s）",
			c.Who(), n, int(c.Param("minutes")), c.Clock()),
		Why: text("People of the role %q were that fast on %d of %d days of work.", "岗位 %[1]q 的人员在 %[3]d 个人日中仅 %[2]d 次如此。",
			c.Role(), int(fast+0.5), int(days+0.5)),
	})
}

// spike compares the hour and the day with what is usual.
func (p *pace) spike(c *detect.Context, ev *ocsf.Event) {
	for i, s := range []struct {
		measure detect.Measure
		least   string
		no      int64
		en, zh  string
	}{
		{detect.PatientsPerHour, "hour", ev.Time / hour, "in an hour", "一小时内"},
		{detect.PatientsPerDay, "day", ev.Time / day, "in a day", "一天内"},
	} {
		last := &p.Spikes[i]
		if n := c.Count(s.measure); n < int(c.Param(s.least)) || last.No == s.no && n < last.Next {
			continue
		}
		now := c.Pace(s.measure)
		if now.Z() < c.Param("deviations") || !now.Own.Known {
			continue
		}
		if last.No != s.no {
			*last = spike{No: s.no, First: ev.Metadata.UID}
		}
		last.Next = now.Now + max(5, now.Now/4)
		if ticketed(c, ev) || departmentTicket(c, ev.Time) {
			continue
		}
		usual := now.Words()
		c.Find(ocsf.Finding{
			UID: detect.UID("volume-spike", s.least, c.Who(), last.First), Events: []string{last.First, ev.Metadata.UID},
			Title: ocsf.Text{
				EN: fmt.Sprintf("%s opened the records of %d patients %s (%s)", c.Who(), now.Now, s.en, c.Clock()),
				ZH: fmt.Sprintf("%s %s打开了 %d 名患者的病历（%s）", c.Who(), s.zh, now.Now, c.Clock()),
			},
			Why: ocsf.Text{
				EN: fmt.Sprintf("%d patients %s; %s.", now.Now, s.en, usual.EN),
				ZH: fmt.Sprintf("%s %d 名患者；%s。", s.zh, now.Now, usual.ZH),
			},
			Risk: min(30+now.Z()/2, 38),
		})
	}
}

const maxGlances = 16

// see notes a patient and says how many there were within the window.
func (p *pace) see(ev *ocsf.Event, window int64) int {
	id, oldest := hash(ev.Patient.UID), 0
	for i := range p.Last {
		g := &p.Last[i]
		if g.Patient == id {
			g.At = max(g.At, ev.Time)
			return p.within(ev.Time, window)
		}
		if g.At < p.Last[oldest].At {
			oldest = i
		}
	}
	if len(p.Last) < maxGlances {
		p.Last = append(p.Last, glance{id, ev.Time})
	} else {
		p.Last[oldest] = glance{id, ev.Time}
	}
	return p.within(ev.Time, window)
}

// hash is FNV-1a; a chance collision costs one patient in a count.
func hash(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}

func (p *pace) within(at, window int64) int {
	n := 0
	for _, g := range p.Last {
		if g.At > at-window && g.At <= at {
			n++
		}
	}
	return n
}

// Snapshot implements [detect.Stateful].
func (d *volume) Snapshot() ([]byte, error) { return together(&d.people, &d.roles) }

// Restore implements [detect.Stateful].
func (d *volume) Restore(data []byte) error { return apart(data, &d.people, &d.roles) }
