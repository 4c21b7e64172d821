package normalize

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func records(t *testing.T, format, text string) (list []string) {
	t.Helper()
	for rec, err := range testNormalizer().Records(format, iotest.HalfReader(strings.NewReader(text))) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(rec.Data))
	}
	return list
}

func TestSplitJSON(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                   nil,
		" \n":                                nil,
		`{"a":1}`:                            {`{"a":1}`},
		"{\"a\":1}\n{\"b\":\"}\"}\r\n\n":     {`{"a":1}`, `{"b":"}"}`},
		"{\n \"a\": {\n\"b\": 1}\n}\n{}":     {"{\n \"a\": {\n\"b\": 1}\n}", "{}"},
		"[{\"a\":1},\n{\"b\":[2]}\n]\n{}":    {`{"a":1}`, `{"b":[2]}`, `{}`},
		"{\"a\":1}{\"b\":2}":                 {`{"a":1}`, `{"b":2}`},
		"{\"broken\":[1\n{\"b\":2}\n":        {`{"broken":[1`, `{"b":2}`},
		"{\"broken\":\"x\n{\"b\":2}\n":       {`{"broken":"x`, `{"b":2}`},
		"garbage\n{\"b\":\"\\\"}\"}\n":       {`garbage`, `{"b":"\"}"}`},
		"\xef\xbb\xbf{\"a\":1}":              {`{"a":1}`},
		"[1,2]":                              {`1`, `2`},
		"]":                                  {`]`},
		"}}":                                 {`}`, `}`},
		",":                                  {`,`},
		"\xff\xfe{\x00}\x00":                 {`{}`},
		"<a><b/></a>\n<?xml version='1.0'?>": {"<a><b/></a>", "<?xml version='1.0'?>"},
		"<a>1</a><a>2</a>":                   {"<a>1</a>", "<a>2</a>"},
		"<a>1</a><a>2<":                      {"<a>1</a>", "<a>2<"},
	} {
		if diff := cmp.Diff(want, records(t, "ocsf", text)); diff != "" {
			t.Errorf("%q (-want +got)\n%s", text, diff)
		}
	}
}

func TestSplitCSV(t *testing.T) {
	got := records(t, "csv", "a,b\r\n1,\"x\ny\"\r\n\r\n2,z")
	if diff := cmp.Diff([]string{"a,b\n1,\"x\ny\"", "a,b\n2,z"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRecordsSayWhere(t *testing.T) {
	text := " {\"a\":1}\n\n{\"b\":2}\n"
	for rec, err := range testNormalizer().Records("ocsf", strings.NewReader(text)) {
		if err != nil || !bytes.HasPrefix([]byte(text[rec.Offset:]), rec.Data) || rec.Next != rec.Offset+int64(len(rec.Data)) {
			t.Errorf("%+v %v", rec, err)
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	for _, err := range testNormalizer().Records("x", strings.NewReader("y")) {
		if err == nil {
			t.Error("no error")
		}
	}
	_, rejects := testNormalizer().Normalize(Input{Format: "x", Data: []byte("y")})
	if len(rejects) != 1 || !strings.Contains(rejects[0].Reason, "unknown format") {
		t.Error(rejects)
	}
}

// TestRecordsLoseNothing: a sample cut into records gives the same events as
// the sample at once.
func TestRecordsLoseNothing(t *testing.T) {
	n := testNormalizer()
	var all []byte
	for _, path := range samples(t, "fhir-auditevent") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(path, ".json") {
			continue
		}
		all = append(append(all, data...), '\n')
	}
	whole, _ := n.Normalize(Input{Format: "fhir-auditevent", Data: all})
	count := 0
	for rec, err := range n.Records("fhir-auditevent", bytes.NewReader(all)) {
		if err != nil {
			t.Fatal(err)
		}
		events, rejects := n.Normalize(Input{Format: "fhir-auditevent", Data: rec.Data})
		if len(rejects) > 0 {
			t.Fatal(rejects[0].Reason)
		}
		for _, e := range events {
			if diff := cmp.Diff(whole[count], e); diff != "" {
				t.Fatal(diff)
			}
			count++
		}
	}
	if count != len(whole) || count == 0 {
		t.Errorf("%d events by records, %d at once", count, len(whole))
	}
}

func FuzzRecords(f *testing.F) {
	f.Add("ocsf", []byte("[{\"a\":1},{}]\n{\"x\":[\n{"))
	f.Add("csv", []byte("a,b\n1,\"2\n3\"\n"))
	f.Add("fhir", []byte("<a><b></a>"))
	n := testNormalizer()
	f.Fuzz(func(t *testing.T, format string, data []byte) {
		if !n.Has(format) {
			return
		}
		at, total := int64(-1), 0
		for rec, err := range n.Records(format, bytes.NewReader(data)) {
			if err != nil {
				return
			}
			if rec.Offset < at || len(rec.Data) == 0 {
				t.Fatalf("record at %d after %d with %d bytes", rec.Offset, at, len(rec.Data))
			}
			at = rec.Offset
			if total++; total > len(data)+1 {
				t.Fatal("more records than bytes")
			}
		}
	})
}
