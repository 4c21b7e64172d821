package console

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/zone"
)

// cmpOr is the first text that is not empty.
func cmpOr(s ...string) string { return cmp.Or(s...) }

// transportFile is the page of what is encrypted and what is not.
type transportFile struct {
	Clear    []clearRow
	Old      []clearRow
	TLS      []tlsRow
	Most     int64
	Certs    []certRow
	Ended    int
	Soon     int
	Patients int // conversations with patient data in clear
	Missing  bool
	Days     int
}

// clearRow is a service that somebody on the wire can read: its server is
// what has to be mended.
type clearRow struct {
	To, ToID string
	Service  string
	What     []string
	TLS, SNI string
	Clients  int
	Some     []netEnd // of its clients
	Sessions int64
	Last     int64
	seen     map[string]bool
}

// netEnd is one end of a conversation: a name, and the device's id if known.
type netEnd struct{ Name, ID string }

// someClients is how many clients a row names.
const someClients = 3

// tlsRow counts the sessions of a version.
type tlsRow struct {
	Version  string
	Sessions int64
	Servers  int
}

// old says that a version is below TLS 1.2.
func (t tlsRow) old() bool { return oldTLS(t.Version) }

func oldTLS(v string) bool { return v != "" && v < "1.2" }

// certRow is a certificate with the device that shows it.
type certRow struct {
	api.Certificate
	Name  string
	Ended bool
	Soon  bool
}

const (
	transportDays  = 7
	transportShown = 100
	certSoon       = 30 * 24 * time.Hour
)

func (q *request) transport() error {
	m := transportFile{Days: transportDays}
	if q.Network.Devices == nil || q.Network.Talks == nil {
		m.Missing = true
	} else if err := q.transportModel(&m); err != nil {
		return err
	}
	p := q.page("nav.network")
	p.network = true
	return q.show(p, transportPage(p, m))
}

func (q *request) transportModel(m *transportFile) error {
	ctx, now := q.r.Context(), q.Now()
	devices, err := q.DeviceMap(ctx)
	if err != nil {
		return err
	}
	talks, err := q.Network.Talks(ctx, api.TalkFilter{Since: now.UnixMilli() - transportDays*24*hourMS, Until: now.UnixMilli() + 1})
	if err != nil {
		return err
	}
	m.Missing = len(devices) == 0 && len(talks) == 0
	m.sum(talks, devices)
	certs, err := q.Certificates(ctx)
	if err != nil {
		return err
	}
	for _, c := range certs {
		if d := devices[c.Device]; d.Retired || c.Ends == 0 {
			continue
		}
		row := certRow{Certificate: c, Name: deviceName(devices[c.Device]), Ended: c.Ends < now.UnixMilli()}
		row.Soon = !row.Ended && c.Ends < now.Add(certSoon).UnixMilli()
		if row.Ended {
			m.Ended++
		}
		if row.Soon {
			m.Soon++
		}
		m.Certs = append(m.Certs, row)
	}
	return nil
}

func (m *transportFile) sum(talks []api.Talk, devices map[string]asset.Device) {
	versions, servers := map[string]*tlsRow{}, map[[2]string]bool{}
	open, old := map[string]*clearRow{}, map[string]*clearRow{}
	for i := range talks {
		t := &talks[i]
		if t.TLS != "" {
			v := versions[t.TLS]
			if v == nil {
				v = &tlsRow{Version: t.TLS}
				versions[t.TLS] = v
			}
			v.Sessions += t.Sessions
			if key := [2]string{t.TLS, t.Server.String()}; !servers[key] {
				servers[key] = true
				v.Servers++
			}
		}
		if slices.Contains(t.Clear, "patient") {
			m.Patients++
		}
		switch {
		case len(t.Clear) > 0:
			addClear(open, t, devices)
		case oldTLS(t.TLS):
			addClear(old, t, devices)
		}
	}
	for _, v := range versions {
		m.TLS = append(m.TLS, *v)
		m.Most = max(m.Most, v.Sessions)
	}
	slices.SortFunc(m.TLS, func(a, b tlsRow) int { return strings.Compare(b.Version, a.Version) })
	m.Clear, m.Old = worstClear(open), worstClear(old)
}

// addClear puts a conversation under its server and service.
func addClear(rows map[string]*clearRow, t *api.Talk, devices map[string]asset.Device) {
	service := zone.ServiceName(t.Proto, t.Port, t.App)
	key := strings.Join([]string{t.Server.String(), service, t.TLS, strings.Join(t.Clear, " ")}, "\x00")
	row := rows[key]
	if row == nil {
		row = &clearRow{To: nameOf(t.ServerDevice, t.Server.String(), devices), ToID: t.ServerDevice, Service: service, What: t.Clear, TLS: t.TLS, seen: map[string]bool{}}
		rows[key] = row
	}
	row.Sessions += t.Sessions
	row.Last, row.SNI = max(row.Last, t.Until), cmp.Or(row.SNI, t.SNI)
	client := t.Client.String()
	if row.seen[client] {
		return
	}
	row.seen[client] = true
	row.Clients++
	if len(row.Some) < someClients {
		row.Some = append(row.Some, netEnd{nameOf(t.ClientDevice, client, devices), t.ClientDevice})
	}
}

