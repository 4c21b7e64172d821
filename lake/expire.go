package lake

import (
	"context"
	"fmt"
	"slices"

	"github.com/cordon-health/cordon/ocsf"
)

// Retention says which events may go. Times are in ms; an event goes with its
// whole day (UTC), when all of the day is before the time.
type Retention struct {
	// Before is the time for classes not in ByClass; 0 keeps them for ever.
	Before int64
	// ByClass are the times of single classes; 0 keeps them for ever.
	ByClass map[ocsf.Class]int64
	// Hold says that a patient's events stay (legal hold); nil holds nobody.
	Hold func(patient string) bool
}

// latest is the time before which some event may go.
func (k *Retention) latest() int64 {
	t := k.Before
	for _, at := range k.ByClass {
		t = max(t, at)
	}
	return wholeDays(t)
}

func wholeDays(ms int64) int64 { return dayOf(ms) * dayMillis }

func (k *Retention) keeps(class ocsf.Class, at int64, patient string) bool {
	before, ok := k.ByClass[class]
	if !ok {
		before = k.Before
	}
	return at >= wholeDays(before) || patient != "" && k.Hold != nil && k.Hold(patient)
}

// Expire removes the events that keep lets go. Files without any event left
// disappear, others are written anew. Later explanations of events that went
// stay in the store until the same event id is corrected again.
func (l *Lake) Expire(ctx context.Context, keep Retention, note Note) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	v := l.view()
	defer l.release(v.entries)
	for _, e := range v.entries {
		if e.MinTime >= keep.latest() {
			continue
		}
		some, err := l.expires(ctx, e, &keep)
		if err == nil && some {
			err = l.rewrite(ctx, []*entry{e}, func(r *record) bool {
				return keep.keeps(ocsf.Class(r.ints[intClass]), r.ints[intTime], r.texts[textPatient])
			}, note)
		}
		if err != nil {
			return fmt.Errorf("expire old events: %w", err)
		}
	}
	return nil
}

// expires says whether any row of the file may go.
func (l *Lake) expires(ctx context.Context, e *entry, keep *Retention) (bool, error) {
	found := false
	err := l.withFile(ctx, e, func(f *file, d *decoder) error {
		want := func(c column) bool {
			return c.name == intNames[intClass] || c.name == textNames[textPatient]
		}
		for g := range f.groups {
			var t table
			if err := d.load(f, g, ascending(int(f.groups[g].rows)), want, &t); err != nil {
				return err
			}
			found = found || slices.ContainsFunc(ascending(t.rows), func(i int32) bool {
				return !keep.keeps(ocsf.Class(t.int(intClass, int(i))), t.int(intTime, int(i)), t.text(textPatient, int(i)))
			})
		}
		return nil
	})
	return found, err
}
