package deid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
	utf16 "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/ocsf"
)

// The names of the profiles for free text and their options.
const (
	textRedact    = "text-redact"
	textPseudonym = "text-pseudonym"

	maskText      = "mask"
	patientInName = "patient-in-name"
)

// textChunk is how much text is cleaned at a time, cut at an empty line where
// there is one.
const textChunk = 1 << 20

// textAtOnce is what a recogniser surely sees as a whole; longer texts are read
// twice, so that a name that is certain somewhere is found everywhere.
const textAtOnce = 128 << 10

// textProfile cleans notes and letters: text in any charset classify reads, of
// any length, written back in the same charset. What is not replaced stays as
// it was; only bytes that are no character of their charset become U+FFFD where
// the charset is not UTF-8, and the report says so.
type textProfile struct {
	name   string
	method Method
	mask   bool
	byName bool // the file's name is the patient's record number
}

func textRedactOffer() Offer {
	return Offer{
		Name:    textRedact,
		Title:   ocsf.Text{EN: "free text, each finding replaced by its kind: [NAME], [DATE]", ZH: "自由文本，每处发现以其类别代替：[NAME]、[DATE]"},
		Options: []Option{{maskText, ocsf.Text{EN: "letters and digits become * instead", ZH: "改为将字母和数字写成 *"}}},
		Open: func(s Setup) (Profile, error) {
			return &textProfile{name: textRedact, method: Redact, mask: slices.Contains(s.Options, maskText)}, nil
		},
	}
}

func textPseudonymOffer() Offer {
	return Offer{
		Name:  textPseudonym,
		Title: ocsf.Text{EN: "free text with invented names and numbers, dates shifted by patient", ZH: "自由文本，换为虚构的姓名和号码，日期按患者平移"},
		Options: []Option{{patientInName, ocsf.Text{
			EN: "the file's name without its ending is the patient's record number", ZH: "文件名（不含扩展名）即患者病案号",
		}}},
		Claims: claimsText,
		Open: func(s Setup) (Profile, error) {
			return &textProfile{name: textPseudonym, method: Pseudonym, byName: slices.Contains(s.Options, patientInName)}, nil
		},
	}
}

// claimsText takes files whose name says that they are text of a form that is
// cleaned value by value or as prose, if they are text.
func claimsText(name string, head []byte) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".txt", ".text", ".md", ".note", ".csv", ".tsv", ".tab", ".psv", ".json", ".ndjson", ".jsonl", ".xml", ".html", ".htm", ".xhtml":
		_, ok := classify.TextBegins(head)
		return ok && refusal(name, head) == ""
	}
	return false
}

// Name is the profile's name.
func (p *textProfile) Name() string { return p.name }

// Apply cleans a text chunk by chunk. Dates move by the record number the job
// or the file's name gives, or by the first that stands in the text; without
// one they leave their years.
func (p *textProfile) Apply(ctx context.Context, in classify.Source, out io.Writer, job *Job) (Report, error) {
	r := Report{Profile: p.name, Key: keyID(job), Records: 1, Bytes: in.Size()}
	if job.Scanner == nil {
		return r, errors.New("clean a text: nothing was given that finds patients in it")
	}
	if done, err := p.structured(ctx, in, out, job, &r); done {
		return r, err
	}
	c, err := p.open(in, out, job, &r)
	if err != nil {
		return r, err
	}
	if in.Size() > textAtOnce {
		if err := p.remember(ctx, c, in, job); err != nil {
			return r, err
		}
	}
	for {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		chunk, err := c.next()
		if len(chunk) > 0 {
			if e := c.clean(chunk); e != nil {
				return r, fmt.Errorf("write a cleaned text: %w", e)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return r, fmt.Errorf("read a text to be cleaned: %w", err)
		}
	}
	if err := c.to.Close(); err != nil {
		return r, fmt.Errorf("write a cleaned text: %w", err)
	}
	c.notes()
	return r, nil
}

func keyID(job *Job) string {
	if job.Key == nil {
		return ""
	}
	return job.Key.ID()
}

// textCleaner is one text on its way.
type textCleaner struct {
	*textProfile
	job     *Job
	report  *Report
	from    io.Reader // UTF-8
	to      io.WriteCloser
	wide    bool // the text was decoded
	patient string
	several bool // another record number was met
	broken  int  // characters that could not be decoded

	buf   []byte
	kept  int // bytes of buf that wait for the next chunk
	used  int
	spans []classify.Span
	names *textNames
	out   []byte
}

func (p *textProfile) open(in classify.Source, out io.Writer, job *Job, r *Report) (*textCleaner, error) {
	head := make([]byte, min(4096, max(in.Size(), 0)))
	n, err := in.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the beginning of a text: %w", err)
	}
	charset, mark := classify.CharsetOf(head[:n])
	if charset == classify.Binary {
		return nil, fmt.Errorf("%w: this is no text", ErrRefused)
	}
	if _, err := out.Write(head[:mark]); err != nil {
		return nil, fmt.Errorf("write a cleaned text: %w", err)
	}
	c := &textCleaner{textProfile: p, job: job, report: r, patient: job.Patient, buf: make([]byte, textChunk), names: newTextNames()}
	if c.patient == "" && p.byName {
		c.patient = strings.TrimSuffix(in.Name(), filepath.Ext(in.Name()))
	}
	c.from, c.to = io.NewSectionReader(in, int64(mark), in.Size()-int64(mark)), plainWriter{out}
	if e := encodingOf(charset); e != nil {
		c.wide = true
		c.from = transform.NewReader(c.from, e.NewDecoder())
		c.to = transform.NewWriter(out, encoding.ReplaceUnsupported(e.NewEncoder()))
	}
	return c, nil
}

