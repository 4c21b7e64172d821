package normalize

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"iter"
	"regexp"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/statement"
)

// parseMySQLAudit reads the audits of MySQL: JSON and XML (new and old) of
// MySQL Enterprise Audit and of Percona Server, lines of MariaDB's server_audit
// (also inside of syslog lines), and the general log.
func (n *Normalizer) parseMySQLAudit(in Input, out *Output) {
	switch data := bytes.TrimLeft(in.Data, " \t\r\n"); {
	case beginsValue(data):
		n.sqlObjects(in, out, func(r *sqlRecord) error { return n.mysqlObject(&in, r) })
		return
	case startsXML(data), bytes.HasPrefix(data, []byte("</AUDIT>")):
		n.mysqlXML(in, out)
		return
	}
	lines := newSyslogReader(n.zone)
	people := map[string]mysqlLogin{}
	eachLog(in.Data, scanMySQL, func(item int, raw []byte) {
		if generalHeader(raw) {
			return
		}
		n.sqlOne(in, out, item, raw, &sqlRecord{}, func(r *sqlRecord) error { return n.mysqlLine(&in, lines, raw, people, r) })
	})
}

// splitMySQL cuts like splitDatabase; a line of the general log goes on until
// the next one begins, a record of XML until its end.
func splitMySQL(r io.Reader) iter.Seq2[Record, error] {
	br := bufio.NewReaderSize(r, 64<<10)
	if head, _ := br.Peek(4096); startsXML(bytes.TrimLeft(head, " \t\r\n")) {
		return splitScan(br, scanMySQLXML)
	}
	return splitAudit(br, scanMySQL)
}

// scanMySQL is a bufio.SplitFunc.
func scanMySQL(data []byte, atEOF bool) (advance int, record []byte, err error) {
	return scanLines(data, atEOF, func(next []byte, _ bool) bool {
		return beginsRecord(next) || len(next) > 7 && digits(string(next[:6])) == 6 && next[6] == ' ' || bytes.HasPrefix(next, []byte("\t\t")) ||
			bytes.HasPrefix(next, []byte("Tcp port:")) || bytes.HasPrefix(next, []byte("Time  "))
	})
}

// mysqlLogin is who a connection of the general log is.
type mysqlLogin struct{ user, client, database string }

// generalHeader says whether lines are the head mysqld writes at its start.
func generalHeader(raw []byte) bool {
	return bytes.Contains(raw, []byte("started with:")) || bytes.HasPrefix(raw, []byte("Tcp port:")) || bytes.HasPrefix(raw, []byte("Time  "))
}

// mysqlNames are the members of the forms of JSON and XML by the names used here.
func mysqlNames() map[string]string {
	return map[string]string{
		"account.user": "user", "login.user": "loginuser", "account.host": "host", "login.os": "osuser", "login.ip": "client",
		"connection_id": "session", "general_data.query": "sql", "general_data.sql_command": "command", "general_data.status": "status",
		"general_data.command": "code", "connection_data.db": "database", "connection_data.status": "status",
		"connection_data.connection_attributes.program_name": "program",
		"connection_data.connection_attributes.os_user":      "osuser", "table_access_data.db": "database", "table_access_data.table": "object",
		"table_access_data.query": "sql", "table_access_data.sql_command": "command",
		"general_data.query_statistics.rows_sent": "rows", "query_statistics.rows_sent": "rows",
		"general_data.query_statistics.query_time": "seconds", "query_statistics.query_time": "seconds",
		"audit_record.name": "code", "audit_record.record": "id", "audit_record.timestamp": "timestamp", "audit_record.command_class": "command",
		"audit_record.connection_id": "session", "audit_record.status": "status", "audit_record.sqltext": "sql", "audit_record.user": "account",
		"audit_record.host": "host", "audit_record.os_user": "osuser", "audit_record.ip": "client", "audit_record.db": "database",
		"audit_record.record_id": "id", "audit_record.os_login": "osuser", "audit_record.table": "object",
	}
}

