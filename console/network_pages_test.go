package console_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/cordon-health/cordon/identity"
)

// netPages are the pages about the network.
func netPages() []string {
	return []string{"/network", "/network?span=hour", "/network?zone=modality-a", "/network?zone=desks", "/network?only=violations&medical=1", "/network/live", "/network/devices", "/network/devices?only=exploited&order=weak", "/network/devices/d00001",
		"/network/zones", "/network/zones/live", "/network/simulation", "/network/addresses", "/network/addresses?state=locked&subnet=10.1.0.0%2F16", "/network/transport", "/network/wireless", "/network/sensors", "/network/sensors/live"}
}

// TestNetworkPages: every page in both languages, with 2,000 devices in 40
// zones, in bounded size and time; what a reader may not do is not offered.
func TestNetworkPages(t *testing.T) {
	h := newNetHospital(t, 2000, 40)
	boss, reader := h.session("boss", identity.SecurityOfficer), h.session("eve", identity.Auditor)
	for _, path := range append(netPages(), "/network/pair?from=modality-a&to=pacs") {
		for _, lang := range []string{"en", "zh"} {
			began := time.Now()
			res, page := h.get(boss, path, "Accept-Language", lang)
			if res.StatusCode != http.StatusOK || strings.Contains(page, "⟦") || strings.Contains(page, "%!") || strings.Contains(page, " style=") {
				t.Errorf("%s in %s: %d, or a text is missing: %s%s\n%s", path, lang, res.StatusCode, excerpt(page, "⟦"), excerpt(page, "%!"), h.logged)
			}
			if len(page) > 500_000 {
				t.Errorf("%s has %d bytes", path, len(page))
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("%s took %v", path, took)
			}
		}
		if res, page := h.get(reader, path); res.StatusCode != http.StatusOK || strings.Contains(page, `/edit"`) || strings.Contains(page, "/network/zones/stage") || strings.Contains(page, "/network/addresses/lock") {
			t.Errorf("%s for a reader: %d, or it offers to change something", path, res.StatusCode)
		}
	}
	if res, _ := h.get(h.session("head", identity.DepartmentHead), "/network"); res.StatusCode != http.StatusForbidden {
		t.Errorf("a department head gets %d", res.StatusCode)
	}
	if res, csv := h.get(boss, "/network/devices.csv?only=medical"); res.StatusCode != http.StatusOK || strings.Count(csv, "\n") < 300 || !strings.HasPrefix(csv, "id,name") {
		t.Errorf("CSV: %d %.60q", res.StatusCode, csv)
	}
}

func TestNetworkMapSaysTheSameAsItsTables(t *testing.T) {
	h := newNetHospital(t, 2000, 40)
	ses := h.session("boss", identity.SecurityOfficer)
	_, page := h.get(ses, "/network")
	for _, word := range []string{"flow bad", "marker-end=\"url(#arrow-bad)\"", "class=\"badge\"", "Imaging devices B", "Guest Wi-Fi"} {
		if !strings.Contains(page, word) {
			t.Errorf("the map lacks %q", word)
		}
	}
	_, again := h.get(ses, "/network")
	if a, b := svgOf(page), svgOf(again); a != b || a == "" {
		t.Error("the map of one moment is drawn in two ways")
	}
	_, only := h.get(ses, "/network?only=violations")
	if strings.Contains(svgOf(only), `class="flow"`) {
		t.Error("what is allowed is drawn though only violations were asked for")
	}
}

// svgOf is the map without the times that go on.
func svgOf(page string) string {
	_, rest, _ := strings.Cut(page, `<svg class="netmap"`)
	svg, _, _ := strings.Cut(rest, "</svg>")
	return svg
}

func TestNetworkIsEmpty(t *testing.T) {
	h := newNetHospital(t, 0, 0)
	boss := h.session("boss", identity.SecurityOfficer)
	for _, path := range netPages() {
		res, page := h.get(boss, path)
		if want := http.StatusOK; res.StatusCode != want && !strings.Contains(path, "d00001") || strings.Contains(page, "⟦") {
			t.Errorf("%s with nothing known: %d", path, res.StatusCode)
		}
	}
	bare := newHospital(t)
	ses := bare.session("boss", identity.SecurityOfficer)
	for _, path := range []string{"/", "/network", "/network/devices", "/network/zones", "/network/simulation", "/network/addresses", "/network/transport", "/network/wireless", "/network/sensors"} {
		if res, page := bare.get(ses, path); res.StatusCode != http.StatusOK || strings.Contains(page, "⟦") {
			t.Errorf("%s without a network: %d\n%s", path, res.StatusCode, bare.logged)
		}
	}
}

