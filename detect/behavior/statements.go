package behavior

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/statement"
)

// statements reads the statements of events once, for all detectors that judge
// them, and remembers what they need: objects made by earlier statements, and
// from where and with which program each account is used. Its memory is in the
// snapshot of drug-statistics-sql.
type statements struct {
	reader  *statement.Reader
	catalog *statement.Catalog
	none    statement.Catalog // stands in where there is none

	made     detect.Memory[statement.Object] // by name
	accounts detect.Memory[accountUse]       // by account
	programs detect.Memory[crew]             // by program
	homes    detect.Memory[home]             // by table
	unmapped detect.Memory[int]              // by table
	sessions detect.Memory[variables]        // by account and session
	feed     detect.Feed
	names    atomic.Pointer[[]string] // of the unmapped, for pages

	event *ocsf.Event
	read  query
}

// query is the statement of one event.
type query struct {
	*statement.Reading
	values statement.Values
	// person is who is behind it, as far as known; known says the directory
	// has them.
	person string
	known  bool
	// program is a database tool, application is neither that nor a person.
	tool, application bool
	// strange: the account is usual, this machine or program with it is not.
	strange bool
	// learning: the account has not been watched for long enough.
	learning bool
	// elsewhere names the database in which these tables are new.
	elsewhere string
	rows      int64
}

// accountUse is how an account is used.
type accountUse struct {
	First    int64              `json:"f"`
	Stations map[string]station `json:"s,omitempty"`
	// Prints are the fingerprints of counting statements learned, with the
	// time they were first seen.
	Prints map[string]int64 `json:"p,omitempty"`
}

// station is a machine and a program.
type station struct {
	First int64 `json:"f"`
	Last  int64 `json:"l"`
}

// crew are the accounts (as hashes) of a program.
type crew struct {
	Accounts []uint32 `json:"a"`
}

// variables are the texts that a session's variables hold.
type variables struct {
	List []statement.Variable `json:"l"`
}

const mostVariables = 8

// note takes over what a statement gives to variables; the oldest make room.
func (v *variables) note(sets []statement.Variable) {
	for _, set := range sets {
		v.List = slices.DeleteFunc(v.List, func(x statement.Variable) bool { return x.Name == set.Name })
		v.List = append(v.List, set)
	}
	if more := len(v.List) - mostVariables; more > 0 {
		v.List = slices.Delete(v.List, 0, more)
	}
}

// home is the database a table was first seen in.
type home struct {
	Database string `json:"d"`
	First    int64  `json:"f"`
}

const (
	mostStations = 32
	mostPrints   = 200
	// aCrew is how many accounts make a program an application.
	aCrew = 5
	// known from then on, in days
	learnDays = 14
)

func newStatements() *statements {
	s := &statements{
		made:     detect.NewMemory[statement.Object](4000, 120*day),
		accounts: detect.NewMemory[accountUse](1500, 180*day),
		programs: detect.NewMemory[crew](1000, 180*day),
		homes:    detect.NewMemory[home](4000, 0),
		unmapped: detect.NewMemory[int](500, 90*day),
		sessions: detect.NewMemory[variables](300, day),
	}
	return s
}

// of is the statement of an event, nil for an event without one. A statement
// that failed read nothing.
func (s *statements) of(c *detect.Context, ev *ocsf.Event) *query {
	sql := ev.QueryInfo != nil && ev.QueryInfo.Text != ""
	if ev.ClassUID != ocsf.DatastoreActivity || ev.StatusID == ocsf.StatusFailure || !sql && !tableRead(ev) {
		return nil
	}
	s.feed.Note()
	if s.event == ev && s.read.Reading != nil {
		return &s.read
	}
	s.prepare(c.World().Tables)
	s.event = ev
	s.read = query{}
	if ev.QueryInfo != nil {
		s.read.rows = max(0, ev.QueryInfo.Rows)
	}
	if sql {
		s.read.Reading, s.read.values = s.reader.Read(ev.QueryInfo.Text, dialectOf(ev))
	} else {
		s.read.Reading = s.reader.Table(ev.Table.UID, ev.Table.Name)
	}
	s.who(c, ev)
	s.remember(ev)
	s.place(ev)
	return &s.read
}

