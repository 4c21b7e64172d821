package node

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/evidence"
)

// The record of whether an access point is ours: its id is the BSSID, its
// person who said so.
const (
	kindAccessPoint = "access-point"
	pointOurs       = "ours"
	pointUnknown    = "unknown"
)

const (
	// mostPoints bounds the access points with alarms: a forger invents many.
	mostPoints = 4096
	// airDays is how long an alarm stands beside an access point.
	airDays = 7 * 24 * time.Hour
)

// air is what is said of access points, and what was found wrong with them
// since the start.
type air struct {
	mu     sync.Mutex
	ours   map[string]string                    // guarded by mu: who said so, by BSSID
	alarms map[string]map[asset.AlarmKind]int64 // guarded by mu: when last, in ns
}

func openAir(ctx context.Context, log *evidence.Log) (*air, error) {
	x := &air{ours: map[string]string{}, alarms: map[string]map[asset.AlarmKind]int64{}}
	list, err := log.List(ctx, evidence.Filter{Kind: kindAccessPoint, Status: pointOurs})
	if err != nil {
		return nil, fmt.Errorf("read access points: %w", err)
	}
	for _, r := range list {
		x.ours[r.ID] = r.Person
	}
	return x, nil
}

// alarm notes what was found wrong with an access point.
func (x *air) alarm(a asset.Alarm) {
	switch a.Kind {
	case asset.RogueAP, asset.EvilTwin, asset.OpenNetwork, asset.Karma, asset.DeauthFlood:
	default:
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	id := asset.MACText(a.Culprit.MAC)
	if id == "" || x.alarms[id] == nil && len(x.alarms) >= mostPoints {
		return
	}
	if x.alarms[id] == nil {
		x.alarms[id] = map[asset.AlarmKind]int64{}
	}
	x.alarms[id][a.Kind] = max(x.alarms[id][a.Kind], a.At)
}

// forget drops alarms that are too old.
func (x *air) forget(now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for id, kinds := range x.alarms {
		for kind, at := range kinds {
			if now.UnixNano()-at > int64(airDays) {
				delete(kinds, kind)
			}
		}
		if len(kinds) == 0 {
			delete(x.alarms, id)
		}
	}
}

// tell fills in what is known of an access point.
func (x *air) tell(ap *api.AccessPoint) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if by, ours := x.ours[ap.BSSID]; ours {
		ap.Ours, ap.By = true, by
	}
	for kind := range x.alarms[ap.BSSID] {
		ap.Alarms = append(ap.Alarms, kind)
	}
	slices.Sort(ap.Alarms)
}

// knowPoint keeps that an access point is ours, or no longer.
func (n *Node) knowPoint(ctx context.Context, bssid string, ours bool, by string) error {
	x := n.network.air
	x.mu.Lock()
	defer x.mu.Unlock()
	status := pointUnknown
	if ours {
		status = pointOurs
	}
	if err := n.putRecords(ctx, []evidence.Record{{Kind: kindAccessPoint, ID: bssid, Time: n.now().UnixMilli(), Person: by, Status: status, Body: []byte("{}")}}); err != nil {
		return err
	}
	delete(x.ours, bssid)
	if ours {
		x.ours[bssid] = by
	}
	return nil
}
