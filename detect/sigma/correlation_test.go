package sigma

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// chained loads rules a, b and c, which fit events of that name, and a
// correlation.
func chained(t testing.TB, correlation string) *Rules {
	t.Helper()
	var text strings.Builder
	for _, name := range []string{"a", "b", "c"} {
		fmt.Fprintf(&text, "title: %s\nname: %s\nlogsource: {category: test}\ndetection: {s: {e: %s}, condition: s}\n---\n", name, name, name)
	}
	text.WriteString("title: corr\nid: corr\ncorrelation:\n")
	for line := range strings.Lines(correlation) {
		text.WriteString("  " + line)
	}
	r, refused := Load(fstest.MapFS{"r.yml": {Data: []byte(text.String())}})
	for _, x := range refused {
		t.Fatal(x.Reason)
	}
	return r
}

// happening is an event of a random stream.
type happening struct {
	at    int64
	e, u  string
	v     string
	n     float64
	place int // in the sorted stream
}

// asRecord lets an event be looked at as rules do.
type asRecord struct{ h *happening }

func (r asRecord) lookup(name string, out []value) []value {
	switch name {
	case "u":
		return append(out, text(r.h.u))
	case "v":
		return append(out, text(r.h.v))
	case "n":
		return append(out, text(strconv.FormatFloat(r.h.n, 'g', -1, 64)))
	}
	return out
}

// stream is random events of three users within a few windows, sorted.
func stream(rnd *rand.Rand, n int, span int64) []happening {
	out := make([]happening, n)
	for i := range out {
		out[i] = happening{
			at: 1e12 + rnd.Int64N(4*span), e: string(rune('a' + rnd.IntN(3))), u: "u" + strconv.Itoa(rnd.IntN(3)),
			v: "v" + strconv.Itoa(rnd.IntN(6)), n: float64(rnd.IntN(40)),
		}
	}
	slices.SortStableFunc(out, func(a, b happening) int { return int(a.at - b.at) })
	for i := range out {
		out[i].place = i
	}
	return out
}

// hit is a match: whose, and the place of the event that completes it.
type hit struct {
	user  string
	place int
}

// brute finds the matches by the definition: every window counted anew.
func brute(c *correlation, events []happening) []hit {
	by := map[string][]happening{}
	for _, h := range events {
		if slices.Contains(c.refs, h.e) {
			by[h.u] = append(by[h.u], h)
		}
	}
	var out []hit
	for u, list := range by {
		if c.defers {
			out = append(out, bruteClosed(c, u, list)...)
			continue
		}
		last := int64(math.MinInt64 / 2)
		for i, h := range list {
			var win []happening
			for _, x := range list[:i+1] {
				if x.at >= h.at-c.span {
					win = append(win, x)
				}
			}
			if h.at-c.span > last && bruteFits(c, win) {
				last = h.at
				out = append(out, hit{u, h.place})
			}
		}
	}
	slices.SortFunc(out, func(a, b hit) int { return a.place - b.place })
	return out
}

func bruteClosed(c *correlation, u string, list []happening) []hit {
	var out []hit
	for len(list) > 0 {
		n := 0
		for n < len(list) && list[n].at <= list[0].at+c.span {
			n++
		}
		if bruteFits(c, list[:n]) {
			out = append(out, hit{u, list[n-1].place})
		}
		list = list[n:]
	}
	return out
}

func bruteFits(c *correlation, win []happening) bool {
	sum, values, rules, numbers := 0.0, map[string]bool{}, map[string]bool{}, []float64{}
	for _, h := range win {
		sum += h.n
		values[h.v], rules[h.e] = true, true
		numbers = append(numbers, h.n)
	}
	switch c.kind {
	case eventCount:
		return c.holds(float64(len(win)))
	case valueCount:
		return c.holds(float64(len(values)))
	case valueSum:
		return c.holds(sum)
	case valueAvg:
		return c.holds(sum / float64(len(win)))
	case valuePercentile:
		slices.Sort(numbers)
		at := c.p / 100 * float64(len(numbers)-1)
		low, high := numbers[int(math.Floor(at))], numbers[int(math.Ceil(at))]
		return c.holds(low + (at-math.Floor(at))*(high-low))
	case temporal:
		if c.expr != nil {
			return c.expr.holds(func(name string) bool { return rules[name] })
		}
		return c.holds(float64(len(rules)))
	}
	return bruteOrder(c.refs, win)
}

