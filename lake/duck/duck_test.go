//go:build cgo

package duck_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordon-health/cordon/blob/folder"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/lake/duck"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/sqlite"
)

type fixture struct {
	lake *lake.Lake
	db   *store.DB
	dir  string
}

func open(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := folder.Open(filepath.Join(dir, "blob"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := lake.Config{Dir: filepath.Join(dir, "lake"), Engine: duck.New(filepath.Join(dir, "duck"))}
	l, err := lake.Open(t.Context(), cfg, db, blobs, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); db.Close() })
	return &fixture{l, db, dir}
}

// access is the i-th access: person and patient repeat.
func access(i int) lake.Row {
	ev := &ocsf.Event{
		ClassUID: ocsf.WebResourcesActivity, ActivityID: ocsf.AccessRead, StatusID: 1, SeverityID: 1,
		Time:        1_772_400_000_000 + int64(i)*1000,
		Metadata:    ocsf.Metadata{UID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i), LoggedTime: 1_772_400_000_500 + int64(i)*1000},
		Actor:       ocsf.Actor{User: ocsf.User{UID: fmt.Sprintf("S%d", i%3)}},
		Patient:     &ocsf.Patient{UID: fmt.Sprintf("P%d", i%7)},
		Explanation: &ocsf.Explanation{Explained: i%2 == 0, Kind: "order", At: 1_772_400_000_000 + int64(i)*1000},
	}
	switch {
	case i%10 == 9:
		ev.Access = &ocsf.Access{HalfOf: "other"}
	case i%10 == 8:
		ev.Metadata.UID = fmt.Sprintf("text-%d", i)
	}
	return lake.Row{Event: ev, Seq: uint64(i / 100), Index: uint32(i % 100)}
}

func (f *fixture) append(from, to int) {
	var rows []lake.Row
	for i := from; i < to; i++ {
		rows = append(rows, access(i))
	}
	f.lake.Append(rows)
}

