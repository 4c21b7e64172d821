package console

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/zone"
)

// Groups of the map that are no zones: addresses outside the hospital, and
// those of the hospital in no zone.
const (
	groupOutside = "~outside"
	groupNone    = "~none"
	groupRest    = "~rest" // networks beyond those that fit
)

// mostGroups is how many groups the map draws; the smallest others are one.
const mostGroups = 44

// mapDays is how far the time slider goes back.
const mapDays = 30

// mapAsk is what the map is asked for. All of it stands in the address and
// none of it names a person.
type mapAsk struct {
	// At is the hour since 1970 with which the span ends; Now says that it is
	// the present one, and then the map stays fresh.
	At    int64
	Now   bool
	Span  string // hour or day
	Zone  string // the group looked into
	Serve string // only this service
	Dept  string // only with a device of this department
	Only  bool   // violations only
	Med   bool   // with a medical device only
}

func (q *request) mapAsk() mapAsk {
	v := q.r.URL.Query()
	now := q.Now().UnixMilli() / hourMS
	a := mapAsk{At: now, Span: "day", Zone: v.Get("zone"), Serve: v.Get("service"), Dept: v.Get("department"), Only: v.Get("only") == "violations", Med: v.Get("medical") != ""}
	if at, err := strconv.ParseInt(v.Get("at"), 10, 64); err == nil {
		a.At = min(max(at, now-mapDays*24), now)
	}
	if v.Get("span") == "hour" {
		a.Span = "hour"
	}
	a.Now = a.At == now
	return a
}

const hourMS = int64(time.Hour / time.Millisecond)

// since and until bound the span, in ms.
func (a mapAsk) until() int64 { return (a.At + 1) * hourMS }

func (a mapAsk) since() int64 {
	if a.Span == "hour" {
		return a.At * hourMS
	}
	return (a.At - 23) * hourMS
}

// query is the address's question; change alters it first.
func (a mapAsk) query(change func(v url.Values)) string {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	if !a.Now {
		set("at", strconv.FormatInt(a.At, 10))
	}
	set("span", map[bool]string{true: "hour"}[a.Span == "hour"])
	set("zone", a.Zone)
	set("service", a.Serve)
	set("department", a.Dept)
	set("only", map[bool]string{true: "violations"}[a.Only])
	set("medical", map[bool]string{true: "1"}[a.Med])
	if change != nil {
		change(v)
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

// with is the map's address with one thing other.
func (a mapAsk) with(name, value string) string {
	return "/network" + a.query(func(v url.Values) {
		if value == "" {
			v.Del(name)
		} else {
			v.Set(name, value)
		}
	})
}

// netMap is the map: groups, and what goes between them.
type netMap struct {
	Ask     mapAsk
	Groups  []*netGroup
	Edges   []*netEdge
	Pairs   []*netEdge // all, the worst first; Edges are those drawn
	Bad     []badTalk  // violations, by device
	BadMore int        // violations beyond them
	Tiles   netTiles
	Policy  zone.Life // of the policy that judged; "" for none
	Focus   *netFocus
	Hours   hourBars
	// What filters offer.
	Services    []string
	Departments []string
	Sensors     int
	W, H        float64
	byID        map[string]*netGroup
}

// netTiles are the map's numbers.
type netTiles struct {
	Devices, Medical, Unknown, New int
	Violations                     int64
	Silent, Sensors                int
}

// netGroup is a zone, or what stands for one.
type netGroup struct {
	ID, Title, Kind string
	// Devices are those in it; Seen those that talked.
	Devices []asset.Device
	Kinds   []kindN
	Medical int
	Unknown int
	Inside  int64 // sessions within it
	Bad     int64 // violating sessions out of it or into it
	layer   int
	X, Y    float64
	W, H    float64
	nx, ny  float64 // the normal into the middle
	// Open says that it is the one looked into.
	Open bool
}

// kindN is how many devices of a kind there are.
type kindN struct {
	Name    string
	N       int
	Medical bool
}

// netEdge is all that goes from one group to another.
type netEdge struct {
	From, To   *netGroup
	Sessions   int64
	Bytes      int64
	Allowed    int64 // sessions
	Violations int64 // tries
	services   map[string]int64
	devices    map[[2]string]*badTalk
}

// Services are the names of what goes there, the most frequent first.
func (e *netEdge) Services() []string {
	names := slices.Collect(maps.Keys(e.services))
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(e.services[b], e.services[a]), cmp.Compare(a, b))
	})
	return names
}

