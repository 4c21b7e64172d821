package incident

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
)

// KindPlanted is the record of a planted violation.
const KindPlanted = "planted"

// ReservedPrefix begins the ids of the people and patients of planted
// violations. Nobody real has such an id; who takes one is found by a detector of its own.
const ReservedPrefix = detect.ReservedPrefix

// Plant is a violation that Cordon committed itself, through the same door as
// every event, to see whether it is found.
type Plant struct {
	ID string `json:"id"`
	// Kind names the recipe; Expect the detector that should speak.
	Kind   string `json:"kind"`
	Expect string `json:"expect"`
	// At is when the events were handed in, Found when a case stood, in ms.
	At    int64 `json:"at"`
	Found int64 `json:"found,omitempty"`
	// Case is the case that closed itself; By the detectors behind it.
	Case string   `json:"case,omitempty"`
	By   []string `json:"by,omitempty"`
	// Asked is who planted it.
	Asked string `json:"asked"`
	// Events are the uids of what was handed in. Nothing else under the
	// reserved ids is taken for planted.
	Events []string `json:"events,omitempty"`
}

// PlantedWithin is how long a planted violation may take to become a case
// before it counts as missed.
const PlantedWithin = 15 * time.Minute

// State is found, waiting or missed.
func (p Plant) State(now int64) string {
	switch {
	case p.Found > 0:
		return "found"
	case now-p.At < PlantedWithin.Milliseconds():
		return "waiting"
	}
	return "missed"
}

// Expected says whether the detector that should have spoken did.
func (p Plant) Expected() bool { return slices.Contains(p.By, p.Expect) }

// Reserved says whether a subject, person or patient has an id that only
// planted violations may have. That it has one proves nothing: anybody can
// take such a name.
func Reserved(id string) bool { return plantID(id) != "" }

// plantID finds the id of the planted violation behind a subject.
func plantID(subject string) string {
	if _, rest, found := strings.Cut(subject, ":"); found {
		subject = rest
	}
	id, found := strings.CutPrefix(strings.ToLower(subject), ReservedPrefix)
	if !found {
		return ""
	}
	id, _, _ = strings.Cut(id, "-")
	return id
}

// Planting records that a violation is about to be planted.
func (d *Desk) Planting(ctx context.Context, p Plant) error {
	return d.db.Update(ctx, func(tx *sql.Tx) error { return d.putPlant(tx, p) })
}

func (d *Desk) putPlant(tx *sql.Tx, p Plant) error {
	status := "open"
	if p.Found > 0 {
		status = "found"
	}
	_, err := d.book.Put(tx, evidence.Record{Kind: KindPlanted, ID: p.ID, Time: p.At, Status: status, Ref: p.Kind, Body: encode(p)})
	return err
}

// Plants lists planted violations since a time in ms, the newest first.
func (d *Desk) Plants(ctx context.Context, since int64) ([]Plant, error) {
	recs, err := d.book.List(ctx, evidence.Filter{Kind: KindPlanted, Since: since})
	if err != nil {
		return nil, fmt.Errorf("list planted violations: %w", err)
	}
	return decodeAll[Plant](recs)
}

// genuine finds the planted violation that all the findings are about: each
// of their events must be one that Cordon handed in itself.
func (d *Desk) genuine(tx *sql.Tx, subject string, found ...ocsf.Finding) (Plant, bool, error) {
	id := plantID(subject)
	if id == "" {
		return Plant{}, false, nil
	}
	rec, err := d.book.Latest(tx, KindPlanted, id)
	if errors.Is(err, fs.ErrNotExist) {
		return Plant{}, false, nil // somebody else's use of the reserved ids
	}
	if err != nil {
		return Plant{}, false, err
	}
	p, err := decode[Plant](rec)
	if err != nil {
		return p, false, err
	}
	for _, f := range found {
		if len(f.Events) == 0 || !contains(p.Events, f.Events) {
			return p, false, nil
		}
	}
	return p, len(found) > 0, nil
}

// caught closes the case of a planted violation at once and notes that it was
// found. Nobody is asked, told or stopped, and no place of the budget is used.
func (d *Desk) caught(tx *sql.Tx, p Plant, c Case, holding []ocsf.Finding) error {
	c.Status, c.Verdict = StatusClosed, Planted
	c.Notes = append(c.Notes, d.note("closed", "planted to test the watch"))
	if err := d.putCase(tx, c); err != nil {
		return err
	}
	for _, f := range holding {
		if !slices.Contains(p.By, f.Analytic) {
			p.By = append(p.By, f.Analytic)
		}
	}
	slices.Sort(p.By)
	if p.Found == 0 {
		p.Found, p.Case = d.now().UnixMilli(), c.ID
	}
	return d.putPlant(tx, p)
}
