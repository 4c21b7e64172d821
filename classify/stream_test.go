package classify

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// streamed scans a text in pieces of random lengths.
func streamed(t testing.TB, e *Engine, text []byte, mode Mode, random *rand.Rand) []Span {
	t.Helper()
	var spans []Span
	s := e.Stream(mode, func(value []byte, at Span) error {
		if string(value) != string(text[at.Start:at.End]) {
			t.Errorf("the value of a span at %d is not the text there", at.Start)
		}
		spans = append(spans, at)
		return nil
	})
	for rest := text; len(rest) > 0; {
		n := min(len(rest), 1+random.IntN(200_000))
		if random.IntN(3) == 0 {
			n = min(n, 1+random.IntN(20))
		}
		if _, err := s.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return spans
}

// TestStreamIsScan: any chunks give the spans of the whole.
func TestStreamIsScan(t *testing.T) {
	e := newEngine(t, Config{Rules: []Rule{study()}})
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range corpora() {
		text := corpus(t, name)
		text = text[:min(len(text), 400_000)]
		text = append(slices.Clip(text), "\nSTUDY-12345 13800138000"...)
		for _, mode := range []Mode{Discover, Redact} {
			want := e.Scan(nil, text, mode)
			if len(want) == 0 {
				t.Errorf("%s: nothing found", name)
			}
			for range 2 {
				compareSpans(t, name, streamed(t, e, text, mode, random), want)
			}
		}
	}
}

func compareSpans(t *testing.T, name string, got, want []Span) {
	t.Helper()
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("%s: span %d of %d differs in a stream: want %+v, got %+v", name, i, len(want), want[i], got[min(i, len(got)-1)])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: a stream has %d spans, the whole %d", name, len(got), len(want))
	}
}

// FuzzScan: spans are sorted, apart and within the text, and a stream finds
// the same.
func FuzzScan(f *testing.F) {
	for _, c := range vectors() {
		f.Add([]byte(c.text), true)
	}
	e := newEngine(f, Config{Rules: []Rule{study()}})
	f.Fuzz(func(t *testing.T, text []byte, redact bool) {
		mode := Discover
		if redact {
			mode = Redact
		}
		spans := e.Scan(nil, text, mode)
		end := 0
		for _, s := range spans {
			if s.Start < end || s.End <= s.Start || s.End > len(text) || s.Kind == None {
				t.Fatalf("span %+v after %d in %d bytes", s, end, len(text))
			}
			end = s.End
		}
		compareSpans(t, "fuzzed", streamed(t, e, text, mode, rand.New(rand.NewPCG(uint64(len(text)), 1))), spans)
		e.Value(nil, None, "patient_name", text, mode)
	})
}
