package classify

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// The words for what changed between two scans.
const (
	Fresh  = "new"    // not there before, or without patient data then
	Gone   = "gone"   // no longer there
	Worse  = "worse"  // higher level, or more patients
	Better = "better" // lower level, or fewer patients
)

const (
	// mostKept is how many findings of an object the map keeps; all are counted.
	mostKept = 500
	// batch is how many objects are written at once, and lag for how long they
	// wait at most. What was not written when the power fails is read again.
	batch = 200
	lag   = time.Second
)

// Recording writes one scan into the map. It belongs to the scan: Known, Found
// and Done are called by one goroutine at a time, as [Walk] does.
type Recording struct {
	m     *Map
	ctx   context.Context // of the scan
	run   ScanRun
	limit Limit
	alarm func(context.Context, Alarm) error

	open    map[string][]string // findings of objects under way, by path
	waiting []finished
	flushed time.Time
}

// finished is an object that waits to be written.
type finished struct {
	Result
	kept []string
}

// Limit says what may lie in a target, and from which level on more than that
// is an alarm.
type Limit struct{ Allowed, Report int }

// Alarm is an object of a level above what may lie in its target.
type Alarm struct {
	Run     ScanRun
	Object  string // its ObjectID
	Result  Result
	Allowed int
}

// Record begins a scan of a target, or takes up one that was cut short. alarm
// is told objects above the allowed level, once for each level an object
// reaches; when it fails, it is told again with the next scan.
func (m *Map) Record(ctx context.Context, run ScanRun, limit Limit, alarm func(context.Context, Alarm) error) (*Recording, error) {
	run, err := m.begin(ctx, run)
	if err != nil {
		return nil, err
	}
	return &Recording{m: m, ctx: ctx, run: run, limit: limit, alarm: alarm, open: map[string][]string{}, flushed: m.now()}, nil
}

// Run is the scan as it was begun.
func (r *Recording) Run() ScanRun { return r.run }

// Known gives an earlier result that holds: same content, same engine.
func (r *Recording) Known(origin string, o Object) (Result, bool) {
	var res Result
	err := r.m.db.View(r.ctx, func(tx *sql.Tx) error {
		var result, people string
		err := tx.QueryRowContext(r.ctx, `SELECT result, people FROM scan_objects WHERE target = $1 AND id = $2 AND mark = $3 AND engine = $4 AND gone = 0`,
			r.run.Target, r.m.ObjectID(r.run.Target, o.Path), o.Mark, r.run.Engine).Scan(&result, &people)
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(result), &res); err != nil {
			return err
		}
		res.people, err = unpackPeople(people)
		return err
	})
	return res, err == nil && res.Failed == nil
}

// Found keeps a finding for its object.
func (r *Recording) Found(_ string, o Object, f *Finding) error {
	if kept := r.open[o.Path]; len(kept) < mostKept {
		body, err := json.Marshal(f)
		if err != nil {
			return err
		}
		r.open[o.Path] = append(kept, string(body))
	}
	return nil
}

// Done writes an object, together with others.
func (r *Recording) Done(res Result) error {
	r.waiting = append(r.waiting, finished{res, r.open[res.Path]})
	delete(r.open, res.Path)
	if len(r.waiting) < batch && r.m.now().Sub(r.flushed) < lag {
		return nil
	}
	return r.flush(r.ctx)
}

