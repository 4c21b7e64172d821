package console_test

import (
	"context"
	"database/sql"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/tuning"
)

// tune makes a hospital that has decided cases, planted violations and written
// exceptions down; it returns an exception that hid something.
func (h *hospital) tune() string {
	h.t.Helper()
	ctx := context.Background()
	cases := must[[]incident.Case](h.t)(h.Desk.List(ctx, incident.Query{Status: incident.StatusNew}))
	for i, c := range cases[min(1, len(cases)):] {
		v := []incident.Verdict{incident.Confirmed, incident.FalseCase, incident.Justified}[i%3]
		if i < 12 && len(h.questionsOf(c.ID)) == 0 {
			must[incident.Case](h.t)(h.Desk.Close(ctx, c.ID, v, "boss", ""))
		}
	}
	ok(h.t, h.Desk.Relearn(ctx)) // node does, before long
	for i, id := range []string{"found1", "found2", "missed"} {
		p := incident.Plant{ID: id, Kind: "canary", Expect: "canary", At: h.Now().Add(-40 * 60e9).UnixMilli(), Asked: "boss", Events: []string{"planted-" + id}}
		ok(h.t, h.Desk.Planting(ctx, p))
		if i < 2 {
			f := ocsf.Finding{UID: "canary:" + id, Analytic: "canary", Person: incident.ReservedPrefix + id, Patient: incident.ReservedPrefix + id + "-1", Time: p.At,
				Risk: 92, Events: []string{"planted-" + id}, Title: ocsf.Text{EN: "Decoy opened", ZH: "打开诱饵"}}
			ok(h.t, h.db.Update(ctx, func(tx *sql.Tx) error {
				_, err := h.Desk.Add(tx, []ocsf.Finding{f})
				return err
			}))
		}
	}
	until := h.Now().AddDate(0, 0, 10).Format("2006-01-02")
	x := must[tuning.Exception](h.t)(h.Tuning.Book.Create(ctx, tuning.Exception{Detector: "no-care-relationship", Department: "Cardiology", Until: until,
		Reason: "The ward moves to the new building; records are opened ahead of the patients.", ApprovedBy: "Medical affairs, 2026-02-27"}, "boss", false))
	must[tuning.Exception](h.t)(h.Tuning.Book.Create(ctx, tuning.Exception{Detector: "vip", Person: "D001", Until: h.Now().AddDate(0, 11, 0).Format("2006-01-02"),
		Reason: "Personal physician of the director.", ApprovedBy: "Hospital board"}, "zhao", true))
	hidden := ocsf.Finding{UID: "no-care-relationship:1", Analytic: "no-care-relationship", Person: "D1", Patient: "P1", Time: h.Now().UnixMilli(), Risk: 14,
		Events: []string{"hidden-1"}, Title: ocsf.Text{EN: "Opened a record without any tie to the patient", ZH: "无任何诊疗关系查看病历"}, Why: ocsf.Text{EN: "No visit, order or appointment.", ZH: "无就诊、医嘱或预约。"}}
	ok(h.t, h.db.Update(ctx, func(tx *sql.Tx) error {
		return h.Tuning.Book.Hide(tx, []detect.Hidden{{Exception: x.ID, Finding: hidden}})
	}))
	boss := identity.User{Name: "boss", Role: identity.SecurityOfficer}
	must[tuning.Setting](h.t)(h.SetDetector(ctx, boss, tuning.Setting{Detector: "lurking-after-discharge", Off: true, Reason: "follow-up calls are not in the appointments yet"}))
	must[tuning.Setting](h.t)(h.DecideSetting(ctx, identity.User{Name: "zhao", Role: identity.SecurityOfficer}, "lurking-after-discharge", true))
	must[tuning.Setting](h.t)(h.SetDetector(ctx, boss, tuning.Setting{Detector: "vip", Off: true, Reason: "the list is old"}))
	ok(h.t, h.retune(ctx))
	return x.ID
}

func (h *hospital) questionsOf(id string) []string {
	list, err := h.Runner.Questions(context.Background(), id)
	ok(h.t, err)
	var out []string
	for _, q := range list {
		out = append(out, q.ID)
	}
	return out
}

