package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/collect/mllp"
	"github.com/cordon-health/cordon/config"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/evidence"
	evidencefolder "github.com/cordon-health/cordon/evidence/folder"
	"github.com/cordon-health/cordon/identity"
)

// site is where a hospital under test is installed: a data folder, addresses
// and the token of its systems. It outlives the servers that run on it.
type site struct {
	cfg          config.Config
	mllp, syslog string
	token        string
}

// newSite prepares a data folder: addresses on loopback, and a token.
func newSite(t *testing.T, dir string, settings ...func(*config.Config)) *site {
	t.Helper()
	s := &site{cfg: config.Default()}
	s.cfg.Data = dir
	// What the tests' own users do is no finding, also when tests run at night.
	s.cfg.Detect.Exceptions = []detect.Exception{{Detector: "6f1f5a0e-3a0c-4d1e-9d5a-0c1d0a000013", Source: "cordon",
		Until: time.Now().AddDate(0, 1, 0).Format(time.DateOnly), Reason: "tests run at night, too", ApprovedBy: "the tests"}}
	s.cfg.Site = config.Site{Name: "First Hospital", Zone: "Asia/Shanghai", Language: "en"}
	s.cfg.Log = config.Log{Level: "debug", Format: "text"}
	s.cfg.Console.Listen, s.mllp, s.syslog = address(t), address(t), address(t)
	s.collect(t, collectorsAt(s.mllp, s.syslog))
	for _, set := range settings {
		set(&s.cfg)
	}
	n := s.open(t, io.Discard)
	stop := n.Work(t.Context())
	token, err := n.users.CreateToken(t.Context(), "test", identity.Administrator, time.Hour, "test")
	if err != nil {
		t.Fatal(err)
	}
	s.token = token
	if err := errors.Join(stop(t.Context()), n.Close()); err != nil {
		t.Fatal(err)
	}
	return s
}

func collectorsAt(mllp, syslog string) string {
	return fmt.Sprintf("mllp: [{address: %q, source: hl7}]\nsyslog: [{udp: %q, tcp: %q}]\n", mllp, syslog, syslog)
}

func (s *site) collect(t *testing.T, text string) {
	t.Helper()
	s.cfg.Collect = nil
	if err := yaml.Unmarshal([]byte(text), &s.cfg.Collect); err != nil {
		t.Fatal(err)
	}
}

