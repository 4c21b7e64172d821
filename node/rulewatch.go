package node

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"testing/fstest"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/content"
	"github.com/cordon-health/cordon/detect/sigma"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
)

// loadRules reads all rules: those built in, the imported ones, the hospital's
// folders. What cannot be loaded any more stays as it was. Every text is in
// evidence before a rule is at work.
func (n *Node) loadRules(ctx context.Context) (*sigma.Rules, error) {
	rules, err := fs.Sub(content.Files(), "rules")
	if err != nil {
		return nil, err
	}
	folders := append([]fs.FS{rules}, n.ruleFolders()...)
	former, err := n.formerRules(ctx)
	if err != nil {
		return nil, err
	}
	loaded, refused := sigma.Reload(former, folders...)
	loaded.Expire(n.now())
	for _, dir := range append([]string{n.rulesFolder()}, n.cfg.Detect.Rules...) {
		for _, name := range ruleFolder(dir).ignored() {
			n.log.Info("hidden file left out of the rules", "file", name)
		}
	}
	for _, r := range refused {
		n.log.Warn("sigma rule not loaded", "file", r.File, "title", r.Title, "reason", r.Reason, "former version kept", r.Kept)
	}
	if err := n.recordRules(ctx, loaded); err != nil {
		return nil, err
	}
	n.refused.Store(&refused)
	return loaded, nil
}

// formerRules are the rules at work; at the start, those that were at the end,
// as evidence has them.
func (n *Node) formerRules(ctx context.Context) (*sigma.Rules, error) {
	if rules := n.rules.Load(); rules != nil {
		return rules, nil
	}
	records, err := n.evidence.List(ctx, evidence.Filter{Kind: kindRule, Order: "row"})
	if err != nil {
		return nil, err
	}
	var texts []sigma.Text
	for _, r := range records {
		var x api.RuleText
		if err := json.Unmarshal(r.Body, &x); err != nil {
			return nil, fmt.Errorf("text of rule %s: %w", r.ID, err)
		}
		if r.Status != removed {
			texts = append(texts, sigma.Text{ID: x.ID, File: x.File, Folder: x.Folder, Text: x.Text})
		}
	}
	return sigma.Former(texts), nil
}

// ruleFolders are those whose files may change: the imported rules first.
func (n *Node) ruleFolders() []fs.FS {
	var own fs.FS = fstest.MapFS{} // nothing imported yet
	if _, err := os.Stat(n.rulesFolder()); err == nil {
		own = n.imported()
	}
	folders := []fs.FS{own}
	for _, dir := range n.cfg.Detect.Rules {
		folders = append(folders, ruleFolder(dir))
	}
	return folders
}

// watchEvery is how often the folders of rules are looked at; every watchDeep
// times the files are read for it, for a file may change and look the same.
const (
	watchEvery = 3 * time.Second
	watchDeep  = 20
)

// watchRules reloads the rules when a file of them comes, goes or changes.
func (n *Node) watchRules(ctx context.Context) error {
	look, deep := n.ruleMark(false), n.ruleMark(true)
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	for i := 1; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		now := n.ruleMark(false)
		if now == look && i%watchDeep != 0 {
			continue
		}
		look = now
		read := n.ruleMark(true)
		if read == deep {
			continue
		}
		if err := n.reloadRules(ctx); err != nil {
			n.log.Error("changed rules not loaded, those loaded before stay; trying again", "error", err)
			continue
		}
		deep = read
		n.log.Info("rules reloaded", "loaded", n.rules.Load().Len(), "refused", len(*n.refused.Load()))
	}
}

// ruleMark is a hash of the folders of rules: of names, sizes and times, or of
// names and contents, as far as the loader reads them. What cannot be read
// counts with its error and keeps nobody from looking at the rest.
func (n *Node) ruleMark(read bool) string {
	h := sha256.New()
	for i, folder := range n.ruleFolders() {
		fmt.Fprintf(h, "folder %d\n", i)
		_ = fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				fmt.Fprintf(h, "%q %v\n", name, err)
			case !d.IsDir() && ruleKind(name):
				markFile(h, folder, name, read)
			}
			return nil
		})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// mostOfRule is how much of a file is looked at: more than the loader takes.
const mostOfRule = 2 << 20

func markFile(h io.Writer, folder fs.FS, name string, read bool) {
	info, err := fs.Stat(folder, name)
	if err != nil {
		fmt.Fprintf(h, "%q %v\n", name, err)
		return
	}
	if !read {
		fmt.Fprintf(h, "%q %d %d\n", name, info.Size(), info.ModTime().UnixNano())
		return
	}
	fmt.Fprintf(h, "%q %d\n", name, info.Size())
	f, err := folder.Open(name)
	if err == nil {
		_, err = io.Copy(h, io.LimitReader(f, mostOfRule))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		fmt.Fprintf(h, "%v\n", err)
	}
}

