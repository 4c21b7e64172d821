package care

import (
	"encoding/base64"
	"testing"
)

// FuzzDecode reads damaged records: an error, never a panic.
func FuzzDecode(f *testing.F) {
	g := &Graph{lexicon: newLexicon()}
	r := &record{id: "P1"}
	r.addEdge(edge{kind: codeAttending, said: 10, person: g.lexicon.add("d1"), src: r.words.add("e1"), enc: r.words.add("V1")})
	r.addToken(token{kind: g.lexicon.add("phone"), text: r.words.add("T1"), said: 10})
	r.links = []link{{to: "P2", said: 5}}
	r.lessons = []lesson{{dept: 1, code: 1}}
	whole, err := base64.StdEncoding.DecodeString(g.encode(r))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Fuzz(func(t *testing.T, raw []byte) {
		g := &Graph{lexicon: newLexicon()}
		var scratch []byte
		r, err := g.decode("P1", base64.StdEncoding.EncodeToString(raw), &scratch)
		if err != nil {
			return
		}
		for i := range r.edges {
			r.words.text(r.edges[i].src)
		}
		again, err := g.decode("P1", g.encode(r), &scratch)
		if err != nil || len(again.edges) != len(r.edges) || len(again.tokens) != len(r.tokens) {
			t.Fatalf("%v: written and read again it is another record", err)
		}
	})
}
