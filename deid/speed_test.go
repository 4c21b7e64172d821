package deid

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/cordon-health/cordon/classify"
)

// BenchmarkHL7 rewrites the shared messages with the engine.
func BenchmarkHL7(b *testing.B) {
	files, _ := filepath.Glob(filepath.Join(sharedData(b, "hl7v2"), "*.hl7"))
	var in []byte
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		in = append(bytes.TrimRight(append(in, data...), "\r\n"), '\r')
	}
	benchProfile(b, "hl7v2", in)
}

// BenchmarkFHIR rewrites two megabytes of Synthea with the engine.
func BenchmarkFHIR(b *testing.B) {
	in := unpack(b, sharedData(b, "scan/01_fhir.json.zst"))
	benchProfile(b, "fhir", in[:bytes.Index(in, []byte("\n}"))+2])
}

func benchProfile(b *testing.B, name string, in []byte) {
	p, job := openProfile(b, name), engineJob(b)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Apply(b.Context(), classify.BytesSource("x", in), io.Discard, job); err != nil {
			b.Fatal(err)
		}
	}
}
