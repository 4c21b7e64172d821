// Package web reads what web proxies hand over: HTTP messages (RFC 9112), the
// forms within them (multipart/form-data of RFC 7578, urlencoded of the URL
// standard) and saved requests of the same shape.
//
// What it gives. [Readers]: "http" reads the address's query, and hands the
// body, unpacked where it is compressed, to whichever reader knows it; "form"
// gives each field as a part named by its field and each uploaded file as a
// member. What it guarantees: header blocks, numbers of fields and of parts are
// bounded, and a body of an unknown encoding is told as unread, not passed by.
// The sender chooses every byte, so the header is read leniently, and the path,
// the names of fields and files and the fields of the header that are not the
// browser's own are content, too.
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
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"

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

// End is how the name of a message ends that a door hands over. Content of
// that name is a message whatever it looks like: who sends it chooses its first
// line.
const End = ".http"

// Claims implements classify.Reader.
func (message) Claims(name string, head []byte) bool {
	if strings.HasSuffix(name, End) {
		return true
	}
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
	first, h, at, err := head(src)
	if err != nil {
		out.Unread("", err)
		if at = 0; errors.Is(err, errLong) {
			return nil
		}
	}
	name := ""
	if f := strings.Fields(first); len(f) > 1 && !strings.HasPrefix(first, "HTTP/") {
		if name, err = address(f[1], out); err != nil {
			return err
		}
		if err := headers(h, out); err != nil {
			return err
		}
	}
	if at >= src.Size() {
		return nil
	}
	return body(ctx, h, name, func() io.Reader { return io.NewSectionReader(src, at, src.Size()-at) }, out)
}

var (
	errHead = errors.New("its header cannot be read as HTTP")
	errLong = errors.New("its header is longer than is read")
)

// head reads the first line and the fields, as leniently as the servers that
// may get the message: what a strict reader refuses must not pass unread.
func head(src classify.Source) (first string, h http.Header, at int64, err error) {
	limited := &io.LimitedReader{R: io.NewSectionReader(src, 0, src.Size()), N: mostHead}
	r := bufio.NewReader(limited)
	h = http.Header{}
	for n := 0; ; n++ {
		line, err := r.ReadString('\n')
		if err != nil && limited.N <= 0 {
			return first, h, 0, errLong
		}
		if err != nil {
			return first, h, 0, errHead
		}
		line = strings.TrimRight(line, "\r\n")
		name, value, _ := strings.Cut(line, ":")
		switch {
		case n == 0:
			first = line
		case line == "":
			// What was read so far, less what the buffer still holds, is the header.
			return first, h, mostHead - limited.N - int64(r.Buffered()), nil
		default:
			h.Add(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
}

// headers gives the fields that a person or a program may put content into.
func headers(h http.Header, out classify.Sink) error {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if browsers(name) {
			continue
		}
		for _, value := range h[name] {
			if err := part("field "+label(name), label(name), value, out); err != nil {
				return err
			}
		}
	}
	return nil
}

// browsers says of a header field that it is the browser's own.
func browsers(name string) bool {
	name = strings.ToLower(name)
	for _, p := range []string{"accept", "sec-", "if-", "cache-", "content-", "access-control-", "upgrade", "x-forwarded-", "proxy-"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return slices.Contains([]string{"host", "cookie", "authorization", "user-agent", "referer", "origin", "connection", "date", "expect", "te", "trailer",
		"transfer-encoding", "via", "range", "pragma", "dnt", "forwarded", "keep-alive", "priority", "traceparent", "tracestate"}, name)
}

func part(where, field, text string, out classify.Sink) error {
	if text == "" {
		return nil
	}
	return out.Part(classify.Part{Path: where, Field: field, Record: 1, Offset: -1, Wide: true, Text: []byte(text)})
}

// label is a name that may be shown: one that could be data itself is not.
func label(name string) string {
	digits := 0
	for _, r := range name {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	if digits > 4 || len(name) > 100 || strings.ContainsAny(name, "@ ") {
		return "(name)"
	}
	return name
}

// mostFields bounds the fields of a query.
const mostFields = 10_000

// address gives the path and the fields of the query, and the path's last name.
func address(target string, out classify.Sink) (name string, err error) {
	where, query, _ := strings.Cut(target, "?")
	if _, rest, ok := strings.Cut(where, "://"); ok {
		_, where, _ = strings.Cut(rest, "/")
	}
	if plain, err := url.PathUnescape(where); err == nil {
		where = plain
	}
	if err := part("path", "", where, out); err != nil {
		return "", err
	}
	return path.Base(where), fields(query, "query ", out)
}

func fields(raw, prefix string, out classify.Sink) error {
	n := 0
	for pair := range strings.SplitSeq(raw, "&") {
		if n++; n > mostFields {
			out.Unread(prefix, errors.New("it has more fields than are read"))
			return nil
		}
		name, value, _ := strings.Cut(pair, "=")
		name, value = unescaped(name), unescaped(value)
		if shown := label(name); shown != name || value == "" {
			if err := part(prefix+shown, "", name, out); err != nil {
				return err
			}
		}
		if err := part(prefix+label(name), label(name), value, out); err != nil {
			return err
		}
	}
	return nil
}

func unescaped(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// clip bounds names, which are the sender's.
func clip(name string) string {
	if len(name) > 100 {
		name = strings.ToValidUTF8(name[:100], "")
	}
	return name
}

// mostEncodings bounds how often a body is compressed.
const mostEncodings = 4

// body hands the content on, without its encodings. open gives it from its
// beginning.
func body(ctx context.Context, h http.Header, name string, open func() io.Reader, out classify.Sink) error {
	var encodings []string
	for e := range strings.SplitSeq(strings.ToLower(strings.Join(h.Values("Content-Encoding"), ",")), ",") {
		if e = strings.TrimSpace(e); e != "" && e != "identity" {
			encodings = append(encodings, e)
		}
	}
	r, err := decoded(encodings, open())
	if err != nil {
		// The header may lie; then what stands there is read as it is.
		out.Unread("body", err)
		encodings, r = nil, open()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if disposed := fileName(h); disposed != "" {
		if err := part("file name", "", disposed, out); err != nil {
			return err
		}
	}
	kind, params, _ := mime.ParseMediaType(h.Get("Content-Type"))
	if !strings.HasPrefix(kind, "multipart/") || params["boundary"] == "" {
		return out.Member(bodyName(h, name), r)
	}
	n, err := parts(ctx, multipart.NewReader(r, params["boundary"]), out)
	if n > 0 || err != nil {
		return err
	}
	if r, err = decoded(encodings, open()); err != nil {
		return nil // told already
	}
	return out.Member("body", r) // another boundary than it says
}

func decoded(encodings []string, r io.Reader) (io.Reader, error) {
	if len(encodings) > mostEncodings {
		return nil, errEncoding
	}
	for i := len(encodings) - 1; i >= 0; i-- {
		next, err := decode(encodings[i], r)
		if err != nil {
			return nil, err
		}
		r = next
	}
	return r, nil
}

func fileName(h http.Header) string {
	_, params, err := mime.ParseMediaType(h.Get("Content-Disposition"))
	if err != nil {
		return ""
	}
	return params["filename"]
}

var errEncoding = errors.New("its content encoding is unknown or broken")

func decode(encoding string, r io.Reader) (io.Reader, error) {
	switch encoding {
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
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	if kind == "application/x-www-form-urlencoded" {
		return "form" + queryEnd
	}
	if strings.HasPrefix(kind, "multipart/") {
		return "form.multipart"
	}
	if file := fileName(h); file != "" {
		return clip(path.Base(file))
	}
	switch kind {
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
