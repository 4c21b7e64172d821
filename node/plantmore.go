package node

import (
	"fmt"
	"strings"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/ocsf"
)

// more are recipes that need what databases, web servers and agents on
// workstations send.
func more() []recipe {
	return []recipe{
		{api.PlantKind{ID: "direct-table-read", Expect: "direct-table-read", Title: ocsf.Text{EN: "A patient table is read with a tool", ZH: "绕过应用直接读取患者表"}}, nil,
			func(s *scene) []collect.Item {
				return []collect.Item{s.sql("SELECT name, phone_no FROM pms_patient")}
			}},
		{api.PlantKind{ID: "level-5", Expect: "level-5", Title: ocsf.Text{EN: "A specially protected record is opened", ZH: "查看特殊病种病历"}},
			func(s *scene) map[string]string {
				return map[string]string{"watchlist": "kind,patient_id,until,reason\n" + care.WatchSensitive + "," + s.patient(1) + "," +
					s.at.AddDate(0, 0, 1).Format(time.DateOnly) + ",planted to test the watch\n"}
			},
			func(s *scene) []collect.Item { return []collect.Item{s.access(1, "R", "110110")} }},
		{api.PlantKind{ID: "break-glass", Expect: "break-glass", Title: ocsf.Text{EN: "The emergency button without a reason", ZH: "无理由紧急调阅"}}, nil,
			func(s *scene) []collect.Item {
				return []collect.Item{s.opened(func(e *ocsf.Event) { e.Access.BreakGlass = true })}
			}},
		{api.PlantKind{ID: "api-misuse", Expect: "api-misuse", Title: ocsf.Text{EN: "Everybody is exported through the interface", ZH: "经接口导出全部患者"}}, nil,
			func(s *scene) []collect.Item { return []collect.Item{s.request("/fhir/$export")} }},
		{api.PlantKind{ID: "pacs-bulk", Expect: "pacs-bulk", Title: ocsf.Text{EN: "Image studies are fetched in bulk", ZH: "批量调取影像检查"}}, nil,
			func(s *scene) []collect.Item {
				var out []collect.Item
				for i := range 70 {
					out = append(out, s.request(fmt.Sprintf("/dicom-web/studies/1.2.%d", i)))
				}
				return out
			}},
		{api.PlantKind{ID: "export-then-channel", Expect: "export-then-channel", Title: ocsf.Text{EN: "An export, then a memory stick", ZH: "导出后接入移动存储"}}, nil,
			func(s *scene) []collect.Item {
				return []collect.Item{s.opened(func(e *ocsf.Event) {
					e.ActivityID, e.Time = ocsf.AccessExport, s.at.Add(-5*time.Minute).UnixMilli()
				}),
					s.line("CEF:0|V|DLP|1|usb|USB storage connected|6|suser=" + s.who + " src=" + s.address() + " shost=PLANTED act=connect rt=" + s.at.Format(time.DateTime))}
			}},
		{api.PlantKind{ID: "photo-proxy", Expect: "photo-proxy", Title: ocsf.Text{EN: "Full screens of strangers without a keystroke", ZH: "无键入逐屏浏览（疑似拍屏）"}}, nil,
			func(s *scene) []collect.Item {
				var out []collect.Item
				for i := range 7 {
					at := s.at.Add(time.Duration(i-7) * 2 * time.Minute)
					out = append(out, s.line(fmt.Sprintf("<134>1 %s planted viewer - - - user=%s src=%s act=view mrn=%s fullscreen=1 keystrokes=0 dwell=20",
						at.Format(time.RFC3339), s.who, s.address(), s.patient(i+1))))
				}
				return out
			}},
		{api.PlantKind{ID: "self-access", Expect: "self-access", Title: ocsf.Text{EN: "Somebody opens their own record", ZH: "查看本人病历"}},
			func(s *scene) map[string]string {
				return map[string]string{"directory": "person_id,account,name,department,role,phone,address,national_id,end_date\n" +
					strings.Join([]string{s.who, s.who, "Planted " + s.who, "Cordon", "test", s.phone(), s.home(), s.nationalID(), s.at.AddDate(0, 0, 2).Format(time.DateOnly)}, ",") + "\n"}
			},
			func(s *scene) []collect.Item {
				at := s.at.Format("20060102150405")
				return []collect.Item{s.item("hl7v2", []byte(strings.Join([]string{
					`MSH|^~\&|CORDON|PLANTED|CORDON|PLANTED|` + at + `||ADT^A31|` + s.id() + `|P|2.5`, `EVN|A31|` + at,
					`PID|1||` + s.patient(1) + `^^^CORDON||Planted^` + s.who + `||19700101|F|||` + s.home() + `||` + s.phone() + `||||||` + s.nationalID(),
				}, "\r")+"\r")), s.access(1, "R", "110110")}
			}},
	}
}

// opened is an access to a record, as it stands in Cordon's own form.
func (s *scene) opened(change func(*ocsf.Event)) collect.Item {
	e := ocsf.Event{ClassUID: ocsf.WebResourcesActivity, ActivityID: ocsf.AccessRead, Time: s.at.UnixMilli(), StatusID: ocsf.StatusSuccess, Access: &ocsf.Access{}}
	e.Metadata.UID, e.Metadata.Version, e.Metadata.LogName = s.id(), ocsf.Version, plantSource
	e.Actor.User.Account, e.Patient = s.who, &ocsf.Patient{UID: s.patient(1)}
	change(&e)
	return s.item("ocsf", e.AppendJSON(nil))
}

// request is a line of a web server's log.
func (s *scene) request(path string) collect.Item {
	s.seq++
	return s.item("http-access", []byte(fmt.Sprintf(`%s - %s [%s] "GET %s HTTP/1.1" 200 5242880 "-" "planted/%d"`+"\n",
		s.address(), s.who, s.at.Add(time.Duration(s.seq-100)*time.Second).Format("02/Jan/2006:15:04:05 -0700"), path, s.seq)))
}

func (s *scene) line(text string) collect.Item { return s.item("syslog", []byte(text)) }

// nationalID is in the form of a number of identity, of a region that is none.
func (s *scene) nationalID() string {
	return "9999" + s.phone()[3:] + "000000"
}
