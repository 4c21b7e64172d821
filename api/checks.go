package api

import (
	"net/http"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/ocsf"
)

// CheckLine is a check and its answer of now.
type CheckLine struct {
	ID       string          `json:"id"`
	Title    ocsf.Text       `json:"title"`
	Why      ocsf.Text       `json:"why"`
	Controls []string        `json:"controls"`
	Answer   evidence.Answer `json:"answer"`
}

func (a *API) checkRoutes() []route {
	return []route{{method: "GET", path: "/api/v1/checks", id: "askChecks", may: identity.SeeNetwork, status: 200, answer: []CheckLine{}, serve: (*call).checks,
		about: "What laws and standards ask of the controls, answered as of now, with the records that the answers rest on."}}
}

func (c *call) checks() error {
	out := []CheckLine{}
	if c.Checks == nil {
		return c.answer(http.StatusOK, out)
	}
	for _, k := range c.Checks() {
		answer, err := k.Ask(c.r.Context(), c.Now().UnixMilli())
		if err != nil {
			return err
		}
		out = append(out, CheckLine{k.ID, k.Title, k.Why, k.Controls, answer})
	}
	return c.answer(http.StatusOK, out)
}
