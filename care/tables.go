package care

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// heldKey names a kept access.
type heldKey struct{ patient, uid string }

// change is one row to write; without values it is to be deleted.
type change struct {
	key    []any
	values []any
}

// table is how rows of a table are written.
type table struct {
	upsert, remove string
	rows           []change
}

// Save writes what changed since the last saved state; it is part of the
// checkpoint. Call Saved once the transaction committed. If it did not, the
// next Save writes the same and more.
func (g *Graph) Save(tx *sql.Tx) error {
	for _, t := range g.changes() {
		if err := t.write(tx); err != nil {
			return fmt.Errorf("save care relations: %w", err)
		}
	}
	return nil
}

// Saved tells that the transaction of the last Save committed.
func (g *Graph) Saved() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dirty.done()
	g.dirtySeen.done()
	g.dirtyHeld.done()
	g.dirtyTaught.done()
	g.dirtyNames.done()
	g.dirtyGroups.done()
	g.dirtyRecent.done()
}

// changes encodes all that is to be written, so that the lock is not held
// while the database works.
func (g *Graph) changes() []table {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dirty.begin()
	g.dirtySeen.begin()
	g.dirtyHeld.begin()
	g.dirtyTaught.begin()
	g.dirtyNames.begin()
	g.dirtyGroups.begin()
	g.dirtyRecent.begin()
	return []table{g.recordRows(), g.seenRows(), g.heldRows(), g.taughtRows(), g.nameRows(), g.groupRows(), g.recentRows()}
}

func (g *Graph) recordRows() table {
	t := table{
		upsert: `INSERT INTO care_patients (patient, body) VALUES ($1, $2) ON CONFLICT (patient) DO UPDATE SET body = excluded.body`,
		remove: `DELETE FROM care_patients WHERE patient = $1`,
	}
	for _, id := range slices.Sorted(maps.Keys(g.dirty.keys)) {
		c := change{key: []any{id}}
		if r, ok := g.records[id]; ok {
			c.values = []any{g.encode(r)}
		}
		t.rows = append(t.rows, c)
	}
	return t
}

func (g *Graph) seenRows() table {
	t := table{
		upsert: `INSERT INTO care_seen (patient, person, at, kind, weak, because) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (patient, person) DO UPDATE SET at = excluded.at, kind = excluded.kind, weak = excluded.weak, because = excluded.because`,
		remove: `DELETE FROM care_seen WHERE patient = $1 AND person = $2`,
	}
	for k := range g.dirtySeen.keys {
		c := change{key: []any{k.patient, k.person}}
		if s, ok := g.seen[k]; ok {
			weak := 0
			if s.weak {
				weak = 1
			}
			c.values = []any{int64(s.at), s.kind, weak, strings.Join(s.because, "\n")}
		}
		t.rows = append(t.rows, c)
	}
	return t
}

func (g *Graph) heldRows() table {
	t := table{
		upsert: `INSERT INTO care_held (patient, event_uid, body) VALUES ($1, $2, $3) ON CONFLICT (patient, event_uid) DO UPDATE SET body = excluded.body`,
		remove: `DELETE FROM care_held WHERE patient = $1 AND event_uid = $2`,
	}
	for k := range g.dirtyHeld.keys {
		c := change{key: []any{k.patient, k.uid}}
		if i := slices.IndexFunc(g.held[k.patient], func(p Pending) bool { return p.UID == k.uid }); i >= 0 {
			// Strings and a number: marshalling them cannot fail.
			body, _ := json.Marshal(g.held[k.patient][i])
			c.values = []any{string(body)}
		}
		t.rows = append(t.rows, c)
	}
	return t
}

func (g *Graph) taughtRows() table {
	t := table{upsert: `INSERT INTO care_taught (department, code, patients) VALUES ($1, $2, $3) ON CONFLICT (department, code) DO UPDATE SET patients = excluded.patients`}
	for l := range g.dirtyTaught.keys {
		t.rows = append(t.rows, change{
			key:    []any{g.lexicon.text(l.dept), g.lexicon.text(l.code)},
			values: []any{int64(g.taught.pairs[l])},
		})
	}
	return t
}

