package behavior

import (
	"slices"
	"strings"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// drugScreen: somebody opens statistics of prescriptions on a screen.
type drugScreen struct {
	seen detect.Memory[months] // by person
}

// months are the drugs somebody looked at, by month.
type months struct {
	List []monthDrugs `json:"m"`
}

type monthDrugs struct {
	Month string   `json:"m"`
	Drugs []uint32 `json:"d,omitempty"`
}

const (
	mostMonths = 6
	mostDrugs  = 40
)

var (
	_ detect.Detector = (*drugScreen)(nil)
	_ detect.Stateful = (*drugScreen)(nil)
)

func newDrugScreen() *drugScreen { return &drugScreen{seen: detect.NewMemory[months](4000, 200*day)} }

// Snapshot implements [detect.Stateful].
func (d *drugScreen) Snapshot() ([]byte, error) { return d.seen.Snapshot() }

// Restore implements [detect.Stateful].
func (d *drugScreen) Restore(data []byte) error { return d.seen.Restore(data) }

// Info implements [detect.Detector].
func (*drugScreen) Info() detect.Info {
	return detect.Info{
		ID: "drug-statistics-screen", Group: detect.GroupData,
		Title: ocsf.Text{EN: "Statistics of prescriptions on a screen", ZH: "界面统方"},
		Why: ocsf.Text{
			EN: "A screen that counts drugs or consumables, per doctor or in all, was opened, exported or called, and no approved ticket covers it. Where the task of the person's role or department is to count drugs it is weak, unless they ask for the same few drugs month after month.",
			ZH: "打开、导出或调用了统计药品或耗材用量的界面，且没有批准单。岗位或科室本职即统计药品者为弱信号，但连续数月查询同一批药品者除外。",
		},
		Advice: ocsf.Text{
			EN: "Ask who ordered the statistics; enter a ticket where they are standing work.",
			ZH: "查明谁要求统计；属日常工作的请登记长期批准单。",
		},
		Severity: ocsf.SeverityHigh, Risk: 74,
		References: []string{"国卫纠发〔2014〕1号", "国卫办医政函〔2025〕262号"},
		Params: []detect.Param{
			{Name: "months", Default: 3, About: ocsf.Text{EN: "months with the same drugs", ZH: "查询同一批药品的月数"}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *drugScreen) Detect(c *detect.Context, ev *ocsf.Event) {
	if ev.ClassUID != ocsf.WebResourcesActivity && ev.ClassUID != ocsf.APIActivity || ev.Patient != nil || len(ev.Care) > 0 ||
		ev.StatusID == ocsf.StatusFailure || c.Who() == "" {
		return
	}
	name, perDoctor := statisticsScreen(ev)
	if name == "" {
		return
	}
	same := d.sameDrugs(c, ev)
	if screenTicket(c, ev, name) {
		return
	}
	_, known := c.Person()
	f := ocsf.Finding{
		UID: detect.UID("drug-statistics-screen", c.Who(), name, dayOf(c, ev)), Events: []string{ev.Metadata.UID},
		Title: text("%s opened statistics of prescriptions: %s (%s)", "%s 打开处方统计界面：%s（%s）", c.Who(), name, c.Clock()),
		Why:   text("No ticket covers it; role %q, department %q.", "没有批准单覆盖；岗位 %q，科室 %q。", c.Role(), c.Department()),
		Risk:  60,
	}
	if perDoctor {
		f.Risk = 74
	}
	if ev.ActivityID == ocsf.AccessExport {
		f.Risk += 6
	}
	switch {
	case same >= int(c.Param("months")):
		f.Risk += 8
		more := text(" The same drugs were asked for in %d months.", "连续 %d 个月查询同一批药品。", same)
		f.Why.EN, f.Why.ZH = f.Why.EN+more.EN, f.Why.ZH+more.ZH
	case known && countsDrugs(c.Role()+" "+c.Department()):
		f.Weak, f.Risk = true, 30
	}
	c.Find(f)
}

// statisticsScreen is the name of a screen that counts drugs, "" for others.
func statisticsScreen(ev *ocsf.Event) (name string, perDoctor bool) {
	names := []string{ev.Metadata.EventCode}
	if ev.Access != nil {
		names = append(names, ev.Access.Document)
	}
	if ev.API != nil {
		names = append(names, ev.API.Operation)
	}
	for _, list := range [2][]ocsf.Resource{ev.WebResources, ev.Resources} {
		for i := range list {
			names = append(names, list[i].Name)
		}
	}
	if ev.HTTPRequest != nil {
		names = append(names, ev.HTTPRequest.URL)
	}
	for _, n := range names {
		if is, doctor := drugStatistics(n); is {
			return n, doctor
		}
	}
	return "", false
}

// drugStatistics says whether a name is one of statistics of drugs prescribed,
// and whether they are per doctor.
func drugStatistics(name string) (is, perDoctor bool) {
	if name == "" || len(name) > 200 {
		return false, false
	}
	name = strings.ToLower(name)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(name, w) })
	}
	if has("统方", "tongfang") {
		return true, true
	}
	if has("库存", "盘点", "入库", "出库", "采购", "效期", "stock", "inventory", "purchase") {
		return false, false
	}
	counts := has("统计", "排名", "排行", "汇总", "用量分析", "使用分析", "stat", "ranking", "usage", "summary", "toplist")
	drugs := has("药", "处方", "耗材", "drug", "prescription", "medicine", "medication", "consumable")
	return counts && drugs, has("医生", "医师", "开单", "人员", "统方", "doctor", "physician", "prescriber", "staff")
}

// countsDrugs says whether counting drugs is the task of a role or department.
func countsDrugs(post string) bool {
	post = strings.ToLower(post)
	for _, w := range []string{"药剂", "药学", "药房", "药库", "临床药", "pharmac", "医保", "insurance", "纪检", "discipline", "审计", "quality", "质控"} {
		if strings.Contains(post, w) {
			return true
		}
	}
	return false
}

// screenTicket says whether an approval covers the screen; a ticket may name it
// like a table.
func screenTicket(c *detect.Context, ev *ocsf.Event, name string) bool {
	if x := ev.Explanation; x != nil && x.Kind == "ticket" {
		return true
	}
	_, ok := c.Care().Ticket(c.Who(), care.Scope{Table: name}, ev.Time)
	return ok
}

// sameDrugs notes the drugs asked for and says for how many months, this one
// included, they have been the same.
func (d *drugScreen) sameDrugs(c *detect.Context, ev *ocsf.Event) int {
	m := d.seen.Keep(c.Who(), ev.Time)
	now := m.at(dayOf(c, ev)[:7])
	for _, list := range [2][]ocsf.Resource{ev.WebResources, ev.Resources} {
		for i := range list {
			r := &list[i]
			h := hash(r.UID)
			if r.UID != "" && isDrug(r.Type) && len(now.Drugs) < mostDrugs && !slices.Contains(now.Drugs, h) {
				now.Drugs = append(now.Drugs, h)
				slices.Sort(now.Drugs)
			}
		}
	}
	if len(now.Drugs) == 0 {
		return 0
	}
	n := 0
	for i := range m.List {
		if slices.Equal(m.List[i].Drugs, now.Drugs) {
			n++
		}
	}
	return n
}

func isDrug(kind string) bool {
	kind = strings.ToLower(kind)
	return strings.Contains(kind, "medication") || strings.Contains(kind, "drug") || strings.Contains(kind, "药")
}

// at is a month, made if it is new.
func (m *months) at(name string) *monthDrugs {
	i, ok := slices.BinarySearchFunc(m.List, name, func(x monthDrugs, name string) int { return strings.Compare(x.Month, name) })
	if !ok {
		m.List = slices.Insert(m.List, i, monthDrugs{Month: name})
		if len(m.List) > mostMonths {
			m.List = slices.Delete(m.List, 0, 1)
			i = max(0, i-1)
		}
	}
	return &m.List[i]
}
