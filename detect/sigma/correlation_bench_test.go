package sigma

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"testing"
	"testing/fstest"

	"github.com/klauspost/compress/zstd"
)

// authentication is an event of the correlation lane.
type authentication struct {
	EventType, User, SourceIP, Computer string
	BytesOut                            int64
	bytes                               string
}

func (a *authentication) lookup(name string, out []value) []value {
	switch name {
	case "User":
		return append(out, text(a.User))
	case "SourceIP":
		return append(out, text(a.SourceIP))
	case "Computer":
		return append(out, text(a.Computer))
	case "BytesOut":
		return append(out, text(a.bytes))
	}
	return out
}

func attempts(b *testing.B) []authentication {
	data, err := os.ReadFile("../../../shared/data/lanes/correlation.ndjson.zst")
	if err != nil {
		b.Skip("no sample data: ../shared/data/lanes/correlation.ndjson.zst is missing")
	}
	z, err := zstd.NewReader(bytes.NewReader(data))
	if err != nil {
		b.Fatal(err)
	}
	defer z.Close()
	var out []authentication
	for dec := json.NewDecoder(z); ; {
		var a authentication
		if dec.Decode(&a) != nil {
			return out
		}
		a.bytes = strconv.FormatInt(a.BytesOut, 10)
		out = append(out, a)
	}
}

// BenchmarkCorrelation is what one matched event costs in one correlation: keys
// read from the event, the window moved and judged.
func BenchmarkCorrelation(b *testing.B) {
	events := attempts(b)
	for _, c := range []struct{ name, text string }{
		{"event_count", "type: event_count\n  rules: [failed]\n  group-by: [User]\n  timespan: 5m\n  condition: {gte: 100}"},
		{"value_count", "type: value_count\n  rules: [failed]\n  group-by: [User]\n  timespan: 5m\n  condition: {field: SourceIP, gte: 20}"},
		{"value_count by host", "type: value_count\n  rules: [failed]\n  group-by: [Computer]\n  timespan: 5m\n  condition: {field: User, gte: 100000}"},
		{"value_sum", "type: value_sum\n  rules: [failed]\n  group-by: [User]\n  timespan: 5m\n  condition: {field: BytesOut, gte: 1000000}"},
		{"value_avg", "type: value_avg\n  rules: [failed]\n  group-by: [User]\n  timespan: 5m\n  condition: {field: BytesOut, gte: 3000}"},
		{"value_percentile", "type: value_percentile\n  rules: [failed]\n  group-by: [User]\n  timespan: 5m\n  condition: {field: BytesOut, percentile: 95, gte: 3900}"},
		{"temporal", "type: temporal\n  rules: [failed, worked]\n  group-by: [User]\n  timespan: 5m"},
		{"temporal_ordered", "type: temporal_ordered\n  rules: [failed, worked]\n  group-by: [User]\n  timespan: 5m"},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := counting(b, c.text)
			failed, worked := r.list[:1], r.list[1:2]
			b.ReportAllocs()
			n, start := 0, cpu()
			for i := 0; b.Loop(); i++ {
				n++
				a := &events[i%len(events)]
				hits := failed
				if a.EventType == "authentication_success" {
					hits = worked
				}
				r.corr.seen(hits, a, origin{at: 1e12 + int64(i)*10, id: "0b7fa6a4-7d6a-4b1d-9f6e-2f6c7b9f0a11", who: a.User})
			}
			b.ReportMetric(float64(n)/(cpu()-start).Seconds(), "events/cpu-s")
			b.ReportMetric(float64(r.corr.now().Bytes)/float64(max(1, r.corr.now().Groups)), "B/group")
		})
	}
}

func counting(b *testing.B, correlation string) *Rules {
	text := "title: f\nname: failed\nlogsource: {category: authentication}\ndetection: {s: {EventType: authentication_failure}, condition: s}\n---\n" +
		"title: w\nname: worked\nlogsource: {category: authentication}\ndetection: {s: {EventType: authentication_success}, condition: s}\n---\n" +
		"title: c\nid: c\ncorrelation:\n  " + correlation
	r, refused := Load(fstest.MapFS{"r.yml": {Data: []byte(text)}})
	if len(refused) > 0 {
		b.Fatal(refused[0].Reason)
	}
	return r
}

// BenchmarkValueCount is one matched event with so many different values in the
// window.
func BenchmarkValueCount(b *testing.B) {
	for _, n := range []int{10, 100, 1800, 15000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			r := counting(b, fmt.Sprintf("type: value_count\n  rules: [failed]\n  group-by: [Computer]\n  timespan: %ds\n  condition: {field: User, gte: 100000}", n))
			events := make([]authentication, n)
			for i := range events {
				events[i] = authentication{Computer: "auth-1", User: "user-" + strconv.Itoa(i)}
			}
			m, start := 0, cpu()
			for i := 0; b.Loop(); i++ {
				m++
				r.corr.seen(r.list[:1], &events[i%n], origin{at: 1e12 + int64(i)*1000, id: "0b7fa6a4-7d6a-4b1d-9f6e-2f6c7b9f0a11"})
			}
			b.ReportMetric(float64(m)/(cpu()-start).Seconds(), "events/cpu-s")
		})
	}
}

// BenchmarkGroups is a hundred thousand groups, and their state for a checkpoint.
func BenchmarkGroups(b *testing.B) {
	r := counting(b, "type: event_count\n  rules: [failed]\n  group-by: [User]\n  timespan: 1h\n  condition: {gte: 10}")
	for i := range 300_000 {
		a := authentication{User: "user-" + strconv.Itoa(i%100_000)}
		r.corr.seen(r.list[:1], &a, origin{at: 1e12 + int64(i), id: "0b7fa6a4-7d6a-4b1d-9f6e-" + strconv.Itoa(1e11+i), who: a.User})
	}
	for b.Loop() {
		if _, err := r.Snapshot(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(r.corr.now().Groups), "groups")
	b.ReportMetric(float64(r.corr.now().Bytes)/(1<<20), "MiB")
	b.ReportMetric(float64(r.corr.now().Evicted), "evicted")
}
