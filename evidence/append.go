package evidence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/cordon-health/cordon/ocsf"
)

const (
	groupSize   = 64                     // entries written at once
	groupLinger = 200 * time.Millisecond // how long a lone entry waits for company
	retryPause  = time.Second
)

// item is an entry on its way into the tree, or a marker (data is nil) that
// everything before it is there.
type item struct {
	entry *Entry
	data  []byte
	done  chan uint64 // of a marker: receives the size of the tree
}

// scratch is memory that Events uses again.
type scratch struct {
	text   []byte
	leaves []Hash
}

// Events appends the batch with number seq. It must be called for every
// number in order, also when no event of a message survived; the index of an
// event is its place in evs. It returns before the batch is durable (see
// [Log.Sync]) and keeps no reference to the events. A batch that is in the log
// already is compared and not appended again. It waits while the log cannot
// be written.
func (l *Log) Events(ctx context.Context, seq uint64, evs []*ocsf.Event) error {
	if len(evs) > MaxBatch {
		return fmt.Errorf("log events: %d events are more than the %d that fit into one batch", len(evs), MaxBatch)
	}
	l.turn.Lock()
	defer l.turn.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	again, skip, err := l.offered(ctx, seq, evs)
	if err != nil || skip {
		return err
	}
	now := l.now()
	e, err := l.batch(ctx, month(now), seq, evs)
	if err != nil {
		return err
	}
	e.Time, e.Again = now.UnixMilli(), again
	return l.enqueue(ctx, e)
}

// batch makes the entry of a batch under the salt key with the given id.
func (l *Log) batch(ctx context.Context, key string, seq uint64, evs []*ocsf.Event) (*Entry, error) {
	secret, err := l.saltKey(ctx, key, true)
	if err != nil {
		return nil, fmt.Errorf("log events: %w", err)
	}
	e := &Entry{Form: entryForm, Kind: KindEvents, Seq: seq, Key: key, KeySum: keySum(secret), N: len(evs), Tags: make([]byte, 0, TagSize*len(evs))}
	maker := leafer{salter: newSalter(secret), text: l.scratch.text}
	leaves := l.scratch.leaves[:0]
	for i, ev := range evs {
		leaf := maker.leaf(seq, uint32(i), ev)
		leaves = append(leaves, leaf)
		e.Tags = append(e.Tags, leaf[:TagSize]...)
	}
	l.scratch = scratch{text: maker.text, leaves: leaves}
	root := Root(leaves)
	e.Root = root[:]
	return e, nil
}

// offered compares a batch with what the log holds under its number. skip
// means that it is there already; again that another one is, of which nothing
// was stored yet.
func (l *Log) offered(ctx context.Context, seq uint64, evs []*ocsf.Event) (again, skip bool, err error) {
	l.mu.Lock()
	last, marked := l.pos.LastSeq, l.pos.Marked
	old, known := l.pos.open[seq]
	l.mu.Unlock()
	if seq > last {
		return false, false, nil
	}
	if !known {
		old, known, err = l.lookUp(ctx, seq)
		if err != nil || !known {
			return false, false, err
		}
	}
	e, err := l.batch(ctx, old.key, seq, evs)
	switch {
	case errors.Is(err, errErased):
		return false, true, nil
	case err != nil:
		return false, false, err
	case Hash(e.Root) == old.root:
		return false, true, nil
	case seq <= marked:
		err := fmt.Errorf("%w: batch %d of the event stream came again with other content after it was stored", ErrStake, seq)
		l.fail(err)
		return false, false, err
	}
	l.raise(problemAgain)
	l.log.Warn("a batch of events came again with other content than was logged", "seq", seq)
	return true, false, nil
}

// lookUp finds an older batch in the tree.
func (l *Log) lookUp(ctx context.Context, seq uint64) (logged, bool, error) {
	size, err := l.driver.size(ctx)
	if err != nil {
		return logged{}, false, fmt.Errorf("look up batch %d: %w", seq, err)
	}
	index, e, err := l.tiles.find(size, placeOfSeq(seq))
	if errors.Is(err, fs.ErrNotExist) {
		return logged{}, false, nil
	}
	if err != nil {
		return logged{}, false, fmt.Errorf("look up batch %d: %w", seq, err)
	}
	return logged{index: index, key: e.Key, root: Hash(e.Root)}, true, nil
}

func placeOfSeq(seq uint64) func(*Entry) int {
	return func(e *Entry) int {
		if e.Kind != KindEvents {
			return 2
		}
		return compare(e.Seq, seq, seq)
	}
}

func placeOfRow(row int64) func(*Entry) int {
	return func(e *Entry) int {
		if e.Kind != KindRecords {
			return 2
		}
		return compare(e.First, row, row-int64(e.N-1))
	}
}

// compare says where a range that begins at first stands: 0 when first is
// within [lowest, highest].
func compare[T int64 | uint64](first, highest, lowest T) int {
	switch {
	case first > highest:
		return 1
	case first < lowest:
		return -1
	}
	return 0
}

func (l *Log) usable() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.fatal != nil:
		return l.fatal
	case l.closed:
		return ErrClosed
	}
	return nil
}

