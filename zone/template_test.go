package zone

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// rows are the reference's zones, each with what it may reach (one service
// suffices) and what it must not: from, to, service.
var rows = []struct{ from, to, service, notFrom, notTo, notService string }{
	{"clinician", "his", "https", "clinician", "his", "oracle"},
	{"his", "integration", "hl7", "his", "lis", "hl7"},
	{"modality", "pacs", "dicom", "modality", "internet", "https"},
	{"pacs", "viewer", "dicom", "pacs", "guest", "https"},
	{"iomt", "iomt-gateway", "tcp/3001", "iomt", "iomt", "tcp/3001"},
	{"lab", "middleware", "astm", "lab", "his", "hl7"},
	{"finance", "his", "https", "finance", "pacs", "dicom"},
	{"insurance-host", "insurance", "https", "his", "insurance", "https"},
	{"dmz", "api-gateway", "https", "dmz", "his", "mysql"},
	{"guest", "internet", "https", "guest", "his", "https"},
	{"management", "his", "ssh", "clinician", "his", "ssh"},
	{"supplier", "modality", "rdp", "supplier", "pacs", "rdp"},
	{"building-server", "building", "modbus", "building", "his", "https"},
}

func template(t *testing.T, name string) (Policy, *Ruleset) {
	t.Helper()
	text, err := Template(os.DirFS("../content/zones"), name, testDay)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Read(text, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range p.Check(testDay) {
		t.Errorf("%s: %v (%s)", name, x, x.Code)
	}
	r, err := Compile(p, testDay)
	if err != nil {
		t.Fatal(err)
	}
	return p, r
}

// tuplesBetween are tuples between the first zones of two kinds; hosts of
// conduits are tried too.
func allowsKind(p *Policy, r *Ruleset, from, to, service string) (known, allowed bool) {
	spans, _ := p.spansFor(service)
	for _, a := range p.Zones {
		for _, b := range p.Zones {
			if a.Kind != from || b.Kind != to {
				continue
			}
			known = true
			for _, target := range targets(p, r, &b) {
				source := targets(p, r, &a)[0]
				v := r.Decide(Tuple{From: source.Addr().Next(), To: target.Addr(), Proto: spans[0].Proto, Port: spans[0].Low})
				allowed = allowed || v.Allow
			}
		}
	}
	return known, allowed
}

func TestTemplatesHoldAllRowsOfTheReference(t *testing.T) {
	for _, name := range []string{"county-hospital", "tertiary"} {
		p, r := template(t, name)
		for _, row := range rows {
			if known, ok := allowsKind(&p, r, row.from, row.to, row.service); !known || !ok {
				t.Errorf("%s: %s to %s by %s does not pass", name, row.from, row.to, row.service)
			}
			if known, ok := allowsKind(&p, r, row.notFrom, row.notTo, row.notService); !known || ok {
				t.Errorf("%s: %s to %s by %s passes", name, row.notFrom, row.notTo, row.notService)
			}
		}
	}
}

func TestEveryTemplateServesNamesAndTime(t *testing.T) {
	names, err := Templates(os.DirFS("../content/zones"))
	if err != nil || !slices.Equal(names, []string{"clinic", "county-hospital", "tertiary"}) {
		t.Fatalf("%v %v", names, err)
	}
	for _, name := range names {
		p, r := template(t, name)
		for _, service := range []string{"dns", "ntp"} {
			if _, ok := allowsKind(&p, r, "modality", "infrastructure", service); !ok {
				t.Errorf("%s: imaging devices lose %s", name, service)
			}
		}
		if _, ok := allowsKind(&p, r, "guest", "infrastructure", "dns"); ok {
			t.Errorf("%s: guests reach inside for names", name)
		}
	}
}

func TestUnknownTemplateNamesThoseThereAre(t *testing.T) {
	_, err := Template(os.DirFS("../content/zones"), "county", testDay)
	if err == nil || !strings.Contains(err.Error(), "county-hospital, tertiary") {
		t.Error(err)
	}
}

// targets are addresses to try in a zone: its first, and hosts that conduits
// and servers name.
func targets(p *Policy, r *Ruleset, z *Zone) []netip.Prefix {
	pl := planOf(p)
	out := []netip.Prefix{pl.networks(z)[0]}
	for _, c := range r.Conduits {
		if c.To == z.Name {
			out = append(out, c.ToHosts...)
		}
	}
	return out
}
