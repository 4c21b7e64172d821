package detect

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/ocsf"
)

// failing panics on events of one class and counts the others.
type failing struct{ n int }

func (*failing) Info() Info { return Info{ID: "failing"} }

func (d *failing) Detect(_ *Context, ev *ocsf.Event) {
	if d.n++; ev.ClassUID == ocsf.Authentication {
		_ = []int{}[d.n]
	}
}

func (d *failing) Snapshot() ([]byte, error) { return json.Marshal(d.n) }

func (d *failing) Restore(data []byte) error {
	d.n = 0
	if data == nil {
		return nil
	}
	return json.Unmarshal(data, &d.n)
}

// TestStopped: a detector that fails is stopped and named; the others, and the
// snapshot, go on.
func TestStopped(t *testing.T) {
	bad, good := &failing{}, &counting{}
	e, err := New(Default(), World{}, []Detector{bad, good})
	if err != nil {
		t.Fatal(err)
	}
	for _, class := range []ocsf.Class{ocsf.WebResourcesActivity, ocsf.Authentication, ocsf.WebResourcesActivity} {
		e.Process(&ocsf.Event{ClassUID: class})
	}
	if bad.n != 2 || good.n != 3 {
		t.Errorf("the failing detector saw %d events, want 2; the other %d, want 3", bad.n, good.n)
	}
	list := e.Stopped()
	if len(list) != 1 || list[0].Detector != "failing" || !strings.Contains(list[0].Reason, "index out of range") {
		t.Errorf("stopped: %+v", list)
	}
	memory, err := e.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Restore(memory); err != nil || bad.n != 2 {
		t.Errorf("restored with %v, memory %d", err, bad.n)
	}
}

// counting counts events.
type counting struct{ n int }

func (*counting) Info() Info { return Info{ID: "counting"} }

func (d *counting) Detect(*Context, *ocsf.Event) { d.n++ }
