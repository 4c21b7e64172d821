package sigma

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// filter is a global exclusion: events that fit it are no match of the rules it
// is about.
type filter struct {
	rule         // id, title, texts, log source; cond is what is excluded
	any     bool // it is about all rules of its log source
	targets []string
	until   string // the last day on which it holds, "" for ever
	expired atomic.Bool
	hidden  atomic.Int64 // events of which its rules would have spoken
	touches []*rule
	missing []string // targets that are not loaded, or of another log source
}

// unless is a condition with the filters of its rule. Filters are asked only
// where the rule itself fits, so what they hide can be counted.
type unless struct {
	cond    node
	filters []*filter
}

func (n unless) eval(l *look) bool { return n.cond.eval(l) && !n.hides(l) }

// hides says that a filter excludes the event, and counts that.
func (n unless) hides(l *look) bool {
	for _, f := range n.filters {
		if !f.expired.Load() && f.cond.eval(l) {
			f.hidden.Add(1)
			return true
		}
	}
	return false
}

// id implements node. No two rules share their filters, so it is never shared.
func (n unless) id() string { return fmt.Sprintf("unless %p", n.filters) }

// parseFilter reads a filter.
func parseFilter(d *document, p *page, c *compiler) (*filter, error) {
	f := &filter{until: d.meta.Cordon.Until}
	if err := f.take(d); err != nil {
		return nil, err
	}
	if f.source = lowered(d.meta.Logsource); f.source == (logsource{}) {
		return nil, errors.New("it has no logsource; a filter is about the rules of one")
	}
	n := deref(&p.Filter)
	targets := member(n, "rules")
	if targets == nil {
		return nil, errors.New("filter: rules is missing: ids or names, or any")
	}
	var err error
	if f.targets, err = scalars(targets); err != nil || len(f.targets) == 0 {
		return nil, errors.New("filter: rules is a list of ids or names, or any")
	}
	f.any = slices.Contains(f.targets, "any") || slices.Contains(f.targets, "all")
	if err := f.check(&d.meta); err != nil {
		return nil, err
	}
	_, detection := take(n, "rules")
	if f.cond, err = parseDetection(detection, c); err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	if condition := member(detection, "condition"); condition != nil && begins(condition.Value, "not") {
		f.cond = negate{f.cond}
	}
	f.waits = c.waits
	return f, nil
}

// begins says that a condition begins with a word. Converters join the
// condition of a filter to that of the rule with AND, so that filters in use
// say "not selection"; the specification's own say "selection". Either keeps
// out what the selection describes.
func begins(condition, word string) bool {
	words := tokens(condition)
	for len(words) > 0 && words[0] == "(" {
		words = words[1:]
	}
	return len(words) > 0 && strings.EqualFold(words[0], word)
}

// check wants an end to have a reason and a name; a filter without the section
// cordon is one as Sigma knows it.
func (f *filter) check(m *ruleFile) error {
	if f.until == "" {
		return nil
	}
	if _, err := time.Parse(time.DateOnly, f.until); err != nil {
		return fmt.Errorf("cordon: until %q is not a day like 2026-12-31", f.until)
	}
	if m.Cordon.Reason == "" || m.Cordon.ApprovedBy == "" {
		return errors.New("cordon: a filter with an end needs a reason and approved_by")
	}
	return nil
}

// join puts filters over the rules they are about.
func (l *loader) join(find func(string) []entity) {
	for _, f := range l.filters {
		if f.any {
			for _, r := range l.rules {
				f.touch(r)
			}
			if len(f.touches) == 0 {
				f.missing = append(f.missing, "any")
			}
			continue
		}
		for _, ref := range f.targets {
			f.aim(ref, find(ref))
		}
	}
	for _, r := range l.rules {
		if len(r.filters) > 0 {
			r.cond = unless{r.cond, r.filters}
		}
	}
}

func (f *filter) aim(ref string, found []entity) {
	hit := false
	for _, e := range found {
		if r, ok := e.(*rule); ok && f.touch(r) {
			hit = true
		}
	}
	if !hit {
		f.missing = append(f.missing, ref)
	}
}

// touch puts the filter over a rule of its log source.
func (f *filter) touch(r *rule) bool {
	if !f.source.contains(r.source) {
		return false
	}
	f.touches = append(f.touches, r)
	r.filters = append(r.filters, f)
	return true
}

// contains says that everything a log source names is named alike by another.
func (l logsource) contains(o logsource) bool {
	return (l.Category == "" || l.Category == o.Category) && (l.Product == "" || l.Product == o.Product) && (l.Service == "" || l.Service == o.Service)
}

// Filter describes a loaded filter.
type Filter struct {
	ID, Title, File, Version string
	// Reason, ApprovedBy and Until (the last day) are from the section cordon;
	// Expired filters hide nothing any more.
	Reason, ApprovedBy, Until string
	Expired                   bool
	// Rules are the ids of the rules it is put over, Missing what it names
	// without effect: rules that are not loaded, or of another log source.
	Rules, Missing []string
	// Hidden is how many matches it has hidden since it was loaded.
	Hidden int64
}

// Filters describes the loaded filters, by id.
func (r *Rules) Filters() []Filter {
	out := make([]Filter, 0, len(r.filters))
	for _, f := range r.filters {
		m := &f.doc.meta.Cordon
		x := Filter{
			ID: f.id, Title: f.title.EN, File: f.file, Version: f.version, Reason: m.Reason, ApprovedBy: m.ApprovedBy,
			Until: f.until, Expired: f.expired.Load(), Missing: f.missing, Hidden: f.hidden.Load(),
		}
		for _, t := range f.touches {
			x.Rules = append(x.Rules, t.id)
		}
		out = append(out, x)
	}
	return out
}

// Hidden is how many matches each filter has hidden since the rules were
// loaded, by its id.
func (r *Rules) Hidden() map[string]int64 {
	out := map[string]int64{}
	for _, f := range r.filters {
		out[f.id] = f.hidden.Load()
	}
	return out
}

// Expire ends the filters whose last day has passed, in the zone of now, and
// says which are ended. It may be called at any time and from any goroutine.
func (r *Rules) Expire(now time.Time) []string {
	day := now.Format(time.DateOnly)
	var out []string
	for _, f := range r.filters {
		over := f.until != "" && day > f.until
		f.expired.Store(over)
		if over {
			out = append(out, f.id)
		}
	}
	return out
}

var _ entity = (*filter)(nil)
