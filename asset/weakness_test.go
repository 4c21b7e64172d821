package asset

import (
	"archive/zip"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/store"
)

type storeDB = store.DB

func addrOf(b []byte, last byte) netip.Addr {
	ip, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.Addr{}
	}
	raw := ip.AsSlice()
	raw[len(raw)-1] += last
	ip, _ = netip.AddrFromSlice(raw)
	return ip
}

func TestVersions(t *testing.T) {
	for _, x := range []struct {
		eco, older, newer string
	}{
		{"", "1.9", "1.10"}, {"", "1.1.1k", "1.1.1l"}, {"", "1.1.1", "1.1.1a"}, {"npm", "1.0.0-rc.1", "1.0.0"}, {"npm", "1.0.0-alpha", "1.0.0-beta"},
		{"npm", "1.0.0-rc.2", "1.0.0-rc.10"}, {"PyPI", "2.0b1", "2.0"}, {"PyPI", "2.0.dev3", "2.0"}, {"Maven", "2.14.1", "2.15.0"}, {"Maven", "1.0-SNAPSHOT", "1.0"},
		{"Debian:11", "1.1.1k-1", "1.1.1k-1+deb11u1"}, {"Debian:11", "1.0~rc1-1", "1.0-1"}, {"Debian", "9:1", "10:0"}, {"Debian", "1.2.3", "1:0.1"},
		{"Debian", "2.4.38-3", "2.4.38-3+deb10u8"}, {"", "8.4p1", "9.3p2"}, {"", "7.0.3", "7.0.3.1"}, {"", "1.0", "2"}, {"Go", "v1.9.1", "v1.10.0"},
	} {
		if compareVersions(x.eco, x.older, x.newer) >= 0 || compareVersions(x.eco, x.newer, x.older) <= 0 {
			t.Errorf("%s: %s does not stand before %s", x.eco, x.older, x.newer)
		}
	}
	for _, same := range [][3]string{{"", "1.0", "1.0.0"}, {"Go", "v1.2.3", "1.2.3"}, {"npm", "1.2.3+build", "1.2.3"}, {"Debian", "0:1.0-0", "1.0-0"}} {
		if compareVersions(same[0], same[1], same[2]) != 0 {
			t.Errorf("%v differ", same)
		}
	}
}

func TestSeverities(t *testing.T) { // as FIRST's calculator gives them
	for vector, want := range map[string]float64{
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H": 9.8, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H": 10, "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N": 6.1,
		"CVSS:3.0/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H": 7.8, "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:N": 0, "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N": 1.6,
		"AV:N": 0, "": 0, "CVSS:3.1/AV:X": 0,
	} {
		if got := cvss3(vector); got != want {
			t.Errorf("%s: %v, want %v", vector, got, want)
		}
	}
}

const log4shell = `{"id":"GHSA-jfh8-c2jp-5v3q","aliases":["CVE-2021-44228"],"summary":"Remote code injection in Log4j","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"}],
"affected":[{"package":{"ecosystem":"Maven","name":"org.apache.logging.log4j:log4j-core"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"2.13.0"},{"fixed":"2.15.0"}]},{"type":"ECOSYSTEM","events":[{"introduced":"2.0-beta9"},{"fixed":"2.3.1"}]}]}]}`
const opensslDebian = `{"id":"DSA-1","aliases":["CVE-2021-3711"],"summary":"SM2","affected":[{"package":{"ecosystem":"Debian:11","name":"openssl"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1.1.1k-1+deb11u1"}]}]},
{"package":{"ecosystem":"Debian:10","name":"openssl"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}`
const nginxBitnami = `{"id":"BIT-nginx-2021-23017","aliases":["CVE-2021-23017"],"affected":[{"package":{"ecosystem":"Bitnami","name":"nginx"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0.6.18"},{"last_affected":"1.20.0"}]}]}],"database_specific":{"severity":"High"}}`
const withdrawnRecord = `{"id":"X-1","withdrawn":"2022-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"Bitnami","name":"nginx"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}`

const kevJSON = `{"title":"KEV","vulnerabilities":[{"cveID":"CVE-2021-44228","vendorProject":"Apache","product":"Log4j2","vulnerabilityName":"Log4Shell","dueDate":"2021-12-24"},
{"cveID":"CVE-2022-42475","vendorProject":"Fortinet","product":"FortiOS","vulnerabilityName":"FortiOS overflow","dueDate":"2023-01-03"},
{"cveID":"CVE-2019-0708","vendorProject":"Microsoft","product":"Windows","vulnerabilityName":"BlueKeep","dueDate":"2022-05-03"}]}`
const kevCSV = "cveID,vendorProject,product,vulnerabilityName,dateAdded,shortDescription,requiredAction,dueDate\nCVE-2021-44228,Apache,Log4j2,Log4Shell,2021-12-10,x,y,2021-12-24\n"

