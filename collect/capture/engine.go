package capture

import (
	"fmt"
	"runtime"
	"time"

	"github.com/cordon-health/cordon/internal/packet"
)

// mostDissectors is how many of a kind fit the masks below.
const mostDissectors = 64

// Engine takes frames and tells what is in them. It is used by one goroutine.
type Engine struct {
	cfg  Config
	out  *told
	name string // of the file or interface that is read
	// leaving says that the frame goes out by that interface: its sender stands
	// elsewhere.
	leaving bool

	frame  packet.Frame
	quoted packet.Frame
	whole  packet.Frame // a datagram put together

	clock     int64 // of the frames, ns
	ticked    int64
	slice     [2]int64 // the interval conversations are counted in
	byType    *dispatch
	byUDP     *dispatch
	byProto   *dispatch
	everybody uint64 // all stream dissectors

	flows   flowTable
	convs   conversations
	streams streamTable
	pieces  fragments
	twice   *twice

	stats Stats
	bad   reasons
}

// New builds an engine. It fails only when there are more dissectors than its
// masks have bits.
func New(cfg Config) (*Engine, error) {
	cfg.defaults()
	if n := max(len(cfg.Packets), len(cfg.Streams)); n > mostDissectors {
		return nil, fmt.Errorf("%d dissectors are more than %d; join some", n, mostDissectors)
	}
	e := &Engine{cfg: cfg, out: newTold(cfg), everybody: 1<<len(cfg.Streams) - 1}
	e.byType, e.byUDP, e.byProto = newDispatch(), newDispatch(), newDispatch()
	for i, d := range cfg.Packets {
		m := d.Match()
		e.byType.add(i, m.Types)
		e.byUDP.add(i, m.UDP)
		for _, p := range m.Protos {
			e.byProto.add(i, []uint16{uint16(p)})
		}
	}
	e.flows.init(cfg.Connections)
	e.convs.init()
	e.streams.init()
	e.pieces.init()
	if cfg.Twice {
		e.twice = &twice{}
	}
	return e, nil
}

// From names the file or interface that the next frames come from.
func (e *Engine) From(name string) { e.name, e.out.port = name, name }

// Frame reads one frame of a link type. at is in ns since 1970 UTC, size its
// length on the wire; data may be reused afterwards.
func (e *Engine) Frame(at int64, link, size int, data []byte) {
	e.stats.Packets++
	at = max(at, 0)
	if size > 1<<20 || size < len(data) {
		if size > 1<<20 {
			e.wrong(at, "absurd length on the wire")
		}
		size = len(data)
	}
	e.stats.Bytes += int64(size)
	e.time(at)
	f := &e.frame
	packet.Decode(link, at, size, data, f)
	if f.Short || f.Type == 0 {
		e.odd(link, f)
	}
	if e.cfg.WiFi != nil && packet.WiFi(link) {
		e.wifi(link, f)
	}
	if e.twice != nil && e.twice.before(f) {
		e.stats.Twice++
		return
	}
	if f.Fragment || f.MoreFragments {
		e.piece(f)
		return
	}
	e.handle(f, 1, size)
}

// odd counts what is wrong with a frame that could not be read to its end.
func (e *Engine) odd(link int, f *packet.Frame) {
	switch {
	case len(f.Data) == 0:
		e.wrong(f.At, "empty frame")
	case !packet.Reads(link):
		e.wrong(f.At, fmt.Sprintf("link type %d is not read", link))
	case f.Short && f.Size > len(f.Data):
		e.stats.Cut++
	case f.Short:
		e.wrong(f.At, "frame ends before its headers say")
	}
}

// handle reads a whole packet, which came in some frames of size bytes.
func (e *Engine) handle(f *packet.Frame, frames, size int) {
	var id uint32
	if f.From.IsValid() {
		id = e.account(f, frames, size)
	}
	mask := e.byType.of(f.Type)
	if f.Proto != 0 || id != 0 {
		mask |= e.byProto.of(uint16(f.Proto))
	}
	if f.Proto == packet.UDP {
		ports := e.byUDP.of(f.FromPort) | e.byUDP.of(f.ToPort)
		if ports != 0 {
			e.datagram(id, mask, ports, f)
			return
		}
	}
	if mask != 0 {
		e.packets(mask, f)
	}
}

