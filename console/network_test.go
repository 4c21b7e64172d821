package console_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/console"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
	"github.com/cordon-health/cordon/zone"
)

// netHospital is a hospital with a network that the test made up: what it
// holds is the same at every run.
type netHospital struct {
	*hospital
	mu       sync.Mutex
	devices  []asset.Device      // guarded by mu
	talks    []api.Talk          // of one day
	bindings []binding.Binding   // guarded by mu
	state    api.PolicyState     // guarded by mu
	runs     []api.SimulationRun // guarded by mu
	wishes   []string            // guarded by mu: what was asked of the books
	points   []api.AccessPoint   // guarded by mu
	empty    bool
	noPorts  bool // no switch takes orders
}

// plan are the zones of a hospital; more are wards.
var plan = []struct {
	name, kind, en, zh string
	share              int
	kinds              []string
}{
	{"modality-a", "modality", "Imaging devices A", "影像设备甲", 40, []string{"ct", "mr", "ultrasound", "x-ray"}},
	{"modality-b", "modality", "Imaging devices B", "影像设备乙", 30, []string{"ct", "mr", "ultrasound"}},
	{"icu-life", "life-support", "ICU life support", "重症生命支持", 46, []string{"ventilator", "patient-monitor"}},
	{"pumps", "iomt", "Infusion pumps", "输液泵", 260, []string{"infusion-pump"}},
	{"lab", "lab", "Laboratory analysers", "检验仪器", 38, []string{"analyser"}},
	{"pacs", "pacs", "PACS", "PACS 影像归档", 6, []string{"pacs", "server"}},
	{"his", "his", "HIS and EMR core", "HIS/EMR 核心", 14, []string{"server", "database"}},
	{"integration", "integration", "Integration engine", "集成平台", 4, []string{"server"}},
	{"desks", "clinician", "Clinicians' desks", "医护工作站", 820, []string{"workstation", "printer", ""}},
	{"office", "office", "Administration", "行政办公", 240, []string{"workstation", "printer", "phone"}},
	{"finance", "finance", "Finance", "财务", 44, []string{"workstation"}},
	{"guest", "guest", "Guest Wi-Fi", "访客无线", 150, []string{"phone", ""}},
	{"management", "management", "Management", "运维管理", 8, []string{"server", "switch"}},
	{"building", "building", "Building, cameras", "楼宇与监控", 90, []string{"camera", ""}},
}

func kindsOfDevices() []api.DeviceKind {
	var out []api.DeviceKind
	for _, k := range [][3]string{{"ct", "CT", "CT"}, {"mr", "MR", "磁共振"}, {"ultrasound", "Ultrasound", "超声"}, {"x-ray", "X-ray", "X 光机"}, {"ventilator", "Ventilator", "呼吸机"}, {"patient-monitor", "Patient monitor", "监护仪"},
		{"infusion-pump", "Infusion pump", "输液泵"}, {"analyser", "Analyser", "检验仪器"}, {"pacs", "PACS", "PACS"}, {"server", "Server", "服务器"}, {"database", "Database", "数据库"}, {"workstation", "Workstation", "工作站"},
		{"printer", "Printer", "打印机"}, {"phone", "Phone", "手机"}, {"switch", "Switch", "交换机"}, {"camera", "Camera", "摄像机"}} {
		out = append(out, api.DeviceKind{Name: k[0], Title: ocsf.Text{EN: k[1], ZH: k[2]}, Medical: len(out) < 8})
	}
	return out
}

