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
	"github.com/cordon-health/cordon/canary"
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
	mu    sync.Mutex
	last  api.SelfCheck // guarded by mu
	err   error         // guarded by mu: why it could not be done
	began time.Time     // guarded by mu: since when it is due
}

// checkSoon and checkEvery are when detectors and rules are tried on their own
// examples: soon after the start, and every day.
const (
	checkSoon  = time.Minute
	checkAgain = time.Hour
	checkEvery = 24 * time.Hour
)

// selfChecks tries detectors and rules again and again.
func (n *Node) selfChecks(ctx context.Context) error {
	n.checked.mu.Lock()
	n.checked.began = n.now()
	n.checked.mu.Unlock()
	for wait := checkSoon; pause(ctx, wait); {
		wait = checkEvery
		err := n.SelfCheck(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			n.log.Error("self-check not done, trying again", "error", err)
			wait = checkAgain
		}
		n.checked.mu.Lock()
		n.checked.err = err
		n.checked.mu.Unlock()
	}
	return nil
}

// checkTroubles are what the self-check found, and that it was not done.
func (n *Node) checkTroubles() []canary.Trouble {
	n.checked.mu.Lock()
	defer n.checked.mu.Unlock()
	var out []canary.Trouble
	for _, f := range n.checked.last.Failed {
		if f.BySettings {
			continue
		}
		out = append(out, canary.Trouble{ID: "self-check:" + f.ID,
			Text:   ocsf.Text{EN: f.ID + ": " + f.Why.EN, ZH: f.ID + "：" + f.Why.ZH},
			Advice: ocsf.Text{EN: "Look at its switch, numbers and exceptions on the Detectors page, or at the rule and its log source.", ZH: "请在检测规则页检查其开关与参数，或检查规则及其日志来源。"}})
	}
	last := max(n.checked.last.At, n.checked.began.UnixMilli())
	if n.checked.err != nil || !n.checked.began.IsZero() && n.now().UnixMilli()-last > 2*checkEvery.Milliseconds() {
		out = append(out, canary.Trouble{ID: "self-check",
			Text:   ocsf.Text{EN: "Detectors and rules are not tried on their examples any more", ZH: "检测器与规则的自检未能完成"},
			Advice: ocsf.Text{EN: "The reason is in the log.", ZH: "原因见日志。"}})
	}
	return out
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
	p, err := n.trialParts()
	if err != nil {
		return err
	}
	for _, d := range behavior.All() {
		id := d.Info().ID
		if slices.Contains(cfg.Off, id) {
			continue
		}
		p.Config = cfg
		missed, err := n.checkDetector(ctx, p, id)
		switch {
		case err != nil:
			return fmt.Errorf("self-check of %s: %w", id, err)
		case missed == nil:
			x.Detectors++
		default:
			p.Config = detect.Default()
			plain, err := n.checkDetector(ctx, p, id)
			if err != nil {
				return fmt.Errorf("self-check of %s: %w", id, err)
			}
			x.Failed = append(x.Failed, api.FailedCheck{ID: id, Why: failing(missed.Hit, missed.Why), BySettings: plain == nil})
		}
	}
	return nil
}

// failing says which example was missed, or found although it must not be.
func failing(hit bool, why string) ocsf.Text {
	if hit {
		return ocsf.Text{EN: "it does not find its example “" + why + "”", ZH: "未能识别自带样例“" + why + "”"}
	}
	return ocsf.Text{EN: "it also finds its counter-example “" + why + "”", ZH: "误报了自带反例“" + why + "”"}
}

// trialParts are what all trials share; each gets a store of its own.
func (n *Node) trialParts() (trial.Parts, error) {
	kinds, err := fs.Sub(content.Files(), "explanations")
	if err != nil {
		return trial.Parts{}, err
	}
	tables, err := n.tables()
	return trial.Parts{Explanations: kinds, Tables: tables, Detectors: behavior.All}, err
}

// checkDetector tries one detector in a hospital of its own.
func (n *Node) checkDetector(ctx context.Context, p trial.Parts, id string) (missed *trial.Example, err error) {
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
	p.DB = db
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

// examplesZone is where the stories of the rules' examples take place.
func examplesZone() *time.Location { return time.FixedZone("", 8*60*60) }

// checkArchive tries one rule and says how many rules its examples stand for.
func (n *Node) checkArchive(rules *sigma.Rules, sources, data []byte, x *api.SelfCheck) int {
	alone, _ := sigma.Load(fstest.MapFS{"logsources.yaml": {Data: sources}, "rule.txtar": {Data: data}})
	id, list := alone.Subject(), sigma.Examples(data)
	if id == "" || len(list) == 0 {
		return 0
	}
	for _, e := range list {
		if ok, err := rules.Try(id, e, examplesZone()); err != nil || !ok {
			own, err := alone.Try(id, e, examplesZone())
			x.Failed = append(x.Failed, api.FailedCheck{ID: id, Why: failing(e.Hit, e.Why), BySettings: own && err == nil})
			return alone.Len()
		}
	}
	x.Rules += alone.Len()
	return alone.Len()
}
