// Package sqlpoll reads a hospital's own audit table: on PostgreSQL, MySQL or
// MariaDB, SQL Server, Oracle, and SQLite files. A row becomes one JSON
// object, which normalize reads with a mapping file.
//
// It asks, in a read-only transaction where the database has one, for the
// rows behind the last cursor value it delivered, in cursor order. Each round
// begins a little before that value ([Config.Overlap]), because transactions
// commit out of order; rows it handed over already are skipped, and after a
// restart they are recognised by event id. A row is delivered at least once
// if it becomes visible within the overlap.
//
// It writes nothing to the database and needs no right but SELECT. A database
// that is away is asked again with growing pauses.
package sqlpoll

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/microsoft/go-mssqldb"
	_ "github.com/sijms/go-ora/v2"
	"golang.org/x/text/encoding/simplifiedchinese"
	_ "modernc.org/sqlite"

	"github.com/cordon-health/cordon/collect"
)

// Collector polls one table.
type Collector struct {
	cfg     Config
	over    overlap
	cursors collect.Cursors
	now     func() time.Time
	log     *slog.Logger

	// Owned by the goroutine of Run.
	at   cursor
	seen map[[12]byte]bool // rows of the overlap already delivered
}

var _ collect.Collector = (*Collector)(nil)

// New checks the configuration; nothing is opened before Run.
func New(cfg Config, cursors collect.Cursors, now func() time.Time, log *slog.Logger) (*Collector, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if cfg.Source == "" {
		cfg.Source = "sql:" + cfg.Table
	}
	over, err := parseOverlap(cfg.Overlap)
	if err != nil {
		return nil, err
	}
	return &Collector{cfg: cfg, over: over, cursors: cursors, now: now, log: log, seen: map[[12]byte]bool{}}, nil
}

