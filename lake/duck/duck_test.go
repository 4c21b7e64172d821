//go:build cgo

package duck_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

func open(t *testing.T) *fixture { return openWith(t, lake.Config{}) }

func openWith(t *testing.T, cfg lake.Config) *fixture {
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
	cfg.Dir = filepath.Join(dir, "lake")
	if cfg.Engine == nil {
		cfg.Engine = duck.New(filepath.Join(dir, "duck"))
	}
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
	before := treeOf(t, f.dir)
	lakeDir := filepath.Join(f.dir, "blob", "lake", "events")
	inside := filepath.Join(lakeDir, "x.parquet")
	scratch := filepath.Join(f.dir, "duck", "sqlfiles")
	copying := "COPY (SELECT 42) TO '" + inside + "'"
	for _, q := range []string{
		"SELECT * FROM read_csv('" + secret + "')",
		"SELECT * FROM read_csv('/etc/passwd')",
		"SELECT * FROM read_text('/etc/passwd')",
		"SELECT * FROM read_blob('/etc/passwd')",
		"SELECT * FROM read_text('" + scratch + "/*')",
		"SELECT * FROM '/etc/passwd'",
		`SELECT * FROM "/etc/passwd"`,
		"DESCRIBE '" + secret + "'",
		"SUMMARIZE '" + secret + "'",
		"SELECT * FROM glob('/etc/*')",
		"SELECT * FROM glob('/**')",
		"SELECT * FROM glob('" + scratch + "/**')",
		"SELECT * FROM events, LATERAL (SELECT * FROM glob('/**'))",
		"SELECT (SELECT count(*) FROM glob('/**'))",
		"SELECT * FROM events WHERE uid IN (SELECT file FROM glob('/**'))",
		"SELECT * FROM read_parquet('" + filepath.Dir(lakeDir) + "/**')",
		"SELECT * FROM parquet_scan('" + scratch + "/*')",
		"SELECT * FROM parquet_metadata('" + scratch + "/*')",
		"SELECT * FROM query('SELECT 1')",
		"SELECT * FROM query_table('events')",
		"SELECT current_setting('allowed_directories')",
		"SELECT system.main.Current_Setting('temp_directory')",
		"SELECT uid FROM events ORDER BY current_setting('allowed_directories')",
		"SELECT getenv('HOME')",
		"SELECT * FROM duckdb_settings()",
		"SELECT * FROM duckdb_views()",
		"SELECT * FROM duckdb_temporary_files()",
		"SELECT * FROM pragma_database_list",
		"SELECT sql FROM sqlite_master",
		"SELECT view_definition FROM information_schema.views",
		"SELECT * FROM system.information_schema.tables",
		"SHOW DATABASES", "SHOW ALL TABLES",
		copying,
		"EXPLAIN ANALYZE " + copying,
		"EXPLAIN " + copying,
		"EXPLAIN (ANALYZE, FORMAT json) " + copying,
		"EXPLAIN (ANALYZE /*) SELECT 1 -- */) " + copying,
		"EXPLAIN (ANALYZE) " + copying,
		"EXPLAIN ANALYZE EXPLAIN ANALYZE " + copying,
		"EXPLAIN /* SELECT 1 */ ANALYZE " + copying,
		"EXPLAIN ANALYZE -- SELECT 1\n" + copying,
		"EXPLAIN ANALYZE SELECT 1; " + copying,
		"/* x */ EXPLAIN ANALYZE " + copying,
		"-- SELECT 1\n" + copying,
		"/* /* */ SELECT 1 */ " + copying,
		"SELECT 1; " + copying,
		"SELECT 1 /* ; */; " + copying + "; SELECT 2",
		"SELECT 1; SELECT 2",
		"WITH x AS (" + copying + ") SELECT 1",
		"WITH x AS (INSERT INTO t VALUES (1)) SELECT 1",
		"WITH x AS (DELETE FROM events RETURNING *) SELECT * FROM x",
		"EXPORT DATABASE '" + lakeDir + "'",
		"IMPORT DATABASE '" + lakeDir + "'",
		"SET memory_limit = '8GB'", "RESET memory_limit",
		"SET enable_external_access = true",
		"PRAGMA enable_profiling", "PRAGMA database_list", "PRAGMA import_database('/etc')",
		"PREPARE p AS " + copying, "EXECUTE p",
		"BEGIN", "VACUUM", "CHECKPOINT", "USE memory",
		"CREATE TABLE t (a INT)",
		"CREATE TABLE t AS SELECT 1",
		"CREATE TEMP VIEW events AS SELECT 1",
		"CREATE MACRO f(a) AS a",
		"DROP VIEW events",
		"INSTALL httpfs", "LOAD httpfs", "FORCE INSTALL httpfs",
		"ATTACH '" + filepath.Join(f.dir, "x.db") + "'", "DETACH memory",
		"CALL pragma_version()",
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
	if diff := cmp.Diff(before, treeOf(t, f.dir)); diff != "" {
		t.Error("files changed:", diff)
	}
}

// TestAnswered: what people write who only ask.
func TestAnswered(t *testing.T) {
	f := open(t)
	f.append(0, 10)
	f.flush(t)
	for _, q := range []string{"DESCRIBE events", "EXPLAIN SELECT * FROM events", "EXPLAIN ANALYZE SELECT count(*) FROM events", "WITH x AS (SELECT 1 AS a) SELECT * FROM x", "SUMMARIZE events", "SHOW TABLES",
		"explain analyze select 1", "-- why\nSELECT 1", "/* why */ FROM events", "TABLE events", "(SELECT 1) UNION (SELECT 2);",
		"SELECT a.uid FROM events a JOIN records b USING (uid), range(2), unnest([1, 2])",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT * FROM N",
		"SELECT column_name FROM information_schema.columns WHERE table_name = 'events'",
		"SELECT list_transform([1, 2], lambda x: x + 1), kind FROM events WINDOW w AS (ORDER BY time) QUALIFY row_number() OVER w = 1"} {
		if f.ask(t, q) == "" {
			t.Errorf("%s: no answer", q)
		}
	}
}

// treeOf is what lies in the folders of the lake, the engine and beside them.
func treeOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	tree := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := filepath.Base(path); d.IsDir() || strings.HasPrefix(name, "store.db") {
			return nil
		}
		if sub := filepath.Join(dir, "lake", "sql"); strings.HasPrefix(path, sub) {
			return nil // the lake's own files for questions
		}
		body, err := os.ReadFile(path)
		tree[path] = string(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
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

// TestTimeAndTurns: a query ends when its time is over, and only so many run
// at once.
func TestTimeAndTurns(t *testing.T) {
	f := openWith(t, lake.Config{SQLTime: 300 * time.Millisecond, SQLAtOnce: 1})
	const long = "SELECT count(*) AS n FROM range(100000000000) a, range(100000000000) b WHERE a.range * b.range % 7 = 3"
	rows, err := f.lake.SQL(t.Context(), long)
	if err == nil {
		err = rows.Write(&bytes.Buffer{}, "csv")
	}
	if !errors.Is(err, lake.ErrSQLTime) {
		t.Fatalf("a long query: %v", err)
	}
	want(t, "after it", f.ask(t, "SELECT 1 AS n"), "{\"n\":1}\n")
	rows, err = f.lake.SQL(t.Context(), "SELECT 1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.lake.SQL(t.Context(), "SELECT 2"); !errors.Is(err, lake.ErrSQLTime) {
		t.Fatalf("a second query: %v", err)
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, "its turn", f.ask(t, "SELECT 2 AS n"), "{\"n\":2}\n")
}

// TestFilesStay: nothing the engine opens can be written to, and its names of
// the lake's files go with the query.
func TestFilesStay(t *testing.T) {
	f := open(t)
	f.append(0, 10)
	f.flush(t)
	rows, err := f.lake.SQL(t.Context(), "SELECT * FROM events")
	if err != nil {
		t.Fatal(err)
	}
	names := func() []string {
		list, err := filepath.Glob(filepath.Join(f.dir, "duck", "sqlfiles", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	seen := 0
	for _, name := range names() {
		if st, err := os.Stat(name); err == nil && st.Mode().Perm() == 0o400 {
			seen++
		}
	}
	if seen == 0 {
		t.Errorf("no read-only file among %v", names())
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	if left := names(); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestOtherFileSystem: the engine's folder may be where no file of the lake
// can have a second name.
func TestOtherFileSystem(t *testing.T) {
	other, err := os.MkdirTemp("/dev/shm", "cordon")
	if err != nil {
		t.Skip("no other file system here: ", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(other) })
	f := openWith(t, lake.Config{Engine: duck.New(other)})
	f.append(0, 50)
	f.flush(t)
	f.append(50, 60)
	want(t, "events", f.ask(t, "SELECT count(*) AS n FROM events"), "{\"n\":54}\n")
}
