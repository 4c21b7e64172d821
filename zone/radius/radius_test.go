package radius

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"layeh.com/radius"

	"github.com/cordon-health/cordon/internal/packet"
)

// fake is equipment that answers as told.
func fake(t *testing.T, answer func(r *radius.Request) *radius.Packet) NAS {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &radius.PacketServer{SecretSource: radius.StaticSecretSource([]byte("s3cret")), ErrorLog: log.New(io.Discard, "", 0), Handler: radius.HandlerFunc(func(w radius.ResponseWriter, r *radius.Request) {
		if p := answer(r); p != nil {
			_ = w.Write(p)
		}
	})}
	go func() { _ = s.Serve(conn) }()
	t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	return NAS{Address: conn.LocalAddr().String(), Secret: "s3cret", Now: time.Now, Wait: 2 * time.Second, Retry: 50 * time.Millisecond}
}

var device = packet.MAC{2, 0, 0, 0, 0, 0x13}

func TestChangeNamesSessionAndNetwork(t *testing.T) {
	var got *radius.Packet
	n := fake(t, func(r *radius.Request) *radius.Packet { got = r.Packet; return r.Response(radius.CodeCoAACK) })
	if err := n.Move(context.Background(), Session{Device: device, ID: "abc", User: "nurse1", Port: "gi1/0/7"}, Change{VLAN: 666, Filter: "deny-all"}); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[radius.Type]string{attrCallingStation: "02-00-00-00-00-13", attrAcctSessionID: "abc", attrUserName: "nurse1",
		attrNASPortID: "gi1/0/7", attrTunnelGroup: "666", attrFilterID: "deny-all", attrTunnelType: "\x00\x00\x00\r"} {
		if string(got.Get(kind)) != want {
			t.Errorf("attribute %d is %q, want %q", kind, got.Get(kind), want)
		}
	}
	if len(got.Get(attrMessageAuth)) != 16 || len(got.Get(attrEventTimestamp)) != 4 {
		t.Error("not signed or not timed")
	}
}

func TestRefusalsAreSaid(t *testing.T) {
	n := fake(t, func(r *radius.Request) *radius.Packet {
		p := r.Response(radius.CodeDisconnectNAK)
		p.Add(attrErrorCause, []byte{0, 0, 1, 0xf7})
		return p
	})
	if err := n.Disconnect(context.Background(), Session{Device: device}); !errors.Is(err, ErrNoSession) {
		t.Error(err)
	}
	n = fake(t, func(r *radius.Request) *radius.Packet {
		p := r.Response(radius.CodeDisconnectNAK)
		p.Add(attrErrorCause, []byte{0, 0, 1, 0xf5})
		return p
	})
	if err := n.Disconnect(context.Background(), Session{Device: device}); err == nil || !strings.Contains(err.Error(), "administratively prohibited") {
		t.Error(err)
	}
}

func TestLostRequestIsSentAgain(t *testing.T) {
	var tries atomic.Int32
	n := fake(t, func(r *radius.Request) *radius.Packet {
		if tries.Add(1) < 3 {
			return nil
		}
		return r.Response(radius.CodeDisconnectACK)
	})
	if err := n.Disconnect(context.Background(), Session{Device: device}); err != nil || tries.Load() < 3 {
		t.Error(tries.Load(), err)
	}
	n.Secret, n.Wait = "wrong", 300*time.Millisecond
	if err := n.Disconnect(context.Background(), Session{Device: device}); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Error("a forged answer or none passes:", err)
	}
}

func TestNothingToNameIsRefused(t *testing.T) {
	n := NAS{Address: "127.0.0.1:1", Secret: "x", Now: time.Now}
	if n.Disconnect(context.Background(), Session{}) == nil || (NAS{}).Disconnect(context.Background(), Session{Device: device}) == nil ||
		n.Move(context.Background(), Session{Device: device}, Change{}) == nil {
		t.Error("passes")
	}
}

