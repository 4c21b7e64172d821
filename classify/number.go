package classify

// number is asked about a word with digits, text[i:end], and says where to go
// on.
func (s *scan) number(i, end, digits int) int {
	if byteAt(s.text, end) == '@' {
		return end // of a mail address
	}
	if digits == end-i {
		return s.digits(i, end)
	}
	return s.mixed(i, end, digits)
}

// digits is asked about a run of digits.
func (s *scan) digits(i, end int) int {
	text := s.text
	prev, next, after := byteAt(text, i-1), byteAt(text, end), byteAt(text, end+1)
	if end-i <= 3 && next != '.' && next != ':' && next != ' ' && next != '-' && prev != '(' && prev != '+' && prev != 0x88 {
		return end
	}
	if prev == '.' && digit(byteAt(text, i-2)) {
		return end // decimals, or a later arc of an object identifier
	}
	if next == '-' && end-i == 8 && uuid(text, i) {
		return i + 36
	}
	switch next {
	case '.':
		if digit(after) {
			return s.dotted(i, end)
		}
	case ':':
		if end-i <= 4 && (after == ':' || hexDigit(after)) {
			return s.colons(i, end)
		}
	case ' ', '-':
		if next == '-' && end-i == 2 && byteAt(text, end+3) == '-' && hexDigit(after) {
			if n := s.hex(i, end); n > 0 {
				return n
			}
		}
		if end-i <= 6 && digit(after) {
			if n := s.grouped(i, end); n > 0 {
				return n
			}
		}
	}
	if prev == 0xB7 && s.plate(i, end) {
		return end
	}
	if prev == '+' || prev == '(' || prev == 0x88 {
		if n := s.dialled(i, end, prev); n > 0 {
			return n
		}
	}
	return s.run1(i, end, prev)
}

// run1 is asked about one run of digits that nothing joins to others.
func (s *scan) run1(i, end int, prev byte) int {
	d := s.text[i:end]
	switch len(d) {
	case 1, 2, 3:
		return end
	case 5:
		if s.zip(i, end) {
			return end
		}
	case 11:
		if assignedMobile(d) && !joined(s.text, i, end) {
			s.mobile(i, i, end)
			return end
		}
	case 13, 15:
		if n := countryCode(d); n > 0 && assignedMobile(d[n:]) {
			s.mobile(i, i+n, end)
			return end
		}
		if len(d) == 15 && (s.oldResident(i, end) || s.card(i, end, d)) {
			return end
		}
	case 14, 16, 17, 19:
		if s.card(i, end, d) {
			return end
		}
	case 18:
		if s.resident(i, end, d) || s.card(i, end, d) || s.credit(i, end) {
			return end
		}
	}
	return s.labelled(i, end)
}

// joined says whether a run of digits is one part of a longer code: joined by
// a dash or a slash to letters or digits on its left, or to a part on its
// right.
func joined(text []byte, i, end int) bool {
	return byteAt(text, i-1) == '-' && wordByte(byteAt(text, i-2)) ||
		byteAt(text, end) == '-' && wordByte(byteAt(text, end+1))
}

// countryCode is the length of China's country code in front of a mobile
// number written without any separator.
func countryCode(d []byte) int {
	switch {
	case len(d) == 13 && string(d[:2]) == "86":
		return 2
	case len(d) == 15 && string(d[:4]) == "0086":
		return 4
	}
	return 0
}

// mixed is asked about a word of letters and digits.
func (s *scan) mixed(i, end, digits int) int {
	text := s.text
	w := text[i:end]
	n := len(w)
	next, after := byteAt(text, end), byteAt(text, end+1)
	if n == 8 && next == '-' && uuid(text, i) {
		return i + 36
	}
	if n <= 4 && (next == ':' && (after == ':' || hexDigit(after)) || next == '-' && n == 2 && hexDigit(after) || next == '.' && n == 4 && hexDigit(after)) && hexWord(w) {
		if e := s.hex(i, end); e > 0 {
			return e
		}
	}
	switch {
	case n == 18 && digits == 17 && w[17]|0x20 == 'x':
		if s.resident(i, end, w) || s.credit(i, end) {
			return end
		}
	case n == 18:
		if s.credit(i, end) {
			return end
		}
	case n == 17 && s.vin(i, end):
		return end
	case n == 11 && s.eleven(i, end, digits):
		return end
	case n == 9 && s.nine(i, end, digits):
		return end
	case n >= 7 && n <= 9 && digits >= 6 && upper(w[0]):
		if e := s.hongKong(i, end); e > 0 {
			return e
		}
	}
	return s.mixedShort(i, end, digits)
}

// mixedShort goes on with mixed.
func (s *scan) mixedShort(i, end, digits int) int {
	text := s.text
	w := text[i:end]
	switch n := len(w); {
	case upper(w[0]) && (n == 3 || n == 5 || n == 6) && digits == n-1:
		s.icd(i, end)
		if n > 3 && s.plate(i, end) {
			return end
		}
	case n <= 7 && n >= 5 && s.plate(i, end):
		return end
	case n == 4 && byteAt(text, end) == '-' && digit(w[0]):
		if e := s.dashedMBI(i, end); e > 0 {
			return e
		}
	case n > 11 && digits >= 11:
		s.prefixed(i, end)
	}
	if len(w) < 4 || digits < 2 {
		return end
	}
	return s.labelled(i, end)
}

// prefixed looks at the digits behind letters that are directly before them:
// "ID110101199003077731", "tel13800138000".
func (s *scan) prefixed(i, end int) {
	k := i
	for k < end && letter(s.text[k]) {
		k++
	}
	if k-i > 6 || k == i {
		return
	}
	d := s.text[k:end]
	for n, c := range d {
		if !digit(c) && (n != 17 || c|0x20 != 'x' || len(d) != 18) {
			return
		}
	}
	switch len(d) {
	case 18:
		_ = s.resident(k, end, d)
	case 11:
		if s.labelBefore(k) == Phone && assignedMobile(d) {
			s.add(k, end, Mobile, 90, ByLabel)
		}
	}
}

func uuid(text []byte, i int) bool {
	if i+36 > len(text) || text[i+13] != '-' || text[i+18] != '-' || text[i+23] != '-' {
		return false
	}
	for k, c := range text[i : i+36] {
		if !hexDigit(c) && k != 8 && k != 13 && k != 18 && k != 23 {
			return false
		}
	}
	return !wordByte(byteAt(text, i+36))
}

func hexWord(w []byte) bool {
	for _, c := range w {
		if !hexDigit(c) {
			return false
		}
	}
	return true
}
