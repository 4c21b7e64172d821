package capture

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
)

// pgDissector reads the frontend/backend protocol of PostgreSQL, version 3, and
// of those that speak it (openGauss, KingbaseES, Greenplum): who signs in
// where, and every statement with its outcome.
type pgDissector struct{ *clinical }

// Name is the protocol's.
func (*pgDissector) Name() string { return "postgresql" }

// What a connection may begin with, behind its length. Source: PostgreSQL
// manual, 55.7.
const (
	pgCancel  = 80877102
	pgSSL     = 80877103
	pgGSS     = 80877104
	pgMostMsg = 1 << 28
)

// Probe looks for the first message of a client, or for a statement.
func (*pgDissector) Probe(s *Stream, client, server []byte) Verdict {
	v := pgLooks(client)
	if v == Yes || !s.Whole && (pgAsks(client) || pgAsks(server)) {
		return Yes
	}
	if v == Maybe && len(server) == 0 {
		return Maybe
	}
	return No
}

func pgLooks(b []byte) Verdict {
	if len(b) < 8 {
		if len(b) > 0 && b[0] != 0 {
			return No
		}
		return Maybe
	}
	n, code := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	switch {
	case (code == pgSSL || code == pgGSS) && n == 8, code == pgCancel && n == 16:
		return Yes
	case code>>16 != 3 || code&0xffff > 9 || n < 13 || n > 16<<10:
		return No
	case len(b) < 13:
		return Maybe
	case b[8] >= 'a' && b[8] <= 'z' || b[8] == '_': // the name of a setting
		return Yes
	}
	return No
}

// pgAsks says whether b is a Query or a Parse: for connections that are older
// than the sensor.
func pgAsks(b []byte) bool {
	if len(b) < 12 || b[0] != 'Q' && b[0] != 'P' {
		return false
	}
	n := int(binary.BigEndian.Uint32(b[1:]))
	text := b[5:]
	if n < 8 || n > 1<<20 {
		return false
	}
	if b[0] == 'P' {
		name, rest, ok := bytes.Cut(text[:min(len(text), 80)], []byte{0})
		if !ok || !seenPlain(name) {
			return false
		}
		text = text[len(name)+1:]
		_ = rest
	} else if n < len(b) && b[n] != 0 { // ends in NUL
		return false
	}
	return sqlBeginsStatement(text)
}

// Open begins to read a connection.
func (d *pgDissector) Open(s *Stream, out Out) Parser {
	p := &pgParser{sqlSession: sqlBegin(d.clinical, s, out, "postgresql", "PostgreSQL"), named: map[string]sqlText{}, portals: map[string]sqlText{}}
	p.client = clinicalFrames{size: 5, most: sqlMostText + 256, length: pgLength, take: p.command, starts: pgStarts("QPBEDCSXHFdcfp")}
	p.server = clinicalFrames{size: 5, most: 1024, length: pgLength, take: p.reply, starts: pgStarts("RSKZTDCEN123tnsIGHAdc")}
	return p
}

// pgLength is the length of what follows type and length.
func pgLength(head []byte) int {
	n := binary.BigEndian.Uint32(head[1:])
	if n < 4 || n > pgMostMsg {
		return -1
	}
	return int(n) - 4
}

// pgStarts says whether a message of one of the types begins.
func pgStarts(types string) func(b []byte) bool {
	return func(b []byte) bool {
		return len(b) >= 5 && strings.IndexByte(types, b[0]) >= 0 && b[1] == 0 && pgLength(b) >= 0
	}
}

// pgParser reads one connection.
type pgParser struct {
	sqlSession
	client, server clinicalFrames
	at             int64

	begun    bool   // past the first messages, which have no type
	opening  []byte // the first message of the client, so far
	wishes   int    // for encryption that are not answered
	clear    bool   // the password is asked for in clear
	login    *sqlAsked
	named    map[string]sqlText
	portals  map[string]sqlText
	streamed bool
}

// The kinds of what waits for an answer.
const (
	pgQuery   = 1 + iota // a Query: done when the server is ready
	pgParse              // a Parse
	pgExecute            // an Execute
	pgSync               // a Sync
)

// Data reads on.
func (p *pgParser) Data(fromClient bool, at int64, b []byte) bool {
	p.at = at
	if !p.begun && p.opening == nil && p.wishes == 0 && (!p.s.Whole || p.flip) {
		if !fromClient && (pgAsks(b) || pgLooks(b) == Yes) && !p.flip {
			p.turn()
		}
		if fromClient != p.flip && pgLooks(b) != Yes { // in the middle
			p.begun = true
		}
	}
	if fromClient != p.flip {
		if p.begun {
			p.looks(at, 0, b)
			return p.client.feed(b)
		}
		return p.beginning(b)
	}
	if p.wishes > 0 {
		var ok bool
		if b, ok = p.granted(b); !ok {
			return false
		}
	}
	p.looks(at, 1, b)
	if len(b) == 0 {
		return true
	}
	if len(p.server.head) == 0 && !p.server.lost && !p.begun && !pgStarts("RSKZTDCENvA123tnsIGH")(b) {
		return p.server.loose()
	}
	return p.server.feed(b)
}

