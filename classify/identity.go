package classify

// resident is asked about 18 characters, digits or a last X: check, date and
// place.
func (s *scan) resident(i, end int, id []byte) bool {
	if !digit(id[16]) || !residentCheck(id) || !bornOn(id[6:14]) {
		return false
	}
	switch string(id[:6]) {
	case "810000", "820000", "830000":
		s.add(i, end, ResidencePermit, 99, ByCheck)
		return true
	}
	if !s.engine.regions.has(id[:6]) {
		return false
	}
	s.add(i, end, ResidentID, 99, ByCheck)
	return true
}

// oldResident is asked about 15 digits: place and date, and a label; when
// recall counts, without one.
func (s *scan) oldResident(i, end int) bool {
	d := s.text[i:end]
	if !calendar(1900+number(d[6:8]), number(d[8:10]), number(d[10:12])) {
		return false
	}
	switch label := s.labelBefore(i); {
	case label == ResidentID || label == SocialSecurity:
		s.add(i, end, ResidentID15, 92, ByLabel)
	case label == None && s.mode == Redact && s.engine.regions.has(d[:6]):
		s.add(i, end, ResidentID15, 55, ByStructure)
	default:
		return false
	}
	return true
}

// mobile adds a mobile number of mainland China, text[i:end], whose own eleven
// digits begin at own. What a label calls otherwise is that.
func (s *scan) mobile(i, own, end int) {
	i = s.withCountry(i)
	switch label := s.labelBefore(i); label {
	case None:
		s.add(i, end, Mobile, 80, ByStructure)
	case Phone, Mobile:
		s.add(i, end, Mobile, 97, ByLabel)
	case MRN, Admission, Visit, Accession, Fax, Account, Serial, HealthPlan, SocialSecurity:
		s.add(i, end, label, 85, ByLabel)
	default:
		s.add(i, end, Mobile, 70, ByStructure)
	}
}

// withCountry moves the start of a number before a plus and China's code:
// "+86 ", "+86-", "(+86)".
func (s *scan) withCountry(i int) int {
	switch byteAt(s.text, i-1) {
	case ' ', '-', '6', ')', '+':
	default:
		return i
	}
	for _, code := range [...]string{"+86 ", "+86-", "+86", "(+86)", "(+86) ", "+ 86 "} {
		if at := i - len(code); at >= 0 && string(s.text[at:i]) == code {
			return at
		}
	}
	if byteAt(s.text, i-1) == '+' {
		return i - 1
	}
	return i
}

// card is asked about the digits of a bank card, written at text[i:end].
func (s *scan) card(i, end int, d []byte) bool {
	if len(d) < 14 || len(d) > 19 {
		return false
	}
	ok, china := cardOf(d)
	if !ok {
		return false
	}
	label := s.labelBefore(i)
	switch {
	case label == BankCard || label == Account:
		s.add(i, end, BankCard, 98, ByCheck)
	case label != None && label != Phone:
		return false // another number that passes by chance
	case china:
		s.add(i, end, BankCard, 90, ByCheck)
	default:
		s.add(i, end, BankCard, 75, ByCheck)
	}
	return true
}

// credit is asked about 18 characters as an organisation's code: its
// character set, its check, the office that gave it and a place.
func (s *scan) credit(i, end int) bool {
	code := s.text[i:end]
	for _, c := range code[2:8] {
		if !digit(c) {
			return false
		}
	}
	switch code[0] {
	case '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'N', 'Y':
	default:
		return false
	}
	if !creditCheck(code) || code[2] == '0' || !s.engine.regions.has(code[2:8]) && string(code[2:8]) != "100000" {
		return false
	}
	s.add(i, end, USCC, 90, ByCheck)
	return true
}

// nine is asked about nine characters with letters in front: passports, travel
// permits, registrations of the DEA.
func (s *scan) nine(i, end, digits int) bool {
	w := s.text[i:end]
	label := None
	if letter(w[0]) {
		label = s.labelBefore(i)
	}
	switch {
	case digits == 8 && letter(w[0]):
		return s.lettered(i, end, w[0]&^0x20, label)
	case digits == 7 && letter(w[0]) && letter(w[1]):
		if (label == DEA || upper(w[0]) && upper(w[1]) && deaClass(w[0]) && s.mode == Redact) && deaCheck(w) {
			s.add(i, end, DEA, 90, ByCheck)
			return true
		}
		if label == Passport || w[0] == 'E' && passportSecond(w[1]) && label == None {
			s.labelOr(i, end, Passport, label, 60)
			return true
		}
		if upper(w[0]) && upper(w[1]) && hkidCheck(w) && label == HKID {
			s.add(i, end, HKID, 95, ByCheck)
			return true
		}
	}
	return false
}

// lettered is asked about one letter and eight digits.
func (s *scan) lettered(i, end int, first byte, label Kind) bool {
	if label != None && label != Passport && label != HKMacaoPermit && label != ResidentID {
		return false
	}
	switch first {
	case 'E', 'G', 'P', 'S', 'D':
		if upper(s.text[i]) {
			s.labelOr(i, end, Passport, label, 65)
			return true
		}
	case 'H', 'M', 'C', 'W':
		if first <= 'H' && first != 'H' || first == 'W' {
			if label == None {
				return false // permits of mainlanders: with a label only
			}
		}
		s.labelOr(i, end, HKMacaoPermit, label, 65)
		return true
	}
	if label == Passport {
		s.add(i, end, Passport, 92, ByLabel)
		return true
	}
	return false
}

