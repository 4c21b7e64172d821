package statement

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/internal/strict"
)

// Class is what a column says.
type Class uint8

// The classes of columns, by their names in a catalog.
const (
	_            Class = iota
	Patient            // patient: the number of a patient
	Visit              // visit: the number of a visit, registration or admission
	Prescription       // prescription: the number of a prescription, order or line of one
	Identity           // identity: name, phone, address, identity number of a patient
	Drug               // drug: number, name, maker of a drug or consumable
	Quantity           // quantity: how much was prescribed
	Money              // money
	Doctor             // doctor: who prescribed
	Staff              // staff: other people of the hospital, or their table
	Department         // department
	Time               // time
	Clinical           // clinical: diagnoses, findings, histories
	Row                // the number of a row of the result
)

func classNames() []string {
	return []string{"", "patient", "visit", "prescription", "identity", "drug", "quantity", "money", "doctor", "staff", "department", "time", "clinical", "row"}
}

// Set is a set of classes.
type Set uint32

// SetOf makes a set.
func SetOf(cs ...Class) Set {
	var s Set
	for _, c := range cs {
		if c != 0 {
			s |= 1 << c
		}
	}
	return s
}

// Has says whether a class is in the set.
func (s Set) Has(c Class) bool { return s&(1<<c) != 0 }

// Any says whether the sets share a class.
func (s Set) Any(o Set) bool { return s&o != 0 }

// Kind is what the rows of a table are.
type Kind uint8

// The kinds of tables, by their names in a catalog.
const (
	_             Kind = iota
	Patients           // patients: the index of patients
	Visits             // visits, registrations, admissions
	Prescriptions      // prescriptions: headers of prescriptions
	Items              // items: lines of prescriptions, orders or dispensing, with drug and quantity
	Drugs              // drugs: the dictionary of drugs and consumables
	Stocks             // stock of the pharmacy
	People             // staff
	Departments        // departments
	Billing            // billing: invoices and bills
	Records            // records: histories, results, diagnoses, images
	Other              // other: templates, settings, logs
)

func kindNames() []string {
	return []string{"", "patients", "visits", "prescriptions", "items", "drugs", "stock", "staff", "departments", "billing", "records", "other"}
}

// Kinds is a set of kinds.
type Kinds uint16

// KindsOf makes a set.
func KindsOf(ks ...Kind) Kinds {
	var s Kinds
	for _, k := range ks {
		s |= 1 << k
	}
	return s
}

// Has says whether a kind is in the set.
func (s Kinds) Has(k Kind) bool { return s&(1<<k) != 0 }

// level is the GB/T 39725 level of a kind where the catalog names none.
func (k Kind) level() int {
	switch k {
	case Patients, Visits, Prescriptions, Items, Records, Billing:
		return 4
	case People, Stocks:
		return 2
	}
	return 1
}

// Table is a table of a catalog.
type Table struct {
	Name  string
	Kind  Kind
	Level int
	// Columns are its own; others are read by the patterns.
	Columns map[string]Class
	// Like is the table it seems to be a copy of, by its name.
	Like string
}

// Catalog knows what tables and columns mean. The zero Catalog knows none.
type Catalog struct {
	tables   map[string]*Table
	patterns []tablePattern
	columns  []columnPattern
	// Ignored are names of tables of databases themselves.
	ignored []*regexp.Regexp
}

type tablePattern struct {
	match *regexp.Regexp
	kind  Kind
	level int
}

type columnPattern struct {
	match *regexp.Regexp
	kinds Kinds // 0: all
	is    Class
}

// catalogFile is a file of content/tables.
type catalogFile struct {
	// About says in one line whose tables these are.
	About string `yaml:"about"`
	// Tables by name, without schema, in lower case.
	Tables map[string]tableEntry `yaml:"tables"`
	// Patterns are for tables that no file lists: the first that matches a
	// name counts.
	Patterns []patternEntry `yaml:"patterns"`
	// Columns are for columns that their table does not list.
	Columns []columnEntry `yaml:"columns"`
	// Ignore are names that are no data of the hospital.
	Ignore []string `yaml:"ignore"`
}

