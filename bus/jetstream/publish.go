package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/cordon-health/cordon/bus"
)

// Publish implements bus.Bus. Outages are waited out for half a minute: the
// message is sent again with the same id, so it is stored once.
func (b *Bus) Publish(ctx context.Context, topic, id string, data []byte) (seq uint64, err error) {
	if len(data) > bus.MaxMessage {
		return 0, fmt.Errorf("publish to %s: %d bytes: %w", topic, len(data), bus.ErrTooLarge)
	}
	msg := &nats.Msg{Subject: b.subject(topic), Header: nats.Header{}, Data: data}
	if id != "" {
		msg.Header.Set(idHeader, id)
	} else {
		id = nuid.Next() // only ours, so that sending again is safe
	}
	wait := ackWait + time.Duration(len(data))*time.Microsecond // a second for each megabyte
	err = b.persist(ctx, "publish to", topic, wait, func(ctx context.Context) error {
		if b.engine != nil {
			if err := b.engine.enter(len(data)); err != nil {
				return err
			}
			defer b.engine.leave(len(data))
		}
		if err := b.ensure(ctx, topic); err != nil {
			return err
		}
		ack, err := b.js.PublishMsg(ctx, msg, js.WithMsgID(id), js.WithRetryAttempts(0))
		if err != nil {
			return err
		}
		seq = ack.Sequence
		return nil
	})
	return seq, err
}

// idHeader carries the caller's id. It differs from JetStream's own id
// header, which is also set for messages published without an id.
const idHeader = "Cordon-Id"

// persist runs op until it succeeds, fails for good, or patience ends. An
// attempt that takes longer than limit is tried again.
func (b *Bus) persist(ctx context.Context, what, topic string, limit time.Duration, op func(context.Context) error) error {
	if err := bus.CheckTopic(topic); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errPatience)
	defer cancel()
	for wait := firstWait; ; wait = min(2*wait, maxWait) {
		err := b.once(ctx, limit, op)
		if err == nil {
			return nil
		}
		if b.closed() {
			return bus.ErrClosed
		}
		if missing(err) {
			b.remember(topic, false)
		}
		if err, final := verdict(err); final {
			return fmt.Errorf("%s %s: %w", what, topic, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s %s: %w (last: %w)", what, topic, context.Cause(ctx), err)
		case <-b.done:
			return bus.ErrClosed
		case <-time.After(wait):
		}
	}
}

var errPatience = errors.New("the bus did not answer for 30 seconds; see the log of the server, or of the cluster's nodes")

// once makes one attempt and, after a failed one, sees to the embedded
// server.
func (b *Bus) once(ctx context.Context, limit time.Duration, op func(context.Context) error) error {
	if b.closed() {
		return bus.ErrClosed
	}
	attempt, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := op(attempt)
	if err != nil && b.engine != nil {
		if healed := b.engine.heal(); healed != nil {
			return healed
		}
	}
	return err
}

// API error codes that are not exported by the client.
const (
	codeAccountResources  = 10002 // resource limits exceeded for account
	codeInsufficient      = 10023 // insufficient resources
	codeStorageResources  = 10047 // insufficient storage resources available
	codeStoreFailed       = 10077 // store refused: maximum bytes exceeded
	codeMemoryResources   = 10028 // insufficient memory resources available
	codeTooLargeForStream = 10054 // message size exceeds maximum allowed
)

// verdict tells whether err is final, and translates it if so. Everything
// the engine may get over, such as an election or a restart, is not final.
func verdict(err error) (error, bool) {
	switch {
	case errors.Is(err, bus.ErrFull), errors.Is(err, bus.ErrClosed), errors.Is(err, context.Canceled):
		return err, true
	case errors.Is(err, nats.ErrMaxPayload):
		return bus.ErrTooLarge, true
	}
	api, ok := errors.AsType[*js.APIError](err)
	if !ok {
		return err, false
	}
	switch api.ErrorCode {
	case codeAccountResources, codeInsufficient, codeStorageResources, codeStoreFailed, codeMemoryResources:
		return fmt.Errorf("%w (%w)", bus.ErrFull, err), true
	case codeTooLargeForStream:
		return bus.ErrTooLarge, true
	}
	// 404: a topic's stream was lost with its folder; 409, 5xx: elections
	// and messages on their way.
	return err, api.Code == 400 && api.ErrorCode != codeDuplicateInFlight
}

const codeDuplicateInFlight = 10158 // the same id is being stored right now

// missing reports errors that a stream which does not exist would cause.
func missing(err error) bool {
	return errors.Is(err, js.ErrNoStreamResponse) || errors.Is(err, js.ErrStreamNotFound)
}
