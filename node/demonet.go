package node

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/content"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/zone"
)

// DemoNetwork is the network of the demo's hospital, as a sensor at its core
// switch would tell of it: devices in the zones of the template for a county
// hospital, what they say to each other by the hour, by day, night and weekend,
// and what goes wrong.
type DemoNetwork struct {
	Seed uint64
	// Devices is about how many there are, Days how far their past goes back.
	Devices, Days int

	r    *rand.Rand
	now  time.Time
	list []demoDevice
	by   map[string][]int // devices of a kind
}

// demoDevice is one device.
type demoDevice struct {
	*demoKind
	n    int // within its kind, from 1
	mac  packet.MAC
	addr netip.Addr
}

// demoKind is what devices of a kind have in common.
type demoKind struct {
	key   string
	first string // address
	share int    // of 300 devices; those below 4 are fixed
	maker string // the card's first bytes
	name  string // "%d" is the device's number
	dept  string
	facts string // "fact=value; ..."
	talks []demoTalk
}

// demoTalk is what a device does.
type demoTalk struct {
	to     string // kind, or an address
	port   uint16
	app    string
	perDay float64
	night  float64 // share of the day's rate
	kb     int64   // per session
	calls  string
	clear  string
	tls    string
}

func webTalk(to string, perDay, night float64) demoTalk {
	return demoTalk{to: to, port: 443, app: "tls", perDay: perDay, night: night, kb: 40, tls: "1.3"}
}

func nameTalk() demoTalk {
	return demoTalk{to: "dns", port: 53, app: "dns", perDay: 60, night: 0.3, kb: 1}
}

func storeTalk(perDay float64) demoTalk {
	return demoTalk{to: "pacs", port: 11112, app: "dicom", perDay: perDay, night: 0.15, kb: 90_000, calls: "C-STORE", clear: "patient"}
}

func worklistTalk(perDay float64) demoTalk {
	return demoTalk{to: "ris", port: 104, app: "dicom", perDay: perDay, night: 0.2, kb: 20, calls: "C-FIND", clear: "patient"}
}

func hl7Talk(to, calls string, perDay, night float64) demoTalk {
	return demoTalk{to: to, port: 2575, app: "hl7", perDay: perDay, night: night, kb: 3, calls: calls, clear: "patient"}
}

func vendorTalk(perDay float64) demoTalk {
	return demoTalk{to: "gateway", port: 24105, perDay: perDay, night: 1, kb: 8}
}

