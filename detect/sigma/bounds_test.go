package sigma

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
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