// Run polls until ctx ends.
func (c *Collector) Run(ctx context.Context, sink collect.Sink) error {
	dsn, err := c.cfg.dsn()
	if err != nil {
		return err
	}
	db, err := sql.Open(dialects()[c.cfg.Driver].driver, dsn)
	if err != nil {
		return fmt.Errorf("sqlpoll: %w; check the dsn of source %s", err, c.cfg.Source)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if err := c.resume(ctx); err != nil {
		return err
	}
	pause := c.cfg.Interval
	for {
		if err := c.catchUp(ctx, db, sink); err != nil && ctx.Err() == nil {
			pause = min(2*pause, 5*time.Minute)
			c.log.Error("table not read, trying again", "source", c.cfg.Source, "pause", pause, "error", err)
		} else {
			pause = c.cfg.Interval
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

func (c *Collector) resume(ctx context.Context) error {
	text, err := c.cursors.Load(ctx, c.cursorName())
	if err != nil {
		return err
	}
	if c.at, err = parseCursor(text); err != nil {
		return fmt.Errorf("sqlpoll: saved place of %s: %w", c.cfg.Source, err)
	}
	if c.at.kind == 0 {
		c.at = start(c.cfg.Start)
	}
	return nil
}

func (c *Collector) cursorName() string { return "sql:" + c.cfg.Source }

// catchUp polls until a poll brings less than a full batch. Each page begins
// at the last value of the one before, which several rows may share; when one
// value fills a whole page, the page grows until it reaches the next value.
func (c *Collector) catchUp(ctx context.Context, db *sql.DB, sink collect.Sink) error {
	from, rows := c.at.back(c.over), c.cfg.Batch
	for {
		page, err := c.read(ctx, db, from, rows)
		if err != nil {
			return err
		}
		if err := c.deliver(ctx, sink, page); err != nil {
			return err
		}
		if len(page.rows) < rows || ctx.Err() != nil {
			c.forget(page)
			return nil
		}
		if rows = c.cfg.Batch; page.first == page.last {
			rows = 2 * len(page.rows)
		}
		from = page.last.value()
	}
}

// page is what one statement returned.
type page struct {
	rows        [][]byte // JSON objects
	first, last cursor
}

func (c *Collector) read(ctx context.Context, db *sql.DB, from any, most int) (page, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	d := dialects()[c.cfg.Driver]
	tx, err := db.BeginTx(ctx, d.options())
	if err != nil {
		return page{}, fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	if d.begin != "" {
		if _, err := tx.ExecContext(ctx, d.begin); err != nil {
			return page{}, fmt.Errorf("make read only: %w", err)
		}
	}
	var args []any
	first := c.at.kind == 0 && from == ""
	if !first {
		args = append(args, from)
	}
	rows, err := tx.QueryContext(ctx, d.statement(c.cfg, first, most), args...)
	if err != nil {
		return page{}, fmt.Errorf("read %s: %w", c.cfg.Table, err)
	}
	defer rows.Close()
	return c.collect(rows)
}

func (c *Collector) collect(rows *sql.Rows) (page, error) {
	var p page
	names, err := rows.Columns()
	if err != nil {
		return p, err
	}
	at := columnIndex(names, c.cfg.Cursor)
	if at < 0 {
		return p, fmt.Errorf("column %s is not in the result; name it as the database does", c.cfg.Cursor)
	}
	values, targets := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		targets[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return p, fmt.Errorf("read row: %w", err)
		}
		if p.last, err = toCursor(values[at]); err != nil {
			return p, err
		}
		if len(p.rows) == 0 {
			p.first = p.last
		}
		object, err := rowJSON(names, values)
		if err != nil {
			return p, err
		}
		p.rows = append(p.rows, object)
	}
	return p, rows.Err()
}

// deliver hands over the rows not seen in this overlap, then moves the cursor.
func (c *Collector) deliver(ctx context.Context, sink collect.Sink, p page) error {
	var items []collect.Item
	for _, row := range p.rows {
		if c.seen[digest(row)] {
			continue
		}
		items = append(items, collect.Item{
			Format: "json", Mapping: c.cfg.Mapping, Source: c.cfg.Source, Received: c.now(), Data: row,
		})
	}
	if len(items) == 0 {
		return nil
	}
	if _, err := sink.Deliver(ctx, items...); err != nil {
		return err
	}
	for _, it := range items {
		c.seen[digest(it.Data)] = true
	}
	c.at = p.last
	return c.cursors.Save(ctx, c.cursorName(), c.at.String())
}

// forget drops the memory of rows before the overlap once it has grown: what
// the last page held is all that the next poll can bring again, unless the
// overlap is longer than a page.
func (c *Collector) forget(p page) {
	if len(c.seen) < 4*c.cfg.Batch+int(min(c.over.steps, 1<<20)) {
		return
	}
	c.seen = map[[12]byte]bool{}
	for _, row := range p.rows {
		c.seen[digest(row)] = true
	}
}

func digest(row []byte) [12]byte {
	sum := sha256.Sum256(row)
	return [12]byte(sum[:12])
}

func columnIndex(names []string, want string) int {
	for i, n := range names {
		if strings.EqualFold(n, want) {
			return i
		}
	}
	return -1
}

// rowJSON writes a row as one JSON object in column order.
func rowJSON(names []string, values []any) ([]byte, error) {
	out := []byte{'{'}
	for i, name := range names {
		if i > 0 {
			out = append(out, ',')
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(plain(values[i]))
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", name, err)
		}
		out = append(append(append(out, key...), ':'), value...)
	}
	return append(out, '}'), nil
}

// plain turns a driver's value into one that JSON has. Text that is not UTF-8
// is taken for GB18030, the other charset of the hospitals Cordon serves.
func plain(v any) any {
	switch v := v.(type) {
	case string:
		return plain([]byte(v))
	case []byte:
		if utf8.Valid(v) {
			return string(v)
		}
		text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(v)
		if err != nil {
			return string(bytes.ToValidUTF8(v, []byte("\uFFFD")))
		}
		return string(text)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	}
	return v
}
