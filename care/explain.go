package care

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/ocsf"
)

// asked is one access to be explained, with everything about the person that
// the paths need. It lives on the stack.
type asked struct {
	at       second
	ms       int64
	person   directory.Person // zero for a stranger
	who      string           // person id, else the account
	names    [6]word          // numbers under which facts may name the person
	dept     word
	deptName string
	tasks    []task
	shifts   [4]onShift
	nShifts  int
	rostered bool
	onDuty   bool // on the roster now, or not on any
	five     bool // the data is level 5
	export   bool
	left     bool // the person had left
	members  []*record
	ev       *ocsf.Event
}

type onShift struct {
	dept  word
	shift directory.Shift
}

// answer is the best explanation so far.
type answer struct {
	kind  *Kind
	task  *Task
	rec   *record
	edge  *edge
	begin second
	end   second
	shift directory.Shift
	weak  bool // a fact stands in for those the hospital does not send
}

// Explain says why an access is legitimate, or that nothing says so. The
// answer depends on the facts, not on the order they came in. An assistant's
// access is explained by the professional they acted for, but weakly.
func (g *Graph) Explain(ev *ocsf.Event) ocsf.Explanation {
	g.mu.RLock()
	defer g.mu.RUnlock()
	x := g.explain(ev, ev.Actor.User)
	if !x.Explained && ev.Actor.OnBehalfOf != nil {
		x = g.explain(ev, *ev.Actor.OnBehalfOf)
		x.Weak = x.Explained
	}
	x.At = ev.Time
	return x
}

func (g *Graph) explain(ev *ocsf.Event, user ocsf.User) ocsf.Explanation {
	if ev.Patient == nil || ev.Patient.UID == "" {
		return ocsf.Explanation{}
	}
	var q asked
	g.ask(&q, ev, user)
	if q.left {
		return ocsf.Explanation{}
	}
	var best answer
	if g.sealed(&q) {
		return g.unsealed(&q)
	}
	for _, r := range q.members {
		for i := range r.edges {
			e := &r.edges[i]
			if e.mark == isRelation && e.said > e.denied {
				g.consider(&q, r, e, &best)
			}
		}
	}
	for _, k := range g.other {
		if best.kind != nil && best.kind.Priority <= k.Priority {
			break
		}
		if x, ok := g.otherwise(&q, k); ok {
			return x
		}
	}
	if best.kind == nil {
		return ocsf.Explanation{}
	}
	return g.state(&q, &best)
}

// ask collects who asks for what.
func (g *Graph) ask(q *asked, ev *ocsf.Event, user ocsf.User) {
	q.ev, q.ms, q.at = ev, ev.Time, seconds(ev.Time)
	if r, ok := g.records[ev.Patient.UID]; ok {
		q.members = r.members()
	}
	q.export = ev.ActivityID == ocsf.AccessExport || ev.ActivityID == ocsf.AccessShare
	q.five = slices.ContainsFunc(ev.DataClassifications, func(d ocsf.DataClassification) bool { return d.Level >= 5 })
	g.askPerson(q, user)
	q.left = q.person.Ended != 0 && q.ms >= q.person.Ended
	q.onDuty = true
	q.rostered = g.dir.Covered(q.who, q.ms)
	if !q.rostered {
		return
	}
	for s := range g.dir.ShiftsIn(q.who, q.ms-g.slack.ms(), q.ms+g.slack.ms()+1) {
		if q.nShifts == len(q.shifts) {
			break
		}
		q.shifts[q.nShifts] = onShift{dept: g.lexicon.find(s.Department), shift: s}
		q.nShifts++
	}
	q.onDuty = q.nShifts > 0
}

