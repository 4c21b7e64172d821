package capture

import (
	"cmp"
	"crypto/x509"
	"net/netip"
	"strings"
	"time"

	"github.com/cordon-health/cordon/asset"
)

// TLS over TCP: what both sides say before they encrypt. Source: RFC 5246, RFC
// 8446.
const (
	tlsRecordAlert     = 21
	tlsRecordHandshake = 22
	tlsRecordData      = 23

	tlsClientHello = 1
	tlsServerHello = 2
	tlsCertificate = 11
	tlsServerDone  = 14

	tlsMostHello  = 32 << 10 // of what one side says before it encrypts
	tlsMostRecord = 16<<10 + 2048
	tlsWarnDays   = 30
)

// tlsShake puts the handshake of one side together out of its records.
type tlsShake struct {
	head [5]byte // of the record now read
	have int
	left int // bytes of the record still to come
	kind byte
	buf  []byte
	over bool // encrypted from here, or not TLS
}

// feed reads more of a side.
func (s *tlsShake) feed(b []byte) {
	for len(b) > 0 && !s.over {
		if s.left == 0 {
			n := copy(s.head[s.have:], b)
			s.have, b = s.have+n, b[n:]
			if s.have < len(s.head) {
				return
			}
			s.record()
			continue
		}
		n := min(s.left, len(b))
		if s.kind == tlsRecordHandshake {
			s.buf = append(s.buf, b[:min(n, tlsMostHello-len(s.buf))]...)
			s.over = len(s.buf) >= tlsMostHello
		}
		s.left, b = s.left-n, b[n:]
	}
}

// record begins a record.
func (s *tlsShake) record() {
	s.have, s.kind = 0, s.head[0]
	s.left = int(s.head[3])<<8 | int(s.head[4])
	known := s.kind == tlsRecordHandshake || s.kind == tlsRecordAlert
	s.over = !known || s.head[1] != 3 || s.left > tlsMostRecord
}

// next takes a whole message; part gives what is there of one that is not.
func (s *tlsShake) next() (kind byte, body []byte, ok bool) {
	if len(s.buf) < 4 {
		return 0, nil, false
	}
	n := int(s.buf[1])<<16 | int(s.buf[2])<<8 | int(s.buf[3])
	if len(s.buf)-4 < n {
		return s.buf[0], s.buf[4:], false
	}
	kind, body = s.buf[0], s.buf[4:4+n]
	s.buf = s.buf[4+n:]
	return kind, body, true
}

// tlsAnswer is a ServerHello.
type tlsAnswer struct {
	version uint16
	retry   bool
}

// tlsRetry is the random number of a HelloRetryRequest. Source: RFC 8446, 4.1.3.
const tlsRetry = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91" +
	"\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"

func parseTLSAnswer(b []byte) (a tlsAnswer, err error) {
	r := seenBytes{b: b}
	a.version = r.u16()
	a.retry = string(r.take(32)) == tlsRetry
	r.take(int(r.u8()))
	r.take(3) // cipher, compression
	if r.short {
		return a, errSeenShort
	}
	x := seenBytes{b: r.take(int(r.u16()))}
	for len(x.b) > 0 && !x.short {
		kind := x.u16()
		v := seenBytes{b: x.take(int(x.u16()))}
		if kind == tlsExtVersions {
			a.version = v.u16()
		}
	}
	return a, nil
}

// tlsVersion writes a version as people do; "" for none that is known.
func tlsVersion(v uint16) string {
	switch v {
	case 0x0304:
		return "1.3"
	case 0x0303, 0xfefd:
		return "1.2"
	case 0x0302, 0xfeff:
		return "1.1"
	case 0x0301:
		return "1.0"
	case 0x0300:
		return "ssl3"
	}
	if v>>8 == 0x7f || v == 0xfb1a { // drafts, and an experiment of theirs
		return "1.3"
	}
	return ""
}

func tlsOld(version string) bool {
	return version == "ssl3" || version == "1.0" || version == "1.1"
}

// tlsCert is what is told of a server's certificate.
type tlsCert struct {
	subject, issuer string
	until           time.Time
}

func (c tlsCert) String() string {
	return c.subject + "; " + c.issuer + "; " + c.until.UTC().Format(time.RFC3339)
}

