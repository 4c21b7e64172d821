package behavior

import (
	"slices"
	"strconv"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// dispute: a patient says that an access to their record was not for them.
type dispute struct{}

var _ detect.Detector = (*dispute)(nil)

// Info implements [detect.Detector].
func (*dispute) Info() detect.Info {
	return detect.Info{
		ID: "patient-dispute", Group: detect.GroupWhy,
		Title: ocsf.Text{EN: "A patient disputes an access", ZH: "患者对访问提出异议"},
		Why: ocsf.Text{
			EN: "The patient, shown the list of who looked, says that this access had nothing to do with the treatment. Nobody knows better who took part in it, so the case comes first, whether the records explain the access or not.",
			ZH: "患者查阅“谁看过我的病历”后，指出该访问与其诊疗无关。谁参与了诊疗，患者最清楚；无论记录能否解释，均优先处理。",
		},
		Advice: ocsf.Text{
			EN: "Ask the person, check the explanation's records, and answer the patient in writing within the hospital's deadline.",
			ZH: "询问当事人，核对解释所依据的记录，并在规定期限内书面答复患者。",
		},
		Severity: ocsf.SeverityCritical, Risk: 90, Steady: true,
		References: []string{"Regulation (EU) 2025/327, Art. 9", "个人信息保护法 第四十四、四十五、五十条", "45 CFR 164.528"},
	}
}

// The words of an event about a dispute, which Cordon itself makes: the
// operation, the types of its two resources, and the label with the time of
// the disputed access in ms.
const (
	opDispute     = "dispute"
	typeAccess    = "AuditEvent"
	typePatient   = "Patient"
	labelAccessAt = "at"
)

// own says whether an event is about the use of Cordon itself, and what was
// done.
func own(ev *ocsf.Event) (operation string, ok bool) {
	if ev.ClassUID != ocsf.APIActivity || ev.API == nil || ev.API.Service != "cordon" || ev.Metadata.Product.Name != "Cordon" {
		return "", false
	}
	return ev.API.Operation, true
}

// resource is the first of a type.
func resource(ev *ocsf.Event, kind string) (*ocsf.Resource, bool) {
	i := slices.IndexFunc(ev.Resources, func(r ocsf.Resource) bool { return r.Type == kind && r.UID != "" })
	if i < 0 {
		return nil, false
	}
	return &ev.Resources[i], true
}

// Detect implements [detect.Detector].
func (*dispute) Detect(c *detect.Context, ev *ocsf.Event) {
	operation, ok := own(ev)
	if !ok || operation != opDispute || ev.StatusID == ocsf.StatusFailure {
		return
	}
	access, ok := resource(ev, typeAccess)
	patient, okToo := resource(ev, typePatient)
	if !ok || !okToo || ev.User == nil || ev.User.UID == "" && ev.User.Account == "" {
		return
	}
	who := ev.User.UID
	if p, known := c.People().Resolve(ev.User.Account); known && who == "" {
		who = p.ID
	}
	f := ocsf.Finding{
		UID: detect.UID("patient-dispute", access.UID), Events: []string{access.UID, ev.Metadata.UID},
		Person: who, Account: ev.User.Account, Patient: patient.UID,
		Why: text("Nothing explains the access, and patient %s says that it was not for the treatment.", "没有记录能解释该访问，且患者 %s 表示与其诊疗无关。", patient.UID),
	}
	name := ev.User.Account
	if who != "" {
		name = who
	}
	when := c.Clock()
	if at, err := strconv.ParseInt(access.Label(labelAccessAt), 10, 64); err == nil {
		when = c.At(at)
		if c.ExplainedFor(*ev.User, patient.UID, at) {
			f.Risk = 82
			f.Why = text("The records explain the access, yet patient %s says that it was not for the treatment.", "记录对该次访问有解释，但患者 %s 表示与其诊疗无关。", patient.UID)
		}
	}
	f.Title = text("Patient %s disputes that %s opened the record (%s)", "患者 %s 对 %s 查看病历提出异议（%s）", patient.UID, name, when)
	c.Find(f)
}