// reloadRules makes the detectors anew, with the memory of the old ones.
func (n *Node) reloadRules(ctx context.Context) error {
	n.reloading.Lock()
	defer n.reloading.Unlock()
	next, err := n.newDetect(ctx)
	if err != nil {
		return err
	}
	return n.pipe.swap(next)
}

// ruleSet describes the rules at work and those refused.
func (n *Node) ruleSet() api.RuleSet {
	out := api.RuleSet{Rules: []api.RuleLine{}, Refused: []api.RefusedRule{}, Filters: n.filters()}
	rules := n.rules.Load()
	if rules == nil {
		return out
	}
	for _, r := range rules.List() {
		out.Rules = append(out.Rules, api.RuleLine{
			ID: r.ID, Title: r.Title, TitleZH: r.TitleZH, Level: r.Level, Status: r.Status, Source: r.Source, File: r.File, Version: r.Version,
			Correlation: r.Correlation, Type: r.Type, Counts: r.Counts, Span: r.Span.Milliseconds(), Groups: r.Groups, Idle: r.Idle, Waits: r.Waits,
			Replaces: r.Replaces, Through: r.Through, Filters: r.Filters,
		})
	}
	for _, r := range *n.refused.Load() {
		out.Refused = append(out.Refused, api.RefusedRule{File: r.File, ID: r.ID, Title: r.Title, Reason: r.Reason, Kept: r.Kept})
	}
	out.Ignored = rules.Ignored()
	s := rules.Correlations()
	out.CutEvents, out.ShortEvents = s.CutEvents, s.ShortEvents
	out.Groups, out.Bytes, out.Forgotten, out.Late, out.Cut = s.Groups, s.Bytes, s.Evicted, s.Late, s.Cut
	return out
}

// kindRule and removed are the kind and status of records of rules.
const (
	kindRule = api.KindRule
	removed  = api.RuleGone
)

// recordRules puts the texts that evidence does not have yet into it, so that
// the version in a finding leads to what the rule said at the time.
func (n *Node) recordRules(ctx context.Context, rules *sigma.Rules) error {
	known, err := n.evidence.List(ctx, evidence.Filter{Kind: kindRule, Order: "row"})
	if err != nil {
		return err
	}
	old := map[string]string{}
	for _, r := range known {
		old[r.ID] = string(r.Body)
	}
	var records []evidence.Record
	at := n.now().UnixMilli()
	for _, t := range rules.Texts() {
		body, err := json.Marshal(api.RuleText{ID: t.ID, Kind: t.Kind, Title: t.Title, Version: t.Version, File: t.File, Folder: t.Folder, Text: t.Text, Rules: t.Rules})
		if err != nil {
			return fmt.Errorf("record rule %s: %w", t.ID, err)
		}
		if old[t.ID] != string(body) {
			records = append(records, evidence.Record{Kind: kindRule, ID: t.ID, Time: at, Status: t.Version, Body: body})
		}
		delete(old, t.ID)
	}
	gone := slices.DeleteFunc(known, func(r evidence.Record) bool { return old[r.ID] == "" || r.Status == removed })
	for _, r := range gone {
		r.Status, r.Time = removed, at
		records = append(records, r)
	}
	return n.putRecords(ctx, records)
}

// putRecords writes records in slices, so that others may write in between.
func (n *Node) putRecords(ctx context.Context, records []evidence.Record) error {
	for part := range slices.Chunk(records, 200) {
		err := n.db.Update(ctx, func(tx *sql.Tx) error {
			for _, r := range part {
				if _, err := n.evidence.Put(tx, r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("record rules: %w", err)
		}
	}
	return nil
}

// ruleRecords are the texts of the rules that findings rest on, and of those
// that correlations among them count.
func (n *Node) ruleRecords(ctx context.Context, findings []ocsf.Finding) ([]evidence.Record, error) {
	var out []evidence.Record
	seen := map[string]bool{}
	var add func(id string) error
	add = func(id string) error {
		if seen[id] {
			return nil
		}
		seen[id] = true
		r, err := n.evidence.Get(ctx, kindRule, id)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // found before texts were recorded
		}
		if err != nil {
			return err
		}
		out = append(out, r)
		var body api.RuleText
		if err := json.Unmarshal(r.Body, &body); err != nil {
			return fmt.Errorf("text of rule %s: %w", id, err)
		}
		for _, part := range sortedKeys(body.Rules) {
			if err := add(part); err != nil {
				return err
			}
		}
		return nil
	}
	for _, f := range findings {
		if f.Type != "sigma" {
			continue
		}
		if err := add(f.Analytic); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b evidence.Record) int { return cmp.Compare(a.Row, b.Row) })
	return out, nil
}
