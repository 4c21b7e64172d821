package classify

// phone adds a telephone number, or what a label calls otherwise.
func (s *scan) phone(i, end int, confidence uint8) {
	i = s.withCountry(i)
	switch label := s.labelBefore(i); label {
	case Fax:
		s.add(i, end, Fax, 95, ByLabel)
	case Phone:
		s.add(i, end, Phone, 95, ByLabel)
	case None:
		s.add(i, end, Phone, confidence, ByStructure)
	case MRN, Admission, Visit, Accession, Account, Serial, HealthPlan, Licence, SocialSecurity:
		s.add(i, end, label, 80, ByLabel)
	default:
		s.add(i, end, Phone, confidence, ByStructure)
	}
}

// dialled is asked about digits behind a plus or in brackets: +44 20 7946
// 0018, (555) 123-4567, （010）65520000.
func (s *scan) dialled(i, end int, prev byte) int {
	text := s.text
	if prev == '+' {
		return s.international(i)
	}
	start, at := i-1, end
	switch {
	case prev == '(' && byteAt(text, end) == ')':
		if string(text[i:end]) == "01" {
			return s.udi(i, end)
		}
		at++
	case prev == 0x88 && i >= 3 && string(text[i-3:i]) == "（" && end+3 <= len(text) && string(text[end:end+3]) == "）":
		start, at = i-3, at+3
	default:
		return 0
	}
	if end-i < 3 || end-i > 4 {
		return 0
	}
	if c := byteAt(text, at); c == ' ' || c == '-' {
		at++
	}
	var g groups
	g.gather(text, at)
	if g.k == 0 {
		return 0
	}
	return s.areaAnd(&g, start, i, end, at)
}

// areaAnd is asked about an area code in brackets, text[i:end], and the groups
// from at on behind it.
func (s *scan) areaAnd(g *groups, start, i, end, at int) int {
	area := s.text[i:end]
	_, shape := g.first(min(g.k, 2))
	switch {
	case area[0] >= '2' && len(area) == 3 && shape == 34:
		s.phone(start, at+int(g.end[1]), 88)
		return at + int(g.end[1])
	case area[0] == '0':
		var d [24]byte
		n := copy(d[:], area)
		k := 1
		if g.length[0] < 7 {
			k = min(2, g.k)
		}
		rest, _ := g.first(k)
		n += copy(d[n:], rest)
		if landline(d[:n], len(area)) {
			s.phone(start, at+int(g.end[k-1]), 88)
			return at + int(g.end[k-1])
		}
	}
	return 0
}

// international is asked about a number behind a plus.
func (s *scan) international(i int) int {
	text := s.text
	var d [16]byte
	n, at, end := 0, i, i
	for at-i < 28 && n < len(d) {
		c := byteAt(text, at)
		switch {
		case digit(c):
			d[n] = c
			n++
			end = at + 1
		case c == ' ' || c == '-' || c == '.' || c == '(' || c == ')':
			if !digit(byteAt(text, at+1)) && byteAt(text, at+1) != '(' && c != ')' {
				at = i + 28
			}
		default:
			at = i + 28
		}
		at++
	}
	// A Chinese mobile number ends with its eleventh digit whatever follows.
	if n >= 13 && string(d[:2]) == "86" && assignedMobile(d[2:13]) {
		if n == 13 {
			s.mobile(i-1, i-1, end)
			return end
		}
		return 0
	}
	if n < 8 || n > 15 || d[0] == '0' || wordByte(byteAt(text, end)) || wordByte(byteAt(text, i-2)) {
		return 0
	}
	s.phone(i-1, end, 80)
	return end
}

// ssn is asked about groups of 3, 2 and 4 digits.
func (s *scan) ssn(i, end int, d []byte, dashed bool) bool {
	area := number(d[:3])
	if area == 0 || area == 666 || area >= 900 || number(d[3:5]) == 0 || number(d[5:]) == 0 || joined(s.text, i, end) {
		return false
	}
	label := s.labelBefore(i)
	switch {
	case label == SSN:
		s.add(i, end, SSN, 97, ByLabel)
	case label != None && label != ResidentID:
		s.add(i, end, label, 80, ByLabel)
	case dashed:
		s.add(i, end, SSN, 85, ByStructure)
	default:
		return false
	}
	return true
}

// ten is asked about groups of 3, 3 and 4 digits: an NHS number if its check
// digit says so and dashes do not speak against it, else a telephone number.
func (s *scan) ten(i, end int, d []byte, dashed bool) bool {
	label := s.labelBefore(i)
	if nhsCheck(d) && (label == NHS || label == None && !dashed) {
		s.add(i, end, NHS, 90, ByCheck)
		return true
	}
	return s.american(i, end, d, dashed)
}

// american is asked about ten digits of North America.
func (s *scan) american(i, end int, d []byte, dashed bool) bool {
	if joined(s.text, i, end) {
		return false
	}
	if d[0] < '2' || d[3] < '2' && !dashed {
		if label := s.labelBefore(i); label != Phone && label != Fax {
			return false
		}
	}
	confidence := uint8(60)
	if dashed {
		confidence = 80
	}
	if byteAt(s.text, i-2) == '+' && byteAt(s.text, i-1) == '1' {
		i -= 2
	}
	s.phone(i, end, confidence)
	return true
}

// zip is asked about five digits, or five and four: behind a label or a state
// of the USA.
func (s *scan) zip(i, end int) bool {
	if s.labelBefore(i) == ZIP {
		s.add(i, end, ZIP, 92, ByLabel)
		return true
	}
	if i < 3 || s.text[i-1] != ' ' || !state(s.text[i-3:i-1]) || wordByte(byteAt(s.text, i-4)) {
		return false
	}
	s.add(i, end, ZIP, 80, ByStructure)
	return true
}

// state says whether two letters are a state or territory of the USA.
func state(w []byte) bool {
	const all = "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC PR VI GU AS MP AE AP AA"
	for i := 0; i < len(all); i += 3 {
		if all[i] == w[0] && all[i+1] == w[1] {
			return true
		}
	}
	return false
}

// udi reads the element strings of GS1 that begin with (01) and a trade item's
// number with its check digit: (01)09506000134352(17)260101(21)A123.
func (s *scan) udi(i, end int) int {
	text := s.text
	at := end + 1
	if at+14 > len(text) {
		return 0
	}
	for _, c := range text[at : at+14] {
		if !digit(c) {
			return 0
		}
	}
	if !gtinCheck(text[at : at+14]) {
		return 0
	}
	at += 14
	for byteAt(text, at) == '(' && digit(byteAt(text, at+1)) && digit(byteAt(text, at+2)) && byteAt(text, at+3) == ')' {
		next := at + 4
		for next-at < 34 && (wordByte(byteAt(text, next)) || byteAt(text, next) == '-' || byteAt(text, next) == '/') {
			next++
		}
		if next == at+4 || next-i > 240 {
			break
		}
		at = next
	}
	s.add(i-1, at, UDI, 95, ByCheck)
	return at
}
