package capture

import (
	"math"
	"math/bits"
	"slices"
	"time"

	"github.com/cordon-health/cordon/internal/packet"
)

const (
	// mostStreams are read at once; the table of connections is larger.
	mostStreams = 1 << 13
	// mostPrefix is how much of a side dissectors see before they must say yes.
	mostPrefix = 8 << 10
	// mostWaiting bytes and pieces of a side wait for one that is missing.
	mostWaiting = 256 << 10
	mostPieces  = 256
	// patience is how long they wait.
	patience = int64(time.Second)
	// tooFar is a jump in sequence numbers that no window allows.
	tooFar = 1 << 24
	// mostRetries is how often a stream whose beginning was missed is looked at
	// anew, where the side that speaks changes.
	mostRetries = 64
)

// lostTrack is the length of a gap that cannot be known.
const lostTrack = math.MaxInt32

// stream is a TCP connection that dissectors look at.
type stream struct {
	Stream
	conn       uint32
	sides      [2]streamSide // 0 is the client
	candidates uint64        // dissectors that may still want it
	parsers    []streamParser
	parsed     bool          // by one at least
	order      []streamChunk // who said what in the prefixes
	over       bool          // nobody reads on; notes are kept
	holed      bool          // is in the list of those that wait
	resets     uint8
}

// streamParser reads for a dissector.
type streamParser struct {
	Parser
	by int
}

// streamSide is one direction.
type streamSide struct {
	next    uint32
	started bool
	prefix  []byte
	waiting []streamPiece // sorted by sequence number, apart
	bytes   int           // of waiting
	since   int64         // when it began to wait
	acked   uint8         // packets of the other side that acknowledge what is missing
	far     uint8         // pieces in a row that were too far away
}

type streamPiece struct {
	seq  uint32
	data []byte
	cut  int
}

func (p *streamPiece) end() uint32 { return p.seq + uint32(len(p.data)+p.cut) }

type streamChunk struct {
	side, n int
	at      int64
}

// streamTable keeps streams by number.
type streamTable struct {
	list  []*stream // 0 is none
	free  []uint32
	holed []uint32
	open  int // not over
	held  int // bytes
	spare [][]byte
	hand  int // of the search for silent ones
}

func (t *streamTable) init() { t.list = make([]*stream, 1) }

// notes returns what was noted of a connection's stream.
func (e *Engine) notes(c *conn) *Notes {
	if c.stream == 0 {
		return nil
	}
	if n := &e.streams.list[c.stream].notes; n.App != "" {
		return n
	}
	return nil
}

// segment gives a TCP segment to the stream of its connection.
func (e *Engine) segment(id uint32, c *conn, side int, f *packet.Frame) {
	if c.state&connIgnored != 0 && !e.retry(c, side, f) {
		return
	}
	if c.stream == 0 {
		if len(f.Payload) == 0 && f.Cut == 0 || f.Flags&packet.SYN != 0 && len(f.Payload) == 0 {
			return
		}
		if !e.begin(id, c, side, f) {
			return
		}
	}
	s := e.streams.list[c.stream]
	if s.over {
		return
	}
	dir := 1
	if side != c.server() {
		dir = 0
	}
	if n := len(f.Payload) + f.Cut; n > 0 && f.Flags&packet.RST == 0 {
		seq := f.Seq
		if f.Flags&packet.SYN != 0 {
			seq++
		}
		e.arrive(s, dir, streamPiece{seq, f.Payload, f.Cut}, f.At)
	}
	if f.Flags&packet.ACK != 0 && !s.over {
		e.acknowledged(s, 1-dir, f)
	}
}

// retry says whether a connection that nobody wanted is looked at again: its
// beginning was missed, and the other side begins to speak.
func (e *Engine) retry(c *conn, side int, f *packet.Frame) bool {
	if len(f.Payload) == 0 || c.state&(connSeqA|connSeqB) != 0 || c.retries >= mostRetries {
		return false
	}
	turned := (c.state&connLastB != 0) != (side == 1)
	c.spoke(side)
	if !turned {
		return false
	}
	c.retries++
	c.state &^= connIgnored
	return true
}

