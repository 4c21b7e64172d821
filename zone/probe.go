package zone

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/internal/strict"
)

// Probe is one try to reach something, for real, to see whether a policy does
// what it says.
//
// Probes are written down by a person, or made from conduits by
// [Ruleset.Probes] for a sensor that stands in a zone. A probe of what must not
// pass is sent like any other: if enforcement were broken, it would arrive. So
// no probe is ever made for, or accepted into, a zone of medical devices or of
// life support, with one exception that a person must write down with a
// reason: opening and closing a TCP connection that a conduit allows.
//
// A router cannot probe for its zones: what it sends itself is not forwarded.
// Probes are sent by a machine in a zone, or through a leg that a machine has
// there (From, Device, NetNS).
type Probe struct {
	Name string `json:"name"`
	// Conduit is what lets it pass; "" where it must not.
	Conduit string `json:"conduit,omitempty"`
	Pass    bool   `json:"pass"`
	// Via is the zone it is sent from. From is the address, Device the
	// interface and NetNS the network namespace it leaves by; each may be empty.
	Via    string     `json:"via"`
	From   netip.Addr `json:"from,omitzero"`
	Device string     `json:"device,omitempty"`
	NetNS  string     `json:"netns,omitempty"`
	To     netip.Addr `json:"to"`
	Proto  uint8      `json:"proto"`
	Port   uint16     `json:"port,omitempty"`
	// Kind is how: tcp, udp, icmp, dicom (C-ECHO), hl7 (an empty MLLP frame is
	// not sent: connecting is enough), dns.
	Kind string `json:"kind"`
	// AETitles for dicom: CALLING/CALLED.
	AETitles string `json:"ae_titles,omitempty"`
	// Medical is the reason why a medical zone is probed.
	Medical string `json:"medical,omitempty"`
}

// ProbeResult is what came of a probe.
type ProbeResult struct {
	Probe
	// Passed says that it got through: an answer, or a refusal by the far end
	// itself. Unsure says that silence proves nothing, as with UDP.
	Passed bool          `json:"passed"`
	Unsure bool          `json:"unsure,omitempty"`
	Said   string        `json:"said"` // open, refused, silent, unreachable, answered, ...
	Took   time.Duration `json:"took"`
	At     int64         `json:"at"` // ms
	OK     bool          `json:"ok"`
}

// Prober sends probes.
type Prober interface {
	Probe(ctx context.Context, p Probe) ProbeResult
}

type rawProbes struct {
	Probes []rawProbe `yaml:"probes"`
}

type rawProbe struct {
	Name     string `yaml:"name"`
	Via      string `yaml:"via"`
	From     string `yaml:"from"`
	Device   string `yaml:"device"`
	NetNS    string `yaml:"netns"`
	To       string `yaml:"to"`
	Service  string `yaml:"service"`
	Kind     string `yaml:"kind"`
	AETitles string `yaml:"ae_titles"`
	Expect   string `yaml:"expect"`
	Medical  string `yaml:"medical"`
}

// ReadProbes reads a list of probes and holds it to the policy: what each
// expects must be what the policy says.
func ReadProbes(data []byte, r *Ruleset) ([]Probe, error) {
	var raw rawProbes
	if err := strict.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("read probes: %w", err)
	}
	var list []Probe
	var errs []error
	for i, x := range raw.Probes {
		p, err := x.probe(r)
		if err != nil {
			errs = append(errs, fmt.Errorf("probe %d (%s): %w", i+1, x.Name, err))
		}
		list = append(list, p)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("read probes: %w", err)
	}
	return list, nil
}

func (x rawProbe) probe(r *Ruleset) (p Probe, err error) {
	p = Probe{Name: x.Name, Via: x.Via, Device: x.Device, NetNS: x.NetNS, AETitles: x.AETitles, Medical: x.Medical, Pass: x.Expect == "pass"}
	if x.Name == "" || x.Expect != "pass" && x.Expect != "deny" {
		return p, errors.New("give a name, and expect: pass or deny")
	}
	if p.To, err = netip.ParseAddr(x.To); err != nil {
		return p, errors.New("to is no address")
	}
	if x.From != "" {
		if p.From, err = netip.ParseAddr(x.From); err != nil {
			return p, errors.New("from is no address")
		}
	}
	if p.Proto, p.Port, p.Kind, err = probeService(r, x.Service, x.Kind); err != nil {
		return p, err
	}
	return p, r.admit(&p)
}

