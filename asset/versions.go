package asset

import (
	"cmp"
	"strings"
)

// compareVersions orders two versions of one piece of software as its
// ecosystem does: Debian's by deb-version(7), all others by numbers and words,
// in which a version with a word for an early edition (alpha, beta, rc) stands
// before the one without.
func compareVersions(ecosystem, a, b string) int {
	switch eco, _, _ := strings.Cut(ecosystem, ":"); eco {
	case "Debian", "Ubuntu", "deb":
		return compareDebian(a, b)
	case "PyPI", "Maven":
		return compareDotted(spelled(a), spelled(b))
	}
	return compareDotted(a, b)
}

// spelled writes out the letters that stand for early editions between digits
// (PEP 440: 2.0b1 is 2.0beta1).
func spelled(v string) string {
	for i := 1; i+1 < len(v); i++ {
		if w := map[byte]string{'a': "alpha", 'b': "beta", 'c': "rc"}[v[i]]; w != "" && isDigit(v[i-1]) && isDigit(v[i+1]) {
			return v[:i] + w + v[i+1:]
		}
	}
	return v
}

// compareDebian is deb-version(7): epoch, upstream version, revision.
func compareDebian(a, b string) int {
	ae, au, ar := splitDebian(a)
	be, bu, br := splitDebian(b)
	return cmp.Or(compareNumbers(ae, be), compareParts(au, bu), compareParts(ar, br))
}

func splitDebian(v string) (epoch, upstream, revision string) {
	epoch, upstream, ok := strings.Cut(v, ":")
	if !ok {
		epoch, upstream = "0", v
	}
	if i := strings.LastIndexByte(upstream, '-'); i >= 0 {
		return epoch, upstream[:i], upstream[i+1:]
	}
	return epoch, upstream, ""
}

// compareParts compares stretches of what are no digits, and of digits, in
// turn. A tilde stands before everything, even the end; letters before other
// characters.
func compareParts(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a = cut(a, func(c byte) bool { return !isDigit(c) })
		y, b = cut(b, func(c byte) bool { return !isDigit(c) })
		if c := compareWords(x, y); c != 0 {
			return c
		}
		x, a = cut(a, isDigit)
		y, b = cut(b, isDigit)
		if c := compareNumbers(x, y); c != 0 {
			return c
		}
	}
	return 0
}

func compareWords(a, b string) int {
	rank := func(s string, i int) int {
		switch {
		case i >= len(s):
			return 0
		case s[i] == '~':
			return -1
		case s[i] >= 'A' && s[i] <= 'Z' || s[i] >= 'a' && s[i] <= 'z':
			return int(s[i])
		}
		return int(s[i]) + 256
	}
	for i := range max(len(a), len(b)) {
		if c := cmp.Compare(rank(a, i), rank(b, i)); c != 0 {
			return c
		}
	}
	return 0
}

// compareNumbers compares digits of any length.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

func cut(s string, of func(byte) bool) (head, rest string) {
	i := 0
	for i < len(s) && of(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

// compareDotted compares numbers and words between dots and dashes. What
// follows a plus sign does not count (SemVer 2.0.0, 10).
func compareDotted(a, b string) int {
	x, y := tokens(a), tokens(b)
	for i := range max(len(x), len(y)) {
		if c := compareTokens(token(x, i), token(y, i)); c != 0 {
			return c
		}
	}
	return 0
}

func token(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

func tokens(v string) []string {
	v, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(v)), "+")
	v = strings.TrimPrefix(v, "v")
	var out []string
	for v != "" {
		var t string
		switch {
		case isDigit(v[0]):
			t, v = cut(v, isDigit)
		case isLetter(v[0]):
			t, v = cut(v, isLetter)
		default:
			v = v[1:]
			continue
		}
		out = append(out, t)
	}
	return out
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' }

// compareTokens orders: early words, nothing and zero, later words (patch
// letters: 1.1.1k), numbers.
func compareTokens(a, b string) int {
	if c := cmp.Compare(rankOf(a), rankOf(b)); c != 0 {
		return c
	}
	switch rankOf(a) {
	case 1: // nothing and zero are the same: 1.0 is 1.0.0
		return 0
	case 3:
		return compareNumbers(a, b)
	}
	return cmp.Or(cmp.Compare(early(a), early(b)), strings.Compare(a, b))
}

func rankOf(t string) int {
	switch {
	case early(t) > 0:
		return 0
	case t == "" || strings.Trim(t, "0") == "":
		return 1
	case isLetter(t[0]):
		return 2
	}
	return 3
}

// early says that a word names an edition before the release, and which.
func early(t string) int {
	switch t {
	case "dev", "snapshot":
		return 1
	case "alpha":
		return 2
	case "beta":
		return 3
	case "m", "milestone", "pre", "preview":
		return 4
	case "rc", "cr":
		return 5
	}
	return 0
}
