package release

import (
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/internal/strict"
)

// Recipe is how a data set is made ready to leave. It is part of the request
// and, by its hash, of the proof.
type Recipe struct {
	// Kind is table (one CSV file), counts (of such a file, with noise) or files
	// (a ZIP archive of any formats).
	Kind string `yaml:"kind"`
	// Profile de-identifies files: auto, fhir, hl7v2, dicom-basic, text-redact,
	// text-pseudonym. A table is de-identified by Deidentify.
	Profile string   `yaml:"profile"`
	Options []string `yaml:"options"`
	// Deidentify is a table profile: what is done to each column before the
	// table is made anonymous, see docs/deidentify.md. Without it nothing is.
	Deidentify yaml.Node `yaml:"deidentify"`
	// Anonymize is what the table must look like, see docs/anonymize.md.
	Anonymize *Config `yaml:"anonymize"`
	// Pseudonyms are columns that hold tokens, which nobody outside knows, so
	// that they do not count for linkage.
	Pseudonyms []string `yaml:"pseudonyms"`
	// MostLinked is the share of rows that may stand alone when everything that
	// is kept of them, but for sensitive columns, is known; usually 0.05.
	MostLinked *float64 `yaml:"most_linked"`
	// Mark gives the recipient a copy of their own.
	Mark MarkRecipe `yaml:"mark"`
	// Counts are what is counted, for kind counts.
	Counts *CountRecipe `yaml:"counts"`
}

// MarkRecipe is the fingerprint of a table.
type MarkRecipe struct {
	// Share of the cells of a text column that may change; usually 0.05.
	Share float64 `yaml:"share"`
	// Keep are columns that never change.
	Keep []string `yaml:"keep"`
	// Honey is how many rows of nobody are added.
	Honey int `yaml:"honey"`
}

// The kinds of data sets.
const (
	TableSet = "table"
	CountSet = "counts"
	FileSet  = "files"
)

// ReadRecipe reads and checks a recipe in YAML.
func ReadRecipe(text []byte) (Recipe, error) {
	var r Recipe
	if len(text) > 1<<20 {
		return r, errors.New("the recipe is larger than 1 MiB")
	}
	if err := strict.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("recipe: %w", err)
	}
	return r, r.check()
}

func (r Recipe) check() error {
	switch {
	case r.Kind == FileSet && r.Profile == "":
		return errors.New("recipe: files need a profile, for example auto")
	case r.Kind == FileSet && (r.Anonymize != nil || !r.Deidentify.IsZero()):
		return errors.New("recipe: anonymize and deidentify are for tables")
	case r.Kind == TableSet && r.Anonymize == nil:
		return errors.New("recipe: a table needs anonymize: what its columns are, and k; without it nobody can measure its risk")
	case r.Kind == TableSet && r.Profile != "":
		return errors.New("recipe: profile is for files; a table is de-identified by deidentify")
	case r.Kind == CountSet && (r.Counts == nil || r.Anonymize != nil || r.Profile != "" || !r.Deidentify.IsZero()):
		return errors.New("recipe: counts need the section counts and nothing else: by, person, per_person, epsilon")
	case r.Kind == CountSet:
		return r.Counts.check()
	case r.Kind != TableSet && r.Kind != FileSet:
		return fmt.Errorf("recipe: kind is %q; say table, counts or files", r.Kind)
	case r.MostLinked != nil && !(*r.MostLinked >= 0 && *r.MostLinked <= 1):
		return errors.New("recipe: most_linked is a share between 0 and 1")
	}
	if r.Anonymize == nil {
		return nil
	}
	if err := r.Anonymize.Check(); err != nil {
		return fmt.Errorf("recipe: anonymize: %w", err)
	}
	return nil
}

func (r Recipe) mostLinked() float64 {
	if r.MostLinked == nil {
		return UsualThreshold
	}
	return *r.MostLinked
}

// knowable are the columns of the result that somebody may know of a person:
// all but sensitive ones and pseudonyms.
func (r Recipe) knowable(t *Table) []string {
	var names []string
	for _, c := range t.Columns {
		kind := r.Anonymize.Columns[c.Name].Kind
		if (kind == Quasi || kind == Insensitive) && !slices.Contains(r.Pseudonyms, c.Name) {
			names = append(names, c.Name)
		}
	}
	return names
}

// quasi are the quasi-identifying columns.
func (r Recipe) quasi(t *Table) []string {
	var names []string
	for _, c := range t.Columns {
		if r.Anonymize.Columns[c.Name].Kind == Quasi {
			names = append(names, c.Name)
		}
	}
	return names
}
