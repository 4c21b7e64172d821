package behavior

import (
	"slices"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// watchers: those who watch look where they should not.
type watchers struct {
	people detect.Memory[watcher] // by person
	feed   detect.Feed            // users of Cordon who are known as staff
}

// watcher is what somebody lately looked at in Cordon.
type watcher struct {
	// Trails are the patients whose lists of who looked were opened within the
	// hour, Taken the evidence taken out within the day.
	Trails []peek `json:"t,omitempty"`
	Taken  []peek `json:"e,omitempty"`
	First  string `json:"f,omitempty"`
}

// peek is one thing looked at.
type peek struct {
	What string `json:"w"`
	UID  string `json:"u"`
	At   int64  `json:"a"`
}

// The operations that are looked at; api tells them.
const (
	opTrail   = "patient-trail"
	opPerson  = "person-trail"
	opCase    = "case"
	opOwnCase = "own-case"
	opBundle  = "evidence-bundle"
)

// maxPeeks bounds a person's memory; the parameters stay below it.
const maxPeeks = 200

var (
	_ detect.Detector = (*watchers)(nil)
	_ detect.Stateful = (*watchers)(nil)
	_ detect.Fed      = (*watchers)(nil)
)

func newWatchers() *watchers {
	return &watchers{people: detect.NewMemory[watcher](2_000, 2*day)}
}

// Snapshot implements [detect.Stateful].
func (d *watchers) Snapshot() ([]byte, error) { return together(&d.people, &d.feed) }

// Restore implements [detect.Stateful].
func (d *watchers) Restore(data []byte) error { return apart(data, &d.people, &d.feed) }

// Missing implements [detect.Fed].
func (d *watchers) Missing() (ocsf.Text, bool) {
	return ocsf.Text{
		EN: "No user of Cordon is known as a member of staff: their own, their relatives' and their colleagues' records cannot be told from others. Give the person_id when inviting users.",
		ZH: "本系统用户均未关联职工信息，无法识别其查看本人、家人或同事的内容。邀请用户时请填写 person_id。",
	}, !d.feed.Came()
}

// Info implements [detect.Detector].
func (*watchers) Info() detect.Info {
	return detect.Info{
		ID: "watching-the-watchers", Group: detect.GroupWho,
		Title: ocsf.Text{EN: "Misuse of Cordon itself", ZH: "监督系统自身被滥用"},
		Why: ocsf.Text{
			EN: "Whoever may see who looked at whom sees more than anybody. It is found when a user of Cordon looks at their own record's list or that of their household, at cases about themselves or a colleague of the same department, takes evidence out in numbers, or goes through the lists of many patients. A department head sees the department's cases by office; that is no finding.",
			ZH: "能查“谁看过”的人权限最大。以下情形须查：本系统用户查看本人或家人的访问清单、涉及本人或同科室同事的事件，大量导出证据，或成批翻看患者访问清单。科室负责人查看本科室事件属职责所在，不计。",
		},
		Advice: ocsf.Text{
			EN: "Somebody else handles this case: the auditor or discipline inspection, not the person's own team.",
			ZH: "应由他人（审计或纪检）处理，不得由当事人所在团队处理。",
		},
		Severity: ocsf.SeverityHigh, Risk: 66, Steady: true,
		References: []string{"GB/T 22239-2019 8.1.5 (审计管理)", "国卫办医政函〔2025〕262号（纪检监督）", "CH ATC: ATC_LOG_READ"},
		Params: []detect.Param{
			{Name: "trails", Default: 25, About: ocsf.Text{EN: "patients whose lists are opened within an hour", ZH: "一小时内查看访问清单的患者数"}},
			{Name: "exports", Default: 6, About: ocsf.Text{EN: "pieces of evidence taken out within a day", ZH: "一天内导出的证据份数"}},
			{Name: "shared", Default: 5, About: ocsf.Text{
				EN: "a phone or address that more staff than this have in common is no household",
				ZH: "超过此人数共用的电话或住址不作为家庭依据",
			}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *watchers) Detect(c *detect.Context, ev *ocsf.Event) {
	operation, ok := own(ev)
	if !ok || operation == opDispute || c.Who() == "" || ev.StatusID == ocsf.StatusFailure {
		return
	}
	if _, staff := c.Person(); staff {
		d.feed.Note()
	}
	if patient, ok := resource(ev, typePatient); ok && operation == opTrail {
		d.trail(c, ev, patient.UID)
	}
	if about, ok := resource(ev, "Person"); ok {
		d.colleague(c, ev, operation, about.UID)
	}
	if operation == opBundle {
		d.export(c, ev, operation)
	}
}

// trail judges the opening of a patient's list of who looked.
func (d *watchers) trail(c *detect.Context, ev *ocsf.Event, patient string) {
	person, known := c.Person()
	p := c.Care().Patient(patient)
	switch {
	case known && p.StaffPerson == person.ID:
		c.Find(ocsf.Finding{
			UID:   detect.UID("watching-the-watchers", c.Who(), "self", c.Clock()[:10]),
			Title: text("%s opened the list of who looked at their own record (%s)", "%s 查看了本人病历的访问清单（%s）", c.Who(), c.Clock()),
			Why:   text("Patient %s is %s. Patients get this list from the privacy office, not by themselves.", "患者 %s 即 %s 本人。访问清单应由隐私保护岗提供，不得自行查看。", patient, c.Who()),
			Risk:  70, Patient: patient,
		})
	case known:
		if t := tiesBetween(c.People(), *person, &p, int(c.Param("shared"))); t.household() {
			w := t.words()
			c.Find(ocsf.Finding{
				UID:   detect.UID("watching-the-watchers", c.Who(), "family", patient, c.Clock()[:10]),
				Title: text("%s opened the list of who looked at the record of patient %s, a relative or member of the household (%s)", "%s 查看了患者 %s 的访问清单，系亲属或同住者（%s）", c.Who(), patient, c.Clock()),
				Why:   ocsf.Text{EN: "Staff record and patient record agree in: " + w.EN + ".", ZH: "职工信息与患者信息一致的项目：" + w.ZH + "。"},
				Risk:  74, Patient: patient,
			})
		}
	}
	d.many(c, ev, p.ID)
}

// many notes a list that was opened and judges how many there were.
func (d *watchers) many(c *detect.Context, ev *ocsf.Event, patient string) {
	w := d.people.Keep(c.Who(), ev.Time)
	w.Trails = note(w.Trails, peek{patient, ev.Metadata.UID, ev.Time}, hour)
	if len(w.Trails) <= 1 {
		w.First = ev.Metadata.UID
	}
	n := len(w.Trails)
	if n < int(c.Param("trails")) {
		return
	}
	c.Find(ocsf.Finding{
		UID: detect.UID("watching-the-watchers", c.Who(), "many", w.First), Events: peeked(w.Trails),
		Title: text("%s opened the lists of who looked at %d patients within an hour (%s)", "%s 一小时内查看了 %d 名患者的访问清单（%s）", c.Who(), n, c.Clock()),
		Why:   text("A question about one patient needs one list; so many are a collection.", "答复一名患者只需一份清单，如此成批查看形同搜集。"),
		Risk:  64,
	})
}

// colleague judges a look at a case about somebody, or at what somebody did.
func (d *watchers) colleague(c *detect.Context, ev *ocsf.Event, operation, about string) {
	if operation != opCase && operation != opOwnCase && operation != opPerson {
		return
	}
	person, known := c.Person()
	switch {
	case !known:
	case about == person.ID:
		c.Find(ocsf.Finding{
			UID:   detect.UID("watching-the-watchers", c.Who(), "own-case", c.Clock()[:10]),
			Title: text("%s looked at what Cordon holds about themselves (%s)", "%s 查看了系统中涉及本人的内容（%s）", c.Who(), c.Clock()),
			Why:   text("Nobody looks after a case about themselves.", "任何人不得处理涉及本人的事件。"),
			Risk:  66,
		})
	case slices.Contains(ev.Actor.User.Roles, "department-head") || !sameDepartment(c, about, ev.Time):
	default:
		c.Find(ocsf.Finding{
			UID:   detect.UID("watching-the-watchers", c.Who(), "colleague", about, c.Clock()[:10]),
			Title: text("%s looked at what Cordon holds about %s, a colleague of the same department (%s)", "%s 查看了系统中涉及同科室同事 %s 的内容（%s）", c.Who(), about, c.Clock()),
			Why:   text("Both work in %s; somebody else should handle it.", "双方同在%s，应由他人处理。", c.Department()),
			Risk:  52,
		})
	}
}

func sameDepartment(c *detect.Context, other string, at int64) bool {
	department, _ := c.People().DepartmentAt(other, at)
	return department != "" && department == c.Department()
}

// export notes evidence taken out and judges how much there was. One piece is
// a day's work and no finding.
func (d *watchers) export(c *detect.Context, ev *ocsf.Event, operation string) {
	w := d.people.Keep(c.Who(), ev.Time)
	what := operation
	if len(ev.Resources) > 0 {
		what += " " + ev.Resources[0].UID
	}
	w.Taken = note(w.Taken, peek{what, ev.Metadata.UID, ev.Time}, day)
	n := len(w.Taken)
	if n < int(c.Param("exports")) {
		return
	}
	c.Find(ocsf.Finding{
		UID: detect.UID("watching-the-watchers", c.Who(), "exports", c.Clock()[:10]), Events: peeked(w.Taken),
		Title: text("%s took %d pieces of evidence out of Cordon within a day (%s)", "%s 一天内从系统导出了 %d 份证据（%s）", c.Who(), n, c.Clock()),
		Why:   text("Evidence leaves for one case at a time.", "证据应按单个事件逐份调取。"),
		Risk:  58,
	})
}

// note adds something looked at, once, and drops what is older than the span.
// Events may come late: what counts is the newest.
func note(list []peek, p peek, span int64) []peek {
	newest := p.At
	for _, old := range list {
		newest = max(newest, old.At)
	}
	list = slices.DeleteFunc(list, func(old peek) bool { return old.At <= newest-span || old.What == p.What })
	if p.At <= newest-span {
		return list
	}
	if len(list) >= maxPeeks {
		list = slices.Delete(list, 0, 1)
	}
	return append(list, p)
}

func peeked(list []peek) []string {
	uids := make([]string, len(list))
	for i, p := range list {
		uids[i] = p.UID
	}
	return uids
}
