package api

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
	"github.com/cordon-health/cordon/quarantine"
)

// Sees says whether a user may see a case: a department head those of the
// people of their own department, others with the permission all.
func (s *Services) Sees(u identity.User, c incident.Case) bool {
	return u.May(identity.SeeCases) && s.SeesPerson(u, c.Person)
}

// SeesPerson says the same of a member of staff.
func (s *Services) SeesPerson(u identity.User, person string) bool {
	if u.Role != identity.DepartmentHead {
		return true
	}
	p, ok := s.People.Person(person)
	return ok && u.Department != "" && p.Department == u.Department
}

// Case reads a case for a user; one that they may not see does not exist.
func (s *Services) Case(ctx context.Context, u identity.User, id string) (incident.Case, error) {
	c, err := s.Desk.Get(ctx, id)
	if err != nil {
		return c, err
	}
	if !s.Sees(u, c) {
		return incident.Case{}, missing()
	}
	return c, nil
}

// handled is Case for somebody who is going to change it: nobody handles a
// case about themselves.
func (s *Services) handled(ctx context.Context, u identity.User, id string, p identity.Permission) (incident.Case, error) {
	if !u.May(p) {
		return incident.Case{}, forbidden()
	}
	c, err := s.Case(ctx, u, id)
	if err == nil && u.PersonID != "" && u.PersonID == c.Person {
		err = refuse(http.StatusForbidden, "this case is about you; somebody else has to handle it", "该事件涉及您本人，须由他人处理")
	}
	return c, err
}

// unpersonal is the refusal of a decision that a program wanted to make.
func unpersonal(u identity.User) error {
	if u.Role.May(identity.ApproveActions) {
		return refuse(http.StatusForbidden, "a decision is a person's word, and this is a program's token: sign in to the console and decide there",
			"审批须由本人作出，程序令牌不能审批：请登录控制台操作")
	}
	return forbidden()
}

func forbidden() error {
	return refuse(http.StatusForbidden, "your role may not do this; ask an administrator", "您的角色无此权限，请联系管理员")
}

// Assign gives a case to a user of the console; empty gives it back.
func (s *Services) Assign(ctx context.Context, u identity.User, id, to string) (incident.Case, error) {
	c, err := s.handled(ctx, u, id, identity.HandleCases)
	switch {
	case err != nil:
		return c, err
	case c.Status == incident.StatusClosed:
		return c, closed()
	}
	if to != "" {
		if err := s.assignable(ctx, c, to); err != nil {
			return c, err
		}
	}
	return s.Desk.Assign(ctx, id, to, u.Name)
}

// assignable refuses who could not handle the case.
func (s *Services) assignable(ctx context.Context, c incident.Case, to string) error {
	who, err := s.Users.Get(ctx, to)
	if err != nil || !who.May(identity.HandleCases) || !s.Sees(who, c) || who.PersonID != "" && who.PersonID == c.Person {
		return bad("give it to a user of the console who may handle it", "请分派给可处理该事件的控制台用户")
	}
	return nil
}

func closed() error {
	return conflict("the case is closed; reopen it first", "事件已关闭，请先重新打开")
}

// mostText bounds what people write, in characters.
const mostText = 4000

// Comment adds a note to a case.
func (s *Services) Comment(ctx context.Context, u identity.User, id, text string) (incident.Case, error) {
	c, err := s.handled(ctx, u, id, identity.HandleCases)
	if err != nil {
		return c, err
	}
	if text, err = plain(text, true); err != nil {
		return c, err
	}
	return s.Desk.Comment(ctx, id, u.Name, "comment", text)
}

// plain trims a text and refuses one that is too long, or empty where needed.
func plain(text string, needed bool) (string, error) {
	text = strings.TrimSpace(text)
	switch n := len([]rune(text)); {
	case n > mostText:
		return "", bad("the text is longer than 4000 characters; shorten it", "文字超过 4000 字，请精简")
	case n == 0 && needed:
		return "", bad("write a text first", "请先填写内容")
	}
	return text, nil
}

