package node

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/zone"
)

// networkServices is what pages and programs may ask of the network.
func (n *Node) networkServices() api.Network {
	x := n.network
	p := n.policies
	return api.Network{
		Devices: x.devices, Device: x.device, Kinds: func() []api.DeviceKind { return api.DeviceKinds(x.assets) },
		Edit: x.edit, Facts: x.facts, Had: x.had,
		Talks: x.talks, Hours: x.hours,
		Bindings: func(ctx context.Context) ([]binding.Binding, error) {
			return x.bindings.List(ctx, binding.Filter{Ended: true})
		},
		Known: x.bindings.KnownList, SetKnown: x.bindings.SetKnown,
		Conflicts: x.conflicts, Bind: x.bind, Subnets: x.subnets, BindFile: x.bindFile,
		BindingsFile: func(ctx context.Context, w io.Writer, state binding.State) error {
			return x.bindings.Export(ctx, w, binding.Filter{State: state})
		},
		Policies: p.all, CheckPolicy: p.check, ChangePolicy: p.change,
		Simulate: p.simulate, Simulations: p.simulations, Simulation: p.simulation, Proof: n.segmentationProof,
		Isolate: zone.IsolateDevice, Sensors: n.sensorStates, Wireless: x.wireless, Know: n.knowPoint,
	}
}

// devices lists all devices with their zones.
func (x *network) devices(context.Context) ([]asset.Device, error) {
	list, _ := x.assets.Devices(asset.Filter{Retired: true})
	for i := range list {
		x.locate(&list[i])
	}
	return list, nil
}

func (x *network) locate(d *asset.Device) {
	for _, ip := range d.IPs {
		if z := x.place(asset.ParseAddr(ip)); z != nil {
			d.Zone = z.Name
			return
		}
	}
}

// device finds one by its id, MAC or IP.
func (x *network) device(_ context.Context, key string) (asset.Device, error) {
	d, ok := x.assets.Device(key)
	if !ok {
		if d, ok = x.assets.ByAddress(key, 0); !ok {
			return d, fs.ErrNotExist
		}
	}
	x.locate(&d)
	return d, nil
}

// edit takes what somebody says of a device.
func (x *network) edit(ctx context.Context, id string, e api.DeviceEdit, by string) error {
	fields := map[string]string{}
	for name, v := range map[string]*string{
		"name": e.Name, "kind": e.Kind, "vendor": e.Vendor, "model": e.Model, "owner": e.Owner, "department": e.Department, "location": e.Location,
		"end_of_life": e.EndOfLife, "support_ends": e.SupportEnds, "notes": e.Notes,
	} {
		if v != nil {
			fields[name] = *v
		}
	}
	if e.Criticality != nil {
		fields["criticality"] = ""
		if *e.Criticality > 0 {
			fields["criticality"] = strconv.Itoa(*e.Criticality)
		}
	}
	for name, v := range map[string]*bool{"life_support": e.LifeSupport, "retired": e.Retired} {
		if v != nil {
			fields[name] = map[bool]string{true: "yes", false: "no"}[*v]
		}
	}
	_, err := x.assets.Edit(ctx, asset.Edit{Device: id, Fields: fields, By: by})
	return err
}

// facts lists all devices' facts of a kind.
func (x *network) facts(_ context.Context, name asset.FactName) (out []api.DeviceFact, err error) {
	for _, f := range x.assets.Facts(name) {
		out = append(out, api.DeviceFact{Device: f.Device, Fact: f.KnownFact})
	}
	return out, nil
}

// had says who had an address at a time, and who had approved it. A pair that
// people approved counts as well where no packet of it was seen.
func (x *network) had(ctx context.Context, address string, at int64) (out []api.AddressUse, err error) {
	held, err := x.bindings.Held(ctx, address, at)
	if err != nil {
		return nil, err
	}
	for _, u := range x.assets.Had(address, at) {
		use := api.AddressUse{Device: u.Device, Name: u.Name, Address: u.Address}
		if i := slices.IndexFunc(held, func(h binding.Holder) bool { return h.Binding.MAC == u.MAC && h.Binding.IP == u.IP }); i >= 0 {
			use.Binding, use.Reason = &held[i].Binding, held[i].Reason
			held = slices.Delete(slices.Clone(held), i, i+1)
		}
		out = append(out, use)
	}
	for _, h := range held {
		b := h.Binding
		use := api.AddressUse{Binding: &b, Reason: h.Reason, Address: asset.Address{MAC: b.MAC, IP: b.IP, VLAN: b.VLAN, Port: b.Port, First: b.First, Last: b.Last, By: "binding"}}
		if d, ok := x.assets.ByAddress(cmp.Or(b.MAC, b.IP), 0); ok {
			use.Device, use.Name = d.ID, d.Name
		}
		out = append(out, use)
	}
	return out, nil
}

