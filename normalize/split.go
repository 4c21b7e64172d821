package normalize

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"iter"
)

// splitMarkup cuts JSON (NDJSON, values one after another, the elements of a
// top-level array) or XML (documents one after another). A Bundle is one
// record.
func splitMarkup(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		s := &stream{r: bufio.NewReaderSize(r, 256<<10)}
		switch c, err := s.first(); {
		case err == io.EOF:
		case err != nil:
			yield(Record{Offset: s.at}, fmt.Errorf("read at byte %d: %w", s.at, err))
		case c == '<':
			s.documents(yield)
		default:
			s.values(yield)
		}
	}
}

// stream reads forward and counts.
type stream struct {
	r  *bufio.Reader
	at int64
}

// first is the next byte that is not space; space is consumed.
func (s *stream) first() (byte, error) {
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return 0, err
		}
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c, s.r.UnreadByte()
		}
		s.at++
	}
}

// values hands out JSON values.
func (s *stream) values(yield func(Record, error) bool) {
	var buf []byte
	array := false
	for {
		c, err := s.first()
		if err == io.EOF {
			return
		}
		if err == nil && c == '[' && !array || err == nil && array && (c == ',' || c == ']') {
			array = c != ']'
			s.at++
			_, err = s.r.ReadByte()
			if err == nil {
				continue
			}
		}
		start := s.at
		if err == nil {
			buf, err = s.value(buf[:0])
		}
		if err != nil && err != io.EOF {
			yield(Record{Offset: start}, fmt.Errorf("record at byte %d: %w", start, err))
			return
		}
		if !yield(Record{Offset: start, Next: s.at, Data: bytes.TrimRight(buf, " \t\r\n")}, nil) {
			return
		}
	}
}

// value appends the next JSON value, or what stands in its place up to where
// the next one seems to begin.
func (s *stream) value(buf []byte) ([]byte, error) {
	var edge valueEdge
	for {
		if _, err := s.r.Peek(1); err != nil {
			return buf, err
		}
		chunk, _ := s.r.Peek(s.r.Buffered())
		n, done := edge.feed(chunk)
		buf = append(buf, chunk[:n]...)
		s.at += int64(n)
		if _, err := s.r.Discard(n); err != nil {
			return buf, err
		}
		if done {
			return buf, nil
		}
		if len(buf) > MaxRecord {
			return buf, errTooLong
		}
	}
}

// valueEdge finds the end of a JSON value in pieces of text. Broken text ends
// where a line does: inside a string, which JSON forbids, or before a line
// that begins an object when the value began as a line of NDJSON.
type valueEdge struct {
	depth, size       int
	inString, escaped bool
	// newline is set after a line end, lines after the first one, line when
	// the first line held more than a bracket.
	newline, lines, line bool
}

// feed looks at more text; n bytes of it belong to the value.
func (v *valueEdge) feed(b []byte) (n int, done bool) {
	for i, c := range b {
		if v.newline && v.line && c == '{' && v.depth > 0 {
			return i, true
		}
		v.newline = false
		v.size++
		switch {
		case v.inString:
			if v.text(c) {
				return i + 1, true
			}
		case c == '"':
			v.inString = true
		case c == '{' || c == '[':
			v.depth++
		case c == '}' || c == ']' || c == ',':
			if v.depth == 0 && v.size > 1 { // the end of the array around it
				return i, true
			}
			if v.depth == 0 {
				return i + 1, true
			}
			if c != ',' {
				v.depth--
			}
			if v.depth == 0 {
				return i + 1, true
			}
		case c == '\n':
			v.newline = true
			if !v.lines {
				v.lines, v.line = true, v.size > len("{\r\n")
			}
			if v.depth == 0 {
				return i + 1, true
			}
		}
	}
	return len(b), false
}

// text takes a byte of a string; true where a line end breaks it.
func (v *valueEdge) text(c byte) (broken bool) {
	switch {
	case c == '\n':
		return true
	case v.escaped:
		v.escaped = false
	case c == '\\':
		v.escaped = true
	case c == '"':
		v.inString = false
	}
	return false
}

// documents hands out XML documents. Text that is not XML ends the cutting:
// the rest is one record, to be rejected as such.
func (s *stream) documents(yield func(Record, error) bool) {
	tape := &tape{r: s.r}
	d := xml.NewDecoder(tape)
	d.CharsetReader = sameCharset
	base, cut, depth := s.at, int64(0), 0
	for {
		t, err := d.RawToken()
		if err == nil {
			switch t.(type) {
			case xml.StartElement:
				depth++
				continue
			case xml.EndElement:
				if depth--; depth > 0 {
					continue
				}
			default:
				if len(tape.text) <= MaxRecord {
					continue
				}
			}
		}
		end := d.InputOffset()
		if err != nil {
			end = cut + int64(len(tape.rest()))
		}
		doc := tape.text[:end-cut]
		if len(tape.text) > MaxRecord {
			yield(Record{Offset: base + cut}, errTooLong)
			return
		}
		rec := Record{Offset: base + cut, Next: base + end, Data: bytes.TrimSpace(doc)}
		if len(rec.Data) > 0 && !yield(rec, nil) || err != nil {
			return
		}
		tape.text = append(tape.text[:0], tape.text[end-cut:]...)
		cut, depth = end, 0
	}
}

// tape is a reader that remembers what was read.
type tape struct {
	r    *bufio.Reader
	text []byte
}

// ReadByte implements io.ByteReader, so that nothing is read ahead.
func (t *tape) ReadByte() (byte, error) {
	c, err := t.r.ReadByte()
	if err == nil {
		t.text = append(t.text, c)
	}
	return c, err
}

// Read implements io.Reader.
func (t *tape) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.text = append(t.text, p[:n]...)
	return n, err
}

// rest reads all that is left, within the limit.
func (t *tape) rest() []byte {
	more, _ := io.ReadAll(io.LimitReader(t.r, MaxRecord-int64(min(len(t.text), MaxRecord))+1))
	t.text = append(t.text, more...)
	return t.text
}

// maxRow bounds a CSV row whose quotes do not close.
const maxRow = 1 << 20

// splitCSV hands out the rows of a CSV file, each under the header line, so
// that a record can be read by itself.
func splitCSV(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		br := bufio.NewReaderSize(r, 64<<10)
		var header []byte
		var at int64
		for {
			row, err := readRow(br)
			start := at
			at += int64(len(row))
			if err != nil && err != io.EOF {
				yield(Record{Offset: start}, fmt.Errorf("row at byte %d: %w", start, err))
				return
			}
			switch {
			case len(bytes.TrimSpace(row)) == 0:
			case header == nil:
				header = append(bytes.TrimRight(row, "\r\n"), '\n')
			default:
				data := append(header[:len(header):len(header)], bytes.TrimRight(row, "\r\n")...)
				if !yield(Record{Offset: start, Next: at, Data: data}, nil) {
					return
				}
			}
			if err == io.EOF {
				return
			}
		}
	}
}

// readRow reads a row: a line, or several where quotes span them.
func readRow(br *bufio.Reader) ([]byte, error) {
	var row []byte
	quotes := 0
	for {
		line, err := readLine(br)
		row = append(row, line...)
		quotes += bytes.Count(line, []byte{'"'})
		if err != nil || quotes%2 == 0 || len(row) > maxRow {
			return row, err
		}
	}
}
