// Package duck answers the lake's SQL with DuckDB inside the process.
//
// Soon more.
package duck

import "github.com/cordon-health/cordon/lake"

// New returns the engine; DuckDB starts with the first question. dir is for
// its temporary files.
func New(dir string) lake.Engine { panic("soon") }
