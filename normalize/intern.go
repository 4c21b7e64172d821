package normalize

// interned keeps the strings that come again and again within one input:
// devices, staff, codes. It is bounded, so that an input of a million
// different ones costs no more than a million strings.
type interned map[string]string

const (
	internedMany = 4096
	internedLong = 64
)

// of is the string of b, the same one for the same text.
func (t *interned) of(b []byte) string {
	if s, ok := (*t)[string(b)]; ok {
		return s
	}
	s := string(b)
	switch {
	case len(b) == 0 || len(b) > internedLong:
	case *t == nil:
		*t = interned{s: s}
	case len(*t) < internedMany:
		(*t)[s] = s
	}
	return s
}
