package capture

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/internal/packet"
)

var (
	seenA   = packet.MAC{2, 0, 0, 0, 0, 0xa}
	seenB   = packet.MAC{2, 0, 0, 0, 0, 0xb}
	seenAll = packet.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
)

const seenNow = int64(1_760_000_000e9)

// seenFrame is a frame from A to everybody.
func seenFrame(payload []byte) *packet.Frame {
	return &packet.Frame{At: seenNow, Src: seenA, Dst: seenAll, VLAN: 12, TTL: 64, L3: payload, Payload: payload,
		From: netip.MustParseAddr("10.1.0.10"), To: netip.MustParseAddr("10.1.0.255")}
}

// seenUDP is one between ports.
func seenUDP(from, to uint16, payload []byte) *packet.Frame {
	f := seenFrame(payload)
	f.Proto, f.FromPort, f.ToPort = packet.UDP, from, to
	return f
}

// seenRead has one frame read.
func seenRead(t *testing.T, d PacketDissector, f *packet.Frame) *seenSink {
	t.Helper()
	sink := &seenSink{t: t}
	if err := d.Packet(f, sink); err != nil {
		t.Errorf("%s: %v", d.Name(), err)
	}
	return sink
}

func seenWant(t *testing.T, what string, got any, want any) {
	t.Helper()
	same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	prefix := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if diff := cmp.Diff(want, got, same, prefix); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func seenHex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// seenTLV writes fields with a length of size bytes before each value.
func seenTLV(size int, kind uint64, value []byte) []byte {
	var b [8]byte
	out := append([]byte(nil), seenNumber(b[:], size, kind)...)
	out = append(out, seenNumber(b[:], size, uint64(len(value)))...)
	return append(out, value...)
}

func seenNumber(b []byte, size int, v uint64) []byte {
	binary.BigEndian.PutUint64(b, v)
	return b[8-size:]
}

func arpBytes(op byte, sha packet.MAC, spa string, tha packet.MAC, tpa string) []byte {
	b := []byte{0, 1, 8, 0, 6, 4, 0, op}
	b = append(append(b, sha[:]...), netip.MustParseAddr(spa).AsSlice()...)
	return append(append(b, tha[:]...), netip.MustParseAddr(tpa).AsSlice()...)
}

func TestARPClaims(t *testing.T) {
	for _, c := range []struct {
		name, from, to string
		op             byte
		want           binding.ClaimKind
	}{
		{"request", "10.1.0.10", "10.1.0.11", 1, binding.ARPRequest},
		{"reply", "10.1.0.10", "10.1.0.11", 2, binding.ARPReply},
		{"probe", "0.0.0.0", "10.1.0.11", 1, binding.ARPProbe},
		{"announcement", "10.1.0.10", "10.1.0.10", 1, binding.ARPAnnounce},
		{"gratuitous reply", "10.1.0.10", "10.1.0.10", 2, binding.ARPAnnounce},
	} {
		f := seenFrame(arpBytes(c.op, seenA, c.from, seenB, c.to))
		f.From, f.To = netip.Addr{}, netip.Addr{}
		sink := seenRead(t, newARP(), f)
		want := binding.Claim{At: seenNow, Kind: c.want, Frame: seenA, MAC: seenA, IP: seenHost(netip.MustParseAddr(c.from)),
			Target: netip.MustParseAddr(c.to), TargetMAC: seenB, VLAN: 12}
		seenWant(t, c.name, sink.claims, []binding.Claim{want})
		if told := len(sink.seen); told != 1 && c.want != binding.ARPProbe || told != 0 && c.want == binding.ARPProbe {
			t.Errorf("%s: %d observations", c.name, told)
		}
	}
}

// A forged reply is a claim; it says nothing about whom it names, only that
// whoever sent it is there.
func TestARPForgeryTellsOfItsSenderOnly(t *testing.T) {
	sink := seenRead(t, newARP(), seenFrame(arpBytes(2, seenB, "10.1.0.1", seenA, "10.1.0.9")))
	if len(sink.claims) != 1 || sink.claims[0].MAC != seenB || sink.claims[0].Frame != seenA {
		t.Errorf("claims %+v", sink.claims)
	}
	if len(sink.seen) != 1 || sink.seen[0].MAC != seenA || sink.seen[0].IP.IsValid() {
		t.Errorf("seen %+v; want the sender without an address", sink.seen)
	}
}

// A storm of the same claims is passed on without memory of its own.
func TestARPStormAllocatesNothing(t *testing.T) {
	f, d, sink := seenFrame(arpBytes(1, seenA, "10.1.0.10", seenB, "10.1.0.11")), newARP(), seenNobody{}
	if n := testing.AllocsPerRun(200, func() { _ = d.Packet(f, sink) }); n > 0 {
		t.Errorf("%.1f allocations for each", n)
	}
}

type seenNobody struct{ toldNobody }

func ndpBytes(kind, flags byte, target string, options ...byte) []byte {
	b := []byte{kind, 0, 0, 0, flags, 0, 0, 0}
	if target != "" {
		b = append(b, netip.MustParseAddr(target).AsSlice()...)
	}
	return append(b, options...)
}

func ndpFrame(from, to string, payload []byte) *packet.Frame {
	f := seenFrame(payload)
	f.Proto, f.TTL, f.From, f.To = packet.ICMPv6, 255, netip.MustParseAddr(from), netip.MustParseAddr(to)
	return f
}

func TestNDPClaims(t *testing.T) {
	lladdr := func(kind byte, m packet.MAC) []byte { return append([]byte{kind, 1}, m[:]...) }
	one := netip.MustParseAddr("fd00::1")
	for _, c := range []struct {
		name string
		f    *packet.Frame
		want binding.Claim
	}{
		{"somebody is looked for", ndpFrame("fd00::1", "ff02::1:ff00:2", ndpBytes(135, 0, "fd00::2", lladdr(1, seenA)...)),
			binding.Claim{Kind: binding.NeighborSolicit, MAC: seenA, IP: one, Target: netip.MustParseAddr("fd00::2")}},
		{"duplicate address detection", ndpFrame("::", "ff02::1:ff00:2", ndpBytes(135, 0, "fd00::2")),
			binding.Claim{Kind: binding.NeighborSolicit, MAC: seenA, Target: netip.MustParseAddr("fd00::2")}},
		{"an advertisement of another's address", ndpFrame("fe80::9", "ff02::1", ndpBytes(136, 0xa0, "fd00::1", lladdr(2, seenB)...)),
			binding.Claim{Kind: binding.NeighborAdvert, MAC: seenB, IP: one, Override: true, Router: true}},
	} {
		c.want.At, c.want.Frame, c.want.VLAN = seenNow, seenA, 12
		seenWant(t, c.name, seenRead(t, newNDP(), c.f).claims, []binding.Claim{c.want})
	}
}

func TestRouterAdvertisement(t *testing.T) {
	prefix := append([]byte{3, 4, 64, 0xc0}, make([]byte, 12)...)
	prefix = append(prefix, netip.MustParseAddr("fd00:1::").AsSlice()...)
	dns := append([]byte{25, 3, 0, 0, 0, 0, 1, 0}, netip.MustParseAddr("fd00::53").AsSlice()...)
	body := append([]byte{134, 0, 0, 0, 64, 0, 7, 8}, make([]byte, 8)...)
	body = append(append(body, prefix...), dns...)
	sink := seenRead(t, newNDP(), ndpFrame("fe80::1", "ff02::1", body))
	want := binding.Claim{At: seenNow, Kind: binding.RouterAdvert, Frame: seenA, MAC: seenA, IP: netip.MustParseAddr("fe80::1"),
		Prefix: netip.MustParsePrefix("fd00:1::/64"), VLAN: 12, Router: true}
	seenWant(t, "claims", sink.claims, []binding.Claim{want})
	seenWant(t, "facts", sink.facts("ndp"), []string{"role=dns-server", "role=router"})
	far := ndpFrame("fe80::1", "ff02::1", body)
	far.TTL = 254
	if err := newNDP().Packet(far, sink); err == nil {
		t.Error("an advertisement that came over a router is taken")
	}
}

func dhcpBytes(op, kind byte, your string, options ...[]byte) []byte {
	b := append([]byte{op, 1, 6, 0}, make([]byte, 12)...)
	b = append(b, netip.MustParseAddr(your).AsSlice()...)
	b = append(append(b, make([]byte, 8)...), seenB[:]...)
	b = append(append(b, make([]byte, 202)...), 0x63, 0x82, 0x53, 0x63, 53, 1, kind)
	return append(append(b, bytes.Join(options, nil)...), 255)
}

func TestDHCPClient(t *testing.T) {
	body := dhcpBytes(1, 3, "0.0.0.0", seenTLV(1, 12, []byte("CT-ROOM-2")), seenTLV(1, 55, []byte{1, 3, 6, 15}),
		seenTLV(1, 60, []byte("GE-MR-1")), seenTLV(1, 61, append([]byte{1}, seenB[:]...)), seenTLV(1, 50, []byte{10, 1, 0, 77}),
		seenTLV(1, 81, []byte("\x04\x00\x00\x07ct-room\x04hosp\x00")),
		seenTLV(1, 82, []byte("\x01\x07Gi1/0/4\x02\x06\xaa\xbb\xcc\xdd\xee\xff")))
	sink := seenRead(t, newDHCP(), seenUDP(68, 67, body))
	seenWant(t, "facts", sink.facts("dhcp"), []string{"client-id=0102000000000b", "dhcp-params=1,3,6,15", "hostname=CT-ROOM-2",
		"hostname=ct-room.hosp", "switch-port=aabbccddeeff Gi1/0/4", "vendor-class=GE-MR-1"})
	if sink.seen[0].MAC != seenB {
		t.Errorf("told of %x, not of the client", sink.seen[0].MAC)
	}
	want := binding.Claim{At: seenNow, Kind: binding.DHCPRequest, Frame: seenA, MAC: seenB, IP: netip.MustParseAddr("10.1.0.77"),
		VLAN: 12, Client: "CT-ROOM-2"}
	seenWant(t, "claims", sink.claims, []binding.Claim{want})
}

func TestDHCPServer(t *testing.T) {
	for kind, want := range map[byte]binding.ClaimKind{2: binding.DHCPOffer, 5: binding.DHCPAck} {
		body := dhcpBytes(2, kind, "10.1.0.77", seenTLV(1, 54, []byte{10, 1, 0, 10}), seenTLV(1, 3, []byte{10, 1, 0, 1}), seenTLV(1, 51, []byte{0, 0, 14, 16}))
		lease := uint32(0)
		if kind == 5 {
			lease = 3600
		}
		d := newDHCP()
		sink := seenRead(t, d, seenUDP(67, 68, body))
		seenWant(t, "claims", sink.claims, []binding.Claim{{At: seenNow, Kind: want, Frame: seenA, MAC: seenB,
			IP: netip.MustParseAddr("10.1.0.77"), Server: netip.MustParseAddr("10.1.0.10"), VLAN: 12, Lease: lease}})
		seenWant(t, "facts", sink.facts("dhcp"), []string{"role=dhcp-server", "role=router"})
		if again := seenRead(t, d, seenUDP(67, 68, body)); len(again.claims) != 1 || len(again.seen) != 0 {
			t.Errorf("the same again: %+v", again)
		}
	}
}

// Options may go on in the fields for names: RFC 2132, 9.3.
func TestDHCPOverload(t *testing.T) {
	body := dhcpBytes(1, 1, "0.0.0.0", []byte{52, 1, 3})
	copy(body[44:], "\x0c\x04name\xff")
	copy(body[108:], "\x3c\x04file\xff")
	seenWant(t, "facts", seenRead(t, newDHCP(), seenUDP(68, 67, body)).facts("dhcp"), []string{"hostname=name", "vendor-class=file"})
}

func TestDHCPv6ThroughARelay(t *testing.T) {
	duid := append([]byte{0, 3, 0, 1}, seenA[:]...)
	class := append([]byte{0, 0, 1, 55}, seenTLV(2, 0, []byte("MSFT 5.0"))[2:]...)
	inner := bytes.Join([][]byte{{1, 9, 9, 9}, seenTLV(2, 1, duid), seenTLV(2, 6, []byte{0, 23, 0, 24}), seenTLV(2, 16, class),
		seenTLV(2, 39, []byte("\x00\x05mr-03\x04hosp\x00"))}, nil)
	relay := append([]byte{12, 0}, netip.MustParseAddr("fd00::ffff").AsSlice()...)
	relay = append(relay, netip.MustParseAddr("fe80::b").AsSlice()...)
	relay = bytes.Join([][]byte{relay, seenTLV(2, 18, []byte("Gi0/7")), seenTLV(2, 79, append([]byte{0, 1}, seenB[:]...)), seenTLV(2, 9, inner)}, nil)
	sink := seenRead(t, newDHCP6(), seenUDP(547, 547, relay))
	seenWant(t, "facts", sink.facts("dhcpv6"), []string{"client-id=0003000102000000000a", "dhcp-params=v6:23,24", "hostname=mr-03.hosp",
		"switch-port=Gi0/7", "vendor-class=MSFT 5.0"})
	if o := sink.seen[0]; o.MAC != seenB || o.IP != netip.MustParseAddr("fe80::b") {
		t.Errorf("told of %x %s, not of the client behind the relay", o.MAC, o.IP)
	}
}

func TestDHCPv6Reply(t *testing.T) {
	address := append(netip.MustParseAddr("fd00::77").AsSlice(), 0, 0, 0, 60, 0, 0, 0, 90)
	ia := append(make([]byte, 12), seenTLV(2, 5, address)...)
	f := seenUDP(547, 546, append([]byte{7, 1, 2, 3}, seenTLV(2, 3, ia)...))
	f.From, f.Dst = netip.MustParseAddr("fe80::a"), seenB
	sink := seenRead(t, newDHCP6(), f)
	seenWant(t, "claims", sink.claims, []binding.Claim{{At: seenNow, Kind: binding.DHCPv6Reply, Frame: seenA, MAC: seenB,
		IP: netip.MustParseAddr("fd00::77"), Server: f.From, VLAN: 12, Lease: 90}})
	seenWant(t, "facts", sink.facts("dhcpv6"), []string{"role=dhcp-server"})
}

// mdnsBytes is the answer of a printer, whose names point back as senders write
// them. Offset 12 is _ipp._tcp.local, 21 is local.
func mdnsBytes() []byte {
	b := []byte{0, 0, 0x84, 0, 0, 0, 0, 4, 0, 0, 0, 0}
	record := func(name []byte, kind byte, ttl byte, data []byte) {
		b = append(append(b, name...), 0, kind, 0x80, 1, 0, 0, 0, ttl, 0, byte(len(data)))
		b = append(b, data...)
	}
	record([]byte("\x04_ipp\x04_tcp\x05local\x00"), 12, 120, []byte("\x06Ward 3\xc0\x0c"))
	instance := []byte{0xc0, byte(len(b) - 9)}
	record(instance, 33, 120, []byte("\x00\x00\x00\x00\x02\x77\x06prt-03\xc0\x16"))
	host := []byte{0xc0, byte(len(b) - 9)}
	record(instance, 16, 120, []byte("\x09usb_MFG=X\x0fproduct=(LP 90)\x07note=Dr\x05fv=12"))
	record(host, 1, 120, []byte{10, 1, 0, 10})
	return b
}

func TestMDNS(t *testing.T) {
	d := newMDNS()
	f := seenUDP(5353, 5353, mdnsBytes())
	sink := seenRead(t, d, f)
	seenWant(t, "facts", sink.facts("mdns"), []string{"firmware=12", "hostname=prt-03", "mdns-service=_ipp._tcp", "model=LP 90",
		"service=tcp/631 ipp", "vendor=X"})
	if o := sink.seen[0]; o.MAC != seenA || o.IP != f.From {
		t.Errorf("told of %x %s", o.MAC, o.IP)
	}
	if n := testing.AllocsPerRun(100, func() { _ = d.Packet(f, seenNobody{}) }); n > 0 {
		t.Errorf("repeating it costs %.0f allocations", n)
	}
	f.From = netip.MustParseAddr("10.1.0.200") // a proxy
	if o := seenRead(t, newMDNS(), f).seen[0]; o.MAC != (packet.MAC{}) || o.IP != netip.MustParseAddr("10.1.0.10") {
		t.Errorf("a proxy's answer is told of %x %s", o.MAC, o.IP)
	}
}

func TestDNSNamesAreBounded(t *testing.T) {
	loop := append(make([]byte, 12), 0xc0, 12)
	if _, _, err := dnsName(loop, 12); err == nil {
		t.Error("a name that points to itself is read")
	}
	long := append(bytes.Repeat(append([]byte{63}, bytes.Repeat([]byte{'a'}, 63)...), 5), 0)
	if _, _, err := dnsName(long, 0); err == nil {
		t.Error("a name of 320 signs is read")
	}
}

func TestDNSAnswers(t *testing.T) {
	answer := func(name string, ip ...byte) []byte {
		b := []byte{1, 2, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0}
		b = append(append(b, name...), 0, 1, 0, 1)
		return append(append(b, 0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4), ip...)
	}
	inside := seenRead(t, newDNS(), seenUDP(53, 4000, answer("\x04PACS\x04hosp\x00", 10, 1, 0, 20)))
	seenWant(t, "facts", inside.facts("dns"), []string{"hostname=pacs.hosp", "role=dns-server", "service=udp/53 dns"})
	outside := seenRead(t, newDNS(), seenUDP(53, 4000, answer("\x03www\x07example\x00", 93, 184, 216, 34)))
	seenWant(t, "facts", outside.facts("dns"), []string{"role=dns-server", "service=udp/53 dns"})
}

func lldpBytes() []byte {
	field := func(kind uint16, v string) []byte {
		return append(binary.BigEndian.AppendUint16(nil, kind<<9|uint16(len(v))), v...)
	}
	return bytes.Join([][]byte{
		field(1, "\x04\x02\x00\x00\x00\x00\x63"), field(2, "\x05Gi1/0/12"), field(3, "\x00\x78"),
		field(5, "sw-3"), field(6, "Model 9 switch"), field(7, "\x00\x14\x00\x14"), field(8, "\x05\x01\x0a\x01\x00\x02\x02\x00\x00\x00\x01\x00"),
		field(127, "\x00\x80\xc2\x01\x00\x0c"), field(127, "\x00\x12\xbb\x08SN1"), field(127, "\x00\x12\xbb\x06F2"),
		field(127, "\x00\x12\xbb\x09Maker"), field(127, "\x00\x12\xbb\x0aM9"), {0, 0},
	}, nil)
}

func TestLLDP(t *testing.T) {
	f := seenFrame(lldpBytes())
	f.From = netip.Addr{}
	sink := seenRead(t, newLLDP(), f)
	seenWant(t, "facts", sink.facts("lldp"), []string{"chassis-id=02:00:00:00:00:63", "description=Model 9 switch", "firmware=F2",
		"hostname=sw-3", "model=M9", "role=router", "role=switch", "serial=SN1", "switch-port=sw-3 Gi1/0/12 vlan 12", "vendor=Maker"})
	if sink.seen[0].IP != netip.MustParseAddr("10.1.0.2") {
		t.Errorf("its address is %s", sink.seen[0].IP)
	}
}

func TestCDP(t *testing.T) {
	field := func(kind uint16, v string) []byte {
		return append(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, kind), uint16(len(v)+4)), v...)
	}
	body := bytes.Join([][]byte{cdpHead, {2, 180, 0, 0}, field(1, "sw-1"), field(3, "Gi0/1"), field(4, "\x00\x00\x00\x29"),
		field(5, "Cisco IOS Software, Version 15.2(7)E3, RELEASE"), field(6, "cisco WS-C2960"),
		field(2, "\x00\x00\x00\x01\x01\x01\xcc\x00\x04\x0a\x01\x00\x03")}, nil)
	f := seenFrame(body)
	f.From = netip.Addr{}
	sink := seenRead(t, newCDP(), f)
	seenWant(t, "facts", sink.facts("cdp"), []string{"chassis-id=sw-1", "description=Cisco IOS Software, Version 15.2(7)E3, RELEASE",
		"firmware=15.2(7)E3", "hostname=sw-1", "model=cisco WS-C2960", "role=router", "role=switch", "switch-port=sw-1 Gi0/1", "vendor=Cisco"})
}

