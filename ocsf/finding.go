package ocsf

// Finding is what a detector says: an OCSF Detection Finding (2004) or Data
// Security Finding (2006). It is small on purpose: everything a reader needs
// beyond it is reached through its related events.
type Finding struct {
	ClassUID Class `json:"class_uid"`
	// UID is derived from detector, person and related events, so that the
	// same input always gives the same finding.
	UID string `json:"uid"`
	// Analytic is the detector's id (kebab-case) or a Sigma rule's id.
	Analytic string `json:"analytic"`
	// Rule is "behavior" or "sigma"; Version the hash of the rule's text.
	Type    string `json:"type,omitempty"`
	Version string `json:"version,omitempty"`
	// Title in English and Chinese, with the particulars filled in; ids only.
	Title Text `json:"title"`
	// Why says in one sentence what it rests on.
	Why Text `json:"why,omitzero"`
	// Time is the time of the latest related event in ms.
	Time int64 `json:"time"`
	// Person is the person_id (or the account where the person is unknown).
	Person  string `json:"person,omitempty"`
	Account string `json:"account,omitempty"`
	Patient string `json:"patient,omitempty"`
	// Source is the log provider for findings about a source (silent source).
	Source     string   `json:"source,omitempty"`
	Events     []string `json:"events,omitempty"`
	SeverityID int      `json:"severity_id"`
	// Risk is 0-100 before summing.
	Risk float64 `json:"risk"`
	// Weak findings never open a case alone; they are summed per person.
	Weak bool `json:"weak,omitempty"`
	// Statistical findings compare with what is usual. They rank a case and
	// never open one, however many there are; they are weak, too.
	Statistical bool `json:"statistical,omitempty"`
	// Steady findings hold even when the access is explained; what people
	// decided about earlier ones hardly lowers them.
	Steady bool `json:"steady,omitempty"`
	// Unexplained says that the finding holds only while its events have no
	// explanation; a late one withdraws it.
	Unexplained bool `json:"unexplained,omitempty"`
	// Bare findings are unexplained ones that hold only while nothing at all
	// explains their events: a late explanation that is weak withdraws them too.
	Bare bool `json:"bare,omitempty"`
	// Subject is what the finding is summed under when it is not a person:
	// "patient:..." for a crowd, "source:..." for a silent source.
	Subject string `json:"subject,omitempty"`
	// Withdrawn says why the finding no longer holds (a late admission
	// explained the access); empty while it holds.
	Withdrawn string `json:"withdrawn,omitempty"`
}

// Text is one sentence in the two languages of the product.
type Text struct {
	EN string `json:"en"`
	ZH string `json:"zh"`
}

// In returns the text in a language: "zh" for Chinese, anything else English.
func (t Text) In(lang string) string {
	if lang == "zh" && t.ZH != "" {
		return t.ZH
	}
	return t.EN
}
