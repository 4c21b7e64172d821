package behavior

import (
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/internal/jsonscan"
	"github.com/cordon-health/cordon/ocsf"
)

// photoProxy: records are shown full-screen, one after the other, and nobody
// types: somebody may be taking photos of the screen.
type photoProxy struct {
	people detect.Memory[shown] // by person
	feed   detect.Feed
}

// shown is what was on the screen within the hour.
type shown struct {
	Seen []peek `json:"s"`
	Day  string `json:"d,omitempty"`
}

var (
	_ detect.Detector = (*photoProxy)(nil)
	_ detect.Stateful = (*photoProxy)(nil)
	_ detect.Fed      = (*photoProxy)(nil)
)

func newPhotoProxy() *photoProxy {
	return &photoProxy{people: detect.NewMemory[shown](5_000, 3*hour)}
}

// Snapshot implements [detect.Stateful].
func (d *photoProxy) Snapshot() ([]byte, error) { return together(&d.people, &d.feed) }

// Restore implements [detect.Stateful].
func (d *photoProxy) Restore(data []byte) error { return apart(data, &d.people, &d.feed) }

// Missing implements [detect.Fed].
func (d *photoProxy) Missing() (ocsf.Text, bool) {
	return ocsf.Text{
		EN: "No record of screens has come: photographing a screen cannot be guessed at. Let the endpoint agent or kiosk write fullscreen, keystrokes and dwell (seconds) beside user and patient.",
		ZH: "没有终端屏幕行为数据，无法判断拍屏。请让终端管控或自助机日志在用户与患者之外记录 fullscreen、keystrokes、dwell（秒）。",
	}, !d.feed.Came()
}

// Info implements [detect.Detector].
func (*photoProxy) Info() detect.Info {
	return detect.Info{
		ID: "photo-proxy", Group: detect.GroupHow,
		Title: ocsf.Text{EN: "Screens shown without typing, one after the other", ZH: "连续全屏停留且无键盘输入"},
		Why: ocsf.Text{
			EN: "Whoever may not export takes photos: one full screen after the other, each for some seconds, and not a key is pressed. A doctor on a round does the same, so it never opens a case; it adds rank to what else is found about the person, and only counts records that nothing explains. It needs an agent on the workstation or kiosk that records it.",
			ZH: "无法导出者往往拍屏：逐页全屏、各停留数秒、键盘无输入。查房医生也会如此，故从不单独立案，仅对本人其他可疑提高排序，且只计没有解释的病历。需要终端或自助机上的代理提供数据。",
		},
		Advice: ocsf.Text{
			EN: "Look at the other findings first; if a camera covers the workstation, secure its picture of that time.",
			ZH: "先看其他线索；若该终端处有监控，保全相应时段录像。",
		},
		Severity: ocsf.SeverityLow, Risk: 18, Statistical: true,
		References: []string{"国卫办医政函〔2025〕262号（严禁拍摄传播）"},
		Params: []detect.Param{
			{Name: "patients", Default: 6, About: ocsf.Text{EN: "patients shown so within an hour", ZH: "一小时内如此显示的患者数"}},
			{Name: "seconds", Default: 5, About: ocsf.Text{EN: "seconds on the screen, at least", ZH: "每屏最短停留秒数"}},
			{Name: "keys", Default: 1, About: ocsf.Text{EN: "keystrokes from which on somebody was typing", ZH: "达到此按键数视为有输入"}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *photoProxy) Detect(c *detect.Context, ev *ocsf.Event) {
	keys, ok := told(ev, "keystrokes", "keys", "inputcount", "按键数")
	if !ok {
		return
	}
	d.feed.Note()
	full, _ := told(ev, "fullscreen", "screenmode", "全屏")
	dwell, _ := told(ev, "dwell", "dwellseconds", "duration", "停留秒数")
	if !c.Unexplained() || !c.Deliberate() || !yes(full) || count(keys) >= c.Param("keys") || count(dwell) < c.Param("seconds") {
		return
	}
	s := d.people.Keep(c.Who(), ev.Time)
	s.Seen = note(s.Seen, peek{c.Patient().ID, ev.Metadata.UID, ev.Time}, hour)
	if today := c.Clock()[:10]; s.Day != today && len(s.Seen) >= int(c.Param("patients")) {
		s.Day = today
		c.Find(ocsf.Finding{
			UID: detect.UID("photo-proxy", c.Who(), today), Events: peeked(s.Seen),
			Title: text("%s had the records of %d strangers on the full screen within an hour and did not type (%s)", "%s 一小时内全屏停留查看 %d 名无关患者且无键盘输入（%s）", c.Who(), len(s.Seen), c.Clock()),
			Why:   text("Workstation %q: full screen, no keystrokes, one record after the other.", "终端 %q：全屏、无按键、逐份停留。", host(ev)),
		})
	}
}

// told is a field the source gave beside the event, by any of its names in
// lower case without "_", "-", "." and blanks.
func told(ev *ocsf.Event, names ...string) (value string, ok bool) {
	if len(ev.Unmapped) == 0 {
		return "", false
	}
	var s jsonscan.Scanner
	s.Reset(ev.Unmapped)
	s.Object()
	for name, more := s.Member(); more; name, more = s.Member() {
		if k := s.Kind(); ok || k == jsonscan.Object || k == jsonscan.Array || !named(name, names) {
			s.Skip()
			continue
		}
		value, ok = string(s.Text()), true
	}
	return value, ok
}

func named(name []byte, names []string) bool {
	return slices.ContainsFunc(names, func(plain string) bool { return samePlain(name, plain) })
}

// samePlain says whether a name is the plain one, but for its case and the
// signs between its words.
func samePlain(name []byte, plain string) bool {
	i := 0
	for _, b := range name {
		switch {
		case b == '_' || b == '-' || b == '.' || b == ' ':
			continue
		case 'A' <= b && b <= 'Z':
			b += 'a' - 'A'
		}
		if i >= len(plain) || plain[i] != b {
			return false
		}
		i++
	}
	return i == len(plain)
}

// yes says whether a word of a source means yes.
func yes(word string) bool {
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "1", "true", "yes", "y", "full", "fullscreen", "kiosk", "是", "全屏":
		return true
	}
	return false
}

// count reads a number of a source, 0 for none.
func count(word string) float64 {
	n, err := strconv.ParseFloat(strings.TrimSpace(word), 64)
	if err != nil || n != n {
		return 0
	}
	return n
}