// tableRead says that a record tells of a table that was read, without the
// statement: many audits keep no more.
func tableRead(ev *ocsf.Event) bool {
	const read, query = 1, 4
	return ev.Table != nil && ev.Table.Name != "" && (ev.ActivityID == read || ev.ActivityID == query)
}

func (s *statements) prepare(catalog *statement.Catalog) {
	if catalog == nil {
		catalog = &s.none
	}
	if s.reader == nil || s.catalog != catalog {
		s.catalog = catalog
		s.reader = statement.NewReader(catalog, func(name string) (*statement.Object, bool) {
			o := s.made.Get(s.objectKey(name))
			return o, o != nil
		})
		s.reader.Session = s.variable
	}
}

// objectKey is the name of an object; SQL Server's temporary tables are each
// account's own.
func (s *statements) objectKey(name string) string {
	if strings.HasPrefix(name, "#") && !strings.HasPrefix(name, "##") && s.event != nil {
		return account(s.event) + "|" + name
	}
	return name
}

// variable is the text that the session of the event gave to a variable.
func (s *statements) variable(name string) (string, bool) {
	if s.event == nil {
		return "", false
	}
	if v := s.sessions.Get(sqlSession(s.event)); v != nil {
		for _, x := range v.List {
			if x.Name == name {
				return x.Text, true
			}
		}
	}
	return "", false
}

// sqlSession is the session of an event, as far as its source tells them apart.
func sqlSession(ev *ocsf.Event) string { return account(ev) + "|" + host(ev) + "|" + ev.Actor.Session }

func account(ev *ocsf.Event) string { return strings.ToLower(ev.Actor.User.Account) }

// dialectOf is what the source says of itself.
func dialectOf(ev *ocsf.Event) statement.Dialect {
	for _, name := range []string{ev.Metadata.LogName, ev.Metadata.Product.Name, ev.Metadata.Product.VendorName, ev.Metadata.LogProvider, ev.DstEndpoint.Name} {
		if d := statement.DialectOf(name); d != statement.Generic {
			return d
		}
	}
	return statement.Generic
}

// who says whether a person or an application is behind it. An account of the
// operating system or of the application counts where the database's is
// nobody's.
func (s *statements) who(c *detect.Context, ev *ocsf.Event) {
	q := &s.read
	p, known := c.Person()
	q.person, q.known = c.Who(), known
	if !known && ev.Actor.OnBehalfOf != nil {
		if other, ok := resolve(c.People(), ev.Actor.OnBehalfOf); ok {
			p, q.person, q.known = &other, other.ID, true
		}
	}
	program := programOf(ev)
	q.tool = isTool(program)
	service := q.known && isService(p.Role)
	q.application = !q.tool && !administrator(account(ev)) && (!q.known || service || s.usedByMany(program, ev))
}

// resolve finds a person by account, also behind a domain.
func resolve(people *directory.Directory, u *ocsf.User) (directory.Person, bool) {
	for _, name := range []string{u.Account, u.UID} {
		if i := strings.LastIndexByte(name, '\\'); i >= 0 {
			name = name[i+1:]
		}
		if name == "" {
			continue
		}
		if p, ok := people.Resolve(name); ok {
			return p, true
		}
		if p, ok := people.Person(name); ok {
			return p, true
		}
	}
	return directory.Person{}, false
}

func programOf(ev *ocsf.Event) string { return strings.ToLower(strings.TrimSpace(ev.Actor.AppName)) }

// usedByMany says whether a program connects under the accounts of many: then
// it is an application that signs people in to the database.
func (s *statements) usedByMany(program string, ev *ocsf.Event) bool {
	if program == "" {
		return false
	}
	k := s.programs.Keep(program, ev.Time)
	if h := hash(account(ev)); len(k.Accounts) < aCrew && !slices.Contains(k.Accounts, h) {
		k.Accounts = append(k.Accounts, h)
	}
	return len(k.Accounts) >= aCrew
}

