// Package clinical reads the messages and documents of medicine by their
// structure: HL7 v2, FHIR in JSON, NDJSON and XML, and C-CDA. It gives
// [Readers], which node lists for the inspector.
//
// What it guarantees. Every value of a message is given out with the path the
// standard has for it ("PID-5.1", "Patient.name[0].family",
// "recordTarget.patientRole.addr.city") and with the kind the standard says it
// has; what the standard leaves open (notes, results, extensions, Z segments)
// comes as text without a kind, so that the engine reads it. Values of one
// message or resource share a record number. Documents inside (OBX of type ED,
// Attachment.data, a body that is no XML) are handed over as members. Object
// identifiers and code systems are not given out as text: they look like
// network addresses and are none.
//
// Memory is bounded: a message, resource or document longer than [maxRecord]
// is reported as unread and passed over. What is damaged is reported with its
// position, and the next message is read.
package clinical

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/cordon-health/cordon/classify"
)

// maxRecord is the longest message, resource or document that is read.
const maxRecord = 128 << 20

// Readers are the readers of this package, in the order in which they claim.
func Readers() []classify.Reader {
	return []classify.Reader{hl7v2{}, fhirJSON{}, document{}}
}

var errTooLong = errors.New("longer than 128 MiB; it was passed over, split it to have it read")

// window reads a source from its beginning through a buffer that grows to
// maxRecord.
type window struct {
	src io.Reader
	buf []byte
	// from is where the unread part of buf begins, base where buf begins in
	// the source.
	from int
	base int64
	eof  bool
	err  error
}

const firstWindow = 1 << 20

func newWindow(src io.Reader) *window {
	return &window{src: src, buf: make([]byte, 0, firstWindow)}
}

// data is what was read and not yet taken.
func (w *window) data() []byte { return w.buf[w.from:] }

// offset is where data begins in the source.
func (w *window) offset() int64 { return w.base + int64(w.from) }

func (w *window) take(n int) { w.from += n }

// more reads further; false when there is no more or no room for it.
func (w *window) more() bool {
	if w.eof || w.err != nil {
		return false
	}
	if w.from > 0 {
		w.base += int64(w.from)
		w.buf = w.buf[:copy(w.buf, w.buf[w.from:])]
		w.from = 0
	}
	if len(w.buf) == cap(w.buf) {
		if cap(w.buf) >= maxRecord {
			return false
		}
		w.buf = append(make([]byte, 0, 2*cap(w.buf)), w.buf...)
	}
	n, err := w.src.Read(w.buf[len(w.buf):cap(w.buf)])
	w.buf = w.buf[:len(w.buf)+n]
	w.eof = errors.Is(err, io.EOF)
	if err != nil && !w.eof {
		w.err = err
	}
	return n > 0 || w.err == nil && !w.eof
}

// whole reads a source to its end, if it is no longer than maxRecord.
func whole(src classify.Source) ([]byte, error) {
	if src.Size() > maxRecord {
		return nil, errTooLong
	}
	data, err := io.ReadAll(io.NewSectionReader(src, 0, src.Size()))
	if err != nil {
		return nil, err
	}
	return data, nil
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// text brings what is not UTF-8 from GB18030 to it, and says whether it did.
func text(b []byte) ([]byte, bool) {
	if utf8.Valid(b) {
		return b, false
	}
	out, err := simplifiedchinese.GB18030.NewDecoder().Bytes(b)
	if err != nil {
		return bytes.ToValidUTF8(b, []byte("\uFFFD")), true
	}
	return out, true
}

// head is the beginning of a file without what may stand before its content.
func head(b []byte) []byte {
	return bytes.TrimLeft(bytes.TrimPrefix(b, byteOrderMark), " \t\r\n\x0b\x1c\x00")
}
