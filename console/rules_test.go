package console_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/ocsf"
)

const (
	nightRule  = "6f1f5a0e-3a0c-4d1e-9d5a-0c1d0a000101"
	sprayRule  = "6f1f5a0e-3a0c-4d1e-9d5a-0c1d0a000102"
	jumpRule   = "6f1f5a0e-3a0c-4d1e-9d5a-0c1d0a000103"
	backupRule = "6f1f5a0e-3a0c-4d1e-9d5a-0c1d0a000104"
)

// rule gives the hospital Sigma rules as node would tell them, with their texts
// in evidence, and cases they found.
func (h *hospital) rule() {
	h.t.Helper()
	text := func(version string) string {
		return "title: Export at night\nid: " + nightRule + "\nlogsource: {category: patient_access}\ndetection:\n  x: {activity: export}\n  condition: x # " + version + "\n"
	}
	h.ruled = api.RuleSet{
		Rules: []api.RuleLine{
			{ID: nightRule, Title: "Export at night", TitleZH: "夜间导出", Level: "high", Status: "stable", Source: "patient_access", File: "night-export.txtar", Version: "bbbbbbbbbbbbbbbbbbbb", Filters: []string{backupRule}},
			{ID: sprayRule, Title: "Password spray", Level: "medium", File: "password-spray.txtar", Version: "cccccccccccccccccccc", Correlation: true, Type: "value_count", Counts: []string{nightRule}, Span: 600_000, Groups: 17},
			{ID: jumpRule, Title: "Sign-in from elsewhere than a <jump host>", Level: "low", Source: "authentication/windows/security", File: "jump.yml", Version: "dddddddddddddddddddd", Waits: []string{"Jumphosts"}, Idle: true},
		},
		Refused: []api.RefusedRule{{File: "broken.yml", Title: "Broken", Reason: "line 7: condition names a selection that is not there: other", Kept: true}},
		Filters: []api.Filter{{ID: backupRule, Title: "Backup reads everything", Reason: "nightly copy", ApprovedBy: "Zhao", Until: "2026-03-01", Expired: true, Rules: 1, Missing: []string{"no-such-rule"}}},
		Groups:  17, Bytes: 123_456, Forgotten: 3,
	}
	h.keepRule(nightRule, "aaaaaaaaaaaaaaaaaaaa", text("first"))
	h.keepRule(nightRule, "bbbbbbbbbbbbbbbbbbbb", text("second"))
	h.keepRule(sprayRule, "cccccccccccccccccccc", "title: Password spray\n")
	h.keepRule(jumpRule, "dddddddddddddddddddd", "title: Sign-in\n")
	h.keepRule(backupRule, "eeeeeeeeeeeeeeeeeeee", "title: Backup reads everything\n")
	at := h.Now().UnixMilli()
	ok(h.t, h.Tuning.Book.CountFilters(context.Background(), map[string]int64{backupRule: 42}))
	var found []ocsf.Finding
	for i, s := range []string{"machine:CT-2", "client:report job", "source:his-db", "cordon:door:mllp", "source:10.0.0.7 WS-3", "patient:P100", "source:" + sprayRule, ""} {
		f := ocsf.Finding{UID: fmt.Sprint("rule-", i), Analytic: nightRule, Type: "sigma", Version: "aaaaaaaaaaaaaaaaaaaa", Subject: s, Time: at - int64(i), Risk: 80 - float64(i), SeverityID: ocsf.SeverityHigh,
			Title: ocsf.Text{EN: "Export at night", ZH: "夜间导出"}, Why: ocsf.Text{EN: "Why not.", ZH: "原因。"}, Events: []string{fmt.Sprint("e", i)}}
		switch {
		case s == "":
			f.Person = "D001"
		case s == "source:his-db":
			f.Analytic, f.Type, f.Source = "silent-source", "", "his-db"
		}
		found = append(found, f)
	}
	ok(h.t, h.db.Update(context.Background(), func(tx *sql.Tx) error {
		_, err := h.Desk.Add(tx, found)
		return err
	}))
}