// isTool says whether a program is one with which people write SQL themselves.
func isTool(program string) bool {
	for _, w := range []string{"plsql", "pl/sql", "navicat", "sqlplus", "sql*plus", "sql developer", "sqldeveloper", "dbeaver", "toad", "heidisql",
		"ssms", "management studio", "azure data studio", "dbvisualizer", "datagrip", "sqlyog", "workbench", "phpmyadmin", "adminer", "pgadmin",
		"squirrel", "dbforge", "query analyzer", "isqlw", "sqlcmd", "osql", "mysqldump", "mydumper", "pg_dump", "psql", "expdp", "exp.exe", "excel",
		"msaccess", "microsoft office", "power bi", "powerbi", "tableau", "finebi", "finereport", "smartbi", "cognos", "superset", "metabase", "kettle", "datax", "sqoop", "jupyter", "rstudio", "aqua data", "sqlmap", "mysqlsh", "mycli", "pgcli", "odbcad", "beekeeper"} {
		if strings.Contains(program, w) {
			return true
		}
	}
	base := program[strings.LastIndexAny(program, `\/`)+1:]
	base, _, _ = strings.Cut(base, "@")
	switch strings.TrimSuffix(base, ".exe") {
	case "mysql", "exp", "bcp", "sql", "python", "python3", "r":
		return true
	}
	return false
}

// isService says whether the directory calls an account one of a program.
func isService(role string) bool {
	role = strings.ToLower(role)
	for _, w := range []string{"service", "application", "system account", "服务账号", "系统账号", "应用账号", "接口"} {
		if strings.Contains(role, w) {
			return true
		}
	}
	return false
}

// administrator says whether an account is one that databases come with.
func administrator(account string) bool {
	switch account {
	case "sys", "system", "sa", "root", "postgres", "admin", "administrator", "dba", "sysdba", "mysql", "oracle", "dbsnmp":
		return true
	}
	return strings.HasPrefix(account, "dba") || strings.HasSuffix(account, "dba")
}

// remember notes what the statement made, where it came from and which tables
// nobody mapped.
func (s *statements) remember(ev *ocsf.Event) {
	q := &s.read
	for i := range q.Makes {
		o := &q.Makes[i]
		if t, listed := s.catalog.Listed(o.Name); listed && t != nil {
			continue // what the catalog says of a table stays
		}
		key := s.objectKey(o.Name)
		if s.made.Get(key) == nil {
			s.reader.Forget()
		}
		*s.made.Keep(key, ev.Time) = *o
		s.unmapped.Forget(o.Name)
	}
	if len(q.Sets) > 0 {
		s.sessions.Keep(sqlSession(ev), ev.Time).note(q.Sets)
	}
	for _, name := range q.Unmapped {
		if s.made.Get(s.objectKey(name)) != nil || strings.HasPrefix(name, "#") {
			continue
		}
		n := s.unmapped.Keep(name, ev.Time)
		if *n++; *n == 1 {
			s.publish()
		}
	}
	s.station(ev)
}

// publish lists the unmapped tables for pages.
func (s *statements) publish() {
	var names []string
	s.unmapped.Each(func(name string, _ *int) { names = append(names, name) })
	s.names.Store(&names)
}

// station learns from where an account is used, and sees what is new about it.
func (s *statements) station(ev *ocsf.Event) {
	q := &s.read
	who := account(ev)
	h := s.accounts.Keep(who, ev.Time)
	if h.First == 0 {
		h.First = ev.Time
		h.Stations, h.Prints = map[string]station{}, map[string]int64{}
	}
	key := host(ev) + "|" + programOf(ev)
	if h.Stations == nil {
		h.Stations = map[string]station{}
	}
	st, known := h.Stations[key]
	if !known {
		st.First = ev.Time
	}
	st.Last = max(st.Last, ev.Time)
	if known || len(h.Stations) < mostStations {
		h.Stations[key] = st
	}
	if administrator(who) && !q.tool && programOf(ev) != "" && ev.Time >= st.First+learnDays*day {
		q.application = true // an application that signs in as one
	}
	q.learning = ev.Time < h.First+learnDays*day
	q.strange = !q.learning && key != "|" && ev.Time < st.First+learnDays*day && st.First >= h.First+learnDays*day
}

