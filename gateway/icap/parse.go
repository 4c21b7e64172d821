package icap

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
)

// Bounds of one request.
const (
	mostHead  = 64 << 10  // ICAP header block
	mostBlock = 512 << 10 // an encapsulated HTTP header block
	mostLine  = 4 << 10   // a chunk's first line, a trailer
)

// badRequest is a request that cannot be served, and the status that says so.
type badRequest struct {
	status int
	what   string
}

// Error implements error.
func (e *badRequest) Error() string { return "icap request refused: " + e.what }

func bad(what string) error { return &badRequest{400, what} }

// request is one ICAP request up to its body.
type request struct {
	method, service string
	header          textproto.MIMEHeader
	// reqHead and resHead are the encapsulated header blocks as they came.
	reqHead, resHead []byte
	// body says that chunks follow; bodyName is req-body or res-body.
	body     bool
	bodyName string
	// preview is the size of the preview, -1 without one.
	preview int

	http *http.Request // nil where reqHead cannot be read
}

// readRequest reads up to the body. io.EOF means that the peer hung up
// between requests.
func readRequest(r *bufio.Reader) (*request, error) {
	block, err := readBlock(r, mostHead)
	if err != nil {
		return nil, err
	}
	line, rest, _ := bytes.Cut(block, []byte("\r\n"))
	req, err := requestLine(string(line))
	if err != nil {
		return nil, err
	}
	req.header, err = textproto.NewReader(bufio.NewReader(bytes.NewReader(rest))).ReadMIMEHeader()
	if err != nil {
		return nil, bad("its header cannot be read")
	}
	req.preview = -1
	if p := req.header.Get("Preview"); p != "" {
		if req.preview, err = strconv.Atoi(p); err != nil || req.preview < 0 {
			return nil, bad("Preview is no number")
		}
	}
	if req.method == "OPTIONS" {
		return req, nil
	}
	return req, req.encapsulated(r)
}

// readBlock reads lines up to and with an empty one.
func readBlock(r *bufio.Reader, most int) ([]byte, error) {
	var block []byte
	for {
		line, err := r.ReadSlice('\n')
		block = append(block, line...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(block) > 0:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		case len(bytes.TrimRight(line, "\r\n")) == 0 && len(block) == len(line):
			block = block[:0] // an empty line before a request
		case len(bytes.TrimRight(line, "\r\n")) == 0:
			return block, nil
		}
		if len(block) > most {
			return nil, bad("its header is too large")
		}
	}
}

func requestLine(line string) (*request, error) {
	f := strings.Fields(line)
	if len(f) != 3 || !strings.HasPrefix(f[2], "ICAP/") {
		return nil, bad("its first line is not that of ICAP")
	}
	if f[2] != "ICAP/1.0" {
		return nil, &badRequest{505, "its version is not ICAP/1.0"}
	}
	u, err := url.Parse(f[1])
	if err != nil {
		return nil, bad("its address cannot be read")
	}
	switch f[0] {
	case "OPTIONS", "REQMOD", "RESPMOD":
	default:
		return nil, &badRequest{501, "its method is unknown"}
	}
	return &request{method: f[0], service: strings.ToLower(strings.Trim(u.Path, "/"))}, nil
}

// encapsulated reads the header blocks that Encapsulated lists (section 4.4.1).
func (req *request) encapsulated(r *bufio.Reader) error {
	names, ends, err := sections(req.header.Get("Encapsulated"))
	if err != nil {
		return err
	}
	for i, name := range names {
		switch name {
		case "req-hdr", "res-hdr":
			if i+1 == len(names) {
				return bad("Encapsulated ends with a header")
			}
			block := make([]byte, ends[i+1]-ends[i])
			if _, err := io.ReadFull(r, block); err != nil {
				return err
			}
			if name == "req-hdr" {
				req.reqHead = block
			} else {
				req.resHead = block
			}
		case "req-body", "res-body":
			req.body, req.bodyName = true, name
		case "null-body":
		default:
			return bad("Encapsulated names an unknown part")
		}
	}
	if req.method == "REQMOD" && req.reqHead == nil || req.method == "RESPMOD" && req.resHead == nil && !req.body {
		return bad("the HTTP message has no header")
	}
	if req.reqHead != nil {
		req.http, _ = http.ReadRequest(bufio.NewReader(bytes.NewReader(req.reqHead)))
	}
	return nil
}

// sections reads "req-hdr=0, req-body=412". The offsets grow, and the last
// part is a body.
func sections(value string) (names []string, at []int, err error) {
	for item := range strings.SplitSeq(value, ",") {
		name, number, ok := strings.Cut(strings.TrimSpace(item), "=")
		n, convErr := strconv.Atoi(strings.TrimSpace(number))
		if !ok || convErr != nil || n < 0 || len(names) >= 4 {
			return nil, nil, bad("Encapsulated cannot be read")
		}
		if k := len(at); k == 0 && n != 0 || k > 0 && (n < at[k-1] || n-at[k-1] > mostBlock) {
			return nil, nil, bad("Encapsulated has offsets that cannot be")
		}
		names, at = append(names, strings.ToLower(strings.TrimSpace(name))), append(at, n)
	}
	if last := names[len(names)-1]; !strings.HasSuffix(last, "-body") {
		return nil, nil, bad("Encapsulated names no body")
	}
	return names, at, nil
}

// host is where the request goes, without its port.
func (req *request) host() string {
	if req.http == nil {
		return ""
	}
	host := req.http.Host
	if host == "" {
		host = req.http.URL.Host
	}
	u := url.URL{Host: host}
	return strings.ToLower(u.Hostname())
}

// httpHead is the header block of the message that is judged.
func (req *request) httpHead(incoming bool) []byte {
	if incoming {
		return req.resHead
	}
	return req.reqHead
}

// readChunks copies a chunked body to w until its last chunk. Where ieof is
// given, it tells whether the preview was all there is (section 4.5).
func readChunks(r *bufio.Reader, w io.Writer, ieof *bool) error {
	for {
		line, err := readLine(r)
		if err != nil {
			return err
		}
		number, extension, _ := strings.Cut(line, ";")
		size, err := strconv.ParseUint(strings.TrimSpace(number), 16, 40)
		if err != nil {
			return bad("a chunk has no size")
		}
		if size == 0 {
			if ieof != nil {
				*ieof = strings.EqualFold(strings.TrimSpace(extension), "ieof")
			}
			return skipTrailer(r)
		}
		if _, err := io.CopyN(w, r, int64(size)); err != nil {
			return fmt.Errorf("read a chunk: %w", err)
		}
		if line, err = readLine(r); err != nil || line != "" {
			return errors.Join(err, bad("a chunk is longer than it says"))
		}
	}
}

func skipTrailer(r *bufio.Reader) error {
	for range 100 {
		line, err := readLine(r)
		if err != nil || line == "" {
			return err
		}
	}
	return bad("its trailer is too long")
}

func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull) || len(line) > mostLine:
		return "", bad("a line is too long")
	case errors.Is(err, io.EOF):
		return "", io.ErrUnexpectedEOF
	case err != nil:
		return "", err
	}
	return string(bytes.TrimRight(line, "\r\n")), nil
}
