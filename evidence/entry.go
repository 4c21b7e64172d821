package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Limits of one entry. A tile log entry is at most 65,535 bytes.
const (
	TagSize   = 8
	MaxBatch  = 7500 // items whose tags fit into one entry
	maxEntry  = 1<<16 - 1
	entryForm = 1
)

// The kinds of entries.
const (
	KindGenesis = "genesis" // the first entry: whose log this is
	KindEvents  = "events"  // one message of the event stream
	KindRecords = "records" // consecutive rows of the table records
	KindFile    = "file"    // a file of the lake came to be
	KindGone    = "gone"    // files of the lake were removed, and which events went with them
	KindErase   = "erase"   // a salt was destroyed: its leaves can no longer be linked to anything
)

// Entry is one entry of the log; see the package comment for its form. Which
// members are set depends on Kind.
type Entry struct {
	Form int    `json:"v"`
	Kind string `json:"kind"`
	// Time is when the entry was made, in ms.
	Time int64 `json:"time"`

	// Seq numbers a batch of events.
	Seq uint64 `json:"seq,omitempty"`
	// Again marks a batch that was offered once more after a crash with other
	// content, before anything of the first was stored; it takes its place.
	Again bool `json:"again,omitempty"`
	// Key is the id of the key that the events' salts are derived from, KeySum
	// the hex of the first 8 bytes of the key's SHA-256.
	Key    string `json:"key,omitempty"`
	KeySum string `json:"key_sum,omitempty"`
	// First and Last are the row numbers of a batch of records.
	First int64 `json:"first,omitempty"`
	Last  int64 `json:"last,omitempty"`
	// N is the number of items, Root their Merkle root, Tags the first eight
	// bytes of each item's leaf.
	N    int    `json:"n,omitempty"`
	Root []byte `json:"root,omitempty"`
	Tags []byte `json:"-"`

	// Mark numbers file, gone and erase entries from 1 without a gap.
	Mark    int64      `json:"mark,omitempty"`
	Genesis *Genesis   `json:"genesis,omitempty"`
	File    *FileMark  `json:"file,omitempty"`
	Gone    *GoneMark  `json:"gone,omitempty"`
	Erase   *EraseMark `json:"erase,omitempty"`

	raw []byte // as it was read
}

// Genesis says whose log it is.
type Genesis struct {
	Origin string `json:"origin"`
	// Key is the verifier key of the checkpoints (C2SP signed-note).
	Key string `json:"key"`
}

// FileMark binds one file of the lake: its bytes and which batches its events
// come from.
type FileMark struct {
	Name string `json:"name"`
	// SHA256 is the hex digest of the file.
	SHA256 string `json:"sha256"`
	Rows   int64  `json:"rows"`
	// FirstSeq and LastSeq bound the batches of its events.
	FirstSeq uint64 `json:"first_seq"`
	LastSeq  uint64 `json:"last_seq"`
	// Replaces names the files whose events it holds now; they are removed.
	Replaces []string `json:"replaces,omitempty"`
}

// GoneMark says that files of the lake were removed for good, why, and which
// events they held. Long lists are split over several marks.
type GoneMark struct {
	Files []string `json:"files"`
	// Reason is "retention" or the id of the decision.
	Reason string `json:"reason"`
	// Events are runs [seq, first index, last index].
	Events [][3]uint64 `json:"events,omitempty"`
}

// EraseMark says that a salt was destroyed.
type EraseMark struct {
	// Key is the id of a month's key of events, or Row the number of a record
	// row whose body and salt were destroyed.
	Key    string `json:"key,omitempty"`
	Row    int64  `json:"row,omitempty"`
	Reason string `json:"reason"`
}

// Encode gives the bytes of the entry: a line of JSON, then the tags.
func (e *Entry) Encode() ([]byte, error) {
	head, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode log entry: %w", err)
	}
	data := append(append(head, '\n'), e.Tags...)
	if len(data) > maxEntry {
		return nil, fmt.Errorf("encode log entry: %d bytes are more than an entry holds; split it", len(data))
	}
	return data, nil
}

// DecodeEntry reads the bytes of an entry. Members it does not know are
// ignored, kinds it does not know are not an error.
func DecodeEntry(data []byte) (*Entry, error) {
	head, tags, ok := bytes.Cut(data, []byte{'\n'})
	if !ok {
		return nil, errors.New("decode log entry: no line end")
	}
	e := new(Entry)
	if err := json.Unmarshal(head, e); err != nil {
		return nil, errors.New("decode log entry: the first line is not JSON of the known form")
	}
	if e.raw = data; len(tags) > 0 {
		e.Tags = tags
	}
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("decode log entry: %w", err)
	}
	return e, nil
}

func (e *Entry) check() error {
	if e.Form != entryForm {
		return fmt.Errorf("form %d is not known; use a newer verifier", e.Form)
	}
	if e.N < 0 || e.N > MaxBatch || e.N*TagSize != len(e.Tags) {
		return fmt.Errorf("%d items do not go with %d bytes of tags", e.N, len(e.Tags))
	}
	switch e.Kind {
	case KindEvents:
		return need(len(e.Root) == 32 && e.Key != "", "a batch of events needs root and key")
	case KindRecords:
		return need(len(e.Root) == 32 && e.N > 0 && e.First > 0 && e.Last-e.First == int64(e.N-1),
			"a batch of records needs root, first and last row")
	case KindGenesis:
		return need(e.Genesis != nil, "a genesis needs its body")
	case KindFile:
		return need(e.File != nil && e.Mark > 0, "a file mark needs body and number")
	case KindGone:
		return need(e.Gone != nil && e.Mark > 0, "a gone mark needs body and number")
	case KindErase:
		return need(e.Erase != nil && e.Mark > 0, "an erase mark needs body and number")
	}
	return nil
}

func need(ok bool, text string) error {
	if ok {
		return nil
	}
	return errors.New(text)
}

// Tag returns the tag of item i.
func (e *Entry) Tag(i int) []byte { return e.Tags[i*TagSize : (i+1)*TagSize] }
