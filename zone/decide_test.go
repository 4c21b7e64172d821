package zone

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var testDay = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

// naive is what an element means, written down once more and without an index.
func naive(r *Ruleset, t Tuple) (string, bool) {
	if t.In == "" {
		if z := naivePlace(r.Zones, t.From); z != nil {
			t.In = z.Interface
		}
	}
	if t.Out == "" {
		if z := naivePlace(r.Zones, t.To); z != nil {
			t.Out = z.Interface
		}
	}
	for _, e := range r.Elements {
		place := e.In != "" && e.In == t.In && e.Out == t.Out || e.In == "" && e.From.Contains(t.From) && e.To.Contains(t.To)
		if place && (e.Proto == 0 || e.Proto == t.Proto && e.Low <= t.Port && t.Port <= e.High) {
			return e.Conduit, true
		}
	}
	return "", false
}

func naivePlace(zones []Zone, a netip.Addr) (best *Zone) {
	bits := 0
	for i := range zones {
		for _, p := range zones[i].Networks {
			if p.Contains(a) && p.Bits() > bits {
				best, bits = &zones[i], p.Bits()
			}
		}
	}
	for i := range zones {
		if best == nil && zones[i].everywhere() && !private(a) {
			return &zones[i]
		}
	}
	return best
}

// randomPolicy makes a policy of a few zones by interface, by network, by
// both, of both families, with hosts, ranges and names.
func randomPolicy(rnd *rand.Rand) string {
	var b strings.Builder
	b.WriteString("version: 1\nname: random\nzones:\n")
	n := 3 + rnd.IntN(6)
	for i := range n {
		fmt.Fprintf(&b, "- {name: z%d, kind: other, owner: o, title: {en: a, zh: b}", i)
		if rnd.IntN(3) > 0 {
			fmt.Fprintf(&b, ", interface: if%d", i)
		}
		fmt.Fprintf(&b, ", networks: [10.%d.0.0/%d, 'fd00:%d::/%d']", i, 16+rnd.IntN(9), i, 32+rnd.IntN(33))
		if rnd.IntN(4) == 0 {
			b.WriteString(", isolated: true")
		}
		if rnd.IntN(4) == 0 {
			fmt.Fprintf(&b, ", dns_servers: [10.%d.0.53]", i)
		}
		b.WriteString("}\n")
	}
	b.WriteString("- {name: net, kind: internet, title: {en: a, zh: b}}\nconduits:\n")
	services := []string{"dicom", "hl7", "dns", "ntp", "icmp", "tcp/1000-2000", "tcp/1500-1600", "udp/5000-5010", "tcp/443", "ipsec"}
	for i := range 1 + rnd.IntN(30) {
		from, to := rnd.IntN(n), rnd.IntN(n)
		toName := "z" + strconv.Itoa(to)
		if rnd.IntN(8) == 0 {
			toName, to = "net", -1
		}
		fmt.Fprintf(&b, "- {id: c%d, from: z%d, to: %s, allow: [%s, %s], owner: o, reason: r", i, from, toName, services[rnd.IntN(len(services))], services[rnd.IntN(len(services))])
		if rnd.IntN(2) == 0 {
			fmt.Fprintf(&b, ", from_hosts: [10.%d.0.%d, 'fd00:%d::%d']", from, rnd.IntN(8), from, rnd.IntN(8))
		}
		if rnd.IntN(2) == 0 && to >= 0 {
			fmt.Fprintf(&b, ", to_hosts: [10.%d.0.%d-10.%d.0.%d]", to, rnd.IntN(8), to, 8+rnd.IntN(30))
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func randomTuple(rnd *rand.Rand) Tuple {
	addr := func() netip.Addr {
		switch rnd.IntN(12) {
		case 0:
			return netip.AddrFrom4([4]byte{8, 8, 8, 8})
		case 1:
			return netip.AddrFrom4([4]byte{192, 168, 1, byte(rnd.IntN(4))})
		}
		return netip.AddrFrom4([4]byte{10, byte(rnd.IntN(5)), 0, byte(rnd.IntN(12))})
	}
	t := Tuple{From: addr(), To: addr()}
	if rnd.IntN(4) == 0 {
		six := func() netip.Addr { return netip.MustParseAddr(fmt.Sprintf("fd00:%d::%d", rnd.IntN(5), rnd.IntN(9))) }
		t.From, t.To = six(), six()
	}
	if rnd.IntN(3) == 0 {
		t.In, t.Out = "if"+strconv.Itoa(rnd.IntN(9)), "if"+strconv.Itoa(rnd.IntN(9))
	}
	t.Proto = []uint8{6, 6, 6, 17, 17, 1, 58, 50, 132}[rnd.IntN(9)]
	if t.Proto == 6 || t.Proto == 17 {
		t.Port = []uint16{104, 11112, 2575, 53, 123, 443, 1000, 1499, 1500, 1600, 1601, 2000, 2001, 5005, 80}[rnd.IntN(15)]
	}
	return t
}

func mustCompile(t testing.TB, text string) *Ruleset {
	t.Helper()
	p, err := Read([]byte(text), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Compile(p, testDay)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return r
}

func TestDecideIsWhatElementsMean(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	allowed, all := 0, 0
	for range 300 {
		text := randomPolicy(rnd)
		r := mustCompile(t, text)
		for range 200 {
			tuple := randomTuple(rnd)
			conduit, ok := naive(r, tuple)
			if got := r.Decide(tuple); got.Allow != ok || got.Conduit != conduit {
				t.Fatalf("%+v: %+v, want %q %v\n%s", tuple, got, conduit, ok, text)
			}
			if all++; ok {
				allowed++
			}
		}
	}
	if share := float64(allowed) / float64(all); share < 0.03 || share > 0.6 {
		t.Fatalf("%d of %d allowed: the tuples prove little", allowed, all)
	}
}

// meant is a policy's meaning from its words alone, without elements: it finds
// what the compiler gets wrong.
func meant(p *Policy, t Tuple) bool {
	from, to := naivePlace(p.Zones, t.From), naivePlace(p.Zones, t.To)
	if from == nil || to == nil {
		return false
	}
	if from == to && !from.Isolated && from.Kind != "internet" {
		return true
	}
	for _, c := range p.inForce(testDay) {
		if c.From != from.Name || c.To != to.Name || len(c.FromHosts) > 0 && !within(single(t.From), c.FromHosts) || len(c.ToHosts) > 0 && !within(single(t.To), c.ToHosts) {
			continue
		}
		for _, w := range c.Allow {
			spans, _ := p.spansFor(w)
			for _, s := range spans {
				if s.Proto == t.Proto && s.Low <= t.Port && t.Port <= s.High {
					return true
				}
			}
		}
	}
	return false
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

func TestCompiledPolicyIsWhatItsWordsMean(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		text := randomPolicy(rnd)
		r := mustCompile(t, text)
		p, _ := Read([]byte(text), time.UTC)
		for range 200 {
			tuple := randomTuple(rnd)
			tuple.In, tuple.Out = "", ""
			v := r.Decide(tuple)
			mixed := tuple.From.Is4() && tuple.Proto == 58 || tuple.From.Is6() && tuple.Proto == 1
			if want := meant(&p, tuple); v.Allow != want && !mixed {
				t.Fatalf("%+v: %+v, want %v\n%s", tuple, v, want, text)
			}
		}
	}
}

func TestSamePolicySameBytes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	text := randomPolicy(rnd)
	a, b := mustCompile(t, text), mustCompile(t, text)
	if a.Hash != b.Hash || len(a.Hash) != 64 {
		t.Fatalf("%s, %s", a.Hash, b.Hash)
	}
	for i := 1; i < len(a.Elements); i++ {
		if compareElements(a.Elements[i-1], a.Elements[i]) >= 0 {
			t.Fatalf("not sorted and unique: %v, %v", a.Elements[i-1], a.Elements[i])
		}
	}
}

// manyConduits is a policy of n conduits: half between hosts, half by port.
func manyConduits(n int) Policy {
	p := Policy{Version: 1, Name: "many"}
	for i := range 40 {
		p.Zones = append(p.Zones, Zone{Name: "z" + strconv.Itoa(i), Kind: "other", Owner: "o", Interface: "vlan" + strconv.Itoa(i),
			Networks: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16)}})
	}
	for i := range n {
		from, to := i%40, (i/40)%40
		c := Conduit{ID: "c-" + strconv.Itoa(i), From: p.Zones[from].Name, To: p.Zones[to].Name, Owner: "o", Reason: "r"}
		if i%2 == 0 {
			c.FromHosts = []netip.Prefix{single(netip.AddrFrom4([4]byte{10, byte(from), byte(i >> 8), byte(i)}))}
			c.ToHosts = []netip.Prefix{single(netip.AddrFrom4([4]byte{10, byte(to), byte(i >> 9), byte(i >> 1)}))}
			c.Allow = []string{"hl7"}
		} else {
			c.Allow = []string{"tcp/" + strconv.Itoa(1+i/1600)}
		}
		p.Conduits = append(p.Conduits, c)
	}
	return p
}

// processor is the time this process has spent computing.
func processor() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestHundredThousandConduitsCompileInTime(t *testing.T) {
	p := manyConduits(100_000)
	best := time.Hour
	var r *Ruleset
	for range 5 {
		begun := processor()
		var err error
		if r, err = Compile(p, testDay); err != nil {
			t.Fatal(err)
		}
		best = min(best, processor()-begun)
	}
	t.Logf("%d elements in %s of processor", len(r.Elements), best)
	if best > 600*time.Millisecond {
		t.Errorf("compiling took %s of processor, more than 600 ms", best)
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		p := manyConduits(n)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				if _, err := Compile(p, testDay); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecide(b *testing.B) {
	r, err := Compile(manyConduits(100_000), testDay)
	if err != nil {
		b.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(7, 8))
	tuples := make([]Tuple, 4096)
	for i := range tuples {
		tuples[i] = randomTuple(rnd)
	}
	i := 0
	for b.Loop() {
		r.Decide(tuples[i&4095])
		i++
	}
}
