package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"filippo.io/age"
)

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func sorted(m map[string]int64) []string { return slices.Sorted(maps.Keys(m)) }

// seal keeps data encrypted and gives the hash and length of what was given.
func (b *Broker) seal(ctx context.Context, name string, data io.Reader) (hash string, size int64, err error) {
	sum := sha256.New()
	r, w := io.Pipe()
	go func() {
		out, err := age.Encrypt(w, b.Identity.Recipient())
		if err == nil {
			size, err = io.Copy(io.MultiWriter(out, sum), data)
			err = errors.Join(err, out.Close())
		}
		w.CloseWithError(err) // nil ends the stream
	}()
	if err := b.Files.Put(ctx, name, r); err != nil {
		_ = r.CloseWithError(err) // lets the writer go
		return "", 0, fmt.Errorf("keep the data set: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), size, nil
}

type opened struct {
	io.Reader
	io.Closer
}

// unseal opens what seal kept.
func (b *Broker) unseal(ctx context.Context, name string) (io.ReadCloser, error) {
	f, err := b.Files.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	plain, err := age.Decrypt(f, b.Identity)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a kept data set; was keys/release.age replaced?: %w", err), f.Close())
	}
	return opened{plain, f}, nil
}
