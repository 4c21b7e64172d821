//go:build linux

package nft

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/zone"
)

// Loaded reads the policy's table back and compares it with what r would be.
func (k *Kernel) Loaded(_ context.Context, r *zone.Ruleset, mode zone.Mode) (l zone.Loaded, err error) {
	c, err := k.conn()
	if err != nil {
		return l, err
	}
	if l.Others, err = others(c); err != nil {
		return l, err
	}
	t := zoneTable(mode)
	rules, err := rulesOf(c, t, "forward")
	if missing(err) {
		return l, nil
	}
	if err != nil {
		return l, fmt.Errorf("read back table %s: %w", t.Name, err)
	}
	l.Present = true
	if len(rules) > 0 {
		l.Mode, l.Hash = commentOf(rules[0])
	}
	if l.Mode == zone.Trial {
		list, err := c.GetSetElements(armedSet(t))
		if err != nil {
			return l, fmt.Errorf("read how long the trial has: %w", err)
		}
		for _, e := range list {
			if bytes.Equal(e.Key, native32(armedTrial)) {
				l.Armed = e.Expires
			}
		}
	}
	if r == nil {
		return l, nil
	}
	if l.Hash != r.Hash {
		l.Faults = append(l.Faults, "the kernel holds ruleset "+short(l.Hash)+", not "+short(r.Hash))
	}
	want, _, err := k.zoneContent(r, l.Mode)
	if err != nil {
		return l, err
	}
	faults, err := want.compare(c)
	l.Faults = append(l.Faults, faults...)
	return l, err
}

// missing says that what was asked for is not there. Some calls of nftables
// v0.3.0 pass the kernel's error on as text only.
func missing(err error) bool {
	return errors.Is(err, unix.ENOENT) || err != nil && strings.HasSuffix(err.Error(), unix.ENOENT.Error())
}

func short(hash string) string {
	if len(hash) > 12 {
		return hash[:12]
	}
	if hash == "" {
		return "(unnamed)"
	}
	return hash
}

// rulesOf lists a chain; a missing table or chain is ENOENT.
func rulesOf(c *nftables.Conn, t *nftables.Table, chain string) ([]*nftables.Rule, error) {
	if _, err := c.ListChain(t, chain); err != nil {
		return nil, err
	}
	return c.GetRules(t, &nftables.Chain{Name: chain, Table: t})
}

// mostFaults bounds how many differences are named one by one.
const mostFaults = 50

// compare names what in the kernel is not as it was loaded.
func (w content) compare(c *nftables.Conn) (faults []string, err error) {
	for _, ch := range w.chains {
		have, err := c.ListChain(w.table, ch.chain.Name)
		if missing(err) {
			faults = append(faults, "chain "+ch.chain.Name+" is gone")
			continue
		}
		if err != nil {
			return faults, err
		}
		if have.Policy == nil || ch.chain.Policy != nil && *have.Policy != *ch.chain.Policy {
			faults = append(faults, "chain "+ch.chain.Name+" has another default policy")
		}
		rules, err := c.GetRules(w.table, ch.chain)
		if err != nil {
			return faults, err
		}
		faults = append(faults, diffRules(ch.chain.Name, ch.rules, rules)...)
	}
	more, err := w.compareSets(c)
	faults = append(faults, more...)
	if len(faults) > mostFaults {
		faults = append(faults[:mostFaults], fmt.Sprintf("and %d more differences", len(faults)-mostFaults))
	}
	return faults, err
}

func (w content) compareSets(c *nftables.Conn) (faults []string, err error) {
	sets, err := c.GetSets(w.table)
	if err != nil {
		return nil, err
	}
	for _, s := range sets {
		if !slices.ContainsFunc(w.sets, func(f filled) bool { return f.set.Name == s.Name }) {
			faults = append(faults, "set "+quote(s.Name)+" is not ours")
		}
	}
	for _, f := range w.sets {
		if !slices.ContainsFunc(sets, func(s *nftables.Set) bool { return s.Name == f.set.Name }) {
			faults = append(faults, "set "+f.set.Name+" is gone")
			continue
		}
		if f.anything {
			continue
		}
		have, err := c.GetSetElements(f.set)
		if err != nil {
			return faults, fmt.Errorf("read back set %s: %w", f.set.Name, err)
		}
		faults = append(faults, diffElements(f, have)...)
	}
	return faults, nil
}

func diffElements(want filled, have []nftables.SetElement) (faults []string) {
	missing := make(map[string]bool, len(want.elements))
	for _, e := range want.elements {
		missing[string(e.Key)+string(e.KeyEnd)] = true
	}
	for _, e := range have {
		name := string(e.Key) + string(e.KeyEnd)
		if !missing[name] {
			faults = append(faults, "set "+want.set.Name+" has a foreign element "+hex.EncodeToString([]byte(name)))
		}
		delete(missing, name)
	}
	for name := range missing {
		faults = append(faults, "set "+want.set.Name+" lacks element "+hex.EncodeToString([]byte(name)))
	}
	slices.Sort(faults)
	return faults
}

