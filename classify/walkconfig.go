package classify

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// ScanConfig is what is searched for patient data, and when.
type ScanConfig struct {
	// Levels is a file of levels and classes of the hospital's own; empty
	// takes those of GB/T 39725 that come with Cordon. Print them with
	// "cordon scan --print-levels".
	Levels string `yaml:"levels"`
	// Rules is a file of the hospital's own kinds of data.
	Rules string `yaml:"rules"`
	// Report is the level from which on an object in a place where its level
	// may not be becomes a finding and so a case.
	Report int `yaml:"report"`
	// Keep is how long the results of ended scans and of objects that are gone
	// are kept. The last scan of each target is always kept.
	Keep time.Duration `yaml:"keep"`
	// Targets are what is scanned.
	Targets []ScanTarget `yaml:"targets"`
}

// ScanTarget is one place that is searched.
type ScanTarget struct {
	// Name is what the data map calls it.
	Name string `yaml:"name"`
	// Path is a folder or file (shares as mounted), or the address of a
	// database (postgres://, mysql://, sqlserver://, oracle://) or bucket
	// (s3://). $NAME takes an environment variable and @FILE the first line of
	// a file, so that no password stands here.
	Path string `yaml:"path"`
	// Every is how often it is scanned; 0 leaves that to people.
	Every time.Duration `yaml:"every"`
	// At is the time of day a scan of a schedule begins, such as 02:30; empty
	// is any.
	At string `yaml:"at"`
	// Rate bounds the bytes read in a second; 0 is no bound.
	Rate int64 `yaml:"rate"`
	// Workers is how many objects are read at once.
	Workers int `yaml:"workers"`
	// Largest is the size in bytes from which on a file is not read; 0 reads
	// all.
	Largest int64 `yaml:"largest"`
	// Include and Exclude choose files: *.csv, **/tmp/**.
	Include Globs `yaml:"include"`
	Exclude Globs `yaml:"exclude"`
	// OneSystem stays on the file system of the path.
	OneSystem bool `yaml:"one_system"`
	// Rows is how many rows of a table are looked at; 0 takes 1000.
	Rows int `yaml:"rows"`
	// OCR reads text in images with tesseract, where that is installed.
	OCR bool `yaml:"ocr"`
	// Allowed is the highest level that may lie here, 0 to 5. What is above it
	// becomes a finding.
	Allowed int `yaml:"allowed"`
	// Owner and Department say whose it is; people can change that in the
	// console.
	Owner      string `yaml:"owner"`
	Department string `yaml:"department"`
}

// DefaultScan scans nothing.
func DefaultScan() ScanConfig {
	return ScanConfig{Report: 3, Keep: 400 * 24 * time.Hour}
}

var targetName = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,63}$`)

// Check says what is wrong, and what would be right.
func (c ScanConfig) Check() error {
	var errs []error
	if c.Report < 1 || c.Report > 5 {
		errs = append(errs, errors.New("scan.report: use a level, 1 to 5"))
	}
	if c.Keep < 24*time.Hour {
		errs = append(errs, errors.New("scan.keep: a day (24h) is the least"))
	}
	seen := map[string]bool{}
	for i, t := range c.Targets {
		if seen[t.Name] {
			errs = append(errs, fmt.Errorf("scan.targets: two are called %q", t.Name))
		}
		seen[t.Name] = true
		if err := t.Check(); err != nil {
			errs = append(errs, fmt.Errorf("scan.targets[%d]: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// Check says what is wrong with a target.
func (t ScanTarget) Check() error {
	switch {
	case !targetName.MatchString(t.Name):
		return fmt.Errorf("name %q: use letters, digits, spaces, dots and dashes, at most 64", t.Name)
	case t.Path == "":
		return errors.New("path is empty; give a folder, or the address of a database or bucket")
	case t.Every < 0 || t.Every > 0 && t.Every < 10*time.Minute:
		return errors.New("every: ten minutes (10m) is the least; 0 is by hand only")
	case t.Allowed < 0 || t.Allowed > 5:
		return errors.New("allowed: use a level, 0 to 5")
	case t.Rate < 0 || t.Workers < 0 || t.Largest < 0 || t.Rows < 0:
		return errors.New("rate, workers, largest and rows are not below 0")
	}
	if t.At != "" {
		if _, err := time.Parse("15:04", t.At); err != nil {
			return fmt.Errorf("at %q: use a time of day such as 02:30", t.At)
		}
	}
	return errors.Join(t.Include.Check(), t.Exclude.Check())
}

// Due is when the next scan of the schedule begins, after the last began; ok
// is false where there is none. Times are in the site's zone.
func (t ScanTarget) Due(last, now time.Time) (due time.Time, ok bool) {
	if t.Every == 0 {
		return due, false
	}
	at, err := time.Parse("15:04", t.At)
	if t.At == "" || err != nil {
		if last.IsZero() {
			return now, true
		}
		return last.Add(t.Every), true
	}
	from := now.Add(-24 * time.Hour)
	if !last.IsZero() {
		from = last.Add(t.Every - time.Hour) // a scan that began a little late must not move the next one by a day
	}
	due = time.Date(from.Year(), from.Month(), from.Day(), at.Hour(), at.Minute(), 0, 0, now.Location())
	if due.Before(from) {
		due = due.AddDate(0, 0, 1)
	}
	return due, true
}

// Scheme is the kind of an address: "" for a folder or file.
func Scheme(address string) string {
	scheme, _, ok := strings.Cut(address, "://")
	if !ok || len(scheme) < 2 {
		return ""
	}
	return strings.ToLower(scheme)
}

// WithoutSecrets is an address as it may be shown.
func WithoutSecrets(address string) string {
	if Scheme(address) == "" {
		return address
	}
	u, err := url.Parse(address)
	if err != nil {
		return Scheme(address) + "://"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
