package syslog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// errTooLong ends a connection: past it the frames can no longer be told
// apart.
var errTooLong = errors.New("message is larger than max_message")

// readFrame returns the next message of a stream. Both framings of RFC 6587
// are told apart by the first byte: a digit starts an octet count ("LEN SP
// MSG", also RFC 5425), anything else a line that ends with LF or NUL. The
// messages of one stream may mix them. RFC parsing itself is normalize's.
func readFrame(r *bufio.Reader, most int) ([]byte, error) {
	for {
		b, err := r.ReadByte()
		switch {
		case err != nil:
			return nil, err
		case b == '\n' || b == '\r' || b == 0:
			continue
		}
		if err := r.UnreadByte(); err != nil {
			return nil, err
		}
		if b >= '1' && b <= '9' {
			return readCounted(r, most)
		}
		return readLine(r, most)
	}
}

func readCounted(r *bufio.Reader, most int) ([]byte, error) {
	n, seen := 0, []byte(nil)
	for {
		b, err := r.ReadByte()
		if err != nil {
			return nil, noEOF(err)
		}
		seen = append(seen, b)
		if b == ' ' {
			break
		}
		if b < '0' || b > '9' || len(seen) > 9 {
			rest, err := readLine(r, most) // a line that merely begins with a digit
			return append(seen, rest...), err
		}
		n = n*10 + int(b-'0')
	}
	if n > most {
		return nil, fmt.Errorf("%w: %d bytes announced", errTooLong, n)
	}
	msg := make([]byte, n)
	_, err := io.ReadFull(r, msg)
	return msg, noEOF(err)
}

func readLine(r *bufio.Reader, most int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > most {
			return nil, errTooLong
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(line) > 0, err == nil:
			return bytes.TrimRight(line, "\r\n\x00"), nil
		default:
			return nil, err
		}
	}
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
