package bench

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/deid"
	"github.com/cordon-health/cordon/internal/dicom"
)

// DICOM measures de-identification by dicom-basic, file to file, on one core,
// in processor time: of headers alone (the samples without their pixels), of
// whole files with their pixels passed through, and of whole files whose pixels
// are searched for writing. Beside it, in the same run, pydicom/deid does its
// standard recipe on the same whole files, where python3 has it; and pydicom
// alone reads and writes them.
type DICOM struct {
	ctx     context.Context
	dir     string
	samples []string
}

// DICOMDone is what a way of working came to.
type DICOMDone struct {
	Name    string  `json:"name"`
	Files   int     `json:"files"`
	Refused int     `json:"refused"`
	Bytes   int64   `json:"bytes"`
	CPU     float64 `json:"cpu"` // seconds
}

// NewDICOM takes a folder of samples; dir is for what is written.
func NewDICOM(ctx context.Context, samples, dir string) (*DICOM, error) {
	files, err := filepath.Glob(filepath.Join(samples, "*.dcm"))
	if err != nil || len(files) == 0 {
		return nil, errors.Join(fmt.Errorf("no DICOM samples in %s", samples), err)
	}
	return &DICOM{ctx: ctx, dir: dir, samples: files}, nil
}

// Report measures all and gives the line of the goal with its details.
func (d *DICOM) Report() ([]Line, []Table, error) {
	headers, err := d.headers()
	if err != nil {
		return nil, nil, err
	}
	var done []DICOMDone
	for _, way := range []struct {
		name    string
		files   []string
		options []string
	}{
		{"Cordon, headers only", headers, nil},
		{"Cordon, pixels passed through", d.samples, []string{"keep-pixels"}},
		{"Cordon, pixels searched and blanked", d.samples, nil},
	} {
		one, err := d.ours(way.name, way.files, way.options)
		if err != nil {
			return nil, nil, err
		}
		done = append(done, one)
	}
	note := "pydicom/deid in the same run on the same files."
	peers, err := d.peers()
	if err != nil {
		note = "pydicom/deid is not here (" + oneLine(err.Error()) + "): pip install deid; measured before on such a machine: 115 files/s, RSNA CTP 61 to 223."
	}
	table := Table{Title: "DICOM, one core", Header: []string{"what", "files/s of CPU", "MB/s", "refused"}, Note: note}
	for _, one := range append(done, peers...) {
		table.Rows = append(table.Rows, []string{one.Name, count(int64(float64(one.Files) / one.CPU)), fmt.Sprintf("%.0f", float64(one.Bytes)/one.CPU/1e6), fmt.Sprint(one.Refused)})
	}
	rate := float64(done[0].Files) / done[0].CPU
	return []Line{{What: "DICOM headers de-identified", Goal: "1,000 files/s", Measured: count(int64(rate)) + " files/s", Met: judge(rate >= 1000),
		How: "dicom-basic, file to file, processor time of one core; the samples without their pixels"}}, []Table{table}, nil
}

// headers writes the samples without their pixels.
func (d *DICOM) headers() ([]string, error) {
	folder := filepath.Join(d.dir, "headers")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	var all []string
	for _, path := range d.samples {
		in, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		out, err := withoutPixels(in)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
		all = append(all, filepath.Join(folder, filepath.Base(path)))
		if err := os.WriteFile(all[len(all)-1], out, 0o600); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func withoutPixels(in []byte) ([]byte, error) {
	r, err := dicom.NewReader(bytes.NewReader(in), int64(len(in)))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	meta := slices.DeleteFunc(slices.Clone(r.Meta()), func(a dicom.Attribute) bool { return a.Tag == dicom.MetaVersion })
	w, err := dicom.NewWriter(&out, r.Syntax(), meta)
	if err != nil {
		return nil, err
	}
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) || err == nil && e.Depth == 0 && e.Tag >= dicom.PixelData {
			err := w.Close()
			return out.Bytes(), err
		}
		if err == nil {
			err = w.Echo(r)
		}
		if err != nil {
			return nil, err
		}
	}
}

// ours repeats until two seconds of processor time are used.
func (d *DICOM) ours(name string, files, options []string) (DICOMDone, error) {
	done := DICOMDone{Name: name}
	key, err := deid.NewKey(deid.KeyOptions{})
	if err != nil {
		return done, err
	}
	engine, err := classify.New(classify.Config{})
	if err != nil {
		return done, err
	}
	profile, err := deid.Open("dicom-basic", deid.Setup{Options: options})
	if err != nil {
		return done, err
	}
	job := &deid.Job{Key: key, Scanner: engine, Today: time.Now()}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for round := 0; done.CPU < 2; round++ {
		begun := processTime()
		for _, path := range files {
			refused, n, err := d.one(profile, job, path)
			if err != nil {
				return done, fmt.Errorf("%s: %w", filepath.Base(path), err)
			}
			if round > 0 {
				done.Files++
				done.Bytes += n
				if refused {
					done.Refused++
				}
			}
		}
		if round > 0 { // the first warms up
			done.CPU += (processTime() - begun).Seconds()
		}
	}
	done.Refused /= max(done.Files/len(files), 1)
	return done, d.ctx.Err()
}

func (d *DICOM) one(profile deid.Profile, job *deid.Job, path string) (refused bool, n int64, err error) {
	in, err := os.Open(path)
	if err != nil {
		return false, 0, err
	}
	defer in.Close()
	src, err := classify.FileSource(in)
	if err != nil {
		return false, 0, err
	}
	out, err := os.Create(filepath.Join(d.dir, "out.dcm"))
	if err != nil {
		return false, 0, err
	}
	_, err = profile.Apply(d.ctx, src, out, job)
	if errors.Is(err, deid.ErrRefused) {
		refused, err = true, nil
	}
	return refused, src.Size(), errors.Join(err, out.Close())
}

// dicomPeer is the program that times pydicom/deid.
//
//go:embed dicompeer.py
var dicomPeer string

func (d *DICOM) peers() ([]DICOMDone, error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(d.ctx, python, append([]string{"-", filepath.Join(d.dir, "peer.dcm")}, d.samples...)...)
	cmd.Stdin = bytes.NewReader([]byte(dicomPeer))
	var said bytes.Buffer
	cmd.Stderr = &said
	raw, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, lastLines(said.String()))
	}
	var out []DICOMDone
	return out, json.Unmarshal(raw, &out)
}

// dicomSamples is where the samples lie, fs.ErrNotExist where they do not.
func dicomSamples() (string, error) {
	path := filepath.Join("..", "..", "shared", "data", "dicom")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w: %s", fs.ErrNotExist, path)
	}
	return path, nil
}
