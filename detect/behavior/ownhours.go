package behavior

import (
	"fmt"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// ownHours judges, where the roster says nothing about a person, by the hours
// they themselves keep. It is weaker than a roster, and it says so.
func ownHours(c *detect.Context, ev *ocsf.Event) {
	weeks, known := c.Hours()
	if !known || weeks >= c.Param("weeks") || c.Attending() {
		return
	}
	f := ocsf.Finding{
		Title: opened(c, ev, "at an hour that is not theirs", "非本人惯常时间"),
		Why: ocsf.Text{
			EN: fmt.Sprintf("No roster covers %s. At this hour (%s), of any day of the week, they have hardly ever been at work.", c.Who(), c.Clock()),
			ZH: fmt.Sprintf("排班表未覆盖 %s。一周任何一天的这个时间（%s）本人几乎从未工作。", c.Who(), c.Clock()),
		},
		Risk: 28, Statistical: true,
	}
	c.Find(f)
}