// lists writes the lists to a folder and a zip file.
func lists(t *testing.T) (folder, zipped, kev string) {
	t.Helper()
	dir := t.TempDir()
	folder, zipped, kev = filepath.Join(dir, "osv"), filepath.Join(dir, "all.zip"), filepath.Join(dir, "kev.json")
	all := map[string]string{"Maven/a.json": log4shell, "Debian/b.json": opensslDebian, "c.json": nginxBitnami, "d.json": withdrawnRecord, "bad.json": "{", "README": "no record"}
	f, err := os.Create(zipped)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for name, text := range all {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kev, []byte(kevJSON), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder, zipped, kev
}

func TestWeaknesses(t *testing.T) {
	folder, zipped, kev := lists(t)
	w := newWorld(t, openSQLite(t))
	w.see("00:1a:11:00:00:01", "10.3.3.3", "snmp", "serial=SN-448812")
	w.see("00:1a:11:00:00:02", "10.3.3.4", "http", "server-banner=nginx/1.18.0", "os=Windows 11")
	w.see("00:1a:11:00:00:03", "10.3.3.5", "http", "server-banner=nginx/1.20.1")
	if _, err := w.Import(t.Context(), read(t, listBill, "cyclonedx", ""), Wish{By: "anna"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Import(t.Context(), List{Name: "fw", Entries: []Entry{{MAC: ParseMAC(gateway), Software: []Software{{Name: "FortiOS", Version: "7.0.1", CPE: "cpe:2.3:o:fortinet:fortios:7.0.1"}, {Name: "Windows"}}}}}, Wish{By: "anna"}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{folder, zipped} {
		found, m, err := MatchSoftware(t.Context(), w.Inventories(), path, kev)
		if err != nil || m.Records != 4 || m.Refused != 1 || m.Exploited != 3 || m.Devices != 3 || m.Found != 4 {
			t.Fatalf("%+v %v %v", m, found, err)
		}
		if err := w.SetWeaknesses(t.Context(), found); err != nil {
			t.Fatal(err)
		}
	}
	w.checkpoint()
	w.reopen()
	pump := w.weaknesses("m-001a11000001")
	if len(pump) != 2 || pump[0].ID != "CVE-2021-44228" || !pump[0].Exploited || pump[0].Severity != 10 || pump[0].Fixed != "2.15.0" || pump[0].Due != "2021-12-24" || pump[0].Why.EN == "" {
		t.Errorf("%+v", pump)
	}
	if len(pump) == 2 && (pump[1].ID != "CVE-2021-3711" || pump[1].Fixed != "1.1.1k-1+deb11u1") {
		t.Errorf("%+v", pump[1])
	}
	if got := w.weaknesses("m-00000c000003"); len(got) != 1 || !got[0].Unsure || !got[0].Exploited {
		t.Errorf("by product alone: %+v", got)
	}
	if got := w.weaknesses("m-001a11000002"); len(got) != 1 || got[0].Severity != 7 || !strings.Contains(got[0].Why.EN, "up to 1.20.0") {
		t.Errorf("%+v", got)
	}
	alarms := w.Review(w.now)
	if len(alarms) != 1 || alarms[0].Kind != WeakSoftware || alarms[0].Args[2] != "exploited" {
		t.Errorf("%+v", alarms)
	}
	if again := w.Review(w.now); len(again) != 0 {
		t.Errorf("told twice: %+v", again)
	}
}

// weaknesses gives a device's weaknesses.
func (w *world) weaknesses(id string) []Weakness {
	d, _ := w.Device(id)
	return d.Weaknesses
}

func TestListsThatAreNone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kev.csv"), []byte(kevCSV), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := readKEV(filepath.Join(dir, "kev.csv")); err != nil || list["CVE-2021-44228"].Due != "2021-12-24" {
		t.Errorf("%v %v", list, err)
	}
	for _, name := range []string{"missing", dir} {
		if _, _, err := MatchSoftware(t.Context(), nil, name, ""); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := parseKEV(strings.NewReader("a,b\n1,2\n")); err == nil {
		t.Error("any CSV is a KEV list")
	}
}

func FuzzOSV(f *testing.F) {
	for _, text := range []string{log4shell, opensslDebian, nginxBitnami, withdrawnRecord} {
		f.Add(text, "1.2.3", "pkg:deb/debian/openssl@1?distro=debian-11")
	}
	f.Add(kevJSON, "1:2~3-4", "pkg:maven/a/b@1")
	f.Add(kevCSV, "", "pkg:")
	f.Fuzz(func(t *testing.T, text, version, purl string) {
		_, _ = parseKEV(strings.NewReader(text))
		found := newFindings([]Inventory{{Device: "d", Software: []Software{{Name: "nginx", Version: version, PURL: purl}, {Name: "nginx", Version: version}}}}, map[string]kevEntry{})
		var read, refused int
		oneOSV(strings.NewReader(text), found.record, &read, &refused)
		found.byProduct()
		found.done()
		cvss3(text)
		for _, eco := range []string{"Debian", "npm"} {
			if a, b := compareVersions(eco, version, purl), compareVersions(eco, purl, version); a != -b {
				t.Errorf("%s: %q and %q: %d and %d", eco, version, purl, a, b)
			}
		}
	})
}
