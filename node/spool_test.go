package node

import (
	"testing"

	"github.com/cordon-health/cordon/collect"
)

// TestSpool: what was delivered is a line each, survives the sensor, goes out
// in order and once, and has its bound.
func TestSpool(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	s, err := openSpool(dir, 40)
	if err != nil {
		t.Fatal(err)
	}
	for _, items := range [][]collect.Item{{{Data: []byte(`{"a":1}`)}, {Data: []byte(`{"a":2}`)}}, {{Data: []byte("{\"a\":3}\n{\"a\":4}\n")}}} {
		if _, err := s.Deliver(ctx, items...); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Deliver(ctx, collect.Item{Data: []byte(`{"a":5}`)}, collect.Item{Data: []byte(`{"a":6}`)}); err != errSpoolFull {
		t.Errorf("beyond the bound: %v", err)
	}
	if s, err = openSpool(dir, 100); err != nil { // after kill -9
		t.Fatal(err)
	}
	if _, err := s.Deliver(ctx, collect.Item{Data: []byte(`{"a":5}`)}); err != nil {
		t.Fatal(err)
	}
	data, done, err := s.next(ctx)
	if want := "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n{\"a\":4}\n{\"a\":5}\n"; err != nil || string(data) != want {
		t.Fatalf("%q %v, want %q", data, err, want)
	}
	if err := done(); err != nil || s.size() != 0 {
		t.Error(s.size(), err)
	}
	if s, err = openSpool(dir, 100); err != nil || s.size() != 0 {
		t.Error("sent twice", err)
	}
}
