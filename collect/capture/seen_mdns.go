package capture

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// mdnsTXT names the keys of service texts that tell a machine's kind. Source:
// Bonjour Printing 1.2.1, RFC 6763, AirPlay and Google Cast as seen on the wire.
var mdnsTXT = map[string]asset.FactName{
	"md":           asset.FactModel, // also HAP
	"model":        asset.FactModel,
	"am":           asset.FactModel, // AirPlay audio
	"ty":           asset.FactModel,
	"product":      asset.FactModel,
	"usb_mdl":      asset.FactModel,
	"usb_mfg":      asset.FactVendor,
	"mfg":          asset.FactVendor,
	"manufacturer": asset.FactVendor,
	"vendor":       asset.FactVendor,
	"fv":           asset.FactFirmware,
	"srcvers":      asset.FactFirmware,
	"firmware":     asset.FactFirmware,
	"serialnumber": asset.FactSerial,
	"serial":       asset.FactSerial,
	"sn":           asset.FactSerial,
	"os":           asset.FactOS,
}

// mdnsMessage is what one answer tells.
type mdnsMessage struct {
	facts asset.Observation
	// addresses are those that the answer gives its host names.
	addresses []netip.Addr
}

// parseMDNS reads an answer; ok is false for questions, which tell what is
// looked for and not what is there.
func parseMDNS(b []byte) (m mdnsMessage, ok bool, err error) {
	h, err := parseDNSHeader(b)
	if err != nil || !h.response() || h.opcode() != 0 {
		return m, false, err
	}
	err = parseDNS(b, m.record)
	return m, err == nil || len(m.facts.Facts) > 0, err
}

func (m *mdnsMessage) record(r dnsRecord) {
	if r.ttl == 0 {
		return // goodbye
	}
	switch r.kind {
	case dnsA, dnsAAAA:
		if ip := r.addr(); ip.IsValid() && len(m.addresses) < 16 {
			m.addresses = append(m.addresses, ip)
			seenAdd(&m.facts, asset.FactHostname, mdnsHost(r.name()))
		}
	case dnsPTR:
		name := r.name()
		seenAdd(&m.facts, asset.FactMDNS, mdnsService(name))
		if strings.HasPrefix(name, "_services._dns-sd.") {
			seenAdd(&m.facts, asset.FactMDNS, mdnsService(r.points(0)))
		}
	case dnsSRV:
		m.service(r)
	case dnsTXT:
		m.text(r)
	case dnsHINFO:
		hardware, rest := mdnsString(r.data)
		system, _ := mdnsString(rest)
		seenAdd(&m.facts, asset.FactModel, seenText(hardware))
		seenAdd(&m.facts, asset.FactOS, seenText(system))
	}
}

// service reads where an instance of a service answers.
func (m *mdnsMessage) service(r dnsRecord) {
	service := mdnsService(r.name())
	v := seenBytes{b: r.data}
	v.u32()
	port := v.u16()
	if service == "" || v.short {
		return
	}
	seenAdd(&m.facts, asset.FactMDNS, service)
	name, transport, _ := strings.Cut(service, ".")
	if port != 0 {
		seenAdd(&m.facts, asset.FactService, seenService(strings.TrimPrefix(transport, "_"), port, strings.TrimPrefix(name, "_")))
	}
	seenAdd(&m.facts, asset.FactHostname, mdnsHost(r.points(6)))
}

func (m *mdnsMessage) text(r dnsRecord) {
	if mdnsService(r.name()) == "" {
		return
	}
	for rest := r.data; len(rest) > 0; {
		var entry []byte
		entry, rest = mdnsString(rest)
		key, value, ok := strings.Cut(string(entry), "=")
		if ok && strings.EqualFold(key, "osxvers") {
			seenAdd(&m.facts, asset.FactOS, "Darwin "+seenText([]byte(value)))
		}
		if name := mdnsTXT[strings.ToLower(key)]; ok && name != "" {
			seenAdd(&m.facts, name, strings.Trim(seenText([]byte(value)), "()"))
		}
	}
}

// mdnsString takes a string with its length before it.
func mdnsString(b []byte) (s, rest []byte) {
	if len(b) == 0 {
		return nil, nil
	}
	end := min(1+int(b[0]), len(b))
	return b[1:end], b[end:]
}

// mdnsService is the type in a service's name, "_ipp._tcp". The instance
// before it is a name that people give and is left out.
func mdnsService(name string) string {
	labels := strings.Split(strings.TrimSuffix(name, ".local"), ".")
	i := slices.IndexFunc(labels, func(l string) bool { return l == "_tcp" || l == "_udp" })
	if i < 1 || !strings.HasPrefix(labels[i-1], "_") || len(labels[i-1]) < 2 {
		return ""
	}
	if labels[i-1] == "_dns-sd" || strings.HasPrefix(labels[i-1], "_services") {
		return ""
	}
	return labels[i-1] + "." + labels[i]
}

func mdnsHost(name string) string {
	if strings.HasPrefix(name, "_") || strings.HasSuffix(name, ".arpa") {
		return ""
	}
	return strings.TrimSuffix(name, ".local")
}

type mdnsDissector struct{ lately *seenLately }

func newMDNS() PacketDissector { return &mdnsDissector{newSeenLately(60)} }

func (*mdnsDissector) Name() string { return "mdns" }
func (*mdnsDissector) Match() Match { return Match{UDP: []uint16{5353}} }

func (d *mdnsDissector) Packet(f *packet.Frame, out Out) error {
	if d.lately.same(f, f.Payload) {
		return nil
	}
	m, ok, err := parseMDNS(f.Payload)
	if !ok {
		return err
	}
	o := seenFrom(f, "mdns")
	o.Facts = m.facts.Facts
	if mine := seenHost(f.From); len(m.addresses) > 0 && !m.holds(mine) {
		// A proxy speaks for somebody else, who is asleep or in another network.
		o.IP, o.MAC = m.addresses[0], packet.MAC{}
	}
	seenTell(out, o)
	return err
}

// holds reports whether ip is among the addresses told. A host tells those of
// one family in answers to the other: then nothing speaks against it.
func (m *mdnsMessage) holds(ip netip.Addr) bool {
	other := true
	for _, a := range m.addresses {
		if a == ip {
			return true
		}
		other = other && a.Is4() != ip.Is4()
	}
	return other
}