func address(t *testing.T) string {
	t.Helper()
	a, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (s *site) open(t *testing.T, log io.Writer) *Node {
	t.Helper()
	n, err := Open(context.Background(), s.cfg, "test", time.Now, logger(log))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func logger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// server is a node running in the test's process.
type server struct {
	*site
	t    *testing.T
	n    *Node
	logs *safeBuffer
	stop func()
}

// safeBuffer may be written and read at the same time.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start runs a server until the test ends or stop is called.
func (s *site) start(t *testing.T) *server {
	t.Helper()
	v := &server{site: s, t: t, logs: &safeBuffer{}}
	v.n = s.open(t, v.logs)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.n.Run(ctx, func(string) {}) }()
	v.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := v.n.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Cleanup(v.stop)
	s.await(t)
	return v
}

// patience is how long tests wait for what must come.
const patience = 60 * time.Second

// await waits until the server answers and all collectors listen.
func (s *site) await(t *testing.T) {
	t.Helper()
	eventually(t, "the server answers", func() bool {
		res, err := http.Get(s.url("/healthz"))
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
	eventually(t, "MLLP answers", func() bool {
		c, err := mllp.Dial(context.Background(), s.mllp)
		return err == nil && c.Close() == nil
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("waited %v in vain until %s", patience, what)
		}
	}
}

func (s *site) url(path string) string { return "http://" + s.cfg.Console.Listen + path }

// call makes a request with the token; it never fails but by the answer.
func (s *site) call(method, path, body string) (int, string, error) {
	req, err := http.NewRequest(method, s.url(path), strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept-Language", "en")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// must makes a request that must succeed.
func (s *site) must(t *testing.T, method, path, body string) string {
	t.Helper()
	status, text, err := s.call(method, path, body)
	if err != nil || status >= 300 {
		t.Fatalf("%s %s: %d %s %v", method, path, status, text, err)
	}
	return text
}

// lists makes a request whose answer is NDJSON.
func lists[T any](t *testing.T, s *site, method, path, body string) []T {
	t.Helper()
	var all []T
	d := json.NewDecoder(strings.NewReader(s.must(t, method, path, body)))
	for d.More() {
		var v T
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// query asks SQL.
func query[T any](t *testing.T, s *site, sql string) []T {
	t.Helper()
	body, err := json.Marshal(map[string]string{"sql": sql, "format": "json"})
	if err != nil {
		t.Fatal(err)
	}
	return lists[T](t, s, "POST", "/api/v1/query", string(body))
}

type uid struct{ UID string }

// finding and incident are what tests look at.
type found struct {
	Info struct {
		UID      string
		Analytic uid
		Related  []uid `json:"related_events"`
	} `json:"finding_info"`
	Actor struct{ User uid }
}

type opened struct {
	Status string
	Info   uid `json:"finding_info"`
	Parts  []struct {
		UID     string
		Related []uid `json:"related_events"`
	} `json:"finding_info_list"`
	Actor struct{ User struct{ UID, Name string } }
}

func (s *site) findings(t *testing.T) []found {
	t.Helper()
	return lists[found](t, s, "GET", "/api/v1/findings", "")
}

func (s *site) cases(t *testing.T) []opened {
	t.Helper()
	return lists[opened](t, s, "GET", "/api/v1/incidents", "")
}

type answer struct {
	EventUID  string `json:"event_uid"`
	Explained bool
	Detail    string
	Kind      string
	Because   []string
}

func (s *site) explain(t *testing.T, uid string) answer {
	t.Helper()
	return lists[answer](t, s, "POST", "/api/v1/explanations", fmt.Sprintf(`{"events":[%q]}`, uid))[0]
}

// drained waits until all input was worked on.
func (v *server) drained() {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := v.n.pipe.drain(ctx); err != nil {
		_, last, _ := v.n.bus.Span(context.Background(), topic)
		v.t.Fatalf("%v: at message %d of %d; log ends with:\n%s", err, v.n.pipe.clerk.done.Load(), last, tail(v.logs.String(), 2000))
	}
}

// verified checks all evidence, as the console's button does.
func (v *server) verified() {
	v.t.Helper()
	report, err := v.n.Verify(context.Background(), nil)
	proven(v.t, report, err)
}

// verified checks the folder of a stopped server, as "cordon verify" does.
func (s *site) verified(t *testing.T) {
	t.Helper()
	db, err := openStore(t.Context(), s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	src, err := evidencefolder.Source(s.cfg.Data, db)
	if err != nil {
		t.Fatal(err)
	}
	report, err := evidence.Verify(t.Context(), src, nil)
	proven(t, report, err)
}

func proven(t *testing.T, report evidence.Report, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	if !report.OK {
		t.Errorf("evidence is broken: %s; %v", report.FirstBad, report.Faults)
	}
	if report.Events == 0 {
		t.Error("no events in the evidence")
	}
}

// events posts events; it returns the status.
func (s *site) events(format, source, body string) (int, string) {
	status, text, err := s.call("POST", "/api/v1/events?format="+format+"&source="+source, body)
	if err != nil {
		return 0, err.Error()
	}
	return status, text
}

// post posts events that must be accepted.
func (s *site) post(t *testing.T, body string) {
	t.Helper()
	if status, text := s.events("fhir-auditevent", "emr", body); status != http.StatusAccepted {
		t.Fatalf("events not accepted: %d %s", status, text)
	}
}

// hl7 sends messages that must be accepted.
func (s *site) hl7(t *testing.T, messages ...string) {
	t.Helper()
	c, err := mllp.Dial(t.Context(), s.mllp)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, m := range messages {
		ack, err := c.Send([]byte(m))
		if err != nil || !bytes.Contains(ack, []byte("|AA|")) {
			t.Fatalf("message not accepted: %q %v", ack, err)
		}
	}
}

// load imports a list.
func (s *site) load(t *testing.T, kind, text string) {
	t.Helper()
	s.must(t, "POST", "/api/v1/import/"+kind, text)
}

// look is one access as FHIR, a line.
func look(id, account, patient string, at time.Time) string {
	return lookAs(id, account, patient, at, "")
}

func lookAs(id, account, patient string, at time.Time, request string) string {
	entity := fmt.Sprintf(`{"what":{"identifier":{"value":%q}},"type":{"code":"1"},"role":{"code":"1"}}`, patient)
	if request != "" {
		entity += fmt.Sprintf(`,{"what":{"identifier":{"value":%q}},"type":{"code":"XrequestId"}}`, request)
	}
	return fmt.Sprintf(`{"resourceType":"AuditEvent","id":%q,"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-event-type","code":"rest"},`+
		`"subtype":[{"system":"http://hl7.org/fhir/restful-interaction","code":"read"}],"action":"R","recorded":%q,"outcome":"0",`+
		`"agent":[{"who":{"identifier":{"value":%q}},"requestor":true}],"source":{"observer":{"display":"emr"}},"entity":[%s]}`+"\n",
		id, at.Format(time.RFC3339Nano), account, entity)
}

// admit is an admission with its attending doctor.
func admit(id, patient, doctor string, at time.Time) string {
	ts := at.Format("20060102150405-0700")
	return strings.Join([]string{
		`MSH|^~\&|ADT1|HOSP|CORDON|HOSP|` + ts + `||ADT^A01|` + id + `|P|2.5`,
		`EVN|A01|` + ts,
		`PID|1||` + patient + `^^^HOSP^MR||Invented^Person||19700101|F`,
		`PV1|1|I|W1^101^1||||` + doctor + `^Attending^Anna|||||||||||V` + id + `|||||||||||||||||||||||||` + ts,
	}, "\r") + "\r"
}

const people = "person_id,account,name,role,department,manager_id,phone,address,national_id,hire_date,end_date\n" +
	"D100,anna,Anna Attending,doctor,Medicine,,,,,2020-01-01,\n" +
	"N100,nora,Nora Nurse,nurse,Surgery,D100,,,,2020-01-01,\n"

const decoys = "kind,patient_id,from,until,reason\ncanary,DECOY,2020-01-01T00:00:00+08:00,,decoy\n"
