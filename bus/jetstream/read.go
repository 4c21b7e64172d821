package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"github.com/cordon-health/cordon/bus"
)

// Read implements bus.Bus.
func (b *Bus) Read(ctx context.Context, topic string, from uint64, fn func(bus.Message) error) error {
	if err := bus.CheckTopic(topic); err != nil {
		return err
	}
	if !b.beginRead() {
		return bus.ErrClosed
	}
	defer b.reads.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-b.done:
			cancel(bus.ErrClosed)
		case <-ctx.Done():
		}
	}()
	r := &reader{bus: b, topic: topic, next: from, fn: fn}
	return r.run(ctx)
}

func (b *Bus) beginRead() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed() {
		return false
	}
	b.reads.Add(1)
	return true
}

// reader is one running Read.
type reader struct {
	bus    *Bus
	topic  string
	fn     func(bus.Message) error
	next   uint64 // the number to be delivered next; 0 the oldest there is
	behind int    // how often in a row the topic ended before next
	fresh  bool   // nothing was delivered by the current consumer yet
}

// stopError is an error of the reader's function: it ends the Read.
type stopError struct{ err error }

func (e stopError) Error() string { return e.err.Error() }

// run follows the topic and begins again after each outage.
func (r *reader) run(ctx context.Context) error {
	for wait := firstWait; ; {
		before := r.next
		err := r.follow(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err, over := ended(err); over {
			return err
		}
		if r.next > before {
			wait = firstWait
		}
		if wait == firstWait {
			r.bus.log.Warn("reading the bus was interrupted, trying again", "topic", r.topic, "error", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
		wait = min(2*wait, maxWait)
	}
}

// ended tells whether err ends a Read, and with which error. A full disk does
// not: what is stored can be read.
func ended(err error) (error, bool) {
	if stop, ok := errors.AsType[stopError](err); ok {
		return stop.err, true
	}
	if gap, ok := errors.AsType[*bus.GapError](err); ok {
		return gap, true
	}
	final, over := verdict(err)
	return fmt.Errorf("read: %w", final), over && !errors.Is(err, bus.ErrFull)
}

var errSkipped = errors.New("a message was left out in delivery")

// A consumer asks for this much in advance.
const (
	pullMessages = 500
	pullBytes    = 2 * bus.MaxMessage
)

// follow delivers from r.next on until something breaks.
func (r *reader) follow(ctx context.Context) error {
	first, last, err := r.locate(ctx)
	if err != nil {
		return err
	}
	if r.next == 0 {
		r.next = first
	}
	r.next = max(r.next, 1)
	if r.next < first || r.next > last+1 {
		return r.gap(first, last)
	}
	r.behind = 0
	consumer, err := r.consumer(ctx)
	if err != nil {
		return err
	}
	defer r.drop(ctx, consumer)
	r.fresh = true
	it, err := consumer.Messages(
		js.PullMaxMessagesWithBytesLimit(pullMessages, pullBytes),
		js.PullExpiry(20*time.Second),
		js.PullHeartbeat(2*time.Second),
	)
	if err != nil {
		return err
	}
	defer it.Stop()
	for {
		msg, err := it.Next(js.NextContext(ctx))
		if err != nil {
			return err
		}
		if err := r.deliver(ctx, msg); err != nil {
			return err
		}
	}
}

// locate asks for the span of the topic, and after a failure sees to the
// embedded server.
func (r *reader) locate(ctx context.Context) (first, last uint64, err error) {
	err = r.bus.once(ctx, askWait, func(ctx context.Context) error {
		first, last, err = r.bus.span(ctx, r.topic)
		return err
	})
	return first, last, err
}

// patient is how often a reader looks again when a cluster says that the
// topic ends before what was already read: a new leader may still catch up.
const patient = 8 // about three seconds

func (r *reader) gap(first, last uint64) error {
	if r.next > last+1 && r.bus.engine == nil && r.behind < patient {
		r.behind++
		return errSkipped
	}
	return &bus.GapError{Topic: r.topic, From: r.next, First: first, Last: last}
}

// consumer makes a short-lived consumer in the server's memory.
func (r *reader) consumer(ctx context.Context) (js.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	return r.bus.js.CreateConsumer(ctx, r.bus.streamName(r.topic), js.ConsumerConfig{
		DeliverPolicy:     js.DeliverByStartSequencePolicy,
		OptStartSeq:       r.next,
		AckPolicy:         js.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: time.Minute,
	})
}

// drop removes a consumer. If that fails, the server does so a minute later.
func (r *reader) drop(ctx context.Context, c js.Consumer) {
	if !r.bus.nc.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = r.bus.js.DeleteConsumer(ctx, r.bus.streamName(r.topic), c.CachedInfo().Name)
}

// deliver hands a message on if it is the next one.
func (r *reader) deliver(ctx context.Context, msg js.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	seq := meta.Sequence.Stream
	if seq < r.next {
		return nil
	}
	if seq > r.next {
		return r.skipped(ctx, seq)
	}
	r.fresh = false
	m := bus.Message{Seq: seq, ID: msg.Headers().Get(idHeader), Time: meta.Timestamp.UTC(), Data: msg.Data()}
	if err := r.fn(m); err != nil {
		return stopError{err}
	}
	r.next++
	return nil
}

// skipped decides what to do when seq arrives where r.next was expected. In
// the middle of a delivery, messages may be lost on their way: begin again.
// At its beginning, the topic itself has a hole.
func (r *reader) skipped(ctx context.Context, seq uint64) error {
	if !r.fresh {
		return errSkipped
	}
	first, last, err := r.locate(ctx)
	if err != nil {
		return err
	}
	return &bus.GapError{Topic: r.topic, From: r.next, First: max(first, seq), Last: last}
}
