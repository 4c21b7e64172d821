package classify

// enRun is a stretch of tokens that may be one person's name.
type enRun struct {
	from, to int // tokens; to is the first beyond
	words    int // words that are no initials, particles or credentials
	given    int // of these, given names that are no ordinary words
	surname  int
	often    int // common names
	unknown  int // in no table
	ordinary int // ordinary words that are names as well
	eponym   int
	initials int
}

// nameable says whether a token may stand in a name whose beginning is sure.
func (t *enToken) nameable() bool {
	if t.kind == enWord && t.shape == enInitial && !t.used {
		return true
	}
	if !t.proper() || t.used || t.is(enMonth|enWeekday|enFunction|enLabel|enOrgTail|enUnit) && !t.is(enPerson) {
		return false
	}
	if t.is(enFunction) && t.shape != enInitial && t.end-t.start < 4 && !t.is(enGivenOften|enSurnameOften) {
		return false
	}
	if t.shape == enUpper && !t.shouts && !t.is(enPerson) && t.end-t.start <= 4 {
		return false // an abbreviation
	}
	if t.shape == enCap && t.mixed && !t.is(enPerson) && t.end-t.start <= 5 {
		return false // UCx, CXRs, HbA
	}
	if t.is(enCredential) && (t.shape == enUpper && t.end-t.start <= 4 || !t.is(enPerson)) {
		return false
	}
	if t.is(enMedic) && !t.is(enGivenOften) || t.is(enNationality) && !t.is(enPerson) {
		return false
	}
	return !t.is(enOrdinary) || t.is(enPerson)
}

// run reads a name from token i: words with capitals, initials, particles,
// hyphens; lowerToo takes names written small as well.
func (p *enPage) run(i int, lowerToo bool) enRun {
	r := enRun{from: i, to: i}
	for k := i; k < len(p.ts) && k < i+9 && r.words < 5; {
		t := &p.ts[k]
		if k > i && (t.gap >= enNewline || t.start-p.ts[k-1].end > 3) {
			break
		}
		next := p.joined(k, i, lowerToo)
		if next == k {
			break
		}
		p.weigh(&r, t)
		r.to, k = next, next
		if p.ts[k-1].owns {
			break
		}
	}
	return r
}

// joined gives the token after the part of a name at k, or k where there is
// none.
func (p *enPage) joined(k, start int, lowerToo bool) int {
	t := &p.ts[k]
	switch {
	case t.shape == enInitial && t.kind == enWord && t.proper():
		if k == start && t.gap == enTight && p.sign(k-1, '-') {
			return k // Roux-en-Y
		}
		if p.sign(k+1, '.') && p.at(k+1).gap == enTight {
			return k + 2
		}
		if k > start || p.at(k+1).nameable() && p.word(k) != "i" && p.word(k) != "a" {
			return k + 1
		}
	case t.nameable() || lowerToo && t.kind == enWord && !t.used && t.is(enPerson) && (!t.is(enOrdinary|enFunction) || p.tiny && !t.is(enFunction|enVerb|enLabel|enMedic)):
		return k + 1
	case t.kind == enWord && !t.used && t.is(enParticle) && p.at(k+1).gap <= enSpace && (p.at(k+1).nameable() || p.at(k+1).is(enParticle) && p.at(k+2).nameable()):
		if k > start || t.proper() || lowerToo {
			return k + 1
		}
	case k > start && p.family(k, start):
		return k + 1
	case p.tiny && k > start && t.kind == enWord && !t.used && t.gap == enSpace && p.ts[start].is(enGiven) && p.at(k-1).kind != enOther:
		if t.end-t.start == 1 && p.sign(k+1, '.') && p.at(k+1).gap == enTight { // grace j. lee
			return k + 2
		}
		if t.class == 0 && t.end-t.start > 3 && !p.medical(t) || t.is(enPerson) && !t.is(enFunction|enVerb|enLabel|enMedic|enRelative) {
			return k + 1
		}
	case p.tiny && k == start && lowerToo && t.kind == enWord && !t.used && (t.class == 0 && t.end-t.start > 3 && !p.medical(t) || t.is(enGivenOften) && p.at(k+1).kind == enWord && p.at(k+1).gap == enSpace && (p.at(k+1).is(enSurname) && !p.at(k+1).is(enFunction|enVerb|enMedic|enLabel) || p.width(k+1) == 1 && p.sign(k+2, '.') || p.at(k+1).is(enParticle) && p.at(k+2).is(enSurname))):
		return k + 1 // pt oyelaran; dictated by will abernathy
	case p.tiny && k == start && t.kind == enWord && t.end-t.start == 1 && !t.used && p.sign(k+1, '.') && p.at(k+1).gap == enTight && p.at(k+2).kind == enWord && p.at(k+2).gap == enSpace && p.width(k+2) > 2 && (p.at(k+2).class == 0 || p.at(k+2).is(enSurname)) && lowerToo:
		return k + 2 // j. birnbaum
	case k > start && p.sign(k, '-') && t.gap == enTight && p.at(k+1).gap == enTight && p.at(k+1).nameable():
		return k + 1
	}
	return k
}

