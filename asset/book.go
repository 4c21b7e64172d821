package asset

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Options are what a book needs.
type Options struct {
	// Now tells the time in the site's zone.
	Now func() time.Time
	Log *slog.Logger
	// Evidence keeps what people change; without it nobody can.
	Evidence *evidence.Log
	// Fingerprints is the folder of kinds, rules and makers.
	Fingerprints fs.FS
	// Learning is how long after the first observation new devices are no
	// news; 0 takes a week.
	Learning time.Duration
	// Network names the network of an address, for devices that move; nil
	// takes the /24 or /64. Guest says that strangers are expected there.
	Network func(netip.Addr) string
	Guest   func(netip.Addr) bool
	// Most is how many units are kept; 0 takes 100,000.
	Most int
}

const (
	usualLearning = 7 * 24 * time.Hour
	usualMost     = 100_000
	// settling is how long a new device is watched before it is announced, so
	// that the announcement can say what it is.
	settling = time.Minute
	// fine is how exactly the time a unit was last seen is kept over a crash.
	fine = 5 * time.Minute
)

// Book keeps all devices. Its methods may be called concurrently; Apply,
// Changes and Saved belong to one pipeline, whose order decides.
type Book struct {
	db   *store.DB
	opts Options
	know *Knowledge

	editing sync.Mutex // held while people's words change; taken before mu

	mu       sync.RWMutex // guards all below
	units    map[string]*unit
	byMAC    map[string]*unit        // by MAC as text
	byIP     map[netip.Addr][]string // units that ever had it
	current  map[netip.Addr]string   // unit that is known by this address only
	owners   map[netip.Addr]string   // unit that last claimed it on its cable
	strong   map[string]string       // what a device keeps -> unit
	members  map[string][]string     // unit -> units that belong to it
	fresh    []string                // units not yet announced, by first sight
	classes  map[string]verdict      // classifications worked out
	words    map[string]*word        // what people said, by unit
	software map[string]map[string][]Software
	weak     map[string][]Weakness
	began    int64 // ms; the first observation
	latest   int64 // ms; the newest observation
	dropped  int64
	reviewed string // the day of the last review of all devices
	news     bool   // of dates or weaknesses, since then
	dirty    map[string]bool
	writing  map[string]bool // of the checkpoint that is being written
}

// verdict is a classification worked out.
type verdict struct {
	Classification
	guesses []Guess
}

// Open reads the book from the store.
func Open(ctx context.Context, db *store.DB, opts Options) (*Book, error) {
	if opts.Learning == 0 {
		opts.Learning = usualLearning
	}
	if opts.Most == 0 {
		opts.Most = usualMost
	}
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("open devices: %w", err)
	}
	if err := db.Migrate(ctx, "asset", sub); err != nil {
		return nil, fmt.Errorf("open devices: %w", err)
	}
	b := &Book{db: db, opts: opts}
	if b.know, err = LoadKnowledge(opts.Fingerprints); err != nil {
		return nil, fmt.Errorf("open devices: %w", err)
	}
	if err := b.load(ctx); err != nil {
		return nil, fmt.Errorf("open devices: %w", err)
	}
	return b, nil
}

// Knowledge is what the book knows of devices in general.
func (b *Book) Knowledge() *Knowledge { return b.know }

func (b *Book) clear() {
	b.units, b.byMAC, b.byIP, b.current = map[string]*unit{}, map[string]*unit{}, map[netip.Addr][]string{}, map[netip.Addr]string{}
	b.owners, b.strong, b.members, b.fresh = map[netip.Addr]string{}, map[string]string{}, map[string][]string{}, nil
	b.classes, b.words, b.software, b.weak = map[string]verdict{}, map[string]*word{}, map[string]map[string][]Software{}, map[string][]Weakness{}
	b.dirty, b.writing = map[string]bool{}, map[string]bool{}
}

// load reads everything at one moment.
func (b *Book) load(ctx context.Context) error {
	return b.db.View(ctx, func(tx *sql.Tx) error {
		b.clear()
		for _, step := range []func(*sql.Tx) error{b.loadState, b.loadUnits, b.loadSoftware, b.loadWeaknesses, b.loadWords} {
			if err := step(tx); err != nil {
				return err
			}
		}
		b.index()
		return nil
	})
}

