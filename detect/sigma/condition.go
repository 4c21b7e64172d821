package sigma

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// condition parses a condition over named detections.
//
//	or      = and { "or" and }
//	and     = not { "and" not }
//	not     = [ "not" ] primary
//	primary = "(" or ")" | quantity "of" ( "them" | pattern ) | name
type condition struct {
	words []string
	at    int
	names []string // in the order of the rule
	nodes map[string]node
	depth int
}

const maxDepth = 50

func parseCondition(text string, names []string, nodes map[string]node) (node, error) {
	if strings.Contains(text, "|") {
		return nil, errors.New("the condition aggregates (|), which is a correlation now")
	}
	c := &condition{words: tokens(text), names: names, nodes: nodes}
	n, err := c.or()
	if err != nil {
		return nil, fmt.Errorf("condition: %w", err)
	}
	if c.at < len(c.words) {
		return nil, fmt.Errorf("condition: %q is left over", c.words[c.at])
	}
	return n, nil
}

// tokens are the words and parentheses of a condition.
func tokens(text string) (words []string) {
	for _, word := range strings.Fields(text) {
		for {
			i := strings.IndexAny(word, "()")
			if i < 0 {
				break
			}
			if i > 0 {
				words = append(words, word[:i])
			}
			words, word = append(words, word[i:i+1]), word[i+1:]
		}
		if word != "" {
			words = append(words, word)
		}
	}
	return words
}

// next takes the next word if it is this one, in any case.
func (c *condition) next(word string) bool {
	if c.at < len(c.words) && strings.EqualFold(c.words[c.at], word) {
		c.at++
		return true
	}
	return false
}

func (c *condition) or() (node, error) {
	if c.depth++; c.depth > maxDepth {
		return nil, errors.New("it is nested too deeply")
	}
	defer func() { c.depth-- }()
	first, err := c.and()
	if err != nil {
		return nil, err
	}
	any := anyOf{first}
	for c.next("or") {
		n, err := c.and()
		if err != nil {
			return nil, err
		}
		any = append(any, n)
	}
	if len(any) == 1 {
		return first, nil
	}
	return any, nil
}

func (c *condition) and() (node, error) {
	first, err := c.not()
	if err != nil {
		return nil, err
	}
	all := allOf{first}
	for c.next("and") {
		n, err := c.not()
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	if len(all) == 1 {
		return first, nil
	}
	return all, nil
}

func (c *condition) not() (node, error) {
	odd := false
	for c.next("not") {
		odd = !odd
	}
	n, err := c.primary()
	if err == nil && odd {
		n = negate{n}
	}
	return n, err
}

func (c *condition) primary() (node, error) {
	if c.next("(") {
		n, err := c.or()
		if err != nil {
			return nil, err
		}
		if !c.next(")") {
			return nil, errors.New("a closing parenthesis is missing")
		}
		return n, nil
	}
	if c.at >= len(c.words) {
		return nil, errors.New("it ends too early")
	}
	word := c.words[c.at]
	c.at++
	if c.at+1 < len(c.words) && strings.EqualFold(c.words[c.at], "of") {
		c.at += 2
		return c.quantity(word, c.words[c.at-1])
	}
	n, ok := c.nodes[word]
	if !ok {
		return nil, fmt.Errorf("there is no detection %q", word)
	}
	return n, nil
}

// quantity is "1 of" or "all of" the detections with such a name.
func (c *condition) quantity(how, pattern string) (node, error) {
	var list []node
	for _, name := range c.names {
		if strings.EqualFold(pattern, "them") {
			if !strings.HasPrefix(name, "_") {
				list = append(list, c.nodes[name])
			}
		} else if ok, err := path.Match(pattern, name); err == nil && ok {
			list = append(list, c.nodes[name])
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no detection is called %q", pattern)
	}
	switch {
	case how == "1" || strings.EqualFold(how, "any"):
		return anyOf(slices.Clip(list)), nil
	case strings.EqualFold(how, "all"):
		return allOf(slices.Clip(list)), nil
	}
	return nil, fmt.Errorf("%q of is not known; it is 1 of, any of, or all of", how)
}