func (r *Recording) flush(ctx context.Context) error {
	var alarms []Alarm
	err := r.m.db.Update(ctx, func(tx *sql.Tx) error {
		alarms = alarms[:0]
		for _, f := range r.waiting {
			a, err := r.write(ctx, tx, f)
			if err != nil {
				return err
			}
			alarms = append(alarms, a...)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the data map: %w", err)
	}
	r.waiting, r.flushed = r.waiting[:0], r.m.now()
	for _, a := range alarms {
		if err := r.raise(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// raise tells an alarm and remembers that it was told.
func (r *Recording) raise(ctx context.Context, a Alarm) error {
	if err := r.alarm(ctx, a); err != nil {
		return fmt.Errorf("tell of data in a place it may not be: %w", err)
	}
	return r.m.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE scan_objects SET alarmed = $1 WHERE target = $2 AND id = $3`, a.Result.Level, r.run.Target, a.Object)
		return err
	})
}

// was is what the map said of an object before.
type was struct {
	level, patients, alarmed int
	first, since, gone       int64
	run                      string
	known                    bool
}

func (r *Recording) before(ctx context.Context, tx *sql.Tx, id string) (w was, err error) {
	err = tx.QueryRowContext(ctx, `SELECT level, patients, alarmed, first_seen, level_since, gone, run FROM scan_objects WHERE target = $1 AND id = $2`,
		r.run.Target, id).Scan(&w.level, &w.patients, &w.alarmed, &w.first, &w.since, &w.gone, &w.run)
	w.known = err == nil
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return w, err
}

func (r *Recording) write(ctx context.Context, tx *sql.Tx, f finished) ([]Alarm, error) {
	id, now := r.m.ObjectID(r.run.Target, f.Path), r.m.now().UnixMilli()
	w, err := r.before(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if f.Failed != nil && w.known { // what it held, it may hold still
		f.Level, f.Patients = w.level, w.patients
	}
	if !w.known || w.gone > 0 {
		w = was{first: now, since: now, alarmed: w.alarmed, known: w.known}
	}
	if w.level != f.Level {
		w.since = now
	}
	if err := r.change(ctx, tx, id, w, f.Level, f.Patients); err != nil {
		return nil, err
	}
	if err := r.save(ctx, tx, id, w, f, now); err != nil {
		return nil, err
	}
	if f.Level <= r.limit.Allowed || f.Level < r.limit.Report || f.Level <= w.alarmed || r.alarm == nil {
		return nil, nil
	}
	return []Alarm{{Run: r.run, Object: id, Result: f.Result, Allowed: r.limit.Allowed}}, nil
}

func (r *Recording) save(ctx context.Context, tx *sql.Tx, id string, w was, f finished, now int64) error {
	unchanged := f.Unchanged
	f.Unchanged = false
	result, err := json.Marshal(f.Result)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO scan_objects (target, id, path, size, modified, mark, engine, owner, level, patients, findings, unread,
			result, people, first_seen, last_seen, level_since, run, gone, alarmed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 0, $19)
		ON CONFLICT (target, id) DO UPDATE SET size = $4, modified = $5, mark = $6, engine = $7, owner = $8, level = $9, patients = $10,
			findings = $11, unread = $12, result = $13, people = $14, first_seen = $15, last_seen = $16, level_since = $17, run = $18, gone = 0, alarmed = $19`,
		r.run.Target, id, f.Path, f.Size, f.Modified, f.Mark, r.run.Engine, f.Owner, f.Level, f.Patients, f.Findings, f.Unread,
		string(result), packPeople(f.people), w.first, now, w.since, r.run.ID, min(w.alarmed, f.Level))
	if err != nil || unchanged {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM scan_findings WHERE target = $1 AND object = $2`, r.run.Target, id); err != nil {
		return err
	}
	for n, body := range f.kept {
		if _, err := tx.ExecContext(ctx, `INSERT INTO scan_findings (target, object, n, body) VALUES ($1, $2, $3, $4)`, r.run.Target, id, n, body); err != nil {
			return err
		}
	}
	return nil
}

// change writes down what is different. An object that a scan meets twice,
// because it was taken up again, keeps what stood before the scan.
func (r *Recording) change(ctx context.Context, tx *sql.Tx, id string, w was, level, patients int) error {
	if w.run == r.run.ID {
		return nil
	}
	what := ""
	switch {
	case w.level == 0 && level > 0:
		what = Fresh
	case level > w.level || level == w.level && patients > w.patients:
		what = Worse
	case level < w.level || patients < w.patients:
		what = Better
	default:
		return nil
	}
	return r.note(ctx, tx, id, what, w, level, patients)
}

func (r *Recording) note(ctx context.Context, tx *sql.Tx, id, what string, w was, level, patients int) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO scan_changes (run, target, object, what, level_before, level_after, patients_before, patients_after)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (run, target, object) DO UPDATE SET what = $4, level_after = $6, patients_after = $8`,
		r.run.ID, r.run.Target, id, what, w.level, level, w.patients, patients)
	return err
}

// End closes the scan. When it reached everything (state Finished), objects it
// did not meet are gone.
func (r *Recording) End(ctx context.Context, state, problem string, totals Totals) (ScanRun, error) {
	if err := r.flush(ctx); err != nil {
		state, problem = Failed, "the data map could not be written; look into the log"
	}
	err := r.m.db.Update(ctx, func(tx *sql.Tx) error {
		r.run.State, r.run.Problem, r.run.Totals, r.run.Ended, r.run.people = state, problem, totals, r.m.now().UnixMilli(), totals.people
		if state == Finished {
			if err := r.sweep(ctx, tx); err != nil {
				return err
			}
		}
		var err error
		if r.run.Changes, err = countChanges(ctx, tx, r.run.ID); err != nil {
			return err
		}
		return r.m.saveRun(ctx, tx, r.run)
	})
	return r.run, err
}

// sweep marks what is gone and forgets its findings.
func (r *Recording) sweep(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO scan_changes (run, target, object, what, level_before, level_after, patients_before, patients_after)
		SELECT $1, target, id, $2, level, 0, patients, 0 FROM scan_objects WHERE target = $3 AND gone = 0 AND run <> $4 AND level > 0
		ON CONFLICT (run, target, object) DO NOTHING`, r.run.ID, Gone, r.run.Target, r.run.ID); err != nil {
		return fmt.Errorf("note what is gone: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE scan_objects SET gone = $1 WHERE target = $2 AND gone = 0 AND run <> $3`,
		r.m.now().UnixMilli(), r.run.Target, r.run.ID); err != nil {
		return fmt.Errorf("note what is gone: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM scan_findings WHERE target = $1 AND object IN (SELECT id FROM scan_objects WHERE target = $2 AND gone > 0)`,
		r.run.Target, r.run.Target); err != nil {
		return fmt.Errorf("forget findings: %w", err)
	}
	return nil
}

func countChanges(ctx context.Context, tx *sql.Tx, run string) (map[string]int64, error) {
	rows, err := tx.QueryContext(ctx, `SELECT what, count(*) FROM scan_changes WHERE run = $1 GROUP BY what`, run)
	if err != nil {
		return nil, fmt.Errorf("count changes: %w", err)
	}
	defer rows.Close()
	out := map[string]int64{}
	for rows.Next() {
		var what string
		var n int64
		if err := rows.Scan(&what, &n); err != nil {
			return nil, fmt.Errorf("count changes: %w", err)
		}
		out[what] = n
	}
	return out, rows.Err()
}
