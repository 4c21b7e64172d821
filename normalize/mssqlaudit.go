package normalize

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"iter"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/statement"
)

// parseMSSQLAudit reads SQL Server Audit: rows of sys.fn_get_audit_file as CSV
// or JSON, and event 33205 of the Application or Security log, as XML or as
// its text.
func (n *Normalizer) parseMSSQLAudit(in Input, out *Output) {
	data := bytes.TrimLeft(in.Data, " \t\r\n")
	read := func(r *sqlRecord) error { return n.mssqlRecord(&in, r) }
	switch {
	case beginsValue(data):
		n.sqlObjects(in, out, read)
	case startsXML(data):
		n.mssqlXML(in, out, read)
	case headerLine(data):
		n.sqlRows(in, out, read)
	default:
		for item, raw := range auditTexts(in.Data) {
			r := &sqlRecord{}
			r.auditText(string(raw))
			n.sqlOne(in, out, item, raw, r, read)
		}
	}
}

// auditTexts cuts the texts of several events, each of which begins with
// "Audit event:" or "audit_schema_version:".
func auditTexts(data []byte) [][]byte {
	var out [][]byte
	mark := []byte("audit_schema_version:")
	for len(data) > 0 {
		next := len(data)
		if i := bytes.Index(data, mark); i >= 0 {
			if j := bytes.Index(data[i+len(mark):], mark); j >= 0 {
				next = i + len(mark) + j
			}
		}
		if text := bytes.TrimSpace(data[:next]); len(text) > 0 {
			out = append(out, text)
		}
		data = data[next:]
	}
	return out
}

// splitMSSQL cuts like splitDatabase, but texts of events by their beginning.
func splitMSSQL(r io.Reader) iter.Seq2[Record, error] {
	br := bufio.NewReaderSize(r, 64<<10)
	head, _ := br.Peek(4096)
	head = bytes.TrimLeft(head, " \t\r\n")
	if len(head) > 0 && !beginsValue(head) && !startsXML(head) && !headerLine(head) {
		return splitScan(br, scanAuditText)
	}
	return splitDatabase(br)
}

// scanAuditText is a bufio.SplitFunc.
func scanAuditText(data []byte, atEOF bool) (advance int, record []byte, err error) {
	mark := []byte("audit_schema_version:")
	if len(data) == 0 {
		return 0, nil, nil
	}
	if i := bytes.Index(data, mark); i >= 0 {
		if j := bytes.Index(data[i+len(mark):], mark); j >= 0 {
			next := i + len(mark) + j
			return next, bytes.TrimSpace(data[:next]), nil
		}
	}
	if atEOF || len(data) >= maxLogRecord {
		return len(data), bytes.TrimSpace(data), nil
	}
	return 0, nil, nil
}

// mssqlNames are the columns of the audit file by the names used here.
func mssqlNames() map[string]string {
	return map[string]string{"serverprincipalname": "user", "sessionserverprincipalname": "sessionuser", "clientip": "client", "hostname": "host",
		"applicationname": "program", "databasename": "database", "schemaname": "schema", "objectname": "object", "sessionid": "session",
		"serverinstancename": "server", "durationmilliseconds": "duration", "actionid": "action"}
}

