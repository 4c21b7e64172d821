package capture

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// tnsDissector reads what can be read of Oracle's protocol, whose inner layer
// (TTC) is not published: the connect descriptor with service, program, host
// and user of the system; the account, where the sign-in names it; and the text
// of statements, which it finds by content where a call that carries them
// begins (OALL8). Answers are not read: how many rows there were and whether it
// failed is not known. Where encryption or a checksum of Oracle's own is agreed
// upon, no statement is found.
type tnsDissector struct{ *clinical }

// Name is the protocol's.
func (*tnsDissector) Name() string { return "oracle" }

// The types of packets.
const (
	tnsConnect  = 1
	tnsAccept   = 2
	tnsRefuse   = 4
	tnsRedirect = 5
	tnsData     = 6
	tnsHead     = 8
	tnsMost     = 32 << 10
)

// Probe looks for a CONNECT, or for a call with a statement.
func (*tnsDissector) Probe(s *Stream, client, server []byte) Verdict {
	if len(client) == 0 {
		if len(server) > 0 && s.Whole {
			return No
		}
		return Maybe
	}
	if len(client) < 12 {
		if len(client) > 4 && client[4] != tnsConnect && client[4] != tnsData {
			return No
		}
		return Maybe
	}
	n := int(binary.BigEndian.Uint16(client))
	switch version := binary.BigEndian.Uint16(client[8:]); {
	case client[4] == tnsConnect && client[2] == 0 && client[3] == 0 && client[6] == 0 && client[7] == 0 && n >= 34 && n <= 4096 &&
		version >= 0x100 && version < 0x200 && bytes.Contains(client[tnsHead:min(len(client), n+1024)], []byte("(")):
		return Yes
	case !s.Whole && client[4] == tnsData && client[5] == 0 && len(tnsStatements(client[10:], 1)) > 0:
		return Yes
	case client[4] == tnsConnect && n >= 34 && len(client) < n:
		return Maybe
	}
	return No
}

// Open begins to read a connection.
func (d *tnsDissector) Open(s *Stream, out Out) Parser {
	p := &tnsParser{sqlSession: sqlBegin(d.clinical, s, out, "oracle", "Oracle")}
	p.client = clinicalFrames{size: tnsHead, most: tnsMost, length: p.length, take: p.packet, starts: tnsStarts}
	p.server = clinicalFrames{size: tnsHead, most: 256, length: p.length, take: p.reply, starts: tnsStarts}
	return p
}

func tnsStarts(b []byte) bool {
	return len(b) >= tnsHead+2 && b[4] == tnsData && b[5]&^0x20 == 0 && b[6] == 0 && b[7] == 0
}

// tnsParser reads one connection.
type tnsParser struct {
	sqlSession
	client, server clinicalFrames
	at             int64
	long           bool // packets tell their length in four bytes (since 12.1)
	named          bool
}

// Data reads on.
func (p *tnsParser) Data(fromClient bool, at int64, b []byte) bool {
	p.at = at
	if fromClient {
		p.looks(at, 0, b)
		return p.client.feed(b)
	}
	p.looks(at, 1, b)
	return p.server.feed(b)
}

// Gap goes on where the next packet can be told.
func (p *tnsParser) Gap(fromClient bool, n int) bool {
	if fromClient {
		return p.client.gap(n)
	}
	return p.server.gap(n)
}

// Close tells of what was asked last.
func (p *tnsParser) Close(int64) { p.close() }

// length is the length behind a packet's head. Since version 315 the accepted
// connection has it in four bytes, of which the first two were never used.
func (p *tnsParser) length(head []byte) int {
	n := int(binary.BigEndian.Uint16(head))
	if n == 0 && (head[4] == tnsData || p.long) {
		n, p.long = int(binary.BigEndian.Uint32(head)), true
	} else if p.long {
		n = int(binary.BigEndian.Uint32(head))
	}
	if n < tnsHead || n > 1<<21 || head[4] == 0 || head[4] > 19 {
		return -1
	}
	return n - tnsHead
}

// packet reads a packet of the client.
func (p *tnsParser) packet(head, body []byte, _ int) bool {
	switch head[4] {
	case tnsConnect:
		if len(body) >= 20 {
			n, at := int(binary.BigEndian.Uint16(body[16:])), int(binary.BigEndian.Uint16(body[18:]))-tnsHead
			if at >= 0 && at < len(body) {
				p.descriptor(body[at:min(len(body), at+n)])
			}
		}
	case tnsData:
		if len(body) < 2 {
			return true
		}
		p.data(body[2:])
	}
	return true
}

// data reads what a DATA packet carries.
func (p *tnsParser) data(b []byte) {
	if !p.named && len(b) > 0 && b[0] == '(' { // a long descriptor follows its CONNECT
		p.descriptor(b)
		return
	}
	if p.user == "" || strings.EqualFold(p.user, p.osUser) {
		if user := tnsAccount(b); user != "" {
			p.user = user
			p.signedIn()
		}
	}
	for _, text := range tnsStatements(b, 8) {
		a := &sqlAsked{at: p.at, code: "query", sqlText: p.keep(text.text, len(text.text)+text.missing)}
		p.ask(a)
		p.answer(a) // answers are not read
	}
}

// descriptor reads (DESCRIPTION=(CONNECT_DATA=(SERVICE_NAME=x)(CID=...))).
func (p *tnsParser) descriptor(b []byte) {
	p.named = p.named || len(b) > 0
	for _, key := range []string{"SERVICE_NAME", "SID"} {
		if v := tnsValue(b, key); v != "" && p.database == "" {
			p.database = v
		}
	}
	if i := tnsKey(b, "CID"); i >= 0 {
		cid := b[i:]
		p.program, p.host, p.osUser = tnsBase(tnsValue(cid, "PROGRAM")), tnsValue(cid, "HOST"), tnsValue(cid, "USER")
	}
	if p.osUser != "" {
		p.s.Notes().ClientName = p.osUser
	}
	p.s.Notes().ServerName = p.database
}

