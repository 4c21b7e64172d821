package capture

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/internal/packet"
)

// What strangers send: each parser of packets gets the bytes as they are, each
// of streams gets them as a conversation. What they tell must be fit to be
// shown, whatever came in.

func fuzzPacket(f *testing.F, d func() PacketDissector, frame func([]byte) *packet.Frame, seeds ...[]byte) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		one, sink := d(), &seenSink{t: t}
		fr := frame(b)
		for range 2 { // the second time it is known
			_ = one.Packet(fr, sink)
			fr.At += 3600e9
		}
	})
}

func fuzzUDP(from, to uint16) func([]byte) *packet.Frame {
	return func(b []byte) *packet.Frame { return seenUDP(from, to, b) }
}

func FuzzARP(f *testing.F) {
	fuzzPacket(f, newARP, seenFrame, arpBytes(1, seenA, "10.1.0.10", seenB, "10.1.0.11"))
}

func FuzzNDP(f *testing.F) {
	fuzzPacket(f, newNDP, func(b []byte) *packet.Frame { return ndpFrame("fe80::1", "ff02::1", b) },
		ndpBytes(136, 0xa0, "fd00::1", 2, 1, 2, 0, 0, 0, 0, 1), append([]byte{134, 0, 0, 0, 64, 0, 7, 8}, make([]byte, 40)...))
}

func FuzzDHCP(f *testing.F) {
	fuzzPacket(f, newDHCP, fuzzUDP(67, 68), dhcpBytes(2, 5, "10.1.0.77", seenTLV(1, 82, []byte("\x01\x02ab"))), dhcpBytes(1, 1, "0.0.0.0", []byte{52, 1, 3}))
}

func FuzzDHCPv6(f *testing.F) {
	fuzzPacket(f, newDHCP6, fuzzUDP(547, 546), append([]byte{7, 1, 2, 3}, seenTLV(2, 3, make([]byte, 40))...),
		append(append([]byte{12}, make([]byte, 33)...), seenTLV(2, 9, []byte{1, 2, 3, 4})...))
}

func FuzzDNS(f *testing.F) {
	fuzzPacket(f, newDNS, fuzzUDP(53, 4000), mdnsBytes(), append(make([]byte, 12), 0xc0, 12))
}

func FuzzMDNS(f *testing.F) { fuzzPacket(f, newMDNS, fuzzUDP(5353, 5353), mdnsBytes()) }
func FuzzLLDP(f *testing.F) { fuzzPacket(f, newLLDP, seenFrame, lldpBytes()) }

func FuzzCDP(f *testing.F) {
	fuzzPacket(f, newCDP, func(b []byte) *packet.Frame { return seenFrame(append(cdpHead[:8:8], b...)) },
		[]byte("\x02\xb4\x00\x00\x00\x01\x00\x08sw-1\x00\x02\x00\x11\x00\x00\x00\x01\x01\x01\xcc\x00\x04\x0a\x01\x00\x03"))
}

func FuzzSSDP(f *testing.F) {
	fuzzPacket(f, newSSDP, fuzzUDP(1900, 1900), []byte("NOTIFY * HTTP/1.1\r\nNT: urn:x\r\nSERVER: y\r\n\r\n"))
}

func FuzzWSD(f *testing.F) {
	fuzzPacket(f, newWSD, fuzzUDP(3702, 3702), []byte("<a>/Hello</a><d:Types>a:b c</d:Types>"))
}

func FuzzNBNS(f *testing.F) {
	fuzzPacket(f, newNBNS, fuzzUDP(137, 137), append([]byte{1, 2, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0}, nbnsEncode("*", 0)...))
}

func FuzzNBDGM(f *testing.F) {
	fuzzPacket(f, newNBDGM, fuzzUDP(138, 138), append([]byte{0x11, 2, 0, 1, 10, 1, 0, 10, 0, 138, 0, 200, 0, 0}, nbnsEncode("CT", 0)...))
}

