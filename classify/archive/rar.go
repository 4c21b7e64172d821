package archive

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/nwaples/rardecode/v2"

	"github.com/cordon-health/cordon/classify"
)

type rarReader struct{}

var _ classify.Reader = rarReader{}

// Name is rar.
func (rarReader) Name() string { return "rar" }

// Claims goes by the first bytes of versions 4 and 5.
func (rarReader) Claims(_ string, head []byte) bool {
	return strings.HasPrefix(string(head), "Rar!\x1a\x07")
}

// Read hands over the files. Of an archive in several volumes it reads what
// stands in this one.
func (rarReader) Read(ctx context.Context, src classify.Source, out classify.Sink) (err error) {
	defer func() {
		if recover() != nil {
			err = classify.Damaged
		}
	}()
	b := bufio.NewReaderSize(&stopping{ctx, io.NewSectionReader(src, 0, src.Size()), why}, bufferBytes)
	r, err := rardecode.NewReader(b, rardecode.MaxDictionarySize(windowMost))
	if err != nil {
		return rarCause(err)
	}
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return rarCause(err)
		}
		name := plainName(h.Name)
		switch {
		case h.IsDir:
		case h.Encrypted || h.HeaderEncrypted:
			out.Unread(name, classify.Encrypted)
		default:
			if err := out.Member(name, &stopping{ctx, r, rarCause}); err != nil {
				return err
			}
		}
	}
}

func rarCause(err error) error {
	switch {
	case errors.Is(err, rardecode.ErrArchiveEncrypted), errors.Is(err, rardecode.ErrArchivedFileEncrypted), errors.Is(err, rardecode.ErrBadPassword):
		return classify.Encrypted
	case errors.Is(err, rardecode.ErrMultiVolume):
		return anotherVolume()
	case errors.Is(err, rardecode.ErrDictionaryTooLarge):
		return classify.TooLarge
	}
	return why(err)
}
