package bench

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Warn measures the time from arrival to durable warning while ordinary events
// come at 1,000 a second, in requests of 10.
//
// From outside: three times a second a request of its own carries one violation,
// somebody opening a canary record, and from just before that request the API
// is asked every 15 ms for the findings of that moment, until the one with
// that event's id is among them. It can only be there when it is durable. From
// inside: the server's histogram cordon_warning_seconds over the same time,
// which covers all findings, from the arrival of the request to the commit.
func Warn(ctx context.Context, s *Server, l *Load, length time.Duration) ([]Line, error) {
	canary, err := firstCanary(l.List("watchlist"))
	if err != nil {
		return nil, err
	}
	time.Sleep(15 * time.Second) // what came before is written down
	before, err := s.Metrics(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, length+30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	var sent int64
	var paceErr error
	begun := time.Now()
	wg.Go(func() { sent, paceErr = pace(ctx, s, l, length) })
	took, err := probes(ctx, s, l, canary, length)
	wg.Wait()
	if err := errors.Join(err, paceErr); err != nil {
		return nil, err
	}
	after, err := s.Metrics(ctx)
	if err != nil {
		return nil, err
	}
	p50, p99 := took.Quantile(.5), took.Quantile(.99)
	inside := histogram(before, after, "cordon_warning_seconds")
	how := fmt.Sprintf("%d canary accesses among %s/s; polled over the API, so up to 15 ms too long", len(took), count(rate(sent, min(time.Since(begun), length))))
	return []Line{
		{What: "arrival to durable warning at 1,000 events/s, p50", Goal: "< 50 ms", Measured: milli(p50), Met: judge(p50 < 50*time.Millisecond), How: how},
		{What: "the same, p99", Goal: "< 250 ms", Measured: milli(p99), Met: judge(p99 < 250*time.Millisecond),
			How: fmt.Sprintf("slowest %s; inside, over %d findings: %.1f %% within 50 ms, %.1f %% within 250 ms", milli(took.Quantile(1)), inside.n, inside.share(.05), inside.share(.25))},
	}, nil
}

func firstCanary(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return "", err
	}
	for _, row := range rows {
		if row[0] == "canary" {
			return row[1], nil
		}
	}
	return "", errors.New("no canary in the watch list")
}

// pace sends the load's first events again under other ids, 10 every 10 ms.
func pace(ctx context.Context, s *Server, l *Load, length time.Duration) (int64, error) {
	const group, every = 10, 10 * time.Millisecond
	again := *l
	again.Events, again.Copies = int64(length/every)*group, 1
	var wg sync.WaitGroup
	defer wg.Wait()
	errs := make(chan error, 1)
	var body []byte
	var sent int64
	next := time.Now()
	err := again.eachCopy(pacedCopy, func(line []byte) error {
		body = append(body, line...)
		if sent++; sent%group != 0 {
			return nil
		}
		next = next.Add(every)
		time.Sleep(time.Until(next))
		one := body
		body = nil
		wg.Go(func() {
			if _, err := s.Post(ctx, "fhir-auditevent", pacedSource, one); err != nil {
				select {
				case errs <- err:
				default:
				}
			}
		})
		select {
		case err := <-errs:
			return err
		default:
			return ctx.Err()
		}
	})
	return sent, err
}

const pacedSource = "bench-paced"

// pacedCopy is a number no copy of the load has.
const pacedCopy = 0xfff0

// probeEvery leaves what one token may ask (50 requests a second) to polling.
const probeEvery = 300 * time.Millisecond

// probes commits one violation after the other and waits for each warning.
func probes(ctx context.Context, s *Server, l *Load, canary string, length time.Duration) (Spread, error) {
	template, err := l.firstLine()
	if err != nil {
		return nil, err
	}
	var took Spread
	for i := range int(length / probeEvery) {
		line, uid, at := violation(template, canary, i)
		begun := time.Now()
		if _, err := s.Post(ctx, "fhir-auditevent", "bench-probe", line); err != nil {
			return nil, err
		}
		if err := awaitFinding(ctx, s, uid, at); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begun))
		time.Sleep(time.Until(begun.Add(probeEvery)))
	}
	return took, nil
}

// afterwards is how many days after the first of the load probes begin: when
// the hospital's month is over, so that no other finding stands at their time.
const afterwards = 40

// violation makes an access to another patient out of a simulated one, each on
// a day of its own: on one day they would be one finding.
func violation(line []byte, patient string, i int) (event []byte, uid string, at time.Time) {
	t, err := newTemplate(line)
	if err != nil {
		return nil, "", at
	}
	t.recorded = t.recorded.AddDate(0, 0, afterwards+i)
	event = t.appendCopy(nil, pacedCopy-1-i)
	event = bytes.ReplaceAll(event, []byte(patientOf(event)), []byte(patient))
	var id struct {
		ID       string
		Recorded time.Time
	}
	if json.Unmarshal(event, &id) != nil {
		return nil, "", at
	}
	return event, id.ID, id.Recorded
}

// awaitFinding asks for the findings at the time of the access until that of
// the event is there.
func awaitFinding(ctx context.Context, s *Server, uid string, at time.Time) error {
	begun := time.Now()
	path := fmt.Sprintf("/api/v1/findings?limit=5&since=%d&until=%d", at.UnixMilli()-1000, at.UnixMilli()+1000)
	for {
		answer, _, err := s.ask(ctx, "GET", path, nil)
		if err != nil {
			return err
		}
		if bytes.Contains(answer, []byte(uid)) {
			return nil
		}
		if time.Since(begun) > 20*time.Second {
			return errors.New("no warning came within 20 s of the access to the canary record")
		}
		time.Sleep(15 * time.Millisecond)
	}
}

// buckets are a histogram: how many observations were at most so many seconds.
type buckets struct {
	n  int
	le map[float64]int
}

// histogram is what was observed between two readings.
func histogram(before, after map[string]float64, name string) buckets {
	b := buckets{n: int(after[name+"_count"] - before[name+"_count"]), le: map[float64]int{}}
	for key, v := range after {
		text, ok := strings.CutPrefix(key, name+`_bucket{le="`)
		if !ok {
			continue
		}
		if le, err := strconv.ParseFloat(strings.TrimSuffix(text, `"}`), 64); err == nil {
			b.le[le] = int(v - before[key])
		}
	}
	return b
}

// share is how many per cent were at most so long, at the next bucket's edge.
func (b buckets) share(seconds float64) float64 {
	var edges []float64
	for le := range b.le {
		edges = append(edges, le)
	}
	slices.Sort(edges)
	for _, le := range edges {
		if le >= seconds-1e-9 && b.n > 0 {
			return 100 * float64(b.le[le]) / float64(b.n)
		}
	}
	return math.NaN()
}
