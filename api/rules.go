package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/cordon-health/cordon/identity"
)

// RuleSet is what is known about the Sigma rules: those at work, and those that
// are not, with the reason.
type RuleSet struct {
	Rules   []RuleLine    `json:"rules"`
	Refused []RefusedRule `json:"refused"`
	Filters []Filter      `json:"filters"`
	// Ignored are files in the folders of rules that are none by their names.
	Ignored []string `json:"ignored,omitempty"`
	// Groups and Bytes are what correlations remember now; Forgotten groups had
	// to go before their time, Late events came too late to count.
	Groups    int   `json:"groups"`
	Bytes     int   `json:"bytes"`
	Forgotten int64 `json:"forgotten"`
	Late      int64 `json:"late"`
	Cut       int64 `json:"cut"`
	// CutEvents had more values than are looked at; of ShortEvents regular
	// expressions saw only the beginning of long values.
	CutEvents   int64 `json:"cut_events"`
	ShortEvents int64 `json:"short_events"`
}

// RuleLine is a rule or correlation at work.
type RuleLine struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	TitleZH string `json:"title_zh,omitempty"`
	Level   string `json:"level,omitempty"`
	// Status is how ripe its author calls it; Source its log source,
	// "process_creation/windows".
	Status      string `json:"status,omitempty"`
	Source      string `json:"source,omitempty"`
	File        string `json:"file"`
	Version     string `json:"version"`
	Correlation bool   `json:"correlation,omitempty"`
	// Type, Counts and Span (ms) are of a correlation: event_count, the ids of
	// the rules it counts, and over how long. Groups is how many it remembered
	// a minute ago.
	Type   string   `json:"type,omitempty"`
	Counts []string `json:"counts,omitempty"`
	Span   int64    `json:"span,omitempty"`
	Groups int      `json:"groups,omitempty"`
	// Idle: no event of Cordon is of its log source.
	Idle bool `json:"idle,omitempty"`
	// Waits are placeholders without a list of values.
	Waits []string `json:"waits,omitempty"`
	// Replaces is the file whose rule of the same id it replaced.
	Replaces string `json:"replaces,omitempty"`
	// Through are the correlations that report it in its place.
	Through []string `json:"through,omitempty"`
	// Filters are the ids of the filters over it.
	Filters []string `json:"filters,omitempty"`
}

// RefusedRule is a rule that is not at work as its file has it.
type RefusedRule struct {
	File   string `json:"file"`
	ID     string `json:"id,omitempty"`
	Title  string `json:"title,omitempty"`
	Reason string `json:"reason"`
	// Kept: what the file held before stays at work.
	Kept bool `json:"kept"`
}

// KindRule is the kind of record that holds the text of a rule, correlation or
// filter.
const KindRule = "rule"

// RuleGone is the status of the record of a rule that is loaded no more; else
// the status is the version.
const RuleGone = "removed"

// RuleText is the body of such a record. Text is what Version is the hash of.
type RuleText struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"` // rule, correlation or filter
	Title   string `json:"title"`
	Version string `json:"version"`
	File    string `json:"file"`
	// Folder is 0 for what comes with Cordon, 1 for what was imported, then
	// the hospital's own.
	Folder int    `json:"folder"`
	Text   string `json:"text"`
	// Rules are the versions of what a correlation counts.
	Rules map[string]string `json:"rules,omitempty"`
}

// RuleVersion is a rule as it was loaded at a time in ms.
type RuleVersion struct {
	RuleText
	Since int64 `json:"since"`
	// Gone: since then the rule is loaded no more.
	Gone bool `json:"gone,omitempty"`
}

// mostRuleVersions is how many versions of a rule are told.
const mostRuleVersions = 50

// RuleVersions are the texts that evidence has of a rule, the newest first;
// fs.ErrNotExist where it has none.
func (s *Services) RuleVersions(ctx context.Context, id string) ([]RuleVersion, error) {
	records, err := s.Book.Recent(ctx, KindRule, id, mostRuleVersions)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("rule %q: %w", id, fs.ErrNotExist)
	}
	var out []RuleVersion
	for _, r := range records {
		v := RuleVersion{Since: r.Time, Gone: r.Status == RuleGone}
		if err := json.Unmarshal(r.Body, &v.RuleText); err != nil {
			return nil, fmt.Errorf("text of rule %s: %w", id, err)
		}
		out = append(out, v)
	}
	return out, nil
}

func (a *API) ruleRoutes() []route {
	return []route{
		{method: "GET", path: "/api/v1/rules/{id}", id: "getRule", may: identity.SeeSources, status: 200, answer: []RuleVersion{},
			about: "The texts that evidence has of a Sigma rule, correlation or filter, the newest first.",
			serve: func(c *call) error {
				all, err := c.RuleVersions(c.r.Context(), c.r.PathValue("id"))
				if err != nil {
					return err
				}
				return c.answer(http.StatusOK, all)
			}},
		{method: "GET", path: "/api/v1/rules", id: "listRules", may: identity.SeeSources, status: 200, answer: RuleSet{},
			about: "Sigma rules, correlations and filters at work, and what was refused, with the reason.",
			serve: func(c *call) error { return c.answer(200, c.Rules()) }},
	}
}