// bruteOrder tries all ways.
func bruteOrder(names []string, win []happening) bool {
	if len(names) == 0 {
		return true
	}
	for i, h := range win {
		if h.e == names[0] && bruteOrder(names[1:], win[i+1:]) {
			return true
		}
	}
	return false
}

func correlations() map[string]string {
	return map[string]string{
		"event_count":          "type: event_count\nrules: [a, b]\ngroup-by: [u]\ntimespan: 1m\ncondition: {gte: 5}",
		"event_count, range":   "type: event_count\nrules: [a]\ngroup-by: [u]\ntimespan: 1m\ncondition: {gt: 2, lte: 4}",
		"event_count, eq":      "type: event_count\nrules: [a]\ngroup-by: [u]\ntimespan: 1m\ncondition: {eq: 3}",
		"value_count":          "type: value_count\nrules: [a]\ngroup-by: [u]\ntimespan: 1m\ncondition: {field: v, gte: 4}",
		"value_count, lt":      "type: value_count\nrules: [a]\ngroup-by: [u]\ntimespan: 1m\ncondition: {field: v, lt: 3}",
		"value_sum":            "type: value_sum\nrules: [a, c]\ngroup-by: [u]\ntimespan: 1m\ncondition: {field: n, gt: 150}",
		"value_sum, neq":       "type: value_sum\nrules: [a]\ngroup-by: [u]\ntimespan: 1m\ncondition: {field: n, neq: 20}",
		"value_avg":            "type: value_avg\nrules: [a]\ngroup-by: [u]\ntimespan: 1m\ncondition: {field: n, gte: 20}",
		"value_percentile":     "type: value_percentile\nrules: [a]\ngroup-by: [u]\ntimespan: 1m\ncondition: {field: n, percentile: 90, gte: 30}",
		"temporal":             "type: temporal\nrules: [a, b, c]\ngroup-by: [u]\ntimespan: 20s",
		"temporal, two of":     "type: temporal\nrules: [a, b, c]\ngroup-by: [u]\ntimespan: 5s\ncondition: {gte: 2}",
		"temporal, expression": "type: temporal\nrules: [a, b, c]\ngroup-by: [u]\ntimespan: 10s\ncondition: a and (b or c)",
		"temporal, not":        "type: temporal\nrules: [a, b, c]\ngroup-by: [u]\ntimespan: 10s\ncondition: a and not b",
		"temporal_ordered":     "type: temporal_ordered\nrules: [c, a, b]\ngroup-by: [u]\ntimespan: 15s",
	}
}

// run shows a stream to a correlator.
func run(r *Rules, k *correlator, events []happening) []hit {
	var out []hit
	note := func(list []match) {
		for _, m := range list {
			place, _ := strconv.Atoi(m.id)
			out = append(out, hit{m.values()[0], place})
		}
	}
	for i := range events {
		h := &events[i]
		for _, x := range r.list {
			if x.name == h.e {
				note(k.seen([]*rule{x}, asRecord{h}, origin{at: h.at, id: strconv.Itoa(h.place)}))
			}
		}
	}
	note(k.finish())
	slices.SortFunc(out, func(a, b hit) int { return a.place - b.place })
	return out
}

// TestCorrelations compares every type with counting every window anew.
func TestCorrelations(t *testing.T) {
	for name, text := range correlations() {
		t.Run(name, func(t *testing.T) {
			r := chained(t, text)
			found := 0
			for seed := range uint64(60) {
				rnd := rand.New(rand.NewPCG(seed, 1))
				events := stream(rnd, 20+rnd.IntN(150), r.corr.list[0].span)
				want := brute(r.corr.list[0], events)
				found += len(want)
				if diff := cmp.Diff(want, run(r, newCorrelator(r.corr.list), events), cmp.AllowUnexported(hit{})); diff != "" {
					t.Fatalf("seed %d: %s", seed, diff)
				}
			}
			if found < 20 {
				t.Errorf("only %d matches to compare", found)
			}
		})
	}
}

