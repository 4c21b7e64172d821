package console

import (
	"cmp"
	"encoding/csv"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
	"github.com/cordon-health/cordon/zone"
)

// devicesShown is how many devices a page of the list holds.
const devicesShown = 100

// deviceList is the list of devices.
type deviceList struct {
	api.DeviceFilter
	Order string
	Page  int
	Rows  []asset.Device
	All   int // that pass the filter
	Empty bool
	Counts
	Kinds       []kindN
	Zones       []string
	Departments []string
}

// Counts are the numbers beside the views of the list.
type Counts map[string]int

func (q *request) deviceFilter() api.DeviceFilter {
	v := q.r.URL.Query()
	f := api.DeviceFilter{Text: strings.TrimSpace(v.Get("q")), Kind: v.Get("kind"), Zone: v.Get("zone"), Department: v.Get("department"), Only: v.Get("only")}
	if !slices.Contains(api.DeviceViews(), f.Only) {
		f.Only = ""
	}
	return f
}

func (q *request) devices() error {
	p := q.page("nav.network")
	p.network = true
	m := deviceList{DeviceFilter: q.deviceFilter(), Order: q.r.URL.Query().Get("order"), Counts: Counts{}}
	if q.Network.Devices == nil {
		m.Empty = true
		return q.show(p, devicesPage(p, m))
	}
	if err := q.nameZones(p); err != nil {
		return err
	}
	all, err := q.Network.Devices(q.r.Context())
	if err != nil {
		return err
	}
	m.Empty = len(all) == 0
	m.offer(all, q.Now())
	rows := m.Keep(all, q.Now())
	orderDevices(rows, m.Order)
	m.All = len(rows)
	m.Page, _ = strconv.Atoi(q.r.URL.Query().Get("page"))
	m.Page = min(max(m.Page, 1), m.pages())
	m.Rows = rows[(m.Page-1)*devicesShown : min(len(rows), m.Page*devicesShown)]
	return q.show(p, devicesPage(p, m))
}

func (m deviceList) pages() int { return max(1, (m.All+devicesShown-1)/devicesShown) }

// offer collects what the filters offer.
func (m *deviceList) offer(all []asset.Device, now time.Time) {
	zones, departments := map[string]bool{}, map[string]bool{}
	g := netGroup{}
	for _, d := range all {
		zones[d.Zone], departments[d.Department] = true, true
		for _, view := range append(api.DeviceViews(), "") {
			if (api.DeviceFilter{Only: view}).Fits(d, now) {
				m.Counts[view]++
			}
		}
	}
	g.Devices = all
	g.count()
	m.Kinds, m.Zones, m.Departments = g.Kinds, named(zones), named(departments)
}

func orderDevices(list []asset.Device, by string) {
	slices.SortStableFunc(list, func(a, b asset.Device) int {
		switch by {
		case "name":
			return cmp.Compare(strings.ToLower(deviceName(a)), strings.ToLower(deviceName(b)))
		case "last":
			return cmp.Compare(b.Last, a.Last)
		case "first":
			return cmp.Compare(b.First, a.First)
		case "weak":
			return cmp.Or(compareBool(api.Exploited(a), api.Exploited(b)), cmp.Compare(len(b.Weaknesses), len(a.Weaknesses)))
		case "zone":
			return cmp.Compare(a.Zone, b.Zone)
		}
		return 0
	})
}

// orders are the words of Order.
func deviceOrders() []string { return []string{"", "name", "zone", "weak", "last", "first"} }

// link is the list with one thing other.
func (m deviceList) link(path, name, value string) string {
	v := url.Values{}
	for k, x := range map[string]string{"q": m.Text, "kind": m.Kind, "zone": m.Zone, "department": m.Department, "only": m.Only, "order": m.Order} {
		if x != "" {
			v.Set(k, x)
		}
	}
	v.Del("page")
	if name != "" && value != "" {
		v.Set(name, value)
	} else {
		v.Del(name)
	}
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}

// devicesCSV gives the list as a file for spreadsheets.
func (q *request) devicesCSV() error {
	if err := q.Networked(); err != nil {
		return err
	}
	all, err := q.Network.Devices(q.r.Context())
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	q.w.Header().Set("Content-Disposition", `attachment; filename="cordon-devices.csv"`)
	w := csv.NewWriter(q.w)
	rows := [][]string{{"id", "name", "kind", "medical", "confidence", "vendor", "model", "os", "ip", "mac", "zone", "department", "location", "owner", "criticality",
		"life_support", "end_of_life", "support_ends", "weaknesses", "exploited", "first", "last"}}
	for _, d := range q.deviceFilter().Keep(all, q.Now()) {
		rows = append(rows, q.csvRow(d))
	}
	return w.WriteAll(rows)
}

