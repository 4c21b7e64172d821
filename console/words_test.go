package console

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/a-h/templ/parser/v2"

	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
)

var (
	keyUse    = regexp.MustCompile(`(?:\.T|\.N|words\[|word|page|outside|mistake|refused)\(?(?:[\w.]+, )?"([a-z][\w-]*\.[\w.-]*)"\)?(\s*\+)?`)
	keyPart   = regexp.MustCompile(`"([a-z.]+\.)"\s*\+`)
	verb      = regexp.MustCompile(`%(\[\d\])?[a-z]`)
	hasLetter = regexp.MustCompile(`\p{L}{2,}`)
)

func read(t *testing.T, pattern string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	out := map[string]string{}
	for _, name := range names {
		if strings.HasSuffix(name, "_templ.go") || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "words") {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(data)
	}
	return out
}

// TestWordsAreComplete: what pages ask for is there in both languages, with
// the same arguments, and what is there is used.
func TestWordsAreComplete(t *testing.T) {
	n := 0
	for _, table := range wordTables() {
		n += len(table)
	}
	if len(words) != n {
		t.Error("a key stands in two tables")
	}
	for key, text := range words {
		if text.EN == "" || text.ZH == "" {
			t.Errorf("%s lacks a language", key)
		}
		en, zh := verb.FindAllString(text.EN, -1), verb.FindAllString(text.ZH, -1)
		if len(en) != len(zh) {
			t.Errorf("%s has arguments %v in English and %v in Chinese", key, en, zh)
		}
		if !strings.ContainsFunc(text.ZH, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			t.Errorf("%s is not Chinese: %q", key, text.ZH)
		}
	}
	used, prefixes := keysOf(t)
	for key, place := range used {
		if _, known := words[key]; !known {
			t.Errorf("%s asks for %q, which is not there", place, key)
		}
	}
	for key := range words {
		part := slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(key, p) })
		if _, direct := used[strings.TrimSuffix(key, ".one")]; !direct && !part {
			t.Errorf("nothing asks for %q; delete it", key)
		}
	}
}

// keysOf finds the keys that pages and handlers ask for, and the beginnings
// of those in two parts.
func keysOf(t *testing.T) (used map[string]string, prefixes []string) {
	used = map[string]string{}
	for _, pattern := range []string{"*.templ", "*.go"} {
		for name, text := range read(t, pattern) {
			for _, m := range keyUse.FindAllStringSubmatch(text, -1) {
				if !strings.HasSuffix(m[1], ".") {
					used[m[1]] = name
				}
			}
			for _, m := range keyPart.FindAllStringSubmatch(text, -1) {
				prefixes = append(prefixes, m[1])
			}
			for _, m := range regexp.MustCompile(`@navItem\(p, "[^"]*", "([^"]+)"`).FindAllStringSubmatch(text, -1) {
				used[m[1]] = name
			}
		}
	}
	return used, prefixes
}

// TestWordsInTwoParts: every word of the product that is put behind a
// beginning has its text.
func TestWordsInTwoParts(t *testing.T) {
	parts := map[string][]string{
		"state.":      {incident.StatusNew, incident.StatusAssigned, incident.StatusWaiting, incident.StatusClosed},
		"filter.":     filters(),
		"verdict.":    {string(incident.Confirmed), string(incident.Justified), string(incident.FalseCase), string(incident.Withdrawn), string(incident.Planted), "confirmed.hint", "justified.hint", "false-alarm.hint"},
		"quarantine.": states(),
		"source.":     {"live", "quiet", "silent"},
		"range.":      {"24h", "14d"},
		"question.":   {"open", "answered", "recalled"},
		"stage.":      {"asked", "reminded", "manager", "privacy"},
		"class.":      {string(playbook.Inform), string(playbook.Contact), string(playbook.Restrict), string(playbook.Cut)},
		"check.step.": {"log", "files", "records"},
		"node.":       {"person", "patient", "department", "ward", "encounter"},
		"note.":       {"opened", "parked", "withdrawn", "closed", "reopened"},
		"done.":       {"signout", "welcome", "assign", "comment", "close", "reopen", "act", "approve", "deny", "undo", "playbook", "replay", "discard", "disable", "enable", "revoke", "exception", "wanted", "setting", "wish", "plant", "calibration"},
		"entry.":      {playbook.StatusWanted, playbook.StatusIntended, playbook.StatusDone, playbook.StatusFailed, playbook.StatusDenied, playbook.StatusExpired, playbook.StatusSkipped, playbook.StatusUnsure, playbook.StatusUndone},
		"edge.":       {"none", "works-in", "on-duty", "belongs-to", string(ocsf.FactAttending), string(ocsf.FactOrder), string(ocsf.FactAppointment), string(ocsf.FactLocation)},
	}
	for prefix, list := range parts {
		for _, part := range list {
			if _, known := words[prefix+part]; !known {
				t.Errorf("%q is not there", prefix+part)
			}
		}
	}
}

// TestTemplatesHoldNoText: no page says anything that is not in the table.
func TestTemplatesHoldNoText(t *testing.T) {
	for name := range read(t, "*.templ") {
		file, err := parser.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		eachNode(reflect.ValueOf(file), func(n any) {
			switch n := n.(type) {
			case *parser.Text:
				said(t, name, n.Value)
			case *parser.ConstantAttribute:
				key := n.Key.String()
				if slices.Contains([]string{"aria-label", "title", "placeholder", "alt"}, strings.Trim(key, `"`)) {
					said(t, name, n.Value)
				}
			}
		})
	}
}

// spoken are names and commands, the same in every language.
var spoken = []string{"Cordon", "cordon import", "cordon demo", "cordon verify", "cordon detect", "placeholders.yaml", "MLLP 127", "TCP 127", "POST /fhir", "· Cordon", "FILE"}

func said(t *testing.T, name, text string) {
	text = strings.TrimSpace(text)
	if hasLetter.MatchString(text) && !slices.ContainsFunc(spoken, func(s string) bool { return strings.HasPrefix(text, s) }) {
		t.Errorf("%s says %q, which is not in the table of words", name, text)
	}
}

// eachNode visits all nodes of a parsed page.
func eachNode(v reflect.Value, visit func(any)) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		visit(v.Interface())
		eachNode(v.Elem(), visit)
	case reflect.Interface:
		if !v.IsNil() {
			eachNode(v.Elem(), visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				eachNode(v.Field(i), visit)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachNode(v.Index(i), visit)
		}
	}
}
