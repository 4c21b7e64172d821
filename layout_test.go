package cordon

// The layout rule. ARCHITECTURE.md is the list; this file reads it and the tree
// and reports every place where they disagree. The habits of the code stand in
// habits_test.go, the prose in docs_test.go; all three are lists of rules run by
// one checker over any fs.FS.

import (
	"cmp"
	"fmt"
	"go/ast"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// fault is one broken rule: the place, what is wrong there, and the way out.
type fault struct {
	rule  string // id of the rule
	place string // path of a file or folder inside the tree
	line  int    // 0 where the whole file or folder is meant
	name  string // function, variable or imported folder, where there is one
	what  string
	way   string
}

func (f fault) String() string {
	at := f.place
	if f.line > 0 {
		at = fmt.Sprintf("%s:%d", f.place, f.line)
	}
	return fmt.Sprintf("%s: %s; %s [%s]", at, f.what, f.way, f.rule)
}

// rule is one custom of the house.
type rule struct {
	id    string
	check func(*house) []fault
}

// layoutRules returns the rules about folders and who may import whom.
func layoutRules() []rule {
	return []rule{
		{"chapters", checkChapters},
		{"list", checkList},
		{"names", checkNames},
		{"order", checkImports},
		{"arrows", checkArrows},
		{"complete", checkComplete},
		{"suites", checkSuites},
		{"imports", checkImportForms},
	}
}

// inspect runs every rule over one tree. What an exception covers is left out,
// and an exception that covers nothing is a fault of its own.
func inspect(fsys fs.FS) ([]fault, error) {
	h, err := readHouse(fsys)
	if err != nil {
		return nil, err
	}
	var all []fault
	for _, r := range slices.Concat(layoutRules(), habitRules(), docRules()) {
		all = append(all, r.check(h)...)
	}
	all = h.applyExceptions(all)
	slices.SortFunc(all, func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.line, b.line), cmp.Compare(a.what, b.what))
	})
	return all, nil
}

// applyExceptions removes excused faults and reports idle exceptions.
func (h *house) applyExceptions(all []fault) []fault {
	var left []fault
	used := make([]bool, len(h.plan.exceptions))
	for _, f := range all {
		i := slices.IndexFunc(h.plan.exceptions, func(e exception) bool {
			return e.rule == f.rule && (e.place == f.place || e.place == f.place+":"+f.name)
		})
		if i < 0 {
			left = append(left, f)
			continue
		}
		used[i] = true
	}
	for i, e := range h.plan.exceptions {
		if !used[i] {
			left = append(left, fault{rule: "exceptions", place: planFile, line: e.line,
				what: fmt.Sprintf("the exception from %q at %s excuses nothing any more", e.rule, e.place),
				way:  "delete the line"})
		}
	}
	return left
}

// chapters are DESIGN.md's, in its order. The checker gives meaning to three of
// them: engines have suites, controls are peers, and node must know every
// control and governance part.
func chapters() []string {
	return []string{"Words", "Engines", "Proof", "Knowledge", "Pipeline", "Controls", "Governance", "Product", "Helpers"}
}

func checkChapters(h *house) []fault {
	if slices.Equal(h.plan.chapters, chapters()) {
		return nil
	}
	return []fault{{rule: "chapters", place: planFile,
		what: fmt.Sprintf("its chapters are %s", strings.Join(h.plan.chapters, ", ")),
		way:  "keep the design's, each once and in its order: " + strings.Join(chapters(), ", ")}}
}

func checkList(h *house) []fault {
	var out []fault
	add := func(place string, line int, what, way string) {
		out = append(out, fault{rule: "list", place: place, line: line, what: what, way: way})
	}
	for i, e := range h.plan.entries {
		if h.plan.index(e.folder) < i {
			add(planFile, e.line, e.folder+" is listed twice", "keep one line")
		}
		if !h.isFolder(e.folder) {
			add(planFile, e.line, e.folder+" has a line but no folder", "the line comes with the folder; delete it until then")
		}
		if e.text == "" {
			add(planFile, e.line, e.folder+" has a line that says nothing", "say in one sentence what the folder is for")
		}
	}
	return append(out, checkUnlisted(h)...)
}