func each(tx *sql.Tx, query string, fn func(*sql.Rows) error) error {
	rows, err := tx.Query(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (b *Book) loadState(tx *sql.Tx) error {
	return each(tx, `SELECT name, value FROM asset_state`, func(rows *sql.Rows) error {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return err
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return fmt.Errorf("state %s: %w", name, err)
		}
		switch name {
		case "began":
			b.began = n
		case "latest":
			b.latest = n
		case "dropped":
			b.dropped = n
		}
		return nil
	})
}

func (b *Book) loadUnits(tx *sql.Tx) error {
	return each(tx, `SELECT body FROM asset_units`, func(rows *sql.Rows) error {
		var body string
		if err := rows.Scan(&body); err != nil {
			return err
		}
		u := &unit{}
		if err := json.Unmarshal([]byte(body), u); err != nil {
			return fmt.Errorf("read a device: %w", err)
		}
		u.wake(b.know)
		b.units[u.ID] = u
		return nil
	})
}

// index makes the ways to find units, after all were read. Units come in the
// order of their first sight, as they did when they were seen.
func (b *Book) index() {
	order := slices.SortedFunc(maps.Keys(b.units), func(x, y string) int { return earlier(b.units[x], b.units[y]) })
	for _, id := range order {
		u := b.units[id]
		if u.MAC != "" {
			b.byMAC[u.MAC] = u
		}
		if u.ip.IsValid() {
			if old := b.units[b.current[u.ip]]; old == nil || old.First <= u.First {
				b.current[u.ip] = id
			}
		}
		for _, a := range u.Addresses {
			b.byIP[a.ip] = appendNew(b.byIP[a.ip], id)
			if a.Own && b.newestOwner(a.ip, a.Last) {
				b.owners[a.ip] = id
			}
		}
		for _, f := range u.Facts {
			if key := strongKey(u, f.Fact); key != "" && b.strong[key] == "" {
				b.strong[key] = id
			}
		}
		if u.Into != "" {
			b.members[u.Into] = appendNew(b.members[u.Into], id)
		}
		if !u.Told {
			b.fresh = append(b.fresh, id)
		}
	}
	for id, w := range b.words {
		if into := w.Fields[fieldInto]; into != "" {
			b.members[into] = appendNew(b.members[into], id)
		}
	}
}

func (b *Book) newestOwner(ip netip.Addr, last int64) bool {
	old := b.units[b.owners[ip]]
	if old == nil {
		return true
	}
	i := slices.IndexFunc(old.Addresses, func(a unitAddress) bool { return a.Own && a.ip == ip })
	return i < 0 || old.Addresses[i].Last <= last
}

func appendNew(list []string, id string) []string {
	if slices.Contains(list, id) {
		return list
	}
	return append(list, id)
}

// earlier orders units by first sight.
func earlier(a, b *unit) int {
	switch {
	case a.First != b.First:
		return int(min(max(a.First-b.First, -1), 1))
	case a.ID < b.ID:
		return -1
	case a.ID > b.ID:
		return 1
	}
	return 0
}

// Changes are what changed since the last saved state, as of one moment.
type Changes struct {
	units map[string]string // id -> body; "" is to be deleted
	state map[string]string
}

// Changes takes the changes for a checkpoint. Call [Book.Saved] once the
// transaction that wrote them has committed; if it did not, the next Changes
// are the same and more.
func (b *Book) Changes() Changes {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range b.dirty {
		b.writing[id] = true
	}
	b.dirty = map[string]bool{}
	c := Changes{units: make(map[string]string, len(b.writing)), state: map[string]string{
		"began": strconv.FormatInt(b.began, 10), "latest": strconv.FormatInt(b.latest, 10), "dropped": strconv.FormatInt(b.dropped, 10)}}
	for id := range b.writing {
		u := b.units[id]
		if u == nil {
			c.units[id] = ""
			continue
		}
		// Strings, numbers and maps of them: marshalling cannot fail.
		body, _ := json.Marshal(u)
		c.units[id], u.saved = string(body), u.Last
	}
	return c
}

// Write writes the changes; it may run more than once.
func (c Changes) Write(tx *sql.Tx) error {
	upsert, err := tx.Prepare(`INSERT INTO asset_units (id, body) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET body = excluded.body`)
	if err != nil {
		return fmt.Errorf("save devices: %w", err)
	}
	defer upsert.Close()
	for _, id := range slices.Sorted(maps.Keys(c.units)) { // one order for all: no deadlocks
		if c.units[id] == "" {
			_, err = tx.Exec(`DELETE FROM asset_units WHERE id = $1`, id)
		} else {
			_, err = upsert.Exec(id, c.units[id])
		}
		if err != nil {
			return fmt.Errorf("save devices: %w", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.state)) {
		if _, err := tx.Exec(`INSERT INTO asset_state (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, c.state[name]); err != nil {
			return fmt.Errorf("save devices: %w", err)
		}
	}
	return nil
}

// Saved tells that the transaction of the last Changes committed.
func (b *Book) Saved() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writing = map[string]bool{}
}

// Dropped says how many units were forgotten because there were too many.
func (b *Book) Dropped() int64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.dropped
}