func TestNetworkIsChanged(t *testing.T) {
	h := newNetHospital(t, 200, 14)
	boss, reader := h.session("boss", identity.SecurityOfficer), h.session("eve", identity.Auditor)
	for _, c := range []struct {
		path   string
		fields []string
		want   int
		wish   string
	}{
		{"/network/devices/d00001/edit", []string{"name", "CT one", "kind", "same", "criticality", "4"}, 303, "edit d00001 CT one life false boss"},
		{"/network/devices/d00001/edit", []string{"end_of_life", "soon"}, 400, ""},
		{"/network/devices/d00001/edit", []string{"kind", "toaster"}, 400, ""},
		{"/network/addresses/confirm", []string{"id", "b0", "department", "ICU"}, 303, "bind confirm 1  boss"},
		{"/network/addresses/confirm", nil, 400, ""},
		{"/network/addresses/confirm", []string{"id", "b0", "person", "nobody"}, 422, ""},
		{"/network/addresses/lock-subnet", []string{"subnet", "10.9.3.4/16"}, 303, "bind lock-subnet 0 10.9.0.0/16 boss"},
		{"/network/addresses/lock-subnet", []string{"subnet", "everything"}, 400, ""},
		{"/network/addresses/who", []string{"address", "0200.0000.0001", "at", "2026-03-01", "clock", "08:30"}, 200, ""},
		{"/network/addresses/who", []string{"address", "张三"}, 400, ""},
		{"/network/addresses/known", []string{"role", "dhcp", "mac", "02:00:00:00:00:09", "ip", "10.1.0.9", "vlan", "20"}, 303, "known dhcp 02:00:00:00:00:09 10.1.0.9 20 bound boss"},
		{"/network/addresses/unknown", []string{"role", "dhcp", "mac", "02:00:00:00:00:09", "ip", "10.1.0.9"}, 303, "known dhcp 02:00:00:00:00:09 10.1.0.9 0 ended boss"},
		{"/network/addresses/known", []string{"role", "dhcp"}, 400, ""},
		{"/network/zones/stage", []string{"text", "version: 1\nname: x", "reason", "because"}, 303, "policy stage 0 boss"},
		{"/network/zones/stage", []string{"text", "v", "reason", "because"}, 422, ""},
		{"/network/zones/stage", []string{"text", "version: 1\nname: x"}, 400, ""},
		{"/network/zones/check", []string{"text", "version: 1\nname: x"}, 200, ""},
		{"/network/zones/confirm", nil, 409, ""},
		{"/network/zones/enforce", []string{"seconds", "5"}, 400, ""},
		{"/network/zones/enforce", []string{"seconds", "120"}, 303, "policy enforce 120 boss"},
		{"/network/zones/stage", []string{"text", "version: 1\nname: x", "reason", "because"}, 409, ""},
		{"/network/zones/confirm", nil, 303, "policy confirm 0 boss"},
		{"/network/zones/explode", nil, 400, ""},
		{"/network/zones/simulate", []string{"days", "14"}, 303, "simulate 14 boss"},
		{"/network/zones/simulate", []string{"days", "90"}, 400, ""},
		{"/network/wireless/ours", []string{"bssid", "02-BB-00-00-00-02"}, 303, "know 02:bb:00:00:00:02 true boss"},
	} {
		if res, page := h.post(reader, c.path, c.fields...); res.StatusCode != http.StatusForbidden && !strings.HasSuffix(c.path, "/who") && c.want == 303 {
			t.Errorf("%s by a reader: %d %s", c.path, res.StatusCode, excerpt(page, "role=\"alert\""))
		}
		before := h.last()
		res, page := h.post(boss, c.path, c.fields...)
		if res.StatusCode != c.want {
			t.Errorf("%s %v: %d, want %d: %s", c.path, c.fields, res.StatusCode, c.want, excerpt(page, "role=\"alert\""))
		}
		if now := h.last(); c.wish != "" && now != c.wish || c.wish == "" && now != before {
			t.Errorf("%s %v: the book was asked %q, want %q", c.path, c.fields, now, c.wish)
		}
	}
	if res, body := h.get(boss, "/network/proof"); res.StatusCode != 200 || !strings.HasPrefix(body, "PK") {
		t.Errorf("proof: %d", res.StatusCode)
	}
}