// enqueue puts an entry in line; what was queued is part of the position.
func (l *Log) enqueue(ctx context.Context, e *Entry) error {
	data, err := e.Encode()
	if err != nil {
		return err
	}
	if err := l.push(ctx, item{entry: e, data: data}); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pos.apply(0, e)
	return nil
}

func (l *Log) push(ctx context.Context, it item) error {
	select {
	case l.queue <- it:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("append to the evidence log: %w", ctx.Err())
	case <-l.stopped.Done():
		return l.ended()
	}
}

func (l *Log) ended() error {
	if err := l.Err(); err != nil {
		return err
	}
	return ErrClosed
}

// write is the only goroutine that appends. It takes what waits in the queue
// as one group, so that the number of writes does not grow with the load.
func (l *Log) write() {
	defer l.halt()
	for {
		group, markers, ok := l.collect()
		if !ok {
			return
		}
		if err := l.appendGroup(group); err != nil {
			if errors.Is(err, ErrStake) {
				l.fail(err)
			}
			return
		}
		for _, m := range markers {
			m.done <- l.written.size
		}
	}
}

// collect waits for an entry and gathers a group; a marker ends it.
func (l *Log) collect() (group, markers []item, ok bool) {
	var linger <-chan time.Time
	for len(group) < groupSize && len(markers) == 0 {
		select {
		case it := <-l.queue:
			if it.data == nil {
				markers = append(markers, it)
				continue
			}
			if group = append(group, it); linger == nil {
				linger = time.After(groupLinger)
			}
		case <-linger:
			return group, nil, true
		case <-l.stopped.Done():
			return nil, nil, false
		}
	}
	return group, markers, true
}

// appendGroup writes entries until they are in the tree, however often that
// has to be tried (a full disk).
func (l *Log) appendGroup(group []item) error {
	for len(group) > 0 {
		err := l.add(group)
		n, checkErr := l.arrived(group, err)
		if checkErr != nil {
			return checkErr
		}
		l.count(group[:n])
		if group = group[n:]; err == nil {
			continue
		}
		l.raise(problemWaiting)
		l.log.Error("evidence cannot be written; trying again", "error", err)
		select {
		case <-time.After(retryPause):
		case <-l.stopped.Done():
			return l.ended()
		}
	}
	l.settle(problemWaiting)
	return nil
}

func (l *Log) add(group []item) error {
	waits := make([]func() error, len(group))
	for i, it := range group {
		waits[i] = l.driver.add(it.data)
	}
	var errs []error
	for _, wait := range waits {
		errs = append(errs, wait())
	}
	return errors.Join(errs...)
}

// arrived says how many entries of the group are in the tree now. After an
// error it looks: some or all may be, and none may be written twice.
func (l *Log) arrived(group []item, err error) (int, error) {
	if err == nil {
		return len(group), nil
	}
	size, err := l.driver.size(l.stopped)
	if err != nil || size <= l.written.size {
		return 0, nil
	}
	n := 0
	err = l.tiles.scan(l.written.size, size, func(index uint64, data []byte) error {
		if n >= len(group) || string(data) != string(group[n].data) {
			return fmt.Errorf("%w: entry %d of the log was not written by this server", ErrStake, index)
		}
		n++
		return nil
	})
	if err != nil && !errors.Is(err, ErrStake) {
		return 0, nil // the disk cannot be read either: ask again later
	}
	return n, err
}

// count moves the position of what is written, and saves it now and then.
func (l *Log) count(group []item) {
	save := false
	for _, it := range group {
		l.written.apply(l.written.size, it.entry)
		l.written.size++
		save = save || it.entry.Kind == KindFile
	}
	if save {
		l.saveState()
	}
}

// Sync waits until everything appended so far, and every record and mark
// committed so far, is in the tree under a signed checkpoint on disk.
func (l *Log) Sync(ctx context.Context) error {
	if err := l.usable(); err != nil {
		return err
	}
	return l.sync(ctx)
}

// Flush waits until everything that Events accepted so far is durable in the
// tree; the next signature, at most two intervals later, covers it. It is what
// a checkpoint of the pipeline needs, and takes some 10 ms.
func (l *Log) Flush(ctx context.Context) error {
	if err := l.usable(); err != nil {
		return err
	}
	_, err := l.flush(ctx)
	return err
}

func (l *Log) flush(ctx context.Context) (size uint64, err error) {
	m := item{done: make(chan uint64, 1)}
	if err := l.push(ctx, m); err != nil {
		return 0, err
	}
	select {
	case size = <-m.done:
		return size, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("flush evidence: %w", ctx.Err())
	case <-l.stopped.Done():
		return 0, l.ended()
	}
}

func (l *Log) sync(ctx context.Context) error {
	if err := l.drain(ctx); err != nil {
		return err
	}
	size, err := l.flush(ctx)
	if err != nil {
		return err
	}
	return l.awaitHead(ctx, size)
}

func (l *Log) awaitHead(ctx context.Context, size uint64) error {
	for {
		l.mu.Lock()
		head, news := l.head, l.headNews
		l.mu.Unlock()
		if head.Size >= size {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("sync evidence: %w", ctx.Err())
		case <-l.stopped.Done():
			return l.ended()
		}
	}
}
