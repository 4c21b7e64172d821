package node

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/config"
)

// scanned starts a scan and waits for its end.
func (s *site) scanned(t *testing.T, wish string) classify.ScanRun {
	t.Helper()
	var run classify.ScanRun
	into := func(text string) {
		if err := json.Unmarshal([]byte(text), &run); err != nil {
			t.Fatal(err, text)
		}
	}
	into(s.must(t, "POST", "/api/v1/data/scans", wish))
	eventually(t, "the scan ends", func() bool {
		into(s.must(t, "GET", "/api/v1/data/scans/"+run.ID, ""))
		return run.State != classify.Running
	})
	return run
}

// share makes a folder with files of a marked patient, one of them named
// after her.
func share(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		markName + ".txt": "患者姓名：王小明，身份证号：" + markNation + "，联系电话：" + markPhone + "，" + markText,
		"list.csv":        "patient_id,name,id_card,phone\n" + markID + "," + markName + " " + markGiven + "," + markNation + "," + markPhone + "\n",
		"menu.txt":        "Lunch today: soup, rice, apples.\n",
		"adt.hl7":         markedHL7("S1"),
		"broken.zip":      "PK\x03\x04" + markBroken,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestScansMakeCases scans a share with data that may not lie there: the map
// knows it, a case opens, evidence has it, and no value or name gets out.
func TestScansMakeCases(t *testing.T) {
	dir := share(t)
	s := newSite(t, filepath.Join(t.TempDir(), "data"), func(c *config.Config) {
		c.Scan.Targets = []classify.ScanTarget{{Name: "ward-share", Path: dir, Allowed: 2, Department: "ICU"}, {Name: "nowhere", Path: filepath.Join(dir, "none")}}
	})
	v := s.start(t)
	s.load(t, "patients", "patient_id,name,national_id,phone,birth_date\n"+markID+","+markName+" "+markGiven+","+markNation+","+markPhone+",1990-03-07\n"+
		"P2,Somebody Else,,13900000000,1980-01-01\n")
	run := s.scanned(t, `{"target":"ward-share"}`)
	if run.State != classify.Finished || run.Totals.Objects != 5 || run.Totals.Level < 4 || run.Totals.Patients != 1 || run.Changes[classify.Fresh] < 3 {
		t.Errorf("the scan came to %+v", run)
	}
	objects := lists[classify.MapObject](t, s, "POST", "/api/v1/data/objects", `{"target":"ward-share","min_level":3}`)
	if len(objects) < 3 || objects[0].Patients != 1 {
		t.Fatalf("objects %+v", objects)
	}
	eventually(t, "a case opens", func() bool {
		v.drained()
		return strings.Contains(s.must(t, "GET", "/api/v1/incidents", ""), "ward-share")
	})
	dataPages(t, v)
	dataRefusals(t, s, objects[0])
	again := s.scanned(t, `{"target":"ward-share"}`)
	if again.Totals.Unchanged != 5 || len(again.Changes) != 0 || again.Totals.Patients != 1 {
		t.Errorf("nothing changed, and the scan came to %+v", again)
	}
	s.levels(t)
	clean(t, "/metrics", s.must(t, "GET", "/metrics", ""))
	clean(t, "the OpenAPI description", s.must(t, "GET", "/api/v1/openapi.json", ""))
	v.verified()
	v.stop()
	clean(t, "the log", v.logs.String())
	index, err := os.ReadFile(filepath.Join(s.cfg.Data, "patients.index"))
	if err != nil {
		t.Fatal(err)
	}
	clean(t, "the index of patients", string(index))
}

// dataRefusals makes the API refuse, and export.
func dataRefusals(t *testing.T, s *site, o classify.MapObject) {
	t.Helper()
	for _, r := range [][2]string{
		{"/api/v1/data/scans", `{"target":"` + markID + `"}`}, {"/api/v1/data/scans", `{"address":"postgres://u:` + markBroken + `@127.0.0.1:1/x?` + markID + `"}`},
		{"/api/v1/data/scans", `{"address":"s3:` + markBroken + `"}`}, {"/api/v1/data/object", `{"target":"` + markID + `","id":"x"}`},
		{"/api/v1/data/levels", `{"text":"` + markBroken + `: 1","reason":"x"}`}, {"/api/v1/data/targets/place", `{"target":"` + markID + `","allowed":2}`},
		{"/api/v1/data/export", `{"format":"` + markBroken + `"}`}, {"/api/v1/data/objects", `{"nonsense":"` + markBroken + `"}`},
	} {
		status, text, err := s.call("POST", r[0], r[1])
		if err != nil || status < 300 && r[0] != "/api/v1/data/scans" {
			t.Errorf("%s %s: %d %v", r[0], r[1], status, err)
		}
		if status >= 400 && !strings.Contains(r[0], "levels") { // of a file of levels it says what is wrong in it
			clean(t, fmt.Sprintf("the refusal %d of %s", status, r[0]), text)
		}
	}
	for _, format := range []string{"csv", "sarif", "json"} {
		text := s.must(t, "POST", "/api/v1/data/export", `{"format":"`+format+`","min_level":3}`)
		for _, secret := range []string{markNation, markPhone} {
			if strings.Contains(text, secret) {
				t.Errorf("the export %s holds a value", format)
			}
		}
	}
	text := s.must(t, "POST", "/api/v1/data/object", fmt.Sprintf(`{"target":%q,"id":%q}`, o.Target, o.ID))
	if strings.Contains(text, markNation) || !strings.Contains(text, `"masked"`) {
		t.Errorf("an object is shown as %.300s", text)
	}
}

// dataPages walks through the pages about data.
func dataPages(t *testing.T, v *server) {
	t.Helper()
	b := signIn(v)
	wait, seen := []string{"/data", "/data/objects", "/data/levels", "/data/live", "/incidents"}, map[string]bool{}
	_, _, next := b.do("POST", "/data/find", url.Values{"path": {markName}, "owner": {markGiven}, "level": {"2"}, "csrf": {b.csrf}})
	wait = append(wait, next...)
	for len(wait) > 0 && len(seen) < 60 {
		path, _, _ := strings.Cut(strings.TrimPrefix(wait[0], v.url("")), "#")
		if wait = wait[1:]; seen[path] || !strings.HasPrefix(path, "/data") && !strings.HasPrefix(path, "/incidents") || strings.Contains(path, "/do/") || strings.HasSuffix(path, "/find") || strings.HasPrefix(path, "/incidents/") && strings.Count(path, "/") > 2 {
			continue
		}
		seen[path] = true
		status, page, next := b.do("GET", path, nil)
		if status >= 400 {
			t.Errorf("%s: %d %.200s", path, status, page)
		}
		if strings.Contains(page, markNation) || strings.Contains(page, markPhone) {
			t.Errorf("%s shows a value", path)
		}
		if strings.Contains(page, "⟦") {
			t.Errorf("%s lacks a word", path)
		}
		wait = append(wait, next...)
	}
	if len(seen) < 9 {
		t.Errorf("only %d pages about data: %v", len(seen), seen)
	}
}

// levels changes the levels: two users, and evidence of it.
func (s *site) levels(t *testing.T) {
	t.Helper()
	text := strings.Replace(string(classify.UsualLevels()), "standard:", "# ours\nstandard:", 1)
	wish, err := json.Marshal(map[string]string{"text": text, "reason": "ours"})
	if err != nil {
		t.Fatal(err)
	}
	s.must(t, "POST", "/api/v1/data/levels", string(wish))
	if status, _, _ := s.call("POST", "/api/v1/data/levels/decision", `{"agree":true}`); status != 409 {
		t.Errorf("agreeing to one's own levels gives %d", status)
	}
	s.must(t, "POST", "/api/v1/data/levels/decision", `{"agree":false}`)
	if strings.Contains(s.must(t, "GET", "/api/v1/data/levels", ""), "# ours") {
		t.Error("refused levels are in force")
	}
}

// TestScansGoOnAfterTheEnd stops the server in the middle of a scan; the next
// one takes the scan up by itself.
func TestScansGoOnAfterTheEnd(t *testing.T) {
	dir := t.TempDir()
	for i := range 40 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.txt", i)), []byte(strings.Repeat("电话 13800138000\n", 2000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := newSite(t, filepath.Join(t.TempDir(), "data"), func(c *config.Config) {
		c.Scan.Targets = []classify.ScanTarget{{Name: "slow", Path: dir, Rate: 700 << 10, Workers: 1, Every: 1000 * time.Hour, Allowed: 5}}
	})
	v := s.start(t)
	targets := func() (x api.DataTarget) {
		var list []api.DataTarget
		if err := json.Unmarshal([]byte(s.must(t, "GET", "/api/v1/data/targets", "")), &list); err != nil || len(list) != 1 {
			t.Fatal(err, list)
		}
		return list[0]
	}
	eventually(t, "the schedule starts a scan", func() bool { x := targets(); return x.Progress != nil && x.Progress.Objects > 3 })
	id := targets().Running
	v.stop()
	v = s.start(t)
	eventually(t, "it goes on and ends", func() bool { return targets().Holding.Last.State == classify.Finished })
	x := targets().Holding.Last
	if x.ID != id || x.Totals.Objects != 40 || x.Totals.Unchanged == 0 || x.By != "schedule" {
		t.Errorf("the scan taken up came to %+v; it was %s", x, id)
	}
	v.stop()
}