func (g *Graph) askPerson(q *asked, user ocsf.User) {
	ok := false
	if user.UID != "" {
		q.person, ok = g.dir.Person(user.UID)
	}
	if !ok && user.Account != "" {
		q.person, ok = g.dir.Resolve(user.Account)
	}
	if !ok && user.UID != "" {
		q.person, ok = g.dir.Resolve(user.UID)
	}
	n := 0
	name := func(s string) {
		if w := g.lexicon.find(s); w != 0 && n < len(q.names) {
			q.names[n] = w
			n++
		}
	}
	name(user.UID)
	name(user.Account)
	q.who = user.UID
	if q.who == "" {
		q.who = user.Account
	}
	if !ok {
		return
	}
	q.who = q.person.ID
	name(q.person.ID)
	for _, a := range q.person.Accounts {
		name(a)
	}
	var role string
	q.deptName, role = g.dir.DepartmentAt(q.who, q.ms)
	q.dept = g.lexicon.find(q.deptName)
	q.tasks = g.tasksOf(role, q.deptName)
}

// consider tries all kinds that may rest on an edge.
func (g *Graph) consider(q *asked, r *record, e *edge, best *answer) {
	for _, k := range g.byFact[e.kind] {
		if best.kind != nil && k.Priority > best.kind.Priority {
			return
		}
		if !q.may(k) {
			continue
		}
		switch k.Path {
		case "person":
			if e.person != 0 && q.named(e.person) {
				g.fit(q, k, nil, r, e, directory.Shift{}, best)
			}
		case "shift":
			for i := range q.nShifts {
				if s := &q.shifts[i]; g.places(e, s.dept) && k.covers(s.shift, q.ms) {
					g.fit(q, k, nil, r, e, s.shift, best)
				}
			}
		case "department":
			if g.places(e, q.dept) && !(k.Unrostered && q.rostered) {
				g.fit(q, k, nil, r, e, directory.Shift{}, best)
			}
		case "diagnosis":
			if q.dept != 0 && g.answersFor(q.dept, e.what, k) {
				g.fit(q, k, nil, r, e, directory.Shift{}, best)
			}
		}
	}
	g.considerTasks(q, r, e, best)
}

func (g *Graph) considerTasks(q *asked, r *record, e *edge, best *answer) {
	for _, t := range q.tasks {
		if best.kind != nil && t.kind.Priority > best.kind.Priority {
			return
		}
		if q.five && !t.Five || q.export && t.kind.ReadsOnly || q.rostered && t.kind.Unrostered {
			continue
		}
		switch {
		case t.facts[e.kind]:
			g.fit(q, t.kind, t.Task, r, e, directory.Shift{}, best)
		case t.instead[e.kind] && !g.heardAny(&t.facts):
			if g.fit(q, t.kind, t.Task, r, e, directory.Shift{}, best) {
				best.weak = true
			}
		}
	}
}

// heardAny says whether the hospital ever sent one of these.
func (g *Graph) heardAny(facts *[len(factKinds)]bool) bool {
	for code, wanted := range facts {
		if wanted && g.heard[code] {
			return true
		}
	}
	return false
}

// may says whether a kind covers what was done, to such data, at that hour.
func (q *asked) may(k *Kind) bool {
	return (k.Five || !q.five) && !(k.ReadsOnly && q.export) && (!k.OnDuty || q.onDuty)
}

// sealed says that the record was under seal: no work excuses looking into it.
func (g *Graph) sealed(q *asked) bool {
	if len(g.watches) == 0 {
		return false
	}
	if _, ok := g.watched(WatchSealed, q.ev.Patient.UID, q.ms); ok {
		return true
	}
	return slices.ContainsFunc(q.members, func(r *record) bool {
		_, ok := g.watched(WatchSealed, r.id, q.ms)
		return ok
	})
}

