package zone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
)

// The actions offered to playbooks.
const (
	IsolateDevice = "isolate-device"
	EndSession    = "end-session"
	ShutPort      = "shut-port"
)

// The bounds of isolation.
const (
	// QuarantineLife is how long an isolation lasts at most; whoever needs
	// longer asks again.
	QuarantineLife   = 4 * time.Hour
	quarantineMost   = 5 // devices at a time, unless set
	quarantineHourly = 5
	// silence is how long a device must not be heard to count as cut off.
	silence = 300 * time.Millisecond
)

// IsolationKind is the kind of the records of isolations; the id is the key of
// the action's entry in the journal.
const IsolationKind = "isolation"

// Sessions ends the sessions by which devices were let in: RADIUS.
type Sessions interface {
	// Disconnect says what the equipment answered.
	Disconnect(ctx context.Context, device packet.MAC) (said string, err error)
}

// Ports shuts the ports that devices hang on: SNMP.
type Ports interface {
	// Find names the port behind which a device is, and says whether it is on.
	Find(ctx context.Context, device packet.MAC) (port string, up bool, err error)
	// Shut refuses a port that is not one device's.
	Shut(ctx context.Context, port string) error
	Open(ctx context.Context, port string) error
}

// Quarantine cuts devices off: it is what stands behind the actions.
//
// What it guarantees: a device that is tagged life-support, or that stands in a
// fail-open zone, is refused, when the action is asked for and again when it is
// done, and the kernel would not drop its packets either. An attacker who
// borrows the address of somebody else does not have them cut off (spare.go). At most Most devices
// are cut off at a time. Every isolation ends by itself, in the kernel, without
// Cordon. Afterwards it looks whether the device has really fallen silent and
// whether clinical conduits still work, and writes both down, each step timed.
type Quarantine struct {
	Isolator Isolator
	// Device finds a device by id, address or MAC.
	Device func(ctx context.Context, name string) (asset.Device, bool, error)
	// FailOpen says that an address is in a fail-open zone.
	FailOpen func(netip.Addr) bool
	// Spared says of an address or a MAC why it is never cut off, whoever has
	// it now; nil where it may be. Shared says that another device than this
	// one used an address lately. Both may be nil.
	Spared func(Isolation) error
	Shared func(a netip.Addr, device string) bool
	// Most bounds how many devices are cut off at a time. Default: 5.
	Most int
	// Sessions and Ports may be nil.
	Sessions Sessions
	Ports    Ports
	// Prober sends Probes, which show that clinical conduits still work.
	Prober Prober
	Probes func(ctx context.Context) []Probe
	// Save keeps a record as evidence.
	Save func(ctx context.Context, r evidence.Record) error
	Now  func() time.Time
	Log  *slog.Logger
}

// Isolated is an isolation with all that was found: the body of a record.
type Isolated struct {
	Key     string          `json:"key"`
	Case    string          `json:"case,omitempty"`
	Action  string          `json:"action"`
	By      string          `json:"by"`
	At      int64           `json:"at"`
	Until   int64           `json:"until,omitempty"`
	Device  string          `json:"device,omitempty"`
	Unknown bool            `json:"unknown,omitempty"` // no device of ours has the address
	Whom    []string        `json:"whom"`
	Reason  string          `json:"reason"`
	Steps   []IsolationStep `json:"steps,omitempty"`
	State   string          `json:"state"` // isolated, not-proven, released
}

// IsolationStep is one thing done or looked at.
type IsolationStep struct {
	Name string        `json:"name"` // rules, session, silence, clinical
	Took time.Duration `json:"took"`
	OK   bool          `json:"ok"`
	Said string        `json:"said"`
}

// whom is what Prepare finds and Undo needs.
type whom struct {
	Device    string       `json:"device,omitempty"`
	Addresses []netip.Addr `json:"addresses,omitempty"`
	MACs      []string     `json:"macs,omitempty"`
	Hours     float64      `json:"hours"`
	// Was are those isolated already, by another action, until then (ms).
	Was  map[string]int64 `json:"was,omitempty"`
	Port string           `json:"port,omitempty"`
	Up   bool             `json:"up,omitempty"`
}

