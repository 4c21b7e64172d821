package statement

import "strings"

// call reads EXEC, CALL, EXECUTE IMMEDIATE, EXECUTE '...', PREPARE and DO.
func (p *parser) call(lo, hi int) {
	i := lo + 1
	switch p.word(lo) {
	case "prepare": // PREPARE s FROM '...' (MySQL), PREPARE s AS SELECT (PostgreSQL)
		name := p.at(i)
		if from := p.find(i, hi, "from", "as"); p.word(from) == "from" && from < hi {
			text, _ := p.value(from+1, hi)
			p.vars["prepared "+name] = text
			p.hidden(text)
			return
		}
		if as := p.find(i, hi, "as"); as < hi {
			p.statement(as+1, hi)
		}
		return
	case "do":
		for k := i; k < hi; k++ {
			if p.toks[k].kind == stringTok {
				p.hidden(p.toks[k].text)
			}
		}
		return
	}
	immediate := p.word(i) == "immediate"
	if immediate {
		i++
	}
	if i >= hi {
		return
	}
	if immediate || p.word(lo) == "execute" && p.at(i+1) == "(" {
		if text, _ := p.value(i, p.find(i, hi, "into", "using", "bulk")); immediate || looksLikeSQL(text) {
			p.hidden(text)
			return
		}
	}
	if p.toks[i].kind == paramTok && p.at(i+1) == "=" { // EXEC @rc = proc
		i += 2
	}
	if t := p.toks[i].kind; t == stringTok || t == paramTok || p.at(i) == "(" || p.word(lo) != "call" && p.isVar(i) {
		end := p.find(i, hi, "into", "using", "at", "bulk")
		text, _ := p.value(i, end)
		p.hidden(text)
		return
	}
	p.procedure(i, hi)
}

func (p *parser) isVar(i int) bool {
	_, ok := p.vars[p.at(i)]
	return ok
}

// procedure reads the call of a named procedure. What its arguments hold may
// be SQL: sp_executesql, dbms_sql.parse, dbms_job.submit and their like.
func (p *parser) procedure(i, hi int) {
	_, name, next := p.tableName(i, hi)
	switch name {
	case "":
		return
	case "sp_rename":
		var names []string
		for k := next; k < hi; k++ {
			if t := &p.toks[k]; t.kind == stringTok {
				text := lower(t.text)
				names = append(names, text[strings.LastIndexByte(text, '.')+1:])
			}
		}
		if len(names) > 1 {
			p.alias(names[1], names[0])
		}
		return
	}
	p.reading.Calls = addName(p.reading.Calls, name)
	if o, ok := p.object(name); ok {
		p.reading.Known = true
		p.reading.add(Use{Name: name, Level: o.Level, Made: true})
		p.hand(o.Queries...)
	}
	args := p.split(next, hi, ",")
	if p.at(next) == "(" {
		args = p.split(next+1, min(int(p.match[next]), hi), ",")
	}
	for _, a := range args {
		if text, _ := p.value(a.lo, a.hi); looksLikeSQL(text) {
			p.hidden(text)
		}
	}
}

// procedural reads the other statements of procedural languages: variables,
// cursors, loops, conditions.
func (p *parser) procedural(lo, hi int) {
	p.assign(lo, hi)
	at := p.find(lo, hi, "select", "with", "execute", "exec", "call", "insert", "perform")
	switch {
	case at < hi && at > lo && (p.word(at) != "with" || p.at(at+1) != "("):
		p.statement(at, hi)
	case at < hi:
		p.inside(lo, hi)
	case p.word(lo) == "open":
		if f := p.find(lo, hi, "for"); f < hi {
			text, _ := p.value(f+1, hi)
			p.hidden(text)
		}
	case p.word(lo) != "" && p.at(lo+1) == "(" || p.at(lo+1) == "." && p.at(lo+3) == "(" || p.at(lo+3) == "." && p.at(lo+5) == "(":
		p.procedure(lo, hi)
		p.inside(lo, hi)
	default:
		p.inside(lo, hi)
	}
}

// inside reads the queries in parentheses.
func (p *parser) inside(lo, hi int) {
	for i := lo; i+1 < hi; i++ {
		if p.at(i) != "(" || int(p.match[i]) <= i {
			continue
		}
		if w := p.word(i + 1); w == "select" || w == "with" {
			end := min(int(p.match[i]), hi)
			p.hand(p.query(i+1, end, nil).Queries...)
			i = end
		}
	}
}

// assign remembers texts given to variables: SET @a = '...', v := '...',
// DECLARE @a varchar(99) = '...', SET @a = @a + '...'.
func (p *parser) assign(lo, hi int) {
	for _, s := range p.split(lo, hi, ",") {
		eq := s.lo
		for eq < s.hi && p.at(eq) != "=" && p.at(eq) != ":=" && p.word(eq) != "default" {
			eq++
		}
		if eq >= s.hi {
			continue
		}
		name := ""
		for i := s.lo; i < eq && name == ""; i++ {
			switch {
			case p.toks[i].kind == paramTok:
				name = p.toks[i].text
			case p.toks[i].kind == wordTok && p.word(i) != "set" && p.word(i) != "declare" && p.word(i) != "begin" && p.word(i) != "constant":
				name = p.toks[i].text
			}
		}
		if name != "" && len(p.vars) < 200 {
			text, _ := p.value(eq+1, s.hi)
			if p.at(eq-1) == "+" { // SET @a += '...'
				text = p.vars[name] + text
			}
			p.vars[name] = text[:min(len(text), maxText)]
		}
	}
}

// hidden reads SQL that was found in a string, as a part of this text.
func (p *parser) hidden(text string) {
	p.dynamic = true
	if p.inner >= maxInner || !looksLikeSQL(text) {
		return
	}
	p.reading.Hidden = true
	q := p.within(text)
	q.run()
	p.dynamic, p.strange = true, p.strange || q.strange
}

// elsewhere is the result of SQL that was sent to another database as a text.
func (p *parser) elsewhere(text string) *Object {
	p.dynamic = true
	if p.inner >= maxInner {
		return &Object{}
	}
	p.reading.Hidden = true
	q := p.within(text)
	q.vars, q.made = p.vars, p.made
	q.pair()
	return q.query(q.verb(0, len(q.toks)), len(q.toks), nil)
}

// maxSpent bounds how many bytes of strings are read as SQL in one text: each
// may run others, again and again, and what they cost would multiply.
const maxSpent = 1 << 20

// within is the parser of a text in a string. One beyond what may be spent is
// not read, and the whole counts as strange.
func (p *parser) within(text string) *parser {
	if p.spent == nil {
		p.spent = new(int)
	}
	if *p.spent += len(text) + 256; *p.spent > maxSpent {
		p.strange, text = true, ""
	}
	var s scanner
	s.reset(Fold(text), p.dialect)
	return &parser{reader: p.reader, dialect: p.dialect, toks: s.all(), reading: p.reading, vars: p.vars, made: p.made,
		inner: p.inner + 1, spent: p.spent, depth: p.depth, body: p.body, bodyName: p.bodyName}
}
