package statement

import "strings"

// Mask takes the texts out of a statement that may name a person, and puts
// what token makes of each in their place, in the same quotes: the same text
// gives the same token, so that values can still be told apart. Numbers,
// times, patterns of one drug code and short codes of ASCII letters and digits
// stay, and so does SQL inside of strings, masked in turn. SQL that is put
// together from pieces (concatenation, char codes, hexadecimal, variables) is
// joined first and stands as one string then: of a piece alone nobody could
// say whether it is SQL or a name.
func Mask(text string, d Dialect, token func(string) string) string {
	m := &masker{dialect: d, token: token, room: 2*len(text) + 4096, work: 1 << 20}
	return m.text(text, 0, false)
}

// masker masks one text.
type masker struct {
	dialect Dialect
	token   func(string) string
	room    int // how many bytes joined strings may still take
	work    int // how many bytes of joined strings may still be looked at
}

// edit is what takes the place of tokens.
type edit struct {
	span
	text string
}

// text masks a text, which is SQL. Strict leaves no word that is not surely
// one of SQL.
func (m *masker) text(text string, depth int, strict bool) string {
	var s scanner
	text = text[:min(len(text), maxText)] // what is not read may hold anything
	s.reset(text, m.dialect)
	toks := s.all()
	p := &parser{text: text, dialect: s.d, toks: toks, reading: &Reading{}, vars: map[string]string{}}
	var edits []edit
	if depth < maxInner {
		p.pair()
		for _, sp := range p.statements() {
			edits = m.joins(p, sp, depth, edits)
		}
	}
	var b strings.Builder
	done := 0
	for i := 0; i < len(toks); i++ {
		b.WriteString(gap(text[done:toks[i].pos]))
		if len(edits) > 0 && edits[0].lo == i {
			b.WriteString(edits[0].text)
			i = edits[0].hi - 1
			edits = edits[1:]
		} else {
			b.WriteString(m.one(p, i, depth, strict))
		}
		done = toks[i].end
	}
	b.WriteString(gap(text[done:]))
	return b.String()
}

// one masks one token.
func (m *masker) one(p *parser, i, depth int, strict bool) string {
	t := &p.toks[i]
	old := p.written(i)
	switch t.kind {
	case stringTok:
		if harmlessText(t.text) || p.namesTable(i) {
			return old
		}
		return quoted(old, m.token(t.text))
	case numberTok:
		if len(t.text) >= 10 && strings.HasPrefix(t.text, "0x") && namesByHex(t.text) {
			return "'" + m.token(t.text) + "'"
		}
	case wordTok:
		if strict && !p.surelySQL(i) || depth > 0 && p.bareText(i) {
			return m.token(t.text)
		}
	case quotedTok:
		if strict && !p.surelySQL(i) && len(old) > 1 {
			return old[:1] + m.token(t.text) + old[:1]
		}
	}
	return old
}

// written is a token as it was written.
func (p *parser) written(i int) string { return p.text[p.toks[i].pos:p.toks[i].end] }

// namesByHex says whether a hexadecimal number may be the text of a name.
func namesByHex(digits string) bool {
	text, _ := hexText(digits)
	letters := 0
	for i := range len(text) {
		switch c := text[i] | 0x20; {
		case text[i] >= 0x80:
			return true
		case c >= 'a' && c <= 'z':
			letters++
		}
	}
	return letters > 4
}

// namesTable says whether a string stands where a table is named, and is a
// name that only a table has.
func (p *parser) namesTable(i int) bool {
	t := &p.toks[i]
	for k := range len(t.text) {
		if c := t.text[k]; !isWord(c) && c != '.' && c != '$' && c != '#' || c >= 0x80 {
			return false
		}
	}
	if t.dq && nameFollows(p.toks, i) || p.at(i+1) == "::" && p.word(i+2) == "regclass" {
		return true
	}
	for k := i - 1; k >= 0 && k > i-8 && p.at(k) != ";"; k-- {
		switch p.word(k) {
		case "sp_rename", "table_to_xml", "table_to_xml_and_xmlschema", "to_regclass":
			return true
		}
	}
	return false
}

// surelySQL says whether a word can be no word of a sentence.
func (p *parser) surelySQL(i int) bool {
	w := p.toks[i].text
	for k := range len(w) {
		if w[k] >= 0x80 {
			return false
		}
	}
	switch {
	case len(w) == 1, len(w) == 2 && (isDigit(w[1]) || w == "id" || p.at(i+1) == "." && strings.Contains(p.at(i+2), "_")), strings.ContainsAny(w, "_$#"), p.at(i+1) == "(", isSQLWord(w):
		return true
	}
	if p.at(i-1) == "." && i > 1 {
		q := p.toks[i-2].text
		return strings.Contains(q, "_") || len(q) <= 2 && q != "dr" && q != "mr" && q != "ms"
	}
	return false
}