// TestRealSessionEnds: hostapd lets a client in by 802.1X on a wire; a
// Disconnect request ends its session, and hostapd, told to, refuses requests
// without timestamp and authenticator.
func TestRealSessionEnds(t *testing.T) {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("needs root: network namespaces")
	}
	for _, p := range []string{"ip", "hostapd", "wpa_supplicant", "openssl"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("needs the program %s; scripts/deps.sh installs it", p)
		}
	}
	dir := t.TempDir()
	sw, client := fmt.Sprintf("c%d-sw", os.Getpid()), fmt.Sprintf("c%d-cl", os.Getpid())
	for _, ns := range []string{sw, client} {
		sh(t, dir, "ip netns add "+ns)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
		sh(t, dir, "ip -n "+ns+" link set lo up")
	}
	sh(t, dir, fmt.Sprintf("ip -n %s link add name e0 type veth peer name e0 netns %s; ip -n %s link set e0 address 02:00:00:00:00:13; ip -n %s link set e0 up; ip -n %s link set e0 up", sw, client, client, sw, client))
	sh(t, dir, "openssl req -x509 -newkey rsa:2048 -nodes -keyout x.key -out x.crt -days 3 -subj /CN=radius.test 2>/dev/null")
	write(t, dir, "eap_users", "* PEAP\n\"nurse1\" MSCHAPV2 \"pass\" [2]\n")
	write(t, dir, "hostapd.conf", strings.Join([]string{"interface=e0", "driver=wired", "ieee8021x=1", "eap_server=1", "eap_user_file=eap_users", "server_cert=x.crt",
		"private_key=x.key", "ca_cert=x.crt", "use_pae_group_addr=1", "logger_stdout=-1", "logger_stdout_level=0",
		"radius_das_port=3799", "radius_das_client=127.0.0.1 s3cret", "radius_das_require_event_timestamp=1", "radius_das_require_message_authenticator=1"}, "\n")+"\n")
	write(t, dir, "wpa.conf", "ap_scan=0\nnetwork={\nkey_mgmt=IEEE8021X\neap=PEAP\nidentity=\"nurse1\"\npassword=\"pass\"\nphase2=\"auth=MSCHAPV2\"\n}\n")
	nas := start(t, dir, "nas.log", "ip", "netns", "exec", sw, "hostapd", "-d", "hostapd.conf")
	await(t, nas, "AP-ENABLED", 1)
	wpa := start(t, dir, "wpa.log", "ip", "netns", "exec", client, "wpa_supplicant", "-Dwired", "-ie0", "-cwpa.conf")
	await(t, wpa, "CTRL-EVENT-EAP-SUCCESS", 1)
	// The client of the test is in the switch's namespace: a process of its own.
	if out := disconnectIn(t, sw, "02-00-00-00-00-13"); !strings.Contains(out, "result: <nil>") {
		text, _ := os.ReadFile(nas)
		t.Fatalf("%s\n%s", out, text)
	}
	await(t, nas, "AP-STA-DISCONNECTED 02:00:00:00:00:13", 1)
	await(t, nas, "deauthenticated due to local deauth request", 1)
	if out := disconnectIn(t, sw, "02-00-00-00-00-99"); !strings.Contains(out, "no such session") {
		t.Errorf("a device that is not there: %s", out)
	}
}

// disconnectIn runs this test binary in a namespace, where it sends a request.
func disconnectIn(t *testing.T, ns, mac string) string {
	t.Helper()
	cmd := exec.Command("ip", "netns", "exec", ns, os.Args[0], "-test.run", "^TestInside$", "-test.v")
	cmd.Env = append(os.Environ(), "CORDON_TEST_DEVICE="+mac)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// TestInside is what disconnectIn runs.
func TestInside(t *testing.T) {
	text := os.Getenv("CORDON_TEST_DEVICE")
	if text == "" {
		t.Skip("a part of TestRealSessionEnds")
	}
	mac, err := net.ParseMAC(text)
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	err = NAS{Address: "127.0.0.1", Secret: "s3cret", Now: time.Now}.Disconnect(context.Background(), Session{Device: packet.MAC(mac)})
	fmt.Println("result:", err, "after", time.Since(begun))
}

func sh(t *testing.T, dir, line string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start runs a program until the test ends and returns the file it writes to.
func start(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, f, f
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = f.Close()
	})
	return path
}

// await waits until a text stands in a file a number of times.
func await(t *testing.T, path, text string, times int) {
	t.Helper()
	var log []byte
	for range 200 {
		log, _ = os.ReadFile(path)
		if strings.Count(string(log), text) >= times {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("no %q (%d times) in %s:\n%s", text, times, filepath.Base(path), log)
}
