package node

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cordon-health/cordon/bus"
	"github.com/cordon-health/cordon/canary"
	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/normalize"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/quarantine"
)

// topic is where all events flow.
const topic = "events"

// intake is the Sink of all collectors: it normalizes in the caller's
// goroutine, keeps rejects in quarantine, and publishes events. Publishing is
// done by one goroutine, which puts everything that waits into one message:
// many small senders share one disk write.
type intake struct {
	norm     *normalize.Normalizer
	mappings *mappings
	people   *directory.Directory
	book     *quarantine.Book
	bus      bus.Bus
	sources  *sources
	canaries canary.Signer
	patients *patientBook

	waiting chan *publication
	closed  chan struct{} // closed when run ends
}

// publication is the events of one Deliver on their way to the bus.
type publication struct {
	events []*ocsf.Event
	done   chan error // buffered, one answer
}

var errStopping = errors.New("cordon is stopping; send again later")

var _ collect.Sink = (*intake)(nil)

// Deliver implements collect.Sink.
func (in *intake) Deliver(ctx context.Context, items ...collect.Item) ([]collect.Receipt, error) {
	receipts := make([]collect.Receipt, len(items))
	var events []*ocsf.Event
	var rejects []quarantine.Item
	var seen patientsSeen
	for i, it := range items {
		evs, rjs, err := in.normalize(it, seen.person)
		if err != nil {
			return nil, err
		}
		seen.events(in.canaries, it.Source, evs)
		receipts[i].Accepted = len(evs)
		for _, r := range rjs {
			receipts[i].Rejects = append(receipts[i].Rejects, collect.Reject{Index: r.Item, Reason: r.Reason})
			rejects = append(rejects, quarantined(it, r))
		}
		events = append(events, evs...)
		if len(evs) == 0 || len(rjs) > 0 || !in.canaries.Is(evs[0]) { // a canary does not make a source look alive
			in.sources.saw(it.Source, it.Format, it.Received.UnixMilli(), len(rjs))
		}
	}
	if err := in.book.Add(ctx, rejects...); err != nil {
		return nil, err
	}
	in.patients.learn(seen.all)
	return receipts, in.publish(ctx, events)
}

func quarantined(it collect.Item, r normalize.Reject) quarantine.Item {
	return quarantine.Item{
		Source: it.Source, Format: it.Format, Mapping: it.Mapping,
		Reason: r.Reason, Received: it.Received.UnixMilli(), Data: r.Data,
	}
}

func (in *intake) normalize(it collect.Item, told func(*normalize.Person)) ([]*ocsf.Event, []normalize.Reject, error) {
	input := normalize.Input{Format: it.Format, Source: it.Source, Received: it.Received.UnixMilli(), Data: it.Data, Person: told}
	if !in.norm.Has(it.Format) {
		return nil, nil, collect.UnknownFormat{Name: it.Format}
	}
	if it.Mapping != "" {
		m, ok := in.mappings.get(it.Mapping)
		if !ok {
			return nil, nil, collect.UnknownFormat{Name: it.Mapping}
		}
		input.Mapping = m
	}
	evs, rjs := in.norm.Normalize(input)
	for _, ev := range evs {
		in.identify(ev)
		if it.Format != normalize.FormatSensor {
			disown(ev)
		}
	}
	if len(it.Data) > longInput {
		evs, rjs = withoutGiants(it, evs, rjs)
	}
	return evs, rjs, nil
}

// longInput is from how many bytes of input on a single event may be too long
// for a message: escaped in JSON, a byte becomes six at most.
const longInput = bus.MostPlain / 8

// withoutGiants sets aside events that no message of the bus could hold.
func withoutGiants(it collect.Item, evs []*ocsf.Event, rjs []normalize.Reject) ([]*ocsf.Event, []normalize.Reject) {
	var buf []byte
	kept := evs[:0]
	for i, ev := range evs {
		if buf = ev.AppendJSON(buf[:0]); len(buf) < bus.MostPlain {
			kept = append(kept, ev)
			continue
		}
		rjs = append(rjs, normalize.Reject{
			Item: i, Data: it.Data, Reason: fmt.Sprintf("the record makes an event of %d MiB, more than can be kept; shorten its longest field", len(buf)>>20),
		})
	}
	return kept, rjs
}

// disown keeps what comes from outside apart from what Cordon says about
// itself: only this process speaks under its name.
func disown(ev *ocsf.Event) {
	if strings.EqualFold(ev.Metadata.Product.Name, ownName) {
		ev.Metadata.Product.Name = "claims to be " + ownName
	}
	if ev.Metadata.LogProvider == ownSource {
		ev.Metadata.LogProvider = "outside " + ownSource
	}
}

// identify puts the person_id where the directory knows the account. It is
// done before the event is published, so that the event never changes again.
func (in *intake) identify(ev *ocsf.Event) {
	u := &ev.Actor.User
	for _, name := range []string{u.Account, u.UID} {
		if name == "" {
			continue
		}
		if p, ok := in.people.Resolve(name); ok {
			u.UID = p.ID
			return
		}
	}
}

// publish returns when the events are durable on the bus.
func (in *intake) publish(ctx context.Context, events []*ocsf.Event) error {
	if len(events) == 0 {
		return nil
	}
	p := &publication{events: events, done: make(chan error, 1)}
	select {
	case in.waiting <- p:
	case <-in.closed:
		return errStopping
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-p.done:
		return err
	case <-in.closed:
		return errStopping
	}
}

// finish publishes as publish does, also when the intake has ended already: what
// the pipeline still finds while it stops has to be on the bus before its last
// checkpoint.
func (in *intake) finish(ctx context.Context, events []*ocsf.Event) error {
	err := in.publish(ctx, events)
	if !errors.Is(err, errStopping) {
		return err
	}
	p := &publication{events: events, done: make(chan error, 1)}
	in.together(ctx, []*publication{p}, nil)
	return <-p.done
}

// run publishes until ctx ends.
func (in *intake) run(ctx context.Context) {
	defer close(in.closed)
	var buf []byte
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-in.waiting:
			buf = in.together(ctx, in.gather(p), buf[:0])
		}
	}
}

// gather takes what else is waiting, up to a batch.
func (in *intake) gather(first *publication) []*publication {
	group, n := []*publication{first}, len(first.events)
	for n < bus.MaxBatch {
		select {
		case p := <-in.waiting:
			group, n = append(group, p), n+len(p.events)
		default:
			return group
		}
	}
	return group
}

// together publishes a group and answers each of its members.
func (in *intake) together(ctx context.Context, group []*publication, buf []byte) []byte {
	var all []*ocsf.Event
	for _, p := range group {
		all = append(all, p.events...)
	}
	var err error
	for len(all) > 0 && err == nil {
		var n int
		buf, n = bus.FillBatch(buf[:0], all)
		if _, err = in.bus.Publish(ctx, topic, "", buf); err != nil {
			err = fmt.Errorf("publish events: %w", err)
		}
		all = all[n:]
	}
	for _, p := range group {
		p.done <- err
	}
	return buf
}
