package normalize

import (
	"bytes"
	"encoding/csv"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/statement"
)

// parsePgaudit reads the log of PostgreSQL: pgaudit's records, statements
// logged by log_statement and log_min_duration_statement, and sign-ins, on
// stderr, as csvlog, as jsonlog, and inside of syslog lines.
func (n *Normalizer) parsePgaudit(in Input, out *Output) {
	if beginsValue(bytes.TrimLeft(in.Data, " \t\r\n")) {
		n.sqlObjects(in, out, func(r *sqlRecord) error { return n.pgObject(&in, r) })
		return
	}
	lines := newSyslogReader(n.zone)
	eachLog(in.Data, scanLog, func(item int, raw []byte) {
		r := &sqlRecord{}
		n.sqlOne(in, out, item, raw, r, func(r *sqlRecord) error { return n.pgLine(&in, lines, raw, r) })
	})
}

// pgColumns are the columns of csvlog, by the names used below.
func pgColumns() []string {
	return []string{"log_time", "user", "database", "process_id", "connection_from", "session", "session_line_num", "command_tag",
		"session_start_time", "virtual_transaction_id", "transaction_id", "error_severity", "sql_state_code", "message", "detail", "hint",
		"internal_query", "internal_query_pos", "context", "query", "query_pos", "location", "program", "backend_type", "leader_pid", "query_id"}
}

func (n *Normalizer) pgObject(in *Input, r *sqlRecord) error {
	for i := range r.fields {
		f := &r.fields[i]
		switch f.name {
		case "dbname":
			f.name = "database"
		case "remotehost":
			f.name = "client"
		case "remoteport":
			f.name = "clientport"
		case "applicationname":
			f.name = "program"
		case "sessionid":
			f.name = "session"
		}
	}
	if !r.setTime(n, in, r.take("timestamp")) {
		return errors.New("timestamp is missing or no time")
	}
	return r.pgMessage(r.take("errorseverity"), r.take("message"))
}

// pgLine reads one line: csvlog, stderr, or syslog around it.
func (n *Normalizer) pgLine(in *Input, lines *syslogReader, raw []byte, r *sqlRecord) error {
	text := raw
	if len(raw) > 0 && raw[0] == '<' {
		line := lines.read(raw)
		r.at, r.timeText = line.at(in.Received), line.TimeText
		r.add("server", line.Host)
		r.add("process_id", line.ProcID)
		text = line.Message
	}
	if values, ok := csvlog(text); ok {
		for i, name := range pgColumns() {
			if i < len(values) {
				r.add(name, values[i])
			}
		}
		if !r.setTime(n, in, r.take("logtime")) {
			return errors.New("log_time is no time")
		}
		r.from(r.take("connectionfrom"))
		return r.pgMessage(r.take("errorseverity"), r.take("message"))
	}
	return n.pgText(in, string(text), r)
}

// csvlog takes a line apart if it is one of csvlog: at least 23 columns that
// begin with a time.
func csvlog(text []byte) ([]string, bool) {
	if len(text) < 20 || text[4] != '-' || bytes.Count(text, []byte{','}) < 22 {
		return nil, false
	}
	rows := csv.NewReader(bytes.NewReader(text))
	rows.FieldsPerRecord = -1
	values, err := rows.Read()
	return values, err == nil && len(values) >= 22 && len(values) <= len(pgColumns())
}

// from reads "10.0.0.5:51234" and "[local]".
func (r *sqlRecord) from(text string) {
	switch i := strings.LastIndexByte(text, ':'); {
	case text == "[local]":
		r.add("host", "local")
	case i > 0 && strings.Count(text, ":") == 1:
		r.add("client", text[:i])
		r.add("client_port", text[i+1:])
	default:
		r.add("client", text)
	}
}

// pgPatterns find what log_line_prefix puts before the message: it is the
// site's own choice.
type pgPatterns struct{ time, level, at, host, pair *regexp.Regexp }

