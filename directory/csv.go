package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cordon-health/cordon/internal/sheet"
)

// every is after how many rows progress is told.
const every = 1000

// CSV is the source name of people read from files.
const CSV = "csv"

// ImportPeople reads people as CSV: person_id, account (several separated by
// ";"), name, role, department, manager_id, phone, address, national_id,
// hire_date, end_date. Only person_id is required in a row, and person_id,
// account, name and department in the header. progress may be nil.
func (d *Directory) ImportPeople(ctx context.Context, r io.Reader, progress func(Counts)) (Counts, error) {
	cols := sheet.Columns{
		Required: []string{"person_id", "account", "name", "department"},
		Optional: []string{"role", "manager_id", "phone", "address", "national_id", "hire_date", "end_date"},
	}
	batch := Batch{Source: CSV}
	zone := d.Zone()
	counts, err := Rows(ctx, r, cols, progress, func(row sheet.Row) error {
		rec, err := person(row, zone)
		if err == nil {
			batch.Records = append(batch.Records, rec)
		}
		return err
	})
	if err != nil {
		return counts, fmt.Errorf("import people: %w", err)
	}
	merged, err := d.Merge(ctx, batch)
	if err != nil {
		return counts, fmt.Errorf("import people: %w", err)
	}
	counts.Accepted, counts.Duplicate = merged.Accepted, merged.Duplicate
	return counts, nil
}

// Bounds of the bad rows that an import keeps.
const (
	mostRejects     = 10_000
	mostRejectBytes = 64 << 20
)

// Rows reads a CSV file row by row for an import: a row that is bad or that
// take refuses is quarantined, the rest is counted as read. It is for the
// packages that import lists of their own. progress may be nil. Of very many
// bad rows only the first are kept, which says what is wrong with the file; a
// warning tells how many are not.
func Rows(ctx context.Context, r io.Reader, cols sheet.Columns, progress func(Counts), take func(sheet.Row) error) (Counts, error) {
	var counts Counts
	kept := 0 // bytes
	warnings, err := sheet.Read(r, cols, func(row sheet.Row) error {
		counts.Read++
		if progress != nil && counts.Read%every == 0 {
			progress(counts)
		}
		reason := row.Bad
		if reason == "" {
			if err := take(row); err != nil {
				reason = err.Error()
			}
		}
		if reason != "" {
			counts.Quarantined++
			if data := row.Text(); len(counts.Rejects) < mostRejects && kept+len(data) <= mostRejectBytes {
				counts.Rejects = append(counts.Rejects, Reject{Line: row.Line, Reason: reason, Data: data})
				kept += len(data)
			}
		}
		return ctx.Err()
	})
	counts.Warnings = warnings
	if n := counts.Quarantined - len(counts.Rejects); n > 0 {
		counts.Warnings = append(counts.Warnings, fmt.Sprintf("%d of %d bad rows were counted but not kept in quarantine: correct the file and import it again", n, counts.Quarantined))
	}
	return counts, err
}

// person makes a record of a row. Its errors name columns, never values.
func person(row sheet.Row, zone *time.Location) (Record, error) {
	r := Record{
		ID: row.Get("person_id"), Name: row.Get("name"), Role: row.Get("role"), Department: row.Get("department"),
		ManagerID: row.Get("manager_id"), Phone: row.Get("phone"), Address: row.Get("address"), NationalID: row.Get("national_id"),
	}
	if r.ID == "" {
		return r, errors.New("person_id is empty")
	}
	for column, field := range columnFields() {
		if row.Has(column) {
			r.Says |= field
		}
	}
	for _, name := range strings.FieldsFunc(row.Get("account"), func(r rune) bool { return r == ';' || r == '；' }) {
		if name = strings.TrimSpace(name); name != "" {
			r.Accounts = append(r.Accounts, Account{Name: name})
		}
	}
	var err error
	if r.Hired, err = sheet.Time(row.Get("hire_date"), zone, false); err != nil {
		return r, fmt.Errorf("hire_date: %w", err)
	}
	if r.Ended, err = sheet.Time(row.Get("end_date"), zone, true); err != nil {
		return r, fmt.Errorf("end_date: %w", err)
	}
	if r.Ended != 0 && r.Ended < r.Hired {
		return r, errors.New("end_date is before hire_date")
	}
	return r, nil
}

func columnFields() map[string]Field {
	return map[string]Field{
		"name": FieldName, "role": FieldRole, "department": FieldDepartment, "manager_id": FieldManager,
		"phone": FieldPhone, "address": FieldAddress, "national_id": FieldNationalID,
		"hire_date": FieldHired, "end_date": FieldEnded,
	}
}

// ImportRoster reads shifts as CSV: person_id, department, start, end, kind
// (shift or oncall; shift where it is empty). A later line with the same
// person, kind and start replaces the earlier. Lines of people the directory
// does not know are kept, for the staff list may come later; a warning counts
// them. progress may be nil.
func (d *Directory) ImportRoster(ctx context.Context, r io.Reader, progress func(Counts)) (Counts, error) {
	cols := sheet.Columns{Required: []string{"person_id", "department", "start", "end"}, Optional: []string{"kind"}}
	d.writing.Lock()
	defer d.writing.Unlock()
	next := d.current.Load().next()
	zone := d.Zone()
	var added []Shift
	known, lines, strangers := 0, 0, map[string]bool{}
	counts, err := Rows(ctx, r, cols, progress, func(row sheet.Row) error {
		s, err := rosterLine(row, zone)
		if err != nil {
			return err
		}
		if _, ok := next.people[s.Person]; !ok {
			lines++
			strangers[s.Person] = true
		}
		list, changed := next.shifts[s.Person].add(shift{from: s.From, until: s.Until, department: s.Department, oncall: s.Kind == KindOnCall})
		if !changed {
			known++
			return nil
		}
		next.shifts[s.Person] = list
		added = append(added, s)
		return nil
	})
	if err != nil {
		return counts, fmt.Errorf("import roster: %w", err)
	}
	if err := d.db.Update(ctx, func(tx *sql.Tx) error { return saveShifts(tx, added) }); err != nil {
		return counts, fmt.Errorf("import roster: write shifts: %w", err)
	}
	d.current.Store(next)
	if lines > 0 {
		counts.Warnings = append(counts.Warnings, fmt.Sprintf(
			"%d rows name %d person_ids that are not in the directory and explain nothing until they are: import the staff list, or compare its person_id column", lines, len(strangers)))
	}
	counts.Accepted, counts.Duplicate = len(added), known
	return counts, nil
}

func rosterLine(row sheet.Row, zone *time.Location) (Shift, error) {
	s := Shift{Person: row.Get("person_id"), Department: row.Get("department"), Kind: strings.ToLower(row.Get("kind"))}
	if s.Kind == "" {
		s.Kind = KindShift
	}
	if s.Person == "" || s.Department == "" {
		return s, errors.New("person_id or department is empty")
	}
	if s.Kind != KindShift && s.Kind != KindOnCall {
		return s, errors.New("kind is neither shift nor oncall")
	}
	var err error
	if s.From, err = sheet.Time(row.Get("start"), zone, false); err != nil {
		return s, fmt.Errorf("start: %w", err)
	}
	if s.Until, err = sheet.Time(row.Get("end"), zone, true); err != nil {
		return s, fmt.Errorf("end: %w", err)
	}
	if s.From == 0 || s.Until <= s.From {
		return s, errors.New("start or end is empty, or the end is not after the start")
	}
	if s.Until-s.From > maxShift {
		return s, errors.New("longer than 14 days: split it into the real shifts")
	}
	return s, nil
}
