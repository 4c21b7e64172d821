package node

import (
	"io"
	"testing"
)

// TestChecks: every check explains itself, in both languages, names the clauses
// that ask, and answers on an empty server.
func TestChecks(t *testing.T) {
	n := newSite(t, t.TempDir()).open(t, io.Discard)
	t.Cleanup(func() { _ = n.Close() })
	seen := map[string]bool{}
	for _, c := range n.lawChecks() {
		if err := c.Complete(); err != nil {
			t.Error(err)
		}
		if seen[c.ID] {
			t.Errorf("check %s is offered twice", c.ID)
		}
		seen[c.ID] = true
		a, err := c.Ask(t.Context(), n.now().UnixMilli())
		if err != nil || a.State == "" || a.Text.EN == "" || a.Text.ZH == "" {
			t.Errorf("%s: %+v %v", c.ID, a, err)
		}
	}
	if len(seen) < 7 {
		t.Errorf("%d checks", len(seen))
	}
}
