package classify

// organisation takes hospitals, companies and schools whose last word says so,
// token i being it: St. Mary's Hospital, Mercy Medical Center, Aunt Bertha Inc.
func (p *enPage) organisation(i int) {
	t := p.at(i)
	if t.used || t.kind != enWord || !t.proper() || !t.is(enOrgTail) || p.sure {
		return
	}
	if w := p.word(i); w == "home" && p.word(i-1) != "nursing" && p.word(i-1) != "care" && p.word(i-1) != "group" && p.word(i-1) != "rest" && p.word(i-1) != "funeral" || w == "memorial" && p.at(i+1).proper() && p.at(i+1).gap == enSpace {
		return
	}
	for k := i + 1; k < i+4 && p.at(k).proper() && p.at(k).gap == enSpace; k++ {
		if p.at(k).is(enOrgTail) {
			return // Sunrise Manor Nursing Home ends later
		}
	}
	from := p.orgStart(i)
	if from == i || !p.particular(from, i) {
		p.universityOf(i)
		return
	}
	if from > 1 && p.sign(from-1, '-') && p.at(from).gap == enTight && p.at(from-2).proper() && !p.at(from-2).used {
		from -= 2
	}
	if next := p.at(i + 1); next.proper() && next.gap == enSpace && next.is(enOrdinary) && !next.shouts && !p.odd(from, i) {
		return // Brief Hospital Course
	}
	if w := p.word(from); w == "review" || w == "history" {
		return
	}
	end := i + 1
	if p.sign(end, '.') && p.at(end).gap == enTight && p.width(i) <= 4 && p.at(end+1).shape == enLower {
		end++
	}
	if w := p.word(end); (w == "of" || w == "at") && p.at(end+1).proper() && p.at(end+1).gap == enSpace && !p.at(end+1).is(enGeneric) {
		end = max(end, p.city(end+1))
	}
	p.take(from, end, Organization, 75, ByStructure)
}

// orgStart goes back over the words of an organisation's name.
func (p *enPage) orgStart(i int) int {
	k := i
	for k > 0 && i-k < 8 && p.at(k).gap <= enSpace {
		b := p.at(k - 1)
		switch {
		case b.used, b.kind == enWord && b.is(enCredential) && b.shape == enUpper, b.shouts && b.is(enFunction|enVerb) && p.word(k-1) != "of":
			return p.orgTrim(k, i)
		case b.kind == enWord && b.proper() && !(b.is(enLabel|enTitle) && !b.is(enPerson|enGeneric|enStreet)) && !(b.is(enVerb) && b.opens):
			k--
		case b.kind == enWord && (p.word(k-1) == "of" || p.word(k-1) == "and" || p.word(k-1) == "for" || p.word(k-1) == "the") && k > 1 && p.at(k-2).proper() && p.at(k-1).gap == enSpace && k < i+1:
			k--
		case b.kind == enPunct && (b.sign == '.' || b.sign == '&' || b.sign == '-' || b.sign == '\'') && k > 1 && p.at(k-2).kind == enWord && p.at(k-2).proper() && (b.sign != '.' || p.width(k-2) <= 2 && !p.at(k-2).is(enCredential) || p.at(k-2).is(enStreet)):
			k--
		default:
			return p.orgTrim(k, i)
		}
	}
	return p.orgTrim(k, i)
}

// orgTrim drops words that begin a sentence rather than a name.
func (p *enPage) orgTrim(k, i int) int {
	for k < i {
		t := p.at(k)
		if t.kind == enPunct || t.is(enFunction) || t.shape == enLower && t.kind == enWord {
			k++
			continue
		}
		break
	}
	return k
}

// particular says whether one of the words from a to b tells which hospital or
// company it is; "Cardiology Clinic" and "General Hospital" do not.
func (p *enPage) particular(a, b int) bool {
	tail := p.at(b)
	for k := a; k < b; k++ {
		t := p.at(k)
		if t.kind != enWord || t.shape == enLower || t.shape == enInitial && t.shouts || t.is(enGeneric|enOrgTail) && !(t.is(enSurnameOften) && !t.is(enGeneric)) {
			continue
		}
		if t.is(enMedic) || p.medical(t) && !t.is(enPerson|enPlace) {
			continue
		}
		if t.shouts && t.is(enOrdinary) && !t.is(enPlace|enPerson) {
			continue
		}
		switch p.word(b) {
		case "center", "centre", "centers", "group", "system", "systems", "partners", "associates", "research", "services", "co", "as", "sa", "ab", "oy", "ag",
			"software", "solutions", "networks", "media", "museum", "sons", "times", "journal", "library", "bank", "church", "temple", "labs", "lab", "laboratory", "laboratories", "academy", "analytics", "technologies", "consulting", "brothers", "limited":
			if t.is(enOrdinary) && !t.is(enPerson|enPlace) && !(b-a > 1 && !tail.titled) {
				continue
			}
		}
		return true
	}
	return false
}

// odd says whether a word from a to before b is no ordinary one.
func (p *enPage) odd(a, b int) bool {
	for k := a; k < b; k++ {
		if t := p.at(k); t.kind == enWord && !t.is(enOrdinary) {
			return true
		}
	}
	return false
}

// universityOf takes University of Utah, Bank of Ireland.
func (p *enPage) universityOf(i int) {
	if p.word(i+1) != "of" || !p.at(i+2).proper() || p.at(i+2).gap != enSpace || p.at(i+2).is(enGeneric|enMedic) {
		return
	}
	end := p.city(i + 2)
	if p.at(i+2).is(enOrdinary) && !p.at(i+2).is(enPlace) || end == i+2 {
		return
	}
	for p.at(end).proper() && p.at(end).gap == enSpace && p.at(end).is(enOrgTail|enGeneric) {
		end++
	}
	p.take(i, end, Organization, 72, ByStructure)
}
