package sqlpoll

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/internal/mariatest"
	"github.com/cordon-health/cordon/internal/pgtest"
)

type cursors map[string]string

func (c cursors) Load(_ context.Context, name string) (string, error) { return c[name], nil }
func (c cursors) Save(_ context.Context, name, v string) error        { c[name] = v; return nil }

type rows struct {
	got  []string
	fail int
}

func (r *rows) Deliver(_ context.Context, items ...collect.Item) ([]collect.Receipt, error) {
	if r.fail > 0 {
		r.fail--
		return nil, errors.New("disk full")
	}
	for _, it := range items {
		r.got = append(r.got, string(it.Data))
	}
	return make([]collect.Receipt, len(items)), nil
}

// poll runs one round of a new collector, as after a restart.
func poll(t *testing.T, cfg Config, db *sql.DB, cur cursors, sink collect.Sink) {
	t.Helper()
	c, err := New(cfg, cur, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.resume(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := c.catchUp(context.Background(), db, sink); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func config(driver, dsn string) Config {
	cfg := Default()
	cfg.Driver, cfg.DSN, cfg.Table, cfg.Cursor, cfg.Mapping = driver, dsn, "audit_log", "id", "m"
	cfg.Overlap, cfg.Batch = "5", 10
	return cfg
}

// story is the same on every database: first rows, nothing new, late commits,
// a value that many rows share, a failed delivery.
func story(t *testing.T, cfg Config) {
	db, err := sql.Open(dialects()[cfg.Driver].driver, cfg.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	must(t, db, `CREATE TABLE audit_log (id BIGINT, op_time VARCHAR(40), user_code VARCHAR(40), patient_no VARCHAR(40))`)
	insert := func(id int, who string) {
		must(t, db, fmt.Sprintf(`INSERT INTO audit_log VALUES (%d, '2026-03-02 08:00:00', '%s', 'P1')`, id, who))
	}
	cur, sink := cursors{}, &rows{}
	for i := 1; i <= 25; i++ {
		insert(i, "u")
	}
	poll(t, cfg, db, cur, sink)
	if len(sink.got) != 25 {
		t.Fatalf("first poll: %d rows", len(sink.got))
	}
	insert(27, "later")
	sink.got = nil
	poll(t, cfg, db, cur, sink)
	insert(26, "committed late")
	sink.got = nil
	poll(t, cfg, db, cur, sink)
	if !strings.Contains(strings.Join(sink.got, "\n"), "committed late") {
		t.Fatal("a row that committed late was missed")
	}
	for range 35 {
		insert(30, fmt.Sprint("same", len(sink.got)))
	}
	must(t, db, `UPDATE audit_log SET user_code = 'x' WHERE id < 0`)
	insert(31, "behind the crowd")
	sink.got, sink.fail = nil, 0
	poll(t, cfg, db, cur, sink)
	if !strings.Contains(strings.Join(sink.got, "\n"), "behind the crowd") {
		t.Fatal("rows sharing one cursor value stopped the poll")
	}
	readOnly(t, cfg, db)
}

func readOnly(t *testing.T, cfg Config, db *sql.DB) {
	t.Helper()
	d := dialects()[cfg.Driver]
	tx, err := db.BeginTx(context.Background(), d.options())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() //nolint:errcheck
	if cfg.Driver == "sqlite" {
		return // its driver has no read-only transaction; the demo alone uses it
	}
	if _, err := tx.Exec(`DELETE FROM audit_log`); err == nil {
		t.Fatal("the transaction may write")
	}
}

func TestSQLite(t *testing.T) {
	story(t, config("sqlite", "file:"+filepath.Join(t.TempDir(), "his.db")))
}

func TestPostgreSQL(t *testing.T) { story(t, config("postgres", pgtest.Start(t))) }

func TestMariaDB(t *testing.T) { story(t, config("mysql", mariatest.Start(t))) }

func TestTimeCursor(t *testing.T) {
	cfg := config("postgres", pgtest.Start(t))
	cfg.Table, cfg.Cursor, cfg.Overlap = "timed_log", "at", "1m"
	db, err := sql.Open("pgx", cfg.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	must(t, db, `CREATE TABLE timed_log (at timestamptz, who text)`,
		`INSERT INTO timed_log SELECT timestamptz '2026-03-02 08:00:00+08' + n * interval '1 second', 'u' || n FROM generate_series(1, 30) n`)
	cur, sink := cursors{}, &rows{}
	poll(t, cfg, db, cur, sink)
	if len(sink.got) != 30 {
		t.Fatalf("%d rows", len(sink.got))
	}
	must(t, db, `INSERT INTO timed_log VALUES ('2026-03-02 08:00:25+08', 'late')`)
	sink.got = nil
	poll(t, cfg, db, cur, sink)
	if !strings.Contains(strings.Join(sink.got, "\n"), `"late"`) {
		t.Fatal("a late row within the overlap was missed")
	}
}

func TestFailedDeliveryKeepsThePlace(t *testing.T) {
	cfg := config("sqlite", "file:"+filepath.Join(t.TempDir(), "his.db"))
	db, err := sql.Open("sqlite", cfg.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	must(t, db, `CREATE TABLE audit_log (id INTEGER, who TEXT)`, `INSERT INTO audit_log VALUES (1, 'a')`)
	cur, sink := cursors{}, &rows{fail: 1}
	c, err := New(cfg, cur, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.catchUp(context.Background(), db, sink); err == nil {
		t.Fatal("no error")
	}
	if err := c.catchUp(context.Background(), db, sink); err != nil || len(sink.got) != 1 {
		t.Fatalf("%v, %q", err, sink.got)
	}
	if err := c.catchUp(context.Background(), db, sink); err != nil || len(sink.got) != 1 {
		t.Fatalf("delivered again: %v, %q", err, sink.got)
	}
}

func TestStatements(t *testing.T) {
	cfg := config("", "")
	cfg.Columns = []string{"who"}
	for name, want := range map[string]string{
		"postgres":  "SELECT who, id FROM audit_log WHERE id >= $1 ORDER BY id LIMIT 10",
		"mysql":     "SELECT who, id FROM audit_log WHERE id >= ? ORDER BY id LIMIT 10",
		"sqlserver": "SELECT TOP (10) who, id FROM audit_log WHERE id >= @p1 ORDER BY id",
		"oracle":    "SELECT who, id FROM audit_log WHERE id >= :1 ORDER BY id FETCH FIRST 10 ROWS ONLY",
	} {
		if got := dialects()[name].statement(cfg, false, 10); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	good := config("sqlite", "x")
	for name, change := range map[string]func(*Config){
		"driver":    func(c *Config) { c.Driver = "db2" },
		"injection": func(c *Config) { c.Table = "audit; DROP TABLE x" },
		"overlap":   func(c *Config) { c.Overlap = "yesterday" },
		"mapping":   func(c *Config) { c.Mapping = "" },
	} {
		bad := good
		change(&bad)
		if bad.Check() == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
}

func TestDSNFromFileAndEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dsn")
	if err := os.WriteFile(path, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HIS_DSN", "secret")
	for _, dsn := range []string{"$HIS_DSN", "@" + path} {
		if got, err := (Config{DSN: dsn}).dsn(); err != nil || got != "secret" {
			t.Errorf("%s: %q, %v", dsn, got, err)
		}
	}
}

func TestGB18030Column(t *testing.T) {
	got, err := rowJSON([]string{"姓名"}, []any{[]byte{0xd5, 0xc5}})
	if err != nil || string(got) != `{"姓名":"张"}` {
		t.Fatalf("%s %v", got, err)
	}
}
