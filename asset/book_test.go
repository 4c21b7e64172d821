package asset

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/internal/pgtest"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/postgres"
	"github.com/cordon-health/cordon/store/sqlite"
)

// world is a book and what it stands on.
type world struct {
	t    testing.TB
	db   *store.DB
	log  *evidence.Log
	opts Options
	*Book
	mu  sync.Mutex
	now time.Time // guarded by mu where it changes: the log of evidence reads it, too
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func newWorld(t testing.TB, db *store.DB) *world {
	t.Helper()
	w := &world{t: t, db: db, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	now := w.clock
	dir := t.TempDir()
	var err error
	w.log, err = evidence.Open(context.Background(), evidence.Config{Dir: dir, KeyDir: dir, Origin: "test.example/log"}, db, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.log.Close(context.Background()); _ = db.Close() })
	w.opts = Options{Now: now, Log: slog.New(slog.DiscardHandler), Evidence: w.log, Fingerprints: os.DirFS("../content/devices")}
	w.reopen()
	return w
}

func (w *world) reopen() {
	w.t.Helper()
	var err error
	if w.Book, err = Open(context.Background(), w.db, w.opts); err != nil {
		w.t.Fatal(err)
	}
}

// checkpoint writes the book as the pipeline does.
func (w *world) checkpoint() {
	w.t.Helper()
	c := w.Changes()
	if err := w.db.Update(context.Background(), c.Write); err != nil {
		w.t.Fatal(err)
	}
	w.Saved()
}

// see applies an observation: mac, ip (either may be ""), protocol, facts as
// name=value.
func (w *world) see(mac, ip, protocol string, facts ...string) []Alarm {
	return w.Apply(w.sight(mac, ip, protocol, facts...))
}

func (w *world) sight(mac, ip, protocol string, facts ...string) Observation {
	o := Observation{At: w.now.UnixNano(), Sensor: "s1", MAC: ParseMAC(mac), IP: ParseAddr(ip), Protocol: protocol}
	for _, f := range facts {
		name, value, _ := strings.Cut(f, "=")
		o.Facts = append(o.Facts, Fact{FactName(name), value})
	}
	return o
}

func (w *world) at(address string) Device {
	w.t.Helper()
	d, ok := w.ByAddress(address, 0)
	if !ok {
		w.t.Fatalf("nobody has the address %s", address)
	}
	return d
}

func engines(t *testing.T, fn func(*testing.T, *store.DB)) {
	t.Run("sqlite", func(t *testing.T) { fn(t, openSQLite(t)) })
	t.Run("postgres", func(t *testing.T) {
		db, err := postgres.Open(t.Context(), pgtest.Start(t))
		if err != nil {
			t.Fatal(err)
		}
		fn(t, db)
	})
}

func openSQLite(t testing.TB) *store.DB {
	t.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// inMemory is a book without a store, for what needs none.
func inMemory(t testing.TB, k *Knowledge) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	w.opts = Options{Now: w.clock, Learning: usualLearning, Most: usualMost}
	w.Book = &Book{opts: w.opts, know: k}
	w.clear()
	return w
}

const (
	siemensCT = "08:00:06:00:00:01"
	pc        = "00:14:22:00:00:02"
	gateway   = "00:00:0c:00:00:03"
)

var scanner = []string{"ae-title=CT1", "dicom-impl-uid=1.3.12.2.1107.5.1", "client-of=dicom", "dicom-sop=1.2.840.10008.5.1.4.1.1.2"}

// What was seen, said and imported is the same after a restart, on both
// engines; what no checkpoint kept comes again from the stream.
func TestKeptOverARestart(t *testing.T) {
	engines(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.see(siemensCT, "10.1.1.5", "arp")
		w.see(siemensCT, "10.1.1.5", "dicom", scanner...)
		w.see("", "10.9.9.9", "dicom", "ae-title=PACS", "service=tcp/104 dicom", "dicom-sop-scp=1.2.840.10008.5.1.4.1.2.2.1")
		ct := w.at("10.1.1.5")
		if ct.What.Kind != "ct" || ct.What.Vendor != "Siemens Healthineers" || !ct.What.Medical || ct.What.Confidence < 0.9 {
			t.Fatalf("%+v", ct.What)
		}
		if _, err := w.Edit(t.Context(), Edit{Device: ct.ID, Fields: map[string]string{"department": "Radiology", "life_support": "no", "criticality": "high"}, By: "anna", Why: "round"}); err != nil {
			t.Fatal(err)
		}
		w.checkpoint()
		w.see(pc, "10.2.2.2", "dhcp", "hostname=WARD-PC1")
		if _, err := w.Edit(t.Context(), Edit{Device: w.at("10.2.2.2").ID, Fields: map[string]string{"owner": "S1"}, By: "anna"}); err != nil {
			t.Fatal(err)
		}
		before, _ := w.Devices(Filter{})
		w.reopen() // the last observation was never kept
		if d, ok := w.Device("m-001422000002"); !ok || d.Owner != "S1" {
			t.Errorf("what a person said is lost: %+v %v", d, ok)
		}
		w.see(pc, "10.2.2.2", "dhcp", "hostname=WARD-PC1")
		after, _ := w.Devices(Filter{})
		if !reflect.DeepEqual(before, after) {
			t.Errorf("before %+v\nafter  %+v", before, after)
		}
		if list, err := w.log.History(t.Context(), KindDevice, ct.ID); err != nil || len(list) != 1 || list[0].Ref != "anna" {
			t.Errorf("evidence of the change: %v %v", list, err)
		}
	})
}

