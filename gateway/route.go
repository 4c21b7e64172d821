package gateway

import (
	"path"
	"slices"
	"strings"
)

// route finds the first route that fits.
func (c Config) route(it Item) *Route {
	for i := range c.Routes {
		if c.Routes[i].fits(it) {
			return &c.Routes[i]
		}
	}
	return nil
}

// RouteOf is the route that an item would take, for doors that must know its
// bounds before they have the content. ok is false where none fits.
func (c Config) RouteOf(it Item) (r Route, ok bool) {
	if p := c.route(it); p != nil {
		return *p, true
	}
	return Route{}, false
}

func (r *Route) at(d Door) bool { return len(r.Doors) == 0 || slices.Contains(r.Doors, d) }

func (r *Route) does(a Action) bool {
	return slices.ContainsFunc(r.Rules, func(x Rule) bool { return x.Do == a || x.Otherwise == a })
}

func (r *Route) fits(it Item) bool {
	direction := "out"
	if it.Incoming {
		direction = "in"
	}
	if !r.at(it.Door) || r.Direction != "" && r.Direction != direction {
		return false
	}
	return (len(r.From) == 0 || matches(r.From, it.From)) && r.fitsTo(it.To)
}

// fitsTo is true where one recipient that is no exception fits.
func (r *Route) fitsTo(to []string) bool {
	if len(r.To) == 0 && len(r.Except) == 0 {
		return true
	}
	return slices.ContainsFunc(to, func(one string) bool {
		return !matches(r.Except, one) && (len(r.To) == 0 || matches(r.To, one))
	})
}

// matches compares without case; "*" stands for any text without a slash.
func matches(patterns []string, text string) bool {
	text = strings.ToLower(strings.ReplaceAll(text, "/", "_"))
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(strings.ToLower(p), text)
		return err == nil && ok
	})
}

// fits says whether all conditions of the rule hold.
func (r Rule) fits(s *sight) bool {
	if r.Honey && s.summary.Honey == 0 || r.Unread && s.summary.Unread == 0 {
		return false
	}
	if s.summary.Patients < r.Patients || max(s.summary.Persons, s.summary.Patients) < r.Persons {
		return false
	}
	if r.Level > 0 || r.Findings > 0 {
		n := 0
		for level := max(r.Level, 1); level <= 5; level++ {
			n += s.at[level]
		}
		if n < max(r.Findings, 1) {
			return false
		}
	}
	return len(r.Kinds) == 0 || slices.ContainsFunc(r.Kinds, func(k string) bool { return s.kinds[k] > 0 })
}
