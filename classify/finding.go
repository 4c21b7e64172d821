package classify

import "github.com/cordon-health/cordon/ocsf"

// Finding is one piece of patient data in one place. It holds no value in
// clear: Masked shows its shape, Token compares it under the site's key.
type Finding struct {
	// Member is the path through archives and attachments, outermost first,
	// joined by "!/"; empty for the file itself. Part is Part.Path.
	Member string `json:"member,omitempty"`
	Part   string `json:"part,omitempty"`
	Field  string `json:"field,omitempty"`
	// Offset and Length are bytes of the file as it lies on disk, where that
	// has a meaning; otherwise of the part's text, and Decoded is true.
	Offset  int64 `json:"offset"`
	Length  int   `json:"length"`
	Decoded bool  `json:"decoded,omitempty"`

	Kind string `json:"type"`
	// Level is that of GB/T 39725, 1 to 5, by the hospital's [Levels].
	Level      int    `json:"level"`
	Confidence int    `json:"confidence"` // percent
	Reason     string `json:"reason"`
	Masked     string `json:"masked"`
	// Token is the value's keyed token, equal for equal values of a kind;
	// empty where the inspector has no key.
	Token string `json:"token,omitempty"`
	// Patient is true where the value is one of the hospital's own patients,
	// Honey where it is a planted one.
	Patient bool `json:"patient,omitempty"`
	Honey   bool `json:"honey,omitempty"`
	// Count is how many values of a column one finding stands for, among the
	// rows that were looked at; Estimated how many that makes in all rows.
	Count     int64 `json:"count,omitempty"`
	Estimated int64 `json:"estimated,omitempty"`
	// Why says what could not be read, for findings of kind "unread".
	Why *ocsf.Text `json:"why,omitempty"`

	// who is the patient's number in the index, for counting distinct ones.
	who    uint32
	crowd  []uint32 // and those of all values that Count stands for
	record int64
	kind   Kind
}

// Summary is what one file, body or table comes to.
type Summary struct {
	// Level is the highest of its findings, raised by sensitive conditions; 0
	// where there are none.
	Level int `json:"level"`
	// Kinds counts findings by kind.
	Kinds map[string]int64 `json:"kinds,omitempty"`
	// Levels counts findings by level, index 1 to 5.
	Levels [6]int64 `json:"levels"`
	// Patients is how many distinct patients of the hospital's own are in it,
	// Honey how many planted ones. Persons estimates distinct people by tokens
	// of identity numbers, record numbers and names with birth dates, where
	// there is no index.
	Patients int `json:"patients"`
	Honey    int `json:"honey"`
	Persons  int `json:"persons"`
	// Bytes were read, Parts given out, Unread could not be read.
	Bytes  int64 `json:"bytes"`
	Parts  int64 `json:"parts"`
	Unread int64 `json:"unread"`
	// Skipped counts files and members that hold no text: programs, videos.
	Skipped int64 `json:"skipped,omitempty"`
	// Format is the name of the reader that read the outermost file.
	Format string `json:"format,omitempty"`
}
