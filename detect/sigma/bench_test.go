package sigma

// What a core does with the whole public collection, reading of JSON included,
// on the lanes of the sample data. Figures are of the processor's time, so that
// a busy machine does not spoil them:
//
//	go test -run '^$' -bench . ./detect/sigma

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// lane reads the events of a lane, at most n of them; 0 is all.
func lane(t testing.TB, name string, n int) [][]byte {
	t.Helper()
	data := sharedFile(t, "lanes/"+name)
	var in io.Reader
	var err error
	if path.Ext(name) == ".gz" {
		in, err = gzip.NewReader(bytes.NewReader(data))
	} else {
		in, err = zstd.NewReader(bytes.NewReader(data))
	}
	if err != nil {
		t.Fatal(err)
	}
	if data, err = io.ReadAll(in); err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte{'\n'})
	if n > 0 && len(lines) > n {
		step := len(lines) / n // spread over the lane
		for i := range n {
			lines[i] = lines[i*step]
		}
		lines = lines[:n]
	}
	return lines
}

// lanes of the sample data.
var lanes = [...]string{
	"structured_windows.ndjson.zst", "sysmon_file_event.ndjson.zst", "raw_windows.ndjson.zst", "cisco_syslog.ndjson.zst",
	"correlation.ndjson.zst", "mix.ndjson.gz",
}

func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkLanes(b *testing.B) {
	r, _ := corpus(b)
	for _, name := range lanes {
		events := lane(b, name, 10_000)
		b.Run(name+"/routed", func(b *testing.B) { r.over(b, events) })
		b.Run(name+"/everywhere", func(b *testing.B) { r.Everywhere().over(b, events) })
	}
	var processes [][]byte
	for _, ev := range lane(b, "mix.ndjson.gz", 0) {
		if bytes.Contains(ev, []byte(`"process_creation"`)) {
			processes = append(processes, ev)
		}
	}
	b.Run("processes/routed", func(b *testing.B) { r.over(b, processes) })
}

// over shows events to the rules and reports events per second of processor
// time, candidates and matches per event.
func (r *Rules) over(b *testing.B, events [][]byte) {
	l := r.scan(time.UTC)
	for _, ev := range events { // warm
		l.line(ev)
	}
	n, tried, hits := 0, 0, 0
	b.ReportAllocs()
	start := cpu()
	for b.Loop() {
		found, ok := l.line(events[n%len(events)])
		if !ok {
			b.Fatal("no event")
		}
		n++
		tried += l.candidates
		hits += len(found)
	}
	b.ReportMetric(float64(n)/(cpu()-start).Seconds(), "events/cpu-s")
	b.ReportMetric(float64(tried)/float64(n), "candidates")
	b.ReportMetric(float64(hits)/float64(n), "hits")
}

func BenchmarkLoad(b *testing.B) {
	dir := b.TempDir()
	for name, f := range shared(b, "sigma/rules.tar.zst") {
		if path.Ext(name) != ".yml" || path.Base(name) == "thor.yml" {
			continue
		}
		if err := os.MkdirAll(path.Join(dir, path.Dir(name)), 0o700); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path.Join(dir, name), f.Data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	n, start := 0, cpu()
	for b.Loop() {
		r, _ := Load(os.DirFS("../../content/rules"), os.DirFS(dir))
		n++
		if r.Len() < 3700 {
			b.Fatal(r.Len())
		}
	}
	b.ReportMetric(float64((cpu()-start).Milliseconds())/float64(n), "cpu-ms/load")
}

// TestMemory measures what the whole collection keeps.
func TestMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r, _ := corpus(t)
	runtime.GC()
	runtime.ReadMemStats(&after)
	size := (after.HeapAlloc - before.HeapAlloc) >> 20
	t.Logf("%d rules in %d MiB", r.Len(), size)
	if size > 100 {
		t.Errorf("the rules take %d MiB", size)
	}
	runtime.KeepAlive(r)
}
