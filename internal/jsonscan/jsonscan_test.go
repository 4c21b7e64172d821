package jsonscan

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// rebuild walks a value by the Scanner's methods and makes of it what
// encoding/json makes of it.
func rebuild(s *Scanner) any {
	switch s.Kind() {
	case Object:
		m := map[string]any{}
		s.Object()
		for name, ok := s.Member(); ok; name, ok = s.Member() {
			name := string(name)
			m[name] = rebuild(s)
		}
		return m
	case Array:
		a := []any{}
		for l := s.List(); s.More(&l); {
			a = append(a, rebuild(s))
		}
		return a
	case String:
		return string(s.Text())
	case Number:
		return json.Number(s.Raw())
	case Bool:
		return s.Bool()
	}
	s.Skip()
	return nil
}

func check(t *testing.T, data []byte) {
	t.Helper()
	var s Scanner
	s.Reset(data)
	got := rebuild(&s)
	err := s.End()
	var skip Scanner
	skip.Reset(data)
	skip.Skip()
	if skipErr := skip.End(); (skipErr == nil) != (err == nil) {
		t.Fatalf("Skip and a walk disagree: %v, %v", skipErr, err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var want any
	valid := json.Valid(data) && d.Decode(&want) == nil
	if err != nil {
		if valid && !strings.Contains(err.Error(), "too deep") {
			t.Fatalf("refused valid JSON: %v", err)
		}
		return
	}
	if !valid {
		t.Fatal("accepted invalid JSON")
	}
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if !bytes.Equal(g, w) {
		t.Fatalf("read %s, want %s", g, w)
	}
	compact := AppendCompact(nil, data)
	if !utf8.Valid(compact) || !json.Valid(compact) {
		t.Fatalf("compact form is not JSON: %q", compact)
	}
	if again := AppendCompact(nil, compact); !bytes.Equal(again, compact) {
		t.Fatal("compact form is not stable")
	}
}

var samples = []string{
	`{}`, `[]`, `null`, `true`, `0`, `-0.5e+3`, `"a\u00e9\n\ud83d\ude00\ud800"`,
	` { "a" : [ 1 , 2 , { "b" : null } ] , "c" : "中文" } `,
	`{"a":1,}`, `[1,]`, `[,1]`, `{,}`, `{"a"}`, `{"a":}`, `01`, `1.`, `1e`, `-`, `"\x"`, `"a`, "\"\n\"",
	`{"a":1}x`, `tru`, `nul`, ``, ` `, `{"a" 1}`, `[1 2]`, `"\u12"`, "\"\xff\"", `{"a":1,"a":2}`,
	`]`, `}`, `[}`, `{]`, `[[[[]]]]`, `"\ud83d\u0041"`,
}

func TestAgainstStandardLibrary(t *testing.T) {
	for _, text := range samples {
		t.Run(text, func(t *testing.T) { check(t, []byte(text)) })
	}
}

func FuzzScanner(f *testing.F) {
	for _, text := range samples {
		f.Add([]byte(text))
	}
	f.Fuzz(check)
}

func FuzzAppendString(f *testing.F) {
	f.Add("plain")
	f.Add("q\"\\\n\x00\x1f中\xff\xc3")
	f.Fuzz(func(t *testing.T, text string) {
		out := AppendString(nil, text)
		if string(out) != string(AppendString(nil, []byte(text))) {
			t.Fatal("string and bytes differ")
		}
		var s Scanner
		s.Reset(out)
		got := string(s.Text())
		if err := s.End(); err != nil {
			t.Fatal(err)
		}
		if want := string([]rune(text)); got != want {
			t.Fatalf("read back %q, want %q", got, want)
		}
	})
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]int64{
		`12`: 12, `-7`: -7, `1.9`: 1, `"42"`: 42, `1e3`: 1000, `null`: 0, `{"a":1}`: 0, `"x"`: 0,
		`9223372036854775807`: 1<<63 - 1, `1e300`: 0, `-1.5e2`: -150,
	} {
		var s Scanner
		s.Reset([]byte(text))
		if got := s.Int(); got != want || s.End() != nil {
			t.Errorf("Int of %s = %d (%v), want %d", text, got, s.Err(), want)
		}
	}
}

func TestListTakesALoneValue(t *testing.T) {
	for text, want := range map[string]int{`[1,2,3]`: 3, `7`: 1, `null`: 0, `[]`: 0, `{"a":1}`: 1} {
		var s Scanner
		s.Reset([]byte(text))
		n := 0
		for l := s.List(); s.More(&l); n++ {
			s.Skip()
		}
		if n != want || s.End() != nil {
			t.Errorf("%s: %d elements (%v), want %d", text, n, s.Err(), want)
		}
	}
}

func TestDepthIsLimited(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1)
	var s Scanner
	s.Reset([]byte(deep))
	s.Skip()
	if s.End() == nil {
		t.Fatal("no error beyond the depth limit")
	}
}

func TestErrorsDoNotQuote(t *testing.T) {
	var s Scanner
	s.Reset([]byte(`{"name":"SECRET`))
	s.Skip()
	if err := s.End(); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Fatalf("err = %v", err)
	}
}

func TestWalkDoesNotAllocate(t *testing.T) {
	data := []byte(`{"a":[1,2,{"b":null}],"c":"plain","d":{"e":12}}`)
	n := testing.AllocsPerRun(100, func() {
		var s Scanner
		s.Reset(data)
		s.Object()
		for _, ok := s.Member(); ok; _, ok = s.Member() {
			s.Text()
		}
	})
	if n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
