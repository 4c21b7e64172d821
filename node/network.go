package node

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/content"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/zone"
)

// network is what Cordon knows of the network. It follows the events in the
// order of the bus, like the care graph: devices and conversations are in
// memory at once and in the store with the checkpoint. What it finds wrong by
// itself becomes an event, which is on the bus before the checkpoint that
// would forget it.
type network struct {
	assets   *asset.Book
	flows    *flow.Book
	bindings *binding.Book
	judge    *zone.Judge
	rules    atomic.Pointer[zone.Ruleset] // judged by; nil without a policy
	publish  func(context.Context, []*ocsf.Event) error
	log      *slog.Logger

	mu    sync.Mutex
	watch *binding.Watch    // guarded by mu: over what guards of bridges drop
	pairs []binding.Summary // guarded by mu: not in the book of bindings yet
	found []*ocsf.Event     // guarded by mu: not on the bus yet
	clash []asset.Alarm     // guarded by mu: about addresses, not in the book yet

	settling sync.Mutex // held while these are handed on

	counted hourCounts
	air     *air
}

// openNetwork opens the books of devices, conversations and addresses.
func (n *Node) openNetwork(ctx context.Context) (err error) {
	kinds, err := fs.Sub(content.Files(), "devices")
	if err != nil {
		return err
	}
	x := &network{log: n.log}
	x.publish = func(ctx context.Context, evs []*ocsf.Event) error { return n.intake.finish(ctx, evs) }
	x.assets, err = asset.Open(ctx, n.db, asset.Options{
		Now: n.now, Log: n.log, Evidence: n.evidence, Fingerprints: kinds, Network: x.networkOf, Guest: x.guest,
	})
	if err != nil {
		return err
	}
	x.judge = zone.NewJudge(x, n.now().Location())
	if x.flows, err = flow.Open(ctx, n.db); err != nil {
		return fmt.Errorf("open conversations: %w", err)
	}
	if x.bindings, err = binding.Open(ctx, n.db, n.evidence, n.now, n.log); err != nil {
		return fmt.Errorf("open addresses: %w", err)
	}
	if x.air, err = openAir(ctx, n.evidence); err != nil {
		return err
	}
	x.watch = binding.NewWatch(binding.WatchConfig{Sensor: "guard"}, x.table())
	n.network = x
	return nil
}

// table is what sensors judge claims by.
func (x *network) table() binding.Table {
	t := x.bindings.Table(func(mac string) bool {
		d, ok := x.assets.ByAddress(mac, 0)
		return ok && d.What.Medical
	})
	x.addZones(&t)
	return t
}

// claim judges what a bridge's guard dropped.
func (x *network) claim(c binding.Claim) {
	var found []asset.Alarm
	x.mu.Lock()
	x.watch.Claim(c, func(a asset.Alarm) { found = append(found, a) })
	x.mu.Unlock()
	x.warn(found...)
}

// zoneOf names the zone of an address that came or went by a leg.
func (x *network) zoneOf(a netip.Addr, leg string) string {
	if z := x.place(a); z != nil {
		return z.Name
	}
	return leg
}

// use judges by a policy from now on; nil for none.
func (x *network) use(r *zone.Ruleset) {
	x.rules.Store(r)
	x.judge.Use(r)
}

// place is the zone of an address, nil where none holds it.
func (x *network) place(a netip.Addr) *zone.Zone {
	if r := x.rules.Load(); r != nil {
		return r.Place(a)
	}
	return nil
}

// networkOf names the network of an address: its zone, else its /24 or /64.
func (x *network) networkOf(a netip.Addr) string {
	if z := x.place(a); z != nil {
		return z.Name
	}
	bits := 24
	if a.Is6() {
		bits = 64
	}
	if p, err := a.Prefix(bits); err == nil {
		return p.String()
	}
	return ""
}

// guest says whether strangers are expected at an address.
func (x *network) guest(a netip.Addr) bool {
	z := x.place(a)
	return z != nil && z.Kind == "guest"
}