func TestSSDPAndWSD(t *testing.T) {
	notify := "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNT: urn:schemas-upnp-org:device:MediaRenderer:1\r\n" +
		"NTS: ssdp:alive\r\nSERVER: Linux UPnP/1.0 TV/2\r\nUSN: uuid:1::upnp\r\n\r\n"
	seenWant(t, "facts", seenRead(t, newSSDP(), seenUDP(1900, 1900, []byte(notify))).facts("ssdp"),
		[]string{"server-banner=Linux UPnP/1.0 TV/2", "upnp=urn:schemas-upnp-org:device:MediaRenderer:1"})
	hello := `<?xml version="1.0"?><s:Envelope><a:Action>http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01/Hello</a:Action>` +
		`<d:Types>dpws:Device mdpws:MedicalDevice</d:Types></s:Envelope>`
	seenWant(t, "facts", seenRead(t, newWSD(), seenUDP(3702, 3702, []byte(hello))).facts("wsd"),
		[]string{"upnp=wsd:Device", "upnp=wsd:MedicalDevice"})
}

func nbnsEncode(name string, suffix byte) []byte {
	raw := append([]byte(name+strings.Repeat(" ", 15-len(name))), suffix)
	out := []byte{32}
	for _, c := range raw {
		out = append(out, 'A'+c>>4, 'A'+c&15)
	}
	return append(out, 0)
}

