package node

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/canary"
	"github.com/cordon-health/cordon/config"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/detect/behavior"
	"github.com/cordon-health/cordon/ocsf"
)

// watched is a site whose canaries fly every second. They may take their time:
// a busy machine is not a broken path.
func watched(t *testing.T, settings ...func(*config.Config)) *site {
	t.Helper()
	quick := func(c *config.Config) {
		c.Canary.Every, c.Canary.Late, c.Canary.Lost = time.Second, 30*time.Second, time.Minute
		c.Canary.TestAlerts = "00:00"
	}
	return newSite(t, t.TempDir(), append(settings, quick)...)
}

func (s *site) alarmPath(t *testing.T) api.AlarmPath {
	t.Helper()
	return lists[api.AlarmPath](t, s, "GET", "/api/v1/alarm-path", "")[0]
}

// TestAlarmPath: canaries go through every door of a running server and come
// out; they are no events, no accesses, no sign of life of a source.
func TestAlarmPath(t *testing.T) {
	var beats atomic.Int64
	monitor := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { beats.Add(1) }))
	defer monitor.Close()
	s := watched(t, func(c *config.Config) { c.Canary.Beat = monitor.URL })
	if err := appendTable("file:" + filepath.Join(s.cfg.Data, "his.db")); err != nil {
		t.Fatal(err)
	}
	s.collect(t, collectorsAt(s.mllp, s.syslog)+fmt.Sprintf(`
file: [{path: %q, format: syslog}]
sqlpoll: [{driver: sqlite, dsn: %q, table: audit_log, cursor: id, mapping: his-audit}]
`, filepath.Join(s.cfg.Data, "none.log"), "file:"+filepath.Join(s.cfg.Data, "his.db")))
	v := s.start(t)
	eventually(t, "every door is proven", func() bool { return s.alarmPath(t).Proven })
	p := s.alarmPath(t)
	var names []string
	for _, d := range p.Doors {
		names = append(names, d.Name)
		if d.Seen == 0 || d.State != canary.StateProven {
			t.Errorf("%s: %+v", d.Name, d)
		}
	}
	if got := strings.Join(names, " "); got != "hl7 syslog/udp syslog/tcp file sqlpoll http" {
		t.Errorf("doors %q", got)
	}
	if p.P99 <= 0 || p.P99 < p.P50 || p.Lost > 0 || p.Detectors.Running < 20 || p.Rules.Loaded == 0 {
		t.Errorf("report: %+v", p)
	}
	if err := v.n.prove(t.Context()); err != nil || beats.Load() != 1 {
		t.Errorf("the monitor heard %d beats, %v", beats.Load(), err)
	}
	for _, x := range v.n.sources.list() {
		if x.Name != "cordon" {
			t.Errorf("a canary made the source %s look alive", x.Name)
		}
	}
	type row struct{ N int }
	if n := query[row](t, s, `SELECT count(*) AS n FROM records WHERE patient LIKE 'CORDONCANARY%'`)[0].N; n > 0 {
		t.Errorf("%d canaries are kept as events", n)
	}
	if n := len(s.findings(t)); n > 0 {
		t.Errorf("canaries led to %d findings", n)
	}
	v.verified()
	v.stop()
	s.verified(t)
}

// TestSelfCheck: every detector and every rule with examples finds them, with
// the settings in force; one that its settings blind is named.
func TestSelfCheck(t *testing.T) {
	s := newSite(t, t.TempDir(), func(c *config.Config) {
		c.Site.Zone = "America/New_York"
		c.Detect.Off = []string{"crowd"}
		c.Detect.Params = map[string]map[string]float64{"lurking-after-discharge": {"days": 4000}}
	})
	n := s.open(t, io.Discard)
	defer n.Close()
	if err := n.SelfCheck(t.Context()); err != nil {
		t.Fatal(err)
	}
	x := n.lastCheck()
	if len(x.Failed) != 1 || x.Failed[0].ID != "lurking-after-discharge" || !x.Failed[0].BySettings || len(n.checkTroubles()) > 0 {
		t.Errorf("failed: %+v", x.Failed)
	}
	if want := len(behavior.All()) - 2; x.Detectors != want || x.Rules < 10 || x.Unproven != 0 || x.At == 0 {
		t.Errorf("%+v, want %d detectors", x, want)
	}
}

// TestAlarmPathBroken: a detector that fails raises the alarm by itself; the
// others, and the server, go on.
func TestAlarmPathBroken(t *testing.T) {
	s := watched(t)
	v := s.start(t)
	e, err := detect.New(detect.Default(), detect.World{People: v.n.people, Care: v.n.care}, []detect.Detector{fragile{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.n.pipe.swap(e); err != nil {
		t.Fatal(err)
	}
	s.post(t, look("a", "nora", "P1", time.Now()))
	eventually(t, "a case about the stopped detector is open", func() bool {
		for _, c := range s.cases(t) {
			for _, f := range c.Parts {
				if strings.HasPrefix(f.UID, "alarm-path:detector:fragile:") {
					return true
				}
			}
		}
		return false
	})
	if p := s.alarmPath(t); p.Proven || len(p.Detectors.Stopped) != 1 || len(p.Troubles) != 1 {
		t.Errorf("report: %+v", p)
	}
	if err := v.n.beat(t.Context()); err != nil {
		t.Errorf("a broken path beats: %v", err)
	}
}

// fragile is a detector that fails on the first event.
type fragile struct{}

func (fragile) Info() detect.Info { return detect.Info{ID: "fragile"} }

func (fragile) Detect(*detect.Context, *ocsf.Event) { panic("worn out") }
