package capture

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/asset"
)

// mysqlDissector reads the client/server protocol of MySQL and MariaDB: who
// signs in where, and every statement with its outcome. Where the connection
// turns to TLS or is compressed the reading ends.
type mysqlDissector struct{ *clinical }

// Name is the protocol's.
func (*mysqlDissector) Name() string { return "mysql" }

const mysqlHead = 4

// Probe looks for the server's greeting, or for a command with a statement.
func (*mysqlDissector) Probe(s *Stream, client, server []byte) Verdict {
	v := mysqlGreets(server)
	if v == No && !s.Whole {
		v = mysqlGreets(client)
	}
	if v == Yes || mysqlAsks(client) || !s.Whole && mysqlAsks(server) {
		return Yes
	}
	if v == Maybe && (len(client) == 0 || len(server) > 0) || len(client) == 0 && len(server) == 0 {
		return Maybe
	}
	return No
}

// mysqlGreets judges a handshake of version 10: its only packet, number 0, a
// version in digits.
func mysqlGreets(b []byte) Verdict {
	if len(b) == 0 {
		return Maybe
	}
	if len(b) < 8 {
		if len(b) > 4 && (b[1] != 0 || b[2] != 0 || b[3] != 0 || b[4] != 10) {
			return No
		}
		return Maybe
	}
	n := mysqlLength(b)
	if n < 40 || n > 512 || b[3] != 0 || b[4] != 10 || b[5] < '0' || b[5] > '9' {
		return No
	}
	end := bytes.IndexByte(b[5:], 0)
	if end < 0 {
		if len(b) < 80 {
			return Maybe
		}
		return No
	}
	if end < 3 || end > 70 || !seenPlain(b[5:5+end]) || bytes.IndexByte(b[5:5+end], '.') < 0 {
		return No
	}
	return Yes
}

// mysqlAsks says whether b is a COM_QUERY or COM_STMT_PREPARE: for connections
// that are older than the sensor.
func mysqlAsks(b []byte) bool {
	if len(b) < mysqlHead+6 || b[3] != 0 || b[4] != mysqlQuery && b[4] != mysqlPrepare {
		return false
	}
	n := mysqlLength(b)
	text := b[mysqlHead+1:]
	if text[0] == 0 && text[1] == 1 { // no attributes
		text = text[2:]
	}
	return n >= 6 && n <= 1<<20 && (n+mysqlHead == len(b) || len(b) > 512) && sqlBeginsStatement(text)
}

func mysqlLength(head []byte) int {
	return int(head[0]) | int(head[1])<<8 | int(head[2])<<16
}

// The commands. Source: MySQL internals manual, COM_*.
const (
	mysqlQuit       = 0x01
	mysqlInitDB     = 0x02
	mysqlQuery      = 0x03
	mysqlFieldList  = 0x04
	mysqlStatistics = 0x09
	mysqlChangeUser = 0x11
	mysqlBinlog     = 0x12
	mysqlPrepare    = 0x16
	mysqlExecute    = 0x17
	mysqlLongData   = 0x18
	mysqlCloseStmt  = 0x19
	mysqlFetch      = 0x1c
	mysqlBulk       = 0xfa // MariaDB's COM_STMT_BULK_EXECUTE
)

// The capabilities that matter. Source: the same, CLIENT_*.
const (
	mysqlWithDB     = 1 << 3
	mysqlCompress   = 1 << 5
	mysqlSSL        = 1 << 11
	mysqlSecure     = 1 << 15
	mysqlPlugin     = 1 << 19
	mysqlAttrs      = 1 << 20
	mysqlLenAuth    = 1 << 21
	mysqlQueryAttrs = 1 << 27
)

