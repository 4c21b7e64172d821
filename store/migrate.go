package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

var ownerName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// Migrate brings the tables of owner to the newest of the numbered goose
// migrations at the root of fsys (00001_name.sql, ...). Each runs in one
// transaction together with its mark in the table goose_<owner>: wholly or
// not at all. Several processes may call it at once; a number the database
// has and fsys lacks (an older program on newer tables) is left alone.
func (db *DB) Migrate(ctx context.Context, owner string, fsys fs.FS) error {
	if !ownerName.MatchString(owner) {
		return fmt.Errorf("migrate %q: an owner is named with a-z, 0-9 and _", owner)
	}
	err := db.retry(ctx, func() error { return db.migrate(ctx, owner, fsys) })
	if err != nil {
		return fmt.Errorf("migrate tables of %s: %w", owner, err)
	}
	return nil
}

// migrate runs once, or again: two processes that begin at the same moment
// may both try a number, but only one of them can commit its mark. The other
// rolls back, looks again and finds nothing left to do.
func (db *DB) migrate(ctx context.Context, owner string, fsys fs.FS) error {
	var err error
	for range 3 {
		if err = db.up(ctx, owner, fsys); err == nil || db.dialect.Retry(err) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func (db *DB) up(ctx context.Context, owner string, fsys fs.FS) error {
	dialect, options := goose.DialectSQLite3, []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if db.dialect.Name == "postgres" {
		// The lock ends with its connection, so a killed process leaves none.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
		if err != nil {
			return err
		}
		dialect, options = goose.DialectPostgres, append(options, goose.WithSessionLocker(locker))
	}
	table, err := database.NewStore(dialect, "goose_"+owner)
	if err != nil {
		return err
	}
	options = append(options, goose.WithStore(uniqueMarks{table}))
	provider, err := goose.NewProvider(goose.DialectCustom, db.write, fsys, options...)
	if errors.Is(err, goose.ErrNoMigrations) {
		return errors.New("no numbered .sql files at the root of the given folder")
	}
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// uniqueMarks is goose's table of applied migrations, where a number can
// stand only once.
type uniqueMarks struct{ database.Store }

func (u uniqueMarks) CreateVersionTable(ctx context.Context, db database.DBTxConn) error {
	if err := u.Store.CreateVersionTable(ctx, db); err != nil {
		return err
	}
	name := u.Tablename()
	_, err := db.ExecContext(ctx, "CREATE UNIQUE INDEX "+name+"_once ON "+name+" (version_id)")
	return err
}
