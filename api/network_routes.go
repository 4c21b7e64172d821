package api

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/playbook"
)

type (
	addressQuestion struct {
		Address string `json:"address"`
		// At is RFC 3339, a date or ms since 1970; empty is any time.
		At string `json:"at,omitempty"`
	}
	policyText struct {
		Text string `json:"text"`
	}
	policyCheck struct {
		OK       bool            `json:"ok"`
		Zones    int             `json:"zones"`
		Conduits int             `json:"conduits"`
		Problems []PolicyProblem `json:"problems"`
	}
	simulationStarted struct {
		ID string `json:"id"`
	}
	accessPointWish struct {
		BSSID string `json:"bssid"`
		Ours  bool   `json:"ours"`
	}
	isolationDecision struct {
		Key     string `json:"key"`
		Approve bool   `json:"approve"`
	}
	// talkLine is a conversation on the wire.
	talkLine struct {
		Client       string           `json:"client"`
		Server       string           `json:"server"`
		Protocol     uint8            `json:"protocol"`
		Port         uint16           `json:"port"`
		App          string           `json:"app,omitempty"`
		ClientDevice string           `json:"client_device,omitempty"`
		ServerDevice string           `json:"server_device,omitempty"`
		ClientName   string           `json:"client_name,omitempty"`
		ServerName   string           `json:"server_name,omitempty"`
		FromZone     string           `json:"from_zone,omitempty"`
		ToZone       string           `json:"to_zone,omitempty"`
		Conduit      string           `json:"conduit,omitempty"`
		Violation    bool             `json:"violation,omitempty"`
		From         int64            `json:"from"`
		Until        int64            `json:"until"`
		Sessions     int64            `json:"sessions"`
		Refused      int64            `json:"refused,omitempty"`
		PacketsOut   int64            `json:"packets_out"`
		PacketsIn    int64            `json:"packets_in"`
		BytesOut     int64            `json:"bytes_out"`
		BytesIn      int64            `json:"bytes_in"`
		Calls        map[string]int64 `json:"calls,omitempty"`
		Clear        []string         `json:"clear,omitempty"`
		TLS          string           `json:"tls,omitempty"`
		SNI          string           `json:"sni,omitempty"`
	}
	transport struct {
		// TLS counts sessions by version, "" being none.
		TLS          map[string]int64 `json:"tls"`
		Clear        []talkLine       `json:"clear"`
		Certificates []Certificate    `json:"certificates"`
	}
)

func talkOf(t Talk) talkLine {
	return talkLine{Client: t.Client.String(), Server: t.Server.String(), Protocol: t.Proto, Port: t.Port, App: t.App,
		ClientDevice: t.ClientDevice, ServerDevice: t.ServerDevice, ClientName: t.ClientName, ServerName: t.ServerName,
		FromZone: t.Verdict.FromZone, ToZone: t.Verdict.ToZone, Conduit: t.Verdict.Conduit, Violation: t.Violates(),
		From: t.From, Until: t.Until, Sessions: t.Sessions, Refused: t.Refused,
		PacketsOut: t.PacketsOut, PacketsIn: t.PacketsIn, BytesOut: t.BytesOut, BytesIn: t.BytesIn,
		Calls: t.Calls, Clear: t.Clear, TLS: t.TLS, SNI: t.SNI}
}

func (a *API) networkRoutes() []route {
	return slices.Concat(a.deviceRoutes(), a.addressRoutes(), a.zoneRoutes())
}

