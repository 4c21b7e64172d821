// Package collect is the front door: it says what a collector is, and nothing
// else. A collector takes bytes from the outside (a socket, a folder, a
// table), cuts them into items, and hands them to a [Sink] that the node
// gives it. It never looks inside an item; that is the work of normalize.
//
// What it guarantees: a collector acknowledges an item to its sender only
// after [Sink.Deliver] returned without error, which means the item is on
// disk, either as an event or in quarantine with the reason. Where a protocol
// has no acknowledgement (UDP syslog), what could not be taken is counted in
// the collector's status and logged, never dropped in silence.
//
// What a collector remembers between runs (a file's offset, a table's last
// row) it keeps through [Cursors] after the delivery it describes, so a crash
// repeats items and never skips them; repeats are dropped by event id.
//
// To add a collector, write one folder below this one and one line in
// node/collectors.go.
package collect

import (
	"context"
	"time"
)

// Item is one piece of input as the source sent it: a syslog message, an HL7
// message, an HTTP body, a table row as JSON.
type Item struct {
	// Format is a name of normalize's table ("hl7v2", "syslog", ...).
	Format string
	// Source names the sender on the Sources page: never a patient, and
	// stable over restarts ("mllp:his", "sql:his-audit").
	Source string
	// Mapping names the mapping file for json and csv; empty otherwise.
	Mapping  string
	Received time.Time
	Data     []byte
}

// Reject says why a part of an item could not be used. The part is kept in
// quarantine. Reason holds no patient data.
type Reject struct {
	// Index counts the records of the item from 0.
	Index  int
	Reason string
}

// Receipt is what became of one item.
type Receipt struct {
	// Accepted counts events made durable, duplicates of earlier ones
	// included: a repeat is recognised later, when it is stored.
	Accepted int
	Rejects  []Reject
}

// Sink takes items. Deliver returns when all of them are durable; an error
// means none may be acknowledged and all should be sent again. It is safe for
// concurrent use, and concurrent deliveries share one disk write.
type Sink interface {
	Deliver(ctx context.Context, items ...Item) ([]Receipt, error)
}

// UnknownFormat is the error of Deliver for an item whose format or mapping
// does not exist: a mistake of the sender's configuration, not of the data.
type UnknownFormat struct{ Name string }

func (u UnknownFormat) Error() string {
	return "no format or mapping named " + u.Name + "; see 'cordon import --help' for the names"
}

// Cursors keeps a collector's place in its source under a name.
type Cursors interface {
	Load(ctx context.Context, name string) (string, error)
	Save(ctx context.Context, name, value string) error
}

// Collector runs until its context ends. Run returns an error only for what
// an operator must mend (an address in use); a source that comes and goes is
// retried inside.
type Collector interface {
	Run(ctx context.Context, sink Sink) error
}

// ClipReason bounds a reject's reason for protocols with short fields.
func ClipReason(r []Reject, most int) string {
	if len(r) == 0 {
		return ""
	}
	s := r[0].Reason
	if len(s) > most {
		s = s[:most]
	}
	return s
}