// checkUnlisted finds the root folders and programs that the list forgot.
func checkUnlisted(h *house) []fault {
	var out []fault
	seen := map[string]bool{"internal": true}
	for _, d := range h.folders {
		if d.path == "." {
			out = append(out, checkTour(d)...)
			continue
		}
		name := listName(d.path)
		if h.plan.index(name) < 0 && !seen[name] {
			out = append(out, fault{rule: "list", place: name,
				what: name + " has Go code but no line in " + planFile,
				way:  "give it a line where the design puts it"})
		}
		seen[name] = true
	}
	return out
}

// checkTour keeps the root package free of code.
func checkTour(d *folder) []fault {
	var out []fault
	for _, f := range d.files {
		if !f.test && f.path != "doc.go" {
			out = append(out, fault{rule: "list", place: f.path,
				what: "the root package holds only its tour (doc.go) and tests",
				way:  "move the code to the folder whose word it is"})
		}
	}
	return out
}

func refusedNames() []string {
	return []string{"util", "utils", "common", "helper", "helpers", "misc", "lib", "base", "core",
		"shared", "types", "model", "models", "pkg"}
}

func checkNames(h *house) []fault {
	word, program := regexp.MustCompile(`^[a-z][a-z0-9]*$`), regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	var out []fault
	add := func(place, what, way string) {
		out = append(out, fault{rule: "names", place: place, what: what, way: way})
	}
	for _, d := range h.folders {
		if d.path == "." {
			continue
		}
		parts := strings.Split(d.path, "/")
		if len(parts) > 2 {
			add(d.path, "Go code stands more than two levels deep", "move it up beside its parent")
		}
		for i, part := range parts {
			pattern := word
			if parts[0] == "cmd" && i == 1 {
				pattern = program
			}
			if !pattern.MatchString(part) {
				add(d.path, fmt.Sprintf("%q is not one lower-case word", part), "use one noun of the trade")
			}
			if slices.Contains(refusedNames(), part) {
				add(d.path, fmt.Sprintf("%q says nothing about what is inside", part), "name it for its one purpose")
			}
		}
		out = append(out, checkPackageName(d)...)
	}
	return out
}

func checkPackageName(d *folder) []fault {
	want := base(d.path)
	if root(d.path) == "cmd" {
		want = "main"
	}
	var out []fault
	for _, f := range d.files {
		got := f.ast.Name.Name
		if got != want && !(f.test && got == want+"_test") {
			out = append(out, fault{rule: "names", place: f.path,
				what: fmt.Sprintf("package %s stands in folder %s", got, base(d.path)),
				way:  "call the package " + want})
		}
	}
	return out
}

func checkImports(h *house) []fault {
	var out []fault
	h.eachImport(func(f *file, spec *ast.ImportSpec, target string) {
		if what, way := h.refuse(f, target); what != "" {
			out = append(out, fault{rule: "order", place: f.path, line: f.lineOf(spec), name: target, what: what, way: way})
		}
	})
	return out
}

// refuse says why f may not import target, a folder of this house, and what to
// do instead; an empty answer means it may.
func (h *house) refuse(f *file, target string) (what, way string) {
	from := f.folder
	free := f.test || root(from) == "bench" // tests and measurements may reach for implementations and suites
	switch {
	case target == from:
		return "", ""
	case target == ".":
		return from + " imports the root package, which is only a tour", "import the folder that has the code"
	case from == ".":
		return "the root package imports " + target, "tests of the whole live in node and cmd/cordon"
	case root(from) == "internal":
		return from + " imports " + target + "; helpers import nothing of ours", "pass in what it needs, or give the code a trade name and a line"
	case root(target) == "internal":
		return "", ""
	case root(from) == root(target):
		return refuseFamily(from, target, free)
	}
	return h.refuseStranger(from, target, free)
}

// refuseFamily judges an import between a parent and its sub-folders.
func refuseFamily(from, target string, free bool) (what, way string) {
	switch {
	case free || target == root(from):
		return "", ""
	case from == root(from):
		return from + " imports its own sub-folder " + target, "let node join them through an interface of " + from
	default:
		return from + " imports its sibling " + target, "move what both need into " + root(from)
	}
}

