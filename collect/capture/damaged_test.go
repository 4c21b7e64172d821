package capture

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cordon-health/cordon/internal/pcap"
)

// TestDamaged damages every shared capture in ways in which captures are
// damaged, and in some in which only attackers do it: some 4,000 files. None
// makes a dissector panic, and none leaves anything in memory.
func TestDamaged(t *testing.T) {
	files := corpusFiles(t)
	r := rand.New(rand.NewPCG(7, 11)) // the same files every time
	ways := []func(*rand.Rand, []byte) []byte{damageBits, damageLengths, damageCut, damageMix, damageFrames}
	n, packets := 0, int64(0)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for i, way := range ways {
			b := way(r, bytes.Clone(files[name]))
			h := &heard{}
			e := engineFor(t, h, Config{}, everyDissector()...)
			if err := e.Read(context.Background(), bytes.NewReader(b), func() {}); err != nil && !errors.Is(err, pcap.ErrFormat) {
				t.Errorf("%s, damaged in way %d: %v", name, i, err)
			}
			e.Flush()
			s := e.Stats()
			if s.Defects != 0 || s.Held != 0 || s.Reading != 0 || s.Connections != 0 {
				t.Errorf("%s, damaged in way %d: %+v", name, i, s)
			}
			n, packets = n+1, packets+s.Packets
		}
	}
	t.Logf("%d files, %d packets read of them", n, packets)
}

// header is what damage leaves alone, so that the file is still read: that of
// pcap, and about that of the first block of pcapng.
const header = 32

// damageBits flips bits, one in some hundred bytes.
func damageBits(r *rand.Rand, b []byte) []byte {
	for n := len(b)/300 + 1; n > 0 && len(b) > header; n-- {
		b[header+r.IntN(len(b)-header)] ^= 1 << r.IntN(8)
	}
	return b
}

// damageLengths writes large and small numbers where lengths may stand.
func damageLengths(r *rand.Rand, b []byte) []byte {
	values := [][]byte{{0xff, 0xff}, {0, 0}, {0x7f, 0xff, 0xff, 0xff}, {0xff, 0xff, 0xff, 0xff}, {0x80}, {0, 0, 0, 1}}
	for n := len(b)/1000 + 1; n > 0 && len(b) > header; n-- {
		copy(b[header+r.IntN(len(b)-header):], values[r.IntN(len(values))])
	}
	return b
}

// damageCut ends the file somewhere.
func damageCut(r *rand.Rand, b []byte) []byte {
	if len(b) <= header {
		return b
	}
	return b[:header+r.IntN(len(b)-header)]
}

// damageMix moves pieces of the file to other places.
func damageMix(r *rand.Rand, b []byte) []byte {
	for n := len(b)/2000 + 1; n > 0 && len(b) > header+64; n-- {
		size := 1 + r.IntN(min(512, (len(b)-header)/2))
		from, to := header+r.IntN(len(b)-header-size), header+r.IntN(len(b)-header-size)
		copy(b[to:to+size], bytes.Clone(b[from:from+size]))
	}
	return b
}

// damageFrames keeps the file whole and damages what is behind the IP header,
// which reaches the dissectors.
func damageFrames(r *rand.Rand, b []byte) []byte {
	in, err := pcap.Bytes(b)
	if err != nil {
		return b
	}
	for p := (pcap.Packet{}); in.Next(&p); {
		for n := r.IntN(4); n > 0 && len(p.Data) > 42; n-- {
			p.Data[42+r.IntN(len(p.Data)-42)] = byte(r.IntN(256))
		}
	}
	return b
}
