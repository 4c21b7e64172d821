package console

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/zone"
)

// pairsShown is how many pairs of zones the table holds at once, mostPairs
// with the fold open.
const (
	pairsShown = 12
	mostPairs  = 300
)

// networkTabs are the pages about the network.
func networkTabs() [][2]string {
	return [][2]string{{"/network", "map"}, {"/network/devices", "devices"}, {"/network/zones", "zones"},
		{"/network/simulation", "simulation"}, {"/network/addresses", "addresses"}, {"/network/transport", "transport"},
		{"/network/wireless", "wireless"}, {"/network/sensors", "sensors"}}
}

// tab marks the tab that a page belongs to.
func (p *page) tab(path string) bool {
	return p.path == path || path != "/network" && strings.HasPrefix(p.path, path+"/")
}

// policyWord says by which policy the map judges.
func (p *page) policyWord(l zone.Life) string {
	if l == "" {
		return p.T("life.none")
	}
	return p.T("life." + string(l))
}

// spanText is the time that the map shows.
func (p *page) spanText(a mapAsk) string {
	if a.Span == "hour" {
		return p.T("network.span.at", p.Time(a.since()), p.clockOf(min(a.until(), p.now.UnixMilli())))
	}
	return p.T("network.span.at", p.Time(a.since()), p.Time(min(a.until(), p.now.UnixMilli())))
}

// mapAlt says in a sentence what the picture shows.
func (p *page) mapAlt(m netMap) string {
	return p.T("network.alt", p.Num(int64(len(m.Groups))), p.Num(int64(m.Tiles.Devices)), p.Num(m.Tiles.Violations))
}

// servicesText names the first services.
func (p *page) servicesText(names []string, most int) string {
	var out []string
	for _, n := range names[:min(len(names), most)] {
		out = append(out, p.serviceText(n))
	}
	if len(names) > most {
		out = append(out, fmt.Sprintf("+%d", len(names)-most))
	}
	return strings.Join(out, " · ")
}

func (p *page) edgeText(e *netEdge) string {
	s := e.From.Title + " → " + e.To.Title + "\n" + p.servicesText(e.Services(), 5) + "\n" + p.T("network.hover", p.Num(e.Sessions), p.bytes(e.Bytes))
	if e.Violations > 0 {
		s += "\n▲ " + p.T("network.hover.bad", p.Num(e.Violations))
		for _, b := range e.worst(3) {
			s += "\n  " + b.From + " → " + b.To + " · " + p.serviceText(b.Service)
		}
	}
	return s
}

// worst are the violations of an edge with the most tries.
func (e *netEdge) worst(n int) []badTalk {
	var all []badTalk
	for _, b := range e.devices {
		all = append(all, *b)
	}
	slices.SortFunc(all, worseTalk)
	return all[:min(n, len(all))]
}

func (p *page) lineText(l focusLine) string {
	from, to := l.Name, l.other.Title
	if !l.out {
		from, to = to, from
	}
	s := from + " → " + to + "\n" + p.servicesText(l.Services(), 5) + "\n" + p.T("network.hover.sessions", p.Num(l.Sessions))
	if l.Violations > 0 {
		s += "\n▲ " + p.T("network.hover.bad", p.Num(l.Violations))
	}
	return s
}

func (p *page) groupText(g *netGroup) string {
	s := g.Title + "\n" + p.N("network.count", len(g.Devices))
	for _, k := range g.Kinds[:min(len(g.Kinds), 12)] {
		s += "\n" + p.kindText(k.Name) + " " + p.Num(int64(k.N))
	}
	if g.Inside > 0 {
		s += "\n" + p.T("network.inside", p.Num(g.Inside))
	}
	if g.Bad > 0 {
		s += "\n▲ " + p.T("network.hover.bad", p.Num(g.Bad))
	}
	return s
}

// letters is how many fit into a line of the box.
func (g *netGroup) letters() int {
	if g.Bad > 0 {
		return int((g.W - 38) / 7.5)
	}
	return int((g.W - 22) / 7.5)
}

// kindsLine names the kinds of devices that fit into a line, medical first.
func (p *page) kindsLine(g *netGroup) string {
	room := int((g.W - 20) / 6.1)
	line := ""
	for i, k := range g.Kinds {
		part := p.kindText(k.Name) + " " + p.Num(int64(k.N))
		if i > 0 {
			part = line + " · " + part
		}
		if short(part, room) != part {
			if i == 0 {
				return short(part, room)
			}
			break
		}
		line = part
	}
	return line
}

func (p *page) boxLine(g *netGroup) string {
	if g.ID == groupOutside {
		return ""
	}
	return p.N("network.count", len(g.Devices))
}

func (p *page) chipLabel(c focusChip) string {
	if c.Name == "" && c.What.Kind != "" {
		return p.kindText(c.What.Kind) + " " + deviceName(c.Device)
	}
	return deviceName(c.Device)
}

func (p *page) chipText(c focusChip) string {
	s := deviceName(c.Device) + "\n" + p.kindText(c.What.Kind)
	if c.What.Model != "" {
		s += " · " + strings.TrimSpace(c.What.Vendor+" "+c.What.Model)
	}
	if c.LifeSupport {
		s += "\n" + p.T("device.life")
	}
	return s
}

