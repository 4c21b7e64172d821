package detect

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Config says which detectors run and how.
type Config struct {
	// Off lists detectors that do not run, by id, as the console lists them under Detectors.
	Off []string `yaml:"off"`
	// Params changes numbers of detectors: detector, name, value. What there
	// is to change, and why it is what it is, each detector says itself.
	Params map[string]map[string]float64 `yaml:"params"`
	// Exceptions keep a detector silent about somebody or something for a
	// time. Each needs a reason and a name behind it.
	Exceptions []Exception `yaml:"exceptions"`
	// Rules are folders with Sigma rules of your own (.yml, .yaml, .txtar),
	// read in addition to the built-in ones.
	Rules []string `yaml:"rules"`
	// Tables are folders with files (.yaml) that say what the tables of your
	// databases hold, in the form of content/tables; they count before the
	// built-in ones.
	Tables []string `yaml:"tables"`
}

// Exception keeps a detector silent. Fields that are empty do not narrow it.
type Exception struct {
	// ID is that of an exception of the reviewed list. Those of the file get
	// one made of what they say; see [Exception.Key].
	ID string `yaml:"-"`
	// Detector is the id of a detector or of a Sigma rule, "*" for all.
	Detector string `yaml:"detector"`
	// Person is a person_id or an account.
	Person string `yaml:"person"`
	// Patient is the hospital's number of a patient.
	Patient string `yaml:"patient"`
	// Department is the department of the person.
	Department string `yaml:"department"`
	// Source is the log provider that the event came from, or that the finding
	// is about.
	Source string `yaml:"source"`
	// Until is the last day on which it holds (2026-12-31), at most a year
	// ahead. There is no exception without an end.
	Until string `yaml:"until"`
	// Reason says why; ApprovedBy who decided it.
	Reason     string `yaml:"reason"`
	ApprovedBy string `yaml:"approved_by"`
}

// Default runs everything with the detectors' own numbers.
func Default() Config { return Config{} }

// Check finds mistakes that can be seen without knowing the detectors; [New]
// finds the others.
func (c Config) Check() error {
	var errs []error
	for i, x := range c.Exceptions {
		if err := x.check(); err != nil {
			errs = append(errs, fmt.Errorf("exceptions[%d]: %w", i, err))
		}
	}
	for id, params := range c.Params {
		for name, v := range params {
			if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
				errs = append(errs, fmt.Errorf("params.%s.%s must be a number of at least 0", id, name))
			}
		}
	}
	return errors.Join(errs...)
}

// CheckDays refuses exceptions that would last longer than a year from today.
func (c Config) CheckDays(today time.Time) error {
	most := today.AddDate(1, 0, 0).Format(time.DateOnly)
	for i, x := range c.Exceptions {
		if x.Until > most {
			return fmt.Errorf("detect.exceptions[%d]: until %s is more than a year ahead; set it to %s at most and renew it then", i, x.Until, most)
		}
	}
	return nil
}

// FileID begins the ids of exceptions of the configuration file.
const FileID = "file-"

// Key is the id, made of everything the exception says where it has none.
func (x Exception) Key() string {
	if x.ID != "" {
		return x.ID
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{x.Detector, x.Person, x.Patient, x.Department, x.Source, x.Until, x.Reason, x.ApprovedBy}, "\x00")))
	return FileID + hex.EncodeToString(sum[:5])
}

func (x Exception) check() error {
	switch {
	case x.Detector == "":
		return errors.New(`detector is missing; name one, or "*" for all`)
	case x.Person == "" && x.Patient == "" && x.Department == "" && x.Source == "":
		return errors.New("an exception needs a person, a patient, a department or a source; to silence a detector, list it in off")
	case x.Reason == "" || x.ApprovedBy == "":
		return errors.New("an exception needs a reason and approved_by")
	}
	if _, err := time.Parse(time.DateOnly, x.Until); err != nil {
		return fmt.Errorf("until %q is not a day like 2026-12-31", x.Until)
	}
	return nil
}
