package sigma

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// load makes rules of one detection section.
func load(detection string) (*Rules, []Refused) {
	return Load(fstest.MapFS{"r.yml": {Data: []byte("title: t\nid: r\nlogsource: {category: test}\ndetection:\n" + detection)}})
}

// detectionCase is a detection with events that fit it, and events that do not.
type detectionCase struct {
	name, detection string
	hits, misses    []string
}

func detectionCases() []detectionCase {
	return []detectionCase{
		{"text, in any case", "  s: {a: Foo}\n  condition: s", []string{`{"a":"foo"}`, `{"a":["x","FOO"]}`, `{"o":{"a":"foo"}}`}, []string{`{"a":"food"}`, `{"b":"foo"}`, `{"a":null}`}},
		{"cased", "  s: {a|cased: Foo}\n  condition: s", []string{`{"a":"Foo"}`}, []string{`{"a":"foo"}`}},
		{"number", "  s: {a: 4688}\n  condition: s", []string{`{"a":4688}`, `{"a":"4688"}`}, []string{`{"a":46880}`}},
		{"hexadecimal number", "  s: {a: 0x1F}\n  condition: s", []string{`{"a":31}`, `{"a":"0x1f"}`}, []string{`{"a":1}`}},
		{"truth", "  s: {a: true}\n  condition: s", []string{`{"a":true}`, `{"a":"True"}`}, []string{`{"a":false}`}},
		{"any value", "  s: {a: [x, y]}\n  condition: s", []string{`{"a":"y"}`}, []string{`{"a":"z"}`}},
		{"all fields", "  s: {a: x, b: y}\n  condition: s", []string{`{"a":"x","b":"y"}`}, []string{`{"a":"x"}`}},
		{"any map", "  s: [{a: x}, {b: y}]\n  condition: s", []string{`{"b":"y"}`}, []string{`{"b":"x"}`}},
		{"null is missing", "  s: {a: null}\n  condition: s", []string{`{"b":1}`, `{"a":null}`}, []string{`{"a":""}`, `{"a":1}`}},
		{"empty text", "  s: {a: ''}\n  condition: s", []string{`{"a":""}`}, []string{`{"a":"x"}`}},
		{"exists", "  s: {a|exists: true, b|exists: false}\n  condition: s", []string{`{"a":1}`}, []string{`{"a":1,"b":1}`, `{}`}},
		{"contains", "  s: {a|contains: ell}\n  condition: s", []string{`{"a":"Hello"}`}, []string{`{"a":"help"}`}},
		{"startswith", "  s: {a|startswith: he}\n  condition: s", []string{`{"a":"Hello"}`}, []string{`{"a":"ahello"}`}},
		{"endswith", "  s: {a|endswith: [lo, ly]}\n  condition: s", []string{`{"a":"Hello"}`}, []string{`{"a":"helloo"}`}},
		{"contains all", "  s: {a|contains|all: [x, y]}\n  condition: s", []string{`{"a":"yx"}`}, []string{`{"a":"x"}`}},
		{"star", "  s: {a: 'a*c?e'}\n  condition: s", []string{`{"a":"abbcde"}`, `{"a":"accce"}`, `{"a":"ac病e"}`}, []string{`{"a":"ace"}`, `{"a":"abcdef"}`}},
		{"escaped star", `  s: {a: 'a\*b'}` + "\n  condition: s", []string{`{"a":"a*b"}`}, []string{`{"a":"axb"}`}},
		{"backslashes", `  s: {a: 'C:\Windows\\x*'}` + "\n  condition: s", []string{`{"a":"c:\\windows\\x1"}`}, []string{`{"a":"c:/windows/x"}`}},
		{"backslash before a star", `  s: {a|endswith: '\cmd.exe', b: 'x\\*'}` + "\n  condition: s", []string{`{"a":"C:\\cmd.exe","b":"x\\y"}`}, []string{`{"a":"C:\\cmd.exe","b":"xy"}`}},
		{"regular expression", "  s: {a|re: 'x[0-9]+$'}\n  condition: s", []string{`{"a":"yx12"}`}, []string{`{"a":"X12"}`}},
		{"regular expression, any case", "  s: {a|re|i: '^x'}\n  condition: s", []string{`{"a":"X12"}`}, nil},
		{"regular expression, flags", "  s: {a|re|m|s: '^b.c'}\n  condition: s", []string{`{"a":"a\nb\nc"}`}, nil},
		{"network", "  s: {a|cidr: [10.0.0.0/8, 'fd00::/8']}\n  condition: s", []string{`{"a":"10.9.8.7"}`, `{"a":"fd00::1"}`, `{"a":"::ffff:10.1.1.1"}`}, []string{`{"a":"11.0.0.1"}`, `{"a":"x"}`}},
		{"numbers in order", "  s: {a|gte: 5, a|lt: 7.5}\n  condition: s", []string{`{"a":5}`, `{"a":"7"}`}, []string{`{"a":4}`, `{"a":8}`, `{"a":"x"}`}},
		{"another field", "  s: {a|fieldref: b}\n  condition: s", []string{`{"a":"X","b":"x"}`}, []string{`{"a":"X"}`, `{"a":"X","b":"y"}`}},
		{"begins with another field", "  s: {a|fieldref|startswith: b}\n  condition: s", []string{`{"a":"xyz","b":"xy"}`}, []string{`{"a":"x","b":"xy"}`}},
		{"base64", "  s: {a|base64: 'http'}\n  condition: s", []string{`{"a":"aHR0cA=="}`}, []string{`{"a":"http"}`}},
		{"base64 at any offset", "  s: {a|base64offset|contains: 'http://'}\n  condition: s", []string{`{"a":"xaHR0cDovL2V4"}`, `{"a":"eGh0dHA6Ly94"}`, `{"a":"eHhodHRwOi8veA=="}`}, []string{`{"a":"http://"}`}},
		{"wide, then base64", "  s: {a|wide|base64offset|contains: 'ping'}\n  condition: s", []string{`{"a":"cABpAG4AZwA="}`}, []string{`{"a":"cGluZw=="}`}},
		{"dashes of Windows", "  s: {a|windash|contains: ' -f'}\n  condition: s", []string{`{"a":"x -f"}`, `{"a":"x /f"}`, `{"a":"x –f"}`}, []string{`{"a":"x f"}`}},
		{"keywords", "  k: [evil, 'w*rm']\n  condition: k", []string{`{"m":"an Evil thing"}`, `{"m":{"n":["a worm"]}}`}, []string{`{"evil":"no"}`}},
		{"all keywords", "  k: {'|all': [a1, b2]}\n  condition: k", []string{`{"m":"b2 a1"}`, `{"m":"a1","n":"b2"}`}, []string{`{"m":"a1"}`}},
		{"keywords or fields", "  k: [evil, {a: x}]\n  condition: k", []string{`{"m":"evil"}`, `{"a":"x"}`}, []string{`{"m":"x"}`}},
		{"and not", "  s: {a: x}\n  f: {b: y}\n  condition: s and not f", []string{`{"a":"x"}`}, []string{`{"a":"x","b":"y"}`}},
		{"and binds closer than or", "  x: {a: 1}\n  y: {b: 1}\n  z: {c: 1}\n  condition: x or y and z", []string{`{"a":1}`, `{"b":1,"c":1}`}, []string{`{"b":1}`}},
		{"parentheses", "  x: {a: 1}\n  y: {b: 1}\n  z: {c: 1}\n  condition: (x or y) and z", []string{`{"a":1,"c":1}`}, []string{`{"a":1}`}},
		{"1 of a pattern", "  s_x: {a: 1}\n  s_y: {b: 1}\n  f: {c: 1}\n  condition: 1 of s_*", []string{`{"b":1}`}, []string{`{"c":1}`}},
		{"all of them", "  x: {a: 1}\n  y: {b: 1}\n  _z: {c: 1}\n  condition: all of them", []string{`{"a":1,"b":1}`}, []string{`{"a":1,"c":1}`}},
		{"not 1 of", "  s: {a: 1}\n  f_1: {b: 1}\n  f_2: {c: 1}\n  condition: s and not 1 of f_*", []string{`{"a":1}`}, []string{`{"a":1,"c":1}`}},
		{"several conditions", "  x: {a: 1}\n  y: {b: 1}\n  condition: [x, y]", []string{`{"b":1}`}, []string{`{"c":1}`}},
		{"dots and XML attributes", "  s: {e.id: 7, Provider_Name: P}\n  condition: s", []string{`{"e":{"id":7},"System":{"Provider":{"#attributes":{"Name":"P"}}}}`}, []string{`{"e":{"id":7}}`}},
	}
}

