package classify

import "unicode/utf8"

// TellingName says whether a name found elsewhere in a text may be taken for
// that person wherever it stands again: no ordinary word, no place, nothing of
// medicine. One Latin word of four letters or more, or a Chinese name.
func TellingName(name []byte) bool {
	if c, _ := utf8.DecodeRune(name); c >= zhFirst {
		return tellingChinese(name)
	}
	read := enTables()
	tokens := read.tokens(nil, name, 0, len(name))
	if len(tokens) != 1 || tokens[0].kind != enWord || utf8.RuneCount(name) < 4 {
		return false
	}
	p := enPage{read: &read, text: name}
	return !tokens[0].is(enOrdinary|enMedic|enEponym|enFunction|enPlace|enMonth|enWeekday|enTitle|enLabel) && !p.medical(&tokens[0])
}

// tellingChinese asks for three characters, or two that are no word.
func tellingChinese(name []byte) bool {
	x := theZhLexicon()
	var w zhWindow
	w.forward(name, 0, 8)
	if w.at[w.n] != len(name) || w.n < 2 || w.n > 6 || x.word(w.run()) != 0 {
		return false
	}
	v := zhView{z: &chinese{x: x}, text: name}
	return w.n > 2 || v.unusual(name)
}
