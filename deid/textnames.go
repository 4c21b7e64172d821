package deid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/cordon-health/cordon/classify"
)

// The bounds of what a text's names may take: their number, and the bytes of
// one.
const (
	mostTextNames = 20_000
	mostTextName  = 60
)

// sureName is the confidence from which a name, behind a label or a title, is
// looked for everywhere else.
const sureName = 85

// textNames are the names a text gives somewhere with a label or a title. A
// recogniser sees a part of a long text at a time; these are found again in
// all of it, before and behind.
type textNames struct {
	words  map[string]bool // Latin ones, as written
	han    map[string]bool
	begins map[rune]int // the longest Chinese name that begins so, in bytes
}

func newTextNames() *textNames {
	return &textNames{words: map[string]bool{}, han: map[string]bool{}, begins: map[rune]int{}}
}

// learn remembers the sure names among spans of a text.
func (n *textNames) learn(text []byte, spans []classify.Span) {
	for _, s := range spans {
		if s.Kind != classify.Name || s.Confidence < sureName || s.End-s.Start > mostTextName {
			continue
		}
		name := text[s.Start:s.End]
		if first, _ := utf8.DecodeRune(name); unicode.Is(unicode.Han, first) {
			n.keep(n.han, name)
			continue
		}
		for at, end := nextWord(name, 0); end > at; at, end = nextWord(name, end) {
			n.keep(n.words, name[at:end])
		}
	}
}

func (n *textNames) keep(in map[string]bool, name []byte) {
	if len(n.words)+len(n.han) >= mostTextNames || in[string(name)] || !classify.TellingName(name) {
		return
	}
	in[string(name)] = true
	if first, _ := utf8.DecodeRune(name); unicode.Is(unicode.Han, first) {
		n.begins[first] = max(n.begins[first], len(name))
	}
}

// nextWord is the next word of Latin letters from i on.
func nextWord(text []byte, i int) (from, to int) {
	for i < len(text) {
		r, size := utf8.DecodeRune(text[i:])
		if unicode.IsLetter(r) && !unicode.Is(unicode.Han, r) {
			break
		}
		i += size
	}
	from = i
	for i < len(text) {
		r, size := utf8.DecodeRune(text[i:])
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && r != '\'' && r != '’' || unicode.Is(unicode.Han, r) {
			break
		}
		i += size
	}
	return from, i
}

// again adds the names known that no span covers, in order.
func (n *textNames) again(spans []classify.Span, text []byte) []classify.Span {
	if len(n.words)+len(n.han) == 0 {
		return spans
	}
	known, found := 0, len(spans)
	for i := 0; i < len(text); {
		to, named := n.at(text, i)
		for known < found && spans[known].End <= i {
			known++
		}
		if named && (known == found || spans[known].Start >= to) {
			spans = append(spans, classify.Span{Start: i, End: to, Kind: classify.Name, Confidence: 75, Reason: classify.ByLexicon})
		}
		i = to
	}
	if len(spans) > found {
		slices.SortFunc(spans, func(a, b classify.Span) int { return a.Start - b.Start })
	}
	return spans
}

// at says whether a known name begins at i, and where to go on.
func (n *textNames) at(text []byte, i int) (to int, named bool) {
	r, size := utf8.DecodeRune(text[i:])
	switch {
	case unicode.Is(unicode.Han, r):
		for end := min(len(text), i+n.begins[r]); end >= i+2*size; end-- {
			if n.han[string(text[i:end])] {
				return end, true
			}
		}
	case unicode.IsLetter(r):
		_, to := nextWord(text, i)
		return to, n.words[string(text[i:to])] || n.words[string(bytes.TrimSuffix(text[i:to], []byte("'s")))]
	}
	return i + size, false
}

// remember reads a text once, quickly, for the names behind its labels and
// titles.
func (p *textProfile) remember(ctx context.Context, c *textCleaner, in classify.Source, job *Job) error {
	first, err := p.open(in, io.Discard, job, &Report{})
	if err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		chunk, err := first.next()
		first.spans = job.Scanner.Scan(first.spans[:0], chunk, classify.Discover)
		c.names.learn(chunk, first.spans)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a text for the names in it: %w", err)
		}
	}
}
