package sigma

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

// regex matches a regular expression. Most need some text to be there, which
// is cheaper to look for: without one of the gates nothing can match.
type regex struct {
	re    *regexp.Regexp
	gates []string
	// least is how many bytes anything that matches has.
	least int
	// run is how many characters in a row, of which a line is made, are all
	// that is asked for; 0 if there is more to it.
	run int
	// ahead are what must, or must not, follow the beginning of the text.
	ahead []ahead
	// size is how many steps a character may take, about.
	size int
}

type ahead struct {
	re   *regexp.Regexp
	want bool
}

// newRegex compiles an expression. Go's engine has no look-around, which is
// what makes others slow on hostile input; where it stands at the anchored
// beginning it means several expressions at once, and is taken as those.
func newRegex(pattern, flags string) (matcher, error) {
	head := ""
	if flags != "" {
		head = "(?" + flags + ")"
	}
	r := &regex{}
	rest := pattern
	if !strings.Contains(flags, "m") {
		rest = r.cutAhead(head, pattern)
	}
	tree, err := r.parse(head + rest)
	if r.size > maxProgram {
		return nil, errTooLong("a regular expression is too large")
	}
	if err == nil {
		r.re, err = regexp.Compile(head + rest)
	}
	if err != nil {
		if strings.Contains(err.Error(), "(?") || strings.Contains(err.Error(), `\`) {
			return nil, errors.New("the regular expression uses look-around or another form that Go's engine does not have")
		}
		return nil, fmt.Errorf("the regular expression is not valid here: %w", err)
	}
	r.least, r.run = least(tree), runOf(tree)
	r.gates = gates(tree.Simplify())
	return r, nil
}

// parse reads an expression, or a part of one, and adds what it costs.
func (r *regex) parse(text string) (*syntax.Regexp, error) {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err == nil {
		r.size += 1 + program(tree)
	}
	return tree, err
}

// program is how many instructions an expression becomes, about.
func program(re *syntax.Regexp) int {
	n := 1
	if re.Op == syntax.OpLiteral {
		n = len(re.Rune)
	}
	for _, sub := range re.Sub {
		n += program(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, 1<<40)
}

// cutAhead takes the look-aheads behind a leading ^ out of a pattern.
func (r *regex) cutAhead(head, pattern string) (rest string) {
	rest, ok := strings.CutPrefix(pattern, "^")
	if !ok || topAlternative(pattern) {
		return pattern
	}
	for strings.HasPrefix(rest, "(?=") || strings.HasPrefix(rest, "(?!") {
		n := closing(rest)
		if n < 0 {
			return pattern
		}
		part := head + "^(?:" + rest[3:n] + ")"
		if _, err := r.parse(part); err != nil || r.size > maxProgram {
			return pattern
		}
		re, err := regexp.Compile(part)
		if err != nil {
			return pattern
		}
		r.ahead = append(r.ahead, ahead{re, rest[2] == '='})
		rest = rest[n+1:]
	}
	if len(r.ahead) > 0 && rest != "" && strings.IndexByte("*+?{", rest[0]) >= 0 {
		r.ahead = nil
		return pattern // a quantified look-ahead
	}
	return "^" + rest
}

// closing is where the parenthesis that s begins with is closed.
func closing(s string) int {
	depth := 0
	for i, open := scanRegex(s, 0); i >= 0; i, open = scanRegex(s, i+1) {
		if depth += open; depth == 0 && open < 0 {
			return i
		}
	}
	return -1
}

// topAlternative says that a | stands outside all parentheses.
func topAlternative(s string) bool {
	depth := 0
	for i, open := scanRegex(s, 0); i >= 0; i, open = scanRegex(s, i+1) {
		if depth += open; depth == 0 && open == 0 {
			return true
		}
	}
	return false
}

// scanRegex finds the next parenthesis (open is 1 or -1) or bar (0) that is
// neither escaped nor in a class.
func scanRegex(s string, from int) (at, open int) {
	for i := from; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '[':
			if i++; i < len(s) && s[i] == '^' {
				i++
			}
			for first := i; i < len(s) && (s[i] != ']' || i == first); i++ {
				if s[i] == '\\' {
					i++
				}
			}
		case '(':
			return i, 1
		case ')':
			return i, -1
		case '|':
			return i, 0
		}
	}
	return -1, 0
}

func (r *regex) match(l *look, v *value) bool {
	if v.null {
		return false
	}
	s := l.text(v)
	if !l.oracle {
		switch {
		case len(s) < r.least:
			return false
		case r.run > 0 && len(r.ahead) == 0:
			return hasRun(s, r.run)
		case len(r.gates) > 0 && !r.open(l.low(v)):
			return false
		}
	}
	s, ok := l.shown(s, r.size)
	if !ok {
		return false
	}
	for _, a := range r.ahead {
		if a.re.MatchString(s) != a.want {
			return false
		}
	}
	return r.re.MatchString(s)
}

func (r *regex) open(low string) bool {
	for _, g := range r.gates {
		if strings.Contains(low, g) {
			return true
		}
	}
	return false
}

// hasRun says that a line of the text has n characters.
func hasRun(s string, n int) bool {
	for line := range strings.SplitSeq(s, "\n") {
		if len(line) >= n && utf8.RuneCountInString(line) >= n {
			return true
		}
	}
	return false
}

// runOf is n of an expression that is .{n,} and nothing else.
func runOf(re *syntax.Regexp) int {
	if re.Op == syntax.OpRepeat && re.Sub[0].Op == syntax.OpAnyCharNotNL {
		return re.Min
	}
	return 0
}

// least is the fewest bytes that a text has in which something matches.
func least(re *syntax.Regexp) int {
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1
	case syntax.OpCapture, syntax.OpPlus:
		return least(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min * least(re.Sub[0])
	case syntax.OpConcat:
		n := 0
		for _, sub := range re.Sub {
			n += least(sub)
		}
		return n
	case syntax.OpAlternate:
		n := least(re.Sub[0])
		for _, sub := range re.Sub[1:] {
			n = min(n, least(sub))
		}
		return n
	}
	return 0
}

func (r *regex) id() string {
	texts := []string{"regex", r.re.String()}
	for _, a := range r.ahead {
		texts = append(texts, fmt.Sprint(a.want), a.re.String())
	}
	return fmt.Sprintf("%q", texts)
}

// maxGates bounds how many texts one expression is gated by.
const maxGates = 32

// gates are texts without case, one of which stands in everything that a
// regular expression matches; none when there are no such.
func gates(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return literalGates(re)
	case syntax.OpCapture, syntax.OpPlus:
		return gates(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return gates(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if g := gates(sub); better(g, best) {
				best = g
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			g := gates(sub)
			if len(g) == 0 || len(all)+len(g) > maxGates {
				return nil
			}
			all = append(all, g...)
		}
		return all
	}
	return nil
}

func literalGates(re *syntax.Regexp) []string {
	for _, r := range re.Rune {
		if r == unicode.ReplacementChar {
			return nil
		}
	}
	return []string{folded(string(re.Rune))}
}

// better prefers gates whose shortest text is longer.
func better(a, b []string) bool { return shortest(a) > shortest(b) }

func shortest(texts []string) int {
	n := 0
	for i, s := range texts {
		if i == 0 || len(s) < n {
			n = len(s)
		}
	}
	return n
}
