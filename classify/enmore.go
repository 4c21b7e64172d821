package classify

import "unicode/utf8"

// marked looks for what a label or a sign at token i gives away.
func (p *enPage) marked(i int) {
	switch t := &p.ts[i]; {
	case t.kind == enWord && !t.used:
		if n := t.end - t.start; n >= 2 && n <= 16 {
			p.labelledCode(i)
			p.lettersOf(i)
		}
	case t.kind == enPunct && t.sign == '^':
		p.careted(i)
	case t.kind == enOther && p.at(i+1).kind != enOther && p.account(t):
		p.user(i + 1)
	}
}

// labelledCode finds what only its label makes an identifier: rooms and beds, short
// extensions, names of users, letters before a number, initials.
func (p *enPage) labelledCode(i int) {
	switch p.word(i) {
	case "room", "rm", "bed", "bay":
		p.room(i)
	case "ext", "extension", "extn":
		p.extended(i)
	case "username", "login", "userid", "handle", "facebook", "instagram", "twitter", "linkedin", "skype", "wechat", "whatsapp", "telegram", "snapchat", "tiktok":
		p.user(i + 1)
	case "user":
		if w := p.word(i + 1); w == "name" || w == "id" {
			p.user(i + 2)
		}
	case "mychart":
		p.codeBehind(i, Unique)
	case "policy", "subscriber":
		p.codeBehind(i, HealthPlan)
	case "ssn":
		p.lastFour(i)
	case "circle": // of Willis: arteries
		if p.word(i+1) == "of" && p.word(i+2) == "willis" {
			p.ts[i].used, p.ts[i+2].used = true, true
		}
	case "at":
		p.spelledMail(i)
	case "transcribed", "typed", "initials", "transcriptionist", "typist":
		p.initialled(i)
	}
}

// room takes the number of a room or bed: rm 412, Bed 3B.
func (p *enPage) room(i int) {
	k := p.afterMarks(i + 1)
	if t := p.at(k); !p.numeric(k) || t.used || t.gap >= enNewline || p.width(k) > 5 || p.digits(k) == 0 || p.measured(k+1) || p.sign(k+1, '/') || p.sign(k+1, ':') {
		return
	}
	end := k + 1
	if p.sign(end, '-') && p.at(end).gap == enTight && p.at(end+1).gap == enTight && p.width(end+1) <= 3 {
		end += 2 // 412-B
	}
	p.take(k, end, Unique, 55, ByLabel)
}

// afterMarks steps over what may stand between a label and its value.
func (p *enPage) afterMarks(k int) int {
	for n := 0; n < 3; n++ {
		switch w := p.word(k); {
		case p.sign(k, ':'), p.sign(k, '#'), p.sign(k, '.'), p.sign(k, '='), w == "number", w == "no", w == "is", w == "id":
			k++
		default:
			return k
		}
	}
	return k
}

// extended takes a short extension: ext. 22.
func (p *enPage) extended(i int) {
	k := p.afterMarks(i + 1)
	if t := p.at(k); t.kind == enNumber && !t.used && t.gap < enNewline && p.width(k) >= 2 && p.width(k) <= 6 && !p.sign(k+1, '/') && !p.measured(k+1) {
		p.take(k, k+1, Phone, 70, ByLabel)
	}
}

// user takes the account behind token k: @dwalters.1930, mabernethy47.
func (p *enPage) user(k int) {
	start := p.afterMarks(k)
	k = start
	if p.sign(k, '@') {
		k++
	}
	t := p.at(k)
	if t.kind == enPunct || t.gap >= enNewline || t.kind == enOther || start == k && t.kind != enMixed && !(p.sign(start-1, ':') && t.kind == enWord && t.class == 0) {
		return
	}
	end := k + 1
	for end < k+8 && p.at(end).gap == enTight && (p.at(end).kind != enPunct || (p.sign(end, '.') || p.sign(end, '-') || p.sign(end, '_')) && p.at(end+1).gap == enTight && p.at(end+1).kind != enPunct) && p.at(end).kind != enOther {
		end++
	}
	if p.width(k) >= 3 || end > k+1 {
		p.take(start, min(end, len(p.ts)), Unique, 65, ByLabel)
	}
}

