package node

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite"

	"github.com/cordon-health/cordon/canary"
	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/collect/file"
	"github.com/cordon-health/cordon/collect/sqlpoll"
)

// Files and tables belong to the hospital, and Cordon writes nothing into
// them. What reads them is proven by a twin: the same collector on a file, or
// a table, of Cordon's own. Whether the hospital's own are reached, the list
// of sources says.

// twins makes a twin of each kind of reader that the settings have.
func (n *Node) twins() ([]collect.Collector, []canary.Door, error) {
	var readers []collect.Collector
	var doors []canary.Door
	for _, twin := range []struct {
		kind string
		open func(string) (collect.Collector, canary.Door, error)
	}{{"file", n.fileTwin}, {"sqlpoll", n.tableTwin}} {
		if _, ok := n.cfg.Collect[twin.kind]; !ok || n.cfg.Canary.Off {
			continue
		}
		dir := filepath.Join(n.cfg.Data, "canary")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, nil, err
		}
		reader, door, err := twin.open(dir)
		if err != nil {
			return nil, nil, fmt.Errorf("canary of %s: %w", twin.kind, err)
		}
		readers, doors = append(readers, reader), append(doors, door)
	}
	return readers, doors, nil
}

// twinMost is how long the file of canaries grows before it begins again, in
// bytes.
const twinMost = 1 << 20

func (n *Node) fileTwin(dir string) (collect.Collector, canary.Door, error) {
	path := filepath.Join(dir, "lines.ndjson")
	cfg := file.Default()
	cfg.Path, cfg.Format, cfg.Source = path, "fhir-auditevent", "canary"
	reader, err := file.New(cfg, n.split, cursors{n.db}, n.now, n.log)
	return reader, canary.Door{Name: "file", Send: func(_ context.Context, mark string, at time.Time) error {
		data, _ := canary.Message(cfg.Format, mark, at)
		return appendLine(path, data)
	}}, err
}

func appendLine(path string, line []byte) (err error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if info, err := os.Stat(path); err == nil && info.Size() > twinMost {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// tableTwin polls a table like that of the mapping his-audit.
func (n *Node) tableTwin(dir string) (collect.Collector, canary.Door, error) {
	dsn := "file:" + filepath.Join(dir, "table.db") + "?_pragma=busy_timeout(5000)"
	cfg := sqlpoll.Default()
	cfg.Driver, cfg.DSN, cfg.Table, cfg.Cursor, cfg.Mapping, cfg.Source = "sqlite", dsn, "audit_log", "id", "his-audit", "canary"
	cfg.Interval = time.Second
	reader, err := sqlpoll.New(cfg, cursors{n.db}, n.now, n.log)
	if err != nil {
		return nil, canary.Door{}, err
	}
	return reader, canary.Door{Name: "sqlpoll", Send: func(ctx context.Context, mark string, at time.Time) error {
		return appendRow(ctx, dsn, mark, at)
	}}, appendTable(dsn)
}

func appendTable(dsn string) error {
	return withDB(dsn, func(db *sql.DB) error {
		_, err := db.Exec(`CREATE TABLE IF NOT EXISTS audit_log (id INTEGER PRIMARY KEY AUTOINCREMENT, op_time TEXT, user_code TEXT, patient_no TEXT, action TEXT)`)
		return err
	})
}

func appendRow(ctx context.Context, dsn, mark string, at time.Time) error {
	return withDB(dsn, func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, `INSERT INTO audit_log (op_time, user_code, patient_no, action) VALUES ($1, $2, $3, 'VIEW')`,
			at.Format(time.RFC3339), canary.User, mark)
		if err != nil {
			return err
		}
		_, err = db.ExecContext(ctx, `DELETE FROM audit_log WHERE id < (SELECT max(id) FROM audit_log) - 1000`)
		return err
	})
}

func withDB(dsn string, f func(*sql.DB) error) (err error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := db.Close(); err == nil {
			err = cerr
		}
	}()
	return f(db)
}