func (f *fixture) flush(t *testing.T) {
	t.Helper()
	b, err := f.lake.Flush(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.db.Update(t.Context(), b.Commit); err != nil {
		t.Fatal(err)
	}
	b.Done()
}

func (f *fixture) ask(t *testing.T, query string, args ...any) string {
	t.Helper()
	rows, err := f.lake.SQL(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var out bytes.Buffer
	if err := rows.Write(&out, "json"); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

func TestViews(t *testing.T) {
	f := open(t)
	want(t, "nothing", f.ask(t, "SELECT count(*) AS n FROM events"), "{\"n\":0}\n")
	f.append(0, 50)
	want(t, "buffered", f.ask(t, "SELECT count(*) AS n FROM events"), "{\"n\":45}\n")
	f.flush(t)
	f.append(50, 100)
	want(t, "both", f.ask(t, "SELECT count(*) AS n FROM events"), "{\"n\":90}\n")
	want(t, "records", f.ask(t, "SELECT count(*) AS n, count(DISTINCT uid) AS u FROM records"), "{\"n\":100,\"u\":100}\n")
	want(t, "argument", f.ask(t, "SELECT count(*) AS n FROM events WHERE person = ? AND patient = ?", "S0", "P0"), "{\"n\":5}\n")
	want(t, "uid as text", f.ask(t, "SELECT time, logged_time, explained_at, explained, kind FROM records WHERE uid = '00000000-0000-4000-8000-000000000001'"),
		`{"time":"2026-03-01T21:20:01.000Z","logged_time":"2026-03-01T21:20:01.500Z","explained_at":"2026-03-01T21:20:01.000Z","explained":false,"kind":"order"}`+"\n")
	want(t, "sum", f.ask(t, "SELECT sum(seq) AS s, avg(idx) AS a, max(time)::DATE AS d FROM records"), `{"s":0,"a":49.5,"d":"2026-03-01"}`+"\n")
}

func TestHealed(t *testing.T) {
	f := open(t)
	f.append(0, 20)
	f.flush(t)
	f.append(20, 30)
	ask := func() string {
		return f.ask(t, "SELECT uid, explained, kind, because, explained_at FROM explanations WHERE healed ORDER BY time")
	}
	want(t, "before", ask(), "")
	x := ocsf.Explanation{Explained: true, Kind: "appointment", Because: []string{"a", "b"}, At: 1_772_400_000_000}
	for _, uid := range []string{"00000000-0000-4000-8000-000000000003", "text-8", "text-28"} {
		if err := f.db.Update(t.Context(), func(tx *sql.Tx) error { return f.lake.Correct(tx, uid, x, 5) }); err != nil {
			t.Fatal(err)
		}
	}
	tail := `","explained":true,"kind":"appointment","because":"a;b","explained_at":"2026-03-01T21:20:00.000Z"}` + "\n"
	want(t, "after", ask(), `{"uid":"00000000-0000-4000-8000-000000000003`+tail+`{"uid":"text-8`+tail+`{"uid":"text-28`+tail)
	want(t, "others", f.ask(t, "SELECT count(*) AS n FROM explanations WHERE kind = 'order'"), "{\"n\":24}\n")
}

// TestEveryColumn reads all values of all columns, with long runs of equal
// ones, and counts them.
func TestEveryColumn(t *testing.T) {
	f := open(t)
	var rows []lake.Row
	for i := range 20_000 {
		row := access(i)
		ev := row.Event
		ev.Explanation.Explained = i*7919%20 != 3 && i%5000 != 77
		ev.Explanation.Weak = i/100%2 == 0
		if i/3000%2 == 0 {
			ev.Explanation = nil
		}
		ev.Access = &ocsf.Access{BreakGlass: i/1000%3 == 0, Reason: strings.Repeat("因", i%9), Purpose: []string{"TREAT"}}
		ev.WebResources = []ocsf.Resource{{UID: fmt.Sprint(i / 7)}}
		rows = append(rows, row)
	}
	f.lake.Append(rows)
	f.flush(t)
	if got := f.ask(t, "SELECT count(DISTINCT COLUMNS(*)) FROM records"); !strings.Contains(got, `"uid":20000`) {
		t.Fatal(got)
	}
	explained, weak, glass := 0, 0, 0
	for _, r := range rows {
		if x := r.Event.Explanation; x != nil && x.Explained {
			explained++
		}
		if x := r.Event.Explanation; x != nil && x.Weak {
			weak++
		}
		if r.Event.Access.BreakGlass {
			glass++
		}
	}
	want(t, "truths", f.ask(t, "SELECT count(*) FILTER (explained) AS e, count(*) FILTER (weak) AS w, count(*) FILTER (break_glass) AS b, count(DISTINCT resource_uid) AS r FROM records"),
		fmt.Sprintf("{\"e\":%d,\"w\":%d,\"b\":%d,\"r\":2858}\n", explained, weak, glass))
}

func TestRefused(t *testing.T) {
	f := open(t)
	f.append(0, 10)
	f.flush(t)
	secret := filepath.Join(f.dir, "secret.csv")
	if err := os.WriteFile(secret, []byte("a,b\n1,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	inside := filepath.Join(f.dir, "lake", "sql", "out.csv")
	for _, q := range []string{
		"SELECT * FROM read_csv('" + secret + "')",
		"SELECT * FROM read_text('/etc/passwd')",
		"SELECT * FROM '/etc/passwd'",
		"SELECT * FROM glob('/etc/*')",
		"COPY (SELECT 1) TO '" + inside + "'",
		"EXPLAIN ANALYZE COPY (SELECT 1) TO '" + inside + "'",
		"EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 1) TO '" + inside + "'",
		"/* x */ EXPLAIN ANALYZE COPY (SELECT 1) TO '" + inside + "'",
		"SELECT 1; COPY (SELECT 1) TO '" + inside + "'",
		"SET memory_limit = '8GB'",
		"SET enable_external_access = true",
		"PRAGMA enable_profiling",
		"CREATE TABLE t (a INT)",
		"CREATE TEMP VIEW events AS SELECT 1",
		"DROP VIEW events",
		"INSTALL httpfs", "LOAD httpfs",
		"ATTACH '" + filepath.Join(f.dir, "x.db") + "'",
		"CALL pragma_version()",
		"WITH x AS (INSERT INTO t VALUES (1)) SELECT 1",
		"", "SELEC 1", "DELETE FROM events",
	} {
		rows, err := f.lake.SQL(t.Context(), q)
		if err == nil {
			err = rows.Write(&bytes.Buffer{}, "csv")
		}
		if err == nil {
			t.Errorf("%s: was answered", q)
		}
	}
	if _, err := os.Stat(inside); err == nil {
		t.Error("a file was written")
	}
	for _, q := range []string{"DESCRIBE events", "EXPLAIN SELECT * FROM events", "EXPLAIN ANALYZE SELECT count(*) FROM events", "WITH x AS (SELECT 1 AS a) SELECT * FROM x", "SUMMARIZE events", "SHOW TABLES"} {
		if f.ask(t, q) == "" {
			t.Errorf("%s: no answer", q)
		}
	}
}

func TestFormats(t *testing.T) {
	f := open(t)
	f.append(0, 3)
	const q = "SELECT time, person AS \"人员\", explained, seq, 1.5::DOUBLE AS f, NULL AS nothing FROM events ORDER BY time"
	for format, expected := range map[string]string{
		"csv": "time,人员,explained,seq,f,nothing\n" +
			"2026-03-01T21:20:00.000Z,S0,true,0,1.5,\n2026-03-01T21:20:01.000Z,S1,false,0,1.5,\n2026-03-01T21:20:02.000Z,S2,true,0,1.5,\n",
		"table": "time                      人员  explained  seq    f  nothing\n" +
			"------------------------  ----  ---------  ---  ---  -------\n" +
			"2026-03-01T21:20:00.000Z  S0    true         0  1.5\n2026-03-01T21:20:01.000Z  S1    false        0  1.5\n2026-03-01T21:20:02.000Z  S2    true         0  1.5\n",
	} {
		rows, err := f.lake.SQL(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := rows.Write(&out, format); err != nil {
			t.Fatal(err)
		}
		want(t, format, out.String(), expected)
	}
	rows, err := f.lake.SQL(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := rows.Write(&out, "parquet"); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "PAR1") || !strings.HasSuffix(out.String(), "PAR1") {
		t.Error("no Parquet file")
	}
	rows, _ = f.lake.SQL(t.Context(), q)
	if err := rows.Write(&out, "xml"); err == nil {
		t.Error("format xml: no error")
	}
}
