package console_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/console"
	"github.com/cordon-health/cordon/identity"
)

// dataHospital is a hospital with a data map of two places.
type dataHospital struct {
	*hospital
	folders map[string]string
	levels  fakeLevels
	running string
}

// fakeLevels keep what is wanted in memory.
type fakeLevels struct{ wish *api.LevelsWish }

func (f *fakeLevels) Text() ([]byte, error) { return classify.UsualLevels(), nil }

func (f *fakeLevels) Waiting(context.Context) (*api.LevelsWish, error) { return f.wish, nil }

func (f *fakeLevels) Want(_ context.Context, text, reason, by string) error {
	f.wish = &api.LevelsWish{Text: text, Reason: reason, By: by}
	return nil
}

func (f *fakeLevels) Decide(context.Context, bool, string) error {
	f.wish = nil
	return nil
}

func newDataHospital(t *testing.T) *dataHospital {
	t.Helper()
	h := &dataHospital{hospital: newHospital(t), folders: map[string]string{"ward-share": t.TempDir(), "影像科共享": t.TempDir()}}
	h.Data = api.DataGuard{
		Map:     must[*classify.Map](t)(classify.OpenMap(t.Context(), h.db, h.Book, h.Key, h.Now)),
		Targets: h.targets, Start: h.start, Stop: func(string) bool { return true }, Progress: func(string) *classify.Progress { return nil },
		Kinds: func() []classify.SARIFKind { return nil }, Levels: &h.levels,
		Patients: func() api.PatientIndex { return api.PatientIndex{Patients: 120_000, Honey: 12, Built: 1} },
	}
	c := must[*console.Console](t)(console.New(console.Parts{Services: h.Services}))
	h.server = httptest.NewServer(c.Handler())
	t.Cleanup(h.server.Close)
	return h
}

func (h *dataHospital) targets(ctx context.Context) ([]api.DataTarget, error) {
	holdings, _, err := h.Data.Map.Holdings(ctx)
	var out []api.DataTarget
	for _, x := range holdings {
		places, err := h.Data.Map.Places(ctx)
		if err != nil {
			return nil, err
		}
		t := api.DataTarget{Place: places[x.Target], Address: "/mnt/" + x.Target, Every: 86400, Configured: true, Holding: x}
		if t.Place.Target == "" {
			t.Place = classify.Place{Target: x.Target, Allowed: 2, Owner: "Head nurse Wang", Department: "心内科"}
		}
		if x.Target == h.running {
			t.Running = x.Last.ID
			t.Progress = &classify.Progress{Objects: 4100, AllObjects: 9800, Bytes: 3 << 30, AllBytes: 7 << 30, PerSecond: 41 << 20, Left: 97 * time.Second, Findings: 3120, Level: 5}
		}
		out = append(out, t)
	}
	return out, err
}

func (h *dataHospital) start(ctx context.Context, w api.ScanWish, by string) (classify.ScanRun, error) {
	return h.scan(ctx, w.Target, by)
}

func (h *dataHospital) scan(ctx context.Context, target, by string) (classify.ScanRun, error) {
	engine := must[*classify.Engine](h.t)(classify.New(classify.Config{}))
	inspector := &classify.Inspector{Engine: engine, Key: &h.Key}
	rec, err := h.Data.Map.Record(ctx, classify.ScanRun{Target: target, Address: h.folders[target], Engine: "e1", By: by}, classify.Limit{Allowed: 5, Report: 5}, nil)
	if err != nil {
		return classify.ScanRun{}, err
	}
	w := &classify.Walk{Origins: []classify.Origin{&classify.Paths{Root: h.folders[target]}}, Known: rec.Known, Found: rec.Found, Done: rec.Done, Now: time.Now,
		Examine: func(ctx context.Context, src classify.Source, _ classify.Reader, emit func(*classify.Finding) error) (classify.Summary, error) {
			return inspector.Inspect(ctx, src, emit)
		}}
	totals, err := w.Run(ctx)
	if err != nil {
		return classify.ScanRun{}, err
	}
	return rec.End(ctx, classify.Finished, "", totals)
}

// fill writes files and scans twice, with changes between.
func (h *dataHospital) fill() {
	h.t.Helper()
	put := func(target, name, text string) {
		path := filepath.Join(h.folders[target], filepath.FromSlash(name))
		ok(h.t, os.MkdirAll(filepath.Dir(path), 0o755))
		ok(h.t, os.WriteFile(path, []byte(text), 0o600))
	}
	var list strings.Builder
	list.WriteString("姓名,身份证号,联系电话,诊断\n")
	for i := range 60 {
		fmt.Fprintf(&list, "王小%d,110101199003077731,138001380%02d,高血压\n", i, i)
	}
	put("ward-share", "交班/2026-03/心内科患者名单.csv", list.String())
	put("ward-share", "notes/admission-and-a-rather-long-name-of-a-file-that-goes-on-and-on.txt", "Patient: John Smith, MRN: 70012345, phone 555-123-4567, SSN 219-09-9999.\n")
	put("ward-share", "notes/hiv.txt", "患者姓名：李四，身份证号：110101199003077731，诊断：HIV抗体阳性（B20）。\n")
	for i := range 12 {
		put("ward-share", fmt.Sprintf("menu/%d.txt", i), "Lunch today: soup and rice.\n")
	}
	put("影像科共享", "export/list.txt", "患者姓名：张三，电话：13800138000\n")
	for _, target := range []string{"ward-share", "影像科共享"} {
		must[classify.ScanRun](h.t)(h.scan(h.t.Context(), target, "schedule"))
	}
	ok(h.t, os.Remove(filepath.Join(h.folders["ward-share"], "notes", "hiv.txt")))
	put("ward-share", "new/电话.txt", "患者姓名：赵六，电话：13911112222，身份证号：110101199003077731\n")
	must[classify.ScanRun](h.t)(h.scan(h.t.Context(), "ward-share", "ann"))
	ok(h.t, h.Data.Map.SetPlace(h.t.Context(), classify.Place{Target: "影像科共享", Owner: "李主任", Department: "影像科", Allowed: 4, By: "ann"}))
}