// callText is what was done over a conversation, in clinical words.
func (p *page) callText(name string) string {
	for _, known := range []string{"C-STORE", "C-FIND", "C-MOVE", "C-GET", "C-ECHO", "ADT", "ORM", "ORU", "OMG", "OML", "SIU", "MDM", "DFT", "ACK", "SELECT", "INSERT", "UPDATE", "DELETE"} {
		if name == known || strings.HasPrefix(name, known+"^") || strings.HasPrefix(name, known+"-RQ") {
			return p.T("call."+known) + " (" + name + ")"
		}
	}
	return name
}

// options of the filters of devices.
func kindOptions(p *page, m deviceList) [][2]string {
	var out [][2]string
	for _, k := range m.Kinds {
		name := k.Name
		if name == "" {
			name = api.OnlyUnknown
		}
		out = append(out, [2]string{name, p.kindText(k.Name) + " " + p.Num(int64(k.N))})
	}
	return out
}

func plainOptions(names []string) [][2]string {
	var out [][2]string
	for _, n := range names {
		out = append(out, [2]string{n, n})
	}
	return out
}

func orderOptions(p *page) [][2]string {
	var out [][2]string
	for _, o := range deviceOrders()[1:] {
		out = append(out, [2]string{o, p.T("order." + o)})
	}
	return out
}

func makeOf(d asset.Device) string {
	return strings.Join(slices.DeleteFunc([]string{d.What.Vendor, d.What.Model, d.What.OS}, func(s string) bool { return s == "" }), " · ")
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func portOf(port string, vlan uint16) string {
	if vlan != 0 {
		return strings.TrimSpace(port + fmt.Sprintf(" VLAN %d", vlan))
	}
	return port
}

func (p *page) aging(d asset.Device) bool { return api.Aging(d, p.now) }

// sureness is the colour of a confidence.
func sureness(c float64) string {
	switch {
	case c >= 0.8:
		return "sure"
	case c >= 0.5:
		return "medium"
	}
	return "high"
}

func (p *page) way(out bool) string {
	if out {
		return p.T("device.way.out")
	}
	return p.T("device.way.in")
}

// zoneTitle is what people call a zone.
func (p *page) zoneTitle(name string) string { return cmp.Or(p.zones[name], name) }

// sensorCalled is a sensor's name without the mark of its kind.
func sensorCalled(name string) string { return strings.TrimPrefix(name, "sensor:") }

func (p *page) peerLine(t deviceTalk) string {
	var parts []string
	if t.PeerKind != "" {
		parts = append(parts, p.kindText(t.PeerKind))
	}
	if t.PeerZone != "" {
		parts = append(parts, p.zoneTitle(t.PeerZone))
	}
	return strings.Join(parts, " · ")
}

// worstFirst are weaknesses, those being exploited first.
func worstFirst(list []asset.Weakness) []asset.Weakness {
	out := slices.Clone(list)
	slices.SortStableFunc(out, func(a, b asset.Weakness) int {
		return cmp.Or(compareBool(a.Exploited, b.Exploited), cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// deviceRows are what people and imports said, and where it is.
func (p *page) deviceRows(m deviceFile) [][2]string {
	all := [][2]string{{p.T("network.department"), m.Department}, {p.T("device.location"), m.Location}, {p.T("devices.zone"), m.Zone},
		{p.T("device.criticality"), p.T("criticality." + fmt.Sprint(min(max(m.Criticality, 0), 4)))}, {p.T("device.switch"), m.Switch}, {p.T("device.serial"), m.Serial},
		{p.T("device.firmware"), m.Firmware}, {p.T("device.eol"), m.EndOfLife}, {p.T("device.support"), m.SupportEnds},
		{p.T("device.first"), p.Full(m.First)}, {p.T("device.sensors"), strings.Join(m.Sensors, ", ")}, {p.T("device.imported"), strings.Join(m.Imported, ", ")}}
	return slices.DeleteFunc(all, func(r [2]string) bool { return r[1] == "" })
}

// isolateTerms says under which terms a device is cut off.
func (p *page) isolateTerms(c cut) string {
	parts := []string{p.T("isolate.approvals", c.Class.Approvals())}
	if c.Life > 0 {
		parts = append(parts, p.T("isolate.life.span", p.minutes(c.Life.Minutes())))
	}
	if c.Hourly > 0 {
		parts = append(parts, p.T("isolate.cap", c.Used, c.Hourly))
	}
	return strings.Join(parts, " ")
}

// hours are how many may be chosen; 0 where the action takes none.
func (c cut) hours() int {
	if !slices.Contains(c.Params, "hours") {
		return 0
	}
	return int(c.Life.Hours())
}

// cutText is what the button says.
func (p *page) cutText(c cut) string {
	if c.Main {
		return p.T("isolate.do")
	}
	return p.In(c.Title)
}

func (p *page) cutConfirm(m deviceFile, c cut) string {
	if c.Main {
		return p.T("isolate.confirm", deviceName(m.Device))
	}
	return p.T("isolate.other", deviceName(m.Device), p.In(c.Title))
}

// undoText says what undoing does.
func (p *page) undoText(m deviceFile, action string) string {
	if len(m.Cuts) > 0 && m.Cuts[0].Name == action {
		return p.T("isolate.undo")
	}
	return p.T("isolate.back")
}
