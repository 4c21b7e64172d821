package statement

import (
	"slices"
)

// origin is the FROM of a block: what its columns come from.
type origin struct {
	list []source
	// facts of the subqueries that the rows come from.
	facts Facts
	// bound are the sources that are about one patient, links those that
	// numbers of patients, visits or prescriptions join.
	bound members
	links []members
}

// source is one table, object or subquery.
type source struct {
	alias, name string
	table       *Table
	tableSet    Set // of all its columns
	object      *Object
	// outer: rows without a partner stay, so that its predicates bind nothing.
	outer bool
}

// scope is where names are looked up: the block, then the blocks around it.
type scope struct {
	parent *scope
	from   *origin
	ctes   map[string]*Object
	// shown are the columns of the select list, by alias.
	shown []Column
	// touched are sources of from that inner blocks named.
	touched members
}

func (s *scope) cte(name string) (*Object, bool) {
	for ; s != nil; s = s.parent {
		if o, ok := s.ctes[name]; ok {
			return o, true
		}
	}
	return nil, false
}

// query reads a query expression: WITH, set operations, blocks.
func (p *parser) query(lo, hi int, outer *scope) *Object {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth || lo >= hi {
		p.strange = true
		return &Object{}
	}
	sc := &scope{parent: outer, ctes: map[string]*Object{}}
	lo = p.with(lo, hi, sc)
	out := &Object{}
	for _, s := range p.branches(lo, hi) {
		o := p.branch(s.lo, s.hi, sc)
		for i, c := range o.Columns {
			switch {
			case i < len(out.Columns):
				out.Columns[i].Is |= c.Is
			case len(out.Columns) < 300:
				out.Columns = append(out.Columns, c)
			}
		}
		if len(out.Queries) < 50 {
			out.Queries = append(out.Queries, o.Queries...)
		}
	}
	return out
}

// with reads common table expressions and returns where the query begins.
func (p *parser) with(lo, hi int, sc *scope) int {
	if p.word(lo) != "with" {
		return lo
	}
	i := p.skip(lo+1, hi, "recursive")
	for i < hi {
		name := p.at(i)
		as := p.find(i, hi, "as")
		body := as + 1
		for body < hi && p.at(body) != "(" {
			body++
		}
		if body >= hi {
			return hi
		}
		end := min(int(p.match[body]), hi)
		sc.ctes[name] = &Object{Name: name} // known to itself when recursive
		o := p.query(body+1, end, sc)
		if p.at(i+1) == "(" {
			for k, s := range p.split(i+2, min(int(p.match[i+1]), hi), ",") {
				if k < len(o.Columns) {
					o.Columns[k].Name = p.at(s.lo)
				}
			}
		}
		sc.ctes[name] = o
		i = end + 1
		if p.at(i) != "," {
			break
		}
		i++
	}
	return i
}

// branches cuts a query at its set operations.
func (p *parser) branches(lo, hi int) []span {
	var out []span
	from := lo
	for i := lo; i < hi; i = p.after(i) {
		switch p.word(i) {
		case "union", "except", "intersect", "minus":
			out = append(out, span{from, i})
			from = p.skip(i+1, hi, "all", "distinct")
		}
	}
	return append(out, span{from, hi})
}

// branch reads one SELECT, a query in parentheses, or TABLE t.
func (p *parser) branch(lo, hi int, sc *scope) *Object {
	switch {
	case lo < hi && p.at(lo) == "(" && int(p.match[lo]) > lo:
		return p.query(lo+1, min(int(p.match[lo]), hi), sc)
	case p.word(lo) == "table" || p.word(lo) == "from": // DuckDB and MySQL 8
		schema, name, _ := p.tableName(lo+1, hi)
		o := &origin{}
		o.named(p, sc, name, schema, "", false)
		return o.object()
	case p.word(lo) == "exec" || p.word(lo) == "execute":
		p.call(lo, hi)
		return &Object{}
	case p.word(lo) != "select":
		at := p.find(lo, hi, "select")
		if at == hi {
			return &Object{}
		}
		lo = at
	}
	return p.block(lo, hi, sc)
}

// clause words, in any order they may come.
func isClause(w string) bool {
	switch w {
	case "into", "from", "where", "group", "having", "window", "qualify", "order", "limit", "offset", "fetch", "connect", "start", "for", "option", "procedure", "lock", "model":
		return true
	}
	return false
}

