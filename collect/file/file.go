// Package file reads files: log files that grow and rotate (mode follow), and
// files that other systems drop into a folder (mode whole).
//
// It guarantees that every complete line, and every dropped file, is
// delivered at least once, over rotation by renaming or truncation, restarts
// and failed deliveries: its place is saved after the delivery it describes
// (in the cursors "file:PATH"). What is delivered twice after a crash is
// recognised by event id. A line that has no line end yet waits for it, or
// for the file to be rotated away.
//
// It never writes to, moves or deletes a file it reads.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/cordon-health/cordon/collect"
)

// Splitter cuts a file of a format into records.
type Splitter func(format string, r io.Reader) iter.Seq2[[]byte, error]

// Collector watches the files of one pattern.
type Collector struct {
	cfg     Config
	split   Splitter
	cursors collect.Cursors
	now     func() time.Time
	log     *slog.Logger

	// Owned by the goroutine of Run.
	tails    map[string]*tail
	sizes    map[string]int64 // whole files: size at the last look
	troubles map[string]string
}

var _ collect.Collector = (*Collector)(nil)

// New checks the configuration; nothing is read before Run.
func New(cfg Config, split Splitter, cursors collect.Cursors, now func() time.Time, log *slog.Logger) (*Collector, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if cfg.Source == "" {
		cfg.Source = "file:" + filepath.Base(cfg.Path)
	}
	return &Collector{
		cfg: cfg, split: split, cursors: cursors, now: now, log: log,
		tails: map[string]*tail{}, sizes: map[string]int64{}, troubles: map[string]string{},
	}, nil
}

// Run looks at the files until ctx ends.
func (c *Collector) Run(ctx context.Context, sink collect.Sink) error {
	defer c.close()
	tick := time.NewTicker(c.cfg.Poll)
	defer tick.Stop()
	for {
		c.Look(ctx, sink)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Look reads what is new once. A file in trouble is logged once per kind of
// trouble and tried again at the next look.
func (c *Collector) Look(ctx context.Context, sink collect.Sink) {
	names, err := filepath.Glob(c.cfg.Path)
	if err != nil {
		c.log.Error("file pattern not usable", "pattern", c.cfg.Path, "error", err)
		return
	}
	for _, name := range names {
		if ctx.Err() != nil {
			return
		}
		c.note(name, c.lookAt(ctx, name, sink))
	}
}

func (c *Collector) lookAt(ctx context.Context, name string, sink collect.Sink) error {
	if c.cfg.Mode == "whole" {
		return c.whole(ctx, name, sink)
	}
	t, ok := c.tails[name]
	if !ok {
		var err error
		if t, err = c.openTail(ctx, name, sink); err != nil {
			return err
		}
		c.tails[name] = t
	}
	return c.follow(ctx, t, sink)
}

func (c *Collector) note(name string, err error) {
	text := ""
	if err != nil && !errors.Is(err, context.Canceled) {
		text = err.Error()
	}
	if text != "" && text != c.troubles[name] {
		c.log.Error("file not read", "source", c.cfg.Source, "file", name, "error", err)
	}
	c.troubles[name] = text
}

// whole delivers a file once it has the same size at two looks and was not
// delivered before.
func (c *Collector) whole(ctx context.Context, name string, sink collect.Sink) error {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return nil
	}
	before, seen := c.sizes[name]
	c.sizes[name] = info.Size()
	if !seen || before != info.Size() {
		return nil
	}
	mark := fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano())
	if done, err := c.cursors.Load(ctx, "whole:"+name); err != nil || done == mark {
		return err
	}
	if err := c.deliverWhole(ctx, name, sink); err != nil {
		return err
	}
	return c.cursors.Save(ctx, "whole:"+name, mark)
}

func (c *Collector) deliverWhole(ctx context.Context, name string, sink collect.Sink) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var batch []collect.Item
	for rec, err := range c.split(c.cfg.Format, f) {
		if err != nil {
			return err
		}
		if batch = append(batch, c.item(rec)); len(batch) < 500 {
			continue
		}
		if _, err := sink.Deliver(ctx, batch...); err != nil {
			return err
		}
		batch = nil
	}
	if len(batch) == 0 {
		return nil
	}
	_, err = sink.Deliver(ctx, batch...)
	return err
}

func (c *Collector) deliver(ctx context.Context, sink collect.Sink, data []byte) error {
	_, err := sink.Deliver(ctx, c.item(data))
	return err
}

func (c *Collector) item(data []byte) collect.Item {
	return collect.Item{Format: c.cfg.Format, Source: c.cfg.Source, Mapping: c.cfg.Mapping, Received: c.now(), Data: data}
}

func (c *Collector) close() {
	for _, t := range c.tails {
		_ = t.f.Close()
	}
}
