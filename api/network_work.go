package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/playbook"
	"github.com/cordon-health/cordon/zone"
)

// Networked refuses where no network is watched.
func (s *Services) Networked() error {
	if s.Network.Devices == nil {
		return refuse(http.StatusNotImplemented, "this server watches no network; start a sensor: cordon sensor --server URL", "此服务未监测网络；请启动探针：cordon sensor --server URL")
	}
	return nil
}

// changing refuses who may not change the network.
func (s *Services) changing(u identity.User) error {
	if !u.May(identity.ChangeNetwork) {
		return forbidden()
	}
	return s.Networked()
}

// lacks refuses what this server was not given, so that a page or a program
// is told instead of failing.
func lacks() error {
	return refuse(http.StatusNotImplemented, "this server keeps no such list; an administrator can set it up in the configuration", "此服务未启用该功能，可由管理员在配置中启用")
}

// EditDevice changes what people say of a device.
func (s *Services) EditDevice(ctx context.Context, u identity.User, id string, e DeviceEdit) error {
	if err := s.changing(u); err != nil {
		return err
	}
	if err := s.editable(e); err != nil {
		return err
	}
	d, err := s.Network.Device(ctx, id)
	if err != nil {
		return err
	}
	return s.Network.Edit(ctx, d.ID, e, u.Name)
}

func (s *Services) editable(e DeviceEdit) error {
	for _, text := range []*string{e.Name, e.Vendor, e.Model, e.Owner, e.Department, e.Location} {
		if text != nil && len(*text) > 200 {
			return bad("keep it below 200 characters", "请勿超过 200 个字符")
		}
	}
	if e.Notes != nil && len(*e.Notes) > 4000 {
		return bad("keep the note below 4000 characters", "备注请勿超过 4000 个字符")
	}
	for _, day := range []*string{e.EndOfLife, e.SupportEnds} {
		if day == nil || *day == "" {
			continue
		}
		if _, err := time.Parse(time.DateOnly, *day); err != nil {
			return bad("write dates as 2027-12-31", "日期格式如 2027-12-31")
		}
	}
	if e.Criticality != nil && (*e.Criticality < 0 || *e.Criticality > 4) {
		return bad("criticality is 1 (low) to 4 (critical), 0 for unknown", "重要程度为 1（低）至 4（关键），0 为未定")
	}
	if e.Kind != nil && *e.Kind != "" && !slices.ContainsFunc(s.kinds(), func(k DeviceKind) bool { return k.Name == *e.Kind }) {
		return bad("there is no such kind of device", "没有此设备类型")
	}
	return nil
}

func (s *Services) kinds() []DeviceKind {
	if s.Network.Kinds == nil {
		return nil
	}
	return s.Network.Kinds()
}

// Bind decides about bindings.
func (s *Services) Bind(ctx context.Context, u identity.User, w BindingWish) error {
	if err := s.changing(u); err != nil {
		return err
	}
	if s.Network.Bind == nil {
		return lacks()
	}
	switch w.What {
	case BindConfirm, BindLock, BindUnlock, BindEnd:
		if len(w.IDs) == 0 || len(w.IDs) > 10000 {
			return bad("choose the addresses that this is about", "请先选择地址")
		}
	case BindSubnet, BindOpen:
		p, err := netip.ParsePrefix(w.Subnet)
		if err != nil {
			return bad("name the network as 10.20.0.0/16", "网段格式如 10.20.0.0/16")
		}
		w.Subnet = p.Masked().String()
	default:
		return bad("what is confirm, lock, unlock, end, lock-subnet or open-subnet", "what 须为 confirm、lock、unlock、end、lock-subnet 或 open-subnet")
	}
	if len(w.Person) > 200 || len(w.Department) > 200 || len(w.Note) > 1000 {
		return bad("person, department and note are short", "责任人、科室与备注请简短填写")
	}
	return s.Network.Bind(ctx, w, u.Name)
}

