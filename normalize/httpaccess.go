package normalize

import (
	"bytes"
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/internal/jsonscan"
	"github.com/cordon-health/cordon/ocsf"
)

// call is one request in a web server's log.
type call struct {
	at       int64
	original string // of the time, where it named no zone
	ip, host string
	// user is whom the server authenticated, client the program's own id.
	user, client, agent string
	method, target      string
	// operation is the server's own word for what was done.
	operation string
	status    int
	bytes     int64
	request   string
}

// parseHTTP reads access logs: the common and combined formats of nginx and
// Apache, also behind a virtual host, a syslog header or followed by more
// fields; JSON lines by their usual keys; and HAPI's line of Key[value].
func (n *Normalizer) parseHTTP(in Input, out *Output) {
	lines := newSyslogReader(n.zone)
	item := 0
	for line := range bytes.Lines(in.Data) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		out.reading(item, line)
		text := line
		if line[0] == '<' {
			text = bytes.TrimSpace(lines.read(line).Message)
		}
		if c, ok := n.readCall(text); !ok {
			out.Reject(item, line, "not a line of an HTTP access log: common, combined, JSON or HAPI")
		} else if e, reason := n.callEvent(&c); reason != "" {
			out.Reject(item, line, reason)
		} else {
			out.Event(e)
		}
		item++
	}
}

// readCall reads a line of any of the formats.
func (n *Normalizer) readCall(line []byte) (c call, ok bool) {
	switch {
	case len(line) == 0:
		return c, false
	case line[0] == '{':
		return n.jsonCall(line)
	case bytes.Contains(line, []byte("Operation[")) && bytes.Contains(line, []byte("Path[")):
		return n.hapiCall(string(line))
	}
	return combinedCall(string(line))
}

// combinedCall reads `[vhost ]ip ident user [time] "METHOD target PROTO"
// status bytes "referer" "agent"`. The referer is another page's address and
// is not kept.
func combinedCall(line string) (c call, ok bool) {
	head, rest, ok := strings.Cut(line, " [")
	when, rest, ok2 := strings.Cut(rest, "] ")
	at, err := time.Parse(webTime, when)
	who := strings.Fields(head)
	if !ok || !ok2 || err != nil || len(who) < 3 {
		return c, false
	}
	c.at = at.UnixMilli()
	c.user = given(who[len(who)-1])
	c.ip = who[len(who)-3]
	if len(who) > 3 {
		c.host = who[len(who)-4]
	}
	request, size, ok := quoted(rest)
	if !ok {
		return c, false
	}
	c.method, c.target = requestLine(request)
	rest = strings.TrimSpace(rest[size:])
	numbers := strings.Fields(rest)
	if len(numbers) < 2 {
		return c, false
	}
	if c.status, err = strconv.Atoi(numbers[0]); err != nil {
		return c, false
	}
	c.bytes, _ = strconv.ParseInt(numbers[1], 10, 64) // "-" is none
	if _, rest, ok = strings.Cut(rest, `"`); ok {
		_, size, _ := quoted(`"` + rest) // the referer
		if size > 0 {
			rest = strings.TrimSpace((`"` + rest)[size:])
			c.agent, _, _ = quoted(rest)
		}
	}
	return c, c.target != ""
}

// webTime is the time in common logs.
const webTime = "02/Jan/2006:15:04:05 -0700"

// given is a value, "" for the sign of none.
func given(text string) string {
	if text == "-" {
		return ""
	}
	return text
}

// requestLine takes "GET /x HTTP/1.1" apart.
func requestLine(text string) (method, target string) {
	method, target, ok := strings.Cut(text, " ")
	if !ok {
		return "", ""
	}
	target, _, _ = strings.Cut(target, " ")
	return method, target
}

