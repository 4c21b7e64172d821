package zone

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// Who is cut off is decided by addresses, and addresses can be borrowed: a
// device that sends as the PACS, as a ventilator or as the gateway has their
// address for a while, in all that a sensor can see. So what a person names is
// taken apart from what Cordon adds because it is the same device. What is
// named is refused where it is needed by others; what would be added is left
// out, and the MAC cuts the device off all the same.

// ErrNeeded means that an address is one the hospital cannot do without.
var ErrNeeded = errors.New("the hospital needs this address: it is Cordon's, a router's, or listed in zone.never; give the mac of the device that misuses it")

// errShared asks for a name that only one device has.
var errShared = errors.New("several devices used this address within a day, so one of them borrows it; give the device or its mac")

// named judges what a person named.
func (q *Quarantine) named(w whom, d asset.Device) error {
	for _, i := range w.list(0, "") {
		if err := q.spared(i); err != nil {
			return err
		}
	}
	for _, a := range w.Addresses {
		if len(w.MACs) == 0 && q.shared(a, d.ID) {
			return errShared
		}
	}
	return nil
}

// spared says why somebody is never cut off.
func (q *Quarantine) spared(i Isolation) error {
	if i.IP.IsValid() && q.FailOpen(i.IP) {
		return ErrLifeSupport
	}
	if q.Spared == nil {
		return nil
	}
	return q.Spared(i)
}

func (q *Quarantine) shared(a netip.Addr, device string) bool {
	return q.Shared != nil && q.Shared(a, device)
}

// widen adds what else the device has. An address that another device used, or
// that is never cut off, is left out: it may be borrowed. So is the MAC of a
// router, by which others come.
func (q *Quarantine) widen(w *whom, d asset.Device) error {
	w.Device = d.ID
	all, named := whomOf(d), len(w.Addresses)+len(w.MACs)
	for _, a := range all.Addresses {
		if slices.Contains(w.Addresses, a) || q.shared(a, d.ID) {
			continue
		}
		if q.FailOpen(a) { // nobody else used it: the device stands there
			return ErrLifeSupport
		}
		if q.spared(Isolation{IP: a}) == nil {
			w.Addresses = append(w.Addresses, a)
		}
	}
	for _, text := range all.MACs {
		if !slices.Contains(w.MACs, text) && !passesOn(d) && q.spared(Isolation{MAC: asset.ParseMAC(text)}) == nil {
			w.MACs = append(w.MACs, text)
		}
	}
	switch {
	case len(w.Addresses)+len(w.MACs) > 0:
		return nil
	case named == 0 && len(all.Addresses)+len(all.MACs) > 0:
		return fmt.Errorf("all addresses of the device are also others', or never cut off: %w", errShared)
	}
	return errors.New("give a device, an address or a mac; the device has no address now")
}

// passesOn says that packets of others come from a device.
func passesOn(d asset.Device) bool {
	return slices.ContainsFunc(d.Facts, func(f asset.KnownFact) bool {
		return f.Name == asset.FactRole && (f.Value == "router" || f.Value == "virtual-router")
	})
}

// whomOf are the present addresses of a device.
func whomOf(d asset.Device) (w whom) {
	for _, text := range d.IPs {
		if ip, err := netip.ParseAddr(text); err == nil && !slices.Contains(w.Addresses, ip.Unmap()) && !ip.IsLoopback() {
			w.Addresses = append(w.Addresses, ip.Unmap())
		}
	}
	for _, text := range d.MACs {
		if mac := asset.ParseMAC(text); mac != (packet.MAC{}) && !slices.Contains(w.MACs, asset.MACText(mac)) {
			w.MACs = append(w.MACs, asset.MACText(mac))
		}
	}
	return w
}
