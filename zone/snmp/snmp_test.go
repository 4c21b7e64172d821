package snmp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/internal/packet"
)

// TestMain: snmpd calls this binary for the tables that only a switch has.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && strings.HasPrefix(os.Args[1], "/") && (os.Args[2] == "-g" || os.Args[2] == "-n") {
		answerPass(os.Args[1], os.Args[2] == "-n", os.Args[3])
		return
	}
	os.Exit(m.Run())
}

// answerPass answers a request of snmpd's pass from a file of "OID TYPE VALUE".
func answerPass(file string, next bool, oid string) {
	f, err := os.Open(file)
	if err != nil {
		return
	}
	defer f.Close()
	var best string
	var bestLine []string
	for s := bufio.NewScanner(f); s.Scan(); {
		line := strings.SplitN(s.Text(), " ", 3)
		c := slices.Compare(numbers(line[0]), numbers(oid))
		if !next && c == 0 || next && c > 0 && (best == "" || slices.Compare(numbers(line[0]), numbers(best)) < 0) {
			best, bestLine = line[0], line
		}
	}
	if best != "" {
		fmt.Printf("%s\n%s\n%s\n", bestLine[0], bestLine[1], bestLine[2])
	}
}

func numbers(oid string) (list []int) {
	for part := range strings.SplitSeq(strings.TrimPrefix(oid, "."), ".") {
		n, _ := strconv.Atoi(part)
		list = append(list, n)
	}
	return list
}

func run(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// TestRealSwitch: net-snmp's snmpd is the switch, in a namespace of its own;
// its ports are veth pairs, which really go down.
func TestRealSwitch(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: network namespaces")
	}
	for _, p := range []string{"ip", "snmpd"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("needs the program %s; scripts/deps.sh installs it", p)
		}
	}
	ns := fmt.Sprintf("c%d-snmp", os.Getpid())
	run(t, "ip netns add "+ns)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	run(t, fmt.Sprintf("ip -n %[1]s link set lo up; for p in pdev pup pmany; do ip -n %[1]s link add name $p type veth peer name x$p; ip -n %[1]s link set $p up; ip -n %[1]s link set x$p up; done", ns))
	index := func(dev string) int {
		out, err := exec.Command("ip", "netns", "exec", ns, "cat", "/sys/class/net/"+dev+"/ifindex").Output()
		if err != nil {
			// A namespace made by "ip netns exec" mounts its own /sys.
			t.Fatal(err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(out)))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	dir := t.TempDir()
	var rows strings.Builder
	for port, dev := range map[int]string{1: "pdev", 2: "pup", 3: "pmany"} {
		fmt.Fprintf(&rows, "%s.%d integer %d\n", oidPortIndex, port, index(dev))
	}
	fmt.Fprintf(&rows, "%s.2.0.0.0.0.19 integer 1\n%s.2.0.0.0.0.20 integer 2\n", oidForward, oidForward)
	for i := range 5 {
		fmt.Fprintf(&rows, "%s.2.0.0.0.1.%d integer 3\n", oidForward, i)
	}
	table := filepath.Join(dir, "bridge")
	lldp := filepath.Join(dir, "lldp")
	conf := filepath.Join(dir, "snmpd.conf")
	for path, text := range map[string]string{
		table: rows.String(),
		lldp:  fmt.Sprintf("%s.0.%d.1 string core-switch-1\n%s.0.%d.1 octet 28 00\n", oidRemoteName, index("pup"), oidRemoteCaps, index("pup")),
		conf: "agentaddress udp:127.0.0.1:1161\nrwcommunity writes\nrocommunity reads\ncreateUser officer SHA authsecret AES cryptsecret\nrwuser officer priv\n" +
			"pass .1.3.6.1.2.1.17 " + os.Args[0] + " " + table + "\npass .1.0.8802 " + os.Args[0] + " " + lldp + "\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("ip", "netns", "exec", ns, "snmpd", "-f", "-Lo", "-C", "-c", conf, "-I", "-smux", "-p", filepath.Join(dir, "pid"))
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+dir, "MIBS=")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	out, err := exec.Command("ip", "netns", "exec", ns, "env", "CORDON_TEST_SNMP=1", os.Args[0], "-test.run", "^TestInside$", "-test.v").CombinedOutput()
	if err != nil {
		said, _ := os.ReadFile(log.Name())
		t.Fatalf("%s\n%s", out, said)
	}
	t.Logf("%s", out)
}

// TestInside is the part of TestRealSwitch that runs in its namespace.
func TestInside(t *testing.T) {
	if os.Getenv("CORDON_TEST_SNMP") == "" {
		t.Skip("a part of TestRealSwitch")
	}
	ctx := context.Background()
	s := Switch{Address: "127.0.0.1:1161", Community: "writes", Wait: time.Second}
	var p Port
	var err error
	for range 50 {
		if p, err = s.Find(ctx, packet.MAC{2, 0, 0, 0, 0, 19}); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil || p.Name != "pdev" || !p.Up || p.MACs != 1 || p.Neighbour != "" {
		t.Fatalf("%+v %v", p, err)
	}
	isUp := func(dev string) bool {
		i, err := net.InterfaceByName(dev)
		if err != nil {
			t.Fatal(err)
		}
		return i.Flags&net.FlagUp != 0
	}
	begun := time.Now()
	before, err := s.Shut(ctx, p.Index)
	t.Logf("shut in %s", time.Since(begun))
	if err != nil || !before.Up || isUp("pdev") {
		t.Fatalf("%+v %v, up %t", before, err, isUp("pdev"))
	}
	v3 := Switch{Address: s.Address, User: "officer", AuthKey: "authsecret", CryptKey: "cryptsecret"}
	if err := v3.Open(ctx, p.Index); err != nil || !isUp("pdev") {
		t.Fatalf("%v, up %t", err, isUp("pdev"))
	}
	up, err := s.Find(ctx, packet.MAC{2, 0, 0, 0, 0, 20})
	if err != nil || up.Neighbour != "core-switch-1" {
		t.Fatalf("%+v %v", up, err)
	}
	if _, err := s.Shut(ctx, up.Index); !errors.Is(err, ErrUplink) || !isUp("pup") {
		t.Errorf("an uplink: %v", err)
	}
	many, err := s.Find(ctx, packet.MAC{2, 0, 0, 0, 1, 0})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Shut(ctx, many.Index); !errors.Is(err, ErrUplink) || !isUp("pmany") {
		t.Errorf("five addresses: %v", err)
	}
	if _, err := s.Find(ctx, packet.MAC{2, 9}); err == nil {
		t.Error("finds what is not there")
	}
	if _, err := s.Shut(ctx, 9999); err == nil {
		t.Error("shuts a port that is not there")
	}
	s.Community = "reads"
	if _, err := s.Shut(ctx, p.Index); err == nil || !isUp("pdev") {
		t.Error("a reader writes")
	}
}
