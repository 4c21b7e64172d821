package sigma

import "strings"

// filled writes a text in all ways its placeholders (%NAME%) can be filled.
// Names without a list are returned as missing; the text then fits nothing. A
// percent sign that no other closes is itself.
func (c *compiler) filled(text string) (texts []string, missing []string) {
	texts = []string{""}
	for text != "" {
		before, name, after, ok := placeholder(text)
		if !ok {
			return times(texts, []string{text}), missing
		}
		list, known := c.lists[strings.ToLower(name)]
		if !known {
			missing = append(missing, name)
		}
		texts = times(times(texts, []string{before}), list)
		text = after
	}
	return texts, missing
}

// placeholder finds the first %NAME% of a text.
func placeholder(text string) (before, name, after string, ok bool) {
	from := strings.IndexByte(text, '%')
	if from < 0 {
		return "", "", "", false
	}
	n := strings.IndexByte(text[from+1:], '%')
	if n <= 0 {
		return "", "", "", false
	}
	end := from + 1 + n
	return text[:from], text[from+1 : end], text[end+1:], true
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
