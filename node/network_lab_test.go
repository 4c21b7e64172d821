package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"github.com/cordon-health/cordon/api"
)

// networkLab is a router, called core, with a namespace behind a leg for each
// zone: zone number N is 10.77.N.0/24, the router .1 and its host .2.
type networkLab struct {
	t     *testing.T
	id    string
	zones []string
}

// newNetworkLab makes one, which goes with the test.
func newNetworkLab(t *testing.T, zones ...string) *networkLab {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: network namespaces and nftables")
	}
	for _, p := range []string{"ip", "nft", "storescp", "storescu", "dump2dcm"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("needs the program %s; scripts/deps.sh installs it", p)
		}
	}
	l := &networkLab{t: t, id: fmt.Sprintf("n%d", os.Getpid()), zones: zones}
	l.namespace("core")
	for i, z := range zones {
		l.namespace(z)
		l.sh("ip -n %s link add name z-%s type veth peer name eth0 netns %s", l.ns("core"), z, l.ns(z))
		l.sh("ip -n %s addr add 10.77.%d.1/24 dev z-%s", l.ns("core"), i+1, z)
		l.sh("ip -n %s link set z-%s up", l.ns("core"), z)
		l.sh("ip -n %s addr add 10.77.%d.2/24 dev eth0", l.ns(z), i+1)
		l.sh("ip -n %s link set eth0 up", l.ns(z))
		l.sh("ip -n %s route add default via 10.77.%d.1", l.ns(z), i+1)
	}
	l.sh("ip netns exec %s sysctl -qw net.ipv4.ip_forward=1", l.ns("core"))
	return l
}

func (l *networkLab) ns(name string) string { return l.id + "-" + name }

func (l *networkLab) namespace(name string) {
	l.sh("ip netns add %s", l.ns(name))
	l.t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", l.ns(name)).Run() }) // gone with the machine at worst
	l.sh("ip -n %s link set lo up", l.ns(name))
}

func (l *networkLab) sh(format string, args ...any) {
	l.t.Helper()
	line := fmt.Sprintf(format, args...)
	if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
		l.t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// in runs f in a namespace; sockets opened there stay there.
func (l *networkLab) in(name string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with us
		h, err := netns.GetFromName(l.ns(name))
		if err == nil {
			err = netns.Set(h)
			_ = h.Close()
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

func (l *networkLab) dial(from, to string, wait time.Duration) (c net.Conn, err error) {
	return c, l.in(from, func() (err error) {
		c, err = net.DialTimeout("tcp", to, wait)
		return err
	})
}

func (l *networkLab) listen(in, at string) net.Listener {
	l.t.Helper()
	var ln net.Listener
	if err := l.in(in, func() (err error) {
		ln, err = net.Listen("tcp", at)
		return err
	}); err != nil {
		l.t.Fatal(err)
	}
	return ln
}

// echo answers with what it is sent.
func (l *networkLab) echo(in, at string) {
	l.t.Helper()
	ln := l.listen(in, at)
	l.t.Cleanup(func() { _ = ln.Close() })
	go serveEach(ln, func(c net.Conn) { _, _ = io.Copy(c, c) })
}

func serveEach(ln net.Listener, do func(net.Conn)) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			do(c)
		}()
	}
}

// run runs a program in a namespace to its end.
func (l *networkLab) run(in string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", l.ns(in)}, args...)...).CombinedOutput()
	return string(out), err
}

// start runs a program in a namespace until the test ends or stop is called,
// which ends it as a power cut would.
func (l *networkLab) start(in string, log io.Writer, env []string, args ...string) (stop func()) {
	l.t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", l.ns(in)}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGKILL) // ip has become the program by exec
		_ = cmd.Wait()
	})
	l.t.Cleanup(stop)
	return stop
}

// wire lets the namespace of the router reach a server on loopback of the
// machine, at 127.0.0.1:9443 there; cut ends that.
type wire struct {
	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

func (l *networkLab) wire(server string) *wire {
	w := &wire{conns: map[net.Conn]bool{}}
	ln := l.listen("core", "127.0.0.1:9443")
	l.t.Cleanup(func() { _ = ln.Close(); w.set(true) })
	go serveEach(ln, func(c net.Conn) {
		far, err := net.Dial("tcp", server)
		if err != nil {
			return
		}
		defer far.Close()
		if !w.keep(c, far) {
			return
		}
		go func() {
			_, _ = io.Copy(far, c)
			_ = far.Close()
		}()
		_, _ = io.Copy(c, far)
	})
	return w
}

func (w *wire) keep(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		w.conns[c] = true
	}
	return !w.cut
}