// spelledMail takes an address hidden from machines: jo dot doe at x dot org.
func (p *enPage) spelledMail(i int) {
	dot := func(k int) bool { return p.word(k) == "dot" && p.at(k).gap < enNewline }
	open := func(k int) bool { return p.sign(k, '[') || p.sign(k, '(') }
	shut := func(k int) bool { return p.sign(k, ']') || p.sign(k, ')') }
	from, k := i-1, i+1
	if open(from) && shut(k) {
		from, k = from-1, k+1
	}
	if p.at(from).kind == enPunct || p.at(from).gap >= enBlank || p.at(k).kind == enPunct || from < 0 {
		return
	}
	for n := 0; n < 4 && (dot(from-1) && p.at(from-2).kind != enPunct || (p.sign(from-1, '.') || p.sign(from-1, '-')) && p.at(from).gap == enTight); n++ {
		from -= 2
	}
	ended := false
	for n := 0; n < 12 && k < len(p.ts); n++ {
		switch {
		case dot(k+1) && p.at(k+2).kind == enWord:
			k, ended = k+2, true
		case open(k+1) && dot(k+2) && shut(k+3):
			k, ended = k+4, true
		case p.sign(k+1, '-') && p.at(k+1).gap == enTight:
			k += 2
		case p.sign(k+1, '.') && p.at(k+2).gap == enTight && p.at(k+2).kind == enWord && open(i-1):
			k, ended = k+2, true
		default:
			n = 12
		}
	}
	if ended && from >= 0 && k < len(p.ts) {
		p.take(from, k+1, Email, 75, ByStructure)
	}
}

// initialled takes the initials of who wrote: Transcribed: lmt.
func (p *enPage) initialled(i int) {
	k := i + 1
	if p.word(k) == "by" {
		k++
	}
	if !p.sign(k, ':') {
		return
	}
	if t := p.at(k + 1); t.kind == enWord && !t.used && t.gap < enNewline && t.end-t.start <= 4 && !t.is(enFunction) {
		p.take(k+1, k+2, Name, 60, ByLabel)
	}
}

// lettersOf takes initials written with points behind a word for a person:
// client D.W., pt J.S.
func (p *enPage) lettersOf(i int) {
	if t := p.at(i); t.used || !t.is(enLabel|enRelative) && p.word(i) != "client" && p.word(i) != "initials" {
		return
	}
	k := p.afterMarks(i + 1)
	end, n := k, 0
	for p.at(end).kind == enWord && p.width(end) == 1 && p.sign(end+1, '.') && p.at(end+1).gap == enTight && p.at(end).gap < enNewline && (end == k || p.at(end).gap == enTight) {
		end, n = end+2, n+1
	}
	if n >= 2 && n <= 4 && (p.at(k).proper() || p.tiny && !p.at(i).is(enLabel)) {
		p.take(k, end, Name, 70, ByLabel)
	}
}

// careted takes a name as HL7 writes it: QUARTERMAINE^LOUISA^M.
func (p *enPage) careted(i int) {
	if p.at(i).gap != enTight || i == 0 {
		return
	}
	last, first := p.at(i-1), p.at(i+1)
	if last.used || first.used || last.kind != enWord || first.kind != enWord || first.gap != enTight || last.end-last.start < 2 || first.end-first.start < 2 {
		return
	}
	if p.sign(i-2, '^') && p.at(i-1).gap == enTight && p.at(i-3).kind == enWord || !first.is(enPerson) && !last.is(enPerson) || first.is(enMedic) || last.is(enMedic|enLabel) || first.is(enOrdinary) && !first.is(enGiven) {
		return
	}
	end := i + 2
	for p.sign(end, '^') && p.at(end).gap == enTight && p.at(end+1).kind == enWord && p.at(end+1).gap == enTight && (p.width(end+1) == 1 || p.at(end+1).is(enGiven)) {
		end += 2
	}
	for k := i - 1; k < end; k += 2 {
		if t := &p.ts[k]; t.end-t.start >= 3 && len(p.known) < enMaxKnown {
			p.known[t.hash] = true
		}
	}
	p.take(i-1, end, Name, 85, ByStructure)
}