// TestDeviceIsIsolated: asked for by one, approved by another, undone; never
// for life support.
func TestDeviceIsIsolated(t *testing.T) {
	h := newNetHospital(t, 200, 14)
	boss, other := h.session("boss", identity.SecurityOfficer), h.session("ann", identity.SecurityOfficer)
	if res, _ := h.post(boss, "/network/devices/d00001/isolate", "reason", "it scans the network", "hours", "1"); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("asking: %d", res.StatusCode)
	}
	if res, _ := h.post(boss, "/network/devices/d00001/isolate", "reason", "it scans the network", "hours", "1"); res.StatusCode != http.StatusConflict {
		t.Errorf("asking twice: %d", res.StatusCode)
	}
	if res, _ := h.post(boss, "/network/devices/d00002/isolate", "reason", "x", "hours", "9"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("longer than the action allows: %d", res.StatusCode)
	}
	if res, _ := h.post(boss, "/network/devices/d00002/isolate"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("without a reason: %d", res.StatusCode)
	}
	all, err := h.Isolations(t.Context(), "d00001")
	if err != nil || len(all) != 1 {
		t.Fatalf("%d isolations, %v", len(all), err)
	}
	if res, _ := h.post(boss, "/network/devices/d00001/approve", "key", all[0].Key); res.StatusCode != http.StatusConflict {
		t.Errorf("approving one's own: %d", res.StatusCode)
	}
	if res, _ := h.post(other, "/network/devices/d00001/approve", "key", all[0].Key); res.StatusCode != http.StatusSeeOther || h.last() != "isolated" {
		t.Errorf("approving: %d, %q", res.StatusCode, h.last())
	}
	if _, page := h.get(boss, "/network/devices/d00001"); !strings.Contains(page, "End the isolation") || strings.Contains(page, "Isolate this device") {
		t.Error("an isolated device does not offer to end it")
	}
	if res, _ := h.post(boss, "/network/devices/d00001/undo", "key", all[0].Key); res.StatusCode != http.StatusSeeOther || h.last() != "released" {
		t.Errorf("undoing: %d, %q", res.StatusCode, h.last())
	}
	for _, d := range h.devices {
		if !d.LifeSupport {
			continue
		}
		if res, _ := h.post(boss, "/network/devices/"+d.ID+"/isolate", "reason", "x"); res.StatusCode != http.StatusConflict {
			t.Errorf("isolating life support: %d", res.StatusCode)
		}
		if _, page := h.get(boss, "/network/devices/"+d.ID); strings.Contains(page, "Isolate this device") {
			t.Error("isolating life support is offered")
		}
		return
	}
	t.Fatal("no life support in the hospital")
}

// TestDeviceIsCutOffOtherwise: by its session and its switch port, each under
// the terms of its own class, where they are set up; never for life support.
func TestDeviceIsCutOffOtherwise(t *testing.T) {
	h := newNetHospital(t, 200, 14)
	boss, other := h.session("boss", identity.SecurityOfficer), h.session("ann", identity.SecurityOfficer)
	third := h.session("bob", identity.SecurityOfficer)
	ask := func(action string, fields ...string) int {
		res, _ := h.post(boss, "/network/devices/d00001/isolate", append([]string{"action", action}, fields...)...)
		return res.StatusCode
	}
	if _, page := h.get(boss, "/network/devices/d00001"); !strings.Contains(page, "End its session") || !strings.Contains(page, "Shut its port") {
		t.Error("what is set up is not offered")
	}
	for _, c := range []struct {
		action string
		fields []string
		want   int
	}{{"suspend-account-webhook", []string{"reason", "x"}, 501}, {"end-session", nil, 400}, {"shut-port", []string{"reason", "x", "hours", "1"}, 400},
		{"end-session", []string{"reason", "x"}, 303}, {"end-session", []string{"reason", "x"}, 409}, {"shut-port", []string{"reason", "x"}, 303}} {
		if got := ask(c.action, c.fields...); got != c.want {
			t.Errorf("%s %v: %d, want %d", c.action, c.fields, got, c.want)
		}
	}
	approve := func(ses identity.Session, action string) {
		all, err := h.Isolations(t.Context(), "d00001")
		ok(t, err)
		for _, e := range all {
			if e.Action == action {
				h.post(ses, "/network/devices/d00001/approve", "key", e.Key)
			}
		}
	}
	approve(other, "end-session")
	if h.last() != "session ended" || ask("end-session", "reason", "again") != 303 {
		t.Errorf("after one approval: %q, or it cannot be asked for again", h.last())
	}
	approve(other, "shut-port")
	if h.last() == "port shut" {
		t.Error("a port is shut with one approval")
	}
	approve(third, "shut-port")
	if _, page := h.get(boss, "/network/devices/d00001"); h.last() != "port shut" || !strings.Contains(page, "Take back") {
		t.Errorf("after two approvals: %q, or it cannot be taken back", h.last())
	}
	h.noPorts = true
	if res, page := h.get(boss, "/network/devices/d00002"); strings.Contains(page, "Shut its port") || res.StatusCode != 200 {
		t.Error("what is not set up is offered")
	}
	for _, d := range h.devices {
		if d.LifeSupport {
			if res, _ := h.post(boss, "/network/devices/"+d.ID+"/isolate", "action", "shut-port", "reason", "x"); res.StatusCode != http.StatusConflict {
				t.Errorf("life support: %d", res.StatusCode)
			}
		}
	}
}

