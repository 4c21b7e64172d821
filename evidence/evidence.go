// Package evidence makes what the product saw and did provable. Every batch
// of events, every record people may later argue about and every file of the
// lake is bound into one append-only Merkle tree under signed checkpoints, so
// that a changed byte, a dropped, added or moved event, an edited record or a
// shortened log is found offline, by anybody, with nothing but the public key.
//
// # What it owns
//
// The folder Config.Dir holds a tile log as C2SP tlog-tiles describes it
// (checkpoint, tile/...), written by tessera; the public key (evidence.pub),
// the newest head it ever saw (head) and a cache of its own position (state).
// Config.KeyDir holds the private key (evidence.key, mode 0600), made at first
// start. In the store it owns the tables records, evidence_counters,
// evidence_marks, evidence_keys and evidence_heads.
//
// # The entries: a public format
//
// An entry of the log is one line of JSON, a line feed, and then n tags of 8
// bytes. The line has "v":1, "kind", "time" (ms) and:
//
//   - genesis: origin and verifier key; always the first entry.
//   - events: one message of the event stream: seq, n, key (the id of the
//     month's salt key) and key_sum, root, tags. "again" marks a batch that a crash made
//     the pipeline offer twice with different content before any of it was
//     stored; the later one counts, and a verifier mentions it.
//   - records: rows first to last of the table records: n, root, tags.
//   - file: a file of the lake: name, sha256, rows, first_seq, last_seq, and
//     the files it replaces. gone: files removed for good, with the places of
//     the events they held. erase: a salt destroyed on purpose. These three
//     are numbered together by mark, from 1, without a gap.
//
// The leaf of an item is SHA-256(0x00, salt of 16 bytes, canonical bytes), its
// tag the first 8 bytes of the leaf, and root the Merkle tree hash of RFC 6962
// over the leaves of the batch. The canonical bytes of an event are its JSON
// as [ocsf.Event.AppendJSON] writes it, without the explanation: that is
// decided later and may heal, and is bound by the mark of its file and by
// records. The canonical bytes of a record are all its columns but salt and
// latest, each as "length:text,".
//
// The salt of an event is HMAC-SHA256(key of the month, seq as 8 bytes, index
// as 4 bytes, both big endian), first half. The salt of a record is random.
// Nothing about a person is in the log: whoever has only the log can neither
// read an item nor test a guess about it.
//
// # Erasure
//
// [Log.EraseKey] destroys the key of a month: from then on no tag of that
// month can be linked to an event, even by somebody who guesses its content.
// Events of that month that are still in the lake stay bound only by the
// SHA-256 of their files. [Log.EraseRecord] empties all text columns and the
// salt of one row; its tag stays, linked to nothing. Both leave an entry in
// the log that says what was erased and why. To erase single events, the lake
// writes their file anew without them and says so with [Log.Gone]; as long as
// the month's key lives, somebody with the database could still confirm an
// exact guess of such an event, byte by byte.
//
// # Guarantees
//
//   - What Events, Put, File, Gone and Erase accepted comes into the log once
//     and in order, whatever kill -9, full disk or restart comes between:
//     events are offered again by the pipeline and compared, the others wait
//     in the store. [Log.Sync] returns when all of it is under a signature.
//   - A batch offered again with other content is refused once any file with
//     events of its time exists, and whatever else hints at tampering (a log
//     shorter than a head seen before, a foreign signature) has the same
//     effect: an error that is [ErrStake]. From then on nothing is appended
//     or signed; reading goes on. See [Log.Err] and [Log.Problems].
//   - [Verify] trusts nothing but the key it is given. It names the first bad
//     event, record, file or entry.
//
// # What it does not do
//
// It cannot know what was changed before it was logged (at most a second for
// records). Whoever holds the private key and the whole disk can write a new
// history from the beginning; a witness, or a checkpoint kept elsewhere,
// reveals it. One process writes a log; others may read. It runs on Linux and
// other Unix systems; verification runs everywhere.
package evidence

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrStake marks errors that say that evidence may be at stake. Nothing is
// appended or signed after one; reading goes on.
var ErrStake = errors.New("evidence may be at stake")

// ErrClosed is returned after Close.
var ErrClosed = errors.New("the evidence log is closed")

// Config is the evidence section of the configuration.
type Config struct {
	// Dir is the folder of the log. Default: DATA/evidence.
	Dir string `yaml:"dir"`
	// KeyDir is the folder of the private key; keep a copy of it elsewhere.
	// Default: DATA/keys.
	KeyDir string `yaml:"key_dir"`
	// Origin is the name of this log on its checkpoints, for example
	// "evidence.hospital.example"; it cannot be changed later. Default: a
	// random name made at first start.
	Origin string `yaml:"origin"`
	// Interval is how often a log that has grown is signed, at least 100ms.
	// Default: 250ms.
	Interval time.Duration `yaml:"interval"`
	// WitnessURL is the address of a C2SP tlog-witness that cosigns every
	// checkpoint. Default: none.
	WitnessURL string `yaml:"witness_url"`
	// WitnessKey is the verifier key of the witness.
	WitnessKey string `yaml:"witness_key"`
	// WitnessRequired holds checkpoints back while the witness is not there.
	// Default: they are published without it and a problem is shown.
	WitnessRequired bool `yaml:"witness_required"`
}