// worstClear orders services: those with patient data first.
func worstClear(rows map[string]*clearRow) []clearRow {
	var out []clearRow
	for _, r := range rows {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b clearRow) int {
		return cmp.Or(compareBool(slices.Contains(a.What, "patient"), slices.Contains(b.What, "patient")), cmp.Compare(b.Sessions, a.Sessions), cmp.Compare(a.To, b.To), cmp.Compare(a.Service, b.Service), cmp.Compare(a.TLS, b.TLS))
	})
	return out
}

func nameOf(id, address string, devices map[string]asset.Device) string {
	if d, ok := devices[id]; ok {
		return deviceName(d)
	}
	return address
}

// wirelessFile is the page of networks on the air.
type wirelessFile struct {
	Networks []ssid
	Bad      int
	Unknown  int
	Points   int
	May      bool
	Missing  bool
}

// ssid is a network with its access points.
type ssid struct {
	Name   string
	Points []api.AccessPoint
	Ours   bool
	Bad    bool
}

func (q *request) wireless() error {
	m := wirelessFile{May: q.ses.User.May(identity.ChangeNetwork) && q.Network.Know != nil}
	if q.Network.Wireless == nil {
		m.Missing = true
	} else {
		list, err := q.Network.Wireless(q.r.Context())
		if err != nil {
			return err
		}
		m.group(list)
	}
	p := q.page("nav.network")
	p.network = true
	return q.show(p, wirelessPage(p, m))
}

// group puts access points under their networks, those with alarms first.
func (m *wirelessFile) group(list []api.AccessPoint) {
	by := map[string]*ssid{}
	for _, x := range list {
		m.Points++
		s := by[x.SSID]
		if s == nil {
			s = &ssid{Name: x.SSID}
			by[x.SSID] = s
		}
		s.Points = append(s.Points, x)
		s.Ours = s.Ours || x.Ours
		if len(x.Alarms) > 0 {
			s.Bad = true
			m.Bad++
		}
		if !x.Ours {
			m.Unknown++
		}
	}
	for _, s := range by {
		slices.SortFunc(s.Points, func(a, b api.AccessPoint) int {
			return cmp.Or(compareBool(len(a.Alarms) > 0, len(b.Alarms) > 0), compareBool(a.Ours, b.Ours), cmp.Compare(a.BSSID, b.BSSID))
		})
		m.Networks = append(m.Networks, *s)
	}
	slices.SortFunc(m.Networks, func(a, b ssid) int {
		return cmp.Or(compareBool(a.Bad, b.Bad), compareBool(a.Ours, b.Ours), cmp.Compare(len(b.Points), len(a.Points)), cmp.Compare(a.Name, b.Name))
	})
}

// knowPoint says that an access point is ours, or no longer.
func (q *request) knowPoint() error {
	what := q.r.PathValue("what")
	if what != "ours" && what != "foreign" {
		return q.refused(http.StatusNotFound, "error.nothing")
	}
	if err := q.KnowAccessPoint(q.r.Context(), q.ses.User, q.text("bssid"), what == "ours"); err != nil {
		return err
	}
	return q.redirect("/network/wireless?done=wireless")
}

// weakAir says that a network's protection is none or broken.
func weakAir(x api.AccessPoint) bool {
	return x.Security == "open" || x.Security == "wep" || x.Security == "wpa"
}

// sensorFile is the page of sensors.
type sensorFile struct {
	List    []api.SensorState
	Missing bool
}

func (q *request) sensors() error {
	m, err := q.sensorModel()
	if err != nil {
		return err
	}
	p := q.page("nav.network")
	p.network = true
	return q.show(p, sensorsPage(p, m))
}

// sensorsLive is the list, fresh.
func (q *request) sensorsLive() error {
	m, err := q.sensorModel()
	if err != nil {
		return err
	}
	return q.write(http.StatusOK, sensorTable(q.page("nav.network"), m))
}

func (q *request) sensorModel() (m sensorFile, err error) {
	if q.Network.Sensors == nil {
		m.Missing = true
		return m, nil
	}
	m.List, err = q.Network.Sensors(q.r.Context())
	slices.SortStableFunc(m.List, func(a, b api.SensorState) int {
		return cmp.Or(compareBool(q.silent(a), q.silent(b)), cmp.Compare(a.Name, b.Name))
	})
	return m, err
}

// sensorState is the word for how a sensor does, and its colour.
func (p *page) sensorState(s api.SensorState) (class, text string) {
	switch {
	case silentAt(s, p.now):
		return "bad", p.T("sensor.silent")
	case s.Problem != "":
		return "bad", p.T("sensor.problem")
	case s.Drops*1000 > s.Packets && s.Drops > 0:
		return "warn", p.T("sensor.drops")
	}
	return "good", p.T("sensor.well")
}
