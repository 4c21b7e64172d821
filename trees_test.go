package cordon

// The checker itself is checked on small trees: good.txtar keeps every rule, and
// each other tree is laid over it and breaks one.

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestHouse holds this tree to its own rules.
func TestHouse(t *testing.T) {
	faults, err := inspect(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		t.Error(f)
	}
}

// wanted is one fault that a small tree must have.
type wanted struct {
	rule, place, text string
	line              int
}

func (w wanted) matches(f fault) bool {
	return w.rule == f.rule && w.place == f.place && (w.line == 0 || w.line == f.line) &&
		strings.Contains(f.String(), w.text)
}

func TestRules(t *testing.T) {
	trees, err := filepath.Glob("testdata/layout/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	broken := map[string]bool{"exceptions": false}
	for _, r := range slices.Concat(layoutRules(), habitRules(), docRules()) {
		broken[r.id] = false
	}
	for _, name := range trees {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			fsys, wants := smallTree(t, name)
			faults, err := inspect(fsys)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, faults, wants)
			for _, w := range wants {
				if _, known := broken[w.rule]; !known {
					t.Errorf("there is no rule %q", w.rule)
				}
				broken[w.rule] = true
			}
		})
	}
	for id, seen := range broken {
		if !seen {
			t.Errorf("no tree in testdata/layout breaks the rule %q", id)
		}
	}
}

// compare demands that faults and wants are the same set.
func compare(t *testing.T, faults []fault, wants []wanted) {
	t.Helper()
	met := make([]bool, len(wants))
	for _, f := range faults {
		i := slices.IndexFunc(wants, func(w wanted) bool { return w.matches(f) })
		if i < 0 {
			t.Errorf("not wanted: %v", f)
			continue
		}
		met[i] = true
	}
	for i, w := range wants {
		if !met[i] {
			t.Errorf("not found: %s %s %q", w.rule, w.place, w.text)
		}
	}
}

// smallTree lays the named archive over the good one. Its comment may hold
//
//	want: RULE PLACE[:LINE] "PART OF THE MESSAGE"
//	edit: FILE "OLD" "NEW"
func smallTree(t *testing.T, name string) (fs.FS, []wanted) {
	t.Helper()
	fsys := fstest.MapFS{}
	lay(t, fsys, "testdata/layout/good.txtar")
	comment := lay(t, fsys, name)
	var wants []wanted
	want := regexp.MustCompile(`^want: (\S+) ([^\s:]+)(?::(\d+))? (".*")$`)
	edit := regexp.MustCompile(`^edit: (\S+) ("(?:[^"\\]|\\.)*") ("(?:[^"\\]|\\.)*")$`)
	lines := bufio.NewScanner(strings.NewReader(comment))
	for lines.Scan() {
		if m := want.FindStringSubmatch(lines.Text()); m != nil {
			line, _ := strconv.Atoi(m[3]) // empty: any line
			wants = append(wants, wanted{m[1], m[2], unquote(t, m[4]), line})
		} else if m := edit.FindStringSubmatch(lines.Text()); m != nil {
			old := unquote(t, m[2])
			text := string(fsys[m[1]].Data)
			if !strings.Contains(text, old) {
				t.Fatalf("%s does not contain %q", m[1], old)
			}
			fsys[m[1]] = &fstest.MapFile{Data: []byte(strings.Replace(text, old, unquote(t, m[3]), 1))}
		} else if strings.HasPrefix(lines.Text(), "want:") || strings.HasPrefix(lines.Text(), "edit:") {
			t.Fatalf("cannot read %q", lines.Text())
		}
	}
	return fsys, wants
}

func unquote(t *testing.T, s string) string {
	t.Helper()
	out, err := strconv.Unquote(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return out
}

// lay adds the files of one archive. A line "//lines:N" stands for N of them.
func lay(t *testing.T, fsys fstest.MapFS, name string) (comment string) {
	t.Helper()
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	grow := regexp.MustCompile(`(?m)^//lines:(\d+)\n`)
	for _, f := range archive.Files {
		text := grow.ReplaceAllStringFunc(string(f.Data), func(s string) string {
			n, _ := strconv.Atoi(grow.FindStringSubmatch(s)[1])
			return strings.Repeat("//\n", n)
		})
		fsys[f.Name] = &fstest.MapFile{Data: []byte(text)}
	}
	return string(archive.Comment)
}

// TestVerifierStandsAlone: who doubts the server must be able to check it with a
// program that holds none of its engines and needs no C. SQLite alone stays:
// the records of a data folder are in its file.
func TestVerifierStandsAlone(t *testing.T) {
	const verifier = "./cmd/cordon-verify"
	refused := []string{"github.com/duckdb/", "github.com/nats-io/", "github.com/jackc/pgx"}
	server := dependencies(t, "./cmd/cordon")
	for _, name := range refused {
		for _, dep := range dependencies(t, verifier, "CGO_ENABLED=0") {
			if strings.HasPrefix(dep, name) {
				t.Errorf("%s links %s; move what the verifier needs into a package without engines", verifier, dep)
			}
		}
		if !slices.ContainsFunc(server, func(dep string) bool { return strings.HasPrefix(dep, name) }) {
			t.Errorf("the server no longer links %s either; take it out of this test", name)
		}
	}
}

// dependencies returns the import paths that a program links.
func dependencies(t *testing.T, program string, env ...string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", program)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(fmt.Errorf("listing what %s links: %w", program, err))
	}
	return strings.Fields(string(out))
}