func TestNBNS(t *testing.T) {
	register := append([]byte{1, 2, 0x29, 0x10, 0, 1, 0, 0, 0, 0, 0, 1}, nbnsEncode("CT-ROOM-2", 0)...)
	register = append(register, 0, 32, 0, 1, 0xc0, 12, 0, 32, 0, 1, 0, 0, 0, 0, 0, 6, 0, 0, 10, 1, 0, 10)
	seenWant(t, "facts", seenRead(t, newNBNS(), seenUDP(137, 137, register)).facts("nbns"), []string{"hostname=CT-ROOM-2"})

	status := append([]byte{1, 2, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0}, nbnsEncode("*", 0)...)
	status = append(status, 0, 33, 0, 1, 0, 0, 0, 0, 0, 0, 3)
	for _, n := range []string{"DC1            \x00\x04\x00", "HOSPITAL       \x00\x84\x00", "HOSPITAL       \x1c\x84\x00"} {
		status = append(status, n...)
	}
	seenWant(t, "facts", seenRead(t, newNBNS(), seenUDP(137, 137, append(status, seenB[:]...))).facts("nbns"),
		[]string{"description=domain HOSPITAL", "description=workgroup HOSPITAL", "hostname=DC1", "role=domain-controller"})

	query := append([]byte{1, 2, 1, 0x10, 0, 1, 0, 0, 0, 0, 0, 0}, nbnsEncode("SOMEBODY", 0)...)
	if sink := seenRead(t, newNBNS(), seenUDP(137, 137, append(query, 0, 32, 0, 1))); len(sink.seen) != 0 {
		t.Errorf("who is looked for is told: %+v", sink.seen)
	}
}

