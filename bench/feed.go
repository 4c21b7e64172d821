package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

const (
	feedSource = "bench-fhir"
	senders    = 4
	bodyEvents = 500
)

// Prepare gives the server the hospital: its lists, then all of its HL7.
func Prepare(ctx context.Context, s *Server, l *Load) (Line, error) {
	for _, name := range []string{"directory", "roster", "tickets", "watchlist"} {
		text, err := os.ReadFile(l.List(name))
		if err != nil {
			return Line{}, err
		}
		if _, _, err := s.ask(ctx, "POST", "/api/v1/import/"+name, text); err != nil {
			return Line{}, err
		}
	}
	begun := time.Now()
	var accepted int64
	err := eachPart(l.HL7(), "\n\n", 400, func(body []byte) error {
		n, err := s.Post(ctx, "hl7v2", "bench-hl7", body)
		accepted += n
		return err
	})
	if err != nil {
		return Line{}, err
	}
	if err := settle(ctx, s, "bench-hl7", accepted); err != nil {
		return Line{}, err
	}
	took := time.Since(begun)
	return Line{What: "HL7 v2 messages over HTTP, one sender", Measured: count(rate(int64(l.Messages), took)) + "/s", How: count(int64(l.Messages)) + " messages"}, nil
}

// settle waits until the pipeline has worked on n records of a source. It
// gives up when nothing moves for a minute.
func settle(ctx context.Context, s *Server, source string, n int64) error {
	var last int64 = -1
	moved := time.Now()
	for {
		stored, repeated, err := s.Worked(ctx, source)
		if err != nil {
			return err
		}
		if stored+repeated >= n {
			return nil
		}
		if stored+repeated != last {
			last, moved = stored+repeated, time.Now()
		}
		if time.Since(moved) > time.Minute {
			return fmt.Errorf("the server stands still at %d of %d events: %s", last, n, s.complaint())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Feed measures events end to end: from the first byte of the first request to
// the moment when every event has been stored, explained, judged and put into
// evidence, as the Sources page counts them. Four senders post bodies of 500
// AuditEvents (NDJSON); each request is answered when its events are durable.
func Feed(ctx context.Context, s *Server, l *Load, progress func(string)) ([]Line, error) {
	begun, cpu := time.Now(), s.CPU()
	accepted, err := send(ctx, s, l, func(text string) {
		rss, _ := s.Memory()
		progress(text + ", resident " + mebibytes(rss))
	})
	if err != nil {
		return nil, err
	}
	sent := time.Since(begun)
	stored, repeated, err := s.Worked(ctx, feedSource)
	if err != nil {
		return nil, err
	}
	if err := settle(ctx, s, feedSource, accepted); err != nil {
		return nil, err
	}
	took, cpu := time.Since(begun), s.CPU()-cpu
	rss, most := s.Memory()
	perSecond := rate(l.Events, took)
	return []Line{
		{
			What: fmt.Sprintf("access events end to end (%s events)", count(l.Events)), Goal: "≥ 20,000/s", Measured: count(perSecond) + "/s", Met: judge(perSecond >= 20_000),
			How: fmt.Sprintf("FHIR over HTTP until explained, judged, stored and logged; accepted (durable) at %s/s, %s behind then; server used %.0f µs of processor per event",
				count(rate(l.Events, sent)), count(accepted-stored-repeated), cpu.Seconds()*1e6/float64(l.Events)),
		},
		{
			What: fmt.Sprintf("resident memory after %s events", count(l.Events)), Goal: "< 1 GiB", Measured: mebibytes(rss), Met: judge(rss < 1<<30),
			How: "VmRSS at the end; at most " + mebibytes(most) + " (VmHWM)",
		},
	}, nil
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

// send posts the load with all senders and returns how many events it became.
func send(ctx context.Context, s *Server, l *Load, progress func(string)) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	bodies, spare := make(chan []byte, senders), make(chan []byte, 2*senders+2)
	var wg sync.WaitGroup
	var accepted atomic.Int64
	for range senders {
		wg.Go(func() {
			for body := range bodies {
				n, err := s.Post(ctx, "fhir-auditevent", feedSource, body)
				if err != nil {
					cancel(err)
				}
				accepted.Add(n)
				select {
				case spare <- body[:0]:
				default:
				}
			}
		})
	}
	err := fill(ctx, l, bodies, spare, progress)
	close(bodies)
	wg.Wait()
	return accepted.Load(), errors.Join(err, context.Cause(ctx))
}

// fill gathers events into bodies.
func fill(ctx context.Context, l *Load, bodies chan<- []byte, spare <-chan []byte, progress func(string)) error {
	var body []byte
	var inBody int
	var total int64
	hand := func() error {
		select {
		case bodies <- body:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case body = <-spare:
		default:
			body = nil
		}
		inBody = 0
		return nil
	}
	begun := time.Now()
	err := l.Each(func(line []byte) error {
		body = append(body, line...)
		inBody++
		if total++; total%500_000 == 0 {
			progress(fmt.Sprintf("%s of %s events sent, %s/s", count(total), count(l.Events), count(rate(total, time.Since(begun)))))
		}
		if inBody < bodyEvents {
			return nil
		}
		return hand()
	})
	if err == nil && inBody > 0 {
		err = hand()
	}
	return err
}

// eachPart cuts a file into parts of so many records.
func eachPart(path, separator string, records int, fn func([]byte) error) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for len(text) > 0 {
		end, n := 0, 0
		for n < records && end < len(text) {
			i := indexFrom(text, separator, end)
			end, n = i, n+1
		}
		if err := fn(text[:end]); err != nil {
			return err
		}
		text = text[end:]
	}
	return nil
}

// Size measures what a stored event costs on disk: all files of a stopped
// server, but for those of the bus, which forgets what was worked on, over all
// events that went in, HL7 included. What the hospital itself takes (people,
// care relationships, some megabytes) is counted too.
// Copies of an access compress better than accesses of their own would, so the
// number of copies stands beside the figure.
func Size(data string, events int64, copies int) Line {
	now := Measure(data)
	per := func(n int64) float64 { return float64(n) / float64(max(events, 1)) }
	files, proof, store := per(now.Blob), per(now.Evidence), per(now.Store)
	all := files + proof + store
	return Line{
		What: "stored bytes per event", Goal: "≤ 60", Measured: fmt.Sprintf("%.0f", all), Met: judge(all <= 60),
		How: fmt.Sprintf("over %s events of all kinds (each access %d times): Parquet and filters %.1f, evidence %.1f, records %.1f (%s: findings, cases, manifest, and what is known of the hospital's patients, which does not grow with accesses)",
			count(events), copies, files, proof, store, mebibytes(now.Store)),
	}
}

// Sizes are bytes on disk.
type Sizes struct{ Blob, Evidence, Store int64 }

// Measure adds up a data folder.
func Measure(data string) Sizes {
	return Sizes{Blob: folderSize(filepath.Join(data, "blob")), Evidence: folderSize(filepath.Join(data, "evidence")), Store: folderSize(filepath.Join(data, "store"))}
}

// folderSize adds up the bytes of files; what vanishes meanwhile is not there.
func folderSize(dir string) int64 {
	var sum int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}

// indexFrom is the place behind the next separator, or the end.
func indexFrom(text []byte, separator string, from int) int {
	if i := bytes.Index(text[from:], []byte(separator)); i >= 0 {
		return from + i + len(separator)
	}
	return len(text)
}