// jsonCall reads a JSON line by the keys that nginx, Apache, Caddy, Envoy and
// API gateways use.
func (n *Normalizer) jsonCall(line []byte) (c call, ok bool) {
	var fields []field
	var s jsonscan.Scanner
	s.Reset(line)
	readMembers(&s, &fields, "", 0)
	if s.Err() != nil {
		return c, false
	}
	d := device{n: n, fields: fields}
	for i := range d.fields {
		d.fields[i].name = plain(d.fields[i].key)
	}
	when := d.take("timeiso8601", "timestamp", "time", "ts", "msec", "timelocal", "starttime", "datetime")
	if at, err := time.Parse(webTime, when); err == nil {
		c.at = at.UnixMilli()
	} else if at, zoned, ok := deviceTime(when, n.zone, 0); ok {
		c.at = at
		if !zoned {
			c.original = when
		}
	}
	c.method, c.target = requestLine(d.take("request", "requestline"))
	c.method = cmp.Or(c.method, d.take("requestmethod", "method", "httpmethod", "verb", "httprequestmethod"))
	c.target = cmp.Or(c.target, d.take("requesturi", "uri", "url", "path", "requestpath", "urioriginal", "urloriginal"))
	if args := given(d.take("args", "querystring", "query", "urlquery")); args != "" && !strings.Contains(c.target, "?") {
		c.target += "?" + strings.TrimPrefix(args, "?")
	}
	c.user = given(d.take("remoteuser", "user", "username", "preferredusername", "sub", "userid", "userauth", "principal"))
	c.client = given(d.take("clientid", "azp", "appid", "oauthclientid", "consumer", "apikeyid"))
	forwarded, _, _ := strings.Cut(given(d.take("httpxforwardedfor", "xforwardedfor")), ",")
	c.ip = cmp.Or(strings.TrimSpace(forwarded), d.take("remoteaddr", "clientip", "remoteip", "remotehost", "sourceip", "sourceaddress", "client", "ip", "requestremoteip"))
	c.host = given(d.take("host", "httphost", "servername", "vhost", "requesthost"))
	c.agent = given(d.take("httpuseragent", "useragent", "agent", "useragentoriginal"))
	c.status, _ = strconv.Atoi(d.take("status", "statuscode", "responsecode", "httpresponsestatuscode"))
	c.bytes, _ = strconv.ParseInt(d.take("bodybytessent", "bytessent", "bytes", "size", "responsesize"), 10, 64)
	c.request = given(d.take("requestid", "xrequestid", "traceid", "httpxrequestid"))
	return c, c.target != "" && c.at != 0
}

// hapiCall reads the access log of HAPI FHIR: a time, and then Path[/fhir]
// Source[10.1.1.5] Operation[search-type  Patient] UA[...] Params[?name=x].
func (n *Normalizer) hapiCall(line string) (c call, ok bool) {
	get := func(key string) string {
		_, rest, _ := strings.Cut(line, key+"[")
		value, _, _ := strings.Cut(rest, "]")
		return strings.TrimSpace(value)
	}
	words := strings.Fields(line)
	for count := 2; count > 0 && c.at == 0; count-- {
		when := strings.ReplaceAll(strings.Join(words[:min(count, len(words))], " "), ",", ".")
		if at, zoned, ok := deviceTime(when, n.zone, 0); ok {
			c.at = at
			if !zoned {
				c.original = when
			}
		}
	}
	operation := strings.Fields(get("Operation"))
	if c.at == 0 || len(operation) == 0 {
		return c, false
	}
	c.operation = operation[0]
	c.target = strings.TrimSuffix(get("Path"), "/")
	for _, part := range slices.Backward(operation[1:]) { // what it was on stands last, its own name before
		c.target += "/" + part
	}
	if params := strings.TrimPrefix(get("Params"), "?"); params != "" {
		c.target += "?" + params
	}
	source, _, _ := strings.Cut(get("Source"), ",")
	c.ip, c.agent = strings.TrimSpace(source), get("UA")
	c.user, c.client = get("User"), get("Client")
	c.status = 200 // HAPI logs what it has answered
	return c, true
}

