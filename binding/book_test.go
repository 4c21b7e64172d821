package binding_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/internal/pgtest"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/postgres"
	"github.com/cordon-health/cordon/store/sqlite"
)

type desk struct {
	t   *testing.T
	db  *store.DB
	log *evidence.Log
	b   *binding.Book
	mu  sync.Mutex
	at  time.Time // guarded by mu where it changes: the log of evidence reads it, too
}

func (d *desk) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at
}

// until lets time pass.
func (d *desk) until(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = t
}

func newDesk(t *testing.T, db *store.DB) *desk {
	d := &desk{t: t, db: db, at: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)}
	t.Cleanup(func() { db.Close() })
	log, err := evidence.Open(t.Context(), evidence.Config{Dir: t.TempDir()}, db, d.now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close(context.Background()) })
	d.log = log
	d.open()
	return d
}

func (d *desk) open() {
	b, err := binding.Open(d.t.Context(), d.db, d.log, d.now, slog.New(slog.DiscardHandler))
	if err != nil {
		d.t.Fatal(err)
	}
	d.b = b
}

func both(t *testing.T, f func(*testing.T, *desk)) {
	t.Run("sqlite", func(t *testing.T) {
		db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"))
		if err != nil {
			t.Fatal(err)
		}
		f(t, newDesk(t, db))
	})
	t.Run("postgres", func(t *testing.T) {
		db, err := postgres.Open(t.Context(), pgtest.Start(t))
		if err != nil {
			t.Fatal(err)
		}
		f(t, newDesk(t, db))
	})
}

func m(n byte) packet.MAC { return packet.MAC{2, 0, 0, 0, 0, n} }

func (d *desk) sees(list ...binding.Summary) {
	d.t.Helper()
	for i := range list {
		list[i].Sensor = "s1"
		if list[i].At == 0 {
			list[i].At = d.at.UnixNano()
		}
	}
	if err := d.b.Apply(d.t.Context(), list); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) list(f binding.Filter) []binding.Binding {
	d.t.Helper()
	list, err := d.b.List(d.t.Context(), f)
	if err != nil {
		d.t.Fatal(err)
	}
	return list
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func a(n byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 2, 3, n}) }

func TestLearnReviewLock(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		d.sees(binding.Summary{MAC: m(1), IP: a(1)}, binding.Summary{MAC: m(2), IP: a(2)}, binding.Summary{MAC: m(3), IP: netip.MustParseAddr("10.9.0.1")})
		d.sees(binding.Summary{MAC: m(1), IP: a(1)})
		if l := d.list(binding.Filter{State: binding.Learnt}); len(l) != 3 || l[0].IP != "10.2.3.1" {
			t.Fatalf("%+v", l)
		}
		net := binding.Network{Prefix: netip.MustParsePrefix("10.2.3.0/24")}
		n, err := d.b.DecideNetwork(ctx, net, binding.Decision{Act: binding.Confirm, Person: "P7", Department: "imaging", By: "li.na", Reason: "walked through"}, binding.Learnt)
		if err != nil || n != 2 {
			t.Fatal(n, err)
		}
		d.must(d.b.SetNetwork(ctx, net.Prefix, 0, true, "li.na", "reviewed"))
		bound := d.list(binding.Filter{State: binding.Bound})
		if len(bound) != 2 || bound[0].Person != "P7" || bound[0].DecidedBy != "li.na" || bound[0].Decided == 0 {
			t.Fatalf("%+v", bound)
		}
		d.must(d.b.Decide(ctx, binding.Decision{Act: binding.Lock, IDs: []string{bound[0].ID}, By: "wang"}))
		if err := d.b.Decide(ctx, binding.Decision{Act: binding.Lock, IDs: []string{"b-nothing"}, By: "wang"}); !errors.Is(err, binding.ErrUnknown) {
			t.Error(err)
		}
		if err := d.b.Decide(ctx, binding.Decision{Act: binding.Lock, IDs: []string{bound[0].ID}}); err == nil {
			t.Error("nobody decided")
		}
		records, err := d.log.History(ctx, binding.Kind, bound[0].ID)
		if err != nil || len(records) != 2 || records[1].Status != "locked" || records[1].Person != "P7" {
			t.Errorf("%+v %v", records, err)
		}
		// It is all there after a restart, in the table too.
		before := d.b.Table(nil)
		d.open()
		if after := d.b.Table(nil); !reflect.DeepEqual(before, after) || len(after.Entries) != 3 || !after.Networks[0].Locked {
			t.Errorf("%+v\n%+v", before, after)
		}
		d.must(d.b.SetNetwork(ctx, net.Prefix, 0, false, "li.na", "moved house"))
		if tb := d.b.Table(nil); len(tb.Networks) != 0 || tb.Mark == before.Mark {
			t.Errorf("%+v", tb)
		}
	})
}

