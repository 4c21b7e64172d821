package archive

import (
	"archive/zip"
	"bufio"
	"compress/bzip2"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/cordon-health/cordon/classify"
)

const (
	// directoryMost bounds a ZIP's directory, which is kept in memory.
	directoryMost = 64 << 20
	zipEncrypted  = 1
	zipStreamed   = 8 // sizes follow the content
	zipLocal      = "PK\x03\x04"
)

type zipReader struct{}

var _ classify.Reader = zipReader{}

// Name is zip.
func (zipReader) Name() string { return "zip" }

// Claims goes by the first bytes; an empty archive has only its end.
func (zipReader) Claims(_ string, head []byte) bool {
	h := string(head)
	return strings.HasPrefix(h, zipLocal) || strings.HasPrefix(h, "PK\x05\x06") || strings.HasPrefix(h, "PK\x07\x08PK\x03\x04")
}

// Read hands over the files by the directory; where that is missing or wrong,
// by their own headers, from the beginning.
func (zipReader) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	limited := &opening{ReaderAt: src, left: directoryMost}
	z, err := zip.NewReader(limited, src.Size())
	if err != nil {
		out.Unread("", directoryCause(limited))
		return salvage(ctx, src, out)
	}
	limited.opened = true
	z.RegisterDecompressor(12, func(r io.Reader) io.ReadCloser { return io.NopCloser(bzip2.NewReader(r)) })
	z.RegisterDecompressor(zstd.ZipMethodWinZip, zipPacking(openZstd))
	z.RegisterDecompressor(95, zipPacking(openXZ))
	for _, f := range z.File {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := zipMember(ctx, f, out); err != nil {
			return err
		}
	}
	return nil
}

func directoryCause(o *opening) *classify.Cause {
	if o.left < 0 {
		return classify.TooLarge
	}
	return classify.Because("its directory is missing or damaged, so that only what stands whole before is read", "压缩包目录缺失或损坏，仅读取其前面的完整内容")
}

// opening bounds what is read while a ZIP is opened.
type opening struct {
	io.ReaderAt
	left   int64
	opened bool
}

func (o *opening) ReadAt(p []byte, at int64) (int, error) {
	if o.left -= int64(len(p)); o.left < 0 && !o.opened {
		return 0, classify.TooLarge
	}
	return o.ReaderAt.ReadAt(p, at)
}

func zipPacking(open func(io.Reader) (io.Reader, error)) zip.Decompressor {
	return func(r io.Reader) io.ReadCloser {
		in, err := open(r)
		if err != nil {
			return io.NopCloser(failing{err})
		}
		if c, ok := in.(io.ReadCloser); ok {
			return c
		}
		return io.NopCloser(in)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func zipMember(ctx context.Context, f *zip.File, out classify.Sink) error {
	name := plainName(f.Name)
	if strings.HasSuffix(f.Name, "/") {
		return nil
	}
	if f.Flags&zipEncrypted != 0 {
		out.Unread(name, classify.Encrypted)
		return nil
	}
	r, err := f.Open()
	switch {
	case errors.Is(err, zip.ErrAlgorithm):
		out.Unread(name, classify.Unsupported)
		return nil
	case err != nil:
		out.Unread(name, why(err))
		return nil
	}
	defer r.Close()
	return out.Member(name, &stopping{ctx, r, why})
}

// salvage reads a ZIP without its directory, from one local header to the
// next.
func salvage(ctx context.Context, src classify.Source, out classify.Sink) error {
	b := bufio.NewReaderSize(io.NewSectionReader(src, 0, src.Size()), bufferBytes)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		var h [30]byte
		if _, err := io.ReadFull(b, h[:]); err != nil || string(h[:4]) != zipLocal {
			return nil
		}
		le := binary.LittleEndian
		flags, method := le.Uint16(h[6:]), le.Uint16(h[8:])
		packed := int64(le.Uint32(h[18:]))
		name := make([]byte, le.Uint16(h[26:]))
		if _, err := io.ReadFull(b, name); err != nil {
			return nil
		}
		if _, err := b.Discard(int(le.Uint16(h[28:]))); err != nil {
			return nil
		}
		next, err := salvageOne(ctx, b, plainName(string(name)), flags, method, packed, out)
		if err != nil || !next {
			return err
		}
	}
}

// salvageOne hands over one member and says whether the next can be found.
func salvageOne(ctx context.Context, b *bufio.Reader, name string, flags, method uint16, packed int64, out classify.Sink) (bool, error) {
	streamed := flags&zipStreamed != 0
	if flags&zipEncrypted != 0 || method != zip.Store && method != zip.Deflate || streamed && method == zip.Store {
		cause := classify.Unsupported
		if flags&zipEncrypted != 0 {
			cause = classify.Encrypted
		}
		out.Unread(name, cause)
		if streamed {
			return false, nil
		}
		_, err := io.CopyN(io.Discard, b, packed)
		return err == nil, nil
	}
	var content io.Reader = io.LimitReader(b, packed)
	raw := content
	if streamed {
		content, raw = b, nil
	}
	if method == zip.Deflate {
		content = flate.NewReader(content)
	}
	if err := out.Member(name, &stopping{ctx, content, why}); err != nil {
		return false, err
	}
	if raw != nil {
		_, err := io.Copy(io.Discard, raw)
		return err == nil, nil
	}
	if _, err := io.Copy(io.Discard, &stopping{ctx, content, why}); err != nil {
		return false, nil
	}
	return afterDescriptor(b), nil
}

// afterDescriptor passes over the sizes that follow a streamed member.
func afterDescriptor(b *bufio.Reader) bool {
	for _, n := range []int{12, 16, 20, 24} {
		if head, _ := b.Peek(n + 4); len(head) == n+4 && string(head[n:]) == zipLocal {
			_, err := b.Discard(n)
			return err == nil
		}
	}
	return false
}
