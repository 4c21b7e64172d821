package capture

import "bytes"

// clearMail notices sign-ins in clear at mail servers: POP3, IMAP and SMTP, and
// patient data in the mails that pass.
type clearMail struct{ *clinical }

// Name is the protocol's.
func (*clearMail) Name() string { return "mail" }

// Probe looks for a greeting and the first command.
func (*clearMail) Probe(_ *Stream, client, server []byte) Verdict {
	if len(server) < 4 {
		return Maybe
	}
	if clearMailKind(client, server) != "" {
		return Yes
	}
	if len(client) == 0 && (bytes.HasPrefix(server, []byte("+OK")) || bytes.HasPrefix(server, []byte("* OK")) || bytes.HasPrefix(server, []byte("220"))) {
		return Maybe
	}
	return No
}

// clearMailKind is pop3, imap or smtp.
func clearMailKind(client, server []byte) string {
	word, rest := clearWord(bytes.TrimRight(client[:min(len(client), 64)], "\r\n"))
	switch {
	case len(client) < 4:
	case bytes.HasPrefix(server, []byte("+OK")):
		return "pop3"
	case bytes.HasPrefix(server, []byte("* OK")) && len(rest) > 0:
		return "imap"
	case bytes.HasPrefix(server, []byte("220")) && (word == "EHLO" || word == "HELO"):
		return "smtp"
	}
	return ""
}

// Open begins to read a connection.
func (d *clearMail) Open(s *Stream, out Out) Parser {
	return &clearMailParser{clearStream: clearStream{clinical: d.clinical, s: s, out: out}, client: clearLines{most: 512}, server: clearLines{most: 64}}
}

type clearMailParser struct {
	clearStream
	client, server clearLines
	greeting       []byte // what the server and the client said first
	opening        []byte
	secret         bool // the next line of the client may be a secret
	tls            bool // asked for
	at             int64
}

// Data reads on.
func (p *clearMailParser) Data(fromClient bool, at int64, b []byte) bool {
	p.at = at
	switch {
	case !fromClient && len(p.greeting) < 4:
		p.greeting = append(p.greeting, b[:min(len(b), 4-len(p.greeting))]...)
	case fromClient && p.protocol == "":
		p.opening = append(p.opening, b[:min(len(b), 64-len(p.opening))]...)
		p.named()
	}
	ok := false
	if fromClient {
		ok = p.client.feed(b, p.command)
	} else {
		ok = p.server.feed(b, p.reply)
	}
	return ok && p.clearStream.Data(fromClient, at, b)
}

// named tells which protocol it is, once enough of it was seen.
func (p *clearMailParser) named() {
	if p.protocol = clearMailKind(p.opening, p.greeting); p.protocol == "" {
		return
	}
	if n := p.s.Notes(); n.App == "" || n.App == "mail" {
		n.App = p.protocol
	}
}

// command reads a line of the client.
func (p *clearMailParser) command(line []byte) bool {
	word, rest := clearWord(line)
	if p.secret {
		p.secret = false
		if len(line) > 0 && line[0] != '*' {
			p.password(p.s, p.out, p.at, p.protocol)
		}
		return true
	}
	if p.protocol == "imap" { // behind a tag
		word, rest = clearWord(rest)
		if word == "AUTHENTICATE" {
			word = "AUTH"
		}
	}
	switch word {
	case "PASS", "LOGIN":
		if p.protocol != "smtp" && len(rest) > 0 {
			p.password(p.s, p.out, p.at, p.protocol)
		}
	case "AUTH":
		if how, first := clearWord(rest); how == "PLAIN" || how == "LOGIN" {
			p.secret = len(first) == 0
			if !p.secret {
				p.password(p.s, p.out, p.at, p.protocol)
			}
		}
	case "STARTTLS", "STLS":
		p.tls = true
	}
	return true
}

// reply reads a line of the server.
func (p *clearMailParser) reply(line []byte) bool {
	if !p.tls {
		return true
	}
	p.tls = false
	_, rest, _ := bytes.Cut(line, []byte{' '})
	accepted := bytes.HasPrefix(line, []byte("220")) || bytes.HasPrefix(line, []byte("+OK")) || p.protocol == "imap" && bytes.HasPrefix(rest, []byte("OK"))
	return !accepted
}
