// Package api is how programs reach Cordon: HTTP with JSON lines, described by
// itself at /api/v1/openapi.json.
//
// What it gives. Handing events in, reading findings, incidents, explanations
// and accesses as OCSF lines (docs: FORMATS "Out"), asking SQL, working on
// cases, mending quarantine, importing lists, verifying and exporting
// evidence. One table of routes drives the multiplexer, the permissions and
// the OpenAPI description, so they cannot drift apart. /metrics, /healthz and
// /readyz stand beside it.
//
// What it guarantees. Every route but /healthz, /readyz and the description
// needs a bearer token (package identity) whose role has the route's
// permission; a department head sees the cases of their own department only.
// Long answers are streamed, never held: a read error in the middle breaks the
// connection instead of ending the list early. Errors are RFC 9457 problems
// that say the next step and nothing from the inside. Patient ids travel in
// bodies, never in URLs. Who looks at cases, findings, a patient's trail or a
// record set aside, asks SQL or takes evidence out is itself an event
// (Services.Audit), made before the answer; a route nobody thought about in
// that way fails a test. Requests are limited in number and
// size.
//
// It owns no tables and keeps nothing over a restart. It does not serve pages
// (console does).
package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/deid"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/gateway"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
	"github.com/cordon-health/cordon/quarantine"
	"github.com/cordon-health/cordon/release"
)

// Site is the hospital and how Cordon is reached.
type Site struct {
	Name string
	// Zone is the site's time zone.
	Zone *time.Location
	// Language of texts for no reader in particular: zh or en.
	Language string
	// Secure says that browsers reach the console over TLS.
	Secure bool
	// Proxied says that a reverse proxy on this machine stands in front, whose
	// X-Forwarded-For is to be believed.
	Proxied bool
}

// Source is what a sender or collector has brought. Times are ms.
type Source struct {
	Name   string `json:"name"`
	Format string `json:"format"`
	// First and Last are when something arrived; Event is the newest time
	// that its events carry.
	First int64 `json:"first"`
	Last  int64 `json:"last"`
	Event int64 `json:"event"`
	// Stored counts events kept, Repeated those known already, Rejected the
	// records put into quarantine.
	Stored   int64 `json:"stored"`
	Repeated int64 `json:"repeated"`
	Rejected int64 `json:"rejected"`
}

// Services are the parts of the product that the API and the console show.
// Functions are what only node can do, because it joins several parts.
type Services struct {
	Site       Site
	Users      *identity.Users
	Desk       *incident.Desk
	Runner     *playbook.Runner
	Lake       *lake.Lake
	Care       *care.Graph
	People     *directory.Directory
	Book       *evidence.Log
	Quarantine *quarantine.Book
	// Detectors lists what looks, Health what detectors lack.
	Detectors func() []detect.Info
	Health    func() []detect.Problem
	Sources   func() []Source
	// Rules lists the Sigma rules at work and those refused.
	Rules func() RuleSet
	// Alarm tells and tests the alarm path.
	Alarm AlarmPathReporter
	// Import reads a list: a name of ImportKinds. progress may be nil.
	Import func(ctx context.Context, kind string, r io.Reader, progress func(directory.Counts)) (directory.Counts, error)
	// Replay puts a quarantined item, mended, through its collector's way
	// again. An error says, without patient data, why it was refused again.
	Replay func(ctx context.Context, item quarantine.Item, data []byte, by string) error
	// Verify checks all evidence of this site. progress may be nil.
	Verify func(ctx context.Context, progress func(evidence.Progress)) (evidence.Report, error)
	// Bundle writes the evidence bundle of a case.
	Bundle func(ctx context.Context, caseID, lang string, w io.Writer) error
	// Tuning is how detectors are fitted to the hospital.
	Tuning Tuners
	// Deidentify takes patients out of a file; Reidentify answers who is behind
	// pseudonyms, when two people agree.
	Deidentify func(ctx context.Context, w DeidWork) (deid.Report, error)
	Reidentify *deid.Desk
	// Gateway is what may leave; Base is how people reach the console.
	Gateway *gateway.Guard
	Base    string
	// Releases are data sets on their way out; ReleaseProof writes the signed
	// proof of one.
	Releases     *release.Broker
	ReleaseProof func(ctx context.Context, id, lang string, w io.Writer) error
	// Data is where patient data lies, and the scans that find it.
	Data DataGuard
	// Network is what is on the network, and how departments are kept apart.
	Network Network
	// Assets is the book of devices, for lists that come in and go out.
	Assets AssetBook
	// Checks are the questions of laws and standards that controls answer.
	Checks func() []evidence.Check
	// Sensors is where sensors on other machines report and get their orders.
	Sensors SensorSync
	// SensorSeat refuses a token that speaks under the name of another's sensor.
	SensorSeat func(name, token string) error
	// Audit takes an event about what a user of Cordon did.
	Audit identity.Audit
	// KeepDispute makes a patient's dispute durable: its record, then its
	// event. It may be repeated.
	KeepDispute func(ctx context.Context, r evidence.Record, ev *ocsf.Event) error
	// Budget is how many cases may open per day.
	Budget  int
	Version string
	Key     keyed.Key
	Now     func() time.Time
	Log     *slog.Logger
}

// ImportKinds are the lists that Services.Import takes.
func ImportKinds() []string {
	return []string{"directory", "roster", "tickets", "watchlist", "patients", "sigma", "mapping"}
}

// Parts are what the API is made of.
type Parts struct {
	Services
	// Events and FHIR are the HTTP collector's handlers, behind the
	// permission to send events.
	Events, FHIR http.HandlerFunc
	Metrics      prometheus.Gatherer
	// Ready says why requests cannot be served now, nil if they can.
	Ready func(ctx context.Context) error
	// Limits; the zero value takes the defaults.
	Limits Limits
}

// Limits bound what one client may ask.
type Limits struct {
	// PerSecond and Burst are requests of one token; senders of events are
	// counted apart and ten times as many.
	PerSecond, Burst int
	// Body is the largest body in bytes, but for events and imports, which
	// have their own.
	Body int64
	// Import is the largest list to import, in bytes.
	Import int64
}

func (l Limits) orDefault() Limits {
	d := Limits{PerSecond: 50, Burst: 200, Body: 4 << 20, Import: 4 << 30}
	for field, v := range map[*int]int{&d.PerSecond: l.PerSecond, &d.Burst: l.Burst} {
		if v > 0 {
			*field = v
		}
	}
	for field, v := range map[*int64]int64{&d.Body: l.Body, &d.Import: l.Import} {
		if v > 0 {
			*field = v
		}
	}
	return d
}
