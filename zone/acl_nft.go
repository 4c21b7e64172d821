package zone

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/internal/packet"
)

// nftShape is what elements that share a set have in common; the names are
// those of package zone/nft, which loads the same rules without text.
type nftShape struct {
	place string // legs, v4-24-32
	kind  string // any, proto, port, echo, range
}

func (s nftShape) name() string { return s.place + "-" + s.kind }

func nftShapeOf(e *Element) nftShape {
	s := nftShape{place: "legs", kind: "port"}
	if !e.ByInterface() {
		family := "v6"
		if e.From.Addr().Is4() {
			family = "v4"
		}
		s.place = fmt.Sprintf("%s-%d-%d", family, e.From.Bits(), e.To.Bits())
	}
	switch {
	case e.Proto == 0:
		s.kind = "any"
	case e.Proto == packet.ICMP || e.Proto == packet.ICMPv6:
		s.kind = "echo"
	case !e.HasPorts():
		s.kind = "proto"
	case e.Low != e.High:
		s.kind = "range"
	}
	return s
}

// writeNFT writes the ruleset for nft -f: one table, replaced in one
// transaction, one set for each shape of element.
func writeNFT(r *Ruleset) (string, error) {
	sets := map[nftShape][]string{}
	for i := range r.Elements {
		e := &r.Elements[i]
		s := nftShapeOf(e)
		sets[s] = append(sets[s], nftElement(e, s))
	}
	shapes := make([]nftShape, 0, len(sets))
	for s := range sets {
		shapes = append(shapes, s)
	}
	sort.Slice(shapes, func(i, j int) bool { return shapes[i].name() < shapes[j].name() })
	var b strings.Builder
	b.WriteString("#!/usr/sbin/nft -f\n" + header(r, "#", "Load with: nft -f FILE. Replaces table inet cordon in one transaction; nothing else is touched.",
		"What Cordon loads by itself (cordon zone stage, enforce) is the same; quarantine is a table of its own."))
	b.WriteString("table inet cordon\ndelete table inet cordon\ntable inet cordon {\n")
	for _, s := range shapes {
		b.WriteString(nftSet(s, sets[s]))
	}
	b.WriteString("\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n\t\tct state established,related counter accept\n")
	for _, s := range shapes {
		for _, rule := range nftRules(s) {
			b.WriteString("\t\t" + rule + "\n")
		}
	}
	b.WriteString("\t\tcounter log prefix \"cordon-deny\" group 9 snaplen 96 drop\n\t}\n}\n")
	return b.String(), nil
}

func removeNFT(r *Ruleset) (string, error) {
	return "#!/usr/sbin/nft -f\n" + header(r, "#", "The way back. The first line makes the second one safe to repeat.") + "table inet cordon\ndelete table inet cordon\n", nil
}

func nftSet(s nftShape, elements []string) string {
	kind := "ifname . ifname"
	flags := ""
	switch {
	case strings.HasPrefix(s.place, "v4"):
		kind, flags = "ipv4_addr . ipv4_addr", "\t\tflags interval\n"
	case strings.HasPrefix(s.place, "v6"):
		kind, flags = "ipv6_addr . ipv6_addr", "\t\tflags interval\n"
	case s.kind == "range":
		flags = "\t\tflags interval\n"
	}
	switch s.kind {
	case "proto", "echo":
		kind += " . inet_proto"
	case "port", "range":
		kind += " . inet_proto . inet_service"
	}
	return "\tset " + s.name() + " {\n\t\ttype " + kind + "\n" + flags + "\t\telements = {\n\t\t\t" + strings.Join(elements, ",\n\t\t\t") + "\n\t\t}\n\t}\n"
}

func nftElement(e *Element, s nftShape) string {
	var parts []string
	if e.ByInterface() {
		parts = []string{strconv.Quote(e.In), strconv.Quote(e.Out)}
	} else {
		parts = []string{e.From.String(), e.To.String()}
	}
	if s.kind != "any" {
		parts = append(parts, strconv.Itoa(int(e.Proto)))
	}
	switch s.kind {
	case "port":
		parts = append(parts, strconv.Itoa(int(e.Low)))
	case "range":
		parts = append(parts, strconv.Itoa(int(e.Low))+"-"+strconv.Itoa(int(e.High)))
	}
	return strings.Join(parts, " . ") + " comment " + strconv.Quote(e.Conduit)
}

func nftRules(s nftShape) []string {
	place := "iifname . oifname"
	switch {
	case strings.HasPrefix(s.place, "v4"):
		place = "ip saddr . ip daddr"
	case strings.HasPrefix(s.place, "v6"):
		place = "ip6 saddr . ip6 daddr"
	}
	at := " @" + s.name() + " counter accept"
	switch s.kind {
	case "any":
		return []string{place + at}
	case "proto":
		return []string{place + " . meta l4proto" + at}
	case "echo":
		var out []string
		if !strings.HasPrefix(s.place, "v6") {
			out = append(out, "icmp type echo-request "+place+" . meta l4proto"+at)
		}
		if !strings.HasPrefix(s.place, "v4") {
			out = append(out, "icmpv6 type echo-request "+place+" . meta l4proto"+at)
		}
		return out
	}
	return []string{place + " . meta l4proto . th dport" + at}
}
