package node

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/evidence/bundle"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/ocsf"
)

// Bundle writes everything about a case as one signed file.
func (n *Node) Bundle(ctx context.Context, caseID, lang string, w io.Writer) error {
	if err := n.pipe.drain(ctx); err != nil {
		return err
	}
	rec, err := n.evidence.Get(ctx, incident.KindCase, caseID)
	if err != nil {
		return err
	}
	var c incident.Case
	if err := json.Unmarshal(rec.Body, &c); err != nil {
		return err
	}
	findings, err := n.desk.Findings(ctx, c)
	if err != nil {
		return err
	}
	records, err := n.caseRecords(ctx, c)
	if err != nil {
		return err
	}
	rules, err := n.ruleRecords(ctx, findings)
	if err != nil {
		return err
	}
	records = append(records, rules...)
	events, err := n.caseEvents(ctx, findings)
	if err != nil {
		return err
	}
	return bundle.Export(ctx, w, n.evidence, bundle.Input{
		Incident: rec, Records: records, Events: events, Made: n.now().UnixMilli(), Lang: lang,
		Sentence: n.care.Sentence, Describe: describe, Name: n.name,
	})
}

func (n *Node) name(person string) string {
	p, _ := n.people.Person(person)
	return p.Name
}

// caseRecords are the records that belong to a case.
func (n *Node) caseRecords(ctx context.Context, c incident.Case) ([]evidence.Record, error) {
	var all []evidence.Record
	for _, uids := range [][]string{c.Findings, c.Gone} {
		for _, uid := range uids {
			r, err := n.evidence.Get(ctx, incident.KindFinding, uid)
			if err != nil {
				return nil, err
			}
			all = append(all, r)
		}
	}
	for _, kind := range []string{"run", "action", "question"} {
		more, err := n.evidence.List(ctx, evidence.Filter{Kind: kind, Ref: c.ID, Order: "row"})
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// caseEvents are the events of the findings and those that their explanations
// rest on, as far as they are stored.
func (n *Node) caseEvents(ctx context.Context, findings []ocsf.Finding) ([]evidence.Row, error) {
	var rows []evidence.Row
	seen := map[string]bool{}
	var add func(uid string, because bool) error
	add = func(uid string, because bool) error {
		if seen[uid] {
			return nil
		}
		seen[uid] = true
		row, err := n.lake.Find(ctx, uid)
		if errors.Is(err, lake.ErrNotFound) {
			return nil // a roster or ticket, or expired
		}
		if err != nil {
			return err
		}
		rows = append(rows, evidence.Row{Seq: row.Seq, Index: row.Index, Event: row.Event})
		if x := row.Event.Explanation; x != nil && because {
			for _, id := range x.Because {
				if err := add(id, false); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, f := range findings {
		for _, uid := range f.Events {
			if err := add(uid, true); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

// describe says what a record is about, for the readable page.
func describe(r evidence.Record) ocsf.Text {
	if r.Kind == incident.KindFinding {
		var f ocsf.Finding
		if json.Unmarshal(r.Body, &f) == nil {
			return f.Title
		}
	}
	if r.Kind == kindRule {
		var x api.RuleText
		if json.Unmarshal(r.Body, &x) == nil {
			return ocsf.Text{EN: x.Title + " · " + x.Version, ZH: x.Title + " · " + x.Version}
		}
	}
	return ocsf.Text{}
}
