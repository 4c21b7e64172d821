//go:build linux

package nft

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/zone"
)

// The sets of the guard. A key of bind begins with the port, one of any does
// not: for bindings that name no port.
const (
	setPorts, setServers, setRouters = "ports", "servers", "routers"
	setBind4, setBind6               = "bind-ipv4", "bind-ipv6"
	setAny4, setAny6                 = "any-ipv4", "any-ipv6"
	setOwned6                        = "owned-ipv6"
)

// Where the fields of an ARP packet for IPv4 over Ethernet stand, RFC 826.
const (
	arpOperation, arpSenderMAC, arpSenderIP = 6, 8, 14
)

func arpField(reg, offset, size uint32) expr.Any {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size}
}

func guardTable() *nftables.Table {
	return &nftables.Table{Name: "cordon-guard", Family: nftables.TableFamilyBridge}
}

func guardSets(t *nftables.Table) map[string]*nftables.Set {
	list := map[string]*nftables.Set{}
	add := func(name string, fields ...nftables.SetDatatype) {
		list[name] = &nftables.Set{Table: t, Name: name, KeyType: nftables.MustConcatSetType(fields...), Concatenation: len(fields) > 1,
			KeyByteOrder: binaryutil.BigEndian, HasTimeout: len(fields) > 1}
	}
	for _, name := range []string{setPorts, setServers, setRouters} {
		add(name, nftables.TypeIFName)
	}
	add(setBind4, nftables.TypeIFName, nftables.TypeEtherAddr, nftables.TypeIPAddr)
	add(setBind6, nftables.TypeIFName, nftables.TypeEtherAddr, nftables.TypeIP6Addr)
	add(setAny4, nftables.TypeEtherAddr, nftables.TypeIPAddr)
	add(setAny6, nftables.TypeEtherAddr, nftables.TypeIP6Addr)
	add(setOwned6, nftables.TypeIP6Addr)
	return list
}

// Protect guards the ports of a bridge, in place of what was guarded before.
func (k *Kernel) Protect(_ context.Context, g zone.Guard) error {
	c, err := k.guardContent(g)
	if err != nil {
		return err
	}
	if err := k.replace(c); err != nil {
		return fmt.Errorf("guard the bridge: %w", err)
	}
	return nil
}

// Unprotect takes the guard away.
func (k *Kernel) Unprotect(context.Context) error { return k.remove(guardTable()) }

// Guarded names what of the guard in the kernel differs from g; leases bound
// since are no difference.
func (k *Kernel) Guarded(_ context.Context, g zone.Guard) ([]string, error) {
	w, err := k.guardContent(g)
	if err != nil {
		return nil, err
	}
	c, err := k.conn()
	if err != nil {
		return nil, err
	}
	return w.bare().compare(c)
}

func (k *Kernel) guardContent(g zone.Guard) (content, error) {
	t := guardTable()
	c := content{table: t}
	elements := map[string][]nftables.SetElement{}
	for set, names := range map[string][]string{setPorts: g.Ports, setServers: g.Servers, setRouters: g.Routers} {
		for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
			elements[set] = append(elements[set], nftables.SetElement{Key: ifname(name)})
		}
	}
	seen := map[string]bool{}
	for _, b := range g.Bindings {
		if b.State != binding.Bound && b.State != binding.Locked {
			continue
		}
		err := bound(b, func(set string, key []byte) {
			if name := elementName(set, key, nil); !seen[name] {
				seen[name] = true
				elements[set] = append(elements[set], nftables.SetElement{Key: key})
			}
		})
		if err != nil {
			return c, err
		}
	}
	sets := guardSets(t)
	for _, name := range []string{setPorts, setServers, setRouters, setBind4, setBind6, setAny4, setAny6, setOwned6} {
		c.sets = append(c.sets, filled{set: sets[name], elements: elements[name]})
	}
	policy := nftables.ChainPolicyAccept
	chain := &nftables.Chain{Name: "prerouting", Table: t, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookPrerouting,
		Priority: nftables.ChainPriorityRaw, Policy: &policy}
	c.chains = []ruled{{chain, named(t, chain, k.guardRules(g), "cordon guard")}}
	return c, nil
}

// bound tells the keys of a binding.
func bound(b binding.Binding, add func(set string, key []byte)) error {
	mac, err := net.ParseMAC(b.MAC)
	if err != nil || len(mac) != 6 {
		return fmt.Errorf("binding %s: its MAC address cannot be read", b.ID)
	}
	ip, err := netip.ParseAddr(b.IP)
	if err != nil {
		return fmt.Errorf("binding %s: its IP address cannot be read", b.ID)
	}
	ip = ip.Unmap()
	bind, anywhere := setBind4, setAny4
	if ip.Is6() {
		bind, anywhere = setBind6, setAny6
		add(setOwned6, ip.AsSlice())
	}
	pair := slices.Concat(mac, []byte{0, 0}, ip.AsSlice())
	if b.Port != "" {
		add(bind, append(ifname(b.Port), pair...))
		return nil
	}
	add(anywhere, pair)
	return nil
}

// Bind lets a pair pass, such as one that a DHCP server just leased; ttl 0
// is for good.
func (k *Kernel) Bind(_ context.Context, b binding.Binding, ttl time.Duration) error {
	return k.rebind(b, func(c *nftables.Conn, s *nftables.Set, key []byte) error {
		e := []nftables.SetElement{{Key: key, Timeout: ttl}}
		return errors.Join(c.SetAddElements(s, e), c.SetDeleteElements(s, e), c.SetAddElements(s, e))
	})
}

