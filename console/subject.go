package console

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/ocsf"
)

// subject is what a case is about that is about nobody: a machine, a program,
// a source, a patient, Cordon itself. Its text is empty where a case is about
// a person or an account.
type subject struct {
	Text ocsf.Text
	Link string
}

// worded puts a name into a text of the product.
func worded(text ocsf.Text, name string) subject {
	if name == "" {
		return subject{Text: words["subject.nobody"]}
	}
	return subject{Text: ocsf.Text{EN: fmt.Sprintf(text.EN, name), ZH: fmt.Sprintf(text.ZH, name)}}
}

// subjectOf says in words what a case is about. Detectors name the kind before
// a colon; what they name a person or an account is not of these kinds.
func (q *request) subjectOf(c incident.Case) subject {
	kind, name, _ := strings.Cut(c.Subject, ":")
	switch kind {
	case "machine":
		return worded(words["subject.machine"], name)
	case "client":
		return worded(words["subject.client"], name)
	case "finding":
		if c.Person == "" && c.Account == "" {
			return subject{Text: words["subject.nobody"]}
		}
	case "cordon":
		s := worded(words["subject.cordon"], name)
		s.Link = "/#alarm"
		return s
	case "patient":
		s := worded(words["subject.patient"], name)
		s.Link = q.patientRef(name).Link
		return s
	case "source":
		return q.sourceOf(name, c)
	case "device":
		s := worded(words["subject.device"], q.deviceCalled(name))
		if q.ses.User.May(identity.SeeNetwork) {
			s.Link = "/network/devices/" + url.PathEscape(name)
		}
		return s
	case "data":
		s := worded(words["subject.data"], name)
		if q.ses.User.May(identity.SeeData) {
			s.Link = "/data/targets/" + q.seal.Seal(sealTarget, name)
		}
		return s
	}
	return subject{}
}

// deviceCalled is what people call the device that has an address, with it.
func (q *request) deviceCalled(address string) string {
	if q.Network.Device == nil || !q.ses.User.May(identity.SeeNetwork) {
		return address
	}
	d, err := q.Network.Device(q.r.Context(), address)
	if err != nil || d.Name == "" || d.Name == address {
		return address
	}
	return d.Name + " (" + address + ")"
}

// sourceOf tells sources from what correlations of rules group by.
func (q *request) sourceOf(name string, c incident.Case) subject {
	may := q.ses.User.May(identity.SeeSources)
	known := slices.ContainsFunc(q.Sources(), func(s api.Source) bool { return s.Name == name })
	text, link := words["subject.source"], "/sources"
	if !known {
		rules := q.ruleTitles()
		if t, ok := rules[name]; ok {
			s := subject{Text: ocsf.Text{EN: fmt.Sprintf(words["subject.rule"].EN, t.EN), ZH: fmt.Sprintf(words["subject.rule"].ZH, t.ZH)}}
			if may {
				s.Link = rulePath(name, "")
			}
			return s
		}
		link = ""
		if slices.ContainsFunc(c.Parts, func(p incident.Part) bool { _, ok := rules[p.Analytic]; return ok }) {
			text = words["subject.group"]
		}
	}
	s := worded(text, name)
	if may {
		s.Link = link
	}
	return s
}

// about names what a case is about.
func (p *page) about(c caseRow) string {
	if c.About.Text.EN != "" {
		return p.In(c.About.Text)
	}
	return c.Who.Label()
}
