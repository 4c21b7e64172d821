package lake

import (
	"context"
	"fmt"

	"github.com/cordon-health/cordon/ocsf"
)

// Find is [Lake.Event] with the event's place in the stream.
func (l *Lake) Find(ctx context.Context, uid string) (Row, error) {
	if uid == "" {
		return Row{}, ErrNotFound
	}
	row, err := l.findEvent(ctx, uid)
	if err != nil {
		return Row{}, fmt.Errorf("find event: %w", err)
	}
	if err := l.heal(ctx, []*ocsf.Event{row.Event}); err != nil {
		return Row{}, fmt.Errorf("find event: %w", err)
	}
	return row, nil
}
