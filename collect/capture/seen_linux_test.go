package capture

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
)

// Real programs on a wire of their own.

// seenWatch listens on the wire with the discovery dissectors while do runs.
func seenWatch(t *testing.T, w *wire, do func()) *seenSink {
	t.Helper()
	sink := &seenSink{t: t}
	packets, streams := Discovery()
	e, err := New(Config{Sensor: "test", Packets: packets, Streams: streams, Out: sink})
	if err != nil {
		t.Fatal(err)
	}
	end := w.listen(e)
	do()
	end()
	return sink
}

// seenNeed skips the test without its programs.
func seenNeed(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed; scripts/deps.sh names the package", p)
		}
	}
}

// seenStart runs a server in the far namespace until the test ends.
func seenStart(t *testing.T, w *wire, args ...string) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	c := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", w.b}, args...)...)
	if err := c.Start(); err != nil {
		stop()
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = c.Wait() })
}

// seenTry runs a client in the near namespace until it succeeds; servers take a
// while to listen.
func seenTry(t *testing.T, w *wire, input string, args ...string) {
	t.Helper()
	var out []byte
	var err error
	for range 40 {
		ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
		c := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", w.a}, args...)...)
		c.Stdin = strings.NewReader(input)
		out, err = c.CombinedOutput()
		stop()
		if err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%v: %v\n%s", args, err, out)
}

func seenHas(t *testing.T, sink *seenSink, protocol, ip string, facts ...string) {
	t.Helper()
	told := map[string]bool{}
	for _, o := range sink.seen {
		for _, f := range o.Facts {
			if o.Protocol == protocol && (ip == "" || o.IP == netip.MustParseAddr(ip)) {
				told[string(f.Name)+"="+f.Value] = true
			}
		}
	}
	for _, f := range facts {
		if !told[f] {
			t.Errorf("%s did not tell %s of %s: %v", protocol, f, ip, told)
		}
	}
}

func TestDHCPWithRealPrograms(t *testing.T) {
	seenNeed(t, "dnsmasq", "udhcpc")
	w := newWire(t)
	seenStart(t, w, "dnsmasq", "-k", "-p0", "-i", "vb", "--bind-interfaces", "--conf-file=/dev/null", "--dhcp-range=10.99.0.100,10.99.0.150,1h",
		"--dhcp-leasefile="+filepath.Join(t.TempDir(), "leases"), "--pid-file=", "--user=root", "--no-ping", "--dhcp-authoritative")
	sink := seenWatch(t, w, func() {
		seenTry(t, w, "", "udhcpc", "-i", "va", "-n", "-q", "-t", "3", "-T", "1", "-f", "-s", "/bin/true", "-x", "hostname:CT-ROOM-2", "-V", "GE-MR-1")
	})
	seenHas(t, sink, "dhcp", "", "hostname=CT-ROOM-2", "vendor-class=GE-MR-1")
	seenHas(t, sink, "dhcp", "10.99.0.2", "role=dhcp-server")
	if facts := strings.Join(sink.facts("dhcp"), "\n"); !strings.Contains(facts, "dhcp-params=1,3,") || !strings.Contains(facts, "client-id=01") {
		t.Errorf("option 55 or 61 is missing:\n%s", facts)
	}
	for _, kind := range []binding.ClaimKind{binding.DHCPOffer, binding.DHCPRequest, binding.DHCPAck} {
		i := slices.IndexFunc(sink.claims, func(c binding.Claim) bool { return c.Kind == kind })
		if i < 0 {
			t.Errorf("no claim of kind %d", kind)
		} else if c := sink.claims[i]; !netip.MustParsePrefix("10.99.0.0/24").Contains(c.IP) || c.Server != netip.MustParseAddr("10.99.0.2") {
			t.Errorf("claim %+v", c)
		}
	}
}

func TestTLSWithRealPrograms(t *testing.T) {
	seenNeed(t, "openssl")
	w := newWire(t)
	key, cert := filepath.Join(t.TempDir(), "key.pem"), filepath.Join(t.TempDir(), "cert.pem")
	w.sh("openssl req -x509 -newkey rsa:2048 -nodes -keyout %s -out %s -days 10 -subj /CN=pacs.hosp 2>&1", key, cert)
	for port, c := range map[string]struct {
		option, version, ja4 string
		alarms               []asset.AlarmKind
	}{
		"2762": {"-tls1_2", "1.2", "ja4=t12d", []asset.AlarmKind{asset.Certificate}},
		"2763": {"-tls1_3", "1.3", "ja4=t13d", nil},
		"2764": {"-tls1", "1.0", "ja4=t10d", []asset.AlarmKind{asset.OldTLS, asset.Certificate}},
	} {
		seenStart(t, w, "openssl", "s_server", "-accept", "10.99.0.2:"+port, "-key", key, "-cert", cert, "-quiet", "-cipher", "DEFAULT@SECLEVEL=0", c.option)
		sink := seenWatch(t, w, func() {
			seenTry(t, w, "Q\n", "openssl", "s_client", "-connect", "10.99.0.2:"+port, "-servername", "pacs.hosp", "-cipher", "DEFAULT@SECLEVEL=0", c.option)
		})
		seenHas(t, sink, "tls", "10.99.0.2", "tls-version="+c.version, "service=tcp/"+port+" tls")
		seenHas(t, sink, "tls", "10.99.0.1", "sni=pacs.hosp")
		facts := strings.Join(sink.facts("tls"), "\n")
		if !strings.Contains(facts, c.ja4) || strings.Contains(facts, "certificate=pacs.hosp; pacs.hosp; ") != (c.version != "1.3") {
			t.Errorf("%s: %s", c.version, facts)
		}
		var kinds []asset.AlarmKind
		for _, a := range sink.alarms {
			kinds = append(kinds, a.Kind)
		}
		seenWant(t, "alarms of "+c.version, kinds, c.alarms)
	}
}

func TestSNMPWithRealPrograms(t *testing.T) {
	seenNeed(t, "snmpd", "snmpget")
	w := newWire(t)
	conf := filepath.Join(t.TempDir(), "snmpd.conf")
	if err := os.WriteFile(conf, []byte("rocommunity public\nrocommunity s3cret\nsysName pump-7\nsysDescr Infusion station 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	seenStart(t, w, "snmpd", "-f", "-Ln", "-C", "-c", conf, "-p", filepath.Join(t.TempDir(), "pid"), "udp:10.99.0.2:161")
	ask := func(community string) *seenSink {
		return seenWatch(t, w, func() {
			seenTry(t, w, "", "snmpget", "-v2c", "-c", community, "-t", "1", "10.99.0.2", "1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.2.0", "1.3.6.1.2.1.1.5.0")
		})
	}
	sink := ask("public")
	seenHas(t, sink, "snmp", "10.99.0.2", "snmp-community=public", "description=Infusion station 3", "hostname=pump-7", "service=udp/161 snmp")
	if len(sink.alarms) != 1 || sink.alarms[0].Kind != asset.SNMPDefault || sink.alarms[0].Culprit.IP != netip.MustParseAddr("10.99.0.2") {
		t.Errorf("alarms %+v", sink.alarms)
	}
	sink = ask("s3cret")
	if len(sink.alarms) != 0 || strings.Contains(strings.Join(sink.facts("snmp"), " "), "s3cret") {
		t.Errorf("a secret community is told: %+v %v", sink.alarms, sink.facts("snmp"))
	}
}

func TestMDNSOnAWire(t *testing.T) {
	w := newWire(t)
	w.sh("ip -n %s route add 224.0.0.0/4 dev vb", w.b)
	answer := mdnsBytes()
	copy(answer[len(answer)-4:], []byte{10, 99, 0, 2})
	sink := seenWatch(t, w, func() {
		err := <-w.in(w.b, func() error {
			c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 99, 0, 2), Port: 5353})
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = c.WriteToUDP(answer, &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353})
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	seenHas(t, sink, "mdns", "10.99.0.2", "hostname=prt-03", "mdns-service=_ipp._tcp", "model=LP 90", "service=tcp/631 ipp")
}
