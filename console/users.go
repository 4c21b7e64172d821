package console

import (
	"net/http"
	"strconv"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/identity"
)

// usersFile is the page of users and tokens.
type usersFile struct {
	Users       []identity.User
	Tokens      []identity.Token
	Roles       []identity.RoleInfo
	Departments []string
	// Link is a one-time link, Token a bearer token: shown once, here.
	Link, LinkFor string
	Token         string
}

func (q *request) users() error { return q.usersWith(http.StatusOK, usersFile{}) }

func (q *request) usersWith(status int, m usersFile) (err error) {
	ctx := q.r.Context()
	if m.Users, err = q.Users.List(ctx); err != nil {
		return err
	}
	if m.Tokens, err = q.Users.Tokens(ctx); err != nil {
		return err
	}
	m.Roles = identity.Roles()
	seen := map[string]bool{}
	for p := range q.People.People() {
		if p.Department != "" && !seen[p.Department] && !detect.Reserved(p.ID) {
			seen[p.Department] = true
			m.Departments = append(m.Departments, p.Department)
		}
	}
	p := q.page("users.title")
	return q.showAs(status, p, usersPage(p, m))
}

// changeUser invites, disables and enables users, makes and revokes tokens.
func (q *request) changeUser() error {
	ctx, u := q.r.Context(), q.ses.User
	name := q.text("name")
	var err error
	switch what := q.r.PathValue("what"); what {
	case "invite":
		return q.invite()
	case "token":
		return q.newToken()
	case "disable":
		if err = q.known(name); err == nil {
			err = q.lastAdministrator(q.Users.Disable(ctx, name, u.Name))
		}
	case "enable":
		if err = q.known(name); err == nil {
			err = q.Users.Enable(ctx, name, u.Name)
		}
	case "revoke":
		err = q.Users.RevokeToken(ctx, q.text("id"), u.Name)
	default:
		err = q.refused(http.StatusNotFound, "error.nothing")
	}
	if err != nil {
		return err
	}
	return q.redirect("/users?done=" + q.r.PathValue("what"))
}

func (q *request) known(name string) error {
	_, err := q.Users.Get(q.r.Context(), name)
	return err
}

// lastAdministrator says why a known user could not be disabled.
func (q *request) lastAdministrator(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := api.RefusalOf(err); ok {
		return err
	}
	q.Log.Warn("user not disabled", "error", err)
	return q.refused(http.StatusConflict, "users.last")
}

func (q *request) invite() error {
	inv := identity.Invitation{Name: q.text("name"), FullName: q.text("full_name"), Role: identity.Role(q.text("role")),
		Department: q.text("department"), PersonID: q.text("person_id")}
	link, err := q.Invite(q.r.Context(), q.ses.User, inv)
	if err != nil {
		return err
	}
	scheme := "http://"
	if q.Site.Secure {
		scheme = "https://"
	}
	return q.usersWith(http.StatusCreated, usersFile{Link: scheme + q.r.Host + "/welcome/" + link, LinkFor: inv.Name})
}

func (q *request) newToken() error {
	days, err := strconv.Atoi(q.text("days"))
	if err != nil {
		days = 0
	}
	token, err := q.MakeToken(q.r.Context(), q.ses.User, q.text("label"), q.text("role"), days)
	if err != nil {
		return err
	}
	return q.usersWith(http.StatusCreated, usersFile{Token: token})
}
