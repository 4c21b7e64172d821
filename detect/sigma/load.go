package sigma

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v3"
)

// loader collects rules, correlations and filters from files.
type loader struct {
	docs    []*document
	rules   []*rule
	chains  []*correlation
	filters []*filter
	// byID has every id that is taken, by rules and correlations alike.
	byID    map[string]entity
	routes  []routeFile
	lists   map[string][]string
	refused []Refused
	fields  *fieldNames
	// settings are files that are about rules and hold none, by name.
	settings map[string][]byte
}

// entity is a rule, a correlation or a filter.
type entity interface{ about() *rule }

// maxFile bounds a rule file, in bytes.
const maxFile = 1 << 20

// Load reads all rules of the file systems, later ones replacing earlier ones
// of the same id. Files named logsources.yaml say which events log sources are
// on, files named placeholders.yaml fill the %placeholders% of rules; the
// others that end in .yml, .yaml or .txtar hold rules, correlations and
// filters, one or more each.
func Load(fsys ...fs.FS) (*Rules, []Refused) { return Reload(nil, fsys...) }

// Reload is Load after a change of files: a file, or a rule in it, that cannot
// be loaded any more is refused as ever, and what old had loaded from that file
// stays in force as it was.
func Reload(old *Rules, fsys ...fs.FS) (*Rules, []Refused) {
	l := &loader{byID: map[string]entity{}, lists: map[string][]string{}, fields: &fieldNames{number: map[string]int{}}}
	for i, f := range fsys {
		l.folder(i, f)
	}
	l.compile()
	if kept := l.kept(old); len(kept) > 0 {
		return l.again(kept)
	}
	return l.finish(), l.refused
}

// again loads the documents that can be used together with the kept ones.
func (l *loader) again(kept []*document) (*Rules, []Refused) {
	next := &loader{
		byID: map[string]entity{}, lists: l.lists, routes: l.routes, fields: l.fields, refused: slices.Clone(l.refused),
	}
	for _, d := range l.docs {
		if !slices.ContainsFunc(l.refused, func(r Refused) bool { return r.doc == d }) {
			next.docs = append(next.docs, d)
		}
	}
	next.docs = append(next.docs, kept...)
	slices.SortStableFunc(next.docs, func(a, b *document) int { return cmp.Compare(a.folder, b.folder) })
	next.compile()
	return next.finish(), next.refused
}

// kept are the documents of the old rules that stand in for refused ones: of
// the same file, and not loaded from anywhere now.
func (l *loader) kept(old *Rules) []*document {
	var out []*document
	if old == nil {
		return nil
	}
	for _, d := range old.docs {
		i := slices.IndexFunc(l.refused, func(r Refused) bool { return r.File == d.file && r.folder == d.folder })
		if i < 0 || slices.ContainsFunc(l.docs, func(n *document) bool { return n.file == d.file && n.folder == d.folder && n.sameAs(d) }) {
			continue
		}
		if again := d.again(); again != nil {
			l.refused[i].Kept = true
			out = append(out, again)
		}
	}
	return out
}

// again reads a document from its text, as it was read once before.
func (d *document) again() *document {
	c := collection{inherited: map[string]int{}}
	out := &document{file: d.file, folder: d.folder, text: d.text}
	for _, text := range splitDocuments(d.text) {
		if n, err := parseDocument(text); err == nil && n != nil {
			if made, _, err := c.next(text, n); err == nil {
				out.node = made
			}
		}
	}
	if out.node == nil {
		return nil
	}
	out.fault = out.decode()
	return out
}

// sameAs says that a document is loaded under the id of another.
func (d *document) sameAs(o *document) bool {
	return d.loaded && (d.version() == o.version() || d.meta.ID != "" && d.meta.ID == o.meta.ID)
}

func (l *loader) folder(number int, f fs.FS) {
	var names []string
	err := fs.WalkDir(f, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			l.refuse(Refused{File: name, Reason: err.Error(), folder: number})
		case !d.IsDir():
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		l.refuse(Refused{File: ".", Reason: err.Error(), folder: number})
	}
	files := make([]loader, len(names)) // read side by side, taken in their order
	parallel(len(names), func(i int) { files[i].file(number, f, names[i]) })
	for i := range files {
		for name, data := range files[i].settings {
			l.setting(name, data)
		}
		l.docs, l.refused = append(l.docs, files[i].docs...), append(l.refused, files[i].refused...)
	}
}

// parallel does n things on all processors, and returns when they are done.
func parallel(n int, do func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	workers.Wait()
}

func (l *loader) refuse(r Refused) { l.refused = append(l.refused, r) }

func (l *loader) file(folder int, fsys fs.FS, name string) {
	ext := path.Ext(name)
	if ext != ".yml" && ext != ".yaml" && ext != ".txtar" {
		return
	}
	data, err := readFile(fsys, name)
	if err != nil {
		l.refuse(Refused{File: name, Reason: err.Error(), folder: folder})
		return
	}
	switch base := strings.TrimSuffix(path.Base(name), ext); {
	case base == "logsources" || base == "placeholders":
		l.settings = map[string][]byte{name: data}
	case ext == ".txtar":
		l.archive(folder, name, data)
	default:
		l.text(folder, name, data)
	}
}