// family says whether an ordinary word at k can only be the end of the name
// before it: behind an initial, or behind a sure given name and before small
// letters.
func (p *enPage) family(k, start int) bool {
	t := &p.ts[k]
	if t.kind != enWord || t.shape != enCap || t.used || t.titled || t.raised || t.gap != enSpace ||
		t.is(enFunction|enLabel|enTitle|enGeneric|enMonth|enWeekday|enMedic|enOrgTail|enUnit|enVerb|enNationality|enStreet|enCredential) {
		return false
	}
	before := &p.ts[k-1]
	if p.sign(k-1, '.') {
		before = p.at(k - 2)
	}
	if before.kind == enWord && before.shape == enInitial && k-2 >= start {
		return true
	}
	return k-1 == start && before.is(enGivenOften) && !before.is(enOrdinary|enPlace) && !before.owns && !p.at(k+1).proper() && !p.medical(t)
}

// weigh adds what a token says about the run being a name.
func (p *enPage) weigh(r *enRun, t *enToken) {
	switch {
	case t.kind != enWord || t.is(enParticle) && t.shape == enLower:
		return
	case t.shape == enInitial:
		r.initials++
		return
	}
	r.words++
	plain := t.is(enOrdinary)
	if plain && t.is(enPerson) {
		r.ordinary++
	}
	if t.is(enEponym) {
		r.eponym++
	}
	if t.is(enGiven) && !plain {
		r.given++
	}
	if t.is(enSurname) && !plain {
		r.surname++
	}
	if t.is(enGivenOften | enSurnameOften) {
		r.often++
	}
	if !t.is(enPerson|enOrdinary|enPlace|enMedic) && !p.medical(t) {
		r.unknown++
	}
}

// name looks for one at token i and gives the token to go on with.
func (p *enPage) name(i int) int {
	t := &p.ts[i]
	if t.used || t.kind != enWord {
		return i + 1
	}
	if t.is(enTitle) && (t.proper() || t.end-t.start <= 3 && !t.is(enStreet) || p.word(i) == "dr") {
		if next := p.titled(i); next > i {
			return next
		}
	}
	if next := p.at(i + 1); t.is(enCredential) && (t.shape == enUpper || p.tiny) && next.gap == enSpace && (next.shape == enCap || (p.tiny || t.shouts) && next.kind == enWord && (next.is(enSurname) && !next.is(enOrdinary) || next.class == 0 && !p.medical(next))) {
		switch p.word(i) {
		case "md", "rn", "np", "lpn", "cna", "crna", "lcsw", "cnm", "pct": // MD Khan
			if r := p.run(i+1, p.tiny); r.words > 0 {
				p.takeName(r, 75, ByTitle, true)
				return r.to
			}
		}
	}
	if t.is(enLabel|enRelative) || t.is(enFunction) {
		if next := p.labelled(i); next > i {
			return next
		}
	}
	if t.is(enTitle) && !t.proper() {
		return i + 1
	}
	return p.bare(i)
}

