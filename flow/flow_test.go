package flow

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordon-health/cordon/internal/pgtest"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/postgres"
	"github.com/cordon-health/cordon/store/sqlite"
)

const noon = int64(1772438400000) // 2026-03-02 08:00 UTC

func store1(sensor string, from, sessions int64) Conversation {
	return Conversation{
		Key:  Key{Client: netip.MustParseAddr("10.2.0.9"), Server: netip.MustParseAddr("10.3.0.2"), Proto: 6, Port: 11112, App: "dicom"},
		From: from, Until: from + 60_000, Sensor: sensor, ClientName: "CT1", ServerName: "PACS", Sessions: sessions, PacketsOut: 10 * sessions,
		BytesOut: 1000 * sessions, Calls: map[string]int64{"C-STORE": sessions}, Clear: []string{"patient"},
	}
}

func same() cmp.Option { return cmp.Comparer(func(a, b netip.Addr) bool { return a == b }) }

func TestEvent(t *testing.T) {
	c := store1("core", noon, 3)
	var ev ocsf.Event
	if err := ocsf.Decode(c.Event().AppendJSON(nil), &ev); err != nil {
		t.Fatal(err)
	}
	got, ok := Of(&ev)
	if diff := cmp.Diff(c, got, same()); !ok || diff != "" {
		t.Error(ok, diff)
	}
	ev.Metadata.Product.Name = "Other"
	if _, ok := Of(&ev); ok {
		t.Error("another product's word counts")
	}
}

func save(t *testing.T, db *store.DB, b *Book, now int64) {
	t.Helper()
	ch := b.Changes(now)
	if err := db.Update(t.Context(), func(tx *sql.Tx) error { return ch.Write(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
	b.Saved()
}

func read(t *testing.T, b *Book, from, until int64) (out []string) {
	t.Helper()
	for c, err := range b.Conversations(t.Context(), from, until) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%d %s %s>%s:%d %s n=%d store=%d", (c.From-noon)/3_600_000, c.Sensor, c.Client, c.Server, c.Port, c.App, c.Sessions, c.Calls["C-STORE"]))
	}
	return out
}

func TestBook(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) { testBook(t, open(t, engine)) })
	}
}

func open(t testing.TB, engine string) *store.DB {
	var db *store.DB
	var err error
	if engine == "sqlite" {
		db, err = sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "flow.db"))
	} else {
		db, err = postgres.Open(t.Context(), pgtest.Start(t))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func testBook(t *testing.T, db *store.DB) {
	b, err := Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	b.Apply(store1("core", noon, 2))
	b.Apply(store1("core", noon+120_000, 3))
	b.Apply(store1("ward", noon+60_000, 4)) // sees a part of the same
	first := []string{"0 core 10.2.0.9>10.3.0.2:11112 dicom n=5 store=5"}
	if diff := cmp.Diff(first, read(t, b, noon, noon+3_600_000)); diff != "" {
		t.Error("before a checkpoint:", diff)
	}
	save(t, db, b, noon)
	if diff := cmp.Diff(first, read(t, b, noon, noon+3_600_000)); diff != "" {
		t.Error("after it:", diff)
	}
	b.Apply(store1("core", noon+180_000, 1)) // the same hour again
	b.Apply(store1("core", noon+3_600_000, 7))
	both := []string{"0 core 10.2.0.9>10.3.0.2:11112 dicom n=6 store=6", "1 core 10.2.0.9>10.3.0.2:11112 dicom n=7 store=7"}
	if diff := cmp.Diff(both, read(t, b, noon, noon+7_200_000)); diff != "" {
		t.Error("store and memory:", diff)
	}
	if diff := cmp.Diff(both, read(t, b, 0, 1<<62)); diff != "" { // hours that never were cost nothing
		t.Error("of all time:", diff)
	}
	failed := b.Changes(noon) // a checkpoint that was never written
	_ = failed
	b.Apply(store1("core", noon+3_700_000, 1))
	save(t, db, b, noon)
	both[1] = "1 core 10.2.0.9>10.3.0.2:11112 dicom n=8 store=8"
	again, err := Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(both, read(t, again, noon, noon+7_200_000)); diff != "" {
		t.Error("after a restart:", diff)
	}
	if got := collect(t, again, "10.3.0.2"); got != 2 {
		t.Errorf("%d hours of the PACS, want 2", got)
	}
	if got := collect(t, again, "10.3.0.3"); got != 0 {
		t.Errorf("%d hours of nobody, want 0", got)
	}
	save(t, db, again, noon+Keep.Milliseconds()+3_600_000) // writes nothing, forgets nothing
	again.Apply(store1("core", noon+Keep.Milliseconds(), 1))
	save(t, db, again, noon+Keep.Milliseconds()+3_600_000)
	if got := read(t, again, noon, noon+7_200_000); len(got) != 1 {
		t.Errorf("old hours are not forgotten: %v", got)
	}
}

func collect(t *testing.T, b *Book, addr string) (n int) {
	for _, err := range b.Of(context.Background(), netip.MustParseAddr(addr), noon, noon+7_200_000) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}
