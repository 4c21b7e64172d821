package playbook

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/sqlite"
)

// ward is a runner with everything real around it but the outside.
type ward struct {
	t     *testing.T
	clock time.Time
	db    *store.DB
	book  *evidence.Log
	desk  *incident.Desk
	r     *Runner
	cfg   Config
	acts  []Action
	done  []string // what the test's actions did
	fail  error
}

func newWard(t *testing.T, change func(*ward)) *ward {
	t.Helper()
	w := &ward{t: t, clock: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), cfg: Default()}
	began := w.clock
	now := func() time.Time { return began } // read by the log's own goroutines; the runner has w.clock
	log := slog.New(slog.DiscardHandler)
	var err error
	if w.db, err = sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "s.db")); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if w.book, err = evidence.Open(t.Context(), evidence.Config{Dir: dir, KeyDir: dir, Origin: "test.example/log"}, w.db, now, log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.book.Close(context.Background()); _ = w.db.Close() })
	if w.desk, err = incident.New(t.Context(), incident.Default(), w.db, w.book, now); err != nil {
		t.Fatal(err)
	}
	w.acts = []Action{w.action("restrict", Restrict, true), w.action("cut", Cut, true), w.action("once", Inform, false)}
	if change != nil {
		change(w)
	}
	w.restart()
	return w
}

func (w *ward) action(name string, class Class, repeatable bool) Action {
	return Action{
		Name: name, Class: class, Hourly: 3, Repeatable: repeatable, Ready: always,
		Title: ocsf.Text{EN: name, ZH: name}, Why: ocsf.Text{EN: name, ZH: name},
		Do: func(_ context.Context, c Call) (string, error) {
			w.done = append(w.done, "do "+name)
			return "ok", w.fail
		},
		Undo: func(context.Context, Call) error { w.done = append(w.done, "undo "+name); return nil },
	}
}