// Close ends a case with a verdict.
func (s *Services) Close(ctx context.Context, u identity.User, id, verdict, text string) (incident.Case, error) {
	c, err := s.handled(ctx, u, id, identity.HandleCases)
	if err != nil {
		return c, err
	}
	v, err := incident.ParseVerdict(verdict)
	if err != nil {
		return c, bad("choose a verdict: confirmed, justified or false-alarm", "请选择结论：属实、合理或误报")
	}
	if text, err = plain(text, false); err != nil {
		return c, err
	}
	if c.Status == incident.StatusClosed {
		return c, conflict("the case is closed already", "事件已关闭")
	}
	return s.Desk.Close(ctx, id, v, u.Name, text)
}

// Reopen opens a closed case again.
func (s *Services) Reopen(ctx context.Context, u identity.User, id, text string) (incident.Case, error) {
	c, err := s.handled(ctx, u, id, identity.HandleCases)
	if err != nil {
		return c, err
	}
	if c.Status != incident.StatusClosed {
		return c, conflict("the case is not closed", "事件未关闭")
	}
	if text, err = plain(text, false); err != nil {
		return c, err
	}
	newer, err := s.Desk.List(ctx, incident.Query{Subject: c.Subject})
	if err != nil {
		return c, err
	}
	for _, o := range newer {
		if o.Status != incident.StatusClosed {
			return c, conflict("case "+o.ID+" about the same subject is open; work there", "同一对象的事件 "+o.ID+" 尚未关闭，请在该事件中处理")
		}
	}
	return s.Desk.Reopen(ctx, id, u.Name, text)
}

// Act asks for an action on a case.
func (s *Services) Act(ctx context.Context, u identity.User, id, action string, params map[string]string) (playbook.Entry, error) {
	c, err := s.handled(ctx, u, id, identity.HandleCases)
	switch {
	case err != nil:
		return playbook.Entry{}, err
	case c.Status == incident.StatusClosed:
		return playbook.Entry{}, closed()
	}
	i := slices.IndexFunc(s.Runner.Actions(), func(a playbook.Action) bool { return a.Name == action })
	if i < 0 {
		return playbook.Entry{}, bad("there is no such action", "没有此处置动作")
	}
	a := s.Runner.Actions()[i]
	if ready, how := a.Ready(); !ready {
		return playbook.Entry{}, Refusal{http.StatusConflict, how}
	}
	if err := s.fitting(ctx, c, a, params); err != nil {
		return playbook.Entry{}, err
	}
	return s.Runner.Do(ctx, playbook.Want{Action: action, Case: id, Params: params, By: u.Name, Human: u.Human()})
}

// fitting refuses parameters that the action does not take or that lead away
// from the case: an action reaches the case's own people and nobody else.
func (s *Services) fitting(ctx context.Context, c incident.Case, a playbook.Action, params map[string]string) error {
	for name, value := range params {
		if !slices.Contains(a.Params, name) {
			return bad("this action takes no parameter "+strconv.Quote(name), "该动作没有参数 "+strconv.Quote(name))
		}
		if _, err := plain(value, false); err != nil {
			return err
		}
	}
	if to, ok := params[playbook.ParamTo]; ok {
		if err := s.assignable(ctx, c, to); err != nil {
			return err
		}
	}
	if account := params[playbook.ParamAccount]; account != "" && !s.ownAccount(c, account) {
		return bad("this account does not belong to the person of the case", "该账号不属于本事件的当事人")
	}
	return nil
}

// ownAccount says whether an account is the case's or its person's.
func (s *Services) ownAccount(c incident.Case, account string) bool {
	if account == c.Account {
		return true
	}
	p, ok := s.People.Resolve(account)
	return ok && c.Person != "" && p.ID == c.Person
}

// entry finds an action of a case by its key.
func (s *Services) entry(ctx context.Context, id, key string) (playbook.Entry, error) {
	all, err := s.Runner.Entries(ctx, id, "")
	if err != nil {
		return playbook.Entry{}, err
	}
	for _, e := range all {
		if e.Key == key {
			return e, nil
		}
	}
	return playbook.Entry{}, missing()
}

// Decide approves or denies a wanted action of a case.
func (s *Services) Decide(ctx context.Context, u identity.User, id, key string, approve bool, note string) (playbook.Entry, error) {
	if _, err := s.handled(ctx, u, id, identity.ApproveActions); err != nil {
		return playbook.Entry{}, err
	}
	e, err := s.entry(ctx, id, key)
	if err != nil {
		return e, err
	}
	decided := slices.ContainsFunc(e.Decisions, func(d playbook.Decision) bool { return d.Person() == u.Human() })
	if e.Status != playbook.StatusWanted || decided {
		return e, conflict("there is nothing left for you to decide about this action", "该动作已无需您决定")
	}
	if note, err = plain(note, false); err != nil {
		return e, err
	}
	return s.Runner.Decide(ctx, key, playbook.Decision{By: u.Name, Human: u.Human(), Approve: approve, Note: note})
}

