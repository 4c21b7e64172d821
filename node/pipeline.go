package node

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/bus"
	"github.com/cordon-health/cordon/canary"
	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/normalize"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
)

// pipeline is the one loop that all events go through, in the order of the
// bus: drop what is known, join halves, apply facts, explain, heal, detect,
// open cases, keep.
//
// Its place is a checkpoint: one transaction with the lake's new files, the
// changes of the care graph, the detectors' memory and the position on the
// bus. After a crash it begins again behind the checkpoint. Everything in
// between is repeated with the same result: findings and cases have ids
// derived from events, evidence skips batches it has, and events get the same
// numbers. What people must not miss, findings and cases, the clerk writes at
// once, while the next messages are judged; a checkpoint waits for it.
type pipeline struct {
	db     *store.DB
	bus    bus.Bus
	lake   *lake.Lake
	log    *evidence.Log
	care   *care.Graph
	detect *detect.Engine
	clerk  *clerk
	src    *sources
	now    func() time.Time
	slog   *slog.Logger
	aside  func(bus.Message, error) // keeps a message that cannot be read
	count  *counters

	canaries canary.Signer
	network  *network

	every time.Duration // between checkpoints, at most

	// files is held while files of the lake come and go: by checkpoints,
	// compaction and verification. It is taken before mu.
	files sync.Mutex

	mu    sync.Mutex        // held while a message is judged or a checkpoint captured
	join  *normalize.Joiner // guarded by mu
	seen  uint64            // guarded by mu: last message judged; the clerk may be behind
	kept  uint64            // guarded by mu: last message of the checkpoint
	torn  bool              // guarded by mu: a message is judged but not handed over
	fresh bool              // guarded by mu: there were events since the checkpoint, not only canaries
	again uint64            // messages up to here may have been worked on before a crash
	last  time.Time         // guarded by mu: when the last checkpoint was made
	stood time.Duration     // guarded by mu: how long the pipeline stood still for it
}

// run works until ctx ends, then makes a last checkpoint. Three stages work at
// the same time, each in the order of the bus: one unpacks messages, one
// explains and judges, the clerk writes down.
func (p *pipeline) run(ctx context.Context) error {
	p.mu.Lock()
	stop := p.clerk.start(context.WithoutCancel(ctx))
	p.mu.Unlock()
	both, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	unpacked := make(chan message, 1)
	var wg sync.WaitGroup
	wg.Go(func() { p.tick(ctx) })
	wg.Go(func() { cancel(p.work(both, unpacked)) })
	err := p.bus.Read(both, topic, p.start()+1, func(m bus.Message) error {
		select {
		case unpacked <- p.unpack(m):
			return nil
		case <-both.Done():
			return both.Err()
		}
	})
	close(unpacked)
	wg.Wait()
	if cause := context.Cause(both); cause != nil {
		err = cause
	}
	last, done := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer done()
	p.mu.Lock()
	stop(last)
	p.mu.Unlock()
	if cerr := p.checkpoint(last); cerr != nil {
		p.slog.Error("last checkpoint not made; the next start repeats some work", "error", cerr)
	}
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("pipeline: %w", err)
}

