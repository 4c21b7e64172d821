package asset

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cordon-health/cordon/internal/packet"
)

// Every rule says something, every named condition is used, and every kind can
// be concluded by some rule.
func TestKnowledgeIsComplete(t *testing.T) {
	k := testKnowledge(t)
	used, said := map[int]bool{}, map[string]bool{}
	for _, r := range k.rules {
		used[r.cond] = true
		for _, i := range slices.Concat(r.and, r.unless) {
			used[i] = true
		}
		for kind := range r.Says {
			said[kind] = true
		}
		if len(r.Says) == 0 && r.Vendor == "" && r.Model == "" && r.OS == "" {
			t.Errorf("a rule about %s says nothing", r.Fact)
		}
		if (r.About.EN == "") != (r.About.ZH == "") {
			t.Errorf("a rule about %s explains itself in one language: %v", r.Fact, r.About)
		}
	}
	for i := range k.conds {
		if !used[i] {
			t.Errorf("nobody uses a condition about %s: %+v", k.conds[i].Fact, k.conds[i])
		}
	}
	for _, kind := range k.names {
		general := slices.ContainsFunc(k.names, func(n string) bool { return k.above[[2]string{n, kind}] })
		if !said[kind] && !general {
			t.Errorf("no rule concludes %q", kind)
		}
	}
	for _, e := range k.ends {
		if len(e.Ends) != 10 {
			t.Errorf("%s ends on %q", e.OS, e.Ends)
		}
	}
}

func TestMakers(t *testing.T) {
	k := testKnowledge(t)
	for text, want := range map[string]string{"00:00:0c:12:34:56": "Cisco", "00:14:22:00:00:01": "Dell", "d6:11:22:33:44:55": "", "02:42:ac:11:00:02": ""} {
		if got := k.Maker(ParseMAC(text)); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if len(k.makers.by[1].keys) == 0 || len(k.makers.by[2].keys) == 0 {
		t.Error("the smaller blocks are missing")
	}
	p := k.makers.by[2]
	n := p.keys[0]
	mac := packet.MAC{byte(n >> 28), byte(n >> 20), byte(n >> 12), byte(n >> 4), byte(n << 4)}
	if got := k.Maker(mac); got != k.makers.names[p.who[0]] {
		t.Errorf("a block of 36 bits: %q", got)
	}
}

func TestKnowledgeThatIsWrong(t *testing.T) {
	kinds := "kinds: [{kind: ct, title: {en: CT, zh: CT}}]\n"
	for text, want := range map[string]string{
		kinds + "rules: [{fact: model, has: [x], says: {toaster: 0.5}}]":                                "no kind is called",
		kinds + "rules: [{fact: model, has: [x], says: {ct: 1.5}}]":                                     "between 0 and 1",
		kinds + "rules: [{fact: model, and: [nothing], says: {ct: 0.5}}]":                               "no condition is called",
		kinds + "rules: [{fact: model, matches: '(', says: {ct: 0.5}}]":                                 "missing closing",
		kinds + "rules: [{has: [x]}]":                                                                   "names no fact",
		"kinds: [{kind: a, title: {en: A, zh: A}, is: [b]}, {kind: b, title: {en: B, zh: B}, is: [a]}]": "more general than itself",
		"kinds: [{kind: a, title: {en: A}}]":                                                            "both languages",
		"rulez: []":                                                                                     "unknown setting",
	} {
		_, err := LoadKnowledge(fstest.MapFS{"x.yaml": {Data: []byte(text)}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// What speaks for another kind takes belief away, and what is general does not
// contradict what is special.
func TestConflictLowersConfidence(t *testing.T) {
	k := testKnowledge(t)
	pacs := []Fact{{FactAETitle, "PACS"}, {FactService, "tcp/104 dicom"}, {FactSOPServed, "1.2.840.10008.5.1.4.1.2.2.1"}}
	sure, _ := k.Classify(pacs)
	general, _ := k.Classify(append(slices.Clone(pacs), Fact{FactOS, "Windows Server 2016"}))
	torn, guesses := k.Classify(append(slices.Clone(pacs), Fact{FactModel, "HP LaserJet M507"}))
	if sure.Kind != "pacs" || general.Kind != "pacs" || general.Confidence < sure.Confidence {
		t.Errorf("%+v, then %+v", sure, general)
	}
	if torn.Kind != "" && torn.Confidence >= sure.Confidence || len(guesses) == 0 {
		t.Errorf("torn between a PACS and a printer: %+v, %v", torn, guesses)
	}
	if len(sure.Because) == 0 || sure.Because[0].EN == "" || sure.Because[0].ZH == "" {
		t.Errorf("no reasons: %+v", sure)
	}
}
