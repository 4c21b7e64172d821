// Package archive reads archives and compressed files: ZIP (with zip64 and
// names in GBK), TAR, 7z, RAR, and single files packed with gzip, bzip2, xz,
// Zstandard or LZ4. It gives [Readers]; each hands the files inside over as
// members, and whatever lies in those is the business of other readers.
//
// What it guarantees. Memory is bounded whatever an archive says of itself:
// directories, dictionaries and windows have limits, and a member is a stream
// whose length is capped by whoever takes it. A member that is encrypted, or
// packed by a method not known, is reported, and the next is read. A ZIP whose
// directory is missing is read from its beginning as far as it goes. What it
// does not do: it asks for no passwords, and writes no files.
package archive

import (
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/cordon-health/cordon/classify"
)

const (
	// windowMost bounds the memory of one decoder: dictionaries and windows.
	windowMost = 256 << 20
	// bufferBytes is how much is read at once.
	bufferBytes = 64 << 10
)

// Readers lists the readers of this package.
func Readers() []classify.Reader {
	all := []classify.Reader{zipReader{}, sevenReader{}, rarReader{}}
	for _, p := range packings() {
		all = append(all, packed{p})
	}
	return append(all, tarReader{})
}

// packing is a way to pack a single file.
type packing struct {
	name, magic string
	suffixes    []string
	open        func(io.Reader) (io.Reader, error)
}

func packings() []packing {
	return []packing{
		{"gzip", "\x1f\x8b\x08", []string{".gz", ".tgz", ".gzip"}, openGzip},
		{"bzip2", "BZh", []string{".bz2", ".tbz2", ".tbz"}, openBzip2},
		{"xz", "\xfd7zXZ\x00", []string{".xz", ".txz"}, openXZ},
		{"zstd", "\x28\xb5\x2f\xfd", []string{".zst", ".zstd", ".tzst"}, openZstd},
		{"lz4", "\x04\x22\x4d\x18", []string{".lz4"}, openLZ4},
	}
}

func openGzip(r io.Reader) (io.Reader, error)  { return gzip.NewReader(r) }
func openBzip2(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }
func openLZ4(r io.Reader) (io.Reader, error)   { return lz4.NewReader(r), nil }

// openXZ refuses a dictionary that does not fit into memory: the library makes
// room for what the first block asks for.
func openXZ(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	head, _ := b.Peek(24)
	if size, ok := xzDictionary(head); ok && size > windowMost {
		return nil, classify.TooLarge
	}
	return xz.NewReader(b)
}

// xzDictionary finds the size of the LZMA2 dictionary in the first block's
// header, which follows the 12 bytes of the stream's.
func xzDictionary(head []byte) (size uint64, ok bool) {
	if len(head) < 24 {
		return 0, false
	}
	flags, at := head[13], 14
	for _, present := range []bool{flags&0x40 != 0, flags&0x80 != 0} {
		for present && at < len(head) && head[at]&0x80 != 0 {
			at++
		}
		if present {
			at++
		}
	}
	if at+2 >= len(head) || head[at] != 0x21 {
		return 0, false
	}
	bits := uint64(head[at+2])
	return (2 | bits&1) << (bits/2 + 11), true
}

func openZstd(r io.Reader) (io.Reader, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(windowMost), zstd.WithDecoderMaxWindow(windowMost/2))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

// packed reads a single packed file.
type packed struct{ packing }

var _ classify.Reader = packed{}

// Name is the packing's name.
func (p packed) Name() string { return p.name }

// Claims goes by the first bytes.
func (p packed) Claims(_ string, head []byte) bool {
	if p.name == "bzip2" && (len(head) < 10 || head[3] < '1' || head[3] > '9' || string(head[4:10]) != "1AY&SY") {
		return false
	}
	return strings.HasPrefix(string(head), p.magic)
}

// Read hands over what is packed. A TAR inside is read while it is unpacked,
// and never stored as a whole.
func (p packed) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	r, err := p.open(bufio.NewReaderSize(io.NewSectionReader(src, 0, src.Size()), bufferBytes))
	if err != nil {
		return why(err)
	}
	if c, ok := r.(io.Closer); ok {
		defer c.Close()
	}
	b := bufio.NewReaderSize(&stopping{ctx, r, why}, bufferBytes)
	head, _ := b.Peek(tarBlock)
	name := p.inside(src.Name())
	if isTar(name, head) {
		return readTar(ctx, b, out)
	}
	return out.Member(name, b)
}

// inside is the name of the packed file.
func (p packed) inside(name string) string {
	lower := strings.ToLower(name)
	for _, s := range p.suffixes {
		if !strings.HasSuffix(lower, s) || len(name) == len(s) {
			continue
		}
		name = name[:len(name)-len(s)]
		if strings.HasPrefix(s, ".t") {
			name += ".tar"
		}
		return name
	}
	return "content"
}

// stopping is a reader that ends with its context.
type stopping struct {
	ctx   context.Context //nolint:containedctx // it lives as long as one Read
	r     io.Reader
	cause func(error) error // makes causes of errors
}

func (s *stopping) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		err = s.cause(err)
	}
	return n, err
}

// why makes causes of the errors of decoders. A file that ends too early keeps
// that meaning; a cause of whoever takes the member is left as it is.
func why(err error) error {
	var cause *classify.Cause
	switch {
	case errors.As(err, &cause), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return classify.Truncated
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return classify.TooLarge
	}
	return classify.Damaged
}

// plainName brings a member's name to UTF-8: names that are not are usually
// GBK, of the Chinese Windows they were packed on.
func plainName(name string) string {
	if !utf8.ValidString(name) {
		if s, err := simplifiedchinese.GB18030.NewDecoder().String(name); err == nil {
			name = s
		}
	}
	name = strings.ToValidUTF8(strings.ReplaceAll(name, `\`, "/"), "?")
	return strings.TrimLeft(path.Clean("/"+name), "/")
}