// KnowMachine confirms the role of a machine, or takes it away.
func (s *Services) KnowMachine(ctx context.Context, u identity.User, k binding.Known) error {
	if err := s.changing(u); err != nil {
		return err
	}
	if s.Network.SetKnown == nil {
		return lacks()
	}
	if k.MAC == "" && !k.IP.IsValid() {
		return bad("name the machine by its MAC or address", "请填写设备的 MAC 或 IP 地址")
	}
	k.By = u.Name
	return s.Network.SetKnown(ctx, k)
}

// HadAddress says who had an address at a moment.
func (s *Services) HadAddress(ctx context.Context, u identity.User, address string, at int64) ([]AddressUse, error) {
	if !u.May(identity.SeeNetwork) {
		return nil, forbidden()
	}
	if err := s.Networked(); err != nil {
		return nil, err
	}
	if s.Network.Had == nil {
		return nil, lacks()
	}
	normal, ok := NormalAddress(address)
	if !ok {
		return nil, bad("give an IP address or a MAC, such as 10.2.3.4 or 00:1b:21:0a:0b:0c", "请填写 IP 或 MAC 地址，如 10.2.3.4 或 00:1b:21:0a:0b:0c")
	}
	return s.Network.Had(ctx, normal, at)
}

// NormalAddress writes an IP or a MAC in its one form: MACs may come with
// dashes, dots or without marks, as switches of different makers write them.
func NormalAddress(text string) (string, bool) {
	text = strings.TrimSpace(text)
	if ip, err := netip.ParseAddr(text); err == nil {
		return ip.Unmap().WithZone("").String(), true
	}
	hex := strings.ToLower(strings.NewReplacer(":", "", "-", "", ".", "").Replace(text))
	if len(hex) != 12 || strings.Trim(hex, "0123456789abcdef") != "" {
		return "", false
	}
	var parts []string
	for i := 0; i < 12; i += 2 {
		parts = append(parts, hex[i:i+2])
	}
	return strings.Join(parts, ":"), true
}

// The bounds of the time in which an enforced policy is to be confirmed.
const (
	leastConfirm, usualConfirm, mostConfirm = 30, 300, 3600
)

// MovePolicy stages, enforces, confirms, verifies or rolls back.
func (s *Services) MovePolicy(ctx context.Context, u identity.User, w PolicyWish) error {
	if err := s.changing(u); err != nil {
		return err
	}
	if s.Network.ChangePolicy == nil || s.Network.Policies == nil {
		return lacks()
	}
	now, err := s.Network.Policies(ctx)
	if err != nil {
		return err
	}
	if err := s.movable(&w, now); err != nil {
		return err
	}
	return s.Network.ChangePolicy(ctx, w, u.Name)
}

func (s *Services) movable(w *PolicyWish, now PolicyState) error {
	life := zone.Draft
	if now.Next != nil {
		life = now.Next.Life
	}
	if len(w.Reason) > 1000 {
		return bad("keep the reason below 1000 characters", "理由请勿超过 1000 个字符")
	}
	switch w.What {
	case PolicyStage:
		if life == zone.Waiting {
			return conflict("a policy is in force and waits to be confirmed; confirm it or roll it back first", "有策略已生效并等待确认，请先确认或回退")
		}
		return s.stageable(w.Text, w.Reason)
	case PolicyEnforce:
		if life != zone.Staged {
			return conflict("only a staged policy can be enforced; stage one first", "只能执行已预演的策略，请先预演")
		}
		w.Seconds = cmp.Or(w.Seconds, usualConfirm)
		if w.Seconds < leastConfirm || w.Seconds > mostConfirm {
			return bad("the time to confirm is 30 to 3600 seconds", "确认时限为 30 至 3600 秒")
		}
	case PolicyConfirm:
		if life != zone.Waiting {
			return conflict("no policy waits to be confirmed; it may have been rolled back", "没有等待确认的策略，可能已自动回退")
		}
	case PolicyVerify, PolicyRollBack:
		if now.Next == nil && now.Force == nil {
			return conflict("there is no policy yet", "尚无策略")
		}
	default:
		return bad("what is stage, enforce, confirm, verify or rollback", "what 须为 stage、enforce、confirm、verify 或 rollback")
	}
	return nil
}

