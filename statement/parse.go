package statement

import (
	"slices"
	"strings"
)

// parser reads the tokens of one text.
type parser struct {
	reader  *Reader
	dialect Dialect
	toks    []token
	match   []int32 // the closing parenthesis of an opening one, 0 none
	reading *Reading
	vars    map[string]string // texts given to variables
	text    string            // only while masking
	// dynamic: SQL was found in strings; strange: an input too deep.
	dynamic, strange bool
	inner            int  // how deep in strings
	spent            *int // bytes of strings read as SQL, of all depths together
	depth            int
	made             map[string]*Object // by this text
	body             *Object            // the procedure whose body is read
	bodyName         string
}

// span is a range of tokens.
type span struct{ lo, hi int }

func (p *parser) run() {
	if p.vars == nil {
		p.vars, p.made = map[string]string{}, map[string]*Object{}
	}
	p.pair()
	for _, s := range p.statements() {
		p.statement(s.lo, s.hi)
	}
	if p.inner == 0 {
		p.closeBody()
		p.flush()
		p.sets()
	}
}

// pair finds the closing parenthesis of every opening one.
func (p *parser) pair() {
	p.match = make([]int32, len(p.toks)+1)
	var open []int32
	for i := range p.toks {
		if p.toks[i].kind != opTok {
			continue
		}
		switch p.toks[i].text {
		case "(":
			open = append(open, int32(i))
		case ")":
			if n := len(open); n > 0 {
				p.match[open[n-1]] = int32(i)
				open = open[:n-1]
			}
		}
	}
	for _, i := range open { // those that never close reach to the end
		p.match[i] = int32(len(p.toks))
	}
}

// at is the text of a token that is no string; "" elsewhere.
func (p *parser) at(i int) string {
	if i < 0 || i >= len(p.toks) || p.toks[i].kind == stringTok {
		return ""
	}
	return p.toks[i].text
}

// word is the text of a bare word, "" for anything else.
func (p *parser) word(i int) string {
	if i < 0 || i >= len(p.toks) || p.toks[i].kind != wordTok {
		return ""
	}
	return p.toks[i].text
}

// after is the first token behind i, or behind its closing parenthesis.
func (p *parser) after(i int) int {
	if p.toks[i].kind == opTok && p.toks[i].text == "(" && int(p.match[i]) > i {
		return int(p.match[i]) + 1
	}
	return i + 1
}

// split cuts a range at a sign or word outside of parentheses.
func (p *parser) split(lo, hi int, by string) []span {
	var out []span
	from := lo
	for i := lo; i < hi; i = p.after(i) {
		if p.at(i) == by && p.toks[i].kind != quotedTok {
			out = append(out, span{from, i})
			from = i + 1
		}
	}
	return append(out, span{from, hi})
}

// find is the first of the words outside of parentheses, hi if none is there.
func (p *parser) find(lo, hi int, words ...string) int {
	for i := lo; i < hi; i = p.after(i) {
		if w := p.word(i); w != "" && slices.Contains(words, w) {
			return i
		}
	}
	return hi
}

// statements cuts a script. Blocks of procedural languages fall apart into
// their statements; where no semicolon stands between two, the verb begins the
// second one.
func (p *parser) statements() []span {
	var out []span
	from := 0
	for i := 0; i < len(p.toks); i = p.after(i) {
		switch {
		case p.at(i) == ";":
			out = append(out, span{from, i})
			from = i + 1
		case i > from && p.begins(from, i):
			out = append(out, span{from, i})
			from = i
		}
	}
	return append(out, span{from, len(p.toks)})
}

// begins says whether a verb at i begins a statement of its own, in the piece
// that began at from. T-SQL writes one statement after the other.
func (p *parser) begins(from, i int) bool {
	w := p.word(i)
	switch w {
	case "select", "insert", "update", "delete", "merge", "create", "drop", "declare", "set", "execute", "exec", "truncate":
	default:
		return false
	}
	first := p.word(from)
	switch first {
	case "grant", "revoke", "merge", "comment", "audit":
		return false
	}
	switch p.at(i - 1) {
	case "for", "on", "key", "do", "after", "before", "or", "of", "instead", "and", ",", ".", "(", "into", ":=", "not", "immediate", "returning":
		return false
	case "begin", "else", "loop", "go", "then":
		return w != "select" || p.find(from, i, "select") < i
	}
	switch {
	case w == "select":
		return !p.awaitsSelect(from, i)
	case first == "declare" || first == "set":
		return true
	case w == "set" || first == "insert" && (w == "exec" || w == "execute"):
		return false
	case first == "exec" || first == "insert" || first == "update" || first == "delete" || first == "drop" || first == "truncate":
		return true
	}
	return p.find(from, i, "select") < i || p.at(i-1) == ")" && first == "create"
}

