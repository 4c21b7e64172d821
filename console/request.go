package console

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/internal/limit"
	"github.com/cordon-health/cordon/ocsf"
)

// request is one request on its way to a page.
type request struct {
	*Console
	w    http.ResponseWriter
	r    *http.Request
	ses  identity.Session
	lang string

	titles map[string]ocsf.Text // of rules, once asked for
	upload *upload              // the file at the end of a form, not read yet
}

// mostForm is the largest form of a route in bytes. What anybody may send is
// small; a mended record is as large as records are.
func mostForm(r route) int64 {
	switch {
	case r.open:
		return 64 << 10
	case r.may == identity.Replay:
		return 64 << 20
	case r.pattern == "POST /network/zones/{what}":
		return 8 << 20 // a policy of 100,000 conduits
	case r.pattern == "POST /releases" || r.pattern == "POST /trace":
		return mostUpload
	}
	return 1 << 20
}

func (c *Console) serve(r route, w http.ResponseWriter, req *http.Request) {
	q := &request{Console: c, w: w, r: req, lang: c.language(req)}
	req.Body = http.MaxBytesReader(w, req.Body, mostForm(r))
	if err := q.admit(r); err != nil {
		q.fail(err)
		return
	}
	if err := q.watch(r); err != nil {
		q.fail(err)
		return
	}
	if err := r.serve(q); err != nil {
		q.fail(err)
	}
}

var errSignIn = errors.New("sign in first")

// admit finds the session and checks permission and form token.
func (q *request) admit(r route) error {
	err := q.findSession()
	switch {
	case r.open:
		return q.parse()
	case errors.Is(err, identity.ErrDenied):
		return errSignIn
	case err != nil:
		return err
	case r.may != "" && !q.ses.User.May(r.may):
		return api.Refusal{Status: http.StatusForbidden, Text: words["error.role"]}
	}
	if err := q.parse(); err != nil {
		return err
	}
	if q.r.Method == http.MethodPost && !q.ses.SameCSRF(q.r.FormValue("csrf")) {
		return api.Refusal{Status: http.StatusForbidden, Text: words["error.form"]}
	}
	return nil
}

// parse reads the form. What is malformed in it is missing from it.
func (q *request) parse() error {
	err := q.uploadForm()
	if large := new(http.MaxBytesError); errors.As(err, &large) {
		return err
	}
	return nil
}

func (q *request) findSession() (err error) {
	cookie, err := q.r.Cookie(q.cookieName())
	if err != nil {
		return identity.ErrDenied
	}
	q.ses, err = q.Users.Session(q.r.Context(), cookie.Value)
	return err
}

// cookieName: the prefix makes browsers insist on Secure and this host.
func (c *Console) cookieName() string {
	if c.Site.Secure {
		return "__Host-cordon"
	}
	return "cordon"
}

func (q *request) setCookie(value string) {
	http.SetCookie(q.w, &http.Cookie{Name: q.cookieName(), Value: value, Path: "/", HttpOnly: true, Secure: q.Site.Secure,
		SameSite: http.SameSiteStrictMode, MaxAge: map[bool]int{true: -1, false: 0}[value == ""]})
}

const languageCookie = "cordon_lang"

// language is the reader's: chosen by the switch, else the browser's.
func (c *Console) language(r *http.Request) string {
	if cookie, err := r.Cookie(languageCookie); err == nil && (cookie.Value == "zh" || cookie.Value == "en") {
		return cookie.Value
	}
	return api.Language(r.Header.Get("Accept-Language"), c.Site.Language)
}

// language switches and goes back to where the reader was.
func (q *request) language() error {
	lang := q.r.FormValue("lang")
	if lang != "zh" && lang != "en" {
		lang = q.Site.Language
	}
	http.SetCookie(q.w, &http.Cookie{Name: languageCookie, Value: lang, Path: "/", HttpOnly: true, Secure: q.Site.Secure,
		SameSite: http.SameSiteLaxMode, MaxAge: 365 * 24 * 3600})
	return q.redirect(q.back("/"))
}