// Actions are what playbooks may have a quarantine do.
func (q *Quarantine) Actions() []playbook.Action {
	params := []string{"device", "address", "mac", "reason", "hours"}
	return []playbook.Action{
		{
			Name: IsolateDevice, Class: playbook.Cut, Hourly: quarantineHourly, Life: QuarantineLife, Repeatable: true, Params: params,
			Ready: q.ready(q.Isolator != nil, "zone.enforce"),
			Title: ocsf.Text{EN: "Cut a device off the network", ZH: "隔离设备"},
			Why: ocsf.Text{EN: "Drops everything from and to the device (device, address or mac), live connections too, for at most 4 hours (hours), and looks whether it has fallen silent and clinical conduits still work. Never a device of life support.",
				ZH: "阻断该设备（device、address 或 mac）的全部通信，包括已建立的连接，最长 4 小时（hours），随后核验设备已静默且临床通道正常。生命支持设备除外。"},
			Prepare: q.prepare, Do: q.isolate, Undo: q.release,
		},
		{
			Name: EndSession, Class: playbook.Restrict, Hourly: quarantineHourly, Repeatable: true, Params: params[:4],
			Ready: q.ready(q.Sessions != nil, "zone.radius"),
			Title: ocsf.Text{EN: "End a device's network session (RADIUS)", ZH: "断开设备的网络会话（RADIUS）"},
			Why: ocsf.Text{EN: "Has the switch or access point end the device's 802.1X session, so that it must sign in anew.",
				ZH: "由交换机或无线设备断开其 802.1X 会话，设备须重新认证。"},
			Prepare: q.prepareSession, Do: q.endSession,
		},
		{
			Name: ShutPort, Class: playbook.Cut, Hourly: quarantineHourly, Life: QuarantineLife, Repeatable: true, Params: params[:4],
			Ready: q.ready(q.Ports != nil, "zone.snmp"),
			Title: ocsf.Text{EN: "Shut a device's switch port (SNMP)", ZH: "关闭设备所在交换机端口（SNMP）"},
			Why: ocsf.Text{EN: "Turns the port off for at most 4 hours. A port with a switch, an access point or several devices behind it is refused. Never a device of life support.",
				ZH: "关闭该端口，最长 4 小时。下联交换机、无线接入点或多台设备的端口不会关闭。生命支持设备除外。"},
			Prepare: q.preparePort, Do: q.shutPort, Undo: q.openPort,
		},
	}
}

func (q *Quarantine) ready(set bool, setting string) func() (bool, ocsf.Text) {
	return func() (bool, ocsf.Text) {
		return set, ocsf.Text{EN: "not set up: give " + setting, ZH: "未配置：请设置 " + setting}
	}
}

// ErrLifeSupport means that a device keeps somebody alive.
var ErrLifeSupport = errors.New("the device is life support or stands in a fail-open zone, and is never cut off; go there")

// find resolves whom a call means, and refuses whom it must not mean.
func (q *Quarantine) find(ctx context.Context, c playbook.Call) (w whom, d asset.Device, err error) {
	if c.Params["reason"] == "" {
		return w, d, errors.New("parameter reason is empty; say why")
	}
	if w.Hours, err = hoursOf(c.Params["hours"]); err != nil {
		return w, d, err
	}
	if text := c.Params["address"]; text != "" {
		ip, err := netip.ParseAddr(text)
		if err != nil || ip.IsLoopback() || ip.IsMulticast() || ip.IsUnspecified() {
			return w, d, errors.New("parameter address is no address of a device")
		}
		w.Addresses = append(w.Addresses, ip.Unmap())
	}
	if text := c.Params["mac"]; text != "" {
		mac := asset.ParseMAC(text)
		if mac == (packet.MAC{}) || mac[0]&1 != 0 {
			return w, d, errors.New("parameter mac is no address of a device; write it as 02:00:00:00:00:01")
		}
		w.MACs = append(w.MACs, asset.MACText(mac))
	}
	for _, name := range []string{c.Params["device"], c.Params["mac"], c.Params["address"]} {
		if name == "" {
			continue
		}
		found, ok, err := q.Device(ctx, name)
		if err != nil {
			return w, d, fmt.Errorf("look up the device: %w", err)
		}
		if !ok && name == c.Params["device"] {
			return w, d, errors.New("no device has this id; give its address or mac")
		}
		if !ok {
			continue
		}
		if d.ID != "" && d.ID != found.ID {
			return w, d, errors.New("device, mac and address are not of one device; ask for each of them")
		}
		d = found
	}
	if d.LifeSupport {
		return w, d, ErrLifeSupport
	}
	if err := q.named(w, d); err != nil {
		return w, d, err
	}
	err = q.widen(&w, d)
	return w, d, err
}

