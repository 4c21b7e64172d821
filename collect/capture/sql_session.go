package capture

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/ocsf"
)

// What the dissectors of databases share: who is signed in, which statements
// wait for their outcome, and the event each becomes.

const (
	sqlMostText  = 64 << 10 // bytes kept of a statement
	sqlMostShort = 1 << 10  // the same when too much is kept already
	sqlAllTexts  = 32 << 20 // bytes of statements kept in all connections
	sqlMostAsked = 64       // statements of a connection without an answer yet
	sqlMostNamed = 256      // statements of a connection that are prepared
)

// sqlSession is one connection to a database.
type sqlSession struct {
	*clinical
	s   *Stream // its client is who asks
	out Out
	// app is the protocol, product the database whose dialect is spoken.
	app, product string

	user, database, program, host, osUser, id string

	sequence uint64
	waiting  []*sqlAsked
	scan     clearScan
	met      bool // the memory has been asked about this client
	flip     bool // who was taken for the client answers
}

// sqlText is what is kept of a statement that may be run more than once.
type sqlText struct {
	text    string
	clipped int // bytes of it that were not kept
}

// sqlAsked is a statement put to the database.
type sqlAsked struct {
	at   int64
	code string // how it came: query, execute, connect; "" is no statement
	sqlText
	activity int // 0 to read it off the text
	// The outcome.
	rows   int64
	failed bool
	detail string
	tag    uint32 // the dissector's own
}

func sqlBegin(c *clinical, s *Stream, out Out, app, product string) sqlSession {
	clinicalApp(s, app)
	return sqlSession{clinical: c, s: s, out: out, app: app, product: product}
}

// turn says that the stream's ends were taken for each other.
func (q *sqlSession) turn() {
	t := *q.s
	t.Client, t.Server = q.s.Server, q.s.Client
	t.ClientMAC, t.ServerMAC = q.s.ServerMAC, q.s.ClientMAC
	q.s, q.flip = &t, true
}

// keep makes a text of b that counts against what may be kept; drop gives it
// back.
func (q *sqlSession) keep(b []byte, whole int) sqlText {
	most := sqlMostText
	if len(b) > q.sqlRoom {
		most = sqlMostShort
	}
	b = b[:min(len(b), most)]
	text := sqlUTF8(b)
	q.sqlRoom -= len(text)
	return sqlText{text, max(whole-len(b), 0)}
}

// sqlUTF8 reads a statement that is not in UTF-8 as one in GB18030, which older
// hospital systems use.
func sqlUTF8(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	if text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(b); err == nil && utf8.Valid(text) {
		b = text
	}
	return strings.ToValidUTF8(string(b), "\ufffd")
}

func (q *sqlSession) drop(t sqlText) { q.sqlRoom += len(t.text) }

// ask notes a statement; the one that waits longest is told without its
// outcome where too many wait.
func (q *sqlSession) ask(a *sqlAsked) *sqlAsked {
	if len(q.waiting) >= sqlMostAsked {
		q.answer(q.waiting[0])
	}
	q.waiting = append(q.waiting, a)
	q.meet(a.at)
	return a
}

// oldest is what waits longest, nil for nothing.
func (q *sqlSession) oldest() *sqlAsked {
	if len(q.waiting) == 0 {
		return nil
	}
	return q.waiting[0]
}

// answer tells of a statement and waits for it no longer.
func (q *sqlSession) answer(a *sqlAsked) {
	for i, w := range q.waiting {
		if w == a {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			break
		}
	}
	q.tell(a)
	q.drop(a.sqlText)
	a.sqlText = sqlText{}
}

// forget waits for a statement no longer, without telling.
func (q *sqlSession) forget(a *sqlAsked) {
	for i, w := range q.waiting {
		if w == a {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			q.drop(a.sqlText)
			return
		}
	}
}

// close tells of all that wait.
func (q *sqlSession) close() {
	for len(q.waiting) > 0 {
		q.answer(q.waiting[0])
	}
}

// meet tells of a client that never asked this database.
func (q *sqlSession) meet(at int64) {
	if q.met {
		return
	}
	q.met = true
	q.seen(q.s, q.out, true, at, q.app, clinicalClientOf(q.app))
	q.seen(q.s, q.out, false, at, q.app, clinicalService(q.s.Server, q.app))
	if q.Memory.strange("sql", q.s.Server.String(), q.s.Client.Addr().String(), at) {
		q.out.Alarm(q.alarm(q.s, asset.DirectSQL, at, q.product, q.user, q.database))
	}
}

// signedIn names the ends of the conversation.
func (q *sqlSession) signedIn() {
	n := q.s.Notes()
	if q.flip || q.user == "" {
		return
	}
	n.ClientName, n.ServerName = q.user, q.database
}

// version tells what a server says it is.
func (q *sqlSession) version(at int64, text string) {
	q.seen(q.s, q.out, false, at, q.app, clinicalService(q.s.Server, q.app), asset.Fact{Name: asset.FactDatabase, Value: text})
}

// looks searches for data of patients in what passes.
func (q *sqlSession) looks(at int64, side int, b []byte) {
	if q.scan.data(side, at, b) {
		q.patient(q.s, q.out, at, q.app)
	}
}

