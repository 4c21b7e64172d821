package capture

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-health/cordon/asset"
)

// seenSaid is what one side said next.
type seenSaid struct {
	client bool
	b      []byte
}

func seenC(s string) seenSaid { return seenSaid{true, []byte(s)} }
func seenS(s string) seenSaid { return seenSaid{false, []byte(s)} }

func seenStream(port uint16) *Stream {
	return &Stream{Client: netip.MustParseAddrPort("10.1.0.10:40000"), Server: netip.AddrPortFrom(netip.MustParseAddr("10.2.0.20"), port),
		ClientMAC: seenA, ServerMAC: seenB, Opened: seenNow, Whole: true}
}

// seenTalk has a dissector read a conversation in pieces of a size. It reports
// whether the dissector took it for its own.
func seenTalk(t testing.TB, d StreamDissector, s *Stream, piece int, said ...seenSaid) (*seenSink, bool) {
	sink := &seenSink{t: t}
	var sides [2][]byte
	var sofar []seenSaid
	var parser Parser
	for _, what := range said {
		for b := what.b; len(b) > 0; {
			n := min(piece, len(b))
			now := seenSaid{what.client, b[:n:n]}
			b = b[n:]
			if parser != nil {
				if !parser.Data(now.client, seenNow, now.b) {
					return sink, true
				}
				continue
			}
			i := 0
			if !now.client {
				i = 1
			}
			sides[i] = append(sides[i], now.b...)
			sofar = append(sofar, now)
			switch d.Probe(s, sides[0], sides[1]) {
			case No:
				return sink, false
			case Yes:
				parser = d.Open(s, sink)
				for _, p := range sofar {
					if !parser.Data(p.client, seenNow, p.b) {
						return sink, true
					}
				}
			}
		}
	}
	if parser != nil {
		parser.Close(seenNow)
	}
	return sink, parser != nil
}

// seenTalks reads a conversation whole and byte by byte, which must tell the
// same, and compares the facts.
func seenTalks(t *testing.T, d func() StreamDissector, port uint16, protocol string, want []string, said ...seenSaid) (*seenSink, *Stream) {
	t.Helper()
	var sink *seenSink
	var s *Stream
	for _, piece := range []int{1, 7, 1 << 20} {
		s = seenStream(port)
		var taken bool
		if sink, taken = seenTalk(t, d(), s, piece, said...); !taken {
			t.Fatalf("in pieces of %d it is not recognised", piece)
		}
		seenWant(t, protocol+" facts", sink.facts(protocol), want)
	}
	return sink, s
}

// What clients offer and the published fingerprints of it.
func TestJA4(t *testing.T) {
	chrome := tlsHello{version: 0x0304, hasSNI: true, alpn: []byte("h2"),
		ciphers:    []uint16{0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x9c, 0x9d, 0x2f, 0x35},
		extensions: []uint16{0x1b, 0, 0x33, 0x10, 0x4469, 0x17, 0x2d, 0xd, 5, 0x23, 0x12, 0x2b, 0xff01, 0xb, 0xa, 0x15},
		signatures: []uint16{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601}}
	seenWant(t, "the specification's example", chrome.ja4('t'), "t13d1516h2_8daaf6152771_e5627efa2ab1")
	seenWant(t, "nothing offered", (&tlsHello{version: 0x0303}).ja4('t'), "t12i000000_000000000000_000000000000")
	many := tlsHello{version: 0xfefd, ciphers: make([]uint16, 120)}
	seenWant(t, "over 99 ciphers, in a datagram", many.ja4('d')[:10], "dd2i990000")
	for alpn, want := range map[string]string{"": "00", "h": "hh", "http/1.1": "h1", "\xab": "ab", "\xab\xcd": "ad", "0\xab": "3b",
		"01\xab\xcd": "3d", "0\xab\xcd1": "01"} {
		seenWant(t, "ALPN", ja4ALPN([]byte(alpn)), want)
	}
	for v := range 0x10000 {
		grease := v>>8 == v&0xff && v&15 == 10
		if tlsGrease(uint16(v)) != grease {
			t.Fatalf("%04x", v)
		}
	}
}

