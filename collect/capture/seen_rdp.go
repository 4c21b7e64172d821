package capture

import (
	"bytes"
	"strconv"

	"github.com/cordon-health/cordon/asset"
)

// RDP: what is agreed before it encrypts. The account in the cookie is read
// over. Source: MS-RDPBCGR 2.2.1.1 to 2.2.1.3.
const (
	rdpRequest = 0xe0 // connection request of X.224
	rdpConfirm = 0xd0

	rdpTLS      = 1
	rdpHybrid   = 2
	rdpHybridEx = 8

	rdpMost = 8 << 10 // of what is said before it encrypts
)

// rdpPacket takes a TPKT packet off the front.
func rdpPacket(b []byte) (body, rest []byte, ok bool) {
	if len(b) < 4 || b[0] != 3 {
		return nil, b, false
	}
	n := int(b[2])<<8 | int(b[3])
	if n < 7 || n > len(b) {
		return nil, b, false
	}
	return b[4:n], b[n:], true
}

// rdpAsks is a connection request.
type rdpAsks struct {
	cookie    bool // an account is named
	protocols uint32
	offers    bool
}

// parseRDPAsk reads the body of a connection request; ok is false for one of
// another protocol over X.224.
func parseRDPAsk(b []byte) (a rdpAsks, ok bool) {
	if len(b) < 7 || b[1] != rdpRequest {
		return a, false
	}
	v := b[7:]
	if after, found := bytes.CutPrefix(v, []byte("Cookie: ")); found {
		a.cookie = bytes.HasPrefix(after, []byte("mstshash="))
		_, v, found = bytes.Cut(after, []byte("\r\n"))
		if !found {
			return a, false
		}
		ok = true
	}
	if r := (seenBytes{b: v}); r.u8() == 1 {
		r.u8()
		if length := r.le16(); length == 8 {
			a.protocols, a.offers = r.le32(), true
			ok = ok || !r.short
		}
	}
	return a, ok
}

// parseRDPConfirm gives the protocol that the server chose.
func parseRDPConfirm(b []byte) (protocol uint32, ok bool) {
	if len(b) < 7 || b[1] != rdpConfirm {
		return 0, false
	}
	r := seenBytes{b: b[7:]}
	if kind := r.u8(); kind == 2 {
		r.u8()
		r.le16()
		return r.le32(), !r.short
	}
	return 0, true
}

// rdpClient reads the client's own description out of its first message, which
// is there when nothing is encrypted.
func rdpClient(b []byte) (build uint32, name string) {
	i := bytes.Index(b, []byte("Duca"))
	if i < 0 {
		return 0, ""
	}
	r := seenBytes{b: b[i+4:]}
	if size := r.u8(); size&0x80 != 0 {
		r.u8()
	}
	for i := 0; len(r.b) > 0 && !r.short && i < 16; i++ {
		kind, length := r.le16(), int(r.le16())
		v := seenBytes{b: r.take(length - 4)}
		if kind == 0xc001 {
			v.take(16)
			build = v.le32()
			name = seenUTF16(v.take(32))
			return build, name
		}
	}
	return 0, ""
}

type rdpDissector struct{ memory *tlsMemory }

func newRDP() StreamDissector { return &rdpDissector{newTLSMemory()} }

func (*rdpDissector) Name() string { return "rdp" }

func (*rdpDissector) Probe(_ *Stream, client, _ []byte) Verdict {
	if len(client) == 0 {
		return Maybe
	}
	if client[0] != 3 || (len(client) > 1 && client[1] != 0) || (len(client) > 5 && client[5] != rdpRequest) {
		return No
	}
	if len(client) < 4 {
		return Maybe
	}
	if n := int(client[2])<<8 | int(client[3]); n > len(client) && n < 512 {
		return Maybe
	}
	if body, _, ok := rdpPacket(client); ok {
		if _, ok := parseRDPAsk(body); ok {
			return Yes
		}
	}
	return No
}

func (d *rdpDissector) Open(s *Stream, out Out) Parser {
	seenApp(s, "rdp")
	return &rdpParser{s: s, out: out, memory: d.memory}
}

type rdpParser struct {
	s              *Stream
	out            Out
	memory         *tlsMemory
	at             int64
	client, server []byte
	asked          bool
	confirmed      bool
	within         *tlsParser
}

func (p *rdpParser) Data(fromClient bool, at int64, b []byte) bool {
	p.at = at
	if p.within != nil {
		return p.within.Data(fromClient, at, b)
	}
	if fromClient {
		p.client = append(p.client, b[:min(len(b), rdpMost-len(p.client))]...)
		return p.readClient()
	}
	p.server = append(p.server, b[:min(len(b), rdpMost-len(p.server))]...)
	return p.readServer()
}

func (p *rdpParser) Gap(fromClient bool, n int) bool {
	return p.within != nil && p.within.Gap(fromClient, n)
}

func (p *rdpParser) Close(int64) {}

func (p *rdpParser) readClient() bool {
	for {
		body, rest, ok := rdpPacket(p.client)
		if !ok {
			return len(p.client) < rdpMost && (len(p.client) == 0 || p.client[0] == 3 || !p.confirmed)
		}
		p.client = rest
		if !p.asked {
			p.asked = true
			p.ask(body)
			continue
		}
		build, name := rdpClient(body)
		o := seenClient(p.s, p.at, "rdp")
		seenAdd(&o, asset.FactHostname, name)
		if build != 0 {
			seenAdd(&o, asset.FactOS, "RDP client build "+strconv.FormatUint(uint64(build), 10))
		}
		seenTell(p.out, o)
		return false
	}
}

func (p *rdpParser) ask(body []byte) {
	a, _ := parseRDPAsk(body)
	if a.cookie {
		p.s.Notes().Call("mstshash", 1)
	}
	o := seenClient(p.s, p.at, "rdp")
	seenAdd(&o, asset.FactClientOf, "rdp")
	seenTell(p.out, o)
}

func (p *rdpParser) readServer() bool {
	if p.confirmed {
		return true
	}
	body, rest, ok := rdpPacket(p.server)
	if !ok {
		return len(p.server) < rdpMost
	}
	protocol, ok := parseRDPConfirm(body)
	if !ok {
		return false
	}
	p.confirmed = true
	o := seenServes(p.s, p.at, "rdp")
	name := "standard RDP security"
	switch protocol {
	case rdpTLS:
		name = "TLS"
	case rdpHybrid, rdpHybridEx:
		name = "CredSSP"
	}
	seenAdd(&o, asset.FactServerBanner, "RDP "+name)
	seenTell(p.out, o)
	if protocol&(rdpTLS|rdpHybrid|rdpHybridEx) == 0 {
		return true
	}
	return p.tls(rest)
}

// tls reads on inside TLS, with what of it has come already.
func (p *rdpParser) tls(server []byte) bool {
	p.within = &tlsParser{s: p.s, out: p.out, memory: p.memory, at: p.at, machine: true, app: "rdp"}
	if len(p.client) > 0 && !p.within.Data(true, p.at, p.client) {
		return false
	}
	return len(server) == 0 || p.within.Data(false, p.at, server)
}
