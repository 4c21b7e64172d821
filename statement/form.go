package statement

import "strings"

// form says how much of SQL a text in a string is.
type form int

const (
	noSQL form = iota
	// fragment: the middle or end of a statement.
	fragment
	// perhaps: SQL words are in it, but a sentence may hold them too.
	perhaps
	// wholeSQL: it begins like a statement and goes on like one.
	wholeSQL
)

// formOf looks at the words of a text.
func formOf(text string) form {
	if len(text) < 8 {
		return noSQL
	}
	text = lower(text)
	rest := strings.TrimLeft(text, " \t\r\n(;?/*!0123456789")
	first := rest
	for i := range len(rest) {
		if !isWord(rest[i]) {
			first = rest[:i]
			break
		}
	}
	whole := func(yes bool) form {
		if yes {
			return wholeSQL
		}
		return perhaps
	}
	switch first {
	case "select":
		return whole(strings.ContainsAny(text, "_*=("))
	case "with":
		if hasWord(text, "select") {
			return wholeSQL
		}
		return noSQL
	case "insert", "replace":
		return whole(hasWord(text, "into") && (hasWord(text, "values") || hasWord(text, "select")))
	case "update":
		return whole(hasWord(text, "set") && strings.Contains(text, "="))
	case "merge":
		return whole(hasWord(text, "using") && hasWord(text, "when"))
	case "begin", "declare", "if", "while", "set":
		return whole(strings.ContainsAny(text, ";@") && (hasWord(text, "select") || hasWord(text, "execute") || hasWord(text, "exec") || strings.Contains(text, ":=")))
	case "create", "alter":
		return whole(hasWord(text, "select") || hasWord(text, "for") || hasWord(text, "like"))
	case "delete", "exec", "execute", "call", "copy", "table", "handler", "prepare", "explain", "open":
		return perhaps
	case "from", "where", "join", "inner", "left", "right", "group", "order", "union", "on", "having", "and", "or", "limit":
		if hasWord(text, "select") && hasWord(text, "from") {
			return perhaps
		}
		return fragment
	}
	if hasWord(text, "select") && hasWord(text, "from") {
		return perhaps
	}
	return noSQL
}

// goesOn says whether a text may be the rest of a statement.
func goesOn(text string) bool {
	text = lower(text)
	return hasWord(text, "from") || hasWord(text, "join") || hasWord(text, "where") || hasWord(text, "select") || hasWord(text, "group")
}

// hasWord says whether a word stands in a text of lower case.
func hasWord(text, w string) bool {
	for at := 0; ; {
		i := strings.Index(text[at:], w)
		if i < 0 {
			return false
		}
		i += at
		end := i + len(w)
		if (i == 0 || !isWord(text[i-1])) && (end == len(text) || !isWord(text[end])) {
			return true
		}
		at = i + 1
	}
}

// isSQLWord lists the words of SQL that may stand where a sentence could be.
func isSQLWord(w string) bool {
	switch w {
	case "select", "insert", "update", "delete", "merge", "create", "alter", "replace", "table", "view", "values", "set", "left", "right", "inner",
		"outer", "cross", "natural", "full", "union", "except", "intersect", "minus", "exec", "execute", "call", "immediate", "begin", "declare",
		"prepare", "copy", "to", "open", "loop", "cursor", "dual", "dbo", "public", "his", "asc", "desc", "varchar", "int", "number", "temp",
		"temporary", "handler", "read", "procedure", "function", "return", "returns":
		return true
	}
	return isKeyword(w) || isClause(w) || isJoin(w) || isAggregate(w)
}