// work takes messages until there are no more, or one fails.
func (p *pipeline) work(ctx context.Context, unpacked <-chan message) error {
	for m := range unpacked {
		if err := p.message(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// message is one of the bus, unpacked.
type message struct {
	seq    uint64
	events []*ocsf.Event
	marks  []canary.Mark // of canaries, which are taken out of the events
}

func (p *pipeline) unpack(m bus.Message) message {
	evs, err := bus.DecodeBatch(m.Data)
	if err != nil { // cannot happen to what intake wrote; keep the stream going and say so
		p.slog.Error("message of the bus is not readable, set aside", "seq", m.Seq, "error", err)
		p.count.unreadable.Inc()
		p.aside(m, err)
		return message{seq: m.Seq}
	}
	evs, marks := p.canaries.Take(evs)
	return message{m.Seq, evs, marks}
}

func (p *pipeline) start() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

// tick makes checkpoints by time, retries what was unexplained after new
// people came, and lets detectors notice silence.
func (p *pipeline) tick(ctx context.Context) {
	for i := 1; pause(ctx, 250*time.Millisecond); i++ {
		if p.due() {
			if err := p.checkpoint(ctx); err != nil && ctx.Err() == nil {
				p.slog.Error("checkpoint not made, trying again", "error", err)
				pause(ctx, max(time.Second, min(p.spacing(), 10*time.Second)))
			}
		}
		if i%silence == 0 {
			if err := p.listen(ctx); err != nil && ctx.Err() == nil {
				p.slog.Error("silence of sources not judged, trying again", "error", err)
			}
		}
	}
}

// silence is every how many ticks detectors are asked about silence.
const silence = 120

// listen lets detectors notice what did not happen.
func (p *pipeline) listen(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var s step
	s.find(p.detect.Tick(p.now().UnixMilli()))
	s.hide(p.detect.TakeHidden())
	return p.clerk.settle(context.WithoutCancel(ctx), s)
}

// retryHeld explains again all waiting accesses, after people, shifts, tickets
// or watched patients came. It works in slices, so that events flow meanwhile.
func (p *pipeline) retryHeld(ctx context.Context) error {
	at := p.now().UnixMilli()
	for part := range slices.Chunk(slices.Collect(p.care.Held()), 500) {
		if err := p.retryPart(context.WithoutCancel(ctx), part, at); err != nil {
			return err
		}
	}
	return nil
}

func (p *pipeline) retryPart(ctx context.Context, part []care.Pending, at int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var s step
	for _, was := range part {
		if h, ok := p.retry(was, at); ok {
			s.heal(h)
		}
	}
	return p.clerk.settle(ctx, s)
}

func (p *pipeline) due() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	every := p.every
	if !p.fresh {
		every = max(every, idleEvery)
	}
	every = max(every, spaced(p.stood))
	return p.seen > p.kept && (p.now().Sub(p.last) >= every || p.lake.Due(p.now()))
}

func (p *pipeline) spacing() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return spaced(p.stood)
}

// spaced is how far apart checkpoints are at least, after the pipeline stood
// still so long for one: standing still costs a fiftieth of the time, as long
// as not too much is to be repeated after a crash.
func spaced(stood time.Duration) time.Duration { return min(50*stood, 2*time.Minute) }

// idleEvery is how often there is a checkpoint while nothing but canaries
// comes.
const idleEvery = 5 * time.Minute

// mostBuffered is how many events may be in memory before the pipeline waits.
const mostBuffered = 600_000

// pause waits; it says whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// message works on one message of the bus. When files cannot be written as
// fast as events come, it waits for them.
func (p *pipeline) message(ctx context.Context, m message) error {
	for p.lake.Stats().Buffered > mostBuffered {
		if err := p.checkpoint(ctx); err != nil {
			p.slog.Error("events wait for the checkpoint", "error", err)
			if !pause(ctx, time.Second) {
				return ctx.Err()
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known, err := p.lake.Known(ctx, m.events)
	if err != nil {
		return err
	}
	fresh := m.events[:0:0]
	for i, ev := range m.events {
		if !known[i] {
			fresh = append(fresh, ev)
		}
	}
	p.torn = true // memory runs ahead of the position until all is handed over
	s := p.judge(m.seq, fresh)
	s.hide(p.detect.TakeHidden())
	if err := p.log.Events(ctx, m.seq, fresh); err != nil {
		return fmt.Errorf("evidence of message %d: %w", m.seq, err)
	}
	p.keep(m.seq, fresh)
	p.src.stored(m.events, known)
	p.count.repeated.Add(float64(len(m.events) - len(fresh)))
	if err := p.clerk.take(ctx, &task{seq: m.seq, events: fresh, step: s, marks: m.marks}); err != nil {
		return err
	}
	p.seen, p.torn = m.seq, false
	p.fresh = p.fresh || len(m.events) > 0
	return nil
}

// judge explains and detects, event by event, in order.
func (p *pipeline) judge(seq uint64, evs []*ocsf.Event) step {
	var s step
	for _, ev := range evs {
		if half := p.join.Join(ev); half != "" {
			if ev.Access == nil {
				ev.Access = &ocsf.Access{}
			}
			ev.Access.HalfOf = half
			s.find(p.detect.Half(ev))
			continue
		}
		p.network.follow(ev)
		if len(ev.Care) > 0 {
			s.heal(p.heal(p.care.Apply(ev), ev.Metadata.LoggedTime)...)
		}
		if ev.IsAccess() {
			p.explain(ev)
			// Between a crash and this second look people or shifts may have
			// been imported: what was found then may be explained now.
			if x := ev.Explanation; seq <= p.again && x.Explained {
				s.clear(ev.Metadata.UID, x.Weak)
			}
		}
		s.find(p.detect.Process(ev))
	}
	return s
}

func (p *pipeline) explain(ev *ocsf.Event) {
	x := p.care.Explain(ev)
	x.At = ev.Metadata.LoggedTime
	ev.Explanation = &x
	if x.Explained {
		p.care.Learn(ev)
	}
	if !x.Explained || x.Weak { // a better explanation may still come
		p.care.Hold(ev)
	}
}

// heal explains again the waiting accesses to patients whose relations
// changed; at is when the news came.
func (p *pipeline) heal(patients []string, at int64) []healing {
	var out []healing
	for _, patient := range patients {
		for _, was := range p.care.Waiting(patient) {
			if h, ok := p.retry(was, at); ok {
				out = append(out, h)
			}
		}
	}
	return out
}

// retry explains a waiting access again. Where something weak explains what
// nothing did before, it is written down as such, and the access goes on
// waiting for a better reason.
func (p *pipeline) retry(was care.Pending, at int64) (healing, bool) {
	ev := was.Event()
	x := p.care.Explain(ev)
	if !x.Explained || x.Weak && was.Weak {
		return healing{}, false
	}
	x.At = at
	ev.Explanation = &x
	p.care.Learn(ev)
	if x.Weak {
		p.care.Weaken(was)
	} else {
		p.care.Release(was)
	}
	return healing{was: was, why: x}, true
}

// keep hands the events to the lake under their numbers.
func (p *pipeline) keep(seq uint64, evs []*ocsf.Event) {
	rows := make([]lake.Row, len(evs))
	for i, ev := range evs {
		rows[i] = lake.Row{Event: ev, Seq: seq, Index: uint32(i)}
	}
	p.lake.Append(rows)
}

// moment is everything a checkpoint writes, as it was after one message.
type moment struct {
	seq     uint64
	rows    *lake.Batch
	care    care.Changes
	sources []api.Source
	memory  *detect.Taken
	network networkChanges
	state   map[string]string
}

// capture takes the moment. It is quick: the pipeline goes on while the moment
// is packed and written. It returns nil when there is nothing new.
func (p *pipeline) capture() (*moment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == p.kept || p.torn {
		return nil, nil
	}
	start := time.Now()
	defer func() { p.stood = time.Since(start) }()
	memory, err := p.detect.Take()
	if err != nil {
		return nil, err
	}
	joined, err := p.join.Snapshot()
	if err != nil {
		return nil, err
	}
	return &moment{
		seq: p.seen, rows: p.lake.Seal(), care: p.care.Changes(), sources: p.src.take(), memory: memory, network: p.network.changes(p.now().UnixMilli()),
		state: map[string]string{"position": strconv.FormatUint(p.seen, 10), "join": string(joined)},
	}, nil
}

// checkpoint writes everything down; see pipeline.
func (p *pipeline) checkpoint(ctx context.Context) error {
	p.files.Lock()
	defer p.files.Unlock()
	m, err := p.capture()
	if err != nil || m == nil {
		return err
	}
	if err := p.commit(ctx, m); err != nil {
		p.src.putBack(m.sources)
		return err
	}
	p.mu.Lock()
	p.kept, p.last, p.fresh = m.seq, p.now(), p.fresh && p.seen > m.seq
	p.mu.Unlock()
	if err := p.bus.Trim(ctx, topic, m.seq+1); err != nil {
		p.slog.Warn("bus not trimmed, trying again with the next checkpoint", "error", err)
	}
	return nil
}

// commit makes the moment durable. Findings and evidence come first: no
// position passes a message whose findings are not stored, or a batch that is
// not in the log.
func (p *pipeline) commit(ctx context.Context, m *moment) error {
	memory, err := m.memory.Pack()
	if err != nil {
		return err
	}
	m.state["detect"] = string(memory)
	if err := p.clerk.settled(ctx, m.seq); err != nil {
		return fmt.Errorf("store findings: %w", err)
	}
	if err := p.network.settle(ctx); err != nil {
		return err
	}
	if err := p.log.Flush(ctx); err != nil {
		return fmt.Errorf("write evidence: %w", err)
	}
	if err := m.rows.Write(ctx); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	if err := p.db.Update(ctx, func(tx *sql.Tx) error { return p.write(ctx, tx, m) }); err != nil {
		m.rows.Discard()
		return fmt.Errorf("write checkpoint: %w", err)
	}
	m.rows.Done()
	p.care.Saved()
	p.network.saved()
	return nil
}

func (p *pipeline) write(ctx context.Context, tx *sql.Tx, m *moment) error {
	if err := m.rows.Commit(tx); err != nil {
		return err
	}
	for _, f := range m.rows.Files {
		if err := p.log.File(tx, mark(f)); err != nil {
			return err
		}
	}
	if err := m.care.Write(tx); err != nil {
		return err
	}
	if err := m.network.write(ctx, tx); err != nil {
		return err
	}
	for _, s := range m.sources {
		if err := saveSource(ctx, tx, s); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(m.state) {
		if err := save(ctx, tx, "node_state", name, m.state[name]); err != nil {
			return err
		}
	}
	return nil
}

func mark(f lake.FileInfo) evidence.FileMark {
	return evidence.FileMark{Name: f.Name, SHA256: f.SHA256, Rows: f.Rows, FirstSeq: f.FirstSeq, LastSeq: f.LastSeq}
}

// restore reads the last checkpoint.
func (p *pipeline) restore(ctx context.Context) error {
	state := map[string]string{}
	err := p.db.View(ctx, func(tx *sql.Tx) error {
		for _, name := range []string{"position", "detect", "join"} {
			v, err := load(ctx, tx, "node_state", name)
			if err != nil {
				return err
			}
			state[name] = v
		}
		return nil
	})
	if err != nil {
		return err
	}
	if v := state["position"]; v != "" {
		if p.seen, err = strconv.ParseUint(v, 10, 64); err != nil {
			return fmt.Errorf("position of the checkpoint: %w", err)
		}
	}
	p.kept, p.last = p.seen, p.now()
	p.clerk.done.Store(p.seen)
	if _, p.again, err = p.bus.Span(ctx, topic); err != nil {
		return err
	}
	if v := state["detect"]; v != "" {
		if err := p.detect.Restore([]byte(v)); err != nil {
			return fmt.Errorf("memory of the detectors: %w", err)
		}
	}
	if v := state["join"]; v != "" {
		if err := p.join.Restore([]byte(v)); err != nil {
			return fmt.Errorf("memory of joined halves: %w", err)
		}
	}
	return nil
}

// drain waits until everything published so far was worked on, and makes a
// checkpoint.
func (p *pipeline) drain(ctx context.Context) error {
	_, last, err := p.bus.Span(ctx, topic)
	if err != nil {
		return err
	}
	if err := p.clerk.settled(ctx, last); err != nil {
		return err
	}
	// What the network told of itself meanwhile is worked on, too.
	if err := p.network.settle(ctx); err != nil {
		return err
	}
	if _, last, err = p.bus.Span(ctx, topic); err != nil {
		return err
	}
	if err := p.clerk.settled(ctx, last); err != nil {
		return err
	}
	return p.checkpoint(ctx)
}
