package zone

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/ocsf"
)

// Dialect is a syntax that a ruleset can be written in.
type Dialect struct {
	Name  string
	Title ocsf.Text
	// Write gives the text that makes it so, Remove the way back.
	Write  func(*Ruleset) (string, error)
	Remove func(*Ruleset) (string, error)
}

// Dialects lists the syntaxes.
func Dialects() []Dialect {
	return []Dialect{
		{"nft", title("Linux nftables", "Linux nftables"), writeNFT, removeNFT},
		{"cisco", title("Cisco IOS extended access lists", "Cisco IOS 扩展访问列表"), writeCisco, removeCisco},
		{"huawei", title("Huawei VRP advanced ACLs", "华为 VRP 高级 ACL"), writeHuawei, removeHuawei},
		{"h3c", title("H3C Comware advanced ACLs", "新华三 Comware 高级 ACL"), writeH3C, removeH3C},
		{"fortinet", title("Fortinet FortiOS policies", "飞塔 FortiOS 策略"), writeFortinet, removeFortinet},
	}
}

// DialectNamed finds a syntax.
func DialectNamed(name string) (Dialect, error) {
	var names []string
	for _, d := range Dialects() {
		if d.Name == name {
			return d, nil
		}
		names = append(names, d.Name)
	}
	return Dialect{}, fmt.Errorf("there is no syntax %q%s; there are: %s", name, near(name, slices.Clone(names)), strings.Join(names, ", "))
}

// aclLine is one line of a switch's access list, before syntax.
type aclLine struct {
	remark string // stands alone
	deny   bool
	log    bool
	proto  uint8
	// src and dst are any where they are zero.
	src, dst netip.Prefix
	// Ports of either side; 0 to 0 for any.
	srcPorts, dstPorts [2]uint16
	// established marks answers of TCP.
	established bool
	// echo is "echo" or "echo-reply".
	echo string
	// special are lines that every syntax writes its own way: dhcp, nd.
	special string
}

// aclList is what may come from one zone, in one family.
type aclList struct {
	zone  *Zone
	v6    bool
	name  string
	lines []aclLine
}

// lists are the access lists of a ruleset: one a zone and family, for packets
// that come from the zone. They go by addresses: a switch that has no state
// must let answers pass by themselves.
func (r *Ruleset) lists() ([]aclList, error) {
	p := Policy{Zones: r.Zones, Services: r.Services}
	pl := planOf(&p)
	var out []aclList
	for i := range r.Zones {
		z := &r.Zones[i]
		if len(z.Networks) == 0 && !z.everywhere() {
			return nil, fmt.Errorf("zone %s has no networks, and switches filter by addresses; write its networks", z.Name)
		}
		for _, v6 := range []bool{false, true} {
			l, err := r.list(pl, z, v6)
			if err != nil {
				return nil, err
			}
			if l != nil {
				out = append(out, *l)
			}
		}
	}
	return out, nil
}

func (r *Ruleset) list(pl *plan, z *Zone, v6 bool) (*aclList, error) {
	nets := ofFamily(z.Networks, v6)
	if len(nets) == 0 && !(z.everywhere() && !v6) {
		return nil, nil
	}
	l := &aclList{zone: z, v6: v6, name: shortName("CORDON-", strings.ToUpper(z.Name), 31, v6)}
	b := listing{pl: pl, l: l}
	if z.everywhere() {
		b.spoofed()
	} else {
		l.lines = append(l.lines, aclLine{special: "local", remark: "addresses and neighbours"})
	}
	for i := range r.Conduits {
		if err := b.conduit(&r.Conduits[i]); err != nil {
			return nil, err
		}
	}
	b.within(nets)
	l.lines = append(l.lines, b.answers...)
	if len(b.internet) > 0 {
		l.lines = append(l.lines, aclLine{remark: "nothing else that is inside, before what may go to the internet"})
		for _, n := range b.inside() {
			l.lines = append(l.lines, aclLine{deny: true, log: true, dst: n})
		}
		l.lines = append(l.lines, b.internet...)
	}
	l.lines = append(l.lines, aclLine{remark: "all else"}, aclLine{deny: true, log: true})
	return l, nil
}

