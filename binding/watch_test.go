package binding

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// A scene is a list of claims, one a line: seconds, kind, sender, what it says.
//
//	1.5 reply m gw to a       m says that gw's address is its own
//	2 announce b b            b announces its own address
//	3 ack dhcp b .50          the server leases .50 to b
//
// Machines are letters: their MACs and addresses are in people().
type scene struct {
	name  string
	table Table
	lines string
	want  []asset.AlarmKind
}

func mac(s string) packet.MAC {
	switch s {
	case "vrrp":
		return packet.MAC{0, 0, 0x5e, 0, 1, 10}
	case "hsrp":
		return packet.MAC{0, 0, 0x0c, 7, 0xac, 1}
	case "nic1":
		return packet.MAC{0, 0x1b, 0x21, 0, 0, 0x10}
	case "nic2":
		return packet.MAC{0, 0x1b, 0x21, 0, 0, 0x11}
	}
	m := packet.MAC{2}
	copy(m[1:], s)
	return m
}

func ip(s string) netip.Addr {
	if strings.HasPrefix(s, ".") {
		s = "10.78.0" + s
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return a
	}
	own := map[string]string{"a": "10.78.0.11", "b": "10.78.0.12", "m": "10.78.0.13", "gw": "10.78.0.1", "dhcp": "10.78.0.2", "rogue": "10.78.0.66", "vip": "10.78.0.5",
		"a6": "fe80::a", "b6": "fe80::b", "gw6": "fe80::1", "m6": "fe80::66", "g6": "2001:db8::1"}
	return netip.MustParseAddr(own[s])
}

func kinds() map[string]ClaimKind {
	return map[string]ClaimKind{"ask": ARPRequest, "reply": ARPReply, "probe": ARPProbe, "announce": ARPAnnounce, "ns": NeighborSolicit, "na": NeighborAdvert,
		"ra": RouterAdvert, "offer": DHCPOffer, "ack": DHCPAck, "want": DHCPRequest, "pkt": Traffic, "vrrp": VRRP, "hsrp": HSRP, "lacp": LACP, "denied": Denied}
}

// parse reads a scene: seconds kind frame address [options].
func parse(line string) Claim {
	f := strings.Fields(line)
	var sec float64
	fmt.Sscan(f[0], &sec)
	c := Claim{At: 1e18 + int64(sec*1e9), Kind: kinds()[f[1]], Frame: mac(f[2])}
	if c.Kind == 0 {
		panic(line)
	}
	c.MAC = c.Frame
	if f[3] != "-" {
		c.IP = ip(f[3])
	}
	if c.Kind == NeighborAdvert {
		c.Override = true
	}
	for _, o := range f[4:] {
		k, v, _ := strings.Cut(o, "=")
		switch k {
		case "to":
			c.Target = ip(v)
		case "mac":
			c.MAC = mac(v)
		case "by":
			c.Server = ip(v)
		case "port":
			c.Port = v
		case "vlan":
			fmt.Sscan(v, &c.VLAN)
		case "name":
			c.Client = v
		case "rule":
			c.Rule = v
		case "net":
			c.Prefix = netip.MustParsePrefix(v)
		case "lease":
			fmt.Sscan(v, &c.Lease)
		case "soft":
			c.Override = false
		default:
			panic(line)
		}
	}
	return c
}

func play(w *Watch, lines string) (alarms []asset.Alarm) {
	emit := func(a asset.Alarm) { alarms = append(alarms, a) }
	for line := range strings.Lines(lines) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			w.Claim(parse(line), emit)
		}
	}
	return alarms
}

func entry(m, addr string, s State) Entry {
	return Entry{MAC: asset.MACText(mac(m)), IP: ip(addr), State: s}
}

func lockedTable() Table {
	return Table{
		Entries: []Entry{entry("a", "a", Locked), entry("gw", "gw", Bound), {MAC: asset.MACText(mac("d")), State: Bound, Dynamic: true},
			{MAC: asset.MACText(mac("ct")), IP: ip(".40"), State: Bound, Medical: true, Port: "p1"}},
		Networks: []Network{{Prefix: netip.MustParsePrefix("10.78.0.0/24"), Locked: true, Zone: "imaging"}, {Prefix: netip.MustParsePrefix("10.79.0.0/24"), Zone: "office"}},
		Known: []Known{{Role: RoleDHCP, MAC: asset.MACText(mac("dhcp")), IP: ip("dhcp"), State: Bound}, {Role: RoleRouter, MAC: asset.MACText(mac("gw")), IP: ip("gw"), State: Bound},
			{Role: RoleRouter, MAC: asset.MACText(mac("gw")), IP: ip("gw6"), State: Bound}},
	}
}

