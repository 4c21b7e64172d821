package api_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/blob/folder"
	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/content"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/lake/duck"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
	"github.com/cordon-health/cordon/quarantine"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/sqlite"
	"github.com/cordon-health/cordon/tuning"
)

// site is a small hospital: real parts, a handful of events.
type site struct {
	t  *testing.T
	db *store.DB
	api.Services
	handler http.Handler
	tokens  map[identity.Role]string
	logged  *bytes.Buffer
	applied int // how often changed settings were put in force
	mu      sync.Mutex
	watched []*ocsf.Event // guarded by mu
	deaf    error         // guarded by mu: what watching fails with
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.FixedZone("CST", 8*3600))

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newSite(t *testing.T) *site {
	t.Helper()
	ctx := t.Context()
	now := func() time.Time { return noon }
	s := &site{t: t, logged: &bytes.Buffer{}, tokens: map[identity.Role]string{}}
	log := slog.New(slog.NewTextHandler(s.logged, nil))
	dir := t.TempDir()
	s.db = must[*store.DB](t)(sqlite.Open(ctx, filepath.Join(dir, "cordon.db")))
	t.Cleanup(func() { s.db.Close() })
	s.Services = api.Services{
		Site: api.Site{Name: "Test", Zone: noon.Location(), Language: "en"}, Budget: 33, Version: "1.2.3", Now: now, Log: log,
		Detectors: func() []detect.Info { return []detect.Info{{ID: "vip", Title: ocsf.Text{EN: "VIP", ZH: "贵宾"}}} },
		Health:    func() []detect.Problem { return []detect.Problem{{ID: "no-roster", Detectors: []string{"vip"}}} },
		Sources:   func() []api.Source { return []api.Source{{Name: "mllp:his", Stored: 7}} },
		Audit: func(_ context.Context, ev *ocsf.Event) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.watched = append(s.watched, ev)
			return s.deaf
		},
	}
	s.openParts(dir, now, log)
	s.fill()
	s.mount()
	return s
}

func (s *site) openParts(dir string, now func() time.Time, log *slog.Logger) {
	t, ctx := s.t, s.t.Context()
	s.Book = must[*evidence.Log](t)(evidence.Open(ctx, evidence.Config{Dir: filepath.Join(dir, "evidence"), KeyDir: filepath.Join(dir, "keys")}, s.db, now, log))
	t.Cleanup(func() { s.Book.Close(context.Background()) })
	files := must[*folder.Folder](t)(folder.Open(filepath.Join(dir, "events")))
	scratch := filepath.Join(dir, "scratch")
	s.Lake = must[*lake.Lake](t)(lake.Open(ctx, lake.Config{Dir: scratch, Engine: duck.New(scratch)}, s.db, files, log))
	t.Cleanup(func() { s.Lake.Close() })
	s.People = must[*directory.Directory](t)(directory.Open(ctx, s.db, keyed.Key{}, now, log))
	s.Care = must[*care.Graph](t)(care.Open(ctx, s.db, s.People, keyed.Key{}, subFS(t, "explanations"), now, log))
	s.Quarantine = must[*quarantine.Book](t)(quarantine.New(ctx, s.db, now))
	s.Desk = must[*incident.Desk](t)(incident.New(ctx, incident.Default(), s.db, s.Book, now))
	s.Users = must[*identity.Users](t)(identity.New(ctx, identity.Default(), s.db, now, nil))
	books := must[[]playbook.Playbook](t)(playbook.Load(subFS(t, "playbooks")))
	s.Runner = must[*playbook.Runner](t)(playbook.New(playbook.Parts{
		Config: playbook.Default(), Site: playbook.Site{Name: "Test", URL: "http://x", Language: "en", Person: func(string) (string, string, bool) { return "", "", false }},
		DB: s.db, Book: s.Book, Desk: s.Desk, Playbooks: books, Now: now, Log: log,
		Actions: []playbook.Action{suspend()},
	}))
	s.Import = func(ctx context.Context, kind string, r io.Reader, progress func(directory.Counts)) (directory.Counts, error) {
		if kind != "directory" {
			return directory.Counts{}, errors.New("only the directory here")
		}
		return s.People.ImportPeople(ctx, r, progress)
	}
	s.Tuning = api.Tuners{
		Book: must[*tuning.Book](t)(tuning.Open(ctx, s.db, s.Book, now)), Apply: func(context.Context) error { s.applied++; return nil },
		All: func() []detect.Status {
			return []detect.Status{{Info: detect.Info{ID: "vip", Params: []detect.Param{{Name: "days", Default: 3}}}}}
		},
		Filters: func() []api.Filter { return []api.Filter{{ID: "f1", Title: "backup"}} },
		Kinds:   func() []api.PlantKind { return []api.PlantKind{{ID: "canary", Expect: "canary"}} },
		Plant: func(ctx context.Context, kind, by string) (incident.Plant, error) {
			p := incident.Plant{ID: "p1", Kind: kind, At: noon.UnixMilli(), Asked: by}
			return p, s.Desk.Planting(ctx, p)
		},
	}
	s.Replay = func(ctx context.Context, i quarantine.Item, data []byte, by string) error {
		if !bytes.HasPrefix(data, []byte("MSH")) {
			return errors.Join(errors.New("no MSH segment"), s.Quarantine.Failed(ctx, i.ID, "no MSH segment", by))
		}
		return s.Quarantine.Settle(ctx, i.ID, quarantine.Replayed, by)
	}
	s.Verify = func(_ context.Context, progress func(evidence.Progress)) (evidence.Report, error) {
		progress(evidence.Progress{Step: "log", Done: 1, Total: 1})
		return evidence.Report{OK: true, Entries: 1}, nil
	}
	s.Bundle = func(_ context.Context, id, _ string, w io.Writer) error {
		_, err := io.WriteString(w, "PK"+id)
		return err
	}
}

