package classify

// digitsOf looks for numbers that identify somebody and that no table of
// labelled or checked numbers knows: recall first. A number of six digits or
// more in a note is an identifier unless it is written as a measure.
func (p *enPage) digitsOf(i int) {
	if p.at(i).used || !p.numeric(i) || p.at(i).gap == enTight && i > 0 && p.numeric(i-1) || p.amidHan(i) {
		return
	}
	end, digits, groups, spaced := p.group(i)
	if p.extension(i) {
		p.take(i, i+1, Phone, 70, ByStructure)
		return
	}
	if t := p.at(i); digits < 4 && digits >= 2 && t.kind == enMixed && t.end-t.start >= 5 && p.numbered(i) {
		p.take(i, end, Unique, 50, ByLabel)
		return
	}
	if digits < 4 || p.measure(i, end) || p.shift(i, end) {
		return
	}
	switch {
	case p.called(i) && digits >= 4 && digits <= 16:
		p.take(p.opened(i), end, Phone, 70, ByLabel)
	case spaced && (digits < 7 || digits > 16 || !p.phoneLike(i, groups)):
		p.tightOnly(i)
	case spaced:
		p.take(min(p.opened(i), p.prefixed(i)), end, Phone, 55, ByStructure)
	case digits >= 12 && digits <= 19 && p.at(i).kind == enNumber && end == i+1:
		p.take(i, end, BankCard, 55, ByStructure)
	case digits >= 6 || groups >= 3 && digits >= 5:
		p.take(p.prefixed(i), end, Unique, 50, ByStructure)
	case digits == 5 && end == i+1 && p.at(i).kind == enNumber && p.text[p.at(i).end-1] != '0':
		p.take(i, end, Unique, 45, ByStructure)
	case digits >= 4 && end == i+1 && (p.signature(i) || p.at(i-1).used && p.numeric(i-1) && p.at(i).gap == enSpace):
		p.take(i, end, Unique, 45, ByStructure)
	case p.numbered(i):
		p.take(p.prefixed(i), end, Unique, 55, ByLabel)
	}
}

// amidHan says whether Chinese is written around token i, where numbers are
// results and measures far oftener than codes, and codes have labels.
func (p *enPage) amidHan(i int) bool {
	t := p.at(i)
	for k := max(0, t.start-48); k < min(len(p.text), t.end+48); k++ {
		if c := p.text[k]; c >= 0xE4 && c <= 0xE9 {
			return true
		}
	}
	return false
}

// tightOnly looks again without the groups behind spaces.
func (p *enPage) tightOnly(i int) {
	end, digits := i, 0
	for k := i; k == i || p.at(k).gap == enTight && (p.numeric(k) || p.joint(k)); k++ {
		if p.numeric(k) {
			digits += p.digits(k)
			end = k + 1
		}
	}
	if (digits >= 6 || digits >= 4 && p.numbered(i)) && !p.measure(i, end) {
		p.take(p.prefixed(i), end, Unique, 50, ByStructure)
	}
}

// signature says whether a line holds nothing but initials and a number.
func (p *enPage) signature(i int) bool {
	initials := p.at(i - 1)
	return initials.gap >= enNewline && initials.kind == enWord && initials.shape == enUpper && p.width(i-1) <= 3 && p.at(i+1).gap >= enNewline
}

// plate takes what follows the word plate: 422 QYS, 7ABC123.
func (p *enPage) plate(i int) {
	switch p.word(i) {
	case "plate", "plates", "tag":
	default:
		return
	}
	k := i + 1
	for n := 0; n < 3 && (p.sign(k, ':') || p.sign(k, '#') || p.word(k) == "number" || p.word(k) == "no" || p.word(k) == "is" || p.sign(k, '.')); n++ {
		k++
	}
	from, digits := k, 0
	for k < from+3 && p.at(k).gap < enNewline && !p.at(k).used && (p.numeric(k) || p.at(k).kind == enWord && (p.at(k).shape >= enUpper || p.tiny && !p.at(k).is(enFunction|enVerb|enOrdinary)) && p.width(k) <= 4 || p.sign(k, '-') && k > from) {
		digits += p.digits(k)
		k++
	}
	if digits >= 2 {
		p.take(from, k, Plate, 75, ByLabel)
	}
}

