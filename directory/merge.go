package directory

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// Record is what one source says about one person. Phone, Address and
// NationalID are turned into keyed tokens and then forgotten.
type Record struct {
	ID         string
	Name       string
	Role       string
	Department string
	ManagerID  string
	Phone      string
	Address    string
	NationalID string
	Hired      int64
	Ended      int64
	Accounts   []Account
	// Says are the fields this source speaks about. The others stay as they
	// are; an empty field it speaks about is cleared.
	Says Field
}

// Account is one account as a source sees it. Disabled is since when, in ms,
// 0 while it works.
type Account struct {
	Name     string
	Disabled int64
}

// Field is a set of fields of a [Record].
type Field uint16

// The fields of a [Record].
const (
	FieldName Field = 1 << iota
	FieldRole
	FieldDepartment
	FieldManager
	FieldPhone
	FieldAddress
	FieldNationalID
	FieldHired
	FieldEnded
)

// Batch is what a source delivers at once.
type Batch struct {
	Source  string
	Records []Record
	// Complete means the source listed everybody it has: accounts it once
	// gave and does not list now are disabled.
	Complete bool
	// Mark is where the source wants to continue next time.
	Mark string
}

// Merge takes a batch in: wholly or, with an error, not at all.
func (d *Directory) Merge(ctx context.Context, b Batch) (Counts, error) {
	d.writing.Lock()
	defer d.writing.Unlock()
	old := d.current.Load()
	next := old.next()
	var counts Counts
	changed := map[string]bool{}
	for i := range b.Records {
		counts.Read++
		if d.merge(next, b.Source, &b.Records[i]) {
			counts.Accepted++
			changed[b.Records[i].ID] = true
		} else {
			counts.Duplicate++
		}
	}
	if b.Complete {
		d.disableMissing(next, b, changed)
	}
	err := d.db.Update(ctx, func(tx *sql.Tx) error {
		if err := savePeople(tx, next, changed); err != nil {
			return err
		}
		return saveMark(tx, b.Source, b.Mark)
	})
	if err != nil {
		return Counts{}, fmt.Errorf("write people: %w", err)
	}
	next.index()
	d.current.Store(next)
	return counts, nil
}

// merge applies one record to a snapshot and reports whether it changed it.
func (d *Directory) merge(s *snapshot, source string, r *Record) bool {
	old := s.people[r.ID]
	e := &entry{Person: Person{ID: r.ID}, posts: []post{{}}}
	if old != nil {
		e = old.clone()
	}
	e.set(r)
	d.setPost(e, r, old == nil)
	e.Keys = d.keys(e.Keys, r)
	for _, a := range r.Accounts {
		e.setAccount(a, source)
	}
	e.settle()
	if old != nil && e.equal(old) {
		return false
	}
	e.Source = source
	s.people[r.ID] = e
	return true
}

func (e *entry) set(r *Record) {
	if r.Says&FieldName != 0 {
		e.Name = r.Name
	}
	if r.Says&FieldManager != 0 {
		e.ManagerID = r.ManagerID
	}
	if r.Says&FieldHired != 0 {
		e.Hired = r.Hired
	}
	if r.Says&FieldEnded != 0 {
		e.left = r.Ended
	}
}

// setPost notes a change of department or role. Somebody new has always been
// there, as far as anyone can say.
func (d *Directory) setPost(e *entry, r *Record, stranger bool) {
	p := e.posts[len(e.posts)-1]
	was := p
	if r.Says&FieldDepartment != 0 {
		p.department = r.Department
	}
	if r.Says&FieldRole != 0 {
		p.role = r.Role
	}
	if p == was {
		return
	}
	if stranger || (was.department == "" && was.role == "") {
		e.posts[len(e.posts)-1] = p
		return
	}
	p.since = d.now().UnixMilli()
	if p.since <= was.since {
		e.posts[len(e.posts)-1] = post{since: was.since, department: p.department, role: p.role}
		return
	}
	e.posts = append(e.posts, p)
}

