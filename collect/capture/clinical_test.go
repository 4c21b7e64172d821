package capture

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/flow"
)

// clinicalFor are the clinical dissectors as arguments of the helpers.
func clinicalFor(o ClinicalOptions) (all []any) {
	for _, d := range Clinical(o) {
		all = append(all, d)
	}
	return all
}

// clinicalCapture records what passes on loopback ports while do runs, with
// tcpdump, and returns the file.
func clinicalCapture(t *testing.T, do func(), ports ...int) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to capture on loopback")
	}
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Skip("tcpdump (apt-get install tcpdump) is not here")
	}
	file := filepath.Join(t.TempDir(), "c.pcap")
	args := []string{"-i", "lo", "-U", "--immediate-mode", "-B", "32768", "-Z", "root", "-w", file}
	for i, p := range ports {
		if i > 0 {
			args = append(args, "or")
		}
		args = append(args, "port", fmt.Sprint(p))
	}
	cmd := exec.Command("tcpdump", args...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := bufio.NewScanner(stderr)
	for ready.Scan() && !strings.Contains(ready.Text(), "listening on") {
	}
	do()
	time.Sleep(300 * time.Millisecond)
	_ = cmd.Process.Signal(syscall.SIGINT)
	_, _ = bufio.NewReader(stderr).ReadString(0)
	_ = cmd.Wait()
	return file
}

// clinicalPort is a free port on loopback.
func clinicalPort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// clinicalServe starts a program and waits until it listens on a port.
func clinicalServe(t *testing.T, port int, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not here: apt-get install dcmtk", name)
	}
	cmd := exec.Command(name, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for range 100 {
		if c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second); err == nil {
			c.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s does not listen: %s", name, said.String())
}

// clinicalRun runs a program to its end; its exit code is the test's affair.
func clinicalRun(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return string(out) + err.Error()
	}
	return string(out)
}

// calls adds the calls of all conversations with a port.
func (h *heard) calls(port int) map[string]int64 {
	sum := map[string]int64{}
	for _, f := range h.flows {
		if int(f.Port) == port {
			for name, n := range f.Calls {
				sum[name] += n
			}
		}
	}
	return sum
}

func (h *heard) kinds() map[asset.AlarmKind]int {
	sum := map[asset.AlarmKind]int{}
	for _, a := range h.alarms {
		sum[a.Kind]++
	}
	return sum
}

// wantCalls compares counts by name; "" wants what is not named to be absent.
func wantCalls(t *testing.T, got, want map[string]int64) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s: %d instead of %d; all: %v", name, got[name], want[name], got)
		}
	}
}

const (
	markedName = "ZHANG^MARKED"
	markedID   = "MARK0001"
)

// dicomFile makes an image of a marked patient.
func dicomFile(t *testing.T, dir string, sop, study, instance string) string {
	t.Helper()
	dump := filepath.Join(dir, instance+".dump")
	text := fmt.Sprintf("(0008,0016) UI [%s]\n(0008,0018) UI [1.2.3.4.%s]\n(0008,0060) CS [CT]\n(0010,0010) PN [%s]\n(0010,0020) LO [%s]\n(0020,000d) UI [1.2.3.%s]\n(0020,000e) UI [1.2.3.%s.1]\n",
		sop, instance, markedName, markedID, study, study)
	if err := os.WriteFile(dump, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, instance+".dcm")
	if out, err := exec.Command("dump2dcm", "+te", dump, file).CombinedOutput(); err != nil {
		t.Fatalf("dump2dcm: %v: %s", err, out)
	}
	return file
}

// dicomPACS starts an archive that answers all questions.
func dicomPACS(t *testing.T, dir string, port, dest int) {
	t.Helper()
	db := filepath.Join(dir, "db")
	if err := os.Mkdir(db, 0o755); err != nil {
		t.Fatal(err)
	}
	cfg := filepath.Join(dir, "q.cfg")
	text := fmt.Sprintf("NetworkTCPPort = %d\nMaxPDUSize = 16384\nMaxAssociations = 16\nHostTable BEGIN\nh1 = (DEST, 127.0.0.1, %d)\nHostTable END\nVendorTable BEGIN\nVendorTable END\nAETable BEGIN\nPACS %s RW (200, 1024mb) ANY\nAETable END\n", port, dest, db)
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	clinicalServe(t, port, "dcmqrscp", "-dhl", "-c", cfg)
}

