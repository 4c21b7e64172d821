// Package lake keeps the events: years of them, in Parquet files that any
// other engine can read, and answers who looked at a patient, what a person
// did, which event has an id, and any question in SQL.
//
// # How it works
//
// The stream is the write-ahead log; the lake only keeps what was read from
// it. Append puts rows into a buffer in memory, which questions see at once.
// Flush (or Seal and Write) writes the buffer to new files and syncs them; Batch.Commit enters
// them into the manifest inside the caller's transaction, together with the
// place in the stream; Done makes them visible and empties the buffer. So
// each row is in exactly one place at any moment: after a crash, files
// without manifest are deleted by Open, and their rows come again from the
// stream. Known tells which of them are already there.
//
// A file holds whole days (UTC), sorted by day, patient and time. Its pages
// are a few thousand rows, so that a question for one patient decodes one
// page of each column, found by the page index without any search. Beside
// each file stands a small blob of filters (event ids, patients, people)
// which saves opening files that have nothing to say; lost filters cost time,
// not answers. Compact merges the files of a day. Files never change; their
// SHA-256 is known when they are written, for the evidence.
//
// A column is null where the event has nothing. Columns hold what people ask
// for, and "rest" what is left of the event's canonical JSON; [ReadFile] puts
// them together again: the canonical JSON of what it returns is that of what
// was appended, byte for byte. Times are milliseconds, UTC. Three members are
// stored in two columns each because that is smaller: uid (uid or uid_uuid),
// logged_time (logged_time or logged_lag, counted from time), and the time of
// the explanation (explained_lag, counted from time). Lists are joined by
// semicolons. The views of SQL have them whole.
//
// # What it owns and what it promises
//
// Tables lake_files (the manifest) and lake_corrections (later explanations,
// until Compact folds them into files). Blobs under "lake/events/". Local
// files under Config.Dir, which may be deleted while the lake is closed.
//
//   - No row is lost or doubled by a crash, a full disk or a failed
//     transaction at any moment, if the caller replays the stream from the
//     place it committed with the last Batch.
//   - Questions see one moment: a row is not missed or seen twice while it
//     moves from the buffer to a file or from file to file.
//   - A truncated or altered file is an error that is ErrDamaged and names
//     the file, never a shorter answer.
//   - Memory is bounded: the buffer by FlushRows (about 250 bytes a row),
//     filters and ids by IndexBytes, a merge by some 60 MB, and what one
//     answer holds.
//
// One process writes a lake; others may open it ReadOnly and Refresh. The
// package has no cgo; SQL comes from an [Engine] (lake/duck).
//
// # What it does not do
//
// It does not decide what is an event's explanation, does not keep findings
// or cases, does not sign, and does not encrypt. A question by person without
// limit decodes that person's column in every file: a second for millions of
// rows. With object storage, whole files are copied to Config.Dir before they
// are read, so SQL needs room there for all of them (CacheBytes).
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
	sqlTurns chan struct{} // one for each query that runs

	changing sync.Mutex // one compaction or expiry at a time

	mu      sync.RWMutex
	entries []*entry           // by time
	byDay   map[int64][]*entry // by day of the events
	buffers []*buffer          // the last one grows, others are being written
	doubt   []FileInfo         // written by a transaction of unknown outcome
}

// Open opens the lake whose manifest is in db and whose files are in blobs,
// and deletes files that a crash left without manifest.
func Open(ctx context.Context, cfg Config, db *store.DB, blobs blob.Store, log *slog.Logger) (*Lake, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	l := &Lake{cfg: cfg, db: db, blobs: blobs, log: log, sqlTurns: make(chan struct{}, cfg.SQLAtOnce), index: newCache(cfg.IndexBytes),
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
	l.healed = &healed{seed: l.seed, uids: map[uint64]struct{}{}}
	l.decoders.New = func() any { return newDecoder(l.zstd) }
	if l.handles, err = newHandles(l.blobs, l.zstd, filepath.Join(l.cfg.Dir, "copies"), l.cfg.CacheBytes); err != nil {
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
// process writes. A question that fails because that process has just deleted
// a file succeeds after it.
func (l *Lake) Refresh(ctx context.Context) error {
	list, err := l.readManifest(ctx)
	if err != nil {
		return err
	}
	if err := l.readHealed(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
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
