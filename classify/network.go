package classify

import "bytes"

// Bounds of what is read.
const (
	longestMail = 64  // the part before the @
	longestHost = 190 // and behind it
	longestURL  = 2048
)

// mails looks at each @ of text[from:to].
func (s *scan) mails(from, to int) {
	to = min(to, len(s.text))
	for at := from; at < to; at++ {
		n := bytes.IndexByte(s.text[at:to], '@')
		if n < 0 {
			return
		}
		at += n
		s.email(at)
	}
}

// email is asked about the @ at end.
func (s *scan) email(end int) {
	text := s.text
	start := end
	for start > 0 && end-start < longestMail && mailByte(text[start-1]) {
		start--
	}
	for start < end && !wordByte(text[start]) {
		start++
	}
	stop, dot := end+1, -1
	for stop < len(text) && stop-end < longestHost && (wordByte(text[stop]) || text[stop] == '.' || text[stop] == '-') {
		if text[stop] == '.' {
			dot = stop
		}
		stop++
	}
	for stop > end+1 && !wordByte(text[stop-1]) {
		stop--
		if dot >= stop {
			dot = lastDot(text, end, stop)
		}
	}
	if start < end && dot > end+1 && topLevel(text[dot+1:stop]) {
		s.add(start, stop, Email, 97, ByStructure)
	}
}

func lastDot(text []byte, from, to int) int {
	for to > from {
		to--
		if text[to] == '.' {
			return to
		}
	}
	return -1
}

