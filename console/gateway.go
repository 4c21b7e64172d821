package console

import (
	"errors"
	"net/http"

	"github.com/cordon-health/cordon/gateway"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/ocsf"
)

// gatewayFile is the page of what was stopped on its way out.
type gatewayFile struct {
	Held, Coached, Past []passRow
	Routes              []gateway.Route
	Open                bool // some door is in use
	May                 bool
}

// passRow is a pass as pages show it.
type passRow struct {
	gateway.Pass
	Kinds []ocsf.Text
}

// mostPasses is how many the page shows.
const mostPasses = 200

func (q *request) gatewayPage() error {
	m := gatewayFile{Routes: q.Gateway.Config.Routes, May: q.ses.User.May(identity.ApproveActions)}
	all, err := q.Gateway.Passes(q.r.Context(), "", mostPasses, 0)
	if err != nil {
		return err
	}
	m.Open = q.Gateway.Config.InUse() || len(all) > 0
	now := q.Now().UnixMilli()
	for _, x := range all {
		row := passRow{Pass: x, Kinds: gateway.Titles(x.Kinds)}
		switch {
		case x.State == gateway.Waiting && x.Action == gateway.Hold && x.Until > now:
			m.Held = append(m.Held, row)
		case x.State == gateway.Waiting && x.Until > now:
			m.Coached = append(m.Coached, row)
		default:
			m.Past = append(m.Past, row)
		}
	}
	p := q.page("nav.gateway")
	return q.show(p, gatewayPage(p, m))
}

func (q *request) decidePass() error {
	what := q.r.PathValue("what")
	if what != "approve" && what != "refuse" {
		return q.refused(http.StatusNotFound, "error.nothing")
	}
	if _, err := q.DecidePass(q.r.Context(), q.ses.User, q.r.PathValue("id"), what == "approve", q.text("reason")); err != nil {
		return err
	}
	return q.redirect("/gateway?done=pass")
}

// passForm is the page of a coached sender.
type passForm struct {
	passRow
	Error string
}

func (q *request) passModel() (passForm, error) {
	var m passForm
	if err := q.slow("pass"); err != nil {
		return m, err
	}
	x, err := q.Gateway.Pass(q.r.Context(), q.r.PathValue("id"))
	if err == nil && (x.Action != gateway.Coach || x.Until <= q.Now().UnixMilli()) {
		err = gateway.ErrPass
	}
	m.Pass, m.Kinds = x, gateway.Titles(x.Kinds)
	return m, err
}

func (q *request) passQuestion() error {
	m, err := q.passModel()
	if err != nil {
		return err
	}
	p := q.outside("pass.title")
	return q.show(p, passPage(p, m))
}

func (q *request) passAnswer() error {
	m, err := q.passModel()
	if err != nil {
		return err
	}
	p := q.outside("pass.title")
	if m.State == gateway.Waiting {
		m.Pass, err = q.Gateway.Explain(q.r.Context(), m.ID, q.text("reason"))
		if errors.Is(err, gateway.ErrReason) {
			m.State, m.Error = gateway.Waiting, p.T("pass.reason.short")
			return q.showAs(http.StatusUnprocessableEntity, p, passPage(p, m))
		}
		if err != nil {
			return err
		}
	}
	return q.redirect("/pass/" + m.ID)
}

// passChip is the colour of a pass's state.
func passChip(state string) string {
	switch state {
	case gateway.Passed:
		return "good"
	case gateway.Refused:
		return "bad"
	}
	return "warn"
}