// callEvent makes the event of a request: an access to records where it is one
// of FHIR or DICOMweb, otherwise an HTTP Activity.
func (n *Normalizer) callEvent(c *call) (e *ocsf.Event, reason string) {
	if err := within(c.at); err != nil {
		return nil, "the time of the request " + err.Error()
	}
	path, query, _ := strings.Cut(c.target, "?")
	e = &ocsf.Event{Time: c.at, HTTPRequest: &ocsf.HTTPRequest{
		UID: c.request, Method: c.method, URL: n.maskNumbers(withoutUser(path)), UserAgent: c.agent,
	}}
	e.Metadata.OriginalTime, e.Metadata.CorrelationUID = c.original, c.request
	e.Actor.User.Account = c.user
	e.Actor.AppName = cmp.Or(c.client, program(c.agent))
	if strings.EqualFold(c.user, e.Actor.AppName) { // a program that signs in as itself: nobody is behind it
		e.Actor.User.Account = ""
	}
	e.SrcEndpoint = endpointOf(c.ip)
	e.DstEndpoint = endpointOf(strings.TrimSuffix(c.host, ":443"))
	if c.status != 0 {
		e.StatusCode = strconv.Itoa(c.status)
		e.StatusID = ocsf.StatusSuccess
		if c.status >= 400 {
			e.StatusID = ocsf.StatusFailure
		}
	}
	if c.bytes > 0 {
		e.Unmapped = ocsf.RawJSON(`{"bytes":` + strconv.FormatInt(c.bytes, 10) + `}`)
	}
	switch {
	case fhirCall(path, query):
		n.setFHIRCall(e, c, path)
	case imagingCall(path, query):
		n.setImagingCall(e, path, query)
	default:
		e.ClassUID, e.ActivityID = ocsf.HTTPActivity, httpVerb(c.method)
	}
	return e, ""
}

// withoutUser drops user and password from an absolute address.
func withoutUser(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.User == nil {
		return path
	}
	u.User = nil
	return u.String()
}

// program is the first product of a user agent; a browser is none.
func program(agent string) string {
	name, _, _ := strings.Cut(agent, " ")
	name, _, _ = strings.Cut(name, "/")
	if strings.EqualFold(name, "Mozilla") || strings.EqualFold(name, "Opera") {
		return ""
	}
	return name
}

