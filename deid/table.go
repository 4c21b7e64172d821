package deid

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/strict"
	"github.com/cordon-health/cordon/ocsf"
)

// tableProfile rewrites CSV and TSV by the columns of a profile file.
type tableProfile struct {
	name string
	file tableFile
	// fallback is for columns nobody named, if that is allowed.
	fallback *rule
	columns  map[string]column
}

var _ Profile = (*tableProfile)(nil)

// tableFile is a table profile, YAML.
type tableFile struct {
	Version int `yaml:"version"`
	// Patient is the column with the record number, by which dates move.
	Patient string `yaml:"patient"`
	// Default is for columns that are not listed: "redact", "remove" or "text".
	// Without it such a column is an error.
	Default string `yaml:"default"`
	// Columns are "HEADING: RULE". Behind perturb may stand how far a number
	// moves: "perturb 10%"; without it, five percent.
	Columns map[string]string `yaml:"columns"`
}

type column struct {
	rule
	noise float64
}

// parseColumn reads the rule of a column.
func parseColumn(text string) (column, error) {
	c := column{noise: defaultNoise}
	if percent, ok := strings.CutPrefix(text, "perturb "); ok {
		n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(percent), "%"), 64)
		if err != nil || !strings.HasSuffix(percent, "%") || n <= 0 || n > 100 {
			return c, fmt.Errorf("%q: write a percentage, \"perturb 10%%\"", text)
		}
		c.noise, text = n/100, "perturb"
	}
	var err error
	c.rule, err = parseRule(text)
	return c, err
}

func tableOffer() Offer {
	return Offer{
		Name:     "table",
		Argument: "FILE",
		Title:    ocsf.Text{EN: "CSV or TSV, by the columns of FILE; a column it does not name is refused", ZH: "CSV或TSV，按FILE中的列规则处理；未列出的列拒绝处理"},
		Open:     openTable,
	}
}

// maxTableProfile bounds what is read as a profile.
const maxTableProfile = 1 << 20

func openTable(s Setup) (Profile, error) {
	f, err := os.Open(s.Argument)
	if err != nil {
		return nil, fmt.Errorf("%w: open table profile: %w", ErrUsage, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxTableProfile))
	if err != nil {
		return nil, fmt.Errorf("read table profile: %w", err)
	}
	p, err := parseTable(data)
	if err != nil {
		return nil, fmt.Errorf("%w: table profile %s: %w", ErrUsage, s.Argument, err)
	}
	p.name = "table:" + s.Argument
	return p, nil
}

func parseTable(data []byte) (*tableProfile, error) {
	p := &tableProfile{columns: map[string]column{}}
	if err := strict.Unmarshal(data, &p.file); err != nil {
		return nil, err
	}
	if p.file.Version != 1 {
		return nil, fmt.Errorf("version %d is unknown; write version: 1", p.file.Version)
	}
	if p.file.Default != "" {
		r, err := parseRule(p.file.Default)
		if err != nil {
			return nil, fmt.Errorf("default: %w", err)
		}
		if r.method != Redact && r.method != Remove && r.method != Text {
			return nil, errors.New("default may be redact, remove or text: nothing else is safe for a column nobody looked at")
		}
		p.fallback = &r
	}
	if len(p.file.Columns) == 0 {
		return nil, errors.New("it names no columns")
	}
	for heading, text := range p.file.Columns {
		c, err := parseColumn(text)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", heading, err)
		}
		p.columns[heading] = c
	}
	if p.file.Patient == "" && p.moves() {
		return nil, errors.New("dates are to be shifted, but patient does not name the column with the record number")
	}
	if _, ok := p.columns[p.file.Patient]; p.file.Patient != "" && !ok {
		return nil, fmt.Errorf("patient: there is no column %s among columns", p.file.Patient)
	}
	return p, nil
}

func (p *tableProfile) moves() bool {
	for _, c := range p.columns {
		if c.method == Shift {
			return true
		}
	}
	return false
}

func (p *tableProfile) Name() string { return p.name }

// Apply rewrites row by row. Cells that do not change keep their bytes; the
// separator, the line ends and the character set stay.
func (p *tableProfile) Apply(ctx context.Context, in classify.Source, out io.Writer, job *Job) (Report, error) {
	r := Report{Profile: p.name, Key: job.Key.ID(), Bytes: in.Size()}
	t := &tableWriter{tableProfile: p, work: &work{job: job, report: &r}, out: bufio.NewWriterSize(out, 1<<16)}
	if err := t.detect(in); err != nil {
		return r, err
	}
	var src io.Reader = io.NewSectionReader(in, 0, in.Size())
	if t.code != nil {
		src = t.code.NewDecoder().Reader(src)
	}
	reader := csv.NewReader(bufio.NewReaderSize(src, 1<<16))
	reader.Comma, reader.FieldsPerRecord, reader.LazyQuotes, reader.ReuseRecord = t.comma, 0, false, true
	if err := t.rows(ctx, reader); err != nil {
		return r, err
	}
	if err := t.out.Flush(); err != nil {
		return r, fmt.Errorf("write: %w", err)
	}
	return r, nil
}

