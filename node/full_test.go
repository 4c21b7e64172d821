package node

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/collect/mllp"
	"github.com/cordon-health/cordon/internal/smalldisk"
)

// TestFullDisk fills the disk under a running server. It refuses clearly,
// keeps answering questions, recovers when space returns, and has lost nothing
// that it acknowledged.
func TestFullDisk(t *testing.T) {
	disk := smalldisk.Mount(t, 384<<20)
	s := newSite(t, disk+"/data")
	v := s.start(t)
	s.load(t, "directory", people)
	s.load(t, "watchlist", decoys)
	at := time.Now().Add(-time.Hour)
	f := &filler{t: t, s: s, at: at, acked: map[string]bool{}}
	s.post(t, look("decoy-before", "nora", "DECOY", at))
	f.until("some events are in", func(status int, _ string) bool { return status == http.StatusAccepted && len(f.acked) > 500 })
	v.drained()

	ballast := smalldisk.Fill(t, disk, 0)
	f.until("the full disk is refused", func(status int, text string) bool {
		if status == http.StatusAccepted {
			return false
		}
		if status != http.StatusServiceUnavailable || !strings.Contains(text, "send it again") {
			t.Errorf("full disk answered with %d %s", status, text)
		}
		return true
	})
	refusedByMLLP(t, s)
	for _, path := range []string{"/api/v1/sources", "/api/v1/quarantine", "/healthz", "/metrics"} {
		s.must(t, "GET", path, "")
	}
	for _, ask := range [][]string{{"GET", "/api/v1/incidents", ""}, {"POST", "/api/v1/accesses", `{"patient":"DECOY"}`}} {
		status, text, err := s.call(ask[0], ask[1], ask[2])
		if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(text, "free space") {
			t.Errorf("%s %s shows people's doings that cannot be recorded: %d %s %v", ask[0], ask[1], status, text, err)
		}
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	f.until("events are taken again", func(status int, _ string) bool { return status == http.StatusAccepted })
	s.hl7(t, admit("AFTER", "P1", "D100", at))
	s.post(t, look("decoy-after", "anna", "DECOY", at.Add(time.Minute)))
	v.drained()
	f.check()
	if seen := s.must(t, "POST", "/api/v1/accesses", `{"patient":"DECOY"}`); !strings.Contains(seen, "decoy-before") {
		t.Errorf("after the full disk questions are not answered: %s", seen)
	}
	if n := len(s.cases(t)); n < 2 {
		t.Errorf("%d cases, want those from before and after the full disk", n)
	}
	v.verified()
	v.stop()
	s.verified(t)
}

// filler sends events one body after another and remembers what was taken.
type filler struct {
	t     *testing.T
	s     *site
	at    time.Time
	next  int
	acked map[string]bool
}

// until sends until an answer is as wished.
func (f *filler) until(what string, ok func(status int, text string) bool) {
	f.t.Helper()
	eventually(f.t, what, func() bool {
		var b strings.Builder
		var ids []string
		for range 50 {
			f.next++
			id := fmt.Sprintf("f-%06d", f.next)
			ids = append(ids, id)
			b.WriteString(look(id, "anna", "FULL", f.at.Add(time.Duration(f.next)*time.Second)))
		}
		status, text := f.s.events("fhir-auditevent", "emr", b.String())
		if status == http.StatusAccepted {
			for _, id := range ids {
				f.acked[id] = true
			}
		}
		return ok(status, text)
	})
}

// check: all that was taken is there, once.
func (f *filler) check() {
	f.t.Helper()
	type row struct {
		UID string
		N   int
	}
	stored := map[string]int{}
	for _, r := range query[row](f.t, f.s, `SELECT uid, count(*) AS n FROM records WHERE uid LIKE 'f-%' GROUP BY uid`) {
		stored[r.UID] = r.N
	}
	for id := range f.acked {
		if stored[id] != 1 {
			f.t.Errorf("%s was acknowledged and is there %d times", id, stored[id])
		}
	}
	for id, n := range stored {
		if n > 1 {
			f.t.Errorf("%s is there %d times", id, n)
		}
	}
}

// refusedByMLLP: an interface engine is told to keep the message.
func refusedByMLLP(t *testing.T, s *site) {
	t.Helper()
	c, err := mllp.Dial(t.Context(), s.mllp)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ack, err := c.Send([]byte(admit("FULL", "P1", "D100", time.Now())))
	if err != nil || !strings.Contains(string(ack), "|AR|") {
		t.Errorf("full disk answered over MLLP with %q %v, want AR", ack, err)
	}
}