func mailByte(c byte) bool {
	return wordByte(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-'
}

// topLevel says whether w may be the last part of a host's name.
func topLevel(w []byte) bool {
	if len(w) < 2 || len(w) > 24 {
		return false
	}
	for _, c := range w {
		if !letter(c) {
			return false
		}
	}
	return true
}

func lowerIs(w []byte, lower string) bool {
	if len(w) != len(lower) {
		return false
	}
	for i, c := range w {
		if folded(c) != lower[i] {
			return false
		}
	}
	return true
}

// url reads an address in the web, whose host begins at or before host.
// Addresses that name a vocabulary and nobody's page are passed over.
func (s *scan) url(i, host int) int {
	text := s.text
	if byteAt(text, host) == '.' { // www.
		host = i
	}
	end := host
	for end < len(text) && end-i < longestURL && urlByte(text[end]) {
		end++
	}
	for end > host && trailing(text[end-1]) {
		end--
	}
	stop := host
	for stop < end && (wordByte(text[stop]) || text[stop] == '.' || text[stop] == '-') {
		stop++
	}
	if lastDot(text, host, stop) < host+1 || vocabulary(text[host:stop]) {
		return max(end, host)
	}
	s.add(i, end, URL, 90, ByStructure)
	return end
}

func urlByte(c byte) bool {
	switch c {
	case '"', '\'', '<', '>', '\\', '^', '`', '{', '|', '}', ' ', 0x7f:
		return false
	}
	return c > ' ' && c < 0x80
}

func trailing(c byte) bool {
	switch c {
	case '.', ',', ';', ':', '!', '?', ')', ']', '*', '~':
		return true
	}
	return false
}

// vocabulary says whether a host names code systems and schemas, not pages of
// people.
func vocabulary(host []byte) bool {
	for _, known := range [...]string{
		"hl7.org", "w3.org", "loinc.org", "snomed.info", "unitsofmeasure.org", "dicom.nema.org", "ietf.org", "iana.org",
		"openxmlformats.org", "xmlsoap.org", "schema.org", "purl.org", "oasis-open.org", "who.int", "nlm.nih.gov", "cdc.gov",
		"microsoft.com", "adobe.com", "apache.org", "synthea.org", "github.com", "standardhealthrecord.org", "mitre.org", "example.org", "example.com",
	} {
		n := len(host) - len(known)
		if n == 0 && string(host) == known || n > 0 && host[n-1] == '.' && string(host[n:]) == known {
			return true
		}
	}
	return false
}

// dotted reads digits joined by dots: an IPv4 address, a telephone number, and
// what is neither, object identifiers, versions and decimals, is passed over
// as one.
func (s *scan) dotted(i, end int) int {
	const most = 64
	text := s.text
	var length [5]int
	k, at, parts := 0, i, 0
	small, large := 255, 0
	for at-i < most {
		begun, value := at, 0
		for digit(byteAt(text, at)) && at-begun < most {
			value = min(value*10+int(text[at]-'0'), 1<<20)
			at++
		}
		if parts < len(length) {
			length[parts] = at - begun
		}
		if text[begun] == '0' && at-begun > 1 {
			value = 1 << 20
		}
		if parts == 0 {
			small = value
		}
		large = max(large, value)
		parts++
		k = at
		if byteAt(text, at) != '.' || !digit(byteAt(text, at+1)) {
			break
		}
		at++
	}
	if wordByte(byteAt(text, k)) {
		return k
	}
	switch {
	case parts == 4 && large <= 255 && (small >= 10 || large >= 100) && byteAt(text, i-1) != '.' && !versioned(text, i) && !bytes.HasSuffix(text[i:k], []byte(".0.0.0")):
		s.add(i, k, IP, 88, ByStructure)
	case parts == 3 && length[0] == 3 && length[1] == 3 && length[2] == 4 && text[i] >= '2':
		s.phone(i, k, 75)
	}
	return k
}

// versioned says whether a word for "version" stands before i.
func versioned(text []byte, i int) bool {
	lo := max(0, i-10)
	before := text[lo:i]
	for k := range before {
		switch c := folded(before[k]); {
		case c == 'v' && lowerPrefix(before[k:], "ver"), c == 'r' && lowerPrefix(before[k:], "release"), c == 'b' && lowerPrefix(before[k:], "build"), c == 's' && lowerPrefix(before[k:], "sdk"), c == 'c' && (lowerPrefix(before[k:], "creator") || lowerPrefix(before[k:], "chrome/")):
			return true
		}
	}
	return len(before) >= 6 && containsText(before, "版本")
}

func lowerPrefix(w []byte, lower string) bool {
	return len(w) >= len(lower) && lowerIs(w[:len(lower)], lower)
}

func containsText(w []byte, sub string) bool {
	for k := 0; k+len(sub) <= len(w); k++ {
		if string(w[k:k+len(sub)]) == sub {
			return true
		}
	}
	return false
}

// colons is asked about digits before a colon: a time of day, an IPv6 or a MAC
// address.
func (s *scan) colons(i, end int) int {
	t := s.text
	if end-i == 2 && i+5 <= len(t) && digit(t[i+3]) && digit(t[i+4]) && !hexDigit(byteAt(t, i+5)) && byteAt(t, i+5) != ':' {
		return i + 5
	}
	if n := s.hex(i, end); n > 0 {
		return n
	}
	return end
}

// hex reads groups of hexadecimal digits: a MAC address in its three forms, an
// IPv6 address. It says where to go on, 0 if they are neither.
func (s *scan) hex(i, end int) int {
	if c := byteAt(s.text, i-1); c == ':' || c == '.' || c == '-' && wordByte(byteAt(s.text, i-2)) {
		return 0
	}
	switch sep := s.text[end]; {
	case end-i == 2 && sep != '.':
		if n := s.mac(i, sep, 2, 6); n > 0 {
			return n
		}
	case end-i == 4 && sep == '.':
		return s.mac(i, sep, 4, 3)
	}
	if s.text[end] == ':' {
		return s.ipv6(i)
	}
	return 0
}

// mac is asked about so many groups of so many hexadecimal digits.
func (s *scan) mac(i int, sep byte, size, count int) int {
	text, at := s.text, i
	letters := false
	for g := range count {
		for range size {
			c := byteAt(text, at)
			if !hexDigit(c) {
				return 0
			}
			letters = letters || letter(c)
			at++
		}
		if g < count-1 {
			if byteAt(text, at) != sep {
				return 0
			}
			at++
		}
	}
	if wordByte(byteAt(text, at)) || byteAt(text, at) == sep && hexDigit(byteAt(text, at+1)) || !letters && sep != ':' {
		return 0
	}
	s.add(i, at, MAC, 92, ByStructure)
	return at
}

// ipv6 is asked about groups joined by colons: eight, or fewer and one "::".
func (s *scan) ipv6(i int) int {
	text, at := s.text, i
	groups, gaps, digits := 0, 0, 0
	for groups <= 8 {
		n := 0
		for ; hexDigit(byteAt(text, at)) && n < 5; n++ {
			if digit(text[at]) {
				digits++
			}
			at++
		}
		if n == 5 {
			return 0
		}
		if n > 0 {
			groups++
		}
		if byteAt(text, at) != ':' {
			break
		}
		if byteAt(text, at+1) == ':' {
			gaps++
			at += 2
		} else if hexDigit(byteAt(text, at+1)) {
			at++
		} else {
			break
		}
	}
	if wordByte(byteAt(text, at)) || gaps > 1 || digits == 0 || !(groups == 8 && gaps == 0 || groups >= 3 && groups < 8 && gaps == 1) {
		return 0
	}
	s.add(i, at, IP, 90, ByStructure)
	return at
}
