package node

import (
	"context"
	"slices"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/detect/behavior"
	"github.com/cordon-health/cordon/evidence"
)

var _ api.AlarmPathReporter = (*Node)(nil)

// AlarmPath implements [api.AlarmPathReporter].
func (n *Node) AlarmPath(ctx context.Context) (api.AlarmPath, error) {
	var p api.AlarmPath
	if n.watcher == nil {
		p.Off = true
		return p, nil
	}
	p.Report = n.watcher.Report()
	p.Proven = p.Report.Proven()
	engine := n.pipe.detectors()
	running := map[string]bool{}
	for _, i := range engine.Infos() {
		running[i.ID] = true
	}
	for _, d := range behavior.All() {
		if id := d.Info().ID; !running[id] {
			p.Detectors.Off = append(p.Detectors.Off, id)
		}
	}
	for _, s := range engine.Stopped() {
		p.Detectors.Stopped = append(p.Detectors.Stopped, s.Detector)
	}
	p.Detectors.Running = len(running) - len(p.Detectors.Stopped)
	p.Rules.Loaded, p.Rules.Refused = n.rules.Load().Len(), len(*n.refused.Load())
	p.Alerts, p.Checked = n.alertTests(), n.lastCheck()
	var err error
	p.Silent, err = n.silentSources(ctx)
	return p, err
}

// silentSources lists sources about which there is a finding and that have
// sent nothing since.
func (n *Node) silentSources(ctx context.Context) ([]string, error) {
	last := map[string]int64{}
	for _, s := range n.sources.list() {
		last[s.Name] = s.Last
	}
	since := n.now().AddDate(0, 0, -30).UnixMilli()
	list, err := n.desk.AllFindings(ctx, evidence.Filter{Ref: "silent-source", Since: since, Limit: 500}, false)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range list {
		if at, ok := last[f.Source]; ok && at <= f.Time && !slices.Contains(out, f.Source) {
			out = append(out, f.Source)
		}
	}
	slices.Sort(out)
	return out, nil
}
