package binding

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/ocsf"
)

// Holder is who had an address at a time, and on whose word.
type Holder struct {
	// Binding is as it was then, as far as decisions were written down.
	Binding Binding `json:"binding"`
	// By decided it, At (ms), for that Reason; "" where it was only seen, and
	// "dhcp ADDRESS" where a lease gave it.
	By     string `json:"by,omitempty"`
	At     int64  `json:"at,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Version is that of the record with the decision, 0 without one.
	Version int `json:"version,omitempty"`
}

// Who says who had an address at a time (ms), the latest to get it first.
func (b *Book) Who(ctx context.Context, ip netip.Addr, at int64) ([]Holder, error) {
	return b.Held(ctx, asset.AddrText(ip), at)
}

// Held says which bindings an address, an IP or a MAC, had at a time (ms), or
// ever where that is 0, the latest first, and on whose word.
func (b *Book) Held(ctx context.Context, address string, at int64) ([]Holder, error) {
	var list []Binding
	err := b.db.View(ctx, func(tx *sql.Tx) (err error) {
		if at == 0 {
			at = math.MaxInt64
			list, err = query(tx, "WHERE ip = $1 OR mac = $2 ORDER BY first_seen DESC, id", address, address)
			return err
		}
		list, err = query(tx, "WHERE (ip = $1 OR mac = $2) AND first_seen <= $3 AND (until = 0 OR until > $4) ORDER BY first_seen DESC, id", address, address, at, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	holders := make([]Holder, len(list))
	for i, x := range list {
		if holders[i], err = b.holder(ctx, x, at); err != nil {
			return nil, err
		}
	}
	return holders, nil
}

func (b *Book) holder(ctx context.Context, x Binding, at int64) (Holder, error) {
	h := Holder{Binding: x}
	if x.DecidedBy != "" && x.Decided <= at {
		h.By, h.At = x.DecidedBy, x.Decided
	}
	records, err := b.records.History(ctx, Kind, x.ID)
	if err != nil {
		return Holder{}, fmt.Errorf("read decisions: %w", err)
	}
	for _, r := range records {
		var d Decided
		if r.Time > at || json.Unmarshal(r.Body, &d) != nil {
			continue
		}
		h = Holder{Binding: d.Binding, By: d.By, At: r.Time, Reason: d.Reason, Version: r.Version}
	}
	if h.Version == 0 && x.Decided > at {
		// Decided later only: then it was no more than seen.
		h.Binding.State, h.Binding.Person, h.Binding.Department, h.Binding.Note = Learnt, "", "", ""
		h.Binding.DecidedBy, h.Binding.Decided = "", 0
	}
	return h, nil
}

// History lists all bindings an address ever had, the newest first.
func (b *Book) History(ctx context.Context, ip netip.Addr) (list []Binding, err error) {
	err = b.db.View(ctx, func(tx *sql.Tx) error {
		list, err = query(tx, "WHERE ip = $1 ORDER BY first_seen DESC, id", asset.AddrText(ip))
		return err
	})
	return list, err
}

// Decisions lists what was ever decided about a binding, oldest first.
func (b *Book) Decisions(ctx context.Context, id string) ([]Decided, error) {
	records, err := b.records.History(ctx, Kind, id)
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	list := make([]Decided, 0, len(records))
	for _, r := range records {
		var d Decided
		if err := json.Unmarshal(r.Body, &d); err != nil {
			return nil, errors.New("read decisions: a record is not of the known form; was it erased?")
		}
		list = append(list, d)
	}
	return list, nil
}

// Conflict is a claim against a binding, or two devices with one address.
type Conflict struct {
	Alarm asset.Alarm `json:"alarm"`
	First int64       `json:"first"` // ms
	Times int64       `json:"times"`
	// Bound is the binding it contradicts, if any.
	Bound *Binding `json:"bound,omitempty"`
	// Why says in words what it rests on.
	Why ocsf.Text `json:"why"`
}

// mostConflicts bounds the list; the oldest give way.
const mostConflicts = 2000

// Alarm notes an alarm about addresses as a conflict; others it leaves alone.
func (b *Book) Alarm(ctx context.Context, a asset.Alarm) error {
	if !Judges(a.Kind) {
		return nil
	}
	at := a.At / int64(time.Millisecond)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%v|%v|%v|%d", a.Kind, a.Culprit.MAC, a.Victim.MAC, a.Victim.IP, a.VLAN))
	id := hex.EncodeToString(sum[:12])
	return b.db.Update(ctx, func(tx *sql.Tx) error {
		c := Conflict{Alarm: a, First: at, Times: max(a.Count, 1)}
		var body string
		switch err := tx.QueryRow("SELECT body FROM binding_conflicts WHERE id = $1", id).Scan(&body); {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return fmt.Errorf("note conflict: %w", err)
		default:
			var old Conflict
			if json.Unmarshal([]byte(body), &old) == nil {
				if old.Alarm.At == a.At && old.Alarm.Sensor == a.Sensor {
					return nil // the same event again
				}
				c.First, c.Times = old.First, old.Times+c.Times
			}
		}
		return putConflict(tx, id, at, c)
	})
}

func putConflict(tx *sql.Tx, id string, at int64, c Conflict) error {
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("note conflict: %w", err)
	}
	_, err = tx.Exec(`INSERT INTO binding_conflicts (id, at, times, body) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET at = excluded.at, times = excluded.times, body = excluded.body`, id, at, c.Times, string(body))
	if err != nil {
		return fmt.Errorf("note conflict: %w", err)
	}
	_, err = tx.Exec(`DELETE FROM binding_conflicts WHERE at < (SELECT at FROM binding_conflicts ORDER BY at DESC LIMIT 1 OFFSET $1)`, mostConflicts)
	if err != nil {
		return fmt.Errorf("note conflict: %w", err)
	}
	return nil
}

// Conflicts lists the conflicts since a time (ms), the newest first.
func (b *Book) Conflicts(ctx context.Context, since int64) (list []Conflict, err error) {
	err = b.db.View(ctx, func(tx *sql.Tx) error {
		list = nil
		rows, err := tx.Query("SELECT body FROM binding_conflicts WHERE at >= $1 ORDER BY at DESC, id", since)
		if err != nil {
			return fmt.Errorf("read conflicts: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var body string
			if err := rows.Scan(&body); err != nil {
				return fmt.Errorf("read conflicts: %w", err)
			}
			var c Conflict
			if err := json.Unmarshal([]byte(body), &c); err != nil {
				return fmt.Errorf("read conflicts: a row is not of the known form: %w", err)
			}
			list = append(list, c)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range list {
		b.explain(&list[i])
	}
	return list, nil
}

func (b *Book) explain(c *Conflict) {
	for _, x := range b.byIP[asset.AddrText(c.Alarm.Victim.IP)] {
		if x.State != Learnt && x.MAC != asset.MACText(c.Alarm.Culprit.MAC) {
			y := *x
			c.Bound = &y
		}
	}
	why := ""
	if len(c.Alarm.Args) > 0 {
		why = c.Alarm.Args[0]
	}
	c.Why = Explain(why)
}