// parseTLSCert reads the first certificate of a Certificate message, of which
// the rest need not have arrived. ok is false while it is not there.
func parseTLSCert(b []byte) (c tlsCert, ok bool, err error) {
	r := seenBytes{b: b}
	r.u24()
	der := r.take(r.u24())
	if r.short || len(der) == 0 {
		return c, false, nil
	}
	x, err := x509.ParseCertificate(der)
	if err != nil {
		return c, false, errSeenForm // its own text may hold what the certificate says
	}
	c.subject, c.issuer, c.until = seenText([]byte(x.Subject.CommonName)), seenText([]byte(x.Issuer.CommonName)), x.NotAfter
	if c.subject == "" && len(x.DNSNames) > 0 {
		c.subject = seenText([]byte(x.DNSNames[0]))
	}
	if c.issuer == "" && len(x.Issuer.Organization) > 0 {
		c.issuer = seenText([]byte(x.Issuer.Organization[0]))
	}
	c.subject = strings.ReplaceAll(c.subject, ";", ",")
	c.issuer = strings.ReplaceAll(c.issuer, ";", ",")
	return c, true, nil
}

// tlsMemory is shared by the streams of a capture: what was told is not told
// for each connection, and certificates are parsed once.
type tlsMemory struct {
	alarms *seenLately
	certs  *seenLately
	names  *tlsQuota
}

func newTLSMemory() *tlsMemory {
	return &tlsMemory{newSeenLately(3600), newSeenLately(600), &tlsQuota{}}
}

// tlsQuota bounds how many names of servers one client brings in an hour: a
// browser asks for hundreds, a machine of the hospital for few.
type tlsQuota struct {
	hour  int64
	count [1024]uint8
}

const tlsMostNames = 48

func (q *tlsQuota) allows(client netip.Addr, at int64) bool {
	if hour := at / int64(time.Hour); hour != q.hour {
		*q = tlsQuota{hour: hour}
	}
	a := client.As16()
	slot := &q.count[(uint(a[15])|uint(a[14])<<8)%uint(len(q.count))]
	if *slot >= tlsMostNames {
		return false
	}
	*slot++
	return true
}

// asks tells that a client asked for a server by name.
func (m *tlsMemory) asks(o *asset.Observation, name string) {
	if name == "" || m.certs.about(netip.AddrPortFrom(o.IP, 1), name, o.At) || !m.names.allows(o.IP, o.At) {
		return
	}
	seenAdd(o, asset.FactSNI, name)
}

type tlsDissector struct{ memory *tlsMemory }

func newTLS() StreamDissector { return &tlsDissector{newTLSMemory()} }

func (*tlsDissector) Name() string { return "tls" }

func (*tlsDissector) Probe(_ *Stream, client, server []byte) Verdict {
	if len(client) == 0 {
		return tlsBegins(server, tlsServerHello)
	}
	return tlsBegins(client, tlsClientHello)
}

// tlsBegins looks for a record with a hello in it.
func tlsBegins(b []byte, hello byte) Verdict {
	for i, c := range b[:min(len(b), 6)] {
		switch {
		case i == 0 && c != tlsRecordHandshake, i == 1 && c != 3, i == 2 && c > 4, i == 5 && c != hello:
			return No
		}
	}
	if len(b) < 6 {
		return Maybe
	}
	return Yes
}

func (d *tlsDissector) Open(s *Stream, out Out) Parser {
	seenApp(s, "tls")
	return &tlsParser{s: s, out: out, memory: d.memory, at: s.Opened}
}

// tlsParser reads one connection, also where it begins inside another
// protocol (RDP, SMTP, a proxy).
type tlsParser struct {
	s              *Stream
	out            Out
	memory         *tlsMemory
	at             int64
	client, server tlsShake
	offered        uint16
	sni            string
	answered, done bool
	// machine says that certificates its owner made itself name the machine, as
	// those of Windows do.
	machine bool
	// app is the protocol around TLS where it began later, for the service.
	app string
	// through says that the server's end of the stream is a proxy: what the
	// real one says is not the proxy's.
	through bool
}

func (p *tlsParser) Data(fromClient bool, at int64, b []byte) bool {
	p.at = at
	if fromClient {
		p.client.feed(b)
		p.readClient()
	} else {
		p.server.feed(b)
		p.readServer()
	}
	return !p.done && !(p.client.over && p.server.over)
}

// Gap ends the side that lost something: where its records begin is unknown.
func (p *tlsParser) Gap(fromClient bool, _ int) bool {
	if fromClient {
		p.client.over = true
	} else {
		p.server.over = true
	}
	return !p.client.over || !p.server.over
}

