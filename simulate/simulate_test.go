package simulate

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func newHospital(t *testing.T, cfg Config) *Hospital {
	t.Helper()
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// small is a hospital that lives long enough for every kind of violation.
func small() Config { return Config{Seed: 3, Days: 16, Staff: 160, Patients: 1500, Inside: true} }

func written(t *testing.T, cfg Config) (*Hospital, string) {
	t.Helper()
	h, dir := newHospital(t, cfg), t.TempDir()
	if err := h.Write(dir, nil); err != nil {
		t.Fatal(err)
	}
	return h, dir
}

// hashes of all files below dir, by relative name.
func hashes(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		sum := sha256.Sum256(data)
		out[strings.TrimPrefix(path, dir)] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSameSeedSameBytes(t *testing.T) {
	cfg := Config{Seed: 11, Days: 3, Staff: 80, Patients: 400}
	h, first := written(t, cfg)
	_, second := written(t, cfg)
	again := t.TempDir()
	if err := h.Write(again, nil); err != nil { // the same Hospital a second time
		t.Fatal(err)
	}
	cfg.Seed = 12
	_, other := written(t, cfg)
	want := hashes(t, first)
	for name, sum := range want {
		if hashes(t, second)[name] != sum || hashes(t, again)[name] != sum {
			t.Errorf("%s differs between two runs of the same seed", name)
		}
	}
	if hashes(t, other)["/sqlaudit.csv"] == want["/sqlaudit.csv"] {
		t.Error("another seed gives the same audit table")
	}
}

// TestFiles reads what Write wrote with readers of its own.
func TestFiles(t *testing.T) {
	_, dir := written(t, small())
	t.Run("tables", func(t *testing.T) { checkTables(t, dir) })
	t.Run("fhir", func(t *testing.T) { checkAuditEvents(t, dir) })
	t.Run("atna", func(t *testing.T) { checkArchiveLines(t, dir) })
	t.Run("hl7", func(t *testing.T) { checkMessages(t, dir) })
	t.Run("stays", func(t *testing.T) { checkStays(t, dir) })
}

func checkTables(t *testing.T, dir string) {
	for name, header := range map[string]string{
		"directory.csv": "person_id,account,name,role,department,manager_id,phone,address,national_id,hire_date,end_date",
		"roster.csv":    "person_id,department,start,end,kind",
		"tickets.csv":   "ticket_id,person_id,purpose,scope,from,until,approved_by",
		"watchlist.csv": "kind,patient_id,from,until,reason",
		"sqlaudit.csv":  "id,op_time,user_code,patient_no,action,module,client_ip,reason",
	} {
		rows := readTable(t, filepath.Join(dir, name))
		if got := strings.Join(rows[0], ","); got != header {
			t.Errorf("%s: header %q", name, got)
		}
		if len(rows) < 5 {
			t.Errorf("%s has only %d rows", name, len(rows))
		}
		for i, row := range rows[1:] {
			checkTimes(t, name, i, rows[0], row)
		}
	}
}

func readTable(t *testing.T, path string) [][]string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return rows
}

func checkTimes(t *testing.T, name string, i int, header, row []string) {
	t.Helper()
	for j, column := range header {
		switch column {
		case "start", "end", "from", "until", "hire_date", "end_date", "op_time":
			if _, err := time.Parse(time.RFC3339, row[j]); row[j] != "" && err != nil {
				t.Fatalf("%s row %d: %v", name, i, err)
			}
		}
	}
}

// access is what an independent reader finds in an audit record.
type access struct{ uid, account, patient, request string }

func checkAuditEvents(t *testing.T, dir string) {
	accounts := accountsOf(t, dir)
	files, _ := filepath.Glob(filepath.Join(dir, "fhir", "*.ndjson"))
	halves, broken, labelled := map[string]int{}, 0, 0
	for _, path := range files {
		eachLine(t, path, func(line []byte) {
			a := readAuditEvent(t, line)
			if bytes.Contains(line, []byte(`"query":`)) {
				return
			}
			if !accounts[a.account] || !strings.HasPrefix(a.patient, "P") && !strings.HasPrefix(a.patient, "TMP") {
				t.Fatalf("%s: no known requestor or patient: %+v", path, a)
			}
			if a.request != "" {
				halves[a.request]++
			}
			if bytes.Contains(line, []byte(`"BTG"`)) || bytes.Contains(line, []byte(`"ETREAT"`)) {
				broken++
			}
			if bytes.Contains(line, []byte("v3-Confidentiality")) {
				labelled++
			}
		})
	}
	twice := 0
	for _, n := range halves {
		if n > 1 {
			twice++
		}
	}
	if twice < 100 || broken < 3 || labelled < 5 {
		t.Errorf("%d accesses recorded twice, %d break-glass, %d with a label", twice, broken, labelled)
	}
}

func accountsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for _, row := range readTable(t, filepath.Join(dir, "directory.csv"))[1:] {
		for _, a := range strings.Split(row[1], ";") {
			if known[a] {
				t.Fatalf("account %s is in the directory twice", a)
			}
			known[a] = true
		}
	}
	return known
}

