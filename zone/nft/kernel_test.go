//go:build linux

package nft

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/zone"
)

// randomPolicyText writes a policy for zones, each with its own leg and networks.
func randomPolicyText(rnd *rand.Rand, zones []string) string {
	var b strings.Builder
	b.WriteString("version: 1\nname: random\nzones:\n")
	for i, z := range zones {
		fmt.Fprintf(&b, "  - {name: %s, kind: other, owner: o, networks: [10.77.%d.0/24, \"fd77:%d::/64\"], interface: z-%s}\n", z, i+1, i+1, z)
	}
	b.WriteString("conduits:\n")
	for n := range 25 {
		from, to := zones[rnd.IntN(len(zones))], zones[rnd.IntN(len(zones))]
		if from == to {
			continue
		}
		port := 1 + rnd.IntN(12)
		words := []string{fmt.Sprintf("tcp/%d", port), fmt.Sprintf("udp/%d", port), fmt.Sprintf("tcp/%d-%d", port, port+rnd.IntN(9)), "icmp", fmt.Sprintf("udp/%d-%d", port, port+3)}
		fmt.Fprintf(&b, "  - {id: c%d, from: %s, to: %s, allow: [%s], owner: o, reason: r", n, from, to, words[rnd.IntN(len(words))])
		number := func(z string) int {
			for i := range zones {
				if zones[i] == z {
					return i + 1
				}
			}
			return 0
		}
		if rnd.IntN(2) == 0 {
			host := netip.AddrFrom4([4]byte{10, 77, byte(number(from)), byte(rnd.IntN(32))})
			fmt.Fprintf(&b, ", from_hosts: [%s]", netip.PrefixFrom(host, 27+rnd.IntN(6)).Masked())
		}
		if rnd.IntN(4) == 0 {
			fmt.Fprintf(&b, ", to_hosts: [10.77.%d.%d]", number(to), 10+rnd.IntN(8))
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// TestKernelAgreesWithTheSimulator sends real packets for random tuples through
// the router and compares what comes out with what Decide says.
func TestKernelAgreesWithTheSimulator(t *testing.T) {
	zones := []string{"his", "img", "gst", "lab"}
	l := newLab(t, zones...)
	k := l.kernel()
	rnd := rand.New(rand.NewPCG(7, 7))
	wires, routers := map[string]*wire{}, map[string]packet.MAC{}
	for i, z := range zones {
		wires[z], routers[z] = l.wire(z, "eth0"), l.mac("core", "z-"+z)
		var list strings.Builder
		for h := range 24 {
			mac := wires[z].mac
			for _, a := range []string{fmt.Sprintf("10.77.%d.%d", i+1, 8+h), fmt.Sprintf("fd77:%d::%x", i+1, 8+h)} {
				fmt.Fprintf(&list, "neigh replace %s lladdr %02x:%02x:%02x:%02x:%02x:%02x dev z-%s nud permanent\n", a, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], z)
			}
		}
		l.sh("ip -n %s -batch - <<'END'\n%sEND", l.ns("core"), list.String())
	}
	l.sh("ip netns exec %s sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.all.send_redirects=0 net.ipv4.icmp_ratelimit=0", l.ns("core"))
	total, wrong, passed := 0, 0, 0
	for round := range 4 {
		p, err := zone.Read([]byte(randomPolicyText(rnd, zones)), time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		r, err := zone.Compile(p, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		l.apply(k, r, zone.Order{Mode: zone.Enforce})
		l.intact(k, r, zone.Enforce)
		want := map[uint32]bool{}
		what := map[uint32]zone.Tuple{}
		var mu sync.Mutex
		got := map[uint32]bool{}
		var wg sync.WaitGroup
		var sent atomic.Bool
		for _, z := range zones {
			wg.Go(func() {
				for last := false; !last; {
					last = sent.Load() // then what is under way still comes
					wires[z].collect(400*time.Millisecond, func(f []byte) {
						if string(f[6:12]) == string(slice(routers[z])) {
							if id, ok := probeID(f); ok {
								mu.Lock()
								got[id] = true
								mu.Unlock()
							}
						}
					})
				}
			})
		}
		seen := map[string]bool{}
		for n := 0; len(want) < 3000 && n < 100_000; n++ {
			x := randomTuple(rnd, zones)
			// One conversation each: a second packet of one would be established.
			if key := fmt.Sprint(x.tuple); seen[key] || seen[fmt.Sprint(x.back())] {
				continue
			} else {
				seen[key] = true
			}
			id := uint32(round*10_000 + len(want) + 1)
			want[id], what[id] = r.Decide(x.tuple).Allow, x.tuple
			wires[x.from].send(t, probeFrame(routers[x.from], wires[x.from].mac, x.tuple.From, x.tuple.To, x.tuple.Proto, x.tuple.Port, id))
		}
		sent.Store(true)
		wg.Wait()
		for id, allow := range want {
			total++
			if allow {
				passed++
			}
			if got[id] != allow {
				if wrong++; wrong < 10 {
					t.Errorf("kernel passes %t, simulator %t: %+v", got[id], allow, what[id])
				}
			}
		}
		l.sh("ip netns exec %s conntrack -F 2>/dev/null || true", l.ns("core"))
	}
	t.Logf("%d tuples, %d allowed, %d differ", total, passed, wrong)
	if total < 10_000 || passed < total/20 || passed > total*19/20 || wrong > 0 {
		t.Errorf("%d tuples, %d allowed, %d differ", total, passed, wrong)
	}
}

func slice(m packet.MAC) []byte { return m[:] }

type sample struct {
	from, to string
	tuple    zone.Tuple
}

// back is the conversation in the other direction.
func (s sample) back() zone.Tuple {
	return zone.Tuple{In: s.tuple.Out, Out: s.tuple.In, From: s.tuple.To, To: s.tuple.From, Proto: s.tuple.Proto, Port: s.tuple.Port}
}

func randomTuple(rnd *rand.Rand, zones []string) sample {
	i, j := rnd.IntN(len(zones)), rnd.IntN(len(zones)-1)
	if j >= i {
		j++
	}
	s := sample{from: zones[i], to: zones[j]}
	host := func(zone, format string) netip.Addr {
		for n, z := range zones {
			if z == zone {
				return netip.MustParseAddr(fmt.Sprintf(format, n+1, 8+rnd.IntN(24)))
			}
		}
		return netip.Addr{}
	}
	format := "10.77.%d.%d"
	protos := []uint8{packet.TCP, packet.TCP, packet.UDP, packet.UDP, packet.ICMP, packet.GRE}
	if rnd.IntN(3) == 0 {
		format, protos[4] = "fd77:%d::%x", packet.ICMPv6
	}
	s.tuple = zone.Tuple{In: "z-" + s.from, Out: "z-" + s.to, From: host(s.from, format), To: host(s.to, format), Proto: protos[rnd.IntN(len(protos))]}
	if s.tuple.Proto == packet.TCP || s.tuple.Proto == packet.UDP {
		s.tuple.Port = uint16(1 + rnd.IntN(16))
	}
	return s
}