func hoursOf(text string) (float64, error) {
	if text == "" {
		return QuarantineLife.Hours(), nil
	}
	h, err := strconv.ParseFloat(text, 64)
	if err != nil || !(h > 0 && h <= QuarantineLife.Hours()) {
		return 0, fmt.Errorf("parameter hours must be above 0 and at most %.0f; ask again when it ends", QuarantineLife.Hours())
	}
	return h, nil
}

// list is what goes to the kernel.
func (w whom) list(left time.Duration, key string) (list []Isolation) {
	for _, ip := range w.Addresses {
		list = append(list, Isolation{IP: ip, Left: left, Key: key})
	}
	for _, text := range w.MACs {
		if mac := asset.ParseMAC(text); mac != (packet.MAC{}) {
			list = append(list, Isolation{MAC: mac, Left: left, Key: key})
		}
	}
	return list
}

func (i Isolation) name() string {
	if i.IP.IsValid() {
		return i.IP.String()
	}
	return asset.MACText(i.MAC)
}

// prepare notes what is isolated already, and refuses one too many.
func (q *Quarantine) prepare(ctx context.Context, c playbook.Call) (string, error) {
	w, _, err := q.find(ctx, c)
	if err != nil {
		return "", err
	}
	have, err := q.Isolator.Isolated(ctx)
	if err != nil {
		return "", err
	}
	w.Was = map[string]int64{}
	keys := map[string]bool{}
	mine := w.list(0, "")
	for _, h := range have {
		if h.Key == c.Key {
			continue
		}
		keys[h.Key] = true
		if slices.ContainsFunc(mine, func(i Isolation) bool { return i.name() == h.name() }) {
			w.Was[h.name()] = c.Now.Add(h.Left).UnixMilli()
		}
	}
	most := q.Most
	if most == 0 {
		most = quarantineMost
	}
	if len(keys) >= most {
		return "", fmt.Errorf("%d devices are cut off already, which is the most at a time; let one back in first", len(keys))
	}
	return encode(w)
}

func encode(w whom) (string, error) {
	b, err := json.Marshal(w)
	return string(b), err
}

func decode(before string) (w whom, err error) {
	if err = json.Unmarshal([]byte(before), &w); err != nil {
		err = fmt.Errorf("read what was noted before: %w", err)
	}
	return w, err
}

// report collects timed steps.
type report struct {
	Isolated
	now func() time.Time
}

func (r *report) step(name string, f func() (said string, ok bool)) bool {
	begun := r.now()
	said, ok := f()
	r.Steps = append(r.Steps, IsolationStep{Name: name, Took: r.now().Sub(begun), OK: ok, Said: said})
	return ok
}

func (r *report) text() string {
	var b strings.Builder
	b.WriteString(r.State + ": " + strings.Join(r.Whom, ", "))
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "; %s %.0f ms: %s", s.Name, float64(s.Took)/float64(time.Millisecond), s.Said)
	}
	return b.String()
}

func (q *Quarantine) begin(c playbook.Call, action string, w whom, d asset.Device) *report {
	r := &report{now: q.Now, Isolated: Isolated{Key: c.Key, Case: c.Case.ID, Action: action, By: c.By, At: c.Now.UnixMilli(), Device: d.ID, Unknown: d.ID == "",
		Reason: c.Params["reason"], State: "isolated"}}
	for _, i := range w.list(0, "") {
		r.Whom = append(r.Whom, i.name())
	}
	return r
}

// isolate does it and proves it. The addresses are those of now: a device may
// have another since it was asked for.
func (q *Quarantine) isolate(ctx context.Context, c playbook.Call) (string, error) {
	w, d, err := q.find(ctx, c)
	if err != nil {
		return "", err
	}
	left := time.Duration(w.Hours * float64(time.Hour))
	r := q.begin(c, IsolateDevice, w, d)
	r.Until = c.Now.Add(left).UnixMilli()
	r.step("rules", func() (string, bool) {
		var a Applied
		a, err = q.Isolator.Isolate(ctx, w.list(left, c.Key))
		said := fmt.Sprintf("%d addresses in the kernel in %.1f ms, %d conversations ended", a.Elements, float64(a.Took)/float64(time.Millisecond), a.Ended)
		if err == nil {
			return said, true
		}
		if a.Elements > 0 { // at some routers: that stays, is told and can be undone
			said, err, r.State = said+"; not everywhere: "+err.Error(), nil, "not-proven"
		}
		return said, false
	})
	if err != nil {
		return "", err
	}
	q.session(ctx, r, w)
	if !q.silent(ctx, r, w) {
		r.State = "not-proven"
	}
	q.clinical(ctx, r)
	return r.text(), q.save(ctx, r)
}

