package database

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/mariatest"
	"github.com/cordon-health/cordon/internal/pgtest"
)

// seen is a sink that counts cells and finds every value of a phone column.
type seen struct {
	cells   map[string]int
	texts   map[string]string // the first of each column
	members int
	emit    func(*classify.Finding) error
}

func (s *seen) Part(p classify.Part) error {
	s.cells[p.Path]++
	if s.texts[p.Path] == "" {
		s.texts[p.Path] = string(p.Text)
	}
	if strings.Contains(p.Field, "phone") {
		return s.emit(&classify.Finding{Kind: "cn-mobile", Level: 3, Part: p.Path, Field: p.Field, Masked: "138****"})
	}
	return nil
}

func (s *seen) Member(_ string, r io.Reader) error {
	s.members++
	_, err := io.Copy(io.Discard, r)
	return err
}

func (*seen) Unread(string, error) {}

// look inspects one table.
func look(t *testing.T, d *Database, o classify.Object) (*seen, []classify.Finding, classify.Look) {
	t.Helper()
	s := &seen{cells: map[string]int{}, texts: map[string]string{}}
	var found []classify.Finding
	l, err := d.Inspect(t.Context(), o, func(ctx context.Context, src classify.Source, by classify.Reader, emit func(*classify.Finding) error) (classify.Summary, error) {
		s.emit = emit
		return classify.Summary{}, by.Read(ctx, src, s)
	}, func(f *classify.Finding) error { found = append(found, *f); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return s, found, l
}

func objects(t *testing.T, d *Database) (all map[string]classify.Object, unread []string) {
	t.Helper()
	all = map[string]classify.Object{}
	err := d.List(t.Context(), func(o classify.Object) error {
		all[o.Path[strings.LastIndexByte(o.Path, '/')+1:]] = o
		return nil
	}, func(path string, _ error) error { unread = append(unread, path); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return all, unread
}

func do(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func open(t *testing.T, o Options) *Database {
	t.Helper()
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// manyRows is more than is sampled, so that a sample is taken.
const manyRows = 60_000

func TestPostgreSQL(t *testing.T) {
	address := pgtest.Start(t)
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	do(t, db,
		`CREATE TABLE patients (id bigint PRIMARY KEY, "Full Name" text, phone varchar(20), born date, active boolean, scan bytea, note jsonb)`,
		`INSERT INTO patients SELECT i, '人' || i, '1380000' || lpad(i::text, 4, '0'), '1950-01-01', true, '\x25504446', '{"a":1}' FROM generate_series(1, 50) i`,
		`CREATE TABLE visits (id bigint, phone text, filler text)`,
		fmt.Sprintf(`INSERT INTO visits SELECT i, CASE WHEN i %% 2 = 0 THEN '13800001111' END, repeat('x', 200) FROM generate_series(1, %d) i`, manyRows),
		`CREATE TABLE parts (day date, phone text) PARTITION BY RANGE (day)`,
		`CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')`,
		`INSERT INTO parts VALUES ('2026-02-02', '13800002222')`,
		`CREATE VIEW shown AS SELECT * FROM patients`,
		`ANALYZE`)
	d := open(t, Options{Address: address, Rows: 500})
	all, _ := objects(t, d)
	if len(all) != 3 {
		t.Fatalf("tables %v", all)
	}
	s, found, l := look(t, d, all["public.patients"])
	if s.cells["patients.Full Name"] != 50 || s.texts["patients.born"] != "1950-01-01" || s.cells["patients.active"] != 0 || s.members != documents {
		t.Errorf("patients: cells %v, texts %v, %d members", s.cells, s.texts, s.members)
	}
	if len(found) != 1 || found[0].Count != 50 || found[0].Estimated != 50 || found[0].Part != "patients.phone" || l.Format != "table" {
		t.Errorf("patients: findings %+v", found)
	}
	s, found, _ = look(t, d, all["public.visits"])
	if n := s.cells["visits.id"]; n < 100 || n > 500 {
		t.Errorf("visits: %d rows were looked at", n)
	}
	if len(found) != 1 || found[0].Estimated < manyRows/3 || found[0].Estimated > manyRows*2/3 {
		t.Errorf("visits: %+v; half of %d values are phones", found, manyRows)
	}
	if _, found, _ = look(t, d, all["public.parts"]); len(found) != 1 {
		t.Errorf("a partitioned table: %+v", found)
	}
	refuses(t, d)
	forbidden(t, db, address)
}

// refuses proves that the transaction cannot write and that a slow statement
// ends.
func refuses(t *testing.T, d *Database) {
	t.Helper()
	err := d.reading(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), "DELETE FROM visits")
		return err
	})
	if err == nil {
		t.Error("a row could be deleted")
	}
	d.options.Timeout = 200 * time.Millisecond
	defer func() { d.options.Timeout = 30 * time.Second }()
	begun := time.Now()
	err = d.reading(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), map[string]string{"pgx": "SELECT pg_sleep(20)", "mysql": "SELECT SLEEP(20)"}[d.dialect.driver])
		return err
	})
	if took := time.Since(begun); took > 10*time.Second || d.dialect.driver == "pgx" && err == nil { // MariaDB's SLEEP ends without an error
		t.Errorf("a statement ran %s: %v", took, err)
	}
}

// forbidden proves that a table the account may not read is told, not lost.
func forbidden(t *testing.T, db *sql.DB, address string) {
	t.Helper()
	do(t, db, `DROP ROLE IF EXISTS reader`, `CREATE ROLE reader LOGIN`, `GRANT USAGE ON SCHEMA public TO reader`, `GRANT SELECT ON visits TO reader`)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("user", "reader")
	u.RawQuery = q.Encode()
	all, unread := objects(t, open(t, Options{Address: u.String()}))
	if len(all) != 1 || len(unread) != 2 {
		t.Errorf("a reader of one table is shown %v and told %v", all, unread)
	}
}

