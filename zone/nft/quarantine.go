//go:build linux

package nft

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/zone"
)

// The sets of a quarantine table: who is cut off, and who never is.
const (
	setIPv4, setIPv6, setMAC    = "ipv4", "ipv6", "mac"
	lifeIPv4, lifeIPv6, lifeMAC = "life-ipv4", "life-ipv6", "life-mac"
)

func quarantineTables() []*nftables.Table {
	return []*nftables.Table{
		{Name: "cordon-quarantine", Family: nftables.TableFamilyINet},
		{Name: "cordon-quarantine", Family: nftables.TableFamilyBridge},
	}
}

func quarantineSets(t *nftables.Table) []*nftables.Set {
	var list []*nftables.Set
	for _, s := range []struct {
		name string
		kind nftables.SetDatatype
		life bool
	}{
		{setIPv4, nftables.TypeIPAddr, false}, {setIPv6, nftables.TypeIP6Addr, false}, {setMAC, nftables.TypeEtherAddr, false},
		{lifeIPv4, nftables.TypeIPAddr, true}, {lifeIPv6, nftables.TypeIP6Addr, true}, {lifeMAC, nftables.TypeEtherAddr, true},
	} {
		list = append(list, &nftables.Set{Table: t, Name: s.name, KeyType: s.kind, HasTimeout: !s.life, Counter: !s.life})
	}
	return list
}

// quarantineContent is a quarantine table without anybody in it.
func (k *Kernel) quarantineContent(t *nftables.Table) content {
	c := content{table: t}
	for _, s := range quarantineSets(t) {
		c.sets = append(c.sets, filled{set: s})
	}
	bridge := t.Family == nftables.TableFamilyBridge
	hooks := map[string]*nftables.ChainHook{"forward": nftables.ChainHookForward, "input": nftables.ChainHookInput, "output": nftables.ChainHookOutput}
	priority := nftables.ChainPriorityRef(-20)
	if bridge {
		hooks, priority = map[string]*nftables.ChainHook{"prerouting": nftables.ChainHookPrerouting}, nftables.ChainPriorityRef(-310)
	}
	policy := nftables.ChainPolicyAccept
	for name, hook := range hooks {
		chain := &nftables.Chain{Name: name, Table: t, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: priority, Policy: &policy}
		c.chains = append(c.chains, ruled{chain, named(t, chain, k.isolation(bridge), "cordon quarantine")})
	}
	slices.SortFunc(c.chains, func(a, b ruled) int { return bytes.Compare([]byte(a.chain.Name), []byte(b.chain.Name)) })
	return c
}

// isolation are the rules of a quarantine chain. A device of life support is
// not taken for isolated; a packet to it from an isolated one is dropped.
func (k *Kernel) isolation(bridge bool) [][]expr.Any {
	verdict := []expr.Any{&expr.Counter{}, k.record(zone.DeniedQuarantine, 0), drop()}
	rules := [][]expr.Any{{&expr.Counter{}}}
	match := func(pre, load []expr.Any, set, life string) {
		rules = append(rules, slices.Concat(pre, load, []expr.Any{
			&expr.Lookup{SourceRegister: firstRegister, SetName: life, Invert: true},
			&expr.Lookup{SourceRegister: firstRegister, SetName: set}}, verdict))
	}
	four, six := family(4), family(6)
	link := []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFTYPE, Register: 1}, &expr.Cmp{Register: 1, Data: binaryType(unix.ARPHRD_ETHER)}}
	if bridge {
		four, six, link = ether(unix.ETH_P_IP), ether(unix.ETH_P_IPV6), nil
		match(link, []expr.Any{&expr.Payload{DestRegister: firstRegister, Base: expr.PayloadBaseLLHeader, Offset: 0, Len: 6}}, setMAC, lifeMAC)
	}
	match(link, []expr.Any{&expr.Payload{DestRegister: firstRegister, Base: expr.PayloadBaseLLHeader, Offset: 6, Len: 6}}, setMAC, lifeMAC)
	match(four, address(firstRegister, 12, 4, 32), setIPv4, lifeIPv4)
	match(four, address(firstRegister, 16, 4, 32), setIPv4, lifeIPv4)
	match(six, address(firstRegister, 8, 16, 128), setIPv6, lifeIPv6)
	match(six, address(firstRegister, 24, 16, 128), setIPv6, lifeIPv6)
	if bridge { // the sender and the target an ARP packet speaks of
		match(ether(unix.ETH_P_ARP), []expr.Any{arpField(firstRegister, arpSenderIP, 4)}, setIPv4, lifeIPv4)
	}
	return rules
}

// ether demands a protocol in the link layer, below at most one VLAN tag.
func ether(proto uint16) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: 1}, &expr.Cmp{Register: 1, Data: []byte{byte(proto >> 8), byte(proto)}}}
}

func binaryType(v uint16) []byte { return native32(uint32(v))[:2] }

