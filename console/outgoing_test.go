package console_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/chromedp/chromedp"

	"github.com/cordon-health/cordon/blob/folder"
	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/classify/table"
	"github.com/cordon-health/cordon/console"
	"github.com/cordon-health/cordon/deid"
	"github.com/cordon-health/cordon/evidence/bundle"
	"github.com/cordon-health/cordon/gateway"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/release"
)

// outgoing is a hospital with everything that lets data out.
type outgoing struct {
	*hospital
	key *deid.Key
}

// someNumber is invented; its check digit is right.
const someNumber = "11010519491231002X"

func newOutgoing(t *testing.T) *outgoing {
	t.Helper()
	h := &outgoing{hospital: newHospital(t), key: must[*deid.Key](t)(deid.NewKey(deid.KeyOptions{}))}
	engine := must[*classify.Engine](t)(classify.New(classify.Config{}))
	inspector := &classify.Inspector{Engine: engine, Levels: classify.Usual(), Key: &h.Key, Readers: table.Readers()}
	key := func() (*deid.Key, error) { return h.key, nil }
	h.gateway(inspector)
	h.Releases = &release.Broker{DB: h.db, Log: h.Book, Files: must[*folder.Folder](t)(folder.Open(t.TempDir())),
		Identity: must[*age.X25519Identity](t)(age.GenerateX25519Identity()), Secret: release.Secret{5}, Temp: t.TempDir(), Now: h.Now, Slog: h.Log,
		Key: key, Inspector: func() *classify.Inspector { return inspector }}
	ok(t, h.Releases.Open(t.Context()))
	h.ReleaseProof = h.prove
	h.Reidentify = &deid.Desk{DB: h.db, Log: h.Book, Key: key, Now: h.Now}
	c := must[*console.Console](t)(console.New(console.Parts{Services: h.Services}))
	h.server = httptest.NewServer(c.Handler())
	t.Cleanup(h.server.Close)
	return h
}

// gateway has a way out that coaches and one that holds.
func (h *outgoing) gateway(in *classify.Inspector) {
	cfg := gateway.Default()
	cfg.Relay = "127.0.0.1:1"
	hold := gateway.Route{Name: "mail-to-partners", Doors: []gateway.Door{gateway.Mail}, To: []string{"*@partner.example"}, Direction: "out", Fail: gateway.Closed,
		Rules: []gateway.Rule{{Honey: true, Do: gateway.Block}, {Level: 3, Do: gateway.Hold}}}
	coach := gateway.Route{Name: "mail-coached", Doors: []gateway.Door{gateway.Mail}, Direction: "out", Rules: []gateway.Rule{{Level: 3, Do: gateway.Coach}}}
	cfg.Routes = append([]gateway.Route{hold, coach}, cfg.Routes...)
	h.Gateway = must[*gateway.Guard](h.t)(gateway.New(h.t.Context(), cfg, h.db, h.Key, h.Now, h.Log))
	h.Gateway.Inspector = func() *classify.Inspector { return in }
	h.Gateway.Record = func(context.Context, gateway.Decision) error { return nil }
	h.Gateway.Files = must[*folder.Folder](h.t)(folder.Open(h.t.TempDir()))
}

func (h *outgoing) prove(ctx context.Context, id, lang string, w io.Writer) error {
	rec, err := h.Book.Get(ctx, release.Kind, id)
	if err != nil {
		return err
	}
	return bundle.Export(ctx, w, h.Book, bundle.Input{Incident: rec, Made: h.Now().UnixMilli(), Lang: lang})
}

// mail tries to send patient data and says what became of it.
func (h *outgoing) mail(from, text string, to ...string) gateway.Outcome {
	return h.Gateway.Judge(h.t.Context(), gateway.Item{Door: gateway.Mail, From: from, To: to, Source: classify.BytesSource("letter.txt", []byte(text))})
}

