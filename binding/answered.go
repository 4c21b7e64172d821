package binding

import "slices"

// Answered are the bindings of a MAC that a person decided on, in the order of
// their addresses; none where nobody did.
func (b *Book) Answered(mac string) []Binding {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Binding
	for _, x := range b.byMAC[mac] {
		if x.State == Bound || x.State == Locked {
			out = append(out, *x)
		}
	}
	slices.SortFunc(out, byAddress)
	return out
}
