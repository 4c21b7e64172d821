package sigma

// What the rules cost the pipeline, and that events there are read as on lines.

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store/sqlite"
)

// attending is an explanation, since a graph must know one.
const attending = `
id: attending
priority: 10
title: {en: Attending doctor, zh: 主管医师}
why: {en: The person treats the patient., zh: 此人诊治该患者。}
sentence: {en: "{person} treats the patient.", zh: "{person} 诊治该患者。"}
args: [person]
path: person
facts: [attending]
span: visit
before: 72h
after: 30d
open: 30d
treats: true
`

func pipeline(t testing.TB, r *Rules) *detect.Engine {
	t.Helper()
	ctx := context.Background()
	db, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "cordon.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	var key keyed.Key
	now := func() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }
	log := slog.New(slog.DiscardHandler)
	people, err := directory.Open(ctx, db, key, now, log)
	if err != nil {
		t.Fatal(err)
	}
	graph, err := care.Open(ctx, db, people, key, fstest.MapFS{"attending.yaml": {Data: []byte(attending)}}, now, log)
	if err != nil {
		t.Fatal(err)
	}
	e, err := detect.New(detect.Default(), detect.World{People: people, Care: graph}, []detect.Detector{r})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// chart is a nurse opening a record: most events of a hospital are such.
func chart() *ocsf.Event {
	return &ocsf.Event{
		ClassUID: ocsf.WebResourcesActivity, ActivityID: 2, SeverityID: ocsf.SeverityInformational,
		Time: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC).UnixMilli(), Metadata: ocsf.Metadata{UID: "e1", LogName: "json"},
		Actor:        ocsf.Actor{User: ocsf.User{Account: "n001"}, AppName: "HIS"},
		WebResources: []ocsf.Resource{{Name: "chart", UID: "42"}}, Patient: &ocsf.Patient{UID: "p1"},
	}
}

// process is a new process on Windows, its fields unmapped.
func process(command string) *ocsf.Event {
	return &ocsf.Event{
		Time: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC).UnixMilli(), Metadata: ocsf.Metadata{UID: "e2", LogName: "syslog"},
		Unmapped: ocsf.RawJSON(`{"Channel":"Microsoft-Windows-Sysmon/Operational","EventID":1,"Provider_Name":"Microsoft-Windows-Sysmon",` +
			`"Image":"C:\\Windows\\System32\\cmd.exe","CommandLine":"` + command + `","ParentImage":"C:\\Windows\\explorer.exe","User":"H\\n001"}`),
	}
}

func TestPipeline(t *testing.T) {
	r, _ := corpus(t)
	e := pipeline(t, r)
	var got []string
	for _, f := range e.Process(process(`powershell Invoke-Mimikatz sekurlsa::logonpasswords`)) {
		got = append(got, f.Title.EN)
	}
	if len(got) == 0 {
		t.Error("a known attack in unmapped fields is not found")
	}
	if f := e.Process(process("cmd /c dir")); len(f) > 0 {
		t.Errorf("dir is found: %+v", f)
	}
}

func TestPipelineAllocates(t *testing.T) {
	r, _ := corpus(t)
	e := pipeline(t, r)
	without := pipeline(t, noRules())
	for _, c := range []struct {
		name string
		ev   *ocsf.Event
	}{{"chart", chart()}, {"process", process("cmd /c dir")}} {
		base := testing.AllocsPerRun(200, func() { without.Process(c.ev) })
		if n := testing.AllocsPerRun(200, func() { e.Process(c.ev) }); n > base {
			t.Errorf("%s: %v allocations, %v without rules", c.name, n, base)
		}
	}
}

// noRules are no rules.
func noRules() *Rules { r, _ := Load(); return r }

func BenchmarkPipeline(b *testing.B) {
	r, _ := corpus(b)
	e := pipeline(b, r)
	for name, ev := range map[string]*ocsf.Event{"chart": chart(), "process": process("cmd /c dir")} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			start := cpu()
			n := 0
			for b.Loop() {
				e.Process(ev)
				n++
			}
			b.ReportMetric(float64((cpu()-start).Nanoseconds())/float64(n), "cpu-ns/event")
		})
	}
}