func (q *request) csvRow(d asset.Device) []string {
	at := func(ms int64) string { return time.UnixMilli(ms).In(q.Site.Zone).Format(time.RFC3339) }
	row := []string{d.ID, d.Name, d.What.Kind, strconv.FormatBool(d.What.Medical), strconv.FormatFloat(d.What.Confidence, 'f', 2, 64), d.What.Vendor, d.What.Model, d.What.OS,
		strings.Join(d.IPs, " "), strings.Join(d.MACs, " "), d.Zone, d.Department, d.Location, d.Owner, strconv.Itoa(d.Criticality), strconv.FormatBool(d.LifeSupport),
		d.EndOfLife, d.SupportEnds, strconv.Itoa(len(d.Weaknesses)), strconv.FormatBool(api.Exploited(d)), at(d.First), at(d.Last)}
	for i, s := range row {
		row[i] = harmless(s)
	}
	return row
}

// harmless keeps spreadsheets from reading what devices say as a formula.
func harmless(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// deviceFile is one device.
type deviceFile struct {
	asset.Device
	Owner    person
	Talks    []deviceTalk
	More     int
	Findings []ocsf.Finding
	Cases    []caseRow
	Isolated []isolationRow
	// Can are what the reader may do.
	May, Approve bool
	Cuts         []cut
	Aging        bool
	Days         int
	Kinds        []api.DeviceKind
}

// deviceTalk is what a device has with another.
type deviceTalk struct {
	Out      bool // the device began it
	Peer     string
	PeerID   string
	PeerKind string
	PeerZone string
	Service  string
	Calls    []string
	Sessions int64
	Bytes    int64
	Last     int64
	Bad      bool
	Clear    []string
	TLS      string
}

// cut is a way to take the device off the network.
type cut struct {
	playbook.Action
	Ready bool
	How   ocsf.Text
	Held  bool // it holds, or waits for approval
	Main  bool // the isolation itself
	Used  int  // of Hourly, by whichever device
}

// isolationRow is one isolation of the device.
type isolationRow struct {
	playbook.Entry
	Undo, Decide bool
}

const (
	deviceDays  = 7
	talksShown  = 60
	deviceCases = 8
)

func (q *request) device() error {
	if err := q.Networked(); err != nil {
		return err
	}
	key := q.r.PathValue("id")
	if a, ok := api.NormalAddress(key); ok {
		key = a
	}
	d, err := q.Network.Device(q.r.Context(), key)
	if err != nil {
		return err
	}
	if d.ID != q.r.PathValue("id") {
		return q.redirect("/network/devices/" + d.ID)
	}
	m := deviceFile{Device: d, Days: deviceDays, Aging: api.Aging(d, q.Now()), May: q.ses.User.May(identity.ChangeNetwork), Approve: q.ses.User.May(identity.ApproveActions)}
	if d.Owner != "" {
		m.Owner = q.staff(d.Owner, "")
	}
	for _, fill := range []func(*deviceFile) error{q.deviceTalks, q.deviceFindings, q.deviceIsolations} {
		if err := fill(&m); err != nil {
			return err
		}
	}
	p := q.page("nav.network")
	p.network = true
	if err := q.nameZones(p); err != nil {
		return err
	}
	m.Kinds = p.kinds
	return q.show(p, devicePage(p, m))
}

// deviceTalks are the conversations of the last days, the violations first.
func (q *request) deviceTalks(m *deviceFile) error {
	if q.Network.Talks == nil {
		return nil
	}
	ctx, now := q.r.Context(), q.Now().UnixMilli()
	list, err := q.Network.Talks(ctx, api.TalkFilter{Since: now - deviceDays*24*hourMS, Until: now + 1, Device: m.ID})
	if err != nil {
		return err
	}
	known, err := q.DeviceMap(ctx)
	if err != nil {
		return err
	}
	p := q.page("")
	for i := range list {
		m.Talks = append(m.Talks, q.deviceTalk(p, &list[i], m.ID, known))
	}
	slices.SortStableFunc(m.Talks, func(a, b deviceTalk) int {
		return cmp.Or(compareBool(a.Bad, b.Bad), cmp.Compare(b.Sessions, a.Sessions), cmp.Compare(a.Peer, b.Peer))
	})
	m.More = max(0, len(m.Talks)-talksShown)
	m.Talks = m.Talks[:len(m.Talks)-m.More]
	return nil
}

func (q *request) deviceTalk(p *page, t *api.Talk, id string, known map[string]asset.Device) deviceTalk {
	x := deviceTalk{Out: t.ClientDevice == id, Peer: t.Server.String(), PeerID: t.ServerDevice, PeerZone: t.Verdict.ToZone,
		Service: zone.ServiceName(t.Proto, t.Port, t.App), Sessions: t.Sessions + t.Refused, Bytes: t.BytesIn + t.BytesOut, Last: t.Until, Bad: t.Violates(), Clear: t.Clear, TLS: t.TLS}
	name := t.ServerName
	if !x.Out {
		x.Peer, x.PeerID, x.PeerZone, name = t.Client.String(), t.ClientDevice, t.Verdict.FromZone, t.ClientName
	}
	if d, ok := known[x.PeerID]; ok {
		x.Peer, x.PeerKind = deviceName(d), d.What.Kind
	} else if name != "" {
		x.Peer += " (" + name + ")"
	}
	x.Calls = p.callsText(t.Calls)
	return x
}

// callsText are what was done, the most frequent first, in clinical words.
func (p *page) callsText(calls map[string]int64) []string {
	names := named(callNames(calls))
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(calls[b], calls[a]) })
	var out []string
	for _, n := range names[:min(len(names), 4)] {
		out = append(out, p.Num(calls[n])+" × "+p.callText(n))
	}
	return out
}

