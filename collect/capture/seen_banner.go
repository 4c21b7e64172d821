package capture

import (
	"bytes"
	"strings"

	"github.com/cordon-health/cordon/asset"
)

// Protocols in which the server names itself first: SSH, FTP, SMTP, POP3,
// IMAP, telnet, VNC. What follows is not read, but for the word that begins
// TLS.
const (
	bannerMostLine  = 512
	bannerMostTurns = 64 // pieces of a greeting's stream looked at for TLS
)

// bannerStarts compares b with the beginning of a protocol.
func bannerStarts(b []byte, with string) Verdict {
	n := min(len(b), len(with))
	switch {
	case string(b[:n]) != with[:n]:
		return No
	case n < len(with):
		return Maybe
	}
	return Yes
}

// bannerLine is the first line of b; ok is false while it is not whole.
func bannerLine(b []byte) (line string, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 && len(b) < bannerMostLine {
		return "", false
	}
	if i < 0 {
		i = bannerMostLine
	}
	return seenText(b[:min(i, bannerMostLine)]), true
}

// sshDissector reads the versions of both sides. Source: RFC 4253, 4.2.
type sshDissector struct{}

func newSSH() StreamDissector { return sshDissector{} }

func (sshDissector) Name() string { return "ssh" }

func (sshDissector) Probe(_ *Stream, client, server []byte) Verdict {
	if len(server) > 0 {
		return bannerStarts(server, "SSH-")
	}
	return bannerStarts(client, "SSH-")
}

func (sshDissector) Open(s *Stream, out Out) Parser {
	seenApp(s, "ssh")
	return &sshParser{s: s, out: out}
}

type sshParser struct {
	s              *Stream
	out            Out
	client, server []byte
	told           [2]bool
}

func (p *sshParser) Data(fromClient bool, at int64, b []byte) bool {
	side, i, name := &p.server, 0, asset.FactServerBanner
	o := seenServes(p.s, at, "ssh")
	if fromClient {
		side, i, name = &p.client, 1, asset.FactUserAgent
		o = seenClient(p.s, at, "ssh")
		seenAdd(&o, asset.FactClientOf, "ssh")
	}
	if p.told[i] {
		return !p.told[0] || !p.told[1]
	}
	*side = append(*side, b[:min(len(b), bannerMostLine-len(*side))]...)
	if line, ok := bannerLine(*side); ok {
		p.told[i] = true
		seenAdd(&o, name, line)
		seenTell(p.out, o)
	}
	return !p.told[0] || !p.told[1]
}

func (p *sshParser) Gap(bool, int) bool { return false }
func (p *sshParser) Close(int64)        {}

// greetingDissector reads FTP, SMTP, POP3 and IMAP.
type greetingDissector struct{ memory *tlsMemory }

func newGreeting() StreamDissector { return &greetingDissector{newTLSMemory()} }

func (*greetingDissector) Name() string { return "greeting" }

func (*greetingDissector) Probe(s *Stream, client, server []byte) Verdict {
	app, v := greetingApp(s.Server.Port(), client, server)
	if v == Yes && app == "" {
		return Maybe
	}
	return v
}

// greetingApp says which protocol a server greets in. FTP and SMTP greet
// alike: then the words, the client's first, or the port decide.
func greetingApp(port uint16, client, server []byte) (app string, v Verdict) {
	if len(server) == 0 {
		if len(client) > 0 {
			return "", No
		}
		return "", Maybe
	}
	for _, known := range []struct{ begins, app string }{{"+OK", "pop3"}, {"* OK", "imap"}, {"220", ""}} {
		v = bannerStarts(server, known.begins)
		if v == No {
			continue
		}
		line, whole := bannerLine(server)
		if v == Maybe || !whole {
			return "", Maybe
		}
		if known.app != "" {
			return known.app, Yes
		}
		app = greeting220(port, strings.ToLower(line), strings.ToUpper(string(client[:min(len(client), 5)])))
		return app, Yes
	}
	return "", No
}

func greeting220(port uint16, line, command string) string {
	switch {
	case strings.Contains(line, "ftp"), strings.HasPrefix(command, "USER "):
		return "ftp"
	case strings.Contains(line, "smtp"), strings.HasPrefix(command, "EHLO "), strings.HasPrefix(command, "HELO "):
		return "smtp"
	case port == 21:
		return "ftp"
	case port == 25, port == 587:
		return "smtp"
	case strings.HasPrefix(command, "AUTH "), strings.HasPrefix(command, "FEAT"):
		return "ftp"
	}
	return ""
}

func (d *greetingDissector) Open(s *Stream, out Out) Parser {
	return &greetingParser{s: s, out: out, memory: d.memory}
}

type greetingParser struct {
	s      *Stream
	out    Out
	memory *tlsMemory
	client []byte // the beginning of what it says
	server []byte
	turns  int
	app    string // once it is told
	asked  bool   // for TLS
	within *tlsParser
}

func (p *greetingParser) Data(fromClient bool, at int64, b []byte) bool {
	if p.within != nil {
		return p.within.Data(fromClient, at, b)
	}
	if p.turns++; p.turns > bannerMostTurns {
		return false
	}
	if p.app == "" {
		p.greet(fromClient, at, b)
	}
	if fromClient {
		p.asked = greetingAsksTLS(b)
		return true
	}
	if p.asked && greetingAgrees(b) {
		p.within = &tlsParser{s: p.s, out: p.out, memory: p.memory, at: at, app: p.app}
	}
	p.asked = false
	return true
}