// badTalk is a violation between two machines.
type badTalk struct {
	From, To         string // names or addresses
	FromID, ToID     string // devices, "" unknown
	FromZone, ToZone *netGroup
	Service          string
	Sessions         int64
	Refused          int64
	Last             int64
	Medical          bool
}

func (q *request) networkMap() error {
	m, err := q.mapModel()
	if err != nil {
		return err
	}
	p := q.page("nav.network")
	p.network = true
	return q.show(p, mapPage(p, m))
}

// networkLive is the part of the page that the slider and the time change.
func (q *request) networkLive() error {
	m, err := q.mapModel()
	if err != nil {
		return err
	}
	return q.write(http.StatusOK, mapBody(q.page("nav.network"), m))
}

func (q *request) mapModel() (netMap, error) {
	ctx := q.r.Context()
	m := netMap{Ask: q.mapAsk(), byID: map[string]*netGroup{}}
	if q.Network.Devices == nil {
		return m, nil
	}
	devices, err := q.Network.Devices(ctx)
	if err != nil {
		return m, err
	}
	devices = slices.DeleteFunc(slices.Clone(devices), func(d asset.Device) bool { return d.Retired })
	if m.Tiles, err = q.networkTiles(ctx, devices); err != nil {
		return m, err
	}
	policy, err := q.judging(ctx)
	if err != nil {
		return m, err
	}
	m.group(devices, policy, q.page(""))
	if g := m.byID[m.Ask.Zone]; g != nil {
		g.Open, m.Focus = true, &netFocus{Group: g, lines: map[focusKey]*focusLine{}}
	}
	if q.Network.Talks != nil {
		talks, err := q.Network.Talks(ctx, api.TalkFilter{Since: m.Ask.since(), Until: m.Ask.until()})
		if err != nil {
			return m, err
		}
		m.connect(talks, devices)
	}
	if m.Hours, err = q.hourBars(ctx); err != nil {
		return m, err
	}
	m.finish()
	return m, nil
}

// judging is the policy by which conversations are judged, nil for none.
func (q *request) judging(ctx context.Context) (*api.PolicyVersion, error) {
	if q.Network.Policies == nil {
		return nil, nil
	}
	all, err := q.Network.Policies(ctx)
	if err != nil {
		return nil, err
	}
	if all.Force != nil {
		return all.Force, nil
	}
	return all.Next, nil
}

// silentAfter is how long a sensor may be quiet.
const silentAfter = 3 * time.Minute

// eventsAfter is how long one may be quiet that only sends events.
const eventsAfter = time.Hour

func (q *request) networkTiles(ctx context.Context, devices []asset.Device) (t netTiles, err error) {
	now := q.Now()
	for _, d := range devices {
		t.Devices++
		if d.What.Medical {
			t.Medical++
		}
		if d.What.Kind == "" {
			t.Unknown++
		}
		if (api.DeviceFilter{Only: api.OnlyNew}).Fits(d, now) {
			t.New++
		}
	}
	if q.Network.Sensors == nil {
		return t, nil
	}
	sensors, err := q.Network.Sensors(ctx)
	t.Sensors = len(sensors)
	for _, s := range sensors {
		if q.silent(s) {
			t.Silent++
		}
	}
	return t, err
}

