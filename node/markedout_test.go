package node

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/config"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/gateway"
	"github.com/cordon-health/cordon/release"
)

// markedRow is a line of a table about the marked patient.
const markedRow = markID + "," + markName + " " + markGiven + "," + markNation + "," + markPhone + "," + markText + "\n"

const markedHead = "patient_id,name,id_card,phone,note\n"

// TestNoPatientOnTheWayOut pushes marked values through the ways out: gateway,
// releases, traces and de-identification. Logs, metrics, errors, URLs and what
// evidence keeps of gateway and releases hold none of them.
func TestNoPatientOnTheWayOut(t *testing.T) {
	door := address(t)
	s := newSite(t, filepath.Join(t.TempDir(), "data"), func(c *config.Config) {
		rules := []gateway.Rule{{Level: 4, Findings: 1, Do: gateway.Coach}, {Unread: true, Do: gateway.Block}}
		c.Gateway.Routes = []gateway.Route{
			{Name: "robot", Doors: []gateway.Door{gateway.HTTP}, To: []string{"robot.example"}, Rules: []gateway.Rule{{Level: 4, Do: gateway.Redact}}},
			{Name: "small", Doors: []gateway.Door{gateway.HTTP}, To: []string{"small.example"}, Most: "10B", Rules: rules},
			{Name: "rest", Rules: rules},
		}
		if err := yaml.Unmarshal([]byte(fmt.Sprintf("icap: {listen: %q}\n", door)), &c.Gateway); err != nil {
			t.Fatal(err)
		}
		c.Console.URL = "https://cordon.example"
	})
	v := s.start(t)
	s.load(t, "patients", "patient_id,name,national_id,phone,birth_date\n"+markID+","+markName+" "+markGiven+","+markNation+","+markPhone+",1990-03-07\n")
	link := markedInspections(t, s)
	markedWeb(t, door)
	markedPass(t, v, link)
	markedReleases(t, s)
	markedDeid(t, s)
	clean(t, "/metrics", s.must(t, "GET", "/metrics", ""))
	markedEvidence(t, v)
	v.drained()
	v.stop()
	clean(t, "the log", v.logs.String())
}

