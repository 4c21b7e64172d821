package statement

import (
	"slices"
	"strings"
)

// value of an expression: the classes of the columns in it.
type meaning struct {
	set     Set
	columns int // names of columns
	// plain: a column as it is, or changed in type, letter case or spaces only.
	plain bool
	// constant: values and functions of values only.
	constant bool
	// sub is a subquery that is all of the expression.
	sub *Object
	of  members // whose columns
}

func isAggregate(w string) bool {
	switch w {
	case "sum", "count", "avg", "max", "min", "listagg", "group_concat", "string_agg", "array_agg", "wm_concat", "count_big", "stddev",
		"median", "any_value", "json_agg", "json_objectagg", "json_arrayagg", "jsonb_agg", "xmlagg", "checksum_agg", "approx_count_distinct", "total":
		return true
	}
	return false
}

// isHarmless says whether a function leaves a number what it is.
func isHarmless(w string) bool {
	switch w {
	case "to_char", "to_number", "cast", "convert", "trim", "rtrim", "ltrim", "upper", "lower", "str", "binary", "text", "any", "some":
		return true
	}
	return false
}

// expr reads an expression.
func (b *reading) expr(lo, hi int) meaning {
	m := meaning{constant: true, plain: true}
	b.walk(lo, hi, &m, false)
	m.constant = m.constant && m.columns == 0 && m.sub == nil
	m.plain = m.plain && m.columns == 1
	return m
}

// walk looks at every token of an expression. counted is true inside of an
// aggregate, where conditions tell what is counted apart.
func (b *reading) walk(lo, hi int, m *meaning, counted bool) {
	p := b.p
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > 4*maxDepth {
		p.strange = true
		return
	}
	for i := lo; i < hi; {
		t := &p.toks[i]
		switch {
		case t.kind == opTok && t.text == "(" && int(p.match[i]) > i:
			end := min(int(p.match[i]), hi)
			b.parens(i, end, lo, hi, m, counted)
			i = end + 1
		case t.kind == wordTok || t.kind == quotedTok || t.kind == stringTok && t.dq:
			i = b.named(i, hi, m, counted)
		case t.kind == opTok && t.text == "::": // and the type
			if i += 2; p.at(i) == "(" {
				i = p.after(i)
			}
		default:
			if t.kind == opTok && t.text != "." && t.text != ")" {
				m.plain = false
			}
			i++
		}
	}
}

// parens reads what stands in parentheses: a subquery or an expression.
func (b *reading) parens(i, end, lo, hi int, m *meaning, counted bool) {
	p := b.p
	if w := p.word(i + 1); w == "select" || w == "with" || p.at(i+1) == "(" && p.find(i+1, end, "union", "except") < end {
		o := p.query(i+1, end, b.sc)
		b.nested(o)
		for _, c := range o.Columns {
			m.set |= c.Is
		}
		m.columns++
		if i == lo && end+1 >= hi {
			m.sub = o
		}
		m.constant = false
		return
	}
	b.walk(i+1, end, m, counted)
}

// nested takes over what a subquery in an expression says. One about a single
// patient tells nothing about the rest.
func (b *reading) nested(o *Object) {
	for i := range o.Queries {
		q := &o.Queries[i]
		if q.Bound {
			continue
		}
		b.f.Kinds |= q.Kinds
		b.f.Dims |= q.Dims
		b.f.Filter |= q.Filter
		b.f.Refs |= q.Refs
		b.f.Counted = b.f.Counted || q.Counted
	}
}

// named reads a name: keyword, function or column. It returns what follows.
func (b *reading) named(i, hi int, m *meaning, counted bool) int {
	p := b.p
	first := i
	for i+2 < hi && p.at(i+1) == "." && p.toks[i+2].kind != opTok {
		i += 2
	}
	name := lower(p.toks[i].text)
	if i+1 < hi && p.at(i+1) == "(" && p.toks[i].kind != stringTok && int(p.match[i+1]) > i {
		return b.function(name, i+1, hi, m, counted)
	}
	if i == first && p.toks[i].kind == wordTok {
		if isKeyword(name) {
			m.plain = m.plain && (name == "as" || name == "and")
			return i + 1
		}
		if i+1 < hi && p.toks[i+1].kind == stringTok { // date '2026-01-01', _utf8'x'
			return i + 2
		}
		if i > 0 && p.word(i-1) == "as" {
			return i + 1
		}
	}
	qualifier := ""
	if i > first {
		qualifier = p.at(i - 2)
		if qualifier == "" {
			qualifier = lower(p.toks[i-2].text)
		}
	}
	set, of := b.sc.column(p, qualifier, name)
	if set == 0 && qualifier == "" {
		if set = b.aliased(name); set == 0 && b.sc.from != nil {
			set = b.sc.row(name)
			m.plain = m.plain && set == 0
		}
	}
	b.f.Refs |= set
	m.set |= set
	m.of |= of
	m.columns++
	return i + 1
}

