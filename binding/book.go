package binding

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/store"
)

// Kind is the kind of the records of decisions.
const Kind = "binding"

//go:embed migrations/*.sql
var migrations embed.FS

// Records is where decisions are written down, in the caller's transaction; an
// [evidence.Log] is one.
type Records interface {
	Put(tx *sql.Tx, r evidence.Record) (version int, err error)
	History(ctx context.Context, kind, id string) ([]evidence.Record, error)
}

// ErrUnknown says that there is no such binding.
var ErrUnknown = errors.New("no such binding")

// Book is the hospital's bindings. All methods may be called concurrently.
type Book struct {
	db      *store.DB
	records Records
	now     func() time.Time
	log     *slog.Logger

	mu sync.Mutex // held by whoever changes the book
	// live are the bindings that have not ended, by id; byIP and byMAC find
	// them. All follow the tables: they change after a commit.
	live     map[string]*Binding
	byIP     map[string][]*Binding
	byMAC    map[string][]*Binding
	networks map[string]Network
	known    map[string]Known
}

// Open reads the book from the store.
func Open(ctx context.Context, db *store.DB, records Records, now func() time.Time, log *slog.Logger) (*Book, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("open bindings: %w", err)
	}
	if err := db.Migrate(ctx, "binding", sub); err != nil {
		return nil, fmt.Errorf("open bindings: %w", err)
	}
	b := &Book{db: db, records: records, now: now, log: log}
	if err := b.load(ctx); err != nil {
		return nil, fmt.Errorf("open bindings: %w", err)
	}
	return b, nil
}

const columns = `id, state, mac, ip, port, vlan, dynamic, person, department, device, note, first_seen, last_seen, until, decided_by, decided, before_id`

func (b *Book) load(ctx context.Context) error {
	b.live, b.byIP, b.byMAC = map[string]*Binding{}, map[string][]*Binding{}, map[string][]*Binding{}
	b.networks, b.known = map[string]Network{}, map[string]Known{}
	return b.db.View(ctx, func(tx *sql.Tx) error {
		list, err := query(tx, "WHERE state <> $1", string(Ended))
		if err != nil {
			return err
		}
		for i := range list {
			b.keep(list[i])
		}
		if err := bodies(tx, "binding_networks", b.networks); err != nil {
			return err
		}
		return bodies(tx, "binding_known", b.known)
	})
}

// bodies reads a table of JSON bodies by id.
func bodies[T any](tx *sql.Tx, table string, into map[string]T) error {
	rows, err := tx.Query("SELECT id, body FROM " + table)
	if err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, body string
		var v T
		if err := rows.Scan(&id, &body); err != nil {
			return fmt.Errorf("read %s: %w", table, err)
		}
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			return fmt.Errorf("read %s: a row is not of the known form: %w", table, err)
		}
		into[id] = v
	}
	return rows.Err()
}

func query(tx *sql.Tx, where string, args ...any) (list []Binding, err error) {
	rows, err := tx.Query("SELECT "+columns+" FROM binding_entries "+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read bindings: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var x Binding
		var vlan, dynamic int64
		if err := rows.Scan(&x.ID, &x.State, &x.MAC, &x.IP, &x.Port, &vlan, &dynamic, &x.Person, &x.Department, &x.Device, &x.Note,
			&x.First, &x.Last, &x.Until, &x.DecidedBy, &x.Decided, &x.Before); err != nil {
			return nil, fmt.Errorf("read bindings: %w", err)
		}
		x.VLAN, x.Dynamic = uint16(vlan), dynamic != 0
		list = append(list, x)
	}
	return list, rows.Err()
}

// save writes a binding as it stands.
func save(tx *sql.Tx, x *Binding) error {
	dynamic := 0
	if x.Dynamic {
		dynamic = 1
	}
	_, err := tx.Exec(`INSERT INTO binding_entries (`+columns+`) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, port = excluded.port, vlan = excluded.vlan, dynamic = excluded.dynamic,
		person = excluded.person, department = excluded.department, device = excluded.device, note = excluded.note,
		first_seen = excluded.first_seen, last_seen = excluded.last_seen, until = excluded.until,
		decided_by = excluded.decided_by, decided = excluded.decided, before_id = excluded.before_id`,
		x.ID, string(x.State), x.MAC, x.IP, x.Port, int64(x.VLAN), dynamic, x.Person, x.Department, x.Device, x.Note,
		x.First, x.Last, x.Until, x.DecidedBy, x.Decided, x.Before)
	if err != nil {
		return fmt.Errorf("write binding: %w", err)
	}
	return nil
}