type tableEntry struct {
	Kind    string            `yaml:"kind"`
	Level   int               `yaml:"level"`
	Columns map[string]string `yaml:"columns"`
}

type patternEntry struct {
	Match string `yaml:"match"`
	Kind  string `yaml:"kind"`
	Level int    `yaml:"level"`
}

type columnEntry struct {
	Match string   `yaml:"match"`
	In    []string `yaml:"in"`
	Is    string   `yaml:"is"`
}

// LoadCatalog reads all .yaml files of the folders. Of a table listed twice
// the later folder counts; patterns of later folders are tried first. An
// unknown key, kind or class is an error that names file and place.
func LoadCatalog(folders ...fs.FS) (*Catalog, error) {
	c := &Catalog{tables: map[string]*Table{}}
	for _, f := range folders {
		names, err := fs.Glob(f, "*.yaml")
		if err != nil {
			return nil, fmt.Errorf("list tables: %w", err)
		}
		next := &Catalog{tables: c.tables}
		for _, name := range names {
			if err := next.load(f, name); err != nil {
				return nil, fmt.Errorf("tables %s: %w", path.Base(name), err)
			}
		}
		c.patterns = append(next.patterns, c.patterns...)
		c.columns = append(next.columns, c.columns...)
		c.ignored = append(next.ignored, c.ignored...)
	}
	return c, nil
}

func (c *Catalog) load(f fs.FS, name string) error {
	data, err := fs.ReadFile(f, name)
	if err != nil {
		return err
	}
	var file catalogFile
	if err := strict.Unmarshal(data, &file); err != nil {
		return err
	}
	var errs []error
	for _, name := range sortedNames(file.Tables) {
		t, err := file.Tables[name].table(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("table %s: %w", name, err))
			continue
		}
		c.tables[t.Name] = t
	}
	for _, p := range file.Patterns {
		errs = append(errs, c.addPattern(p))
	}
	for _, p := range file.Columns {
		errs = append(errs, c.addColumns(p))
	}
	for _, text := range file.Ignore {
		m, err := anyCase(text)
		c.ignored, errs = append(c.ignored, m), append(errs, err)
	}
	return errors.Join(errs...)
}

func sortedNames(m map[string]tableEntry) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func (e tableEntry) table(name string) (*Table, error) {
	k, err := kindOf(e.Kind)
	if err != nil {
		return nil, err
	}
	t := &Table{Name: strings.ToLower(name), Kind: k, Level: cmp.Or(e.Level, k.level()), Columns: map[string]Class{}}
	if t.Level < 1 || t.Level > 5 {
		return nil, fmt.Errorf("level %d is not one of GB/T 39725, 1 to 5", t.Level)
	}
	for column, word := range e.Columns {
		cl, err := classOf(word)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", column, err)
		}
		t.Columns[strings.ToLower(column)] = cl
	}
	return t, nil
}

func kindOf(word string) (Kind, error) {
	if i := slices.Index(kindNames(), word); i > 0 {
		return Kind(i), nil
	}
	return 0, fmt.Errorf("kind %q; use one of %s", word, strings.Join(kindNames()[1:], ", "))
}

// classOf also takes "other", a column of no class.
func classOf(word string) (Class, error) {
	if word == "other" {
		return 0, nil
	}
	if i := slices.Index(classNames(), word); i > 0 {
		return Class(i), nil
	}
	return 0, fmt.Errorf("class %q; use one of %s, other", word, strings.Join(classNames()[1:], ", "))
}

func (c *Catalog) addPattern(p patternEntry) error {
	k, err := kindOf(p.Kind)
	m, err2 := anyCase(p.Match)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	c.patterns = append(c.patterns, tablePattern{m, k, cmp.Or(p.Level, k.level())})
	return nil
}

func (c *Catalog) addColumns(p columnEntry) error {
	cl, err := classOf(p.Is)
	m, err2 := anyCase(p.Match)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	var kinds Kinds
	for _, word := range p.In {
		k, err := kindOf(word)
		if err != nil {
			return err
		}
		kinds |= KindsOf(k)
	}
	c.columns = append(c.columns, columnPattern{m, kinds, cl})
	return nil
}