func (a *API) deviceRoutes() []route {
	see, change := identity.SeeNetwork, identity.ChangeNetwork
	return []route{
		{method: "GET", path: "/api/v1/network/devices", id: "listDevices", may: see, status: 200, answer: asset.Device{}, lines: true,
			about: "The devices of the network, medical ones first: what each is and how sure that is, whose it is, its addresses, what is weak in it.",
			params: []param{{"q", "In name, address, vendor, model, location.", nil}, {"kind", "Only of this kind; unknown for those nobody knows.", nil},
				{"zone", "Only in this zone.", nil}, {"department", "Only of this department.", nil}, {"only", "Only those.", DeviceViews()}}, serve: (*call).devices},
		{method: "GET", path: "/api/v1/network/devices/{id}", id: "getDevice", may: see, status: 200, answer: asset.Device{},
			about: "One device with everything known; by id, MAC or IP.", serve: (*call).device},
		{method: "POST", path: "/api/v1/network/devices/{id}", id: "editDevice", may: change, body: DeviceEdit{}, status: 204,
			about: "Say what a device is, whose, where, how critical, whether it keeps patients alive, when it ages.", serve: (*call).deviceEdit},
		{method: "POST", path: "/api/v1/network/devices/{id}/isolate", id: "isolateDevice", may: change, body: IsolationWish{}, status: 202, answer: playbook.Entry{},
			about: "Ask that a device be isolated, its network session ended or its switch port shut: as an action with approval, a cap, an end and an undo; refused for life support.", serve: (*call).isolate},
		{method: "GET", path: "/api/v1/network/isolations", id: "listIsolations", may: see, status: 200, answer: []playbook.Entry{},
			about: "Isolations, ended sessions and shut ports, the newest first.", serve: (*call).isolations},
		{method: "POST", path: "/api/v1/network/isolations/decide", id: "decideIsolation", may: identity.ApproveActions, body: isolationDecision{}, status: 200, answer: playbook.Entry{},
			about: "Approve or deny an isolation that waits, signed in as a person.", serve: (*call).isolationDecide},
		{method: "POST", path: "/api/v1/network/isolations/undo", id: "undoIsolation", may: change, body: entryKey{}, status: 200, answer: playbook.Entry{},
			about: "End an isolation.", serve: (*call).isolationUndo},
		{method: "GET", path: "/api/v1/network/conversations", id: "listConversations", may: see, status: 200, answer: talkLine{}, lines: true,
			about:  "Who talked to whom between two moments, how often, and what the zone policy says of it.",
			params: append(timeParams(), param{"device", "Only with this device at one end.", nil}, param{"clear", "true keeps what has patient data or passwords unencrypted.", []string{"true", "false"}}),
			serve:  (*call).conversations},
		{method: "GET", path: "/api/v1/network/transport", id: "getTransport", may: see, status: 200, answer: transport{},
			about: "What is not encrypted, TLS versions, certificates; of the last 7 days.", serve: (*call).transport},
		{method: "GET", path: "/api/v1/network/sensors", id: "listSensors", may: see, status: 200, answer: []SensorState{},
			about: "The sensors: when heard last, packets, drops, bad frames.", serve: (*call).sensors},
		{method: "GET", path: "/api/v1/network/wireless", id: "listAccessPoints", may: see, status: 200, answer: []AccessPoint{},
			about: "Wireless networks and access points heard.", serve: (*call).wireless},
		{method: "POST", path: "/api/v1/network/wireless", id: "knowAccessPoint", may: change, body: accessPointWish{}, status: 204,
			about: "Say that an access point is ours, or no longer.", serve: (*call).accessPointKnow},
	}
}

func (a *API) addressRoutes() []route {
	see, change := identity.SeeNetwork, identity.ChangeNetwork
	return []route{
		{method: "POST", path: "/api/v1/network/addresses/history", id: "addressHistory", may: see, body: addressQuestion{}, status: 200, answer: []AddressUse{},
			about: "Who had an IP or MAC address, when, who is responsible and who approved it.", serve: (*call).addressHistory},
		{method: "GET", path: "/api/v1/network/bindings", id: "listBindings", may: see, status: 200, answer: binding.Binding{}, lines: true,
			about:  "Who addresses belong to.",
			params: []param{{"state", "Only those.", []string{string(binding.Learnt), string(binding.Bound), string(binding.Locked), string(binding.Ended)}}}, serve: (*call).bindings},
		{method: "POST", path: "/api/v1/network/bindings", id: "decideBindings", may: change, body: BindingWish{}, status: 204,
			about: "Confirm, lock, unlock or end bindings, many at once; or lock a whole network.", serve: (*call).bindingsDecide},
		{method: "POST", path: "/api/v1/network/bindings/import", id: "importBindings", may: change, status: 200, answer: BindingsTaken{},
			body: "text/csv", most: a.Limits.Import, serve: (*call).bindingsImport,
			params: []param{{"reason", "Why, for the record.", nil}},
			about:  "Take a list of addresses in as CSV: mac,ip,port,vlan,person_id,department,note. What bound an address before ends; bad rows are set aside."},
		{method: "GET", path: "/api/v1/network/bindings/export", id: "exportBindings", may: see, status: 200, answer: "text/csv", serve: (*call).bindingsExport,
			params: []param{{"state", "Only those; without it all that have not ended, also those only learnt.", liveStates()}},
			about:  "Bindings as the CSV that imports take: export what was learnt, correct it, import it, and it is reviewed."},
		{method: "GET", path: "/api/v1/network/bindings/conflicts", id: "listAddressConflicts", may: see, status: 200, answer: []AddressConflict{},
			about: "Claims against bindings, and addresses that two devices use.", serve: (*call).conflicts},
		{method: "GET", path: "/api/v1/network/subnets", id: "listSubnets", may: see, status: 200, answer: []Subnet{},
			about: "Networks with bindings, and which are locked.", serve: (*call).subnets},
	}
}

