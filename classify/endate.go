package classify

// number looks at token i for dates, ages and numbers that identify.
func (p *enPage) number(i int) {
	t := &p.ts[i]
	if t.used {
		return
	}
	switch {
	case t.kind == enWord && t.is(enMonth) && t.proper():
		p.monthFirst(i)
	case t.kind == enWord && t.is(enWeekday|enHoliday) && t.proper() && !p.sure:
		p.weekday(i)
	case t.kind == enWord:
		p.ageLabel(i)
	case t.kind == enNumber || t.kind == enMixed:
		_ = p.numericDate(i) || p.dayFirst(i) || p.age(i)
	}
}

// value is the number in token i, or -1 where there is none of up to 4 digits.
func (p *enPage) value(i int) int {
	t := p.at(i)
	if t.kind != enNumber || t.end-t.start > 4 {
		return -1
	}
	n := 0
	for _, c := range p.text[t.start:t.end] {
		n = 10*n + int(c-'0')
	}
	return n
}

func (p *enPage) width(i int) int { return p.at(i).end - p.at(i).start }

func enYear(n, width int) bool {
	return width == 4 && n >= 1880 && n < 2120 || width == 2
}

// dash says whether token i is a separator of dates.
func (p *enPage) dash(i int) byte {
	t := p.at(i)
	if t.kind == enPunct && t.gap == enTight {
		switch t.sign {
		case '/', '-', '.':
			return t.sign
		}
	}
	return 0
}

// numericDate takes 03/15/2020, 2020-03-15, 15.3.20, 3/15 and 3/2020.
func (p *enPage) numericDate(i int) bool {
	if p.isoTight(i) {
		return true
	}
	a, sep := p.value(i), p.dash(i+1)
	if a < 0 || sep == 0 || p.at(i+2).gap != enTight || p.joinedBefore(i) {
		return false
	}
	b := p.value(i + 2)
	if sep == '-' && b < 0 && p.at(i+2).is(enMonth) {
		return false // 12-Mar-2020
	}
	if p.dash(i+3) == sep && p.at(i+4).gap == enTight && !p.joinedAfter(i+4) {
		c, last := p.value(i+4), i+5
		if w := p.at(i + 4); c < 0 && w.kind == enMixed && w.end-w.start > 4 { // 2020-03-15T10:00
			c, last = p.dayOfTime(i+4), i+5
		}
		if p.at(last).kind == enOther && p.at(last).gap == enTight && string(p.text[p.at(last).start:p.at(last).end]) == "分" {
			return false // Apgar 9-10-10分
		}
		if p.fullDate(i, a, b, c) {
			p.takeDate(i, p.clock(last), 90)
			return true
		}
		return false
	}
	if p.joinedAfter(i+2) && !(p.dash(i+3) == '-' && sep == '/') {
		return false
	}
	return p.partDate(i, a, b, sep)
}

// joinedBefore says whether a token hangs on a number or sign before it, as in
// 1.2.3 or $3/4; joinedAfter the same behind it.
func (p *enPage) joinedBefore(i int) bool {
	if p.at(i).gap != enTight || i == 0 {
		return false
	}
	switch before := p.at(i - 1); {
	case before.kind == enNumber || before.kind == enMixed:
		return true
	case before.kind == enPunct:
		switch before.sign {
		case '.', '/', '$', '%', '+', '_', '&':
			return true
		case '-':
			return p.at(i-1).gap == enTight && p.at(i-2).kind == enMixed
		}
	}
	return false
}

func (p *enPage) joinedAfter(i int) bool {
	next := p.at(i + 1)
	if next.gap != enTight {
		return false
	}
	switch {
	case next.kind == enNumber || next.kind == enMixed:
		return true
	case next.kind == enPunct && (next.sign == '/' || next.sign == '.' || next.sign == '-'):
		return p.at(i+2).gap == enTight && (p.at(i+2).kind == enNumber || p.at(i+2).kind == enMixed)
	}
	return next.kind == enPunct && next.sign == '%'
}