func (p *greetingParser) greet(fromClient bool, at int64, b []byte) {
	side := &p.server
	if fromClient {
		side = &p.client
	}
	*side = append(*side, b[:min(len(b), bannerMostLine-len(*side))]...)
	app, v := greetingApp(p.s.Server.Port(), p.client, p.server)
	if v != Yes || app == "" {
		return
	}
	p.app = app
	seenApp(p.s, app)
	line, _ := bannerLine(p.server)
	o := seenServes(p.s, at, app)
	seenAdd(&o, asset.FactServerBanner, line)
	seenTell(p.out, o)
	o = seenClient(p.s, at, app)
	seenAdd(&o, asset.FactClientOf, app)
	seenTell(p.out, o)
}

// greetingAsksTLS finds the client's wish to encrypt. Source: RFC 3207, RFC
// 2595, RFC 4217.
func greetingAsksTLS(b []byte) bool {
	if len(b) > 64 {
		return false
	}
	line := strings.ToUpper(strings.TrimSpace(string(b)))
	for _, word := range []string{"STARTTLS", "STLS", "AUTH TLS", "AUTH SSL", "AUTH TLS-C"} {
		if strings.HasSuffix(line, word) {
			return true
		}
	}
	return false
}

func greetingAgrees(b []byte) bool {
	return bytes.HasPrefix(b, []byte("220")) || bytes.HasPrefix(b, []byte("234")) ||
		bytes.HasPrefix(b, []byte("+OK")) || bytes.Contains(b[:min(len(b), 64)], []byte(" OK"))
}

func (p *greetingParser) Gap(fromClient bool, n int) bool {
	return p.within != nil && p.within.Gap(fromClient, n)
}

func (p *greetingParser) Close(int64) {}

// telnetDissector reads what a server shows before anybody types. Source: RFC
// 854.
type telnetDissector struct{}

func newTelnet() StreamDissector { return telnetDissector{} }

func (telnetDissector) Name() string { return "telnet" }

const (
	telnetIAC = 255
	telnetSE  = 240
	telnetSB  = 250
)

func (telnetDissector) Probe(_ *Stream, client, server []byte) Verdict {
	b := server
	if len(b) == 0 {
		b = client
	}
	switch {
	case len(b) == 0:
		return Maybe
	case b[0] != telnetIAC:
		return No
	case len(b) < 3:
		return Maybe
	}
	if b[1] > telnetSB && b[1] < telnetIAC && b[2] < 64 {
		return Yes
	}
	return No
}

func (telnetDissector) Open(s *Stream, out Out) Parser {
	seenApp(s, "telnet")
	return &telnetParser{s: s, out: out}
}

type telnetParser struct {
	s              *Stream
	out            Out
	client, server []byte // as it came: commands may be cut anywhere
	told           bool
}

const telnetMost = 2 << 10 // of one side

func (p *telnetParser) Data(fromClient bool, at int64, b []byte) bool {
	side := &p.server
	if fromClient {
		side = &p.client
	}
	*side = append(*side, b[:min(len(b), telnetMost-len(*side))]...)
	if len(*side) < telnetMost && (!fromClient || len(telnetText(p.client)) == 0) {
		return true
	}
	p.tell(at)
	return false
}

func (p *telnetParser) Gap(bool, int) bool { return false }
func (p *telnetParser) Close(at int64)     { p.tell(at) }

func (p *telnetParser) tell(at int64) {
	if p.told {
		return
	}
	p.told = true
	o := seenServes(p.s, at, "telnet")
	seenAdd(&o, asset.FactServerBanner, seenText(telnetText(p.server)))
	seenTell(p.out, o)
	o = seenClient(p.s, at, "telnet")
	seenAdd(&o, asset.FactClientOf, "telnet")
	seenTell(p.out, o)
}

// telnetText is b without commands and what steers a terminal.
func telnetText(b []byte) (out []byte) {
	for i := 0; i < len(b) && len(out) < bannerMostLine; i++ {
		switch c := b[i]; {
		case c == telnetIAC:
			i = telnetCommand(b, i)
		case c == 0x1b: // up to the letter that ends it
			for i++; i < len(b) && (b[i] < 'A' || b[i] == '['); i++ {
			}
		case c == 0:
		default:
			out = append(out, c)
		}
	}
	return out
}

// telnetCommand gives the place of the last byte of a command.
func telnetCommand(b []byte, i int) int {
	if i+1 >= len(b) {
		return i
	}
	switch c := b[i+1]; {
	case c == telnetSB:
		if end := bytes.Index(b[i:], []byte{telnetIAC, telnetSE}); end >= 0 {
			return i + end + 1
		}
		return len(b)
	case c > telnetSB && c < telnetIAC:
		return i + 2
	}
	return i + 1
}

// vncDissector reads the version. Source: RFC 6143, 7.1.1.
type vncDissector struct{}

func newVNC() StreamDissector { return vncDissector{} }

func (vncDissector) Name() string { return "vnc" }

func (vncDissector) Probe(_ *Stream, _, server []byte) Verdict {
	return bannerStarts(server, "RFB 00")
}

func (vncDissector) Open(s *Stream, out Out) Parser {
	seenApp(s, "vnc")
	return &vncParser{s: s, out: out}
}

type vncParser struct {
	s      *Stream
	out    Out
	server []byte
}

func (p *vncParser) Data(fromClient bool, at int64, b []byte) bool {
	if fromClient {
		return true
	}
	p.server = append(p.server, b[:min(len(b), 12-len(p.server))]...)
	if len(p.server) < 12 {
		return true
	}
	o := seenServes(p.s, at, "vnc")
	seenAdd(&o, asset.FactServerBanner, seenText(p.server))
	seenTell(p.out, o)
	o = seenClient(p.s, at, "vnc")
	seenAdd(&o, asset.FactClientOf, "vnc")
	seenTell(p.out, o)
	return false
}

func (p *vncParser) Gap(bool, int) bool { return false }
func (p *vncParser) Close(int64)        {}