func (s *Services) stageable(text, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return bad("say in a few words why", "请简要说明理由")
	}
	_, problems := s.Network.CheckPolicy(text)
	for _, p := range problems {
		if !p.Warning {
			return bad("the policy has mistakes: "+p.Text, "策略有误："+p.Text)
		}
	}
	return nil
}

// StartSimulation begins a simulation.
func (s *Services) StartSimulation(ctx context.Context, u identity.User, w SimulationWish) (string, error) {
	if err := s.changing(u); err != nil {
		return "", err
	}
	if s.Network.Simulate == nil {
		return "", lacks()
	}
	if w.Days < 1 || w.Days > 30 {
		return "", bad("simulate on 1 to 30 days; 7 show a weekend, 30 a month's end", "请选择 1 至 30 天；7 天含周末，30 天含月末")
	}
	if w.Text == "" {
		now, err := s.Network.Policies(ctx)
		if err != nil {
			return "", err
		}
		if now.Next == nil && now.Force == nil {
			return "", conflict("there is no policy yet; paste one", "尚无策略，请粘贴一份")
		}
	} else {
		_, problems := s.Network.CheckPolicy(w.Text)
		if i := slices.IndexFunc(problems, func(p PolicyProblem) bool { return !p.Warning }); i >= 0 {
			return "", bad("the policy has mistakes: "+problems[i].Text, "策略有误："+problems[i].Text)
		}
	}
	return s.Network.Simulate(ctx, w, u.Name)
}

// KnowAccessPoint says that an access point is ours, or no longer.
func (s *Services) KnowAccessPoint(ctx context.Context, u identity.User, bssid string, ours bool) error {
	if err := s.changing(u); err != nil {
		return err
	}
	mac, ok := NormalAddress(bssid)
	if s.Network.Know == nil || !ok {
		return missing()
	}
	return s.Network.Know(ctx, mac, ours, u.Name)
}

// CutActions are the ways to take a device off the network, the isolation
// before those of its switch or access point.
func (s *Services) CutActions() (out []playbook.Action) {
	if s.Network.Isolate == "" || s.Runner == nil {
		return nil
	}
	all := s.Runner.Actions()
	for _, name := range []string{s.Network.Isolate, zone.EndSession, zone.ShutPort} {
		if i := slices.IndexFunc(all, func(a playbook.Action) bool { return a.Name == name }); i >= 0 {
			out = append(out, all[i])
		}
	}
	return out
}

// cutAction is one of them; "" is the isolation.
func (s *Services) cutAction(name string) (playbook.Action, bool) {
	all := s.CutActions()
	i := slices.IndexFunc(all, func(a playbook.Action) bool { return a.Name == cmp.Or(name, s.Network.Isolate) })
	if i < 0 {
		return playbook.Action{}, false
	}
	return all[i], true
}

// The parameters of the isolating action.
const (
	paramDevice = "device"
	paramReason = "reason"
	paramHours  = "hours"
)

// IsolationWish says why a device is to be isolated, and for how long at most;
// 0 hours leave that to the action.
type IsolationWish struct {
	// Action is how: "" isolates it at all routers; end-session and shut-port
	// ask its switch or access point.
	Action string `json:"action,omitempty"`
	Reason string `json:"reason"`
	Hours  int    `json:"hours,omitempty"`
}

