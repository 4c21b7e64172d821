package zone

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/evidence"
)

// An attacker who borrows addresses does not have their owners cut off.
func TestBorrowedAddressesAreNotCutOff(t *testing.T) {
	ctx := context.Background()
	k := &kernelOf{list: map[string]Isolation{}}
	var saved []evidence.Record
	q := ward(k, &saved)
	pacs, gateway, vent := netip.MustParseAddr("10.1.0.8"), netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.1.0.9")
	devices := map[string]asset.Device{
		"evil": {ID: "evil", IPs: []string{"10.1.0.66", "10.1.0.8", "10.1.0.1", "10.1.0.9"}, MACs: []string{"02:00:00:00:00:66"}},
		"pacs": {ID: "pacs", IPs: []string{"10.1.0.8"}, MACs: []string{"02:00:00:00:00:08"}},
		"core": {ID: "core", IPs: []string{"10.1.0.20"}, MACs: []string{"02:00:00:00:00:20"}, Facts: []asset.KnownFact{{Fact: asset.Fact{Name: asset.FactRole, Value: "router"}}}},
	}
	q.Device = func(_ context.Context, name string) (asset.Device, bool, error) {
		for _, id := range []string{"evil", "pacs", "core"} { // the attacker spoke last
			d := devices[id]
			if d.ID == name || strings.Contains(" "+strings.Join(append(d.IPs, d.MACs...), " ")+" ", " "+name+" ") {
				return d, true, nil
			}
		}
		return asset.Device{}, false, nil
	}
	q.Shared = func(a netip.Addr, device string) bool { return a == pacs }
	q.Spared = func(i Isolation) error {
		switch i.IP {
		case gateway:
			return ErrNeeded
		case vent:
			return ErrLifeSupport
		}
		return nil
	}
	a := actionNamed(t, q, IsolateDevice)
	for _, by := range []string{"device", "mac"} {
		clear(k.list)
		who := map[string]string{"device": "evil", "mac": "02:00:00:00:00:66"}[by]
		if _, err := a.Do(ctx, call("c/"+by, by, who)); err != nil {
			t.Fatal(by, err)
		}
		if len(k.list) != 2 || k.list["10.1.0.66"].Left == 0 || k.list["02:00:00:00:00:66"].Left == 0 {
			t.Errorf("by %s: %v", by, k.list)
		}
	}
	clear(k.list)
	for who, want := range map[string]error{"10.1.0.8": errShared, "10.1.0.1": ErrNeeded, "10.1.0.9": ErrLifeSupport} {
		if _, err := a.Prepare(ctx, call("c", "address", who)); !errors.Is(err, want) {
			t.Errorf("%s: %v", who, err)
		}
		if _, err := a.Do(ctx, call("c", "address", who)); err == nil || len(k.list) > 0 {
			t.Errorf("%s is done: %v", who, k.list)
		}
	}
	if _, err := a.Do(ctx, call("c/core", "address", "10.1.0.20")); err != nil || len(k.list) != 1 {
		t.Errorf("a router's card, by which others come, is cut off with an address: %v %v", err, k.list)
	}
}

// halfKernel is that of two routers, one of which does not answer.
type halfKernel struct{ *kernelOf }

func (k halfKernel) Isolate(ctx context.Context, list []Isolation) (Applied, error) {
	a, _ := k.kernelOf.Isolate(ctx, list)
	return a, errors.New("sensor b does not report")
}

// What one router did is told and can be undone, though another could not.
func TestIsolatedAtSomeRouters(t *testing.T) {
	ctx := context.Background()
	k := &kernelOf{list: map[string]Isolation{}}
	var saved []evidence.Record
	q := ward(k, &saved)
	q.Isolator = halfKernel{k}
	a := actionNamed(t, q, IsolateDevice)
	c := call("case/1", "address", "10.1.0.5")
	var err error
	if c.Before, err = a.Prepare(ctx, c); err != nil {
		t.Fatal(err)
	}
	said, err := a.Do(ctx, c)
	if err != nil || !strings.HasPrefix(said, "not-proven") || !strings.Contains(said, "sensor b") || saved[0].Status != "not-proven" {
		t.Errorf("%q %v %+v", said, err, saved)
	}
	if err := a.Undo(ctx, c); err != nil || len(k.list) > 0 {
		t.Errorf("%v %v", err, k.list)
	}
}
