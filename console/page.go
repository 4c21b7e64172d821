package console

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
)

// page is what every page knows: its reader, language and clock.
type page struct {
	lang    string
	site    api.Site
	user    identity.User
	signed  bool
	csrf    string
	path    string
	now     time.Time
	title   string // key of its title
	done    string // what was just done
	version string
	network bool              // needs the style and script of the network's pages
	kinds   []api.DeviceKind  // of devices
	zones   map[string]string // titles by name
}

// T is a text of the product in the reader's language.
func (p *page) T(key string, args ...any) string {
	text, ok := words[key]
	if !ok {
		return "⟦" + key + "⟧"
	}
	if len(args) == 0 {
		return text.In(p.lang)
	}
	return fmt.Sprintf(text.In(p.lang), args...)
}

// N is a text with one count, in its own form for one.
func (p *page) N(key string, n int) string {
	if _, own := words[key+".one"]; own && n == 1 {
		key += ".one"
	}
	return p.T(key, p.Num(int64(n)))
}

// In is a text of another part in the reader's language.
func (p *page) In(t ocsf.Text) string {
	if s := t.In(p.lang); s != "" {
		return s
	}
	return t.EN
}

// May says whether the reader has a permission.
func (p *page) May(perm identity.Permission) bool { return p.user.May(perm) }

// htmlLang is the language tag of the page.
func (p *page) htmlLang() string {
	if p.lang == "zh" {
		return "zh-CN"
	}
	return "en"
}

// Zh is for formats that differ.
func (p *page) zh() bool { return p.lang == "zh" }

// noTime says that a moment is none: 0, or the first second of 1970 that
// normalize gives a record without a time.
func noTime(ms int64) bool { return ms >= 0 && ms <= 1000 }

// Time is a moment, short: with the year only when it is another one.
func (p *page) Time(ms int64) string {
	if noTime(ms) {
		return "–"
	}
	t := time.UnixMilli(ms).In(p.site.Zone)
	format := map[bool]string{true: "1月2日 15:04", false: "2 Jan 15:04"}[p.zh()]
	if t.Year() != p.now.Year() {
		format = map[bool]string{true: "2006年1月2日 15:04", false: "2 Jan 2006 15:04"}[p.zh()]
	}
	return t.Format(format)
}

// Full is a moment to the second.
func (p *page) Full(ms int64) string {
	if noTime(ms) {
		return "–"
	}
	format := map[bool]string{true: "2006年1月2日 15:04:05", false: "2 Jan 2006, 15:04:05"}[p.zh()]
	return time.UnixMilli(ms).In(p.site.Zone).Format(format)
}

// ISO is a moment for machines (the datetime attribute).
func (p *page) ISO(ms int64) string { return time.UnixMilli(ms).In(p.site.Zone).Format(time.RFC3339) }

// Ago is how long ago a moment was, in words.
func (p *page) Ago(ms int64) string {
	if noTime(ms) {
		return p.T("ago.never")
	}
	d := p.now.Sub(time.UnixMilli(ms))
	switch {
	case d < -time.Minute:
		return p.Time(ms)
	case d < time.Minute:
		return p.T("ago.now")
	case d < time.Hour:
		return p.T("ago.minutes", int(d/time.Minute))
	case d < 24*time.Hour:
		return p.T("ago.hours", int(d/time.Hour))
	case d < 60*24*time.Hour:
		return p.T("ago.days", int(d/(24*time.Hour)))
	}
	return p.Time(ms)
}

// Num is a count with separators.
func (p *page) Num(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Percent is a share of a whole.
func (p *page) Percent(part, whole int64) string {
	if whole == 0 {
		return "–"
	}
	v := 100 * float64(part) / float64(whole)
	if v > 99.9 && part < whole {
		v = 99.9 // never round the rest away
	}
	return strconv.FormatFloat(math.Floor(v*10)/10, 'f', 1, 64) + "%"
}

// here marks the part of the product a page belongs to.
func (p *page) here(path string) bool {
	if path == "/" {
		return p.path == "/"
	}
	return strings.HasPrefix(p.path, path)
}

// level is the class of a risk of 0 to 100.
func level(risk float64) string {
	switch {
	case risk >= 90:
		return "critical"
	case risk >= 70:
		return "high"
	case risk >= 40:
		return "medium"
	}
	return "low"
}

func whole(f float64) string { return strconv.Itoa(int(math.Round(f))) }

// pixels writes a coordinate of a picture.
func pixels(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }

// Date is a day.
func (p *page) Date(ms int64) string {
	if noTime(ms) {
		return "–"
	}
	return time.UnixMilli(ms).In(p.site.Zone).Format(map[bool]string{true: "2006年1月2日", false: "2 Jan 2006"}[p.zh()])
}

// clockOf is the time of day.
func (p *page) clockOf(ms int64) string { return time.UnixMilli(ms).In(p.site.Zone).Format("15:04") }

// relations names a line of the picture.
func (p *page) relations(e pictureEdge) string {
	if e.Missing {
		return p.T("edge.none")
	}
	var names []string
	for _, kind := range e.Kinds {
		name := kind
		if _, known := words["edge."+kind]; known {
			name = p.T("edge." + kind)
		}
		names = append(names, name)
	}
	return strings.Join(names, " · ")
}

// actor names who asked for an action.
func (p *page) actor(by string) string {
	if by == "cordon" || strings.HasPrefix(by, "playbook") {
		return p.T("by.cordon")
	}
	return by
}

// bookName and bookText are a playbook's in the reader's language.
func (p *page) bookName(b playbook.Playbook) string {
	if p.zh() && b.NameZH != "" {
		return b.NameZH
	}
	return b.Name
}

func (p *page) bookText(b playbook.Playbook) string {
	if p.zh() && b.DescriptionZH != "" {
		return b.DescriptionZH
	}
	return b.Description
}

// bytes is a size on disk.
func (p *page) bytes(n int64) string {
	switch {
	case n >= 1<<40:
		return strconv.FormatFloat(float64(n)/(1<<40), 'f', 1, 64) + " TiB"
	case n >= 1<<30:
		return strconv.FormatFloat(float64(n)/(1<<30), 'f', 1, 64) + " GiB"
	case n >= 1<<20:
		return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MiB"
	}
	return strconv.FormatInt((n+1023)>>10, 10) + " KiB"
}
