package flow

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"math"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Keep is how long the hours are kept: simulations look back 30 days, and a
// month's end should still be in sight.
const Keep = 35 * 24 * time.Hour

const hourMS = int64(time.Hour / time.Millisecond)

// place is where a conversation's hour is kept.
type place struct {
	hour   int64 // since 1970
	sensor string
	Key
}

// Book keeps the hours. All methods may be called concurrently, but Apply,
// Changes and Saved come from the pipeline.
type Book struct {
	db *store.DB

	mu    sync.RWMutex
	fresh map[place]*Conversation // guarded by mu: not in the store yet
	sent  map[place]*Conversation // guarded by mu: in the checkpoint under way
	sums  sums                    // guarded by mu
	crowd crowd                   // guarded by mu
	seq   int64                   // guarded by mu: the last checkpoint's number

	rolling sync.Mutex
	rolled  map[int64]int64 // guarded by rolling: by day, changes when last tried
}

// Open makes the tables and the book.
func Open(ctx context.Context, db *store.DB) (*Book, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, "flow", sub); err != nil {
		return nil, err
	}
	b := &Book{db: db, fresh: map[place]*Conversation{}, rolled: map[int64]int64{}}
	err = db.View(ctx, func(tx *sql.Tx) (err error) {
		b.seq, err = savedSeq(ctx, tx)
		return err
	})
	return b, err
}

// Apply adds a report to the hours it belongs to. A report that spans hours
// counts for the one in which it ends.
func (b *Book) Apply(c Conversation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.crowd.room(place{max(c.From, c.Until-1) / hourMS, c.Sensor, c.Key})
	c.Key = p.Key
	b.sums.touch(p.hour)
	if old := b.fresh[p]; old != nil {
		old.Add(c)
		return
	}
	c.Calls, c.Clear = maps.Clone(c.Calls), slices.Clone(c.Clear)
	b.fresh[p] = &c
}

// Add joins another report of the same conversation.
func (c *Conversation) Add(o Conversation) {
	c.From, c.Until = min(c.From, o.From), max(c.Until, o.Until)
	c.Sessions, c.Refused = c.Sessions+o.Sessions, c.Refused+o.Refused
	c.PacketsOut, c.PacketsIn = c.PacketsOut+o.PacketsOut, c.PacketsIn+o.PacketsIn
	c.BytesOut, c.BytesIn = c.BytesOut+o.BytesOut, c.BytesIn+o.BytesIn
	c.VLAN, c.TLS, c.SNI = cmp.Or(o.VLAN, c.VLAN), cmp.Or(o.TLS, c.TLS), cmp.Or(o.SNI, c.SNI)
	c.ClientMAC, c.ServerMAC = cmp.Or(o.ClientMAC, c.ClientMAC), cmp.Or(o.ServerMAC, c.ServerMAC)
	c.ClientName, c.ServerName = cmp.Or(o.ClientName, c.ClientName), cmp.Or(o.ServerName, c.ServerName)
	for name, n := range o.Calls {
		if c.Calls == nil {
			c.Calls = map[string]int64{}
		}
		c.Calls[name] += n
	}
	for _, what := range o.Clear {
		if !slices.Contains(c.Clear, what) {
			c.Clear = append(c.Clear, what)
		}
	}
}

// Changes are the hours that changed since the last checkpoint.
type Changes struct {
	rows   map[place]*Conversation
	before int64 // hours before it are forgotten
	seq    int64
}

// Changes takes them for a checkpoint at now (ms). Call Saved once they are
// committed; if they were not, the next Changes hold them too.
func (b *Book) Changes(now int64) Changes {
	b.mu.Lock()
	defer b.mu.Unlock()
	for p, c := range b.sent { // of a checkpoint that failed
		if f := b.fresh[p]; f != nil {
			c.Add(*f)
		}
		b.fresh[p] = c
	}
	b.seq++
	b.sent, b.fresh = b.fresh, map[place]*Conversation{}
	return Changes{b.sent, (now - Keep.Milliseconds()) / hourMS, b.seq}
}

// Saved says that the last Changes are committed.
func (b *Book) Saved() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = nil
}

