package normalize

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// message builds an HL7 v2 message of one event.
func message(event string, segments ...string) []byte {
	head := "MSH|^~\\&|HIS|WEST|CORDON|SEC|20261122080000+0800||" + event + "|4711|P|2.5"
	return []byte(strings.Join(append([]string{head}, segments...), "\r") + "\r")
}

const (
	patientSegment = "PID|1||700001^^^WEST^MR||张^伟||19700101|M|||珞喻路1037号^^武汉^湖北||13800138000||||||110101197003071938"
	visitSegment   = "PV1|1|I|W7^12^2^WEST||||D001^李^雷|D002^韩^梅|D003~D004|CARD|||||||D005||V900"
)

func zh() *time.Location { return time.FixedZone("CST", 8*3600) }

func normalizeHL7(t *testing.T, data []byte) []*ocsf.Event {
	t.Helper()
	n := New(Options{Zone: zh()})
	events, rejects := n.Normalize(Input{Format: "hl7v2", Received: 1, Data: data})
	for _, r := range rejects {
		t.Errorf("rejected: %s", r.Reason)
	}
	return events
}

func oneHL7(t *testing.T, data []byte) *ocsf.Event {
	t.Helper()
	events := normalizeHL7(t, data)
	if len(events) != 1 {
		t.Fatalf("%d events, want 1", len(events))
	}
	return events[0]
}

// said is what the facts of a kind say, without keys and times, as short text.
func said(e *ocsf.Event, kind ocsf.FactKind) string {
	var list []string
	for _, f := range e.Care {
		if f.Kind != kind {
			continue
		}
		s := strings.TrimSpace(strings.Join([]string{f.Patient, f.Encounter, f.ID, f.Other, f.Person, f.Ward, f.Department, f.Code}, " "))
		if f.Retract {
			s = "-" + s
		}
		list = append(list, strings.Join(strings.Fields(s), " "))
	}
	return strings.Join(list, "; ")
}

func firstFact(t *testing.T, e *ocsf.Event, kind ocsf.FactKind) ocsf.Fact {
	t.Helper()
	for _, f := range e.Care {
		if f.Kind == kind {
			return f
		}
	}
	t.Fatalf("no fact %s", kind)
	return ocsf.Fact{}
}

func ms(t *testing.T, text string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMilli()
}

func check(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s\n got %s\nwant %s", what, got, want)
	}
}

func TestAdmission(t *testing.T) {
	e := oneHL7(t, message("ADT^A01", "EVN|A01|20261122075500||| R01^王^芳", patientSegment, visitSegment, "DG1|1||I21.9^心肌梗死"))
	check(t, "who", e.Actor.User.Account+" "+e.Actor.User.FullName, "R01 王芳")
	check(t, "patient", e.Patient.UID+" "+e.Patient.Encounter, "700001 V900")
	check(t, "encounter", said(e, ocsf.FactEncounter), "700001 V900 W7 CARD I")
	check(t, "location", said(e, ocsf.FactLocation), "700001 V900 W7 CARD")
	check(t, "attending", said(e, ocsf.FactAttending), "700001 V900 D001 W7 CARD")
	check(t, "referring", said(e, ocsf.FactReferring), "700001 V900 D002 W7 CARD")
	check(t, "consulting", said(e, ocsf.FactConsulting), "700001 V900 D003 W7 CARD; 700001 V900 D004 W7 CARD")
	check(t, "admitting", said(e, ocsf.FactAdmitting), "700001 V900 D005 W7 CARD")
	check(t, "registration", said(e, ocsf.FactRegistrar), "700001 V900 R01 W7 CARD")
	check(t, "diagnosis", said(e, ocsf.FactDiagnosis), "700001 V900 W7 CARD I21.9")
	if at := firstFact(t, e, ocsf.FactEncounter).From; at != ms(t, "2026-11-22T07:55:00+08:00") {
		t.Errorf("the encounter begins at %d", at)
	}
	text := string(e.AppendJSON(nil))
	for _, secret := range []string{"张", "13800138000", "珞喻路", "110101197003071938", "心肌"} {
		if strings.Contains(text, secret) {
			t.Errorf("the event holds %s", secret)
		}
	}
}

