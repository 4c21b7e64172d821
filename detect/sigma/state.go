package sigma

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/cordon-health/cordon/detect"
)

var _ detect.Stateful = (*Rules)(nil)

// stateVersion is raised when an older program could not read a state.
const stateVersion = 1

// state is what correlations remember. Groups belong to a
// correlation by its id and the hash of its text: a correlation that was
// changed starts anew, the others go on.
type state struct {
	Version int       `json:"v"`
	Clock   int64     `json:"clock,omitempty"`
	Ticked  int64     `json:"ticked,omitempty"`
	Rules   []stateOf `json:"rules,omitempty"`
	Groups  []byte    `json:"groups,omitempty"` // the longest untouched first
}

type stateOf struct {
	ID      string `json:"id"`
	Version string `json:"v"`
}

// Snapshot implements [detect.Stateful].
func (r *Rules) Snapshot() ([]byte, error) {
	k := r.corr
	s := state{Version: stateVersion, Clock: k.clock, Ticked: r.ticked}
	for _, c := range k.list {
		s.Rules = append(s.Rules, stateOf{c.id, c.version})
	}
	for g := k.back; g != nil; g = g.newer {
		s.Groups = g.appendState(s.Groups)
	}
	return json.Marshal(s)
}

// Restore implements [detect.Stateful].
func (r *Rules) Restore(data []byte) error {
	r.ticked = 0
	limits := r.corr.limits
	r.corr = newCorrelator(r.corr.list)
	r.corr.limits = limits
	if data == nil {
		return nil
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("read memory of rules: %w", err)
	}
	if s.Version != stateVersion {
		return fmt.Errorf("memory of rules is of version %d, this program reads %d", s.Version, stateVersion)
	}
	r.ticked = s.Ticked
	return r.corr.restore(&s)
}

func (k *correlator) restore(s *state) error {
	k.clock = s.Clock
	list := make([]*correlation, len(s.Rules))
	for i, of := range s.Rules {
		for _, c := range k.list {
			if c.id == of.ID && c.version == of.Version {
				list[i] = c
			}
		}
	}
	in := &reader{data: s.Groups}
	for len(in.data) > 0 && !in.bad {
		g := readGroup(in, list)
		if in.bad {
			break
		}
		if g == nil || k.groups[g.key] != nil || len(g.entries) == 0 {
			continue
		}
		k.adopt(g)
	}
	if in.bad {
		return errors.New("memory of correlations is damaged")
	}
	return nil
}

// adopt takes a group that was read.
func (k *correlator) adopt(g *group) {
	k.groups[g.key] = g
	k.touch(g)
	g.latest = g.entries[len(g.entries)-1].at
	if g.c.defers {
		k.schedule(g)
	} else {
		g.recount()
	}
	k.bytes += g.measure()
}

// appendState writes a group.
func (g *group) appendState(dst []byte) []byte {
	_, n := binary.Uvarint([]byte(g.key))
	dst = binary.AppendUvarint(dst, uint64(g.c.number))
	dst = appendString(dst, g.key[n:])
	dst = appendString(dst, g.who)
	dst = appendString(dst, g.account)
	dst = appendString(dst, g.patient)
	mixed := uint64(0)
	if g.mixed {
		mixed = 1
	}
	dst = binary.AppendUvarint(dst, mixed)
	dst = binary.AppendUvarint(dst, uint64(len(g.carry)))
	for _, s := range g.carry {
		dst = appendString(dst, s)
	}
	dst = binary.AppendVarint(dst, int64(g.ahead))
	for _, list := range [][]int64{g.fired, g.told} {
		dst = binary.AppendUvarint(dst, uint64(len(list)))
		for _, at := range list {
			dst = binary.AppendVarint(dst, at)
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(g.table.slots)))
	for _, s := range g.table.slots {
		dst = appendString(dst, s.text)
	}
	return g.appendEntries(dst)
}

// What stands beside the time of an entry.
const (
	withNothing = iota
	withValue   // a place in the table
	withNumber
)

func (c *correlation) with() uint64 {
	switch {
	case c.kind == valueCount || c.share:
		return withValue
	case c.kind == valueSum || c.kind == valueAvg || c.kind == valuePercentile:
		return withNumber
	}
	return withNothing
}