// titled takes the name behind a title: Dr. Smith, Mrs J. van Dyke.
func (p *enPage) titled(i int) int {
	k := i + 1
	if p.sign(k, '.') && p.at(k).gap == enTight {
		k++
	}
	if p.at(k).gap >= enNewline {
		return i
	}
	if p.at(k).is(enTitle) && p.at(k).proper() && !p.at(k).is(enPerson) { // Mr. Dr.
		return i
	}
	if p.sign(k, ':') || p.sign(k, ',') {
		return i
	}
	if p.at(i).shape == enUpper && p.at(i).end-p.at(i).start == 2 && !p.at(i).shouts && !p.sign(i+1, '.') {
		if p.at(k).shape != enCap && p.at(k).shape != enUpper { // MS exam, DR findings
			return i
		}
	}
	r := p.run(k, !p.sure && p.word(i) != "miss")
	if r.to == k && p.tiny && p.at(k).kind == enWord && p.at(k).class == 0 {
		r = enRun{from: k, to: k + 1, words: 1, unknown: 1} // dr quistgaard
	}
	if r.to == k {
		r = p.boldly(k)
	}
	if r.words == 0 && r.initials == 0 {
		return i
	}
	p.takeName(r, 92, ByTitle, r.words > 0)
	return p.also(r.to)
}

// boldly reads one word with a capital as a name even where it is an ordinary
// one: Mr. Pain.
func (p *enPage) boldly(k int) enRun {
	t := p.at(k)
	if t.proper() && !t.used && !t.is(enFunction|enMonth|enTitle|enLabel|enMedic|enOrgTail) && t.shape == enCap {
		return enRun{from: k, to: k + 1, words: 1}
	}
	return enRun{from: k, to: k}
}

// also takes the names that follow with "and", "&" or a comma: Drs. Smith and
// Wu.
func (p *enPage) also(i int) int {
	if w := p.word(i); w != "and" && !p.sign(i, '&') && !p.sign(i, '/') || p.at(i+1).gap >= enNewline {
		return i
	}
	r := p.run(i+1, false)
	if r.words == 0 || !p.likely(&r) {
		return i
	}
	p.takeName(r, 80, ByTitle, true)
	return r.to
}

// takeName records a run and remembers its parts.
func (p *enPage) takeName(r enRun, confidence uint8, why Reason, sure bool) {
	for r.to > r.from+1 && p.ts[r.to-1].kind == enPunct && p.ts[r.to-1].sign != '.' {
		r.to--
	}
	for k := r.from; k < r.to; k++ {
		t := &p.ts[k]
		if sure && t.kind == enWord && t.end-t.start >= 3 && !t.is(enParticle|enMonth|enMedic|enFunction) && (!t.is(enOrdinary) || t.is(enPerson)) && len(p.known) < enMaxKnown {
			p.known[t.hash] = true
		}
	}
	p.take(r.from, r.to, Name, confidence, why)
}

