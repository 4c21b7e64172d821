package bundle

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

// view is what the page shows.
type view struct {
	Lang      string
	Style     template.CSS
	StyleHash string
	Case      casePart
	Head      evidence.Head
	Root      string
	Made      string
	Person    string
	Patients  []string
	Status    string
	Score     string
	Counts    counts
	Items     []itemView
}

type counts struct{ Accesses, Explained, Unexplained, Records int }

// itemView is one line of the timeline: an event or a record.
type itemView struct {
	at        int64
	Time      string
	Event     bool
	Access    bool
	Explained bool
	Title     ocsf.Text
	Who       string
	Patient   string
	Where     string
	Why       ocsf.Text
	Facts     []fact
	Body      string
	Proof     string
}

type fact struct {
	Name  ocsf.Text
	Value string
}

// page renders index.html: one self-contained document without scripts.
func page(in Input, about casePart, head evidence.Head, events []eventLine, records []recordLine) ([]byte, error) {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("render page: %w", err)
	}
	sum := sha256.Sum256([]byte(pageStyle))
	v := view{Lang: in.Lang, Style: template.CSS(pageStyle), StyleHash: base64.StdEncoding.EncodeToString(sum[:]),
		Case: about, Head: head, Root: base64.StdEncoding.EncodeToString(head.Root[:]), Made: clock(about.Made)}
	if v.Lang != "en" {
		v.Lang = "zh"
	}
	v.Counts.Records = len(records)
	for _, l := range events {
		v.addEvent(in, l)
	}
	for _, l := range records {
		v.addRecord(in, l)
	}
	slices.SortStableFunc(v.Items, func(a, b itemView) int { return int(min(max(a.at-b.at, -1), 1)) })
	var buf bytes.Buffer
	if err := t.Execute(&buf, v); err != nil {
		return nil, fmt.Errorf("render page: %w", err)
	}
	return buf.Bytes(), nil
}

func (v *view) addEvent(in Input, l eventLine) {
	var e ocsf.Event
	if err := ocsf.Decode(l.Event, &e); err != nil {
		return // it was encoded a moment ago
	}
	item := itemView{at: e.Time, Time: clock(e.Time), Event: true, Access: e.IsAccess(), Title: activity(&e),
		Who: in.person(e.Actor.User.UID, e.Actor.User.Account), Where: place(&e),
		Proof: fmt.Sprintf("%d/%d → %d", l.Seq, l.Index, l.Proof.Entry)}
	if e.Patient != nil {
		item.Patient = e.Patient.UID
		v.addPatient(e.Patient.UID)
	}
	if item.Access {
		v.Counts.Accesses++
		item.Explained, item.Why = explained(in, l.Explanation)
		if item.Explained {
			v.Counts.Explained++
		} else {
			v.Counts.Unexplained++
		}
	}
	item.Facts = eventFacts(&e, l.Explanation)
	v.Items = append(v.Items, item)
}

// explained says why an access was allowed, or that nothing says so.
func explained(in Input, x *ocsf.Explanation) (bool, ocsf.Text) {
	if x == nil || !x.Explained {
		return false, ocsf.Text{EN: "No explanation was found.", ZH: "未找到任何解释。"}
	}
	if in.Sentence == nil {
		return true, ocsf.Text{EN: x.Kind, ZH: x.Kind}
	}
	return true, ocsf.Text{EN: in.Sentence(*x, "en"), ZH: in.Sentence(*x, "zh")}
}

func eventFacts(e *ocsf.Event, x *ocsf.Explanation) (list []fact) {
	add := func(en, zh, value string) {
		if value != "" {
			list = append(list, fact{ocsf.Text{EN: en, ZH: zh}, value})
		}
	}
	add("event", "事件编号", e.Metadata.UID)
	add("source", "来源", strings.Trim(e.Metadata.LogProvider+" · "+e.Metadata.LogName, " ·"))
	if e.Access != nil {
		add("reason given", "填写的理由", e.Access.Reason)
		add("document", "文档", e.Access.Document)
		if e.Access.BreakGlass {
			add("break-glass", "紧急访问", "✓")
		}
	}
	for _, r := range slices.Concat(e.WebResources, e.Resources) {
		add("resource", "资源", strings.Trim(r.Type+" "+r.Name+" "+r.UID, " "))
	}
	if e.StatusID == ocsf.StatusFailure {
		add("outcome", "结果", "failure 失败")
	}
	if x != nil && len(x.Because) > 0 {
		add("rests on", "依据", strings.Join(x.Because, ", "))
	}
	return list
}

