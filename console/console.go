// Package console is the pages: what the security officer, the privacy office,
// auditors, department heads and the staff who are asked look at.
//
// What it gives. Pages made on the server (templ), which work without scripts;
// one small script keeps the overview live. Everything is embedded. Chinese
// and English, chosen by the browser and switchable; times in the site's zone.
//
// What it guarantees. Every page but sign-in, the one-time link and the answer
// page needs a session and the role's permission; a department head sees the
// people of their own department. Every form carries the session's token, and
// what browsers send from other sites is refused. Nothing on a page comes from
// elsewhere and nothing is inline (strict CSP). Patient and staff numbers
// stand in no URL (internal/sealed). Opening a patient's trail, a quarantined
// record or an evidence bundle is an event itself.
//
// It owns no tables and decides nothing: it shows what the other parts know
// and hands on what people decide.
package console

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"net/http"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/internal/limit"
	"github.com/cordon-health/cordon/internal/sealed"
)

//go:embed assets
var assets embed.FS

// Parts are what the console is made of.
type Parts struct {
	api.Services
}

// Console serves the pages. It may be used concurrently.
type Console struct {
	Parts
	seal  sealed.Key
	tries *limit.Limiter // sign-ins, one-time links and answers, by address
	kept  shares         // what is counted now and then
	check verification
}

// New makes the console.
func New(p Parts) (*Console, error) {
	if p.Users == nil || p.Now == nil || p.Log == nil || p.Site.Zone == nil {
		return nil, errors.New("console: users, clock, log and site are needed")
	}
	return &Console{Parts: p, seal: sealed.NewKey(p.Key[:]), tries: limit.New(2*time.Second, 20, 10000, p.Now)}, nil
}

// route is one line of the table of pages.
type route struct {
	pattern string
	// may is the permission it needs; open needs no session.
	may   identity.Permission
	open  bool
	serve func(*request) error
}