func TestWho(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		start := d.at
		d.sees(binding.Summary{MAC: m(1), IP: a(4)})
		d.until(start.Add(time.Hour))
		id := d.list(binding.Filter{})[0].ID
		d.must(d.b.Decide(ctx, binding.Decision{Act: binding.Confirm, IDs: []string{id}, Person: "P1", By: "li.na", Reason: "ticket 11"}))
		d.until(start.Add(2 * time.Hour))
		if _, err := d.b.Put(ctx, binding.Binding{MAC: "02-00-00-00-00-09", IP: "10.2.3.4", Person: "P2"}, "wang", "new machine, ticket 12"); err != nil {
			t.Fatal(err)
		}
		ask := func(after time.Duration) []binding.Holder {
			h, err := d.b.Who(ctx, a(4), start.Add(after).UnixMilli())
			d.must(err)
			return h
		}
		if h := ask(-time.Minute); len(h) != 0 {
			t.Errorf("%+v", h)
		}
		if h := ask(30 * time.Minute); len(h) != 1 || h[0].By != "" || h[0].Binding.State != binding.Learnt || h[0].Binding.Person != "" {
			t.Errorf("%+v", h)
		}
		if h := ask(90 * time.Minute); len(h) != 1 || h[0].By != "li.na" || h[0].Reason != "ticket 11" || h[0].Binding.Person != "P1" {
			t.Errorf("%+v", h)
		}
		h := ask(3 * time.Hour)
		if len(h) != 1 || h[0].By != "wang" || h[0].Binding.MAC != "02:00:00:00:00:09" || h[0].Binding.Before != id {
			t.Errorf("%+v", h)
		}
		all, err := d.b.History(ctx, a(4))
		if err != nil || len(all) != 2 || all[1].State != binding.Ended || all[1].Until != d.at.UnixMilli() {
			t.Errorf("%+v %v", all, err)
		}
		if l, err := d.b.Decisions(ctx, id); err != nil || len(l) != 2 || l[1].By != "wang" || l[1].Act != binding.End {
			t.Errorf("%+v %v", l, err)
		}
	})
}

// TestLeases: a leased address follows the DHCP ACK, and keeps who is
// responsible for the machine.
func TestLeases(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		ctx, dhcp := t.Context(), a(2)
		if _, err := d.b.Put(ctx, binding.Binding{MAC: "02:00:00:00:00:01", Person: "P1"}, "li.na", "ward laptop"); err != nil {
			t.Fatal(err)
		}
		d.sees(binding.Summary{MAC: m(1), IP: a(50), Server: dhcp})
		d.until(d.at.Add(time.Hour))
		d.sees(binding.Summary{MAC: m(1), IP: a(51), Server: dhcp}, binding.Summary{MAC: m(3), IP: a(50), Server: dhcp})
		var got []string
		for _, x := range d.list(binding.Filter{Ended: true}) {
			got = append(got, strings.Join([]string{x.IP, x.MAC[15:], string(x.State), x.Person, x.DecidedBy}, " "))
		}
		want := []string{" 01 bound P1 li.na", "10.2.3.50 03 learnt  ", "10.2.3.50 01 ended P1 dhcp 10.2.3.2", "10.2.3.51 01 bound P1 dhcp 10.2.3.2"}
		if !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		// A static address stays whose it is, whoever leases it.
		if _, err := d.b.Put(ctx, binding.Binding{MAC: "02:00:00:00:00:07", IP: "10.2.3.7"}, "li.na", ""); err != nil {
			t.Fatal(err)
		}
		d.until(d.at.Add(time.Hour))
		d.sees(binding.Summary{MAC: m(8), IP: a(7), Server: dhcp}, binding.Summary{MAC: m(9), IP: a(7)})
		if h, err := d.b.Who(ctx, a(7), d.at.UnixMilli()); err != nil || len(h) != 1 || h[0].Binding.MAC != "02:00:00:00:00:07" {
			t.Errorf("%+v %v", h, err)
		}
	})
}

func TestRepeated(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		list := []binding.Summary{
			{MAC: m(1), IP: a(1), At: d.at.UnixNano()}, {MAC: m(2), IP: a(1), At: d.at.UnixNano() + 1e12},
			{MAC: m(3), IP: a(3), Server: a(9), At: d.at.UnixNano() + 2e12}, {Role: binding.RoleDHCP, IP: a(9), MAC: m(9), At: d.at.UnixNano()},
		}
		d.sees(list...)
		one := d.list(binding.Filter{Ended: true})
		slices.Reverse(list)
		d.sees(list...)
		if two := d.list(binding.Filter{Ended: true}); !reflect.DeepEqual(one, two) || len(two) != 3 {
			t.Errorf("%+v\n%+v", one, two)
		}
		if k := d.b.KnownList(); len(k) != 1 || k[0].State != binding.Learnt {
			t.Errorf("%+v", k)
		}
		d.must(d.b.SetKnown(t.Context(), binding.Known{Role: binding.RoleDHCP, IP: a(9), MAC: "0200.0000.0009", By: "li.na"}))
		if k := d.b.KnownList(); len(k) != 1 || k[0].State != binding.Bound {
			t.Errorf("%+v", k)
		}
		d.must(d.b.SetKnown(t.Context(), binding.Known{Role: binding.RoleDHCP, IP: a(9), MAC: "0200.0000.0009", By: "li.na", State: binding.Ended}))
		d.open()
		if k := d.b.KnownList(); len(k) != 0 {
			t.Errorf("%+v", k)
		}
	})
}

