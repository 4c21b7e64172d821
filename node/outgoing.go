package node

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/gateway"
	"github.com/cordon-health/cordon/gateway/icap"
	"github.com/cordon-health/cordon/gateway/milter"
	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/release"
)

// liveInspector searches with levels, rules and patients as they are now.
// What changed is looked at now and then, not with each content.
type liveInspector struct {
	n *Node

	mu      sync.Mutex
	scanner *Scanner
	files   [sha256.Size]byte // levels and rules
	at      time.Time
}

// inspectorEvery is how old an inspector may be.
const inspectorEvery = 15 * time.Second

// refresh makes the inspector anew where something changed.
func (l *liveInspector) refresh() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.n.now()
	if l.scanner != nil && now.Sub(l.at) < inspectorEvery && now.Sub(l.at) >= 0 {
		return nil
	}
	text, err := levelsBook{l.n}.Text()
	if err != nil {
		return err
	}
	if name := l.n.cfg.Scan.Rules; name != "" {
		rules, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read the rules of kinds: %w", err)
		}
		text = append(append(text, 0), rules...)
	}
	sum := sha256.Sum256(text)
	// An index that learns is the same one.
	if l.scanner == nil || sum != l.files || l.scanner.Patients != l.n.patients.index() {
		next, err := l.n.scanner(false)
		if err != nil {
			return err
		}
		l.scanner = next
	}
	l.files, l.at = sum, now
	return nil
}

// get is the inspector as it is; where it cannot be renewed the old one goes on.
func (l *liveInspector) get() *classify.Inspector {
	if err := l.refresh(); err != nil {
		l.n.log.Error("levels or rules of kinds not read, those before go on", "error", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.scanner.Inspector
}

// openOutgoing opens what leaves by mail and web, and what leaves as a release.
func (n *Node) openOutgoing(ctx context.Context) (err error) {
	n.inspector = &liveInspector{n: n}
	if err := n.inspector.refresh(); err != nil {
		return err
	}
	if n.gateway, err = gateway.New(ctx, n.cfg.Gateway, n.db, n.key, n.now, n.log); err != nil {
		return err
	}
	n.gateway.Inspector, n.gateway.Files = n.inspector.get, n.files
	n.gateway.Record, n.gateway.Settled = n.recordDecision, n.recordPass
	return n.openReleases(ctx)
}

// existsIn says whether a row is about one of the hospital's own patients: by a
// number, or by a name with a birth date.
func existsIn(p *classify.Patients, row []string) bool {
	for i, cell := range row {
		if len(cell) >= 5 && strings.ContainsAny(cell, "0123456789") {
			if p.Owns([]byte(cell)) {
				return true
			}
			continue
		}
		for k, birth := range row {
			if k == i || len(birth) < 8 {
				continue
			}
			if _, _, ok := p.MatchPerson([]byte(cell), []byte(birth)); ok {
				return true
			}
		}
	}
	return false
}

// door is a way out that listens.
type door interface{ Run(context.Context) error }

// gatewayDoors are the doors of the configuration, checked.
func (n *Node) gatewayDoors() ([]door, error) {
	var all []door
	c := n.cfg.Gateway
	if !c.ICAP.IsZero() {
		own := icap.Default()
		if err := optional(c.ICAP, &own); err != nil {
			return nil, fmt.Errorf("gateway.icap: %w", err)
		}
		d, err := icap.New(own, n.gateway, n.now, n.log)
		if err := errors.Join(err, c.CheckDoor(gateway.Web)); err != nil {
			return nil, err
		}
		d.Base, d.Temp = n.cfg.Console.URL, filepath.Join(n.cfg.Data, "scratch")
		all = append(all, d)
	}
	if !c.Milter.IsZero() {
		own := milter.Default()
		if err := optional(c.Milter, &own); err != nil {
			return nil, fmt.Errorf("gateway.milter: %w", err)
		}
		d, err := milter.New(own, n.gateway, n.now, n.log)
		if err := errors.Join(err, c.CheckDoor(gateway.Mail)); err != nil {
			return nil, err
		}
		d.Base = n.cfg.Console.URL
		all = append(all, d)
	}
	return all, nil
}

// decisionKind and passKind are kinds of records of the gateway.
const (
	decisionKind = "gateway-decision"
	passKind     = "gateway-pass"
)

// decisionBody is what a decision leaves in evidence: no value, no content.
type decisionBody struct {
	Door string   `json:"door"`
	From string   `json:"from"`
	To   []string `json:"to"`
	gateway.Outcome
}

// recordDecision makes a decision durable and tells detection of it.
func (n *Node) recordDecision(ctx context.Context, d gateway.Decision) error {
	body, err := json.Marshal(decisionBody{string(d.Item.Door), d.Item.From, d.Item.To, d.Outcome})
	if err != nil {
		return err
	}
	id := rand.Text()
	err = n.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := n.evidence.Put(tx, evidence.Record{Kind: decisionKind, ID: id, Time: d.Time.UnixMilli(), Status: string(d.Outcome.Action), Ref: d.Outcome.Pass, Body: body})
		return err
	})
	if err != nil {
		return fmt.Errorf("keep a decision of the gateway: %w", err)
	}
	ev := n.decisionEvent(d)
	n.ownEvent(ev, "gateway:"+id)
	return n.intake.publish(ctx, []*ocsf.Event{ev})
}