// newNetHospital is one with so many devices and zones.
func newNetHospital(t testing.TB, devices, zones int) *netHospital {
	t.Helper()
	h := &netHospital{hospital: newHospital(t), empty: devices == 0}
	h.invent(devices, zones)
	h.Network = api.Network{
		Devices: func(context.Context) ([]asset.Device, error) { return locked(h, &h.devices), nil },
		Device:  h.device, Kinds: kindsOfDevices, Edit: h.edit, Facts: h.facts, Had: h.had, Talks: h.list, Hours: h.hours,
		Bindings: func(context.Context) ([]binding.Binding, error) { return locked(h, &h.bindings), nil }, Conflicts: h.conflicts,
		Bind: func(_ context.Context, w api.BindingWish, by string) error {
			h.wish("bind %s %d %s%s %s", w.What, len(w.IDs), w.Subnet, w.Person, by)
			return nil
		},
		SetKnown: func(_ context.Context, k binding.Known) error {
			h.wish("known %s %s %s %d %s %s", k.Role, k.MAC, k.IP, k.VLAN, k.State, k.By)
			return nil
		},
		Subnets: h.subnets, Policies: func(context.Context) (api.PolicyState, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.state, nil
		},
		CheckPolicy: checkPolicy, ChangePolicy: h.changePolicy, Simulate: h.simulate,
		Simulations: func(context.Context) ([]api.SimulationRun, error) { return locked(h, &h.runs), nil }, Simulation: h.simulated,
		Proof: func(_ context.Context, lang string, w io.Writer) error {
			_, err := io.WriteString(w, "PK proof "+lang)
			return err
		},
		Isolate: "isolate-device", Sensors: h.sensorList, Wireless: func(context.Context) ([]api.AccessPoint, error) { return locked(h, &h.points), nil },
		Know: func(_ context.Context, bssid string, ours bool, by string) error {
			h.wish("know %s %v %s", bssid, ours, by)
			return nil
		},
	}
	if h.empty {
		h.Network.Hours = nil
	}
	h.Runner = h.runner()
	if !h.empty {
		h.sources["sensor:core-span"] = &api.Source{Name: "sensor:core-span", Format: "ocsf", Stored: 4711, First: today.UnixMilli(), Last: today.UnixMilli(), Event: today.UnixMilli()}
	}
	c := must[*console.Console](t)(console.New(console.Parts{Services: h.Services}))
	h.server = httptest.NewServer(c.Handler())
	t.Cleanup(h.server.Close)
	return h
}

func locked[T any](h *netHospital, list *[]T) []T {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(*list)
}

func (h *netHospital) wish(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wishes = append(h.wishes, fmt.Sprintf(format, args...))
}

