package capture

import (
	"bytes"
	"strings"

	"github.com/cordon-health/cordon/asset"
)

// SMB 1, 2 and 3: the dialect, and what both sides say of themselves while they
// sign in. Files and shares are read over. Source: MS-SMB2 2.2, MS-CIFS 2.2.4.
const (
	smbMostKept     = 4 << 10 // of one message
	smbMostMessages = 24      // of one side that are looked at

	smbNegotiate = 0x72
	smbSetup     = 0x73
)

// smbSide cuts messages out of one side; of each only its beginning is kept.
type smbSide struct {
	head [4]byte
	have int
	left int
	buf  []byte
	seen int
	over bool
}

// feed gives the beginning of each message to each.
func (s *smbSide) feed(b []byte, each func([]byte)) {
	for len(b) > 0 && !s.over {
		if s.left == 0 {
			n := copy(s.head[s.have:], b)
			s.have, b = s.have+n, b[n:]
			if s.have == len(s.head) {
				s.begin()
			}
			continue
		}
		n := min(s.left, len(b))
		s.buf = append(s.buf, b[:min(n, smbMostKept-len(s.buf))]...)
		if s.left, b = s.left-n, b[n:]; s.left == 0 {
			each(s.buf)
		}
	}
}

func (s *smbSide) begin() {
	s.have, s.buf = 0, s.buf[:0]
	s.left = int(s.head[1])<<16 | int(s.head[2])<<8 | int(s.head[3])
	kind := s.head[0]
	s.seen++
	// Besides messages there are NetBIOS requests for a session and answers.
	s.over = s.seen > smbMostMessages || (kind != 0 && (kind < 0x81 || kind > 0x85))
}

type smbDissector struct{}

func newSMB() StreamDissector { return smbDissector{} }

func (smbDissector) Name() string { return "smb" }

func (smbDissector) Probe(_ *Stream, client, server []byte) Verdict {
	b := client
	if len(b) == 0 {
		b = server
	}
	switch {
	case len(b) == 0:
		return Maybe
	case b[0] == 0x81 && len(client) > 0: // NetBIOS session request, then SMB
		if len(b) < 5 {
			return Maybe
		}
		if b[1] == 0 && b[2] == 0 && b[3] == 68 && b[4] == 32 {
			return Yes
		}
		return No
	case b[0] != 0:
		return No
	case len(b) < 8:
		return Maybe
	}
	if (b[4] == 0xff || b[4] == 0xfe) && string(b[5:8]) == "SMB" {
		return Yes
	}
	return No
}

func (smbDissector) Open(s *Stream, out Out) Parser {
	seenApp(s, "smb")
	return &smbParser{s: s, out: out, at: s.Opened}
}

type smbParser struct {
	s              *Stream
	out            Out
	at             int64
	client, server smbSide
	dialects       []string // that an SMB 1 client offered
	signed         bool     // the server's answer to a sign-in was seen
}

func (p *smbParser) Data(fromClient bool, at int64, b []byte) bool {
	p.at = at
	if fromClient {
		p.client.feed(b, p.fromClient)
	} else {
		p.server.feed(b, p.fromServer)
	}
	return !p.signed && !(p.client.over && p.server.over)
}

func (p *smbParser) Gap(fromClient bool, _ int) bool { return false }
func (p *smbParser) Close(int64)                     {}

func (p *smbParser) fromClient(b []byte) {
	o := seenClient(p.s, p.at, "smb")
	switch {
	case smbOne(b, smbNegotiate):
		p.dialects = smbDialects(b)
	case smbOne(b, smbSetup):
		if m, ok := parseNTLM(b); ok {
			m.facts(&o)
		}
		system, _ := smbNative(b, true)
		seenAdd(&o, asset.FactOS, system)
	case smbTwo(b) == 1:
		if m, ok := parseNTLM(b); ok {
			m.facts(&o)
		}
	}
	if len(o.Facts) > 0 {
		seenAdd(&o, asset.FactClientOf, "smb")
		seenTell(p.out, o)
	}
}

