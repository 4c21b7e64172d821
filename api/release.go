package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/release"
)

type releaseDecision struct {
	Approve bool   `json:"approve"`
	Reason  string `json:"reason"`
}

func (a *API) releaseRoutes() []route {
	return []route{
		{method: "GET", path: "/api/v1/releases", id: "listReleases", may: identity.SeeReleases, status: 200, answer: []release.Release{},
			params: []param{{"limit", "At most so many.", nil}}, serve: (*call).releases,
			about: "Data sets that were asked for, made and handed out, the newest first."},
		{method: "POST", path: "/api/v1/releases", id: "requestRelease", may: identity.RequestReleases, status: 201, body: "application/octet-stream", answer: release.Release{},
			most: a.Limits.Import, serve: (*call).releaseRequest,
			about: "Ask for a data set to leave. The body's first line is the wish as JSON (title, purpose, basis, recipient, contact, until, recipe, file, age_key); the file follows, byte for byte."},
		{method: "GET", path: "/api/v1/releases/{id}", id: "getRelease", may: identity.SeeReleases, status: 200, answer: release.Release{},
			about: "One release with what was measured and tried.", serve: (*call).releaseGet},
		{method: "POST", path: "/api/v1/releases/{id}/make", id: "makeRelease", may: identity.RequestReleases, status: 200, body: remark{}, answer: release.Release{},
			about: "Make the recipient's copy, measure it and attack it.", serve: (*call).releaseMake},
		{method: "POST", path: "/api/v1/releases/{id}/decide", id: "decideRelease", may: identity.ApproveActions, status: 200, body: releaseDecision{}, answer: release.Release{},
			about: "Approve or refuse what was measured; not by who asked for it.", serve: (*call).releaseDecide},
		{method: "POST", path: "/api/v1/releases/{id}/withdraw", id: "withdrawRelease", may: identity.RequestReleases, status: 200, body: remark{}, answer: release.Release{},
			about: "End a release before its time and delete its data.", serve: (*call).releaseWithdraw},
		{method: "POST", path: "/api/v1/releases/{id}/take", id: "takeRelease", may: identity.RequestReleases, status: 200, body: remark{}, answer: "application/octet-stream",
			about: "Hand the approved copy out, encrypted where the recipient has a key. It is on record before the first byte.", serve: (*call).releaseTake},
		{method: "GET", path: "/api/v1/releases/{id}/proof", id: "proveRelease", may: identity.SeeReleases, status: 200, answer: "application/zip",
			about: "The release proof: recipe, measured risk, approver, hashes, signed; cordon verify checks it offline.", serve: (*call).releaseProof},
		{method: "POST", path: "/api/v1/trace", id: "traceFragment", may: identity.SeeReleases, status: 200, body: "text/csv", answer: release.Verdict{},
			most: traceMost, serve: (*call).trace,
			about: "Whose copy a leaked piece of a table comes from. CSV with or without a header line."},
	}
}

// mostWish is the longest wish, in bytes.
const mostWish = 2 << 20

// traceMost is the largest fragment, in bytes.
const traceMost = 256 << 20

func (c *call) releases() error {
	limit, err := c.number("limit", 200, 5000)
	if err != nil {
		return err
	}
	list, err := c.Releases.List(c.r.Context(), limit, 0)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, list)
}

func (c *call) releaseRequest() error {
	body := bufio.NewReaderSize(c.r.Body, mostWish)
	line, err := body.ReadSlice('\n')
	var w release.Wish
	if err == nil {
		err = json.Unmarshal(line, &w)
	}
	if err != nil {
		return bad("the body's first line is not the wish as JSON; the data set follows after it", "请求体首行须为 JSON 格式的申请，其后为数据集内容")
	}
	r, err := c.RequestRelease(c.r.Context(), c.user, w, body)
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, r)
}

// RequestRelease takes a data set in.
func (s *Services) RequestRelease(ctx context.Context, u identity.User, w release.Wish, data io.Reader) (release.Release, error) {
	if !u.May(identity.RequestReleases) {
		return release.Release{}, forbidden()
	}
	return s.Releases.Request(ctx, w, u.Human(), data)
}

func (c *call) releaseGet() error {
	return reply[release.Release](c)(c.Releases.Get(c.r.Context(), c.id()))
}

