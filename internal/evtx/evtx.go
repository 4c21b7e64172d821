// Package evtx reads Windows event log files (.evtx) and gives each event as
// JSON, in the form in which the common exporters write it.
//
// What it gives: [Scan] reads a file as a stream, a chunk of 64 KiB at a time,
// and calls back with {"Event":{"System":{...},"EventData":{...}}} for every
// record: attributes stand under "#attributes", a text beside them under
// "#text", a named Data element is a member of that name, what occurs several
// times is an array. Numbers and truths are JSON's own; GUIDs, SIDs, times,
// hexadecimal numbers and bytes are texts. Namespaces (xmlns) are left out.
//
// What it guarantees: no input makes it panic, and memory stays bounded: one
// chunk, its templates and one event, each with a limit. A record that cannot
// be read is counted with its reason and its place, and the next one is read;
// so are records of a chunk whose header or checksum is wrong, those of a file
// that was not closed (dirty) or was cut off, and chunks without a file header.
//
// What it does not do: texts of messages, which are in the programs that wrote
// the events, are not looked up. Records that were deleted and lie in free space
// are left alone, except those a file that was not closed has not counted yet.
package evtx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

const (
	fileHeader = 4096
	chunkSize  = 1 << 16
	chunkHead  = 512
	recordHead = 24
)

// Record is one event.
type Record struct {
	// ID is the number Windows gave the record.
	ID uint64
	// JSON is valid until the next record.
	JSON []byte
}

// Report is how a scan went.
type Report struct {
	// Records were read, Bad could not be.
	Records, Bad int
	// Chunks were read; of Damaged ones a checksum or the header is wrong, and
	// what could be read of them was.
	Chunks, Damaged int
	// Dirty says that the file was not closed by Windows.
	Dirty bool
	// First are the first faults.
	First []Fault
}

// Fault is something that could not be read.
type Fault struct {
	// Record is the number of the record, 0 when even that is unknown.
	Record uint64
	// Offset is its place in the file, in bytes.
	Offset int64
	Reason string
}

const mostFaults = 10

func (r *Report) fault(record uint64, offset int64, reason string) {
	if len(r.First) < mostFaults {
		r.First = append(r.First, Fault{record, offset, reason})
	}
}

// Is says whether data is the beginning of a Windows event log.
func Is(data []byte) bool {
	return bytes.HasPrefix(data, []byte("ElfFile\x00")) || bytes.HasPrefix(data, []byte("ElfChnk\x00"))
}

// Scan reads a file. It ends early only when reading fails or found returns an
// error, and with an error when r is no event log at all.
func Scan(r io.Reader, found func(Record) error) (Report, error) {
	s := scan{found: found, chunk: newChunk()}
	err := s.file(r)
	return s.report, err
}

// scan is the work on one file.
type scan struct {
	found  func(Record) error
	report Report
	chunk  *chunk
	offset int64 // of the chunk in the file
}

func (s *scan) file(r io.Reader) error {
	head := make([]byte, fileHeader)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read event log: %w", err)
	}
	switch head = head[:n]; {
	case !Is(head):
		return errors.New("not a Windows event log: neither ElfFile nor ElfChnk stands at its beginning")
	case head[3] == 'C': // a chunk without a file
		r = io.MultiReader(bytes.NewReader(head), r)
	case n < fileHeader:
		s.report.fault(0, 0, "the file ends within its header")
		return nil
	default:
		s.offset = fileHeader
		s.header(head)
	}
	for {
		n, err := io.ReadFull(r, s.chunk.data)
		if n > 0 {
			clear(s.chunk.data[n:])
			if err := s.one(n); err != nil {
				return err
			}
			s.offset += int64(n)
		}
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return fmt.Errorf("read event log: %w", err)
		}
	}
}

// header notes what the file says of itself; nothing depends on it.
func (s *scan) header(head []byte) {
	s.report.Dirty = binary.LittleEndian.Uint32(head[0x78:])&1 != 0
	if crc32.ChecksumIEEE(head[:0x78]) != binary.LittleEndian.Uint32(head[0x7c:]) {
		s.report.fault(0, 0, "the checksum of the file header is wrong")
	}
}