func eachLine(t *testing.T, path string, use func([]byte)) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		use(lines.Bytes())
	}
}

func readAuditEvent(t *testing.T, line []byte) access {
	t.Helper()
	type identifier struct{ Value string }
	type reference struct{ Identifier identifier }
	var ev struct {
		ResourceType, ID, Action string
		Recorded                 time.Time
		Agent                    []struct {
			Who       reference
			Requestor bool
		}
		Entity []struct {
			What       reference
			Type, Role struct{ Code string }
		}
	}
	if err := json.Unmarshal(line, &ev); err != nil {
		t.Fatal(err)
	}
	if ev.ResourceType != "AuditEvent" || ev.Recorded.IsZero() || ev.Action == "" {
		t.Fatalf("incomplete: %s", line)
	}
	a := access{uid: ev.ID}
	for _, g := range ev.Agent {
		if g.Requestor {
			a.account = g.Who.Identifier.Value
		}
	}
	for _, e := range ev.Entity {
		if e.Role.Code == "1" && a.patient == "" {
			a.patient = e.What.Identifier.Value
		}
		if e.Type.Code == "XrequestId" {
			a.request = e.What.Identifier.Value
		}
	}
	return a
}

func checkArchiveLines(t *testing.T, dir string) {
	accounts := accountsOf(t, dir)
	files, _ := filepath.Glob(filepath.Join(dir, "atna", "*.log"))
	boms, lines := 0, 0
	for _, path := range files {
		eachLine(t, path, func(line []byte) {
			lines++
			if bytes.Contains(line, []byte("\ufeff")) {
				boms++
			}
			if bytes.Contains(line, []byte(`"110133"`)) || bytes.Contains(line, []byte(`"110139"`)) || bytes.Contains(line, []byte(`"110140"`)) ||
				bytes.Contains(line, []byte(`"110141"`)) || bytes.Contains(line, []byte(`"110112"`)) || bytes.Contains(line, []byte(`"110104"`)) {
				return // about no patient, or by a machine
			}
			if a := readATNA(t, line); !accounts[a.account] || a.uid == "" || a.patient == "" {
				t.Fatalf("%s: no known requestor or patient: %+v", path, a)
			}
		})
	}
	if lines < 100 || boms == 0 || boms == lines {
		t.Errorf("%d lines, %d with a byte order mark", lines, boms)
	}
}

func readATNA(t *testing.T, line []byte) access {
	t.Helper()
	fields := bytes.SplitN(line, []byte(" "), 8)
	if len(fields) != 8 || string(fields[0]) != "<85>1" || string(fields[5]) != "IHE+RFC-3881" || string(fields[6]) != "-" {
		t.Fatalf("no RFC 5424 header: %.80s", line)
	}
	var m struct {
		ActiveParticipant []struct {
			UserID          string `xml:",attr"`
			UserIsRequestor bool   `xml:",attr"`
		}
		ParticipantObjectIdentification []struct {
			ParticipantObjectID           string `xml:",attr"`
			ParticipantObjectTypeCodeRole string `xml:",attr"`
			ParticipantObjectDetail       []struct {
				Type  string `xml:"type,attr"`
				Value string `xml:"value,attr"`
			}
		}
	}
	if err := xml.Unmarshal(bytes.TrimPrefix(fields[7], []byte("\ufeff")), &m); err != nil {
		t.Fatal(err)
	}
	var a access
	for _, p := range m.ActiveParticipant {
		if p.UserIsRequestor {
			a.account = p.UserID
		}
	}
	for _, o := range m.ParticipantObjectIdentification {
		if o.ParticipantObjectTypeCodeRole != "1" {
			continue
		}
		a.patient, _, _ = strings.Cut(o.ParticipantObjectID, "^")
		for _, d := range o.ParticipantObjectDetail {
			if value, err := base64.StdEncoding.DecodeString(d.Value); err == nil && d.Type == "X-Request-Id" {
				a.uid = string(value)
			}
		}
	}
	return a
}

// eachMessage reads the HL7 files in order; segments are split into fields.
func eachMessage(t *testing.T, dir string, use func(path string, segments [][]string)) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "hl7", "*.hl7"))
	slices.Sort(files)
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range strings.Split(strings.TrimSuffix(string(data), "\n\n"), "\n\n") {
			var segments [][]string
			for _, line := range strings.Split(text, "\n") {
				segments = append(segments, strings.Split(line, "|"))
			}
			use(path, segments)
		}
	}
}

