package classify

import "unicode/utf8"

// address looks for one that begins at token i: with a house number, with the
// name of a street, with a box, or after a label.
func (p *enPage) address(i int) {
	t := p.at(i)
	switch {
	case t.kind == enNumber || t.kind == enMixed && t.end-t.start < 7:
		p.houseFirst(i)
	case t.kind == enWord && t.proper():
		if !p.box(i) && !p.streetFirst(i) {
			p.cityState(i)
		}
	}
}

// houseFirst takes 12 Main Street, 4B N. Oak Ave Apt 7, 6750 Koskikatu 25.
func (p *enPage) houseFirst(i int) {
	t := p.at(i)
	if t.end-t.start > 6 || p.joinedBefore(i) || p.joinedAfter(i) || t.kind == enMixed && p.digits(i) == 0 || p.day(i) > 0 && p.at(i+1).is(enMonth) {
		return
	}
	end, sure := p.street(i + 1)
	if end == i+1 {
		return
	}
	if !sure {
		sure = p.addressed(i) || p.unitAt(end) || p.plausible(i, end)
		if !sure {
			return
		}
	}
	from := i
	if p.at(i-1).kind == enNumber && p.at(i).gap == enSpace && p.width(i-1) <= 6 && !p.at(i-1).used && !p.joinedBefore(i-1) && !p.sure {
		from-- // building and house number
	}
	if p.sign(from-1, '-') && p.at(from).gap == enTight && p.at(from-1).gap == enTight && p.at(from-2).kind == enNumber && p.width(from-2) <= 4 && !p.at(from-2).used {
		from -= 2 // 88-12 Corona Ave
	}
	if p.unitAt(from-3) && p.sign(from-2, '.') && p.at(from-1).kind == enNumber {
		from -= 3 // Apt. 675 62314 Mellemvej 32
	} else if p.unitAt(from-2) && p.at(from-1).kind == enNumber {
		from -= 2
	}
	p.take(from, p.rest(end), Address, 85, ByStructure)
}

// street reads the words of a street's name from token k and gives the token
// behind them; sure where one of them says that it is a street.
func (p *enPage) street(k int) (end int, sure bool) {
	start, names := k, 0
	for ; k < len(p.ts) && k < start+8; k++ {
		t := p.at(k)
		if t.used || k > start && t.gap >= enNewline || t.gap >= enBlank {
			break
		}
		switch {
		case t.kind == enNumber && names > 0 && p.width(k) <= 5 && !p.unitAt(k-1):
			if !p.measured(k + 1) {
				return k + 1, sure // Koskikatu 25
			}
		case t.kind == enMixed && p.width(k) < 6 && p.digits(k) > 0 && (k == start || names > 0): // 5th Avenue
			names++
			continue
		case t.kind == enWord && t.shape == enLower && t.is(enStreetHead) && names == 0 && (p.at(k+1).proper() || p.sign(k+1, '.') && p.at(k+2).proper() || p.at(k+1).is(enParticle) && p.at(k+2).proper()):
			sure = true // ul. Zamkowa, avenue de Provence
			names++
			continue
		case t.kind == enWord && t.shape == enLower && names > 0 && (t.class == 0 || t.end-t.start == 1) && (p.numeric(k+1) || p.at(k+1).proper() || p.sign(k+1, '.') && p.numeric(k+2)): // tér 19, põik 87
			sure = sure || t.is(enStreet)
			names++
			continue
		case t.kind == enWord && t.is(enStreet) && names > 0 && (t.proper() || p.width(k) > 2) && p.streetWord(k):
			names++
			if end := p.afterStreet(k); !p.moreStreet(end) {
				return end, true
			}
			sure = true
			continue
		case t.kind == enWord && t.is(enStreetHead) && t.proper() && t.shape != enInitial && (names == 0 || sure):
			sure, names = true, names+1
			continue
		case t.kind == enWord && (t.proper() || t.is(enParticle) && names > 0 && p.at(k+1).proper() || (t.is(enParticle) || p.word(k) == "of" || p.word(k) == "and") && p.at(k+1).kind == enWord && names > 0 && sure):
			if t.is(enUnit) && names > 0 && p.unitAt(k) {
				return k, sure
			}
			if t.shape != enInitial && t.is(enMedic|enTitle|enLabel|enMonth|enWeekday) && !t.is(enPerson) {
				return k, sure && names > 1
			}
			sure = sure || p.streetEnding(t)
			names++
			continue
		case t.kind == enPunct && (t.sign == '.' || t.sign == '-' || t.sign == '\'') && names > 0 && p.at(k+1).gap <= enSpace && (p.at(k+1).proper() || p.numeric(k+1) && t.sign == '.') && (t.gap == enTight && (p.width(k-1) <= 3 || p.at(k-1).is(enStreetHead)) || t.sign != '.'):
			names++
			continue
		}
		break
	}
	for k > start && p.at(k-1).kind == enPunct {
		k--
	}
	return k, sure
}

