package normalize

import (
	"fmt"
	"testing"

	"github.com/cordon-health/cordon/ocsf"
)

func TestOCSF(t *testing.T) {
	text := `{"class_uid":6001,"activity_id":2,"time":1717200000000,"metadata":{"uid":"a","version":"1.1.0","product":{"name":"x"}},
		"actor":{"user":{"name":"u"}},"web_resources":[{"type":"Patient","uid":"M1"},{"uid":"d"}],"http_request":{"url":"https://h/p?name=SECRET"}}
	[{"class_uid":6003,"time_dt":"2024-06-01T08:00:00","resources":[{"uid":"Patient/M2"}]},{"class_uid":6005,"time":1717200000000,
		"query_info":{"query_string":"select * from p where idno='11010519491231002X' and tel=13800138000 and no=880000000000000000"}}]
	{"time":5}
	{"class_uid":3002}
	{"class_uid":3002,"time":1e18}
	{"class_uid":3002,"time":1772427324}
	"text"`
	n := New(Options{})
	events, rejects := n.Normalize(Input{Format: "ocsf", Source: "s", Received: 9, Data: []byte(text)})
	var got []string
	for _, e := range events {
		line := fmt.Sprintf("%d %d %s", e.ClassUID, e.Time, e.Metadata.LogName)
		if e.Patient != nil {
			line += " patient " + e.Patient.UID
		}
		if e.HTTPRequest != nil {
			line += " " + e.HTTPRequest.URL
		}
		if e.QueryInfo != nil {
			line += " " + e.QueryInfo.Text
		}
		got = append(got, line)
	}
	for _, r := range rejects {
		got = append(got, fmt.Sprint(r.Item, " ", r.Reason))
	}
	wantLines(t, got,
		"6001 1717200000000 ocsf patient M1 https://h/p",
		"6003 1717228800000 ocsf patient M2",
		"6005 1717200000000 ocsf select * from p where idno='~"+n.key.Token("national_id", "11010519491231002X")+"' and tel=~"+
			n.key.Token("phone", "13800138000")+" and no=880000000000000000",
		"3 class_uid is missing or 0",
		"4 time is missing",
		"5 time is after the year 3000; it must be in milliseconds since 1970",
		"6 time is before 1990; is it in seconds? it must be in milliseconds since 1970",
		"7 an OCSF event must be a JSON object",
	)
	if events[0].Metadata.UID != "a" || events[0].Metadata.LoggedTime != 9 || events[1].SeverityID != ocsf.SeverityInformational {
		t.Error("metadata is not filled")
	}
}

func FuzzOCSF(f *testing.F) {
	f.Add([]byte(`{"class_uid":6001,"time":1717200000000,"web_resources":{"type":"Patient","uid":"M1"},"query_info":"13800138000"}`))
	f.Add([]byte(`[{"class_uid":1,"time_dt":"2020"}]`))
	n := testNormalizer()
	f.Fuzz(func(t *testing.T, data []byte) { checkNothingLost(t, n, "ocsf", data) })
}