// The published fingerprints of public captures.
func TestJA4OfCaptures(t *testing.T) {
	want := map[string][]string{
		"pcap__chrome-cloudflare-quic-with-secrets.pcapng": {"t13d1516h2_8daaf6152771_e5627efa2ab1", "q13d0310h3_55b375c5d22e_cd85d2d88918"},
		"pcap__tls-non-ascii-alpn.pcapng":                  {"t13d1516bd_8daaf6152771_e5627efa2ab1"},
		"pcap__ssh2.pcapng":                                {"t12d190800_d83cc789557e_7af1ed941c26", "t12d1909h2_d83cc789557e_7af1ed941c26", "t13d1516h2_8daaf6152771_e5627efa2ab1"},
	}
	seenCaptures(t, func(name string, file []byte) {
		_, name, _ = strings.Cut(name, "ja4/")
		if len(want[name]) == 0 {
			return
		}
		sink := &seenSink{t: t}
		seenRun(t, file, sink)
		told := strings.Join(append(sink.facts("tls"), sink.facts("quic")...), "\n")
		for _, fingerprint := range want[name] {
			if !strings.Contains(told, "ja4="+fingerprint) {
				t.Errorf("%s: no %s in\n%s", name, fingerprint, told)
			}
		}
	})
}

// seenCert makes a certificate that ends at a time.
func seenCert(t testing.TB, subject string, until time.Time) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: subject},
		NotBefore: until.Add(-time.Hour * 9000), NotAfter: until, ExtraExtensions: []pkix.Extension{{Id: []int{1, 2, 3}, Value: make([]byte, 3000)}}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// seenWire notes what is written into a connection.
type seenWire struct {
	net.Conn
	client bool
	mu     *sync.Mutex
	said   *[]seenSaid
}

func (w seenWire) Write(b []byte) (int, error) {
	w.mu.Lock()
	*w.said = append(*w.said, seenSaid{w.client, bytes.Clone(b)})
	w.mu.Unlock()
	return w.Conn.Write(b)
}

// seenHandshake is what a client and a server of the standard library say.
func seenHandshake(t testing.TB, version uint16, cert tls.Certificate) []seenSaid {
	a, b := net.Pipe()
	var mu sync.Mutex
	var said []seenSaid
	client := tls.Client(seenWire{a, true, &mu, &said}, &tls.Config{InsecureSkipVerify: true, ServerName: "pacs.hosp", //nolint:gosec
		MinVersion: version, MaxVersion: version, NextProtos: []string{"h2"}})
	server := tls.Server(seenWire{b, false, &mu, &said}, &tls.Config{Certificates: []tls.Certificate{cert},
		MinVersion: version, MaxVersion: version, NextProtos: []string{"h2"}})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	return said
}

func TestTLSVersionsAndCertificates(t *testing.T) {
	far, soon := time.Unix(0, seenNow).Add(200*24*time.Hour).UTC(), time.Unix(0, seenNow).Add(29*24*time.Hour).UTC()
	for _, c := range []struct {
		version uint16
		name    string
		until   time.Time
		alarms  []asset.AlarmKind
	}{
		{tls.VersionTLS13, "1.3", soon, nil}, // encrypted: nothing to be seen
		{tls.VersionTLS12, "1.2", far, nil},
		{tls.VersionTLS12, "1.2", soon, []asset.AlarmKind{asset.Certificate}},
		{tls.VersionTLS10, "1.0", far, []asset.AlarmKind{asset.OldTLS}},
	} {
		said := seenHandshake(t, c.version, seenCert(t, "pacs.hosp", c.until))
		s := seenStream(2762)
		for _, piece := range []int{1, 100, 1 << 20} {
			sink, taken := seenTalk(t, newTLS(), s, piece, said...)
			facts := strings.Join(sink.facts("tls"), "\n")
			cert := "certificate=pacs.hosp; pacs.hosp; " + c.until.Format(time.RFC3339)
			if !taken || strings.Contains(facts, cert) != (c.version != tls.VersionTLS13) || !strings.Contains(facts, "tls-version="+c.name) ||
				!strings.Contains(facts, "sni=pacs.hosp") || !strings.Contains(facts, "service=tcp/2762 tls") || !strings.Contains(facts, "ja4=t1") {
				t.Errorf("%s in pieces of %d: taken %v\n%s", c.name, piece, taken, facts)
			}
			var kinds []asset.AlarmKind
			for _, a := range sink.alarms {
				kinds = append(kinds, a.Kind)
			}
			seenWant(t, "alarms of "+c.name, kinds, c.alarms)
		}
		if n := s.Notes(); n.TLS != c.name || n.SNI != "pacs.hosp" || n.App != "tls" {
			t.Errorf("notes %+v", n)
		}
	}
}

