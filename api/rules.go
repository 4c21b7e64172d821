package api

import "github.com/cordon-health/cordon/identity"

// RuleSet is what is known about the Sigma rules: those at work, and those that
// are not, with the reason.
type RuleSet struct {
	Rules   []RuleLine    `json:"rules"`
	Refused []RefusedRule `json:"refused"`
	Filters []Filter      `json:"filters"`
	// Groups and Bytes are what correlations remember now; Forgotten groups had
	// to go before their time, Late events came too late to count.
	Groups    int   `json:"groups"`
	Bytes     int   `json:"bytes"`
	Forgotten int64 `json:"forgotten"`
	Late      int64 `json:"late"`
}

// RuleLine is a rule or correlation at work.
type RuleLine struct {
	ID          string `json:"id"`
	Title       string `json:"title"`
	Level       string `json:"level,omitempty"`
	File        string `json:"file"`
	Version     string `json:"version"`
	Correlation bool   `json:"correlation,omitempty"`
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

func (a *API) ruleRoutes() []route {
	return []route{
		{method: "GET", path: "/api/v1/rules", id: "listRules", may: identity.SeeSources, status: 200, answer: RuleSet{},
			about: "Sigma rules, correlations and filters at work, and what was refused, with the reason.",
			serve: func(c *call) error { return c.answer(200, c.Rules()) }},
	}
}
