package console

import (
	"cmp"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/identity"
)

// addressFile is the page of who addresses belong to.
type addressFile struct {
	State     string // tab
	Subnet    string
	Rows      []bindingRow
	All, Page int
	Counts    Counts
	Subnets   []api.Subnet
	Conflicts []conflictRow
	May       bool
	Missing   bool
	// Known are machines that may do what others may not.
	Known []binding.Known
	// Asked is the address looked for, At when, Answer what was found.
	Asked, At string
	Answer    []useRow
	Searched  bool
}

// bindingRow is a binding as the page shows it.
type bindingRow struct {
	binding.Binding
	Who      person
	DeviceOf string // its name
	Medical  bool
}

// conflictRow is a conflict with the names of the devices.
type conflictRow struct {
	api.AddressConflict
}

// useRow is who had an address.
type useRow struct {
	api.AddressUse
	Who person
}

// bindingsShown is how many bindings a page of the list holds: what somebody
// reviews at once.
const bindingsShown = 100

// bindingStates are the tabs.
func bindingStates() []string {
	return []string{string(binding.Learnt), string(binding.Bound), string(binding.Locked), string(binding.Ended)}
}

func (q *request) addresses() error {
	m, err := q.addressModel()
	if err != nil {
		return err
	}
	return q.showAddresses(m)
}

func (q *request) showAddresses(m addressFile) error {
	p := q.page("nav.network")
	p.network = true
	if err := q.nameZones(p); err != nil {
		return err
	}
	return q.show(p, addressPage(p, m))
}

func (q *request) addressModel() (addressFile, error) {
	v := q.r.URL.Query()
	m := addressFile{State: v.Get("state"), Subnet: v.Get("subnet"), Counts: Counts{}, May: q.ses.User.May(identity.ChangeNetwork)}
	if !slices.Contains(bindingStates(), m.State) {
		m.State = string(binding.Learnt)
	}
	if q.Network.Bindings == nil || q.Network.Devices == nil {
		m.Missing = true
		return m, nil
	}
	ctx := q.r.Context()
	all, err := q.Network.Bindings(ctx)
	if err != nil {
		return m, err
	}
	devices, err := q.DeviceMap(ctx)
	if err != nil {
		return m, err
	}
	m.Missing = len(all) == 0 && len(devices) == 0
	if q.Network.Known != nil {
		m.Known = q.Network.Known()
	}
	q.chooseBindings(&m, all, devices)
	if q.Network.Subnets != nil {
		if m.Subnets, err = q.Network.Subnets(ctx); err != nil {
			return m, err
		}
	}
	if q.Network.Conflicts != nil {
		list, err := q.Network.Conflicts(ctx)
		if err != nil {
			return m, err
		}
		for _, c := range list {
			m.Conflicts = append(m.Conflicts, conflictRow{c})
		}
	}
	return m, nil
}

func (q *request) chooseBindings(m *addressFile, all []binding.Binding, devices map[string]asset.Device) {
	prefix, err := netip.ParsePrefix(m.Subnet)
	if err != nil {
		m.Subnet = ""
	}
	var list []binding.Binding
	for _, b := range all {
		if ip, bad := netip.ParseAddr(b.IP); m.Subnet != "" && (bad != nil || !prefix.Contains(ip)) {
			continue
		}
		m.Counts[string(b.State)]++
		if string(b.State) == m.State {
			list = append(list, b)
		}
	}
	slices.SortStableFunc(list, func(a, b binding.Binding) int { return cmp.Or(compareIP(a.IP, b.IP), cmp.Compare(a.MAC, b.MAC)) })
	m.All = len(list)
	m.Page, _ = strconv.Atoi(q.r.URL.Query().Get("page"))
	m.Page = min(max(m.Page, 1), m.pages())
	for _, b := range list[(m.Page-1)*bindingsShown : min(len(list), m.Page*bindingsShown)] {
		row := bindingRow{Binding: b, Who: q.whoever(b.Person)}
		if d, ok := devices[b.Device]; ok {
			row.DeviceOf, row.Medical = deviceName(d), d.What.Medical
		}
		m.Rows = append(m.Rows, row)
	}
}

