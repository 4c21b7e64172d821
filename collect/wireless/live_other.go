//go:build !linux

package wireless

import (
	"context"
	"errors"

	"github.com/cordon-health/cordon/collect"
)

func (c *Collector) live(context.Context, collect.Sink) error {
	return errors.New("wireless: listening needs Linux; read a capture file instead")
}