func (p *enPage) dayOfTime(i int) int {
	t := p.at(i)
	if w := p.text[t.start:t.end]; len(w) >= 3 && (w[2]|0x20 == 't') && w[0] >= '0' && w[0] <= '3' && w[1] >= '0' && w[1] <= '9' {
		return int(w[0]-'0')*10 + int(w[1]-'0')
	}
	return -1
}

func (p *enPage) fullDate(i, a, b, c int) bool {
	if a < 0 || b < 0 || c < 0 || p.width(i+2) > 2 {
		return false
	}
	if p.width(i) == 4 {
		return enYear(a, 4) && enMonthDay(b, c)
	}
	return p.width(i) <= 2 && (p.width(i+4) == 4 && enYear(c, 4) || p.width(i+4) == 2) && (enMonthDay(a, b) || enMonthDay(b, a))
}

func enMonthDay(m, d int) bool { return m >= 1 && m <= 12 && d >= 1 && d <= 31 }

// partDate takes a month with a day or a year. Fractions, scores and pulses
// look the same: where nothing speaks for a date, 2/6 and 5/5 stay.
func (p *enPage) partDate(i, a, b int, sep byte) bool {
	if sep == '.' || b < 0 || p.width(i) > 2 {
		return false
	}
	if p.width(i+2) == 4 && sep == '/' && a >= 1 && a <= 12 && enYear(b, 4) {
		p.takeDate(i, i+3, 85)
		return true
	}
	if p.width(i+2) == 2 && sep == '/' && a >= 1 && a <= 12 && b >= 70 && !p.scored(i-1) && !p.joinedAfter(i+2) {
		p.takeDate(i, i+3, 65) // 6/93
		return true
	}
	if p.width(i+2) > 2 || !enMonthDay(a, b) {
		return false
	}
	before, after := p.at(i-1), p.at(i+3)
	if sep == '-' {
		if p.width(i) < 2 || p.width(i+2) < 2 || !(before.is(enWhen) && before.kind == enWord && p.at(i).gap <= enSpace) {
			return false
		}
	} else if !p.dayLike(i, a, b, before, after) {
		return false
	}
	end := i + 3
	p.takeDate(i, end, 70)
	if p.dash(end) == '-' && p.value(end+1) > 0 && p.at(end+1).gap == enTight && !p.sign(end+2, '/') && p.value(end+1) <= 31 {
		p.takeDate(end+1, end+2, 60) // 3/15-18
	}
	return true
}

func (p *enPage) dayLike(i, a, b int, before, after *enToken) bool {
	if after.kind == enWord && after.gap == enSpace && after.shape == enLower && p.scored(i+3) {
		return false
	}
	if before.kind == enWord && p.scored(i-1) || p.sign(i-1, ':') && p.scored(i-2) {
		return false
	}
	switch {
	case before.kind == enWord && before.is(enWhen) && p.at(i).gap <= enSpace && (p.word(i-1) != "of" || p.word(i-2) == "week" || p.word(i-2) == "as") && p.word(i-1) != "by" && p.word(i-1) != "to":
		return true
	case p.width(i) == 2 && p.text[p.at(i).start] == '0', p.width(i+2) == 2 && p.text[p.at(i+2).start] == '0':
		return true
	}
	return b > 10 || a > 10
}

// scored says whether a word goes with a score, a pressure or a fraction.
func (p *enPage) scored(i int) bool {
	switch p.word(i) {
	case "bp", "strength", "murmur", "pain", "systolic", "diastolic", "pulses", "pulse", "score", "scale", "gcs", "motor", "vision", "acuity",
		"out", "reflexes", "dtrs", "moca", "mmse", "phq", "gad", "apgar", "apgars", "effacement", "cm", "mm", "mg", "power", "sem", "severity",
		"grade", "ef", "dose", "inch", "cup", "tablet", "tab", "tabs", "hour", "day", "dilated", "gleason", "sve", "hpf", "ratio", "inr", "nodes", "positive":
		return true
	}
	return false
}

