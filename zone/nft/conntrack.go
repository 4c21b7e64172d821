//go:build linux

package nft

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"github.com/ti-mo/conntrack"
	vnl "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/zone"
)

func (k *Kernel) dialConntrack() (*conntrack.Conn, error) {
	c, err := conntrack.Dial(&netlink.Config{NetNS: k.namespace()})
	if err != nil {
		return nil, fmt.Errorf("open connection tracking: %w", err)
	}
	if err := c.SetReadBuffer(16 << 20); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// cut ends the tracked conversations that condemn chooses.
func (k *Kernel) cut(ctx context.Context, condemn func(conntrack.Flow) bool) (n int, err error) {
	c, err := k.dialConntrack()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	flows, err := c.Dump(nil)
	if err != nil {
		return 0, fmt.Errorf("read tracked connections: %w", err)
	}
	for _, f := range flows {
		if ctx.Err() != nil {
			return n, ctx.Err()
		}
		if !condemn(f) {
			continue
		}
		if err := c.Delete(f); err != nil && !errors.Is(err, unix.ENOENT) {
			return n, fmt.Errorf("end a tracked connection: %w", err)
		}
		n++
	}
	return n, nil
}

// touches reports whether an address is an end of a conversation, also behind
// translated addresses.
func touches(f conntrack.Flow, a netip.Addr) bool {
	o, r := f.TupleOrig.IP, f.TupleReply.IP
	return o.SourceAddress == a || o.DestinationAddress == a || r.SourceAddress == a || r.DestinationAddress == a
}

// cutDenied ends forwarded conversations that the ruleset allows in neither
// direction. Tracking that began in the middle of a conversation may have
// taken an answer for its beginning, so either direction will do.
func (k *Kernel) cutDenied(ctx context.Context, r *zone.Ruleset) (int, error) {
	where, err := k.routes()
	if err != nil {
		return 0, err
	}
	return k.cut(ctx, func(f conntrack.Flow) bool {
		t := tupleOf(f.TupleOrig)
		t.In, t.Out = where.leg(t.From), where.leg(t.To)
		if where.own[t.From] || where.own[t.To] || t.In == "" || t.Out == "" {
			return false // not forwarded
		}
		back := zone.Tuple{In: t.Out, Out: t.In, From: t.To, To: t.From, Proto: t.Proto, Port: f.TupleOrig.Proto.SourcePort}
		return !r.Decide(t).Allow && !r.Decide(back).Allow
	})
}

func tupleOf(t conntrack.Tuple) zone.Tuple {
	return zone.Tuple{From: t.IP.SourceAddress, To: t.IP.DestinationAddress, Proto: t.Proto.Protocol, Port: t.Proto.DestinationPort}
}

// legs knows by which interface an address is reached.
type legs struct {
	own  map[netip.Addr]bool
	nets []leg
}

type leg struct {
	net  netip.Prefix
	name string
}

// leg is the interface of the longest route to an address.
func (l legs) leg(a netip.Addr) (name string) {
	best := -1
	for _, n := range l.nets {
		if n.net.Contains(a) && n.net.Bits() > best {
			best, name = n.net.Bits(), n.name
		}
	}
	return name
}

// routes reads the namespace's addresses and routes.
func (k *Kernel) routes() (l legs, err error) {
	l.own = map[netip.Addr]bool{}
	err = k.inside(func() error {
		links, err := vnl.LinkList()
		if err != nil {
			return fmt.Errorf("list interfaces: %w", err)
		}
		names := map[int]string{}
		for _, link := range links {
			names[link.Attrs().Index] = link.Attrs().Name
		}
		addrs, err := vnl.AddrList(nil, vnl.FAMILY_ALL)
		if err != nil {
			return fmt.Errorf("list addresses: %w", err)
		}
		for _, a := range addrs {
			if ip, ok := netip.AddrFromSlice(a.IP); ok {
				l.own[ip.Unmap()] = true
			}
		}
		routes, err := vnl.RouteList(nil, vnl.FAMILY_ALL)
		if err != nil {
			return fmt.Errorf("list routes: %w", err)
		}
		for _, r := range routes {
			l.add(r, names)
		}
		return nil
	})
	return l, err
}

func (l *legs) add(r vnl.Route, names map[int]string) {
	net := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if r.Family == vnl.FAMILY_V6 {
		net = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	if r.Dst != nil {
		ip, ok := netip.AddrFromSlice(r.Dst.IP)
		ones, _ := r.Dst.Mask.Size()
		if !ok {
			return
		}
		if r.Family != vnl.FAMILY_V6 {
			ip = ip.Unmap()
		}
		net = netip.PrefixFrom(ip, ones)
	}
	if name := names[r.LinkIndex]; name != "" && r.Type == unix.RTN_UNICAST {
		l.nets = append(l.nets, leg{net, name})
	}
}
