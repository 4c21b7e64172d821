// Package sheet reads the product's CSV files: a header line, then rows
// (RFC 4180, UTF-8; a byte order mark is skipped, GB18030 and UTF-16 are
// recognised and transcoded). Where the header line holds no comma, semicolons
// or tabs separate, as some spreadsheet programs write it. A missing required column is an error that names it; an unknown
// column is ignored with one warning; a row that is no CSV is handed on as a
// bad row, so that the reader can set it aside and go on.
//
// It does not look into the values and keeps only one row at a time.
package sheet

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Columns says what a file must and may have.
type Columns struct {
	Required []string
	Optional []string
}

// Row is one line of the file.
type Row struct {
	// Line is its number, the header being line 1.
	Line int
	// Bad says why the line is no row; then there are no values.
	Bad string

	values []string
	index  map[string]int
}

// Get is the value of a column without surrounding space, "" where the file
// has no such column.
func (r Row) Get(column string) string {
	i, ok := r.index[column]
	if !ok || i >= len(r.values) {
		return ""
	}
	return strings.TrimSpace(r.values[i])
}

// Has says whether the file has the column.
func (r Row) Has(column string) bool {
	_, ok := r.index[column]
	return ok
}

// Text is the row as one line of CSV.
func (r Row) Text() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	// Writing to memory fails for no row that was read before.
	_ = w.Write(r.values)
	w.Flush()
	return bytes.TrimRight(b.Bytes(), "\n")
}

// peek is how much of a file decides its charset, in bytes.
const peek = 64 << 10

// Read calls fn for every row in order and returns the file's warnings. It
// stops with the first error of fn or of r.
func Read(r io.Reader, cols Columns, fn func(Row) error) (warnings []string, err error) {
	text, comma := UTF8(r)
	in := csv.NewReader(text)
	in.Comma = comma
	in.FieldsPerRecord = -1
	in.ReuseRecord = true
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the file is empty: it needs a header line with %s", strings.Join(cols.Required, ","))
	}
	if err != nil {
		return nil, fmt.Errorf("read the header line: %w", err)
	}
	index, warnings, err := columns(header, cols)
	if err != nil {
		return nil, err
	}
	want := len(header)
	for {
		values, err := in.Read()
		if errors.Is(err, io.EOF) {
			return warnings, nil
		}
		row, err := row(in, values, want, err)
		if err != nil {
			return warnings, err
		}
		row.index = index
		if err := fn(row); err != nil {
			return warnings, err
		}
	}
}

// row makes a row of what the CSV reader returned; a fault of the line is
// kept in it, a fault of the stream is returned.
func row(in *csv.Reader, values []string, want int, err error) (Row, error) {
	var bad *csv.ParseError
	if errors.As(err, &bad) {
		return Row{Line: bad.Line, Bad: "not a row of CSV: " + bad.Err.Error(), values: slices.Clone(values)}, nil
	}
	if err != nil {
		return Row{}, fmt.Errorf("read the next row: %w", err)
	}
	line, _ := in.FieldPos(0)
	row := Row{Line: line, values: slices.Clone(values)}
	for i, v := range row.values {
		if !utf8.ValidString(v) {
			row.values[i] = fromGB(v)
		}
	}
	if len(values) != want {
		row.Bad = fmt.Sprintf("%d fields where the header has %d", len(values), want)
	}
	return row, nil
}

func columns(header []string, cols Columns) (map[string]int, []string, error) {
	index := map[string]int{}
	var unknown []string
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := index[name]; twice {
			return nil, nil, fmt.Errorf("the column %q stands twice in the header: keep one", name)
		}
		if slices.Contains(cols.Required, name) || slices.Contains(cols.Optional, name) {
			index[name] = i
		} else {
			unknown = append(unknown, name)
		}
	}
	var missing []string
	for _, name := range cols.Required {
		if _, ok := index[name]; !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		if len(header) == 1 && strings.ContainsAny(header[0], "|:；，、") {
			return nil, nil, errors.New("the header line is one column: separate the columns by a comma, a semicolon or a tab")
		}
		return nil, nil, fmt.Errorf("missing column %s: add it to the header line", strings.Join(missing, ", "))
	}
	if len(unknown) > 0 {
		return index, []string{"ignored unknown columns: " + strings.Join(unknown, ", ")}, nil
	}
	return index, nil, nil
}

// UTF8 reads text of any charset that [Read] knows as UTF-8 and finds what
// separates the columns of its first line.
func UTF8(r io.Reader) (text *bufio.Reader, comma rune) {
	text = bufio.NewReaderSize(decoded(r), peek)
	return text, separator(text)
}

// decoded skips a byte order mark and turns GB18030 into UTF-8. In GB18030
// no byte of a longer character is a comma, a quote or a line end, so a few
// stray bytes can also be mended row by row later.
func decoded(r io.Reader) io.Reader {
	b := bufio.NewReaderSize(r, peek)
	head, _ := b.Peek(peek)
	if bytes.HasPrefix(head, []byte("\xEF\xBB\xBF")) {
		// Discarding what Peek returned cannot fail.
		_, _ = b.Discard(3)
		return b
	}
	if bytes.HasPrefix(head, []byte("\xFF\xFE")) || bytes.HasPrefix(head, []byte("\xFE\xFF")) {
		return transform.NewReader(b, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder())
	}
	if utf8.Valid(wholeRunes(head)) {
		return b
	}
	return simplifiedchinese.GB18030.NewDecoder().Reader(b)
}

// separator is what separates the columns of the header line.
func separator(r *bufio.Reader) rune {
	head, _ := r.Peek(peek)
	line, _, _ := bytes.Cut(bytes.TrimLeft(head, "\r\n"), []byte{'\n'})
	for _, c := range ",;\t" {
		if bytes.ContainsRune(line, c) {
			return c
		}
	}
	return ','
}

// wholeRunes drops a character that the end of the window may have cut.
func wholeRunes(b []byte) []byte {
	for i := 1; i <= utf8.UTFMax && i <= len(b); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}

func fromGB(s string) string {
	out, err := simplifiedchinese.GB18030.NewDecoder().String(s)
	if err != nil {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return out
}
