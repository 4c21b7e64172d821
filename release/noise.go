package release

import (
	"errors"
	"fmt"
	"io"
	"math/big"
)

// Noise draws from discrete distributions with whole numbers and fractions
// only, after Canonne, Kamath and Steinke (2020): there is no floating point
// whose gaps could betray the true count. Every draw is exact given that the
// source gives uniform bits; in the product that is crypto/rand.Reader. A Noise
// is used by one goroutine.
type Noise struct {
	source io.Reader
	buf    []byte
}

// NewNoise takes its bits from source.
func NewNoise(source io.Reader) *Noise { return &Noise{source: source} }

// mostParts bounds numerator and denominator of a parameter: noise as wide as
// 2^64 hides everything anyway.
const mostParts = 64

func checkScale(x *big.Rat, what string) error {
	if x == nil || x.Sign() <= 0 {
		return fmt.Errorf("%s is a number above 0", what)
	}
	if x.Num().BitLen() > mostParts || x.Denom().BitLen() > mostParts {
		return fmt.Errorf("%s has more than 64 bits above or below the line: round it", what)
	}
	return nil
}

// below draws a whole number from 0 to n-1, each as likely.
func (n *Noise) below(limit *big.Int) (*big.Int, error) {
	bits := new(big.Int).Sub(limit, big.NewInt(1)).BitLen()
	size := (bits + 7) / 8
	if cap(n.buf) < size {
		n.buf = make([]byte, size)
	}
	buf, out := n.buf[:size], new(big.Int)
	for {
		if _, err := io.ReadFull(n.source, buf); err != nil {
			return nil, fmt.Errorf("draw random bits: %w", err)
		}
		if bits%8 != 0 {
			buf[0] &= 1<<(bits%8) - 1
		}
		if out.SetBytes(buf); out.Cmp(limit) < 0 {
			return out, nil
		}
	}
}

// chance is true with probability p, 0 to 1.
func (n *Noise) chance(p *big.Rat) (bool, error) {
	x, err := n.below(p.Denom())
	return err == nil && x.Cmp(p.Num()) < 0, err
}

// chanceExpBelowOne is true with probability exp(-x) for x from 0 to 1: it
// counts how long a run of ever less likely events lasts.
func (n *Noise) chanceExpBelowOne(x *big.Rat) (bool, error) {
	p := new(big.Rat)
	for k := int64(1); ; k++ {
		ok, err := n.chance(p.Quo(x, big.NewRat(k, 1)))
		if err != nil {
			return false, err
		}
		if !ok {
			return k%2 == 1, nil
		}
	}
}

// chanceExp is true with probability exp(-x) for any x not negative.
func (n *Noise) chanceExp(x *big.Rat) (bool, error) {
	one, rest := big.NewRat(1, 1), new(big.Rat).Set(x)
	for rest.Cmp(one) > 0 {
		ok, err := n.chanceExpBelowOne(one)
		if !ok || err != nil {
			return false, err
		}
		rest.Sub(rest, one)
	}
	return n.chanceExpBelowOne(rest)
}

// Laplace draws from the discrete Laplace distribution of a scale: x with a
// probability that falls as exp(-|x|/scale). With scale sensitivity/epsilon a
// count is epsilon-differentially private.
func (n *Noise) Laplace(scale *big.Rat) (*big.Int, error) {
	if err := checkScale(scale, "the scale of the noise"); err != nil {
		return nil, err
	}
	t, s := scale.Num(), scale.Denom()
	for {
		u, err := n.below(t)
		if err != nil {
			return nil, err
		}
		ok, err := n.chanceExpBelowOne(new(big.Rat).SetFrac(u, t))
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		v, err := n.geometric()
		if err != nil {
			return nil, err
		}
		x := new(big.Int).Mul(v, t)
		x.Add(x, u).Quo(x, s)
		negative, err := n.chance(big.NewRat(1, 2))
		if err != nil {
			return nil, err
		}
		if negative && x.Sign() == 0 {
			continue // or 0 would be twice as likely
		}
		if negative {
			x.Neg(x)
		}
		return x, nil
	}
}

// geometric counts how often exp(-1) comes true in a row.
func (n *Noise) geometric() (*big.Int, error) {
	one := big.NewRat(1, 1)
	for v := int64(0); ; v++ {
		ok, err := n.chanceExpBelowOne(one)
		if err != nil {
			return nil, err
		}
		if !ok {
			return big.NewInt(v), nil
		}
	}
}

// Gaussian draws from the discrete Gaussian distribution of a variance: x with a
// probability that falls as exp(-x²/2·variance). With variance
// sensitivity²/2·rho a count is rho-zero-concentrated differentially private.
func (n *Noise) Gaussian(variance *big.Rat) (*big.Int, error) {
	if err := checkScale(variance, "the variance of the noise"); err != nil {
		return nil, err
	}
	// t is the whole part of the standard deviation, plus one: the scale of a
	// Laplace distribution that lies above the Gaussian.
	t := new(big.Int).Sqrt(new(big.Int).Quo(variance.Num(), variance.Denom()))
	t.Add(t, big.NewInt(1))
	scale := new(big.Rat).SetInt(t)
	mean := new(big.Rat).Quo(variance, scale)
	double := new(big.Rat).Mul(variance, big.NewRat(2, 1))
	for {
		y, err := n.Laplace(scale)
		if err != nil {
			return nil, err
		}
		x := new(big.Rat).SetInt(new(big.Int).Abs(y))
		x.Sub(x, mean)
		x.Mul(x, x).Quo(x, double)
		ok, err := n.chanceExp(x)
		if err != nil {
			return nil, err
		}
		if ok {
			return y, nil
		}
	}
}

