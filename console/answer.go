package console

import (
	"errors"
	"net/http"
	"slices"

	"github.com/cordon-health/cordon/playbook"
)

// answerForm is the question to a member of staff, or to a manager.
type answerForm struct {
	playbook.Question
	Token   string
	To      string // user or manager
	Choices []playbook.Choice
	Done    bool // answered by this reader
	// Whose is whom the manager is asked about.
	Whose person
	Error string
}

func (q *request) answerModel() (answerForm, error) {
	m := answerForm{Token: q.r.PathValue("token")}
	if err := q.slow("answer"); err != nil {
		return m, err
	}
	var err error
	if m.Question, m.To, err = q.Runner.Open(q.r.Context(), m.Token); err != nil {
		return m, err
	}
	for _, c := range playbook.Choices() {
		if c.For == m.To {
			m.Choices = append(m.Choices, c)
		}
	}
	m.Done = slices.ContainsFunc(m.Answers, func(a playbook.Answer) bool { return a.By == m.To })
	m.Whose = q.staff(m.Person, m.Account)
	for i, a := range m.Accesses { // the finding's time is that of its last event
		if ev, err := q.Lake.Event(q.r.Context(), a.Event); err == nil {
			m.Accesses[i].Time = ev.Time
		}
	}
	return m, nil
}

func (q *request) question() error {
	m, err := q.answerModel()
	if err != nil {
		return err
	}
	p := q.outside("answer.title")
	return q.show(p, answerPage(p, m))
}

func (q *request) answer() error {
	m, err := q.answerModel()
	if err != nil {
		return err
	}
	choice := q.text("choice")
	p := q.outside("answer.title")
	switch {
	case m.Done, m.Status == "recalled":
		return q.show(p, answerPage(p, m))
	case !slices.ContainsFunc(m.Choices, func(c playbook.Choice) bool { return c.ID == choice }):
		m.Error = p.T("answer.choose")
		return q.showAs(http.StatusUnprocessableEntity, p, answerPage(p, m))
	}
	if _, err := q.Runner.Answer(q.r.Context(), m.Token, choice, q.text("text")); err != nil {
		if errors.Is(err, playbook.ErrLink) {
			return err
		}
		again, readErr := q.answerModel()
		if readErr != nil || !again.Done { // not somebody's second click
			return errors.Join(err, readErr)
		}
	}
	return q.redirect("/answer/" + m.Token)
}
