package incident

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/cordon-health/cordon/evidence"
)

// Quality is how well the watch works, in figures over a number of days. All
// of it is summed by the database from small tables.
type Quality struct {
	Days int `json:"days"`
	// From and To are the first and the last day; Chosen says that they were
	// asked for, and that figures are those of cases of these days whenever
	// they were opened.
	From    string  `json:"from"`
	To      string  `json:"to"`
	Chosen  bool    `json:"chosen,omitempty"`
	Outside Outside `json:"outside"`
	At      int64   `json:"at"`
	Budget  int     `json:"budget"`
	// Precision is confirmed of decided cases over 7, 30 and 90 days.
	Precision []Window `json:"precision"`
	// Detectors are sorted by id: precision of the cases in which they took
	// part, and what they found in Days.
	Detectors []DetectorQuality `json:"detectors"`
	// Daily is the last days, the oldest first, none left out.
	Daily []DayFigures `json:"daily"`
	// Waiting is how many cases wait beyond the budget now.
	Waiting int `json:"waiting"`
	// EventToCase is how long after its newest event a case stood that had a
	// place in the budget; cases of events that came more than a day late
	// (history) are counted in Late.
	EventToCase Spread `json:"event_to_case"`
	Late        int    `json:"late"`
	// CaseToAsk is until the person was asked, CaseToAct until somebody
	// dealt with it.
	CaseToAsk Spread `json:"case_to_ask"`
	CaseToAct Spread `json:"case_to_act"`
	// Planted is recall on planted violations, by kind and in all.
	Planted    []PlantedFigures `json:"planted"`
	PlantedAll Share            `json:"planted_all"`
	// Repeats are people found at fault who did it again within 90 days, of
	// those asked within a day of the event and of the others, over two years.
	RepeatAsked   Share `json:"repeat_asked"`
	RepeatUnasked Share `json:"repeat_unasked"`
}

// Share is a count of a whole with its 95 % interval (Wilson).
type Share struct {
	Count int `json:"count"`
	Of    int `json:"of"`
	// Value, Low and High are 0 to 100; all 0 when Of is 0.
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Window is a share over some days.
type Window struct {
	Days int `json:"days"`
	Share
}

// DetectorQuality is the figures of one detector.
type DetectorQuality struct {
	Detector  string   `json:"detector"`
	Precision []Window `json:"precision"`
	Findings  int      `json:"findings"`
	Cases     int      `json:"cases"` // decided in the longest window
}

// DayFigures is one day of the site.
type DayFigures struct {
	Day string `json:"day"`
	// Opened cases had a place in the budget, Waiting ones still have none.
	Opened   int            `json:"opened"`
	Waiting  int            `json:"waiting"`
	Findings int            `json:"findings"`
	By       map[string]int `json:"by,omitempty"` // findings by detector
}

// Spread is a distribution in minutes.
type Spread struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// PlantedFigures is recall on one kind of planted violation.
type PlantedFigures struct {
	Kind string `json:"kind"`
	Share
	// Expected counts those found by the very detector that was tested.
	Expected int    `json:"expected"`
	Waiting  int    `json:"waiting"`
	Minutes  Spread `json:"minutes"`
}

// Windows are the spans over which precision is shown, in days.
func Windows() []int { return []int{7, 30, 90} }

// ShareOf makes a share with its interval.
func ShareOf(count, of int) Share {
	s := Share{Count: count, Of: of}
	if of == 0 {
		return s
	}
	const z = 1.959964
	n, p := float64(of), float64(count)/float64(of)
	middle := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	s.Value, s.Low, s.High = round(100*p), round(100*max(0, middle-half)), round(100*min(1, middle+half))
	return s
}

// Quality computes the figures of the last days (1 to 90) before a moment in
// ms.
func (d *Desk) Quality(ctx context.Context, days int, at int64) (Quality, error) {
	days = max(1, min(days, 90))
	q := Quality{Days: days, At: at, Budget: d.cfg.Budget, To: d.day(at),
		From: time.UnixMilli(at).In(d.now().Location()).AddDate(0, 0, 1-days).Format(time.DateOnly)}
	return q, d.figures(ctx, &q)
}

func (d *Desk) figures(ctx context.Context, q *Quality) error {
	err := d.db.View(ctx, func(tx *sql.Tx) error {
		for _, f := range []func(*sql.Tx, *Quality) error{
			d.precision, d.detectorPrecision, d.daily, d.chosen, d.delays, d.recall, repeats, d.outside,
		} {
			if err := f(tx, q); err != nil {
				return err
			}
		}
		return tx.QueryRow(`SELECT count(*) FROM incident_cases WHERE status = $1 AND day >= ''`, StatusWaiting).Scan(&q.Waiting)
	})
	if err != nil {
		*q = Quality{}
		return fmt.Errorf("quality: %w", err)
	}
	return nil
}

func (d *Desk) precision(tx *sql.Tx, q *Quality) error {
	for _, days := range Windows() {
		var confirmed, decided int
		err := tx.QueryRow(`SELECT coalesce(sum(CASE WHEN verdict = 'confirmed' THEN 1 ELSE 0 END), 0), count(*) FROM incident_cases
			WHERE verdict IN ('confirmed', 'justified', 'false-alarm') AND planted = 0 AND closed >= $1`,
			q.At-int64(days)*dayMS).Scan(&confirmed, &decided)
		if err != nil {
			return err
		}
		q.Precision = append(q.Precision, Window{days, ShareOf(confirmed, decided)})
	}
	return nil
}

func (d *Desk) detectorPrecision(tx *sql.Tx, q *Quality) error {
	by := map[string]*DetectorQuality{}
	of := func(id string) *DetectorQuality {
		if by[id] == nil {
			by[id] = &DetectorQuality{Detector: id}
		}
		return by[id]
	}
	for _, days := range Windows() {
		err := each(tx, func(id string, confirmed, decided int) {
			x := of(id)
			x.Precision, x.Cases = append(x.Precision, Window{days, ShareOf(confirmed, decided)}), decided
		}, `SELECT detector, sum(confirmed), count(*) FROM incident_verdicts WHERE weight = 1 AND at >= $1 GROUP BY detector`, q.At-int64(days)*dayMS)
		if err != nil {
			return err
		}
	}
	err := each(tx, func(id string, n, _ int) { of(id).Findings = n },
		`SELECT detector, sum(findings), 0 FROM incident_daily WHERE day >= $1 AND day <= $2 GROUP BY detector`, q.From, q.To)
	for _, x := range by {
		for i, days := range Windows() { // a window without decisions is there, too
			if i >= len(x.Precision) || x.Precision[i].Days != days {
				x.Precision = slices.Insert(x.Precision, i, Window{Days: days})
			}
		}
		q.Detectors = append(q.Detectors, *x)
	}
	slices.SortFunc(q.Detectors, func(a, b DetectorQuality) int { return cmp.Compare(a.Detector, b.Detector) })
	return err
}

// each visits rows of a name and two numbers.
func each(tx *sql.Tx, visit func(name string, a, b int), query string, args ...any) error {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var a, b int
		if err := rows.Scan(&name, &a, &b); err != nil {
			return err
		}
		visit(name, a, b)
	}
	return rows.Err()
}

