package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/collect/mllp"
	"github.com/cordon-health/cordon/config"
	"github.com/cordon-health/cordon/evidence"
)

// longEnv asks for the long run: 50 kills instead of 6.
const longEnv = "CORDON_LONG"

// childEnv makes the test binary a server: it holds the path of the settings.
const childEnv = "CORDON_TEST_SERVER"

func TestMain(m *testing.M) {
	evidence.RouteLogs(slog.New(slog.DiscardHandler))
	if path := os.Getenv(childEnv); path != "" {
		if err := serveChild(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		return
	}
	if settings := os.Getenv(sensorEnv); settings != "" {
		fmt.Fprintln(os.Stderr, senseChild(settings))
		os.Exit(3)
	}
	os.Exit(m.Run())
}

// childSettings is what a server in a process of its own needs to know.
type childSettings struct {
	Data, Listen, MLLP, Syslog string
	Policy                     string // of zones
}

// serveChild runs a server until it is killed, with checkpoints so often that
// many kills hit one.
func serveChild(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var s childSettings
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	cfg := config.Default()
	cfg.Data, cfg.Console.Listen, cfg.Site.Zone, cfg.Zone.Policy = s.Data, s.Listen, "Asia/Shanghai", s.Policy
	if err := yaml.Unmarshal([]byte(collectorsAt(s.MLLP, s.Syslog)), &cfg.Collect); err != nil {
		return err
	}
	ctx := context.Background()
	n, err := Open(ctx, cfg, "test", time.Now, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	n.pipe.every = 50 * time.Millisecond
	return errors.Join(n.Run(ctx, func(string) {}), n.Close())
}

// process is a server in a process of its own.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

func (s *site) spawn(t *testing.T, log io.Writer) *process {
	t.Helper()
	path := filepath.Join(t.TempDir(), "settings")
	data, err := json.Marshal(childSettings{Data: s.cfg.Data, Listen: s.cfg.Console.Listen, MLLP: s.mllp, Syslog: s.syslog, Policy: s.cfg.Zone.Policy})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(os.Args[0]), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), childEnv+"="+path)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // killed on purpose
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends the process as a power cut would, and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL) // gone already is fine
	<-p.done
}

// dead says whether the process ended by itself.
func (p *process) dead() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// ledger is what a hospital's systems remember of what they sent.
type ledger struct {
	mu     sync.Mutex
	acked  map[string]bool // guarded by mu: the server said it has it
	unsure []string        // guarded by mu: bodies without an answer, to be sent again
	next   int             // guarded by mu
}

// batch makes a body of new events, or hands out one without an answer.
func (l *ledger) batch(r *rand.Rand, at time.Time) (body string, ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.unsure); n > 0 && r.IntN(3) == 0 {
		body, l.unsure = l.unsure[n-1], l.unsure[:n-1]
		return body, idsOf(body)
	}
	var b strings.Builder
	for range 1 + r.IntN(30) {
		l.next++
		id := fmt.Sprintf("k-%06d", l.next)
		who, patient := "anna", fmt.Sprintf("P%d", r.IntN(50))
		if l.next%20 == 0 {
			who, patient = "u-"+id, "DECOY" // a person, a finding and a case of its own
		}
		b.WriteString(look(id, who, patient, at.Add(time.Duration(l.next)*time.Second)))
		ids = append(ids, id)
	}
	return b.String(), ids
}

func idsOf(body string) (ids []string) {
	for line := range strings.Lines(body) {
		_, rest, _ := strings.Cut(line, `"id":"`)
		id, _, _ := strings.Cut(rest, `"`)
		ids = append(ids, id)
	}
	return ids
}

func (l *ledger) settle(body string, ids []string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !ok {
		l.unsure = append(l.unsure, body)
		return
	}
	for _, id := range ids {
		l.acked[id] = true
	}
}

// press sends as fast as the server takes it, until ctx ends.
func (s *site) press(ctx context.Context, wg *sync.WaitGroup, l *ledger, seed uint64, at time.Time) {
	for i := range uint64(3) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, i))
			for ctx.Err() == nil {
				body, ids := l.batch(r, at)
				status, _ := s.events("fhir-auditevent", "emr", body)
				l.settle(body, ids, status == http.StatusAccepted)
				if status == 0 {
					time.Sleep(5 * time.Millisecond)
				}
				if status == http.StatusAccepted && r.IntN(8) == 0 {
					s.events("fhir-auditevent", "emr", body) // a sender that repeats itself
				}
			}
		})
	}
	wg.Go(func() { s.pressHL7(ctx, l, seed, at) })
}

