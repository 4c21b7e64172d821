package normalize

import (
	"strings"
	"testing"

	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// only is the one event of an input.
func only(t *testing.T, format, data string) *ocsf.Event {
	t.Helper()
	evs, rejects := New(Options{}).Normalize(Input{Format: format, Source: "test", Received: 1772503200000, Data: []byte(data)})
	if len(evs) != 1 || len(rejects) != 0 {
		t.Fatalf("%d events, rejects %v", len(evs), rejects)
	}
	return evs[0]
}

// TestTraces: what sources say about versions, contents and numbers reaches
// the event, whichever way they say it.
func TestTraces(t *testing.T) {
	var key keyed.Key
	content := key.Token("content", "abc")
	for name, c := range map[string]struct{ format, data string }{
		"fhir": {"fhir-auditevent", `{"resourceType":"AuditEvent","id":"1","type":{"code":"rest"},"subtype":[{"code":"update"}],"action":"U","recorded":"2026-03-03T09:00:00+08:00",
			"agent":[{"who":{"identifier":{"value":"li"}},"requestor":true}],
			"entity":[{"what":{"reference":"Patient/P1"},"role":{"code":"1"}},{"what":{"reference":"DocumentReference/7/_history/3"},
			"detail":[{"type":"hash","valueString":"abc"},{"type":"dated","valueString":"2026-03-01T09:00:00+08:00"},{"type":"sequence","valueString":"41"}]}]}`},
		"atna": {"atna", `<85>1 2026-03-03T09:00:00+08:00 h app - IHE+RFC-3881 [meta sequenceId="41"] <AuditMessage><EventIdentification EventActionCode="U" EventDateTime="2026-03-03T09:00:00+08:00" EventOutcomeIndicator="0"><EventID csd-code="110110"/></EventIdentification>
			<ActiveParticipant UserID="li" UserName="Li" UserIsRequestor="true"/><ParticipantObjectIdentification ParticipantObjectID="P1" ParticipantObjectTypeCode="1" ParticipantObjectTypeCodeRole="1"/>
			<ParticipantObjectIdentification ParticipantObjectID="7" ParticipantObjectTypeCode="2" ParticipantObjectTypeCodeRole="3"><ParticipantObjectDetail type="version" value="` +
			b64("3") + `"/><ParticipantObjectDetail type="hash" value="` + b64("abc") + `"/><ParticipantObjectDetail type="dated" value="` + b64("2026-03-01T09:00:00+08:00") + `"/></ParticipantObjectIdentification></AuditMessage>`},
		"syslog": {"syslog", `<134>1 2026-03-03T09:00:00+08:00 h emr - - - user=li act=update mrn=P1 document=note docversion=3 dochash=abc docdate="2026-03-01T09:00:00+08:00" seq=41`},
	} {
		t.Run(name, func(t *testing.T) {
			e := only(t, c.format, c.data)
			r := &e.WebResources[0]
			if r.Label(ocsf.LabelVersion) != "3" || r.Label(ocsf.LabelContent) != content || r.Label(ocsf.LabelDated) != "1772326800000" {
				t.Errorf("labels %q", r.Labels)
			}
			if e.Metadata.Sequence != 41 {
				t.Errorf("sequence %d", e.Metadata.Sequence)
			}
			if text := string(e.AppendJSON(nil)); strings.Contains(text, `abc"`) {
				t.Errorf("the hash stands in clear: %s", text)
			}
		})
	}
}

// TestSearchTerms: what somebody typed into a search box becomes tokens that
// can be compared with those of people, and never stays readable.
func TestSearchTerms(t *testing.T) {
	var key keyed.Key
	full, sur := "~"+key.Token(keyed.Name, "张三"), "~"+key.Token(keyed.Surname, "欧阳")
	fhir := func(query string) string {
		return `{"resourceType":"AuditEvent","id":"1","type":{"code":"rest"},"subtype":[{"code":"search-type"}],"action":"E","recorded":"2026-03-03T09:00:00+08:00",
			"agent":[{"who":{"identifier":{"value":"li"}},"requestor":true}],"entity":[{"role":{"code":"24"},"query":"` + b64(query) + `","detail":[{"type":"total","valueString":"0"}]}]}`
	}
	for name, c := range map[string]struct{ format, data, want string }{
		"fhir full name": {"fhir-auditevent", fhir("GET Patient?name=张三"), "Patient?name=" + full},
		"fhir surname":   {"fhir-auditevent", fhir("GET Patient?name=欧阳"), "Patient?name=" + sur},
		"box, full name": {"syslog", `<134>1 2026-03-03T09:00:00+08:00 h emr - - - user=li event=search keyword=张三 results=0`, "name=" + full},
		"box, surname":   {"syslog", `<134>1 2026-03-03T09:00:00+08:00 h emr - - - user=li 检索词=欧阳 results=0`, "family=" + sur},
		"box, number":    {"syslog", `<134>1 2026-03-03T09:00:00+08:00 h emr - - - user=li keyword=100023 results=0`, "identifier=100023"},
		"box, id card":   {"syslog", `<134>1 2026-03-03T09:00:00+08:00 h emr - - - user=li keyword=11010519491231002X results=0`, "national_id=~" + key.Token(keyed.NationalID, "11010519491231002X")},
	} {
		t.Run(name, func(t *testing.T) {
			e := only(t, c.format, c.data)
			if e.ActivityID != ocsf.AccessSearch || e.QueryInfo == nil || e.QueryInfo.Text != c.want {
				t.Fatalf("activity %d, query %+v, want %s", e.ActivityID, e.QueryInfo, c.want)
			}
			if e.WebResources[0].Label(ocsf.LabelMatches) != "0" {
				t.Errorf("labels %q", e.WebResources[0].Labels)
			}
			if text := string(e.AppendJSON(nil)); strings.Contains(text, "张三") || strings.Contains(text, "欧阳") || strings.Contains(text, "19491231") {
				t.Errorf("what was typed stands in clear: %s", text)
			}
		})
	}
}

// TestMappedTraces: the same from a hospital's own table.
func TestMappedTraces(t *testing.T) {
	m, err := ParseMapping(strings.NewReader(`name: emr
kind: access
time: {column: at}
account: {column: who}
patient: {column: patient}
activity: {column: what, values: {update: update, search: search}}
search: {column: typed}
sequence: {column: no}
version: {column: ver}
content: {column: digest}
matches: {column: found}
`))
	if err != nil {
		t.Fatal(err)
	}
	evs, rejects := New(Options{}).Normalize(Input{Format: "csv", Source: "emr", Received: 1772503200000, Mapping: m,
		Data: []byte("at,who,patient,what,typed,no,ver,digest,found\n2026-03-03 09:00:00,li,P1,update,,41,3,abc,\n2026-03-03 09:01:00,li,,search,张三,42,,,0\n")})
	if len(evs) != 2 || len(rejects) != 0 {
		t.Fatalf("%d events, rejects %v", len(evs), rejects)
	}
	var key keyed.Key
	if r := &evs[0].WebResources[0]; evs[0].Metadata.Sequence != 41 || r.Label(ocsf.LabelVersion) != "3" || r.Label(ocsf.LabelContent) != key.Token("content", "abc") {
		t.Errorf("update: %d %q", evs[0].Metadata.Sequence, r.Labels)
	}
	if q := evs[1].QueryInfo; q == nil || q.Text != "name=~"+key.Token(keyed.Name, "张三") || evs[1].WebResources[0].Label(ocsf.LabelMatches) != "0" {
		t.Errorf("search: %+v %+v", evs[1].QueryInfo, evs[1].WebResources)
	}
}

// FuzzTyped: whatever somebody typed, a query keeps no more of it in clear
// than a number.
func FuzzTyped(f *testing.F) {
	for _, s := range []string{"张三", "王", "欧阳", "Smith*", "WANG^WEI", "13800138000", "11010519491231002X", "100023", "a=b&c", "~", ""} {
		f.Add(s)
	}
	n := New(Options{})
	f.Fuzz(func(t *testing.T, typed string) {
		text := n.typedQuery(typed).Text
		for term := range strings.SplitSeq(text, "&") {
			_, value, _ := strings.Cut(term, "=")
			if value != "" && value[0] != '~' && strings.Trim(value, "0123456789") != "" {
				t.Errorf("%q stands in clear in %q", typed, text)
			}
		}
	})
}
