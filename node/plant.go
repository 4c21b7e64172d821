package node

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/ocsf"
)

// plantSource is the sender of planted events on the Sources page.
const plantSource = "cordon-planted"

// scene is one planted violation in the making.
type scene struct {
	who string // the account and person_id
	at  time.Time
	seq int
}

func (s *scene) patient(i int) string { return fmt.Sprintf("%s-%d", s.who, i) }

// recipe is how a kind of violation is committed: lists that must be known
// first, then what the senders would send.
type recipe struct {
	api.PlantKind
	lists func(s *scene) map[string]string // kind of import to CSV
	items func(s *scene) []collect.Item
}

func recipes() []recipe {
	watch := func(kind string) func(*scene) map[string]string {
		return func(s *scene) map[string]string {
			return map[string]string{"watchlist": "kind,patient_id,until,reason\n" + kind + "," + s.patient(1) + "," +
				s.at.AddDate(0, 0, 1).Format(time.DateOnly) + ",planted to test the watch\n"}
		}
	}
	one := func(s *scene) []collect.Item { return []collect.Item{s.access(1, "R", "110110")} }
	return append([]recipe{
		{api.PlantKind{ID: "canary", Expect: "canary", Title: ocsf.Text{EN: "A decoy record is opened", ZH: "打开诱饵病历"}}, watch(care.WatchCanary), one},
		{api.PlantKind{ID: "sealed-record", Expect: "sealed-record", Title: ocsf.Text{EN: "A sealed record is read", ZH: "查看已封存病历"}}, watch(care.WatchSealed), one},
		{api.PlantKind{ID: "vip", Expect: "vip", Title: ocsf.Text{EN: "A protected patient is looked up", ZH: "查看重点保护患者"}}, watch(care.WatchVIP), one},
		{api.PlantKind{ID: "terminated-account", Expect: "terminated-account", Title: ocsf.Text{EN: "An account works after its person left", ZH: "离职后账号仍被使用"}},
			func(s *scene) map[string]string {
				return s.staff("", "", s.at.AddDate(0, 0, -30).Format(time.DateOnly))
			}, one},
		{api.PlantKind{ID: "family", Expect: "family", Title: ocsf.Text{EN: "A relative's record is opened", ZH: "查看亲属病历"}},
			func(s *scene) map[string]string {
				return s.staff(s.phone(), s.home(), s.at.AddDate(0, 0, 2).Format(time.DateOnly))
			},
			func(s *scene) []collect.Item { return []collect.Item{s.demographics(1), s.access(1, "R", "110110")} }},
		{api.PlantKind{ID: "mass-export", Expect: "mass-export", Title: ocsf.Text{EN: "Many patients are exported", ZH: "批量导出患者数据"}}, nil,
			func(s *scene) []collect.Item {
				var out []collect.Item
				for i := range 40 {
					out = append(out, s.access(i+1, "R", "110106"))
				}
				return out
			}},
		{api.PlantKind{ID: "drug-statistics", Expect: "drug-statistics-sql", Title: ocsf.Text{EN: "Drugs are counted per doctor (统方)", ZH: "按医生统计用药（统方）"}}, nil,
			func(s *scene) []collect.Item { return []collect.Item{s.statement()} }},
	}, more()...)
}

// plantKinds lists what can be planted.
func plantKinds() []api.PlantKind {
	var out []api.PlantKind
	for _, r := range recipes() {
		out = append(out, r.PlantKind)
	}
	return out
}

// plant commits a violation of a kind with people and patients that do not
// exist, through the door that everything comes through, and records it.
func (n *Node) plant(ctx context.Context, kind, by string) (incident.Plant, error) {
	all := recipes()
	i := slices.IndexFunc(all, func(r recipe) bool { return r.ID == kind })
	if i < 0 {
		return incident.Plant{}, api.Refusal{Status: 400, Text: ocsf.Text{EN: "there is no such kind to plant; the list is at GET /api/v1/planted", ZH: "没有此类测试违规，请从列表中选择"}}
	}
	r, now := all[i], n.now()
	p := incident.Plant{ID: strings.ToLower(rand.Text()[:10]), Kind: kind, Expect: r.Expect, At: now.UnixMilli(), Asked: by}
	s := &scene{who: incident.ReservedPrefix + p.ID, at: now}
	if r.lists != nil {
		for name, csv := range r.lists(s) {
			c, err := n.Import(ctx, name, strings.NewReader(csv), nil)
			if err != nil {
				return p, fmt.Errorf("plant: %w", err)
			}
			if c.Quarantined > 0 {
				return p, errors.New("plant: a reserved row was refused")
			}
		}
	}
	items := r.items(s)
	var err error
	if p.Events, err = n.intake.uids(items); err != nil {
		return p, fmt.Errorf("plant: %w", err)
	}
	if err := n.desk.Planting(ctx, p); err != nil {
		return p, fmt.Errorf("plant: %w", err)
	}
	n.planted.add(p)
	receipts, err := n.intake.Deliver(ctx, items...)
	if err != nil {
		return p, fmt.Errorf("plant: %w", err)
	}
	for _, x := range receipts {
		if len(x.Rejects) > 0 {
			return p, fmt.Errorf("plant: refused: %s", x.Rejects[0].Reason)
		}
	}
	return p, nil
}