func (d *Desk) daily(tx *sql.Tx, q *Quality) error {
	place := map[string]int{}
	last, err := time.Parse(time.DateOnly, q.To)
	if err != nil {
		return err
	}
	for i := q.Days - 1; i >= 0; i-- {
		day := last.AddDate(0, 0, -i).Format(time.DateOnly)
		place[day] = len(q.Daily)
		q.Daily = append(q.Daily, DayFigures{Day: day, By: map[string]int{}})
	}
	err = each(tx, func(day string, opened, waiting int) {
		if i, ok := place[day]; ok {
			q.Daily[i].Opened, q.Daily[i].Waiting = opened, waiting
		}
	}, `SELECT day, sum(CASE WHEN status <> 'waiting' AND verdict <> 'withdrawn' THEN 1 ELSE 0 END), sum(CASE WHEN status = 'waiting' THEN 1 ELSE 0 END)
		FROM incident_cases WHERE day >= $1 AND day <= $2 AND planted = 0 GROUP BY day`, q.From, q.To)
	if err != nil {
		return err
	}
	rows, err := tx.Query(`SELECT day, detector, findings FROM incident_daily WHERE day >= $1 AND day <= $2`, q.From, q.To)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var day, detector string
		var n int
		if err := rows.Scan(&day, &detector, &n); err != nil {
			return err
		}
		if i, ok := place[day]; ok {
			q.Daily[i].Findings += n
			q.Daily[i].By[detector] += n
		}
	}
	return rows.Err()
}

func (d *Desk) delays(tx *sql.Tx, q *Quality) error {
	since := q.At - int64(q.Days)*dayMS
	late := fmt.Sprintf("late <= %d", dayMS)
	if q.Chosen {
		return d.delaysBetween(tx, q, late)
	}
	var errs [4]error
	q.EventToCase, errs[0] = spread(tx, "late", late, since)
	q.CaseToAsk, errs[1] = spread(tx, "asked - shown", "asked >= shown", since)
	q.CaseToAct, errs[2] = spread(tx, "acted - shown", "acted >= shown", since)
	errs[3] = tx.QueryRow(`SELECT count(*) FROM incident_cases WHERE planted = 0 AND shown >= $1 AND shown > 0 AND late > $2`, since, dayMS).Scan(&q.Late)
	return errors.Join(errs[:]...)
}

