package behavior

import (
	"slices"
	"unicode"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// sameSurname: person and patient share a surname that hardly anybody has.
type sameSurname struct{}

var _ detect.Detector = (*sameSurname)(nil)

// Info implements [detect.Detector].
func (*sameSurname) Info() detect.Info {
	return detect.Info{
		ID: "same-surname", Group: detect.GroupWho,
		Title: ocsf.Text{EN: "The same rare surname", ZH: "同一少见姓氏"},
		Why: ocsf.Text{
			EN: "Person and patient, or the patient's next of kin, share a surname that few members of staff have. By itself it means nothing, so it only adds to what another detector found in the same access and never opens a case. A Chinese surname is shared by millions: it counts only where the two are neighbours as well. Surnames are compared as tokens.",
			ZH: "查看者与患者（或其亲属）同姓，且该姓氏在本院职工中少见。单独毫无意义，仅在其他检测已就同一访问给出结论时提高排序，从不单独立案。中文姓氏重合极为普遍，仅在双方又系邻居时计入。姓氏以令牌比较，不存明文。",
		},
		Advice: ocsf.Text{
			EN: "Ask for the relation together with the reason for the access.",
			ZH: "询问访问原因时一并了解双方关系。",
		},
		Severity: ocsf.SeverityLow, Risk: 6, Statistical: true, Unexplained: true,
		References: []string{"iatricSystems: surname alone disappoints, guarantor and subscriber are actionable", "Maize Analytics: suspicious explanations"},
		Params: []detect.Param{
			{Name: "shared", Default: 5, About: ocsf.Text{
				EN: "a surname that more staff than this have is common and says nothing",
				ZH: "本院职工中超过此人数的姓氏视为常见姓氏，不予考虑",
			}},
		},
	}
}

// Detect implements [detect.Detector].
func (*sameSurname) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Loose() || !c.Deliberate() || c.Patient().StaffPerson == c.Who() {
		return
	}
	found := c.Found()
	if !slices.ContainsFunc(found, func(f ocsf.Finding) bool { return f.Person == c.Who() && !f.Weak }) || has(found, "family") {
		return
	}
	person, ok := c.Person()
	if !ok || chinese(person.Name) && !has(found, "neighbour") {
		return
	}
	kin, ok := surnameShared(c, int(c.Param("shared")))
	if !ok {
		return
	}
	f := ocsf.Finding{
		Title: opened(c, ev, "of the same surname", "同姓"),
		Why:   text("%s and patient %s share a surname that few members of staff have.", "%s 与患者 %s 同姓，该姓氏在本院职工中少见。", c.Who(), ev.Patient.UID),
	}
	if kin {
		f.Why = text("%s and the next of kin of patient %s share a surname that few members of staff have.", "%s 与患者 %s 的亲属同姓，该姓氏在本院职工中少见。", c.Who(), ev.Patient.UID)
	}
	c.Find(f)
}

// has says whether a detector is among those that found something.
func has(found []ocsf.Finding, detector string) bool {
	return slices.ContainsFunc(found, func(f ocsf.Finding) bool { return f.Analytic == detector })
}

// surnameShared says whether the person has the surname of the patient, or
// only that of somebody near the patient (kin).
func surnameShared(c *detect.Context, most int) (kin, ok bool) {
	person, _ := c.Person()
	for _, k := range person.Keys {
		if k.Kind != keyed.Surname || k.Token == "" || len(c.People().ByKey(k.Kind, k.Token)) > most {
			continue
		}
		own, near := holds(c.Patient(), k)
		if own || near {
			return !own, true
		}
	}
	return false, false
}

// chinese says whether a name is written in Chinese characters.
func chinese(name string) bool {
	for _, r := range name {
		if unicode.Is(unicode.Han, r) {
			return true
		}
	}
	return false
}
