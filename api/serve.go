package api

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/internal/limit"
	"github.com/cordon-health/cordon/ocsf"
)

// API answers programs. It may be used concurrently.
type API struct {
	Parts
	routes []route
	tokens *limit.Limiter // requests, by user
	senders,
	guests *limit.Limiter // those of senders; those without a valid token, by address
	verifying sync.Mutex // one verification at a time
}

// New makes the API.
func New(p Parts) (*API, error) {
	if p.Users == nil || p.Now == nil || p.Log == nil || p.Site.Zone == nil {
		return nil, errors.New("api: users, clock, log and site are needed")
	}
	p.Limits = p.Limits.orDefault()
	a := &API{Parts: p}
	pace := time.Second / time.Duration(p.Limits.PerSecond)
	a.tokens = limit.New(pace, p.Limits.Burst, mostKeys, p.Now)
	a.senders = limit.New(pace/100, 100*p.Limits.Burst, mostKeys, p.Now)
	a.guests = limit.New(pace, p.Limits.Burst, mostKeys, p.Now)
	a.routes = a.table()
	return a, nil
}

// mostKeys bounds how many clients are told apart.
const mostKeys = 10000

type userKey struct{}

// WithUser lets a request made inside the process act as a user, without a
// token: for the command line on a stopped server's folder.
func WithUser(ctx context.Context, u identity.User) context.Context {
	return context.WithValue(ctx, userKey{}, u)
}

// Handler serves /api/v1/, /fhir, /metrics, /healthz and /readyz.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range a.routes {
		mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, req *http.Request) { a.serve(r, w, req) })
	}
	for _, rest := range []string{"/api/", "/fhir/"} {
		mux.HandleFunc(rest, func(w http.ResponseWriter, req *http.Request) { a.unknown(mux, rest, w, req) })
	}
	return mux
}

// unknown answers what no route does: another method, or nothing at all.
func (a *API) unknown(mux *http.ServeMux, rest string, w http.ResponseWriter, req *http.Request) {
	c := &call{API: a, w: w, r: req, lang: a.language(req)}
	var allowed []string
	for _, method := range []string{"GET", "POST", "DELETE"} {
		other := req.Clone(req.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != rest && pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		c.fail(refuse(http.StatusNotFound, "there is no such address; /api/v1/openapi.json lists them all", "没有此地址；全部接口见 /api/v1/openapi.json"))
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	c.fail(refuse(http.StatusMethodNotAllowed, "use "+strings.Join(allowed, " or ")+" here", "请使用 "+strings.Join(allowed, "、")))
}

// call is one request on its way through a route.
type call struct {
	*API
	w    http.ResponseWriter
	r    *http.Request
	user identity.User
	lang string
	sent bool // something was answered
}

func (a *API) serve(r route, w http.ResponseWriter, req *http.Request) {
	c := &call{API: a, w: w, r: req, lang: a.language(req)}
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	if err := c.admit(r); err != nil {
		c.fail(err)
		return
	}
	if r.most > 0 {
		req.Body = http.MaxBytesReader(w, req.Body, r.most)
	}
	if err := c.watch(r); err != nil {
		c.fail(err)
		return
	}
	if err := r.serve(c); err != nil {
		c.fail(err)
	}
}

// admit finds out who asks and whether they may, and how often they did.
func (c *call) admit(r route) error {
	peer := limit.Peer(c.r, c.Site.Proxied)
	if r.open || r.local && isLoopback(peer) {
		return nil
	}
	u, err := c.who()
	if err != nil {
		if ok, wait := c.guests.Allow(peer); !ok {
			return c.slow(wait)
		}
		if errors.Is(err, identity.ErrDenied) {
			c.w.Header().Set("WWW-Authenticate", `Bearer realm="cordon"`)
			return refuse(http.StatusUnauthorized,
				"send a valid token as Authorization: Bearer TOKEN; make one with: cordon token create --role ROLE",
				"请以 Authorization: Bearer TOKEN 提供有效令牌；生成方法：cordon token create --role ROLE")
		}
		return err
	}
	c.user = u
	pace := c.tokens
	if r.may == identity.SendEvents {
		pace = c.senders
	}
	if ok, wait := pace.Allow(u.Name); !ok {
		return c.slow(wait)
	}
	if !u.May(r.may) {
		return forbidden()
	}
	return nil
}

func isLoopback(peer string) bool {
	ip := net.ParseIP(peer)
	return ip != nil && ip.IsLoopback()
}

func (c *call) slow(wait time.Duration) error {
	c.w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
	return refuse(http.StatusTooManyRequests, "too many requests; wait as Retry-After says", "请求过多，请按 Retry-After 稍候再试")
}

// who is the user of the request: given by the process, or by the token.
func (c *call) who() (identity.User, error) {
	if u, ok := c.r.Context().Value(userKey{}).(identity.User); ok {
		return u, nil
	}
	scheme, token, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return identity.User{}, identity.ErrDenied
	}
	return c.Users.Token(c.r.Context(), strings.TrimSpace(token))
}

// language is the reader's: ?lang, else what the client prefers, else the
// site's.
func (a *API) language(r *http.Request) string {
	if lang := r.URL.Query().Get("lang"); lang == "zh" || lang == "en" {
		return lang
	}
	return Language(r.Header.Get("Accept-Language"), a.Site.Language)
}

// Language chooses zh or en by an Accept-Language header (RFC 9110 section
// 12.5.4); otherwise is taken where it says nothing of the two.
func Language(accept, otherwise string) string {
	best, chosen := 0.0, otherwise
	for part := range strings.SplitSeq(accept, ",") {
		tag, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(weight), "q="); ok {
			q, _ = strconv.ParseFloat(v, 64)
		}
		tag, _, _ = strings.Cut(strings.ToLower(tag), "-")
		if (tag == "zh" || tag == "en") && q > best {
			best, chosen = q, tag
		}
	}
	return chosen
}