func segment(message [][]string, name string) []string {
	for _, s := range message {
		if s[0] == name {
			return s
		}
	}
	return nil
}

func at(s []string, n int) string {
	if n < len(s) {
		return s[n]
	}
	return ""
}

func checkMessages(t *testing.T, dir string) {
	kinds, late := map[string]int{}, 0
	var newest time.Time
	eachMessage(t, dir, func(path string, m [][]string) {
		if m[0][0] != "MSH" || at(m[0], 1) != `^~\&` || at(m[0], 11) != "2.5.1" {
			t.Fatalf("%s: bad header %v", path, m[0])
		}
		sent, err := time.Parse("20060102150405-0700", m[0][6])
		if err != nil {
			t.Fatal(err)
		}
		if sent.Before(newest.Add(-5 * time.Minute)) {
			late++
		}
		newest = latest(newest, sent)
		kinds[m[0][8]]++
		if pid := segment(m, "PID"); pid == nil || !strings.HasSuffix(at(pid, 3), "^^^YCH^MR") {
			t.Fatalf("%s: %s without a patient", path, m[0][8])
		}
	})
	for _, kind := range []string{"ADT^A01^ADT_A01", "ADT^A02^ADT_A02", "ADT^A03^ADT_A03", "ADT^A04^ADT_A01", "ADT^A06^ADT_A06",
		"ADT^A08^ADT_A01", "ADT^A11^ADT_A09", "ADT^A28^ADT_A05", "ADT^A40^ADT_A39", "SIU^S12^SIU_S12", "SIU^S13^SIU_S12",
		"SIU^S15^SIU_S12", "SIU^S26^SIU_S12", "ORM^O01^ORM_O01", "OML^O21^OML_O21", "ORU^R01^ORU_R01", "RDE^O11^RDE_O11",
		"RDS^O13^RDS_O13", "REF^I12^REF_I12", "MDM^T02^MDM_T02", "DFT^P03^DFT_P03", "BAR^P05^BAR_P05"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s", kind)
		}
	}
	if late == 0 {
		t.Error("no message is late")
	}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// checkStays: nobody is discharged before admission, transferred
// without a bed, or treated by people who are not in the directory.
func checkStays(t *testing.T, dir string) {
	staff := map[string]bool{}
	for _, row := range readTable(t, filepath.Join(dir, "directory.csv"))[1:] {
		staff[row[0]] = true
	}
	admitted := map[string]string{} // visit to time of admission
	eachMessage(t, dir, func(path string, m [][]string) {
		pv1, trigger := segment(m, "PV1"), m[0][8]
		visit := at(pv1, 19)
		if visit == "" {
			return
		}
		doctor, _, _ := strings.Cut(at(pv1, 7), "^")
		if doctor != "" && !staff[doctor] {
			t.Fatalf("attending %s is not in the directory", doctor)
		}
		occurred := at(segment(m, "EVN"), 6)
		switch trigger {
		case "ADT^A01^ADT_A01", "ADT^A04^ADT_A01", "ADT^A06^ADT_A06":
			admitted[visit] = occurred
		case "ADT^A03^ADT_A03":
			if admitted[visit] == "" || at(pv1, 45) < admitted[visit] || at(pv1, 45) < at(pv1, 44) {
				t.Fatalf("%s: visit %s left at %s, came at %s", path, visit, at(pv1, 45), admitted[visit])
			}
		case "ADT^A02^ADT_A02":
			if admitted[visit] == "" || at(pv1, 6) == "" || at(pv1, 6) == at(pv1, 3) {
				t.Fatalf("%s: visit %s moved from %q to %q", path, visit, at(pv1, 6), at(pv1, 3))
			}
		}
	})
	if len(admitted) < 200 {
		t.Errorf("only %d visits", len(admitted))
	}
}

