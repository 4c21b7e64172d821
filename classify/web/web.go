// Package web reads what web proxies hand over: HTTP messages (RFC 9112), the
// forms within them (multipart/form-data of RFC 7578, urlencoded of the URL
// standard) and saved requests of the same shape.
//
// What it gives. [Readers]: "http" reads the address's query, and hands the
// body, unpacked where it is compressed, to whichever reader knows it; "form"
// gives each field as a part named by its field and each uploaded file as a
// member. What it guarantees: header blocks, numbers of fields and of parts are
// bounded, and a body of an unknown encoding is told as unread, not passed by.
// What it does not do: it does not read cookies and sign-in headers, which are
// the browser's and not what a person sends, and it knows nothing of proxies.
package web

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/cordon-health/cordon/classify"
)

// Readers are the readers of this package, in the order to ask them.
func Readers() []classify.Reader { return []classify.Reader{message{}, form{}, query{}} }

// mostHead is the largest header block, in bytes.
const mostHead = 1 << 20

// message reads an HTTP message.
type message struct{}

var _ classify.Reader = message{}

// Name implements classify.Reader.
func (message) Name() string { return "http" }

// Claims implements classify.Reader.
func (message) Claims(_ string, head []byte) bool {
	line, _, ok := bytes.Cut(head, []byte("\n"))
	if !ok || len(line) > 16<<10 {
		return false
	}
	line = bytes.TrimRight(line, "\r")
	if bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return true
	}
	i := bytes.LastIndex(line, []byte(" HTTP/1."))
	method, _, _ := bytes.Cut(line, []byte(" "))
	return i > 0 && len(method) < 20 && len(bytes.TrimLeft(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-")) == 0
}

// Read implements classify.Reader.
func (message) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	limited := &io.LimitedReader{R: io.NewSectionReader(src, 0, src.Size()), N: mostHead}
	r := bufio.NewReader(limited)
	first, err := r.Peek(5)
	if err != nil {
		return err
	}
	var header http.Header
	var name string
	if string(first) == "HTTP/" {
		res, err := http.ReadResponse(r, &http.Request{Method: "GET"})
		if err != nil {
			out.Unread("", errHead)
			return nil
		}
		header = res.Header
	} else {
		req, err := http.ReadRequest(r)
		if err != nil {
			out.Unread("", errHead)
			return nil
		}
		header, name = req.Header, path.Base(req.URL.Path)
		if err := address(req.URL, out); err != nil {
			return err
		}
	}
	// What was read so far, less what the buffer still holds, is the header.
	at := mostHead - limited.N - int64(r.Buffered())
	if at >= src.Size() {
		return nil
	}
	return body(ctx, header, name, io.NewSectionReader(src, at, src.Size()-at), out)
}

var errHead = errors.New("its header cannot be read as HTTP")

// mostFields bounds the fields of a query.
const mostFields = 10_000

// address gives the fields of the query.
func address(u *url.URL, out classify.Sink) error {
	return fields(u.RawQuery, "query ", out)
}

func fields(raw, prefix string, out classify.Sink) error {
	n := 0
	for pair := range strings.SplitSeq(raw, "&") {
		if n++; n > mostFields {
			out.Unread(prefix, errors.New("it has more fields than are read"))
			return nil
		}
		name, value, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(value)
		if err != nil {
			plain = value
		}
		if field, err := url.QueryUnescape(name); err == nil {
			name = field
		}
		if plain == "" {
			continue
		}
		if err := out.Part(classify.Part{Path: prefix + clip(name), Field: clip(name), Record: 1, Offset: -1, Wide: true, Text: []byte(plain)}); err != nil {
			return err
		}
	}
	return nil
}

// clip bounds names, which are the sender's.
func clip(name string) string {
	if len(name) > 100 {
		name = strings.ToValidUTF8(name[:100], "")
	}
	return name
}

// body hands the content on, without its encodings.
func body(ctx context.Context, h http.Header, name string, r io.Reader, out classify.Sink) error {
	encodings := strings.Split(strings.ToLower(h.Get("Content-Encoding")), ",")
	for i := len(encodings) - 1; i >= 0; i-- {
		next, err := decode(strings.TrimSpace(encodings[i]), r)
		if err != nil {
			out.Unread("body", err)
			return nil
		}
		r = next
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return out.Member(bodyName(h, name), r)
}

var errEncoding = errors.New("its content encoding is unknown or broken")

func decode(encoding string, r io.Reader) (io.Reader, error) {
	switch encoding {
	case "", "identity":
		return r, nil
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, errEncoding
		}
		return z, nil
	case "deflate":
		return inflate(r)
	case "br":
		return brotli.NewReader(r), nil
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(64<<20), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, errEncoding
		}
		return z.IOReadCloser(), nil
	}
	return nil, errEncoding
}

// inflate reads deflate as the standard has it (with the header of zlib) and
// as some clients send it (without).
func inflate(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	head, err := b.Peek(2)
	if err == nil && head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
		z, err := zlib.NewReader(b)
		if err != nil {
			return nil, errEncoding
		}
		return z, nil
	}
	return flate.NewReader(b), nil
}

// bodyName is a name whose ending tells readers what the content is.
func bodyName(h http.Header, name string) string {
	if _, params, err := mime.ParseMediaType(h.Get("Content-Disposition")); err == nil && params["filename"] != "" {
		return clip(path.Base(params["filename"]))
	}
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	switch kind {
	case "multipart/form-data":
		return "form.multipart"
	case "application/x-www-form-urlencoded":
		return "form" + queryEnd
	case "application/json", "application/fhir+json":
		return "body.json"
	case "text/csv":
		return "body.csv"
	case "text/html":
		return "body.html"
	case "application/xml", "text/xml":
		return "body.xml"
	case "text/plain":
		return "body.txt"
	}
	if path.Ext(name) != "" {
		return clip(name)
	}
	return "body"
}
