package binding

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/evidence"
)

// Act is what a decision does.
type Act string

// The acts.
const (
	Confirm Act = "confirm" // it is right
	Lock    Act = "lock"    // and what differs is an alarm
	Unlock  Act = "unlock"  // back to bound
	End     Act = "end"     // it holds no longer
)

// Decision is what a person says about bindings.
type Decision struct {
	Act Act
	IDs []string
	// Person (person_id) and Department are responsible; "" leaves them.
	Person, Department, Note string
	// By decides, for this Reason.
	By, Reason string
}

// Decided is the body of a record: the binding as it stands since, and why.
type Decided struct {
	Binding Binding `json:"binding"`
	Act     Act     `json:"act"`
	By      string  `json:"by"`
	Reason  string  `json:"reason,omitempty"`
}

const (
	mostText = 500
	batch    = 500 // bindings in one transaction
)

func (dc *Decision) check() error {
	switch {
	case strings.TrimSpace(dc.By) == "":
		return errors.New("decide bindings: nobody decides; sign in")
	case len(dc.Reason) > mostText || len(dc.Note) > mostText || len(dc.Person) > mostText || len(dc.Department) > mostText:
		return fmt.Errorf("decide bindings: a text is longer than %d bytes; shorten it", mostText)
	}
	switch dc.Act {
	case Confirm, Lock, Unlock, End:
		return nil
	}
	return errors.New("decide bindings: unknown act; say confirm, lock, unlock or end")
}

