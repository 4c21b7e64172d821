package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// load reads the whole directory at one moment.
func (d *Directory) load(ctx context.Context) (*snapshot, error) {
	var s *snapshot
	err := d.db.View(ctx, func(tx *sql.Tx) error {
		s = empty()
		for _, read := range []func(*sql.Tx, *snapshot) error{loadPeople, loadAccounts, loadPosts, loadShifts} {
			if err := read(tx, s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, e := range s.people {
		if len(e.posts) == 0 {
			e.posts = []post{{department: e.Department, role: e.Role}}
		}
		e.settle()
	}
	s.version = 1
	s.index()
	return s, nil
}

// each runs a query and calls fn for every row.
func each(tx *sql.Tx, query string, fn func(*sql.Rows) error) error {
	rows, err := tx.Query(query)
	if err != nil {
		return fmt.Errorf("read directory: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return fmt.Errorf("read directory: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read directory: %w", err)
	}
	return nil
}

func loadPeople(tx *sql.Tx, s *snapshot) error {
	return each(tx, `SELECT person_id, name, role, department, manager_id, hired, ended, source, tokens FROM directory_people`, func(rows *sql.Rows) error {
		e := &entry{}
		var tokens string
		err := rows.Scan(&e.ID, &e.Name, &e.Role, &e.Department, &e.ManagerID, &e.Hired, &e.left, &e.Source, &tokens)
		e.Keys = parseKeys(tokens)
		s.people[e.ID] = e
		return err
	})
}

func loadAccounts(tx *sql.Tx, s *snapshot) error {
	return each(tx, `SELECT person_id, account, source, disabled FROM directory_accounts ORDER BY person_id, account`, func(rows *sql.Rows) error {
		var id string
		var a account
		if err := rows.Scan(&id, &a.name, &a.source, &a.disabled); err != nil {
			return err
		}
		if e, ok := s.people[id]; ok {
			e.accounts = append(e.accounts, a)
		}
		return nil
	})
}

func loadPosts(tx *sql.Tx, s *snapshot) error {
	return each(tx, `SELECT person_id, since, department, role FROM directory_departments ORDER BY person_id, since`, func(rows *sql.Rows) error {
		var id string
		var p post
		if err := rows.Scan(&id, &p.since, &p.department, &p.role); err != nil {
			return err
		}
		if e, ok := s.people[id]; ok {
			e.posts = append(e.posts, p)
		}
		return nil
	})
}

func loadShifts(tx *sql.Tx, s *snapshot) error {
	names := map[string]string{} // one copy of each department's name
	return each(tx, `SELECT person_id, starts, kind, ends, department FROM directory_shifts ORDER BY person_id, starts, kind DESC`, func(rows *sql.Rows) error {
		var id, kind string
		var n shift
		if err := rows.Scan(&id, &n.from, &kind, &n.until, &n.department); err != nil {
			return err
		}
		if name, ok := names[n.department]; ok {
			n.department = name
		} else {
			names[n.department] = n.department
		}
		n.oncall = kind == KindOnCall
		s.shifts[id] = append(s.shifts[id], n)
		return nil
	})
}

func savePeople(tx *sql.Tx, s *snapshot, changed map[string]bool) error {
	if len(changed) == 0 {
		return nil
	}
	stmts, err := prepare(tx,
		`INSERT INTO directory_people (person_id, name, role, department, manager_id, hired, ended, source, tokens)
		 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		 ON CONFLICT (person_id) DO UPDATE SET name = excluded.name, role = excluded.role, department = excluded.department,
		 manager_id = excluded.manager_id, hired = excluded.hired, ended = excluded.ended, source = excluded.source, tokens = excluded.tokens`,
		`INSERT INTO directory_accounts (person_id, account, source, disabled) VALUES ($1, $2, $3, $4)
		 ON CONFLICT (person_id, account) DO UPDATE SET source = excluded.source, disabled = excluded.disabled`,
		`INSERT INTO directory_departments (person_id, since, department, role) VALUES ($1, $2, $3, $4)
		 ON CONFLICT (person_id, since) DO UPDATE SET department = excluded.department, role = excluded.role`)
	if err != nil {
		return err
	}
	defer stmts.close()
	for _, id := range slices.Sorted(maps.Keys(changed)) {
		if err := savePerson(stmts, s.people[id]); err != nil {
			return err
		}
	}
	return nil
}

func savePerson(stmts statements, e *entry) error {
	_, err := stmts[0].Exec(e.ID, e.Name, e.Role, e.Department, e.ManagerID, e.Hired, e.left, e.Source, formatKeys(e.Keys))
	if err != nil {
		return err
	}
	for _, a := range e.accounts {
		if _, err := stmts[1].Exec(e.ID, a.name, a.source, a.disabled); err != nil {
			return err
		}
	}
	for _, p := range e.posts {
		if _, err := stmts[2].Exec(e.ID, p.since, p.department, p.role); err != nil {
			return err
		}
	}
	return nil
}

func saveShifts(tx *sql.Tx, added []Shift) error {
	stmts, err := prepare(tx, `INSERT INTO directory_shifts (person_id, starts, kind, ends, department) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (person_id, starts, kind) DO UPDATE SET ends = excluded.ends, department = excluded.department`)
	if err != nil {
		return err
	}
	defer stmts.close()
	for _, s := range added {
		if _, err := stmts[0].Exec(s.Person, s.From, s.Kind, s.Until, s.Department); err != nil {
			return err
		}
	}
	return nil
}

func saveMark(tx *sql.Tx, source, mark string) error {
	if mark == "" {
		return nil
	}
	_, err := tx.Exec(`INSERT INTO directory_marks (source, mark) VALUES ($1, $2) ON CONFLICT (source) DO UPDATE SET mark = excluded.mark`, source, mark)
	return err
}

// Mark is where a source wanted to continue, "" at the first time.
func (d *Directory) Mark(ctx context.Context, source string) (string, error) {
	var mark string
	err := d.db.View(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRow(`SELECT mark FROM directory_marks WHERE source = $1`, source).Scan(&mark)
		if errors.Is(err, sql.ErrNoRows) {
			mark = ""
			return nil
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the mark of a directory source: %w", err)
	}
	return mark, nil
}

// statements are prepared together and closed together.
type statements []*sql.Stmt

func prepare(tx *sql.Tx, queries ...string) (statements, error) {
	var out statements
	for _, q := range queries {
		stmt, err := tx.Prepare(q)
		if err != nil {
			out.close()
			return nil, err
		}
		out = append(out, stmt)
	}
	return out, nil
}

func (s statements) close() {
	for _, stmt := range s {
		// A statement that does not close goes with its transaction.
		_ = stmt.Close()
	}
}

// Keys are stored as "kind=token" words.
func formatKeys(keys []ocsf.Key) string {
	words := make([]string, len(keys))
	for i, k := range keys {
		words[i] = k.Kind + "=" + k.Token
	}
	return strings.Join(words, " ")
}

func parseKeys(text string) []ocsf.Key {
	var keys []ocsf.Key
	for _, word := range strings.Fields(text) {
		if kind, token, ok := strings.Cut(word, "="); ok {
			keys = append(keys, ocsf.Key{Kind: kind, Token: token})
		}
	}
	return keys
}
