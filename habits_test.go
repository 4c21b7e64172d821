package cordon

// The habits of the code that a machine can see. Each is a rule over parsed
// files; generated pages (_templ.go) are left alone, and where a habit is about
// the running product, tests are too.

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxFunctionLines    = 100
	maxFileLines        = 1000
	maxInterfaceMethods = 7
)

// habitRules returns the customs of the code.
func habitRules() []rule {
	return []rule{
		{"init", eachFile(checkInit)},
		{"globals", eachFile(checkGlobals)},
		{"exit", eachFile(checkExit)},
		{"seams", eachFile(checkInterfaces)},
		{"errors", eachFile(checkErrors)},
		{"clock", eachFile(checkClock)},
		{"messages", checkMessages},
		{"size", eachFile(checkSize)},
		{"comments", checkComments},
	}
}

// eachFile turns a check of one file into a check of the house.
func eachFile(check func(*folder, *file) []fault) func(*house) []fault {
	return func(h *house) []fault {
		var out []fault
		for _, d := range h.folders {
			for _, f := range d.files {
				if !f.generated {
					out = append(out, check(d, f)...)
				}
			}
		}
		return out
	}
}

func checkInit(_ *folder, f *file) []fault {
	var out []fault
	for _, decl := range f.ast.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			out = append(out, fault{rule: "init", place: f.path, line: f.lineOf(fn),
				what: "func init runs because someone imported the package",
				way:  "do it in New, called by node"})
		}
	}
	return out
}

// checkGlobals finds package variables that are changed after declaration.
func checkGlobals(d *folder, f *file) []fault {
	var out []fault
	report := func(e ast.Expr) {
		v := d.packageVar(e)
		if v == nil || strings.HasSuffix(f.fset.Position(v.Pos()).Filename, "_test.go") {
			return
		}
		out = append(out, fault{rule: "globals", place: f.path, line: f.lineOf(e), name: v.Name(),
			what: fmt.Sprintf("the package variable %s is changed after its declaration", v.Name()),
			way:  "make it a field of what New returns, or a parameter"})
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		for _, e := range changed(n) {
			report(e)
		}
		return true
	})
	return out
}

// changed returns the expressions that a statement writes to.
func changed(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			return slices.DeleteFunc([]ast.Expr{n.Key, n.Value}, func(e ast.Expr) bool { return e == nil })
		}
	case *ast.CallExpr:
		if fn, ok := n.Fun.(*ast.Ident); ok && (fn.Name == "delete" || fn.Name == "clear") && len(n.Args) > 0 {
			return n.Args[:1]
		}
	}
	return nil
}

// packageVar returns the package variable that e is, or is a part of.
func (d *folder) packageVar(e ast.Expr) *types.Var {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			v, ok := d.uses[x].(*types.Var)
			if ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
				return v
			}
			return nil
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// qualified returns the import path and name of a reference such as time.Now.
func (d *folder) qualified(n ast.Node) (pkg, name string) {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return "", ""
	}
	if p, ok := d.uses[x].(*types.PkgName); ok {
		return p.Imported().Path(), sel.Sel.Name
	}
	return "", ""
}

func checkExit(d *folder, f *file) []fault {
	if f.test || (root(f.folder) == "cmd" && base(f.path) == "main.go") {
		return nil
	}
	var out []fault
	ast.Inspect(f.ast, func(n ast.Node) bool {
		pkg, name := d.qualified(n)
		if (pkg == "os" && name == "Exit") || (pkg == "log" && strings.HasPrefix(name, "Fatal")) {
			out = append(out, fault{rule: "exit", place: f.path, line: f.lineOf(n),
				what: fmt.Sprintf("%s.%s ends the program from below main", pkg, name),
				way:  "return an error; only cmd/*/main.go exits"})
		}
		return true
	})
	return out
}

// checkClock: time is a parameter. Only what starts the product, and what
// measures it, reads the clock.
func checkClock(d *folder, f *file) []fault {
	if f.test || isSuite(f.folder) || slices.Contains([]string{"node", "cmd", "bench"}, root(f.folder)) {
		return nil
	}
	var out []fault
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if pkg, name := d.qualified(n); pkg == "time" && name == "Now" {
			out = append(out, fault{rule: "clock", place: f.path, line: f.lineOf(n),
				what: "time.Now outside node and cmd", way: "take now func() time.Time as a parameter"})
		}
		return true
	})
	return out
}

