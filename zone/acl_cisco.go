package zone

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/cordon-health/cordon/internal/packet"
)

// writeCisco writes extended named lists of IOS and IOS XE, attached inbound
// to the VLAN's interface.
func writeCisco(r *Ruleset) (string, error) {
	lists, err := r.lists()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(header(r, "!", stateless()...))
	for i := range lists {
		l := &lists[i]
		b.WriteString("!\n" + ciscoKind(l) + " " + l.name + "\n")
		for _, x := range l.lines {
			for _, line := range ciscoLine(x, l.v6) {
				b.WriteString(" " + line + "\n")
			}
		}
	}
	for i := range lists {
		b.WriteString(ciscoAttach(&lists[i], ""))
	}
	return b.String() + "!\nend\n", nil
}

func ciscoKind(l *aclList) string {
	if l.v6 {
		return "ipv6 access-list"
	}
	return "ip access-list extended"
}

func ciscoAttach(l *aclList, no string) string {
	var b strings.Builder
	ids := l.vlansOf()
	if len(ids) == 0 {
		fmt.Fprintf(&b, "! %s has no VLAN in the policy: attach %s inbound where its packets come in\n", l.zone.Name, l.name)
	}
	word := "ip access-group"
	if l.v6 {
		word = "ipv6 traffic-filter"
	}
	for _, id := range ids {
		fmt.Fprintf(&b, "interface Vlan%d\n %s%s %s in\n", id, no, word, l.name)
	}
	return b.String()
}

func removeCisco(r *Ruleset) (string, error) {
	lists, err := r.lists()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(header(r, "!", "The way back: lists are taken off the interfaces first, then deleted."))
	for i := range lists {
		b.WriteString(ciscoAttach(&lists[i], "no "))
	}
	for i := range lists {
		b.WriteString("no " + ciscoKind(&lists[i]) + " " + lists[i].name + "\n")
	}
	return b.String() + "!\nend\n", nil
}

func ciscoLine(x aclLine, v6 bool) []string {
	switch {
	case x.special != "" && v6:
		return []string{"remark " + x.remark, "permit icmp any any nd-ns", "permit icmp any any nd-na", "permit icmp any any router-solicitation", "permit icmp any any packet-too-big", "permit udp any eq 546 any eq 547"}
	case x.special != "":
		return []string{"remark " + x.remark, "permit udp any eq bootpc any eq bootps", "permit icmp any any packet-too-big", "permit icmp any any unreachable"}
	case x.remark != "":
		return []string{"remark " + remark(x.remark, 100)}
	}
	action := "permit"
	if x.deny {
		action = "deny"
	}
	line := action + " " + ciscoProto(x.proto, v6) + " " + ciscoAddr(x.src, v6) + ports(x.srcPorts, "eq", "range") + " " + ciscoAddr(x.dst, v6) + ports(x.dstPorts, "eq", "range")
	if x.echo != "" {
		line += " " + ciscoEcho(x.echo, v6)
	}
	if x.established {
		line += " established"
	}
	if x.log {
		line += " log"
	}
	return []string{line}
}

func ciscoEcho(echo string, v6 bool) string {
	if v6 && echo == "echo" {
		return "echo-request"
	}
	return echo
}

func ciscoProto(proto uint8, v6 bool) string {
	switch proto {
	case 0:
		if v6 {
			return "ipv6"
		}
		return "ip"
	case packet.ICMPv6:
		return "icmp"
	}
	return protoName(proto)
}

func ciscoAddr(p netip.Prefix, v6 bool) string {
	switch {
	case !p.IsValid():
		return "any"
	case p.IsSingleIP():
		return "host " + p.Addr().String()
	case v6:
		return p.String()
	}
	network, inverse := wildcard(p)
	return network + " " + inverse
}
