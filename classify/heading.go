package classify

// Heading is the kind that a column's heading, a key or the name of a field
// says of its values, as [Engine.Value] understands it; None if it says none.
func (e *Engine) Heading(field string) Kind { return e.labels.heading(field) }
