package behavior

import (
	"slices"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// massExport: many records leave the system at once.
type massExport struct {
	done detect.Memory[exports] // by person
}

// exports are a person's of the last day, oldest first.
type exports struct {
	List []export `json:"l"`
	// Next is how many patients make the finding worth telling again.
	Next int `json:"n"`
	// First names the row of exports: the event it began with.
	First string `json:"f"`
}

type export struct {
	UID     string `json:"u"`
	At      int64  `json:"t"`
	Patient string `json:"p"`
	Count   int64  `json:"c"`
}

const maxExports = 400

var (
	_ detect.Detector = (*massExport)(nil)
	_ detect.Stateful = (*massExport)(nil)
)

func newMassExport() *massExport {
	return &massExport{done: detect.NewMemory[exports](2_000, 2*day)}
}

// Snapshot implements [detect.Stateful].
func (d *massExport) Snapshot() ([]byte, error) { return d.done.Snapshot() }

// Restore implements [detect.Stateful].
func (d *massExport) Restore(data []byte) error { return d.done.Restore(data) }

// Info implements [detect.Detector].
func (*massExport) Info() detect.Info {
	return detect.Info{
		ID:    "mass-export",
		Title: ocsf.Text{EN: "Many records exported", ZH: "批量导出病历"},
		Why: ocsf.Text{
			EN: "One person exported, printed or shared the data of many patients within an hour or a day, and no approved ticket covers it.",
			ZH: "同一人在一小时或一天内导出、打印或共享了大量患者数据，且没有批准单覆盖。",
		},
		Advice: ocsf.Text{
			EN: "Stop the export channel if it goes on; ask the person for the approval; look for where the files went.",
			ZH: "若仍在继续，先阻断导出通道；要求出示批准单；追查文件去向。",
		},
		Severity: ocsf.SeverityCritical, Risk: 76,
		References: []string{"国卫规划发〔2022〕29号", "DICOM PS3.15 A.5 (110106)"},
		Params: []detect.Param{
			{Name: "hour", Default: 15, About: ocsf.Text{EN: "patients exported within an hour", ZH: "一小时内导出的患者数"}},
			{Name: "day", Default: 30, About: ocsf.Text{EN: "patients exported within a day", ZH: "一天内导出的患者数"}},
			{Name: "objects", Default: 5000, About: ocsf.Text{EN: "images or rows exported within a day", ZH: "一天内导出的影像或记录条数"}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *massExport) Detect(c *detect.Context, ev *ocsf.Event) {
	if !c.Access() || !exporting(c, ev) || !c.Deliberate() || ticketed(c, ev) {
		return
	}
	x := d.done.Keep(c.Who(), ev.Time)
	x.add(export{ev.Metadata.UID, ev.Time, c.Patient().ID, objects(ev)})
	inHour, _ := x.since(ev.Time - hour)
	inDay, things := x.since(ev.Time - day)
	if inHour < int(c.Param("hour")) && inDay < int(c.Param("day")) && things < int64(c.Param("objects")) {
		x.Next = 0
		return
	}
	if inDay < x.Next {
		return
	}
	if x.Next == 0 {
		x.First = x.List[0].UID
	}
	x.Next = inDay + max(5, inDay/4)
	f := ocsf.Finding{
		UID: detect.UID("mass-export", c.Who(), x.First), Events: x.uids(),
		Title: text("%s exported data of %d patients (%s)", "%s 导出了 %d 名患者的数据（%s）", c.Who(), inDay, c.Clock()),
		Why: text("%d patients within an hour, %d within a day, %d images or rows; no ticket covers it.",
			"一小时内 %d 名患者，一天内 %d 名，影像或记录 %d 条；没有批准单覆盖。", inHour, inDay, things),
		Risk: min(76+float64(inDay)/10, 92),
	}
	if departmentTicket(c, ev.Time) {
		f.Weak, f.Risk = true, 40
		f.Why = text("%d patients within a day. There is a ticket for a department, but the records do not show that these patients belong to it.",
			"一天内 %d 名患者。持有某科室的批准单，但记录未显示这些患者属于该科室。", inDay)
	}
	c.Find(f)
}

// exporting says that data left. What programs share among themselves (images
// sent from the archive to a viewer) is their work.
func exporting(c *detect.Context, ev *ocsf.Event) bool {
	if ev.ActivityID == ocsf.AccessShare {
		_, somebody := c.Person()
		return somebody
	}
	return ev.ActivityID == ocsf.AccessExport
}

// objects is how many things an export took.
func objects(ev *ocsf.Event) int64 {
	n := int64(0)
	for _, list := range [2][]ocsf.Resource{ev.WebResources, ev.Resources} {
		for i := range list {
			n += max(1, list[i].Count)
		}
	}
	if ev.QueryInfo != nil {
		n += max(0, ev.QueryInfo.Rows)
	}
	return max(1, n)
}

func (x *exports) add(e export) {
	i, _ := slices.BinarySearchFunc(x.List, e.At, func(a export, at int64) int { return int(a.At - at) })
	x.List = slices.Insert(x.List, i, e)
	newest := x.List[len(x.List)-1].At
	x.List = slices.DeleteFunc(x.List, func(o export) bool { return o.At < newest-day })
	if over := len(x.List) - maxExports; over > 0 {
		x.List = slices.Delete(x.List, 0, over)
	}
}

// since counts distinct patients and things from a time on.
func (x *exports) since(from int64) (patients int, things int64) {
	var seen [maxExports]string
	n := 0
	for i := range x.List {
		e := &x.List[i]
		if e.At < from {
			continue
		}
		things += e.Count
		if n < len(seen) && !slices.Contains(seen[:n], e.Patient) {
			seen[n] = e.Patient
			n++
		}
	}
	return n, things
}

func (x *exports) uids() []string {
	const most = 100
	out := make([]string, 0, most)
	for _, e := range x.List[max(0, len(x.List)-most):] {
		out = append(out, e.UID)
	}
	return out
}
