// Package bus delivers messages durably and in order: it is the write-ahead
// log between collectors and the pipeline. A source is acknowledged when its
// events are on the bus, and not before.
//
// A topic is an append-only sequence of messages numbered from 1 without
// holes. bus/jetstream implements it twice with the same client: a NATS
// JetStream server inside the process, or an existing NATS cluster. The suite
// bus/bustest states the promises as tests and runs against both.
//
// The seam makes promises, method by method, see Bus. Taken together: what
// was acknowledged is never lost (kill -9, power cut, full disk, loss of one
// of three nodes), and a reader that remembers the last number it finished
// sees every message once, in order, across restarts of anything. Where that
// cannot be kept, because somebody deleted the bus or trimmed it too far,
// the reader gets a *GapError instead of silence.
//
// The bus does not know events; EncodeBatch and DecodeBatch are how the topic
// "events" carries them. It has no consumers with state of their own: the
// position belongs to the reader, who commits it together with the results.
package bus

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// MaxMessage is the largest message, in bytes, that Publish accepts: 8 MB.
const MaxMessage = 8_000_000

// MaxTopic is the length, in bytes, of the longest topic name.
const MaxTopic = 64

// Window is how long Publish remembers an id, at least.
const Window = 10 * time.Minute

// ErrFull says that a message was refused because the space of the bus is
// used up. It was not stored and its source must not be acknowledged; the
// same Publish works once there is space.
var ErrFull = errors.New("no space left on the bus: free space on its disk or raise its limit; sources will send again")

// ErrTooLarge says that a message is longer than MaxMessage.
var ErrTooLarge = fmt.Errorf("message is longer than %d bytes: split it", MaxMessage)

// ErrClosed says that the bus was closed.
var ErrClosed = errors.New("bus is closed")

// Message is one message of a topic.
type Message struct {
	Seq  uint64    // its number in the topic, from 1
	ID   string    // as given to Publish, may be empty
	Time time.Time // when the bus stored it
	Data []byte    // valid for good; the receiver owns it
}

// GapError says that messages a reader asked for no longer exist or never
// did: [From, First) when they were trimmed, or From is beyond Last+1 when
// the topic was deleted and began again.
type GapError struct {
	Topic             string
	From, First, Last uint64
}

func (e *GapError) Error() string {
	if e.From > e.Last+1 {
		return fmt.Sprintf("topic %s ends at %d, but the reader has already seen %d: the bus was replaced; restore it, or begin again from 0",
			e.Topic, e.Last, e.From-1)
	}
	return fmt.Sprintf("topic %s no longer has messages %d to %d: restore them, or go on from %d",
		e.Topic, e.From, e.First-1, e.First)
}

// Bus is durable, ordered delivery by topic. A topic is a name of
// [a-z0-9-], at most MaxTopic long, and exists from its first use on. All
// methods may be called concurrently.
type Bus interface {
	// Publish appends data to the topic and returns its number.
	//
	// Durability: it returns nil only when the message is synced to disk (on
	// a cluster: on a majority of its nodes). After an error the message may
	// or may not be stored; publish it again with the same id.
	// Repetition: a non-empty id seen on this topic within Window stores
	// nothing and returns the first number. Ids are remembered across
	// restarts. An empty id is never a repetition.
	// Ordering: a Publish begun after another returned gets a higher number;
	// concurrent ones get any order.
	// Limits: len(data) <= MaxMessage, else ErrTooLarge; space, else ErrFull.
	// An engine that is away for a while is waited for, half a minute at
	// most. data may be reused after return.
	Publish(ctx context.Context, topic, id string, data []byte) (seq uint64, err error)

	// Read calls fn for each message of the topic from number from on, in
	// order, none left out and none twice, and then waits for new ones. It
	// returns ctx's error when ctx ends, or the error of fn, which stops it.
	// Outages of the engine are waited out. from 0 means the oldest message
	// there is. Calls of fn do not overlap; many Reads may run at once.
	// A number that is gone, or beyond the end, is a *GapError.
	Read(ctx context.Context, topic string, from uint64, fn func(Message) error) error

	// Span tells the first and last number held. An empty topic has
	// first = last+1.
	Span(ctx context.Context, topic string) (first, last uint64, err error)

	// Trim forgets messages with numbers below before; numbers are never
	// used again. It may be repeated. A crash may undo a Trim just made, not
	// more. It never forgets beyond the last message.
	Trim(ctx context.Context, topic string, before uint64) error

	// Close ends all Reads with ErrClosed, waits for the fn that is running
	// (so fn must not call it), and releases the engine. It may be repeated.
	Close() error
}

// CheckTopic returns an error unless topic is a valid name.
func CheckTopic(topic string) error {
	if topic == "" || len(topic) > MaxTopic {
		return fmt.Errorf("topic %q: a name has 1 to %d characters", topic, MaxTopic)
	}
	for _, c := range []byte(topic) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("topic %q: a name has only a-z, 0-9 and -", topic)
		}
	}
	return nil
}