// visitTable is a table of invented visits.
func visitTable(rows int) string {
	rng := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString("mrn,name,age,sex,postcode,days,cost,diagnosis\n")
	for i := range rows {
		fmt.Fprintf(&b, "T%07d,王小%d,%d,%s,1101%02d,%d,%d,%s\n", i, i, 20+rng.IntN(60), []string{"男", "女"}[rng.IntN(2)], 1+rng.IntN(16), 1+rng.IntN(30), 1000+rng.IntN(90000), []string{"I10", "E11.9", "J18.9", "K35.8"}[rng.IntN(4)])
	}
	return b.String()
}

const visitRecipe = `kind: table
anonymize:
  k: 5
  max_suppression: 0.05
  columns:
    mrn: {kind: identifying}
    name: {kind: identifying}
    age: {kind: quasi, hierarchy: {intervals: [5, 10, 20], over: 89}}
    sex: {kind: quasi}
    postcode: {kind: quasi, hierarchy: {prefix: [4, 2]}}
    days: {kind: sensitive}
    cost: {kind: sensitive}
    diagnosis: {kind: sensitive}
mark: {honey: 10}
`

func (h *outgoing) wish(title, recipe, data string) release.Release {
	h.t.Helper()
	w := release.Wish{Title: title, Purpose: "住院日影响因素研究 / length-of-stay study", Basis: "伦理批件 2026-017", Recipient: "示范大学公共卫生学院 School of Public Health",
		Contact: "data.office@a-rather-long-department-name.university.example", Until: "2026-12-31", Recipe: recipe, File: "visits.csv"}
	return must[release.Release](h.t)(h.Releases.Request(h.t.Context(), w, "steward", strings.NewReader(data)))
}

func (h *outgoing) made(title, recipe, data string) release.Release {
	h.t.Helper()
	return must[release.Release](h.t)(h.Releases.Make(h.t.Context(), h.wish(title, recipe, data).ID, nil))
}

// fillReleases makes a release in every state.
func (h *outgoing) fillReleases() (ids []string) {
	h.t.Helper()
	ctx, data := h.t.Context(), visitTable(3000)
	measured := h.made("2025 年住院病例", visitRecipe, data)
	blocked := h.made("A data set with a very long title that goes on, and names a ward, a year and a project", strings.Replace(visitRecipe, "cost: {kind: sensitive}", "cost: {kind: insensitive}", 1), data)
	failed := h.made("配方列名有误", strings.Replace(visitRecipe, "    mrn:", "    patient_number:", 1), data)
	approved := h.made("心衰随访队列", visitRecipe, data)
	must[release.Release](h.t)(h.Releases.Decide(ctx, approved.ID, true, "officer", "风险低，用途合规"))
	ok(h.t, errOf(h.Releases.Take(ctx, approved.ID, "steward", io.Discard)))
	refused := h.made("Emergency department 2024", visitRecipe, data)
	must[release.Release](h.t)(h.Releases.Decide(ctx, refused.ID, false, "officer", "no contract with the recipient yet"))
	ended := h.made("门诊处方 2023", visitRecipe, data)
	must[release.Release](h.t)(h.Releases.Withdraw(ctx, ended.ID, "steward", "项目终止"))
	asked := h.wish("Not made yet", visitRecipe, data)
	for _, r := range []release.Release{measured, blocked, failed, approved, refused, ended, asked} {
		ids = append(ids, r.ID)
	}
	return ids
}

func errOf[T any](_ T, err error) error { return err }

// fillGateway stops mails of many people.
func (h *outgoing) fillGateway(n int) (held, coached string) {
	h.t.Helper()
	text := func(i int) string {
		return fmt.Sprintf("患者姓名：李四%d，身份证号：%s，电话：138001380%02d", i, someNumber, i%100)
	}
	for i := range n {
		held = h.mail(fmt.Sprintf("doctor%03d@hospital.example", i), text(i), "someone@partner.example").Pass
		coached = h.mail(fmt.Sprintf("nurse%03d@hospital.example", i), text(i), "friend@elsewhere.example").Pass
	}
	many := make([]string, 40)
	for i := range many {
		many[i] = fmt.Sprintf("a.very.long.name.of.a.person.%02d@department-of-everything.partner.example", i)
	}
	h.mail("a.very.long.name.of.a.sender.with.no.spaces@department-of-everything.hospital.example", text(1)+"\n门诊号：1234567，诊断：HIV抗体阳性（B20）", many...)
	must[gateway.Pass](h.t)(h.Gateway.Decide(h.t.Context(), held, true, "officer", "与对方有协议，本次转诊需要"))
	if o := h.mail("last@hospital.example", text(7), "someone@partner.example"); o.Action != gateway.Hold {
		h.t.Fatalf("mail to a partner: %s", o.Action)
	} else {
		held = o.Pass
	}
	return held, coached
}