// Problem is an error answer (RFC 9457).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail says what to do.
	Detail string `json:"detail"`
	// Reference finds the failure in Cordon's log.
	Reference string `json:"reference,omitempty"`
}

// fail answers an error. What is not meant for people goes to the log.
func (c *call) fail(err error) {
	if c.sent {
		panic(http.ErrAbortHandler) // the list must not look complete
	}
	p := Problem{Type: "about:blank"}
	if r, ok := RefusalOf(c.tooLarge(err)); ok {
		p.Status, p.Detail = r.Status, r.Text.In(c.lang)
	} else {
		p.Status, p.Reference = http.StatusInternalServerError, rand.Text()[:10]
		p.Detail = ocsf.Text{EN: "Cordon could not do this; try again, and give the reference to whoever reads its log",
			ZH: "未能完成，请重试；如仍失败，请将编号告知日志管理员"}.In(c.lang)
		c.Log.Error("request failed", "method", c.r.Method, "route", c.r.Pattern, "reference", p.Reference, "error", err)
	}
	p.Title = http.StatusText(p.Status)
	c.w.Header().Set("Content-Type", "application/problem+json")
	c.w.WriteHeader(p.Status)
	_ = json.NewEncoder(c.w).Encode(p) // the peer may be gone; nothing to do about it
}

func (c *call) tooLarge(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return refuse(http.StatusRequestEntityTooLarge, "the body is larger than "+strconv.FormatInt(large.Limit, 10)+" bytes; send it in parts",
			"内容超过 "+strconv.FormatInt(large.Limit, 10)+" 字节，请分批发送")
	}
	return err
}

// answer sends one value as JSON.
func (c *call) answer(status int, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.begin(status, "application/json")
	_, err = c.w.Write(append(data, '\n'))
	return err
}

func (c *call) begin(status int, kind string) {
	c.w.Header().Set("Content-Type", kind)
	c.w.WriteHeader(status)
	c.sent = true
}

// lines writes a list of any length, a JSON value a line.
type lines struct {
	c   *call
	out *bufio.Writer
}

func (c *call) lines() *lines { return &lines{c: c, out: bufio.NewWriterSize(lineSink{c}, 64<<10)} }

// lineSink begins the answer with the first bytes, so that an error before
// them can still be answered as one.
type lineSink struct{ c *call }

func (s lineSink) Write(p []byte) (int, error) {
	if !s.c.sent {
		s.c.begin(http.StatusOK, "application/x-ndjson")
	}
	return s.c.w.Write(p)
}

func (l *lines) raw(line []byte) error {
	_, err := l.out.Write(line)
	return errors.Join(err, l.out.WriteByte('\n'))
}

func (l *lines) value(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return l.raw(line)
}

func (l *lines) end() error {
	if err := l.out.Flush(); err != nil {
		return err
	}
	_, err := lineSink{l.c}.Write(nil)
	return err
}

// now sends what there is, for lists that somebody watches.
func (l *lines) now() error {
	if err := l.out.Flush(); err != nil {
		return err
	}
	err := http.NewResponseController(l.c.w).Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// read decodes a JSON body strictly.
func read[T any](c *call) (T, error) {
	var v T
	d := json.NewDecoder(c.r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(&v)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return v, err
	case errors.Is(err, io.EOF):
		return v, bad("the body is empty; send JSON as /api/v1/openapi.json describes it", "内容为空；请按 /api/v1/openapi.json 发送 JSON")
	case err != nil:
		return v, bad("the body is not the JSON expected here; see /api/v1/openapi.json", "内容不是所需的 JSON；请参阅 /api/v1/openapi.json")
	}
	return v, nil
}

// oneOf reads a query parameter that is one of some words.
func (c *call) oneOf(name string, words ...string) (string, error) {
	v := c.r.URL.Query().Get(name)
	if v == "" || slices.Contains(words, v) {
		return v, nil
	}
	return "", bad(name+" is one of "+strings.Join(words, ", "), name+" 须为："+strings.Join(words, "、"))
}

// number reads a query parameter that is a count.
func (c *call) number(name string, otherwise, most int) (int, error) {
	v := c.r.URL.Query().Get(name)
	if v == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > most {
		return 0, bad(name+" is a number from 0 to "+strconv.Itoa(most), name+" 须为 0 至 "+strconv.Itoa(most)+" 的数字")
	}
	return n, nil
}

// instant reads a query parameter that is a time.
func (c *call) instant(name string) (int64, error) {
	return c.time(name, c.r.URL.Query().Get(name))
}

// time reads RFC 3339, a date in the site's zone, or ms since 1970.
func (c *call) time(name, v string) (int64, error) {
	if v == "" {
		return 0, nil
	}
	if ms, err := strconv.ParseInt(v, 10, 64); err == nil && len(v) > 10 {
		return ms, nil
	}
	if t, err := time.Parse(time.RFC3339, v); err == nil {
		return t.UnixMilli(), nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, v, c.Site.Zone); err == nil {
		return t.UnixMilli(), nil
	}
	return 0, bad(name+" is a time such as 2026-11-22 or 2026-11-22T08:00:00+08:00", name+" 须为时间，如 2026-11-22 或 2026-11-22T08:00:00+08:00")
}
