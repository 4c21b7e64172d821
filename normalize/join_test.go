package normalize

import (
	"strconv"
	"testing"

	"github.com/cordon-health/cordon/ocsf"
)

func half(uid, request, patient string, at int64) *ocsf.Event {
	e := &ocsf.Event{ClassUID: ocsf.WebResourcesActivity, Time: at, Metadata: ocsf.Metadata{UID: uid, CorrelationUID: request}}
	if patient != "" {
		e.Patient = &ocsf.Patient{UID: patient}
	}
	return e
}

func TestJoin(t *testing.T) {
	const minute = 60_000
	j := NewJoiner()
	for i, step := range []struct {
		event *ocsf.Event
		want  string
	}{
		{half("c1", "r1", "p1", 0), ""},
		{half("s1", "r1", "p1", minute), "c1"},
		{half("c1", "r1", "p1", 0), ""},         // the first again
		{half("s1", "r1", "p1", minute), "c1"},  // the second again
		{half("x1", "r1", "p1", minute), ""},    // a third is no half
		{half("c2", "r1", "p2", 0), ""},         // another patient
		{half("s2", "", "p2", 0), ""},           // no request id
		{half("s3", "r1", "p2", 11*minute), ""}, // too late
		{half("s4", "r1", "p2", 2*minute), "s3"},
		{half("c5", "r5", "", 0), ""},
		{half("s5", "r5", "", -9*minute), "c5"}, // the order of arrival counts
		{&ocsf.Event{ClassUID: ocsf.Authentication, Metadata: ocsf.Metadata{UID: "l", CorrelationUID: "r5"}}, ""},
	} {
		if got := j.Join(step.event); got != step.want {
			t.Errorf("step %d (%s): %q, want %q", i, step.event.Metadata.UID, got, step.want)
		}
		data, err := j.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		j = NewJoiner()
		if err := j.Restore(data); err != nil {
			t.Fatal(err)
		}
	}
}

func TestJoinerForgets(t *testing.T) {
	j := NewJoiner()
	j.limit = 1000
	for i := range 10_000 {
		j.Join(half("u"+strconv.Itoa(i), "r"+strconv.Itoa(i), "p", int64(i)))
	}
	if len(j.first) > 1000 || len(j.queue)-j.head > 1000 || len(j.queue) > 4000 {
		t.Errorf("%d waiting, queue of %d", len(j.first), len(j.queue))
	}
	j.Join(half("late", "late", "p", 10*joinWindow))
	if len(j.first) != 1 {
		t.Errorf("%d waiting after the window", len(j.first))
	}
	if err := j.Restore([]byte("{")); err == nil {
		t.Error("a broken snapshot is accepted")
	}
}
