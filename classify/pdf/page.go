package pdf

import (
	"math"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	// formsDeep is how deeply forms may be drawn within forms.
	formsDeep = 12
	// textMost bounds the text of one page.
	textMost = 16 << 20
	// operatorsMost bounds the work for one page, forms drawn again included.
	operatorsMost = 20 << 20
)

// matrix is a transformation: a b c d e f.
type matrix [6]float64

func (m matrix) times(n matrix) matrix {
	return matrix{
		m[0]*n[0] + m[1]*n[2], m[0]*n[1] + m[1]*n[3],
		m[2]*n[0] + m[3]*n[2], m[2]*n[1] + m[3]*n[3],
		m[4]*n[0] + m[5]*n[2] + n[4], m[4]*n[1] + m[5]*n[3] + n[5],
	}
}

func one() matrix { return matrix{1, 0, 0, 1, 0, 0} }

// painter draws a page, and keeps what it writes.
type painter struct {
	f     *file
	fonts map[any]*font
	out   []byte
	work  int
	// images are drawn on the page, in order; blind says that some of its text
	// cannot be decoded.
	images []stream
	blind  bool
	x, y   float64 // where the last text ended
	begun  bool
}

// state is what q keeps and Q brings back.
type state struct {
	ctm     matrix
	font    *font
	size    float64
	leading float64
	gap     float64 // between characters
	word    float64
	scale   float64
}

// draw follows the operators of a content stream.
func (p *painter) draw(content []byte, resources dict, ctm matrix, depth int) {
	l := &lexer{b: content}
	s := state{ctm: ctm, scale: 1}
	var stack []state
	var args []any
	tm, line := one(), one()
	for p.work < operatorsMost && len(p.out) < textMost {
		v, ok := l.next(0)
		if !ok {
			return
		}
		op, isWord := v.(keyword)
		if !isWord {
			if len(args) < 512 {
				args = append(args, v)
			}
			continue
		}
		p.work++
		switch op {
		case "q":
			if len(stack) < 256 {
				stack = append(stack, s)
			}
		case "Q":
			if n := len(stack); n > 0 {
				s, stack = stack[n-1], stack[:n-1]
			}
		case "cm":
			if m, ok := toMatrix(args); ok {
				s.ctm = m.times(s.ctm)
			}
		case "BT":
			tm, line = one(), one()
		case "Tm":
			if m, ok := toMatrix(args); ok {
				tm, line = m, m
			}
		case "Td", "TD":
			if op == "TD" {
				s.leading = -number(args, 1)
			}
			line = matrix{1, 0, 0, 1, number(args, 0), number(args, 1)}.times(line)
			tm = line
		case "T*", "'", "\"":
			line = matrix{1, 0, 0, 1, 0, -s.leading}.times(line)
			tm = line
			p.show(&s, &tm, args)
		case "Tj", "TJ":
			p.show(&s, &tm, args)
		case "Tf":
			if len(args) >= 2 {
				s.font, s.size = p.font(resources, args[0]), number(args, 1)
			}
		case "TL":
			s.leading = number(args, 0)
		case "Tc":
			s.gap = number(args, 0)
		case "Tw":
			s.word = number(args, 0)
		case "Tz":
			s.scale = number(args, 0) / 100
		case "Do":
			if len(args) > 0 {
				p.object(resources, args[0], s.ctm, depth)
			}
		case "BI":
			p.inline(l)
		}
		args = args[:0]
	}
}

func number(args []any, i int) float64 {
	if i >= len(args) {
		return 0
	}
	f, _ := args[i].(float64)
	return f
}

func toMatrix(args []any) (m matrix, ok bool) {
	if len(args) < 6 {
		return m, false
	}
	for i := range m {
		m[i] = number(args, i)
	}
	return m, true
}

func (p *painter) font(resources dict, n any) *font {
	key, _ := n.(name)
	v := p.f.dict(resources["Font"])[string(key)]
	var id any = v
	if _, isRef := v.(ref); !isRef {
		id = string(key) // within one set of resources
		delete(p.fonts, id)
	}
	if t := p.fonts[id]; t != nil {
		return t
	}
	t := p.f.font(v)
	if len(p.fonts) < 4096 {
		p.fonts[id] = t
	}
	return t
}