// encodingOf is how a charset is read and written; nil for UTF-8, which is
// passed through byte by byte.
func encodingOf(c classify.Charset) encoding.Encoding {
	switch c {
	case classify.UTF16LE:
		return utf16.UTF16(utf16.LittleEndian, utf16.IgnoreBOM)
	case classify.UTF16BE:
		return utf16.UTF16(utf16.BigEndian, utf16.IgnoreBOM)
	case classify.GB18030:
		return simplifiedchinese.GB18030
	}
	return nil
}

type plainWriter struct{ io.Writer }

func (plainWriter) Close() error { return nil }

// next gives the next chunk of text, valid until it is called again. The last
// comes with io.EOF.
func (c *textCleaner) next() ([]byte, error) {
	c.kept = copy(c.buf, c.buf[c.used:c.kept])
	n, err := io.ReadFull(c.from, c.buf[c.kept:])
	c.kept += n
	if err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.EOF
		}
		c.used = c.kept
		return c.buf[:c.kept], err
	}
	c.used = cutText(c.buf[:c.kept])
	return c.buf[:c.used], nil
}

// cutText is where a full buffer is cut: behind the last empty line of its
// second half, else behind the last line, else behind the last space, else
// where no character is cut.
func cutText(b []byte) int {
	half := len(b) / 2
	for _, sign := range []string{"\n\n", "\n\r\n", "\n", "。", " "} {
		if i := bytes.LastIndex(b[half:], []byte(sign)); i >= 0 {
			return half + i + len(sign)
		}
	}
	for end := len(b); end > len(b)-utf8.UTFMax; end-- {
		if r, _ := utf8.DecodeLastRune(b[:end]); r != utf8.RuneError {
			return end
		}
	}
	return len(b)
}

func (c *textCleaner) clean(chunk []byte) error {
	if c.wide {
		c.broken += bytes.Count(chunk, []byte("\uFFFD"))
	}
	c.spans = c.job.Scanner.Scan(c.spans[:0], chunk, classify.Redact)
	c.names.learn(chunk, c.spans)
	c.spans = c.names.again(c.spans, chunk)
	c.out = c.out[:0]
	if c.method == Redact {
		c.redact(chunk)
	} else {
		c.find(chunk)
		at := 0
		for _, s := range c.spans {
			if !identifies(s.Kind) {
				continue
			}
			c.out = append(c.out, chunk[at:s.Start]...)
			c.out = c.job.span(c.out, Pseudonym, s.Kind, chunk[s.Start:s.End], c.patient, c.report)
			at = s.End
		}
		c.out = append(c.out, chunk[at:]...)
	}
	_, err := c.to.Write(c.out)
	return err
}

// find looks for the record number of the text's patient.
func (c *textCleaner) find(chunk []byte) {
	for _, s := range c.spans {
		if s.Kind != classify.MRN {
			continue
		}
		number := string(chunk[s.Start:s.End])
		switch {
		case c.patient == "":
			c.patient = number
		case string(normalCode([]byte(number))) != string(normalCode([]byte(c.patient))):
			c.several = true
		}
	}
}

// redact puts a mark, or asterisks, in the place of each finding.
func (c *textCleaner) redact(chunk []byte) {
	at := 0
	for _, s := range c.spans {
		if !identifies(s.Kind) {
			continue
		}
		c.out = append(c.out, chunk[at:s.Start]...)
		at = s.End
		c.report.Count(Redact, s.Kind)
		if c.mask {
			c.out = maskLetters(c.out, chunk[s.Start:s.End])
			continue
		}
		c.out = append(c.out, '[')
		c.out = append(c.out, textMark(s.Kind)...)
		c.out = append(c.out, ']')
	}
	c.out = append(c.out, chunk[at:]...)
}

// textMark is a kind as text-redact writes it.
func textMark(kind classify.Kind) string {
	switch kind {
	case classify.Name:
		return "NAME"
	case classify.Age:
		return "AGE"
	}
	if name := kind.String(); name != "" {
		return strings.ToUpper(name)
	}
	return "REMOVED" // a rule of the hospital
}

// maskLetters writes an asterisk for every character but spaces and signs.
func maskLetters(dst, value []byte) []byte {
	for len(value) > 0 {
		r, n := utf8.DecodeRune(value)
		if r < utf8.RuneSelf && !isDigit(byte(r)) && (r|0x20 < 'a' || r|0x20 > 'z') {
			dst = append(dst, byte(r))
		} else {
			dst = append(dst, '*')
		}
		value = value[n:]
	}
	return dst
}

func (c *textCleaner) notes() {
	if c.several && c.method != Redact {
		c.report.Note("several record numbers stand in one text; all its dates moved as those of the first")
	}
	if c.patient == "" && c.method != Redact {
		c.report.Note("a text names no record number; its dates were cut to their years")
	}
	if c.broken > 0 {
		c.report.Note("bytes that are no characters of their charset became U+FFFD")
	}
}

// overAge writes an age over 89 as 90+, in numbers or in words.
func overAge(value []byte) []byte {
	age, from, to, ok := ageIn(value)
	switch {
	case ok && age < topAge:
		return value
	case ok:
		return slices.Concat(value[:from], []byte("90+"), value[to:])
	case hasHan(string(value)):
		return []byte("90岁以上")
	}
	return []byte("over 89")
}