// company takes names of firms and practices whose last word is an ordinary
// one: Fairhaven General, Delancey Freight Lines. Within a sentence only, and
// with a word that no dictionary knows, or behind words of work.
func (p *enPage) company(i int) int {
	t := p.at(i)
	if t.used || t.kind != enWord || t.shape != enCap || t.shouts || t.is(enMonth|enWeekday|enTitle|enMedic|enLabel|enCredential|enNationality|enRelative) && !t.is(enPerson|enPlace) {
		return i + 1
	}
	before := p.at(i - 1)
	works := (before.kind == enPunct || before.is(enFunction|enIn)) && p.employs(i-1)
	if !works && !(before.kind == enWord && before.shape == enLower && t.gap == enSpace && !t.titled && !(before.is(enTitle|enRelative|enLabel) && !before.is(enFunction|enIn)) || p.sign(i-1, '|') && t.gap == enSpace) || before.is(enTitle) {
		return i + 1
	}
	end, odd := i, false
	for end < len(p.ts) && end < i+7 && (end == i || p.at(end).gap == enSpace) {
		w := p.at(end)
		if (p.sign(end, '&') || p.word(end) == "of" || p.word(end) == "and") && end > i && p.at(end+1).shape == enCap && p.at(end+1).kind == enWord && works {
			end++
			continue
		}
		if w.kind != enWord || w.shape != enCap || w.used || w.raised {
			break
		}
		if !works && (w.is(enMedic|enEponymNoun|enMonth|enWeekday|enTitle|enCredential) || p.medical(w)) {
			return end + 1
		}
		odd = odd || !w.is(enOrdinary|enGeneric|enEponym)
		end++
	}
	if end < i+2 && !works || end == i {
		return i + 1
	}
	tail := p.at(end - 1)
	if !works && (!odd || tail.is(enPerson) && !tail.is(enGeneric|enOrgTail) || !tail.is(enOrdinary|enGeneric|enOrgTail)) || p.sign(end, ':') {
		return end
	}
	p.take(i, end, Organization, 60, ByStructure)
	return end
}

// employs says whether words of work stand before: works at, Employer:.
func (p *enPage) employs(k int) bool {
	switch {
	case p.sign(k, ':'):
		return p.word(k-1) == "employer" || p.word(k-1) == "workplace" || p.word(k-1) == "company"
	case p.word(k) == "at" || p.word(k) == "for":
		switch p.word(k - 1) {
		case "works", "worked", "working", "employed":
			return true
		}
	case p.word(k) == "by":
		return p.word(k-1) == "employed"
	}
	if w := p.word(k); w == "at" || w == "for" || w == "with" {
		for n := k - 1; n > k-6 && p.at(n).kind == enWord && p.at(n+1).gap <= enSpace; n-- {
			switch p.word(n) {
			case "works", "worked", "working", "employed", "job", "employer", "retired", "operator", "driver", "clerk", "carpenter", "mechanic", "accountant", "cashier", "foreman":
				return true
			}
		}
	}
	return false
}

// letterhead takes the line between a name and an address, as letters and
// cards have it: a firm, a department, somebody's post.
func (p *enPage) letterhead() {
	kinds := map[int]Kind{}
	for _, s := range p.out {
		if s.Kind == Name || s.Kind == Address {
			kinds[s.Start] = s.Kind
		}
	}
	before, last := false, -1 // a name or such a line stands above
	for i := 0; i < len(p.ts); {
		end := i + 1
		for end < len(p.ts) && p.ts[end].gap < enNewline {
			end++
		}
		kind := kinds[p.ts[i].start]
		if p.sign(i, '>') && i+1 < end {
			kind = kinds[p.ts[i+1].start]
		}
		switch {
		case kind == Address && last >= 0 && last < i:
			for k := last; k < i; {
				k = p.takeLine(k)
			}
			before, last = false, -1
		case kind == Name && p.ts[end-1].used:
			before, last = true, end
		case before && last >= 0 && end-i <= 8 && i-last < 12 && !p.speaks(i, end):
		default:
			before, last = false, -1
		}
		i = end
	}
}

// speaks says whether a line is a sentence or has a label.
func (p *enPage) speaks(a, b int) bool {
	for k := a; k < b; k++ {
		if p.sign(k, ':') || p.sign(k, '.') && k == b-1 || p.sign(k, '?') || p.at(k).is(enVerb) && p.at(k).shape == enLower || p.numeric(k) || p.at(k).is(enMedic) || p.at(k).kind == enOther {
			return true
		}
	}
	return false
}

// takeLine takes what is left of the line at k, and gives where the next begins.
func (p *enPage) takeLine(k int) int {
	if p.sign(k, '>') {
		k++
	}
	from := k
	free := true
	for k == from || k < len(p.ts) && p.at(k).gap < enNewline {
		free = free && !p.at(k).used
		k++
	}
	if free && k > from {
		p.take(from, k, Organization, 50, ByStructure)
	}
	return k
}