func (s *scene) item(format string, data []byte) collect.Item {
	return collect.Item{Format: format, Source: plantSource, Received: s.at, Data: data}
}

func (s *scene) id() string {
	s.seq++
	return fmt.Sprintf("%s-e%d", s.who, s.seq)
}

// access is an audit message as an image archive or record system sends it.
func (s *scene) access(patient int, action, event string) collect.Item {
	type text = map[string]any
	kind := text{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": event}
	data, err := json.Marshal(text{
		"resourceType": "AuditEvent", "id": s.id(), "type": kind, "action": action, "recorded": s.at.Format(time.RFC3339), "outcome": "0",
		"agent":  []text{{"who": text{"identifier": text{"value": s.who}}, "requestor": true, "network": text{"address": s.address(), "type": "2"}}},
		"source": text{"observer": text{"display": plantSource}},
		"entity": []text{{"what": text{"identifier": text{"value": s.patient(patient)}}, "role": text{"code": "1"}, "type": text{"code": "1"}}},
	})
	if err != nil {
		panic(err) // maps of texts
	}
	return s.item("fhir-auditevent", data)
}

func (s *scene) statement() collect.Item {
	return s.sql("SELECT s.staff_name, i.drug_id, SUM(i.num) FROM dms_medicine_item_record i " +
		"JOIN dms_medicine_prescription_record p ON p.id=i.prescription_id JOIN sms_staff s ON s.id=p.create_staff_id " +
		"WHERE p.create_time > '" + s.at.AddDate(0, -1, 0).Format(time.DateOnly) + "' GROUP BY s.staff_name, i.drug_id")
}

// sql is a statement as an administrator's tool runs it.
func (s *scene) sql(text string) collect.Item {
	e := ocsf.Event{ClassUID: ocsf.DatastoreActivity, ActivityID: 4, Time: s.at.UnixMilli()}
	e.Metadata.UID, e.Metadata.Version, e.Metadata.LogName = s.id(), ocsf.Version, plantSource
	e.Actor.User.Account = s.who
	e.Actor.AppName = "Navicat"
	e.QueryInfo = &ocsf.QueryInfo{Text: text}
	return s.item("ocsf", e.AppendJSON(nil))
}

// address is one of the networks for tests (RFC 2544); each scene has its own,
// so that one is not taken for a part of another.
func (s *scene) address() string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.who))
	n := h.Sum32()
	return fmt.Sprintf("198.%d.%d.%d", 18+n>>16&1, n>>8&255, 1+n%254)
}

// phone and home belong to nobody: they are made of the scene's own id.
func (s *scene) phone() string {
	digits := ""
	for _, c := range s.who[len(incident.ReservedPrefix):] {
		digits += fmt.Sprint(int(c) % 10)
	}
	return "199" + (digits + "00000000")[:8]
}

func (s *scene) home() string { return "Cordon test lane " + s.who }

func (s *scene) staff(phone, home, end string) map[string]string {
	return map[string]string{"directory": "person_id,account,name,department,role,phone,address,end_date\n" +
		strings.Join([]string{s.who, s.who, "Planted " + s.who, "Cordon", "test", phone, home, end}, ",") + "\n"}
}

// demographics is the news of where a patient lives.
func (s *scene) demographics(patient int) collect.Item {
	at := s.at.Format("20060102150405")
	return s.item("hl7v2", []byte(strings.Join([]string{
		`MSH|^~\&|CORDON|PLANTED|CORDON|PLANTED|` + at + `||ADT^A31|` + s.id() + `|P|2.5`,
		`EVN|A31|` + at,
		`PID|1||` + s.patient(patient) + `^^^CORDON||Planted^Patient||19700101|F|||` + s.home() + `||` + s.phone(),
	}, "\r")+"\r"))
}
