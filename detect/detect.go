// Package detect looks at events, with what the directory and the care graph
// know, and says what should be looked into.
//
// What it gives: [Engine], which shows every event to every [Detector] and
// collects their findings. A detector is a value that explains itself ([Info]);
// the console, the documentation and the command line are printed from it.
// Behaviour detectors live in detect/behavior, Sigma rules in detect/sigma;
// both sit behind the same small interface.
//
// The engine also learns what is usual for persons, their peers and patients
// ([Context.Pace], [Context.Onlookers], [Context.Hours]); what is not known yet
// says so.
//
// What it guarantees: the same events in the same order give the same findings
// with the same uids, also when the engine was restored from a snapshot in
// between, so a replay after a crash repeats nothing. Time is the time of
// events: months of history can be imported, and events may come hours late.
// Memory is bounded, per person and in all. No detector accuses anybody for
// what Cordon does not know: without addresses nobody is family, without a
// roster only the hours a person keeps speak, weakly, and [Engine.Health] says
// so.
//
// What it does not do: it keeps no findings and opens no cases (incident does),
// it owns no tables (the caller stores the snapshot with its checkpoint), and
// it sees names of patients nowhere: findings speak of ids.
package detect

import (
	"time"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/statement"
)

// Info is a detector's account of itself, in the two languages.
type Info struct {
	// ID is kebab-case and never changes.
	ID    string
	Title ocsf.Text
	// Why says what it looks for and why that matters, Advice what to do with
	// a finding.
	Why, Advice ocsf.Text
	// Severity is an OCSF severity_id.
	Severity int
	// Risk is 0-100, where findings start before their particulars count.
	Risk float64
	// Weak findings never open a case alone.
	Weak bool
	// Statistical findings compare with what is usual. They rank a case and
	// never open one, however many there are. They are weak, too.
	Statistical bool
	// Steady findings hold even when the access is explained (a decoy was
	// opened); verdicts on earlier ones hardly lower them.
	Steady bool
	// Group is where the list of detectors shows it; see Groups.
	Group string
	// Unexplained findings hold only while the access has no explanation.
	Unexplained bool
	// Bare findings are unexplained, and hold only while there is not even a
	// weak explanation.
	Bare bool
	// References are laws, standards and papers.
	References []string
	Params     []Param
}

// Param is a number that a hospital may change.
type Param struct {
	Name    string
	Default float64
	About   ocsf.Text
}

// Detector looks at one event at a time, always from the same goroutine.
// What it remembers follows from the events alone. Detect calls c.Find.
type Detector interface {
	Info() Info
	Detect(c *Context, ev *ocsf.Event)
}

// Stateful is a detector that remembers. Snapshot is JSON, deterministic and
// bounded; Restore replaces the memory, nil empties it.
type Stateful interface {
	Snapshot() ([]byte, error)
	Restore([]byte) error
}

// Ticker is a detector that notices what does not happen. now is the wall
// clock in ms.
type Ticker interface {
	Tick(c *Context, now int64)
}

// World is what detectors may know beside the event.
type World struct {
	People *directory.Directory
	Care   *care.Graph
	// Warned says when a person was last told of a finding, or found at fault
	// in a case, and which detectors it was about; may be nil.
	Warned func(person string) (at int64, kinds []string)
	// Sources lists what has been sending; may be nil.
	Sources func() []SourceState
	// Planted says whether an event is one that Cordon planted itself, by its
	// uid; nil knows none.
	Planted func(uid string) bool
	// Zone is the site's, for days and nights; nil is UTC.
	Zone *time.Location
	// Tables says what tables of databases hold; nil knows none.
	Tables *statement.Catalog
}

// SourceState is how a source has been sending. Times in ms.
type SourceState struct {
	Name        string
	First, Last int64
	Count       int64
}

// Problem is a feed that detectors miss: they are silent where they would
// have to guess.
type Problem struct {
	// ID is stable and kebab-case; Detectors are those who suffer.
	ID        string
	Detectors []string
	Text      ocsf.Text
}
