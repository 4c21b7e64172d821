package behavior_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/detect/behavior"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// pairing is a source whose accesses client and server both record.
type pairing struct {
	t     *testing.T
	e     *detect.Engine
	n     int
	at    int64
	found []string
}

func newPairing(t *testing.T) *pairing {
	p := parts(t)
	now := func() time.Time { return time.Date(2026, 3, 3, 8, 0, 0, 0, time.UTC) }
	log := slog.New(slog.DiscardHandler)
	people, err := directory.Open(t.Context(), p.DB, keyed.Key{}, now, log)
	if err != nil {
		t.Fatal(err)
	}
	graph, err := care.Open(t.Context(), p.DB, people, keyed.Key{}, p.Explanations, now, log)
	if err != nil {
		t.Fatal(err)
	}
	e, err := detect.New(detect.Default(), detect.World{People: people, Care: graph}, behavior.All())
	if err != nil {
		t.Fatal(err)
	}
	return &pairing{t: t, e: e, at: now().UnixMilli()}
}

// restart makes the engine forget everything that is not in its snapshot.
func restart(t testing.TB, e *detect.Engine) {
	t.Helper()
	memory, err := e.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Restore(memory); err != nil {
		t.Fatal(err)
	}
}

// send lets a number of accesses come, a minute apart; both says with their
// second halves, seconds later than the first.
func (p *pairing) send(count int, both bool, seconds int64) {
	p.t.Helper()
	for range count {
		p.n++
		p.at += 60_000
		p.show(p.e.Process(p.record("server", p.at, "")))
		if both {
			p.show(p.e.Half(p.record("client", p.at+seconds*1000, fmt.Sprintf("server-%d", p.n))))
		}
		restart(p.t, p.e)
	}
}

func (p *pairing) record(side string, arrived int64, half string) *ocsf.Event {
	return &ocsf.Event{
		ClassUID: ocsf.WebResourcesActivity, ActivityID: ocsf.AccessRead, StatusID: ocsf.StatusSuccess, Time: p.at,
		Metadata: ocsf.Metadata{UID: fmt.Sprintf("%s-%d", side, p.n), LogProvider: side, LoggedTime: arrived, CorrelationUID: fmt.Sprintf("request-%d", p.n)},
		Actor:    ocsf.Actor{User: ocsf.User{Account: "zhang"}}, Patient: &ocsf.Patient{UID: "P1"},
		Access:      &ocsf.Access{HalfOf: half},
		Explanation: &ocsf.Explanation{Explained: true, Kind: "ward-shift"},
	}
}

func (p *pairing) show(fs []ocsf.Finding) {
	for _, f := range fs {
		if f.Analytic == "audit-tampering" {
			p.found = append(p.found, f.Title.EN)
			complete(p.t, f)
		}
	}
}

// TestHalves: a source whose client stopped recording is told; one that never
// recorded twice, or whose second halves come late, is not.
func TestHalves(t *testing.T) {
	t.Parallel()
	p := newPairing(t)
	p.send(1000, true, 5)
	p.send(160, false, 0)
	if len(p.found) != 1 {
		t.Errorf("a missing half: want one finding, got %q", p.found)
	}
	p = newPairing(t)
	p.send(1200, false, 0)
	p.send(600, true, 5)
	if len(p.found) != 0 {
		t.Errorf("never in pairs: %q", p.found)
	}
	p = newPairing(t)
	p.send(1000, true, 5)
	p.send(60, false, 0)
	p.send(300, true, 5)
	if len(p.found) != 0 {
		t.Errorf("an hour without is no habit given up: %q", p.found)
	}
}
