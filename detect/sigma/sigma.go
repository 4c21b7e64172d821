// Package sigma runs Sigma rules over events: detections written as data, the
// public collection and a hospital's own alike.
//
// What it gives: [Load] reads rules, correlations and filters from files (.yml,
// .yaml, or .txtar with a rule and its examples); [Rules] is one detector whose
// findings carry each rule's id and the hash of its text; [Rules.Scan] runs the
// same rules over a file of JSON events. A field is named as OCSF names it, with
// dots, else as the source itself named it, wherever that stands in its JSON:
// Windows events may be flat or as any of the usual converters nest them. Which
// events a rule is shown is data too: the logsources.yaml beside the rules says
// what a category, product or service is on events.
//
// What it guarantees: a rule that cannot be run as written is in the list of
// refused ones with the reason, never left out silently and never run as
// something else; a rule whose value list is missing says which one it waits
// for. The specification (Sigma 2.1) is the judge of what fits:
// testdata/conformance holds it case by case. The same event gives the same
// findings in the same order. What is done for speed changes nothing: tests
// compare it with the plain way on all lanes of the sample data, and by fuzzing.
// Nothing is allocated for an event that no rule fits, and memory is bounded for
// every event and source. Correlations count by the events' own time, late ones
// included, in bounded memory that survives a restart and a reload (see
// correlator for what exactly matches). Filters hide only what their rules would
// have said, and count it; expired ones hide nothing. [Reload] never lets a
// broken file take down what it held before.
//
// How it is fast, in loading and then in the order in which an event meets it:
//
//   - yaml.go reads nearly all rules in a small part of a YAML library's time,
//     and leaves the rest to that; files are read and compiled side by side.
//   - walk.go scans the JSON once and makes no tree: each value is noted, as it
//     stands, for the fields it is (names.go finds those by hash); its escapes
//     and its case are undone when somebody first asks, once (value.go).
//   - way.go finds which rules the event's log source allows. Events that look
//     the same to the routes share the answer.
//   - witness.go gives each rule one necessary condition, the rarest: texts of
//     which one must be there, or a field. automaton.go looks for the texts of
//     all rules in one pass per field, blind to case, the edges of a value being
//     symbols like letters. Of 3,754 rules a handful are left to be tried.
//   - plan.go evaluates those, cheap questions first. Questions are shared by
//     all rules and answered once per event; those that an automaton looked for
//     are answered already. Regular expressions are asked last, and only where a
//     text that they need is there (regex.go).
//
// What it does not do: regular expressions are those of Go, in which no input is
// slow; look-around is taken only where it stands at the anchored beginning, and
// refused elsewhere. Values behind the first 4096 of an event are not seen, and
// of very long ones large expressions see only the beginning (bounds.go); such
// events are counted. Raw text that is no JSON is for normalize to read.
package sigma

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// Rules are loaded rules; they are one detector, whose findings carry the
// rule's id.
type Rules struct {
	list   []*rule
	routes []*route
	fields *fieldNames
	engine *engine
	// everywhere tries every rule on every line of a scan.
	everywhere bool

	filters []*filter
	refused []Refused
	ignored []string
	docs    []*document // what is loaded, for evidence and the next reload
	corr    *correlator
	ticked  int64 // the clock of correlations at the last tick
	noted   CorrelationStats
	figures *atomic.Pointer[CorrelationStats]
	held    *atomic.Pointer[map[string]int] // groups by correlation, at the last tick

	// Detect is called by one goroutine.
	look  *look
	event eventRecord
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

// Everywhere is the same rules, but a scan with them tries each on every event,
// whatever log source the event is of.
func (r *Rules) Everywhere() *Rules {
	return &Rules{
		list: r.list, routes: r.routes, fields: r.fields, engine: r.engine, everywhere: true,
		filters: r.filters, docs: r.docs, corr: newCorrelator(r.corr.list), look: newLook(r.engine, nil),
	}
}

// Detect implements [detect.Detector].
func (r *Rules) Detect(c *detect.Context, ev *ocsf.Event) {
	if len(ev.Care) > 0 {
		r.correlate(c, ev, nil, nil)
		return
	}
	r.event = eventRecord{c, ev}
	r.look.take(&r.event)
	hits := r.look.decide()
	r.count(r.look)
	for _, x := range hits {
		if !x.silent {
			c.Find(x.finding(c, ev))
		}
	}
	r.correlate(c, ev, hits, r.look)
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

// eventRecord is an event of the pipeline, beside its unmapped JSON.
type eventRecord struct {
	c  *detect.Context
	ev *ocsf.Event
}

// take makes an event of the pipeline the one that rules are tried on.
func (l *look) take(e *eventRecord) {
	l.begin()
	l.event, l.zone = e, e.c.Zone()
	if len(e.ev.Unmapped) > 0 {
		l.read(e.ev.Unmapped)
	}
	l.leaves = e.words(l.leaves)
	l.texts = [2]int{0, len(l.leaves)}
}

// words are the texts in which keywords are looked for, beside those of JSON.
func (r *eventRecord) words(out []value) []value {
	ev := r.ev
	out = appendText(out, ev.Message, ev.RawData, ev.StatusDetail, ev.Metadata.EventCode, ev.Actor.User.Account, ev.SrcEndpoint.Hostname)
	if ev.QueryInfo != nil {
		out = appendText(out, ev.QueryInfo.Text)
	}
	return out
}

func (r *eventRecord) lookup(name string, out []value) []value {
	if got, ok := eventField(r.ev, name, out); ok {
		return got
	}
	return r.known(name, out)
}

// isKnown says that a name is one under which rules reach what Cordon knows
// beside the event.
func isKnown(name string) bool {
	switch name {
	case "who", "patient.watched", "person.uid", "person.role", "person.department", "person.on_duty", "local.hour", "local.weekday", "ticket":
		return true
	}
	return false
}

func (r *eventRecord) known(name string, out []value) []value {
	switch name {
	case "who":
		out = appendText(out, r.c.Who())
	case "patient.watched":
		out = r.watched(out)
	case "person.uid":
		if p, ok := r.c.Person(); ok {
			out = append(out, value{text: p.ID})
		}
	case "person.role":
		out = appendText(out, r.c.Role())
	case "person.department":
		out = appendText(out, r.c.Department())
	case "person.on_duty":
		if d := r.c.Duty(); d.Covered {
			out = appendBool(out, d.On)
		}
	case "local.hour", "local.weekday":
		out = clockField(name, time.UnixMilli(r.ev.Time).In(r.c.Zone()), out)
	case "ticket":
		out = appendBool(out, r.ticketed())
	}
	return out
}

// watched are the lists that the patient is on.
func (r *eventRecord) watched(out []value) []value {
	for _, kind := range [...]string{care.WatchVIP, care.WatchSealed, care.WatchCanary, care.WatchSensitive} {
		if _, ok := r.c.Watched(kind); ok {
			out = append(out, value{text: kind})
		}
	}
	return out
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
