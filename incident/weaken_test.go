package incident

import (
	"database/sql"
	"testing"

	"github.com/cordon-health/cordon/ocsf"
)

// TestWeaken: a weak explanation takes away what needs none at all, and leaves
// what holds against weak ones; a good one takes both.
func TestWeaken(t *testing.T) {
	o := newOffice(t, Default())
	same := func(f *ocsf.Finding) { f.Events = []string{"ev"} }
	bare := func(f *ocsf.Finding) { f.Bare = true }
	o.add(o.finding("kin", "S1", 70, same), o.finding("none", "S1", 60, same, bare))
	err := o.db.Update(t.Context(), func(tx *sql.Tx) error {
		ch, err := o.desk.Weaken(tx, []string{"ev"}, "explained later, weakly: care-group")
		if err == nil && (len(ch) != 1 || ch[0].Kind != "withdrawn") {
			t.Errorf("changes: %+v", ch)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if cs := o.cases(Query{}); len(cs) != 1 || len(cs[0].Findings) != 1 || cs[0].Findings[0] != "kin" || cs[0].Status == StatusClosed {
		t.Fatalf("after a weak reason: %+v", cs)
	}
	o.withdraw("ev")
	if cs := o.cases(Query{}); len(cs) != 1 || cs[0].Status != StatusClosed {
		t.Fatalf("after a good reason: %+v", cs)
	}
}
