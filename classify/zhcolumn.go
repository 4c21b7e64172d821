package classify

import "bytes"

// column finds the names below a heading of a table in text: a line of cells
// with "姓名" among them, and in the lines below the cell of the same number.
func (v *zhView) column(at, end int) {
	begin := bytes.LastIndexByte(v.text[:at], '\n') + 1
	stop := bytes.IndexByte(v.text[end:], '\n')
	if stop < 0 {
		return
	}
	if below := v.text[end+stop+1:]; len(below) == 0 || below[0] == '\n' || bytes.IndexByte(below, '\n') < 0 {
		return
	}
	heading := v.text[begin : end+stop]
	part := zhCellPart(heading)
	if part == "" {
		return
	}
	number, cells := zhCellOf(heading, part, at-begin)
	if cells < 3 {
		return
	}
	for line := end + stop + 1; line < len(v.text); {
		next := bytes.IndexByte(v.text[line:], '\n')
		if next < 0 {
			return
		}
		from, to := zhCell(v.text[line:line+next], part, number)
		if from == to {
			return
		}
		v.cell(line+from, line+to)
		line += next + 1
	}
}

// cell adds the names of a cell: all of it, or a list.
func (v *zhView) cell(from, to int) {
	for p := from; p < to; {
		end, _ := v.value(p, zhByLabel-10)
		if end < 0 || end > to {
			return
		}
		v.add(p, end, Name, 90, ByLabel)
		if p = v.listed(end); p < 0 {
			return
		}
	}
}

// zhCellPart is what parts the cells of a heading, empty where nothing does.
func zhCellPart(line []byte) string {
	for _, part := range []string{"\t", "|", "｜", ",", "  ", "　", " "} {
		if bytes.Count(line, []byte(part)) >= 2 {
			return part
		}
	}
	return ""
}

// zhCells calls yield with the bounds of each cell, blanks trimmed; where the
// part is a blank, several are one.
func zhCells(line []byte, part string, yield func(from, to int) bool) {
	blank := part == " " || part == "  " || part == "　"
	for from := 0; from <= len(line); {
		to := bytes.Index(line[from:], []byte(part))
		next := len(line) + 1
		if to < 0 {
			to = len(line)
		} else {
			to += from
			next = to + len(part)
		}
		a, b := from, to
		for a < b && (line[a] == ' ' || line[a] == '\r') {
			a++
		}
		for b > a && (line[b-1] == ' ' || line[b-1] == '\r') {
			b--
		}
		if (!blank || a < b) && !yield(a, b) {
			return
		}
		from = next
	}
}

// zhCellOf gives the number of the cell at an offset, and how many there are.
func zhCellOf(line []byte, part string, at int) (number, cells int) {
	number = -1
	zhCells(line, part, func(from, to int) bool {
		if from <= at && at < to {
			number = cells
		}
		cells++
		return true
	})
	return number, cells
}

// zhCell gives the bounds of a cell by its number.
func zhCell(line []byte, part string, number int) (from, to int) {
	n := 0
	zhCells(line, part, func(a, b int) bool {
		if n == number {
			from, to = a, b
			return false
		}
		n++
		return true
	})
	return from, to
}
