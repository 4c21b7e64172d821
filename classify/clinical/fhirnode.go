package clinical

import (
	"strconv"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/xmlscan"
)

// role is what a member does besides holding text.
type role uint8

const (
	textRole role = iota
	skipped       // says nothing about anybody: a code system, a profile
	resourceRole
	dataRole
	typeRole      // the type of an identifier
	systemRole    // the system of an identifier or contact point
	codesRole     // the system of a coding: says what the code beside it may mark
	valueRole     // the value beside them
	contentRole   // a contentType
	referenceRole // a reference
	displayRole   // the text beside it
	narrativeRole // XHTML
)

// node is a place in a resource: what its path is and what stands there. Each
// is made once, when a place is first met.
type node struct {
	name, path string
	parent     *node
	kind       classify.Kind
	role       role
	children   []*node
	elements   []*node
	last       int // the child found last; the next is asked first
}

// mostNodes bounds the places remembered; whatever else there is gets a node
// for the moment.
const mostNodes = 1 << 16

func (f *resources) root(name string) *node {
	if n, ok := f.types[name]; ok {
		return n
	}
	n := &node{name: name, path: name}
	if len(f.types) < 1024 {
		f.types[name] = n
	}
	return n
}

// child is the place of a member.
func (f *resources) child(n *node, name []byte) *node {
	for i := range n.children {
		at := n.last + i
		if at >= len(n.children) {
			at -= len(n.children)
		}
		if c := n.children[at]; c.name == string(name) {
			n.last = at + 1
			return c
		}
	}
	c := &node{name: string(name), parent: n, path: n.path + "." + string(name)}
	c.role, c.kind = meaning(n, c.name)
	if f.nodes < mostNodes {
		f.nodes++
		n.children = append(n.children, c)
	}
	return c
}

// element is the place of an array's element.
func (f *resources) element(n *node, i int) *node {
	if i < len(n.elements) {
		return n.elements[i]
	}
	e := &node{name: n.name, parent: n.parent, path: n.path + "[" + strconv.Itoa(i) + "]", kind: n.kind, role: n.role}
	if i == len(n.elements) && f.nodes < mostNodes {
		f.nodes++
		n.elements = append(n.elements, e)
	}
	return e
}

// root is the type of the resource a place is in.
func (n *node) root() string {
	for n.parent != nil {
		n = n.parent
	}
	return n.name
}

// meaning is what FHIR R4 and R5 say about a member of a place.
func meaning(parent *node, name string) (role, classify.Kind) {
	switch name {
	case "resourceType", "use", "status", "unit", "profile", "versionId", "linkId", "interpreter":
		return skipped, classify.None
	case "resource", "contained":
		return resourceRole, classify.None
	case "data":
		return dataRole, classify.None
	case "contentType":
		return contentRole, classify.None
	case "reference":
		return referenceRole, classify.None
	case "display":
		return displayRole, classify.None
	case "div":
		return narrativeRole, classify.None
	case "system":
		if parent.name == "identifier" || parent.name == "telecom" {
			return systemRole, classify.None
		}
		if parent.name == "coding" {
			return codesRole, classify.None
		}
		return skipped, classify.None
	case "code":
		switch {
		case parent.name == "coding" && parent.root() == "Condition":
			return valueRole, classify.Condition // its system may stand behind it
		case parent.name == "coding":
			return valueRole, classify.None
		}
	case "type":
		if parent.name == "identifier" {
			return typeRole, classify.None
		}
	case "value":
		if parent.name == "identifier" {
			return valueRole, identifierOf(parent.root())
		}
		if parent.name == "telecom" {
			return valueRole, classify.Phone
		}
	}
	return textRole, kindOf(parent, name)
}

// identifierOf is what an identifier of a resource is, where it does not say.
func identifierOf(resource string) classify.Kind {
	switch resource {
	case "Patient", "Person", "RelatedPerson":
		return classify.MRN
	case "Encounter", "EpisodeOfCare", "Appointment":
		return classify.Visit
	case "Coverage", "Claim", "ExplanationOfBenefit":
		return classify.HealthPlan
	case "Account":
		return classify.Account
	case "Practitioner", "PractitionerRole":
		return classify.Licence
	case "ServiceRequest", "DiagnosticReport", "ImagingStudy", "Specimen", "Observation":
		return classify.Accession
	case "Device":
		return classify.Serial
	}
	return classify.None
}

func kindOf(parent *node, name string) classify.Kind {
	switch name {
	case "family", "given":
		return classify.Name
	case "text":
		switch parent.name {
		case "name":
			return classify.Name
		case "address":
			return classify.Address
		}
	case "name":
		switch parent.root() {
		case "Organization", "Location":
			return classify.Organization
		}
	case "line", "city", "district":
		if parent.name == "address" || name == "line" {
			return classify.Address
		}
	case "postalCode":
		return classify.ZIP
	case "birthDate":
		return classify.BirthDate
	case "deceasedDateTime":
		return classify.Date
	case "subscriberId", "memberId":
		return classify.HealthPlan
	case "serialNumber", "lotNumber":
		return classify.Serial
	case "deviceIdentifier", "carrierHRF", "udiCarrier", "distinctIdentifier":
		return classify.UDI
	case "accessionIdentifier":
		return classify.Accession
	}
	return classify.None
}

// stripTags is the text of a piece of XHTML; what is no XML is given as it is.
func stripTags(div []byte) []byte {
	s := xmlscan.New(div)
	var t xmlscan.Token
	out := make([]byte, 0, len(div))
	for s.Next(&t) {
		switch t.Kind {
		case xmlscan.Text:
			out = xmlscan.AppendDecoded(out, t.Body)
		case xmlscan.CDATA:
			out = append(out, t.Body...)
		case xmlscan.Start, xmlscan.End:
			switch string(t.Name) {
			case "b", "i", "em", "strong", "span", "a", "u", "font", "sub", "sup", "content":
			case "td", "th":
				out = append(out, '\t')
			default:
				out = append(out, '\n')
			}
		}
	}
	if s.Err() != nil {
		return div
	}
	return out
}
