package classify

import (
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// markedNotes are notes whose identifiers stand in [[ ]], through the whole
// engine. They are of development: letters, nursing notes, mails, messages,
// tables, with capitals and without.
func markedNotes(t testing.TB, file string) (notes []enNote) {
	t.Helper()
	data, err := os.ReadFile("testdata/marked/" + file)
	if err != nil {
		t.Fatal(err)
	}
	for _, note := range strings.Split(string(data), "====\n") {
		note = strings.TrimPrefix(note, "#none\n")
		var n enNote
		for {
			before, rest, ok := strings.Cut(note, "[[")
			n.text += before
			if !ok {
				break
			}
			label, after, _ := strings.Cut(rest, "]]")
			from := len(n.text)
			n.text += label
			n.labels = append(n.labels, enLabelled{from, len(n.text), "MARK"})
			note = after
		}
		notes = append(notes, n)
	}
	return notes
}

// count says of one note how many labels are gone, how many characters outside
// of them are too, and shows both.
func markedCount(t *testing.T, n *enNote, spans []Span, show bool) (gone, over, plain int) {
	covered := make([]bool, len(n.text))
	for _, s := range spans {
		if s.Kind != Condition {
			for i := s.Start; i < s.End; i++ {
				covered[i] = true
			}
		}
	}
	for _, l := range n.labels {
		left := strings.Map(func(r rune) rune {
			return r
		}, n.text[l.from:l.to])
		whole := true
		for i, c := range left {
			if (c >= utf8.RuneSelf && c != '　' || enAlpha(byte(c)) || c >= '0' && c <= '9') && !covered[l.from+i] {
				whole = false
			}
		}
		if whole || markedTitle(left, covered[l.from:l.to]) {
			gone++
		} else if show {
			t.Logf("LEAK %q in %q", left, around(n.text, l.from, l.to))
		}
	}
	for i, c := range n.text {
		if slices.ContainsFunc(n.labels, func(l enLabelled) bool { return i >= l.from && i < l.to }) || c <= ' ' {
			continue
		}
		plain++
		if covered[i] {
			over++
		}
	}
	if show {
		for _, s := range spans {
			if s.Kind != Condition && !slices.ContainsFunc(n.labels, func(l enLabelled) bool { return s.Start < l.to && s.End > l.from }) {
				t.Logf("OVER %s %q in %q", s.Kind, n.text[s.Start:s.End], around(n.text, s.Start, s.End))
			}
		}
	}
	return gone, over, plain
}

// markedTitle says whether what is left of a label tells who it is: titles,
// ranks and departments do not.
func markedTitle(label string, covered []bool) bool {
	var left strings.Builder
	for i, c := range label {
		if !covered[i] {
			left.WriteRune(c)
		}
	}
	switch strings.ToLower(strings.TrimSpace(left.String())) {
	case "ms.", "mrs", "dr.", "mr.", "ext.", "pgr", "sister", "#", "主任", "医生", "护士长", "护士", "师傅", "女士", "大夫", "姐", "心内科医生", "普外科主任", "儿保科", "床", "周五下午", "thurs":
		return true
	}
	return false
}

func around(text string, from, to int) string {
	return strings.ToValidUTF8(text[max(0, from-40):from]+"⟦"+text[from:to]+"⟧"+text[to:min(len(text), to+30)], "")
}

func TestMarked(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []struct {
		file, name  string
		as          func(string) string
		least, most float64
	}{
		{"english.txt", "as written", asWritten, .97, .03},
		{"english.txt", "in small letters", asciiLower, .9, .03},
		{"english.txt", "in capitals", asciiUpper, .92, .04},
		{"chinese.txt", "as written", asWritten, .96, .01},
	} {
		labels, gone, over, plain := 0, 0, 0, 0
		for _, n := range markedNotes(t, set.file) {
			n.text = set.as(n.text)
			g, o, p := markedCount(t, &n, e.Scan(nil, []byte(n.text), Redact), *englishMisses > 0)
			labels, gone, over, plain = labels+len(n.labels), gone+g, over+o, plain+p
		}
		t.Logf("%s %s: leak recall %.3f of %d, over-redaction %.4f of %d characters", set.file, set.name, share(gone, labels), labels, share(over, plain), plain)
		if share(gone, labels) < set.least || share(over, plain) > set.most {
			t.Errorf("%s %s: below %.2f or above %.2f", set.file, set.name, set.least, set.most)
		}
	}
}