func (s *site) pressHL7(ctx context.Context, l *ledger, seed uint64, at time.Time) {
	c, err := mllp.Dial(ctx, s.mllp)
	if err != nil {
		return
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	for i := 0; ctx.Err() == nil; i++ {
		id := fmt.Sprintf("M%d-%d", seed, i)
		ack, err := c.Send([]byte(admit(id, fmt.Sprintf("P%d", i%50), "D100", at)))
		if err != nil {
			return
		}
		if strings.Contains(string(ack), "|AA|") {
			l.settle("", []string{"hl7:ADT1:" + id}, true)
		}
	}
}

// TestKilled kills the server under load at random moments, again and again.
// At the end everything that was acknowledged is there once, nothing is
// doubled, and the evidence verifies.
func TestKilled(t *testing.T) {
	rounds := 6
	if os.Getenv(longEnv) != "" {
		rounds = 50
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("%d rounds, seed %d", rounds, seed)
	s := newSite(t, t.TempDir())
	begin := s.start(t)
	s.load(t, "directory", people)
	s.load(t, "watchlist", decoys)
	begin.stop()
	l := &ledger{acked: map[string]bool{}}
	r := rand.New(rand.NewPCG(seed, 99))
	at := time.Now().Add(-24 * time.Hour)
	var logs safeBuffer
	for round := range rounds {
		p := s.spawn(t, &logs)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		if round%5 != 4 { // now and then it dies while it starts
			s.awaitProcess(t, p, &logs)
		}
		s.press(ctx, &wg, l, seed+uint64(round), at)
		time.Sleep(time.Duration(r.IntN(600)) * time.Millisecond)
		p.kill()
		cancel()
		wg.Wait()
	}
	v := s.start(t)
	v.drained()
	checkLedger(t, s, l)
	v.verified()
	v.stop()
	s.verified(t)
}

// awaitProcess waits until the server answers; one that ended by itself has
// failed to recover.
func (s *site) awaitProcess(t *testing.T, p *process, logs *safeBuffer) {
	t.Helper()
	eventually(t, "the restarted server answers", func() bool {
		if p.dead() {
			t.Fatalf("the server did not come back:\n%s", tail(logs.String(), 4000))
		}
		res, err := http.Get(s.url("/healthz"))
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// checkLedger compares what the senders remember with what is there.
func checkLedger(t *testing.T, s *site, l *ledger) {
	t.Helper()
	type row struct {
		UID     string
		Patient string
		N       int
	}
	stored := map[string]int{}
	decoy := map[string]bool{}
	for _, r := range query[row](t, s, `SELECT uid, any_value(patient) AS patient, count(*) AS n FROM records GROUP BY uid`) {
		id, _, _ := strings.Cut(r.UID, "#") // HL7 ids end with a hash of the message
		stored[id] += r.N
		if r.Patient == "DECOY" {
			decoy[r.UID] = true
		}
	}
	t.Logf("acknowledged %d, stored %d", len(l.acked), len(stored))
	for id := range l.acked {
		if stored[id] == 0 {
			t.Errorf("lost: %s was acknowledged and is not there", id)
		}
	}
	for id, n := range stored {
		if n > 1 {
			t.Errorf("doubled: %s is there %d times", id, n)
		}
	}
	if len(l.acked) == 0 || len(decoy) == 0 {
		t.Error("nothing was sent; the test proves nothing")
	}
	checkFindings(t, s, decoy)
}

// checkFindings: each access to the decoy was found once, each finding stands
// in one case, and nobody has two cases.
func checkFindings(t *testing.T, s *site, decoy map[string]bool) {
	t.Helper()
	seen, related := map[string]bool{}, map[string]int{}
	for _, f := range s.findings(t) {
		if seen[f.Info.UID] {
			t.Errorf("doubled: finding %s", f.Info.UID)
		}
		seen[f.Info.UID] = true
		if f.Info.Analytic.UID == "canary" {
			for _, e := range f.Info.Related {
				related[e.UID]++
			}
		}
	}
	for id := range decoy {
		if related[id] != 1 {
			t.Errorf("access %s to the decoy is in %d findings", id, related[id])
		}
	}
	inCase, about := map[string]int{}, map[string]int{}
	for _, c := range s.cases(t) {
		about[c.Actor.User.UID+c.Actor.User.Name]++
		for _, part := range c.Parts {
			inCase[part.UID]++
		}
	}
	for id, n := range inCase {
		if n != 1 || !seen[id] {
			t.Errorf("finding %s stands %d times in cases", id, n)
		}
	}
	for who, n := range about {
		if n != 1 {
			t.Errorf("%d cases about %s, want 1", n, who)
		}
	}
	if len(about) < len(decoy) {
		t.Errorf("%d people have a case, want at least %d", len(about), len(decoy))
	}
}