// makeRoom ends the stream that has been silent longest among some. When its
// ends speak again, it is looked at like one whose beginning was missed.
func (e *Engine) makeRoom(at int64) bool {
	const sample, busy = 16, int64(10 * time.Second)
	t := &e.streams
	var found *conn
	for seen := 0; seen < sample; {
		if t.hand++; t.hand >= len(t.list) {
			t.hand = 1
		}
		s := t.list[t.hand]
		if s == nil || s.over {
			continue
		}
		seen++
		if c := e.flows.at(s.conn); found == nil || c.last < found.last {
			found = c
		}
	}
	if at-found.last < busy {
		return false
	}
	e.stats.Forgone++
	e.endStream(found, found.last)
	if found.state&connDirty != 0 {
		e.fold(found)
	}
	e.dropStream(found)
	found.state = found.state&^(connSeqA|connSeqB) | connIgnored // until it turns
	return true
}

// spoke notes who spoke last.
func (c *conn) spoke(side int) {
	c.state &^= connLastB
	if side == 1 {
		c.state |= connLastB
	}
}

// begin makes the stream of a connection.
func (e *Engine) begin(id uint32, c *conn, side int, f *packet.Frame) bool {
	t := &e.streams
	c.spoke(side)
	if t.held >= e.cfg.Memory || t.open >= mostStreams && !e.makeRoom(f.At) {
		e.stats.Forgone++
		c.state |= connIgnored
		return false
	}
	server := c.server()
	s := &stream{conn: id, candidates: e.everybody}
	s.Client, s.Server = c.key.end(1-server), c.key.end(server)
	s.ClientMAC, s.ServerMAC = c.mac[1-server], c.mac[server]
	s.VLAN, s.Opened = f.VLAN, c.born
	for dir, side := range [2]int{1 - server, server} {
		if c.state&(connSeqA<<side) != 0 {
			s.sides[dir].next, s.sides[dir].started, s.Whole = c.seq[side], true, true
		}
	}
	if n := len(t.free); n > 0 {
		c.stream, t.free = t.free[n-1], t.free[:n-1]
		t.list[c.stream] = s
	} else {
		t.list = append(t.list, s)
		c.stream = uint32(len(t.list) - 1)
	}
	t.open++
	return true
}

// arrive takes a piece of a side, which may be early, late or seen before.
func (e *Engine) arrive(s *stream, dir int, p streamPiece, at int64) {
	h := &s.sides[dir]
	if !h.started {
		h.started, h.next = true, p.seq
	}
	d := int32(p.seq - h.next)
	if d > tooFar || d < -tooFar {
		if h.far++; h.far < 4 {
			return // it may be forged
		}
		e.skip(s, dir, lostTrack)
		h.next, d = p.seq, 0
		e.release(h)
		if s.over {
			return
		}
	}
	h.far = 0
	if d > 0 {
		e.wait(s, dir, p, at)
		return
	}
	if d < 0 && !p.trim(int(-d)) {
		return
	}
	if len(h.waiting) > 0 && int32(p.end()-h.waiting[0].seq) > 0 { // what came first stays
		n := h.insert(p)
		h.bytes += n
		e.streams.held += n
	} else {
		e.pass(s, dir, p, at)
	}
	e.drain(s, dir, at)
}

// trim removes what came before; false when nothing is left.
func (p *streamPiece) trim(n int) bool {
	if n >= len(p.data)+p.cut {
		return false
	}
	p.seq += uint32(n)
	k := min(n, len(p.data))
	p.data, p.cut = p.data[k:], p.cut-(n-k)
	return true
}

// pass gives a piece that is next to who reads the stream.
func (e *Engine) pass(s *stream, dir int, p streamPiece, at int64) {
	h := &s.sides[dir]
	h.next = p.end()
	if len(p.data) > 0 {
		e.deliver(s, dir, at, p.data)
	}
	if p.cut > 0 && !s.over {
		e.skip(s, dir, p.cut)
	}
}