// About implements [zone.Knowledge].
func (x *network) About(a netip.Addr) zone.Known {
	d, ok := x.assets.ByAddress(a.String(), 0)
	if !ok {
		return zone.Known{}
	}
	return zone.Known{Name: d.Name, Kind: d.What.Kind, Department: d.Department, Owner: d.Owner, Medical: d.What.Medical, LifeSupport: d.LifeSupport}
}

// follow learns from one event.
func (x *network) follow(ev *ocsf.Event) {
	if o, ok := asset.ObservationOf(ev); ok {
		x.warn(x.assets.Apply(o)...)
		if a, wrong := x.strays(&o); wrong {
			x.warn(a)
		}
		return
	}
	if s, ok := binding.SummaryOf(ev); ok {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.pairs = append(x.pairs, s)
		return
	}
	if a, ok := asset.AlarmOf(ev); ok {
		x.air.alarm(a)
		if binding.Judges(a.Kind) {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.clash = append(x.clash, a)
		}
		return
	}
	if c, ok := flow.Of(ev); ok {
		x.flows.Apply(c)
		if a, wrong := x.judge.Watch(&c); wrong {
			x.warn(a)
		}
	}
}

// mostFound bounds what waits for the bus.
const mostFound = 100_000

// warn keeps alarms until they are on the bus.
func (x *network) warn(alarms ...asset.Alarm) {
	if len(alarms) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.found) > mostFound {
		x.log.Error("alarms are lost: they are not stored as fast as they come; free space on the disk", "count", len(alarms))
		return
	}
	for _, a := range alarms {
		ev := a.Event()
		ev.Metadata.LogProvider = ownSource
		x.found = append(x.found, ev)
	}
}

// settle hands on what waits. What fails waits on, in its order.
func (x *network) settle(ctx context.Context) error {
	x.settling.Lock()
	defer x.settling.Unlock()
	x.mu.Lock()
	pairs, found := x.pairs, x.found
	x.mu.Unlock()
	if len(pairs) > 0 {
		if err := x.bindings.Apply(ctx, pairs); err != nil {
			return fmt.Errorf("learn addresses: %w", err)
		}
		x.mu.Lock()
		x.pairs = x.pairs[len(pairs):]
		x.mu.Unlock()
	}
	if err := x.note(ctx); err != nil {
		return err
	}
	if len(found) == 0 {
		return nil
	}
	if err := x.publish(ctx, found); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.found = x.found[len(found):]
	return nil
}

// note puts alarms about addresses beside the bindings they contradict.
func (x *network) note(ctx context.Context) error {
	for {
		x.mu.Lock()
		if len(x.clash) == 0 {
			x.mu.Unlock()
			return nil
		}
		a := x.clash[0]
		x.mu.Unlock()
		if err := x.bindings.Alarm(ctx, a); err != nil {
			return err
		}
		x.mu.Lock()
		x.clash = x.clash[1:]
		x.mu.Unlock()
	}
}

// run hands on and reviews until ctx ends.
func (x *network) run(ctx context.Context, now func() time.Time) error {
	for i := 1; pause(ctx, 250*time.Millisecond); i++ {
		if i%40 == 0 {
			x.warn(x.assets.Review(now())...)
			x.air.forget(now())
		}
		if err := x.settle(ctx); err != nil && ctx.Err() == nil {
			x.log.Error("what was found on the network waits", "error", err)
			pause(ctx, time.Second)
		}
	}
	return nil
}

// networkChanges are what a checkpoint writes.
type networkChanges struct {
	assets asset.Changes
	flows  flow.Changes
}

func (x *network) changes(now int64) networkChanges {
	return networkChanges{x.assets.Changes(), x.flows.Changes(now)}
}

func (c networkChanges) write(ctx context.Context, tx *sql.Tx) error {
	if err := c.assets.Write(tx); err != nil {
		return err
	}
	return c.flows.Write(ctx, tx)
}

func (x *network) saved() {
	x.assets.Saved()
	x.flows.Saved()
}