func (n *Normalizer) mysqlObject(in *Input, r *sqlRecord) error {
	names := mysqlNames()
	for i := range r.fields {
		if to := names[r.fields[i].key]; to != "" {
			r.fields[i].name = to
		}
	}
	r.product, r.dialect = "MySQL", statement.MySQL
	if name, _, _ := strings.Cut(r.take("account"), "["); name != "" { // "root[root] @ localhost []"
		r.add("user", strings.TrimSpace(name))
	}
	class, event, at := r.take("class"), r.take("event"), r.take("timestamp")
	if class != "" && !strings.ContainsAny(at, "TZ+") { // Enterprise writes UTC without saying so
		at += "Z"
	}
	if !r.setTime(n, in, at) {
		return errors.New("timestamp is missing or no time")
	}
	if s, err := strconv.ParseFloat(r.take("seconds"), 64); err == nil && s > 0 && s < 1e9 {
		r.micros = int64(s * 1e6)
	}
	r.code = firstOf(r.take("command"), r.take("code"), event)
	if id := r.take("id"); id != "" && class == "" { // Enterprise's ids begin anew every second
		r.add("id", id)
	}
	r.sql = r.take("sql")
	if login := r.take("loginuser"); !r.has("user") {
		r.add("user", login)
	}
	r.rows = whole(r.take("rows"))
	if s := r.take("status"); s != "" && s != "0" {
		r.failed, r.detail = true, "error "+s
	}
	switch strings.ToLower(r.code) {
	case "connect", "change user":
		r.logon = ocsf.AuthLogon
	case "quit", "disconnect":
		r.logon = ocsf.AuthLogoff
	}
	if class == "connection" && r.logon == 0 {
		r.logon = ocsf.AuthLogon
	}
	return nil
}

func (r *sqlRecord) has(name string) bool {
	for i := range r.fields {
		if r.fields[i].name == name && r.fields[i].value != "" {
			return true
		}
	}
	return false
}

// mysqlPatterns find the lines of server_audit and of the general log.
type mysqlPatterns struct{ audit, general, account *regexp.Regexp }

