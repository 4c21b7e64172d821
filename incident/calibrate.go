package incident

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"time"

	"github.com/cordon-health/cordon/evidence"
)

// The modes of calibration.
const (
	CalibrationOn     = "on"     // factors follow verdicts
	CalibrationFrozen = "frozen" // factors stay as they are
	CalibrationOff    = "off"    // detectors' own risks count
)

// KindCalibration is the record of the factors in force; every version says
// what moved, and after which verdicts.
const KindCalibration = "calibration"

const calibrationID = "site"

// The numbers of calibration. A factor multiplies the odds that what a
// detector says is real.
const (
	prior      = 12.0 // verdicts that the built-in risk is worth
	surest     = 0.75 // what a risk may promise at most: near certainty two verdicts would count for too much
	leastWhere = 5    // verdicts of a department before it has a factor of its own
	lowest     = 0.33 // a detector never vanishes
	highest    = 2.0
	steadyLow  = 0.8                  // floor of detectors that fire even when the access is explained
	halfLife   = 180                  // days after which a verdict counts half
	oldest     = 540                  // days after which it counts no more
	answered   = 0.25                 // an answer of the person or the manager, against a verdict
	dayMS      = int64(24 * 3600_000) // one day
)

// Calibration is what the hospital's own verdicts made of detectors' risks.
type Calibration struct {
	Mode string `json:"mode"`
	// At is when it was computed, in ms; By and Why who switched it and why,
	// "cordon" when it followed verdicts.
	At  int64  `json:"at"`
	By  string `json:"by"`
	Why string `json:"why,omitempty"`
	// Entries are sorted by detector and department; department "" is all.
	Entries []Factor `json:"entries"`
	// Moved says what changed against the version before, Cases which cases
	// were decided, answered or opened again in between.
	Moved []Moved  `json:"moved,omitempty"`
	Cases []string `json:"cases,omitempty"`

	version int
	of      map[[2]string]*Factor // by detector and department
}

// Factor is how a detector's risks count here.
type Factor struct {
	Detector   string `json:"detector"`
	Department string `json:"department,omitempty"`
	// Factor multiplies the odds; 1 changes nothing.
	Factor float64 `json:"factor"`
	// Expected is the share of real cases that the built-in risks promised,
	// Seen the share after the verdicts, shrunk towards it; 0 to 100.
	Expected float64 `json:"expected"`
	Seen     float64 `json:"seen"`
	// Confirmed of Decided cases, as people decided them; Weight is what all
	// verdicts and answers are worth by now.
	Confirmed int     `json:"confirmed"`
	Decided   int     `json:"decided"`
	Weight    float64 `json:"weight"`
}

// Moved is one factor's change.
type Moved struct {
	Detector   string  `json:"detector"`
	Department string  `json:"department,omitempty"`
	From       float64 `json:"from"`
	To         float64 `json:"to"`
}

// Version is the number of its record, 0 before the first.
func (c *Calibration) Version() int { return c.version }

// For finds a detector's factor: the department's own where there is one.
func (c *Calibration) For(detector, department string) (Factor, bool) {
	if c == nil || c.Mode == CalibrationOff {
		return Factor{}, false
	}
	for _, where := range []string{department, ""} {
		if f := c.of[[2]string{detector, where}]; f != nil {
			return *f, true
		}
	}
	return Factor{}, false
}

// apply calibrates a part. The odds are multiplied, so that the order of a
// detector's own findings stays and no risk reaches 0 or 100.
func (c *Calibration) apply(p Part, department string) Part {
	p.Local, p.Factor, p.Confirmed, p.Decided = p.Risk, 0, 0, 0
	f, ok := c.For(p.Analytic, department)
	if !ok {
		return p
	}
	factor := f.Factor
	if p.Steady {
		factor = max(factor, steadyLow)
	}
	p.Local = round(scale(p.Risk, factor))
	p.Factor, p.Confirmed, p.Decided = factor, f.Confirmed, f.Decided
	return p
}

func scale(risk, factor float64) float64 {
	r := clamp(risk) / 100
	return 100 * r * factor / (1 - r + r*factor)
}

func (c *Calibration) index() {
	c.of = make(map[[2]string]*Factor, len(c.Entries))
	for i := range c.Entries {
		c.of[[2]string{c.Entries[i].Detector, c.Entries[i].Department}] = &c.Entries[i]
	}
}

