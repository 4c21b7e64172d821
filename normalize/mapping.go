package normalize

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones by name on machines without a zone database

	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/ocsf"
)

// Mapping says how a row of a hospital's own audit table, a line of its CSV
// or an object of its JSON becomes an event. It is one YAML file in
// content/mappings (or of the hospital); an unknown key is an error. Wherever
// a [From] stands, write the name of a column, or more:
//
//	account: user_code                  # a column
//	product: {value: HIS}               # a constant
//	activity: {column: action, values: {查看: read, 打印: export}, default: other}
//
// In JSON a column is a member, or a path such as operator.code.
type Mapping struct {
	// Name is how the mapping is called; empty takes the file's name.
	Name string `yaml:"name"`
	// About says in one line what the table is.
	About string `yaml:"about"`
	// Kind is access (default: a person opened a patient's record), sql (a
	// statement on a database), login, or care (facts about care).
	Kind string `yaml:"kind"`
	// Separator of a CSV file; empty is a comma. "\t" is a tabulator.
	Separator string `yaml:"separator"`

	// UID is the record's own id; empty makes one of the content.
	UID From `yaml:"uid"`
	// Time is when it happened; required.
	Time From `yaml:"time"`
	// Layout of the time: iso (default), unix, unix_ms, a pattern such as
	// yyyy-MM-dd HH:mm:ss, or one in the manner of Go.
	Layout string `yaml:"layout"`
	// Zone of times that name none: Asia/Shanghai, +08:00; empty takes the
	// server's setting.
	Zone string `yaml:"zone"`

	// Account is who did it, as the directory knows the account; FullName,
	// Role and Department describe the person, OnBehalfOf is whom they acted
	// for.
	Account    From `yaml:"account"`
	FullName   From `yaml:"full_name"`
	Role       From `yaml:"role"`
	Department From `yaml:"department"`
	OnBehalfOf From `yaml:"on_behalf_of"`
	// App is the program, Session its session.
	App     From `yaml:"app"`
	Session From `yaml:"session"`
	// IP and Host are the workstation, Server the machine or service asked.
	IP     From `yaml:"ip"`
	Host   From `yaml:"host"`
	Server From `yaml:"server"`

	// Patient is the patient's number, Encounter that of the visit.
	Patient   From `yaml:"patient"`
	Encounter From `yaml:"encounter"`

	// Activity is what was done: read, search, create, update, delete,
	// import, export, share or other; for sql also connect, query, write,
	// list; for login logon or logoff.
	Activity From `yaml:"activity"`
	// Status is success or failure; Detail its reason.
	Status From `yaml:"status"`
	Detail From `yaml:"detail"`
	// ResourceType, ResourceID and ResourceName are what was touched;
	// Document is the kind of document, Label a security label.
	ResourceType From `yaml:"resource_type"`
	ResourceID   From `yaml:"resource_id"`
	ResourceName From `yaml:"resource_name"`
	Document     From `yaml:"document"`
	Label        From `yaml:"label"`
	// Count is how many records or images it stands for.
	Count From `yaml:"count"`
	// Purpose is a purpose-of-use code, Reason what the person wrote,
	// BreakGlass yes or no, Incidental yes where the patient was not chosen.
	Purpose    From `yaml:"purpose"`
	Reason     From `yaml:"reason"`
	BreakGlass From `yaml:"break_glass"`
	Incidental From `yaml:"incidental"`
	// Request joins the records of client and server about one access.
	Request From `yaml:"request"`

	// Search is what was typed into a search box; only tokens of it are kept.
	Search From `yaml:"search"`
	// Sequence is the number the source gave the row, counting by one.
	Sequence From `yaml:"sequence"`
	// Version, Content (its hash) and Dated (the time it was written for) are
	// of the document written; Matches is how many results a search had.
	Version From `yaml:"version"`
	Content From `yaml:"content"`
	Dated   From `yaml:"dated"`
	Matches From `yaml:"matches"`

	// Statement, Database, Table and Rows are of a statement (kind sql).
	Statement From `yaml:"statement"`
	Database  From `yaml:"database"`
	Table     From `yaml:"table"`
	Rows      From `yaml:"rows"`
	// File and FileSize are a file written by an export.
	File     From `yaml:"file"`
	FileSize From `yaml:"file_size"`

	// Product is the system that wrote the record.
	Product From `yaml:"product"`
	// Keep lists further columns to be kept as they are. Name none with a
	// patient's name, phone, address or identity number.
	Keep []string `yaml:"keep"`

	// Care are the facts a row states (kind care).
	Care []CareMapping `yaml:"care"`

	zone    *time.Location
	pattern string
}

// CareMapping makes one fact of a row. A fact without person, department and
// ward is left out, except of the kinds encounter and diagnosis.
type CareMapping struct {
	// Kind is a kind of fact: encounter, attending, order, appointment, ...
	Kind       string `yaml:"kind"`
	ID         From   `yaml:"id"`
	Person     From   `yaml:"person"`
	Department From   `yaml:"department"`
	Ward       From   `yaml:"ward"`
	Code       From   `yaml:"code"`
	From       From   `yaml:"from"`
	Until      From   `yaml:"until"`
	// Retract is yes where the row takes the fact back.
	Retract From `yaml:"retract"`
}

