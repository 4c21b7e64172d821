package normalize

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/ocsf"
)

// told is what an access log's event says: class/activity, code, who, program,
// from where, patient, what, query, outcome.
func told(e *ocsf.Event) string {
	list := []string{fmt.Sprintf("%d/%d", e.ClassUID, e.ActivityID), e.Metadata.EventCode, e.Actor.User.Account, e.Actor.AppName,
		e.SrcEndpoint.IP + e.SrcEndpoint.Hostname}
	if e.Patient != nil {
		list = append(list, "P:"+e.Patient.UID)
	}
	for _, r := range e.WebResources {
		list = append(list, strings.TrimSuffix(r.Type+"/"+r.UID, "/"))
	}
	if e.QueryInfo != nil {
		list = append(list, e.QueryInfo.Text)
	}
	return strings.Join(append(list, e.StatusCode, utc(e.Time)), " ")
}

func TestAccessLogs(t *testing.T) {
	const nine = "2026-03-03T01:00:00Z"
	for name, c := range map[string]struct{ line, want string }{
		"read":           {`10.2.0.9 - app-lab [03/Mar/2026:09:00:00 +0800] "GET /fhir/Patient/1001 HTTP/1.1" 200 512 "-" "lab/1.0"`, "6001/2 read app-lab lab 10.2.0.9 P:1001 Patient/1001 200 " + nine},
		"common":         {`10.2.0.9 - - [03/Mar/2026:09:00:00 +0800] "GET /fhir/Observation/77 HTTP/1.1" 404 -`, "6001/2 read   10.2.0.9 Observation/77 404 " + nine},
		"virtual host":   {`fhir.example:443 10.2.0.9 - app-lab [03/Mar/2026:09:00:00 +0800] "GET /fhir/Observation?patient=Patient/1001 HTTP/1.1" 200 5 "-" "Mozilla/5.0 (X)"`, "6001/5 search-type app-lab  10.2.0.9 P:1001 Observation Observation?patient=Patient/1001 200 " + nine},
		"a name":         {`10.2.0.9 - app [03/Mar/2026:09:00:00 +0800] "GET /fhir/Patient?family=%E5%BC%A0 HTTP/1.1" 200 5`, "6001/5 search-type app  10.2.0.9 Patient Patient?family=~TOKEN 200 " + nine},
		"export":         {`10.2.0.9 - app [03/Mar/2026:09:00:00 +0800] "GET /fhir/Group/9/$export?_type=Patient HTTP/1.1" 202 0 "-" "etl/2"`, "6001/7 $export app etl 10.2.0.9 Group/9 Group?_type=Patient 202 " + nine},
		"a page":         {`10.2.0.9 - app [03/Mar/2026:09:00:00 +0800] "GET /fhir?_getpages=a-b&_getpagesoffset=40&_count=20 HTTP/1.1" 200 5`, "6001/5 search-system app  10.2.0.9 Bundle ?_getpages=a-b&_getpagesoffset=40&_count=20 200 " + nine},
		"everything":     {`10.2.0.9 - app [03/Mar/2026:09:00:00 +0800] "GET /fhir/Patient/1001/$everything HTTP/2.0" 200 5`, "6001/2 $everything app  10.2.0.9 P:1001 Patient/1001 200 " + nine},
		"export, later":  {`10.2.0.9 - app [03/Mar/2026:09:00:00 +0800] "GET /fhir/$export-poll-status?_jobId=1 HTTP/1.1" 202 0`, "4002/3  app  10.2.0.9 202 " + nine},
		"form search":    {`10.2.0.9 - app [03/Mar/2026:09:00:00 +0800] "POST /fhir/Patient/_search HTTP/1.1" 200 5`, "6001/5 search-type app  10.2.0.9 Patient Patient 200 " + nine},
		"update":         {`10.2.0.9 - app [03/Mar/2026:09:00:00 +0800] "PUT /fhir/Patient/1001 HTTP/1.1" 200 5`, "6001/3 update app  10.2.0.9 P:1001 Patient/1001 200 " + nine},
		"metadata":       {`10.2.0.9 - - [03/Mar/2026:09:00:00 +0800] "GET /fhir/metadata HTTP/1.1" 200 5`, "4002/3    10.2.0.9 200 " + nine},
		"a page of HTML": {`10.2.0.9 - - [03/Mar/2026:09:00:00 +0800] "GET /index.html?name=x HTTP/1.1" 200 5`, "4002/3    10.2.0.9 200 " + nine},
		"WADO-RS":        {`10.2.0.9 - dr [03/Mar/2026:09:00:00 +0800] "GET /dicom-web/studies/1.2.3 HTTP/1.1" 200 5`, "6001/2 WADO dr  10.2.0.9 Study/1.2.3 200 " + nine},
		"WADO-URI":       {`10.2.0.9 - dr [03/Mar/2026:09:00:00 +0800] "GET /wado?requestType=WADO&studyUID=1.2.3&objectUID=1 HTTP/1.1" 200 5`, "6001/2 WADO dr  10.2.0.9 Study/1.2.3 200 " + nine},
		"QIDO":           {`10.2.0.9 - dr [03/Mar/2026:09:00:00 +0800] "GET /dicom-web/studies?PatientID=*&StudyDate=20260301- HTTP/1.1" 200 5`, "6001/5 QIDO dr  10.2.0.9 Study Patient=*&StudyDate=20260301- 200 " + nine},
		"QIDO, one":      {`10.2.0.9 - dr [03/Mar/2026:09:00:00 +0800] "GET /dicom-web/studies?PatientID=1001 HTTP/1.1" 200 5`, "6001/5 QIDO dr  10.2.0.9 P:1001 Study PatientID=1001 200 " + nine},
		"syslog header":  {`<190>Mar  3 09:00:00 gw nginx: 10.2.0.9 - app [03/Mar/2026:09:00:00 +0800] "GET /fhir/Patient/1001 HTTP/1.1" 200 5`, "6001/2 read app  10.2.0.9 P:1001 Patient/1001 200 " + nine},
		"nginx JSON":     {`{"time_iso8601":"2026-03-03T09:00:00+08:00","remote_addr":"10.2.0.9","remote_user":"-","request":"GET /fhir/Patient/1001 HTTP/1.1","status":200,"http_user_agent":"lab/1.0","request_id":"r-1"}`, "6001/2 read  lab 10.2.0.9 P:1001 Patient/1001 200 " + nine},
		"gateway JSON":   {`{"ts":1772499600,"method":"GET","path":"/fhir/Observation","query":"subject=1001","client_id":"app-17","user":"zhang","xForwardedFor":"10.2.0.9, 10.0.0.1","status":"200"}`, "6001/5 search-type zhang app-17 10.2.0.9 P:1001 Observation Observation?subject=1001 200 " + nine},
		"HAPI":           {`2026-03-03 09:00:00.000 [http-nio-8080-exec-1] INFO fhir.access [LoggingInterceptor.java:160] Path[/fhir] Source[10.2.0.9] Operation[search-type  Patient] UA[lab/1.0] Params[?identifier=1001] ResponseEncoding[JSON]`, "6001/5 search-type  lab 10.2.0.9 P:1001 Patient Patient?identifier=1001 200 " + nine},
		"HAPI read":      {`2026-03-03 09:00:00 INFO a Path[/fhir] Source[] Operation[read  Patient/1001] UA[x] Params[]`, "6001/2 read  x  P:1001 Patient/1001 200 " + nine},
		"HAPI export":    {`2026-03-03 09:00:00 INFO a Path[/fhir] Source[10.2.0.9] Operation[extended-operation-server $export] UA[x] Params[]`, "6001/7 $export  x 10.2.0.9 Bundle  200 " + nine},
	} {
		n := New(Options{Zone: zh()})
		events, rejects := n.Normalize(Input{Format: "http-access", Source: "gw", Data: []byte(c.line)})
		if len(events) != 1 {
			t.Errorf("%s: %d events, %v", name, len(events), rejects)
			continue
		}
		check(t, name, tokenless(told(events[0])), c.want)
	}
}