// streetWord says whether "St", "Dr", "Way" ... at k does end a street here.
func (p *enPage) streetWord(k int) bool {
	next := p.at(k + 1)
	switch p.word(k) {
	case "point", "view", "place", "court", "run", "pass", "station", "hill", "close", "walk", "park", "springs", "valley", "path", "way", "drive", "square", "ring", "field", "bend", "row", "u":
		return p.at(k).proper() && (next.kind != enWord || next.gap >= enNewline || next.proper() || next.is(enFunction))
	}
	return true
}

func (p *enPage) afterStreet(k int) int {
	k++
	if p.sign(k, '.') && p.at(k).gap == enTight {
		k++
	}
	switch p.word(k) { // Main St NW
	case "n", "s", "e", "w", "ne", "nw", "se", "sw", "north", "south", "east", "west":
		if p.at(k).proper() && p.at(k).gap == enSpace {
			k++
		}
	}
	if n := p.at(k); n.kind == enNumber && n.gap == enSpace && p.width(k) <= 4 && !p.measured(k+1) { // Street 42
		k++
	}
	return k
}

// moreStreet says whether a street's name goes on: Mill Road Street.
func (p *enPage) moreStreet(k int) bool {
	t := p.at(k)
	return t.kind == enWord && t.gap == enSpace && t.is(enStreet) && !t.is(enUnit) && t.proper() && p.width(k) > 2
}

// streetEnding says whether a word is a street's name by its ending.
func (p *enPage) streetEnding(t *enToken) bool {
	w := p.text[t.start:t.end]
	for _, tail := range enStreetTails {
		if len(w) > len(tail)+2 && enTail(w, tail) {
			return true
		}
	}
	return false
}

var enStreetTails = [...]string{
	"strasse", "stra\xc3\x9fe", "stra\xdfe", "straat", "gasse", "gatan", "gata", "gate", "gaten", "vej", "vejen", "vegen", "veien", "vagen", "katu", "laan", "plein",
	"steenweg", "singel", "gracht", "dreef", "allee", "platz", "damm", "utca", "tie", "kuja", "gade", "weg", "stien", "veg", "bakken", "stigen",
	"ul\xc3\xa9", "n\xc3\xa1m\xc4\x9bst\xc3\xad", "v\xc3\xa4gen", "\xc3\xa1lle",
}

// unitAt says whether a unit with its number stands at k: Apt. 4, Suite B.
func (p *enPage) unitAt(k int) bool {
	t := p.at(k)
	if t.kind != enWord || !t.is(enUnit) || !t.proper() && !p.addressed(k) {
		return false
	}
	k++
	for p.sign(k, '.') || p.sign(k, '#') {
		k++
	}
	n := p.at(k)
	return n.gap <= enSpace && (n.kind == enNumber || n.kind == enMixed || n.shape == enInitial && n.kind == enWord)
}

