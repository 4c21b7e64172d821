package behavior

import (
	"slices"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// vendorRemote: whoever is let in to repair a machine reads patients.
type vendorRemote struct {
	feed     detect.Feed
	sessions detect.Memory[session] // open ones, by account and by machine
}

// session is a service session that goes on.
type session struct {
	Who   string   `json:"w"`
	Since int64    `json:"s"`
	UID   string   `json:"u"`
	Until int64    `json:"e,omitempty"`
	Read  []string `json:"r,omitempty"` // patients, as far as told
}

var (
	_ detect.Detector = (*vendorRemote)(nil)
	_ detect.Stateful = (*vendorRemote)(nil)
	_ detect.Fed      = (*vendorRemote)(nil)
)

func newVendorRemote() *vendorRemote {
	return &vendorRemote{sessions: detect.NewMemory[session](2_000, 2*day)}
}

// Snapshot implements [detect.Stateful].
func (d *vendorRemote) Snapshot() ([]byte, error) { return together(&d.feed, &d.sessions) }

// Restore implements [detect.Stateful].
func (d *vendorRemote) Restore(data []byte) error { return apart(data, &d.feed, &d.sessions) }

// Missing implements [detect.Fed].
func (d *vendorRemote) Missing() (ocsf.Text, bool) {
	return ocsf.Text{
		EN: "No system has told of a service session yet (DICOM audit 110139 to 110142): what vendors read during maintenance cannot be told apart.",
		ZH: "尚无系统报告维护会话（DICOM 审计 110139–110142），无法区分厂商维护期间的访问。",
	}, !d.feed.Came()
}

// Info implements [detect.Detector].
func (*vendorRemote) Info() detect.Info {
	return detect.Info{
		ID: "vendor-remote", Group: detect.GroupData,
		Title: ocsf.Text{EN: "Service session reads patients", ZH: "厂商维护会话读取患者数据"},
		Why: ocsf.Text{
			EN: "During a remote or local service session (DICOM 110139 to 110142) the vendor's account, or the machine under service, read patient data that no approved ticket covers. A session that begins without any ticket is told, too, more quietly. Third parties are let in for a purpose and a time.",
			ZH: "在远程或现场维护会话期间（DICOM 110139–110142），厂商账号或被维护的设备读取了批准单未覆盖的患者数据。无任何批准单而开始的会话亦予提示，但较轻。第三方须按目的与时限准入。",
		},
		Advice: ocsf.Text{
			EN: "Ask the department that called the vendor for the order; end the session if it goes on; have test patients used for repairs.",
			ZH: "向报修科室核对维护单；会话仍在进行则予以终止；维修应使用测试患者。",
		},
		Severity: ocsf.SeverityHigh, Risk: 72, Steady: true,
		References: []string{"DICOM PS3.16 CID 401 (110139-110142)", "国卫办医政函〔2025〕262号（第三方人员管理）", "GB/T 39725-2020 Annex D"},
		Params: []detect.Param{
			{Name: "hours", Default: 12, About: ocsf.Text{EN: "hours after which a session that nobody ended is over", ZH: "无结束记录的会话视为结束的小时数"}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *vendorRemote) Detect(c *detect.Context, ev *ocsf.Event) {
	switch ev.Metadata.EventCode {
	case "110139", "110141":
		d.begin(c, ev)
	case "110140", "110142":
		d.end(c, ev)
	default:
		d.read(c, ev)
	}
}

// begin opens a session for the account, else for the machine.
func (d *vendorRemote) begin(c *detect.Context, ev *ocsf.Event) {
	d.feed.Note()
	name := sessionName(c, ev)
	if name == "" || ev.StatusID == ocsf.StatusFailure {
		return
	}
	s := d.sessions.Keep(name, ev.Time)
	*s = session{Who: vendorOf(c, ev), Since: ev.Time, UID: ev.Metadata.UID}
	if c.Who() != "" && c.Care().HoldsTicket(c.Who(), ev.Time) {
		return
	}
	c.Find(ocsf.Finding{
		UID: detect.UID("vendor-remote", "session", name, ev.Metadata.UID), Events: []string{ev.Metadata.UID}, Subject: subjectOf(c, ev),
		Weak: true, Risk: 34, SeverityID: ocsf.SeverityMedium,
		Title: text("A service session of %s began without a ticket (%s)", "%s 的维护会话在没有批准单的情况下开始（%s）", s.Who, c.Clock()),
		Why:   text("DICOM %s at %s.", "DICOM %s，时间 %s。", ev.Metadata.EventCode, c.Clock()),
	})
}

func (d *vendorRemote) end(c *detect.Context, ev *ocsf.Event) {
	d.feed.Note()
	if s := d.sessions.Get(sessionName(c, ev)); s != nil && s.Until == 0 && ev.Time >= s.Since {
		s.Until = ev.Time
	}
}

// read looks whether an access belongs to a session.
func (d *vendorRemote) read(c *detect.Context, ev *ocsf.Event) {
	if !d.feed.Came() || !c.Access() || ev.StatusID == ocsf.StatusFailure {
		return
	}
	s := d.running(c, ev)
	if s == nil || ticketed(c, ev) {
		return
	}
	patient := c.Patient().ID
	if len(s.Read) >= 50 || slices.Contains(s.Read, patient) {
		return
	}
	s.Read = append(s.Read, patient)
	c.Find(ocsf.Finding{
		UID: detect.UID("vendor-remote", s.UID, patient), Events: []string{s.UID, ev.Metadata.UID}, Patient: patient, Subject: subjectOf(c, ev),
		Title: text("%s read the record of patient %s during a service session (%s)", "%s 在维护会话期间读取患者 %s 的病历（%s）", s.Who, ev.Patient.UID, c.Clock()),
		Why: text("The session began at %s; no ticket covers this patient; patient number %d of the session.",
			"会话始于 %s；批准单未覆盖该患者；为本次会话的第 %d 名患者。", c.At(s.Since), len(s.Read)),
		Risk: min(72+float64(len(s.Read)), 88),
	})
}

// running is the session an access falls into: that of its account or, for a
// program, of its machine.
func (d *vendorRemote) running(c *detect.Context, ev *ocsf.Event) *session {
	s := d.sessions.Get(sessionName(c, ev))
	if s == nil || ev.Time < s.Since || s.Until != 0 && ev.Time > s.Until || ev.Time > s.Since+int64(c.Param("hours"))*hour {
		return nil
	}
	return s
}

// sessionName is the account, else the machine's own name; "" where the event
// tells of neither.
func sessionName(c *detect.Context, ev *ocsf.Event) string {
	if who := c.Who(); who != "" {
		return "user:" + who
	}
	if m := machineOf(ev); m != "" {
		return "machine:" + m
	}
	return ""
}

// machineOf names the program or machine behind an event without a person.
func machineOf(ev *ocsf.Event) string {
	for _, s := range [4]string{ev.SrcEndpoint.Name, ev.Actor.AppName, ev.SrcEndpoint.Hostname, ev.SrcEndpoint.IP} {
		if s != "" {
			return s
		}
	}
	return ""
}

// vendorOf is how a finding calls whoever it is about.
func vendorOf(c *detect.Context, ev *ocsf.Event) string {
	if who := c.Who(); who != "" {
		return who
	}
	return machineOf(ev)
}

// subjectOf makes a finding without a person one about its machine.
func subjectOf(c *detect.Context, ev *ocsf.Event) string {
	if c.Who() != "" {
		return ""
	}
	return "machine:" + machineOf(ev)
}