// listing builds one list.
type listing struct {
	pl *plan
	l  *aclList
	// answers come after what is opened; internet lines come last, since "any"
	// is also inside.
	answers, internet []aclLine
}

func (b *listing) conduit(c *Conduit) error {
	from, to := b.pl.zones[c.From], b.pl.zones[c.To]
	if from != b.l.zone && to != b.l.zone {
		return nil
	}
	spans, err := b.pl.services(c.Allow)
	if err != nil {
		return fmt.Errorf("conduit %s: %w", c.ID, err)
	}
	if from == b.l.zone {
		b.open(c, from, to, spans)
	}
	if to == b.l.zone {
		b.answer(c, from, to, spans)
	}
	return nil
}

func (b *listing) open(c *Conduit, from, to *Zone, spans []Span) {
	lines := []aclLine{{remark: c.ID + ": " + c.Owner + ": " + c.Reason + expiryNote(c)}}
	for _, src := range b.ends(from, c.FromHosts) {
		for _, dst := range b.ends(to, c.ToHosts) {
			for _, s := range spans {
				if l, ok := b.line(s, src, dst, false); ok {
					lines = append(lines, l)
				}
			}
		}
	}
	switch {
	case len(lines) == 1:
	case to.everywhere() && len(c.ToHosts) == 0:
		b.internet = append(b.internet, lines...)
	default:
		b.l.lines = append(b.l.lines, lines...)
	}
}

func (b *listing) answer(c *Conduit, from, to *Zone, spans []Span) {
	lines := []aclLine{{remark: c.ID + ": answers"}}
	for _, src := range b.ends(to, c.ToHosts) {
		for _, dst := range b.ends(from, c.FromHosts) {
			for _, s := range spans {
				if l, ok := b.line(s, src, dst, true); ok {
					lines = append(lines, l)
				}
			}
		}
	}
	switch {
	case len(lines) == 1:
	case from.everywhere() && len(c.FromHosts) == 0:
		b.internet = append(b.internet, lines...)
	default:
		b.answers = append(b.answers, lines...)
	}
}

func expiryNote(c *Conduit) string {
	if c.Expires.IsZero() {
		return ""
	}
	return " (until " + c.Expires.Format(time.DateOnly) + ")"
}

// ends are the addresses of one side in the list's family; the internet is
// any.
func (b *listing) ends(z *Zone, hosts []netip.Prefix) []netip.Prefix {
	if len(hosts) == 0 && z.everywhere() {
		return []netip.Prefix{{}}
	}
	if len(hosts) == 0 {
		hosts = z.Networks
	}
	return ofFamily(tidy(hosts), b.l.v6)
}

func ofFamily(all []netip.Prefix, v6 bool) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range all {
		if p.Addr().Is6() == v6 {
			out = append(out, p)
		}
	}
	return out
}

// line is a span in a list: with the port on the side of the server.
func (b *listing) line(s Span, src, dst netip.Prefix, answer bool) (aclLine, bool) {
	l := aclLine{proto: s.Proto, src: src, dst: dst}
	if s.Proto == packet.ICMP && b.l.v6 || s.Proto == packet.ICMPv6 && !b.l.v6 {
		return l, false
	}
	ports := [2]uint16{s.Low, s.High}
	switch {
	case s.Proto == packet.ICMP || s.Proto == packet.ICMPv6:
		l.echo = "echo"
		if answer {
			l.echo = "echo-reply"
		}
	case answer:
		l.srcPorts, l.established = ports, s.Proto == packet.TCP
	default:
		l.dstPorts = ports
	}
	return l, true
}

// spoofed refuses the hospital's own addresses as senders from outside.
func (b *listing) spoofed() {
	b.l.lines = append(b.l.lines, aclLine{remark: "our own addresses never come from there"})
	for _, n := range ofFamily(tidy(ownNetworks(b.pl.p.Zones)), b.l.v6) {
		b.l.lines = append(b.l.lines, aclLine{deny: true, log: true, src: n})
	}
}

