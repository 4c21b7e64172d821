package zone

import (
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files")

// written has one of everything: hosts, ranges, both families, ping, the
// internet, an end, names that try to break out.
const written = `version: 1
name: "written? \"odd\""
zones:
  - {name: ct, kind: modality, title: {en: CT, zh: 影像}, owner: radiology, networks: [10.1.0.0/24, "fd00:1::/64"], vlans: [10], interface: vlan10, target_level: 2}
  - {name: pacs, kind: pacs, title: {en: PACS, zh: 归档}, owner: radiology, networks: [10.2.0.0/24, "fd00:2::/64"], vlans: [20], interface: vlan20, target_level: 2}
  - {name: infra, kind: infrastructure, title: {en: Servers, zh: 服务器}, owner: it, networks: [10.3.0.0/24], vlans: [30], dns_servers: [10.3.0.53], ntp_servers: 10.3.0.123, target_level: 2}
  - {name: guest, kind: guest, title: {en: Guests, zh: 访客}, owner: it, networks: [10.9.0.0/16], vlans: [90, 91], isolated: true}
  - {name: net, kind: internet, title: {en: Internet, zh: 互联网}}
conduits:
  - {id: ct-pacs, from: ct, to: pacs, allow: [dicom, icmp], owner: radiology, reason: "images?\n! no ip access-list extended X \"; drop 影像"}
  - {id: pacs-ct, from: pacs, to: ct, to_hosts: [10.1.0.11-10.1.0.13], allow: [tcp/4000-4010, udp/4000], owner: radiology, reason: C-MOVE, expires: 2026-12-31}
  - {id: guest-web, from: guest, to: net, allow: [https, dns], owner: it, reason: guests}
`

func TestTextsAreAsTheyWere(t *testing.T) {
	r := mustCompile(t, written)
	for _, d := range Dialects() {
		for suffix, f := range map[string]func(*Ruleset) (string, error){"": d.Write, "-remove": d.Remove} {
			got, err := f(r)
			if err != nil {
				t.Errorf("%s: %v", d.Name, err)
				continue
			}
			name := filepath.Join("testdata", "acl", d.Name+suffix+".txt")
			if *update {
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil || got != string(want) {
				t.Errorf("%s%s differs from %s (%v); look at it, then -update", d.Name, suffix, name, err)
			}
		}
	}
}

// TestNothingWrittenByPeopleBecomesACommand looks at every line of every text.
func TestNothingWrittenByPeopleBecomesACommand(t *testing.T) {
	r := mustCompile(t, written)
	for _, d := range Dialects() {
		got, err := d.Write(r)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(got, "\n") {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "no ip access-list") || strings.Contains(line, "?") {
				t.Errorf("%s: %q", d.Name, line)
			}
		}
	}
}

func TestStatelessTextsSaySo(t *testing.T) {
	r := mustCompile(t, written)
	for _, name := range []string{"cisco", "huawei", "h3c"} {
		d, err := DialectNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := d.Write(r)
		if !strings.Contains(got, "These lists have no state") {
			t.Errorf("%s pretends", name)
		}
	}
	if _, err := DialectNamed("cisc"); err == nil || !strings.Contains(err.Error(), "did you mean cisco?") {
		t.Error(err)
	}
}

func TestSwitchesNeedNetworks(t *testing.T) {
	r := mustCompile(t, strings.Replace(written, `networks: [10.3.0.0/24], vlans: [30], dns_servers: [10.3.0.53], ntp_servers: 10.3.0.123,`, "interface: eth3,", 1))
	if _, err := writeCisco(r); err == nil || !strings.Contains(err.Error(), "zone infra has no networks") {
		t.Error(err)
	}
}

// TestNFTAcceptsTheText lets nft check it in a network namespace of its own.
func TestNFTAcceptsTheText(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("nft -c needs root")
	}
	for _, tool := range []string{"nft", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("no " + tool)
		}
	}
	rnd := rand.New(rand.NewPCG(9, 9))
	rulesets := map[string]*Ruleset{"written": mustCompile(t, written)}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		rulesets[name] = mustCompile(t, randomPolicy(rnd))
	}
	_, rulesets["tertiary"] = template(t, "tertiary")
	for name, r := range rulesets {
		text, err := writeNFT(r)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), name+".nft")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("unshare", "-n", "nft", "-c", "-f", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %.600s", name, err, out)
		}
		if out, err := exec.Command("unshare", "-n", "nft", "-f", file).CombinedOutput(); err != nil {
			t.Errorf("%s: load: %v: %.600s", name, err, out)
		}
	}
}
