package classify

// coded adds the codes of ICD-10 that a field of codes holds, one or a list:
// B20, F20.0;B24, and Ｂ２０. There the field is the word for diagnosis, and no
// decimals are needed.
func (s *scan) coded() {
	const longest = 64 // a field of codes, not a text
	if len(s.text) > longest {
		return
	}
	for i := 0; i < len(s.text); {
		from := i
		var code [8]byte
		n := 0
		for i < len(s.text) {
			c, size := narrowed(s.text, i)
			if !letter(c) && !digit(c) && c != '.' {
				break
			}
			if n < len(code) {
				code[n] = c
			}
			n++
			i += size
		}
		if i == from {
			_, size := narrowed(s.text, i)
			i += size
			continue
		}
		if n <= len(code) && sensitiveCode(code[:n]) {
			s.add(from, i, Condition, 90, ByField)
		}
	}
}

// narrowed is the sign at i, of the width of ASCII, and its length; of other
// scripts it is 0.
func narrowed(text []byte, i int) (c byte, size int) {
	if text[i] < 0x80 {
		return text[i], 1
	}
	if text[i] == 0xEF && i+2 < len(text) {
		switch text[i+1] {
		case 0xBC: // U+FF00 to U+FF3F
			return text[i+2] - 0x80 + ' ', 3
		case 0xBD: // U+FF40 to U+FF7F
			return text[i+2] - 0x80 + '`', 3
		}
	}
	return 0, min(zhSize(text[i]), len(text)-i)
}

// sensitiveCode says whether a text is a code of ICD-10 of a sensitive
// condition: a letter, two digits, and what is finer.
func sensitiveCode(code []byte) bool {
	if len(code) < 3 || !letter(code[0]) || !digit(code[1]) || !digit(code[2]) || len(code) > 3 && code[3] != '.' && !digit(code[3]) {
		return false
	}
	return sensitive(code[0]&^0x20, int(code[1]-'0')*10+int(code[2]-'0'))
}
