package normalize

import (
	"net/url"
	"strings"

	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// fhirQuery is what a recorded query asks for.
type fhirQuery struct {
	// resource is the type searched, "" when the text is not a FHIR query.
	resource string
	// patient is the patient the query is restricted to.
	patient string
	// population is set when the query is restricted to no patient.
	population bool
	// named is set when the query names several patients.
	named  bool
	export bool
	// text is the query with personal values replaced by tokens.
	text string
}

// setQuery decodes the recorded query into QueryInfo.
func (p *fhirParser) setQuery(e *ocsf.Event, a *auditEvent) (q fhirQuery) {
	for i := range a.entities {
		n := &a.entities[i]
		if !n.isQuery() {
			continue
		}
		text := unbase64(n.query)
		if len(n.query) == 0 {
			text = n.description
		} else if text == nil { // some senders forget the encoding
			text = n.query
		}
		if len(text) == 0 {
			continue
		}
		q = p.n.readQuery(string(text))
		e.QueryInfo = &ocsf.QueryInfo{Text: q.text, UID: p.n.key.Token("query", string(text))}
		return q
	}
	return q
}

// readQuery understands an HTTP request, a URL, or a bare query string. Other
// text (HL7 QBP, SOAP) gives no query; its token still tells equal ones.
func (n *Normalizer) readQuery(text string) (q fhirQuery) {
	path, query := splitRequest(text)
	if query == "" && !strings.ContainsAny(path, "/?") && !fhirName(path) {
		return q
	}
	if strings.ContainsAny(path, " <|") {
		return q
	}
	q.resource, q.patient = fhirPath(path)
	q.export = strings.Contains(path, "$export")
	q.population = q.patient == ""
	q.text = q.resource
	sep := "?"
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		name, nameErr := url.QueryUnescape(name)
		value, valueErr := url.QueryUnescape(value)
		if name == "" || nameErr != nil || valueErr != nil {
			continue
		}
		q.restrict(name, value)
		q.text += sep + name + "=" + n.queryValue(name, value)
		sep = "&"
	}
	return q
}

// splitRequest finds path and parameters; those of a form come in the body.
func splitRequest(text string) (path, query string) {
	head, body, hasBody := strings.Cut(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n")
	line, _, _ := strings.Cut(strings.TrimSpace(head), "\n")
	method, target, ok := strings.Cut(line, " ")
	if ok && method == strings.ToUpper(method) {
		target, _, _ = strings.Cut(target, " ")
	} else {
		method, target = "", line
	}
	if i := strings.Index(target, "://"); i >= 0 {
		_, target, _ = strings.Cut(target[i+3:], "/")
	}
	path, query, _ = strings.Cut(target, "?")
	if method == "" && query == "" && strings.Contains(path, "=") {
		path, query = "", path
	}
	if body = strings.TrimSpace(body); hasBody && strings.Contains(body, "=") && !strings.ContainsAny(body, "{<\n") {
		query = strings.Trim(query+"&"+body, "&")
	}
	return path, query
}

// fhirPath reads the type, and the patient where the path names one:
// "r4/Observation/_search", "Patient/7/$everything".
func fhirPath(path string) (resource, patient string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, part := range parts {
		if !fhirName(part) {
			continue
		}
		if part == "Patient" && i+1 < len(parts) && !strings.HasPrefix(parts[i+1], "_") && !strings.HasPrefix(parts[i+1], "$") {
			patient = parts[i+1]
		}
		resource = part
	}
	return resource, patient
}

// fhirName says whether a word looks like a resource type.
func fhirName(word string) bool {
	if len(word) < 4 || word[0] < 'A' || word[0] > 'Z' {
		return false
	}
	return strings.IndexFunc(word, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}

// restrict notes that a parameter chooses a patient.
func (q *fhirQuery) restrict(name, value string) {
	base, _, _ := strings.Cut(name, ":")
	base, chain, _ := strings.Cut(base, ".")
	if base == "_has" {
		return
	}
	switch {
	case base == "patient" || base == "subject":
		if chain != "" && chain != "identifier" && chain != "_id" {
			return
		}
	case q.resource == "Patient" && (base == "_id" || base == "identifier"):
	case q.resource == "Patient" && len(demographic(base)) > 0:
		q.population = false // a person was looked for by name
		return
	default:
		return
	}
	if strings.Contains(value, ",") {
		q.named, q.population = true, false
		return
	}
	id := reference{ref: []byte(value)}.last()
	if i := strings.LastIndexByte(id, '|'); i >= 0 {
		id = id[i+1:]
	}
	if id != "" && !isResidentID(id) {
		q.patient, q.population = id, false
	}
}

// demographic is the kind of token for a parameter that holds personal data.
func demographic(param string) string {
	switch param {
	case "name", "given":
		return keyed.Name
	case "family":
		return keyed.Surname
	case "phone", "telecom":
		return keyed.Phone
	case "address":
		return keyed.Address
	case "birthdate", "email", "death-date", "phonetic":
		return param
	}
	if strings.HasPrefix(param, "address-") {
		return param
	}
	return ""
}

// queryValue is what is kept of a parameter's value: codes and ids of things
// as they are, everything else as a token marked by "~".
func (n *Normalizer) queryValue(name, value string) string {
	base, _, _ := strings.Cut(name, ":")
	if i := strings.LastIndexByte(base, '.'); i >= 0 {
		base = base[i+1:]
	}
	kind := demographic(base)
	if kind == "" && plainParam(base) && !isResidentID(lastValue(value)) {
		return value
	}
	if kind == "" {
		kind = base
	}
	if kind == keyed.Name && bareSurname(value, false) {
		kind = keyed.Surname
	}
	if isResidentID(lastValue(value)) {
		kind, value = keyed.NationalID, lastValue(value)
	}
	return "~" + n.key.Token(kind, value)
}

func lastValue(value string) string { return value[strings.LastIndexByte(value, '|')+1:] }

// plainParam lists the search parameters whose values are codes, dates,
// numbers and ids.
func plainParam(name string) bool {
	switch name {
	case "patient", "subject", "encounter", "identifier", "code", "category", "status", "date", "class", "type",
		"performer", "practitioner", "requester", "author", "location", "organization", "ward", "period", "issued",
		"_id", "_count", "_lastUpdated", "_sort", "_include", "_revinclude", "_elements", "_summary", "_since",
		"_type", "_format", "_getpages", "_getpagesoffset", "_pretty", "_total", "_profile", "_tag", "_security":
		return true
	}
	return false
}