// Unbind takes it back.
func (k *Kernel) Unbind(_ context.Context, b binding.Binding) error {
	return k.rebind(b, func(c *nftables.Conn, s *nftables.Set, key []byte) error {
		e := []nftables.SetElement{{Key: key}}
		return errors.Join(c.SetAddElements(s, e), c.SetDeleteElements(s, e))
	})
}

func (k *Kernel) rebind(b binding.Binding, f func(*nftables.Conn, *nftables.Set, []byte) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, err := k.conn()
	if err != nil {
		return err
	}
	sets := guardSets(guardTable())
	var errs []error
	err = bound(b, func(set string, key []byte) { errs = append(errs, f(c, sets[set], key)) })
	if err = errors.Join(append(errs, err)...); err != nil {
		return err
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("change a binding of the bridge guard: %w", err)
	}
	return nil
}

// guardRules judge what comes in by a guarded port.
func (k *Kernel) guardRules(g zone.Guard) [][]expr.Any {
	refuse := func(kind zone.DenialKind) []expr.Any {
		if g.Stage {
			return []expr.Any{&expr.Counter{}, k.record(kind+stagedSuffix, 1), accept()}
		}
		return []expr.Any{&expr.Counter{}, k.record(kind, 1), drop()}
	}
	port := func(set string, invert bool) []expr.Any {
		return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: firstRegister}, &expr.Lookup{SourceRegister: firstRegister, SetName: set, Invert: invert}}
	}
	arp, four, six := ether(unix.ETH_P_ARP), ether(unix.ETH_P_IP), ether(unix.ETH_P_IPV6)
	rules := [][]expr.Any{
		{&expr.Counter{}},
		slices.Concat(port(setPorts, true), []expr.Any{accept()}),
		slices.Concat(ether(unix.ETH_P_8021Q), refuse(zone.DeniedTag)),
		slices.Concat(ether(unix.ETH_P_8021AD), refuse(zone.DeniedTag)),
		// Duplicate address detection asks before it has an address, RFC 5227.
		slices.Concat(arp, []expr.Any{arpField(1, arpOperation, 2), &expr.Cmp{Register: 1, Data: []byte{0, 1}},
			arpField(1, arpSenderIP, 4), &expr.Cmp{Register: 1, Data: make([]byte, 4)}, accept()}),
		// Both the sender that the packet names and the one that the frame names.
		slices.Concat(arp, unbound4(arpField(12, arpSenderMAC, 6), arpSenderIP), refuse(zone.DeniedARP)),
		slices.Concat(arp, unbound4(frameSender(12), arpSenderIP), refuse(zone.DeniedARP)),
		slices.Concat(four, udp(0, 67), port(setServers, true), refuse(zone.DeniedDHCP)),
		slices.Concat(six, udp(0, 547), port(setServers, true), refuse(zone.DeniedDHCP)),
		slices.Concat(six, icmpv6(134), port(setRouters, true), refuse(zone.DeniedRA)),
		slices.Concat(six, icmpv6(137), port(setRouters, true), refuse(zone.DeniedRA)), // redirect
		// A client without an address may ask for one.
		slices.Concat(four, []expr.Any{arpField(1, 12, 4), &expr.Cmp{Register: 1, Data: make([]byte, 4)}}, udp(2, 67), []expr.Any{accept()}),
		slices.Concat(four, unbound4(frameSender(12), 12), refuse(zone.DeniedIP)),
		slices.Concat(six, icmpv6(136), stolen6(&expr.Payload{DestRegister: 14, Base: expr.PayloadBaseTransportHeader, Offset: 8, Len: 16}), refuse(zone.DeniedNA)),
		slices.Concat(six, stolen6(arpField(14, 8, 16)), refuse(zone.DeniedIP)),
	}
	if g.IPv6 {
		source := func(bits int, net string) []expr.Any {
			return slices.Concat(six, address(firstRegister, 8, 16, bits), []expr.Any{&expr.Cmp{Register: firstRegister, Data: netip.MustParseAddr(net).AsSlice()}, accept()})
		}
		rules = append(rules, source(128, "::"), source(10, "fe80::"), slices.Concat(six, unbound6(arpField(14, 8, 16)), refuse(zone.DeniedIP)))
	}
	return rules
}

// stagedSuffix marks records of what a staged guard let pass.
const stagedSuffix = "-staged"

func frameSender(reg uint32) expr.Any {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseLLHeader, Offset: 6, Len: 6}
}

// The keys of bind stand in registers 8 to 11 (port), 12 and 13 (MAC) and from
// 14 on (IP), so that the key of any begins at 12 and that of owned at 14.

func unbound4(mac expr.Any, ipOffset uint32) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 8}, mac, arpField(14, ipOffset, 4),
		&expr.Lookup{SourceRegister: 8, SetName: setBind4, Invert: true}, &expr.Lookup{SourceRegister: 12, SetName: setAny4, Invert: true}}
}

func unbound6(ip expr.Any) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 8}, frameSender(12), ip,
		&expr.Lookup{SourceRegister: 8, SetName: setBind6, Invert: true}, &expr.Lookup{SourceRegister: 12, SetName: setAny6, Invert: true}}
}

// stolen6 is an address that is bound, but not to the sender.
func stolen6(ip expr.Any) []expr.Any {
	return append(unbound6(ip), &expr.Lookup{SourceRegister: 14, SetName: setOwned6})
}

// udp demands a UDP port; offset 0 is the source's, 2 the destination's.
func udp(offset uint32, port uint16) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Register: 1, Data: []byte{packet.UDP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2}, &expr.Cmp{Register: 1, Data: []byte{byte(port >> 8), byte(port)}}}
}

func icmpv6(kind byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Register: 1, Data: []byte{packet.ICMPv6}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1}, &expr.Cmp{Register: 1, Data: []byte{kind}}}
}
