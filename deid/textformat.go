package deid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/dicom"
	"github.com/cordon-health/cordon/internal/xmlscan"
)

// textForm is how a file that a text profile is given is read. Read as prose, a
// structured file would keep what its structure hides: names in keys' values,
// letters behind entities or encodings.
type textForm uint8

const (
	proseForm textForm = iota
	tableForm
	jsonForm
	markupForm
	htmlForm
)

// formatHead is how much of a file decides its form.
const formatHead = 16 << 10

func extension(name string) string { return filepath.Ext(name) }

// format decides how a file is read; an error says what to do with one that no
// text profile may take.
func (p *textProfile) format(ctx context.Context, in classify.Source) (textForm, byte, error) {
	head := make([]byte, min(formatHead, max(in.Size(), 0)))
	n, err := in.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return proseForm, 0, fmt.Errorf("read the beginning of a text: %w", err)
	}
	head = head[:n]
	if why := refusal(in.Name(), head); why != "" {
		return proseForm, 0, fmt.Errorf("%w: %s", ErrRefused, why)
	}
	text, ok := classify.TextBegins(head)
	if !ok {
		return proseForm, 0, fmt.Errorf("%w: this is no text; \"cordon scan\" shows what is in it; leave it out, or export its text", ErrRefused)
	}
	if form, sep := formBegins(in.Name(), text, int64(n) == in.Size()); form != proseForm {
		return form, sep, nil
	}
	return throughout(ctx, in)
}

// formBegins goes by the name and the beginning, as UTF-8.
func formBegins(name string, text []byte, all bool) (textForm, byte) {
	begin := bytes.TrimLeft(text, " \t\r\n")
	lower := strings.ToLower(string(begin[:min(len(begin), 64)]))
	switch strings.ToLower(extension(name)) {
	case ".xml", ".xsl", ".svg":
		return markupForm, 0
	case ".html", ".htm", ".xhtml", ".shtml":
		return htmlForm, 0
	case ".json", ".ndjson", ".jsonl", ".geojson":
		return jsonForm, 0
	case ".csv", ".tsv", ".tab", ".psv":
		sep, _ := separatorOf(text, all)
		return tableForm, sep
	}
	switch {
	case strings.HasPrefix(lower, "<?xml"):
		return markupForm, 0
	case strings.HasPrefix(lower, "<!doctype html"), strings.HasPrefix(lower, "<html"):
		return htmlForm, 0
	case beginsJSON(begin):
		return jsonForm, 0
	}
	if sep, sure := separatorOf(text, all); sure && (sep == '\t' || sep == '|' || headed(text, sep)) {
		return tableForm, sep
	}
	return proseForm, 0
}

func beginsJSON(text []byte) bool {
	if len(text) < 2 {
		return false
	}
	next := bytes.TrimLeft(text[1:], " \t\r\n")
	switch {
	case len(next) == 0:
		return false
	case text[0] == '{':
		return next[0] == '"' || next[0] == '}'
	case text[0] == '[':
		return next[0] == '{' || next[0] == '"' || next[0] == '[' && bytes.IndexByte(text, '"') > 0
	}
	return false
}

// headed says whether the first line is short words, as headings are, and no
// sentence.
func headed(text []byte, sep byte) bool {
	first, _, _ := bytes.Cut(text, []byte{'\n'})
	if bytes.ContainsAny(first, ".。:：!?") {
		return false
	}
	for _, cell := range bytes.Split(bytes.TrimSpace(first), []byte{sep}) {
		if len(cell) > 40 || len(bytes.Fields(cell)) > 4 {
			return false
		}
	}
	return true
}

