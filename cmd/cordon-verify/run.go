package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/evidence/bundle"
	"github.com/cordon-health/cordon/evidence/folder"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store/sqlite"
)

// The exit codes.
const (
	exitSound  = 0 // nothing contradicts the log
	exitBroken = 1 // something does; it was named
	exitUsage  = 2
	exitFailed = 3 // it could not be checked
)

const usage = `usage: cordon-verify [flags] PATH

PATH is a bundle (.zip), or a data folder of a stopped server.

  -key KEY          the public key of the log, or a file with it
  -witness KEY      demand the signature of this witness, a key or a file
  -checkpoint FILE  a checkpoint kept elsewhere; may be repeated
  -lang zh|en       language of the answer; default: that of the system
  -json             the report as one line of JSON

exit codes: 0 sound, 1 broken (the first bad record is named), 2 wrong use,
3 could not be checked
`

// environment is what the program has from outside.
type environment struct {
	out, err io.Writer
	lang     string
}

// request is what the arguments ask for.
type request struct {
	path, key, witness string
	checkpoints        []string
	json               bool
	lang               string
}

func run(ctx context.Context, args []string, env environment) int {
	req, err := parse(args, env)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(env.out, usage)
		return exitSound
	}
	if err != nil {
		fmt.Fprintf(env.err, "cordon-verify: %v\n\n%s", err, usage)
		return exitUsage
	}
	evidence.RouteLogs(slog.New(slog.DiscardHandler))
	ok, err := verify(ctx, req, env)
	switch {
	case err != nil:
		fmt.Fprintf(env.err, "cordon-verify: %v\n", err)
		return exitFailed
	case !ok:
		return exitBroken
	}
	return exitSound
}

func parse(args []string, env environment) (request, error) {
	req := request{lang: "en"}
	if strings.HasPrefix(env.lang, "zh") {
		req.lang = "zh"
	}
	flags := flag.NewFlagSet("cordon-verify", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&req.key, "key", "", "")
	flags.StringVar(&req.witness, "witness", "", "")
	flags.StringVar(&req.lang, "lang", req.lang, "")
	flags.BoolVar(&req.json, "json", false, "")
	flags.Func("checkpoint", "", func(path string) error {
		text, err := os.ReadFile(path)
		req.checkpoints = append(req.checkpoints, string(text))
		return err
	})
	// Flags may stand behind the path as well.
	for {
		if err := flags.Parse(args); err != nil {
			return request{}, err
		}
		if flags.NArg() == 0 {
			break
		}
		if req.path != "" {
			return request{}, errors.New("one PATH at a time")
		}
		req.path, args = flags.Arg(0), flags.Args()[1:]
	}
	if req.path == "" {
		return request{}, errors.New("PATH is missing")
	}
	if req.lang != "zh" && req.lang != "en" {
		return request{}, errors.New("-lang is zh or en")
	}
	var err error
	if req.key, err = textOrFile(req.key); err != nil {
		return request{}, err
	}
	req.witness, err = textOrFile(req.witness)
	return req, err
}

// textOrFile takes a verifier key as it is, and anything else as the name of a
// file with one.
func textOrFile(s string) (string, error) {
	if s == "" || strings.Count(s, "+") >= 2 && !strings.ContainsAny(s, "\n") {
		return s, nil
	}
	text, err := os.ReadFile(s)
	if err != nil {
		return "", fmt.Errorf("%q is neither a public key nor a readable file", s)
	}
	return strings.TrimSpace(string(text)), nil
}

func verify(ctx context.Context, req request, env environment) (ok bool, err error) {
	info, err := os.Stat(req.path)
	if err != nil {
		return false, err
	}
	if info.IsDir() {
		return verifyFolder(ctx, req, env)
	}
	return verifyBundle(req, env, info.Size())
}

func verifyBundle(req request, env environment, size int64) (bool, error) {
	f, err := os.Open(req.path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	r, err := bundle.Verify(f, size, bundle.Options{Key: req.key, WitnessKey: req.witness})
	if err != nil {
		return false, err
	}
	if req.json {
		return r.OK, json.NewEncoder(env.out).Encode(r)
	}
	p := printer{env.out, req.lang}
	p.verdict(r.OK, r.Faults, int64(len(r.Faults)))
	p.say("log %s, %d entries; %s: %d events and %d records proved (%d of them by 8 bytes only)\n",
		"日志 %s，%d 条；%s：已证明 %d 个事件、%d 条记录（其中 %d 项仅比对 8 字节）\n",
		r.Origin, r.Size, r.Case, r.Events, r.Records, r.TagOnly)
	p.notes(r.Notes)
	return r.OK, nil
}

func verifyFolder(ctx context.Context, req request, env environment) (bool, error) {
	if _, err := os.Stat(filepath.Join(req.path, folder.LogDir)); errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("%s is not a data folder: it has no folder %q", req.path, folder.LogDir)
	}
	if _, err := os.Stat(folder.StorePath(req.path)); err != nil {
		return false, fmt.Errorf("the store of the data folder: %w; for a store in PostgreSQL use `cordon verify`", err)
	}
	db, err := sqlite.Open(ctx, folder.StorePath(req.path))
	if err != nil {
		return false, err
	}
	defer db.Close()
	src, err := folder.Source(req.path, db)
	if err != nil {
		return false, err
	}
	src.Key, src.WitnessKey, src.Checkpoints = req.key, req.witness, req.checkpoints
	r, err := evidence.Verify(ctx, src, progress(env.err, req.json))
	if err != nil {
		return false, err
	}
	if req.json {
		return r.OK, json.NewEncoder(env.out).Encode(r)
	}
	p := printer{env.out, req.lang}
	p.verdict(r.OK, r.Faults, r.Total)
	p.say("log %s, %d entries: %d events in %d files, %d records\n", "日志 %s，%d 条：%[4]d 个文件中的 %[3]d 个事件，%[5]d 条记录\n",
		r.Origin, r.Size, r.Events, r.Files, r.Records)
	p.notes(r.Notes)
	return r.OK, nil
}

// progress prints where a long verification is, over itself.
func progress(w io.Writer, quiet bool) func(evidence.Progress) {
	if f, ok := w.(*os.File); quiet || !ok || !terminal(f) {
		return nil
	}
	return func(p evidence.Progress) { fmt.Fprintf(w, "\r\x1b[K%s %d/%d\r", p.Step, p.Done, p.Total) }
}

func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// printer writes for people.
type printer struct {
	w    io.Writer
	lang string
}

func (p printer) say(en, zh string, args ...any) {
	if p.lang == "zh" {
		en = zh
	}
	fmt.Fprintf(p.w, en, args...)
}

const faultsShown = 20

func (p printer) verdict(ok bool, faults []evidence.Fault, total int64) {
	if ok {
		p.say("SOUND: nothing contradicts the log\n", "完好：没有任何内容与日志相矛盾\n")
		return
	}
	p.say("BROKEN: %s\n", "已损坏：%s\n", faults[0].Text.In(p.lang))
	for _, f := range faults[1:min(len(faults), faultsShown)] {
		fmt.Fprintf(p.w, "  - %s\n", f.Text.In(p.lang))
	}
	if total > faultsShown {
		p.say("  ... and %d more\n", "  …… 另有 %d 处\n", total-faultsShown)
	}
}

func (p printer) notes(list []ocsf.Text) {
	for _, n := range list {
		fmt.Fprintf(p.w, "* %s\n", n.In(p.lang))
	}
}