// beginning reads the messages without a type.
func (p *pgParser) beginning(b []byte) bool {
	const most = 16 << 10
	for len(b) > 0 && !p.begun {
		n := 8
		if len(p.opening) >= 8 {
			n = int(binary.BigEndian.Uint32(p.opening))
		}
		take := min(max(n-len(p.opening), 0), len(b))
		p.opening = append(p.opening, b[:take]...)
		b = b[take:]
		if len(p.opening) < 8 {
			return true
		}
		n = int(binary.BigEndian.Uint32(p.opening))
		if n < 8 || n > most {
			return false
		}
		if len(p.opening) < n {
			continue
		}
		if !p.firstMessage(p.opening[4:]) {
			return false
		}
		p.opening = p.opening[:0]
	}
	if len(b) > 0 {
		return p.client.feed(b)
	}
	return true
}

// firstMessage reads a message without a type; false ends the reading.
func (p *pgParser) firstMessage(b []byte) bool {
	switch binary.BigEndian.Uint32(b) {
	case pgSSL, pgGSS:
		p.wishes++
		return p.wishes < 4
	case pgCancel:
		p.s.Notes().Call("CANCEL", 1)
		return false
	}
	p.begun, p.wishes = true, 0
	p.settings(b[4:])
	p.signedIn()
	if p.streamed {
		p.s.Notes().Call("REPLICATION", 1)
		return false
	}
	p.login = p.ask(&sqlAsked{at: p.at, code: "connect", activity: sqlConnect, tag: pgQuery})
	return true
}

// settings reads names and values.
func (p *pgParser) settings(b []byte) {
	for len(b) > 1 {
		var key, value []byte
		key, b, _ = bytes.Cut(b, []byte{0})
		value, b, _ = bytes.Cut(b, []byte{0})
		switch string(key) {
		case "user":
			p.user = clinicalText(value)
		case "database":
			p.database = clinicalText(value)
		case "application_name":
			p.program = clinicalText(value)
		case "replication":
			p.streamed = len(value) > 0 && value[0] != 'f' && value[0] != '0'
		}
	}
	if p.database == "" {
		p.database = p.user
	}
}

// granted reads the letters that answer wishes for encryption; false where it
// begins.
func (p *pgParser) granted(b []byte) (rest []byte, ok bool) {
	for p.wishes > 0 && len(b) > 0 {
		switch b[0] {
		case 'S', 'G':
			p.s.Notes().Call("encrypted", 1)
			return nil, false
		case 'N':
			p.wishes, b = p.wishes-1, b[1:]
		default: // an error of an old server
			p.wishes = 0
		}
	}
	return b, true
}

// Gap goes on where the next message can be told.
func (p *pgParser) Gap(fromClient bool, n int) bool {
	if fromClient != p.flip {
		p.begun = true
		return p.client.gap(n)
	}
	return p.server.gap(n)
}

// Close tells of what was asked last.
func (p *pgParser) Close(int64) { p.end() }

func (p *pgParser) end() {
	p.close()
	for _, m := range []map[string]sqlText{p.named, p.portals} {
		for name, t := range m {
			p.drop(t)
			delete(m, name)
		}
	}
}

// command reads a message of the client; false ends the reading.
func (p *pgParser) command(head, body []byte, whole int) bool {
	switch head[0] {
	case 'Q':
		p.ask(&sqlAsked{at: p.at, code: "query", tag: pgQuery, sqlText: p.keep(bytes.TrimRight(body, "\x00"), whole-1)})
	case 'P':
		p.parse(body, whole)
	case 'B':
		portal, rest, _ := bytes.Cut(body, []byte{0})
		name, _, _ := bytes.Cut(rest, []byte{0})
		text := p.named[pgName(name)]
		p.sqlRoom -= len(text.text)
		p.put(p.portals, portal, text)
	case 'E':
		portal, _, _ := bytes.Cut(body, []byte{0})
		text := p.portals[pgName(portal)]
		p.sqlRoom -= len(text.text)
		p.ask(&sqlAsked{at: p.at, code: "execute", tag: pgExecute, sqlText: text})
	case 'C':
		p.closes(body)
	case 'S':
		p.wait(&sqlAsked{at: p.at, tag: pgSync})
	case 'X':
		p.end()
		return false
	case 'p':
		if p.clear {
			p.clear = false
			p.password(p.s, p.out, p.at, "postgresql")
		}
	}
	return true
}