func TestDemographicsAreTokens(t *testing.T) {
	e := oneHL7(t, message("ADT^A04", patientSegment, visitSegment,
		"NK1|1|王^芳|SPO|珞喻路1037号^^武汉^湖北|^PRN^PH^^86^138^00138000", "GT1|1||王^芳|||||||SEL"))
	var key keyed.Key
	want := map[string]string{
		keyed.Name: key.Token(keyed.Name, "张伟"), keyed.Surname: key.Token(keyed.Surname, "张"),
		keyed.Address: key.Token(keyed.Address, "湖北武汉珞喻路1037号"), keyed.Phone: key.Token(keyed.Phone, "13800138000"),
		keyed.NationalID: key.Token(keyed.NationalID, "110101197003071938"),
		keyed.Building:   key.Token(keyed.Building, "湖北武汉珞喻路1037号"),
	}
	for _, k := range firstFact(t, e, ocsf.FactDemographics).Keys {
		if want[k.Kind] != k.Token {
			t.Errorf("%s is %s, want %s", k.Kind, k.Token, want[k.Kind])
		}
		delete(want, k.Kind)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
	kin := firstFact(t, e, ocsf.FactKin)
	if kin.Code != "NK1" || len(kin.Keys) != 5 {
		t.Errorf("kin is %v", kin)
	}
	// A "self" with another's name is kin all the same.
	check(t, "kin", said(e, ocsf.FactKin), "700001 1 NK1; 700001 1 GT1")
}

func TestIdentityNumbersAreNoPatientNumbers(t *testing.T) {
	e := oneHL7(t, message("ADT^A28", "PID|1||110101197003071938^^^PSB^NI~700001^^^WEST^MR~B8^^^EAST^MR"))
	check(t, "patient", e.Patient.UID+" "+strings.Join(e.Patient.AltUIDs, " "), "700001 B8")
	check(t, "alias", said(e, ocsf.FactAlias), "700001 B8")
	if k := firstFact(t, e, ocsf.FactDemographics).Keys; len(k) != 1 || k[0].Kind != keyed.NationalID {
		t.Errorf("keys are %v", k)
	}
}

func TestTransferAndItsCancel(t *testing.T) {
	transfer := "PV1|1|I|W8^1^1|||W7^12^2|D001||||||||||||V900"
	e := oneHL7(t, message("ADT^A02", "EVN|A02|20261122075500", patientSegment, transfer))
	check(t, "A02", said(e, ocsf.FactLocation), "700001 V900 W7; 700001 V900 W8")
	if f := firstFact(t, e, ocsf.FactLocation); f.From != 0 || f.Until != ms(t, "2026-11-22T07:55:00+08:00") {
		t.Errorf("the old place is %+v", f)
	}
	back := "PV1|1|I|W7^12^2|||W8^1^1|D001||||||||||||V900"
	e = oneHL7(t, message("ADT^A12", patientSegment, back))
	check(t, "A12", said(e, ocsf.FactLocation), "-700001 V900 W8; 700001 V900 W7")
}

func TestDischargeAndItsCancel(t *testing.T) {
	e := oneHL7(t, message("ADT^A03", "EVN|A03|20261122075500", patientSegment, visitSegment))
	if f := firstFact(t, e, ocsf.FactEncounter); f.ID != "discharge" || f.Until != ms(t, "2026-11-22T07:55:00+08:00") {
		t.Errorf("A03 gives %+v", f)
	}
	e = oneHL7(t, message("ADT^A13", patientSegment, visitSegment))
	if f := firstFact(t, e, ocsf.FactEncounter); f.ID != "discharge" || !f.Retract || f.Until != 0 {
		t.Errorf("A13 gives %+v", f)
	}
	check(t, "A13 attending", said(e, ocsf.FactAttending), "700001 V900 D001 W7 CARD")
}

func TestCancelledAdmissionTakesEverythingBack(t *testing.T) {
	e := oneHL7(t, message("ADT^A11", patientSegment, visitSegment, "DG1|1||I21.9"))
	for _, kind := range []ocsf.FactKind{ocsf.FactEncounter, ocsf.FactLocation, ocsf.FactAttending, ocsf.FactAdmitting} {
		if !strings.HasPrefix(said(e, kind), "-700001 V900") {
			t.Errorf("%s: %s", kind, said(e, kind))
		}
	}
	check(t, "diagnosis", said(e, ocsf.FactDiagnosis), "")
}

func TestMerges(t *testing.T) {
	e := oneHL7(t, message("ADT^A40", "PID|1||A", "MRG|B~C", "PID|2||D", "MRG|E"))
	check(t, "A40", said(e, ocsf.FactMerge), "A B; A C; D E")
	check(t, "A40 patient", e.Patient.UID+strings.Join(e.Patient.AltUIDs, ","), "A")
	e = oneHL7(t, message("ADT^A47", "PID|1||NEW", "MRG|OLD"))
	check(t, "A47", said(e, ocsf.FactMerge), "NEW OLD")
	e = oneHL7(t, message("ADT^A45", "PID|1||RIGHT", "MRG|WRONG||||V7", "PV1|1|I|W1||||||||||||||||V7"))
	check(t, "A45", said(e, ocsf.FactMerge), "RIGHT V7 WRONG")
	e = oneHL7(t, message("ADT^A35", "PID|1||A", "MRG|||ACC1"))
	check(t, "A35", said(e, ocsf.FactMerge), "")
	e = oneHL7(t, message("ADT^A24", "PID|1||A", "PID|2||B"))
	check(t, "A24", said(e, ocsf.FactAlias), "A B")
	e = oneHL7(t, message("ADT^A37", "PID|1||A", "PID|2||B"))
	check(t, "A37", said(e, ocsf.FactAlias), "-A B")
}

func TestAppointments(t *testing.T) {
	segments := []string{"SCH|P1|F1|||||||30|min|^^^20261123090000^20261123093000|||||S9^周^洲", patientSegment,
		"RGS|1", "AIL|1||OPD2^5", "AIP|1||D010^陈^晨|||20261123091500|15|min|1|h", "AIP|2||D011"}
	e := oneHL7(t, message("SIU^S12", segments...))
	check(t, "S12", said(e, ocsf.FactAppointment), "700001 F1 OPD2; 700001 F1 D010 OPD2; 700001 F1 D011 OPD2")
	var own, whole ocsf.Fact
	for _, f := range e.Care {
		switch f.Person {
		case "D010":
			own = f
		case "D011":
			whole = f
		}
	}
	if own.From != ms(t, "2026-11-23T09:30:00+08:00") || own.Until != ms(t, "2026-11-23T10:30:00+08:00") {
		t.Errorf("D010 is booked from %d to %d", own.From, own.Until)
	}
	if whole.From != ms(t, "2026-11-23T09:00:00+08:00") || whole.Until != ms(t, "2026-11-23T09:30:00+08:00") {
		t.Errorf("D011 is booked from %d to %d", whole.From, whole.Until)
	}
	check(t, "who books", said(e, ocsf.FactRegistrar), "700001 S9")
	e = oneHL7(t, message("SIU^S12", append(segments, "PV1|1|O|OPD2||||D010|D012")...))
	check(t, "booked visit", said(e, ocsf.FactEncounter)+said(e, ocsf.FactLocation)+said(e, ocsf.FactAttending), "")
	check(t, "who sent the patient", said(e, ocsf.FactReferring), "700001 F1 D012 OPD2")
	e = oneHL7(t, message("SIU^S15", segments...))
	check(t, "S15", said(e, ocsf.FactAppointment), "-700001 F1 OPD2; -700001 F1 D010 OPD2; -700001 F1 D011 OPD2")
}

func TestOrdersAndResults(t *testing.T) {
	e := oneHL7(t, message("ORM^O01", patientSegment, "ORC|NW|O1|||||||20261122070000|N1||D1", "OBR|1|O1||CBC^血常规||||||N2||||||D1"))
	check(t, "order", said(e, ocsf.FactOrder), "700001 O1 D1 CBC")
	check(t, "performers", said(e, ocsf.FactPerformer), "700001 O1 N1; 700001 O1 N2")
	for _, control := range []string{"CA", "DC", "OC", "OD", "CR", "DR"} {
		e = oneHL7(t, message("ORM^O01", patientSegment, "ORC|"+control+"|O1|||||||20261122070000|||D1", "OBR|1|O1||CBC"))
		check(t, control, said(e, ocsf.FactOrder), "-700001 O1 D1 CBC")
	}
	e = oneHL7(t, message("ORU^R01", patientSegment, "OBR|1|O1||CBC|||20261122073000|||||||||D1||||||||||||C1~C2||||L1&赵&六^20261122|L2|L3|L4",
		"OBX|1|NM|WBC||9.9|||||||||||L5~L1"))
	check(t, "result", said(e, ocsf.FactPerformer),
		"700001 O1 C1; 700001 O1 C2; 700001 O1 L1; 700001 O1 L2; 700001 O1 L3; 700001 O1 L4; 700001 O1 L5")
	if strings.Contains(string(e.AppendJSON(nil)), "9.9") {
		t.Error("the result's value is kept")
	}
	e = oneHL7(t, message("RDE^O11", patientSegment, "ORC|NW|R1||||||||||D1", "RXE||ASP|||||||||||D1|P1"))
	check(t, "pharmacy", said(e, ocsf.FactOrder)+" / "+said(e, ocsf.FactPerformer), "700001 R1 D1 ASP / 700001 R1 P1")
	e = oneHL7(t, message("VXU^V04", patientSegment, "ORC|RE||V1", "RXA|0|1|20261122|20261122|08^HepB|1||||N7"))
	check(t, "vaccination", said(e, ocsf.FactPerformer), "700001 V1 N7")
}

func TestReferralDocumentBilling(t *testing.T) {
	e := oneHL7(t, message("REF^I12", "RF1||||||RF7|20261122|20261222", "PRD|RP|钱^多|||||D1", "PRD|RT||||||D2", patientSegment))
	check(t, "referral", said(e, ocsf.FactReferral), "700001 RF7 D1; 700001 RF7 D2")
	check(t, "who refers", e.Actor.User.Account+e.Actor.User.FullName, "D1钱多")
	e = oneHL7(t, message("REF^I14", "RF1||||||RF7", "PRD|RP||||||D1", patientSegment))
	check(t, "cancelled", said(e, ocsf.FactReferral), "-700001 RF7 D1")
	e = oneHL7(t, message("MDM^T02", patientSegment, "TXA|1|DS||20261122|A1||||O1|S1|T1|DOC1||||||||||X1"))
	check(t, "document", said(e, ocsf.FactDocument), "700001 DOC1 A1 DS; 700001 DOC1 O1 DS; 700001 DOC1 S1 DS; 700001 DOC1 T1 DS; 700001 DOC1 X1 DS")
	e = oneHL7(t, message("MDM^T11", patientSegment, "TXA|1|DS|||||||O1|||DOC1"))
	check(t, "document cancelled", said(e, ocsf.FactDocument), "-700001 DOC1 O1 DS")
	e = oneHL7(t, message("DFT^P03", "EVN|P03|20261122|||B1", patientSegment, "FT1|1|T1||20261122|||||||||CARD|||||||D1|D2|||B2"))
	check(t, "billing", said(e, ocsf.FactBilling), "700001 B1; 700001 T1 B2 CARD")
	check(t, "done by", said(e, ocsf.FactPerformer)+" / "+said(e, ocsf.FactOrder), "700001 T1 D1 CARD / 700001 T1 D2 CARD")
}

func TestRolesAndSensitivity(t *testing.T) {
	e := oneHL7(t, message("ADT^A08", patientSegment, "PD1||||G1||||||||Y", "ROL|1|AD|AT|D20|20261101|20261201", "PRT||DE||CP|D21",
		"PV1|1|I|W7|||||||||||||VIP|||V900", "ARV|1|A|PSY||| 20261101^20261201", "CON|1||||||||||R"))
	check(t, "attending", said(e, ocsf.FactAttending), "700001 V900 D20 W7")
	check(t, "consulting", said(e, ocsf.FactConsulting), "-700001 V900 D21 W7")
	check(t, "care team", said(e, ocsf.FactCareTeam), "700001 V900 primary-care G1 W7")
	check(t, "sensitivity", said(e, ocsf.FactSensitivity), "700001 protected; 700001 vip; 700001 psychiatry; 700001 consent:R")
}

func TestTimesThatAreWrong(t *testing.T) {
	bad := strings.Replace(string(message("ADT^A01", "EVN|A01|202611220755", patientSegment)), "20261122080000+0800", "20261399", 1)
	if e := oneHL7(t, []byte(bad)); e.Time != ms(t, "2026-11-22T07:55:00+08:00") {
		t.Errorf("time is %d", e.Time)
	}
	bad = strings.Replace(string(message("ADT^A01", patientSegment)), "20261122080000+0800", "", 1)
	for _, received := range []int64{1, 2} { // the receipt is no time: a file read again must give the same events
		events, rejects := testNormalizer().Normalize(Input{Format: "hl7v2", Received: received, Data: []byte(bad)})
		if len(events) != 0 || len(rejects) != 1 || rejects[0].Reason != noHL7Time {
			t.Errorf("a message without any time: events %v, rejects %v", events, rejects)
		}
	}
	admitted := bad + "PV1|1|I" + strings.Repeat("|", 42) + "20261122074500\r"
	if e := oneHL7(t, []byte(admitted)); e.Time != ms(t, "2026-11-22T07:45:00+08:00") {
		t.Errorf("time is %d, want that of PV1-44", e.Time)
	}
	bad = strings.Replace(string(message("ADT^A01", patientSegment)), "20261122080000+0800", "20261122", 1)
	if e := oneHL7(t, []byte(bad)); e.Metadata.OriginalTime != "20261122" || e.Time != ms(t, "2026-11-22T00:00:00+08:00") {
		t.Errorf("time is %d, original %q", e.Time, e.Metadata.OriginalTime)
	}
}

func TestMessageIDs(t *testing.T) {
	a := oneHL7(t, message("ADT^A01", patientSegment))
	again := oneHL7(t, []byte("\x0b"+strings.ReplaceAll(string(message("ADT^A01", patientSegment)), "\r", "\r\n")+"\x1c\r"))
	other := oneHL7(t, message("ADT^A08", patientSegment))
	if a.Metadata.UID != again.Metadata.UID || a.Metadata.UID == other.Metadata.UID || !strings.HasPrefix(a.Metadata.UID, "hl7:HIS:4711#") {
		t.Errorf("ids %s, %s, %s", a.Metadata.UID, again.Metadata.UID, other.Metadata.UID)
	}
}

func TestManyMessagesOfManyKinds(t *testing.T) {
	gb, err := simplifiedchinese.GB18030.NewEncoder().Bytes(message("ADT^A01", patientSegment, "PV1|1|I|呼吸内科"))
	if err != nil {
		t.Fatal(err)
	}
	data := append([]byte("FHS|^~\\&|X\r"), message("ADT^A01", patientSegment, "PV1|1|I|呼吸内科")...)
	data = append(append(data, '\n'), gb...)
	data = append(data, message("ACK^A01", "MSA|AE|1")...)
	data = append(data, message("ADT^A20", "NPU|W7|C")...)
	data = append(data, "\n\nno message at all\n\n"...)
	events, rejects := New(Options{}).Normalize(Input{Format: "hl7v2", Data: data})
	if len(events) != 4 || len(rejects) != 1 || rejects[0].Item != 4 {
		t.Fatalf("%d events, rejects %v", len(events), rejects)
	}
	for _, e := range events[:2] {
		check(t, "ward in both encodings", firstFact(t, e, ocsf.FactLocation).Ward, "呼吸内科")
	}
	if events[2].StatusID != ocsf.StatusFailure || events[2].Patient != nil || len(events[3].Care) != 0 {
		t.Errorf("the answer is %+v", events[2])
	}
	if strings.Contains(rejects[0].Reason, "message at all") {
		t.Error("the reason quotes the record")
	}
	count := 0
	for rec, err := range New(Options{}).Records("hl7v2", strings.NewReader(string(data))) {
		if err != nil || int(rec.Next) > len(data) {
			t.Fatalf("record %+v, error %v", rec, err)
		}
		count++
	}
	if count != 5 {
		t.Errorf("%d records, want 5", count)
	}
}

func TestAMessageWithAPatientIsNeverAnAccess(t *testing.T) {
	if e := oneHL7(t, message("ADT^A08", "PID|1||700001")); e.IsAccess() {
		t.Error("a message about care counts as an access")
	}
	if e := oneHL7(t, message("RSP^K22", "PID|1||700001")); e.IsAccess() || len(e.Care) > 0 {
		t.Error("an answer to a query counts as an access, or states facts")
	}
}

func BenchmarkHL7(b *testing.B) {
	data := message("ADT^A01", "EVN|A01|20261122075500|||R01^王^芳", patientSegment, visitSegment,
		"NK1|1|王^芳|SPO|珞喻路1037号^^武汉^湖北|13800138001", "DG1|1||I21.9")
	benchmark(b, "hl7v2", data)
}

// BenchmarkHL7Long reads the longest kind of message among the samples.
func BenchmarkHL7Long(b *testing.B) {
	for _, path := range samples(b, "hl7v2") {
		if strings.HasSuffix(path, "ADT-A01-01.hl7") {
			data, err := os.ReadFile(path)
			if err != nil {
				b.Fatal(err)
			}
			benchmark(b, "hl7v2", data)
		}
	}
}

func benchmark(b *testing.B, format string, data []byte) {
	n := New(Options{})
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if events, _ := n.Normalize(Input{Format: format, Received: 1, Data: data}); len(events) == 0 {
			b.Fatal("no event")
		}
	}
}

