package capture

import (
	"encoding/binary"

	"github.com/cordon-health/cordon/internal/packet"
)

// twice remembers the packets of the last moment, to drop those that a mirror
// copies on their way in and again on their way out. They are the same but for
// tags, MAC addresses, hops and the checksum over these.
type twice struct {
	seen [1 << 12]struct {
		hash uint64
		at   int64
	}
}

// before says whether a packet was seen within two milliseconds.
func (t *twice) before(f *packet.Frame) bool {
	const moment, looked = int64(2e6), 96
	b := f.L3
	if !f.From.IsValid() || len(b) < 28 {
		return false
	}
	h := uint64(len(f.Payload))
	if f.Type == packet.TypeIPv4 {
		h = flowMix(h^binary.LittleEndian.Uint64(b), 0x9e3779b97f4a7c15) // without TTL and checksum
		b = b[12:]
	} else {
		h = flowMix(h^uint64(binary.LittleEndian.Uint32(b)), 0x9e3779b97f4a7c15)
		b = b[8:]
	}
	for b = b[:min(len(b), looked)]; len(b) >= 8; b = b[8:] {
		h = flowMix(h^binary.LittleEndian.Uint64(b), 0xd1342543de82ef95)
	}
	s := &t.seen[h%uint64(len(t.seen))]
	d := f.At - s.at
	again := s.hash == h && d <= moment && d >= -moment
	s.hash, s.at = h, f.At
	return again
}
