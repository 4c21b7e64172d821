package normalize

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/cordon-health/cordon/statement"
)

// statementLine is a statement as the audit of its database tells of it.
func statementLine(t testing.TB, dialect, sql string) (format string, line []byte) {
	at := "2026-03-05T02:00:00"
	var record any
	switch dialect {
	case "oracle":
		format, record = "oracle-audit", map[string]string{"EVENT_TIMESTAMP": at, "DBUSERNAME": "ZHAO", "ACTION_NAME": "SELECT", "RETURN_CODE": "0", "SQL_TEXT": sql}
	case "sqlserver":
		format, record = "mssql-audit", map[string]string{"event_time": at, "action_id": "SL", "succeeded": "true", "server_principal_name": "zhao", "statement": sql}
	case "postgresql", "postgres":
		format, record = "pgaudit", map[string]string{"timestamp": at + "Z", "user": "zhao", "error_severity": "LOG",
			"message": `AUDIT: SESSION,1,1,READ,SELECT,,,"` + strings.ReplaceAll(sql, `"`, `""`) + `",<none>`}
	default:
		format, record = "mysql-audit", map[string]any{"audit_record": map[string]string{"name": "Query", "record": "1", "timestamp": at + " UTC", "command_class": "select",
			"status": "0", "sqltext": sql, "user": "zhao[zhao] @ ws9 [10.9.9.9]"}}
	}
	line, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	return format, line
}

// TestStatementsThroughAudits: what normalizing takes out of statements takes
// nothing from what they are: each of the evasions and each of the harmless
// statements reads the same before and behind it.
func TestStatementsThroughAudits(t *testing.T) {
	catalog, err := statement.LoadCatalog(os.DirFS("../content/tables"))
	if err != nil {
		t.Fatal(err)
	}
	n := New(Options{Zone: time.UTC})
	for _, file := range []string{"hits.txtar", "misses.txtar"} {
		archive, err := txtar.ParseFile("../statement/testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			head, _, _ := strings.Cut(f.Name, ": ")
			_, dialect, _ := strings.Cut(head, " ")
			plain, masked := newStatementSession(catalog), newStatementSession(catalog)
			for sql := range strings.SplitSeq(string(f.Data), "\n----\n") {
				sql = strings.TrimSpace(sql)
				format, line := statementLine(t, dialect, sql)
				events, rejects := n.Normalize(Input{Format: format, Received: 1772676000000, Data: line})
				if len(events) != 1 || len(rejects) > 0 || events[0].QueryInfo == nil {
					t.Fatalf("%s: %d events, %v\n%s", f.Name, len(events), rejects, line)
				}
				d := statement.DialectOf(strings.Replace(dialect, "sqlserver", "sql server", 1))
				want, got := plain.read(sql, d), masked.read(events[0].QueryInfo.Text, d)
				if want != got {
					t.Errorf("%s: %d before normalizing, %d behind it\n%s\n%s", f.Name, want, got, sql, events[0].QueryInfo.Text)
				}
			}
		}
	}
}

// statementSession reads statements one after the other.
type statementSession struct {
	*statement.Reader
	made map[string]*statement.Object
}

func newStatementSession(c *statement.Catalog) *statementSession {
	s := &statementSession{made: map[string]*statement.Object{}}
	s.Reader = statement.NewReader(c, func(name string) (*statement.Object, bool) {
		o, ok := s.made[name]
		return o, ok
	})
	return s
}

func (s *statementSession) read(sql string, d statement.Dialect) statement.Statistic {
	g, _ := s.Read(sql, d)
	for i := range g.Makes {
		s.made[g.Makes[i].Name] = &g.Makes[i]
		s.Forget()
	}
	worst, _ := g.Statistic()
	return worst
}
