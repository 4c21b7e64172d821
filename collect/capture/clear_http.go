package capture

import "bytes"

// clearHTTP notices passwords and patient data in HTTP. What is asked for and
// by what program is read elsewhere.
type clearHTTP struct{ *clinical }

// Name is the protocol's.
func (*clearHTTP) Name() string { return "clear-http" }

// Probe looks for a request line.
func (*clearHTTP) Probe(_ *Stream, client, server []byte) Verdict {
	if len(client) == 0 {
		if bytes.HasPrefix(server, []byte("HTTP/1.")) {
			return Yes
		}
		return Maybe
	}
	for _, verb := range []string{"GET ", "POST ", "PUT ", "HEAD ", "DELETE ", "PATCH ", "OPTIONS ", "CONNECT ", "PROPFIND "} {
		n := min(len(client), len(verb))
		if string(client[:n]) != verb[:n] {
			continue
		}
		if n < len(verb) {
			return Maybe
		}
		line, _, whole := bytes.Cut(client, []byte{'\n'})
		switch {
		case bytes.Contains(line, []byte(" HTTP/1.")):
			return Yes
		case !whole && len(client) < 2048:
			return Maybe
		}
		return No
	}
	return No
}

// Open begins to read a connection.
func (d *clearHTTP) Open(s *Stream, out Out) Parser {
	clinicalApp(s, "http")
	return &clearHTTPParser{clearStream: clearStream{clinical: d.clinical, s: s, out: out, protocol: "http"}, client: clearLines{most: 4096}}
}

type clearHTTPParser struct {
	clearStream
	client clearLines
	at     int64
	form   bool // a body that may be a form was announced
}

// Data reads on.
func (p *clearHTTPParser) Data(fromClient bool, at int64, b []byte) bool {
	p.at = at
	if fromClient {
		p.client.feed(b, p.line)
		if p.form {
			p.body(p.client.line) // forms do not end in a line feed
		}
	}
	return p.clearStream.Data(fromClient, at, b)
}

// line reads a line of a request, or of its body.
func (p *clearHTTPParser) line(line []byte) bool {
	name, value, _ := bytes.Cut(line, []byte{':'})
	switch {
	case bytes.EqualFold(name, []byte("authorization")), bytes.EqualFold(name, []byte("proxy-authorization")):
		if scheme, rest := clearWord(bytes.TrimSpace(value)); scheme == "BASIC" && len(rest) > 0 {
			p.password(p.s, p.out, p.at, "http")
		}
		return true
	case bytes.EqualFold(name, []byte("content-type")):
		p.form = bytes.Contains(value, []byte("form-urlencoded")) || bytes.Contains(value, []byte("json"))
		return true
	}
	if p.form {
		p.body(line)
	}
	return true
}

// body looks for a password among the fields of a form or of JSON.
func (p *clearHTTPParser) body(b []byte) {
	for _, field := range []string{"password", "passwd", "pwd", "userpwd", "loginpwd"} {
		for rest := b; ; {
			i := bytes.Index(rest, []byte(field))
			if i < 0 {
				break
			}
			before := byte('&')
			if i > 0 {
				before = rest[i-1]
			}
			rest = rest[i+len(field):]
			if clearFieldSet(before, rest) {
				p.form = false
				p.password(p.s, p.out, p.at, "http")
				return
			}
		}
	}
}

// clearFieldSet says whether a field whose name has just been passed has a
// value: &name=x, "name":"x".
func clearFieldSet(before byte, rest []byte) bool {
	switch before {
	case '&':
		return len(rest) > 1 && rest[0] == '=' && rest[1] != '&'
	case '"':
		rest, ok := bytes.CutPrefix(rest, []byte{'"'})
		rest = bytes.TrimLeft(rest, " :\t")
		return ok && len(rest) > 1 && rest[0] == '"' && rest[1] != '"'
	}
	return false
}
