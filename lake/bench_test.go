//go:build unix

package lake

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cordon-health/cordon/blob/folder"
	"github.com/cordon-health/cordon/store/sqlite"
)

// TestScale measures a lake of CORDON_SCALE events over 60 days in
// CORDON_SCALE_DIR (kept, and used again when it exists).
func TestScale(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("CORDON_SCALE"))
	dir := os.Getenv("CORDON_SCALE_DIR")
	if n == 0 || dir == "" {
		t.Skip("set CORDON_SCALE=10000000 and CORDON_SCALE_DIR=FOLDER to measure")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	blobs, err := folder.Open(filepath.Join(dir, "blob"))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	l, err := Open(t.Context(), Config{Dir: filepath.Join(dir, "lake")}, db, blobs, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Logf("open with %d files: %v", len(l.Files()), time.Since(start))
	h := newHospital(1, 20000, 800)
	if l.Stats().Rows == 0 {
		scaleImport(t, l, h, n)
	}
	s := l.Stats()
	t.Logf("%d files, %d rows, %.2f B/event, with filters %.2f", s.Files, s.Rows, float64(s.Bytes)/float64(s.Rows), float64(onDisk(t, dir))/float64(s.Rows))
	report(t, "patient, any time", 300, func(i int) (int, error) {
		evs, err := l.Accesses(t.Context(), AccessQuery{Patient: h.patientID(i * 61 % 20000)})
		return len(evs), err
	})
	report(t, "patient, newest 50", 100, func(i int) (int, error) {
		evs, err := l.Accesses(t.Context(), AccessQuery{Patient: h.patientID(i * 67 % 20000), Limit: 50})
		return len(evs), err
	})
	report(t, "person, newest 200", 50, func(i int) (int, error) {
		evs, err := l.Accesses(t.Context(), AccessQuery{Person: h.staff[i*7%800].UID, Limit: 200})
		return len(evs), err
	})
	report(t, "person, any time", 3, func(i int) (int, error) {
		evs, err := l.Accesses(t.Context(), AccessQuery{Person: h.staff[i*7%800].UID})
		return len(evs), err
	})
	evs, err := l.Accesses(t.Context(), AccessQuery{Patient: h.patientID(5)})
	if err != nil {
		t.Fatal(err)
	}
	report(t, "event by uid", len(evs)/4, func(i int) (int, error) {
		_, err := l.Event(t.Context(), evs[i*4].Metadata.UID)
		return 1, err
	})
	report(t, "no such event", 100, func(i int) (int, error) {
		_, _ = l.Event(t.Context(), h.uuid())
		return 0, nil
	})
	t.Logf("RSS: %s", rss())
	debug.FreeOSMemory()
	t.Logf("RSS after FreeOSMemory: %s", rss())
}

// scaleImport imports n events in the order of time and says what it took.
func scaleImport(t *testing.T, l *Lake, h *hospital, n int) {
	var known, appended, flushed time.Duration
	clock := func() time.Time { return time.Time{}.Add(cpu()) }
	since := func(t time.Time) time.Duration { return clock().Sub(t) }
	for d := range int64(60) {
		for range n / 60 / 1000 {
			rows := h.part(20000+d, n/60, 1000)
			start := clock()
			found, err := l.Known(t.Context(), events(rows))
			if err != nil || slices.Contains(found, true) {
				t.Fatal("fresh events are known", err)
			}
			known += since(start)
			start = clock()
			l.Append(rows)
			appended += since(start)
			if l.Due(time.Time{}) {
				start = clock()
				flush(t, l)
				flushed += since(start)
			}
		}
	}
	start := clock()
	flush(t, l)
	flushed += since(start)
	per := func(d time.Duration) time.Duration { return d / time.Duration(n) }
	t.Logf("CPU of import in the order of time: known %v, append %v, flush %v per event", per(known), per(appended), per(flushed))
	t.Logf("%d files; RSS %s", l.Stats().Files, rss())
	start = clock()
	if err := l.Compact(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	t.Logf("compact to %d files: CPU %v; RSS %s", l.Stats().Files, since(start), rss())
}

func report(t *testing.T, what string, n int, ask func(i int) (int, error)) {
	t.Helper()
	var took []time.Duration
	rows, used := 0, cpu()
	for i := range n {
		start := time.Now()
		k, err := ask(i)
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(start))
		rows += k
	}
	first := took[0]
	slices.Sort(took)
	t.Logf("%-20s p50 %v p99 %v first %v, CPU %v, %d rows each", what, took[n/2], took[n*99/100], first, (cpu()-used)/time.Duration(n), rows/n)
}

// cpu is the processor time used so far: on a busy machine it says more than
// the clock.
func cpu() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func rss() string {
	data, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "VmRSS") {
			return strings.Join(strings.Fields(line)[1:], " ")
		}
	}
	return "?"
}

func onDisk(t *testing.T, dir string) (n int64) {
	err := filepath.Walk(filepath.Join(dir, "blob"), func(_ string, x os.FileInfo, err error) error {
		if err == nil && !x.IsDir() {
			n += x.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func BenchmarkAppendFlush(b *testing.B) {
	l, m := testLake(b, Config{})
	h := newHospital(1, 20000, 800)
	var bytes, n int64
	for b.Loop() {
		b.StopTimer()
		rows := h.day(20000, 20000)
		b.StartTimer()
		l.Append(rows)
		for _, x := range flush(b, l).Files {
			bytes, n = bytes+x.Bytes, n+x.Rows
		}
		clear(m.blobs)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
	b.ReportMetric(float64(bytes)/float64(n), "B/event")
}

// BenchmarkKnown asks for fresh events, in the order of time, of a day of
// which files exist already; 60 other days have files too.
func BenchmarkKnown(b *testing.B) {
	l, _ := testLake(b, Config{})
	h := newHospital(1, 20000, 800)
	for d := range int64(61) {
		l.Append(h.day(20000+d, 2000))
		flush(b, l)
	}
	for _, c := range []struct {
		name string
		rows []Row
	}{{"fresh", h.day(20060, 50_000)}, {"later", h.day(20061, 50_000)}} {
		b.Run(c.name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				part := c.rows[n%50*1000:][:1000]
				if _, err := l.Known(b.Context(), events(part)); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(1000*n), "ns/event")
		})
	}
}

// BenchmarkKnownAgain imports everything a second time.
func BenchmarkKnownAgain(b *testing.B) {
	l, _ := testLake(b, Config{})
	h := newHospital(1, 20000, 800)
	var rows []Row
	for d := range int64(20) {
		day := h.day(20000+d, 5000)
		rows = append(rows, day...)
		l.Append(day)
		flush(b, l)
	}
	n := 0
	for b.Loop() {
		part := rows[n%100*1000:][:1000]
		known, err := l.Known(b.Context(), events(part))
		if err != nil || slices.Contains(known, false) {
			b.Fatal("an event is not known", err)
		}
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(1000*n), "ns/event")
}

func BenchmarkPatient(b *testing.B) {
	l, _ := testLake(b, Config{})
	h := newHospital(1, 2000, 200)
	for d := range int64(10) {
		l.Append(h.day(20000+d, 10_000))
		flush(b, l)
	}
	n := 0
	for b.Loop() {
		if _, err := l.Accesses(b.Context(), AccessQuery{Patient: h.patientID(n * 7 % 2000)}); err != nil {
			b.Fatal(err)
		}
		n++
	}
}