// drain passes on what waited for it.
func (e *Engine) drain(s *stream, dir int, at int64) {
	h := &s.sides[dir]
	for len(h.waiting) > 0 && !s.over {
		p := h.waiting[0]
		d := int32(p.seq - h.next)
		if d > 0 {
			return
		}
		h.waiting = h.waiting[1:]
		h.bytes -= len(p.data)
		e.streams.held -= len(p.data)
		h.since, h.acked = at, 0
		if d < 0 && !p.trim(int(-d)) {
			continue
		}
		e.pass(s, dir, p, at)
	}
	if len(h.waiting) == 0 {
		h.waiting = nil
	}
}

// wait keeps a copy of a piece that is early.
func (e *Engine) wait(s *stream, dir int, p streamPiece, at int64) {
	h := &s.sides[dir]
	if len(h.waiting) == 0 {
		h.since, h.acked = at, 0
	}
	for len(h.waiting) > 0 && !s.over && (h.bytes+len(p.data) > mostWaiting || len(h.waiting) >= mostPieces ||
		e.streams.held+len(p.data) > e.cfg.Memory) {
		e.jump(s, dir, at)
	}
	if s.over {
		return
	}
	if int32(p.seq-h.next) <= 0 { // the jump went beyond it
		e.arrive(s, dir, p, at)
		return
	}
	if e.streams.held+len(p.data) > e.cfg.Memory { // others hold all of it
		e.skip(s, dir, int(p.seq-h.next))
		if h.next = p.seq; !s.over {
			e.pass(s, dir, p, at)
		}
		return
	}
	n := h.insert(p)
	h.bytes += n
	e.streams.held += n
	if !s.holed {
		s.holed = true
		e.streams.holed = append(e.streams.holed, e.flows.at(s.conn).stream)
	}
}

// insert copies those parts of a piece that are not there yet, and returns how
// many bytes these are.
func (h *streamSide) insert(p streamPiece) (copied int) {
	for i := 0; ; i++ {
		part := p
		if i < len(h.waiting) {
			w := h.waiting[i]
			before := int32(w.seq - p.seq)
			if before <= 0 {
				if over := int32(w.end() - p.seq); over > 0 && !p.trim(int(over)) {
					return copied
				}
				continue
			}
			if n := int(before); n < len(part.data)+part.cut {
				part.data, part.cut = part.data[:min(n, len(part.data))], max(0, min(part.cut, n-len(part.data)))
			}
		}
		part.data = slices.Clone(part.data)
		h.waiting = slices.Insert(h.waiting, i, part)
		copied += len(part.data)
		if !p.trim(len(part.data) + part.cut) {
			return copied
		}
	}
}

// jump gives up what is missing before the first piece that waits.
func (e *Engine) jump(s *stream, dir int, at int64) {
	h := &s.sides[dir]
	if len(h.waiting) == 0 {
		return
	}
	n := int(h.waiting[0].seq - h.next)
	h.next = h.waiting[0].seq
	e.skip(s, dir, n)
	if !s.over {
		e.drain(s, dir, at)
	}
}

// acknowledged notes that a side has what we miss: then it was lost on the way
// to us, not to them. Some packets may still overtake each other on a mirror.
func (e *Engine) acknowledged(s *stream, dir int, f *packet.Frame) {
	h := &s.sides[dir]
	if len(h.waiting) == 0 || int32(f.Ack-h.waiting[0].seq) < 0 {
		return
	}
	if h.acked++; h.acked >= 3 {
		e.jump(s, dir, f.At)
	}
}

