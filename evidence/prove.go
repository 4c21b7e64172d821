package evidence

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"

	"github.com/cordon-health/cordon/ocsf"
)

// EntryProof shows that an entry stands in the log under a checkpoint.
type EntryProof struct {
	Index uint64   `json:"index"`
	Entry []byte   `json:"entry"`
	Path  [][]byte `json:"path"`
}

// Check verifies the proof and decodes the entry.
func (p EntryProof) Check(head Head) (*Entry, error) {
	leaf := Hash(rfc6962.DefaultHasher.HashLeaf(p.Entry))
	if err := CheckPath(leaf, p.Index, head.Size, p.Path, head.Root[:]); err != nil {
		return nil, fmt.Errorf("entry %d of the log: %w", p.Index, err)
	}
	e, err := DecodeEntry(p.Entry)
	if err != nil {
		return nil, fmt.Errorf("entry %d of the log: %w", p.Index, err)
	}
	return e, nil
}

// ItemProof shows that an event or a record is item Item of an entry. Without
// Path only the 8 bytes of its tag are compared (when the rest of its batch is
// no longer stored).
type ItemProof struct {
	Entry uint64   `json:"entry"`
	Item  uint32   `json:"item"`
	Salt  []byte   `json:"salt"`
	Path  [][]byte `json:"path,omitempty"`
}

// CheckEvent verifies that ev is the item of batch e that the proof says.
func (p ItemProof) CheckEvent(e *Entry, seq uint64, ev *ocsf.Event) error {
	if e.Kind != KindEvents || e.Seq != seq {
		return errors.New("its entry is about something else")
	}
	return p.check(e, AppendEvent(nil, ev))
}

// CheckRecord verifies that r is the item of batch e that the proof says.
func (p ItemProof) CheckRecord(e *Entry, r Record) error {
	if e.Kind != KindRecords || e.First+int64(p.Item) != r.Row {
		return errors.New("its entry is about something else")
	}
	return p.check(e, r.appendCanonical(nil))
}

func (p ItemProof) check(e *Entry, canonical []byte) error {
	if int(p.Item) >= e.N || len(p.Salt) != len(Salt{}) {
		return errors.New("its proof is damaged")
	}
	leaf := Leaf(Salt(p.Salt), canonical)
	if !bytes.Equal(leaf[:TagSize], e.Tag(int(p.Item))) {
		return errors.New("it was changed")
	}
	if p.Path == nil {
		return nil
	}
	return CheckPath(leaf, uint64(p.Item), uint64(e.N), p.Path, e.Root)
}

// OpenCheckpoint verifies a signed checkpoint with a verifier key.
func OpenCheckpoint(text, key string) (Head, error) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return Head{}, fmt.Errorf("the public key cannot be read: %w", err)
	}
	return openNote([]byte(text), v)
}

// Cosigned reports whether a checkpoint bears the signature of a witness.
func Cosigned(text, witnessKey string) (bool, error) {
	v, err := witnessVerifier(witnessKey)
	if err != nil {
		return false, err
	}
	return cosigned(text, v), nil
}

// SignNote signs a text, which ends in a line feed, as a C2SP signed note.
// The first line must not be the name of the log, which begins checkpoints.
func (l *Log) SignNote(text string) (string, error) {
	if err := l.usable(); err != nil {
		return "", err
	}
	first, _, _ := bytes.Cut([]byte(text), []byte("\n"))
	if string(first) == l.Origin() {
		return "", errors.New("sign note: the text begins like a checkpoint")
	}
	signed, err := note.Sign(&note.Note{Text: text}, l.key.signer)
	if err != nil {
		return "", fmt.Errorf("sign note: %w", err)
	}
	return string(signed), nil
}

// Prover makes proofs under one head. It belongs to one goroutine.
type Prover struct {
	log     *Log
	head    Head
	entries map[uint64]EntryProof
	decoded map[uint64]*Entry
}

// Prover begins proofs under the newest head; call Sync before it to have the
// newest items in it.
func (l *Log) Prover() *Prover {
	return &Prover{log: l, head: l.Head(), entries: map[uint64]EntryProof{}, decoded: map[uint64]*Entry{}}
}

// Head is the state that the proofs lead to.
func (p *Prover) Head() Head { return p.head }