// setting reads a file that is about rules and holds none.
func (l *loader) setting(name string, data []byte) {
	if strings.HasPrefix(path.Base(name), "logsources.") {
		l.sources(name, data)
	} else {
		l.placeholders(name, data)
	}
}

func readFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var buf bytes.Buffer
	if info, err := f.Stat(); err == nil && info.Size() <= maxFile {
		buf.Grow(int(info.Size()) + bytes.MinRead)
	}
	if n, err := buf.ReadFrom(io.LimitReader(f, maxFile+1)); err != nil || n <= maxFile {
		return buf.Bytes(), err
	}
	return nil, fmt.Errorf("the file is larger than %d bytes", maxFile)
}

// archive reads a rule that brings its examples along; only the rule counts.
func (l *loader) archive(folder int, name string, data []byte) {
	found := false
	for _, f := range txtar.Parse(data).Files {
		if ext := path.Ext(f.Name); ext == ".yml" || ext == ".yaml" {
			found = true
			l.text(folder, name+"/"+f.Name, f.Data)
		}
	}
	if !found {
		l.refuse(Refused{File: name, Reason: "there is no rule (.yml) in the archive", folder: folder})
	}
}

// text reads the documents of a file. One that is broken does not take the
// others down.
func (l *loader) text(folder int, name string, data []byte) {
	c := collection{inherited: map[string]int{}}
	found := false
	for _, text := range splitDocuments(data) {
		n, err := parseDocument(text)
		if n == nil && err == nil {
			continue
		}
		found = true
		if err == nil {
			n, text, err = c.next(text, n)
		}
		switch {
		case err != nil:
			l.refuse(Refused{File: name, Reason: err.Error(), folder: folder})
		case n != nil:
			d := &document{file: name, folder: folder, text: text, node: n}
			d.fault = d.decode()
			l.docs = append(l.docs, d)
		}
	}
	if !found {
		l.refuse(Refused{File: name, Reason: "the file is empty", folder: folder})
	}
}

// compile makes rules, correlations and filters of the documents, in their
// order; what refers to others by id or name is joined when all are there.
func (l *loader) compile() {
	for _, d := range l.docs {
		if err := l.document(d); err != nil {
			l.refuse(Refused{File: d.file, Title: d.meta.Title, ID: d.meta.ID, Reason: err.Error(), folder: d.folder, doc: d})
		}
	}
	l.rules = slices.DeleteFunc(l.rules, func(r *rule) bool { return r.gone })
	l.chains = slices.DeleteFunc(l.chains, func(c *correlation) bool { return c.gone })
	l.filters = slices.DeleteFunc(l.filters, func(f *filter) bool { return f.gone })
	l.resolve()
}

// decode reads what a document says about itself.
func (d *document) decode() error {
	if d.node.Kind != yaml.MappingNode {
		return errors.New("not a rule: it is no map")
	}
	if err := d.node.Decode(&d.meta); err != nil {
		return fmt.Errorf("not a rule: %w", shortened(err))
	}
	return d.meta.check()
}

func (l *loader) document(d *document) error {
	d.loaded = false
	if d.fault != nil {
		return d.fault
	}
	made, err := l.make(d)
	if err != nil {
		return err
	}
	if old, ok := l.byID[made.about().id]; ok && old.about().doc.folder == d.folder && old.about().doc.loaded {
		return fmt.Errorf("the id %s is taken by %s in the same folder", made.about().id, old.about().file)
	}
	d.loaded = true
	l.enter(made)
	return nil
}

func (l *loader) make(d *document) (entity, error) {
	switch {
	case !d.meta.Correlation.IsZero():
		return parseCorrelation(d)
	case !d.meta.Filter.IsZero():
		return parseFilter(d, l.fields, l.lists)
	}
	return parseRule(d, l.fields, l.lists)
}

// enter takes something under its id, in place of what had it before.
func (l *loader) enter(made entity) {
	r := made.about()
	if old, ok := l.byID[r.id]; ok {
		was := old.about()
		was.gone = true
		r.replaces = was.doc.file
	}
	l.byID[r.id] = made
	switch x := made.(type) {
	case *rule:
		l.rules = append(l.rules, x)
	case *correlation:
		l.chains = append(l.chains, x)
	case *filter:
		l.filters = append(l.filters, x)
	}
}

// finish makes the rules ready to run.
func (l *loader) finish() *Rules {
	r := &Rules{list: l.rules, filters: l.filters, refused: l.refused, figures: &atomic.Pointer[CorrelationStats]{}, held: &atomic.Pointer[map[string]int]{}}
	for _, d := range l.docs {
		if d.loaded {
			// what is kept for evidence and later reloads is the text
			d.node, d.meta.Detection, d.meta.Correlation, d.meta.Filter = nil, yaml.Node{}, yaml.Node{}, yaml.Node{}
			r.docs = append(r.docs, d)
		}
	}
	r.corr = newCorrelator(l.chains)
	r.route(l)
	r.compile()
	return r
}

func (l *loader) sources(name string, data []byte) {
	var f sourcesFile
	if err := yaml.Unmarshal(data, &f); err != nil {
		l.refuse(Refused{File: name, Reason: "not readable: " + err.Error()})
		return
	}
	l.take(&f, func(source string, err error) {
		l.refuse(Refused{File: name, Reason: fmt.Sprintf("logsource %s: %v", source, err)})
	})
}