func (h *hospital) keepRule(id, version, text string) {
	h.t.Helper()
	body := must[[]byte](h.t)(json.Marshal(api.RuleText{ID: id, Kind: "rule", Title: id, Version: version, File: "x.yml", Folder: 2, Text: text}))
	ok(h.t, h.db.Update(context.Background(), func(tx *sql.Tx) error {
		_, err := h.Book.Put(tx, evidence.Record{Kind: api.KindRule, ID: id, Time: h.Now().UnixMilli(), Status: version, Body: body})
		return err
	}))
}

func TestRulePages(t *testing.T) {
	h := newHospital(t)
	ses := h.session("boss", identity.SecurityOfficer)
	if res, body := h.get(ses, "/rules"); res.StatusCode != http.StatusOK || strings.Contains(body, "⟦") || strings.Contains(body, "refused") {
		t.Fatalf("without rules: %d", res.StatusCode)
	}
	h.rule()
	for _, c := range []struct {
		path       string
		want, none []string
	}{
		{"/rules", []string{`id="refused"`, "broken.yml", "line 7", "stays at work", "cordon detect", "Export at night", "夜间导出", "waits for Jumphosts", "no log source leads here", "remembers 17 groups", "Backup reads everything", "nightly copy", "expired", "42", "no-such-rule", "121 KiB", "&lt;jump host&gt;"}, nil},
		{"/rules?level=low", []string{"jump.yml"}, []string{"night-export.txtar"}},
		{"/rules?source=patient_access", []string{"night-export.txtar"}, []string{"jump.yml"}},
		{"/rules?state=waits", []string{"jump.yml"}, []string{"night-export.txtar"}},
		{"/rules?state=found", []string{"night-export.txtar"}, []string{"jump.yml"}},
		{"/rules?q=SPRAY", []string{"password-spray.txtar"}, []string{"jump.yml"}},
		{"/rules?q=nothing", []string{"No rule is like that"}, nil},
		{"/rules/" + nightRule, []string{"# second", "stable", "hospital&#39;s folder", "hid 42"}, []string{"# first", "earlier text"}},
		{"/rules/" + nightRule + "?version=aaaaaaaaaaaaaaaaaaaa", []string{"# first", "earlier text"}, []string{"# second"}},
		{"/rules/" + sprayRule, []string{"value_count", "10 min", "/rules/" + nightRule}, nil},
		{"/rules/" + backupRule, []string{"nightly copy", "2026-03-01", "42"}, nil},
	} {
		for _, lang := range []string{"en", "zh"} {
			res, body := h.get(ses, c.path, "Accept-Language", lang)
			if res.StatusCode != http.StatusOK || strings.Contains(body, "⟦") || strings.Contains(body, "%!") {
				t.Errorf("%s in %s: %d", c.path, lang, res.StatusCode)
			}
			for _, w := range c.want {
				if (lang == "en") == !strings.Contains(w, "夜") && !strings.Contains(body, w) {
					t.Errorf("%s in %s does not say %q", c.path, lang, w)
				}
			}
			for _, w := range c.none {
				if strings.Contains(body, w) {
					t.Errorf("%s in %s says %q", c.path, lang, w)
				}
			}
		}
	}
	for i := range 130 {
		h.ruled.Rules = append(h.ruled.Rules, api.RuleLine{ID: fmt.Sprint("many-", i), Title: fmt.Sprintf("Many %03d", i), Level: "low", File: "many.yml"})
	}
	if _, body := h.get(ses, "/rules?q=many&page=3"); !strings.Contains(body, "Many 129") || strings.Contains(body, "Many 119") || strings.Contains(body, "page=4") {
		t.Error("the third page does not hold the last ten")
	}
	if res, _ := h.get(ses, "/rules/none"); res.StatusCode != http.StatusNotFound {
		t.Errorf("a rule that is none: %d", res.StatusCode)
	}
	head := h.session("chen", identity.DepartmentHead)
	if res, _ := h.get(head, "/rules"); res.StatusCode != http.StatusForbidden {
		t.Errorf("a department head sees rules: %d", res.StatusCode)
	}
}