func TestNetBIOSAnnouncement(t *testing.T) {
	b := append([]byte{0x11, 2, 0, 1, 10, 1, 0, 10, 0, 138, 0, 200, 0, 0}, nbnsEncode("CT-ROOM-2", 0)...)
	b = append(append(b, nbnsEncode("HOSPITAL", 0x1d)...), "\xffSMB filling \\MAILSLOT\\BROWSE\x00"...)
	b = append(append(b, 1, 0, 0, 0, 0, 0), "CT-ROOM-2\x00\x00\x00\x00\x00\x00\x00"...)
	b = append(b, 6, 1, 3, 0x10, 0, 0)
	seenWant(t, "facts", seenRead(t, newNBDGM(), seenUDP(138, 138, b)).facts("nbdgm"), []string{"hostname=CT-ROOM-2", "os=Windows NT 6.1"})
}

// seenBER writes a value of up to 255 bytes.
func seenBER(tag byte, parts ...[]byte) []byte {
	v := bytes.Join(parts, nil)
	if len(v) > 127 {
		return append([]byte{tag, 0x81, byte(len(v))}, v...)
	}
	return append([]byte{tag, byte(len(v))}, v...)
}

func snmpBytes(version byte, community string, pdu byte) []byte {
	zero := seenBER(2, []byte{0})
	bind := func(last byte, tag byte, v string) []byte {
		return seenBER(48, seenBER(6, []byte{0x2b, 6, 1, 2, 1, 1, last, 0}), seenBER(tag, []byte(v)))
	}
	binds := seenBER(48, bind(1, 4, "Infusion station"), bind(2, 6, "\x2b\x06\x01\x04\x01\x82\x37"), bind(5, 4, "pump-7"))
	return seenBER(48, seenBER(2, []byte{version}), seenBER(4, []byte(community)), seenBER(pdu, zero, zero, zero, binds))
}

