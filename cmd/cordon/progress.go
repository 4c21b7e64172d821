package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows how far a long command is: a bar on a terminal, else a line
// every few seconds. It writes to standard error only.
type progress struct {
	w     *world
	name  string
	bar   *progressbar.ProgressBar // nil when err is not a terminal
	begun time.Time
	last  time.Time
}

func newProgress(w *world, name string, size int64) *progress {
	p := &progress{w: w, name: name, begun: w.now(), last: w.now()}
	if w.terminal {
		p.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(w.err), progressbar.OptionSetDescription(name),
			progressbar.OptionShowBytes(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	return p
}

// reader counts what is read.
func (p *progress) reader(r io.Reader) io.Reader {
	if p.bar == nil {
		return r
	}
	return io.TeeReader(r, p.bar)
}

// note tells how many records are done.
func (p *progress) note(records int64) {
	now := p.w.now()
	if p.bar != nil {
		p.bar.Describe(fmt.Sprintf("%s: %d records", p.name, records))
		return
	}
	if now.Sub(p.last) < 5*time.Second {
		return
	}
	p.last = now
	fmt.Fprintf(p.w.err, "%s: %d records, %.0f a second\n", p.name, records, float64(records)/now.Sub(p.begun).Seconds())
}

// step tells how far a command of known length is.
func (p *progress) step(what string, done, total int64) {
	now := p.w.now()
	if p.bar != nil {
		p.bar.ChangeMax64(max(total, 1))
		p.bar.Describe(what)
		_ = p.bar.Set64(done) // a bar that cannot be drawn is no error
		return
	}
	if now.Sub(p.last) < 5*time.Second {
		return
	}
	p.last = now
	fmt.Fprintf(p.w.err, "%s: %d of %d\n", what, done, total)
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
