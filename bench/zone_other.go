//go:build !linux

package bench

import (
	"context"
	"errors"
)

// Zones are measured on Linux.
func Zones(context.Context, func(string)) ([]Line, error) {
	return nil, errors.New("zones are enforced, and measured, on Linux only")
}
