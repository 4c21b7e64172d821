// Package bench measures what Cordon promises in numbers, on this machine, and
// writes them down as one Markdown table: goal, measured, met or missed, and
// the machine they were measured on.
//
//	make bench                     a million events, some minutes
//	make bench EVENTS=10000000     what the README shows
//	make bench-sigma               the rule engine alone
//
// It builds the program and measures that: a real cordon serve, spoken to over
// HTTP by a process of its own, and cordon import on a stopped server's folder.
// Nothing is measured inside Cordon except what says so. The load is package
// simulate's hospital: its people, rosters and HL7 go in first, so that
// explaining and detecting have their real work; then its FHIR AuditEvents,
// each repeated under new ids some seconds apart until there are as many as
// asked for (see Load). Sender and server share the machine, and the sender's
// work counts against the figures.
//
// How each promise is measured stands at the function that measures it:
// throughput and memory (Feed), warning (Warn), questions (Ask), size (Size),
// import (Import), accuracy (Judge), peers (Peers), and the
// rule engine, in processes of its own and beside another (Sigma). All data is written below
// one temporary folder, which is removed at the end. It holds no product code,
// and nothing of it runs in go test without the flag -measure.
package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Line is one promise and what came of it.
type Line struct {
	What     string
	Goal     string // empty where nothing was promised
	Measured string
	Met      Verdict
	How      string // one sentence
}

// Verdict says whether a promise was kept.
type Verdict string

// The verdicts.
const (
	Met    Verdict = "met"
	Missed Verdict = "missed"
	Told   Verdict = "" // measured without a promise
	Failed Verdict = "not measured"
)

// judge is the verdict of a comparison.
func judge(ok bool) Verdict {
	if ok {
		return Met
	}
	return Missed
}

// Report is the result of a run.
type Report struct {
	Machine Machine
	Begun   time.Time
	Lines   []Line
	Tables  []Table
}

// Table is detail that has more than one number.
type Table struct {
	Title  string
	Header []string
	Rows   [][]string
	Note   string
}

// Add appends lines.
func (r *Report) Add(lines ...Line) { r.Lines = append(r.Lines, lines...) }

// Fail notes that something could not be measured.
func (r *Report) Fail(what string, err error) {
	r.Add(Line{What: what, Measured: oneLine(err.Error()), Met: Failed})
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 200 {
		s = s[:200] + " ..."
	}
	return s
}

// Markdown writes the report.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured %s by `make bench` on %s.\n\n", r.Begun.UTC().Format("2006-01-02 15:04 UTC"), r.Machine)
	rows := make([][]string, len(r.Lines))
	for i, l := range r.Lines {
		rows[i] = []string{l.What, l.Goal, l.Measured, string(l.Met), l.How}
	}
	writeTable(&b, Table{Header: []string{"what", "goal", "measured", "", "how"}, Rows: rows})
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "\n### %s\n\n", t.Title)
		writeTable(&b, t)
		if t.Note != "" {
			fmt.Fprintf(&b, "\n%s\n", t.Note)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeTable(b *strings.Builder, t Table) {
	line := func(cells []string) {
		b.WriteString("|")
		for _, c := range cells {
			b.WriteString(" " + strings.ReplaceAll(c, "|", `\|`) + " |")
		}
		b.WriteString("\n")
	}
	line(t.Header)
	line(slices.Repeat([]string{"---"}, len(t.Header)))
	for _, row := range t.Rows {
		line(row)
	}
}

// Spread is a set of durations.
type Spread []time.Duration

// Quantile is the smallest duration that at least the share q does not exceed.
func (s Spread) Quantile(q float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	i := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// milli prints a duration in milliseconds.
func milli(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms < 10 {
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}

// count prints a number with thin groups of three.
func count(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func percent(part, whole int) string {
	if whole == 0 {
		return "none"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(whole))
}

func rate(n int64, d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64(float64(n) / d.Seconds())
}