// tell makes the event of a statement. One that is prepared is told of when it
// is run, or when it cannot be.
func (q *sqlSession) tell(a *sqlAsked) {
	if a.code == "" || a.code == "prepare" && !a.failed {
		return
	}
	verb := sqlVerb(a.text)
	e := asset.NewEvent(ocsf.DatastoreActivity, a.activity, a.code, a.at, q.Sensor)
	if a.activity == 0 {
		e.ActivityID = sqlActivity(verb)
	}
	e.StatusID, e.StatusDetail = ocsf.StatusSuccess, a.detail
	if a.failed {
		e.StatusID = ocsf.StatusFailure
	}
	e.Actor.User.Account, e.Actor.AppName, e.Actor.Session = q.user, q.program, q.id
	if q.osUser != "" && !strings.EqualFold(q.osUser, q.user) {
		e.Actor.OnBehalfOf = &ocsf.User{Account: q.osUser}
	}
	e.SrcEndpoint = ocsf.Endpoint{IP: q.s.Client.Addr().String(), Port: int(q.s.Client.Port()), Hostname: q.host}
	e.DstEndpoint = ocsf.Endpoint{IP: q.s.Server.Addr().String(), Port: int(q.s.Server.Port()), Name: q.product}
	if q.database != "" {
		e.Database = &ocsf.Named{Name: q.database}
	}
	if a.text != "" || a.rows > 0 {
		e.QueryInfo = &ocsf.QueryInfo{Text: a.text, Rows: a.rows}
	}
	if rest := (sqlRest{q.s.VLAN, max(a.clipped, 0)}); rest != (sqlRest{}) {
		e.Unmapped, _ = json.Marshal(rest) // two numbers always can be written
	}
	e.Metadata.UID = q.uid(a)
	q.out.Event(e)
	q.s.Notes().Call(sqlCall(a, verb), 1)
}

// sqlRest is what an event says beyond OCSF's attributes.
type sqlRest struct {
	VLAN    uint16 `json:"vlan,omitempty"`
	Clipped int    `json:"clipped_bytes,omitempty"` // of the statement, which are not in the event
}

// uid follows from sensor, stream, time and place in the stream, so that what
// is read twice is one event.
func (q *sqlSession) uid(a *sqlAsked) string {
	q.sequence++
	h := sha256.New()
	for _, part := range []string{q.Sensor, q.s.Client.String(), q.s.Server.String(), a.text} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write([]byte(part))
	}
	for _, n := range []uint64{uint64(q.s.Opened), uint64(a.at), q.sequence} {
		h.Write(binary.BigEndian.AppendUint64(nil, n))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)[:16])
}

// sqlVerb is the first word of a statement, upper-case, "" where it is none
// that is known. Comments and parentheses before it are passed over.
func sqlVerb(text string) string {
	for {
		text = strings.TrimLeft(text, " \t\r\n(;\ufeff")
		switch {
		case strings.HasPrefix(text, "/*"):
			_, rest, ok := strings.Cut(text[2:], "*/")
			if text = rest; ok {
				continue
			}
		case strings.HasPrefix(text, "--"), strings.HasPrefix(text, "#"):
			_, rest, ok := strings.Cut(text, "\n")
			if text = rest; ok {
				continue
			}
		}
		break
	}
	end := 0
	for end < len(text) && end < 12 && (text[end]|0x20 >= 'a' && text[end]|0x20 <= 'z') {
		end++
	}
	word := strings.ToUpper(text[:end])
	switch word {
	case "SELECT", "WITH", "CALL", "EXEC", "EXECUTE", "VALUES", "TABLE", "FETCH", "COPY",
		"UPDATE", "MERGE", "ALTER", "RENAME", "GRANT", "REVOKE", "LOCK", "UNLOCK", "COMMENT",
		"INSERT", "REPLACE", "LOAD", "BULK", "CREATE", "DELETE", "DROP", "TRUNCATE", "BACKUP", "RESTORE",
		"SHOW", "DESC", "DESCRIBE", "EXPLAIN", "SET", "RESET", "USE", "DECLARE", "BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "END",
		"PREPARE", "DEALLOCATE", "DISCARD", "DO", "KILL", "FLUSH", "ANALYZE", "OPTIMIZE", "VACUUM", "LISTEN", "NOTIFY", "IF", "WAITFOR", "PRINT", "HANDLER":
		return word
	}
	return ""
}

// sqlActivity is the Datastore activity of a verb, as package normalize has it
// for the databases' own audits.
func sqlActivity(verb string) int {
	const query, update, write, create, remove, list = 4, 2, 5, 6, 7, 8
	switch verb {
	case "SELECT", "WITH", "CALL", "EXEC", "EXECUTE":
		return query
	case "UPDATE", "MERGE", "ALTER":
		return update
	case "INSERT", "REPLACE":
		return write
	case "CREATE":
		return create
	case "DELETE", "DROP", "TRUNCATE":
		return remove
	case "SHOW", "DESC", "DESCRIBE", "EXPLAIN":
		return list
	}
	return ocsf.ActivityOther
}

// sqlConnect is the Datastore activity of signing in.
const sqlConnect = 3

// sqlCall is the name a statement is counted by.
func sqlCall(a *sqlAsked, verb string) string {
	name := verb
	switch {
	case a.activity == sqlConnect:
		name = strings.ToUpper(a.code)
	case name == "":
		name = "SQL"
	}
	if a.failed {
		name += " failed"
	}
	return name
}

// sqlBeginsStatement says whether a text begins with a verb of SQL.
func sqlBeginsStatement(b []byte) bool {
	return sqlVerb(string(b[:min(len(b), 256)])) != ""
}
