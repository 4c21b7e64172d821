package capture

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packettest"
)

const hl7Marked = "MSH|^~\\&|LIS|LAB|HIS|HOSP|20240601||ORU^R01^ORU_R01|1|P|2.4||||||UNICODE UTF-8\rPID|1||MARK0001^^^H||ZHANG^MARKED||19900307|M\rOBX|1|NM|x||5\r"

func mllp(text string) packettest.Say { return packettest.Say{Bytes: []byte("\x0b" + text + "\x1c\r")} }

// TestHL7 reads messages in MLLP on an odd port, several in one segment.
func TestHL7(t *testing.T) {
	ack := "MSH|^~\\&|HIS|HOSP|LIS|LAB|20240601||ACK^R01|1|P|2.4\rMSA|AA|1\r"
	bad := strings.Replace(ack, "|AA|", "|AE|", 1)
	two := mllp(hl7Marked)
	two.Bytes = append(two.Bytes, mllp(strings.Replace(hl7Marked, "ORU^R01^ORU_R01", "ADT^A01", 1)).Bytes...)
	acks := packettest.Say{Server: true, Bytes: append(mllp(ack).Bytes, mllp(bad).Bytes...)}
	h := replay(t, packettest.Session("10.0.0.5:40000", "10.0.0.9:6661", two, acks, mllp("MSH|^~\\&|LIS|LAB|||||ZHANG MARKED\r")), clinicalFor(ClinicalOptions{Memory: NewClinicalMemory(-1)})...)
	wantCalls(t, h.calls(6661), map[string]int64{"ORU^R01": 1, "ADT^A01": 1, "ACK^R01": 2, "ACK AA": 1, "ACK AE": 1, "HL7 of no type": 1})
	facts, server := h.facts("10.0.0.5"), h.facts("10.0.0.9")
	if !slices.Contains(facts[asset.FactHL7App], "LIS") || !slices.Contains(facts[asset.FactHL7Facility], "LAB") || !slices.Contains(facts[asset.FactHL7Type], "ADT^A01") ||
		!slices.Contains(facts[asset.FactHL7Version], "2.4") || !slices.Contains(facts[asset.FactHL7Charset], "UNICODE UTF-8") ||
		!slices.Contains(server[asset.FactHL7App], "HIS") || !slices.Contains(server[asset.FactService], "tcp/6661 hl7") {
		t.Errorf("%v %v", facts, server)
	}
	if k := h.kinds(); k[asset.ClearPatientData] != 1 || k[asset.UnknownSender] != 1 {
		t.Errorf("%v", h.alarms)
	}
	if f := h.flow("10.0.0.9", 6661); f.App != "hl7" || f.ClientName != "LIS" || f.ServerName != "HIS" || !slices.Contains(f.Clear, "patient") {
		t.Errorf("%+v", f)
	}
	nothingMarked(t, h)
}

// TestHL7Samples sends every shared message, without and with MLLP, and wants
// its type counted.
func TestHL7Samples(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/data/hl7v2/*.hl7")
	if len(files) == 0 {
		t.Skip("no sample data: ../shared/data/hl7v2 is missing")
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b = bytes.ReplaceAll(b, []byte("\xef\xbb\xbf"), nil)
		for _, text := range []packettest.Say{{Bytes: b}, mllp(strings.ReplaceAll(string(b), "\n", "\r"))} {
			h := replay(t, packettest.Session("10.0.0.5:40000", "10.0.0.9:2575", text), clinicalFor(ClinicalOptions{})...)
			sum := int64(0)
			for name, n := range h.calls(2575) {
				if !strings.HasPrefix(name, "ACK ") && name != "HL7 of no type" {
					sum += n
				}
			}
			messages := int64(bytes.Count(b, []byte("MSH|^~")))
			if sum != messages {
				t.Errorf("%s: %d of %d messages: %v", filepath.Base(file), sum, messages, h.calls(2575))
			}
		}
	}
}

// TestMemory learns, tells of strangers once a day, forgets that they are, and
// survives a restart.
func TestMemory(t *testing.T) {
	day := int64(24 * time.Hour)
	m := NewClinicalMemory(7 * 24 * time.Hour)
	at := int64(1_700_000_000e9)
	if m.strange("ae", "pacs", "CT1", at) || m.strange("ae", "pacs", "CT2", at+6*day) {
		t.Error("told while learning")
	}
	if m.strange("ae", "pacs", "CT1", at+8*day) {
		t.Error("CT1 was learnt")
	}
	if !m.strange("ae", "pacs", "X", at+8*day) || m.strange("ae", "pacs", "X", at+8*day+1e9) || !m.strange("ae", "pacs", "X", at+9*day+2e9) {
		t.Error("a stranger is told once a day")
	}
	data, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	m = NewClinicalMemory(7 * 24 * time.Hour)
	if err := m.Restore(data); err != nil {
		t.Fatal(err)
	}
	if m.strange("ae", "pacs", "CT2", at+9*day) || !m.strange("ae", "pacs", "Y", at+9*day) {
		t.Error("the restart relearns")
	}
	if m.strange("ae", "pacs", "X", at+16*day) || m.strange("ae", "pacs", "X", at+17*day) {
		t.Error("who stays a week is known")
	}
	if m.Restore([]byte("{")) == nil || m.Restore([]byte(`{"a":null}`)) != nil {
		t.Error("snapshots")
	}
	for i := range 3 * clinicalMostKnown {
		m.strange("sql", "s", fmt.Sprint(i), at+int64(i)*1e9)
	}
	if len(m.all) > clinicalMostKnown {
		t.Error(len(m.all))
	}
}
