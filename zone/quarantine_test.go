package zone

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/playbook"
)

// kernelOf is an isolator that remembers.
type kernelOf struct {
	list   map[string]Isolation
	exempt []Isolation
	talks  int
}

func (k *kernelOf) Isolate(_ context.Context, list []Isolation) (Applied, error) {
	for _, i := range list {
		k.list[i.name()] = i
	}
	return Applied{Elements: len(list)}, nil
}

func (k *kernelOf) Release(_ context.Context, list []Isolation) error {
	for _, i := range list {
		delete(k.list, i.name())
	}
	return nil
}

func (k *kernelOf) Isolated(context.Context) (list []Isolation, err error) {
	for _, i := range k.list {
		list = append(list, i)
	}
	return list, nil
}

func (k *kernelOf) Exempt(_ context.Context, list []Isolation) error { k.exempt = list; return nil }

func (k *kernelOf) Talking(context.Context, Isolation) (int, uint64, error) { return k.talks, 7, nil }

func ward(k *kernelOf, saved *[]evidence.Record) *Quarantine {
	devices := []asset.Device{
		{ID: "pc", IPs: []string{"10.1.0.5", "fd00::5"}, MACs: []string{"02:00:00:00:00:05"}},
		{ID: "vent", IPs: []string{"10.2.0.9"}, LifeSupport: true},
		{ID: "bare"},
	}
	return &Quarantine{Isolator: k, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Device: func(_ context.Context, name string) (asset.Device, bool, error) {
			for _, d := range devices {
				for _, n := range append(append([]string{d.ID}, d.IPs...), d.MACs...) {
					if n == name {
						return d, true, nil
					}
				}
			}
			return asset.Device{}, false, nil
		},
		FailOpen: func(a netip.Addr) bool { return netip.MustParsePrefix("10.2.0.0/16").Contains(a) },
		Save:     func(_ context.Context, r evidence.Record) error { *saved = append(*saved, r); return nil },
	}
}

func call(key string, params ...string) playbook.Call {
	c := playbook.Call{Key: key, By: "officer", Now: time.Now(), Params: map[string]string{"reason": "ransomware"}}
	for i := 0; i < len(params); i += 2 {
		c.Params[params[i]] = params[i+1]
	}
	return c
}

func actionNamed(t *testing.T, q *Quarantine, name string) playbook.Action {
	t.Helper()
	for _, a := range q.Actions() {
		if a.Name == name {
			return a
		}
	}
	t.Fatal("no action", name)
	return playbook.Action{}
}

func TestIsolationIsProvenAndUndone(t *testing.T) {
	ctx := context.Background()
	k := &kernelOf{list: map[string]Isolation{}}
	var saved []evidence.Record
	q := ward(k, &saved)
	a := actionNamed(t, q, IsolateDevice)
	c := call("case/1", "address", "10.1.0.5", "hours", "1")
	var err error
	if c.Before, err = a.Prepare(ctx, c); err != nil {
		t.Fatal(err)
	}
	result, err := a.Do(ctx, c)
	if err != nil || len(k.list) != 3 || k.list["10.1.0.5"].Left != time.Hour || k.list["10.1.0.5"].Key != "case/1" {
		t.Fatalf("%s %v %+v", result, err, k.list)
	}
	var x Isolated
	if err := json.Unmarshal(saved[0].Body, &x); err != nil || x.State != "isolated" || x.Device != "pc" || len(x.Steps) != 2 || x.Steps[1].Took < silence {
		t.Errorf("%+v %v", x, err)
	}
	if text := DescribeProof(saved[0]); !strings.Contains(text.EN, "isolate-device") || !strings.Contains(text.ZH, "已隔离") {
		t.Error(text)
	}
	if err := a.Undo(ctx, c); err != nil || len(k.list) != 0 {
		t.Errorf("%v %+v", err, k.list)
	}
	if saved[len(saved)-1].Status != "released" {
		t.Error("the release is not recorded")
	}
	k.talks = 2
	if result, err = a.Do(ctx, c); err != nil || !strings.HasPrefix(result, "not-proven") {
		t.Errorf("a device that goes on talking: %s %v", result, err)
	}
}

