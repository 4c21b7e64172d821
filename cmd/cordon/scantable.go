package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rivo/uniseg"

	"github.com/cordon-health/cordon/classify"
)

// scanTable is the report for people: a line and a bar for each file with
// findings, and below it what was found.
type scanTable struct {
	w       *world
	short   bool
	zh      bool
	waiting map[string]*fileFindings
	files   int
}

// fileFindings are the findings of a file under way, joined by kind.
type fileFindings struct {
	order []string
	kinds map[string]*kindFindings
}

type kindFindings struct {
	classify.Finding
	n int64
}

func newScanTable(w *world, short bool) *scanTable {
	return &scanTable{w: w, short: short, zh: language() == "zh", waiting: map[string]*fileFindings{}}
}

var _ classify.Report = (*scanTable)(nil)

// Found implements classify.Report.
func (t *scanTable) Found(l classify.Line) error {
	f := t.waiting[l.Path]
	if f == nil {
		f = &fileFindings{kinds: map[string]*kindFindings{}}
		t.waiting[l.Path] = f
	}
	k := f.kinds[l.Kind]
	if k == nil {
		k = &kindFindings{Finding: *l.Finding}
		f.kinds[l.Kind] = k
		f.order = append(f.order, l.Kind)
	}
	k.n += max(l.Count, 1)
	k.Level = max(k.Level, l.Level)
	k.Confidence = max(k.Confidence, l.Confidence)
	return nil
}

func (t *scanTable) say(en, zh string, args ...any) string {
	if t.zh {
		return fmt.Sprintf(zh, args...)
	}
	return fmt.Sprintf(en, args...)
}

// done writes a file that has findings.
func (t *scanTable) done(r classify.Result) error {
	f := t.waiting[r.Path]
	delete(t.waiting, r.Path)
	if f == nil {
		return nil
	}
	t.files++
	var people []string
	if r.Patients > 0 {
		people = append(people, t.say("%d patients of yours", "本院患者 %d 人", r.Patients))
	} else if r.Persons > 0 {
		people = append(people, t.say("about %d people", "约 %d 人", r.Persons))
	}
	if r.Honey > 0 {
		people = append(people, t.say("A PLANTED PATIENT", "含测试患者"))
	}
	if r.Changed {
		people = append(people, t.say("changed while it was read", "读取时被修改"))
	}
	if _, err := fmt.Fprintf(t.w.out, "%s  %s  %s\n", bar(r.Level), shownPath(r.Path), strings.Join(people, ", ")); err != nil {
		return err
	}
	if t.short {
		return nil
	}
	return t.kinds(f)
}

func (t *scanTable) kinds(f *fileFindings) error {
	slices.SortStableFunc(f.order, func(a, b string) int { return f.kinds[b].Level - f.kinds[a].Level })
	for _, name := range f.order {
		k := f.kinds[name]
		title := name
		if kind, ok := classify.KindOf(name); ok {
			title = kind.Info().Title.In(language())
		}
		what := k.Masked
		if k.Why != nil {
			what = k.Why.In(language())
		}
		where := strings.Trim(k.Member+"!/"+k.Part, "!/")
		if _, err := fmt.Fprintf(t.w.out, "       %s %s  %s  %s\n", wide(title, 34), right(k.n, 7), wide(what, 28), where); err != nil {
			return err
		}
	}
	return nil
}

// Close implements classify.Report.
func (t *scanTable) Close(s classify.Totals) error {
	out := t.w.out
	if t.files > 0 {
		fmt.Fprintln(out)
	}
	for level := 5; level >= 1; level-- {
		if s.Levels[level] > 0 {
			fmt.Fprintln(out, t.say("level %d  %s  %s files", "%d 级  %s  %s 个文件", level, share(s.Levels[level], s.Objects), right(s.Levels[level], 9)))
		}
	}
	_, err := fmt.Fprintln(out, t.say("%d files, %s, %d findings, %d patients of yours, about %d people; %d pieces could not be read",
		"文件 %d 个，%s，发现 %d 处，本院患者 %d 人，约 %d 人；%d 处无法读取", s.Objects, size(s.Bytes), s.Findings, s.Patients, s.Persons, s.Unread))
	return err
}

// bar draws a level, 0 to 5.
func bar(level int) string {
	return fmt.Sprintf("L%d %s", level, strings.Repeat("█", level)+strings.Repeat("░", 5-level))
}

// share draws a part of a whole, 20 wide.
func share(n, all int64) string {
	full := int(20 * n / max(all, 1))
	if n > 0 && full == 0 {
		full = 1
	}
	return strings.Repeat("█", full) + strings.Repeat("░", 20-full)
}

// wide fills a text up to a width on the terminal.
func wide(s string, width int) string {
	if n := width - uniseg.StringWidth(s); n > 0 {
		return s + strings.Repeat(" ", n)
	}
	return s
}

func right(n int64, width int) string { return fmt.Sprintf("%*d", width, n) }

// shownPath keeps control characters of file names off the terminal.
func shownPath(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '�'
		}
		return r
	}, s)
}

func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}

// scanProgress shows how far a scan is, on standard error: one line that
// changes on a terminal, else one every ten seconds.
type scanProgress struct {
	w     *world
	last  time.Time
	drawn bool
}

func newScanProgress(w *world) *scanProgress { return &scanProgress{w: w, last: w.now()} }

func (p *scanProgress) show(x classify.Progress) {
	every := 10 * time.Second
	if p.w.terminal {
		every = 400 * time.Millisecond
	}
	if p.w.now().Sub(p.last) < every {
		return
	}
	p.last = p.w.now()
	line := scanProgressLine(x)
	if !p.w.terminal {
		fmt.Fprintln(p.w.err, line)
		return
	}
	p.drawn = true
	fmt.Fprintf(p.w.err, "\r\033[K%s", line)
}

func scanProgressLine(x classify.Progress) string {
	of := "counting"
	left := ""
	if !x.Counting {
		of = fmt.Sprintf("%.0f %%", 100*x.Share())
		if x.Left > 0 {
			left = ", " + x.Left.String() + " left"
		}
	}
	return fmt.Sprintf("%d of %d files (%s), %s, %s/s%s; %d findings, level %d", x.Objects, max(x.AllObjects, x.Objects), of, size(x.Bytes), size(x.PerSecond), left, x.Findings, x.Level)
}

func (p *scanProgress) end() {
	if p.drawn {
		_, _ = io.WriteString(p.w.err, "\r\033[K") // nothing to do when a terminal is gone
	}
}
