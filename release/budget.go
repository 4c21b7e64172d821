package release

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/cordon-health/cordon/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrSpent says that a budget does not allow a query any more.
var ErrSpent = errors.New("the privacy budget is spent")

// Cost is what a query takes: Epsilon (pure differential privacy) or Rho
// (zero-concentrated), exactly one of them.
type Cost struct {
	Epsilon, Rho *big.Rat
}

func (c Cost) check() error {
	if (c.Epsilon == nil) == (c.Rho == nil) {
		return errors.New("a cost is either epsilon or rho")
	}
	if c.Epsilon != nil {
		return checkScale(c.Epsilon, "epsilon")
	}
	return checkScale(c.Rho, "rho")
}

// rho is the cost in zero-concentrated terms: epsilon is worth epsilon²/2.
func (c Cost) rho() *big.Rat {
	if c.Rho != nil {
		return c.Rho
	}
	r := new(big.Rat).Mul(c.Epsilon, c.Epsilon)
	return r.Quo(r, big.NewRat(2, 1))
}

// Budget is what may be spent of a data set. Where Epsilon is set, costs add up
// as they are, and only costs in epsilon are allowed (basic composition). Where
// Rho is set, costs of both kinds add up in rho, which for many queries allows
// more (zCDP composition). Each recipient has PerRecipient of it at most, when
// that is set: recipients may tell each other, so the whole counts too.
type Budget struct {
	Total        Cost
	PerRecipient Cost
}

func (b Budget) check() error {
	if err := b.Total.check(); err != nil {
		return fmt.Errorf("budget: %w", err)
	}
	if b.PerRecipient == (Cost{}) {
		return nil
	}
	if err := b.PerRecipient.check(); err != nil {
		return fmt.Errorf("budget of a recipient: %w", err)
	}
	if (b.PerRecipient.Epsilon == nil) != (b.Total.Epsilon == nil) {
		return errors.New("the budgets of a data set and of a recipient are of the same kind")
	}
	return nil
}

// Spending is a query that was allowed.
type Spending struct {
	// ID names the query; the same query asked again is not charged again, so
	// its answer must be kept and given again.
	ID                 string
	Dataset, Recipient string
	What               string
	Cost               Cost
	At                 int64 // ms
}

// Ledger keeps what was spent, in the store. All methods may be called
// concurrently, by several processes too: two that together exceed a budget are
// not both allowed.
type Ledger struct {
	db  *store.DB
	now func() time.Time
}

// OpenLedger brings its table up to date.
func OpenLedger(ctx context.Context, db *store.DB, now func() time.Time) (*Ledger, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, "release", files); err != nil {
		return nil, err
	}
	return &Ledger{db, now}, nil
}

