package api

import (
	"context"
	"net/http"

	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/tuning"
)

// Quality is how well the watch works, and what it was told not to see.
type Quality struct {
	incident.Quality
	Exceptions []HiddenBy `json:"exceptions"`
	Filters    []HiddenBy `json:"filters"`
	// Calibration is on, frozen or off.
	Calibration string `json:"calibration"`
}

// HiddenBy is what one exception or Sigma filter hid. It names no person.
type HiddenBy struct {
	ID       string `json:"id"`
	Title    string `json:"title,omitempty"`
	Detector string `json:"detector,omitempty"`
	State    string `json:"state"`
	Until    string `json:"until,omitempty"`
	Due      bool   `json:"due,omitempty"`
	Expiring bool   `json:"expiring,omitempty"`
	Hidden   int64  `json:"hidden"`
	Last     int64  `json:"last"`
}

// QualityOf computes the figures of the last days, up to a moment in ms.
func (s *Services) QualityOf(ctx context.Context, days int, at int64) (q Quality, err error) {
	if q.Quality, err = s.Desk.Quality(ctx, days, at); err != nil {
		return q, err
	}
	return s.withHidden(ctx, q)
}

// QualityBetween computes the figures of the cases from one day to another.
func (s *Services) QualityBetween(ctx context.Context, from, to string) (q Quality, err error) {
	if q.Quality, err = s.Desk.QualityBetween(ctx, from, to); err != nil {
		return q, bad("give from and to as days (2026-12-31), from before to, at most 366 days", "请以 2026-12-31 的格式填写起止日期，起始不晚于截止，最长 366 天")
	}
	return s.withHidden(ctx, q)
}

// withHidden adds what exceptions and filters hid.
func (s *Services) withHidden(ctx context.Context, q Quality) (Quality, error) {
	cal, err := s.Desk.Calibration(ctx)
	if err != nil {
		return q, err
	}
	q.Calibration, q.Exceptions, q.Filters = cal.Mode, []HiddenBy{}, []HiddenBy{}
	if s.Tuning.Book == nil {
		return q, nil
	}
	all, err := s.Exceptions(ctx)
	if err != nil {
		return q, err
	}
	for _, x := range all {
		if x.State == tuning.Active || x.State == tuning.Wanted || x.Hidden > 0 {
			q.Exceptions = append(q.Exceptions, HiddenBy{x.ID, "", x.Detector, x.State, x.Until, x.Due, x.Expiring, x.Hidden, x.Last})
		}
	}
	counts, err := s.Tuning.Book.Counts(ctx)
	for _, f := range s.Tuning.Filters() {
		state := tuning.Active
		if f.Expired {
			state = tuning.Expired
		}
		n := counts[tuning.FilterPrefix+f.ID]
		q.Filters = append(q.Filters, HiddenBy{ID: f.ID, Title: f.Title, State: state, Until: f.Until, Hidden: n.N, Last: n.Last})
	}
	return q, err
}

func (a *API) qualityRoutes() []route {
	return []route{{method: "GET", path: "/api/v1/quality", id: "quality", may: identity.SeeOverview, status: 200, answer: Quality{},
		about: "How well the watch works: precision, recall on planted violations, alerts per day, delays, repeats, and what exceptions and filters hide.",
		params: []param{{"days", "The last days that are summed, 1 to 90; 30 otherwise.", nil},
			{"from", "First day (2026-12-31) of a period, with to: the figures of the cases of these days.", nil},
			{"to", "Last day of the period, at most 366 days after from.", nil}}, serve: (*call).quality}}
}

func (c *call) quality() error {
	days, err := c.number("days", 30, 90)
	if err != nil {
		return err
	}
	if v := c.r.URL.Query(); v.Has("from") || v.Has("to") {
		q, err := c.QualityBetween(c.r.Context(), v.Get("from"), v.Get("to"))
		if err != nil {
			return err
		}
		return c.answer(http.StatusOK, q)
	}
	q, err := c.QualityOf(c.r.Context(), days, c.Now().UnixMilli())
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, q)
}