// awaitsSelect says whether the piece so far goes on with a select.
func (p *parser) awaitsSelect(from, i int) bool {
	switch p.at(i - 1) {
	case "union", "all", "except", "intersect", "minus", "as", "is", "for", "distinct", "using", "query", "explain", "analyze",
		"then", "else", "begin", "loop", "return", ":=", "=", "in", "plan", "verbose", "format", "extended", "materialized":
		return true
	}
	first := from
	for p.word(first) == "begin" || p.word(first) == "explain" {
		first++
	}
	if before := p.find(first, i, "select"); before < i {
		return false
	}
	switch p.word(first) {
	case "insert", "with", "create", "replace", "merge", "copy", "open", "declare", "explain", "upsert", "cursor", "for", "if", "while", "prepare":
		return true
	}
	return false
}

// statement reads what stands between two semicolons.
func (p *parser) statement(lo, hi int) {
	lo = p.verb(lo, hi)
	if lo >= hi {
		return
	}
	w := p.word(lo)
	if p.reading.Verb == "" && p.inner == 0 {
		p.reading.Verb = w
	}
	switch w {
	case "select", "with", "table", "values":
		p.result(lo, hi)
	case "insert", "replace", "merge", "upsert":
		p.insert(lo, hi)
	case "update", "delete":
		p.change(lo, hi)
	case "create", "alter", "rename":
		p.create(lo, hi)
	case "copy":
		p.copy(lo, hi)
	case "exec", "execute", "call", "exec_sql", "perform", "do", "prepare":
		p.call(lo, hi)
	case "set", "declare", "open", "for", "if", "while", "return", "cursor":
		p.procedural(lo, hi)
	case "handler":
		p.read(lo+1, hi)
	case "drop", "truncate", "grant", "revoke", "commit", "rollback", "use", "show", "desc", "describe", "lock", "start", "savepoint":
	default:
		p.procedural(lo, hi)
	}
}

// verb skips what may stand before a statement. An explained statement is not
// run, unless it is analyzed.
func (p *parser) verb(lo, hi int) int {
	for lo < hi {
		switch p.at(lo) {
		case "begin", "then", "else", "loop", "end", "go", "{", "not", "atomic", "try", "catch", "(", "}":
			if p.at(lo) == "(" && p.word(lo+1) != "select" && p.word(lo+1) != "with" && p.at(lo+1) != "(" {
				return lo
			}
			lo++
		case "explain":
			if p.find(lo, hi, "analyze") == hi {
				return hi
			}
			lo = p.find(lo, hi, "select", "with", "insert", "update", "delete", "create", "execute")
		default:
			return lo
		}
	}
	return lo
}

// result reads a query whose rows are handed out or, with INTO, stored.
func (p *parser) result(lo, hi int) {
	o := p.query(lo, hi, nil)
	p.hand(o.Queries...)
	if name := p.into(lo, hi); name != "" {
		p.make(name, o)
	}
	if i := p.find(lo, hi, "into"); i+2 == hi && p.toks[i+1].kind == paramTok { // SELECT '...' INTO @q
		text, _ := p.value(lo+1, p.find(lo, hi, "into", "from"))
		p.vars[p.toks[i+1].text] = text
	}
}

// into is the table that SELECT INTO makes, "" for variables and files.
func (p *parser) into(lo, hi int) string {
	i := p.find(lo, hi, "into")
	if i+1 >= hi || p.find(lo, i, "select") == i {
		return ""
	}
	i++
	for slices.Contains([]string{"temp", "temporary", "unlogged", "table", "local", "global"}, p.word(i)) {
		i++
	}
	if p.word(i) == "outfile" || p.word(i) == "dumpfile" || i >= hi || p.toks[i].kind == paramTok {
		return ""
	}
	_, name, _ := p.tableName(i, hi)
	if _, isVar := p.vars[name]; isVar {
		return ""
	}
	if p.body != nil && p.dialect == Oracle { // PL/SQL stores into variables
		return ""
	}
	return name
}

// hand adds results.
func (p *parser) hand(fs ...Facts) {
	for _, f := range fs {
		if len(p.reading.Queries) < 200 {
			p.reading.Queries = append(p.reading.Queries, f)
		}
		if p.body != nil && len(p.body.Queries) < 50 {
			p.body.Queries = append(p.body.Queries, f)
		}
	}
}

