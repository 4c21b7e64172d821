package bench

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Ask measures the two questions everybody has. "Who looked at this patient":
// POST /api/v1/accesses for patients drawn at random, over all time; the
// first question, which also opens what is then kept open, is counted too.
// "Top users of a day": SQL over POST /api/v1/query, each day asked once.
func Ask(ctx context.Context, s *Server, l *Load, times int) ([]Line, error) {
	dice := rand.New(rand.NewPCG(4, 2))
	var took Spread
	var rows int64
	for range times {
		answer, d, err := s.ask(ctx, "POST", "/api/v1/accesses?lang=en", map[string]string{"patient": l.Patients[dice.IntN(len(l.Patients))]})
		if err != nil {
			return nil, err
		}
		took = append(took, d)
		rows += int64(bytes.Count(answer, []byte("\n")))
		time.Sleep(25 * time.Millisecond) // the API bounds what one token may ask
	}
	who := Line{
		What: "who looked at this patient, any time, p99", Goal: "< 100 ms", Measured: milli(took.Quantile(.99)), Met: judge(took.Quantile(.99) < 100*time.Millisecond),
		How: fmt.Sprintf("%d random patients over %s events, %d accesses each on average; p50 %s, slowest %s", times, count(l.Events), rows/int64(times), milli(took.Quantile(.5)), milli(took.Quantile(1))),
	}
	top, err := askTop(ctx, s)
	return []Line{who, top}, err
}

func askTop(ctx context.Context, s *Server) (Line, error) {
	var took Spread
	for day := range 20 {
		from := time.Date(2026, 3, 3+day, 0, 0, 0, 0, time.FixedZone("", 8*3600))
		sql := fmt.Sprintf("SELECT person, count(*) AS n FROM events WHERE time >= TIMESTAMP '%s' AND time < TIMESTAMP '%s' AND person IS NOT NULL GROUP BY person ORDER BY n DESC LIMIT 20",
			from.UTC().Format(time.DateTime), from.AddDate(0, 0, 1).UTC().Format(time.DateTime))
		answer, d, err := s.ask(ctx, "POST", "/api/v1/query", map[string]string{"sql": sql, "format": "csv"})
		if err != nil {
			return Line{}, err
		}
		if n := bytes.Count(answer, []byte("\n")); n < 10 {
			return Line{}, fmt.Errorf("top users of %s: only %d rows", from.Format(time.DateOnly), n)
		}
		took = append(took, d)
		time.Sleep(50 * time.Millisecond)
	}
	return Line{
		What: "top users over a day, slowest", Goal: "< 1 s", Measured: milli(took.Quantile(1)), Met: judge(took.Quantile(1) < time.Second),
		How: fmt.Sprintf("SQL over the API, %d different days, p50 %s", len(took), milli(took.Quantile(.5))),
	}, nil
}
