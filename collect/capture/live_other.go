//go:build !linux

package capture

import (
	"context"
	"errors"
	"time"
)

// Live listens on interfaces, on Linux only.
type Live struct{}

// OpenLive fails: rings of packets are the Linux kernel's.
func OpenLive(LiveConfig) (*Live, error) {
	return nil, errors.New("listening on interfaces takes Linux; cordon capture reads files everywhere")
}

// Close does nothing.
func (l *Live) Close() {}

// Run does nothing.
func (l *Live) Run(context.Context, *Engine, func() time.Time, func()) error { return nil }

// Away returns nothing.
func (l *Live) Away() map[string]error { return nil }
