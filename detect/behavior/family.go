package behavior

import (
	"strings"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// family: somebody opens the chart of a person they live with or are related to.
type family struct{}

var _ detect.Detector = (*family)(nil)

// Info implements [detect.Detector].
func (*family) Info() detect.Info {
	return detect.Info{
		ID: "family", Group: detect.GroupWho,
		Title: ocsf.Text{EN: "Record of a relative opened", ZH: "查看亲属病历"},
		Why: ocsf.Text{
			EN: "Most known insider violations concern family. The person's phone number or identity number stands in the patient's record or among its next of kin, or the address and a name agree. A shared surname alone never counts.",
			ZH: "已知的内部违规多数涉及家人。本人的电话或身份证号出现在患者或其亲属信息中，或住址与姓名同时吻合。仅同姓从不作为依据。",
		},
		Advice: ocsf.Text{
			EN: "Ask the person why. Relatives who are treated here should be looked after by colleagues.",
			ZH: "询问查看原因。亲属在本院就诊应由同事处理。",
		},
		Severity: ocsf.SeverityHigh, Risk: 75, Unexplained: true,
		References: []string{"Protenus Breach Barometer 2017", "国卫办医政函〔2025〕262号"},
		Params: []detect.Param{
			{Name: "shared", Default: 5, About: ocsf.Text{
				EN: "a phone or address that more staff than this have in common is an office or a dormitory, not a home",
				ZH: "超过此人数共用的电话或住址视为科室电话或集体宿舍，不作为家庭依据",
			}},
		},
	}
}

// ties is what a person and a patient have in common.
type ties struct {
	phone, nationalID, address, kinName, surname bool
}

// household says that these ties speak of a family: one that only relatives
// share, or two.
func (t ties) household() bool {
	return t.phone || t.nationalID || t.address && (t.kinName || t.surname)
}

// tiesOf compares the tokens of a person with those of a patient and the
// patient's kin. Values that many staff share tie nobody.
func tiesOf(c *detect.Context, shared int) ties {
	person, ok := c.Person()
	if !ok {
		return ties{}
	}
	return tiesBetween(c.People(), *person, c.Patient(), shared)
}

// tiesBetween is tiesOf for any person and patient.
func tiesBetween(people *directory.Directory, person directory.Person, p *care.Patient, shared int) ties {
	var t ties
	for _, k := range person.Keys {
		if k.Token == "" {
			continue
		}
		own, kin := holds(p, k)
		few := k.Kind == keyed.Surname || len(people.ByKey(k.Kind, k.Token)) <= shared
		if (own || kin) && few {
			t.add(k.Kind, kin)
		}
	}
	return t
}

// add notes that a value of a kind is the same, of the patient or of the kin.
func (t *ties) add(kind string, kin bool) {
	switch kind {
	case keyed.Phone:
		t.phone = true
	case keyed.NationalID:
		t.nationalID = kin
	case keyed.Address:
		t.address = true
	case keyed.Name:
		t.kinName = kin
	case keyed.Surname:
		t.surname = true
	}
}

func holds(p *care.Patient, k ocsf.Key) (own, kin bool) {
	for i := range p.Keys {
		own = own || p.Keys[i] == k
	}
	for i := range p.Kin {
		kin = kin || p.Kin[i].Key == k
	}
	return own, kin
}

func (t ties) words() ocsf.Text {
	var en, zh []string
	for _, w := range []struct {
		has    bool
		en, zh string
	}{
		{t.phone, "phone number", "电话"}, {t.nationalID, "identity number of a relative", "亲属身份证号"}, {t.address, "address", "住址"},
		{t.kinName, "name of a relative", "亲属姓名"}, {t.surname, "surname", "姓氏"},
	} {
		if w.has {
			en, zh = append(en, w.en), append(zh, w.zh)
		}
	}
	return ocsf.Text{EN: strings.Join(en, ", "), ZH: strings.Join(zh, "、")}
}

// Detect implements [detect.Detector].
func (*family) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Loose() || !c.Deliberate() || c.Patient().StaffPerson == c.Who() {
		return
	}
	t := tiesOf(c, int(c.Param("shared")))
	if !t.household() {
		return
	}
	risk := 75.0
	if (t.phone || t.nationalID) && (t.address || t.kinName || t.surname) {
		risk = 85
	}
	w := t.words()
	c.Find(ocsf.Finding{
		Title: opened(c, ev, "a relative or member of the household", "系亲属或同住者"),
		Why: ocsf.Text{
			EN: "Staff record and patient record agree in: " + w.EN + ".",
			ZH: "职工信息与患者信息一致的项目：" + w.ZH + "。",
		},
		Risk: risk,
	})
}
