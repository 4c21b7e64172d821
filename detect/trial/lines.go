package trial

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/normalize"
	"github.com/cordon-health/cordon/ocsf"
)

var (
	repeated = regexp.MustCompile(`^times=(\d+) every=(\S+) (.*)`)
	stamp    = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d|\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d`)
	counter  = regexp.MustCompile(`#|\{#\+(\d+)\}`)
)

const webTime = "02/Jan/2006:15:04:05"

// expand writes repeated lines out: their times move on, and their counters
// count from 0. Repeated lines that follow each other mix, in the order of
// their times.
func expand(text string) string {
	var b strings.Builder
	var mixed []string
	flush := func() {
		slices.SortStableFunc(mixed, func(x, y string) int { return cmp.Compare(stampOf(x), stampOf(y)) })
		b.WriteString(strings.Join(mixed, ""))
		mixed = nil
	}
	for line := range strings.Lines(text) {
		m := repeated.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			flush()
			b.WriteString(line)
			continue
		}
		times, err := strconv.Atoi(m[1])
		step, err2 := time.ParseDuration(m[2])
		if err != nil || err2 != nil {
			failf("%q: want times=N every=DURATION", line)
		}
		for n := range times {
			mixed = append(mixed, repeat(m[3], n, time.Duration(n)*step)+"\n")
		}
	}
	flush()
	return b.String()
}

func repeat(line string, n int, after time.Duration) string {
	line = counter.ReplaceAllStringFunc(line, func(s string) string {
		plus := 0
		if s != "#" {
			_, _ = fmt.Sscanf(s, "{#+%d}", &plus)
		}
		return strconv.Itoa(n + plus)
	})
	return stamp.ReplaceAllStringFunc(line, func(s string) string {
		at, layout := parseStamp(s)
		return at.Add(after).Format(layout)
	})
}

func stampOf(line string) int64 {
	at, _ := parseStamp(stamp.FindString(line))
	return at.UnixMilli()
}

func parseStamp(text string) (time.Time, string) {
	for _, layout := range []string{"2006-01-02T15:04:05", webTime} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, layout
		}
	}
	failf("time %q", text)
	return time.Time{}, ""
}

// raw sends a line the way a system would, through normalize.
func (s *Site) raw(line string) []*ocsf.Event {
	format, text, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "raw")), " ")
	var key keyed.Key
	evs, rejects := normalize.New(normalize.Options{Key: key, Zone: zone}).Normalize(normalize.Input{Format: format, Source: format, Data: []byte(text)})
	for _, r := range rejects {
		failf("%s: %s", line, r.Reason)
	}
	for _, ev := range evs {
		if ev.IsAccess() {
			x := s.care.Explain(ev)
			ev.Explanation = &x
		}
	}
	return evs
}