// Write adds the changes to what the store has; it may run more than once.
func (ch Changes) Write(ctx context.Context, tx *sql.Tx) error {
	if len(ch.rows) == 0 {
		return nil
	}
	read, err := tx.PrepareContext(ctx, `SELECT body FROM flow_hours WHERE hour = $1 AND sensor = $2 AND client = $3 AND server = $4 AND proto = $5 AND port = $6 AND app = $7`)
	if err != nil {
		return fmt.Errorf("save conversations: %w", err)
	}
	defer read.Close()
	put, err := tx.PrepareContext(ctx, `INSERT INTO flow_hours (hour, sensor, client, server, proto, port, app, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (hour, sensor, client, server, proto, port, app) DO UPDATE SET body = excluded.body`)
	if err != nil {
		return fmt.Errorf("save conversations: %w", err)
	}
	defer put.Close()
	for p, c := range ch.rows {
		if err := saveHour(ctx, read, put, p, *c); err != nil {
			return fmt.Errorf("save conversations: %w", err)
		}
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM flow_hours WHERE hour < $1`, ch.before); err != nil {
		return fmt.Errorf("forget old conversations: %w", err)
	}
	if err := ch.changedDays(ctx, tx); err != nil {
		return fmt.Errorf("note the days that changed: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE flow_saved SET seq = $1 WHERE id = 1`, ch.seq); err != nil {
		return fmt.Errorf("number a checkpoint: %w", err)
	}
	return nil
}

func saveHour(ctx context.Context, read, put *sql.Stmt, p place, c Conversation) error {
	key := []any{p.hour, p.sensor, asset.AddrText(p.Client), asset.AddrText(p.Server), p.Proto, p.Port, p.App}
	var body string
	switch err := read.QueryRowContext(ctx, key...).Scan(&body); {
	case err == sql.ErrNoRows:
	case err != nil:
		return err
	default:
		var old stored
		if err := json.Unmarshal([]byte(body), &old); err != nil {
			return fmt.Errorf("read an hour: %w", err)
		}
		sum := old.conversation(p)
		sum.Add(c)
		c = sum
	}
	_, err := put.ExecContext(ctx, append(key, string(raw(storedOf(c))))...)
	return err
}

// Conversations gives what was seen from one moment until another (ms), by
// hour and key, the hours in order. What several sensors saw of a conversation
// in an hour counts once: that of the sensor which saw most of it. It sees what
// no checkpoint has yet.
func (b *Book) Conversations(ctx context.Context, from, until int64) iter.Seq2[Conversation, error] {
	return b.ask(ctx, from, until, "", nil)
}

// Of gives the conversations of one address, on either side.
func (b *Book) Of(ctx context.Context, addr netip.Addr, from, until int64) iter.Seq2[Conversation, error] {
	a := asset.AddrText(addr)
	return b.ask(ctx, from, until, a, func(k Key) bool { return k.Client == addr || k.Server == addr })
}

func (b *Book) ask(ctx context.Context, from, until int64, addr string, want func(Key) bool) iter.Seq2[Conversation, error] {
	return func(yield func(Conversation, error) bool) {
		waiting := b.waiting(from, until, want)
		for hour, err := range b.hours(ctx, from/hourMS, (until+hourMS-1)/hourMS, addr, waiting) {
			if err != nil {
				yield(Conversation{}, err)
				return
			}
			for _, c := range hour {
				if !yield(c, nil) {
					return
				}
			}
		}
	}
}

// waits is what waits for a checkpoint: that of a number, or a later one.
type waits struct {
	Conversation
	seq int64
}

// since gives what a checkpoint and those before it did not write.
func since(all []waits, seq int64) (out []Conversation) {
	for _, w := range all {
		if w.seq > seq {
			out = append(out, w.Conversation)
		}
	}
	return out
}

// waiting copies what no checkpoint has yet, by hour.
func (b *Book) waiting(from, until int64, want func(Key) bool) map[int64][]waits {
	out := map[int64][]waits{}
	b.mu.RLock()
	defer b.mu.RUnlock()
	for i, m := range []map[place]*Conversation{b.sent, b.fresh} {
		for p, c := range m {
			if p.hour >= from/hourMS && p.hour*hourMS < until && (want == nil || want(p.Key)) {
				one := *c
				one.Calls, one.Clear = maps.Clone(c.Calls), slices.Clone(c.Clear)
				out[p.hour] = append(out[p.hour], waits{one, b.seq + int64(i)})
			}
		}
	}
	return out
}

