package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/cordon-health/cordon/config"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/node"
)

type serveCmd struct {
	Config string `help:"Configuration file; everything has a default without one." placeholder:"FILE" type:"path"`
	Data   string `help:"Folder for all data, instead of the configured one." placeholder:"DIR" type:"path"`
	Listen string `help:"Address of console and API, instead of the configured one." placeholder:"HOST:PORT"`
}

// Run serves until the context ends.
func (c serveCmd) Run(w *world) error {
	cfg, err := config.Load(c.Config)
	if err != nil {
		return usage{err}
	}
	if c.Data != "" {
		cfg.Data = c.Data
	}
	if c.Listen != "" {
		cfg.Console.Listen = c.Listen
	}
	if err := cfg.Check(); err != nil {
		return usage{err}
	}
	log := newLog(w.err, cfg.Log)
	evidence.RouteLogs(log)
	n, err := node.Open(w.ctx, cfg, version, w.now, log)
	if err != nil {
		return err
	}
	err = n.Run(w.ctx, func(link string) {
		fmt.Fprintf(w.err, "console: %s\n", n.URL())
		if link != "" {
			fmt.Fprintf(w.err, "first sign-in (works once, for a day): %s\n", link)
		}
	})
	return errors.Join(err, n.Close())
}

func newLog(out io.Writer, c config.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // checked by config
	opts := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(out, opts))
	}
	return slog.New(slog.NewTextHandler(out, opts))
}
