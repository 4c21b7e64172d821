package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/gateway"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/ocsf"
)

// inspected is the answer to a gateway that asked about a content.
type inspected struct {
	gateway.Outcome
	Text ocsf.Text `json:"text"`
	// Link is where a coached sender says why.
	Link string `json:"link,omitempty"`
	// Redacted is the content without what was found, base64; only with the
	// action redact.
	Redacted []byte `json:"redacted,omitempty"`
}

type passDecision struct {
	Approve bool   `json:"approve"`
	Reason  string `json:"reason"`
}

func (a *API) gatewayRoutes() []route {
	return []route{
		{method: "POST", path: "/api/v1/gateway/inspect", id: "inspectContent", may: identity.Inspect, status: 200, body: "application/octet-stream", answer: inspected{},
			most: a.gatewayMost(), serve: (*call).inspect,
			about: "Ask what may happen to a content that wants to leave: allow, coach, redact, hold or block. Who sends it and where to stand in the headers X-Cordon-From and X-Cordon-To (several, separated by commas), its file name in X-Cordon-Name; Content-Type helps to redact it."},
		{method: "GET", path: "/api/v1/gateway/passes", id: "listPasses", may: identity.SeeCases, status: 200, answer: []gateway.Pass{},
			params: []param{{"state", "Only those of a state.", []string{gateway.Waiting, gateway.Passed, gateway.Refused}}, {"limit", "At most so many.", nil}},
			about:  "What the gateway coached or held, the newest first.", serve: (*call).passes},
		{method: "GET", path: "/api/v1/gateway/passes/{id}", id: "getPass", may: identity.Inspect, status: 200, answer: gateway.Pass{},
			about: "Whether something coached or held may pass now.", serve: (*call).pass},
		{method: "POST", path: "/api/v1/gateway/passes/{id}/decide", id: "decidePass", may: identity.ApproveActions, status: 200, body: passDecision{}, answer: gateway.Pass{},
			about: "Approve or refuse something held; not by who sent it.", serve: (*call).passDecide},
	}
}

// gatewayMost is the largest content the door of the API takes.
func (a *API) gatewayMost() int64 {
	if a.Gateway == nil {
		return 0
	}
	return a.Gateway.Config.Largest(gateway.HTTP) + 1
}

func (c *call) inspect() error {
	data, err := io.ReadAll(c.r.Body)
	if err != nil {
		return err
	}
	it, err := c.item(data)
	if err != nil {
		return err
	}
	g := c.Gateway
	o := g.Judge(c.r.Context(), it)
	out := inspected{}
	if o.Action == gateway.Redact {
		clean, err := g.Body(c.r.Context(), c.r.Header.Get("Content-Type"), data, o.RedactAt)
		next := it
		next.Source = classify.BytesSource(it.Source.Name(), clean)
		if err == nil && g.Clean(c.r.Context(), next, o) {
			out.Redacted = clean
		} else {
			o = g.Instead(c.r.Context(), it, o)
		}
	}
	out.Outcome, out.Text, out.Link = o, o.Words(), o.Link(c.Base)
	return c.answer(http.StatusOK, out)
}

func (c *call) item(data []byte) (gateway.Item, error) {
	h := c.r.Header
	name := h.Get("X-Cordon-Name")
	if name == "" {
		name = "content"
	}
	for _, v := range []string{name, h.Get("X-Cordon-From"), h.Get("X-Cordon-To")} {
		if !utf8.ValidString(v) || len(v) > 16<<10 {
			return gateway.Item{}, bad("a header X-Cordon-… is not UTF-8 or too long", "请求头 X-Cordon-… 不是 UTF-8 或过长")
		}
	}
	it := gateway.Item{Door: gateway.HTTP, From: h.Get("X-Cordon-From"), Source: classify.BytesSource(name, bytes.Clone(data))}
	for to := range strings.SplitSeq(h.Get("X-Cordon-To"), ",") {
		if to = strings.TrimSpace(to); to != "" {
			it.To = append(it.To, to)
		}
	}
	return it, nil
}

func (c *call) passes() error {
	limit, err := c.number("limit", 200, 2000)
	if err != nil {
		return err
	}
	list, err := c.Gateway.Passes(c.r.Context(), c.r.URL.Query().Get("state"), limit, 0)
	if err != nil {
		return err
	}
	if list == nil {
		list = []gateway.Pass{}
	}
	return c.answer(http.StatusOK, list)
}

func (c *call) pass() error {
	p, err := c.Gateway.Pass(c.r.Context(), c.id())
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, p)
}

func (c *call) passDecide() error {
	b, err := read[passDecision](c)
	if err != nil {
		return err
	}
	return reply[gateway.Pass](c)(c.DecidePass(c.r.Context(), c.user, c.id(), b.Approve, b.Reason))
}

// DecidePass approves or refuses what the gateway holds. Nobody decides about
// what they sent themselves.
func (s *Services) DecidePass(ctx context.Context, u identity.User, id string, approve bool, reason string) (gateway.Pass, error) {
	if !u.May(identity.ApproveActions) {
		return gateway.Pass{}, unpersonal(u)
	}
	p, err := s.Gateway.Pass(ctx, id)
	if err != nil {
		return p, err
	}
	if s.sent(u, p.From) {
		return p, conflict("what you sent yourself is decided by somebody else", "本人发送的内容须由他人审批")
	}
	return s.Gateway.Decide(ctx, id, approve, u.Human(), reason)
}

// sent says whether a sender, an address or an account, is the user.
func (s *Services) sent(u identity.User, from string) bool {
	account := accountOf(from)
	names := []string{u.Name, u.PersonID}
	if p, ok := s.People.Person(u.PersonID); ok {
		names = append(names, p.Accounts...)
	}
	return slices.ContainsFunc(names, func(n string) bool {
		return n != "" && (strings.EqualFold(accountOf(n), account) || strings.EqualFold(n, from))
	})
}

// accountOf is the account within an address or a domain's name: without the
// server, the domain and what follows a plus.
func accountOf(from string) string {
	if i := strings.LastIndexAny(from, `\/`); i >= 0 {
		from = from[i+1:]
	}
	account, _, _ := strings.Cut(from, "@")
	account, _, _ = strings.Cut(account, "+")
	return account
}
