package capture

import "bytes"

// TLS that begins inside another protocol without a greeting in words:
// PostgreSQL, MySQL, SQL Server and LDAP. Others read what these protocols say
// in clear; here it is only about versions and certificates.

// starttlsForm says how long both sides talk before TLS begins; v is Maybe
// while that is open.
type starttlsForm struct {
	app            string
	client, server int
	// framed says that TLS comes in packets of TDS.
	framed bool
}

// starttlsFind recognises the words before TLS.
func starttlsFind(client, server []byte) (f starttlsForm, v Verdict) {
	v = No
	for _, one := range []func(client, server []byte) (starttlsForm, Verdict){starttlsPostgres, starttlsMySQL, starttlsTDS, starttlsLDAP} {
		form, is := one(client, server)
		if is == Yes {
			return form, Yes
		}
		v = max(v, is)
	}
	return f, v
}

// starttlsPostgres knows SSLRequest and its answer. Source: PostgreSQL's
// manual, message formats.
func starttlsPostgres(client, server []byte) (f starttlsForm, v Verdict) {
	v = bannerStarts(client, "\x00\x00\x00\x08\x04\xd2\x16\x2f")
	switch {
	case v != Yes:
		return f, v
	case len(server) == 0:
		return f, Maybe
	case server[0] != 'S':
		return f, No
	}
	return starttlsForm{app: "postgresql", client: 8, server: 1}, starttlsRecord(client[8:])
}

// starttlsMySQL knows the server's greeting and a client's short answer that
// asks for TLS. Source: MySQL's protocol, SSLRequest.
func starttlsMySQL(client, server []byte) (f starttlsForm, v Verdict) {
	const request = 4 + 32
	if len(server) > 4 && (server[3] != 0 || server[4] != 10) || len(client) > 4 && string(client[:4]) != "\x20\x00\x00\x01" {
		return f, No
	}
	if len(server) < 5 || len(client) < request {
		return f, Maybe
	}
	if client[5]&0x08 == 0 { // CLIENT_SSL
		return f, No
	}
	greeting := 4 + int(server[0]) + int(server[1])<<8 + int(server[2])<<16
	return starttlsForm{app: "mysql", client: request, server: greeting}, starttlsRecord(client[request:])
}

// starttlsTDS knows PRELOGIN, after which TLS comes in packets of the same
// kind. Source: MS-TDS 2.2.6.5.
func starttlsTDS(client, _ []byte) (f starttlsForm, v Verdict) {
	if v = bannerStarts(client, "\x12\x01\x00"); v != Yes {
		return f, v
	}
	if len(client) < 4 {
		return f, Maybe
	}
	first := int(client[3])
	if first < 8 {
		return f, No
	}
	if len(client) < first+8 {
		return f, Maybe
	}
	if client[first] != 0x12 {
		return f, No // signs in without
	}
	return starttlsForm{app: "mssql", framed: true}, starttlsRecord(client[first+8:])
}

// starttlsLDAP knows the extended request. Source: RFC 4511, 4.14.
func starttlsLDAP(client, server []byte) (f starttlsForm, v Verdict) {
	if v = bannerStarts(client, "0"); v != Yes {
		return f, v
	}
	asks, answers := seenBytes{b: client}, seenBytes{b: server}
	_, request := asks.snmpValue()
	if asks.short {
		return f, Maybe
	}
	if !bytes.Contains(request, []byte("1.3.6.1.4.1.1466.20037")) {
		return f, No
	}
	answers.snmpValue()
	if answers.short {
		return f, Maybe
	}
	return starttlsForm{app: "ldap", client: len(client) - len(asks.b), server: len(server) - len(answers.b)}, starttlsRecord(asks.b)
}

// starttlsRecord wants a ClientHello next.
func starttlsRecord(b []byte) Verdict { return tlsBegins(b, tlsClientHello) }

type starttlsDissector struct{ memory *tlsMemory }

func newSTARTTLS() StreamDissector { return &starttlsDissector{newTLSMemory()} }

func (*starttlsDissector) Name() string { return "starttls" }

func (*starttlsDissector) Probe(_ *Stream, client, server []byte) Verdict {
	if len(client) == 0 && len(server) > 4 && (server[3] != 0 || server[4] != 10) {
		return No // of those known only MySQL's server speaks first
	}
	_, v := starttlsFind(client, server)
	return v
}

func (d *starttlsDissector) Open(s *Stream, out Out) Parser {
	return &starttlsParser{within: &tlsParser{s: s, out: out, memory: d.memory, at: s.Opened}}
}

// starttlsParser waits for the beginning of TLS, and then gives everything to
// its parser.
type starttlsParser struct {
	within  *tlsParser
	waiting [2][]byte // client, server
	form    starttlsForm
	known   bool
	frames  [2]starttlsFrame
}

const starttlsMost = 8 << 10 // of one side before TLS begins

func (p *starttlsParser) Data(fromClient bool, at int64, b []byte) bool {
	if p.known {
		return p.pass(fromClient, at, b)
	}
	i := seenSide(fromClient)
	if len(p.waiting[i])+len(b) > starttlsMost {
		return false
	}
	p.waiting[i] = append(p.waiting[i], b...)
	form, v := starttlsFind(p.waiting[0], p.waiting[1])
	if v != Yes {
		return v == Maybe
	}
	p.form, p.known = form, true
	seenApp(p.within.s, form.app)
	p.within.app = form.app
	client, server := p.waiting[0], p.waiting[1]
	p.waiting = [2][]byte{}
	return p.pass(true, at, client[form.client:]) && p.pass(false, at, server[min(form.server, len(server)):])
}

func seenSide(fromClient bool) int {
	if fromClient {
		return 0
	}
	return 1
}

func (p *starttlsParser) pass(fromClient bool, at int64, b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if !p.form.framed {
		return p.within.Data(fromClient, at, b)
	}
	more := true
	p.frames[seenSide(fromClient)].feed(b, func(b []byte) { more = more && p.within.Data(fromClient, at, b) })
	return more
}

func (p *starttlsParser) Gap(fromClient bool, n int) bool {
	return p.known && !p.form.framed && p.within.Gap(fromClient, n)
}

func (p *starttlsParser) Close(int64) {}

// starttlsFrame takes TLS out of the packets of TDS.
type starttlsFrame struct {
	head [8]byte
	have int
	left int
	tls  bool
}

func (f *starttlsFrame) feed(b []byte, each func([]byte)) {
	for len(b) > 0 {
		if f.left == 0 {
			n := copy(f.head[f.have:], b)
			f.have, b = f.have+n, b[n:]
			if f.have < len(f.head) {
				return
			}
			f.have, f.left = 0, max(0, int(f.head[2])<<8+int(f.head[3])-len(f.head))
			continue
		}
		n := min(f.left, len(b))
		f.tls = f.tls || b[0] == tlsRecordHandshake // what comes before is PRELOGIN
		if f.tls {
			each(b[:n])
		}
		f.left, b = f.left-n, b[n:]
	}
}
