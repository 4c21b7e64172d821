// Package deid takes patients out of data: the same name, number and date come
// out the same in DICOM, HL7 v2, FHIR, C-CDA, tables and free text, because one
// [Key] decides all of them. It gives the key and its methods ([Key.Token],
// [Key.Pseudonym], [Key.Shift], [Key.UID], [Key.Encrypt]), one [Profile] for
// each family of formats ([Offers] lists them), [Run] for files and folders,
// and [Desk], through which alone a pseudonym is turned back.
//
// What it owns: key files (see [NewKey]), the sealed look-up vault beside them,
// and the evidence records of kind "reidentification": a request and each step
// of it is one, and no table holds anything else about it.
//
// What it guarantees. A profile denies by default: a field it does not name is
// removed or cleaned as free text, never passed on. What it does not change it
// leaves byte for byte. A file that cannot be read to its end gives no output,
// only a line in the [Report], which holds no value of a patient. Output is
// written beside its final name and appears whole or not at all; the input is
// never touched.
//
// What it does not guarantee. Pseudonyms hide who, not what: a rare disease
// with a rare age still points at somebody. How much is left is measured by
// release. Equal values give equal pseudonyms, so that records can be joined;
// whoever must not be able to count how often a name occurs uses redact.
package deid

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/ocsf"
)

// Profile de-identifies one family of formats. It is safe for concurrent use.
type Profile interface {
	// Name is the name it was asked for by: "hl7v2", "table:visits.yaml".
	Name() string
	// Apply reads in and writes what may leave to out, streaming. After an
	// error what was written must be thrown away; the report says in either
	// case what was done so far. The error names no value.
	Apply(ctx context.Context, in classify.Source, out io.Writer, job *Job) (Report, error)
}

// Scanner finds patient data in UTF-8 text; [classify.Engine] is one. The
// spans are sorted and do not overlap.
type Scanner interface {
	Scan(dst []classify.Span, text []byte, mode classify.Mode) []classify.Span
}

// Job is what all files of one run share.
type Job struct {
	Key     *Key
	Scanner Scanner
	// Today is the day ages are counted to.
	Today time.Time
	// Patient is the record number of the patient the file is about, where the
	// file itself does not say so; dates shift by it.
	Patient string
	// Embedded de-identifies a document inside a message, by its own type; nil
	// removes them. It returns false where no profile claims the document.
	Embedded func(ctx context.Context, name string, data []byte, patient string) ([]byte, bool, error)
	// Patients knows the record numbers behind the ids of FHIR resources.
	Patients *Links
	// Vault remembers what stood behind a pseudonym; nil where the key's owner
	// keeps none.
	Vault *VaultWriter
}

// Report is what was done to one file. It holds no value.
type Report struct {
	Profile string `json:"profile"`
	Key     string `json:"key"`
	// Records are messages, resources, rows or objects.
	Records int64 `json:"records"`
	Bytes   int64 `json:"bytes"`
	// Methods counts values by what was done to them: "pseudonym", "remove".
	Methods map[string]int64 `json:"methods"`
	// Kinds counts the values changed by what they were: "person-name".
	Kinds map[string]int64 `json:"kinds,omitempty"`
	// Notes say what a person should know: "12 embedded documents removed".
	Notes []string `json:"notes,omitempty"`
}

// Count adds one value to the report.
func (r *Report) Count(m Method, kind classify.Kind) {
	if r.Methods == nil {
		r.Methods, r.Kinds = map[string]int64{}, map[string]int64{}
	}
	r.Methods[m.String()]++
	if m != Keep && kind != classify.None {
		r.Kinds[kind.String()]++
	}
}

// Note adds a sentence once.
func (r *Report) Note(sentence string) {
	if !slices.Contains(r.Notes, sentence) && len(r.Notes) < 100 {
		r.Notes = append(r.Notes, sentence)
	}
}

// Add adds what another report counted.
func (r *Report) Add(other Report) {
	r.Records += other.Records
	r.Bytes += other.Bytes
	if r.Methods == nil {
		r.Methods, r.Kinds = map[string]int64{}, map[string]int64{}
	}
	for m, n := range other.Methods {
		r.Methods[m] += n
	}
	for k, n := range other.Kinds {
		r.Kinds[k] += n
	}
	for _, s := range other.Notes {
		r.Note(s)
	}
}

// Setup is what a profile is opened with.
type Setup struct {
	// Content is the folder of shipped profiles, content/deid.
	Content fs.FS
	// Argument is what follows the colon of a name: the file of "table:FILE".
	Argument string
	// Options are the words given with --option.
	Options []string
	// Others opens another profile, for those that hand files on.
	Others func(name string) (Profile, error)
}

// Option is a word a profile understands.
type Option struct {
	Name  string
	Title ocsf.Text
}

// Offer is a profile that can be opened.
type Offer struct {
	// Name is what people write; with Argument set, "NAME:FILE".
	Name     string
	Argument string
	Title    ocsf.Text
	Options  []Option
	// Claims says whether a file is of this profile's format, by its first
	// bytes (up to 4 KiB) and its name; nil where it must be chosen by name.
	Claims func(name string, head []byte) bool
	Open   func(Setup) (Profile, error)
}

// Offers lists the profiles, in the order in which they are asked to claim a
// file of a mixed folder. A new profile is one line here.
func Offers() []Offer {
	all := []Offer{
		dicomOffer(),
		hl7Offer(),
		fhirOffer(),
		cdaOffer(),
		tableOffer(),
		textPseudonymOffer(), // claims by name, so last
		textRedactOffer(),
	}
	return append(all, autoOffer(all))
}

// Open gives the profile of a name.
func Open(name string, setup Setup) (Profile, error) {
	base, argument, _ := strings.Cut(name, ":")
	offers := Offers()
	i := slices.IndexFunc(offers, func(o Offer) bool { return o.Name == base })
	if i < 0 {
		return nil, fmt.Errorf("%w: there is no profile %q; there are: %s", ErrUsage, name, strings.Join(names(offers), ", "))
	}
	o := offers[i]
	if (o.Argument == "") != (argument == "") {
		return nil, fmt.Errorf("%w: profile %s is written %s", ErrUsage, base, o.written())
	}
	for _, option := range setup.Options {
		if !slices.ContainsFunc(o.Options, func(known Option) bool { return known.Name == option }) {
			return nil, fmt.Errorf("%w: profile %s has no option %q; it has: %s", ErrUsage, base, option, o.optionNames())
		}
	}
	setup.Argument = argument
	return o.Open(setup)
}

func (o Offer) written() string {
	if o.Argument != "" {
		return o.Name + ":" + o.Argument
	}
	return o.Name
}

func (o Offer) optionNames() string {
	if len(o.Options) == 0 {
		return "none"
	}
	var all []string
	for _, option := range o.Options {
		all = append(all, option.Name)
	}
	return strings.Join(all, ", ")
}

func names(offers []Offer) (all []string) {
	for _, o := range offers {
		all = append(all, o.written())
	}
	return all
}