func TestSNMP(t *testing.T) {
	sink := seenRead(t, newSNMP(), seenUDP(161, 4000, snmpBytes(1, "public", 0xa2)))
	seenWant(t, "facts", sink.facts("snmp"), []string{"description=Infusion station", "hostname=pump-7", "object-id=1.3.6.1.4.1.311",
		"service=udp/161 snmp", "snmp-community=public"})
	if len(sink.alarms) != 1 || sink.alarms[0].Kind != asset.SNMPDefault || sink.alarms[0].Culprit.IP != netip.MustParseAddr("10.1.0.10") {
		t.Errorf("alarms %+v", sink.alarms)
	}
	secret := seenRead(t, newSNMP(), seenUDP(161, 4000, snmpBytes(1, "s3cret", 0xa2)))
	if len(secret.alarms) != 0 || strings.Contains(strings.Join(secret.facts("snmp"), " "), "s3cret") {
		t.Errorf("a secret community: %+v %+v", secret.alarms, secret.seen)
	}
	if asked := seenRead(t, newSNMP(), seenUDP(4000, 161, snmpBytes(1, "public", 0xa0))); len(asked.alarms)+len(asked.seen) != 0 {
		t.Errorf("a question alone: %+v %+v", asked.alarms, asked.seen)
	}
	if set := seenRead(t, newSNMP(), seenUDP(4000, 161, snmpBytes(0, "private", 0xa3))); len(set.alarms) != 1 ||
		set.alarms[0].Culprit.IP != netip.MustParseAddr("10.1.0.255") {
		t.Errorf("writing with private: %+v", set.alarms)
	}
}

