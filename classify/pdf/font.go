package pdf

import (
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// font turns codes into text and widths.
type font struct {
	bytes  int // of a code, where the map does not say
	text   map[uint32]string
	spaces [5]bool // lengths of codes that the map knows
	decode func(code []byte) string
	widths map[uint32]float64
	usual  float64
	blind  bool // codes cannot be turned into text
}

// mapMost bounds a font's map.
const mapMost = 1 << 17

func (f *file) font(v any) *font {
	d := f.dict(v)
	t := &font{bytes: 1, text: map[uint32]string{}, widths: map[uint32]float64{}, usual: 0.5}
	kind, _ := f.get(d["Subtype"]).(name)
	if kind == "Type0" {
		t.composite(f, d)
	} else {
		t.simple(f, d, kind == "Type3")
	}
	if s, ok := f.get(d["ToUnicode"]).(stream); ok {
		if b, _ := f.unpack(s); len(b) > 0 {
			t.toUnicode(b)
			t.blind = t.blind && len(t.text) == 0
		}
	}
	return t
}

// simple is a font whose codes are bytes.
func (t *font) simple(f *file, d dict, drawn bool) {
	t.decode = func(code []byte) string { return string(charmap.Windows1252.DecodeByte(code[0])) }
	unit := 0.001
	if m := f.list(d["FontMatrix"]); drawn && len(m) == 6 {
		if x, ok := f.get(m[0]).(float64); ok && x != 0 {
			unit = x
		}
	}
	first := toInt(f.get(d["FirstChar"]))
	for i, w := range f.list(d["Widths"]) {
		if x, ok := f.get(w).(float64); ok && i < 256 {
			t.widths[uint32(first+i)] = x * unit
		}
	}
	code := 0
	for _, v := range f.list(f.dict(d["Encoding"])["Differences"]) {
		switch v := f.get(v).(type) {
		case float64:
			code = int(v)
		case name:
			if s := glyph(string(v)); s != "" && code >= 0 && code < 256 {
				t.text[uint32(code)] = s
			}
			code++
		}
	}
}

// composite is a font whose codes are of several bytes. Those of the named maps
// for Chinese are GBK or UTF-16.
func (t *font) composite(f *file, d dict) {
	t.bytes, t.usual = 2, 1
	enc, _ := f.get(d["Encoding"]).(name)
	switch e := string(enc); {
	case strings.HasPrefix(e, "GB"):
		t.bytes = 0
		t.decode = func(code []byte) string {
			s, err := simplifiedchinese.GB18030.NewDecoder().Bytes(code)
			if err != nil {
				return ""
			}
			return string(s)
		}
	case strings.HasPrefix(e, "Uni"):
		t.decode = func(code []byte) string {
			return string(utf16.Decode([]uint16{uint16(code[0])<<8 | uint16(code[1])}))
		}
	default:
		t.blind = true
		t.decode = func([]byte) string { return "" }
	}
	for _, v := range f.list(d["DescendantFonts"]) {
		t.cidWidths(f, f.dict(v))
		return
	}
}

// cidWidths reads widths as they are listed: "first [w w w]", "first last w".
func (t *font) cidWidths(f *file, d dict) {
	if w, ok := f.get(d["DW"]).(float64); ok {
		t.usual = w / 1000
	}
	list := f.list(d["W"])
	for i := 0; i+1 < len(list) && len(t.widths) < mapMost; {
		first := toInt(f.get(list[i]))
		if each, ok := f.get(list[i+1]).(array); ok {
			for k, w := range each {
				if x, ok := f.get(w).(float64); ok {
					t.widths[uint32(first+k)] = x / 1000
				}
			}
			i += 2
			continue
		}
		if i+2 >= len(list) {
			return
		}
		last := toInt(f.get(list[i+1]))
		if x, ok := f.get(list[i+2]).(float64); ok {
			for k := first; k <= last && len(t.widths) < mapMost; k++ {
				t.widths[uint32(k)] = x / 1000
			}
		}
		i += 3
	}
}

// toUnicode reads a font's map.
func (t *font) toUnicode(b []byte) {
	l := &lexer{b: b}
	var args []any
	for {
		v, ok := l.next(0)
		if !ok {
			return
		}
		k, isWord := v.(keyword)
		if !isWord {
			if len(args) < 1024 {
				args = append(args, v)
			}
			continue
		}
		switch k {
		case "endcodespacerange":
			for _, a := range args {
				if s, ok := a.(str); ok && len(s) > 0 && len(s) <= 4 {
					t.spaces[len(s)] = true
					t.bytes = len(s)
				}
			}
		case "endbfchar":
			for i := 0; i+1 < len(args); i += 2 {
				t.put(code(args[i]), wideString(args[i+1]))
			}
		case "endbfrange":
			t.ranges(args)
		}
		args = args[:0]
	}
}

func (t *font) ranges(args []any) {
	for i := 0; i+2 < len(args); i += 3 {
		from, to := code(args[i]), code(args[i+1])
		if list, ok := args[i+2].(array); ok {
			for k, v := range list {
				t.put(from+uint32(k), wideString(v))
			}
			continue
		}
		first := []rune(wideString(args[i+2]))
		if len(first) == 0 || to < from || to-from > 1<<16 {
			continue
		}
		for c := from; c <= to; c++ {
			t.put(c, string(first))
			first[len(first)-1]++
		}
	}
}

func (t *font) put(code uint32, s string) {
	if len(t.text) < mapMost && s != "" {
		t.text[code] = s
	}
}

func code(v any) uint32 {
	s, _ := v.(str)
	n := uint32(0)
	for i := range min(len(s), 4) {
		n = n<<8 | uint32(s[i])
	}
	return n
}

// wideString decodes UTF-16BE.
func wideString(v any) string {
	s, _ := v.(str)
	u := make([]uint16, len(s)/2)
	for i := range u {
		u[i] = uint16(s[2*i])<<8 | uint16(s[2*i+1])
	}
	return string(utf16.Decode(u))
}

// take reads the first code of a string: its length, its text, its width.
func (t *font) take(s str) (n int, text string, width float64) {
	n = t.bytes
	if n == 0 { // GBK
		if n = 1; s[0] >= 0x81 && len(s) > 1 {
			n = 2
		}
	} else if t.spaces[1] && t.spaces[2] {
		if _, one := t.text[uint32(s[0])]; one {
			n = 1
		} else {
			n = 2
		}
	}
	n = min(n, len(s))
	c := code(s[:n])
	text, known := t.text[c]
	if !known && n >= min(t.bytes, 2) {
		text = t.decode([]byte(s[:n]))
	}
	if w, ok := t.widths[c]; ok {
		return n, text, w
	}
	return n, text, t.usual
}

// glyph is the character a glyph's name stands for.
func glyph(n string) string {
	if len(n) == 1 {
		return n
	}
	for _, prefix := range []string{"uni", "u"} {
		if hex, ok := strings.CutPrefix(n, prefix); ok && len(hex) >= 4 && len(hex) <= 6 {
			if v, err := strconv.ParseUint(hex[:min(len(hex), 6)], 16, 32); err == nil && v < 0x110000 {
				return string(rune(v))
			}
		}
	}
	const names = " space ! exclam \" quotedbl # numbersign $ dollar % percent & ampersand ' quotesingle ( parenleft ) parenright * asterisk + plus , comma - hyphen . period / slash 0 zero 1 one 2 two 3 three 4 four 5 five 6 six 7 seven 8 eight 9 nine : colon ; semicolon < less = equal > greater ? question @ at [ bracketleft \\ backslash ] bracketright _ underscore ’ quoteright ‘ quoteleft – endash — emdash fi fi fl fl "
	if i := strings.Index(names, " "+n+" "); i > 0 {
		return names[strings.LastIndexByte(names[:i], ' ')+1 : i]
	}
	if n == "space" {
		return " "
	}
	return ""
}
