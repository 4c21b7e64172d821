package flow

import (
	"hash/maphash"
	"net/netip"
)

// A scan, or somebody who invents addresses, makes a conversation of every
// packet. So that one machine cannot fill the store, an hour tells only so many
// conversations of one client apart; the others are summed: first without port,
// then by the server's network, and of an hour with very many clients by the
// client's network. Sums stay exact.
const (
	mostOfClient = 2_000
	mostOfHour   = 500_000
	// AppMany is the application of conversations that were summed.
	AppMany = "many"
)

// crowd counts the conversations of an hour.
type crowd struct {
	hour   int64
	seed   maphash.Seed
	known  map[uint64]struct{}
	client map[netip.Addr]int
}

// room gives the place where a conversation is kept.
func (w *crowd) room(p place) place {
	if w.known == nil || p.hour != w.hour {
		if w.known != nil && p.hour < w.hour {
			return p // late news of an hour that is over
		}
		*w = crowd{p.hour, maphash.MakeSeed(), map[uint64]struct{}{}, map[netip.Addr]int{}}
	}
	if w.has(p) {
		return p
	}
	if n := w.client[p.Client]; n >= mostOfClient {
		p.Port, p.App = 0, AppMany
		if n >= 2*mostOfClient {
			p.Server = around(p.Server)
		}
	}
	if len(w.known) >= mostOfHour {
		p.Client, p.Server, p.Port, p.App = around(p.Client), around(p.Server), 0, AppMany
	}
	if !w.has(p) {
		w.known[maphash.Comparable(w.seed, p)] = struct{}{}
		w.client[p.Client]++
	}
	return p
}

func (w *crowd) has(p place) bool {
	_, ok := w.known[maphash.Comparable(w.seed, p)]
	return ok
}

// around is the first address of the /16 or /48 an address is in.
func around(a netip.Addr) netip.Addr {
	bits := 16
	if a.Is6() {
		bits = 48
	}
	p, _ := a.Prefix(bits) // the bits fit the family
	return p.Addr()
}