// TestBrowserNetwork: nothing is too wide, the slider loads other hours, and
// the browser complains of nothing. With CORDON_SHOTS it takes pictures.
func TestBrowserNetwork(t *testing.T) {
	chromium(t)
	h := newNetHospital(t, 2000, 14)
	b := h.signed(t, "en", "boss", identity.SecurityOfficer)
	dir := os.Getenv("CORDON_SHOTS")
	shoot := func(name string) {
		if dir != "" {
			ok(t, os.WriteFile(filepath.Join(dir, "net-"+name+".png"), get(b, chromedp.FullScreenshot(100)), 0o644))
		}
	}
	names := map[string]string{"/network": "map", "/network?zone=modality-a": "zone", "/network?zone=desks": "big", "/network/devices": "devices", "/network/devices/d00001": "device", "/network/zones": "zones",
		"/network/simulation": "simulation", "/network/addresses": "addresses", "/network/transport": "transport", "/network/wireless": "wireless", "/network/sensors": "sensors", "/": "overview"}
	for path, name := range names {
		for _, lang := range []string{"en", "zh"} {
			for _, width := range []int64{1440, 390} {
				b.size(width, 900, lang == "zh" && width == 1440 && name == "map")
				b.language(lang)
				b.open(h.server.URL + path)
				if wide := get(b, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`)); wide > 0 {
					t.Errorf("%s at %d is %d px too wide", path, width, wide)
				}
				shoot(fmt.Sprintf("%s-%s-%d", name, lang, width))
			}
		}
	}
	b.size(1440, 900, false)
	b.language("en")
	b.open(h.server.URL + "/network")
	get(b, chromedp.Evaluate[bool](`(() => { const s = document.getElementById("netat"); s.value = Number(s.max) - 48; s.dispatchEvent(new Event("input", {bubbles: true})); return true })()`))
	moved := false
	for range 60 {
		if moved = get(b, chromedp.Evaluate[bool](`location.search.includes("at=")`)); moved {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if !moved {
		t.Error("the slider does not load another time")
	}
	if hit := get(b, chromedp.Evaluate[bool](`(() => { const z = document.querySelector('[data-zone="pacs"]'); z.dispatchEvent(new PointerEvent("pointerover", {bubbles: true})); return document.querySelectorAll(".netmap.picking .picked").length > 0 })()`)); !hit {
		t.Error("pointing at a zone does not show its edges")
	}
	for _, path := range []string{"/network", "/network/simulation", "/network/zones"} {
		b.open(h.server.URL + path)
		b.media(emulation.SetEmulatedMediaParams{Media: "print"})
		shoot("print" + strings.ReplaceAll(path, "/", "-"))
		b.media(emulation.SetEmulatedMediaParams{})
	}
	b.quiet()
}

// TestBrowserNetworkLarge takes the map of 40 zones, and of a network without
// a policy.
func TestBrowserNetworkLarge(t *testing.T) {
	chromium(t)
	h := newNetHospital(t, 2000, 40)
	b := h.signed(t, "en", "boss", identity.SecurityOfficer)
	dir := os.Getenv("CORDON_SHOTS")
	for i, path := range []string{"/network", "/network/zones", "/network?only=violations"} {
		b.open(h.server.URL + path)
		if dir != "" {
			ok(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("net-large-%d.png", i)), get(b, chromedp.FullScreenshot(100)), 0o644))
		}
	}
	// No box of the map covers another.
	if n := get(b, chromedp.Evaluate[int](`(() => { const r = [...document.querySelectorAll(".netmap .zone > rect:first-of-type")].map(e => e.getBoundingClientRect()); let n = 0;
		for (let i = 0; i < r.length; i++) for (let k = i + 1; k < r.length; k++) if (r[i].left < r[k].right - 1 && r[k].left < r[i].right - 1 && r[i].top < r[k].bottom - 1 && r[k].top < r[i].bottom - 1) n++; return n })()`)); n > 0 {
		t.Errorf("%d boxes of the map cover others", n)
	}
	b.quiet()
}
