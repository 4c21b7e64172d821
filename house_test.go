package cordon

// Reading a tree: the plan out of ARCHITECTURE.md, the folders and their parsed
// files. Nothing here judges.

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
)

// planFile is the list: map, import order and reading order at once.
const planFile = "ARCHITECTURE.md"

// house is one tree, read once.
type house struct {
	fsys    fs.FS
	module  string
	modules map[string]bool // what go.mod requires; true where it says directly
	plan    plan
	fset    *token.FileSet
	folders []*folder // those with Go code, by path
	prose   []string  // paths of the .md files
}

// folder is a folder with Go code in it; "." is the root.
type folder struct {
	path  string
	files []*file
	defs  map[*ast.Ident]types.Object // what each name means, as far as one folder can tell
	uses  map[*ast.Ident]types.Object
	kinds map[ast.Expr]types.TypeAndValue
}

// file is one parsed Go file.
type file struct {
	path      string
	folder    string
	test      bool
	generated bool
	lines     int
	ast       *ast.File
	fset      *token.FileSet
}

func (f *file) lineOf(n ast.Node) int { return f.fset.Position(n.Pos()).Line }

// calls reports whether f calls a function of the package at importPath.
func (f *file) calls(importPath string) bool {
	name := ""
	for _, spec := range f.ast.Imports {
		if importPathOf(spec) == importPath {
			name = path.Base(importPath)
			if spec.Name != nil {
				name = spec.Name.Name
			}
		}
	}
	found := false
	ast.Inspect(f.ast, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && name != "" && x.Name == name {
				found = true
			}
		}
		return true
	})
	return found
}

// listName is the name a folder stands under in the list: its root folder, or
// for a program the program.
func listName(p string) string {
	if root(p) == "cmd" {
		return strings.Join(firstN(strings.Split(p, "/"), 2), "/")
	}
	return root(p)
}

func firstN(parts []string, n int) []string { return parts[:min(n, len(parts))] }

func root(p string) string { return strings.SplitN(p, "/", 2)[0] }
func base(p string) string { return path.Base(p) }

// readHouse reads go.mod, the plan and every Go file that is not under testdata,
// in a hidden folder or in a module of its own.
func readHouse(fsys fs.FS) (*house, error) {
	h := &house{fsys: fsys, fset: token.NewFileSet()}
	if err := h.readModule(); err != nil {
		return nil, err
	}
	text, err := fs.ReadFile(fsys, planFile)
	if err != nil {
		return nil, fmt.Errorf("reading the list of folders: %w", err)
	}
	h.plan = parsePlan(string(text))
	if err := fs.WalkDir(fsys, ".", h.visit); err != nil {
		return nil, fmt.Errorf("reading the tree: %w", err)
	}
	for _, d := range h.folders {
		h.resolve(d)
	}
	return h, nil
}

func (h *house) readModule() error {
	text, err := fs.ReadFile(h.fsys, "go.mod")
	if err != nil {
		return fmt.Errorf("reading the module: %w", err)
	}
	mod, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		return fmt.Errorf("reading the module: %w", err)
	}
	h.module = mod.Module.Mod.Path
	h.modules = map[string]bool{}
	for _, r := range mod.Require {
		h.modules[r.Mod.Path] = !r.Indirect
	}
	return nil
}

func (h *house) visit(p string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if d.IsDir() {
		if p != "." && h.skips(p, d.Name()) {
			return fs.SkipDir
		}
		return nil
	}
	switch path.Ext(p) {
	case ".md":
		h.prose = append(h.prose, p)
	case ".go":
		return h.readFile(p)
	}
	return nil
}

func (h *house) skips(p, name string) bool {
	if name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return true
	}
	_, err := fs.Stat(h.fsys, path.Join(p, "go.mod"))
	return err == nil
}

func (h *house) readFile(p string) error {
	text, err := fs.ReadFile(h.fsys, p)
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(h.fset, p, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("parsing %s: %w", p, err)
	}
	dir := path.Dir(p)
	i := slices.IndexFunc(h.folders, func(d *folder) bool { return d.path == dir })
	if i < 0 {
		i = len(h.folders)
		h.folders = append(h.folders, &folder{path: dir})
	}
	h.folders[i].files = append(h.folders[i].files, &file{
		path: p, folder: dir, ast: parsed, fset: h.fset,
		test:      strings.HasSuffix(p, "_test.go"),
		generated: strings.HasSuffix(p, "_templ.go"),
		lines:     strings.Count(string(text), "\n"),
	})
	return nil
}

