package gateway

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

func migrate(ctx context.Context, db *store.DB) error {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return db.Migrate(ctx, "gateway", sub)
}

// The states of a pass.
const (
	Waiting = "waiting"
	Passed  = "passed"
	Refused = "refused"
)

// Pass is what a coached or held item waits for: a reason of its sender, or
// the approval of somebody else. Times are ms.
type Pass struct {
	// ID names it in links; it is a keyed hash, which nobody can guess.
	ID     string   `json:"id"`
	Action Action   `json:"action"`
	State  string   `json:"state"`
	Door   Door     `json:"door"`
	Route  string   `json:"route"`
	From   string   `json:"from"`
	To     []string `json:"to"`
	// Level, Patients, Persons and Kinds are of the summary.
	Level    int              `json:"level"`
	Patients int              `json:"patients"`
	Persons  int              `json:"persons"`
	Kinds    map[string]int64 `json:"kinds"`
	// Reason is the sender's, or that of who decided; By is who.
	Reason  string `json:"reason,omitempty"`
	By      string `json:"by,omitempty"`
	Created int64  `json:"created"`
	Changed int64  `json:"changed"`
	Until   int64  `json:"until"`
}

// ErrPass means that a pass is not there, or not to be changed any more.
var ErrPass = errors.New("this is no longer open; send again to get a new link")

// passID binds a pass to route, sender, recipients and the data found: the
// same data in other bytes has the same id. Content that could not be read
// counts by its number of pieces where the sender's word is enough, and by its
// bytes where somebody else approved just this.
func (g *Guard) passID(it Item, s *sight, o *Outcome) string {
	mac := hmac.New(sha256.New, g.key[:])
	to := slices.Clone(it.To)
	slices.Sort(to)
	for _, part := range slices.Concat([]string{"gateway pass", o.Route, string(o.Action), string(it.Door), it.From}, to) {
		fmt.Fprintf(mac, "%d:%s,", len(part), strings.ToLower(part))
	}
	for _, token := range s.found() {
		fmt.Fprintf(mac, "%d:%s,", len(token), token)
	}
	fmt.Fprintf(mac, "unread %d", s.summary.Unread)
	if s.summary.Unread > 0 && o.Action == Hold {
		mac.Write(content(it))
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac.Sum(nil)[:20]))
}

// content is what a content is by its bytes: without the header of a web
// request and the boundary of its form, which are new each time.
func content(it Item) []byte {
	data, err := io.ReadAll(io.NewSectionReader(it.Source, 0, it.Source.Size()))
	if err != nil {
		data = random(sha256.Size) // then no pass fits
	}
	if it.Door == Web {
		_, data, _ = bytes.Cut(data, []byte("\r\n\r\n"))
		if line, _, ok := bytes.Cut(data, []byte("\r\n")); ok && len(line) < 80 && bytes.HasPrefix(line, []byte("--")) {
			data = bytes.ReplaceAll(data, line, nil)
		}
	}
	sum := sha256.Sum256(data)
	return sum[:]
}

// askPass lets an item go that has its pass, and opens one otherwise. Where
// the passes cannot be read the item stays stopped.
func (g *Guard) askPass(ctx context.Context, it Item, s *sight, o *Outcome) {
	o.Pass = g.passID(it, s, o)
	now := g.now()
	wanted := Pass{
		ID: o.Pass, Action: o.Action, State: Waiting, Door: it.Door, Route: o.Route, From: it.From, To: it.To,
		Level: o.Summary.Level, Patients: o.Summary.Patients, Persons: o.Summary.Persons, Kinds: o.Summary.Kinds,
		Created: now.UnixMilli(), Changed: now.UnixMilli(), Until: now.Add(g.Config.HoldLife).UnixMilli(),
	}
	p, err := g.open(ctx, wanted)
	switch {
	case err != nil:
		g.log.Error("passes of the gateway cannot be read", "error", err)
		o.Pass = ""
	case p.State == Passed:
		o.Action = Allow
	}
}

// open reads a pass that is still in force, or writes the wanted one.
func (g *Guard) open(ctx context.Context, wanted Pass) (Pass, error) {
	p, err := g.Pass(ctx, wanted.ID)
	if err == nil && p.Until > g.now().UnixMilli() {
		return p, nil
	}
	if err != nil && !errors.Is(err, ErrPass) {
		return p, err
	}
	return wanted, g.db.Update(ctx, func(tx *sql.Tx) error { return putPass(ctx, tx, wanted) })
}

const passColumns = "id, action, state, door, route, sender, recipients, level, patients, persons, kinds, reason, by_user, created, changed, until"

