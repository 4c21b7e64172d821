package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/collect/web"
	"github.com/cordon-health/cordon/console"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/internal/listen"
)

// services is what API and console show.
func (n *Node) services() api.Services {
	c := n.cfg.Console
	return api.Services{
		Site: api.Site{
			Name: n.cfg.Site.Name, Zone: n.now().Location(), Language: n.cfg.Site.Language,
			Secure: c.Cert != "" || c.BehindProxy, Proxied: c.BehindProxy,
		},
		Users: n.users, Desk: n.desk, Runner: n.runner, Lake: n.lake, Care: n.care, People: n.people,
		Book: n.evidence, Quarantine: n.quarantine, Alarm: n,
		Tuning: api.Tuners{Book: n.tuning, Apply: n.retune, File: n.cfg.Detect.Exceptions, Filters: n.filters, Plant: n.plant, Kinds: plantKinds,
			All: func() []detect.Status { return n.pipe.detectors().All() }},
		Detectors: func() []detect.Info { return n.pipe.detectors().Infos() },
		Health:    func() []detect.Problem { return n.pipe.detectors().Health() },
		Rules:     n.ruleSet,
		Sources:   n.sources.list, Import: n.Import, Replay: n.Replay, Verify: n.Verify, Bundle: n.Bundle,
		Data:       n.dataGuard(),
		Assets:     n.assetBook(),
		Network:    n.networkServices(),
		Sensors:    n.enforce.desk.sync,
		SensorSeat: n.enforce.desk.owns,
		Checks:     n.lawChecks,
		Deidentify: n.deidentify, Reidentify: n.deidDesk(),
		Gateway: n.gateway, Base: c.URL, Releases: n.releases, ReleaseProof: n.releaseProof,
		Audit: n.watchWatchers, KeepDispute: n.keepDispute, Budget: n.cfg.Incident.Budget, Version: n.version, Key: n.key, Now: n.now, Log: n.log,
	}
}

// Handler serves API and console.
func (n *Node) Handler() (http.Handler, error) {
	wc := web.Default()
	if raw, ok := n.cfg.Collect["web"]; ok {
		if err := optional(raw, &wc); err != nil {
			return nil, fmt.Errorf("collect.web: %w", err)
		}
	}
	in, err := web.New(wc, n.intake, n.now, n.log)
	if err != nil {
		return nil, err
	}
	s := n.services()
	a, err := api.New(api.Parts{
		Services: s, Events: in.Events, FHIR: in.FHIR, Metrics: prometheus.Gatherers{n.metrics, prometheus.DefaultGatherer}, Ready: n.ready,
	})
	if err != nil {
		return nil, err
	}
	c, err := console.New(console.Parts{Services: s})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	programs := a.Handler()
	for _, path := range []string{"/api/", "/fhir", "/fhir/", "/metrics", "/healthz", "/readyz"} {
		mux.Handle(path, programs)
	}
	mux.Handle("/", c.Handler())
	return mux, nil
}

// ready says why input is not being worked on.
func (n *Node) ready(ctx context.Context) error {
	if err := n.evidence.Err(); err != nil {
		return err
	}
	_, last, err := n.bus.Span(ctx, topic)
	if err != nil {
		return err
	}
	if behind := last - min(last, n.pipe.clerk.done.Load()); behind > 1000 {
		return fmt.Errorf("%d messages wait to be worked on", behind)
	}
	return nil
}

// serve runs the web server until ctx ends.
func (n *Node) serve(ctx context.Context) error {
	h, err := n.Handler()
	if err != nil {
		return err
	}
	c := n.cfg.Console
	secure, err := listen.TLS{Cert: c.Cert, Key: c.Key}.Config()
	if err != nil {
		return err
	}
	ln, err := listen.TCP(ctx, c.Listen, listen.TLS{})
	if err != nil {
		return err
	}
	each := maxWeb / 4
	if c.BehindProxy {
		each = maxWeb // all come from the proxy's address
	}
	ln = listen.Limit(ln, maxWeb, each)
	if secure != nil {
		ln = tls.NewListener(ln, secure)
	}
	return n.serveOn(ctx, ln, h)
}

// maxWeb bounds the web server's connections; one address gets a quarter.
const maxWeb = 1024

func (n *Node) serveOn(ctx context.Context, ln net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler: listen.Punctual(h, n.now), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelWarn),
	}
	stop := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if srv.Shutdown(end) != nil {
			_ = srv.Close() // requests that outlast their time are cut off
		}
	})
	defer stop()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// URL is where people reach the console.
func (n *Node) URL() string { return n.url() }

// firstLink makes the one-time sign-in link of the first administrator, or
// nothing when there are users already.
func (n *Node) firstLink(ctx context.Context) (string, error) {
	empty, err := n.users.Empty(ctx)
	if err != nil || !empty {
		return "", err
	}
	token, err := n.users.Invite(ctx, identity.Invitation{Name: "admin", Role: identity.Administrator}, "setup")
	if err != nil {
		return "", err
	}
	return n.url() + "/welcome/" + token, nil
}