func (t *table) write(tx *sql.Tx) error {
	if len(t.rows) == 0 {
		return nil
	}
	slices.SortFunc(t.rows, func(a, b change) int { // one order for all: no deadlocks
		for i := range a.key {
			if c := cmp.Compare(a.key[i].(string), b.key[i].(string)); c != 0 {
				return c
			}
		}
		return 0
	})
	upsert, err := tx.Prepare(t.upsert)
	if err != nil {
		return err
	}
	defer upsert.Close()
	for _, row := range t.rows {
		if row.values == nil {
			_, err = tx.Exec(t.remove, row.key...)
		} else {
			_, err = upsert.Exec(append(slices.Clone(row.key), row.values...)...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// load reads everything at one moment.
func (g *Graph) load(ctx context.Context) error {
	return g.db.View(ctx, func(tx *sql.Tx) error {
		g.clear()
		return errors.Join(g.loadRecords(tx), g.loadSeen(tx), g.loadHeld(tx), g.loadTaught(tx), g.loadTickets(tx), g.loadWatches(tx),
			g.loadNames(tx), g.loadGroups(tx), g.loadRecent(tx))
	})
}

func each(tx *sql.Tx, query string, fn func(*sql.Rows) error) error {
	rows, err := tx.Query(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (g *Graph) loadRecords(tx *sql.Tx) error {
	var scratch []byte
	var linked []*record
	err := each(tx, `SELECT patient, body FROM care_patients`, func(rows *sql.Rows) error {
		var id, body string
		if err := rows.Scan(&id, &body); err != nil {
			return err
		}
		r, err := g.decode(id, body, &scratch)
		if err != nil {
			return err
		}
		g.records[id] = r
		for i := range r.edges {
			g.heard[r.edges[i].kind] = true
		}
		if len(r.links) > 0 {
			linked = append(linked, r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range linked {
		for _, l := range r.links {
			g.backlinks[l.to] = append(g.backlinks[l.to], r.id)
		}
	}
	for _, r := range linked {
		g.regroup(r)
	}
	return nil
}

func (g *Graph) loadSeen(tx *sql.Tx) error {
	return each(tx, `SELECT patient, person, at, kind, weak, because FROM care_seen`, func(rows *sql.Rows) error {
		var k pair
		var s seen
		var at, weak int64
		var because string
		if err := rows.Scan(&k.patient, &k.person, &at, &s.kind, &weak, &because); err != nil {
			return err
		}
		s.at, s.weak, s.because = second(at), weak != 0, strings.Split(because, "\n")
		g.seen[k] = s
		return nil
	})
}

func (g *Graph) loadHeld(tx *sql.Tx) error {
	return each(tx, `SELECT body FROM care_held`, func(rows *sql.Rows) error {
		var body string
		if err := rows.Scan(&body); err != nil {
			return err
		}
		var p Pending
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			return fmt.Errorf("read a kept access: %w", err)
		}
		list := g.held[p.Patient]
		i, _ := slices.BinarySearchFunc(list, p, comparePending)
		g.held[p.Patient] = slices.Insert(list, i, p)
		g.nHeld++
		return nil
	})
}

func (g *Graph) loadTaught(tx *sql.Tx) error {
	return each(tx, `SELECT department, code, patients FROM care_taught`, func(rows *sql.Rows) error {
		var dept, code string
		var n int64
		if err := rows.Scan(&dept, &code, &n); err != nil {
			return err
		}
		g.taught.add(lesson{g.lexicon.add(dept), g.lexicon.add(code)}, uint32(n))
		return nil
	})
}

func (g *Graph) loadTickets(tx *sql.Tx) error {
	return each(tx, `SELECT ticket_id, person_id, purpose, scope, starts, ends, approved_by FROM care_tickets`, func(rows *sql.Rows) error {
		var t Ticket
		var scope string
		if err := rows.Scan(&t.ID, &t.Person, &t.Purpose, &scope, &t.From, &t.Until, &t.ApprovedBy); err != nil {
			return err
		}
		var err error
		if t.Scope, err = parseScope(scope); err != nil {
			return err
		}
		g.addTicket(t)
		return nil
	})
}

func (g *Graph) loadWatches(tx *sql.Tx) error {
	return each(tx, `SELECT kind, patient, starts, ends, reason FROM care_watchlist`, func(rows *sql.Rows) error {
		var w Watch
		if err := rows.Scan(&w.Kind, &w.Patient, &w.From, &w.Until, &w.Reason); err != nil {
			return err
		}
		g.addWatch(w)
		return nil
	})
}

func saveTickets(tx *sql.Tx, tickets []Ticket) error {
	stmt, err := tx.Prepare(`INSERT INTO care_tickets (ticket_id, person_id, purpose, scope, starts, ends, approved_by) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (ticket_id) DO UPDATE SET person_id = excluded.person_id, purpose = excluded.purpose, scope = excluded.scope,
		starts = excluded.starts, ends = excluded.ends, approved_by = excluded.approved_by`)
	if err != nil {
		return err
	}
	defer stmt.Close()
	for _, t := range tickets {
		if _, err := stmt.Exec(t.ID, t.Person, t.Purpose, t.Scope.String(), t.From, t.Until, t.ApprovedBy); err != nil {
			return err
		}
	}
	return nil
}

func saveWatches(tx *sql.Tx, watches []Watch) error {
	stmt, err := tx.Prepare(`INSERT INTO care_watchlist (kind, patient, starts, ends, reason) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (kind, patient, starts) DO UPDATE SET ends = excluded.ends, reason = excluded.reason`)
	if err != nil {
		return err
	}
	defer stmt.Close()
	for _, w := range watches {
		if _, err := stmt.Exec(w.Kind, w.Patient, w.From, w.Until, w.Reason); err != nil {
			return err
		}
	}
	return nil
}