// block reads one SELECT.
func (p *parser) block(lo, hi int, outer *scope) *Object {
	b := &reading{p: p, sc: &scope{parent: outer, from: &origin{}}}
	clauses := p.clauses(lo, hi)
	for _, c := range clauses {
		if p.word(c.lo) == "from" {
			b.sc.from = p.from(c.lo+1, c.hi, b.sc)
		}
	}
	b.f = b.sc.from.facts
	for _, c := range clauses {
		if p.word(c.lo) == "select" {
			b.list(c.lo+1, c.hi)
		}
	}
	grouped := false
	for _, c := range clauses {
		grouped = grouped || p.word(c.lo) == "group"
		b.clause(c.lo, c.hi)
	}
	b.f.Kinds |= b.sc.from.kinds()
	b.f.Bound = b.sc.from.isBound(0)
	if b.distinct {
		b.f.Dims |= b.f.Shown
		b.f.Counted = true
	}
	b.f.Number = b.counts > 0 && b.counts == len(b.sc.shown) && b.f.Dims == 0 && !grouped
	out := &Object{Columns: b.sc.shown, Queries: []Facts{b.f}}
	if len(b.sc.from.list) == 0 && b.f.Kinds == 0 {
		out.Queries = nil
	}
	return out
}

// clauses cuts a SELECT; each span begins with its word.
func (p *parser) clauses(lo, hi int) []span {
	var out []span
	from := lo
	for i := lo + 1; i < hi; i = p.after(i) {
		w := p.word(i)
		if !isClause(w) || w == "for" && p.word(i+1) == "system_time" || w == "from" && p.word(i-1) == "distinct" && p.word(i-2) != "select" ||
			(w == "group" || w == "order") && p.word(i+1) != "by" && p.word(i+1) != "siblings" || p.at(i-1) == "." || p.at(i+1) == "." ||
			w != "from" && w != "where" && (p.at(i+1) == "," || p.at(i+1) == "=" || p.at(i-1) == ",") {
			continue
		}
		out = append(out, span{from, i})
		from = i
	}
	return append(out, span{from, hi})
}

// reading is a block being read.
type reading struct {
	p        *parser
	sc       *scope
	f        Facts
	distinct bool
	counts   int // columns of the result that are a number of rows
}

// list reads the select list.
func (b *reading) list(lo, hi int) {
	p := b.p
	for lo < hi {
		switch w := p.word(lo); w {
		case "distinct", "distinctrow", "unique":
			b.distinct = true
			lo++
			if p.word(lo) == "on" {
				lo = p.after(lo + 1)
			}
			continue
		case "all", "sql_no_cache", "straight_join", "sql_calc_found_rows", "percent":
			lo++
			continue
		case "top":
			b.f.Narrow = b.f.Narrow || p.toks[min(lo+1, hi-1)].kind == numberTok
			lo = p.after(min(lo+1, hi-1))
			continue
		}
		break
	}
	for _, s := range p.split(lo, hi, ",") {
		if s.lo < s.hi {
			b.item(s.lo, s.hi)
		}
	}
}

// item reads one expression of the select list.
func (b *reading) item(lo, hi int) {
	p := b.p
	if p.at(hi-1) == "*" {
		qualifier := ""
		if hi-lo >= 3 && p.at(hi-2) == "." {
			qualifier = p.at(hi - 3)
		}
		if hi-lo == 1 || qualifier != "" {
			for _, c := range b.sc.star(qualifier) {
				b.f.Shown |= c.Is
				b.sc.shown = append(b.sc.shown, c)
			}
			return
		}
	}
	if w := p.word(lo); (w == "count" || w == "count_big") && p.at(lo+1) == "(" && p.after(lo+1) >= hi-2 {
		b.counts++
	}
	e := b.expr(lo, hi)
	b.f.Shown |= e.set
	name := p.at(hi - 1)
	if t := &p.toks[hi-1]; t.kind == stringTok && hi-lo > 1 {
		name = lower(t.text)
	}
	if eq := lo + 1; eq < hi && p.at(eq) == "=" { // T-SQL: name = expression
		name = p.at(lo)
	}
	b.sc.shown = append(b.sc.shown, Column{Name: name, Is: e.set})
}

// clause reads one clause but SELECT and FROM.
func (b *reading) clause(lo, hi int) {
	p := b.p
	switch p.word(lo) {
	case "where", "connect", "start", "having", "qualify":
		at := p.skip(lo+1, hi, "by", "with", "nocycle")
		c := b.condition(at, hi)
		if p.word(lo) != "having" {
			b.sc.from.bound |= c.bound
		}
		b.f.Filter |= c.filter
		b.f.Narrow = b.f.Narrow || c.narrow
	case "group":
		b.group(p.skip(lo+1, hi, "by"), hi)
	case "order", "window":
		b.expr(p.skip(lo+1, hi, "by", "siblings"), hi)
	case "limit", "offset", "fetch":
		for i := lo + 1; i < hi; i++ {
			if p.toks[i].kind == numberTok {
				p.page(i)
			}
		}
		b.f.Narrow = b.f.Narrow || p.word(lo) == "limit"
	}
}

