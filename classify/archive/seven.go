package archive

import (
	"context"
	"errors"
	"strings"

	"github.com/bodgit/sevenzip"

	"github.com/cordon-health/cordon/classify"
)

type sevenReader struct{}

var _ classify.Reader = sevenReader{}

// Name is 7z.
func (sevenReader) Name() string { return "7z" }

// Claims goes by the first bytes.
func (sevenReader) Claims(_ string, head []byte) bool {
	return strings.HasPrefix(string(head), "7z\xbc\xaf\x27\x1c")
}

// Read hands over the files, after a look at the header that makes sure the
// library makes no room for more than there is.
func (sevenReader) Read(ctx context.Context, src classify.Source, out classify.Sink) (err error) {
	defer func() {
		if recover() != nil {
			err = classify.Damaged
		}
	}()
	if err := modest(src); err != nil {
		if errors.Is(err, classify.Truncated) && strings.HasSuffix(src.Name(), ".001") {
			return anotherVolume()
		}
		return err
	}
	z, err := sevenzip.NewReader(src, src.Size())
	if err != nil {
		return sevenCause(err)
	}
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		if err := sevenMember(ctx, f, out); err != nil {
			return err
		}
	}
	return nil
}

// anotherVolume says that this file is a part of an archive: the directory of
// 7z stands at the end of the last.
func anotherVolume() error {
	return classify.Because("it goes on in another volume", "内容延续到其他分卷")
}

func sevenMember(ctx context.Context, f *sevenzip.File, out classify.Sink) error {
	name := plainName(f.Name)
	r, err := f.Open()
	if err != nil {
		out.Unread(name, sevenCause(err))
		return nil
	}
	defer r.Close()
	return out.Member(name, &stopping{ctx, r, sevenCause})
}

func sevenCause(err error) error {
	var e *sevenzip.ReadError
	if errors.As(err, &e) && e.Encrypted {
		return classify.Encrypted
	}
	return why(err)
}
