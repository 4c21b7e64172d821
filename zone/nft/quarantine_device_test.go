//go:build linux

package nft

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/playbook"
	"github.com/cordon-health/cordon/zone"
)

// program runs in a namespace until the test ends.
func (l *lab) program(name string, args ...string) {
	l.t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", l.ns(name)}, args...)...)
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

// TestQuarantineWithClinicalProof: a workstation attacks over a live
// connection; it is cut off, shown to be silent, and real DICOM (DCMTK's
// storescp, plain and TLS) goes on through the router.
func TestQuarantineWithClinicalProof(t *testing.T) {
	needRoot(t, "storescp", "echoscu", "storescu", "dump2dcm", "openssl")
	l := newLab(t, "his", "img", "ct")
	k := l.kernel()
	dir := t.TempDir()
	l.sh("cd %s && openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -days 3 -subj /CN=pacs.test 2>/dev/null", dir)
	l.sh("cd %s && printf '(0008,0016) UI =SecondaryCaptureImageStorage\n(0008,0018) UI [1.2.3.4]\n(0010,0020) LO [P0001]\n' > x.dump && dump2dcm x.dump x.dcm && mkdir rx tls", dir)
	l.program("img", "storescp", "-dhl", "-aet", "PACS", "-od", filepath.Join(dir, "rx"), "11112")
	l.program("img", "storescp", "-dhl", "+tls", filepath.Join(dir, "k.pem"), filepath.Join(dir, "c.pem"), "-ic", "-aet", "PACS", "-od", filepath.Join(dir, "tls"), "2762")
	l.serve("img", 443)
	r := rules(conduit("ct", "img", 11112), conduit("ct", "img", 2762), conduit("his", "img", 443))
	l.apply(k, r, zone.Order{Mode: zone.Enforce})
	probe := zone.Probe{Name: "echo", NetNS: l.ns("ct"), To: l.ip4("img"), Proto: 6, Port: 11112, Kind: "dicom", AETitles: "CT1/PACS", Pass: true}
	for i := 0; ; i++ { // until it listens
		if x := (Prober{}).Probe(context.Background(), probe); x.Said == "echo answered" {
			break
		} else if i > 100 {
			t.Fatal(x.Said)
		}
		time.Sleep(50 * time.Millisecond)
	}
	attack, err := l.dial("his", l.ip4("img"), 443, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer attack.Close()
	var saved []evidence.Record
	q := &zone.Quarantine{Isolator: k, Now: time.Now, Log: slog.New(slog.DiscardHandler), Prober: Prober{}, FailOpen: func(netip.Addr) bool { return false },
		Device: func(_ context.Context, name string) (asset.Device, bool, error) {
			return asset.Device{ID: "ws", IPs: []string{l.ip4("his").String(), l.ip6("his").String()}}, name == "ws", nil
		},
		Probes: func(context.Context) []zone.Probe { return []zone.Probe{probe} },
		Save:   func(_ context.Context, rec evidence.Record) error { saved = append(saved, rec); return nil }}
	act := q.Actions()[0]
	c := playbook.Call{Key: "case/1", By: "officer", Now: time.Now(), Params: map[string]string{"device": "ws", "reason": "ransomware"}}
	if c.Before, err = act.Prepare(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	result, err := act.Do(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(result)
	var x zone.Isolated
	if err := json.Unmarshal(saved[0].Body, &x); err != nil {
		t.Fatal(err)
	}
	if x.State != "isolated" || len(x.Steps) != 3 || !x.Steps[2].OK || x.Steps[0].Took > 200*time.Millisecond || !strings.Contains(result, "1 conversations ended") {
		t.Errorf("%+v", x)
	}
	if answered(attack) == nil {
		t.Error("the attack goes on")
	}
	l.sh("ip netns exec %s storescu -aet CT1 -aec PACS %s 11112 %s/x.dcm", l.ns("ct"), l.ip4("img"), dir)
	l.sh("ip netns exec %s storescu +tla -ic -aet CT1 -aec PACS %s 2762 %s/x.dcm", l.ns("ct"), l.ip4("img"), dir)
	for _, sub := range []string{"rx", "tls"} {
		if list, err := os.ReadDir(filepath.Join(dir, sub)); err != nil || len(list) != 1 {
			t.Errorf("%s holds %d images, want 1 (%v)", sub, len(list), err)
		}
	}
	out, err := exec.Command("ip", "netns", "exec", l.ns("his"), "timeout", "1", "echoscu", "-to", "1", "-aet", "X", "-aec", "PACS", l.ip4("img").String(), "11112").CombinedOutput()
	if err == nil {
		t.Errorf("an isolated device reaches the PACS: %s", out)
	}
	if err := act.Undo(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	again, err := l.dial("his", l.ip4("img"), 443, time.Second)
	if err != nil {
		t.Fatal("released and still cut off:", err)
	}
	_ = again.Close()
}

// TestNamesAndImages: why simulation names lost DNS first. storescp looks up
// who calls; when a policy drops its questions, an association waits.
func TestNamesAndImages(t *testing.T) {
	needRoot(t, "storescp", "echoscu")
	if testing.Short() {
		t.Skip("waits for a resolver to give up")
	}
	l := newLab(t, "ct", "img", "dns")
	k := l.kernel()
	// The resolver of the namespace; ip netns exec puts it into place.
	etc := filepath.Join("/etc/netns", l.ns("img"))
	if err := os.MkdirAll(etc, 0o755); err != nil {
		t.Skip("cannot give a namespace its resolver:", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(etc) })
	if err := os.WriteFile(filepath.Join(etc, "resolv.conf"), []byte(fmt.Sprintf("nameserver %s\noptions timeout:1 attempts:1\n", l.ip4("dns"))), 0o644); err != nil {
		t.Fatal(err)
	}
	l.program("img", "storescp", "-aet", "PACS", "-od", t.TempDir(), "11112")
	echo := func() time.Duration {
		begun := time.Now()
		l.sh("ip netns exec %s echoscu -aet CT1 -aec PACS %s 11112", l.ns("ct"), l.ip4("img"))
		return time.Since(begun)
	}
	time.Sleep(300 * time.Millisecond)
	quick := conduit("img", "dns", 53)
	quick.Proto = 17
	l.apply(k, rules(conduit("ct", "img", 11112), quick), zone.Order{Mode: zone.Enforce})
	with := echo() // nobody listens there: refused at once
	l.apply(k, rules(conduit("ct", "img", 11112)), zone.Order{Mode: zone.Enforce})
	without := echo()
	t.Logf("an association takes %s with DNS and %s without (resolver set to ask once for 1 s; the usual is 5 s and more than once)", with, without)
	if without < with+1500*time.Millisecond {
		t.Errorf("with %s, without %s", with, without)
	}
}
