package behavior_test

// Every detector carries what it must catch and what it must leave alone, in
// testdata/<id>.txtar; detect/trial says how they are written.

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/detect/behavior"
	"github.com/cordon-health/cordon/detect/trial"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/statement"
	"github.com/cordon-health/cordon/store/sqlite"
)

// parts are those of a trial with the built-in settings.
func parts(t testing.TB) trial.Parts {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "cordon.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	tables, err := statement.LoadCatalog(os.DirFS("../../content/tables"))
	if err != nil {
		t.Fatal(err)
	}
	return trial.Parts{DB: db, Explanations: os.DirFS("../../content/explanations"), Tables: tables, Detectors: behavior.All, Restart: true}
}

func TestExamples(t *testing.T) {
	for _, d := range behavior.All() {
		id := d.Info().ID
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			examples(t, id)
		})
	}
}

func examples(t *testing.T, id string) {
	files, list, err := trial.Read(behavior.Examples(), id)
	if err != nil {
		t.Fatalf("every detector needs examples: %v", err)
	}
	s, err := trial.Open(t.Context(), parts(t), files)
	if err != nil {
		t.Fatal(err)
	}
	hits, misses := 0, 0
	for _, x := range list {
		all, err := s.Run(x.Text)
		if err != nil {
			t.Fatal(err)
		}
		found := slices.DeleteFunc(all, func(f ocsf.Finding) bool { return f.Analytic != id })
		switch {
		case x.Hit:
			hits++
			if len(found) == 0 {
				t.Errorf("must hit: %s", x.Why)
			}
		default:
			misses++
			for _, f := range found {
				t.Errorf("must miss: %s\nbut: %s", x.Why, f.Title.EN)
			}
		}
		for _, f := range found {
			complete(t, f)
		}
	}
	if hits == 0 || misses == 0 {
		t.Errorf("%d hits and %d near misses; at least one of each is needed", hits, misses)
	}
}

// TestTried: a detector whose settings keep it from finding its own examples is
// told.
func TestTried(t *testing.T) {
	p := parts(t)
	if missed, err := trial.Try(t.Context(), p, behavior.Examples(), "crowd"); err != nil || missed != nil {
		t.Errorf("as built in: %+v %v", missed, err)
	}
	p = parts(t)
	p.Config.Off = []string{"crowd"}
	if missed, err := trial.Try(t.Context(), p, behavior.Examples(), "crowd"); err != nil || missed == nil || !missed.Hit {
		t.Errorf("switched off: %+v %v", missed, err)
	}
}

// complete checks what every finding must have.
func complete(t *testing.T, f ocsf.Finding) {
	t.Helper()
	switch {
	case f.Title.EN == "" || f.Title.ZH == "" || f.Why.EN == "" || f.Why.ZH == "":
		t.Errorf("a text is missing: %+v", f)
	case strings.Contains(f.Title.EN+f.Title.ZH+f.Why.EN+f.Why.ZH, "%!"):
		t.Errorf("a text is badly filled: %+v", f)
	case f.UID == "" || f.Time == 0 || f.SeverityID == 0 || f.Risk <= 0 || f.Risk > 99:
		t.Errorf("uid, time, severity or risk is missing: %+v", f)
	case f.Person == "" && f.Subject == "":
		t.Errorf("it is about nobody: %+v", f)
	case len(f.Events) == 0 && f.Source == "":
		t.Errorf("it rests on nothing: %+v", f)
	}
}

func TestInfos(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range behavior.All() {
		i := d.Info()
		if i.ID == "" || seen[i.ID] {
			t.Errorf("id %q is empty or taken", i.ID)
		}
		seen[i.ID] = true
		for _, x := range []ocsf.Text{i.Title, i.Why, i.Advice} {
			if x.EN == "" || x.ZH == "" {
				t.Errorf("%s: a text is missing", i.ID)
			}
		}
		for _, p := range i.Params {
			if p.Name == "" || p.Default <= 0 || p.About.EN == "" || p.About.ZH == "" {
				t.Errorf("%s: parameter %q does not explain itself", i.ID, p.Name)
			}
		}
		if i.Severity == 0 || i.Risk <= 0 || len(i.References) == 0 {
			t.Errorf("%s: severity, risk or references are missing", i.ID)
		}
	}
}

// TestListed finds a type with a Detect method that All does not list.
func TestListed(t *testing.T) {
	listed := map[string]bool{}
	for _, d := range behavior.All() {
		listed[strings.TrimPrefix(fmt.Sprintf("%T", d), "*behavior.")] = true
	}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Name.Name != "Detect" || fn.Recv == nil {
				continue
			}
			star, ok := fn.Recv.List[0].Type.(*ast.StarExpr)
			if !ok {
				continue
			}
			if id, ok := star.X.(*ast.Ident); ok && !listed[id.Name] {
				t.Errorf("%s: %s detects, but All does not list it", name, id.Name)
			}
		}
	}
}
