package care

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// second is a time in seconds since 1970. Care is measured in hours; half the
// size of a millisecond is half the memory of the graph.
type second uint32

func seconds(ms int64) second {
	if ms <= 0 {
		return 0
	}
	return second(min(ms/1000, 1<<32-1))
}

func (s second) ms() int64 { return int64(s) * 1000 }

func (s second) before(d second) second {
	if d > s {
		return 0
	}
	return s - d
}

// word is the number of a string in the graph's [lexicon]: people,
// departments, wards, codes. 0 is the empty string.
type word uint32

// lexicon numbers the strings that many records share. Spellings differ only
// in case share a number; the first one seen is shown.
type lexicon struct {
	numbers map[string]word
	texts   []string
}

func newLexicon() *lexicon {
	return &lexicon{numbers: map[string]word{"": 0}, texts: []string{""}}
}

// add numbers a string.
func (l *lexicon) add(s string) word {
	if w, ok := l.numbers[s]; ok {
		return w
	}
	key := normal(s)
	w, ok := l.numbers[key]
	if !ok {
		w = word(len(l.texts))
		l.texts = append(l.texts, s)
		l.numbers[key] = w
	}
	if key != s {
		l.numbers[s] = w // so that the usual spelling is found at once
	}
	return w
}

// find is the number of a string, 0 if it has none.
func (l *lexicon) find(s string) word {
	if w, ok := l.numbers[s]; ok {
		return w
	}
	return l.numbers[normal(s)]
}

// normal is the form in which names are compared.
func normal(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

func (l *lexicon) text(w word) string { return l.texts[w] }

// words holds the strings only one record uses: visit and order numbers, ids
// of events. They stand one after the other, each behind its length; a ref is
// a position plus one, 0 the empty string.
type words []byte

type ref uint32

func (w *words) add(s string) ref {
	if s == "" {
		return 0
	}
	if r := w.find(s); r != 0 {
		return r
	}
	r := ref(len(*w)) + 1
	need := len(s) + binary.MaxVarintLen32
	if cap(*w)-len(*w) < need {
		grown := make(words, len(*w), len(*w)+need+len(*w)/4)
		copy(grown, *w)
		*w = grown
	}
	*w = binary.AppendUvarint(*w, uint64(len(s)))
	*w = append(*w, s...)
	return r
}

func (w words) find(s string) ref {
	for i := 0; i < len(w); {
		n, size := binary.Uvarint(w[i:])
		if int(n) == len(s) && string(w[i+size:i+size+int(n)]) == s {
			return ref(i) + 1
		}
		i += size + int(n)
	}
	return 0
}

func (w words) bytes(r ref) []byte {
	if r == 0 {
		return nil
	}
	n, size := binary.Uvarint(w[r-1:])
	return w[int(r)-1+size : int(r)-1+size+int(n)]
}

func (w words) text(r ref) string { return string(w.bytes(r)) }

// factCode is a fact kind in a byte.
type factCode uint8

// factKinds is the order of the codes in stored records: add at the end.
var factKinds = [...]ocsf.FactKind{
	"", ocsf.FactEncounter, ocsf.FactLocation, ocsf.FactAttending, ocsf.FactReferring, ocsf.FactConsulting,
	ocsf.FactAdmitting, ocsf.FactRegistrar, ocsf.FactOrder, ocsf.FactPerformer, ocsf.FactAppointment,
	ocsf.FactReferral, ocsf.FactDocument, ocsf.FactBilling, ocsf.FactCareTeam, ocsf.FactDiagnosis,
	ocsf.FactSensitivity, ocsf.FactDemographics, ocsf.FactKin, ocsf.FactMerge, ocsf.FactAlias,
}

const (
	codeEncounter   factCode = 1
	codeLocation    factCode = 2
	codeAttending   factCode = 3
	codeOrder       factCode = 8
	codePerformer   factCode = 9
	codeAppointment factCode = 10
	codeReferral    factCode = 11
	codeDocument    factCode = 12
	codeDiagnosis   factCode = 15
	codeSensitivity factCode = 16
)

func codeOf(kind ocsf.FactKind) factCode {
	if i := slices.Index(factKinds[:], kind); i > 0 {
		return factCode(i)
	}
	return 0
}

// edge is one relation of a patient: to a person, a place, a visit or a code.
// Statements about it may come in any order; the fields are such that the
// order does not matter.
type edge struct {
	// from and until bound the relation as stated; 0 is not stated.
	from, until second
	// first and last are when it was seen to hold. For a place they decide
	// between stays, because messages repeat the time of admission.
	first, last second
	// said is the latest statement, denied the latest retraction; it holds
	// while said is later. ended is the statement until stems from.
	said, denied, ended second
	// source is when src was said: the earliest statement is the one shown.
	source second

	person, dept word
	what         word // the ward of a location, else the code
	enc, id, src ref

	kind factCode
	mark mark
}

// mark tells graves from relations: a grave keeps a retraction, for a
// statement that is still on its way.
type mark uint8

const (
	isRelation mark = iota
	isGrave         // everything that matches is retracted up to denied
	isGraveEnd      // the visit's end is retracted up to denied
	isMoved         // the visit belongs to patient id (A45)
)

func (e *edge) alive() bool { return e.mark == isRelation && e.said > e.denied }

// token is a keyed token of the patient (role 0) or of somebody near them.
type token struct {
	role word // NK1, GT1, IN1
	kind word // phone, address, ...
	text ref
	said second
}

// link says that this number gave way to another (merge) or is another number
// of the same patient (alias).
type link struct {
	to           string
	said, denied second
	src          ref
}

func (l *link) alive() bool { return l.said > l.denied }

// lesson is a pair of department and diagnosis this patient already taught.
type lesson struct{ dept, code word }

// record is all that is known under one patient number. Numbers of the same
// patient form a group; their records stay apart, so that a merge may come
// before what it merges, and may be undone.
type record struct {
	id      string
	edges   []edge
	words   words
	tokens  []token
	links   []link
	lessons []lesson
	group   *group // nil while the number is alone
	views   views
}

// group is the set of records of one patient.
type group struct {
	members []*record // by id
	primary *record   // the surviving number
}

func (r *record) primary() *record {
	if r.group == nil {
		return r
	}
	return r.group.primary
}

// addEdge grows the list sparingly: there are millions of edges.
func (r *record) addEdge(e edge) {
	if len(r.edges) == cap(r.edges) {
		grown := make([]edge, len(r.edges), len(r.edges)+max(2, len(r.edges)/4))
		copy(grown, r.edges)
		r.edges = grown
	}
	r.edges = append(r.edges, e)
}

// visit finds the encounter of an edge.
func (r *record) visit(enc ref) *edge {
	if enc == 0 {
		return nil
	}
	for i := range r.edges {
		if e := &r.edges[i]; e.kind == codeEncounter && e.enc == enc && e.alive() {
			return e
		}
	}
	return nil
}
