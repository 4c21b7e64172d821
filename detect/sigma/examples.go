package sigma

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// Example is a file of a rule's archive: events, one a line, that the rule must
// find (hit: WHY) or must leave alone (miss: WHY).
type Example struct {
	Hit       bool
	Why, Text string
}

// Examples reads those of an archive.
func Examples(archive []byte) []Example {
	var out []Example
	for _, f := range txtar.Parse(archive).Files {
		kind, why, _ := strings.Cut(f.Name, ":")
		if kind == "hit" || kind == "miss" {
			out = append(out, Example{kind == "hit", strings.TrimSpace(why), string(f.Data)})
		}
	}
	return out
}

// Try says whether the rules treat an example of the rule with an id as it
// asks. In its text a line "# 120 times, every 20s" repeats the next one, with
// {i} counting from 1 and the time moving on.
func (r *Rules) Try(id string, x Example, zone *time.Location) (bool, error) {
	text, err := story(x.Text)
	if err != nil {
		return false, err
	}
	fits := false
	stats, err := r.Scan(strings.NewReader(text), zone, func(m Match) error {
		fits = fits || m.Rule == id
		return nil
	})
	if err == nil && (stats.NBad > 0 || stats.Events == 0) {
		err = fmt.Errorf("example %q: %d events, lines %v are none", x.Why, stats.Events, stats.Bad)
	}
	return fits == x.Hit, err
}

// story writes repeated lines out.
func story(text string) (string, error) {
	var out strings.Builder
	n, step := 1, time.Duration(0)
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "# "); ok {
			var every string
			if _, err := fmt.Sscanf(rest, "%d times, every %s", &n, &every); err != nil {
				return "", fmt.Errorf("%q: %w", line, err)
			}
			var err error
			if step, err = time.ParseDuration(every); err != nil {
				return "", fmt.Errorf("%q: %w", line, err)
			}
			continue
		}
		for i := range n {
			out.WriteString(later(strings.ReplaceAll(line, "{i}", strconv.Itoa(i+1)), time.Duration(i)*step))
		}
		n, step = 1, 0
	}
	return out.String(), nil
}

// later is an event some time later.
func later(line string, by time.Duration) string {
	before, after, _ := strings.Cut(line, `"time": `)
	digits, rest, _ := strings.Cut(after, ",")
	at, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || by == 0 {
		return line
	}
	return before + `"time": ` + strconv.FormatInt(at+by.Milliseconds(), 10) + "," + rest
}

// Subject is the id of the rule that the rules of one archive are about: the
// last correlation, which stands for those it counts, or the first rule; empty
// without any.
func (r *Rules) Subject() string {
	if n := len(r.corr.list); n > 0 {
		return r.corr.list[n-1].id
	}
	if len(r.list) > 0 {
		return r.list[0].id
	}
	return ""
}