// labelled takes the name behind a label: "Patient: DOE, JANE", "signed by
// Ann Lee", "her husband Tom".
func (p *enPage) labelled(i int) int {
	k, strong := p.afterLabel(i)
	if k == i || p.at(k).gap >= enBlank {
		return i
	}
	if p.at(k).is(enTitle) && !p.at(k).is(enPerson) || p.at(k).used {
		return i
	}
	if next := p.lastFirst(k, strong); next > k {
		return next
	}
	r := p.run(k, (strong || p.tiny && p.at(i).is(enLabel|enRelative) && !p.at(i).is(enFunction)) && !p.sure)
	if r.words == 0 {
		return i
	}
	named := r.given+r.surname > 0 || r.unknown > 0 && !p.sure
	if head := &p.ts[k]; !named && p.at(i).is(enRelative) && r.ordinary == 1 && r.words == 1 && head.is(enGivenOften) && head.shape == enCap && !p.at(r.to).proper() {
		named = true // her husband Mark
	}
	if !named && !(strong && r.ordinary > 0 && r.ordinary == r.words && r.words > 1) {
		return i
	}
	if head := &p.ts[r.to-1]; r.words == 1 && head.shape == enUpper && head.end-head.start <= 4 && !head.is(enPerson) {
		return i // CC: MVC
	}
	addressee := p.at(i).is(enLabel) && !p.at(i).is(enFunction) && r.words > 1 || p.at(i).is(enRelative) && r.given > 0
	if !strong && !addressee && !p.likely(&r) && !p.unheard(i, &r) && !(r.given+r.surname+r.ordinary > 0 && !p.ts[k].shouts && !p.ts[k].titled) {
		return i
	}
	if p.sure && (r.given == 0 && r.surname < 2 || r.given+r.surname+r.ordinary < r.words) {
		return i
	}
	p.takeName(r, 88, ByLabel, r.given+r.surname > 0 || strong && r.words > 1)
	return p.also(r.to)
}

// afterLabel gives where a value begins behind the label at i, and whether the
// label is followed by a colon or "is", as labels of names are.
func (p *enPage) afterLabel(i int) (int, bool) {
	t := p.at(i)
	k, colon := i+1, false
	if p.sign(k, '\'') {
		k++
	}
	for n := 0; n < 3 && p.at(k).kind == enWord && p.at(k).gap < enNewline && p.at(k).is(enLabel) && !p.at(k).is(enPerson); n++ {
		k++ // Attending Physician:, Patient Name:
	}
	if p.sign(k, '.') && p.at(k).gap == enTight && k == i+1 && t.end-t.start < 5 {
		k++ // Pt.
	}
	for p.sign(k, ':') || p.sign(k, '=') || p.sign(k, '#') {
		colon = true
		k++
	}
	if !colon && (p.word(k) == "is" || p.word(k) == "was") && !t.is(enFunction) {
		switch p.word(k - 1) {
		case "name", "contact", "provider", "pcp", "surgeon", "attending":
			k, colon = k+1, true
		}
	}
	if p.sign(k, '"') && colon {
		k++
	}
	if t.is(enFunction) && p.word(i) != "by" && !colon {
		return i, false
	}
	if p.word(i) == "by" && !colon {
		return k, p.at(i-1).is(enLabel) || p.word(i-1) == "directed"
	}
	if p.at(k).gap >= enNewline && !colon {
		return i, false
	}
	return k, colon
}

// lastFirst takes "DOE, JANE A".
func (p *enPage) lastFirst(k int, strong bool) int {
	last := p.run(k, strong && p.tiny)
	if last.words == 0 || last.words > 2 || !p.sign(last.to, ',') || p.at(last.to).gap != enTight || p.at(last.to+1).gap >= enNewline {
		return k
	}
	first := p.run(last.to+1, strong && p.tiny)
	if !p.sure && first.words == 0 && first.initials > 0 && first.initials < 3 && strong && first.to == last.to+1+2*first.initials {
		p.takeName(enRun{from: last.from, to: first.to}, 85, ByLabel, true)
		return first.to
	}
	if first.words == 0 || first.words > 3 {
		return k
	}
	if !strong {
		head := p.at(last.to + 1)
		if !head.is(enGiven) || head.is(enOrdinary) && !head.is(enGivenOften) || head.is(enPlace) && !head.is(enGivenOften) {
			return k
		}
		if last.surname+last.unknown+last.ordinary == 0 || last.from > 0 && p.sign(last.from-1, ',') {
			return k
		}
	}
	if p.sure && (first.given+last.surname == 0) {
		return k
	}
	p.takeName(enRun{from: last.from, to: first.to}, 90, ByLabel, true)
	return first.to
}

