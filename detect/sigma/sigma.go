// Package sigma runs Sigma rules over events. Soon more.
package sigma

import (
	"io/fs"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// Rules are loaded rules; they are one detector, whose findings carry the
// rule's id.
type Rules struct{}

var _ detect.Detector = (*Rules)(nil)

// Refused is a rule that is not loaded, and why.
type Refused struct {
	// File is the path, Title and ID the rule's own, where it could be read.
	File, Title, ID string
	Reason          string
}

// Load reads all rules of the file systems, later ones replacing earlier ones
// of the same id.
func Load(fsys ...fs.FS) (*Rules, []Refused) { return &Rules{}, nil }

// Info implements [detect.Detector].
func (r *Rules) Info() detect.Info { return detect.Info{ID: "sigma"} }

// Detect implements [detect.Detector].
func (r *Rules) Detect(c *detect.Context, ev *ocsf.Event) {}
