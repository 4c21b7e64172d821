package node

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
)

// keepDispute makes a patient's dispute durable: first the record, then the
// event upon which the case opens. When the second fails the dispute can be
// taken down again: neither is doubled, because both are named by the access.
func (n *Node) keepDispute(ctx context.Context, r evidence.Record, ev *ocsf.Event) error {
	err := n.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := n.evidence.Put(tx, r)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep dispute: %w", err)
	}
	sum := sha256.Sum256([]byte(r.ID))
	n.ownEvent(ev, "cordon:dispute:"+hex.EncodeToString(sum[:10]))
	if err := n.intake.publish(ctx, []*ocsf.Event{ev}); err != nil {
		return fmt.Errorf("publish dispute: %w", err)
	}
	return nil
}

// What Cordon calls itself in events, which nothing from outside may.
const (
	ownName   = "Cordon"
	ownSource = "cordon"
)

// ownEvent says that an event is Cordon's own.
func (n *Node) ownEvent(ev *ocsf.Event, uid string) {
	ev.Metadata.Product = ocsf.Product{Name: ownName, VendorName: ownName}
	ev.Metadata.Version, ev.Metadata.LogName, ev.Metadata.LogProvider = ocsf.Version, ownSource, ownSource
	ev.Metadata.LoggedTime = n.now().UnixMilli()
	ev.Metadata.UID = uid
}

// watchFor is how long an event about a user of Cordon may take to become
// durable. It does not end with the user's request: whoever hangs up has seen
// what they have seen.
const watchFor = 10 * time.Second

// lasting is a context for such an event.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), watchFor)
}