func TestMariaDB(t *testing.T) {
	c, err := mysql.ParseDSN(mariatest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	address := "mysql://" + url.UserPassword(c.User, c.Passwd).String() + "@" + c.Addr + "/" + c.DBName
	db, err := sql.Open("mysql", c.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	do(t, db,
		"CREATE TABLE `odd``name` (id INT PRIMARY KEY, `姓名` VARCHAR(50), phone VARCHAR(20), born DATE, paper BLOB) CHARSET utf8mb4",
		"INSERT INTO `odd``name` VALUES (1, '张三', '13800001111', '1950-01-01', 'PDF'), (2, '李四', NULL, NULL, NULL)",
		`CREATE TABLE visits (id BIGINT PRIMARY KEY AUTO_INCREMENT, phone VARCHAR(20), filler VARCHAR(200))`,
		fmt.Sprintf(`INSERT INTO visits (phone, filler) SELECT IF(seq %% 2 = 0, '13800001111', NULL), REPEAT('x', 150) FROM seq_1_to_%d`, manyRows),
		`ANALYZE TABLE visits`)
	d := open(t, Options{Address: address, Rows: 500})
	all, _ := objects(t, d)
	if len(all) != 2 {
		t.Fatalf("tables %v", all)
	}
	s, found, _ := look(t, d, all["his.odd`name"])
	if s.texts["odd`name.姓名"] != "张三" || len(found) != 1 || found[0].Count != 1 || s.members != 1 {
		t.Errorf("cells %v, texts %v, findings %+v", s.cells, s.texts, found)
	}
	s, found, _ = look(t, d, all["his.visits"])
	if n := s.cells["visits.id"]; n < 400 || n > 500 {
		t.Errorf("visits: %d rows were looked at", n)
	}
	if len(found) != 1 || found[0].Estimated < manyRows/3 || found[0].Estimated > manyRows*2/3 {
		t.Errorf("visits: %+v; half of %d values are phones", found, manyRows)
	}
	refuses(t, d)
}

// TestStatements holds the statements of the databases that cannot be had
// here to their grammar, piece by piece.
func TestStatements(t *testing.T) {
	for scheme, want := range map[string][2]string{
		"sqlserver": {
			"SELECT TOP (10) [id], LEFT(CAST([note]]x] AS NVARCHAR(MAX)), 65536) FROM [dbo].[t]",
			"SELECT TOP (10) [id], LEFT(CAST([note]]x] AS NVARCHAR(MAX)), 65536) FROM [dbo].[t] TABLESAMPLE (0.130000 PERCENT)",
		},
		"oracle": {
			`SELECT "id", SUBSTR("note]x", 1, 4000) FROM "dbo"."t" WHERE ROWNUM <= 10`,
			`SELECT "id", SUBSTR("note]x", 1, 4000) FROM "dbo"."t" SAMPLE BLOCK (0.130000) WHERE ROWNUM <= 10`,
		},
		"postgres": {
			`SELECT "id", left("note]x"::text, 65536) FROM "dbo"."t" LIMIT 10`,
			`SELECT "id", left("note]x"::text, 65536) FROM "dbo"."t" TABLESAMPLE SYSTEM (0.130000) LIMIT 10`,
		},
	} {
		d := dialects()[scheme]
		for i, rows := range []int64{20, 1_000_000} {
			r := &tableReader{database: &Database{dialect: d, options: Options{Rows: 10}}, table: table{schema: "dbo", name: "t", rows: min(rows, 1_000_000)}}
			if rows > 20 {
				r.table.rows = 1_000_000
			}
			got := d.small(r.selected(someColumns()), r.quoted(), 10)
			if i == 1 {
				got = d.large(r.selected(someColumns()), r.quoted(), 10, 1_000_000)
			}
			if w := want[i]; !strings.HasPrefix(got, strings.Split(w, "0.13")[0]) {
				t.Errorf("%s:\n got %s\nwant %s", scheme, got, w)
			}
		}
	}
}

func someColumns() []column {
	return []column{{name: "id", nature: plain}, {name: "note]x", nature: long}}
}

func TestNatures(t *testing.T) {
	for typ, want := range map[string]nature{
		"varchar": long, "NVARCHAR2": long, "CLOB": long, "jsonb": long, "xml": long, "longtext": long, "int8": plain, "numeric": plain, "date": plain, "uuid": plain,
		"bytea": binary, "mediumblob": binary, "varbinary": binary, "LONG RAW": binary, "boolean": skip, "geometry": skip, "float8": skip, "DATETIME2": plain,
	} {
		if got := natureOf(typ); got != want {
			t.Errorf("%s is %d, want %d", typ, got, want)
		}
	}
}

func TestRefusalsHoldNoAddress(t *testing.T) {
	d := open(t, Options{Address: "postgres://nurse:zqsecret@127.0.0.1:1/his?connect_timeout=1"})
	err := d.List(t.Context(), nil, nil)
	if err == nil || strings.Contains(err.Error(), "zqsecret") || strings.Contains(d.Name(), "zqsecret") {
		t.Errorf("%v, %s", err, d.Name())
	}
	if _, err := New(Options{Address: "db2://x/y"}); err == nil {
		t.Error("db2 is taken")
	}
	if _, err := New(Options{Address: "mysql://"}); err == nil {
		t.Error("an address without a host is taken")
	}
}