// hours joins the store's rows with what waits, hour by hour.
func (b *Book) hours(ctx context.Context, first, end int64, addr string, waiting map[int64][]waits) iter.Seq2[[]Conversation, error] {
	return func(yield func([]Conversation, error) bool) {
		first, end, err := b.within(ctx, first, end, waiting)
		if err != nil {
			yield(nil, fmt.Errorf("read conversations: %w", err))
			return
		}
		for hour := first; hour < end; hour++ {
			rows, seq, err := b.load(ctx, hour, addr)
			if err != nil {
				yield(nil, fmt.Errorf("read conversations: %w", err))
				return
			}
			if all := once(append(rows, since(waiting[hour], seq)...)); len(all) > 0 && !yield(all, nil) {
				return
			}
		}
	}
}

// within narrows hours to those there may be, whatever was asked for.
func (b *Book) within(ctx context.Context, first, end int64, waiting map[int64][]waits) (int64, int64, error) {
	var oldest, newest sql.NullInt64
	err := b.db.View(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, `SELECT min(hour) FROM flow_hours`).Scan(&oldest); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT max(hour) FROM flow_hours`).Scan(&newest)
	})
	if err != nil {
		return 0, 0, err
	}
	from, until := int64(math.MaxInt64), int64(math.MinInt64)
	if oldest.Valid {
		from, until = oldest.Int64, newest.Int64+1
	}
	for hour := range waiting {
		from, until = min(from, hour), max(until, hour+1)
	}
	return max(first, from), min(end, until), nil
}

// load reads an hour, and the number of the checkpoint it is of.
func (b *Book) load(ctx context.Context, hour int64, addr string) (all []Conversation, seq int64, err error) {
	const columns = `SELECT sensor, client, server, proto, port, app, body FROM flow_hours WHERE hour = $1`
	err = b.db.View(ctx, func(tx *sql.Tx) (err error) {
		all = nil
		if seq, err = savedSeq(ctx, tx); err != nil {
			return err
		}
		query, args := columns, []any{hour}
		if addr != "" {
			query, args = columns+` AND (client = $2 OR server = $3)`, []any{hour, addr, addr}
		}
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			p := place{hour: hour}
			var client, server, body string
			var s stored
			if err := rows.Scan(&p.sensor, &client, &server, &p.Proto, &p.Port, &p.App, &body); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(body), &s); err != nil {
				return err
			}
			p.Client, p.Server = asset.ParseAddr(client), asset.ParseAddr(server)
			all = append(all, s.conversation(p))
		}
		return rows.Err()
	})
	return all, seq, err
}

// once joins the reports of one sensor and keeps, of several sensors, the one
// that saw most. The order is that of the keys.
func once(all []Conversation) []Conversation {
	type seen struct {
		sensor string
		Key
	}
	sums := map[seen]*Conversation{}
	for _, c := range all {
		k := seen{c.Sensor, c.Key}
		if old := sums[k]; old != nil {
			old.Add(c)
			continue
		}
		sums[k] = &c
	}
	best := map[Key]*Conversation{}
	for k, c := range sums {
		if old := best[k.Key]; old == nil || c.more(old) {
			best[k.Key] = c
		}
	}
	out := make([]Conversation, 0, len(best))
	for _, c := range best {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Conversation) int { return a.Key.Compare(b.Key) })
	return out
}

// more says whether c saw more of the same conversation than o.
func (c *Conversation) more(o *Conversation) bool {
	return cmp.Or(cmp.Compare(c.Sessions, o.Sessions), cmp.Compare(c.PacketsIn+c.PacketsOut, o.PacketsIn+o.PacketsOut), cmp.Compare(o.Sensor, c.Sensor)) > 0
}

// Compare orders keys by client, server, protocol, port and application.
func (k Key) Compare(o Key) int {
	return cmp.Or(k.Client.Compare(o.Client), k.Server.Compare(o.Server), cmp.Compare(k.Proto, o.Proto), cmp.Compare(k.Port, o.Port), cmp.Compare(k.App, o.App))
}