// fillRequests asks who is behind pseudonyms.
func (h *outgoing) fillRequests() {
	h.t.Helper()
	ctx := h.t.Context()
	ask := func(by, purpose string) string {
		q := deid.Request{Purpose: purpose, Basis: "伦理委员会 2026-021", Items: []string{"P-7F3K9Q", "Z4821907"}}
		return must[deid.Request](h.t)(h.Reidentify.Ask(ctx, q, by)).ID
	}
	ask("steward", "偶发发现需通知患者：影像提示肺结节 incidental finding, the patient has to be told")
	ask("boss", "a court asks")
	mine := ask("boss", "随访失联患者")
	ok(h.t, errOf(h.Reidentify.Decide(ctx, mine, "officer", true, "确有必要")))
	ok(h.t, errOf(h.Reidentify.Decide(ctx, ask("steward", "curious"), "officer", false, "no lawful reason")))
}

// look opens a page and complains of what a reader would.
func (h *outgoing) look(b *browser, path, lang string, width int64, dark bool, name string) {
	h.t.Helper()
	b.size(width, map[bool]int64{true: 844, false: 900}[width < 500], dark)
	b.language(lang)
	b.open(h.server.URL + path)
	if wide := get(b, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`)); wide > 0 {
		what := get(b, chromedp.Evaluate[string](`[...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + "." + e.className).slice(0, 5).join(" ")`))
		h.t.Errorf("%s in %s at %d is %d px too wide: %s", path, lang, width, wide, what)
	}
	if text := get(b, chromedp.Text(css("body"))); strings.Contains(text, "⟦") || strings.Contains(text, "%!") || strings.Contains(text, someNumber) {
		h.t.Errorf("%s in %s lacks a word, or shows a number", path, lang)
	}
	shoot(b, name+"-"+lang+"-"+fmt.Sprint(width))
}

// shoot takes a picture into the folder CORDON_SHOTS.
func shoot(b *browser, name string) {
	b.t.Helper()
	if dir := os.Getenv("CORDON_SHOTS"); dir != "" {
		ok(b.t, os.WriteFile(filepath.Join(dir, "out-"+name+".png"), get(b, chromedp.FullScreenshot(100)), 0o644))
	}
}

// lookAll opens pages in both languages, wide and narrow, light and dark.
func (h *outgoing) lookAll(b *browser, pages [][2]string) {
	h.t.Helper()
	for _, x := range pages {
		h.look(b, x[1], "en", 1440, false, x[0])
		h.look(b, x[1], "zh", 1440, true, x[0])
		h.look(b, x[1], "zh", 390, false, x[0])
		h.look(b, x[1], "en", 390, true, x[0])
	}
}

// TestBrowserOutgoing opens every page about what leaves, empty and full.
func TestBrowserOutgoing(t *testing.T) {
	chromium(t)
	h := newOutgoing(t)
	b := h.signed(t, "en", "boss", identity.SecurityOfficer)
	h.lookAll(b, [][2]string{{"gateway-empty", "/gateway"}, {"releases-empty", "/releases"}, {"trace", "/trace"}, {"deid-empty", "/deid"}, {"nopass", "/pass/nothing"}})
	ids := h.fillReleases()
	h.fillRequests()
	_, coached := h.fillGateway(90)
	pages := [][2]string{{"gateway", "/gateway"}, {"pass", "/pass/" + coached}, {"releases", "/releases"}, {"deid", "/deid"}}
	for i, state := range []string{"measured", "blocked", "failed", "approved", "refused", "ended", "asked"} {
		pages = append(pages, [2]string{"release-" + state, "/releases/" + ids[i]})
	}
	h.lookAll(b, pages)
	b.quiet()
}

// TestBrowserRelease lets a data set out by hand: asked for by one person,
// approved by another, taken, proven, traced.
func TestBrowserRelease(t *testing.T) {
	chromium(t)
	h := newOutgoing(t)
	file := filepath.Join(t.TempDir(), "visits.csv")
	ok(t, os.WriteFile(file, []byte(visitTable(3000)), 0o600))
	steward := h.signed(t, "zh-CN", "steward", identity.DataSteward)
	steward.open(h.server.URL + "/releases")
	for name, value := range map[string]string{"title": "2025 年住院病例", "recipient": "示范大学", "purpose": "住院日研究", "basis": "伦理批件 2026-017"} {
		steward.fill(`input[name=`+name+`]`, value)
	}
	steward.fill(`input[name=until]`, "2026-12-31")
	steward.fill(`textarea[name=recipe]`, visitRecipe)
	get(steward, chromedp.SetUploadFiles(css(`input[type=file]`), []string{file}))
	steward.submit(`main form button.primary`)
	steward.waits("待审批")
	shoot(steward, "flow-measured")
	all := must[[]release.Release](t)(h.Releases.List(t.Context(), 10, 0))
	if len(all) != 1 || all[0].Measured == nil || all[0].Measured.Rows != 3000 {
		t.Fatalf("after the form there are %d releases", len(all))
	}
	h.approveAndTake(t, all[0].ID, steward)
	steward.quiet()
}

// waits until the page says something; it keeps itself fresh.
func (b *browser) waits(word string) {
	b.t.Helper()
	for range 100 {
		if strings.Contains(get(b, chromedp.Text(css("main"))), word) {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	b.sees(word)
}

func (h *outgoing) approveAndTake(t *testing.T, id string, steward *browser) {
	h.t.Helper()
	officer := h.signed(t, "en", "officer", identity.PrivacyOfficer)
	officer.open(h.server.URL + "/releases/" + id)
	officer.sees("waits for approval", "Attacked before it leaves")
	officer.fill(`form[action$="/approve"] textarea`, "the risk is low, the purpose lawful")
	officer.submit(`form[action$="/approve"] button.primary`)
	officer.sees("approved", "the risk is low")
	officer.quiet()
	steward.open(h.server.URL + "/releases/" + id)
	steward.sees("已批准")
	shoot(steward, "flow-approved")
	ses := h.session("second", identity.SecurityOfficer)
	res, copied := h.post(ses, "/releases/"+id+"/take")
	if res.StatusCode != http.StatusOK || !strings.Contains(res.Header.Get("Content-Disposition"), `release-`+id+`.csv"`) || !strings.Contains(copied, "postcode") {
		h.t.Fatalf("taking: %d %s %.80s", res.StatusCode, res.Header.Get("Content-Disposition"), copied)
	}
	ok(h.t, h.Book.Sync(h.t.Context()))
	if res, zip := h.get(ses, "/releases/"+id+"/proof"); res.StatusCode != http.StatusOK || !strings.HasPrefix(zip, "PK") {
		h.t.Errorf("the proof: %d %.200s", res.StatusCode, zip)
	}
	h.traced(steward, copied)
	must[release.Release](h.t)(h.Releases.Withdraw(h.t.Context(), id, "steward", "the study is over"))
	if res, page := h.post(ses, "/releases/"+id+"/take"); res.StatusCode != http.StatusConflict || res.Header.Get("Content-Disposition") != "" || !strings.Contains(page, "<h1>") {
		h.t.Errorf("taking what ended: %d, %q", res.StatusCode, res.Header.Get("Content-Disposition"))
	}
}