// From is where a value comes from: a column, translated by Values if that is
// given, else a constant. Default stands for an empty column and for a value
// that Values does not list.
type From struct {
	Column  string
	Value   string
	Values  map[string]string
	Default string
}

// UnmarshalYAML reads a column's name or the four keys; others are errors.
func (f *From) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		f.Column = node.Value
		return nil
	}
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: write a column, or column, value, values and default", node.Line)
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		var err error
		switch key, value := node.Content[i], node.Content[i+1]; key.Value {
		case "column":
			err = value.Decode(&f.Column)
		case "value":
			err = value.Decode(&f.Value)
		case "values":
			err = value.Decode(&f.Values)
		case "default":
			err = value.Decode(&f.Default)
		default:
			err = fmt.Errorf("line %d: unknown key %q; known are column, value, values, default", key.Line, key.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// get is the value for a row.
func (f *From) get(row func(string) string) string {
	if f.Column == "" {
		return cmp.Or(f.Value, f.Default)
	}
	text := strings.TrimSpace(row(f.Column))
	if f.Values == nil {
		return cmp.Or(text, f.Default)
	}
	if v, ok := f.Values[text]; ok {
		return v
	}
	return cmp.Or(f.Default, text)
}

func (f *From) set() bool { return f.Column != "" || f.Value != "" || f.Default != "" }

// ParseMapping reads a mapping file and checks it.
func ParseMapping(r io.Reader) (*Mapping, error) {
	m := &Mapping{}
	d := yaml.NewDecoder(r)
	d.KnownFields(true)
	if err := d.Decode(m); err != nil {
		return nil, fmt.Errorf("read mapping: %w", err)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("mapping %s: %w", m.Name, err)
	}
	return m, nil
}

func (m *Mapping) check() error {
	m.Kind = cmp.Or(m.Kind, "access")
	if !slices.Contains([]string{"access", "sql", "login", "care"}, m.Kind) {
		return fmt.Errorf("kind %q; use access, sql, login or care", m.Kind)
	}
	switch {
	case !m.Time.set():
		return errors.New("time is missing; name the column that says when it happened")
	case m.Kind == "care" && (!m.Patient.set() || len(m.Care) == 0):
		return errors.New("kind care needs patient and care")
	case m.Kind != "care" && !m.Account.set() && !m.App.set():
		return errors.New("account is missing; name the column that says who it was")
	case !separatorOK(m.Separator):
		return errors.New("separator must be one ASCII character, or \\t")
	}
	for _, from := range []*From{&m.Activity, &m.Status} {
		if err := m.checkWords(from); err != nil {
			return err
		}
	}
	for _, c := range m.Care {
		if !knownFact(ocsf.FactKind(c.Kind)) {
			return fmt.Errorf("care: %q is no kind of fact a mapping can make", c.Kind)
		}
	}
	m.pattern = timePattern(m.Layout)
	return m.loadZone()
}

func separatorOK(text string) bool {
	switch {
	case text == "", text == `\t`, text == "\t":
		return true
	}
	return len(text) == 1 && text[0] > ' ' && text[0] < 0x7f && text[0] != '"'
}

// checkWords finds a word in a value table that means nothing.
func (m *Mapping) checkWords(from *From) error {
	words := []string{from.Default, from.Value}
	for _, v := range from.Values {
		words = append(words, v)
	}
	slices.Sort(words)
	for _, w := range words {
		if _, isActivity := m.activityOf(w); w != "" && !isActivity && statusWord(w) == ocsf.StatusUnknown {
			return fmt.Errorf("%q is neither an activity of kind %s nor success or failure", w, m.Kind)
		}
	}
	return nil
}

func (m *Mapping) loadZone() (err error) {
	if m.Zone == "" {
		return nil
	}
	if at, err := time.Parse("-07:00", m.Zone); err == nil {
		m.zone = at.Location()
		return nil
	}
	if m.zone, err = time.LoadLocation(m.Zone); err != nil {
		return fmt.Errorf("zone: %w; write Asia/Shanghai or +08:00", err)
	}
	return nil
}

// timePattern turns yyyy-MM-dd HH:mm:ss.SSS into Go's way; a pattern without
// y stays as it is.
func timePattern(layout string) string {
	if !strings.Contains(layout, "yy") {
		return layout
	}
	return strings.NewReplacer("yyyy", "2006", "yy", "06", "MM", "01", "dd", "02", "HH", "15", "hh", "03",
		"mm", "04", "ss", "05", "SSSSSS", "000000", "SSS", "000", "SS", "00", "a", "PM", "XXX", "-07:00", "Z", "-0700").Replace(layout)
}

// instant reads a time of a row.
func (m *Mapping) instant(text string, zone *time.Location) (ms int64, exact bool, err error) {
	if m.zone != nil {
		zone = m.zone
	}
	switch m.pattern {
	case "", "iso":
		ms, exact, ok := parseTime([]byte(text), zone)
		if !ok {
			return 0, false, errors.New("is not an ISO 8601 time; give its layout in the mapping")
		}
		return ms, exact || m.zone != nil, nil
	case "unix", "unix_ms":
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || n != n || n < -1e15 || n > 1e15 {
			return 0, false, errors.New("is not a number")
		}
		if m.pattern == "unix" {
			n *= 1000
		}
		return int64(n), true, nil
	}
	at, err := time.ParseInLocation(m.pattern, text, zone)
	if err != nil {
		return 0, false, errors.New("does not have the layout the mapping gives")
	}
	zoned := strings.Contains(m.pattern, "-07") || strings.Contains(m.pattern, "Z07") || strings.Contains(m.pattern, "MST")
	return at.UnixMilli(), zoned || m.zone != nil, nil
}

// Columns are the columns the mapping reads, each once, in no order that
// matters.
func (m *Mapping) Columns() []string {
	names := slices.Clone(m.Keep)
	for _, f := range m.fields() {
		names = append(names, f.Column)
	}
	for i := range m.Care {
		c := &m.Care[i]
		for _, f := range []*From{&c.ID, &c.Person, &c.Department, &c.Ward, &c.Code, &c.From, &c.Until, &c.Retract} {
			names = append(names, f.Column)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return slices.DeleteFunc(names, func(s string) bool { return s == "" })
}

func (m *Mapping) fields() []*From {
	return []*From{&m.UID, &m.Time, &m.Account, &m.FullName, &m.Role, &m.Department, &m.OnBehalfOf, &m.App, &m.Session,
		&m.IP, &m.Host, &m.Server, &m.Patient, &m.Encounter, &m.Activity, &m.Status, &m.Detail,
		&m.ResourceType, &m.ResourceID, &m.ResourceName, &m.Document, &m.Label, &m.Count,
		&m.Purpose, &m.Reason, &m.BreakGlass, &m.Incidental, &m.Request,
		&m.Search, &m.Sequence, &m.Version, &m.Content, &m.Dated, &m.Matches,
		&m.Statement, &m.Database, &m.Table, &m.Rows, &m.File, &m.FileSize, &m.Product}
}

// Required are the columns without which no row can be read: a table that
// lacks one is an error that names it.
func (m *Mapping) Required() []string {
	var names []string
	for _, f := range []*From{&m.Time, &m.Account, &m.Patient} {
		if f.Column != "" && f.Default == "" && f.Value == "" {
			names = append(names, f.Column)
		}
	}
	return names
}

// knownFact says whether a mapping may state facts of that kind; those with
// tokens need a format of their own.
func knownFact(kind ocsf.FactKind) bool {
	switch kind {
	case ocsf.FactEncounter, ocsf.FactLocation, ocsf.FactAttending, ocsf.FactReferring, ocsf.FactConsulting,
		ocsf.FactAdmitting, ocsf.FactRegistrar, ocsf.FactOrder, ocsf.FactPerformer, ocsf.FactAppointment,
		ocsf.FactReferral, ocsf.FactDocument, ocsf.FactBilling, ocsf.FactCareTeam, ocsf.FactDiagnosis, ocsf.FactSensitivity:
		return true
	}
	return false
}

// activityOf is the activity id of a word, by kind.
func (m *Mapping) activityOf(word string) (id int, ok bool) {
	table := map[string]int{
		"create": ocsf.AccessCreate, "read": ocsf.AccessRead, "update": ocsf.AccessUpdate, "delete": ocsf.AccessDelete,
		"search": ocsf.AccessSearch, "import": ocsf.AccessImport, "export": ocsf.AccessExport, "share": ocsf.AccessShare,
		"print": ocsf.AccessExport, "copy": ocsf.AccessExport,
	}
	switch m.Kind {
	case "sql": // OCSF 1.9.0 datastore_activity
		table = map[string]int{"read": 1, "update": 2, "connect": 3, "query": 4, "write": 5, "create": 6, "delete": 7, "list": 8,
			"select": 4, "insert": 5}
	case "login":
		table = map[string]int{"logon": ocsf.AuthLogon, "login": ocsf.AuthLogon, "logoff": ocsf.AuthLogoff, "logout": ocsf.AuthLogoff}
	}
	word = strings.ToLower(word)
	if word == "other" {
		return ocsf.ActivityOther, true
	}
	id, ok = table[word]
	return id, ok
}

// statusWord reads success and failure in their usual spellings.
func statusWord(text string) int {
	switch strings.ToLower(text) {
	case "success", "ok", "true", "成功", "0000":
		return ocsf.StatusSuccess
	case "failure", "fail", "failed", "false", "error", "denied", "失败":
		return ocsf.StatusFailure
	}
	return ocsf.StatusUnknown
}

// yes reads a truth value as tables write it.
func yes(text string) bool {
	switch strings.ToLower(text) {
	case "1", "y", "yes", "true", "t", "是":
		return true
	}
	return false
}