func (a *API) zoneRoutes() []route {
	see, change := identity.SeeNetwork, identity.ChangeNetwork
	return []route{
		{method: "GET", path: "/api/v1/network/policies", id: "getPolicies", may: see, status: 200, answer: PolicyState{},
			about: "The zone policy in force, the one staged or waiting for confirmation, one learnt, and those before.", serve: (*call).policies},
		{method: "POST", path: "/api/v1/network/policies/check", id: "checkPolicy", may: see, body: policyText{}, status: 200, answer: policyCheck{},
			about: "Read a policy and say what is wrong with it.", serve: (*call).policyCheck},
		{method: "POST", path: "/api/v1/network/policies", id: "changePolicy", may: change, body: PolicyWish{}, status: 202,
			about: "Stage (log only), enforce, confirm within the time, verify with probes, or roll back.", serve: (*call).policyChange},
		{method: "GET", path: "/api/v1/network/proof", id: "proveSegmentation", may: see, status: 200, answer: "application/zip",
			about: "The signed bundle that proves the segmentation; check it with cordon verify.", params: []param{langParam()}, serve: (*call).segmentation},
		{method: "POST", path: "/api/v1/network/simulations", id: "startSimulation", may: change, body: SimulationWish{}, status: 202, answer: simulationStarted{},
			about: "Begin a simulation of a policy on the conversations of the last days; without a text, of the staged policy.", serve: (*call).simulationStart},
		{method: "GET", path: "/api/v1/network/simulations", id: "listSimulations", may: see, status: 200, answer: []SimulationRun{},
			about: "Simulations, the newest first.", serve: (*call).simulations},
		{method: "GET", path: "/api/v1/network/simulations/{id}", id: "getSimulation", may: see, status: 200, answer: SimulationRun{},
			about: "One simulation with its report: what would fail, in clinical words, the worst first.", serve: (*call).simulation},
	}
}

// have gives a list that this server keeps, or refuses.
func have[T any](c *call, is bool, get func() ([]T, error)) error {
	if err := c.Networked(); err != nil {
		return err
	}
	if !is {
		return lacks()
	}
	list, err := get()
	if err != nil {
		return err
	}
	if list == nil {
		list = []T{}
	}
	return c.answer(http.StatusOK, list)
}

func (c *call) devices() error {
	if err := c.Networked(); err != nil {
		return err
	}
	only, err := c.oneOf("only", DeviceViews()...)
	if err != nil {
		return err
	}
	all, err := c.Network.Devices(c.r.Context())
	if err != nil {
		return err
	}
	ask := c.r.URL.Query()
	f := DeviceFilter{Text: ask.Get("q"), Kind: ask.Get("kind"), Zone: ask.Get("zone"), Department: ask.Get("department"), Only: only}
	out := c.lines()
	for _, d := range f.Keep(all, c.Now()) {
		if err := out.value(d); err != nil {
			return err
		}
	}
	return out.end()
}

func (c *call) device() error {
	if err := c.Networked(); err != nil {
		return err
	}
	key := c.id()
	if normal, ok := NormalAddress(key); ok {
		key = normal
	}
	d, err := c.Network.Device(c.r.Context(), key)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, d)
}

// done answers a change with nothing.
func (c *call) done(err error) error {
	if err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) deviceEdit() error {
	e, err := read[DeviceEdit](c)
	if err != nil {
		return err
	}
	return c.done(c.EditDevice(c.r.Context(), c.user, c.id(), e))
}

