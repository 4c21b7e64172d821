package capture

import (
	"crypto/tls"
	"testing"
	"time"
)

// What storms cost: the same message again and again, and answers of DNS, which
// are never the same.
func BenchmarkDiscovery(b *testing.B) {
	said := seenHandshake(b, tls.VersionTLS12, seenCert(b, "x", time.Unix(0, seenNow)))
	public := []byte("\x01\x02\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01" +
		"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x05\x00\x06\x03cdn\xc0\x10\xc0\x2d\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\x5d\xb8\xd8\x22")
	for _, c := range []struct {
		name    string
		d       PacketDissector
		from    uint16
		payload []byte
	}{{"arp", newARP(), 0, arpBytes(1, seenA, "10.1.0.10", seenB, "10.1.0.11")}, {"mdns", newMDNS(), 5353, mdnsBytes()},
		{"ssdp", newSSDP(), 1900, []byte("NOTIFY * HTTP/1.1\r\nNT: urn:x\r\nSERVER: y\r\n\r\n")},
		{"dns", newDNS(), 53, public}, {"snmp", newSNMP(), 161, snmpBytes(1, "public", 0xa2)}} {
		f := seenUDP(c.from, 4000, c.payload)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.d.Packet(f, seenNobody{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("tls", func(b *testing.B) {
		b.ReportAllocs()
		d := newTLS()
		for b.Loop() {
			p := d.Open(seenStream(443), seenNobody{})
			for _, s := range said {
				if !p.Data(s.client, seenNow, s.b) {
					break
				}
			}
		}
	})
}
