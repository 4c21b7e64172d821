package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
	"github.com/cordon-health/cordon/zone"
	"github.com/cordon-health/cordon/zone/nft"
)

// enforcement is where zone policies hold: the kernel of this machine, where it
// is a router, and those of sensors on other routers. Where there is none, a
// policy is kept on paper: conversations are judged by it, and nothing is
// dropped.
type enforcement struct {
	node  *Node
	near  *nft.Kernel // nil where this machine is no router
	desk  *sensorDesk
	nearN string // its name

	mu       sync.Mutex
	managers map[string]*zone.Manager // guarded by mu: by place
	stop     map[string]context.CancelFunc
	denials  *nft.Denials

	quarantine *zone.Quarantine
}

// paperPlace is where a policy stands that no router holds.
const paperPlace = "paper"

// openEnforcement prepares the kernel; nothing is changed before Run.
func (n *Node) openEnforcement(context.Context) (err error) {
	e := &enforcement{node: n, managers: map[string]*zone.Manager{}, stop: map[string]context.CancelFunc{}}
	e.desk = newSensorDesk(n.now, n.network.table)
	if z := n.cfg.Zone; z.Enforce || z.Guard {
		if e.near, err = nft.Open(nft.Options{NetNS: z.NetNS, Log: n.log}); err != nil {
			return fmt.Errorf("zone: %w", err)
		}
		n.closing(e.near.Close)
		e.nearN = hostName()
		e.denials = e.near.NewDenials(n.now, n.denied)
	}
	if e.quarantine, err = n.newQuarantine(e); err != nil {
		return err
	}
	n.enforce = e
	return nil
}

func hostName() string {
	if name, err := os.Hostname(); err == nil && sensorWord(name) {
		return name
	}
	return "router"
}

// sensorWord says whether a text can name a place.
func sensorWord(s string) bool {
	return s != "" && len(s) <= 48 && s != paperPlace
}

// places are where the policy holds, or "paper".
func (e *enforcement) places() []string {
	var out []string
	if e.near != nil && e.node.cfg.Zone.Enforce {
		out = append(out, e.nearN)
	}
	for _, name := range e.desk.routers() {
		if !slices.Contains(out, name) && slices.Contains(e.node.cfg.Zone.Routers, name) {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return []string{paperPlace}
	}
	return out
}

// kernels are those of the places.
func (e *enforcement) kernels() map[string]kernel {
	out := map[string]kernel{}
	for _, p := range e.places() {
		if p != paperPlace {
			out[p] = e.kernel(p)
		}
	}
	return out
}

func (e *enforcement) kernel(place string) kernel {
	if e.near != nil && place == e.nearN {
		return nearKernel{e.near, nft.Prober{}}
	}
	return farKernel{e.desk, place}
}

// nearKernel is this machine's.
type nearKernel struct {
	*nft.Kernel
	nft.Prober
}

var _ kernel = nearKernel{}

// manager takes a policy through its life at one place.
func (e *enforcement) manager(place string) *zone.Manager {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m := e.managers[place]; m != nil {
		return m
	}
	n := e.node
	parts := zone.ManagerParts{
		Place: place, Journal: zone.Book{DB: n.db, Log: n.evidence, Place: place}, Site: n.now().Location(),
		Strict: n.cfg.Zone.Strict, Now: n.now, Log: n.log, Enforcer: &paper{},
	}
	if place != paperPlace {
		k := e.kernel(place)
		parts.Enforcer, parts.Prober = k, k
	}
	if e.near != nil && place == e.nearN {
		parts.LogStats = e.denials.Stats
	}
	m := zone.NewManager(parts)
	e.managers[place] = m
	return m
}

// run watches over the policies until ctx ends: what nobody confirmed is rolled
// back, what somebody changed is loaded again.
func (e *enforcement) run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	if e.near != nil {
		wg.Go(func() { e.read(ctx) })
	}
	running := map[string]bool{}
	for {
		for _, place := range e.places() {
			if !running[place] {
				running[place] = true
				wg.Go(func() { e.watch(ctx, place) })
			}
		}
		if err := e.protect(ctx); err != nil && ctx.Err() == nil {
			e.node.log.Warn("routers do not know yet who must never be cut off", "error", err)
		}
		if !e.rest(ctx) {
			return nil
		}
	}
}

// rest waits half a minute, or until there is something new of life support: a
// device that is tagged while it is cut off comes back at once.
func (e *enforcement) rest(ctx context.Context) bool {
	mark := func() string {
		var all []string
		for _, a := range e.node.lifelines() {
			all = append(all, a.IP+" "+a.MAC)
		}
		slices.Sort(all)
		return strings.Join(all, "\n")
	}
	before := mark()
	for range 30 {
		if !pause(ctx, time.Second) {
			return false
		}
		if mark() != before {
			return true
		}
	}
	return true
}

// read takes the kernel's records of what it dropped.
func (e *enforcement) read(ctx context.Context) {
	for {
		if err := e.denials.Run(ctx, func() {}); err != nil && ctx.Err() == nil {
			e.node.log.Error("the kernel's records of what was dropped are not read, trying again", "error", err)
		}
		if !pause(ctx, 5*time.Second) {
			return
		}
	}
}

func (e *enforcement) watch(ctx context.Context, place string) {
	m := e.manager(place)
	if _, err := m.Recover(ctx); err != nil && ctx.Err() == nil {
		e.node.log.Error("the zone policy could not be brought back", "place", place, "error", err)
	}
	if place != paperPlace {
		if err := e.reconcile(ctx); err != nil && ctx.Err() == nil {
			e.node.log.Error("isolated devices could not be compared with the journal", "error", err)
		}
	}
	if err := m.Run(ctx); err != nil && ctx.Err() == nil {
		e.node.log.Error("nobody watches over the zone policy", "place", place, "error", err)
	}
}