func (c Config) withDefaults() Config {
	if c.KeyDir == "" {
		c.KeyDir = c.Dir
	}
	if c.Interval == 0 {
		c.Interval = 250 * time.Millisecond
	}
	return c
}

// Head is a signed state of the log.
type Head struct {
	Size uint64
	Root Hash
	// Time is when this process first saw it, in ms; 0 where unknown.
	Time int64
	// Note is the signed checkpoint.
	Note string
}

// driver appends entries; it is tessera where we run.
type driver struct {
	// add queues an entry behind those added before; the result waits until it
	// is durable in the tree.
	add  func(data []byte) func() error
	size func(context.Context) (uint64, error)
}

// Log is the evidence log and the book of records of one site. All methods
// may be called concurrently, except that Events has one caller.
type Log struct {
	// Set by Open and never changed.
	cfg     Config
	db      *store.DB
	now     func() time.Time
	log     *slog.Logger
	key     siteKey
	witness *witness
	tiles   tiles
	driver  *driver
	halt    context.CancelFunc // ends the driver, after write
	salts   salts
	queue   chan item
	stop    context.CancelFunc // ends the goroutines below
	stopped context.Context
	running sync.WaitGroup // write and watch
	outbox  sync.Mutex     // held while rows of the store are queued

	turn    sync.Mutex // held by Events; guards scratch
	scratch scratch

	written position // of write alone, and of Open before it starts

	mu       sync.Mutex // guards what follows
	pos      position   // as written, and what waits in the queue
	head     Head
	headNews chan struct{} // closed when head changes
	problems map[string]Problem
	fatal    error
	closed   bool
}

// Open opens or begins the log in cfg.Dir. It checks the signature, that the
// log is not shorter than any head it ever saw (its own notes and, if there is
// one, the witness's), and that the tiles give the signed root, before it
// appends anything. When that fails it still returns a Log to read records
// from; its Err says why, and everything that appends refuses.
func Open(ctx context.Context, cfg Config, db *store.DB, now func() time.Time, log *slog.Logger) (*Log, error) {
	cfg = cfg.withDefaults()
	l := &Log{cfg: cfg, db: db, now: now, log: log, tiles: tiles{os.DirFS(cfg.Dir)},
		queue: make(chan item, 256), headNews: make(chan struct{}), problems: map[string]Problem{}}
	l.stopped, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	err := l.prepare(ctx)
	if err == nil {
		err = l.start(ctx)
	}
	switch {
	case errors.Is(err, ErrStake):
		l.fail(err)
	case err != nil:
		l.stop()
		return nil, err
	}
	return l, nil
}

// prepare makes folders and tables and reads the settings.
func (l *Log) prepare(ctx context.Context) (err error) {
	for _, dir := range []string{l.cfg.Dir, l.cfg.KeyDir} {
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("open evidence: %w", err)
		}
	}
	own, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("open evidence: %w", err)
	}
	if err := l.db.Migrate(ctx, "evidence", own); err != nil {
		return fmt.Errorf("open evidence: %w", err)
	}
	l.witness, err = newWitness(l.cfg)
	return err
}

// start verifies what is there and starts to append.
func (l *Log) start(ctx context.Context) (err error) {
	_, err = os.Stat(filepath.Join(l.cfg.Dir, checkpointFile))
	begun := err == nil
	if l.key, err = loadKey(l.cfg, begun); err != nil {
		return err
	}
	if err := l.checkHead(ctx, begun); err != nil {
		return err
	}
	alive, halt := context.WithCancel(context.WithoutCancel(ctx))
	l.halt = halt
	if l.driver, err = openDriver(alive, l.cfg, l.key, l.witness); err == nil {
		err = l.resume(ctx)
	}
	if err == nil {
		err = l.takeStopped(ctx)
	}
	if err != nil {
		halt()
		return err
	}
	l.running.Go(l.write)
	l.running.Go(l.watch)
	return nil
}

// Close appends what waits in the queue, signs it and stops. The store stays
// open.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	was := l.closed
	l.closed = true
	l.mu.Unlock()
	if was {
		return nil
	}
	var err error
	if l.Err() == nil {
		err = l.sync(ctx)
	}
	if err == nil && l.Err() == nil {
		err = l.remember(ctx, l.Head())
	}
	if err == nil && l.Err() == nil {
		err = l.markStopped(ctx)
	}
	l.stop()
	l.running.Wait()
	if err != nil {
		return fmt.Errorf("close evidence: %w", err)
	}
	return nil
}

// Head is the newest signed state.
func (l *Log) Head() Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// Origin is the name on the checkpoints.
func (l *Log) Origin() string {
	if l.key.verifier == nil {
		return ""
	}
	return l.key.verifier.Name()
}

// PublicKey is the verifier key of the checkpoints (C2SP signed-note).
func (l *Log) PublicKey() string { return l.key.public }

// Err is the reason why nothing is signed any more, or nil.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

// fail stops appending for good.
func (l *Log) fail(err error) {
	l.mu.Lock()
	first := l.fatal == nil
	if first {
		l.fatal = err
	}
	l.mu.Unlock()
	if first {
		l.raise(problemStake)
		l.log.Error("evidence may be at stake: nothing is signed any more", "error", err)
		l.stop()
	}
}
