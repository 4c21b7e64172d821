package classify

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"strings"
)

// enWordsFile is the lexicon, see en_sources.md: sorted words in lower case
// without accents, front-coded (one digit of base 36 says how many letters are
// those of the word before), each with its classes as capitals.
//
//go:embed en_words.txt.gz
var enWordsFile []byte

//go:embed en_medical.txt
var enMedicalFile string

//go:embed en_keywords.txt
var enKeywordsFile string

// enClass is what a word may be; a word may be several things.
type enClass uint32

// The classes of the lexicon, then those of en_medical.txt, then those of
// en_keywords.txt.
const (
	enGivenOften   enClass = 1 << iota // A: one of the commonest given names
	enGivenRare                        // B
	enSurnameOften                     // C
	enSurnameRare                      // D
	enOrdinary                         // W: an ordinary word of the language
	enPlace                            // P: a city, county, state or country
	enPlaceFirst                       // Q: the first word of a place of several words

	enEponym // a disease, sign or device called after somebody
	enMedic  // a brand, an organism, an abbreviation

	enTitle
	enCredential
	enMonth
	enWeekday
	enHoliday
	enStreet     // ends a street: Street, Ave
	enStreetHead // begins one: Rue, Calle
	enUnit       // Apt, Suite
	enOrgTail    // ends an organisation: Hospital, Inc
	enGeneric    // says nothing of which one: General, Medical
	enRelative
	enLabel // what stands before somebody's name: Patient, Attending
	enEponymNoun
	enVerb     // what people do: reports, denies
	enFunction // and, of, the
	enParticle // van, de, bin
	enState    // a state's two letters
	enIn       // before places: in, from, at
	enWhen     // before dates: on, since
	enNationality
)

const (
	enGiven   = enGivenOften | enGivenRare
	enSurname = enSurnameOften | enSurnameRare
	enPerson  = enGiven | enSurname
)

// enLexicon maps the hash of a folded word to its classes: open addressing,
// half full, read-only after its making.
type enLexicon struct {
	slots []enSlot
	mask  uint64
}

type enSlot struct {
	print uint32 // the upper half of the hash; 0 where the slot is free
	class enClass
}

// The hash is FNV-1a, because it is taken letter by letter while reading.
const (
	enSeed  = 14695981039346656037
	enPrime = 1099511628211
)

func enHash(word string) uint64 {
	h := uint64(enSeed)
	for i := range len(word) {
		h = (h ^ uint64(word[i])) * enPrime
	}
	return h
}

// slot is where a hash is looked for first; FNV's low bits alone are weak.
func (l *enLexicon) slot(h uint64) (at uint64, print uint32) {
	return (h ^ h>>29) & l.mask, uint32(h>>32) | 1
}

func (l *enLexicon) of(h uint64) enClass {
	at, print := l.slot(h)
	for {
		s := l.slots[at]
		if s.print == print {
			return s.class
		}
		if s.print == 0 {
			return 0
		}
		at = (at + 1) & l.mask
	}
}

func (l *enLexicon) add(word string, class enClass) {
	at, print := l.slot(enHash(word))
	for l.slots[at].print != 0 && l.slots[at].print != print {
		at = (at + 1) & l.mask
	}
	l.slots[at].print = print
	l.slots[at].class |= class
}

// newEnLexicon unpacks the embedded tables.
func newEnLexicon() (*enLexicon, error) {
	const slots = 1 << 19
	l := &enLexicon{slots: make([]enSlot, slots), mask: slots - 1}
	unzip, err := gzip.NewReader(bytes.NewReader(enWordsFile))
	if err != nil {
		return nil, fmt.Errorf("opening the English lexicon: %w", err)
	}
	text, err := io.ReadAll(unzip)
	if err != nil {
		return nil, fmt.Errorf("reading the English lexicon: %w", err)
	}
	l.words(text)
	for name, class := range map[string]enClass{
		"eponym": enEponym, "drug": enMedic, "organism": enMedic, "abbreviation": enMedic,
	} {
		l.group(enMedicalFile, name, class)
	}
	for name, class := range enGroups() {
		l.group(enKeywordsFile, name, class)
	}
	l.rather()
	return l, nil
}

// rather takes words of the group "rather-name" for names alone: with a
// capital they are hardly ever anything else.
func (l *enLexicon) rather() {
	for line := range strings.Lines(enKeywordsFile) {
		rest, ok := strings.CutPrefix(line, "rather-name:")
		if !ok {
			continue
		}
		for word := range strings.FieldsSeq(rest) {
			at, print := l.slot(enHash(word))
			for l.slots[at].print != 0 && l.slots[at].print != print {
				at = (at + 1) & l.mask
			}
			l.slots[at].class &^= enOrdinary
		}
	}
}

// words reads the front-coded lexicon.
func (l *enLexicon) words(text []byte) {
	letters := [...]enClass{
		'A': enGivenOften, 'B': enGivenRare, 'C': enSurnameOften, 'D': enSurnameRare,
		'W': enOrdinary, 'P': enPlace, 'Q': enPlaceFirst,
	}
	var word []byte
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\n")
		if len(line) < 2 {
			continue
		}
		keep := int(line[0] - '0')
		if line[0] >= 'a' {
			keep = int(line[0]-'a') + 10
		}
		end := len(line)
		var class enClass
		for line[end-1] >= 'A' && line[end-1] <= 'W' {
			end--
			class |= letters[line[end]]
		}
		word = append(word[:min(keep, len(word))], line[1:end]...)
		l.add(string(word), class)
	}
}

// group adds the words of one group of a table "group: word word ...". An
// underscore stands for a space.
func (l *enLexicon) group(table, name string, class enClass) {
	for line := range strings.Lines(table) {
		rest, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		for word := range strings.FieldsSeq(rest) {
			l.add(strings.ReplaceAll(word, "_", " "), class)
		}
	}
}

// enGroups names the groups of en_keywords.txt.
func enGroups() map[string]enClass {
	return map[string]enClass{
		"title": enTitle, "credential": enCredential, "month": enMonth, "weekday": enWeekday,
		"holiday": enHoliday, "street": enStreet, "street-head": enStreetHead, "unit": enUnit,
		"org-tail": enOrgTail, "generic": enGeneric, "relative": enRelative, "label": enLabel,
		"eponym-noun": enEponymNoun, "verb": enVerb, "function": enFunction,
		"particle": enParticle, "state": enState, "in": enIn, "when": enWhen,
		"nationality": enNationality, "place": enPlace, "place-first": enPlaceFirst, "ordinary": enOrdinary, "medical": enMedic,
	}
}
