package statement

import (
	"bytes"
	"strings"

	"github.com/zeebo/xxh3"
)

// prints makes two hashes: one of the statement with its values and lists
// taken out, and one that keeps the number of values, by which readings are
// remembered.
func (r *Reader) prints(toks []token) (print, exact uint64) {
	r.print, r.exact = appendNormal(r.print[:0], toks), r.exact[:0]
	for i := range toks {
		r.exact = appendToken(r.exact, toks, i)
	}
	return xxh3.Hash(r.print), xxh3.Hash(r.exact) + uint64(r.scan.d)
}

// Normal is a statement as its fingerprint sees it: lower case, one blank
// between words, no comments, a question mark for every value or list of them.
func Normal(text string, d Dialect) string {
	var s scanner
	s.reset(Fold(text), d)
	return string(bytes.TrimSpace(appendNormal(nil, s.all())))
}

func appendNormal(b []byte, toks []token) []byte {
	for i := range toks {
		t := &toks[i]
		switch {
		case isValue(toks, i) && bytes.HasSuffix(b, []byte("? , ")):
			b = b[:len(b)-2]
			continue
		case t.text == ";" && i == len(toks)-1:
			continue
		}
		b = appendToken(b, toks, i)
		if t.text == ")" && bytes.HasSuffix(b, []byte("( ? ) , ( ? ) ")) {
			b = b[:len(b)-len(", ( ? ) ")]
		}
	}
	return b
}

// isValue says whether a token is a value. What MySQL takes for a string in
// double quotes is a name to others, and stands where names stand.
func isValue(toks []token, i int) bool {
	t := &toks[i]
	switch t.kind {
	case numberTok:
		return true
	case paramTok:
		return !strings.HasPrefix(t.text, "@@")
	case stringTok:
		return !t.dq || !nameFollows(toks, i)
	}
	return false
}

// nameFollows says whether a table or column must stand at i.
func nameFollows(toks []token, i int) bool {
	if i > 0 {
		switch toks[i-1].text {
		case "from", "join", "into", "table", "update", ".", "view", "call":
			return true
		}
	}
	return i+1 < len(toks) && toks[i+1].text == "."
}

func appendToken(b []byte, toks []token, i int) []byte {
	if isValue(toks, i) {
		return append(b, "? "...)
	}
	return append(append(b, toks[i].text...), ' ')
}
