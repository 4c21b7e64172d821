package normalize

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/cordon-health/cordon/statement"
)

// auditRecord begins a record of the XML audits of MySQL Enterprise and
// Percona: the new form has elements in it, the old one attributes.
const auditRecord = "<AUDIT_RECORD"

// scanMySQLXML is a bufio.SplitFunc that cuts behind each record: the file of a
// running server has no end, so it is no document.
func scanMySQLXML(data []byte, atEOF bool) (advance int, record []byte, err error) {
	if len(data) == 0 {
		return 0, nil, nil
	}
	if start := bytes.Index(data, []byte(auditRecord)); start >= 0 {
		if n := auditRecordEnd(data[start:]); n > 0 {
			return start + n, data[:start+n], nil
		}
	}
	if !atEOF && len(data) < maxLogRecord {
		return 0, nil, nil
	}
	return len(data), bytes.TrimRight(data, "\r\n"), nil
}

// auditRecordEnd is where the record ends that data begins with, 0 where its
// end is not there.
func auditRecordEnd(data []byte) int {
	var quote byte
	for i, c := range data {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>' && data[i-1] == '/':
			return i + 1
		case c == '>':
			const end = "</AUDIT_RECORD>"
			if n := bytes.Index(data[i:], []byte(end)); n >= 0 {
				return i + n + len(end)
			}
			return 0
		}
	}
	return 0
}

// mysqlXML reads records one by one; what stands around them is nothing.
func (n *Normalizer) mysqlXML(in Input, out *Output) {
	eachLog(in.Data, scanMySQLXML, func(item int, raw []byte) {
		start := bytes.Index(raw, []byte(auditRecord))
		if start < 0 && auditFrame(raw) {
			return
		}
		n.sqlOne(in, out, item, raw, &sqlRecord{}, func(r *sqlRecord) error {
			if start < 0 {
				return errors.New("no AUDIT_RECORD of MySQL's audit in XML")
			}
			if err := r.readXML(raw[start:]); err != nil {
				return err
			}
			return n.mysqlObject(&in, r)
		})
	})
}

// auditFrame says whether a text is only what stands around records.
func auditFrame(raw []byte) bool {
	text := string(bytes.TrimSpace(raw))
	if strings.HasPrefix(text, "<?xml") {
		_, text, _ = strings.Cut(text, "?>")
	}
	text = strings.TrimSpace(text)
	return text == "" || text == "<AUDIT>" || text == "</AUDIT>" || text == "<AUDIT/>"
}

// readXML takes over the attributes and elements of a record, under the names
// that Percona gives them in JSON.
func (r *sqlRecord) readXML(doc []byte) error {
	r.product, r.dialect = "MySQL", statement.MySQL
	d := xml.NewDecoder(bytes.NewReader(doc))
	d.CharsetReader = sameCharset
	add := func(name, value string) {
		if strings.TrimSpace(value) != "" {
			r.add("audit_record."+strings.ToLower(name), value)
		}
	}
	var path []string
	var text strings.Builder
	attribute := ""
	for {
		t, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return errors.New("the AUDIT_RECORD is not XML, or ends too early")
		}
		switch t := t.(type) {
		case xml.StartElement:
			if path = append(path, t.Name.Local); len(path) > 10 {
				return errors.New("the AUDIT_RECORD is nested too deep")
			}
			text.Reset()
			for _, a := range t.Attr {
				if len(path) == 1 {
					add(a.Name.Local, a.Value)
				}
			}
		case xml.CharData:
			text.Write(t)
		case xml.EndElement:
			switch {
			case len(path) == 2:
				add(path[1], text.String())
			case len(path) == 4 && path[3] == "NAME":
				attribute = strings.TrimSpace(text.String())
			case len(path) == 4 && path[3] == "VALUE" && attribute != "":
				r.add("connection_data.connection_attributes."+attribute, text.String())
			}
			path = path[:len(path)-1]
			text.Reset()
		}
	}
}