// what is kept of an object
const (
	mostColumns = 100
	mostQueries = 20
)

// make notes an object made from a query; what it takes from no table is not
// worth it.
func (p *parser) make(name string, o *Object) {
	if name == "" || len(o.Queries) == 0 && o.Same == "" && !o.Routine {
		return
	}
	made := *o
	made.Name = name
	made.Columns = made.Columns[:min(len(made.Columns), mostColumns)]
	made.Queries = made.Queries[:min(len(made.Queries), mostQueries)]
	made.From = p.sources()
	made.From = made.From[:min(len(made.From), mostQueries)]
	for _, t := range p.reading.Tables {
		made.Level = max(made.Level, t.Level)
	}
	if t, ok := p.reader.table(name); ok { // what the catalog says of it counts
		made.Level = max(made.Level, t.Level)
	}
	p.made[name] = &made
}

// flush hands out what was made, in the order of the names.
func (p *parser) flush() {
	names := make([]string, 0, len(p.made))
	for n := range p.made {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		o := p.made[n]
		i := slices.IndexFunc(p.reading.Makes, func(x Object) bool { return x.Name == n })
		if i >= 0 {
			p.reading.Makes[i] = *o
		} else if len(p.reading.Makes) < 100 {
			p.reading.Makes = append(p.reading.Makes, *o)
		}
	}
}

func (p *parser) sources() []string {
	var out []string
	for _, t := range p.reading.Tables {
		out = addName(out, t.Name)
	}
	return out
}

// insert reads INSERT INTO t SELECT, MERGE INTO t USING (...), REPLACE INTO.
func (p *parser) insert(lo, hi int) {
	i := lo + 1
	for i < hi && slices.Contains([]string{"into", "ignore", "overwrite", "table", "all", "low_priority", "delayed"}, p.word(i)) {
		i++
	}
	_, name, next := p.tableName(i, hi)
	if p.word(lo) == "merge" {
		if u := p.find(next, hi, "using"); u < hi {
			o := p.from(u+1, p.find(u+1, hi, "on", "when"), nil).object()
			p.hand(o.Queries...)
			p.make(name, o)
		}
		return
	}
	var columns []string
	if p.at(next) == "(" && p.word(next+1) != "select" {
		for _, s := range p.split(next+1, min(int(p.match[next]), hi), ",") {
			columns = append(columns, p.at(s.lo))
		}
		next = p.after(next)
	}
	at := p.find(next, hi, "select", "with", "table", "exec", "execute", "call")
	if at == hi && p.at(next) == "(" {
		at = next
	}
	if at >= hi {
		return
	}
	if w := p.word(at); w == "exec" || w == "execute" || w == "call" {
		p.call(at, hi)
		return
	}
	o := p.query(at, p.find(at, hi, "on", "returning"), nil)
	if p.find(at, hi, "from") < p.find(at, hi, "on") || len(o.Queries) > 0 {
		o = p.query(at, hi, nil)
	}
	for c := range columns { // named by the table written to
		if c < len(o.Columns) {
			o.Columns[c].Name = columns[c]
		}
	}
	p.hand(o.Queries...)
	p.make(name, o)
}

// change reads the subqueries of UPDATE and DELETE, which show nothing, but
// what RETURNING and OUTPUT show.
func (p *parser) change(lo, hi int) {
	if set := p.find(lo, hi, "set"); set < hi { // what is written into the table
		p.inside(set, p.find(set, hi, "where"))
	}
	if at := p.find(lo, hi, "returning", "output"); at < hi {
		_, name, _ := p.tableName(p.skip(lo+1, hi, "from", "only"), hi)
		o := &origin{}
		o.table(p, name, "", false)
		w := p.find(lo, hi, "where")
		f := Facts{Kinds: o.kinds(), Shown: o.all()}
		if w < hi {
			b := &reading{p: p, sc: &scope{from: o}}
			c := b.condition(w+1, p.find(w+1, hi, "returning", "output"))
			f.Bound, f.Filter, f.Narrow = o.isBound(c.bound), c.filter, true
		}
		p.hand(f)
	}
}

func (p *parser) skip(i, hi int, words ...string) int {
	for i < hi && slices.Contains(words, p.word(i)) {
		i++
	}
	return i
}

// copy reads COPY t TO and COPY (SELECT ...) TO.
func (p *parser) copy(lo, hi int) {
	if p.find(lo, hi, "to") == hi {
		return // copied in
	}
	if p.at(lo+1) == "(" {
		o := p.query(lo+2, min(int(p.match[lo+1]), hi), nil)
		p.hand(o.Queries...)
		return
	}
	p.read(lo+1, hi)
}

