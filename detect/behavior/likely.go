package behavior

import (
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// likely says that only a missing feed keeps the access from its explanation:
// the patient was where the person works and no roster says who was on duty,
// or the person's task rests on messages that this hospital never sends. A
// detector that needs nothing else to speak would then speak from ignorance.
func likely(c *detect.Context, ev *ocsf.Event) bool {
	if !c.Loose() || c.Unexplained() {
		return false
	}
	switch ev.Explanation.Kind {
	case "department", "rotation", "duty":
		return true
	}
	return false
}