// addressed says whether words before token i announce an address.
func (p *enPage) addressed(i int) bool {
	for k := i - 1; k >= 0 && k >= i-4; k-- {
		switch p.word(k) {
		case "address", "addr", "lives", "living", "lived", "resides", "residing", "located", "moved", "live", "relocated", "residence", "deliver", "delivered", "send", "sent", "ship":
			return true
		case "corner":
			return true
		}
		if t := p.at(k); t.kind == enNumber {
			return false
		}
	}
	return false
}

// plausible judges "233 Erzsébet tér 19." and the like without any word for a
// street: the line holds nothing else, or a place follows.
func (p *enPage) plausible(i, end int) bool {
	if p.sure || p.at(i).used {
		return false
	}
	odd := false // a word that is none of ours
	for k := i + 1; k < end; k++ {
		t := p.at(k)
		if t.kind != enWord || t.is(enParticle) {
			continue
		}
		if t.is(enMedic|enTitle|enLabel|enMonth|enFunction|enGeneric) || p.medical(t) || t.shape == enUpper && !t.is(enPerson|enPlace) && p.width(k) < 6 {
			return false
		}
		odd = odd || !t.is(enOrdinary)
	}
	if !odd || p.at(i).gap == enTight {
		return false
	}
	alone := p.at(i).gap >= enNewline && (p.at(end).gap >= enNewline || p.sign(end, ','))
	number := p.at(end-1).kind == enNumber && p.width(i) <= 6
	return alone && p.width(i) >= 2 || number && (p.at(end).gap >= enNewline || p.at(end).proper() || p.sign(end, ',') || p.sign(end, '.'))
}

// rest takes what follows a street: unit, city, state, postal code, country.
func (p *enPage) rest(k int) int {
	lines, cities := 0, 0
	end := k
	for n := 0; n < 24 && k < len(p.ts); n++ {
		t := p.at(k)
		if t.used || t.gap >= enBlank && !(lines > 0 && t.is(enPlace) && p.zip(k+1) > k+1 && p.at(k+1).gap == enSpace) {
			break
		}
		if t.gap >= enNewline {
			if lines++; lines > 4 {
				break
			}
		}
		switch {
		case p.unitAt(k):
			k++
			for p.sign(k, '.') || p.sign(k, '#') {
				k++
			}
			k++
			end = k
		case t.kind == enPunct && (t.sign == ',' || t.sign == '.' && p.at(k+1).gap <= enNewline && t.gap == enTight && n == 0 || t.sign == '-' || t.sign == '>' || t.sign == '#' || t.sign == '^'):
			k++
		case p.sign(k, '(') && p.at(k+1).proper() && p.sign(k+2, ')') && cities > 0:
			k += 3
			end = k
		case t.kind == enNumber && p.width(k) <= 4 && (n == 0 && p.unitAt(k+1) || p.sign(k-1, ',') && p.at(k-1).gap >= enNewline && p.at(k+1).gap >= enNewline):
			k++
			end = k
		case t.kind == enNumber && p.zip(k) > k:
			k = p.zip(k)
			end = k
		case t.kind == enMixed && p.width(k) <= 4 && p.digits(k) > 0 && cities > 0: // B0J 2H0
			k++
			end = k
		case t.kind == enWord && t.is(enState) && t.shape == enUpper, t.kind == enWord && p.word(k) == "nan":
			k++
			end = k
			cities++
		case p.city(k) > k && cities < 5 && (t.gap < enNewline || p.ends(p.city(k))):
			cities++
			k = p.city(k)
			end = k
		default:
			return end
		}
	}
	return end
}

// ends says whether an address's line can end or go on at k, behind a city: a
// sentence that begins on the next line is none of it.
func (p *enPage) ends(k int) bool {
	t := p.at(k)
	return t.gap >= enNewline || p.sign(k, ',') || p.sign(k, '.') || p.sign(k, '(') || p.sign(k, '-') || t.kind == enNumber || t.kind == enWord && (t.is(enState) && t.shape == enUpper || p.numeric(k+1) && p.at(k+1).gap == enSpace)
}

