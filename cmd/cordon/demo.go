package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/cordon-health/cordon/config"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/node"
)

type demoCmd struct {
	Listen  string        `help:"Address of the console." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	Data    string        `help:"Keep the demo's data in this folder instead of a temporary one." placeholder:"DIR" type:"path"`
	Length  time.Duration `help:"How long the simulated day takes." default:"10m"`
	Seed    uint64        `help:"Which hospital." default:"7"`
	Devices int           `help:"About how many devices are on its network; 0 for no network." default:"300"`
	Days    int           `help:"How many days the network's past goes back." default:"3"`
	Browser bool          `help:"Open the browser." default:"true" negatable:""`
}

// Run shows a hospital's day.
func (c demoCmd) Run(w *world) error {
	dir := c.Data
	if dir == "" {
		tmp, err := os.MkdirTemp("", "cordon-demo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp) //nolint:errcheck // temporary
		dir = tmp
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	cfg := config.Default()
	cfg.Data, cfg.Console.Listen, cfg.Site.Name, cfg.Site.Zone = dir, c.Listen, "演示医院 Demo Hospital", "Asia/Shanghai"
	cfg.Log.Level = "warn"
	cfg.Identity.Guests, cfg.Identity.Idle = true, cfg.Identity.Longest
	d := node.Demo{Seed: c.Seed, Length: c.Length, HIS: filepath.Join(dir, "his.db"), Say: func(text string) { fmt.Fprintln(w.err, text) }}
	if c.Devices > 0 {
		d.Network = &node.DemoNetwork{Seed: c.Seed, Devices: c.Devices, Days: min(max(c.Days, 1), 30)}
	}
	if err := d.Configure(&cfg); err != nil {
		return err
	}
	log := newLog(w.err, cfg.Log)
	evidence.RouteLogs(log)
	n, err := node.Open(w.ctx, cfg, version, w.now, log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(w.ctx)
	defer cancel(nil)
	err = errors.Join(n.Run(ctx, func(link string) {
		welcome(w, n.URL(), link, dir)
		if c.Browser && w.terminal && link != "" {
			open(link)
		}
		go func() {
			if err := d.Play(ctx, n); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("the simulated day broke off: %w", err))
			}
		}()
	}), n.Close())
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return err
}

func welcome(w *world, url, link, dir string) {
	fmt.Fprintf(w.err, "\n  Cordon demo: a simulated hospital, everything on this machine.\n\n  console   %s\n", url)
	if link != "" {
		fmt.Fprintf(w.err, "  sign in   %s   (works once, without password)\n", link)
	}
	fmt.Fprintf(w.err, "  data      %s\n  stop      Ctrl-C\n\n", dir)
}

// open shows a page in the desktop's browser, where there is one.
func open(url string) {
	command := map[string][]string{"linux": {"xdg-open"}, "darwin": {"open"}, "windows": {"rundll32", "url.dll,FileProtocolHandler"}}[runtime.GOOS]
	if len(command) == 0 {
		return
	}
	_ = exec.Command(command[0], append(command[1:], url)...).Start() // no browser is no error
}