func (c *call) isolate() error {
	wish, err := read[IsolationWish](c)
	if err != nil {
		return err
	}
	e, err := c.IsolateDevice(c.r.Context(), c.user, c.id(), wish)
	if err != nil {
		return err
	}
	return c.answer(http.StatusAccepted, e)
}

func (c *call) isolations() error {
	return have(c, true, func() ([]playbook.Entry, error) { return c.Isolations(c.r.Context(), "") })
}

func (c *call) isolationDecide() error {
	d, err := read[isolationDecision](c)
	if err != nil {
		return err
	}
	return reply[playbook.Entry](c)(c.DecideIsolation(c.r.Context(), c.user, d.Key, d.Approve))
}

func (c *call) isolationUndo() error {
	k, err := read[entryKey](c)
	if err != nil {
		return err
	}
	return reply[playbook.Entry](c)(c.EndIsolation(c.r.Context(), c.user, k.Key))
}

func (c *call) conversations() error {
	since, errSince := c.instant("since")
	until, errUntil := c.instant("until")
	limit, errLimit := c.number("limit", 0, 1_000_000)
	clear, errClear := c.oneOf("clear", "true", "false")
	if err := errors.Join(errSince, errUntil, errLimit, errClear, c.Networked()); err != nil {
		return err
	}
	if c.Network.Talks == nil {
		return lacks()
	}
	until = cmp.Or(until, c.Now().UnixMilli())
	since = cmp.Or(since, until-(24*time.Hour).Milliseconds())
	list, err := c.Network.Talks(c.r.Context(), TalkFilter{Since: since, Until: until, Device: c.r.URL.Query().Get("device"), Clear: clear == "true", Limit: limit})
	if err != nil {
		return err
	}
	out := c.lines()
	for _, t := range list {
		if err := out.value(talkOf(t)); err != nil {
			return err
		}
	}
	return out.end()
}

func (c *call) transport() error {
	if err := c.Networked(); err != nil {
		return err
	}
	if c.Network.Talks == nil {
		return lacks()
	}
	until := c.Now().UnixMilli()
	list, err := c.Network.Talks(c.r.Context(), TalkFilter{Since: until - (7 * 24 * time.Hour).Milliseconds(), Until: until})
	if err != nil {
		return err
	}
	out := transport{TLS: map[string]int64{}, Clear: []talkLine{}}
	for _, t := range list {
		out.TLS[t.TLS] += t.Sessions
		if len(t.Clear) > 0 {
			out.Clear = append(out.Clear, talkOf(t))
		}
	}
	if out.Certificates, err = c.Certificates(c.r.Context()); err != nil {
		return err
	}
	return c.answer(http.StatusOK, out)
}

func (c *call) sensors() error {
	return have(c, c.Network.Sensors != nil, func() ([]SensorState, error) { return c.Network.Sensors(c.r.Context()) })
}

func (c *call) wireless() error {
	return have(c, c.Network.Wireless != nil, func() ([]AccessPoint, error) { return c.Network.Wireless(c.r.Context()) })
}

func (c *call) accessPointKnow() error {
	w, err := read[accessPointWish](c)
	if err != nil {
		return err
	}
	return c.done(c.KnowAccessPoint(c.r.Context(), c.user, w.BSSID, w.Ours))
}

func (c *call) addressHistory() error {
	ask, err := read[addressQuestion](c)
	if err != nil {
		return err
	}
	at, err := c.time("at", strings.TrimSpace(ask.At))
	if err != nil {
		return err
	}
	list, err := c.HadAddress(c.r.Context(), c.user, ask.Address, at)
	return have(c, true, func() ([]AddressUse, error) { return list, err })
}

func (c *call) bindings() error {
	state, err := c.oneOf("state", string(binding.Learnt), string(binding.Bound), string(binding.Locked), string(binding.Ended))
	if err = errors.Join(err, c.Networked()); err != nil {
		return err
	}
	if c.Network.Bindings == nil {
		return lacks()
	}
	list, err := c.Network.Bindings(c.r.Context())
	if err != nil {
		return err
	}
	out := c.lines()
	for _, b := range list {
		if state != "" && string(b.State) != state {
			continue
		}
		if err := out.value(b); err != nil {
			return err
		}
	}
	return out.end()
}