// demoKinds are the kinds of devices, medical ones first.
func demoKinds() []demoKind {
	clock := demoTalk{to: "time", port: 123, app: "ntp", perDay: 24, night: 1, kb: 1}
	sign := demoTalk{to: "directory", port: 88, app: "kerberos", perDay: 12, night: 0.2, kb: 3}
	printing := demoTalk{to: "printer", port: 9100, perDay: 8, night: 0.1, kb: 300}
	return []demoKind{
		{"ct", "10.10.40.11", 3, "884b39", "CT%d", "radiology", "ae-title=CT%d; dicom-sop=1.2.840.10008.5.1.4.1.1.2; client-of=dicom; model=SOMATOM go.Top; firmware=VA30A; os=Windows 10 1809", []demoTalk{storeTalk(300), worklistTalk(200), nameTalk(), clock}},
		{"mr", "10.10.40.31", 2, "a0f217", "MR%d", "radiology", "ae-title=MR%d; dicom-sop=1.2.840.10008.5.1.4.1.1.4; client-of=dicom; model=SIGNA Voyager", []demoTalk{storeTalk(120), worklistTalk(80), nameTalk(), clock}},
		{"us", "10.10.40.51", 6, "000f14", "US-%02d", "ultrasound", "ae-title=US%02d; dicom-sop=1.2.840.10008.5.1.4.1.1.6.1; client-of=dicom; model=Resona 7", []demoTalk{storeTalk(90), worklistTalk(60), clock}},
		{"dr", "10.10.40.81", 3, "", "DR%d", "radiology", "ae-title=DR%d; dicom-sop=1.2.840.10008.5.1.4.1.1.1.1; client-of=dicom; os=Windows 7", []demoTalk{storeTalk(150), worklistTalk(120), clock}},
		{"pump", "10.10.48.10", 54, "001338", "pump-%03d", "biomedical-engineering", "model=Agilia VP; firmware=3.2", []demoTalk{vendorTalk(96), clock}},
		{"monitor", "10.10.50.10", 40, "0009fb", "MX-%03d", "biomedical-engineering", "model=IntelliVue MX550; firmware=M.04.01", []demoTalk{vendorTalk(240), clock}},
		{"ventilator", "10.10.53.10", 8, "0030e6", "Evita-%02d", "icu", "model=Evita V500; firmware=2.51", []demoTalk{{to: "gateway", port: 2575, app: "hl7", perDay: 240, night: 1, kb: 2, calls: "ORU^R01", clear: "patient"}, clock}},
		{"analyser", "10.10.56.10", 8, "00066b", "XN-%02d", "laboratory", "model=XN-1000; hl7-application=XN", []demoTalk{hl7Talk("middleware", "OUL^R22", 220, 0.4), clock}},
		{"gateway", "10.10.52.2", 1, "001422", "iomt-gw", "biomedical-engineering", "service=tcp/24105; hl7-application=GATEWAY; os=Windows Server 2019", []demoTalk{hl7Talk("engine", "ORU^R01", 900, 1), nameTalk(), clock}},
		{"middleware", "10.10.57.2", 1, "001422", "lab-middleware", "laboratory", "service=tcp/2575 hl7; hl7-application=MIDDLEWARE", []demoTalk{hl7Talk("lis", "ORU^R01", 800, 0.4), nameTalk()}},
		{"pacs", "10.10.42.10", 1, "a0369f", "PACS", "radiology", "ae-title=PACS; service=tcp/11112 dicom; dicom-sop-scp=1.2.840.10008.5.1.4.1.1.2; dicom-sop-scp=1.2.840.10008.5.1.4.1.1.4; certificate=pacs.hospital.example, Hospital CA, not after @SOON@", []demoTalk{hl7Talk("engine", "ORM^O01", 300, 0.2), nameTalk(), clock}},
		{"viewer", "10.10.43.20", 9, "001422", "READ-%02d", "radiology", "ae-title=READ%02d; client-of=dicom; dicom-sop=1.2.840.10008.5.1.4.1.2.2.1; vendor-class=MSFT 5.0; os=Windows 10 22H2", []demoTalk{{to: "pacs", port: 11112, app: "dicom", perDay: 160, night: 0.2, kb: 60_000, calls: "C-MOVE", clear: "patient"}, webTalk("ris", 80, 0.2), sign, nameTalk()}},
		{"his", "10.10.32.10", 2, "005056", "his-app%d", "information", "hl7-application=HIS; service=tcp/443 https; tls-version=1.3; os=Red Hat Enterprise Linux 8.8", []demoTalk{hl7Talk("engine", "ADT^A01", 700, 0.25), {to: "database", port: 1521, app: "oracle", perDay: 4000, night: 0.3, kb: 20, calls: "SELECT"}, nameTalk(), clock}},
		{"database", "10.10.32.20", 1, "005056", "his-db", "information", "service=tcp/1521 oracle; database=oracle 19.0.0.0", []demoTalk{nameTalk(), clock}},
		{"lis", "10.10.33.10", 1, "005056", "lis", "laboratory", "hl7-application=LIS; service=tcp/443 https; tls-version=1.2", []demoTalk{hl7Talk("engine", "ORU^R01", 900, 0.4), hl7Talk("middleware", "ORM^O01", 500, 0.4), nameTalk()}},
		{"ris", "10.10.33.20", 1, "005056", "ris", "radiology", "hl7-application=RIS; service=tcp/104 dicom; dicom-sop-scp=1.2.840.10008.5.1.4.31; tls-version=1.0", []demoTalk{hl7Talk("engine", "ORU^R01", 200, 0.2), nameTalk()}},
		{"engine", "10.10.34.2", 1, "005056", "engine", "information", "hl7-application=Rhapsody; service=tcp/2575 hl7; client-of=hl7", []demoTalk{hl7Talk("his", "ORU^R01", 1500, 0.3), hl7Talk("lis", "OML^O21", 700, 0.4), hl7Talk("pacs", "OMI^O23", 300, 0.2), nameTalk(), clock}},
		{"desktop", "10.10.0.20", 96, "d4bed9", "WARD-PC%03d", "clinical", "vendor-class=MSFT 5.0; dhcp-params=1,3,6,15,31,33,43,44,46,47,119,121,249,252; os=Windows 10 22H2", []demoTalk{webTalk("his", 140, 0.25), webTalk("lis", 20, 0.2), printing, sign, nameTalk()}},
		{"tablet", "10.10.96.20", 12, "c42f90", "cart-%02d", "clinical", "vendor-class=android-dhcp-12; user-agent=Mozilla/5.0 (Linux; Android 12; Tablet)", []demoTalk{webTalk("his", 90, 0.4), nameTalk()}},
		{"cashier", "10.10.60.10", 7, "d4bed9", "CASH-%02d", "finance", "vendor-class=MSFT 5.0; os=Windows 7", []demoTalk{webTalk("his", 160, 0.05), sign, nameTalk()}},
		{"insurance", "10.10.61.2", 1, "001422", "yb-front", "insurance", "os=Windows Server 2012 R2", []demoTalk{webTalk("172.30.0.2", 400, 0.1), nameTalk()}},
		{"portal", "10.10.64.10", 2, "005056", "portal%d", "information", "service=tcp/443 https; os=Ubuntu 22.04", []demoTalk{webTalk("api", 300, 0.3), nameTalk()}},
		{"api", "10.10.64.66", 1, "005056", "api-gw", "information", "service=tcp/443 https", []demoTalk{webTalk("his", 300, 0.3), nameTalk()}},
		{"guest", "10.99.0.30", 14, "", "", "", "vendor-class=android-dhcp-14", []demoTalk{webTalk("203.0.113.40", 120, 0.5)}},
		{"jump", "10.10.70.4", 1, "001422", "jump", "information", "os=Windows Server 2022; service=tcp/3389 rdp", []demoTalk{{to: "his", port: 22, app: "ssh", perDay: 6, kb: 200}, {to: "engine", port: 3389, app: "rdp", perDay: 3, kb: 4000}, sign, nameTalk()}},
		{"camera", "10.10.80.20", 14, "040312", "CAM-%02d", "facility", "vendor=Hikvision; model=DS-2CD2143; service=tcp/554 rtsp", nil},
		{"ups", "10.10.81.10", 3, "00c0b7", "UPS-%d", "facility", "vendor=APC; model=Smart-UPS SRT 5000; snmp-community=public", nil},
		{"bms", "10.10.84.2", 1, "001422", "bms", "facility", "os=Windows Server 2016", []demoTalk{{to: "camera", port: 554, app: "rtsp", perDay: 600, night: 1, kb: 20_000}, {to: "ups", port: 161, app: "snmp", perDay: 288, night: 1, kb: 1}, nameTalk()}},
		{"dns", "10.10.30.2", 1, "001422", "dns1", "information", "role=dns-server; role=dhcp-server; service=udp/53 dns", nil},
		{"time", "10.10.30.4", 1, "001422", "ntp1", "information", "role=ntp-server; service=udp/123 ntp", nil},
		{"directory", "10.10.30.5", 1, "001422", "dc1", "information", "role=domain-controller; service=tcp/389 ldap; os=Windows Server 2019", nil},
		{"printer", "10.10.90.10", 14, "001b78", "HP-%03d", "clinical", "service=tcp/9100 printing; model=LaserJet M404; vendor=HP", nil},
		{"cordon", "10.10.73.2", 1, "001422", "cordon", "security", "service=tcp/8443 https; os=Debian 12", nil},
		{"unknown", "10.10.5.200", 3, "", "", "", "", []demoTalk{nameTalk()}},
	}
}