// refusal says why a file is not for a text profile, and what is; "" where it
// is.
func refusal(name string, head []byte) string {
	ending := strings.ToLower(extension(name))
	begin := bytes.TrimLeft(bytes.TrimPrefix(head, byteOrderMark), " \t\r\n")
	switch {
	case dicom.Looks(head):
		return "this is DICOM; use --profile dicom-basic"
	case claimsHL7(name, head):
		return "this is HL7 v2; use --profile hl7v2"
	case claimsFHIR(name, head):
		return "this is FHIR; use --profile fhir"
	case claimsCDA(name, head):
		return "this is C-CDA; use --profile cda"
	case bytes.Contains(head[:min(len(head), 1024)], []byte("%PDF-")), bytes.HasPrefix(begin, []byte("%!PS")):
		return "this is a PDF or PostScript document; export its text (\"pdftotext\") and clean that, or leave it out"
	case isOffice(head, ending):
		return "this is an Office document; save it as plain text or CSV and clean that, or leave it out"
	case bytes.HasPrefix(begin, []byte(`{\rtf`)):
		return "this is RTF; save it as plain text and clean that, or leave it out"
	case isPacked(head):
		return "this is an archive; unpack it and give the folder to --profile auto"
	case isPicture(head):
		return "this is a picture; text profiles cannot see what is written in it; leave it out"
	}
	return refusalOfText(ending, begin)
}

func refusalOfText(ending string, begin []byte) string {
	upper := bytes.ToUpper(begin[:min(len(begin), 64)])
	starts := func(all ...string) bool {
		for _, s := range all {
			if bytes.HasPrefix(upper, []byte(s)) {
				return true
			}
		}
		return false
	}
	switch {
	case ending == ".eml" || ending == ".mbox" || ending == ".mht" || ending == ".mhtml" || isMail(begin):
		return "this is mail, whose parts are encoded; save its text and attachments as files of their own and clean those, or leave it out"
	case ending == ".vcf" || ending == ".ics" || starts("BEGIN:VCARD", "BEGIN:VCALENDAR"):
		return "this is a card of contacts or a calendar; leave it out, or export it as CSV"
	case ending == ".sql" || starts("-- MYSQL DUMP", "-- MARIADB DUMP", "-- POSTGRESQL", "--\n-- POSTGRESQL", "INSERT INTO ", "CREATE TABLE ", "PRAGMA FOREIGN_KEYS"):
		return "this is an SQL dump; export its tables as CSV and use --profile table:FILE"
	}
	return ""
}

// isMail goes by the headers only messages have.
func isMail(begin []byte) bool {
	known := 0
	for n, line := range strings.Split(string(begin), "\n") {
		line = strings.TrimRight(line, "\r")
		if n == 0 && strings.HasPrefix(line, "From ") {
			continue
		}
		if line == "" {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			continue
		}
		key, _, ok := strings.Cut(line, ":")
		if !ok || strings.ContainsAny(key, " \t{\"<|") {
			break
		}
		switch strings.ToLower(key) {
		case "content-transfer-encoding", "mime-version", "message-id", "return-path", "received":
			return true
		case "from", "to", "subject", "date", "content-type", "delivered-to", "cc":
			known++
		}
	}
	return known >= 3
}

func startsWith(head []byte, all ...string) bool {
	for _, s := range all {
		if bytes.HasPrefix(head, []byte(s)) {
			return true
		}
	}
	return false
}

func isOffice(head []byte, ending string) bool {
	if startsWith(head, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
		return true
	}
	if !startsWith(head, "PK\x03\x04") {
		return false
	}
	for _, s := range []string{"[Content_Types].xml", "_rels/.rels", "docProps/", "xl/workbook", "word/document", "mimetypeapplication/vnd.oasis.opendocument"} {
		if bytes.Contains(head, []byte(s)) {
			return true
		}
	}
	return strings.Contains(" .xlsx .xlsm .docx .docm .pptx .ods .odt .odp ", " "+ending+" ")
}

func isPacked(head []byte) bool {
	return startsWith(head, "PK\x03\x04", "PK\x05\x06", "PK\x07\x08", "Rar!\x1a\x07", "7z\xbc\xaf\x27\x1c", "\x1f\x8b", "BZh", "\xfd7zXZ\x00", "\x28\xb5\x2f\xfd", "\x04\x22\x4d\x18") ||
		len(head) > 262 && string(head[257:262]) == "ustar"
}