func TestSNMPv3(t *testing.T) {
	engine := append([]byte{0x80, 0, 0, 9, 3}, seenB[:]...)
	security := seenBER(48, seenBER(4, engine), seenBER(2, []byte{1}), seenBER(2, []byte{1}), seenBER(4, []byte("nurse1")))
	scoped := seenBER(48, seenBER(4, engine), seenBER(4), snmpBytes(1, "", 0xa8)[7:])
	b := seenBER(48, seenBER(2, []byte{3}), seenBER(48, seenBER(2, []byte{1}), seenBER(2, []byte{2}), seenBER(4, []byte{0}), seenBER(2, []byte{3})),
		seenBER(4, security), scoped)
	m, err := parseSNMP(b)
	if err != nil || m.vendor != "Cisco" || m.mac != seenB || m.pdu != 0xa8 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestRoles(t *testing.T) {
	ntp := append([]byte{0x24, 2, 6, 0xe9}, make([]byte, 44)...)
	seenWant(t, "ntp server", seenRead(t, newNTP(), seenUDP(123, 123, ntp)).facts("ntp"), []string{"role=ntp-server", "service=udp/123 ntp"})
	ntp[1] = 0 // not in step
	seenWant(t, "ntp server out of step", len(seenRead(t, newNTP(), seenUDP(123, 123, ntp)).seen), 0)

	iam := seenHex(t, "810b0019 0120ffff00ff 1000 c4020003e7 2205c4 9103 22000f")
	seenWant(t, "bacnet", seenRead(t, newBACnet(), seenUDP(47808, 47808, iam)).facts("bacnet"),
		[]string{"description=BACnet device 999", "service=udp/47808 bacnet"})

	if role, err := eapolRole([]byte("\x01\x00\x00\x0b\x02\x01\x00\x0b\x01nurse1")); role != "802.1x-supplicant" || err != nil {
		t.Errorf("eapol: %q, %v", role, err)
	}
}

func radiusBytes(code byte, attributes ...[]byte) []byte {
	v := bytes.Join(attributes, nil)
	b := append([]byte{code, 1, 0, byte(20 + len(v))}, make([]byte, 16)...)
	return append(b, v...)
}

func radiusAttribute(kind byte, v string) []byte {
	return append([]byte{kind, byte(len(v) + 2)}, v...)
}

func TestRADIUS(t *testing.T) {
	request := radiusBytes(4, radiusAttribute(1, "nurse1"), radiusAttribute(4, "\x0a\x01\x00\x0a"), radiusAttribute(32, "sw-3"),
		radiusAttribute(31, "02-00-00-00-00-0B"), radiusAttribute(61, "\x00\x00\x00\x0f"), radiusAttribute(87, "Gi1/0/12"),
		radiusAttribute(8, "\x0a\x01\x00\x4d"))
	sink := seenRead(t, newRADIUS(), seenUDP(4000, 1813, request))
	seenWant(t, "facts", sink.facts("radius"), []string{"client-of=radius", "hostname=sw-3", "role=switch", "switch-port=sw-3 Gi1/0/12"})
	if o := sink.seen[1]; o.MAC != seenB || o.IP != netip.MustParseAddr("10.1.0.77") {
		t.Errorf("the station is %x %s", o.MAC, o.IP)
	}
	accept := seenRead(t, newRADIUS(), seenUDP(1812, 4000, radiusBytes(2)))
	seenWant(t, "facts", accept.facts("radius"), []string{"role=radius-server", "service=udp/1812 radius"})
	for _, written := range []string{"02000000000b", "0200.0000.000b", "02:00:00:00:00:0b:STAFF"} {
		if m, rest := radiusMAC([]byte(written)); m != seenB || (len(rest) > 0 && string(rest) != ":STAFF") {
			t.Errorf("%s is read as %x, %q", written, m, rest)
		}
	}
	if m, _ := radiusMAC([]byte("deadbeefnurse")); m != (packet.MAC{}) {
		t.Errorf("a name is read as %x", m)
	}
}

func TestSharedAddresses(t *testing.T) {
	vrrp := seenFrame([]byte{0x21, 7, 100, 1, 0, 1, 0, 0, 10, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
	vrrp.Proto, vrrp.TTL, vrrp.Src = packet.VRRP, 255, packet.MAC{0, 0, 0x5e, 0, 1, 7}
	sink := seenRead(t, newVRRP(), vrrp)
	seenWant(t, "vrrp", sink.claims, []binding.Claim{{At: seenNow, Kind: binding.VRRP, Frame: vrrp.Src, MAC: vrrp.Src,
		IP: netip.MustParseAddr("10.1.0.1"), Server: vrrp.From, VLAN: 12}})
	if sink.seen[0].MAC != (packet.MAC{}) {
		t.Errorf("the shared address is told of one router")
	}
	carp, err := parseVRRP(append([]byte{0x21, 3, 0, 7, 0, 1}, make([]byte, 30)...), false)
	if err != nil || !carp.carp {
		t.Errorf("carp: %+v, %v", carp, err)
	}

	hsrp := seenHex(t, "00 00 10 03 0a 78 05 00 636973636f000000 0a010001")
	claims := seenRead(t, newHSRP(), seenUDP(1985, 1985, hsrp)).claims
	seenWant(t, "hsrp", claims, []binding.Claim{{At: seenNow, Kind: binding.HSRP, Frame: seenA, MAC: packet.MAC{0, 0, 12, 7, 0xac, 5},
		IP: netip.MustParseAddr("10.1.0.1"), Server: netip.MustParseAddr("10.1.0.10"), VLAN: 12}})
	two := seenHex(t, "01 28 02 00 06 04 0105 02000000000a 00000069 00002710 00004e20 0a010001 000000000000000000000000")
	m, ok, err := parseHSRP(two)
	if !ok || err != nil || !m.active || m.mac != (packet.MAC{0, 0, 0x0c, 0x9f, 0xf1, 5}) || m.address != netip.MustParseAddr("10.1.0.1") {
		t.Errorf("hsrp 2: %+v, %v, %v", m, ok, err)
	}

	lacp := append(append([]byte{1, 1, 1, 20, 0x80, 0}, seenB[:]...), make([]byte, 98)...)
	seenWant(t, "lacp", seenRead(t, newLACP(), seenFrame(lacp)).claims, []binding.Claim{{At: seenNow, Kind: binding.LACP, Frame: seenA, MAC: seenB, VLAN: 12}})
}

// What came over a router has the router's address in the link layer.
func TestMACBehindRouters(t *testing.T) {
	f := seenFrame(nil)
	f.Dst = seenB
	for ttl, want := range map[uint8]packet.MAC{64: seenA, 63: {}, 128: seenA, 120: {}, 255: seenA} {
		if f.TTL = ttl; seenMAC(f) != want {
			t.Errorf("with %d hops left: %x", ttl, seenMAC(f))
		}
	}
}

func TestTextsAreClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "cut\x00off": "cut", " spaces\r\n in lines ": "spaces in lines", "\xff\xfe": "??",
		"超声\x1b[31m": "超声 [31m", strings.Repeat("a", 300): strings.Repeat("a", 256), strings.Repeat("超", 100): strings.Repeat("超", 85),
	} {
		if got := seenText([]byte(in)); got != want {
			t.Errorf("%q becomes %q", in, got)
		}
	}
}

// Servers on the internet are no devices of the hospital, unless it says so or
// they are on the wire.
func TestInternetIsNotTold(t *testing.T) {
	tell := func(wire bool, own ...netip.Prefix) int {
		packets, streams := Discovery(own...)
		sink := &seenSink{t: t}
		if f := seenFrame(arpBytes(2, seenA, "203.0.113.1", seenB, "203.0.113.9")); wire {
			_ = packets[0].Packet(f, sink)
			sink.seen = nil
		}
		s := seenStream(22)
		s.Server = netip.MustParseAddrPort("203.0.113.20:22")
		i := slices.IndexFunc(streams, func(d StreamDissector) bool { return d.Name() == "ssh" })
		p := streams[i].Open(s, sink)
		p.Data(false, seenNow, []byte("SSH-2.0-x\r\n"))
		return len(sink.seen)
	}
	seenWant(t, "on the internet", tell(false), 0)
	seenWant(t, "of the hospital", tell(false, netip.MustParsePrefix("203.0.113.0/24")), 1)
	seenWant(t, "on the wire", tell(true), 1)
}

// Names in the charset of Chinese systems are read; what only looks like one is
// not.
func TestChineseNames(t *testing.T) {
	seenWant(t, "GB 18030", seenText([]byte("CT\xca\xd2-\xd3\xd2")), "CT室-右")
	seenWant(t, "cut in a sign", seenText([]byte("\xb7\xc5\xc9\xe4\xbf")), "放射")
	seenWant(t, "neither", seenText([]byte("ab\xff\x01\xfe")), "ab? ?")
}

// Whatever is cut off anywhere is an error or less, and nothing worse.
func TestCutOffMessages(t *testing.T) {
	packets, _ := Discovery()
	for name, whole := range map[string][]byte{"dhcp": dhcpBytes(2, 5, "10.1.0.77"), "mdns": mdnsBytes(), "lldp": lldpBytes(), "snmp": snmpBytes(1, "public", 0xa2)} {
		i := slices.IndexFunc(packets, func(d PacketDissector) bool { return d.Name() == name })
		for n := range whole {
			_ = packets[i].Packet(seenUDP(1, 2, whole[:n:n]), &seenSink{t: t})
		}
	}
}