// calibration reads the factors in force inside a transaction.
func (d *Desk) calibration(tx *sql.Tx) (*Calibration, error) {
	rec, err := d.book.Latest(tx, KindCalibration, calibrationID)
	if errors.Is(err, fs.ErrNotExist) {
		return &Calibration{Mode: cmp.Or(d.cfg.Calibration, CalibrationOn), By: "cordon"}, nil
	}
	if err != nil {
		return nil, err
	}
	if old := d.factors.Load(); old != nil && old.version == rec.Version {
		return old, nil
	}
	c, err := decodeCalibration(rec)
	if err == nil {
		d.factors.Store(c)
	}
	return c, err
}

func decodeCalibration(rec evidence.Record) (*Calibration, error) {
	c, err := decode[Calibration](rec)
	c.version = rec.Version
	c.index()
	return &c, err
}

// Calibration is what is in force.
func (d *Desk) Calibration(ctx context.Context) (c *Calibration, err error) {
	err = d.db.View(ctx, func(tx *sql.Tx) error {
		c, err = d.calibration(tx)
		return err
	})
	return c, err
}

// Calibrations lists the newest versions, the newest first.
func (d *Desk) Calibrations(ctx context.Context, most int) ([]*Calibration, error) {
	recs, err := d.book.Recent(ctx, KindCalibration, calibrationID, most)
	if err != nil {
		return nil, fmt.Errorf("list calibrations: %w", err)
	}
	var out []*Calibration
	for _, rec := range recs {
		c, err := decodeCalibration(rec)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// SetCalibration switches it on, freezes it or switches it off. With a version
// above 0, that version's factors are taken back and frozen: the undo.
func (d *Desk) SetCalibration(ctx context.Context, mode string, version int, by, why string) error {
	if version <= 0 && !slices.Contains([]string{CalibrationOn, CalibrationFrozen, CalibrationOff}, mode) {
		return fmt.Errorf("calibration mode %q; use on, frozen or off", mode)
	}
	var back *Calibration
	if version > 0 {
		rec, err := d.book.Version(ctx, KindCalibration, calibrationID, version)
		if err != nil {
			return err
		}
		if back, err = decodeCalibration(rec); err != nil {
			return err
		}
		mode = CalibrationFrozen
	}
	return d.db.Update(ctx, func(tx *sql.Tx) error {
		old, err := d.calibration(tx)
		if err != nil {
			return err
		}
		next := &Calibration{Mode: mode, At: d.now().UnixMilli(), By: by, Why: why, Entries: old.Entries}
		if back != nil {
			next.Entries = back.Entries
		}
		if mode == CalibrationOn {
			if next.Cases, err = takeDecided(tx); err != nil {
				return err
			}
			if next.Entries, err = d.compute(tx, next.At); err != nil {
				return err
			}
		}
		next.Moved = moved(old, next)
		return d.putCalibration(tx, next)
	})
}

// decided remembers, in the transaction of a verdict or an answer, that the
// factors have to be computed anew.
func decided(tx *sql.Tx, id string) error {
	if _, err := tx.Exec(`INSERT INTO incident_decided (incident) VALUES ($1) ON CONFLICT (incident) DO NOTHING`, id); err != nil {
		return fmt.Errorf("note verdict: %w", err)
	}
	return nil
}

// takeDecided is what was decided since the factors were computed last.
func takeDecided(tx *sql.Tx) ([]string, error) {
	list, err := pending(tx)
	if err == nil && len(list) > 0 {
		_, err = tx.Exec(`DELETE FROM incident_decided`)
	}
	return list, err
}

func pending(tx *sql.Tx) (list []string, err error) {
	rows, err := tx.Query(`SELECT incident FROM incident_decided ORDER BY incident`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		list = append(list, id)
	}
	return list, rows.Err()
}

// learn computes the factors anew. Nothing is recorded where nothing changed.
func (d *Desk) learn(tx *sql.Tx, old *Calibration) error {
	cases, err := takeDecided(tx)
	if err != nil {
		return err
	}
	next := &Calibration{Mode: old.Mode, At: d.now().UnixMilli(), By: "cordon", Cases: cases}
	if next.Entries, err = d.compute(tx, next.At); err != nil {
		return err
	}
	if slices.Equal(old.Entries, next.Entries) {
		return nil
	}
	next.Moved = moved(old, next)
	return d.putCalibration(tx, next)
}

// Relearn computes the factors anew from all verdicts, as they are worth now;
// the node calls it once a day.
func (d *Desk) Relearn(ctx context.Context) error {
	return d.relearn(ctx, func(*sql.Tx, *Calibration) (bool, error) { return true, nil })
}

// learnEvery is how often a new version of the factors is recorded at most: it
// holds the whole table, and verdicts come in rows when somebody works through
// a list.
const learnEvery = time.Minute

// Learn does the same where something was decided since, at most once a
// minute; the node calls it every few seconds. No verdict is lost in between:
// the next version names all cases since the one before.
func (d *Desk) Learn(ctx context.Context) error {
	return d.relearn(ctx, func(tx *sql.Tx, c *Calibration) (bool, error) {
		if age := d.now().UnixMilli() - c.At; c.At > 0 && age >= 0 && age < learnEvery.Milliseconds() {
			return false, nil
		}
		var n int
		err := tx.QueryRow(`SELECT count(*) FROM incident_decided`).Scan(&n)
		return n > 0, err
	})
}

func (d *Desk) relearn(ctx context.Context, due func(*sql.Tx, *Calibration) (bool, error)) error {
	try := func(tx *sql.Tx, then func(*sql.Tx, *Calibration) error) error {
		c, err := d.calibration(tx)
		if err != nil || c.Mode != CalibrationOn {
			return err
		}
		if yes, err := due(tx, c); err != nil || !yes {
			return err
		}
		return then(tx, c)
	}
	wanted := false
	err := d.db.View(ctx, func(tx *sql.Tx) error {
		return try(tx, func(*sql.Tx, *Calibration) error { wanted = true; return nil })
	})
	if err == nil && wanted {
		err = d.db.Update(ctx, func(tx *sql.Tx) error { return try(tx, d.learn) })
	}
	if err != nil {
		return fmt.Errorf("calibrate: %w", err)
	}
	return nil
}

func (d *Desk) putCalibration(tx *sql.Tx, c *Calibration) error {
	_, err := d.book.Put(tx, evidence.Record{
		Kind: KindCalibration, ID: calibrationID, Time: c.At, Status: c.Mode, Ref: c.By, Body: encode(*c),
	})
	return err
}

func moved(old, next *Calibration) []Moved {
	var out []Moved
	was := func(c *Calibration, e Factor) float64 {
		for _, x := range c.Entries {
			if x.Detector == e.Detector && x.Department == e.Department {
				return x.Factor
			}
		}
		return 1
	}
	for _, e := range next.Entries {
		if from := was(old, e); from != e.Factor {
			out = append(out, Moved{e.Detector, e.Department, from, e.Factor})
		}
	}
	for _, e := range old.Entries {
		gone := !slices.ContainsFunc(next.Entries, func(x Factor) bool { return x.Detector == e.Detector && x.Department == e.Department })
		if gone && e.Factor != 1 {
			out = append(out, Moved{e.Detector, e.Department, e.Factor, 1})
		}
	}
	return out
}

// tally is what verdicts say about one detector, in all or in a department.
type tally struct {
	weight, real, expected float64
	confirmed, decided     int
	steady                 bool
}

func (t *tally) add(o tally) {
	t.weight, t.real, t.expected = t.weight+o.weight, t.real+o.real, t.expected+o.expected
	t.confirmed, t.decided = t.confirmed+o.confirmed, t.decided+o.decided
	t.steady = t.steady || o.steady
}

// mean is the share of real cases that was expected.
func (t tally) mean() float64 { return max(.05, min(t.expected/t.weight, surest)) }

// seen is the share after the verdicts, shrunk towards what was expected.
func (t tally) seen(expected float64) float64 { return (prior*expected + t.real) / (prior + t.weight) }

// compute makes the factors from the verdicts, as they are worth at a time.
func (d *Desk) compute(tx *sql.Tx, at int64) ([]Factor, error) {
	all, err := tallies(tx, at)
	if err != nil {
		return nil, err
	}
	whole := map[string]tally{}
	keys := make([][2]string, 0, len(all))
	for k := range all {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	for _, k := range keys { // in order: sums of fractions depend on it
		t := whole[k[0]]
		t.add(all[k])
		whole[k[0]] = t
	}
	var out []Factor
	last := ""
	for _, k := range keys {
		base := factorOf(k[0], "", whole[k[0]], 1)
		if k[0] != last {
			out, last = append(out, base), k[0]
		}
		if t := all[k]; k[1] != "" && t.decided >= leastWhere {
			out = append(out, factorOf(k[0], k[1], t, base.Factor))
		}
	}
	return out, nil
}

// factorOf weighs verdicts against what was expected; base is the factor that
// the detector has everywhere, towards which a department is shrunk.
func factorOf(detector, department string, t tally, base float64) Factor {
	expected := scale(100*t.mean(), base) / 100
	seen := t.seen(expected)
	f := base * (seen / (1 - seen)) / (expected / (1 - expected))
	low := lowest
	if t.steady {
		low = steadyLow
	}
	return Factor{
		Detector: detector, Department: department, Factor: round(max(low, min(f, highest))),
		Expected: round(100 * expected), Seen: round(100 * seen), Confirmed: t.confirmed, Decided: t.decided, Weight: round(t.weight),
	}
}

// tallies sums the verdicts by detector and department; the database sums
// days, so that the rows read do not grow with the number of cases.
func tallies(tx *sql.Tx, at int64) (map[[2]string]tally, error) {
	today := at / dayMS
	rows, err := tx.Query(`SELECT detector, department, at / 86400000 AS day, sum(weight * share), sum(weight * share * confirmed),
		sum(weight * share * expected), sum(CASE WHEN weight = 1 THEN confirmed ELSE 0 END), sum(CASE WHEN weight = 1 THEN 1 ELSE 0 END), max(steady)
		FROM incident_verdicts WHERE at >= $1 GROUP BY detector, department, at / 86400000 ORDER BY detector, department, day`, (today-oldest)*dayMS)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[[2]string]tally{}
	for rows.Next() {
		var k [2]string
		var day, steady int64
		var t tally
		if err := rows.Scan(&k[0], &k[1], &day, &t.weight, &t.real, &t.expected, &t.confirmed, &t.decided, &steady); err != nil {
			return nil, err
		}
		age := math.Pow(0.5, float64(max(0, today-day))/halfLife)
		t.weight, t.real, t.expected, t.steady = t.weight*age, t.real*age, t.expected*age, steady > 0
		sum := out[k]
		sum.add(t)
		out[k] = sum
	}
	return out, rows.Err()
}

// Rerank weighs the cases that are not closed with the factors in force; those
// that wait may take the places of untouched ones that matter less now. It
// works in slices, so that findings are stored meanwhile.
func (d *Desk) Rerank(ctx context.Context) ([]Change, error) {
	var changes []Change
	days := map[string]bool{}
	since := d.now().Add(-d.cfg.Window).UnixMilli()
	for _, status := range []string{StatusNew, StatusAssigned, StatusWaiting} {
		list, err := d.book.List(ctx, evidence.Filter{Kind: KindCase, Status: status, Since: since, Order: "row"})
		if err != nil {
			return nil, fmt.Errorf("rerank: %w", err)
		}
		for part := range slices.Chunk(list, 200) {
			err := d.db.Update(ctx, func(tx *sql.Tx) error { return d.rerank(tx, part, days) })
			if err != nil {
				return nil, fmt.Errorf("rerank: %w", err)
			}
		}
	}
	for _, day := range slices.Sorted(keysOf(days)) {
		more, err := d.compete(ctx, day)
		if err != nil {
			return changes, fmt.Errorf("rerank: %w", err)
		}
		changes = append(changes, more...)
	}
	return changes, nil
}

func keysOf(m map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// rerank weighs cases anew from their parts; it notes the days it changed.
func (d *Desk) rerank(tx *sql.Tx, list []evidence.Record, days map[string]bool) error {
	cal, err := d.calibration(tx)
	if err != nil {
		return err
	}
	for _, rec := range list {
		now, err := d.book.Latest(tx, KindCase, rec.ID)
		if err != nil {
			return err
		}
		c, err := decode[Case](now)
		if err != nil {
			return err
		}
		s := combine(c.Parts, cal, c.Department)
		if c.Status == StatusClosed || s.risk == c.Risk && slices.Equal(s.parts, c.Parts) {
			continue
		}
		days[c.Day] = days[c.Day] || s.risk != c.Risk
		c.Risk, c.Raw, c.Parts = s.risk, s.raw, s.parts
		if err := d.putCase(tx, c); err != nil {
			return err
		}
	}
	return nil
}

// compete gives the riskiest waiting cases of a day a chance against the
// untouched open ones.
func (d *Desk) compete(ctx context.Context, day string) (changes []Change, err error) {
	err = d.db.Update(ctx, func(tx *sql.Tx) error {
		changes = nil
		waiting, err := d.book.Select(tx, evidence.Filter{Kind: KindCase, Ref: day, Status: StatusWaiting, Order: "score", Limit: d.cfg.Budget})
		if err != nil {
			return err
		}
		for _, rec := range waiting {
			c, err := decode[Case](rec)
			if err != nil {
				return err
			}
			more, err := d.place(tx, c)
			if err != nil || len(more) == 0 {
				return err // the riskiest found no place
			}
			changes = append(changes, more...)
		}
		return nil
	})
	return changes, err
}