// extension is x1234.
func (p *enPage) extension(i int) bool {
	t := p.at(i)
	return t.kind == enMixed && p.text[t.start]|0x20 == 'x' && p.digits(i) == t.end-t.start-1 && p.digits(i) >= 3 && p.digits(i) <= 6
}

// shift says whether numbers are the hours of a shift (0700-1900) or a row of
// small results (7.38/42/88).
func (p *enPage) shift(i, end int) bool {
	if end == i+3 && p.sign(i+1, '/') && p.at(i).kind == enNumber && p.at(i+2).kind == enNumber && p.width(i) <= 4 && p.width(i+2) <= 4 {
		return !p.called(i) && !p.numbered(i)
	}
	if end == i+3 && p.sign(i+1, '-') && p.width(i) == 4 && p.width(i+2) == 4 && p.value(i) >= 0 && p.value(i) <= 2400 && p.value(i+2) <= 2400 && p.value(i)%100 < 60 && p.value(i+2)%100 < 60 {
		return !p.called(i) && !p.numbered(i)
	}
	if end == i+7 && p.sign(i+3, '-') && p.sign(i+1, '.') && p.sign(i+5, '.') && p.width(i) <= 3 && p.width(i+4) <= 3 && p.width(i+6) <= 2 {
		return !p.called(i) && !p.numbered(i) // 12.0-16.0
	}
	slashes := 0
	for k := i; k < end; k++ {
		if p.numeric(k) && (p.width(k) > 3 || p.at(k).kind != enNumber) {
			return false
		}
		if p.sign(k, '/') {
			slashes++
		}
	}
	return slashes > 0
}

// prefixed takes the letters before a number with it: CT-55-788115.
func (p *enPage) prefixed(i int) int {
	if p.sign(i-1, '-') && p.at(i).gap == enTight && p.at(i-1).gap == enTight && !p.at(i-2).used {
		if t := p.at(i - 2); t.kind == enWord && (t.shape >= enUpper || p.tiny) && t.end-t.start <= 5 || t.kind == enMixed {
			return i - 2
		}
	}
	if t := p.at(i - 1); t.kind == enWord && !t.used && p.at(i).gap == enSpace && (t.shape >= enUpper || p.tiny) && !(t.is(enOrdinary|enFunction) && (t.shouts || p.tiny) && !t.is(enState)) && t.end-t.start <= 4 && p.numbered(i-1) {
		return i - 1 // Policy # XGH 4471 902
	}
	return i
}

func (p *enPage) numeric(k int) bool {
	t := p.at(k)
	return t.kind == enNumber || t.kind == enMixed
}

// joint says whether token k joins groups of a number: - / . ( ) +
func (p *enPage) joint(k int) bool {
	t := p.at(k)
	if t.kind != enPunct {
		return false
	}
	switch t.sign {
	case '-', '/', '.', ')', '(':
		return true
	}
	return false
}

// group reads groups of digits joined by signs and single spaces.
func (p *enPage) group(i int) (end, digits, groups int, spaced bool) {
	end = i
	for k := i; k < len(p.ts) && k < i+14; k++ {
		t := p.at(k)
		if k > i && t.gap >= enNewline {
			break
		}
		if p.numeric(k) && !t.used {
			if t.gap == enSpace && k > i {
				if !p.joint(k-1) && t.kind == enMixed || p.day(k) > 0 && p.at(k+1).is(enMonth) || p.sign(k-1, '.') || p.sign(k-1, '-') && p.at(k-1).gap == enSpace {
					break
				}
				spaced = true
			}
			digits += p.digits(k)
			groups++
			end = k + 1
			continue
		}
		if t.kind == enWord && t.gap == enTight && t.end-t.start <= 3 && t.shape >= enUpper && p.joint(k-1) && p.joint(k+1) && p.at(k+1).gap == enTight && p.numeric(k+2) && p.at(k+2).gap == enTight {
			continue // 00-S-90000
		}
		if !p.joint(k) || t.gap == enSpace && t.sign != '(' && t.sign != '-' || t.sign == '.' && p.at(k+1).gap != enTight || k == i {
			break
		}
	}
	return end, digits, groups, spaced
}

