package ocsf

import (
	"math"
	"strconv"

	"github.com/cordon-health/cordon/internal/jsonscan"
)

// Incident is a case: findings about one person that a person must look at,
// an OCSF Incident Finding (2005).
type Incident struct {
	UID string `json:"uid"`
	// Person is the person_id (or the account where the person is unknown).
	Person  string `json:"person,omitempty"`
	Account string `json:"account,omitempty"`
	Title   Text   `json:"title"`
	// Opened and Updated are when the case was opened and last changed, Time
	// when its latest event happened, Start its first; all in ms.
	Opened  int64 `json:"opened"`
	Updated int64 `json:"updated,omitempty"`
	Start   int64 `json:"start,omitempty"`
	Time    int64 `json:"time"`
	// Status is one of the Incident constants.
	Status     int `json:"status"`
	SeverityID int `json:"severity_id"`
	// Risk is 0-100, summed over the findings.
	Risk float64 `json:"risk"`
	// Assignee is the person_id of who works on it, Group who is to where
	// nobody is.
	Assignee string `json:"assignee,omitempty"`
	Group    string `json:"group,omitempty"`
	// Verdict is one of the Verdict constants; Comment its text.
	Verdict int    `json:"verdict,omitempty"`
	Comment string `json:"comment,omitempty"`
	// Breach says that patient data is suspected to have leaked.
	Breach   bool      `json:"breach,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
}

// The status of an incident. Source: OCSF 1.9.0 incident_finding.status_id.
const (
	IncidentNew        = 1
	IncidentInProgress = 2
	IncidentOnHold     = 3
	IncidentResolved   = 4
	IncidentClosed     = 5
)

// Verdicts. Source: OCSF 1.9.0 verdict_id (profile incident).
const (
	VerdictUnknown       = 0
	VerdictFalsePositive = 1
	VerdictTruePositive  = 2
	VerdictDisregard     = 3
	VerdictSuspicious    = 4
	VerdictBenign        = 5
	VerdictTest          = 6
	VerdictOther         = 99
)

// The status of a finding. Source: OCSF 1.9.0 finding.status_id.
const (
	findingNew      = 1
	findingResolved = 4
)

// statusCaption is the OCSF caption of an incident's status.
func statusCaption(status int) string {
	switch status {
	case IncidentNew:
		return "New"
	case IncidentInProgress:
		return "In Progress"
	case IncidentOnHold:
		return "On Hold"
	case IncidentResolved:
		return "Resolved"
	case IncidentClosed:
		return "Closed"
	}
	return "Unknown"
}

// verdictCaption is the OCSF caption of a verdict.
func verdictCaption(verdict int) string {
	switch verdict {
	case VerdictFalsePositive:
		return "False Positive"
	case VerdictTruePositive:
		return "True Positive"
	case VerdictDisregard:
		return "Disregard"
	case VerdictSuspicious:
		return "Suspicious"
	case VerdictBenign:
		return "Benign"
	case VerdictTest:
		return "Test"
	case VerdictOther:
		return "Other"
	}
	return "Unknown"
}

// AppendFinding appends a finding as an OCSF Detection Finding (or the class
// it names): one line of "cordon findings --json". The Chinese texts, weak and
// withdrawn are attributes of the "cordon" extension.
func AppendFinding(dst []byte, f Finding) []byte {
	class, activity, status := f.ClassUID, 1, findingNew
	if class == BaseEvent {
		class = DetectionFinding
	}
	if f.Withdrawn != "" {
		activity, status = 3, findingResolved
	}
	dst = appendClass(dst, class, activity, f.SeverityID, status)
	dst = optText(dst, `"status_detail":`, f.Withdrawn)
	dst = appendInt(dst, `"time":`, f.Time)
	dst = optText(dst, `"message":`, f.Title.EN)
	dst = appendMetadata(dst, f.UID, f.Source)
	dst = f.info(key(dst, `"finding_info":`))
	dst = appendActor(dst, f.Person, f.Account)
	dst = appendRisk(dst, f.Risk)
	dst = append(key(dst, `"is_alert":`), strconv.FormatBool(!f.Weak && f.Withdrawn == "")...)
	dst = f.patient(dst)
	dst = appendChinese(dst, f.Title, f.Why)
	dst = optTrue(dst, `"weak":`, f.Weak)
	return append(dst, '}')
}

// AppendIncident appends a case as an OCSF Incident Finding: one line of
// "cordon incidents --json".
func AppendIncident(dst []byte, n Incident) []byte {
	activity := 2
	switch {
	case n.Status == IncidentClosed || n.Status == IncidentResolved:
		activity = 3
	case n.Updated == 0 || n.Updated == n.Opened:
		activity = 1
	}
	dst = appendClass(dst, IncidentFinding, activity, n.SeverityID, n.Status)
	dst = appendText(dst, `"status":`, statusCaption(n.Status))
	dst = appendInt(dst, `"time":`, n.Time)
	dst = optInt(dst, `"start_time":`, n.Start)
	dst = optInt(dst, `"end_time":`, n.Time)
	dst = optText(dst, `"message":`, n.Title.EN)
	dst = optText(dst, `"desc":`, n.Title.EN)
	dst = appendMetadata(dst, n.UID, "")
	dst = append(key(dst, `"finding_info":`), `{"uid":`...)
	dst = jsonscan.AppendString(dst, n.UID)
	dst = optText(dst, `"title":`, n.Title.EN)
	dst = optInt(dst, `"created_time":`, n.Opened)
	dst = optInt(dst, `"modified_time":`, n.Updated)
	dst = append(dst, '}')
	dst = append(key(dst, `"finding_info_list":`), '[')
	for i := range n.Findings {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = n.Findings[i].info(dst)
	}
	dst = append(dst, ']')
	dst = appendActor(dst, n.Person, n.Account)
	dst = appendRisk(dst, n.Risk)
	dst = n.handling(dst)
	dst = appendChinese(dst, n.Title, Text{})
	return append(dst, '}')
}

// handling writes who works on it and what they found. OCSF wants assignee or
// assignee_group.
func (n *Incident) handling(dst []byte) []byte {
	if n.Assignee != "" {
		dst = append(key(dst, `"assignee":`), `{"uid":`...)
		dst = append(jsonscan.AppendString(dst, n.Assignee), '}')
	} else {
		group := n.Group
		if group == "" {
			group = "security"
		}
		dst = append(key(dst, `"assignee_group":`), `{"name":`...)
		dst = append(jsonscan.AppendString(dst, group), '}')
	}
	if n.Verdict != VerdictUnknown {
		dst = appendInt(dst, `"verdict_id":`, int64(n.Verdict))
		dst = appendText(dst, `"verdict":`, verdictCaption(n.Verdict))
	}
	dst = optText(dst, `"comment":`, n.Comment)
	return optTrue(dst, `"is_suspected_breach":`, n.Breach)
}

func appendClass(dst []byte, class Class, activity, severity, status int) []byte {
	dst = append(dst, `{"class_uid":`...)
	dst = strconv.AppendUint(dst, uint64(class), 10)
	dst = append(dst, `,"category_uid":`...)
	dst = strconv.AppendUint(dst, uint64(class.Category()), 10)
	dst = append(dst, `,"type_uid":`...)
	dst = strconv.AppendUint(dst, class.TypeUID(activity), 10)
	dst = appendInt(dst, `"activity_id":`, int64(activity))
	dst = appendInt(dst, `"severity_id":`, int64(severity))
	return appendInt(dst, `"status_id":`, int64(status))
}

func appendMetadata(dst []byte, uid, source string) []byte {
	m := Metadata{UID: uid, Version: Version, LogProvider: source, Product: Product{Name: "Cordon", VendorName: "Cordon"}}
	return m.append(key(dst, `"metadata":`))
}

// info writes the finding_info object.
func (f *Finding) info(dst []byte) []byte {
	dst = append(dst, '{')
	dst = appendText(dst, `"uid":`, f.UID)
	dst = optText(dst, `"title":`, f.Title.EN)
	dst = optText(dst, `"desc":`, f.Why.EN)
	dst = append(key(dst, `"analytic":`), '{')
	dst = appendText(dst, `"uid":`, f.Analytic)
	kind, caption := 2, "Behavioral" // analytic.type_id
	if f.Type == "sigma" {
		kind, caption = 1, "Rule"
	}
	dst = appendInt(dst, `"type_id":`, int64(kind))
	dst = appendText(dst, `"type":`, caption)
	dst = optText(dst, `"version":`, f.Version)
	dst = append(dst, '}')
	dst = appendInt(dst, `"created_time":`, f.Time)
	dst = append(key(dst, `"related_events":`), '[')
	for i, uid := range f.Events {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"uid":`...)
		dst = append(jsonscan.AppendString(dst, uid), '}')
	}
	dst = append(dst, ']')
	return append(dst, '}')
}

// patient names the patient as a resource and as the "cordon" attribute.
func (f *Finding) patient(dst []byte) []byte {
	if f.Patient == "" {
		return dst
	}
	dst = list(dst, `"resources":`, []Resource{{UID: f.Patient, Type: "Patient"}})
	return pointer(dst, `"patient":`, &Patient{UID: f.Patient})
}

func appendActor(dst []byte, person, account string) []byte {
	if person == "" {
		person = account
	}
	return optObject(dst, `"actor":`, &Actor{User: User{UID: person, Account: account}})
}

// appendRisk writes risk_score, which OCSF has as a whole number.
func appendRisk(dst []byte, risk float64) []byte {
	return appendInt(dst, `"risk_score":`, int64(math.Round(min(max(risk, 0), 100))))
}

// appendChinese writes the Chinese texts.
func appendChinese(dst []byte, title, why Text) []byte {
	dst = optText(dst, `"title_zh":`, title.ZH)
	return optText(dst, `"desc_zh":`, why.ZH)
}