func FuzzSNMP(f *testing.F) {
	fuzzPacket(f, newSNMP, fuzzUDP(161, 4000), snmpBytes(1, "public", 0xa2), snmpBytes(0, "private", 0xa4))
}

func FuzzRADIUS(f *testing.F) {
	fuzzPacket(f, newRADIUS, fuzzUDP(4000, 1812), radiusBytes(4, radiusAttribute(31, "02-00-00-00-00-0B"), radiusAttribute(30, "02000000000b:STAFF")))
}

func FuzzNTP(f *testing.F) {
	fuzzPacket(f, newNTP, fuzzUDP(123, 123), append([]byte{0x24, 2}, make([]byte, 46)...))
}

func FuzzBACnet(f *testing.F) {
	fuzzPacket(f, newBACnet, fuzzUDP(47808, 47808), seenHex(f, "810b00190120ffff00ff1000c4020003e72205c4910322000f"))
}

func FuzzShared(f *testing.F) {
	for _, seed := range [][]byte{{0x21, 7, 100, 1, 0, 1, 0, 0, 10, 1, 0, 1}, {0, 0, 16}, {1, 1, 1, 20}, {1, 0, 0, 5, 2, 1, 0, 5}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, d := range []PacketDissector{newVRRP(), newHSRP(), newLACP(), newEAPOL()} {
			fr := seenFrame(b)
			fr.TTL = 255
			_ = d.Packet(fr, &seenSink{t: t})
		}
	})
}

// FuzzQUIC fuzzes what is under the protection; the outside is easily refused.
func FuzzQUIC(f *testing.F) {
	said := seenHandshake(f, tls.VersionTLS13, seenCert(f, "x", time.Unix(0, seenNow)))
	f.Add(quicCrypto(0, said[0].b[5:]), true)
	f.Add(quicSeal(f, quicV1, 1, quicCrypto(0, said[0].b[5:])), false)
	f.Fuzz(func(t *testing.T, b []byte, inside bool) {
		if inside && len(b) > 0 && len(b) < 8000 {
			b = quicSeal(t, quicV1, 1, b)
		}
		_ = newQUIC().Packet(seenUDP(50000, 443, b), &seenSink{t: t})
		_ = newDTLS().Packet(seenUDP(50000, 443, b), &seenSink{t: t})
	})
}

// fuzzStream has client and server talk by turns, in pieces of some bytes.
func fuzzStream(f *testing.F, d func() StreamDissector, seeds ...[]seenSaid) {
	for _, said := range seeds {
		var client, server []byte
		for _, s := range said {
			if s.client {
				client = append(client, s.b...)
			} else {
				server = append(server, s.b...)
			}
		}
		f.Add(client, server, uint8(3))
	}
	f.Fuzz(func(t *testing.T, client, server []byte, piece uint8) {
		var said []seenSaid
		for n := 1 + int(piece); len(client)+len(server) > 0; {
			c, s := min(n, len(client)), min(n, len(server))
			said = append(said, seenSaid{true, client[:c:c]}, seenSaid{false, server[:s:s]})
			client, server = client[c:], server[s:]
		}
		seenTalk(t, d(), seenStream(1), 1<<20, said...)
		seenForce(t, d(), said)
	})
}

// seenForce has a stream parsed without asking whether it is one, and with
// gaps.
func seenForce(t *testing.T, d StreamDissector, said []seenSaid) {
	p := d.Open(seenStream(1), &seenSink{t: t})
	for i, s := range said {
		if i%7 == 6 && !p.Gap(s.client, i) {
			break
		}
		if !p.Data(s.client, seenNow, s.b) {
			break
		}
	}
	p.Close(seenNow)
}

func FuzzTLS(f *testing.F) {
	cert := seenCert(f, "x", time.Unix(0, seenNow))
	fuzzStream(f, newTLS, seenHandshake(f, tls.VersionTLS13, cert), seenHandshake(f, tls.VersionTLS10, cert))
}

