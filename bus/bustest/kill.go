package bustest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/cordon-health/cordon/bus"
)

// childEnv holds the location of the bus in the process to be killed, and
// roundEnv a word that makes its ids differ from those of other rounds.
const (
	childEnv = "CORDON_BUSTEST_CHILD"
	roundEnv = "CORDON_BUSTEST_ROUND"
)

// runChild is the process to be killed: some publishers, which print each
// number and id after Publish has returned. It reports whether it was meant.
func runChild(t *testing.T, e Engine) bool {
	location := os.Getenv(childEnv)
	if location == "" {
		return false
	}
	b, err := e.Open(context.Background(), location)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var wg sync.WaitGroup
	for p := range 4 {
		wg.Go(func() { publishForever(t, b, fmt.Sprintf("%s-%d", os.Getenv(roundEnv), p)) })
	}
	wg.Wait()
	return true
}

func publishForever(t *testing.T, b bus.Bus, name string) {
	for n := range 100_000 {
		id := fmt.Sprintf("%s-%d", name, n)
		data := []byte(strings.Repeat(id+" ", 1+n%200))
		seq, err := b.Publish(context.Background(), topic, id, data)
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Printf("done %d %s\n", seq, id)
	}
}

// testKill: what a killed process was told to be stored is stored, at that
// number and once. What it was not told may be there too.
func testKill(t *testing.T, s suite) {
	acked := map[uint64]string{}
	for round := range 3 {
		s.killAfter(t, fmt.Sprintf("r%d", round), 60+17*round, acked)
	}
	b := s.open(t)
	_, last, err := b.Span(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range Collect(t, b, topic, 1, int(last)) {
		if seen[m.ID] {
			t.Errorf("id %s is stored twice", m.ID)
		}
		seen[m.ID] = true
		if id, ok := acked[m.Seq]; ok && id != m.ID {
			t.Errorf("number %d holds %s, but was acknowledged for %s", m.Seq, m.ID, id)
		}
		if !strings.HasPrefix(string(m.Data), m.ID+" ") {
			t.Errorf("number %d holds other data than was published", m.Seq)
		}
		delete(acked, m.Seq)
	}
	if len(acked) > 0 {
		t.Errorf("%d acknowledged messages are lost", len(acked))
	}
}

// killAfter starts the publisher, kills it once it has printed n numbers and
// notes all that it printed.
func (s suite) killAfter(t *testing.T, round string, n int, acked map[uint64]string) {
	t.Helper()
	top, _, _ := strings.Cut(t.Name(), "/")
	cmd := exec.Command(os.Args[0], "-test.run=^"+top+"$", "-test.v=false")
	cmd.Env = append(os.Environ(), childEnv+"="+s.location, roundEnv+"="+round)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	printed := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var seq uint64
		var id string
		if _, err := fmt.Sscanf(lines.Text(), "done %d %s", &seq, &id); err != nil {
			t.Logf("publisher: %s", lines.Text())
			continue
		}
		acked[seq] = id
		if printed++; printed == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || printed < n {
		t.Fatalf("the publisher ended by itself after %d messages", printed)
	}
}