// Query is a request for counts with noise. A person changes at most
// Sensitivity of the counts by one each.
type Query struct {
	// Cost is what it takes of the budget; with Epsilon the noise is discrete
	// Laplace, with Rho discrete Gaussian.
	Cost        Cost
	Sensitivity int64
	// Delta, for partitions that are not public (see [Noise.Partitions]).
	Delta *big.Rat
}

// Counts adds noise to the counts of partitions that are known to everybody, such
// as all wards or all months: empty ones must be among them, or that they are
// missing would tell.
func (n *Noise) Counts(counts []int64, q Query) ([]int64, error) {
	if q.Sensitivity < 1 {
		return nil, errors.New("sensitivity is how many counts one person changes: 1 or more")
	}
	draw, err := n.drawer(q)
	if err != nil {
		return nil, err
	}
	out := make([]int64, len(counts))
	for i, c := range counts {
		x, err := draw()
		if err != nil {
			return nil, err
		}
		x.Add(x, big.NewInt(c))
		if !x.IsInt64() {
			return nil, errors.New("the noise is wider than a count can be: spend more of the budget")
		}
		out[i] = x.Int64()
	}
	return out, nil
}

func (n *Noise) drawer(q Query) (func() (*big.Int, error), error) {
	if err := q.Cost.check(); err != nil {
		return nil, err
	}
	s := big.NewRat(q.Sensitivity, 1)
	if q.Cost.Epsilon != nil {
		// A person moves the counts by sensitivity in all.
		scale := new(big.Rat).Quo(s, q.Cost.Epsilon)
		return func() (*big.Int, error) { return n.Laplace(scale) }, checkScale(scale, "sensitivity/epsilon")
	}
	// In the Euclidean sense by its square root: its square is sensitivity.
	variance := new(big.Rat).Quo(s, new(big.Rat).Mul(big.NewRat(2, 1), q.Cost.Rho))
	return func() (*big.Int, error) { return n.Gaussian(variance) }, checkScale(variance, "sensitivity/2·rho")
}

// Partitions adds noise to the counts of partitions that are found in the data
// themselves, such as diagnoses, and leaves out those whose noisy count does not
// reach a threshold: with probability at most Delta over all that one person
// could add, a partition with one person is shown. It needs Epsilon. It gives
// the threshold beside the counts that are shown.
func (n *Noise) Partitions(counts map[string]int64, q Query) (shown map[string]int64, threshold int64, err error) {
	if q.Cost.Epsilon == nil || q.Delta == nil || q.Delta.Sign() <= 0 || q.Delta.Cmp(big.NewRat(1, 2)) > 0 {
		return nil, 0, errors.New("partitions found in the data need epsilon, and a delta between 0 and 1/2")
	}
	if q.Sensitivity < 1 {
		return nil, 0, errors.New("sensitivity is how many counts one person changes: 1 or more")
	}
	if threshold, err = q.threshold(); err != nil {
		return nil, 0, err
	}
	shown = map[string]int64{}
	for _, name := range sortedKeys(counts) {
		if counts[name] <= 0 {
			continue // it would not be known
		}
		noisy, err := n.Counts([]int64{counts[name]}, q)
		if err != nil {
			return nil, 0, err
		}
		if noisy[0] >= threshold {
			shown[name] = noisy[0]
		}
	}
	return shown, threshold, nil
}

// threshold is the least whole number which 1 plus noise reaches with a
// probability of at most delta/sensitivity. For the scale s the noise reaches m
// with exp(-m/s)/(1+exp(-1/s)), which is at most 2^-j for m = ceil(j·s·ln 2); ln
// 2 and delta are rounded to the safe side.
func (q Query) threshold() (int64, error) {
	part := new(big.Rat).Quo(q.Delta, big.NewRat(q.Sensitivity, 1))
	halvings := int64(0)
	for p := big.NewRat(1, 1); p.Cmp(part) > 0; halvings++ {
		p.Quo(p, big.NewRat(2, 1))
		if halvings > 200 {
			return 0, errors.New("delta is below 2^-200: nothing would be shown")
		}
	}
	m := new(big.Rat).Quo(big.NewRat(q.Sensitivity*halvings, 1), q.Cost.Epsilon)
	m.Mul(m, big.NewRat(693_148, 1_000_000)) // above ln 2
	whole := new(big.Int).Quo(m.Num(), m.Denom())
	whole.Add(whole, big.NewInt(2)) // rounded up, and the person
	if !whole.IsInt64() {
		return 0, errors.New("epsilon is so small that nothing would be shown")
	}
	return whole.Int64(), nil
}