// labelOr adds a kind by its label if there is one, else by its structure.
func (s *scan) labelOr(i, end int, k, label Kind, confidence uint8) {
	if label != None {
		s.add(i, end, k, 93, ByLabel)
	} else {
		s.add(i, end, k, confidence, ByStructure)
	}
}

// passportSecond: the letters that may follow E in the newer passports.
func passportSecond(c byte) bool { return upper(c) && c != 'I' && c != 'O' }

// deaClass says whether a letter is a class of registrants.
func deaClass(c byte) bool {
	switch c {
	case 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'J', 'K', 'L', 'M', 'P', 'R', 'S', 'T', 'U', 'X':
		return true
	}
	return false
}

// eleven is asked about eleven characters: beneficiaries of Medicare, travel
// permits with their count of renewals.
func (s *scan) eleven(i, end, digits int) bool {
	w := s.text[i:end]
	switch {
	case digits == 10 && (w[0] == 'H' || w[0] == 'M'):
		label := s.labelBefore(i)
		if label != None && label != HKMacaoPermit && label != ResidentID && label != Passport {
			return false
		}
		s.labelOr(i, end, HKMacaoPermit, label, 70)
	case mbi(w):
		s.add(i, end, MBI, 85, ByStructure)
	default:
		return false
	}
	return true
}

// mbi says whether eleven characters have the form of a Medicare beneficiary
// identifier.
func mbi(w []byte) bool {
	const form = "CAXNAXNAANN"
	for i, c := range w {
		l := upper(c) && c != 'S' && c != 'L' && c != 'O' && c != 'I' && c != 'B' && c != 'Z'
		d := digit(c)
		switch form[i] {
		case 'C':
			d = d && c != '0'
			l = false
		case 'A':
			d = false
		case 'N':
			l = false
		}
		if !l && !d {
			return false
		}
	}
	return true
}

// dashedMBI is asked about 1EG4-TE5-MK73.
func (s *scan) dashedMBI(i, end int) int {
	t := s.text
	if i+13 > len(t) || t[i+8] != '-' || wordByte(byteAt(t, i+13)) {
		return 0
	}
	var w [11]byte
	copy(w[:], t[i:i+4])
	copy(w[4:], t[i+5:i+8])
	copy(w[7:], t[i+9:i+13])
	if !mbi(w[:]) {
		return 0
	}
	s.add(i, i+13, MBI, 92, ByStructure)
	return i + 13
}

// hongKong is asked about letters and six digits, with the check character in
// brackets of either width or, behind a label, without.
func (s *scan) hongKong(i, end int) int {
	var id [9]byte
	w := s.text[i:end]
	n := copy(id[:], w)
	letters := 1
	if letter(w[1]) {
		letters = 2
	}
	for _, c := range w[letters:min(len(w), letters+6)] {
		if !digit(c) {
			return 0
		}
	}
	stop := end
	if n == letters+6 {
		open, check, size := bracketed(s.text, end)
		if open == 0 {
			return 0
		}
		id[n] = check
		n++
		stop = end + size
	} else if n != letters+7 || s.labelBefore(i) != HKID && s.labelBefore(i) != ResidentID {
		return 0
	}
	if !hkidCheck(id[:n]) {
		return 0
	}
	s.add(i, stop, HKID, 95, ByCheck)
	return stop
}

// bracketed reads one character in brackets at i.
func bracketed(text []byte, i int) (open, inside byte, size int) {
	in, out := 1, 1
	switch {
	case byteAt(text, i) == '(':
	case i+3 <= len(text) && string(text[i:i+3]) == "（":
		in = 3
	default:
		return 0, 0, 0
	}
	c := byteAt(text, i+in)
	switch {
	case byteAt(text, i+in+1) == ')':
	case i+in+4 <= len(text) && string(text[i+in+1:i+in+4]) == "）":
		out = 3
	default:
		return 0, 0, 0
	}
	return 1, c, in + 1 + out
}

// vin is asked about 17 characters.
func (s *scan) vin(i, end int) bool {
	w := s.text[i:end]
	for _, c := range w[13:] {
		if !digit(c) {
			return false
		}
	}
	if !vinCheck(w) {
		return false
	}
	s.labelOr(i, end, VIN, only(s.labelBefore(i), VIN), 75)
	return true
}

// only is k where it is what is wanted, else None.
func only(k, wanted Kind) Kind {
	if k == wanted {
		return k
	}
	return None
}

// plate is asked about a letter and five or six letters and digits behind the
// sign of a province, or about what stands behind the dot of 粤B·12345.
func (s *scan) plate(i, end int) bool {
	text, first := s.text, i
	if byteAt(text, i-1) < 0x80 {
		return false
	}
	if i >= 6 && text[i-1] == 0xB7 && text[i-2] == 0xC2 {
		first = i - 3
	}
	if first < 3 || !upper(text[first]) || end-i < 5 || !province(text[first-3:first]) {
		return false
	}
	signs := end - first
	if first < i {
		signs -= 2
	}
	for _, c := range text[i:end] {
		if !digit(c) && (!upper(c) || c == 'I' || c == 'O') {
			return false
		}
	}
	if signs != 6 && signs != 7 {
		return false
	}
	s.add(first-3, end, Plate, 85, ByStructure)
	return true
}

// province says whether a character is a province's sign on plates.
func province(w []byte) bool {
	switch string(w) {
	case "京", "津", "沪", "渝", "冀", "豫", "云", "辽", "黑", "湘", "皖", "鲁", "新", "苏", "浙", "赣", "鄂", "桂", "甘", "晋", "蒙", "陕", "吉", "闽", "贵", "粤", "青", "藏", "川", "宁", "琼":
		return true
	}
	return false
}