// build invents the devices.
func (d *DemoNetwork) build(now time.Time) {
	d.now, d.r, d.by = now, rand.New(rand.NewPCG(d.Seed, 41)), map[string][]int{}
	for _, k := range demoKinds() {
		n := k.share
		if n > 3 {
			n = max(4, k.share*d.Devices/300)
		}
		addr := netip.MustParseAddr(k.first)
		for i := range n {
			x := demoDevice{demoKind: &k, n: i + 1, addr: addr}
			maker := asset.ParseMAC(k.maker + "000000")
			if k.maker == "" { // a made-up address, as phones have
				maker = packet.MAC{0x06 | byte(d.r.IntN(16))<<4, byte(d.r.IntN(256)), byte(d.r.IntN(256))}
			}
			x.mac = packet.MAC{maker[0], maker[1], maker[2], byte(len(d.by)), byte((i + 1) >> 8), byte(i + 1)}
			d.by[k.key] = append(d.by[k.key], len(d.list))
			d.list = append(d.list, x)
			addr = addr.Next()
			if addr.As4()[3] == 255 || addr.As4()[3] == 0 {
				addr = addr.Next().Next()
			}
		}
	}
}

// called is a device's name.
func (x demoDevice) called() string { return numbered(x.name, x.n) }

func numbered(text string, n int) string {
	if strings.Contains(text, "%") {
		return fmt.Sprintf(text, n)
	}
	return text
}