func TestWhoIsNeverCutOff(t *testing.T) {
	ctx := context.Background()
	k := &kernelOf{list: map[string]Isolation{}}
	var saved []evidence.Record
	q := ward(k, &saved)
	for _, name := range []string{IsolateDevice, EndSession, ShutPort} {
		q.Ports, q.Sessions = &switchOf{}, nil
		a := actionNamed(t, q, name)
		for _, params := range [][]string{{"device", "vent"}, {"address", "10.2.0.9"}, {"address", "10.2.0.77"}} {
			if _, err := a.Prepare(ctx, call("k", params...)); !errors.Is(err, ErrLifeSupport) {
				t.Errorf("%s %v: %v", name, params, err)
			}
			if _, err := a.Do(ctx, call("k", params...)); err == nil || len(k.list) > 0 {
				t.Errorf("%s %v is done: %v", name, params, err)
			}
		}
	}
	a := actionNamed(t, q, IsolateDevice)
	for _, params := range [][]string{{}, {"device", "nobody"}, {"device", "bare"}, {"address", "127.0.0.1"}, {"address", "224.0.0.1"}, {"address", "x"},
		{"mac", "ff:ff:ff:ff:ff:ff"}, {"device", "pc", "hours", "5"}, {"device", "pc", "hours", "NaN"}, {"device", "pc", "address", "10.2.0.9"}, {"device", "pc", "reason", ""}} {
		if _, err := a.Prepare(ctx, call("k", params...)); err == nil {
			t.Errorf("%v passes", params)
		}
	}
	if a.Class != playbook.Cut || a.Life != QuarantineLife || a.Hourly > 10 || a.Undo == nil {
		t.Errorf("%+v", a)
	}
	if err := q.Protect(ctx, []asset.Address{{IP: "10.2.0.9", MAC: "02:00:00:00:00:09"}}); err != nil || len(k.exempt) != 1 {
		t.Error(k.exempt, err)
	}
}

