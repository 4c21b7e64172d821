package capture

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"unicode/utf16"

	"github.com/cordon-health/cordon/asset"
)

// tdsDissector reads TDS 7 (MS-TDS), the protocol of SQL Server and of Sybase's
// heirs: who signs in where, and every batch and call with its outcome. Where
// only the sign-in is encrypted, statements are read and nobody's name is
// known; where all is, the reading ends. TDS 8 begins with TLS and is not seen
// here.
type tdsDissector struct{ *clinical }

// Name is the protocol's.
func (*tdsDissector) Name() string { return "mssql" }

// The types of packets. Source: MS-TDS 2.2.3.1.1.
const (
	tdsBatch    = 0x01
	tdsRPC      = 0x03
	tdsReply    = 0x04
	tdsStop     = 0x06
	tdsBulk     = 0x07
	tdsTrans    = 0x0e
	tdsLogin    = 0x10
	tdsSSPI     = 0x11
	tdsPrelogin = 0x12
	tdsHead     = 8
	tdsTLS      = 0x17
)

// Probe looks for PRELOGIN, LOGIN7, or a batch.
func (*tdsDissector) Probe(s *Stream, client, server []byte) Verdict {
	v := tdsLooks(client)
	if v != Yes && !s.Whole {
		v = max(v, tdsLooks(server))
	}
	if len(client) == 0 && len(server) > 0 && s.Whole {
		return No // the client speaks first
	}
	return v
}