// chineseNoun says whether a Chinese word follows at once that makes a Latin
// one the name of a sign, scale or disease.
func (p *enPage) chineseNoun(k int) bool {
	t := p.at(k)
	if p.sign(k, '\'') {
		t = p.at(k + 1)
	}
	if t.kind != enOther {
		return false
	}
	switch r, _ := utf8.DecodeRune(p.text[t.start:t.end]); r {
	case '征', '病', '综', '评', '量', '分', '级', '试', '反', '法', '氏', '骨', '型', '期', '术', '管', '染', '角', '指', '检', '畸', '手', '体', '导', '公', '囊', '囗', '现', '运', '发', '筛', '线', '点', '三', '步', '细', '瘤', '带', '穿', '吸', '支', '针', '钳', '夹', '网', '阳', '阴', '口', '片', '胶', '注', '静', '每', '联', '与', '及', '组', '吻', '位', '区', '环', '斑', '结':
		return true
	}
	return false
}

// foreigner says whether a run amid Chinese is a name for sure: a given name
// and a surname, none of which medicine uses.
func (p *enPage) foreigner(r *enRun) bool {
	first, last := &p.ts[r.from], &p.ts[r.to-1]
	if r.words < 2 || r.eponym > 0 || p.chineseNoun(r.to) || first.is(enMedic|enEponym) || last.is(enMedic|enEponym) || p.sign(r.from+1, '-') {
		return false
	}
	if r.words == 2 && p.hanPerson(r.from) && first.is(enPerson) && last.is(enPerson) {
		return true // 患者 Zhang Wei
	}
	return first.is(enGiven) && last.is(enSurname) && (!first.is(enOrdinary) || first.is(enGivenOften))
}

// calledOut judges two words and more amid capitals: MARK FIELDS behind a word
// for people, J. ABRAHAMSEN.
func (p *enPage) calledOut(r *enRun) bool {
	first, last := &p.ts[r.from], &p.ts[r.to-1]
	before := p.at(r.from - 1)
	announced := before.is(enLabel|enRelative) || p.sign(r.from-1, ':') || p.word(r.from-1) == "with" || p.word(r.from-1) == "per"
	return announced && r.words == 2 && first.is(enGivenOften) && last.is(enSurname) && !last.is(enFunction|enVerb|enMedic) ||
		r.words == 2 && r.given+r.surname > 0 && r.ordinary == 0 && r.eponym == 0 && !first.is(enOrdinary|enMedic) && !last.is(enOrdinary|enMedic|enPlace) && !p.medical(first) && !p.medical(last) && first.end-first.start > 2 && last.end-last.start > 2
}

// unheard says whether a word in no table stands behind a word for a person:
// PT OYELARAN, son Kimmy.
func (p *enPage) unheard(i int, r *enRun) bool {
	head := &p.ts[r.to-1]
	return p.at(i).is(enLabel|enRelative) && !p.at(i).is(enFunction) && r.words == 1 && (head.class == 0 && head.end-head.start > 4 && !p.medical(head) || head.is(enPerson) && head.end-head.start > 3 && !head.is(enOrdinary|enPlace|enMedic))
}

// smallName takes names in a text without capitals that something behind them
// or an initial before them gives away: j. abrahamsen; mark white, lcsw.
func (p *enPage) smallName(i int) int {
	t := p.at(i)
	if !p.tiny || t.shape != enLower || t.amid {
		return i + 1
	}
	next := p.at(i + 1)
	if t.end-t.start == 1 && p.sign(i+1, '.') && next.gap == enTight && !(p.sign(i-1, '.') && t.gap == enTight) {
		if w := p.at(i + 2); w.kind == enWord && w.gap == enSpace && !w.used && w.end-w.start > 3 && !p.medical(w) && (w.class == 0 || w.is(enSurname) && !w.is(enOrdinary)) {
			p.takeName(enRun{from: i, to: i + 3, words: 1}, 60, ByStructure, true)
			return i + 3
		}
		return i + 1
	}
	if t.is(enGivenOften) && next.kind == enWord && next.gap == enSpace && !next.used && next.is(enSurname) && !next.is(enFunction|enVerb|enMedic) && (p.degree(i+2) || !next.is(enOrdinary) && !p.at(i-1).is(enPerson)) {
		p.takeName(enRun{from: i, to: i + 2, words: 2}, 80, ByTitle, true)
		return i + 2
	}
	if before := p.at(i - 1); t.is(enGivenOften) && t.is(enOrdinary) && before.kind == enWord && before.is(enRelative) && t.gap == enSpace && !p.at(i-2).is(enFunction) && !(next.is(enVerb) && t.is(enFunction|enVerb)) {
		p.takeName(enRun{from: i, to: i + 1, words: 1}, 60, ByLabel, false)
	}
	return i + 1
}