// httpVerb is the activity of HTTP Activity (4002). Source: OCSF 1.9.0.
func httpVerb(method string) int {
	verbs := []string{"", "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "TRACE", "PATCH"}
	if i := slices.Index(verbs, strings.ToUpper(method)); i > 0 {
		return i
	}
	return ocsf.ActivityOther
}

// fhirCall says whether a request asks a FHIR server for records: it names a
// type of resource, an operation or a further page.
func fhirCall(path, query string) bool {
	if strings.Contains(query, "_getpages=") {
		return true
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "$export" || part == "$everything" || slices.Contains(fhirTypes(), part) {
			return true
		}
	}
	return false
}

// fhirTypes are the resources that hold data of patients.
func fhirTypes() []string {
	return []string{"Patient", "Observation", "Condition", "Encounter", "DiagnosticReport", "DocumentReference", "Composition", "Binary",
		"MedicationRequest", "MedicationStatement", "MedicationAdministration", "MedicationDispense", "Procedure", "AllergyIntolerance",
		"Immunization", "ImagingStudy", "ServiceRequest", "CarePlan", "CareTeam", "Appointment", "EpisodeOfCare", "FamilyMemberHistory",
		"ClinicalImpression", "QuestionnaireResponse", "Specimen", "Coverage", "Claim", "ExplanationOfBenefit", "RelatedPerson", "Person",
		"Group", "List", "Flag", "Goal", "Media", "MolecularSequence", "NutritionOrder", "Communication", "Consent", "Task", "AuditEvent", "Bundle"}
}

// setFHIRCall makes the access that an AuditEvent about the request would have
// told of.
func (n *Normalizer) setFHIRCall(e *ocsf.Event, c *call, path string) {
	q := n.readQuery(c.target)
	op := interaction(c, path)
	e.ClassUID, e.ActivityID = ocsf.WebResourcesActivity, ocsf.AccessRead
	if id := activityOfCode(op); id != ocsf.ActivityUnknown {
		e.ActivityID = id
	}
	export := q.export && !strings.Contains(path, "$export-") // not how one is coming along
	if export {
		op, e.ActivityID = "$export", ocsf.AccessExport
	}
	e.Metadata.EventCode = op
	kind, id := lastResource(path)
	if isResidentID(id) {
		id = "~" + n.key.Token("id", id)
	}
	e.WebResources = []ocsf.Resource{{Type: cmp.Or(kind, q.resource, "Bundle"), UID: id}}
	if e.ActivityID == ocsf.AccessSearch || strings.Contains(c.target, "?") || export {
		e.QueryInfo = &ocsf.QueryInfo{Text: q.text, UID: n.key.Token("query", c.target)}
	}
	if q.patient != "" && !isResidentID(q.patient) {
		e.Patient = &ocsf.Patient{UID: q.patient}
		e.Access = &ocsf.Access{Document: kind, Incidental: q.population}
	}
}

// interaction names what a request does, in FHIR's words.
func interaction(c *call, path string) string {
	if c.operation != "" && !strings.HasPrefix(c.operation, "extended") {
		return c.operation
	}
	if i := strings.LastIndex(path, "/$"); i >= 0 {
		op, _, _ := strings.Cut(path[i+1:], "/")
		return op
	}
	kind, id := lastResource(path)
	switch strings.ToUpper(c.method) {
	case "POST":
		if strings.HasSuffix(path, "/_search") {
			return "search-type"
		}
		return "create"
	case "PUT":
		return "update"
	case "PATCH":
		return "patch"
	case "DELETE":
		return "delete"
	}
	switch {
	case kind == "":
		return "search-system"
	case id == "":
		return "search-type"
	}
	return "read"
}

// lastResource is the last type a path names, and the id that follows it.
func lastResource(path string) (kind, id string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, part := range parts {
		if !slices.Contains(fhirTypes(), part) {
			continue
		}
		kind, id = part, ""
		if i+1 < len(parts) && !strings.HasPrefix(parts[i+1], "_") && !strings.HasPrefix(parts[i+1], "$") {
			id = parts[i+1]
		}
	}
	return kind, id
}

// imagingCall says whether a request is one of DICOMweb (QIDO, WADO, STOW) or
// WADO-URI.
func imagingCall(path, query string) bool {
	return strings.Contains(query, "requestType=WADO") || strings.HasSuffix(path, "/studies") || strings.Contains(path, "/studies/")
}

// setImagingCall reads study and patient of a request for images.
func (n *Normalizer) setImagingCall(e *ocsf.Event, path, query string) {
	values, err := url.ParseQuery(query)
	if err != nil {
		values = url.Values{}
	}
	_, study, _ := strings.Cut(path, "/studies/")
	study, deeper, _ := strings.Cut(study, "/")
	study = cmp.Or(study, values.Get("studyUID"), values.Get("StudyInstanceUID"))
	e.ClassUID, e.ActivityID, e.Metadata.EventCode = ocsf.WebResourcesActivity, ocsf.AccessRead, "WADO"
	switch {
	case e.HTTPRequest.Method == "POST":
		e.ActivityID, e.Metadata.EventCode = ocsf.AccessCreate, "STOW"
	case study == "" || strings.HasSuffix(path, "/studies") || deeper == "series" || deeper == "instances":
		e.ActivityID, e.Metadata.EventCode = ocsf.AccessSearch, "QIDO"
		t := searchTerms{n: n}
		t.qido(values)
		e.QueryInfo = &ocsf.QueryInfo{Text: strings.Join(t.terms, "&"), UID: n.key.Token("query", path+"?"+query)}
	}
	e.WebResources = []ocsf.Resource{{Type: "Study", UID: study}}
	id := cmp.Or(values.Get("PatientID"), values.Get("00100020"))
	if id != "" && !strings.ContainsAny(id, "*?") && !isResidentID(id) {
		e.Patient = &ocsf.Patient{UID: id}
		e.Access = &ocsf.Access{Document: "Study"}
	}
}

// qido reads the keys of a search for studies.
func (t *searchTerms) qido(values url.Values) {
	for _, key := range [][2]string{{"PatientID", "00100020"}, {"PatientName", "00100010"}, {"StudyDate", "00080020"}, {"AccessionNumber", "00080050"}} {
		value := cmp.Or(values.Get(key[0]), values.Get(key[1]))
		switch {
		case value == "":
		case key[0] == "StudyDate" || key[0] == "AccessionNumber":
			t.terms = append(t.terms, key[0]+"="+t.n.maskNumbers(value))
		case strings.Trim(value, "*?") == "":
			t.terms = append(t.terms, "Patient=*")
		case key[0] == "PatientID":
			t.id(key[0], value)
		default:
			t.name(key[0], value)
		}
	}
}
