package bundle

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
)

// member is a file in a bundle.
type member struct {
	name string
	data []byte
}

// readMember is a member as it was read; sum is false when the checksum in
// front of it is not that of its content.
type readMember struct {
	member
	sum bool
}

// The one form in which members are written (APPNOTE.TXT of the ZIP format,
// 4.3.7, 4.3.12 and 4.3.16): stored, names in UTF-8, the time 1980-01-01, no
// extra fields, no comments.
const (
	localSize   = 30
	centralSize = 46
	endSize     = 22

	zipVersion = 20
	zipUTF8    = 0x800
	zipDate    = 0x21
	maxMembers = 64
)

// appendLocal appends the header in front of a member.
func appendLocal(dst []byte, m member) []byte {
	dst = append(dst, 'P', 'K', 3, 4)
	dst = appendCommon(dst, m)
	return append(dst, m.name...)
}

// appendCommon appends the fields that both headers share.
func appendCommon(dst []byte, m member) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint16(dst, zipVersion)
	dst = le.AppendUint16(dst, zipUTF8)
	dst = le.AppendUint16(dst, 0) // stored
	dst = le.AppendUint16(dst, 0) // time
	dst = le.AppendUint16(dst, zipDate)
	dst = le.AppendUint32(dst, crc32.ChecksumIEEE(m.data))
	dst = le.AppendUint32(dst, uint32(len(m.data)))
	dst = le.AppendUint32(dst, uint32(len(m.data)))
	dst = le.AppendUint16(dst, uint16(len(m.name)))
	return le.AppendUint16(dst, 0) // extra
}

// appendDirectory appends the directory at the end of the file.
func appendDirectory(dst []byte, list []member) []byte {
	le := binary.LittleEndian
	begin, offset := len(dst), 0
	for _, m := range list {
		dst = append(dst, 'P', 'K', 1, 2)
		dst = le.AppendUint16(dst, zipVersion)
		dst = appendCommon(dst, m)
		dst = append(dst, make([]byte, 10)...) // comment, disk, attributes
		dst = le.AppendUint32(dst, uint32(offset))
		dst = append(dst, m.name...)
		offset += localSize + len(m.name) + len(m.data)
	}
	size := len(dst) - begin
	dst = append(dst, 'P', 'K', 5, 6, 0, 0, 0, 0)
	dst = le.AppendUint16(dst, uint16(len(list)))
	dst = le.AppendUint16(dst, uint16(len(list)))
	dst = le.AppendUint32(dst, uint32(size))
	dst = le.AppendUint32(dst, uint32(offset))
	return append(dst, 0, 0)
}

func writeZip(w io.Writer, list []member) error {
	total := 0
	for _, m := range list {
		total += localSize + len(m.name) + len(m.data)
	}
	if total > math.MaxInt32 {
		return fmt.Errorf("write bundle: %d bytes are too many for one bundle; export fewer events", total)
	}
	for _, m := range list {
		if _, err := w.Write(append(appendLocal(nil, m), m.data...)); err != nil {
			return fmt.Errorf("write bundle: %w", err)
		}
	}
	if _, err := w.Write(appendDirectory(nil, list)); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}

// damage says where a bundle is not in the one form.
type damage struct {
	at    int
	after string // the member before the place, if any
}

// readZip takes a bundle apart. Every byte that is not content is compared
// with what writeZip would have written. ok is false when that fails; the
// members up to there are returned.
func readZip(data []byte) (list []readMember, d damage, ok bool) {
	at := 0
	for bytes.HasPrefix(data[at:], []byte("PK\x03\x04")) && len(list) < maxMembers {
		m, size, ok := readLocal(data[at:])
		if !ok {
			return list, damage{at, lastName(list)}, false
		}
		list = append(list, m)
		at += size
	}
	want := appendDirectory(nil, plain(list))
	rest := data[at:]
	for i := range min(len(want), len(rest)) {
		if want[i] != rest[i] {
			return list, damage{at + i, lastName(list)}, false
		}
	}
	if len(want) != len(rest) {
		return list, damage{at + min(len(want), len(rest)), lastName(list)}, false
	}
	return list, damage{}, len(list) > 0
}

// readLocal reads one member and its header.
func readLocal(data []byte) (m readMember, size int, ok bool) {
	if len(data) < localSize {
		return m, 0, false
	}
	nameLen := int(binary.LittleEndian.Uint16(data[26:]))
	dataLen := int(binary.LittleEndian.Uint32(data[18:]))
	begin := localSize + nameLen
	if size = begin + dataLen; size > len(data) || size < begin {
		return m, 0, false
	}
	m.member = member{string(data[localSize:begin]), data[begin:size]}
	want := appendLocal(nil, m.member)
	m.sum = bytes.Equal(want[14:18], data[14:18])
	return m, size, bytes.Equal(want[:14], data[:14]) && bytes.Equal(want[18:], data[18:begin])
}

func plain(list []readMember) []member {
	out := make([]member, len(list))
	for i, m := range list {
		out[i] = m.member
	}
	return out
}

func lastName(list []readMember) string {
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1].name
}
