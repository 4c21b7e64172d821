package sigma

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

const ruleHead = "title: t\nid: r\nlogsource: {category: c}\n"

// endless are files of a few lines that say something without an end, or more
// than anybody could read.
func endless() map[string]string {
	laughs := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		laughs += fmt.Sprintf("a%d: &a%[1]d [%s*a%d]\n", i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), i)
	}
	where := "logsources: [{category: c, where: &w {a: [*w]}}]\n"
	return map[string]string{
		"list in itself":         ruleHead + "detection: {sel: &a [*a], condition: sel}",
		"list of maps in itself": ruleHead + "detection: {sel: &a [{f: x}, *a], condition: sel}",
		"map in itself":          "action: global\n" + ruleHead + "detection: &d {sel: *d}\n---\ndetection: {sel: {a: b}, condition: sel}",
		"in a filter":            ruleHead + "filter: &f {rules: any, s: [*f], condition: s}",
		"in a correlation":       ruleHead + "correlation: &c {type: event_count, rules: [*c]}",
		"laughs":                 ruleHead + laughs + "detection: {sel: {a: *a9}, condition: sel}",
		"laughs for all":         "action: global\n" + laughs + "---\n" + ruleHead + "detection: {sel: {a: *a9}, condition: sel}",
		"where":                  where,
		"placeholders":           "placeholders: &p {a: [*p]}",
	}
}

// TestEndless: what has no end is refused with the reason, in whatever file of
// a folder of rules it stands.
func TestEndless(t *testing.T) {
	for name, text := range endless() {
		for _, file := range []string{"r.yml", "logsources.yaml", "placeholders.yaml"} {
			_, refused := Load(fstest.MapFS{file: {Data: []byte(text)}})
			if len(refused) == 0 || !strings.Contains(refused[0].Reason, "alias") {
				t.Errorf("%s in %s: refused %+v", name, file, refused)
			}
		}
	}
}

// TestConditionsHaveAnEnd: few words may not ask without measure.
func TestConditionsHaveAnEnd(t *testing.T) {
	maps := "  s:\n" + strings.Repeat("    - {a: x, b: y}\n", 1000)
	many := ""
	for i := range maxNames + 1 {
		many += fmt.Sprintf("  s%d: {a: x}\n", i)
	}
	for detection, want := range map[string]string{
		maps + "  condition: s" + strings.Repeat(" or s", 200):                       "asks too much",
		maps + "  condition: [s" + strings.Repeat(", s", 200) + "]":                  "asks too much",
		many + "  condition: 1 of s*":                                                "too many detections",
		"  s: {a: x}\n  condition: s" + strings.Repeat(" and s", maxWords):           "too long",
		"  s: {a: x}\n  condition: " + strings.Repeat("(", 99) + "s":                 "too deeply",
		"  s: {a: x}\n  condition: " + strings.Repeat("not ", maxWords/2) + "s or s": "",
	} {
		_, refused := load(detection)
		if want == "" && len(refused) > 0 || want != "" && (len(refused) != 1 || !strings.Contains(refused[0].Reason, want)) {
			t.Errorf("%.60q: %+v, want %q", detection, refused, want)
		}
	}
}

// TestSharedPartsHaveAnEnd: a part that many rules of a file share is not read
// without measure either.
func TestSharedPartsHaveAnEnd(t *testing.T) {
	text := "action: global\n" + ruleHead + "detection:\n  s:\n    a: [" + strings.Repeat("x, ", 20_000) + "x]\n  condition: s\n" +
		strings.Repeat("---\nlevel: low\n", 2000)
	r, refused := Load(fstest.MapFS{"r.yml": {Data: []byte(text)}})
	if r.Len() == 0 || r.Len() > 20 || len(refused) == 0 || !strings.Contains(refused[0].Reason, "share a part") {
		t.Errorf("%d rules, %d refused", r.Len(), len(refused))
	}
}

// TestRegularExpressionsHaveAnEnd: neither loading nor asking them takes what a
// rule wants it to take.
func TestRegularExpressionsHaveAnEnd(t *testing.T) {
	list := func(n int, text string) string {
		return "  s:\n    a|re:\n" + strings.Repeat("      - '"+text+"'\n", n) + "  condition: s"
	}
	rule := func(n int) string {
		return "\n---\ntitle: t\nlogsource: {category: c}\ndetection:\n" + list(n, "(abc){900}")
	}
	for detection, want := range map[string]string{
		list(1, "(abcdef){900}"):         "too large",
		list(1, "^(?=.*(abcdef){900})x"): "too large",
		list(2000, "x"):                  "too many regular expressions",
		list(60, "(a|b)[^z]{900}"):       "too large together",
		"  s: {'|re': ['(xy?){1,999}z', '(abcd){999}']}\n  condition: s": "too large",
		list(7, "(abc){900}") + rule(8) + rule(9) + rule(10) + rule(11):  "its file has too many",
		list(900, "(a|b)c.*d"): "",
	} {
		_, refused := load(detection)
		if want == "" && len(refused) > 0 || want != "" && (len(refused) != 1 || !strings.Contains(refused[0].Reason, want)) {
			t.Errorf("%.60q: %+v, want %q", detection, refused, want)
		}
	}
}