// Open begins to read a connection.
func (d *mysqlDissector) Open(s *Stream, out Out) Parser {
	p := &mysqlParser{sqlSession: sqlBegin(d.clinical, s, out, "mysql", "MySQL"), named: map[uint32]sqlText{}}
	p.client = clinicalFrames{size: mysqlHead, most: sqlMostText + 16, length: mysqlLength, take: p.command,
		starts: func(b []byte) bool { return len(b) > mysqlHead && b[3] == 0 && mysqlLength(b)+mysqlHead == len(b) }}
	p.server = clinicalFrames{size: mysqlHead, most: 1024, length: mysqlLength, take: p.reply,
		starts: func(b []byte) bool { return false }}
	p.state = mysqlIdle
	return p
}

// mysqlParser reads one connection.
type mysqlParser struct {
	sqlSession
	client, server clinicalFrames
	at             int64

	greeted  bool // by the server
	login    bool // the sign-in is not answered yet
	caps     uint32
	capsSeen bool
	asked    *sqlAsked
	state    mysqlState
	columns  int // definitions still to come
	again    bool
	prepared sqlText // of the COM_STMT_PREPARE that waits
	named    map[uint32]sqlText
}

// mysqlState is what the server says next.
type mysqlState uint8

const (
	mysqlIdle    mysqlState = iota
	mysqlAuth               // about the sign-in
	mysqlFirst              // the first packet of an answer
	mysqlDefs               // definitions of columns
	mysqlRows               // rows up to an end
	mysqlNamed              // the answer to COM_STMT_PREPARE
	mysqlPassing            // what follows it, or a list of fields, until the next command
)

// Data reads on.
func (p *mysqlParser) Data(fromClient bool, at int64, b []byte) bool {
	p.at = at
	if !p.greeted && p.client.head == nil && p.server.head == nil && !p.flip && (fromClient && mysqlGreets(b) == Yes || !fromClient && mysqlAsks(b)) {
		p.turn()
	}
	if fromClient != p.flip {
		p.looks(at, 0, b)
		return p.client.feed(b)
	}
	p.looks(at, 1, b)
	return p.server.feed(b)
}

// Gap goes on where the next command can be told.
func (p *mysqlParser) Gap(fromClient bool, n int) bool {
	if fromClient != p.flip {
		return p.client.gap(n)
	}
	return p.server.gap(n)
}

// Close tells of what was asked last.
func (p *mysqlParser) Close(int64) { p.end() }

// end is the end of the reading, for whatever reason.
func (p *mysqlParser) end() {
	p.close()
	for id, text := range p.named {
		p.drop(text)
		delete(p.named, id)
	}
	p.drop(p.prepared)
	p.prepared = sqlText{}
}

// command reads a packet of the client.
func (p *mysqlParser) command(head, body []byte, whole int) bool {
	switch {
	case len(body) == 0:
		return true
	case p.greeted && !p.capsSeen:
		return p.response(body)
	case head[3] != 0, p.login: // goes on with what the server asked for
		return true
	}
	p.settle()
	p.server.lost = false
	switch c := body[0]; c {
	case mysqlQuit:
		p.end()
		return false
	case mysqlBinlog: // a replica: changes of tables follow, not statements
		p.s.Notes().Call("BINLOG", 1)
		p.end()
		return false
	case mysqlQuery:
		text := p.attributes(body[1:])
		p.statement("query", p.keep(text, whole-(len(body)-len(text))))
	case mysqlInitDB:
		p.asked = p.ask(&sqlAsked{at: p.at, code: "use", activity: sqlConnect, tag: mysqlInitDB})
		p.database, p.state = clinicalText(body[1:]), mysqlFirst
	case mysqlChangeUser:
		p.changeUser(body[1:])
	case mysqlPrepare:
		p.prepared = p.keep(body[1:], whole-1)
		p.state = mysqlNamed
	case mysqlExecute, mysqlBulk:
		p.execute(body)
	case mysqlCloseStmt:
		if len(body) >= 5 {
			id := binary.LittleEndian.Uint32(body[1:])
			p.drop(p.named[id])
			delete(p.named, id)
		}
	case mysqlFetch:
		p.state, p.asked = mysqlRows, nil
	case mysqlLongData, mysqlStatistics:
	case mysqlFieldList:
		p.state = mysqlPassing
	default:
		p.state = mysqlPassing
	}
	return true
}

