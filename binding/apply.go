package binding

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/asset"
)

// restamp is how much later a pair has to be seen again for that to be written.
const restamp = 10 * time.Minute

// Apply takes in what sensors learnt. What repeats what is known changes
// nothing but the time of the last sight. After an error all of it may be
// applied again.
func (b *Book) Apply(ctx context.Context, list []Summary) error {
	if len(list) == 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(x, y Summary) int { return int(min(max(x.At-y.At, -1), 1)) })
	for len(list) > 0 {
		n := min(batch, len(list))
		err := b.change(ctx, func(d *draft) error {
			for i := range list[:n] {
				if err := d.apply(&list[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// draft is a change of the book on its way: it sees its own changes, and the
// book only those committed.
type draft struct {
	book    *Book
	tx      *sql.Tx
	changed map[string]Binding
	known   map[string]Known
}

func (d *draft) commit() {
	for _, x := range d.changed {
		d.book.keep(x)
	}
	for id, k := range d.known {
		d.book.known[id] = k
	}
}

// live lists the bindings in force that match: of an address or of a MAC.
func (d *draft) live(ip, mac string) (list []Binding) {
	from := d.book.byIP[ip]
	if ip == "" {
		from = d.book.byMAC[mac]
	}
	for _, x := range from {
		if _, ok := d.changed[x.ID]; !ok {
			list = append(list, *x)
		}
	}
	for _, x := range d.changed {
		if x.State != Ended && (ip != "" && x.IP == ip || ip == "" && x.MAC == mac) {
			list = append(list, x)
		}
	}
	slices.SortFunc(list, byAddress)
	return list
}

func (d *draft) save(x Binding) error {
	d.changed[x.ID] = x
	return save(d.tx, &x)
}

func (d *draft) apply(s *Summary) error {
	if s.Role != "" {
		return d.role(s)
	}
	mac, ip := asset.MACText(s.MAC), asset.AddrText(s.IP)
	if mac == "" || ip == "" {
		return nil
	}
	at := s.At / int64(time.Millisecond)
	var old []Binding
	for _, x := range d.live(ip, "") {
		if x.VLAN != 0 && s.VLAN != 0 && x.VLAN != s.VLAN {
			continue
		}
		if x.MAC == mac {
			return d.seen(x, s, at)
		}
		old = append(old, x)
	}
	return d.learnt(s, mac, ip, at, old)
}

// seen notes that a pair is still in use.
func (d *draft) seen(x Binding, s *Summary, at int64) error {
	lease := s.Server.IsValid() && !x.Dynamic && x.State == Learnt
	if at-x.Last < restamp.Milliseconds() && at >= x.First && !lease {
		return nil
	}
	x.First, x.Last = min(x.First, at), max(x.Last, at)
	x.Dynamic = x.Dynamic || lease
	return d.save(x)
}

// learnt writes down a new pair. It never takes an address away from whom a
// person bound it to: that is an alarm, and a conflict to be decided.
func (d *draft) learnt(s *Summary, mac, ip string, at int64, old []Binding) error {
	lease := s.Server.IsValid()
	x := Binding{State: Learnt, MAC: mac, IP: ip, VLAN: s.VLAN, Dynamic: lease, First: at, Last: at}
	for _, o := range old {
		if at < o.First || o.State != Learnt && !(lease && o.Dynamic) {
			return nil
		}
	}
	by := "sensor " + s.Sensor
	if lease {
		by = "dhcp " + s.Server.String()
		if err := d.inherit(&x, by, at); err != nil {
			return err
		}
	}
	for _, o := range old {
		x.Before = o.ID
		if err := d.end(o, by, at); err != nil {
			return err
		}
	}
	x.ID = idOf(&x)
	return d.save(x)
}

// inherit makes a leased address what people said of the MAC, and ends the
// lease it had in this network.
func (d *draft) inherit(x *Binding, by string, at int64) error {
	for _, o := range d.live("", x.MAC) {
		if !o.Dynamic || o.VLAN != 0 && x.VLAN != 0 && o.VLAN != x.VLAN {
			continue
		}
		if o.State != Learnt && x.State == Learnt {
			x.State, x.Person, x.Department, x.Device, x.Note = o.State, o.Person, o.Department, o.Device, o.Note
			x.DecidedBy, x.Decided = by, at
		}
		if o.IP != "" && is6(o.IP) == is6(x.IP) && at >= o.First {
			if err := d.end(o, by, at); err != nil {
				return err
			}
		}
	}
	return nil
}

func is6(ip string) bool { return strings.Contains(ip, ":") }

// end ends a binding because another took its place.
func (d *draft) end(x Binding, by string, at int64) error {
	x.State, x.Until, x.DecidedBy, x.Decided = Ended, max(at, x.First), by, at
	return d.save(x)
}

// role writes down a machine with a role, once.
func (d *draft) role(s *Summary) error {
	k := Known{Role: s.Role, MAC: asset.MACText(s.MAC), Also: asset.MACText(s.Also), IP: plain(s.IP), VLAN: s.VLAN, State: Learnt, By: "sensor " + s.Sensor, At: s.At / int64(time.Millisecond)}
	if k.Role == RoleTeam && k.Also < k.MAC {
		k.MAC, k.Also = k.Also, k.MAC
	}
	id := k.id()
	if _, ok := d.book.known[id]; ok {
		return nil
	}
	if _, ok := d.known[id]; ok || len(d.book.known)+len(d.known) >= mostKnown {
		return nil
	}
	d.known[id] = k
	return saveBody(d.tx, "binding_known", id, k)
}

// mostKnown bounds what sensors may propose.
const mostKnown = 10000

// id names a role by whom it is given to.
func (k *Known) id() string {
	text := ""
	if k.IP.IsValid() && k.Role != RoleTeam {
		text = k.IP.String()
	}
	return strings.Join([]string{string(k.Role), k.MAC, k.Also, text, itoa(k.VLAN)}, "|")
}
