package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
)

func TestPagesNeedSession(t *testing.T) {
	h := newHospital(t)
	for _, path := range []string{"/", "/incidents", "/patients", "/sources", "/evidence", "/users", "/detectors"} {
		res, _ := h.get(identity.Session{}, path)
		if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), "/signin") {
			t.Errorf("%s without a session: %d to %q", path, res.StatusCode, res.Header.Get("Location"))
		}
	}
	res, _ := h.get(identity.Session{}, "/overview/live")
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("live part without a session: %d", res.StatusCode)
	}
	res, _ = h.get(identity.Session{}, "/incidents/x", "Sec-Fetch-Site", "cross-site")
	if res.StatusCode != 200 || !strings.Contains(res.Header.Get("Refresh"), "/incidents/x") {
		t.Errorf("a link from a mail: %d, refresh %q", res.StatusCode, res.Header.Get("Refresh"))
	}
}

// TestLivedIn looks at one hospital with two days behind it from all sides.
func TestLivedIn(t *testing.T) {
	h := newHospital(t)
	h.live(2)
	for _, c := range []struct {
		name string
		look func(*testing.T, *hospital)
	}{
		{"every page in both languages", everyPageInBothLanguages}, {"no numbers in addresses", noNumbersInAddresses},
		{"narrow", narrow}, {"print", onPaper},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.t = t
			c.look(t, h)
		})
	}
}

func everyPageInBothLanguages(t *testing.T, h *hospital) {
	ses := h.session("zhao", identity.Administrator)
	cases := must[[]incident.Case](t)(h.Desk.List(t.Context(), incident.Query{}))
	if len(cases) == 0 {
		t.Fatal("no cases in the simulated days")
	}
	paths := []string{"/", "/?range=14d", "/incidents", "/incidents?status=all&order=time&page=2", "/patients", "/sources",
		"/sources?state=replayed", "/detectors", "/evidence", "/users", "/signin", "/nowhere", "/overview/live", "/evidence/live"}
	for _, c := range cases[:min(len(cases), 12)] {
		paths = append(paths, "/incidents/"+c.ID)
	}
	paths = append(paths, h.linksOf(ses, "/people/", paths)...)
	paths = append(paths, h.linksOf(ses, "/patients/", paths)...)
	for _, lang := range []string{"en", "zh"} {
		for _, path := range paths {
			began := time.Now()
			res, body := h.get(ses, path, "Accept-Language", lang)
			if res.StatusCode >= 500 || strings.Contains(body, "⟦") || strings.Contains(body, "%!") {
				t.Errorf("%s in %s: %d, a text is missing or a page failed:\n%s\n%s", path, lang, res.StatusCode, excerpt(body, "⟦"), h.logged)
			}
			if res.Header.Get("Content-Security-Policy") == "" || strings.Contains(body, " style=") {
				t.Errorf("%s: no policy, or an inline style", path)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("%s took %v", path, took)
			}
		}
	}
}

// linksOf finds links with a prefix on pages.
func (h *hospital) linksOf(ses identity.Session, prefix string, pages []string) []string {
	var out []string
	for _, page := range pages {
		_, body := h.get(ses, page)
		for part := range strings.SplitSeq(body, `href="`) {
			if link, _, found := strings.Cut(part, `"`); found && strings.HasPrefix(link, prefix) && len(out) < 6 {
				out = append(out, link)
			}
		}
	}
	return out
}

func excerpt(body, mark string) string {
	i := strings.Index(body, mark)
	if i < 0 {
		return ""
	}
	return body[max(0, i-80):min(len(body), i+80)]
}

// noNumbersInAddresses: patients and staff stand in no link, form or redirect.
func noNumbersInAddresses(t *testing.T, h *hospital) {
	ses := h.session("qian", identity.SecurityOfficer)
	ids := map[string]bool{}
	for _, c := range must[[]incident.Case](t)(h.Desk.List(t.Context(), incident.Query{})) {
		for _, p := range c.Patients {
			ids[p] = true
		}
		ids[c.Person] = c.Person != ""
	}
	pages := append([]string{"/", "/incidents?status=all"}, h.linksOf(ses, "/incidents/", []string{"/incidents?status=all"})...)
	pages = append(pages, h.linksOf(ses, "/people/", pages)...)
	pages = append(pages, h.linksOf(ses, "/patients/", pages)...)
	for _, page := range pages {
		_, body := h.get(ses, page)
		for _, attribute := range []string{`href="`, `action="`, `src="`, `data-live="`} {
			for part := range strings.SplitSeq(body, attribute) {
				address, _, _ := strings.Cut(part, `"`)
				for id := range ids {
					if strings.HasPrefix(address, "/") && id != "" && strings.Contains(address, id) {
						t.Errorf("%s: %s holds the number %s", page, address, id)
					}
				}
			}
		}
	}
	res, _ := h.post(ses, "/patients", "patient", "P-17/ß")
	if to := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || strings.Contains(to, "17") && strings.Contains(to, "P-") {
		t.Errorf("looking up a patient: %d to %q", res.StatusCode, to)
	}
	res, body := h.get(ses, res.Header.Get("Location"))
	if res.StatusCode != 200 || !strings.Contains(body, "P-17/ß") {
		t.Errorf("the patient's page: %d", res.StatusCode)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.watched) == 0 {
		t.Error("looking at a patient is not an event")
	}
}

// post sends a form with the session's token.
func (h *hospital) post(ses identity.Session, path string, fields ...string) (*http.Response, string) {
	h.t.Helper()
	form := url.Values{"csrf": {ses.CSRF}}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r := must[*http.Request](h.t)(http.NewRequest("POST", h.server.URL+path, strings.NewReader(form.Encode())))
	return h.send(ses, r, "Content-Type", "application/x-www-form-urlencoded")
}