func tdsLooks(b []byte) Verdict {
	if len(b) == 0 {
		return Maybe
	}
	switch b[0] {
	case tdsBatch, tdsRPC, tdsLogin, tdsPrelogin:
	default:
		return No
	}
	if len(b) < tdsHead+12 {
		if len(b) > 1 && b[1]&^0x19 != 0 {
			return No
		}
		return Maybe
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if b[1]&^0x19 != 0 || n < tdsHead+8 || n > 32<<10 || b[7] != 0 {
		return No
	}
	body := b[tdsHead:min(len(b), n)]
	yes := false
	switch b[0] {
	case tdsPrelogin: // the version comes first, six bytes
		yes = body[0] == 0 && body[1] == 0 && body[3] == 0 && body[4] == 6
	case tdsLogin: // its own length, and a version 7
		yes = binary.LittleEndian.Uint32(body) >= 86 && body[7]&0xf0 == 0x70
	case tdsBatch:
		text := tdsText(tdsBehindHeaders(body))
		yes = sqlVerb(text[:min(len(text), 256)]) != ""
	case tdsRPC:
		rest := tdsBehindHeaders(body)
		yes = len(rest) < len(body) && len(rest) > 6 && binary.LittleEndian.Uint16(rest) == 0xffff && rest[2] > 0 && rest[2] < 16 && rest[3] == 0
	}
	if yes {
		return Yes
	}
	return No
}

// tdsText reads UTF-16, little endian.
func tdsText(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// tdsBehindHeaders passes over ALL_HEADERS, which TDS 7.2 and later have.
func tdsBehindHeaders(b []byte) []byte {
	if len(b) < 4 {
		return b
	}
	total := binary.LittleEndian.Uint32(b)
	if total < 4 || total > 1024 || uint64(total) > uint64(len(b)) {
		return b
	}
	for at := uint32(4); at < total; {
		if total-at < 6 {
			return b
		}
		n := binary.LittleEndian.Uint32(b[at:])
		if n < 6 || n > total-at {
			return b
		}
		at += n
	}
	return b[total:]
}

// Open begins to read a connection.
func (d *tdsDissector) Open(s *Stream, out Out) Parser {
	p := &tdsParser{sqlSession: sqlBegin(d.clinical, s, out, "mssql", "SQL Server"), named: map[uint32]sqlText{}}
	p.client = clinicalFrames{size: tdsHead, most: 32 << 10, length: tdsLength, take: p.packet, starts: tdsStarts}
	p.server = clinicalFrames{size: tdsHead, most: 32 << 10, length: tdsLength, take: p.reply, starts: tdsStarts}
	return p
}

// tdsLength is the length of what follows a head; a record of TLS stands where
// a packet would while the sign-in is encrypted.
func tdsLength(head []byte) int {
	n := int(binary.BigEndian.Uint16(head[2:]))
	if head[0] == tdsTLS && head[1] == 3 {
		n = int(binary.BigEndian.Uint16(head[3:])) + 5
	} else if head[0] == 0 || head[0] > tdsPrelogin {
		return -1
	}
	if n < tdsHead {
		return -1
	}
	return n - tdsHead
}

func tdsStarts(b []byte) bool {
	if len(b) < tdsHead || b[1]&^0x19 != 0 {
		return false
	}
	switch b[0] {
	case tdsBatch, tdsRPC, tdsReply, tdsStop, tdsBulk, tdsTrans:
		n := int(binary.BigEndian.Uint16(b[2:]))
		return n >= tdsHead && n <= 32<<10
	}
	return false
}

// tdsParser reads one connection.
type tdsParser struct {
	sqlSession
	client, server clinicalFrames
	at             int64

	mode    byte   // encryption the server chose, 0xff unknown
	chosen  bool   // it answered the PRELOGIN
	message []byte // of the client, so far
	size    int    // of it in all
	head    []byte // beginning and end of the server's message
	tail    []byte
	named   map[uint32]sqlText // by handle
	pending sqlText            // prepared, its handle is not known yet
	begun   bool
}

// Data reads on.
func (p *tdsParser) Data(fromClient bool, at int64, b []byte) bool {
	p.at = at
	if !p.begun {
		p.begun = true
		if !fromClient && !p.s.Whole && tdsLooks(b) == Yes {
			p.turn()
		}
	}
	if fromClient != p.flip {
		p.looks(at, 0, b)
		return p.client.feed(b)
	}
	p.looks(at, 1, b)
	return p.server.feed(b)
}

// Gap goes on where the next packet can be told.
func (p *tdsParser) Gap(fromClient bool, n int) bool {
	if fromClient != p.flip {
		p.message, p.size = nil, 0
		return p.client.gap(n)
	}
	p.head, p.tail = p.head[:0], p.tail[:0]
	return p.server.gap(n)
}

// Close tells of what was asked last.
func (p *tdsParser) Close(int64) { p.end() }

func (p *tdsParser) end() {
	p.close()
	for id, t := range p.named {
		p.drop(t)
		delete(p.named, id)
	}
	p.drop(p.pending)
	p.pending = sqlText{}
}

// packet reads a packet of the client; false ends the reading.
func (p *tdsParser) packet(head, body []byte, whole int) bool {
	if head[0] == tdsTLS {
		return p.signInOnly()
	}
	if head[0] == tdsPrelogin {
		return true
	}
	if room := 2*sqlMostText + 1024 - len(p.message); room > 0 {
		p.message = append(p.message, body[:min(len(body), room)]...)
	}
	p.size += whole
	if head[1]&1 == 0 { // more of it follows
		return true
	}
	message, size := p.message, p.size
	p.message, p.size = p.message[:0], 0
	if cap(message) > clinicalKeep {
		p.message = nil
	}
	if head[1]&2 != 0 { // ignore this message
		return true
	}
	switch head[0] {
	case tdsLogin:
		p.login(message)
	case tdsBatch:
		text := tdsBehindHeaders(message)
		t := p.keep([]byte(tdsText(text)), (size-(len(message)-len(text)))/2)
		p.ask(&sqlAsked{at: p.at, code: "query", sqlText: t})
	case tdsRPC:
		p.call(tdsBehindHeaders(message), size > len(message))
	case tdsBulk:
		p.ask(&sqlAsked{at: p.at, code: "bulk", activity: 5})
	case tdsTrans, tdsStop, tdsSSPI: // answered, but no statements
		if head[0] == tdsTrans {
			p.ask(&sqlAsked{at: p.at})
		}
	}
	return true
}

// signInOnly says whether TLS ends with the sign-in; else the reading does.
func (p *tdsParser) signInOnly() bool {
	if p.chosen && p.mode != 0 {
		p.end()
		return false
	}
	return true
}

// login reads LOGIN7 (MS-TDS 2.2.6.4): its password is hidden so thinly that it
// counts as one in clear. It is not read.
func (p *tdsParser) login(b []byte) {
	const fixed = 72
	if len(b) < fixed {
		return
	}
	field := func(at int) string {
		from, n := int(binary.LittleEndian.Uint16(b[at:])), int(binary.LittleEndian.Uint16(b[at+2:]))
		if n > 128 || from+2*n > len(b) {
			return ""
		}
		return clinicalText([]byte(tdsText(b[from : from+2*n])))
	}
	p.host, p.user, p.program, p.database = field(36), field(40), field(48), field(68)
	if binary.LittleEndian.Uint16(b[46:]) > 0 {
		p.password(p.s, p.out, p.at, "mssql")
	}
	p.signedIn()
	p.ask(&sqlAsked{at: p.at, code: "connect", activity: sqlConnect})
}

// reply reads a packet of the server.
func (p *tdsParser) reply(head, body []byte, _ int) bool {
	if head[0] == tdsTLS {
		return p.signInOnly()
	}
	if !p.chosen && head[0] == tdsReply && len(p.waiting) == 0 && len(p.client.head) == 0 && p.prelogin(body) {
		return true
	}
	if head[0] == tdsPrelogin { // TLS being agreed upon
		if p.mode != 0 {
			p.s.Notes().Call("encrypted", 1)
			p.end()
			return false
		}
		return true
	}
	if head[0] != tdsReply {
		return true
	}
	const mostHead, mostTail = 512, 64
	p.head = append(p.head, body[:min(len(body), mostHead-len(p.head))]...)
	p.tail = append(p.tail, body[max(0, len(body)-mostTail):]...)
	if over := len(p.tail) - mostTail; over > 0 {
		p.tail = p.tail[:copy(p.tail, p.tail[over:])]
	}
	if head[1]&1 != 0 {
		p.answered()
		p.head, p.tail = p.head[:0], p.tail[:0]
	}
	return true
}

// prelogin reads the server's options: its version, and what is encrypted.
func (p *tdsParser) prelogin(b []byte) bool {
	if len(b) < 6 || b[0] != 0 || b[1] != 0 {
		return false
	}
	p.chosen = true
	for i := 0; i+5 <= len(b) && b[i] != 0xff && i < 64; i += 5 {
		at, n := int(binary.BigEndian.Uint16(b[i+1:])), int(binary.BigEndian.Uint16(b[i+3:]))
		if at+n > len(b) {
			break
		}
		switch value := b[at : at+n]; {
		case b[i] == 0 && n >= 4:
			p.version(p.at, "sqlserver "+strconv.Itoa(int(value[0]))+"."+strconv.Itoa(int(value[1]))+"."+strconv.Itoa(int(binary.BigEndian.Uint16(value[2:]))))
		case b[i] == 1 && n >= 1:
			p.mode = value[0]
		}
	}
	if p.mode == 1 || p.mode == 3 {
		p.s.Notes().Call("encrypted", 1)
	}
	p.seen(p.s, p.out, true, p.at, p.app, asset.Fact{Name: asset.FactClientOf, Value: p.app})
	return true
}

// answered reads how the statement ended: the last DONE of the message, which
// stands at its end.
func (p *tdsParser) answered() {
	a := p.oldest()
	if a == nil {
		return
	}
	if status, rows, ok := tdsDone(p.tail); ok {
		a.failed = status&2 != 0
		a.rows = rows
	}
	if i := bytes.IndexByte(p.head, 0xaa); a.failed || a.activity == sqlConnect && i == 0 {
		a.failed = true
		if i >= 0 && i+7 <= len(p.head) && (i == 0 || a.activity != sqlConnect) {
			if n := binary.LittleEndian.Uint32(p.head[i+3:]); n > 0 && n < 1<<20 {
				a.detail = "error " + strconv.Itoa(int(n))
			}
		}
	}
	if p.pending.text != "" {
		p.prepared()
	}
	p.answer(a)
}

// The tokens that end a statement. Source: MS-TDS 2.2.7.6 and following.
const (
	tdsDoneToken = 0xfd
	tdsDoneProc  = 0xfe
	tdsDoneIn    = 0xff
	tdsDoneSize  = 13
	tdsCounted   = 0x10
)

// tdsDone reads the last DONE with a count. Behind a call, the count stands in
// the DONEINPROC before the return status.
func tdsDone(tail []byte) (status uint16, rows int64, ok bool) {
	at := len(tail) - tdsDoneSize
	if at < 0 || tail[at] != tdsDoneToken && tail[at] != tdsDoneProc {
		return 0, 0, false
	}
	status = binary.LittleEndian.Uint16(tail[at+1:])
	if status&tdsCounted != 0 {
		return status, tdsRows(tail[at:]), true
	}
	for i := at - tdsDoneSize; i >= 0; i-- {
		if tail[i] != tdsDoneIn && tail[i] != tdsDoneToken || i+tdsDoneSize < at && tail[i+tdsDoneSize] != 0x79 && tail[i+tdsDoneSize] != 0xac {
			continue
		}
		if s := binary.LittleEndian.Uint16(tail[i+1:]); s&^0x133 == 0 && s&tdsCounted != 0 {
			return status | s&2, tdsRows(tail[i:]), true
		}
	}
	return status, 0, true
}

func tdsRows(done []byte) int64 {
	n := binary.LittleEndian.Uint64(done[5:])
	if n > 1<<40 {
		return 0
	}
	return int64(n)
}

// prepared notes the handle of what was prepared, which is returned as a whole
// number at the end.
func (p *tdsParser) prepared() {
	t := p.pending
	p.pending = sqlText{}
	i := bytes.LastIndex(p.head, []byte{0x26, 4, 4})
	b := p.head
	if j := bytes.LastIndex(p.tail, []byte{0x26, 4, 4}); j >= 0 {
		i, b = j, p.tail
	}
	if i < 0 || i+7 > len(b) {
		p.drop(t)
		return
	}
	if len(p.named) >= sqlMostNamed {
		for id, old := range p.named {
			p.drop(old)
			delete(p.named, id)
			break
		}
	}
	handle := binary.LittleEndian.Uint32(b[i+3:])
	p.drop(p.named[handle])
	p.named[handle] = t
}
