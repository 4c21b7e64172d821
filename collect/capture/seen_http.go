package capture

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/asset"
)

// HTTP/1: who asks and who answers. Paths, queries, bodies and cookies are read
// over. Source: RFC 9112.
const (
	httpMostHead = 16 << 10
	httpBodyEnds = -1 // length of a body that lasts to the end of the stream
	httpMostLine = 256
)

// httpMethods are those of RFC 9110, PATCH, and those of WebDAV that are met.
var httpMethods = []string{"GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "CONNECT", "PATCH", "TRACE",
	"PROPFIND", "REPORT", "MKCOL", "MOVE", "COPY", "LOCK", "UNLOCK", "SEARCH"}

// httpMethod gives the method that b begins with, or whether it might yet.
func httpMethod(b []byte) (method string, v Verdict) {
	for _, m := range httpMethods {
		n := min(len(b), len(m))
		if string(b[:n]) != m[:n] {
			continue
		}
		if len(b) <= len(m) {
			return "", Maybe
		}
		if b[len(m)] == ' ' {
			return m, Yes
		}
	}
	return "", No
}

// httpHead is what a head tells.
type httpHead struct {
	method           string
	absolute         bool // the target names a server, as proxies are asked
	status           int
	host, agent      string
	server, via      string
	length           int
	chunked, upgrade bool
}

// parseHTTPHead reads a head without its empty line.
func parseHTTPHead(b []byte) (h httpHead, err error) {
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	line = bytes.TrimRight(line, "\r")
	if after, ok := bytes.CutPrefix(line, []byte("HTTP/1.")); ok {
		_, status, _ := bytes.Cut(after, []byte(" "))
		h.status, err = strconv.Atoi(string(status[:min(3, len(status))]))
		if err != nil || h.status < 100 {
			return h, errSeenForm
		}
	} else if err := h.request(line); err != nil {
		return h, err
	}
	h.length = httpBodyEnds
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		key, value, ok := bytes.Cut(line, []byte(":"))
		if ok && len(key) < 24 {
			h.field(key, value)
		}
	}
	return h, nil
}

func (h *httpHead) request(line []byte) error {
	method, v := httpMethod(line)
	if v != Yes || !bytes.Contains(line, []byte(" HTTP/1.")) {
		return errSeenForm
	}
	h.method = method
	if target := line[len(method)+1:]; bytes.HasPrefix(target, []byte("http://")) || bytes.HasPrefix(target, []byte("ftp://")) {
		h.absolute = true
	}
	return nil
}

func (h *httpHead) field(key, value []byte) {
	is := func(name string) bool { return len(key) == len(name) && strings.EqualFold(string(key), name) }
	switch {
	case is("host"):
		h.host = httpHost(seenText(value))
	case is("user-agent"):
		h.agent = seenText(value)
	case is("server"):
		h.server = seenText(value)
	case is("via"):
		h.via = seenText(value)
	case is("content-length"):
		if n, err := strconv.Atoi(string(bytes.TrimSpace(value))); err == nil && n >= 0 && h.length == httpBodyEnds {
			h.length = n
		}
	case is("transfer-encoding"):
		h.chunked = bytes.Contains(bytes.ToLower(value), []byte("chunked"))
	case is("upgrade"):
		h.upgrade = true
	}
}

// httpHost is a host's name without its port; addresses are no names.
func httpHost(v string) string {
	if i := strings.LastIndexByte(v, ':'); i >= 0 && !strings.HasSuffix(v, "]") {
		v = v[:i]
	}
	if _, err := netip.ParseAddr(strings.Trim(v, "[]")); err == nil || strings.ContainsAny(v, "/?#@ ") {
		return ""
	}
	return v
}

type httpDissector struct{ memory *tlsMemory }

func newHTTP() StreamDissector { return &httpDissector{newTLSMemory()} }

func (*httpDissector) Name() string { return "http" }

func (*httpDissector) Probe(_ *Stream, client, server []byte) Verdict {
	if len(client) == 0 {
		if n := min(len(server), 7); string(server[:n]) != "HTTP/1."[:n] {
			return No
		} else if n < 7 {
			return Maybe
		}
		return Yes
	}
	_, v := httpMethod(client)
	if v != Yes {
		return v
	}
	line, _, whole := bytes.Cut(client, []byte("\n"))
	switch {
	case bytes.Contains(line, []byte(" HTTP/1.")):
		return Yes
	case whole || len(line) > 8<<10: // RTSP and SIP have such methods too
		return No
	}
	return Maybe
}

func (d *httpDissector) Open(s *Stream, out Out) Parser {
	seenApp(s, "http")
	return &httpParser{s: s, out: out, memory: d.memory, at: s.Opened}
}

// httpParser follows the requests of a connection through their bodies. Of the
// answers it reads the first heads only: they tell the server's name, and
// whether a proxy opened a tunnel.
type httpParser struct {
	s       *Stream
	out     Out
	memory  *tlsMemory
	at      int64
	request httpSide
	answer  httpSide
	asked   httpHead // the last request
	heads   int      // of answers read
	agent   string
	tunnel  bool       // CONNECT was asked for
	within  *tlsParser // what runs inside the tunnel
	opened  bool
}

// httpSide is where one side stands.
type httpSide struct {
	head []byte
	skip int  // bytes of a body still to come
	lost bool // until something that looks like a head
	over bool
	// chunked bodies: size lines are read out of the stream
	chunked bool
	line    []byte
}

func (p *httpParser) Data(fromClient bool, at int64, b []byte) bool {
	p.at = at
	if p.opened {
		return p.within.Data(fromClient, at, b)
	}
	if fromClient {
		p.request.feed(b, p.asks)
		return !p.request.over || !p.answer.over
	}
	return p.server(b)
}