// settle tells of a statement whose answer was not seen to its end.
func (p *mysqlParser) settle() {
	if p.asked != nil {
		p.answer(p.asked)
		p.asked = nil
	}
	p.drop(p.prepared)
	p.prepared, p.state, p.columns, p.again = sqlText{}, mysqlIdle, 0, false
}

// statement notes what is asked.
func (p *mysqlParser) statement(code string, text sqlText) {
	p.asked = p.ask(&sqlAsked{at: p.at, code: code, sqlText: text})
	p.state = mysqlFirst
}

// execute notes that a prepared statement is run. Its values are not read.
func (p *mysqlParser) execute(body []byte) {
	if len(body) < 5 {
		return
	}
	text := p.named[binary.LittleEndian.Uint32(body[1:])]
	p.sqlRoom -= len(text.text) // the same bytes, counted for both
	p.statement("execute", text)
}

// attributes passes over the attributes of a query (MySQL 8).
func (p *mysqlParser) attributes(b []byte) []byte {
	if p.capsSeen && p.caps&mysqlQueryAttrs == 0 || len(b) < 2 {
		return b
	}
	if !p.capsSeen && !(b[0] == 0 && b[1] == 1) {
		return b
	}
	count, rest, ok := mysqlInt(b)
	_, rest, ok2 := mysqlInt(rest)
	if !ok || !ok2 || count > 64 {
		return b
	}
	if count == 0 {
		return rest
	}
	if text, ok := mysqlValues(rest, int(count)); ok {
		return text
	}
	return nil // values cannot be told from text
}

// mysqlValues passes over named values: nulls, types and names, then values.
func mysqlValues(b []byte, count int) ([]byte, bool) {
	nulls := (count + 7) / 8
	if len(b) < nulls+1 || b[nulls] != 1 {
		return nil, false
	}
	bits, types := b[:nulls], make([]byte, 0, count)
	b = b[nulls+1:]
	for range count {
		if len(b) < 3 {
			return nil, false
		}
		types = append(types, b[0])
		var ok bool
		if _, b, ok = mysqlText(b[2:]); !ok {
			return nil, false
		}
	}
	for i, kind := range types {
		if bits[i/8]>>(i%8)&1 != 0 {
			continue
		}
		n := 0
		switch kind {
		case 1:
			n = 1
		case 2, 13:
			n = 2
		case 3, 4, 9:
			n = 4
		case 5, 8:
			n = 8
		default: // with its length before it
			var ok bool
			if _, b, ok = mysqlText(b); !ok {
				return nil, false
			}
		}
		if n > len(b) {
			return nil, false
		}
		b = b[n:]
	}
	return b, true
}

// mysqlInt reads a length-encoded number.
func mysqlInt(b []byte) (v uint64, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	n := 0
	switch b[0] {
	case 0xfc:
		n = 2
	case 0xfd:
		n = 3
	case 0xfe:
		n = 8
	case 0xfb, 0xff:
		return 0, nil, false
	default:
		return uint64(b[0]), b[1:], true
	}
	if len(b) < 1+n {
		return 0, nil, false
	}
	for i := n; i > 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v, b[1+n:], true
}

// mysqlText reads a text with its length before it.
func mysqlText(b []byte) (text, rest []byte, ok bool) {
	n, rest, ok := mysqlInt(b)
	if !ok || n > uint64(len(rest)) {
		return nil, nil, false
	}
	return rest[:n], rest[n:], true
}

