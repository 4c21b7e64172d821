package incident

import (
	"database/sql"
	"slices"
	"testing"

	"github.com/cordon-health/cordon/ocsf"
)

func TestFindingThatGrowsInOneMomentIsOneVersion(t *testing.T) {
	o := newOffice(t, Default())
	form := func(events ...string) ocsf.Finding {
		return ocsf.Finding{UID: "f", Analytic: "x", Person: "E1", Time: o.noon, Risk: 50, Events: events, Unexplained: true}
	}
	o.add(form("a"), form("a", "b"), ocsf.Finding{UID: "g", Analytic: "y", Person: "E2", Time: o.noon, Risk: 50, Events: []string{"a"}, Unexplained: true}, form("a", "b", "c"))
	versions, err := o.desk.book.History(t.Context(), KindFinding, "f")
	if err != nil {
		t.Fatal(err)
	}
	f, err := o.desk.Finding(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	if len(versions) != 1 || !slices.Equal(f.Events, []string{"a", "b", "c"}) {
		t.Errorf("%d versions, the last with events %v", len(versions), f.Events)
	}
	for _, ev := range []string{"a", "b", "c"} {
		if uids := o.findingsOf(ev); !slices.Contains(uids, "f") {
			t.Errorf("the index of event %s has %v", ev, uids)
		}
	}
}

func (o *office) findingsOf(event string) []string {
	o.t.Helper()
	var uids []string
	err := o.db.View(o.t.Context(), func(tx *sql.Tx) (err error) {
		uids, err = o.desk.findingsOf(tx, event)
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return uids
}
