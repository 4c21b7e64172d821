//go:build linux

package nft

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/zone"
)

// The keys of the set armed.
const (
	armedTrial = 1 // a trial's time is not over
	armedBeat  = 2 // somebody watches over fail-open zones
)

// snaplen is how much of a packet a record holds: headers, never content.
const snaplen = 96

// zoneTable is where a policy goes. A staged one has a table of its own behind
// the enforced one, so that the next version can be tried while this one holds.
func zoneTable(mode zone.Mode) *nftables.Table {
	if mode == zone.Stage {
		return &nftables.Table{Name: "cordon-staged", Family: nftables.TableFamilyINet}
	}
	return &nftables.Table{Name: "cordon", Family: nftables.TableFamilyINet}
}

func armedSet(t *nftables.Table) *nftables.Set {
	return &nftables.Set{Table: t, Name: "armed", KeyType: nftables.TypeMark, KeyByteOrder: binaryutil.NativeEndian, HasTimeout: true}
}

// mostCounted is how many elements a policy may have for each to be counted:
// the kernel keeps a counter for every processor, and making 100,000 of them
// takes longer than everything else. Beyond, each rule is counted.
const mostCounted = 20_000

// roomLeft is what somebody may add to a set by hand.
const roomLeft = 64

// content is a table before it is loaded: all that reading back compares with.
type content struct {
	table  *nftables.Table
	sets   []filled
	chains []ruled
}

type filled struct {
	set      *nftables.Set
	elements []nftables.SetElement
	// anything says that its elements come and go and are not compared.
	anything bool
}

type ruled struct {
	chain *nftables.Chain
	rules []*nftables.Rule
}

// zoneContent is the table of a ruleset, and whose each element is.
func (k *Kernel) zoneContent(r *zone.Ruleset, mode zone.Mode) (content, map[string]string, error) {
	c := content{table: zoneTable(mode)}
	list, owner, err := groups(r.Elements)
	if err != nil {
		return c, nil, err
	}
	c.sets = append(c.sets, filled{set: armedSet(c.table), anything: true})
	rules := [][]expr.Any{
		{&expr.Counter{}},
		slices.Concat(established(), []expr.Any{&expr.Counter{}, accept()}),
	}
	for _, g := range list {
		set := g.set(c.table)
		// A set of known size is a plain hash table, which fills in half the time.
		set.Size = uint32(len(g.elements)) + roomLeft
		set.Counter = len(r.Elements) <= mostCounted
		c.sets = append(c.sets, filled{set: set, elements: g.elements})
		rules = append(rules, g.lookup())
	}
	rules = append(rules, k.refusal(r, mode)...)
	policy, priority := nftables.ChainPolicyAccept, nftables.ChainPriorityFilter
	switch mode {
	case zone.Enforce:
		policy = nftables.ChainPolicyDrop
	case zone.Stage:
		priority = nftables.ChainPriorityRef(1)
	}
	chain := &nftables.Chain{Name: "forward", Table: c.table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookForward,
		Priority: priority, Policy: &policy}
	c.chains = append(c.chains, ruled{chain, named(c.table, chain, rules, "cordon "+string(mode)+" "+r.Hash)})
	return c, owner, nil
}

// refusal is what happens to a packet that nothing allowed.
func (k *Kernel) refusal(r *zone.Ruleset, mode zone.Mode) [][]expr.Any {
	if mode == zone.Stage {
		return [][]expr.Any{{&expr.Counter{}, k.record(zone.DeniedWould, 0), accept()}}
	}
	var rules [][]expr.Any
	open := slices.Concat(unlessArmed(armedBeat), []expr.Any{&expr.Counter{}, k.record(zone.DeniedOpen, 0), accept()})
	for _, match := range failOpen(r.Zones) {
		rules = append(rules, slices.Concat(match, open))
	}
	if mode == zone.Trial {
		rules = append(rules, slices.Concat(unlessArmed(armedTrial), []expr.Any{&expr.Counter{}, k.record(zone.DeniedOpen, 0), accept()}))
	}
	return append(rules, []expr.Any{&expr.Counter{}, k.record(zone.DeniedZone, 0), drop()})
}

// failOpen matches what goes from or to a fail-open zone.
func failOpen(zones []zone.Zone) (list [][]expr.Any) {
	for _, z := range zones {
		if !z.FailOpen {
			continue
		}
		if z.Interface != "" {
			for _, key := range []expr.MetaKey{expr.MetaKeyIIFNAME, expr.MetaKeyOIFNAME} {
				list = append(list, []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Register: 1, Data: ifname(z.Interface)}})
			}
			continue
		}
		for _, n := range z.Networks {
			f, src, dst, size := uint8(6), uint32(8), uint32(24), uint32(16)
			if n.Addr().Is4() {
				f, src, dst, size = 4, 12, 16, 4
			}
			for _, off := range []uint32{src, dst} {
				list = append(list, slices.Concat(family(f), address(firstRegister, off, size, n.Bits()),
					[]expr.Any{&expr.Cmp{Register: firstRegister, Data: n.Masked().Addr().AsSlice()}}))
			}
		}
	}
	return list
}

func established() []expr.Any {
	const states = expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: native32(states), Xor: native32(0)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: native32(0)},
	}
}