func (p *httpParser) server(b []byte) bool {
	if !p.answer.over {
		p.answer.feed(b, p.answers)
	}
	if p.opened {
		if rest := p.answer.head; len(rest) > 0 {
			return p.within.Data(false, p.at, rest)
		}
		return true
	}
	return !p.request.over || !p.answer.over
}

func (p *httpParser) Gap(fromClient bool, n int) bool {
	if p.opened {
		return p.within.Gap(fromClient, n)
	}
	if fromClient {
		p.request.gap(n)
	} else {
		p.answer.over = true
	}
	return true
}

func (p *httpParser) Close(at int64) {}

// feed gives whole heads to each, and passes over bodies. each says how the
// body after its head goes on, and whether there is more to read.
func (s *httpSide) feed(b []byte, each func(head []byte) (more bool)) {
	for len(b) > 0 && !s.over {
		switch {
		case s.skip > 0:
			n := min(s.skip, len(b))
			s.skip, b = s.skip-n, b[n:]
		case s.chunked:
			b = s.chunk(b)
		case s.lost && !httpBegins(b):
			return
		default:
			s.lost = false
			b = s.gather(b, each)
		}
	}
}

// httpBegins looks for a head where the place in the stream was lost.
func httpBegins(b []byte) bool {
	_, v := httpMethod(b)
	return v == Yes
}

// gather collects a head and gives what follows it.
func (s *httpSide) gather(b []byte, each func([]byte) bool) (rest []byte) {
	before := len(s.head)
	s.head = append(s.head, b[:min(len(b), httpMostHead-before)]...)
	from := max(0, before-3)
	end, size := httpHeadEnd(s.head[from:])
	if end < 0 {
		s.over = len(s.head) >= httpMostHead
		return nil
	}
	end += from
	head := s.head[:end]
	s.head = s.head[:0]
	rest = b[end+size-before:]
	if !each(head) {
		s.over = true
		s.head = append(s.head[:0], rest...)
		return nil
	}
	return rest
}

// httpHeadEnd finds the empty line: where it begins, and how long it is.
func httpHeadEnd(b []byte) (at, size int) {
	at = bytes.Index(b, []byte("\n\r\n"))
	if bare := bytes.Index(b, []byte("\n\n")); bare >= 0 && (at < 0 || bare < at) {
		return bare, 2
	}
	return at, 3
}

// body sets how what follows a head is passed over.
func (s *httpSide) body(h httpHead, none bool) {
	switch {
	case none:
	case h.chunked:
		s.chunked = true
	case h.length > 0:
		s.skip = h.length
	}
}

// chunk reads the line with the size of the next piece of a body.
func (s *httpSide) chunk(b []byte) (rest []byte) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		s.line = append(s.line, b[:min(len(b), httpMostLine-len(s.line))]...)
		s.over = len(s.line) >= httpMostLine
		return nil
	}
	line := append(s.line, b[:min(i, httpMostLine-len(s.line))]...)
	s.line = s.line[:0]
	digits, _, _ := bytes.Cut(bytes.TrimSpace(line), []byte(";"))
	n, err := strconv.ParseUint(string(digits), 16, 31)
	switch {
	case len(digits) == 0: // after a piece
	case err != nil:
		s.chunked, s.lost = false, true
	case n == 0: // trailers, if any, are taken for a head that is none
		s.chunked, s.lost = false, true
	default:
		s.skip = int(n)
	}
	return b[i+1:]
}

// gap goes on after n lost bytes, within a body without doubt, else with the
// next thing that looks like a head.
func (s *httpSide) gap(n int) {
	if n <= s.skip {
		s.skip -= n
		return
	}
	s.skip, s.chunked, s.lost = 0, false, true
	s.head, s.line = s.head[:0], s.line[:0]
}

// asks takes the head of a request.
func (p *httpParser) asks(b []byte) bool {
	h, err := parseHTTPHead(b)
	if err != nil || h.method == "" {
		p.request.lost = true
		return true
	}
	p.asked = h
	n := p.s.Notes()
	n.Call(h.method, 1)
	if n.SNI == "" && !h.absolute && h.method != "CONNECT" {
		n.SNI = h.host
	}
	if h.agent != p.agent {
		p.agent = h.agent
		o := seenClient(p.s, p.at, "http")
		seenAdd(&o, asset.FactUserAgent, h.agent)
		if h.method != "CONNECT" {
			p.memory.asks(&o, h.host)
		}
		seenTell(p.out, o)
	}
	p.request.body(h, false)
	p.tunnel = h.method == "CONNECT"
	return !p.tunnel && !h.upgrade
}

// answers takes the head of an answer.
func (p *httpParser) answers(b []byte) bool {
	h, err := parseHTTPHead(b)
	if err != nil || h.status == 0 {
		return false
	}
	if h.status/100 == 1 && h.status != 101 {
		return true // go on: the answer comes later
	}
	if p.heads++; p.heads == 1 {
		p.tellServer(h)
	}
	if p.tunnel && h.status/100 == 2 {
		p.opened = true
		p.within = &tlsParser{s: p.s, out: p.out, memory: p.memory, at: p.at, through: true}
	}
	return false
}

func (p *httpParser) tellServer(h httpHead) {
	o := seenServes(p.s, p.at, "http")
	seenAdd(&o, asset.FactServerBanner, h.server)
	if p.asked.absolute || p.asked.method == "CONNECT" || (h.via != "" && h.server == "") {
		seenAdd(&o, asset.FactRole, "proxy")
	}
	seenTell(p.out, o)
}
