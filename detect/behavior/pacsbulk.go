package behavior

import (
	"slices"
	"strings"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// pacsBulk: the image archive is emptied.
type pacsBulk struct {
	feed   detect.Feed
	since  detect.Memory[int64] // first transfer of a source, in ms
	takers detect.Memory[taker] // by person or AE title
}

// taker is somebody who receives images.
type taker struct {
	First int64 `json:"f"`
	// Hour and Studies are the latest hour and the studies taken in it, by
	// hash, Objects how many images.
	Hour    int64    `json:"h"`
	Studies []uint32 `json:"s,omitempty"`
	Objects int64    `json:"o,omitempty"`
	Events  []string `json:"e,omitempty"`
	// Usual are the studies of hours with any.
	Usual detect.Sketch `json:"u"`
	// Next is at how many studies of the hour it is told again, Wild when they
	// last asked for all patients, Named that the unknown title was told.
	Next  int   `json:"n,omitempty"`
	Wild  int64 `json:"w,omitempty"`
	Named bool  `json:"t,omitempty"`
}

const maxStudies = 2_000

var (
	_ detect.Detector = (*pacsBulk)(nil)
	_ detect.Stateful = (*pacsBulk)(nil)
	_ detect.Fed      = (*pacsBulk)(nil)
)

func newPacsBulk() *pacsBulk {
	return &pacsBulk{since: detect.NewMemory[int64](500, 0), takers: detect.NewMemory[taker](5_000, 200*day)}
}

// Snapshot implements [detect.Stateful].
func (d *pacsBulk) Snapshot() ([]byte, error) { return together(&d.feed, &d.since, &d.takers) }

// Restore implements [detect.Stateful].
func (d *pacsBulk) Restore(data []byte) error { return apart(data, &d.feed, &d.since, &d.takers) }

// Missing implements [detect.Fed].
func (d *pacsBulk) Missing() (ocsf.Text, bool) {
	return ocsf.Text{
		EN: "No image archive has told of a transfer yet: let the PACS send its DICOM audit messages, or the access log of its web interface.",
		ZH: "尚无影像归档系统报告传输：请让 PACS 发送 DICOM 审计消息，或接入其 Web 接口的访问日志。",
	}, !d.feed.Came()
}

// Info implements [detect.Detector].
func (*pacsBulk) Info() detect.Info {
	return detect.Info{
		ID: "pacs-bulk", Group: detect.GroupData,
		Title: ocsf.Text{EN: "Images taken in bulk", ZH: "批量拉取影像"},
		Why: ocsf.Text{
			EN: "Studies were moved or fetched (C-MOVE, WADO) in an hour as nobody reads them: many by one person, or several to an application entity that was never seen before, or after a query for all patients. A known machine that takes far more than it usually does is a weak sign, and so are a new AE title and a query for all patients by themselves. The archive's nightly copy is usual for it.",
			ZH: "一小时内移动或调取（C-MOVE、WADO）的检查数量非阅片所需：一人大量调取，或向从未出现的应用实体（AE）传输多份，或在查询全部患者之后调取。已知设备远超其平常数量、单独出现的新 AE 或查询全部患者，均为弱信号。归档的夜间复制属其平常。",
		},
		Advice: ocsf.Text{
			EN: "Find the machine behind the AE title and close its association; ask who registered it; look for where the images are now.",
			ZH: "找到该 AE 背后的设备并断开其连接；查明由谁登记；追查影像去向。",
		},
		Severity: ocsf.SeverityHigh, Risk: 74, Steady: true,
		References: []string{"DICOM PS3.15 A.5 (110102, 110104, 110112)", "IHE RAD-16, RAD-55, RAD-107", "国卫规划发〔2022〕29号"},
		Params: []detect.Param{
			{Name: "studies", Default: 60, About: ocsf.Text{EN: "studies taken by one person in an hour", ZH: "一人一小时内调取的检查数"}},
			{Name: "few", Default: 10, About: ocsf.Text{EN: "studies in an hour to an unknown AE title, or after a query for all patients", ZH: "一小时内向未知 AE 或在查询全部患者之后调取的检查数"}},
			{Name: "objects", Default: 10000, About: ocsf.Text{EN: "images in an hour to an unknown AE title", ZH: "一小时内向未知 AE 传输的影像数"}},
			{Name: "known", Default: 7, About: ocsf.Text{EN: "days a source must be watched before a new AE title is unknown", ZH: "判定新 AE 为未知前来源须已接入的天数"}},
			{Name: "deviations", Default: 8, About: ocsf.Text{EN: "robust standard deviations above what a known machine usually takes", ZH: "已知设备超出其平常数量的稳健标准差倍数"}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *pacsBulk) Detect(c *detect.Context, ev *ocsf.Event) {
	if ev.ClassUID != ocsf.WebResourcesActivity || ev.StatusID == ocsf.StatusFailure {
		return
	}
	switch ev.ActivityID {
	case ocsf.AccessSearch:
		d.query(c, ev)
	case ocsf.AccessRead, ocsf.AccessShare, ocsf.AccessExport:
		if transfer(ev) {
			d.feed.Note()
			d.take(c, ev)
		}
	}
}

// transfer says that images were moved or fetched.
func transfer(ev *ocsf.Event) bool {
	switch ev.Metadata.EventCode {
	case "110102", "110103", "110104", "RAD-16", "RAD-55", "RAD-107", "WADO":
		return len(ev.WebResources) > 0
	}
	return false
}

// takerOf names who gets the images: a person, else the application entity at
// the other end.
func takerOf(c *detect.Context, ev *ocsf.Event) string {
	if who := c.Who(); who != "" {
		return who
	}
	if ev.ActivityID == ocsf.AccessShare && ev.DstEndpoint.Name != "" {
		return "AE " + ev.DstEndpoint.Name
	}
	if m := machineOf(ev); m != "" {
		return "AE " + m
	}
	return ""
}

// query remembers a search for all patients: a wildcard that no date or study
// narrows.
func (d *pacsBulk) query(c *detect.Context, ev *ocsf.Event) {
	q := ev.QueryInfo
	if q == nil || !strings.Contains(q.Text, "Patient=*") || strings.Contains(q.Text, "StudyDate=") ||
		strings.Contains(q.Text, "StudyInstanceUID=") || strings.Contains(q.Text, "AccessionNumber=") || strings.Contains(q.Text, "~") {
		return
	}
	name := takerOf(c, ev)
	if name == "" {
		return
	}
	t := d.takers.Keep(name, ev.Time)
	if t.First == 0 {
		t.First = ev.Time
	}
	again := t.Wild != 0 && ev.Time-t.Wild < day
	t.Wild = max(t.Wild, ev.Time)
	if again {
		return
	}
	d.find(c, ev, ocsf.Finding{
		UID: detect.UID("pacs-bulk", "all", name, ev.Metadata.UID), Weak: true, Risk: 26, SeverityID: ocsf.SeverityMedium, Events: []string{ev.Metadata.UID},
		Title: text("%s asked the image archive for all patients (%s)", "%s 向影像归档查询全部患者（%s）", name, c.Clock()),
		Why:   text("The query has a wildcard for the patient and no date, study or number.", "查询以通配符代替患者，且无日期、检查或编号限定。"),
	})
}

// take counts a transfer.
func (d *pacsBulk) take(c *detect.Context, ev *ocsf.Event) {
	name := takerOf(c, ev)
	if name == "" {
		return
	}
	since := d.since.Keep(ev.Metadata.LogProvider, ev.Time)
	if *since == 0 {
		*since = ev.Time
	}
	t := d.takers.Keep(name, ev.Time)
	if t.First == 0 {
		t.First = ev.Time
	}
	if !t.count(ev) {
		return
	}
	unknown := strings.HasPrefix(name, "AE ") && ev.Time-t.First < day && t.First-*since >= int64(c.Param("known"))*day
	d.judge(c, ev, t, name, unknown)
}

// count notes the studies of an event; false for one of an hour that is over.
func (t *taker) count(ev *ocsf.Event) bool {
	switch no := ev.Time / hour; {
	case no < t.Hour:
		return false
	case no > t.Hour:
		if len(t.Studies) > 0 {
			t.Usual.Add(int64(len(t.Studies)), t.Hour*hour)
		}
		t.Hour, t.Studies, t.Objects, t.Events, t.Next = no, nil, 0, nil, 0
	}
	for i := range ev.WebResources {
		r := &ev.WebResources[i]
		t.Objects += max(1, r.Count)
		if id := hash(r.UID); len(t.Studies) < maxStudies && !slices.Contains(t.Studies, id) {
			t.Studies = append(t.Studies, id)
		}
	}
	if len(t.Events) < 40 {
		t.Events = append(t.Events, ev.Metadata.UID)
	}
	return true
}

func (d *pacsBulk) judge(c *detect.Context, ev *ocsf.Event, t *taker, name string, unknown bool) {
	n, few := len(t.Studies), int(c.Param("few"))
	usual := detect.Usual{Known: t.Usual.N() >= 20, Median: t.Usual.Median(), Spread: t.Usual.Spread(), Lately: t.Usual.Lately()}
	many := n >= int(c.Param("studies"))
	f := ocsf.Finding{Title: text("%s took %d studies with %d images within an hour (%s)", "%s 一小时内调取 %d 份检查、%d 幅影像（%s）", name, n, t.Objects, c.Clock())}
	switch {
	case unknown && (n >= few || t.Objects >= int64(c.Param("objects"))):
		f.Why = text("Nobody has seen this AE title before %s.", "此前（%s 之前）从未出现该 AE。", c.At(t.First))
		f.Risk = min(74+float64(n)/10, 92)
	case t.Wild != 0 && ev.Time-t.Wild < 2*hour && n >= few && !(usual.Known && usual.Z(n) < c.Param("deviations")):
		f.Why = text("They asked for all patients at %s.", "其于 %s 查询了全部患者。", c.At(t.Wild))
		f.Risk = min(74+float64(n)/10, 92)
	case many && usual.Known && usual.Z(n) < c.Param("deviations"):
		return // that is what they do
	case many && !strings.HasPrefix(name, "AE "):
		f.Why = text("Usually %.0f in an hour with any.", "平常有调取的小时内为 %.0f 份。", usual.Median)
		f.Risk = min(70+float64(n)/20, 88)
	case many && usual.Known:
		f.Why = text("Usually %.0f in an hour with any.", "平常有调取的小时内为 %.0f 份。", usual.Median)
		f.Risk, f.Weak, f.Statistical = 34, true, true
	case unknown && !t.Named:
		t.Named = true
		d.find(c, ev, ocsf.Finding{
			UID: detect.UID("pacs-bulk", "new", name), Weak: true, Risk: 18, SeverityID: ocsf.SeverityLow, Events: []string{ev.Metadata.UID},
			Title: text("A new AE title received images: %s (%s)", "新的 AE 接收了影像：%s（%s）", strings.TrimPrefix(name, "AE "), c.Clock()),
			Why:   text("Register it, or find out whose it is.", "请登记，或查明归属。"),
		})
		return
	default:
		return
	}
	if n < t.Next || c.Who() != "" && (ev.Patient != nil && ticketed(c, ev) || departmentTicket(c, ev.Time)) {
		return
	}
	t.Next = n + max(10, n/4)
	f.UID, f.Events = detect.UID("pacs-bulk", name, t.Events[0]), slices.Clone(t.Events)
	d.find(c, ev, f)
}

// find is about the person, else about the machine.
func (d *pacsBulk) find(c *detect.Context, ev *ocsf.Event, f ocsf.Finding) {
	if c.Who() == "" {
		f.Subject = "machine:" + strings.TrimPrefix(takerOf(c, ev), "AE ")
	}
	c.Find(f)
}
