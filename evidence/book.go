package evidence

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Record is one version of something people may later argue about: a finding,
// a case, an action, a decision, a sign-off, a change of configuration. Kind,
// ID and Version name it. The other columns are what lists are made from; all
// of them are bound into the log together with the body.
type Record struct {
	Kind, ID string
	Version  int
	// Time is when it happened, in ms.
	Time int64
	// Person and Patient are ids, Status a word of the kind's own, Ref the id
	// of another record.
	Person, Patient, Status, Ref string
	// Score orders lists; any finite number.
	Score float64
	// Body is JSON, kept byte for byte.
	Body []byte
	// Row is the number of the row in the order of writing, from 1; set on
	// reading.
	Row int64
}

// Filter chooses records; an empty field does not filter.
type Filter struct {
	Kind, Status, Person, Patient, Ref string
	// Since and Until bound Time in ms: Since <= time < Until; 0 is open.
	Since, Until int64
	// Order is "time" (newest first, the default), "score" (highest first,
	// then newest) or "row" (oldest first).
	Order string
	// Limit 0 means all.
	Limit, Offset int
}

const recordColumns = "n, kind, id, version, time, person, patient, status, ref, score, body"

// Put writes a new version of a record in the caller's transaction and returns
// its number, counting from 1. r.Version and r.Row are ignored. A record equal
// to the latest version in everything but Time writes nothing and returns that
// version's number, so a replay is harmless. The log follows within a second
// of the commit (see [Log.Run]).
func (l *Log) Put(tx *sql.Tx, r Record) (version int, err error) {
	if err := r.check(); err != nil {
		return 0, err
	}
	old, err := l.Latest(tx, r.Kind, r.ID)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return 0, err
	case old.same(r):
		return old.Version, nil
	}
	r.Version = old.Version + 1
	if r.Row, err = nextNumber(tx, "records"); err != nil {
		return 0, fmt.Errorf("put %s record: %w", r.Kind, err)
	}
	if err := insertRecord(tx, r); err != nil {
		return 0, fmt.Errorf("put %s record: %w", r.Kind, err)
	}
	return r.Version, nil
}

func insertRecord(tx *sql.Tx, r Record) error {
	if r.Version > 1 {
		_, err := tx.Exec("UPDATE records SET latest = 0 WHERE kind = $1 AND id = $2 AND latest = 1", r.Kind, r.ID)
		if err != nil {
			return err
		}
	}
	var salt [16]byte
	rand.Read(salt[:])
	_, err := tx.Exec(`INSERT INTO records (`+recordColumns+`, salt, latest)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1)`,
		r.Row, r.Kind, r.ID, r.Version, r.Time, r.Person, r.Patient, r.Status, r.Ref, r.Score, string(r.Body),
		base64.StdEncoding.EncodeToString(salt[:]))
	return err
}

// nextNumber counts up inside the transaction: the row of the counter stays
// locked until the commit, so numbers have no gaps and follow commits.
func nextNumber(tx *sql.Tx, name string) (n int64, err error) {
	err = tx.QueryRow("UPDATE evidence_counters SET value = value + 1 WHERE name = $1 RETURNING value", name).Scan(&n)
	return n, err
}

// check refuses what could not be read back byte for byte.
func (r Record) check() error {
	switch {
	case r.Kind == "" || r.ID == "":
		return errors.New("put record: kind and id must not be empty")
	case math.IsNaN(r.Score) || math.IsInf(r.Score, 0):
		return fmt.Errorf("put %s record: the score is not a number", r.Kind)
	case !json.Valid(r.Body) || !utf8.Valid(r.Body):
		return fmt.Errorf("put %s record: the body is not JSON in UTF-8", r.Kind)
	}
	for _, s := range []string{r.Kind, r.ID, r.Person, r.Patient, r.Status, r.Ref} {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			return fmt.Errorf("put %s record: a column is not text in UTF-8", r.Kind)
		}
	}
	return nil
}

func (r Record) same(o Record) bool {
	return r.Person == o.Person && r.Patient == o.Patient && r.Status == o.Status && r.Ref == o.Ref &&
		r.Score == o.Score && string(r.Body) == string(o.Body)
}

// appendCanonical appends what the leaf of a record is the hash of: every
// column but salt and latest, each as "length:text,", in this order. Numbers
// are decimal, the score in its shortest form.
func (r Record) appendCanonical(dst []byte) []byte {
	field := func(s string) {
		dst = strconv.AppendInt(dst, int64(len(s)), 10)
		dst = append(dst, ':')
		dst = append(dst, s...)
		dst = append(dst, ',')
	}
	field("cordon-record/v1")
	field(strconv.FormatInt(r.Row, 10))
	field(r.Kind)
	field(r.ID)
	field(strconv.Itoa(r.Version))
	field(strconv.FormatInt(r.Time, 10))
	field(r.Person)
	field(r.Patient)
	field(r.Status)
	field(r.Ref)
	field(strconv.FormatFloat(r.Score, 'g', -1, 64))
	field(string(r.Body))
	return dst
}

