package asset

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// readCSV reads devices as CSV: UTF-8, a header line, RFC 4180. One of the
// columns mac, ip and serial is required, and in each line one of them must
// have a value. The others are the names of [Fields] but into and apart.
// Unknown columns are passed over with one warning.
func (l *List) readCSV(r io.Reader) error {
	lines := csv.NewReader(r)
	lines.FieldsPerRecord, lines.ReuseRecord, lines.TrimLeadingSpace = -1, true, true
	header, err := lines.Read()
	if errors.Is(err, io.EOF) {
		return Mistake{"the file is empty; its first line names the columns, one of which is mac, ip or serial", "文件为空；首行应为列名，且至少包含 mac、ip、serial 之一"}
	}
	if err != nil {
		return err
	}
	columns, err := l.columns(slices.Clone(header))
	if err != nil {
		return err
	}
	for {
		row, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := l.tooLong(); err != nil {
			return err
		}
		at, _ := lines.FieldPos(0)
		e, err := entryOf(columns, row)
		if err != nil {
			return fmt.Errorf("line %d: %w", at, err)
		}
		e.Line = at
		l.Entries = append(l.Entries, e)
	}
}

// columns are the names of a header, "" for those that are passed over.
func (l *List) columns(header []string) ([]string, error) {
	has := false
	var unknown []string
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		switch {
		case name == fieldMAC, name == fieldIP, name == fieldSerial:
			has = true
		case name == fieldInto, name == fieldApart, !slices.Contains(Fields(), name):
			unknown = append(unknown, name)
			name = ""
		}
		if name != "" && slices.Contains(header[:i], name) {
			return nil, Mistake{fmt.Sprintf("the column %q stands there twice", name), fmt.Sprintf("列“%s”重复", name)}
		}
		header[i] = name
	}
	if !has {
		return nil, Mistake{"a required column is missing: mac, ip or serial", "缺少必需列：mac、ip 或 serial"}
	}
	if len(unknown) > 0 {
		l.warn("unknown columns, passed over: %s", strings.Join(unknown, ", "))
	}
	return header, nil
}

func entryOf(columns, row []string) (Entry, error) {
	e := Entry{Fields: map[string]string{}}
	for i, name := range columns {
		if i >= len(row) || name == "" {
			continue
		}
		value := clean(row[i])
		switch {
		case value == "":
		case name == fieldMAC:
			if e.MAC = ParseMAC(value); MACText(e.MAC) == "" || group(e.MAC) {
				return e, Mistake{"mac: give six bytes such as 00:11:22:33:44:55", "mac：请写作 00:11:22:33:44:55"}
			}
		case name == fieldIP:
			if e.IP = usable(ParseAddr(value)); !e.IP.IsValid() {
				return e, Mistake{"ip: give the address of one device", "ip：请填写单个设备地址"}
			}
		default:
			e.Fields[name] = value
		}
	}
	e.Serial = e.Fields[fieldSerial]
	return e, nil
}
