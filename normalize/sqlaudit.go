package normalize

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/jsonscan"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/statement"
)

// sqlRecord is one record of a database's own audit, read as fields. The
// audits of PostgreSQL, MySQL, Oracle and SQL Server differ in names and
// wrapping; what they say is the same, and its event is made here.
type sqlRecord struct {
	fields []field // not yet taken
	// product is the database, whose dialect the statement is in.
	product string
	dialect statement.Dialect
	at      int64
	// timeText is the time as sent where it was not an instant.
	timeText string
	code     string // the audit's own word for what was done
	sql      string
	logon    int // an Authentication activity, 0 for a statement
	verb     int // a Datastore activity, 0 to read it off the statement
	failed   bool
	detail   string
	rows     int64
	micros   int64 // duration
}

// take returns the first non-empty value of the names, given in plain form,
// and removes its field.
func (r *sqlRecord) take(names ...string) string {
	for _, name := range names {
		for i := range r.fields {
			f := &r.fields[i]
			if f.name == name && f.value != "" && f.value != "<none>" && f.value != `\N` {
				value := f.value
				f.value = ""
				return value
			}
		}
	}
	return ""
}

func (r *sqlRecord) add(key, value string) {
	value = strings.TrimSpace(value)
	name := plain(key)
	if value == "" || slices.ContainsFunc(r.fields, func(f field) bool { return f.name == name && f.value == value }) {
		return
	}
	r.fields = append(r.fields, field{key: key, value: value, name: name})
}

// setTime reads the record's time; false where it has none that can be.
func (r *sqlRecord) setTime(n *Normalizer, in *Input, text string) bool {
	text = strings.TrimSpace(text)
	if text == "" {
		return false
	}
	ms, zoned, ok := sqlTime(text, n, in.Received)
	if !ok || within(ms) != nil {
		return false
	}
	if r.at = ms; !zoned {
		r.timeText = text
	}
	return true
}

// event makes the event of a record whose fields have been taken apart into
// the usual ones: user, osuser, client, host, program, database, schema,
// object, session, id, app (who the application says it is).
func (n *Normalizer) sqlEvent(r *sqlRecord) *ocsf.Event {
	e := &ocsf.Event{Time: r.at, StatusID: ocsf.StatusSuccess, StatusDetail: r.detail}
	e.Metadata.OriginalTime = r.timeText
	e.Metadata.Product.Name = r.product
	e.Metadata.EventCode = r.code
	e.Metadata.UID = r.take("id")
	if r.failed {
		e.StatusID = ocsf.StatusFailure
	}
	e.Actor.User.Account = r.take("user")
	e.Actor.AppName = r.take("program")
	e.Actor.Session = r.take("session")
	if who := r.take("app", "osuser"); who != "" && !strings.EqualFold(who, e.Actor.User.Account) {
		e.Actor.OnBehalfOf = &ocsf.User{Account: who}
	}
	setAddress(&e.SrcEndpoint, r.take("client"))
	if host := r.take("host"); host != "" && host != e.SrcEndpoint.IP {
		e.SrcEndpoint.Hostname = host
	}
	e.SrcEndpoint.Port = port(r.take("clientport"))
	if server := r.take("server"); server != "" {
		setAddress(&e.DstEndpoint, server)
	}
	if db := r.take("database"); db != "" {
		e.Database = &ocsf.Named{Name: db}
	}
	if r.logon != 0 {
		e.ClassUID, e.ActivityID = ocsf.Authentication, r.logon
		user := e.Actor.User
		e.User = &user
	} else {
		n.setStatement(e, r)
	}
	if r.micros > 0 {
		e.Extra = append(e.Extra, ocsf.Member{Name: "duration", Value: strconv.AppendInt(nil, r.micros/1000, 10)})
	}
	e.Unmapped = n.leftOver(r)
	return e
}

// setStatement says what was asked of the database. Texts inside of the
// statement that may name a patient become tokens.
func (n *Normalizer) setStatement(e *ocsf.Event, r *sqlRecord) {
	e.ClassUID = ocsf.DatastoreActivity
	if r.sql != "" || r.rows > 0 {
		e.QueryInfo = &ocsf.QueryInfo{Text: n.statementText(r.sql, r.dialect), Rows: r.rows}
	}
	e.ActivityID = cmp.Or(r.verb, verbActivity(r.sql), verbActivity(r.code), ocsf.ActivityOther)
	object, schema := r.take("object"), r.take("schema")
	if object != "" {
		e.Table = &ocsf.Named{Name: object, UID: schema}
	}
}

