package capture

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/cordon-health/cordon/internal/pcap"
)

// ErrNotCapture says that a file is none.
var ErrNotCapture = pcap.ErrFormat

// File reads a capture file into the engine: pcap or pcapng, plain or packed
// with gzip or zstd. What is wrong in it is counted and does not end it; an
// error says that it is no capture, or that the disk or the packing failed.
// progress, which may be nil, is told how far reading has come in the file.
// Flush is left to the caller, as captures are often cut into many files.
func (e *Engine) File(ctx context.Context, path string, progress func(read, size int64)) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the capture: %w", withoutPath(err))
	}
	defer f.Close()
	var size int64
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	counted := &fileCounter{from: f}
	r, done, err := fileUnpacked(counted)
	if err != nil {
		return err
	}
	defer done()
	e.From(filepath.Base(path))
	return e.Read(ctx, r, func() {
		if progress != nil {
			progress(counted.read, size)
		}
	})
}

// withoutPath leaves out of an error what whoever asked knows.
func withoutPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// Read reads a capture that comes as a stream; every some packets it calls
// progress.
func (e *Engine) Read(ctx context.Context, from io.Reader, progress func()) error {
	const pause = 1 << 16
	r, err := pcap.NewReader(from)
	if err != nil {
		return err
	}
	known := int64(0)
	var p pcap.Packet // outside the loop, or each turn makes one
	for n := 1; r.Next(&p); n++ {
		e.Frame(p.At, p.Link, p.Size, p.Data)
		if n%pause != 0 {
			continue
		}
		if progress(); ctx.Err() != nil {
			return fmt.Errorf("read the capture: %w", context.Cause(ctx))
		}
		known = e.badRecords(r, known)
	}
	e.badRecords(r, known)
	progress()
	return r.Err()
}

// badRecords counts the file's bad records; known were counted before.
func (e *Engine) badRecords(r *pcap.Reader, known int64) int64 {
	n, first := r.Bad()
	if n == known {
		return n
	}
	for _, b := range first[min(int(known), len(first)):] {
		e.wrongAt(Place{Source: e.name, Frame: e.stats.Packets, At: e.clock, Offset: b.Offset}, "file: "+string(b.Reason))
	}
	if rest := n - max(known, int64(len(first))); rest > 0 {
		e.stats.Bad += rest - 1
		e.wrongAt(Place{Source: e.name, Frame: e.stats.Packets, At: e.clock}, "file: further bad records")
		e.bad["file: further bad records"].Count += rest - 1
	}
	return n
}

type fileCounter struct {
	from io.Reader
	read int64
}

func (c *fileCounter) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	c.read += int64(n)
	return n, err
}

// fileUnpacked looks at the first bytes for a packing.
func fileUnpacked(from io.Reader) (r io.Reader, done func(), err error) {
	in := bufio.NewReaderSize(from, 256<<10)
	magic, err := in.Peek(4)
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, nil, fmt.Errorf("unpack the capture: %w", err)
		}
		return z, func() { z.Close() }, nil
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
		if err != nil {
			return nil, nil, fmt.Errorf("unpack the capture: %w", err)
		}
		return z, z.Close, nil
	case err != nil && !errors.Is(err, io.EOF):
		return nil, nil, fmt.Errorf("read the capture: %w", withoutPath(err))
	}
	return in, func() {}, nil
}
