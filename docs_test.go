package cordon

// The prose is held to the tree: links lead somewhere, and every module that the
// product requires has its reason beside it.

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// docRules returns the rules about what is written.
func docRules() []rule {
	return []rule{
		{"links", checkLinks},
		{"modules", checkModules},
		{"changes", checkChanges},
	}
}

func checkLinks(h *house) []fault {
	var out []fault
	for _, p := range h.prose {
		text, err := fs.ReadFile(h.fsys, p)
		if err != nil {
			out = append(out, fault{rule: "links", place: p, what: "cannot be read", way: "see why: " + err.Error()})
			continue
		}
		for _, l := range links(string(text)) {
			if what := h.broken(p, l.target); what != "" {
				out = append(out, fault{rule: "links", place: p, line: l.line, name: l.target,
					what: what, way: "correct the link or what it points to"})
			}
		}
	}
	return out
}

type link struct {
	target string
	line   int
}

// links returns the inline links, pictures and reference targets of a Markdown
// text, code left out.
func links(text string) []link {
	inline := regexp.MustCompile(`\]\(<?([^)>\s]+)>?(?:\s+"[^"]*")?\)`)
	reference := regexp.MustCompile(`^\s*\[[^\]]+\]:\s+<?([^>\s]+)>?`)
	source := regexp.MustCompile(`\b(?:src|href|srcset)="([^"]+)"`)
	span := regexp.MustCompile("`[^`]*`")
	var out []link
	fenced := false
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		}
		if fenced {
			continue
		}
		line = span.ReplaceAllString(line, "x")
		for _, pattern := range []*regexp.Regexp{inline, reference, source} {
			for _, m := range pattern.FindAllStringSubmatch(line, -1) {
				out = append(out, link{m[1], i + 1})
			}
		}
	}
	return out
}

// broken says what is wrong with a link in the file at from, if anything. Only
// links inside the tree are followed: the net is not asked.
func (h *house) broken(from, target string) string {
	if regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`).MatchString(target) {
		return ""
	}
	file, anchor, _ := strings.Cut(target, "#")
	if strings.HasPrefix(file, "/") {
		return fmt.Sprintf("the link %s starts at the root of some machine", target)
	}
	p := from
	if file != "" {
		p = path.Join(path.Dir(from), file)
	}
	if _, err := fs.Stat(h.fsys, p); err != nil {
		return fmt.Sprintf("the link %s leads nowhere", target)
	}
	if anchor == "" || path.Ext(p) != ".md" {
		return ""
	}
	text, err := fs.ReadFile(h.fsys, p)
	if err != nil || !slices.Contains(anchors(string(text)), anchor) {
		return fmt.Sprintf("the link %s names a heading that is not there", target)
	}
	return ""
}

// anchors returns the names under which the headings of a text can be linked.
func anchors(text string) []string {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !ok || !strings.HasPrefix(line, "#") {
			continue
		}
		out = append(out, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, heading))
	}
	return out
}

// checkModules asks the tree which modules are imported, since the marks of
// go.mod are only true after go mod tidy.
func checkModules(h *house) []fault {
	var out []fault
	add := func(place string, line int, what, way string) {
		out = append(out, fault{rule: "modules", place: place, line: line, what: what, way: way})
	}
	used, listed := h.imported(), map[string]bool{}
	for _, m := range h.plan.modules {
		switch {
		case listed[m.path]:
			add(planFile, m.line, m.path+" is listed twice", "keep one line")
		case !used[m.path]:
			add(planFile, m.line, "nobody imports "+m.path, "delete the line, and the module from go.mod")
		case m.reason == "":
			add(planFile, m.line, m.path+" has no reason", "say what we would have to write without it")
		}
		listed[m.path] = true
	}
	var wrong []string
	for _, m := range slices.Sorted(maps.Keys(h.modules)) {
		if used[m] && !listed[m] {
			add("go.mod", 0, m+" is imported without a reason", "give it one under Dependencies in "+planFile)
		}
		if used[m] != h.modules[m] {
			wrong = append(wrong, m)
		}
	}
	if len(wrong) > 0 {
		add("go.mod", 0, "what it calls direct and indirect is not what the tree imports: "+strings.Join(wrong, ", "), "run go mod tidy")
	}
	return out
}

// checkChanges: a change that a user notices is one file, whose first line can
// stand in the list of a release as it is.
func checkChanges(h *house) []fault {
	form := regexp.MustCompile(`^(Added|Changed|Fixed|Removed|Security): \S[^\n]*[^.\n]\n\n\S`)
	var out []fault
	for _, p := range h.prose {
		if root(p) != "changelog" || base(p) == "TEMPLATE.md" {
			continue
		}
		text, err := fs.ReadFile(h.fsys, p)
		if err != nil || !form.Match(text) {
			out = append(out, fault{rule: "changes", place: p,
				what: "this is not the form of a change",
				way:  "begin as changelog/TEMPLATE.md shows: kind, one line without a full stop, an empty line, the rest"})
		}
	}
	return out
}