const hello = `
0 ask a a to=gw
0.001 reply gw gw to=a
0.1 ask m m to=gw
0.101 reply gw gw to=m
1 ask b b to=gw
1.001 reply gw gw to=b
`

func TestAttacks(t *testing.T) {
	zones := Table{Networks: lockedTable().Networks[1:]}
	zones.Networks = append(zones.Networks, Network{Prefix: netip.MustParsePrefix("10.78.0.0/24"), Zone: "imaging"})
	vlans := lockedTable()
	vlans.Networks = nil
	for _, s := range []scene{
		{"an unasked answer for the gateway, nothing learnt", Table{}, hello + "5 reply m gw to=a", []asset.AlarmKind{asset.ARPSpoof}},
		{"both directions", Table{}, hello + "5 reply m gw to=a\n5.001 reply m a to=gw", []asset.AlarmKind{asset.ARPSpoof, asset.ARPSpoof}},
		{"an answer before the owner's", Table{}, hello + "5 ask b b to=gw\n5.0005 reply m gw to=b\n5.001 reply gw gw to=b", []asset.AlarmKind{asset.ARPSpoof}},
		{"it asks in another's name", Table{}, hello + "5 ask m gw to=a", []asset.AlarmKind{asset.ARPSpoof}},
		{"the MAC named is nobody's", Table{}, hello + "5 reply m gw mac=x to=a", []asset.AlarmKind{asset.ARPSpoof}},
		{"an announcement of an address in use", Table{}, hello + "5 announce m gw to=gw", []asset.AlarmKind{asset.GratuitousARP}},
		{"and the owner is alive", Table{}, hello + "5 announce m gw to=gw\n6 reply gw gw to=a", []asset.AlarmKind{asset.GratuitousARP, asset.ARPSpoof}},
		{"a bound address, its owner never heard", lockedTable(), "0 reply m gw to=a", []asset.AlarmKind{asset.ARPSpoof}},
		{"a virtual router's address", Table{}, "0 vrrp vrrp vip\n0.1 announce vrrp vip to=vip\n1 ask m m to=a\n5 reply m vip to=a", []asset.AlarmKind{asset.ARPSpoof}},
		{"two machines with one address", Table{}, "0 ask a a to=gw\n2 ask b a to=gw", []asset.AlarmKind{asset.DuplicateIP}},
		{"both answer", Table{}, "0 ask a a to=gw\n3 ask gw gw to=a\n3.0001 reply a a to=gw\n3.0002 reply b a to=gw", []asset.AlarmKind{asset.DuplicateIP}},
		{"it takes the address of a machine asleep, which wakes up", Table{}, "0 ask a a to=gw\n90 ask b a to=gw\n95 ask a a to=gw", []asset.AlarmKind{asset.DuplicateIP}},
		{"neighbour advertisement", Table{}, "0 ns a a6 to=gw6\n0.001 na gw gw6 to=a6\n1 na m gw6 to=a6", []asset.AlarmKind{asset.NDPSpoof}},
		{"an advertisement asked for", Table{}, "0 na gw gw6 to=a6\n1 ns a a6 to=gw6\n1.001 na m gw6 to=a6", []asset.AlarmKind{asset.NDPSpoof}},
		{"one MAC at two ports", Table{}, "0 ask a a to=gw port=p1\n1 ask a a to=gw port=p2\n1.5 ask a a to=b port=p1", []asset.AlarmKind{asset.ClonedMAC}},
		{"a bound MAC at another port", lockedTable(), "0 ask ct .40 to=gw port=p7", []asset.AlarmKind{asset.ClonedMAC}},
		{"one MAC, two clients", Table{}, "0 want a .50 name=ct1-room\n10 want a .51 name=thief-pc\n20 want a .50 name=ct1-room\n30 want a .51 name=thief-pc", []asset.AlarmKind{asset.ClonedMAC}},
		{"an unknown DHCP server", lockedTable(), "0 offer rogue .150 mac=d by=rogue", []asset.AlarmKind{asset.RogueDHCP}},
		{"a second DHCP server, nobody has said which", Table{}, "0 offer dhcp .50 mac=a by=dhcp\n5 offer rogue .150 mac=b by=rogue", []asset.AlarmKind{asset.RogueDHCP}},
		{"the known server's address from another", lockedTable(), "0 ack rogue .150 mac=d by=dhcp", []asset.AlarmKind{asset.RogueDHCP}},
		{"a lease of a rogue excuses nothing", lockedTable(), "0 ack rogue .11 mac=m by=rogue\n1 announce m a to=a", []asset.AlarmKind{asset.RogueDHCP, asset.ARPSpoof}},
		{"an unknown router", lockedTable(), "0 ra m m6 net=2001:db8:bad::/64", []asset.AlarmKind{asset.RogueRA}},
		{"a second router with another network", Table{}, "0 ra gw gw6 net=2001:db8:1::/64\n1 ra m m6 net=2001:db8:bad::/64", []asset.AlarmKind{asset.RogueRA}},
		{"an unknown MAC in a locked network", lockedTable(), "0 ask x .99 to=gw", []asset.AlarmKind{asset.UnboundAddress}},
		{"a bound MAC with another address", lockedTable(), "0 ask a .98 to=gw", []asset.AlarmKind{asset.UnboundAddress}},
		{"an address that was not leased", lockedTable(), "0 ask d .97 to=gw", []asset.AlarmKind{asset.UnboundAddress}},
		{"packets with a bound address", lockedTable(), "0 pkt m a", []asset.AlarmKind{asset.UnboundAddress}},
		{"to and fro", Table{}, "0 announce a vip to=vip\n70 ask b vip to=gw\n140 ask a vip to=gw\n210 ask b vip to=gw\n280 ask a vip to=gw\n350 ask b vip to=gw", []asset.AlarmKind{asset.DuplicateIP, asset.FlipFlop}},
		{"one MAC with feet in two zones", zones, "0 ask x 10.78.0.9 to=gw\n5 ask x 10.79.0.9 to=10.79.0.1\n9 ask x 10.78.0.9 to=gw", []asset.AlarmKind{asset.BridgingHost}},
		{"one name, two MACs, both alive", zones, "0 want x 10.78.0.9 name=lis-gateway\n1 ask x 10.78.0.9 to=gw\n2 want y 10.79.0.9 name=lis-gateway\n3 ask y 10.79.0.9 to=10.79.0.1\n4 want x 10.78.0.9 name=lis-gateway\n20 ask x 10.78.0.9 to=gw\n21 ask y 10.79.0.9 to=10.79.0.1", []asset.AlarmKind{asset.BridgingHost}},
		{"it forwards, and is no router", vlans, "0 ask a a to=gw\n1 pkt a 10.90.0.1\n1 pkt a 10.90.0.2\n2 pkt a 10.90.0.3\n3 pkt a 10.90.0.4", []asset.AlarmKind{asset.BridgingHost}},
		{"a medical device in another network", lockedTable(), "0 ask ct 10.79.0.4 to=gw", []asset.AlarmKind{asset.MovedDevice}},
		{"the guard dropped a forgery", lockedTable(), "0 denied m gw rule=l2-arp", []asset.AlarmKind{asset.ARPSpoof}},
		{"the guard dropped an offer", lockedTable(), "0 denied m - rule=l2-dhcp", []asset.AlarmKind{asset.RogueDHCP}},
	} {
		t.Run(s.name, func(t *testing.T) {
			got := play(NewWatch(WatchConfig{}, s.table), s.lines)
			for _, k := range s.want {
				if !slices.ContainsFunc(got, func(a asset.Alarm) bool { return a.Kind == k }) {
					t.Errorf("no %s in %+v", k, got)
				}
			}
			for _, a := range got {
				if !slices.Contains(s.want, a.Kind) {
					t.Errorf("and %+v", a)
				}
				if len(a.Args) < 2 || a.Culprit.MAC == (packet.MAC{}) || a.Count == 0 {
					t.Errorf("incomplete: %+v", a)
				}
			}
		})
	}
}