func silentAt(s api.SensorState, now time.Time) bool {
	if s.EventsOnly {
		return s.Last < now.Add(-eventsAfter).UnixMilli()
	}
	return s.Last < now.Add(-silentAfter).UnixMilli()
}

func (q *request) silent(s api.SensorState) bool {
	return silentAt(s, q.Now())
}

// layers order zones on the map: care first, then its applications, people's
// desks, infrastructure, and what is outside.
func layerOf(kind string) int {
	switch kind {
	case "life-support", "modality", "iomt", "iomt-gateway", "lab", "middleware":
		return 0
	case "pacs", "vna", "lis", "his", "database", "integration", "viewer":
		return 1
	case "clinician", "office", "finance", "staff-wifi", "research", "printing":
		return 2
	case "infrastructure", "dns", "ntp", "management", "security", "backup", "building", "building-server":
		return 3
	case "dmz", "api-gateway", "guest", "supplier", "insurance-host", "insurance", "bank", "internet":
		return 4
	}
	return 2
}

// group puts devices into the zones of the policy; without one, into the
// networks that they are in, so that the map says something on its first day.
func (m *netMap) group(devices []asset.Device, policy *api.PolicyVersion, p *page) {
	if policy != nil {
		m.Policy = policy.Life
		for _, z := range policy.Policy.Zones {
			m.add(&netGroup{ID: z.Name, Title: cmp.Or(p.In(z.Title), z.Name), Kind: z.Kind, layer: layerOf(z.Kind)})
		}
	}
	for _, d := range devices {
		id := d.Zone
		if policy == nil {
			id = subnetOf(d)
		}
		g := m.at(id, p)
		g.Devices = append(g.Devices, d)
	}
	m.fold(p)
	for _, g := range m.Groups {
		g.count()
	}
}

func (m *netMap) add(g *netGroup) *netGroup {
	m.byID[g.ID] = g
	m.Groups = append(m.Groups, g)
	return g
}

// at finds a group, or makes it.
func (m *netMap) at(id string, p *page) *netGroup {
	if id == "" {
		id = groupNone
	}
	if g := m.byID[id]; g != nil {
		return g
	}
	g := &netGroup{ID: id, Title: id, layer: 2}
	switch id {
	case groupNone:
		g.Title, g.layer = p.T("network.group.none"), 5
	case groupOutside:
		g.Title, g.layer = p.T("network.group.outside"), 6
	case groupRest:
		g.Title, g.layer = p.T("network.group.rest"), 5
	}
	return m.add(g)
}

// subnetOf is the /24 (or /64) network that a device is in.
func subnetOf(d asset.Device) string {
	if len(d.IPs) == 0 {
		return ""
	}
	ip, err := netip.ParseAddr(d.IPs[0])
	if err != nil {
		return ""
	}
	return networkOf(ip)
}

func networkOf(ip netip.Addr) string {
	bits := 24
	if ip.Is6() {
		bits = 64
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return ""
	}
	return prefix.String()
}

// fold joins the smallest networks where there are more than the map can
// draw; zones of a policy stay.
func (m *netMap) fold(p *page) {
	m.at(groupOutside, p)
	m.at(groupNone, p)
	if len(m.Groups) <= mostGroups {
		return
	}
	by := slices.Clone(m.Groups)
	slices.SortStableFunc(by, func(a, b *netGroup) int { return cmp.Compare(len(b.Devices), len(a.Devices)) })
	rest := m.at(groupRest, p)
	kept := map[*netGroup]bool{m.byID[groupOutside]: true, m.byID[groupNone]: true, rest: true}
	for _, g := range by {
		if len(kept) < mostGroups {
			kept[g] = true
		} else if !kept[g] {
			rest.Devices = append(rest.Devices, g.Devices...)
			m.byID[g.ID] = rest
		}
	}
	m.Groups = slices.DeleteFunc(m.Groups, func(g *netGroup) bool { return !kept[g] })
}

