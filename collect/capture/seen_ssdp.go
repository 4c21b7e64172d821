package capture

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// ssdpMessage is a notification, a search or an answer. Source: UPnP Device
// Architecture 2.0, chapter 1.
type ssdpMessage struct {
	search               bool
	bye                  bool
	kind, server, client string
}

func parseSSDP(b []byte) (m ssdpMessage, err error) {
	line, rest, ok := bytes.Cut(b, []byte("\n"))
	switch {
	case !ok:
		return m, errSeenShort
	case bytes.HasPrefix(line, []byte("M-SEARCH ")):
		m.search = true
	case !bytes.HasPrefix(line, []byte("NOTIFY ")) && !bytes.HasPrefix(line, []byte("HTTP/1.")):
		return m, errSeenForm
	}
	for i := 0; len(rest) > 0 && i < 64; i++ {
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		key, value, _ := bytes.Cut(line, []byte(":"))
		switch strings.ToLower(seenText(key)) {
		case "nt", "st":
			m.kind = seenText(value)
		case "usn":
			if _, kind, ok := bytes.Cut(value, []byte("::")); ok && m.kind == "" {
				m.kind = seenText(kind)
			}
		case "nts":
			m.bye = bytes.Contains(value, []byte("byebye"))
		case "server":
			m.server = seenText(value)
		case "user-agent":
			m.client = seenText(value)
		}
	}
	return m, nil
}

type ssdpDissector struct{ lately *seenLately }

func newSSDP() PacketDissector { return &ssdpDissector{newSeenLately(300)} }

func (*ssdpDissector) Name() string { return "ssdp" }
func (*ssdpDissector) Match() Match { return Match{UDP: []uint16{1900}} }

func (d *ssdpDissector) Packet(f *packet.Frame, out Out) error {
	if d.lately.same(f, f.Payload) {
		return nil
	}
	m, err := parseSSDP(f.Payload)
	if err != nil || m.bye {
		return err
	}
	o := seenFrom(f, "ssdp")
	seenAdd(&o, asset.FactUserAgent, m.client)
	if !m.search {
		seenAdd(&o, asset.FactServerBanner, m.server)
		if strings.HasPrefix(m.kind, "urn:") {
			seenAdd(&o, asset.FactUPnP, m.kind)
		}
	}
	seenTell(out, o)
	return nil
}

// wsdDissector reads WS-Discovery, by which printers, cameras and medical
// devices after IEEE 11073-20702 announce their types.
type wsdDissector struct {
	lately *seenLately
	types  *regexp.Regexp
}

func newWSD() PacketDissector {
	return &wsdDissector{newSeenLately(60),
		regexp.MustCompile(`<(?:[A-Za-z0-9_]{1,20}:)?Types(?:\s[^>]{0,300})?>([^<]{1,400})<`)}
}

func (*wsdDissector) Name() string { return "wsd" }
func (*wsdDissector) Match() Match { return Match{UDP: []uint16{3702}} }

func (d *wsdDissector) Packet(f *packet.Frame, out Out) error {
	b := f.Payload
	if d.lately.same(f, b) {
		return nil
	}
	if i := bytes.IndexByte(b, '<'); i < 0 || i > 8 {
		return errSeenForm
	}
	if !wsdAnnounces(b) {
		return nil
	}
	o := seenFrom(f, "wsd")
	for _, found := range d.types.FindAllSubmatch(b, 4) {
		for _, kind := range strings.Fields(seenText(found[1])) {
			if _, name, ok := strings.Cut(kind, ":"); ok {
				kind = name // the prefix is the sender's own choice
			}
			seenAdd(&o, asset.FactUPnP, "wsd:"+kind)
		}
	}
	seenTell(out, o)
	return nil
}

// wsdAnnounces tells what a device says of itself from what others look for.
func wsdAnnounces(b []byte) bool {
	for _, action := range []string{"/Hello<", "/ProbeMatches<", "/ResolveMatches<"} {
		if bytes.Contains(b, []byte(action)) {
			return true
		}
	}
	return false
}
