// Package mail reads e-mail: single messages and mbox files. It gives
// [Readers]. Headers come by their name, bodies as text, and everything else
// (HTML, attachments, messages within the message) as members, which other
// readers read. A gateway hands in a message in memory the same way.
//
// What it guarantees. Transfer encodings and charsets are undone, those of
// Chinese mail programs included, and a body whose charset is not said or not
// known is guessed. Parts nest only so deep, and a part that is encrypted, or
// cannot be decoded, is reported while the next is read. Outlook's MSG is read
// by classify/office.
package mail

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // lets go-message decode charsets

	"github.com/cordon-health/cordon/classify"
)

const (
	// partsDeep is how deeply parts may lie within parts.
	partsDeep = 32
	// partsMost is how many parts one message may have.
	partsMost = 50_000
	// textBytes is how much of a body is given as one.
	textBytes = 1 << 20
	// headersMost is how many bytes of headers are read.
	headersMost = 1 << 20
)

// Readers lists the readers of this package.
func Readers() []classify.Reader { return []classify.Reader{mboxReader{}, messageReader{}} }

type messageReader struct{}

var _ classify.Reader = messageReader{}

// Name is mail.
func (messageReader) Name() string { return "mail" }

// Claims goes by the name, or by headers that only messages have.
func (messageReader) Claims(name string, head []byte) bool {
	named := strings.HasSuffix(strings.ToLower(name), ".eml")
	if !named && bytes.HasPrefix(head, []byte("From ")) {
		return false
	}
	known := 0
	for n, line := range strings.Split(string(head), "\n") {
		line = strings.TrimRight(line, "\r")
		if line == "" {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			continue
		}
		key, _, ok := strings.Cut(line, ":")
		if !ok || strings.ContainsAny(key, " \t{\"<|") || n == 0 && key == "" {
			return false
		}
		switch strings.ToLower(key) {
		case "from", "to", "subject", "received", "return-path", "mime-version", "message-id", "date", "content-type", "delivered-to":
			known++
		}
	}
	return known >= 3 || named && known >= 1
}

// Read gives one message.
func (messageReader) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	w := &walk{ctx: ctx, out: out}
	return w.message(bufio.NewReader(io.NewSectionReader(src, 0, src.Size())))
}

// walk goes through the parts of one message.
type walk struct {
	ctx    context.Context //nolint:containedctx // it lives as long as one Read
	out    classify.Sink
	prefix string // of paths: which message of an mbox
	record int64
	parts  int
}

func (w *walk) message(r io.Reader) error {
	e, err := message.ReadWithOptions(r, &message.ReadOptions{MaxHeaderBytes: headersMost})
	if e == nil {
		return cause(err)
	}
	if err := w.headers(&e.Header); err != nil {
		return err
	}
	return w.entity(e, err, 0)
}

// cause makes a cause of an error of the library; of the sink it is left.
func cause(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return classify.Truncated
	}
	return classify.Damaged
}

// headers gives those that people wrote or are named in.
func (w *walk) headers(h *message.Header) error {
	for f := h.Fields(); f.Next(); {
		key := strings.ToLower(f.Key())
		switch {
		case key == "received", strings.HasPrefix(key, "dkim-"), strings.HasPrefix(key, "arc-"), key == "authentication-results", key == "content-type", key == "content-transfer-encoding", key == "mime-version", key == "message-id", key == "references", key == "in-reply-to":
			continue
		}
		value, err := f.Text()
		if err != nil {
			value = f.Value()
		}
		text := []byte(value)
		if guess, ok := classify.TextBegins(text); ok {
			text = guess // raw bytes of a charset, which old programs write
		}
		if len(text) == 0 {
			continue
		}
		p := classify.Part{Path: w.prefix + "header " + f.Key(), Field: f.Key(), Record: w.record, Offset: -1, Text: text}
		if err := w.out.Part(p); err != nil {
			return err
		}
	}
	return nil
}

// entity gives a part, or the parts within it. headErr is what was wrong with
// its header.
func (w *walk) entity(e *message.Entity, headErr error, depth int) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if w.parts++; w.parts > partsMost {
		return classify.TooLarge
	}
	kind, params, err := e.Header.ContentType()
	if err != nil {
		kind = "text/plain"
	}
	name := w.name(e, params)
	if headErr != nil && !message.IsUnknownCharset(headErr) {
		w.out.Unread(w.prefix+name, classify.Damaged)
		return nil
	}
	switch {
	case strings.HasPrefix(kind, "multipart/"):
		return w.multipart(e, kind, depth)
	case kind == "application/pkcs7-mime" || kind == "application/x-pkcs7-mime":
		if !strings.HasPrefix(params["smime-type"], "signed") {
			w.out.Unread(w.prefix+name, classify.Encrypted)
			return nil
		}
	case kind == "application/ms-tnef" || strings.EqualFold(name, "winmail.dat"):
		w.out.Unread(w.prefix+name, classify.Because("winmail.dat, in which Outlook packs attachments, is not supported", "不支持 Outlook 打包的 winmail.dat 附件"))
		return nil
	case kind == "message/rfc822" || kind == "message/global":
		return w.member(named(name, "message.eml"), e.Body)
	case kind == "text/html" && name == "":
		return w.member("body.html", e.Body)
	case strings.HasPrefix(kind, "text/") && name == "":
		return w.text(e.Body)
	case strings.HasPrefix(kind, "message/") && name == "": // reports of delivery
		return w.text(e.Body)
	}
	return w.member(named(name, "attachment"), e.Body)
}

