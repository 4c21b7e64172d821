package normalize

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/statement"
)

// parseOracleAudit reads the audits of Oracle: rows of UNIFIED_AUDIT_TRAIL and
// DBA_AUDIT_TRAIL as CSV or JSON, the XML files of the traditional audit
// (AUDIT_TRAIL=XML, EXTENDED), and what either writes to syslog.
func (n *Normalizer) parseOracleAudit(in Input, out *Output) {
	data := bytes.TrimLeft(in.Data, " \t\r\n")
	read := func(r *sqlRecord) error { return n.oracleRecord(&in, r) }
	switch {
	case beginsValue(data):
		n.sqlObjects(in, out, read)
	case startsXML(data):
		n.oracleXML(in, out, read)
	case headerLine(data):
		n.sqlRows(in, out, read)
	default:
		lines := newSyslogReader(n.zone)
		eachLog(in.Data, scanLog, func(item int, raw []byte) {
			n.sqlOne(in, out, item, raw, &sqlRecord{}, func(r *sqlRecord) error { return n.oracleLine(&in, lines, raw, r) })
		})
	}
}

// oracleNames are the columns of both trails, and the elements and keys of
// XML and syslog, by the names used here.
func oracleNames() map[string]string {
	return map[string]string{
		"dbusername": "user", "username": "user", "dbuser": "user", "userid": "user", "databaseuser": "user", "osusername": "osuser", "osuser": "osuser",
		"os$userid": "osuser", "clientuser": "osuser", "userhost": "host", "clientterminal": "terminal", "clientprogramname": "program", "clientidentifier": "app",
		"clientid": "app", "sqltext": "sql", "sqlstatement": "sql", "returncode": "status", "retcode": "status", "objectschema": "schema", "owner": "schema",
		"obj$creator": "schema", "objectname": "object", "objname": "object", "obj$name": "object", "sessionid": "session", "sesid": "session",
		"actionname": "action", "dbname": "database", "pdbname": "database", "dbid": "databaseid", "extendedtimestamp": "time", "eventtimestamp": "time",
		"eventtimestamputc": "timeutc", "commenttext": "address", "authenticationtype": "address", "sqlbinds": "binds", "sqlbind": "binds",
	}
}

// oracleActions names the numbers of actions that read or write tables.
// Source: the view AUDIT_ACTIONS.
func oracleActions() map[string]string {
	return map[string]string{"1": "CREATE TABLE", "2": "INSERT", "3": "SELECT", "6": "UPDATE", "7": "DELETE", "12": "DROP TABLE", "15": "ALTER TABLE",
		"21": "CREATE VIEW", "47": "PL/SQL EXECUTE", "85": "TRUNCATE TABLE", "100": "LOGON", "101": "LOGOFF", "102": "LOGOFF BY CLEANUP",
		"116": "EXECUTE PROCEDURE", "24": "CREATE PROCEDURE", "189": "MERGE"}
}

func (n *Normalizer) oracleRecord(in *Input, r *sqlRecord) error {
	names := oracleNames()
	for i := range r.fields {
		if to := names[r.fields[i].name]; to != "" {
			r.fields[i].name = to
		}
	}
	r.product, r.dialect = "Oracle", statement.Oracle
	if utc := r.take("timeutc"); utc != "" {
		r.setTime(n, in, utc+"Z")
	}
	if r.at == 0 {
		r.oracleTime(n, in, r.take("time", "timestamp"))
	}
	r.sql = r.take("sql")
	if r.code = r.take("action"); isSQLText(r.code) { // what SYS did is written there in full
		r.sql = firstOf(r.sql, r.code)
		r.code, _, _ = strings.Cut(strings.ToUpper(r.code), " ")
		r.code = r.code[:min(len(r.code), 20)]
	}
	if name := oracleActions()[r.code]; name != "" {
		r.code = name
	}
	if s := r.take("status"); s != "" && s != "0" {
		r.failed, r.detail = true, "ORA-"+s[:min(len(s), 12)]
	}
	switch {
	case strings.HasPrefix(r.code, "LOGON") || r.code == "CONNECT":
		r.logon = ocsf.AuthLogon
	case strings.HasPrefix(r.code, "LOGOFF"):
		r.logon = ocsf.AuthLogoff
	}
	if r.logon == 0 && r.sql == "" {
		r.verb = verbActivity(r.code)
	}
	r.oracleClient()
	if id := r.take("entryid"); id != "" && r.has("session") {
		r.add("entry_id", id)
	}
	return nil
}

