package classify

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf8"
)

// cueTable finds cues in the engine's one pass. Text of three-byte characters
// is asked by the hash of two characters, words of ASCII letters by the hash
// of their first eight bytes and their length; a bitmap answers "no" for
// nearly all of them, and only then are cues compared.
type cueTable struct {
	pairs   [1 << 10]uint64 // bit by hash of six bytes
	singles [1 << 6]uint64  // bit by hash of three bytes, for the shortest cues
	words   [1 << 8]uint64  // bit by hash of a lower-case word
	single  bool            // there are such
	lists   [1 << 12][]cue  // by the top bits of the same hashes, longest first
}

// cue is one word that a recogniser waits for.
type cue struct {
	text   string // in lower case if it is Latin
	number int    // in the engine's whole list
	latin  bool   // begins with a letter of ASCII
}

const (
	hashFactor = 0x9E3779B97F4A7C15
	three      = 1<<24 - 1
	six        = 1<<48 - 1
	lower      = 0x2020202020202020
)

func newCueTable(words []string) (*cueTable, error) {
	t := new(cueTable)
	for d := range uint64(10) { // full-width digits
		hash := (0x90BCEF + d<<16) * hashFactor
		t.singles[hash>>52>>6] |= 1 << (hash >> 52 & 63)
	}
	for _, w := range []string{"http", "https", "ftp", "www"} {
		hash := wordHash(first8(w), len(w))
		t.words[hash>>50>>6] |= 1 << (hash >> 50 & 63)
	}
	for i, word := range words {
		if err := t.add(word, i); err != nil {
			return nil, err
		}
	}
	for _, list := range t.lists {
		slices.SortStableFunc(list, func(a, b cue) int { return cmp.Compare(len(b.text), len(a.text)) })
	}
	return t, nil
}

func (t *cueTable) add(word string, number int) error {
	c := cue{text: word, number: number, latin: word != "" && word[0] < 0x80}
	var hash uint64
	switch {
	case word == "" || !utf8.ValidString(word):
		return fmt.Errorf("a cue must be text, %q is none", word)
	case c.latin:
		c.text = lowerASCII(word)
		n := 0
		for n < len(word) && wordByte(word[n]) {
			n++
		}
		if n == 0 {
			return fmt.Errorf("the cue %q must begin with a letter", word)
		}
		hash = wordHash(first8(c.text[:n]), n)
		t.words[hash>>50>>6] |= 1 << (hash >> 50 & 63)
	case word[0]>>4 != 0xE:
		return fmt.Errorf("the cue %q must begin with a letter of ASCII or a character of three bytes", word)
	case len(word) >= 6:
		hash = (first8(word) & six) * hashFactor
		t.pairs[hash>>48>>6] |= 1 << (hash >> 48 & 63)
	default:
		hash = (first8(word) & three) * hashFactor
		t.single = true
		t.singles[hash>>52>>6] |= 1 << (hash >> 52 & 63)
	}
	t.lists[hash>>52] = append(t.lists[hash>>52], c)
	return nil
}

// first8 are the first eight bytes, zeros after the end.
func first8(s string) uint64 {
	var b [8]byte
	copy(b[:], s)
	return binary.LittleEndian.Uint64(b[:])
}

// wordHash hashes a lower-case word by its first eight bytes and its length.
func wordHash(x uint64, n int) uint64 {
	return (x + uint64(n)) * hashFactor
}

// lowerASCII is s with its ASCII letters in lower case.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = folded(c)
	}
	return string(b)
}

// folded is a byte in lower case.
func folded(c byte) byte {
	if c-'A' < 26 {
		return c | 0x20
	}
	return c
}

// at says whether the cue stands at text[i:]: in any case and as a whole word
// where it is Latin.
func (c *cue) at(text []byte, i int) bool {
	end := i + len(c.text)
	if end > len(text) {
		return false
	}
	if !c.latin {
		return string(text[i:end]) == c.text
	}
	for k := range len(c.text) {
		if folded(text[i+k]) != c.text[k] {
			return false
		}
	}
	return end == len(text) || !wordByte(text[end]) || !wordByte(text[end-1])
}
