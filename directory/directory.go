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
	"io"
	"iter"
	"log/slog"
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
	// Keys are keyed tokens of phone, address, national_id, name, surname.
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
type Directory struct{}

// Open reads the directory from the store. now's location is the site's time
// zone, in which a date without a time is understood.
func Open(ctx context.Context, db *store.DB, key keyed.Key, now func() time.Time, log *slog.Logger) (*Directory, error) {
	panic("soon")
}

// Resolve finds a person by account, else by person_id.
func (d *Directory) Resolve(account string) (Person, bool) { panic("soon") }

// Person finds a person by id.
func (d *Directory) Person(id string) (Person, bool) { panic("soon") }

// People lists everybody, ordered by id.
func (d *Directory) People() iter.Seq[Person] { panic("soon") }

// Len is the number of people.
func (d *Directory) Len() int { panic("soon") }

// ByKey lists the ids of the people who have this token.
func (d *Directory) ByKey(kind, token string) []string { panic("soon") }

// DepartmentAt is the department and role of a person at a time.
func (d *Directory) DepartmentAt(personID string, at int64) (department, role string) {
	panic("soon")
}

// OnDuty is the shift (else the on-call duty) of a person at a time.
func (d *Directory) OnDuty(personID string, at int64) (Shift, bool) { panic("soon") }

// Shifts lists the shifts of a person which touch a span of time.
func (d *Directory) Shifts(personID string, from, until int64) []Shift { panic("soon") }

// HasRoster says whether there is any roster at all.
func (d *Directory) HasRoster() bool { panic("soon") }

// Covered says whether the roster speaks about this person around a time: if
// not, being absent from it means nothing.
func (d *Directory) Covered(personID string, at int64) bool { panic("soon") }

// Version changes with every import.
func (d *Directory) Version() uint64 { panic("soon") }

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

// ImportPeople reads people as CSV.
func (d *Directory) ImportPeople(ctx context.Context, r io.Reader, progress func(Counts)) (Counts, error) {
	panic("soon")
}

// ImportRoster reads shifts as CSV.
func (d *Directory) ImportRoster(ctx context.Context, r io.Reader, progress func(Counts)) (Counts, error) {
	panic("soon")
}