// unsealed is the one explanation of an access to a sealed record: an approval
// for this very patient.
func (g *Graph) unsealed(q *asked) ocsf.Explanation {
	for _, k := range g.other {
		if k.Path != "ticket" {
			continue
		}
		for _, t := range g.tickets[q.who] {
			if within(q.ms, t.From, t.Until) && t.Scope.Patient != "" && g.allows(t.Scope, Scope{Patient: q.ev.Patient.UID}, q.ms, q.members) {
				return g.ticketed(q, k, t)
			}
		}
	}
	return ocsf.Explanation{}
}

func (q *asked) named(person word) bool {
	for _, n := range q.names {
		if n == person {
			return true
		}
	}
	return false
}

// at says whether an edge is at a department or ward.
func (e *edge) at(dept word) bool {
	return dept != 0 && (e.dept == dept || e.kind == codeLocation && e.what == dept)
}

func (k *Kind) covers(s directory.Shift, at int64) bool {
	return at >= s.From-second(k.Slack).ms() && at < s.Until+second(k.Slack).ms()
}

// fit takes an edge as the answer if it holds at the time and is better than
// what was found before: by priority, then the later beginning, then the
// name of its source, so that the order of the facts plays no part.
func (g *Graph) fit(q *asked, k *Kind, t *Task, r *record, e *edge, s directory.Shift, best *answer) bool {
	w := window{k.Span, k.Before, k.After, k.Open}
	if t != nil {
		w = window{t.Span, t.Before, t.After, t.Open}
	}
	begin, end, ok := r.holds(e, w, q.at)
	if t != nil && t.done != 0 && e.kind != t.done && r.doneBefore(e, t.done, q.at) {
		return false
	}
	if !ok || best.kind != nil && !best.yields(k, r, e, begin) {
		return false
	}
	*best = answer{kind: k, task: t, rec: r, edge: e, begin: begin, end: end, shift: s}
	return true
}

func (b *answer) yields(k *Kind, r *record, e *edge, begin second) bool {
	switch {
	case k.Priority != b.kind.Priority:
		return k.Priority < b.kind.Priority
	case k != b.kind:
		return k.ID < b.kind.ID
	case begin != b.begin:
		return begin > b.begin
	case e.kind != b.edge.kind:
		return e.kind < b.edge.kind
	}
	return string(r.words.bytes(e.src)) < string(b.rec.words.bytes(b.edge.src))
}

// window is when a fact explains.
type window struct {
	span                string
	before, after, open Duration
}

// holds says whether an edge explains an access at a time, and when it held.
func (r *record) holds(e *edge, w window, at second) (begin, end second, ok bool) {
	begin, end = r.bounds(e, w.span)
	limit := end
	if end == 0 {
		limit = max(e.last, r.lastSign(e), begin) + second(w.open)
	}
	return begin, end, at >= begin.before(second(w.before)) && at <= limit+second(w.after)
}

// doneBefore says whether the task of a visit was done more than a day before.
func (r *record) doneBefore(visit *edge, done factCode, at second) bool {
	const day = 24 * 3600
	for i := range r.edges {
		if e := &r.edges[i]; e.kind == done && e.enc == visit.enc && e.alive() && e.said+day < at && (visit.until == 0 || e.said+day >= visit.until) {
			return true
		}
	}
	return false
}

// bounds is when a fact held; an end of 0 is open.
func (r *record) bounds(e *edge, span string) (begin, end second) {
	begin, end = e.from, e.until
	if begin == 0 {
		begin = e.first
	}
	switch span {
	case "point":
		return begin, max(begin, e.last)
	case "stay":
		if e.kind == codeLocation {
			begin, end = r.stayBounds(e)
		}
	case "own":
		return begin, end
	case "said":
		return e.source, max(e.source, e.said)
	}
	if visit := r.visit(e.enc); visit != nil {
		if e.from == 0 && visit.from != 0 {
			begin = visit.from
		}
		if end == 0 {
			end = visit.until
		}
	}
	if span == "order" && end != 0 {
		end = max(end, r.result(e))
	}
	return begin, end
}

