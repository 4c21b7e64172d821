package normalize

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"io"
	"strings"

	"github.com/cordon-health/cordon/internal/hl7"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// auditQuery is what a recorded query asked for.
type auditQuery struct {
	info *ocsf.QueryInfo
	// patient is the one patient number the query names.
	patient string
}

// searchTerms collects the terms of a query as "name=value", with patient
// numbers as they are and everything else that may name a person as tokens
// marked by "~".
type searchTerms struct {
	n       *Normalizer
	terms   []string
	patient string
}

func (t *searchTerms) id(name, value string) {
	if value = strings.TrimSpace(value); value == "" {
		return
	}
	number, _, _ := strings.Cut(value, "^")
	if isResidentID(number) {
		t.token(name, keyed.NationalID, number)
		return
	}
	t.terms = append(t.terms, name+"="+value)
	t.patient = firstOf(t.patient, value)
}

func (t *searchTerms) token(name, kind, value string) {
	if token := t.n.key.Token(kind, value); token != "" {
		t.terms = append(t.terms, name+"=~"+token)
	}
}

// query reads the query object of the message: an HTTP request, an HL7 v3 or
// ebXML query, an HL7 v2 QBP or a DICOM identifier. Of what it cannot read
// only a token is kept, which still tells equal queries.
func (r *auditReader) query() auditQuery {
	for _, o := range r.m.Objects {
		if o.Query == "" {
			continue
		}
		text := unbase64([]byte(o.Query))
		if len(text) == 0 {
			text = []byte(o.Query)
		}
		t := searchTerms{n: r.n}
		switch head := bytes.TrimSpace(text); {
		case bytes.HasPrefix(head, []byte("<")):
			t.xml(head)
		case bytes.HasPrefix(head, []byte("MSH")):
			t.v2(head)
		case !printable(text):
			t.dicom(text)
		default:
			q := r.n.readQuery(string(head))
			t.patient = q.patient
			if q.text != "" {
				t.terms = []string{q.text}
			}
		}
		info := &ocsf.QueryInfo{UID: r.n.key.Token("query", string(text)), Text: strings.Join(t.terms, "&")}
		return auditQuery{info: info, patient: t.patient}
	}
	return auditQuery{}
}

// xml reads the parameters of HL7 v3 (PDQ, PIX, XCPD) and ebXML (XDS) queries.
func (t *searchTerms) xml(text []byte) {
	d := xml.NewDecoder(bytes.NewReader(text))
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	var parameter, slot, element string
	for {
		token, err := d.Token()
		if err != nil {
			return
		}
		switch x := token.(type) {
		case xml.StartElement:
			element = x.Name.Local
			switch element {
			case "Slot":
				slot = attribute(x, "name")
			case "value":
				t.parameter(parameter, x)
			default:
				if v3Parameter(element) {
					parameter = element
				}
			}
		case xml.CharData:
			t.chars(parameter, slot, element, strings.TrimSpace(string(x)))
		case xml.EndElement:
			switch x.Name.Local {
			case "Slot":
				slot = ""
			case parameter:
				parameter = ""
			}
			element = ""
		}
	}
}