func (w *ward) restart() {
	w.t.Helper()
	plays, err := Load(os.DirFS("../content/playbooks"))
	if err != nil {
		w.t.Fatal(err)
	}
	site := Site{Name: "Test", URL: "https://cordon.example", Language: "en", Person: func(id string) (string, string, bool) { return "acc-" + id, "M1", true }}
	lend := w.action("suspend-account", Restrict, true)
	w.r, err = New(Parts{
		Config: w.cfg, Site: site, DB: w.db, Book: w.book, Desk: w.desk, Actions: append(slices.Clone(w.acts), lend), Playbooks: plays,
		Now: func() time.Time { return w.clock }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// open opens a case by a finding.
func (w *ward) open(analytic string, risk float64) incident.Case {
	w.t.Helper()
	f := ocsf.Finding{UID: "f-" + analytic, Analytic: analytic, Person: "S1", Account: "s1", Patient: "P1", Time: w.clock.UnixMilli(), Risk: risk,
		Events: []string{"ev1"}, Title: ocsf.Text{EN: "t", ZH: "t"}}
	err := w.db.Update(w.t.Context(), func(tx *sql.Tx) error { _, err := w.desk.Add(tx, []ocsf.Finding{f}); return err })
	if err != nil {
		w.t.Fatal(err)
	}
	cs, err := w.desk.List(w.t.Context(), incident.Query{})
	if err != nil || len(cs) != 1 {
		w.t.Fatal(cs, err)
	}
	return cs[0]
}

func (w *ward) step() {
	w.t.Helper()
	if err := w.r.Step(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *ward) entry(name string) Entry {
	w.t.Helper()
	all, err := w.r.Entries(w.t.Context(), "", "")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range all {
		if e.Action == name {
			return e
		}
	}
	w.t.Fatalf("no entry of %s", name)
	return Entry{}
}

func (w *ward) want(name, by string) Entry {
	w.t.Helper()
	e, err := w.r.Do(w.t.Context(), Want{Action: name, By: by})
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

func TestApproval(t *testing.T) {
	w := newWard(t, nil)
	e := w.want("cut", "anna")
	if e.Status != StatusWanted || len(w.done) != 0 {
		t.Fatalf("%+v", e)
	}
	if _, err := w.r.Decide(t.Context(), e.Key, Decision{By: "anna", Approve: true}); !errors.Is(err, ErrOwn) {
		t.Fatal(err)
	}
	if e, _ = w.r.Decide(t.Context(), e.Key, Decision{By: "ben", Approve: true}); e.Status != StatusWanted {
		t.Fatalf("one approval was enough to cut: %+v", e)
	}
	if _, err := w.r.Decide(t.Context(), e.Key, Decision{By: "ben", Approve: true}); err == nil {
		t.Fatal("approved twice by one person")
	}
	if e, _ = w.r.Decide(t.Context(), e.Key, Decision{By: "carl", Approve: true}); e.Status != StatusDone || !slices.Equal(w.done, []string{"do cut"}) {
		t.Fatalf("%+v %v", e, w.done)
	}
	if e, err := w.r.Undo(t.Context(), e.Key, "ben"); err != nil || e.Status != StatusUndone {
		t.Fatalf("%+v %v", e, err)
	}
	d := w.want("restrict", "anna")
	if d, _ = w.r.Decide(t.Context(), d.Key, Decision{By: "ben"}); d.Status != StatusDenied {
		t.Fatalf("%+v", d)
	}
}

func TestNobodyDecidesOnOwnWishByWayOfAToken(t *testing.T) {
	w := newWard(t, nil)
	e := w.want("cut", "anna")
	if _, err := w.r.Decide(t.Context(), e.Key, Decision{By: "token:1", Human: "anna", Approve: true}); !errors.Is(err, ErrOwn) {
		t.Fatal(err)
	}
	if _, err := w.r.Decide(t.Context(), e.Key, Decision{By: "ben", Approve: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.r.Decide(t.Context(), e.Key, Decision{By: "token:2", Human: "ben", Approve: true}); err == nil {
		t.Fatal("one person was counted twice")
	}
	d, err := w.r.Do(t.Context(), Want{Action: "restrict", By: "token:3", Human: "anna"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.r.Decide(t.Context(), d.Key, Decision{By: "anna", Approve: true}); !errors.Is(err, ErrOwn) {
		t.Fatal(err)
	}
}

func TestApprovalExpires(t *testing.T) {
	w := newWard(t, nil)
	w.want("restrict", "anna")
	w.clock = w.clock.Add(25 * time.Hour)
	w.step()
	if e := w.entry("restrict"); e.Status != StatusExpired {
		t.Fatalf("%+v", e)
	}
}

func TestCap(t *testing.T) {
	w := newWard(t, nil)
	for range 5 {
		w.want("once", "anna")
	}
	if len(w.done) != 3 {
		t.Fatalf("%d done, the cap is 3 an hour", len(w.done))
	}
	w.clock = w.clock.Add(2 * time.Hour)
	w.step()
	if len(w.done) != 5 {
		t.Fatalf("%d done after the hour", len(w.done))
	}
}

func TestLifeEndsByItself(t *testing.T) {
	w := newWard(t, func(w *ward) { w.acts[2].Life = time.Hour })
	w.want("once", "anna")
	w.clock = w.clock.Add(61 * time.Minute)
	w.step()
	if !slices.Equal(w.done, []string{"do once", "undo once"}) {
		t.Fatal(w.done)
	}
}

func TestCrashBetweenIntentAndResult(t *testing.T) {
	w := newWard(t, nil)
	for i, a := range []string{"restrict", "once"} {
		e := Entry{Key: a, Action: a, Class: Inform, By: "anna", Wanted: w.clock.UnixMilli() + int64(i), Status: StatusIntended}
		if err := w.r.putEntry(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	w.restart()
	w.step()
	w.step()
	if !slices.Equal(w.done, []string{"do restrict"}) {
		t.Fatalf("done %v", w.done)
	}
	if e := w.entry("once"); e.Status != StatusUnsure {
		t.Fatalf("%+v", e)
	}
	if e := w.entry("restrict"); e.Status != StatusDone {
		t.Fatalf("%+v", e)
	}
}

func TestFailureIsNoted(t *testing.T) {
	w := newWard(t, nil)
	w.fail = errors.New("no route to host")
	if e := w.want("once", "anna"); e.Status != StatusFailed || e.Result == "" {
		t.Fatalf("%+v", e)
	}
}

func TestAskRemindEscalateAnswer(t *testing.T) {
	w := newWard(t, nil)
	c := w.open("family", 60)
	w.step()
	w.step()
	qs, err := w.r.Questions(t.Context(), c.ID)
	if err != nil || len(qs) != 1 || len(qs[0].Accesses) != 1 || qs[0].Accesses[0].Patient != "P1" {
		t.Fatalf("%+v %v", qs, err)
	}
	kinds := func() string {
		qs, _ = w.r.Questions(t.Context(), c.ID)
		var s []string
		for _, st := range qs[0].Steps {
			s = append(s, st.Kind)
		}
		return strings.Join(s, " ")
	}
	for _, tt := range []struct {
		after time.Duration
		want  string
	}{{5 * time.Hour, "asked reminded"}, {20 * time.Hour, "asked reminded manager"}, {50 * time.Hour, "asked reminded manager privacy"}} {
		w.clock = w.clock.Add(tt.after)
		w.step()
		w.step()
		if got := kinds(); got != tt.want {
			t.Fatalf("steps %q, want %q", got, tt.want)
		}
	}
	token := strings.TrimPrefix(w.r.Link(qs[0], "user"), "https://cordon.example/answer/")
	if strings.Contains(token, "P1") {
		t.Fatal("a patient id in a link")
	}
	if _, err := w.r.Answer(t.Context(), token[:len(token)-2]+"xx", "care", ""); !errors.Is(err, ErrLink) {
		t.Fatal("a forged link:", err)
	}
	if _, err := w.r.Answer(t.Context(), token, "known", ""); err == nil {
		t.Fatal("the user gave the manager's answer")
	}
	if q, err := w.r.Answer(t.Context(), token, "care", "night shift"); err != nil || q.Status != "answered" {
		t.Fatalf("%+v %v", q, err)
	}
	if _, err := w.r.Answer(t.Context(), token, "mistake", ""); err == nil {
		t.Fatal("answered twice")
	}
	got, _ := w.desk.Get(t.Context(), c.ID)
	if last := got.Notes[len(got.Notes)-1]; last.Kind != "answer" || last.Text != "care" {
		t.Fatalf("%+v", last)
	}
	if at, err := w.r.Warned(t.Context(), "S1"); err != nil || at == 0 {
		t.Fatal(at, err)
	}
	w.clock = w.clock.Add(30 * 24 * time.Hour)
	if _, _, err := w.r.Open(t.Context(), token); !errors.Is(err, ErrLink) {
		t.Fatal("an old link:", err)
	}
}

func TestContainProposesAndWaits(t *testing.T) {
	w := newWard(t, nil)
	c := w.open("terminated-account", 80)
	w.step()
	e := w.entry("suspend-account")
	if e.Status != StatusWanted || e.Class != Restrict {
		t.Fatalf("%+v", e)
	}
	if m := w.entry("notify-mail"); m.Status != StatusSkipped {
		t.Fatalf("without mail set up it says so: %+v", m)
	}
	if _, err := w.r.Decide(t.Context(), e.Key, Decision{By: "anna", Approve: true}); err != nil {
		t.Fatal(err)
	}
	w.step()
	runs, err := list[runState](t.Context(), w.r, evidence.Filter{Kind: kindRun, Ref: c.ID})
	if err != nil || len(runs) != 2 || runs[0].Status != "done" || runs[1].Status != "done" {
		t.Fatalf("%+v %v", runs, err)
	}
	w.restart()
	w.step()
	if n := strings.Count(strings.Join(w.done, ","), "do suspend-account"); n != 1 {
		t.Fatalf("suspended %d times", n)
	}
}

func TestOldCasesAskNobody(t *testing.T) {
	w := newWard(t, nil)
	c := w.open("family", 60)
	w.clock = w.clock.Add(100 * time.Hour)
	w.step()
	if qs, _ := w.r.Questions(t.Context(), c.ID); len(qs) != 0 {
		t.Fatal("asked about an old access")
	}
}

func TestWebhooks(t *testing.T) {
	var mu sync.Mutex
	var bodies []string
	answer := `{"errcode":0}`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, r.URL.RequestURI()+" "+string(b))
		_, _ = io.WriteString(w, answer)
	}))
	defer srv.Close()
	w := newWard(t, func(w *ward) {
		w.cfg.Webhook, w.cfg.WeCom = Hook{URL: srv.URL + "/hook", Secret: "s"}, Hook{URL: srv.URL + "/wecom?key=k"}
		w.cfg.DingTalk, w.cfg.Feishu = Hook{URL: srv.URL + "/ding?access_token=t", Secret: "s"}, Hook{URL: srv.URL + "/feishu", Secret: "s"}
	})
	w.open("vip", 80)
	w.step()
	all := strings.Join(bodies, "\n")
	for _, want := range []string{`/hook {"key"`, `"msgtype":"text"`, "&timestamp=", `"msg_type":"text"`} {
		if !strings.Contains(all, want) {
			t.Errorf("%s is missing in\n%s", want, all)
		}
	}
	if strings.Contains(all, "P1") || strings.Contains(all, "S1") {
		t.Error("a patient or person left the house")
	}
	answer = `{"errcode":310000,"errmsg":"sign not match"}`
	if e := w.want("notify-dingtalk", "anna"); e.Status != StatusFailed {
		t.Errorf("%+v", e)
	}
	srv.Close()
	if e := w.want("notify-wecom", "anna"); e.Status != StatusFailed || strings.Contains(e.Result, "key=k") {
		t.Errorf("%+v", e)
	}
}

// mailbox is a real SMTP server that keeps what it is sent.
type mailbox struct {
	mu   sync.Mutex
	mail []string
}

func (m *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &letter{box: m}, nil }

type letter struct {
	box *mailbox
	to  []string
}

func (l *letter) Mail(string, *smtp.MailOptions) error      { return nil }
func (l *letter) Rcpt(to string, _ *smtp.RcptOptions) error { l.to = append(l.to, to); return nil }
func (l *letter) Reset()                                    {}
func (l *letter) Logout() error                             { return nil }
func (l *letter) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	l.box.mu.Lock()
	defer l.box.mu.Unlock()
	l.box.mail = append(l.box.mail, strings.Join(l.to, ",")+"\n"+string(b))
	return err
}

func TestMail(t *testing.T) {
	box := &mailbox{}
	srv := smtp.NewServer(box)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(ln) //nolint:errcheck // ends with Close
	defer srv.Close()
	w := newWard(t, func(w *ward) {
		w.cfg.Mail = Mail{Host: ln.Addr().String(), TLS: "none", From: "cordon@hospital.example", Officers: []string{"sec@hospital.example"}, Staff: "{account}@hospital.example"}
	})
	w.open("family", 80)
	w.step()
	all := strings.Join(box.mail, "\n=====\n")
	if !strings.Contains(all, "sec@hospital.example") || !strings.Contains(all, "acc-S1@hospital.example") || !strings.Contains(all, "Message-ID") {
		t.Fatalf("mails:\n%s", all)
	}
	qs, _ := w.r.Questions(t.Context(), w.entry("ask-user").Case)
	if len(qs) != 1 || !qs[0].Steps[0].Sent {
		t.Fatalf("%+v", qs)
	}
	if strings.Contains(all, "P1") {
		t.Fatal("a patient id in a mail")
	}
}

func TestSlowActionStopsNobodyElse(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	var times atomic.Int32
	w := newWard(t, func(w *ward) {
		w.acts[2].Do = func(context.Context, Call) (string, error) {
			times.Add(1)
			close(begun)
			<-end
			return "ok", nil
		}
		w.acts[2].Repeatable = true
	})
	d := w.want("restrict", "anna")
	var slow sync.WaitGroup
	slow.Go(func() { _, _ = w.r.Do(t.Context(), Want{Action: "once", By: "anna"}) })
	<-begun
	if d, err := w.r.Decide(t.Context(), d.Key, Decision{By: "ben", Approve: true}); err != nil || d.Status != StatusDone {
		t.Errorf("%+v %v", d, err)
	}
	w.step()
	if e := w.entry("once"); e.Status != StatusIntended {
		t.Errorf("%+v", e)
	} else if _, err := w.r.Undo(t.Context(), e.Key, "ben"); err == nil {
		t.Error("undone while it was being done")
	}
	close(end)
	slow.Wait()
	if e := w.entry("once"); e.Status != StatusDone || times.Load() != 1 {
		t.Errorf("%+v, done %d times", e, times.Load())
	}
}

func TestAnswerDuringAMailIsKept(t *testing.T) {
	w := newWard(t, nil)
	c := w.open("family", 60)
	w.step()
	qs, _ := w.r.Questions(t.Context(), c.ID)
	stale := qs[0]
	token := strings.TrimPrefix(w.r.Link(stale, "user"), "https://cordon.example/answer/")
	if _, err := w.r.Answer(t.Context(), token, "care", ""); err != nil {
		t.Fatal(err)
	}
	if err := w.r.write(t.Context(), stale, "reminded", "user"); err != nil {
		t.Fatal(err)
	}
	qs, _ = w.r.Questions(t.Context(), c.ID)
	if q := qs[0]; q.Status != "answered" || len(q.Answers) != 1 || len(q.Steps) != 2 {
		t.Fatalf("%+v", q)
	}
}

func TestFailedMailIsSentAgain(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close()
	w := newWard(t, func(w *ward) {
		w.cfg.Mail = Mail{Host: address, TLS: "none", From: "cordon@hospital.example", Staff: "{account}@hospital.example"}
	})
	c := w.open("family", 60)
	step := func() Stepped {
		w.step()
		qs, err := w.r.Questions(t.Context(), c.ID)
		if err != nil || len(qs) != 1 || len(qs[0].Steps) != 1 {
			t.Fatal(qs, err)
		}
		return qs[0].Steps[0]
	}
	if s := step(); s.Sent || s.Tries != 1 {
		t.Fatalf("%+v", s)
	}
	if e := w.entry("ask-user"); e.Status != StatusDone {
		t.Fatalf("the question waits in the console all the same: %+v", e)
	}
	if s := step(); s.Tries != 1 {
		t.Fatalf("tried without a pause: %+v", s)
	}
	box := &mailbox{}
	srv := smtp.NewServer(box)
	if ln, err = net.Listen("tcp", address); err != nil {
		t.Skip("the port was taken meanwhile")
	}
	go srv.Serve(ln) //nolint:errcheck // ends with Close
	defer srv.Close()
	w.clock = w.clock.Add(2 * time.Minute)
	if s := step(); !s.Sent || len(box.mail) != 1 {
		t.Fatalf("%+v, %d mails", s, len(box.mail))
	}
	w.clock = w.clock.Add(2 * time.Minute)
	if step(); len(box.mail) != 1 {
		t.Fatal("sent twice")
	}
}

func TestUnknownParametersAreRefused(t *testing.T) {
	w := newWard(t, nil)
	if _, err := w.r.Do(t.Context(), Want{Action: "once", By: "anna", Params: map[string]string{"account": "root"}}); err == nil {
		t.Fatal("taken")
	}
}

func TestPlaybooksThatComeAlong(t *testing.T) {
	plays, err := Load(os.DirFS("../content/playbooks"))
	if err != nil || len(plays) < 3 {
		t.Fatal(len(plays), err)
	}
}

func TestParseRefuses(t *testing.T) {
	good, err := os.ReadFile("../content/playbooks/ask-first.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(map[string]any){
		"spec":  func(m map[string]any) { m["spec_version"] = "1.0" },
		"start": func(m map[string]any) { m["workflow_start"] = "nothing" },
		"loop": func(m map[string]any) {
			for id, s := range m["workflow"].(map[string]any) {
				if step := s.(map[string]any); step["type"] == "action" {
					step["on_completion"] = id
				}
			}
		},
	} {
		var m map[string]any
		if err := json.Unmarshal(good, &m); err != nil {
			t.Fatal(err)
		}
		change(m)
		bad, _ := json.Marshal(m)
		if _, err := Parse(bad); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"ask-first", "contain", "serious"} {
		if data, err := os.ReadFile("../content/playbooks/" + name + ".json"); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = Parse(data) })
}