func (c *call) releaseMake() error {
	return reply[release.Release](c)(c.Releases.Make(c.r.Context(), c.id(), nil))
}

func (c *call) releaseDecide() error {
	b, err := read[releaseDecision](c)
	if err != nil {
		return err
	}
	return reply[release.Release](c)(c.DecideRelease(c.r.Context(), c.user, c.id(), b.Approve, b.Reason))
}

// DecideRelease approves or refuses. An approval is a person's word.
func (s *Services) DecideRelease(ctx context.Context, u identity.User, id string, approve bool, reason string) (release.Release, error) {
	if !u.May(identity.ApproveActions) {
		return release.Release{}, unpersonal(u)
	}
	return s.Releases.Decide(ctx, id, approve, u.Human(), reason)
}

func (c *call) releaseWithdraw() error {
	b, err := read[remark](c)
	if err != nil {
		return err
	}
	return reply[release.Release](c)(c.WithdrawRelease(c.r.Context(), c.user, c.id(), b.Text))
}

// WithdrawRelease ends a release before its time.
func (s *Services) WithdrawRelease(ctx context.Context, u identity.User, id, reason string) (release.Release, error) {
	if !u.May(identity.RequestReleases) {
		return release.Release{}, forbidden()
	}
	if err := s.ownRelease(ctx, u, id); err != nil {
		return release.Release{}, err
	}
	return s.Releases.Withdraw(ctx, id, u.Human(), reason)
}

func (c *call) releaseTake() error {
	r, err := c.Releases.Get(c.r.Context(), c.id())
	if err != nil {
		return err
	}
	return c.TakeRelease(c.r.Context(), c.user, r.ID, &late{c: c, kind: "application/octet-stream", file: r.OutputName()})
}

// TakeRelease hands a copy out.
func (s *Services) TakeRelease(ctx context.Context, u identity.User, id string, w io.Writer) error {
	if !u.May(identity.RequestReleases) {
		return forbidden()
	}
	if err := s.ownRelease(ctx, u, id); err != nil {
		return err
	}
	_, err := s.Releases.Take(ctx, id, u.Human(), w)
	return err
}

// ownRelease refuses other people's releases to all but those who decide.
func (s *Services) ownRelease(ctx context.Context, u identity.User, id string) error {
	r, err := s.Releases.Get(ctx, id)
	if err != nil {
		return err
	}
	if !strings.EqualFold(r.Requester, u.Human()) && !u.Role.May(identity.ApproveActions) {
		return refuse(http.StatusForbidden, "this release is somebody else's", "这是他人的数据发布")
	}
	return nil
}

func (c *call) releaseProof() error {
	id := c.id()
	if _, err := c.Releases.Get(c.r.Context(), id); err != nil {
		return err
	}
	return c.ReleaseProof(c.r.Context(), id, c.lang, &late{c: c, kind: "application/zip", file: "release-" + id + ".zip"})
}

func (c *call) trace() error {
	v, err := c.TraceFragment(c.r.Context(), c.user, c.r.Body)
	return reply[release.Verdict](c)(v, err)
}

// TraceFragment asks whose copy a piece of a table comes from.
func (s *Services) TraceFragment(ctx context.Context, u identity.User, r io.Reader) (release.Verdict, error) {
	if !u.May(identity.SeeReleases) {
		return release.Verdict{}, forbidden()
	}
	t, err := release.ReadTable(r, 0, release.Bounds{}, nil)
	if err != nil {
		return release.Verdict{}, bad("the fragment cannot be read as a table: "+err.Error(), "无法将该片段读取为表格")
	}
	return s.Releases.Trace(ctx, t)
}

// releaseRefusal says what a person may know of an error of a release.
func releaseRefusal(err error) (Refusal, bool) {
	var m release.Mistake
	switch {
	case errors.As(err, &m):
		return Refusal{http.StatusBadRequest, m.Text}, true
	case errors.Is(err, release.ErrOwn):
		return Refusal{http.StatusConflict, ocsf.Text{EN: release.ErrOwn.Error(), ZH: "须由申请人以外的人审批"}}, true
	case errors.Is(err, release.ErrState):
		return Refusal{http.StatusConflict, ocsf.Text{EN: release.ErrState.Error(), ZH: "该数据集不处于此步骤，请查看其状态"}}, true
	}
	return Refusal{}, false
}