func anyCase(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, errors.New("a pattern is empty")
	}
	return regexp.Compile("(?i)" + pattern)
}

// Table finds a table by its lower-case name, without schema. A name that says
// of itself that it is a copy of a listed table is one.
func (c *Catalog) Table(name string) (*Table, bool) {
	if t, ok := c.tables[name]; ok {
		return t, true
	}
	if t, ok := c.copied(name); ok {
		return &Table{Name: name, Kind: t.Kind, Level: t.Level, Columns: t.Columns, Like: t.Name}, true
	}
	for _, p := range c.patterns {
		if p.match.MatchString(name) {
			return &Table{Name: name, Kind: p.kind, Level: p.level}, true
		}
	}
	return nil, false
}

// mostParts bounds the parts of a name that are looked at.
const mostParts = 12

// copied finds the listed table of which a name says that it is a copy:
// bak_T_20260301, T_old, T$copy2.
func (c *Catalog) copied(name string) (*Table, bool) {
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == '$' || r == '-' || r == '#' })
	if len(parts) > mostParts {
		return nil, false
	}
	from, to := 0, len(parts)
	for to > 0 && ofCopies(parts[to-1]) {
		to--
	}
	for from < to && ofCopies(parts[from]) {
		from++
	}
	for n := len(parts); n > 0; n-- { // the longest one
		for lo := 0; lo+n <= len(parts); lo++ {
			if lo > from || lo+n < to {
				continue
			}
			if t, ok := c.tables[strings.Join(parts[lo:lo+n], "_")]; ok {
				return t, true
			}
		}
	}
	return nil, false
}

// ofCopies says whether a part of a name is what copies are called by: a word
// of copying, a date or number, a letter or two.
func ofCopies(part string) bool {
	word := strings.TrimRight(part, "0123456789")
	switch word {
	case "bak", "back", "backup", "bck", "bkp", "copy", "tmp", "temp", "old", "new", "hist", "history", "his", "arch", "archive", "archived",
		"test", "dev", "uat", "snap", "snapshot", "restore", "restored", "dump", "export", "exp", "sync", "orig", "save", "dup", "clone", "备份", "副本", "历史", "归档", "临时":
		return true
	}
	return len(word) <= 2
}

// Ignored says whether a name belongs to the database itself.
func (c *Catalog) Ignored(name string) bool {
	return slices.ContainsFunc(c.ignored, func(m *regexp.Regexp) bool { return m.MatchString(name) })
}

// Column is the class of a table's column, 0 for none.
func (c *Catalog) Column(t *Table, column string) Class {
	if cl, ok := t.Columns[column]; ok {
		return cl
	}
	for _, p := range c.columns {
		if (p.kinds == 0 || p.kinds.Has(t.Kind)) && p.match.MatchString(column) {
			return p.is
		}
	}
	return 0
}

// All are the classes of all columns of a table, as * shows them.
func (c *Catalog) All(t *Table) Set {
	var s Set
	for _, cl := range t.Columns {
		s |= SetOf(cl)
	}
	if len(t.Columns) > 0 {
		return s
	}
	switch t.Kind { // known by a pattern: what such tables have
	case Patients:
		return SetOf(Patient, Identity)
	case Visits:
		return SetOf(Patient, Visit, Department)
	case Prescriptions:
		return SetOf(Visit, Prescription, Doctor, Time, Money)
	case Items:
		return SetOf(Prescription, Drug, Quantity)
	case Drugs, Stocks:
		return SetOf(Drug)
	case People:
		return SetOf(Staff)
	case Records:
		return SetOf(Clinical, Visit)
	case Billing:
		return SetOf(Money, Visit)
	}
	return 0
}

// Len is how many tables are listed by name.
func (c *Catalog) Len() int {
	if c == nil {
		return 0
	}
	return len(c.tables) + len(c.patterns)
}

// Listed finds a table that a file lists by name.
func (c *Catalog) Listed(name string) (*Table, bool) {
	if c == nil {
		return nil, false
	}
	t, ok := c.tables[name]
	return t, ok
}