// suspend stands for the action that the directory offers where it is set up.
func suspend() playbook.Action {
	text := ocsf.Text{EN: "Suspend", ZH: "停用"}
	return playbook.Action{Name: "suspend-account", Params: []string{playbook.ParamAccount}, Title: text, Why: text, Class: playbook.Restrict, Hourly: 5,
		Ready: func() (bool, ocsf.Text) { return true, ocsf.Text{} },
		Do:    func(context.Context, playbook.Call) (string, error) { return "suspended", nil },
		Undo:  func(context.Context, playbook.Call) error { return nil },
	}
}

// fill has people, five accesses (one recorded twice) and two findings.
func (s *site) fill() {
	t, ctx := s.t, s.t.Context()
	people := "person_id,account,name,role,department\n" +
		"d1,dr.wang,Wang,doctor,Cardiology\nn1,li.na,Li Na,nurse,Surgery\n"
	must[directory.Counts](t)(s.People.ImportPeople(ctx, strings.NewReader(people), nil))
	explained := &ocsf.Explanation{Explained: true, Kind: "attending", Because: []string{"hl7:A;1", `b\2`}, Args: []string{"d1", "V1", "2026-03-01T08:00:00+08:00"}}
	none := &ocsf.Explanation{}
	s.Lake.Append([]lake.Row{
		{Event: accessEvent("e1", "d1", "P1", 1, explained), Seq: 1},
		{Event: half(accessEvent("e1-client", "d1", "P1", 1, nil), "e1"), Seq: 1, Index: 1},
		{Event: accessEvent("e2", "n1", "P1", 2, none), Seq: 1, Index: 2},
		{Event: accessEvent("e3", "n1", "P2", 3, none), Seq: 1, Index: 3},
		{Event: &ocsf.Event{ClassUID: ocsf.Authentication, Time: noon.UnixMilli(), Metadata: ocsf.Metadata{UID: "login"}}, Seq: 1, Index: 4},
	})
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := s.Desk.Add(tx, []ocsf.Finding{
			foundAt("vip:1", "vip", "n1", "P1", "e2", 70, 2), foundAt("vip:2", "vip", "n1", "P2", "e3", 40, 3), foundAt("family:1", "family", "d1", "P1", "e1", 90, 1),
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Quarantine.Add(ctx, quarantine.Item{Source: "mllp:his", Format: "hl7v2", Reason: "no MSH segment", Received: 5, Data: []byte("PID|broken")})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) mount() {
	for _, r := range identity.Roles() {
		s.tokens[r.Role] = must[string](s.t)(s.Users.CreateToken(s.t.Context(), "test", r.Role, 0, "test"))
	}
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "cordon_test_total", Help: "x"})
	reg.MustRegister(c)
	accepted := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }
	a := must[*api.API](s.t)(api.New(api.Parts{Services: s.Services, Events: accepted, FHIR: accepted, Metrics: reg, Limits: api.Limits{PerSecond: 1, Burst: 500}}))
	s.handler = a.Handler()
}

func accessEvent(uid, person, patient string, minute int, x *ocsf.Explanation) *ocsf.Event {
	ev := &ocsf.Event{ClassUID: ocsf.WebResourcesActivity, ActivityID: ocsf.AccessRead, Time: noon.Add(time.Duration(minute) * time.Minute).UnixMilli(),
		Patient: &ocsf.Patient{UID: patient}, Explanation: x}
	ev.Metadata = ocsf.Metadata{UID: uid, Version: ocsf.Version, LogName: "ocsf", LogProvider: "test"}
	ev.Actor.User = ocsf.User{UID: person, Account: person}
	return ev
}

func half(ev *ocsf.Event, of string) *ocsf.Event {
	ev.Access = &ocsf.Access{HalfOf: of}
	return ev
}

func foundAt(uid, analytic, person, patient, event string, risk float64, minute int) ocsf.Finding {
	return ocsf.Finding{ClassUID: ocsf.DetectionFinding, UID: uid, Analytic: analytic, Title: ocsf.Text{EN: analytic, ZH: analytic},
		Time: noon.Add(time.Duration(minute) * time.Minute).UnixMilli(), Person: person, Patient: patient, Events: []string{event}, SeverityID: 4, Risk: risk}
}

// answer is what came back.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

func (s *site) ask(role identity.Role, method, path, body string) answer {
	s.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if token := s.tokens[role]; token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return s.do(r)
}

func (s *site) do(r *http.Request) answer {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return answer{s.t, w.Code, w.Header(), w.Body.String()}
}

func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

func lines[T any](a answer) []T {
	a.t.Helper()
	var out []T
	for line := range strings.Lines(a.body) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			a.t.Fatalf("line %q: %v", line, err)
		}
		out = append(out, v)
	}
	return out
}

func one[T any](a answer) T {
	a.t.Helper()
	all := lines[T](a)
	if len(all) != 1 {
		a.t.Fatalf("%d values, want one: %s", len(all), a.body)
	}
	return all[0]
}

func subFS(t *testing.T, name string) fs.FS {
	return must[fs.FS](t)(fs.Sub(content.Files(), name))
}