// ensureQuarantine makes the tables, and mends them without letting anybody
// out.
func (k *Kernel) ensureQuarantine(c *nftables.Conn) error {
	for _, t := range quarantineTables() {
		want := k.quarantineContent(t)
		faults, err := want.bare().compare(c)
		switch {
		case t.Family == nftables.TableFamilyBridge && unsupported(err):
			continue
		case err == nil && len(faults) == 0:
			continue
		case err != nil && !missing(err):
			return fmt.Errorf("read quarantine: %w", err)
		}
		for i, s := range want.sets {
			list, err := c.GetSetElements(s.set)
			if err != nil && !missing(err) {
				return fmt.Errorf("read quarantine: %w", err)
			}
			for _, e := range list {
				want.sets[i].elements = append(want.sets[i].elements, nftables.SetElement{Key: e.Key, Timeout: e.Expires, Comment: e.Comment})
			}
		}
		if err := k.swap(c, want); err != nil && !(t.Family == nftables.TableFamilyBridge && unsupported(err)) {
			return fmt.Errorf("make quarantine: %w", err)
		}
	}
	return nil
}

// unsupported is what kernels without the bridge family say.
func unsupported(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT)
}

// bare is a table without what its sets hold, which changes all the time.
func (w content) bare() content {
	w.sets = slices.Clone(w.sets)
	for i := range w.sets {
		w.sets[i].anything = true
	}
	return w
}

func (k *Kernel) swap(conn *nftables.Conn, c content) error {
	conn.AddTable(c.table)
	conn.DelTable(c.table)
	if err := c.put(conn); err != nil {
		return err
	}
	return conn.Flush()
}

// change opens a transaction on the quarantine tables that there are.
func (k *Kernel) change(f func(c *nftables.Conn, t *nftables.Table) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, err := k.conn()
	if err != nil {
		return err
	}
	if err := k.ensureQuarantine(c); err != nil {
		return err
	}
	for _, t := range quarantineTables() {
		if _, err := c.ListTableOfFamily(t.Name, t.Family); err != nil {
			continue // a kernel without the bridge family
		}
		if err := f(c, t); err != nil {
			return err
		}
	}
	return c.Flush()
}

// Isolate cuts devices off, established conversations first of all.
func (k *Kernel) Isolate(ctx context.Context, list []zone.Isolation) (a zone.Applied, err error) {
	begun := monotonic()
	for _, i := range list {
		if i.Left < time.Second || !i.IP.IsValid() && i.MAC == (packet.MAC{}) {
			return a, errors.New("isolate: give an address, and a time of at least a second")
		}
	}
	if err := k.refuseOwn(list); err != nil {
		return a, err
	}
	err = k.change(func(c *nftables.Conn, t *nftables.Table) error {
		return each(t, list, func(s *nftables.Set, e []nftables.SetElement) error {
			return errors.Join(c.SetAddElements(s, e), c.SetDeleteElements(s, e), c.SetAddElements(s, e))
		})
	})
	if err != nil {
		return a, fmt.Errorf("isolate: %w", err)
	}
	a.Elements, a.Took = len(list), monotonic()-begun
	exempt := map[netip.Addr]bool{}
	err = k.elements(true, func(_ string, e nftables.SetElement) {
		ip, _ := netip.AddrFromSlice(e.Key)
		exempt[ip] = true
	})
	if err != nil {
		return a, err
	}
	a.Ended, err = k.cut(ctx, func(f conntrack.Flow) bool {
		return slices.ContainsFunc(list, func(i zone.Isolation) bool {
			return i.IP.IsValid() && !exempt[i.IP.Unmap()] && touches(f, i.IP.Unmap())
		})
	})
	return a, err
}

// refuseOwn keeps a router from cutting itself off, and with it whoever comes
// by it.
func (k *Kernel) refuseOwn(list []zone.Isolation) error {
	return k.inside(func() error {
		links, err := net.Interfaces()
		if err != nil {
			return fmt.Errorf("isolate: read this router's own addresses: %w", err)
		}
		addresses, err := net.InterfaceAddrs()
		if err != nil {
			return fmt.Errorf("isolate: read this router's own addresses: %w", err)
		}
		for _, i := range list {
			own := slices.ContainsFunc(links, func(l net.Interface) bool { return i.MAC != packet.MAC{} && bytes.Equal(l.HardwareAddr, i.MAC[:]) }) ||
				slices.ContainsFunc(addresses, func(a net.Addr) bool {
					p, ok := a.(*net.IPNet)
					return ok && i.IP.IsValid() && p.IP.Equal(i.IP.Unmap().AsSlice())
				})
			if own {
				return fmt.Errorf("isolate: %w", zone.ErrNeeded)
			}
		}
		return nil
	})
}

// Release lets devices back in.
func (k *Kernel) Release(_ context.Context, list []zone.Isolation) error {
	err := k.change(func(c *nftables.Conn, t *nftables.Table) error {
		return each(t, list, func(s *nftables.Set, e []nftables.SetElement) error {
			e[0].Timeout = time.Minute // added where it is not, so that it can be deleted
			return errors.Join(c.SetAddElements(s, e), c.SetDeleteElements(s, e))
		})
	})
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}