// demoSensor is the sensor's name.
const demoSensor = "core-switch"

// seen are what devices say of themselves.
func (d *DemoNetwork) seen() (out []*ocsf.Event) {
	first := d.now.AddDate(0, 0, -d.Days).UnixNano()
	soon := d.now.AddDate(0, 0, 11).UTC().Format(time.RFC3339)
	for i, x := range d.list {
		o := asset.Observation{At: first + int64(i)*int64(time.Second), Sensor: demoSensor, MAC: x.mac, IP: x.addr, Protocol: "dhcp"}
		if i%41 == 40 {
			o.At = d.now.Add(-time.Duration(i%50) * time.Hour).UnixNano()
		}
		if name := x.called(); name != "" {
			o.Facts = append(o.Facts, asset.Fact{Name: asset.FactHostname, Value: name})
		}
		for f := range strings.SplitSeq(strings.ReplaceAll(x.facts, "@SOON@", soon), "; ") {
			if name, value, ok := strings.Cut(f, "="); ok {
				value = numbered(value, x.n)
				if name == string(asset.FactCertificate) {
					value = strings.ReplaceAll(value, ", ", "; ")
				}
				o.Facts = append(o.Facts, asset.Fact{Name: asset.FactName(name), Value: value})
			}
		}
		out = append(out, o.Event())
		o.At, o.Facts, o.Protocol = d.now.Add(-time.Duration(d.r.IntN(300))*time.Second).UnixNano(), nil, "arp"
		out = append(out, o.Event())
		out = append(out, binding.Summary{At: o.At, Sensor: demoSensor, MAC: x.mac, IP: x.addr, How: "arp"}.Event())
	}
	return append(out, d.roles()...)
}

// roles are machines with a role, and the air.
func (d *DemoNetwork) roles() (out []*ocsf.Event) {
	dhcp := d.list[d.by["dns"][0]]
	at := d.now.Add(-time.Hour).UnixNano()
	router := packet.MAC{0x74, 0x25, 0x8a, 0, 0, 1}
	out = append(out,
		binding.Summary{At: at, Sensor: demoSensor, MAC: dhcp.mac, IP: dhcp.addr, How: "dhcp", Role: binding.RoleDHCP}.Event(),
		binding.Summary{At: at, Sensor: demoSensor, MAC: router, IP: netip.MustParseAddr("10.10.0.1"), How: "ndp", Role: binding.RoleRouter}.Event())
	for i, air := range [][4]string{{"HOSP-STAFF", "wpa2", "6", "-40"}, {"HOSP-STAFF", "wpa2", "36", "-50"}, {"HOSP-STAFF", "wpa2", "11", "-60"}, {"HOSP-GUEST", "open", "1", "-50"},
		{"HOSP-GUEST", "open", "44", "-60"}, {"HOSP-STAFF", "open", "6", "-70"}, {"", "wpa3", "149", "-60"}, {"Cafe-24", "wpa2", "3", "-80"}} {
		o := asset.Observation{At: at, Sensor: "air-1", MAC: packet.MAC{0x74, 0x25, 0x8a, 0x20, 0, byte(i)}, Protocol: "wireless", Facts: []asset.Fact{
			{Name: asset.FactSSID, Value: air[0]}, {Name: asset.FactSecurity, Value: air[1]}, {Name: asset.FactChannel, Value: air[2]}, {Name: asset.FactSignal, Value: air[3]}}}
		if air[0] == "Cafe-24" || i == 5 {
			o.MAC[0], o.MAC[1] = 0x02, 0xca
		}
		out = append(out, o.Event())
	}
	return out
}

