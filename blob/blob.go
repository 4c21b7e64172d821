// Package blob keeps bytes under names: files of the lake, evidence tiles,
// attachments, backups.
//
// A blob is written once as a whole and read as a whole or in part by
// whoever knows its name. blob/folder keeps blobs as files, blob/s3 in object
// storage; the suite blob/blobtest states the promises as tests and runs
// against both. The promises stand at the methods of Store.
//
// It does not encrypt, does not compress, keeps no versions, and does not
// lock: two writers of one name leave one of the two contents, whole.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cordon-health/cordon/internal/durable"
)

// MaxName is the length, in bytes, of the longest name.
const MaxName = 512

// ErrFull says that a blob was refused because space or quota is used up.
var ErrFull = errors.New("no space left for files: free space or raise the quota, then try again")

// Full reports whether err means that disk or quota is used up.
func Full(err error) bool { return errors.Is(err, ErrFull) || durable.Full(err) }

// Store keeps blobs. A name is a slash path of [A-Za-z0-9._=/-], see
// CheckName; a name must not go on below another ("a" and "a/b"), which a
// Store may refuse. All methods may be called concurrently, by any number of
// processes. A missing blob is an error that is fs.ErrNotExist.
type Store interface {
	// Put stores all of r under name, replacing what was there.
	// Durability: nil means synced. Atomicity: a reader finds the old bytes
	// or the new, never a part; after an error, or when r fails, the old.
	// Repetition: the same Put again changes nothing.
	Put(ctx context.Context, name string, r io.Reader) error
	// Get opens the blob for reading; it stays readable and unchanged while
	// open, even if it is replaced or deleted meanwhile. The caller closes.
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// Stat returns the size in bytes.
	Stat(ctx context.Context, name string) (size int64, err error)
	// List returns the names that begin with prefix, sorted bytewise. It
	// contains every blob that existed throughout the call.
	List(ctx context.Context, prefix string) ([]string, error)
	// Delete removes the blob, durably. A missing one is not an error.
	Delete(ctx context.Context, name string) error
}

// Local is a Store whose blobs are files that other programs in this process
// can open by path, such as a query engine. A Store may offer it; others are
// copied to a file first.
type Local interface {
	// Path returns where the blob is or would be. The file must only be
	// read, and may be replaced or deleted like the blob.
	Path(name string) (string, error)
}

// CheckName returns an error unless name is one a Store accepts: segments of
// [A-Za-z0-9._=-], separated by single slashes, none of them beginning with
// a dot, MaxName bytes in all.
func CheckName(name string) error {
	if name == "" || len(name) > MaxName {
		return fmt.Errorf("file name: 1 to %d characters are needed, not %d", MaxName, len(name))
	}
	for seg := range strings.SplitSeq(name, "/") {
		if err := checkSegment(seg); err != nil {
			return fmt.Errorf("file name %q: %w", name, err)
		}
	}
	return nil
}

func checkSegment(seg string) error {
	if seg == "" {
		return errors.New("an empty part")
	}
	if seg[0] == '.' {
		return errors.New("a part that begins with a dot")
	}
	if len(seg) > 255 {
		return errors.New("a part longer than 255 characters")
	}
	for _, c := range []byte(seg) {
		if !allowed(c) {
			return fmt.Errorf("the character %q is not one of A-Z a-z 0-9 . _ = -", c)
		}
	}
	return nil
}

func allowed(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '.' || c == '_' || c == '=' || c == '-'
}
