package sigma

// What other engines are known to get wrong, each with a test that would
// notice here. Correlations have theirs in correlation_test.go.

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestTraps(t *testing.T) {
	cases := []detectionCase{
		{"dashes before or behind contains", "  s: {a|contains|windash: ' -x', b|windash|contains: ' -y'}\n  condition: s",
			[]string{`{"a":"p /x","b":"p —y"}`, `{"a":"p ―x","b":"p -y"}`}, []string{`{"a":"p x","b":"p -y"}`}},
		{"each dash for itself", "  s: {a|windash|contains: ' -x -y'}\n  condition: s",
			[]string{`{"a":"p /x –y"}`, `{"a":"p -x /y"}`}, []string{`{"a":"p /x y"}`}},
		{"many dashes", "  s: {a|windash: 'p -a -b -c -d'}\n  condition: s",
			[]string{`{"a":"p /a -b –c ―d"}`}, []string{`{"a":"p /a -b –c d"}`, `{"a":"p /a -b –c =d"}`}},
		{"no dash within a word", "  s: {a|windash|contains: 'well-known'}\n  condition: s",
			[]string{`{"a":"well-known"}`}, []string{`{"a":"well/known"}`}},
		{"flags of expressions", "  s: {a|re|i: 'x+y'}\n  condition: s", []string{`{"a":"XXY"}`}, []string{`{"a":"y"}`}},
		{"look-ahead at the beginning", "  s: {a|re: '^(?=.*x)(?!.*y).+z'}\n  condition: s",
			[]string{`{"a":"xz"}`, `{"a":"qzx"}`}, []string{`{"a":"xyz"}`, `{"a":"qz"}`}},
		{"a long run", "  s: {a|re: '.{20,}'}\n  condition: s",
			[]string{`{"a":"12345678901234567890"}`, `{"a":"x\n一二三四五六七八九十一二三四五六七八九十"}`}, []string{`{"a":"1234567890\n1234567890"}`}},
		{"fields side by side", "  s: {a|fieldref: b, c|fieldref|endswith: d}\n  condition: s",
			[]string{`{"a":"X","b":"x","c":"abc","d":"BC"}`}, []string{`{"a":"x","b":"y","c":"abc","d":"bc"}`, `{"c":"bc","d":"bc"}`}},
		{"fields that differ", "  s: {a|fieldref|neq: b}\n  condition: s", []string{`{"a":"x","b":"y"}`}, []string{`{"a":"x","b":"X"}`}},
		{"null in a list", "  s: {a: [x, null]}\n  condition: s", []string{`{"b":1}`, `{"a":null}`, `{"a":"X"}`}, []string{`{"a":"y"}`}},
		{"null is not empty", "  s: {a: null}\n  f: {a: ''}\n  condition: s and not f", []string{`{"b":1}`}, []string{`{"a":""}`}},
		{"percent signs without expand", "  s: {a|contains: '%AppData%'}\n  condition: s",
			[]string{`{"a":"cmd %appdata%\\x"}`}, []string{`{"a":"cmd %temp%\\x"}`, `{"a":"AppData"}`}},
		{"exists looks at the place only", "  s: {a|exists: true, b|exists: false}\n  condition: s",
			[]string{`{"a":null}`, `{"a":{"c":1}}`, `{"a":[]}`}, []string{`{"a":1,"b":null}`}},
		{"numbers as numbers", "  s: {a: 10, b: 1.5}\n  condition: s", []string{`{"a":10.0,"b":1.50}`, `{"a":1e1,"b":"1.5"}`}, []string{`{"a":100,"b":1.5}`}},
		{"different from all", "  s: {a|neq: [x, y]}\n  condition: s", []string{`{"a":"z"}`}, []string{`{"a":"x"}`, `{"a":"Y"}`}},
		{"hours as they are written", "  s: {a|hour|gte: 22}\n  condition: s",
			[]string{`{"a":"2026-03-02T23:10:00+08:00"}`, `{"a":"2026-03-02 22:00:00.123"}`}, []string{`{"a":"2026-03-02T21:59:59Z"}`, `{"a":"23"}`}},
		{"case beyond ASCII", "  s: {a|contains: 'ΣÉſ'}\n  condition: s", []string{`{"a":"x ςéS"}`}, []string{`{"a":"x σes"}`}},
		{"long texts of which the end is looked for", "  s: {a|contains: 'one\\two\\three\\four\\five', b|startswith: 'C:\\one\\two\\three\\four', c: 'C:\\one\\two\\three\\four'}\n  condition: s",
			[]string{`{"a":"x\\ONE\\two\\three\\four\\five\\y","b":"c:\\one\\two\\three\\four5","c":"c:\\one\\two\\three\\four"}`},
			[]string{`{"a":"\\two\\three\\four\\five","b":"c:\\one\\two\\three\\four","c":"c:\\one\\two\\three\\four"}`,
				`{"a":"one\\two\\three\\four\\five","b":"x:\\one\\two\\three\\four","c":"c:\\one\\two\\three\\four"}`,
				`{"a":"one\\two\\three\\four\\five","b":"c:\\one\\two\\three\\four","c":"d:\\one\\two\\three\\four"}`}},
		{"Defender's names with spaces", "  s: {ThreatName|contains: Trojan}\n  condition: s",
			[]string{`{"Event":{"EventData":{"Threat Name":"Trojan:Win32/X"}}}`, `{"Threat Name":"trojan"}`}, []string{`{"Threat":{"Nam e":"Trojan"}}`}},
		{"elements with names", "  s: {Image: x, Provider_Name: p, EventID: 7}\n  condition: s",
			[]string{
				`{"Event":{"System":{"Provider":{"@Name":"p"},"EventID":{"#text":"7","@Qualifiers":"0"}},"EventData":{"Data":[{"@Name":"Image","#text":"x"}]}}}`,
				`{"Event":{"System":{"Provider":{"#attributes":{"Name":"p"}},"EventID":{"#attributes":{"Qualifiers":0},"#text":7}},"EventData":{"Data":{"#attributes":{"Name":"Image"},"#text":"x"}}}}`,
				`{"Event":{"System":{"Provider_attributes":{"Name":"p"},"EventID":7},"EventData":{"Image":"x"}}}`,
				`{"Provider_Name":"p","EventID":"7","Image":"X"}`,
			},
			[]string{`{"Event":{"System":{"Provider":{"@Name":"p"},"EventID":7},"EventData":{"Data":[{"@Name":"Other","#text":"x"}]}}}`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.check(t) })
	}
}

