package bundle

import (
	"archive/zip"
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/sqlite"
)

func TestMain(m *testing.M) {
	evidence.RouteLogs(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

func event(i int, x *ocsf.Explanation) *ocsf.Event {
	return &ocsf.Event{
		ClassUID: ocsf.WebResourcesActivity, ActivityID: ocsf.AccessRead, SeverityID: 1, Time: 1767225600000 + int64(i)*60000,
		Metadata:    ocsf.Metadata{UID: fmt.Sprintf("ev-%d", i), Version: ocsf.Version, LogName: "fhir-auditevent", LogProvider: "emr"},
		Actor:       ocsf.Actor{User: ocsf.User{UID: "S1001", Account: "wang.fang"}},
		SrcEndpoint: ocsf.Endpoint{IP: "192.0.2.7", Name: "WARD7-PC3"},
		Patient:     &ocsf.Patient{UID: fmt.Sprintf("MRN%05d", i%3)},
		Access:      &ocsf.Access{Reason: `<script>alert("x")</script>`},
		Explanation: x,
	}
}

// fixture is a log with three batches and the records of one case.
func fixture(t testing.TB) (*evidence.Log, Input) {
	t.Helper()
	ctx := context.Background()
	dir := t.TempDir()
	db, err := sqlite.Open(ctx, filepath.Join(dir, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	log, err := evidence.Open(ctx, evidence.Config{Dir: filepath.Join(dir, "evidence"), Origin: "evidence.example", Interval: 100 * time.Millisecond},
		db, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(ctx); err != nil {
			t.Error(err)
		}
		db.Close()
	})
	batches := map[uint64][]evidence.Row{}
	for seq := uint64(1); seq <= 3; seq++ {
		var evs []*ocsf.Event
		for i := range 5 {
			var x *ocsf.Explanation
			if i%2 == 0 {
				x = &ocsf.Explanation{Explained: true, Kind: "attending", Because: []string{"hl7:A01"}}
			}
			ev := event(int(seq)*10+i, x)
			evs = append(evs, ev)
			batches[seq] = append(batches[seq], evidence.Row{Event: ev, Seq: seq, Index: uint32(i)})
		}
		if err := log.Events(ctx, seq, evs); err != nil {
			t.Fatal(err)
		}
	}
	put(t, log, db, evidence.Record{Kind: "finding", ID: "f1", Time: 1767226000000, Person: "S1001", Patient: "MRN00001", Ref: "case-1",
		Body: []byte(`{"uid":"f1","analytic":"no-care-relation","title":{"en":"Opened a chart without relation","zh":"无诊疗关系查看病历"}}`)})
	put(t, log, db, evidence.Record{Kind: "case", ID: "case-1", Time: 1767226100000, Person: "S1001", Status: "open", Score: 71, Body: []byte(`{"state":"open"}`)})
	put(t, log, db, evidence.Record{Kind: "case", ID: "case-1", Time: 1767229700000, Person: "S1001", Status: "closed", Score: 71, Body: []byte(`{"state":"closed","verdict":"misuse"}`)})
	incident, err := log.Get(ctx, "case", "case-1")
	if err != nil {
		t.Fatal(err)
	}
	finding, err := log.Get(ctx, "finding", "f1")
	if err != nil {
		t.Fatal(err)
	}
	return log, Input{Incident: incident, Records: []evidence.Record{finding},
		Events: []evidence.Row{batches[2][1], batches[1][0], batches[2][4]}, Made: 1767230000000, Lang: "zh",
		Batch: func(_ context.Context, seq uint64) ([]evidence.Row, error) { return batches[seq], nil },
		Sentence: func(x ocsf.Explanation, lang string) string {
			return map[string]string{"zh": "主治医师", "en": "attending"}[lang]
		},
		Name: func(string) string { return "Wang Fang" }}
}

func put(t testing.TB, log *evidence.Log, db *store.DB, r evidence.Record) {
	t.Helper()
	err := db.Update(context.Background(), func(tx *sql.Tx) error { _, err := log.Put(tx, r); return err })
	if err != nil {
		t.Fatal(err)
	}
}

func exported(t testing.TB) (data []byte, key string) {
	t.Helper()
	log, in := fixture(t)
	var buf bytes.Buffer
	if err := Export(context.Background(), &buf, log, in); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), log.PublicKey()
}

func check(t testing.TB, data []byte, opts Options) Report {
	t.Helper()
	r, err := Verify(bytes.NewReader(data), int64(len(data)), opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestExport(t *testing.T) {
	data, key := exported(t)
	r := check(t, data, Options{Key: key})
	if !r.OK || r.Events != 3 || r.Records != 3 || r.TagOnly != 0 || !r.KeyGiven || r.Case != "case case-1" {
		t.Errorf("report %+v", r)
	}
	if r := check(t, data, Options{}); !r.OK || r.KeyGiven || len(r.Notes) != 1 {
		t.Errorf("without key: %+v", r)
	}
	other := "evidence.example+c7a6b1e0+AXJ5Y2hhcmQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	if _, err := Verify(bytes.NewReader(data), int64(len(data)), Options{Key: other}); err == nil {
		t.Error("a key that is none was accepted")
	}
	// Everybody's tools open it.
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, in); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}

func TestPage(t *testing.T) {
	data, _ := exported(t)
	list, _, _ := readZip(data)
	var page string
	for _, m := range list {
		if m.name == pageName {
			page = string(m.data)
		}
	}
	for _, want := range []string{"案件卷宗", "Case file", "Wang Fang", "MRN00001", "未找到任何解释。", "主治医师", "无诊疗关系查看病历",
		"Opened a chart without relation", "misuse", "WARD7-PC3", "default-src &#39;none&#39;", "&lt;script&gt;"} {
		if !strings.Contains(page, want) && !strings.Contains(page, strings.ReplaceAll(want, "&#39;", "'")) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, refused := range []string{"<script", "http://", "https://", "ZgotmplZ"} {
		if strings.Contains(page, refused) {
			t.Errorf("the page has %q", refused)
		}
	}
	if dir := os.Getenv("BUNDLE_PAGE"); dir != "" {
		_ = os.WriteFile(filepath.Join(dir, "case.html"), []byte(page), 0o600)
	}
}

func TestTagOnly(t *testing.T) {
	log, in := fixture(t)
	in.Batch = nil
	var buf bytes.Buffer
	if err := Export(context.Background(), &buf, log, in); err != nil {
		t.Fatal(err)
	}
	if r := check(t, buf.Bytes(), Options{Key: log.PublicKey()}); !r.OK || r.TagOnly != 3 {
		t.Errorf("report %+v", r)
	}
}

func TestExportRefusesChangedEvent(t *testing.T) {
	log, in := fixture(t)
	changed := *in.Events[0].Event
	changed.Patient = &ocsf.Patient{UID: "MRN99999"}
	in.Events[0].Event = &changed
	if err := Export(context.Background(), io.Discard, log, in); err == nil || !strings.Contains(err.Error(), "it was changed") {
		t.Errorf("got %v", err)
	}
}

// Any byte of the file, flipped, is found.
func TestEveryByteCounts(t *testing.T) {
	data, key := exported(t)
	step := max(1, len(data)/1500)
	if step%2 == 0 {
		step++
	}
	for at := 0; at < len(data); at += step {
		data[at] ^= 1 << (at % 8)
		if r := check(t, data, Options{Key: key}); r.OK || r.FirstBad == "" {
			t.Errorf("byte %d of %d: not found", at, len(data))
		}
		data[at] ^= 1 << (at % 8)
	}
}

func TestNamesWhatWasChanged(t *testing.T) {
	data, key := exported(t)
	list, _, _ := readZip(data)
	for name, c := range map[string]struct {
		change func(m map[string]*member)
		want   string
	}{
		"event":            {swapText(eventsName, "wang.fang", "liu.qiang"), "event ev-10 (line 1 of events.ndjson) was changed"},
		"explanation":      {swapText(eventsName, `"kind":"attending"`, `"kind":"anesthesi"`), "line 1 of events.ndjson was changed"},
		"event dropped":    {func(m map[string]*member) { cutLine(m[eventsName], 1) }, "events.ndjson lost its line 2"},
		"record":           {swapText(recordsName, "misuse", "proper"), "record case case-1 version 2 (line 3 of records.ndjson) was changed"},
		"record dropped":   {func(m map[string]*member) { cutLine(m[recordsName], 2) }, "records.ndjson lost its line 3"},
		"page":             {swapText(pageName, "MRN00001", "MRN00002"), "index.html was changed"},
		"manifest":         {swapText(manifestName, `"size"`, `"Size"`), "the manifest is not signed"},
		"entry of the log": {swapText(logName, `"entry": "ey`, `"entry": "ex`), "event ev-10 (line 1 of events.ndjson) has no proof"},
		"checkpoint":       {swapText(logName, `evidence.example\n`, `evidence.exbmple\n`), "log.json was changed"},
		"member added":     {func(m map[string]*member) { m[sealName].name = "x.txt" }, "the manifest is not signed"},
	} {
		t.Run(name, func(t *testing.T) {
			files, byName := []member{}, map[string]*member{}
			for _, m := range list {
				files = append(files, member{m.name, bytes.Clone(m.data)})
			}
			for i := range files {
				byName[files[i].name] = &files[i]
			}
			c.change(byName)
			var buf bytes.Buffer
			if err := writeZip(&buf, files); err != nil {
				t.Fatal(err)
			}
			r := check(t, buf.Bytes(), Options{Key: key})
			if r.OK || !strings.Contains(r.FirstBad, c.want) {
				t.Errorf("first bad is %q, want %q; all: %v", r.FirstBad, c.want, r.Faults)
			}
		})
	}
}

func swapText(name, old, new string) func(map[string]*member) {
	return func(m map[string]*member) {
		m[name].data = bytes.Replace(m[name].data, []byte(old), []byte(new), 1)
	}
}

func cutLine(m *member, i int) {
	lines := bytes.SplitAfter(m.data, []byte("\n"))
	m.data = bytes.Join(append(lines[:i:i], lines[i+1:]...), nil)
}

func FuzzVerify(f *testing.F) {
	data, key := exported(f)
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := Verify(bytes.NewReader(in), int64(len(in)), Options{Key: key})
		if err == nil && r.OK && !bytes.Equal(in, data) {
			t.Error("another file was accepted")
		}
	})
}
