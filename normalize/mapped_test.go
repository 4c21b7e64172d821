package normalize

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordon-health/cordon/ocsf"
)

func mapping(tb testing.TB, text string) *Mapping {
	tb.Helper()
	m, err := ParseMapping(strings.NewReader(text))
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func hisAudit(tb testing.TB) *Mapping {
	tb.Helper()
	data, err := os.ReadFile("testdata/his-audit.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	return mapping(tb, string(data))
}

const auditCSV = "\xef\xbb\xbfID,op_time,user_code,user_name,dept,duty,client_ip,terminal,patient_no,visit_no,action,result,module,doc_id,secret,pages,reason,emergency,request_id,batch\n" +
	"7,2024-06-01 08:00:00,d1,Example Doctor,心内科,1,10.1.1.7,WS-7,M1,V1,打印,1,病程记录,D9,HIV,12,\"会诊, 急\",是,r-1,b4\n"

func TestMappedCSV(t *testing.T) {
	events, rejects := testNormalizer().Normalize(Input{Format: "csv", Source: "his", Received: 5, Mapping: hisAudit(t), Data: []byte(auditCSV)})
	if len(events) != 1 || len(rejects) != 0 {
		t.Fatal(len(events), rejects)
	}
	want := &ocsf.Event{
		ClassUID: ocsf.WebResourcesActivity, ActivityID: ocsf.AccessExport, SeverityID: 1, StatusID: ocsf.StatusSuccess, Time: 1717200000000,
		Metadata: ocsf.Metadata{UID: "7", Version: ocsf.Version, Product: ocsf.Product{Name: "HIS"}, LogName: "csv", LogProvider: "his",
			LoggedTime: 5, CorrelationUID: "r-1", EventCode: "打印"},
		Actor:               ocsf.Actor{User: ocsf.User{Account: "d1", FullName: "Example Doctor", Org: "心内科", Roles: []string{"doctor"}}, AppName: "HIS"},
		SrcEndpoint:         ocsf.Endpoint{IP: "10.1.1.7", Name: "WS-7"},
		WebResources:        []ocsf.Resource{{UID: "D9", Type: "病程记录", Labels: []string{"HIV"}, Count: 12}},
		DataClassifications: []ocsf.DataClassification{{Scheme: levelScheme, Level: 5, Category: "hiv"}},
		Patient:             &ocsf.Patient{UID: "M1", Encounter: "V1"},
		Access:              &ocsf.Access{Reason: "会诊, 急", BreakGlass: true, Document: "病程记录"},
		Unmapped:            ocsf.RawJSON(`{"batch":"b4"}`),
	}
	if diff := cmp.Diff(want, events[0]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestMappedJSONIsTheSameRow(t *testing.T) {
	text := `{"Id":7,"OP_TIME":"2024-06-01 08:00:00","user_code":"d1","patient_no":"M1","action":"查看","result":0,"pages":1.0}
		[{"id":"8","op_time":"2024-06-01 08:00:00"}, {"id":9,"op_time":"SECRET"}, 5]
		{"id":10,"op_time":"2024-06-01 08:00:00","user_code":"d2","pages":"SECRET"}`
	events, rejects := testNormalizer().Normalize(Input{Format: "json", Mapping: hisAudit(t), Data: []byte(text)})
	var got []string
	for _, e := range events {
		got = append(got, fmt.Sprint(e.Metadata.UID, " ", e.Actor.User.Account, " ", e.ActivityID, " ", e.StatusID, " ", e.Time))
	}
	for _, r := range rejects {
		got = append(got, fmt.Sprint(r.Item, " ", r.Reason))
	}
	wantLines(t, got,
		"7 d1 2 2 1717200000000",
		"8  99 1 1717200000000",
		"2 column op_time does not have the layout the mapping gives",
		"3 not a JSON object",
		"4 column pages is not a number",
	)
}

func TestMappedCSVRejects(t *testing.T) {
	m := mapping(t, "time: t\naccount: a\npatient: p\n")
	text := "t,a,p\n2024-06-01T08:00:00Z,u,M1\nonly,two\n,u,M1\n2024-06-01T08:00:00Z,\"bad\" quote,M1\n2024-06-01T08:00:00Z,v,M2\n"
	events, rejects := testNormalizer().Normalize(Input{Format: "csv", Mapping: m, Data: []byte(text)})
	if len(events) != 2 {
		t.Errorf("%d events, want 2", len(events))
	}
	var got []string
	for _, r := range rejects {
		got = append(got, fmt.Sprintf("%d %s %q", r.Item, r.Reason, r.Data))
	}
	wantLines(t, got,
		`1 the line has 2 fields, the header 3 "t,a,p\nonly,two\n"`,
		`2 column t: no time "t,a,p\n,u,M1\n"`,
		`3 the line is not CSV: a quote is missing or out of place "t,a,p\n2024-06-01T08:00:00Z,\"bad\" quote,M1\n"`,
	)
	_, rejects = testNormalizer().Normalize(Input{Format: "csv", Mapping: m, Data: []byte("t,a\n1,2\n")})
	if len(rejects) != 1 || rejects[0].Reason != "column p is missing" {
		t.Error(rejects)
	}
	_, rejects = testNormalizer().Normalize(Input{Format: "csv", Data: []byte("t,a\n1,2\n")})
	if len(rejects) != 1 || !strings.Contains(rejects[0].Reason, "needs a mapping") {
		t.Error(rejects)
	}
}

func row(values map[string]string) func(string) string {
	return func(column string) string { return values[column] }
}

func TestMappingKinds(t *testing.T) {
	sql := mapping(t, "kind: sql\ntime: t\nlayout: unix\naccount: u\nip: ip\ntable: tab\nstatement: sql\nrows: n\nserver: {value: 'db1:1521'}\n")
	e, err := sql.Row(row(map[string]string{"t": "1717200000", "u": "dba", "ip": "10.0.0.9", "tab": "item_record", "sql": "select 1", "n": "5000"}))
	if err != nil || e.ClassUID != ocsf.DatastoreActivity || e.ActivityID != 4 || e.Time != 1717200000000 || e.Table.Name != "item_record" ||
		e.QueryInfo.Rows != 5000 || e.DstEndpoint.Port != 1521 || e.SrcEndpoint.IP != "10.0.0.9" {
		t.Errorf("%v %s", err, e.AppendJSON(nil))
	}
	login := mapping(t, "kind: login\ntime: t\naccount: u\nactivity: {column: op, values: {登录: logon, 退出: logoff}}\nstatus: ok\n")
	e, err = login.Row(row(map[string]string{"t": "2024-06-01T08:00:00+08:00", "u": "n1", "op": "退出", "ok": "失败"}))
	if err != nil || e.ClassUID != ocsf.Authentication || e.ActivityID != ocsf.AuthLogoff || e.User.Account != "n1" || e.StatusID != ocsf.StatusFailure {
		t.Errorf("%v %s", err, e.AppendJSON(nil))
	}
	care := mapping(t, `
kind: care
time: t
patient: p
encounter: v
care:
  - {kind: attending, person: doc, department: dept, from: begin, until: end, retract: gone}
  - {kind: location, ward: ward}
`)
	e, err = care.Row(row(map[string]string{"t": "2024-06-01T08:00:00Z", "p": "M1", "v": "V1", "doc": "d1", "dept": "心内科", "begin": "2024-05-01T00:00:00Z", "gone": "Y"}))
	if err != nil || e.ClassUID != ocsf.APIActivity {
		t.Fatal(err)
	}
	var got []string
	for _, f := range e.Care {
		got = append(got, factLine(f))
	}
	wantLines(t, got, "attending M1 visit=V1 person=d1 department=心内科 1714521600..0 retract")
	if _, err := care.Row(row(map[string]string{"t": "2024-06-01T08:00:00Z", "p": "M1"})); err == nil {
		t.Error("a row without a fact is accepted")
	}
	if diff := cmp.Diff([]string{"begin", "dept", "doc", "end", "gone", "p", "t", "v", "ward"}, care.Columns()); diff != "" {
		t.Error(diff)
	}
}

func TestMappingErrors(t *testing.T) {
	for text, want := range map[string]string{
		"tiem: t\n":                      "field tiem not found",
		"time: t\n":                      "account is missing",
		"account: a\n":                   "time is missing",
		"time: t\naccount: {colum: a}\n": `unknown key "colum"`,
		"time: t\naccount: [a]\n":        "write a column",
		"time: t\naccount: a\nkind: x\n": "use access, sql, login or care",
		"time: t\naccount: a\nactivity: {column: c, values: {x: reed}}\n":           `"reed" is neither`,
		"time: t\naccount: a\nzone: Mars\n":                                         "zone",
		"time: t\naccount: a\nseparator: '||'\n":                                    "one ASCII character",
		"kind: care\ntime: t\npatient: p\ncare: [{kind: merge}]\n":                  "no kind of fact",
		"kind: care\ntime: t\npatient: p\ncare: [{kind: order, person: d, x: y}]\n": "field x not found",
		"": "EOF",
	} {
		if _, err := ParseMapping(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestTimeLayouts(t *testing.T) {
	for layout, text := range map[string]string{
		"":                        "2024-06-01T00:00:00Z",
		"iso":                     "2024-06-01 08:00:00+08:00",
		"unix":                    "1717200000",
		"unix_ms":                 "1717200000000",
		"yyyy/MM/dd HH:mm:ss":     "2024/06/01 08:00:00",
		"yyyy-MM-dd HH:mm:ss.SSS": "2024-06-01 08:00:00.000",
		"yyyyMMddHHmmss":          "20240601080000",
		"02-Jan-06 15:04:05":      "01-Jun-24 08:00:00",
	} {
		m := mapping(t, "time: t\naccount: a\nzone: '+08:00'\nlayout: '"+layout+"'\n")
		e, err := m.Row(row(map[string]string{"t": text, "a": "u"}))
		if err != nil || e.Time != 1717200000000 {
			t.Errorf("%s %s: %v", layout, text, err)
		}
	}
}

func FuzzMapped(f *testing.F) {
	f.Add([]byte(auditCSV))
	f.Add([]byte("id,op_time,user_code,patient_no\n1,2024-06-01 08:00:00,\"a\nb\",\n\"x"))
	f.Add([]byte(`{"id":7,"op_time":"2024-06-01 08:00:00","a":{"b":[1]}}`))
	n, m := testNormalizer(), hisAudit(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, format := range []string{"csv", "json"} {
			events, rejects := n.Normalize(Input{Format: format, Mapping: m, Received: 1, Data: data})
			for _, e := range events {
				var back ocsf.Event
				if err := ocsf.Decode(e.AppendJSON(nil), &back); err != nil {
					t.Fatal(err)
				}
			}
			for _, r := range rejects {
				if r.Reason == "" {
					t.Fatal("a reject without a reason")
				}
			}
		}
	})
}