// markedFiles are contents with marked values, by the name they are sent under.
func markedFiles(t *testing.T) map[string]string {
	t.Helper()
	var zipped bytes.Buffer
	w := zip.NewWriter(&zipped)
	for _, name := range []string{markName + "/" + markGiven + ".csv", markID + ".txt"} {
		f, err := w.Create(name)
		if err == nil {
			_, err = io.WriteString(f, markedHead+markedRow)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	object := `{"` + markName + `":{"` + markPhone + `":"` + markNation + `"},"phone":"` + markPhone + `"}`
	return map[string]string{
		markName + ".csv": markedHead + markedRow,
		"rows.csv":        markedRow + markedRow,
		"note.txt":        "患者姓名：王小明，身份证号：" + markNation + "，联系电话：" + markPhone + "，" + markText,
		"list.json":       object,
		"adt.hl7":         markedHL7("O1"),
		"all.zip":         zipped.String(),
		"broken.zip":      zipped.String()[:zipped.Len()/2] + markBroken,
		"page.html":       `<p title="` + markName + `">电话 ` + markPhone + `，身份证号 ` + markNation + `</p>`,
		"feed.ndjson":     markedLook("out-1"),
		"letter.eml":      "From: a@example.com\r\nTo: b@example.com\r\nSubject: " + markNation + "\r\n\r\n电话 " + markPhone + "\r\n",
	}
}

// inspected asks the HTTP door.
func (s *site) inspected(t *testing.T, to, name, text string) string {
	t.Helper()
	req, err := http.NewRequest("POST", s.url("/api/v1/gateway/inspect"), strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	for key, value := range map[string]string{"X-Cordon-From": "nora", "X-Cordon-To": to, "X-Cordon-Name": name} {
		req.Header.Set(key, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// markedInspections asks about every content, and gives the link of a pass.
func markedInspections(t *testing.T, s *site) (link string) {
	t.Helper()
	for name, text := range markedFiles(t) {
		answer := s.inspected(t, "files.example", name, text)
		clean(t, "the verdict on "+name, answer)
		var o struct{ Action, Link string }
		if err := json.Unmarshal([]byte(answer), &o); err != nil || o.Action == "allow" {
			t.Errorf("the gateway says of %s %s, %v", name, answer, err)
		}
		if link == "" {
			link = o.Link
		}
		s.inspected(t, "robot.example", name, text) // the answer holds what was redacted
		clean(t, "the verdict on what is too large", s.inspected(t, "small.example", name, text))
		clean(t, "the refusal of a name", s.inspected(t, markBroken+"\xff", name, text))
	}
	return link
}

// markedWeb uploads through the ICAP door, with marks in the address too.
func markedWeb(t *testing.T, address string) {
	t.Helper()
	for name, text := range markedFiles(t) {
		head := "POST http://files.example/up?name=" + markName + "&phone=" + markPhone + " HTTP/1.1\r\nHost: files.example\r\n" +
			"X-Patient: " + markID + "\r\nContent-Disposition: attachment; filename=" + name + fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n", len(text))
		for _, request := range []string{
			fmt.Sprintf("REQMOD icap://h/request ICAP/1.0\r\nHost: h\r\nX-Client-IP: 10.0.0.9\r\nConnection: close\r\nEncapsulated: req-hdr=0, req-body=%d\r\n\r\n%s%x\r\n%s\r\n0\r\n\r\n", len(head), head, len(text), text),
			"REQMOD icap://h/" + markBroken + " ICAP/1.0\r\nEncapsulated: " + markID + "\r\n\r\n" + text,
		} {
			answer := icapAnswer(t, address, request)
			if !strings.HasPrefix(answer, "ICAP/1.0 204") {
				clean(t, "the answer of the ICAP door to "+name, answer)
			}
			if strings.HasPrefix(answer, "ICAP/1.0 204") || !strings.HasPrefix(answer, "ICAP/1.0 ") {
				t.Errorf("the ICAP door says of %s %.100q", name, answer)
			}
		}
	}
}

func icapAnswer(t *testing.T, address, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for in := bufio.NewReader(conn); ; {
		line, err := in.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "0\r\n" { // the last chunk
			return b.String()
		}
	}
}

// markedPass reads a coached sender's page, and gives too short a reason and
// one that names a patient.
func markedPass(t *testing.T, v *server, link string) {
	t.Helper()
	path := strings.TrimPrefix(link, "https://cordon.example")
	if path == "" {
		t.Fatal("nobody was coached; the test proves little")
	}
	b := &browser{t: t, s: v.site, client: http.DefaultClient}
	_, page, _ := b.do("GET", path, nil)
	clean(t, "the page of a pass", page)
	for _, reason := range []string{"", "for the ethics committee"} {
		_, page, _ := b.do("POST", path, url.Values{"reason": {reason}})
		clean(t, "the page of a pass", page)
	}
	b.do("GET", "/pass/none", nil)
	if !strings.Contains(v.must(t, "GET", "/api/v1/gateway/passes?state=passed", ""), "ethics") {
		t.Error("the reason did not arrive")
	}
}

// markedReleases asks for releases of marked tables, of which some can be
// measured and some cannot, and traces pieces of them.
func markedReleases(t *testing.T, s *site) {
	t.Helper()
	const most = "kind: table\nmost_linked: 1\nanonymize:\n  k: 1\n  max_suppression: 0\n  columns:\n"
	left := most + "    patient_id: {kind: identifying}\n    name: {kind: identifying}\n    id_card: {kind: identifying}\n    phone: {kind: identifying}\n    note: {kind: quasi}\n"
	kept := strings.ReplaceAll(left, "identifying", "insensitive")
	rows := strings.Repeat(markedRow, 3)
	plain := strings.NewReplacer(markText, "plain")
	states := map[string]int{}
	for i, c := range [][2]string{
		{left, markedHead + plain.Replace(rows)}, {kept, markedHead + rows}, {left, rows}, {left, markedHead + markID + "," + markName + "\n"},
		{left, markedHead + `"` + markBroken}, {"kind: files\nprofile: auto\n", markedFiles(t)["all.zip"]}, {"kind: files\nprofile: auto\n", markedFiles(t)["broken.zip"]},
		{left, markName + "," + markName + ",x,y,z\n" + rows},
		{most + "    other: {kind: quasi}\ndeidentify:\n  columns:\n    other: keep\n", rows},
	} {
		wish, err := json.Marshal(release.Wish{Title: "Visits", Purpose: "study", Basis: "ethics 1", Recipient: "University", Until: time.Now().AddDate(1, 0, 0).Format(time.DateOnly), Recipe: c[0], File: "visits.csv"})
		if err != nil {
			t.Fatal(err)
		}
		var r release.Release
		if err := json.Unmarshal([]byte(s.must(t, "POST", "/api/v1/releases", string(wish)+"\n"+c[1])), &r); err != nil {
			t.Fatal(err)
		}
		_, text, _ := s.call("POST", "/api/v1/releases/"+r.ID+"/make", "")
		clean(t, fmt.Sprintf("what became of release %d", i), text)
		clean(t, fmt.Sprintf("release %d", i), s.must(t, "GET", "/api/v1/releases/"+r.ID, ""))
		if err := json.Unmarshal([]byte(text), &r); err == nil {
			states[r.State]++
		}
		_, text, _ = s.call("POST", "/api/v1/trace", c[1])
		clean(t, fmt.Sprintf("what a trace says of table %d", i), text)
	}
	if states[release.Blocked] == 0 || states[release.Measured] == 0 {
		t.Errorf("releases came to %v, none blocked or none measured", states)
	}
	_, text, _ := s.call("POST", "/api/v1/releases", `{"title":"`+markBroken+`"`)
	clean(t, "the refusal of a wish", text)
}

// markedDeid de-identifies by every profile; what cannot be processed says so
// without a value.
func markedDeid(t *testing.T, s *site) {
	t.Helper()
	refused := 0
	for _, profile := range []string{"auto", "fhir", "hl7v2", "dicom-basic", "text-redact", "text-pseudonym", markBroken} {
		files := markedFiles(t)
		files["cut.hl7"], files["cut.json"] = files["adt.hl7"][:200]+markBroken, `{"resourceType":"Patient","name":[{"family":"`+markName+`"}],"birthDate":"`+markBroken+`"`
		files["other.hl7"] = strings.ReplaceAll(files["adt.hl7"], "NK1|", strings.ToUpper(markText[:3])+"|")
		for name, text := range files {
			status, answer, err := s.call("POST", "/api/v1/deid?profile="+profile, text)
			if err != nil {
				t.Fatal(err)
			}
			if status >= 400 {
				refused++
				clean(t, "the refusal of "+profile+" for "+name, answer)
			}
		}
	}
	if refused == 0 {
		t.Error("everything could be de-identified; the test proves little")
	}
}

// markedEvidence reads what is on record of gateway and releases.
func markedEvidence(t *testing.T, v *server) {
	t.Helper()
	for _, kind := range []string{decisionKind, passKind, release.Kind} {
		list, err := v.n.evidence.List(t.Context(), evidence.Filter{Kind: kind})
		if err != nil || len(list) == 0 {
			t.Errorf("nothing of kind %s is on record: %v", kind, err)
		}
		for _, r := range list {
			history, err := v.n.evidence.History(t.Context(), kind, r.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range history {
				clean(t, "a record of kind "+kind, string(h.Body))
			}
		}
	}
}
