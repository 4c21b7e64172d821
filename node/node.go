// Package node puts the product together: it alone knows everybody. It opens
// the engines, builds each part with what it needs, runs what runs, and stops
// it in the right order.
//
// The flow is one: collectors hand items to the intake, which publishes
// events on the bus and only then lets them be acknowledged; the pipeline
// reads the bus in order and explains, detects, opens cases and keeps;
// playbooks act on cases; the console and the API ask and decide. Whatever
// happens at whatever moment, a restart goes on behind the last checkpoint
// (see pipeline) and nothing acknowledged is lost or doubled.
//
// It owns the tables node_state, node_cursors and node_sources, the folder
// layout below the data folder, and the lock that keeps two processes from
// working on one folder. It decides nothing about the trade.
package node

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cordon-health/cordon/blob"
	"github.com/cordon-health/cordon/bus"
	"github.com/cordon-health/cordon/canary"
	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/config"
	"github.com/cordon-health/cordon/content"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/detect/sigma"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/directory/ldap"
	"github.com/cordon-health/cordon/evidence"
	evidencefolder "github.com/cordon-health/cordon/evidence/folder"
	"github.com/cordon-health/cordon/gateway"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/lake/duck"
	"github.com/cordon-health/cordon/normalize"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
	"github.com/cordon-health/cordon/quarantine"
	"github.com/cordon-health/cordon/release"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/tuning"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Node is one open instance.
type Node struct {
	cfg     config.Config
	version string
	now     func() time.Time // in the site's zone
	log     *slog.Logger
	key     keyed.Key

	db         *store.DB
	bus        bus.Bus
	files      blob.Store
	lake       *lake.Lake
	evidence   *evidence.Log
	people     *directory.Directory
	care       *care.Graph
	norm       *normalize.Normalizer
	quarantine *quarantine.Book
	detect     *detect.Engine
	desk       *incident.Desk
	runner     *playbook.Runner
	users      *identity.Users
	ldap       *ldap.Client // nil when not configured
	notices    *notices
	refused    atomic.Pointer[[]sigma.Refused] // at the last reload
	reloading  sync.Mutex                      // held while rules are reloaded
	rules      atomic.Pointer[sigma.Rules]     // those at work
	tuning     *tuning.Book
	planted    planted
	metrics    *prometheus.Registry
	watcher    *canary.Watcher // nil until Run
	scans      *scans
	patients   *patientBook
	inspector  *liveInspector
	gateway    *gateway.Guard
	releases   *release.Broker
	network    *network
	enforce    *enforcement
	policies   *policies
	sensors    sensorList
	tested     testedAlerts
	checked    selfChecked

	sources *sources
	intake  *intake
	pipe    *pipeline
	closers []func() error // in the order of opening
}

// Open opens everything below the data folder and restores the last
// checkpoint. Nothing runs and nothing listens before Run or Work.
func Open(ctx context.Context, cfg config.Config, version string, now func() time.Time, log *slog.Logger) (*Node, error) {
	zone, err := cfg.Site.Location()
	if err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, version: version, log: log, now: func() time.Time { return now().In(zone) }, metrics: prometheus.NewRegistry(), notices: &notices{}}
	for _, step := range []func(context.Context) error{
		n.openFolder, n.openEngines, n.openEvidence, n.openKnowledge, n.openNetwork, n.openEnforcement, n.openPolicies, n.openPipeline, n.openPeople, n.openScans, n.openOutgoing,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	return n, nil
}

// Close closes in reverse order of opening. Run must have returned.
func (n *Node) Close() error {
	var errs []error
	for i := len(n.closers) - 1; i >= 0; i-- {
		errs = append(errs, n.closers[i]())
	}
	n.closers = nil
	return errors.Join(errs...)
}

func (n *Node) closing(f func() error) { n.closers = append(n.closers, f) }

// openFolder makes the data folder, takes its lock and reads the site's key.
func (n *Node) openFolder(context.Context) error {
	if err := os.MkdirAll(n.cfg.Data, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	lock, err := durable.Lock(filepath.Join(n.cfg.Data, "lock"))
	if errors.Is(err, durable.ErrLocked) {
		return fmt.Errorf("%s is in use by a running cordon; use --server to talk to it, or stop it first", n.cfg.Data)
	}
	if err != nil {
		return err
	}
	n.closing(lock.Close)
	n.key, err = siteKey(filepath.Join(n.cfg.Data, "keys", "site.key"))
	return err
}

// siteKey reads the secret of tokens, making it at the first start.
func siteKey(path string) (keyed.Key, error) {
	var key keyed.Key
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		rand.Read(key[:])
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return key, err
		}
		return key, durable.WriteFile(path, key[:], 0o600)
	case err != nil:
		return key, fmt.Errorf("read site key: %w", err)
	case len(data) != len(key):
		return key, fmt.Errorf("site key %s has %d bytes, not %d; restore it from a backup: without it tokens match nothing", path, len(data), len(key))
	}
	return keyed.Key(data), nil
}

