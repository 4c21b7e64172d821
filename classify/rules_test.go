package classify

import (
	"strings"
	"testing"

	"github.com/cordon-health/cordon/ocsf"
)

func study() Rule {
	return Rule{Name: "study-code", Title: ocsf.Text{EN: "Study code", ZH: "研究编号"}, Pattern: `STUDY-[0-9]{5}`, Level: 3}
}

func TestRules(t *testing.T) {
	badge := Rule{Name: "badge", Title: ocsf.Text{EN: "Badge", ZH: "胸牌号"}, Pattern: `[A-Z]{2}[0-9]{4}`, Keywords: []string{"胸牌"}, Level: 2}
	e := newEngine(t, Config{Rules: []Rule{study(), badge}})
	text := "STUDY-00001 胸牌为 AB1234；AB1235 is far away " + strings.Repeat("x ", 60) + "AB1236 STUDY-1"
	if got, want := spelled(e, e.Scan(nil, []byte(text), Discover), text), "study-code STUDY-00001; badge AB1234; badge AB1235"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if e.KindLevel(FirstCustom+1) != 2 || e.KindTitle(FirstCustom).ZH != "研究编号" || e.KindLevel(ResidentID) != 0 {
		t.Error("the kinds of rules have lost their titles or levels")
	}
}

func TestRulesAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		"rules: [{name: a, title: {en: A, zh: 甲}, pattern: '[0-9]+', level: 3}]":                                                      "keywords",
		"rules: [{name: a, title: {en: A, zh: 甲}, pattern: 'ab(', level: 3}]":                                                         "the pattern",
		"rules: [{name: a, title: {en: A, zh: 甲}, pattern: 'abc*', level: 9}]":                                                        "level",
		"rules: [{name: us-ssn, title: {en: A, zh: 甲}, pattern: 'abc', level: 3}]":                                                    "built-in",
		"rules: [{name: A b, title: {en: A, zh: 甲}, pattern: 'abc', level: 3}]":                                                       "lower-case",
		"rules: [{name: a, title: {en: A}, pattern: 'abc', level: 3}]":                                                                "zh",
		"rules: [{name: a, title: {en: A, zh: 甲}, patern: 'abc', level: 3}]":                                                          "patern",
		"rules: [{name: a, title: {en: A, zh: 甲}, pattern: 'x*', literal: ab, level: 3}]":                                             "empty",
		"rules: [{name: a, title: {en: A, zh: 甲}, pattern: '.', keywords: [''], level: 3}]":                                           "too short",
		"rules: [{name: a, title: {en: A, zh: 甲}, pattern: abc, level: 3}, {name: a, title: {en: A, zh: 甲}, pattern: abd, level: 3}]": "two",
	} {
		if _, err := ReadRules(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %v, which does not speak of %q", text, err, want)
		}
	}
	rules, err := ReadRules(strings.NewReader("rules: [{name: a-1, title: {en: A, zh: 甲}, pattern: 'ABC[0-9]{3}', keywords: [甲], level: 3}]"))
	if err != nil || len(rules) != 1 || rules[0].Pattern != "ABC[0-9]{3}" {
		t.Errorf("a good rule gives %v, %v", rules, err)
	}
}

func FuzzReadRules(f *testing.F) {
	f.Add("rules: [{name: a, title: {en: A, zh: 甲}, pattern: 'ABC[0-9]{3}', keywords: [甲], level: 3}]")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := ReadRules(strings.NewReader(text))
		if err != nil {
			return
		}
		newEngine(t, Config{Rules: rules}).Scan(nil, []byte(text), Discover)
	})
}
