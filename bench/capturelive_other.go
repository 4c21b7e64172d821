//go:build !linux

package bench

import (
	"context"
	"errors"
)

// CaptureSend is what a sending process would do.
type CaptureSend struct{}

// Do fails.
func (s CaptureSend) Do() (CaptureSend, error) { return s, errors.New("sending frames takes Linux") }

// Live fails.
func (c *Capture) Live() ([]Line, Table, error) {
	return nil, Table{}, errors.New("listening on interfaces takes Linux")
}

// CaptureLatency fails.
func CaptureLatency(context.Context) (Line, error) {
	return Line{}, errors.New("wires between namespaces take Linux")
}
