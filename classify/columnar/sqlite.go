package columnar

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
	"modernc.org/sqlite/vfs"

	"github.com/cordon-health/cordon/classify"
)

// tablesMost bounds the tables of one database.
const tablesMost = 100_000

type sqliteReader struct{}

var _ classify.Reader = sqliteReader{}

// Name is sqlite.
func (sqliteReader) Name() string { return "sqlite" }

// Claims goes by the first bytes.
func (sqliteReader) Claims(_ string, head []byte) bool {
	return bytes.HasPrefix(head, []byte("SQLite format 3\x00"))
}

// Read gives the rows of all tables. SQLite sees the source as a read-only file
// system of one file.
func (sqliteReader) Read(ctx context.Context, src classify.Source, out classify.Sink) (err error) {
	name, files, err := vfs.New(oneFile{src})
	if err != nil {
		return fmt.Errorf("show a database to SQLite: %w", err)
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	db, err := sql.Open("sqlite", "file:db?immutable=1&mode=ro&vfs="+name+"&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)&_pragma=query_only(1)&_pragma=cache_size(-8192)&_pragma=mmap_size(0)")
	if err != nil {
		return fmt.Errorf("open a database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	d := &database{ctx: ctx, db: db, out: out}
	d.journal(src)
	tables, err := d.tables()
	if err != nil {
		return d.cause(err)
	}
	for _, t := range tables {
		if err := d.table(t); err != nil {
			return err
		}
	}
	return nil
}

type database struct {
	ctx  context.Context //nolint:containedctx // it lives as long as one Read
	db   *sql.DB
	out  classify.Sink
	mine error // an error of the sink
}

// cause hides what SQLite says, which may quote the file.
func (d *database) cause(err error) error {
	switch {
	case d.mine != nil:
		return d.mine
	case d.ctx.Err() != nil:
		return d.ctx.Err()
	case strings.Contains(err.Error(), "not a database"):
		return classify.Because("it is encrypted or no database", "已加密或不是数据库")
	}
	return classify.Damaged
}

// journal says that changes may lie in a file beside the database.
func (d *database) journal(src classify.Source) {
	var modes [2]byte
	if _, err := src.ReadAt(modes[:], 18); err == nil && modes[1] == 2 {
		d.out.Unread("", classify.Because("it keeps its newest changes in a file beside it (-wal), which is read as a file of its own at most", "最新改动保存在旁边的 -wal 文件中，未合并读取"))
	}
}

func (d *database) tables() (names []string, err error) {
	rows, err := d.db.QueryContext(d.ctx, `SELECT name FROM sqlite_master WHERE type = 'table' AND (sql IS NULL OR sql NOT LIKE 'CREATE VIRTUAL%') ORDER BY name LIMIT ?`, tablesMost)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("list tables: %w", err)
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// table gives the rows of one; what is wrong with it is reported, and the next
// is read.
func (d *database) table(name string) error {
	err := d.rows(name)
	if err == nil {
		return nil
	}
	if d.mine != nil || d.ctx.Err() != nil {
		return d.cause(err)
	}
	d.out.Unread(name, d.cause(err))
	return nil
}

func (d *database) rows(name string) error {
	rows, err := d.db.QueryContext(d.ctx, `SELECT * FROM `+quote(name))
	if err != nil {
		return fmt.Errorf("read a table: %w", err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return fmt.Errorf("read a table: %w", err)
	}
	values, to := make([]any, len(columns)), make([]any, len(columns))
	parts := make([]classify.Part, len(columns))
	for i, c := range columns {
		to[i] = &values[i]
		parts[i] = classify.Part{Path: name + "." + c, Field: c, Column: true, Offset: -1}
	}
	for n := int64(1); rows.Next(); n++ {
		if err := rows.Scan(to...); err != nil {
			return fmt.Errorf("read a row: %w", err)
		}
		for i, v := range values {
			parts[i].Record = n
			if d.mine = d.value(parts[i], v); d.mine != nil {
				return d.mine
			}
		}
	}
	return rows.Err()
}

func (d *database) value(p classify.Part, v any) error {
	switch v := v.(type) {
	case string:
		return give(d.out, p, []byte(v))
	case []byte:
		return give(d.out, p, v)
	case int64:
		if v > -10000 && v < 10000 {
			return nil
		}
		p.Text = strconv.AppendInt(nil, v, 10)
	case float64:
		if v != float64(int64(v)) || v < 1e6 || v > 1e18 {
			return nil
		}
		p.Text = strconv.AppendInt(nil, int64(v), 10)
	case time.Time:
		p.Text = v.AppendFormat(nil, time.DateOnly)
	default:
		return nil
	}
	return d.out.Part(p)
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// dayText writes a number of days since 1970.
func dayText(dst []byte, days int64) []byte {
	if days < -200_000 || days > 200_000 {
		return dst
	}
	return time.Unix(days*86400, 0).UTC().AppendFormat(dst, time.DateOnly)
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// oneFile is a file system of one source, named db.
type oneFile struct{ src classify.Source }

// Open opens it.
func (o oneFile) Open(name string) (fs.File, error) {
	if name != "db" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &sourceFile{io.NewSectionReader(o.src, 0, o.src.Size())}, nil
}

type sourceFile struct{ *io.SectionReader }

func (f *sourceFile) Close() error               { return nil }
func (f *sourceFile) Stat() (fs.FileInfo, error) { return sourceInfo{f.Size()}, nil }

type sourceInfo struct{ size int64 }

func (i sourceInfo) Name() string       { return "db" }
func (i sourceInfo) Size() int64        { return i.size }
func (i sourceInfo) Mode() fs.FileMode  { return 0o400 }
func (i sourceInfo) ModTime() time.Time { return time.Time{} }
func (i sourceInfo) IsDir() bool        { return false }
func (i sourceInfo) Sys() any           { return nil }