// Entries are the entries that the proofs so far refer to, by index.
func (p *Prover) Entries() []EntryProof {
	return slices.SortedFunc(maps.Values(p.entries), func(a, b EntryProof) int { return int(int64(a.Index) - int64(b.Index)) })
}

// Event proves an event. batch are all events of its batch, in any order, as
// far as they are stored; with all of them the proof is a full one.
func (p *Prover) Event(ctx context.Context, row Row, batch []Row) (ItemProof, error) {
	at, e, err := p.find(ctx, placeOfSeq(row.Seq))
	if err != nil {
		return ItemProof{}, fmt.Errorf("prove event of batch %d: %w", row.Seq, err)
	}
	key, err := p.log.saltKey(ctx, e.Key, false)
	if err != nil {
		return ItemProof{}, fmt.Errorf("prove event of batch %d: %w", row.Seq, err)
	}
	maker := &leafer{salter: newSalter(key)}
	salt := maker.salt(row.Seq, row.Index)
	proof := ItemProof{Entry: at, Item: row.Index, Salt: salt[:]}
	if err := proof.CheckEvent(e, row.Seq, row.Event); err != nil {
		return ItemProof{}, fmt.Errorf("prove event %d of batch %d: %w", row.Index, row.Seq, err)
	}
	if leaves := wholeBatch(maker, e, batch); leaves != nil {
		proof.Path = Path(leaves, int(row.Index))
	}
	return proof, nil
}

// wholeBatch gives the leaves of a batch, or nil when some are not there.
func wholeBatch(maker *leafer, e *Entry, batch []Row) []Hash {
	if len(batch) != e.N {
		return nil
	}
	leaves := make([]Hash, e.N)
	for _, r := range batch {
		if r.Seq != e.Seq || int(r.Index) >= e.N {
			return nil
		}
		leaves[r.Index] = maker.leaf(r.Seq, r.Index, r.Event)
	}
	if Root(slices.Clone(leaves)) != Hash(e.Root) {
		return nil
	}
	return leaves
}

// Record proves the row of a record and returns the row as it is stored.
func (p *Prover) Record(ctx context.Context, row int64) (Record, ItemProof, error) {
	at, e, err := p.find(ctx, placeOfRow(row))
	if err != nil {
		return Record{}, ItemProof{}, fmt.Errorf("prove record row %d: %w", row, err)
	}
	var list []SaltedRecord
	err = p.log.db.View(ctx, func(tx *sql.Tx) (err error) {
		list, err = saltedRecords(tx, "n BETWEEN $1 AND $2 ORDER BY n", e.First, e.Last)
		return err
	})
	if err != nil {
		return Record{}, ItemProof{}, fmt.Errorf("prove record row %d: %w", row, err)
	}
	leaves, found := make([]Hash, 0, e.N), -1
	whole := len(list) == e.N
	for i := range list {
		leaf, ok := list[i].leaf()
		leaves, whole = append(leaves, leaf), whole && ok
		if list[i].Row == row {
			found = i
		}
	}
	if found < 0 {
		return Record{}, ItemProof{}, fmt.Errorf("prove record row %d: %w", row, fs.ErrNotExist)
	}
	r := list[found]
	proof := ItemProof{Entry: at, Item: uint32(row - e.First), Salt: r.Salt}
	if whole {
		proof.Path = Path(leaves, found)
	}
	if err := proof.CheckRecord(e, r.Record); err != nil {
		return Record{}, ItemProof{}, fmt.Errorf("prove record row %d: %w", row, err)
	}
	return r.Record, proof, nil
}

// find looks up an entry and proves it, once.
func (p *Prover) find(ctx context.Context, place func(*Entry) int) (uint64, *Entry, error) {
	for at, e := range p.decoded {
		if place(e) == 0 {
			return at, e, nil
		}
	}
	at, e, err := p.log.tiles.find(p.head.Size, place)
	if err != nil {
		return 0, nil, err
	}
	path, err := p.log.tiles.inclusion(ctx, at, p.head.Size)
	if err != nil {
		return 0, nil, err
	}
	proof := EntryProof{Index: at, Entry: e.raw, Path: path}
	if _, err := proof.Check(p.head); err != nil {
		return 0, nil, fmt.Errorf("%w: %w", ErrStake, err)
	}
	p.entries[at], p.decoded[at] = proof, e
	return at, e, nil
}
