package classify

import (
	"fmt"
	"sync"
)

// english finds names, addresses, dates, ages and organisations in text of
// Latin letters. What it knows stands in three tables: a lexicon (names and
// places with their sources in en_sources.md), words of medicine that only
// look like names, and words that say something about their neighbours.
//
// In Discover it looks behind titles and labels alone. In Redact it reads all
// words: a word with a capital that is no ordinary word, no word of medicine
// and does not merely begin a sentence is taken for a name, and the parts of a
// name that is certain are found again wherever they stand.
type english struct {
	read enReader
	pool sync.Pool // of *enPage
}

var _ thorough = (*english)(nil)

func (*english) thorough() {}

// enTables are read once for all engines of the process.
var enTables = sync.OnceValue(func() enReader {
	words, err := newEnLexicon()
	if err != nil {
		panic(fmt.Sprintf("the embedded lexicon is damaged: %v", err)) // a broken build
	}
	return enReader{words: words, folds: newEnFolds()}
})

func newEnglish() *english {
	e := &english{read: enTables()}
	e.pool.New = func() any {
		return &enPage{read: &e.read, known: map[uint64]bool{}, none: enToken{kind: enOther, gap: enBlank}}
	}
	return e
}

// enMaxKnown bounds the names remembered of one text.
const enMaxKnown = 20_000

// enPage is a stretch of text cut into tokens, and what is known so far.
type enPage struct {
	read  *enReader
	text  []byte
	ts    []enToken
	small []byte
	lower string // the stretch from from on, ASCII in lower case
	from  int
	out   []Span
	known map[uint64]bool // hashes of parts of certain names
	tiny  bool            // the text has no capitals
	sure  bool            // precision first
	none  enToken         // stands for what is not there
}

// all reads a text. The engine gives it in blocks, so that the tokens of one
// fit into a few megabytes.
func (e *english) all(dst []Span, text []byte) []Span {
	p := e.pool.Get().(*enPage)
	defer e.pool.Put(p)
	clear(p.known)
	p.text, p.out, p.sure = text, dst, false
	p.open(0, len(text))
	p.everything()
	dst, p.out, p.text = p.out, nil, nil
	return dst
}

func (p *enPage) open(from, to int) {
	p.from, p.small = from, append(p.small[:0], p.text[from:to]...)
	for i, c := range p.small {
		if c >= 'A' && c <= 'Z' {
			p.small[i] = c | 0x20
		}
	}
	p.lower = string(p.small)
	p.ts = p.read.tokens(p.ts[:0], p.text, from, to)
	p.tiny = enMark(p.ts)
	p.bind()
}

// bind leaves to others what is part of a mail address, a link or a path.
func (p *enPage) bind() {
	done := 0 // whatever hangs together with what is before it was seen
	for i := range p.ts {
		if p.ts[i].kind != enPunct || i < done {
			continue
		}
		switch {
		case p.sign(i, '@'), p.sign(i, '/') && p.sign(i+1, '/') && p.at(i+1).gap == enTight, p.sign(i, '\\') && p.at(i).gap == enTight && p.at(i+1).gap == enTight && p.at(i+1).kind != enPunct:
		default:
			continue
		}
		first := max(done, 1)
		for done = i; done < len(p.ts) && (done == i || p.ts[done].gap == enTight) && !p.sign(done, ',') && !p.sign(done, ';'); done++ {
			p.ts[done].used = true
		}
		for k := i; k >= first && p.ts[k].gap == enTight && !p.sign(k-1, '(') && !p.sign(k-1, '"'); k-- {
			p.ts[k-1].used = true
		}
	}
}

