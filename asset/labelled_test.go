package asset

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// labelled is one line of testdata/labelled.txt.
type labelled struct {
	kind  string
	facts []Fact
	line  int
}

func readLabelled(t testing.TB) []labelled {
	t.Helper()
	data, err := os.ReadFile("testdata/labelled.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []labelled
	for i, line := range strings.Split(string(data), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		parts := strings.Split(line, "|")
		l := labelled{kind: strings.TrimSpace(parts[0]), line: i + 1}
		if l.kind == "-" {
			l.kind = ""
		}
		if maker := strings.TrimSpace(parts[1]); maker != "-" {
			l.facts = append(l.facts, Fact{FactMaker, maker})
		}
		for _, p := range parts[2:] {
			if name, value, ok := strings.Cut(strings.TrimSpace(p), "="); ok {
				l.facts = append(l.facts, Fact{FactName(name), value})
			}
		}
		out = append(out, l)
	}
	return out
}

func testKnowledge(t testing.TB) *Knowledge {
	t.Helper()
	k, err := LoadKnowledge(os.DirFS("../content/devices"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// score counts how a classification did on a half of the set.
type score struct{ right, wrong, unknown, devices int }

func (s score) String() string {
	return fmt.Sprintf("%d devices: %d right, %d wrong, %d unknown", s.devices, s.right, s.wrong, s.unknown)
}

func judge(t *testing.T, k *Knowledge, all []labelled, half int, show bool) score {
	var s score
	for i, l := range all {
		if i%2 != half {
			continue
		}
		c, guesses := k.Classify(l.facts)
		s.devices++
		switch {
		case c.Kind == l.kind:
			s.right++
			continue
		case c.Kind == "" || k.above[[2]string{l.kind, c.Kind}]: // nothing said, or less than could be
			s.unknown++
		default:
			s.wrong++
		}
		if show {
			t.Logf("line %d: is %q, taken for %q (%.2f), guesses %v", l.line, l.kind, c.Kind, c.Confidence, guesses)
		}
	}
	return s
}

func TestLabelledDevices(t *testing.T) {
	k := testKnowledge(t)
	all := readLabelled(t)
	if len(all) < 200 {
		t.Fatalf("%d devices are not enough", len(all))
	}
	for half, name := range []string{"worked on", "held out"} {
		s := judge(t, k, all, half, half == 0 || os.Getenv("SHOW_HELD") != "")
		t.Logf("%s: %s", name, s)
		if s.right*100 < s.devices*95 || s.wrong*100 > s.devices*2 {
			t.Errorf("%s: %s; at least 95 in 100 have to be right and at most 2 wrong", name, s)
		}
	}
}
