package release

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"math/big"
	mrand "math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cordon-health/cordon/store/sqlite"
)

// chiSquare compares draws with the exact distribution, given up to a factor.
func chiSquare(t *testing.T, name string, n int, draw func() (*big.Int, error), weight func(x int) float64) {
	t.Helper()
	total := 0.0
	for x := -2000; x <= 2000; x++ {
		total += weight(x)
	}
	counts := map[int]int{}
	for range n {
		x, err := draw()
		if err != nil {
			t.Fatal(err)
		}
		counts[int(x.Int64())]++
	}
	chi, cells, rest, restWant := 0.0, 0, n, float64(n)
	for x := -2000; x <= 2000; x++ {
		want := float64(n) * weight(x) / total
		if want < 10 {
			continue
		}
		d := float64(counts[x]) - want
		chi, cells, rest, restWant = chi+d*d/want, cells+1, rest-counts[x], restWant-want
	}
	if restWant > 5 {
		d := float64(rest) - restWant
		chi, cells = chi+d*d/restWant, cells+1
	}
	// Wilson and Hilferty's bound for a chance of about 1 in 30,000.
	df := float64(cells - 1)
	limit := df * math.Pow(1-2/(9*df)+4*math.Sqrt(2/(9*df)), 3)
	if chi > limit {
		t.Errorf("%s: chi square %.1f over %d cells, chance allows %.1f", name, chi, cells, limit)
	}
}

