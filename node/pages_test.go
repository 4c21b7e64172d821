package node

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestManyFindings asks for more findings and cases than one page of the store
// holds, many of them with the same time and the same risk; with CORDON_LONG
// set, more cases too.
func TestManyFindings(t *testing.T) {
	s := newSite(t, t.TempDir())
	v := s.start(t)
	s.load(t, "watchlist", decoys)
	at := time.Now().Add(-24 * time.Hour).Truncate(time.Second)
	many := 520
	if os.Getenv(longEnv) != "" {
		many = 1300
	}
	decoy := map[string]bool{}
	var b strings.Builder
	for i := range many {
		id := fmt.Sprintf("many-%04d", i)
		decoy[id] = true
		b.WriteString(look(id, "u-"+id, "DECOY", at.Add(time.Duration(i/7)*time.Second)))
	}
	s.post(t, b.String())
	v.drained()
	checkFindings(t, s, decoy)
}