// TestLongValues: of a value that would take an expression too long, it sees
// the beginning, and that is said.
func TestLongValues(t *testing.T) {
	r, refused := load("  s: {a|re: '(a|aa)+[^z]{1,900}$b'}\n  t: {a|re: 'b.{1,500}[xy]'}\n  condition: s or t")
	if len(refused) > 0 {
		t.Fatal(refused)
	}
	long, many := strings.Repeat("a", 1<<20), strings.Repeat(`"`+strings.Repeat("a", 3000)+`",`, 300)
	lines := `{"a":"` + long + `"}` + "\n" + `{"a":"bxx` + long + `"}` + "\n" + `{"a":[` + many + `"b12x"]}` + "\n" + `{"a":"b12x"}` + "\n"
	var hit []int
	s, err := r.Scan(strings.NewReader(lines), time.UTC, func(m Match) error { hit = append(hit, m.Line); return nil })
	if err != nil || s.Short != 3 || !slices.Equal(hit, []int{2, 3, 4}) {
		t.Errorf("%v, %d events short, %v", hit, s.Short, err)
	}
}

// TestManyValues: values behind the first thousands are not looked at, and that
// is said.
func TestManyValues(t *testing.T) {
	r, _ := load("  s: {a: x}\n  condition: s")
	lines := `{"a":[` + strings.Repeat("1,", maxLeaves) + `"x"]}` + "\n" + `{"a":[` + strings.Repeat("1,", maxLeaves-1) + `"x"]}` + "\n"
	s, err := r.Scan(strings.NewReader(lines), time.UTC, func(Match) error { return nil })
	if err != nil || s.Cut != 1 || s.Matches != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// listed is an event with three lists.
type listed struct{ n int }

func (r listed) lookup(name string, out []value) []value {
	if len(name) == 1 {
		for i := range r.n {
			out = append(out, text(name+strconv.Itoa(i)))
		}
	}
	return out
}

// TestGroupsOfAnEvent: lists of values put an event into so many groups, all
// lists together, and no more.
func TestGroupsOfAnEvent(t *testing.T) {
	for _, kind := range []string{"type: event_count\ncondition: {gte: 2}", "type: value_count\ncondition: {gte: 9, field: v}"} {
		r := chained(t, "rules: [a]\ngroup-by: [x, y, z]\ntimespan: 1h\n"+kind)
		for _, n := range []int{3, 64} {
			r.corr = newCorrelator(r.corr.list)
			r.corr.seen(r.list[:1], listed{n}, origin{at: 1})
			if s := r.corr.now(); s.Groups != min(n*n*n, mostSplit) || s.Cut != int64(n/64) {
				t.Errorf("%s, lists of %d: %+v", kind, n, s)
			}
		}
	}
}

// TestWaysAreTold: events whose values only look alike when put in a row are
// not taken for the same.
func TestWaysAreTold(t *testing.T) {
	r, refused := Load(fstest.MapFS{
		"logsources.yaml": {Data: []byte("logsources: [{category: c, where: {a: x, b: y}}, {category: d, where: {a|cased: X}}]")},
		"r.yml":           {Data: []byte("title: t\nid: r\nlogsource: {category: c}\ndetection: {s: {m: 1}, condition: s}\n---\ntitle: t\nid: q\nlogsource: {category: d}\ndetection: {s: {m: 1}, condition: s}")},
	})
	if len(refused) > 0 {
		t.Fatal(refused)
	}
	keys := map[string]string{}
	l := r.scan(time.UTC)
	for _, e := range []string{`{}`, `{"a":"x","b":"y"}`, `{"a":["x","\u0001y"]}`, `{"a":"x\u0001\u0001y"}`, `{"a":null}`, `{"a":""}`, `{"a":[]}`, `{"a":["",""]}`, `{"a":"X"}`, `{"b":"y"}`} {
		l.line([]byte(e))
		if other, ok := keys[string(l.key)]; ok {
			t.Errorf("%s and %s have one key", e, other)
		}
		keys[string(l.key)] = e
	}
}

// TestUnseenSources: events that say something new about their source each time
// neither fill the memory nor have the way to the rules made anew.
func TestUnseenSources(t *testing.T) {
	r, refused := Load(fstest.MapFS{
		"logsources.yaml": {Data: []byte("logsources: [{category: c, where: {Channel: C}}]")},
		"r.yml":           {Data: []byte("title: t\nid: r\nlogsource: {category: c}\ndetection: {s: {m: 1}, condition: s}")},
	})
	if len(refused) > 0 {
		t.Fatal(refused)
	}
	l := r.scan(time.UTC)
	for i := range 3 * maxWays {
		l.line([]byte(`{"Channel":"` + strconv.Itoa(i) + `","m":1}`))
	}
	if hits, _ := l.line([]byte(`{"Channel":"C","m":1}`)); len(hits) != 1 || len(l.ways) > maxWays || len(l.alike) != 2 {
		t.Errorf("%d hits; %d looks of events, %d ways", len(hits), len(l.ways), len(l.alike))
	}
}
