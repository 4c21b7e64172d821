package directory_test

import (
	"strings"
	"testing"
)

// TestManyBadRows: only the first of very many bad rows are kept, all are
// counted, and a warning says so.
func TestManyBadRows(t *testing.T) {
	d, _, _ := fresh(t)
	const most, bad = 10_000, 10_050
	counts := people(t, d, "person_id,account,name,department\n"+strings.Repeat(",x,y,z\n", bad)+"p1,a,b,c\n")
	if counts.Read != bad+1 || counts.Accepted != 1 || counts.Quarantined != bad || len(counts.Rejects) != most {
		t.Errorf("read %d, accepted %d, quarantined %d, kept %d", counts.Read, counts.Accepted, counts.Quarantined, len(counts.Rejects))
	}
	if len(counts.Warnings) != 1 || !strings.HasPrefix(counts.Warnings[0], "50 of 10050 bad rows") {
		t.Errorf("warnings %q", counts.Warnings)
	}
	large := strings.Repeat("y", 600<<10)
	counts = people(t, d, "person_id,account,name,department\n"+strings.Repeat(",x,"+large+",z\n", 200))
	if kept := len(counts.Rejects); kept < 50 || kept > 120 || counts.Quarantined != 200 {
		t.Errorf("kept %d of %d large rows", kept, counts.Quarantined)
	}
}
