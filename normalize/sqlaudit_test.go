package normalize

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/ocsf"
)

// auditFormat is the format of a sample by its file's name.
func auditFormat(path string) string {
	name := filepath.Base(path)
	for _, f := range []string{"pgaudit", "mysql-audit", "oracle-audit", "mssql-audit"} {
		if strings.HasPrefix(name, f) {
			return f
		}
	}
	return ""
}

func auditSamples(t testing.TB) []string {
	paths, err := filepath.Glob("testdata/dbaudit/*")
	if err != nil || len(paths) < 10 {
		t.Fatalf("samples: %v, %d files", err, len(paths))
	}
	return paths
}

// databaseLine is what a record of a database's audit says.
func databaseLine(e *ocsf.Event) string {
	behalf, sql, table, db := "", "", "", ""
	if e.Actor.OnBehalfOf != nil {
		behalf = e.Actor.OnBehalfOf.Account
	}
	if e.QueryInfo != nil {
		sql = fmt.Sprintf("%s (%d rows)", strings.Join(strings.Fields(e.QueryInfo.Text), " "), e.QueryInfo.Rows)
	}
	if e.Table != nil {
		table = e.Table.UID + "." + e.Table.Name
	}
	if e.Database != nil {
		db = e.Database.Name
	}
	extra := ""
	for _, m := range e.Extra {
		extra += fmt.Sprintf(" %s=%s", m.Name, m.Value)
	}
	return strings.Join([]string{fmt.Sprintf("%d/%d", e.ClassUID, e.ActivityID), time.UnixMilli(e.Time).UTC().Format(time.RFC3339Nano), fmt.Sprint(e.StatusID),
		e.Metadata.EventCode, e.Actor.User.Account, behalf, e.Actor.AppName, cmp.Or(e.SrcEndpoint.IP, e.SrcEndpoint.Hostname, e.SrcEndpoint.Name), db, table, sql,
		e.StatusDetail, string(e.Unmapped) + extra}, "|")
}

func TestGoldenDatabases(t *testing.T) {
	zone := time.FixedZone("", 8*3600)
	n := New(Options{Zone: zone})
	var b strings.Builder
	b.WriteString("# class/activity|when|outcome|code|account|behalf|program|from|database|table|statement|detail|rest\n")
	for _, path := range auditSamples(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		events, rejects := n.Normalize(Input{Format: auditFormat(path), Source: "golden", Received: 1772676000000, Data: data})
		fmt.Fprintf(&b, "## %s\n", filepath.Base(path))
		for _, e := range events {
			line := databaseLine(e)
			if strings.Contains(line+string(e.AppendJSON(nil)), "王小明") {
				t.Errorf("%s: a name got through: %s", path, line)
			}
			b.WriteString(line + "\n")
		}
		for _, r := range rejects {
			fmt.Fprintf(&b, "rejected %d: %s\n", r.Item, r.Reason)
		}
	}
	compareGolden(t, "testdata/golden-databases.txt", b.String())
}

// TestDatabasesRecordByRecord: a file cut into records gives the same events.
func TestDatabasesRecordByRecord(t *testing.T) {
	n := New(Options{Zone: time.UTC})
	for _, path := range auditSamples(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		format := auditFormat(path)
		whole, rejects := n.Normalize(Input{Format: format, Received: 1772676000000, Data: data})
		events, refused := 0, 0
		for rec, err := range n.Records(format, bytes.NewReader(data)) {
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			evs, rs := n.Normalize(Input{Format: format, Received: 1772676000000, Data: bytes.Clone(rec.Data)})
			events, refused = events+len(evs), refused+len(rs)
		}
		if events != len(whole) || refused != len(rejects) {
			t.Errorf("%s: %d events and %d rejects record by record, %d and %d at once", path, events, refused, len(whole), len(rejects))
		}
	}
}

// fuzzAudit checks what must hold for any input of a format.
func fuzzAudit(f *testing.F, format string) {
	for _, path := range auditSamples(f) {
		if data, err := os.ReadFile(path); err == nil && auditFormat(path) == format {
			f.Add(data)
		}
	}
	n := New(Options{Zone: time.UTC})
	f.Fuzz(func(t *testing.T, data []byte) {
		events, rejects := n.Normalize(Input{Format: format, Received: 1772676000000, Data: data})
		for _, e := range events {
			if e.Metadata.UID == "" || e.Time == 0 {
				t.Fatal("an event without uid or time")
			}
			if err := ocsf.Decode(e.AppendJSON(nil), &ocsf.Event{}); err != nil {
				t.Fatalf("an event that cannot be read back: %v", err)
			}
		}
		for _, r := range rejects {
			if r.Reason == "" {
				t.Fatal("a reject without reason")
			}
		}
		for _, err := range n.Records(format, bytes.NewReader(data)) {
			if err != nil {
				break
			}
		}
	})
}

func FuzzPgaudit(f *testing.F)     { fuzzAudit(f, "pgaudit") }
func FuzzMySQLAudit(f *testing.F)  { fuzzAudit(f, "mysql-audit") }
func FuzzOracleAudit(f *testing.F) { fuzzAudit(f, "oracle-audit") }
func FuzzMSSQLAudit(f *testing.F)  { fuzzAudit(f, "mssql-audit") }

// TestMappingsThatComeAlong: every mapping of content can be read.
func TestMappingsThatComeAlong(t *testing.T) {
	paths, err := filepath.Glob("../content/mappings/*.yaml")
	if err != nil || len(paths) < 4 {
		t.Fatalf("%d mappings: %v", len(paths), err)
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseMapping(f); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		_ = f.Close()
	}
}
