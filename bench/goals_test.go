package bench

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cordon-health/cordon/internal/pgtest"
	"github.com/cordon-health/cordon/simulate"
)

// The flags of a run: go test ./bench -run TestGoals -timeout 6h -measure
var (
	measure  = flag.Bool("measure", false, "measure; without it only the tools of measuring are tested")
	events   = flag.Int64("events", 1_000_000, "access events end to end")
	imported = flag.Int64("import", 0, "events to import; 0 is as many as -events")
	staff    = flag.Int("staff", 1000, "members of staff of the load's hospital, with ten patients each")
	seeds    = flag.String("seeds", "9001,9002,9003,9004,9005,9006", "hospitals to judge accuracy on, none of which detectors were tuned on")
	habits   = flag.String("habits", "seed", "their habits: seed for those that belong to it, plain for none, or names with commas")
	judged   = flag.String("judged", "400,30", "their members of staff and days")
	length   = flag.Duration("warn", 30*time.Second, "how long arrival to warning is measured")
	only     = flag.String("only", "", "comma-separated parts: sigma, dicom, deid, scan, release, gateway, capture, zone, serve, import, accuracy, peers; empty is all")
	binary   = flag.String("binary", "", "a cordon to measure instead of building one")
	report   = flag.String("out", "", "also write the report to this file")
	place    = flag.String("dir", "", "make the temporary folder here instead of in the system's")
)

