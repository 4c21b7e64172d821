// Package classify finds patient data: in text, in files of the formats
// hospitals use, in archives within archives, in columns of databases. It
// gives the [Engine], which reads text once and answers with spans; the
// [Inspector], which opens a file by its structure, hands each part to the
// engine and answers with findings; and the levels of GB/T 39725 and the
// categories of HIPAA for each of them.
//
// What it guarantees. A span is what its kind's structure, check digits and
// surroundings say it is, found in one pass whose time grows with the length
// of the text and with nothing else; two spans never overlap. Content that
// cannot be read becomes a finding that says why, and the rest is read. No
// value leaves the package in clear: findings carry a masked form and a keyed
// token. What it does not do: it does not move, change or delete what it
// reads, and it does not decide who may have it.
package classify

// Span is a piece of text and what it is.
type Span struct {
	// Start and End are offsets in bytes of the text given to the engine.
	Start, End int
	Kind       Kind
	// Confidence is 1 to 99, in percent: how sure the engine is.
	Confidence uint8
	Reason     Reason
}

// Reason is why a span was found.
type Reason uint8

// The reasons, from the strongest.
const (
	NoReason    Reason = iota
	ByCheck            // check digits and everything its structure demands
	ByField            // the format says so: PID-5, (0010,0010), a column
	ByLabel            // a label before it
	ByTitle            // a title or role beside it
	ByIndex            // the hospital's own patient index
	ByLexicon          // known words
	ByStructure        // its form alone
	ByRule             // a rule of the hospital
)

// String is the reason's stable name, as findings have it.
func (r Reason) String() string {
	names := [...]string{"", "check", "field", "label", "title", "index", "lexicon", "structure", "rule"}
	if int(r) < len(names) {
		return names[r]
	}
	return ""
}

// Mode is how much is looked for.
type Mode uint8

const (
	// Discover is precision first: what scans and gateways warn about.
	Discover Mode = iota
	// Redact is recall first: what de-identification takes out. It also finds
	// names without a label, dates, and whatever else the HIPAA list names.
	Redact
)

// recogniser finds what needs words around it: names, addresses, labelled
// numbers. The engine's one pass carries the cues of all recognisers in one
// table and calls near where it passes one.
type recogniser interface {
	// cues are words in UTF-8; those in ASCII are met in any case and as whole
	// words. The order is the cue's number in near.
	cues() []string
	// near appends the spans found around the cue text[at:end]. It looks at no
	// more than [reach] bytes to either side.
	near(dst []Span, text []byte, at, end, cue int) []Span
	// all appends whatever it finds anywhere, cues or not, for [Redact].
	all(dst []Span, text []byte) []Span
}

// thorough is a recogniser whose all finds whatever its near does, and more of
// each: where both are called the shorter would only be in the way.
type thorough interface {
	recogniser
	thorough()
}

// reach is how far, in bytes, a recogniser may look beyond its cue, and so how
// much of a chunk is seen again with the next.
const reach = 512
