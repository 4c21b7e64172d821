package behavior

import (
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// neighbour: somebody opens the chart of a person at the same address, with
// nothing else in common.
type neighbour struct{}

var _ detect.Detector = (*neighbour)(nil)

// Info implements [detect.Detector].
func (*neighbour) Info() detect.Info {
	return detect.Info{
		ID: "neighbour", Group: detect.GroupWho,
		Title: ocsf.Text{EN: "Record of a neighbour opened", ZH: "查看同址者病历"},
		Why: ocsf.Text{
			EN: "Person and patient give the same address (or the same building) and nothing else in common: a partner with another surname, a flatmate, a neighbour. Alone it proves nothing.",
			ZH: "本人与患者登记了相同住址（或同一楼栋），但无其他共同点：可能是不同姓的配偶、合租者或邻居。单独不足为据。",
		},
		Advice: ocsf.Text{
			EN: "Ask the person, together with what else is in the case.",
			ZH: "结合案件中的其他线索询问本人。",
		},
		Severity: ocsf.SeverityMedium, Risk: 42, Weak: true, Unexplained: true,
		References: []string{"国卫办医政函〔2025〕262号"},
		Params: []detect.Param{
			{Name: "shared", Default: 5, About: ocsf.Text{
				EN: "an address that more staff than this have in common is a dormitory",
				ZH: "超过此人数共用的住址视为集体宿舍",
			}},
			{Name: "building", Default: 60, About: ocsf.Text{
				EN: "a building in which more staff than this live says nothing",
				ZH: "居住员工超过此人数的楼栋不作为依据",
			}},
		},
	}
}

// Detect implements [detect.Detector].
func (*neighbour) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Loose() || !c.Deliberate() || c.Patient().StaffPerson == c.Who() {
		return
	}
	t := tiesOf(c, int(c.Param("shared")))
	switch {
	case t.household():
	case t.address:
		c.Find(ocsf.Finding{
			Title: opened(c, ev, "who gives the same address", "登记住址相同"),
			Why: text("Staff member %s and patient %s give the same address; no phone, identity number or name agrees.",
				"职工 %s 与患者 %s 登记住址相同；电话、身份证号与姓名均不一致。", c.Who(), ev.Patient.UID),
		})
	case sameBuilding(c, int(c.Param("building"))):
		c.Find(ocsf.Finding{
			Title: opened(c, ev, "who lives in the same building", "同住一栋楼"),
			Why: text("Staff member %s and patient %s live in the same building.",
				"职工 %s 与患者 %s 住在同一栋楼。", c.Who(), ev.Patient.UID),
			Risk: 30,
		})
	}
}

func sameBuilding(c *detect.Context, most int) bool {
	person, ok := c.Person()
	if !ok {
		return false
	}
	for _, k := range person.Keys {
		if k.Kind != keyed.Building || k.Token == "" {
			continue
		}
		if own, _ := holds(c.Patient(), k); own && len(c.People().ByKey(k.Kind, k.Token)) <= most {
			return true
		}
	}
	return false
}