func callNames(m map[string]int64) map[string]bool {
	out := map[string]bool{}
	for k := range m {
		out[k] = true
	}
	return out
}

// deviceFindings are the cases about a device and the findings in no case, for
// those who may see cases.
func (q *request) deviceFindings(m *deviceFile) error {
	if !q.ses.User.May(identity.SeeCases) {
		return nil
	}
	ctx := q.r.Context()
	for _, s := range q.DeviceSubjects(m.Device) {
		list, err := q.Desk.List(ctx, incident.Query{Subject: s, ByTime: true, Limit: deviceCases})
		if err != nil {
			return err
		}
		cased := map[string]bool{}
		for _, c := range list {
			if q.Sees(q.ses.User, c) {
				m.Cases = append(m.Cases, q.caseRow(c))
			}
			for _, f := range c.Findings {
				cased[f] = true
			}
		}
		found, err := q.Desk.AllFindings(ctx, evidence.Filter{Person: s, Limit: deviceCases}, false)
		if err != nil {
			return err
		}
		for _, f := range found {
			if !cased[f.UID] {
				m.Findings = append(m.Findings, f)
			}
		}
	}
	return nil
}

func (q *request) deviceIsolations(m *deviceFile) error {
	all, err := q.Isolations(q.r.Context(), "")
	if err != nil {
		return err
	}
	own := slices.DeleteFunc(slices.Clone(all), func(e playbook.Entry) bool { return e.Params["device"] != m.ID })
	hour := q.Now().Add(-time.Hour).UnixMilli()
	for i, a := range q.CutActions() {
		c := cut{Action: a, Main: i == 0, Held: q.Held(own, a)}
		c.Ready, c.How = a.Ready()
		for _, e := range all {
			if e.Action == a.Name && e.Done >= hour {
				c.Used++
			}
		}
		if c.Main || c.Ready {
			m.Cuts = append(m.Cuts, c)
		}
	}
	for _, e := range own {
		mine := e.Person() == q.ses.User.Human() || slices.ContainsFunc(e.Decisions, func(d playbook.Decision) bool { return d.Person() == q.ses.User.Human() })
		m.Isolated = append(m.Isolated, isolationRow{e, m.May && q.Undoable(e), m.Approve && e.Status == playbook.StatusWanted && !mine})
	}
	return nil
}

// title names the action of an entry.
func (m deviceFile) title(action string) (t ocsf.Text) {
	for _, c := range m.Cuts {
		if c.Name == action {
			t = c.Title
		}
	}
	return t
}

// changeDevice takes down what people say of a device, isolates and undoes.
func (q *request) changeDevice() error {
	ctx, u, id := q.r.Context(), q.ses.User, q.r.PathValue("id")
	var err error
	switch what := q.r.PathValue("what"); what {
	case "edit":
		if err := q.EditDevice(ctx, u, id, q.deviceEdit()); err != nil {
			return err
		}
		return q.redirect("/network/devices/" + id + "?done=device")
	case "isolate":
		hours, _ := strconv.Atoi(q.text("hours"))
		_, err = q.IsolateDevice(ctx, u, id, api.IsolationWish{Action: q.text("action"), Reason: q.text("reason"), Hours: hours})
	case "undo":
		_, err = q.EndIsolation(ctx, u, q.text("key"))
	case "approve", "deny":
		_, err = q.DecideIsolation(ctx, u, q.text("key"), what == "approve")
	default:
		return q.refused(http.StatusNotFound, "error.nothing")
	}
	if err != nil {
		return err
	}
	return q.redirect("/network/devices/" + id + "?done=isolation#isolate")
}

// deviceEdit reads the form: every field of it is said.
func (q *request) deviceEdit() api.DeviceEdit {
	text := func(name string) *string { s := q.text(name); return &s }
	tick := func(name string) *bool { b := q.text(name) != ""; return &b }
	e := api.DeviceEdit{Name: text("name"), Department: text("department"), Location: text("location"), EndOfLife: text("end_of_life"), SupportEnds: text("support_ends"),
		Notes: text("notes"), LifeSupport: tick("life_support"), Retired: tick("retired")}
	if kind := q.text("kind"); kind != "same" {
		e.Kind = &kind
	}
	if owner := q.text("owner"); owner != "" || q.text("owner_was") != "" {
		if _, known := q.People.Person(owner); !known {
			if person, ok := q.People.Resolve(owner); ok {
				owner = person.ID
			}
		}
		e.Owner = &owner
	}
	if n, err := strconv.Atoi(q.text("criticality")); err == nil {
		e.Criticality = &n
	}
	return e
}