func isPicture(head []byte) bool {
	return startsWith(head, "\x89PNG\r\n\x1a\n", "\xff\xd8\xff", "GIF87a", "GIF89a", "II*\x00", "MM\x00*") ||
		startsWith(head, "BM") && len(head) > 30 && string(head[6:10]) == "\x00\x00\x00\x00" ||
		startsWith(head, "RIFF") && len(head) > 12 && string(head[8:12]) == "WEBP"
}

// structured cleans a file that is no prose; done is false for one that is.
func (p *textProfile) structured(ctx context.Context, in classify.Source, out io.Writer, job *Job, r *Report) (done bool, err error) {
	form, sep, err := p.format(ctx, in)
	if err != nil {
		return true, err
	}
	if form == proseForm {
		return false, nil
	}
	r.Records = 0
	v := p.values(in.Name(), job, r)
	from, to, wide, err := p.recoded(in, out)
	if err != nil {
		return true, err
	}
	switch form {
	case tableForm:
		err = v.cleanTable(ctx, from, sep, to)
	case jsonForm:
		if !wide {
			err = v.cleanJSON(ctx, in, out)
			break
		}
		var data []byte
		if data, err = readText(from); err == nil {
			err = v.cleanJSON(ctx, classify.BytesSource(in.Name(), data), to)
		}
	default:
		err = v.cleanMarkup(from, to, form == markupForm)
	}
	if err == nil {
		err = to.Close()
	}
	if err == nil && v.patient == "" && p.method != Redact && form == htmlForm {
		r.Note("a text names no record number; its dates were cut to their years")
	}
	return true, err
}

// recoded gives a file as UTF-8, and what brings it back to its charset.
func (p *textProfile) recoded(in classify.Source, out io.Writer) (io.Reader, io.WriteCloser, bool, error) {
	head := make([]byte, min(4096, max(in.Size(), 0)))
	n, err := in.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, false, fmt.Errorf("read the beginning of a text: %w", err)
	}
	charset, markSize := classify.CharsetOf(head[:n])
	e := encodingOf(charset)
	if e == nil && markSize > 0 || e != nil {
		// JSON in UTF-8 writes its own mark.
		if e != nil || !beginsJSON(bytes.TrimLeft(head[markSize:n], " \t\r\n")) {
			if _, err := out.Write(head[:markSize]); err != nil {
				return nil, nil, false, fmt.Errorf("write a cleaned text: %w", err)
			}
		}
	}
	var from io.Reader = io.NewSectionReader(in, int64(markSize), in.Size()-int64(markSize))
	if e == nil {
		return from, plainWriter{out}, false, nil
	}
	return transform.NewReader(from, e.NewDecoder()), transform.NewWriter(out, encoding.ReplaceUnsupported(e.NewEncoder())), true, nil
}

func readText(from io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, maxResource+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read a text to be cleaned: %w", err)
	case len(data) > maxResource:
		return nil, errors.New("it is longer than 256 MiB; cut it into several files")
	}
	return data, nil
}

// cleanMarkup rewrites XML, which must be well-formed, and HTML, which need
// not.
func (v *textValues) cleanMarkup(from io.Reader, to io.Writer, xml bool) error {
	data, err := readText(from)
	if err != nil {
		return err
	}
	if xml {
		if err := soundXML(data); err != nil {
			return err
		}
	}
	v.report.Records = 1
	if _, err := to.Write(v.markup(data, xml)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// soundXML refuses what two readers of XML may read differently.
func soundXML(data []byte) error {
	s := xmlscan.New(data)
	var t xmlscan.Token
	for s.Next(&t) {
		if t.Kind == xmlscan.Other && bytes.Contains(data[t.From:t.To], []byte("<!ENTITY")) {
			return fmt.Errorf("%w: it declares entities of its own; expand them first (\"xmllint --noent\")", ErrRefused)
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("read XML to be cleaned, which must be well-formed; correct it, or leave it out: %w", err)
	}
	return nil
}