// probeService reads how a probe is sent.
func probeService(r *Ruleset, service, kind string) (proto uint8, port uint16, how string, err error) {
	if service == "icmp" {
		return packet.ICMP, 0, "icmp", nil
	}
	spans, err := (&Policy{Services: r.Services}).spansFor(service)
	if err != nil {
		return 0, 0, "", err
	}
	s := spans[0]
	if kind == "" {
		kind = map[uint8]string{packet.TCP: "tcp", packet.UDP: "udp"}[s.Proto]
		if service == "dns" {
			kind = "dns"
		}
	}
	if kind == "tcp" || kind == "dicom" || kind == "hl7" {
		for _, x := range spans {
			if x.Proto == packet.TCP {
				return x.Proto, x.Low, kind, nil
			}
		}
	}
	if (kind == "udp" || kind == "dns") && s.Proto == packet.UDP || kind == "dns" && s.Proto == packet.TCP {
		return packet.UDP, s.Low, kind, nil
	}
	return 0, 0, "", fmt.Errorf("kind %q does not fit service %s; use tcp, udp, icmp, dicom, hl7 or dns", kind, service)
}

// admit holds a probe to the policy and keeps it away from patients.
func (r *Ruleset) admit(p *Probe) error {
	from := r.zoneNamed(p.Via)
	if from == nil {
		return fmt.Errorf("via: there is no zone %q", p.Via)
	}
	if p.Proto == packet.ICMP && p.To.Is6() {
		p.Proto = packet.ICMPv6
	}
	source := p.From
	if !source.IsValid() {
		for _, n := range from.Networks {
			if n.Addr().Is4() == p.To.Is4() {
				source = n.Addr().Next()
				break
			}
		}
	}
	v := r.Decide(Tuple{From: source, To: p.To, Proto: p.Proto, Port: p.Port})
	if v.Allow != p.Pass {
		return fmt.Errorf("the policy says otherwise (allowed: %t, by %q); mend the policy or the probe", v.Allow, v.Conduit)
	}
	if p.Conduit = v.Conduit; !v.Allow {
		p.Conduit = ""
	}
	if to := r.Place(p.To); to != nil && to.patients() {
		if p.Medical == "" || !p.Pass || p.Kind != "tcp" {
			return fmt.Errorf("zone %s holds medical devices or life support: nothing is sent there, but a TCP connection that a conduit allows when you give a reason (medical: ...)", to.Name)
		}
	}
	return nil
}

func (r *Ruleset) zoneNamed(name string) *Zone {
	i := slices.IndexFunc(r.Zones, func(z Zone) bool { return z.Name == name })
	if i < 0 {
		return nil
	}
	return &r.Zones[i]
}

// patients says that devices in a zone may be connected to patients.
func (z *Zone) patients() bool {
	k := kindOf(z.Kind)
	return z.FailOpen || k.Device || k.Life
}

// Probes makes probes for a sensor that stands in a zone: one for each conduit
// from there that names a host, up to most, and for each host so named one of
// a port that is denied. Zones of medical devices are left out.
func (r *Ruleset) Probes(via string, most int) (list []Probe) {
	hosts := map[netip.Addr]bool{}
	add := func(p Probe) {
		if len(list) < most && r.admit(&p) == nil {
			list = append(list, p)
		}
	}
	for _, c := range r.Conduits {
		for _, n := range c.ToHosts {
			if !n.IsSingleIP() {
				continue
			}
			hosts[n.Addr()] = true
			if c.From != via || len(c.Allow) == 0 {
				continue
			}
			if proto, port, kind, err := probeService(r, c.Allow[0], ""); err == nil {
				add(Probe{Name: c.ID, Via: via, To: n.Addr(), Proto: proto, Port: port, Kind: kind, Pass: true})
			}
		}
	}
	for _, host := range slices.SortedFunc(maps.Keys(hosts), netip.Addr.Compare) {
		for _, port := range []uint16{3389, 445, 23} {
			p := Probe{Name: fmt.Sprintf("denied %s %d", host, port), Via: via, To: host, Proto: packet.TCP, Port: port, Kind: "tcp"}
			if r.admit(&p) == nil {
				add(p)
				break
			}
		}
	}
	return list
}

// judge says whether a probe found what it expected. Silence of UDP is as
// expected where nothing may pass, and proves nothing where something may.
func (x *ProbeResult) judge() {
	x.OK = x.Passed == x.Pass && !(x.Pass && x.Unsure)
	x.Said = strings.TrimSpace(x.Said)
}
