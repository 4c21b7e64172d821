package zone

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// deviceKinds says in which kind of zone a kind of device belongs.
var deviceKinds = map[string]string{
	"ct": "modality", "mr": "modality", "ultrasound": "modality", "xray": "modality", "x-ray": "modality", "dr": "modality", "cr": "modality",
	"mammography": "modality", "pet": "modality", "nuclear-medicine": "modality", "angiography": "modality", "endoscopy": "modality", "c-arm": "modality", "modality": "modality",
	"pacs": "pacs", "vna": "vna", "worklist": "pacs", "viewer": "viewer", "dicom-viewer": "viewer",
	"infusion-pump": "iomt", "syringe-pump": "iomt", "patient-monitor": "iomt", "ecg": "iomt", "iomt-gateway": "iomt-gateway", "monitor-gateway": "iomt-gateway",
	"ventilator": "life-support", "ecmo": "life-support", "dialysis": "life-support", "anaesthesia": "life-support", "anesthesia": "life-support", "defibrillator": "life-support",
	"analyser": "lab", "analyzer": "lab", "laboratory": "lab", "lab-middleware": "middleware",
	"his": "his", "emr": "his", "lis": "lis", "ris": "lis", "integration-engine": "integration", "database": "database", "database-server": "database",
	"workstation": "clinician", "desktop": "clinician", "laptop": "clinician", "thin-client": "clinician",
	"printer": "printing", "camera": "building", "ups": "building", "bms": "building-server", "plc": "building", "door": "building",
	"switch": "management", "router": "management", "firewall": "management", "access-point": "management",
	"dns-server": "dns", "ntp-server": "ntp", "domain-controller": "infrastructure", "nas": "backup", "phone": "other", "tablet": "staff-wifi", "smartphone": "staff-wifi",
}

// place is a network in which something was seen.
type place struct {
	net     netip.Prefix
	kinds   map[string]int
	life    bool
	vlans   map[uint16]int
	devices map[netip.Addr]bool
	depts   map[string]int
	dns     map[netip.Addr]bool
	ntp     map[netip.Addr]bool
}

// proposeZones makes a zone of every network in which something was seen, its
// kind that of most devices there, by knowledge or by what they do.
func (l *learner) proposeZones(keys []learntKey) {
	places := map[netip.Prefix]*place{}
	public := false
	for _, k := range keys {
		s := l.seen[k]
		public = l.settle(places, k.client, k, s) || public
		if s.refused < s.sessions {
			public = l.settle(places, k.server, k, s) || public
		}
	}
	nets := make([]*place, 0, len(places))
	for _, p := range places {
		nets = append(nets, p)
	}
	slices.SortFunc(nets, func(a, b *place) int { return comparePrefix(a.net, b.net) })
	if len(nets) > mostZones-1 {
		nets = nets[:mostZones-1]
	}
	for _, p := range nets {
		l.p.Zones = append(l.p.Zones, l.zoneOf(p))
	}
	if public || len(nets) == 0 {
		l.p.Zones = append(l.p.Zones, Zone{Name: "internet", Kind: "internet", Title: kindOf("internet").Title})
	}
}

// settle notes an address in its network; true for one of the internet.
func (l *learner) settle(places map[netip.Prefix]*place, a netip.Addr, k learntKey, s *learnt) bool {
	if !private(a) {
		return true
	}
	bits := 24
	if a.Is6() {
		bits = 64
	}
	net, err := a.Prefix(bits)
	if err != nil || a.IsLinkLocalUnicast() || a.IsLoopback() || a.IsUnspecified() {
		return false
	}
	p := places[net]
	if p == nil {
		p = &place{net: net, kinds: map[string]int{}, vlans: map[uint16]int{}, devices: map[netip.Addr]bool{}, depts: map[string]int{}, dns: map[netip.Addr]bool{}, ntp: map[netip.Addr]bool{}}
		places[net] = p
	}
	p.note(a, l.about(a), k, s)
	return false
}

func (p *place) note(a netip.Addr, known Known, k learntKey, s *learnt) {
	if !p.devices[a] {
		p.devices[a] = true
		p.life = p.life || known.LifeSupport
		if kind := deviceKinds[known.Kind]; kind != "" {
			p.kinds[kind] += 1000 // knowledge goes before behaviour
		}
		if known.Department != "" {
			p.depts[known.Department]++
		}
	}
	if s.vlan != 0 {
		p.vlans[s.vlan]++
	}
	if a == k.server && k.service == "dns" {
		p.dns[a] = true
	}
	if a == k.server && k.service == "ntp" {
		p.ntp[a] = true
	}
	if kind := behaves(a == k.server, k.service); kind != "" {
		p.kinds[kind]++
	}
}

// behaves is the kind of zone that speaks for a service on one side.
func behaves(server bool, service string) string {
	if server {
		return map[string]string{"dicom": "pacs", "dicom-tls": "pacs", "hl7": "integration", "dns": "infrastructure", "ntp": "infrastructure",
			"ldap": "infrastructure", "kerberos": "infrastructure", "printing": "printing", "mysql": "database", "postgresql": "database", "mssql": "database", "oracle": "database"}[service]
	}
	return map[string]string{"dicom": "modality", "astm": "lab", "kerberos": "clinician"}[service]
}

// top is the word with the highest count, the first by name of equal ones.
func top(counts map[string]int) string {
	best := ""
	for _, name := range sortedKeys(counts) {
		if best == "" || counts[name] > counts[best] {
			best = name
		}
	}
	return best
}

func (l *learner) zoneOf(p *place) Zone {
	kind := cmp.Or(top(p.kinds), "other")
	if p.life {
		kind = "life-support"
	}
	words := kindOf(kind).Title
	z := Zone{
		Name: kind + "-" + strings.NewReplacer(".", "-", ":", "-", "/", "-").Replace(strings.Trim(p.net.Masked().Addr().String(), ":")),
		Kind: kind, Title: ocsf.Text{EN: words.EN + " " + p.net.String(), ZH: words.ZH + " " + p.net.String()},
		Networks: []netip.Prefix{p.net}, Department: top(p.depts), Owner: "to-be-named", FailOpen: kind == "life-support",
		Isolated: kind == "iomt", DNS: prefixesOf(p.dns), NTP: prefixesOf(p.ntp), Target: 1,
	}
	if kindOf(kind).Clinical {
		z.Target = 2
	}
	z.Name = strings.ReplaceAll(z.Name, "--", "-")
	for id := range p.vlans {
		z.VLANs = append(z.VLANs, int(id))
	}
	slices.Sort(z.VLANs)
	seen := sortedKeys(p.kinds)
	l.out.comments[z.Name] = []string{
		fmt.Sprintf("%d devices seen; looks like %s (signs of: %s). Correct kind, owner and networks.", len(p.devices), words.EN, cmp.Or(strings.Join(seen, ", "), "none")),
		fmt.Sprintf("见到 %d 台设备；看起来是%s。请核对类型、责任人与网段。", len(p.devices), words.ZH),
	}
	return z
}

func prefixesOf(some map[netip.Addr]bool) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(some))
	for a := range some {
		out = append(out, netip.PrefixFrom(a, a.BitLen()))
	}
	slices.SortFunc(out, comparePrefix)
	return out[:min(len(out), mostNetworks)]
}