func TestDetections(t *testing.T) {
	for _, c := range detectionCases() {
		t.Run(c.name, func(t *testing.T) {
			r, refused := load(c.detection)
			if len(refused) > 0 {
				t.Fatal(refused[0].Reason)
			}
			for _, e := range c.hits {
				if len(r.Fits([]byte(e), time.UTC)) == 0 {
					t.Errorf("must hit: %s", e)
				}
			}
			for _, e := range c.misses {
				if len(r.Fits([]byte(e), time.UTC)) > 0 {
					t.Errorf("must miss: %s", e)
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"title: t\ncorrelation: {type: event_count}":                                              "timespan is missing",
		"title: t\nfilter: {rules: [x]}":                                                          "no logsource",
		"title: t\naction: often":                                                                 "not known",
		"title: t\nlogsource: {category: x}":                                                      "no detection",
		"title: t\ndetection: {condition: s}":                                                     "no logsource",
		"logsource: {category: x}\ndetection: {condition: s}":                                     "no title",
		"title: t\nlogsource: {category: x}\ndetection: {s: {a: 1}}":                              "no condition",
		"title: t\nlogsource: {category: x}\ndetection: {s: {a: 1}, condition: x}":                `no detection "x"`,
		"title: t\nlogsource: {category: x}\ndetection: {s: {a: 1}, condition: s and}":            "too early",
		"title: t\nlogsource: {category: x}\ndetection: {s: {a: 1}, condition: (s}":               "parenthesis",
		"title: t\nlogsource: {category: x}\ndetection: {s: {a: 1}, condition: s s}":              "left over",
		"title: t\nlogsource: {category: x}\ndetection: {s: {a: 1}, condition: s | count() > 5}":  "aggregates",
		"title: t\nlogsource: {category: x}\ndetection: {s: {a: 1}, timeframe: 5m, condition: s}": "timespan",
		"title: t\nlogsource: {category: x}\ndetection: {s: {a|sounds: 1}, condition: s}":         `"sounds" is not known`,
		"title: t\nlogsource: {category: x}\ndetection: {s: {a|re: '(?=x)'}, condition: s}":       "look-around",
		"title: t\nlogsource: {category: x}\ndetection: {s: {a|re|contains: x}, condition: s}":    "does not go",
		"title: t\nlogsource: {category: x}\ndetection: {s: {a|cidr: here}, condition: s}":        "no network",
		"title: t\nlogsource: {category: x}\ndetection: {s: {a|gt: x}, condition: s}":             "takes a number",
		"title: t\nlogsource: {category: x}\ndetection: {s: {a|base64: 'x*'}, condition: s}":      "wildcards",
		"title: t\nlogsource: {category: x}\ndetection: {s: {a: {b: c}}, condition: s}":           "a value is",
		"title: t\nlogsource: {category: x}\ndetection: {s: {a: 1}, condition: 3 of s*}":          "not known",
		"title: t\nlogsource: {category: x}\nlevel: urgent\ndetection: {s: {a: 1}, condition: s}": `level "urgent"`,
		"title: t\nlogsource: [x]\ndetection: {s: {a: 1}, condition: s}":                          "wrong kind",
		"- a\n- b": "not a rule",
		"a: [":     "not YAML",
		"":         "empty",
		"title: t\nlogsource: {category: x}\ndetection: {s: {a: 1}, condition: " + strings.Repeat("(", 60) + "s" + strings.Repeat(")", 60) + "}": "too deeply",
	} {
		r, refused := Load(fstest.MapFS{"r.yml": {Data: []byte(text)}})
		if len(refused) != 1 || !strings.Contains(refused[0].Reason, want) || r.Len() != 0 {
			t.Errorf("%s\nis refused as %+v, want %q", text, refused, want)
		}
	}
}

func TestReplace(t *testing.T) {
	rule := func(value string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("title: t\nid: r\nlogsource: {category: x}\ndetection: {s: {a: " + value + "}, condition: s}")}
	}
	r, refused := Load(fstest.MapFS{"r.yml": rule("built-in")}, fstest.MapFS{"own/r.yml": rule("own")})
	if len(refused) > 0 || r.Len() != 1 || len(r.Fits([]byte(`{"a":"own"}`), time.UTC)) != 1 {
		t.Errorf("a hospital's own rule does not replace the built-in one: %+v %v", r.List(), refused)
	}
}

func TestScan(t *testing.T) {
	r, _ := load("  s: {a: x}\n  condition: s")
	var lines []int
	stats, err := r.Scan(strings.NewReader("{\"a\":\"x\"}\n\n{\"a\":\"y\"}\nno json\n[1]\n{\"b\":{\"a\":\"x\"}}"), time.UTC, func(m Match) error {
		lines = append(lines, m.Line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{1, 6}, lines); diff != "" {
		t.Error(diff)
	}
	if stats.Candidates != 2 { // the third event has nothing that the rule needs
		t.Errorf("%d candidates", stats.Candidates)
	}
	stats.Candidates = 0
	if diff := cmp.Diff(Stats{Events: 3, Matches: 2, NBad: 2, Bad: []int{4, 5}}, stats); diff != "" {
		t.Error(diff)
	}
}

func FuzzRule(f *testing.F) {
	f.Add([]byte("title: t\nlogsource: {category: x}\ndetection:\n  s: {a|wide|base64offset|contains: x}\n  condition: 1 of s* and not s"))
	f.Add([]byte("title: t\nlogsource: {category: x}\ndetection:\n  k: [a, {b|re|i: '[', c|cidr: 10.0.0.0/8}]\n  condition: all of them"))
	f.Add([]byte("title: &a t\nlogsource: {category: *a}\ndetection: {s: {a|windash|endswith: '-/x*?'}, condition: (s or s)}"))
	for _, text := range endless() {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, refused := Load(fstest.MapFS{"r.yml": {Data: data}, "logsources.yaml": {Data: data}, "placeholders.yaml": {Data: data}})
		for _, x := range refused {
			if x.Reason == "" {
				t.Error("refused without a reason")
			}
		}
		r.Fits([]byte(`{"a":"x","b":["-x",1,null],"c":"10.0.0.1"}`), time.UTC)
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add(`\*\\**?`, `*\\x`)
	f.Add("病*历", "病案历")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		g := newGlob(split(pattern), true)
		if got, want := g.fits(text), fits(split(pattern), text); got != want {
			t.Errorf("%q on %q: %v by the short way, %v by the long one", pattern, text, got, want)
		}
		quoted := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`).Replace(text)
		if !newGlob(split(quoted), true).fits(text) {
			t.Errorf("%q does not match itself", text)
		}
	})
}

func FuzzEvent(f *testing.F) {
	r, _ := load("  s: {a.b|contains: x, c|exists: false}\n  k: [y]\n  condition: s or k")
	f.Add([]byte(`{"a":{"b":"x"}}`))
	f.Add([]byte(`{"a":[{"#attributes":{"b":1}},null]}`))
	f.Fuzz(func(t *testing.T, data []byte) { r.Fits(data, time.UTC) })
}