// bareText says whether a word inside of a string stands where a value does:
// a name without quotes.
func (p *parser) bareText(i int) bool {
	if w := p.toks[i].text; len(w) == 0 || w[0] < 0x80 || i == 0 {
		return false
	}
	switch p.at(i - 1) {
	case "=", "<", ">", "<=", ">=", "<>", "!=", "like", "in":
		return true
	}
	return false
}

// joins finds the texts that are put together in a statement and masks those
// that are SQL; then it notes what the statement gives to variables.
func (m *masker) joins(p *parser, sp span, depth int, edits []edit) []edit {
	assigns := false
	for i := sp.lo; i < sp.hi; {
		w := p.at(i)
		assigns = assigns || w == ":=" || p.word(i) == "set" || p.word(i) == "declare"
		end := i
		if m.work > 0 {
			end = p.extent(i, sp.hi)
		}
		if end > i {
			if text, ok := m.joined(p, i, end, depth, assigns); ok {
				edits = append(edits, edit{span{i, end}, text})
				i = end
				continue
			}
		}
		i++
	}
	if assigns {
		p.assign(p.verb(sp.lo, sp.hi), sp.hi)
	}
	return edits
}

// joined is what takes the place of a text that is put together, where it is
// SQL: one string, and behind it the operands whose value nobody knows.
func (m *masker) joined(p *parser, lo, hi, depth int, fragments bool) (string, bool) {
	alone := hi == lo+1
	if k := p.toks[lo].kind; alone && k != stringTok && k != numberTok {
		return "", false // a variable
	}
	j := &joint{p: p}
	j.read(lo, hi)
	text := Fold(j.b.String())
	form := formOf(text)
	if form == noSQL && fragments && j.leads && goesOn(text) {
		form = fragment
	}
	if m.work -= len(text) + 10*(hi-lo); form == noSQL || form == fragment && !fragments || m.work < 0 {
		return "", false
	}
	masked := m.text(text, depth+1, form != wholeSQL)
	if alone && p.toks[lo].kind == stringTok {
		return m.fits(quoted(p.written(lo), p.escaped(masked)))
	}
	if v := j.first; v != "" { // what the variable has been given stands there already
		old := Fold(p.vars[v])
		m.work -= len(old)
		if before := m.text(old, depth+1, formOf(old) != wholeSQL); formOf(old) != noSQL && strings.HasPrefix(masked, before) {
			masked = masked[len(before):]
		} else {
			j.first = ""
		}
	}
	operands := []string{p.literal(masked)}
	if j.first != "" {
		operands = []string{j.first, operands[0]}
	}
	for n, u := range j.unknown {
		var b strings.Builder
		for i := u.lo; i < u.hi; i++ {
			b.WriteString(m.one(p, i, depth, false))
		}
		if n == 0 && u.lo == j.lead && j.leads {
			operands = append([]string{b.String()}, operands...)
		} else {
			operands = append(operands, b.String())
		}
	}
	return m.fits(p.concatenated(operands))
}

// fits counts what takes the place of tokens; joined strings must not make a
// text much longer than it was.
func (m *masker) fits(text string) (string, bool) {
	m.room -= len(text)
	return text, m.room >= 0
}

// literal is a text as a string of the dialect.
func (p *parser) literal(text string) string { return "'" + p.escaped(text) + "'" }

