package classify

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

func newEngine(t testing.TB, cfg Config) *Engine {
	t.Helper()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// spelled writes the spans of a text as "kind value; kind value".
func spelled(e *Engine, spans []Span, text string) string {
	var out []string
	for _, s := range spans {
		out = append(out, e.KindName(s.Kind)+" "+text[s.Start:s.End])
	}
	return strings.Join(out, "; ")
}

// data opens the sample data beside the repository, or skips.
func data(t testing.TB, parts ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			name := filepath.Join(append([]string{dir, "..", "shared", "data"}, parts...)...)
			if _, err := os.Stat(name); err == nil {
				return name
			}
			break
		}
		dir = filepath.Dir(dir)
	}
	t.Skipf("there is no sample data %s beside the repository", filepath.Join(parts...))
	return ""
}

func corpus(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(data(t, "scan", name+".zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func corpora() []string {
	return []string{"01_fhir.json", "02_zh_law_negative.txt", "03_zh_notes.txt", "04_hl7.txt", "05_export.csv", "06_en_logs.txt"}
}

func BenchmarkScan(b *testing.B) {
	e := newEngine(b, Config{})
	if os.Getenv("ALONE") != "" {
		e = newEngine(b, Config{Off: Words()})
	}
	for _, name := range corpora() {
		text := corpus(b, name)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			var spans []Span
			begun := cpu()
			for range b.N {
				spans = e.Scan(spans[:0], text, Discover)
			}
			b.ReportMetric(float64(len(text)*b.N)/1e6/(cpu()-begun).Seconds(), "cpuMB/s")
			b.ReportMetric(float64(len(spans)), "spans")
		})
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