func newMySQLPatterns() *mysqlPatterns {
	return &mysqlPatterns{
		audit:   regexp.MustCompile(`^(?:(\d{8} \d\d:\d\d:\d\d),)?(?:mysql-server_auditing: )?([^,]*?)[, ]([^,]*),([^,]*),(\d+),(\d+),([A-Z_]+),([^,]*),`),
		general: regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\S+|\d{6} +\d{1,2}:\d\d:\d\d|)\s+(\d+)\s(Connect|Query|Execute|Prepare|Quit|Init DB|Change user|Field List|Close stmt|Reset stmt|Statistics|Ping|Fetch|Long Data|Daemon|Binlog Dump)(?:\t(?s:(.*)))?$`),
		account: regexp.MustCompile(`^(\S*?)@(\S*) (?:as \S* )?on (\S*)`),
	}
}

func (n *Normalizer) mysqlLine(in *Input, lines *syslogReader, raw []byte, people map[string]mysqlLogin, r *sqlRecord) error {
	r.product, r.dialect = "MySQL", statement.MySQL
	text := raw
	if raw[0] == '<' {
		line := lines.read(raw)
		r.at, r.timeText = line.at(in.Received), line.TimeText
		text = line.Message
	}
	if m := n.mysql.audit.FindSubmatchIndex(text); m != nil {
		return n.serverAudit(in, string(text), m, r)
	}
	if m := n.mysql.general.FindStringSubmatch(string(bytes.TrimRight(text, "\r\n"))); m != nil {
		return n.generalLog(in, m, people, r)
	}
	return errors.New("neither a line of server_audit nor of the general log")
}

// serverAudit reads [time,]server,user,host,connection,query,operation,
// database,object,code.
func (n *Normalizer) serverAudit(in *Input, text string, m []int, r *sqlRecord) error {
	part := func(i int) string {
		if m[2*i] < 0 {
			return ""
		}
		return text[m[2*i]:m[2*i+1]]
	}
	r.product = "MariaDB"
	if stamp := part(1); stamp != "" && !r.setTime(n, in, stamp[:4]+"-"+stamp[4:6]+"-"+stamp[6:]) {
		return errors.New("the time is none")
	}
	r.add("server", part(2))
	r.add("user", part(3))
	r.add("client", part(4))
	r.add("session", part(5))
	r.add("query_id", part(6))
	r.code = part(7)
	r.add("database", part(8))
	rest := text[m[1]:]
	object, code := rest, ""
	if i := strings.LastIndexByte(rest, ','); i >= 0 {
		object, code = rest[:i], strings.TrimSpace(rest[i+1:])
	}
	r.failed = code != "" && code != "0"
	if r.failed {
		r.detail = "error " + code[:min(len(code), 20)]
	}
	switch r.code {
	case "CONNECT", "FAILED_CONNECT", "CHANGEUSER":
		r.logon = ocsf.AuthLogon
		r.failed = r.failed || r.code == "FAILED_CONNECT"
	case "DISCONNECT":
		r.logon = ocsf.AuthLogoff
	case "READ", "WRITE", "CREATE", "ALTER", "RENAME", "DROP":
		r.add("object", object)
		r.verb = map[string]int{"READ": 1, "WRITE": 5, "CREATE": 6, "DROP": 7}[r.code]
	default:
		r.sql = unescaped(strings.TrimSuffix(strings.TrimPrefix(object, "'"), "'"))
	}
	return nil
}

// unescaped takes back what server_audit writes with a backslash.
func unescaped(text string) string {
	return strings.NewReplacer(`\\`, `\`, `\'`, `'`, `\n`, "\n", `\r`, "\r", `\t`, "\t", `\"`, `"`).Replace(text)
}

// generalLog reads TIME ID COMMAND ARGUMENT. Who a connection is stands in its
// Connect line only, so it is known within one input.
func (n *Normalizer) generalLog(in *Input, m []string, people map[string]mysqlLogin, r *sqlRecord) error {
	stamp := m[1]
	if len(stamp) > 6 && digits(stamp[:6]) == 6 { // before MySQL 5.7
		stamp = "20" + stamp[:2] + "-" + stamp[2:4] + "-" + stamp[4:6] + " " + strings.TrimSpace(stamp[6:])
		if stamp[len(stamp)-8] == ' ' {
			stamp = stamp[:len(stamp)-7] + "0" + stamp[len(stamp)-7:]
		}
	}
	if stamp == "" { // the same second as the line before
		r.at = in.Received
	} else if !r.setTime(n, in, stamp) {
		return errors.New("the time is none")
	}
	id, argument := m[2], m[4]
	r.code = m[3]
	switch r.code {
	case "Connect", "Change user":
		r.logon = ocsf.AuthLogon
		if a := n.mysql.account.FindStringSubmatch(argument); a != nil && len(people) < 100_000 {
			people[id] = mysqlLogin{a[1], a[2], a[3]}
		} else if strings.HasPrefix(argument, "Access denied for user '") {
			r.failed = true
			name, _, _ := strings.Cut(argument[len("Access denied for user '"):], "'")
			r.add("user", name)
		}
	case "Init DB":
		p := people[id]
		p.database = argument
		people[id] = p
		r.verb = 3
	case "Query", "Execute", "Prepare":
		r.sql = argument
	case "Quit":
		r.logon = ocsf.AuthLogoff
	default:
		r.verb = ocsf.ActivityOther
	}
	p := people[id]
	r.add("session", id)
	r.add("user", p.user)
	r.add("client", p.client)
	r.add("database", p.database)
	return nil
}
