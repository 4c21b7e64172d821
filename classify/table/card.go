package table

import (
	"bytes"
	"context"
	"io"
	"mime/quotedprintable"
	"strings"

	"github.com/cordon-health/cordon/classify"
)

// cardReader reads vCards and calendars.
type cardReader struct{}

var _ classify.Reader = cardReader{}

// Name is vcard.
func (cardReader) Name() string { return "vcard" }

// Claims goes by the first line.
func (cardReader) Claims(_ string, head []byte) bool {
	text := bytes.ToUpper(begins(head))
	return bytes.HasPrefix(text, []byte("BEGIN:VCARD")) || bytes.HasPrefix(text, []byte("BEGIN:VCALENDAR"))
}

// Read gives each property's value. A card is a record, and so is an entry of
// a calendar.
func (cardReader) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	r, base, _, err := classify.Text(src)
	if err != nil {
		return err
	}
	lines := &rowReader{r: r, base: base, buf: make([]byte, 0, blockBytes), out: out}
	c := card{out: out}
	var line []byte
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		next, ok := lines.line()
		folded := ok && len(next) > 0 && (next[0] == ' ' || next[0] == '\t')
		if folded && len(line) < valueMost {
			line = append(line, next[1:]...)
			continue
		}
		if softBreak(line) && ok && len(line) < valueMost {
			line = append(line[:len(line)-1], next...)
			continue
		}
		if err := c.property(line); err != nil {
			return err
		}
		if !ok {
			return lines.failed()
		}
		line = append(line[:0], next...)
	}
}

// line is the next line, without its end.
func (r *rowReader) line() ([]byte, bool) {
	for {
		if i := bytes.IndexByte(r.buf[r.at:], '\n'); i >= 0 {
			line := r.buf[r.at : r.at+i]
			r.at += i + 1
			return bytes.TrimSuffix(line, []byte{'\r'}), true
		}
		if len(r.buf)-r.at <= valueMost && r.more() {
			continue
		}
		line := r.buf[r.at:]
		r.at = len(r.buf)
		return line, len(line) > 0
	}
}

// softBreak says whether a quoted-printable value goes on in the next line.
func softBreak(line []byte) bool {
	return bytes.HasSuffix(line, []byte("=")) && bytes.Contains(bytes.ToUpper(line[:min(len(line), 200)]), []byte("QUOTED-PRINTABLE"))
}

type card struct {
	out    classify.Sink
	record int64
}

func (c *card) property(line []byte) error {
	head, value, ok := bytes.Cut(line, []byte{':'})
	if !ok || len(head) > 200 {
		return nil
	}
	params := strings.ToUpper(string(head))
	name, _, _ := strings.Cut(params, ";")
	if _, after, grouped := strings.Cut(name, "."); grouped {
		name = after
	}
	if name == "BEGIN" {
		if v := strings.ToUpper(string(value)); v != "VCALENDAR" && v != "VALARM" {
			c.record++
		}
		return nil
	}
	if strings.Contains(params, "QUOTED-PRINTABLE") {
		value, _ = io.ReadAll(quotedprintable.NewReader(bytes.NewReader(value)))
		if text, ok := classify.TextBegins(value); ok {
			value = text
		}
	}
	if len(bytes.TrimSpace(value)) == 0 || name == "END" || strings.Contains(params, "BASE64") || strings.Contains(params, "ENCODING=B") {
		return nil
	}
	value = unescapeCard(value)
	return c.out.Part(classify.Part{Path: name, Field: name, Kind: cardKind(name), Record: c.record, Offset: -1, Text: value})
}

func unescapeCard(value []byte) []byte {
	return []byte(strings.NewReplacer(`\n`, "\n", `\N`, "\n", `\,`, ",", `\;`, ";", `\\`, `\`).Replace(string(value)))
}

// cardKind is what RFC 6350 and 5545 say of a property.
func cardKind(name string) classify.Kind {
	switch name {
	case "FN":
		return classify.Name
	case "TEL":
		return classify.Phone
	case "EMAIL":
		return classify.Email
	case "ADR":
		return classify.Address
	case "BDAY":
		return classify.BirthDate
	}
	return classify.None
}
