package classify

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Map is the data map: where data of which level lies, of how many patients,
// whose it is, since when, and what changed between scans. It owns the tables
// scan_runs, scan_objects, scan_findings, scan_changes and scan_places.
//
// Beginning, end and totals of every scan, and what people say about a target,
// are records of the evidence book. The map itself is not: it names files, and
// has to forget them when they are gone.
type Map struct {
	db   *store.DB
	book Book
	key  keyed.Key
	now  func() time.Time
}

// Book takes records of evidence; evidence.Log is one.
type Book interface {
	Put(tx *sql.Tx, r evidence.Record) (version int, err error)
}

// The kinds of records.
const (
	KindScan  = "scan"
	KindPlace = "scan-place"
)

// The states of a scan.
const (
	Running     = "running"
	Finished    = "finished"
	Stopped     = "stopped"     // by a person; the next one goes on
	Interrupted = "interrupted" // by the end of the process; the next one goes on
	Failed      = "failed"
)

// OpenMap opens the map. Scans that a crash left running are interrupted.
func OpenMap(ctx context.Context, db *store.DB, book Book, key keyed.Key, now func() time.Time) (*Map, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, "classify", sub); err != nil {
		return nil, err
	}
	m := &Map{db: db, book: book, key: key, now: now}
	return m, db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE scan_runs SET state = $1, ended = $2 WHERE state = $3`, Interrupted, now().UnixMilli(), Running)
		if err != nil {
			return fmt.Errorf("mark interrupted scans: %w", err)
		}
		return nil
	})
}

// ObjectID is an object's name where its path must not be seen.
func (m *Map) ObjectID(target, path string) string {
	return m.key.Token("scan-object", target+"\x00"+path)
}

// ScanRun is one scan of one target.
type ScanRun struct {
	ID      string `json:"id"`
	Target  string `json:"target"`
	Address string `json:"address"`
	Engine  string `json:"engine"`
	// By is the user who started it, or "schedule".
	By    string `json:"by"`
	Begun int64  `json:"begun"`
	Ended int64  `json:"ended,omitempty"`
	State string `json:"state"`
	// Problem is why it failed, for people.
	Problem string `json:"problem,omitempty"`
	Totals  Totals `json:"totals"`
	// Changes counts what is different from the scan before: new, gone, worse
	// and better objects.
	Changes map[string]int64 `json:"changes,omitempty"`

	people []uint32
}

// errBusy says that a target is being scanned already.
var errBusy = errors.New("this target is being scanned; wait until that ends, or stop it")

// Busy says whether err means that the target is being scanned already.
func Busy(err error) bool { return errors.Is(err, errBusy) }

// begin makes the row of a run, or takes up one that was cut short with the
// same engine.
func (m *Map) begin(ctx context.Context, r ScanRun) (ScanRun, error) {
	fresh := "scan-" + rand.Text()
	var out ScanRun
	err := m.db.Update(ctx, func(tx *sql.Tx) error {
		out = r
		last, err := lastRun(ctx, tx, r.Target)
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		case err == nil && last.State == Running:
			return errBusy
		case err == nil && (last.State == Interrupted || last.State == Stopped) && last.Engine == r.Engine && last.Address == r.Address:
			out.ID, out.Begun = last.ID, last.Begun
		default:
			out.ID, out.Begun = fresh, m.now().UnixMilli()
		}
		out.State = Running
		return m.saveRun(ctx, tx, out)
	})
	return out, err
}

// saveRun writes a run and its record of evidence.
func (m *Map) saveRun(ctx context.Context, tx *sql.Tx, r ScanRun) error {
	totals, err := json.Marshal(r.Totals)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO scan_runs (id, target, address, engine, started_by, begun, ended, state, problem, totals, people)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (id) DO UPDATE SET ended = $7, state = $8, problem = $9, totals = $10, people = $11`,
		r.ID, r.Target, r.Address, r.Engine, r.By, r.Begun, r.Ended, r.State, r.Problem, string(totals), packPeople(r.people))
	if err != nil {
		return fmt.Errorf("save scan: %w", err)
	}
	r.Address, r.Problem = "", "" // may name a folder called after a person
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = m.book.Put(tx, evidence.Record{Kind: KindScan, ID: r.ID, Time: m.now().UnixMilli(), Status: r.State, Ref: r.Target, Score: float64(r.Totals.Level), Body: body})
	return err
}

