package deid

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/store"
)

// KindReidentify is the evidence record of a request to turn pseudonyms back.
const KindReidentify = "reidentification"

// The states of a request.
const (
	Asked    = "asked"    // waits for another user
	Granted  = "granted"  // may be answered once
	Declined = "declined" //
	Answered = "answered" // the answer was shown; it is kept nowhere
	Lapsed   = "lapsed"   // nobody decided or fetched it in time
)

const (
	// decideWithin and fetchWithin are how long a request and an approval hold.
	decideWithin = 7 * 24 * time.Hour
	fetchWithin  = 24 * time.Hour
	// mostItems is how many pseudonyms one request may name.
	mostItems = 1000
	mostText  = 1000
)

// Request asks who is behind pseudonyms. It holds no answer. Times are ms.
type Request struct {
	ID      string   `json:"id"`
	Purpose string   `json:"purpose"`
	Basis   string   `json:"basis"` // who decided it, in the hospital's own words
	Items   []string `json:"items"`
	By      string   `json:"by"`
	At      int64    `json:"at"`
	State   string   `json:"state"`
	// DecidedBy is another user than By.
	DecidedBy string `json:"decided_by,omitempty"`
	Decided   int64  `json:"decided,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Fetched   int64  `json:"fetched,omitempty"`
	// Found is how many of the items could be turned back.
	Found int `json:"found"`
}

// Now says the state at a time: what nobody decided or fetched lapses.
func (q Request) Now(now time.Time) string {
	switch {
	case q.State == Asked && now.Sub(time.UnixMilli(q.At)) > decideWithin,
		q.State == Granted && now.Sub(time.UnixMilli(q.Decided)) > fetchWithin:
		return Lapsed
	}
	return q.State
}

// Wrong is an error in what somebody asked for; its text is for them.
type Wrong struct{ EN, ZH string }

// Error is the English text.
func (w Wrong) Error() string { return w.EN }

// Passed is the error of a request whose state does not allow what was asked
// of it; its text is for people too.
type Passed Wrong

// Error is the English text.
func (p Passed) Error() string { return p.EN }

// ErrOwn is the error of deciding on one's own request.
var ErrOwn = errors.New("somebody else has to decide: not who asked who is behind the pseudonyms")

// Desk answers requests. Every step is a record of the evidence log, written
// before its effect: the answer is computed only after the record that says it
// is given is durable, is given once, and to who asked.
type Desk struct {
	DB  *store.DB
	Log *evidence.Log
	// Key opens the key and Vault names the file of pseudonyms, empty for none.
	Key   func() (*Key, error)
	Vault string
	Now   func() time.Time
}

// Ask begins a request.
func (d *Desk) Ask(ctx context.Context, q Request, by string) (Request, error) {
	q.Purpose, q.Basis = strings.TrimSpace(q.Purpose), strings.TrimSpace(q.Basis)
	items := make([]string, 0, len(q.Items))
	for _, item := range q.Items {
		if item = strings.TrimSpace(item); item != "" && !slices.Contains(items, item) {
			items = append(items, item)
		}
	}
	switch {
	case q.Purpose == "" || q.Basis == "":
		return q, Wrong{"write what it is for, and who decided it", "请填写用途及批准依据"}
	case len(q.Purpose) > mostText || len(q.Basis) > mostText:
		return q, Wrong{"a text is longer than 1000 characters; shorten it", "文字超过 1000 字，请精简"}
	case len(items) == 0 || len(items) > mostItems:
		return q, Wrong{"name 1 to 1000 pseudonyms", "请填写 1 至 1000 个假名"}
	}
	q = Request{ID: "R-" + rand.Text()[:12], Purpose: q.Purpose, Basis: q.Basis, Items: items, By: by, At: d.Now().UnixMilli(), State: Asked}
	err := d.DB.Update(ctx, func(tx *sql.Tx) error { return d.put(tx, q) })
	return q, err
}

func (d *Desk) put(tx *sql.Tx, q Request) error {
	body, err := json.Marshal(q)
	if err != nil {
		return err
	}
	_, err = d.Log.Put(tx, evidence.Record{Kind: KindReidentify, ID: q.ID, Time: d.Now().UnixMilli(), Status: q.State, Ref: q.By, Body: body})
	return err
}

// List gives the requests, newest first.
func (d *Desk) List(ctx context.Context, limit int) ([]Request, error) {
	recs, err := d.Log.List(ctx, evidence.Filter{Kind: KindReidentify, Limit: limit})
	if err != nil {
		return nil, err
	}
	all := make([]Request, len(recs))
	for i, r := range recs {
		if err := json.Unmarshal(r.Body, &all[i]); err != nil {
			return nil, err
		}
		all[i].State = all[i].Now(d.Now())
	}
	return all, nil
}

// change rewrites a request inside one transaction.
func (d *Desk) change(ctx context.Context, id string, do func(*Request) error) (q Request, err error) {
	err = d.DB.Update(ctx, func(tx *sql.Tx) error {
		rec, err := d.Log.Latest(tx, KindReidentify, id)
		if err != nil {
			return err
		}
		q = Request{}
		if err := json.Unmarshal(rec.Body, &q); err != nil {
			return err
		}
		q.State = q.Now(d.Now())
		if err := do(&q); err != nil {
			return err
		}
		return d.put(tx, q)
	})
	return q, err
}

// Decide grants or declines a request. Who asked may take it back, and never
// grant it.
func (d *Desk) Decide(ctx context.Context, id, by string, grant bool, reason string) (Request, error) {
	reason = strings.TrimSpace(reason)
	return d.change(ctx, id, func(q *Request) error {
		switch {
		case q.State != Asked:
			return Passed{"it does not wait for a decision any more", "该申请已无需审批"}
		case reason == "" || len(reason) > mostText:
			return Wrong{"write why, in at most 1000 characters", "请填写理由（不超过 1000 字）"}
		case grant && q.By == by:
			return ErrOwn
		}
		q.State, q.DecidedBy, q.Decided, q.Reason = Declined, by, d.Now().UnixMilli(), reason
		if grant {
			q.State = Granted
		}
		return nil
	})
}

// Behind is one answer.
type Behind struct {
	Pseudonym string `json:"pseudonym"`
	// Value is empty where nothing is known: another key, or no vault.
	Value string `json:"value"`
}

// Answer turns the pseudonyms of a granted request back, for who asked, once.
// That it was given is on record before it is computed: an answer lost on the
// way to the screen has to be asked for again.
func (d *Desk) Answer(ctx context.Context, id, by string) ([]Behind, error) {
	key, err := d.Key()
	if err != nil {
		return nil, err
	}
	q, err := d.change(ctx, id, func(q *Request) error {
		switch {
		case q.By != by:
			return Wrong{"the answer is for who asked", "答复仅提供给申请人"}
		case q.State == Answered:
			return Passed{"it was answered already; an answer is shown once, ask again", "已答复；答复只显示一次，如需请重新申请"}
		case q.State != Granted:
			return Passed{"it is not approved, or the approval is over a day old", "申请未获批准，或批准已超过一天"}
		}
		q.State, q.Fetched = Answered, d.Now().UnixMilli()
		return nil
	})
	if err != nil {
		return nil, err
	}
	found, err := Reverse(key, d.Vault, q.Items)
	if err != nil {
		return nil, err
	}
	_, err = d.change(ctx, id, func(q *Request) error {
		q.Found = len(found)
		return nil
	})
	all := make([]Behind, len(q.Items))
	for i, p := range q.Items {
		all[i] = Behind{p, found[p]}
	}
	return all, err
}
