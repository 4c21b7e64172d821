package console_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/blob/folder"
	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/console"
	"github.com/cordon-health/cordon/content"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/detect/behavior"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/evidence/bundle"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/lake/duck"
	"github.com/cordon-health/cordon/normalize"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
	"github.com/cordon-health/cordon/quarantine"
	"github.com/cordon-health/cordon/simulate"
	"github.com/cordon-health/cordon/statement"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/sqlite"
	"github.com/cordon-health/cordon/tuning"
)

// hospital is a console over real parts, filled from the simulator.
type hospital struct {
	t testing.TB
	api.Services
	db     *store.DB
	dir    string
	engine *detect.Engine
	norm   *normalize.Normalizer
	join   *normalize.Joiner
	server *httptest.Server
	logged *lockedBuffer

	mu      sync.Mutex
	sources map[string]*api.Source // guarded by mu
	watched []*ocsf.Event          // guarded by mu
	deaf    error                  // guarded by mu: what watching fails with
	seq     uint64
	path    *path // the alarm path it tells
	ruled   api.RuleSet
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// china is where the hospital is.
var china = func() *time.Location {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		return time.FixedZone("Asia/Shanghai", 8*3600)
	}
	return zone
}()

// today is when the hospital lives; its clock goes on from there.
var today = time.Date(2026, 3, 5, 15, 20, 0, 0, china)

// newHospital opens an empty one.
func newHospital(t testing.TB) *hospital {
	t.Helper()
	began := time.Now()
	h := &hospital{t: t, dir: t.TempDir(), logged: &lockedBuffer{}, join: normalize.NewJoiner(), sources: map[string]*api.Source{}}
	h.Services = api.Services{
		Site: api.Site{Name: "示范医院 Demo Hospital", Zone: china, Language: "en"}, Budget: incident.Default().Budget, Version: "0.1.0",
		Key: keyed.Key{1, 2, 3}, Now: func() time.Time { return today.Add(time.Since(began)).In(china) },
		Log: slog.New(slog.NewTextHandler(h.logged, nil)),
	}
	h.open()
	h.wire()
	c := must[*console.Console](t)(console.New(console.Parts{Services: h.Services}))
	h.server = httptest.NewServer(c.Handler())
	t.Cleanup(h.server.Close)
	return h
}

func (h *hospital) open() {
	t, ctx, log := h.t, h.t.Context(), h.Log
	h.db = must[*store.DB](t)(sqlite.Open(ctx, filepath.Join(h.dir, "cordon.db")))
	t.Cleanup(func() { h.db.Close() })
	h.Book = must[*evidence.Log](t)(evidence.Open(ctx, evidence.Config{
		Dir: filepath.Join(h.dir, "evidence"), KeyDir: filepath.Join(h.dir, "keys"), Origin: "demo.hospital.example/log"}, h.db, h.Now, log))
	running, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.Book.Run(running) }()
	t.Cleanup(func() { stop(); <-done; h.Book.Close(context.Background()) })
	scratch := filepath.Join(h.dir, "scratch")
	files := must[*folder.Folder](t)(folder.Open(filepath.Join(h.dir, "events")))
	h.Lake = must[*lake.Lake](t)(lake.Open(ctx, lake.Config{Dir: scratch, Engine: duck.New(scratch)}, h.db, files, log))
	t.Cleanup(func() { h.Lake.Close() })
	h.People = must[*directory.Directory](t)(directory.Open(ctx, h.db, h.Key, h.Now, log))
	h.Care = must[*care.Graph](t)(care.Open(ctx, h.db, h.People, h.Key, h.content("explanations"), h.Now, log))
	h.Quarantine = must[*quarantine.Book](t)(quarantine.New(ctx, h.db, h.Now))
	h.Desk = must[*incident.Desk](t)(incident.New(ctx, incident.Default(), h.db, h.Book, h.Now))
	h.Users = must[*identity.Users](t)(identity.New(ctx, identity.Default(), h.db, h.Now, nil))
	h.norm = normalize.New(normalize.Options{Key: h.Key, Zone: china})
	tables := must[*statement.Catalog](t)(statement.LoadCatalog(h.content("tables")))
	h.engine = must[*detect.Engine](t)(detect.New(detect.Default(), detect.World{Tables: tables, People: h.People, Care: h.Care, Zone: china}, behavior.All()))
}

func (h *hospital) content(name string) fs.FS {
	return must[fs.FS](h.t)(fs.Sub(content.Files(), name))
}

