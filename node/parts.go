package node

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/cordon-health/cordon/content"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/detect/behavior"
	"github.com/cordon-health/cordon/directory/ldap"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/internal/strict"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
)

// newDetect makes the detectors: behaviours, and Sigma rules from content and
// the hospital's own folders.
func (n *Node) newDetect(ctx context.Context) (*detect.Engine, error) {
	loaded, err := n.loadRules(ctx)
	if err != nil {
		return nil, err
	}
	tables, err := n.tables()
	if err != nil {
		return nil, err
	}
	world := detect.World{
		Tables: tables, People: n.people, Care: n.care, Warned: n.notices.of, Sources: n.sourceStates, Planted: n.planted.has, Zone: n.now().Location(),
	}
	e, err := detect.New(n.cfg.Detect, world, append(behavior.All(), loaded))
	if err != nil {
		return nil, err
	}
	n.rules.Store(loaded)
	return n.tuned(ctx, e)
}

func (n *Node) sourceStates() []detect.SourceState {
	var out []detect.SourceState
	for _, s := range n.sources.list() {
		if strings.HasPrefix(s.Name, "import") || s.Name == "cordon" || s.Name == plantSource {
			continue // they fall silent by nature
		}
		out = append(out, detect.SourceState{Name: s.Name, First: s.First, Last: s.Last, Count: s.Stored + s.Repeated})
	}
	return out
}

// notices remembers who was asked or found at fault, for "repeat after
// warning". It is read for every event and so kept in memory; Reload refreshes
// it from the records.
type notices struct {
	mu  sync.RWMutex
	all map[string]notice // guarded by mu
}

type notice struct {
	at    int64
	kinds []string
}

func (s *notices) of(person string) (int64, []string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	x := s.all[person]
	return x.at, x.kinds
}

// noticed is how long a notice counts.
const noticed = 120 * 24 * time.Hour

func (n *Node) reloadNotices(ctx context.Context) error {
	all := map[string]notice{}
	since := n.now().Add(-noticed).UnixMilli()
	questions, err := n.runner.Questions(ctx, "")
	if err != nil {
		return err
	}
	cases, err := n.desk.List(ctx, incident.Query{Since: since})
	if err != nil {
		return err
	}
	kinds := map[string][]string{}
	for _, c := range cases {
		kinds[c.ID] = analytics(c)
		if c.Verdict == incident.Confirmed {
			note(all, c.Subject, c.Notes[len(c.Notes)-1].At, kinds[c.ID])
		}
	}
	for _, q := range questions {
		if q.At >= since {
			note(all, q.Person, q.At, kinds[q.Case])
		}
	}
	n.notices.mu.Lock()
	defer n.notices.mu.Unlock()
	n.notices.all = all
	return nil
}

func note(all map[string]notice, person string, at int64, kinds []string) {
	if old, ok := all[person]; !ok || at > old.at {
		all[person] = notice{at: at, kinds: kinds}
	}
}

func analytics(c incident.Case) []string {
	var ids []string
	for _, p := range c.Parts {
		ids = append(ids, p.Analytic)
	}
	return ids
}

// openPlaybooks makes the runner with the actions that controls offer.
func (n *Node) openPlaybooks(ctx context.Context) error {
	if err := n.openLDAP(); err != nil {
		return err
	}
	plays, err := n.loadPlaybooks()
	if err != nil {
		return err
	}
	n.runner, err = playbook.New(playbook.Parts{
		Config: n.cfg.Playbook, Key: n.key, DB: n.db, Book: n.evidence, Desk: n.desk,
		Site:    playbook.Site{Name: n.cfg.Site.Name, URL: n.url(), Language: n.cfg.Site.Language, Person: n.staff},
		Actions: n.actions(), Playbooks: plays, Now: n.now, Log: n.log,
	})
	if err != nil {
		return err
	}
	return n.reloadNotices(ctx)
}

func (n *Node) loadPlaybooks() ([]playbook.Playbook, error) {
	own, err := fs.Sub(content.Files(), "playbooks")
	if err != nil {
		return nil, err
	}
	folders := []fs.FS{own}
	if n.cfg.Playbooks != "" {
		folders = append(folders, os.DirFS(n.cfg.Playbooks))
	}
	return playbook.Load(folders...)
}

func (n *Node) staff(id string) (account, manager string, ok bool) {
	p, ok := n.people.Person(id)
	if ok && len(p.Accounts) > 0 {
		account = p.Accounts[0]
	}
	return account, p.ManagerID, ok
}

// url is where people reach the console.
func (n *Node) url() string {
	for _, u := range []string{n.cfg.Playbook.URL, n.cfg.Console.URL} {
		if u != "" {
			return strings.TrimSuffix(u, "/")
		}
	}
	scheme := "http://"
	if n.cfg.Console.Cert != "" {
		scheme = "https://"
	}
	return scheme + n.cfg.Console.Listen
}

func (n *Node) openLDAP() (err error) {
	if n.cfg.Directory.LDAP.IsZero() {
		return nil
	}
	var c ldap.Config
	if err := strict.Decode(&n.cfg.Directory.LDAP, &c); err != nil {
		return fmt.Errorf("directory.ldap: %w", err)
	}
	n.ldap, err = ldap.New(c, n.people, n.now, n.log)
	return err
}

func (n *Node) syncDirectory(ctx context.Context) error {
	if n.ldap == nil {
		return nil
	}
	return n.ldap.Run(ctx)
}

// ldapSuspended is how long a suspension by LDAP lasts unless undone.
const ldapSuspended = 24 * time.Hour

// actions are what the controls offer to playbooks.
func (n *Node) actions() []playbook.Action {
	return append([]playbook.Action{{
		Name: "suspend-account", Params: []string{playbook.ParamAccount}, Class: playbook.Restrict, Hourly: 5, Life: ldapSuspended, Repeatable: true,
		Title: ocsf.Text{EN: "Suspend the account in the directory", ZH: "在目录服务中停用账号"},
		Why: ocsf.Text{EN: "Disables the account in LDAP or Active Directory for 24 hours; undone by itself.",
			ZH: "在 LDAP/AD 中停用账号 24 小时，到期自动恢复。"},
		Ready: func() (bool, ocsf.Text) {
			return n.ldap != nil, ocsf.Text{EN: "not set up: give directory.ldap", ZH: "未配置：请设置 directory.ldap"}
		},
		Prepare: n.suspendBefore, Do: n.suspend, Undo: n.suspendUndo,
	}}, n.enforce.actions()...)
}
