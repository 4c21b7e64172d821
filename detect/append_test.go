package detect

import (
	"encoding/json"
	"testing"
)

// TestAppendedMemory: JSON written by hand is what json.Marshal writes.
func TestAppendedMemory(t *testing.T) {
	x := newBaseline()
	fill(&x, 50, 50)
	for _, name := range []string{"", `a"b\c`, "<&>", "王医生", "tab\t", "bad\xff"} {
		x.people.Keep(name, 7)
		x.patients.Keep(name, 8)
		x.peers.Keep(name, 9).Who.add(name, 5)
	}
	x.people.next = 5
	alike(t, &x.people)
	alike(t, &x.peers)
	alike(t, &x.patients)
	empty := NewMemory[peers](1, 1)
	alike(t, &empty)
}

func alike[T any](t *testing.T, m *Memory[T]) {
	t.Helper()
	got, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(memorySnapshot[T]{m.next, m.all})
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%d and %d bytes differ:\n%.300s\n%.300s", len(got), len(want), got, want)
	}
}
