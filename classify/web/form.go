package web

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/cordon-health/cordon/classify"
)

// form reads multipart/form-data. Its boundary is its first line.
type form struct{}

var _ classify.Reader = form{}

// Name implements classify.Reader.
func (form) Name() string { return "form" }

// Claims implements classify.Reader.
func (form) Claims(_ string, head []byte) bool {
	return boundary(head) != "" && bytes.Contains(bytes.ToLower(head[:min(len(head), 512)]), []byte("content-disposition: form-data"))
}

// boundary is that of RFC 2046: 1 to 70 characters.
func boundary(head []byte) string {
	line, _, ok := bytes.Cut(head, []byte("\n"))
	line = bytes.TrimRight(line, "\r")
	if !ok || !bytes.HasPrefix(line, []byte("--")) || len(line) < 3 || len(line) > 72 {
		return ""
	}
	return string(line[2:])
}

// Bounds of one form.
const (
	mostParts = 10_000
	mostField = 16 << 20 // bytes of a field that is no file
)

// Read implements classify.Reader.
func (form) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	head := make([]byte, min(128, src.Size()))
	if _, err := src.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	_, err := parts(ctx, multipart.NewReader(io.NewSectionReader(src, 0, src.Size()), boundary(head)), out)
	return err
}

// parts gives every part and says how many there were.
func parts(ctx context.Context, r *multipart.Reader, out classify.Sink) (n int, err error) {
	for n = 0; n < mostParts; n++ {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		part, err := r.NextPart()
		if err == io.EOF { //nolint:errorlint // a wrapped one is an end too early
			return n, nil
		}
		if err != nil {
			out.Unread("", errors.New("its parts cannot be told apart"))
			return n, nil
		}
		if err := onePart(part, out); err != nil {
			return n, err
		}
	}
	out.Unread("", errors.New("it has more parts than are read"))
	return n, nil
}

func onePart(p *multipart.Part, out classify.Sink) error {
	name := label(clip(p.FormName()))
	if name != p.FormName() {
		if err := part("name of a field", "", p.FormName(), out); err != nil {
			return err
		}
	}
	var r io.Reader = p
	if strings.EqualFold(strings.TrimSpace(p.Header.Get("Content-Transfer-Encoding")), "base64") {
		r = base64.NewDecoder(base64.StdEncoding, p)
	}
	if file := p.FileName(); file != "" {
		if err := part("file name", "", file, out); err != nil {
			return err
		}
		return out.Member(clip(path.Base(file)), r)
	}
	text, err := io.ReadAll(io.LimitReader(r, mostField+1))
	if err != nil {
		out.Unread(name, errors.New("a field is cut short"))
		return nil
	}
	if len(text) > mostField {
		return out.Member(name, io.MultiReader(bytes.NewReader(text), r))
	}
	if kind := p.Header.Get("Content-Type"); kind != "" && !strings.HasPrefix(kind, "text/plain") {
		return out.Member(bodyName(http.Header{"Content-Type": {kind}}, name), bytes.NewReader(text))
	}
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return out.Member(name, bytes.NewReader(text)) // whatever it is, it is no plain text
	}
	return part(name, name, string(text), out)
}

// queryEnd marks the body of a form that is sent like a query.
const queryEnd = ".urlencoded"

// query reads application/x-www-form-urlencoded, which only its name tells.
type query struct{}

var _ classify.Reader = query{}

// Name implements classify.Reader.
func (query) Name() string { return "urlencoded" }

// Claims implements classify.Reader.
func (query) Claims(name string, _ []byte) bool { return strings.HasSuffix(name, queryEnd) }

// Read implements classify.Reader.
func (query) Read(_ context.Context, src classify.Source, out classify.Sink) error {
	raw, err := io.ReadAll(io.LimitReader(io.NewSectionReader(src, 0, src.Size()), mostField))
	if err != nil {
		return err
	}
	if src.Size() > mostField {
		out.Unread("", errors.New("it is longer than a form may be; its beginning was read"))
	}
	return fields(string(raw), "", out)
}