// Who offers no better version than an old one is the one to mend.
func TestOldTLSNamesTheCulprit(t *testing.T) {
	sink, _ := seenTalk(t, newTLS(), seenStream(443), 1<<20, seenHandshake(t, tls.VersionTLS11, seenCert(t, "x", time.Unix(0, seenNow).Add(9000*time.Hour)))...)
	if len(sink.alarms) != 1 || sink.alarms[0].Culprit.MAC != seenA {
		t.Errorf("%+v", sink.alarms)
	}
	seenWant(t, "args", sink.alarms[0].Args, []string{"1.1", "pacs.hosp"})
}

// Source: RFC 9001, appendix A.1, and RFC 9369, appendix A.1.
func TestQUICKeys(t *testing.T) {
	dcid := seenHex(t, "8394c8f03e515708")
	for version, want := range map[uint32][3]string{
		quicV1: {"1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c", "9f50449e04a0e810283a1e9933adedd2"},
		quicV2: {"8b1a0bc121284290a29e0971b5cd045d", "91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9"},
	} {
		got, err := quicSecrets(version, dcid)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			seenWant(t, "key", got[i], seenHex(t, want[i]))
		}
	}
}

// quicSeal makes a protected Initial packet with pieces of a ClientHello.
func quicSeal(t testing.TB, version uint32, number byte, frames []byte) []byte {
	dcid := seenHex(t, "8394c8f03e515708")
	parts, err := quicSecrets(version, dcid)
	if err != nil {
		t.Fatal(err)
	}
	frames = append(frames, make([]byte, max(0, 1100-len(frames)))...)
	kind := byte(0xc0)
	if version == quicV2 {
		kind = 0xd0
	}
	head := binary.BigEndian.AppendUint32([]byte{kind}, version)
	head = append(append(append(head, 8), dcid...), 0, 0)
	head = binary.BigEndian.AppendUint16(head, 0x4000|uint16(1+len(frames)+16))
	head = append(head, number)
	nonce := bytes.Clone(parts[1])
	nonce[11] ^= number
	block, _ := aes.NewCipher(parts[0])
	aead, _ := cipher.NewGCM(block)
	packet := aead.Seal(head, nonce, frames, head)
	hp, _ := aes.NewCipher(parts[2])
	var mask [16]byte
	at := len(head) - 1
	hp.Encrypt(mask[:], packet[at+4:at+20])
	packet[0] ^= mask[0] & 15
	packet[at] ^= mask[1]
	return packet
}

func quicCrypto(at int, b []byte) []byte {
	out := binary.BigEndian.AppendUint16([]byte{6}, 0x4000|uint16(at))
	return append(binary.BigEndian.AppendUint16(out, 0x4000|uint16(len(b))), b...)
}

// A ClientHello that comes in pieces, over two packets and out of order.
func TestQUIC(t *testing.T) {
	said := seenHandshake(t, tls.VersionTLS13, seenCert(t, "x", time.Unix(0, seenNow)))
	hello := said[0].b[5:]
	for _, version := range []uint32{quicV1, quicV2} {
		d, sink := newQUIC(), &seenSink{t: t}
		second := quicSeal(t, version, 1, append(quicCrypto(200, hello[200:]), 1))
		first := quicSeal(t, version, 0, append(append(quicCrypto(100, hello[100:200]), 0, 0, 1), quicCrypto(0, hello[:100])...))
		for _, b := range [][]byte{second, first} {
			if err := d.Packet(seenUDP(50000, 443, b), sink); err != nil {
				t.Error(err)
			}
		}
		facts := strings.Join(sink.facts("quic"), "\n")
		if !strings.Contains(facts, "ja4=q13d") || !strings.Contains(facts, "sni=pacs.hosp") {
			t.Errorf("version %x: %s", version, facts)
		}
	}
}