func TestCulprit(t *testing.T) {
	for lines, want := range map[string]packet.MAC{
		hello + "5 reply m gw to=a":                           mac("m"),
		hello + "5 reply m gw mac=x to=a":                     mac("m"), // who sent the lie, not whom it names
		"0 ask m m to=b\n1 reply m gw to=a\n2 ask gw gw to=a": mac("m"), // the liar came first
	} {
		got := play(NewWatch(WatchConfig{}, Table{}), lines)
		if len(got) == 0 || got[0].Culprit.MAC != want {
			t.Errorf("%s\n%+v", lines, got)
		}
	}
}

func TestNoAlarm(t *testing.T) {
	team := Table{Known: []Known{{Role: RoleTeam, MAC: asset.MACText(mac("t1")), Also: asset.MACText(mac("t2")), State: Bound}}}
	vip := Table{Known: []Known{{Role: RoleVirtual, IP: ip("vip"), State: Bound}}}
	approved := lockedTable()
	approved.Entries = append(approved.Entries, entry("b", ".40", Bound))
	for _, s := range []scene{
		{"DHCP renewal", Table{}, "0 ack dhcp .50 mac=a by=dhcp lease=3600\n1 announce a .50 to=.50\n1800 want a .50\n1800.1 ack dhcp .50 mac=a by=dhcp lease=3600\n1801 ask a .50 to=gw", nil},
		{"a lease goes to another after expiry", Table{}, "0 ack dhcp .50 mac=a by=dhcp lease=600\n1 announce a .50 to=.50\n590 ask a .50 to=gw\n610 ack dhcp .50 mac=b by=dhcp lease=600\n610.1 announce b .50 to=.50\n611 ask gw gw to=.50\n611.001 reply b .50 to=gw", nil},
		{"a lease released early", Table{}, "0 ack dhcp .50 mac=a by=dhcp lease=3600\n1 announce a .50 to=.50\n20 ack dhcp .50 mac=b by=dhcp lease=3600\n20.1 announce b .50 to=.50", nil},
		{"the lease was not seen, the wish was", Table{}, "0 announce a .50 to=.50\n100 want b .50\n100.2 announce b .50 to=.50", nil},
		{"a locked network's lease", lockedTable(), "0 ack dhcp .60 mac=d by=dhcp lease=600\n0.1 announce d .60 to=.60\n1 ask d .60 to=gw", nil},
		{"VRRP takes over, with a virtual MAC", Table{}, "0 vrrp vrrp vip port=p1\n0.1 announce vrrp vip to=vip port=p1\n5 vrrp vrrp vip port=p2\n5.001 announce vrrp vip to=vip port=p2\n6 vrrp vrrp vip port=p1\n6.01 announce vrrp vip to=vip port=p1", nil},
		{"VRRP takes over, keepalived without a virtual MAC", Table{}, "0 vrrp a vip\n0.1 announce a vip to=vip\n1 ask a a to=gw\n2 ask b b to=gw\n5 vrrp b vip\n5.001 announce b vip to=vip\n5.1 reply b vip to=gw\n60 vrrp a vip\n60.1 announce a vip to=vip", nil},
		{"HSRP", Table{}, "0 hsrp hsrp vip\n0.1 announce hsrp vip to=vip port=p1\n3 hsrp hsrp vip\n3.1 announce hsrp vip to=vip port=p2\n9 reply hsrp vip to=a port=p2", nil},
		{"active-backup: the same MAC at another port", Table{}, "0 ask a a to=gw port=p1\n30 announce a a to=a port=p2\n31 ask a a to=gw port=p2\n90 announce a a to=a port=p1", nil},
		{"a team by configuration (balance-alb)", team, "0 reply t1 vip to=a\n0.1 reply t2 vip to=b\n1 reply t1 vip to=gw\n2 reply t2 vip to=a\n3 announce t2 vip to=vip", nil},
		{"a team by adjacent factory addresses", Table{}, "0 ask nic1 vip to=gw\n0.1 reply nic2 vip to=b\n1 reply nic1 vip to=gw\n2 reply nic2 vip to=a\n3 announce nic2 vip to=vip", nil},
		{"LACP: one MAC at two ports", Table{}, "0 lacp a - port=p1\n0 lacp a - port=p2\n1 ask a a to=gw port=p1\n1.1 ask a a to=b port=p2\n1.2 ask a a to=gw port=p1", nil},
		{"a virtual machine moves to another host", Table{}, "0 ask a a to=gw port=p1\n10 announce a a to=a port=p2\n10.1 announce a a to=a port=p2\n11 ask a a to=gw port=p2", nil},
		{"is this address free? (it is not)", Table{}, "0 ask a a to=gw\n5 probe b - to=a\n5.001 reply a a to=a", nil},
		{"is this address free? (it is)", Table{}, "0 ask a a to=gw\n300 probe b - to=a\n301 probe b - to=a\n303 announce b a to=a\n304 ask b a to=gw", nil},
		{"IPv6 duplicate address detection", Table{}, "0 ns a - to=a6\n1 ns a a6 to=gw6\n2 na gw gw6 to=a6", nil},
		{"proxy ARP by a known router", lockedTable(), "0 ask gw gw to=a\n1 reply gw 10.79.0.5 to=a\n2 reply gw 10.79.0.6 to=a\n3 reply gw a to=b", nil},
		{"machines announce themselves at boot", Table{}, hello + "60 probe a - to=a\n61 probe a - to=a\n63 announce a a to=a\n64 announce a a to=a\n65 announce b b to=b", nil},
		{"a telephone changes its MAC", Table{}, "0 ack dhcp .50 mac=r1 by=dhcp lease=600\n0.5 announce r1 .50 to=.50\n60 ack dhcp .51 mac=r2 by=dhcp lease=600\n60.5 announce r2 .51 to=.51\n700 ack dhcp .50 mac=r3 by=dhcp\n700.5 announce r3 .50 to=.50", nil},
		{"a cluster address by configuration", vip, "0 announce a vip to=vip\n1 ask a a to=gw\n5 announce b vip to=vip\n6 reply b vip to=gw\n9 announce a vip to=vip", nil},
		{"a person approved the change", approved, "0 ask ct .40 to=gw port=p1\n5 announce b .40 to=.40\n6 reply b .40 to=gw", nil},
		{"a machine was replaced overnight", Table{}, "0 ask a a to=gw\n30000 announce b a to=a\n30001 ask b a to=gw", nil},
		{"routed packets", Table{}, "0 ask gw gw to=a\n1 pkt gw 8.8.8.8\n2 pkt gw 9.9.9.9\n3 pkt gw 1.1.1.1\n4 pkt gw 10.78.0.11\n5 pkt gw2 8.8.8.8", nil},
		{"a router seen at both of its legs", Table{}, "0 ask a a to=gw\n0.1 reply gw gw to=a\n0.2 ask gw 10.90.0.1 to=10.90.0.7\n1 pkt a a\n1.001 pkt gw a\n2 pkt a a\n2.001 pkt gw a", nil},
		{"two routers of one network", Table{}, "0 ra gw gw6 net=2001:db8:1::/64\n1 ra b b6 net=2001:db8:1::/64\n2 ra gw gw6 net=2001:db8:1::/64", nil},
		{"a relayed offer", lockedTable(), "0 offer gw .60 mac=d by=dhcp\n1 ack gw .60 mac=d by=dhcp", nil},
		{"a copy of a frame at another port", Table{}, "0 ask a a to=gw port=p1\n0.0001 ask a a to=gw port=p2\n1 ask a a to=gw port=p1\n1.0001 ask a a to=gw port=p2", nil},
		{"it boots over the network", Table{}, "0 want a .50 name=pxe-0001\n20 want a .50 name=ct1-room\n900 want a .50 name=ct1-room", nil},
		{"a laptop goes from the cable to the air", Table{Networks: lockedTable().Networks[1:]}, "0 want x 10.79.0.9 name=ward-laptop\n1 ask x 10.79.0.9 to=gw\n30 want y 10.80.0.9 name=ward-laptop\n45 ask y 10.80.0.9 to=gw\n90 ask y 10.80.0.9 to=gw", nil},
	} {
		t.Run(s.name, func(t *testing.T) {
			for _, a := range play(NewWatch(WatchConfig{}, s.table), s.lines) {
				t.Errorf("%+v", a)
			}
		})
	}
}

