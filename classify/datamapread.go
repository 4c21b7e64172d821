package classify

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/evidence"
)

// MapObject is one object of the map.
type MapObject struct {
	Target string `json:"target"`
	ID     string `json:"id"`
	Result
	// FirstSeen and LastSeen are when a scan met it, LevelSince when it got
	// its level; Gone when a scan missed it, 0 while it is there. In ms.
	FirstSeen  int64  `json:"first_seen"`
	LastSeen   int64  `json:"last_seen"`
	LevelSince int64  `json:"level_since"`
	Gone       int64  `json:"gone,omitempty"`
	Run        string `json:"run"`
}

// ObjectFilter chooses objects of the map; an empty field does not.
type ObjectFilter struct {
	Target   string
	Level    int // exactly this
	MinLevel int
	Kind     string
	Owner    string
	Path     string // anywhere in the path
	Unread   bool   // only what could not be read wholly
	Gone     bool   // those that are gone, instead of those that are there
	// Limit 0 is all; Offset counts from the first.
	Limit, Offset int
}

func (f ObjectFilter) where() (string, []any) {
	parts, args := []string{"gone = 0"}, []any{}
	if f.Gone {
		parts[0] = "gone > 0"
	}
	add := func(set bool, clause string, v any) {
		if set {
			args = append(args, v)
			parts = append(parts, fmt.Sprintf(clause, len(args)))
		}
	}
	add(f.Target != "", "target = $%d", f.Target)
	add(f.Level > 0, "level = $%d", f.Level)
	add(f.MinLevel > 0, "level >= $%d", f.MinLevel)
	add(f.Kind != "", `result LIKE $%d ESCAPE '!'`, "%"+escapeLike(`"`+f.Kind+`":`)+"%")
	add(f.Owner != "", "owner = $%d", f.Owner)
	add(f.Path != "", `lower(path) LIKE $%d ESCAPE '!'`, "%"+escapeLike(strings.ToLower(f.Path))+"%")
	add(f.Unread, "unread > $%d", 0)
	return strings.Join(parts, " AND "), args
}

func escapeLike(s string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(s)
}

const objectColumns = "target, id, result, people, first_seen, last_seen, level_since, gone, run, level, patients"

func scanObject(row interface{ Scan(...any) error }) (o MapObject, err error) {
	var result, people string
	var level, patients int
	if err := row.Scan(&o.Target, &o.ID, &result, &people, &o.FirstSeen, &o.LastSeen, &o.LevelSince, &o.Gone, &o.Run, &level, &patients); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return o, fs.ErrNotExist
		}
		return o, fmt.Errorf("read the data map: %w", err)
	}
	if err := json.Unmarshal([]byte(result), &o.Result); err != nil {
		return o, fmt.Errorf("read the data map: %w", err)
	}
	o.Level, o.Patients = level, patients
	o.people, err = unpackPeople(people)
	return o, err
}