func FuzzSTARTTLS(f *testing.F) {
	hello := string(seenHandshake(f, tls.VersionTLS12, seenCert(f, "x", time.Unix(0, seenNow)))[0].b)
	fuzzStream(f, newSTARTTLS, []seenSaid{seenC("\x00\x00\x00\x08\x04\xd2\x16\x2f" + hello), seenS("S")},
		[]seenSaid{seenC("\x12\x01\x00\x0a\x00\x00\x00\x00\x00\x1a\x12\x01\x01\x00\x00\x00\x00\x00" + hello), seenS("\x04\x01\x00\x0a\x00\x00\x00\x00\x00\x1a")},
		[]seenSaid{seenC("0\x1d\x02\x01\x01w\x18\x80\x161.3.6.1.4.1.1466.20037" + hello), seenS("0\x02\x02\x01\x01")},
		[]seenSaid{seenS("\x06\x00\x00\x00\x0a8.0.1"), seenC("\x20\x00\x00\x01\x05\xae" + strings.Repeat("\x00", 30) + hello)})
}

func FuzzTLSHello(f *testing.F) {
	said := seenHandshake(f, tls.VersionTLS13, seenCert(f, "x", time.Unix(0, seenNow)))
	f.Add(said[0].b[9:], false)
	f.Fuzz(func(t *testing.T, b []byte, datagram bool) {
		if h, err := parseTLSHello(b, datagram); err == nil && len(h.ja4('t')) != 36 {
			t.Errorf("%q", h.ja4('t'))
		}
		_, _ = parseTLSAnswer(b)
		_, _, _ = parseTLSCert(b)
	})
}

func FuzzHTTP(f *testing.F) {
	fuzzStream(f, newHTTP, []seenSaid{seenC("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\nCONNECT x HTTP/1.1\r\n\r\n"),
		seenS("HTTP/1.1 200 OK\r\nServer: x\r\n\r\n")})
}

func FuzzSMB(f *testing.F) {
	fuzzStream(f, newSMB, []seenSaid{seenC(smbBytes(1, 0, ntlmAuthBytes())), seenS(smbBytes(1, 0x16, ntlmChallengeBytes()))},
		[]seenSaid{seenC("\x00\x00\x00\x60\xffSMB\x73" + string(make([]byte, 91))), seenS("\x00\x00\x00\x60\xffSMB\x72" + string(make([]byte, 91)))})
}

func FuzzRDP(f *testing.F) {
	fuzzStream(f, newRDP, []seenSaid{seenC(rdpTPKT("\x2a\xe0\x00\x00\x00\x00\x00Cookie: mstshash=x\r\n\x01\x00\x08\x00\x03\x00\x00\x00") + rdpTPKT("\x02\xf0\x80Duca\x20\x01\xc0\x18\x00")),
		seenS(rdpTPKT("\x0e\xd0\x00\x00\x12\x34\x00\x02\x1f\x08\x00\x02\x00\x00\x00"))})
}

func FuzzBanners(f *testing.F) {
	for _, seed := range []string{"220 x FTP\r\n", "SSH-2.0-x\r\n", "RFB 003.008\n", "\xff\xfd\x18\xff\xfa\x18\x01\xff\xf0login:"} {
		f.Add([]byte("USER x\r\nAUTH TLS\r\n"), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, client, server []byte) {
		for _, d := range []func() StreamDissector{newSSH, newGreeting, newTelnet, newVNC} {
			said := []seenSaid{{false, server}, {true, client}, {false, server}}
			seenTalk(t, d(), seenStream(1), 5, said...)
			seenForce(t, d(), said)
		}
	})
}

func FuzzControllers(f *testing.F) {
	f.Add([]byte("\x00\x02\x00\x00\x00\x05\x01\x2b\x0e\x01\x00"), []byte("\x00\x02\x00\x00\x00\x09\x01\x2b\x0e\x01\x01\x00\x00\x01\x00\x05Maker"))
	f.Fuzz(func(t *testing.T, client, server []byte) {
		for _, d := range []func() StreamDissector{newModbus, newS7} {
			said := []seenSaid{{true, client}, {false, server}}
			seenTalk(t, d(), seenStream(1), 5, said...)
			seenForce(t, d(), said)
		}
	})
}