// TestDICOMOfDCMTK watches DCMTK's programs: echo, store, find, move, refusal.
func TestDICOMOfDCMTK(t *testing.T) {
	if _, err := exec.LookPath("storescu"); err != nil {
		t.Skip("storescu is not here: apt-get install dcmtk")
	}
	dir, pacs, dest := t.TempDir(), clinicalPort(t), clinicalPort(t)
	dicomPACS(t, dir, pacs, dest)
	rx := filepath.Join(dir, "rx")
	if err := os.Mkdir(rx, 0o755); err != nil {
		t.Fatal(err)
	}
	clinicalServe(t, dest, "storescp", "-dhl", "-aet", "DEST", "-od", rx, fmt.Sprint(dest))
	ct, mr := "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
	files := []string{dicomFile(t, dir, ct, "10", "101"), dicomFile(t, dir, ct, "10", "102"), dicomFile(t, dir, mr, "11", "103")}
	where := []string{"127.0.0.1", fmt.Sprint(pacs)}
	as := func(more ...string) []string {
		return append(append([]string{"-aet", "CT1", "-aec", "PACS"}, where...), more...)
	}
	file := clinicalCapture(t, func() {
		clinicalRun(t, "echoscu", as()...)
		clinicalRun(t, "storescu", as(files...)...)
		clinicalRun(t, "findscu", append([]string{"-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=*", "-k", "StudyInstanceUID"}, as()...)...)
		clinicalRun(t, "findscu", append([]string{"-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=" + markedID, "-k", "StudyInstanceUID"}, as()...)...)
		clinicalRun(t, "movescu", append([]string{"-S", "-aem", "DEST", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3.10"}, as()...)...)
		clinicalRun(t, "echoscu", "-aet", "X", "-aec", "NOBODY", where[0], where[1])
	}, pacs, dest)

	h := replayFile(t, file, clinicalFor(ClinicalOptions{Memory: NewClinicalMemory(-1)})...)
	wantCalls(t, h.calls(pacs), map[string]int64{
		"C-ECHO": 1, "C-STORE": 3, "C-STORE CT": 2, "C-STORE MR": 1, "study": 2, "C-FIND": 2, "C-FIND match": 4, "C-MOVE": 1,
		"C-MOVE failed": 0, "association": 6, "association rejected": 1,
	})
	wantCalls(t, h.calls(dest), map[string]int64{"C-STORE": 2, "C-STORE CT": 2, "study": 1})
	kinds := h.kinds()
	if kinds[asset.DICOMSweep] != 1 || kinds[asset.DICOMMove] != 1 || kinds[asset.UnknownAETitle] != 3 || kinds[asset.ClearPatientData] != 2 {
		t.Errorf("alarms %v", h.alarms)
	}
	facts := h.facts("127.0.0.1")
	for name, want := range map[asset.FactName]string{
		asset.FactAETitle: "CT1", asset.FactImplUID: "1.2.276.0.7230010.3.0.3.6.7", asset.FactImplVersion: "OFFIS_DCMTK_367",
		asset.FactSOPClass: ct, asset.FactTransfer: "1.2.840.10008.1.2.1", asset.FactClientOf: "dicom",
	} {
		if !slices.Contains(facts[name], want) {
			t.Errorf("%s: no %q in %q", name, want, facts[name])
		}
	}
	if !slices.Contains(facts[asset.FactAETitle], "PACS") || !slices.Contains(facts[asset.FactService], fmt.Sprintf("tcp/%d dicom", pacs)) {
		t.Errorf("the server is not known: %v", facts)
	}
	if f := flowOf(h, "dicom"); f.ClientName == "" {
		t.Errorf("%+v", f)
	}
	if !slices.ContainsFunc(h.flows, func(f flow.Conversation) bool { return f.App == "dicom" && slices.Contains(f.Clear, "patient") }) {
		t.Errorf("no conversation says that patients passed in clear: %+v", h.flows)
	}
	nothingMarked(t, h)
	dicomTshark(t, file, pacs, map[string]int64{"1": 6, "2": 5, "3": 1})
}

// dicomTshark compares PDU counts with tshark's.
func dicomTshark(t *testing.T, file string, port int, want map[string]int64) {
	t.Helper()
	if _, err := exec.LookPath("tshark"); err != nil {
		return
	}
	out, err := exec.Command("tshark", "-n", "-r", file, "-d", fmt.Sprintf("tcp.port==%d,dicom", port), "-Y", fmt.Sprintf("dicom && tcp.port==%d", port),
		"-T", "fields", "-e", "dicom.pdu.type").Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	got := map[string]int64{}
	for word := range strings.FieldsSeq(strings.ReplaceAll(string(out), ",", " ")) {
		got[strings.TrimPrefix(word, "0x0")]++
	}
	for kind, n := range want {
		if got[kind] != n {
			t.Errorf("tshark counts %d PDUs of type %s, we %d: %v", got[kind], kind, n, got)
		}
	}
}

// nothingMarked searches all that was told for what belongs to patients.
func nothingMarked(t *testing.T, h *heard) {
	t.Helper()
	text := fmt.Sprintf("%+v %+v %+v %+v", h.seen, h.alarms, h.flows, h.stats)
	for _, e := range h.events {
		q := e.QueryInfo
		e.QueryInfo = nil
		text += string(e.AppendJSON(nil))
		e.QueryInfo = q
	}
	for _, secret := range []string{"MARKED", "MARK0001", "ZHANG", "标记", "110105194912310", "440106199003078", "geheim", "Z2VoZWlt"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q was told", secret)
		}
	}
}

func flowOf(h *heard, app string) flow.Conversation {
	for _, f := range h.flows {
		if f.App == app {
			return f
		}
	}
	return flow.Conversation{}
}

// TestDICOMInTLS wants nothing told of an association that is encrypted.
func TestDICOMInTLS(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not here")
	}
	dir, port := t.TempDir(), clinicalPort(t)
	key, crt := filepath.Join(dir, "k.pem"), filepath.Join(dir, "c.pem")
	clinicalRun(t, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", crt, "-days", "30", "-subj", "/CN=pacs.hosp")
	clinicalServe(t, port, "storescp", "-dhl", "+tls", key, crt, "-ic", "-aet", "PACS", "-od", dir, fmt.Sprint(port))
	image := dicomFile(t, dir, "1.2.840.10008.5.1.4.1.1.2", "10", "101")
	file := clinicalCapture(t, func() {
		if out := clinicalRun(t, "storescu", "+tla", "-ic", "-aet", "CT1", "-aec", "PACS", "127.0.0.1", fmt.Sprint(port), image); out != "" {
			t.Log(out)
		}
	}, port)
	h := replayFile(t, file, clinicalFor(ClinicalOptions{Memory: NewClinicalMemory(-1)})...)
	if f := h.flow("127.0.0.1", uint16(port)); f.App != "" || len(h.alarms) != 0 || f.BytesOut < 1000 {
		t.Errorf("%+v %v", f, h.alarms)
	}
	nothingMarked(t, h)
}
