package node

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/cordon-health/cordon/collect/mllp"
	"github.com/cordon-health/cordon/config"
	"github.com/cordon-health/cordon/identity"
)

// The marks of an invented patient. None may be seen anywhere but in the body
// of an authorised answer.
const (
	markID      = "ZQPATIENT77"
	markName    = "Zqsurname"
	markGiven   = "Zqgiven"
	markPhone   = "13877700077"
	markStreet  = "Zqstreet"
	markNation  = "110101199003077735"
	markReason  = "zqreason"
	markText    = "zqclinical"
	markBroken  = "zqbroken"
	markAddress = markStreet + " 7"
)

func marks() []string {
	return []string{markID, markName, markGiven, markPhone, markStreet, markNation, markReason, markText, markBroken}
}

// clean fails when a text that leaves Cordon holds a mark.
func clean(t *testing.T, where, text string) {
	t.Helper()
	low := strings.ToLower(text)
	for _, m := range marks() {
		if i := strings.Index(low, strings.ToLower(m)); i >= 0 {
			t.Errorf("%s shows %s: ...%s...", where, m, text[max(0, i-200):min(len(text), i+100)])
		}
	}
}

// outside is the world that playbooks tell: a webhook and a mail server.
type outside struct {
	said safeBuffer
	hook *httptest.Server
	mail net.Listener
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	o := &outside{}
	o.hook = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(&o.said, r.Body) // a test's own buffer
		fmt.Fprintln(&o.said, r.URL, r.Header)
	}))
	t.Cleanup(o.hook.Close)
	var err error
	if o.mail, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.mail.Close() })
	go func() {
		for {
			conn, err := o.mail.Accept()
			if err != nil {
				return
			}
			go o.letter(conn)
		}
	}()
	return o
}

