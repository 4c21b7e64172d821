package folder

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store/sqlite"
)

func markOf(f lake.FileInfo) evidence.FileMark {
	return evidence.FileMark{Name: f.Name, SHA256: f.SHA256, Rows: f.Rows, FirstSeq: f.FirstSeq, LastSeq: f.LastSeq}
}

// Verify beside a server that logs, stores and compacts finds no fault.
func TestBesideServer(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	for _, d := range []string{filepath.Join(dir, BlobDir), filepath.Dir(StorePath(dir))} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	quiet := slog.New(slog.DiscardHandler)
	db, err := sqlite.Open(ctx, StorePath(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	log, err := evidence.Open(ctx, evidence.Config{Dir: filepath.Join(dir, LogDir), Interval: 100 * time.Millisecond}, db, time.Now, quiet)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Open(ctx, lake.Config{Dir: t.TempDir()}, db, disk{filepath.Join(dir, BlobDir)}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	running, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { _ = log.Run(running) }()
	go func() { done <- serve(running, db, log, l) }()
	src, err := Source(dir, db)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(2 * time.Second)
	for n := 0; time.Now().Before(deadline); n++ {
		r, err := evidence.Verify(ctx, src, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !r.OK {
			t.Fatalf("run %d: %v", n, r.Faults[:min(3, len(r.Faults))])
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := log.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if r, err := evidence.Verify(ctx, src, nil); err != nil || !r.OK || r.WaitingEvents != 0 || r.Events == 0 {
		t.Errorf("at the end: %+v, %v", r, err)
	}
}

// serve is the pipeline in small.
func serve(ctx context.Context, db interface {
	Update(context.Context, func(*sql.Tx) error) error
}, log *evidence.Log, l *lake.Lake) error {
	for seq := 1; ctx.Err() == nil; seq++ {
		var evs []*ocsf.Event
		var rows []lake.Row
		for i := range 20 {
			ev := event(seq, i)
			evs, rows = append(evs, ev), append(rows, lake.Row{Event: ev, Seq: uint64(seq), Index: uint32(i)})
		}
		whole := context.WithoutCancel(ctx)
		if err := log.Events(whole, uint64(seq), evs); err != nil {
			return err
		}
		l.Append(rows)
		if err := log.Flush(whole); err != nil {
			return err
		}
		batch, err := l.Flush(whole)
		if err != nil {
			return err
		}
		err = db.Update(whole, func(tx *sql.Tx) error {
			if err := batch.Commit(tx); err != nil {
				return err
			}
			for _, f := range batch.Files {
				if err := log.File(tx, markOf(f)); err != nil {
					return err
				}
			}
			_, err := log.Put(tx, evidence.Record{Kind: "k", ID: "1", Time: int64(seq), Score: float64(seq), Body: []byte(`{}`)})
			return err
		})
		if err != nil {
			return err
		}
		batch.Done()
		if seq%5 != 0 {
			continue
		}
		err = l.Compact(whole, func(tx *sql.Tx, c lake.Change) error {
			var old []string
			var made []evidence.FileMark
			for _, f := range c.Old {
				old = append(old, f.Name)
			}
			for _, f := range c.New {
				made = append(made, markOf(f))
			}
			return log.Replace(tx, old, made, "", nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