func TestNotTooManyAtOnce(t *testing.T) {
	ctx := context.Background()
	k := &kernelOf{list: map[string]Isolation{}}
	var saved []evidence.Record
	q := ward(k, &saved)
	q.Most = 2
	a := actionNamed(t, q, IsolateDevice)
	for i, address := range []string{"10.9.0.1", "10.9.0.2", "10.9.0.3"} {
		c := call(address, "address", address)
		var err error
		if c.Before, err = a.Prepare(ctx, c); (err == nil) != (i < 2) {
			t.Fatalf("%d: %v", i, err)
		}
		if err == nil {
			if _, err := a.Do(ctx, c); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestUndoKeepsOthers: what another action cut off stays so.
func TestUndoKeepsOthers(t *testing.T) {
	ctx := context.Background()
	k := &kernelOf{list: map[string]Isolation{"10.1.0.5": {IP: netip.MustParseAddr("10.1.0.5"), Left: time.Hour, Key: "first"}}}
	var saved []evidence.Record
	q := ward(k, &saved)
	a := actionNamed(t, q, IsolateDevice)
	c := call("second", "device", "pc")
	var err error
	if c.Before, err = a.Prepare(ctx, c); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Do(ctx, c); err != nil {
		t.Fatal(err)
	}
	if err := a.Undo(ctx, c); err != nil || len(k.list) != 1 || k.list["10.1.0.5"].Left > time.Hour {
		t.Errorf("%v %+v", err, k.list)
	}
}

// TestReconcile: a kernel that forgot is told again, one that missed an undo
// is told too, and who is isolated for no known reason is named.
func TestReconcile(t *testing.T) {
	ctx := context.Background()
	odd := Isolation{IP: netip.MustParseAddr("10.9.9.9"), Left: time.Hour, Key: "by hand"}
	late := Isolation{IP: netip.MustParseAddr("10.9.9.8"), Left: time.Hour, Key: "undone"}
	k := &kernelOf{list: map[string]Isolation{"10.9.9.9": odd, "10.9.9.8": late}}
	var saved []evidence.Record
	q := ward(k, &saved)
	before := `{"addresses":["10.1.0.5"],"hours":2}`
	strange, err := q.Reconcile(ctx, []playbook.Entry{
		{Key: "live", Action: IsolateDevice, Status: playbook.StatusDone, Before: before, Done: time.Now().Add(-time.Hour).UnixMilli()},
		{Key: "over", Action: IsolateDevice, Status: playbook.StatusDone, Before: `{"addresses":["10.1.0.6"],"hours":1}`, Done: time.Now().Add(-2 * time.Hour).UnixMilli()},
		{Key: "undone", Action: IsolateDevice, Status: playbook.StatusUndone, Before: before},
	})
	if err != nil || len(strange) != 1 || strange[0] != odd {
		t.Errorf("%+v %v", strange, err)
	}
	if left := k.list["10.1.0.5"].Left; len(k.list) != 2 || left > time.Hour || left < 59*time.Minute {
		t.Errorf("%+v", k.list)
	}
}

// switchOf is a switch that remembers.
type switchOf struct{ up, shut bool }

func (s *switchOf) Find(context.Context, packet.MAC) (string, bool, error) { return "sw1/7", s.up, nil }
func (s *switchOf) Shut(context.Context, string) error                     { s.shut = true; return nil }
func (s *switchOf) Open(context.Context, string) error                     { s.shut = false; return nil }

func TestPortsAreOpenedAgain(t *testing.T) {
	ctx := context.Background()
	for _, up := range []bool{true, false} {
		s := &switchOf{up: up}
		var saved []evidence.Record
		q := ward(&kernelOf{list: map[string]Isolation{}}, &saved)
		q.Ports = s
		a := actionNamed(t, q, ShutPort)
		c := call("k", "device", "pc")
		var err error
		if c.Before, err = a.Prepare(ctx, c); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Do(ctx, c); err != nil || !s.shut {
			t.Fatal(err)
		}
		if err := a.Undo(ctx, c); err != nil || s.shut == up {
			t.Errorf("was up %t, is shut %t, %v", up, s.shut, err)
		}
	}
}

func TestProbesKeepAwayFromPatients(t *testing.T) {
	p, err := Read([]byte(`version: 1
name: p
zones:
  - {name: his, kind: his, owner: o, networks: [10.1.0.0/24]}
  - {name: ct, kind: modality, owner: o, networks: [10.2.0.0/24]}
  - {name: icu, kind: his, fail_open: true, owner: o, networks: [10.3.0.0/24]}
conduits:
  - {id: a, from: his, to: ct, to_hosts: [10.2.0.5], allow: [dicom], owner: o, reason: r}
  - {id: b, from: ct, to: his, to_hosts: [10.1.0.5], allow: [dicom], owner: o, reason: r}
`), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Compile(p, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for text, good := range map[string]bool{
		"{name: x, via: his, to: 10.2.0.5, service: tcp/104, expect: pass}":                                   false,
		"{name: x, via: his, to: 10.2.0.5, service: tcp/104, expect: pass, medical: acceptance}":              true,
		"{name: x, via: his, to: 10.2.0.5, service: tcp/23, expect: deny, medical: acceptance}":               false,
		"{name: x, via: his, to: 10.2.0.5, service: tcp/104, kind: dicom, expect: pass, medical: acceptance}": false,
		"{name: x, via: his, to: 10.3.0.5, service: tcp/23, expect: deny}":                                    false,
		"{name: x, via: ct, to: 10.1.0.5, service: dicom, kind: dicom, expect: pass}":                         true,
		"{name: x, via: ct, to: 10.1.0.5, service: tcp/23, expect: deny}":                                     true,
		"{name: x, via: ct, to: 10.1.0.5, service: tcp/23, expect: pass}":                                     false,
		"{name: x, via: nowhere, to: 10.1.0.5, service: tcp/23, expect: deny}":                                false,
	} {
		if _, err := ReadProbes([]byte("probes: ["+text+"]"), r); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
	made := r.Probes("ct", 10)
	if len(made) != 2 || made[0].To.String() != "10.1.0.5" || !made[0].Pass || made[1].Pass {
		t.Errorf("%+v", made)
	}
}

func FuzzReadProbes(f *testing.F) {
	r, err := Compile(Policy{Version: 1, Name: "p", Zones: []Zone{{Name: "a", Kind: "his", Owner: "o", Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}}, time.Unix(0, 0))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("probes: [{name: x, via: a, to: 10.0.0.1, service: dns, expect: pass}]"))
	f.Add([]byte("probes: [{name: x, via: a, to: '::1', service: icmp, kind: dicom, expect: deny}]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := ReadProbes(b, r); err != nil && len(err.Error()) == 0 {
			t.Error("an error without words")
		}
	})
}
