package sigma

import (
	"container/heap"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// correlate shows an event of the pipeline, with the rules that fit it, to the
// correlations, and finds what they find. It is called for every event: time
// goes on also where nothing fits.
func (r *Rules) correlate(c *detect.Context, ev *ocsf.Event, hits []*rule, rec record) {
	if len(r.corr.list) == 0 {
		return
	}
	for _, m := range r.corr.passed(ev.Time) {
		c.Find(m.finding(c))
	}
	counted := false
	for _, x := range hits {
		counted = counted || len(x.feeds) > 0
	}
	if !counted {
		return
	}
	from := origin{at: ev.Time, id: ev.Metadata.UID, who: c.Who(), account: ev.Actor.User.Account}
	if ev.Patient != nil {
		from.patient = ev.Patient.UID
	}
	for _, m := range r.corr.seen(hits, rec, from) {
		c.Find(m.finding(c))
	}
	if r.corr.stats != r.noted {
		r.note()
	}
}

// note makes the figures of correlations visible to other goroutines.
func (r *Rules) note() {
	now := r.corr.now()
	r.noted = r.corr.stats
	r.figures.Store(&now)
}

// Correlations says how the correlations are doing. It may be called from any
// goroutine; what is remembered now is as of the last minute.
func (r *Rules) Correlations() CorrelationStats {
	if s := r.figures.Load(); s != nil {
		return *s
	}
	return CorrelationStats{}
}

// remembered is how many groups each correlation held at the last tick.
func (r *Rules) remembered() map[string]int {
	if r.held == nil { // the same rules for files
		return nil
	}
	if m := r.held.Load(); m != nil {
		return *m
	}
	return nil
}

var _ detect.Troubled = (*Rules)(nil)

// Problems implements [detect.Troubled].
func (r *Rules) Problems() []detect.Problem {
	var out []detect.Problem
	if n := len(r.refused); n > 0 {
		first := r.refused[0].File + ": " + r.refused[0].Reason
		out = append(out, detect.Problem{ID: "rules-refused", Detectors: []string{"sigma"}, Text: ocsf.Text{
			EN: fmt.Sprintf("%d Sigma rules are not at work as their files have them. The first: %s", n, first),
			ZH: fmt.Sprintf("%d 条 Sigma 规则未能按其文件加载。第一条：%s", n, first),
		}})
	}
	if s := r.Correlations(); s.Evicted+s.Cut > 0 {
		out = append(out, detect.Problem{ID: "correlations-forget", Detectors: []string{"sigma"}, Text: ocsf.Text{
			EN: fmt.Sprintf("Correlation rules have no room: %d groups were forgotten and %d events left out before their time. Shorten a timespan or narrow a group-by.", s.Evicted, s.Cut),
			ZH: fmt.Sprintf("关联规则内存不足：已有 %d 个分组被提前遗忘、%d 个事件被提前舍弃。请缩短 timespan 或收窄 group-by。", s.Evicted, s.Cut),
		}})
	}
	if s := r.Correlations(); s.CutEvents+s.ShortEvents > 0 {
		out = append(out, detect.Problem{ID: "events-too-long", Detectors: []string{"sigma"}, Text: ocsf.Text{
			EN: fmt.Sprintf("Sigma rules did not see all of some events: %d had more than %d values, and %d had values too long for a regular expression. See what sends such events.", s.CutEvents, maxLeaves, s.ShortEvents),
			ZH: fmt.Sprintf("部分事件未被 Sigma 规则完整检查：%d 个事件的值超过 %d 个，%d 个事件的值对正则表达式过长。请查明此类事件的来源。", s.CutEvents, maxLeaves, s.ShortEvents),
		}})
	}
	if ids := r.endless(); len(ids) > 0 {
		list := strings.Join(ids[:min(len(ids), 5)], ", ")
		out = append(out, detect.Problem{ID: "filters-without-end", Detectors: []string{"sigma"}, Text: ocsf.Text{
			EN: fmt.Sprintf("%d Sigma filters over all rules of a log source hide matches without end or reason: %s. Give each a cordon section with until, reason and approved_by.", len(ids), list),
			ZH: fmt.Sprintf("%d 个 Sigma 过滤器对日志源的全部规则长期屏蔽，且无期限或原因：%s。请为其添加 cordon 段，注明 until、reason 和 approved_by。", len(ids), list),
		}})
	}
	return out
}

// endless are the ids of filters that hide whatever rule without an end.
func (r *Rules) endless() (ids []string) {
	for _, f := range r.filters {
		if f.any && f.until == "" {
			ids = append(ids, f.id)
		}
	}
	return ids
}

// count notes that the rules did not see all of an event.
func (r *Rules) count(l *look) {
	if l.cut {
		r.corr.stats.CutEvents++
	}
	if l.short {
		r.corr.stats.ShortEvents++
	}
	if (l.cut || l.short) && r.corr.stats != r.noted {
		r.note()
	}
}

var _ detect.Ticker = (*Rules)(nil)

// Tick implements [detect.Ticker]: windows that are over by the wall clock are
// judged when no event has come for a while that would say so.
func (r *Rules) Tick(c *detect.Context, now int64) {
	r.note()
	r.held.Store(r.corr.byCorrelation())
	if r.corr.clock != r.ticked {
		r.ticked = r.corr.clock
		return
	}
	if r.corr.clock == 0 {
		return
	}
	for _, m := range r.corr.passed(now) {
		c.Find(m.finding(c))
	}
	r.ticked = r.corr.clock
}

// finding says what a correlation found.
func (m *match) finding(c *detect.Context) ocsf.Finding {
	x := &m.c.rule
	name, at := m.who, c.At(m.at)
	if name == "" {
		name = strings.Join(m.values(), ", ")
	}
	f := ocsf.Finding{
		UID:      detect.UID(x.id, append(m.values(), m.id, strconv.FormatInt(m.at, 10))...),
		Analytic: x.id, Type: "sigma", Version: x.version, Time: m.at, Events: m.ids,
		Title: ocsf.Text{EN: fmt.Sprintf("%s (%s, %s)", x.title.EN, name, at), ZH: fmt.Sprintf("%s（%s，%s）", x.title.ZH, name, at)},
		Why:   x.why, SeverityID: x.severity, Risk: x.risk, Weak: x.weak,
		Person: m.who, Account: m.account, Patient: m.patient,
	}
	if m.who == "" {
		f.Subject = m.subject()
	}
	return f
}

// subject is what a match is summed under that is nobody's alone.
func (m *match) subject() string {
	values := m.values()
	for i, name := range m.c.group {
		if name == "patient.uid" {
			return "patient:" + values[i]
		}
	}
	if len(values) == 0 {
		return "source:" + m.c.id
	}
	return "source:" + strings.Join(values, " ")
}

// lineCorrelator correlates the lines of a file. Events are put in the order of
// their times first, as far as they are out of it by no more than mostWaiting
// matches, so a file gives the same in any such order. Events without a time
// have that of the event before.
type lineCorrelator struct {
	k       *correlator
	waiting waitHeap
	last    int64
	n       uint64
	out     []Match
}

const mostWaiting = 100_000

func newLineCorrelator(r *Rules) *lineCorrelator {
	return &lineCorrelator{k: newCorrelator(r.corr.list)}
}

// line counts the matches of a line and returns what is completed by now.
func (s *lineCorrelator) line(hits []*rule, rec record, line int) []Match {
	s.out = s.out[:0]
	if len(s.k.list) == 0 {
		return nil
	}
	before := len(s.k.inputs)
	for _, x := range hits {
		if len(x.feeds) > 0 {
			s.k.extract(x, rec)
		}
	}
	mine := s.k.inputs[before:]
	if len(mine) == 0 {
		return nil
	}
	order(mine)
	at, ok := eventTime(rec)
	from := origin{at: at, id: strconv.Itoa(line)}
	switch {
	case !ok && len(s.waiting) == 0:
		from.at = s.last
		s.apply(mine, from)
	case !ok:
		from.at = s.last
		s.wait(mine, from)
	default:
		s.last = at
		s.wait(mine, from)
	}
	s.k.inputs = s.k.inputs[:before]
	return s.out
}

// end returns what the rest completes.
func (s *lineCorrelator) end() []Match {
	s.out = s.out[:0]
	for len(s.waiting) > 0 {
		s.next()
	}
	s.report(s.k.finish())
	return s.out
}

func (s *lineCorrelator) apply(list []input, from origin) {
	s.report(s.k.passed(from.at))
	s.k.told = s.k.told[:0]
	s.k.take(list, from)
	s.report(s.k.told)
}

func (s *lineCorrelator) report(list []match) {
	for i := range list {
		m := &list[i]
		line := 0 // the last to be read of those it rests on
		for _, id := range m.ids {
			n, _ := strconv.Atoi(id)
			line = max(line, n)
		}
		if !m.c.silent {
			s.out = append(s.out, Match{Rule: m.c.id, Title: m.c.title.EN, Line: line})
		}
	}
}

// wait holds the matches of an event back until no earlier one is expected.
func (s *lineCorrelator) wait(list []input, from origin) {
	s.n++
	w := waiting{from: from, n: s.n, list: make([]input, len(list))}
	for i, in := range list {
		in.text = strings.Clone(in.text)
		w.list[i] = in
	}
	heap.Push(&s.waiting, w)
	for len(s.waiting) > mostWaiting {
		s.next()
	}
}

func (s *lineCorrelator) next() {
	w := heap.Pop(&s.waiting).(waiting)
	s.apply(w.list, w.from)
}

// waiting is an event on its way to the correlations.
type waiting struct {
	from origin
	n    uint64
	list []input
}

type waitHeap []waiting

func (h waitHeap) Len() int { return len(h) }
func (h waitHeap) Less(i, j int) bool {
	return h[i].from.at < h[j].from.at || h[i].from.at == h[j].from.at && h[i].n < h[j].n
}
func (h waitHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *waitHeap) Push(x any) { *h = append(*h, x.(waiting)) }

// Pop implements heap.Interface.
func (h *waitHeap) Pop() any {
	old := *h
	w := old[len(old)-1]
	old[len(old)-1] = waiting{}
	*h = old[:len(old)-1]
	return w
}

// timeFields are where events carry their time, the best first.
func timeFields() []string {
	return []string{"time", "@timestamp", "timestamp", "UtcTime", "TimeCreated_SystemTime", "SystemTime", "TimeCreated", "EventTime", "eventTime", "event_time"}
}

// eventTime reads when an event was, in ms.
func eventTime(rec record) (int64, bool) {
	var buf [4]value
	for _, name := range timeFields() {
		for _, v := range rec.lookup(name, buf[:0]) {
			if at, ok := parseTime(v.text); ok {
				return at, true
			}
		}
	}
	return 0, false
}

// parseTime reads a time as events write it: as text, in UTC where it names no
// zone, or as a number of seconds, milliseconds, microseconds or nanoseconds.
func parseTime(s string) (int64, bool) {
	if len(s) < 5 {
		return 0, false
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		for _, unit := range []float64{1e17, 1e14, 1e11} { // ns, us, ms
			if n >= unit {
				return int64(n / (unit / 1e11)), true
			}
		}
		return int64(n * 1000), n > 0
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}
