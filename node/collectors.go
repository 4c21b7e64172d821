package node

import (
	"fmt"
	"io"
	"iter"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/collect/capture"
	"github.com/cordon-health/cordon/collect/file"
	"github.com/cordon-health/cordon/collect/mllp"
	"github.com/cordon-health/cordon/collect/netflow"
	"github.com/cordon-health/cordon/collect/sqlpoll"
	"github.com/cordon-health/cordon/collect/syslog"
	"github.com/cordon-health/cordon/collect/wireless"
)

// collectorKinds is the list of collectors: the key in the configuration, and
// how one is made from its section.
func (n *Node) collectorKinds() map[string]func(yaml.Node) (collect.Collector, error) {
	return map[string]func(yaml.Node) (collect.Collector, error){
		"capture":  section(capture.DefaultSensor(), n.newSensor),
		"wireless": section(wireless.Default(), func(c wireless.Config) (collect.Collector, error) { return wireless.New(c, n.now, n.log) }),
		"mllp": section(mllp.Default(), func(c mllp.Config) (collect.Collector, error) {
			return mllp.New(c, n.now, n.log)
		}),
		"syslog": section(syslog.Default(), func(c syslog.Config) (collect.Collector, error) {
			return syslog.New(c, n.now, n.log)
		}),
		"file": section(file.Default(), func(c file.Config) (collect.Collector, error) {
			return file.New(c, n.split, cursors{n.db}, n.now, n.log)
		}),
		"netflow": section(netflow.Default(), func(c netflow.Config) (collect.Collector, error) {
			return netflow.New(c, n.now, n.log)
		}),
		"sqlpoll": section(sqlpoll.Default(), func(c sqlpoll.Config) (collect.Collector, error) {
			return sqlpoll.New(c, cursors{n.db}, n.now, n.log)
		}),
	}
}

// section decodes one section strictly over its defaults.
func section[C any](def C, make func(C) (collect.Collector, error)) func(yaml.Node) (collect.Collector, error) {
	return func(raw yaml.Node) (collect.Collector, error) {
		cfg := def
		if err := optional(raw, &cfg); err != nil {
			return nil, err
		}
		return make(cfg)
	}
}

// collectors makes all that the configuration lists; without a list, MLLP and
// syslog on loopback.
func (n *Node) collectors() ([]collect.Collector, error) {
	kinds := n.collectorKinds()
	if len(n.cfg.Collect) == 0 {
		return makeAll(kinds, map[string][]yaml.Node{"mllp": {{}}, "syslog": {{}}})
	}
	sections := map[string][]yaml.Node{}
	for kind, raw := range n.cfg.Collect {
		if kind == "web" {
			continue // part of the console's server
		}
		if _, ok := kinds[kind]; !ok {
			return nil, fmt.Errorf("line %d: collect.%s is not a kind of collector; use %v or web", raw.Line, kind, sortedKeys(kinds))
		}
		if raw.Kind != yaml.SequenceNode {
			return nil, fmt.Errorf("line %d: collect.%s must be a list", raw.Line, kind)
		}
		for _, item := range raw.Content {
			sections[kind] = append(sections[kind], *item)
		}
	}
	return makeAll(kinds, sections)
}

func makeAll(kinds map[string]func(yaml.Node) (collect.Collector, error), sections map[string][]yaml.Node) ([]collect.Collector, error) {
	var all []collect.Collector
	for _, kind := range sortedKeys(sections) {
		for _, raw := range sections[kind] {
			c, err := kinds[kind](raw)
			if err != nil {
				return nil, fmt.Errorf("collect.%s: %w", kind, err)
			}
			all = append(all, c)
		}
	}
	return all, nil
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// split gives the file collector normalize's way of cutting a file.
func (n *Node) split(format string, r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for rec, err := range n.norm.Records(format, r) {
			if !yield(rec.Data, err) {
				return
			}
		}
	}
}