// session ends sessions where RADIUS is set up; the rules hold without it.
func (q *Quarantine) session(ctx context.Context, r *report, w whom) {
	if q.Sessions == nil {
		return
	}
	for _, text := range w.MACs {
		mac := asset.ParseMAC(text)
		r.step("session", func() (string, bool) {
			said, err := q.Sessions.Disconnect(ctx, mac)
			if err != nil {
				return err.Error(), false
			}
			return said, true
		})
	}
}

// silent looks whether a device still has conversations after a while. What
// is dropped leaves none, so this sends nothing to anybody.
func (q *Quarantine) silent(ctx context.Context, r *report, w whom) bool {
	return r.step("silence", func() (string, bool) {
		t := time.NewTimer(silence)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return "not looked at: stopping", false
		case <-t.C:
		}
		talks, dropped := 0, uint64(0)
		for _, i := range w.list(0, "") {
			n, d, err := q.Isolator.Talking(ctx, i)
			if err != nil {
				return err.Error(), false
			}
			talks += n
			dropped += d
		}
		return fmt.Sprintf("%d conversations left, %d packets dropped since", talks, dropped), talks == 0
	})
}

// clinical tries the conduits that care depends on.
func (q *Quarantine) clinical(ctx context.Context, r *report) {
	if q.Prober == nil || q.Probes == nil {
		return
	}
	r.step("clinical", func() (string, bool) {
		good, bad := 0, []string(nil)
		for _, p := range q.Probes(ctx) {
			x := q.Prober.Probe(ctx, p)
			x.Probe = p
			if x.judge(); x.OK {
				good++
			} else {
				bad = append(bad, p.Name+" ("+x.Said+")")
			}
		}
		if len(bad) == 0 {
			return fmt.Sprintf("%d probes as expected", good), true
		}
		return fmt.Sprintf("%d probes as expected, not: %s", good, strings.Join(bad, ", ")), false
	})
}

func (q *Quarantine) save(ctx context.Context, r *report) error {
	if q.Save == nil {
		return nil
	}
	body, err := json.Marshal(r.Isolated)
	if err != nil {
		return err
	}
	return q.Save(ctx, evidence.Record{Kind: IsolationKind, ID: r.Key, Time: q.Now().UnixMilli(), Person: r.By, Status: r.State, Ref: r.Case, Body: body})
}

// release lets a device back in; what another action cut off before stays so.
func (q *Quarantine) release(ctx context.Context, c playbook.Call) error {
	w, err := decode(c.Before)
	if err != nil {
		return err
	}
	have, err := q.Isolator.Isolated(ctx)
	if err != nil {
		return err
	}
	// Addresses that the device had when it was done, by their key.
	list := w.list(0, c.Key)
	for _, h := range have {
		if h.Key == c.Key && !slices.ContainsFunc(list, func(i Isolation) bool { return i.name() == h.name() }) {
			list = append(list, h)
		}
	}
	var again []Isolation
	for _, i := range list {
		if left := time.UnixMilli(w.Was[i.name()]).Sub(c.Now); left >= time.Second {
			i.Left, i.Key = left, "before "+c.Key
			again = append(again, i)
		}
	}
	if err := q.Isolator.Release(ctx, list); err != nil {
		return err
	}
	if len(again) > 0 {
		if _, err := q.Isolator.Isolate(ctx, again); err != nil {
			return err
		}
	}
	r := q.begin(c, IsolateDevice, w, asset.Device{ID: w.Device})
	r.State = "released"
	return q.save(ctx, r)
}

func (q *Quarantine) prepareSession(ctx context.Context, c playbook.Call) (string, error) {
	w, _, err := q.find(ctx, c)
	if err == nil && len(w.MACs) == 0 {
		err = errors.New("the device's MAC address is not known; give mac")
	}
	if err != nil {
		return "", err
	}
	return encode(w)
}

func (q *Quarantine) endSession(ctx context.Context, c playbook.Call) (string, error) {
	w, d, err := q.find(ctx, c)
	if err != nil {
		return "", err
	}
	r := q.begin(c, EndSession, w, d)
	r.State = "session-ended"
	q.session(ctx, r, w)
	if !slices.ContainsFunc(r.Steps, func(s IsolationStep) bool { return s.OK }) {
		return "", errors.New(r.text())
	}
	return r.text(), q.save(ctx, r)
}

