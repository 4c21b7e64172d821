package incident

import (
	"database/sql"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cordon-health/cordon/internal/pgtest"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store/postgres"
)

// TestPostgres: the same verdicts give the same figures and factors on both
// engines.
func TestPostgres(t *testing.T) {
	ctx := t.Context()
	db, err := postgres.Open(ctx, pgtest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	offices := []*office{newOffice(t, wide()), officeOn(t, wide(), db)}
	var figures []Quality
	var factors [][]Factor
	for _, o := range offices {
		o.decide("family", 7, 3)
		o.decide("vip", 5, 5)
		if err := o.desk.Planting(ctx, Plant{ID: "a", Kind: "canary", Expect: "canary", At: o.noon - 60_000, Events: []string{"planted"}}); err != nil {
			t.Fatal(err)
		}
		o.add(o.finding("c", ReservedPrefix+"a", 92, func(f *ocsf.Finding) { f.Events = []string{"planted"} }))
		figures = append(figures, must(o.desk.Quality(ctx, 30, o.noon)))
		factors = append(factors, must(o.desk.Calibration(ctx)).Entries)
		must(o.desk.Rerank(ctx))
	}
	if d := cmp.Diff(figures[0], figures[1]); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(factors[0], factors[1]); d != "" {
		t.Error(d)
	}
}

// TestFiguresAtScale measures the page of quality over 90 bad days with a
// thousand waiting cases each and 60 detectors.
func TestFiguresAtScale(t *testing.T) {
	if os.Getenv("CORDON_SCALE") == "" {
		t.Skip("set CORDON_SCALE to measure; it takes half a minute")
	}
	ctx := t.Context()
	o := newOffice(t, Default())
	err := o.db.Update(ctx, func(tx *sql.Tx) error {
		for day := range 90 {
			at := o.noon - int64(day)*dayMS
			for i := range 1033 {
				status, verdict, closed := StatusWaiting, "", int64(0)
				if i < 33 {
					status, verdict, closed = StatusClosed, string([]Verdict{Confirmed, FalseCase}[i%2]), at
				}
				id := fmt.Sprint(day, "-", i)
				if _, err := tx.Exec(`INSERT INTO incident_cases (id, subject, department, day, status, verdict, planted, first, last, began, late, shown, asked, acted, closed)
					VALUES ($1, $2, '', $3, $4, $5, 0, $6, $6, $6, $7, $8, 0, $8, $8)`, id, "S"+id, o.desk.day(at), status, verdict, at, i*100, closed); err != nil {
					return err
				}
				for k := range 3 {
					if verdict == "" {
						break
					}
					if _, err := tx.Exec(`INSERT INTO incident_verdicts (incident, detector, department, at, confirmed, weight, share, expected, steady)
						VALUES ($1, $2, $3, $4, $5, 1, 0.3, 0.7, 0)`, id, fmt.Sprint("d", (i+k)%60), fmt.Sprint("D", i%20), at, i%2); err != nil {
						return err
					}
				}
			}
			for k := range 60 {
				if _, err := tx.Exec(`INSERT INTO incident_daily (day, detector, findings) VALUES ($1, $2, 50000)`, o.desk.day(at), fmt.Sprint("d", k)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func() error{
		"quality": func() error { _, err := o.desk.Quality(ctx, 90, o.noon); return err },
		"parts": func() error {
			q := Quality{Days: 90, At: o.noon}
			return o.db.View(ctx, func(tx *sql.Tx) error {
				for i, f := range []func(*sql.Tx, *Quality) error{o.desk.precision, o.desk.detectorPrecision, o.desk.daily, o.desk.delays, o.desk.recall, repeats} {
					begun := time.Now()
					if err := f(tx, &q); err != nil {
						return err
					}
					t.Log(i, time.Since(begun))
				}
				return nil
			})
		},
		"learn": func() error { return o.desk.Relearn(ctx) },
	} {
		begun := time.Now()
		if err := f(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %s", name, time.Since(begun))
	}
}
