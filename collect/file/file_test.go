package file

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/collect"
)

type cursors map[string]string

func (c cursors) Load(_ context.Context, name string) (string, error) { return c[name], nil }
func (c cursors) Save(_ context.Context, name, v string) error        { c[name] = v; return nil }

type lines struct {
	got  []string
	fail int
}

func (l *lines) Deliver(_ context.Context, items ...collect.Item) ([]collect.Receipt, error) {
	if l.fail > 0 {
		l.fail--
		return nil, errors.New("disk full")
	}
	for _, it := range items {
		l.got = append(l.got, strings.Split(strings.TrimSpace(string(it.Data)), "\n")...)
	}
	return make([]collect.Receipt, len(items)), nil
}

func byLine(_ string, r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for s := bufio.NewScanner(r); s.Scan(); {
			if !yield(slices.Clone(s.Bytes()), nil) {
				return
			}
		}
	}
}

type world struct {
	t    *testing.T
	cfg  Config
	cur  cursors
	sink lines
	c    *Collector
}

func newWorld(t *testing.T, mode, format string) *world {
	w := &world{t: t, cur: cursors{}}
	w.cfg = Default()
	w.cfg.Path, w.cfg.Mode, w.cfg.Format = filepath.Join(t.TempDir(), "audit.log"), mode, format
	w.restart()
	return w
}

func (w *world) restart() {
	c, err := New(w.cfg, byLine, w.cur, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	w.c = c
}

func (w *world) look() { w.c.Look(context.Background(), &w.sink) }

func (w *world) write(text string) {
	w.t.Helper()
	f, err := os.OpenFile(w.cfg.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) rename(suffix string) {
	if err := os.Rename(w.cfg.Path, w.cfg.Path+suffix); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) want(want ...string) {
	w.t.Helper()
	if !slices.Equal(w.sink.got, want) {
		w.t.Fatalf("got %q\nwant %q", w.sink.got, want)
	}
}

func TestFollow(t *testing.T) {
	w := newWorld(t, "follow", "syslog")
	w.look() // no file yet
	w.write("one\ntwo\nthr")
	w.look()
	w.want("one", "two") // the third line is not complete
	w.write("ee\n")
	w.look()
	w.want("one", "two", "three")
	w.restart()
	w.look()
	w.want("one", "two", "three") // nothing again
}

func TestFailedDeliveryIsRepeated(t *testing.T) {
	w := newWorld(t, "follow", "syslog")
	w.sink.fail = 2
	w.write("one\n")
	w.look()
	w.look()
	w.want()
	w.look()
	w.want("one")
}

func TestRotation(t *testing.T) {
	w := newWorld(t, "follow", "syslog")
	w.write("one\n")
	w.look()
	w.write("two\nlast without end")
	w.rename(".1")
	w.write("three\n")
	w.look()
	w.want("one", "two", "last without end", "three")
}

func TestRotationWhileDown(t *testing.T) {
	w := newWorld(t, "follow", "syslog")
	w.write(strings.Repeat("x", 300) + "\n")
	w.look()
	w.write("two\n")
	w.rename(".1")
	w.write("three\n")
	w.restart()
	w.look()
	w.want(strings.Repeat("x", 300), "two", "three")
}

func TestTruncation(t *testing.T) {
	w := newWorld(t, "follow", "syslog")
	w.write("a long first line\n")
	w.look()
	if err := os.Truncate(w.cfg.Path, 0); err != nil {
		t.Fatal(err)
	}
	w.write("new\n")
	w.look()
	w.want("a long first line", "new")
}

func TestCSVKeepsItsHeader(t *testing.T) {
	w := newWorld(t, "follow", "csv")
	w.write("id,who\n1,a\n")
	w.look()
	w.write("2,b\n")
	w.look()
	w.want("id,who", "1,a", "id,who", "2,b")
}

func TestWholeFile(t *testing.T) {
	w := newWorld(t, "whole", "hl7v2")
	w.write("one\n")
	w.look()
	w.write("two\n")
	w.look() // still growing
	w.want()
	w.look()
	w.want("one", "two")
	w.look()
	w.restart()
	w.look()
	w.look()
	w.want("one", "two")
}

func TestLargeFileInChunks(t *testing.T) {
	w := newWorld(t, "follow", "syslog")
	var b strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&b, "line %06d\n", i)
	}
	w.write(b.String())
	w.look()
	if len(w.sink.got) != 200_000 || w.sink.got[199_999] != "line 199999" {
		t.Fatalf("%d lines", len(w.sink.got))
	}
}
