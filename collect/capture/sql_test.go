package capture

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/cordon-health/cordon/internal/mariatest"
	"github.com/cordon-health/cordon/internal/pgtest"
	"github.com/cordon-health/cordon/ocsf"
)

// asked are the statements that were told, as code, text, rows, outcome.
func asked(h *heard) (all []string) {
	for _, e := range h.events {
		line := e.Metadata.EventCode
		if e.QueryInfo != nil {
			line += fmt.Sprintf(" %q %d", e.QueryInfo.Text, e.QueryInfo.Rows)
		}
		if e.StatusID == ocsf.StatusFailure {
			line += " " + e.StatusDetail
		}
		all = append(all, line)
	}
	return all
}

// wantAsked looks for statements, in order, others between them.
func wantAsked(t *testing.T, h *heard, want ...string) {
	t.Helper()
	got := asked(h)
	at := 0
	for _, w := range want {
		for at < len(got) && got[at] != w {
			at++
		}
		if at == len(got) {
			t.Errorf("missing %s in\n%s", w, strings.Join(got, "\n"))
			return
		}
		at++
	}
}

func mustExec(t *testing.T, db *sql.DB, text string, args ...any) {
	t.Helper()
	if _, err := db.Exec(text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// readAll counts the rows of a query.
func readAll(t *testing.T, rows *sql.Rows, err error) (n int) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		n++
	}
	return n
}

// TestMySQLOfMariaDB watches the mariadb client and Go's driver at a real server.
func TestMySQLOfMariaDB(t *testing.T) {
	dsn := mariatest.Start(t)
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(cfg.Addr)
	admin, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	mustExec(t, admin, "CREATE TABLE patient (id int primary key, name varchar(50))")
	mustExec(t, admin, "CREATE USER 'nurse'@'%' IDENTIFIED BY 'geheim'")
	mustExec(t, admin, "GRANT ALL ON his.* TO 'nurse'@'%'")
	var n int
	fmt.Sscan(port, &n)
	cfg.User, cfg.Passwd, cfg.MultiStatements = "nurse", "geheim", true
	cfg.ConnectionAttributes = "program_name:HIS"

	file := clinicalCapture(t, func() {
		db, err := sql.Open("mysql", cfg.FormatDSN())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		db.SetMaxOpenConns(1)
		for i := range 5 {
			mustExec(t, db, "INSERT INTO patient VALUES (?, ?)", i, markedName)
		}
		mustExec(t, db, "INSERT INTO patient VALUES (10,'标记一'),(11,'x')")
		rows, err := db.Query("SELECT id, name FROM patient WHERE id < ?", 4)
		if got := readAll(t, rows, err); got != 4 {
			t.Fatal(got)
		}
		rows, err = db.Query("SELECT id FROM patient")
		readAll(t, rows, err)
		_, _ = db.Exec("SELECT nothing FROM patient")
		_, _ = db.Prepare("SELECT broken FROM nowhere WHERE id=?")
		mustExec(t, db, "UPDATE patient SET name='y' WHERE id>=10; DELETE FROM patient WHERE id=0")
		st, err := db.Prepare("SELECT id FROM patient WHERE id >= ?")
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			rows, err = st.Query(1)
			readAll(t, rows, err)
		}
		st.Close()
		db.Close()
		out := clinicalRun(t, "mariadb", "--protocol=tcp", "-h127.0.0.1", "-P"+port, "-unurse", "-pgeheim", "--skip-ssl", "his", "-e",
			"SELECT COUNT(*) FROM patient; PREPARE s FROM 'SELECT * FROM patient WHERE id=?'; SET @i=1; EXECUTE s USING @i; SHOW TABLES")
		if !strings.Contains(out, "patient") {
			t.Error(out)
		}
		clinicalRun(t, "mariadb", "--protocol=tcp", "-h127.0.0.1", "-P"+port, "-unurse", "-pwrong", "--skip-ssl", "his", "-e", "SELECT 1")
	}, n)

	h := replayFile(t, file, clinicalFor(ClinicalOptions{})...)
	wantAsked(t, h,
		`connect`,
		`execute "INSERT INTO patient VALUES (?, ?)" 1`,
		`query "INSERT INTO patient VALUES (10,'标记一'),(11,'x')" 2`,
		`execute "SELECT id, name FROM patient WHERE id < ?" 4`,
		`query "SELECT id FROM patient" 7`,
		`query "SELECT nothing FROM patient" 0 error 1054`,
		`prepare "SELECT broken FROM nowhere WHERE id=?" 0 error 1146`,
		`query "UPDATE patient SET name='y' WHERE id>=10; DELETE FROM patient WHERE id=0" 3`,
		`execute "SELECT id FROM patient WHERE id >= ?" 6`,
		`execute "SELECT id FROM patient WHERE id >= ?" 6`,
		`execute "SELECT id FROM patient WHERE id >= ?" 6`,
		`connect`,
		`query "SELECT COUNT(*) FROM patient" 1`,
		`query "EXECUTE s USING @i" 1`,
		`query "SHOW TABLES" 1`,
		`connect error 1045`,
	)
	e := h.events[1]
	if e.Actor.User.Account != "nurse" || e.Database == nil || e.Database.Name != "his" || e.Actor.AppName != "HIS" || e.SrcEndpoint.IP != "127.0.0.1" ||
		e.DstEndpoint.Port != n || e.DstEndpoint.Name != "MariaDB" || e.ClassUID != ocsf.DatastoreActivity || e.ActivityID != 5 || e.Actor.Session == "" {
		t.Errorf("%s", e.AppendJSON(nil))
	}
	if got := h.facts("127.0.0.1")["database"]; len(got) == 0 || !strings.HasPrefix(got[0], "mariadb 1") {
		t.Errorf("version %q", got)
	}
	if f := flowOf(h, "mysql"); f.ClientName != "nurse" || f.ServerName != "his" {
		t.Errorf("%+v", f)
	}
	nothingMarked(t, h)
	inAnyChunks(t, file)
	inTheMiddle(t, file, `execute "SELECT id FROM patient WHERE id >= ?" 6`)
}