// wire gives the console what node would give it.
func (h *hospital) wire() {
	h.path = soundPath(h.Now().UnixMilli())
	h.Alarm = h.path
	h.Rules = func() api.RuleSet { return h.ruled }
	h.Detectors = func() []detect.Info { return h.engine.Infos() }
	h.Health, h.Sources = func() []detect.Problem { return h.engine.Health() }, h.listSources
	h.Audit = func(_ context.Context, ev *ocsf.Event) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.watched = append(h.watched, ev)
		return h.deaf
	}
	h.KeepDispute = h.keepDispute
	h.Verify = func(ctx context.Context, progress func(evidence.Progress)) (evidence.Report, error) {
		ok(h.t, h.Book.Sync(ctx))
		return evidence.Verify(ctx, evidence.Source{Log: os.DirFS(filepath.Join(h.dir, "evidence")), Key: h.Book.PublicKey(), DB: h.db}, progress)
	}
	h.Bundle = func(ctx context.Context, id, lang string, w io.Writer) error {
		rec, err := h.Book.Get(ctx, incident.KindCase, id)
		if err != nil {
			return err
		}
		return bundle.Export(ctx, w, h.Book, bundle.Input{Incident: rec, Made: h.Now().UnixMilli(), Lang: lang})
	}
	h.Replay = func(ctx context.Context, i quarantine.Item, data []byte, by string) error {
		if n, rejects := h.take(i.Format, i.Source, data, h.Now()); n == 0 && len(rejects) > 0 {
			return errors.Join(errors.New(rejects[0].Reason), h.Quarantine.Failed(ctx, i.ID, rejects[0].Reason, by))
		}
		return h.Quarantine.Settle(ctx, i.ID, quarantine.Replayed, by)
	}
	h.Tuning = api.Tuners{
		Book: must[*tuning.Book](h.t)(tuning.Open(h.t.Context(), h.db, h.Book, h.Now)), Apply: h.retune, All: func() []detect.Status { return h.engine.All() },
		Filters: func() []api.Filter {
			return append([]api.Filter{{ID: "f-1", Title: "Nightly backup account", Until: "2026-09-30", Rules: 3}}, h.ruled.Filters...)
		},
		Plant: func(context.Context, string, string) (incident.Plant, error) { return incident.Plant{}, nil },
		Kinds: func() []api.PlantKind {
			return []api.PlantKind{{ID: "canary", Expect: "canary", Title: ocsf.Text{EN: "A decoy record is opened", ZH: "打开诱饵病历"}}}
		},
	}
	text := ocsf.Text{EN: "Suspend the account", ZH: "停用账号"}
	why := ocsf.Text{EN: "Locks the account for 24 hours; undone by itself.", ZH: "停用账号 24 小时，到期自动恢复。"}
	h.Runner = must[*playbook.Runner](h.t)(playbook.New(playbook.Parts{
		Config: playbook.Default(), Site: playbook.Site{Name: "Demo", URL: "http://server.invalid", Language: "zh", Person: h.account},
		Key: h.Key, DB: h.db, Book: h.Book, Desk: h.Desk, Now: h.Now, Log: h.Log,
		Playbooks: must[[]playbook.Playbook](h.t)(playbook.Load(h.content("playbooks"))),
		Actions: []playbook.Action{{Name: "suspend-account", Title: text, Why: why, Class: playbook.Restrict, Hourly: 5, Life: 24 * time.Hour,
			Ready: func() (bool, ocsf.Text) { return true, ocsf.Text{} },
			Do:    func(context.Context, playbook.Call) (string, error) { return "suspended", nil },
			Undo:  func(context.Context, playbook.Call) error { return nil }}},
	}))
}

// retune puts exceptions and settings in force, as node does.
func (h *hospital) retune(ctx context.Context) error {
	cfg, err := h.Tuning.Book.Effective(ctx, detect.Default())
	h.engine = h.engine.Tuned(cfg)
	return err
}

func (h *hospital) account(id string) (account, manager string, ok bool) {
	p, ok := h.People.Person(id)
	if ok && len(p.Accounts) > 0 {
		account = p.Accounts[0]
	}
	return account, p.ManagerID, ok
}

func (h *hospital) listSources() []api.Source {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []api.Source
	for _, s := range h.sources {
		out = append(out, *s)
	}
	return out
}

// live lets the simulator play until now: what node's pipeline does, in short.
func (h *hospital) live(days int) { h.t.Helper(); h.grow(days, 70, 300) }

func (h *hospital) grow(days, staff, patients int) {
	h.t.Helper()
	midnight := time.Date(today.Year(), today.Month(), today.Day(), 0, 0, 0, 0, china)
	sim := must[*simulate.Hospital](h.t)(simulate.New(simulate.Config{Seed: 7, Days: days, Staff: staff, Patients: patients, WarmupDays: 3, Violations: 3,
		Start: midnight.AddDate(0, 0, 1-days)}))
	ctx := h.t.Context()
	for _, table := range []struct {
		write func(io.Writer) error
		read  func(context.Context, io.Reader, func(directory.Counts)) (directory.Counts, error)
	}{
		{sim.WriteDirectory, h.People.ImportPeople}, {sim.WriteRoster, h.People.ImportRoster},
		{sim.WriteTickets, h.Care.ImportTickets}, {sim.WriteWatchlist, h.Care.ImportWatchlist},
	} {
		var b bytes.Buffer
		ok(h.t, table.write(&b))
		must[directory.Counts](h.t)(table.read(ctx, &b, nil))
	}
	formats := map[string]string{"hl7": "hl7v2", "fhir": "fhir-auditevent", "atna": "atna"}
	names := map[string]string{"hl7": "mllp:his", "fhir": "fhir:emr", "atna": "syslog:pacs"}
	sim.Stream(func(it simulate.Item) bool {
		if it.At.After(today) {
			return false
		}
		if f := formats[it.Channel]; f != "" {
			h.take(f, names[it.Channel], it.Data, it.At)
		}
		return true
	})
	h.keep()
	ok(h.t, h.Runner.Step(ctx))
}

