package sqlpoll

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// cursor is a value of the cursor column: a number, a time, or text.
type cursor struct {
	kind byte // 'n', 't', 's'; 0 is none yet
	n    int64
	t    time.Time
	s    string
}

const cursorTime = "2006-01-02T15:04:05.999999999Z07:00"

// toCursor takes a value as the driver gave it.
func toCursor(v any) (cursor, error) {
	switch v := v.(type) {
	case int64:
		return cursor{kind: 'n', n: v}, nil
	case float64:
		return cursor{kind: 'n', n: int64(v)}, nil
	case time.Time:
		return cursor{kind: 't', t: v}, nil
	case []byte:
		return textCursor(string(v)), nil
	case string:
		return textCursor(v), nil
	}
	return cursor{}, errors.New("the cursor column is null or of a type that cannot be ordered; choose a number or time column that is never null")
}

func textCursor(s string) cursor {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return cursor{kind: 'n', n: n}
	}
	return cursor{kind: 's', s: s}
}

// String and parseCursor keep a cursor between runs.
func (c cursor) String() string {
	switch c.kind {
	case 'n':
		return "n " + strconv.FormatInt(c.n, 10)
	case 't':
		return "t " + c.t.Format(cursorTime)
	case 's':
		return "s " + c.s
	}
	return ""
}

func parseCursor(text string) (cursor, error) {
	kind, value, ok := strings.Cut(text, " ")
	if !ok {
		return cursor{}, nil
	}
	switch kind {
	case "n":
		n, err := strconv.ParseInt(value, 10, 64)
		return cursor{kind: 'n', n: n}, err
	case "t":
		t, err := time.Parse(cursorTime, value)
		return cursor{kind: 't', t: t}, err
	case "s":
		return cursor{kind: 's', s: value}, nil
	}
	return cursor{}, fmt.Errorf("saved cursor of kind %q", kind)
}

// start reads the configuration's Start.
func start(text string) cursor {
	if text == "" {
		return cursor{}
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return cursor{kind: 't', t: t}
	}
	return textCursor(text)
}

// overlap is how far behind the last row a poll begins.
type overlap struct {
	steps int64
	span  time.Duration
}

func parseOverlap(text string) (overlap, error) {
	if text == "" {
		return overlap{steps: 200, span: 2 * time.Minute}, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		return overlap{steps: n}, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return overlap{}, fmt.Errorf("sqlpoll: overlap %q; give a number of rows or a duration such as 5m", text)
	}
	return overlap{span: d}, nil
}

// back is the value to ask beyond so that the overlap is read again. Text is
// never stepped back.
func (c cursor) back(o overlap) any {
	switch c.kind {
	case 'n':
		return c.n - o.steps
	case 't':
		return c.t.Add(-o.span)
	}
	return c.s
}

// value is the value itself, for reading strictly on.
func (c cursor) value() any { return c.back(overlap{}) }
