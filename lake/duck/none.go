//go:build !cgo

// Package duck without cgo has no DuckDB: every query is refused with
// lake.ErrNoEngine. Everything else of the lake works.
package duck

import (
	"context"

	"github.com/cordon-health/cordon/lake"
)

type none struct{}

var _ lake.Engine = none{}

// New returns an engine that refuses; dir is not used.
func New(dir string) lake.Engine { return none{} }

// Query implements lake.Engine.
func (none) Query(context.Context, lake.Query) (*lake.Rows, error) { return nil, lake.ErrNoEngine }

// Close implements lake.Engine.
func (none) Close() error { return nil }
