package behavior

import (
	"fmt"
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
	// Month are the patients of the last thirty days, with the latest export of
	// each; MonthNext and MonthFirst are as Next and First. Told is the last
	// day on which the number was unusual.
	Month      []glance `json:"m,omitempty"`
	MonthNext  int      `json:"mn,omitempty"`
	MonthFirst string   `json:"mf,omitempty"`
	Told       int64    `json:"td,omitempty"`
}

type export struct {
	UID     string `json:"u"`
	At      int64  `json:"t"`
	Patient string `json:"p"`
	Count   int64  `json:"c"`
	Bytes   int64  `json:"b,omitempty"`
}

const (
	maxExports = 400
	maxMonth   = 1000
)

var (
	_ detect.Detector = (*massExport)(nil)
	_ detect.Stateful = (*massExport)(nil)
)

func newMassExport() *massExport {
	return &massExport{done: detect.NewMemory[exports](2_000, 31*day)}
}

// Snapshot implements [detect.Stateful].
func (d *massExport) Snapshot() ([]byte, error) { return d.done.Snapshot() }

// Restore implements [detect.Stateful].
func (d *massExport) Restore(data []byte) error { return d.done.Restore(data) }

// Info implements [detect.Detector].
func (*massExport) Info() detect.Info {
	return detect.Info{
		ID: "mass-export", Group: detect.GroupHow,
		Title: ocsf.Text{EN: "Many records exported", ZH: "批量导出病历"},
		Why: ocsf.Text{
			EN: "One person exported, printed, copied or shared the data of many patients within an hour, a day or, a few at a time, thirty days, or very many images, rows or megabytes, and no approved ticket covers it. Over thirty days only more than three times what peers usually export counts. Less, but far more than the person and their peers usually do, is a weak sign.",
			ZH: "同一人在一小时、一天内或三十天内（少量多次）导出、打印、复制或共享了大量患者数据，或导出的影像、记录、字节数极多，且没有批准单覆盖。三十天累计须超过同组平常水平的三倍；未达阈值但远超本人及同组平常者为弱信号。",
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
			{Name: "megabytes", Default: 1000, About: ocsf.Text{EN: "megabytes exported within a day, where the source tells sizes", ZH: "一天内导出的兆字节数（来源给出大小时）"}},
			{Name: "month", Default: 90, About: ocsf.Text{EN: "patients exported within thirty days", ZH: "三十天内导出的患者数"}},
			{Name: "unusual", Default: 8, About: ocsf.Text{EN: "patients in a day that nobody asks about, however unusual", ZH: "一天内不予过问的患者数（无论是否异常）"}},
			{Name: "deviations", Default: 6, About: ocsf.Text{
				EN: "robust standard deviations above what is usual, of oneself and of peers",
				ZH: "超出本人及同组平常水平的稳健标准差倍数",
			}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *massExport) Detect(c *detect.Context, ev *ocsf.Event) {
	if !exported(c, ev) || ev.Patient != nil && ticketed(c, ev) {
		return
	}
	x := d.done.Keep(c.Who(), ev.Time)
	e := export{UID: ev.Metadata.UID, At: ev.Time, Count: objects(ev)}
	if ev.Patient != nil {
		e.Patient = c.Patient().ID
	}
	if ev.File != nil {
		e.Bytes = max(0, ev.File.Size)
	}
	x.add(e)
	if !x.burst(c, ev) && ev.Patient != nil {
		x.unusual(c, ev)
	}
	if ev.Patient != nil {
		x.month(c, ev)
	}
}

// exported says that somebody took data out: of a patient, or a list of many.
func exported(c *detect.Context, ev *ocsf.Event) bool {
	switch {
	case c.Access():
		return exporting(c, ev) && c.Deliberate()
	case ev.ClassUID != ocsf.WebResourcesActivity || ev.Patient != nil || ev.StatusID == ocsf.StatusFailure || len(ev.Care) > 0:
		return false
	}
	return c.Who() != "" && exporting(c, ev)
}

// burst tells what left within an hour or a day; true when it is too much.
func (x *exports) burst(c *detect.Context, ev *ocsf.Event) bool {
	inHour, _, _ := x.since(ev.Time - hour)
	inDay, things, bytes := x.since(ev.Time - day)
	megabytes := bytes >> 20
	if inHour < int(c.Param("hour")) && inDay < int(c.Param("day")) && things < int64(c.Param("objects")) && megabytes < int64(c.Param("megabytes")) {
		x.Next = 0
		return false
	}
	if inDay < x.Next {
		return true
	}
	if x.Next == 0 {
		x.First = x.List[0].UID
	}
	x.Next = inDay + max(5, inDay/4)
	f := ocsf.Finding{
		UID: detect.UID("mass-export", c.Who(), x.First), Events: x.uids(),
		Title: text("%s exported data of %d patients (%s)", "%s 导出了 %d 名患者的数据（%s）", c.Who(), inDay, c.Clock()),
		Why: text("%d patients within an hour, %d within a day, %d images or rows, %d MB; no ticket covers it.",
			"一小时内 %d 名患者，一天内 %d 名，影像或记录 %d 条，%d MB；没有批准单覆盖。", inHour, inDay, things, megabytes),
		Risk: min(76+float64(inDay)/10, 92),
	}
	if departmentTicket(c, ev.Time) {
		f.Weak, f.Risk = true, 36
		f.Why = text("%d patients within a day. There is a ticket for a department, but the records do not show that these patients belong to it.",
			"一天内 %d 名患者。持有某科室的批准单，但记录未显示这些患者属于该科室。", inDay)
	}
	c.Find(f)
	return true
}

// unusual tells once a day that it is far more than usual.
func (x *exports) unusual(c *detect.Context, ev *ocsf.Event) {
	now := c.Pace(detect.ExportsPerDay)
	if x.Told >= ev.Time/day || now.Now < int(c.Param("unusual")) || !now.Own.Known || now.Z() < c.Param("deviations") || departmentTicket(c, ev.Time) {
		return
	}
	x.Told = ev.Time / day
	usual := now.Words()
	c.Find(ocsf.Finding{
		UID: detect.UID("mass-export", c.Who(), "unusual", ev.Metadata.UID), Events: x.uids(), Weak: true, Statistical: true, Risk: min(28+now.Z()/2, 36),
		SeverityID: ocsf.SeverityMedium,
		Title:      text("%s exported data of %d patients in a day, far more than usual (%s)", "%s 一天内导出 %d 名患者的数据，远超平常（%s）", c.Who(), now.Now, c.Clock()),
		Why:        ocsf.Text{EN: fmt.Sprintf("%d patients today; %s.", now.Now, usual.EN), ZH: fmt.Sprintf("今天 %d 名患者；%s。", now.Now, usual.ZH)},
	})
}

// workDays is how many days of work thirty days hold.
const workDays = 22

// month tells what left a few at a time. What peers export as their work is no
// sign; until that is known nothing follows.
func (x *exports) month(c *detect.Context, ev *ocsf.Event) {
	x.remember(hash(c.Patient().ID), ev.Time)
	n := len(x.Month)
	if n < int(c.Param("month")) {
		x.MonthNext = 0
		return
	}
	peers := c.Pace(detect.ExportsPerDay).Peers
	if n < x.MonthNext || !peers.Known || float64(n) < 3*workDays*max(peers.Median, peers.Lately) || departmentTicket(c, ev.Time) {
		return
	}
	if x.MonthNext == 0 {
		x.MonthFirst = ev.Metadata.UID
	}
	x.MonthNext = n + max(10, n/4)
	c.Find(ocsf.Finding{
		UID: detect.UID("mass-export", c.Who(), "month", x.MonthFirst), Events: x.uids(), Risk: min(66+float64(n)/20, 84), SeverityID: ocsf.SeverityHigh,
		Title: text("%s exported data of %d patients within thirty days (%s)", "%s 三十天内导出了 %d 名患者的数据（%s）", c.Who(), n, c.Clock()),
		Why: ocsf.Text{
			EN: fmt.Sprintf("%d different patients within thirty days; %s usually export %.0f a day; no ticket covers it.", n, peers.Of.EN, peers.Median),
			ZH: fmt.Sprintf("三十天内 %d 名不同患者；%s平常每天导出 %.0f 名；没有批准单覆盖。", n, peers.Of.ZH, peers.Median),
		},
	})
}

// remember notes a patient of the last thirty days.
func (x *exports) remember(patient uint32, at int64) {
	newest := at
	for i := range x.Month {
		newest = max(newest, x.Month[i].At)
	}
	x.Month = slices.DeleteFunc(x.Month, func(g glance) bool { return g.At < newest-30*day })
	for i := range x.Month {
		if x.Month[i].Patient == patient {
			x.Month[i].At = max(x.Month[i].At, at)
			return
		}
	}
	if at >= newest-30*day && len(x.Month) < maxMonth {
		x.Month = append(x.Month, glance{patient, at})
	}
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

// since counts distinct patients, things and bytes from a time on.
func (x *exports) since(from int64) (patients int, things, bytes int64) {
	var seen [maxExports]string
	n := 0
	for i := range x.List {
		e := &x.List[i]
		if e.At < from {
			continue
		}
		things += e.Count
		bytes += e.Bytes
		if e.Patient != "" && n < len(seen) && !slices.Contains(seen[:n], e.Patient) {
			seen[n] = e.Patient
			n++
		}
	}
	return n, things, bytes
}

func (x *exports) uids() []string {
	const most = 100
	out := make([]string, 0, most)
	for _, e := range x.List[max(0, len(x.List)-most):] {
		out = append(out, e.UID)
	}
	return out
}