const runColumns = "id, target, address, engine, started_by, begun, ended, state, problem, totals, people"

func scanRun(row interface{ Scan(...any) error }) (r ScanRun, err error) {
	var totals, people string
	if err := row.Scan(&r.ID, &r.Target, &r.Address, &r.Engine, &r.By, &r.Begun, &r.Ended, &r.State, &r.Problem, &totals, &people); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return r, fs.ErrNotExist
		}
		return r, fmt.Errorf("read scan: %w", err)
	}
	if r.people, err = unpackPeople(people); err != nil {
		return r, err
	}
	if err := json.Unmarshal([]byte(totals), &r.Totals); err != nil {
		return r, fmt.Errorf("read scan: %w", err)
	}
	return r, nil
}

func lastRun(ctx context.Context, tx *sql.Tx, target string) (ScanRun, error) {
	return scanRun(tx.QueryRowContext(ctx, `SELECT `+runColumns+` FROM scan_runs WHERE target = $1 ORDER BY begun DESC, id DESC LIMIT 1`, target))
}

// packPeople writes sorted numbers as differences.
func packPeople(list []uint32) string {
	if len(list) == 0 {
		return ""
	}
	var b []byte
	last := uint32(0)
	for _, n := range list {
		b = binary.AppendUvarint(b, uint64(n-last))
		last = n
	}
	return base64.RawStdEncoding.EncodeToString(b)
}

func unpackPeople(text string) ([]uint32, error) {
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("read numbers of patients: %w", err)
	}
	var list []uint32
	last := uint64(0)
	for len(b) > 0 {
		d, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errors.New("read numbers of patients: damaged")
		}
		last += d
		list, b = append(list, uint32(last)), b[n:]
	}
	return list, nil
}

// Place is what people said about a target.
type Place struct {
	Target     string `json:"target"`
	Owner      string `json:"owner,omitempty"`
	Department string `json:"department,omitempty"`
	// Allowed is the highest level that may lie there; -1 leaves it to the
	// configuration.
	Allowed int    `json:"allowed"`
	By      string `json:"by,omitempty"`
	At      int64  `json:"at,omitempty"`
}

// SetPlace writes down whose a target is and what may lie there.
func (m *Map) SetPlace(ctx context.Context, p Place) error {
	p.At = m.now().UnixMilli()
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return m.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO scan_places (target, owner, department, allowed, set_by, set_at) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (target) DO UPDATE SET owner = $2, department = $3, allowed = $4, set_by = $5, set_at = $6`,
			p.Target, p.Owner, p.Department, p.Allowed, p.By, p.At)
		if err != nil {
			return fmt.Errorf("save place: %w", err)
		}
		_, err = m.book.Put(tx, evidence.Record{Kind: KindPlace, ID: p.Target, Time: p.At, Person: p.By, Status: "set", Body: body})
		return err
	})
}

// Places lists what people said, by target.
func (m *Map) Places(ctx context.Context) (map[string]Place, error) {
	all := map[string]Place{}
	err := m.db.View(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT target, owner, department, allowed, set_by, set_at FROM scan_places`)
		if err != nil {
			return fmt.Errorf("read places: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var p Place
			if err := rows.Scan(&p.Target, &p.Owner, &p.Department, &p.Allowed, &p.By, &p.At); err != nil {
				return fmt.Errorf("read places: %w", err)
			}
			all[p.Target] = p
		}
		return rows.Err()
	})
	return all, err
}
