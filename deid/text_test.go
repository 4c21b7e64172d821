package deid

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/cordon-health/cordon/classify"
)

func textJob(tb testing.TB) *Job {
	tb.Helper()
	key, err := keyOf([secretBytes]byte{1, 2, 3}, KeyOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	engine, err := classify.New(classify.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	return &Job{Key: key, Scanner: engine, Today: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// cleanText runs a profile over a text.
func cleanText(tb testing.TB, job *Job, profile, name string, text []byte, options ...string) (string, Report) {
	tb.Helper()
	p, err := Open(profile, Setup{Options: options})
	if err != nil {
		tb.Fatal(err)
	}
	var out bytes.Buffer
	r, err := p.Apply(context.Background(), classify.BytesSource(name, text), &out, job)
	if err != nil {
		tb.Fatal(err)
	}
	return out.String(), r
}

const letter = "Patient Name: Rosalind Okafor\nMRN: 4471830\nDOB: 03/05/1950\n\nSeen on March 12, 2021 by Dr. Hale. Ms. Okafor is a 93-year-old from Dayton. Call (555) 201-4477.\n"

func TestTextRedacts(t *testing.T) {
	got, r := cleanText(t, textJob(t), textRedact, "a.txt", []byte(letter))
	want := "Patient Name: [NAME]\nMRN: [MRN]\nDOB: [BIRTH-DATE]\n\nSeen on [DATE] by Dr. [NAME]. Ms. [NAME] is a [AGE]-year-old from [ADDRESS]. Call [PHONE].\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if r.Kinds["person-name"] != 3 || r.Methods["redact"] != 9 {
		t.Errorf("counted %v %v", r.Kinds, r.Methods)
	}
	got, _ = cleanText(t, textJob(t), textRedact, "a.txt", []byte("MRN: 4471830, Dr. Hale\n"), maskText)
	if got != "MRN: *******, Dr. ****\n" {
		t.Errorf("masked %s", got)
	}
}

// TestTextAgrees holds pseudonyms and shifts of a text to those of the key, and
// so to those of every other format.
func TestTextAgrees(t *testing.T) {
	job := textJob(t)
	got, _ := cleanText(t, job, textPseudonym, "a.txt", []byte(letter))
	for _, leak := range []string{"Rosalind", "Okafor", "Hale", "4471830", "03/05/1950", "March 12", "201-4477", "Dayton", "93-year"} {
		if strings.Contains(got, leak) {
			t.Errorf("%s is left in %s", leak, got)
		}
	}
	family := string(job.Key.Family([]byte("Okafor")))
	if strings.Count(got, family) != 2 || !strings.Contains(got, string(job.Key.Given([]byte("Rosalind")))+" "+family) {
		t.Errorf("names are not those of HL7 and FHIR: %s", got)
	}
	seen, _ := job.Key.ShiftDate(nil, []byte("March 12, 2021"), "4471830")
	if !strings.Contains(got, string(seen)) {
		t.Errorf("the visit is not on %s: %s", seen, got)
	}
	if !strings.Contains(got, "90+-year-old") {
		t.Errorf("the age stands in %s", got)
	}
	again, _ := cleanText(t, job, textPseudonym, "a.txt", []byte(letter))
	if again != got {
		t.Error("not the same twice")
	}
}

// TestTextPatients shifts by the job's patient, the text's, the file's name,
// and cuts dates to years where there is none.
func TestTextPatients(t *testing.T) {
	job := textJob(t)
	text := []byte("Seen on 03/12/2021.\n")
	want := func(patient string) string {
		moved, _ := job.Key.ShiftDate(nil, []byte("03/12/2021"), patient)
		return "Seen on " + string(moved) + ".\n"
	}
	if got, r := cleanText(t, job, textPseudonym, "77001.txt", text); got != "Seen on 2021.\n" || len(r.Notes) != 1 {
		t.Errorf("without a patient: %s %v", got, r.Notes)
	}
	if got, _ := cleanText(t, job, textPseudonym, "77001.txt", text, patientInName); got != want("77001") {
		t.Errorf("by file name: %s", got)
	}
	job.Patient = "88"
	if got, _ := cleanText(t, job, textPseudonym, "77001.txt", text); got != want("88") {
		t.Errorf("by job: %s", got)
	}
}

// TestTextCharsets holds a text to its charset, its line ends and its mark.
func TestTextCharsets(t *testing.T) {
	plain := "门诊记录\r\n姓名：李卫国 MRN: 4471830\r\nSeen by Dr. Hale, stable. 随访。\r\n"
	utf8Out, _ := cleanText(t, textJob(t), textRedact, "a.txt", []byte(plain))
	if strings.Contains(utf8Out, "Hale") || strings.Contains(utf8Out, "4471830") || !strings.HasSuffix(utf8Out, "随访。\r\n") {
		t.Fatalf("UTF-8: %s", utf8Out)
	}
	gb, err := simplifiedchinese.GB18030.NewEncoder().String(plain)
	if err != nil {
		t.Fatal(err)
	}
	wide := func(big bool, s string) []byte {
		out := []byte{0xff, 0xfe}
		if big {
			out = []byte{0xfe, 0xff}
		}
		for _, r := range s {
			if big {
				out = append(out, byte(r>>8), byte(r))
			} else {
				out = append(out, byte(r), byte(r>>8))
			}
		}
		return out
	}
	gbWant, _ := simplifiedchinese.GB18030.NewEncoder().String(utf8Out)
	for name, c := range map[string][2][]byte{
		"GB18030":       {[]byte(gb), []byte(gbWant)},
		"UTF-16LE":      {wide(false, plain), wide(false, utf8Out)},
		"UTF-16BE":      {wide(true, plain), wide(true, utf8Out)},
		"UTF-8 marked":  {[]byte("\xef\xbb\xbf" + plain), []byte("\xef\xbb\xbf" + utf8Out)},
		"Western bytes": {[]byte("Dr. Hale \xe9t\xe9\n"), []byte("Dr. [NAME] \xe9t\xe9\n")},
	} {
		got, _ := cleanText(t, textJob(t), textRedact, "a.txt", c[0])
		if got != string(c[1]) {
			t.Errorf("%s: %q\nwant %q", name, got, c[1])
		}
	}
	p, _ := Open(textRedact, Setup{})
	if _, err := p.Apply(context.Background(), classify.BytesSource("a", []byte("\x00\x01\x02\x7f\x00\x03MZ")), &bytes.Buffer{}, textJob(t)); err == nil {
		t.Error("a binary was cleaned as text")
	}
}

// TestTextStreams cleans a text of many chunks in bounded memory.
func TestTextStreams(t *testing.T) {
	var text bytes.Buffer
	for i := 0; text.Len() < 3*textChunk; i++ {
		fmt.Fprintf(&text, "Note %d. Seen by Dr. Hale on 03/12/2021; stable, no change in plan.\n\n", i%10)
	}
	got, r := cleanText(t, textJob(t), textRedact, "a.txt", text.Bytes())
	if strings.Contains(got, "Hale") || strings.Contains(got, "2021") || r.Bytes != int64(text.Len()) {
		t.Error("something was left at a chunk's end")
	}
	if strings.Count(got, "[NAME]") != strings.Count(text.String(), "Hale") {
		t.Error("names were lost or doubled")
	}
}

// TestTextRemembers holds that a name given once is found everywhere in a text
// that is scanned in many parts, before and behind.
func TestTextRemembers(t *testing.T) {
	filler := strings.Repeat("Rest as before, no new complaint.\n\n", textChunk/20)
	text := "Call Okafor back; 患者家属转告欧阳佩兰复查\n\n" + filler + "Patient Name: Rosalind Okafor\nDictated by: Ole Quistgaard, MD\n姓名：欧阳佩兰\n\n" + filler + "told Okafor and Quistgaard twice，欧阳佩兰同意\n"
	got, _ := cleanText(t, textJob(t), textRedact, "a.txt", []byte(text))
	if strings.Contains(got, "Okafor") || strings.Contains(got, "Quistgaard") || strings.Contains(got, "欧阳佩兰") {
		t.Error("a name was left far from its label")
	}
	if n := strings.Count(got, "Rest as before"); n != 2*(textChunk/20) {
		t.Errorf("%d of the other lines are left", n)
	}
}

// TestTextNames holds what is learnt: names that are nothing else.
func TestTextNames(t *testing.T) {
	n := newTextNames()
	text := []byte("Rosalind Young Okafor 高热 欧阳佩兰")
	n.learn(text, []classify.Span{
		{Start: 0, End: 21, Kind: classify.Name, Confidence: 90},
		{Start: 22, End: 28, Kind: classify.Name, Confidence: 90},
		{Start: 29, End: 41, Kind: classify.Name, Confidence: 90},
	})
	if len(n.words) != 2 || !n.words["Okafor"] || n.words["Young"] || len(n.han) != 1 {
		t.Errorf("learnt %v %v", n.words, n.han)
	}
	later := []byte("Okafor's son, 欧阳佩兰的女儿, Okaforia")
	if got := n.again(nil, later); len(got) != 2 {
		t.Errorf("found %v", got)
	}
}

func FuzzText(f *testing.F) {
	job := textJob(f)
	f.Add([]byte(letter), true)
	f.Add([]byte("\xff\xfeD\x00r\x00.\x00 \x00H\x00"), false)
	f.Fuzz(func(t *testing.T, text []byte, redact bool) {
		name := textPseudonym
		if redact {
			name = textRedact
		}
		p, err := Open(name, Setup{})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		_, _ = p.Apply(context.Background(), classify.BytesSource("a.txt", text), &out, job)
	})
}