// place sees whether a table with patients' data is read in another database
// than where it belongs: a backup restored elsewhere.
func (s *statements) place(ev *ocsf.Event) {
	q := &s.read
	for _, t := range q.Tables {
		where := placeOf(ev, t)
		if t.Level < 4 || t.Made || where == "" {
			continue
		}
		h := s.homes.Keep(t.Name, ev.Time)
		switch {
		case h.Database == "":
			h.Database, h.First = where, ev.Time
		case h.Database != where && ev.Time > h.First+day:
			q.elsewhere = where
		}
	}
}

// placeOf is the database of a table: the schema in a name with one, else
// what the source says.
func placeOf(ev *ocsf.Event, t statement.Use) string {
	if t.Schema != "" && t.Schema != "dbo" && t.Schema != "public" {
		return t.Schema
	}
	if ev.Database != nil && ev.Database.Name != ev.Metadata.Product.Name { // which stands in where the source names none
		return strings.ToLower(ev.Database.Name)
	}
	return ""
}

// group is what a ticket must cover together: drugs and prescriptions, then
// patients, records and money each.
func group(k statement.Kind) int {
	switch k {
	case statement.Items, statement.Prescriptions, statement.Visits:
		return 1
	case statement.Patients:
		return 2
	case statement.Records:
		return 3
	case statement.Billing:
		return 4
	}
	return 5
}

// approved says whether tickets cover what was read: of each group of tables
// with patients' data one.
func (s *statements) approved(c *detect.Context, ev *ocsf.Event) bool {
	if x := ev.Explanation; x != nil && x.Kind == "ticket" {
		return true
	}
	q := &s.read
	need, covered := map[int]bool{}, map[int]bool{}
	for _, t := range s.tables() {
		g := group(t.Kind)
		need[g] = true
		for _, who := range whoever(c, q) {
			if _, ok := c.Care().Ticket(who, care.Scope{Table: t.Name}, ev.Time); ok {
				covered[g] = true
			}
			if _, ok := c.Care().Ticket(who, care.Scope{Table: t.Schema + "." + t.Name}, ev.Time); ok && t.Schema != "" {
				covered[g] = true
			}
		}
	}
	return len(need) > 0 && len(covered) == len(need)
}

// whoever are the names a ticket may be made out to.
func whoever(c *detect.Context, q *query) []string {
	out := []string{q.person}
	if c.Who() != q.person {
		out = append(out, c.Who())
	}
	return out
}

// tables are the tables with patients' data that were read, those that made
// objects came from among them.
func (s *statements) tables() []statement.Use {
	var out []statement.Use
	for _, t := range s.read.Tables {
		if t.Level < 4 {
			continue
		}
		if !t.Made {
			out = append(out, t)
			continue
		}
		o := s.made.Get(s.objectKey(t.Name))
		if o == nil {
			continue
		}
		for _, name := range o.From {
			if base, ok := s.catalog.Table(name); ok && base.Level >= 4 {
				out = append(out, statement.Use{Name: base.Name, Kind: base.Kind, Level: base.Level})
			}
		}
	}
	return out
}

// named lists tables for a sentence; a made one with what it was made from.
func (s *statements) named() string {
	var out []string
	for _, t := range s.read.Tables {
		name := t.Name
		if o := s.made.Get(s.objectKey(t.Name)); t.Made && o != nil && len(o.From) > 0 {
			name += " (" + strings.Join(o.From[:min(4, len(o.From))], ", ") + ")"
		}
		out = append(out, name)
	}
	if len(out) > 8 {
		out = append(out[:8], "...")
	}
	return strings.Join(out, ", ")
}

