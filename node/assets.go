package node

import (
	"context"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/ocsf"
)

// assetBook is the book of devices as lists come in and go out. What a list
// saw goes the way of a sensor's word: over the bus, into lake and evidence.
func (n *Node) assetBook() api.AssetBook {
	return api.AssetBook{Book: n.network.assets, Publish: func(ctx context.Context, seen []asset.Observation) error {
		events := make([]*ocsf.Event, len(seen))
		for i, o := range seen {
			events[i] = o.Event()
		}
		return n.intake.publish(ctx, events)
	}}
}
