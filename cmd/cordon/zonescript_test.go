package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// asRoot is the condition [root]: namespaces and nftables are to be had.
func asRoot(name string) (bool, error) {
	if name != "root" {
		return false, fmt.Errorf("no condition %q", name)
	}
	for _, p := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(p); err != nil {
			return false, nil
		}
	}
	return os.Getuid() == 0, nil
}

// zoneLabs is counted up so that two scripts do not meet.
type zoneLabs struct{ n atomic.Int64 }

// zones makes a router between three zones in network namespaces and puts
// their names into CORE, HIS, IMG and CT: zones.
func (z *zoneLabs) zones(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: zones")
	}
	id := fmt.Sprintf("s%d-%d", os.Getpid(), z.n.Add(1))
	core := id + "-core"
	sh := func(format string, args ...any) { ts.Check(ts.Exec("sh", "-c", fmt.Sprintf(format, args...))) }
	namespace := func(name string) {
		sh("ip netns add %s", name)
		ts.Defer(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	}
	namespace(core)
	ts.Setenv("CORE", core)
	for i, name := range []string{"his", "img", "ct"} {
		ns := id + "-" + name
		namespace(ns)
		ts.Setenv(strings.ToUpper(name), ns)
		sh("ip -n %s link add name z-%s type veth peer name eth0 netns %s", core, name, ns)
		sh("ip -n %[1]s addr add 10.77.%[2]d.1/24 dev z-%[3]s && ip -n %[1]s link set z-%[3]s up", core, i+1, name)
		sh("ip -n %[1]s addr add 10.77.%[2]d.2/24 dev eth0 && ip -n %[1]s link set eth0 up && ip -n %[1]s route add default via 10.77.%[2]d.1", ns, i+1)
	}
	sh("ip netns exec %s sysctl -qw net.ipv4.ip_forward=1", core)
}

// fillIn replaces $NAME in a file by the variable's value: probes FILE.
func fillIn(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: probes FILE")
	}
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// waitFor repeats a command until it succeeds: waitfor TIME COMMAND...
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: waitfor TIME COMMAND ARGUMENT...")
	}
	wait, err := time.ParseDuration(args[0])
	ts.Check(err)
	for end := time.Now().Add(wait); ; time.Sleep(100 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s: %v", args[1], err)
		}
	}
}
