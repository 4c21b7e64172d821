package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// scan measures the scanner on the sample data beside the repository.
func (r *run) scan() error {
	dir := filepath.Join(r.dir, "scan")
	defer os.RemoveAll(dir)
	s, err := NewScan(r.ctx, "../../shared/data", dir, r.say)
	if err != nil {
		return err
	}
	lines, tables, err := s.Report(s.ripgrep, s.re2, s.goRE2)
	if err != nil {
		return err
	}
	r.report.Add(lines...)
	r.report.Tables = append(r.report.Tables, tables...)
	lines, err = s.Patients()
	if err != nil {
		return err
	}
	r.report.Add(lines...)
	return nil
}

// TestScanWork runs the measuring on a few lines.
func TestScanWork(t *testing.T) {
	data, dir := t.TempDir(), t.TempDir()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("身份证号11010519491231002X 联系电话13812345678\n", 1000)
	if err := writeFile(filepath.Join(data, "scan", "a.txt.zst"), z.EncodeAll([]byte(text), nil)); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(filepath.Join(data, "scan", "rules.txt"), []byte("mobile\t\\b1[3-9]\\d{9}\\b\n")); err != nil {
		t.Fatal(err)
	}
	s, err := NewScan(t.Context(), data, dir, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	lines, tables, err := s.Report(s.ripgrep)
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 2 || len(tables) != 2 || len(tables[0].Rows) != 3 || tables[0].Rows[0][3] != "2000" {
		t.Errorf("%+v\n%+v", lines, tables)
	}
	for _, row := range tables[0].Rows[2:] {
		if row[1] != "not measured" && row[3] != "1000" {
			t.Errorf("%s finds %s, want 1000", row[0], row[3])
		}
	}
}
