package normalize

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// MaxRecord is the size of the largest record Records hands out, in bytes.
const MaxRecord = 64 << 20

// Record is one record of a file or stream.
type Record struct {
	// Offset is where the record begins, and Next where the following one
	// may, in bytes from the start of the stream; reading may resume at Next.
	Offset, Next int64
	Data         []byte
}

// Records cuts a stream of a format into records without loading it: a line,
// an HL7 message, an element of a JSON array, an XML document. A record's
// Data is valid until the next step. An error ends the sequence.
func (n *Normalizer) Records(format string, r io.Reader) iter.Seq2[Record, error] {
	f, ok := n.formats[format]
	if !ok {
		return func(yield func(Record, error) bool) {
			yield(Record{}, fmt.Errorf("unknown format %q; see the list of formats", format))
		}
	}
	return f.split(markless(r))
}

// splitLines hands out the lines that are not blank, without their ends.
func splitLines(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		br := bufio.NewReaderSize(r, 64<<10)
		var at int64
		for {
			line, err := readLine(br)
			rec := Record{Offset: at, Next: at + int64(len(line)), Data: bytes.TrimRight(line, "\r\n")}
			at = rec.Next
			if len(bytes.TrimSpace(rec.Data)) > 0 && !yield(rec, nil) {
				return
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(Record{Offset: at}, fmt.Errorf("read line at byte %d: %w", at, err))
				return
			}
		}
	}
}

var errTooLong = errors.New("record is longer than 64 MiB; split the file")

// readLine reads up to and including the next LF.
func readLine(br *bufio.Reader) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	if err != bufio.ErrBufferFull {
		return line, err
	}
	long := bytes.Clone(line)
	for err == bufio.ErrBufferFull {
		line, err = br.ReadSlice('\n')
		if len(long)+len(line) > MaxRecord {
			return nil, errTooLong
		}
		long = append(long, line...)
	}
	return long, err
}
