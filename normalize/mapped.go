package normalize

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/internal/jsonscan"
	"github.com/cordon-health/cordon/ocsf"
)

// Row makes the event of one row; get returns a column's text, "" where it is
// NULL or missing. An error names the column, never the value.
func (m *Mapping) Row(get func(column string) string) (*ocsf.Event, error) {
	return m.row(get, time.UTC)
}

func (m *Mapping) row(get func(string) string, zone *time.Location) (*ocsf.Event, error) {
	e := &ocsf.Event{}
	text := m.Time.get(get)
	if text == "" {
		return nil, fmt.Errorf("column %s: no time", m.Time.Column)
	}
	at, exact, err := m.instant(text, zone)
	if err != nil {
		return nil, fmt.Errorf("column %s %w", m.Time.Column, err)
	}
	if err := within(at); err != nil {
		return nil, fmt.Errorf("column %s %w", m.Time.Column, err)
	}
	e.Time = at
	if !exact {
		e.Metadata.OriginalTime = text
	}
	e.Metadata.UID = m.UID.get(get)
	e.Metadata.CorrelationUID = m.Request.get(get)
	e.Metadata.Product.Name = m.Product.get(get)
	e.StatusDetail = m.Detail.get(get)
	e.StatusID = statusWord(m.Status.get(get))
	m.who(e, get)
	m.where(e, get)
	if id := m.Patient.get(get); id != "" {
		e.Patient = &ocsf.Patient{UID: id, Encounter: m.Encounter.get(get)}
	}
	m.kept(e, get)
	switch m.Kind {
	case "sql":
		return e, m.statement(e, get)
	case "login":
		return e, m.login(e, get)
	case "care":
		return e, m.facts(e, get, zone)
	}
	return e, m.access(e, get)
}

func (m *Mapping) who(e *ocsf.Event, get func(string) string) {
	u := &e.Actor.User
	u.Account, u.FullName, u.Org = m.Account.get(get), m.FullName.get(get), m.Department.get(get)
	if role := m.Role.get(get); role != "" {
		u.Roles = []string{role}
	}
	if other := m.OnBehalfOf.get(get); other != "" {
		e.Actor.OnBehalfOf = &ocsf.User{Account: other}
	}
	e.Actor.AppName, e.Actor.Session = m.App.get(get), m.Session.get(get)
}

func (m *Mapping) where(e *ocsf.Event, get func(string) string) {
	setAddress(&e.SrcEndpoint, m.IP.get(get))
	e.SrcEndpoint.Name = m.Host.get(get)
	if server := m.Server.get(get); server != "" {
		setAddress(&e.DstEndpoint, server)
	}
}

// activity reads the activity; the column's own word becomes the event code.
func (m *Mapping) activity(e *ocsf.Event, get func(string) string, missing int) {
	if m.Activity.Column != "" {
		e.Metadata.EventCode = strings.TrimSpace(get(m.Activity.Column))
	}
	word := m.Activity.get(get)
	id, ok := m.activityOf(word)
	switch {
	case ok:
		e.ActivityID = id
	case word == "":
		e.ActivityID = missing
	default:
		e.ActivityID = ocsf.ActivityOther
	}
}

func (m *Mapping) access(e *ocsf.Event, get func(string) string) error {
	e.ClassUID = ocsf.WebResourcesActivity
	m.activity(e, get, ocsf.AccessRead)
	r := ocsf.Resource{UID: m.ResourceID.get(get), Type: m.ResourceType.get(get), Name: m.ResourceName.get(get)}
	n, err := m.count(&m.Count, get)
	if err != nil {
		return err
	}
	r.Count = n
	if label := m.Label.get(get); label != "" {
		r.Labels = []string{label}
		e.DataClassifications = levelFive(label)
	}
	if r.UID != "" || r.Type != "" || r.Name != "" || r.Count != 0 {
		e.WebResources = []ocsf.Resource{r}
	}
	x := &ocsf.Access{Reason: m.Reason.get(get), BreakGlass: yes(m.BreakGlass.get(get)), Incidental: yes(m.Incidental.get(get))}
	x.Document = cmp.Or(m.Document.get(get), r.Type)
	if code := m.Purpose.get(get); code != "" {
		x.Purpose = []string{code}
		x.BreakGlass = x.BreakGlass || breakGlassCode(code)
	}
	e.Access = x
	return m.file(e, get)
}

func (m *Mapping) file(e *ocsf.Event, get func(string) string) error {
	size, err := m.count(&m.FileSize, get)
	if name := m.File.get(get); name != "" || size != 0 {
		e.File = &ocsf.File{Name: name, Size: size}
	}
	return err
}