// overdue gives up what has been missing for long.
func (e *Engine) overdue() {
	t := &e.streams
	left := t.holed[:0]
	for _, n := range t.holed {
		s := t.list[n]
		if s == nil || !s.holed {
			continue
		}
		waits := false
		for dir := range s.sides {
			h := &s.sides[dir]
			if d := e.clock - h.since; len(h.waiting) > 0 && (d > patience || d < -patience) {
				e.jump(s, dir, e.clock)
			}
			waits = waits || len(h.waiting) > 0
		}
		if s.holed = waits; waits {
			left = append(left, n)
		}
	}
	t.holed = left
}

// deliver hands bytes in order to the parsers, and to probes while there are
// dissectors that may still want them.
func (e *Engine) deliver(s *stream, dir int, at int64, b []byte) {
	s.parsers = slices.DeleteFunc(s.parsers, func(p streamParser) bool { return !e.parse(p, dir, at, b) })
	if s.candidates != 0 {
		e.probe(s, dir, at, b)
	}
	if len(s.parsers) == 0 && s.candidates == 0 {
		e.finish(s)
	}
}

// parse guards a parser's reading.
func (e *Engine) parse(p streamParser, dir int, at int64, b []byte) (more bool) {
	defer e.caught(e.cfg.Streams[p.by].Name)
	return p.Data(dir == 0, at, b)
}

// skip announces a gap. While nobody reads the stream, the beginning that was
// seen so far is worth nothing, and what follows is looked at anew.
func (e *Engine) skip(s *stream, dir, n int) {
	e.stats.Gaps++
	if n != lostTrack {
		e.stats.Lost += int64(n)
	}
	e.dropPrefixes(s)
	s.Whole = false
	if s.parsed {
		s.candidates = 0
		s.parsers = slices.DeleteFunc(s.parsers, func(p streamParser) bool { return !e.gap(p, dir, n) })
	} else if s.resets++; s.resets > 8 {
		s.candidates = 0
	} else {
		s.candidates = e.everybody
	}
	if len(s.parsers) == 0 && s.candidates == 0 {
		e.finish(s)
	}
}

func (e *Engine) gap(p streamParser, dir, n int) (more bool) {
	defer e.caught(e.cfg.Streams[p.by].Name)
	return p.Gap(dir == 0, n)
}

func (e *Engine) dropPrefixes(s *stream) {
	for dir := range s.sides {
		p := s.sides[dir].prefix
		e.streams.held -= len(p)
		if s.sides[dir].prefix = nil; cap(p) > 0 && len(e.streams.spare) < 512 {
			e.streams.spare = append(e.streams.spare, p[:0])
		}
	}
	s.order = nil
}

// probe asks the dissectors about what both sides said so far. Those that want
// the stream read it side by side, each from its beginning. Once one of them
// reads, the others must know when both sides have spoken.
func (e *Engine) probe(s *stream, dir int, at int64, b []byte) {
	h := &s.sides[dir]
	views := [2][]byte{s.sides[0].prefix, s.sides[1].prefix}
	kept := len(h.prefix) > 0
	if kept { // else most are decided now, without a copy
		e.keep(s, h, b)
		views[dir] = h.prefix
	} else {
		views[dir] = b
	}
	for i := 0; i < len(e.cfg.Streams); {
		var yes bool
		if i, yes = e.ask(i, s, views); yes {
			e.accept(s, i-1, dir, at, b)
		}
	}
	both := len(views[0]) > 0 && len(views[1]) > 0
	if len(views[dir]) >= mostPrefix || e.streams.held >= e.cfg.Memory || both && s.parsed {
		s.candidates = 0
	}
	if s.candidates == 0 {
		e.dropPrefixes(s)
		return
	}
	if !kept {
		e.keep(s, h, b)
	}
	if n := len(s.order); n > 0 && s.order[n-1].side == dir {
		s.order[n-1].n += len(b)
		return
	}
	s.order = append(s.order, streamChunk{dir, len(b), at})
}

func (e *Engine) keep(s *stream, h *streamSide, b []byte) {
	if n := len(e.streams.spare); h.prefix == nil && n > 0 {
		h.prefix, e.streams.spare = e.streams.spare[n-1], e.streams.spare[:n-1]
	}
	h.prefix = append(h.prefix, b...)
	e.streams.held += len(b)
}