func TestDTLS(t *testing.T) {
	body := append([]byte{0xfe, 0xfd}, make([]byte, 34)...) // random, no session, no cookie
	body = append(body, 0, 2, 0xc0, 0x2b, 1, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3)
	n := byte(len(body))
	hello := append([]byte{1, 0, 0, n, 0, 0, 0, 0, 0, 0, 0, n}, body...)
	record := append([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(hello))}, hello...)
	facts := seenRead(t, newDTLS(), seenUDP(50000, 4433, record)).facts("dtls")
	if len(facts) != 1 || !strings.HasPrefix(facts[0], "ja4=dd2i010100_") {
		t.Errorf("%v", facts)
	}
	if err := newQUIC().Packet(seenUDP(50000, 4433, record), &seenSink{t: t}); err != ErrOther {
		t.Errorf("QUIC says %v", err)
	}
}

func TestHTTP(t *testing.T) {
	chunked := "POST /store?patient=P0001 HTTP/1.1\r\nHost: pacs.hosp:8080\r\nUser-Agent: Viewer/2\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"5\r\nGET /\r\n3;x=y\r\nabc\r\n0\r\n\r\n"
	sink, s := seenTalks(t, newHTTP, 8080, "http",
		[]string{"server-banner=nginx/1.2", "service=tcp/8080 http", "sni=pacs.hosp", "user-agent=Viewer/2"},
		seenC("PUT /a HTTP/1.1\r\nHost: pacs.hosp\r\nUser-Agent: Viewer/2\r\nContent-Length: 6\r\n\r\nGET / "+chunked),
		seenS("HTTP/1.1 200 OK\r\nServer: nginx/1.2\r\nContent-Length: 0\r\n\r\n"),
		seenC("GET /b HTTP/1.1\r\n\r\n"))
	seenWant(t, "calls", s.Notes().Calls, map[string]int64{"PUT": 1, "POST": 1, "GET": 1})
	for _, o := range sink.seen {
		for _, f := range o.Facts {
			if strings.Contains(f.Value, "P0001") {
				t.Errorf("a query is told: %v", f)
			}
		}
	}
}

func TestHTTPGoesOnAfterAGap(t *testing.T) {
	s := seenStream(80)
	p := newHTTP().Open(s, &seenSink{t: t})
	p.Data(true, seenNow, []byte("PUT / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc"))
	p.Gap(true, 90)
	p.Data(true, seenNow, []byte("1234567GET / HTTP/1.1\r\n\r\n"))
	p.Gap(true, 5)
	p.Data(true, seenNow, []byte("rest of something"))
	p.Data(true, seenNow, []byte("DELETE / HTTP/1.1\r\n\r\n"))
	seenWant(t, "calls", s.Notes().Calls, map[string]int64{"PUT": 1, "GET": 1, "DELETE": 1})
}

// Through a proxy the parser goes on inside the tunnel.
func TestHTTPProxy(t *testing.T) {
	said := []seenSaid{seenC("CONNECT pacs.hosp:443 HTTP/1.1\r\nHost: pacs.hosp:443\r\n\r\n"), seenS("HTTP/1.1 200 Connection established\r\n\r\n")}
	said = append(said, seenHandshake(t, tls.VersionTLS12, seenCert(t, "pacs.hosp", time.Unix(0, seenNow).Add(9000*time.Hour)))...)
	sink, s := seenTalks(t, newHTTP, 3128, "http", []string{"role=proxy", "service=tcp/3128 http"}, said...)
	if facts := strings.Join(sink.facts("tls"), "\n"); !strings.Contains(facts, "sni=pacs.hosp") || s.Notes().TLS != "1.2" ||
		strings.Contains(facts, "certificate=") { // which is not the proxy's
		t.Errorf("inside the tunnel: %s; %+v", facts, s.Notes())
	}
}

