package classify

import (
	"bytes"
	"cmp"
	"slices"
	"unicode"
)

// mostOverlaps is the most candidates that are weighed against each other at once.
const mostOverlaps = 1024

// rank orders reasons: where candidates overlap, the highest stays.
func (r Reason) rank() int {
	switch r {
	case ByCheck:
		return 9
	case ByIndex:
		return 8
	case ByField:
		return 7
	case ByRule:
		return 6
	case ByLabel:
		return 5
	case ByTitle:
		return 4
	case ByLexicon:
		return 3
	case ByStructure:
		return 2
	}
	return 0
}

// weigh orders candidates by who stays: the stronger reason, then the longer,
// then the earlier, then the surer; the rest only makes the order a total one.
func weigh(a, b Span) int {
	return cmp.Or(
		cmp.Compare(b.Reason.rank(), a.Reason.rank()),
		cmp.Compare(b.End-b.Start, a.End-a.Start),
		cmp.Compare(a.Start, b.Start),
		cmp.Compare(b.Confidence, a.Confidence),
		cmp.Compare(a.Kind, b.Kind),
	)
}

func byStart(a, b Span) int {
	return cmp.Or(cmp.Compare(a.Start, b.Start), weigh(a, b))
}

// arbitrate sorts the candidates spans[from:], drops what overlaps something
// stronger or begins before floor, and gives the shorter slice. What it does
// with a candidate depends on those it is connected with by overlaps, at most
// mostOverlaps of them, and on nothing else.
func arbitrate(spans []Span, from, floor int) []Span {
	sortByStart(spans[from:])
	out := from
	for i := from; i < len(spans); {
		n, _ := connected(spans[i:])
		if n == 1 {
			if s := spans[i]; s.Start >= floor && s.End > s.Start {
				spans[out], floor = s, s.End
				out++
			}
			i++
			continue
		}
		kept := settle(spans[i:i+n], floor)
		copy(spans[out:], kept)
		out += len(kept)
		if len(kept) > 0 {
			floor = kept[len(kept)-1].End
		}
		i += n
	}
	return spans[:out]
}

// connected counts the candidates at the begin of a sorted list that overlaps
// connect, at most mostOverlaps, and says where the last of them ends.
func connected(spans []Span) (n, end int) {
	n, end = 1, spans[0].End
	for n < len(spans) && n < mostOverlaps && spans[n].Start < end {
		end = max(end, spans[n].End)
		n++
	}
	return n, end
}

// union is arbitrate for [Redact]: what a candidate that loses covers and no
// other does stays a span of the candidate's kind, so that nothing that was
// found is left in clear. Offsets are those of the text and base together.
func union(spans []Span, floor int, text []byte, base int) []Span {
	sortByStart(spans)
	out := make([]Span, 0, len(spans))
	for len(spans) > 0 {
		n, end := connected(spans)
		first := len(out)
		slices.SortFunc(spans[:n], weigh)
		for _, s := range spans[:n] {
			s.Start = max(s.Start, floor)
			out = uncovered(out, first, s, text, base)
		}
		floor = max(floor, end)
		spans = spans[n:]
	}
	return out
}

// uncovered inserts into the sorted spans out[first:] what they do not cover of
// a candidate: all of it, or the pieces in which there is a letter or a digit.
func uncovered(out []Span, first int, s Span, text []byte, base int) []Span {
	k, _ := slices.BinarySearchFunc(out[first:], s.Start, func(o Span, start int) int { return cmp.Compare(o.End, start+1) })
	whole := true
	for k += first; s.Start < s.End; k++ {
		piece, rest := s, s.End
		if k < len(out) && out[k].Start < s.End {
			piece.End, rest, whole = out[k].Start, out[k].End, false
		}
		s.Start = rest
		if !whole {
			piece = lessSigns(piece, text, base)
		}
		if piece.Start < piece.End {
			out = slices.Insert(out, k, piece)
			k++
		}
	}
	return out
}

// lessSigns is a span less what is neither letter nor digit at its ends.
func lessSigns(s Span, text []byte, base int) Span {
	if s.Start >= s.End {
		return s
	}
	sign := func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsNumber(c) }
	value := bytes.TrimLeftFunc(text[s.Start-base:s.End-base], sign)
	s.Start = s.End - len(value)
	s.End = s.Start + len(bytes.TrimRightFunc(value, sign))
	return s
}

// settle keeps the strongest of a group, in place, in the order of the text.
func settle(group []Span, floor int) []Span {
	slices.SortFunc(group, weigh)
	kept := 0
	for _, s := range group {
		if s.Start < floor || s.End <= s.Start || slices.ContainsFunc(group[:kept], func(k Span) bool { return s.Start < k.End && k.Start < s.End }) {
			continue
		}
		group[kept] = s
		kept++
	}
	slices.SortFunc(group[:kept], byStart)
	return group[:kept]
}

// sortByStart sorts what is nearly sorted, as the pass leaves it; what a
// recogniser found everywhere comes behind that, and is merged by a real sort.
func sortByStart(spans []Span) {
	moves := 8 * len(spans)
	for i := 1; i < len(spans); i++ {
		if spans[i-1].Start < spans[i].Start {
			continue
		}
		s, k := spans[i], i
		for k > 0 && byStart(spans[k-1], s) > 0 {
			k--
		}
		copy(spans[k+1:i+1], spans[k:i])
		spans[k] = s
		if moves -= i - k; moves < 0 {
			slices.SortFunc(spans, byStart)
			return
		}
	}
}