func (p *smbParser) fromServer(b []byte) {
	o := seenServes(p.s, p.at, "smb")
	before := len(o.Facts)
	switch {
	case smbOne(b, smbNegotiate):
		seenAdd(&o, asset.FactServerBanner, p.chosen(b))
	case smbOne(b, smbSetup):
		if m, ok := parseNTLM(b); ok {
			m.facts(&o)
		}
		system, manager := smbNative(b, false)
		seenAdd(&o, asset.FactOS, system)
		seenAdd(&o, asset.FactServerBanner, manager)
		p.signed = len(b) > 9 && b[5]|b[6]|b[7]|b[8] == 0
	case smbTwo(b) == 0:
		seenAdd(&o, asset.FactServerBanner, smbDialect(b))
	case smbTwo(b) == 1:
		if m, ok := parseNTLM(b); ok {
			m.facts(&o)
		}
		p.signed = b[8]|b[9]|b[10]|b[11] == 0
	}
	if len(o.Facts) > before {
		seenTell(p.out, o)
	}
}

// smbOne reports whether b is a message of SMB 1 with a command.
func smbOne(b []byte, command byte) bool {
	return len(b) > 32 && string(b[:4]) == "\xffSMB" && b[4] == command
}

// smbTwo gives the command of a message of SMB 2 or 3; -1 for none.
func smbTwo(b []byte) int {
	if len(b) < 64 || string(b[:4]) != "\xfeSMB" {
		return -1
	}
	return int(b[12]) | int(b[13])<<8
}

// smbDialect names what an SMB 2 server chose.
func smbDialect(b []byte) string {
	r := seenBytes{b: b[64:]}
	r.take(4)
	switch r.le16() {
	case 0x0202:
		return "SMB 2.0.2"
	case 0x0210:
		return "SMB 2.1"
	case 0x0300:
		return "SMB 3.0"
	case 0x0302:
		return "SMB 3.0.2"
	case 0x0311:
		return "SMB 3.1.1"
	}
	return "" // also 0x02ff: the client asks again
}

// smbDialects are those that an SMB 1 client offers, in order.
func smbDialects(b []byte) []string {
	r := seenBytes{b: b[32:]}
	r.take(int(r.u8()) * 2)
	var out []string
	for _, d := range bytes.Split(r.take(min(int(r.le16()), len(r.b))), []byte{0}) {
		if d, ok := bytes.CutPrefix(d, []byte{2}); ok && len(out) < 32 {
			out = append(out, seenText(d))
		}
	}
	return out
}

func (p *smbParser) chosen(b []byte) string {
	r := seenBytes{b: b[32:]}
	if words := r.u8(); words == 0 {
		return ""
	}
	if i := int(r.le16()); i < len(p.dialects) {
		return strings.TrimSpace("SMB 1 " + p.dialects[i])
	}
	return "SMB 1"
}

// smbNative reads the system and the LAN manager at the end of a sign-in.
func smbNative(b []byte, request bool) (system, manager string) {
	unicode := b[11]&0x80 != 0 // second byte of the second flags
	r := seenBytes{b: b[32:]}
	words := int(r.u8())
	block := seenBytes{b: r.take(words * 2)}
	data := seenBytes{b: r.take(min(int(r.le16()), len(r.b)))}
	at := len(b) - len(r.b) - len(data.b)
	skip, texts := 0, 0
	switch {
	case words == 12 || words == 4: // with a security blob
		if request {
			block.take(8)
		}
		block.take(6)
		skip = int(block.le16())
	case words == 13 && request:
		block.take(14)
		skip = int(block.le16())
		skip += int(block.le16())
		texts = 2 // account and domain
	case words != 3:
		return "", ""
	}
	if data.take(skip); unicode && (at+skip)%2 != 0 {
		data.take(1)
	}
	for range texts {
		smbText(&data, unicode)
	}
	return smbText(&data, unicode), smbText(&data, unicode)
}

// smbText takes a text up to its zero.
func smbText(r *seenBytes, unicode bool) string {
	if !unicode {
		text, rest, _ := bytes.Cut(r.b, []byte{0})
		r.b = rest
		return seenText(text)
	}
	for i := 0; i+1 < len(r.b); i += 2 {
		if r.b[i]|r.b[i+1] == 0 {
			text := r.take(i + 2)
			return seenUTF16(text)
		}
	}
	text := r.b
	r.b = nil
	return seenUTF16(text)
}