// page notes a number that says how far into a result a page reaches.
func (p *parser) page(i int) {
	if p.inner == 0 && len(p.reading.pages) < 8 {
		p.reading.pages = append(p.reading.pages, int32(i))
	}
}

// group reads GROUP BY: expressions, aliases, ordinals, ROLLUP and CUBE.
func (b *reading) group(lo, hi int) {
	p := b.p
	b.f.Counted = true
	for _, s := range p.split(lo, hi, ",") {
		if s.hi-s.lo == 1 && p.toks[s.lo].kind == numberTok {
			if n := number(p.toks[s.lo].text); n >= 1 && int(n) <= len(b.sc.shown) {
				b.f.Dims |= b.sc.shown[n-1].Is
			}
			continue
		}
		b.f.Dims |= b.expr(s.lo, s.hi).set
	}
}

// from reads a FROM clause.
func (p *parser) from(lo, hi int, sc *scope) *origin {
	o := &origin{}
	if sc == nil {
		sc = &scope{from: o}
	}
	inner := &scope{parent: sc.parent, ctes: sc.ctes, from: o}
	for _, s := range p.split(lo, hi, ",") {
		p.joins(s.lo, s.hi, o, inner)
	}
	return o
}

func isJoin(w string) bool {
	switch w {
	case "join", "straight_join", "apply":
		return true
	}
	return false
}

// joins reads a chain of joins.
func (p *parser) joins(lo, hi int, o *origin, sc *scope) {
	from, outer, loose := lo, false, p.find(lo, hi, "lateral", "using") < hi
	first := len(o.list)
	var conds []span
	var outers []bool
	flush := func(to int, next bool) {
		on := p.find(from, to, "on", "using")
		p.source(from, on, o, sc, outer)
		if on < to && p.word(on) == "on" {
			conds, outers = append(conds, span{on + 1, to}), append(outers, outer || next)
		}
	}
	for i := lo; i < hi; i = p.after(i) {
		if !isJoin(p.word(i)) {
			continue
		}
		begin, left, right := i, false, false
		for begin > from && slices.Contains([]string{"inner", "left", "right", "full", "outer", "cross", "natural", "lateral", "hash", "merge", "loop"}, p.word(begin-1)) {
			begin--
			left = left || p.word(begin) == "left" || p.word(begin) == "full" || p.word(begin) == "outer" && p.word(i) == "apply"
			right = right || p.word(begin) == "right" || p.word(begin) == "full"
		}
		flush(begin, false)
		if right {
			for k := range o.list {
				o.list[k].outer = true
			}
			o.bound = 0
		}
		if p.word(i) == "apply" || p.word(begin) == "natural" {
			loose = true
		}
		from, outer = i+1, left || right
	}
	flush(hi, false)
	if loose { // joined by all columns of the same name, or row by row
		for i := first + 1; i < len(o.list); i++ {
			o.link(member(i-1) | member(i))
		}
	}
	for i, c := range conds {
		b := &reading{p: p, sc: sc}
		got := b.condition(c.lo, c.hi)
		o.facts.Filter |= got.filter
		o.facts.Refs |= b.f.Refs
		if !outers[i] {
			o.bound |= got.bound
		}
		o.facts.Narrow = o.facts.Narrow || got.narrow && !outers[i]
	}
}

// source reads one member of a FROM clause.
func (p *parser) source(lo, hi int, o *origin, sc *scope, outer bool) {
	lo = p.skip(lo, hi, "lateral", "only", "table", "the", "outer")
	if lo >= hi {
		return
	}
	if p.at(lo) == "(" && int(p.match[lo]) > lo {
		end := min(int(p.match[lo]), hi)
		next := min(end+1, hi)
		deep := lo + 1
		for deep < end && p.at(deep) == "(" {
			deep++
		}
		first, before := p.word(lo+1), len(o.list)
		switch inner := p.word(deep); {
		case first == "select" || first == "with" || first == "table" || deep > lo+1 && (inner == "select" || inner == "with" || inner == "values") &&
			p.find(lo+1, end, "join", "straight_join") == end && len(p.split(lo+1, end, ",")) == 1:
			sub := p.query(lo+1, end, &scope{parent: sc})
			o.add(p, source{alias: p.aliasAt(next, hi), object: sub, outer: outer})
		case first == "values":
		default: // joins in parentheses, or TABLE(f(x))
			for _, s := range p.split(lo+1, end, ",") {
				p.joins(s.lo, s.hi, o, sc)
			}
			if alias := p.aliasAt(next, hi); alias != "" && len(o.list) == before+1 { // (table) alias
				o.list[before].alias = alias
			}
		}
		p.pivot(next, hi, o, sc)
		return
	}
	schema, name, next := p.tableName(lo, hi)
	if name == "" {
		return
	}
	if p.at(next) == "(" && int(p.match[next]) > next && p.word(next-1) != "with" {
		p.tableFunction(name, next, hi, o, sc, outer)
		return
	}
	o.named(p, sc, name, schema, p.aliasAt(next, hi), outer)
	p.pivot(next, hi, o, sc)
}