// within lets a zone talk within itself where the switch routes in between.
func (b *listing) within(nets []netip.Prefix) {
	if b.l.zone.Isolated || kindOf(b.l.zone.Kind).Outside {
		return
	}
	b.l.lines = append(b.l.lines, aclLine{remark: SameZone})
	for _, src := range nets {
		for _, dst := range nets {
			b.l.lines = append(b.l.lines, aclLine{src: src, dst: dst})
		}
	}
}

// inside are the networks that are not the internet.
func (b *listing) inside() []netip.Prefix {
	own := ownNetworks(b.pl.p.Zones)
	if b.l.v6 {
		return tidy(append(ofFamily(own, true), netip.MustParsePrefix("fc00::/7")))
	}
	return tidy(append(ofFamily(own, false), notInternet...))
}

// shortName is a name no longer than a device takes: beyond that, cut and told
// apart by a few letters of its hash.
func shortName(prefix, name string, most int, v6 bool) string {
	suffix := ""
	if v6 {
		suffix = "-V6"
	}
	if len(prefix)+len(name)+len(suffix) > most {
		sum := sha256.Sum256([]byte(name))
		name = name[:most-len(prefix)-len(suffix)-7] + "-" + strings.ToUpper(hex.EncodeToString(sum[:3]))
	}
	return prefix + name + suffix
}

// remark is a text that no command line can misread: printable ASCII without
// question marks, which ask for help, and quotes.
func remark(s string, most int) string {
	out := strings.Map(func(r rune) rune {
		switch {
		case r == '?' || r == '"' || r == '\\' || r == '!':
			return '.'
		case r < ' ' || r > '~':
			return -1
		}
		return r
	}, s)
	out = strings.TrimRight(strings.Join(strings.Fields(out), " "), " .:;")
	return out[:min(len(out), most)]
}

// wildcard is a network and its inverted mask.
func wildcard(p netip.Prefix) (network, inverse string) {
	mask := ^mask4(p.Bits())
	return p.Addr().String(), netip.AddrFrom4([4]byte{byte(mask >> 24), byte(mask >> 16), byte(mask >> 8), byte(mask)}).String()
}

// header says what the text is, and what it cannot do.
func header(r *Ruleset, mark string, limits ...string) string {
	var b strings.Builder
	lines := append([]string{
		"Cordon zone policy " + remark(r.Policy, 60) + ", ruleset " + r.Hash[:16],
		fmt.Sprintf("%d zones, %d conduits, the implicit ones (DNS, NTP) included", len(r.Zones), len(r.Conduits)),
	}, limits...)
	for _, n := range r.Notes {
		lines = append(lines, remark(n.EN, 100))
	}
	for _, l := range lines {
		b.WriteString(strings.TrimRight(mark+" "+l, " ") + "\n")
	}
	return b.String()
}

// stateless is what the header of a switch's list must say.
func stateless() []string {
	return []string{
		"These lists have no state. They cannot tell whether anybody asked:",
		"- answers of TCP pass with the flags of an established connection, which can be forged;",
		"- answers of UDP pass by the server's port: whoever sends from that port reaches all ports;",
		"- ICMP errors of the path (fragmentation needed) are let in, so that large images pass;",
		"- what two devices of one VLAN say to each other is switched and never comes to these lists;",
		"- nothing expires by itself: conduits with an end must be removed on that day.",
		"Where it matters (life support, guests, internet), put a firewall or Cordon's router in between.",
		"Permit your own routing and redundancy protocols (OSPF, VRRP, HSRP) before you attach a list.",
	}
}

// vlansOf are the VLANs a list is attached to.
func (l *aclList) vlansOf() []int {
	ids := slices.Clone(l.zone.VLANs)
	slices.SortFunc(ids, cmp.Compare)
	return slices.Compact(ids)
}

func ports(p [2]uint16, eq, span string) string {
	switch {
	case p[0] == 0 && p[1] == 0:
		return ""
	case p[0] == p[1]:
		return " " + eq + " " + strconv.Itoa(int(p[0]))
	}
	return " " + span + " " + strconv.Itoa(int(p[0])) + " " + strconv.Itoa(int(p[1]))
}
