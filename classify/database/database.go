// Package database lets a scan look into live databases: PostgreSQL, MySQL and
// MariaDB, SQL Server, Oracle. It walks the catalog, looks at a sample of the
// rows of each table, and tells for each column what is in it and how many
// values that makes in all rows.
//
// What it guarantees. It reads only: in read-only transactions where the
// database has them, with a time limit for every statement and for every wait
// for a lock, one table at a time. What a table costs is bounded: a sample is
// taken from pages or by the primary key where the table is large, cells are
// cut at 64 KiB, and documents in binary columns are opened for a few rows
// only. Names of tables and columns are quoted as the database wants it.
//
// What it does not do. It is a sample: a column with one patient among a
// million rows may be missed, and estimates are estimates. System schemas are
// left out, and so are views, which show the same rows again. A table that the
// account may not read is a finding that says so. It keeps no tables and
// writes nothing.
package database

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"  // the driver pgx
	_ "github.com/microsoft/go-mssqldb" // the driver sqlserver
	_ "github.com/sijms/go-ora/v2"      // the driver oracle

	"github.com/cordon-health/cordon/classify"
)

// Options say which database, and how much of it is looked at.
type Options struct {
	// Address is postgres://, mysql://, sqlserver:// or oracle://USER:PASSWORD@
	// HOST/DATABASE, with the driver's own options behind it.
	Address string
	// Rows is how many rows of a table are looked at; 0 takes 1000.
	Rows int
	// Include and Exclude choose tables, as SCHEMA/TABLE.
	Include, Exclude classify.Globs
	// Timeout of a statement; 0 takes 30 seconds.
	Timeout time.Duration
}

// Database is a classify.Origin.
type Database struct {
	options Options
	dialect dialect
	db      *sql.DB
}

var _ classify.Origin = (*Database)(nil)

// Schemes lists the addresses it understands.
func Schemes() []string {
	return []string{"postgres", "postgresql", "mysql", "mariadb", "sqlserver", "oracle"}
}

// New prepares a database. It does not connect. Close gives it back.
func New(o Options) (*Database, error) {
	scheme := classify.Scheme(o.Address)
	d, ok := dialects()[scheme]
	if !ok {
		return nil, fmt.Errorf("no database %q; use %s", scheme, strings.Join(Schemes(), ", "))
	}
	dsn, err := d.dsn(o.Address)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open(d.driver, dsn)
	if err != nil {
		return nil, errors.New("the address of the database cannot be read; it is " + scheme + "://USER:PASSWORD@HOST/DATABASE")
	}
	db.SetMaxOpenConns(2)
	db.SetConnMaxIdleTime(time.Minute)
	o.Rows, o.Timeout = cmp.Or(o.Rows, 1000), cmp.Or(o.Timeout, 30*time.Second)
	return &Database{options: o, dialect: d, db: db}, nil
}

// Close ends the connections.
func (d *Database) Close() error { return d.db.Close() }

// Name implements classify.Origin.
func (d *Database) Name() string { return classify.WithoutSecrets(d.options.Address) }

func plainDSN(address string) (string, error) { return address, nil }

// mysqlDSN writes an address as its driver wants it.
func mysqlDSN(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "", errors.New("the address of the database cannot be read; it is mysql://USER:PASSWORD@HOST:PORT/DATABASE")
	}
	c := mysql.NewConfig()
	c.Net, c.Addr, c.DBName = "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
	if u.Port() == "" {
		c.Addr += ":3306"
	}
	if u.User != nil {
		c.User = u.User.Username()
		c.Passwd, _ = u.User.Password()
	}
	c.Timeout, c.ReadTimeout = 10*time.Second, 2*time.Minute
	c.TLSConfig = u.Query().Get("tls")
	return c.FormatDSN(), nil
}

// table is one table of the catalog.
type table struct {
	schema, name, owner string
	rows                int64 // by the database's own estimate
	size                int64
	mark                string
	readable            bool
}

func (t table) path() string { return t.schema + "." + t.name }

