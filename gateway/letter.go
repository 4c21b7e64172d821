package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // mail in GB18030 and its like
)

// removed stands in place of an attachment that could not be redacted.
const removed = "此处的附件含有患者数据，已被移除。\r\nAn attachment with patient data was removed here.\r\n"

// LetterText redacts a mail: texts are cleaned, attachments that hold patient
// data are replaced by a notice, everything else stays as it is.
func (g *Guard) LetterText(ctx context.Context, data []byte, level int) (clean []byte, err error) {
	defer fault(&err)
	e, err := message.Read(bytes.NewReader(data))
	if err != nil && !message.IsUnknownCharset(err) {
		return nil, errNotText
	}
	h := e.Header
	if s, err := h.Text("Subject"); err == nil && s != "" {
		h.SetText("Subject", string(g.Text([]byte(s), level)))
	}
	var b bytes.Buffer
	left := mostParts
	c := cleaner{guard: g, level: level, left: &left}
	err = c.entity(ctx, e, h, func(h message.Header) (*message.Writer, error) { return message.CreateWriter(&b, h) }, 0)
	return b.Bytes(), err
}

type cleaner struct {
	guard *Guard
	level int
	left  *int
}

// mostDepth is how deeply parts may lie within parts.
const mostDepth = 20

func (c cleaner) entity(ctx context.Context, e *message.Entity, h message.Header, create func(message.Header) (*message.Writer, error), depth int) error {
	if *c.left--; *c.left < 0 || depth > mostDepth {
		return errNotText
	}
	parts := e.MultipartReader()
	if parts == nil {
		return c.leaf(ctx, e, h, create)
	}
	w, err := create(h)
	if err != nil {
		return err
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return w.Close()
		}
		if err != nil && (part == nil || !message.IsUnknownCharset(err)) {
			return errNotText
		}
		if err := c.entity(ctx, part, part.Header, w.CreatePart, depth+1); err != nil {
			return err
		}
	}
}

// leaf writes one text or attachment.
func (c cleaner) leaf(ctx context.Context, e *message.Entity, h message.Header, create func(message.Header) (*message.Writer, error)) error {
	data, err := io.ReadAll(e.Body)
	if err != nil {
		return errNotText
	}
	kind, params, _ := h.ContentType()
	if kind == "" {
		kind = "text/plain"
	}
	clean, err := c.guard.Part(ctx, kind, params["name"], data, c.level)
	if errors.Is(err, errNotText) {
		kind, clean, params = "text/plain", []byte(removed), nil
		h.Del("Content-Disposition")
		h.Del("Content-Description")
	} else if err != nil {
		return err
	}
	if strings.HasPrefix(kind, "text/") {
		if params == nil {
			params = map[string]string{}
		}
		params["charset"] = "utf-8"
		h.SetContentType(kind, params)
	}
	if h.Get("Content-Transfer-Encoding") != "quoted-printable" {
		h.Set("Content-Transfer-Encoding", "base64")
	}
	w, err := create(h)
	if err != nil {
		return err
	}
	if _, err := w.Write(clean); err != nil {
		return err
	}
	return w.Close()
}