func (e *entry) setAccount(a Account, source string) {
	for i := range e.accounts {
		if accountName(e.accounts[i].name) != accountName(a.Name) {
			continue
		}
		// A file only knows that an account exists; a directory service
		// knows whether it works, and has the last word.
		was := &e.accounts[i]
		if source == CSV && was.source != CSV {
			return
		}
		was.source = source
		if a.Disabled == 0 || was.disabled == 0 {
			was.disabled = a.Disabled
		}
		return
	}
	e.accounts = append(e.accounts, account{name: a.Name, source: source, disabled: a.Disabled})
	slices.SortFunc(e.accounts, func(a, b account) int { return strings.Compare(a.name, b.name) })
}

func (e *entry) equal(o *entry) bool {
	return e.Name == o.Name && e.ManagerID == o.ManagerID && e.Hired == o.Hired && e.left == o.left &&
		slices.Equal(e.Keys, o.Keys) && slices.Equal(e.accounts, o.accounts) && slices.Equal(e.posts, o.posts)
}

// keys replaces the tokens of the fields the record speaks about.
func (d *Directory) keys(old []ocsf.Key, r *Record) []ocsf.Key {
	said := map[string]string{}
	if r.Says&FieldName != 0 {
		said[keyed.Name], said[keyed.Surname] = r.Name, Surname(r.Name)
	}
	if r.Says&FieldPhone != 0 {
		said[keyed.Phone] = r.Phone
	}
	if r.Says&FieldAddress != 0 {
		said[keyed.Address], said[keyed.Building] = r.Address, r.Address
	}
	if r.Says&FieldNationalID != 0 {
		said[keyed.NationalID] = r.NationalID
	}
	var out []ocsf.Key
	for _, k := range old {
		if _, ok := said[k.Kind]; !ok {
			out = append(out, k)
		}
	}
	for kind, text := range said {
		for _, value := range values(kind, text) {
			if token := d.key.Token(kind, value); token != "" {
				out = append(out, ocsf.Key{Kind: kind, Token: token})
			}
		}
	}
	slices.SortFunc(out, func(a, b ocsf.Key) int {
		return strings.Compare(a.Kind+" "+a.Token, b.Kind+" "+b.Token)
	})
	return slices.Compact(out)
}

// values splits a field of phones, which may hold several.
func values(kind, text string) []string {
	if kind != keyed.Phone {
		return []string{text}
	}
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(";；,，、/", r) })
}

// twoRune are the Chinese surnames of two characters in common use.
const twoRune = "欧阳 司马 上官 诸葛 东方 皇甫 尉迟 公孙 慕容 司徒 令狐 长孙 宇文 夏侯 轩辕 南宫 端木 独孤 呼延 淳于 赫连 澹台 申屠 太史 仲孙 鲜于 闻人 万俟 濮阳 公冶 宗政 单于 公羊 钟离 闾丘 司空 亓官 百里 东郭 西门"

// Surname is the family name in a full name: the first character (or the two
// of a double surname) of a Chinese name, what stands before a comma, else
// the last word.
func Surname(name string) string {
	name = strings.TrimSpace(name)
	if before, _, ok := strings.Cut(name, ","); ok {
		return strings.TrimSpace(before)
	}
	first, size := utf8.DecodeRuneInString(name)
	if unicode.Is(unicode.Han, first) {
		_, second := utf8.DecodeRuneInString(name[size:])
		if both := name[:size+second]; second > 0 && slices.Contains(strings.Fields(twoRune), both) && both != name {
			return both
		}
		return name[:size]
	}
	if words := strings.Fields(name); len(words) > 0 {
		return words[len(words)-1]
	}
	return ""
}

// disableMissing marks the accounts which a complete listing no longer has.
func (d *Directory) disableMissing(s *snapshot, b Batch, changed map[string]bool) {
	listed := map[string]bool{}
	for _, r := range b.Records {
		for _, a := range r.Accounts {
			listed[accountName(a.Name)] = true
		}
	}
	at := d.now().UnixMilli()
	for id, old := range s.people {
		e := old
		for i, a := range old.accounts {
			if a.source != b.Source || a.disabled != 0 || listed[accountName(a.name)] {
				continue
			}
			if e == old {
				e = old.clone()
			}
			e.accounts[i].disabled = at
		}
		if e != old {
			e.settle()
			s.people[id] = e
			changed[id] = true
		}
	}
}
