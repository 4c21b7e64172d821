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
	files   []ruleSource
	ignored []string // names of files that are none of rules
}

// ruleSource is a file of rules that is still to be read.
type ruleSource struct {
	fsys   fs.FS
	folder int
	name   string
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
	l.read()
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
		ignored: l.ignored,
	}
	fresh := make([]*document, len(l.docs))
	parallel(len(l.docs), func() func(int) {
		r := newReading(l.lists)
		return func(i int) {
			if d := l.docs[i]; !slices.ContainsFunc(l.refused, func(r Refused) bool { return r.doc == d }) {
				fresh[i] = r.again(d)
			}
		}
	})
	next.docs = slices.DeleteFunc(fresh, func(d *document) bool { return d == nil })
	next.docs = append(next.docs, kept...)
	slices.SortStableFunc(next.docs, func(a, b *document) int { return cmp.Compare(a.folder, b.folder) })
	next.compile()
	return next.finish(), next.refused
}

// kept are the documents of the old rules that stand in for refused ones: of
// the same file, and not loaded from anywhere now.
func (l *loader) kept(old *Rules) []*document {
	var out []*document
	if old == nil || len(l.refused) == 0 {
		return nil
	}
	reading := newReading(l.lists)
	for _, d := range old.docs {
		i := slices.IndexFunc(l.refused, func(r Refused) bool { return r.File == d.file && r.folder == d.folder })
		if i < 0 || slices.ContainsFunc(l.docs, func(n *document) bool { return n.file == d.file && n.folder == d.folder && n.sameAs(d) }) {
			continue
		}
		if again := reading.again(d); again != nil {
			l.refused[i].Kept = true
			out = append(out, again)
		}
	}
	return out
}

// sameAs says that a document is loaded under the id of another.
func (d *document) sameAs(o *document) bool {
	return d.loaded && (d.version == o.version || d.meta.ID != "" && d.meta.ID == o.meta.ID)
}

// folder lists the files of rules, and reads those that are about rules.
func (l *loader) folder(number int, f fs.FS) {
	err := fs.WalkDir(f, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			l.refuse(Refused{File: name, Reason: err.Error(), folder: number})
		case !d.IsDir():
			l.list(ruleSource{f, number, name}, d)
		}
		return nil
	})
	if err != nil {
		l.refuse(Refused{File: ".", Reason: err.Error(), folder: number})
	}
}

// IsRuleFile says whether a file of such a name is read, in whatever case it is
// written; the others are listed as ignored.
func IsRuleFile(name string) bool {
	switch extension(name) {
	case ".yml", ".yaml", ".txtar":
		return true
	}
	return false
}

func extension(name string) string { return strings.ToLower(path.Ext(name)) }

// maxIgnored bounds the list of files that are no rules.
const maxIgnored = 1000

func (l *loader) list(f ruleSource, d fs.DirEntry) {
	if !IsRuleFile(f.name) {
		if len(l.ignored) < maxIgnored {
			l.ignored = append(l.ignored, f.name)
		}
		return
	}
	if err := f.regular(d); err != nil {
		l.refuse(Refused{File: f.name, Reason: err.Error(), folder: f.folder})
		return
	}
	base := strings.ToLower(strings.TrimSuffix(path.Base(f.name), path.Ext(f.name)))
	if base != "logsources" && base != "placeholders" {
		l.files = append(l.files, f)
		return
	}
	data, err := f.read(nil)
	switch {
	case err != nil:
		l.refuse(Refused{File: f.name, Reason: err.Error(), folder: f.folder})
	case base == "logsources":
		l.sources(f.name, data)
	default:
		l.placeholders(f.name, data)
	}
}

// read reads the files of rules side by side, and takes them in their order.
func (l *loader) read() {
	files := make([]loader, len(l.files))
	parallel(len(files), func() func(int) {
		r := newReading(l.lists)
		var buf []byte
		return func(i int) { buf = files[i].file(r, l.files[i], buf) }
	})
	for i := range files {
		l.docs, l.refused = append(l.docs, files[i].docs...), append(l.refused, files[i].refused...)
	}
}

// parallel does n things on all processors, and returns when they are done.
// Each goroutine gets its own function to do them with.
func parallel(n int, worker func() func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			do := worker()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	workers.Wait()
}

