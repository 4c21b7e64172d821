package node

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"testing/fstest"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/content"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/detect/behavior"
	"github.com/cordon-health/cordon/detect/sigma"
	"github.com/cordon-health/cordon/detect/trial"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store/sqlite"
)

// selfChecked is how the last self-check went.
type selfChecked struct {
	mu   sync.Mutex
	last api.SelfCheck // guarded by mu
}

// checkSoon and checkEvery are when detectors and rules are tried on their own
// examples: soon after the start, and every day.
const (
	checkSoon  = time.Minute
	checkEvery = 24 * time.Hour
)

// selfChecks tries detectors and rules again and again.
func (n *Node) selfChecks(ctx context.Context) error {
	for wait := checkSoon; pause(ctx, wait); wait = checkEvery {
		if err := n.SelfCheck(ctx); err != nil && ctx.Err() == nil {
			n.log.Error("self-check not done, trying again tomorrow", "error", err)
		}
	}
	return nil
}

// SelfCheck tries every detector that runs, and every rule that has examples,
// with the site's settings and rules, on an invented hospital. It touches
// nothing of the site.
func (n *Node) SelfCheck(ctx context.Context) error {
	x := api.SelfCheck{At: n.now().UnixMilli()}
	if err := n.checkDetectors(ctx, &x); err != nil {
		return err
	}
	if err := n.checkRules(ctx, &x); err != nil {
		return err
	}
	n.checked.mu.Lock()
	defer n.checked.mu.Unlock()
	n.checked.last = x
	return nil
}

func (n *Node) lastCheck() api.SelfCheck {
	n.checked.mu.Lock()
	defer n.checked.mu.Unlock()
	return n.checked.last
}

func (n *Node) checkDetectors(ctx context.Context, x *api.SelfCheck) error {
	cfg, err := n.tuning.Effective(ctx, n.cfg.Detect)
	if err != nil {
		return err
	}
	for _, d := range behavior.All() {
		id := d.Info().ID
		if slices.Contains(cfg.Off, id) {
			continue
		}
		missed, err := n.checkDetector(ctx, cfg, id)
		switch {
		case err != nil:
			return fmt.Errorf("self-check of %s: %w", id, err)
		case missed == nil:
			x.Detectors++
		default:
			x.Failed = append(x.Failed, api.FailedCheck{ID: id, Why: failing(missed.Hit, missed.Why)})
		}
	}
	return nil
}

// failing says which example was missed, or found although it must not be.
func failing(hit bool, why string) ocsf.Text {
	if hit {
		return ocsf.Text{EN: "with these settings it does not find: " + why, ZH: "按当前设置未能识别样例：" + why}
	}
	return ocsf.Text{EN: "with these settings it also finds: " + why, ZH: "按当前设置误报了样例：" + why}
}

// checkDetector tries one detector in a hospital of its own.
func (n *Node) checkDetector(ctx context.Context, cfg detect.Config, id string) (missed *trial.Example, err error) {
	dir, err := os.MkdirTemp(filepath.Join(n.cfg.Data, "scratch"), "trial-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	db, err := sqlite.Open(ctx, filepath.Join(dir, "trial.db"))
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := db.Close(); err == nil {
			err = cerr
		}
	}()
	kinds, err := fs.Sub(content.Files(), "explanations")
	if err != nil {
		return nil, err
	}
	tables, err := n.tables()
	if err != nil {
		return nil, err
	}
	p := trial.Parts{DB: db, Explanations: kinds, Tables: tables, Config: cfg, Detectors: behavior.All}
	return trial.Try(ctx, p, behavior.Examples(), id)
}

// checkRules tries the rules at work on the examples in their archives.
func (n *Node) checkRules(ctx context.Context, x *api.SelfCheck) error {
	own, err := fs.Sub(content.Files(), "rules")
	if err != nil {
		return err
	}
	sources, err := fs.ReadFile(own, "logsources.yaml")
	if err != nil {
		return err
	}
	folders := append([]fs.FS{own}, n.ruleFolders()...)
	rules, _ := sigma.Load(folders...)
	rules.Expire(n.now())
	spoken := 0
	for _, f := range folders {
		err := fs.WalkDir(f, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Ext(name) != ".txtar" || ctx.Err() != nil {
				return ctx.Err() // what cannot be read is among the refused rules
			}
			data, err := fs.ReadFile(f, name)
			if err != nil {
				return nil
			}
			spoken += n.checkArchive(rules, sources, data, x)
			return nil
		})
		if err != nil {
			return err
		}
	}
	x.Unproven = max(0, rules.Len()-spoken)
	return nil
}

// checkArchive tries one rule and says how many rules its examples stand for.
func (n *Node) checkArchive(rules *sigma.Rules, sources, data []byte, x *api.SelfCheck) int {
	alone, _ := sigma.Load(fstest.MapFS{"logsources.yaml": {Data: sources}, "rule.txtar": {Data: data}})
	id, list := alone.Subject(), sigma.Examples(data)
	if id == "" || len(list) == 0 {
		return 0
	}
	for _, e := range list {
		if ok, err := rules.Try(id, e, n.now().Location()); err != nil || !ok {
			x.Failed = append(x.Failed, api.FailedCheck{ID: id, Why: failing(e.Hit, e.Why)})
			return alone.Len()
		}
	}
	x.Rules += alone.Len()
	return alone.Len()
}
