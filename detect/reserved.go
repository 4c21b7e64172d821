package detect

import "strings"

// ReservedPrefix begins the names of the people and patients of violations
// that Cordon plants to test itself. Nobody real has such a name.
const ReservedPrefix = "cordon-planted-"

// Reserved says whether a name is one of those; anybody can take one, so it
// proves nothing.
func Reserved(name string) bool {
	return len(name) >= len(ReservedPrefix) && strings.EqualFold(name[:len(ReservedPrefix)], ReservedPrefix)
}
