package netflow

import (
	"encoding/binary"
	"iter"
	"net/netip"

	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/internal/packet"
)

// pairs counts flows, which go one way each, as conversations.
type pairs struct {
	all map[flow.Key]*flow.Conversation
}

func newPairs() *pairs { return &pairs{map[flow.Key]*flow.Conversation{}} }

func (p *pairs) len() int { return len(p.all) }

func (p *pairs) conversations() iter.Seq[flow.Conversation] {
	return func(yield func(flow.Conversation) bool) {
		for _, c := range p.all {
			if !yield(*c) {
				return
			}
		}
	}
}

// join counts what others counted.
func (p *pairs) join(o *pairs) {
	for k, c := range o.all {
		if old := p.all[k]; old != nil {
			old.Add(*c)
			continue
		}
		p.all[k] = c
	}
}

// add counts one flow; false where its conversation would be one more than
// most.
func (p *pairs) add(f *protoproducer.ProtoProducerMessage, most int) bool {
	src, ok1 := netip.AddrFromSlice(f.SrcAddr)
	dst, ok2 := netip.AddrFromSlice(f.DstAddr)
	if !ok1 || !ok2 {
		return true
	}
	src, dst = src.Unmap(), dst.Unmap()
	from, until := ms(f.TimeFlowStartNs, f.TimeReceivedNs), ms(f.TimeFlowEndNs, f.TimeReceivedNs)
	times := int64(max(1, f.SamplingRate))
	one := &flow.Conversation{From: from, Until: max(until, from), VLAN: vlan(f)}
	back := fromServer(f)
	if back {
		one.Key = flow.Key{Client: dst, Server: src, Proto: uint8(f.Proto), Port: port(f, f.SrcPort)}
		one.PacketsIn, one.BytesIn = int64(f.Packets)*times, int64(f.Bytes)*times
		one.ServerMAC, one.ClientMAC = mac(f.SrcMac), mac(f.DstMac)
	} else {
		one.Key = flow.Key{Client: src, Server: dst, Proto: uint8(f.Proto), Port: port(f, f.DstPort)}
		one.PacketsOut, one.BytesOut = int64(f.Packets)*times, int64(f.Bytes)*times
		one.ClientMAC, one.ServerMAC, one.Sessions = mac(f.SrcMac), mac(f.DstMac), 1
		if one.Proto == packet.TCP && f.TcpFlags&(packet.SYN|packet.ACK) == packet.SYN {
			one.Refused = 1
		}
	}
	old := p.all[one.Key]
	switch {
	case old != nil:
		old.Add(*one)
	case len(p.all) >= most:
		return false
	default:
		p.all[one.Key] = one
	}
	return true
}

// fromServer guesses the direction: SYN alone comes from a client, else the
// lower port serves. (A flow's flags are those of all its packets, so SYN with
// ACK tells nothing.) Without ports, who sends is the client; exporters put the
// type of an ICMP message where a port would be.
func fromServer(f *protoproducer.ProtoProducerMessage) bool {
	switch {
	case f.Proto != packet.TCP && f.Proto != packet.UDP:
		return false
	case f.Proto == packet.TCP && f.TcpFlags&packet.SYN != 0 && f.TcpFlags&packet.ACK == 0:
		return false
	}
	return f.SrcPort < f.DstPort
}

func port(f *protoproducer.ProtoProducerMessage, n uint32) uint16 {
	if f.Proto != packet.TCP && f.Proto != packet.UDP {
		return 0
	}
	return uint16(n)
}

// ms is a time of a flow, which some exporters leave out.
func ms(ns, received uint64) int64 {
	const year2000 = 946684800 * 1_000_000_000
	if ns < year2000 || ns > received+3600*1_000_000_000 {
		ns = received
	}
	return int64(ns / 1_000_000)
}

func vlan(f *protoproducer.ProtoProducerMessage) uint16 {
	for _, v := range []uint32{f.VlanId, f.SrcVlan} {
		if v > 0 && v < 4096 {
			return uint16(v)
		}
	}
	return 0
}

func mac(n uint64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	return asset.MACText(packet.MAC(b[2:]))
}