// pgListen lets TCP through to the socket of a test's PostgreSQL.
func pgListen(t *testing.T, dsn string) (port int, user, database string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("unix", socket)
			if err != nil {
				c.Close()
				return
			}
			go func() { _, _ = io.Copy(s, c); s.Close() }()
			go func() { _, _ = io.Copy(c, s); c.Close() }()
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port, u.Query().Get("user"), strings.TrimPrefix(u.Path, "/")
}

// TestPostgresOfPostgreSQL watches psql and Go's drivers at a real server.
func TestPostgresOfPostgreSQL(t *testing.T) {
	port, user, database := pgListen(t, pgtest.Start(t))
	dsn := fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=prefer&application_name=HIS", user, port, database)
	file := clinicalCapture(t, func() {
		ctx := context.Background()
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			t.Fatal(err)
		}
		run := func(text string, args ...any) {
			if _, err := conn.Exec(ctx, text, args...); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
		run("CREATE TABLE patient (id int primary key, name text)")
		for i := range 3 {
			run("INSERT INTO patient VALUES ($1, $2)", i, markedName)
		}
		batch := &pgx.Batch{}
		for i := 10; i < 14; i++ {
			batch.Queue("INSERT INTO patient VALUES ($1, $2)", i, "x")
		}
		batch.Queue("SELECT id FROM patient")
		if err := conn.SendBatch(ctx, batch).Close(); err != nil {
			t.Error(err)
		}
		_, _ = conn.Exec(ctx, "SELECT nothing FROM patient WHERE id=$1", 1)
		_, _ = conn.Exec(ctx, "INSERT INTO patient VALUES ($1,$2)", 10, "twice")
		run("SELECT 1 FROM patient LIMIT 2; UPDATE patient SET name='标记' WHERE id<2")
		_, err = conn.CopyFrom(ctx, pgx.Identifier{"patient"}, []string{"id", "name"}, pgx.CopyFromRows([][]any{{20, markedName}, {21, "b"}}))
		if err != nil {
			t.Error(err)
		}
		conn.Close(ctx)

		db, err := sql.Open("pgx", dsn)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := db.Query("SELECT id FROM patient WHERE id > $1", 9)
		readAll(t, rows, err)
		db.Close()
		out := clinicalRun(t, "psql", "-X", "-h", "127.0.0.1", "-p", fmt.Sprint(port), "-U", user, database,
			"-c", "SELECT * FROM patient", "-c", "COPY patient TO STDOUT", "-c", "SELEC 1")
		if !strings.Contains(out, markedName) {
			t.Error(out)
		}
		clinicalRun(t, "psql", "-X", "-h", "127.0.0.1", "-p", fmt.Sprint(port), "-U", user, "nowhere", "-c", "SELECT 1")
	}, port)

	h := replayFile(t, file, clinicalFor(ClinicalOptions{})...)
	insert := `execute "INSERT INTO patient VALUES ($1, $2)" 1`
	wantAsked(t, h,
		`connect`, `query "CREATE TABLE patient (id int primary key, name text)" 0`,
		insert, insert, insert, insert, insert, insert, insert, `execute "SELECT id FROM patient" 7`,
		`prepare "SELECT nothing FROM patient WHERE id=$1" 0 error 42703`,
		`execute "INSERT INTO patient VALUES ($1,$2)" 0 error 23505`,
		`query "SELECT 1 FROM patient LIMIT 2; UPDATE patient SET name='标记' WHERE id<2" 4`,
		`query "copy \"patient\" ( \"id\", \"name\" ) from stdin binary;" 2`,
		`connect`, `execute "SELECT id FROM patient WHERE id > $1" 6`,
		`connect`, `query "SELECT * FROM patient" 9`, `query "COPY patient TO STDOUT" 9`, `query "SELEC 1" 0 error 42601`,
		`connect error 3D000`,
	)
	e := h.events[1]
	if e.Actor.User.Account != user || e.Database == nil || e.Database.Name != database || e.Actor.AppName != "HIS" || e.DstEndpoint.Name != "PostgreSQL" || e.Actor.Session == "" {
		t.Errorf("%s", e.AppendJSON(nil))
	}
	if got := h.facts("127.0.0.1")["database"]; len(got) == 0 || !strings.HasPrefix(got[0], "postgresql 1") {
		t.Errorf("version %q", got)
	}
	nothingMarked(t, h)
	inAnyChunks(t, file)
	inTheMiddle(t, file, `query "COPY patient TO STDOUT" 9`)
}
