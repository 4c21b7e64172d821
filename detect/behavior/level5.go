package behavior

import (
	"slices"
	"strings"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// level5: somebody who is not the patient's doctor reads data on a special disease.
type level5 struct{}

var _ detect.Detector = (*level5)(nil)

// Info implements [detect.Detector].
func (*level5) Info() detect.Info {
	return detect.Info{
		ID: "level-5", Group: detect.GroupWho, Steady: true,
		Title: ocsf.Text{EN: "Special-disease data read by others than the attending", ZH: "非主管人员查看特殊病种数据"},
		Why: ocsf.Text{
			EN: "Data on HIV, sexually transmitted disease, psychiatry, reproduction or genes is level 5: for the attending staff only. Also the rest of such a patient's record must not be opened without a reason. Laboratory, pharmacy and infection control on duty may read what they work on.",
			ZH: "艾滋病、性病、精神、生殖、基因等数据为五级，仅限主管人员。此类患者的其他病历也不得无故查看。当班的检验、药学、感控人员可查看其工作所需。",
		},
		Advice: ocsf.Text{
			EN: "Ask the person. If the whole team of a ward needs these documents, let the attending doctor put them on the care team.",
			ZH: "询问本人。若病区团队确需查看，应由主管医师将其列入医疗组。",
		},
		Severity: ocsf.SeverityHigh, Risk: 62,
		References: []string{"GB/T 39725-2020 (level 5)"},
	}
}

// Detect implements [detect.Detector].
func (*level5) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Access() {
		return
	}
	classified := fifth(ev)
	if !classified && (!c.Loose() || !sensitive(c) || likely(c, ev)) || !c.Deliberate() || c.Attending() || excused(c, ev) {
		return
	}
	f := ocsf.Finding{
		Title: opened(c, ev, "level-5 data", "五级数据"),
		Why: text("The document read is level 5, and %s is not an attending doctor of patient %s.",
			"所读文书为五级数据，%s 并非患者 %s 的主管医师。", c.Who(), ev.Patient.UID),
	}
	if !classified {
		f.Risk, f.Weak, f.Unexplained = 34, true, true
		f.Title = opened(c, ev, "a patient with level-5 data", "系五级数据患者")
		f.Why = text("Patient %[2]s has level-5 data, and nothing explains why %[1]s opened the record.",
			"患者 %[2]s 有五级数据，且没有记录能解释 %[1]s 为何查看。", c.Who(), ev.Patient.UID)
	} else if c.Loose() {
		// Only what makes somebody one of the patient's own explains such data.
		f.Risk, f.Unexplained = 72, true
	} else if !c.Care().Attended(ev.Patient.UID, ev.Time) {
		f.Risk, f.Weak = 34, true // who attends is not known, or not yet
	}
	c.Find(f)
}

func fifth(ev *ocsf.Event) bool {
	for i := range ev.DataClassifications {
		if ev.DataClassifications[i].Level >= 5 {
			return true
		}
	}
	return false
}

// sensitive says that the patient has level-5 data, by the watchlist or by the
// marks in the record.
func sensitive(c *detect.Context) bool {
	if _, ok := c.Watched(care.WatchSensitive); ok {
		return true
	}
	return slices.ContainsFunc(c.Patient().Sensitive, func(mark string) bool { return strings.HasPrefix(mark, "restricted") })
}

// excused says that the person's work is with such documents, or that an
// approval or an emergency covers this one.
func excused(c *detect.Context, ev *ocsf.Event) bool {
	if x := ev.Explanation; x != nil && (x.Kind == "ticket" || x.Kind == "care-team" || x.Kind == "break-glass" && !x.Weak) {
		return true
	}
	if d := c.Duty(); d.Covered && !d.On {
		return false
	}
	where := strings.ToLower(c.Role() + " " + c.Department())
	return slices.ContainsFunc(serviceWords(), func(w string) bool { return strings.Contains(where, w) }) && !c.Loose()
}

func serviceWords() []string {
	return []string{"laboratory", "lab ", "pharmac", "infection control", "检验", "药", "感染管理", "感控", "院感"}
}
