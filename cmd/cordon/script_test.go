package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts call cordon: the test binary runs main when it is
// called by that name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"cordon": main})
}

// TestScripts runs testdata: one topic a file, written so that a hospital's IT
// staff can read what the commands do. The commands that are not cordon's are
// in commands_test.go.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", Cmds: commands(), Condition: asRoot, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "Asia/Shanghai")
			env.Setenv("LANG", "en_US.UTF-8")
			env.Setenv("SOON", time.Now().AddDate(0, 1, 0).Format(time.DateOnly))
			return nil
		},
	})
}

var (
	used   = regexp.MustCompile(`(?m)^(?:! )?(?:exec|exits \d) cordon ((?:[a-z-]+ ?)+)`)
	reason = regexp.MustCompile(`^# \S+ .*\S+`)
)

// TestEveryVerbIsInAScript finds a verb that no script uses.
func TestEveryVerbIsInAScript(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range scripts(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range used.FindAllSubmatch(text, -1) {
			words := strings.Fields(string(m[1]))
			for i := range words {
				seen[strings.Join(words[:i+1], " ")] = true
			}
		}
	}
	var c cli
	parser, err := kong.New(&c, kong.Vars{"formats": ""})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range parser.Model.Leaves(false) {
		if name := strings.TrimPrefix(verb.FullPath(), parser.Model.Name+" "); !seen[words(name)] {
			t.Errorf("no script in testdata uses: cordon %s", words(name))
		}
	}
}

// words cuts what is no word of a verb off: its arguments.
func words(path string) string {
	name, _, _ := strings.Cut(path, " <")
	return name
}

// TestScriptsSayWhy finds a script that does not begin with its reason.
func TestScriptsSayWhy(t *testing.T) {
	for _, name := range scripts(t) {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		s := bufio.NewScanner(f)
		if !s.Scan() || !reason.MatchString(s.Text()) {
			t.Errorf("%s: begin with a comment that says what it shows and why", name)
		}
		block := false
		for n := 2; s.Scan() && !strings.HasPrefix(s.Text(), "-- "); n++ {
			switch line := s.Text(); {
			case line == "":
				block = false
			case strings.HasPrefix(line, "#"):
				block = true
			case !block:
				t.Errorf("%s:%d: begin each block with a comment that gives its reason", name, n)
				block = true
			}
		}
		_ = f.Close() // read only
	}
}

func scripts(t *testing.T) []string {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no scripts in testdata", err)
	}
	return names
}

// exits runs a command that must end with the exit code: exits CODE COMMAND...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGUMENT...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	default:
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// eachLine calls do with every line of a file of the script.
func eachLine(ts *testscript.TestScript, name string, do func(n int, line []byte)) {
	n := 0
	for line := range bytes.Lines([]byte(ts.ReadFile(name))) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			n++
			do(n, line)
		}
	}
	if n == 0 {
		ts.Fatalf("%s is empty", name)
	}
}

func one(ts *testscript.TestScript, pattern string) string {
	names, err := filepath.Glob(ts.MkAbs(pattern))
	ts.Check(err)
	if len(names) == 0 {
		ts.Fatalf("no file %s", pattern)
	}
	return names[0]
}

func describe(v any) string { return fmt.Sprintf("%.80v", v) }