func TestACheckpointThatFailedIsRepeated(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	w.see(pc, "10.2.2.2", "dhcp", "hostname=A")
	_ = w.Changes() // the transaction failed: Saved is not called
	w.see(gateway, "10.2.2.1", "arp")
	w.checkpoint()
	w.reopen()
	if _, n := w.Devices(Filter{}); n != 2 {
		t.Errorf("%d devices, want 2", n)
	}
}

// A router's card carries the packets of all devices behind it. They stay
// apart from it, and from each other, whatever comes first.
func TestRoutersDoNotSwallowDevices(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	for i := range 40 {
		w.see(gateway, fmt.Sprintf("10.5.%d.7", i), "http", fmt.Sprintf("hostname=host%d", i))
	}
	w.see(gateway, "10.1.1.1", "arp")
	w.see(gateway, "10.5.1.7", "dicom", scanner...)
	_, n := w.Devices(Filter{})
	if n != 41 {
		t.Errorf("%d devices, want 40 and the router", n)
	}
	if d := w.at("10.5.1.7"); d.What.Kind != "ct" || len(d.MACs) != 0 || d.Name != "host1" {
		t.Errorf("behind the router: %+v", d)
	}
	if d := w.at("10.5.0.7"); d.Name != "host0" { // seen before anybody knew that it is a router
		t.Errorf("first behind the router: %+v", d)
	}
	if d := w.at(gateway); d.What.Kind != "router" || !slices.Equal(d.IPs, []string{"10.1.1.1"}) {
		t.Errorf("router: %+v", d)
	}
	// Its own cable tells whose an address is, wherever its packets come from.
	w.see(pc, "10.6.0.9", "arp")
	w.see(gateway, "10.6.0.9", "http", "hostname=WARD9")
	if d := w.at("10.6.0.9"); d.ID != "m-001422000002" || d.Name != "WARD9" {
		t.Errorf("seen through a router: %+v", d)
	}
}

func TestSharedRouterAddressesAreNobodysCard(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	for _, mac := range []string{"00:00:5e:00:01:0a", "00:00:0c:07:ac:01", "00:00:0c:9f:f0:02"} {
		w.see(mac, "10.1.1.1", "arp")
		if d := w.at(mac); d.What.Kind != "router" {
			t.Errorf("%s: %+v", mac, d.What)
		}
		w.see(mac, "10.8.8.8", "http", "hostname=B")
	}
	if d := w.at("10.8.8.8"); len(d.MACs) != 0 {
		t.Errorf("swallowed: %+v", d)
	}
}