// pages lists all routes.
func pages() []route {
	return []route{
		{"GET /{$}", identity.SeeOverview, false, (*request).overview},
		{"GET /overview/live", identity.SeeOverview, false, (*request).overviewLive},
		{"GET /incidents", identity.SeeCases, false, (*request).incidents},
		{"POST /incidents", identity.SeeCases, false, (*request).findIncidents},
		{"GET /incidents/{id}", identity.SeeCases, false, (*request).incident},
		{"GET /incidents/{id}/bundle", identity.SeeEvidence, false, (*request).bundle},
		{"POST /incidents/{id}/{what}", identity.HandleCases, false, (*request).handle},
		{"GET /people/{token}", identity.SeeCases, false, (*request).person},
		{"GET /patients", identity.SeePatients, false, (*request).patients},
		{"POST /patients", identity.SeePatients, false, (*request).findPatient},
		{"GET /patients/{token}", identity.SeePatients, false, (*request).patient},
		{"POST /patients/{token}/dispute", identity.HandleCases, false, (*request).dispute},
		{"GET /sources", identity.SeeSources, false, (*request).sources},
		{"GET /quarantine/{id}", identity.SeeQuarantine, false, (*request).quarantined},
		{"POST /quarantine/{id}/{what}", identity.Replay, false, (*request).mend},
		{"GET /detectors", identity.SeeOverview, false, (*request).detectors},
		{"POST /detectors/{id}", identity.Tune, false, (*request).setDetector},
		{"POST /detectors/{id}/{what}", identity.Tune, false, (*request).decideSetting},
		{"GET /rules", identity.SeeSources, false, (*request).rules},
		{"GET /rules/{id}", identity.SeeSources, false, (*request).rule},
		{"GET /quality", identity.SeeOverview, false, (*request).quality},
		{"POST /quality/{what}", identity.Tune, false, (*request).tuneQuality},
		{"GET /exceptions", identity.SeeSources, false, (*request).exceptions},
		{"GET /exceptions/{id}", identity.SeeSources, false, (*request).exception},
		{"POST /exceptions", identity.Tune, false, (*request).addException},
		{"POST /exceptions/{id}/{what}", identity.Tune, false, (*request).changeException},
		{"GET /data", identity.SeeData, false, (*request).data},
		{"GET /data/live", identity.SeeData, false, (*request).dataLive},
		{"GET /data/targets/{token}", identity.SeeData, false, (*request).dataTarget},
		{"GET /data/objects", identity.SeeData, false, (*request).dataObjects},
		{"GET /data/objects/{token}", identity.SeeData, false, (*request).dataObject},
		{"POST /data/find", identity.SeeData, false, (*request).findData},
		{"GET /data/export/{format}", identity.SeeData, false, (*request).exportData},
		{"GET /data/levels", identity.SeeData, false, (*request).dataLevels},
		{"POST /data/do/{what}", identity.ScanData, false, (*request).changeData},
		{"GET /evidence", identity.SeeEvidence, false, (*request).evidence},
		{"GET /evidence/live", identity.SeeEvidence, false, (*request).evidenceLive},
		{"POST /alarm-path/alerts", identity.ApproveActions, false, (*request).testAlerts},
		{"POST /evidence/verify", identity.SeeEvidence, false, (*request).verify},
		{"GET /users", identity.ManageUsers, false, (*request).users},
		{"POST /users/{what}", identity.ManageUsers, false, (*request).changeUser},
		{"GET /signin", "", true, (*request).signInPage},
		{"POST /signin", "", true, (*request).signIn},
		{"POST /signout", "", false, (*request).signOut},
		{"GET /welcome/{link}", "", true, (*request).welcome},
		{"POST /welcome/{link}", "", true, (*request).accept},
		{"GET /answer/{token}", "", true, (*request).question},
		{"POST /answer/{token}", "", true, (*request).answer},
		{"GET /network", identity.SeeNetwork, false, (*request).networkMap},
		{"GET /network/live", identity.SeeNetwork, false, (*request).networkLive},
		{"GET /network/devices", identity.SeeNetwork, false, (*request).devices},
		{"GET /network/devices.csv", identity.SeeNetwork, false, (*request).devicesCSV},
		{"GET /network/devices/{id}", identity.SeeNetwork, false, (*request).device},
		{"POST /network/devices/{id}/{what}", identity.SeeNetwork, false, (*request).changeDevice},
		{"GET /network/zones", identity.SeeNetwork, false, (*request).zones},
		{"GET /network/pair", identity.SeeNetwork, false, (*request).pair},
		{"GET /network/zones/live", identity.SeeNetwork, false, (*request).zonesLive},
		{"POST /network/zones/{what}", identity.ChangeNetwork, false, (*request).movePolicy},
		{"GET /network/proof", identity.SeeNetwork, false, (*request).segmentation},
		{"GET /network/simulation", identity.SeeNetwork, false, (*request).simulation},
		{"GET /network/simulation/live", identity.SeeNetwork, false, (*request).simulationLive},
		{"GET /network/addresses", identity.SeeNetwork, false, (*request).addresses},
		{"POST /network/addresses/{what}", identity.SeeNetwork, false, (*request).changeAddresses},
		{"GET /network/transport", identity.SeeNetwork, false, (*request).transport},
		{"GET /network/wireless", identity.SeeNetwork, false, (*request).wireless},
		{"POST /network/wireless/{what}", identity.ChangeNetwork, false, (*request).knowPoint},
		{"GET /network/sensors", identity.SeeNetwork, false, (*request).sensors},
		{"GET /network/sensors/live", identity.SeeNetwork, false, (*request).sensorsLive},
		{"GET /gateway", identity.SeeCases, false, (*request).gatewayPage},
		{"POST /gateway/{id}/{what}", identity.ApproveActions, false, (*request).decidePass},
		{"GET /releases", identity.SeeReleases, false, (*request).releasesPage},
		{"POST /releases", identity.RequestReleases, false, (*request).requestRelease},
		{"GET /releases/{id}", identity.SeeReleases, false, (*request).releasePage},
		{"GET /releases/{id}/proof", identity.SeeReleases, false, (*request).releaseProof},
		{"POST /releases/{id}/{what}", identity.SeeReleases, false, (*request).changeRelease},
		{"GET /deid", identity.SeeReleases, false, (*request).deidPage},
		{"POST /deid", identity.RequestReleases, false, (*request).askReidentify},
		{"POST /deid/{id}/{what}", identity.SeeReleases, false, (*request).changeReidentify},
		{"GET /trace", identity.SeeReleases, false, (*request).tracePage},
		{"POST /trace", identity.SeeReleases, false, (*request).trace},
		{"GET /pass/{id}", "", true, (*request).passQuestion},
		{"POST /pass/{id}", "", true, (*request).passAnswer},
		{"POST /language", "", true, (*request).language},
	}
}

// Handler serves everything that the API does not.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range pages() {
		mux.HandleFunc(r.pattern, func(w http.ResponseWriter, req *http.Request) { c.serve(r, w, req) })
	}
	mux.Handle("GET /assets/", c.files())
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		c.serve(route{open: true, serve: func(q *request) error { return fs.ErrNotExist }}, w, req)
	})
	return c.secure(mux)
}

// files serves the embedded style, script and pictures.
func (c *Console) files() http.Handler {
	serve := http.FileServerFS(assets)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		serve.ServeHTTP(w, r)
	})
}

// secure adds what every answer carries and refuses what other sites' pages
// send.
func (c *Console) secure(next http.Handler) http.Handler {
	guarded := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "+
			"connect-src 'self'; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=()")
		h.Set("Cache-Control", "no-store")
		if c.Site.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		guarded.ServeHTTP(w, r)
	})
}

// background is a context for work that outlives its request.
func background(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }
