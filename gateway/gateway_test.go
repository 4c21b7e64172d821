package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/cordon-health/cordon/blob/folder"
	"github.com/cordon-health/cordon/classify"
	mailreader "github.com/cordon-health/cordon/classify/mail"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/store/sqlite"
)

const (
	// Invented numbers; the check digits are right.
	someID  = "11010519491231002X"
	otherID = "440524188001010014"
)

// bench is a guard on a real store, with a clock of its own.
type bench struct {
	*Guard
	mu      sync.Mutex
	clock   time.Time
	records []Decision
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.clock
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock = b.clock.Add(d)
}

func newBench(t *testing.T, cfg Config, readers ...classify.Reader) *bench {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	files, err := folder.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	engine, err := classify.New(classify.Config{})
	if err != nil {
		t.Fatal(err)
	}
	key := keyed.Key{1, 2, 3}
	b := &bench{clock: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	if cfg.PassLife == 0 {
		cfg.PassLife, cfg.HoldLife = 8*time.Hour, 72*time.Hour
	}
	if b.Guard, err = New(t.Context(), cfg, db, key, b.now, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	inspector := &classify.Inspector{Engine: engine, Levels: classify.Usual(), Readers: readers, Key: &key}
	b.Inspector = func() *classify.Inspector { return inspector }
	b.Files = files
	b.Record = func(_ context.Context, d Decision) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.records = append(b.records, d)
		return nil
	}
	return b
}

func one(rules ...Rule) Config {
	return Config{Routes: []Route{{Name: "all", Fail: Closed, Rules: rules}}}
}

func note(from, text string, to ...string) Item {
	return Item{Door: Mail, From: from, To: to, Source: classify.BytesSource("note.txt", []byte(text))}
}

func TestFirstRuleDecides(t *testing.T) {
	b := newBench(t, one(Rule{Level: 4, Findings: 2, Do: Block}, Rule{Level: 4, Do: Redact}))
	for _, c := range []struct {
		text string
		want Action
	}{
		{"今天天气很好", Allow},
		{"身份证号 " + someID, Redact},
		{"身份证号 " + someID + "，" + otherID, Block},
	} {
		if o := b.Judge(t.Context(), note("a", c.text)); o.Action != c.want {
			t.Errorf("%d bytes: %s, not %s (%+v)", len(c.text), o.Action, c.want, o.Summary)
		}
	}
	if len(b.records) != 2 {
		t.Errorf("%d decisions on record, not 2", len(b.records))
	}
	for _, d := range b.records {
		for _, f := range d.Outcome.Findings {
			if strings.Contains(f.Masked, someID[6:14]) {
				t.Error("a finding shows the birth date in the number")
			}
		}
	}
}

func TestRoutes(t *testing.T) {
	cfg := Config{Routes: []Route{
		{Name: "outside", Doors: []Door{Mail}, Except: []string{"*@hospital.example"}, Rules: []Rule{{Level: 4, Do: Block}}},
		{Name: "inside", Doors: []Door{Mail}},
		{Name: "chat", Doors: []Door{Web}, To: []string{"*.chat.example"}, Rules: []Rule{{Level: 4, Do: Block}}},
	}}
	b := newBench(t, cfg)
	text := "身份证号 " + someID
	for _, c := range []struct {
		it    Item
		route string
		want  Action
	}{
		{note("a", text, "b@hospital.example"), "inside", Allow},
		{note("a", text, "b@hospital.example", "c@gmail.example"), "outside", Block},
		{Item{Door: Web, To: []string{"api.chat.example"}, Source: classify.BytesSource("b.txt", []byte(text))}, "chat", Block},
		{Item{Door: Web, To: []string{"other.example"}, Source: classify.BytesSource("b.txt", []byte("nothing"))}, "", Block}, // no route fits
	} {
		if o := b.Judge(t.Context(), c.it); o.Route != c.route || o.Action != c.want {
			t.Errorf("to %v: %s on route %q, not %s on %q", c.it.To, o.Action, o.Route, c.want, c.route)
		}
	}
	if err := b.Config.CheckDoor(Web); err == nil {
		t.Error("a door without a last route was taken")
	}
	if err := b.Config.CheckDoor(Mail); err != nil {
		t.Error(err)
	}
}

func TestCoach(t *testing.T) {
	b := newBench(t, one(Rule{Level: 4, Do: Coach}))
	ctx := t.Context()
	text := "请复核，身份证号 " + someID
	o := b.Judge(ctx, note("zhang", text, "x@y.example"))
	if o.Action != Coach || o.Pass == "" {
		t.Fatalf("not coached: %+v", o)
	}
	if !strings.Contains(o.Link("https://c.example/"), "https://c.example/pass/") {
		t.Error("no link")
	}
	if _, err := b.Explain(ctx, o.Pass, " x "); !errors.Is(err, ErrReason) {
		t.Errorf("a reason of one letter was taken: %v", err)
	}
	if _, err := b.Explain(ctx, o.Pass, "转诊所需"); err == nil {
		t.Error("four characters are no reason")
	}
	if _, err := b.Explain(ctx, o.Pass, "转诊到上级医院所需"); err != nil {
		t.Fatal(err)
	}
	again := func(it Item) Action { return b.Judge(ctx, it).Action }
	if got := again(note("zhang", "写法不同，"+someID+" 同一患者", "x@y.example")); got != Allow {
		t.Errorf("the same data in other words: %s", got)
	}
	if got := again(note("zhang", text+" "+otherID, "x@y.example")); got != Coach {
		t.Errorf("one patient more: %s", got)
	}
	if got := again(note("zhang", text, "z@y.example")); got != Coach {
		t.Errorf("to somebody else: %s", got)
	}
	if got := again(note("li", text, "x@y.example")); got != Coach {
		t.Errorf("from somebody else: %s", got)
	}
	b.pass(9 * time.Hour)
	if got := again(note("zhang", text, "x@y.example")); got != Coach {
		t.Errorf("after the pass's life: %s", got)
	}
}

func TestHoldNeedsApproval(t *testing.T) {
	cfg := one(Rule{Level: 4, Do: Hold})
	cfg.Relay = "127.0.0.1:1"
	b := newBench(t, cfg)
	ctx := t.Context()
	it := note("zhang", someID, "x@y.example")
	it.Door = Web
	o := b.Judge(ctx, it)
	if o.Action != Hold {
		t.Fatalf("not held: %+v", o)
	}
	if _, err := b.Explain(ctx, o.Pass, "the sender alone may not"); !errors.Is(err, ErrPass) {
		t.Errorf("a sender let go what was held: %v", err)
	}
	if _, err := b.Decide(ctx, o.Pass, false, "wang", "not for this hospital"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Decide(ctx, o.Pass, true, "wang", "changed my mind"); !errors.Is(err, ErrPass) {
		t.Errorf("decided twice: %v", err)
	}
	if got := b.Judge(ctx, it).Action; got != Hold {
		t.Errorf("refused data: %s", got)
	}
}

// broken is content that cannot be read in one way or another.
type broken struct {
	classify.Source
	read func()
}

func (s broken) ReadAt([]byte, int64) (int, error) {
	s.read()
	return 0, errors.New("broken")
}

func TestFail(t *testing.T) {
	small := classify.BytesSource("a.txt", []byte("hello"))
	for name, src := range map[string]classify.Source{
		"panic": broken{small, func() { panic("x") }},
		"slow":  broken{small, func() { time.Sleep(100 * time.Millisecond) }},
		"large": classify.BytesSource("a.txt", make([]byte, 3000)),
	} {
		for _, f := range []Fail{Open, Closed, ""} {
			b := newBench(t, Config{Routes: []Route{{Name: "r", Fail: f, Most: "2KB", Timeout: 10 * time.Millisecond}}})
			o := b.Judge(t.Context(), Item{Door: Web, Source: src})
			want := Block
			if f == Open {
				want = Allow
			}
			if o.Action != want || o.Failed == nil || len(b.records) != 1 {
				t.Errorf("%s on a route that fails %s: %s, failed %v, %d on record", name, f, o.Action, o.Failed, len(b.records))
			}
		}
	}
}

func TestUnrecorded(t *testing.T) {
	b := newBench(t, one(Rule{Level: 4, Do: Coach}))
	ctx := t.Context()
	o := b.Judge(ctx, note("zhang", someID))
	if _, err := b.Explain(ctx, o.Pass, "for the referral"); err != nil {
		t.Fatal(err)
	}
	b.Record = func(context.Context, Decision) error { return errors.New("disk full") }
	if got := b.Judge(ctx, note("zhang", someID)).Action; got != Block {
		t.Errorf("what a rule had stopped passed without a record: %s", got)
	}
}

func TestRedactBodies(t *testing.T) {
	b := newBench(t, one(Rule{Level: 4, Do: Redact}))
	form := "--x\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nid " + someID + "\r\n--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n\x00\x01\x02\r\n--x--\r\n"
	for media, body := range map[string]string{
		"text/plain":                        "id " + someID + " end",
		"application/json":                  `{"id":"` + someID + `","n":1}`,
		"application/x-www-form-urlencoded": "a=1&id=" + someID + "&b=%E5%A5%BD",
		"multipart/form-data; boundary=x":   form,
	} {
		clean, err := b.Body(t.Context(), media, []byte(body), 4)
		if err != nil {
			t.Errorf("%s: %v", media, err)
			continue
		}
		if bytes.Contains(clean, []byte(someID)) || !bytes.Contains(clean, []byte("cn-resident-id")) {
			t.Errorf("%s: %q", media, clean)
		}
	}
	if _, err := b.Body(t.Context(), "application/pdf", []byte("%PDF"), 4); err == nil {
		t.Error("a PDF was redacted as text")
	}
}

func TestRedactLetter(t *testing.T) {
	b := newBench(t, one(Rule{Level: 4, Do: Redact}), mailreader.Readers()...)
	mail := "From: a@hospital.example\r\nTo: b@x.example\r\nSubject: id " + someID + "\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n" +
		"--q\r\nContent-Type: text/plain; charset=gb18030\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xbb\xbc\xd5\xdf " + someID + "\r\n" +
		"--q\r\nContent-Type: text/csv; charset=utf-8\r\nContent-Disposition: attachment; filename=a.csv\r\n\r\nid\r\n" + otherID + "\r\n--q--\r\n"
	clean, err := b.LetterText(t.Context(), []byte(mail), 4)
	if err != nil {
		t.Fatal(err)
	}
	next := note("a", "")
	next.Source = classify.BytesSource("message.eml", clean)
	if bytes.Contains(clean, []byte(someID)) || bytes.Contains(clean, []byte(otherID)) || !b.Clean(t.Context(), next, Outcome{Route: "all"}) {
		t.Errorf("not clean:\n%s", clean)
	}
}

// postbox is a relay.
type postbox struct {
	mu      sync.Mutex
	letters []Letter
	refuse  bool
}

func (p *postbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &postSession{box: p}, nil }

type postSession struct {
	box *postbox
	l   Letter
}

func (s *postSession) Reset()        { s.l = Letter{} }
func (s *postSession) Logout() error { return nil }
func (s *postSession) Mail(from string, _ *smtp.MailOptions) error {
	s.l.From = from
	return nil
}
func (s *postSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.l.To = append(s.l.To, to)
	return nil
}
func (s *postSession) Data(r io.Reader) (err error) {
	if s.l.Data, err = io.ReadAll(r); err != nil {
		return err
	}
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	if s.box.refuse {
		return &smtp.SMTPError{Code: 451, Message: "later"}
	}
	s.box.letters = append(s.box.letters, s.l)
	return nil
}

func TestHeldMail(t *testing.T) {
	box := &postbox{refuse: true}
	server := smtp.NewServer(box)
	server.Domain = "relay.example"
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(ln)
	t.Cleanup(func() { server.Close() })

	cfg := one(Rule{Level: 4, Do: Hold})
	cfg.Relay, cfg.Postmaster = ln.Addr().String(), "cordon@hospital.example"
	b := newBench(t, cfg)
	ctx := t.Context()
	keep := func(text string) string {
		o := b.Judge(ctx, note("zhang@hospital.example", text, "x@y.example"))
		if o.Action != Hold {
			t.Fatalf("not held: %+v", o)
		}
		l := Letter{From: "zhang@hospital.example", To: []string{"x@y.example"}, Data: []byte("Subject: t\r\n\r\n" + text + "\r\n")}
		if err := b.Keep(ctx, o.Pass, l); err != nil {
			t.Fatal(err)
		}
		return o.Pass
	}
	good, late := keep(someID), keep(otherID)
	names, err := b.Files.List(ctx, heldFolder)
	if err != nil || len(names) != 2 {
		t.Fatalf("%d letters kept: %v", len(names), err)
	}
	for _, n := range names {
		r, _ := b.Files.Get(ctx, n)
		raw, _ := io.ReadAll(r)
		r.Close()
		if bytes.Contains(raw, []byte(someID)) {
			t.Error("a held letter is on disk in clear")
		}
	}
	if _, err := b.Decide(ctx, good, true, "wang", "a referral, seen"); err != nil {
		t.Fatal(err)
	}
	if err := b.Tend(ctx); err == nil {
		t.Error("a relay that refused was not told of")
	}
	box.mu.Lock()
	box.refuse = false
	box.mu.Unlock()
	if err := b.Tend(ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.Tend(ctx); err != nil { // nothing twice
		t.Fatal(err)
	}
	b.pass(80 * time.Hour)
	if err := b.Tend(ctx); err != nil {
		t.Fatal(err)
	}
	if p, err := b.Pass(ctx, late); err != nil || p.State != Refused {
		t.Errorf("what nobody answered is %q: %v", p.State, err)
	}
	box.mu.Lock()
	defer box.mu.Unlock()
	if len(box.letters) != 2 || !bytes.Contains(box.letters[0].Data, []byte(someID)) || !strings.Contains(string(box.letters[1].Data), "Auto-Submitted") {
		t.Errorf("the relay got %d letters", len(box.letters))
	}
	if names, _ := b.Files.List(ctx, heldFolder); len(names) != 0 {
		t.Errorf("%d letters are still kept", len(names))
	}
}

func TestDefaultIsValid(t *testing.T) {
	cfg := Default()
	if err := cfg.Check(); err != nil {
		t.Fatal(err)
	}
	for _, d := range []Door{Web, Mail, HTTP} {
		if err := cfg.CheckDoor(d); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []Config{
		one(Rule{Do: Block}), one(Rule{Level: 9, Do: Block}), one(Rule{Level: 4, Do: "maybe"}), one(Rule{Level: 4, Do: Hold}),
		{Routes: []Route{{Name: "", Fail: Open}}}, {Routes: []Route{{Name: "a", Most: "many"}}}, {Routes: []Route{{Name: "a", From: []string{"[x"}}}},
	} {
		bad.PassLife, bad.HoldLife = time.Hour, time.Hour
		if err := bad.Check(); err == nil {
			t.Errorf("taken: %+v", bad.Routes)
		}
	}
}
