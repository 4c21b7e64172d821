package lake

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/cordon-health/cordon/ocsf"
)

// ErrNotFound says that no stored or buffered event has the uid.
var ErrNotFound = errors.New("no such event: check its id")

// AccessQuery asks for the accesses to one patient, or by one person, or by
// one person to one patient.
type AccessQuery struct {
	Patient string // Patient.UID
	Person  string // Actor.User.UID
	From    int64  // ms, inclusive; 0 is open
	Until   int64  // ms, exclusive; 0 is open
	Limit   int    // newest first; 0 is all
}

func (q *AccessQuery) covers(at int64) bool {
	return at >= q.From && (q.Until == 0 || at < q.Until)
}

// matches says whether a restored event is asked for. The second record of
// one access is evidence, not an answer.
func (q *AccessQuery) matches(ev *ocsf.Event) bool {
	return ev.IsAccess() && q.covers(ev.Time) &&
		(q.Patient == "" || ev.Patient.UID == q.Patient) &&
		(q.Person == "" || ev.Actor.User.UID == q.Person) &&
		(ev.Access == nil || ev.Access.HalfOf == "")
}

// Accesses returns the accesses that q asks for, newest first, buffered ones
// included and with their latest explanations.
func (l *Lake) Accesses(ctx context.Context, q AccessQuery) ([]*ocsf.Event, error) {
	if q.Patient == "" && q.Person == "" {
		return nil, errors.New("find accesses: a patient or a person is needed")
	}
	hits, v, err := l.searchBuffers(&q)
	if err == nil {
		defer l.release(v.entries)
		hits, err = l.searchFiles(ctx, v.entries, &q, hits)
	}
	if err != nil {
		return nil, fmt.Errorf("find accesses: %w", err)
	}
	evs := make([]*ocsf.Event, len(hits))
	for i, h := range hits {
		evs[i] = h.Event
	}
	if err := l.heal(ctx, evs); err != nil {
		return nil, fmt.Errorf("find accesses: %w", err)
	}
	return evs, nil
}

// newest sorts rows, newest first, and cuts them to the limit.
func newest(rows []Row, limit int) []Row {
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Event.Time, a.Event.Time), cmp.Compare(b.Seq, a.Seq), cmp.Compare(b.Index, a.Index))
	})
	if limit > 0 && len(rows) > limit {
		rows = rows[:limit]
	}
	return rows
}

// searchBuffers searches the buffered rows and returns the files of the same
// moment, so that no row is seen twice or not at all.
func (l *Lake) searchBuffers(q *AccessQuery) ([]Row, view, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var hits []Row
	for _, b := range l.buffers {
		found, err := b.accesses(q)
		if err != nil {
			return nil, view{}, err
		}
		hits = append(hits, found...)
	}
	return newest(hits, q.Limit), l.viewLocked(), nil
}

func (b *buffer) accesses(q *AccessQuery) ([]Row, error) {
	patient, person := b.texts[textPatient].id(q.Patient), b.texts[textPerson].id(q.Person)
	if q.Patient != "" && patient == 0 || q.Person != "" && person == 0 {
		return nil, nil
	}
	var hits []Row
	for i := range b.rows {
		if q.Patient != "" && b.texts[textPatient].idAt(i) != patient ||
			q.Person != "" && b.texts[textPerson].idAt(i) != person || !q.covers(b.int(intTime, i)) {
			continue
		}
		row, err := b.row(b.frame, i)
		if err != nil {
			return nil, err
		}
		if q.matches(row.Event) {
			hits = append(hits, row)
		}
	}
	return hits, nil
}

// row restores one row.
func (t *table) row(f *frame, i int) (Row, error) {
	var r record
	t.record(i, &r)
	ev, err := f.restore(&r)
	return Row{Event: ev, Seq: uint64(r.ints[intSeq]), Index: uint32(r.ints[intIndex])}, err
}