func TestNoiseIsExactlyDistributed(t *testing.T) {
	n := NewNoise(mrand.NewChaCha8([32]byte{1}))
	for _, s := range []*big.Rat{big.NewRat(1, 2), big.NewRat(2, 1), big.NewRat(7, 3), big.NewRat(10, 1)} {
		f, _ := s.Float64()
		chiSquare(t, "Laplace "+s.String(), 20_000, func() (*big.Int, error) { return n.Laplace(s) }, func(x int) float64 { return math.Exp(-math.Abs(float64(x)) / f) })
	}
	for _, v := range []*big.Rat{big.NewRat(1, 3), big.NewRat(4, 1), big.NewRat(49, 2)} {
		f, _ := v.Float64()
		chiSquare(t, "Gaussian "+v.String(), 10_000, func() (*big.Int, error) { return n.Gaussian(v) }, func(x int) float64 { return math.Exp(-float64(x) * float64(x) / (2 * f)) })
	}
	for _, bad := range []*big.Rat{nil, big.NewRat(0, 1), big.NewRat(-1, 2), new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), 80))} {
		if _, err := n.Laplace(bad); err == nil {
			t.Errorf("the scale %v was taken", bad)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("no randomness") }

func TestNoRandomnessNoAnswer(t *testing.T) {
	if _, err := NewNoise(broken{}).Counts([]int64{5}, Query{Cost: Cost{Epsilon: big.NewRat(1, 1)}, Sensitivity: 1}); err == nil {
		t.Error("a count was given without noise")
	}
}

// TestPartitionsHideSinglePeople: a diagnosis of one person is shown as rarely as
// delta says.
func TestPartitionsHideSinglePeople(t *testing.T) {
	n := NewNoise(rand.Reader)
	q := Query{Cost: Cost{Epsilon: big.NewRat(1, 1)}, Sensitivity: 1, Delta: big.NewRat(1, 100)}
	shown := 0
	for range 4000 {
		got, threshold, err := n.Partitions(map[string]int64{"rare": 1, "common": 500, "none": 0}, q)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := got["rare"]; ok {
			shown++
		}
		if _, ok := got["none"]; ok || got["common"] < threshold {
			t.Fatal("an empty partition was shown, or a common one hidden")
		}
	}
	if shown > 40+3*7 {
		t.Errorf("one person was shown %d times of 4,000 at delta 0.01", shown)
	}
	if _, _, err := n.Partitions(nil, Query{Cost: Cost{Epsilon: big.NewRat(1, 1)}, Sensitivity: 1}); err == nil {
		t.Error("partitions without delta")
	}
}

func ledger(t *testing.T) *Ledger {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	l, err := OpenLedger(t.Context(), db, func() time.Time { return time.UnixMilli(1000) })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func epsilon(a, b int64) Cost { return Cost{Epsilon: big.NewRat(a, b)} }
func rho(a, b int64) Cost     { return Cost{Rho: big.NewRat(a, b)} }

func TestLedgerRefusesWhatIsSpent(t *testing.T) {
	ctx, l := t.Context(), ledger(t)
	b := Budget{Total: epsilon(1, 1), PerRecipient: epsilon(1, 2)}
	spend := func(id, recipient string, c Cost) error {
		_, err := l.Spend(ctx, Spending{ID: id, Dataset: "d", Recipient: recipient, Cost: c}, b)
		return err
	}
	for _, err := range []error{spend("1", "a", epsilon(1, 3)), spend("2", "b", epsilon(1, 2)), spend("3", "a", epsilon(1, 6))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	// Exactly one third, one half and one sixth are one: nothing is left.
	for _, err := range []error{spend("4", "c", epsilon(1, 1000000)), spend("5", "a", epsilon(1, 1000000))} {
		if !errors.Is(err, ErrSpent) {
			t.Error(err)
		}
	}
	if again, err := l.Spend(ctx, Spending{ID: "1", Dataset: "d", Recipient: "a", Cost: epsilon(1, 3)}, b); !again || err != nil {
		t.Error("the same query was charged twice", err)
	}
	if err := spend("1", "b", epsilon(1, 3)); err == nil || errors.Is(err, ErrSpent) {
		t.Error("another query under a known id:", err)
	}
	if err := spend("6", "c", rho(1, 100)); err == nil {
		t.Error("rho was taken from a budget in epsilon")
	}
	if _, err := l.Spend(ctx, Spending{ID: "7", Dataset: "other", Recipient: "a", Cost: epsilon(1, 2)}, b); err != nil {
		t.Error("another data set has a budget of its own:", err)
	}
	if all, err := l.Spent(ctx, "d"); err != nil || len(all) != 3 || all[0].Cost.Epsilon.Cmp(big.NewRat(1, 3)) != 0 {
		t.Error(all, err)
	}
}

// TestZCDPAllowsMore: a hundred queries of epsilon 0.1 are 10 added up, but half
// a rho.
func TestZCDPAllowsMore(t *testing.T) {
	l := ledger(t)
	b := Budget{Total: rho(1, 2)}
	for i := range 100 {
		if _, err := l.Spend(t.Context(), Spending{ID: fmt.Sprint(i), Dataset: "d", Recipient: "a", Cost: epsilon(1, 10)}, b); err != nil {
			t.Fatal(i, err)
		}
	}
	if _, err := l.Spend(t.Context(), Spending{ID: "x", Dataset: "d", Recipient: "a", Cost: rho(1, 1000)}, b); !errors.Is(err, ErrSpent) {
		t.Error(err)
	}
	if e := Epsilon(big.NewRat(1, 2), 1e-6); math.Abs(e-(0.5+2*math.Sqrt(0.5*math.Log(1e6)))) > 1e-9 {
		t.Error(e)
	}
}

// TestLedgerUnderHaste: of many at once only as many are allowed as there is
// budget for.
func TestLedgerUnderHaste(t *testing.T) {
	l := ledger(t)
	var wait sync.WaitGroup
	var mu sync.Mutex
	allowed := 0
	for i := range 30 {
		wait.Go(func() {
			_, err := l.Spend(context.Background(), Spending{ID: fmt.Sprint(i), Dataset: "d", Recipient: "a", Cost: epsilon(1, 10)}, Budget{Total: epsilon(1, 1)})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				allowed++
			} else if !errors.Is(err, ErrSpent) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if allowed != 10 {
		t.Errorf("%d queries of a tenth were allowed", allowed)
	}
}