func FuzzHL7(f *testing.F) {
	seedSamples(f, "hl7v2")
	f.Add(message("ADT^A01", patientSegment, visitSegment))
	fuzz(f, "hl7v2")
}

// seedSamples adds the shared samples of a folder, where they are.
func seedSamples(f *testing.F, folder string) {
	dir := sharedData(f)
	entries, err := os.ReadDir(dir + "/" + folder)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if data, err := os.ReadFile(dir + "/" + folder + "/" + entry.Name()); err == nil {
			f.Add(data)
		}
	}
}

// fuzz says what holds for every parser: no panic; nothing dropped; the same
// input gives the same events; every event can be written and read again.
func fuzz(f *testing.F, format string) {
	n := New(Options{})
	f.Fuzz(func(t *testing.T, data []byte) {
		in := Input{Format: format, Source: "fuzz", Received: 1_700_000_000_000, Data: data}
		events, rejects := n.Normalize(in)
		again, _ := n.Normalize(in)
		if len(events) != len(again) {
			t.Fatalf("%d events, then %d", len(events), len(again))
		}
		for i, e := range events {
			text := e.AppendJSON(nil)
			if string(text) != string(again[i].AppendJSON(nil)) {
				t.Fatal("the same input gives different events")
			}
			var back ocsf.Event
			if err := ocsf.Decode(text, &back); err != nil {
				t.Fatalf("event does not decode: %v", err)
			}
		}
		if len(events)+len(rejects) == 0 && strings.Trim(string(data), " \t\r\n\x00\x0b\x1c\xef\xbb\xbf") != "" && format != "hl7v2" {
			t.Fatal("an input was dropped silently")
		}
	})
}