// resolve lets go/types say what the names of one folder mean. Imports are left
// closed, so a file system is enough; what they would have told stays unknown.
func (h *house) resolve(d *folder) {
	d.defs = map[*ast.Ident]types.Object{}
	d.uses = map[*ast.Ident]types.Object{}
	d.kinds = map[ast.Expr]types.TypeAndValue{}
	byPackage := map[string][]*ast.File{}
	for _, f := range d.files {
		byPackage[f.ast.Name.Name] = append(byPackage[f.ast.Name.Name], f.ast)
	}
	for name, files := range byPackage {
		conf := types.Config{Importer: closed{}, Error: func(error) {}, FakeImportC: true}
		_, err := conf.Check(name, h.fset, files, &types.Info{Defs: d.defs, Uses: d.uses, Types: d.kinds})
		_ = err // expected: the imports are closed; what could be resolved is in the maps
	}
}

// closed is an importer that has nothing.
type closed struct{}

func (closed) Import(string) (*types.Package, error) {
	return nil, errors.New("imports stay closed here")
}

// isFolder reports whether p exists in the tree and is a folder.
func (h *house) isFolder(p string) bool {
	info, err := fs.Stat(h.fsys, p)
	return err == nil && info.IsDir()
}

// eachImport calls visit for every import of a folder of this house.
func (h *house) eachImport(visit func(f *file, spec *ast.ImportSpec, target string)) {
	for _, d := range h.folders {
		for _, f := range d.files {
			for _, spec := range f.ast.Imports {
				switch rest, ours := strings.CutPrefix(importPathOf(spec), h.module); {
				case !ours:
				case rest == "":
					visit(f, spec, ".")
				case rest[0] == '/':
					visit(f, spec, rest[1:])
				}
			}
		}
	}
}

// imported returns the required modules of which some file imports a package.
func (h *house) imported() map[string]bool {
	used := map[string]bool{}
	for _, d := range h.folders {
		for _, f := range d.files {
			for _, spec := range f.ast.Imports {
				for p := importPathOf(spec); p != "."; p = path.Dir(p) {
					if _, required := h.modules[p]; required {
						used[p] = true
						break
					}
				}
			}
		}
	}
	return used
}

func importPathOf(spec *ast.ImportSpec) string {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value
	}
	return p
}

// plan is what ARCHITECTURE.md says.
type plan struct {
	chapters   []string
	entries    []entry
	arrows     []arrow
	exceptions []exception
	modules    []moduleLine
}

// entry is one line of the list.
type entry struct {
	folder, chapter, text string
	line                  int
}

type arrowEnds struct{ from, to string }

// arrow lets one control import another.
type arrow struct {
	arrowEnds
	line int
}

// exception excuses one place from one rule.
type exception struct {
	rule, place string
	line        int
}

// moduleLine is the reason for one direct dependency.
type moduleLine struct {
	path, reason string
	line         int
}

func (p *plan) index(folder string) int {
	return slices.IndexFunc(p.entries, func(e entry) bool { return e.folder == folder })
}

// find returns the line that a folder or sub-folder stands under.
func (p *plan) find(folder string) *entry {
	if i := p.index(listName(folder)); i >= 0 {
		return &p.entries[i]
	}
	return nil
}

func (p *plan) hasArrow(from, to string) bool {
	return slices.ContainsFunc(p.arrows, func(a arrow) bool { return a.arrowEnds == arrowEnds{from, to} })
}

// parsePlan reads the headings and list items of ARCHITECTURE.md: folders under
// the chapters, then "Arrows", "Exceptions" and "Dependencies".
func parsePlan(text string) plan {
	var (
		p         plan
		chapter   string
		folder    = regexp.MustCompile("^- `([^`]+)/`:?\\s*(.*)$")
		arrowLine = regexp.MustCompile("^- `([^`]+)` > `([^`]+)`: (.+)$")
		excuse    = regexp.MustCompile("^- `([^`]+)` at `([^`]+)`: (.+)$")
		module    = regexp.MustCompile("^- `([^`]+)`:\\s*(.*)$")
	)
	for i, line := range strings.Split(text, "\n") {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			chapter, _, _ = strings.Cut(heading, ":")
			if !slices.Contains([]string{"Rules", "Arrows", "Exceptions", "Dependencies"}, chapter) {
				p.chapters = append(p.chapters, chapter)
			}
			continue
		}
		switch chapter {
		case "Rules":
		case "Arrows":
			if m := arrowLine.FindStringSubmatch(line); m != nil {
				p.arrows = append(p.arrows, arrow{arrowEnds{m[1], m[2]}, i + 1})
			}
		case "Exceptions":
			if m := excuse.FindStringSubmatch(line); m != nil {
				p.exceptions = append(p.exceptions, exception{m[1], m[2], i + 1})
			}
		case "Dependencies":
			if m := module.FindStringSubmatch(line); m != nil {
				p.modules = append(p.modules, moduleLine{m[1], m[2], i + 1})
			}
		default:
			if m := folder.FindStringSubmatch(line); m != nil {
				p.entries = append(p.entries, entry{folder: m[1], chapter: chapter, text: m[2], line: i + 1})
			}
		}
	}
	return p
}