// Spend takes the cost of a query from the budget before it is answered, or
// returns [ErrSpent]. What was taken is not given back: a query that failed
// afterwards may have told something. again says that the query was paid
// before.
func (l *Ledger) Spend(ctx context.Context, s Spending, b Budget) (again bool, err error) {
	if err := b.check(); err != nil {
		return false, err
	}
	if err := s.Cost.check(); err != nil {
		return false, err
	}
	if s.ID == "" || s.Dataset == "" || s.Recipient == "" {
		return false, errors.New("a query needs an id, a data set and a recipient")
	}
	if b.Total.Epsilon != nil && s.Cost.Epsilon == nil {
		return false, errors.New("this budget is in epsilon, the query in rho: ask for Laplace noise, or give the data set a budget in rho")
	}
	err = l.db.Update(ctx, func(tx *sql.Tx) error {
		past, err := spendings(ctx, tx, s.Dataset)
		if err != nil {
			return err
		}
		again = false
		for _, p := range past {
			if p.ID == s.ID {
				again = true
				return samePayment(p, s)
			}
		}
		if err := allowed(past, s, b); err != nil {
			return err
		}
		basis, cost := "epsilon", s.Cost.Epsilon
		if cost == nil {
			basis, cost = "rho", s.Cost.Rho
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO release_spent (id, dataset, recipient, basis, cost, what, at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			s.ID, s.Dataset, s.Recipient, basis, cost.String(), s.What, l.now().UnixMilli())
		if err != nil {
			return fmt.Errorf("note a query in the privacy budget: %w", err)
		}
		return nil
	})
	return again, err
}

func samePayment(past, s Spending) error {
	if past.Recipient != s.Recipient || !sameRat(past.Cost.Epsilon, s.Cost.Epsilon) || !sameRat(past.Cost.Rho, s.Cost.Rho) {
		return errors.New("another query was paid under this id: give the query an id of its own")
	}
	return nil
}

func sameRat(a, b *big.Rat) bool {
	return (a == nil) == (b == nil) && (a == nil || a.Cmp(b) == 0)
}

// allowed adds the query to what was spent.
func allowed(past []Spending, s Spending, b Budget) error {
	all, own := worth(s.Cost, b), worth(s.Cost, b)
	for _, p := range past {
		w := worth(p.Cost, b)
		all.Add(all, w)
		if p.Recipient == s.Recipient {
			own.Add(own, w)
		}
	}
	if limit := worth(b.Total, b); all.Cmp(limit) > 0 {
		return fmt.Errorf("%w: for this data set it would be %s of %s; ask less, or with more noise", ErrSpent, all.FloatString(4), limit.FloatString(4))
	}
	if b.PerRecipient == (Cost{}) {
		return nil
	}
	if limit := worth(b.PerRecipient, b); own.Cmp(limit) > 0 {
		return fmt.Errorf("%w: for this recipient it would be %s of %s; ask less, or with more noise", ErrSpent, own.FloatString(4), limit.FloatString(4))
	}
	return nil
}

// worth is a cost in the budget's terms. A cost in rho under a budget in epsilon
// (which was in rho before) has no finite worth: it uses up everything.
func worth(c Cost, b Budget) *big.Rat {
	if b.Total.Epsilon == nil {
		return new(big.Rat).Set(c.rho())
	}
	if c.Epsilon == nil {
		return new(big.Rat).Set(b.Total.Epsilon)
	}
	return new(big.Rat).Set(c.Epsilon)
}

// Spent lists what was spent of a data set, the oldest first.
func (l *Ledger) Spent(ctx context.Context, dataset string) (all []Spending, err error) {
	err = l.db.View(ctx, func(tx *sql.Tx) error {
		all, err = spendings(ctx, tx, dataset)
		return err
	})
	return all, err
}

func spendings(ctx context.Context, tx *sql.Tx, dataset string) ([]Spending, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, recipient, basis, cost, what, at FROM release_spent WHERE dataset = $1 ORDER BY at, id`, dataset)
	if err != nil {
		return nil, fmt.Errorf("read the privacy budget: %w", err)
	}
	defer rows.Close()
	var out []Spending
	for rows.Next() {
		s := Spending{Dataset: dataset}
		var basis, cost string
		if err := rows.Scan(&s.ID, &s.Recipient, &basis, &cost, &s.What, &s.At); err != nil {
			return nil, fmt.Errorf("read the privacy budget: %w", err)
		}
		r, ok := new(big.Rat).SetString(cost)
		if !ok {
			return nil, fmt.Errorf("the privacy budget holds a cost that is no number (query %s): restore the database", s.ID)
		}
		if s.Cost.Epsilon = r; basis == "rho" {
			s.Cost = Cost{Rho: r}
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the privacy budget: %w", err)
	}
	return out, nil
}

// Epsilon is what a budget in rho means for a given delta: for people, rounded
// up. rho + 2 sqrt(rho ln 1/delta).
func Epsilon(rho *big.Rat, delta float64) float64 {
	r, _ := rho.Float64()
	return math.Nextafter(r+2*math.Sqrt(r*math.Log(1/delta)), math.Inf(1))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