// Undo takes back a done action of a case.
func (s *Services) Undo(ctx context.Context, u identity.User, id, key string) (playbook.Entry, error) {
	if _, err := s.handled(ctx, u, id, identity.HandleCases); err != nil {
		return playbook.Entry{}, err
	}
	e, err := s.entry(ctx, id, key)
	if err != nil {
		return e, err
	}
	if !s.Undoable(e) {
		return e, conflict("this action cannot be undone, or was undone already", "该动作无法撤销，或已撤销")
	}
	return s.Runner.Undo(ctx, key, u.Name)
}

// Undoable says whether an entry can be taken back.
func (s *Services) Undoable(e playbook.Entry) bool {
	if e.Status != playbook.StatusDone && e.Status != playbook.StatusUnsure {
		return false
	}
	return slices.ContainsFunc(s.Runner.Actions(), func(a playbook.Action) bool { return a.Name == e.Action && a.Undo != nil })
}

// StartPlaybook begins a playbook on a case.
func (s *Services) StartPlaybook(ctx context.Context, u identity.User, id, book string) error {
	c, err := s.handled(ctx, u, id, identity.HandleCases)
	switch {
	case err != nil:
		return err
	case c.Status == incident.StatusClosed:
		return closed()
	}
	if !slices.ContainsFunc(s.Runner.Playbooks(), func(p playbook.Playbook) bool { return p.ID == book }) {
		return bad("there is no such playbook", "没有此处置预案")
	}
	return s.Runner.Start(ctx, book, playbook.Want{Case: id, By: u.Name, Human: u.Human()})
}

// The operations that are told to Services.Audit.
const (
	LookedAtPatient = "patient-trail"     // who looked at this patient
	LookedAtPerson  = "person-trail"      // what this member of staff looked at
	LookedAtReasons = "explanations"      // the explanations of all accesses
	LookedAtRecord  = "quarantine-record" // a record set aside, which may hold patient data
	LookedAtOwnCase = "own-case"          // a case about the user
	TookBundle      = "evidence-bundle"   // evidence was exported
	AskedSQL        = "query"             // a question over the events
)

// Watch tells that a user of Cordon looked at something or took it out. kind
// and id name it ("Patient", the number); text may say more. It is no access
// in the sense of the hospital's systems, which would need an explanation, so
// the patient stands among the resources. When it returns an error nothing may
// be shown: it could not be recorded.
func (s *Services) Watch(ctx context.Context, u identity.User, operation, kind, id, text string) error {
	ev := s.use(u, operation)
	if id != "" {
		ev.Resources = []ocsf.Resource{{UID: id, Type: kind}}
	}
	if text != "" {
		ev.QueryInfo = &ocsf.QueryInfo{UID: rand.Text(), Text: text}
	}
	return s.tell(ctx, ev)
}

// ReplayItem puts a quarantined item in again: mended, or with nil as it is.
func (s *Services) ReplayItem(ctx context.Context, u identity.User, id string, data []byte) error {
	if !u.May(identity.Replay) {
		return forbidden()
	}
	item, err := s.Quarantine.Get(ctx, id)
	if err != nil {
		return err
	}
	if item.State != quarantine.Open {
		return conflict("this record was dealt with already", "该记录已处理")
	}
	if data == nil {
		data = item.Data
	}
	if err := s.Replay(ctx, item, data, u.Name); err != nil {
		return refuse(http.StatusUnprocessableEntity, "still not usable: "+err.Error(), "仍无法使用："+err.Error())
	}
	return nil
}

// DiscardItem gives a quarantined item up.
func (s *Services) DiscardItem(ctx context.Context, u identity.User, id string) error {
	if !u.May(identity.Replay) {
		return forbidden()
	}
	item, err := s.Quarantine.Get(ctx, id)
	if err != nil {
		return err
	}
	if item.State != quarantine.Open {
		return conflict("this record was dealt with already", "该记录已处理")
	}
	return s.Quarantine.Settle(ctx, id, quarantine.Discarded, u.Name)
}