// tableWriter rewrites one table.
type tableWriter struct {
	*tableProfile
	*work
	out     *bufio.Writer
	code    encoding.Encoding // nil for UTF-8
	comma   rune
	crlf    bool
	bom     bool
	rules   []column
	drop    []bool
	patient int
	room    []byte
}

// detect reads the first bytes: separator, line end, character set.
func (t *tableWriter) detect(in classify.Source) error {
	head := make([]byte, min(64<<10, in.Size()))
	if _, err := in.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read: %w", err)
	}
	if len(head) == 0 {
		return errors.New("the table is empty")
	}
	if isWide(head) {
		return errors.New("it is UTF-16; save it as UTF-8 or GB18030")
	}
	t.bom = bytes.HasPrefix(head, byteOrderMark)
	if !utf8.Valid(head[:len(head)-min(len(head), utf8.UTFMax)]) {
		t.code = simplifiedchinese.GB18030
	}
	line, _, _ := bytes.Cut(head, []byte("\n"))
	t.crlf = bytes.HasSuffix(line, []byte("\r"))
	t.comma = ','
	most := 0
	for _, c := range ",\t;|" {
		if n := bytes.Count(line, []byte(string(c))); n > most {
			t.comma, most = c, n
		}
	}
	return nil
}

func (t *tableWriter) rows(ctx context.Context, reader *csv.Reader) error {
	heading, err := reader.Read()
	if err != nil {
		return fmt.Errorf("read the headings: %w", noValue(err))
	}
	if err := t.headings(slices.Clone(heading)); err != nil {
		return err
	}
	for {
		row, err := reader.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("row %d: %w", t.report.Records+2, noValue(err))
		}
		if err := t.row(row); err != nil {
			return fmt.Errorf("row %d: %w", t.report.Records+2, err)
		}
		if t.report.Records++; t.report.Records%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// noValue keeps what a reader's error says of the place and not of the value.
func noValue(err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		return fmt.Errorf("line %d, column %d: %w", p.Line, p.Column, p.Err)
	}
	return err
}

// headings finds the rule of each column.
func (t *tableWriter) headings(row []string) error {
	row[0] = strings.TrimPrefix(row[0], string(byteOrderMark))
	t.patient = -1
	var unknown []string
	for i, name := range row {
		name = strings.TrimSpace(name)
		c, ok := t.columns[name]
		switch {
		case !ok && t.fallback == nil:
			unknown = append(unknown, name)
		case !ok:
			c = column{rule: *t.fallback}
		}
		if name == t.file.Patient && name != "" {
			t.patient = i
		}
		t.rules = append(t.rules, c)
		t.drop = append(t.drop, c.method == Remove)
	}
	switch {
	case len(unknown) == len(row): // a row, perhaps, whose cells nobody is told
		return errors.New("the profile names none of the columns; does the table lack its header line?")
	case len(unknown) > 0:
		return fmt.Errorf("the profile does not name the columns %s; list them, or set default: redact", strings.Join(unknown, ", "))
	case t.file.Patient != "" && t.patient < 0:
		return fmt.Errorf("there is no column %s, by which dates move", t.file.Patient)
	}
	if t.bom {
		row[0] = string(byteOrderMark) + row[0]
	}
	return t.write(row)
}

func (t *tableWriter) row(row []string) error {
	if t.patient >= 0 && t.patient < len(row) {
		t.work.patient = row[t.patient]
	}
	t.known.reset()
	for i := range row {
		if t.drop[i] {
			continue
		}
		out, err := t.cell(t.rules[i], row[i])
		if err != nil {
			return err
		}
		row[i] = out
	}
	return t.write(row)
}

func (t *tableWriter) cell(c column, value string) (string, error) {
	if c.method == Keep {
		return value, nil
	}
	t.room = t.room[:0]
	if c.method == Perturb {
		t.report.Count(Perturb, classify.None)
		return string(t.job.Key.Perturb([]byte(value), t.work.patient, c.noise)), nil
	}
	out, err := t.by(c.rule, t.room, []byte(value))
	t.room = out
	return string(out), err
}

// write writes a row without the columns that are removed, quoting what must
// be.
func (t *tableWriter) write(row []string) error {
	line := make([]byte, 0, 256)
	first := true
	for i, cell := range row {
		if t.drop[i] {
			continue
		}
		if !first {
			line = utf8.AppendRune(line, t.comma)
		}
		first = false
		line = appendCell(line, cell, t.comma)
	}
	if t.crlf {
		line = append(line, '\r')
	}
	line = append(line, '\n')
	if t.code != nil {
		var err error
		if line, err = encoding.ReplaceUnsupported(t.code.NewEncoder()).Bytes(line); err != nil {
			return errors.New("it cannot be written back in its character set")
		}
	}
	if _, err := t.out.Write(line); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

func appendCell(dst []byte, cell string, comma rune) []byte {
	if !strings.ContainsAny(cell, "\"\r\n"+string(comma)) && !strings.HasPrefix(cell, " ") {
		return append(dst, cell...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(cell, `"`, `""`)...)
	return append(dst, '"')
}