// credentialled says whether a degree or rank follows: Smith, MD; Lee Jr.
func (p *enPage) credentialled(k int) bool {
	if p.sign(k, ',') || p.sign(k, '(') {
		k++
	}
	t := p.at(k)
	if t.gap >= enNewline || !t.proper() {
		return false
	}
	if t.is(enCredential) && (t.shape == enUpper && t.end-t.start >= 2 || p.word(k) == "jr" || p.word(k) == "sr" || p.word(k) == "esq" || p.word(k) == "phd") {
		return !t.is(enState) || p.sign(k-1, ',') && p.word(k) == "md" || !p.sign(k-1, ',')
	}
	return t.shape == enInitial && p.sign(k+1, '.') && p.at(k+2).shape == enInitial && p.sign(k+3, '.') // M.D.
}

// bare takes a name that nothing announces.
func (p *enPage) bare(i int) int {
	t := &p.ts[i]
	if !t.nameable() && !(t.is(enParticle) && t.proper()) {
		return p.smallName(i)
	}
	if next := p.lastFirst(i, false); next > i {
		return next
	}
	if t.shouts && t.is(enOrdinary) && !t.is(enGivenOften|enSurnameOften) {
		return i + 1 // MALE DELROY PATTERSON
	}
	r := p.run(i, false)
	if r.to == i {
		return i + 1
	}
	switch {
	case r.words == 0:
		return r.to
	case t.amid:
		if p.foreigner(&r) {
			p.takeName(r, 70, ByLexicon, true)
		}
	case r.words == 1 && r.initials == 0 && t.is(enPlace) && p.led(i):
		return r.to // place takes it
	case p.credentialled(r.to) && (r.given+r.surname+r.unknown > 0 || r.ordinary > 0 && p.at(r.to).kind == enPunct):
		p.takeName(r, 90, ByTitle, true)
	case r.words == 1 && p.led(i) && !t.is(enPerson) && p.likely(&r):
		p.take(i, p.coded(r.to), Address, 55, ByStructure)
	case p.likely(&r) || p.listed(&r):
		p.takeName(r, 70, ByLexicon, r.words > 1 && (r.given+r.surname+r.unknown > 0 || p.ts[r.from].is(enGivenOften)))
	}
	return max(r.to, i+1)
}

// listed says whether a run is one of several names: Graves, Reed and Lee.
func (p *enPage) listed(r *enRun) bool {
	first := &p.ts[r.from]
	if first.shouts || first.titled || r.words > 2 || r.given+r.surname+r.ordinary+r.unknown == 0 || first.is(enMonth|enWeekday) || r.ordinary > 0 && r.ordinary == r.words && !first.is(enGivenOften|enSurnameOften) {
		return false
	}
	if w := p.word(r.from - 1); w == "and" && p.at(r.from-2).kind == enWord && p.at(r.from-2).used && p.named(r.from-2) {
		return true
	}
	k := r.to
	if p.sign(k, ',') {
		k++
	}
	if p.word(k) != "and" && k == r.to {
		return false
	}
	if p.word(k) == "and" {
		k++
	}
	next := p.run(k, false)
	if next.words != 1 || next.given+next.surname+next.ordinary == 0 {
		return false
	}
	verb := p.at(next.to)
	return p.sign(next.to, ',') && p.at(next.to+1).proper() || p.word(next.to) == "and" || verb.is(enVerb) && verb.shape == enLower && r.ordinary < r.words || p.sign(next.to, '.') && !first.opens && (r.given+r.surname+next.given+next.surname > 0 || first.is(enSurnameOften) && p.at(k).is(enSurnameOften))
}

// named says whether token k was taken as part of a name.
func (p *enPage) named(k int) bool {
	for n := len(p.out) - 1; n >= 0 && n >= len(p.out)-8; n-- {
		if p.out[n].Kind == Name && p.out[n].Start <= p.ts[k].start && p.ts[k].end <= p.out[n].End {
			return true
		}
	}
	return false
}