// TestDisorder: late events count where they belong. What is judged when its
// window is over is the same; the others match as often, in windows that fit.
func TestDisorder(t *testing.T) {
	for name, text := range correlations() {
		t.Run(name, func(t *testing.T) {
			r := chained(t, text)
			c := r.corr.list[0]
			for seed := range uint64(40) {
				rnd := rand.New(rand.NewPCG(seed, 2))
				events := stream(rnd, 20+rnd.IntN(150), c.span)
				want := brute(c, events)
				at := make([]int64, len(events))
				for i := range events {
					at[i] = events[i].at
				}
				mixed := slices.Clone(events)
				rnd.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
				got := run(r, newCorrelator(r.corr.list), mixed)
				if !c.defers {
					alike(t, c, events, want, got)
				} else if diff := cmp.Diff(clocks(want, at), clocks(got, at)); diff != "" { // ties in time come in another order
					t.Fatalf("seed %d: %s", seed, diff)
				}
			}
		})
	}
}

func clocks(list []hit, at []int64) []string {
	var out []string
	for _, h := range list {
		out = append(out, fmt.Sprint(h.user, at[h.place]))
	}
	slices.Sort(out)
	return out
}

// alike checks that there are as many matches for each user, in windows that fit.
func alike(t *testing.T, c *correlation, events []happening, want, got []hit) {
	t.Helper()
	count := map[string]int{}
	for _, h := range want {
		count[h.user]++
	}
	for _, h := range got {
		count[h.user]--
		var win []happening
		for _, x := range events {
			if x.u == h.user && slices.Contains(c.refs, x.e) && x.at <= events[h.place].at && x.at >= events[h.place].at-c.span {
				win = append(win, x)
			}
		}
		if !bruteFits(c, win) {
			t.Errorf("the window of %v does not fit", h)
		}
	}
	for user, n := range count {
		if n != 0 {
			t.Errorf("%s: %d matches too few", user, n)
		}
	}
}

// TestScanDisorder: a file gives the same in any order.
func TestScanDisorder(t *testing.T) {
	for name, text := range correlations() {
		r := chained(t, text)
		rnd := rand.New(rand.NewPCG(7, 7))
		events := stream(rnd, 200, r.corr.list[0].span)
		for i := range events {
			events[i].at += int64(i) // no ties
		}
		count := func(list []happening) (n int) {
			var file strings.Builder
			for _, h := range list {
				fmt.Fprintf(&file, `{"time":%d,"e":%q,"u":%q,"v":%q,"n":%g}`+"\n", h.at, h.e, h.u, h.v, h.n)
			}
			if _, err := r.Scan(strings.NewReader(file.String()), time.UTC, func(Match) error { n++; return nil }); err != nil {
				t.Fatal(err)
			}
			return n
		}
		want := count(events)
		rnd.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		if got := count(events); got != want || want == 0 && name != "temporal, not" {
			t.Errorf("%s: %d in order, %d out of it", name, want, got)
		}
	}
}

// TestRestart: a correlation that is stopped and started anywhere finds what it
// would have found.
func TestRestart(t *testing.T) {
	for name, text := range correlations() {
		r := chained(t, text)
		for seed := range uint64(10) {
			rnd := rand.New(rand.NewPCG(seed, 3))
			events := stream(rnd, 150, r.corr.list[0].span)
			rnd.Shuffle(40, func(i, j int) { events[20+i], events[20+j] = events[20+j], events[20+i] })
			want := run(r, newCorrelator(r.corr.list), events)
			if diff := cmp.Diff(want, restarted(t, r, events), cmp.AllowUnexported(hit{})); diff != "" {
				t.Errorf("%s, seed %d: %s", name, seed, diff)
			}
		}
	}
}