// lastSign is when an open relation was last heard of.
func (r *record) lastSign(e *edge) second {
	last := e.said
	if e.id != 0 {
		last = max(last, r.result(e))
	}
	if visit := r.visit(e.enc); visit != nil {
		last = max(last, visit.said)
	}
	return last
}

// result is when the results of an order last came, 0 never.
func (r *record) result(order *edge) second {
	var last second
	if order.kind != codeOrder || order.id == 0 {
		return 0
	}
	for i := range r.edges {
		if e := &r.edges[i]; e.kind == codePerformer && e.id == order.id && e.alive() {
			last = max(last, e.last)
		}
	}
	return last
}

// state writes the answer down.
func (g *Graph) state(q *asked, b *answer) ocsf.Explanation {
	x := ocsf.Explanation{Explained: true, Kind: b.kind.ID, Weak: b.kind.Weak || b.weak, Args: g.args(q, b.kind, b, ocsf.Explanation{})}
	x.Because = append(make([]string, 0, 3), b.rec.words.text(b.edge.src))
	if visit := b.rec.visit(b.edge.enc); visit != nil && visit.src != 0 && visit.src != b.edge.src {
		x.Because = append(x.Because, b.rec.words.text(visit.src))
	}
	if joined := q.joinedBy(b.rec); joined != "" {
		x.Because = appendNew(x.Because, joined)
	}
	if b.kind.Path == "shift" || b.kind.Path == "department" {
		x.Because = g.becauseOfName(x.Because, q, b)
	}
	switch b.kind.Path {
	case "shift":
		x.Because = append(x.Because, shiftID(b.shift))
	case "department", "task":
		x.Because = append(x.Because, "directory:"+q.who)
	case "diagnosis":
		x.Because = append(x.Because, "directory:"+q.who, "learned:"+g.lexicon.text(q.dept)+"|"+g.lexicon.text(b.edge.what))
	}
	return x
}