// diffRules names rules that were added, removed or changed.
func diffRules(chain string, want, have []*nftables.Rule) (faults []string) {
	left := map[string]int{}
	for _, r := range want {
		left[ruleText(r)]++
	}
	same := len(want) == len(have)
	for i, r := range have {
		text := ruleText(r)
		if left[text] == 0 {
			faults = append(faults, fmt.Sprintf("chain %s has a foreign rule at place %d (handle %d)", chain, i+1, r.Handle))
			continue
		}
		same = same && text == ruleText(want[i])
		left[text]--
	}
	for i, r := range want {
		if text := ruleText(r); left[text] > 0 {
			left[text]--
			faults = append(faults, fmt.Sprintf("chain %s lacks its rule %d", chain, i+1))
		}
	}
	if len(faults) == 0 && !same {
		faults = append(faults, "the rules of chain "+chain+" are in another order")
	}
	return faults
}

// ruleText is a rule in a form that is the same before loading and after.
func ruleText(r *nftables.Rule) string {
	var b strings.Builder
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case *expr.Counter:
			b.WriteString("counter;")
		case *expr.Meta:
			fmt.Fprintf(&b, "meta %d %d;", e.Key, register(e.Register))
		case *expr.Payload:
			fmt.Fprintf(&b, "payload %d %d %d %d;", e.Base, e.Offset, e.Len, register(e.DestRegister))
		case *expr.Bitwise:
			fmt.Fprintf(&b, "and %d %d %x %x;", register(e.SourceRegister), register(e.DestRegister), e.Mask, e.Xor)
		case *expr.Cmp:
			fmt.Fprintf(&b, "cmp %d %d %x;", e.Op, register(e.Register), e.Data)
		case *expr.Ct:
			fmt.Fprintf(&b, "ct %d %d;", e.Key, register(e.Register))
		case *expr.Lookup:
			fmt.Fprintf(&b, "lookup %s %d %t;", e.SetName, register(e.SourceRegister), e.Invert)
		case *expr.Immediate:
			fmt.Fprintf(&b, "load %d %x;", register(e.Register), e.Data)
		case *expr.Log:
			fmt.Fprintf(&b, "log %d %d %s;", e.Group, e.Snaplen, bytes.TrimRight(e.Data, "\x00"))
		case *expr.Verdict:
			fmt.Fprintf(&b, "verdict %d %s;", e.Kind, e.Chain)
		default:
			fmt.Fprintf(&b, "%T %+v;", e, e)
		}
	}
	return b.String()
}

// register gives the two names of a register one: the kernel tells 16-byte
// registers where 4-byte ones begin at the same place.
func register(r uint32) uint32 {
	if r >= 1 && r <= 4 {
		return firstRegister + (r-1)*4
	}
	return r
}

// others names chains of other tables that forwarded packets also pass.
func others(c *nftables.Conn) (list []string, err error) {
	chains, err := c.ListChains()
	if err != nil {
		return nil, fmt.Errorf("list chains: %w", err)
	}
	for _, ch := range chains {
		f := ch.Table.Family
		if ch.Hooknum == nil || *ch.Hooknum != *nftables.ChainHookForward || ch.Type != nftables.ChainTypeFilter || strings.HasPrefix(ch.Table.Name, "cordon") ||
			f != nftables.TableFamilyINet && f != nftables.TableFamilyIPv4 && f != nftables.TableFamilyIPv6 {
			continue
		}
		what := "table " + quote(ch.Table.Name) + " chain " + quote(ch.Name)
		if ch.Policy != nil && *ch.Policy == nftables.ChainPolicyDrop {
			what += " (drops by default)"
		}
		list = append(list, what)
	}
	return list, nil
}

// Counters reads the counters of the policy and of the quarantine.
func (k *Kernel) Counters(_ context.Context, r *zone.Ruleset, mode zone.Mode) (n zone.Counters, err error) {
	c, err := k.conn()
	if err != nil {
		return n, err
	}
	n.Quarantined = quarantined(c)
	rules, err := rulesOf(c, zoneTable(mode), "forward")
	if missing(err) {
		return n, nil
	}
	if err != nil {
		return n, fmt.Errorf("read counters: %w", err)
	}
	for i, rule := range rules {
		countRule(&n, i, rule)
	}
	_, owner, err := groups(r.Elements)
	if err != nil {
		return n, err
	}
	n.Conduits = map[string]uint64{}
	sets, err := c.GetSets(zoneTable(mode))
	if err != nil {
		return n, fmt.Errorf("read counters: %w", err)
	}
	for _, s := range sets {
		if s.Name == "armed" {
			continue
		}
		list, err := c.GetSetElements(s)
		if err != nil {
			return n, fmt.Errorf("read counters of set %s: %w", s.Name, err)
		}
		for _, e := range list {
			if who, ok := owner[elementName(s.Name, e.Key, e.KeyEnd)]; ok && e.Counter != nil && e.Counter.Packets > 0 {
				n.Conduits[who] += e.Counter.Packets
			}
		}
	}
	return n, nil
}

// countRule adds a rule's counter to where it belongs.
func countRule(n *zone.Counters, i int, r *nftables.Rule) {
	var packets uint64
	var kind string
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case *expr.Counter:
			packets = e.Packets
		case *expr.Log:
			kind = strings.TrimPrefix(string(bytes.TrimRight(e.Data, "\x00")), logPrefix)
		case *expr.Ct:
			kind = "established"
		}
	}
	switch {
	case i == 0:
		n.Seen += packets
	case kind == "established":
		n.Established += packets
	case kind == string(zone.DeniedZone):
		n.Denied += packets
	case kind == string(zone.DeniedWould):
		n.Would += packets
	case kind == string(zone.DeniedOpen):
		n.Open += packets
	}
}