func TestCSV(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		file := "\ufeffMAC,ip,department,person_id,note,vlan\n" +
			"0200.0000.0001,10.2.3.1,imaging,P1,=CT 1,20\n02:00:00:00:00:02,,nursing,P2,laptop,\nnonsense,10.2.3.3,,,,\n02:00:00:00:00:04,10.2.3.999,,,,\n02:00:00:00:00:05,10.2.3.5,,,,9999\n"
		n, rejects, err := d.b.Import(t.Context(), strings.NewReader(file), "li.na", "list of 2026")
		if err != nil || n != 2 || len(rejects) != 3 || rejects[0].Line != 4 {
			t.Fatal(n, rejects, err)
		}
		var out bytes.Buffer
		d.must(d.b.Export(t.Context(), &out, binding.Filter{}))
		want := "mac,ip,port,vlan,person_id,department,note\n02:00:00:00:00:02,,,,P2,nursing,laptop\n02:00:00:00:00:01,10.2.3.1,,20,P1,imaging,'=CT 1\n"
		if out.String() != want {
			t.Errorf("%q", out.String())
		}
		mark := d.b.Table(nil).Mark
		d.until(d.at.Add(time.Hour))
		if n, rejects, err := d.b.Import(t.Context(), &out, "wang", "again"); n != 2 || len(rejects) != 0 || err != nil || d.b.Table(nil).Mark != mark {
			t.Error(n, rejects, err)
		}
		if l := d.list(binding.Filter{}); l[0].DecidedBy != "li.na" {
			t.Errorf("%+v", l)
		}
		if _, _, err := d.b.Import(t.Context(), strings.NewReader("a,b\n1,2\n"), "x", ""); err == nil {
			t.Error("no header")
		}
	})
}

func TestConflicts(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		if _, err := d.b.Put(ctx, binding.Binding{MAC: "02:00:00:00:00:07", IP: "10.2.3.7"}, "li.na", ""); err != nil {
			t.Fatal(err)
		}
		al := asset.Alarm{Kind: asset.ARPSpoof, At: d.at.UnixNano(), Culprit: asset.Party{MAC: m(3)}, Victim: asset.Party{MAC: m(7), IP: a(7)}, Args: []string{binding.WhyBound}, Count: 2}
		d.must(d.b.Alarm(ctx, al))
		d.must(d.b.Alarm(ctx, al)) // the same event again
		al.At, al.Count = al.At+1e9, 5
		d.must(d.b.Alarm(ctx, al))
		d.must(d.b.Alarm(ctx, asset.Alarm{Kind: asset.OldTLS, At: 1}))
		l, err := d.b.Conflicts(ctx, 0)
		if err != nil || len(l) != 1 || l[0].Times != 7 || l[0].Bound == nil || l[0].Why.ZH == "" {
			t.Errorf("%+v %v", l, err)
		}
	})
}

func TestWire(t *testing.T) {
	s := binding.Summary{At: 1772499600000 * 1e6, Sensor: "s1", MAC: m(1), IP: a(1), VLAN: 20, Port: "p1", How: "dhcp", Server: a(2), Until: 1772499700000 * 1e6, Role: binding.RoleTeam, Also: m(2)}
	ev := s.Event()
	var back ocsf.Event
	if err := json.Unmarshal(ev.AppendJSON(nil), &back); err != nil {
		t.Fatal(err)
	}
	if got, ok := binding.SummaryOf(&back); !ok || got != s {
		t.Errorf("%+v", got)
	}
	if ev.Metadata.LogName = "other"; true {
		if _, ok := binding.SummaryOf(ev); ok {
			t.Error("somebody else's event")
		}
	}
}

func TestReasons(t *testing.T) {
	for _, why := range binding.Reasons() {
		if x := binding.Explain(why); x.EN == "" || x.ZH == "" {
			t.Errorf("%s is not explained", why)
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add("mac,ip\n02:00:00:00:00:01,10.0.0.1\n")
	f.Add("\xef\xbb\xbfmac;ip\n\"\n")
	db, err := sqlite.Open(f.Context(), filepath.Join(f.TempDir(), "records.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { db.Close() })
	log, err := evidence.Open(f.Context(), evidence.Config{Dir: f.TempDir()}, db, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { log.Close(context.Background()) })
	b, err := binding.Open(f.Context(), db, log, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, file string) {
		if len(file) < 4096 {
			_, _, _ = b.Import(context.Background(), strings.NewReader(file), "fuzz", "")
		}
	})
}