// tokenless replaces tokens, which depend on the key.
func tokenless(s string) string {
	head, tail, ok := strings.Cut(s, "~")
	if !ok {
		return s
	}
	_, rest, _ := strings.Cut(tail, " ")
	return head + "~TOKEN " + rest
}

// TestAccessLogsKeepSilent: nothing of a request that may name a person is
// kept.
func TestAccessLogsKeepSilent(t *testing.T) {
	for _, line := range []string{
		`10.2.0.9 - app [03/Mar/2026:09:00:00 +0800] "GET /fhir/Patient?name=%E5%BC%A0%E4%BC%9F&telecom=19100000001 HTTP/1.1" 200 5 "https://emr.example/?name=张伟" "x/1"`,
		`10.2.0.9 - app [03/Mar/2026:09:00:00 +0800] "GET /fhir/Patient/999901198001010024 HTTP/1.1" 200 5`,
		`10.2.0.9 - app [03/Mar/2026:09:00:00 +0800] "GET /find/19100000001?name=张伟 HTTP/1.1" 200 5`,
		`10.2.0.9 - app [03/Mar/2026:09:00:00 +0800] "GET /dicom-web/studies?PatientName=%E5%BC%A0%E4%BC%9F HTTP/1.1" 200 5`,
	} {
		text := string(oneOf(t, "http-access", line).AppendJSON(nil))
		for _, secret := range []string{"张伟", "%E5%BC", "19100000001", "999901198001010024"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s is kept: %s", secret, text)
			}
		}
	}
}

func TestAccessLogsRejects(t *testing.T) {
	n := testNormalizer()
	_, rejects := n.Normalize(Input{Format: "http-access", Data: []byte("nonsense\n\n10.2.0.9 - - [03/Mar/1026:09:00:00 +0800] \"GET /fhir HTTP/1.1\" 200 5\n{\"a\":1}\n10.2.0.9 - - [x] \"GET\"\n")})
	if len(rejects) != 4 {
		t.Errorf("%+v", rejects)
	}
}

func FuzzHTTPAccess(f *testing.F) {
	f.Add([]byte(`10.2.0.9 - app [03/Mar/2026:09:00:00 +0800] "GET /fhir/Patient/1001?_getpages=1 HTTP/1.1" 200 512 "-" "lab/1.0"`))
	f.Add([]byte(`{"ts":1772499600,"method":"GET","path":"/dicom-web/studies","query":"PatientID=*","status":"200"}`))
	f.Add([]byte(`2026-03-03 09:00:00 INFO a Path[/fhir] Source[] Operation[read  Patient/1001] UA[x] Params[?a=b]`))
	f.Add([]byte(`<190>Mar  3 09:00:00 gw nginx: 10.2.0.9 - app [03/Mar/2026:09:00:00 +0800] "GET /wado?studyUID=1 HTTP/1.1" 200 5`))
	n := testNormalizer()
	f.Fuzz(func(t *testing.T, data []byte) { checkNothingLost(t, n, "http-access", data) })
}