// pagesOf are the pages about data, an example of each.
func (h *dataHospital) pagesOf(ses identity.Session) []string {
	h.t.Helper()
	pages := []string{"/data", "/data/objects", "/data/levels"}
	pages = append(pages, h.linksOf(ses, "/data/targets/", pages[:1])[:1]...)
	return append(pages, h.linksOf(ses, "/data/objects/", pages[:1])[:1]...)
}

func TestDataPages(t *testing.T) {
	h := newDataHospital(t)
	boss, reader := h.session("boss", identity.SecurityOfficer), h.session("eve", identity.Auditor)
	if _, page := h.get(boss, "/data"); !strings.Contains(page, "Nothing was searched yet") || !strings.Contains(page, `name="address"`) {
		t.Error("the empty page does not say the next step")
	}
	h.fill()
	for _, path := range h.pagesOf(boss) {
		for _, lang := range []string{"en", "zh"} {
			res, page := h.get(boss, path, "Accept-Language", lang)
			if res.StatusCode != http.StatusOK || strings.Contains(page, "⟦") || strings.Contains(page, "110101199003077731") {
				t.Errorf("%s in %s: %d", path, lang, res.StatusCode)
			}
			if res, page := h.get(reader, path, "Accept-Language", lang); res.StatusCode != http.StatusOK || strings.Contains(page, `action="/data/do/`) {
				t.Errorf("%s for a reader: %d, or it offers to change something", path, res.StatusCode)
			}
		}
	}
	if res, _ := h.get(h.session("head", identity.DepartmentHead), "/data"); res.StatusCode != http.StatusForbidden {
		t.Errorf("a department head gets %d", res.StatusCode)
	}
	if res, _ := h.post(reader, "/data/do/scan", "address", "/etc"); res.StatusCode != http.StatusForbidden {
		t.Errorf("a reader who scans gets %d", res.StatusCode)
	}
	h.narrowed(boss)
	h.leveled(boss)
}

// narrowed looks for an object by its path; the address says nothing of it.
func (h *dataHospital) narrowed(ses identity.Session) {
	h.t.Helper()
	res, _ := h.post(ses, "/data/find", "path", "患者名单", "level", "1")
	to := res.Header.Get("Location")
	if !strings.HasPrefix(to, "/data/objects?f=") || strings.Contains(to, "%E6") {
		h.t.Errorf("a search leads to %q", to)
	}
	if _, page := h.get(ses, to); !strings.Contains(page, "心内科患者名单.csv") || strings.Contains(page, "电话.txt</a>") {
		h.t.Error("the list is not narrowed")
	}
	if res, text := h.get(ses, "/data/export/csv"); res.StatusCode != http.StatusOK || !strings.HasPrefix(text, "path,member") {
		h.t.Errorf("the export: %d %.100s", res.StatusCode, text)
	}
}

func (h *dataHospital) leveled(ses identity.Session) {
	h.t.Helper()
	if res, _ := h.post(ses, "/data/do/levels", "text", string(classify.UsualLevels()), "reason", "ours"); res.StatusCode != http.StatusSeeOther {
		h.t.Errorf("wanting levels: %d", res.StatusCode)
	}
	if res, _ := h.post(ses, "/data/do/agree"); res.StatusCode != http.StatusConflict {
		h.t.Errorf("agreeing to one's own: %d", res.StatusCode)
	}
	if res, _ := h.post(h.session("ann", identity.SecurityOfficer), "/data/do/agree"); res.StatusCode != http.StatusSeeOther || h.levels.wish != nil {
		h.t.Errorf("agreeing: %d", res.StatusCode)
	}
}

func TestBrowserData(t *testing.T) {
	chromium(t)
	h := newDataHospital(t)
	b := h.signed(t, "en", "boss", identity.SecurityOfficer)
	dir := os.Getenv("CORDON_SHOTS")
	shoot := func(name string) {
		if dir != "" {
			ok(t, os.WriteFile(filepath.Join(dir, "data-"+name+".png"), get(b, chromedp.FullScreenshot(100)), 0o644))
		}
	}
	b.open(h.server.URL + "/data")
	shoot("empty")
	h.fill()
	h.running = "影像科共享"
	for i, path := range h.pagesOf(h.session("ann", identity.SecurityOfficer)) {
		for _, lang := range []string{"en", "zh"} {
			for _, width := range []int64{1440, 390} {
				b.size(width, 900, lang == "zh" && width == 1440)
				b.language(lang)
				b.open(h.server.URL + path)
				if wide := get(b, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`)); wide > 0 {
					t.Errorf("%s at %d is %d px too wide", path, width, wide)
				}
				shoot(fmt.Sprintf("%d-%s-%d", i, lang, width))
			}
		}
	}
	b.quiet()
}
