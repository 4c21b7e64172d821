package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/classify/archive"
	"github.com/cordon-health/cordon/classify/bucket"
	"github.com/cordon-health/cordon/classify/clinical"
	"github.com/cordon-health/cordon/classify/columnar"
	"github.com/cordon-health/cordon/classify/database"
	"github.com/cordon-health/cordon/classify/dicom"
	"github.com/cordon-health/cordon/classify/image"
	"github.com/cordon-health/cordon/classify/mail"
	"github.com/cordon-health/cordon/classify/office"
	"github.com/cordon-health/cordon/classify/pdf"
	"github.com/cordon-health/cordon/classify/table"
	"github.com/cordon-health/cordon/classify/web"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/internal/pixels"
)

// readers lists the formats that are read by their structure, in the order in
// which they are asked; what none claims is read as plain text. With ocr the
// program tesseract reads what is written in images.
func readers(ocr bool) ([]classify.Reader, error) {
	images, scans := image.New(nil), dicom.New()
	if ocr {
		program, err := pixels.Tesseract()
		if err != nil {
			return nil, fmt.Errorf("read text in images: %w", err)
		}
		if scans, err = dicom.WithOCR(); err != nil {
			return nil, fmt.Errorf("read text in images: %w", err)
		}
		images = image.New(program)
	}
	var all []classify.Reader
	for _, list := range [][]classify.Reader{
		{scans}, clinical.Readers(), office.Readers(), {pdf.New(ocr)}, columnar.Readers(), {images}, mail.Readers(), archive.Readers(), web.Readers(), table.Readers(),
	} {
		all = append(all, list...)
	}
	return all, nil
}

// ScanOptions are how data is searched, on a server and without one.
type ScanOptions struct {
	// Levels and Rules are files of the hospital's own; empty takes what comes
	// with Cordon.
	Levels, Rules string
	// Patients is the hospital's own; nil where it is not known.
	// Index names its state: with another one the same content may be
	// somebody else's.
	Patients *classify.Patients
	Index    string
	// Key makes tokens; nil leaves them out.
	Key  *keyed.Key
	Mode classify.Mode
	// OCR reads text in images with tesseract.
	OCR bool
	// Temp is the folder for what does not fit into memory.
	Temp string
}

// Scanner searches for patient data.
type Scanner struct {
	*classify.Inspector
	// Version changes whenever the same content may give another result.
	Version string
}

// NewScanner builds the engine, its levels and its readers.
func NewScanner(o ScanOptions, version string) (*Scanner, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, version, build(), o.Mode, o.OCR, o.Patients != nil, o.Index)
	levels, err := readLevels(o.Levels, sum)
	if err != nil {
		return nil, err
	}
	cfg := classify.Config{Patients: o.Patients}
	if o.Rules != "" {
		text, err := os.ReadFile(o.Rules)
		if err != nil {
			return nil, fmt.Errorf("read the rules of kinds: %w", err)
		}
		if cfg.Rules, err = classify.ReadRules(io.TeeReader(bytes.NewReader(text), sum)); err != nil {
			return nil, fmt.Errorf("%s: %w", o.Rules, err)
		}
	}
	engine, err := classify.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("rules of kinds: %w", err)
	}
	list, err := readers(o.OCR)
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		fmt.Fprintln(sum, r.Name())
	}
	return &Scanner{
		Inspector: &classify.Inspector{Engine: engine, Levels: levels, Readers: list, Patients: o.Patients, Key: o.Key, Mode: o.Mode, Temp: o.Temp},
		Version:   hex.EncodeToString(sum.Sum(nil)[:8]),
	}, nil
}

func readLevels(path string, sum io.Writer) (*classify.Levels, error) {
	text := classify.UsualLevels()
	if path != "" {
		var err error
		if text, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("read the levels: %w", err)
		}
	}
	levels, err := classify.ReadLevels(io.TeeReader(bytes.NewReader(text), sum))
	if err != nil && path != "" {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return levels, err
}

// build is the revision of the program, where the linker knows it.
func build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var b strings.Builder
	for _, s := range info.Settings {
		if strings.HasPrefix(s.Key, "vcs.") {
			b.WriteString(s.Value)
		}
	}
	return b.String()
}

// Examine is what a classify.Walk calls.
func (s *Scanner) Examine(ctx context.Context, src classify.Source, by classify.Reader, emit func(*classify.Finding) error) (classify.Summary, error) {
	if by == nil {
		return s.Inspect(ctx, src, emit)
	}
	return s.InspectParts(ctx, func(ctx context.Context, out classify.Sink) error { return by.Read(ctx, src, out) }, emit)
}

// SARIFKinds describes everything the scanner can find.
func (s *Scanner) SARIFKinds() []classify.SARIFKind {
	var all []classify.SARIFKind
	for _, k := range s.Engine.Kinds() {
		level := s.Engine.KindLevel(k)
		if level == 0 {
			level = s.Levels.Of(k)
		}
		all = append(all, classify.SARIFKind{Name: s.Engine.KindName(k), Title: s.Engine.KindTitle(k), Level: level})
	}
	return all
}

// OriginOptions are how a place is listed.
type OriginOptions struct {
	Include, Exclude classify.Globs
	OneSystem        bool
	// Rows of each table that are looked at.
	Rows int
	// Skip are folders left out, such as Cordon's own.
	Skip []string
}

// OpenOrigin makes what is behind an address: a folder, a database, a bucket.
// $NAME takes an environment variable and @FILE the first line of a file. The
// caller closes it.
func OpenOrigin(address string, o OriginOptions) (classify.Origin, func() error, error) {
	address, err := secretAddress(address)
	if err != nil {
		return nil, nil, err
	}
	nothing := func() error { return nil }
	switch scheme := classify.Scheme(address); scheme {
	case "":
		path, err := filepath.Abs(address)
		if err != nil {
			return nil, nil, fmt.Errorf("find the folder: %w", err)
		}
		if _, err := os.Stat(path); err != nil {
			return nil, nil, fmt.Errorf("it cannot be scanned: %w; give a file or folder that this account may read", errors.Unwrap(err))
		}
		return &classify.Paths{Root: path, Include: o.Include, Exclude: o.Exclude, OneSystem: o.OneSystem, Skip: o.Skip}, nothing, nil
	case "s3":
		b, err := bucket.New(bucket.Options{Address: address, Include: o.Include, Exclude: o.Exclude})
		return b, nothing, err
	default:
		d, err := database.New(database.Options{Address: address, Rows: o.Rows, Include: o.Include, Exclude: o.Exclude, Timeout: 30 * time.Second})
		if err != nil {
			return nil, nil, err
		}
		return d, d.Close, nil
	}
}

// secretAddress resolves $NAME and @FILE.
func secretAddress(address string) (string, error) {
	if name, ok := strings.CutPrefix(address, "$"); ok {
		v := os.Getenv(name)
		if v == "" {
			return "", fmt.Errorf("environment variable %s is not set", name)
		}
		return v, nil
	}
	if name, ok := strings.CutPrefix(address, "@"); ok {
		data, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("read an address: %w", err)
		}
		line, _, _ := strings.Cut(string(data), "\n")
		return strings.TrimSpace(line), nil
	}
	return address, nil
}