// Decide carries out a decision and writes it down, 500 bindings at a time. An
// id that is not in force is an error, after which those before it stand.
func (b *Book) Decide(ctx context.Context, dc Decision) error {
	if err := dc.check(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for ids := dc.IDs; len(ids) > 0; {
		n := min(batch, len(ids))
		if err := b.change(ctx, func(d *draft) error { return d.decide(&dc, ids[:n]) }); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// DecideNetwork decides about all bindings of a network in one of the states
// given; it says how many. An invalid prefix and VLAN 0 are refused: that would
// be everything.
func (b *Book) DecideNetwork(ctx context.Context, n Network, dc Decision, states ...State) (int, error) {
	if !n.Prefix.IsValid() && n.VLAN == 0 {
		return 0, errors.New("decide bindings: name a network or a VLAN")
	}
	list, err := b.List(ctx, Filter{})
	if err != nil {
		return 0, err
	}
	for _, x := range list {
		for _, s := range states {
			if x.State == s && n.Contains(asset.ParseAddr(x.IP), x.VLAN) {
				dc.IDs = append(dc.IDs, x.ID)
			}
		}
	}
	return len(dc.IDs), b.Decide(ctx, dc)
}

// change runs a change of the book in a transaction, and takes it over once it
// is committed.
func (b *Book) change(ctx context.Context, do func(*draft) error) error {
	var d draft
	err := b.db.Update(ctx, func(tx *sql.Tx) error {
		d = draft{book: b, tx: tx, changed: map[string]Binding{}, known: map[string]Known{}}
		return do(&d)
	})
	if err == nil {
		d.commit()
	}
	return err
}

func (d *draft) decide(dc *Decision, ids []string) error {
	for _, id := range ids {
		old := d.book.live[id]
		if old == nil {
			return fmt.Errorf("decide bindings: %w: %.40q; it may have ended meanwhile, reload the list", ErrUnknown, id)
		}
		x := *old
		switch dc.Act {
		case Confirm, Unlock:
			x.State = Bound
		case Lock:
			x.State = Locked
		case End:
			x.State, x.Until = Ended, d.now()
		}
		set(&x.Person, dc.Person)
		set(&x.Department, dc.Department)
		set(&x.Note, dc.Note)
		if err := d.decided(x, dc.Act, dc.By, dc.Reason); err != nil {
			return err
		}
	}
	return nil
}

func set(s *string, v string) {
	if v != "" {
		*s = v
	}
}

func (d *draft) now() int64 { return d.book.now().UnixMilli() }

// decided writes a binding and the record of who decided it.
func (d *draft) decided(x Binding, act Act, by, reason string) error {
	x.DecidedBy, x.Decided = by, d.now()
	body, err := json.Marshal(Decided{x, act, by, reason})
	if err != nil {
		return fmt.Errorf("record binding: %w", err)
	}
	_, err = d.book.records.Put(d.tx, evidence.Record{Kind: Kind, ID: x.ID, Time: x.Decided, Person: x.Person, Status: string(x.State), Ref: x.Before, Body: body})
	if err != nil {
		return fmt.Errorf("record binding: %w", err)
	}
	return d.save(x)
}

// Put binds a pair by hand: new, or in place of what bound the address before,
// which ends. A MAC without IP may lease any address.
func (b *Book) Put(ctx context.Context, x Binding, by, reason string) (id string, err error) {
	if err := clean(&x); err != nil {
		return "", err
	}
	if strings.TrimSpace(by) == "" {
		return "", errors.New("bind: nobody decides; sign in")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	err = b.change(ctx, func(d *draft) error {
		id, err = d.put(x, by, reason)
		return err
	})
	return id, err
}

// clean brings a binding somebody wrote into the one form.
func clean(x *Binding) error {
	m := asset.ParseMAC(x.MAC)
	if !station(m) {
		return errors.New("bind: the MAC is missing or not one machine's; write it as 02:00:00:00:00:01")
	}
	x.MAC = asset.MACText(m)
	if x.IP = strings.TrimSpace(x.IP); x.IP == "" {
		x.Dynamic = true
	} else {
		a := asset.ParseAddr(x.IP)
		if !usable(a) {
			return errors.New("bind: the IP is not an address that a machine can have; leave it empty for leases")
		}
		x.IP = asset.AddrText(a)
	}
	for _, s := range []string{x.Port, x.Person, x.Department, x.Note, x.Device} {
		if len(s) > mostText {
			return fmt.Errorf("bind: a text is longer than %d bytes; shorten it", mostText)
		}
	}
	if x.State == "" || x.State == Learnt {
		x.State = Bound
	}
	if x.State != Bound && x.State != Locked {
		return errors.New("bind: the state is bound or locked")
	}
	return nil
}

func (d *draft) put(x Binding, by, reason string) (string, error) {
	x.ID, x.First, x.Last, x.Until, x.Before = "", d.now(), d.now(), 0, ""
	old := d.live(x.IP, x.MAC)
	for _, o := range old {
		if o.MAC == x.MAC && o.IP == x.IP && (o.VLAN == x.VLAN || o.VLAN == 0 || x.VLAN == 0) {
			x.ID, x.First, x.Last, x.Before = o.ID, o.First, o.Last, o.Before
			if x.VLAN == 0 {
				x.VLAN = o.VLAN
			}
			return x.ID, d.decided(x, Confirm, by, reason)
		}
	}
	for _, o := range old {
		if x.IP == "" || o.VLAN != 0 && x.VLAN != 0 && o.VLAN != x.VLAN {
			continue
		}
		x.Before = o.ID
		o.State, o.Until = Ended, d.now()
		if err := d.decided(o, End, by, reason); err != nil {
			return "", err
		}
	}
	x.ID = idOf(&x)
	return x.ID, d.decided(x, Confirm, by, reason)
}

// SetNetwork locks a network or opens it again.
func (b *Book) SetNetwork(ctx context.Context, prefix netip.Prefix, vlan uint16, locked bool, by, reason string) error {
	if !prefix.IsValid() && vlan == 0 {
		return errors.New("lock network: name a network or a VLAN")
	}
	if prefix.IsValid() {
		prefix = prefix.Masked()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n := Network{Prefix: prefix, VLAN: vlan, Locked: locked, By: by, At: b.now().UnixMilli(), Reason: reason}
	n.ID = "network|" + prefixText(prefix) + "|" + itoa(vlan)
	err := b.db.Update(ctx, func(tx *sql.Tx) error {
		if err := b.record(tx, n.ID, map[bool]string{true: "locked", false: "open"}[locked], n); err != nil {
			return err
		}
		return saveBody(tx, "binding_networks", n.ID, n)
	})
	if err == nil {
		b.networks[n.ID] = n
	}
	return err
}

// SetKnown says that a machine has a role, by k.By; Ended takes it away.
func (b *Book) SetKnown(ctx context.Context, k Known) error {
	if err := k.clean(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	k.At = b.now().UnixMilli()
	id := k.id()
	err := b.db.Update(ctx, func(tx *sql.Tx) error {
		if err := b.record(tx, "known|"+id, string(k.State), k); err != nil {
			return err
		}
		if k.State != Ended {
			return saveBody(tx, "binding_known", id, k)
		}
		if _, err := tx.Exec("DELETE FROM binding_known WHERE id = $1", id); err != nil {
			return fmt.Errorf("write binding_known: %w", err)
		}
		return nil
	})
	switch {
	case err != nil:
	case k.State == Ended:
		delete(b.known, id)
	default:
		b.known[id] = k
	}
	return err
}

func (k *Known) clean() error {
	for _, s := range []*string{&k.MAC, &k.Also} {
		if m := asset.ParseMAC(*s); *s != "" {
			if !station(m) {
				return errors.New("set role: a MAC is not one machine's; write it as 02:00:00:00:00:01")
			}
			*s = asset.MACText(m)
		}
	}
	k.IP = plain(k.IP)
	switch k.Role {
	case RoleDHCP, RoleRouter, RoleVirtual:
		if k.MAC == "" && !k.IP.IsValid() {
			return errors.New("set role: name the machine by MAC or address")
		}
	case RoleTeam:
		if k.MAC == "" {
			return errors.New("set role: name the MACs of the team")
		}
		if k.Also != "" && k.Also < k.MAC {
			k.MAC, k.Also = k.Also, k.MAC
		}
	default:
		return errors.New("set role: the role is dhcp-server, router, virtual or team")
	}
	if k.State == "" || k.State == Learnt || k.State == Locked {
		k.State = Bound
	}
	if strings.TrimSpace(k.By) == "" {
		return errors.New("set role: nobody decides; sign in")
	}
	return nil
}

// record writes down a decision that is not about one binding.
func (b *Book) record(tx *sql.Tx, id, status string, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("record binding: %w", err)
	}
	if _, err := b.records.Put(tx, evidence.Record{Kind: Kind, ID: id, Time: b.now().UnixMilli(), Status: status, Body: data}); err != nil {
		return fmt.Errorf("record binding: %w", err)
	}
	return nil
}

func prefixText(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

func itoa(n uint16) string { return strconv.Itoa(int(n)) }
