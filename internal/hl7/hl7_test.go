package hl7

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"
)

const admission = "MSH|^~\\&|HIS|WEST|CORDON|SEC|20261122080000+0800||ADT^A01^ADT_A01|42|P|2.5.1\r" +
	"EVN|A01|20261122075900\r" +
	"PID|1||700001^^^WEST^MR~A9^^^EAST^MR||LI&van^MEI||19700101|F\r" +
	"PV1|1|I|W7^12^2^WEST\r"

func mustParse(t *testing.T, text string) *Message {
	t.Helper()
	m, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestFieldsAreCountedAsTheStandardDoes(t *testing.T) {
	m := mustParse(t, admission)
	msh, pid := m.Segment("MSH"), m.Segment("PID")
	for _, c := range []struct{ name, got, want string }{
		{"MSH-1", string(msh.Field(1).Raw()), "|"},
		{"MSH-2", string(msh.Field(2).Raw()), `^~\&`},
		{"MSH-3", msh.Text(3), "HIS"},
		{"MSH-9.2", msh.Text(9, 2), "A01"},
		{"MSH-12", msh.Text(12), "2.5.1"},
		{"PID-3", pid.Text(3), "700001"},
		{"PID-3.4", pid.Text(3, 4), "WEST"},
		{"PID-5.1.1", pid.Field(5).Component(1).Sub(1).String(), "LI"},
		{"PID-5.1.2", pid.Field(5).Component(1).Sub(2).String(), "van"},
		{"PID-99", pid.Text(99), ""},
		{"PID-0", pid.Text(0), ""},
		{"ZZZ-1", m.Segment("ZZZ").Text(1), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.name, c.got, c.want)
		}
	}
	var ids []string
	for v := range pid.Field(3).Repeats() {
		ids = append(ids, v.Component(1).String())
	}
	if strings.Join(ids, ",") != "700001,A9" {
		t.Errorf("repetitions of PID-3 are %v", ids)
	}
}

func TestLineEndsMarksAndFramesDoNotMatter(t *testing.T) {
	for name, text := range map[string]string{
		"LF":     strings.ReplaceAll(admission, "\r", "\n"),
		"CRLF":   strings.ReplaceAll(admission, "\r", "\r\n"),
		"BOM":    "\xef\xbb\xbf" + admission,
		"MLLP":   "\x0b" + admission + "\x1c\r",
		"blanks": "\r\n \t" + admission + "\n\n",
		"no end": strings.TrimSuffix(admission, "\r"),
	} {
		if got := mustParse(t, text).Segment("PV1").Text(3); got != "W7" {
			t.Errorf("%s: PV1-3 is %q", name, got)
		}
	}
}

func TestOwnEncodingCharacters(t *testing.T) {
	m := mustParse(t, "MSH!:*+%!HIS\rPID!1!!7:a*8!!A%B:C+F+D")
	pid := m.Segment("PID")
	if pid.Text(3) != "7" || pid.Field(5).Component(1).Sub(2).String() != "B" || pid.Text(5, 2) != "C!D" {
		t.Errorf("PID-3 %q, PID-5.1.2 %q, PID-5.2 %q", pid.Text(3), pid.Field(5).Component(1).Sub(2), pid.Text(5, 2))
	}
	// A short MSH-2 leaves the rest at their usual values.
	if got := mustParse(t, "MSH|^\rPID|||1~2").Segment("PID").Field(3).First().String(); got != "1" {
		t.Errorf("first repetition is %q", got)
	}
}

