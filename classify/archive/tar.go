package archive

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/classify"
)

// tarBlock is the size of a TAR's headers.
const tarBlock = 512

type tarReader struct{}

var _ classify.Reader = tarReader{}

// Name is tar.
func (tarReader) Name() string { return "tar" }

// Claims goes by the magic of POSIX, or the name and the header's checksum.
func (tarReader) Claims(name string, head []byte) bool { return isTar(name, head) }

// Read hands over the files.
func (tarReader) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	return readTar(ctx, bufio.NewReaderSize(io.NewSectionReader(src, 0, src.Size()), bufferBytes), out)
}

func isTar(name string, head []byte) bool {
	if len(head) < tarBlock {
		return false
	}
	if string(head[257:262]) == "ustar" {
		return true
	}
	return strings.HasSuffix(strings.ToLower(name), ".tar") && tarSum(head)
}

// tarSum compares a header with its checksum, which counts its own eight bytes
// as spaces.
func tarSum(head []byte) bool {
	want, err := strconv.ParseInt(strings.Trim(string(head[148:156]), " \x00"), 8, 64)
	if err != nil {
		return false
	}
	sum := int64(8 * ' ')
	for i, c := range head[:tarBlock] {
		if i < 148 || i >= 156 {
			sum += int64(c)
		}
	}
	return sum == want
}

func readTar(ctx context.Context, r io.Reader, out classify.Sink) error {
	t := tar.NewReader(&stopping{ctx, r, why})
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the next header of a tar: %w", why(err))
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := out.Member(plainName(h.Name), t); err != nil {
			return err
		}
	}
}
