package api

import (
	"context"
	"slices"

	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/ocsf"
)

// Incident is a case in the words of OCSF, with its findings that hold.
func (s *Services) Incident(ctx context.Context, c incident.Case) (ocsf.Incident, error) {
	out := ocsf.Incident{
		UID: c.ID, Person: c.Person, Account: c.Account, Title: c.Title,
		Opened: c.Opened, Updated: c.Opened, Start: c.First, Time: c.Last,
		Status: statusID(c.Status), SeverityID: severityOf(c.Risk), Risk: c.Risk,
		Assignee: c.Assignee, Verdict: verdictID(c.Verdict), Breach: c.Verdict == incident.Confirmed,
	}
	for _, n := range c.Notes {
		out.Updated = max(out.Updated, n.At)
	}
	if i := slices.IndexFunc(c.Notes, func(n incident.Note) bool { return n.Kind == "closed" }); i >= 0 {
		out.Comment = c.Notes[i].Text
	}
	for _, uid := range c.Findings {
		f, err := s.Desk.Finding(ctx, uid)
		if err != nil {
			return out, err
		}
		out.Findings = append(out.Findings, f)
	}
	return out, nil
}

func statusID(status string) int {
	switch status {
	case incident.StatusWaiting:
		return ocsf.IncidentOnHold
	case incident.StatusAssigned:
		return ocsf.IncidentInProgress
	case incident.StatusClosed:
		return ocsf.IncidentClosed
	}
	return ocsf.IncidentNew
}

func verdictID(v incident.Verdict) int {
	switch v {
	case incident.Confirmed:
		return ocsf.VerdictTruePositive
	case incident.Justified:
		return ocsf.VerdictBenign
	case incident.FalseCase:
		return ocsf.VerdictFalsePositive
	case incident.Withdrawn:
		return ocsf.VerdictDisregard
	}
	return ocsf.VerdictUnknown
}

// severityOf reads a risk of 0 to 100 as an OCSF severity.
func severityOf(risk float64) int {
	switch {
	case risk >= 90:
		return ocsf.SeverityCritical
	case risk >= 70:
		return ocsf.SeverityHigh
	case risk >= 40:
		return ocsf.SeverityMedium
	}
	return ocsf.SeverityLow
}