func (v *view) addRecord(in Input, l recordLine) {
	r := l.record()
	item := itemView{at: r.Time, Time: clock(r.Time), Title: ocsf.Text{EN: r.Kind, ZH: kindName(r.Kind)},
		Who: in.person(r.Person, ""), Patient: r.Patient, Why: describe(in, r), Body: pretty(r.Body),
		Proof: fmt.Sprintf("%d → %d", l.Row, l.Proof.Entry)}
	item.Facts = append(item.Facts, fact{ocsf.Text{EN: "record", ZH: "记录"}, fmt.Sprintf("%s %s · v%d", r.Kind, r.ID, r.Version)})
	if r.Status != "" {
		item.Facts = append(item.Facts, fact{ocsf.Text{EN: "status", ZH: "状态"}, r.Status})
	}
	if r.Ref != "" {
		item.Facts = append(item.Facts, fact{ocsf.Text{EN: "belongs to", ZH: "所属"}, r.Ref})
	}
	if r.Patient != "" {
		v.addPatient(r.Patient)
	}
	if r.Kind == v.Case.Kind && r.ID == v.Case.ID && r.Version == v.Case.Version {
		v.Person, v.Status, v.Score = item.Who, r.Status, fmt.Sprintf("%.0f", r.Score)
	}
	v.Items = append(v.Items, item)
}

func (v *view) addPatient(id string) {
	if !slices.Contains(v.Patients, id) {
		v.Patients = append(v.Patients, id)
	}
}

// describe says what a record is about: as the caller knows it, or as a
// finding says it itself.
func describe(in Input, r evidence.Record) ocsf.Text {
	if in.Describe != nil {
		if t := in.Describe(r); t != (ocsf.Text{}) {
			return t
		}
	}
	var f ocsf.Finding
	if r.Kind == "finding" && json.Unmarshal(r.Body, &f) == nil {
		return ocsf.Text{EN: strings.TrimSpace(f.Title.EN + " " + f.Why.EN), ZH: strings.TrimSpace(f.Title.In("zh") + " " + f.Why.In("zh"))}
	}
	return ocsf.Text{}
}

func (in Input) person(id, account string) string {
	parts := []string{}
	if in.Name != nil && id != "" {
		if name := in.Name(id); name != "" {
			parts = append(parts, name)
		}
	}
	if id != "" {
		parts = append(parts, id)
	}
	if account != "" && account != id {
		parts = append(parts, account)
	}
	return strings.Join(parts, " · ")
}

// activity names what was done, by OCSF class and activity.
func activity(e *ocsf.Event) ocsf.Text {
	if e.ClassUID == ocsf.WebResourcesActivity {
		switch e.ActivityID {
		case ocsf.AccessCreate:
			return ocsf.Text{EN: "created", ZH: "新建"}
		case ocsf.AccessRead:
			return ocsf.Text{EN: "opened", ZH: "查看"}
		case ocsf.AccessUpdate:
			return ocsf.Text{EN: "changed", ZH: "修改"}
		case ocsf.AccessDelete:
			return ocsf.Text{EN: "deleted", ZH: "删除"}
		case ocsf.AccessSearch:
			return ocsf.Text{EN: "searched", ZH: "检索"}
		case ocsf.AccessImport:
			return ocsf.Text{EN: "imported", ZH: "导入"}
		case ocsf.AccessExport:
			return ocsf.Text{EN: "exported", ZH: "导出"}
		case ocsf.AccessShare:
			return ocsf.Text{EN: "shared", ZH: "分享"}
		}
	}
	if e.API != nil && e.API.Operation != "" {
		return ocsf.Text{EN: e.API.Operation, ZH: e.API.Operation}
	}
	class := fmt.Sprintf("OCSF %d/%d", e.ClassUID, e.ActivityID)
	return ocsf.Text{EN: class, ZH: class}
}

func kindName(kind string) string {
	switch kind {
	case "finding":
		return "发现"
	case "case":
		return "案件"
	case "action":
		return "处置"
	case "decision":
		return "决定"
	case "answer":
		return "答复"
	case "approval":
		return "审批"
	case "question":
		return "询问"
	case "run":
		return "处置流程"
	case "explanation":
		return "后来的解释"
	}
	return kind
}

func place(e *ocsf.Event) string {
	for _, p := range []ocsf.Endpoint{e.SrcEndpoint, e.Device} {
		if text := strings.TrimSpace(strings.Join([]string{p.Name, p.Hostname, p.IP}, " ")); text != "" {
			return text
		}
	}
	return ""
}

func clock(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05 UTC")
}

func pretty(body []byte) string {
	var buf bytes.Buffer
	if json.Indent(&buf, body, "", "  ") != nil {
		return string(body)
	}
	return buf.String()
}
