package behavior

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// netAlarm: what a sensor of Cordon found wrong on the network. There is one for
// each kind of alarm, made from one table (networkKinds); the sensor judged,
// and this says it to people, folded: an attack that goes on is one finding,
// which grows.
type netAlarm struct {
	kind  networkKind
	going detect.Memory[ongoing] // by who does it
}

// ongoing is an alarm that was told.
type ongoing struct {
	First   int64    `json:"f"` // ms
	Count   int64    `json:"n"`
	Told    int64    `json:"t,omitempty"` // the count when it was told last
	Victims []string `json:"v,omitempty"`
	Events  []string `json:"e,omitempty"`
	Strong  bool     `json:"s,omitempty"` // one of them was not weak
}

// networkKind is what a kind of alarm means to people.
type networkKind struct {
	kind               asset.AlarmKind
	title, why, advice ocsf.Text
	severity           int
	risk               float64
	// weak alarms never open a case alone; so do those for one of weakFor, the
	// reasons (first of Args) that also have innocent causes.
	weak    bool
	weakFor []string
	// byIP says that the sender's MAC may be a router's.
	byIP bool
	// args is the sentence with the particulars; {0}, {1} are Args.
	args       ocsf.Text
	references []string
}

const (
	mostVictims   = 8
	mostNetEvents = 16
)

var (
	_ detect.Detector = (*netAlarm)(nil)
	_ detect.Stateful = (*netAlarm)(nil)
)

// networkDetectors lists a detector for each kind of alarm.
func networkDetectors() []detect.Detector {
	var list []detect.Detector
	for _, k := range networkKinds() {
		list = append(list, &netAlarm{kind: k, going: detect.NewMemory[ongoing](20_000, 8*day)})
	}
	return list
}

// Snapshot implements [detect.Stateful].
func (d *netAlarm) Snapshot() ([]byte, error) { return d.going.Snapshot() }

// Restore implements [detect.Stateful].
func (d *netAlarm) Restore(data []byte) error { return d.going.Restore(data) }

// Info implements [detect.Detector].
func (d *netAlarm) Info() detect.Info {
	k := &d.kind
	return detect.Info{
		ID: string(k.kind), Group: detect.GroupNetwork, Title: k.title, Why: k.why, Advice: k.advice,
		Severity: k.severity, Risk: k.risk, Weak: k.weak, Steady: true, References: k.references,
		Params: []detect.Param{{
			Name: "hours", Default: 24,
			About: ocsf.Text{EN: "hours within which the same device doing the same is one finding, which grows", ZH: "同一设备的同类行为在多少小时内合并为一条发现（计数累加）"},
		}},
	}
}

// Detect implements [detect.Detector].
func (d *netAlarm) Detect(c *detect.Context, ev *ocsf.Event) {
	if ev.ClassUID != ocsf.NetworkActivity || ev.Metadata.EventCode != string(d.kind.kind) {
		return
	}
	a, ok := asset.AlarmOf(ev)
	if !ok {
		return // of another product
	}
	subject := d.subject(&a, ev)
	o := d.going.Keep(subject, ev.Time)
	if o.First == 0 || ev.Time-o.First >= int64(c.Param("hours"))*hour {
		*o = ongoing{First: ev.Time}
	}
	fresh := o.add(&a, ev.Metadata.UID, d.weak(&a))
	if o.Told != 0 && !fresh && o.Count < 2*o.Told {
		return
	}
	o.Told = o.Count
	c.Find(d.finding(c, o, subject, &a))
}

// add counts an alarm; true where it is about somebody new, or worse.
func (o *ongoing) add(a *asset.Alarm, uid string, weak bool) (fresh bool) {
	o.Count += max(a.Count, 1)
	if len(o.Events) < mostNetEvents {
		o.Events = append(o.Events, uid)
	}
	if v := partyName(a.Victim); v != "" && len(o.Victims) < mostVictims && !slices.Contains(o.Victims, v) {
		o.Victims = append(o.Victims, v)
		fresh = true
	}
	if !weak && !o.Strong {
		o.Strong, fresh = true, true
	}
	return fresh
}

