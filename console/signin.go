package console

import (
	"bytes"
	"encoding/base64"
	"errors"
	"image/png"
	"net/http"
	"strings"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/identity"
)

// signInForm is what the sign-in page shows.
type signInForm struct {
	Name, Next, Error string
}

func (q *request) signInPage() error {
	if q.ses.CSRF != "" {
		return q.redirect("/")
	}
	f := signInForm{Next: local(q.r.URL.Query().Get("next"))}
	p := q.page("signin.title")
	empty, err := q.Users.Empty(q.r.Context())
	if err != nil {
		return err
	}
	return q.show(p, signInPage(p, f, empty))
}

// local is an address on this site, else the overview. Browsers drop some
// control characters and take "\" for "/", so neither may be in it.
func local(next string) string {
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.Contains(next, "\\") || strings.ContainsFunc(next, control) {
		return "/"
	}
	return next
}

func (q *request) signIn() error {
	if err := q.slow("signin"); err != nil {
		return err
	}
	f := signInForm{Name: q.text("name"), Next: local(q.r.FormValue("next"))}
	ses, err := q.Users.SignIn(q.r.Context(), f.Name, q.r.FormValue("password"), digits(q.r.FormValue("code")))
	r, known := api.RefusalOf(err)
	switch {
	case err == nil:
		q.setCookie(ses.Secret)
		return q.redirect(f.Next)
	case !known:
		return err
	}
	p := q.page("signin.title")
	f.Error = p.In(r.Text)
	return q.showAs(r.Status, p, signInPage(p, f, false))
}

// digits drops the spaces that authenticator apps show in a code.
func digits(code string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, code)
}

func (q *request) signOut() error {
	if err := q.Users.SignOut(q.r.Context(), q.ses); err != nil {
		return err
	}
	q.setCookie("")
	return q.redirect("/signin?done=signout")
}

// welcomeForm is what the page of a one-time link shows.
type welcomeForm struct {
	Link   string
	Invite identity.Invitation
	// Secret is the authenticator's secret, sealed so that the form cannot
	// choose one; Text is the same for typing, QR as a picture.
	Secret, Text, QR string
	Error            string
}

func (q *request) welcome() error {
	if err := q.slow("welcome"); err != nil {
		return err
	}
	if q.Users.Guests() {
		return q.enter()
	}
	return q.welcomeWith("", "")
}

// enter signs a guest in by the link alone (the demo).
func (q *request) enter() error {
	ses, err := q.Users.Enter(q.r.Context(), q.r.PathValue("link"))
	if err != nil {
		return err
	}
	q.setCookie(ses.Secret)
	return q.redirect("/")
}

// welcomeWith shows the page, after a mistake with the same secret again.
func (q *request) welcomeWith(sealedSecret, mistake string) error {
	f := welcomeForm{Link: q.r.PathValue("link"), Error: mistake}
	var err error
	if f.Invite, err = q.Users.Invitation(q.r.Context(), f.Link); err != nil {
		return err
	}
	secret, address, err := q.Users.NewTOTP(f.Invite.Name)
	if err != nil {
		return err
	}
	if old, err := q.seal.Open(sealTOTP, sealedSecret); err == nil {
		address = strings.Replace(address, "secret="+secret, "secret="+old, 1)
		secret = old
	}
	f.Secret, f.Text = q.seal.Seal(sealTOTP, secret), inFours(secret)
	if f.QR, err = picture(address); err != nil {
		return err
	}
	p := q.outside("welcome.title")
	status := http.StatusOK
	if mistake != "" {
		status = http.StatusUnprocessableEntity
	}
	return q.showAs(status, p, welcomePage(p, f))
}

// inFours writes a secret for typing.
func inFours(s string) string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// picture is a QR code as a data address.
func picture(text string) (string, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", err
	}
	if code, err = barcode.Scale(code, 4*code.Bounds().Dx(), 4*code.Bounds().Dy()); err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := png.Encode(&b, code); err != nil {
		return "", err
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

func (q *request) accept() error {
	if err := q.slow("welcome"); err != nil {
		return err
	}
	sealedSecret, password := q.r.FormValue("secret"), q.r.FormValue("password")
	mistake := func(key string) error { return q.welcomeWith(sealedSecret, words[key].In(q.lang)) }
	secret, err := q.seal.Open(sealTOTP, sealedSecret)
	if err != nil {
		return mistake("welcome.again")
	}
	inv, err := q.Users.Invitation(q.r.Context(), q.r.PathValue("link"))
	if err != nil {
		return err
	}
	switch {
	case password != q.r.FormValue("repeat"):
		return mistake("welcome.differ")
	case identity.CheckPassword(inv.Name, password) != nil:
		return mistake("welcome.weak")
	}
	ses, err := q.Users.Accept(q.r.Context(), q.r.PathValue("link"), password, secret, digits(q.r.FormValue("code")))
	switch {
	case errors.Is(err, identity.ErrDenied):
		return mistake("welcome.code")
	case err != nil:
		return err
	}
	q.setCookie(ses.Secret)
	return q.redirect("/?done=welcome")
}