// joinedBy is the event which made another number one of this patient's.
func (q *asked) joinedBy(r *record) string {
	if r.id == q.ev.Patient.UID {
		return ""
	}
	for _, m := range q.members {
		for i := range m.links {
			if l := &m.links[i]; l.alive() && (m == r && l.to == q.ev.Patient.UID || m.id == q.ev.Patient.UID && l.to == r.id) {
				return m.words.text(l.src)
			}
		}
	}
	for i := range r.links {
		if r.links[i].alive() {
			return r.words.text(r.links[i].src)
		}
	}
	return ""
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// shiftID names a line of the roster: "roster:PERSON:START", START in UTC.
func shiftID(s directory.Shift) string {
	return "roster:" + s.Person + ":" + time.UnixMilli(s.From).UTC().Format(time.RFC3339)
}

// args fills the arguments of a kind's sentence, in order.
func (g *Graph) args(q *asked, k *Kind, b *answer, root ocsf.Explanation) []string {
	out := make([]string, len(k.Args))
	for i, name := range k.Args {
		out[i] = g.arg(q, k, b, name)
		if name == "kind" {
			out[i] = root.Kind
		}
	}
	return out
}

func (g *Graph) arg(q *asked, k *Kind, b *answer, name string) string {
	switch name {
	case "person":
		return q.who
	case "patient":
		return q.ev.Patient.UID
	case "at":
		return instant(q.at)
	}
	if b == nil {
		return ""
	}
	e := b.edge
	switch name {
	case "department":
		return g.argDepartment(q, k, b)
	case "ward":
		if e.kind == codeLocation && e.what != 0 {
			return g.lexicon.text(e.what)
		}
		return g.lexicon.text(e.dept)
	case "encounter":
		return b.rec.words.text(e.enc)
	case "order":
		return b.rec.words.text(e.id)
	case "code":
		return g.lexicon.text(e.what)
	case "from":
		return instant(b.begin)
	case "until":
		return instant(b.end)
	case "task":
		return b.task.ID
	case "count":
		return strconv.Itoa(int(g.taught.pairs[lesson{q.dept, e.what}]))
	}
	return ""
}

func (g *Graph) argDepartment(q *asked, k *Kind, b *answer) string {
	switch k.Path {
	case "shift":
		return b.shift.Department
	case "person":
		return g.lexicon.text(b.edge.dept)
	}
	return q.deptName
}

func instant(s second) string {
	if s == 0 {
		return ""
	}
	return time.Unix(int64(s), 0).UTC().Format(time.RFC3339)
}

// otherwise tries a kind that rests on no fact.
func (g *Graph) otherwise(q *asked, k *Kind) (ocsf.Explanation, bool) {
	if k.Path != "repeat" && !q.may(k) || k.OnDuty && !q.onDuty {
		return ocsf.Explanation{}, false
	}
	switch k.Path {
	case "ticket":
		return g.byTicket(q, k)
	case "break-glass":
		return g.byBreakGlass(q, k)
	case "repeat":
		return g.byRepeat(q, k)
	case "group":
		return g.byGroup(q, k)
	case "list":
		if onList(q.ev) {
			return g.bare(q, k, q.ev.Metadata.UID), true
		}
	}
	return ocsf.Explanation{}, false
}

// onList says that the patient was a line of a list that nobody took away.
func onList(ev *ocsf.Event) bool {
	return ev.Access != nil && ev.Access.Incidental && ev.ActivityID != ocsf.AccessExport && ev.ActivityID != ocsf.AccessShare
}

func (g *Graph) bare(q *asked, k *Kind, because ...string) ocsf.Explanation {
	return ocsf.Explanation{Explained: true, Kind: k.ID, Weak: k.Weak, Because: because, Args: g.args(q, k, nil, ocsf.Explanation{})}
}

// byBreakGlass accepts an emergency override with a reason that says
// something. The reason itself stays in the event.
func (g *Graph) byBreakGlass(q *asked, k *Kind) (ocsf.Explanation, bool) {
	a := q.ev.Access
	if a == nil || !a.BreakGlass || !k.saysSomething(a.Reason) {
		return ocsf.Explanation{}, false
	}
	return g.bare(q, k, q.ev.Metadata.UID), true
}

// saysSomething refuses an empty, a very short, a repeated ("aaaaaa") and a
// stock reason.
func (k *Kind) saysSomething(reason string) bool {
	text := bare(reason)
	weight, distinct := 0, map[rune]bool{}
	for _, r := range text {
		distinct[r] = true
		weight++
		if unicode.Is(unicode.Han, r) {
			weight += 2
		}
	}
	return weight >= k.Letters && len(distinct) >= 4 && !slices.Contains(k.Templates, text)
}

// bare is a text with only its letters, in lower case.
func bare(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "")
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// Attending says whether a person is one of the patient's own doctors at a
// time: attending, admitting or consulting. GB/T 39725 level 5 is for them.
func (g *Graph) Attending(person, patient string, at int64) bool {
	return g.treated(person, patient, at)
}

// Attended says whether anybody at all is known to treat the patient then.
// Where nobody is, the messages that name them may still come.
func (g *Graph) Attended(patient string, at int64) bool { return g.treated("", patient, at) }

func (g *Graph) treated(person, patient string, at int64) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	ev := ocsf.Event{Time: at, Patient: &ocsf.Patient{UID: patient}}
	var q asked
	g.ask(&q, &ev, ocsf.User{UID: person})
	for _, r := range q.members {
		for i := range r.edges {
			e := &r.edges[i]
			if e.person == 0 || !e.alive() || person != "" && !q.named(e.person) {
				continue
			}
			for _, k := range g.byFact[e.kind] {
				if _, _, ok := r.holds(e, window{k.Span, k.Before, k.After, k.Open}, q.at); ok && k.Treats && k.Path == "person" {
					return true
				}
			}
		}
	}
	return false
}
