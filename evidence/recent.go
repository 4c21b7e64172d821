package evidence

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
)

// Recent returns the newest versions of a record, the newest first: of what
// changes often, [Log.History] is long.
func (l *Log) Recent(ctx context.Context, kind, id string, most int) (list []Record, err error) {
	err = l.db.View(ctx, func(tx *sql.Tx) error {
		list, err = queryRecords(tx, "SELECT "+recordColumns+" FROM records WHERE kind = $1 AND id = $2 ORDER BY version DESC LIMIT $3", kind, id, most)
		return err
	})
	return list, err
}

// Version returns one version of a record; a missing one is fs.ErrNotExist.
func (l *Log) Version(ctx context.Context, kind, id string, version int) (r Record, err error) {
	err = l.db.View(ctx, func(tx *sql.Tx) error {
		list, err := queryRecords(tx, "SELECT "+recordColumns+" FROM records WHERE kind = $1 AND id = $2 AND version = $3", kind, id, version)
		if err == nil && len(list) == 0 {
			err = fmt.Errorf("version %d of the %s record: %w", version, kind, fs.ErrNotExist)
		}
		if err == nil {
			r = list[0]
		}
		return err
	})
	return r, err
}