// ask asks dissectors from number i on whether they want a stream, until one
// says yes or panics. It returns the number to go on with.
func (e *Engine) ask(i int, s *stream, views [2][]byte) (next int, yes bool) {
	next = i
	defer e.caught(func() string { return e.cfg.Streams[next-1].Name() })
	client, server := views[0][:min(len(views[0]), mostPrefix)], views[1][:min(len(views[1]), mostPrefix)]
	for left := s.candidates >> i << i; left != 0; left &= left - 1 {
		next = bits.TrailingZeros64(left) + 1
		s.candidates &^= 1 << (next - 1)
		switch e.cfg.Streams[next-1].Probe(&s.Stream, client, server) {
		case Maybe:
			s.candidates |= 1 << (next - 1)
		case Yes:
			return next, true
		}
	}
	return len(e.cfg.Streams), false
}

// accept has a dissector read the stream: what was said before, then b.
func (e *Engine) accept(s *stream, i, dir int, at int64, b []byte) {
	p := streamParser{by: i}
	if p.Parser = e.start(s, i); p.Parser == nil {
		return
	}
	if !s.parsed {
		e.stats.Streams++
		s.parsed = true
		e.refresh(s.conn, e.flows.at(s.conn))
	}
	if s.notes.App == "" {
		s.notes.App = e.cfg.Streams[i].Name()
	}
	var from [2]int
	for _, o := range s.order {
		part := s.sides[o.side].prefix[from[o.side]:][:o.n]
		from[o.side] += o.n
		if !e.parse(p, o.side, o.at, part) {
			return
		}
	}
	if e.parse(p, dir, at, b) {
		s.parsers = append(s.parsers, p)
	}
}

func (e *Engine) start(s *stream, i int) (p Parser) {
	d := e.cfg.Streams[i]
	defer e.caught(d.Name)
	return d.Open(&s.Stream, e.out)
}

// finish ends reading: nobody wants the stream, its parser has seen enough, or
// it is over. What was noted stays with the connection.
func (e *Engine) finish(s *stream) {
	if s.over {
		return
	}
	s.over = true
	e.streams.open--
	e.dropPrefixes(s)
	for dir := range s.sides {
		e.release(&s.sides[dir])
	}
	s.parsers, s.candidates = nil, 0
	c := e.flows.at(s.conn)
	if !s.parsed && s.notes.App == "" {
		c.state |= connIgnored
		e.dropStream(c)
	}
}

func (e *Engine) release(h *streamSide) {
	e.streams.held -= h.bytes
	h.waiting, h.bytes = nil, 0
}

// endStream tells the parser that the connection is over.
func (e *Engine) endStream(c *conn, at int64) {
	if c.stream == 0 {
		return
	}
	s := e.streams.list[c.stream]
	for dir := range s.sides {
		for len(s.sides[dir].waiting) > 0 && !s.over {
			e.jump(s, dir, at)
		}
	}
	for _, p := range s.parsers {
		e.close(p, at)
	}
	e.finish(s)
}

func (e *Engine) close(p streamParser, at int64) {
	defer e.caught(e.cfg.Streams[p.by].Name)
	p.Close(at)
}

// endIfWhole ends a stream both sides of which said so, unless pieces are
// missing, which may still come.
func (e *Engine) endIfWhole(c *conn, at int64) {
	if c.stream == 0 {
		return
	}
	s := e.streams.list[c.stream]
	if len(s.sides[0].waiting) == 0 && len(s.sides[1].waiting) == 0 {
		e.endStream(c, at)
	}
}

// dropStream forgets a stream and its notes.
func (e *Engine) dropStream(c *conn) {
	if c.stream == 0 {
		return
	}
	t := &e.streams
	s := t.list[c.stream]
	n := c.stream
	c.stream = 0
	if !s.over {
		e.finish(s)
	}
	t.list[n] = nil
	t.free = append(t.free, n)
}