// TestGoals measures and prints the report. A missed goal does not fail it,
// something that could not be measured does.
func TestGoals(t *testing.T) {
	if !*measure {
		t.Skip("measuring takes minutes and a quiet machine: make bench")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp(*place, "cordon-bench-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	r := &run{t: t, ctx: ctx, dir: dir, report: Report{Machine: ThisMachine(), Begun: time.Now()}}
	r.all()
	if err := r.report.Markdown(os.Stdout); err != nil {
		t.Error(err)
	}
	if *report != "" {
		if err := toFile(*report, r.report.Markdown); err != nil {
			t.Error(err)
		}
	}
}

// run is one measurement of everything.
type run struct {
	t      *testing.T
	ctx    context.Context
	dir    string
	report Report

	program *Program
	load    *Load
	speed   int64 // events/s end to end
	sent    int64 // events stored while serving
}

func (r *run) say(text string) {
	fmt.Fprintln(os.Stderr, time.Now().UTC().Format(time.TimeOnly), text)
}

func (r *run) wants(part string) bool {
	return *only == "" || strings.Contains(","+*only+",", ","+part+",")
}

// part runs one part; what fails is in the report, and the rest goes on.
func (r *run) part(name string, fn func() error) {
	if !r.wants(name) || r.ctx.Err() != nil {
		return
	}
	r.say(name + " ...")
	begun := time.Now()
	if err := fn(); err != nil {
		r.report.Fail(name, err)
		r.t.Errorf("%s: %v", name, err)
	}
	r.say(fmt.Sprintf("%s took %s", name, time.Since(begun).Round(time.Second)))
}

func (r *run) all() {
	r.part("sigma", r.sigma)
	r.part("dicom", r.dicom)
	r.part("deid", r.deid)
	r.part("scan", r.scan)
	r.part("release", r.release)
	r.part("gateway", r.gateway)
	r.part("capture", r.capture)
	r.part("zone", r.zone)
	if slices.Contains([]string{"sigma", "dicom", "deid", "scan", "release", "gateway", "capture", "zone"}, *only) {
		return
	}
	if err := r.build(); err != nil {
		r.t.Error(err)
		r.report.Fail("build", err)
		return
	}
	if r.wants("serve") || r.wants("import") || r.wants("peers") {
		if err := r.invent(); err != nil {
			r.t.Error(err)
			r.report.Fail("simulate", err)
			return
		}
	}
	r.part("serve", r.serve)
	r.part("import", r.importing)
	r.part("accuracy", r.accuracy)
	r.part("peers", r.peers)
}

func (r *run) build() (err error) {
	r.say("building cordon ...")
	r.program, err = Build(r.ctx, r.dir, *binary)
	return err
}

func (r *run) invent() (err error) {
	begun := time.Now()
	if r.load, err = NewLoad(filepath.Join(r.dir, "load"), 9001, *staff, *events); err != nil {
		return err
	}
	r.say(fmt.Sprintf("hospital invented in %s: %d HL7 messages, %d patients with accesses, each access %d times",
		time.Since(begun).Round(time.Second), r.load.Messages, len(r.load.Patients), r.load.Copies))
	return nil
}

func (r *run) serve() error {
	data := filepath.Join(r.dir, "served")
	defer os.RemoveAll(data)
	err := r.while(data, func(s *Server) error {
		hl7, err := Prepare(r.ctx, s, r.load)
		r.report.Add(hl7)
		return err
	})
	if err != nil {
		return err
	}
	if err := r.while(data, r.served); err != nil {
		return err
	}
	r.report.Add(Size(data, r.sent, r.load.Copies))
	return nil
}

// while runs a server as long as fn.
func (r *run) while(data string, fn func(*Server) error) error {
	s, err := r.program.Serve(r.ctx, data)
	if err != nil {
		return err
	}
	return errors.Join(fn(s), s.Stop())
}

func (r *run) served(s *Server) error {
	lines, err := Feed(r.ctx, s, r.load, r.say)
	if err != nil {
		return err
	}
	r.speed, _ = strconv.ParseInt(strings.NewReplacer(",", "", "/s", "").Replace(lines[0].Measured), 10, 64)
	r.report.Add(lines...)
	r.say(lines[0].Measured + "; " + lines[1].Measured)
	warned, err := Warn(r.ctx, s, r.load, *length)
	if err != nil {
		return err
	}
	r.report.Add(warned...)
	asked, err := Ask(r.ctx, s, r.load, 300)
	if err != nil {
		return err
	}
	r.report.Add(asked...)
	r.sent, err = s.Stored(r.ctx)
	return err
}

func (r *run) importing() error {
	l := *r.load
	if *imported > 0 {
		l.Events = *imported
		l.Copies = max(l.Copies, int((l.Events*int64(l.Copies)+r.load.Events-1)/r.load.Events))
	}
	files, err := l.WriteFiles()
	if err != nil {
		return err
	}
	defer os.RemoveAll(files)
	data := filepath.Join(r.dir, "imported")
	defer os.RemoveAll(data)
	line, err := Import(r.ctx, r.program, &l, files, data)
	if err == nil {
		r.report.Add(line)
	}
	return err
}

func (r *run) accuracy() error {
	var list []uint64
	for text := range strings.SplitSeq(*seeds, ",") {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return fmt.Errorf("-seeds: %w", err)
		}
		list = append(list, n)
	}
	var size simulate.Config
	if _, err := fmt.Sscanf(*judged, "%d,%d", &size.Staff, &size.Days); err != nil {
		return fmt.Errorf("-judged: staff and days, such as 400,30: %w", err)
	}
	a, err := JudgeAll(r.ctx, r.program, r.dir, list, size, *habits, r.say)
	if err != nil {
		return err
	}
	r.report.Add(a.Lines()...)
	r.report.Tables = append(r.report.Tables, a.Tables()...)
	return nil
}

func (r *run) peers() error {
	p, err := NewPeers(r.load, 100_000)
	if err != nil {
		return err
	}
	rows, err := p.Reading()
	if err != nil {
		return err
	}
	kept, err := p.Keeping(r.ctx, filepath.Join(r.dir, "peer.db"), r.postgres(), r.speed)
	if err != nil {
		return err
	}
	r.report.Tables = append(r.report.Tables, Table{Title: "Beside others", Header: []string{"what", "speed", "against ours"}, Rows: append(rows, kept...),
		Note: "On the first 100,000 events, on one core but for Cordon as a whole, which has both and also explains, judges and proves."})
	return nil
}

// postgres is a database to compare with, where there is one.
func (r *run) postgres() (url string) {
	r.t.Run("postgres", func(t *testing.T) {
		url = pgtest.Start(outlive{t, r.t})
	})
	return url
}

// outlive is a subtest whose cleanups wait for its parent.
type outlive struct {
	testing.TB
	parent testing.TB
}

func (o outlive) Cleanup(f func()) { o.parent.Cleanup(f) }
