package zone

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/cordon-health/cordon/internal/packet"
)

// The two Chinese makers share most of a rule; syntax says where they differ.
type comwareLike struct {
	mark        string // of a comment line
	acl, acl6   string // opens a list
	gone, gone6 string // deletes it
	note        string // of a rule
	established string
	logging     string
	attach      func(l *aclList, vlan int, off bool) []string
	limits      []string
}

func huawei() comwareLike {
	return comwareLike{
		mark: "#", acl: "acl name %s advance", acl6: "acl ipv6 name %s advance", gone: "undo acl name %s", gone6: "undo acl ipv6 name %s",
		note: "rule %d description %s", established: " tcp-flag established", logging: "",
		attach: func(l *aclList, vlan int, off bool) []string {
			undo, family := "", ""
			if off {
				undo = "undo "
			}
			if l.v6 {
				family = "ipv6 "
			}
			return []string{fmt.Sprintf("%straffic-filter vlan %d inbound acl %sname %s", undo, vlan, family, l.name)}
		},
		limits: append(stateless(), "Here traffic-filter on a VLAN does see what is switched within it: isolated zones are kept apart."),
	}
}

func h3c() comwareLike {
	return comwareLike{
		mark: "#", acl: "acl advanced name %s", acl6: "acl ipv6 advanced name %s", gone: "undo acl name %s", gone6: "undo acl ipv6 name %s",
		note: "rule %d comment %s", established: " established", logging: " logging",
		attach: func(l *aclList, vlan int, off bool) []string {
			undo, family := "", ""
			if off {
				undo = "undo "
			}
			if l.v6 {
				family = "ipv6 "
			}
			return []string{fmt.Sprintf("interface Vlan-interface%d", vlan), fmt.Sprintf(" %spacket-filter %sname %s inbound", undo, family, l.name), " quit"}
		},
		limits: stateless(),
	}
}

// writeHuawei writes advanced ACLs of VRP, attached to VLANs by traffic-filter.
func writeHuawei(r *Ruleset) (string, error) { return huawei().write(r) }

func removeHuawei(r *Ruleset) (string, error) { return huawei().remove(r) }

// writeH3C writes advanced ACLs of Comware 7, attached by packet-filter.
func writeH3C(r *Ruleset) (string, error) { return h3c().write(r) }

func removeH3C(r *Ruleset) (string, error) { return h3c().remove(r) }

func (c comwareLike) write(r *Ruleset) (string, error) {
	lists, err := r.lists()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(header(r, c.mark, c.limits...) + "system-view\n")
	for i := range lists {
		c.list(&b, &lists[i])
	}
	c.attachAll(&b, lists, false)
	return b.String() + "return\n", nil
}

func (c comwareLike) list(b *strings.Builder, l *aclList) {
	open := c.acl
	if l.v6 {
		open = c.acl6
	}
	fmt.Fprintf(b, "#\n"+open+"\n", l.name)
	number, note := 5, ""
	for _, x := range l.lines {
		if x.remark != "" && x.special == "" {
			note = remark(x.remark, 120)
			continue
		}
		for _, line := range c.line(x, l.v6) {
			fmt.Fprintf(b, " rule %d %s\n", number, line)
			if note != "" {
				fmt.Fprintf(b, " "+c.note+"\n", number, note)
				note = ""
			}
			number += 5
		}
	}
	b.WriteString(" quit\n")
}

func (c comwareLike) remove(r *Ruleset) (string, error) {
	lists, err := r.lists()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(header(r, c.mark, "The way back: lists are taken off first, then deleted.") + "system-view\n")
	c.attachAll(&b, lists, true)
	for i := range lists {
		gone := c.gone
		if lists[i].v6 {
			gone = c.gone6
		}
		fmt.Fprintf(&b, gone+"\n", lists[i].name)
	}
	return b.String() + "return\n", nil
}

func (c comwareLike) attachAll(b *strings.Builder, lists []aclList, off bool) {
	b.WriteString("#\n")
	for i := range lists {
		l := &lists[i]
		ids := l.vlansOf()
		if len(ids) == 0 {
			fmt.Fprintf(b, "# %s has no VLAN in the policy: attach %s inbound where its packets come in\n", l.zone.Name, l.name)
		}
		for _, id := range ids {
			b.WriteString(strings.Join(c.attach(l, id, off), "\n") + "\n")
		}
	}
}

func (c comwareLike) line(x aclLine, v6 bool) []string {
	switch {
	case x.special != "" && v6:
		return []string{"permit icmpv6 icmp6-type neighbor-solicitation", "permit icmpv6 icmp6-type neighbor-advertisement", "permit icmpv6 icmp6-type router-solicitation",
			"permit icmpv6 icmp6-type packet-too-big", "permit udp source-port eq 546 destination-port eq 547"}
	case x.special != "":
		return []string{"permit udp source-port eq 68 destination-port eq 67", "permit icmp icmp-type 3 4"}
	}
	line := "permit "
	if x.deny {
		line = "deny "
	}
	line += c.proto(x.proto, v6)
	line += c.side("source", x.src, v6) + c.side("destination", x.dst, v6)
	line += ports(x.srcPorts, "source-port eq", "source-port range") + ports(x.dstPorts, "destination-port eq", "destination-port range")
	if x.established {
		line += c.established
	}
	if x.echo != "" {
		line += echoWord(x.echo, v6)
	}
	if x.log {
		line += c.logging
	}
	return []string{line}
}

func echoWord(echo string, v6 bool) string {
	switch {
	case v6 && echo == "echo":
		return " icmp6-type echo-request"
	case v6:
		return " icmp6-type echo-reply"
	}
	return " icmp-type " + echo
}

func (c comwareLike) proto(proto uint8, v6 bool) string {
	switch {
	case proto == 0 && v6:
		return "ipv6"
	case proto == 0:
		return "ip"
	case proto == packet.TCP || proto == packet.UDP || proto == packet.ICMP || proto == packet.ICMPv6:
		return protoName(proto)
	}
	return fmt.Sprint(proto)
}

func (c comwareLike) side(word string, p netip.Prefix, v6 bool) string {
	switch {
	case !p.IsValid():
		return ""
	case v6:
		return fmt.Sprintf(" %s %s %d", word, p.Addr(), p.Bits())
	case p.IsSingleIP():
		return " " + word + " " + p.Addr().String() + " 0"
	}
	network, inverse := wildcard(p)
	return " " + word + " " + network + " " + inverse
}