func saveBody(tx *sql.Tx, table, id string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", table, err)
	}
	_, err = tx.Exec("INSERT INTO "+table+" (id, body) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET body = excluded.body", id, string(body))
	if err != nil {
		return fmt.Errorf("write %s: %w", table, err)
	}
	return nil
}

// keep puts a binding into memory, or takes it out when it has ended.
func (b *Book) keep(x Binding) {
	if old := b.live[x.ID]; old != nil {
		b.byIP[old.IP] = without(b.byIP[old.IP], old)
		b.byMAC[old.MAC] = without(b.byMAC[old.MAC], old)
		delete(b.live, x.ID)
	}
	if x.State == Ended {
		return
	}
	p := &x
	b.live[x.ID] = p
	b.byMAC[x.MAC] = append(b.byMAC[x.MAC], p)
	if x.IP != "" {
		b.byIP[x.IP] = append(b.byIP[x.IP], p)
	}
}

func without(list []*Binding, x *Binding) []*Binding {
	return slices.DeleteFunc(list, func(y *Binding) bool { return y == x })
}

// idOf names a binding by what it binds and since when.
func idOf(x *Binding) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%d|%d", x.MAC, x.IP, x.VLAN, x.First))
	return "b-" + hex.EncodeToString(sum[:8])
}

// Filter chooses bindings; an empty field does not filter.
type Filter struct {
	State  State
	Prefix netip.Prefix
	VLAN   uint16
	Person string
	// Ended lists those, too.
	Ended bool
}

func (f Filter) fits(x *Binding) bool {
	if f.State != "" && x.State != f.State || f.VLAN != 0 && x.VLAN != f.VLAN || f.Person != "" && x.Person != f.Person {
		return false
	}
	return !f.Prefix.IsValid() || f.Prefix.Contains(asset.ParseAddr(x.IP))
}

// List lists bindings, in the order of their addresses, the newest of an
// address first.
func (b *Book) List(ctx context.Context, f Filter) ([]Binding, error) {
	var all []Binding
	if f.Ended || f.State == Ended {
		err := b.db.View(ctx, func(tx *sql.Tx) (err error) {
			all, err = query(tx, "")
			return err
		})
		if err != nil {
			return nil, err
		}
	} else {
		b.mu.Lock()
		for _, x := range b.live {
			all = append(all, *x)
		}
		b.mu.Unlock()
	}
	all = slices.DeleteFunc(all, func(x Binding) bool { return !f.fits(&x) })
	slices.SortFunc(all, byAddress)
	return all, nil
}

func byAddress(x, y Binding) int {
	return cmp.Or(asset.ParseAddr(x.IP).Compare(asset.ParseAddr(y.IP)), cmp.Compare(y.First, x.First), strings.Compare(x.MAC, y.MAC), strings.Compare(x.ID, y.ID))
}

// Networks lists the networks somebody locked, or opened again.
func (b *Book) Networks() []Network {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]Network, 0, len(b.networks))
	for _, n := range b.networks {
		list = append(list, n)
	}
	slices.SortFunc(list, func(x, y Network) int { return strings.Compare(x.ID, y.ID) })
	return list
}

// KnownList lists the machines with roles, learnt and confirmed.
func (b *Book) KnownList() []Known {
	b.mu.Lock()
	defer b.mu.Unlock()
	ids := make([]string, 0, len(b.known))
	for id := range b.known {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	list := make([]Known, len(ids))
	for i, id := range ids {
		list[i] = b.known[id]
	}
	return list
}

// Table is what sensors and guards need. medical says which MACs are medical
// devices; nil knows none.
func (b *Book) Table(medical func(mac string) bool) Table {
	t := Table{Form: TableVersion, Known: b.KnownList()}
	for _, n := range b.Networks() {
		if n.Locked {
			t.Networks = append(t.Networks, n)
		}
	}
	b.mu.Lock()
	for _, x := range b.live {
		t.Entries = append(t.Entries, Entry{
			MAC: x.MAC, IP: asset.ParseAddr(x.IP), Port: x.Port, VLAN: x.VLAN, State: x.State, Dynamic: x.Dynamic, Binding: x.ID,
			Medical: medical != nil && medical(x.MAC),
		})
	}
	b.mu.Unlock()
	slices.SortFunc(t.Entries, func(x, y Entry) int {
		return cmp.Or(x.IP.Compare(y.IP), strings.Compare(x.MAC, y.MAC), strings.Compare(x.Binding, y.Binding))
	})
	data, _ := json.Marshal(t) // its types always can be written
	sum := sha256.Sum256(data)
	t.Mark, t.Made = hex.EncodeToString(sum[:8]), b.now().UnixMilli()
	return t
}
