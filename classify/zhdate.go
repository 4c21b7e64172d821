package classify

import "unicode/utf8"

// zhNumber reads a number in ASCII, full-width or Chinese digits.
func zhNumber(text []byte, i int) (value, digits, end int) {
	spoken, tens, whole := false, -1, 0
	for end = i; end < len(text); {
		d, size := zhDigit(text, end)
		if size == 0 || digits >= 8 {
			break
		}
		switch d {
		case 10: // 十
			spoken = true
			tens = max(value, 1)
			if value == 0 && digits > 0 {
				return 0, 0, i
			}
			value = 0
		case 20, 30: // 廿, 卅
			spoken, tens, value = true, d/10, 0
		case 100:
			spoken, whole, value = true, max(value, 1)*100, 0
		default:
			if spoken {
				value = d
			} else {
				value = value*10 + d
			}
		}
		digits++
		end += size
	}
	if spoken {
		if tens > 0 {
			value += tens * 10
		}
		return value + whole, digits, end
	}
	return value, digits, end
}

// zhDigit is the digit at a place: 0 to 9, or 10, 20, 30, 100 for the signs
// that count tens and hundreds; size is 0 where there is none.
func zhDigit(text []byte, i int) (d, size int) {
	if c := text[i]; c-'0' < 10 {
		return int(c - '0'), 1
	} else if c < 0xE3 {
		return 0, 0
	}
	c, _ := utf8.DecodeRune(text[i:])
	switch {
	case c >= '０' && c <= '９':
		return int(c - '０'), 3
	case c == '十':
		return 10, 3
	case c == '廿':
		return 20, 3
	case c == '卅':
		return 30, 3
	case c == '百':
		return 100, 3
	case c == '元' && i+6 <= len(text) && (string(text[i+3:i+6]) == "月" || string(text[i+3:i+6]) == "年"):
		return 1, 3
	case c == '正' && hasWide(text, i+3, "月"):
		return 1, 3
	case c == '冬' && hasWide(text, i+3, "月"):
		return 11, 3
	case c == '腊' && hasWide(text, i+3, "月"):
		return 12, 3
	}
	for k, n := range [...]rune{'〇', '一', '二', '三', '四', '五', '六', '七', '八', '九', '零', '○', '两'} {
		if c == n {
			return [...]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 2}[k], 3
		}
	}
	return 0, 0
}

// zhBlank passes at most two blanks.
func zhBlank(text []byte, i int) int {
	for n := 0; n < 2 && i < len(text) && text[i] == ' '; n++ {
		i++
	}
	return i
}

// zhDate reads a date that begins at i: a day, or a month of a year. A label
// allows the shorter forms. It gives where it ends, -1 where there is none.
func zhDate(text []byte, i int, label bool) int {
	y, digits, j := zhNumber(text, i)
	if digits == 0 || digits > 8 {
		return -1
	}
	k := zhBlank(text, j)
	switch {
	case hasWide(text, k, "年"):
		return zhAfterYear(text, k+3, y, digits, label)
	case hasWide(text, k, "月") && digits <= 2 && y >= 1 && y <= 12:
		return zhDay(text, k+3, -1)
	case digits == 4 && y >= 1850 && y <= 2100:
		return zhParted(text, j, label)
	case label && digits == 8 && y > 18500000 && y/100%100 <= 12 && y%100 <= 31:
		return j
	case label && digits == 6 && y > 185000 && y < 210000 && y%100 <= 12 && y%100 > 0:
		return j
	}
	return -1
}

// zhAfterYear reads what follows 年.
func zhAfterYear(text []byte, i, year, digits int, label bool) int {
	full := digits == 4 && year >= 1850 && year <= 2100
	if !full && !(digits == 2 && year >= 10 && year <= 99) {
		return -1
	}
	short := -1
	if label {
		short = i
	}
	j := zhBlank(text, i)
	for _, calendar := range []string{"农历", "阴历", "（农历）"} {
		if hasWide(text, j, calendar) {
			j += len(calendar)
		}
	}
	m, n, k := zhNumber(text, j)
	k = zhBlank(text, k)
	if n == 0 || n > 2 || m < 1 || m > 12 || !hasWide(text, k, "月") {
		return short
	}
	month := k + 3
	if !full && !label && year < 40 {
		return zhDay(text, month, -1)
	}
	if hasWide(text, month, "份") {
		month += 3
	}
	return zhDay(text, month, month)
}

// zhDay reads a day behind 月, and gives otherwise where there is none.
func zhDay(text []byte, i, otherwise int) int {
	j := zhBlank(text, i)
	if hasWide(text, j, "初") {
		j += 3
		if d, n, k := zhNumber(text, j); n > 0 && d <= 10 {
			return k
		}
		return otherwise
	}
	d, n, k := zhNumber(text, j)
	if n == 0 || n > 3 || d < 1 || d > 31 {
		return otherwise
	}
	e := zhBlank(text, k)
	switch {
	case hasWide(text, e, "日"), hasWide(text, e, "号"):
		return e + 3
	case otherwise > 0 || d >= 20 && text[j] == 0xE5: // 廿三
		return k
	}
	for _, to := range []string{"-", "~", "—", "至", "～", "、"} { // 3月5-8日
		if hasWide(text, e, to) {
			if d, n, k := zhNumber(text, e+len(to)); n > 0 && d <= 31 && (hasWide(text, k, "日") || hasWide(text, k, "号")) {
				return k + 3
			}
		}
	}
	return otherwise
}