// isoTight takes 20200315 and 20200315120000, whole.
func (p *enPage) isoTight(i int) bool {
	t := p.at(i)
	if w := t.end - t.start; t.kind != enNumber || w != 8 && w != 12 && w != 14 || p.joinedBefore(i) || p.joinedAfter(i) {
		return false
	}
	n := func(from, to int) (v int) {
		for _, c := range p.text[t.start+from : t.start+to] {
			v = 10*v + int(c-'0')
		}
		return v
	}
	if y := n(0, 4); y < 1900 || y > 2099 || !enMonthDay(n(4, 6), n(6, 8)) {
		return false
	}
	if t.end-t.start > 8 && (n(8, 10) > 23 || n(10, 12) > 59) {
		return false
	}
	p.takeDate(i, i+1, 70)
	return true
}

// clock takes the time behind a date, where there is one.
func (p *enPage) clock(k int) int {
	j := k
	if p.word(j) == "at" || p.sign(j, ',') && p.at(j).gap == enTight {
		j++
	}
	if p.value(j) >= 0 && p.value(j) < 24 && p.width(j) <= 2 && p.at(j).gap <= enSpace && p.sign(j+1, ':') && p.at(j+1).gap == enTight && p.value(j+2) >= 0 && p.value(j+2) < 60 {
		k = j + 3
		if p.sign(k, ':') && p.at(k).gap == enTight && p.value(k+1) >= 0 && p.at(k+1).gap == enTight {
			k += 2
		}
		if w := p.word(k); (w == "am" || w == "pm") && p.at(k).gap <= enSpace {
			k++
		}
		return k
	}
	if p.sign(k, ':') && p.at(k).gap == enTight && p.value(k+1) >= 0 && p.width(k+1) == 2 { // T10:00
		k += 2
		if p.sign(k, ':') && p.value(k+1) >= 0 {
			k += 2
		}
	}
	return k
}

// takeDate records a date; behind a label of birth it is a birth date.
func (p *enPage) takeDate(from, to int, confidence uint8) {
	kind, why := Date, ByStructure
	for k := from - 1; k >= 0 && k >= from-4; k-- {
		if p.at(k).kind == enPunct && p.at(k).sign != '.' || p.at(k).is(enFunction) && p.at(k).shape == enLower {
			continue
		}
		switch p.word(k) {
		case "dob", "birth", "born", "birthdate", "birthday", "bday", "birthdays", "d.o.b", "b":
			kind, why, confidence = BirthDate, ByLabel, 93
		case "date":
			continue
		}
		break
	}
	if p.sure && kind != BirthDate {
		return
	}
	p.take(from, to, kind, confidence, why)
}

// monthFirst takes March 15, 2020; Mar 15; March 2020; March 15-18.
func (p *enPage) monthFirst(i int) {
	if may := p.at(i); p.width(i) <= 5 && may.is(enOrdinary|enPerson) && may.shape == enInitial {
		return
	}
	k := i + 1
	if p.sign(k, '.') && p.at(k).gap == enTight {
		k++
	}
	if p.sign(k, '-') || p.sign(k, '/') || p.sign(k, ',') {
		k++
	}
	if w := p.word(k); w == "the" || w == "of" {
		k++
	}
	day := p.day(k)
	if p.at(k).gap >= enNewline {
		day = 0
	}
	if day == 0 {
		p.monthAlone(i, k)
		return
	}
	k = p.moreDays(k + 1)
	end := k
	if p.sign(k, ',') || p.sign(k, '-') || p.sign(k, '/') || p.sign(k, '.') && p.at(k+1).gap <= enSpace {
		k++
	}
	if w := p.word(k); w == "of" {
		k++
	}
	if y := p.value(k); y >= 0 && p.at(k).gap <= enSpace && (p.width(k) == 4 && enYear(y, 4) || p.width(k) == 2 && p.at(k).gap == enTight && k > end) {
		end = k + 1
	} else if p.sign(end, ',') && p.sign(end+1, '\'') {
		end += 2
	}
	p.takeDate(i, p.clock(end), 88)
}

