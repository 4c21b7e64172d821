package capture

import (
	"bytes"
	"fmt"

	"github.com/cordon-health/cordon/asset"
)

// ntlmMessage is what NTLM tells of machines; the account in it is read over.
// Source: MS-NLMP 2.2.1, 2.2.2.1, 2.2.2.10.
type ntlmMessage struct {
	kind                        uint32
	computer, dns, domain, work string
	system                      string
}

const (
	ntlmNegotiate    = 1
	ntlmChallenge    = 2
	ntlmAuthenticate = 3

	ntlmHasVersion = 1 << 25
	ntlmUnicode    = 1
)

var ntlmSign = []byte("NTLMSSP\x00")

// parseNTLM finds a message in a token, which GSS-API may wrap.
func parseNTLM(b []byte) (m ntlmMessage, ok bool) {
	i := bytes.Index(b, ntlmSign)
	if i < 0 {
		return m, false
	}
	b = b[i:]
	r := seenBytes{b: b[8:]}
	switch m.kind = r.le32(); m.kind {
	case ntlmNegotiate:
		flags := r.le32()
		r.take(16)
		m.version(&r, flags)
	case ntlmChallenge:
		m.challenge(b, &r)
	case ntlmAuthenticate:
		m.authenticate(b, &r)
	default:
		return m, false
	}
	return m, true
}

func (m *ntlmMessage) version(r *seenBytes, flags uint32) {
	if flags&ntlmHasVersion == 0 {
		return
	}
	major, minor, build := r.u8(), r.u8(), r.le16()
	if !r.short && major != 0 && build != 0 {
		m.system = fmt.Sprintf("Windows %d.%d.%d", major, minor, build)
	}
}

// ntlmField takes length, room and place of a field and gives its bytes.
func ntlmField(b []byte, r *seenBytes) []byte {
	length := int(r.le16())
	r.le16()
	at := int(r.le32())
	if at > len(b) || length > len(b)-at {
		return nil
	}
	return b[at : at+length]
}

func (m *ntlmMessage) challenge(b []byte, r *seenBytes) {
	ntlmField(b, r) // the target's name, which the list has too
	flags := r.le32()
	r.take(16)
	info := seenBytes{b: ntlmField(b, r)}
	m.version(r, flags)
	for i := 0; len(info.b) > 0 && i < 32; i++ {
		kind := info.le16()
		v := info.take(int(info.le16()))
		switch kind {
		case 0:
			return
		case 1:
			m.computer = seenUTF16(v)
		case 2:
			m.domain = seenUTF16(v)
		case 3:
			m.dns = seenUTF16(v)
		}
	}
}

func (m *ntlmMessage) authenticate(b []byte, r *seenBytes) {
	r.take(16) // answers to the challenge
	domain := ntlmField(b, r)
	ntlmField(b, r) // the account
	work := ntlmField(b, r)
	r.take(8)
	flags := r.le32()
	m.version(r, flags)
	if flags&ntlmUnicode != 0 {
		m.domain, m.work = seenUTF16(domain), seenUTF16(work)
	} else {
		m.domain, m.work = seenText(domain), seenText(work)
	}
}

// facts tells of the speaker: the server in a challenge, else the client.
func (m *ntlmMessage) facts(o *asset.Observation) {
	seenAdd(o, asset.FactHostname, m.dns)
	if m.dns == "" {
		seenAdd(o, asset.FactHostname, m.computer)
	}
	seenAdd(o, asset.FactHostname, m.work)
	seenAdd(o, asset.FactOS, m.system)
	if m.kind == ntlmChallenge && m.domain != "" && m.domain != m.computer {
		seenAdd(o, asset.FactDescription, "domain "+m.domain)
	}
}