// letter speaks just enough SMTP to get one.
func (o *outside) letter(conn net.Conn) {
	defer conn.Close()
	say := func(s string) { fmt.Fprintf(conn, "%s\r\n", s) }
	say("220 test")
	body := false
	buf := make([]byte, 0, 4096)
	for one := make([]byte, 1); ; {
		if _, err := conn.Read(one); err != nil {
			return
		}
		if buf = append(buf, one[0]); one[0] != '\n' {
			continue
		}
		line := string(buf)
		buf = buf[:0]
		fmt.Fprint(&o.said, line)
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case body && verb == ".":
			body = false
			say("250 ok")
		case body:
		case strings.EqualFold(verb, "DATA"):
			body = true
			say("354 go on")
		case strings.EqualFold(verb, "QUIT"):
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// TestNoPatientOutside pushes marked records, whole and broken, through every
// path, and then searches logs, metrics, errors, messages and URLs for them.
func TestNoPatientOutside(t *testing.T) {
	o := newOutside(t)
	dir := t.TempDir()
	his := filepath.Join(dir, "his.db")
	hisTable(t, his)
	s := newSite(t, filepath.Join(dir, "data"), func(c *config.Config) {
		c.Playbook.Webhook.URL = o.hook.URL
		c.Playbook.Mail = config.Default().Playbook.Mail
		c.Playbook.Mail.Host, c.Playbook.Mail.TLS, c.Playbook.Mail.From = o.mail.Addr().String(), "none", "cordon@hospital.example"
		c.Playbook.Mail.Officers, c.Playbook.Mail.Staff = []string{"officer@hospital.example"}, "{account}@hospital.example"
	})
	s.collect(t, collectorsAt(s.mllp, s.syslog)+fmt.Sprintf("file: [{path: %q, format: fhir-auditevent, poll: 50ms}]\n"+
		"sqlpoll: [{driver: sqlite, dsn: %q, table: audit_log, cursor: id, mapping: his-audit, interval: 50ms}]\n",
		filepath.Join(dir, "*.ndjson"), "file:"+his))
	v := s.start(t)
	markedLists(t, s)
	markedHTTP(t, s)
	markedMessages(t, s)
	markedLines(t, s)
	if err := os.WriteFile(filepath.Join(dir, "feed.ndjson"), []byte(markedLook("file-1")+`{"id":"`+markBroken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "file and table are read", func() bool {
		type row struct{ N int }
		v.drained()
		return query[row](t, s, `SELECT count(*) AS n FROM records WHERE uid IN ('file-1', 'sql-1')`)[0].N == 2
	})
	eventually(t, "messages went out", func() bool {
		return strings.Contains(o.said.String(), "DATA") && strings.Contains(o.said.String(), "{")
	})
	if len(s.cases(t)) == 0 {
		t.Fatal("no case was opened; the test proves little")
	}
	markedErrors(t, s)
	markedPages(t, v)
	clean(t, "/metrics", s.must(t, "GET", "/metrics", ""))
	for _, line := range lists[struct{ Reason string }](t, s, "GET", "/api/v1/quarantine?limit=1000", "") {
		clean(t, "a reason in quarantine", line.Reason)
	}
	v.stop()
	clean(t, "a message to the outside", o.said.String())
	clean(t, "the log", v.logs.String())
}

func hisTable(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, stmt := range []string{
		`CREATE TABLE audit_log (id TEXT PRIMARY KEY, op_time TEXT, user_code TEXT, patient_no TEXT, action TEXT, module TEXT, client_ip TEXT, reason TEXT)`,
		`INSERT INTO audit_log VALUES ('sql-1', '2026-03-02T10:00:00+08:00', 'nora', '` + markID + `', 'VIEW', 'Labs', '10.0.0.1', '` + markReason + `')`,
		`INSERT INTO audit_log VALUES ('sql-2', '` + markBroken + `', 'nora', '` + markID + `', 'VIEW', 'Labs', '10.0.0.1', '` + markReason + `')`,
	} {
		if _, err := db.ExecContext(t.Context(), stmt); err != nil {
			t.Fatal(err)
		}
	}
}

func markedLook(id string) string {
	return strings.Replace(look(id, "nora", markID, time.Now()), `"entity":[`,
		`"purposeOfEvent":[{"coding":[{"code":"BTG"}],"text":"`+markReason+`"}],"outcomeDesc":"`+markText+`","entity":[{"what":{"display":"`+
			markName+" "+markGiven+`"},"name":"`+markName+`","description":"`+markText+`"},`, 1)
}

// markedLists imports lists, with rows that cannot be used.
func markedLists(t *testing.T, s *site) {
	t.Helper()
	s.load(t, "directory", people)
	s.load(t, "watchlist", "kind,patient_id,from,until,reason\nsealed,"+markID+",2020-01-01,,"+markReason+
		"\ncanary,"+markID+",2020-01-01,,"+markReason+"\nking,"+markID+","+markBroken+",,"+markReason+"\n")
	s.load(t, "tickets", "ticket_id,person_id,purpose,scope,from,until,approved_by\nT1,D100,"+markReason+",patient:"+markID+
		",2020-01-01,2030-01-01,D100\nT2,D100,x,patient:"+markID+","+markBroken+",2030-01-01,D100\n")
	_, text, _ := s.call("POST", "/api/v1/import/watchlist", "kind,"+markBroken+"\n"+markID+",1\n")
	clean(t, "the error of an import", text)
}

// markedHTTP posts records of every format, whole, cut off and of another
// format.
func markedHTTP(t *testing.T, s *site) {
	t.Helper()
	bodies := []string{
		markedLook("http-1"), markedLook("http-2")[:300] + markBroken, markedHL7("H1"), markedATNA(), `{"` + markBroken + `":"` + markID + `"}`,
		"CEF:0|V|P|1|1|" + markName + "|3|suser=nora duser=" + markID + " msg=" + markText + " cs1=" + markPhone,
		`{"class_uid":6001,"time":"` + markBroken + `","metadata":{"uid":"` + markID + `"},"message":"` + markText + `"}`,
		"id,op_time,user_code,patient_no\nc-1,2026-03-02T10:00:00+08:00,nora," + markID + "\nc-2," + markBroken + ",nora," + markID + "\n",
		`[{"id":"j-1","op_time":"2026-03-02T10:00:00+08:00","user_code":"nora","patient_no":"` + markID + `","reason":"` + markReason + `"}]`,
		`10.2.0.9 - nora [02/Mar/2026:10:20:00 +0800] "GET /fhir/Patient?name=` + markName + `&telecom=` + markPhone + ` HTTP/1.1" 200 5 "` + markText + `"`,
		markBroken + "\x00\xff" + markID,
	}
	for _, format := range []string{"fhir-auditevent", "fhir", "hl7v2", "atna", "syslog", "http-access", "ocsf", "csv", "json", "nonsense"} {
		for _, body := range bodies {
			for _, mapping := range []string{"", "his-audit"} {
				_, text, err := s.call("POST", "/api/v1/events?format="+format+"&mapping="+mapping, body)
				if err != nil {
					t.Fatal(err)
				}
				clean(t, "the answer to "+format, text)
			}
		}
	}
	for _, body := range bodies {
		_, text, _ := s.call("POST", "/fhir", body)
		clean(t, "the answer of the FHIR feed", text)
	}
}

func markedHL7(id string) string {
	return strings.Join([]string{
		`MSH|^~\&|ADT1|HOSP|CORDON|HOSP|20260302080000+0800||ADT^A01|` + id + `|P|2.5`,
		`PID|1||` + markID + `^^^HOSP^MR||` + markName + `^` + markGiven + `||19900307|F|||` + markAddress + `^^Beijing||` + markPhone + `||||||` + markNation,
		`NK1|1|` + markName + `^Kin|SPO|` + markAddress + `|` + markPhone,
		`PV1|1|I|W1^101^1||||D999^Else^Who|||||||||||V1|||||||||||||||||||||||||20260302080000+0800`,
		`OBX|1|TX|` + markText + `||` + markText, `NTE|1||` + markText,
	}, "\r") + "\r"
}

func markedATNA() string {
	return `<AuditMessage><EventIdentification EventActionCode="R" EventDateTime="2026-03-02T10:20:00+08:00" EventOutcomeIndicator="0"><EventID csd-code="110110" codeSystemName="DCM"/></EventIdentification>` +
		`<ActiveParticipant UserID="nora" UserIsRequestor="true"/><AuditSourceIdentification AuditSourceID="PACS"/><ParticipantObjectIdentification ParticipantObjectID="` + markID +
		`" ParticipantObjectTypeCode="1" ParticipantObjectTypeCodeRole="1"><ParticipantObjectName>` + markName + `</ParticipantObjectName></ParticipantObjectIdentification></AuditMessage>`
}

// markedMessages sends HL7, whole and broken, over MLLP.
func markedMessages(t *testing.T, s *site) {
	t.Helper()
	whole := markedHL7("M1")
	for _, m := range []string{
		whole, strings.Replace(whole, "20260302080000+0800||ADT", markBroken+"||ADT", 1), strings.Replace(whole, "MSH|", "MSH!", 1),
		whole[:len(whole)/2], "PID|" + markID, markBroken, strings.Replace(whole, "PID|1||"+markID, "PID|1||", 1),
	} {
		c, err := mllp.Dial(t.Context(), s.mllp)
		if err != nil {
			t.Fatal(err)
		}
		ack, err := c.Send([]byte(m))
		if err == nil {
			clean(t, "an acknowledgement", string(ack))
		}
		_ = c.Close()
	}
	raw, err := net.Dial("tcp", s.mllp)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(raw, markBroken+"\r\n\x0b"+markedHL7("M9")[:200]) // no frame, then half of one
	_ = raw.Close()
}

// markedLines sends syslog over TCP and UDP.
func markedLines(t *testing.T, s *site) {
	t.Helper()
	for _, network := range []string{"tcp", "udp"} {
		conn, err := net.Dial(network, s.syslog)
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range []string{
			markedATNA(), "<AuditMessage>" + markBroken, "CEF:0|V|P|1|1|" + markName + "|3|duser=" + markID + " msg=" + markText, "LEEF:2.0|" + markBroken + "|" + markID,
			"patient=" + markID + " name=" + markName + " phone=" + markPhone, `{"patient":"` + markID + `"`,
		} {
			msg := fmt.Sprintf("<85>1 2026-03-02T10:20:0%d+08:00 host app %d - - %s", i, i, text)
			if network == "tcp" {
				msg = fmt.Sprintf("%d %s", len(msg), msg)
			}
			fmt.Fprint(conn, msg)
		}
		fmt.Fprintf(conn, "999999999 %s %s", markBroken, markID)
		_ = conn.Close()
	}
}

// markedErrors makes the API refuse.
func markedErrors(t *testing.T, s *site) {
	t.Helper()
	id := lists[struct{ ID string }](t, s, "GET", "/api/v1/quarantine?limit=1", "")[0].ID
	for _, r := range [][3]string{
		{"POST", "/api/v1/accesses", `{"patient":"` + markID + `","from":"yesterday"}`},
		{"POST", "/api/v1/accesses", `{"patient":` + markID},
		{"POST", "/api/v1/explanations", `{"events":"` + markID + `"}`},
		{"POST", "/api/v1/query", `{"sql":"SELECT * FROM event WHERE patient = '` + markID + `'"}`},
		{"POST", "/api/v1/query", `{"sql":"SELECT CAST(patient AS INT) FROM events WHERE patient = '` + markID + `'"}`},
		{"POST", "/api/v1/query", `{"sql":"SELECT CAST(patient AS TIMESTAMP) FROM events WHERE patient = '` + markID + `'"}`},
		{"POST", "/api/v1/quarantine/" + id + "/replay", `{"data":"e30="}`},
		{"POST", "/api/v1/incidents/none/comment", `{"text":"` + markReason + `"}`},
	} {
		status, text, err := s.call(r[0], r[1], r[2])
		if err != nil {
			t.Fatal(err)
		}
		if status >= 400 {
			clean(t, fmt.Sprintf("the refusal of %s %d", r[1], status), text)
		}
	}
}

var (
	links  = regexp.MustCompile(`(?:href|src|action|hx-get|hx-post|formaction|data-url)="([^"]*)"`)
	tokens = regexp.MustCompile(`name="csrf" value="([^"]+)"`)
)

// browser is an officer at the console.
type browser struct {
	t      *testing.T
	s      *site
	client *http.Client
	cookie string
	csrf   string
}

func signIn(v *server) *browser {
	v.t.Helper()
	ctx := context.Background()
	link, err := v.n.users.Invite(ctx, identity.Invitation{Name: "officer", Role: identity.Administrator}, "test")
	if err != nil {
		v.t.Fatal(err)
	}
	secret, _, err := v.n.users.NewTOTP("officer")
	if err != nil {
		v.t.Fatal(err)
	}
	code, err := totp.GenerateCode(secret, time.Now())
	if err != nil {
		v.t.Fatal(err)
	}
	ses, err := v.n.users.Accept(ctx, link, "a long phrase of words", secret, code)
	if err != nil {
		v.t.Fatal(err)
	}
	return &browser{t: v.t, s: v.site, cookie: "cordon=" + ses.Secret, csrf: ses.CSRF, client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// do requests a page and checks every URL in it and in its headers.
func (b *browser) do(method, path string, form url.Values) (status int, page string, next []string) {
	b.t.Helper()
	clean(b.t, "a requested URL", path)
	req, err := http.NewRequest(method, b.s.url(path), strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Cookie", b.cookie)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Origin", b.s.url(""))
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	clean(b.t, "the headers of "+path, fmt.Sprint(res.Header))
	if res.StatusCode >= 400 {
		clean(b.t, fmt.Sprintf("the refusal %d of %s", res.StatusCode, path), string(text))
	}
	for _, m := range links.FindAllStringSubmatch(string(text), -1) {
		u := html.UnescapeString(m[1])
		clean(b.t, "a URL on "+path, u)
		next = append(next, u)
	}
	if to := res.Header.Get("Location"); to != "" {
		next = append(next, to)
	}
	return res.StatusCode, string(text), next
}

// markedPages walks through the whole console, and looks for the patient by
// form.
func markedPages(t *testing.T, v *server) {
	t.Helper()
	b := signIn(v)
	seen := map[string]bool{}
	wait := []string{"/", "/incidents", "/patients", "/sources", "/evidence", "/users", "/detectors"}
	patient := false
	status, page, next := b.do("POST", "/patients", url.Values{"patient": {markID}, "csrf": {b.csrf}})
	if status >= 400 {
		t.Errorf("looking for a patient: %d %.300s", status, page)
	}
	wait = append(wait, next...)
	for len(wait) > 0 && len(seen) < 150 {
		path := strings.TrimPrefix(wait[0], v.url(""))
		path, _, _ = strings.Cut(path, "#")
		if wait = wait[1:]; !strings.HasPrefix(path, "/") || seen[path] {
			continue
		}
		seen[path] = true
		status, page, next := b.do("GET", path, nil)
		if status >= 500 {
			t.Errorf("page %s answers %d", path, status)
		}
		patient = patient || strings.Contains(page, markID)
		wait = append(wait, next...)
	}
	t.Logf("%d pages seen", len(seen))
	if !patient || len(seen) < 15 {
		t.Error("the walk did not come by the patient; it proves little")
	}
	if m := tokens.FindStringSubmatch(page); m != nil {
		b.csrf = m[1]
	}
	b.do("POST", "/patients", url.Values{"patient": {""}, "csrf": {b.csrf}})
	b.do("POST", "/patients", url.Values{"patient": {markID}})
	var report any
	if err := json.Unmarshal([]byte(v.must(t, "GET", "/api/v1/evidence", "")), &report); err != nil {
		t.Error(err)
	}
}
