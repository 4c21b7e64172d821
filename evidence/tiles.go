package evidence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"golang.org/x/mod/sumdb/note"
)

const (
	checkpointFile = layout.CheckpointPath
	bundleWidth    = layout.EntryBundleWidth
)

// tiles reads a tile log (C2SP tlog-tiles) from a folder.
type tiles struct{ fsys fs.FS }

// openNote verifies a signed checkpoint.
func openNote(text []byte, v note.Verifier) (Head, error) {
	cp, _, _, err := log.ParseCheckpoint(text, v.Name(), v)
	if err != nil {
		return Head{}, fmt.Errorf("the checkpoint is not signed by the key of %s", v.Name())
	}
	if len(cp.Hash) != 32 {
		return Head{}, errors.New("the root in the checkpoint is not 32 bytes long")
	}
	return Head{Size: cp.Size, Root: Hash(cp.Hash), Note: string(text)}, nil
}

// checkpoint reads and verifies the published checkpoint; none is
// fs.ErrNotExist.
func (t tiles) checkpoint(v note.Verifier) (Head, error) {
	text, err := fs.ReadFile(t.fsys, checkpointFile)
	if err != nil {
		return Head{}, fmt.Errorf("read checkpoint: %w", err)
	}
	return openNote(text, v)
}

// readPart reads a full or partial resource; the full one also stands for
// each of its parts.
func (t tiles) readPart(p uint8, path func(p uint8) string) ([]byte, error) {
	data, err := fs.ReadFile(t.fsys, path(p))
	if p != 0 && errors.Is(err, fs.ErrNotExist) {
		return fs.ReadFile(t.fsys, path(0))
	}
	return data, err
}

// ReadTile and readBundle have the signatures of tessera's fetchers.
func (t tiles) readTile(_ context.Context, level, index uint64, p uint8) ([]byte, error) {
	return t.readPart(p, func(p uint8) string { return layout.TilePath(level, index, p) })
}

func (t tiles) readBundle(_ context.Context, index uint64, p uint8) ([]byte, error) {
	return t.readPart(p, func(p uint8) string { return layout.EntriesPath(index, p) })
}

// bundle returns the raw entries of bundle index in a log of size entries.
func (t tiles) bundle(index, size uint64) ([][]byte, error) {
	p := layout.PartialTileSize(0, index, size)
	data, err := t.readBundle(context.Background(), index, p)
	if err != nil {
		return nil, fmt.Errorf("read log entries from %d: %w", index*bundleWidth, err)
	}
	var b api.EntryBundle
	if err := b.UnmarshalText(data); err != nil {
		return nil, fmt.Errorf("read log entries from %d: the file is damaged", index*bundleWidth)
	}
	want := bundleWidth
	if p != 0 {
		want = int(p)
	}
	if len(b.Entries) < want {
		return nil, fmt.Errorf("read log entries from %d: %d of %d are there", index*bundleWidth, len(b.Entries), want)
	}
	return b.Entries[:want], nil
}

// scan calls fn for the entries from (inclusive) to size (exclusive).
func (t tiles) scan(from, size uint64, fn func(index uint64, data []byte) error) error {
	for b := from / bundleWidth; from < size && b*bundleWidth < size; b++ {
		entries, err := t.bundle(b, size)
		if err != nil {
			return err
		}
		for i, data := range entries {
			index := b*bundleWidth + uint64(i)
			if index < from {
				continue
			}
			if err := fn(index, data); err != nil {
				return err
			}
		}
	}
	return nil
}

// root is the root of the first size entries, from the tiles.
func (t tiles) root(ctx context.Context, size uint64) (Hash, error) {
	if size == 0 {
		return Hash(rfc6962.DefaultHasher.EmptyRoot()), nil
	}
	nodes, err := client.FetchRangeNodes(ctx, size, t.readTile)
	if err != nil {
		return Hash{}, fmt.Errorf("read tiles: %w", err)
	}
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	r, err := factory.NewRange(0, size, nodes)
	if err != nil {
		return Hash{}, fmt.Errorf("read tiles: %w", err)
	}
	root, err := r.GetRootHash(nil)
	if err != nil {
		return Hash{}, fmt.Errorf("read tiles: %w", err)
	}
	return Hash(root), nil
}

// inclusion proves entry index under the head of a log of size entries.
func (t tiles) inclusion(ctx context.Context, index, size uint64) ([][]byte, error) {
	b, err := client.NewProofBuilder(ctx, size, t.readTile)
	if err != nil {
		return nil, fmt.Errorf("prove entry %d: %w", index, err)
	}
	path, err := b.InclusionProof(ctx, index)
	if err != nil {
		return nil, fmt.Errorf("prove entry %d: %w", index, err)
	}
	return path, nil
}

// find returns the newest entry before size for which place says 0, assuming
// that place grows along the log: -1 stands before, +1 after, and 2 is an
// entry of another kind. It reads about log2(size/256) bundles.
func (t tiles) find(size uint64, place func(*Entry) int) (index uint64, e *Entry, err error) {
	lo, hi := uint64(0), (size+bundleWidth-1)/bundleWidth // bundles
	for lo < hi {
		mid := (lo + hi) / 2
		at, found, side, err := t.findIn(mid, size, place)
		switch {
		case err != nil:
			return 0, nil, err
		case side == 0:
			return at, found, nil
		case side < 0:
			lo = mid + 1
		case side == 2: // nothing to compare with here: look on both sides
			return t.findSlow(lo, hi, size, place)
		default:
			hi = mid
		}
	}
	return 0, nil, fs.ErrNotExist
}

// findIn looks through one bundle. side tells where the entry sought stands
// if it is not here: 1 in earlier bundles, -1 in later ones, 2 unknown.
func (t tiles) findIn(b, size uint64, place func(*Entry) int) (at uint64, found *Entry, side int, err error) {
	entries, err := t.bundle(b, size)
	if err != nil {
		return 0, nil, 0, err
	}
	side = 2
	for i, data := range entries {
		e, err := DecodeEntry(data)
		if err != nil {
			continue
		}
		switch place(e) {
		case 0:
			at, found = b*bundleWidth+uint64(i), e
		case 1:
			if side == 2 {
				side = 1
			}
		case -1:
			side = -1
		}
	}
	if found != nil {
		return at, found, 0, nil
	}
	return 0, nil, side, nil
}

func (t tiles) findSlow(lo, hi, size uint64, place func(*Entry) int) (uint64, *Entry, error) {
	for b := lo; b < hi; b++ {
		at, found, side, err := t.findIn(b, size, place)
		if err != nil {
			return 0, nil, err
		}
		if side == 0 {
			return at, found, nil
		}
	}
	return 0, nil, fs.ErrNotExist
}