// hours gives the conversations of each hour, the oldest first.
func (d *DemoNetwork) hours(yield func([]*ocsf.Event) error) error {
	begin := d.now.AddDate(0, 0, -d.Days).Truncate(time.Hour)
	for at := begin; at.Before(d.now); at = at.Add(time.Hour) {
		var out []*ocsf.Event
		for i := range d.list {
			for j, t := range d.list[i].talks {
				if c, some := d.converse(at, i, j, t); some {
					out = append(out, c.Event())
				}
			}
		}
		for _, c := range d.strays(at) {
			out = append(out, c.Event())
		}
		if err := yield(out); err != nil {
			return err
		}
	}
	return nil
}

// rhythm is the share of a device's busy hours' rate at a time: nights and
// weekends are quiet, a month's last days are not.
func (t demoTalk) rhythm(at time.Time) float64 {
	share := 1.6
	if h := at.Hour(); h < 7 || h > 19 {
		share *= t.night
	}
	if wd := at.Weekday(); (wd == time.Saturday || wd == time.Sunday) && t.night < 0.9 {
		share *= 0.35
	}
	if at.AddDate(0, 0, 2).Month() != at.Month() && t.to == "his" {
		share *= 1.5
	}
	return share
}

// converse is one kind of talk of a device in an hour.
func (d *DemoNetwork) converse(at time.Time, i, j int, t demoTalk) (flow.Conversation, bool) {
	n := int64(t.perDay / 24 * t.rhythm(at) * (0.5 + d.r.Float64()))
	if n == 0 && d.r.Float64() < t.perDay/24*t.rhythm(at) {
		n = 1
	}
	if n == 0 {
		return flow.Conversation{}, false
	}
	return d.conversation(at, i, d.server(t.to, i+j), t, n), true
}

// server is one of a kind, or an address outside.
func (d *DemoNetwork) server(to string, i int) demoDevice {
	if list := d.by[to]; len(list) > 0 {
		return d.list[list[i%len(list)]]
	}
	return demoDevice{demoKind: &demoKind{}, addr: netip.MustParseAddr(to)}
}

func (d *DemoNetwork) conversation(at time.Time, i int, to demoDevice, t demoTalk, n int64) flow.Conversation {
	x := d.list[i]
	until := at.Add(time.Hour - time.Minute)
	if until.After(d.now) {
		until = d.now
	}
	c := flow.Conversation{
		Key: flow.Key{Client: x.addr, Server: to.addr, Proto: 6, Port: t.port, App: t.app}, From: at.UnixMilli(), Until: until.UnixMilli(), Sensor: demoSensor,
		Sessions: n, PacketsOut: n * max(4, t.kb), PacketsIn: n * max(4, t.kb/2), BytesOut: n * t.kb * 600, BytesIn: n * t.kb * 400, TLS: t.tls, ClientMAC: asset.MACText(x.mac),
	}
	if t.port == 53 || t.port == 123 || t.port == 161 || t.port == 24105 {
		c.Proto = 17
	}
	if t.calls != "" {
		c.Calls = map[string]int64{t.calls: n}
	}
	if t.clear != "" {
		c.Clear = []string{t.clear}
	}
	if t.app == "dicom" {
		c.ClientName, c.ServerName = x.called(), to.called()
	}
	return c
}