// tnsValue is the value of (KEY=value), in whatever letters.
func tnsValue(b []byte, key string) string {
	i := tnsKey(b, key)
	if i < 0 {
		return ""
	}
	rest := b[i+len(key)+2:]
	end := bytes.IndexAny(rest, "()")
	if end < 0 {
		return ""
	}
	return clinicalText(rest[:end])
}

// tnsKey is where (KEY= stands, -1 for nowhere.
func tnsKey(b []byte, key string) int {
	for i, n := 0, len(key)+2; i+n <= len(b); i++ {
		if b[i] == '(' && b[i+n-1] == '=' && strings.EqualFold(string(b[i+1:i+n-1]), key) {
			return i
		}
	}
	return -1
}

// tnsBase is a program without its folder.
func tnsBase(path string) string {
	return path[strings.LastIndexAny(path, `/\`)+1:]
}

// reply reads a packet of the server.
func (p *tnsParser) reply(head, body []byte, _ int) bool {
	switch head[4] {
	case tnsAccept:
		p.ask(&sqlAsked{at: p.at, code: "connect", activity: sqlConnect})
		p.answer(p.oldest())
		if len(body) >= 2 && binary.BigEndian.Uint16(body) >= 315 {
			p.long = true
		}
	case tnsRefuse:
		a := p.ask(&sqlAsked{at: p.at, code: "connect", activity: sqlConnect, failed: true})
		if code := tnsValue(body, "ERR"); code != "" && strings.Trim(code, "0123456789") == "" {
			a.detail = "error " + code
		}
		p.answer(a)
	case tnsRedirect:
		p.s.Notes().Call("REDIRECT", 1)
	}
	return true
}

// tnsAccount is the account in a message of the sign-in (TTC 0x73, 0x76): it
// stands with its length before the first AUTH_ key.
func tnsAccount(b []byte) string {
	if len(b) < 8 || b[0] != 3 || b[1] != 0x73 && b[1] != 0x76 {
		return ""
	}
	key := bytes.Index(b, []byte("AUTH_"))
	if key < 4 {
		return ""
	}
	for _, before := range []int{3, 2, 6} { // how the key's length is written
		end := key - before
		for n := 1; n <= 64 && end-n > 2; n++ {
			if name := b[end-n : end]; int(b[end-n-1]) == n && tnsPrintable(name) && name[0] > ' ' {
				return clinicalText(name)
			}
		}
	}
	return ""
}

func tnsPrintable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
			return false
		}
	}
	return true
}

// tnsFound is the text of a statement, and how many bytes of it stand in the
// next packet.
type tnsFound struct {
	text    []byte
	missing int
}

// tnsStatements finds the texts of statements in a message that carries some
// (OALL8, 03 5e, also behind others): a verb of SQL behind the right length.
func tnsStatements(b []byte, most int) (texts []tnsFound) {
	call := bytes.Index(b, []byte{3, 0x5e})
	if call < 0 {
		return nil
	}
	for i := call + 3; i < len(b) && len(texts) < most; i++ {
		c := b[i] | 0x20
		if c < 'a' || c > 'w' || !sqlBeginsStatement(b[i:min(len(b), i+16)]) {
			continue
		}
		if t := tnsText(b, i); t.text != nil {
			texts = append(texts, t)
			i += len(t.text)
		}
	}
	return texts
}

// tnsText is the text at i if a length before it fits: one byte; or pieces,
// behind 0xfe, each with its length in a byte, or in a number with its size.
func tnsText(b []byte, i int) tnsFound {
	n := int(b[i-1])
	switch {
	case i >= 2 && b[i-2] == 0xfe && n >= 6:
		return tnsPieces(b[i-1:], func(b []byte) (size, head int) { return int(b[0]), 1 })
	case i >= 4 && tnsSized(b, i) > 0:
		at := i - 1 - tnsSized(b, i)
		return tnsPieces(b[at:], func(b []byte) (size, head int) {
			digits := int(b[0])
			if digits > 4 || digits >= len(b) {
				return -1, 0
			}
			for _, c := range b[1 : 1+digits] {
				size = size<<8 | int(c)
			}
			return size, 1 + digits
		})
	case n >= 6 && n < 0xfe && i+n <= len(b) && tnsPrintable(b[i:i+n]):
		return tnsFound{text: b[i : i+n]}
	}
	return tnsFound{}
}

// tnsSized is how many bytes a number has that stands before i, itself behind
// its size and 0xfe; 0 for none.
func tnsSized(b []byte, i int) int {
	for digits := 1; digits <= 4 && i-digits-2 >= 0; digits++ {
		if int(b[i-digits-1]) == digits && b[i-digits-2] == 0xfe {
			return digits
		}
	}
	return 0
}

// tnsPieces joins the pieces of a text up to an empty one. The end may be in
// another packet.
func tnsPieces(b []byte, length func(b []byte) (size, head int)) (t tnsFound) {
	for len(b) > 0 && len(t.text) < sqlMostText {
		size, head := length(b)
		if size < 0 {
			return tnsFound{}
		}
		if size == 0 {
			break
		}
		b = b[head:]
		piece := b[:min(size, len(b))]
		if !tnsPrintable(piece) {
			return tnsFound{}
		}
		t.text = append(t.text, piece...)
		t.missing += size - len(piece)
		b = b[len(piece):]
	}
	if len(t.text) < 6 {
		return tnsFound{}
	}
	return t
}
