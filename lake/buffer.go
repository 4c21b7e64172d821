package lake

import (
	"hash/maphash"
	"time"

	"github.com/cordon-health/cordon/ocsf"
)

// A buffer holds rows that are not in a file yet.
type buffer struct {
	table
	frame *frame
	rec   record
	known map[uint64]int32 // fingerprint to a row
	since time.Time        // when Due first saw rows
	days  map[int64]struct{}

	segments []segment // copies for SQL; owned by sqlCache.making
}

func newBuffer() *buffer {
	return &buffer{frame: newFrame(), known: map[uint64]int32{}, days: map[int64]struct{}{}}
}

// fingerprint is the key under which an event is known. The seed is secret,
// so nobody can make an event that is taken for another one.
func fingerprint(seed maphash.Seed, uid string, at int64) uint64 {
	return mix(maphash.String(seed, uid) + uint64(at)*timeFactor)
}

// timeFactor spreads times over all bits.
const timeFactor = 0x9e3779b97f4a7c15

func mix(h uint64) uint64 {
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	return h ^ h>>32
}

// Append adds rows to the buffer, where questions see them at once. The
// caller may change or reuse the events afterwards.
func (l *Lake) Append(rows []Row) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buffers[len(l.buffers)-1]
	for _, row := range rows {
		b.frame.flatten(row, &b.rec)
		b.known[fingerprint(l.seed, b.rec.texts[textUID], b.rec.ints[intTime])] = int32(b.rows)
		b.days[dayOf(b.rec.ints[intTime])] = struct{}{}
		b.append(&b.rec)
	}
}

// Due reports whether the buffer should be flushed now.
func (l *Lake) Due(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	rows, days := 0, 0
	for _, b := range l.buffers {
		if b.rows > 0 && b.since.IsZero() {
			b.since = now
		}
		if b.rows > 0 && now.Sub(b.since) >= l.cfg.FlushAge {
			return true
		}
		rows, days = rows+b.rows, max(days, len(b.days))
	}
	if days > 2 {
		return rows >= 2*l.cfg.FlushRows
	}
	return rows >= l.cfg.FlushRows
}

// holds says whether the buffer has an event of this key.
func (b *buffer) holds(print uint64, ev *ocsf.Event) bool {
	row, ok := b.known[print]
	return ok && b.text(textUID, int(row)) == ev.Metadata.UID && b.int(intTime, int(row)) == ev.Time
}
