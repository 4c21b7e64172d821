package zone

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const small = `version: 1
name: small
services: {hl7: [tcp/2575, tcp/6661]}
zones:
  - {name: ct, kind: modality, title: {en: CT, zh: 影像}, owner: radiology, networks: [10.1.0.0/24], target_level: 2}
  - {name: pacs, kind: pacs, title: {en: PACS, zh: 归档}, owner: radiology, networks: [10.2.0.0/24, "fd00:2::/64"], target_level: 2}
  - {name: infra, kind: infrastructure, title: {en: Servers, zh: 服务器}, owner: it, networks: [10.3.0.0/24], dns_servers: [10.3.0.53], ntp_servers: 10.3.0.123, target_level: 2}
  - {name: guest, kind: guest, title: {en: Guests, zh: 访客}, owner: it, networks: [10.9.0.0/16], isolated: true}
  - {name: net, kind: internet, title: {en: Internet, zh: 互联网}}
conduits:
  - {id: ct-pacs, from: ct, to: pacs, allow: dicom, to_hosts: [10.2.0.5-10.2.0.6], owner: radiology, reason: images}
  - {id: guest-web, from: guest, to: net, allow: [https, http, dns], owner: it, reason: guests}
`

func TestErrorsOfReadingNameLineAndWayOut(t *testing.T) {
	for change, want := range map[string]string{
		"kind: modality -> kidn: modality":           "line 5: unknown setting zones[0].kidn; did you mean kind?",
		"version: 1 -> version: 2":                   "line 1: version is 2",
		"10.1.0.0/24 -> 10.1.0.7/24":                 "line 5: \"10.1.0.7/24\" has bits beyond its length; write 10.1.0.0/24, or 10.1.0.7",
		"10.1.0.0/24 -> 10.1.0.0/44":                 "line 5: \"10.1.0.0/44\" is no network",
		"10.2.0.5-10.2.0.6 -> 10.2.0.9-10.2.0.6":     "line 11: \"10.2.0.9-10.2.0.6\" is no range",
		"allow: dicom -> allow: dicmo":               `line 11: there is no service "dicmo" (did you mean dicom?)`,
		"allow: dicom -> allow: tcp/0":               "line 11: \"tcp/0\" has no ports",
		"allow: dicom -> allow: tcp/70000":           "line 11",
		"allow: dicom, -> ":                          "line 11: conduit ct-pacs allows nothing",
		"id: ct-pacs -> id: CT_PACS":                 "line 11: a conduit's id is lower case",
		"id: ct-pacs -> id: implicit-dns":            "line 11",
		"reason: images -> expires: next year":       `line 11: expires is "next year", not a day`,
		"name: ct, -> name: Ct,":                     "line 5: a zone's name",
		"target_level: 2} -> target_level: 7}":       "line 5: target_level of zone ct is 7",
		"isolated: true -> interface: 'eth0; drop'":  "line 8: interface \"eth0; drop\"",
		"isolated: true -> vlans: [4095]":            "line 8: VLAN 4095",
		"reason: images -> despite: [guest-inside]":  "(did you mean guest-to-inside?)",
		"tcp/6661 -> icmp":                           "line 3: \"icmp\" is no service",
		"allow: dicom -> allow: {a: b}":              "line 11",
		"networks: [10.1.0.0/24] -> networks: [[a]]": "line 5",
	} {
		from, to, _ := strings.Cut(change, " -> ")
		if !strings.Contains(small, from) {
			t.Fatalf("%q changes nothing", change)
		}
		_, err := Read([]byte(strings.Replace(small, from, to, 1)), time.UTC)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", change, err, want)
		}
	}
}