// List implements classify.Origin.
func (d *Database) List(ctx context.Context, each func(classify.Object) error, bad func(string, error) error) error {
	tables, err := d.tables(ctx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		name := t.schema + "/" + t.name
		if d.options.Exclude.Match(name) || len(d.options.Include) > 0 && !d.options.Include.Match(name) {
			continue
		}
		if !t.readable {
			err = bad(d.object(t).Path, classify.Because("the account may not read this table", "账户无权读取此表"))
		} else {
			err = each(d.object(t))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *Database) object(t table) classify.Object {
	return classify.Object{Path: d.Name() + "/" + t.path(), Size: max(t.size, 0), Owner: t.owner, Mark: t.mark}
}

func (d *Database) tables(ctx context.Context) (list []table, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.options.Timeout)
	defer cancel()
	err = d.reading(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, d.dialect.tables)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var t table
			var owner, mark sql.NullString
			var n, size sql.NullFloat64
			var readable int
			if err := rows.Scan(&t.schema, &t.name, &owner, &n, &size, &mark, &readable); err != nil {
				return err
			}
			t.owner, t.rows, t.size, t.mark, t.readable = owner.String, int64(n.Float64), int64(size.Float64), mark.String, readable != 0
			list = append(list, t)
		}
		return rows.Err()
	})
	return list, err
}

// reading runs f in a transaction that cannot write, where the database has
// such. Errors leave it without the database's own text, which may hold a
// value or the address.
func (d *Database) reading(ctx context.Context, f func(*sql.Tx) error) error {
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return refused(ctx, err)
	}
	defer conn.Close()
	for _, stmt := range d.dialect.session(d.options.Timeout) {
		// One the server does not know (MySQL or MariaDB) leaves the context's
		// deadline, which ends the statement as well.
		_, _ = conn.ExecContext(ctx, stmt)
	}
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: d.dialect.readOnly})
	if err != nil {
		return refused(ctx, err)
	}
	defer tx.Rollback() // nothing was written
	if d.dialect.begin != "" {
		if _, err := tx.ExecContext(ctx, d.dialect.begin); err != nil {
			return refused(ctx, err)
		}
	}
	if err := f(tx); err != nil {
		return refused(ctx, err)
	}
	return nil
}

// sink marks an error that is not the database's, which passes unchanged.
type sink struct{ error }

// Unwrap gives the error itself.
func (s sink) Unwrap() error { return s.error }

func refused(ctx context.Context, err error) error {
	var own sink
	var cause *classify.Cause
	switch {
	case errors.As(err, &own):
		return own.error
	case errors.As(err, &cause):
		return cause
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return classify.Because("the database did not answer in time", "数据库未在时限内响应")
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return classify.Because("the database refuses; check the address, the account and its right to read", "数据库拒绝访问，请检查地址、账户及其读取权限")
}

// Inspect implements classify.Origin: it has the sample of one table examined
// and joins what is found by column.
func (d *Database) Inspect(ctx context.Context, o classify.Object, examine classify.Examine, emit func(*classify.Finding) error) (classify.Look, error) {
	t, err := d.find(ctx, o)
	if err != nil {
		return classify.Look{}, err
	}
	r := &tableReader{database: d, table: t}
	var columns classify.Columns
	sum, err := examine(ctx, classify.BytesSource(t.name, nil), r, func(f *classify.Finding) error {
		if f.Kind == classify.Unread.String() {
			return emit(f)
		}
		columns.Add(f)
		return nil
	})
	if err != nil {
		return classify.Look{Summary: sum}, err
	}
	patients, err := columns.Tell(r.looked, max(t.rows, r.looked), emit)
	sum.Bytes, sum.Format, sum.Patients = r.bytes, "table", max(sum.Patients, patients)
	return classify.Look{Summary: sum}, err
}

// find looks a listed table up again: what was listed may be gone.
func (d *Database) find(ctx context.Context, o classify.Object) (table, error) {
	all, err := d.tables(ctx)
	if err != nil {
		return table{}, err
	}
	for _, t := range all {
		if d.object(t).Path == o.Path {
			return t, nil
		}
	}
	return table{}, classify.Because("it was gone when its turn came", "扫描时已不存在")
}