// likely judges a run by its words and where it stands.
func (p *enPage) likely(r *enRun) bool {
	first := &p.ts[r.from]
	if p.at(r.to).is(enEponymNoun) && p.at(r.to).gap == enSpace && p.at(r.to).shape == enLower {
		return false
	}
	if r.words == 1 {
		return p.lone(r)
	}
	if first.shouts && p.calledOut(r) {
		return true
	}
	if first.shouts || first.titled {
		return r.given > 0 && r.surname > 0 && r.given+r.surname+r.unknown > 1 || r.given > 0 && (r.often > 1 || r.initials > 0) ||
			r.unknown > 0 && r.often > 0 && !first.shouts || first.is(enGivenOften) && r.surname > 0 ||
			r.given > 0 && first.is(enGiven) && p.ts[r.to-1].is(enSurnameOften)
	}
	switch {
	case r.given > 0 && r.given+r.surname+r.unknown > 1, r.surname > 0 && r.unknown > 0:
		return true
	case r.given+r.surname > 0:
		return r.often > 0 || r.initials > 0 || !first.opens
	case r.unknown > 0:
		return !first.opens || r.initials > 0 || r.unknown > 1 && r.unknown == r.words
	}
	if last := &p.ts[r.to-1]; r.ordinary == 2 && r.words == 2 && first.is(enGiven) && last.is(enSurnameOften) && p.at(r.to).is(enVerb) && p.at(r.to).shape == enLower {
		return true // Hunter Chase was
	}
	return r.ordinary == r.words && p.ts[r.from].is(enGivenOften) && r.often > 1 || r.ordinary > 0 && r.initials > 0 && r.often > 0
}

// lone judges a name of one word.
func (p *enPage) lone(r *enRun) bool {
	k := r.to - 1
	for k > r.from && p.ts[k].kind != enWord || p.ts[k].shape == enInitial && k > r.from {
		k--
	}
	t := &p.ts[k]
	if t.is(enEponym) && !t.is(enGivenOften) || t.is(enTitle|enLabel|enOrgTail|enUnit|enNationality) {
		return false
	}
	if t.shape == enUpper {
		if t.shouts {
			return p.loneLoud(r, t)
		}
		return t.end-t.start >= 4 && t.is(enPerson) && !t.is(enOrdinary|enMedic) && (t.is(enGivenOften|enSurnameOften) || r.initials > 0)
	}
	ordinary := t.is(enOrdinary)
	switch {
	case t.titled:
		return t.is(enGivenOften) && !ordinary
	case r.initials > 0 && !ordinary:
		return t.is(enPerson) || !p.medical(t)
	case t.opens:
		return p.opener(t, k)
	case ordinary:
		return t.is(enGivenOften) && !t.is(enMonth) && p.at(r.from-1).kind == enWord && p.at(r.from-1).shape == enLower && !p.at(r.to).proper()
	case t.is(enPerson):
		return true
	}
	return t.end-t.start >= 3 && !p.medical(t) && !t.is(enPlace|enMonth|enWeekday|enNationality)
}

// opener judges a word that begins a sentence.
func (p *enPage) opener(t *enToken, k int) bool {
	next := p.at(k + 1)
	follows := t.owns || next.gap == enSpace && next.kind == enWord && (next.is(enVerb) || next.shape == enLower && !next.is(enFunction)) || p.sign(k+1, ',')
	if t.is(enOrdinary) {
		return t.is(enGivenOften) && !t.is(enMonth) && next.gap == enSpace && next.shape == enLower && next.is(enVerb) && next.kind == enWord && !t.is(enFunction)
	}
	if t.is(enGiven) {
		return t.is(enGivenOften) || follows || next.gap >= enNewline || (p.sign(k+1, ':') || p.sign(k+1, '"')) && !p.medical(t)
	}
	if t.is(enSurname) {
		return t.is(enSurnameOften) && !p.sign(k+1, ':') || follows && next.is(enVerb) || t.owns
	}
	return !p.medical(t) && !t.is(enPlace|enNationality|enMonth|enWeekday) && (t.owns || p.sign(k-1, '-') && next.gap >= enNewline || next.gap == enSpace && next.kind == enWord && next.is(enVerb) && next.shape == enLower)
}

