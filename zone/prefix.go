package zone

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// parsePrefixes reads 10.1.2.3, 10.1.2.0/24 or 10.1.2.10-10.1.2.20.
func parsePrefixes(s string) ([]netip.Prefix, error) {
	low, high, ranged := strings.Cut(s, "-")
	if !ranged {
		p, err := parsePrefix(s)
		return []netip.Prefix{p}, err
	}
	a, errA := netip.ParseAddr(strings.TrimSpace(low))
	b, errB := netip.ParseAddr(strings.TrimSpace(high))
	if errA != nil || errB != nil || a.Zone() != "" || b.Zone() != "" || a.Is4() != b.Is4() || b.Less(a) {
		return nil, fmt.Errorf("%q is no range of addresses such as 10.1.2.10-10.1.2.20", s)
	}
	return cover(a, b), nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	var none netip.Prefix
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return none, fmt.Errorf("%q is no address, network or range, such as 10.1.2.3, 10.1.2.0/24, 10.1.2.10-10.1.2.20", s)
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return none, fmt.Errorf("%q is no network such as 10.1.2.0/24 or fd00:12::/64", s)
	case p.Addr().Is4In6():
		return none, fmt.Errorf("%q is an IPv4 network in IPv6 form; write the IPv4 network", s)
	case p != p.Masked():
		return none, fmt.Errorf("%q has bits beyond its length; write %s, or %s for the one address", s, p.Masked(), p.Addr())
	}
	return p, nil
}

// cover gives the fewest prefixes that hold exactly the addresses from a to b.
func cover(a, b netip.Addr) []netip.Prefix {
	var out []netip.Prefix
	for {
		bits := a.BitLen()
		for bits > 0 {
			wider := netip.PrefixFrom(a, bits-1)
			if wider.Masked().Addr() != a || b.Less(last(wider)) {
				break
			}
			bits--
		}
		p := netip.PrefixFrom(a, bits)
		out = append(out, p)
		end := last(p)
		if !end.Less(b) {
			return out
		}
		a = end.Next()
	}
}

// last is the highest address of a prefix.
func last(p netip.Prefix) netip.Addr {
	if p.Addr().Is4() {
		b := p.Addr().As4()
		setBits(b[:], p.Bits())
		return netip.AddrFrom4(b)
	}
	b := p.Addr().As16()
	setBits(b[:], p.Bits())
	return netip.AddrFrom16(b)
}

// setBits sets all bits from the given one on.
func setBits(b []byte, from int) {
	for i := range b {
		switch {
		case i*8 >= from:
			b[i] = 0xff
		case i*8+8 > from:
			b[i] |= 0xff >> (from - i*8)
		}
	}
}

// tidy sorts prefixes, leaves out what others hold and joins halves.
func tidy(ps []netip.Prefix) []netip.Prefix {
	if len(ps) < 2 {
		return ps
	}
	ps = slices.Clone(ps)
	slices.SortFunc(ps, comparePrefix)
	out := ps[:0]
	for _, p := range ps {
		if len(out) > 0 && out[len(out)-1].Overlaps(p) {
			continue
		}
		out = append(out, p)
		for len(out) > 1 {
			joined, ok := join(out[len(out)-2], out[len(out)-1])
			if !ok {
				break
			}
			out = append(out[:len(out)-2], joined)
		}
	}
	return out
}

// join puts two halves together.
func join(a, b netip.Prefix) (netip.Prefix, bool) {
	if a.Bits() != b.Bits() || a.Bits() == 0 || a.Addr().Is4() != b.Addr().Is4() {
		return a, false
	}
	whole := netip.PrefixFrom(a.Addr(), a.Bits()-1).Masked()
	return whole, a != b && whole.Contains(b.Addr())
}

// comparePrefix orders by family, address, then the wider first.
func comparePrefix(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// without takes networks out of whole and gives what remains, in order.
func without(whole netip.Prefix, out []netip.Prefix) []netip.Prefix {
	inside := slices.DeleteFunc(slices.Clone(out), func(p netip.Prefix) bool { return !p.Overlaps(whole) })
	if len(inside) == 0 {
		return []netip.Prefix{whole}
	}
	if slices.ContainsFunc(inside, func(p netip.Prefix) bool { return p.Bits() <= whole.Bits() }) {
		return nil
	}
	low, high := halves(whole)
	return append(without(low, inside), without(high, inside)...)
}

func halves(p netip.Prefix) (low, high netip.Prefix) {
	low = netip.PrefixFrom(p.Addr(), p.Bits()+1)
	end := last(p)
	return low, netip.PrefixFrom(end, p.Bits()+1).Masked()
}

// notInternet are the addresses that are never the internet's: private and
// shared (RFC 1918, 6598, 4193), local, multicast, reserved.
var notInternet = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("224.0.0.0/3"),
}

// globalIPv6 is what is given out of IPv6 (2000::/3).
var globalIPv6 = netip.MustParsePrefix("2000::/3")

// internetOf is the internet as seen from a hospital with these networks.
func internetOf(own []netip.Prefix) []netip.Prefix {
	v4 := without(netip.MustParsePrefix("0.0.0.0/0"), append(slices.Clone(notInternet), own...))
	return append(v4, without(globalIPv6, own)...)
}

// private reports whether an address is never the internet's.
func private(a netip.Addr) bool {
	if a.Is4() {
		return slices.ContainsFunc(notInternet, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	return !globalIPv6.Contains(a)
}