func (q *Quarantine) preparePort(ctx context.Context, c playbook.Call) (string, error) {
	w, _, err := q.find(ctx, c)
	if err != nil {
		return "", err
	}
	if len(w.MACs) != 1 {
		return "", errors.New("the port of one MAC address is shut; give mac")
	}
	if w.Port, w.Up, err = q.Ports.Find(ctx, asset.ParseMAC(w.MACs[0])); err != nil {
		return "", err
	}
	return encode(w)
}

func (q *Quarantine) shutPort(ctx context.Context, c playbook.Call) (string, error) {
	w, err := decode(c.Before)
	if err != nil {
		return "", err
	}
	if _, d, err := q.find(ctx, c); err != nil {
		return "", err
	} else if d.LifeSupport {
		return "", ErrLifeSupport
	}
	r := q.begin(c, ShutPort, w, asset.Device{ID: w.Device})
	r.Until = c.Now.Add(QuarantineLife).UnixMilli()
	r.step("port", func() (string, bool) {
		err = q.Ports.Shut(ctx, w.Port)
		return w.Port, err == nil
	})
	if err != nil {
		return "", err
	}
	q.clinical(ctx, r)
	return r.text(), q.save(ctx, r)
}

// openPort leaves a port off that was off before.
func (q *Quarantine) openPort(ctx context.Context, c playbook.Call) error {
	w, err := decode(c.Before)
	if err != nil || !w.Up {
		return err
	}
	if err := q.Ports.Open(ctx, w.Port); err != nil {
		return err
	}
	r := q.begin(c, ShutPort, w, asset.Device{ID: w.Device})
	r.State = "released"
	return q.save(ctx, r)
}

// Reconcile makes the kernel agree with the journal after a restart: who is
// isolated by an entry that has not ended is, for the rest of the time. It
// returns whom the kernel isolates for a reason the journal does not know.
func (q *Quarantine) Reconcile(ctx context.Context, entries []playbook.Entry) (strange []Isolation, err error) {
	have, err := q.Isolator.Isolated(ctx)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	var add, gone []Isolation
	for _, e := range entries {
		if e.Action != IsolateDevice {
			continue
		}
		known[e.Key] = true
		w, err := decode(e.Before)
		if err != nil {
			continue // was never prepared, so never done
		}
		end := time.UnixMilli(e.Done).Add(time.Duration(w.Hours * float64(time.Hour)))
		left := end.Sub(q.Now())
		for _, i := range w.list(left, e.Key) {
			there := slices.ContainsFunc(have, func(h Isolation) bool { return h.name() == i.name() })
			if e.Status == playbook.StatusDone && left >= time.Second && !there {
				add = append(add, i)
			}
		}
		for _, h := range have {
			if e.Status == playbook.StatusUndone && h.Key == e.Key {
				gone = append(gone, h)
			}
		}
	}
	for _, h := range have {
		if !known[strings.TrimPrefix(h.Key, "before ")] {
			strange = append(strange, h)
		}
	}
	if len(add) > 0 {
		_, err = q.Isolator.Isolate(ctx, add)
	}
	if len(gone) > 0 {
		err = errors.Join(err, q.Isolator.Release(ctx, gone))
	}
	return strange, err
}

// Protect tells the kernel which addresses are never cut off: those of devices
// of life support.
func (q *Quarantine) Protect(ctx context.Context, held []asset.Address) error {
	var list []Isolation
	for _, a := range held {
		list = append(list, Isolation{IP: asset.ParseAddr(a.IP), MAC: asset.ParseMAC(a.MAC)})
	}
	return q.Isolator.Exempt(ctx, list)
}

func describeIsolation(r evidence.Record) ocsf.Text {
	var x Isolated
	if json.Unmarshal(r.Body, &x) != nil {
		return ocsf.Text{}
	}
	state := map[string]string{"isolated": "已隔离", "not-proven": "已下发，未能证实", "released": "已解除", "session-ended": "会话已断开"}[x.State]
	en, zh := x.Action+", "+x.State+", by "+x.By, x.Action+"，"+state+"，操作人 "+x.By
	for _, s := range x.Steps {
		ms := float64(s.Took) / float64(time.Millisecond)
		en += fmt.Sprintf("; %s %.1f ms (%t)", s.Name, ms, s.OK)
		zh += fmt.Sprintf("；%s %.1f 毫秒（%t）", s.Name, ms, s.OK)
	}
	return ocsf.Text{EN: en, ZH: zh}
}
