package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/classify"
)

// serverScan is a scan as the API tells it.
type serverScan struct {
	classify.ScanRun
	Progress *classify.Progress `json:"progress"`
}

// onServer scans on a running server, or on the folder of a stopped one, whose
// data map keeps the results.
func (c *scanCmd) onServer(w *world) error {
	if slices.Contains(c.Paths, "-") || c.Patients != "" || c.Levels != "" || c.Rules != "" || c.Mode == "redact" {
		return usage{errors.New("standard input, --patients, --levels, --rules and --mode redact are for scans without a server; a server has an index and levels of its own")}
	}
	worst := 0
	err := c.with(w, func(s *session) error {
		for _, path := range c.Paths {
			level, err := c.oneOnServer(w, s, path)
			worst = max(worst, level)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && c.FailOn > 0 && worst >= c.FailOn {
		return found{fmt.Sprintf("level %d data was found", worst)}
	}
	return err
}

func (c *scanCmd) oneOnServer(w *world, s *session, path string) (level int, err error) {
	wish, err := c.wish(w.ctx, s, path)
	if err != nil {
		return 0, err
	}
	run, err := get[serverScan](s, w.ctx, http.MethodPost, "/api/v1/data/scans", wish)
	if err != nil {
		return 0, err
	}
	if run, err = c.follow(w, s, run); err != nil {
		return 0, err
	}
	if run.State != classify.Finished {
		return 0, fmt.Errorf("the scan of %s ended as %q: %s", run.Target, run.State, run.Problem)
	}
	tellScan(w.err, run.Totals)
	return run.Totals.Level, c.results(w, s, run)
}

// wish names a target of the server, or an address.
func (c *scanCmd) wish(ctx context.Context, s *session, path string) (api.ScanWish, error) {
	targets, err := get[[]api.DataTarget](s, ctx, http.MethodGet, "/api/v1/data/targets", nil)
	if err != nil {
		return api.ScanWish{}, err
	}
	for _, t := range targets {
		if t.Configured && t.Place.Target == path {
			return api.ScanWish{Target: path}, nil
		}
	}
	if classify.Scheme(path) == "" {
		if path, err = filepath.Abs(path); err != nil {
			return api.ScanWish{}, fmt.Errorf("find the folder: %w", err)
		}
	}
	return api.ScanWish{Address: path, Rate: c.Rate, Workers: c.Workers, Largest: c.Largest, Include: c.Include, Exclude: c.Exclude,
		OneSystem: c.OneSystem, Rows: c.Rows, OCR: c.OCR}, nil
}

// follow shows the progress until the scan ends. Ctrl-C stops it, too.
func (c *scanCmd) follow(w *world, s *session, run serverScan) (serverScan, error) {
	p := newScanProgress(w)
	defer p.end()
	for run.State == classify.Running {
		select {
		case <-w.ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), 10*time.Second)
			defer cancel()
			res, err := s.call(ctx, http.MethodPost, "/api/v1/data/scans/"+run.ID+"/stop", nil)
			if err == nil {
				err = res.Body.Close()
			}
			return run, errors.Join(w.ctx.Err(), err)
		case <-time.After(250 * time.Millisecond):
		}
		var err error
		if run, err = get[serverScan](s, w.ctx, http.MethodGet, "/api/v1/data/scans/"+run.ID, nil); err != nil {
			return run, err
		}
		if run.Progress != nil {
			p.show(*run.Progress)
		}
	}
	return run, nil
}

// results writes what the map keeps of the target.
func (c *scanCmd) results(w *world, s *session, run serverScan) error {
	wish := map[string]any{"target": run.Target, "min_level": max(c.MinLevel, 1)}
	if c.Format != "table" {
		wish["format"] = c.Format
		return s.pour(w.ctx, w.out, http.MethodPost, "/api/v1/data/export", wish)
	}
	res, err := s.call(w.ctx, http.MethodPost, "/api/v1/data/objects", wish)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	t := newScanTable(w, true)
	for d := json.NewDecoder(res.Body); d.More(); {
		var o classify.MapObject
		if err := d.Decode(&o); err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		if err := t.Found(classify.Line{Path: o.Path, Finding: &classify.Finding{Level: o.Level}}); err != nil {
			return err
		}
		if err := t.done(o.Result); err != nil {
			return err
		}
	}
	fmt.Fprintln(w.out, t.say("since the scan before: %d new, %d worse, %d better, %d gone", "与上次扫描相比：新增 %d，变差 %d，好转 %d，消失 %d",
		run.Changes[classify.Fresh], run.Changes[classify.Worse], run.Changes[classify.Better], run.Changes[classify.Gone]))
	return t.Close(run.Totals)
}
