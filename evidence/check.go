package evidence

import (
	"context"
	"errors"
	"fmt"

	"github.com/cordon-health/cordon/ocsf"
)

// Check is a question that laws and standards ask, which a control answers with
// its proof. Controls offer them; compliance asks them.
type Check struct {
	// ID is kebab-case and never changes.
	ID    string
	Title ocsf.Text
	// Why says what is looked at, and what a good answer means.
	Why ocsf.Text
	// Controls are the clauses that ask, such as "GB/T 22239-2019 8.1.3.1".
	Controls []string
	// Ask answers as of now, in ms.
	Ask func(ctx context.Context, now int64) (Answer, error)
}

// Answer is what a check found.
type Answer struct {
	State AnswerState `json:"state"`
	// Text says it in a sentence, Next what to do about it.
	Text ocsf.Text `json:"text"`
	Next ocsf.Text `json:"next,omitzero"`
	// Good of All things looked at are as they should be; 0 of 0 where nothing
	// is counted.
	Good int `json:"good"`
	All  int `json:"all"`
	// Proof are the records that the answer rests on, at most some dozens.
	Proof []Ref `json:"proof,omitempty"`
}

// Ref names a record of the log.
type Ref struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

// AnswerState is how an answer counts.
type AnswerState string

// The states of an answer.
const (
	Met     AnswerState = "met"
	Partly  AnswerState = "partly"
	Unmet   AnswerState = "unmet"
	Unasked AnswerState = "not-applicable" // nothing here to which it applies
)

// Share makes an answer out of a count: met when all are good, unmet below
// half.
func Share(good, all int, text, next ocsf.Text) Answer {
	a := Answer{State: Partly, Text: text, Next: next, Good: good, All: all}
	switch {
	case all == 0:
		a.State = Unasked
	case good >= all:
		a.State, a.Next = Met, ocsf.Text{}
	case 2*good < all:
		a.State = Unmet
	}
	return a
}

// Complete says what a check lacks.
func (c Check) Complete() error {
	switch {
	case c.ID == "" || c.Ask == nil:
		return fmt.Errorf("check %q is not complete", c.ID)
	case c.Title.EN == "" || c.Title.ZH == "" || c.Why.EN == "" || c.Why.ZH == "":
		return fmt.Errorf("check %s does not explain itself in both languages", c.ID)
	case len(c.Controls) == 0:
		return errors.New("check " + c.ID + " names no clause that asks it")
	}
	return nil
}
