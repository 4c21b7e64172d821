package capture

import "bytes"

// clearTelnet notices that somebody signs in by telnet, or looks at patients
// through it.
type clearTelnet struct{ *clinical }

// Name is the protocol's.
func (*clearTelnet) Name() string { return "clear-telnet" }

// Probe looks for the negotiation that telnet begins with.
func (*clearTelnet) Probe(_ *Stream, client, server []byte) Verdict {
	a, b := clearTelnetLooks(client), clearTelnetLooks(server)
	if a == Yes || b == Yes {
		return Yes
	}
	if len(client) == 0 || len(server) == 0 {
		return Maybe
	}
	return No
}

func clearTelnetLooks(b []byte) Verdict {
	if len(b) >= 3 && b[0] == 0xff && b[1] >= 0xfb && b[1] <= 0xfe && b[2] < 50 {
		return Yes
	}
	return No
}

// Open begins to read a session.
func (d *clearTelnet) Open(s *Stream, out Out) Parser {
	clinicalApp(s, "telnet")
	return &clearTelnetParser{clearStream: clearStream{clinical: d.clinical, s: s, out: out, protocol: "telnet"}}
}

type clearTelnetParser struct {
	clearStream
	tail  []byte // the last bytes the server said
	asked bool   // for a password
}

// Data reads on.
func (p *clearTelnetParser) Data(fromClient bool, at int64, b []byte) bool {
	const most = 32
	if !fromClient {
		p.tail = append(p.tail, b[max(0, len(b)-most):]...)
		p.tail = p.tail[max(0, len(p.tail)-most):]
		text := bytes.ToLower(bytes.TrimRight(p.tail, " \r\n\x00"))
		for _, word := range []string{"password:", "passwd:", "密码:", "密码："} {
			p.asked = p.asked || bytes.HasSuffix(text, []byte(word))
		}
	} else if p.asked && len(b) > 0 && b[0] != 0xff {
		p.asked = false
		p.s.Notes().Call("LOGIN", 1)
		p.password(p.s, p.out, at, "telnet")
	}
	return p.clearStream.Data(fromClient, at, b)
}
