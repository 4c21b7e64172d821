package capture

import "bytes"

// clearLDAP notices simple binds, whose password stands in clear.
type clearLDAP struct{ *clinical }

// Name is the protocol's.
func (*clearLDAP) Name() string { return "clear-ldap" }

// Probe looks for an LDAPMessage (RFC 4511) of the client.
func (*clearLDAP) Probe(_ *Stream, client, _ []byte) Verdict {
	if len(client) == 0 {
		return Maybe
	}
	if client[0] != 0x30 {
		return No
	}
	if len(client) < 16 {
		return Maybe
	}
	_, body, _, ok := clearBERNext(client)
	if !ok {
		return No
	}
	id, _, rest, ok := clearBERNext(body)
	if !ok || id != 2 || len(rest) == 0 {
		return No
	}
	switch rest[0] {
	case 0x60, 0x63, 0x77, 0x42, 0x4a, 0x66, 0x68, 0x6c, 0x6e, 0x50: // bind, search, extended, ...
		return Yes
	}
	return No
}

// Open begins to read a connection.
func (d *clearLDAP) Open(s *Stream, out Out) Parser {
	clinicalApp(s, "ldap")
	p := &clearLDAPParser{clearStream: clearStream{clinical: d.clinical, s: s, out: out, protocol: "ldap"}}
	return p
}

type clearLDAPParser struct {
	clearStream
	buf  []byte // a message begun
	skip int    // bytes of a message that is too long to keep
}

const clearLDAPMost = 4096

// Data reads on.
func (p *clearLDAPParser) Data(fromClient bool, at int64, b []byte) bool {
	if !fromClient {
		return true
	}
	n := min(p.skip, len(b))
	p.skip, b = p.skip-n, b[n:]
	p.buf = append(p.buf, b[:min(len(b), 4*clearLDAPMost)]...)
	for len(p.buf) >= 2 {
		size, ok := clearBERSize(p.buf)
		switch {
		case !ok || p.buf[0] != 0x30:
			return false // sealed by SASL, or lost
		case size == 0:
			return true // the length is not here yet
		case size > len(p.buf) && len(p.buf) < clearLDAPMost:
			return true
		case !p.message(p.buf[:min(size, len(p.buf))], at):
			return false
		}
		p.skip = max(size-len(p.buf), 0)
		p.buf = p.buf[min(size, len(p.buf)):]
	}
	p.buf = append([]byte(nil), p.buf...)
	return true
}

// message reads one message; false where encryption begins.
func (p *clearLDAPParser) message(b []byte, at int64) bool {
	_, body, _, _ := clearBERNext(b)
	_, _, op, ok := clearBERNext(body)
	if !ok || len(op) == 0 {
		return true
	}
	kind, request, _, _ := clearBERNext(op)
	switch kind {
	case 0x60: // version, name, authentication
		p.s.Notes().Call("BIND", 1)
		_, _, rest, _ := clearBERNext(request)
		_, name, rest, _ := clearBERNext(rest)
		how, secret, _, ok := clearBERNext(rest)
		if ok && how == 0x80 && len(name) > 0 && len(secret) > 0 {
			p.password(p.s, p.out, at, "ldap")
		}
		return how != 0xa3 // SASL may seal what follows
	case 0x77:
		return !bytes.Contains(request, []byte("1.3.6.1.4.1.1466.20037")) // StartTLS
	}
	return true
}

// Gap ends the reading: where messages begin is not known any more.
func (p *clearLDAPParser) Gap(fromClient bool, _ int) bool { return !fromClient }

// clearBERSize is the length of the element at the beginning of b with its head; 0
// where the head is not whole.
func clearBERSize(b []byte) (size int, ok bool) {
	if len(b) < 2 {
		return 0, true
	}
	n := int(b[1])
	if n < 0x80 {
		return 2 + n, true
	}
	n &= 0x7f
	if n == 0 || n > 4 {
		return 0, false
	}
	if len(b) < 2+n {
		return 0, true
	}
	v := 0
	for _, c := range b[2 : 2+n] {
		v = v<<8 | int(c)
	}
	if v > 1<<28 {
		return 0, false
	}
	return 2 + n + v, true
}

// clearBERNext cuts an element off; its value may be cut short.
func clearBERNext(b []byte) (kind byte, value, rest []byte, ok bool) {
	size, ok := clearBERSize(b)
	if !ok || size == 0 {
		return 0, nil, nil, false
	}
	head := 2
	if b[1] >= 0x80 {
		head += int(b[1] & 0x7f)
	}
	end := min(size, len(b))
	return b[0], b[head:end], b[end:], true
}

// clearVNC notices screens that anybody may take over.
type clearVNC struct{ *clinical }

// Name is the protocol's.
func (*clearVNC) Name() string { return "clear-vnc" }

// Probe looks for the versions both sides say.
func (*clearVNC) Probe(_ *Stream, _, server []byte) Verdict {
	switch n := min(len(server), 6); {
	case string(server[:n]) != "RFB 00"[:n]:
		return No
	case len(server) < 12:
		return Maybe
	}
	return Yes
}

// Open begins to read a session.
func (d *clearVNC) Open(s *Stream, out Out) Parser {
	clinicalApp(s, "vnc")
	return &clearVNCParser{clinical: d.clinical, s: s, out: out}
}

type clearVNCParser struct {
	*clinical
	s              *Stream
	out            Out
	client, server []byte
}

// Data reads the choice of protection (RFC 6143, 7.1.2), then has seen enough.
func (p *clearVNCParser) Data(fromClient bool, at int64, b []byte) bool {
	const version, most = 12, 64
	side := &p.server
	if fromClient {
		side = &p.client
	}
	*side = append(*side, b[:min(len(b), most-len(*side))]...)
	if len(p.client) < version || len(p.server) <= version {
		return true
	}
	chosen := byte(0)
	switch {
	case string(p.client[:11]) == "RFB 003.003": // the server decides
		if len(p.server) < version+4 {
			return true
		}
		chosen = p.server[version+3]
	case len(p.client) > version:
		chosen = p.client[version]
	default:
		return true
	}
	if chosen == 1 {
		p.s.Notes().Call("VNC without password", 1)
		p.password(p.s, p.out, at, "vnc without password")
	}
	return false
}

// Gap ends the reading.
func (p *clearVNCParser) Gap(bool, int) bool { return false }

// Close has nothing left to tell.
func (p *clearVNCParser) Close(int64) {}