// aliasAt is the alias at a place, "" for none.
func (p *parser) aliasAt(i, hi int) string {
	i = p.sampled(i, hi)
	if p.word(i) == "as" && i < hi {
		i++
	}
	if i >= hi || p.toks[i].kind != wordTok && p.toks[i].kind != quotedTok {
		return ""
	}
	switch p.at(i) {
	case "with", "pivot", "unpivot", "use", "force", "ignore", "set", "where", "nolock":
		return ""
	}
	return p.at(i)
}

// sampled skips what may stand between a table and its alias: partitions,
// samples and former versions of it.
func (p *parser) sampled(i, hi int) int {
	for i < hi {
		switch w := p.word(i); {
		case w == "partition", w == "subpartition", w == "sample", w == "tablesample", w == "repeatable", w == "seed":
			if p.at(i+1) != "(" && p.at(i+2) == "(" { // TABLESAMPLE SYSTEM (100)
				i++
			}
			if p.at(i+1) != "(" {
				return i
			}
			i = min(p.after(i+1), hi)
		case w == "as" && p.word(i+1) == "of", w == "for" && p.word(i+1) == "system_time", w == "versions" && p.word(i+1) == "between":
			last := hi - 1
			if last > i+3 && (p.toks[last-1].kind != opTok || p.at(last-1) == ")") { // TIMESTAMP x alias
				return last
			}
			return hi
		default:
			return i
		}
	}
	return i
}

// pivot reads PIVOT (SUM(x) FOR y IN (...)), which counts.
func (p *parser) pivot(lo, hi int, o *origin, sc *scope) {
	at := p.find(lo, hi, "pivot", "unpivot")
	if at+1 >= hi || p.at(at+1) != "(" && p.at(at+2) != "(" {
		return
	}
	open := at + 1
	if p.at(open) != "(" {
		open++
	}
	b := &reading{p: p, sc: sc}
	e := b.expr(open+1, min(int(p.match[open]), hi))
	o.facts.Counted = true
	o.facts.Dims |= e.set
	o.facts.Refs |= b.f.Refs
}

// tableFunction reads a function in FROM: SQL sent elsewhere as a text, or a
// routine made earlier.
func (p *parser) tableFunction(name string, open, hi int, o *origin, sc *scope, outer bool) {
	end := min(int(p.match[open]), hi)
	for i := open + 1; i < end; i++ {
		if t := &p.toks[i]; t.kind == stringTok && looksLikeSQL(t.text) {
			sub := p.elsewhere(t.text)
			o.add(p, source{alias: p.aliasAt(end+1, hi), object: sub, outer: outer})
			return
		}
	}
	if at := p.find(open+1, end, "select"); at < end && at == open+1 { // TABLE(SELECT ...)
		o.add(p, source{object: p.query(at, end, &scope{parent: sc}), outer: outer})
		return
	}
	for i := open + 1; i+1 < end; i++ { // TABLE(CAST(MULTISET(SELECT ...)))
		if p.at(i) == "(" && p.word(i+1) == "select" && int(p.match[i]) > i {
			o.add(p, source{alias: p.aliasAt(end+1, hi), object: p.query(i+1, min(int(p.match[i]), end), &scope{parent: sc}), outer: outer})
			return
		}
	}
	if name == "table" || name == "lateral" {
		p.source(open+1, end, o, sc, outer)
		return
	}
	o.named(p, sc, name, "", p.aliasAt(end+1, hi), outer)
}