func TestAnAddressChangesHands(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	w.see(pc, "10.2.2.2", "dhcp", "hostname=A")
	first := w.now
	w.pass(48 * time.Hour)
	w.see("00:14:22:00:00:77", "10.2.2.2", "dhcp", "hostname=B")
	if d, ok := w.ByAddress("10.2.2.2", first.UnixMilli()+1000); !ok || d.Name != "A" {
		t.Errorf("then: %+v", d)
	}
	if d := w.at("10.2.2.2"); d.Name != "B" {
		t.Errorf("now: %+v", d)
	}
	if _, ok := w.ByAddress("10.2.2.2", first.UnixMilli()-1); ok {
		t.Error("somebody had the address before anybody was seen with it")
	}
	// Behind a router only a contradiction tells that it is another.
	w.see("", "10.7.7.7", "snmp", "serial=AAA-12345")
	w.see("", "10.7.7.7", "http", "user-agent=x")
	w.see("", "10.7.7.7", "snmp", "serial=BBB-99999")
	if d := w.at("10.7.7.7"); d.Serial != "BBB-99999" || d.ID != "i-10-7-7-7_2" {
		t.Errorf("%+v", d)
	}
}

func TestOneMachineWithSeveralCards(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	duid := "client-id=ff000000010001000129aabbcc001422000002"
	w.see(pc, "10.2.2.2", "dhcp", "hostname=SRV1", duid)
	w.see("00:14:22:00:00:99", "10.3.3.3", "dhcp", "hostname=SRV1", duid)
	d := w.at("10.3.3.3")
	if d.ID != "m-001422000002" || len(d.MACs) != 2 || len(d.Together) != 1 || d.Together[0].Why.EN == "" {
		t.Errorf("%+v", d)
	}
	// Copies of a disk image have one id and many names.
	w.see("00:14:22:00:00:98", "10.3.3.4", "dhcp", "hostname=SRV2", duid)
	if d := w.at("10.3.3.4"); d.Name != "SRV2" || len(d.MACs) != 1 {
		t.Errorf("a copy was taken for the same: %+v", d)
	}
	// A person knows better.
	if _, err := w.Split(t.Context(), "m-001422000099", "anna", "two machines"); err != nil {
		t.Fatal(err)
	}
	if d := w.at("10.3.3.3"); d.ID != "m-001422000099" || len(d.MACs) != 1 {
		t.Errorf("not split: %+v", d)
	}
	if _, err := w.Undo(t.Context(), "m-001422000099", "anna", "it was one after all"); err != nil {
		t.Fatal(err)
	}
	if d := w.at("10.3.3.3"); d.ID != "m-001422000002" || len(d.Changed) != 2 {
		t.Errorf("not undone: %+v", d)
	}
	if _, err := w.Merge(t.Context(), "m-001422000098", "m-001422000002", "anna", "it is"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Merge(t.Context(), "m-001422000002", "m-001422000098", "anna", "in a circle"); err == nil {
		t.Error("two devices are part of each other")
	}
	w.checkpoint()
	w.reopen()
	if d := w.at("10.3.3.4"); len(d.MACs) != 3 {
		t.Errorf("after a restart: %+v", d)
	}
}

func TestMadeUpAddresses(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	params := "dhcp-params=1,121,3,6,15,108,114,119,252"
	w.see("d6:11:22:33:44:01", "10.4.0.1", "dhcp", "hostname=ward-phone-17", params)
	w.pass(24 * time.Hour)
	w.see("d6:11:22:33:44:02", "10.4.0.2", "dhcp", "hostname=ward-phone-17", params)
	if d := w.at("10.4.0.2"); len(d.MACs) != 2 || !d.Private {
		t.Errorf("the same phone with its next address: %+v", d)
	}
	w.see("d6:11:22:33:44:03", "10.4.0.3", "dhcp", "hostname=iPhone", params)
	w.pass(24 * time.Hour)
	w.see("d6:11:22:33:44:04", "10.4.0.4", "dhcp", "hostname=iPhone", params)
	if d := w.at("10.4.0.4"); len(d.MACs) != 1 {
		t.Errorf("two phones of one common name became one: %+v", d)
	}
}

func TestAlarms(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	w.see(siemensCT, "10.1.1.5", "arp")
	w.see(siemensCT, "10.1.1.5", "dicom", scanner...)
	w.see(pc, "10.2.2.2", "dhcp", "hostname=BRW8CAB12", "service=tcp/9100", "model=HP LaserJet M507")
	w.pass(2 * time.Minute)
	if got := w.Review(w.now); len(got) != 0 {
		t.Errorf("alarms while learning: %v", got)
	}
	w.pass(8 * 24 * time.Hour)
	w.see("00:14:22:00:00:50", "10.2.2.3", "dhcp", "hostname=EVIL", "os=Windows 7")
	w.see("d6:11:22:33:44:01", "10.4.0.1", "dhcp", "hostname=iPhone")
	if got := w.Review(w.now); !slices.Equal(kinds(got), []AlarmKind{AgingDevice}) || got[0].Args[1] != "2020-01-14" {
		t.Errorf("announced before it settled, or its age not: %v", got)
	}
	w.pass(2 * time.Minute)
	got := w.Review(w.now)
	if !slices.Equal(kinds(got), []AlarmKind{NewDevice}) || got[0].Culprit.Name != "EVIL" || got[0].Culprit.IP != netip.MustParseAddr("10.2.2.3") {
		t.Errorf("after it settled: %+v", got)
	}
	if got := w.see(siemensCT, "10.66.0.5", "arp"); !slices.Equal(kinds(got), []AlarmKind{MovedDevice}) || got[0].Args[1] != "10.66.0.0/24" {
		t.Errorf("a scanner in another network: %+v", got)
	}
	if got := w.see(siemensCT, "10.66.0.9", "arp"); len(got) != 0 {
		t.Errorf("told twice: %v", got)
	}
	if got := w.see(pc, "10.2.2.2", "http", "user-agent=Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "vendor-class=MSFT 5.0"); !slices.Equal(kinds(got), []AlarmKind{ChangedKind}) || got[0].Args[0] != "printer" || got[0].Args[1] != "workstation" {
		t.Errorf("a printer that browses: %+v", got)
	}
	if got := w.Review(w.now.Add(24 * time.Hour)); len(got) != 0 {
		t.Errorf("told twice: %v", got)
	}
}

func kinds(list []Alarm) (out []AlarmKind) {
	for _, a := range list {
		out = append(out, a.Kind)
	}
	return out
}

// TestNewService: a device that is known for long begins to answer on another
// port; while learning, by a better name or by a list it is no news.
func TestNewService(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	scanner := []string{"ae-title=CT1", "dicom-impl-uid=1.3.12.2.1107.5.1.4", "vendor=SIEMENS", "model=SOMATOM Force"}
	w.see(siemensCT, "10.1.1.5", "dicom", append(scanner, "service=tcp/104 dicom")...)
	w.see(pc, "10.2.2.2", "arp")
	w.pass(2 * time.Hour)
	if got := w.see(siemensCT, "10.1.1.5", "http", "service=tcp/80 http"); len(got) != 0 {
		t.Errorf("while learning: %v", got)
	}
	w.pass(9 * 24 * time.Hour)
	if got := w.see(siemensCT, "10.1.1.5", "http", "service=tcp/80 http/1.1", "service=tcp/104 dicom"); len(got) != 0 {
		t.Errorf("a better name: %v", got)
	}
	if got := w.see(siemensCT, "10.1.1.5", "import", "service=tcp/81 http"); len(got) != 0 {
		t.Errorf("a list: %v", got)
	}
	got := w.see(siemensCT, "10.1.1.5", "smb", "service=tcp/445 smb")
	if !slices.Equal(kinds(got), []AlarmKind{NewService}) || !slices.Equal(got[0].Args, []string{"medical", "tcp/445 smb", "ct"}) {
		t.Errorf("a scanner that shares files: %+v", got)
	}
	if got := w.see(siemensCT, "10.1.1.5", "smb", "service=tcp/445 smb"); len(got) != 0 {
		t.Errorf("told twice: %v", got)
	}
	if got := w.see(pc, "10.2.2.2", "ssh", "service=tcp/22 ssh"); len(got) != 1 || got[0].Args[0] != "other" {
		t.Errorf("another device: %+v", got)
	}
}

func TestVersionsOfWindows(t *testing.T) {
	k := testKnowledge(t)
	for said, want := range map[string]string{"Windows 10.0.19041": "Windows 10", "Windows 10.0.22621": "Windows 11", "Windows 10.0.17763": "Windows Server 2019",
		"Windows 6.1.7601": "Windows 7 / Server 2008 R2", "Windows NT 5.1": "Windows XP", "Windows 10.0.99999": "Windows 10.0.99999", "Darwin 20": "macOS"} {
		c, _ := k.Classify([]Fact{{FactOS, said}})
		if c.OS != want {
			t.Errorf("%s: %q, want %q", said, c.OS, want)
		}
	}
	if _, date := k.EndOf("Windows 7 / Server 2008 R2"); date != "2020-01-14" {
		t.Errorf("Windows 7 by its version ends on %q", date)
	}
}

func TestEndsOfSystems(t *testing.T) {
	k := testKnowledge(t)
	for os, want := range map[string]string{
		"Windows 7": "2020-01-14", "Microsoft Windows 10 Pro": "2025-10-14", "Windows 10": "2025-10-14", "Windows XP SP3": "2014-04-08",
		"Windows Server 2008 R2": "2020-01-14", "Windows 11": "", "Windows 8.1": "2023-01-10", "Windows 8": "2016-01-12", "Windows 100": "", "CentOS 7.9": "2024-06-30", "": "",
	} {
		if _, got := k.EndOf(os); got != want {
			t.Errorf("%s: %q, want %q", os, got, want)
		}
	}
}

// What a device is does not depend on the order in which its facts came.
func TestOrderWithinASecondDoesNotMatter(t *testing.T) {
	all := readLabelled(t)
	k := testKnowledge(t)
	rng := rand.New(rand.NewPCG(1, 1))
	for round := range 300 {
		var list []Observation
		seed := inMemory(t, k)
		for i := range 8 {
			l := all[rng.IntN(len(all))]
			mac, ip := fmt.Sprintf("00:14:22:00:01:%02x", i), fmt.Sprintf("10.0.%d.5", i)
			list = append(list, seed.sight(mac, ip, "arp"), seed.sight(gateway, ip, "http", "client-of=http"))
			for _, f := range l.facts {
				list = append(list, seed.sight(mac, ip, "seen", string(f.Name)+"="+f.Value))
			}
		}
		list = append(list, seed.sight(gateway, "10.0.200.1", "arp"))
		var want []Device
		for range 3 {
			w := inMemory(t, k)
			for _, o := range list {
				w.Apply(o)
			}
			got, _ := w.Devices(Filter{})
			if want == nil {
				want = got
			}
			for i := range got {
				if len(got) != len(want) || got[i].ID != want[i].ID || !reflect.DeepEqual(got[i].What, want[i].What) {
					t.Fatalf("round %d: %+v\nother order %+v", round, want[i], got[i])
				}
			}
			rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	w.opts.Most = 500
	w.reopen()
	if _, err := w.Import(t.Context(), List{Name: "l", Format: "csv", Entries: []Entry{{MAC: ParseMAC(pc), Fields: map[string]string{"name": "kept"}}}}, Wish{By: "anna"}); err != nil {
		t.Fatal(err)
	}
	for i := range 3000 {
		w.pass(time.Second)
		w.see(fmt.Sprintf("d6:00:00:00:%02x:%02x", i>>8, i&255), "", "arp")
	}
	for i := range 1000 {
		w.pass(time.Second)
		w.see(pc, fmt.Sprintf("10.3.%d.%d", i>>8, i&255), "dhcp", fmt.Sprintf("hostname=n%d", i), "description="+strings.Repeat("x", 5000))
	}
	d := w.at(pc)
	if _, n := w.Devices(Filter{}); n > 500 || d.Name == "" || w.Dropped() == 0 {
		t.Errorf("%d devices, %d dropped, %q", n, w.Dropped(), d.Name)
	}
	if len(d.Facts) > mostFacts || len(d.Addresses) > mostAddresses || !d.More {
		t.Errorf("%d facts, %d addresses, cut %v", len(d.Facts), len(d.Addresses), d.More)
	}
	w.checkpoint()
	w.reopen()
	if _, n := w.Devices(Filter{}); n > 500 {
		t.Errorf("%d devices after a restart", n)
	}
}

func BenchmarkApply(b *testing.B) {
	w := inMemory(b, testKnowledge(b))
	all := readLabelled(b)
	const devices = 10_000
	for i := 0; b.Loop(); i++ {
		n := i % devices
		l := all[n%len(all)]
		o := Observation{At: w.now.UnixNano() + int64(i)*1e6, Sensor: "s1", Protocol: "dicom", MAC: [6]byte{0, 0x14, 0x22, 0, byte(n >> 8), byte(n)}, IP: netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})}
		if len(l.facts) > 0 {
			o.Facts = l.facts[i/devices%len(l.facts) : i/devices%len(l.facts)+1]
		}
		w.Apply(o)
	}
}
