package classify

import (
	"fmt"
	"path"
	"strings"
)

// Globs chooses paths by patterns: * and ? and [..] within a name, ** for any
// folders. A pattern without a slash is about the last name of a path.
type Globs []string

// Check says which pattern is none.
func (g Globs) Check() error {
	for _, p := range g {
		for part := range strings.SplitSeq(p, "/") {
			if _, err := path.Match(part, ""); err != nil {
				return fmt.Errorf("%q is no pattern; use *, ?, [a-z] and **", p)
			}
		}
	}
	return nil
}

// Match says whether any pattern fits a path with slashes.
func (g Globs) Match(name string) bool {
	for _, p := range g {
		if !strings.Contains(p, "/") {
			if ok, _ := path.Match(p, path.Base(name)); ok { // Check was asked
				return true
			}
			continue
		}
		if fitsGlob(strings.Split(strings.Trim(p, "/"), "/"), strings.Split(strings.Trim(name, "/"), "/")) {
			return true
		}
	}
	return false
}

// fitsGlob matches folder by folder. Its time is bounded by the lengths' product
// for each **, of which a second in a row adds nothing.
func fitsGlob(pattern, name []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for len(pattern) > 0 && pattern[0] == "**" {
				pattern = pattern[1:]
			}
			if len(pattern) == 0 {
				return true
			}
			for i := range name {
				if fitsGlob(pattern, name[i:]) {
					return true
				}
			}
			return false
		}
		if len(name) == 0 {
			return false
		}
		if ok, _ := path.Match(pattern[0], name[0]); !ok {
			return false
		}
		pattern, name = pattern[1:], name[1:]
	}
	return len(name) == 0
}