// aliased is what a column of the select list means, for GROUP BY and HAVING.
func (b *reading) aliased(name string) Set {
	for _, c := range b.sc.shown {
		if c.Name == name {
			return c.Is
		}
	}
	return 0
}

// function reads a call.
func (b *reading) function(name string, open, hi int, m *meaning, counted bool) int {
	p := b.p
	end := min(int(p.match[open]), hi)
	next := min(end+1, hi)
	switch {
	case isAggregate(name):
		b.f.Counted = true
		b.counted(open+1, end, m)
	case isKeyword(name) || name == "case":
		m.plain = m.plain && name == "in"
		b.parens(open, end, open, next, m, counted)
	default:
		b.arguments(name, open+1, end)
		m.plain = m.plain && isHarmless(name)
		inner := meaning{constant: true, plain: true}
		b.walk(open+1, end, &inner, counted)
		m.set |= inner.set
		m.of |= inner.of
		m.columns += inner.columns
		m.plain = m.plain && inner.plain
	}
	for next < hi { // what may follow a call
		switch w := p.word(next); {
		case (w == "over" || w == "filter" || w == "group" || w == "keep") && p.at(next+1) == "(":
			stop := min(int(p.match[next+1]), hi)
			b.over(w, next+2, stop)
			if name == "row_number" || name == "rownum" {
				m.set |= SetOf(Row)
			}
			next = min(stop+1, hi)
		case w == "within" || w == "respect" || w == "nulls" || w == "over" && p.toks[min(next+1, hi-1)].kind == wordTok && next+1 < hi:
			next++
			if w == "over" { // a named window
				b.f.Counted = true
				next++
			}
		default:
			return next
		}
	}
	return next
}

// arguments reads the SQL that a function is given as a text to run, and the
// table it is told by name: query_to_xml('SELECT ...'), table_to_xml('t').
func (b *reading) arguments(name string, lo, hi int) {
	p := b.p
	switch name {
	case "length", "char_length", "octet_length", "md5", "sha1", "sha2", "concat", "concat_ws", "replace", "instr", "locate", "position", "strpos",
		"charindex", "patindex", "coalesce", "ifnull", "nvl", "isnull", "substr", "substring", "left", "right", "upper", "lower", "trim", "quote_literal",
		"json_object", "json_build_object", "cast", "convert", "hashbytes", "regexp_like", "to_char", "decode", "if", "iif", "nullif":
		return
	}
	for i := lo; i < hi; i++ {
		t := &p.toks[i]
		if t.kind != stringTok {
			continue
		}
		switch {
		case strings.HasPrefix(name, "table_to_xml"):
			o := &origin{}
			text := lower(t.text)
			o.table(p, text[strings.LastIndexByte(text, '.')+1:], "", false)
			p.hand(o.whole()...)
			p.dynamic = true
			return
		case formOf(t.text) == wholeSQL || formOf(t.text) == perhaps:
			text, _ := p.value(i, p.find(i, hi, ","))
			p.hidden(text)
			return
		}
	}
}

// counted reads what an aggregate counts; conditions inside tell it apart.
func (b *reading) counted(lo, hi int, m *meaning) {
	inner := meaning{constant: true}
	b.walk(lo, hi, &inner, true)
	m.set |= inner.set
	m.columns += inner.columns
	m.plain = false
	for i := lo; i < hi; i++ {
		switch b.p.word(i) {
		case "case", "if", "iif", "decode", "distinct", "nullif":
			b.f.Dims |= inner.set
		}
	}
	if b.p.at(lo) == "*" {
		m.columns++
	}
}