func TestFormsNeedToken(t *testing.T) {
	h := newHospital(t)
	ses := h.session("zhao", identity.Administrator)
	forged := ses
	forged.CSRF = "x"
	if res, _ := h.post(forged, "/users/invite", "name", "mallory", "role", "administrator"); res.StatusCode != http.StatusForbidden {
		t.Errorf("a form without the token: %d", res.StatusCode)
	}
	r := must[*http.Request](t)(http.NewRequest("POST", h.server.URL+"/signout", strings.NewReader("csrf="+ses.CSRF)))
	if res, _ := h.send(ses, r, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site"); res.StatusCode != http.StatusForbidden {
		t.Errorf("a form from another site: %d", res.StatusCode)
	}
	res, body := h.post(ses, "/users/invite", "name", "qian", "role", "auditor")
	if res.StatusCode != http.StatusCreated || !strings.Contains(body, "/welcome/") {
		t.Errorf("inviting: %d", res.StatusCode)
	}
	res, body = h.post(ses, "/users/token", "label", "his", "role", "sender", "days", "30")
	if res.StatusCode != http.StatusCreated || !strings.Contains(body, "cordon_") {
		t.Errorf("a token: %d", res.StatusCode)
	}
	if res, _ := h.post(ses, "/users/disable", "name", "zhao"); res.StatusCode != http.StatusConflict {
		t.Errorf("disabling the last administrator: %d", res.StatusCode)
	}
}

func TestRolesOnPages(t *testing.T) {
	h := newHospital(t)
	for _, c := range []struct {
		role identity.Role
		path string
		want int
	}{
		{identity.Auditor, "/evidence", 200}, {identity.Auditor, "/users", 403}, {identity.Auditor, "/patients", 200},
		{identity.DepartmentHead, "/incidents", 200}, {identity.DepartmentHead, "/patients", 403}, {identity.DepartmentHead, "/evidence", 403},
		{identity.PrivacyOfficer, "/patients", 200}, {identity.PrivacyOfficer, "/users", 403}, {identity.SecurityOfficer, "/sources", 200},
	} {
		ses := h.session("user-"+string(c.role)+strings.ReplaceAll(c.path, "/", "-"), c.role)
		if res, _ := h.get(ses, c.path); res.StatusCode != c.want {
			t.Errorf("%s at %s: %d, want %d", c.role, c.path, res.StatusCode, c.want)
		}
	}
}

func TestSignInIsSlowedDown(t *testing.T) {
	h := newHospital(t)
	last := 0
	for range 25 {
		res, _ := h.post(identity.Session{}, "/signin", "name", "nobody", "password", "x", "code", "000000")
		last = res.StatusCode
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("after 25 attempts: %d", last)
	}
}

func TestQuarantineIsMended(t *testing.T) {
	h := newHospital(t)
	ses := h.session("zhao", identity.SecurityOfficer)
	h.take("hl7v2", "mllp:his", []byte("PID|1||4711\rPV1|1|I\r"), h.Now())
	link := h.linksOf(ses, "/quarantine/", []string{"/sources"})
	if len(link) != 1 {
		t.Fatalf("links to quarantined records: %v", link)
	}
	_, body := h.get(ses, link[0])
	if !strings.Contains(body, "PID|1||4711\nPV1|1|I") {
		t.Errorf("the record is not shown by lines")
	}
	if res, _ := h.post(ses, link[0]+"/replay"); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("replay as it is: %d", res.StatusCode)
	}
	fixed := "MSH|^~\\&|HIS|H|C|C|20260305101500||ADT^A01|M1|P|2.4\r\nPID|1||4711\r\nPV1|1|I|3A^1^1||||D1"
	if res, body := h.post(ses, link[0]+"/replay", "data", fixed); res.StatusCode != http.StatusSeeOther {
		t.Errorf("replay of the mended record: %d %s", res.StatusCode, excerpt(body, "role=\"alert\""))
	}
	if res, _ := h.post(ses, link[0]+"/discard"); res.StatusCode != http.StatusConflict {
		t.Errorf("discarding what was replayed: %d", res.StatusCode)
	}
}

func TestEvidenceIsVerified(t *testing.T) {
	h := newHospital(t)
	ses := h.session("zhao", identity.Auditor)
	h.post(ses, "/evidence/verify")
	for range 100 {
		_, body := h.get(ses, "/evidence/live")
		if strings.Contains(body, "All evidence is intact") {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	_, body := h.get(ses, "/evidence/live")
	t.Errorf("no result: %s\n%s", body, h.logged)
}

func TestLanguageSwitch(t *testing.T) {
	h := newHospital(t)
	_, body := h.get(identity.Session{}, "/signin", "Accept-Language", "zh-CN")
	if !strings.Contains(body, `lang="zh-CN"`) || !strings.Contains(body, "登录") {
		t.Error("the browser's language is not taken")
	}
	res, _ := h.post(identity.Session{}, "/language", "lang", "en")
	if res.StatusCode != http.StatusSeeOther || !strings.Contains(res.Header.Get("Set-Cookie"), "cordon_lang=en") {
		t.Errorf("switch: %d %q", res.StatusCode, res.Header.Get("Set-Cookie"))
	}
	_, body = h.get(identity.Session{}, "/signin", "Accept-Language", "zh-CN", "Cookie", "cordon_lang=en")
	if !strings.Contains(body, `lang="en"`) {
		t.Error("the switch does not win over the browser")
	}
}
