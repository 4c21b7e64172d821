package care

// HoldsTicket says whether a person holds an approval for anything at all at a
// time, in ms: somebody has asked for them to be let in.
func (g *Graph) HoldsTicket(person string, at int64) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, t := range g.tickets[person] {
		if within(at, t.From, t.Until) {
			return true
		}
	}
	return false
}
