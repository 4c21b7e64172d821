package xmlscan

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"
)

func TestScanner(t *testing.T) {
	const text = `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "y>">]><a:r xmlns:a='u' b = "1&amp;2">t &lt;<!-- - --><c/><![CDATA[<x>]]></a:r>`
	s := New([]byte(text))
	var tok Token
	var got strings.Builder
	for s.Next(&tok) {
		switch tok.Kind {
		case Start:
			got.WriteString("<" + string(tok.Name) + " " + string(Decode(tok.Attr("b"))))
			if tok.Empty {
				got.WriteString("/")
			}
		case End:
			got.WriteString(">" + string(tok.Name))
		case Text, CDATA:
			got.WriteString("[" + string(tok.Body) + "]")
		case Other:
			got.WriteString("!")
		}
	}
	if s.Err() != nil || got.String() != "!!<r 1&2[t &lt;]!<c /[<x>]>r" {
		t.Errorf("%s, %v", got.String(), s.Err())
	}
}

func TestDamaged(t *testing.T) {
	for _, text := range []string{
		"<", "<a", "<a>", "</a>", "<a></b>", "<a b></a>", "<a b=c></a>", `<a b="></a>`, "<!--", "<![CDATA[", "<?x", "<!DOCTYPE [", "< a/>",
		strings.Repeat("<a>", MaxDepth+1) + strings.Repeat("</a>", MaxDepth+1),
	} {
		s := New([]byte(text))
		var tok Token
		for s.Next(&tok) {
		}
		if s.Err() == nil {
			t.Errorf("%.20q was read", text)
		}
	}
}

func FuzzScanner(f *testing.F) {
	f.Add([]byte(`<a b="1">t<c/><![CDATA[x]]><!-- x --></a>`))
	f.Add([]byte(`<?xml version="1.0"?><!DOCTYPE a><a>&#x41;&amp;</a>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := New(data)
		var tok Token
		var all []byte
		at := 0
		for s.Next(&tok) {
			if tok.From != at || tok.To <= tok.From {
				t.Fatalf("token at %d to %d, want from %d", tok.From, tok.To, at)
			}
			at = tok.To
			all = append(all, data[tok.From:tok.To]...)
		}
		if s.Err() == nil && !bytes.Equal(all, data) {
			t.Fatal("tokens are not the text")
		}
		if out := AppendText(nil, Decode(data)); xml.Unmarshal(append(append([]byte("<a>"), out...), "</a>"...), new(struct{})) != nil {
			t.Fatalf("%q is no text", out)
		}
	})
}