// zhParted reads "-03-05" behind a year.
func zhParted(text []byte, i int, label bool) int {
	part := ""
	for _, p := range []string{"-", "/", ".", "－", "／", "．", "、"} {
		if hasWide(text, i, p) {
			part = p
		}
	}
	if part == "" {
		return -1
	}
	m, n, j := zhNumber(text, i+len(part))
	if n == 0 || n > 2 || m < 1 || m > 12 {
		return -1
	}
	short := -1
	if label && n == 2 {
		short = j
	}
	if !hasWide(text, j, part) {
		return short
	}
	d, n, k := zhNumber(text, j+len(part))
	if n == 0 || n > 2 || d < 1 || d > 31 {
		return short
	}
	return k
}

// zhMoment reads a day without its year before a time: 03-05 08:00. It gives
// where the day ends.
func zhMoment(text []byte, i int) int {
	m, n, j := zhNumber(text, i)
	if n == 0 || n > 2 || m < 1 || m > 12 || j >= len(text) || text[j] != '-' && text[j] != '/' && text[j] != '.' {
		return -1
	}
	d, n, k := zhNumber(text, j+1)
	if n == 0 || n > 2 || d < 1 || d > 31 || k >= len(text) || text[k] != ' ' && text[k] != '\t' {
		return -1
	}
	h, n, e := zhNumber(text, k+1)
	if n != 2 && n != 1 || h > 24 || !hasWide(text, e, ":") && !hasWide(text, e, "：") {
		return -1
	}
	if _, n, _ := zhNumber(text, e+zhSize(text[e])); n != 2 {
		return -1
	}
	return k
}

// zhDateBefore finds where the date begins that ends at a place, -1 for none.
func zhDateBefore(text []byte, end int) int {
	for i := max(0, end-40); i < end; i++ {
		if text[i]&0xC0 == 0x80 || !zhDateBegins(text, i) {
			continue
		}
		if e := zhDate(text, i, true); e >= 0 && zhBlank(text, e) == end {
			return i
		}
	}
	return -1
}

// zhDateBegins says whether a number begins at i, not in the middle of one.
func zhDateBegins(text []byte, i int) bool {
	if _, size := zhDigit(text, i); size == 0 {
		return false
	}
	if i == 0 {
		return true
	}
	if c := text[i-1]; c < 0x80 {
		return c-'0' >= 10 && !letter(c) && c != '.' && c != '_'
	}
	if i >= 3 {
		if d, size := zhDigit(text, i-3); size == 3 && d <= 30 {
			return false
		}
	}
	return true
}

// birth finds the date behind a label of birth, or before 出生.
func (v *zhView) birth(at, end int) {
	if zhEnds(v.text[:at], "发") || zhEnds(v.text[:at], "产") {
		return // 发生于
	}
	p, _ := v.separator(end)
	for _, word := range []string{"于", "为", "是", "在", "公历", "农历", "阳历", "阴历", "日期", "年月", "（公历）", "：", ":", " "} {
		if hasWide(v.text, p, word) {
			p += len(word)
		}
	}
	if p < len(v.text) && zhDateBegins(v.text, p) {
		if e := zhDate(v.text, p, true); e > 0 {
			v.add(p, e, BirthDate, 95, ByLabel)
			return
		}
	}
	if hasWide(v.text, at, "出生") || hasWide(v.text, at, "生于") {
		if i := zhDateBefore(v.text, at); i >= 0 {
			v.add(i, at, BirthDate, 92, ByLabel)
		}
	}
}

// born finds the date before 生: 1980年3月5日生.
func (v *zhView) born(at, end int) {
	if i := zhDateBefore(v.text, at+3); i >= 0 && !hasWide(v.text, end, "产") && !hasWide(v.text, end, "效") && !hasWide(v.text, end, "活") && !hasWide(v.text, end, "命") {
		v.add(i, at+3, BirthDate, 90, ByLabel)
	}
}

// The ages that identify: over 89.
const (
	zhOldest  = 130
	zhOldFrom = 90
)

// aged finds an age behind a label.
func (v *zhView) aged(end int) {
	p, _ := v.separator(end)
	if p >= len(v.text) {
		return
	}
	n, digits, e := zhNumber(v.text, p)
	if digits < 2 || digits > 5 || n < zhOldFrom || n > zhOldest {
		return
	}
	if e < len(v.text) && (v.text[e] == '.' || v.text[e] == '%' || v.text[e] == '-') {
		return
	}
	if hasWide(v.text, e, "岁") {
		return // its own cue
	}
	v.add(p, e, Age, 88, ByLabel)
}

// years finds the age before 岁.
func (v *zhView) years(at, end int) {
	i := at
	if i > 0 && v.text[i-1] == ' ' {
		i--
	}
	stop := i
	for i > 0 {
		if v.text[i-1]-'0' < 10 {
			i--
			continue
		}
		if i < 3 || v.text[i-1] < 0x80 {
			break
		}
		if _, size := zhDigit(v.text, i-3); size != 3 {
			break
		}
		i -= 3
	}
	if i == stop || stop-i > 15 {
		return
	}
	n, _, e := zhNumber(v.text, i)
	if e != stop || n < zhOldFrom || n > zhOldest {
		return
	}
	for _, rule := range []string{"以上", "以下", "及以上", "以内", "（含", "(含"} {
		if hasWide(v.text, end, rule) {
			return
		}
	}
	for _, rule := range []string{"满", "≥", ">", "＞", "<", "＜", "-", "～", "~", "至", "到", "≤", "过"} {
		if zhEnds(v.text[:i], rule) {
			return
		}
	}
	v.add(i, end, Age, 90, ByStructure)
}
