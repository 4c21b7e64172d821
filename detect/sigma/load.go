package sigma

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/ocsf"
)

// loader collects rules from files.
type loader struct {
	rules   []*rule
	byID    map[string]int
	routes  []routeFile
	refused []Refused
	fields  *fieldNames
}

// maxFile bounds a rule file, in bytes.
const maxFile = 1 << 20

// Load reads all rules of the file systems, later ones replacing earlier ones
// of the same id. Files named logsources.yaml say which events log sources are
// on; the others that end in .yml, .yaml or .txtar are rules.
func Load(fsys ...fs.FS) (*Rules, []Refused) {
	l := &loader{byID: map[string]int{}, fields: &fieldNames{number: map[string]int{}}}
	for _, f := range fsys {
		err := fs.WalkDir(f, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				l.refuse(Refused{File: name, Reason: err.Error()})
				return nil
			}
			if !d.IsDir() {
				l.file(f, name)
			}
			return nil
		})
		if err != nil {
			l.refuse(Refused{File: ".", Reason: err.Error()})
		}
	}
	r := &Rules{list: l.rules, byClass: map[ocsf.Class][]int{}}
	r.route(l)
	r.names = l.fields.names
	r.scratch.names = r.names
	r.compile()
	return r, l.refused
}

func (l *loader) refuse(r Refused) { l.refused = append(l.refused, r) }

func (l *loader) file(fsys fs.FS, name string) {
	ext := path.Ext(name)
	if ext != ".yml" && ext != ".yaml" && ext != ".txtar" {
		return
	}
	data, err := fs.ReadFile(fsys, name)
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("the file is larger than %d bytes", maxFile)
	}
	if err != nil {
		l.refuse(Refused{File: name, Reason: err.Error()})
		return
	}
	if ext == ".txtar" {
		l.archive(name, data)
		return
	}
	if path.Base(name) == "logsources.yaml" {
		l.sources(name, data)
		return
	}
	l.text(name, data)
}

// archive reads a rule that brings its examples along; only the rule counts.
func (l *loader) archive(name string, data []byte) {
	found := false
	for _, f := range txtar.Parse(data).Files {
		if ext := path.Ext(f.Name); ext == ".yml" || ext == ".yaml" {
			found = true
			l.text(name+"/"+f.Name, f.Data)
		}
	}
	if !found {
		l.refuse(Refused{File: name, Reason: "there is no rule (.yml) in the archive"})
	}
}

// text reads the rules of a file, one per YAML document.
func (l *loader) text(name string, data []byte) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for n := 0; ; n++ {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			if n == 0 {
				l.refuse(Refused{File: name, Reason: "the file is empty"})
			}
			return
		}
		if err != nil {
			l.refuse(Refused{File: name, Reason: "not YAML: " + err.Error()})
			return
		}
		l.rule(name, &doc, data)
	}
}

func (l *loader) rule(name string, doc *yaml.Node, data []byte) {
	r, f, err := parseRule(doc, data, l.fields)
	if err != nil {
		l.refuse(Refused{File: name, Title: f.Title, ID: f.ID, Reason: err.Error()})
		return
	}
	r.file = name
	if i, ok := l.byID[r.id]; ok {
		l.rules[i] = r
		return
	}
	l.byID[r.id] = len(l.rules)
	l.rules = append(l.rules, r)
}

func (l *loader) sources(name string, data []byte) {
	var f struct {
		Logsources []routeFile `yaml:"logsources"`
	}
	if err := yaml.Unmarshal(data, &f); err != nil {
		l.refuse(Refused{File: name, Reason: "not readable: " + err.Error()})
		return
	}
	for i := range f.Logsources {
		x := &f.Logsources[i]
		x.logsource = lowered(x.logsource)
		if err := x.compile(l.fields); err != nil {
			l.refuse(Refused{File: name, Reason: fmt.Sprintf("logsource %s: %v", strings.Trim(x.Category+"/"+x.Product+"/"+x.Service, "/"), err)})
			continue
		}
		l.routes = append(l.routes, *x)
	}
}
