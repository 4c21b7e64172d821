package console_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"

	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/playbook"
)

// browser is one Chromium context that notes what pages complain about.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string // guarded by mu
}

// chromium finds the browser, or skips.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("Chromium is not installed, so pages are not tried in a browser: apt-get install chromium")
	return ""
}

// newBrowser starts a browser of its own: nothing is shared with another.
func newBrowser(t *testing.T, lang string) *browser {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.Flag("lang", lang), chromedp.WindowSize(1440, 900))
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			b.note(m)
		}
	}()
	b.run(chromedp.Navigate("about:blank"))
	b.language(lang)
	return b
}

// note keeps complaints: a broken policy or script, a missing file. What the
// server refuses is for the tests to judge.
func (b *browser) note(m chromedp.ConsoleMessage) {
	bad := m.Type == "error" || m.Type == "warning" || m.IsException()
	if !bad || strings.Contains(m.Text, "the server responded with a status of 4") {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, m.Text)
}

// quiet fails when the browser complained.
func (b *browser) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		b.t.Errorf("the browser complains: %s", c)
	}
}

// within bounds one step in time.
func (b *browser) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(b.ctx, 20*time.Second)
}

func (b *browser) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

// get runs an action that returns something.
func get[T any](b *browser, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := b.within()
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		b.t.Fatalf("browser: %v", err)
	}
	return v
}

func (b *browser) open(address string) {
	b.t.Helper()
	get(b, chromedp.Navigate(address))
}

func (b *browser) fill(selector, value string) {
	b.t.Helper()
	get(b, chromedp.SetValue(css(selector), value))
}

func (b *browser) click(selector string) {
	b.t.Helper()
	get(b, chromedp.Click(css(selector)))
}

func css(selector string) chromedp.CSS { return chromedp.CSS(selector) }

func (b *browser) language(lang string) {
	b.t.Helper()
	ctx, cancel := b.within()
	defer cancel()
	_, err := chromedp.Call(ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": lang}})
	ok(b.t, err)
}

func (b *browser) media(m emulation.SetEmulatedMediaParams) {
	b.t.Helper()
	ctx, cancel := b.within()
	defer cancel()
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, m)
	ok(b.t, err)
}

