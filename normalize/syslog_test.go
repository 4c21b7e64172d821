package normalize

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

func gbk(t testing.TB, text string) []byte {
	t.Helper()
	raw, err := simplifiedchinese.GBK.NewEncoder().Bytes([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// brief says what an event says: class/activity, who, from, whom or what,
// patient, outcome.
func brief(e *ocsf.Event) string {
	list := []string{fmt.Sprintf("%d/%d", e.ClassUID, e.ActivityID), e.Actor.User.Account, e.SrcEndpoint.IP + e.SrcEndpoint.Hostname}
	if e.File != nil {
		list = append(list, fmt.Sprint(e.File.Name, ":", e.File.Size))
	}
	if e.Patient != nil {
		list = append(list, e.Patient.UID)
	}
	return strings.Join(list, " ") + " " + []string{"?", "ok", "failed"}[min(e.StatusID, 2)]
}

func TestSyslogHeaders(t *testing.T) {
	for name, c := range map[string]struct{ line, want string }{
		"RFC 5424":         {`<165>1 2026-11-22T08:00:00.5+08:00 fw1 app 17 ID47 [x@1 user="li" q="a\"b\]"] hello`, "fw1 app 17 ID47 2026-11-22T00:00:00.5Z hello"},
		"nil values":       {`<165>1 2026-11-22T00:00:00Z - - - - - hello`, "    2026-11-22T00:00:00Z hello"},
		"RFC 3164":         {`<34>Nov 22 08:00:00 fw1 su[9]: hello`, "fw1 su 9  2026-11-22T00:00:00Z hello"},
		"3164 with year":   {`<34>Nov 22 2026 08:00:00 fw1 su: hello`, "fw1 su   2026-11-22T00:00:00Z hello"},
		"3164 last year":   {`<34>Dec 24 08:00:00 fw1 su: hello`, "fw1 su   2025-12-24T00:00:00Z hello"},
		"3164 ISO time":    {`<34>2026-11-22T00:00:00Z fw1 su: hello`, "fw1 su   2026-11-22T00:00:00Z hello"},
		"no time":          {`<34>hello there`, "    2026-11-22T04:00:00Z hello there"},
		"no priority":      {`hello`, "    2026-11-22T04:00:00Z hello"},
		"3164, no host":    {`<13>Nov 22 08:00:00 user=li act=view`, "    2026-11-22T00:00:00Z user=li act=view"},
		"3164, year last":  {`<34>Nov  2 08:00:00 2026 fw1 su: hello`, "fw1 su   2026-11-02T00:00:00Z hello"},
		"3164, day 02":     {`<34>Nov 02 08:00:00 fw1 su: hello`, "fw1 su   2026-11-02T00:00:00Z hello"},
		"3164, leap day":   {`<34>Feb 29 08:00:00 fw1 su: hello`, "fw1 su   2026-03-01T00:00:00Z hello"},
		"ISO without zone": {`<34>2026-11-22 fw1 su: hello`, "fw1 su   2026-11-21T16:00:00Z hello"},
		"CEF is no tag":    {`<34>Nov 22 08:00:00 fw1 CEF:0|V|P|1|1|x|1|`, "fw1    2026-11-22T00:00:00Z CEF:0|V|P|1|1|x|1|"},
		"wrong priority":   {`<999>Nov 22 08:00:00 fw1 su: hello`, "    2026-11-22T04:00:00Z <999>Nov 22 08:00:00 fw1 su: hello"},
		"no data, a mark":  {"<85>1 2026-11-22T00:00:00Z h a 1 M \ufeff<x/>", "h a 1 M 2026-11-22T00:00:00Z <x/>"},
		"Chinese host":     {`<85>1 2026-11-22T00:00:00Z 护士站 a 1 M [x k="v"] hello`, "护士站 a 1 M 2026-11-22T00:00:00Z hello"},
		"broken data":      {`<85>1 2026-11-22T00:00:00Z h a 1 M [x k=v] hello`, "h a 1 M 2026-11-22T00:00:00Z [x k=v] hello"},
		"line feed inside": {"<34>Nov 22 08:00:00 fw1 su: hello\nthere", "fw1 su   2026-11-22T00:00:00Z hello\nthere"},
		"broken 5424 time": {`<85>1 20140210005309 fw1 app - IHE - hello`, "fw1 app  IHE 2014-02-09T16:53:09Z hello"},
	} {
		line := newSyslogReader(zh()).read([]byte(c.line))
		at := line.at(ms(t, "2026-11-22T04:00:00Z"))
		got := strings.Join([]string{line.Host, line.App, line.ProcID, line.MsgID, utc(at), string(line.Message)}, " ")
		check(t, name, got, c.want)
	}
}

func utc(at int64) string { return time.UnixMilli(at).UTC().Format("2006-01-02T15:04:05.999Z") }

func TestDevices(t *testing.T) {
	for name, c := range map[string]struct{ line, want string }{
		"CEF logon":   {`<134>Nov 22 08:00:00 ad1 CEF:0|Vendor|AD|1.0|4624|User logon|3|suser=li src=10.1.1.5 outcome=success rt=1795305600000`, "3002/1 li 10.1.1.5 ok"},
		"CEF logoff":  {`CEF:0|V|P|1|9|logout|Low|duser=li`, "3002/2 li  ?"},
		"CEF escapes": {`CEF:0|V\|x|P|1|5|File copied to USB|7|suser=li fname=a\=b.xlsx fsize=1048576 shost=PC-7 msg=two words act=copy`, "1010/99 li PC-7 a=b.xlsx:1048576 ?"},
		"CEF label":   {`CEF:0|EMR|Chart|1|VIEW|Chart viewed|2|suser=li cs1=700001 cs1Label=Patient ID act=view`, "6001/2 li  700001 ?"},
		"CEF in 5424": {`<134>1 2026-11-22T08:00:00Z h a - - - CEF:1|V|P|1|5|Blocked|9|src=10.0.0.1 dst=10.0.0.2 dpt=445 act=deny`, "4001/5  10.0.0.1 failed"},
		"LEEF 1":      {"LEEF:1.0|V|P|1|LOGIN|usrName=li\tsrc=10.1.1.5\tcat=login failed", "3002/1 li 10.1.1.5 failed"},
		"LEEF 2":      {"LEEF:2.0|V|P|1|FILE|^|usrName=li^src=10.1.1.5^fileName=/x/y.doc^action=delete", "1001/4 li 10.1.1.5 y.doc:0 ?"},
		"LEEF 2 hex":  {"LEEF:2.0|V|P|1|X|x7C|usrName=li|src=10.1.1.5|dst=10.0.0.2", "4001/6 li 10.1.1.5 ?"},
		"pairs":       {`<13>Nov 22 08:00:00 emr audit: time="2026-11-22 08:00:00" user=li action="view record" patient_id=700001 ip=10.1.1.5 result=success`, "6001/2 li 10.1.1.5 700001 ok"},
		"pairs, pid":  {`user=li act=print mrn=700001 pid=4711`, "6001/7 li  700001 ?"},
		"pid alone":   {`user=li msg=started pid=4711`, "0/99 li  ?"},
		"pid of ward": {`user=li act=view ward=W7 pid=700001`, "6001/2 li  700001 ?"},
		"commas":      {`user=li,op=login,result=fail,src_ip=10.1.1.5`, "3002/1 li 10.1.1.5 failed"},
		"Chinese":     {`用户=li 操作=登录 结果=成功 源IP=10.1.1.5`, "3002/1 li 10.1.1.5 ok"},
		"Chinese EMR": {`用户名=li 操作=导出 病历号=700001 姓名=张伟 结果=成功`, "6001/7 li  700001 ok"},
		"USB":         {`user=li msg="USB device inserted" computer=PC-7`, "1010/1 li PC-7 ?"},
		"database":    {`dbuser=his client_ip=10.1.1.5 sql="select * from t where name='张伟' and id=700001" rows=12`, "6005/4 his 10.1.1.5 ?"},
		"JSON":        {`<13>1 2026-11-22T08:00:00Z h a - - - {"user":"li","action":"view","patient":{"id":"700001"},"ok":true}`, "6001/2 li  700001 ?"},
		"sshd":        {`<38>Nov 22 08:00:00 srv sshd[77]: Failed password for root from 10.1.1.5 port 22 ssh2`, "3002/1   failed"},
		"plain":       {`<13>Nov 22 08:00:00 srv cron: job done`, "0/99   ?"},
	} {
		e := oneOf(t, "syslog", c.line)
		check(t, name, brief(e), c.want)
		if text := string(e.AppendJSON(nil)); strings.Contains(text, "张伟") {
			t.Errorf("%s: a patient's name is kept: %s", name, text)
		}
		// The same line from a Chinese device.
		e = oneOf(t, "syslog", string(gbk(t, c.line+" 备注=测试")))
		if !strings.Contains(string(e.AppendJSON(nil)), "测试") && e.Patient == nil && e.File == nil {
			t.Errorf("%s in GBK: %s", name, e.AppendJSON(nil))
		}
	}
}

func TestDeviceTimes(t *testing.T) {
	n := New(Options{Zone: zh()})
	received := ms(t, "2026-11-22T04:00:00Z")
	for in, want := range map[string]string{
		"1795305600000":                 "2026-11-22T00:00:00Z",
		"1795305600":                    "2026-11-22T00:00:00Z",
		"2026-11-22 08:00:00":           "2026-11-22T00:00:00Z",
		"2026-11-22T08:00:00.250+08:00": "2026-11-22T00:00:00.25Z",
		"2026/11/22 08:00:00":           "2026-11-22T00:00:00Z",
		"Nov 22 2026 08:00:00":          "2026-11-22T00:00:00Z",
		"Nov 22 2026 00:00:00.500 UTC":  "2026-11-22T00:00:00.5Z",
		"Nov 22 08:00:00":               "2026-11-22T00:00:00Z",
		"Dec 24 08:00:00":               "2025-12-24T00:00:00Z",
	} {
		at, _, ok := deviceTime(in, n.zone, received)
		if !ok || utc(at) != want {
			t.Errorf("%s gives %s (%v), want %s", in, utc(at), ok, want)
		}
	}
	for _, in := range []string{"", "12", "yesterday", "99999999999999999999"} {
		if at, _, ok := deviceTime(in, n.zone, received); ok {
			t.Errorf("%q gives %s", in, utc(at))
		}
	}
}

func TestDeviceFieldsAreKept(t *testing.T) {
	e := oneOf(t, "syslog", `CEF:0|V|P|1.0|42|Odd thing|9|suser=li foo=bar baz=two words cn1=7 cn1Label=Level externalId=12`)
	check(t, "unmapped", string(e.Unmapped), `{"foo":"bar","baz":"two words","Level":"7"}`)
	check(t, "header", e.Metadata.Product.VendorName+" "+e.Metadata.Product.Name+" "+e.Metadata.EventCode+" "+e.Message+" "+e.Metadata.UID, "V P 42 Odd thing P:12")
	if e.SeverityID != ocsf.SeverityCritical {
		t.Errorf("severity is %d", e.SeverityID)
	}
	var key keyed.Key
	e = oneOf(t, "syslog", `user=li act=view patient=7 patient_name=张伟 phone=13800138000 note=x`)
	check(t, "tokens", string(e.Unmapped), `{"act":"view","patient_name":"~`+key.Token(keyed.Name, "张伟")+`","phone":"~`+key.Token(keyed.Phone, "13800138000")+`","note":"x"}`)
	e = oneOf(t, "syslog", `dbuser=his sql="select a from t where n='张''伟' and id=700001 and x=5"`)
	check(t, "statement", e.QueryInfo.Text, "select a from t where n='~OEO7IHH5AIGYDOCI' and id=700001 and x=5")
}

func TestSyslogMixes(t *testing.T) {
	lines := []string{
		"<34>Nov 22 08:00:00 fw1 su: hello",
		"<85>1 2026-11-22T08:00:00Z pacs app 17 IHE+DICOM - " + auditXML("110110", "R", nil, patientObject),
		string(gbk(t, "用户=li 操作=登录 结果=成功")),
		"用户=li 操作=登录 结果=成功",
	}
	events := normalizeAs(t, "syslog", strings.Join(lines, "\n"))
	if len(events) != 4 {
		t.Fatalf("%d events, want 4", len(events))
	}
	check(t, "audit", events[1].Metadata.LogName+" "+events[1].Patient.UID, "atna 700001")
	check(t, "GBK", brief(events[2]), "3002/1 li  ok")
	check(t, "UTF-8", brief(events[3]), "3002/1 li  ok")
	_, rejects := New(Options{}).Normalize(Input{Format: "syslog", Data: []byte("<34>1 - - - - - -\n\x01\x02\x00\x03\n")})
	if len(rejects) != 2 {
		t.Errorf("rejects are %v", rejects)
	}
}

func BenchmarkCEF(b *testing.B) {
	benchmark(b, "syslog", []byte(`<134>Nov 22 08:00:00 ad1 CEF:0|Vendor|AD|1.0|4624|User logon|3|suser=li src=10.1.1.5 shost=PC-7 outcome=success rt=1795305600000 cs1=x cs1Label=Reason`))
}

func BenchmarkPairs(b *testing.B) {
	benchmark(b, "syslog", []byte(`<13>Nov 22 08:00:00 emr audit: time="2026-11-22 08:00:00" user=li action="view record" patient_id=700001 ip=10.1.1.5 result=success`))
}

func FuzzSyslog(f *testing.F) {
	seedSamples(f, "atna")
	f.Add([]byte(`<165>1 2026-11-22T08:00:00.5+08:00 fw1 app 17 ID47 [x@1 user="li" q="a\"b\]"] hello`))
	f.Add([]byte("<34>Nov 22 08:00:00 fw1 su[9]: hello"))
	f.Add([]byte("9 <34>hello"))
	fuzz(f, "syslog")
}

func FuzzCEF(f *testing.F) {
	f.Add([]byte(`CEF:0|V\|x|P|1|5|File|7|suser=li fname=a\=b.xlsx fsize=1 cs1=x cs1Label=Patient ID rt=Nov 22 2026 08:00:00`))
	fuzz(f, "syslog")
}

func FuzzLEEF(f *testing.F) {
	f.Add([]byte("LEEF:2.0|V|P|1|FILE|x5E|usrName=li^src=10.1.1.5^sev=5"))
	f.Add([]byte("LEEF:1.0|V|P|1|LOGIN|usrName=li\tsrc=10.1.1.5"))
	fuzz(f, "syslog")
}

func FuzzPairs(f *testing.F) {
	f.Add([]byte(`user=li, action="view record";patient_id=700001|ip='10.1.1.5' sql="select 'a' from t where id=12345" url=http://u:p@x/y?z`))
	f.Add([]byte(`{"user":"li","patient":{"id":"7"}}`))
	f.Add([]byte("用户=li 操作=登录 结果=成功"))
	fuzz(f, "syslog")
}

// TestHostileInputs gives each parser a megabyte of what would cost the square
// of its length to read carelessly; that took half a minute and more.
func TestHostileInputs(t *testing.T) {
	people := message("SIU^S12", "PID|1||7")
	for i := range 60_000 {
		people = fmt.Appendf(people, "AIP|1||D%d\r", i)
	}
	for name, c := range map[string]struct{ format, data string }{
		"blank lines":     {"hl7v2", "MSH|^~\\&|A\r" + strings.Repeat("\n\n\n", 400_000)},
		"people":          {"hl7v2", string(people)},
		"repetitions":     {"hl7v2", "MSH|^~\\&|A||||||ADT^A08|1\rPID|1||" + strings.Repeat("700001~", 150_000)},
		"audit words":     {"syslog", "<34>1 - - - - - - <AuditMessage " + strings.Repeat("AuditMessage ", 80_000)},
		"comment":         {"atna", "<!-- " + strings.Repeat("<AuditMessage ", 80_000)},
		"structured data": {"syslog", "<34>1 - - - - - " + strings.Repeat(`[a b="c"]`, 100_000)},
	} {
		begin := time.Now()
		New(Options{}).Normalize(Input{Format: c.format, Data: []byte(c.data)})
		if took := time.Since(begin); took > 25*time.Second {
			t.Errorf("%s: %v", name, took)
		}
	}
}

// BenchmarkSyslogHeader reads only the header, of a line of each kind.
func BenchmarkSyslogHeader(b *testing.B) {
	for name, line := range map[string]string{
		"5424":        `<165>1 2026-11-22T08:00:00.5+08:00 fw1 app 17 ID47 [x@1 user="li" q="a\"b\]"][y@1 act="view"] user li looked at the record 700001 from 10.1.1.5`,
		"5424 plain":  `<165>1 2026-11-22T08:00:00.5+08:00 fw1 app 17 ID47 - user li looked at the record 700001 from 10.1.1.5`,
		"3164":        `<34>Nov 22 08:00:00 fw1 su[9]: user li looked at the record 700001 from 10.1.1.5`,
		"broken time": `<85>1 20140210005309 fw1 app - IHE - user li looked at the record 700001 from 10.1.1.5`,
		"3164 ISO":    `<34>2026-11-22T00:00:00.123Z fw1 su: user li looked at the record 700001 from 10.1.1.5`,
	} {
		b.Run(name, func(b *testing.B) {
			text, r := []byte(line), newSyslogReader(zh())
			b.ReportAllocs()
			for b.Loop() {
				r.read(text)
			}
		})
	}
}
