package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"
)

// importFile is how many events one file to import holds.
const importFile = 250_000

// WriteFiles writes the load as compressed NDJSON files and returns the
// folder.
func (l *Load) WriteFiles() (string, error) {
	dir := filepath.Join(l.dir, "files")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	var out *ndjson
	var n int64
	err := l.Each(func(line []byte) error {
		if n%importFile == 0 {
			if err := out.close(); err != nil {
				return err
			}
			var err error
			if out, err = newNDJSON(filepath.Join(dir, fmt.Sprintf("%06d.ndjson.zst", n/importFile))); err != nil {
				return err
			}
		}
		n++
		_, err := out.buf.Write(line)
		return err
	})
	return dir, errors.Join(err, out.close())
}

// ndjson is a compressed file being written.
type ndjson struct {
	file *os.File
	zip  *zstd.Encoder
	buf  *bufio.Writer
}

func newNDJSON(path string) (*ndjson, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &ndjson{f, z, bufio.NewWriterSize(z, 1<<18)}, nil
}

func (n *ndjson) close() error {
	if n == nil {
		return nil
	}
	return errors.Join(n.buf.Flush(), n.zip.Close(), n.file.Close())
}

// Import measures cordon import of the load's AuditEvents, as zstd-compressed
// NDJSON files, into the folder of a stopped server that knows the hospital:
// from the start of the command to its end, when all events have been stored,
// explained, judged, put into evidence and checkpointed. It fails when the
// counts at the end are not those of the load.
func Import(ctx context.Context, p *Program, l *Load, dir, data string) (Line, error) {
	for _, name := range []string{"directory", "roster", "tickets", "watchlist"} {
		if _, err := p.Do(ctx, data, "import", "--format", name, l.List(name)); err != nil {
			return Line{}, err
		}
	}
	if _, err := p.Do(ctx, data, "import", "--format", "hl7v2", l.HL7()); err != nil {
		return Line{}, err
	}
	begun := time.Now()
	out, err := p.Do(ctx, data, "import", "--format", "fhir-auditevent", "--json", dir)
	if err != nil {
		return Line{}, err
	}
	took := time.Since(begun)
	var n struct{ Read, Accepted, Duplicate, Quarantined int64 }
	if err := json.Unmarshal(out, &n); err != nil {
		return Line{}, err
	}
	if n.Read < l.Events || n.Quarantined > 0 || n.Accepted+n.Duplicate < n.Read {
		return Line{}, fmt.Errorf("of %d events import read %d, accepted %d, knew %d and set %d aside", l.Events, n.Read, n.Accepted, n.Duplicate, n.Quarantined)
	}
	return Line{
		What: fmt.Sprintf("import of %s events", count(l.Events)), Goal: "≥ 5,000/s", Measured: fmt.Sprintf("%s, %s/s", took.Round(time.Second), count(rate(n.Read, took))), Met: judge(rate(n.Read, took) >= 5000),
		How: "cordon import --data of FHIR NDJSON files, zstd, until the last event is stored and logged",
	}, nil
}