func attribute(x xml.StartElement, name string) string {
	for _, a := range x.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// v3Parameter says whether an element is a query parameter of HL7 v3.
func v3Parameter(name string) bool {
	return strings.HasPrefix(name, "livingSubject") || name == "patientIdentifier" || name == "patientAddress" ||
		name == "patientTelecom" || name == "mothersMaidenName" || name == "principalCareProviderId" ||
		name == "otherIDsScopingOrganization"
}

// parameter reads the value element of an HL7 v3 parameter.
func (t *searchTerms) parameter(name string, x xml.StartElement) {
	switch name {
	case "livingSubjectId", "patientIdentifier":
		t.id(name, attribute(x, "extension"))
	case "patientTelecom":
		t.token(name, keyed.Phone, strings.TrimPrefix(attribute(x, "value"), "tel:"))
	case "livingSubjectBirthTime":
		t.token(name, "birthdate", attribute(x, "value"))
	}
}

// chars reads text inside a name, an address or an ebXML slot.
func (t *searchTerms) chars(parameter, slot, element, text string) {
	switch {
	case text == "":
	case slot != "" && strings.HasSuffix(slot, "PatientId"):
		t.id(strings.TrimPrefix(slot, "$"), strings.Trim(text, "'()"))
	case parameter == "livingSubjectName" && element == "family", parameter == "mothersMaidenName" && element == "family":
		t.token("family", keyed.Surname, text)
	case parameter == "livingSubjectName" && element == "given":
		t.token("given", keyed.Name, text)
	case parameter == "patientAddress":
		t.token("address", keyed.Address, text)
	}
}

// v2 reads the parameters of a QBP query: QPD-3 is a patient number (PIX) or
// a list of "@PID.5.1^value" (PDQ).
func (t *searchTerms) v2(text []byte) {
	m, err := hl7.Parse(text)
	if err != nil {
		return
	}
	for v := range m.Segment("QPD").Field(3).Repeats() {
		name, value := v.Component(1).String(), v.Component(2).String()
		if !strings.HasPrefix(name, "@") {
			t.id("QPD.3", name)
			continue
		}
		name = strings.TrimPrefix(name, "@")
		switch {
		case strings.HasPrefix(name, "PID.3"), strings.HasPrefix(name, "PID.18"):
			t.id(name, value)
		case name == "PID.5.1", name == "PID.5.1.1":
			t.token(name, keyed.Surname, value)
		case strings.HasPrefix(name, "PID.11"):
			t.token(name, keyed.Address, value)
		case strings.HasPrefix(name, "PID.13"):
			t.token(name, keyed.Phone, value)
		case name == "PID.5":
			t.name(name, value)
		default:
			t.token(name, keyed.Name, value)
		}
	}
}

// dicom reads a DICOM identifier in little endian, implicit or explicit: the
// query level, patient's id and name, study date and study. A wildcard is
// kept, for it says that nobody in particular was looked for.
func (t *searchTerms) dicom(b []byte) {
	for len(b) >= 8 {
		tag := uint32(binary.LittleEndian.Uint16(b))<<16 | uint32(binary.LittleEndian.Uint16(b[2:]))
		length, head := dicomLength(b)
		if length < 0 || length > len(b)-head {
			return
		}
		value := strings.Trim(string(b[head:head+length]), " \x00")
		b = b[head+length:]
		wild := strings.ContainsAny(value, "*?")
		switch {
		case value == "":
		case tag == 0x00100020 && !wild:
			t.id("PatientID", value)
		case tag == 0x00100010 && !wild:
			family, given, _ := strings.Cut(value, "^")
			t.token("PatientName", keyed.Name, personName(family, strings.ReplaceAll(given, "^", " ")))
		case tag == 0x00100010 && value[0] != '*' && value[0] != '?':
			t.name("PatientName", value)
			t.terms = append(t.terms, "Patient=*")
		case tag == 0x00100020, tag == 0x00100010:
			t.terms = append(t.terms, "Patient=*")
		case tag == 0x00080052 && printable([]byte(value)):
			t.terms = append(t.terms, "QueryRetrieveLevel="+value)
		case tag == 0x0020000d && printable([]byte(value)):
			t.terms = append(t.terms, "StudyInstanceUID="+value)
		case tag == 0x00080020 && printable([]byte(value)):
			t.terms = append(t.terms, "StudyDate="+value)
		}
	}
}

// dicomLength is the length of the element's value and of what precedes it.
func dicomLength(b []byte) (length, head int) {
	if !isUpperLetter(b[4]) || !isUpperLetter(b[5]) {
		return int(binary.LittleEndian.Uint32(b[4:])), 8
	}
	switch string(b[4:6]) {
	case "OB", "OW", "OF", "SQ", "UT", "UN", "OD", "OL", "UC", "UR":
		if len(b) < 12 {
			return len(b), 8
		}
		return int(binary.LittleEndian.Uint32(b[8:])), 12
	}
	return int(binary.LittleEndian.Uint16(b[6:])), 8
}

func isUpperLetter(c byte) bool { return c >= 'A' && c <= 'Z' }
