package canary

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
)

// Door is a way into Cordon, and how a canary is sent through it from outside.
type Door struct {
	// Name is stable and unique: "mllp", "syslog/udp".
	Name string
	// Send sends a canary and returns once the door has taken it, as far as
	// its protocol tells.
	Send func(ctx context.Context, mark string, at time.Time) error
	// Closed says why no canary can be sent; empty where one can.
	Closed ocsf.Text
}

// Trouble is something wrong with the alarm path itself.
type Trouble struct {
	// ID is stable while the trouble lasts: "door:mllp", "detector:family".
	ID string `json:"id"`
	// Since is in ms; a check may leave it to the watcher, by 0.
	Since int64     `json:"since"`
	Text  ocsf.Text `json:"text"`
	// Advice is the next step.
	Advice ocsf.Text `json:"advice"`
}

// Parts are what a watcher works with.
type Parts struct {
	Config Config
	Signer Signer
	Doors  []Door
	DB     *store.DB
	// Progress is how many messages the pipeline has worked on, and how many
	// there are.
	Progress func() (done, last uint64)
	// Checks find other troubles of the alarm path: stopped detectors, a disk
	// that fills up. They are asked every few seconds.
	Checks func() []Trouble
	// Raise raises the alarm over a trouble, once; after an error it is tried
	// again.
	Raise func(context.Context, Trouble) error
	Now   func() time.Time
	Log   *slog.Logger
}

// Watcher sends canaries and watches them come out.
type Watcher struct {
	Parts

	mu       sync.Mutex
	doors    []*doorway       // guarded by mu
	underway map[uint64]bird  // guarded by mu
	done     uint64           // guarded by mu: progress at the last look
	moved    time.Time        // guarded by mu: when there last was some
	looked   time.Time        // guarded by mu: when that was
	raised   map[string]int64 // guarded by mu: trouble and its beginning
	troubles []Trouble        // guarded by mu: as of the last look
	unsaved  []sample         // guarded by mu
}

// bird is a canary under way.
type bird struct {
	door *doorway
	sent time.Time
}

// doorway is what is known of a door.
type doorway struct {
	Door
	samples []sample // of the last day, oldest first
	missed  int      // in a row
	since   int64    // when the first of those was sent, ms
	why     string   // the last error of sending
}

// sample is one canary that came out, or was lost (took < 0).
type sample struct {
	door string
	sent int64 // ms
	took int64 // ms
}

const (
	// alarmAfter is how many canaries in a row must be missed at a door.
	alarmAfter = 2
	// lookEvery is how often the watcher looks; a longer pause than asleep
	// between two looks means that the machine slept.
	lookEvery = time.Second
	asleep    = 30 * time.Second
	// stuck is how long a queue may stand still before it counts as stopped.
	stuck = 10 * time.Second
	// sendMost bounds how long a door may take to accept.
	sendMost = 20 * time.Second
	aDay     = 24 * time.Hour
)

// New makes a watcher, with the samples of the last day.
func New(ctx context.Context, p Parts) (*Watcher, error) {
	if err := p.Config.Check(); err != nil {
		return nil, err
	}
	w := &Watcher{Parts: p, underway: map[uint64]bird{}, raised: map[string]int64{}}
	for _, d := range p.Doors {
		w.doors = append(w.doors, &doorway{Door: d})
	}
	return w, w.load(ctx)
}

// Run sends and watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	if w.Config.Off {
		return nil
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for i, d := range w.doors {
		if d.Closed.EN != "" {
			continue
		}
		wg.Go(func() { w.knock(ctx, d, time.Duration(i)*w.Config.Every/time.Duration(len(w.doors))) })
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			w.Look(ctx)
		}
	}
}

// knock sends one canary after another through a door, the first soon.
func (w *Watcher) knock(ctx context.Context, d *doorway, offset time.Duration) {
	for wait := min(offset, 5*time.Second); ; wait = w.Config.Every {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
			w.send(ctx, d)
		}
	}
}

func (w *Watcher) send(ctx context.Context, d *doorway) {
	at := w.Now()
	m := Mark{Number: rand.Uint64(), Sent: at.UnixMilli()}
	w.mu.Lock()
	w.underway[m.Number] = bird{d, at}
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, sendMost)
	defer cancel()
	if err := d.Send(ctx, w.Signer.Text(m), at); err != nil && ctx.Err() != context.Canceled {
		w.mu.Lock()
		defer w.mu.Unlock()
		if _, waiting := w.underway[m.Number]; waiting { // it may have come out although the answer did not
			d.why = err.Error()
			w.miss(m.Number)
		}
	}
}