func TestBanners(t *testing.T) {
	seenTalks(t, newSSH, 22, "ssh", []string{"client-of=ssh", "server-banner=SSH-2.0-OpenSSH_9", "service=tcp/22 ssh", "user-agent=SSH-2.0-PuTTY"},
		seenS("SSH-2.0-OpenSSH_9\r\n"), seenC("SSH-2.0-PuTTY\r\n"))
	seenTalks(t, newGreeting, 2121, "ftp", []string{"client-of=ftp", "server-banner=220 CT console", "service=tcp/2121 ftp"},
		seenS("220 CT console\r\n"), seenC("USER nurse1\r\n"), seenS("331 \r\n"))
	seenTalks(t, newGreeting, 143, "imap", []string{"client-of=imap", "server-banner=* OK Dovecot", "service=tcp/143 imap"}, seenS("* OK Dovecot\r\n"))
	seenTalks(t, newVNC, 5900, "vnc", []string{"client-of=vnc", "server-banner=RFB 003.008", "service=tcp/5900 vnc"}, seenS("RFB 003.008\n"))
	seenTalks(t, newTelnet, 23, "telnet", []string{"client-of=telnet", "server-banner=Pump 7 login:", "service=tcp/23 telnet"},
		seenS("\xff\xfd\x18\xff\xfa\x18\x01\xff\xf0\r\n\x1b[1mPump 7\x1b[0m\r\nlogin: "), seenC("nurse1\r\n"), seenS("nurse1\r\nPassword:"))
}

func TestSTARTTLS(t *testing.T) {
	said := []seenSaid{seenS("220 mail.hosp ESMTP\r\n"), seenC("EHLO ct\r\n"), seenS("250 STARTTLS\r\n"), seenC("STARTTLS\r\n"), seenS("220 go\r\n")}
	said = append(said, seenHandshake(t, tls.VersionTLS12, seenCert(t, "mail.hosp", time.Unix(0, seenNow).Add(9000*time.Hour)))...)
	sink, taken := seenTalk(t, newGreeting(), seenStream(25), 1<<20, said...)
	if facts := strings.Join(append(sink.facts("tls"), sink.facts("smtp")...), "\n"); !taken || !strings.Contains(facts, "certificate=mail.hosp") ||
		!strings.Contains(facts, "server-banner=220 mail.hosp ESMTP") {
		t.Errorf("%s", facts)
	}
}

// Databases and directories begin TLS after some words of their own.
func TestTLSInsideOtherProtocols(t *testing.T) {
	hand := seenHandshake(t, tls.VersionTLS12, seenCert(t, "db.hosp", time.Unix(0, seenNow).Add(9000*time.Hour)))
	tds := []seenSaid{seenC("\x12\x01\x00\x0a\x00\x00\x00\x00\x00\x1a"), seenS("\x04\x01\x00\x0a\x00\x00\x00\x00\x00\x1a")}
	for _, s := range hand { // in two packets each
		for _, part := range [][]byte{s.b[:len(s.b)/2], s.b[len(s.b)/2:]} {
			n := len(part) + 8
			tds = append(tds, seenSaid{s.client, append([]byte{0x12, 1, byte(n >> 8), byte(n), 0, 0, 0, 0}, part...)})
		}
	}
	ldap := "1.3.6.1.4.1.1466.20037"
	for app, said := range map[string][]seenSaid{
		"postgresql": append([]seenSaid{seenC("\x00\x00\x00\x08\x04\xd2\x16\x2f"), seenS("S")}, hand...),
		"mysql":      append([]seenSaid{seenS("\x06\x00\x00\x00\x0a8.0.1"), seenC("\x20\x00\x00\x01\x05\xae" + strings.Repeat("\x00", 30))}, hand...),
		"mssql":      tds,
		"ldap":       append([]seenSaid{seenC("0\x1d\x02\x01\x01w\x18\x80\x16" + ldap), seenS("0\x0c\x02\x01\x01x\x07\x0a\x01\x00\x04\x00\x04\x00")}, hand...),
	} {
		for _, piece := range []int{1, 50, 1 << 20} {
			s := seenStream(1)
			sink, taken := seenTalk(t, newSTARTTLS(), s, piece, said...)
			facts := strings.Join(sink.facts("tls"), "\n")
			if !taken || !strings.Contains(facts, "certificate=db.hosp") || !strings.Contains(facts, "tls-version=1.2") ||
				!strings.Contains(facts, "ja4=t12d") || s.Notes().App != app || !strings.Contains(facts, "service=tcp/1 "+app) || s.Notes().TLS != "1.2" {
				t.Errorf("%s in pieces of %d: taken %v, %+v\n%s", app, piece, taken, s.Notes(), facts)
			}
		}
	}
}

