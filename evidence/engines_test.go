package evidence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cordon-health/cordon/internal/pgtest"
	"github.com/cordon-health/cordon/internal/smalldisk"
)

// The same on PostgreSQL, with a second node that writes records too.
func TestPostgres(t *testing.T) {
	t.Parallel()
	s := &site{t: t, dir: t.TempDir(), url: pgtest.Start(t)}
	s.furnish()
	if r := s.verify(); !r.OK || r.Events != 20 || r.Records != 6 {
		t.Fatalf("report %+v", r)
	}
	s.open()
	other := s.openStore()
	var both sync.WaitGroup
	for node, db := range map[string]interface {
		Update(context.Context, func(*sql.Tx) error) error
	}{"a": s.db, "b": other} {
		both.Go(func() {
			for i := range 20 {
				err := db.Update(context.Background(), func(tx *sql.Tx) error {
					_, err := s.Put(tx, Record{Kind: "k", ID: fmt.Sprintf("%s%d", node, i%7), Body: fmt.Appendf(nil, "%d", i)})
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if n, err := s.Count(context.Background(), Filter{Kind: "k"}); n != 14 || err != nil {
		t.Errorf("%d records, %v", n, err)
	}
	if list, err := s.List(context.Background(), Filter{Offset: 1, Order: "score"}); len(list) != 17 || err != nil {
		t.Errorf("%d records, %v", len(list), err)
	}
	s.sync()
	s.close()
	if r := s.verify(); !r.OK || r.Records != 46 {
		t.Errorf("report %+v", r)
	}
	s.execRaw(`DELETE FROM records WHERE id = 'c1' AND version = 2`)
	expect(t, s.verify(), "record case c1 version 2 (row 3) is missing")
}

// A really full disk.
func TestFullFileSystem(t *testing.T) {
	t.Parallel()
	s := &site{t: t, dir: t.TempDir()}
	small := smalldisk.Mount(t, 1<<20)
	cfg := s.config()
	cfg.Dir = filepath.Join(small, "evidence")
	s.openWith(cfg)
	s.events(1, batchOf(1, 10)...)
	s.sync()
	filler := filepath.Join(small, "filler")
	fill(t, filler)
	s.events(2, batchOf(2, 500)...)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.Sync(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("synced on a full disk: %v", err)
	}
	if p := s.Problems(); len(p) != 1 || p[0].Code != problemWaiting {
		t.Errorf("problems %v", p)
	}
	remove(t, filler)
	s.sync()
	if err := s.Err(); err != nil {
		t.Error(err)
	}
	s.close()
	if r := s.verify(func(src *Source) { src.Log, src.File = os.DirFS(cfg.Dir), nil }); !r.OK || r.Entries != 3 {
		t.Errorf("report %+v", r)
	}
}

func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
