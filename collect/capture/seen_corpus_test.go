package capture

import (
	"archive/tar"
	"bytes"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/internal/pcap"
	"github.com/cordon-health/cordon/ocsf"
)

// seenSink takes what dissectors tell, and refuses what nobody may be told.
type seenSink struct {
	t      testing.TB
	seen   []asset.Observation
	claims []binding.Claim
	alarms []asset.Alarm
}

func (s *seenSink) Seen(o asset.Observation) {
	s.check(o)
	s.seen = append(s.seen, o)
}

func (s *seenSink) Claim(c binding.Claim) { s.claims = append(s.claims, c) }
func (s *seenSink) Alarm(a asset.Alarm)   { s.alarms = append(s.alarms, a) }
func (s *seenSink) Event(*ocsf.Event)     {}

func (s *seenSink) check(o asset.Observation) {
	if o.Protocol == "" || len(o.Facts) > seenMostFacts {
		s.t.Errorf("observation by %q with %d facts", o.Protocol, len(o.Facts))
	}
	if o.MAC[0]&1 != 0 {
		s.t.Errorf("%s told of a group address %x", o.Protocol, o.MAC)
	}
	for _, f := range o.Facts {
		bad := func(r rune) bool { return !unicode.IsPrint(r) }
		if f.Value == "" || len(f.Value) > 1024 || !utf8.ValidString(f.Value) || strings.ContainsFunc(f.Value, bad) {
			s.t.Errorf("%s told %s = %q", o.Protocol, f.Name, f.Value)
		}
	}
}

// facts are the facts told by a protocol, sorted, without repetition.
func (s *seenSink) facts(protocol string) []string {
	all := map[string]bool{}
	for _, o := range s.seen {
		for _, f := range o.Facts {
			if o.Protocol == protocol {
				all[string(f.Name)+"="+f.Value] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// seenRun reads a capture with the discovery dissectors.
func seenRun(t testing.TB, file []byte, out Out) Stats {
	t.Helper()
	packets, streams := Discovery(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0"))
	e, err := New(Config{Sensor: "test", Packets: packets, Streams: streams, Out: out})
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcap.Bytes(file)
	if err != nil {
		return Stats{}
	}
	var p pcap.Packet
	for r.Next(&p) {
		e.Frame(p.At, p.Link, p.Size, p.Data)
	}
	e.Flush()
	return e.Stats()
}

// seenCaptures calls each for the public captures that lie beside the
// repository.
func seenCaptures(t *testing.T, each func(name string, file []byte)) {
	t.Helper()
	f, err := os.Open(seenShared(t, "pcap", "captures.tar.zst"))
	if err != nil {
		t.Skip("the captures are not there: ", err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	files := tar.NewReader(z)
	for {
		h, err := files.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		var b bytes.Buffer
		if _, err := io.Copy(&b, files); err != nil {
			t.Fatal(err)
		}
		each(h.Name, b.Bytes())
	}
}

// seenShared names a file of the data beside the repository.
func seenShared(t *testing.T, path ...string) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(append([]string{dir, "..", "shared", "data"}, path...)...)
		}
		if dir = filepath.Dir(dir); dir == "/" {
			t.Skip("no go.mod above the test")
		}
	}
}

// Over public captures, among them damaged and fuzzed ones, nothing panics,
// and every protocol that is in them is found.
func TestDiscoveryOverPublicCaptures(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 800 captures")
	}
	seen, claims, alarms := map[string]int{}, map[binding.ClaimKind]int{}, map[asset.AlarmKind]int{}
	wrong := map[string]int64{}
	files := 0
	seenCaptures(t, func(name string, file []byte) {
		files++
		sink := &seenSink{t: t}
		stats := seenRun(t, file, sink)
		if stats.Defects > 0 {
			t.Errorf("%s: %d panics: %+v", name, stats.Defects, stats.Wrong)
		}
		for _, o := range sink.seen {
			seen[o.Protocol]++
		}
		for _, c := range sink.claims {
			claims[c.Kind]++
		}
		for _, a := range sink.alarms {
			alarms[a.Kind]++
		}
		for _, w := range stats.Wrong {
			wrong[w.Reason] += w.Count
			if os.Getenv("SEEN_PRINT") != "" {
				t.Logf("%s WRONG %s %d %+v", name, w.Reason, w.Count, w.First[:min(3, len(w.First))])
			}
		}
		if os.Getenv("SEEN_PRINT") != "" {
			for _, o := range sink.seen {
				t.Logf("%s %s %x %s %v", name, o.Protocol, o.MAC, o.IP, o.Facts)
			}
			for _, a := range sink.alarms {
				t.Logf("%s ALARM %+v", name, a)
			}
		}
	})
	t.Logf("%d files\nobservations %v\nclaims %v\nalarms %v", files, seen, claims, alarms)
	for _, reason := range slices.Sorted(maps.Keys(wrong)) {
		t.Logf("%7d %s", wrong[reason], reason)
	}
	for _, protocol := range []string{"arp", "ndp", "dhcp", "dhcpv6", "dns", "mdns", "lldp", "cdp", "ssdp", "nbns", "nbdgm",
		"snmp", "tls", "quic", "http", "smb", "rdp", "radius", "ssh", "ftp", "smtp", "pop3", "imap", "telnet", "vnc", "ntp",
		"modbus", "s7", "vrrp", "hsrp"} {
		if seen[protocol] == 0 {
			t.Errorf("nothing was told by %s", protocol)
		}
	}
}