// TestTruth: every id of truth is on the wire, names the right person and
// patient, belongs to one violation only, and every kind is there twice.
func TestTruth(t *testing.T) {
	h := newHospital(t, small())
	wire, halves := map[string]access{}, map[string]string{}
	h.Stream(func(it Item) bool {
		var a access
		switch it.Channel {
		case "hl7":
			return true
		case "fhir":
			a = readAuditEvent(t, it.Data)
		case "atna":
			a = readATNA(t, it.Data)
		case "sql":
			a = access{uid: it.Row.ID, account: it.Row.UserCode, patient: it.Row.PatientNo}
		}
		if a.patient == "" {
			a.uid = it.UID // no access; other detectors' business
		}
		if a.uid != it.UID {
			t.Fatalf("item says %s, the wire says %s", it.UID, a.uid)
		}
		wire[a.uid] = a
		return true
	})
	kinds, once := map[string]int{}, map[string]bool{}
	for _, v := range h.Truth() {
		kinds[v.Kind]++
		for _, uid := range append(slices.Clone(v.EventUIDs), v.AlsoUIDs...) {
			checkTruth(t, h, v, wire[uid], uid)
			if once[uid] {
				t.Errorf("%s is in truth twice", uid)
			}
			once[uid] = true
		}
		for _, uid := range v.EventUIDs {
			if request := wire[uid].request; request != "" {
				if halves[request] != "" {
					t.Errorf("%s and %s are one access", uid, halves[request])
				}
				halves[request] = uid
			}
		}
	}
	for _, m := range misdeeds() {
		if kinds[m.kind] < 2 && m.first < h.cfg.Days {
			t.Errorf("%s occurs %d times", m.kind, kinds[m.kind])
		}
	}
}

func checkTruth(t *testing.T, h *Hospital, v Violation, a access, uid string) {
	t.Helper()
	if a.uid == "" {
		t.Fatalf("%s of %s never arrived", uid, v.Kind)
	}
	if a.patient != "" && a.patient != v.Patient && !slices.Contains(v.Patients, a.patient) && !strings.HasPrefix(a.patient, "TMP") {
		t.Errorf("%s: patient %s is not in truth", v.Kind, a.patient)
	}
	for _, p := range h.staff {
		if slices.Contains(strings.Split(p.accounts(), ";"), a.account) && p.id != v.Person && !slices.Contains(v.People, p.id) {
			t.Errorf("%s: done by %s, truth says %s", v.Kind, p.id, v.Person)
		}
	}
}

// TestVolume keeps the numbers of the package comment honest.
func TestVolume(t *testing.T) {
	h := newHospital(t, Config{Seed: 5, Days: 14, Staff: 300, Patients: 3000})
	accesses, channels, ordered := map[string]bool{}, map[string]int{}, true
	var before time.Time
	h.Stream(func(it Item) bool {
		ordered = ordered && !it.At.Before(before)
		before = it.At
		if (it.Channel == "fhir" || it.Channel == "atna" || it.Channel == "sql") && !it.At.Before(h.start) {
			accesses[it.UID] = true
			channels[it.Channel]++
		}
		return true
	})
	if !ordered {
		t.Error("items are not in order of arrival")
	}
	perDay := float64(len(accesses)) / 14 / 300
	if perDay < 8 || perDay > 15 {
		t.Errorf("%.1f records per member of staff and day", perDay)
	}
	for _, channel := range []string{"fhir", "atna", "sql"} {
		if channels[channel]*40 < len(accesses) {
			t.Errorf("only %d accesses by %s", channels[channel], channel)
		}
	}
	bad := 0
	for _, v := range h.Truth() {
		if v.Kind != "mass-export" && v.Kind != "marketing" {
			bad += len(v.EventUIDs)
		}
	}
	if bad*100 > len(accesses) {
		t.Errorf("%d of %d accesses are violations", bad, len(accesses))
	}
}

func TestTheSmallestHospital(t *testing.T) {
	h := newHospital(t, Config{Seed: 1, Days: 1, Staff: 60, Patients: 200, WarmupDays: -1})
	n := 0
	h.Stream(func(Item) bool { n++; return n < 50 })
	if n != 50 {
		t.Errorf("stopped after %d items", n)
	}
	if len(h.Truth()) < 5 {
		t.Errorf("%d violations", len(h.Truth()))
	}
	quiet := newHospital(t, Config{Seed: 1, Days: 2, Staff: 60, Patients: 200, Violations: -1})
	if len(quiet.Truth()) != 0 {
		t.Error("violations although none were asked for")
	}
	for _, cfg := range []Config{{Staff: 10}, {Patients: 5}, {Days: -1}, {WarmupDays: 99}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v accepted", cfg)
		}
	}
}

// TestStandsAlone: the judge may not know the judged.
func TestStandsAlone(t *testing.T) {
	files, _ := filepath.Glob("*.go")
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		if bytes.Contains(data, []byte(`"github.com/`)) {
			t.Errorf("%s imports more than the standard library", path)
		}
	}
}

func TestWritersFailLoudly(t *testing.T) {
	h := newHospital(t, Config{Seed: 1, Days: 1, Staff: 60, Patients: 200})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Write(file, nil); err == nil {
		t.Error("wrote into a file as if it were a folder")
	}
	for _, write := range []func(io.Writer) error{h.WriteDirectory, h.WriteRoster, h.WriteTickets, h.WriteWatchlist} {
		if err := write(brokenWriter{}); err == nil {
			t.Error("a full disk went unnoticed")
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
