// Package directory knows the hospital's people: who they are, by which
// accounts applications know them, what they do in which department, when
// they are on duty and when they left.
//
// What it gives: [Directory], filled from CSV files (ImportPeople,
// ImportRoster) and by directory/ldap through [Directory.Merge], and read
// from a snapshot without locks, so the pipeline may ask for every event. A
// person's department and role are kept with the time from which they held:
// an access of last month is judged by the department of last month.
//
// It owns the tables directory_people, directory_accounts,
// directory_departments, directory_shifts and directory_marks.
//
// What it guarantees: an import repeated gives the same directory; one bad
// row is set aside with its line and reason and does not stop the rest; a
// source never clears what only another source knows; once an import returns,
// its people survive kill -9 and every later question sees them. Phone
// numbers, addresses, names' tokens and identity numbers are kept as keyed
// tokens only.
//
// What it does not do: it never concludes that somebody left because a CSV
// file no longer lists them (files are often partial), it does not sign people
// in, and it holds no patients.
package directory

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
)

// Person is one member of staff. It is a value of a snapshot: its slices are
// shared and must not be changed.
type Person struct {
	// ID is the hospital's staff number (XCN.1 in HL7 v2).
	ID string
	// Accounts are the names applications know the person by.
	Accounts []string
	Name     string
	Role     string
	// Department is the current one; see [Directory.DepartmentAt].
	Department string
	ManagerID  string
	// Keys are keyed tokens of phone, address, building, national_id, name, surname.
	Keys []ocsf.Key
	// Hired and Ended are ms; 0 is unknown and not ended. Ended is the end of
	// the last day of work, or when all accounts were found disabled.
	Hired int64
	Ended int64
	// Source is who last said so: "csv", "ldap".
	Source string
}

// The kinds of a [Shift].
const (
	KindShift  = "shift"
	KindOnCall = "oncall"
)

// Shift is a time on the roster, From included, Until excluded, in ms.
type Shift struct {
	Person     string
	Department string
	From       int64
	Until      int64
	Kind       string
}

// Directory answers from its latest snapshot. All methods may be called
// concurrently.
type Directory struct {
	db  *store.DB
	key keyed.Key
	now func() time.Time
	log *slog.Logger

	writing sync.Mutex // held by whoever makes the next snapshot
	current atomic.Pointer[snapshot]
}

//go:embed migrations/*.sql
var migrations embed.FS

// Open reads the directory from the store. now's location is the site's time
// zone, in which a date without a time is understood.
func Open(ctx context.Context, db *store.DB, key keyed.Key, now func() time.Time, log *slog.Logger) (*Directory, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	if err := db.Migrate(ctx, "directory", sub); err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	d := &Directory{db: db, key: key, now: now, log: log}
	s, err := d.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	d.current.Store(s)
	return d, nil
}

// Zone is the site's time zone.
func (d *Directory) Zone() *time.Location { return d.now().Location() }

// Resolve finds a person by account, else by person_id. Accounts are compared
// without case, and "HOSPITAL\\li.na" and "li.na@hospital.cn" also find "li.na".
func (d *Directory) Resolve(account string) (Person, bool) {
	return d.current.Load().resolve(account)
}

// Person finds a person by id.
func (d *Directory) Person(id string) (Person, bool) {
	e, ok := d.current.Load().people[id]
	if !ok {
		return Person{}, false
	}
	return e.Person, true
}

// People lists everybody, ordered by id.
func (d *Directory) People() iter.Seq[Person] {
	s := d.current.Load()
	return func(yield func(Person) bool) {
		for _, id := range s.ids {
			if !yield(s.people[id].Person) {
				return
			}
		}
	}
}

// Len is the number of people.
func (d *Directory) Len() int { return len(d.current.Load().ids) }

// ByKey lists the ids of the people who have this token, ordered. The slice
// is shared and must not be changed.
func (d *Directory) ByKey(kind, token string) []string {
	if token == "" {
		return nil
	}
	return d.current.Load().byKey[ocsf.Key{Kind: kind, Token: token}]
}

// DepartmentAt is the department and role of a person at a time, "" for a
// stranger.
func (d *Directory) DepartmentAt(personID string, at int64) (department, role string) {
	e, ok := d.current.Load().people[personID]
	if !ok {
		return "", ""
	}
	p := e.postAt(at)
	return p.department, p.role
}

// Posts lists the departments a person worked in, oldest first.
func (d *Directory) Posts(personID string) []Post {
	e, ok := d.current.Load().people[personID]
	if !ok {
		return nil
	}
	out := make([]Post, len(e.posts))
	for i, p := range e.posts {
		out[i] = Post{Since: p.since, Department: p.department, Role: p.role}
	}
	return out
}

// Post is a department and role held since a time in ms; 0 means as long as
// the directory knows the person.
type Post struct {
	Since      int64
	Department string
	Role       string
}

// OnDuty is the shift (else the on-call duty) of a person at a time.
func (d *Directory) OnDuty(personID string, at int64) (Shift, bool) {
	var found Shift
	ok := false
	for s := range d.ShiftsIn(personID, at, at+1) {
		if !ok || (found.Kind == KindOnCall && s.Kind == KindShift) {
			found, ok = s, true
		}
	}
	return found, ok
}

// ShiftsIn yields the shifts of a person that touch a span of time, in order
// of their beginning.
func (d *Directory) ShiftsIn(personID string, from, until int64) iter.Seq[Shift] {
	list := d.current.Load().shifts[personID]
	return func(yield func(Shift) bool) {
		for i := list.first(from); i < len(list) && list[i].from < until; i++ {
			s := list[i]
			if s.until > from && !yield(s.public(personID)) {
				return
			}
		}
	}
}

// HasRoster says whether there is any roster at all.
func (d *Directory) HasRoster() bool { return len(d.current.Load().shifts) > 0 }

// roundAbout is how near the rest of a person's roster must be for their
// absence from it to mean something.
const roundAbout = 14 * 24 * int64(time.Hour/time.Millisecond)

// Covered says whether the roster speaks about this person around a time (two
// weeks either side): if not, being absent from it means nothing.
func (d *Directory) Covered(personID string, at int64) bool {
	for range d.ShiftsIn(personID, at-roundAbout, at+roundAbout) {
		return true
	}
	return false
}

// Version changes with every import.
func (d *Directory) Version() uint64 { return d.current.Load().version }

// Counts is how an import went.
type Counts struct {
	// Read rows are Accepted, Duplicate (changed nothing) or Quarantined.
	Read, Accepted, Duplicate, Quarantined int
	// Warnings are about the file, one each.
	Warnings []string
	// Rejects are the quarantined rows.
	Rejects []Reject
}

// Reject is one row set aside. Data is the row itself: personal data, for the
// quarantine only.
type Reject struct {
	Line   int
	Reason string
	Data   []byte
}