// Each hands over objects, the most sensitive first, those with most patients
// before others.
func (m *Map) Each(ctx context.Context, f ObjectFilter, each func(MapObject) error) error {
	where, args := f.where()
	query := `SELECT ` + objectColumns + ` FROM scan_objects WHERE ` + where + ` ORDER BY level DESC, patients DESC, findings DESC, target, id`
	if f.Limit > 0 {
		query += fmt.Sprintf(" LIMIT %d OFFSET %d", f.Limit, f.Offset)
	}
	return m.db.View(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return fmt.Errorf("read the data map: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			o, err := scanObject(rows)
			if err != nil {
				return err
			}
			if err := each(o); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// Objects is a page of Each, with how many there are in all.
func (m *Map) Objects(ctx context.Context, f ObjectFilter) (page []MapObject, all int, err error) {
	where, args := f.where()
	err = m.db.View(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT count(*) FROM scan_objects WHERE `+where, args...).Scan(&all)
	})
	if err != nil {
		return nil, 0, fmt.Errorf("count the data map: %w", err)
	}
	err = m.Each(ctx, f, func(o MapObject) error {
		page = append(page, o)
		return nil
	})
	return page, all, err
}

// Object is one object by its id.
func (m *Map) Object(ctx context.Context, target, id string) (o MapObject, err error) {
	err = m.db.View(ctx, func(tx *sql.Tx) (err error) {
		o, err = scanObject(tx.QueryRowContext(ctx, `SELECT `+objectColumns+` FROM scan_objects WHERE target = $1 AND id = $2`, target, id))
		return err
	})
	return o, err
}

// Findings are what the map keeps of an object's findings: the first ones.
func (m *Map) Findings(ctx context.Context, target, id string) (list []Finding, err error) {
	err = m.db.View(ctx, func(tx *sql.Tx) error {
		list = list[:0]
		rows, err := tx.QueryContext(ctx, `SELECT body FROM scan_findings WHERE target = $1 AND object = $2 ORDER BY n`, target, id)
		if err != nil {
			return fmt.Errorf("read findings: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var body string
			var f Finding
			if err := errors.Join(rows.Scan(&body), json.Unmarshal([]byte(body), &f)); err != nil {
				return fmt.Errorf("read findings: %w", err)
			}
			list = append(list, f)
		}
		return rows.Err()
	})
	return list, err
}

// Holding is what one target holds now.
type Holding struct {
	Target string `json:"target"`
	// Objects and Bytes by level, index 0 without patient data.
	Objects [6]int64 `json:"objects"`
	Bytes   [6]int64 `json:"bytes"`
	// Findings in all, Unread pieces.
	Findings int64 `json:"findings"`
	Unread   int64 `json:"unread"`
	// Patients are the hospital's own, each counted once.
	Patients int     `json:"patients"`
	Last     ScanRun `json:"last"`
}

// Level is the highest level there is.
func (h Holding) Level() int {
	for l := 5; l > 0; l-- {
		if h.Objects[l] > 0 {
			return l
		}
	}
	return 0
}

// Holdings lists what each target holds, and Everyone counts the patients of
// all of them together.
func (m *Map) Holdings(ctx context.Context) (all []Holding, everyone int, err error) {
	err = m.db.View(ctx, func(tx *sql.Tx) error {
		byName, names, err := sums(ctx, tx)
		if err != nil {
			return err
		}
		var people bitmap
		all = all[:0]
		for _, name := range names {
			h := byName[name]
			if h.Last, err = lastRun(ctx, tx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if h.Last.Changes, err = countChanges(ctx, tx, h.Last.ID); err != nil {
				return err
			}
			ended, err := lastEnded(ctx, tx, name)
			if err != nil {
				return err
			}
			h.Patients = max(ended.Totals.Patients, h.Last.Totals.Patients)
			for _, n := range ended.people {
				people.set(n)
			}
			all = append(all, *h)
		}
		everyone = people.count()
		return nil
	})
	return all, everyone, err
}

// lastEnded is the last scan that knew its totals.
func lastEnded(ctx context.Context, tx *sql.Tx, target string) (ScanRun, error) {
	r, err := scanRun(tx.QueryRowContext(ctx, `SELECT `+runColumns+` FROM scan_runs WHERE target = $1 AND state = $2 ORDER BY begun DESC, id DESC LIMIT 1`, target, Finished))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return r, err
}

// sums adds up objects by target and level; targets that were scanned and hold
// nothing are there, too.
func sums(ctx context.Context, tx *sql.Tx) (map[string]*Holding, []string, error) {
	rows, err := tx.QueryContext(ctx, `SELECT target, level, count(*), sum(size), sum(findings), sum(unread) FROM scan_objects WHERE gone = 0 GROUP BY target, level
		UNION ALL SELECT DISTINCT target, 0, 0, 0, 0, 0 FROM scan_runs`)
	if err != nil {
		return nil, nil, fmt.Errorf("sum up the data map: %w", err)
	}
	defer rows.Close()
	all := map[string]*Holding{}
	var names []string
	for rows.Next() {
		var name string
		var level int
		var n, bytes, findings, unread int64
		if err := rows.Scan(&name, &level, &n, &bytes, &findings, &unread); err != nil {
			return nil, nil, fmt.Errorf("sum up the data map: %w", err)
		}
		h := all[name]
		if h == nil {
			h = &Holding{Target: name}
			all[name] = h
			names = append(names, name)
		}
		level = min(max(level, 0), 5)
		h.Objects[level] += n
		h.Bytes[level] += bytes
		h.Findings += findings
		h.Unread += unread
	}
	slices.Sort(names)
	return all, names, rows.Err()
}

// Runs lists scans, the newest first; of one target, or of all.
func (m *Map) Runs(ctx context.Context, target string, limit int) (list []ScanRun, err error) {
	err = m.db.View(ctx, func(tx *sql.Tx) error {
		list = list[:0]
		rows, err := tx.QueryContext(ctx, fmt.Sprintf(`SELECT `+runColumns+` FROM scan_runs WHERE target = $1 OR $2 = '' ORDER BY begun DESC, id DESC LIMIT %d`, max(limit, 1)), target, target)
		if err != nil {
			return fmt.Errorf("read scans: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			r, err := scanRun(rows)
			if err != nil {
				return err
			}
			list = append(list, r)
		}
		return rows.Err()
	})
	return list, err
}

// Run is one scan, with what changed.
func (m *Map) Run(ctx context.Context, id string) (r ScanRun, err error) {
	err = m.db.View(ctx, func(tx *sql.Tx) (err error) {
		if r, err = scanRun(tx.QueryRowContext(ctx, `SELECT `+runColumns+` FROM scan_runs WHERE id = $1`, id)); err != nil {
			return err
		}
		r.Changes, err = countChanges(ctx, tx, id)
		return err
	})
	return r, err
}

// Change is one difference between two scans.
type Change struct {
	Object         string `json:"object"`
	Path           string `json:"path"`
	Owner          string `json:"owner,omitempty"`
	What           string `json:"what"`
	LevelBefore    int    `json:"level_before"`
	LevelAfter     int    `json:"level_after"`
	PatientsBefore int    `json:"patients_before"`
	PatientsAfter  int    `json:"patients_after"`
}

// Changes lists what a scan saw change, the worst first.
func (m *Map) Changes(ctx context.Context, run string, limit, offset int) (list []Change, err error) {
	err = m.db.View(ctx, func(tx *sql.Tx) error {
		list = list[:0]
		rows, err := tx.QueryContext(ctx, fmt.Sprintf(`SELECT c.object, o.path, o.owner, c.what, c.level_before, c.level_after, c.patients_before, c.patients_after
			FROM scan_changes c JOIN scan_objects o ON o.target = c.target AND o.id = c.object WHERE c.run = $1
			ORDER BY c.level_after DESC, c.patients_after DESC, c.level_before DESC, c.object LIMIT %d OFFSET %d`, max(limit, 1), max(offset, 0)), run)
		if err != nil {
			return fmt.Errorf("read changes: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var c Change
			if err := rows.Scan(&c.Object, &c.Path, &c.Owner, &c.What, &c.LevelBefore, &c.LevelAfter, &c.PatientsBefore, &c.PatientsAfter); err != nil {
				return fmt.Errorf("read changes: %w", err)
			}
			list = append(list, c)
		}
		return rows.Err()
	})
	return list, err
}

// Owners counts the objects with patient data of a target by their owners, the
// one with most first.
func (m *Map) Owners(ctx context.Context, target string) (names []string, counts map[string]int64, err error) {
	err = m.db.View(ctx, func(tx *sql.Tx) error {
		names, counts = names[:0], map[string]int64{}
		rows, err := tx.QueryContext(ctx, `SELECT owner, count(*) AS n FROM scan_objects WHERE target = $1 AND gone = 0 AND level > 0 GROUP BY owner ORDER BY n DESC, owner LIMIT 20`, target)
		if err != nil {
			return fmt.Errorf("count owners: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			var n int64
			if err := rows.Scan(&name, &n); err != nil {
				return fmt.Errorf("count owners: %w", err)
			}
			names, counts[name] = append(names, name), n
		}
		return rows.Err()
	})
	return names, counts, err
}

// Forget drops scans that ended before a time, with what changed in them, and
// objects that are gone since; the last scans of each target stay.
func (m *Map) Forget(ctx context.Context, before int64) error {
	return m.db.Update(ctx, func(tx *sql.Tx) error {
		for _, stmt := range []string{
			`DELETE FROM scan_changes WHERE run IN (SELECT id FROM scan_runs r WHERE ended > 0 AND ended < $1
				AND begun < (SELECT max(begun) FROM scan_runs s WHERE s.target = r.target AND s.state = 'finished'))`,
			`DELETE FROM scan_runs WHERE ended > 0 AND ended < $1
				AND begun < (SELECT max(begun) FROM scan_runs s WHERE s.target = scan_runs.target AND s.state = 'finished')`,
			`DELETE FROM scan_objects WHERE gone > 0 AND gone < $1 AND NOT EXISTS (SELECT 1 FROM scan_changes c WHERE c.target = scan_objects.target AND c.object = scan_objects.id)`,
		} {
			if _, err := tx.ExecContext(ctx, stmt, before); err != nil {
				return fmt.Errorf("forget old scans: %w", err)
			}
		}
		return nil
	})
}

// Drop forgets a target that is no longer scanned: its objects, findings and
// scans. The records of evidence stay.
func (m *Map) Drop(ctx context.Context, target, by string) error {
	return m.db.Update(ctx, func(tx *sql.Tx) error {
		for _, table := range []string{"scan_changes", "scan_findings", "scan_objects", "scan_runs", "scan_places"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE target = $1`, target); err != nil {
				return fmt.Errorf("forget target: %w", err)
			}
		}
		_, err := m.book.Put(tx, evidence.Record{Kind: KindPlace, ID: target, Time: m.now().UnixMilli(), Person: by, Status: "dropped", Body: []byte(`{}`)})
		return err
	})
}