// over reads a window or filter: what it is counted by.
func (b *reading) over(what string, lo, hi int) {
	e := meaning{}
	at := lo
	if what == "over" {
		at = b.p.find(lo, hi, "partition")
		order := b.p.find(lo, hi, "order")
		if at > order {
			at = hi
		}
		b.walk(order, hi, &meaning{}, false)
		if at == hi {
			return // a number of the row alone counts nothing
		}
		hi = min(hi, order)
	}
	b.walk(at, hi, &e, true)
	b.f.Dims |= e.set
	b.f.Counted = true
}

// found is what a condition does.
type found struct {
	bound  members // the sources it ties to one patient
	narrow bool
	filter Set
}

// condition reads a condition. Only what stands under AND binds; of what
// stands under OR all must.
func (b *reading) condition(lo, hi int) found {
	p := b.p
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > 2*maxDepth || lo >= hi {
		p.strange = p.strange || lo < hi
		return found{}
	}
	parts := p.split(lo, hi, "or")
	if (p.dialect == MySQL || p.dialect == Generic) && len(parts) == 1 {
		parts = p.split(lo, hi, "||")
	}
	if len(parts) > 1 {
		out := found{bound: ^members(0), narrow: true}
		for _, s := range parts {
			f := b.condition(s.lo, s.hi)
			out.bound, out.narrow = out.bound&f.bound, out.narrow && f.narrow
			out.filter |= f.filter
		}
		return out
	}
	var out found
	for _, s := range p.conjuncts(lo, hi) {
		f := b.term(s.lo, s.hi)
		out.bound, out.narrow = out.bound|f.bound, out.narrow || f.narrow
		out.filter |= f.filter
	}
	return out
}

// conjuncts cuts at AND, but not inside of BETWEEN x AND y or CASE ... END.
func (p *parser) conjuncts(lo, hi int) []span {
	var out []span
	from, between, cases := lo, false, 0
	for i := lo; i < hi; i = p.after(i) {
		switch p.word(i) {
		case "between":
			between = true
		case "case":
			cases++
		case "end":
			cases--
		case "and":
			if between || cases > 0 {
				between = false
				continue
			}
			out = append(out, span{from, i})
			from = i + 1
		}
		if p.at(i) == "&&" {
			out = append(out, span{from, i})
			from = i + 1
		}
	}
	return append(out, span{from, hi})
}

// term reads one predicate, or a condition in parentheses.
func (b *reading) term(lo, hi int) found {
	p := b.p
	if lo >= hi {
		return found{}
	}
	if w := p.word(lo); w == "not" {
		f := b.term(lo+1, hi)
		return found{filter: f.filter, narrow: f.narrow}
	} else if w == "exists" && p.at(lo+1) == "(" {
		b.sc.touched = 0
		o := p.query(lo+2, min(int(p.match[lo+1]), hi), b.sc)
		b.nested(o)
		if !o.bound() {
			return found{narrow: true}
		}
		return found{bound: b.sc.touched, narrow: true}
	}
	if p.at(lo) == "(" && int(p.match[lo]) == hi-1 && p.word(lo+1) != "select" && p.word(lo+1) != "with" {
		return b.condition(lo+1, hi-1)
	}
	at, op := p.comparison(lo, hi)
	if op == "" {
		b.expr(lo, hi)
		return found{}
	}
	right := at + 1
	if op == "not" || op == "is" {
		right = p.skip(right, hi, "in", "like", "between", "not", "null", "ilike", "regexp", "rlike", "distinct", "from")
	}
	l := b.expr(lo, at)
	if op == "in" || op == "not" && p.word(right-1) == "in" {
		return b.in(l, op, right, hi)
	}
	if op == "between" {
		right = at + 1
	}
	r := b.expr(right, hi)
	b.numbers(l, right, hi)
	return b.compare(l, r, op)
}

// comparison finds the operator of a predicate.
func (p *parser) comparison(lo, hi int) (at int, op string) {
	cases := 0
	for i := lo; i < hi; i = p.after(i) {
		w := p.at(i)
		switch {
		case w == "case" && p.toks[i].kind == wordTok:
			cases++
		case w == "end" && p.toks[i].kind == wordTok:
			cases--
		case cases > 0 || p.toks[i].kind == quotedTok:
		case slices.Contains([]string{"=", "<", ">", "<=", ">=", "<>", "!=", "^=", "in", "like", "between", "is", "not", "ilike", "regexp", "rlike", "similar", "~", "overlaps"}, w):
			return i, w
		}
	}
	return hi, ""
}

