package console

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/identity"
)

// The kinds of sealed words in addresses.
const (
	sealPerson  = "person"
	sealPatient = "patient"
	sealTOTP    = "totp"
	sealSearch  = "search"
)

// person is a member of staff (or an account nobody knows) as pages show it.
type person struct {
	ID         string
	Name       string
	Account    string
	Role       string
	Department string
	Known      bool
	// Link leads to the person's page; empty where the reader may not see it.
	Link string
}

// Label is name and number, or what there is.
func (x person) Label() string {
	id := cmp.Or(x.ID, x.Account)
	if x.Name == "" {
		return id
	}
	return x.Name + " (" + id + ")"
}

// Place is department and role.
func (x person) Place() string {
	return strings.Join(slices.DeleteFunc([]string{x.Department, x.Role}, func(s string) bool { return s == "" }), " · ")
}

// staff describes somebody by person_id, or by account.
func (q *request) staff(id, account string) person {
	x := person{ID: id, Account: account}
	p, ok := q.People.Person(id)
	if !ok {
		p, ok = q.People.Resolve(cmp.Or(account, id))
	}
	if ok {
		x = person{ID: p.ID, Name: p.Name, Account: account, Role: p.Role, Department: p.Department, Known: true}
	}
	key := cmp.Or(x.ID, x.Account)
	if key != "" && q.ses.User.May(identity.SeeCases) && q.SeesPerson(q.ses.User, x.ID) {
		x.Link = "/people/" + q.seal.Seal(sealPerson, key)
	}
	return x
}

// patientRef is a patient's number with the way to its page.
type patientRef struct{ ID, Link string }

func (q *request) patientRef(id string) patientRef {
	if id == "" || !q.ses.User.May(identity.SeePatients) {
		return patientRef{ID: id}
	}
	return patientRef{ID: id, Link: q.patientPath(id)}
}

func (c *Console) patientPath(id string) string { return "/patients/" + c.seal.Seal(sealPatient, id) }

func languageNames() [][2]string { return [][2]string{{"zh", "中文"}, {"en", "English"}} }

func (p *page) roleName(r identity.Role) string {
	for _, i := range identity.Roles() {
		if i.Role == r {
			return p.In(i.Title)
		}
	}
	return string(r)
}
