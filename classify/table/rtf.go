package table

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/cordon-health/cordon/classify"
)

// rtfMost is how much of an RTF file is read; its text is far smaller than
// that where it has no pictures.
const rtfMost = 256 << 20

// rtfReader reads the text of RTF.
type rtfReader struct{}

var _ classify.Reader = rtfReader{}

// Name is rtf.
func (rtfReader) Name() string { return "rtf" }

// Claims goes by the first bytes.
func (rtfReader) Claims(_ string, head []byte) bool { return bytes.HasPrefix(head, []byte(`{\rtf`)) }

// Read gives each paragraph.
func (rtfReader) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	if src.Size() > rtfMost {
		out.Unread("", classify.TooLarge)
	}
	in := rowReader{r: io.NewSectionReader(src, 0, min(src.Size(), rtfMost)), buf: make([]byte, 0, blockBytes)}
	w := &rtfWalk{out: out, skip: 1}
	w.chinese = true
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !in.more() && in.at >= len(in.buf) {
			break
		}
		n, err := w.take(in.buf[in.at:], in.eof)
		if err != nil {
			return err
		}
		in.at += n
		if n == 0 && in.eof {
			break
		}
	}
	if err := w.paragraph(); err != nil {
		return err
	}
	if w.depth > 0 {
		out.Unread("", classify.Truncated)
	}
	return in.failed()
}

// rtfWalk is the state of an RTF file.
type rtfWalk struct {
	out     classify.Sink
	depth   int
	silent  int // the depth at which a group without text began, 0 outside
	skip    int // characters after \u that only older programs read
	pending int
	chinese bool
	bytes   []byte // of the old charset, not yet decoded
	text    []byte
	n       int
}

// take reads as much as is whole, and says how much that was.
func (w *rtfWalk) take(b []byte, last bool) (int, error) {
	at := 0
	for at < len(b) {
		c := b[at]
		switch c {
		case '\\':
			n, err := w.control(b[at:], last)
			if err != nil || n == 0 {
				return at, err
			}
			at += n
			continue
		case '{':
			w.depth++
		case '}':
			if w.depth == w.silent {
				w.silent = 0
			}
			w.depth = max(w.depth-1, 0)
		case '\r', '\n':
		default:
			if w.silent == 0 {
				w.char(c)
			}
		}
		at++
	}
	return at, nil
}

func (w *rtfWalk) char(c byte) {
	if w.pending > 0 {
		w.pending--
		return
	}
	if c >= utf8.RuneSelf || len(w.bytes)%2 == 1 && w.chinese {
		w.bytes = append(w.bytes, c)
		return
	}
	w.settle()
	w.text = append(w.text, c)
}

// settle decodes what came in the old charset.
func (w *rtfWalk) settle() {
	if len(w.bytes) == 0 {
		return
	}
	var s []byte
	if w.chinese {
		s, _ = simplifiedchinese.GB18030.NewDecoder().Bytes(w.bytes)
	} else {
		s, _ = charmap.Windows1252.NewDecoder().Bytes(w.bytes)
	}
	w.text, w.bytes = append(w.text, s...), w.bytes[:0]
}

// control reads a control word or symbol; 0 where it is not whole yet.
func (w *rtfWalk) control(b []byte, last bool) (int, error) {
	if len(b) < 40 && !last {
		return 0, nil
	}
	if len(b) < 2 {
		return len(b), nil
	}
	if b[1] == '\'' {
		if len(b) >= 4 {
			if v, err := strconv.ParseUint(string(b[2:4]), 16, 8); err == nil && w.silent == 0 {
				w.char(byte(v))
			}
		}
		return min(4, len(b)), nil
	}
	n := 1
	for n < len(b) && n < 33 && (b[n]|0x20) >= 'a' && (b[n]|0x20) <= 'z' {
		n++
	}
	if n == 1 {
		return 2, w.symbol(b[1])
	}
	word := string(b[1:n])
	from := n
	for n < len(b) && n-from < 11 && (b[n] >= '0' && b[n] <= '9' || n == from && b[n] == '-') {
		n++
	}
	number, _ := strconv.Atoi(string(b[from:n]))
	if n < len(b) && b[n] == ' ' {
		n++
	}
	return n, w.word(word, number)
}

func (w *rtfWalk) symbol(c byte) error {
	switch c {
	case '*':
		w.silence()
	case '\\', '{', '}':
		if w.silent == 0 {
			w.char(c)
		}
	case '~':
		w.char(' ')
	case '\r', '\n':
		return w.paragraph()
	}
	return nil
}

func (w *rtfWalk) silence() {
	if w.silent == 0 {
		w.silent = w.depth
	}
}

func (w *rtfWalk) word(word string, number int) error {
	switch word {
	case "ansicpg":
		w.chinese = number == 936 || number == 54936
	case "fonttbl", "colortbl", "stylesheet", "pict", "themedata", "listtable":
		w.silence()
	case "uc":
		w.skip = max(0, min(number, 8))
	case "u":
		w.settle()
		if number < 0 {
			number += 1 << 16
		}
		if w.silent == 0 {
			w.text = utf8.AppendRune(w.text, rune(number))
		}
		w.pending = w.skip
	case "par", "line", "row", "sect", "page":
		return w.paragraph()
	case "tab", "cell":
		if w.silent == 0 {
			w.settle()
			w.text = append(w.text, '\t')
		}
	case "bin":
		return classify.Unsupported
	}
	if len(w.text) > valueMost {
		return w.paragraph()
	}
	return nil
}

// paragraph gives the text so far.
func (w *rtfWalk) paragraph() error {
	w.settle()
	w.pending = 0
	text := bytes.TrimSpace(w.text)
	w.text = w.text[:0]
	if len(text) == 0 || w.silent > 0 {
		return nil
	}
	w.n++
	return w.out.Part(classify.Part{Path: "paragraph " + strconv.Itoa(w.n), Offset: -1, Text: text})
}
