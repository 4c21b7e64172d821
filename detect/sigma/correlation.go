package sigma

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// correlation is a rule about several events.
type correlation struct {
	rule // id, title, texts, level; cond is nil
	kind metric
	refs []string // the rules it counts, as written
	// aliases lead from a name to the field that stands for it, by rule.
	aliases map[string]map[string]string
	group   []string
	fields  []string // of value_*
	span    int64    // ms
	bounds  []bound
	share   bool    // value_percentile without a percentile: the share of a value
	p       float64 // the percentile, 0-100
	expr    expr    // of temporal
	reports bool    // generate: the rules counted are reported too

	number  int
	parts   []entity   // the rules it counts
	terms   [][]int    // of temporal_ordered: the orders that complete it
	late    int64      // how late in ms an event may come
	carry   []string   // fields that correlations of this one ask of a match
	defers  bool       // judged when the window closes
	most    int        // entries that a group may hold
	visited resolution // while references are followed
}

type resolution uint8

const (
	unseen resolution = iota
	following
	followed
)

// metric is the type of a correlation.
type metric uint8

const (
	eventCount metric = iota
	valueCount
	valueSum
	valueAvg
	valuePercentile
	temporal
	temporalOrdered
)

// metrics are the types by name.
func metrics() map[string]metric {
	return map[string]metric{
		"event_count": eventCount, "value_count": valueCount, "value_sum": valueSum, "value_avg": valueAvg,
		"value_percentile": valuePercentile, "temporal": temporal, "temporal_ordered": temporalOrdered,
	}
}

// String is the name that rules have for it.
func (m metric) String() string {
	for name, x := range metrics() {
		if x == m {
			return name
		}
	}
	return ""
}

// bound is one comparison of a condition.
type bound struct {
	op string
	n  float64
}

func (b bound) holds(x float64) bool {
	switch b.op {
	case "gt":
		return x > b.n
	case "gte":
		return x >= b.n
	case "lt":
		return x < b.n
	case "lte":
		return x <= b.n
	case "eq":
		return x == b.n
	}
	return x != b.n
}

// grows says that a bound which holds is never undone by more.
func (b bound) grows() bool { return b.op == "gt" || b.op == "gte" }

func (c *correlation) holds(x float64) bool {
	for _, b := range c.bounds {
		if !b.holds(x) {
			return false
		}
	}
	return true
}

// Bounds of a correlation.
const (
	maxSpan     = 366 * 24 * time.Hour
	maxParts    = 32
	maxGroupBy  = 8
	maxCount    = 1_000_000
	mostEntries = 32768
	maxTerms    = 64
)

// parseCorrelation reads a correlation; what it refers to is resolved later.
func parseCorrelation(d *document, p *page) (*correlation, error) {
	c := &correlation{reports: d.meta.Generate}
	if err := c.take(d); err != nil {
		return nil, err
	}
	n := deref(&p.Correlation)
	if n.Kind != yaml.MappingNode {
		return nil, errors.New("correlation is not a map")
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if err := c.set(n.Content[i].Value, deref(n.Content[i+1])); err != nil {
			return nil, fmt.Errorf("correlation: %w", err)
		}
	}
	if err := c.complete(n); err != nil {
		return nil, fmt.Errorf("correlation: %w", err)
	}
	return c, nil
}

