package sigma

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// routeFile is an entry of logsources.yaml: what a log source is on events.
type routeFile struct {
	logsource `yaml:",inline"`
	// Where is a detection that such an event fits.
	Where yaml.Node `yaml:"where"`
	// Fields are the names the source has for fields of the rules.
	Fields map[string]string `yaml:"fields"`
	// Exact entries are only about rules that name nothing more.
	Exact bool `yaml:"exact"`

	where node
}

// sourcesFile is logsources.yaml.
type sourcesFile struct {
	Logsources []routeFile `yaml:"logsources"`
	// Says are the members by which an event itself names its log source.
	Says struct {
		Category string `yaml:"category"`
		Product  string `yaml:"product"`
		Service  string `yaml:"service"`
	} `yaml:"says"`
	// Names are other names of fields, as shippers of logs write them.
	Names map[string][]string `yaml:"names"`
}

// take adds a file's contents; refuse is told of entries that cannot be used.
func (l *loader) take(f *sourcesFile, refuse func(source string, err error)) {
	for i := range f.Logsources {
		x := &f.Logsources[i]
		x.logsource = lowered(x.logsource)
		if err := x.compile(l.fields); err != nil {
			refuse(x.logsource.String(), err)
			continue
		}
		l.routes = append(l.routes, *x)
	}
	for i, name := range [...]string{f.Says.Category, f.Says.Product, f.Says.Service} {
		if name != "" {
			l.fields.says[i] = name
			l.fields.add(name)
		}
	}
	for name, others := range f.Names {
		if l.fields.others == nil {
			l.fields.others = map[string][]string{}
		}
		l.fields.others[name] = others
	}
}

func (f *routeFile) compile(fields *fieldNames) error {
	if f.Where.IsZero() {
		return nil
	}
	n, err := (&compiler{fields: fields}).selection(&f.Where)
	f.where = n
	return err
}

func (l logsource) String() string {
	text := ""
	for _, w := range l.words() {
		if w != "" && text != "" {
			text += "/"
		}
		text += w
	}
	return text
}

func (l logsource) words() [3]string { return [3]string{l.Category, l.Product, l.Service} }

// route is the way from events to the rules of a log source.
type route struct {
	source logsource
	where  node // nil: every event
	fields map[string]string
}

// covers says whether an entry is about a rule's log source, and how many
// words they share.
func (f *routeFile) covers(of logsource) (shared int, ok bool) {
	theirs := of.words()
	for i, w := range f.words() {
		switch {
		case w == "" && f.Exact && theirs[i] != "":
			return 0, false
		case w == "":
		case w == theirs[i]:
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
		ways[i] = &route{source: f.logsource, where: f.where, fields: f.Fields}
		for name, other := range f.Fields {
			l.fields.add(name)
			l.fields.add(other)
		}
	}
	r.routes, r.fields = ways, l.fields
	memo := map[logsource][]*route{}
	for _, x := range r.list {
		list, ok := memo[x.source]
		if !ok {
			list = l.leading(x.source, ways)
			memo[x.source] = list
		}
		x.routes = list
	}
}

func (l *loader) leading(to logsource, ways []*route) []*route {
	best := 0
	for i := range l.routes {
		if n, ok := l.routes[i].covers(to); ok {
			best = max(best, n)
		}
	}
	var out []*route
	for i := range l.routes {
		if n, ok := l.routes[i].covers(to); ok && n == best {
			out = append(out, ways[i])
		}
	}
	return out
}

// fits says that an event is of the source.
func (w *route) fits(l *look) bool { return w.where == nil || w.where.eval(l) }

// may says that an event could be of the source if what it lacks were there.
func (w *route) may(l *look) bool { return w.where == nil || may(w.where, l) }

func may(n node, l *look) bool {
	switch n := n.(type) {
	case allOf:
		for _, x := range n {
			if !may(x, l) {
				return false
			}
		}
		return true
	case anyOf:
		return slices.ContainsFunc(n, func(x node) bool { return may(x, l) })
	case *oneOf:
		return !l.field(n.field).there || n.eval(l)
	case *exists:
		return n.want || n.eval(l)
	}
	return n.eval(l)
}