// searchFiles adds the hits in files, newest files first, a few at a time,
// until no other file can have newer ones than those found.
func (l *Lake) searchFiles(ctx context.Context, entries []*entry, q *AccessQuery, hits []Row) ([]Row, error) {
	var list []*entry
	for _, e := range entries {
		if e.overlaps(q.From, q.Until) {
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(a, b *entry) int { return cmp.Compare(b.MaxTime, a.MaxTime) })
	all := 2 * runtime.GOMAXPROCS(0)
	wave := all
	if q.Limit > 0 { // the newest file alone may do
		wave = 1
	}
	for ; len(list) > 0; wave = min(2*wave, all) {
		if q.Limit > 0 && len(hits) == q.Limit && hits[len(hits)-1].Event.Time > list[0].MaxTime {
			break
		}
		n := min(wave, len(list))
		found, err := l.searchWave(ctx, list[:n], q)
		if err != nil {
			return nil, err
		}
		hits = newest(append(hits, found...), q.Limit)
		list = list[n:]
	}
	return hits, nil
}

func (l *Lake) searchWave(ctx context.Context, list []*entry, q *AccessQuery) ([]Row, error) {
	found, errs := make([][]Row, len(list)), make([]error, len(list))
	var wg sync.WaitGroup
	for i, e := range list {
		wg.Go(func() { found[i], errs[i] = l.searchFile(ctx, e, q) })
	}
	wg.Wait()
	return slices.Concat(found...), errors.Join(errs...)
}

func (l *Lake) searchFile(ctx context.Context, e *entry, q *AccessQuery) ([]Row, error) {
	f, err := l.filters(ctx, e)
	if err != nil {
		return nil, err
	}
	if q.Patient != "" && !f.patients.has(hashKey(q.Patient)) || q.Person != "" && !f.people.has(hashKey(q.Person)) {
		return nil, nil
	}
	var hits []Row
	err = l.withFile(ctx, e, func(f *file, d *decoder) error {
		s := search{ctx: ctx, f: f, d: d, q: q, frame: newFrame()}
		if err := s.find(); err != nil {
			return err
		}
		hits = s.hits
		return nil
	})
	return hits, err
}

// withFile runs fn with the open file. An error of fn names the file.
func (l *Lake) withFile(ctx context.Context, e *entry, fn func(*file, *decoder) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h, err := l.handles.get(ctx, &e.FileInfo)
	if err != nil {
		return err
	}
	defer l.handles.put(h)
	d := l.decoders.Get().(*decoder)
	defer l.decoders.Put(d)
	if err := fn(h.file, d); err != nil {
		return fmt.Errorf("lake file %s: %w", e.Name, err)
	}
	return nil
}

// A search finds the accesses of one file.
type search struct {
	ctx   context.Context
	f     *file
	d     *decoder
	q     *AccessQuery
	frame *frame
	hits  []Row
}

// A place is a row that may be asked for.
type place struct {
	group int
	row   int32
	time  int64
}

func (s *search) find() error {
	var places []place
	for g := range s.f.groups {
		some, err := s.candidates(g)
		if err != nil {
			return err
		}
		places = append(places, some...)
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Compare(b.time, a.time) })
	for len(places) > 0 && (s.q.Limit == 0 || len(s.hits) < s.q.Limit) {
		n := len(places)
		if s.q.Limit > 0 {
			n = min(n, s.q.Limit)
		}
		if err := s.restore(places[:n]); err != nil {
			return err
		}
		places = places[n:]
	}
	return nil
}

// candidates are the rows of a group with the right patient, person and time.
func (s *search) candidates(g int) (places []place, err error) {
	defer guard(&err)
	rows, err := s.rows(g)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	var t table
	want := func(c column) bool {
		return s.q.Patient != "" && s.q.Person != "" && c.kind == kindText && c.source == textPerson
	}
	if err := s.d.load(s.f, g, rows, want, &t); err != nil {
		return nil, err
	}
	for i, row := range rows {
		if s.q.covers(t.int(intTime, i)) && (s.q.Patient == "" || s.q.Person == "" || t.text(textPerson, i) == s.q.Person) {
			places = append(places, place{g, row, t.int(intTime, i)})
		}
	}
	return places, nil
}

func (s *search) rows(g int) ([]int32, error) {
	if s.q.Patient != "" {
		return s.d.find(s.f, g, textNames[textPatient], s.q.Patient)
	}
	return s.d.find(s.f, g, textNames[textPerson], s.q.Person)
}

// restore reads rows as a whole and keeps those that match.
func (s *search) restore(places []place) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	for g := range s.f.groups {
		var rows []int32
		for _, p := range places {
			if p.group == g {
				rows = append(rows, p.row)
			}
		}
		if len(rows) == 0 {
			continue
		}
		slices.Sort(rows)
		var t table
		if err := s.d.load(s.f, g, rows, everything, &t); err != nil {
			return err
		}
		for i := range t.rows {
			row, err := t.row(s.frame, i)
			if err != nil {
				return err
			}
			if s.q.matches(row.Event) {
				s.hits = append(s.hits, row)
			}
		}
	}
	return nil
}

