// Package nft has the Linux kernel keep zones apart: it turns a
// [zone.Ruleset] into nftables, isolates devices, guards the ports of a
// bridge, and reads back what the kernel did not let pass.
//
// # What it owns in the kernel
//
//   - table inet cordon: the policy. Chain forward; one set per shape of
//     element; the set armed. Replaced as a whole, in one transaction.
//   - table inet cordon-staged: the same for a policy that only counts and
//     records, behind the one that holds.
//   - table inet cordon-quarantine and, for what is switched and not routed,
//     table bridge cordon-quarantine: isolated addresses, with the kernel's own
//     timeouts, so that they end and outlive Cordon by themselves. A policy
//     that is replaced or removed leaves them alone. Their chains stand before
//     the policy's and look before they ask for the state of a connection:
//     established conversations are cut at once.
//   - table bridge cordon-guard: who may claim which address at which port.
//
// Nothing else is touched. [Kernel.Loaded] names what others put on the path.
//
// # How a packet is judged
//
// A packet of an established conversation, or related to one (such as the ICMP
// error that path MTU discovery needs), passes. Any other is looked up. Sets
// are hashes: elements are sorted by shape (by interfaces, or by addresses
// with these two prefix lengths; with one port, a range, or none), a rule per
// shape masks the addresses to its lengths and looks the rest up. So two
// prefixes may overlap as they like, which interval sets of the kernel refuse,
// and 100,000 elements cost a packet no more than one. Only ranges of ports
// need an interval set.
//
// What no rule takes is recorded (NFLOG) and dropped; when staged it is
// recorded and passes. Two things let it pass although the mode is enforce,
// both by elements that run out in the kernel itself, so that no crash of
// Cordon can leave a hospital cut off: a trial whose time is over, and a
// fail-open zone while nobody sends beats.
//
// # What it does not do
//
// It filters what this machine forwards; what two devices say to each other
// within a switch never comes here. It does not route, and does not translate
// addresses. Fragments of neighbour discovery are left to the receivers, which
// must ignore them (RFC 6980).
package nft

import "log/slog"

// Options say where and how.
type Options struct {
	// NetNS is a network namespace, by name or path; empty is the present one.
	NetNS string
	// Group is the NFLOG group of zones and quarantine; that of the bridge
	// guard is the next one. Default: 9.
	Group uint16
	Log   *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Group == 0 {
		o.Group = 9
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}
