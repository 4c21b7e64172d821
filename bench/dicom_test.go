package bench

import (
	"context"
	"testing"
)

// TestDICOMTools tests what the measurement stands on: samples without pixels
// are still DICOM, and are de-identified.
func TestDICOMTools(t *testing.T) {
	samples, err := dicomSamples()
	if err != nil {
		t.Skip(err)
	}
	d, err := NewDICOM(context.Background(), samples, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	files, err := d.headers()
	if err != nil || len(files) != len(d.samples) {
		t.Fatalf("%d headers of %d samples: %v", len(files), len(d.samples), err)
	}
}

// dicom is the part of TestGoals.
func (r *run) dicom() error {
	samples, err := dicomSamples()
	if err != nil {
		return err
	}
	d, err := NewDICOM(r.ctx, samples, r.dir)
	if err != nil {
		return err
	}
	lines, tables, err := d.Report()
	r.report.Add(lines...)
	r.report.Tables = append(r.report.Tables, tables...)
	return err
}