// subject is the device that it is about: by MAC where the sensor stands in its
// network, else by address.
func (d *netAlarm) subject(a *asset.Alarm, ev *ocsf.Event) string {
	for _, p := range [2]asset.Party{a.Culprit, a.Victim} {
		m, ip := asset.MACText(p.MAC), asset.AddrText(p.IP)
		if d.kind.byIP && ip != "" {
			m = ip
		}
		for _, s := range []string{m, ip, p.Name} {
			if s != "" {
				return "device:" + s
			}
		}
	}
	return "device:" + ev.Metadata.LogProvider // a sensor that names nobody
}

func (d *netAlarm) weak(a *asset.Alarm) bool {
	return d.kind.weak || len(a.Args) > 0 && slices.Contains(d.kind.weakFor, a.Args[0])
}

func (d *netAlarm) finding(c *detect.Context, o *ongoing, subject string, a *asset.Alarm) ocsf.Finding {
	k := &d.kind
	who := partyName(a.Culprit)
	if who == "" {
		who = strings.TrimPrefix(subject, "device:")
	}
	f := ocsf.Finding{
		ClassUID: ocsf.DetectionFinding, UID: detect.UID(string(k.kind), subject, strconv.FormatInt(o.First, 10)), Events: slices.Clone(o.Events),
		Subject: subject, Weak: !o.Strong, Risk: k.risk, SeverityID: k.severity,
		Title: ocsf.Text{EN: fmt.Sprintf("%s: %s (%s)", k.title.EN, who, c.Clock()), ZH: fmt.Sprintf("%s：%s（%s）", k.title.ZH, who, c.Clock())},
		Why:   k.because(a),
	}
	if v := strings.Join(o.Victims, ", "); v != "" {
		f.Title.EN = fmt.Sprintf("%s: %s, against %s (%s)", k.title.EN, who, v, c.Clock())
		f.Title.ZH = fmt.Sprintf("%s：%s → %s（%s）", k.title.ZH, who, strings.Join(o.Victims, "、"), c.Clock())
	}
	if o.Count > 1 {
		f.Why.EN += fmt.Sprintf(" Seen %d times since %s.", o.Count, c.At(o.First))
		f.Why.ZH += fmt.Sprintf("自%s起共 %d 次。", c.At(o.First), o.Count)
	}
	if f.Weak {
		f.Risk, f.SeverityID = min(f.Risk, 35), min(f.SeverityID, ocsf.SeverityMedium)
	}
	return f
}

// because says what an alarm rests on, with its particulars.
func (k *networkKind) because(a *asset.Alarm) ocsf.Text {
	t := k.args
	switch {
	case len(a.Args) == 0 || t.EN != "":
	case binding.Judges(k.kind):
		t = binding.Explain(a.Args[0])
	default:
		t = airReason(a.Args[0])
	}
	if t.EN == "" {
		t = k.why
	}
	t = ocsf.Text{EN: sentence(fill(t.EN, a.Args), "."), ZH: sentence(fill(t.ZH, inChinese(a.Args)), "。")}
	if a.Network != "" {
		t.EN += " Network: " + a.Network + "."
		t.ZH += "网络：" + a.Network + "。"
	}
	if a.VLAN != 0 {
		t.EN += fmt.Sprintf(" VLAN %d.", a.VLAN)
		t.ZH += fmt.Sprintf("VLAN %d。", a.VLAN)
	}
	return t
}

// inChinese translates the arguments that are words of ours.
func inChinese(args []string) []string {
	own := map[string]string{"end of life": "停止使用日期", "support": "支持终止日期"}
	out := slices.Clone(args)
	for i, a := range out {
		out[i] = cmp.Or(own[a], a)
	}
	return out
}

// fill puts arguments in their places; what is missing is a dash.
func fill(s string, args []string) string {
	for i := range 4 {
		v := "–"
		if i < len(args) && args[i] != "" {
			v = args[i]
		}
		s = strings.ReplaceAll(s, "{"+strconv.Itoa(i)+"}", v)
	}
	return s
}

func sentence(s, stop string) string {
	if s == "" || strings.HasSuffix(s, stop) {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + stop
}

// partyName names an end: its address, its name, its MAC.
func partyName(p asset.Party) string {
	ip, mac := asset.AddrText(p.IP), asset.MACText(p.MAC)
	switch {
	case ip != "" && p.Port != 0:
		ip += " (" + strconv.Itoa(int(p.Port)) + ")"
	case ip != "" && mac != "":
		ip += " [" + mac + "]"
	case ip == "":
		ip = mac
	}
	if p.Name != "" && ip != "" {
		return p.Name + " " + ip
	}
	return ip + p.Name
}