// parse notes the text of a prepared statement.
func (p *pgParser) parse(body []byte, whole int) {
	name, rest, ok := bytes.Cut(body, []byte{0})
	if !ok {
		return
	}
	text, _, ended := bytes.Cut(rest, []byte{0})
	size := len(text)
	if !ended {
		size = whole - len(name) - 1
	}
	t := p.keep(text, size)
	p.sqlRoom -= len(t.text) // it may be told of as well
	p.put(p.named, name, t)
	p.wait(&sqlAsked{at: p.at, code: "prepare", tag: pgParse, sqlText: t})
}

// wait notes what is no statement and yet answered.
func (p *pgParser) wait(a *sqlAsked) {
	if len(p.waiting) < 4*sqlMostAsked {
		p.waiting = append(p.waiting, a)
	} else {
		p.drop(a.sqlText)
	}
}

// put names a text.
func (p *pgParser) put(m map[string]sqlText, name []byte, t sqlText) {
	key := pgName(name)
	if old, ok := m[key]; ok {
		p.drop(old)
	} else if len(m) >= sqlMostNamed {
		for other, text := range m {
			p.drop(text)
			delete(m, other)
			break
		}
	}
	m[key] = t
}

// pgName is the name of a statement or portal as it is looked up by.
func pgName(b []byte) string { return string(b[:min(len(b), 128)]) }

func (p *pgParser) closes(body []byte) {
	if len(body) < 2 {
		return
	}
	m := p.portals
	if body[0] == 'S' {
		m = p.named
	}
	name, _, _ := bytes.Cut(body[1:], []byte{0})
	p.drop(m[pgName(name)])
	delete(m, pgName(name))
}

// reply reads a message of the server.
func (p *pgParser) reply(head, body []byte, whole int) bool {
	switch head[0] {
	case 'R':
		p.signing(body)
	case 'S':
		if name, value, _ := bytes.Cut(body, []byte{0}); string(name) == "server_version" {
			p.version(p.at, "postgresql "+clinicalText(bytes.TrimRight(value, "\x00")))
		}
	case 'K':
		if len(body) >= 4 {
			p.id = strconv.FormatUint(uint64(binary.BigEndian.Uint32(body)), 10)
		}
	case '1':
		if a := p.next(pgParse); a != nil {
			p.forget(a)
		}
	case 'C', 's', 'I':
		p.completed(head[0], body)
	case 'E':
		p.failed(body)
	case 'Z':
		p.ready()
	case 'W': // replication
		p.end()
		return false
	}
	return true
}

// signing reads what the server wants of who signs in.
func (p *pgParser) signing(body []byte) {
	if len(body) < 4 {
		return
	}
	if binary.BigEndian.Uint32(body) == 3 {
		p.clear = true
	}
}

// next is what waits first, if it is of the kind.
func (p *pgParser) next(kind uint32) *sqlAsked {
	if a := p.oldest(); a != nil && a.tag == kind {
		return a
	}
	return nil
}

// completed reads the end of a statement: its tag names the rows.
func (p *pgParser) completed(kind byte, body []byte) {
	var rows int64
	if kind == 'C' {
		tag := bytes.TrimRight(body, "\x00")
		if i := bytes.LastIndexByte(tag, ' '); i >= 0 {
			rows, _ = strconv.ParseInt(string(tag[i+1:]), 10, 64) // some have none
		}
	}
	for a := p.oldest(); a != nil; a = p.oldest() {
		switch a.tag {
		case pgQuery: // there may be others in it
			a.rows += rows
			return
		case pgExecute:
			a.rows = rows
			p.answer(a)
			return
		}
		p.forget(a)
	}
}

// failed reads an error: of it only the code, the text may quote data. What
// was asked behind it is not done.
func (p *pgParser) failed(body []byte) {
	code := pgField(body, 'C')
	told := false
	for a := p.oldest(); a != nil; a = p.oldest() {
		if a.tag == pgSync {
			return
		}
		if told {
			if a.tag == pgQuery {
				return
			}
			p.forget(a)
			continue
		}
		told = true
		a.failed, a.detail = true, "error "+code
		if a == p.login {
			p.login = nil
			p.answer(a)
			return
		}
		if a.tag == pgQuery { // told when the server is ready
			return
		}
		p.answer(a)
	}
}

// ready ends what was asked up to here.
func (p *pgParser) ready() {
	for a := p.oldest(); a != nil; a = p.oldest() {
		switch a.tag {
		case pgQuery:
			p.login = nil
			p.answer(a)
			return
		case pgSync:
			p.forget(a)
			return
		}
		p.forget(a)
	}
}

// pgField is a field of an error, if it is a code.
func pgField(body []byte, want byte) string {
	for len(body) > 1 {
		kind := body[0]
		value, rest, _ := bytes.Cut(body[1:], []byte{0})
		if kind == want {
			return clinicalWord(value, "")
		}
		body = rest
	}
	return ""
}