func named(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}

// name is a part's file name, empty where it is none.
func (w *walk) name(e *message.Entity, params map[string]string) string {
	_, disposition, err := e.Header.ContentDisposition()
	name := ""
	if err == nil {
		name = disposition["filename"]
	}
	if name == "" {
		name = params["name"]
	}
	// Names are often encoded as only header texts may be.
	var h message.Header
	h.Set("Name", name)
	if plain, err := h.Text("Name"); err == nil {
		name = plain
	}
	if guess, ok := classify.TextBegins([]byte(name)); ok {
		name = string(guess)
	}
	return strings.ToValidUTF8(name, "?")
}

func (w *walk) multipart(e *message.Entity, kind string, depth int) error {
	if kind == "multipart/encrypted" {
		w.out.Unread(w.prefix+"body", classify.Encrypted)
		return nil
	}
	r := e.MultipartReader()
	if r == nil {
		return w.text(e.Body)
	}
	if depth >= partsDeep {
		w.out.Unread(w.prefix+"body", classify.TooDeep)
		return nil
	}
	for {
		part, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if part == nil {
			w.out.Unread(w.prefix+"body", cause(err))
			return nil
		}
		if err := w.entity(part, err, depth+1); err != nil {
			return err
		}
	}
}

func (w *walk) member(name string, r io.Reader) error {
	return w.out.Member(w.prefix+name, &body{r})
}

// body makes causes of what is wrong with an encoding.
type body struct{ r io.Reader }

func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = cause(err)
	}
	return n, err
}

// text gives a body in pieces that end with a line.
func (w *walk) text(r io.Reader) error {
	buf := make([]byte, 0, 64<<10)
	for {
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, 2*cap(buf)), buf...)
		}
		n, err := r.Read(buf[len(buf):min(cap(buf), textBytes)])
		buf = buf[:len(buf)+n]
		if err == nil && len(buf) < textBytes {
			continue
		}
		cut := len(buf)
		if i := bytes.LastIndexByte(buf, '\n'); err == nil && i > 0 {
			cut = i + 1
		}
		if e := w.give(buf[:cut]); e != nil {
			return e
		}
		buf = append(buf[:0], buf[cut:]...)
		if err == nil {
			continue
		}
		if !errors.Is(err, io.EOF) {
			w.out.Unread(w.prefix+"body", cause(err))
		}
		return nil
	}
}

func (w *walk) give(text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	if guess, ok := classify.TextBegins(text); ok {
		text = guess
	}
	return w.out.Part(classify.Part{Path: w.prefix + "body", Record: w.record, Offset: -1, Text: text})
}

// mboxReader reads many messages one after the other.
type mboxReader struct{}

var _ classify.Reader = mboxReader{}

// Name is mbox.
func (mboxReader) Name() string { return "mbox" }

// Claims goes by the line that begins each message, and headers after it.
func (mboxReader) Claims(_ string, head []byte) bool {
	first, rest, ok := bytes.Cut(head, []byte("\n"))
	return ok && bytes.HasPrefix(first, []byte("From ")) && messageReader{}.Claims("x.eml", rest)
}

// Read gives each message; all that belongs to one is a record.
func (mboxReader) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	b := &box{r: bufio.NewReaderSize(io.NewSectionReader(src, 0, src.Size()), 64<<10)}
	for n := int64(1); b.next(); n++ {
		w := &walk{ctx: ctx, out: out, record: n, prefix: "message " + strconv.FormatInt(n, 10) + " "}
		err := w.message(b)
		var c *classify.Cause
		switch {
		case err == nil:
		case errors.As(err, &c):
			out.Unread(w.prefix, err)
		default:
			return fmt.Errorf("message %d: %w", n, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// box reads one message of an mbox at a time: up to a line that begins with
// "From ".
type box struct {
	r    *bufio.Reader
	line []byte // what is left of the line read last
	mid  bool   // the last piece did not end its line
	over bool   // the next line begins the next message
	end  bool
}

// next moves behind the next "From " line; false at the end.
func (b *box) next() bool {
	for !b.over && !b.end {
		b.fill()
	}
	b.over, b.line = false, nil
	return !b.end
}

func (b *box) fill() {
	piece, err := b.r.ReadSlice('\n')
	if !b.mid && bytes.HasPrefix(piece, []byte("From ")) {
		b.over, b.line = true, nil
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = b.r.ReadSlice('\n')
		}
		return
	}
	b.mid = errors.Is(err, bufio.ErrBufferFull)
	b.line = piece
	if err != nil && !b.mid {
		b.end = len(piece) == 0
	}
}

// Read gives the message's bytes.
func (b *box) Read(p []byte) (int, error) {
	for len(b.line) == 0 {
		if b.over || b.end {
			return 0, io.EOF
		}
		b.fill()
	}
	n := copy(p, b.line)
	b.line = b.line[n:]
	return n, nil
}
