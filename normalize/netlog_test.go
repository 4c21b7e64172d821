package normalize

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/ocsf"
)

// TestGoldenNetworkLogs: each record of the samples gives these words of ours.
func TestGoldenNetworkLogs(t *testing.T) {
	var b strings.Builder
	for _, format := range asset.ForeignLogs() {
		for _, rec := range netlogSamples(t, format) {
			evs, rejects := netlogNormalizer().Normalize(Input{Format: format, Source: "core", Received: 1772439400000, Data: rec})
			head, _, _ := bytes.Cut(rec, []byte("\n"))
			fmt.Fprintf(&b, "%s: %.100s\n", format, head)
			for _, e := range evs {
				fmt.Fprintf(&b, "  %s\n", sayNetwork(e))
			}
			for _, r := range rejects {
				fmt.Fprintf(&b, "  refused: %s\n", r.Reason)
			}
		}
	}
	compareGolden(t, filepath.Join("testdata", "golden-network-logs.txt"), b.String())
}

func netlogNormalizer() *Normalizer { return New(Options{Zone: time.FixedZone("CST", 8*3600)}) }

func netlogSamples(t testing.TB, format string) (all [][]byte) {
	data, err := os.ReadFile(filepath.Join("testdata", "network", format+".log"))
	if err != nil {
		t.Fatal(err)
	}
	for rec, err := range netlogNormalizer().Records(format, bufio.NewReader(bytes.NewReader(data))) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, bytes.Clone(rec.Data))
	}
	return all
}

func sayNetwork(e *ocsf.Event) string {
	at := time.UnixMilli(e.Time).UTC().Format("01-02 15:04:05.000")
	if o, ok := asset.ObservationOf(e); ok {
		return fmt.Sprintf("%s device %s %s by %s %v", at, asset.MACText(o.MAC), asset.AddrText(o.IP), o.Protocol, o.Facts)
	}
	if c, ok := flow.Of(e); ok {
		return fmt.Sprintf("%s talk %s > %s:%d/%d %s n=%d refused=%d out=%d/%d in=%d/%d until +%d", at, c.Client, c.Server, c.Port, c.Proto, c.App, c.Sessions, c.Refused,
			c.PacketsOut, c.BytesOut, c.PacketsIn, c.BytesIn, c.Until-c.From)
	}
	if a, ok := asset.AlarmOf(e); ok {
		return fmt.Sprintf("%s alarm %s %s > %s %v", at, a.Kind, a.Culprit.IP, a.Victim.IP, a.Args)
	}
	what := ""
	if e.QueryInfo != nil {
		what = e.QueryInfo.Text
	}
	return fmt.Sprintf("%s class %d/%d status %d %s %s %s > %s %s %s", at, e.ClassUID, e.ActivityID, e.StatusID, e.Actor.User.Account, e.SrcEndpoint.IP, e.SrcEndpoint.MAC, e.DstEndpoint.IP, e.DstEndpoint.Name, what)
}

func FuzzNetworkLogs(f *testing.F) {
	for i, format := range asset.ForeignLogs() {
		for _, rec := range netlogSamples(f, format) {
			f.Add(i, rec)
		}
	}
	n := netlogNormalizer()
	f.Fuzz(func(t *testing.T, i int, data []byte) {
		formats := asset.ForeignLogs()
		evs, rejects := n.Normalize(Input{Format: formats[uint(i)%uint(len(formats))], Source: "x", Received: 1772439400000, Data: data})
		if len(evs) == 0 && len(rejects) == 0 && len(bytes.TrimSpace(data)) > 3 {
			t.Errorf("dropped in silence: %q", data)
		}
	})
}

// TestMembersOfOtherTypes: Zeek's version is a text for TLS and a number for
// SSH; a record is read all the same.
func TestMembersOfOtherTypes(t *testing.T) {
	n := netlogNormalizer()
	ssh := `{"_path":"ssh","ts":1772438400.5,"id.orig_h":"10.1.0.5","id.orig_p":50000,"id.resp_h":"10.2.0.9","id.resp_p":22,"version":2,"server":"SSH-2.0-OpenSSH_9.2"}`
	evs, rejects := n.Normalize(Input{Format: "zeek", Source: "x", Received: 1772439400000, Data: []byte(ssh)})
	if len(rejects) != 0 || len(evs) == 0 {
		t.Fatalf("%d events, rejects %v", len(evs), rejects)
	}
	o, ok := asset.ObservationOf(evs[0])
	if !ok || !slices.Contains(o.Facts, asset.Fact{Name: asset.FactServerBanner, Value: "SSH-2.0-OpenSSH_9.2"}) {
		t.Errorf("told: %+v", o)
	}
	for _, bad := range []string{`[1]`, `"x"`, `{"ts":`} {
		if evs, rejects := n.Normalize(Input{Format: "zeek", Source: "x", Received: 1772439400000, Data: []byte(bad)}); len(evs) != 0 || len(rejects) == 0 {
			t.Errorf("%s passes: %v", bad, rejects)
		}
	}
}