// count says of which kinds the devices are, medical ones first.
func (g *netGroup) count() {
	n := map[string]*kindN{}
	for _, d := range g.Devices {
		k := n[d.What.Kind]
		if k == nil {
			k = &kindN{Name: d.What.Kind}
			n[d.What.Kind] = k
		}
		k.N++
		k.Medical = k.Medical || d.What.Medical
		if d.What.Medical {
			g.Medical++
		}
		if d.What.Kind == "" {
			g.Unknown++
		}
	}
	for _, k := range n {
		g.Kinds = append(g.Kinds, *k)
	}
	slices.SortFunc(g.Kinds, func(a, b kindN) int {
		return cmp.Or(compareBool(a.Medical, b.Medical), compareBool(a.Name != "", b.Name != ""), cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name))
	})
}

// end is one end of a conversation, as the map shows it.
type end struct {
	name, id string
	group    *netGroup
	medical  bool
	dept     string
}

// deviceName is what people call a device, or else how it is known.
func deviceName(d asset.Device) string {
	if d.Name != "" {
		return d.Name
	}
	if len(d.IPs) > 0 {
		return d.IPs[0]
	}
	if len(d.MACs) > 0 {
		return d.MACs[0]
	}
	return d.ID
}

func (m *netMap) end(addr netip.Addr, id, zoneName string, known map[string]asset.Device) end {
	d, ok := known[id]
	e := end{name: addr.String(), id: id}
	where := zoneName
	if ok {
		e.name, e.medical, e.dept = deviceName(d), d.What.Medical, d.Department
		where = cmp.Or(zoneName, d.Zone)
	}
	if m.Policy == "" && (ok || inside(addr)) {
		where = networkOf(addr)
	}
	e.group = m.byID[where]
	if e.group == nil {
		e.group = m.byID[groupNone]
		if !ok && !inside(addr) {
			e.group = m.byID[groupOutside]
		}
	}
	return e
}

