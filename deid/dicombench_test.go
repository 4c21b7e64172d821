package deid

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/cordon-health/cordon/classify"
)

// BenchmarkDICOM de-identifies the samples: their headers alone, with pixels
// passed through, and with pixels looked at. bench has the measurement that
// counts processor time and compares with others.
func BenchmarkDICOM(b *testing.B) {
	files, err := filepath.Glob(filepath.Join(sharedDICOM(b, "dicom"), "*.dcm"))
	if err != nil {
		b.Fatal(err)
	}
	var sources []classify.Source
	var total int64
	for _, path := range files {
		in, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		sources = append(sources, classify.BytesSource(filepath.Base(path), in))
		total += int64(len(in))
	}
	for _, options := range [][]string{{dropPixels}, {keepPixels}, nil} {
		name := "look"
		if options != nil {
			name = options[0]
		}
		b.Run(name, func(b *testing.B) { benchDICOM(b, sources, total, options) })
	}
}

func benchDICOM(b *testing.B, sources []classify.Source, total int64, options []string) {
	job := dicomJob(b)
	p, err := Open(dicomBasic, Setup{Options: options})
	if err != nil {
		b.Fatal(err)
	}
	var out bytes.Buffer
	b.SetBytes(total)
	for b.Loop() {
		for _, src := range sources {
			out.Reset()
			if _, err := p.Apply(context.Background(), src, &out, job); err == nil && out.Len() == 0 {
				b.Fatal(io.ErrShortWrite)
			}
		}
	}
	b.ReportMetric(float64(len(sources))*float64(b.N)/b.Elapsed().Seconds(), "files/s")
}