// show writes the strings among the operands.
func (p *painter) show(s *state, tm *matrix, args []any) {
	if s.font == nil || len(args) == 0 {
		return
	}
	last := args[len(args)-1]
	list, isList := last.(array)
	if !isList {
		list = array{last}
	}
	for _, v := range list {
		switch v := v.(type) {
		case float64:
			move(tm, -v/1000*s.size*s.scale)
		case str:
			p.write(s, tm, v)
		}
	}
}

func move(tm *matrix, x float64) {
	*tm = matrix{1, 0, 0, 1, x, 0}.times(*tm)
}

// write appends a string, after a line break or a space where it stands lower
// or further on than the last one ended.
func (p *painter) write(s *state, tm *matrix, text str) {
	m := tm.times(s.ctm)
	height := math.Abs(s.size) * math.Hypot(m[2], m[3])
	if height == 0 {
		height = 1
	}
	if p.begun {
		switch {
		case math.Abs(m[5]-p.y) > 0.5*height:
			p.out = append(p.out, '\n')
		case m[4]-p.x > 0.2*height, p.x-m[4] > 2*height:
			p.blank()
		}
	}
	for len(text) > 0 {
		n, t, width := s.font.take(text)
		if t == "" && s.font.blind {
			p.blind = true
		}
		p.out = appendPlain(p.out, t)
		advance := (width*s.size + s.gap) * s.scale
		if n == 1 && text[0] == ' ' {
			advance += s.word * s.scale
		}
		move(tm, advance)
		text = text[n:]
	}
	end := tm.times(s.ctm)
	p.x, p.y, p.begun = end[4], end[5], true
}

// appendPlain appends a text with radicals and ligatures, which fonts name where
// they mean characters, brought back to these.
func appendPlain(dst []byte, text string) []byte {
	for _, r := range text {
		switch {
		case r >= 0x2e80 && r <= 0x2eff:
			dst = utf8.AppendRune(dst, radical(r))
		case r >= 0x2f00 && r <= 0x2fdf, r >= 0xfb00 && r <= 0xfb06:
			dst = norm.NFKC.AppendString(dst, string(r))
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

// radical is the character of a radical of the supplement, which Unicode does
// not decompose.
func radical(r rune) rune {
	const pairs = "⻚页⻓长⻔门⻢马⻛风⻝食⻅见⻉贝⻋车⻥鱼⻦鸟⻄西⻘青⻩黄⻬齐⻮齿⻰龙⻳龟⺠民⺟母⻤鬼⻣骨⻨麦⻙韦⻜飞⻆角⻁虎⻒镸⻖阝⻟食⻡首⻭齿⻯龙⻵龟⺼月⺶羊"
	if i := strings.IndexRune(pairs, r); i >= 0 {
		after, _ := utf8.DecodeRuneInString(pairs[i+utf8.RuneLen(r):])
		return after
	}
	return r
}

// blank writes a space, if there is none.
func (p *painter) blank() {
	if n := len(p.out); n > 0 && p.out[n-1] != ' ' && p.out[n-1] != '\n' {
		p.out = append(p.out, ' ')
	}
}

// object draws a form, or takes note of an image.
func (p *painter) object(resources dict, n any, ctm matrix, depth int) {
	key, _ := n.(name)
	s, ok := p.f.get(p.f.dict(resources["XObject"])[string(key)]).(stream)
	if !ok || depth >= formsDeep {
		return
	}
	switch kind, _ := p.f.get(s.dict["Subtype"]).(name); kind {
	case "Image":
		if len(p.images) < 256 {
			p.images = append(p.images, s)
		}
	case "Form":
		b, _ := p.f.unpack(s)
		if m, ok := toMatrix(p.f.list(s.dict["Matrix"])); ok {
			ctm = m.times(ctm)
		}
		inner := p.f.dict(s.dict["Resources"])
		if len(inner) == 0 {
			inner = resources
		}
		p.draw(b, inner, ctm, depth+1)
	}
}

// inline passes over an image within the content.
func (p *painter) inline(l *lexer) {
	for i := l.at; i+3 < len(l.b); i++ {
		if isSpace(l.b[i]) && l.b[i+1] == 'E' && l.b[i+2] == 'I' && (isSpace(l.b[i+3]) || i+4 == len(l.b)) {
			l.at = i + 3
			return
		}
	}
	l.at = len(l.b)
}
