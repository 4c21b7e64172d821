package jetstream

import (
	"fmt"
	"math/rand/v2"

	"github.com/cordon-health/cordon/ocsf"
)

// sampleEvents are invented accesses of about the usual size.
func sampleEvents(n int) []*ocsf.Event {
	rnd := rand.New(rand.NewPCG(1, 2))
	events := make([]*ocsf.Event, n)
	for i := range events {
		events[i] = &ocsf.Event{
			ClassUID: 6001, ActivityID: 2, SeverityID: 1, Time: 1_760_000_000_000 + int64(i),
			Metadata: ocsf.Metadata{
				UID: fmt.Sprintf("%016x", rnd.Uint64()), Version: ocsf.Version, LogName: "fhir-auditevent",
				CorrelationUID: fmt.Sprintf("%016x", rnd.Uint64()), LoggedTime: 1_760_000_000_500,
			},
			Actor:       ocsf.Actor{User: ocsf.User{UID: fmt.Sprintf("p%04d", rnd.IntN(3000)), Account: "护士甲"}},
			SrcEndpoint: ocsf.Endpoint{IP: fmt.Sprintf("10.1.%d.%d", rnd.IntN(20), rnd.IntN(250))},
			Unmapped:    ocsf.RawJSON(`{"ward":"7B","terminal":"term-12"}`),
		}
	}
	return events
}