func (c *correlation) set(key string, v *yaml.Node) (err error) {
	switch key {
	case "type":
		kind, ok := metrics()[v.Value]
		if !ok {
			return fmt.Errorf("the type %q is not known; it is event_count, value_count, value_sum, value_avg, value_percentile, temporal or temporal_ordered", v.Value)
		}
		c.kind = kind
	case "rules":
		c.refs, err = scalars(v)
	case "group-by":
		c.group, err = scalars(v)
	case "timespan":
		c.span, err = parseSpan(v.Value)
	case "aliases":
		err = v.Decode(&c.aliases)
		if err != nil {
			err = errors.New("aliases is a map of maps: alias, rule, field")
		}
		return err
	case "generate":
		if c.reports, err = strconv.ParseBool(v.Value); err != nil {
			err = errors.New("it is true or false")
		}
	case "condition":
		err = c.condition(v)
	case "field": // belongs into the condition, but was written here too
		c.fields, err = scalars(v)
	default:
		return fmt.Errorf("%q is not known", key)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// parseSpan reads a timespan: a number and one of s, m, h, d, and, as pySigma
// has them, w, M (a twelfth of a year) and y.
func parseSpan(text string) (int64, error) {
	units := map[byte]int64{'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 604800, 'M': 2629746, 'y': 31556952}
	if len(text) < 2 || units[text[len(text)-1]] == 0 {
		return 0, fmt.Errorf("%q is not a number with s, m, h or d behind it", text)
	}
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 32)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a number with s, m, h or d behind it", text)
	}
	ms := int64(n) * units[text[len(text)-1]] * 1000
	if ms > maxSpan.Milliseconds() {
		return 0, fmt.Errorf("%s is longer than a year", text)
	}
	return ms, nil
}

func (c *correlation) condition(v *yaml.Node) error {
	if v.Kind == yaml.ScalarNode {
		e, err := parseExpr(v.Value)
		c.expr = e
		return err
	}
	if v.Kind != yaml.MappingNode {
		return errors.New("it is a map such as gte: 10")
	}
	for i := 0; i+1 < len(v.Content); i += 2 {
		if err := c.criterion(v.Content[i].Value, deref(v.Content[i+1])); err != nil {
			return err
		}
	}
	return nil
}

func (c *correlation) criterion(key string, v *yaml.Node) (err error) {
	switch key {
	case "field":
		c.fields, err = scalars(v)
		return err
	case "gt", "gte", "lt", "lte", "eq", "neq", "percentile":
	default:
		return fmt.Errorf("%q is not known; it is gt, gte, lt, lte, eq, neq or field", key)
	}
	n, err := strconv.ParseFloat(v.Value, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return fmt.Errorf("%s takes a number", key)
	}
	if key != "percentile" {
		c.bounds = append(c.bounds, bound{key, n})
		return nil
	}
	if n < 0 || n > 100 {
		return errors.New("a percentile is from 0 to 100")
	}
	c.p, c.share = n, false
	return nil
}

// complete checks what belongs together.
func (c *correlation) complete(n *yaml.Node) error {
	for _, key := range []string{"type", "timespan", "group-by"} {
		if member(n, key) == nil {
			return fmt.Errorf("%s is missing", key)
		}
	}
	if member(n, "condition") == nil && !c.isTemporal() {
		return errors.New("condition is missing")
	}
	if c.expr != nil && len(c.refs) == 0 {
		c.refs = c.expr.names(nil)
	}
	switch {
	case len(c.refs) == 0:
		return errors.New("rules is missing: name the rules whose matches are counted")
	case len(c.refs) > maxParts || len(c.group) > maxGroupBy:
		return fmt.Errorf("it has more than %d rules or %d fields in group-by", maxParts, maxGroupBy)
	}
	c.share = c.kind == valuePercentile && member(member(n, "condition"), "percentile") == nil
	c.most = mostEntries
	if c.isTemporal() {
		return c.completeTemporal()
	}
	return c.completeCount()
}

func (c *correlation) isTemporal() bool { return c.kind == temporal || c.kind == temporalOrdered }

func (c *correlation) completeCount() error {
	switch {
	case c.expr != nil:
		return errors.New("only temporal correlations have a condition over rules; this one needs a map such as gte: 10")
	case len(c.bounds) == 0:
		return errors.New("the condition compares nothing; it needs gt, gte, lt, lte, eq or neq")
	case c.kind == eventCount && len(c.fields) > 0:
		return errors.New("event_count counts events, not values of a field; use value_count")
	case c.kind != eventCount && len(c.fields) == 0:
		return errors.New("field is missing in the condition")
	case c.kind != eventCount && c.kind != valueCount && len(c.fields) > 1:
		return errors.New("only value_count takes several fields")
	}
	if err := c.range_(); err != nil {
		return err
	}
	c.defers = c.kind == valueAvg || c.kind == valuePercentile || slices.ContainsFunc(c.bounds, func(b bound) bool { return !b.grows() })
	if c.kind == eventCount || c.kind == valueCount {
		return c.countable()
	}
	return nil
}

// range_ allows one comparison, or two that make a range; what must not be
// equal may be added.
func (c *correlation) range_() error {
	list := slices.DeleteFunc(slices.Clone(c.bounds), func(b bound) bool { return b.op == "neq" })
	if len(list) < 2 {
		return nil
	}
	a, b := list[0], list[1]
	if b.grows() {
		a, b = b, a
	}
	switch {
	case len(list) > 2 || !a.grows() || b.op != "lt" && b.op != "lte":
		return errors.New("a condition has one comparison, or two that make a range: one of gt and gte, one of lt and lte")
	case a.n > b.n || a.n == b.n && (a.op == "gt" || b.op == "lt"):
		return errors.New("nothing can be within the range")
	}
	return nil
}

// countable refuses counts that no group can have: a group exists by its events.
func (c *correlation) countable() error {
	for _, b := range c.bounds {
		switch {
		case b.n > maxCount:
			return fmt.Errorf("it counts to more than %d", maxCount)
		case b.op == "lt" && b.n <= 1, b.op == "lte" && b.n < 1, b.op == "eq" && b.n < 1:
			return errors.New("groups without any event are not seen, so a count below 1 never comes")
		}
		c.most = max(c.most, 2*int(b.n))
	}
	return nil
}

func (c *correlation) completeTemporal() error {
	switch {
	case len(c.fields) > 0:
		return errors.New("a temporal correlation counts rules, not values of a field")
	case len(c.refs) < 2:
		return errors.New("a temporal correlation needs two rules at least")
	case c.expr == nil && len(c.bounds) == 0:
		c.bounds = []bound{{"gte", float64(len(c.refs))}}
	case c.expr == nil:
		if err := c.range_(); err != nil {
			return err
		}
		for _, b := range c.bounds {
			if b.grows() && (b.n > float64(len(c.refs)) || b.op == "gt" && b.n == float64(len(c.refs))) {
				return errors.New("the condition asks for more rules than there are")
			}
		}
	}
	c.defers = c.expr != nil && c.expr.negates() || slices.ContainsFunc(c.bounds, func(b bound) bool { return !b.grows() })
	for _, name := range c.names() {
		if !slices.Contains(c.refs, name) {
			return fmt.Errorf("condition: %q is not among the rules", name)
		}
	}
	return c.orders()
}

func (c *correlation) names() []string {
	if c.expr == nil {
		return nil
	}
	return c.expr.names(nil)
}

// orders lists the sequences of rules that complete an ordered correlation.
func (c *correlation) orders() error {
	if c.kind != temporalOrdered {
		return nil
	}
	n := len(c.refs)
	if c.expr == nil && len(c.bounds) == 1 && c.bounds[0].grows() && c.needs() == n {
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		c.terms = [][]int{all}
		return nil
	}
	if n > 12 {
		return errors.New("a condition over more than 12 ordered rules is too large")
	}
	for set := uint64(1); set < 1<<n; set++ {
		if !c.fits(set) || slices.ContainsFunc(c.terms, func(t []int) bool { return covers(set, t) }) {
			continue
		}
		var term []int
		for i := range n {
			if set&(1<<i) != 0 {
				term = append(term, i)
			}
		}
		if c.terms = append(c.terms, term); len(c.terms) > maxTerms {
			return fmt.Errorf("the condition can be met in more than %d ways", maxTerms)
		}
	}
	if len(c.terms) == 0 {
		return errors.New("the condition can never be met")
	}
	return nil
}

// needs is how many rules a condition of one lower bound asks for.
func (c *correlation) needs() int {
	n := c.bounds[0].n
	if c.bounds[0].op == "gt" {
		return int(math.Floor(n)) + 1
	}
	return int(math.Ceil(n))
}

// covers says that a set has all rules of a term. A term that a smaller one
// covers adds nothing, unless the condition can be undone by more rules.
func covers(set uint64, term []int) bool {
	for _, i := range term {
		if set&(1<<i) == 0 {
			return false
		}
	}
	return true
}

// fits says that a temporal condition holds for a set of rules.
func (c *correlation) fits(set uint64) bool {
	if c.expr != nil {
		return c.expr.holds(func(name string) bool { return set&(1<<slices.Index(c.refs, name)) != 0 })
	}
	n := 0
	for x := set; x != 0; x &= x - 1 {
		n++
	}
	return c.holds(float64(n))
}

// expr is a condition over rules: names with and, or, not and parentheses.
type expr interface {
	holds(seen func(string) bool) bool
	names(out []string) []string
	negates() bool
}

type (
	called  string
	both    []expr
	either  []expr
	without struct{ expr }
)

func (e called) holds(seen func(string) bool) bool { return seen(string(e)) }

func (e both) holds(seen func(string) bool) bool {
	return !slices.ContainsFunc(e, func(x expr) bool { return !x.holds(seen) })
}

func (e either) holds(seen func(string) bool) bool {
	return slices.ContainsFunc(e, func(x expr) bool { return x.holds(seen) })
}

func (e without) holds(seen func(string) bool) bool { return !e.expr.holds(seen) }

func (e called) names(out []string) []string {
	if slices.Contains(out, string(e)) {
		return out
	}
	return append(out, string(e))
}

func (e both) names(out []string) []string   { return namesOf(e, out) }
func (e either) names(out []string) []string { return namesOf(e, out) }

func namesOf(list []expr, out []string) []string {
	for _, x := range list {
		out = x.names(out)
	}
	return out
}

func (called) negates() bool    { return false }
func (e both) negates() bool    { return slices.ContainsFunc(e, expr.negates) }
func (e either) negates() bool  { return slices.ContainsFunc(e, expr.negates) }
func (e without) negates() bool { return true }

// parseExpr reads a condition over rules.
func parseExpr(text string) (expr, error) {
	p := &exprParser{words: tokens(text)}
	e, err := p.or()
	if err == nil && p.at < len(p.words) {
		err = fmt.Errorf("%q is left over", p.words[p.at])
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

type exprParser struct {
	words     []string
	at, depth int
}

func (p *exprParser) next(word string) bool {
	if p.at < len(p.words) && strings.EqualFold(p.words[p.at], word) {
		p.at++
		return true
	}
	return false
}

func (p *exprParser) or() (expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, errors.New("it is nested too deeply")
	}
	defer func() { p.depth-- }()
	list, err := p.joined("or", func() (expr, error) { return p.joined("and", p.one, func(l []expr) expr { return both(l) }) }, func(l []expr) expr { return either(l) })
	return list, err
}

// joined reads expressions with a word between them.
func (p *exprParser) joined(word string, read func() (expr, error), join func([]expr) expr) (expr, error) {
	first, err := read()
	if err != nil {
		return nil, err
	}
	list := []expr{first}
	for p.next(word) {
		e, err := read()
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	if len(list) == 1 {
		return first, nil
	}
	return join(list), nil
}

func (p *exprParser) one() (expr, error) {
	if p.next("not") {
		if p.depth++; p.depth > maxDepth {
			return nil, errors.New("it is nested too deeply")
		}
		defer func() { p.depth-- }()
		e, err := p.one()
		return without{e}, err
	}
	if p.next("(") {
		e, err := p.or()
		if err == nil && !p.next(")") {
			err = errors.New("a closing parenthesis is missing")
		}
		return e, err
	}
	if p.at >= len(p.words) {
		return nil, errors.New("it ends too early")
	}
	word := p.words[p.at]
	if word == ")" || strings.EqualFold(word, "and") || strings.EqualFold(word, "or") {
		return nil, fmt.Errorf("%q is out of place", word)
	}
	p.at++
	return called(word), nil
}