// degree says whether a degree or profession stands at k, behind a comma or
// not, in small letters.
func (p *enPage) degree(k int) bool {
	comma := p.sign(k, ',')
	if comma {
		k++
	}
	switch p.word(k) {
	case "md", "rn", "np", "lpn", "lcsw", "crna", "phd", "dnp", "aprn", "pharmd", "lvn", "cna", "cnm", "bsn", "msw", "rrt", "otr":
		return p.at(k).gap <= enSpace
	case "m":
		return comma && p.sign(k+1, '.') && p.word(k+2) == "d"
	case "pa", "do", "dpt", "pt":
		return comma
	}
	return false
}

// smallPlace says whether a place may begin at token i of a text without
// capitals: one of several words behind a word of places.
func (p *enPage) smallPlace(i int) bool {
	return p.tiny && p.at(i).is(enPlaceFirst) && p.led(i)
}

// smallCompany is company in a text without capitals or of nothing else:
// behind words of work, up to three words.
func (p *enPage) smallCompany(i int) {
	t := p.at(i)
	if !(p.tiny || t.shouts) || t.kind != enWord || t.used || !p.employs(i-1) {
		return
	}
	end := i
	for end < i+3 && end < len(p.ts) && (end == i || p.at(end).gap == enSpace) {
		w := p.at(end)
		if w.kind != enWord || w.used || w.is(enFunction|enVerb|enMonth|enWeekday|enIn|enWhen|enRelative) || p.measured(end) {
			break
		}
		end++
	}
	if end > i && p.word(i) != "home" && p.word(i) != "night" && p.word(i) != "work" {
		p.take(i, end, Organization, 50, ByLabel)
	}
}

// smallHospital takes a hospital, firm or school in a text without capitals
// that ends in one of the last words of such names, from the word of places
// before it: at st. luke's medical center.
func (p *enPage) smallHospital(i int) {
	if t := p.at(i); !p.tiny && !t.shouts || t.kind != enWord || t.used || !t.is(enOrgTail|enGeneric) || p.width(i) < 4 {
		return
	}
	if next := p.at(i + 1); next.gap == enSpace && next.kind == enWord && next.is(enOrgTail|enGeneric) {
		return
	}
	from, told := i, p.at(i).is(enOrgTail)
	for n := 0; n < 8 && from > 0; n++ {
		b := p.at(from - 1)
		if b.used || p.at(from).gap >= enNewline {
			return
		}
		if b.kind == enPunct && (b.sign == '.' && p.width(from-2) == 2 || b.sign == '-' && b.gap == enTight || b.sign == '\'') {
			from--
			continue
		}
		if b.kind != enWord || b.is(enFunction|enIn|enVerb|enLabel) && p.word(from-1) != "of" {
			break
		}
		if b.is(enMedic) || p.medical(b) && !b.is(enGeneric) && p.word(from-1) != "counseling" && p.word(from-1) != "nursing" {
			return
		}
		told = told || b.is(enOrgTail) || (b.is(enPlace|enPerson) && !b.is(enOrdinary) || b.class == 0) && p.practice(i)
		from--
	}
	if b := p.at(from - 1); !told || from == i || !p.sign(from-1, ':') && !p.sign(from-1, '|') && !b.is(enIn) && p.word(from-1) != "by" && p.word(from-1) != "for" && p.word(from-1) != "at" {
		return
	}
	for k := from; k < i; k++ {
		if w := p.at(k); w.kind == enWord && !w.is(enGeneric|enOrgTail|enFunction) && p.word(k) != "local" && p.word(k) != "outside" && p.word(k) != "another" {
			p.take(from, i+1, Organization, 60, ByStructure)
			return
		}
	}
}

// account says whether a Chinese label of an account ends with this character.
func (p *enPage) account(t *enToken) bool {
	before := p.text[:t.end]
	for _, label := range [...]string{"微信号", "微信", "QQ号", "用户名", "登录名", "账号", "帐号", "微信ID", "抖音号", "微博"} {
		if zhEnds(before, label) {
			return true
		}
	}
	return false
}

