package icap

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/gateway"
)

// status answers without a message.
func (t *talk) status(code int) error {
	words := map[int]string{400: "Bad request", 404: "ICAP Service not found", 405: "Method not allowed for service", 501: "Method not implemented", 505: "ICAP version not supported"}
	_, err := fmt.Fprintf(t.w, "ICAP/1.0 %d %s\r\nISTag: %s\r\nConnection: close\r\nEncapsulated: null-body=0\r\n\r\n", code, words[code], tag)
	if err != nil {
		return err
	}
	return t.w.Flush()
}

// unchanged lets the message pass: 204 where the proxy keeps it (sections
// 4.5 and 4.6), otherwise the message as it came.
func (t *talk) unchanged(req *request, s service, body *spool) error {
	if req.allows204() {
		_, err := fmt.Fprintf(t.w, "ICAP/1.0 204 No modifications needed\r\nISTag: %s\r\nEncapsulated: null-body=0\r\n\r\n", tag)
		return err
	}
	if body.lost() {
		return t.status(500)
	}
	part := "req-hdr"
	if s.incoming {
		part = "res-hdr"
	}
	head := req.httpHead(s.incoming)
	if err := t.begin(part, head, req.bodyName); err != nil {
		return err
	}
	if !req.body {
		return nil
	}
	return writeChunks(t.w, io.NewSectionReader(body, 0, body.Size()))
}

func (req *request) allows204() bool {
	for _, v := range req.header.Values("Allow") {
		for item := range strings.SplitSeq(v, ",") {
			if strings.TrimSpace(item) == "204" {
				return true
			}
		}
	}
	return false
}

// begin writes the ICAP header and an HTTP header block.
func (t *talk) begin(part string, head []byte, bodyName string) error {
	if bodyName == "" {
		bodyName = "null-body"
	}
	list := fmt.Sprintf("%s=0, %s=%d", part, bodyName, len(head))
	if len(head) == 0 {
		list = bodyName + "=0"
	}
	if _, err := fmt.Fprintf(t.w, "ICAP/1.0 200 OK\r\nISTag: %s\r\nEncapsulated: %s\r\n\r\n", tag, list); err != nil {
		return err
	}
	_, err := t.w.Write(head)
	return err
}

func writeChunks(w io.Writer, r io.Reader) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := fmt.Fprintf(w, "%x\r\n%s\r\n", n, buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			_, err := io.WriteString(w, "0\r\n\r\n")
			return err
		}
		if err != nil {
			return err
		}
	}
}

// stop answers in place of the web server: a page for people, a problem of
// RFC 9457 for programs.
func (t *talk) stop(req *request, o gateway.Outcome) error {
	media, page := "text/html; charset=utf-8", o.Page(t.Base)
	if req.http != nil && program(req.http.Header.Get("Accept")) {
		problem, err := json.Marshal(map[string]any{"title": o.Words().EN, "detail": o.Words().ZH, "status": 403, "instance": o.Link(t.Base)})
		if err == nil {
			media, page = "application/problem+json", problem
		}
	}
	head := fmt.Appendf(nil, "HTTP/1.1 403 Forbidden\r\nContent-Type: %s\r\nContent-Length: %d\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\nConnection: close\r\n\r\n", media, len(page))
	if err := t.begin("res-hdr", head, "res-body"); err != nil {
		return err
	}
	return writeChunks(t.w, bytes.NewReader(page))
}

func program(accept string) bool {
	return strings.Contains(accept, "json") && !strings.Contains(accept, "text/html")
}

// redact sends the message on without what was found. done is false where
// that is impossible; the outcome is then another one.
func (t *talk) redact(ctx context.Context, req *request, it gateway.Item, o *gateway.Outcome, body *spool) (done bool, err error) {
	head, clean, ok := t.redacted(ctx, req, it, *o, body)
	if ok {
		next := it
		next.Source = plain(head, clean)
		ok = t.Guard.Clean(ctx, next, *o)
	}
	if !ok {
		*o = t.Guard.Instead(ctx, it, *o)
		return false, nil
	}
	part, name := "req-hdr", "req-body"
	if it.Incoming {
		part, name = "res-hdr", "res-body"
	}
	if err := t.begin(part, head, name); err != nil {
		return true, err
	}
	return true, writeChunks(t.w, bytes.NewReader(clean))
}

func (t *talk) redacted(ctx context.Context, req *request, it gateway.Item, o gateway.Outcome, body *spool) (head, clean []byte, ok bool) {
	if !req.body || body.lost() {
		return nil, nil, false // what is in the address or the headers cannot be taken out
	}
	lines, media, plainBody := splitHead(req.httpHead(it.Incoming))
	if !plainBody {
		return nil, nil, false
	}
	data, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
	if err != nil {
		return nil, nil, false
	}
	clean, err = t.Guard.Body(ctx, media, data, o.RedactAt)
	if err != nil {
		return nil, nil, false
	}
	lines = append(lines, "Content-Length: "+strconv.Itoa(len(clean)), "", "")
	return []byte(strings.Join(lines, "\r\n")), clean, true
}

// splitHead gives the lines of a header block without length and transfer
// encoding, the media type, and whether the body is not compressed.
func splitHead(head []byte) (lines []string, media string, plainBody bool) {
	plainBody = true
	for line := range strings.SplitSeq(strings.TrimRight(string(head), "\r\n"), "\n") {
		line = strings.TrimRight(line, "\r")
		name, value, _ := strings.Cut(line, ":")
		switch textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)) {
		case "Content-Length", "Transfer-Encoding":
			continue
		case "Content-Type":
			media = strings.TrimSpace(value)
		case "Content-Encoding":
			plainBody = strings.EqualFold(strings.TrimSpace(value), "identity")
		}
		lines = append(lines, line)
	}
	return lines, media, plainBody
}
