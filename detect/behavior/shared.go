package behavior

import (
	"net/netip"
	"strings"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// shared: one person works in two places at once.
type shared struct {
	last detect.Memory[places] // by person
}

// places are the last two places a person was seen at.
type places struct {
	Here  sightAt `json:"h"`
	There sightAt `json:"o"`
	// Turns counts the returns within the window, Begin is when they began and
	// First the event they began with.
	Turns int    `json:"n"`
	Begin int64  `json:"b"`
	First string `json:"f"`
}

type sightAt struct {
	Place string `json:"p"`
	At    int64  `json:"t"`
	UID   string `json:"u"`
}

var (
	_ detect.Detector = (*shared)(nil)
	_ detect.Stateful = (*shared)(nil)
)

func newShared() *shared { return &shared{last: detect.NewMemory[places](20_000, hour)} }

// Snapshot implements [detect.Stateful].
func (d *shared) Snapshot() ([]byte, error) { return d.last.Snapshot() }

// Restore implements [detect.Stateful].
func (d *shared) Restore(data []byte) error { return d.last.Restore(data) }

// Info implements [detect.Detector].
func (*shared) Info() detect.Info {
	return detect.Info{
		ID: "shared-credential", Group: detect.GroupHow,
		Title: ocsf.Text{EN: "One account in two places at once", ZH: "同一账号同时在两处使用"},
		Why: ocsf.Text{
			EN: "The account was used at one place, then at another, then at the first again, within minutes: two people work with it, or it was taken over. Two workstations of the same ward (one subnet) do not count.",
			ZH: "账号数分钟内在甲处、乙处、再回到甲处使用：可能是多人共用，或已被盗用。同一病区（同一子网）的两台终端不计。",
		},
		Advice: ocsf.Text{
			EN: "Ask both workstations' users; give everybody an account and a fast sign-in.",
			ZH: "询问两处终端的使用者；为每人配备账号并提供快速登录。",
		},
		Severity: ocsf.SeverityMedium, Risk: 52,
		References: []string{"GB/T 22239-2019 8.1.4.2 (shared accounts)"},
		Params: []detect.Param{
			{Name: "minutes", Default: 6, About: ocsf.Text{
				EN: "time in which nobody goes to another ward, works there, and comes back",
				ZH: "无法往返另一病区并完成操作的时间（分钟）",
			}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *shared) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Access() || ev.StatusID == ocsf.StatusFailure {
		return
	}
	where := place(host(ev))
	if where == "" {
		return
	}
	if _, ok := c.Person(); !ok {
		return
	}
	p := d.last.Keep(c.Who(), ev.Time)
	window := int64(c.Param("minutes")) * minute
	now := sightAt{where, ev.Time, ev.Metadata.UID}
	switch {
	case ev.Time < p.Here.At: // late; the order is lost
	case p.Here.Place == where || p.Here.Place == "":
		p.Here = now
	default:
		back := p.There.Place == where && now.At-p.There.At <= window
		if !back {
			p.Turns = 0
		}
		before := *p
		p.Here, p.There = now, p.Here
		if back {
			d.turned(c, ev, p, before)
		}
	}
}

func (d *shared) turned(c *detect.Context, ev *ocsf.Event, p *places, before places) {
	if p.Turns == 0 {
		p.Begin, p.First = before.There.At, before.There.UID
	}
	p.Turns++
	f := ocsf.Finding{
		UID:    detect.UID("shared-credential", c.Who(), p.First),
		Events: []string{before.There.UID, before.Here.UID, ev.Metadata.UID},
		Title: text("%s worked in two places at once (%s and %s, %s)", "%s 同时在两处操作（%s 与 %s，%s）",
			c.Who(), before.Here.Place, p.Here.Place, c.Clock()),
		Why: text("%d returns between the two places within minutes since %s.", "自 %[2]s 起数分钟内在两处之间往返 %[1]d 次。",
			p.Turns, c.At(p.Begin)),
	}
	f.Risk = min(46+6*float64(p.Turns), 66)
	if p.Turns == 1 || common(c.Role()) { // once may be a clock or a quick walk
		f.Weak, f.Risk = true, 38
	}
	c.Find(f)
}

// common says that personnel itself lists the account as one of many people:
// that is to be mended, but no news.
func common(role string) bool {
	role = strings.ToLower(role)
	return strings.Contains(role, "shared") || strings.Contains(role, "公用") || strings.Contains(role, "共用")
}

// place is the part of the network a workstation is in: a /24 or /64; a host
// name stands for itself.
func place(host string) string {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return strings.ToLower(host)
	}
	ip = ip.Unmap()
	bits := 24
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return host
	}
	return p.Masked().Addr().String()
}