// TestCasesAboutNobody: what is no person has a name people can read, no link
// to a person, and its rule.
func TestCasesAboutNobody(t *testing.T) {
	h := newHospital(t)
	h.sources["his-db"] = &api.Source{Name: "his-db", Format: "pgaudit", Last: h.Now().UnixMilli()}
	h.rule()
	ses := h.session("boss", identity.SecurityOfficer)
	for subject, want := range map[string][2]string{
		"machine:CT-2": {"Machine CT-2", "设备 CT-2"}, "client:report job": {"Program report job", "接口程序 report job"},
		"source:his-db": {"Source his-db", "数据来源 his-db"}, "cordon:door:mllp": {"Cordon itself: door:mllp", "Cordon 自身：door:mllp"},
		"source:10.0.0.7 WS-3": {"Group 10.0.0.7 WS-3", "分组 10.0.0.7 WS-3"}, "patient:P100": {"Patient P100", "患者 P100"},
		"source:" + sprayRule: {"Rule: Password spray", "规则：Password spray"},
	} {
		c := must[[]incident.Case](t)(h.Desk.List(t.Context(), incident.Query{Subject: subject}))[0]
		for i, lang := range []string{"en", "zh"} {
			for _, path := range []string{"/", "/incidents", "/incidents/" + c.ID} {
				_, body := h.get(ses, path, "Accept-Language", lang)
				if !strings.Contains(body, want[i]) || strings.Contains(body, `href=""`) || strings.Contains(body, "⟦") {
					t.Errorf("%s in %s does not name %q, or links nowhere", path, lang, want[i])
				}
				if strings.HasSuffix(path, c.ID) && strings.Contains(body, `href="/people/`) {
					t.Errorf("the case about %s leads to a person", subject)
				}
				if link := "/rules/" + nightRule + "?version=aaaaaaaaaaaaaaaaaaaa"; strings.HasSuffix(path, c.ID) && subject != "source:his-db" && !strings.Contains(body, link) {
					t.Errorf("the case about %s does not lead to its rule", subject)
				}
			}
		}
		if res, body := h.search(ses, want[0]); !strings.Contains(body, c.ID) {
			t.Errorf("searching %q finds nothing: %d", want[0], res.StatusCode)
		}
	}
	own := must[[]incident.Case](t)(h.Desk.List(t.Context(), incident.Query{Subject: "D001"}))[0]
	if _, body := h.get(ses, "/incidents/"+own.ID); !strings.Contains(body, `href="/people/`) {
		t.Error("a case about a person does not lead there")
	}
}

// search looks for cases as the form does.
func (h *hospital) search(ses identity.Session, word string) (*http.Response, string) {
	res, _ := h.post(ses, "/incidents", "q", word, "status", "all")
	to := must[*url.URL](h.t)(url.Parse(res.Header.Get("Location")))
	return h.get(ses, to.String())
}

// TestBrowserRules: from the front page to a refused rule, through the list to
// a rule, from a case to the text that spoke.
func TestBrowserRules(t *testing.T) {
	chromium(t)
	h := newHospital(t)
	h.live(1)
	h.rule()
	h.path.report.Rules.Refused = 1
	b := h.signed(t, "en", "boss", identity.SecurityOfficer)
	b.open(h.server.URL + "/")
	get(b, chromedp.Evaluate[bool](`document.querySelectorAll(".alarm details").forEach(d => d.open = true) || true`))
	b.submit(`.alarm a[href="/rules#refused"]`)
	b.sees("1 rule is not loaded", "line 7")
	b.fill(`select[name=level]`, "low")
	b.submit(`form[action="/rules"] button`)
	b.sees("jump.yml")
	b.submit(`td a[href="/rules/` + jumpRule + `"]`)
	b.sees("Without a list for Jumphosts")
	c := must[[]incident.Case](t)(h.Desk.List(t.Context(), incident.Query{Subject: "machine:CT-2"}))[0]
	b.open(h.server.URL + "/incidents/" + c.ID)
	b.sees("Machine CT-2")
	b.submit(`.finding a[href^="/rules/"]`)
	b.sees("# first", "earlier text")
	b.quiet()
}
