package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/content"
	"github.com/cordon-health/cordon/deid"
)

// Deid measures what a key does and how fast messages are rewritten with the
// whole engine, on one core, in processor time.
type Deid struct {
	ctx  context.Context
	data string
}

// NewDeid takes the folder of sample data.
func NewDeid(ctx context.Context, data string) *Deid { return &Deid{ctx, data} }

// processorShare is how long each thing is repeated.
const processorShare = time.Second

// rate repeats a step on one core until a second of processor time is used,
// and gives how many units of work it did in a second of it.
func (d *Deid) rate(units int, step func() error) (float64, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if err := step(); err != nil { // warms up
		return 0, err
	}
	begun, done := processTime(), 0
	for processTime()-begun < processorShare {
		if err := errors.Join(step(), d.ctx.Err()); err != nil {
			return 0, err
		}
		done += units
	}
	return float64(done) / (processTime() - begun).Seconds(), nil
}

// Report measures all.
func (d *Deid) Report() ([]Line, error) {
	var all []Line
	for _, suite := range []deid.Suite{deid.Standard, deid.SM} {
		lines, err := d.key(suite)
		if err != nil {
			return nil, err
		}
		all = append(all, lines...)
	}
	for _, part := range []func() (Line, error){d.hl7, d.fhir, d.seal} {
		line, err := part()
		if err != nil {
			return nil, err
		}
		all = append(all, line)
	}
	return all, nil
}

// key measures tokens and format-preserving encryption of record numbers that
// differ from each other.
func (d *Deid) key(suite deid.Suite) ([]Line, error) {
	key, err := deid.NewKey(deid.KeyOptions{Suite: suite})
	if err != nil {
		return nil, err
	}
	const many = 10_000
	numbers := make([]string, many)
	for i := range numbers {
		numbers[i] = fmt.Sprintf("%08d", i*7919)
	}
	tokens, err := d.rate(many, func() error {
		for _, n := range numbers {
			key.Token(classify.MRN, n)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	fpe, err := d.rate(many, func() error {
		for _, n := range numbers {
			if _, err := key.Encrypt("bench", n); err != nil {
				return err
			}
		}
		return nil
	})
	tokenLine := Line{What: "keyed tokens, suite " + string(suite), Measured: count(int64(tokens)) + "/s", How: "record numbers of eight digits, one core"}
	fpeLine := Line{What: "FF1, suite " + string(suite), Measured: count(int64(fpe)) + "/s", How: "record numbers of eight digits, one core"}
	if suite == deid.Standard {
		tokenLine.Goal, tokenLine.Met = "2,000,000/s", judge(tokens >= 2e6)
		fpeLine.Goal, fpeLine.Met = "100,000/s", judge(fpe >= 1e5)
	}
	return []Line{tokenLine, fpeLine}, err
}

func (d *Deid) hl7() (Line, error) {
	files, err := filepath.Glob(filepath.Join(d.data, "hl7v2", "*.hl7"))
	if err != nil || len(files) == 0 {
		return Line{}, errors.Join(fmt.Errorf("no messages in %s", d.data), err)
	}
	var in []byte
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return Line{}, err
		}
		in = append(bytes.TrimRight(append(in, text...), "\r\n"), '\r')
	}
	return d.profile("hl7v2", "HL7 v2 de-identified", in)
}

func (d *Deid) fhir() (Line, error) {
	f, err := os.Open(filepath.Join(d.data, "scan", "01_fhir.json.zst"))
	if err != nil {
		return Line{}, err
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return Line{}, err
	}
	defer z.Close()
	in, err := io.ReadAll(io.LimitReader(z, 8<<20))
	if err != nil {
		return Line{}, err
	}
	// The file is bundles one after another; the last is cut.
	return d.profile("fhir", "FHIR de-identified", in[:bytes.LastIndex(in, []byte("\n}"))+2])
}

// profile measures a profile with the engine that hospitals use.
func (d *Deid) profile(name, what string, in []byte) (Line, error) {
	key, err := deid.NewKey(deid.KeyOptions{})
	if err != nil {
		return Line{}, err
	}
	engine, err := classify.New(classify.Config{})
	if err != nil {
		return Line{}, err
	}
	rules, err := contentFolder()
	if err != nil {
		return Line{}, err
	}
	p, err := deid.Open(name, rules)
	if err != nil {
		return Line{}, err
	}
	speed, err := d.rate(len(in), func() error {
		_, err := p.Apply(d.ctx, classify.BytesSource("x", in), io.Discard, &deid.Job{Key: key, Scanner: engine, Today: time.Now()})
		return err
	})
	return Line{What: what, Measured: fmt.Sprintf("%.0f MB/s", speed/1e6), How: "profile " + name + " with the engine over the samples, one core"}, err
}

// seal measures the encryption of outputs.
func (d *Deid) seal() (Line, error) {
	to, err := age.GenerateX25519Identity()
	if err != nil {
		return Line{}, err
	}
	block := make([]byte, 16<<20)
	speed, err := d.rate(len(block), func() error {
		w, err := age.Encrypt(io.Discard, to.Recipient())
		if err != nil {
			return err
		}
		_, err = w.Write(block)
		return errors.Join(err, w.Close())
	})
	return Line{What: "outputs encrypted", Measured: fmt.Sprintf("%.0f MB/s", speed/1e6), How: "age to one recipient, pieces of 16 MB, one core"}, err
}

func contentFolder() (deid.Setup, error) {
	sub, err := fs.Sub(content.Files(), "deid")
	return deid.Setup{Content: sub}, err
}