func checkInterfaces(_ *folder, f *file) []fault {
	var out []fault
	ast.Inspect(f.ast, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if i, ok := spec.Type.(*ast.InterfaceType); ok && i.Methods.NumFields() > maxInterfaceMethods {
			out = append(out, fault{rule: "seams", place: f.path, line: f.lineOf(spec), name: spec.Name.Name,
				what: fmt.Sprintf("the interface %s has %d methods, more than %d", spec.Name.Name, i.Methods.NumFields(), maxInterfaceMethods),
				way:  "move the extra ability into a second small interface"})
		}
		return true
	})
	return out
}

// checkErrors reads the texts given to errors.New and fmt.Errorf.
func checkErrors(d *folder, f *file) []fault {
	if f.test {
		return nil
	}
	var out []fault
	add := func(n ast.Node, what, way string) {
		out = append(out, fault{rule: "errors", place: f.path, line: f.lineOf(n), what: what, way: way})
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		pkg, name := d.qualified(call.Fun)
		if (pkg != "errors" || name != "New") && (pkg != "fmt" || name != "Errorf") {
			return true
		}
		text, ok := literal(call.Args[0])
		if !ok {
			return true
		}
		if startsWithCapital(text) {
			add(call, fmt.Sprintf("the error %q starts with a capital", text), "start lower case: it stands inside other sentences")
		}
		if strings.ContainsAny(lastRune(text), ".!。！\n") {
			add(call, fmt.Sprintf("the error %q ends like a sentence", text), "drop the last sign: more may follow it")
		}
		if name == "Errorf" && d.hidesError(text, call.Args[1:]) {
			add(call, fmt.Sprintf("the error inside %q is formatted, not wrapped", text), "use %w, so that callers can ask what it was")
		}
		return true
	})
	return out
}

// literal returns the text of a string literal, or of several added up.
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		x, okX := literal(e.X)
		y, okY := literal(e.Y)
		return x + y, okX && okY && e.Op == token.ADD
	}
	return "", false
}

// startsWithCapital reports whether the first word is written with a capital as
// sentences are; names such as HL7, MSH-9 or PostgreSQL are not meant.
func startsWithCapital(text string) bool {
	word, _, _ := strings.Cut(text, " ")
	word = strings.TrimRight(word, ",:;")
	first, size := utf8.DecodeRuneInString(word)
	if !unicode.IsUpper(first) {
		return false
	}
	return !strings.ContainsFunc(word[size:], func(r rune) bool { return !unicode.IsLower(r) })
}

func lastRune(text string) string {
	_, size := utf8.DecodeLastRuneInString(text)
	return text[len(text)-size:]
}

// hidesError reports whether an error is among args under a verb other than %w.
func (d *folder) hidesError(format string, args []ast.Expr) bool {
	verb := regexp.MustCompile(`%[-+# 0-9.]*([a-zA-Z%])`)
	i := 0
	for _, m := range verb.FindAllStringSubmatch(format, -1) {
		if m[1] == "%" {
			continue
		}
		if i < len(args) && m[1] != "w" && m[1] != "T" && d.isError(args[i]) {
			return true
		}
		i++
	}
	return false
}

// isError reports whether e is an error, by its type where that is known within
// the folder, else by its name.
func (d *folder) isError(e ast.Expr) bool {
	if t := d.kinds[e].Type; t != nil && types.Identical(t, types.Universe.Lookup("error").Type()) {
		return true
	}
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "err" || strings.HasSuffix(e.Name, "Err")
	case *ast.CallExpr:
		sel, ok := e.Fun.(*ast.SelectorExpr)
		return ok && sel.Sel.Name == "Error" && d.isError(sel.X)
	}
	return false
}

// checkMessages: the message of a log line is a literal; what varies is an
// attribute, where it can be masked.
func checkMessages(h *house) []fault {
	var out []fault
	for _, d := range h.folders {
		known := d.loggers()
		for _, f := range d.files {
			if f.test || f.generated {
				continue
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				message, ok := d.logMessage(call, known)
				if lit, isLit := message.(*ast.BasicLit); ok && (!isLit || lit.Kind != token.STRING) {
					out = append(out, fault{rule: "messages", place: f.path, line: f.lineOf(call),
						what: "the message of a log line is not a literal",
						way:  "keep the message constant and put what varies into attributes"})
				}
				return true
			})
		}
	}
	return out
}

