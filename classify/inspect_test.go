package classify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
	xunicode "golang.org/x/text/encoding/unicode"

	"github.com/cordon-health/cordon/internal/keyed"
)

// fakeReader reads what begins with its magic by a function.
type fakeReader struct {
	magic string
	read  func(ctx context.Context, src Source, out Sink) error
}

func (r fakeReader) Name() string { return "fake" }
func (r fakeReader) Claims(_ string, head []byte) bool {
	return strings.HasPrefix(string(head), r.magic)
}
func (r fakeReader) Read(c context.Context, s Source, o Sink) error { return r.read(c, s, o) }

func inspector(t testing.TB, readers ...Reader) *Inspector {
	t.Helper()
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	return &Inspector{Engine: e, Readers: readers, Key: &keyed.Key{1}, Temp: t.TempDir()}
}

func inspect(t testing.TB, i *Inspector, name string, data []byte) ([]*Finding, Summary) {
	t.Helper()
	var all []*Finding
	sum, err := i.Inspect(t.Context(), BytesSource(name, data), func(f *Finding) error {
		all = append(all, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, sum
}

func unreads(all []*Finding) []string {
	var out []string
	for _, f := range all {
		if f.Kind == Unread.String() {
			out = append(out, f.Member+": "+f.Why.EN)
		}
	}
	return out
}

const someone = "姓名：张三丰，身份证号11010519491231002X，手机13800138000。\n"

func TestTextInAllCharsets(t *testing.T) {
	i := inspector(t)
	text := strings.Repeat("门诊病历，无特殊情况。\n", 400) + someone
	for name, e := range map[string]encoding.Encoding{
		"utf-8": encoding.Nop, "gb18030": simplifiedchinese.GB18030,
		"utf-16le":      xunicode.UTF16(xunicode.LittleEndian, xunicode.UseBOM),
		"utf-16be":      xunicode.UTF16(xunicode.BigEndian, xunicode.UseBOM),
		"utf-16le bare": xunicode.UTF16(xunicode.LittleEndian, xunicode.IgnoreBOM),
	} {
		data, err := e.NewEncoder().Bytes([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		want, err := e.NewEncoder().Bytes([]byte("11010519491231002X"))
		if err != nil {
			t.Fatal(err)
		}
		want = bytes.TrimPrefix(bytes.TrimPrefix(want, []byte("\xff\xfe")), []byte("\xfe\xff"))
		all, _ := inspect(t, i, "note.txt", data)
		found := false
		for _, f := range all {
			if f.Kind != ResidentID.String() {
				continue
			}
			found = true
			if got := data[f.Offset:][:f.Length]; !bytes.Equal(got, want) {
				t.Errorf("%s: offset %d is %q, want %q", name, f.Offset, got, want)
			}
			if f.Masked != "110*************2X" || f.Token == "" {
				t.Errorf("%s: masked %q token %q", name, f.Masked, f.Token)
			}
		}
		if !found {
			t.Errorf("%s: no resident ID among %d findings", name, len(all))
		}
	}
}

func TestBinaryIsSkippedAndItsTextIsRead(t *testing.T) {
	i := inspector(t)
	noise := make([]byte, 1<<16)
	rng := rand.New(rand.NewPCG(1, 2))
	for k := range noise {
		noise[k] = byte(rng.Uint32())
	}
	if all, sum := inspect(t, i, "x.bin", noise); sum.Skipped != 1 || len(all) != 0 {
		t.Errorf("noise: skipped %d, findings %d", sum.Skipped, len(all))
	}
	mixed := append(bytes.Repeat([]byte{0, 1, 2, 3}, 200), []byte(someone)...)
	mixed = append(mixed, 0, 0, 0, 0)
	all, sum := inspect(t, i, "x.bin", mixed)
	if sum.Kinds[ResidentID.String()] != 1 || sum.Skipped != 0 {
		t.Errorf("mixed: %v, findings %d", sum, len(all))
	}
	if all, sum := inspect(t, i, "empty", nil); len(all) != 0 || sum.Level != 0 {
		t.Errorf("empty: %v", sum)
	}
}

func TestCapsAreFindings(t *testing.T) {
	nest := fakeReader{"NEST", func(_ context.Context, src Source, out Sink) error {
		return out.Member("again", io.NewSectionReader(src, 0, src.Size()))
	}}
	i := inspector(t, nest)
	all, sum := inspect(t, i, "a", []byte("NEST"+someone))
	if got := unreads(all); len(got) != 1 || sum.Unread != 1 || !strings.Contains(got[0], "deeper") {
		t.Errorf("depth: %q", got)
	}

	i.Readers = []Reader{fakeReader{"MANY", func(_ context.Context, _ Source, out Sink) error {
		for n := range 100 {
			if err := out.Member(fmt.Sprint(n), strings.NewReader("x")); err != nil {
				return err
			}
		}
		return nil
	}}}
	i.Caps = Caps{Members: 10}
	all, _ = inspect(t, i, "a", []byte("MANY"))
	if got := unreads(all); len(got) == 0 || len(got) > 1 || !strings.Contains(got[0], "more files") {
		t.Errorf("members: %q", got)
	}

	i.Readers = []Reader{fakeReader{"BOMB", func(_ context.Context, _ Source, out Sink) error {
		return out.Member("lines", io.MultiReader(strings.NewReader(someone), io.LimitReader(lines{}, 1<<40)))
	}}}
	i.Caps = Caps{Unpacked: 8 << 20}
	all, sum = inspect(t, i, "a", []byte("BOMB"))
	if got := unreads(all); len(got) != 1 || !strings.Contains(got[0], "unpacked") || sum.Unread != 1 {
		t.Errorf("size: %q", got)
	}
	if sum.Kinds[ResidentID.String()] != 1 {
		t.Errorf("what stands before the cap is not read: %v", sum.Kinds)
	}
}

// An archive may hold itself, and more than once: then each level has as many
// times more members.
func TestArchiveThatHoldsItself(t *testing.T) {
	for copies, why := range map[int]string{1: "deeper", 2: "more files", 3: "more files"} {
		quine := fakeReader{"QUINE", func(_ context.Context, src Source, out Sink) error {
			for range copies {
				if err := out.Member("itself", io.NewSectionReader(src, 0, src.Size())); err != nil {
					return err
				}
			}
			return nil
		}}
		i := inspector(t, quine)
		i.Caps = Caps{Members: 10_000}
		all, sum := inspect(t, i, "a", []byte("QUINE"))
		got := unreads(all)
		if len(got) == 0 || !strings.Contains(got[len(got)-1], why) || sum.Unread != int64(len(got)) {
			t.Errorf("%d copies: %d not read, the last %q", copies, len(got), got[max(0, len(got)-1):])
		}
		if most := 10_001; len(got) > most {
			t.Errorf("%d copies: %d findings", copies, len(got))
		}
	}
}

func TestNamesOfMembersAreMasked(t *testing.T) {
	i := inspector(t, fakeReader{"ONE", func(_ context.Context, _ Source, out Sink) error {
		return out.Member("11010519491231002X.txt", strings.NewReader(someone))
	}})
	all, _ := inspect(t, i, "a", []byte("ONE"))
	if len(all) == 0 || all[0].Member != "110*************2X.txt" {
		t.Errorf("%d findings in %q", len(all), all[0].Member)
	}
}

type lines struct{}

func (lines) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '\n'
	}
	return len(p), nil
}

func TestPanicAndErrorOfAReaderAreFindings(t *testing.T) {
	for _, read := range []func(context.Context, Source, Sink) error{
		func(context.Context, Source, Sink) error { panic("index out of range: " + someone) },
		func(context.Context, Source, Sink) error { return errors.New("bad value " + someone) },
	} {
		i := inspector(t, fakeReader{"BAD", read})
		all, sum := inspect(t, i, "a", []byte("BAD "+someone))
		got := unreads(all)
		if len(got) != 1 || strings.Contains(got[0], "张三") {
			t.Errorf("unread %q", got)
		}
		if sum.Kinds[ResidentID.String()] != 1 {
			t.Errorf("what no reader could read is not read as text: %v", sum.Kinds)
		}
	}
}

func TestEndOfContextAndErrorOfEmitEndIt(t *testing.T) {
	i := inspector(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := i.Inspect(ctx, BytesSource("a", []byte(someone)), func(*Finding) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	stop := errors.New("stop")
	if _, err := i.Inspect(t.Context(), BytesSource("a", []byte(someone)), func(*Finding) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("emit: %v", err)
	}
}

// rows feeds a table of two columns.
func rows(values ...[2]string) func(context.Context, Sink) error {
	return func(_ context.Context, out Sink) error {
		for n, v := range values {
			for c, field := range []string{"code", "remark"} {
				p := Part{Path: "t." + field, Field: field, Column: true, Record: int64(n + 1), Offset: -1, Text: []byte(v[c])}
				if err := out.Part(p); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

func TestColumnOfUniqueCodes(t *testing.T) {
	i := inspector(t)
	var unique, repeated, counted [][2]string
	for n := range 300 {
		unique = append(unique, [2]string{fmt.Sprintf("K%06dZ", n*7919%1000003), "ok"})
		repeated = append(repeated, [2]string{fmt.Sprintf("K%06dZ", n%9), "ok"})
		counted = append(counted, [2]string{fmt.Sprint(1000 + n), "ok"})
	}
	for name, c := range map[string]struct {
		values [][2]string
		want   int64
	}{"unique": {unique, 1}, "repeated": {repeated, 0}, "counted": {counted, 0}} {
		sum, err := i.InspectParts(t.Context(), rows(c.values...), func(f *Finding) error {
			if f.Kind == Unique.String() && f.Part != "t.code" {
				t.Errorf("%s: unique is %q", name, f.Part)
			}
			return nil
		})
		if err != nil || sum.Kinds[Unique.String()] != c.want {
			t.Errorf("%s: %v %v", name, sum.Kinds, err)
		}
	}
}

func TestColumnRepeatsBecomeOneFinding(t *testing.T) {
	i := inspector(t)
	i.Caps.Repeats = 3
	var values [][2]string
	for range 10 {
		values = append(values, [2]string{"11010519491231002X", "ok"})
	}
	var sent int
	var joined int64
	sum, err := i.InspectParts(t.Context(), rows(values...), func(f *Finding) error {
		sent++
		joined += f.Count
		return nil
	})
	if err != nil || sent != 4 || joined != 7 || sum.Kinds[ResidentID.String()] != 10 || sum.Persons != 1 {
		t.Errorf("sent %d, joined %d, %v %v", sent, joined, sum, err)
	}
}

func TestDistinctIsNearlyRight(t *testing.T) {
	var d distinct
	x := uint64(1)
	for n := 1; n <= 200_000; n++ {
		x = x*6364136223846793005 + 1442695040888963407
		h := x ^ x>>29
		d.add(h * 0x9E3779B97F4A7C15)
		if n == 500 && d.count() != 500 {
			t.Errorf("500 are %d", d.count())
		}
	}
	if got := d.count(); got < 194_000 || got > 206_000 {
		t.Errorf("200,000 are %d", got)
	}
}

func FuzzCharset(f *testing.F) {
	f.Add([]byte(someone))
	f.Add([]byte("\xff\xfeA\x00"))
	f.Add([]byte("\xd0\xd5\xc3\xfb\xa3\xba\x81\x30\x81\x30"))
	f.Fuzz(func(t *testing.T, data []byte) {
		sniff(data)
		for _, c := range []Charset{UTF16LE, UTF16BE, GB18030} {
			var out bytes.Buffer
			tr := newTranscoder(c, &out)
			for k := 0; k < len(data); k += 3 {
				if _, err := tr.Write(data[k:min(k+3, len(data))]); err != nil {
					t.Fatal(err)
				}
			}
			if err := tr.Close(); err != nil {
				t.Fatal(err)
			}
			if at := tr.source(out.Len()); at != int64(len(data)) {
				t.Fatalf("%d: the end of the text is %d, want %d", c, at, len(data))
			}
		}
	})
}