func (b *browser) size(width, height int64, dark bool) {
	b.t.Helper()
	scheme := map[bool]string{true: "dark", false: "light"}[dark]
	get(b, chromedp.EmulateViewport(width, height))
	b.media(emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

func (b *browser) sees(words ...string) {
	b.t.Helper()
	s := get(b, chromedp.Text(css("main")))
	for _, w := range words {
		if !strings.Contains(s, w) {
			b.t.Fatalf("the page does not say %q, but:\n%s", w, s)
		}
	}
}

// signIn fills the form.
func (b *browser) signIn(h *hospital, name, password, code string) {
	b.t.Helper()
	b.open(h.server.URL + "/signin")
	b.fill(`input[name=name]`, name)
	b.fill(`input[name=password]`, password)
	b.fill(`input[name=code]`, code)
	b.submit(`main button.primary`)
}

// submit clicks and waits for the next page.
func (b *browser) submit(selector string) {
	b.t.Helper()
	ctx, cancel := b.within()
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(css(selector))); err != nil {
		b.t.Fatalf("click %s: %v", selector, err)
	}
	get(b, chromedp.WaitReady(css("main")))
}

func (h *hospital) code(secret string) string {
	return must[string](h.t)(totp.GenerateCode(secret, h.Now()))
}

// signed is a browser signed in with a role.
func (h *hospital) signed(t *testing.T, lang, name string, role identity.Role) *browser {
	t.Helper()
	password, secret := h.user(name, role)
	b := newBrowser(t, lang)
	b.signIn(h, name, password, h.code(secret))
	return b
}

func TestBrowserWelcome(t *testing.T) {
	b := newBrowser(t, "en")
	h := newHospital(t)
	link := must[string](t)(h.Users.Invite(t.Context(), identity.Invitation{Name: "admin", Role: identity.Administrator}, "cordon"))
	b.open(h.server.URL + "/welcome/" + link)
	fill := func(code string) {
		b.fill(`input[name=password]`, "what a fine morning")
		b.fill(`input[name=repeat]`, "what a fine morning")
		b.fill(`input[name=code]`, code)
		b.submit(`main button.primary`)
	}
	shown := get(b, chromedp.Text(css("#totp")))
	fill("000000")
	b.sees("The code does not fit")
	if again := get(b, chromedp.Text(css("#totp"))); again != shown {
		t.Errorf("after a mistake the secret changed from %q to %q", shown, again)
	}
	fill(h.code(strings.ReplaceAll(shown, " ", "")))
	b.sees("Welcome. Your account is ready.", "Connect the first source")
	b.open(h.server.URL + "/welcome/" + link)
	b.sees("used already")
	b.quiet()
}

func TestBrowserSignIn(t *testing.T) {
	b := newBrowser(t, "en")
	h := newHospital(t)
	password, secret := h.user("zhao", identity.Auditor)
	b.signIn(h, "zhao", password, "123456")
	b.sees("not right")
	b.signIn(h, "zhao", password, h.code(secret))
	b.sees("Connect the first source")
	b.submit(`form[action="/signout"] button`)
	b.sees("You are signed out")
	b.quiet()
}

// TestBrowserCase handles a case to the end, with the person answering in a
// browser of their own.
func TestBrowserCase(t *testing.T) {
	chromium(t)
	h := newHospital(t)
	h.live(1)
	b := h.signed(t, "en", "boss", identity.SecurityOfficer)
	q := h.anyQuestion()
	b.open(h.server.URL + "/incidents/" + q.Case)
	b.sees("Why this is a case", "Question and answer")
	b.submit("#take")
	b.sees("Assigned.")
	link := get(b, chromedp.Value(css("[data-copy]")))

	staff := newBrowser(t, "zh-CN")
	staff.size(390, 844, false)
	staff.open(h.server.URL + must[*url.URL](t)(url.Parse(link)).Path)
	staff.click(`input[value=consult]`)
	staff.fill(`textarea[name=text]`, "二线会诊")
	staff.submit(`main button.primary`)
	staff.sees("感谢您的答复")
	staff.quiet()

	b.open(h.server.URL + "/incidents/" + q.Case)
	b.sees("A colleague asked me", "二线会诊")
	b.click(`input[value=justified]`)
	b.fill(`form[action$="/close"] textarea`, "second opinion, confirmed by the ward")
	b.submit(`form[action$="/close"] button`)
	b.sees("The case is closed.", "Justified", "second opinion")
	b.quiet()
	if c := must[incident.Case](t)(h.Desk.Get(t.Context(), q.Case)); c.Status != incident.StatusClosed || c.Verdict != incident.Justified {
		t.Errorf("the case is %s, %s", c.Status, c.Verdict)
	}
}

// anyQuestion is an open question that the default playbook asked.
func (h *hospital) anyQuestion() playbook.Question {
	h.t.Helper()
	for _, q := range must[[]playbook.Question](h.t)(h.Runner.Questions(h.t.Context(), "")) {
		if q.Status == "open" {
			return q
		}
	}
	h.t.Fatal("the playbook asked nobody")
	return playbook.Question{}
}

func TestBrowserApproval(t *testing.T) {
	chromium(t)
	h := newHospital(t)
	h.live(1)
	c := must[[]incident.Case](t)(h.Desk.List(t.Context(), incident.Query{Limit: 1}))[0]
	e := must[playbook.Entry](t)(h.Runner.Do(t.Context(), playbook.Want{Action: "suspend-account", Case: c.ID, By: "colleague"}))
	if e.Status != playbook.StatusWanted {
		t.Fatalf("suspending is %s without approval", e.Status)
	}
	b := h.signed(t, "en", "boss", identity.SecurityOfficer)
	b.sees("Waiting for approval")
	b.open(h.server.URL + "/incidents/" + c.ID)
	b.submit(`form[action$="/approve"] button.primary`)
	b.sees("Approved.", "Approved by boss")
	b.submit(`form[action$="/undo"] button`)
	b.sees("Undone.")
	b.quiet()
}

func TestBrowserLiveWarnings(t *testing.T) {
	chromium(t)
	h := newHospital(t)
	b := h.signed(t, "en", "boss", identity.SecurityOfficer)
	b.sees("Connect the first source")
	h.live(1)
	get(b, chromedp.WaitVisible(css(".cases .case")))
	b.sees("Act on these first")
	b.quiet()
}

func TestBrowserLanguage(t *testing.T) {
	chromium(t)
	h := newHospital(t)
	b := h.signed(t, "zh-CN", "boss", identity.Auditor)
	b.sees("接入第一个数据来源")
	b.submit(`.languages button[value=en]`)
	b.sees("Connect the first source")
	b.submit(`.languages button[value=zh]`)
	b.sees("接入第一个数据来源")
	b.quiet()
}

// narrow: no page is wider than a telephone.
func narrow(t *testing.T, h *hospital) {
	chromium(t)
	b := h.signed(t, "zh-CN", "sun", identity.Administrator)
	b.size(390, 844, false)
	for _, path := range h.showcase() {
		b.open(h.server.URL + path)
		wide := get(b, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`))
		if wide > 0 {
			what := get(b, chromedp.Evaluate[string](`[...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + "." + e.className).slice(0, 5).join(" ")`))
			t.Errorf("%s is %d px too wide: %s", strings.Split(path, "/")[1], wide, what)
		}
	}
	b.quiet()
}

// onPaper: the patient's page has its letterhead and no navigation.
func onPaper(t *testing.T, h *hospital) {
	chromium(t)
	b := h.signed(t, "en", "li", identity.PrivacyOfficer)
	b.open(h.server.URL + h.patientPath())
	b.media(emulation.SetEmulatedMediaParams{Media: "print"})
	display := func(selector string) string {
		return get(b, chromedp.Evaluate[string](`getComputedStyle(document.querySelector("`+selector+`")).display`))
	}
	if side, letterhead := display(".side"), display(".letterhead"); side != "none" || letterhead == "none" {
		t.Errorf("on paper navigation is %q and the letterhead %q", side, letterhead)
	}
	if pdf := get(b, chromedp.PrintToPDF()); !strings.HasPrefix(string(pdf), "%PDF") {
		t.Errorf("printing gives %.20q", pdf)
	}
	b.quiet()
}

// patientPath is the page of the patient most looked at.
func (h *hospital) patientPath() string {
	h.t.Helper()
	ses := h.session(fmt.Sprintf("finder-%d", time.Now().UnixNano()), identity.SecurityOfficer)
	links := h.linksOf(ses, "/patients/", h.linksOf(ses, "/incidents/", []string{"/incidents?status=all"}))
	if len(links) == 0 {
		h.t.Fatal("no case leads to a patient")
	}
	return links[0]
}

// showcase are pages of every kind.
func (h *hospital) showcase() []string {
	h.t.Helper()
	h.take("hl7v2", "mllp:his", []byte("PID|1||4711\rPV1|1|I\r"), h.Now())
	h.rule()
	paths := []string{"/", "/incidents?status=all", "/incidents/" + h.anyQuestion().Case, "/patients", h.patientPath(), "/sources", "/detectors", "/evidence", "/users", "/quality?days=7", "/exceptions", "/exceptions/" + h.tune(), "/rules", "/rules/" + nightRule + "?version=aaaaaaaaaaaaaaaaaaaa"}
	ses := h.session(fmt.Sprintf("looker-%d", time.Now().UnixNano()), identity.Administrator)
	paths = append(paths, h.linksOf(ses, "/people/", []string{"/incidents?status=all"})[0], h.linksOf(ses, "/quarantine/", []string{"/sources"})[0])
	return append(paths, must[*url.URL](h.t)(url.Parse(h.Runner.Link(h.anyQuestion(), "user"))).Path)
}

// TestScreenshots takes pictures of all pages into the folder CORDON_SHOTS.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("CORDON_SHOTS")
	if dir == "" {
		t.Skip("set CORDON_SHOTS to a folder to take pictures of all pages")
	}
	h := newHospital(t)
	b := newBrowser(t, "en")
	shoot := func(name, path, lang string, width int64, dark bool) {
		b.size(width, map[bool]int64{true: 844, false: 900}[width < 500], dark)
		b.language(lang)
		b.open(h.server.URL + path)
		png := get(b, chromedp.FullScreenshot(100))
		ok(t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644))
	}
	shoot("signin-en", "/signin", "en", 1440, false)
	link := must[string](t)(h.Users.Invite(t.Context(), identity.Invitation{Name: "admin", Role: identity.Administrator}, "cordon"))
	shoot("welcome-zh", "/welcome/"+link, "zh", 1440, false)
	shoot("welcome-narrow-en", "/welcome/"+link, "en", 390, false)
	password, secret := h.user("boss", identity.Administrator)
	b.size(1440, 900, false)
	b.signIn(h, "boss", password, h.code(secret))
	shoot("empty-en", "/", "en", 1440, false)
	shoot("empty-sources-zh", "/sources", "zh", 390, false)
	h.grow(2, 120, 900)
	names := []string{"overview", "incidents", "incident", "patients", "patient", "sources", "detectors", "evidence", "users", "quality", "exceptions", "exception", "rules", "rule", "person", "record", "answer"}
	for i, path := range h.showcase() {
		shoot(names[i]+"-en", path, "en", 1440, false)
		shoot(names[i]+"-narrow-zh", path, "zh", 390, false)
		if i < 5 {
			shoot(names[i]+"-zh", path, "zh", 1440, false)
			shoot(names[i]+"-dark", path, "en", 1440, true)
			shoot(names[i]+"-narrow-en", path, "en", 390, true)
		}
	}
	shoot("error-en", "/nowhere", "en", 1440, false)
	b.size(1440, 900, false)
	b.language("en")
	b.open(h.server.URL + "/")
	ok(t, os.WriteFile(filepath.Join(dir, "readme.png"), get(b, chromedp.CaptureScreenshot()), 0o644))
	b.open(h.server.URL + h.patientPath())
	b.media(emulation.SetEmulatedMediaParams{Media: "print"})
	ok(t, os.WriteFile(filepath.Join(dir, "patient-print.png"), get(b, chromedp.FullScreenshot(100)), 0o644))
	b.quiet()
}
