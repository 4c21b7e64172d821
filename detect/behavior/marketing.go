package behavior

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// marketing: somebody who treats nobody collects the phone numbers of the
// patients that advertisers pay for.
type marketing struct {
	people detect.Memory[harvest] // by person
	roles  detect.Memory[speed]   // on how many days of work a role did so
}

// harvest is whom a person lately looked up.
type harvest struct {
	Seen []contact `json:"s"`
	// Day is the last day of work, Hit the last day it was too much, in days
	// since 1970; First is the event a finding began with.
	Day   int64  `json:"d"`
	Hit   int64  `json:"h,omitempty"`
	First string `json:"f,omitempty"`
}

// contact is a patient looked up; Group is what they are sought for, "" for
// all others.
type contact struct {
	Patient uint32 `json:"p"`
	Group   string `json:"g,omitempty"`
	UID     string `json:"u"`
	At      int64  `json:"t"`
}

const maxContacts = 48

var (
	_ detect.Detector = (*marketing)(nil)
	_ detect.Stateful = (*marketing)(nil)
)

func newMarketing() *marketing {
	return &marketing{people: detect.NewMemory[harvest](5_000, 3*day), roles: detect.NewMemory[speed](1_000, 0)}
}

// Info implements [detect.Detector].
func (*marketing) Info() detect.Info {
	return detect.Info{
		ID: "marketing-trade", Group: detect.GroupHow,
		Title: ocsf.Text{EN: "Contacts of newborn, delivery or cancer patients in sequence", ZH: "连续查看新生儿、产妇或肿瘤患者联系方式"},
		Why: ocsf.Text{
			EN: "Phone numbers of young mothers and of cancer patients are sold to photographers, milk powder, insurance and quacks. Somebody whose role does not treat patients opened the contact pages of many of them one after the other, and of hardly anybody else, which the role hardly ever does here. That each single access is part of the job explains nothing.",
			ZH: "产妇、新生儿与肿瘤患者的电话常被卖给摄影、奶粉、保险或医托。非诊疗岗位人员连续打开大量此类患者的联系信息而几乎不看其他患者，且本院同岗位极少如此。单次访问属于其工作，并不能解释整体。",
		},
		Advice: ocsf.Text{
			EN: "Ask for the task at once; secure the workstation's phone and screen records; call two of the patients whether somebody has rung them.",
			ZH: "立即询问是何任务；保全该终端的通话与屏幕记录；回访其中两名患者是否接到推销电话。",
		},
		Severity: ocsf.SeverityHigh, Risk: 60,
		References: []string{"个人信息保护法 第十条、第二十九条", "刑法 第二百五十三条之一", "国卫办医政函〔2025〕262号"},
		Params: []detect.Param{
			{Name: "patients", Default: 8, About: ocsf.Text{EN: "patients of the group within the minutes", ZH: "时段内该类患者数"}},
			{Name: "minutes", Default: 60, About: ocsf.Text{EN: "minutes", ZH: "时段长度（分钟）"}},
			{Name: "share", Default: 70, About: ocsf.Text{EN: "percent of all patients looked up in that time", ZH: "占同时段所查患者的百分比"}},
			{Name: "rare", Default: 3, About: ocsf.Text{
				EN: "in a hundred days of work: what a role does more often is its task",
				ZH: "每百人日出现次数超过此值即视为该岗位职责",
			}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *marketing) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Deliberate() || ev.ActivityID != ocsf.AccessRead && ev.ActivityID != ocsf.AccessSearch && ev.ActivityID != ocsf.AccessExport {
		return
	}
	if _, ok := c.Person(); !ok || c.Role() == "" || clinical(c.Role()) || !contactPage(ev) {
		return
	}
	h, r := d.people.Keep(c.Who(), ev.Time), d.roles.Keep(c.Role(), ev.Time)
	today := ev.Time / day
	if today > h.Day {
		h.Day = today
		r.Days.add(ev.Time, month, 1)
	}
	group := soughtFor(c.Patient(), ev.Time)
	h.see(contact{hash(c.Patient().ID), group, ev.Metadata.UID, ev.Time}, int64(c.Param("minutes"))*minute)
	if group == "" || ownGroup(c.Department(), group) {
		return
	}
	mine := slices.DeleteFunc(slices.Clone(h.Seen), func(x contact) bool { return x.Group != group })
	if len(mine) < int(c.Param("patients")) || float64(100*len(mine)) < c.Param("share")*float64(len(h.Seen)) || ticketed(c, ev) || departmentTicket(c, ev.Time) {
		return
	}
	if d.usual(c, h, r, today, ev) {
		return
	}
	d.tell(c, h, group, mine)
}

// usual counts a day on which it was too much, and says whether such days are
// usual for the role.
func (d *marketing) usual(c *detect.Context, h *harvest, r *speed, today int64, ev *ocsf.Event) bool {
	days, often := r.Days.at(ev.Time, month), r.Fast.at(ev.Time, month)
	if h.Hit < today {
		h.Hit, h.First = today, ev.Metadata.UID
		r.Fast.add(ev.Time, month, 1)
	} else {
		often-- // this day's own count
	}
	return 100*often > c.Param("rare")*max(days, 100/max(c.Param("rare"), 1))
}

func (d *marketing) tell(c *detect.Context, h *harvest, group string, mine []contact) {
	uids := make([]string, len(mine))
	for i, x := range mine {
		uids[i] = x.UID
	}
	n, all := len(mine), len(h.Seen)
	en, zh := groupName(group)
	c.Find(ocsf.Finding{
		UID: detect.UID("marketing-trade", c.Who(), h.First), Events: uids,
		Title: ocsf.Text{
			EN: fmt.Sprintf("%s looked up the contacts of %d %s in sequence (%s)", c.Who(), n, en, c.Clock()),
			ZH: fmt.Sprintf("%s 连续查看了 %d 名%s的联系信息（%s）", c.Who(), n, zh, c.Clock()),
		},
		Why: ocsf.Text{
			EN: fmt.Sprintf("Of %d patients looked up in that time %d were %s, and the role %q treats nobody.", all, n, en, c.Role()),
			ZH: fmt.Sprintf("同时段所查 %d 名患者中 %d 名为%s，而岗位 %q 不参与诊疗。", all, n, zh, c.Role()),
		},
		Risk: min(60+float64(len(mine)), 84),
	})
}

// see notes a patient once and forgets those before the window.
func (h *harvest) see(x contact, window int64) {
	newest := x.At
	for _, old := range h.Seen {
		newest = max(newest, old.At)
	}
	h.Seen = slices.DeleteFunc(h.Seen, func(old contact) bool { return old.At <= newest-window || old.Patient == x.Patient })
	if x.At <= newest-window {
		return
	}
	if len(h.Seen) >= maxContacts {
		h.Seen = slices.Delete(h.Seen, 0, 1)
	}
	h.Seen = append(h.Seen, x)
}

// contactPage says whether what was opened shows a phone number: the page with
// the patient's particulars, or something whose kind is not told.
func contactPage(ev *ocsf.Event) bool {
	kind := strings.ToLower(documentOf(ev))
	return kind == "" || slices.ContainsFunc(contactWords(), func(w string) bool { return strings.Contains(kind, w) })
}

func contactWords() []string {
	return []string{"patient", "demograph", "contact", "phone", "registration", "relatedperson", "患者信息", "基本信息", "联系", "电话", "登记", "首页"}
}

// documentOf is the kind of what was opened, "" unknown.
func documentOf(ev *ocsf.Event) string {
	if ev.Access != nil && ev.Access.Document != "" {
		return ev.Access.Document
	}
	for _, list := range [2][]ocsf.Resource{ev.WebResources, ev.Resources} {
		for i := range list {
			for _, s := range [2]string{list[i].Type, list[i].Name} {
				if s != "" && !strings.HasPrefix(s, "~") {
					return s
				}
			}
		}
	}
	if ev.Table != nil {
		return ev.Table.Name
	}
	return ""
}

// The groups whose phone numbers are traded.
const (
	groupBirth  = "birth"
	groupCancer = "cancer"
)

func groupName(group string) (en, zh string) {
	if group == groupCancer {
		return "cancer patients", "肿瘤患者"
	}
	return "mothers and newborns", "产妇及新生儿"
}

// soughtFor says which group a patient belongs to: by a visit of the last year
// to a department of that kind, or by a diagnosis (ICD-10 O00-O99, P00-P96,
// Z34-Z39, C00-C97, D00-D09).
func soughtFor(p *care.Patient, at int64) string {
	for i := range p.Encounters {
		v := &p.Encounters[i]
		if v.From > at || v.From < at-365*day {
			continue
		}
		for _, place := range [2]string{v.Department, v.Ward} {
			if g := groupOf(place); g != "" {
				return g
			}
		}
	}
	for _, code := range p.Diagnoses {
		if g := groupOfCode(strings.ToUpper(code)); g != "" {
			return g
		}
	}
	return ""
}

func groupOf(place string) string {
	place = strings.ToLower(place)
	if place == "" {
		return ""
	}
	for _, w := range []string{"obstet", "matern", "neonat", "newborn", "nicu", "deliver", "labor ", "labour", "产科", "妇产", "产房", "新生儿", "母婴"} {
		if strings.Contains(place, w) {
			return groupBirth
		}
	}
	for _, w := range []string{"oncolog", "cancer", "radiother", "chemother", "肿瘤", "放疗", "化疗"} {
		if strings.Contains(place, w) {
			return groupCancer
		}
	}
	return ""
}

func groupOfCode(code string) string {
	if len(code) < 3 || code[1] < '0' || code[1] > '9' {
		return ""
	}
	switch {
	case code[0] == 'O' || code[0] == 'P', strings.HasPrefix(code, "Z3") && code[2] >= '4':
		return groupBirth
	case code[0] == 'C', strings.HasPrefix(code, "D0"):
		return groupCancer
	}
	return ""
}

// ownGroup says whether a department looks after the group itself.
func ownGroup(department, group string) bool { return groupOf(department) == group }

// Snapshot implements [detect.Stateful].
func (d *marketing) Snapshot() ([]byte, error) { return together(&d.people, &d.roles) }

// Restore implements [detect.Stateful].
func (d *marketing) Restore(data []byte) error { return apart(data, &d.people, &d.roles) }
