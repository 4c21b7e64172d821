package sigma

import "strings"

// filled writes a text in all ways its placeholders (%NAME%) can be filled.
// Names without a list are returned as missing; the text then fits nothing. A
// percent sign that no other closes, or one behind a backslash, is itself.
func (c *compiler) filled(text string) (texts []string, missing []string) {
	texts = []string{""}
	for text != "" {
		before, name, after, ok := placeholder(text)
		texts = times(texts, []string{strings.ReplaceAll(before, `\%`, "%")})
		if !ok {
			return texts, missing
		}
		list, known := c.lists[strings.ToLower(name)]
		if !known {
			missing = append(missing, name)
		}
		texts = times(texts, list)
		text = after
	}
	return texts, missing
}

// placeholder finds the first %NAME% of a text; without one, all stands before
// it.
func placeholder(text string) (before, name, after string, ok bool) {
	from := percent(text, 0)
	to := percent(text, from+1)
	if to <= from+1 || to >= len(text) {
		return text, "", "", false
	}
	return text[:from], text[from+1 : to], text[to+1:], true
}

// percent is where the next percent sign stands that no backslash is before.
func percent(s string, from int) int {
	for i := from; i < len(s); i++ {
		if s[i] == '%' && (i == 0 || s[i-1] != '\\') {
			return i
		}
	}
	return len(s)
}

// maxFilled bounds how many texts one value with placeholders may become.
const maxFilled = 100_000

func times(heads, tails []string) []string {
	out := make([]string, 0, min(len(heads)*len(tails), maxFilled))
	for _, a := range heads {
		for _, b := range tails {
			if len(out) < maxFilled {
				out = append(out, a+b)
			}
		}
	}
	return out
}