// everything runs the finders, the surest first: what one has taken the next
// leave alone.
func (p *enPage) everything() {
	for i := range p.ts {
		if t := &p.ts[i]; !t.amid || t.kind != enNumber || !p.hanNumber(i) {
			p.number(i)
		}
	}
	p.corners()
	for i := range p.ts {
		if !p.ts[i].used {
			p.address(i)
		}
	}
	for i := range p.ts {
		p.plate(i)
		p.digitsOf(i)
	}
	for i := range p.ts {
		p.marked(i)
	}
	for i := range p.ts {
		if t := &p.ts[i]; p.tiny || t.shouts {
			p.smallHospital(i)
			p.organisation(i)
			p.smallCompany(i)
		} else {
			p.organisation(i)
		}
	}
	for i := 0; i < len(p.ts); {
		i = p.company(i)
	}
	for i := 0; i < len(p.ts); {
		i = p.name(i)
	}
	for i := range p.ts {
		p.place(i)
	}
	p.letterhead()
	for i := range p.ts {
		p.again(i)
	}
}

// take records the tokens from a to before b as one span.
func (p *enPage) take(a, b int, kind Kind, confidence uint8, why Reason) {
	for k := a; k < b; k++ {
		p.ts[k].used = true
	}
	p.out = append(p.out, Span{
		Start: p.ts[a].start, End: p.ts[b-1].end,
		Kind: kind, Confidence: confidence, Reason: why,
	})
}

// at is a token, or an empty one beyond the ends, so that looking around needs
// no care.
func (p *enPage) at(i int) *enToken {
	if i < 0 || i >= len(p.ts) {
		return &p.none
	}
	return &p.ts[i]
}

// sign says whether token i is this sign.
func (p *enPage) sign(i int, c byte) bool {
	t := p.at(i)
	return t.kind == enPunct && t.sign == c
}

// word is token i in lower case, as far as that is ASCII.
func (p *enPage) word(i int) string {
	if i < 0 || i >= len(p.ts) {
		return ""
	}
	return p.lower[p.ts[i].start-p.from : p.ts[i].end-p.from]
}

// digits counts those of token i.
func (p *enPage) digits(i int) int {
	t, n := p.at(i), 0
	for _, c := range p.text[t.start:t.end] {
		if c >= '0' && c <= '9' {
			n++
		}
	}
	return n
}

// cues are the titles and labels a name, address or birth date stands behind.
func (e *english) cues() []string {
	return []string{
		"mr", "mrs", "ms", "dr", "miss", "prof", "professor", "doctor",
		"patient", "patient name", "name", "attending", "physician", "provider", "surgeon",
		"referring", "dictated by", "signed by", "attending physician", "pcp", "radiologist",
		"guarantor", "emergency contact", "next of kin",
		"address", "lives at", "resides at", "home address", "mailing address",
		"dob", "date of birth", "birth date", "born", "aged", "age", "year-old", "years old", "yo", "y/o",
	}
}

// near reads the surroundings of a cue.
func (e *english) near(dst []Span, text []byte, at, end, _ int) []Span {
	p := e.pool.Get().(*enPage)
	defer e.pool.Put(p)
	clear(p.known)
	from, to := enAround(text, at, end)
	p.text, p.out, p.sure = text, dst, true
	p.open(from, to)
	for i := range p.ts {
		if t := &p.ts[i]; t.start >= at && t.start < end {
			p.cue(i)
		}
	}
	for i := range p.ts {
		p.number(i)
	}
	for i := range p.ts {
		if !p.ts[i].used && p.ts[i].start >= end {
			p.address(i)
		}
	}
	dst, p.out, p.text = p.out, nil, nil
	return dst
}

// enAround is the stretch a cue speaks of: some words before it, for ages and
// credentials, and the lines after it.
func enAround(text []byte, at, end int) (from, to int) {
	from, to = max(0, at-24), min(len(text), end+240)
	for from < at && from > 0 && text[from-1] > ' ' {
		from++
	}
	for to < len(text) && to > end+200 && text[to-1] > ' ' {
		to--
	}
	return from, to
}

// cue looks for the name that a title or label at token i announces.
func (p *enPage) cue(i int) {
	t := p.at(i)
	switch {
	case t.is(enTitle) && t.proper():
		p.titled(i)
	case t.is(enLabel) || p.word(i) == "by":
		p.labelled(i)
	}
}
