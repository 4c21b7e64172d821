package behavior

import (
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// editRevert: a document is changed after a complaint, changed and changed
// back, or written for a time long past.
type editRevert struct {
	texts    detect.Memory[document] // by document
	disputes detect.Memory[int64]    // when a patient complained, by patient
	feed     detect.Feed
}

// document is what was last written into one.
type document struct {
	First int64     `json:"f"` // when it was first seen
	Texts []version `json:"t,omitempty"`
}

// version is one text of a document, as a token.
type version struct {
	Text string `json:"c"`
	Who  uint32 `json:"w"`
	UID  string `json:"u"`
	At   int64  `json:"t"`
}

const (
	maxVersions  = 6
	maxDocuments = 10_000
)

var (
	_ detect.Detector = (*editRevert)(nil)
	_ detect.Stateful = (*editRevert)(nil)
	_ detect.Fed      = (*editRevert)(nil)
)

func newEditRevert() *editRevert {
	return &editRevert{texts: detect.NewMemory[document](maxDocuments, 30*day), disputes: detect.NewMemory[int64](10_000, 180*day)}
}

// Snapshot implements [detect.Stateful].
func (d *editRevert) Snapshot() ([]byte, error) { return together(&d.texts, &d.disputes, &d.feed) }

// Restore implements [detect.Stateful].
func (d *editRevert) Restore(data []byte) error { return apart(data, &d.texts, &d.disputes, &d.feed) }

// Missing implements [detect.Fed].
func (d *editRevert) Missing() (ocsf.Text, bool) {
	return ocsf.Text{
		EN: "No record says which text of a document was written: changes that were taken back, and notes written for an earlier time, cannot be seen. Let the record system add the content's hash (dochash) and the time written for (docdate) to its updates. Changes after a complaint are found without.",
		ZH: "没有文书版本内容数据，无法发现“改后又改回”和倒填时间。请让病历系统在修改记录中附文书摘要（dochash）与文书时间（docdate）。投诉后的修改无需此数据即可发现。",
	}, !d.feed.Came()
}

// Info implements [detect.Detector].
func (*editRevert) Info() detect.Info {
	return detect.Info{
		ID: "edit-and-revert", Group: detect.GroupHow,
		Title: ocsf.Text{EN: "A record changed after the fact", ZH: "事后修改病历"},
		Why: ocsf.Text{
			EN: "A record is evidence. It is found when a document of a finished stay is changed or deleted after the patient complained or the record was sealed, when a text is changed and hours later changed back by the same person (for an inspection, a claim), and when a note is written days later for a time before a complaint. Corrections within hours, late notes and treatment that goes on are ordinary.",
			ZH: "病历即证据。以下情形予以提示：患者投诉或病历封存后，修改或删除已结束就诊的文书；同一人修改后隔数小时又改回原文（应付检查、理赔）；事后多日补写投诉之前的记录。数小时内的更正、迟到的记录与仍在进行的诊疗属正常。",
		},
		Advice: ocsf.Text{
			EN: "Secure all versions of the document from the record system before asking the author.",
			ZH: "先从病历系统保全该文书的全部版本，再询问书写人。",
		},
		Severity: ocsf.SeverityHigh, Risk: 62, Steady: true,
		References: []string{"医疗纠纷预防和处理条例 第十五条、第二十四条", "病历书写基本规范 第三条、第八条", "国卫办医政函〔2025〕262号"},
		Params: []detect.Param{
			{Name: "days", Default: 90, About: ocsf.Text{EN: "days after a complaint in which changes count", ZH: "投诉后计入修改的天数"}},
			{Name: "back", Default: 72, About: ocsf.Text{EN: "hours a note may be written late", ZH: "可补记的小时数"}},
			{Name: "hours", Default: 2, About: ocsf.Text{EN: "hours within which taking a change back is a correction", ZH: "此时间内改回视为更正（小时）"}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *editRevert) Detect(c *detect.Context, ev *ocsf.Event) {
	if operation, ok := own(ev); ok {
		if p, named := resource(ev, typePatient); named && operation == opDispute && ev.StatusID != ocsf.StatusFailure {
			d.complained(c, p.UID, ev.Time)
		}
		return
	}
	if !c.Access() || ev.StatusID == ocsf.StatusFailure || c.Who() == "" || !writes(ev) {
		return
	}
	r, ok := written(ev)
	if !ok {
		return
	}
	doc := d.texts.Keep(r.Type+"/"+r.UID, ev.Time)
	if doc.First == 0 || ev.Time < doc.First {
		doc.First = ev.Time
	}
	text, dated := r.Label(ocsf.LabelContent), r.Label(ocsf.LabelDated)
	if text != "" || dated != "" {
		d.feed.Note()
	}
	before, back := doc.write(text, c.Who(), ev)
	if approvedWork(c, ev) {
		return
	}
	d.afterComplaint(c, ev, doc)
	if back && ev.Time-before.At >= int64(c.Param("hours"))*hour {
		d.tellReverted(c, ev, before)
	}
	d.backDated(c, ev, dated)
}

// complained notes the first complaint that still counts.
func (d *editRevert) complained(c *detect.Context, patient string, at int64) {
	first := d.disputes.Keep(c.Care().Patient(patient).ID, at)
	if *first == 0 || at < *first || at-*first > int64(c.Param("days"))*day {
		*first = at
	}
}

// complaint is when the patient complained or the record was sealed, before
// the event and not too long ago; 0 for never.
func (d *editRevert) complaint(c *detect.Context, at int64) int64 {
	since := int64(0)
	if first := d.disputes.Get(c.Patient().ID); first != nil && *first <= at {
		since = *first
	}
	if w, ok := c.Watched(care.WatchSealed); ok && (since == 0 || w.From < since) {
		since = w.From
	}
	if since == 0 || at-since > int64(c.Param("days"))*day {
		return 0
	}
	return since
}

// afterComplaint judges a change after a complaint: of a document that was
// there before it, or of a stay that had ended.
func (d *editRevert) afterComplaint(c *detect.Context, ev *ocsf.Event, doc *document) {
	since := d.complaint(c, ev.Time)
	if since == 0 || ev.ActivityID == ocsf.AccessCreate {
		return
	}
	f := ocsf.Finding{
		Title: opened(c, ev, "after a complaint or seal", "在投诉或封存之后"),
		Why:   text("The patient complained, or the record was sealed, on %s; the document was there before.", "患者于 %s 投诉或病历于该日封存，而该文书此前已存在。", c.At(since)),
		Risk:  64,
	}
	switch ended := finished(c.Patient(), since); {
	case ev.ActivityID == ocsf.AccessDelete:
		f.Risk = 76
		f.Why = text("The patient complained, or the record was sealed, on %s.", "患者于 %s 投诉或病历于该日封存。", c.At(since))
	case doc.First < since:
	case ended:
		f.Why = text("The patient complained, or the record was sealed, on %s, when the stay had ended.", "患者于 %s 投诉或病历于该日封存，当时就诊已结束。", c.At(since))
	default: // treatment goes on, and nothing says that the document is old
		f.Risk, f.Weak = 22, true
		f.Why = text("The patient complained, or the record was sealed, on %s; treatment goes on.", "患者于 %s 投诉或病历于该日封存；诊疗仍在进行。", c.At(since))
	}
	c.Find(f)
}

// finished says whether the patient had been here and every visit had ended.
func finished(p *care.Patient, at int64) bool {
	seen := false
	for i := range p.Encounters {
		v := &p.Encounters[i]
		if v.From > at {
			continue
		}
		if end := endOf(v); end == 0 || end > at {
			return false
		}
		seen = true
	}
	return seen
}

func (d *editRevert) tellReverted(c *detect.Context, ev *ocsf.Event, before version) {
	f := ocsf.Finding{
		UID: detect.UID("edit-and-revert", before.UID, ev.Metadata.UID), Events: []string{before.UID, ev.Metadata.UID}, Patient: ev.Patient.UID,
		Title: opened(c, ev, "back to an earlier text", "改回先前文本"),
		Why:   text("The same person had changed it on %s; now it reads as it did before that.", "同一人曾于 %s 修改，现又恢复为修改前的文本。", c.At(before.At)),
		Risk:  46,
	}
	if d.complaint(c, ev.Time) != 0 {
		f.Risk = 68
	}
	c.Find(f)
}

// backDated judges the time a text claims to be written for.
func (d *editRevert) backDated(c *detect.Context, ev *ocsf.Event, dated string) {
	at, err := strconv.ParseInt(dated, 10, 64)
	if err != nil || ev.Time-at < int64(c.Param("back"))*hour {
		return
	}
	since := d.complaint(c, ev.Time)
	f := ocsf.Finding{
		UID:   detect.UID("edit-and-revert", "dated", c.Who(), ev.Metadata.UID),
		Title: opened(c, ev, "written for "+c.At(at), "倒填至 "+c.At(at)), Patient: ev.Patient.UID,
		Why:  text("It was written %d hours after the time it is dated.", "书写时间晚于所填时间 %d 小时。", (ev.Time-at)/hour),
		Risk: 26, Weak: true,
	}
	if since != 0 && at < since {
		f.Risk, f.Weak = 66, false
		f.Why = text("It was written %d hours after the time it is dated, and after the complaint or seal of %s.", "书写时间晚于所填时间 %d 小时，且在 %s 投诉或封存之后。", (ev.Time-at)/hour, c.At(since))
	}
	c.Find(f)
}

// write notes a text. back says that the person's own change before it is
// taken back: the text equals one older than that change.
func (doc *document) write(text, who string, ev *ocsf.Event) (before version, back bool) {
	if text == "" {
		return version{}, false
	}
	id := hash(who)
	if n := len(doc.Texts); n > 0 && doc.Texts[n-1].Text == text {
		return version{}, false // saved again
	}
	older := slices.IndexFunc(doc.Texts, func(v version) bool { return v.Text == text })
	if n := len(doc.Texts); older >= 0 && doc.Texts[n-1].Who == id && doc.Texts[n-1].At < ev.Time {
		before, back = doc.Texts[n-1], true
	}
	if len(doc.Texts) >= maxVersions {
		doc.Texts = slices.Delete(doc.Texts, 0, 1)
	}
	doc.Texts = append(doc.Texts, version{strings.Clone(text), id, ev.Metadata.UID, ev.Time})
	return before, back
}

func writes(ev *ocsf.Event) bool {
	switch ev.ActivityID {
	case ocsf.AccessCreate, ocsf.AccessUpdate, ocsf.AccessDelete:
		return ev.ClassUID == ocsf.WebResourcesActivity
	}
	return false
}

// written is the document that was written into: a thing with a number of its
// own, and not the patient's particulars.
func written(ev *ocsf.Event) (*ocsf.Resource, bool) {
	for i := range ev.WebResources {
		r := &ev.WebResources[i]
		if r.UID != "" && r.Type != typePatient && r.Type != "RelatedPerson" && r.Type != "Encounter" {
			return r, true
		}
	}
	return nil, false
}

// approvedWork says whether an approval for this patient covers the change;
// one for research on a department does not.
func approvedWork(c *detect.Context, ev *ocsf.Event) bool {
	_, ok := c.Care().Ticket(c.Who(), care.Scope{Patient: ev.Patient.UID}, ev.Time)
	return ok
}