func newPgPatterns() *pgPatterns {
	return &pgPatterns{
		time:  regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d| [A-Z]{3,4}| [+-]\d\d(?::?\d\d)?)?`),
		level: regexp.MustCompile(`(?:^|[\s\]:])(LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|STATEMENT|DETAIL|HINT|CONTEXT|DEBUG\d):\s+`),
		at:    regexp.MustCompile(`([^\s@=\[\](),]+)@([^\s@=\[\](),]+)`),
		host:  regexp.MustCompile(`(?:^|[\s,=])((?:\d{1,3}\.){3}\d{1,3}|\[local\]|[0-9a-fA-F:]{6,39})\((\d+)\)`),
		pair:  regexp.MustCompile(`\b(user|db|database|app|application|client|host|pid|session|line|txid|vxid)=([^,\s\]]*)`),
	}
}

func (n *Normalizer) pgText(in *Input, text string, r *sqlRecord) error {
	at := n.pg.level.FindStringSubmatchIndex(text)
	if at == nil {
		return errors.New("no line of a PostgreSQL log: no LOG:, ERROR: or other level stands in it")
	}
	prefix, level, message := text[:at[0]], text[at[2]:at[3]], text[at[1]:]
	if stamp := n.pg.time.FindString(prefix); stamp != "" {
		r.setTime(n, in, stamp)
		prefix = strings.Replace(prefix, stamp, " ", 1)
	}
	if r.at == 0 {
		return errors.New("the line has no time; begin log_line_prefix with %m")
	}
	n.pgPrefix(prefix, r)
	return r.pgMessage(level, message)
}

// pgPrefix reads key=value, user@database and address(port) of a prefix.
func (n *Normalizer) pgPrefix(prefix string, r *sqlRecord) {
	names := map[string]string{"db": "database", "app": "program", "application": "program", "host": "client", "pid": "process_id"}
	pairs := n.pg.pair.FindAllStringSubmatch(prefix, -1)
	if strings.Contains(prefix, ",") && len(pairs) > 1 { // then a name may have blanks
		pairs = commaPairs(prefix)
	}
	for _, m := range pairs {
		name := m[1]
		if to := names[name]; to != "" {
			name = to
		}
		if i := strings.IndexByte(m[2], '('); name == "client" && i > 0 {
			r.add("client_port", strings.Trim(m[2][i:], "()"))
			m[2] = m[2][:i]
		}
		if name == "client" && m[2] == "[local]" {
			name = "host"
		}
		r.add(name, m[2])
	}
	if m := n.pg.at.FindStringSubmatch(prefix); m != nil && len(pairs) == 0 {
		r.add("user", m[1])
		r.add("database", m[2])
	}
	if m := n.pg.host.FindStringSubmatch(prefix); m != nil {
		r.from(m[1])
		r.add("client_port", m[2])
	}
}

// commaPairs reads "user=x,db=y,app=HIS Server,client=z".
func commaPairs(prefix string) [][]string {
	var out [][]string
	for part := range strings.SplitSeq(prefix, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			continue
		}
		if words := strings.Fields(key); len(words) > 0 {
			out = append(out, []string{part, words[len(words)-1], strings.TrimSpace(value)})
		}
	}
	return out
}

// pgMessage reads what was logged.
func (r *sqlRecord) pgMessage(level, message string) error {
	r.product, r.dialect = "PostgreSQL", statement.PostgreSQL
	message = strings.ReplaceAll(message, "#011", "\t") // rsyslog's tabulator
	r.failed = level == "ERROR" || level == "FATAL" || level == "PANIC"
	r.code = level
	if body, ok := strings.CutPrefix(message, "AUDIT: "); ok {
		return r.pgaudit(body)
	}
	if rest, ok := strings.CutPrefix(message, "duration: "); ok {
		ms, tail, _ := strings.Cut(rest, " ms")
		if f, err := strconv.ParseFloat(strings.TrimSpace(ms), 64); err == nil && f > 0 && f < 1e12 {
			r.micros = int64(f * 1000)
		}
		message = strings.TrimSpace(tail)
	}
	switch kind, rest, _ := strings.Cut(message, ": "); {
	case kind == "statement" || strings.HasPrefix(kind, "execute ") || level == "STATEMENT":
		r.sql = rest
		if level == "STATEMENT" { // of the error before it
			r.sql, r.failed = message, true
		}
	case kind == "connection authorized":
		r.logon = ocsf.AuthLogon
		r.connection(rest)
	case strings.HasPrefix(message, "disconnection"):
		r.logon = ocsf.AuthLogoff
		r.connection(rest)
	case strings.Contains(message, "authentication failed for user"):
		r.logon = ocsf.AuthLogon
		if _, name, ok := strings.Cut(message, `user "`); ok {
			name, _, _ = strings.Cut(name, `"`)
			r.add("user", name)
		}
	default: // the text may quote a value
		r.verb = ocsf.ActivityOther
		r.detail = message[:cutAt(message)]
	}
	return nil
}

// cutAt is where a message may begin to quote.
func cutAt(message string) int {
	if i := strings.IndexAny(message, "\"'(:\n"); i >= 0 {
		return min(i, 200)
	}
	return min(len(message), 200)
}

// connection reads user=x database=y application_name=z.
func (r *sqlRecord) connection(text string) {
	for word := range strings.FieldsSeq(text) {
		name, value, ok := strings.Cut(word, "=")
		switch {
		case !ok:
		case name == "application_name":
			r.add("program", value)
		case name == "host":
			r.add("client", value)
		case name == "port":
			r.add("client_port", value)
		default:
			r.add(name, value)
		}
	}
}

// pgaudit reads SESSION|OBJECT,statement id,substatement id,class,command,
// object type,object name,statement,parameter[,rows].
func (r *sqlRecord) pgaudit(body string) error {
	rows := csv.NewReader(strings.NewReader(body))
	rows.FieldsPerRecord, rows.LazyQuotes = -1, true
	v, err := rows.Read()
	if err != nil || len(v) < 8 {
		return errors.New("the record of pgaudit has fewer than 8 fields")
	}
	r.code = v[4]
	r.add("audit_type", v[0])
	r.add("statement_id", v[1])
	r.add("class", v[3])
	r.add("object_type", v[5])
	if schema, table, ok := strings.Cut(v[6], "."); ok {
		r.add("schema", schema)
		r.add("object", table)
	} else {
		r.add("object", v[6])
	}
	if v[7] != "<previously logged>" && v[7] != "<not logged>" {
		r.sql = v[7]
	}
	if len(v) > 8 {
		r.add("parameter", v[8])
	}
	if len(v) > 9 {
		r.rows = whole(v[9])
	}
	return nil
}