// response reads the client's answer to the greeting. The sign-in's proof is
// passed over.
func (p *mysqlParser) response(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	p.capsSeen = true
	p.caps = uint32(binary.LittleEndian.Uint16(b))
	if p.caps&(1<<9) == 0 { // before 4.1
		user, _, _ := bytes.Cut(b[min(5, len(b)):], []byte{0})
		p.user = clinicalText(user)
		p.signIn()
		return true
	}
	p.caps = binary.LittleEndian.Uint32(b)
	if len(b) <= 32 {
		if p.caps&mysqlSSL != 0 {
			p.s.Notes().Call("encrypted", 1)
		}
		return false
	}
	user, rest, _ := bytes.Cut(b[32:], []byte{0})
	p.user = clinicalText(user)
	p.who(rest)
	p.signIn()
	return true
}

// who reads what stands behind the user's name.
func (p *mysqlParser) who(b []byte) {
	ok := true
	switch {
	case p.caps&mysqlLenAuth != 0:
		_, b, ok = mysqlText(b)
	case p.caps&mysqlSecure != 0:
		if ok = len(b) > 0 && int(b[0]) < len(b); ok {
			b = b[1+int(b[0]):]
		}
	default:
		_, b, ok = bytes.Cut(b, []byte{0})
	}
	if !ok {
		return
	}
	if p.caps&mysqlWithDB != 0 {
		var db []byte
		db, b, _ = bytes.Cut(b, []byte{0})
		p.database = clinicalText(db)
	}
	if p.caps&mysqlPlugin != 0 {
		var plugin []byte
		plugin, b, _ = bytes.Cut(b, []byte{0})
		p.plugin(plugin)
	}
	if p.caps&mysqlAttrs != 0 {
		if all, _, ok := mysqlText(b); ok {
			p.attribute(all)
		}
	}
}

// plugin is how the password is shown.
func (p *mysqlParser) plugin(name []byte) {
	if string(name) == "mysql_clear_password" || string(name) == "dialog" {
		p.password(p.s, p.out, p.at, "mysql")
	}
}

// attribute reads what the client says of itself.
func (p *mysqlParser) attribute(b []byte) {
	for len(b) > 0 {
		key, rest, ok := mysqlText(b)
		value, rest, ok2 := mysqlText(rest)
		if !ok || !ok2 {
			return
		}
		b = rest
		switch string(key) {
		case "program_name":
			p.program = clinicalText(value)
		case "_client_name":
			if p.program == "" {
				p.program = clinicalText(value)
			}
		case "_server_host", "_client_license":
		case "os_user":
			p.osUser = clinicalText(value)
		}
	}
}

// signIn waits for the answer.
func (p *mysqlParser) signIn() {
	p.login, p.state = true, mysqlAuth
	p.signedIn()
	p.asked = p.ask(&sqlAsked{at: p.at, code: "connect", activity: sqlConnect})
}

func (p *mysqlParser) changeUser(b []byte) {
	user, rest, _ := bytes.Cut(b, []byte{0})
	p.user = clinicalText(user)
	p.database = ""
	p.caps |= mysqlWithDB
	caps := p.caps
	p.caps &^= mysqlLenAuth | mysqlPlugin | mysqlAttrs
	p.who(rest)
	p.caps = caps
	p.signIn()
}

// greeting reads the server's first packet.
func (p *mysqlParser) greeting(b []byte) {
	p.greeted = true
	version, rest, _ := bytes.Cut(b[1:], []byte{0})
	text := clinicalText(version)
	name := "mysql"
	if rest55, ok := strings.CutPrefix(text, "5.5.5-"); ok { // MariaDB before 11 hides behind it
		text = rest55
	}
	if strings.Contains(text, "MariaDB") {
		p.product, name = "MariaDB", "mariadb"
		text, _, _ = strings.Cut(text, "-MariaDB")
	}
	if len(rest) >= 4 {
		p.id = strconv.FormatUint(uint64(binary.LittleEndian.Uint32(rest)), 10)
	}
	p.version(p.at, name+" "+text)
	p.seen(p.s, p.out, true, p.at, p.app, asset.Fact{Name: asset.FactClientOf, Value: p.app})
}
