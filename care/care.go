// Package care keeps the graph of who cares for whom and explains accesses
// with it. Soon more.
package care

import (
	"context"
	"database/sql"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"time"

	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
)

// Graph is the care graph. All methods may be called concurrently.
type Graph struct{}

// Open loads the graph from the store and the explanation kinds from a file
// system with one YAML file per kind.
func Open(ctx context.Context, db *store.DB, dir *directory.Directory, key keyed.Key, kinds fs.FS, now func() time.Time, log *slog.Logger) (*Graph, error) {
	panic("soon")
}

// Apply takes in the facts of an event and returns the ids (all numbers of a
// merged patient) of the patients whose relations changed.
func (g *Graph) Apply(ev *ocsf.Event) []string { panic("soon") }

// Explain says why an access is legitimate, or that nothing says so.
func (g *Graph) Explain(ev *ocsf.Event) ocsf.Explanation { panic("soon") }

// Learn takes in an explained access (ev.Explanation set).
func (g *Graph) Learn(ev *ocsf.Event) { panic("soon") }

// Pending is an unexplained access kept for healing.
type Pending struct {
	UID     string
	Time    int64
	Person  string
	Account string
	Patient string
}

// Event is the access as far as Explain needs it.
func (p Pending) Event() *ocsf.Event { panic("soon") }

// Hold keeps an unexplained access until its explanation may arrive.
func (g *Graph) Hold(ev *ocsf.Event) { panic("soon") }

// Waiting lists the kept accesses to a patient, oldest first.
func (g *Graph) Waiting(patient string) []Pending { panic("soon") }

// Held lists all kept accesses, to be tried again after a roster, a ticket
// list or people were imported.
func (g *Graph) Held() iter.Seq[Pending] { panic("soon") }

// Release forgets a kept access: it has its explanation.
func (g *Graph) Release(p Pending) { panic("soon") }

// Patient is what detectors ask about a patient. Its slices are shared and
// must not be changed.
type Patient struct {
	// ID is the surviving number after merges, IDs all numbers.
	ID  string
	IDs []string
	// Known is false for a number the graph never heard of.
	Known bool
	// Keys are tokens of the patient's own demographics.
	Keys []ocsf.Key
	// Kin are tokens of next of kin (NK1), guarantor (GT1), insured (IN1).
	Kin []Kin
	// VIP is a mark in the record (PV1-16); Sensitive the codes of others.
	VIP       bool
	Sensitive []string
	// StaffPerson is the person_id where the patient is a member of staff.
	StaffPerson   string
	LastDischarge int64
	Encounters    []Encounter
}

// Kin is a token of somebody near the patient.
type Kin struct {
	ocsf.Key
	Role string
}

// Encounter is one visit; times in ms, 0 unknown or open.
type Encounter struct {
	ID         string
	Class      string
	Department string
	Ward       string
	From       int64
	Until      int64
	Attending  []string
	Source     string
}

// Patient describes a patient.
func (g *Graph) Patient(id string) Patient { panic("soon") }

// Attending says whether a person is attending, consulting or admitting
// doctor of the patient at a time (GB/T 39725 level 5: attending staff only).
func (g *Graph) Attending(person, patient string, at int64) bool { panic("soon") }

// Scope is what an access touches, or what a ticket allows.
type Scope struct {
	Any        bool
	Patient    string
	Department string
	Table      string
}

// Ticket is an approval.
type Ticket struct {
	ID         string
	Person     string
	Purpose    string
	Scope      Scope
	From       int64
	Until      int64
	ApprovedBy string
}

// Ticket finds an approval which covers a scope.
func (g *Graph) Ticket(person string, scope Scope, at int64) (Ticket, bool) { panic("soon") }

// The kinds of a [Watch].
const (
	WatchVIP       = "vip"
	WatchSealed    = "sealed"
	WatchCanary    = "canary"
	WatchSensitive = "sensitive"
)

// Watch is a line of the watchlist; times in ms, Until 0 open.
type Watch struct {
	Kind    string
	Patient string
	From    int64
	Until   int64
	Reason  string
}

// Watched says whether a patient is on the watchlist with this kind.
func (g *Graph) Watched(kind, patient string, at int64) (Watch, bool) { panic("soon") }

// Watchlist lists all entries.
func (g *Graph) Watchlist() []Watch { panic("soon") }

// ImportTickets reads approvals as CSV.
func (g *Graph) ImportTickets(ctx context.Context, r io.Reader, progress func(directory.Counts)) (directory.Counts, error) {
	panic("soon")
}

// ImportWatchlist reads the watchlist as CSV.
func (g *Graph) ImportWatchlist(ctx context.Context, r io.Reader, progress func(directory.Counts)) (directory.Counts, error) {
	panic("soon")
}

// Save writes what changed since the last saved state; part of the
// checkpoint. Call Saved when the transaction committed.
func (g *Graph) Save(tx *sql.Tx) error { panic("soon") }

// Saved tells that the transaction of the last Save committed.
func (g *Graph) Saved() { panic("soon") }

// Expire forgets relations, repeats and kept accesses that can explain
// nothing any more at a time.
func (g *Graph) Expire(at int64) { panic("soon") }

// Sentence writes an explanation in a language ("zh", else English).
func (g *Graph) Sentence(x ocsf.Explanation, lang string) string { panic("soon") }

// Kinds are the explanation kinds with their texts.
type Kinds struct{}

// LoadKinds reads the explanation kinds.
func LoadKinds(fsys fs.FS) (*Kinds, error) { panic("soon") }

// Sentence writes an explanation in a language; times in zone.
func (k *Kinds) Sentence(x ocsf.Explanation, lang string, zone *time.Location) string {
	panic("soon")
}

// Title is the short name of a kind in a language.
func (k *Kinds) Title(kind, lang string) string { panic("soon") }

// Picture is who relates to whom around an access.
type Picture struct {
	Nodes []Node
	Edges []Edge
}

// Node is a person, patient, department, ward, encounter or account.
type Node struct {
	ID string
	// Kind is person, patient, department, ward or encounter.
	Kind  string
	Label string
	// Centre marks the two the picture is about.
	Centre bool
}

// Edge is a relation between two nodes.
type Edge struct {
	From, To string
	// Kind is a fact kind, "works-in", "on-duty", "stays", "manages".
	Kind string
	// Since and Until bound it in ms, 0 unknown or open.
	Since, Until int64
	// Source is the event or record it rests on.
	Source string
	// Missing marks the relation that is not there: person to patient.
	Missing bool
}

// Neighbourhood draws what surrounds a person and a patient at a time.
func (g *Graph) Neighbourhood(person, patient string, at int64) Picture { panic("soon") }