// zip gives the token behind a postal code at k: 02139-4307, 340 12, 53-320.
func (p *enPage) zip(k int) int {
	w := p.width(k)
	if p.at(k).kind != enNumber || w < 2 || w > 6 || p.measured(k+1) {
		return k
	}
	if p.sign(k+1, '-') && p.at(k+1).gap == enTight && p.at(k+2).gap == enTight && p.at(k+2).kind == enNumber && p.width(k+2) <= 4 {
		return k + 3
	}
	if w == 3 && p.at(k+1).kind == enNumber && p.width(k+1) == 2 && p.at(k+1).gap == enSpace {
		return k + 2
	}
	if w == 4 && p.at(k+1).kind == enWord && p.at(k+1).shape == enUpper && p.width(k+1) == 2 && p.at(k+1).gap == enSpace { // 7412 SL
		return k + 2
	}
	if w < 4 && p.at(k).gap < enNewline {
		return k
	}
	return k + 1
}

// city gives the token behind a city's or country's name at k: words with
// capitals, the small words between them, a bracket behind.
func (p *enPage) city(k int) int {
	start := k
	for k < len(p.ts) && k < start+6 {
		t := p.at(k)
		if t.used || t.kind != enWord || k > start && t.gap >= enNewline {
			break
		}
		small := k > start && t.shape == enLower && p.at(k+1).kind == enWord && p.at(k+1).gap == enSpace && (t.is(enParticle|enFunction) || p.width(k) < 5) && p.at(k+1).proper()
		if !small && (!t.proper() || t.is(enLabel|enTitle|enMonth|enWeekday|enMedic) && !t.is(enPlace|enPerson) || t.is(enFunction) && !t.is(enPlace|enPlaceFirst|enState) || p.sign(k+1, ':')) {
			break
		}
		k++
		if p.sign(k, '-') && p.at(k).gap == enTight && p.at(k+1).gap == enTight && p.at(k+1).kind == enWord || p.sign(k, '.') && p.at(k).gap == enTight && p.width(k-1) <= 3 && p.at(k+1).proper() && p.at(k+1).gap == enSpace {
			k++
		}
		if p.at(k - 1).owns {
			break
		}
	}
	return k
}

// box takes P.O. Box 12, PSC 3294, Box 9168, Unit 7349 Box 6067.
func (p *enPage) box(i int) bool {
	k := i
	switch p.word(i) {
	case "p":
		if !p.sign(k+1, '.') || p.word(k+2) != "o" {
			return false
		}
		k += 3
		if p.sign(k, '.') {
			k++
		}
	case "po", "postbox", "psc", "unit", "cmr", "postfach":
		k++
	case "box":
	default:
		return false
	}
	if p.word(k) == "box" {
		k++
	} else if k == i || p.word(i) == "po" || p.word(i) == "p" {
		return false
	}
	if n := p.at(k); n.kind != enNumber && n.kind != enMixed || n.gap >= enNewline || p.width(k) > 6 || p.digits(k) == 0 {
		return false
	}
	k++
	if p.word(i) == "unit" && p.word(k) != "box" || p.word(i) == "box" {
		return false
	}
	j := k
	if p.sign(j, ',') {
		j++
	}
	if p.word(j) == "box" && p.at(j+1).kind == enNumber {
		k = j + 2
	}
	for w := p.word(k); p.at(k).shape == enUpper && (w == "apo" || w == "fpo" || w == "dpo"); w = p.word(k) {
		k++
	}
	p.take(i, p.rest(k), Address, 88, ByStructure)
	return true
}

