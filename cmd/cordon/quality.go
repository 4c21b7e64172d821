package main

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/incident"
)

type qualityCmd struct {
	target
	JSON bool   `help:"All figures as one JSON object." name:"json"`
	Days int    `help:"The last days that are summed, 1 to 90." default:"30"`
	From string `help:"First day of a period (2026-12-31), for history; with --to."`
	To   string `help:"Last day of the period."`
}

// Run prints how well the watch works.
func (c qualityCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		path := "/api/v1/quality?" + query("days", strconv.Itoa(c.Days))
		if c.From != "" || c.To != "" {
			path = "/api/v1/quality?" + query("from", c.From, "to", c.To)
		}
		if c.JSON {
			return s.pour(w.ctx, w.out, "GET", path, nil)
		}
		q, err := get[api.Quality](s, w.ctx, "GET", path, nil)
		if err != nil {
			return err
		}
		return printQuality(w.out, q)
	})
}

func printQuality(out io.Writer, q api.Quality) error {
	tab := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, p := range q.Precision {
		fmt.Fprintf(tab, "precision, %d days\t%s\n", p.Days, shareText(p.Share))
	}
	fmt.Fprintf(tab, "planted violations found, 90 days\t%s\n", shareText(q.PlantedAll))
	for _, p := range q.Planted {
		fmt.Fprintf(tab, "  %s\t%s\tmedian %.1f min\n", p.Kind, shareText(p.Share), p.Minutes.P50)
	}
	opened, waiting := 0, 0
	for _, d := range q.Daily {
		opened, waiting = opened+d.Opened, waiting+d.Waiting
	}
	fmt.Fprintf(tab, "cases opened, %d days\t%d\tbudget %d a day\n", q.Days, opened, q.Budget)
	fmt.Fprintf(tab, "cases waiting beyond the budget\t%d\n", q.Waiting)
	for _, x := range []struct {
		name string
		incident.Spread
	}{{"event to case", q.EventToCase}, {"case to question", q.CaseToAsk}, {"case to first action", q.CaseToAct}} {
		fmt.Fprintf(tab, "minutes from %s, p50 / p99\t%.1f / %.1f\t%d cases\n", x.name, x.P50, x.P99, x.N)
	}
	fmt.Fprintf(tab, "repeated after being asked\t%s\t(published: 2 %%)\n", shareText(q.RepeatAsked))
	fmt.Fprintf(tab, "repeated without\t%s\t(published: 40 %%)\n", shareText(q.RepeatUnasked))
	fmt.Fprintf(tab, "calibration\t%s\n", q.Calibration)
	fmt.Fprintln(tab, "\nDETECTOR\tPRECISION 90 DAYS\tFINDINGS")
	for _, d := range q.Detectors {
		fmt.Fprintf(tab, "%s\t%s\t%d\n", d.Detector, shareText(d.Precision[len(d.Precision)-1].Share), d.Findings)
	}
	for _, list := range [][]api.HiddenBy{q.Exceptions, q.Filters} {
		for _, h := range list {
			fmt.Fprintf(tab, "hidden by %s %s\t%d\n", h.Detector, h.ID, h.Hidden)
		}
	}
	if o := q.Outside; o.Cases > 0 {
		fmt.Fprintf(tab, "\n%d cases lie outside of %s to %s; look at them with: cordon quality --from %s --to %s\n", o.Cases, q.From, q.To, o.From, o.To)
	}
	return tab.Flush()
}

// shareText writes a share with its interval.
func shareText(s incident.Share) string {
	if s.Of == 0 {
		return "none yet"
	}
	return fmt.Sprintf("%.0f %% (%d of %d; %.0f-%.0f %%)", s.Value, s.Count, s.Of, s.Low, s.High)
}
