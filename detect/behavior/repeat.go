package behavior

import (
	"slices"
	"strings"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// repeat: somebody does it again after they were told.
type repeat struct {
	before detect.Memory[[]meeting] // by person
}

// meeting is a patient a person was found with, and on which day (since 1970).
type meeting struct {
	Patient string `json:"p"`
	Day     int64  `json:"d"`
}

const maxMeetings = 12

var (
	_ detect.Detector = (*repeat)(nil)
	_ detect.Stateful = (*repeat)(nil)
)

func newRepeat() *repeat { return &repeat{before: detect.NewMemory[[]meeting](10_000, 90*day)} }

// Snapshot implements [detect.Stateful].
func (d *repeat) Snapshot() ([]byte, error) { return d.before.Snapshot() }

// Restore implements [detect.Stateful].
func (d *repeat) Restore(data []byte) error { return d.before.Restore(data) }

// Info implements [detect.Detector].
func (*repeat) Info() detect.Info {
	return detect.Info{
		ID: "repeat-after-warning", Group: detect.GroupWhy, Steady: true,
		Title: ocsf.Text{EN: "Again after a warning", ZH: "警告后再犯"},
		Why: ocsf.Text{
			EN: "The person was asked about the same kind of access, or found at fault, within the last months, and does it again. After a notice the same night only one in fifty does; those are the ones who mean it.",
			ZH: "该人员近几个月内曾因同类访问被询问或认定违规，现再次发生。当晚通知后仅约五十分之一会再犯，再犯者多为有意。",
		},
		Advice: ocsf.Text{
			EN: "Do not ask again: take it to the manager or discipline inspection, and consider restricting the account.",
			ZH: "不再只作询问：转交其主管或纪检，并考虑限制账号。",
		},
		Severity: ocsf.SeverityCritical, Risk: 78,
		References: []string{"JAMA Netw Open 2022, NCT05251844"},
		Params: []detect.Param{
			{Name: "days", Default: 90, About: ocsf.Text{EN: "days a warning is remembered", ZH: "警告的有效天数"}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *repeat) Detect(c *detect.Context, ev *ocsf.Event) {
	found := c.Found()
	if len(found) == 0 || !c.Access() || !c.Deliberate() {
		return
	}
	who, patient := c.Who(), c.Patient().ID
	same, strong := d.sameKind(c, ev, found)
	again := d.meet(who, patient, ev)
	if !same || !again && !strong {
		return
	}
	f := ocsf.Finding{
		Title: opened(c, ev, "again after a warning", "警告后再犯"),
		Why: text("%s was told about the same kind of access not long ago.", "%s 不久前曾因同类访问被告知。",
			who),
		Unexplained: slices.ContainsFunc(found, func(f ocsf.Finding) bool { return f.Unexplained }),
	}
	if again {
		f.Risk = 86
		f.Why = text("%s was told about the same kind of access not long ago, and it is the same patient.", "%s 不久前曾因同类访问被告知，且为同一患者。", who)
	}
	c.Find(f)
}

// sameKind says whether the person was warned of what was found now, and
// whether any of it is strong.
func (d *repeat) sameKind(c *detect.Context, ev *ocsf.Event, found []ocsf.Finding) (same, strong bool) {
	if c.World().Warned == nil {
		return false, false
	}
	at, kinds := c.World().Warned(c.Who())
	if at == 0 || ev.Time <= at || ev.Time-at > int64(c.Param("days"))*day {
		return false, false
	}
	for _, f := range found {
		// Findings over many patients grow; only a new one is a new deed.
		if f.Person == c.Who() && f.Patient != "" && (len(kinds) == 0 || slices.Contains(kinds, f.Analytic)) {
			same = true
			strong = strong || !f.Weak
		}
	}
	return same, strong
}

// meet notes that the person was found with the patient, and says whether they
// were before, on another day.
func (d *repeat) meet(who, patient string, ev *ocsf.Event) bool {
	list := d.before.Keep(who, ev.Time)
	today := ev.Time / day
	i := slices.IndexFunc(*list, func(m meeting) bool { return m.Patient == patient })
	if i >= 0 {
		return (*list)[i].Day < today
	}
	if len(*list) >= maxMeetings {
		*list = slices.Delete(*list, 0, 1)
	}
	*list = append(*list, meeting{strings.Clone(patient), today})
	return false
}
