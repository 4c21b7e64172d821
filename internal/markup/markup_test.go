package markup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// walk writes what a scanner gives, for comparison.
func walk(s *Scanner) string {
	var b strings.Builder
	for k := s.Next(); k != None; k = s.Next() {
		switch k {
		case Start:
			fmt.Fprintf(&b, "<%s", s.Name())
			s.EachAttr(func(name, value []byte) { fmt.Fprintf(&b, " %s=%q", name, value) })
			b.WriteString(">")
		case End:
			fmt.Fprintf(&b, "</%s>", s.Name())
		case Text:
			b.Write(s.Text())
		}
	}
	return b.String()
}

func TestWalk(t *testing.T) {
	for in, want := range map[string]string{
		`<?xml version="1.0"?><w:a x:b='1' c="&lt;2">甲&amp;乙&#x4e01;</w:a>`: `<a x:b="1" c="<2">甲&乙丁</a>`,
		`<a/><b c/><!-- <x> --><![CDATA[<raw>&amp;]]>`:                      `<a></a><b c=""></b><raw>&amp;`,
		`<!DOCTYPE x [<!ENTITY a "b"> ]><x>&a;</x>`:                         `<x>&a;</x>`,
		`<a title="1 > 0">x < y</a>`:                                        `<a title="1 > 0">x < y</a>`,
		`<p id=7 >x<br>y</p`:                                                `<p id="7">x<br>y`,
		``:                                                                  ``,
	} {
		if got := walk(New(strings.NewReader(in))); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", in, got, want)
		}
		if got := walk(New(iotest.OneByteReader(strings.NewReader(in)))); got != want {
			t.Errorf("byte by byte, %s\ngot  %s\nwant %s", in, got, want)
		}
	}
}

func TestRawEndsAtItsTag(t *testing.T) {
	s := New(strings.NewReader(`<script>if (a<b) "</x>"</script><p>z`))
	s.Next()
	s.Raw()
	if got := walk(s); got != `if (a<b) "</x>"</script><p>z` {
		t.Errorf("got %s", got)
	}
}

func TestLongTextComesWhole(t *testing.T) {
	text := strings.Repeat("汉字&amp;", 200_000)
	got := walk(New(strings.NewReader("<a>" + text + "</a>")))
	if want := "<a>" + strings.ReplaceAll(text, "&amp;", "&") + "</a>"; got != want {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
}

func TestEndlessTagIsAnError(t *testing.T) {
	s := New(io.MultiReader(strings.NewReader("<a "), strings.NewReader(strings.Repeat("x", 3*MaxTag))))
	for s.Next() != None {
	}
	if !errors.Is(s.Err(), ErrTag) {
		t.Errorf("err %v", s.Err())
	}
}

func TestOffsets(t *testing.T) {
	in := "<a><b>first</b>" + strings.Repeat("<c/>", 50_000) + "<b>second</b></a>"
	s := New(strings.NewReader(in))
	for k := s.Next(); k != None; k = s.Next() {
		if k == Text && !strings.HasPrefix(in[s.Offset():], string(s.Text())) {
			t.Errorf("offset %d of %q", s.Offset(), s.Text())
		}
	}
}

func FuzzScanner(f *testing.F) {
	f.Add([]byte(`<?xml?><!DOCTYPE a [<!ENTITY b "c">]><a b='c&#1;'>d<![CDATA[e]]><!-- f --></a>`))
	f.Add([]byte(`<a b="<a c=">`))
	f.Fuzz(func(t *testing.T, data []byte) {
		whole := walk(New(bytes.NewReader(data)))
		if one := walk(New(iotest.OneByteReader(bytes.NewReader(data)))); one != whole {
			t.Fatalf("byte by byte %q, at once %q", one, whole)
		}
	})
}
