package hl7

import "bytes"

// The bytes of MLLP: a frame is VT message FS CR.
const (
	frameStart = 0x0b
	frameEnd   = 0x1c
)

var byteOrderMark = []byte("\xef\xbb\xbf")

// trimFrame removes a byte order mark, MLLP framing and white space from
// both ends of a message.
func trimFrame(b []byte) []byte {
	for {
		n := len(b)
		b = bytes.TrimPrefix(bytes.Trim(b, "\x0b\x1c\r\n\t \x00"), byteOrderMark)
		if len(b) == n {
			return b
		}
	}
}

// ScanMessages is a [bufio.SplitFunc] that cuts a stream into messages. A
// message is what stands in an MLLP frame, or begins with a line "MSH" and
// ends before the next one; FHS, BHS, BTS and FTS lines are passed over. A
// paragraph that belongs to no message is handed out as it is, so that it can
// be refused rather than lost.
//
// One call passes over as many envelope lines as there are: a [bufio.Scanner]
// at the end of its input drops what follows an advance without a token.
func ScanMessages(data []byte, atEOF bool) (advance int, token []byte, err error) {
	for {
		n, token := scanOne(data[advance:], atEOF)
		advance += n
		if token != nil || n == 0 || advance == len(data) {
			return advance, token, nil
		}
	}
}

// scanOne reads white space and then one message or envelope line; without a
// token it either advanced over what is no message or needs more text.
func scanOne(data []byte, atEOF bool) (advance int, token []byte) {
	start := len(data) - len(bytes.TrimLeft(data, "\x1c\r\n\t \x00"))
	if bytes.HasPrefix(data[start:], byteOrderMark) {
		start += len(byteOrderMark)
	}
	rest := data[start:]
	switch {
	case len(rest) < 4 && !atEOF:
		return 0, nil
	case len(rest) == 0:
		return len(data), nil
	case rest[0] == frameStart:
		advance, token = scanFrame(rest, atEOF)
	case isEnvelope(rest):
		advance = skipLine(rest, atEOF)
	default:
		advance, token = scanLines(rest, atEOF)
	}
	if advance == 0 {
		return 0, nil
	}
	return start + advance, token
}

// scanFrame reads one MLLP frame; the start of the next ends it too, in case
// its end was lost.
func scanFrame(b []byte, atEOF bool) (int, []byte) {
	if i := bytes.IndexAny(b[1:], "\x0b\x1c"); i >= 0 {
		return 1 + i, b[1 : 1+i]
	}
	if atEOF {
		return len(b), b[1:]
	}
	return 0, nil
}

func skipLine(b []byte, atEOF bool) int {
	if i := lineEnd(b); i >= 0 {
		return i + 1
	}
	if atEOF {
		return len(b)
	}
	return 0
}

// scanLines reads up to the line that begins the next message.
func scanLines(b []byte, atEOF bool) (int, []byte) {
	blank := false
	for at := 0; ; {
		i := lineEnd(b[at:])
		if i < 0 {
			break
		}
		end := at + i
		at = end + 1
		next := b[at:]
		switch {
		case len(next) > 0 && (next[0] == '\r' || next[0] == '\n'):
			// A CR and its LF are one line end, not a blank line.
			if !(b[end] == '\r' && next[0] == '\n') {
				blank = true
			}
			continue
		case len(next) < 8 && !atEOF:
			return 0, nil
		case begins(next, blank):
			return at, b[:end]
		}
		blank = false
	}
	if atEOF {
		return len(b), b
	}
	return 0, nil
}

// begins says whether a line is the first of another record.
func begins(line []byte, afterBlank bool) bool {
	if len(line) == 0 {
		return false
	}
	if line[0] == frameStart || line[0] == frameEnd || isEnvelope(line) {
		return true
	}
	head := bytes.TrimPrefix(line, byteOrderMark)
	if len(head) > 3 && string(head[:3]) == "MSH" && isDelimiter(head[3]) {
		return true
	}
	return afterBlank && !(hasName(head) && len(head) > 3 && isDelimiter(head[3]))
}

// isEnvelope says whether a line is a file's or batch's header or trailer.
func isEnvelope(line []byte) bool {
	if len(line) < 3 || len(line) > 3 && isAlnum(line[3]) {
		return false
	}
	switch string(line[:3]) {
	case "FHS", "BHS", "BTS", "FTS":
		return true
	}
	return false
}