// talks sums conversations by their key.
func (x *network) talks(ctx context.Context, f api.TalkFilter) ([]api.Talk, error) {
	sums := map[flow.Key]*flow.Conversation{}
	add := func(c *flow.Conversation) {
		if f.Clear && len(c.Clear) == 0 {
			return
		}
		if old := sums[c.Key]; old != nil {
			old.Add(*c)
			return
		}
		one := *c
		one.Calls, one.Clear = maps.Clone(c.Calls), slices.Clone(c.Clear)
		sums[c.Key] = &one
	}
	if err := x.eachTalk(ctx, f, add); err != nil {
		return nil, err
	}
	names := map[netip.Addr]string{}
	out := make([]api.Talk, 0, len(sums))
	for _, c := range sums {
		t := api.Talk{Conversation: *c, ClientDevice: x.idOf(names, c.Client), ServerDevice: x.idOf(names, c.Server)}
		t.Verdict, t.Judged = x.judge.Verdict(c)
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b api.Talk) int { return cmp.Or(cmp.Compare(b.Sessions, a.Sessions), a.Key.Compare(b.Key)) })
	if f.Limit > 0 && len(out) > f.Limit {
		out = out[:f.Limit]
	}
	return out, nil
}

// eachTalk reads conversations: of a device by its addresses, else all.
func (x *network) eachTalk(ctx context.Context, f api.TalkFilter, add func(*flow.Conversation)) error {
	if f.Device == "" {
		for c, err := range x.flows.Sums(ctx, f.Since, f.Until) {
			if err != nil {
				return err
			}
			add(c)
		}
		return nil
	}
	d, ok := x.assets.Device(f.Device)
	if !ok {
		return fs.ErrNotExist
	}
	seen := map[string]bool{}
	for _, ip := range d.IPs {
		for c, err := range x.flows.Of(ctx, asset.ParseAddr(ip), f.Since, f.Until) {
			if err != nil {
				return err
			}
			if k := fmt.Sprint(c.Key, c.From); !seen[k] { // a device may talk to itself
				seen[k] = true
				add(&c)
			}
		}
	}
	return nil
}

func (x *network) idOf(names map[netip.Addr]string, a netip.Addr) string {
	id, known := names[a]
	if !known {
		id = x.assets.IDOf(asset.AddrText(a))
		names[a] = id
	}
	return id
}

// conflicts lists claims that contradict a binding or each other.
func (x *network) conflicts(ctx context.Context) (out []api.AddressConflict, err error) {
	list, err := x.bindings.Conflicts(ctx, 0)
	for _, c := range list {
		a := c.Alarm
		one := api.AddressConflict{
			At: a.At / int64(time.Millisecond), Kind: a.Kind, IP: asset.AddrText(a.Victim.IP), MAC: asset.MACText(a.Culprit.MAC), Bound: asset.MACText(a.Victim.MAC),
			VLAN: a.VLAN, Sensor: a.Sensor, Count: c.Times,
		}
		if c.Bound != nil {
			one.Binding, one.Port = c.Bound.ID, c.Bound.Port
		}
		out = append(out, one)
	}
	return out, err
}

// bind decides about bindings or a whole network.
func (x *network) bind(ctx context.Context, w api.BindingWish, by string) error {
	if w.What == api.BindSubnet || w.What == api.BindOpen {
		p, err := netip.ParsePrefix(w.Subnet)
		if err != nil {
			return fmt.Errorf("subnet %q is no network such as 10.2.0.0/24", w.Subnet)
		}
		return x.bindings.SetNetwork(ctx, p, 0, w.What == api.BindSubnet, by, w.Note)
	}
	d := binding.Decision{Act: binding.Act(w.What), IDs: w.IDs, Person: w.Person, Department: w.Department, Note: w.Note, By: by, Reason: w.Note}
	if len(w.IDs) == 0 && w.Subnet != "" {
		p, err := netip.ParsePrefix(w.Subnet)
		if err != nil {
			return fmt.Errorf("subnet %q is no network such as 10.2.0.0/24", w.Subnet)
		}
		_, err = x.bindings.DecideNetwork(ctx, binding.Network{Prefix: p}, d, binding.Learnt)
		return err
	}
	return x.bindings.Decide(ctx, d)
}