// IsolateDevice asks that a device be isolated. What keeps patients alive is
// refused here already: a person decides that at the bedside.
func (s *Services) IsolateDevice(ctx context.Context, u identity.User, id string, wish IsolationWish) (playbook.Entry, error) {
	if err := s.changing(u); err != nil {
		return playbook.Entry{}, err
	}
	a, ok := s.cutAction(wish.Action)
	if !ok {
		return playbook.Entry{}, lacks()
	}
	d, err := s.Network.Device(ctx, id)
	if err != nil {
		return playbook.Entry{}, err
	}
	if d.LifeSupport {
		return playbook.Entry{}, conflict("this device keeps patients alive and is never isolated from here; go to it and decide with those who use it", "该设备为生命支持设备，不可在此隔离；请到现场与使用人员共同决定")
	}
	if ready, how := a.Ready(); !ready {
		return playbook.Entry{}, Refusal{http.StatusConflict, how}
	}
	now, err := s.Isolations(ctx, d.ID)
	if err != nil {
		return playbook.Entry{}, err
	}
	if s.Held(now, a) {
		return playbook.Entry{}, conflict("this is done to the device already, or waits for approval", "该设备已执行此动作，或申请正等待批准")
	}
	params, err := wish.params(a, d.ID)
	if err != nil {
		return playbook.Entry{}, err
	}
	return s.Runner.Do(ctx, playbook.Want{Action: a.Name, Params: params, By: u.Name, Human: u.Human()})
}

// params are the wish as the action takes it.
func (w IsolationWish) params(a playbook.Action, device string) (map[string]string, error) {
	reason, err := plain(w.Reason, true)
	if err != nil {
		return nil, err
	}
	if w.Hours < 0 || a.Life > 0 && time.Duration(w.Hours)*time.Hour > a.Life {
		return nil, bad("an isolation ends after "+strconv.Itoa(int(a.Life/time.Hour))+" hours at most", "隔离最长 "+strconv.Itoa(int(a.Life/time.Hour))+" 小时")
	}
	if w.Hours > 0 && !slices.Contains(a.Params, paramHours) {
		return nil, bad("the time of this action cannot be chosen", "此动作的时长不可指定")
	}
	params := map[string]string{paramDevice: device, paramReason: reason}
	if w.Hours > 0 {
		params[paramHours] = strconv.Itoa(w.Hours)
	}
	for name := range params {
		if !slices.Contains(a.Params, name) {
			delete(params, name)
		}
	}
	return params, nil
}

// lasting says that what was asked for holds or is about to. A session that was
// ended is over: the device may have signed in again.
func lasting(e playbook.Entry, a playbook.Action) bool {
	switch e.Status {
	case playbook.StatusDone:
		return a.Undo != nil
	case playbook.StatusWanted, playbook.StatusIntended, playbook.StatusUnsure:
		return true
	}
	return false
}

// Held says that a device is being taken off the network by an action, or that
// this waits for approval.
func (s *Services) Held(list []playbook.Entry, a playbook.Action) bool {
	return slices.ContainsFunc(list, func(e playbook.Entry) bool { return e.Action == a.Name && lasting(e, a) })
}

// Isolations are those of a device, or of all, by whichever action, the newest
// first.
func (s *Services) Isolations(ctx context.Context, device string) ([]playbook.Entry, error) {
	ways := s.CutActions()
	if len(ways) == 0 {
		return nil, nil
	}
	all, err := s.Runner.Entries(ctx, "", "")
	return slices.DeleteFunc(all, func(e playbook.Entry) bool {
		return !slices.ContainsFunc(ways, func(a playbook.Action) bool { return a.Name == e.Action }) || device != "" && e.Params[paramDevice] != device
	}), err
}

func (s *Services) isolation(ctx context.Context, key string) (playbook.Entry, error) {
	all, err := s.Isolations(ctx, "")
	if err != nil {
		return playbook.Entry{}, err
	}
	i := slices.IndexFunc(all, func(e playbook.Entry) bool { return e.Key == key })
	if i < 0 {
		return playbook.Entry{}, missing()
	}
	return all[i], nil
}