func (p *tlsParser) Close(int64) {}

func (p *tlsParser) readClient() {
	kind, body, ok := p.client.next()
	if !ok {
		return
	}
	if kind == tlsClientHello {
		p.hello(body)
	}
	// What the client says next is of no interest: its certificate may name a
	// person.
	p.client.over, p.client.buf = true, nil
}

func (p *tlsParser) hello(body []byte) {
	h, err := parseTLSHello(body, false)
	if err != nil {
		return
	}
	p.offered, p.sni = h.version, h.sni
	if n := p.s.Notes(); n.SNI == "" {
		n.SNI = h.sni
	}
	o := seenClient(p.s, p.at, "tls")
	seenAdd(&o, asset.FactJA4, h.ja4('t'))
	p.memory.asks(&o, h.sni)
	seenTell(p.out, o)
}

func (p *tlsParser) readServer() {
	for {
		kind, body, ok := p.server.next()
		switch {
		case kind == tlsCertificate && p.answered:
			if p.certificate(body) || ok {
				p.done = true
				return
			}
		case !ok:
			p.done = p.server.over && p.client.over
			return
		case kind == tlsServerHello:
			p.answer(body)
		case kind == tlsServerDone:
			p.done = true
		}
		if !ok || p.done {
			return
		}
	}
}

func (p *tlsParser) answer(body []byte) {
	a, err := parseTLSAnswer(body)
	version := tlsVersion(a.version)
	if err != nil || version == "" || a.retry {
		return
	}
	p.answered = true
	p.done = version == "1.3" // the rest is encrypted
	p.s.Notes().TLS = version
	if tlsOld(version) {
		p.old(version)
	}
	if p.through {
		return
	}
	o := seenServer(p.s, p.at, "tls")
	seenAdd(&o, asset.FactTLSVersion, version)
	seenAdd(&o, asset.FactService, seenService("tcp", p.s.Server.Port(), cmp.Or(p.app, "tls")))
	seenTell(p.out, o)
}

// old tells of a version that is no longer safe. Who offers no better is the
// one to mend.
func (p *tlsParser) old(version string) {
	culprit, victim := seenServerParty(p.s), seenClientParty(p.s)
	if p.through {
		culprit = asset.Party{Name: p.sni}
	}
	if p.offered != 0 && tlsOld(tlsVersion(p.offered)) {
		culprit, victim = victim, culprit
	}
	if p.memory.alarms.about(netip.AddrPortFrom(culprit.IP, culprit.Port), version+culprit.Name, p.at) {
		return
	}
	p.out.Alarm(asset.Alarm{Kind: asset.OldTLS, At: p.at, Culprit: culprit, Victim: victim,
		VLAN: p.s.VLAN, Args: []string{version, p.sni}, Count: 1})
}

// certificate reads the server's. It reports whether that is done with.
func (p *tlsParser) certificate(body []byte) bool {
	r := seenBytes{b: body}
	r.u24()
	der := r.take(r.u24())
	if r.short {
		return false
	}
	if p.through {
		return true
	}
	if p.memory.certs.about(p.s.Server, string(der), p.at) {
		return true
	}
	c, ok, err := parseTLSCert(body)
	if !ok || err != nil {
		return err != nil
	}
	o := seenServer(p.s, p.at, "tls")
	seenAdd(&o, asset.FactCertificate, c.String())
	if p.machine && c.subject == c.issuer {
		seenAdd(&o, asset.FactHostname, c.subject)
	}
	seenTell(p.out, o)
	left := c.until.Sub(time.Unix(0, p.at))
	if left < tlsWarnDays*24*time.Hour && !p.memory.alarms.about(p.s.Server, c.String(), p.at) {
		p.out.Alarm(asset.Alarm{Kind: asset.Certificate, At: p.at, VLAN: p.s.VLAN, Count: 1,
			Culprit: seenServerParty(p.s), Args: []string{c.subject, c.until.UTC().Format(time.RFC3339)}})
	}
	return true
}

func seenServerParty(s *Stream) asset.Party {
	return asset.Party{MAC: s.ServerMAC, IP: seenHost(s.Server.Addr()), Port: s.Server.Port()}
}

func seenClientParty(s *Stream) asset.Party {
	return asset.Party{MAC: s.ClientMAC, IP: seenHost(s.Client.Addr())}
}