// loggers collects the fields, parameters and variables of a folder that are
// declared as *slog.Logger or made from one.
func (d *folder) loggers() map[types.Object]bool {
	known := map[types.Object]bool{}
	take := func(t ast.Expr, idents []*ast.Ident) {
		star, ok := t.(*ast.StarExpr)
		if !ok {
			return
		}
		if pkg, name := d.qualified(star.X); pkg == "log/slog" && name == "Logger" {
			for _, id := range idents {
				known[d.defs[id]] = true
			}
		}
	}
	for _, f := range d.files {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Field:
				take(n.Type, n.Names)
			case *ast.ValueSpec:
				take(n.Type, n.Names)
			case *ast.AssignStmt:
				if id, ok := n.Lhs[0].(*ast.Ident); ok && n.Tok == token.DEFINE && d.isLogger(n.Rhs[0], known) {
					known[d.defs[id]] = true
				}
			}
			return true
		})
	}
	delete(known, nil)
	return known
}

// logMessage returns the message argument of a call that writes a log line.
func (d *folder) logMessage(call *ast.CallExpr, known map[types.Object]bool) (ast.Expr, bool) {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil, false
	}
	at, ok := map[string]int{"Debug": 0, "Info": 0, "Warn": 0, "Error": 0,
		"DebugContext": 1, "InfoContext": 1, "WarnContext": 1, "ErrorContext": 1,
		"Log": 2, "LogAttrs": 2}[sel.Sel.Name]
	if !ok || len(call.Args) <= at {
		return nil, false
	}
	if pkg, _ := d.qualified(sel); pkg == "log/slog" || d.isLogger(sel.X, known) {
		return call.Args[at], true
	}
	return nil, false
}

// isLogger reports whether e names a logger, or is one with attributes added.
func (d *folder) isLogger(e ast.Expr, known map[types.Object]bool) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return known[d.uses[e]]
	case *ast.SelectorExpr:
		return known[d.uses[e.Sel]]
	case *ast.CallExpr:
		if pkg, name := d.qualified(e.Fun); pkg == "log/slog" {
			return name == "New" || name == "Default" || name == "With"
		}
		sel, ok := e.Fun.(*ast.SelectorExpr)
		return ok && (sel.Sel.Name == "With" || sel.Sel.Name == "WithGroup") && d.isLogger(sel.X, known)
	}
	return false
}

func checkSize(_ *folder, f *file) []fault {
	var out []fault
	if f.lines > maxFileLines {
		out = append(out, fault{rule: "size", place: f.path,
			what: fmt.Sprintf("the file has %d lines, more than %d", f.lines, maxFileLines),
			way:  "split it by what its parts are for"})
	}
	for _, decl := range f.ast.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if n := f.fset.Position(fn.End()).Line - f.lineOf(fn) + 1; n > maxFunctionLines {
			out = append(out, fault{rule: "size", place: f.path, line: f.lineOf(fn), name: fn.Name.Name,
				what: fmt.Sprintf("%s has %d lines, more than %d", fn.Name.Name, n, maxFunctionLines),
				way:  "give its steps names and functions of their own"})
		}
	}
	return out
}

// checkComments: the package comment is the design document, so it says more
// than a name. A package of tests alone needs one too.
func checkComments(h *house) []fault {
	sentence := regexp.MustCompile(`[.!?。！？](\s|$)`)
	var out []fault
	for _, d := range h.folders {
		var text strings.Builder
		for _, f := range d.files {
			if f.ast.Doc != nil && !strings.HasSuffix(f.ast.Name.Name, "_test") {
				text.WriteString(f.ast.Doc.Text())
			}
		}
		switch n := len(sentence.FindAllString(text.String(), -1)); {
		case strings.Contains(text.String(), "Licensed under"):
			out = append(out, fault{rule: "comments", place: d.path,
				what: "the package comment is the licence text",
				way:  "leave that to LICENSE and say what the package gives and guarantees"})
		case n < 2:
			out = append(out, fault{rule: "comments", place: d.path,
				what: fmt.Sprintf("the package comment has %d sentences", n),
				way:  "say in two or more what it gives, what it owns, what it guarantees and what it does not do"})
		}
	}
	return out
}
