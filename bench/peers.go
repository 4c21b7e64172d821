package bench

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cordon-health/cordon/normalize"
	"github.com/cordon-health/cordon/store/sqlite"
)

// Peers measures, on the same events and the same machine, what others would
// do in one step of ours. They are no complete alternatives: none explains,
// judges or proves anything. They show what the steps cost.
//
//   - Reading FHIR AuditEvents: encoding/json into maps, only until the tree
//     stands, against normalize, until the OCSF event stands.
//   - Keeping events durably: SQLite (WAL, full sync) and PostgreSQL (COPY),
//     a transaction of 1,000 rows at a time with id, time, person, patient and
//     the record itself, and an index by patient, against the whole of Cordon
//     (Feed).
type Peers struct {
	l      *Load
	events int
	bodies [][]byte
}

// NewPeers takes the first events of a load.
func NewPeers(l *Load, events int) (*Peers, error) {
	p := &Peers{l: l}
	var body []byte
	part := *l
	part.Events = min(int64(events), l.Events)
	p.events = int(part.Events)
	n := 0
	err := part.Each(func(line []byte) error {
		body = append(body, line...)
		if n++; n%1000 == 0 || n == p.events {
			p.bodies = append(p.bodies, body)
			body = nil
		}
		return nil
	})
	return p, err
}

// Reading compares normalize with encoding/json.
func (p *Peers) Reading() ([][]string, error) {
	norm := normalize.New(normalize.Options{Zone: time.UTC})
	ours, err := p.timed(func(body []byte) error {
		evs, rejects := norm.Normalize(normalize.Input{Format: "fhir-auditevent", Source: "peer", Received: 1, Data: body})
		if len(evs) == 0 || len(rejects) > 0 {
			return fmt.Errorf("normalize: %d events, %d rejects", len(evs), len(rejects))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	maps, err := p.timed(func(body []byte) error {
		for len(body) > 0 {
			end := indexFrom(body, "\n", 0)
			var v map[string]any
			if err := json.Unmarshal(body[:end], &v); err != nil {
				return err
			}
			body = body[end:]
		}
		return nil
	})
	return [][]string{
		{"read an AuditEvent: normalize, to the OCSF event", p.per(ours), "1"},
		{"read an AuditEvent: encoding/json, to a map only", p.per(maps), ratio(ours, maps)},
	}, err
}

func (p *Peers) timed(fn func([]byte) error) (time.Duration, error) {
	begun := time.Now()
	for _, body := range p.bodies {
		if err := fn(body); err != nil {
			return 0, err
		}
	}
	return time.Since(begun), nil
}

func (p *Peers) per(d time.Duration) string { return count(rate(int64(p.events), d)) + "/s" }

// ratio is how many times as long theirs took.
func ratio(ours, theirs time.Duration) string {
	return fmt.Sprintf("%.2f", float64(ours)/float64(max(theirs, 1)))
}

// row is an event as a table would keep it.
type row struct {
	id, person, patient, record string
	at                          int64
}

// rows reads a body outside of what is measured.
func rows(body []byte) []row {
	norm := normalize.New(normalize.Options{Zone: time.UTC})
	evs, _ := norm.Normalize(normalize.Input{Format: "fhir-auditevent", Source: "peer", Received: 1, Data: body})
	var all []row
	for _, ev := range evs {
		r := row{id: ev.Metadata.UID, person: ev.Actor.User.Account, at: ev.Time, record: string(ev.AppendJSON(nil))}
		if ev.Patient != nil {
			r.patient = ev.Patient.UID
		}
		all = append(all, r)
	}
	return all
}

const peerTable = `CREATE TABLE events (id TEXT PRIMARY KEY, time BIGINT, person TEXT, patient TEXT, record TEXT)`

// Keeping compares SQLite and PostgreSQL (at url; empty leaves it out) with
// the whole of Cordon at so many events a second (0 when that was not measured).
func (p *Peers) Keeping(ctx context.Context, path, url string, ours int64) ([][]string, error) {
	var out [][]string
	against := func(int64) string { return "" }
	if ours > 0 {
		against = func(theirs int64) string { return fmt.Sprintf("%.2f", float64(theirs)/float64(ours)) }
		out = append(out, []string{"keep an event: all of Cordon, end to end", count(ours) + "/s", "1"})
	}
	add := func(name string, d time.Duration) {
		theirs := rate(int64(p.events), d)
		out = append(out, []string{name, count(theirs) + "/s", against(theirs)})
	}
	took, err := p.sqlite(ctx, path)
	if err != nil {
		return nil, err
	}
	add("keep an event: SQLite, WAL and full sync, 1,000 a transaction", took)
	if url == "" {
		return out, nil
	}
	if took, err = p.postgres(ctx, url); err != nil {
		return nil, err
	}
	add("keep an event: PostgreSQL, COPY, 1,000 a transaction", took)
	return out, nil
}

func (p *Peers) sqlite(ctx context.Context, path string) (took time.Duration, err error) {
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	if err := db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, peerTable+`; CREATE INDEX events_patient ON events (patient, time)`)
		return err
	}); err != nil {
		return 0, err
	}
	for _, body := range p.bodies {
		batch := rows(body)
		begun := time.Now()
		err := db.Update(ctx, func(tx *sql.Tx) error { return insertAll(ctx, tx, batch) })
		if err != nil {
			return 0, err
		}
		took += time.Since(begun)
	}
	return took, nil
}

func insertAll(ctx context.Context, tx *sql.Tx, batch []row) error {
	stmt, err := tx.PrepareContext(ctx, `INSERT INTO events VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`)
	if err != nil {
		return err
	}
	defer stmt.Close()
	for _, r := range batch {
		if _, err := stmt.ExecContext(ctx, r.id, r.at, r.person, r.patient, r.record); err != nil {
			return err
		}
	}
	return nil
}

// postgres copies into a table without a unique key first, as COPY cannot
// skip repeats; that is in its favour.
func (p *Peers) postgres(ctx context.Context, url string) (took time.Duration, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // a test database
	if _, err := conn.Exec(ctx, `CREATE TABLE events (id TEXT, time BIGINT, person TEXT, patient TEXT, record TEXT); CREATE INDEX ON events (id); CREATE INDEX ON events (patient, time)`); err != nil {
		return 0, err
	}
	for _, body := range p.bodies {
		batch := rows(body)
		values := make([][]any, len(batch))
		for i, r := range batch {
			values[i] = []any{r.id, r.at, r.person, r.patient, r.record}
		}
		begun := time.Now()
		if _, err := conn.CopyFrom(ctx, pgx.Identifier{"events"}, []string{"id", "time", "person", "patient", "record"}, pgx.CopyFromRows(values)); err != nil {
			return 0, err
		}
		took += time.Since(begun)
	}
	return took, nil
}
