package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/deid"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/ocsf"
)

type (
	// DeidProfile is a way to take patients out of a format.
	DeidProfile struct {
		Name    string    `json:"name"`
		Title   ocsf.Text `json:"title"`
		Options []string  `json:"options,omitempty"`
	}
	reidentifyWish struct {
		Purpose string   `json:"purpose"`
		Basis   string   `json:"basis"`
		Items   []string `json:"items"`
	}
	reidentifyDecision struct {
		Approve bool   `json:"approve"`
		Reason  string `json:"reason"`
	}
)

// DeidWork is one file to be de-identified with the site's key.
type DeidWork struct {
	Profile string
	Options []string
	Patient string
	In      classify.Source
	Out     io.Writer
}

// deidMost is the largest file the interface de-identifies: it is held in
// memory, so that an answer is whole or an error. Larger ones are for
// `cordon deidentify`.
const deidMost = 64 << 20

func (a *API) deidRoutes() []route {
	return []route{
		{method: "GET", path: "/api/v1/deid/profiles", id: "listDeidProfiles", may: identity.SeeReleases, status: 200, answer: []DeidProfile{},
			about: "The profiles of de-identification.", serve: (*call).deidProfiles},
		{method: "POST", path: "/api/v1/deid", id: "deidentify", may: identity.RequestReleases, status: 200, body: "application/octet-stream", answer: "application/octet-stream",
			most: deidMost, serve: (*call).deidentify,
			params: []param{{"profile", "A name of listDeidProfiles; auto goes by the file's format.", nil}, {"option", "An option of the profile; may be repeated.", nil}},
			about:  "De-identify one file of up to 64 MiB with the site's key. The record number of the patient, where the file does not say it, stands in the header X-Cordon-Patient. A file that cannot be processed gives 422 and nothing of it. Nothing is kept in the vault."},
		{method: "GET", path: "/api/v1/reidentifications", id: "listReidentifications", may: identity.SeeReleases, status: 200, answer: []deid.Request{},
			params: []param{{"limit", "At most so many.", nil}}, about: "Who asked who is behind pseudonyms, why, and what became of it.", serve: (*call).reidentifications},
		{method: "POST", path: "/api/v1/reidentifications", id: "askReidentification", may: identity.RequestReleases, status: 201, body: reidentifyWish{}, answer: deid.Request{},
			about: "Ask who is behind pseudonyms. Another user has to approve it.", serve: (*call).reidentifyAsk},
		{method: "POST", path: "/api/v1/reidentifications/{id}/decide", id: "decideReidentification", may: identity.ApproveActions, status: 200, body: reidentifyDecision{}, answer: deid.Request{},
			about: "Approve or refuse; not by who asked.", serve: (*call).reidentifyDecide},
		{method: "POST", path: "/api/v1/reidentifications/{id}/answer", id: "answerReidentification", may: identity.RequestReleases, status: 200, answer: []deid.Behind{},
			about: "The answer, once, for who asked, within a day of the approval. It is on record before it is given.", serve: (*call).reidentifyAnswer},
	}
}

func (c *call) deidProfiles() error { return c.answer(http.StatusOK, DeidProfiles()) }

// DeidProfiles lists the profiles that need no file of their own.
func DeidProfiles() []DeidProfile {
	all := []DeidProfile{}
	for _, o := range deid.Offers() {
		if o.Argument != "" {
			continue // its file would be one of the server's
		}
		p := DeidProfile{Name: o.Name, Title: o.Title}
		for _, option := range o.Options {
			p.Options = append(p.Options, option.Name)
		}
		all = append(all, p)
	}
	return all
}

func (c *call) deidentify() error {
	query := c.r.URL.Query()
	name := query.Get("profile")
	known := false
	for _, p := range DeidProfiles() {
		known = known || p.Name == name
	}
	if !known {
		return bad("say which profile: ?profile=auto, or a name of /api/v1/deid/profiles", "请以 ?profile= 指定规则集，名称见 /api/v1/deid/profiles")
	}
	data, err := io.ReadAll(c.r.Body)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	_, err = c.Deidentify(c.r.Context(), DeidWork{
		Profile: name, Options: query["option"], Patient: c.r.Header.Get("X-Cordon-Patient"), In: classify.BytesSource("file", data), Out: &out,
	})
	if errors.Is(err, context.Canceled) {
		return err
	}
	if err != nil {
		// Errors of profiles name places, never values.
		return refuse(http.StatusUnprocessableEntity, "the file could not be processed and nothing was passed on: "+err.Error(), "文件无法处理，未输出任何内容："+err.Error())
	}
	c.w.Header().Set("Content-Type", "application/octet-stream")
	_, err = c.w.Write(out.Bytes())
	return err
}

func (c *call) reidentifications() error {
	limit, err := c.number("limit", 200, 5000)
	if err != nil {
		return err
	}
	return reply[[]deid.Request](c)(c.Reidentify.List(c.r.Context(), limit))
}

func (c *call) reidentifyAsk() error {
	b, err := read[reidentifyWish](c)
	if err != nil {
		return err
	}
	q, err := c.AskReidentify(c.r.Context(), c.user, deid.Request{Purpose: b.Purpose, Basis: b.Basis, Items: b.Items})
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, q)
}

// AskReidentify asks who is behind pseudonyms.
func (s *Services) AskReidentify(ctx context.Context, u identity.User, q deid.Request) (deid.Request, error) {
	if !u.May(identity.RequestReleases) {
		return q, forbidden()
	}
	q, err := s.Reidentify.Ask(ctx, q, u.Human())
	return q, deidRefusal(err)
}

func (c *call) reidentifyDecide() error {
	b, err := read[reidentifyDecision](c)
	if err != nil {
		return err
	}
	return reply[deid.Request](c)(c.DecideReidentify(c.r.Context(), c.user, c.id(), b.Approve, b.Reason))
}

// DecideReidentify approves or refuses a request of somebody else.
func (s *Services) DecideReidentify(ctx context.Context, u identity.User, id string, approve bool, reason string) (deid.Request, error) {
	if !u.May(identity.ApproveActions) {
		return deid.Request{}, unpersonal(u)
	}
	q, err := s.Reidentify.Decide(ctx, id, u.Human(), approve, reason)
	return q, deidRefusal(err)
}

func (c *call) reidentifyAnswer() error {
	return reply[[]deid.Behind](c)(c.AnswerReidentify(c.r.Context(), c.user, c.id()))
}

// AnswerReidentify gives the answer of an approved request, once.
func (s *Services) AnswerReidentify(ctx context.Context, u identity.User, id string) ([]deid.Behind, error) {
	if !u.May(identity.RequestReleases) {
		return nil, forbidden()
	}
	all, err := s.Reidentify.Answer(ctx, id, u.Human())
	return all, deidRefusal(err)
}

// deidRefusal makes what is meant for people a refusal.
func deidRefusal(err error) error {
	var wrong deid.Wrong
	var passed deid.Passed
	switch {
	case errors.As(err, &passed):
		return conflict(passed.EN, passed.ZH)
	case errors.As(err, &wrong):
		return bad(wrong.EN, wrong.ZH)
	case errors.Is(err, deid.ErrOwn):
		return conflict(deid.ErrOwn.Error(), "须由申请人以外的人决定")
	}
	return err
}