// opened takes a bracket or plus before a number with it.
func (p *enPage) opened(i int) int {
	for n := 0; n < 2 && i > 0 && p.at(i).gap == enTight && (p.sign(i-1, '+') || p.sign(i-1, '(')) && !p.at(i-1).used; n++ {
		i--
	}
	return i
}

// phoneLike says whether groups of digits with spaces read as a telephone
// number: the first begins with 0, + or a bracket, or all have two or more.
func (p *enPage) phoneLike(i, groups int) bool {
	if p.text[p.at(i).start] == '0' || p.sign(i-1, '+') && p.at(i).gap == enTight || p.sign(i-1, '(') && p.at(i).gap == enTight {
		return true
	}
	if groups < 2 || p.width(i) > 5 {
		return false
	}
	seen := 0
	for k := i; seen < groups; k++ {
		if p.numeric(k) {
			seen++
			if p.width(k) < 2 || p.at(k).kind != enNumber {
				return false
			}
		}
	}
	last := p.at(i - 1)
	return !(last.kind == enWord && p.scored(i-1))
}

// called says whether words before a number speak of telephones.
func (p *enPage) called(i int) bool {
	for k := i - 1; k >= 0 && k >= i-7; k-- {
		t := p.at(k)
		if t.kind == enNumber && k < i-1 {
			return false
		}
		switch p.word(k) {
		case "phone", "tel", "telephone", "call", "mobile", "cell", "fax", "pager", "beeper", "pgr", "ext", "extension", "x", "ph", "desk", "office", "contact", "reached", "dial", "page", "paged", "voicemail", "callback", "cellphone", "landline", "text", "ring", "phoned":
			return true
		}
		if t.gap >= enNewline && k < i-1 {
			return false
		}
	}
	return false
}

// numbered says whether a label of numbers stands before: #, No., ID, MRN.
func (p *enPage) numbered(i int) bool {
	k := i - 1
	for n := 0; n < 3 && (p.sign(k, ':') || p.sign(k, '#') || p.sign(k, '.') || p.sign(k, '-') || p.word(k) == "is"); n++ {
		if p.sign(k, '#') {
			return true
		}
		k--
	}
	switch p.word(k) {
	case "index", "batch", "no", "number", "num", "id", "mrn", "mr", "acct", "account", "accession", "encounter", "visit", "record", "chart", "unit", "case", "member", "policy", "group", "csn", "fin", "har", "zip", "zipcode", "code", "ssn", "license", "licence", "job", "specimen", "serial", "badge", "dictation", "document", "doc", "ref", "reference", "identifier", "pin", "passport", "ending", "username", "token", "mbi", "medicaid", "medicare", "permit", "claim", "order", "req", "requisition", "confirmation", "tracking", "lot":
		return true
	}
	return false
}

// measure says whether a number is an amount: with a unit, a decimal point, a
// comma of thousands, a currency or an operator beside it.
func (p *enPage) measure(i, end int) bool {
	if p.sign(i-1, '$') || p.sign(i-1, '<') || p.sign(i-1, '~') || p.sign(i-1, ',') && p.at(i).gap == enTight && p.numeric(i-2) && p.at(i-1).gap == enTight || p.sign(end, '%') {
		return true
	}
	if p.sign(end, ',') && p.at(end).gap == enTight && p.at(end+1).gap == enTight && p.at(end+1).kind == enNumber && p.width(end+1) == 3 && p.width(end-1) <= 3 {
		return true
	}
	if end == i+3 && p.sign(i+1, '.') && p.at(i).kind == enNumber && p.at(i+2).kind == enNumber {
		return true // 123.4567
	}
	if t := p.at(end); t.kind == enWord && t.gap <= enSpace && p.unit(end) {
		return true
	}
	return false
}

// unit says whether token k is a unit of measure.
func (p *enPage) unit(k int) bool {
	if p.measured(k) {
		return true
	}
	switch p.word(k) {
	case "g", "l", "dl", "mmol", "meq", "iu", "u", "bytes", "kb", "mb", "gb", "ms", "sec", "seconds", "mmhg", "bpm", "copies", "cells", "k", "hz", "minutes", "min", "ng", "pg", "umol", "lb", "cc", "ft", "feet", "dollars", "patients", "people", "participants", "cases":
		return true
	}
	return false
}