// bindFile takes a list of bindings in.
func (x *network) bindFile(ctx context.Context, r io.Reader, by, reason string) (api.BindingsTaken, error) {
	n, rejects, err := x.bindings.Import(ctx, r, by, reason)
	return api.BindingsTaken{Taken: n, Rejected: append([]binding.Reject{}, rejects...)}, err
}

// subnets lists the networks with bindings: those of zones, else /24 and /64.
func (x *network) subnets(ctx context.Context) ([]api.Subnet, error) {
	list, err := x.bindings.List(ctx, binding.Filter{})
	if err != nil {
		return nil, err
	}
	nets := map[string]*api.Subnet{}
	for _, net := range x.bindings.Networks() {
		if net.Prefix.IsValid() {
			nets[net.Prefix.String()] = &api.Subnet{Prefix: net.Prefix.String(), Locked: net.Locked, By: net.By, At: net.At}
		}
	}
	for _, b := range list {
		s := x.subnetOf(nets, asset.ParseAddr(b.IP))
		if s == nil {
			continue
		}
		switch b.State {
		case binding.Learnt:
			s.Learnt++
		case binding.Bound:
			s.Bound++
		case binding.Locked:
			s.Kept++
		}
	}
	out := make([]api.Subnet, 0, len(nets))
	for _, s := range nets {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b api.Subnet) int { return cmp.Compare(a.Prefix, b.Prefix) })
	return out, nil
}

func (x *network) subnetOf(nets map[string]*api.Subnet, ip netip.Addr) *api.Subnet {
	if !ip.IsValid() {
		return nil
	}
	for text, s := range nets {
		if p, err := netip.ParsePrefix(text); err == nil && p.Contains(ip) {
			return s
		}
	}
	s := &api.Subnet{}
	if z := x.place(ip); z != nil {
		s.Zone = z.Name
		for _, p := range z.Networks {
			if p.Contains(ip) {
				s.Prefix = p.Masked().String()
			}
		}
	}
	if s.Prefix == "" {
		bits := 24
		if ip.Is6() {
			bits = 64
		}
		p, _ := ip.Prefix(bits) // the bits fit the family
		s.Prefix = p.String()
	}
	nets[s.Prefix] = s
	return s
}

// wireless lists the access points heard.
func (x *network) wireless(context.Context) (out []api.AccessPoint, err error) {
	list, _ := x.assets.Devices(asset.Filter{})
	clients := map[string]int{}
	for _, d := range list {
		full, ok := x.assets.Device(d.ID)
		if !ok {
			continue
		}
		ap := api.AccessPoint{Vendor: full.What.Vendor, Sensors: full.Sensors, First: full.First, Last: full.Last}
		heard := false
		for _, f := range full.Facts {
			switch f.Name {
			case asset.FactSSID:
				ap.SSID, heard = f.Value, true
			case asset.FactChannel:
				ap.Channel, _ = strconv.Atoi(f.Value)
			case asset.FactSecurity:
				ap.Security = f.Value
			case asset.FactSignal:
				ap.Signal, _ = strconv.Atoi(f.Value)
			case asset.FactJoined:
				clients[f.Value]++
			}
		}
		if heard && len(full.MACs) > 0 {
			ap.BSSID, ap.Ours = full.MACs[0], full.Decided
			x.air.tell(&ap)
			out = append(out, ap)
		}
	}
	for i := range out {
		out[i].Clients = clients[out[i].BSSID]
	}
	slices.SortFunc(out, func(a, b api.AccessPoint) int {
		return cmp.Or(cmp.Compare(a.SSID, b.SSID), cmp.Compare(a.BSSID, b.BSSID))
	})
	return out, nil
}

// sensorStates are the sensors of this process and those that report.
func (n *Node) sensorStates(context.Context) ([]api.SensorState, error) {
	list := n.enforce.desk.list()
	for _, s := range n.sensors.all() {
		list = append(list, stateOf(s, n.version))
	}
	list = withSources(list, n.sources.list())
	slices.SortFunc(list, func(a, b api.SensorState) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}
