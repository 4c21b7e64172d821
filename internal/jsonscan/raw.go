package jsonscan

// Inside reads a string and gives what stands between its quotes, escapes and
// all; plain says that it means itself (ASCII without escapes). Of any other
// value it gives the text as it stands, which is plain too. It never copies.
func (s *Scanner) Inside() (text []byte, plain bool) {
	if s.peek() != '"' {
		return s.Raw(), true
	}
	from := s.pos + 1
	plain = s.skipString()
	if s.err != nil {
		return nil, true
	}
	return s.data[from : s.pos-1], plain
}

// Unescape appends what text means, which [Scanner.Inside] gave. Bytes that are
// not UTF-8 and lone surrogates become U+FFFD.
func Unescape(dst, text []byte) []byte { return unescape(dst, text) }
