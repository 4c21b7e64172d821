package node

import (
	"context"
	"slices"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/zone"
)

// lawChecks are what the controls can answer to laws and standards.
func (n *Node) lawChecks() []evidence.Check {
	return slices.Concat(n.network.assets.Checks(), n.network.bindings.Checks(), zone.Checks(n.stands, n.now().Location()))
}

// stands are where the policy of each router stands.
func (n *Node) stands(ctx context.Context) (all []zone.Stand, err error) {
	for _, place := range n.enforce.places() {
		if place == paperPlace {
			continue // paper keeps nobody apart
		}
		s, err := n.enforce.manager(place).Stand(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}
