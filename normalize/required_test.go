package normalize

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/ocsf"
)

// TestEventsCarryRequiredAttributes holds the events of all samples of all
// formats against the required attributes of their OCSF classes.
func TestEventsCarryRequiredAttributes(t *testing.T) {
	table := requiredAttributes(t)
	n := testNormalizer()
	for _, format := range []string{"fhir-auditevent", "atna", "hl7v2"} {
		for _, path := range samples(t, format) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			events, _ := n.Normalize(Input{Format: format, Source: "test", Received: 1, Data: data})
			for _, e := range events {
				table.check(t, filepath.Base(path), e)
			}
		}
	}
	for format, text := range map[string]string{
		"fhir-auditevent": audit(`"type":{"code":"110114"},"subtype":[{"code":"110122"}]`) + audit(`"subtype":[{"code":"110120"}]`) + audit(`"subtype":[{"code":"x"}]`) + auditR5,
		"fhir":            patientJSON,
		"csv":             auditCSV,
		"syslog":          "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8\n",
	} {
		events, rejects := n.Normalize(Input{Format: format, Source: "test", Received: 1717200000000, Mapping: hisAudit(t), Data: []byte(text)})
		if len(rejects) > 0 {
			t.Errorf("%s: %s", format, rejects[0].Reason)
		}
		for _, e := range events {
			table.check(t, format, e)
		}
	}
}

// attributeTable is ocsf/testdata/required.txt: class or "*", paths of which
// one must be there, source.
type attributeTable [][]string

func requiredAttributes(t *testing.T) (table attributeTable) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "ocsf", "testdata", "required.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && !strings.HasPrefix(line, "#") {
			table = append(table, f)
		}
	}
	return table
}

func (table attributeTable) check(t *testing.T, name string, e *ocsf.Event) {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(e.AppendJSON(nil), &object); err != nil {
		t.Fatal(err)
	}
	for _, line := range table {
		if line[0] != "*" && line[0] != strconv.Itoa(int(e.ClassUID)) {
			continue
		}
		found := false
		for _, path := range strings.Split(line[1], ",") {
			var at any = object
			for _, part := range strings.Split(path, ".") {
				inner, _ := at.(map[string]any)
				at = inner[part]
			}
			found = found || at != nil && at != ""
		}
		if !found {
			t.Errorf("%s: class %d (%s) lacks %s (%s)", name, e.ClassUID, e.Metadata.EventCode, line[1], line[2])
		}
	}
}
