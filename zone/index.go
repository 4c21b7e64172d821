package zone

// index finds the elements that cover a tuple.
type index struct{}