// inside says that an address can be the hospital's own.
func inside(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsLoopback() || !a.IsValid() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// connect sums conversations between groups.
func (m *netMap) connect(talks []api.Talk, devices []asset.Device) {
	known := make(map[string]asset.Device, len(devices))
	for _, d := range devices {
		known[d.ID] = d
	}
	edges := map[[2]*netGroup]*netEdge{}
	services, departments := map[string]bool{}, map[string]bool{}
	for _, d := range devices {
		departments[d.Department] = true
	}
	for i := range talks {
		t := &talks[i]
		name := zone.ServiceName(t.Proto, t.Port, t.App)
		services[name] = true
		from := m.end(t.Client, t.ClientDevice, t.Verdict.FromZone, known)
		to := m.end(t.Server, t.ServerDevice, t.Verdict.ToZone, known)
		if !m.Ask.keeps(t, name, from, to) || m.Focus != nil && from.group != m.Focus.Group && to.group != m.Focus.Group {
			continue
		}
		key := [2]*netGroup{from.group, to.group}
		e := edges[key]
		if e == nil {
			e = &netEdge{From: from.group, To: to.group, services: map[string]int64{}, devices: map[[2]string]*badTalk{}}
			edges[key] = e
		}
		e.add(t, name, from, to)
		if m.Focus != nil {
			m.Focus.add(t, name, from, to)
		}
	}
	m.Pairs = slices.Collect(maps.Values(edges))
	m.Services = named(services)
	m.Departments = named(departments)
}

func named(set map[string]bool) []string {
	delete(set, "")
	return slices.Sorted(maps.Keys(set))
}

// keeps says whether a conversation is asked for.
func (a mapAsk) keeps(t *api.Talk, service string, from, to end) bool {
	switch {
	case a.Only && !t.Violates(), a.Serve != "" && service != a.Serve, a.Med && !from.medical && !to.medical:
		return false
	case a.Dept != "" && from.dept != a.Dept && to.dept != a.Dept:
		return false
	}
	return true
}

func (e *netEdge) add(t *api.Talk, service string, from, to end) {
	n := t.Sessions + t.Refused
	e.Sessions += t.Sessions
	e.Bytes += t.BytesIn + t.BytesOut
	e.services[service] += n
	if e.From == e.To {
		e.From.Inside += t.Sessions
	}
	if !t.Violates() {
		e.Allowed += t.Sessions
		return
	}
	n = max(n, 1)
	e.Violations += n
	e.From.Bad += n
	if e.From != e.To {
		e.To.Bad += n
	}
	key := [2]string{from.name + "\x00" + service, to.name}
	b := e.devices[key]
	if b == nil {
		b = &badTalk{From: from.name, To: to.name, FromID: from.id, ToID: to.id, FromZone: e.From, ToZone: e.To, Service: service, Medical: from.medical || to.medical}
		e.devices[key] = b
	}
	b.Sessions += n
	b.Refused += t.Refused
	b.Last = max(b.Last, t.Until)
}

// badShown is how many violations the table by device holds, badAtOnce how
// many with the fold closed.
const (
	badShown  = 60
	badAtOnce = 12
)

// finish sorts, chooses what is drawn, and places it.
func (m *netMap) finish() {
	slices.SortFunc(m.Pairs, func(a, b *netEdge) int {
		return cmp.Or(cmp.Compare(b.Violations, a.Violations), cmp.Compare(b.Sessions, a.Sessions), cmp.Compare(a.From.ID, b.From.ID), cmp.Compare(a.To.ID, b.To.ID))
	})
	for _, e := range m.Pairs {
		m.Tiles.Violations += e.Violations
		for _, b := range e.devices {
			m.Bad = append(m.Bad, *b)
		}
	}
	slices.SortFunc(m.Bad, worseTalk)
	m.BadMore = max(0, len(m.Bad)-badShown)
	m.Bad = m.Bad[:len(m.Bad)-m.BadMore]
	m.Groups = slices.DeleteFunc(m.Groups, func(g *netGroup) bool {
		return g.ID[0] == '~' && len(g.Devices) == 0 && !m.touches(g)
	})
	m.arrange()
}

// worseTalk orders violations: with medical devices first, then by tries.
func worseTalk(a, b badTalk) int {
	return cmp.Or(compareBool(a.Medical, b.Medical), cmp.Compare(b.Sessions, a.Sessions), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Service, b.Service))
}

func (m *netMap) touches(g *netGroup) bool {
	return slices.ContainsFunc(m.Pairs, func(e *netEdge) bool { return e.From == g || e.To == g })
}

// networkTile is the network on the overview, nil where none is watched or the
// reader may not see it.
func (q *request) networkTile() (*netTiles, error) {
	if q.Network.Devices == nil || !q.ses.User.May(identity.SeeNetwork) {
		return nil, nil
	}
	ctx := q.r.Context()
	devices, err := q.Network.Devices(ctx)
	if err != nil {
		return nil, err
	}
	devices = slices.DeleteFunc(slices.Clone(devices), func(d asset.Device) bool { return d.Retired })
	t, err := q.networkTiles(ctx, devices)
	if err != nil || q.Network.Hours == nil {
		return &t, err
	}
	now := q.Now().UnixMilli()
	hours, err := q.Network.Hours(ctx, now-24*hourMS, now)
	for _, h := range hours {
		t.Violations += h.Violations
	}
	return &t, err
}

// serviceText names a service in the reader's language.
func (p *page) serviceText(name string) string {
	if t := zone.ServiceTitle(name); t.EN != "" {
		return p.In(t)
	}
	return name
}

// kindText names a kind of device.
func (p *page) kindText(name string) string {
	if name == "" {
		return p.T("device.unknown")
	}
	i := slices.IndexFunc(p.kinds, func(k api.DeviceKind) bool { return k.Name == name })
	if i < 0 || p.kinds[i].Title == (ocsf.Text{}) {
		return name
	}
	return p.In(p.kinds[i].Title)
}
