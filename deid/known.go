package deid

import (
	"bytes"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/cordon-health/cordon/classify"
)

// mostKnown bounds the values of one record that are looked for in its texts.
const mostKnown = 256

// known are the values of one message or resource that its fields said are
// somebody's, so that they are found again in its free text, where no rule of
// language might find them.
type known struct {
	values []knownValue
}

type knownValue struct {
	value, stand []byte
	kind         classify.Kind
}

func (k *known) reset() { k.values = k.values[:0] }

// add remembers a value and what stands for it. One letter or a very short
// number is no evidence.
func (k *known) add(kind classify.Kind, value, stand []byte) {
	value = bytes.TrimSpace(value)
	least := 3
	if first, _ := utf8.DecodeRune(value); first >= utf8.RuneSelf {
		least = 6 // two characters
	} else if kind != classify.Name {
		least = 4
	}
	if len(value) < least || len(k.values) >= mostKnown || bytes.Equal(value, stand) {
		return
	}
	for _, v := range k.values {
		if bytes.Equal(v.value, value) {
			return
		}
	}
	if len(stand) == 0 {
		stand = mark(nil, kind.String())
	}
	k.values = append(k.values, knownValue{bytes.Clone(value), bytes.Clone(stand), kind})
}

// find appends where the known values stand in a text, in order and without
// overlaps. Letters in another case count; a value inside a longer word or
// number does not.
func (k *known) find(text []byte) (found []pinned) {
	for _, v := range k.values {
		for at := 0; ; {
			i := indexFold(text[at:], v.value)
			if i < 0 {
				break
			}
			from, to := at+i, at+i+len(v.value)
			at = from + 1
			if alone(text, from, to) {
				found = append(found, pinned{from, to, v.kind, v.stand})
				at = to
			}
		}
	}
	slices.SortFunc(found, func(a, b pinned) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return b.to - a.to
	})
	kept := found[:0]
	end := 0
	for _, f := range found {
		if f.from >= end {
			kept, end = append(kept, f), f.to
		}
	}
	return kept
}

// pinned is a piece of a text with what stands for it.
type pinned struct {
	from, to int
	kind     classify.Kind
	stand    []byte // nil where the job decides
}

// merge joins what was known with what was found: where two overlap, the one
// that holds the other stays, and what holds neither is one piece whose words
// are replaced one by one.
func merge(all []pinned, spans []classify.Span) []pinned {
	for _, s := range spans {
		if identifies(s.Kind) {
			all = append(all, pinned{s.Start, s.End, s.Kind, nil})
		}
	}
	slices.SortStableFunc(all, func(a, b pinned) int { return a.from - b.from })
	kept := all[:0]
	for _, f := range all {
		if len(kept) == 0 || f.from >= kept[len(kept)-1].to {
			kept = append(kept, f)
			continue
		}
		last := &kept[len(kept)-1]
		switch {
		case f.to <= last.to && !(f.from == last.from && f.to == last.to && f.stand != nil):
		case f.from == last.from:
			*last = f
		default:
			*last = pinned{last.from, f.to, classify.Name, nil}
		}
	}
	return kept
}

// indexFold finds a value in a text, ASCII letters in any case.
func indexFold(text, value []byte) int {
	first := value[0]
	lower, upper := first, first
	if first|0x20 >= 'a' && first|0x20 <= 'z' {
		lower, upper = first|0x20, first&^0x20
	}
	for at := 0; at+len(value) <= len(text); at++ {
		if c := text[at]; c != lower && c != upper {
			continue
		}
		if bytes.EqualFold(text[at:at+len(value)], value) {
			return at
		}
	}
	return -1
}

// alone says whether a piece of ASCII is bounded by what is no letter or
// digit. Chinese is written without bounds.
func alone(text []byte, from, to int) bool {
	before, _ := utf8.DecodeLastRune(text[:from])
	first, _ := utf8.DecodeRune(text[from:to])
	last, _ := utf8.DecodeLastRune(text[from:to])
	after, _ := utf8.DecodeRune(text[to:])
	return !(joined(before) && joined(first)) && !(joined(last) && joined(after))
}

func joined(r rune) bool {
	return r != utf8.RuneError && !unicode.Is(unicode.Han, r) && (unicode.IsLetter(r) || unicode.IsDigit(r))
}
