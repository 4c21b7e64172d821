// Package sigma runs Sigma rules over events: detections written as data, the
// public collection and a hospital's own alike.
//
// What it gives: [Load] reads rules from files (.yml, .yaml, or .txtar with a
// rule and its examples); [Rules] is one detector whose findings carry each
// rule's id and the hash of its text; [Rules.Scan] runs the same rules over a
// file of JSON events. Fields are named as OCSF names them, with dots, then as
// the source itself named them. Which events a rule is shown is data too: the
// logsources.yaml beside the rules says what a category, product or service is
// on events.
//
// What it guarantees: a rule that cannot be run as written is in the list of
// refused ones with the reason, never left out silently and never run as
// something else. The same event gives the same findings. A rule costs nothing
// on events of other sources, and looking a field up happens once per event.
//
// What it does not do: regular expressions are those of Go: no look-around,
// and no input makes them slow.
package sigma

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// Rules are loaded rules; they are one detector, whose findings carry the
// rule's id.
type Rules struct {
	list   []*rule
	names  []string // of fields, numbered
	routes []*route
	// byClass lists the routes that events of a class may take; the last entry
	// is for classes not among them.
	byClass map[ocsf.Class][]int
	any     []int

	filters []*filter
	docs    []*document // what is loaded, for evidence and the next reload
	corr    *correlator
	ticked  int64 // the clock of correlations at the last tick

	// Detect is called by one goroutine.
	scratch look
	event   eventRecord
	hits    []*rule
}

var _ detect.Detector = (*Rules)(nil)

// Info implements [detect.Detector].
func (r *Rules) Info() detect.Info {
	return detect.Info{
		ID:    "sigma",
		Title: ocsf.Text{EN: "Sigma rules", ZH: "Sigma 规则"},
		Why: ocsf.Text{
			EN: "An event fits a rule. Each finding names its rule, which says what it looks for.",
			ZH: "事件符合某条规则。每个发现都注明规则，规则说明其检测内容。",
		},
		Advice: ocsf.Text{
			EN: "Read the rule and its known false positives; then follow its playbook.",
			ZH: "查看规则说明及其已知误报情形，再按对应预案处置。",
		},
		Severity: ocsf.SeverityMedium, Risk: 35,
		References: []string{"https://sigmahq.io"},
	}
}

// Detect implements [detect.Detector].
func (r *Rules) Detect(c *detect.Context, ev *ocsf.Event) {
	ways, ok := r.byClass[ev.ClassUID]
	if !ok {
		ways = r.any
	}
	if len(ways) == 0 || len(ev.Care) > 0 {
		r.correlate(c, ev, nil, nil)
		return
	}
	l := &r.scratch
	r.event = eventRecord{c, ev, &l.flat}
	l.begin(len(r.names), &r.event)
	r.hits = r.hits[:0]
	for _, i := range ways {
		w := r.routes[i]
		if !w.fits(l) {
			continue
		}
		l.rename(w.fields)
		for _, x := range w.rules {
			if x.cond.eval(l) && !slices.Contains(r.hits, x) {
				r.hits = append(r.hits, x)
				if !x.silent {
					c.Find(x.finding(c, ev))
				}
			}
		}
		l.rename(nil)
	}
	r.correlate(c, ev, r.hits, &r.event)
	r.event = eventRecord{}
}

// finding says what a rule found.
func (x *rule) finding(c *detect.Context, ev *ocsf.Event) ocsf.Finding {
	who := c.Who()
	if who == "" {
		who = "-"
	}
	at := c.Clock()
	f := ocsf.Finding{
		UID: detect.UID(x.id, ev.Metadata.UID, strconv.FormatInt(ev.Time, 10)), Analytic: x.id, Type: "sigma", Version: x.version,
		Title: ocsf.Text{EN: fmt.Sprintf("%s (%s, %s)", x.title.EN, who, at), ZH: fmt.Sprintf("%s（%s，%s）", x.title.ZH, who, at)},
		Why:   x.why, SeverityID: x.severity, Risk: x.risk, Weak: x.weak,
	}
	if ev.Patient != nil {
		f.Patient = ev.Patient.UID
	}
	return f
}

// eventRecord is an event of the pipeline as rules see it.
type eventRecord struct {
	c    *detect.Context
	ev   *ocsf.Event
	flat *flat
}

var _ record = (*eventRecord)(nil)

func (r *eventRecord) lookup(name string, out []value) []value {
	if got, ok := eventField(r.ev, name, out); ok {
		return got
	}
	if got, ok := r.known(name, out); ok {
		return got
	}
	r.flat.read(r.ev.Unmapped)
	return r.flat.lookup(strings.TrimPrefix(name, "unmapped."), out)
}

// known are the names under which rules reach what Cordon knows beside the
// event.
func (r *eventRecord) known(name string, out []value) ([]value, bool) {
	switch name {
	case "person.uid":
		if p, ok := r.c.Person(); ok {
			out = append(out, text(p.ID))
		}
	case "person.role":
		out = appendText(out, r.c.Role())
	case "person.department":
		out = appendText(out, r.c.Department())
	case "person.on_duty":
		if d := r.c.Duty(); d.Covered {
			out = append(out, text(strconv.FormatBool(d.On)))
		}
	case "local.hour":
		out = append(out, text(strconv.Itoa(time.UnixMilli(r.ev.Time).In(r.c.Zone()).Hour())))
	case "local.weekday":
		out = append(out, text(time.UnixMilli(r.ev.Time).In(r.c.Zone()).Weekday().String()))
	case "ticket":
		out = append(out, text(strconv.FormatBool(r.ticketed())))
	default:
		return out, false
	}
	return out, true
}

// ticketed says whether an approval covers what was touched.
func (r *eventRecord) ticketed() bool {
	if x := r.ev.Explanation; x != nil && x.Kind == "ticket" {
		return true
	}
	s := care.Scope{}
	if r.ev.Patient != nil {
		s.Patient = r.ev.Patient.UID
	}
	switch {
	case r.ev.Table != nil:
		s.Table = r.ev.Table.Name
	case len(r.ev.WebResources) > 0: // a ticket may name a screen
		s.Table = r.ev.WebResources[0].Name
	}
	_, ok := r.c.Care().Ticket(r.c.Who(), s, r.ev.Time)
	return ok
}

func (r *eventRecord) texts(yield func(string) bool) {
	for _, s := range [...]string{r.ev.Message, r.ev.RawData, r.ev.StatusDetail, r.ev.Metadata.EventCode, r.ev.Actor.User.Account, r.ev.SrcEndpoint.Hostname} {
		if s != "" && !yield(s) {
			return
		}
	}
	if r.ev.QueryInfo != nil && !yield(r.ev.QueryInfo.Text) {
		return
	}
	r.flat.read(r.ev.Unmapped)
	r.flat.texts(yield)
}