// whoever describes a person, or nobody.
func (q *request) whoever(id string) person {
	if id == "" {
		return person{}
	}
	return q.staff(id, "")
}

func compareIP(a, b string) int {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	if errX != nil || errY != nil {
		return cmp.Compare(a, b)
	}
	return x.Compare(y)
}

func (m addressFile) pages() int { return max(1, (m.All+bindingsShown-1)/bindingsShown) }

// link is the list with another tab or page.
func (m addressFile) link(state string, page int) string {
	s := "/network/addresses?state=" + state
	if m.Subnet != "" {
		s += "&subnet=" + strings.ReplaceAll(m.Subnet, "/", "%2F")
	}
	if page > 1 {
		s += "&page=" + strconv.Itoa(page)
	}
	return s
}

// changeAddresses decides about bindings, and answers who had an address. What
// is looked for is a person's, so it does not stand in the address of the page.
func (q *request) changeAddresses() error {
	ctx, u := q.r.Context(), q.ses.User
	switch what := q.r.PathValue("what"); what {
	case "who":
		return q.whoHad()
	case "known", "unknown":
		return q.knowMachine(what == "known")
	case api.BindConfirm, api.BindLock, api.BindUnlock, api.BindEnd, api.BindSubnet, api.BindOpen:
		person := q.text("person")
		if _, known := q.People.Person(person); person != "" && !known {
			x, ok := q.People.Resolve(person)
			if !ok {
				return q.refused(http.StatusUnprocessableEntity, "error.person")
			}
			person = x.ID
		}
		w := api.BindingWish{What: what, IDs: q.r.Form["id"], Subnet: q.text("subnet"), Person: person, Department: q.text("department"), Note: q.text("note")}
		if err := q.Bind(ctx, u, w); err != nil {
			return err
		}
		return q.redirect("/network/addresses?state=" + map[bool]string{true: q.text("state"), false: "learnt"}[slices.Contains(bindingStates(), q.text("state"))] + "&done=bind")
	}
	return q.refused(http.StatusNotFound, "error.nothing")
}

// knowMachine says that a machine may do what others may not, or takes it away.
func (q *request) knowMachine(may bool) error {
	k := binding.Known{Role: binding.Role(q.text("role")), MAC: q.text("mac"), Also: q.text("also"), IP: asset.ParseAddr(q.text("ip")), State: binding.Bound}
	if vlan, err := strconv.ParseUint(q.text("vlan"), 10, 16); err == nil {
		k.VLAN = uint16(vlan)
	}
	if !may {
		k.State = binding.Ended
	}
	if err := q.KnowMachine(q.r.Context(), q.ses.User, k); err != nil {
		return err
	}
	return q.redirect("/network/addresses?done=bind#known")
}

func (q *request) whoHad() error {
	m, err := q.addressModel()
	if err != nil {
		return err
	}
	m.Asked, m.At, m.Searched = q.text("address"), q.text("at"), true
	at := q.ms("at", 0)
	if clock := q.text("clock"); at > 0 && clock != "" {
		if hour, minute, ok := strings.Cut(clock, ":"); ok {
			h, _ := strconv.Atoi(hour)
			n, _ := strconv.Atoi(minute)
			at += int64(h)*hourMS + int64(n)*60_000
		}
	}
	if err := q.Watch(q.r.Context(), q.ses.User, api.LookedAtAddresses, "", "", ""); err != nil {
		return err
	}
	list, err := q.HadAddress(q.r.Context(), q.ses.User, m.Asked, at)
	if err != nil {
		return err
	}
	for _, x := range list {
		row := useRow{AddressUse: x}
		if x.Binding != nil {
			row.Who = q.whoever(x.Binding.Person)
		}
		m.Answer = append(m.Answer, row)
	}
	return q.showAddresses(m)
}

// conflictKind is the colour of a conflict.
func conflictKind(k asset.AlarmKind) string {
	switch k {
	case asset.ARPSpoof, asset.NDPSpoof, asset.RogueDHCP, asset.RogueRA, asset.ClonedMAC:
		return "bad"
	}
	return "warn"
}