// statementText is a statement without texts that may name a person: the same
// text always becomes the same token, so that values can be told apart.
func (n *Normalizer) statementText(sql string, d statement.Dialect) string {
	return statement.Mask(n.maskNumbers(strings.TrimSpace(sql)), d, func(text string) string {
		if isToken(text) {
			return text
		}
		return nameMark + n.key.Token(keyed.ID, text)
	})
}

// isToken says whether a text is a token already.
func isToken(text string) bool {
	rest, ok := strings.CutPrefix(text, nameMark)
	return ok && len(rest) == 16 && strings.Trim(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// statementOf is the statement of another producer's event; of what is no
// statement, numbers of persons are taken out.
func (n *Normalizer) statementOf(e *ocsf.Event) string {
	if e.ClassUID != ocsf.DatastoreActivity {
		return n.maskNumbers(e.QueryInfo.Text)
	}
	d := statement.DialectOf(e.Metadata.Product.Name + " " + e.Metadata.LogName)
	if asset.OwnEvent(e) { // whoever names a sensor does not choose how it is read
		d = statement.DialectOf(e.DstEndpoint.Name)
	} else if d == statement.Generic {
		d = statement.DialectOf(e.Metadata.LogProvider + " " + e.DstEndpoint.Name)
	}
	return n.statementText(e.QueryInfo.Text, d)
}

// leftOver keeps the fields that have no place of their own; bound values may
// be anybody's name and are kept as tokens only.
func (n *Normalizer) leftOver(r *sqlRecord) ocsf.RawJSON {
	var out []byte
	for _, f := range r.fields {
		value := f.value
		if value == "" || value == "<none>" || value == "<not logged>" || value == `\N` || len(f.key) > 100 {
			continue
		}
		switch f.name {
		case "bind", "binds", "sqlbind", "sqlbinds", "parameter", "parameters", "detail", "additionalinformation", "hint", "context", "query", "internalquery":
			value = nameMark + n.key.Token(keyed.ID, value)
		}
		out = appendMember(out, f.key, jsonscan.AppendString(nil, value[:min(len(value), 4096)]))
	}
	if out == nil {
		return nil
	}
	return append(out, '}')
}

// sqlTime reads the times of database logs: ISO, with a zone by name, and
// those of devices.
func sqlTime(text string, n *Normalizer, received int64) (ms int64, zoned, ok bool) {
	if head, zone, cut := lastWord(text); cut {
		switch strings.ToUpper(zone) {
		case "UTC", "GMT", "Z":
			text = head + "Z"
		case "CST", "CDT", "EST", "PST", "CET", "CEST", "JST", "BST": // ambiguous: the site's own
			text = head
		default:
			if strings.IndexByte("+-", zone[0]) >= 0 {
				text = head + zone
			}
		}
	}
	if ms, zoned, ok = parseTime([]byte(text), n.zone); ok {
		return ms, zoned, true
	}
	return deviceTime(text, n.zone, received)
}

// lastWord cuts the last word off.
func lastWord(text string) (head, last string, ok bool) {
	i := strings.LastIndexByte(text, ' ')
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], i+1 < len(text)
}

// splitDatabase cuts JSON and XML into documents, rows under a header line
// into rows, and anything else into records of lines.
func splitDatabase(r io.Reader) iter.Seq2[Record, error] { return splitAudit(r, scanLog) }

func splitAudit(r io.Reader, scan bufio.SplitFunc) iter.Seq2[Record, error] {
	br := bufio.NewReaderSize(r, 64<<10)
	head, _ := br.Peek(4096)
	head = bytes.TrimLeft(head, " \t\r\n")
	switch {
	case len(head) == 0:
		return func(func(Record, error) bool) {}
	case beginsValue(head) || startsXML(head):
		return splitMarkup(br)
	case headerLine(head):
		return splitCSV(br)
	}
	return splitScan(br, scan)
}

// headerLine says whether a text begins with the names of columns.
func headerLine(head []byte) bool {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	names := strings.ToLower(string(line))
	if strings.Count(names, ",") < 3 || strings.ContainsAny(names, "(<{'") {
		return false
	}
	for _, known := range []string{"event_time", "event_timestamp", "sql_text", "dbusername", "statement", "timestamp", "log_time"} {
		for name := range strings.SplitSeq(names, ",") {
			if strings.Trim(name, "\" \t\r") == known {
				return true
			}
		}
	}
	return false
}

// scanLog is a bufio.SplitFunc for logs of which a record may go on over
// several lines: behind a tabulator, or inside of quotes.
func scanLog(data []byte, atEOF bool) (advance int, record []byte, err error) {
	return scanLines(data, atEOF, func(next []byte, quoted bool) bool {
		return next[0] != '\t' && (!quoted || beginsRecord(next))
	})
}

// scanLines cuts before each line that begins a record; quoted says that a
// quote is open.
func scanLines(data []byte, atEOF bool, begins func(next []byte, quoted bool) bool) (advance int, record []byte, err error) {
	if len(data) == 0 {
		return 0, nil, nil
	}
	end, quotes := 0, 0
	for {
		n := bytes.IndexByte(data[end:], '\n')
		if n < 0 {
			if !atEOF && len(data) < maxLogRecord {
				return 0, nil, nil
			}
			return len(data), bytes.TrimRight(data, "\r\n"), nil
		}
		quotes += bytes.Count(data[end:end+n], []byte{'"'})
		end += n + 1
		next := data[end:]
		if len(next) < 24 && !atEOF && len(data) < maxLogRecord {
			return 0, nil, nil // the next line decides
		}
		if len(next) == 0 || end >= maxLogRecord || begins(next, quotes%2 == 1) {
			return end, bytes.TrimRight(data[:end], "\r\n"), nil
		}
	}
}

// maxLogRecord bounds a record of lines, in bytes.
const maxLogRecord = 1 << 20

// beginsRecord says whether a line begins with a time or a priority.
func beginsRecord(line []byte) bool {
	if len(line) < 10 {
		return false
	}
	if line[0] == '<' || line[0] == '{' {
		return true
	}
	if digits(string(line[:4])) != 4 {
		return false
	}
	return line[4] == '-' && line[7] == '-' || digits(string(line[:8])) == 8 && line[8] == ' '
}

// eachLog hands out the records of an input that is a log.
func eachLog(data []byte, scan bufio.SplitFunc, read func(item int, raw []byte)) {
	for item := 0; len(data) > 0; {
		advance, raw, _ := scan(data, true)
		data = data[advance:]
		if len(bytes.TrimSpace(raw)) > 0 {
			read(item, raw)
			item++
		}
	}
}

// sqlReader makes the record of one row, object or line; an error says what is
// wrong without quoting it.
type sqlReader func(r *sqlRecord) error

// sqlRows reads rows under a header line.
func (n *Normalizer) sqlRows(in Input, out *Output, read sqlReader) {
	rows := csv.NewReader(bytes.NewReader(in.Data))
	rows.FieldsPerRecord, rows.LazyQuotes = -1, true
	header, err := rows.Read()
	if err != nil {
		out.Reject(0, in.Data, "the header line is not CSV")
		return
	}
	head := in.Data[:rows.InputOffset()]
	for item := 0; ; item++ {
		start := rows.InputOffset()
		values, err := rows.Read()
		if err == io.EOF {
			return
		}
		line := bytes.Join([][]byte{head, in.Data[start:rows.InputOffset()]}, nil)
		if err != nil || len(values) != len(header) {
			out.Reject(item, line, fmt.Sprintf("the row has not the %d fields of its header", len(header)))
			if err != nil {
				return
			}
			continue
		}
		r := &sqlRecord{}
		for i, name := range header {
			r.add(strings.Trim(name, "\ufeff \""), values[i])
		}
		n.sqlOne(in, out, item, line, r, read)
	}
}

// sqlObjects reads JSON objects; members of inner objects by path.
func (n *Normalizer) sqlObjects(in Input, out *Output, read sqlReader) {
	item := 0
	var row jsonRow
	eachJSON(in.Data, func(data []byte) error {
		if err := row.read(data); err != nil {
			return err
		}
		r := &sqlRecord{}
		for i, name := range row.names {
			r.add(name, row.values[i])
		}
		n.sqlOne(in, out, item, data, r, read)
		item++
		return nil
	}, func(data []byte, reason string) {
		out.Reject(item, data, reason)
		item++
	})
}

// sqlOne adds the event of a record or its reject.
func (n *Normalizer) sqlOne(in Input, out *Output, item int, raw []byte, r *sqlRecord, read sqlReader) {
	out.reading(item, raw)
	err := read(r)
	switch {
	case err != nil:
		out.Reject(item, raw, err.Error())
	case r.at == 0:
		out.Reject(item, raw, "the record has no time that can be read")
	default:
		out.Event(n.sqlEvent(r))
	}
}

// whole reads a number, 0 for none.
func whole(text string) int64 {
	v, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || v < 0 {
		return 0
	}
	return v
}