// decisionEvent is an OCSF Data Security Finding.
func (n *Node) decisionEvent(d gateway.Decision) *ocsf.Event {
	o := d.Outcome
	ev := &ocsf.Event{
		ClassUID: ocsf.DataSecurityFinding, ActivityID: 1, SeverityID: ocsf.SeverityMedium, Time: d.Time.UnixMilli(),
		Message:             "gateway: " + string(o.Action),
		DataClassifications: []ocsf.DataClassification{{Scheme: "GB/T 39725", Level: o.Summary.Level}},
	}
	if o.Summary.Honey > 0 {
		ev.SeverityID = ocsf.SeverityCritical
	}
	ev.Actor.User.Account = d.Item.From
	account, _, _ := strings.Cut(d.Item.From, "@")
	if p, ok := n.people.Resolve(account); ok {
		ev.Actor.User.UID = p.ID
	}
	r := ocsf.Resource{UID: o.Route, Type: "Route"}
	r.SetLabel("gateway", string(d.Item.Door))
	r.SetLabel("action", string(o.Action))
	r.SetLabel("patients", strconv.Itoa(o.Summary.Patients))
	r.SetLabel("persons", strconv.Itoa(o.Summary.Persons))
	if o.Summary.Honey > 0 {
		r.SetLabel("honey", strconv.Itoa(o.Summary.Honey))
	}
	if o.Failed != nil {
		r.SetLabel("failed", "true")
	}
	ev.Resources = []ocsf.Resource{r}
	return ev
}

// recordPass makes an answered pass durable.
func (n *Node) recordPass(ctx context.Context, p gateway.Pass) error {
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return n.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := n.evidence.Put(tx, evidence.Record{Kind: passKind, ID: p.ID, Time: p.Changed, Status: p.State, Body: body})
		return err
	})
}

// openReleases opens the broker; its two secrets are made at the first start.
func (n *Node) openReleases(ctx context.Context) error {
	keys := filepath.Join(n.cfg.Data, "keys")
	identity, err := ageIdentity(filepath.Join(keys, "release.age"))
	if err != nil {
		return err
	}
	secret, err := siteKey(filepath.Join(keys, "release.key"))
	if err != nil {
		return err
	}
	setup, err := n.deidSetup()
	if err != nil {
		return err
	}
	budget, err := n.cfg.Release.Budget()
	if err != nil {
		return err
	}
	n.releases = &release.Broker{Budget: budget,
		DB: n.db, Log: n.evidence, Files: n.files, Identity: identity, Secret: release.Secret(secret), Inspector: n.inspector.get,
		Exists: func(_, row []string) bool { return existsIn(n.patients.now.Load().Patients, row) },
		Key:    n.deidKey, Setup: setup, Temp: filepath.Join(n.cfg.Data, "scratch"), Now: n.now, Slog: n.log,
	}
	if err := n.releases.Open(ctx); err != nil {
		return err
	}
	return n.releases.Restart(ctx)
}

// ageIdentity reads the key that data sets wait under, making it at first.
func ageIdentity(path string) (*age.X25519Identity, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		id, err := age.ParseX25519Identity(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s is no age key; restore it from a backup: %w", path, err)
		}
		return id, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the key of releases: %w", err)
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	return id, durable.WriteFile(path, []byte(id.String()), 0o600)
}

// tendOutgoing settles held mail and ends releases whose time is over.
func (n *Node) tendOutgoing(ctx context.Context) error {
	t := time.NewTicker(time.Hour)
	defer t.Stop()
	for {
		if err := n.releases.Tend(ctx); err != nil && ctx.Err() == nil {
			n.log.Error("releases not tended, trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}
