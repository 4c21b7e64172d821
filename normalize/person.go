package normalize

import (
	"slices"
	"strings"

	"github.com/cordon-health/cordon/internal/hl7"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// Person is a patient as a message describes them, in clear: for the caller's
// own keyed index, in memory only.
type Person struct {
	// Numbers are those of the record, the patient's own first; IDs are those of
	// the state; Visits those of stays.
	Numbers, IDs, Visits []string
	Phones, Names        []string
	BirthDate            string
}

// mostOfPerson bounds each list of a Person.
const mostOfPerson = 32

// take keeps a value that is about to become a token.
func (p *Person) take(kind, value string) {
	if p == nil {
		return
	}
	switch kind {
	case keyed.NationalID:
		keep(&p.IDs, value)
	case keyed.Phone:
		keep(&p.Phones, value)
	case keyed.Name:
		keep(&p.Names, value)
		if words := strings.Fields(value); len(words) > 1 && !isHan(value) { // tables write the family name first
			last := len(words) - 1
			keep(&p.Names, words[last]+" "+strings.Join(words[:last], " "))
		}
	}
}

func keep(list *[]string, value string) {
	if value != "" && len(*list) < mostOfPerson && !slices.Contains(*list, value) {
		*list = append(*list, value)
	}
}

// begin starts to describe the patient of a PID, if the caller asked for it.
func (r *hl7Reader) begin(pid hl7.Segment) {
	if r.told == nil || r.is("A29") {
		return
	}
	r.person = &Person{BirthDate: pid.Text(7)}
	if len(r.person.BirthDate) > 8 {
		r.person.BirthDate = r.person.BirthDate[:8]
	}
	p := r.patientOf(pid)
	for _, number := range append([]string{p.UID}, p.AltUIDs...) {
		if isResidentID(number) {
			keep(&r.person.IDs, number)
		} else {
			keep(&r.person.Numbers, number)
		}
	}
	keep(&r.person.Visits, pid.Text(18))
	if visit, _, made := strings.Cut(r.encounter, "@"); !made {
		keep(&r.person.Visits, visit)
	}
}

// tell hands the patient to the caller.
func (r *hl7Reader) tell() {
	if r.person != nil {
		r.told(r.person)
		r.person = nil
	}
}

// tell hands the patient of a resource to the caller.
func (p *fhirParser) tell(e *ocsf.Event) {
	if p.person == nil || e == nil || e.Patient == nil {
		return
	}
	for _, number := range append([]string{e.Patient.UID}, e.Patient.AltUIDs...) {
		keep(&p.person.Numbers, number)
	}
	p.in.Person(p.person)
}