// day is the day of a month in token k: 5, 05, 5th; 0 where it is none.
func (p *enPage) day(k int) int {
	t := p.at(k)
	w := p.text[t.start:t.end]
	if t.kind != enNumber && t.kind != enMixed || len(w) == 0 || len(w) > 4 {
		return 0
	}
	n, digits := 0, 0
	for digits < len(w) && w[digits] >= '0' && w[digits] <= '9' {
		n = 10*n + int(w[digits]-'0')
		digits++
	}
	switch string(w[digits:]) {
	case "", "st", "nd", "rd", "th", "ST", "ND", "RD", "TH":
		if n <= 31 && digits <= 2 {
			return n
		}
	}
	return 0
}

// moreDays steps over "-18", "and 19", "to 20" behind a day.
func (p *enPage) moreDays(k int) int {
	for n := 0; n < 3; n++ {
		j := k + 1
		if w := p.word(k); p.sign(k, '-') || p.sign(k, '/') || p.sign(k, '&') || w == "and" || w == "to" || w == "through" {
			if p.day(j) > 0 && p.width(j) <= 4 && !(p.kindAt(j) == enNumber && p.width(j) > 2) && !p.sign(j+1, '/') && p.at(j).gap <= enSpace && !p.measured(j+1) {
				k = j + 1
				continue
			}
		}
		break
	}
	return k
}

func (p *enPage) kindAt(i int) enKind { return p.at(i).kind }

// measured says whether a unit follows, which makes a number no day.
func (p *enPage) measured(i int) bool {
	switch p.word(i) {
	case "mg", "ml", "mcg", "units", "cm", "mm", "days", "weeks", "hours", "years", "months", "times", "kg", "lbs", "percent":
		return true
	}
	return p.sign(i, '%')
}

// monthAlone takes March 2020, and March behind words of time.
func (p *enPage) monthAlone(i, k int) {
	if y := p.value(k); y >= 0 && p.at(k).gap <= enSpace && p.width(k) == 4 && enYear(y, 4) {
		p.takeDate(i, k+1, 85)
		return
	}
	if p.sign(k, '\'') && p.value(k+1) >= 0 && p.width(k+1) == 2 {
		p.takeDate(i, k+2, 75)
		return
	}
	t, before := p.at(i), p.at(i-1)
	if before.kind != enWord || t.gap >= enNewline || t.shape == enUpper && p.width(i) < 4 || p.sure {
		return
	}
	switch p.word(i - 1) {
	case "in", "since", "last", "next", "until", "this", "of", "late", "early", "mid", "by", "during", "through", "from", "to", "past":
		p.takeDate(i, i+1, 55)
	}
}

// dayFirst takes 15 March 2020, 15th of March, 15-Mar-20.
func (p *enPage) dayFirst(i int) bool {
	d := p.day(i)
	if d == 0 || p.joinedBefore(i) {
		return false
	}
	k := i + 1
	if p.sign(k, '-') || p.sign(k, '/') || p.sign(k, '.') {
		k++
	}
	if p.word(k) == "of" {
		k++
	}
	m := p.at(k)
	if m.kind != enWord || !m.is(enMonth) || !m.proper() && p.at(i).kind == enNumber || m.gap >= enNewline || p.word(k) == "mar" && !m.proper() {
		return false
	}
	if w := p.word(k); (w == "may" || w == "march") && !m.proper() {
		return false
	}
	end := k + 1
	k++
	if p.sign(k, '-') || p.sign(k, ',') || p.sign(k, '/') || p.sign(k, '.') {
		k++
	}
	if y := p.value(k); y >= 0 && p.at(k).gap <= enSpace && (p.width(k) == 4 && enYear(y, 4) || p.width(k) == 2 && k > end) {
		end = k + 1
	}
	p.takeDate(i, p.clock(end), 88)
	return true
}

