package classify

// codeBehind takes what stands in one piece, of letters and digits, behind a label
// with a word for number, and the short groups of digits behind it: MyChart ID
// jo.hansen88, Policy No. BCBS-XJ88 1209 33.
func (p *enPage) codeBehind(i int, kind Kind) {
	k := p.afterMarks(i + 1)
	if k == i+1 || k >= len(p.ts) || p.at(k).kind == enPunct || p.at(k).gap >= enNewline {
		return
	}
	end, digits, letters := k, 0, 0
	for end < min(k+8, len(p.ts)) && (end == k || p.at(end).gap == enTight) && p.ofCode(end) {
		digits += p.digits(end)
		letters += p.width(end) - p.digits(end)
		end++
	}
	if digits < 2 || letters < 2 || digits+letters > 32 {
		return
	}
	for n := 0; n < 3 && p.at(end).kind == enNumber && p.at(end).gap == enSpace && !p.at(end).used && p.width(end) >= 2 && p.width(end) <= 6 && !p.dated(end+1); n++ {
		end++
	}
	p.take(k, end, kind, 70, ByLabel)
}

// ofCode says whether token k is of a code: letters and digits, or a sign
// between two of these.
func (p *enPage) ofCode(k int) bool {
	t, next := p.at(k), p.at(k+1)
	switch t.kind {
	case enWord, enNumber, enMixed:
		return !t.used
	case enPunct:
		return (t.sign == '.' || t.sign == '-' || t.sign == '_') && next.gap == enTight && next.kind != enPunct && next.kind != enOther && k+1 < len(p.ts)
	}
	return false
}

// dated says whether a sign of dates stands at k, tight.
func (p *enPage) dated(k int) bool { return p.dash(k) != 0 && p.at(k+1).gap == enTight }

// lastFour takes the end of a number: SSN last four 6604.
func (p *enPage) lastFour(i int) {
	k := p.afterMarks(i + 1)
	if w := p.word(k + 1); p.word(k) != "last" || w != "four" && w != "4" {
		return
	}
	k += 2
	if p.word(k) == "digits" {
		k++
	}
	k = p.afterMarks(k)
	if t := p.at(k); t.kind == enNumber && !t.used && t.gap < enNewline && p.width(k) == 4 {
		p.take(k, k+1, SSN, 80, ByLabel)
	}
}
