package quarantine

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-health/cordon/store/sqlite"
)

func open(t *testing.T) *Book {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	b, err := New(t.Context(), db, func() time.Time { return time.UnixMilli(1000) })
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLife(t *testing.T) {
	b, ctx := open(t), context.Background()
	it := Item{Source: "mllp", Format: "hl7v2", Reason: "MSH is missing", Received: 5, Data: []byte{0, 1, 0xff}}
	for range 3 { // the same input again is the same item
		if err := b.Add(ctx, it); err != nil {
			t.Fatal(err)
		}
	}
	list, err := b.List(ctx, Open, 10, 0)
	if err != nil || len(list) != 1 || string(list[0].Data) != string(it.Data) {
		t.Fatalf("%v %v", list, err)
	}
	id := list[0].ID
	if err := b.Failed(ctx, id, "PID is missing", "anna"); err != nil {
		t.Fatal(err)
	}
	if got, _ := b.Get(ctx, id); got.Tries != 1 || got.Reason != "PID is missing" || got.State != Open {
		t.Fatalf("%+v", got)
	}
	if n, _ := b.Count(ctx, Open); n["mllp"] != 1 {
		t.Fatal(n)
	}
	if err := b.Settle(ctx, id, Replayed, "anna"); err != nil {
		t.Fatal(err)
	}
	if n, _ := b.Count(ctx, Open); n["mllp"] != 0 {
		t.Fatal(n)
	}
	for _, settled := range []string{Discarded, Replayed} {
		if err := b.Settle(ctx, id, settled, "anna"); err != nil {
			t.Fatal(err)
		}
		again := it
		again.Reason, again.Received = "EVN is missing", 9
		if err := b.Add(ctx, again); err != nil {
			t.Fatal(err)
		}
		if got, _ := b.Get(ctx, id); got.State != Open || got.Reason != again.Reason || got.Received != 9 || got.By != "" {
			t.Fatalf("%s, then it came again: %+v", settled, got)
		}
	}
	if _, err := b.Get(ctx, "nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := b.Settle(ctx, "nothing", Discarded, ""); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}