// spread finds quantiles of a column over the cases opened since a time.
func spread(tx *sql.Tx, column, where string, since int64) (Spread, error) {
	return spreadWhere(tx, column, where+` AND shown >= $1`, since)
}

func spreadWhere(tx *sql.Tx, column, where string, args ...any) (Spread, error) {
	var s Spread
	from := ` FROM incident_cases WHERE planted = 0 AND shown > 0 AND ` + where
	if err := tx.QueryRow(`SELECT count(*)`+from, args...).Scan(&s.N); err != nil || s.N == 0 {
		return s, err
	}
	for share, to := range map[float64]*float64{.5: &s.P50, .99: &s.P99} {
		var ms int64
		place := max(0, int(math.Ceil(share*float64(s.N)))-1)
		if err := tx.QueryRow(`SELECT `+column+from+` ORDER BY `+column+` LIMIT 1 OFFSET `+strconv.Itoa(place), args...).Scan(&ms); err != nil {
			return s, err
		}
		*to = round(float64(ms) / 60_000)
	}
	return s, nil
}

// recall reads the planted violations of the last 90 days; they are few.
func (d *Desk) recall(tx *sql.Tx, q *Quality) error {
	recs, err := d.book.Select(tx, evidence.Filter{Kind: KindPlanted, Since: q.At - 90*dayMS})
	if err != nil {
		return err
	}
	plants, err := decodeAll[Plant](recs)
	if err != nil {
		return err
	}
	minutes := map[string][]float64{}
	by := map[string]*PlantedFigures{}
	found, of := 0, 0
	for _, p := range plants {
		f := by[p.Kind]
		if f == nil {
			f = &PlantedFigures{Kind: p.Kind}
			by[p.Kind] = f
		}
		switch p.State(q.At) {
		case "waiting":
			f.Waiting++
			continue
		case "found":
			f.Count, found = f.Count+1, found+1
			f.Expected += truth(p.Expected())
			minutes[p.Kind] = append(minutes[p.Kind], float64(p.Found-p.At)/60_000)
		}
		f.Of, of = f.Of+1, of+1
	}
	for kind, f := range by {
		f.Share, f.Minutes = ShareOf(f.Count, f.Of), spreadOf(minutes[kind])
		q.Planted = append(q.Planted, *f)
	}
	slices.SortFunc(q.Planted, func(a, b PlantedFigures) int { return cmp.Compare(a.Kind, b.Kind) })
	q.PlantedAll = ShareOf(found, of)
	return nil
}

func spreadOf(list []float64) Spread {
	s := Spread{N: len(list)}
	if s.N == 0 {
		return s
	}
	slices.Sort(list)
	at := func(share float64) float64 { return round(list[max(0, int(math.Ceil(share*float64(s.N)))-1)]) }
	s.P50, s.P99 = at(.5), at(.99)
	return s
}

// repeats compares people found at fault for the first time: asked within a
// day of the event, or not.
func repeats(tx *sql.Tx, q *Quality) error {
	rows, err := tx.Query(`SELECT CASE WHEN f.asked > 0 AND f.asked - f.last <= 86400000 THEN 1 ELSE 0 END,
		CASE WHEN EXISTS (SELECT 1 FROM incident_cases g WHERE g.subject = f.subject AND g.id <> f.id AND g.planted = 0 AND g.shown > 0
			AND g.verdict NOT IN ('justified', 'false-alarm', 'withdrawn') AND g.first > f.last AND g.first <= f.last + $2) THEN 1 ELSE 0 END
		FROM incident_cases f WHERE f.verdict = 'confirmed' AND f.closed >= $1 AND f.planted = 0
		AND NOT EXISTS (SELECT 1 FROM incident_cases e WHERE e.subject = f.subject AND e.verdict = 'confirmed' AND e.last < f.last)`,
		q.At-730*dayMS, 90*dayMS)
	if err != nil {
		return err
	}
	defer rows.Close()
	var count, of [2]int
	for rows.Next() {
		var asked, again int
		if err := rows.Scan(&asked, &again); err != nil {
			return err
		}
		of[asked]++
		count[asked] += again
	}
	q.RepeatAsked, q.RepeatUnasked = ShareOf(count[1], of[1]), ShareOf(count[0], of[0])
	return rows.Err()
}

// FoundSince counts the findings of each detector and rule over the last days,
// of all days that the figures go back to, planted ones left out.
func (d *Desk) FoundSince(ctx context.Context, days int) (map[string]int, error) {
	out := map[string]int{}
	err := d.db.View(ctx, func(tx *sql.Tx) error {
		return each(tx, func(id string, n, _ int) { out[id] = n },
			`SELECT detector, sum(findings), 0 FROM incident_daily WHERE day >= $1 GROUP BY detector`, d.day(d.now().UnixMilli()-int64(days-1)*dayMS))
	})
	if err != nil {
		return nil, fmt.Errorf("count findings: %w", err)
	}
	return out, nil
}