func (n *Normalizer) mssqlRecord(in *Input, r *sqlRecord) error {
	names := mssqlNames()
	for i := range r.fields {
		if to := names[r.fields[i].name]; to != "" {
			r.fields[i].name = to
		}
	}
	r.product, r.dialect = "Microsoft SQL Server", statement.SQLServer
	if text := r.take("eventtime"); text != "" { // UTC, without saying so
		if !strings.ContainsAny(text, "Z+") && strings.Count(text, "-") < 3 {
			text += "Z"
		}
		r.setTime(n, in, text)
	}
	if r.at == 0 {
		return errors.New("event_time is missing or no time")
	}
	r.sql = r.take("statement")
	r.code = strings.TrimSpace(r.take("action"))
	switch strings.ToLower(r.take("succeeded")) {
	case "0", "false":
		r.failed = true
	}
	r.rows = max(whole(r.take("responserows")), whole(r.take("affectedrows")))
	r.micros = whole(r.take("duration")) * 1000
	if !r.has("user") {
		r.add("user", r.take("sessionuser"))
	}
	switch r.code {
	case "LGIS":
		r.logon = ocsf.AuthLogon
	case "LGIF":
		r.logon, r.failed = ocsf.AuthLogon, true
	case "LGO":
		r.logon = ocsf.AuthLogoff
	case "SL":
		r.verb = 4
	case "IN":
		r.verb = 5
	case "UP":
		r.verb = 2
	case "DL":
		r.verb = 7
	case "EX":
		r.verb = 4
	}
	for i := range r.fields { // DOMAIN\name stays whole in the account
		if f := &r.fields[i]; f.name == "client" && (f.value == "local machine" || f.value == "Unknown") {
			f.name, f.value = "host", "local"
		}
	}
	return nil
}

// auditText reads "name:value" lines; a statement goes on until the next known
// name.
func (r *sqlRecord) auditText(text string) {
	names := setOf(`audit_schema_version event_time sequence_number action_id succeeded permission_bitmask is_column_permission session_id
		server_principal_id database_principal_id target_server_principal_id target_database_principal_id object_id user_defined_event_id
		transaction_id class_type duration_milliseconds response_rows affected_rows client_ip session_server_principal_name
		server_principal_name server_principal_sid database_principal_name target_server_principal_name target_server_principal_sid
		target_database_principal_name server_instance_name database_name schema_name object_name statement additional_information
		user_defined_information application_name connection_id data_sensitivity_information host_name client_tls_version
		client_tls_version_name database_transaction_id ledger_start_sequence_number external_policy_permissions_checked
		obo_middle_tier_app_id is_local_secondary_replica sequence_group_id file_name audit_file_offset is_server_level_audit`)
	var name string
	var value strings.Builder
	flush := func() {
		if name != "" && len(r.fields) < 200 {
			r.add(name, value.String())
		}
		value.Reset()
	}
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "Audit event:" { // of the next one
			continue
		}
		line = strings.TrimPrefix(strings.TrimRight(line, "\r\n"), "Audit event: ")
		if key, rest, ok := strings.Cut(line, ":"); ok && names[strings.TrimSpace(key)] {
			flush()
			name = strings.TrimSpace(key)
			value.WriteString(rest)
			continue
		}
		if value.Len() > 0 {
			value.WriteByte('\n')
		}
		value.WriteString(line)
	}
	flush()
}

// mssqlXML reads the Event elements of an exported Windows log.
func (n *Normalizer) mssqlXML(in Input, out *Output, read sqlReader) {
	d := xml.NewDecoder(bytes.NewReader(in.Data))
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // brought to UTF-8 before
	item := 0
	var host, name string
	var text, body strings.Builder
	for {
		t, err := d.Token()
		if err != nil {
			if err != io.EOF || item == 0 {
				out.Reject(item, in.Data, "no event of SQL Server Audit, or XML that ends too early")
			}
			return
		}
		switch t := t.(type) {
		case xml.StartElement:
			name = t.Name.Local
			if name == "Event" {
				host = ""
				body.Reset()
			}
			text.Reset()
		case xml.CharData:
			text.Write(t)
		case xml.EndElement:
			switch t.Name.Local {
			case "Computer":
				host = text.String()
			case "Data", "Message":
				body.WriteString(text.String() + "\n")
			case "Event":
				r := &sqlRecord{}
				r.auditText(body.String())
				if !r.has("serverinstancename") {
					r.add("server_instance_name", host)
				}
				n.sqlOne(in, out, item, in.Data, r, read)
				item++
			}
		}
	}
}
