package behavior

import (
	"strings"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/ocsf"
)

// coworker: somebody opens the chart of a colleague.
type coworker struct{}

var _ detect.Detector = (*coworker)(nil)

// Info implements [detect.Detector].
func (*coworker) Info() detect.Info {
	return detect.Info{
		ID: "coworker", Group: detect.GroupWho,
		Title: ocsf.Text{EN: "Record of a colleague opened", ZH: "查看同事病历"},
		Why: ocsf.Text{
			EN: "The patient works here, and nothing shows that the person takes part in the treatment. It weighs more within one department or between superior and subordinate.",
			ZH: "患者是本院职工，且没有任何记录显示查看者参与诊疗。同科室或上下级之间更值得关注。",
		},
		Advice: ocsf.Text{
			EN: "Ask the person. Staff are treated here too: an undocumented favour between colleagues is the usual innocent answer.",
			ZH: "询问本人。职工也会在本院就诊，同事间未留记录的帮忙是常见的正当原因。",
		},
		Severity: ocsf.SeverityMedium, Risk: 35, Unexplained: true,
		References: []string{"国卫办医政函〔2025〕262号"},
	}
}

// Detect implements [detect.Detector].
func (*coworker) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Loose() || c.Patient().StaffPerson == "" || !c.Deliberate() || c.Patient().StaffPerson == c.Who() {
		return
	}
	who, ok := c.Person()
	other, okToo := c.People().Person(c.Patient().StaffPerson)
	if !ok || !okToo {
		return
	}
	f := ocsf.Finding{
		Title: opened(c, ev, "a colleague", "系本院同事"),
		Why: text("Patient %s is staff member %s of another department.", "患者 %s 是其他科室的职工 %s。",
			ev.Patient.UID, other.ID),
		Weak: true,
	}
	switch dept, _ := c.People().DepartmentAt(other.ID, ev.Time); {
	case dept != "" && strings.EqualFold(dept, c.Department()):
		f.Risk, f.Weak = 64, false
		f.Why = text("Patient %s is staff member %s of the same department (%s).", "患者 %s 是同科室（%[3]s）职工 %[2]s。", ev.Patient.UID, other.ID, dept)
	case manages(c.People(), *who, other.ID) || manages(c.People(), other, who.ID):
		f.Risk, f.Weak = 64, false
		f.Why = text("Patient %s is staff member %s, of the same line of management.", "患者 %s 是职工 %s，与查看者有上下级关系。", ev.Patient.UID, other.ID)
	}
	if likely(c, ev) {
		f.Risk, f.Weak = 30, true
	}
	c.Find(f)
}

// manages says whether above is among the superiors of a person.
func manages(people *directory.Directory, person directory.Person, above string) bool {
	for range 6 {
		if person.ManagerID == "" {
			return false
		}
		if person.ManagerID == above {
			return true
		}
		next, ok := people.Person(person.ManagerID)
		if !ok {
			return false
		}
		person = next
	}
	return false
}
