package classify

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
)

func TestUnseenCharactersHideNothing(t *testing.T) {
	for _, text := range []string{
		"id 110105\u200b19491231\u200b002X.",
		"id 1\u200d1\u200d0\u200d1\u200d05\u200d19491231\u2060002\ufeffX.",
		"id 110105\u00ad19491231\u00ad002X.",
		strings.Repeat("a quiet line\n", 10_000) + "id 110105\u200b19491231\u200b002X.",
		strings.Repeat("x\u200by ", 40_000) + "id 110105\u200b19491231\u200b002X.",
	} {
		from, to := strings.Index(text, "id 1")+3, len(text)-1
		all, sum := inspect(t, inspector(t), "a.txt", []byte(text))
		if sum.Kinds["cn-resident-id"] != 1 || len(all) == 0 {
			t.Fatalf("%.40q: %v", text, sum.Kinds)
		}
		for _, f := range all {
			if f.Kind == "cn-resident-id" && (f.Offset != int64(from) || f.Length != to-from) {
				t.Errorf("%.40q: at %d+%d, want %d+%d", text, f.Offset, f.Length, from, to-from)
			}
		}
		part := rows([2]string{"note", text[max(0, from-40):]})
		all, sum = nil, Summary{}
		sum, err := inspector(t).InspectParts(t.Context(), part, func(f *Finding) error { all = append(all, f); return nil })
		if err != nil || sum.Kinds["cn-resident-id"] != 1 {
			t.Errorf("%.40q as a part: %v %v", text, sum.Kinds, err)
		}
	}
}

// TestUnseenCharactersAcrossBlocks cuts a text at every place.
func TestUnseenCharactersAcrossBlocks(t *testing.T) {
	text := "住\u200b院号 110105\u200b19491231\u200b002X and 13800138000\u200b13900139000"
	want := ""
	for cut := range len(text) {
		var got strings.Builder
		v := &unveiling{found: func(value []byte, at Span) error {
			got.WriteString(at.Kind.String() + " " + text[at.Start:at.End] + "\n")
			return nil
		}}
		v.plain = inspector(t).Engine.Stream(Discover, v.first)
		for _, p := range []string{text[:cut], text[cut:]} {
			if _, err := v.Write([]byte(p)); err != nil {
				t.Fatal(err)
			}
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = got.String()
		}
		if got.String() != want || !strings.Contains(want, "002X") || strings.Count(want, "mobile") != 2 {
			t.Fatalf("cut at %d:\n%swant\n%s", cut, got.String(), want)
		}
	}
}

func TestBase64OfTextIsRead(t *testing.T) {
	secret := "the patient's number is 11010519491231002X, call again tomorrow, please"
	for name, code := range map[string]string{
		"standard": base64.StdEncoding.EncodeToString([]byte(secret)),
		"url":      base64.RawURLEncoding.EncodeToString([]byte(secret + "?>?>~~")),
		"data":     "data:text/plain;charset=utf-8;base64," + base64.StdEncoding.EncodeToString([]byte("11010519491231002X")),
		"twice":    base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(secret)))),
	} {
		feed := func(_ context.Context, out Sink) error {
			return out.Part(Part{Path: "file", Offset: -1, Text: []byte(code)})
		}
		sum, err := inspector(t).InspectParts(t.Context(), feed, func(*Finding) error { return nil })
		if err != nil || sum.Kinds["cn-resident-id"] != 1 {
			t.Errorf("%s in a part: %v %v", name, sum.Kinds, err)
		}
		if _, sum := inspect(t, inspector(t), "a.txt", []byte(code)); sum.Kinds["cn-resident-id"] != 1 {
			t.Errorf("%s as a file: %v", name, sum.Kinds)
		}
	}
	for _, code := range []string{
		strings.Repeat("0123456789abcdef", 4), strings.Repeat("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", 2),
		strings.Repeat("A", 128), "data:text/plain,hello", strings.Repeat("the quick brown fox ", 9)[:63],
	} {
		if _, ok := Encoded([]byte(code)); ok {
			t.Errorf("%q is unpacked", code)
		}
	}
}

func FuzzUnseen(f *testing.F) {
	f.Add([]byte("a\u200bb\u00adc\ufeff"), 3)
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		var u unveiled
		cut = min(max(cut, 0), len(text))
		u.take(text[:cut], false)
		out := append([]byte(nil), u.out...)
		u.take(text[cut:], true)
		out = append(out, u.out...)
		for i := range out {
			if at := u.source(i); at >= len(text) || text[at] != out[i] {
				t.Fatalf("byte %d of %q is not at %d of %q", i, out, at, text)
			}
		}
		Encoded(text)
	})
}