func TestEscapes(t *testing.T) {
	for in, want := range map[string]string{
		`a\F\b\S\c\T\d\R\e\E\f`: `a|b^c&d~e\f`,
		`\X4142\`:               "AB",
		`\XZZ\`:                 `\XZZ\`,
		`line\.br\line`:         "line line",
		`\H\loud\N\`:            "loud",
		`C:\dir`:                `C:\dir`,
		`\\`:                    `\\`,
		`\XFF\`:                 "\uFFFD",
		`""`:                    "",
	} {
		m := mustParse(t, "MSH|^~\\&|A\rZZ1|"+in)
		if got := m.Segment("ZZ1").Field(1).String(); got != want {
			t.Errorf("%s gives %q, want %q", in, got, want)
		}
	}
	if v := mustParse(t, "MSH|^~\\&\rZZ1|\"\"").Segment("ZZ1").Field(1); !v.Null() || v.Empty() {
		t.Error("the explicit null is not recognised")
	}
}

func TestBrokenLinesAreNoSegments(t *testing.T) {
	m := mustParse(t, "MSH|^~\\&|A\rOBX|1|TX|||first\nsecond line|of text\rPV1|1|I")
	if m.Loose != 1 || m.Segment("PV1").Text(2) != "I" || len(m.Segments) != 3 {
		t.Errorf("%d segments, %d loose lines", len(m.Segments), m.Loose)
	}
}

func TestWhatIsNotHL7IsRefused(t *testing.T) {
	for _, text := range []string{"", "MSH", "hello", "PID|1", "MSHA|x", "{\"a\":1}"} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%q was taken for a message", text)
		}
	}
}

func TestParseTime(t *testing.T) {
	zone := time.FixedZone("", 8*3600)
	for _, c := range []struct {
		in      string
		want    string
		instant bool
	}{
		{"2026", "2025-12-31T16:00:00Z", false},
		{"202611", "2026-10-31T16:00:00Z", false},
		{"20261122", "2026-11-21T16:00:00Z", false},
		{"2026112208", "2026-11-22T00:00:00Z", false},
		{"202611220830", "2026-11-22T00:30:00Z", false},
		{"20261122083015", "2026-11-22T00:30:15Z", false},
		{"20261122083015.1234", "2026-11-22T00:30:15.123Z", false},
		{"20261122083015.1234+0130", "2026-11-22T07:00:15.123Z", true},
		{"202611220830-0500", "2026-11-22T13:30:00Z", true},
		{"2026-11-22T08:30:15.5Z", "2026-11-22T08:30:15.5Z", true},
		{"2026-11-22 08:30:15+08:00", "2026-11-22T00:30:15Z", true},
		{"20240229", "2024-02-28T16:00:00Z", false},
	} {
		s, ok := ParseTime(c.in, zone)
		got := time.UnixMilli(s.Millis).UTC().Format("2006-01-02T15:04:05.999Z")
		if !ok || got != c.want || s.Instant() != c.instant {
			t.Errorf("%s gives %s (ok %v, instant %v), want %s", c.in, got, ok, s.Instant(), c.want)
		}
	}
	for _, in := range []string{"", "0", "00000000", "20261301", "20260230", "2026112225", "202611220860", "20261",
		"2010201200+0215", "today", "20261122083015+99", "2026112208301515"} {
		if s, ok := ParseTime(in, zone); ok {
			t.Errorf("%s gives %v", in, s)
		}
	}
}

// split cuts a text by the scanner, with a buffer that grows byte by byte.
func split(t *testing.T, text string) []string {
	t.Helper()
	var list []string
	sc := bufio.NewScanner(iotestOneByte{strings.NewReader(text)})
	sc.Split(ScanMessages)
	for sc.Scan() {
		list = append(list, strings.TrimRight(sc.Text(), "\r\n"))
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

type iotestOneByte struct{ r *strings.Reader }

func (o iotestOneByte) Read(p []byte) (int, error) { return o.r.Read(p[:1]) }

func TestScanMessages(t *testing.T) {
	a, b := "MSH|^~\\&|A\nPID|1", "MSH|^~\\&|B\nPID|2"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"blank lines":     {a + "\n\n" + b + "\n", []string{a, b}},
		"no separator":    {a + "\n" + b, []string{a, b}},
		"frames":          {"\x0b" + a + "\x1c\r\x0b" + b + "\x1c\r", []string{a, b}},
		"lost frame end":  {"\x0b" + a + "\x0b" + b + "\x1c", []string{a, b}},
		"batch":           {"FHS|^~\\&|X\nBHS|^~\\&|X\n" + a + "\n" + b + "\nBTS|2\nFTS|1\n", []string{a, b}},
		"batch inside":    {a + "\nBTS|1\nFTS|1\n\nFHS|^~\\&|X\n" + b + "\n", []string{a, b}},
		"byte order mark": {"\xef\xbb\xbf" + a + "\n\xef\xbb\xbf" + b, []string{a, b}},
		"blank inside":    {"MSH|^~\\&|A\n\nPID|1\n", []string{"MSH|^~\\&|A\n\nPID|1"}},
		"CRLF":            {strings.ReplaceAll(a, "\n", "\r\n") + "\r\n\r\n" + b, []string{strings.ReplaceAll(a, "\n", "\r\n"), b}},
		"garbage":         {"hello\nthere\n\n" + a + "\n\nnot a segment", []string{"hello\nthere", a, "not a segment"}},
		"empty":           {" \r\n\x1c\r", nil},
	} {
		if got := split(t, c.text); strings.Join(got, "#") != strings.Join(c.want, "#") {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestDecode(t *testing.T) {
	message := func(charset string) string {
		return "MSH|^~\\&|HIS||||||ADT^A01|1|P|2.4||||||" + charset + "\rPID|1||7||張^三丰^^^|\rPV1|1|I|呼吸内科"
	}
	for name, charset := range map[string]string{"declared": "GB 18030-2000", "not declared": "", "declared wrongly": "UNICODE UTF-8"} {
		want := message(charset)
		raw, err := simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(want))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(Decode(raw)); got != want {
			t.Errorf("%s: got %q", name, got)
		}
	}
	if got := string(Decode([]byte(message("UNICODE UTF-8")))); got != message("UNICODE UTF-8") {
		t.Errorf("UTF-8 became %q", got)
	}
	latin := "MSH|^~\\&|HIS||||||ADT^A01|1|P|2.4||||||8859/1\rPID|1||7||M\xfcller"
	if got := mustParse(t, string(Decode([]byte(latin)))).Segment("PID").Text(5); got != "Müller" {
		t.Errorf("8859/1 gives %q", got)
	}
}

func TestAcks(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	msg := func(version, accept, application string) []byte {
		return []byte("MSH|^~\\&|HIS|WEST|CORDON|SEC|20261122||ADT^A01^ADT_A01|42|T|" + version + "|||" + accept + "|" + application + "||UNICODE UTF-8\rPID|1")
	}
	codes := func(all [][]byte) string {
		var list []string
		for _, ack := range all {
			m := mustParse(t, string(ack))
			list = append(list, m.Segment("MSA").Text(1)+"="+m.Segment("MSA").Text(2))
		}
		return strings.Join(list, " ")
	}
	for _, c := range []struct{ accept, application, code, want string }{
		{"", "", Accepted, "AA=42"},
		{"", "", Failed, "AE=42"},
		{"", "", Rejected, "AR=42"},
		{"AL", "NE", Accepted, "CA=42"},
		{"AL", "NE", Rejected, "CR=42"},
		{"AL", "NE", Failed, "CE=42"},
		{"NE", "AL", Accepted, "AA=42"},
		{"AL", "AL", Accepted, "CA=42 AA=42"},
		{"ER", "NE", Accepted, ""},
		{"ER", "NE", Failed, "CE=42"},
		{"SU", "NE", Accepted, "CA=42"},
		{"NE", "NE", Failed, ""},
	} {
		if got := codes(Acks(msg("2.5", c.accept, c.application), c.code, "", now)); got != c.want {
			t.Errorf("MSH-15 %q, MSH-16 %q, %s: got %q, want %q", c.accept, c.application, c.code, got, c.want)
		}
	}
	m := mustParse(t, string(Ack(msg("2.5", "", ""), Failed, "no PID|segment", now)))
	msh, errs := m.Segment("MSH"), m.Segment("ERR")
	for _, c := range []struct{ name, got, want string }{
		{"MSH-3", msh.Text(3), "CORDON"}, {"MSH-5", msh.Text(5), "HIS"}, {"MSH-6", msh.Text(6), "WEST"},
		{"MSH-9.1", msh.Text(9), "ACK"}, {"MSH-9.2", msh.Text(9, 2), "A01"}, {"MSH-9.3", msh.Text(9, 3), "ACK"},
		{"MSH-11", msh.Text(11), "T"}, {"MSH-12", msh.Text(12), "2.5"}, {"MSH-18", msh.Text(18), "UNICODE UTF-8"},
		{"MSA-3", m.Segment("MSA").Text(3), "no PID|segment"}, {"ERR-3", errs.Text(3), "100"}, {"ERR-4", errs.Text(4), "E"},
		{"ERR-8", errs.Text(8), "no PID|segment"},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.name, c.got, c.want)
		}
	}
	if old := mustParse(t, string(Ack(msg("2.3", "", ""), Failed, "x", now))); old.Segment("MSH").Text(9, 3) != "" || !old.Segment("ERR").Missing() {
		t.Error("an answer to version 2.3 has parts of a later one")
	}
	if plain := mustParse(t, string(Ack([]byte("garbage"), Rejected, "x", now))); plain.Segment("MSA").Text(1) != "AR" {
		t.Error("garbage gets no AR")
	}
	if bytes.Equal(Ack(msg("2.5", "", ""), Accepted, "", now), Ack(msg("2.5", "", ""), Accepted, "", now.Add(1))) {
		t.Error("two answers have the same control id")
	}
}

// samples are the shared sample messages beside the checkout, if any.
func samples() [][]byte {
	paths, _ := filepath.Glob("../../../shared/data/hl7v2/*")
	var list [][]byte
	for _, path := range paths {
		if data, err := os.ReadFile(path); err == nil {
			list = append(list, data)
		}
	}
	return list
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(admission))
	f.Add([]byte("\x0bMSH|^~\\&|A\rPID|1||\\X41\\~\\F\\^&\r\x1c\r"))
	f.Add([]byte("MSH!:*+%!HIS\rPID!1"))
	for _, sample := range samples() {
		f.Add(sample)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for rest := data; len(rest) > 0; {
			advance, msg, err := ScanMessages(rest, true)
			if err != nil || advance <= 0 || advance > len(rest) {
				t.Fatalf("advance %d of %d, error %v", advance, len(rest), err)
			}
			rest = rest[advance:]
			m, err := Parse(Decode(msg))
			if err != nil {
				continue
			}
			for _, s := range m.Segments {
				for n := range 25 {
					for v := range s.Field(n).Repeats() {
						_ = v.Component(n % 4).Sub(1).String()
					}
				}
			}
		}
	})
}

func FuzzAcks(f *testing.F) {
	f.Add([]byte(admission), "AA", "fine")
	f.Add([]byte("MSH|^~\\&|||||||||||||AL|AL"), "AR", "a|b\r")
	for _, sample := range samples() {
		f.Add(sample, "AE", "x")
	}
	f.Fuzz(func(t *testing.T, msg []byte, code, text string) {
		for _, ack := range Acks(msg, code, text, time.Unix(0, 0)) {
			if _, err := Parse(ack); err != nil {
				t.Fatalf("the answer %q is no message", ack)
			}
		}
	})
}

func FuzzParseTime(f *testing.F) {
	f.Add("20261122083015.1234+0130")
	f.Add("2026-11-22T08:30:15Z")
	f.Fuzz(func(t *testing.T, text string) { ParseTime(text, time.UTC) })
}

func BenchmarkParse(b *testing.B) {
	b.SetBytes(int64(len(admission)))
	b.ReportAllocs()
	text := []byte(admission)
	for b.Loop() {
		m, err := Parse(Decode(text))
		if err != nil || m.Segment("PV1").Text(3) != "W7" {
			b.Fatal(err)
		}
	}
}