// statement makes a Datastore Activity. It needs a database, a table or a
// statement; the type of access is read off the statement where the mapping
// does not say it.
func (m *Mapping) statement(e *ocsf.Event, get func(string) string) error {
	e.ClassUID = ocsf.DatastoreActivity
	text := m.Statement.get(get)
	m.activity(e, get, verbActivity(text))
	rows, err := m.count(&m.Rows, get)
	if err != nil {
		return err
	}
	if text != "" || rows != 0 {
		e.QueryInfo = &ocsf.QueryInfo{Text: text, Rows: rows}
	}
	if name := m.Table.get(get); name != "" {
		e.Table = &ocsf.Named{Name: name}
	}
	if name := m.Database.get(get); name != "" {
		e.Database = &ocsf.Named{Name: name}
	}
	return m.file(e, get)
}

// verbActivity is the datastore activity of a statement's first word.
func verbActivity(statement string) int {
	verb, _, _ := strings.Cut(strings.TrimSpace(statement), " ")
	switch strings.ToUpper(verb) {
	case "SELECT", "WITH", "CALL", "EXEC", "EXECUTE":
		return 4
	case "UPDATE", "MERGE", "ALTER":
		return 2
	case "INSERT", "REPLACE":
		return 5
	case "CREATE":
		return 6
	case "DELETE", "DROP", "TRUNCATE":
		return 7
	case "SHOW", "DESC", "DESCRIBE", "EXPLAIN":
		return 8
	case "":
		return ocsf.ActivityUnknown
	}
	return ocsf.ActivityOther
}

func (m *Mapping) login(e *ocsf.Event, get func(string) string) error {
	e.ClassUID = ocsf.Authentication
	m.activity(e, get, ocsf.AuthLogon)
	user := e.Actor.User
	e.User = &user
	e.Patient = nil
	return nil
}

// facts makes an API Activity that states facts about care.
func (m *Mapping) facts(e *ocsf.Event, get func(string) string, zone *time.Location) error {
	if e.Patient == nil {
		return fmt.Errorf("column %s: no patient", m.Patient.Column)
	}
	e.ClassUID, e.ActivityID = ocsf.APIActivity, ocsf.AccessUpdate
	e.API = &ocsf.API{Operation: cmp.Or(m.Name, "row"), Service: "mapping"}
	for i := range m.Care {
		f, ok, err := m.fact(&m.Care[i], e, get, zone)
		if err != nil {
			return err
		}
		if ok {
			e.Care = append(e.Care, f)
		}
	}
	if len(e.Care) == 0 {
		return errors.New("the row states no fact: person, department and ward are empty")
	}
	return nil
}

func (m *Mapping) fact(c *CareMapping, e *ocsf.Event, get func(string) string, zone *time.Location) (f ocsf.Fact, ok bool, err error) {
	f = ocsf.Fact{
		Kind: ocsf.FactKind(c.Kind), Patient: e.Patient.UID, Encounter: e.Patient.Encounter, ID: c.ID.get(get),
		Person: c.Person.get(get), Department: c.Department.get(get), Ward: c.Ward.get(get), Code: c.Code.get(get),
		From: e.Time, Retract: yes(c.Retract.get(get)),
	}
	for _, bound := range []struct {
		from *From
		to   *int64
	}{{&c.From, &f.From}, {&c.Until, &f.Until}} {
		if text := bound.from.get(get); text != "" {
			at, _, err := m.instant(text, zone)
			if err != nil {
				return f, false, fmt.Errorf("column %s %w", bound.from.Column, err)
			}
			*bound.to = at
		}
	}
	switch f.Kind {
	case ocsf.FactEncounter:
		return f, true, nil
	case ocsf.FactDiagnosis, ocsf.FactSensitivity:
		return f, f.Code != "", nil
	}
	return f, f.Person != "" || f.Department != "" || f.Ward != "", nil
}

// count reads a whole number; an empty column is 0.
func (m *Mapping) count(from *From, get func(string) string) (int64, error) {
	text := from.get(get)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n != n || n < -1e15 || n > 1e15 {
		return 0, fmt.Errorf("column %s is not a number", from.Column)
	}
	return int64(n), nil
}

// kept puts the columns of Keep into Unmapped.
func (m *Mapping) kept(e *ocsf.Event, get func(string) string) {
	var out []byte
	for _, name := range m.Keep {
		if text := get(name); text != "" {
			out = appendMember(out, name, jsonscan.AppendString(nil, text))
		}
	}
	if out != nil {
		e.Unmapped = append(out, '}')
	}
}

