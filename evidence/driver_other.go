//go:build !unix

package evidence

import (
	"context"
	"errors"
	"log/slog"
)

// RouteLogs does nothing here: there is no driver that logs.
func RouteLogs(*slog.Logger) {}

func openDriver(context.Context, Config, siteKey, *witness) (*driver, error) {
	return nil, errors.New("open evidence log: this system can verify evidence but not write it; run the server on Linux")
}
