package classify

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// Line is a finding and where it is: what "cordon scan --json" writes, and the
// API.
type Line struct {
	Path string `json:"path"`
	*Finding
}

// Report writes findings for people or programs. Close ends it.
type Report interface {
	Found(Line) error
	Close(Totals) error
}

// NewJSON writes a line for each finding and a last one with the totals.
func NewJSON(w io.Writer) Report { return &jsonReport{json.NewEncoder(w)} }

type jsonReport struct{ *json.Encoder }

// Found writes the place within the file whole, members first, as part; member
// alone stands beside it.
func (r *jsonReport) Found(l Line) error {
	l.Part = l.inner()
	return r.Encode(l)
}

// inner is the place within the file: "a.zip!/b.xlsx!/Sheet1!C7".
func (l Line) inner() string { return strings.Trim(l.Member+"!/"+l.Part, "!/") }

func (r *jsonReport) Close(t Totals) error {
	return r.Encode(struct {
		Totals Totals `json:"totals"`
	}{t})
}

// NewCSV writes RFC 4180 with a header. Cells that a spreadsheet would take
// for a formula begin with an apostrophe.
func NewCSV(w io.Writer) (Report, error) {
	c := csv.NewWriter(w)
	err := c.Write([]string{"path", "member", "part", "field", "offset", "length", "type", "level", "confidence", "reason", "masked",
		"patient", "honey", "count", "estimated", "why"})
	return &csvReport{c}, err
}

type csvReport struct{ *csv.Writer }

func (r *csvReport) Found(l Line) error {
	why := ""
	if l.Why != nil {
		why = l.Why.EN
	}
	return r.Write([]string{harmless(l.Path), harmless(l.Member), harmless(l.Part), harmless(l.Field),
		strconv.FormatInt(l.Offset, 10), strconv.Itoa(l.Length), l.Kind, strconv.Itoa(l.Level), strconv.Itoa(l.Confidence), l.Reason, harmless(l.Masked),
		strconv.FormatBool(l.Patient), strconv.FormatBool(l.Honey), strconv.FormatInt(max(l.Count, 1), 10), strconv.FormatInt(max(l.Estimated, 1), 10), harmless(why)})
}

func (r *csvReport) Close(Totals) error {
	r.Flush()
	return r.Error()
}

func harmless(cell string) string {
	if strings.IndexAny(cell, "=+-@\t\r") == 0 {
		return "'" + cell
	}
	return cell
}

// SARIFKind describes a kind to a reader of SARIF.
type SARIFKind struct {
	Name  string
	Title ocsf.Text
	Level int
}

// NewSARIF writes SARIF 2.1.0. kinds are all that may be found.
func NewSARIF(w io.Writer, version string, kinds []SARIFKind) (Report, error) {
	r := &sarifReport{w: w, index: map[string]int{}}
	rules := make([]sarifRule, 0, len(kinds))
	for i, k := range kinds {
		r.index[k.Name] = i
		rule := sarifRule{ID: k.Name, Short: sarifText{k.Title.EN}, Full: sarifText{k.Title.EN + " / " + k.Title.ZH},
			Properties: map[string]any{"gbt39725_level": k.Level}}
		rule.Default.Level = sarifLevel(k.Level)
		rules = append(rules, rule)
	}
	driver := map[string]any{"name": "Cordon", "informationUri": "https://github.com/cordon-health/cordon", "rules": rules}
	if version != "" {
		driver["version"] = version
	}
	tool, err := json.Marshal(map[string]any{"driver": driver})
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(w, `{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":[{"tool":%s,"columnKind":"utf16CodeUnits","results":[`, tool)
	return r, err
}

type sarifReport struct {
	w     io.Writer
	n     int
	index map[string]int
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifRule struct {
	ID      string    `json:"id"`
	Short   sarifText `json:"shortDescription"`
	Full    sarifText `json:"fullDescription"`
	Default struct {
		Level string `json:"level"`
	} `json:"defaultConfiguration"`
	Properties map[string]any `json:"properties"`
}

type sarifResult struct {
	RuleID     string            `json:"ruleId"`
	RuleIndex  *int              `json:"ruleIndex,omitempty"`
	Level      string            `json:"level"`
	Message    sarifText         `json:"message"`
	Locations  []sarifLocation   `json:"locations"`
	Prints     map[string]string `json:"partialFingerprints,omitempty"`
	Properties map[string]any    `json:"properties"`
}

type sarifLocation struct {
	Physical sarifPhysical  `json:"physicalLocation"`
	Logical  []sarifLogical `json:"logicalLocations,omitempty"`
}

type sarifPhysical struct {
	Artifact struct {
		URI string `json:"uri"`
	} `json:"artifactLocation"`
	Region *sarifRegion `json:"region,omitempty"`
}

type sarifRegion struct {
	Offset int64 `json:"byteOffset"`
	Length int   `json:"byteLength"`
}

type sarifLogical struct {
	Name string `json:"fullyQualifiedName"`
}

func (r *sarifReport) Found(l Line) error {
	res := sarifResult{RuleID: l.Kind, Level: sarifLevel(l.Level), Message: sarifText{sarifMessage(l)},
		Properties: map[string]any{"gbt39725_level": l.Level, "confidence": l.Confidence, "reason": l.Reason, "masked": l.Masked, "patient": l.Patient, "honey": l.Honey}}
	if i, ok := r.index[l.Kind]; ok {
		res.RuleIndex = &i
	}
	if l.Token != "" {
		res.Prints = map[string]string{"cordonToken/v1": l.Token}
	}
	at := sarifLocation{}
	at.Physical.Artifact.URI = fileURI(l.Path)
	if !l.Decoded && l.Offset >= 0 && l.Member == "" && l.Kind != Unread.String() {
		at.Physical.Region = &sarifRegion{l.Offset, l.Length}
	}
	if inner := l.inner(); inner != "" {
		at.Logical = []sarifLogical{{inner}}
	}
	res.Locations = []sarifLocation{at}
	text, err := json.Marshal(res)
	if err != nil {
		return err
	}
	if r.n++; r.n > 1 {
		text = append([]byte{','}, text...)
	}
	_, err = r.w.Write(append(text, '\n'))
	return err
}

func sarifMessage(l Line) string {
	if l.Why != nil {
		return "Could not be read because " + l.Why.EN
	}
	return fmt.Sprintf("%s of level %d (%d %%): %s", l.Kind, l.Level, l.Confidence, l.Masked)
}

func (r *sarifReport) Close(t Totals) error {
	totals, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(r.w, `],"invocations":[{"executionSuccessful":true}],"properties":{"totals":%s}}]}`+"\n", totals)
	return err
}

func sarifLevel(level int) string {
	switch {
	case level >= 4:
		return "error"
	case level == 3:
		return "warning"
	}
	return "note"
}

// fileURI is a path as SARIF wants it: a URI reference.
func fileURI(path string) string {
	if Scheme(path) != "" {
		return path
	}
	path = filepath.ToSlash(path)
	u := url.URL{Path: path}
	if strings.HasPrefix(path, "/") {
		u.Scheme = "file"
	}
	return u.String()
}