// add joins a source and what its subquery says.
func (o *origin) add(p *parser, s source) {
	if len(o.list) >= 100 {
		return
	}
	o.list = append(o.list, s)
	if s.object == nil {
		return
	}
	bound := len(s.object.Queries) > 0
	for i := range s.object.Queries {
		q := &s.object.Queries[i]
		bound = bound && q.Bound
		o.facts.Kinds |= q.Kinds
		o.facts.Dims |= q.Dims
		o.facts.Filter |= q.Filter
		o.facts.Refs |= q.Refs
		o.facts.Counted = o.facts.Counted || q.Counted
		o.facts.Narrow = o.facts.Narrow || q.Narrow && !s.outer
	}
	if bound && !s.outer {
		o.bound |= member(len(o.list) - 1)
	}
}

// link notes sources that are joined.
func (o *origin) link(m members) {
	if m&(m-1) != 0 && len(o.links) < 200 {
		o.links = append(o.links, m)
	}
}

// isBound says whether everything about prescriptions is joined with what is
// about one patient.
func (o *origin) isBound(also members) bool {
	reached := o.bound | also
	for grew := reached != 0; grew; {
		grew = false
		for _, m := range o.links {
			if m&reached != 0 && m&^reached != 0 {
				reached |= m
				grew = true
			}
		}
	}
	if reached == 0 {
		return false
	}
	for i := range o.list {
		if o.list[i].prescribing() && reached&member(i) == 0 {
			return false
		}
	}
	return true
}

// prescribing says whether a source is about prescriptions.
func (src *source) prescribing() bool {
	if src.table != nil {
		return src.table.Kind == Items || src.table.Kind == Prescriptions
	}
	if src.object == nil {
		return false
	}
	for i := range src.object.Queries {
		if q := &src.object.Queries[i]; !q.Bound && (q.Kinds.Has(Items) || q.Kinds.Has(Prescriptions)) {
			return true
		}
	}
	return false
}

// named joins a table, an object or a common table expression by name.
func (o *origin) named(p *parser, sc *scope, name, schema, alias string, outer bool) {
	if schema == "" {
		if c, ok := sc.cte(name); ok {
			o.add(p, source{alias: alias, name: name, object: c, outer: outer})
			return
		}
	}
	o.table(p, name, schema, outer)
	if n := len(o.list); n > 0 && alias != "" && o.list[n-1].name == name {
		o.list[n-1].alias = alias
	}
}

// table joins a table by name. What this text or an earlier one made is looked
// at before the patterns of the catalog, but after its names.
func (o *origin) table(p *parser, name, schema string, outer bool) {
	t, listed := p.reader.table(name)
	if !listed || t.Columns == nil || t.Like != "" {
		if x, ok := p.object(name); ok {
			p.reading.Known = true
			p.reading.add(Use{Name: name, Schema: schema, Level: x.Level, Made: true})
			o.add(p, source{name: name, object: x, outer: outer})
			return
		}
	}
	switch {
	case listed:
		p.reading.add(Use{Name: name, Schema: schema, Kind: t.Kind, Level: t.Level})
		o.add(p, source{name: name, table: t, tableSet: p.reader.catalog.All(t), outer: outer})
	case name != "" && name != "dual" && !p.reader.catalog.Ignored(name) && !p.reader.catalog.Ignored(schema+"."+name):
		p.reading.Unmapped = addName(p.reading.Unmapped, name)
		o.add(p, source{name: name, outer: outer})
	}
}

// object finds what was made under a name, by this text or before.
func (p *parser) object(name string) (*Object, bool) {
	for range 4 {
		x, ok := p.made[name]
		if !ok {
			x, ok = p.reader.known(name)
		}
		if !ok {
			return nil, false
		}
		if x.Same == "" || len(x.Queries) > 0 {
			return x, true
		}
		name = x.Same
	}
	return nil, false
}

func (o *origin) kinds() Kinds {
	k := o.facts.Kinds
	for i := range o.list {
		if t := o.list[i].table; t != nil {
			k |= KindsOf(t.Kind)
		}
	}
	return k
}

// all are the classes of all columns.
func (o *origin) all() Set {
	var s Set
	for i := range o.list {
		if x := o.list[i].object; x != nil {
			for _, c := range x.Columns {
				s |= c.Is
			}
			for _, q := range x.Queries {
				s |= q.Shown
			}
		}
		s |= o.list[i].tableSet
	}
	return s
}

// whole is what SELECT * hands out.
func (o *origin) whole() []Facts { return o.object().Queries }

// object is the origin as SELECT * gives it.
func (o *origin) object() *Object {
	f := o.facts
	f.Kinds, f.Bound = o.kinds(), o.isBound(0)
	out := &Object{}
	sc := &scope{from: o}
	for _, c := range sc.star("") {
		f.Shown |= c.Is
		out.Columns = append(out.Columns, c)
	}
	if f.Kinds != 0 {
		out.Queries = []Facts{f}
	}
	return out
}
