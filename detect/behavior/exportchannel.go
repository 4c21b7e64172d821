package behavior

import (
	"slices"
	"strings"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// exportChannel: data is exported, and soon after the same person or
// workstation opens a way out.
type exportChannel struct {
	feed  detect.Feed
	trail detect.Memory[steps] // by person and by workstation
}

// steps are the latest exports and ways out of somebody. Files of different
// systems may be imported one after the other, so what surely happened is kept
// for weeks; pages that were only opened are soon forgotten.
type steps struct {
	List []step `json:"l"`
}

// step is an export (Way is empty) or a way out.
type step struct {
	UID     string `json:"u"`
	At      int64  `json:"t"`
	Way     string `json:"w,omitempty"`
	Sure    bool   `json:"s,omitempty"` // data went, not only a page was opened
	Who     string `json:"p,omitempty"`
	Patient string `json:"n,omitempty"`
	Ticket  bool   `json:"k,omitempty"`
}

const maxSteps = 60

var (
	_ detect.Detector = (*exportChannel)(nil)
	_ detect.Stateful = (*exportChannel)(nil)
	_ detect.Fed      = (*exportChannel)(nil)
)

func newExportChannel() *exportChannel {
	return &exportChannel{trail: detect.NewMemory[steps](20_000, 45*day)}
}

// Snapshot implements [detect.Stateful].
func (d *exportChannel) Snapshot() ([]byte, error) { return together(&d.feed, &d.trail) }

// Restore implements [detect.Stateful].
func (d *exportChannel) Restore(data []byte) error { return apart(data, &d.feed, &d.trail) }

// Missing implements [detect.Fed].
func (d *exportChannel) Missing() (ocsf.Text, bool) {
	return ocsf.Text{
		EN: "Nothing has told of USB sticks, uploads, web mail or chat yet: connect data leak prevention, endpoint agents or the web proxy by syslog.",
		ZH: "尚无 U 盘、上传、网页邮箱或即时通讯的日志：请通过 syslog 接入数据防泄漏、终端管控或上网代理。",
	}, !d.feed.Came()
}

// Info implements [detect.Detector].
func (*exportChannel) Info() detect.Info {
	return detect.Info{
		ID: "export-then-channel", Group: detect.GroupHow,
		Title: ocsf.Text{EN: "Export, then a way out", ZH: "导出后随即外传"},
		Why: ocsf.Text{
			EN: "Patients' data was exported, and within minutes the same person or the same workstation mounted removable storage, or sent something to web mail, chat or a cloud disk. Each alone is ordinary; one after the other is the best sign of a leak. Opening such a page without sending anything is a weak sign, and so is an export that a ticket covers. It holds whether the export is explained or not. Printing is no step here.",
			ZH: "患者数据导出后数分钟内，同一人或同一终端接入了移动存储，或向网页邮箱、即时通讯、网盘发送了内容。单看皆属平常，先后相接则是泄露的最佳征兆。仅打开页面而未发送，或导出有批准单覆盖，为弱信号。不论导出是否有解释均成立。打印不计入。",
		},
		Advice: ocsf.Text{
			EN: "Secure the device or the sent file at once, before asking; compare file names and sizes with the export.",
			ZH: "询问之前先控制设备或已发送的文件；将文件名与大小同导出内容比对。",
		},
		Severity: ocsf.SeverityCritical, Risk: 78, Steady: true,
		References: []string{"国卫办医政函〔2025〕262号（不得擅自传播）", "MITRE ATT&CK T1052.001, T1567", "OCSF 1.9.0 classes 1010, 4002, 6006"},
		Params: []detect.Param{
			{Name: "minutes", Default: 30, About: ocsf.Text{EN: "minutes from the export to the way out", ZH: "导出到外传的分钟数"}},
			{Name: "kilobytes", Default: 20, About: ocsf.Text{EN: "kilobytes sent in a request that count as a file", ZH: "视为发送文件的请求字节数（千字节）"}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *exportChannel) Detect(c *detect.Context, ev *ocsf.Event) {
	s := step{UID: ev.Metadata.UID, At: ev.Time, Who: c.Who()}
	if s.Way, s.Sure = wayOut(c, ev); s.Way != "" {
		d.feed.Note()
	} else if !exported(c, ev) || printed(ev) {
		return
	} else if ev.Patient != nil {
		s.Patient, s.Ticket = c.Patient().ID, ticketed(c, ev)
	}
	told := map[string]bool{}
	for _, name := range traces(c, ev) {
		t := d.trail.Keep(name, ev.Time)
		for _, x := range t.List {
			export, way := x, s
			if s.Way == "" {
				export, way = s, x
			}
			if key := export.UID + way.UID; export.Way == "" && way.Way != "" && !told[key] && follows(c, export, way) {
				told[key] = true
				d.tell(c, t, export, way)
			}
		}
		t.add(s)
	}
}

// follows says whether a way out came after an export, within the minutes and
// not by somebody else's hand.
func follows(c *detect.Context, export, way step) bool {
	gap := way.At - export.At
	return gap >= 0 && gap <= int64(c.Param("minutes"))*minute && (export.Who == "" || way.Who == "" || export.Who == way.Who || way.Way == "usb")
}

// tell speaks once about each way out, however many exports went before; more
// of them make it weigh more.
func (d *exportChannel) tell(c *detect.Context, t *steps, export, way step) {
	who := export.Who
	if who == "" {
		who = way.Who
	}
	f := ocsf.Finding{
		UID: detect.UID("export-then-channel", way.UID), Events: []string{way.UID, export.UID}, Person: who, Time: max(way.At, export.At),
		Title: ocsf.Text{
			EN: who + " exported patients' data and then " + wayWords(way).EN + " (" + c.At(way.At) + ")",
			ZH: who + " 导出患者数据后" + wayWords(way).ZH + "（" + c.At(way.At) + "）",
		},
		Why: text("The export was at %s, %d minutes before.", "导出时间 %s，早 %d 分钟。", c.At(export.At), (way.At-export.At)/minute),
	}
	patients := map[string]bool{}
	for _, x := range append(slices.Clone(t.List), export) {
		if x.Way == "" && follows(c, x, way) && !patients[x.UID] {
			patients[x.UID] = true
			if x.UID != export.UID && len(f.Events) < 20 {
				f.Events = append(f.Events, x.UID)
			}
		}
	}
	f.Risk = min(77+float64(len(patients)), 92)
	if !way.Sure || export.Ticket {
		f.Weak, f.Risk = true, 30
	}
	c.Find(f)
}

func wayWords(s step) ocsf.Text {
	switch {
	case s.Way == "usb":
		return ocsf.Text{EN: "connected removable storage", ZH: "接入移动存储"}
	case s.Way == "mail" && s.Sure:
		return ocsf.Text{EN: "sent something by web mail", ZH: "通过网页邮箱发送内容"}
	case s.Way == "im" && s.Sure:
		return ocsf.Text{EN: "sent a file by chat", ZH: "通过即时通讯发送文件"}
	case s.Sure:
		return ocsf.Text{EN: "uploaded something to a cloud disk or web site", ZH: "向网盘或网站上传内容"}
	}
	return ocsf.Text{EN: "opened web mail, chat or a cloud disk", ZH: "打开网页邮箱、即时通讯或网盘"}
}

// add keeps a step in the order of time, the latest ones.
func (t *steps) add(s step) {
	t.List = slices.DeleteFunc(t.List, func(x step) bool { return x.Way != "" && !x.Sure && x.At < s.At-2*hour })
	i, _ := slices.BinarySearchFunc(t.List, s.At, func(x step, at int64) int { return int(max(-1, min(1, x.At-at))) })
	if t.List = slices.Insert(t.List, i, s); len(t.List) > maxSteps {
		t.List = slices.Delete(t.List, 0, 1)
	}
}

// traces name whose steps they are: the person's and the workstation's. A
// server that many share is no workstation, so only the client's end counts.
func traces(c *detect.Context, ev *ocsf.Event) []string {
	var out []string
	if who := c.Who(); who != "" {
		out = append(out, "user:"+who)
	}
	for _, e := range [2]*ocsf.Endpoint{&ev.SrcEndpoint, &ev.Device} {
		if e == &ev.Device && (ev.ClassUID == ocsf.WebResourcesActivity || ev.ClassUID == ocsf.HTTPActivity) {
			continue // the server's or the proxy's
		}
		for _, s := range [2]string{e.IP, strings.ToLower(e.Hostname)} {
			if name := "host:" + s; s != "" && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// wayOut is the way out an event tells of ("usb", "mail", "im", "cloud"), and
// whether something surely went. What was refused went nowhere.
func wayOut(c *detect.Context, ev *ocsf.Event) (way string, sure bool) {
	const peripheralConnect, hostingUpload, hostingShare = 1, 1, 12
	if ev.StatusID == ocsf.StatusFailure || ev.Patient != nil {
		return "", false
	}
	way, _ = told(ev, "wayout")
	switch ev.ClassUID {
	case ocsf.PeripheralActivity:
		if ev.ActivityID != peripheralConnect && ev.ActivityID != ocsf.ActivityOther && ev.File == nil {
			return "", false // taken out again, switched off
		}
		return "usb", true
	case ocsf.FileHostingActivity:
		if ev.ActivityID != hostingUpload && ev.ActivityID != hostingShare {
			return "", false
		}
		if way == "" {
			way = "cloud"
		}
		return way, true
	case ocsf.HTTPActivity:
		if way == "" {
			return "", false
		}
		r := ev.HTTPRequest
		sends := r != nil && r.Method != "GET" && r.Method != "HEAD" && ev.File != nil && ev.File.Size >= int64(c.Param("kilobytes"))<<10
		return way, sends
	}
	return "", false
}

// printed says that an export was a print job.
func printed(ev *ocsf.Event) bool {
	way, _ := told(ev, "wayout")
	act, _ := told(ev, "act")
	code := strings.ToLower(ev.Metadata.EventCode + " " + act)
	return way == "print" || strings.Contains(code, "print") || strings.Contains(act, "打印")
}