// strays are what no conduit allows.
func (d *DemoNetwork) strays(at time.Time) (out []flow.Conversation) {
	wrong := []struct {
		from   string
		i      int
		t      demoTalk
		from24 int // the hour at which it happens, -1 in any
		share  float64
	}{
		{"desktop", 16, demoTalk{to: "database", port: 1521, app: "oracle", kb: 900, calls: "SELECT", clear: "password"}, 2, 0.6},
		{"ct", 1, webTalk("198.51.100.7", 3, 1), 10, 0.5},
		{"camera", 3, demoTalk{to: "his", port: 445, app: "smb", kb: 2}, -1, 0.1},
		{"guest", 4, demoTalk{to: "pacs", port: 11112, kb: 0}, 15, 0.4},
		{"cashier", 2, webTalk("pacs", 2, 0), 11, 0.5},
		{"dr", 0, demoTalk{to: "desktop", port: 445, app: "smb", kb: 300}, 9, 0.8},
		{"pump", 8, demoTalk{to: "pump", port: 80, app: "http", kb: 3}, -1, 0.05},
		{"portal", 0, demoTalk{to: "database", port: 1521, app: "oracle", kb: 5}, 4, 0.3},
		{"analyser", 1, hl7Talk("lis", "OUL^R22", 10, 1), -1, 0.5},
		{"desktop", 40, demoTalk{to: "printer", port: 23, app: "telnet", kb: 2, clear: "password"}, 14, 0.3},
	}
	for _, w := range wrong {
		if list := d.by[w.from]; (w.from24 < 0 || w.from24 == at.Hour()) && d.r.Float64() < w.share {
			i := list[w.i%len(list)]
			c := d.conversation(at, i, d.server(w.t.to, i+1), w.t, 1+int64(d.r.IntN(6)))
			if w.t.kb == 0 {
				c.Sessions, c.Refused, c.BytesIn, c.PacketsIn = 0, c.Sessions, 0, 0
			}
			out = append(out, c)
		}
	}
	return out
}

// alarms are what the sensor found wrong in the last days.
func (d *DemoNetwork) alarms() (out []*ocsf.Event) {
	party := func(kind string, i int) asset.Party {
		list := d.by[kind]
		x := d.list[list[i%len(list)]]
		return asset.Party{MAC: x.mac, IP: x.addr, Name: x.called()}
	}
	stranger := asset.Party{MAC: packet.MAC{0x02, 0xca, 0xfe, 0, 0, 9}, IP: netip.MustParseAddr("10.10.0.250")}
	twin := asset.Party{MAC: packet.MAC{0x02, 0xca, 0x8a, 0x20, 0, 5}}
	for i, a := range []asset.Alarm{
		{Kind: asset.ARPSpoof, Culprit: stranger, Victim: party("gateway", 0), Args: []string{"bound"}, Count: 240},
		{Kind: asset.RogueDHCP, Culprit: stranger, Args: []string{"unknown"}, Count: 3},
		{Kind: asset.DuplicateIP, Culprit: party("unknown", 1), Victim: party("printer", 3), Args: []string{"in-use"}, Count: 12},
		{Kind: asset.EvilTwin, Culprit: twin, Network: "HOSP-STAFF", Args: []string{"security"}, Count: 80},
		{Kind: asset.DeauthFlood, Culprit: twin, Network: "HOSP-STAFF", Count: 900},
		{Kind: asset.ClearPatientData, Culprit: party("us", 2), Victim: party("pacs", 0), Args: []string{"dicom"}, Count: 40},
		{Kind: asset.ClearPassword, Culprit: party("desktop", 40), Victim: party("printer", 1), Args: []string{"telnet"}, Count: 2},
		{Kind: asset.OldTLS, Culprit: party("viewer", 1), Victim: party("ris", 0), Args: []string{"1.0", "ris.hospital.example"}, Count: 30},
		{Kind: asset.UnknownAETitle, Culprit: asset.Party{IP: party("desktop", 12).IP, MAC: party("desktop", 12).MAC, Name: "FINDSCU"}, Victim: party("pacs", 0), Count: 5},
		{Kind: asset.DICOMSweep, Culprit: party("desktop", 12), Victim: party("pacs", 0), Args: []string{"everything"}, Count: 31},
		{Kind: asset.DirectSQL, Culprit: party("desktop", 16), Victim: party("database", 0), Args: []string{"oracle", "HIS_READ", "HISDB"}, Count: 4},
	} {
		a.At, a.Sensor = d.now.Add(-time.Duration(11-i)*25*time.Minute).UnixNano(), demoSensor
		out = append(out, a.Event())
	}
	return out
}

