package classify

import "github.com/cordon-health/cordon/ocsf"

// Rule is a kind of identifier that only this hospital knows: its employee
// numbers, its study codes. It is data; [New] compiles it.
type Rule struct {
	// Name is stable and written to files: kebab-case.
	Name  string
	Title ocsf.Text
	// Pattern is a regular expression in RE2's syntax. It is matched inside a
	// line, on at most 512 bytes around a literal or keyword.
	Pattern string
	// Literals are texts of which every match holds one, in any case of ASCII
	// letters. Where there are none, they are taken from the pattern.
	Literals []string
	// Keywords are texts of which one stands within 64 bytes of a match.
	Keywords []string
	// Level of GB/T 39725, 1 to 5.
	Level int
}