// learned says whether an application has asked this before, and notes it: what
// is first asked while an account is being learned, or has been asked for as
// long, is usual.
func (s *statements) learned(ev *ocsf.Event) bool {
	h := s.accounts.Keep(account(ev), ev.Time)
	if h.Prints == nil {
		h.Prints = map[string]int64{}
	}
	key := strconv.FormatUint(s.read.Fingerprint, 36)
	first, ok := h.Prints[key]
	if !ok {
		if len(h.Prints) >= mostPrints {
			return false
		}
		h.Prints[key], first = ev.Time, ev.Time
	}
	return first < h.First+learnDays*day || ev.Time >= first+learnDays*day
}

type statementsMemory struct {
	Made     json.RawMessage `json:"made"`
	Accounts json.RawMessage `json:"accounts"`
	Programs json.RawMessage `json:"programs"`
	Homes    json.RawMessage `json:"homes"`
	Unmapped json.RawMessage `json:"unmapped"`
	Sessions json.RawMessage `json:"sessions"`
	Feed     json.RawMessage `json:"feed"`
}

func (s *statements) snapshot() (m statementsMemory, err error) {
	for _, x := range []struct {
		from detect.Stateful
		to   *json.RawMessage
	}{{&s.made, &m.Made}, {&s.accounts, &m.Accounts}, {&s.programs, &m.Programs}, {&s.homes, &m.Homes}, {&s.unmapped, &m.Unmapped}, {&s.sessions, &m.Sessions}, {&s.feed, &m.Feed}} {
		if *x.to, err = x.from.Snapshot(); err != nil {
			return m, err
		}
	}
	return m, nil
}

func (s *statements) restore(m statementsMemory) error {
	for _, x := range []struct {
		to   detect.Stateful
		from json.RawMessage
	}{{&s.made, m.Made}, {&s.accounts, m.Accounts}, {&s.programs, m.Programs}, {&s.homes, m.Homes}, {&s.unmapped, m.Unmapped}, {&s.sessions, m.Sessions}, {&s.feed, m.Feed}} {
		if err := x.to.Restore(x.from); err != nil {
			return err
		}
	}
	s.reader, s.event = nil, nil
	s.publish()
	return nil
}

// tally is what somebody did in a day.
type tally struct {
	Events []string `json:"e"`
	Seen   int      `json:"n"`
	Next   int      `json:"x"`
	Rows   int64    `json:"r,omitempty"`
	Drugs  []uint64 `json:"d,omitempty"`
	Prints []uint64 `json:"p,omitempty"`
	Risk   float64  `json:"k,omitempty"`
	Items  bool     `json:"i,omitempty"`
	Doctor bool     `json:"o,omitempty"`
	// Keys are hashes of the values that slices of a list were asked with.
	Keys []uint64 `json:"s,omitempty"`
}

const mostOfTally = 60

// add notes an event; it says whether there is enough news to tell.
func (t *tally) add(uid string, q *query) bool {
	if slices.Contains(t.Events, uid) {
		return false
	}
	t.Seen++
	t.Rows += q.rows
	if len(t.Events) < mostOfTally {
		t.Events = append(t.Events, uid)
	}
	for _, d := range q.values.Drugs {
		if len(t.Drugs) < mostOfTally && !slices.Contains(t.Drugs, d) {
			t.Drugs = append(t.Drugs, d)
		}
	}
	if len(t.Prints) < mostOfTally && !slices.Contains(t.Prints, q.Fingerprint) {
		t.Prints = append(t.Prints, q.Fingerprint)
	}
	if t.Seen < t.Next {
		return false
	}
	t.Next = t.Seen + max(1, t.Seen/4)
	return true
}

// dayOf is the day of the site, as part of a name.
func dayOf(c *detect.Context, ev *ocsf.Event) string { return c.At(ev.Time)[:10] }

// about fills in who it was.
func (q *query) about(f *ocsf.Finding, ev *ocsf.Event) {
	f.Person = q.person
	if f.Person == "" {
		f.Person = ev.Actor.User.Account
	}
	f.Account = ev.Actor.User.Account
}