// Proven is told, once what stood beside them in the stream is durable, which
// canaries came out, and when.
func (w *Watcher) Proven(marks []Mark, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range marks {
		b, ok := w.underway[m.Number]
		if !ok {
			continue // repeated, given up, or of an earlier run
		}
		delete(w.underway, m.Number)
		b.door.missed, b.door.why = 0, ""
		w.add(b.door, m.Sent, m.late(at))
	}
}

// miss counts a canary as lost. mu is held.
func (w *Watcher) miss(number uint64) {
	b := w.underway[number]
	delete(w.underway, number)
	if b.door.missed == 0 {
		b.door.since = b.sent.UnixMilli()
	}
	b.door.missed++
	w.add(b.door, b.sent.UnixMilli(), -1)
}

// add notes a sample. mu is held.
func (w *Watcher) add(d *doorway, sent, took int64) {
	s := sample{d.Name, sent, took}
	d.keep(s)
	if len(w.unsaved) < 10_000 {
		w.unsaved = append(w.unsaved, s)
	}
}

func (d *doorway) keep(s sample) {
	old := s.sent - aDay.Milliseconds()
	gone := 0
	for gone < len(d.samples) && d.samples[gone].sent < old {
		gone++
	}
	d.samples = append(slices.Delete(d.samples, 0, gone), s)
}

// Look misses canaries that should have come out, and raises what is wrong.
func (w *Watcher) Look(ctx context.Context) {
	now := w.Now()
	done, last := w.Progress()
	var others []Trouble
	if w.Checks != nil {
		others = w.Checks()
	}
	for _, t := range w.look(now, done, last, others) {
		if err := w.Raise(ctx, t); err != nil {
			w.Log.Error("alarm about the alarm path not raised, trying again", "trouble", t.ID, "error", err)
			continue
		}
		w.mu.Lock()
		w.raised[t.ID] = t.Since
		w.mu.Unlock()
	}
}

// look returns the troubles that are new.
func (w *Watcher) look(now time.Time, done, last uint64, others []Trouble) []Trouble {
	w.mu.Lock()
	defer w.mu.Unlock()
	slept := !w.looked.IsZero() && now.Sub(w.looked) > asleep
	if done != w.done {
		w.done, w.moved = done, now
	}
	working := done < last && now.Sub(w.moved) < stuck
	w.looked = now
	for number, b := range w.underway {
		age := now.Sub(b.sent)
		switch {
		case slept:
			delete(w.underway, number)
		case age > w.Config.Lost || age > w.Config.Late && !working:
			b.door.why = ""
			w.miss(number)
		}
	}
	w.troubles = w.dated(others, now.UnixMilli())
	for _, d := range w.doors {
		if d.missed >= alarmAfter {
			w.troubles = append(w.troubles, d.trouble())
		}
	}
	return w.fresh()
}

// dated gives troubles that a check found the time when it first did. mu is
// held.
func (w *Watcher) dated(list []Trouble, now int64) []Trouble {
	first := map[string]int64{}
	for _, old := range w.troubles {
		first[old.ID] = old.Since
	}
	for i := range list {
		if list[i].Since == 0 {
			list[i].Since = cmp.Or(first[list[i].ID], now)
		}
	}
	return list
}

// fresh lists troubles not raised yet, and forgets those that ended. mu is
// held.
func (w *Watcher) fresh() []Trouble {
	var out []Trouble
	now := map[string]bool{}
	for _, t := range w.troubles {
		now[t.ID] = true
		if since, ok := w.raised[t.ID]; !ok || since != t.Since {
			out = append(out, t)
		}
	}
	for id := range w.raised {
		if !now[id] {
			delete(w.raised, id)
		}
	}
	return out
}

func (d *doorway) trouble() Trouble {
	t := Trouble{ID: "door:" + d.Name, Since: d.since}
	en, zh := "", ""
	if d.why != "" {
		en, zh = ": "+d.why, "："+d.why
	}
	t.Text = ocsf.Text{
		EN: fmt.Sprintf("Canaries sent through %s do not come out%s", d.Name, en),
		ZH: fmt.Sprintf("经 %s 发送的探针未能到达告警环节%s", d.Name, zh),
	}
	t.Advice = ocsf.Text{
		EN: "What this door receives may not be watched now. Look at the log, free disk space and cordon quarantine list; restart Cordon if its queue stands still.",
		ZH: "该入口收到的数据当前可能未被监测。请查看日志、磁盘空间与隔离区（cordon quarantine list）；若队列停滞，请重启 Cordon。",
	}
	return t
}
