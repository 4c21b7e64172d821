// Package lake keeps the events: years of them, in Parquet files that any
// other engine can read. Soon more.
package lake

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/cordon-health/cordon/blob"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
)

// Row is one event and its place in the stream: the bus sequence number of
// its message and its index in that message.
type Row struct {
	Event *ocsf.Event
	Seq   uint64
	Index uint32
}

// Lake is the open lake. All methods may be called concurrently, except that
// Append, Flush and what follows a Flush belong to one goroutine.
type Lake struct {
	cfg      Config
	db       *store.DB
	blobs    blob.Store
	log      *slog.Logger
	handles  *handles
	index    *cache // filters and sets of event ids
	zstd     *zstd.Decoder
	decoders sync.Pool // of *decoder
	codec    *codec
	seed     maphash.Seed
	healed   *healed
	sql      sqlCache

	changing sync.Mutex // one compaction or expiry at a time

	mu         sync.RWMutex
	entries    []*entry           // by time
	byDay      map[int64][]*entry // by day of the events
	buffers    []*buffer          // the last one grows, others are being written
	generation uint64             // counts changes of what questions see
}

// Open opens the lake whose manifest is in db and whose files are in blobs,
// and deletes files that a crash left without manifest.
func Open(ctx context.Context, cfg Config, db *store.DB, blobs blob.Store, log *slog.Logger) (*Lake, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	l := &Lake{cfg: cfg, db: db, blobs: blobs, log: log, index: newCache(cfg.IndexBytes),
		codec: &codec{}, seed: maphash.MakeSeed(), buffers: []*buffer{newBuffer()}}
	if err := l.open(ctx); err != nil {
		return nil, fmt.Errorf("open lake: %w", err)
	}
	return l, nil
}

func (l *Lake) open(ctx context.Context) error {
	sub, err := migrationFiles()
	if err != nil {
		return err
	}
	if err := l.db.Migrate(ctx, "lake", sub); err != nil {
		return err
	}
	if l.zstd, err = newInflater(); err != nil {
		return err
	}
	l.decoders.New = func() any { return newDecoder(l.zstd) }
	if l.handles, err = newHandles(l.blobs, filepath.Join(l.cfg.Dir, "copies"), l.cfg.CacheBytes); err != nil {
		return err
	}
	if err := cleanScratch(l.cfg.Dir); err != nil {
		return err
	}
	if err := l.sql.open(l.cfg.Dir); err != nil {
		return err
	}
	if err := l.Refresh(ctx); err != nil {
		return err
	}
	if l.cfg.ReadOnly {
		return nil
	}
	return l.sweep(ctx)
}

// Refresh reads manifest and corrections again, for a lake that another
// process writes.
func (l *Lake) Refresh(ctx context.Context) error {
	list, err := l.readManifest(ctx)
	if err != nil {
		return err
	}
	healed, err := l.readHealed(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.healed = healed
	present := map[string]*entry{}
	for _, e := range l.entries {
		present[e.Name] = e
	}
	for i, e := range list {
		if old := present[e.Name]; old != nil {
			list[i] = old
		}
	}
	l.setFiles(list)
	l.generation++
	return nil
}

// Close releases files and the engine. Rows that were not flushed are gone;
// they are still in the stream.
func (l *Lake) Close() error {
	l.handles.closeAll()
	l.zstd.Close()
	var err error
	if l.cfg.Engine != nil {
		err = l.cfg.Engine.Close()
	}
	err = errors.Join(err, l.sql.close())
	if err != nil {
		return fmt.Errorf("close lake: %w", err)
	}
	return nil
}

// Files lists the files of the manifest, oldest events first.
func (l *Lake) Files() []FileInfo {
	l.mu.RLock()
	defer l.mu.RUnlock()
	list := make([]FileInfo, len(l.entries))
	for i, e := range l.entries {
		list[i] = e.FileInfo
	}
	return list
}

// Stats are sizes for metrics.
type Stats struct {
	Files    int
	Rows     int64 // in files
	Bytes    int64 // of files
	Buffered int64 // rows not yet in a file
}

// Stats returns the present sizes.
func (l *Lake) Stats() Stats {
	l.mu.RLock()
	defer l.mu.RUnlock()
	s := Stats{Files: len(l.entries)}
	for _, e := range l.entries {
		s.Rows += e.Rows
		s.Bytes += e.Bytes
	}
	for _, b := range l.buffers {
		s.Buffered += int64(b.rows)
	}
	return s
}