func (h *netHospital) last() string {
	all := locked(h, &h.wishes)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

func (h *netHospital) runner() *playbook.Runner {
	why := ocsf.Text{EN: "Drops all it sends and gets, ends what runs, and proves by a probe that clinical traffic goes on.", ZH: "阻断其全部通信并断开现有连接，随后用探测确认临床业务正常。"}
	return must[*playbook.Runner](h.t)(playbook.New(playbook.Parts{
		Config: playbook.Default(), Site: playbook.Site{Name: "Demo", URL: "http://server.invalid", Language: "zh", Person: h.account},
		Key: h.Key, DB: h.db, Book: h.Book, Desk: h.Desk, Now: h.Now, Log: h.Log,
		Actions: []playbook.Action{{Name: "isolate-device", Params: []string{"device", "reason", "hours"}, Title: ocsf.Text{EN: "Isolate", ZH: "隔离"}, Why: why, Class: playbook.Restrict, Hourly: 5, Life: 4 * time.Hour,
			Ready: func() (bool, ocsf.Text) { return true, ocsf.Text{} },
			Do: func(context.Context, playbook.Call) (string, error) {
				h.wish("isolated")
				return "isolated; probe: blocked", nil
			},
			Undo: func(context.Context, playbook.Call) error { h.wish("released"); return nil }},
			{Name: zone.EndSession, Params: []string{"device", "reason"}, Title: ocsf.Text{EN: "End its session", ZH: "断开会话"}, Why: why, Class: playbook.Restrict, Hourly: 5, Repeatable: true,
				Ready: func() (bool, ocsf.Text) { return true, ocsf.Text{} },
				Do:    func(context.Context, playbook.Call) (string, error) { h.wish("session ended"); return "ended", nil }},
			{Name: zone.ShutPort, Params: []string{"device", "reason"}, Title: ocsf.Text{EN: "Shut its port", ZH: "关闭端口"}, Why: why, Class: playbook.Cut, Hourly: 5, Life: 4 * time.Hour, Repeatable: true,
				Ready: func() (bool, ocsf.Text) { return !h.noPorts, ocsf.Text{EN: "give zone.snmp"} },
				Do:    func(context.Context, playbook.Call) (string, error) { h.wish("port shut"); return "shut", nil },
				Undo:  func(context.Context, playbook.Call) error { h.wish("port open"); return nil }}},
	}))
}

// invent makes zones, devices and a day of conversations.
func (h *netHospital) invent(devices, zones int) {
	if devices == 0 {
		return
	}
	r := rand.New(rand.NewPCG(1, 2))
	now := h.Now().UnixMilli()
	policy := zone.Policy{Version: 1, Name: "demo-hospital"}
	var ids [][]int
	total := 0
	for i := range zones {
		z := plan[min(i, len(plan)-1)]
		if i >= len(plan) {
			z = plan[8]
			z.name, z.en, z.zh, z.share = fmt.Sprintf("ward-%02d", i), fmt.Sprintf("Ward %d", i), fmt.Sprintf("第 %d 病区", i), 12
		}
		policy.Zones = append(policy.Zones, zone.Zone{Name: z.name, Kind: z.kind, Title: ocsf.Text{EN: z.en, ZH: z.zh}, Networks: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/16", i+1))}})
		n := z.share * devices / 2000
		if i == zones-1 {
			n = devices - total
		}
		ids = append(ids, h.fillZone(r, i, z.name, z.kinds, max(1, n), now))
		total += max(1, n)
	}
	h.converse(r, policy.Zones, ids, now)
	h.decree(policy, now)
	h.bindAll(now)
	h.simulateAll(policy, now)
	h.onAir(now)
}

func (h *netHospital) fillZone(r *rand.Rand, i int, name string, kinds []string, n int, now int64) []int {
	departments := []string{"影像科", "重症医学科", "检验科", "心内科", "Surgery", ""}
	var out []int
	for k := range n {
		kind := kinds[k%len(kinds)]
		d := asset.Device{ID: fmt.Sprintf("d%05d", len(h.devices)+1), Zone: name, IPs: []string{fmt.Sprintf("10.%d.%d.%d", i+1, k/250, k%250+1)}, MACs: []string{fmt.Sprintf("02:00:%02x:%02x:%02x:01", i, k/256, k%256)},
			Department: departments[(i+k/7)%len(departments)], Location: fmt.Sprintf("%d 楼 %d 室", i%9+1, k%40+100), First: now - int64(r.IntN(90))*86400_000, Last: now - int64(r.IntN(600_000)), Sensors: []string{"core-span"}}
		d.What = asset.Classification{Kind: kind, Confidence: 0.55 + 0.45*r.Float64()}
		h.dress(r, &d, kind, k)
		out = append(out, len(h.devices))
		h.devices = append(h.devices, d)
	}
	return out
}

// dress gives a device what its kind has.
func (h *netHospital) dress(r *rand.Rand, d *asset.Device, kind string, k int) {
	medical := slices.Contains([]string{"ct", "mr", "ultrasound", "x-ray", "ventilator", "patient-monitor", "infusion-pump", "analyser"}, kind)
	d.What.Medical = medical
	if kind == "" {
		d.What.Confidence = 0
		return
	}
	if k%3 != 1 {
		d.Name = fmt.Sprintf("%s-%02d", map[string]string{"ct": "CT", "mr": "MR", "workstation": "WS", "infusion-pump": "PUMP"}[kind]+kind[:1], k+1)
	}
	if !medical {
		return
	}
	d.What.Vendor, d.What.Model = []string{"Siemens", "GE", "Philips", "联影"}[k%4], fmt.Sprintf("Model %d", k%5+1)
	d.What.Because = []ocsf.Text{{EN: "its AE title is CT1", ZH: "其 AE 标题为 CT1"}, {EN: "its DICOM implementation is that of the maker", ZH: "其 DICOM 实现标识属于该厂商"}, {EN: "its network card was made by the maker", ZH: "网卡由该厂商生产"}}
	d.LifeSupport = kind == "ventilator"
	d.Owner, d.Criticality = "staff-zhao", 3
	d.Facts = []asset.KnownFact{{Fact: asset.Fact{Name: asset.FactAETitle, Value: "CT1"}, Protocol: "dicom", First: d.First, Last: d.Last, Times: 900}}
	d.Addresses = []asset.Address{{MAC: d.MACs[0], IP: d.IPs[0], VLAN: 20, Port: "sw3/12", First: d.First, Last: d.Last, By: "arp"}}
	d.Uncertain = []asset.Guess{{Kind: "workstation", Confidence: 0.1}}
	if r.IntN(4) == 0 {
		d.EndOfLife = "2025-12-31"
	}
	if r.IntN(5) == 0 {
		d.Software = []asset.Software{{Name: "Windows 7", Version: "6.1.7601", From: "sbom"}}
		d.Weaknesses = []asset.Weakness{{ID: "CVE-2019-0708", Software: "Windows 7", Severity: 9.8, Exploited: true, Due: "2022-05-03", Summary: "remote desktop takes over the machine", From: "kev"}, {ID: "CVE-2020-0601", Software: "Windows 7", Severity: 8.1, From: "osv"}}
	}
}

// converse lets zones talk as hospitals do, and a few do what they may not.
func (h *netHospital) converse(r *rand.Rand, zones []zone.Zone, ids [][]int, now int64) {
	index := map[string]int{}
	for i, z := range zones {
		index[z.Name] = i
	}
	say := func(from, to string, port uint16, app string, share int, bad bool, calls map[string]int64) {
		a, okA := index[from]
		b, okB := index[to]
		if !okA || !okB {
			return
		}
		for k, x := range ids[a] {
			if k%share != 0 {
				continue
			}
			h.talk(r, h.devices[x], h.devices[ids[b][k%len(ids[b])]], port, app, bad, calls, now)
		}
	}
	store := map[string]int64{"C-STORE": 312, "C-FIND": 40}
	for _, z := range zones {
		switch z.Kind {
		case "modality":
			say(z.Name, "pacs", 104, "dicom", 1, false, store)
		case "clinician", "office", "finance":
			say(z.Name, "his", 443, "tls", 1, false, nil)
			say(z.Name, "pacs", 443, "tls", 9, false, nil)
			say(z.Name, "his", 1433, "tds", 150, true, map[string]int64{"SELECT": 20})
		case "lab", "life-support", "iomt":
			say(z.Name, "integration", 2575, "hl7", 2, false, map[string]int64{"ORU^R01": 90})
		}
	}
	say("his", "integration", 6661, "hl7", 1, false, map[string]int64{"ADT^A01": 120})
	say("management", "his", 22, "ssh", 1, false, nil)
	say("modality-b", "office", 445, "smb", 9, true, nil)
	say("guest", "pacs", 104, "dicom", 70, true, nil)
	say("building", "pumps", 502, "modbus", 40, true, nil)
	h.goOut(now)
}

// goOut has some devices talk to the internet, one of which may not.
func (h *netHospital) goOut(now int64) {
	for i := range h.devices {
		d := &h.devices[i]
		bad := d.Zone == "modality-a" && i%17 == 3
		if d.Zone != "guest" && !bad {
			continue
		}
		t := api.Talk{ClientDevice: d.ID, Judged: true, Verdict: zone.Verdict{FromZone: d.Zone, Allow: !bad, OutsideZones: true}}
		t.Conversation = flow.Conversation{Key: flow.Key{Client: netip.MustParseAddr(d.IPs[0]), Server: netip.MustParseAddr("203.0.113.9"), Proto: 6, Port: 443, App: "tls"}, From: now - 3600_000, Until: now - 60_000, Sessions: 12, BytesIn: 90_000, TLS: "1.3", SNI: "updates.example"}
		h.talks = append(h.talks, t)
	}
}

func (h *netHospital) talk(r *rand.Rand, a, b asset.Device, port uint16, app string, bad bool, calls map[string]int64, now int64) {
	t := api.Talk{ClientDevice: a.ID, ServerDevice: b.ID, Judged: true, Verdict: zone.Verdict{FromZone: a.Zone, ToZone: b.Zone, Allow: !bad, Conduit: map[bool]string{false: a.Zone + "-" + b.Zone}[bad]}}
	t.Conversation = flow.Conversation{Key: flow.Key{Client: netip.MustParseAddr(a.IPs[0]), Server: netip.MustParseAddr(b.IPs[0]), Proto: 6, Port: port, App: app},
		From: now - 20*3600_000, Until: now - int64(r.IntN(3_000_000)), Sessions: int64(1 + r.IntN(400)), BytesOut: int64(r.IntN(1 << 28)), BytesIn: int64(r.IntN(1 << 26)), Calls: calls}
	if bad {
		t.Sessions, t.Refused = 3, int64(r.IntN(2)*9)
	}
	switch app {
	case "dicom", "hl7":
		t.Clear = []string{"patient"}
	case "tls":
		t.TLS = []string{"1.3", "1.2", "1.2", "1.0"}[r.IntN(4)]
	}
	h.talks = append(h.talks, t)
}

func (h *netHospital) decree(p zone.Policy, now int64) {
	seen := map[string]bool{}
	for _, t := range h.talks {
		id := t.Verdict.Conduit
		if id == "" || seen[id] || t.Verdict.ToZone == "" {
			continue
		}
		seen[id] = true
		c := zone.Conduit{ID: id, From: t.Verdict.FromZone, To: t.Verdict.ToZone, Allow: []string{zone.ServiceName(t.Proto, t.Port, t.App)}, Owner: "信息科 Zhao", Reason: "clinical work / 临床业务"}
		switch len(seen) % 5 {
		case 1:
			c.Expires = time.UnixMilli(now).AddDate(0, 0, 12)
		case 2:
			c.Expires = time.UnixMilli(now).AddDate(0, -1, 0)
		}
		p.Conduits = append(p.Conduits, c)
	}
	p.Conduits = append(p.Conduits, zone.Conduit{ID: "old-ftp", From: "office", To: "his", Allow: []string{"ftp"}, Owner: "Li", Reason: "reports"})
	h.state.Force = &api.PolicyVersion{Hash: "6f1ed002ab5595859014ebf0951522d9a9f0b3c1e8f1d7a5c6b2e3f4a5b6c7d8", Life: zone.Enforced, Policy: p, Text: "version: 1\nname: demo-hospital\n", By: "zhao", Reason: "first rules", At: now - 9*86400_000, Denied: 1843, Sensors: []string{"core-router"},
		Probes: []api.Probe{{Sensor: "core-router", From: "modality-a", To: "pacs", Service: "dicom", Want: true, Got: true}, {Sensor: "core-router", From: "guest", To: "pacs", Service: "dicom", Want: false, Got: false}}}
	h.state.Past = []api.PolicyVersion{{Hash: "aaaaaaaabbbbbbbbcccccccc", Life: zone.RolledBack, By: "qian", Reason: "first try", At: now - 12*86400_000, Problem: "ward 4 could not reach the HIS"}}
}

func (h *netHospital) bindAll(now int64) {
	for i, d := range h.devices {
		b := binding.Binding{ID: fmt.Sprint("b", i), State: []binding.State{binding.Learnt, binding.Bound, binding.Locked, binding.Ended}[min(i%6, 3)], MAC: d.MACs[0], IP: d.IPs[0], VLAN: 20, Device: d.ID, First: d.First, Last: d.Last, Dynamic: i%5 == 0}
		if b.State != binding.Learnt {
			b.Person, b.DecidedBy, b.Decided = "staff-zhao", "zhao", now-86400_000
		}
		h.bindings = append(h.bindings, b)
	}
}

func (h *netHospital) simulateAll(p zone.Policy, now int64) {
	text := func(en, zh string) ocsf.Text { return ocsf.Text{EN: en, ZH: zh} }
	report := &zone.Simulation{Policy: "demo-hospital-2", Hash: "9c", From: now - 14*86400_000, Until: now, Conversations: 41_233, Allowed: 41_020, Denied: 213, Sessions: 8_412_331, DeniedSessions: 5120,
		Departments: map[string]float64{"影像科": 0.871, "重症医学科": 0.982, "检验科": 0.9994, "心内科": 1, "Surgery": 1}, Unused: []string{"old-ftp", "bms-legacy"}}
	report.Effects = []zone.Effect{
		{Severity: 5, LifeSupport: true, Text: text("Ventilators in the ICU lose their central station: alarms would not reach the nurses", "重症呼吸机与中央站断开：报警无法送达护士"), Advice: text("Allow icu-life to integration before anything else", "请先放行 icu-life 到 integration"), FromZone: "icu-life", ToZone: "integration", From: "VENT-01", To: "CENTRAL", Service: "hl7", PerDay: 8640, Last: now - 3600_000, Department: "重症医学科"},
		{Severity: 4, Text: text("CT1 could not store images on the PACS: 312 studies a day", "CT1 无法向 PACS 存储影像：每天 312 次检查"), Advice: text("Allow modality-a to pacs for DICOM", "请放行 modality-a 到 pacs 的 DICOM"), FromZone: "modality-a", ToZone: "pacs", From: "CT1", To: "PACS", Service: "dicom", PerDay: 312, Last: now - 60_000, Department: "影像科"},
		{Severity: 3, Text: text("DICOM nodes lose DNS: each association would wait 15 s", "DICOM 节点无法解析域名：每次连接将等待 15 秒"), Advice: text("Keep DNS allowed", "请保留 DNS"), FromZone: "modality-a", ToZone: "management", Service: "dns", PerDay: 4100, Last: now, Department: "影像科"},
		{Severity: 2, Text: text("Two desks could not print", "两台工作站无法打印"), FromZone: "desks", ToZone: "office", Service: "printing", PerDay: 1.4, Last: now},
	}
	for _, a := range p.Zones[:min(6, len(p.Zones))] {
		report.Pairs = append(report.Pairs, zone.Pair{From: a.Name, To: "his", Allowed: 400, Denied: int64(len(a.Name)) * 3, Conduits: []string{a.Name + "-his"}})
	}
	h.runs = []api.SimulationRun{{ID: "s2", By: "zhao", Begun: now - 60_000, Ended: now - 30_000, Days: 14, Share: 1, Report: report, Force: []zone.Pair{{From: "pumps", To: "his", Denied: 90}}}, {ID: "s1", By: "qian", Begun: now - 86400_000, Days: 7, Share: 1, Report: &zone.Simulation{Policy: "p", Sessions: 10}}}
}

func (h *netHospital) onAir(now int64) {
	h.points = []api.AccessPoint{
		{BSSID: "02:aa:00:00:00:01", SSID: "HOSP-STAFF", Vendor: "H3C", Channel: 6, Security: "wpa3", Ours: true, Signal: -51, Clients: 31, First: now - 1e9, Last: now, Sensors: []string{"air-1"}},
		{BSSID: "02:bb:00:00:00:02", SSID: "HOSP-STAFF", Channel: 11, Security: "open", Signal: -40, Clients: 2, Alarms: []asset.AlarmKind{asset.EvilTwin}, First: now - 60_000, Last: now, Sensors: []string{"air-1"}},
		{BSSID: "02:cc:00:00:00:03", SSID: "TeaHouse", Channel: 1, Security: "wpa2", Signal: -80, First: now - 1e9, Last: now}, {BSSID: "02:cc:00:00:00:04", Channel: 1, Security: "wpa2", First: now - 1e9, Last: now},
	}
}

func (h *netHospital) device(_ context.Context, key string) (asset.Device, error) {
	for _, d := range locked(h, &h.devices) {
		if d.ID == key || slices.Contains(d.IPs, key) || slices.Contains(d.MACs, key) {
			return d, nil
		}
	}
	return asset.Device{}, fs.ErrNotExist
}

func (h *netHospital) edit(_ context.Context, id string, e api.DeviceEdit, by string) error {
	h.wish("edit %s %s life %v %s", id, *e.Name, *e.LifeSupport, by)
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.devices, func(d asset.Device) bool { return d.ID == id })
	h.devices[i].Name, h.devices[i].LifeSupport = *e.Name, *e.LifeSupport
	return nil
}

func (h *netHospital) facts(context.Context, asset.FactName) ([]api.DeviceFact, error) {
	var out []api.DeviceFact
	for i, d := range locked(h, &h.devices) {
		if d.Zone == "his" {
			ends := h.Now().AddDate(0, 0, 20*i%400-10).Format(time.RFC3339)
			out = append(out, api.DeviceFact{Device: d.ID, Fact: asset.KnownFact{Fact: asset.Fact{Name: asset.FactCertificate, Value: "emr" + fmt.Sprint(i) + ".hospital.example; Hospital CA; " + ends}, Last: d.Last}})
		}
	}
	return out, nil
}

func (h *netHospital) had(_ context.Context, address string, at int64) ([]api.AddressUse, error) {
	if h.empty {
		return nil, nil
	}
	d := locked(h, &h.devices)[0]
	b := locked(h, &h.bindings)[1]
	return []api.AddressUse{{Device: d.ID, Name: d.Name, Address: asset.Address{IP: address, MAC: d.MACs[0], First: at - 1000, Last: at + 1000, Port: "sw1/2"}, Binding: &b}}, nil
}

func (h *netHospital) list(_ context.Context, f api.TalkFilter) ([]api.Talk, error) {
	night := time.UnixMilli(f.Until).In(china).Hour() < 6 && f.Until-f.Since < 2*3600_000
	var out []api.Talk
	for i, t := range h.talks {
		if f.Device != "" && t.ClientDevice != f.Device && t.ServerDevice != f.Device || night && i%4 != 0 {
			continue
		}
		t.Calls = maps.Clone(t.Calls)
		out = append(out, t)
	}
	return out, nil
}

func (h *netHospital) hours(_ context.Context, since, until int64) ([]api.NetworkHour, error) {
	var out []api.NetworkHour
	for at := since; at < until; at += 3600_000 {
		hour := time.UnixMilli(at).In(china).Hour()
		n := int64(200 + 4000*max(0, 8-max(hour-13, 13-hour)))
		x := api.NetworkHour{At: at, Sessions: n}
		if hour == 10 && at/3600_000%5 == 0 {
			x.Violations = 7
		}
		out = append(out, x)
	}
	return out, nil
}

func (h *netHospital) conflicts(context.Context) ([]api.AddressConflict, error) {
	now := h.Now().UnixMilli()
	if h.empty {
		return nil, nil
	}
	return []api.AddressConflict{{At: now - 5000, Kind: asset.ARPSpoof, IP: "10.1.0.1", MAC: "02:66:66:66:66:66", Bound: "02:00:00:00:00:01", VLAN: 20, Port: "sw3/12", Sensor: "core-span", Count: 420}, {At: now - 9e6, Kind: asset.DuplicateIP, IP: "10.9.0.44", MAC: "02:00:08:00:00:01", Count: 3}}, nil
}

func (h *netHospital) subnets(context.Context) ([]api.Subnet, error) {
	if h.empty {
		return nil, nil
	}
	return []api.Subnet{{Prefix: "10.1.0.0/16", Zone: "modality-a", Locked: true, By: "zhao", At: h.Now().UnixMilli() - 9e7, Kept: 40}, {Prefix: "10.9.0.0/16", Zone: "desks", Learnt: 800, Bound: 20}}, nil
}

func (h *netHospital) sensorList(context.Context) ([]api.SensorState, error) {
	if h.empty {
		return nil, nil
	}
	now := h.Now().UnixMilli()
	return []api.SensorState{{Name: "core-span", Version: "0.1.0", Where: []string{"eth1"}, Last: now - 2000, Packets: 918_332_110, Bytes: 5 << 40, PerSecond: 41_020, Bad: 12},
		{Name: "core-router", Where: []string{"eth0", "eth2"}, Zones: []string{"modality-a", "pacs"}, Last: now - 900, Packets: 2_000_000, Drops: 40_000, PerSecond: 900, Enforces: true}, {Name: "ward-7", Last: now - 9e6, Packets: 1000, Problem: "interface eth1 is down"},
		{Name: "air-1", Last: now - 9e5, EventsOnly: true}}, nil
}

func checkPolicy(text string) (zone.Policy, []api.PolicyProblem) {
	if len(text) < 10 {
		return zone.Policy{}, []api.PolicyProblem{{Line: 1, Text: "no zones; write at least two"}}
	}
	return zone.Policy{Name: "x", Version: 1}, nil
}

func (h *netHospital) changePolicy(_ context.Context, w api.PolicyWish, by string) error {
	h.wish("policy %s %d %s", w.What, w.Seconds, by)
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.Now().UnixMilli()
	switch w.What {
	case api.PolicyStage:
		next := *h.state.Force
		next.Life, next.By, next.Reason, next.At, next.Text, next.Denied = zone.Staged, by, w.Reason, now, w.Text, 37
		h.state.Next = &next
	case api.PolicyEnforce:
		next := *h.state.Next
		next.Life, next.Until = zone.Waiting, now+int64(w.Seconds)*1000
		h.state.Next = &next
	case api.PolicyConfirm, api.PolicyRollBack:
		h.state.Next = nil
	}
	return nil
}

func (h *netHospital) simulate(_ context.Context, w api.SimulationWish, by string) (string, error) {
	h.wish("simulate %d %s", w.Days, by)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.runs = append([]api.SimulationRun{{ID: "s3", By: by, Begun: h.Now().UnixMilli(), Days: w.Days, Share: 0.4}}, h.runs...)
	return "s3", nil
}

func (h *netHospital) simulated(_ context.Context, id string) (api.SimulationRun, error) {
	for _, r := range locked(h, &h.runs) {
		if r.ID == id {
			return r, nil
		}
	}
	return api.SimulationRun{}, fs.ErrNotExist
}