// isSQLText says whether what stands for an action is a statement.
func isSQLText(text string) bool {
	return len(strings.Fields(text)) > 3 || len(text) > 40
}

// oracleTime reads ISO times and Oracle's own 05-MAR-26 10.00.00.123456 AM +08:00.
func (r *sqlRecord) oracleTime(n *Normalizer, in *Input, text string) {
	if r.setTime(n, in, text) {
		return
	}
	text = strings.ToUpper(strings.TrimSpace(text))
	for _, layout := range []string{"02-Jan-06 03.04.05.999999999 PM -07:00", "02-Jan-06 03.04.05.999999999 PM", "02-Jan-06 15.04.05.999999999", "02-Jan-2006 15:04:05", "02-Jan-06"} {
		if at, err := time.ParseInLocation(layout, text, n.zone); err == nil {
			ms := at.UnixMilli()
			if within(ms) == nil {
				r.at = ms
				if !strings.Contains(layout, "-07") {
					r.timeText = text
				}
			}
			return
		}
	}
}

// oracleClient takes the address out of (ADDRESS=(PROTOCOL=tcp)(HOST=1.2.3.4)(PORT=5))
// and the machine out of DOMAIN\MACHINE.
func (r *sqlRecord) oracleClient() {
	if text := r.take("address"); text != "" {
		if _, rest, ok := strings.Cut(text, "(HOST="); ok {
			host, rest, _ := strings.Cut(rest, ")")
			r.add("client", host)
			if _, p, ok := strings.Cut(rest, "(PORT="); ok {
				p, _, _ = strings.Cut(p, ")")
				r.add("client_port", p)
			}
		}
	}
	for i := range r.fields {
		f := &r.fields[i]
		if f.name == "host" {
			f.value = f.value[strings.LastIndexByte(f.value, '\\')+1:]
		}
	}
}

// oracleXML reads the AuditRecord elements of a file, one event each.
func (n *Normalizer) oracleXML(in Input, out *Output, read sqlReader) {
	d := xml.NewDecoder(bytes.NewReader(in.Data))
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // brought to UTF-8 before
	item := 0
	var r *sqlRecord
	var name string
	var text strings.Builder
	for {
		t, err := d.Token()
		if err != nil {
			if item == 0 || r != nil {
				out.Reject(item, in.Data, "no AuditRecord of Oracle, or XML that ends too early")
			}
			return
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Local == "AuditRecord" {
				r = &sqlRecord{}
			}
			name = t.Name.Local
			text.Reset()
		case xml.CharData:
			text.Write(t)
		case xml.EndElement:
			switch {
			case r == nil:
			case t.Name.Local == "AuditRecord":
				n.sqlOne(in, out, item, in.Data, r, read)
				item++
				r = nil
			case t.Name.Local == name && len(r.fields) < 200:
				r.add(name, text.String())
			}
		}
	}
}

// newOraclePair finds KEY:[length] 'value' and KEY:"value".
func newOraclePair() *regexp.Regexp {
	return regexp.MustCompile(`([A-Z][A-Z$_ ]*?) ?: ?(?:\[\d+\])? ?(?:'([^']*)'|"([^"]*)")`)
}

// oracleLine reads what Oracle writes to syslog.
func (n *Normalizer) oracleLine(in *Input, lines *syslogReader, raw []byte, r *sqlRecord) error {
	line := lines.read(raw)
	r.at, r.timeText = line.at(in.Received), line.TimeText
	pairs := n.oracle.FindAllStringSubmatch(string(line.Message), 200)
	if len(pairs) < 3 {
		return errors.New("no line of an Oracle audit: fewer than three KEY:'value' stand in it")
	}
	for _, m := range pairs {
		key := strings.TrimSpace(m[1])
		if key == "LENGTH" {
			continue
		}
		r.add(key, firstOf(m[2], m[3]))
	}
	r.add("server", line.Host)
	at, text := r.at, r.timeText
	err := n.oracleRecord(in, r)
	if r.at == 0 {
		r.at, r.timeText = at, text
	}
	if r.verb == 0 && r.sql == "" && r.code != "" && r.logon == 0 {
		r.verb = 99
	}
	return err
}