// again takes a part of a name found before.
func (p *enPage) again(i int) {
	t := &p.ts[i]
	if t.used || t.kind != enWord || !p.known[t.hash] || t.amid && p.chineseNoun(i+1) {
		return
	}
	if t.shape == enLower && (t.is(enOrdinary) && !(p.tiny && t.is(enSurname) && t.end-t.start > 5 && !t.is(enFunction|enVerb|enLabel)) || t.end-t.start < 4) || t.shape == enInitial {
		return
	}
	if next := p.at(i + 1); t.is(enOrdinary) && t.opens && !t.owns && next.kind == enWord && next.shape == enLower && !next.is(enVerb) {
		return
	}
	if t.is(enEponymNoun|enMonth) || p.at(i+1).is(enEponymNoun) && p.at(i+1).shape == enLower && p.at(i+1).gap == enSpace {
		return
	}
	p.take(i, i+1, Name, 75, ByLexicon)
}

// medical says whether an unknown word has the form of medicine's words.
func (p *enPage) medical(t *enToken) bool {
	if t.is(enMedic | enEponym) {
		return true
	}
	w := p.text[t.start:t.end]
	if len(w) < 5 {
		return false
	}
	for _, tail := range enMedicalTails {
		if len(w) > len(tail)+1 && enTail(w, tail) {
			return true
		}
	}
	return false
}

// enMedicalTails end words of anatomy, disease, procedure and drugs, and no
// names worth speaking of.
var enMedicalTails = [...]string{
	"itis", "osis", "emia", "aemia", "oma", "omas", "pathy", "ectomy", "otomy", "ostomy", "plasty", "scopy", "gram", "graphy",
	"algia", "uria", "pnea", "rrhea", "rrhage", "plegia", "paresis", "megaly", "penia", "philia", "trophy", "lysis",
	"mycin", "micin", "cillin", "cycline", "floxacin", "penem", "grel", "stazol", "ylline", "idone", "apine", "azine", "dronate", "fungin", "parib", "ciclib", "zomib", "limus", "terol", "tropium", "olone", "steride", "gabalin", "giline", "fibrate", "glitazone", "relin", "poetin", "plase", "navir", "tegravir", "buvir", "asvir", "vudine", "citabine", "tecan", "trexed", "fenac", "oxicam", "coxib", "profen", "tocin", "profol", "curium", "curonium", "flurane", "thromycin", "oxime", "ceptin", "vancin", "bactam", "azole", "pril", "sartan", "olol", "statin", "dipine", "mab", "nib",
	"afil", "idine", "amine", "crit", "ponin", "paque", "azepam", "zolam", "oxetine", "triptyline", "barbital", "caine", "vir", "tidine", "prazole",
	"gliptin", "gliflozin", "glutide", "parin", "xaban", "semide", "thiazide", "sone", "solone", "onide", "profen", "codone",
	"morphone", "trexate", "platin", "rubicin", "taxel", "lukast", "setron", "triptan", "iazide", "formin", "zine",
	"ology", "ologist", "ologic", "ological", "opathic", "iatric", "iatry", "therapy", "cardiac", "vascular", "venous",
	"arterial", "gastric", "enteric", "hepatic", "renal", "spinal", "genic", "genous", "oid", "oidal", "ular", "ated",
	"ization", "isation", "ability", "ously", "ness", "ment", "tion", "sion", "ative", "itive", "ical", "ically", "ing", "able",
}

// enTail says whether a word ends in a tail, in either case.
func enTail(word []byte, tail string) bool {
	word = word[len(word)-len(tail):]
	for i := range len(tail) {
		if word[i]|0x20 != tail[i] {
			return false
		}
	}
	return true
}
