package ocsf

import "strings"

// Names of labels that say which text of a document an event is about, and
// how many results a search had. They stand in Resource.Labels as name=value.
const (
	// LabelVersion is the document's version as the source numbers it.
	LabelVersion = "version"
	// LabelContent is a token of the document's content: equal tokens are
	// equal texts.
	LabelContent = "content"
	// LabelDated is the time a document says it was written for, in ms.
	LabelDated = "dated"
	// LabelMatches is how many results a search had.
	LabelMatches = "matches"
)

// Label is the value of the label name=value of a resource, "" for none.
func (r *Resource) Label(name string) string {
	for _, l := range r.Labels {
		if value, ok := strings.CutPrefix(l, name); ok && strings.HasPrefix(value, "=") {
			return value[1:]
		}
	}
	return ""
}

// SetLabel adds the label name=value, unless the value is empty or the label
// is there.
func (r *Resource) SetLabel(name, value string) {
	if value != "" && r.Label(name) == "" {
		r.Labels = append(r.Labels, name+"="+value)
	}
}