// one reads the chunk at hand, of which size bytes were in the file.
func (s *scan) one(size int) error {
	data := s.chunk.data
	if size <= chunkHead || empty(data[:chunkHead]) {
		if !empty(data[:size]) {
			s.report.Damaged++
			s.report.fault(0, s.offset, "a chunk without a header")
		}
		return nil
	}
	s.report.Chunks++
	s.chunk.reset()
	free, ok := s.verify(size)
	if !ok {
		s.report.Damaged++
	}
	return s.records(size, free, ok)
}

func empty(data []byte) bool {
	for _, b := range data {
		if b != 0 {
			return false
		}
	}
	return true
}

// verify checks a chunk's header and checksums, and returns where its free
// space begins; for a chunk that is not sound that is its end.
func (s *scan) verify(size int) (free int, sound bool) {
	data := s.chunk.data
	why := ""
	free = int(binary.LittleEndian.Uint32(data[0x30:]))
	head := crc32.Update(crc32.ChecksumIEEE(data[:0x78]), crc32.IEEETable, data[0x80:chunkHead])
	switch {
	case !bytes.HasPrefix(data, []byte("ElfChnk\x00")):
		why = "a chunk without its mark"
	case head != binary.LittleEndian.Uint32(data[0x7c:]):
		why = "the checksum of a chunk's header is wrong"
	case free < chunkHead || free > chunkSize:
		why = "a chunk's free space begins outside of it"
	case size < free:
		why = "the file ends within a chunk"
	case crc32.ChecksumIEEE(data[chunkHead:free]) != binary.LittleEndian.Uint32(data[0x34:]):
		why = "the checksum of a chunk's records is wrong"
	default:
		return free, true
	}
	s.report.fault(0, s.offset, why)
	return size, false
}

// records walks over the records of a chunk. Behind the counted ones only such
// are taken that continue the numbering in a file that was not closed: what
// else lies there is left over from before. In a chunk that is not sound the
// next record is looked for where one is broken.
func (s *scan) records(size, free int, sound bool) error {
	data := s.chunk.data[:size]
	last := uint64(0)
	for at := chunkHead; at+recordHead <= len(data); {
		if at >= free && (!s.report.Dirty || last == 0) {
			return nil
		}
		id, length, ok := recordAt(data, at)
		if at >= free && (!ok || id != last+1) {
			return nil
		}
		if !ok {
			next := nextRecord(data[:max(free, at)], at+8)
			if next < 0 && (sound || empty(data[at:min(free, len(data))])) {
				return nil
			}
			s.report.Bad++
			s.report.fault(0, s.offset+int64(at), "there is no record where one should begin")
			if next < 0 {
				return nil
			}
			at = next
			continue
		}
		if err := s.record(at, length, id); err != nil {
			return err
		}
		last = id
		at += length
	}
	return nil
}

// recordAt reads the head of a record.
func recordAt(data []byte, at int) (id uint64, length int, ok bool) {
	if binary.LittleEndian.Uint32(data[at:]) != 0x00002a2a {
		return 0, 0, false
	}
	n := binary.LittleEndian.Uint32(data[at+4:])
	if n < recordHead+4 || n > uint32(len(data)-at) || binary.LittleEndian.Uint32(data[at+int(n)-4:]) != n {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint64(data[at+8:]), int(n), true
}

// nextRecord finds the next head of a record, -1 when there is none.
func nextRecord(data []byte, from int) int {
	for ; from+recordHead <= len(data); from += 8 {
		if _, _, ok := recordAt(data, from); ok {
			return from
		}
	}
	return -1
}

func (s *scan) record(at, length int, id uint64) error {
	out, err := s.chunk.event(at+recordHead, at+length-4)
	if err != nil {
		s.report.Bad++
		s.report.fault(id, s.offset+int64(at), err.Error())
		return nil
	}
	s.report.Records++
	return s.found(Record{id, out})
}