// traced asks whose copy a piece is: of this copy, and of nothing.
func (h *outgoing) traced(b *browser, copied string) {
	h.t.Helper()
	lines := strings.SplitAfter(copied, "\n")
	for word, text := range map[string]string{"示范大学": strings.Join(lines[:600], ""), "无法证明": strings.ReplaceAll(visitTable(300), "T0", "X1")} {
		file := filepath.Join(h.t.TempDir(), "leak.csv")
		ok(h.t, os.WriteFile(file, []byte(text), 0o600))
		b.open(h.server.URL + "/trace")
		get(b, chromedp.SetUploadFiles(css(`input[type=file]`), []string{file}))
		b.submit(`main form button.primary`)
		b.sees(word)
		shoot(b, "flow-trace-"+fmt.Sprint(len(text)%7))
	}
}

// TestBrowserGateway decides on held mail, and a sender says why.
func TestBrowserGateway(t *testing.T) {
	chromium(t)
	h := newOutgoing(t)
	held, coached := h.fillGateway(3)
	b := h.signed(t, "en", "boss", identity.SecurityOfficer)
	b.open(h.server.URL + "/gateway")
	get(b, chromedp.Evaluate[bool](`document.querySelectorAll("details").forEach(d => d.open = true), true`))
	shoot(b, "flow-decide")
	form := `form[action="/gateway/` + held + `/approve"]`
	b.fill(form+` textarea`, "the contract with the partner covers it")
	b.submit(form + ` button.primary`)
	b.sees("Decided and kept")
	if p := must[gateway.Pass](t)(h.Gateway.Pass(t.Context(), held)); p.State != gateway.Passed || p.By != "boss" {
		t.Errorf("the held mail is %s by %q", p.State, p.By)
	}
	b.quiet()

	sender := newBrowser(t, "zh-CN")
	sender.size(390, 844, false)
	sender.open(h.server.URL + "/pass/" + coached)
	sender.sees("为什么需要发送")
	sender.fill(`textarea`, "    短    ")
	sender.submit(`main button.primary`)
	sender.sees("请用几个字以上说明原因")
	sender.fill(`textarea`, "转诊需要，对方医院已知情")
	sender.submit(`main button.primary`)
	sender.sees("现在可以发送")
	shoot(sender, "flow-pass")
	sender.quiet()
}

