package ocsf

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
)

// checkRequired holds a JSON event against testdata/required.txt.
func checkRequired(t *testing.T, text []byte) {
	t.Helper()
	table, err := os.ReadFile("testdata/required.txt")
	if err != nil {
		t.Fatal(err)
	}
	var event map[string]any
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	class, _ := event["class_uid"].(float64)
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if strings.HasPrefix(line, "#") || len(f) != 3 || f[0] != "*" && f[0] != strconv.Itoa(int(class)) {
			continue
		}
		if !hasOne(event, strings.Split(f[1], ",")) {
			t.Errorf("class %v lacks %s (%s): %s", class, f[1], f[2], text)
		}
	}
}

func hasOne(event map[string]any, paths []string) bool {
	for _, path := range paths {
		var at any = event
		for _, name := range strings.Split(path, ".") {
			m, _ := at.(map[string]any)
			at = m[name]
		}
		if at != nil && at != "" {
			return true
		}
	}
	return false
}

func TestRequiredAttributes(t *testing.T) {
	checkRequired(t, []byte(accessJSON))
	checkRequired(t, AppendFinding(nil, testFinding))
	checkRequired(t, AppendIncident(nil, Incident{UID: "c", Status: IncidentNew}))
}