// check tries a case the fast and the plain way.
func (c *detectionCase) check(t *testing.T) {
	r, refused := load(c.detection)
	if len(refused) > 0 {
		t.Fatal(refused[0].Reason)
	}
	p := newPair(r)
	for _, e := range c.hits {
		if p.compare(t, []byte(e)) == 0 {
			t.Errorf("must hit: %s", e)
		}
	}
	for _, e := range c.misses {
		if p.compare(t, []byte(e)) > 0 {
			t.Errorf("must miss: %s", e)
		}
	}
}

// TestRouted holds that rules are tried on events of their log source only,
// where that can be told.
func TestRouted(t *testing.T) {
	sources := fstest.MapFS{"logsources.yaml": {Data: []byte(`
says: {category: category, product: product, service: service}
names: {Channel: [winlog.channel]}
logsources:
  - {product: windows, category: process_creation, where: {Channel: Sysmon, EventID: 1}}
  - {product: windows, category: process_creation, where: {Channel: Security, EventID: 4688}, fields: {Image: NewProcessName}}
  - {product: windows, category: registry_set, where: {Channel: Sysmon, EventID: 13}}
  - {product: windows, service: security, where: {Channel: Security}}
  - {product: windows, exact: true, where: {Channel|exists: true}}
`)}}
	rules := fstest.MapFS{}
	for name, source := range map[string]string{
		"process": "{product: windows, category: process_creation}", "registry": "{product: windows, category: registry_set}",
		"security": "{product: windows, service: security}", "windows": "{product: windows}", "linux": "{product: linux, category: process_creation}",
		"web": "{category: webserver}", "aaa": "{product: cisco, service: aaa}",
	} {
		rules[name+".yml"] = &fstest.MapFile{Data: []byte("title: t\nid: " + name + "\nlogsource: " + source + "\ndetection: {s: {Image: x}, condition: s}")}
	}
	r, refused := Load(sources, rules)
	if len(refused) > 0 {
		t.Fatal(refused)
	}
	for ev, want := range map[string]string{
		`{"Image":"x"}`: "aaa linux process registry security web windows",
		`{"Image":"x","Channel":"Sysmon","EventID":1}`:                                       "process windows",
		`{"winlog":{"channel":"sysmon","event_data":{"Image":"x"}},"EventID":"1"}`:           "process windows",
		`{"NewProcessName":"x","Channel":"Security","EventID":4688}`:                         "process security windows",
		`{"NewProcessName":"x","Channel":"Security","EventID":4624}`:                         "",
		`{"Image":"x","Channel":"Other","EventID":1}`:                                        "windows",
		`{"Image":"x","product":"windows","category":"process_creation"}`:                    "process security windows",
		`{"Image":"x","product":"windows"}`:                                                  "process registry security windows",
		`{"Image":"x","product":"linux"}`:                                                    "linux",
		`{"Image":"x","product":"cisco","service":"aaa"}`:                                    "aaa",
		`{"Image":"x","category":"webserver"}`:                                               "web",
		`{"Image":"x","product":"teapot"}`:                                                   "aaa linux process registry security web windows",
		`{"Image":"x","product":"windows","Channel":"Sysmon","EventID":13,"category":"foo"}`: "registry windows",
	} {
		got := r.Fits([]byte(ev), time.UTC)
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s is shown to %v, want %s", ev, got, want)
		}
		if all := r.Everywhere().Fits([]byte(ev), time.UTC); strings.Contains(ev, `"Image"`) && len(all) != 7 {
			t.Errorf("%s: %d rules everywhere", ev, len(all))
		}
	}
}

// TestWaiting holds that a rule without its value list is loaded, says so, and
// fits nothing by it; with the list it works.
func TestWaiting(t *testing.T) {
	rule := &fstest.MapFile{Data: []byte("title: t\nid: r\nlogsource: {category: x}\ndetection: {s: {a|contains|expand: '%Servers%-x'}, condition: s}")}
	r, refused := Load(fstest.MapFS{"r.yml": rule})
	if len(refused) > 0 || len(r.Fits([]byte(`{"a":"%Servers%-x"}`), time.UTC)) > 0 {
		t.Errorf("%v", refused)
	}
	r, _ = Load(fstest.MapFS{"r.yml": rule, "placeholders.yaml": {Data: []byte("placeholders:\n  servers: [srv1, 'srv2*']\n")}})
	if len(r.Fits([]byte(`{"a":"the SRV1-x"}`), time.UTC)) != 1 || len(r.Fits([]byte(`{"a":"srv29-x"}`), time.UTC)) != 1 || len(r.Fits([]byte(`{"a":"srv3-x"}`), time.UTC)) > 0 {
		t.Error("the list does not fill the placeholder")
	}
}
