//go:build cgo

package duck

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/cordon-health/cordon/lake"
)

// canonicalUUID is the form in which the lake stores an uid as 16 bytes.
const canonicalUUID = `'^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'`

// whole joins what the files store in parts.
const whole = `SELECT f.* EXCLUDE (uid_uuid, logged_lag, explained_lag, rest)
		REPLACE (
			coalesce(f.uid, CAST(f.uid_uuid AS VARCHAR)) AS uid,
			coalesce(f.logged_time, f.time + to_milliseconds(f.logged_lag)) AS logged_time,
			coalesce(f.break_glass, false) AS break_glass,
			coalesce(f.incidental, false) AS incidental,
			%s
		),
		%s,
		f.rest
	FROM read_parquet(%s) f %s`

// asStored takes the explanations from the files.
const (
	asStored = `coalesce(f.weak, false) AS weak`
	storedAt = `CASE WHEN f.explained IS NOT NULL THEN f.time + to_milliseconds(coalesce(f.explained_lag, 0)) END AS explained_at,
		false AS healed`
)

// asHealed prefers the later explanations. The keys are compared in the form
// in which the files have them.
const (
	asHealed = `CASE WHEN coalesce(u.x, t.x) IS NULL THEN coalesce(f.weak, false) ELSE coalesce(u.x, t.x).weak END AS weak,
			CASE WHEN coalesce(u.x, t.x) IS NULL THEN f.explained ELSE coalesce(u.x, t.x).explained END AS explained,
			CASE WHEN coalesce(u.x, t.x) IS NULL THEN f.kind ELSE nullif(coalesce(u.x, t.x).kind, '') END AS kind,
			CASE WHEN coalesce(u.x, t.x) IS NULL THEN f.because ELSE nullif(coalesce(u.x, t.x).because, '') END AS because,
			CASE WHEN coalesce(u.x, t.x) IS NULL THEN f.args ELSE nullif(coalesce(u.x, t.x).args, '') END AS args`
	healedAt = `CASE WHEN coalesce(u.x, t.x) IS NOT NULL THEN coalesce(u.x, t.x).explained_at
			WHEN f.explained IS NOT NULL THEN f.time + to_milliseconds(coalesce(f.explained_lag, 0)) END AS explained_at,
		coalesce(u.x, t.x) IS NOT NULL AS healed`
	healedJoin = `LEFT JOIN (SELECT CAST(h.uid AS UUID) AS uid, h AS x FROM read_parquet(%[1]s) h WHERE regexp_matches(h.uid, %[2]s)) u ON u.uid = f.uid_uuid
	LEFT JOIN (SELECT h.uid AS uid, h AS x FROM read_parquet(%[1]s) h WHERE NOT regexp_matches(h.uid, %[2]s)) t ON t.uid = f.uid`
)

// createViews defines the views of one query on its connection.
func createViews(ctx context.Context, conn *sql.Conn, q lake.Query) error {
	some, err := hasRows(ctx, conn, q.Healed)
	if err != nil {
		return err
	}
	records := fmt.Sprintf(whole, asStored, storedAt, list(q.Files), "")
	if some {
		records = fmt.Sprintf(whole, asHealed, healedAt, list(q.Files), fmt.Sprintf(healedJoin, quote(q.Healed), canonicalUUID))
	}
	for _, s := range []string{
		"CREATE OR REPLACE TEMP VIEW records AS " + records,
		"CREATE OR REPLACE TEMP VIEW events AS SELECT * FROM records WHERE half_of IS NULL",
		`CREATE OR REPLACE TEMP VIEW explanations AS
			SELECT uid, time, person, patient, explained, kind, weak, because, args, explained_at, healed
			FROM events WHERE explained IS NOT NULL`,
	} {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("open the lake's files with DuckDB: %w", err)
		}
	}
	return nil
}

func hasRows(ctx context.Context, conn *sql.Conn, file string) (bool, error) {
	if file == "" {
		return false, nil
	}
	n := 0
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM read_parquet("+quote(file)+")").Scan(&n); err != nil {
		return false, fmt.Errorf("read later explanations with DuckDB: %w", err)
	}
	return n > 0, nil
}