func putPass(ctx context.Context, tx *sql.Tx, p Pass) error {
	to, err := json.Marshal(p.To)
	if err != nil {
		return err
	}
	kinds, err := json.Marshal(p.Kinds)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO gateway_passes (`+passColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
		ON CONFLICT (id) DO UPDATE SET state = $3, reason = $12, by_user = $13, created = $14, changed = $15, until = $16`,
		p.ID, string(p.Action), p.State, string(p.Door), p.Route, p.From, string(to), p.Level, p.Patients, p.Persons, string(kinds),
		p.Reason, p.By, p.Created, p.Changed, p.Until)
	if err != nil {
		return fmt.Errorf("keep pass: %w", err)
	}
	return nil
}

// Pass reads one; ErrPass where there is none.
func (g *Guard) Pass(ctx context.Context, id string) (p Pass, err error) {
	err = g.db.View(ctx, func(tx *sql.Tx) error {
		p, err = scanPass(tx.QueryRowContext(ctx, `SELECT `+passColumns+` FROM gateway_passes WHERE id = $1`, id).Scan)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return p, ErrPass
	}
	return p, err
}

func scanPass(scan func(...any) error) (Pass, error) {
	var p Pass
	var to, kinds string
	err := scan(&p.ID, &p.Action, &p.State, &p.Door, &p.Route, &p.From, &to, &p.Level, &p.Patients, &p.Persons, &kinds,
		&p.Reason, &p.By, &p.Created, &p.Changed, &p.Until)
	if err != nil {
		return p, err
	}
	return p, errors.Join(json.Unmarshal([]byte(to), &p.To), json.Unmarshal([]byte(kinds), &p.Kinds))
}

// Passes lists those of a state, newest first; an empty state is all.
func (g *Guard) Passes(ctx context.Context, state string, limit, offset int) ([]Pass, error) {
	var all []Pass
	err := g.db.View(ctx, func(tx *sql.Tx) error {
		all = nil
		rows, err := tx.QueryContext(ctx, `SELECT `+passColumns+` FROM gateway_passes WHERE $1 = '' OR state = $1
			ORDER BY created DESC, id LIMIT $2 OFFSET $3`, state, limit, offset)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			p, err := scanPass(rows.Scan)
			if err != nil {
				return err
			}
			all = append(all, p)
		}
		return rows.Err()
	})
	return all, err
}

// leastReason is how many characters a reason has at least.
const leastReason = 5

// ErrReason means that a decision came without its reason.
var ErrReason = errors.New("write a reason of some words; it is kept with the decision")

// Explain is the coached sender's reason; the same data then passes for the
// pass's life.
func (g *Guard) Explain(ctx context.Context, id, reason string) (Pass, error) {
	return g.settle(ctx, id, Coach, Passed, "", reason)
}

// Decide is the answer of somebody with the right to it on something held.
// Mail that was held is sent on by Run.
func (g *Guard) Decide(ctx context.Context, id string, approve bool, by, reason string) (Pass, error) {
	state := Refused
	if approve {
		state = Passed
	}
	return g.settle(ctx, id, Hold, state, by, reason)
}

func (g *Guard) settle(ctx context.Context, id string, action Action, state, by, reason string) (p Pass, err error) {
	reason = strings.TrimSpace(reason)
	if len([]rune(reason)) < leastReason || len(reason) > 4000 {
		return p, ErrReason
	}
	now := g.now()
	err = g.db.Update(ctx, func(tx *sql.Tx) error {
		p, err = scanPass(tx.QueryRowContext(ctx, `SELECT `+passColumns+` FROM gateway_passes WHERE id = $1`, id).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrPass
		}
		if err != nil {
			return err
		}
		if p.Action != action || p.State != Waiting || p.Until <= now.UnixMilli() {
			return ErrPass
		}
		p.State, p.By, p.Reason, p.Changed = state, by, reason, now.UnixMilli()
		p.Until = now.Add(g.Config.PassLife).UnixMilli()
		return putPass(ctx, tx, p)
	})
	if err != nil {
		return p, err
	}
	return p, g.recordPass(ctx, p)
}

// recordPass puts a settled pass on record.
func (g *Guard) recordPass(ctx context.Context, p Pass) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordFor)
	defer cancel()
	if g.Settled == nil {
		return nil
	}
	return g.Settled(ctx, p)
}

// expired are passes whose waiting ended without an answer.
func (g *Guard) expire(ctx context.Context) ([]Pass, error) {
	now := g.now()
	all, err := g.Passes(ctx, Waiting, 0x7fffffff, 0)
	if err != nil {
		return nil, err
	}
	var over []Pass
	for _, p := range all {
		if p.Action != Hold || p.Until > now.UnixMilli() {
			continue
		}
		p.State, p.Reason, p.Changed = Refused, "无人按时审批 / nobody answered in time", now.UnixMilli()
		p.Until = now.Add(time.Hour).UnixMilli()
		if err := g.db.Update(ctx, func(tx *sql.Tx) error { return putPass(ctx, tx, p) }); err != nil {
			return over, err
		}
		if err := g.recordPass(ctx, p); err != nil {
			return over, err
		}
		over = append(over, p)
	}
	return over, nil
}
