package node

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"time"

	"github.com/cordon-health/cordon/bus"
	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/evidence"
	evidencefolder "github.com/cordon-health/cordon/evidence/folder"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/quarantine"
)

// compactEvery is how many minutes pass between compactions.
const compactEvery = 30

// compact merges the small files of each day; evidence binds the new ones in
// the transaction that replaces the old.
func (n *Node) compact(ctx context.Context, minute int) error {
	if minute%compactEvery != compactEvery-1 {
		return nil
	}
	n.pipe.files.Lock()
	defer n.pipe.files.Unlock()
	return n.lake.Compact(ctx, func(tx *sql.Tx, c lake.Change) error {
		var old []string
		for _, f := range c.Old {
			old = append(old, f.Name)
		}
		var marks []evidence.FileMark
		for _, f := range c.New {
			marks = append(marks, mark(f))
		}
		return n.evidence.Replace(tx, old, marks, "", nil)
	})
}

// forget lets the care graph drop what can explain nothing any more.
func (n *Node) forget(minute int) {
	if minute%(24*60) == 24*60-1 {
		n.pipe.mu.Lock()
		defer n.pipe.mu.Unlock()
		n.care.Expire(n.now().UnixMilli())
	}
}

// Import reads a list of people, shifts, tickets or watched patients. Unusable
// rows go to quarantine. Accesses that had no explanation are tried again.
func (n *Node) Import(ctx context.Context, kind string, r io.Reader, progress func(directory.Counts)) (directory.Counts, error) {
	var c directory.Counts
	var err error
	switch kind {
	case "directory":
		c, err = n.people.ImportPeople(ctx, r, progress)
	case "roster":
		c, err = n.people.ImportRoster(ctx, r, progress)
	case "tickets":
		c, err = n.care.ImportTickets(ctx, r, progress)
	case "watchlist":
		c, err = n.care.ImportWatchlist(ctx, r, progress)
	case "patients":
		c, err = n.importPatients(ctx, r, progress)
	case "sigma":
		c, err = n.importRules(ctx, r)
	case "mapping":
		return n.importMapping(ctx, r)
	default:
		return c, collect.UnknownFormat{Name: kind}
	}
	if err != nil {
		return c, err
	}
	if kind == "sigma" {
		for _, r := range c.Rejects {
			c.Warnings = append(c.Warnings, "rule not loaded: "+r.Reason)
		}
		return c, nil
	}
	if err := n.keepRows(ctx, kind, c.Rejects); err != nil {
		return c, err
	}
	if kind == "watchlist" {
		n.plantWatched()
	}
	if err := n.pipe.retryHeld(ctx); err != nil {
		return c, err
	}
	return c, n.rekey(context.WithoutCancel(ctx))
}

// rekey gives cases of accounts to people who are known now.
func (n *Node) rekey(ctx context.Context) error {
	changes, err := n.desk.Rekey(ctx, func(account string) (string, bool) {
		p, ok := n.people.Resolve(account)
		return p.ID, ok
	})
	n.runner.Notice(changes)
	return err
}

// setAside keeps a message of the bus that cannot be read.
func (n *Node) setAside(m bus.Message, why error) {
	err := n.quarantine.Add(context.Background(), quarantine.Item{
		Source: "bus", Format: "bus", Reason: why.Error(), Received: n.now().UnixMilli(), Data: m.Data,
	})
	if err != nil {
		n.log.Error("unreadable message of the bus not kept", "seq", m.Seq, "error", err)
	}
}

func (n *Node) keepRows(ctx context.Context, kind string, rejects []directory.Reject) error {
	var items []quarantine.Item
	for _, r := range rejects {
		items = append(items, quarantine.Item{
			Source: "import", Format: kind, Reason: fmt.Sprintf("line %d: %s", r.Line, r.Reason),
			Received: n.now().UnixMilli(), Data: r.Data,
		})
	}
	return n.quarantine.Add(ctx, items...)
}

// Replay hands the (mended) bytes of a quarantined record in again. When all
// of it is usable the record is settled; else it stays, with the new reason.
func (n *Node) Replay(ctx context.Context, it quarantine.Item, data []byte, by string) error {
	rec, err := n.replay(ctx, it, data)
	if err != nil {
		return err
	}
	if rec != "" {
		return fmt.Errorf("still not usable: %s", rec)
	}
	return n.quarantine.Settle(ctx, it.ID, quarantine.Replayed, by)
}

func (n *Node) replay(ctx context.Context, it quarantine.Item, data []byte) (reason string, err error) {
	item := collect.Item{Format: it.Format, Mapping: it.Mapping, Source: it.Source, Received: time.UnixMilli(it.Received), Data: data}
	var seen patientsSeen
	evs, rejects, err := n.intake.normalize(item, seen.person)
	switch {
	case err != nil:
		return "", err
	case len(rejects) > 0:
		return rejects[0].Reason, n.quarantine.Failed(ctx, it.ID, rejects[0].Reason, "replay")
	}
	seen.events(n.intake.canaries, it.Source, evs)
	n.patients.learn(seen.all)
	return "", n.intake.publish(ctx, evs)
}

// Verify checks the evidence of the running instance, after writing down what
// is still on its way.
func (n *Node) Verify(ctx context.Context, progress func(evidence.Progress)) (evidence.Report, error) {
	if err := n.pipe.drain(ctx); err != nil {
		return evidence.Report{}, err
	}
	if err := n.evidence.Sync(ctx); err != nil {
		return evidence.Report{}, err
	}
	n.pipe.files.Lock()
	defer n.pipe.files.Unlock()
	src, err := n.evidenceSource()
	if err != nil {
		return evidence.Report{}, err
	}
	return evidence.Verify(ctx, src, progress)
}

func (n *Node) evidenceSource() (evidence.Source, error) {
	src, err := evidencefolder.Source(n.cfg.Data, n.db)
	if err != nil {
		return src, err
	}
	if !n.cfg.Blob.IsZero() {
		src.File = evidencefolder.Blobs(n.files, n.cfg.Data+"/scratch")
	}
	src.WitnessKey = n.cfg.Evidence.WitnessKey
	return src, nil
}