func (l *loader) refuse(r Refused) { l.refused = append(l.refused, r) }

// file reads the rules of a file, by way of a buffer.
func (l *loader) file(r *reading, f ruleSource, buf []byte) []byte {
	data, err := f.read(buf)
	switch {
	case err != nil:
		l.refuse(Refused{File: f.name, Reason: err.Error(), folder: f.folder})
	case extension(f.name) == ".txtar":
		l.archive(r, f, data)
	default:
		l.text(r, f.folder, f.name, string(data))
	}
	return data
}

// regular refuses what is no file, or leads to none: a pipe would never end.
func (f ruleSource) regular(d fs.DirEntry) error {
	mode := d.Type()
	if mode&fs.ModeSymlink != 0 {
		info, err := fs.Stat(f.fsys, f.name)
		if err != nil {
			return err
		}
		mode = info.Mode()
	}
	if !mode.IsRegular() {
		return errors.New("it is no regular file; put a file in its place or take it away")
	}
	return nil
}

// read reads a file into a buffer, which may grow.
func (f ruleSource) read(buf []byte) ([]byte, error) {
	in, err := f.fsys.Open(f.name)
	if err != nil {
		return buf, err
	}
	defer in.Close()
	for buf = buf[:0]; len(buf) <= maxFile; {
		buf = slices.Grow(buf, bytes.MinRead)
		n, err := in.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
	return buf, fmt.Errorf("the file is larger than %d bytes", maxFile)
}

// archive reads a rule that brings its examples along; only the rule counts.
func (l *loader) archive(r *reading, f ruleSource, data []byte) {
	found := false
	for _, file := range txtar.Parse(data).Files {
		if ext := extension(file.Name); ext == ".yml" || ext == ".yaml" {
			found = true
			l.text(r, f.folder, f.name+"/"+file.Name, string(file.Data))
		}
	}
	if !found {
		l.refuse(Refused{File: f.name, Reason: "there is no rule (.yml) in the archive", folder: f.folder})
	}
}

// text reads the documents of a file.
func (l *loader) text(r *reading, folder int, name, text string) {
	found := false
	r.text(text, func(text string, n *yaml.Node, err error) {
		found = true
		switch {
		case err != nil:
			l.refuse(Refused{File: name, Reason: err.Error(), folder: folder})
		case n != nil:
			l.docs = append(l.docs, r.document(name, folder, text, n))
		}
	})
	if !found {
		l.refuse(Refused{File: name, Reason: "the file is empty", folder: folder})
	}
}

// compile enters the rules, correlations and filters of the documents, in their
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

// document enters what a document holds, unless its id is taken.
func (l *loader) document(d *document) error {
	made, fault := d.made, d.fault
	for _, n := range d.slots {
		*n = l.fields.add(d.names.names[*n])
	}
	d.made, d.slots, d.names, d.fault, d.loaded = nil, nil, nil, nil, false
	if fault != nil {
		return fault
	}
	if old, ok := l.byID[made.about().id]; ok && old.about().doc.folder == d.folder && old.about().doc.loaded {
		return fmt.Errorf("the id %s is taken by %s in the same folder", made.about().id, old.about().file)
	}
	d.loaded = true
	l.enter(made)
	return nil
}

func (d *document) make(p *page, c *compiler) (entity, error) {
	switch {
	case !p.Correlation.IsZero():
		return parseCorrelation(d, p)
	case !p.Filter.IsZero():
		return parseFilter(d, p, c)
	}
	return parseRule(d, p, c)
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
	r := &Rules{list: l.rules, filters: l.filters, refused: l.refused, ignored: l.ignored, figures: &atomic.Pointer[CorrelationStats]{}, held: &atomic.Pointer[map[string]int]{}}
	for _, d := range l.docs {
		if d.loaded {
			r.docs = append(r.docs, d) // for evidence and later reloads
		}
	}
	r.corr = newCorrelator(l.chains)
	r.route(l)
	r.compile()
	return r
}

func (l *loader) sources(name string, data []byte) {
	var f sourcesFile
	if err := unmarshal(data, &f); err != nil {
		l.refuse(Refused{File: name, Reason: "not readable: " + err.Error()})
		return
	}
	l.take(&f, func(source string, err error) {
		l.refuse(Refused{File: name, Reason: fmt.Sprintf("logsource %s: %v", source, err)})
	})
}
