package node

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/bus"
	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/incident"
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
// numbers. What people must not miss, findings and cases, is written at once.
type pipeline struct {
	db     *store.DB
	bus    bus.Bus
	lake   *lake.Lake
	log    *evidence.Log
	care   *care.Graph
	detect *detect.Engine
	desk   *incident.Desk
	told   func([]incident.Change) // playbooks; must return at once
	src    *sources
	now    func() time.Time
	slog   *slog.Logger
	count  *counters

	every time.Duration // between checkpoints, at most

	// files is held while files of the lake come and go: by checkpoints,
	// compaction and verification. It is taken before mu.
	files sync.Mutex

	mu     sync.Mutex        // held while a message or a checkpoint is worked on
	join   *normalize.Joiner // guarded by mu
	seen   uint64            // guarded by mu: last message worked on
	kept   uint64            // guarded by mu: last message of the checkpoint
	people uint64            // guarded by mu: directory version of the last retry
	last   time.Time         // guarded by mu: when the last checkpoint was made

	done atomic.Uint64 // = seen, for waiting without the lock
}

// run works until ctx ends, then makes a last checkpoint.
func (p *pipeline) run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { p.tick(ctx) })
	err := p.bus.Read(ctx, topic, p.start()+1, func(m bus.Message) error { return p.message(ctx, m) })
	wg.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if cerr := p.checkpoint(last); cerr != nil {
		p.slog.Error("last checkpoint not made; the next start repeats some work", "error", cerr)
	}
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("pipeline: %w", err)
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
				pause(ctx, time.Second)
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
	return p.settle(ctx, step{findings: p.detect.Tick(p.now().UnixMilli())})
}

// retryHeld explains again all waiting accesses, after people, shifts, tickets
// or watched patients came.
func (p *pipeline) retryHeld(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var s step
	at := p.now().UnixMilli()
	for _, was := range slices.Collect(p.care.Held()) {
		if h, ok := p.retry(was, at); ok {
			s.healed = append(s.healed, h)
		}
	}
	return p.settle(ctx, s)
}

func (p *pipeline) due() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen > p.kept && (p.now().Sub(p.last) >= p.every || p.lake.Due(p.now()))
}

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

// step is what one message changes outside of memory.
type step struct {
	findings []ocsf.Finding
	healed   []healing
}

// healing is an access explained later than it came.
type healing struct {
	was care.Pending
	why ocsf.Explanation
}

// message works on one message of the bus. When files cannot be written as
// fast as events come, it waits for them.
func (p *pipeline) message(ctx context.Context, m bus.Message) error {
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
	evs, err := bus.DecodeBatch(m.Data)
	if err != nil { // cannot happen to what intake wrote; keep the stream going and say so
		p.slog.Error("message of the bus is not readable, skipped", "seq", m.Seq, "error", err)
		p.count.unreadable.Inc()
		evs = nil
	}
	known, err := p.lake.Known(ctx, evs)
	if err != nil {
		return err
	}
	p.src.stored(evs, known)
	fresh := evs[:0:0]
	for i, ev := range evs {
		if !known[i] {
			fresh = append(fresh, ev)
		}
	}
	p.count.repeated.Add(float64(len(evs) - len(fresh)))
	s := p.judge(fresh)
	if err := p.log.Events(ctx, m.Seq, fresh); err != nil {
		return fmt.Errorf("evidence of message %d: %w", m.Seq, err)
	}
	p.keep(m.Seq, fresh)
	if err := p.settle(ctx, s); err != nil {
		return err
	}
	p.measure(fresh, s)
	p.seen = m.Seq
	p.done.Store(m.Seq)
	return nil
}

// judge explains and detects, event by event, in order.
func (p *pipeline) judge(evs []*ocsf.Event) step {
	var s step
	for _, ev := range evs {
		if half := p.join.Join(ev); half != "" {
			if ev.Access == nil {
				ev.Access = &ocsf.Access{}
			}
			ev.Access.HalfOf = half
			continue
		}
		if len(ev.Care) > 0 {
			s.healed = append(s.healed, p.heal(p.care.Apply(ev), ev.Metadata.LoggedTime)...)
		}
		if ev.IsAccess() {
			p.explain(ev)
		}
		s.findings = append(s.findings, p.detect.Process(ev)...)
	}
	return s
}

