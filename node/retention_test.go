package node

import (
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/config"
)

// TestRetention: events that are older than the settings say go; sealed and
// held records stay, and evidence still verifies.
func TestRetention(t *testing.T) {
	s := newSite(t, t.TempDir(), func(c *config.Config) { c.Retention = config.Retention{Days: 365, Hold: []string{"HELD"}} })
	v := s.start(t)
	s.load(t, "watchlist", "kind,patient_id,from,until,reason\nsealed,SEALED,2020-01-01,,dispute\n")
	now := time.Now()
	for id, at := range map[string]time.Time{"old": now.AddDate(-2, 0, 0), "new": now.AddDate(0, 0, -10)} {
		for _, patient := range []string{"P1", "HELD", "SEALED"} {
			s.post(t, look(id+"-"+patient, "nora", patient, at))
		}
	}
	v.drained()
	if err := v.n.expireNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	type row struct{ UID string }
	var left []string
	for _, r := range query[row](t, s, `SELECT uid FROM records WHERE uid LIKE 'old-%' OR uid LIKE 'new-%' ORDER BY uid`) {
		left = append(left, r.UID)
	}
	if got := strings.Join(left, " "); got != "new-HELD new-P1 new-SEALED old-HELD old-SEALED" {
		t.Errorf("left are %s", got)
	}
	v.verified()
	v.stop()
	s.verified(t)
}