// streetFirst takes Mellemvej 32, Rue de Virton 38, Main Street 4 and, with
// words around that say so, bare streets.
func (p *enPage) streetFirst(i int) bool {
	t := p.at(i)
	if t.is(enStreetHead) && t.shape != enInitial && !t.is(enFunction) || p.streetEnding(t) && !t.is(enOrdinary) {
		end, sure := p.street(i)
		if !sure || end == i {
			return false
		}
		last := p.at(end - 1)
		number := last.kind == enNumber || last.kind == enMixed
		if !number && !p.addressed(i) && (t.is(enOrdinary) || p.at(i-1).kind == enNumber) {
			return false
		}
		if !number && end == i+1 && !p.addressed(i) || t.is(enOrdinary|enFunction) && end == i+1 {
			return false
		}
		p.take(i, p.rest(end), Address, 78, ByStructure)
		return true
	}
	if !p.addressed(i) || t.opens && !p.sign(i-1, ':') || p.sure && !p.sign(i-1, ':') {
		return false
	}
	end, sure := p.street(i)
	if !sure && (end == i || p.at(end-1).kind != enNumber) {
		return false
	}
	p.take(i, p.rest(end), Address, 75, ByLabel)
	return true
}

// cityState takes Springfield, IL 62704, and Boston MA.
func (p *enPage) cityState(i int) {
	t := p.at(i)
	if t.is(enFunction|enLabel|enTitle|enMedic|enMonth) && !t.is(enPlace|enPlaceFirst) || p.at(i-1).proper() && p.at(i).gap == enSpace && !p.at(i-1).used && !p.at(i-1).opens {
		return
	}
	k := p.city(i)
	if k == i {
		return
	}
	comma := p.sign(k, ',')
	if comma {
		k++
	} else if last := p.at(k - 1); last.is(enState) && last.shape == enUpper && p.width(k-1) == 2 && k-i >= 2 {
		k-- // Boston MA 02139
	}
	s := p.at(k)
	if s.kind != enWord || s.gap >= enNewline || !s.is(enState) && !s.is(enPlace) || s.shape == enLower {
		return
	}
	zip := p.zip(k+1) > k+1 && p.width(k+1) == 5 && p.at(k+1).gap == enSpace
	known := p.placed(i, k) || p.at(i).is(enPlace|enPlaceFirst)
	if s.is(enCredential) && !zip && (!known || !p.at(i-1).is(enIn)) && (!p.placed(i, k) && !comma || p.word(k) == "md" || p.word(k) == "do" || p.word(k) == "pa") {
		return // a doctor, not a town in Maryland
	}
	switch {
	case s.is(enState) && s.shape == enUpper && p.width(k) == 2 && (zip || comma && (known || !s.is(enCredential|enMedic)) && !t.shouts || known && !t.shouts && !s.is(enMedic|enCredential)):
	case s.is(enPlace) && comma && known && !s.is(enPerson):
	default:
		return
	}
	end := k + 1
	if zip {
		end = p.zip(k + 1)
	}
	p.take(i, end, Address, 82, ByStructure)
}

// corners takes "the corner of Oak Street and Elm".
func (p *enPage) corners() {
	for i := range p.ts {
		if p.ts[i].shape != enLower || p.word(i) != "corner" || p.word(i+1) != "of" {
			continue
		}
		k := p.corner(i + 2)
		if k == i+2 || p.word(k) != "and" {
			continue
		}
		if end := p.corner(k + 1); end > k+1 {
			from := i
			if p.word(i-1) == "the" {
				from--
			}
			p.take(from, end, Address, 80, ByLabel)
		}
	}
}

// corner reads one street of a corner.
func (p *enPage) corner(k int) int {
	start := k
	for k < len(p.ts) && k < start+7 && p.at(k).gap < enNewline {
		t := p.at(k)
		word := t.kind == enWord && (t.proper() || t.is(enParticle|enStreetHead|enStreet) || t.class == 0) || t.kind == enNumber && p.width(k) < 6
		dot := t.kind == enPunct && (t.sign == '.' || t.sign == '-') && t.gap == enTight && k > start
		if !word && !dot {
			break
		}
		k++
	}
	if k > start && p.sign(k-1, '.') && p.at(k).gap >= enNewline {
		k--
	}
	return k
}

