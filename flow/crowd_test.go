package flow

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// TestCrowd: a scan of every port of every machine, and packets from invented
// addresses, stay a bounded number of rows; what they sum to stays exact, and
// what was there before them stays apart.
func TestCrowd(t *testing.T) {
	b := &Book{fresh: map[place]*Conversation{}}
	good := store1("core", noon, 1)
	b.Apply(good)
	const tries = 40_000
	for i := range uint32(tries) {
		c := store1("core", noon, 1)
		c.Client, c.Port = netip.MustParseAddr("10.9.9.9"), uint16(i)
		c.Server = addr(0x0a030000 + i%5000)
		b.Apply(c)
	}
	b.Apply(good)
	if n := len(b.fresh); n > 2*mostOfClient+10 {
		t.Errorf("a scan of %d ports makes %d rows", tries, n)
	}
	var scanned, kept int64
	for p, c := range b.fresh {
		if p.Client == netip.MustParseAddr("10.9.9.9") {
			scanned += c.Sessions
		} else {
			kept += c.Sessions
		}
	}
	if scanned != tries || kept != 2 {
		t.Errorf("%d of %d sessions of the scan, %d of 2 of another", scanned, tries, kept)
	}
	for i := range uint32(mostOfHour + 100_000) {
		c := store1("core", noon, 1)
		c.Client = addr(0x20000000 + i*7)
		b.Apply(c)
	}
	if n := len(b.fresh); n > mostOfHour+1000 {
		t.Errorf("invented addresses make %d rows", n)
	}
}

func addr(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}