// weekday takes a day's name with its capital, alone: with a date both are
// taken.
func (p *enPage) weekday(i int) {
	t := p.at(i)
	if t.shape == enUpper && p.width(i) <= 5 && !t.shouts || t.owns && t.is(enHoliday) {
		return
	}
	if p.width(i) <= 4 && (t.is(enOrdinary) || t.shape == enUpper) { // Sat, Sun, Wed, Mon
		next := p.at(i + 1)
		if p.sign(i+1, ',') || p.sign(i+1, '.') {
			next = p.at(i + 2)
		}
		if next.kind != enNumber && !next.is(enMonth) {
			return
		}
	}
	p.take(i, i+1, Date, 50, ByLexicon)
}

// age takes ages over 89: 92-year-old, 94 yo, 101 years of age.
func (p *enPage) age(i int) bool {
	t := p.at(i)
	n := p.value(i)
	if t.kind == enMixed { // 92yo, 95y, 91F
		w := p.text[t.start:t.end]
		digits := 0
		for digits < len(w) && digits < 3 && w[digits] >= '0' && w[digits] <= '9' {
			n = max(n, 0)*10 + int(w[digits]-'0')
			digits++
		}
		switch string(w[digits:]) {
		case "yo", "YO", "y", "yr", "yrs", "yM", "yF", "yof", "yom", "yoM", "yoF", "F", "M", "f", "m":
			if n > 89 && n < 131 && !p.joinedBefore(i) && (len(w)-digits > 1 || w[digits] == 'y' || p.patientLike(i)) {
				p.take(i, i+1, Age, 88, ByStructure)
				return true
			}
		}
		if string(w[digits:]) == "s" && n == 90 && p.at(i-1).is(enFunction) { // in her 90s
			switch p.word(i - 1) {
			case "her", "his", "their", "the", "mid", "late", "early":
				if w := p.word(i - 2); p.word(i-1) != "the" || w == "in" {
					p.take(i, i+1, Age, 70, ByStructure)
					return true
				}
			}
		}
		return false
	}
	if n < 90 || n > 130 || p.joinedBefore(i) || !p.years(i+1) && !p.aged(i-1) {
		return false
	}
	p.take(i, i+1, Age, 88, ByLabel)
	return true
}

// years says whether what follows makes a number an age.
func (p *enPage) years(k int) bool {
	if p.sign(k, '-') {
		k++
	}
	switch p.word(k) {
	case "year", "years", "yr", "yrs", "y":
		if p.sign(k+1, '.') {
			k++
		}
		switch p.word(k + 1) {
		case "old", "of", "o":
			return true
		}
		return p.sign(k+1, '-') || p.sign(k+1, '/')
	case "yo", "yof", "yom", "y.o":
		return true
	}
	return false
}

func (p *enPage) aged(k int) bool {
	if p.sign(k, ':') {
		k--
	}
	w := p.word(k)
	if w == "of" || w == "is" || w == "was" {
		w = p.word(k - 1)
		if w == "she" || w == "he" || w == "patient" || w == "pt" {
			return true
		}
	}
	if p.sign(k, ',') && p.at(k-1).is(enRelative) {
		return true
	}
	return w == "age" || w == "aged" || w == "turned" || w == "turn"
}

// ageLabel takes ages written in words: ninety-two years old.
func (p *enPage) ageLabel(i int) {
	w := p.word(i)
	if w != "ninety" && w != "nineties" && w != "centenarian" {
		return
	}
	end := i + 1
	if p.sign(end, '-') && p.at(end+1).kind == enWord {
		end += 2
	}
	if w == "ninety" && p.word(i-1) != "aged" && p.word(i-1) != "age" && !p.years(end) && p.word(end) != "year" && p.word(end) != "years" {
		return
	}
	p.take(i, end, Age, 70, ByStructure)
}
