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
	// first lists the values by their first byte, once they are sorted.
	first  [256][]int
	sorted bool
}

type knownValue struct {
	value, stand []byte
	kind         classify.Kind
}

func (k *known) reset() { k.values, k.sorted = k.values[:0], false }

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
	k.sorted = false
	k.values = append(k.values, knownValue{bytes.Clone(value), bytes.Clone(stand), kind})
}

// find gives where the known values stand in a text, in order and without
// overlaps, the longest first. Letters in another case count; a value inside a
// longer word or number does not.
func (k *known) find(text []byte) (found []pinned) {
	if len(k.values) == 0 {
		return nil
	}
	if !k.sorted {
		k.sort()
	}
	for at := 0; at < len(text); at++ {
		best := -1
		for _, i := range k.first[lower(text[at])] {
			v := k.values[i].value
			if at+len(v) <= len(text) && (best < 0 || len(v) > len(k.values[best].value)) &&
				bytes.EqualFold(text[at:at+len(v)], v) && alone(text, at, at+len(v)) {
				best = i
			}
		}
		if best >= 0 {
			v := k.values[best]
			found = append(found, pinned{at, at + len(v.value), v.kind, v.stand})
			at += len(v.value) - 1
		}
	}
	return found
}

// sort lists the values by their first byte.
func (k *known) sort() {
	for i := range k.first {
		k.first[i] = k.first[i][:0]
	}
	for i, v := range k.values {
		c := lower(v.value[0])
		k.first[c] = append(k.first[c], i)
	}
	k.sorted = true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
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
