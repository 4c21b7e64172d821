//go:build linux

package nft

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/zone"
)

// A shape is what elements that share a set have in common.
type shape struct {
	family   uint8 // 4 or 6; 0: by interfaces
	from, to int   // prefix lengths
	ports    portKind
}

// portKind is how a shape judges layer 4.
type portKind uint8

const (
	anyProto portKind = iota // any protocol
	onlyProto
	onePort // or the type of an ICMP message
	echo    // the same set would do, but the rule reads another place
	portRange
)

func (s shape) String() string {
	ports := [...]string{"any", "proto", "port", "echo", "range"}[s.ports]
	if s.family == 0 {
		return "legs-" + ports
	}
	return fmt.Sprintf("v%d-%d-%d-%s", s.family, s.from, s.to, ports)
}

// shapeOf sorts an element.
func shapeOf(e zone.Element) (shape, error) {
	s := shape{ports: portsOf(e)}
	if e.ByInterface() {
		if e.Out == "" || e.From.IsValid() || e.To.IsValid() || len(e.In) > 15 || len(e.Out) > 15 {
			return s, fmt.Errorf("element of conduit %s: give both interfaces, of at most 15 characters, and no prefix", e.Conduit)
		}
		return s, nil
	}
	if !e.From.IsValid() || !e.To.IsValid() || e.From.Addr().Is4() != e.To.Addr().Is4() || e.Out != "" {
		return s, fmt.Errorf("element of conduit %s: give two interfaces, or two prefixes of one family", e.Conduit)
	}
	s.family, s.from, s.to = 6, e.From.Bits(), e.To.Bits()
	if e.From.Addr().Is4() {
		s.family = 4
	}
	return s, nil
}

func portsOf(e zone.Element) portKind {
	switch {
	case e.Proto == 0:
		return anyProto
	case e.Proto == packet.ICMP || e.Proto == packet.ICMPv6:
		return echo
	case !e.HasPorts() || e.Low == 0 && e.High == 65535:
		return onlyProto
	case e.Low == e.High:
		return onePort
	}
	return portRange
}

// key is an element's key and, in a set of ranges, the key of its end.
func (s shape) key(e zone.Element) (key, end []byte) {
	if s.family == 0 {
		key = append(ifname(e.In), ifname(e.Out)...)
	} else {
		key = append(e.From.Masked().Addr().AsSlice(), e.To.Masked().Addr().AsSlice()...)
	}
	if s.ports == anyProto {
		return key, nil
	}
	key = append(key, e.Proto, 0, 0, 0)
	switch s.ports {
	case onePort:
		key = append(key, byte(e.Low>>8), byte(e.Low), 0, 0)
	case echo:
		key = append(key, echoType(e.Proto), 0, 0, 0)
	case portRange:
		end = append(slices.Clone(key), byte(e.High>>8), byte(e.High), 0, 0)
		key = append(key, byte(e.Low>>8), byte(e.Low), 0, 0)
	}
	return key, end
}

func echoType(proto uint8) byte {
	if proto == packet.ICMPv6 {
		return 128
	}
	return 8
}

func ifname(name string) []byte {
	b := make([]byte, 16)
	copy(b, name)
	return b
}

func native32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// set is the shape's set.
func (s shape) set(t *nftables.Table) *nftables.Set {
	fields := []nftables.SetDatatype{nftables.TypeIFName, nftables.TypeIFName}
	switch s.family {
	case 4:
		fields = []nftables.SetDatatype{nftables.TypeIPAddr, nftables.TypeIPAddr}
	case 6:
		fields = []nftables.SetDatatype{nftables.TypeIP6Addr, nftables.TypeIP6Addr}
	}
	if s.ports != anyProto {
		fields = append(fields, nftables.TypeInetProto)
	}
	if s.ports > onlyProto {
		fields = append(fields, nftables.TypeInetService)
	}
	return &nftables.Set{Table: t, Name: s.String(), Concatenation: true, Interval: s.ports == portRange,
		KeyType: nftables.MustConcatSetType(fields...), KeyByteOrder: binaryutil.BigEndian}
}

// firstRegister is NFT_REG32_00; every further one holds 4 bytes.
const firstRegister = 8