func (p *pipeline) explain(ev *ocsf.Event) {
	x := p.care.Explain(ev)
	x.At = ev.Metadata.LoggedTime
	ev.Explanation = &x
	if x.Explained {
		p.care.Learn(ev)
		return
	}
	p.care.Hold(ev)
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

func (p *pipeline) retry(was care.Pending, at int64) (healing, bool) {
	ev := was.Event()
	x := p.care.Explain(ev)
	if !x.Explained || x.Weak {
		return healing{}, false
	}
	x.At = at
	ev.Explanation = &x
	p.care.Learn(ev)
	p.care.Release(was)
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

// settle makes findings, cases and healed explanations durable. While that is
// impossible (disk full) the pipeline waits here; nothing is forgotten.
func (p *pipeline) settle(ctx context.Context, s step) error {
	if len(s.findings) == 0 && len(s.healed) == 0 {
		return nil
	}
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		changes, err := p.settleOnce(ctx, s)
		if err == nil {
			p.told(changes)
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		p.slog.Error("findings wait to be stored", "findings", len(s.findings), "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (p *pipeline) settleOnce(ctx context.Context, s step) ([]incident.Change, error) {
	var changes []incident.Change
	err := p.db.Update(ctx, func(tx *sql.Tx) error {
		changes = nil
		for _, h := range s.healed {
			more, err := p.settleHealed(tx, h)
			if err != nil {
				return err
			}
			changes = append(changes, more...)
		}
		more, err := p.desk.Add(tx, s.findings)
		changes = append(changes, more...)
		return err
	})
	return changes, err
}

func (p *pipeline) settleHealed(tx *sql.Tx, h healing) ([]incident.Change, error) {
	if err := p.lake.Correct(tx, h.was.UID, h.why, h.why.At); err != nil {
		return nil, err
	}
	body, err := json.Marshal(h.why)
	if err != nil {
		return nil, err
	}
	_, err = p.log.Put(tx, evidence.Record{
		Kind: "explanation", ID: h.was.UID, Time: h.why.At, Person: h.was.Person, Patient: h.was.Patient, Status: h.why.Kind, Body: body,
	})
	if err != nil {
		return nil, err
	}
	return p.desk.Withdraw(tx, h.was.UID, "explained later: "+h.why.Kind)
}

// measure counts, and notes how long warnings took.
func (p *pipeline) measure(evs []*ocsf.Event, s step) {
	p.count.stored.Add(float64(len(evs)))
	p.count.findings.Add(float64(len(s.findings)))
	p.count.healed.Add(float64(len(s.healed)))
	now := p.now().UnixMilli()
	arrived := map[string]int64{}
	for _, ev := range evs {
		if x := ev.Explanation; x != nil {
			p.count.access(x)
		}
		arrived[ev.Metadata.UID] = ev.Metadata.LoggedTime
	}
	for _, f := range s.findings {
		for _, uid := range f.Events {
			if at, ok := arrived[uid]; ok && at > 0 {
				p.count.latency.Observe(float64(now-at) / 1000)
			}
		}
	}
}

// moment is everything a checkpoint writes, as it was after one message.
type moment struct {
	seq     uint64
	rows    *lake.Batch
	care    care.Changes
	sources []api.Source
	state   map[string]string
}

// capture takes the moment. It is quick: the pipeline goes on while the moment
// is written. It returns nil when there is nothing new.
func (p *pipeline) capture() (*moment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == p.kept {
		return nil, nil
	}
	memory, err := p.detect.Snapshot()
	if err != nil {
		return nil, err
	}
	joined, err := p.join.Snapshot()
	if err != nil {
		return nil, err
	}
	return &moment{
		seq: p.seen, rows: p.lake.Seal(), care: p.care.Changes(), sources: p.src.take(),
		state: map[string]string{"position": strconv.FormatUint(p.seen, 10), "detect": string(memory), "join": string(joined)},
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
	p.kept, p.last = m.seq, p.now()
	p.mu.Unlock()
	if err := p.bus.Trim(ctx, topic, m.seq+1); err != nil {
		p.slog.Warn("bus not trimmed, trying again with the next checkpoint", "error", err)
	}
	return nil
}

// commit makes the moment durable. Evidence comes first: no position passes a
// batch that is not in the log.
func (p *pipeline) commit(ctx context.Context, m *moment) error {
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
	p.done.Store(p.seen)
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
	for p.done.Load() < last {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
	return p.checkpoint(ctx)
}