// reconcile makes kernels agree with the journal about who is isolated.
func (e *enforcement) reconcile(ctx context.Context) error {
	entries, err := e.node.runner.Entries(ctx, "", "")
	if err != nil {
		return err
	}
	strange, err := e.quarantine.Reconcile(ctx, entries)
	if len(strange) > 0 {
		e.node.log.Warn("the kernel isolates whom no record names; it ends by itself", "addresses", len(strange))
	}
	return err
}

// protect tells all kernels who must never be cut off.
func (e *enforcement) protect(ctx context.Context) error {
	if len(e.kernels()) == 0 {
		return nil
	}
	return e.quarantine.Protect(ctx, e.node.lifelines())
}

// denied makes an event of what the kernel dropped.
func (n *Node) denied(d zone.Denial) {
	if a, ok := d.Denied(n.enforce.nearN, n.network.zoneOf); ok {
		n.network.warn(a)
		return
	}
	if c, ok := d.Claim(); ok {
		n.network.claim(c)
	}
}

// newQuarantine makes the quarantine that stands behind the actions.
func (n *Node) newQuarantine(e *enforcement) (*zone.Quarantine, error) {
	sessions, ports, err := n.equipment()
	if err != nil {
		return nil, err
	}
	q := &zone.Quarantine{
		Isolator: everywhere{e}, Most: n.cfg.Zone.Most, Now: n.now, Log: n.log,
		Device: func(_ context.Context, name string) (asset.Device, bool, error) {
			if d, ok := n.network.assets.Device(name); ok {
				return d, true, nil
			}
			d, ok := n.network.assets.ByAddress(name, 0)
			return d, ok, nil
		},
		FailOpen: func(a netip.Addr) bool {
			z := n.network.place(a)
			return z != nil && z.FailOpen
		},
		Spared: n.spared(), Shared: n.network.shared,
		Save: func(ctx context.Context, r evidence.Record) error { return n.putRecords(ctx, []evidence.Record{r}) },
	}
	if sessions != nil {
		q.Sessions = sessions
	}
	if ports != nil {
		q.Ports = ports
	}
	return q, nil
}

// actions are what playbooks may do to devices.
func (e *enforcement) actions() []playbook.Action {
	list := e.quarantine.Actions()
	for i := range list {
		if list[i].Name == zone.IsolateDevice {
			list[i].Ready = e.ready
		}
	}
	return list
}

func (e *enforcement) ready() (bool, ocsf.Text) {
	return len(e.kernels()) > 0, ocsf.Text{
		EN: "not set up: no router takes orders; give zone.enforce, or run cordon sensor --enforce on one and name it in zone.routers",
		ZH: "未配置：没有可下发策略的路由器；请设置 zone.enforce，或在路由器上运行 cordon sensor --enforce 并列入 zone.routers",
	}
}

// everywhere isolates at all routers at once.
type everywhere struct{ e *enforcement }

var _ zone.Isolator = everywhere{}

var errNoRouter = errors.New("no router takes orders; give zone.enforce, or run cordon sensor --enforce on one and name it in zone.routers")

// each asks all kernels at the same time; what one could not do is an error.
func (x everywhere) each(do func(k kernel) error) error {
	all := x.e.kernels()
	if len(all) == 0 {
		return errNoRouter
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var errs []error
	for place, k := range all {
		wg.Go(func() {
			if err := do(k); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("%s: %w", place, err))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Isolate implements [zone.Isolator].
func (x everywhere) Isolate(ctx context.Context, list []zone.Isolation) (sum zone.Applied, err error) {
	var mu sync.Mutex
	err = x.each(func(k kernel) error {
		a, err := k.Isolate(ctx, list)
		mu.Lock()
		defer mu.Unlock()
		sum.Took, sum.Elements, sum.Ended = max(sum.Took, a.Took), max(sum.Elements, a.Elements), sum.Ended+a.Ended
		return err
	})
	return sum, err
}

// Release implements [zone.Isolator].
func (x everywhere) Release(ctx context.Context, list []zone.Isolation) error {
	return x.each(func(k kernel) error { return k.Release(ctx, list) })
}

// Isolated implements [zone.Isolator]. A router that does not answer must not
// keep anybody from cutting a device off at the others.
func (x everywhere) Isolated(ctx context.Context) (list []zone.Isolation, err error) {
	var mu sync.Mutex
	answered := false
	err = x.each(func(k kernel) error {
		some, err := k.Isolated(ctx)
		mu.Lock()
		defer mu.Unlock()
		answered = answered || err == nil
		for _, i := range some {
			if !slices.ContainsFunc(list, func(o zone.Isolation) bool { return o.IP == i.IP && o.MAC == i.MAC }) {
				list = append(list, i)
			}
		}
		return err
	})
	if answered && err != nil {
		x.e.node.log.Warn("who is cut off is not known of all routers", "error", err)
		err = nil
	}
	return list, err
}

// Exempt implements [zone.Isolator].
func (x everywhere) Exempt(ctx context.Context, list []zone.Isolation) error {
	return x.each(func(k kernel) error { return k.Exempt(ctx, list) })
}

// Talking implements [zone.Isolator].
func (x everywhere) Talking(ctx context.Context, i zone.Isolation) (conversations int, dropped uint64, err error) {
	var mu sync.Mutex
	err = x.each(func(k kernel) error {
		n, d, err := k.Talking(ctx, i)
		mu.Lock()
		defer mu.Unlock()
		conversations, dropped = conversations+n, dropped+d
		return err
	})
	return conversations, dropped, err
}