// Event returns the event with this uid (the newest when a source used it
// twice), or an error that is ErrNotFound.
func (l *Lake) Event(ctx context.Context, uid string) (*ocsf.Event, error) {
	row, err := l.Find(ctx, uid)
	return row.Event, err
}

// Find is Event with the event's place in the stream.
func (l *Lake) Find(ctx context.Context, uid string) (Row, error) {
	row, err := l.findEvent(ctx, uid)
	if err == nil {
		err = l.heal(ctx, []*ocsf.Event{row.Event})
	}
	if err != nil {
		return Row{}, fmt.Errorf("find event: %w", err)
	}
	return row, nil
}

func (l *Lake) findEvent(ctx context.Context, uid string) (Row, error) {
	if uid == "" {
		return Row{}, ErrNotFound
	}
	rows, v, err := l.bufferedEvents(uid)
	if err != nil {
		return Row{}, err
	}
	defer l.release(v.entries)
	for _, e := range slices.Backward(v.entries) {
		if len(rows) > 0 && e.MaxTime < rows[0].Event.Time {
			continue
		}
		f, err := l.filters(ctx, e)
		if err != nil {
			return Row{}, err
		}
		if !f.uids.has(hashKey(uid)) {
			continue
		}
		found, err := l.eventInFile(ctx, e, uid)
		if err != nil {
			return Row{}, err
		}
		rows = newest(append(rows, found...), 1)
	}
	if len(rows) == 0 {
		return Row{}, ErrNotFound
	}
	return rows[0], nil
}

func (l *Lake) bufferedEvents(uid string) ([]Row, view, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var rows []Row
	for _, b := range l.buffers {
		for i := range b.rows {
			if b.text(textUID, i) != uid {
				continue
			}
			row, err := b.row(b.frame, i)
			if err != nil {
				return nil, view{}, err
			}
			rows = append(rows, row)
		}
	}
	return newest(rows, 1), l.viewLocked(), nil
}

func (l *Lake) eventInFile(ctx context.Context, e *entry, uid string) ([]Row, error) {
	var hits []Row
	err := l.withFile(ctx, e, func(f *file, d *decoder) error {
		name, key := textNames[textUID], []byte(uid)
		if b, ok := appendUUID(nil, uid); ok {
			name, key = uidBinary, b
		}
		for g := range f.groups {
			rows, err := d.find(f, g, name, string(key))
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				continue
			}
			var t table
			if err := d.load(f, g, rows, everything, &t); err != nil {
				return err
			}
			for i := range t.rows {
				row, err := t.row(newFrame(), i)
				if err != nil {
					return err
				}
				hits = append(hits, row)
			}
		}
		return nil
	})
	return hits, err
}

// find returns the rows of a group whose text (or UUID) is s, ascending. Only
// pages whose bounds admit s are read; with the patient that is one or two.
func (d *decoder) find(f *file, g int, name, s string) (rows []int32, err error) {
	defer guard(&err)
	c, k := f.groups[g].chunk(f.columns, name)
	want, looked := int32(-1), false
	err = d.visitPages(f, g, c, k, func(p *page) bool {
		return p.max == "" || s >= p.min && beginning(s) <= p.max
	}, func(row int32, pos int) {
		v := &d.page
		switch {
		case k == kindUUID:
			if string(v.uuid(pos)) == s {
				rows = append(rows, row)
			}
		case len(v.ids) == 0:
			if string(v.text(pos)) == s {
				rows = append(rows, row)
			}
		default:
			if !looked {
				want, looked = d.dict.number(s), true
			}
			if v.ids[pos] == want {
				rows = append(rows, row)
			}
		}
	})
	return rows, err
}

// beginning is what the page index keeps of a long text.
func beginning(s string) string { return s[:min(len(s), valueBytes)] }

// number finds a text in a dictionary; -1 when it is not there.
func (v *vector) number(s string) int32 {
	for i := range len(v.offsets) - 1 {
		if bytes.Equal(v.text(i), []byte(s)) {
			return int32(i)
		}
	}
	return -1
}