func (g *group) appendEntries(dst []byte) []byte {
	with := g.c.with()
	dst = binary.AppendUvarint(dst, with)
	dst = binary.AppendUvarint(dst, uint64(len(g.entries)))
	before := int64(0)
	for i := range g.entries {
		e := &g.entries[i]
		dst = binary.AppendVarint(dst, e.at-before)
		dst = binary.AppendUvarint(dst, uint64(e.i))
		dst = appendString(dst, e.id)
		switch with {
		case withValue:
			dst = binary.AppendUvarint(dst, e.x)
		case withNumber:
			dst = binary.LittleEndian.AppendUint64(dst, e.x)
		}
		before = e.at
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// reader takes a state apart; bad once something does not fit.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) uint() uint64 {
	x, n := binary.Uvarint(r.data)
	return r.took(x, n)
}

func (r *reader) took(x uint64, n int) uint64 {
	if n <= 0 {
		r.data, r.bad = nil, true
		return 0
	}
	r.data = r.data[n:]
	return x
}

func (r *reader) int() int64 {
	x, n := binary.Varint(r.data)
	return int64(r.took(uint64(x), n))
}

// count is a number of things that follow, each at least a byte long.
func (r *reader) count() int {
	n := r.uint()
	if n > uint64(len(r.data)) {
		r.data, r.bad = nil, true
		return 0
	}
	return int(n)
}

func (r *reader) string() string {
	n := r.count()
	s := string(r.data[:n])
	r.data = r.data[n:]
	return s
}

func (r *reader) fixed() uint64 {
	if len(r.data) < 8 {
		r.data, r.bad = nil, true
		return 0
	}
	x := binary.LittleEndian.Uint64(r.data)
	r.data = r.data[8:]
	return x
}

// readGroup reads a group; nil when its correlation is gone or has changed.
func readGroup(in *reader, list []*correlation) *group {
	g := &group{place: -1}
	number := in.uint()
	if number >= uint64(len(list)) {
		in.bad = true
		return nil
	}
	key := in.string()
	g.who, g.account, g.patient, g.mixed = in.string(), in.string(), in.string(), in.uint() == 1
	for range in.count() {
		g.carry = append(g.carry, in.string())
	}
	g.ahead = int(in.int())
	for _, list := range []*[]int64{&g.fired, &g.told} {
		for range in.count() {
			*list = append(*list, in.int())
		}
	}
	for range in.count() {
		g.table.slots = append(g.table.slots, held{text: in.string()})
	}
	g.c = list[number]
	g.readEntries(in)
	if g.c == nil || in.bad {
		return nil
	}
	g.key = string(binary.AppendUvarint(nil, uint64(g.c.number))) + key
	if values, ok := splitKey(key); !ok || len(values) != len(g.c.group) || len(g.carry) > len(g.c.carry) {
		in.bad = true
		return nil
	}
	g.count()
	return g
}

func (g *group) readEntries(in *reader) {
	at := int64(0)
	with := in.uint()
	in.bad = in.bad || g.c != nil && with != g.c.with()
	for range in.count() {
		at += in.int()
		e := entry{at: at, i: int32(in.uint()), id: in.string()}
		switch with {
		case withValue:
			e.x = in.uint()
			in.bad = in.bad || e.x >= uint64(len(g.table.slots))
		case withNumber:
			e.x = in.fixed()
			in.bad = in.bad || math.IsNaN(e.num())
		}
		if g.c != nil {
			in.bad = in.bad || e.i < 0 || int(e.i) >= len(g.c.parts) || len(g.entries) > 0 && at < g.entries[len(g.entries)-1].at
		}
		if in.bad {
			return
		}
		g.entries = append(g.entries, e)
	}
}

// count makes what follows from the entries that were read.
func (g *group) count() {
	for i := range g.entries {
		g.texts += len(g.entries[i].id)
		if g.c.with() == withValue {
			g.table.slots[g.entries[i].x].refs++
		}
	}
	for i := range g.table.slots {
		s := &g.table.slots[i]
		if s.refs == 0 {
			s.text = ""
			g.table.free = append(g.table.free, uint64(i))
			continue
		}
		if g.table.index == nil {
			g.table.index = map[string]uint64{}
		}
		g.table.index[s.text] = uint64(i)
		g.texts += len(s.text)
	}
}