func (c *call) bindingsDecide() error {
	w, err := read[BindingWish](c)
	if err != nil {
		return err
	}
	return c.done(c.Bind(c.r.Context(), c.user, w))
}

func (c *call) bindingsImport() error {
	if err := c.Networked(); err != nil {
		return err
	}
	if c.Network.BindFile == nil {
		return lacks()
	}
	body, done, err := opened(c.r, c.Limits.Import)
	if err != nil {
		return err
	}
	defer done()
	out, err := c.Network.BindFile(c.r.Context(), body, c.user.Name, c.r.URL.Query().Get("reason"))
	if errors.Is(err, binding.ErrFile) || errors.Is(err, errUnpacked) {
		return unreadable(err)
	}
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, out)
}

func (c *call) bindingsExport() error {
	if err := c.Networked(); err != nil {
		return err
	}
	if c.Network.BindingsFile == nil {
		return lacks()
	}
	state, err := c.oneOf("state", liveStates()...)
	if err != nil {
		return err
	}
	var out bytes.Buffer // so that a failure is not half a file
	if err := c.Network.BindingsFile(c.r.Context(), &out, binding.State(state)); err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	_, err = io.Copy(c.w, &out)
	return err
}

func liveStates() []string {
	return []string{string(binding.Learnt), string(binding.Bound), string(binding.Locked)}
}

func (c *call) conflicts() error {
	return have(c, c.Network.Conflicts != nil, func() ([]AddressConflict, error) { return c.Network.Conflicts(c.r.Context()) })
}

func (c *call) subnets() error {
	return have(c, c.Network.Subnets != nil, func() ([]Subnet, error) { return c.Network.Subnets(c.r.Context()) })
}

// zoned refuses where there are no zones.
func (c *call) zoned() error {
	if err := c.Networked(); err != nil {
		return err
	}
	if c.Network.Policies == nil {
		return lacks()
	}
	return nil
}

func (c *call) policies() error {
	if err := c.zoned(); err != nil {
		return err
	}
	return reply[PolicyState](c)(c.Network.Policies(c.r.Context()))
}

func (c *call) policyCheck() error {
	if err := c.zoned(); err != nil {
		return err
	}
	body, err := read[policyText](c)
	if err != nil {
		return err
	}
	p, problems := c.Network.CheckPolicy(body.Text)
	out := policyCheck{OK: !slices.ContainsFunc(problems, func(p PolicyProblem) bool { return !p.Warning }), Zones: len(p.Zones), Conduits: len(p.Conduits), Problems: problems}
	if out.Problems == nil {
		out.Problems = []PolicyProblem{}
	}
	return c.answer(http.StatusOK, out)
}

func (c *call) policyChange() error {
	w, err := read[PolicyWish](c)
	if err != nil {
		return err
	}
	if err := c.MovePolicy(c.r.Context(), c.user, w); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusAccepted)
	return nil
}

func (c *call) segmentation() error {
	if err := c.zoned(); err != nil {
		return err
	}
	if c.Network.Proof == nil {
		return lacks()
	}
	c.w.Header().Set("Content-Disposition", `attachment; filename="cordon-segmentation.zip"`)
	c.w.Header().Set("Content-Type", "application/zip")
	return c.Network.Proof(c.r.Context(), c.lang, onWrite{c})
}

// onWrite begins the answer with the first bytes, so that an error before them
// can still be answered as one.
type onWrite struct{ c *call }

var _ io.Writer = onWrite{}

func (w onWrite) Write(p []byte) (int, error) {
	if !w.c.sent {
		w.c.begin(http.StatusOK, "application/zip")
	}
	return w.c.w.Write(p)
}

func (c *call) simulationStart() error {
	w, err := read[SimulationWish](c)
	if err != nil {
		return err
	}
	id, err := c.StartSimulation(c.r.Context(), c.user, w)
	if err != nil {
		return err
	}
	return c.answer(http.StatusAccepted, simulationStarted{id})
}

func (c *call) simulations() error {
	return have(c, c.Network.Simulations != nil, func() ([]SimulationRun, error) { return c.Network.Simulations(c.r.Context()) })
}

func (c *call) simulation() error {
	if err := c.Networked(); err != nil {
		return err
	}
	if c.Network.Simulation == nil {
		return missing()
	}
	return reply[SimulationRun](c)(c.Network.Simulation(c.r.Context(), c.id()))
}
