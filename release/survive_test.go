package release

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// people is a table of invented people with a note about each.
func people(rows int, note func(name, mrn string) string) string {
	rng := rand.New(rand.NewPCG(1, 2))
	family, given := []rune("王李张刘陈杨赵黄周吴"), strings.Fields("伟 芳 娜 敏 静 建国 淑珍 海燕 志明 晓东")
	var b strings.Builder
	b.WriteString("mrn,name,age,sex,note\n")
	for i := range rows {
		name, mrn := string(family[rng.IntN(10)])+given[rng.IntN(10)], fmt.Sprintf("%08d", 20250000+7*i)
		fmt.Fprintf(&b, "%s,%s,%d,%s,%s\n", mrn, name, 20+rng.IntN(60), []string{"男", "女"}[rng.IntN(2)], note(name, mrn))
	}
	return b.String()
}

func ofPeople(name, extra string) Wish {
	w := wish()
	w.Recipe = `
kind: table
anonymize:
  k: 5
  max_suppression: 0.05
  columns:
    mrn: {kind: identifying}
    name: {kind: ` + name + `}
    age: {kind: quasi, hierarchy: {intervals: [5, 10, 20]}}
    sex: {kind: quasi}
    note: {kind: sensitive}
` + extra
	return w
}

// TestSurvivors lets values of the source leave where no form and no label
// tells what they are.
func TestSurvivors(t *testing.T) {
	stable := func(string, string) string { return "stable" }
	for title, x := range map[string]struct {
		wish Wish
		note func(name, mrn string) string
		want string
	}{
		"names called pseudonyms": {ofPeople("insensitive", "pseudonyms: [name]\n"), stable, Blocked},
		"the same, sensitive":     {ofPeople("sensitive", "pseudonyms: [name]\n"), stable, Blocked},
		"numbers amid text":       {ofPeople("identifying", ""), func(_, mrn string) string { return "case " + mrn + " stable" }, Blocked},
		"numbers by themselves":   {ofPeople("identifying", ""), func(_, mrn string) string { return mrn }, Blocked},
		"numbers in a word":       {ofPeople("identifying", ""), func(_, mrn string) string { return "x" + mrn + "y" }, Blocked},
		"names amid text":         {ofPeople("identifying", ""), func(name, _ string) string { return "请" + name + "复诊" }, Blocked},
		"nothing of them":         {ofPeople("identifying", ""), func(string, string) string { return "病情平稳，3 天后复诊，费用 20250 元" }, Measured},
	} {
		r := newDesk(t).made(t, x.wish, people(1000, x.note))
		if r.State != x.want {
			t.Errorf("%s: %s, failure %v, trial %+v", title, r.State, r.Failure, r.Trial)
		}
	}
}

func TestLongNumber(t *testing.T) {
	for v, want := range map[string]bool{"20250007": true, "T0000012": true, "20240105": false, "1234": false, "2024 01 05": false, "stable": false, "": false} {
		if longNumber(v) != want {
			t.Errorf("%q: %v", v, !want)
		}
	}
}

// TestLeft finds what a process that was killed left in clear.
func TestLeft(t *testing.T) {
	d := newDesk(t)
	dir := filepath.Join(d.Temp, "release-1")
	if err := os.MkdirAll(filepath.Join(dir, "source"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