// TestCluster: an address that moves between machines is one weak alarm, and
// then known.
func TestCluster(t *testing.T) {
	var learnt []Summary
	w := NewWatch(WatchConfig{Learn: func(s Summary) { learnt = append(learnt, s) }}, Table{})
	got := play(w, "0 announce a vip to=vip\n1 ask a a to=gw\n2 ask b b to=gw\n5 announce b vip to=vip\n6 ask gw gw to=vip\n6.001 reply b vip to=gw\n70 ask gw gw to=vip\n70.001 reply b vip to=gw\n71 announce b vip to=vip\n200 announce a vip to=vip\n300 announce b vip to=vip")
	for _, a := range got {
		if a.Kind != asset.GratuitousARP {
			t.Errorf("%+v", a)
		}
	}
	if len(got) == 0 || len(got) > 2 {
		t.Errorf("%d alarms", len(got))
	}
	if !slices.ContainsFunc(learnt, func(s Summary) bool { return s.Role == RoleVirtual && s.IP == ip("vip") }) {
		t.Errorf("not learnt: %+v", learnt)
	}
}

// TestFolds: an attack that goes on is said once a minute, with its count.
func TestFolds(t *testing.T) {
	w := NewWatch(WatchConfig{}, Table{})
	play(w, hello)
	var b strings.Builder
	for i := range 1200 {
		fmt.Fprintf(&b, "%.1f reply m gw to=a\n", 5+float64(i)/10)
	}
	var total int64
	got := play(w, b.String())
	w.Tick(1e18+600e9, func(a asset.Alarm) { got = append(got, a) })
	for _, a := range got {
		if a.Kind == asset.ARPSpoof {
			total += a.Count
		}
	}
	if len(got) > 5 || total != 1200 {
		t.Errorf("%d alarms, %d in all", len(got), total)
	}
}

