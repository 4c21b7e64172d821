package care

import (
	"slices"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// pair is a person and a patient number.
type pair struct{ patient, person string }

// seen is an access that was explained by a fact of its own.
type seen struct {
	at      second
	kind    string
	weak    bool
	because []string // the access itself first
}

// refresh is how much newer an access must be to replace the remembered one:
// it keeps a nurse's hundred looks a shift from being a hundred writes.
const refresh = second(6 * 3600)

// Learn takes in an explained access (ev.Explanation set): its repeats, and
// what its department treats. A repeat teaches nothing: without new evidence
// a chain of repeats ends where its root does.
func (g *Graph) Learn(ev *ocsf.Event) {
	x := ev.Explanation
	if x == nil || !x.Explained || ev.Patient == nil {
		return
	}
	k, ok := g.kinds.byID[x.Kind]
	if !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	var q asked
	g.askPerson(&q, ev.Actor.User)
	q.ms, q.at = ev.Time, seconds(ev.Time)
	if k.Repeats > 0 {
		g.remember(&q, ev, x)
	}
	if k.Teaches && !x.Weak {
		q.deptName, _ = g.dir.DepartmentAt(q.who, ev.Time)
		dept := g.lexicon.add(q.deptName)
		g.teach(dept, ev.Patient.UID, q.at)
		g.meet(q.who, ev)
	}
}

func (g *Graph) remember(q *asked, ev *ocsf.Event, x *ocsf.Explanation) {
	key := pair{ev.Patient.UID, q.who}
	old, ok := g.seen[key]
	if ok && q.at < old.at+refresh {
		return
	}
	because := append([]string{ev.Metadata.UID}, x.Because...)
	if slices.Contains(x.Because, ev.Metadata.UID) {
		because = slices.Clone(x.Because)
	}
	g.seen[key] = seen{at: q.at, kind: x.Kind, weak: x.Weak, because: because}
	g.dirtySeen.mark(key)
}

// byRepeat explains the return to a patient whose record the person opened
// for a good reason not long ago.
func (g *Graph) byRepeat(q *asked, k *Kind) (ocsf.Explanation, bool) {
	var found seen
	for _, m := range q.members {
		g.repeatOf(q, m.id, &found)
	}
	if len(q.members) == 0 {
		g.repeatOf(q, q.ev.Patient.UID, &found)
	}
	if found.at == 0 {
		return ocsf.Explanation{}, false
	}
	root := ocsf.Explanation{Kind: found.kind}
	b := &answer{kind: k, rec: &record{}, edge: &edge{}, begin: found.at}
	return ocsf.Explanation{
		Explained: true, Kind: k.ID, Weak: k.Weak || found.weak,
		Because: slices.Clone(found.because), Args: g.args(q, k, b, root),
	}, true
}

func (g *Graph) repeatOf(q *asked, patient string, found *seen) {
	s, ok := g.seen[pair{patient, q.who}]
	if !ok || s.at > q.at || s.because[0] == q.ev.Metadata.UID {
		return
	}
	root, ok := g.kinds.byID[s.kind]
	if !ok || q.at > s.at+second(root.Repeats) || !q.may(root) {
		return
	}
	if root.Path == "shift" && q.rostered && !q.onDuty {
		return // the shift it rests on is over
	}
	if s.at > found.at || s.at == found.at && s.because[0] < found.because[0] {
		*found = s
	}
}

// taught counts, per department and diagnosis, the patients who were treated.
type taught struct {
	pairs  map[lesson]uint32
	byDept map[word]uint32
	byCode map[word]uint32
	all    uint32
}

func newTaught() taught {
	return taught{pairs: map[lesson]uint32{}, byDept: map[word]uint32{}, byCode: map[word]uint32{}}
}

func (t *taught) add(l lesson, n uint32) {
	t.pairs[l] += n
	t.byDept[l.dept] += n
	t.byCode[l.code] += n
	t.all += n
}

// maxLessons bounds what one patient can teach.
const maxLessons = 32

// teach counts the patient's current diagnoses for a department, each once.
func (g *Graph) teach(dept word, patient string, at second) {
	r, ok := g.records[patient]
	if dept == 0 || !ok {
		return
	}
	for _, m := range r.members() {
		for i := range m.edges {
			e := &m.edges[i]
			if e.kind != codeDiagnosis || !e.alive() || len(m.lessons) >= maxLessons {
				continue
			}
			l := lesson{dept, e.what}
			if _, _, ok := m.holds(e, current(), at); !ok || slices.Contains(m.lessons, l) {
				continue
			}
			m.lessons = append(m.lessons, l)
			g.taught.add(l, 1)
			g.dirty.mark(m.id)
			g.dirtyTaught.mark(l)
		}
	}
}

// current is when a diagnosis counts for learning.
func current() window {
	const day = 24 * 3600
	return window{span: "visit", before: day, after: 14 * day, open: 90 * day}
}

// answersFor says whether a department treats a diagnosis more often than
// chance has it.
func (g *Graph) answersFor(dept, code word, k *Kind) bool {
	n := g.taught.pairs[lesson{dept, code}]
	if code == 0 || int(n) < k.Support {
		return false
	}
	expected := float64(g.taught.byDept[dept]) * float64(g.taught.byCode[code]) / float64(g.taught.all)
	return float64(n) >= k.Lift*expected
}

// category is the ICD-10 category of a code ("I21.0" is I21), or the whole of
// a code of another kind.
func category(code string) string {
	code = strings.ToUpper(strings.TrimSpace(code))
	if len(code) >= 3 && code[0] >= 'A' && code[0] <= 'Z' && digit(code[1]) && (digit(code[2]) || code[2] >= 'A' && code[2] <= 'Z') {
		if len(code) == 3 || len(code) <= 9 && (code[3] == '.' || digit(code[3])) {
			return code[:3]
		}
	}
	return code
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
