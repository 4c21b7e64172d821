package classify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

const (
	// textBlock is how much of a text is read at once.
	textBlock = 64 << 10
	// documentBytes is how much plain text counts as one document, in which a
	// sensitive condition raises everything.
	documentBytes = 64 << 10
	// runBytes is how long a run of text within binary content must be to be
	// read; shorter ones happen by chance.
	runBytes = 12
	// textShare is how much of a block of binary content must be text, in
	// percent, for the block to be searched at all.
	textShare = 5
)

// text reads what no reader claims.
func (s *sink) text(ctx context.Context, src Source) error {
	head := make([]byte, min(headBytes, max(src.Size(), 0)))
	n, err := src.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read a text: %w", err)
	}
	head = head[:n]
	if knownBinary(head) {
		s.skip("binary")
		return nil
	}
	r := io.NewSectionReader(src, 0, src.Size())
	charset, bom := sniff(head)
	if charset == Binary {
		return s.binary(ctx, r)
	}
	if err := s.encodedText(ctx, head, io.NewSectionReader(src, 0, src.Size())); err != nil {
		return err
	}
	if _, err := r.Seek(int64(bom), io.SeekStart); err != nil {
		return fmt.Errorf("pass over the mark of a text: %w", err)
	}
	t := &textReading{s: s, base: int64(bom), charset: charset}
	return t.read(ctx, r)
}

func (s *sink) skip(format string) {
	s.format = format
	s.in.sum.Skipped++
}

// textReading is a text on its way through the engine.
type textReading struct {
	s       *sink
	charset Charset
	base    int64 // of the stream in the file
	unit    int64 // the document that findings are in
	where   func(int) int64
}

// found takes a span of the stream.
func (t *textReading) found(value []byte, at Span) error {
	s := t.s
	if unit := int64(at.Start) / documentBytes; unit != t.unit {
		t.unit = unit
		if err := s.flush(); err != nil {
			return err
		}
	}
	p := Part{Offset: -1, Text: value}
	where := func(off int) int64 {
		off += at.Start
		if t.where != nil {
			return t.where(off)
		}
		return t.base + int64(off)
	}
	size := at.End - at.Start
	place := func(off int) int64 {
		if off > 0 { // a value without what is not seen is shorter than where it stands
			off = size
		}
		return where(off)
	}
	return s.found(&p, Span{End: len(value), Kind: at.Kind, Confidence: at.Confidence, Reason: at.Reason}, place)
}

func (t *textReading) read(ctx context.Context, r io.Reader) error {
	s := t.s
	s.in.sum.Parts++
	s.parts++
	stream := &unveiling{found: t.found}
	stream.plain = s.in.Engine.Stream(s.in.Mode, stream.first)
	var to io.Writer = stream
	finish := stream.Close
	if t.charset != UTF8 {
		d := newTranscoder(t.charset, stream)
		t.where = func(off int) int64 { return t.base + d.source(off) }
		to, finish = d, func() error {
			if err := d.Close(); err != nil {
				return err
			}
			return stream.Close()
		}
	}
	block := make([]byte, textBlock)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(block)
		s.in.sum.Bytes += int64(n)
		if _, e := to.Write(block[:n]); e != nil {
			return e
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			s.Unread("", err)
			break
		}
	}
	if err := finish(); err != nil {
		return err
	}
	return s.flush()
}

// binary reads the runs of text in content that is none. Everything else is
// blanked, so that offsets stay what they are. Where there is hardly any text
// the file counts as skipped.
func (s *sink) binary(ctx context.Context, r io.Reader) error {
	t := &textReading{s: s}
	stream := s.in.Engine.Stream(Discover, func(value []byte, at Span) error {
		if at.Reason == ByStructure || at.Reason == ByLexicon {
			return nil // too weak without the order of a text
		}
		return t.found(value, at)
	})
	block := make([]byte, textBlock)
	read := false
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(r, block)
		s.in.sum.Bytes += int64(n)
		if kept := blank(block[:n]); kept == 0 || kept*100 < n*textShare {
			clear(block[:n])
		} else {
			read = true
		}
		if _, e := stream.Write(block[:n]); e != nil {
			return e
		}
		if err != nil {
			break
		}
	}
	if !read {
		s.skip("binary")
		return nil
	}
	s.format = "binary"
	s.in.sum.Parts++
	if err := stream.Close(); err != nil {
		return err
	}
	return s.flush()
}

// blank makes zeros of everything but runs of text, and counts what it kept.
func blank(b []byte) (kept int) {
	start := 0
	for i := 0; i <= len(b); {
		size := 0
		if i < len(b) {
			size = textAt(b[i:])
		}
		if size > 0 {
			i += size
			continue
		}
		if i-start < runBytes {
			clear(b[start:i])
		} else {
			kept += i - start
		}
		if i < len(b) {
			b[i] = 0
		}
		i++
		start = i
	}
	return kept
}

// textAt is the length of the character of a text that b begins with, 0 where
// it begins with none. Beyond ASCII only three bytes together count: that is
// Chinese, and hardly ever chance.
func textAt(b []byte) int {
	c := b[0]
	if c >= ' ' && c < 0x7f || c == '\t' || c == '\n' || c == '\r' {
		return 1
	}
	if c >= utf8.RuneSelf {
		if r, n := utf8.DecodeRune(b); n == 3 && r != utf8.RuneError {
			return n
		}
	}
	return 0
}

// knownBinary says by the first bytes that there is no text to be read:
// programs, sound, video, fonts.
func knownBinary(head []byte) bool {
	for _, magic := range []string{"\x7fELF", "MZ\x90\x00", "\xca\xfe\xba\xbe", "\xcf\xfa\xed\xfe", "OggS", "ID3\x03", "ID3\x04", "fLaC", "\x1aE\xdf\xa3", "wOFF", "wOF2", "\x00\x01\x00\x00\x00", "!<arch>\n", "\x00asm"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	if len(head) > 12 && string(head[:4]) == "RIFF" {
		return true
	}
	return len(head) > 12 && string(head[4:8]) == "ftyp"
}
