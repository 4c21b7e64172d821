package classify

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// spansOf writes spans as "kind:text".
func spansOf(text string, spans []Span) (all []string) {
	for _, s := range spans {
		all = append(all, s.Kind.String()+":"+text[s.Start:s.End])
	}
	return all
}

func TestEnglishFinds(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"seen by Dr. van der Berg today":                               "person-name:van der Berg",
		"Patient: O'NEILL, MARY-JANE Q.":                               "person-name:O'NEILL, MARY-JANE Q.",
		"She met Siobhan and Grace Miller there.":                      "person-name:Siobhan person-name:Grace Miller",
		"Will follow. Mark the site. May shower. Grace period.":        "",
		"Parkinson disease, Foley catheter, Crohn's, Babinski, Bill":   "",
		"Wilson disease was excluded by Dr. Wilson.":                   "person-name:Wilson",
		"a 92-year-old man and an 89-year-old woman":                   "age-over-89:92",
		"BP 120/80, strength 5/5, 2/6 murmur, pain 8/10":               "",
		"admitted 3/5, discharged on 03/15":                            "date:3/5 date:03/15",
		"on January 5th, 2020 at 10:30 and 5-MAR-19":                   "date:January 5th, 2020 at 10:30 date:5-MAR-19",
		"DOB: 5 March 1950":                                            "birth-date:5 March 1950",
		"lives at 12 Oak Street, Apt 4, Dayton, OH 45402.":             "address:12 Oak Street, Apt 4, Dayton, OH 45402",
		"P.O. Box 44, Albany, NY 12201":                                "address:P.O. Box 44, Albany, NY 12201",
		"taken to St. Mary's Hospital from General Hospital":           "organization:St. Mary's Hospital",
		"Platelets 245,000. WBC 12,500. Heparin 25000 units. In 1998.": "",
		"José Núñez wrote. Later Núñez called.":                        "person-name:José Núñez person-name:Núñez",
		"call x4411 or page 45678":                                     "phone:x4411 phone:45678",
	} {
		got := strings.Join(spansOf(text, e.Scan(nil, []byte(text), Redact)), " ")
		if got != want {
			t.Errorf("%q\n got %s\nwant %s", text, got, want)
		}
	}
}

// TestEnglishDiscovers holds what is found without redaction: behind titles
// and labels, and nothing else.
func TestEnglishDiscovers(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"Dr. Smith saw Mary Jones.":            "person-name:Smith",
		"Patient Name: Jane Doe":               "person-name:Jane Doe",
		"Name: Suspicious Process Creation":    "",
		"The patient may drive. May is warm.":  "",
		"DOB 03/04/1950, seen 03/04/2020":      "birth-date:03/04/1950",
		"a 94-year-old":                        "age-over-89:94",
		"Home address: 12 Oak Street, Dayton":  "address:12 Oak Street, Dayton",
		"The provider name: registry provider": "",
	} {
		got := strings.Join(spansOf(text, e.Scan(nil, []byte(text), Discover)), " ")
		if got != want {
			t.Errorf("%q\n got %s\nwant %s", text, got, want)
		}
	}
}

// FuzzEnglish holds the recogniser to its bounds: spans lie in the text, none
// is empty, none ends inside a character.
func FuzzEnglish(f *testing.F) {
	for _, seed := range []string{
		"Dr. José O’Neill-Smith, MD, 12 Main St. Apt 4\n, CO\n 12345-6789", "PSC 1, Box 2\nAPO AA 3", "the corner of A St. and B", "92yo 5/5 1/2/3 2020-01-02T10:00",
		"\xff\xfe\x00'", "x1'", "A.B.C.", "’s", "5th of", "May", "P.O. Box", "Unit 7 Box", "Smith, ", "1-1-1-1-1-1-1-1-1-1", "张三 Dr. 李四",
	} {
		f.Add([]byte(seed))
	}
	e := newEnglish()
	f.Fuzz(func(t *testing.T, text []byte) {
		spans := e.all(nil, text)
		for cue := range e.cues() {
			if len(text) > 4 {
				spans = e.near(spans, text, len(text)/3, len(text)/2, cue)
			}
		}
		for _, s := range spans {
			if s.Start < 0 || s.End > len(text) || s.Start >= s.End {
				t.Fatalf("span %+v of %d bytes", s, len(text))
			}
		}
		if again := e.all(nil, text); !slices.Equal(again, e.all(nil, text)) {
			t.Fatal("not the same twice")
		}
	})
}

// scanSample unpacks a file of the scan corpus.
func scanSample(tb testing.TB, name string) []byte {
	data, err := readSample(sampleData(tb, "scan/"+name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func readSample(path string) ([]byte, error) {
	packed, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	unpack, err := zstd.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	defer unpack.Close()
	return unpack.DecodeAll(packed, nil)
}

func BenchmarkEnglish(b *testing.B) {
	var notes []byte
	for _, n := range enNotes(b, "dev.txt", 40) {
		notes = append(notes, n.text...)
	}
	for name, text := range map[string][]byte{"notes": notes, "logs": scanSample(b, "06_en_logs.txt.zst")[:1<<20]} {
		b.Run(name, func(b *testing.B) {
			e := newEnglish()
			var spans []Span
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				spans = spans[:0]
				for from := 0; from < len(text); {
					to := blockEnd(text, from)
					spans = e.all(spans, text[from:to])
					from = to
				}
			}
		})
	}
}