// TestBrowserStopped shows what the web gateway gives instead of a page.
func TestBrowserStopped(t *testing.T) {
	chromium(t)
	h := newOutgoing(t)
	o := h.mail("a@hospital.example", "患者姓名：李四，身份证号："+someNumber, "friend@elsewhere.example")
	o.Summary.Patients = 12
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(o.Page("https://cordon.hospital.example")) }))
	t.Cleanup(site.Close)
	b := newBrowser(t, "zh-CN")
	for _, width := range []int64{1440, 390} {
		b.size(width, 844, width < 500)
		b.open(site.URL)
		b.sees("暂未发送", "Not sent yet", "身份证")
		shoot(b, "stopped-"+fmt.Sprint(width))
	}
	b.quiet()
}

// TestBrowserBehind asks who is behind a pseudonym and looks once.
func TestBrowserBehind(t *testing.T) {
	chromium(t)
	h := newOutgoing(t)
	b := h.signed(t, "zh-CN", "boss", identity.SecurityOfficer)
	b.open(h.server.URL + "/deid")
	get(b, chromedp.Evaluate[bool](`document.querySelectorAll("details").forEach(d => d.open = true), true`))
	b.fill(`textarea[name=purpose]`, "随访失联患者")
	b.fill(`input[name=basis]`, "伦理批件 2026-021")
	b.fill(`textarea[name=items]`, "Z4821907")
	b.submit(`form[action="/deid"] button.primary`)
	b.sees("已提交")
	all := must[[]deid.Request](t)(h.Reidentify.List(t.Context(), 10))
	ok(t, errOf(h.Reidentify.Decide(t.Context(), all[0].ID, "officer", true, "确有必要")))
	b.open(h.server.URL + "/deid")
	b.submit(`form[action$="/answer"] button.primary`)
	b.sees("仅此一页")
	shoot(b, "flow-behind")
	b.quiet()
}