func (n *Node) openEngines(ctx context.Context) (err error) {
	if n.db, err = openStore(ctx, n.cfg); err != nil {
		return err
	}
	n.closing(n.db.Close)
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	if err := n.db.Migrate(ctx, "node", sub); err != nil {
		return err
	}
	if n.bus, err = openBus(ctx, n.cfg, n.log); err != nil {
		return err
	}
	n.closing(n.bus.Close)
	if n.files, err = openBlob(ctx, n.cfg); err != nil {
		return err
	}
	lc := n.cfg.Lake
	lc.Dir = filepath.Join(n.cfg.Data, "scratch")
	lc.Engine = duck.New(lc.Dir)
	if n.lake, err = lake.Open(ctx, lc, n.db, n.files, n.log); err != nil {
		return err
	}
	n.closing(n.lake.Close)
	return nil
}

func (n *Node) openEvidence(ctx context.Context) (err error) {
	e := n.cfg.Evidence
	n.evidence, err = evidence.Open(ctx, evidence.Config{
		Dir: filepath.Join(n.cfg.Data, evidencefolder.LogDir), KeyDir: filepath.Join(n.cfg.Data, "keys"), Origin: e.Origin,
		WitnessURL: e.WitnessURL, WitnessKey: e.WitnessKey, WitnessRequired: e.WitnessRequired,
	}, n.db, n.now, n.log)
	if err != nil {
		return err
	}
	n.closing(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		return n.evidence.Close(ctx)
	})
	return nil
}

func (n *Node) openKnowledge(ctx context.Context) (err error) {
	if n.people, err = directory.Open(ctx, n.db, n.key, n.now, n.log); err != nil {
		return err
	}
	kinds, err := fs.Sub(content.Files(), "explanations")
	if err != nil {
		return err
	}
	if n.care, err = care.Open(ctx, n.db, n.people, n.key, kinds, n.now, n.log); err != nil {
		return err
	}
	n.norm = normalize.New(normalize.Options{Key: n.key, Zone: n.now().Location()})
	n.quarantine, err = quarantine.New(ctx, n.db, n.now)
	return err
}

func (n *Node) openPipeline(ctx context.Context) (err error) {
	if err := n.db.View(ctx, func(tx *sql.Tx) (err error) {
		n.sources, err = newSources(ctx, tx)
		return err
	}); err != nil {
		return err
	}
	mappings, err := n.loadMappings()
	if err != nil {
		return err
	}
	n.intake = &intake{
		norm: n.norm, mappings: mappings, people: n.people, book: n.quarantine, bus: n.bus, sources: n.sources,
		canaries: canary.NewSigner(n.key),
		waiting:  make(chan *publication), closed: make(chan struct{}),
	}
	if n.desk, err = incident.New(ctx, n.cfg.Incident, n.db, n.evidence, n.now); err != nil {
		return err
	}
	if err := n.openTuning(ctx); err != nil {
		return err
	}
	if n.detect, err = n.newDetect(ctx); err != nil {
		return err
	}
	if err := n.openPlaybooks(ctx); err != nil {
		return err
	}
	count := newCounters(n.metrics)
	n.pipe = &pipeline{
		clerk: &clerk{db: n.db, lake: n.lake, log: n.evidence, desk: n.desk, tuning: n.tuning, told: n.runner.Notice, now: n.now, slog: n.log, count: count},
		db:    n.db, bus: n.bus, lake: n.lake, log: n.evidence, care: n.care, detect: n.detect,
		src: n.sources, now: n.now, slog: n.log, count: count, aside: n.setAside,
		canaries: canary.NewSigner(n.key), network: n.network, every: 10 * time.Second, join: normalize.NewJoiner(),
	}
	return n.pipe.restore(ctx)
}

func (n *Node) openPeople(ctx context.Context) (err error) {
	cfg := n.cfg.Identity
	cfg.Key = n.key
	n.users, err = identity.New(ctx, cfg, n.db, n.now, n.watchWatchers)
	return err
}

// watchWatchers puts what happens in Cordon itself into the same stream as
// everything else, so that it is evidence too.
func (n *Node) watchWatchers(ctx context.Context, ev *ocsf.Event) error {
	n.ownEvent(ev, "cordon:"+rand.Text())
	ctx, cancel := lasting(ctx)
	defer cancel()
	if err := n.intake.publish(ctx, []*ocsf.Event{ev}); err != nil {
		n.log.Error("event about cordon itself not stored", "class", ev.ClassUID, "error", err)
		return err
	}
	return nil
}
