package simulate

import (
	"encoding/csv"
	"fmt"
	"io"
	"time"
)

// ticket is an approval somebody signed.
type ticket struct {
	id, purpose, scope string
	who, approver      *person
	from, until        tick
	dept               *department // of a department ticket
	pat                *patient    // of a patient ticket
}

// watch is a line of the watchlist.
type watch struct {
	kind   string
	pat    *patient
	from   tick
	until  tick // never while open
	reason string
}

// makeWatchlist chooses the patients that need special care: known faces,
// disputes under seal, records of nobody, and level-5 data.
func (h *Hospital) makeWatchlist(d dice) {
	eve := -30 * oneDay
	for range max(4, len(h.patients)/1000) {
		p := h.ordinary(d)
		p.vip = true
		h.watches = append(h.watches, watch{"vip", p, eve, never, "public figure"})
	}
	for range max(3, len(h.patients)/2000) {
		p := h.ordinary(d)
		p.sealed = tick(d.between(-5, h.cfg.Days/3))*oneDay + d.within(0, 6*hour)
		h.watches = append(h.watches, watch{"sealed", p, p.sealed, never, "dispute, sealed on request of the patient"})
	}
	for range max(4, len(h.patients)/1500) {
		p := h.ordinary(d)
		p.canary = true
		h.watches = append(h.watches, watch{"canary", p, eve, never, "fictitious record"})
	}
	for range max(8, len(h.patients)*12/1000) {
		p := h.ordinary(d)
		p.sensitive = pick(d, []string{"HIV", "PSY", "STD", "SEX", "GDIS"})
		p.dx = sensitiveDiagnosis(p.sensitive)
		h.watches = append(h.watches, watch{"sensitive", p, eve, never, "level 5"})
	}
}

// ordinary finds a patient without ties to staff or to another list.
func (h *Hospital) ordinary(d dice) *patient {
	for {
		p := pick(d, h.patients)
		if p.self == nil && len(p.home.staff) == 0 && !p.vip && !p.canary && p.sealed == never && p.sensitive == "" {
			return p
		}
	}
}

// makeTickets signs approvals for research, quality review, and repairs by IT and vendors.
func (h *Hospital) makeTickets(d dice) {
	wards := h.clinics()
	for i, p := range h.staff {
		for from := 0; from < h.cfg.Days; from += 14 {
			switch p.role {
			case researcher:
				h.sign(ticket{purpose: "research project, ethics approval on file", who: p, dept: wards[(i+from)%len(wards)]}, from, 14)
			case quality:
				h.sign(ticket{purpose: "quality review", who: p, dept: wards[(i+from/7)%len(wards)]}, from, 7)
				h.sign(ticket{purpose: "quality review", who: p, dept: wards[(i+from/7+1)%len(wards)]}, from+7, 7)
			case itStaff:
				h.sign(ticket{purpose: "duplicate record to be repaired", who: p, pat: h.ordinary(d)}, from+d.IntN(7), 2)
				h.sign(ticket{purpose: "lines of a prescription to be repaired", who: p, scope: "table:" + h.schema().item}, from+d.IntN(7), 1)
			case vendorStaff:
				h.sign(ticket{purpose: "remote maintenance", who: p, pat: h.ordinary(d)}, from+d.IntN(7), 1)
				h.sign(ticket{purpose: "index rebuild", who: p, scope: "table:EMR_AUDIT"}, from+d.IntN(7), 1)
			}
		}
	}
}

func (h *Hospital) sign(t ticket, day, days int) {
	t.id = fmt.Sprintf("T%05d", 1+len(h.tickets))
	t.from, t.until = dayStart(day), dayStart(day+days)
	t.approver = h.department(deptBoard).people[0]
	switch {
	case t.pat != nil:
		t.scope = "patient:" + t.pat.id
	case t.dept != nil:
		t.scope = "department:" + t.dept.hr
	}
	h.tickets = append(h.tickets, t)
}

// WriteTickets writes tickets.csv.
func (h *Hospital) WriteTickets(w io.Writer) error {
	rows := [][]string{{"ticket_id", "person_id", "purpose", "scope", "from", "until", "approved_by"}}
	for _, t := range h.tickets {
		rows = append(rows, []string{t.id, t.who.id, t.purpose, t.scope, h.time(t.from).Format(time.RFC3339),
			h.time(t.until).Format(time.RFC3339), t.approver.id})
	}
	return writeCSV(w, rows)
}

// WriteWatchlist writes watchlist.csv.
func (h *Hospital) WriteWatchlist(w io.Writer) error {
	rows := [][]string{{"kind", "patient_id", "from", "until", "reason"}}
	for _, x := range h.watches {
		until := ""
		if x.until != never {
			until = h.time(x.until).Format(time.RFC3339)
		}
		rows = append(rows, []string{x.kind, x.pat.id, h.time(x.from).Format(time.RFC3339), until, x.reason})
	}
	return writeCSV(w, rows)
}

func csvWriter(w io.Writer) *csv.Writer { return csv.NewWriter(w) }

func writeCSV(w io.Writer, rows [][]string) error {
	if err := csvWriter(w).WriteAll(rows); err != nil {
		return fmt.Errorf("simulate: write table: %w", err)
	}
	return nil
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