// escaped is a text as it stands between quotes.
func (p *parser) escaped(text string) string {
	if p.dialect == MySQL {
		text = strings.ReplaceAll(text, `\`, `\\`)
	}
	return strings.ReplaceAll(text, "'", "''")
}

// concatenated puts operands together as the dialect does.
func (p *parser) concatenated(operands []string) string {
	switch {
	case len(operands) == 1:
		return operands[0]
	case p.dialect == SQLServer:
		return strings.Join(operands, " + ")
	case p.dialect == MySQL:
		return "CONCAT(" + strings.Join(operands, ", ") + ")"
	}
	return strings.Join(operands, " || ")
}

// joint is a text that is put together.
type joint struct {
	p       *parser
	b       strings.Builder
	unknown []span
	// first is the variable it begins with; lead is where the operand begins
	// that stands before all others, when leads says that it is unknown.
	first string
	lead  int
	leads bool
	begun bool
}

// read goes through the operands.
func (j *joint) read(i, hi int) {
	p := j.p
	for i < hi && j.b.Len() < maxText {
		if w := p.word(i); (w == "concat" || w == "concat_ws") && p.at(i+1) == "(" && int(p.match[i+1]) > i {
			end := min(int(p.match[i+1]), hi)
			j.read(i+2, end)
			i = end + 1
			continue
		}
		end, part, ok := p.term(i, hi)
		end = min(max(end, i+1), hi)
		sign := p.toks[i].kind == opTok
		if p.toks[i].kind == numberTok && part != "" && !ok { // of another character set
			part, ok = strings.ToValidUTF8(part, "?"), true
		}
		switch {
		case !ok && !sign:
			end = max(end, p.operand(i, hi))
			if j.unknown = append(j.unknown, span{i, end}); part == "" && j.begun {
				part = " ? "
			}
			j.leads = j.leads || !j.begun
			if !j.begun {
				j.lead = i
			}
		case ok && !sign && !j.begun && p.toks[i].kind != stringTok && p.toks[i].kind != numberTok:
			if _, isVar := p.vars[p.toks[i].text]; isVar {
				j.first = p.toks[i].text
			}
		}
		j.begun = j.begun || !sign
		j.b.WriteString(part)
		i = end
	}
}

// operand is where the operand at i ends: a name with dots, a call, a group.
func (p *parser) operand(i, hi int) int {
	if p.at(i) == "(" {
		return min(p.after(i), hi)
	}
	for i+2 < hi && p.at(i+1) == "." {
		i += 2
	}
	if i+1 < hi && p.at(i+1) == "(" && p.toks[i].kind != stringTok {
		return min(p.after(i+1), hi)
	}
	return i + 1
}

// extent is where a text that begins at i with something known ends, i where
// there is none.
func (p *parser) extent(i, hi int) int {
	t := &p.toks[i]
	end := i
	_, isVar := p.vars[t.text]
	switch {
	case t.kind == stringTok, t.kind == numberTok && strings.HasPrefix(t.text, "0x"), t.kind != opTok && isVar:
		end = i + 1
	case t.kind == wordTok && p.at(i+1) == "(" && int(p.match[i+1]) > i && givesText(t.text):
		end = min(p.after(i+1), hi)
	default:
		return i
	}
	for end < hi {
		switch {
		case p.at(end) == "||" || p.at(end) == "+":
			if end+1 >= hi {
				return end
			}
			end = p.operand(end+1, hi)
		case p.toks[end].kind == stringTok && p.toks[end-1].kind == stringTok:
			end++
		default:
			return end
		}
	}
	return end
}

// givesText lists the functions whose text [parser.function] works out.
func givesText(w string) bool {
	switch w {
	case "char", "chr", "nchar", "unhex", "hextoraw", "from_hex", "from_base64", "decode", "reverse", "replace", "concat", "concat_ws", "cast",
		"cast_to_varchar2", "to_char", "lower", "upper", "trim", "convert_from", "rtrim", "ltrim", "format", "convert":
		return true
	}
	return false
}

// gap is what stands between two tokens. A comment with words becomes an empty
// one, except the opening of one that MySQL executes.
func gap(text string) string {
	for i := range len(text) {
		if c := text[i]; isWord(c) && !isDigit(c) && c != 'M' {
			return " /**/ "
		}
	}
	return text
}

// quoted is a new text in the quotes of the old one.
func quoted(old, body string) string {
	if i := strings.IndexByte(old, '$'); i == 0 {
		if j := strings.IndexByte(old[1:], '$'); j >= 0 {
			return old[:j+2] + strings.ReplaceAll(body, "''", "'") + old[:j+2]
		}
	}
	if strings.HasPrefix(old, `"`) {
		return `"` + body + `"`
	}
	prefix := ""
	if len(old) > 0 && (old[0]|0x20) == 'n' {
		prefix = "N"
	}
	return prefix + "'" + body + "'"
}

// harmlessText says whether a text surely names nobody: a code or a time of
// ASCII digits and signs with few letters, or no letter at all.
func harmlessText(s string) bool {
	if len(s) > 40 {
		return false
	}
	letters, run := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 0x80 || c < ' ':
			return false
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			letters++
			run = 0
		case isDigit(c):
			run++
			if run >= 11 { // a phone or identity number
				return false
			}
		default:
			run = 0
		}
	}
	return letters == 0 || letters <= 4 && strings.ContainsAny(s, "0123456789") || commonWord(s)
}

// commonWord lists literals of statements that are no data.
func commonWord(s string) bool {
	switch lower(s) {
	case "yyyy-mm-dd", "yyyy-mm", "yyyymmdd", "yyyymm", "%y-%m", "%y-%m-%d", "yyyy-mm-dd hh24:mi:ss", "yyyy/mm/dd", "month", "day", "year",
		"true", "false", "null", "utf8", "active", "valid", "yes":
		return true
	}
	return false
}