// Play has the sensor tell everything.
func (d *DemoNetwork) Play(ctx context.Context, n *Node) error {
	d.build(n.now())
	if err := d.policy(ctx, n); err != nil {
		return fmt.Errorf("demo network: %w", err)
	}
	token, err := n.users.CreateToken(ctx, "demo sensor", identity.Sensor, 24*time.Hour, "demo")
	if err != nil {
		return err
	}
	send := func(evs []*ocsf.Event) error { return d.send(ctx, n, token, evs) }
	if err := send(d.seen()); err != nil {
		return err
	}
	if err := d.hours(send); err != nil {
		return err
	}
	if err := send(d.alarms()); err != nil {
		return err
	}
	return d.owned(ctx, n)
}

// policy stages the template for a county hospital, so that conversations are
// judged and nothing is dropped.
func (d *DemoNetwork) policy(ctx context.Context, n *Node) error {
	st, err := n.policies.state(ctx)
	if err != nil || st.Next != nil || st.Force != nil {
		return err
	}
	files, err := fs.Sub(content.Files(), "zones")
	if err != nil {
		return err
	}
	text, err := zone.Template(files, "county-hospital", d.now)
	if err != nil {
		return err
	}
	return n.policies.change(ctx, api.PolicyWish{What: api.PolicyStage, Text: string(text), Reason: "demo"}, "demo")
}

// portion is how many events go in one request.
const portion = 5000

func (d *DemoNetwork) send(ctx context.Context, n *Node, token string, evs []*ocsf.Event) error {
	for len(evs) > 0 {
		var body []byte
		k := min(len(evs), portion)
		for _, ev := range evs[:k] {
			body = append(ev.AppendJSON(body), '\n')
		}
		evs = evs[k:]
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url()+"/api/v1/sensor/events?sensor="+demoSensor, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		res.Body.Close() //nolint:errcheck // nothing was read
		if res.StatusCode != http.StatusAccepted {
			return fmt.Errorf("a sensor's events not accepted: %s", res.Status)
		}
	}
	return nil
}

// owned is what the hospital's list of equipment says.
func (d *DemoNetwork) owned(ctx context.Context, n *Node) error {
	var b strings.Builder
	b.WriteString("mac,name,department,location,criticality,life_support,end_of_life\n")
	for _, x := range d.list {
		if x.dept == "" {
			continue
		}
		life, end, level := "", "", 2
		switch x.key {
		case "ventilator":
			life, level = "yes", 4
		case "dr":
			end = d.now.AddDate(0, -8, 0).Format(time.DateOnly)
		case "mr":
			end = d.now.AddDate(0, 2, 0).Format(time.DateOnly)
		case "his", "database", "pacs", "engine":
			level = 4
		}
		fmt.Fprintf(&b, "%s,%s,%s,%s,%d,%s,%s\n", asset.MACText(x.mac), x.called(), x.dept, fmt.Sprintf("%c%d-%d", 'A'+x.n%4, 1+x.n%9, x.n*7%30), level, life, end)
	}
	list, err := asset.ReadList(strings.NewReader(b.String()), "csv", "equipment.csv", "")
	if err != nil {
		return err
	}
	if _, err := n.network.assets.Import(ctx, list, asset.Wish{By: "demo", Why: "list of equipment"}); err != nil {
		return err
	}
	if old, ok := n.network.assets.ByAddress(asset.MACText(d.list[d.by["dr"][0]].mac), 0); ok {
		return n.network.assets.SetWeaknesses(ctx, map[string][]asset.Weakness{old.ID: {{ID: "CVE-2017-0144", Software: "Windows 7", Severity: 8.8, Exploited: true,
			Due: "2022-08-10", Summary: "Microsoft SMBv1 remote code execution (EternalBlue)", Fixed: "MS17-010", From: "KEV"}}})
	}
	return nil
}