// numbers notes the literals that drugs are compared with, and those that row
// numbers are compared with.
func (b *reading) numbers(l meaning, lo, hi int) {
	p := b.p
	if p.inner > 0 || l.columns == 0 {
		return
	}
	for i := lo; i < hi; i++ {
		t := &p.toks[i]
		if t.kind != numberTok && t.kind != stringTok {
			continue
		}
		if l.set.Has(Row) && t.kind == numberTok {
			p.page(i)
		}
		if l.set.Has(Drug) && len(p.reading.drugs) < 64 {
			p.reading.drugs = append(p.reading.drugs, int32(i))
		}
	}
}

// ofPatient are the numbers that make a statement one about a patient.
func ofPatient() Set { return SetOf(Patient, Visit, Prescription, Identity) }

func (b *reading) compare(l, r meaning, op string) found {
	if l.constant && !r.constant {
		l, r = r, l
	}
	switch {
	case r.constant && !l.constant:
		f := found{filter: l.set, narrow: !l.set.Any(SetOf(Row)) && op != "is" && op != "not"}
		if op == "=" && l.plain && l.set.Any(ofPatient()) {
			f.bound = l.of
		}
		return f
	case op == "=" && r.sub != nil:
		f := found{filter: l.set, narrow: true}
		if l.plain && l.set.Any(ofPatient()) && r.sub.bound() {
			f.bound = l.of
		}
		return f
	case op == "=" && (l.of == 0) != (r.of == 0): // for each row of the block around it
		b.f.Dims |= l.set | r.set
	case op == "=" && l.plain && r.plain && (l.set | r.set).Any(ofPatient()) && b.sc.from != nil:
		b.sc.from.link(l.of | r.of)
	}
	return found{}
}

// mostOf is how many numbers in a list are still a few.
const mostOf = 50

// in reads x IN (...).
func (b *reading) in(l meaning, op string, lo, hi int) found {
	p := b.p
	if p.at(lo) != "(" {
		b.expr(lo, hi)
		return b.tied(l, op == "in" && l.plain, l.set)
	}
	end := min(int(p.match[lo]), hi)
	if w := p.word(lo + 1); w == "select" || w == "with" || p.at(lo+1) == "(" && p.word(lo+2) == "select" {
		o := p.query(lo+1, end, b.sc)
		b.nested(o)
		filter := Set(0)
		for i := range o.Queries {
			filter |= o.Queries[i].Filter
		}
		if filter != 0 {
			filter |= l.set
		}
		return b.tied(l, op == "in" && l.plain && o.bound(), filter)
	}
	r := b.expr(lo+1, end)
	b.numbers(l, lo+1, end)
	few := len(p.split(lo+1, end, ",")) <= mostOf
	tuple := p.at(lo+1) == "("
	return b.tied(l, op == "in" && (l.plain || tuple) && few && (r.constant || tuple && r.columns == 0), l.set)
}

// tied is what a comparison with a list finds.
func (b *reading) tied(l meaning, binds bool, filter Set) found {
	f := found{filter: filter, narrow: true}
	if binds && l.set.Any(ofPatient()) {
		f.bound = l.of
	}
	return f
}

// bound says whether all that a subquery gives is about one patient.
func (o *Object) bound() bool {
	for i := range o.Queries {
		if !o.Queries[i].Bound {
			return false
		}
	}
	return len(o.Queries) > 0
}

// isKeyword lists words that stand in expressions and are no columns.
func isKeyword(w string) bool {
	switch w {
	case "and", "or", "not", "in", "is", "null", "like", "between", "exists", "case", "when", "then", "else", "end", "as", "asc", "desc",
		"distinct", "all", "any", "some", "true", "false", "interval", "partition", "by", "order", "rows", "range", "unbounded", "preceding",
		"following", "current", "row", "using", "escape", "collate", "over", "filter", "within", "nulls", "first", "last", "from", "for",
		"year", "month", "day", "hour", "minute", "second", "date", "timestamp", "at", "zone", "both", "leading", "trailing", "separator",
		"sysdate", "current_date", "current_timestamp", "systimestamp", "prior", "level", "where", "div", "mod", "xor", "regexp", "rlike", "ilike",
		"default", "unknown", "on", "group", "rollup", "cube", "grouping", "sets", "with", "ties", "only", "next", "siblings", "nocycle":
		return !strings.Contains("year month day date level first last row", w) || w == "row"
	}
	return false
}