func rdpTPKT(body string) string {
	return string([]byte{3, 0, 0, byte(4 + len(body))}) + body
}

func TestRDP(t *testing.T) {
	ask := seenC(rdpTPKT("\x2a\xe0\x00\x00\x00\x00\x00Cookie: mstshash=nurse1\r\n\x01\x00\x08\x00\x03\x00\x00\x00"))
	said := []seenSaid{ask, seenS(rdpTPKT("\x0e\xd0\x00\x00\x12\x34\x00\x02\x1f\x08\x00\x02\x00\x00\x00"))}
	said = append(said, seenHandshake(t, tls.VersionTLS12, seenCert(t, "CT-ROOM-2", time.Unix(0, seenNow).Add(9000*time.Hour)))...)
	sink, s := seenTalks(t, newRDP, 3389, "rdp", []string{"client-of=rdp", "server-banner=RDP CredSSP", "service=tcp/3389 rdp"}, said...)
	if facts := strings.Join(sink.facts("tls"), "\n"); !strings.Contains(facts, "hostname=CT-ROOM-2") {
		t.Errorf("the certificate names the machine: %s", facts)
	}
	seenWant(t, "calls", s.Notes().Calls, map[string]int64{"mstshash": 1})

	core := append(make([]byte, 16), 0xba, 0x47, 0, 0)
	core = append(append(core, "W\x00S\x007\x00"...), make([]byte, 26)...)
	connect := "\x02\xf0\x80\x7f\x65\x82 ... Duca\x81\x00\x01\xc0\x38\x00" + string(core)
	seenTalks(t, newRDP, 3389, "rdp",
		[]string{"client-of=rdp", "hostname=WS7", "os=RDP client build 18362", "server-banner=RDP standard RDP security", "service=tcp/3389 rdp"},
		ask, seenS(rdpTPKT("\x06\xd0\x00\x00\x12\x34\x00")), seenC(rdpTPKT(connect)))
}

// ntlmChallengeBytes is what a server says of itself.
func ntlmChallengeBytes() []byte {
	utf16 := func(s string) string { return strings.Join(strings.Split(s, ""), "\x00") + "\x00" }
	pair := func(kind byte, s string) string { return string([]byte{kind, 0, byte(2 * len(s)), 0}) + utf16(s) }
	info := pair(2, "HOSPITAL") + pair(1, "PACS01") + pair(3, "pacs01.hosp") + "\x00\x00\x00\x00"
	b := append([]byte("NTLMSSP\x00\x02\x00\x00\x00"), 0, 0, 0, 0, 56, 0, 0, 0, 1, 0, 0, 2)
	b = append(append(b, make([]byte, 16)...), byte(len(info)), 0, byte(len(info)), 0, 56, 0, 0, 0)
	b = append(b, 10, 0, 0x63, 0x45, 0, 0, 0, 15)
	return append(b, info...)
}

func smbBytes(command byte, status byte, body []byte) string {
	b := append([]byte("\xfeSMB"), make([]byte, 60)...)
	b[8], b[12] = status, command
	b = append(b, body...)
	return string([]byte{0, 0, byte(len(b) >> 8), byte(len(b))}) + string(b)
}

func TestSMB(t *testing.T) {
	sink, _ := seenTalks(t, newSMB, 445, "smb",
		[]string{"client-of=smb", "description=domain HOSPITAL", "hostname=WS7", "hostname=pacs01.hosp", "os=Windows 10.0.17763",
			"server-banner=SMB 3.1.1", "service=tcp/445 smb"},
		seenC(smbBytes(0, 0, make([]byte, 36))), seenS(smbBytes(0, 0, []byte{65, 0, 1, 0, 0x11, 3})),
		seenS(smbBytes(1, 0x16, ntlmChallengeBytes())), seenC(smbBytes(1, 0, ntlmAuthBytes())), seenS(smbBytes(1, 0, nil)))
	for _, o := range sink.seen {
		for _, f := range o.Facts {
			if strings.Contains(f.Value, "nurse1") {
				t.Errorf("an account is told: %v", f)
			}
		}
	}
}