// practice says whether a last word that is no firm's by itself makes one
// behind a word that no dictionary has: Fairhaven General.
func (p *enPage) practice(i int) bool {
	switch p.word(i) {
	case "general", "practice", "health", "memorial", "system", "healthcare", "regional", "medical", "pediatrics", "cardiology", "orthopedics", "hospice", "rehab":
		return true
	}
	return false
}

// loneLoud judges a name of one word amid capitals.
func (p *enPage) loneLoud(r *enRun, t *enToken) bool {
	if t.end-t.start < 4 || t.is(enOrdinary|enMedic|enEponym) {
		return false
	}
	if t.is(enGivenOften) && !t.is(enPlace) {
		return true
	}
	if p.ts[r.from].shape == enInitial && p.sign(r.from+1, '.') {
		return (t.is(enPerson) || t.class == 0) && !p.medical(t)
	}
	next := p.at(r.to)
	return t.is(enGiven) && !p.medical(t) && next.kind == enWord && next.gap == enSpace && (t.is(enGivenOften) && next.is(enVerb) || !t.is(enPlace) && (next.is(enVerb) || p.word(r.to) == "and" || p.word(r.from-1) == "and"))
}

// patientLike says whether 94F or 95M at token i is a person, not a fever: an
// article or the line's begin before it, what people do behind it.
func (p *enPage) patientLike(i int) bool {
	switch before := p.word(i - 1); {
	case p.at(i).gap >= enNewline, before == "a", before == "an", p.sign(i-1, ':'):
	default:
		return false
	}
	switch p.word(i + 1) {
	case "with", "w", "c", "who", "presents", "presenting", "presented", "p", "s", "admitted", "hx", "pmh", "here", "from", "brought", "transferred", "found":
		return true
	}
	return false
}

// zhNumberLabels announce numbers people write in groups.
var zhNumberLabels = [...]string{"身份证", "医保卡", "社保卡", "银行卡", "电话", "手机", "号码", "卡号", "账号", "帐号", "院号", "案号", "诊号", "证号", "联系方式", "热线", "传真"}

// hanNumber takes a number in groups behind a Chinese label: 身份证 330327 19790814 5525.
func (p *enPage) hanNumber(i int) bool {
	t := p.at(i)
	if before := p.at(i - 1); t.used || before.kind == enNumber || before.kind != enOther && before.kind != enPunct || p.at(i+1).kind == enOther {
		return false
	}
	from := t.start
	for from > 0 && t.start-from < 12 {
		r, n := utf8.DecodeLastRune(p.text[:from])
		if r != ' ' && r != ':' && r != '：' && r != '号' && r != '码' && r != '为' && r != '是' && r != '　' {
			break
		}
		from -= n
	}
	if !p.hanLabel(t.start) && !p.hanLabel(from) {
		return false
	}
	end, digits, groups := i, 0, 0
	for k := i; k < i+24 && k < len(p.ts); k++ {
		switch g := p.at(k); {
		case g.gap >= enNewline && k > i:
			k = i + 24
		case g.kind == enNumber && !g.used, g.kind == enMixed && k > i && p.width(k) <= 6 && p.digits(k) == p.width(k)-1: // 551X
			digits, groups, end = digits+p.digits(k), groups+1, k+1
		case p.sign(k, '-') && k > i:
		default:
			k = i + 24
		}
	}
	if groups < 2 || digits < 7 || digits > 20 {
		return false
	}
	kind := Unique
	if p.text[t.start] == '0' || p.text[t.start] == '1' && digits == 11 {
		kind = Phone
	}
	p.take(i, end, kind, 90, ByLabel)
	return true
}

// hanLabel says whether a label of numbers ends at a place of the text, signs
// passed over.
func (p *enPage) hanLabel(end int) bool {
	for end > 0 && (p.text[end-1] == ' ' || p.text[end-1] == ':') {
		end--
	}
	before := p.text[:end]
	if zhEnds(before, "：") {
		before = before[:end-len("：")]
	}
	for _, label := range zhNumberLabels {
		if zhEnds(before, label) {
			return true
		}
	}
	return false
}

// hanPerson says whether a Chinese word for a person stands before token i.
func (p *enPage) hanPerson(i int) bool {
	t := p.at(i - 1)
	if t.kind != enOther || p.at(i).gap > enSpace {
		return false
	}
	for _, word := range [...]string{"患者", "病人", "姓名", "医生", "医师", "护士", "家属", "教授", "主任", "患儿", "产妇", "丈夫", "妻子", "儿子", "女儿"} {
		if zhEnds(p.text[:t.end], word) {
			return true
		}
	}
	return false
}
