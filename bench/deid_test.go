package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDeidTools: the profiles that are measured open with the shipped rules.
func TestDeidTools(t *testing.T) {
	line, err := NewDeid(t.Context(), "").profile("hl7v2", "x", []byte("MSH|^~\\&|A|B|C|D|20240305||ADT^A01|1|P|2.5\rPID|1||7\r"))
	if err != nil || !strings.HasSuffix(line.Measured, "MB/s") {
		t.Error(line, err)
	}
}

// deid is the part of TestGoals.
func (r *run) deid() error {
	data := filepath.Join("..", "..", "shared", "data")
	if _, err := os.Stat(data); err != nil {
		return err
	}
	lines, err := NewDeid(r.ctx, data).Report()
	r.report.Add(lines...)
	return err
}
