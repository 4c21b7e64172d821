package console

import (
	"net/http"
	"strings"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/deid"
	"github.com/cordon-health/cordon/identity"
)

// deidFile is the page of de-identification and its way back.
type deidFile struct {
	Profiles []api.DeidProfile
	Key      string
	Waiting  []deid.Request
	Mine     []deid.Request // granted, to be answered to who looks
	Past     []deid.Request
	Ask      bool
	Decide   bool
	Me       string
}

// mostRequests is how many requests the page shows.
const mostRequests = 200

func (q *request) deidPage() error {
	u := q.ses.User
	m := deidFile{Profiles: api.DeidProfiles(), Ask: u.May(identity.RequestReleases), Decide: u.May(identity.ApproveActions), Me: u.Human()}
	key, err := q.Reidentify.Key()
	if err != nil {
		return err
	}
	m.Key = key.ID() + " (" + string(key.Suite()) + ")"
	all, err := q.Reidentify.List(q.r.Context(), mostRequests)
	if err != nil {
		return err
	}
	for _, x := range all {
		switch {
		case x.State == deid.Asked:
			m.Waiting = append(m.Waiting, x)
		case x.State == deid.Granted && x.By == m.Me:
			m.Mine = append(m.Mine, x)
		default:
			m.Past = append(m.Past, x)
		}
	}
	p := q.page("nav.deid")
	return q.show(p, deidPage(p, m))
}

func (q *request) askReidentify() error {
	_, err := q.AskReidentify(q.r.Context(), q.ses.User, deid.Request{
		Purpose: q.text("purpose"), Basis: q.text("basis"), Items: strings.FieldsFunc(q.text("items"), func(r rune) bool { return r == '\n' || r == '\r' || r == ',' }),
	})
	if err != nil {
		return err
	}
	return q.redirect("/deid?done=reidentify.asked")
}

func (q *request) changeReidentify() error {
	id := q.r.PathValue("id")
	switch what := q.r.PathValue("what"); what {
	case "approve", "refuse":
		if _, err := q.DecideReidentify(q.r.Context(), q.ses.User, id, what == "approve", q.text("reason")); err != nil {
			return err
		}
		return q.redirect("/deid?done=reidentify.decided")
	case "answer":
		// The answer is the page itself: it is in no address, and gone when
		// the page is left.
		all, err := q.AnswerReidentify(q.r.Context(), q.ses.User, id)
		if err != nil {
			return err
		}
		p := q.page("reidentify.answer")
		return q.show(p, reidentifyAnswer(p, all))
	}
	return q.refused(http.StatusNotFound, "error.nothing")
}