func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if cut {
		for c := range w.conns {
			_ = c.Close()
		}
		w.conns = map[net.Conn]bool{}
	}
}

// sensorEnv makes the test binary a sensor: it holds its settings.
const sensorEnv = "CORDON_TEST_SENSOR"

type sensorSettings struct {
	Token, Name, Dir string
	Interfaces       []string
}

// senseChild runs a sensor until it is killed.
func senseChild(settings string) error {
	var x sensorSettings
	if err := json.Unmarshal([]byte(settings), &x); err != nil {
		return err
	}
	s := &RemoteSensor{
		Server: "http://127.0.0.1:9443", Token: x.Token, Version: "test", Name: x.Name, Interfaces: x.Interfaces, Interval: 2 * time.Second, Learn: time.Hour,
		Enforce: true, Dir: x.Dir, Most: 64 << 20, Now: time.Now, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	return s.Run(context.Background())
}

// hospitalLab is a hospital with a sensor on its router.
type hospitalLab struct {
	*networkLab
	*server
	wire   *wire
	sensor sensorSettings
	logs   safeBuffer
	kill   func() // of the sensor
	file   string // an image of the marked patient
	policy string
}

func newHospitalLab(t *testing.T) *hospitalLab {
	l := newNetworkLab(t, "ct", "pacs", "gst")
	dir := t.TempDir()
	h := &hospitalLab{networkLab: l, policy: `version: 1
name: lab
zones:
  - {name: ct, kind: modality, owner: o, interface: z-ct, networks: [10.77.1.0/24]}
  - {name: pacs, kind: pacs, owner: o, interface: z-pacs, networks: [10.77.2.0/24]}
  - {name: gst, kind: guest, owner: o, interface: z-gst, networks: [10.77.3.0/24]}
conduits:
  - {id: images, from: ct, to: pacs, allow: [tcp/11112], owner: o, reason: images}
  - {id: viewer, from: ct, to: pacs, allow: [tcp/8443], owner: o, reason: viewer}
`}
	probes := filepath.Join(dir, "probes.yaml")
	if err := os.WriteFile(probes, []byte(fmt.Sprintf(`probes:
  - {name: images pass, via: ct, netns: %s, to: 10.77.2.2, service: tcp/11112, expect: pass}
  - {name: guests do not, via: gst, netns: %s, to: 10.77.2.2, service: tcp/11112, expect: deny}
`, l.ns("ct"), l.ns("gst"))), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, filepath.Join(dir, "data"))
	s.cfg.Zone.Probes, s.cfg.Zone.Routers = probes, []string{"core"}
	h.server = s.start(t)
	h.wire = l.wire(s.cfg.Console.Listen)
	h.sensor = sensorSettings{Token: h.sensorToken("core-router"), Name: "core", Dir: filepath.Join(dir, "sensor"), Interfaces: []string{"z-ct", "z-pacs", "z-gst"}}
	h.sense()
	l.echo("pacs", ":8443")
	rx := t.TempDir()
	l.start("pacs", io.Discard, nil, "storescp", "-dhl", "-aet", "PACS", "-od", rx, "11112")
	dump := fmt.Sprintf("(0008,0016) UI =SecondaryCaptureImageStorage\n(0008,0018) UI [1.2.3.4]\n(0010,0010) PN [%s^%s]\n(0010,0020) LO [%s]\n", markName, markGiven, markID)
	h.file = filepath.Join(rx, "image")
	if err := os.WriteFile(h.file+".dump", []byte(dump), 0o600); err != nil {
		t.Fatal(err)
	}
	l.sh("dump2dcm %[1]s.dump %[1]s", h.file)
	return h
}

// sense starts the sensor on the router and waits until it takes orders.
func (h *hospitalLab) sense() {
	h.networkLab.t.Helper()
	text, err := json.Marshal(h.sensor)
	if err != nil {
		h.networkLab.t.Fatal(err)
	}
	h.kill = h.networkLab.start("core", &h.logs, []string{sensorEnv + "=" + string(text)}, os.Args[0])
	h.ready()
}

// ready waits until the sensor listens and takes orders.
func (h *hospitalLab) ready() {
	h.networkLab.t.Helper()
	begun := time.Now().UnixMilli()
	eventually(h.networkLab.t, "the sensor reports", func() bool {
		for _, s := range h.n.enforce.desk.list() {
			if s.Name == "core" && s.Enforces && s.Last >= begun-1000 {
				return true
			}
		}
		return false
	})
}

// store sends the image of the marked patient from the CT to the PACS.
func (h *hospitalLab) store() {
	h.networkLab.t.Helper()
	if out, err := h.run("ct", "storescu", "-aet", "CT1", "-aec", "PACS", "10.77.2.2", "11112", h.file); err != nil {
		h.networkLab.t.Fatalf("storescu: %v %s", err, out)
	}
}

// images sums the conversations of the CT with the PACS.
func (h *hospitalLab) images() (x api.Talk) {
	for _, c := range h.talks() {
		if c.Port == 11112 && c.Client.String() == "10.77.1.2" && c.App == "dicom" {
			x.Sessions += c.Sessions
			x.Conversation.ClientName, x.Conversation.ServerName, x.Conversation.Calls = c.ClientName, c.ServerName, c.Calls
		}
	}
	return x
}

func within(t *testing.T, what string, most time.Duration, ok func() bool) {
	t.Helper()
	begun := time.Now()
	eventually(t, what, ok)
	took := time.Since(begun)
	t.Logf("%s after %v", what, took.Round(time.Millisecond))
	if took > most {
		t.Errorf("until %s it took %v, more than %v", what, took, most)
	}
}

// TestNetworkGuard is the whole in a small hospital: a sensor on the router, a
// server, three zones and real DICOM.
func TestNetworkGuard(t *testing.T) {
	h := newHospitalLab(t)
	time.Sleep(500 * time.Millisecond) // the capture opens after the first report
	h.store()
	within(t, "CT and PACS are listed", time.Second, func() bool {
		for _, ip := range []string{"10.77.1.2", "10.77.2.2"} {
			if d, err := h.n.networkServices().Device(context.Background(), ip); err != nil || len(d.MACs) != 1 {
				return false
			}
		}
		return true
	})
	within(t, "patient data in clear is a finding", 5*time.Second, func() bool {
		h.drained()
		for _, f := range h.findings(t) {
			if f.Info.Analytic.UID == "clear-patient-data" {
				return true
			}
		}
		return false
	})
	within(t, "the conversation has its names", 5*time.Second, func() bool {
		x := h.images()
		return x.Sessions == 1 && x.ClientName == "CT1" && x.ServerName == "PACS" && x.Calls["C-STORE"] == 1
	})
	h.keepApart()
	h.isolate()
	h.sensorDies()
	h.serverRests()
	h.prove()
	h.takeBack()
	h.verified()
	h.server.stop()
	h.kill()
	nothingMarked(t, h.cfg.Data, h.sensor.Dir)
	clean(t, "the sensor's log", h.logs.String())
	clean(t, "the server's log", h.server.logs.String())
}

// nothingMarked looks for a patient in all files below folders.
func nothingMarked(t *testing.T, folders ...string) {
	t.Helper()
	seen := 0
	for _, dir := range folders {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			clean(t, path, string(data))
			seen += len(data)
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
	if seen == 0 {
		t.Error("no files were looked at")
	}
}

// policyStep moves the policy on through the API.
func (h *hospitalLab) policyStep(wish api.PolicyWish) (int, string) {
	h.networkLab.t.Helper()
	body, err := json.Marshal(wish)
	if err != nil {
		h.networkLab.t.Fatal(err)
	}
	status, text, err := h.call("POST", "/api/v1/network/policies", string(body))
	if err != nil {
		h.networkLab.t.Fatal(err)
	}
	return status, text
}

func (h *hospitalLab) moved(wish api.PolicyWish) {
	h.networkLab.t.Helper()
	if status, text := h.policyStep(wish); status != http.StatusAccepted {
		h.networkLab.t.Fatalf("%s: %d %s\n%s", wish.What, status, text, tail(h.logs.String(), 2000))
	}
}

func (h *hospitalLab) passes(from, to string) bool {
	c, err := h.dial(from, to, 500*time.Millisecond)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// keepApart takes a policy through its life.
func (h *hospitalLab) keepApart() {
	t := h.networkLab.t
	t.Helper()
	if !h.passes("gst", "10.77.2.2:8443") {
		t.Fatal("without a policy a guest cannot reach the PACS; the lab is broken")
	}
	if status, text := h.policyStep(api.PolicyWish{What: api.PolicyEnforce}); status != http.StatusConflict {
		t.Errorf("what was not staged is enforced: %d %s", status, text)
	}
	h.moved(api.PolicyWish{What: api.PolicyStage, Text: h.policy, Reason: "lab"})
	if !h.passes("gst", "10.77.2.2:8443") {
		t.Error("staging drops")
	}
	if status, text := h.policyStep(api.PolicyWish{What: api.PolicyEnforce, Seconds: 60}); status == http.StatusAccepted {
		t.Errorf("what was not simulated is enforced: %s", text)
	}
	var begun struct{ ID string }
	if err := json.Unmarshal([]byte(h.must(t, "POST", "/api/v1/network/simulations", `{"days":7}`)), &begun); err != nil {
		t.Fatal(err)
	}
	var run api.SimulationRun
	eventually(t, "the simulation is done", func() bool {
		return json.Unmarshal([]byte(h.must(t, "GET", "/api/v1/network/simulations/"+begun.ID, "")), &run) == nil && run.Ended != 0
	})
	if run.Report == nil || run.Problem != "" {
		t.Fatalf("simulation: %s", run.Problem)
	}
	h.moved(api.PolicyWish{What: api.PolicyEnforce, Seconds: 60, Reason: "lab"})
	if h.passes("gst", "10.77.2.2:8443") || !h.passes("ct", "10.77.2.2:8443") {
		t.Error("what is enforced does not hold")
	}
	h.moved(api.PolicyWish{What: api.PolicyConfirm})
	h.moved(api.PolicyWish{What: api.PolicyVerify})
	st, err := h.n.policies.state(context.Background())
	if err != nil || st.Force == nil || len(st.Force.Probes) != 2 || st.Force.Problem != "" || st.Force.Denied == 0 {
		t.Fatalf("in force is %+v %v", st.Force, err)
	}
	for _, p := range st.Force.Probes {
		if p.Want != p.Got {
			t.Errorf("probe %+v", p)
		}
	}
	within(t, "what was dropped is a finding that names the zones", 5*time.Second, func() bool {
		h.drained()
		all := h.must(t, "GET", "/api/v1/findings", "")
		return strings.Contains(all, "zone-denied") && strings.Contains(all, "gst") && strings.Contains(all, "pacs")
	})
}

// prove downloads the proof and checks it; a flipped byte is found.
func (h *hospitalLab) prove() {
	t := h.networkLab.t
	t.Helper()
	proof := []byte(h.must(t, "GET", "/api/v1/network/proof", ""))
	report, err := Offline{}.VerifyBundle(bytes.NewReader(proof), int64(len(proof)))
	if err != nil || !report.OK {
		t.Fatalf("the proof does not hold: %+v %v", report, err)
	}
	held := 0
	for i := 0; i < 8; i++ {
		bad := bytes.Clone(proof)
		bad[len(bad)*(2*i+1)/32] ^= 1
		if report, err := (Offline{}).VerifyBundle(bytes.NewReader(bad), int64(len(bad))); err == nil && report.OK {
			held++
		}
	}
	if held > 0 {
		t.Errorf("%d of 8 flipped bits of the proof are not noticed", held)
	}
}

// takeBack ends the policy.
func (h *hospitalLab) takeBack() {
	t := h.networkLab.t
	t.Helper()
	h.moved(api.PolicyWish{What: api.PolicyRollBack, Reason: "lab"})
	if !h.passes("gst", "10.77.2.2:8443") {
		t.Error("after the rollback the policy still holds")
	}
}
