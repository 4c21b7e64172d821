package normalize

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/internal/jsonscan"
)

// cefStart and leefStart are where a CEF or LEEF header begins, or -1. It may
// follow a syslog header that was not understood.
func cefStart(msg []byte) int  { return headerStart(msg, "CEF:") }
func leefStart(msg []byte) int { return headerStart(msg, "LEEF:") }

func headerStart(msg []byte, mark string) int {
	i := bytes.Index(msg, []byte(mark))
	if i < 0 || i > 300 || i > 0 && isWordByte(msg[i-1]) {
		return -1
	}
	rest := msg[i+len(mark):]
	bar := bytes.IndexByte(rest, '|')
	if bar < 1 || bar > 5 {
		return -1
	}
	return i
}

func isWordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_'
}

// readCEF reads CEF:version|vendor|product|version|signature|name|severity|
// and key=value pairs. In the header \| and \\ are escapes, in the pairs also
// \=, \n and \r. A value ends before the next " key=". csN, cnN and their like
// take the name of their label.
func (d *device) readCEF(text string) {
	head, pairs := cefHeader(text[len("CEF:"):], 7)
	d.format = "CEF"
	d.setHeader(head[1], head[2], head[3], head[4], head[5])
	d.severity = cefSeverity(head[6])
	d.fields = labelled(cefPairs(pairs))
}

// cefHeader reads n parts ended by bars; what follows is the rest.
func cefHeader(s string, n int) (parts []string, rest string) {
	parts = make([]string, n)
	var b strings.Builder
	part := 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '|' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case s[i] == '|':
			parts[part] = strings.TrimSpace(b.String())
			b.Reset()
			if part++; part == n {
				return parts, s[i+1:]
			}
		default:
			b.WriteByte(s[i])
		}
	}
	parts[part] = strings.TrimSpace(b.String())
	return parts, ""
}

// cefPairs reads the extension: a key is a word directly before "="; its
// value runs to the next key.
func cefPairs(s string) []field {
	var list []field
	word, value := 0, 0 // where they begin; word is -1 within a value's first word
	end := func(at int) {
		if len(list) > 0 {
			list[len(list)-1].value = cefUnescape(strings.TrimSpace(s[value:at]))
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == ' ' || c == '\t':
			word = i + 1
		case c == '=' && word >= 0 && isKey(s[word:i]):
			end(word)
			list = append(list, field{key: s[word:i]})
			word, value = -1, i+1
		}
	}
	end(len(s))
	return list
}

// isKey says whether a word can be a key: letters of any script, digits and
// the signs some devices use.
func isKey(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isWordByte(c) && c < 0x80 && strings.IndexByte(".-[]@#", c) < 0 {
			return false
		}
	}
	return true
}

func cefUnescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	return strings.NewReplacer(`\\`, `\`, `\=`, `=`, `\|`, `|`, `\n`, "\n", `\r`, "\r").Replace(s)
}

// labelled renames cs1 by cs1Label and so on, and leaves the labels out.
func labelled(list []field) []field {
	labels := map[string]string{}
	for _, f := range list {
		if base, ok := strings.CutSuffix(f.key, "Label"); ok && f.value != "" {
			labels[base] = f.value
		}
	}
	if len(labels) == 0 {
		return list
	}
	kept := list[:0]
	for _, f := range list {
		base, isLabel := strings.CutSuffix(f.key, "Label")
		if isLabel && labels[base] != "" {
			continue
		}
		if label := labels[f.key]; label != "" {
			f.key = label
		}
		kept = append(kept, f)
	}
	return kept
}

// cefSeverity maps 0 to 10, or the words, to OCSF's severity.
func cefSeverity(s string) int {
	switch strings.ToLower(s) {
	case "low":
		return 2
	case "medium":
		return 3
	case "high":
		return 4
	case "very-high":
		return 5
	}
	n, err := strconv.Atoi(s)
	switch {
	case err != nil:
		return 0
	case n <= 3:
		return 1
	case n <= 6:
		return 3
	case n <= 8:
		return 4
	}
	return 5
}

// readLEEF reads LEEF:1.0|vendor|product|version|id| with pairs separated by
// tabs, and LEEF:2.0|vendor|product|version|id|delimiter| where the delimiter
// is a character or its code (x09, 0x5E).
func (d *device) readLEEF(text string) {
	head, pairs := cefHeader(text[len("LEEF:"):], 5)
	d.format = "LEEF"
	delimiter := "\t"
	if strings.HasPrefix(head[0], "2") {
		if part, rest, ok := strings.Cut(pairs, "|"); ok && len(part) <= 5 && !strings.Contains(part, "=") {
			delimiter, pairs = leefDelimiter(part), rest
		}
	}
	d.setHeader(head[1], head[2], head[3], head[4], "")
	if !strings.Contains(pairs, delimiter) && strings.Contains(pairs, `\t`) {
		delimiter = `\t` // a tab that was escaped on the way
	}
	for pair := range strings.SplitSeq(pairs, delimiter) {
		if key, value, ok := strings.Cut(pair, "="); ok {
			d.fields = append(d.fields, field{key: strings.TrimSpace(key), value: strings.TrimSpace(value)})
		}
	}
	d.fields = labelled(d.fields)
	for _, f := range d.fields {
		if f.key == "sev" || f.key == "severity" {
			d.severity = cefSeverity(f.value)
		}
	}
}

func leefDelimiter(s string) string {
	digits := strings.TrimPrefix(strings.TrimPrefix(s, "0"), "x")
	if len(digits) < len(s) && digits != "" {
		if code, err := strconv.ParseUint(digits, 16, 8); err == nil && code > 0 {
			return string(rune(code))
		}
	}
	if s == "" {
		return "\t"
	}
	return s
}

// pairBreaks separate key=value pairs in the logs of most devices.
const pairBreaks = " ,;|\t\r\n"

// readPairs reads key=value and key="value" pairs, separated by blanks,
// commas, semicolons or bars. A value without quotes runs to the next key;
// text around the pairs is the message.
func (d *device) readPairs(s string) {
	d.format = "key=value"
	var text []string
	word, from, open := 0, 0, false // open: the last field's value begins at from
	end := func(at int) {
		part := strings.Trim(s[from:at], pairBreaks)
		if open {
			d.fields[len(d.fields)-1].value = part
		} else if part = strings.Trim(part, " ([{"); part != "" {
			text = append(text, part)
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case strings.IndexByte(pairBreaks, c) >= 0 || !open && (c == '(' || c == '[' || c == '{'):
			word = i + 1
		case c == '=' && word >= 0 && isKey(s[word:i]):
			end(word)
			d.fields = append(d.fields, field{key: s[word:i]})
			word, from, open = -1, i+1, true
			if value, n, ok := quoted(s[i+1:]); ok {
				d.fields[len(d.fields)-1].value = value
				i += n
				word, from, open = i+1, i+1, false
			}
		}
	}
	end(len(s))
	d.text = strings.Join(text, " ")
}

// quoted reads a string in quotes at the start of s, with \" and \\ inside,
// and how many bytes it takes.
func quoted(s string) (value string, n int, ok bool) {
	if s == "" || s[0] != '"' && s[0] != '\'' {
		return "", 0, false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == s[0] || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case s[i] == s[0]:
			return b.String(), i + 1, true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0, false
}

// readJSON reads a JSON object with plain members, two levels of objects deep.
func (d *device) readJSON(msg []byte) bool {
	d.format = "JSON"
	var fields []field
	var s jsonscan.Scanner
	s.Reset(msg)
	readMembers(&s, &fields, "", 0)
	if s.Err() != nil {
		return false
	}
	d.fields = fields
	return true
}

func readMembers(s *jsonscan.Scanner, fields *[]field, prefix string, depth int) {
	if !s.Object() {
		return
	}
	for {
		name, ok := s.Member()
		if !ok {
			return
		}
		key := prefix + string(name)
		switch s.Kind() {
		case jsonscan.Object:
			if depth > 1 {
				s.Skip()
				continue
			}
			readMembers(s, fields, key+".", depth+1)
		case jsonscan.String:
			*fields = append(*fields, field{key: key, value: string(s.Text())})
		case jsonscan.Array:
			s.Skip()
		default:
			*fields = append(*fields, field{key: key, value: strings.Trim(string(s.Raw()), " ")})
		}
	}
}
