package node

import (
	"sync"
	"time"

	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/incident"
)

// plantedFor is how long it is remembered which events Cordon planted, and
// mostPlanted how many of them.
const (
	plantedFor  = 7 * 24 * time.Hour
	mostPlanted = 50_000
)

// planted knows the events that Cordon planted itself. Only they are taken for
// planted: a name proves nothing.
type planted struct {
	mu    sync.RWMutex
	uids  map[string]bool // guarded by mu
	order []string        // guarded by mu: the oldest first
}

func (p *planted) add(x incident.Plant) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.uids == nil {
		p.uids = map[string]bool{}
	}
	for _, uid := range x.Events {
		if !p.uids[uid] {
			p.uids[uid] = true
			p.order = append(p.order, uid)
		}
	}
	for len(p.order) > mostPlanted {
		delete(p.uids, p.order[0])
		p.order = p.order[1:]
	}
}

func (p *planted) has(uid string) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.uids[uid]
}

// uids are those of the events that items will become.
func (in *intake) uids(items []collect.Item) ([]string, error) {
	var out []string
	for _, it := range items {
		evs, _, err := in.normalize(it, nil)
		if err != nil {
			return nil, err
		}
		for _, ev := range evs {
			out = append(out, ev.Metadata.UID)
		}
	}
	return out, nil
}
