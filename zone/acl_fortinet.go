package zone

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/internal/packet"
)

// fortinetFirst is the first id of our policies; ids before it are the
// hospital's own.
const fortinetFirst = 20001

// fortinet collects what policies refer to.
type fortinet struct {
	r         *Ruleset
	pl        *plan
	addresses map[string]netip.Prefix
	groups    map[string][]string // of addresses; "6" in front for IPv6
	services  map[string]Span
	ends      map[string]time.Time // one-time schedules
	policies  []fortinetPolicy
}

type fortinetPolicy struct {
	id                int
	name, comment     string
	from, to          string
	src, dst          string
	src6, dst6        string
	services, expires string
}

// writeFortinet writes addresses, groups, services, schedules and policies of
// FortiOS 7. A FortiGate keeps state, so answers need no rules.
func writeFortinet(r *Ruleset) (string, error) {
	f, err := fortinetOf(r)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(header(r, "#", "Policies begin with id "+fmt.Sprint(fortinetFirst)+" and are matched in order: move them where they belong among your own.",
		"Conduits with an end have a one-time schedule. Established sessions outlive a change: clear them if they must end."))
	f.writeAddresses(&b)
	f.writeServices(&b)
	f.writePolicies(&b)
	return b.String(), nil
}

func fortinetOf(r *Ruleset) (*fortinet, error) {
	p := Policy{Zones: r.Zones, Services: r.Services}
	f := &fortinet{r: r, pl: planOf(&p), addresses: map[string]netip.Prefix{}, groups: map[string][]string{}, services: map[string]Span{}, ends: map[string]time.Time{}}
	for i := range r.Conduits {
		if err := f.conduit(&r.Conduits[i], fortinetFirst+i); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *fortinet) conduit(c *Conduit, id int) error {
	from, to := f.pl.zones[c.From], f.pl.zones[c.To]
	spans, err := f.pl.services(c.Allow)
	if err != nil {
		return fmt.Errorf("conduit %s: %w", c.ID, err)
	}
	p := fortinetPolicy{id: id, name: fortiName(c.ID, 35), comment: fortiText(c.ID + ": " + c.Owner + ": " + c.Reason), from: fortiLeg(from), to: fortiLeg(to)}
	p.src, p.src6 = f.group(from, c.ID+"-src", c.FromHosts)
	p.dst, p.dst6 = f.group(to, c.ID+"-dst", c.ToHosts)
	if (p.src == "" || p.dst == "") && (p.src6 == "" || p.dst6 == "") {
		return fmt.Errorf("conduit %s: one of its zones has no networks; write them", c.ID)
	}
	for _, s := range spans {
		name := "cordon-" + strings.ReplaceAll(spanName(s), "/", "-")
		f.services[name] = s
		p.services += " \"" + name + "\""
	}
	if !c.Expires.IsZero() {
		p.expires = "cordon-until-" + c.Expires.Format(time.DateOnly)
		f.ends[p.expires] = c.Expires
	}
	f.policies = append(f.policies, p)
	return nil
}

func fortiLeg(z *Zone) string {
	if z.Interface == "" {
		return "any"
	}
	return z.Interface
}

// group names an address group for one side of a conduit, in both families;
// "" where a family has no address.
func (f *fortinet) group(z *Zone, own string, hosts []netip.Prefix) (v4, v6 string) {
	name := "cordon-" + z.Name
	if len(hosts) > 0 {
		name = "cordon-" + own
	} else {
		hosts = f.pl.networks(z)
	}
	for _, family := range []bool{false, true} {
		members := ofFamily(tidy(hosts), family)
		if len(members) == 0 {
			continue
		}
		group, key := fortiName(name, 79), ""
		if family {
			key = "6"
			v6 = group
		} else {
			v4 = group
		}
		if f.groups[key+group] != nil {
			continue
		}
		for _, p := range members {
			address := "cordon-" + p.String()
			f.addresses[address] = p
			f.groups[key+group] = append(f.groups[key+group], address)
		}
	}
	return v4, v6
}

func (f *fortinet) writeAddresses(b *strings.Builder) {
	for _, v6 := range []bool{false, true} {
		table, groups, key := "address", "addrgrp", ""
		if v6 {
			table, groups, key = "address6", "addrgrp6", "6"
		}
		names := slices.DeleteFunc(sortedKeys(f.addresses), func(n string) bool { return f.addresses[n].Addr().Is6() != v6 })
		if len(names) == 0 {
			continue
		}
		fmt.Fprintf(b, "config firewall %s\n", table)
		for _, n := range names {
			fmt.Fprintf(b, "    edit \"%s\"\n        %s\n    next\n", n, fortiAddress(f.addresses[n]))
		}
		fmt.Fprintf(b, "end\nconfig firewall %s\n", groups)
		for _, g := range sortedKeys(f.groups) {
			if strings.HasPrefix(g, "6") == (key == "6") {
				fmt.Fprintf(b, "    edit \"%s\"\n        set member \"%s\"\n    next\n", strings.TrimPrefix(g, "6"), strings.Join(f.groups[g], "\" \""))
			}
		}
		b.WriteString("end\n")
	}
}

func fortiAddress(p netip.Prefix) string {
	if p.Addr().Is6() {
		return "set ip6 " + p.String()
	}
	mask := mask4(p.Bits())
	return "set subnet " + p.Addr().String() + " " + netip.AddrFrom4([4]byte{byte(mask >> 24), byte(mask >> 16), byte(mask >> 8), byte(mask)}).String()
}

func (f *fortinet) writeServices(b *strings.Builder) {
	b.WriteString("config firewall service custom\n")
	for _, n := range sortedKeys(f.services) {
		fmt.Fprintf(b, "    edit \"%s\"\n%s    next\n", n, fortiService(f.services[n]))
	}
	b.WriteString("end\n")
	if len(f.ends) == 0 {
		return
	}
	b.WriteString("config firewall schedule onetime\n")
	for _, n := range sortedKeys(f.ends) {
		end := f.ends[n]
		fmt.Fprintf(b, "    edit \"%s\"\n        set start 00:00 %s\n        set end 23:59 %s\n    next\n", n, f.r.Made.In(end.Location()).Format("2006/01/02"), end.Format("2006/01/02"))
	}
	b.WriteString("end\n")
}

func fortiService(s Span) string {
	switch s.Proto {
	case packet.TCP, packet.UDP:
		span := fmt.Sprint(s.Low)
		if s.High != s.Low {
			span += fmt.Sprintf("-%d", s.High)
		}
		return "        set protocol TCP/UDP/SCTP\n        set " + protoName(s.Proto) + "-portrange " + span + "\n"
	case packet.ICMP:
		return "        set protocol ICMP\n        set icmptype 8\n"
	case packet.ICMPv6:
		return "        set protocol ICMP6\n        set icmptype 128\n"
	}
	return fmt.Sprintf("        set protocol IP\n        set protocol-number %d\n", s.Proto)
}

func (f *fortinet) writePolicies(b *strings.Builder) {
	b.WriteString("config firewall policy\n")
	for _, p := range f.policies {
		fmt.Fprintf(b, "    edit %d\n        set name \"%s\"\n        set srcintf \"%s\"\n        set dstintf \"%s\"\n        set action accept\n", p.id, p.name, p.from, p.to)
		if p.src != "" && p.dst != "" {
			fmt.Fprintf(b, "        set srcaddr \"%s\"\n        set dstaddr \"%s\"\n", p.src, p.dst)
		}
		if p.src6 != "" && p.dst6 != "" {
			fmt.Fprintf(b, "        set srcaddr6 \"%s\"\n        set dstaddr6 \"%s\"\n", p.src6, p.dst6)
		}
		schedule := p.expires
		if schedule == "" {
			schedule = "always"
		}
		fmt.Fprintf(b, "        set schedule \"%s\"\n        set service%s\n        set logtraffic all\n        set comments \"%s\"\n    next\n", schedule, p.services, p.comment)
	}
	fmt.Fprintf(b, "    edit %d\n        set name \"cordon-deny\"\n        set srcintf \"any\"\n        set dstintf \"any\"\n        set srcaddr \"all\"\n        set dstaddr \"all\"\n        set srcaddr6 \"all\"\n        set dstaddr6 \"all\"\n        set action deny\n        set schedule \"always\"\n        set service \"ALL\"\n        set logtraffic all\n        set comments \"what no conduit allows\"\n    next\nend\n", fortinetFirst+len(f.policies))
}

func removeFortinet(r *Ruleset) (string, error) {
	f, err := fortinetOf(r)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(header(r, "#", "The way back: policies first, then what they refer to.") + "config firewall policy\n")
	for i := range len(f.policies) + 1 {
		fmt.Fprintf(&b, "    delete %d\n", fortinetFirst+i)
	}
	b.WriteString("end\n")
	remove := func(table string, names []string) {
		if len(names) > 0 {
			b.WriteString("config firewall " + table + "\n    delete \"" + strings.Join(names, "\"\n    delete \"") + "\"\nend\n")
		}
	}
	var groups [2][]string
	for _, g := range sortedKeys(f.groups) {
		if n, v6 := strings.CutPrefix(g, "6"); v6 {
			groups[1] = append(groups[1], n)
		} else {
			groups[0] = append(groups[0], g)
		}
	}
	remove("addrgrp", groups[0])
	remove("addrgrp6", groups[1])
	for i, table := range []string{"address", "address6"} {
		remove(table, slices.DeleteFunc(sortedKeys(f.addresses), func(n string) bool { return f.addresses[n].Addr().Is6() != (i == 1) }))
	}
	remove("service custom", sortedKeys(f.services))
	remove("schedule onetime", sortedKeys(f.ends))
	return b.String(), nil
}

// fortiName cuts a name to what FortiOS takes.
func fortiName(name string, most int) string {
	return strings.ToLower(shortName("", strings.ToLower(name), most, false))
}

// fortiText is a comment without what the command line would read.
func fortiText(s string) string {
	s = strings.NewReplacer(`\`, "/", `"`, "'", "?", ".").Replace(oneLine(s))
	if r := []rune(s); len(r) > 255 {
		s = string(r[:255])
	}
	return s
}