// back is the page the browser came from, on this site.
func (q *request) back(otherwise string) string {
	u, err := url.Parse(q.r.Referer())
	if err != nil || u.Host != q.r.Host || !strings.HasPrefix(u.Path, "/") {
		return otherwise
	}
	return u.RequestURI()
}

func (q *request) redirect(to string) error {
	http.Redirect(q.w, q.r, to, http.StatusSeeOther)
	return nil
}

// slow refuses those who try too often; key tells kinds of trying apart.
func (q *request) slow(kind string) error {
	if ok, _ := q.tries.Allow(kind + " " + limit.Peer(q.r, q.Site.Proxied)); !ok {
		return api.Refusal{Status: http.StatusTooManyRequests, Text: words["error.slow"]}
	}
	return nil
}

// page is what all pages of this request know.
func (q *request) page(title string) *page {
	p := &page{lang: q.lang, site: q.Site, user: q.ses.User, signed: q.ses.CSRF != "", csrf: q.ses.CSRF,
		path: q.r.URL.Path, now: q.Now().In(q.Site.Zone), title: title, version: q.Version}
	if q.Network.Kinds != nil {
		p.kinds = q.Network.Kinds()
	}
	if done := q.r.URL.Query().Get("done"); done != "" {
		p.done = words["done."+done].In(q.lang)
	}
	return p
}

// outside is a page without the frame of signed-in users.
func (q *request) outside(title string) *page {
	p := q.page(title)
	p.signed = false
	return p
}

// show answers with a page.
func (q *request) show(p *page, body templ.Component) error { return q.showAs(http.StatusOK, p, body) }

func (q *request) showAs(status int, p *page, body templ.Component) error {
	return q.write(status, layout(p, body))
}

// write answers with a part of a page.
func (q *request) write(status int, part templ.Component) error {
	q.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	q.w.Header().Set("Vary", "Accept-Language, Cookie")
	q.w.WriteHeader(status)
	return part.Render(q.r.Context(), q.w)
}

// fail shows an error as a page that says the next step.
func (q *request) fail(err error) {
	if errors.Is(err, errSignIn) {
		q.toSignIn()
		return
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		q.w.Header().Set("Connection", "close")
		err = api.Refusal{Status: http.StatusRequestEntityTooLarge, Text: words["error.large"]}
	}
	reference := ""
	r, ok := api.RefusalOf(err)
	if !ok {
		reference = rand.Text()[:10]
		r = api.Refusal{Status: http.StatusInternalServerError, Text: words["error.inside"]}
		q.Log.Error("page failed", "method", q.r.Method, "route", q.r.Pattern, "reference", reference, "error", err)
	}
	p := q.page("error.title")
	_ = q.showAs(r.Status, p, problem(p, r, reference, q.back("/"))) // the peer may be gone; nothing to do about it
}

// toSignIn sends to the sign-in page. A link followed from a mail comes
// without the session's cookie (SameSite=Strict), so it is opened once more
// from here before anybody has to sign in again.
func (q *request) toSignIn() {
	if q.r.Method == http.MethodGet && q.r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		q.w.Header().Set("Refresh", "0; url="+q.r.URL.RequestURI())
		q.w.WriteHeader(http.StatusOK)
		return
	}
	if strings.HasSuffix(q.r.URL.Path, "/live") {
		q.w.WriteHeader(http.StatusUnauthorized)
		return
	}
	next := ""
	if q.r.Method == http.MethodGet && q.r.URL.Path != "/" {
		next = "?next=" + url.QueryEscape(q.r.URL.RequestURI())
	}
	_ = q.redirect("/signin" + next)
}

// text is a short form field.
func (q *request) text(name string) string { return strings.TrimSpace(q.r.FormValue(name)) }

// ms reads a date field in the site's zone; 0 for none or nonsense. days are
// added.
func (q *request) ms(name string, days int) int64 {
	t, err := time.ParseInLocation(time.DateOnly, q.text(name), q.Site.Zone)
	if err != nil {
		return 0
	}
	return t.AddDate(0, 0, days).UnixMilli()
}

func (q *request) refused(status int, key string) error {
	return api.Refusal{Status: status, Text: words[key]}
}
