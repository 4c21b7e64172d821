package lake

import (
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"math/bits"

	"github.com/cordon-health/cordon/ocsf"
)

// Known tells for each event whether it is already stored or buffered; the
// second of two equal ones inside evs is known too. Events are equal when
// they have the same Metadata.UID and Time.
//
// A fresh event costs a look into the filters of the files that cover its
// time, which in the order of time are few.
func (l *Lake) Known(ctx context.Context, evs []*ocsf.Event) ([]bool, error) {
	known := make([]bool, len(evs))
	prints := make([]uint64, len(evs))
	for i, ev := range evs {
		prints[i] = fingerprint(l.seed, ev.Metadata.UID, ev.Time)
	}
	markRepeats(known, prints, evs)
	v := l.view()
	defer l.release(v.entries)
	l.markBuffered(known, prints, evs)
	p := prober{lake: l, ctx: ctx, files: map[*entry]*probe{}}
	for i, ev := range evs {
		if known[i] {
			continue
		}
		for _, e := range v.byDay[dayOf(ev.Time)] {
			if ev.Time < e.MinTime || ev.Time > e.MaxTime {
				continue
			}
			has, err := p.has(e, prints[i], ev.Metadata.UID)
			if err != nil {
				return nil, fmt.Errorf("look for repeated events: %w", err)
			}
			if has {
				known[i] = true
				break
			}
		}
	}
	return known, nil
}

func markRepeats(known []bool, prints []uint64, evs []*ocsf.Event) {
	first := make(map[uint64]int, len(evs))
	for i, p := range prints {
		j, ok := first[p]
		if !ok {
			first[p] = i
			continue
		}
		known[i] = evs[i].Metadata.UID == evs[j].Metadata.UID && evs[i].Time == evs[j].Time
	}
}

func (l *Lake) markBuffered(known []bool, prints []uint64, evs []*ocsf.Event) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, b := range l.buffers {
		if b.rows == 0 {
			continue
		}
		for i, p := range prints {
			known[i] = known[i] || b.holds(p, evs[i])
		}
	}
}

// A view is what questions see of the files at one moment. Its entries are
// pinned and must be released.
type view struct {
	entries []*entry
	byDay   map[int64][]*entry
}

func (l *Lake) view() view {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.viewLocked()
}

func (l *Lake) viewLocked() view {
	pin(l.entries)
	return view{entries: l.entries, byDay: l.byDay}
}

// A prober asks files for event ids during one call of Known.
type prober struct {
	lake  *Lake
	ctx   context.Context
	files map[*entry]*probe
}

type probe struct {
	filters *filters
	uids    uidSet
}

// has asks the filter first; only when that says "perhaps", the file's set of
// events, which is then kept.
func (p *prober) has(e *entry, print uint64, uid string) (bool, error) {
	f := p.files[e]
	if f == nil {
		f = &probe{}
		p.files[e] = f
		f.uids, _ = p.lake.index.get(e.Name, kindUIDs).(uidSet)
	}
	if f.uids != nil {
		return f.uids.has(print), nil
	}
	var err error
	if f.filters == nil {
		if f.filters, err = p.lake.filters(p.ctx, e); err != nil {
			return false, err
		}
	}
	if !f.filters.uids.has(hashKey(uid)) {
		return false, nil
	}
	if f.uids, err = p.lake.readUIDs(p.ctx, e); err != nil {
		return false, err
	}
	return f.uids.has(print), nil
}

// filters returns the filters of a file. When their blob is lost, everything
// may be in the file.
func (l *Lake) filters(ctx context.Context, e *entry) (*filters, error) {
	if f, ok := l.index.get(e.Name, kindFilters).(*filters); ok {
		return f, nil
	}
	f, err := l.readFilters(ctx, e.Name)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		l.log.Warn("filters of a lake file are unreadable; questions are slower until it is compacted", "file", e.Name, "err", err)
		f = &filters{uids: bloom{^uint64(0)}, patients: bloom{^uint64(0)}, people: bloom{^uint64(0)}}
	}
	l.index.put(e.Name, kindFilters, f, f.size())
	return f, nil
}

func (l *Lake) readFilters(ctx context.Context, name string) (*filters, error) {
	body, err := l.blobs.Get(ctx, filterName(name))
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	return decodeFilters(data)
}

// A uidSet holds the fingerprints of a file's events.
type uidSet []uint64

func newUIDSet(n int64) uidSet { return make(uidSet, n+n/3+8) }

func (s uidSet) slot(print uint64) int {
	hi, _ := bits.Mul64(print, uint64(len(s)))
	return int(hi)
}

func (s uidSet) add(print uint64) {
	print = max(print, 1) // 0 is an empty slot
	for i := s.slot(print); ; i++ {
		if i == len(s) {
			i = 0
		}
		if s[i] == 0 || s[i] == print {
			s[i] = print
			return
		}
	}
}

func (s uidSet) has(print uint64) bool {
	print = max(print, 1)
	for i := s.slot(print); ; i++ {
		if i == len(s) {
			i = 0
		}
		if s[i] == 0 || s[i] == print {
			return s[i] == print
		}
	}
}

func (l *Lake) readUIDs(ctx context.Context, e *entry) (uidSet, error) {
	set := newUIDSet(e.Rows)
	err := l.withFile(ctx, e, func(f *file, d *decoder) error {
		for g := range f.groups {
			if err := d.collectUIDs(f, g, l.seed, set); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	l.index.put(e.Name, kindUIDs, set, int64(8*len(set)))
	return set, nil
}

func (d *decoder) collectUIDs(f *file, g int, seed maphash.Seed, set uidSet) (err error) {
	defer guard(&err)
	times := make([]int64, f.groups[g].rows)
	if err := d.visit(f, g, intNames[intTime], func(row int32, pos int) { times[row] = d.value(pos) }); err != nil {
		return err
	}
	err = d.visit(f, g, textNames[textUID], func(row int32, pos int) {
		set.add(mix(maphash.Bytes(seed, d.text(pos)) + uint64(times[row])*timeFactor))
	})
	if err != nil {
		return err
	}
	var text [36]byte
	return d.visit(f, g, uidBinary, func(row int32, pos int) {
		formatUUID(&text, d.page.uuid(pos))
		set.add(mix(maphash.Bytes(seed, text[:]) + uint64(times[row])*timeFactor))
	})
}
