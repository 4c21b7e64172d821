package node

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/cordon-health/cordon/collect"
)

// TestSpoolTellsNothing: the disk of a sensor holds no statement in clear, and
// another token sets aside what it cannot read instead of standing still.
func TestSpoolTellsNothing(t *testing.T) {
	dir, line := t.TempDir(), []byte(`{"query":"SELECT * FROM patient WHERE name='ZHANG MARKED'"}`)
	open := func(token string) *spool {
		s, err := openSpool(dir, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.sealWith(token); err != nil {
			t.Fatal(err)
		}
		return s
	}
	if _, err := open("one").Deliver(t.Context(), collect.Item{Data: line}); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if text, err := os.ReadFile(names[0]); err != nil || bytes.Contains(text, []byte("MARKED")) {
		t.Errorf("a patient is named on disk: %q %v", text, err)
	}
	s := open("one")
	if data, _, err := s.next(t.Context()); err != nil || !bytes.Equal(data, append(line, '\n')) {
		t.Errorf("%q %v", data, err)
	}
	s = open("two")
	if _, err := s.Deliver(t.Context(), collect.Item{Data: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.next(t.Context()); !errors.Is(err, errSpoolKey) {
		t.Error(err)
	}
	if data, done, err := s.next(t.Context()); err != nil || string(data) != "{}\n" || done() != nil || s.size() != 0 {
		t.Errorf("%q %v, %d bytes left", data, err, s.size())
	}
}
