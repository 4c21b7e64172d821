package classify

// Check digits and dates. The functions are given what has the right length
// and the right characters, unless they say otherwise.

// residentCheck is the check character of GB 11643 over 17 digits.
func residentCheck(id []byte) bool {
	weights := [17]byte{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, w := range weights {
		sum += int(w) * int(id[i]-'0')
	}
	last := id[17]
	if last == 'x' {
		last = 'X'
	}
	return "10X98765432"[sum%11] == last
}

// calendar says whether year, month and day are a day.
func calendar(year, month, day int) bool {
	if month < 1 || month > 12 || day < 1 || day > 31 {
		return false
	}
	switch month {
	case 4, 6, 9, 11:
		return day <= 30
	case 2:
		leap := year%4 == 0 && year%100 != 0 || year%400 == 0
		return day <= 28 || leap && day == 29
	}
	return true
}

// bornOn says whether eight digits are a day on which somebody alive, or in an
// archive, may have been born.
func bornOn(d []byte) bool {
	year := number(d[:4])
	return year >= 1870 && year < 2050 && calendar(year, number(d[4:6]), number(d[6:8]))
}

// luhn is ISO/IEC 7812's check over digits, the last being the check digit.
func luhn(d []byte) bool {
	sum := 0
	double := false
	for i := len(d) - 1; i >= 0; i-- {
		n := int(d[i] - '0')
		if double {
			n *= 2
			if n > 9 {
				n -= 9
			}
		}
		sum += n
		double = !double
	}
	return sum%10 == 0
}

// creditValue is the value of a character of GB 32100; 31 of none.
func creditValue(c byte) int {
	switch {
	case digit(c):
		return int(c - '0')
	case !upper(c):
		return 31
	}
	const order = "ABCDEFGHJKLMNPQRTUWXY"
	for i := range len(order) {
		if order[i] == c {
			return 10 + i
		}
	}
	return 31
}

// creditCheck is the check character of GB 32100 over 18 characters, which it
// looks at too.
func creditCheck(code []byte) bool {
	sum, weight := 0, 1
	for _, c := range code[:17] {
		v := creditValue(c)
		if v == 31 {
			return false
		}
		sum += v * weight
		weight = weight * 3 % 31
	}
	return creditValue(code[17]) == (31-sum%31)%31
}

// hkidCheck: one or two letters, six digits, and the check character.
func hkidCheck(id []byte) bool {
	sum, weight := 36*9, 8
	if len(id) == 9 {
		sum, weight = 0, 9
	}
	for _, c := range id[:len(id)-1] {
		v := int(c - '0')
		if !digit(c) {
			v = int(c&^0x20-'A') + 10
		}
		sum += v * weight
		weight--
	}
	switch c := id[len(id)-1]; {
	case digit(c):
		sum += int(c - '0')
	case c&^0x20 == 'A':
		sum += 10
	default:
		return false
	}
	return sum%11 == 0
}

// nhsCheck is the mod 11 check of a British number of ten digits.
func nhsCheck(d []byte) bool {
	sum := 0
	for i := range 9 {
		sum += int(d[i]-'0') * (10 - i)
	}
	check := 11 - sum%11
	return check%11 == int(d[9]-'0') && check != 10
}

// npiCheck is Luhn over 80840 and ten digits.
func npiCheck(d []byte) bool {
	if d[0] != '1' && d[0] != '2' {
		return false
	}
	var full [15]byte
	copy(full[:], "80840")
	copy(full[5:], d)
	return luhn(full[:])
}

// deaCheck: two letters and seven digits.
func deaCheck(id []byte) bool {
	d := id[2:]
	n := func(i int) int { return int(d[i] - '0') }
	return (n(0)+n(2)+n(4)+2*(n(1)+n(3)+n(5)))%10 == n(6)
}

// vinCheck is ISO 3779's check at the ninth of 17 characters, which it looks
// at too.
func vinCheck(id []byte) bool {
	const values = "12345678.12345.7.923456789" // of A to Z
	weights := [17]int{8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2}
	sum := 0
	for i, w := range weights {
		c := id[i]
		if !digit(c) {
			if !upper(c) || values[c-'A'] == '.' {
				return false
			}
			c = values[c-'A']
		}
		sum += w * int(c-'0')
	}
	return "0123456789X"[sum%11] == id[8]
}

// gtinCheck is GS1's mod 10 check over 14 digits.
func gtinCheck(d []byte) bool {
	sum := 0
	for i, c := range d {
		n := int(c - '0')
		if i%2 == 0 {
			n *= 3
		}
		sum += n
	}
	return sum%10 == 0
}

// assignedMobile says whether eleven digits begin with a prefix that is given
// to people in mainland China.
func assignedMobile(d []byte) bool {
	if d[0] != '1' {
		return false
	}
	last := d[2] - '0'
	var given uint16 // bit by the third digit
	switch d[1] {
	case '3', '5', '8':
		given = 0x3ff
		if d[1] == '5' {
			given &^= 1 << 4
		}
	case '4':
		given = 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<9
	case '6':
		given = 1<<2 | 1<<5 | 1<<6 | 1<<7
	case '7':
		given = 0x3ff &^ (1 << 9)
	case '9':
		given = 0x3ff &^ (1 << 4)
	}
	return given>>last&1 != 0
}

// cardOf says whether digits are a bank card by its issuer's range and length
// and by Luhn; sure is true for the ranges of cards issued in China, which are
// rarely anything else.
func cardOf(d []byte) (ok, sure bool) {
	n := len(d)
	if cardLengths[d[0]-'0']>>n&1 == 0 {
		return false, false
	}
	six := number(d[:6])
	for i := range cardRanges {
		r := &cardRanges[i]
		if six >= r.from && six <= r.to && r.lengths>>n&1 != 0 {
			return luhn(d), r.china
		}
	}
	return false, false
}

// cardLengths has a bit for each length that cards with a first digit have.
var cardLengths = [10]uint32{2: 1 << 16, 3: 1<<14 | 1<<15 | 1<<16, 4: 1<<16 | 1<<19, 5: 1 << 16, 6: 15 << 16, 8: 15 << 16, 9: 1<<16 | 1<<19}

// cardRange is a range of issuers' six digits and the lengths of their cards.
type cardRange struct {
	from, to int
	lengths  uint32
	china    bool
}

// cardRanges are the issuers' ranges of ISO/IEC 7812 as the networks publish
// them, and the older ones of Chinese banks.
var cardRanges = [...]cardRange{
	{620000, 629999, 1<<16 | 1<<17 | 1<<18 | 1<<19, true}, // UnionPay
	{810000, 817199, 1<<16 | 1<<17 | 1<<18 | 1<<19, true}, // UnionPay
	{955880, 955889, 1 << 19, true},                       // ICBC
	{955950, 955959, 1 << 16, true},                       // BOC, CEB and others
	{955990, 955999, 1<<16 | 1<<19, true},                 // ABC
	{603367, 603367, 1 << 18, true},                       // local banks
	{601382, 601382, 1 << 19, true},                       // BOC
	{436742, 436742, 1<<16 | 1<<19, true},                 // CCB
	{400000, 499999, 1 << 16, false},                      // Visa
	{510000, 559999, 1 << 16, false},                      // Mastercard
	{222100, 272099, 1 << 16, false},                      // Mastercard
	{340000, 349999, 1 << 15, false},                      // American Express
	{370000, 379999, 1 << 15, false},                      // American Express
	{352800, 358999, 1 << 16, false},                      // JCB
	{300000, 305999, 1 << 14, false},                      // Diners
	{360000, 369999, 1 << 14, false},                      // Diners
	{380000, 399999, 1 << 14, false},                      // Diners
	{601100, 601199, 1 << 16, false},                      // Discover
	{644000, 659999, 1 << 16, false},                      // Discover
}