// DecideIsolation approves or denies one that waits.
func (s *Services) DecideIsolation(ctx context.Context, u identity.User, key string, approve bool) (playbook.Entry, error) {
	if !u.May(identity.ApproveActions) {
		return playbook.Entry{}, unpersonal(u)
	}
	e, err := s.isolation(ctx, key)
	if err != nil {
		return e, err
	}
	decided := slices.ContainsFunc(e.Decisions, func(d playbook.Decision) bool { return d.Person() == u.Human() })
	if e.Status != playbook.StatusWanted || decided {
		return e, conflict("there is nothing left for you to decide about this action", "该动作已无需您决定")
	}
	return s.Runner.Decide(ctx, key, playbook.Decision{By: u.Name, Human: u.Human(), Approve: approve})
}

// EndIsolation takes one back.
func (s *Services) EndIsolation(ctx context.Context, u identity.User, key string) (playbook.Entry, error) {
	if err := s.changing(u); err != nil {
		return playbook.Entry{}, err
	}
	e, err := s.isolation(ctx, key)
	if err != nil {
		return e, err
	}
	if !s.Undoable(e) {
		return e, conflict("this action cannot be undone, or was undone already", "该动作无法撤销，或已撤销")
	}
	return s.Runner.Undo(ctx, key, u.Name)
}

// Certificate is one that a device showed.
type Certificate struct {
	Device  string `json:"device"`
	Subject string `json:"subject"`
	Issuer  string `json:"issuer"`
	Ends    int64  `json:"ends"` // 0 unknown
	Last    int64  `json:"last"`
}

// Certificates lists what devices showed, those that end first before.
func (s *Services) Certificates(ctx context.Context) ([]Certificate, error) {
	if s.Network.Facts == nil {
		return nil, nil
	}
	facts, err := s.Network.Facts(ctx, asset.FactCertificate)
	if err != nil {
		return nil, err
	}
	var out []Certificate
	for _, f := range facts {
		out = append(out, certificate(f))
	}
	slices.SortStableFunc(out, func(a, b Certificate) int {
		return cmp.Or(cmp.Compare(a.Ends, b.Ends), strings.Compare(a.Subject, b.Subject))
	})
	return out, nil
}

// certificate reads "SUBJECT; ISSUER; not after RFC 3339"; a name may hold a
// semicolon, the time does not.
func certificate(f DeviceFact) Certificate {
	c := Certificate{Device: f.Device, Last: f.Fact.Last}
	rest := f.Fact.Value
	if i := strings.LastIndex(rest, ";"); i >= 0 {
		fields := strings.Fields(rest[i+1:])
		if len(fields) > 0 {
			if t, err := time.Parse(time.RFC3339, fields[len(fields)-1]); err == nil {
				c.Ends = t.UnixMilli()
			}
		}
		rest = rest[:i]
	}
	if i := strings.LastIndex(rest, ";"); i >= 0 {
		c.Issuer, rest = strings.TrimSpace(rest[i+1:]), rest[:i]
	}
	c.Subject = strings.TrimSpace(rest)
	return c
}

// DeviceSubjects are what findings about a device are summed under.
func (s *Services) DeviceSubjects(d asset.Device) []string {
	if s.Network.Subjects != nil {
		return s.Network.Subjects(d)
	}
	var out []string
	for _, name := range slices.Concat([]string{d.ID}, d.MACs, d.IPs) {
		out = append(out, "device:"+name)
	}
	return out
}

// DeviceMap gives devices by their ids.
func (s *Services) DeviceMap(ctx context.Context) (map[string]asset.Device, error) {
	all, err := s.Network.Devices(ctx)
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	out := make(map[string]asset.Device, len(all))
	for _, d := range all {
		out[d.ID] = d
	}
	return out, nil
}
