package packet_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/internal/packettest"
)

var (
	dns   = packettest.UDP(5000, 53, []byte("who is pacs?"))
	plain = packettest.IP("10.0.0.1", "10.0.0.2", dns)
	six   = packettest.IP("fd00::1", "fd00::2", dns)
	frame = packettest.Ether(packettest.MAC(1), packettest.MAC(2), plain)
)

// be joins numbers of two bytes and bytes.
func be(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = binary.BigEndian.AppendUint16(b, uint16(p))
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

// withExtensions puts headers between IPv6 and UDP.
func withExtensions(first uint8, ext []byte) []byte {
	b := bytes.Clone(six.Bytes)
	b[6] = first
	b = slices.Insert(b, 40, ext...)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	return packettest.Ether(packettest.MAC(1), packettest.MAC(2), packettest.Packet{Type: packet.TypeIPv6, Bytes: b})
}

func eth(kind uint16, b []byte) []byte {
	return packettest.Ether(packettest.MAC(1), packettest.MAC(2), packettest.Packet{Type: kind, Bytes: b})
}

func mac(n byte) []byte { m := packettest.MAC(n); return m[:] }

// TestEveryWayToADatagram has the same datagram arrive in every wrapping.
func TestEveryWayToADatagram(t *testing.T) {
	snap := be([]byte{0xaa, 0xaa, 3, 0, 0, 0}, 0x800, plain.Bytes)
	options := slices.Insert(bytes.Clone(plain.Bytes), 20, 0x94, 4, 0, 0) // router alert
	options[0], options[3] = 0x46, options[3]+4
	in := func(s packettest.Segment) []byte {
		return packettest.Ether(packettest.MAC(8), packettest.MAC(9), packettest.IP("192.0.2.1", "192.0.2.2", s))
	}
	gre := func(flags, kind int, b ...any) []byte {
		return in(packettest.Plain(packet.GRE, be(append([]any{flags, kind}, b...)...)))
	}
	wifi := func(control, ds int, addrs ...[]byte) []byte {
		return bytes.Join([][]byte{{byte(control), byte(ds), 0, 0}, addrs[0], addrs[1], addrs[2], {0, 0}}, nil)
	}
	fromAP := slices.Concat(wifi(0x88, 2, mac(2), mac(7), mac(1)), []byte{0, 0}, snap)
	toAP := slices.Concat(wifi(0x08, 1, mac(7), mac(1), mac(2)), snap)
	cases := map[string]struct {
		link  int
		frame []byte
		vlan  uint16
		vni   uint32
		macs  bool
	}{
		"plain":         {1, frame, 0, 0, true},
		"options":       {1, eth(0x800, options), 0, 0, true},
		"tag":           {1, packettest.Ether(packettest.MAC(1), packettest.MAC(2), plain, 30), 30, 0, true},
		"two tags":      {1, packettest.Ether(packettest.MAC(1), packettest.MAC(2), plain, 900, 30), 30, 0, true},
		"priority tag":  {1, packettest.Ether(packettest.MAC(1), packettest.MAC(2), plain, 30, 0xe000), 30, 0, true},
		"snap":          {1, eth(uint16(len(snap)), snap), 0, 0, true},
		"six":           {1, packettest.Ether(packettest.MAC(1), packettest.MAC(2), six), 0, 0, true},
		"hop by hop":    {1, withExtensions(0, []byte{60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0}), 0, 0, true},
		"authenticated": {1, withExtensions(51, []byte{17, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}), 0, 0, true},
		"vxlan":         {1, in(packettest.UDP(40000, 4789, be(0x0800, 0, 0, 77<<8, frame))), 0, 77, true},
		"vxlan tagged":  {1, in(packettest.UDP(40000, 8472, be(0x0800, 0, 1, 0, packettest.Ether(packettest.MAC(1), packettest.MAC(2), plain, 5)))), 5, 256, true},
		"geneve":        {1, in(packettest.UDP(40000, 6081, be(0x0100, 0x6558, 0, 77<<8, 1, 2, frame))), 0, 77, true},
		"gre":           {1, gre(0, 0x800, plain.Bytes), 0, 0, false},
		"gre key seq":   {1, gre(0xb000, 0x800, 1, 2, 3, 4, 5, 6, plain.Bytes), 0, 0, false},
		"gre ethernet":  {1, gre(0, 0x6558, frame), 0, 0, true},
		"erspan 1":      {1, gre(0, 0x88be, frame), 0, 0, true},
		"erspan 2":      {1, gre(0x1000, 0x88be, 0, 1, 0x1000|44, 0, 0, 0, frame), 44, 0, true},
		"erspan 3":      {1, gre(0x1000, 0x22eb, 0, 1, 0x2000|44, 0, 0, 0, 0, 1, 0, 0, 0, 0, frame), 44, 0, true},
		"ip in ip":      {1, in(packettest.Plain(4, plain.Bytes)), 0, 0, false},
		"six in four":   {1, in(packettest.Plain(41, six.Bytes)), 0, 0, false},
		"mpls":          {1, eth(0x8847, be(1, 0x0040, 2, 0x0140, plain.Bytes)), 0, 0, true},
		"pseudowire":    {1, eth(0x8847, be(2, 0x0140, 0, 0, frame)), 0, 0, true},
		"pppoe":         {1, eth(0x8864, be(0x1100, 1, 2+len(plain.Bytes), 0x21, plain.Bytes)), 0, 0, true},
		"raw":           {101, plain.Bytes, 0, 0, false},
		"raw six":       {229, six.Bytes, 0, 0, false},
		"null":          {0, append([]byte{2, 0, 0, 0}, plain.Bytes...), 0, 0, false},
		"null other":    {0, append([]byte{0, 0, 0, 30}, six.Bytes...), 0, 0, false},
		"loop":          {108, append([]byte{0, 0, 0, 2}, plain.Bytes...), 0, 0, false},
		"sll":           {113, be(0, 1, 6, mac(1), 0, 0x800, plain.Bytes), 0, 0, false},
		"sll tagged":    {113, be(0, 1, 6, mac(1), 0, 0x8100, 30, 0x800, plain.Bytes), 30, 0, false},
		"sll2":          {276, be(0x800, 0, 0, 3, 1, 6, mac(1), 0, plain.Bytes), 0, 0, false},
		"ppp":           {9, be(0xff03, 0x21, plain.Bytes), 0, 0, false},
		"ppp short":     {9, append([]byte{0x21}, plain.Bytes...), 0, 0, false},
		"hdlc":          {104, be(0x0f00, 0x800, plain.Bytes), 0, 0, false},
		"frame relay":   {107, append([]byte{0x18, 0x41, 3, 0xcc}, plain.Bytes...), 0, 0, false},
		"nflog":         {239, slices.Concat([]byte{2, 0, 0, 9, 6, 0, 10, 0, 'a', 0, 0, 0}, []byte{byte(len(plain.Bytes) + 4), 0, 9, 0}, plain.Bytes), 0, 0, false},
		"wifi":          {105, fromAP, 0, 0, true},
		"wifi up":       {105, toAP, 0, 0, true},
		"radiotap":      {127, append([]byte{0, 0, 9, 0, 2, 0, 0, 0, 0}, toAP...), 0, 0, true},
		"radiotap time": {127, slices.Concat([]byte{0, 0, 17, 0, 3, 0, 0, 0}, make([]byte, 9), toAP), 0, 0, true},
		"ppi":           {192, append([]byte{0, 0, 8, 0, 105, 0, 0, 0}, toAP...), 0, 0, true},
	}
	for name, c := range cases {
		var f packet.Frame
		packet.Decode(c.link, 7, len(c.frame), c.frame, &f)
		if f.Proto != packet.UDP || f.FromPort != 5000 || f.ToPort != 53 || string(f.Payload) != "who is pacs?" || f.Short || f.At != 7 {
			t.Errorf("%s: %+v", name, f)
		}
		from := netip.MustParseAddr("10.0.0.1")
		if f.Type == packet.TypeIPv6 {
			from = netip.MustParseAddr("fd00::1")
		}
		if f.From != from || f.VLAN != c.vlan || f.VNI != c.vni || c.macs && (f.Src != packettest.MAC(1) || f.Dst != packettest.MAC(2)) {
			t.Errorf("%s: from %v vlan %d vni %d %v %v", name, f.From, f.VLAN, f.VNI, f.Src, f.Dst)
		}
		if !packet.Reads(c.link) {
			t.Errorf("%s: link %d is said not to be read", name, c.link)
		}
	}
}

func TestSegment(t *testing.T) {
	var f packet.Frame
	b := packettest.Ether(packettest.MAC(1), packettest.MAC(2), packettest.IP("10.0.0.1", "10.0.0.2", packettest.TCP(40000, 104, 7, 8, packet.PSH|packet.ACK, []byte("abc"))))
	packet.Decode(packet.LinkEthernet, 0, len(b), b, &f)
	if f.Seq != 7 || f.Ack != 8 || f.Flags != packet.PSH|packet.ACK || string(f.Payload) != "abc" || f.TTL != 64 {
		t.Errorf("%+v", f)
	}
	packet.Decode(packet.LinkEthernet, 0, len(b), b[:55], &f)
	if !f.Short || f.Cut != 2 || string(f.Payload) != "a" {
		t.Errorf("cut short: %+v", f)
	}
}

func TestFragments(t *testing.T) {
	long := packettest.IP("10.0.0.1", "10.0.0.2", packettest.UDP(5000, 53, make([]byte, 3000)))
	for i, p := range packettest.Pieces(long, 9, 1480) {
		var f packet.Frame
		b := packettest.Ether(packettest.MAC(1), packettest.MAC(2), p)
		packet.Decode(packet.LinkEthernet, 0, len(b), b, &f)
		if f.Fragment != (i > 0) || f.MoreFragments != (i < 2) || (f.ToPort == 53) != (i == 0) || !f.From.IsValid() {
			t.Errorf("piece %d: %+v", i, f)
		}
	}
	var f packet.Frame
	b := withExtensions(44, []byte{17, 0, 0, 9, 0, 0, 0, 1})
	packet.Decode(packet.LinkEthernet, 0, len(b), b, &f)
	if !f.Fragment || f.Proto != packet.UDP || f.ToPort != 0 {
		t.Errorf("piece of IPv6: %+v", f)
	}
}

func TestOthersKeepTheirType(t *testing.T) {
	for kind, b := range map[uint16][]byte{
		packet.TypeARP:  eth(packet.TypeARP, make([]byte, 28)),
		packet.TypeLLDP: eth(packet.TypeLLDP, make([]byte, 28)),
		packet.TypeLLC:  eth(6, []byte{0x42, 0x42, 3, 0, 0, 0}),
	} {
		var f packet.Frame
		packet.Decode(packet.LinkEthernet, 0, len(b), b, &f)
		if f.Type != kind || len(f.L3) < 6 || f.From.IsValid() {
			t.Errorf("%x: %+v", kind, f)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	var f packet.Frame
	b := packettest.Ether(packettest.MAC(8), packettest.MAC(9), packettest.IP("192.0.2.1", "192.0.2.2", packettest.UDP(1, 4789, be(0x0800, 0, 0, 77<<8, packettest.Ether(packettest.MAC(1), packettest.MAC(2), six, 9)))))
	if n := testing.AllocsPerRun(100, func() { packet.Decode(packet.LinkEthernet, 0, len(b), b, &f) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzDecode wants no panic, and slices inside what was given.
func FuzzDecode(f *testing.F) {
	f.Add(1, frame)
	f.Add(1, withExtensions(44, []byte{17, 0, 0, 9, 0, 0, 0, 1}))
	f.Add(1, packettest.Ether(packettest.MAC(1), packettest.MAC(2), packettest.IP("10.0.0.1", "10.0.0.2", packettest.Plain(packet.GRE, be(0x1000, 0x22eb, 0, 1, frame)))))
	f.Add(127, []byte{0, 0, 9, 0, 2, 0, 0, 0x80, 0})
	f.Add(239, append([]byte{2, 0, 0, 9, 40, 0, 9, 0}, plain.Bytes...))
	f.Add(107, []byte{0x18, 0x41, 3, 0, 0x80, 0, 0, 0})
	f.Fuzz(func(t *testing.T, link int, b []byte) {
		var fr packet.Frame
		packet.Decode(link, 0, len(b), b, &fr)
		if len(fr.Payload) > len(b) || len(fr.L3) > len(b) || fr.Cut < 0 {
			t.Errorf("%+v", fr)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	var f packet.Frame
	for b.Loop() {
		packet.Decode(packet.LinkEthernet, 0, len(frame), frame, &f)
	}
}