// Get returns the latest version of a record; a missing one is
// fs.ErrNotExist.
func (l *Log) Get(ctx context.Context, kind, id string) (r Record, err error) {
	err = l.db.View(ctx, func(tx *sql.Tx) error {
		r, err = l.Latest(tx, kind, id)
		return err
	})
	return r, err
}

// Latest is Get inside a transaction of the caller.
func (l *Log) Latest(tx *sql.Tx, kind, id string) (Record, error) {
	row := tx.QueryRow("SELECT "+recordColumns+" FROM records WHERE kind = $1 AND id = $2 ORDER BY version DESC LIMIT 1", kind, id)
	r, err := scanRecord(row)
	if errors.Is(err, sql.ErrNoRows) {
		return Record{}, fmt.Errorf("%s record: %w", kind, fs.ErrNotExist)
	}
	if err != nil {
		return Record{}, fmt.Errorf("read %s record: %w", kind, err)
	}
	return r, nil
}

// History returns all versions of a record, oldest first; none is no error.
func (l *Log) History(ctx context.Context, kind, id string) (list []Record, err error) {
	err = l.db.View(ctx, func(tx *sql.Tx) error {
		list, err = queryRecords(tx, "SELECT "+recordColumns+" FROM records WHERE kind = $1 AND id = $2 ORDER BY version", kind, id)
		return err
	})
	return list, err
}

// List returns the latest versions that match.
func (l *Log) List(ctx context.Context, f Filter) (list []Record, err error) {
	err = l.db.View(ctx, func(tx *sql.Tx) error {
		list, err = l.Select(tx, f)
		return err
	})
	return list, err
}

// Select is List inside a transaction of the caller.
func (l *Log) Select(tx *sql.Tx, f Filter) ([]Record, error) {
	where, args := f.where()
	query := "SELECT " + recordColumns + " FROM records WHERE " + where + " ORDER BY " + f.order()
	if f.Limit > 0 {
		query += " LIMIT " + strconv.Itoa(f.Limit)
	} else if f.Offset > 0 {
		query += " LIMIT " + strconv.FormatInt(math.MaxInt64, 10)
	}
	if f.Offset > 0 {
		query += " OFFSET " + strconv.Itoa(f.Offset)
	}
	return queryRecords(tx, query, args...)
}

// Count says how many latest versions match, without Limit and Offset.
func (l *Log) Count(ctx context.Context, f Filter) (n int, err error) {
	where, args := f.where()
	err = l.db.View(ctx, func(tx *sql.Tx) error {
		return tx.QueryRow("SELECT count(*) FROM records WHERE "+where, args...).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("count records: %w", err)
	}
	return n, nil
}

func (f Filter) where() (string, []any) {
	cond, args := "latest = 1", []any(nil)
	add := func(text string, arg any) {
		args = append(args, arg)
		cond += " AND " + text + " $" + strconv.Itoa(len(args))
	}
	for _, c := range []struct{ column, value string }{
		{"kind =", f.Kind}, {"status =", f.Status}, {"person =", f.Person}, {"patient =", f.Patient}, {"ref =", f.Ref},
	} {
		if c.value != "" {
			add(c.column, c.value)
		}
	}
	if f.Since != 0 {
		add("time >=", f.Since)
	}
	if f.Until != 0 {
		add("time <", f.Until)
	}
	return cond, args
}

func (f Filter) order() string {
	switch f.Order {
	case "score":
		return "score DESC, time DESC, n DESC"
	case "row":
		return "n"
	}
	return "time DESC, n DESC"
}

func queryRecords(tx *sql.Tx, query string, args ...any) ([]Record, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	defer rows.Close()
	var list []Record
	for rows.Next() {
		r, err := scanRecord(rows)
		if err != nil {
			return nil, fmt.Errorf("list records: %w", err)
		}
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	return list, nil
}

func scanRecord(row interface{ Scan(...any) error }, more ...any) (r Record, err error) {
	var body string
	err = row.Scan(append([]any{&r.Row, &r.Kind, &r.ID, &r.Version, &r.Time, &r.Person, &r.Patient,
		&r.Status, &r.Ref, &r.Score, &body}, more...)...)
	r.Body = []byte(body)
	return r, err
}