// lookup is the rule that accepts what is in the shape's set.
func (s shape) lookup() []expr.Any {
	reg := uint32(firstRegister)
	var list []expr.Any
	if s.family == 0 {
		list = append(list, &expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg}, &expr.Meta{Key: expr.MetaKeyOIFNAME, Register: reg + 4})
		reg += 8
	} else {
		list = append(list, family(s.family)...)
		src, dst, size := uint32(12), uint32(16), uint32(4)
		if s.family == 6 {
			src, dst, size = 8, 24, 16
		}
		list = append(list, address(reg, src, size, s.from)...)
		list = append(list, address(reg+size/4, dst, size, s.to)...)
		reg += size / 2
	}
	if s.ports != anyProto {
		list = append(list, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg})
		reg++
	}
	switch s.ports {
	case onePort, portRange:
		list = append(list, &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2})
	case echo:
		list = append(list, &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1})
	}
	return append(list, &expr.Lookup{SourceRegister: firstRegister, SetName: s.String()}, &expr.Counter{}, &expr.Verdict{Kind: expr.VerdictAccept})
}

// family demands IPv4 or IPv6.
func family(f uint8) []expr.Any {
	proto := byte(unix.NFPROTO_IPV6)
	if f == 4 {
		proto = unix.NFPROTO_IPV4
	}
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, &expr.Cmp{Register: 1, Data: []byte{proto}}}
}

// address loads an address and masks it to its first bits.
func address(reg, offset, size uint32, bits int) []expr.Any {
	load := &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size}
	if bits == int(size)*8 {
		return []expr.Any{load}
	}
	mask := make([]byte, size)
	for i := range bits {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return []expr.Any{load, &expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: size, Mask: mask, Xor: make([]byte, size)}}
}

// group is a shape with its elements.
type group struct {
	shape
	elements []nftables.SetElement
}

// groups sorts elements by shape and returns whose each key is. Ranges that
// overlap in one key are merged: the first one's conduit counts for all.
func groups(list []zone.Element) ([]group, map[string]string, error) {
	by := map[shape]*group{}
	owner := make(map[string]string, len(list))
	var ranges []zone.Element
	for _, e := range list {
		s, err := shapeOf(e)
		if err != nil {
			return nil, nil, err
		}
		if s.ports == portRange {
			ranges = append(ranges, e)
			continue
		}
		by[s] = by[s].add(s, e, owner)
	}
	for _, e := range merged(ranges) {
		s, _ := shapeOf(e) // was good above
		by[s] = by[s].add(s, e, owner)
	}
	out := make([]group, 0, len(by))
	for _, g := range by {
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b group) int { return cmp.Compare(a.shape.String(), b.shape.String()) })
	return out, owner, nil
}

func (g *group) add(s shape, e zone.Element, owner map[string]string) *group {
	if g == nil {
		g = &group{shape: s}
	}
	key, end := s.key(e)
	name := elementName(s.String(), key, end)
	if _, twice := owner[name]; !twice {
		owner[name] = e.Conduit
		g.elements = append(g.elements, nftables.SetElement{Key: key, KeyEnd: end})
	}
	return g
}

// elementName names an element of a set among all of them.
func elementName(set string, key, end []byte) string {
	return set + "\x00" + string(key) + string(end)
}

// merged joins ranges of one key that overlap.
func merged(list []zone.Element) []zone.Element {
	type place struct {
		in, out  string
		from, to netip.Prefix
		proto    uint8
	}
	at := func(e zone.Element) place { return place{e.In, e.Out, e.From.Masked(), e.To.Masked(), e.Proto} }
	by := map[place][]zone.Element{}
	var order []place
	for _, e := range list {
		if by[at(e)] == nil {
			order = append(order, at(e))
		}
		by[at(e)] = append(by[at(e)], e)
	}
	var out []zone.Element
	for _, p := range order {
		slices.SortStableFunc(by[p], func(a, b zone.Element) int { return cmp.Compare(a.Low, b.Low) })
		for i, e := range by[p] {
			if last := len(out) - 1; i > 0 && e.Low <= out[last].High {
				out[last].High = max(out[last].High, e.High)
				continue
			}
			out = append(out, e)
		}
	}
	return out
}