func TestQualityPages(t *testing.T) {
	h := newHospital(t)
	ses := h.session("boss", identity.SecurityOfficer)
	for _, path := range []string{"/quality", "/exceptions", "/detectors"} { // empty ones show, too
		if res, body := h.get(ses, path); res.StatusCode != http.StatusOK || strings.Contains(body, "⟦") {
			t.Fatalf("%s: %d %s", path, res.StatusCode, body)
		}
	}
	h.live(2)
	id := h.tune()
	for _, c := range []struct {
		path string
		want []string
	}{
		{"/quality?days=7", []string{"Planted violations", "2/3", "expected", "Nightly backup account", "budget 33 a day", "95 %"}},
		{"/quality?from=2020-01-01&to=2020-02-01", []string{"outside of this period", "32 days"}},
		{"/quality?days=90", []string{"published: 2 %", "published: 40 %"}},
		{"/exceptions", []string{"ends soon", "needs agreement", "a second user has to agree", "Cardiology", "Hospital board"}},
		{"/exceptions/" + id, []string{"Opened a record without any tie", "Review by"}},
		{"/detectors", []string{"Whose record it is", "switched off", "follow-up calls", "wants: switched off", "Precision here", "hid 1"}},
	} {
		for _, lang := range []string{"en", "zh"} {
			res, body := h.get(ses, c.path, "Accept-Language", lang)
			if res.StatusCode != http.StatusOK || strings.Contains(body, "⟦") {
				t.Errorf("%s in %s: %d", c.path, lang, res.StatusCode)
			}
			for _, w := range c.want {
				if lang == "en" && !strings.Contains(body, w) {
					t.Errorf("%s does not say %q", c.path, w)
				}
			}
		}
	}
	auditor := h.session("zhang", identity.Auditor)
	if _, body := h.get(auditor, "/exceptions"); strings.Contains(body, "<textarea") || !strings.Contains(body, "Cardiology") {
		t.Error("the auditor reads exceptions and writes none")
	}
	if res, _ := h.post(auditor, "/exceptions", "detector", "vip"); res.StatusCode != http.StatusForbidden {
		t.Errorf("an auditor writes exceptions: %d", res.StatusCode)
	}
	head := h.session("chen", identity.DepartmentHead)
	if res, _ := h.get(head, "/exceptions"); res.StatusCode != http.StatusForbidden {
		t.Errorf("a department head sees exceptions: %d", res.StatusCode)
	}
}

// TestBrowserTuning: an exception is written, agreed to by somebody else, and
// ended; a detector is switched off; calibration is frozen.
func TestBrowserTuning(t *testing.T) {
	chromium(t)
	h := newHospital(t)
	h.live(1)
	b := h.signed(t, "en", "boss", identity.SecurityOfficer)
	b.open(h.server.URL + "/exceptions?detector=vip")
	b.fill(`input[name=person]`, "D001")
	b.fill(`input[name=until]`, h.Now().AddDate(0, 1, 0).Format("2006-01-02"))
	b.fill(`textarea[name=reason]`, "yearly audit")
	b.fill(`input[name=approved_by]`, "Dr. Lin")
	b.submit(`form[action="/exceptions"] button.primary`)
	b.sees("needs agreement", "yearly audit")
	b.open(h.server.URL + "/detectors")
	get(b, chromedp.Evaluate[bool](`document.querySelectorAll("#vip details").forEach(d => d.open = true) || true`))
	b.fill(`#vip select[name=off]`, "true")
	b.fill(`#vip input[name=reason]`, "list is not kept")
	b.submit(`#vip button[type=submit]`)
	b.sees("not in force before a second user agrees")
	b.open(h.server.URL + "/quality")
	b.fill(`form[action="/quality/calibration"] select`, "frozen")
	b.fill(`form[action="/quality/calibration"] input[name=reason]`, "new officer")
	b.submit(`form[action="/quality/calibration"] button`)
	b.sees("frozen")
	other := h.signed(t, "zh-CN", "li", identity.PrivacyOfficer)
	other.open(h.server.URL + "/exceptions")
	get(other, chromedp.Evaluate[bool](`document.querySelectorAll("details").forEach(d => d.open = true) || true`))
	other.submit(`form[action$="/agree"] button`)
	other.sees("生效中")
	other.open(h.server.URL + "/detectors")
	get(other, chromedp.Evaluate[bool](`document.querySelectorAll("#vip details").forEach(d => d.open = true) || true`))
	other.submit(`#vip form[action$="/agree"] button`)
	other.sees("检测规则已更新并生效")
	b.quiet()
	other.quiet()
}