// packets gives a packet to dissectors, and returns who could read it.
func (e *Engine) packets(mask uint64, f *packet.Frame) (read uint64) {
	for i := 0; mask != 0; i, mask = i+1, mask>>1 {
		if mask&1 != 0 && e.dissect(i, f) {
			read |= 1 << i
		}
	}
	return read
}

// datagram has the port's dissectors read it, the first of which that can
// names the conversation.
func (e *Engine) datagram(id uint32, mask, ports uint64, f *packet.Frame) {
	read := e.packets(mask|ports, f) & ports
	if id == 0 || read == 0 {
		return
	}
	c := e.flows.at(id)
	if c.app != 0 {
		return
	}
	for i := range e.cfg.Packets {
		if read&(1<<i) != 0 {
			c.app = uint8(i + 1)
			e.refresh(id, c)
			return
		}
	}
}

func (e *Engine) dissect(i int, f *packet.Frame) (ok bool) {
	d := e.cfg.Packets[i]
	defer e.caught(d.Name)
	err := d.Packet(f, e.out)
	if err != nil && err != ErrOther { //nolint:errorlint // it is ours, and this is the hot path
		e.wrong(f.At, d.Name()+": "+err.Error())
	}
	return err == nil
}

func (e *Engine) wifi(link int, f *packet.Frame) {
	defer e.caught(func() string { return "wifi" })
	e.cfg.WiFi(link, f.At, f.Size, f.Data)
}

// caught is where a dissector's panic ends: what a stranger sends must not
// stop the sensor. It is counted as the defect it is.
func (e *Engine) caught(name func() string) {
	r := recover()
	if r == nil {
		return
	}
	e.stats.Defects++
	why := "panic"
	if err, ok := r.(runtime.Error); ok { // other texts may hold what was read
		why = err.Error()
	}
	e.wrong(e.clock, "defect in "+name()+": "+why)
}

// time moves the clock of the frames. It may go back, in files that were put
// together, and far ahead, in frames that lie.
func (e *Engine) time(at int64) {
	const tick, disorder = int64(250 * time.Millisecond), int64(time.Minute)
	switch {
	case at > e.clock:
		e.clock = at
	case at < e.clock-disorder:
		e.clock, e.ticked = at, at-tick
	}
	if at >= e.slice[1] || at < e.slice[0]-int64(5*time.Second) {
		e.turn(at)
	}
	if e.clock-e.ticked >= tick {
		e.ticked = e.clock
		e.tick()
	}
}

// Tick says that it is now, also where no frames come.
func (e *Engine) Tick(now int64) { e.time(now) }

func (e *Engine) tick() {
	e.overdue()
	e.tellFresh()
	e.sweep()
	e.pieces.expire(e.clock, e.giveUp)
	e.out.tick(e.clock)
}

// turn ends an interval.
func (e *Engine) turn(at int64) {
	e.report()
	n := int64(e.cfg.Interval)
	e.slice[0] = at / n * n
	e.slice[1] = e.slice[0] + n
}

// Flush ends every stream and tells everything that was not told yet: at the
// end of a file, or of the sensor.
func (e *Engine) Flush() {
	e.pieces.all(e.giveUp)
	e.flows.each(func(id uint32, c *conn) { e.forget(id, c) })
	e.report()
	e.out.flush()
}

// dispatch finds dissectors by a number of 16 bits.
type dispatch struct {
	index [1 << 16]uint8
	masks []uint64
}

func newDispatch() *dispatch { return &dispatch{masks: make([]uint64, 1, 256)} }

func (d *dispatch) of(n uint16) uint64 { return d.masks[d.index[n]] }

func (d *dispatch) add(dissector int, numbers []uint16) {
	for _, n := range numbers {
		if d.index[n] == 0 && len(d.masks) < 256 {
			d.masks = append(d.masks, 0)
			d.index[n] = uint8(len(d.masks) - 1)
		}
		d.masks[d.index[n]] |= 1 << dissector
	}
}