// read is the whole of a table handed out.
func (p *parser) read(i, hi int) {
	schema, name, _ := p.tableName(i, hi)
	o := &origin{}
	o.table(p, name, schema, false)
	p.hand(o.whole()...)
}

// create reads what makes objects.
func (p *parser) create(lo, hi int) {
	what := p.find(lo, hi, "table", "view", "procedure", "proc", "function", "synonym", "trigger", "event", "package", "job", "snapshot")
	if what >= hi {
		p.procedural(lo+1, hi)
		return
	}
	i := p.skip(what+1, hi, "if", "not", "exists", "body", "only")
	_, name, next := p.tableName(i, hi)
	switch p.word(what) {
	case "procedure", "proc", "function", "trigger", "event", "package", "job":
		p.routine(name, next, hi)
	case "synonym":
		if f := p.find(next, hi, "for"); f < hi {
			_, same, _ := p.tableName(f+1, hi)
			p.alias(name, same)
		}
	default:
		p.createTable(name, lo, next, hi)
	}
}

func (p *parser) createTable(name string, lo, next, hi int) {
	if to := p.find(next, hi, "to"); p.word(lo) != "create" && to < hi {
		_, new, _ := p.tableName(to+1, hi)
		p.alias(new, name)
		return
	}
	var names []string
	if p.at(next) == "(" && p.word(next+1) != "select" && p.word(next+1) != "like" {
		for _, s := range p.split(next+1, min(int(p.match[next]), hi), ",") {
			names = append(names, p.at(s.lo))
		}
	}
	like := p.find(next, hi, "like")
	if p.at(next) == "(" && p.word(next+1) == "like" {
		like = next + 1
	}
	if like < hi {
		_, same, _ := p.tableName(like+1, hi)
		p.alias(name, same)
		return
	}
	at := p.find(next, hi, "select", "with", "table")
	if as := p.find(next, hi, "as"); as < hi && p.at(as+1) == "(" {
		at = as + 1
	} else if at < hi && p.word(at) == "with" && p.at(at+1) == "(" { // storage options
		at = p.find(at+1, hi, "select")
	}
	if at >= hi {
		return
	}
	o := p.query(at, hi, nil)
	for i, n := range names {
		if i < len(o.Columns) {
			o.Columns[i].Name = n
		}
	}
	p.hand(o.Queries...)
	p.make(name, o)
}

// alias notes another name of a table or object.
func (p *parser) alias(name, same string) {
	if name == "" || same == "" || name == same {
		return
	}
	o := &origin{}
	o.table(p, same, "", false)
	x := o.object()
	x.Same = same
	p.make(name, x)
}

// routine begins the body of a procedure: what it hands out is what calling it
// amounts to. The body reaches to the next routine or the end of the text.
func (p *parser) routine(name string, lo, hi int) {
	p.closeBody()
	p.body, p.bodyName = &Object{Routine: true}, name
	if at := p.find(lo, hi, "as", "is", "begin", "return", "do"); at < hi {
		p.bodyOf(at, hi)
	}
}

func (p *parser) closeBody() {
	if p.body != nil {
		p.make(p.bodyName, p.body)
	}
	p.body = nil
}

// bodyOf reads the first statement of a body, which stands behind AS, IS or
// BEGIN; in PostgreSQL the body is a string.
func (p *parser) bodyOf(at, hi int) {
	for i := at; i < hi; i++ {
		if t := &p.toks[i]; t.kind == stringTok && looksLikeSQL(t.text) {
			p.hidden(t.text)
		}
	}
	for at < hi && slices.Contains([]string{"as", "is", "begin", "return", "do"}, p.word(at)) {
		at++
	}
	p.statement(at, hi)
}

// tableName reads schema.table, with @link behind it. next is what follows.
func (p *parser) tableName(i, hi int) (schema, name string, next int) {
	for i < hi {
		t := &p.toks[i]
		if t.kind != wordTok && t.kind != quotedTok && !(t.kind == stringTok && t.dq) {
			break
		}
		if name != "" {
			schema = name
		}
		name = lower(t.text)
		i++
		if p.at(i) != "." {
			break
		}
		for p.at(i) == "." { // db..table
			i++
		}
	}
	if i < hi && i > 0 && p.toks[i].pos == p.toks[i-1].end && p.toks[i].kind == paramTok && strings.HasPrefix(p.toks[i].text, "@") && p.dialect != SQLServer && p.dialect != MySQL {
		i++ // table@link
	}
	return schema, name, i
}