// ntlmAuthBytes is a client's last word, with account nurse1 on WS7.
func ntlmAuthBytes() []byte {
	b := []byte("NTLMSSP\x00\x03\x00\x00\x00")
	field := func(n, at byte) { b = append(b, n, 0, n, 0, at, 0, 0, 0) }
	field(0, 64)
	field(0, 64)
	field(0, 64)
	field(6, 64)
	field(3, 70)
	field(0, 64)
	return append(append(b, 0, 0, 0, 0), "nurse1WS7"...)
}

func TestModbus(t *testing.T) {
	id := "\x2b\x0e\x01\x01\x00\x00\x03\x00\x05Maker\x01\x03PM5\x02\x04V1.2"
	_, s := seenTalks(t, newModbus, 502, "modbus", []string{"client-of=modbus", "firmware=V1.2", "model=PM5", "service=tcp/502 modbus", "vendor=Maker"},
		seenC("\x00\x01\x00\x00\x00\x06\x01\x03\x00\x00\x00\x01"), seenS("\x00\x01\x00\x00\x00\x05\x01\x03\x02\x00\x2a"),
		seenC("\x00\x02\x00\x00\x00\x05\x01\x2b\x0e\x01\x00"), seenS("\x00\x02\x00\x00\x00"+string([]byte{byte(1 + len(id))})+"\x01"+id),
		seenC("\x00\x03\x00\x00\x00\x06\x01\x06\x00\x00\x00\x01"))
	seenWant(t, "calls", s.Notes().Calls, map[string]int64{"read": 1, "write": 1, "other": 1})
}

func TestS7(t *testing.T) {
	seenTalks(t, newS7, 102, "s7", []string{"client-of=s7", "model=6ES7 315-2EH14-0AB0", "service=tcp/102 s7", "vendor=Siemens"},
		seenC(rdpTPKT("\x11\xe0\x00\x00\x00\x01\x00\xc0\x01\x0a\xc1\x02\x01\x00\xc2\x02\x01\x02")),
		seenS(rdpTPKT("\x11\xd0\x00\x01\x00\x02\x00\xc0\x01\x0a\xc1\x02\x01\x00\xc2\x02\x01\x02")),
		seenC(rdpTPKT("\x02\xf0\x80\x32\x01\x00\x00")), seenS(rdpTPKT("\x02\xf0\x80\x32\x03 6ES7 315-2EH14-0AB0 ")))
}

// Streams of one protocol are not taken for another.
func TestProbesKeepApart(t *testing.T) {
	_, streams := Discovery()
	for name, said := range map[string][]seenSaid{
		"tls": seenHandshake(t, tls.VersionTLS13, seenCert(t, "x", time.Unix(0, seenNow))), "http": {seenC("GET / HTTP/1.1\r\n\r\n"), seenS("HTTP/1.1 200 OK\r\n\r\n")},
		"ssh": {seenS("SSH-2.0-x\r\n"), seenC("SSH-2.0-y\r\n")}, "": {seenC("OPTIONS rtsp://10.1.0.1/ RTSP/1.0\r\n\r\n"), seenS("RTSP/1.0 200 OK\r\n\r\n")},
		"vnc": {seenS("RFB 003.008\n"), seenC("RFB 003.008\n")},
	} {
		for _, d := range streams {
			_, taken := seenTalk(t, d, seenStream(9999), 3, said...)
			if taken != (d.Name() == name) {
				t.Errorf("%s: %s took it: %v", name, d.Name(), taken)
			}
		}
	}
}

// A client brings so many names of servers in an hour, and no more.
func TestNamesAreBounded(t *testing.T) {
	m := newTLSMemory()
	told := 0
	for i := range 1000 {
		o := asset.Observation{At: seenNow, IP: netip.MustParseAddr("10.1.0.10")}
		m.asks(&o, strings.Repeat("x", i+1))
		told += len(o.Facts)
	}
	if told > tlsMostNames {
		t.Errorf("%d names", told)
	}
}
