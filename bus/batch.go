package bus

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/klauspost/compress/s2"

	"github.com/cordon-health/cordon/ocsf"
)

// MaxBatch is the largest number of events in one message. An event that is
// acknowledged alone costs one disk flush; a batch costs the same.
const MaxBatch = 1000

// maxPlain bounds what a batch may unpack to, so that a damaged or hostile
// message cannot use up the memory.
const maxPlain = 64 << 20

// MostPlain is how long, in bytes, the canonical JSON of the events of one
// message may be together, line ends included: what s2 makes of it is below
// MaxMessage whatever it holds.
const MostPlain = 6 << 20

// EncodeBatch appends the message form of events to dst: canonical JSON, one
// event a line, compressed with s2. The same events give the same bytes. It
// is the caller's duty to pass no more than MaxBatch events and to split a
// batch that is longer than MaxMessage; FillBatch does both.
func EncodeBatch(dst []byte, events []*ocsf.Event) []byte {
	plain := make([]byte, 0, 1024*len(events))
	for _, ev := range events {
		plain = appendLine(plain, ev)
	}
	return pack(dst, plain)
}

// FillBatch is EncodeBatch for as many of the events as one message may hold,
// and says how many that were: at least one, though a single event longer than
// MostPlain makes a message that Publish may refuse.
func FillBatch(dst []byte, events []*ocsf.Event) (data []byte, n int) {
	plain := make([]byte, 0, 1024*min(len(events), MaxBatch))
	for n < len(events) && n < MaxBatch {
		end := len(plain)
		plain = appendLine(plain, events[n])
		if len(plain) > MostPlain && n > 0 {
			plain = plain[:end]
			break
		}
		n++
	}
	return pack(dst, plain), n
}

func appendLine(plain []byte, ev *ocsf.Event) []byte {
	line := len(plain)
	plain = ev.AppendJSON(plain)
	joinLines(plain[line:])
	return append(plain, '\n')
}

func pack(dst, plain []byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, s2.MaxEncodedLen(len(plain)))...)
	n := len(s2.Encode(dst[start:], plain))
	return dst[:start+n]
}

// joinLines turns line breaks into spaces. In JSON they can only stand
// between its parts, where a source's own text was kept as it came.
func joinLines(text []byte) {
	for i := bytes.IndexByte(text, '\n'); i >= 0; i = bytes.IndexByte(text, '\n') {
		text[i] = ' '
		text = text[i+1:]
	}
}

// DecodeBatch returns the events of a message made by EncodeBatch. Errors
// name the place, never the content.
func DecodeBatch(data []byte) ([]*ocsf.Event, error) {
	plain, err := unpack(data)
	if err != nil {
		return nil, err
	}
	n := bytes.Count(plain, []byte{'\n'})
	if n > MaxBatch {
		return nil, fmt.Errorf("event batch: %d events, more than %d", n, MaxBatch)
	}
	events := make([]*ocsf.Event, 0, n)
	decoder := ocsf.NewDecoder()
	for line := 1; len(plain) > 0; line++ {
		text, rest, found := bytes.Cut(plain, []byte{'\n'})
		if !found {
			return nil, fmt.Errorf("event batch: line %d is cut off", line)
		}
		ev := new(ocsf.Event)
		if err := decoder.Decode(text, ev); err != nil {
			return nil, fmt.Errorf("event batch: line %d: %w", line, err)
		}
		events = append(events, ev)
		plain = rest
	}
	return events, nil
}

func unpack(data []byte) ([]byte, error) {
	size, err := s2.DecodedLen(data)
	if err != nil {
		return nil, fmt.Errorf("event batch: %w", err)
	}
	if size > maxPlain {
		return nil, errors.New("event batch: unpacks to more than 64 MiB")
	}
	plain, err := s2.Decode(nil, data)
	if err != nil {
		return nil, fmt.Errorf("event batch: %w", err)
	}
	return plain, nil
}