func unlessArmed(key uint32) []expr.Any {
	return []expr.Any{&expr.Immediate{Register: 1, Data: native32(key)}, &expr.Lookup{SourceRegister: 1, SetName: "armed", Invert: true}}
}

// record sends a packet's headers to NFLOG.
func (k *Kernel) record(kind zone.DenialKind, plus uint16) expr.Any {
	return &expr.Log{Key: 1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_PREFIX | 1<<unix.NFTA_LOG_SNAPLEN,
		Group: k.cfg.Group + plus, Snaplen: snaplen, Data: []byte(logPrefix + string(kind))}
}

// logPrefix begins the prefix of our records.
const logPrefix = "cordon-"

func accept() expr.Any { return &expr.Verdict{Kind: expr.VerdictAccept} }
func drop() expr.Any   { return &expr.Verdict{Kind: expr.VerdictDrop} }

// named makes rules; the first one carries a comment that says whose they are.
func named(t *nftables.Table, c *nftables.Chain, rules [][]expr.Any, comment string) []*nftables.Rule {
	out := make([]*nftables.Rule, len(rules))
	for i, e := range rules {
		out[i] = &nftables.Rule{Table: t, Chain: c, Exprs: e}
	}
	// A comment is at most 128 bytes, NUL included: mode and SHA-256 fit.
	out[0].UserData = userdata.AppendString(nil, userdata.Type(0), comment)
	return out
}

// commentOf reads what named wrote.
func commentOf(r *nftables.Rule) (mode zone.Mode, hash string) {
	text, _ := userdata.GetString(r.UserData, userdata.Type(0))
	rest, ours := strings.CutPrefix(text, "cordon ")
	if !ours {
		return "", ""
	}
	m, h, _ := strings.Cut(rest, " ")
	return zone.Mode(m), h
}

// batch is how many elements one message holds.
const batch = 1000

// put adds a whole table to a transaction.
func (c content) put(conn *nftables.Conn) error {
	conn.AddTable(c.table)
	for _, s := range c.sets {
		if err := conn.AddSet(s.set, s.elements[:min(batch, len(s.elements))]); err != nil {
			return fmt.Errorf("set %s: %w", s.set.Name, err)
		}
		for part := range slices.Chunk(s.elements[min(batch, len(s.elements)):], batch) {
			if err := conn.SetAddElements(s.set, part); err != nil {
				return fmt.Errorf("set %s: %w", s.set.Name, err)
			}
		}
	}
	for _, ch := range c.chains {
		conn.AddChain(ch.chain)
		for _, r := range ch.rules {
			conn.AddRule(r)
		}
	}
	return nil
}

// Apply takes the place of what was loaded before.
func (k *Kernel) Apply(ctx context.Context, r *zone.Ruleset, o zone.Order) (a zone.Applied, err error) {
	begun := monotonic()
	c, _, err := k.zoneContent(r, o.Mode)
	if err != nil {
		return a, err
	}
	switch {
	case o.Mode != zone.Stage && o.Mode != zone.Trial && o.Mode != zone.Enforce:
		return a, fmt.Errorf("mode %q; use stage, trial or enforce", o.Mode)
	case o.Mode == zone.Trial && o.Trial < time.Second:
		return a, fmt.Errorf("a trial of %s is too short; give at least a second", o.Trial)
	case o.Mode == zone.Trial:
		c.sets[0].elements = []nftables.SetElement{{Key: native32(armedTrial), Timeout: o.Trial}}
	}
	var gone []*nftables.Table
	if o.Mode != zone.Stage {
		gone = append(gone, zoneTable(zone.Stage))
	}
	if err := k.replace(c, gone...); err != nil {
		return a, fmt.Errorf("load policy %s: %w", r.Policy, err)
	}
	a.Elements, a.Took = len(r.Elements), monotonic()-begun
	if o.Strict {
		err = k.setting("netfilter/nf_conntrack_tcp_loose", "0")
	}
	if err == nil && o.Cut && o.Mode != zone.Stage {
		a.Ended, err = k.cutDenied(ctx, r)
	}
	return a, err
}

// replace swaps a table, and removes others, in one transaction.
func (k *Kernel) replace(c content, gone ...*nftables.Table) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	conn, err := k.conn()
	if err != nil {
		return err
	}
	for _, t := range append(gone, c.table) {
		conn.AddTable(t)
		conn.DelTable(t)
	}
	if err := c.put(conn); err != nil {
		return err
	}
	return conn.Flush()
}

// Remove takes the policy away: the staged one, or all.
func (k *Kernel) Remove(_ context.Context, mode zone.Mode) error {
	if mode == zone.Stage {
		return k.remove(zoneTable(zone.Stage))
	}
	return k.remove(zoneTable(zone.Stage), zoneTable(zone.Enforce))
}

func (k *Kernel) remove(tables ...*nftables.Table) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	conn, err := k.conn()
	if err != nil {
		return err
	}
	for _, t := range tables {
		conn.AddTable(t)
		conn.DelTable(t)
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("remove table %s: %w", tables[0].Name, err)
	}
	return nil
}

// monotonic is a clock that only measures.
func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

func quote(name string) string { return strconv.Quote(name) }