// each calls f with the set and element of every address.
func each(t *nftables.Table, list []zone.Isolation, f func(*nftables.Set, []nftables.SetElement) error) error {
	sets := quarantineSets(t)
	for _, i := range list {
		var errs []error
		if i.IP.IsValid() {
			n := 0
			if ip := i.IP.Unmap(); ip.Is6() {
				n = 1
			}
			errs = append(errs, f(sets[n], []nftables.SetElement{{Key: i.IP.Unmap().AsSlice(), Timeout: i.Left, Comment: clip(i.Key)}}))
		}
		if i.MAC != (packet.MAC{}) {
			errs = append(errs, f(sets[2], []nftables.SetElement{{Key: i.MAC[:], Timeout: i.Left, Comment: clip(i.Key)}}))
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}

// clip keeps a comment within the kernel's 128 bytes.
func clip(s string) string {
	if len(s) > 120 {
		return s[:120]
	}
	return s
}

// Isolated lists who is cut off.
func (k *Kernel) Isolated(context.Context) (list []zone.Isolation, err error) {
	err = k.elements(false, func(s string, e nftables.SetElement) {
		i := zone.Isolation{Left: e.Expires, Key: e.Comment}
		if s == setMAC {
			copy(i.MAC[:], e.Key)
		} else {
			i.IP, _ = netip.AddrFromSlice(e.Key)
		}
		list = append(list, i)
	})
	return list, err
}

// elements reads the sets of the first quarantine table.
func (k *Kernel) elements(life bool, f func(set string, e nftables.SetElement)) error {
	c, err := k.conn()
	if err != nil {
		return err
	}
	for _, s := range quarantineSets(quarantineTables()[0]) {
		if s.HasTimeout == life {
			continue
		}
		list, err := c.GetSetElements(s)
		if missing(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read quarantine: %w", err)
		}
		for _, e := range list {
			f(s.Name, e)
		}
	}
	return nil
}

// Exempt replaces the list of what must never be cut off.
func (k *Kernel) Exempt(_ context.Context, list []zone.Isolation) error {
	want := map[string]map[string]bool{lifeIPv4: {}, lifeIPv6: {}, lifeMAC: {}}
	for _, i := range list {
		if ip := i.IP.Unmap(); ip.Is4() {
			want[lifeIPv4][string(ip.AsSlice())] = true
		} else if ip.IsValid() {
			want[lifeIPv6][string(ip.AsSlice())] = true
		}
		if i.MAC != (packet.MAC{}) {
			want[lifeMAC][string(i.MAC[:])] = true
		}
	}
	err := k.change(func(c *nftables.Conn, t *nftables.Table) error {
		for _, s := range quarantineSets(t)[3:] {
			have, err := c.GetSetElements(s)
			if err != nil {
				return err
			}
			add, gone := difference(want[s.Name], have)
			if len(gone) > 0 {
				err = c.SetDeleteElements(s, gone)
			}
			for part := range slices.Chunk(add, batch) {
				err = errors.Join(err, c.SetAddElements(s, part))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("exempt life support from quarantine: %w", err)
	}
	return nil
}

func difference(want map[string]bool, have []nftables.SetElement) (add, gone []nftables.SetElement) {
	there := map[string]bool{}
	for _, e := range have {
		there[string(e.Key)] = true
		if !want[string(e.Key)] {
			gone = append(gone, nftables.SetElement{Key: e.Key})
		}
	}
	for key := range want {
		if !there[key] {
			add = append(add, nftables.SetElement{Key: []byte(key)})
		}
	}
	return add, gone
}

// Talking counts what an address still has and what was dropped of it.
func (k *Kernel) Talking(ctx context.Context, i zone.Isolation) (conversations int, dropped uint64, err error) {
	if i.IP.IsValid() {
		c, err := k.dialConntrack()
		if err != nil {
			return 0, 0, err
		}
		flows, err := c.Dump(nil)
		if err = errors.Join(err, c.Close()); err != nil {
			return 0, 0, fmt.Errorf("read tracked connections: %w", err)
		}
		for _, f := range flows {
			if touches(f, i.IP.Unmap()) {
				conversations++
			}
		}
	}
	err = k.elements(false, func(s string, e nftables.SetElement) {
		same := i.IP.IsValid() && bytes.Equal(e.Key, i.IP.Unmap().AsSlice()) || s == setMAC && bytes.Equal(e.Key, i.MAC[:])
		if same && e.Counter != nil {
			dropped += e.Counter.Packets
		}
	})
	return conversations, dropped, err
}

// quarantined adds up what quarantine dropped.
func quarantined(c *nftables.Conn) (n uint64) {
	for _, t := range quarantineTables() {
		for _, chain := range []string{"forward", "input", "output", "prerouting"} {
			rules, err := rulesOf(c, t, chain)
			if err != nil {
				continue // not there
			}
			for _, r := range rules[min(1, len(rules)):] {
				for _, e := range r.Exprs {
					if counter, ok := e.(*expr.Counter); ok {
						n += counter.Packets
					}
				}
			}
		}
	}
	return n
}
