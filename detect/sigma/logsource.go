package sigma

import (
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/ocsf"
)

// routeFile is an entry of logsources.yaml: what a log source is on events.
type routeFile struct {
	logsource `yaml:",inline"`
	// Where is a detection that such an event fits.
	Where yaml.Node `yaml:"where"`
	// Fields are the names the source has for fields of the rules.
	Fields map[string]string `yaml:"fields"`

	where   node
	asks    []int // the fields where looks at
	classes []ocsf.Class
}

// route is the way from events to the rules of a log source.
type route struct {
	source logsource
	where  node // nil: every event
	asks   []int
	fields map[string]string
	rules  []*rule
}

func (f *routeFile) compile(fields *fieldNames) error {
	if f.Where.IsZero() {
		return nil
	}
	c := &compiler{fields: fields}
	n, err := c.selection(&f.Where)
	if err != nil {
		return err
	}
	f.where = n
	f.asks = asks(n)
	f.classes = classesOf(&f.Where)
	return nil
}

// asks lists the fields a where looks at.
func asks(n node) []int {
	var out []int
	switch n := n.(type) {
	case allOf:
		for _, x := range n {
			out = append(out, asks(x)...)
		}
	case anyOf:
		for _, x := range n {
			out = append(out, asks(x)...)
		}
	case oneOf:
		out = append(out, n.field)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// classesOf reads the classes a where names, nil for any.
func classesOf(where *yaml.Node) []ocsf.Class {
	var f struct {
		Class yaml.Node `yaml:"class_uid"`
	}
	if where.Kind != yaml.MappingNode || where.Decode(&f) != nil || f.Class.IsZero() {
		return nil
	}
	list := []*yaml.Node{&f.Class}
	if f.Class.Kind == yaml.SequenceNode {
		list = f.Class.Content
	}
	var out []ocsf.Class
	for _, n := range list {
		c, err := strconv.ParseUint(n.Value, 10, 32)
		if err != nil {
			return nil
		}
		out = append(out, ocsf.Class(c))
	}
	return out
}

// covers says whether an entry is about a rule's log source, and how many
// words they share.
func (l logsource) covers(of logsource) (shared int, ok bool) {
	for _, w := range [...][2]string{{l.Category, of.Category}, {l.Product, of.Product}, {l.Service, of.Service}} {
		switch {
		case w[0] == "":
		case w[0] == w[1]:
			shared++
		default:
			return 0, false
		}
	}
	return shared, shared > 0
}

// route leads each rule to the most particular entries about its log source.
func (r *Rules) route(l *loader) {
	ways := make([]*route, len(l.routes))
	for i := range l.routes {
		f := &l.routes[i]
		ways[i] = &route{source: f.logsource, where: f.where, asks: f.asks, fields: f.Fields}
		for _, name := range f.Fields {
			l.fields.add(name)
		}
	}
	for _, x := range r.list {
		best := 0
		for i := range l.routes {
			if n, ok := l.routes[i].covers(x.source); ok {
				best = max(best, n)
			}
		}
		for i := range l.routes {
			if n, ok := l.routes[i].covers(x.source); ok && n == best {
				x.routes = append(x.routes, ways[i])
				ways[i].rules = append(ways[i].rules, x)
			}
		}
	}
	r.routes = ways
	for i := range l.routes {
		if len(ways[i].rules) > 0 {
			r.enter(i, l.routes[i].classes)
		}
	}
}

// enter notes which events may take a way. An event of a class that no way
// names can only take those that name none.
func (r *Rules) enter(i int, classes []ocsf.Class) {
	if classes == nil {
		r.any = append(r.any, i)
		for c := range r.byClass {
			r.byClass[c] = append(r.byClass[c], i)
		}
		return
	}
	for _, c := range classes {
		if _, ok := r.byClass[c]; !ok {
			r.byClass[c] = slices.Clone(r.any)
		}
		r.byClass[c] = append(r.byClass[c], i)
	}
}

// fits says that an event is of the source.
func (w *route) fits(l *look) bool { return w.where == nil || w.where.eval(l) }