// take normalizes, explains, detects and stores one input.
func (h *hospital) take(format, source string, data []byte, at time.Time) (int, []normalize.Reject) {
	evs, rejects := h.norm.Normalize(normalize.Input{Format: format, Source: source, Received: at.UnixMilli(), Data: data})
	h.seq++
	var rows []lake.Row
	var found []ocsf.Finding
	for i, ev := range evs {
		if p, known := h.People.Resolve(ev.Actor.User.Account); known {
			ev.Actor.User.UID = p.ID
		}
		found = append(found, h.judge(ev)...)
		rows = append(rows, lake.Row{Event: ev, Seq: h.seq, Index: uint32(i)})
	}
	ok(h.t, h.Book.Events(context.Background(), h.seq, evs))
	h.Lake.Append(rows)
	for _, r := range rejects {
		ok(h.t, h.Quarantine.Add(context.Background(), quarantine.Item{Source: source, Format: format, Reason: r.Reason, Received: at.UnixMilli(), Data: r.Data}))
	}
	if len(found) > 0 {
		ok(h.t, h.db.Update(context.Background(), func(tx *sql.Tx) error {
			_, err := h.Desk.Add(tx, found)
			return errors.Join(err, h.Tuning.Book.Hide(tx, h.engine.TakeHidden()))
		}))
	}
	h.saw(format, source, at, evs, len(rejects))
	return len(evs), rejects
}

func (h *hospital) judge(ev *ocsf.Event) []ocsf.Finding {
	if half := h.join.Join(ev); half != "" {
		ev.Access = &ocsf.Access{HalfOf: half}
		return nil
	}
	if len(ev.Care) > 0 {
		h.Care.Apply(ev)
	}
	if ev.IsAccess() {
		x := h.Care.Explain(ev)
		x.At = ev.Time
		ev.Explanation = &x
		if x.Explained {
			h.Care.Learn(ev)
		}
	}
	return h.engine.Process(ev)
}

func (h *hospital) saw(format, source string, at time.Time, evs []*ocsf.Event, rejected int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sources[source]
	if s == nil {
		s = &api.Source{Name: source, Format: format, First: at.UnixMilli()}
		h.sources[source] = s
	}
	s.Last = at.UnixMilli()
	s.Stored += int64(len(evs))
	s.Rejected += int64(rejected)
	for _, ev := range evs {
		s.Event = max(s.Event, ev.Time)
	}
}

// keep writes a checkpoint's files.
func (h *hospital) keep() {
	ctx := context.Background()
	batch := must[*lake.Batch](h.t)(h.Lake.Flush(ctx))
	if batch == nil {
		return
	}
	ok(h.t, h.db.Update(ctx, func(tx *sql.Tx) error { return batch.Commit(tx) }))
	batch.Done()
}

// user makes an account and returns its password and authenticator secret. A
// privacy officer is known as a member of staff.
func (h *hospital) user(name string, role identity.Role) (password, secret string) {
	ctx := h.t.Context()
	inv := identity.Invitation{Name: name, Role: role}
	if role == identity.PrivacyOfficer {
		inv.PersonID = "staff-" + name
	}
	link := must[string](h.t)(h.Users.Invite(ctx, inv, "test"))
	password = "a long sentence for " + fmt.Sprint(len(name)) + " tests"
	secret, _, err := h.Users.NewTOTP(name)
	ok(h.t, err)
	code := must[string](h.t)(totp.GenerateCode(secret, h.Now().Add(-30*time.Second)))
	must[identity.Session](h.t)(h.Users.Accept(ctx, link, password, secret, code))
	return password, secret
}

// session makes a signed-in session without a browser.
func (h *hospital) session(name string, role identity.Role) identity.Session {
	password, secret := h.user(name, role)
	code := must[string](h.t)(totp.GenerateCode(secret, h.Now()))
	return must[identity.Session](h.t)(h.Users.SignIn(h.t.Context(), name, password, code))
}

// get fetches a page as a session.
func (h *hospital) get(ses identity.Session, path string, header ...string) (*http.Response, string) {
	h.t.Helper()
	return h.send(ses, must[*http.Request](h.t)(http.NewRequest("GET", h.server.URL+path, nil)), header...)
}

func (h *hospital) send(ses identity.Session, r *http.Request, header ...string) (*http.Response, string) {
	h.t.Helper()
	if ses.Secret != "" {
		r.AddCookie(&http.Cookie{Name: "cordon", Value: ses.Secret})
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res := must[*http.Response](h.t)(client.Do(r))
	defer res.Body.Close()
	return res, string(must[[]byte](h.t)(io.ReadAll(res.Body)))
}