// placed says whether the words from a to before b are a known place.
func (p *enPage) placed(a, b int) bool {
	if b <= a || b > len(p.ts) {
		return false
	}
	if b == a+1 {
		return p.at(a).is(enPlace)
	}
	h := p.at(a).hash
	for k := a + 1; k < b; k++ {
		t := p.at(k)
		if t.kind != enWord {
			continue
		}
		h = (h ^ ' ') * enPrime
		for i := t.start; i < t.end; {
			c, n := utf8.DecodeRune(p.text[i:t.end])
			if c < utf8.RuneSelf {
				if c >= 'A' && c <= 'Z' {
					c |= 0x20
				}
				h = (h ^ uint64(c)) * enPrime
			} else {
				h = p.read.fold(h, c)
			}
			i += n
		}
	}
	return p.read.words.of(h)&enPlace != 0
}

// place takes cities, counties, states and countries.
func (p *enPage) place(i int) {
	t := p.at(i)
	if t.used || t.kind != enWord || t.amid || !t.proper() && !p.smallPlace(i) {
		return
	}
	if t.is(enPlaceFirst) {
		for n := 4; n >= 2; n-- {
			if i+n <= len(p.ts) && p.tidy(i, i+n) && p.placed(i, i+n) {
				p.take(i, i+n, Address, 65, ByLexicon)
				return
			}
		}
	}
	if p.sign(i+1, '-') && p.at(i+1).gap == enTight && p.at(i+2).proper() || p.sign(i-1, '-') && t.gap == enTight || p.at(i+1).is(enEponymNoun) && p.at(i+1).shape == enLower {
		return
	}
	led := p.led(i)
	switch {
	case t.shape == enInitial || t.is(enMedic|enNationality|enGeneric) || t.titled || t.is(enFunction) && t.shape != enCap:
		return
	case t.shape == enUpper:
		if !(t.is(enPlace) && p.width(i) >= 4 && (led || !t.shouts)) && !(led && !t.shouts && p.width(i) >= 5 && !t.is(enOrdinary) && !p.medical(t)) {
			return
		}
	case t.is(enPlace) && !(t.mixed && t.end-t.start < 6):
		if t.is(enOrdinary) && (!led || t.is(enMonth|enStreet|enTitle)) || t.opens && !led && t.is(enOrdinary|enEponym) || t.is(enEponym) && !led {
			return
		}
	default:
		return
	}
	if t.is(enOrdinary) && t.shape == enUpper {
		return
	}
	end := i + 1
	for led && t.is(enOrdinary) && end < i+3 && p.at(end).shape == enCap && p.at(end).gap == enSpace && !p.at(end).used && !p.at(end).is(enMedic|enMonth|enFunction|enVerb) {
		end++ // resident of Pine Crest
	}
	p.take(i, p.coded(end), Address, 60, ByLexicon)
}

// led says whether a word of places stands before token i: in, from, at.
func (p *enPage) led(i int) bool {
	before := p.at(i - 1)
	return before.kind == enWord && before.is(enIn) && (before.shape == enLower || before.shouts) && p.at(i).gap == enSpace
}

// coded takes the postal code behind a place: Bjert 6091.
func (p *enPage) coded(k int) int {
	t := p.at(k)
	if t.used || t.kind != enNumber || t.gap != enSpace || p.joinedAfter(k) || p.measured(k+1) {
		return k
	}
	if w := p.width(k); w == 5 || w == 4 && !enYear(p.value(k), 4) {
		return k + 1
	}
	return k
}

// tidy says whether tokens stand in one line with single spaces, none taken.
func (p *enPage) tidy(a, b int) bool {
	for k := a; k < b; k++ {
		t := p.at(k)
		if t.used || t.kind != enWord && !p.sign(k, '.') && !p.sign(k, '-') || k > a && t.gap >= enNewline {
			return false
		}
	}
	last := p.at(b - 1)
	return last.proper() || p.tiny
}