func restarted(t *testing.T, r *Rules, events []happening) []hit {
	t.Helper()
	if err := r.Restore(nil); err != nil {
		t.Fatal(err)
	}
	var out []hit
	for i := range events {
		for _, x := range r.list {
			if x.name != events[i].e {
				continue
			}
			for _, m := range r.corr.seen([]*rule{x}, asRecord{&events[i]}, origin{at: events[i].at, id: strconv.Itoa(events[i].place)}) {
				place, _ := strconv.Atoi(m.id)
				out = append(out, hit{m.values()[0], place})
			}
		}
		if i%10 == 0 {
			state, err := r.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Restore(state); err != nil {
				t.Fatal(err)
			}
			if again, _ := r.Snapshot(); string(again) != string(state) {
				t.Fatal("what was restored is not what was kept")
			}
		}
	}
	for _, m := range r.corr.finish() {
		place, _ := strconv.Atoi(m.id)
		out = append(out, hit{m.values()[0], place})
	}
	slices.SortFunc(out, func(a, b hit) int { return a.place - b.place })
	return out
}

// TestBounded: memory has an end, and what is forgotten is counted.
func TestBounded(t *testing.T) {
	r := chained(t, "type: event_count\nrules: [a]\ngroup-by: [u]\ntimespan: 1h\ncondition: {gte: 50}")
	k := r.corr
	k.limits = limits{groups: 1000, bytes: 1 << 20, keep: 10}
	for i := range 5000 {
		h := happening{at: 1e12 + int64(i), e: "a", u: "u" + strconv.Itoa(i)}
		k.seen(r.list[:1], asRecord{&h}, origin{at: h.at, id: "x"})
	}
	s := r.corr.now()
	if s.Groups > 1000 || s.Bytes > 1<<20 || s.Evicted < 4000 {
		t.Errorf("%+v", s)
	}
	h := happening{at: 1e12 + 7*3600_000, e: "a", u: "later"}
	k.seen(r.list[:1], asRecord{&h}, origin{at: h.at, id: "x"})
	if again := r.corr.now(); again.Groups > 11 || again.Evicted != s.Evicted {
		t.Errorf("groups that are over: %+v", again)
	}
	total := 0
	for _, g := range k.groups {
		total += g.size
	}
	if total != k.bytes {
		t.Errorf("%d bytes are held, %d counted", total, k.bytes)
	}
}

func FuzzCorrelation(f *testing.F) {
	for _, text := range correlations() {
		f.Add("title: t\nname: a\nlogsource: {category: x}\ndetection: {s: {e: a}, condition: s}\n---\ntitle: c\ncorrelation:\n  " + strings.ReplaceAll(text, "\n", "\n  "))
	}
	f.Add("title: f\nlogsource: {category: x}\nfilter: {rules: any, s: {u: x}, condition: not s}\n---\naction: global\ntitle: g\n---\naction: repeat")
	f.Fuzz(func(t *testing.T, data string) {
		r, refused := Load(fstest.MapFS{"r.yml": {Data: []byte(data)}})
		for _, x := range refused {
			if x.Reason == "" {
				t.Error("refused without a reason")
			}
		}
		file := strings.Repeat(`{"time":1772503200000,"e":"a","u":"x","v":1,"n":2}`+"\n", 5)
		if _, err := r.Scan(strings.NewReader(file), time.UTC, func(Match) error { return nil }); err != nil {
			t.Error(err)
		}
		Reload(r, fstest.MapFS{"r.yml": {Data: []byte("title: [")}})
	})
}

func FuzzState(f *testing.F) {
	for _, text := range correlations() {
		r := chained(f, text)
		rnd := rand.New(rand.NewPCG(1, 1))
		events := stream(rnd, 60, r.corr.list[0].span)
		for i := range events {
			for _, x := range r.list {
				if x.name == events[i].e {
					r.corr.seen([]*rule{x}, asRecord{&events[i]}, origin{at: events[i].at, id: "i"})
				}
			}
		}
		state, _ := r.Snapshot()
		f.Add(string(state), text)
	}
	f.Fuzz(func(t *testing.T, state, text string) {
		if _, ok := slices.BinarySearch(slices.Sorted(slices.Values(all())), text); !ok {
			return
		}
		r := chained(t, text)
		if r.Restore([]byte(state)) != nil {
			if err := r.Restore(nil); err != nil {
				t.Error(err)
			}
		}
		events := stream(rand.New(rand.NewPCG(2, 2)), 30, r.corr.list[0].span)
		run(r, r.corr, events)
	})
}

func all() []string {
	var out []string
	for _, text := range correlations() {
		out = append(out, text)
	}
	return out
}