// refuseStranger judges an import between two lines of the list.
func (h *house) refuseStranger(from, target string, free bool) (what, way string) {
	f, t := h.plan.find(from), h.plan.find(target)
	switch {
	case f == nil || t == nil: // reported by the list rule
		return "", ""
	case h.plan.index(t.folder) > h.plan.index(f.folder):
		return fmt.Sprintf("%s imports %s, which stands below it", from, target), "publish an event, or move the line"
	case root(target) == "config" && root(from) != "node" && root(from) != "cmd":
		return from + " imports config, which only node and cmd may", "take a small Config of your own; node fills it"
	case isSuite(target) && !free:
		return fmt.Sprintf("%s imports the suite %s into product code", from, target), "call the suite from a test"
	case isImplementation(target) && root(from) != "node" && !free:
		return fmt.Sprintf("%s imports the implementation %s", from, target), fmt.Sprintf("see only %s; node passes the implementation in", root(target))
	case f.chapter == "Controls" && t.chapter == "Controls" && !h.plan.hasArrow(root(from), root(target)):
		return fmt.Sprintf("%s imports its peer %s without an arrow", from, target), "publish an event, or list the arrow with its reason"
	}
	return "", ""
}

func checkArrows(h *house) []fault {
	used := map[arrowEnds]bool{}
	h.eachImport(func(f *file, _ *ast.ImportSpec, target string) {
		used[arrowEnds{root(f.folder), root(target)}] = true
	})
	var out []fault
	for _, a := range h.plan.arrows {
		if !used[a.arrowEnds] {
			out = append(out, fault{rule: "arrows", place: planFile, line: a.line,
				what: fmt.Sprintf("nobody uses the arrow %s > %s", a.from, a.to),
				way:  "delete it; an arrow enters with its first import"})
		}
	}
	return out
}

// checkComplete: what is listed or stands ready must be wired.
func checkComplete(h *house) []fault {
	if !h.isFolder("node") {
		return nil // the list rule has said so
	}
	wired := map[string]bool{}
	h.eachImport(func(f *file, _ *ast.ImportSpec, target string) {
		if root(f.folder) == "node" && !f.test {
			wired[target] = true
		}
	})
	var out []fault
	for _, d := range h.folders {
		e := h.plan.find(d.path)
		part := e != nil && e.folder == d.path && (e.chapter == "Controls" || e.chapter == "Governance")
		if (part || isImplementation(d.path)) && !wired[d.path] {
			out = append(out, fault{rule: "complete", place: d.path,
				what: "node does not import " + d.path + ", so the product does not have it",
				way:  "list it in node, or delete it"})
		}
	}
	return out
}

// checkSuites: every implementation of an engine runs its engine's suite.
func checkSuites(h *house) []fault {
	var out []fault
	for _, d := range h.folders {
		e := h.plan.find(d.path)
		if e == nil || e.chapter != "Engines" || !isImplementation(d.path) {
			continue
		}
		suite := root(d.path) + "/" + root(d.path) + "test"
		if !h.callsSuite(d, suite) {
			out = append(out, fault{rule: "suites", place: d.path,
				what: fmt.Sprintf("no test of %s calls the suite %s", d.path, suite),
				way:  "run the suite against it; a seam is stable when both twins pass"})
		}
	}
	return out
}

// callsSuite reports whether a test in d imports suite and calls into it.
func (h *house) callsSuite(d *folder, suite string) bool {
	for _, f := range d.files {
		if f.test && f.calls(h.module+"/"+suite) {
			return true
		}
	}
	return false
}

func checkImportForms(h *house) []fault {
	var out []fault
	h.eachImport(func(f *file, spec *ast.ImportSpec, target string) {
		if spec.Name == nil || (spec.Name.Name != "_" && spec.Name.Name != ".") {
			return
		}
		out = append(out, fault{rule: "imports", place: f.path, line: f.lineOf(spec), name: target,
			what: fmt.Sprintf("import %s of %s", spec.Name.Name, target),
			way:  "import it by name and call it, so that listed means wired"})
	})
	return out
}

// isSuite reports whether path is an engine's conformance suite, as
// store/storetest is.
func isSuite(path string) bool {
	return path != root(path) && base(path) == root(path)+"test"
}

// isImplementation reports whether path is a sub-folder that node alone knows.
func isImplementation(path string) bool {
	r := root(path)
	return path != r && !isSuite(path) && !slices.Contains([]string{"cmd", "internal", "node", "bench"}, r)
}