// TestAnyClaims: no order of any claims panics, memory stays bounded, and the
// same claims give the same alarms.
func TestAnyClaims(t *testing.T) {
	run := func(seed uint64) (out []asset.Alarm) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := NewWatch(WatchConfig{Most: 200, Active: 5 * time.Second, Stale: time.Minute}, lockedTable())
		at := int64(1e18)
		for range 6000 {
			at += r.Int64N(3e9) - 1e8
			c := Claim{At: at, Kind: ClaimKind(r.IntN(20)), VLAN: uint16(r.IntN(3)), Port: []string{"", "p1", "p2"}[r.IntN(3)], Client: []string{"", "name-1", "name-2"}[r.IntN(3)]}
			c.Frame, c.MAC = packet.MAC{byte(r.IntN(4)), 0, byte(r.IntN(40))}, packet.MAC{2, 0, byte(r.IntN(40))}
			addr := func() netip.Addr {
				switch r.IntN(5) {
				case 0:
					return netip.Addr{}
				case 1:
					return netip.AddrFrom16([16]byte{0xfe, 0x80, 15: byte(r.IntN(250))})
				}
				return netip.AddrFrom4([4]byte{10, byte(78 + r.IntN(2)), byte(r.IntN(2)), byte(r.IntN(256))})
			}
			c.IP, c.Target, c.Server, c.Lease = addr(), addr(), addr(), r.Uint32N(4000)
			w.Claim(c, func(a asset.Alarm) { out = append(out, a) })
			w.Tick(at, func(a asset.Alarm) { out = append(out, a) })
		}
		if w.Memory() > 200+200+50+1024+4096 {
			t.Errorf("memory of %d", w.Memory())
		}
		return out
	}
	for seed := range uint64(4) {
		if a, b := run(seed), run(seed); len(a) == 0 || !slices.EqualFunc(a, b, func(x, y asset.Alarm) bool { return fmt.Sprint(x) == fmt.Sprint(y) }) {
			t.Errorf("seed %d: %d and %d alarms", seed, len(a), len(b))
		}
	}
}

// TestFlood: invented addresses do not displace those in use.
func TestFlood(t *testing.T) {
	w := NewWatch(WatchConfig{Most: 1000}, Table{})
	play(w, hello)
	for i := range 50000 {
		at := int64(1e18 + 2e9 + i*1000)
		w.Claim(Claim{At: at, Kind: ARPRequest, Frame: packet.MAC{2, 1, byte(i >> 16), byte(i >> 8), byte(i)}, IP: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), Target: ip("m")}, func(asset.Alarm) {})
	}
	if got := play(w, "5 reply m gw to=a"); len(got) != 1 || got[0].Kind != asset.ARPSpoof {
		t.Errorf("%+v", got)
	}
}

func BenchmarkClaim(b *testing.B) {
	w := NewWatch(WatchConfig{}, lockedTable())
	claims := make([]Claim, 4096)
	for i := range claims {
		m := packet.MAC{2, 9, byte(i >> 8), byte(i)}
		claims[i] = Claim{Kind: ARPRequest, Frame: m, MAC: m, IP: netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), Target: ip("gw")}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c := claims[i%len(claims)]
		c.At = 1e18 + int64(i)*1e6
		w.Claim(c, func(asset.Alarm) {})
	}
}