// slowReader hands out a few bytes at a time.
type slowReader struct {
	r io.Reader
	n int
}

func (s slowReader) Read(p []byte) (int, error) { return s.r.Read(p[:min(s.n, len(p))]) }

func TestBatchEnvelopesHideNoMessage(t *testing.T) {
	admit := func(id string) string {
		return "MSH|^~\\&|HIS|H|C|D|20260301083000||ADT^A01|" + id + "|P|2.5\rPID|1||P" + id + "\r"
	}
	head, tail := "FHS|^~\\&|HIS\rBHS|^~\\&|HIS\r", "BTS|1\rFTS|1\r"
	for name, text := range map[string]string{
		"start":   head + admit("1") + admit("2"),
		"middle":  admit("1") + tail + head + admit("2"),
		"end":     admit("1") + admit("2") + tail,
		"all":     head + admit("1") + tail + "\r\n" + head + admit("2") + tail,
		"no line": admit("1") + head + admit("2") + "BTS|1",
	} {
		for n := 1; n <= len(text); n++ {
			var got []string
			for rec, err := range testNormalizer().Records("hl7v2", slowReader{strings.NewReader(text), n}) {
				if err != nil {
					t.Fatal(err)
				}
				events, rejects := testNormalizer().Normalize(Input{Format: "hl7v2", Data: rec.Data})
				if len(events) != 1 || len(rejects) != 0 {
					t.Fatalf("%s in pieces of %d: %q gives %d events, %d rejects", name, n, rec.Data, len(events), len(rejects))
				}
				got = append(got, events[0].Patient.UID)
			}
			if !slices.Equal(got, []string{"P1", "P2"}) {
				t.Fatalf("%s in pieces of %d: got %v", name, n, got)
			}
		}
	}
}
