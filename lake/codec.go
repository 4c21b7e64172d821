package lake

import (
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/format"
)

// codec is Zstandard for pages, with one encoder and one decoder for all
// files: those of the Parquet library take 40 MB for each file written. On
// access events the fastest level also gives the smallest files.
type codec struct {
	once    sync.Once
	encoder *zstd.Encoder
	err     error
}

var _ compress.Codec = (*codec)(nil)

// pageWindow is how far back a page refers to itself, in bytes. Few pages are
// longer.
const pageWindow = 256 << 10

// String implements compress.Codec.
func (c *codec) String() string { return "ZSTD" }

// CompressionCodec implements compress.Codec.
func (c *codec) CompressionCodec() format.CompressionCodec { return format.Zstd }

// Encode implements compress.Codec.
func (c *codec) Encode(dst, src []byte) ([]byte, error) {
	c.once.Do(func() {
		c.encoder, c.err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(pageWindow), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true))
	})
	if c.err != nil {
		return dst, c.err
	}
	return c.encoder.EncodeAll(src, dst[:0]), nil
}

// Decode implements compress.Codec; the lake reads pages with its own
// decoder.
func (c *codec) Decode(dst, src []byte) ([]byte, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return dst, err
	}
	defer d.Close()
	return d.DecodeAll(src, dst[:0])
}
