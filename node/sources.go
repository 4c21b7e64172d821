package node

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"sync"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/ocsf"
)

// sources is the list behind the Sources page. It is kept in memory and
// written with each checkpoint; a crash may lose the counts of some seconds,
// never events.
type sources struct {
	mu   sync.Mutex
	all  map[string]*api.Source // guarded by mu
	dirt map[string]bool        // guarded by mu: changed since saved
}

func newSources(ctx context.Context, tx *sql.Tx) (*sources, error) {
	s := &sources{all: map[string]*api.Source{}, dirt: map[string]bool{}}
	rows, err := tx.QueryContext(ctx, `SELECT name, format, first, last, event, stored, repeated, rejected FROM node_sources`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var x api.Source
		if err := rows.Scan(&x.Name, &x.Format, &x.First, &x.Last, &x.Event, &x.Stored, &x.Repeated, &x.Rejected); err != nil {
			return nil, err
		}
		s.all[x.Name] = &x
	}
	return s, rows.Err()
}

func (s *sources) at(name string) *api.Source {
	s.dirt[name] = true
	x, ok := s.all[name]
	if !ok {
		x = &api.Source{Name: name}
		s.all[name] = x
	}
	return x
}

// saw notes that something arrived.
func (s *sources) saw(name, format string, at int64, rejected int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.at(name)
	x.Format = format
	if x.First == 0 {
		x.First = at
	}
	x.Last = max(x.Last, at)
	x.Rejected += int64(rejected)
}

// stored notes what the pipeline did with a batch.
func (s *sources) stored(evs []*ocsf.Event, known []bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, ev := range evs {
		x := s.at(ev.Metadata.LogProvider)
		if x.Format == "" {
			x.Format = ev.Metadata.LogName
		}
		if known[i] {
			x.Repeated++
			continue
		}
		x.Stored++
		x.Event = max(x.Event, ev.Time)
		x.Last = max(x.Last, ev.Metadata.LoggedTime)
		if x.First == 0 {
			x.First = ev.Metadata.LoggedTime
		}
	}
}

// list returns a copy, by name.
func (s *sources) list() []api.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []api.Source
	for _, x := range s.all {
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b api.Source) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// take returns what changed since the last take, for a checkpoint; putBack
// marks it changed again when the checkpoint failed.
func (s *sources) take() []api.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []api.Source
	for _, name := range slices.Sorted(maps.Keys(s.dirt)) {
		out = append(out, *s.all[name])
	}
	clear(s.dirt)
	return out
}

func (s *sources) putBack(list []api.Source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range list {
		s.dirt[x.Name] = true
	}
}

func saveSource(ctx context.Context, tx *sql.Tx, x api.Source) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO node_sources (name, format, first, last, event, stored, repeated, rejected)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (name) DO UPDATE SET format = $2, first = $3, last = $4, event = $5, stored = $6, repeated = $7, rejected = $8`,
		x.Name, x.Format, x.First, x.Last, x.Event, x.Stored, x.Repeated, x.Rejected)
	return err
}