// mapped adds the event of a row or its reject.
func (n *Normalizer) mapped(in Input, out *Output, item int, data []byte, get func(string) string) {
	out.reading(item, data)
	e, err := in.Mapping.row(get, n.zone)
	if err != nil {
		out.Reject(item, data, err.Error())
		return
	}
	if e.QueryInfo != nil {
		e.QueryInfo.Text = n.statementOf(e)
	}
	in.Mapping.searched(n, e, get)
	in.Mapping.traceMapped(n, e, get)
	out.Event(e)
}

// parseMappedJSON reads objects by a mapping.
func (n *Normalizer) parseMappedJSON(in Input, out *Output) {
	item := 0
	var row jsonRow
	eachJSON(in.Data, func(data []byte) error {
		if err := row.read(data); err != nil {
			return err
		}
		n.mapped(in, out, item, data, row.get)
		item++
		return nil
	}, func(data []byte, reason string) {
		out.Reject(item, data, reason)
		item++
	})
}

// jsonRow is a JSON object as a row: its members, and those of inner objects
// by path.
type jsonRow struct{ names, values []string }

func (r *jsonRow) read(data []byte) error {
	r.names, r.values = r.names[:0], r.values[:0]
	var s jsonscan.Scanner
	s.Reset(data)
	if s.Kind() != jsonscan.Object {
		return errors.New("not a JSON object")
	}
	r.object(&s, "")
	return s.End()
}

func (r *jsonRow) object(s *jsonscan.Scanner, path string) {
	s.Object()
	for name, ok := s.Member(); ok; name, ok = s.Member() {
		full := path + string(name)
		switch s.Kind() {
		case jsonscan.Object:
			r.object(s, full+".")
		case jsonscan.Array:
			r.names, r.values = append(r.names, full), append(r.values, string(s.Raw()))
		default:
			r.names, r.values = append(r.names, full), append(r.values, string(s.Text()))
		}
	}
}

// get is the last member of that name, in any letter case: databases differ
// in how they write the names of columns.
func (r *jsonRow) get(column string) string {
	for i := len(r.names) - 1; i >= 0; i-- {
		if strings.EqualFold(r.names[i], column) {
			return r.values[i]
		}
	}
	return ""
}

// parseMappedCSV reads rows by a mapping. A row with too few or too many
// fields, or quotes that do not close, is rejected, under the header, so that
// it can be fixed and replayed alone; the rest is read on.
func (n *Normalizer) parseMappedCSV(in Input, out *Output) {
	rows := newCSV(bytes.NewReader(in.Data), in.Mapping.Separator)
	header, err := rows.Read()
	if err != nil {
		if err != io.EOF {
			out.Reject(0, in.Data, "the header line is not CSV")
		}
		return
	}
	columns := map[string]int{}
	for i, name := range header {
		columns[strings.ToLower(strings.TrimSpace(name))] = i
	}
	for _, name := range in.Mapping.Required() {
		if _, ok := columns[strings.ToLower(name)]; !ok {
			out.Reject(0, in.Data, fmt.Sprintf("column %s is missing", name))
			return
		}
	}
	headerLine := in.Data[:rows.InputOffset()]
	if len(headerLine) > maxHeader {
		out.Reject(0, in.Data, fmt.Sprintf("the header line is larger than %d bytes", maxHeader))
		return
	}
	for item := 0; ; item++ {
		start := rows.InputOffset()
		fields, err := rows.Read()
		if err == io.EOF {
			return
		}
		line := bytes.Join([][]byte{headerLine, in.Data[start:rows.InputOffset()]}, nil)
		switch {
		case err != nil:
			out.Reject(item, line, "the line is not CSV: a quote is missing or out of place")
		case len(fields) != len(header):
			out.Reject(item, line, fmt.Sprintf("the line has %d fields, the header %d", len(fields), len(header)))
		default:
			n.mapped(in, out, item, line, func(column string) string {
				if i, ok := columns[strings.ToLower(column)]; ok {
					return fields[i]
				}
				return ""
			})
		}
	}
}

// maxHeader bounds the header line, which each rejected row carries.
const maxHeader = 64 << 10

func newCSV(r io.Reader, sep string) *csv.Reader {
	rows := csv.NewReader(r)
	rows.Comma = separator(sep)
	rows.FieldsPerRecord = -1
	rows.ReuseRecord = false
	return rows
}

func separator(text string) rune {
	switch text {
	case "":
		return ','
	case `\t`:
		return '\t'
	}
	return rune(text[0])
}
