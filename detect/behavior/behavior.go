// Package behavior holds the detectors of behaviour: who looks at whom, how
// much, from where and when. One file is one detector: its explanation, its
// numbers and its rule, on one page; what it must catch and what it must leave
// alone stands beside it in testdata.
//
// What it gives: [All], the list, in the order in which they look at an event
// (repeat-after-warning is last: it looks at what the others found).
//
// What it guarantees: a relation detector (family, coworker, ...) never speaks
// about an access that has a good explanation; those that do (a sealed record,
// a decoy) say so in their Why. Every number is a parameter that the detector
// explains. Statistics rank; they do not accuse: no detector opens a case
// because somebody differs from the average alone.
//
// What it does not do: it keeps no table (what detectors remember is in the
// engine's snapshot), and it learns nothing about persons beyond counts and
// times.
package behavior

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// All lists the detectors. Each call makes new ones, with empty memories.
func All() []detect.Detector {
	sql := newStatements()
	return slices.Concat([]detect.Detector{
		&selfAccess{},
		&family{},
		&neighbour{},
		&coworker{},
		&vip{},
		&sealedRecord{},
		&canary{},
		&reservedName{},
		&level5{},
		&terminated{},
		newDormant(),
		newBreakGlass(),
		newMassExport(),
		newNoCare(),
		&lurking{},
		&offDuty{},
		newShared(),
		newSerial(),
		newBrowsing(),
		newVolume(),
		newCrowd(),
		newSilent(),
		newVendorRemote(),
		newExportChannel(),
		newPacsBulk(),
		newAPIMisuse(),
		newRoleMismatch(),
		newSearchAbuse(),
		newMarketing(),
		newEditRevert(),
		newTampering(),
		newWatchers(),
		&dispute{},
		newPhotoProxy(),
		newDrugSQL(sql),
		newDirectRead(sql),
		newResultSize(sql),
		newDrugScreen(),
		&dataPlace{}, &dataLeaving{},
		newDeviceVolume(),
	}, networkDetectors(), []detect.Detector{
		&sameSurname{}, // looks at what the others found
		newRepeat(),    // looks at what the others found
	})
}

const (
	minute = int64(time.Minute / time.Millisecond)
	hour   = 60 * minute
	day    = 24 * hour
)

// text writes a sentence in both languages with the same particulars.
func text(en, zh string, args ...any) ocsf.Text {
	return ocsf.Text{EN: fmt.Sprintf(en, args...), ZH: fmt.Sprintf(zh, args...)}
}

// presence is where a patient was around a time, as the visits say.
type presence struct {
	// here: in the hospital, or coming or gone within three days.
	here bool
	// mine: the person's department (or that of the shift) has had the patient.
	mine bool
	// left is the last time the patient went away before, 0 unknown.
	left int64
}

// around is how long before and after a visit work on it is usual; also how
// long an outpatient visit without an end is taken to last.
const around = 3 * day

func presenceOf(c *detect.Context, at int64) presence {
	p := c.Patient()
	own, shift := c.Department(), c.Duty().Department
	var out presence
	for i := range p.Encounters {
		v := &p.Encounters[i]
		if v.From > at+around {
			continue
		}
		end := endOf(v)
		if end == 0 || at <= end+around {
			out.here = true
		} else {
			out.left = max(out.left, end)
		}
		out.mine = out.mine || isOf(v, own) || isOf(v, shift)
	}
	return out
}

// endOf is when a visit ended, 0 while it goes on.
func endOf(v *care.Encounter) int64 {
	if v.Until == 0 && !strings.EqualFold(v.Class, "I") && !strings.EqualFold(v.Class, "IMP") {
		return v.From + around
	}
	return v.Until
}

func isOf(v *care.Encounter, department string) bool {
	return department != "" && (strings.EqualFold(v.Department, department) || strings.EqualFold(v.Ward, department))
}

// clinical says whether a role treats patients, by the words hospitals use.
func clinical(role string) bool {
	role = strings.ToLower(role)
	return slices.ContainsFunc(clinicalWords(), func(w string) bool { return strings.Contains(role, w) })
}

func clinicalWords() []string {
	return []string{"attending", "resident", "physician", "doctor", "surgeon", "nurse", "midwife", "therapist",
		"pharmacist", "technician", "intern", "医师", "医生", "护士", "护师", "药师", "技师", "助产", "治疗师", "规培", "进修", "实习"}
}

// ticketed says whether an approval covers the access: for the patient, or for
// a department that has had the patient.
func ticketed(c *detect.Context, ev *ocsf.Event) bool {
	if x := ev.Explanation; x != nil && x.Kind == "ticket" {
		return true
	}
	who := c.Who()
	if _, ok := c.Care().Ticket(who, care.Scope{Patient: ev.Patient.UID}, ev.Time); ok {
		return true
	}
	for _, v := range c.Patient().Encounters {
		for _, d := range [2]string{v.Department, v.Ward} {
			if d == "" {
				continue
			}
			if _, ok := c.Care().Ticket(who, care.Scope{Department: d}, ev.Time); ok {
				return true
			}
		}
	}
	return false
}

// departmentTicket says whether the person holds an approval for the patients
// of some department: then what was read or exported may belong to it, though
// the records do not show it.
func departmentTicket(c *detect.Context, at int64) bool {
	asked := map[string]bool{"": true}
	for p := range c.People().People() {
		if asked[p.Department] {
			continue
		}
		asked[p.Department] = true
		if _, ok := c.Care().Ticket(c.Who(), care.Scope{Department: p.Department}, at); ok {
			return true
		}
	}
	return false
}

// verb is what was done, in both languages.
func verb(ev *ocsf.Event) (en, zh string) {
	switch ev.ActivityID {
	case ocsf.AccessCreate, ocsf.AccessImport:
		return "wrote into", "写入"
	case ocsf.AccessUpdate:
		return "changed", "修改"
	case ocsf.AccessDelete:
		return "deleted from", "删除"
	case ocsf.AccessExport, ocsf.AccessShare:
		return "exported", "导出"
	case ocsf.AccessSearch:
		return "searched for", "检索"
	}
	return "opened", "查看"
}

// opened is the title of a finding about one access: who did what to whose
// record, when.
func opened(c *detect.Context, ev *ocsf.Event, en, zh string) ocsf.Text {
	doneEN, doneZH := verb(ev)
	return ocsf.Text{
		EN: fmt.Sprintf("%s %s the record of patient %s, %s (%s)", c.Who(), doneEN, ev.Patient.UID, en, c.Clock()),
		ZH: fmt.Sprintf("%s %s患者 %s 的病历：%s（%s）", c.Who(), doneZH, ev.Patient.UID, zh, c.Clock()),
	}
}

// host is the workstation an event came from, "" unknown.
func host(ev *ocsf.Event) string {
	for _, e := range [2]*ocsf.Endpoint{&ev.SrcEndpoint, &ev.Device} {
		for _, s := range [3]string{e.IP, e.Hostname, e.Name} {
			if s != "" {
				return s
			}
		}
	}
	return ""
}