func TestCanonicalTextReadsBack(t *testing.T) {
	p, err := Read([]byte(small), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	p.Conduits[0].Reason = "odd: \"quoted\" \\ \u2028 #x"
	p.Conduits[0].Expires = time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)
	back, err := Read([]byte(p.Commented(map[string][]string{"ct": {"a\nb"}, "": {"top"}})), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if back.Text() != p.Text() || back.Hash() != p.Hash() || !reflect.DeepEqual(unlined(back), unlined(p)) {
		t.Errorf("read back:\n%s\nwant:\n%s", back.Text(), p.Text())
	}
}

func unlined(p Policy) Policy {
	for i := range p.Zones {
		p.Zones[i].Line = 0
	}
	for i := range p.Conduits {
		p.Conduits[i].Line = 0
	}
	return p
}

// withCodes are the codes that a check gives, refusals with "!".
func withCodes(t *testing.T, text string, now time.Time) map[string]Problem {
	t.Helper()
	p, err := Read([]byte(text), time.UTC)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	out := map[string]Problem{}
	for _, x := range p.Check(now) {
		code := x.Code
		if x.Refused {
			code = "!" + code
		}
		out[code] = x
		if x.What.EN == "" || x.What.ZH == "" || x.Next.EN == "" || x.Next.ZH == "" {
			t.Errorf("%s is not said in both languages: %+v", x.Code, x)
		}
	}
	return out
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	if got := withCodes(t, small, testDay); len(got) > 0 {
		t.Fatalf("the small policy is not clean: %v", got)
	}
	conduit := func(s string) string { return "  - {" + s + ", owner: o, reason: r}\n" }
	for code, add := range map[string]string{
		"!unknown-zone":             conduit("id: x, from: ct, to: pcas, allow: dicom"),
		"!duplicate-id":             conduit("id: ct-pacs, from: ct, to: pacs, allow: dicom-tls"),
		"!no-owner-or-reason":       "  - {id: x, from: ct, to: pacs, allow: dicom-tls, owner: o}\n",
		"!any-any":                  conduit("id: x, from: ct, to: pacs, allow: tcp/1-65535"),
		"!any-any ":                 conduit("id: x, from: ct, to: pacs, allow: [tcp/1-9000, tcp/9001-18000]"),
		"!guest-to-inside":          conduit("id: x, from: guest, to: pacs, allow: https"),
		"!device-to-internet":       conduit("id: x, from: ct, to: net, allow: https"),
		"!inside-to-guest":          conduit("id: x, from: pacs, to: guest, allow: https"),
		"!risky-into-device":        conduit("id: x, from: pacs, to: ct, allow: smb"),
		"management-from-elsewhere": conduit("id: x, from: pacs, to: infra, allow: ssh"),
		"!host-outside":             conduit("id: x, from: ct, to: pacs, allow: ssh, to_hosts: 10.3.0.1"),
		"!families":                 conduit("id: x, from: ct, to: pacs, allow: ssh, from_hosts: 10.1.0.1, to_hosts: 'fd00:2::1'"),
		"expired":                   conduit("id: x, from: ct, to: pacs, allow: dicom-tls, expires: 2026-11-19"),
		"expires-soon":              conduit("id: x, from: ct, to: pacs, allow: dicom-tls, expires: 2026-11-20"),
		"shadowed":                  conduit("id: x, from: ct, to: pacs, allow: tcp/104, to_hosts: 10.2.0.5"),
		"!zone-overlap":             "zones: - {name: x, kind: pacs, owner: o, networks: [10.1.0.128/25]}",
		"!duplicate-zone":           "zones: - {name: ct, kind: pacs, owner: o, networks: [10.7.0.0/25]}",
		"!no-place":                 "zones: - {name: x, kind: pacs, owner: o}",
		"!unknown-kind":             "zones: - {name: x, kind: pasc, owner: o, networks: [10.7.0.0/25]}",
		"!no-owner":                 "zones: - {name: x, kind: pacs, networks: [10.7.0.0/25]}",
		"!everything":               "zones: - {name: x, kind: pacs, owner: o, networks: [0.0.0.0/0]}",
		"!server-outside":           "zones: - {name: x, kind: dns, owner: o, networks: [10.7.0.0/25], dns_servers: 10.8.0.1}",
		"unused-zone":               "zones: - {name: x, kind: pacs, owner: o, networks: [10.7.0.0/25]}",
		"life-support":              "zones: - {name: x, kind: life-support, owner: o, networks: [10.7.0.0/25]}",
		"no-simulation":             "zones: - {name: x, kind: pacs, owner: o, interface: eth9}",
	} {
		text := small + add
		if z, isZone := strings.CutPrefix(add, "zones: "); isZone {
			text = strings.Replace(small, "conduits:\n", "  "+z+"\nconduits:\n", 1)
		}
		got := withCodes(t, text, testDay)
		code = strings.TrimSpace(code)
		if _, ok := got[code]; !ok {
			t.Errorf("%s: not found, but %v", code, got)
		}
		if x := got[code]; x.Line == 0 {
			t.Errorf("%s names no line", code)
		}
	}
}

func TestLevelsAndMissingServers(t *testing.T) {
	low := strings.Replace(small, "[10.1.0.0/24], target_level: 2", "[10.1.0.0/24], target_level: 1", 1)
	if _, ok := withCodes(t, low, testDay)["level"]; !ok {
		t.Error("a lower level opens connections into a higher one, unnoticed")
	}
	none := strings.NewReplacer(", dns_servers: [10.3.0.53]", "", ", ntp_servers: 10.3.0.123", "").Replace(small)
	got := withCodes(t, none, testDay)
	if got["no-dns"].Code == "" || got["no-ntp"].Code == "" {
		t.Errorf("no DNS, no NTP, unnoticed: %v", got)
	}
}

func TestExceptionsNeedAnEnd(t *testing.T) {
	x := "  - {id: x, from: pacs, to: ct, allow: smb, owner: o, reason: r, despite: [risky-into-device]"
	if _, ok := withCodes(t, small+x+"}\n", testDay)["!risky-into-device"]; !ok {
		t.Error("an exception without an end passes")
	}
	got := withCodes(t, small+x+", expires: 2027-01-31}\n", testDay)
	if got["risky-into-device"].Code == "" || got["!risky-into-device"].Code != "" {
		t.Errorf("an exception with an end: %v", got)
	}
}

func TestExpiryIsTheEndOfTheDayThere(t *testing.T) {
	shanghai := time.FixedZone("", 8*3600)
	p, err := Read([]byte(small+"  - {id: x, from: ct, to: pacs, allow: hl7, owner: o, reason: r, expires: 2026-11-20}\n"), shanghai)
	if err != nil {
		t.Fatal(err)
	}
	c := p.Conduits[2]
	if c.Ended(time.Date(2026, 11, 20, 15, 59, 59, 0, time.UTC)) || !c.Ended(time.Date(2026, 11, 20, 16, 0, 0, 0, time.UTC)) {
		t.Error("it does not end at midnight in the site's zone")
	}
	r, err := Compile(p, time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC))
	if err != nil || len(r.Notes) != 1 || !strings.Contains(r.Notes[0].EN, "x expired on 2026-11-20") {
		t.Errorf("%v %v", r.Notes, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(small))
	files, _ := filepath.Glob("../content/zones/*.yaml")
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Read(data, time.UTC)
		if err != nil {
			return
		}
		back, err := Read([]byte(p.Text()), time.UTC)
		if err != nil || back.Text() != p.Text() {
			t.Fatalf("canonical text does not read back: %v\n%s", err, p.Text())
		}
		refused := false
		for _, x := range p.Check(testDay) {
			refused = refused || x.Refused
		}
		if _, err := Compile(p, testDay); (err != nil) != refused && !strings.Contains(err.Error(), "elements") {
			t.Fatalf("check refused: %v, compile: %v", refused, err)
		}
	})
}
