package capture

import (
	"encoding/binary"
	"strconv"
)

const (
	mysqlOK    = 0x00
	mysqlMore  = 0x01 // behind a sign-in
	mysqlLocal = 0xfb
	mysqlEOF   = 0xfe
	mysqlErr   = 0xff
)

// The flags of a server's status that matter. Source: MySQL internals manual,
// SERVER_*.
const (
	mysqlMoreResults = 1 << 3
	mysqlCursor      = 1 << 6
)

// reply reads a packet of the server; false ends the reading.
func (p *mysqlParser) reply(head, body []byte, whole int) bool {
	if len(body) == 0 {
		return true
	}
	if !p.greeted && head[3] == 0 && p.client.head == nil {
		if body[0] == mysqlErr { // too many connections, a host that is blocked
			p.s.Notes().Call("CONNECT refused", 1)
			return false
		}
		p.greeting(body)
		return true
	}
	if body[0] == mysqlErr && p.state != mysqlIdle && whole < 1024 && p.state != mysqlDefs {
		p.failed(body)
		return true
	}
	switch p.state {
	case mysqlAuth:
		return p.signed(body, whole)
	case mysqlFirst:
		p.begins(body)
	case mysqlDefs:
		p.definition(body, whole)
	case mysqlRows:
		p.row(head, body, whole)
	case mysqlNamed:
		p.name(body)
	}
	return true
}

// failed ends a statement with the number of an error; its text may quote data.
func (p *mysqlParser) failed(body []byte) {
	if len(body) < 3 {
		return
	}
	code := binary.LittleEndian.Uint16(body[1:])
	if code == 0xffff { // progress of MariaDB
		return
	}
	a := p.asked
	if p.state == mysqlNamed {
		a = p.ask(&sqlAsked{at: p.at, code: "prepare", sqlText: p.prepared})
		p.prepared = sqlText{}
	}
	if a != nil {
		a.failed, a.detail = true, "error "+strconv.Itoa(int(code))
	}
	p.asked = a
	p.login = false
	p.settle()
}

// signed reads the answer to a sign-in; false where the rest cannot be read.
func (p *mysqlParser) signed(body []byte, whole int) bool {
	switch body[0] {
	case mysqlOK:
		p.login = false
		p.settle()
		if p.caps&mysqlCompress != 0 {
			p.s.Notes().Call("compressed", 1)
			p.end()
			return false
		}
	case mysqlEOF: // another way to sign in
		name := body[1:]
		for i, c := range name {
			if c == 0 {
				name = name[:i]
				break
			}
		}
		p.plugin(name)
	}
	return true
}

// begins reads the first packet of an answer: done, or so many columns.
func (p *mysqlParser) begins(body []byte) {
	switch body[0] {
	case mysqlOK:
		rows, rest, _ := mysqlInt(body[1:])
		_, rest, _ = mysqlInt(rest)
		if p.asked != nil {
			p.asked.rows += int64(min(rows, 1<<40))
		}
		p.done(rest)
	case mysqlLocal: // the client sends a file, then it is done
	case mysqlEOF:
	default:
		n, rest, ok := mysqlInt(body)
		if !ok || n > 4096 {
			p.state = mysqlPassing
			return
		}
		p.state, p.columns = mysqlDefs, int(n)
		if len(rest) == 1 && rest[0] == 0 { // the client knows them already (MariaDB, MySQL 8)
			p.columns = 0
		}
	}
}

// done is the end of a result; others may follow. rest begins with the status.
func (p *mysqlParser) done(rest []byte) {
	if len(rest) >= 2 && binary.LittleEndian.Uint16(rest)&mysqlMoreResults != 0 {
		p.state = mysqlFirst
		return
	}
	p.settle()
}

// definition counts definitions of columns, and what ends them in older ways
// of speaking: a packet of five bytes, which no row has.
func (p *mysqlParser) definition(body []byte, whole int) {
	if p.columns > 0 {
		p.columns--
		return
	}
	p.state = mysqlRows
	if body[0] == mysqlEOF && whole == 5 {
		if binary.LittleEndian.Uint16(body[3:])&mysqlCursor != 0 { // rows are fetched later
			p.settle()
		}
		return
	}
	p.row(nil, body, whole)
}

// row counts a row, or ends the result.
func (p *mysqlParser) row(head, body []byte, whole int) {
	switch {
	case body[0] == mysqlEOF && whole == 5: // warnings, status
		p.done(body[3:])
	case body[0] == mysqlEOF && whole < 1<<16 && mysqlEnds(body): // an OK in place of it
		_, rest, _ := mysqlInt(body[1:])
		_, rest, _ = mysqlInt(rest)
		p.done(rest)
	case p.again: // the rest of a row of 16 MB
		p.again = whole == 1<<24-1
	default:
		p.again = whole == 1<<24-1
		if p.asked != nil {
			p.asked.rows++
		}
	}
}

// mysqlEnds says whether a packet is an OK that ends rows: no rows changed, no
// id given, a status.
func mysqlEnds(body []byte) bool {
	return len(body) >= 7 && body[1] < 0xfb && body[2] < 0xfb
}

// name reads the answer to COM_STMT_PREPARE.
func (p *mysqlParser) name(body []byte) {
	p.state = mysqlPassing
	if body[0] != mysqlOK || len(body) < 5 {
		return
	}
	if len(p.named) >= sqlMostNamed {
		for id, text := range p.named { // any one: closing them is up to the client
			p.drop(text)
			delete(p.named, id)
			break
		}
	}
	id := binary.LittleEndian.Uint32(body[1:])
	p.drop(p.named[id])
	p.named[id], p.prepared = p.prepared, sqlText{}
}
